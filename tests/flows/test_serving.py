"""The service as a plant starts it: one Prefect server, two plants on it, a worker, and its end."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
import yaml
from prefect.settings import PREFECT_API_URL, temporary_settings

from config import EXAMPLE, load_plant
from flows import serving
from flows.deployments import deployments_of
from flows.one_shift import inspect
from flows.prefect_settings import SERVER_SETTINGS
from flows.runner_thread import put_back
from qc.errors import ShiftmixError
from qc.storage import list_published, read_published
from qc.storage.simulated import FIRST_DAY, write_simulation
from tests.browser.conftest import CHROMIUM
from tests.flows.conftest import free_port
from tests.flows.operating import browser_page, open_artifact, open_form, says, submit
from tests.flows.served import held_up

ROOT = Path(__file__).parents[2]
SHIFTMIX = [sys.executable, "-c", "from flows.cli import main; main()"]
PREFECT = [sys.executable, "-m", "prefect"]
LONG = 180.0  # seconds; a busy machine needs many of them
MARK = "SHIFTMIX_TEST_MARK"
# Writes down whom a process of ours asks for, from its first line on.
AUDIT = """
import os, sys
def heard(event, given):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        where = given[0] if event == "socket.getaddrinfo" else given[1]
        with open(os.environ["AUDIT"], "a") as log:
            log.write(f"{os.getpid()} {event} {where[0] if isinstance(where, tuple) else where}\\n")
sys.addaudithook(heard)
"""
Found = TypeVar("Found")


def needs_browser(test: Callable[..., None]) -> Callable[..., None]:
    """Mark a test that looks at pages; a machine without a browser leaves it out."""
    missing = not CHROMIUM.exists() and os.environ.get("CI", "").lower() != "true"
    skipped = pytest.mark.skipif(missing, reason=f"no Chromium at {CHROMIUM}")
    return pytest.mark.browser(skipped(test))


def until(look: Callable[[], Found | None], what: str, limit: float = LONG) -> Found:
    """Wait until a look finds something."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.3)
    raise AssertionError(f"not within {limit} s: {what}")


