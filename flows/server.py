"""A Prefect server of one's own: a child process on loopback that ends with its context.

Nothing in this module imports Prefect: its settings are read from the environment when it is
imported, so the environment is set first.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

from qc.errors import ShiftmixError

HOST = "127.0.0.1"
START_LIMIT = 120.0  # seconds; a new database on a busy machine takes up to 40
STOP_LIMIT = 15.0  # seconds between asking the server to end and killing it
FLUSH_LIMIT = 5.0  # seconds for logs and events that are still on their way to the server
POLL = 0.2  # seconds between two looks at a server that is starting

# The plant's network is nobody's business: neither server nor client may call out.
PRIVATE = {"PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}


@contextmanager
def prefect_server(home: Path, *, start_limit: float = START_LIMIT) -> Iterator[str]:
    """Run a Prefect server for the length of a ``with`` block, and point this process at it.

    Parameters
    ----------
    home : Path
        Folder of the server's database, settings and log; made where it is missing.
    start_limit : float
        Seconds to wait for the server to answer.

    Yields
    ------
    str
        Its API's URL, which is also this process's ``PREFECT_API_URL`` inside the block.

    Raises
    ------
    ShiftmixError
        If the server ends, or does not answer in time; the message names its log.
    """
    home.mkdir(parents=True, exist_ok=True)
    port = _free_port()
    api = f"http://{HOST}:{port}/api"
    settings = {**PRIVATE, "PREFECT_HOME": str(home.resolve()), "PREFECT_SERVER_UI_API_URL": api}
    with ExitStack() as at_end:
        at_end.enter_context(_ended_by_signals())
        process = _start(port, home / "server.log", settings)
        at_end.callback(_stop, process)
        _wait_until_healthy(process, f"{api}/health", home / "server.log", start_limit)
        at_end.enter_context(_pointed_at(settings | {"PREFECT_API_URL": api}))
        at_end.callback(_flush)
        yield api


def _start(port: int, log: Path, settings: dict[str, str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "prefect", "server", "start"]
    # Settings of a surrounding Prefect must not leak into this server.
    inherited = {name: value for name, value in os.environ.items() if "PREFECT" not in name}
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 - our own interpreter, no shell
            [*command, "--host", HOST, "--port", str(port)],
            env=inherited | settings,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # A group of its own: Ctrl-C reaches us alone, and we end the whole group.
            start_new_session=True,
        )


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the server's process group, by asking and then by force."""
    for number, patience in ((signal.SIGTERM, STOP_LIMIT), (signal.SIGKILL, None)):
        if process.poll() is None:
            os.killpg(process.pid, number)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            continue
        return


def _wait_until_healthy(
    process: subprocess.Popen[bytes], health: str, log: Path, limit: float
) -> None:
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise ShiftmixError(
                f"the Prefect server ended with code {process.returncode} while starting",
                remedy=f"Its log says why: {log}",
            )
        if _answers(health):
            return
        time.sleep(POLL)
    raise ShiftmixError(
        f"the Prefect server did not answer within {limit:g} s",
        remedy=f"Its log is {log}; on a busy machine try again",
    )


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own loopback URL
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@contextmanager
def _pointed_at(settings: Mapping[str, str]) -> Iterator[None]:
    """Point this process's Prefect there, whether Prefect has read its environment yet or not."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        with ExitStack() as at_end:
            if "prefect" in sys.modules:
                from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings

                url, home = settings["PREFECT_API_URL"], Path(settings["PREFECT_HOME"])
                at_end.enter_context(temporary_settings({PREFECT_API_URL: url, PREFECT_HOME: home}))
            yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _flush() -> None:
    """Send what Prefect's background threads still hold: the server keeps task states and logs."""
    if "prefect" in sys.modules:
        from prefect.events.worker import EventsWorker
        from prefect.logging.handlers import APILogWorker

        for worker in (EventsWorker, APILogWorker):
            worker.drain_all(timeout=FLUSH_LIMIT)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let a polite kill or a closed terminal unwind the stack, so that the server is stopped."""
    signals = (signal.SIGTERM, signal.SIGHUP)

    def leave(number: int, _frame: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)

    try:
        before = {number: signal.signal(number, leave) for number in signals}
    except ValueError:  # not in the main thread: signals are somebody else's there
        yield
        return
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
