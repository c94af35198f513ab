"""``shiftmix serve``: a plant's shifts inspected by themselves, and their reports for browsers.

One process holds it together: a thread with Prefect's own runner, a thread that serves the reports,
and, where no other Prefect server is named, one as a child. All end with it.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

from config import load_plant
from flows.links import REPORTS_URL
from flows.prefect_settings import NOTIFY_URL, RUN_SETTINGS, SERVER_SETTINGS
from flows.report_server import is_loopback, is_wildcard, serve_reports, shown_host
from flows.server import PRIVATE, OwnServer, Place, ended_by_signals, environment, own_server
from qc.errors import ShiftmixError
from qc.plant import Plant

HOST = "127.0.0.1"
PORT = 4200  # Prefect's own
REPORTS_PORT = 4201  # the same one always: links of past runs carry it
HOME = "prefect"  # folder beside plant.toml
LOOK = 1.0  # seconds between two looks at a child that may have ended
AUTH = "PREFECT_SERVER_API_AUTH_STRING"  # "user:password", of the server
CLIENT_AUTH = "PREFECT_API_AUTH_STRING"  # the same, of who asks it

# The runner tells each of its steps; what a run has to say is with the run.
QUIET = {"PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "ERROR"}

# What a person sets for the server that we start. Where it is and how it is found, we say.
PASSED_ON = ("PREFECT_SERVER_", "PREFECT_API_DATABASE_", "PREFECT_LOGGING_")


def serve_and_wait(
    config: Path,
    *,
    host: str = HOST,
    port: int = PORT,
    reports_port: int = REPORTS_PORT,
    home: Path | None = None,
) -> int:
    """Serve a plant until a signal ends it; returns the exit code.

    Parameters
    ----------
    host : str
        Address at which the reports, and a Prefect server that is started, are served.
    port : int
        Of a Prefect server that is started.
    home : Path or None
        Folder of such a server's database; None for one beside the configuration.

    Raises
    ------
    ShiftmixError
        If the configuration, the Prefect server or an address cannot be used.
    """
    config = config.resolve()
    plant = load_plant(config)
    try:
        with ExitStack() as at_end:
            at_end.enter_context(ended_by_signals(signal.SIGINT))
            own = _serve(plant, host, port, reports_port, home or config.parent / HOME, at_end)
            _wait(own)
    except SystemExit as ended:
        if not isinstance(ended.code, int) or ended.code <= 128:
            raise
    print("stopped", flush=True)
    return 0


def _serve(
    plant: Plant, host: str, port: int, reports_port: int, home: Path, at_end: ExitStack
) -> OwnServer | None:
    """Start all parts, in an order in which each finds what it needs, and tell."""
    for warning in warnings(host, os.environ):
        print(f"warning: {warning}", file=sys.stderr, flush=True)
    names = [shown_host(host), urlsplit(plant.operation.reports_url).hostname or ""]
    reports = at_end.enter_context(
        serve_reports(Path(plant.storage), host, reports_port, list(filter(None, names)))
    )
    # A secret, which the runs need not know.
    notify_url = os.environ.pop(NOTIFY_URL, "")
    ours = {**PRIVATE, REPORTS_URL: reports}
    at_end.enter_context(environment({**QUIET, **RUN_SETTINGS, **os.environ, **ours}))
    own = None
    if not os.environ.get("PREFECT_API_URL"):
        print("starting a Prefect server ...", flush=True)
        place = Place(home, host, port, shown_host(host), server_settings(host, port, os.environ))
        at_end.enter_context(environment(_as_client(os.environ)))
        own = at_end.enter_context(own_server(place))
    # Imports Prefect, which reads the environment then: not before it is all there.
    from flows.runner_thread import RunnerThread, reachable

    ui = reachable()
    runner = RunnerThread(plant, notify_url)
    at_end.callback(runner.stop)
    runner.start()
    print(f"Prefect: {_address(own, host, ui)}")
    print(f"Reports: {plant.operation.reports_url or reports}")
    print("Ctrl-C, or SIGTERM, stops it.", flush=True)
    return own


def warnings(host: str, settings: Mapping[str, str]) -> Iterator[str]:
    """Say what other machines may do, where the address is not this machine's alone."""
    if is_loopback(host):
        return
    yield f"whoever reaches {host} may read all reports: put a proxy that asks who it is before it"
    if not settings.get("PREFECT_API_URL") and not settings.get(AUTH):
        yield (
            f"whoever reaches {host} may start, change and delete runs: set {AUTH} to "
            "user:password, or leave --host away"
        )


def server_settings(host: str, port: int, settings: Mapping[str, str]) -> dict[str, str]:
    """What a Prefect server of ours is told: what a person has set for it, and who may ask it.

    Other sites' pages, which a browser would let ask any server that lets them, may not.
    """
    hosts = {shown_host(host), HOST, "localhost"}
    origins = ",".join(sorted(f"http://{name}:{port}" for name in hosts))
    passed = {name: value for name, value in settings.items() if name.startswith(PASSED_ON)}
    return {"PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS": origins, **SERVER_SETTINGS, **passed}


def _as_client(settings: Mapping[str, str]) -> dict[str, str]:
    """What we and our runs must say to a server of ours that asks for a password."""
    return {CLIENT_AUTH: settings[AUTH]} if settings.get(AUTH) else {}


def _address(own: OwnServer | None, host: str, ui: str) -> str:
    """Where a browser finds Prefect."""
    if own is not None and is_wildcard(host):
        return f"http://{shown_host(host)}:{urlsplit(own.api).port}"
    return ui


def _wait(own: OwnServer | None) -> None:
    """Wait for ever, and start a server of ours again that has ended."""
    while True:
        time.sleep(LOOK)
        if own is None or not own.revive():
            continue
        print("the Prefect server has ended; it is started again", file=sys.stderr, flush=True)
        try:
            own.wait()
        except ShiftmixError as error:  # tried again at the next look
            print(f"shiftmix: {error}", file=sys.stderr, flush=True)