def marked(mark: str, name: str = MARK) -> dict[int, str]:
    """The processes that carry a mark in their environment, with their command lines."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"{name}={mark}".encode() in (process / "environ").read_bytes().split(b"\0"):
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                if command:  # one that has ended and is not waited for has none
                    found[int(process.name)] = command
        except OSError:
            continue
    return found


@dataclass
class Started:
    """A process that was started, and what it prints."""

    process: subprocess.Popen[bytes]
    output: Path
    mark: str

    def said(self) -> str:
        return self.output.read_text(encoding="utf-8")

    def says(self, words: str) -> None:
        def look() -> bool:
            assert self.process.poll() is None or words in self.said(), self.said()
            return words in self.said()

        until(look, f"{words!r} in {self.output}")


@dataclass
class Service:
    """`shiftmix serve` with a server of its own, and what else a test starts beside it."""

    folder: Path
    audit: Path
    port: int
    reports_port: int
    started: list[Started] = field(default_factory=list)

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    def start(self, command: list[str], cwd: Path, **more: str) -> Started:
        mark = uuid4().hex
        output = self.folder / f"{len(self.started)}.log"
        (self.folder / "site").mkdir(exist_ok=True)
        (self.folder / "site" / "sitecustomize.py").write_text(AUDIT, encoding="utf-8")
        env = {name: value for name, value in os.environ.items() if "PREFECT" not in name}
        env |= {"PYTHONPATH": f"{self.folder / 'site'}:{ROOT}", "AUDIT": str(self.audit)}
        env |= {MARK: mark, **more}
        with output.open("wb") as log:
            process = subprocess.Popen(
                command, cwd=cwd, env=env, stdout=log, stderr=subprocess.STDOUT
            )
        self.started.append(Started(process, output, mark))
        return self.started[-1]

    def as_client(self) -> dict[str, str]:
        return {
            "PREFECT_API_URL": self.api,
            "PREFECT_HOME": str(self.folder / "client"),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
        }

    def post(self, path: str, body: dict[str, Any]) -> Any:
        request = urllib.request.Request(
            f"{self.api}/{path}",
            json.dumps(body).encode(),
            {"content-type": "application/json"},
        )

        def look() -> tuple[Any] | None:
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    return (json.load(answer),)
            except urllib.error.HTTPError as error:
                if (
                    error.code != 503
                ):  # its database is busy: it asks for patience, as of any client
                    raise
                return None

        return until(look, f"an answer to {path}")[0]

    def deployment(self, name: str, flow: str = "inspect-shift") -> dict[str, Any]:
        query = {
            "deployments": {"name": {"any_": [name]}},
            "flows": {"name": {"any_": [flow]}},
        }
        (found,) = self.post("deployments/filter", query)
        return dict(found)

    def run(self, deployment: str, shift: str, **more: Any) -> str:
        """Start a run as the UI does; returns its id."""
        given = {"parameters": {"date": "2026-11-20", "shift": shift}, **more}
        made = self.post(f"deployments/{self.deployment(deployment)['id']}/create_flow_run", given)
        return str(made["id"])

    def state(self, run: str) -> dict[str, Any]:
        (found,) = self.post("flow_runs/filter", {"flow_runs": {"id": {"any_": [run]}}})
        return dict(found["state"])

    def final_state(self, run: str) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            state = self.state(run)
            final = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
            return state if state["type"] in final else None

        return until(look, f"the end of run {run}")


def is_healthy(api: str) -> bool:
    try:
        with urllib.request.urlopen(f"{api}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def plant_in(folder: Path, simulated: Path, name: str, catch_up_days: int = 0) -> Path:
    """A copy of the small Springfield under another name, which makes up for nothing it missed."""
    shutil.copytree(simulated, folder)
    config = folder / "plant.toml"
    text = config.read_text(encoding="utf-8")
    assert 'name = "Springfield"' in text
    text = text.replace('name = "Springfield"', f'name = "{name}"', 1)
    assert "catch_up_days = 7" in text
    text = text.replace("catch_up_days = 7", f"catch_up_days = {catch_up_days}")
    config.write_text(text, "utf-8")
    return config


@pytest.fixture(scope="module")
def service(simulated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    plant_in(folder / "springfield", simulated, "Springfield")
    service = Service(folder, folder / "audit.log", free_port(), free_port())
    ports = ["--port", str(service.port), "--reports-port", str(service.reports_port)]
    # From the plant's folder, with its configuration by default.
    serve = service.start([*SHIFTMIX, "serve", *ports], folder / "springfield")
    try:
        serve.says("stops it.")
        yield service
    finally:
        for one in service.started:
            for pid in marked(one.mark):
                os.kill(pid, signal.SIGKILL)
            one.process.wait()


@pytest.mark.server
def test_it_says_where_things_are_and_how_to_end_it(service: Service) -> None:
    assert service.started[0].said().splitlines() == [
        "starting a Prefect server ...",
        f"Prefect: http://127.0.0.1:{service.port}",
        f"Reports: http://127.0.0.1:{service.reports_port}",
        "Ctrl-C, or SIGTERM, stops it.",
    ]
    with urllib.request.urlopen(f"http://127.0.0.1:{service.port}/", timeout=30) as answer:
        assert b"Prefect" in answer.read()
    assert (service.folder / "springfield/prefect/prefect.db").is_file()


@pytest.mark.server
def test_its_shifts_are_scheduled(service: Service) -> None:
    deployment = service.deployment("springfield")
    assert deployment["parameters"] == {"config": str(service.folder / "springfield/plant.toml")}

    def look() -> list[dict[str, Any]]:
        query = {
            "deployments": {"id": {"any_": [deployment["id"]]}},
            "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}},
        }
        return list(service.post("flow_runs/filter", query))

    runs = until(look, "scheduled runs")
    assert {run["parameters"]["shift"] for run in runs} <= {"early", "late", "night"}


@pytest.mark.server
def test_a_server_that_dies_is_started_again_and_a_run_put_back(service: Service) -> None:
    (server,) = (
        pid for pid, command in marked(service.started[0].mark).items() if "server start" in command
    )
    os.kill(server, signal.SIGKILL)
    service.started[0].says("it is started again")
    until(lambda: is_healthy(service.api), "a server that answers")
    # As a runner leaves it that ends between taking a run and beginning it.
    run = service.run("springfield", "early", state={"type": "PENDING", "name": "Submitting"})
    deployment = UUID(service.deployment("springfield")["id"])
    with temporary_settings({PREFECT_API_URL: service.api}):
        asyncio.run(put_back([deployment]))
    state = service.final_state(run)
    assert state["type"] == "COMPLETED", state
    assert state["message"].endswith("3 lines OK.")
    shift = f"http://127.0.0.1:{service.reports_port}/date=2026-11-20/shift=early/"
    with urllib.request.urlopen(shift, timeout=30) as report:
        assert report.url.endswith("/report/index.html")
        assert b"Springfield" in report.read()


# An operator at a browser


@needs_browser
@pytest.mark.server
def test_an_operator_goes_from_the_form_to_the_report(service: Service) -> None:
    from playwright.sync_api import expect

    ui = service.api.removesuffix("/api")
    # With the shift before it published, some of the late shift's items are held.
    plant = load_plant(service.folder / "springfield/plant.toml")
    inspect(plant, plant.shift(FIRST_DAY, "early"))
    with browser_page() as page:
        open_form(page, ui, "springfield", "inspect-shift")
        run = f"{ui}/v2/runs/flow-run/{submit(page, '2026-11-20', 'late', 'A')}"
        expect(page.get_by_text("Completed", exact=True)).to_be_visible()
        expect(page.get_by_text("Springfield 2026-11-20 late, line A", exact=True)).to_be_visible()
        # What the run says is what is published.
        items = read_published(plant.storage, FIRST_DAY, "late")
        assert set(items["line"]) == {"A"}
        n_held = int(items["disposition"].isin(["ambiguous", "atypical", "unassessed"]).sum())
        assert n_held > 1
        said = f"HOLD {n_held} items. 1 line OK."
        says(page, "Details", said, "held", "shiftmix")
        says(page, "Logs", f"line A: ok, {n_held} items held")
        table = open_artifact(page, run, "lines-springfield-late").get_by_role("row")
        expect(table).to_have_count(2)
        expect(table.nth(0).get_by_role("columnheader").first).to_have_text("line")
        expect(table.nth(1).get_by_role("cell")).to_contain_text(
            ["A", "OK", str(len(items)), str(n_held)]
        )
        twin = open_artifact(page, run, "shift-springfield-late")
        expect(twin.get_by_role("heading", name="Springfield: late shift")).to_be_visible()
        expect(twin.get_by_text(f"HOLD {n_held} items.", exact=True)).to_be_visible()
        expect(twin.get_by_role("link", name="2026-11-20 late", exact=True)).to_be_visible()
        link = open_artifact(page, run, "report-springfield-late")
        link.get_by_role("link", name="Report of 2026-11-20 late", exact=True).click()
        expect(page).to_have_title(re.compile("Springfield"))
        main = page.get_by_role("main")
        expect(main.get_by_text(f"HOLD {n_held} items", exact=False).first).to_be_visible()
        versions = {shift: version for _, shift, version, _ in list_published(plant.storage)}
        assert page.url.endswith(f"/shift=late/{versions['late']}/report/index.html")


@needs_browser
@pytest.mark.server
def test_a_killed_run_is_shown_as_crashed(service: Service) -> None:
    from playwright.sync_api import expect

    ui = service.api.removesuffix("/api")
    plant = load_plant(service.folder / "springfield/plant.toml")
    with held_up(plant, plant.shift(FIRST_DAY, "night")), browser_page() as page:
        run = service.run("springfield", "night")
        page.goto(f"{ui}/v2/runs/flow-run/{run}")
        expect(page.get_by_text("Running", exact=True)).to_be_visible()
        (child,) = until(lambda: marked(run, "PREFECT__FLOW_RUN_ID"), "the run's process")
        os.kill(child, signal.SIGKILL)
        # The page is not loaded anew: it asks by itself.
        expect(page.get_by_text("Crashed", exact=True)).to_be_visible()
        page.get_by_role("tab", name="Details", exact=True).click()
        told = page.get_by_role("tabpanel").get_by_text("exited with status code: -9")
        expect(told).to_be_visible()
    assert [shift for _, shift, _, _ in list_published(plant.storage)].count("night") == 0


@pytest.mark.server
def test_server_service_and_run_called_nobody(service: Service) -> None:
    assert strangers(service) == set()


@pytest.mark.server
def test_a_worker_of_the_plants_own_prefect_runs_a_shift(service: Service, simulated: Path) -> None:
    config = plant_in(service.folder / "own", simulated, "Own")
    text = (ROOT / "prefect.yaml").read_text(encoding="utf-8")
    own = service.folder / "own/prefect.yaml"
    own.write_text(text.replace("name: springfield", "name: own"), encoding="utf-8")
    client = service.as_client() | {"SHIFTMIX_CONFIG": str(config)}
    for words in (
        ["work-pool", "create", "shiftmix", "--type", "process"],
        ["--no-prompt", "deploy", "--all"],
    ):
        done = service.start([*PREFECT, *words], config.parent, **client)
        assert done.process.wait(LONG) == 0, done.said()
    assert service.deployment("own")["parameters"] == {"config": str(config)}
    worker = service.start(
        [*PREFECT, "worker", "start", "--pool", "shiftmix"],
        service.folder,  # not the plant's: nothing rests on where a worker was started
        **service.as_client(),
    )
    state = service.final_state(service.run("own", "late"))
    assert state["type"] == "COMPLETED", (state, worker.said())
    ((day, shift, _, _),) = list_published(load_plant(config).storage)
    assert (str(day), shift) == ("2026-11-20", "late")
    worker.process.terminate()
    worker.process.wait(LONG)


@pytest.mark.server
def test_another_plant_joins_and_ctrl_c_leaves_nothing_of_it(
    service: Service, simulated: Path
) -> None:
    config = plant_in(service.folder / "shelbyville", simulated, "Shelbyville")
    # So many items that the run is not over before it is stopped.
    truth = service.folder / "shelbyville/truth"
    write_simulation(load_plant(config), seed=2, items_per_shift=15_000, truth=truth)
    command = [*SHIFTMIX, "serve", "--config", str(config), "--reports-port", str(free_port())]
    serve = service.start(command, service.folder, **service.as_client())
    serve.says("stops it.")
    assert serve.said().startswith(f"Prefect: http://127.0.0.1:{service.port}\n")
    run = service.run("shelbyville", "early")
    until(lambda: service.state(run)["type"] == "RUNNING", "the run under way")
    assert len(marked(serve.mark)) > 1
    serve.process.send_signal(signal.SIGINT)
    assert serve.process.wait(LONG) == 0, serve.said()
    assert marked(serve.mark) == {}
    assert service.final_state(run)["type"] == "CANCELLED"
    assert service.deployment("shelbyville")["paused"] is False
    assert is_healthy(service.api)  # which is not ours to end


@pytest.mark.fault("K6")
@pytest.mark.server
def test_missed_shifts_are_made_up_for_at_the_start(service: Service, simulated: Path) -> None:
    config = plant_in(service.folder / "capital", simulated, "Capital", catch_up_days=3)
    plant = load_plant(config)
    day = datetime.now(ZoneInfo(plant.time_zone)).date() - timedelta(days=2)
    truth = service.folder / "capital/truth"
    shifts = write_simulation(plant, first_day=day, items_per_shift=300, truth=truth)
    command = [*SHIFTMIX, "serve", "--config", str(config), "--reports-port", str(free_port())]
    serve = service.start(command, service.folder, **service.as_client())
    serve.says("missed shifts: inspected now, oldest first")

    def published() -> bool:
        return {(day, name) for day, name, _, _ in list_published(plant.storage)} == {
            (shift.date, shift.name) for shift in shifts
        }

    until(published, "the missed shifts published")
    serve.process.terminate()
    assert serve.process.wait(LONG) == 0, serve.said()


@pytest.mark.server
def test_sigterm_leaves_no_process(service: Service) -> None:
    serve = service.started[0]
    assert len(marked(serve.mark)) > 1
    serve.process.terminate()
    assert serve.process.wait(LONG) == 0, serve.said()
    *_, revived, last = serve.said().splitlines()
    assert (revived, last) == ("the Prefect server has ended; it is started again", "stopped")
    assert marked(serve.mark) == {}
    for port in (service.port, service.reports_port):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
    # Whoever makes a work pool lets the server look for the kinds there are (docs/operations.md).
    assert strangers(service) <= {"b'raw.githubusercontent.com'"}


def strangers(service: Service) -> set[str]:
    """Whom beside this machine any of our processes asked for so far, name look-ups too."""
    asked = [line.split(" ", 2) for line in service.audit.read_text("utf-8").splitlines()]
    assert len({pid for pid, _, _ in asked}) > 2  # the service, its server, a run
    return {where for _, _, where in asked if not is_own(where)}


def is_own(where: str) -> bool:
    """Whether an address is this machine's: a file, a name of the loopback, or an address of it."""
    if where.startswith("/") or where in {"localhost", "None"}:
        return True
    try:
        return ip_address(where.strip("b'")).is_loopback
    except ValueError:
        return False


