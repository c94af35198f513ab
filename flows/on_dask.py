"""Scans and portions of all lines on a Dask cluster; fits stay in the flow's process.

`DaskTaskRunner` of prefect-dask starts the cluster, or joins the one that is configured, and gives
its client. What is sent there are plain functions and no tasks of Prefect's: such a task needs the
server from every worker (one that does not reach it starts a server of its own, for half a minute),
a quarter of a second and some 20 kB of its database each. The line's task stands for them.

A worker has children that read the files, so one that kills its decoder ends a child. They stay
with the worker until it ends: the next run finds them warm.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import distributed
from distributed.client import ClosedClientError
from distributed.scheduler import KilledWorker
from prefect_dask.task_runners import DaskTaskRunner

from flows.software import software
from qc.errors import RunnerError
from qc.plant import Operation, Plant
from qc.storage.decoders import Decoders
from qc.storage.parcels import Raised, packed, unpacked
from qc.storage.workers import Workers, cores

CHILDREN = "shiftmix"  # a worker's extension: the children that read files for it
WAIT = 30.0  # seconds for the scheduler to answer, and for its first worker
LOOK = 5.0  # seconds between two looks whether the workers are still there
PATIENCE = 60.0  # seconds without any worker: a supervisor starts one again in less
LOOPBACK = "127.0.0.1"
AGAIN = "Look at the logs of the scheduler and the workers, then run again; nothing was published"


@contextmanager
def on_dask(plant: Plant) -> Iterator[Workers]:
    """The workers of the configured cluster, or of one on this host that ends with the block.

    Raises
    ------
    RunnerError
        If no scheduler or no worker answers, or a worker has other code or lacks the folders.
    """
    with DaskTaskRunner(**_settings(plant.operation)) as runner:
        client = _client_of(runner, plant.operation)
        _judge(client, plant)
        each = partial(_each, client)
        yield Workers(each, each)


def at_work(parcel: bytes) -> bytes:
    """Do a piece of work on a worker, in one of the worker's children."""
    worker = distributed.get_worker()
    fresh = Decoders(worker.state.nthreads, begin=False)
    children = worker.extensions.setdefault(CHILDREN, fresh)
    return packed(children.one(*unpacked(parcel)))


def what_is_there(folders: Mapping[str, int]) -> tuple[str, list[str]]:
    """The code of a worker, and those of some folders, by inode, that it does not see."""
    return software(), [path for path, inode in folders.items() if _inode(path) != inode]


def _inode(folder: str) -> int | None:
    """Number of a folder in its file system, the same on all hosts that share it."""
    path = Path(folder)
    return path.stat().st_ino if path.is_dir() else None


def _settings(operation: Operation) -> dict[str, Any]:
    """Of the task runner; a cluster of our own is for this process alone, and has no pages."""
    client = {"timeout": WAIT}
    if operation.dask_address:
        return {"address": operation.dask_address, "client_kwargs": client}
    local = {
        "n_workers": operation.workers or cores(),
        "threads_per_worker": 1,
        "host": LOOPBACK,
        "dashboard_address": f"{LOOPBACK}:0",
        "scheduler_kwargs": {"dashboard": False},
        "memory_limit": 0,  # a child has its own limit
    }
    return {"cluster_kwargs": local, "client_kwargs": client}


def _client_of(runner: Any, operation: Operation) -> Any:
    at = operation.dask_address or "a cluster on this host"
    try:
        client = runner.client
        client.wait_for_workers(1, timeout=WAIT)
    except (OSError, RuntimeError) as error:  # a TimeoutError is an OSError
        raise RunnerError(
            f"no Dask worker answers ({at}): {error}",
            remedy="Look at the scheduler and the workers, or set another `runner`",
        ) from error
    return client


def _judge(client: Any, plant: Plant) -> None:
    """Refuse workers that would give another answer, or none."""
    seen = {folder: _inode(folder) for folder in (plant.readings, plant.storage)}
    folders = {folder: inode for folder, inode in seen.items() if inode is not None}
    try:
        told = client.run(what_is_there, folders)
    except Exception as error:  # whatever a worker without our code raises
        raise RunnerError(
            f"a Dask worker cannot run shiftmix: {type(error).__name__}: {error}",
            remedy=f"Install {software()} on it",
        ) from error
    for worker, (code, missing) in sorted(told.items()):
        if code != software():
            raise RunnerError(
                f"the Dask worker {worker} has {code}, this process {software()}",
                remedy="Install the same release on all of them",
            )
        if missing:
            raise RunnerError(
                f"the Dask worker {worker} does not see {' and '.join(missing)}",
                remedy="Mount the same readings and storage there, under the same paths",
            )


def _each(client: Any, work: Callable[[Any], Any], given: Sequence[Any]) -> Iterator[Any]:
    with _no_cluster_lost():
        futures = [client.submit(at_work, packed((work, one)), pure=False) for one in given]
    try:
        for future in futures:
            with _no_cluster_lost():
                told = unpacked(_awaited(client, future))
            if isinstance(told, Raised):
                raise told.again()
            yield told
    finally:
        left = [future for future in futures if not future.done()]
        if left:
            client.cancel(left)


@contextmanager
def _no_cluster_lost() -> Iterator[None]:
    """Say what became of the cluster, as an error of ours; one of the work is told, not raised."""
    try:
        yield
    except KilledWorker as error:
        said = f"Dask workers died one after the other: {error}"
        raise RunnerError(said, remedy=AGAIN) from error
    except (asyncio.CancelledError, OSError, ClosedClientError) as error:
        raise RunnerError(f"the Dask scheduler is gone: {error}", remedy=AGAIN) from error


def _awaited(client: Any, future: Any) -> bytes:
    """What a worker gave back; RunnerError where there is none any more to give it."""
    without = 0.0
    while without < PATIENCE:
        try:
            told: bytes = future.result(timeout=LOOK)
        except TimeoutError:
            without = 0.0 if client.nthreads() else without + LOOK
        else:
            return told
    raise RunnerError(f"no Dask worker is left since {PATIENCE:g} s", remedy=AGAIN)
