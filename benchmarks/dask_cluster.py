"""A Dask scheduler and its workers, processes on loopback which a test may kill and a core hold."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

LOOPBACK = "127.0.0.1"
DASK = (sys.executable, "-m", "dask")


@dataclass(frozen=True)
class Cluster:
    """The scheduler's address, and the processes."""

    address: str
    scheduler: subprocess.Popen[bytes]
    workers: tuple[subprocess.Popen[bytes], ...]


@contextmanager
def dask_cluster(
    folder: Path,
    number: int = 2,
    settings: Mapping[str, str] | None = None,
    cores: Sequence[int] = (),
) -> Iterator[Cluster]:
    """A cluster of workers of one thread each, without pages; what is alive at the end is killed.

    Parameters
    ----------
    settings : mapping, optional
        Beside this process's environment.
    cores : sequence of int
        The core of each worker; any of them by default.
    """
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        address = f"tcp://{LOOPBACK}:{probe.getsockname()[1]}"
    common = ("--host", LOOPBACK, "--no-dashboard", "--dashboard-address", f"{LOOPBACK}:0")
    scheduler = (*DASK, "scheduler", *common, "--port", address.rpartition(":")[2])
    with ExitStack() as stack:
        head = stack.enter_context(_running(scheduler, folder / "scheduler.log", settings))
        workers = []
        for k in range(number):
            command = (
                *DASK, "worker", address, *common, "--no-nanny", "--nthreads", "1",
                "--local-directory", str(folder / f"worker-{k}"),
            )  # fmt: skip
            pinned = ("taskset", "-c", str(cores[k])) if cores else ()
            log = folder / f"worker-{k}.log"
            workers.append(stack.enter_context(_running((*pinned, *command), log, settings)))
        yield Cluster(address, head, tuple(workers))


@contextmanager
def _running(
    command: Sequence[str], log: Path, settings: Mapping[str, str] | None
) -> Iterator[subprocess.Popen[bytes]]:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, env={**os.environ, **(settings or {})}, stdout=output, stderr=output
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait()