def test_the_audit_knows_strangers() -> None:
    assert [
        where for where in ("127.0.0.1", "::1", "/run/x", "localhost") if not is_own(where)
    ] == []
    outside = ("192.0.2.1", "2001:db8::1", "telemetry.example", "b'telemetry.example'", "0.0.0.0")
    assert [where for where in outside if is_own(where)] == []


def test_no_server_at_the_address_is_told_with_the_remedy(config: Path) -> None:
    api = f"http://127.0.0.1:{free_port()}/api"
    done = subprocess.run(
        [*SHIFTMIX, "serve", "--config", str(config), "--reports-port", str(free_port())],
        env=os.environ | {"PREFECT_API_URL": api, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=LONG,
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"shiftmix: the Prefect server at {api} cannot be used: ")
    assert "unset PREFECT_API_URL" in line
    assert done.stdout == ""


def test_a_taken_port_is_told_with_the_remedy(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    before = dict(os.environ)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            ShiftmixError, match=rf"cannot listen at 127.0.0.1 port {port}: .*--port"
        ):
            serving.serve_and_wait(config, port=port, reports_port=0)
    assert dict(os.environ) == before


@pytest.mark.parametrize(
    ("host", "settings", "told"),
    [
        ("127.0.0.1", {}, []),
        ("localhost", {}, []),
        ("::1", {}, []),
        ("0.0.0.0", {}, ["read all reports", "delete runs"]),
        ("192.0.2.7", {}, ["read all reports", "delete runs"]),
        ("192.0.2.7", {serving.AUTH: "qc:x"}, ["read all reports"]),
        ("192.0.2.7", {"PREFECT_API_URL": "http://192.0.2.8/api"}, ["read all reports"]),
    ],
)
def test_what_others_may_do_is_told(host: str, settings: dict[str, str], told: list[str]) -> None:
    said = list(serving.warnings(host, settings))
    assert len(said) == len(told)
    assert all(words in line for words, line in zip(told, said, strict=True))


def test_settings_of_a_person_reach_the_server_and_no_others() -> None:
    given = {
        "PREFECT_SERVER_API_AUTH_STRING": "qc:x",
        "PREFECT_API_DATABASE_CONNECTION_URL": "sqlite://",
        "PREFECT_HOME": "/elsewhere",
        "PREFECT_PROFILE": "other",
        "HOME": "/x",
    }
    settings = serving.server_settings("127.0.0.1", 4200, given)
    assert settings == {
        "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS": "http://127.0.0.1:4200,http://localhost:4200",
        "PREFECT_SERVER_API_AUTH_STRING": "qc:x",
        "PREFECT_API_DATABASE_CONNECTION_URL": "sqlite://",
        **SERVER_SETTINGS,
    }
    kept = {"PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": "86400"}
    assert serving.server_settings("127.0.0.1", 4200, kept).items() >= kept.items()


def test_prefect_yaml_says_of_the_example_what_serve_registers() -> None:
    stated = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))
    by_flow = {one["entrypoint"]: one for one in stated["deployments"]}
    registered = {one.entrypoint: one for one in deployments_of(load_plant(EXAMPLE))}
    assert set(by_flow) == set(registered)
    for entrypoint, served in registered.items():
        own = by_flow[entrypoint]
        assert (own["name"], own["tags"]) == (served.name, served.tags)
        schedules = [
            (one["slug"], one["cron"], one["timezone"], one["parameters"])
            for one in own.get("schedules", [])
        ]
        assert schedules == [
            (one.slug, one.schedule.cron, one.schedule.timezone, one.parameters)
            for one in served.schedules or []
        ]
        assert own["parameters"] == {"config": "{{ $SHIFTMIX_CONFIG }}"}
        assert own["work_pool"] == {"name": "shiftmix"}
        assert stated["pull"] == []


def test_wheels_are_pinned_and_complete_without_a_network() -> None:
    make = subprocess.run(
        ["make", "--dry-run", "--always-make", "wheels"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    (command,) = [line for line in make.stdout.splitlines() if " pip wheel " in line]
    assert "--constraint constraints.txt" in command
    assert command.endswith("--wheel-dir wheels .")
