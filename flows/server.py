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
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import NoReturn

from qc.errors import ShiftmixError

HOST = "127.0.0.1"
ANY = ("", "0.0.0.0", "::")  # noqa: S104 - addresses that stand for all of a machine's
START_LIMIT = 120.0  # seconds; a new database on a busy machine takes up to 40
STOP_LIMIT = 15.0  # seconds between asking the server to end and killing it
FLUSH_LIMIT = 5.0  # seconds for logs and events that are still on their way to the server
POLL = 0.2  # seconds between two looks at a server that is starting

# The plant's network is nobody's business: neither server nor client may call out.
PRIVATE = {"PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server of one's own lives.

    Attributes
    ----------
    home : Path
        Folder of the server's database, settings and log.
    host, port : str, int
        Address to listen on; port 0 for a free one.
    name : str
        Host by which browsers find it, as it stands in a URL.
    settings : dict of str to str
        What this server is told beside what every server of ours is told.
    """

    home: Path
    host: str = HOST
    port: int = 0
    name: str = HOST
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def log(self) -> Path:
        """What the server itself prints."""
        return self.home / "server.log"


class OwnServer:
    """A Prefect server that is a child of this process.

    Raises
    ------
    ShiftmixError
        If the port is taken.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._port = _had_port(place.host, place.port)
        # All addresses of a machine are no address to ask at.
        asked = HOST if place.host in ANY else place.host
        self.api = f"http://{f'[{asked}]' if ':' in asked else asked}:{self._port}/api"
        self.settings = {
            **PRIVATE,
            "PREFECT_HOME": str(place.home.resolve()),
            "PREFECT_SERVER_UI_API_URL": f"http://{place.name}:{self._port}/api",
            **place.settings,
        }
        self._process = _start(place.host, self._port, place.log, self.settings)

    def wait(self, limit: float = START_LIMIT) -> None:
        """Wait until it answers (ShiftmixError if it ends, or does not in time)."""
        _wait_until_healthy(self._process, f"{self.api}/health", self._place.log, limit)

    def revive(self) -> bool:
        """Start it again if it has ended; says whether it had."""
        if self._process.poll() is None:
            return False
        self._process = _start(self._place.host, self._port, self._place.log, self.settings)
        return True

    def stop(self) -> None:
        """End it, by asking and then by force."""
        _stop(self._process)


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
    with own_server(Place(home), start_limit=start_limit) as server:
        yield server.api


@contextmanager
def own_server(place: Place, *, start_limit: float = START_LIMIT) -> Iterator[OwnServer]:
    """As `prefect_server`, at a place that is stated; the server may be revived."""
    place.home.mkdir(parents=True, exist_ok=True)
    with ExitStack() as at_end:
        at_end.enter_context(ended_by_signals())
        server = OwnServer(place)
        at_end.callback(server.stop)
        server.wait(start_limit)
        at_end.enter_context(_pointed_at(server.settings | {"PREFECT_API_URL": server.api}))
        at_end.callback(_flush)
        yield server


def _start(host: str, port: int, log: Path, settings: dict[str, str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "prefect", "server", "start"]
    # Settings of a surrounding Prefect must not leak into this server.
    inherited = {name: value for name, value in os.environ.items() if "PREFECT" not in name}
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 - our own interpreter, no shell
            [*command, "--host", host, "--port", str(port)],
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


def _had_port(host: str, port: int) -> int:
    """The port, or a free one for 0, once it is known that it can be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.create_server((host, port), family=family) as probe:
            return int(probe.getsockname()[1])
    except (OSError, OverflowError) as error:
        said = getattr(error, "strerror", None) or error
        raise ShiftmixError(
            f"a Prefect server cannot listen at {host} port {port}: {said}",
            remedy="Give another --port; or set PREFECT_API_URL to join the server that is there",
        ) from error


@contextmanager
def environment(settings: Mapping[str, str]) -> Iterator[None]:
    """Put settings into the environment of this process and its children, for a while."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _pointed_at(settings: Mapping[str, str]) -> Iterator[None]:
    """Point this process's Prefect there, whether Prefect has read its environment yet or not."""
    with environment(settings), ExitStack() as at_end:
        if "prefect" in sys.modules:
            from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings

            url, home = settings["PREFECT_API_URL"], Path(settings["PREFECT_HOME"])
            at_end.enter_context(temporary_settings({PREFECT_API_URL: url, PREFECT_HOME: home}))
        yield


def _flush() -> None:
    """Send what Prefect's background threads still hold: the server keeps task states and logs."""
    if "prefect" in sys.modules:
        from prefect.events.worker import EventsWorker
        from prefect.logging.handlers import APILogWorker

        for worker in (EventsWorker, APILogWorker):
            worker.drain_all(timeout=FLUSH_LIMIT)


@contextmanager
def ended_by_signals(*more: signal.Signals) -> Iterator[None]:
    """Let a polite kill or a closed terminal unwind the stack, so that the server is stopped.

    Parameters
    ----------
    more : signal.Signals
        Signals that do the same. Whatever comes while the stack unwinds is not heard.
    """
    wanted = (signal.SIGTERM, signal.SIGHUP, *more)

    def leave(number: int, _frame: FrameType | None) -> NoReturn:
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield  # signals are somebody else's there
        return
    # What the caller has told us not to hear, such as `nohup`, stays unheard.
    known = {number: signal.getsignal(number) for number in (*wanted, signal.SIGINT)}
    before = {number: one for number, one in known.items() if one is not signal.SIG_IGN}
    try:
        for number in before.keys() & set(wanted):
            signal.signal(number, leave)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
