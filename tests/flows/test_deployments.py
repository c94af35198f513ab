"""A plant's deployment on a real server: its schedules, its form, and runs as the UI makes them."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun, State
from prefect.flow_engine import run_flow
from prefect.runner import Runner
from prefect.states import Pending

import flows.inspect_shift
from config import EXAMPLE, load_plant
from flows.deployments import deployment_name, deployments_of, remove_old_schedules
from flows.due import due
from flows.inspect_shift import inspect_shift
from flows.links import REPORTS_URL
from flows.server import prefect_server
from qc.plant import Plant
from qc.storage import load_published
from qc.storage.simulated import FIRST_DAY
from tests.browser.conftest import CHROMIUM, FLAGS

pytestmark = pytest.mark.server

PATIENCE = 90.0  # seconds; a busy machine
DAY = FIRST_DAY.isoformat()
REPORTS = "http://127.0.0.1:4280/"


@dataclass(frozen=True)
class Site:
    """A plant that is registered with a server."""

    plant: Plant
    api: str
    deployment: UUID
    home: Path

    def ask(self, parameters: Mapping[str, Any]) -> httpx.Response:
        """Submit the form, as the UI does."""
        return httpx.post(
            f"{self.api}/deployments/{self.deployment}/create_flow_run",
            json={"parameters": parameters, "state": {"type": "SCHEDULED"}},
            timeout=30,
        )

    def run(self, parameters: Mapping[str, Any]) -> UUID:
        answer = self.ask(parameters)
        assert answer.status_code == httpx.codes.CREATED, answer.text
        return UUID(answer.json()["id"])

    def attempts(self) -> list[Path]:
        """All versions and attempts, of any shift."""
        return sorted(Path(self.plant.storage).glob("date=*/shift=*/v*"))


@pytest.fixture(scope="module")
def site(simulated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("served") / "springfield"
    shutil.copytree(simulated, folder)
    plant = load_plant(folder / "plant.toml")
    home = tmp_path_factory.mktemp("prefect")
    with pytest.MonkeyPatch.context() as patch, prefect_server(home) as api:
        patch.setenv(REPORTS_URL, REPORTS)
        deployment, *_ = deployments_of(plant)
        site = Site(plant, api, UUID(str(deployment.apply())), home)
        yield site
    # What Prefect kept of results, if anything, is text.
    for file in (home / "storage").glob("*"):
        assert file.read_text(encoding="utf-8").startswith("{"), file


def read(run: UUID) -> FlowRun:
    with get_client(sync_client=True) as client:
        return client.read_flow_run(run)


def executed(run: UUID) -> State[Any]:
    """Run it in this process, as a runner would in a process of its own."""
    state: Any = run_flow(inspect_shift, flow_run=read(run), return_type="state")
    assert isinstance(state, State)
    return state


def artifacts_of(run: UUID) -> dict[str | None, Any]:
    with get_client(sync_client=True) as client:
        only = FlowRunFilter(id=FlowRunFilterId(any_=[run]))
        found = client.read_artifacts(flow_run_filter=only)
    return {artifact.key: artifact for artifact in found}


def until(found: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (there := found()) and time.monotonic() < deadline:
        time.sleep(0.5)
    return there


# The schedules


def scheduled_runs(site: Site) -> list[FlowRun]:
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs()
    mine = [run for run in runs if run.auto_scheduled and run.deployment_id == site.deployment]
    names = {run.parameters["shift"] for run in mine}
    return mine if names == {times.name for times in site.plant.shifts} else []


@pytest.mark.fault("K10")
def test_every_shift_is_scheduled_for_when_it_is_due(site: Site) -> None:
    runs = until(lambda: scheduled_runs(site))
    assert runs, "the scheduler made no runs"
    start = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=3)
    plant = site.plant
    for run in runs:
        assert run.state is not None
        assert run.state.is_scheduled()
        days = (start + dt.timedelta(days=k) for k in range(10))
        moments = [due(plant, plant.shift(day, run.parameters["shift"])) for day in days]
        assert run.expected_start_time in moments


def test_a_scheduled_run_waits_until_its_shift_is_due(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = min(until(lambda: scheduled_runs(site)), key=lambda run: run.expected_start_time)
    name = run.parameters["shift"]
    fires = run.expected_start_time
    # The first of the night's two hours, by the clock of this process: the shift is not over.
    clock = [fires - dt.timedelta(hours=1)]
    monkeypatch.setattr(flows.inspect_shift, "_now", lambda: clock[0])

    def sleep(seconds: float) -> None:
        clock[0] += dt.timedelta(seconds=seconds)

    monkeypatch.setattr(flows.inspect_shift, "time", type("Clock", (), {"sleep": sleep}))
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run.id, Pending(), force=True)
    state = executed(run.id)
    shift = next(
        shift
        for back in range(3)
        if due(site.plant, shift := site.plant.shift(fires.date() - dt.timedelta(days=back), name))
        == fires
    )
    assert clock[0] == fires
    # Nobody measured in that shift. It is told by a state of its own, and no version is made.
    after = read(run.id)
    assert (state.name, after.state_name, state.is_failed()) == ("NoData", "NoData", True)
    assert str(state.message).startswith(f"there are no readings of Springfield, {shift}")
    assert after.name == f"Springfield {shift}"
    assert "no-data" in after.tags
    assert not list(Path(site.plant.storage).glob(f"date={shift.date}/shift={shift.name}/v*"))
    # The files come late, and somebody tries the same run again: it is of the same shift still.
    copy_readings(site.plant, FIRST_DAY, shift.date, name)
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run.id, Pending(), force=True)
    assert executed(run.id).is_completed()
    again = read(run.id)
    assert again.name == f"Springfield {shift}"
    assert "no-data" not in again.tags


def test_registering_again_keeps_what_people_paused_and_drops_shifts_that_are_gone(
    site: Site,
) -> None:
    other = replace(site.plant, name="Another plant")

    def schedules() -> dict[str | None, bool]:
        with get_client(sync_client=True) as client:
            there = client.read_deployment_by_name(f"inspect-shift/{deployment_name(other)}")
        return {schedule.slug: schedule.active for schedule in there.schedules}

    remove_old_schedules(other)  # there is nothing yet
    identity = deployments_of(other)[0].apply()
    with get_client(sync_client=True) as client:
        early = next(s for s in client.read_deployment(identity).schedules if s.slug == "early")
        client.update_deployment_schedule(identity, early.id, active=False)
    assert schedules() == {"early": False, "late": True, "night": True}
    smaller = replace(other, shifts=other.shifts[:2])
    remove_old_schedules(smaller)
    assert deployments_of(smaller)[0].apply() == identity
    assert schedules() == {"early": False, "late": True}


def copy_readings(plant: Plant, old: dt.date, new: dt.date, shift: str) -> None:
    for folder in Path(plant.readings).glob(f"line=*/date={old}/shift={shift}"):
        shutil.copytree(folder, folder.parents[1] / f"date={new}" / f"shift={shift}")


# The form


@pytest.mark.browser
@pytest.mark.skipif(
    not CHROMIUM.exists() and os.environ.get("CI", "").lower() != "true",
    reason=f"no Chromium at {CHROMIUM}",
)
def test_the_ui_shows_the_form_as_lists_and_a_calendar(site: Site) -> None:
    from playwright.sync_api import sync_playwright

    address = f"{site.api.removesuffix('/api')}/v2/deployments/deployment/{site.deployment}/run"
    # A browser for this test alone: its event loop would be in the way of Prefect's.
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        page = browser.new_page()
        page.set_default_timeout(1000 * PATIENCE)
        page.goto(address)
        page.get_by_label("Select shift").click()
        options = page.get_by_role("option")
        assert options.all_inner_texts() == ["early", "late", "night"]
        options.nth(1).click()
        page.get_by_label("Select lines").click()
        assert options.all_inner_texts() == ["A", "B", "C"]
        options.nth(0).click()
        options.nth(2).click()
        page.keyboard.press("Escape")
        page.get_by_text("Pick a date").click()
        page.locator("[role=gridcell] button:not([disabled])").first.click()
        page.keyboard.press("Escape")
        with page.expect_response("**/create_flow_run") as answered:
            page.get_by_role("button", name="Submit").click()
        made = answered.value.json()
        browser.close()
    with get_client(sync_client=True) as client:
        client.delete_flow_run(made["id"])
    asked = made["parameters"]
    assert (asked["shift"], asked["lines"]) == ("late", ["A", "C"])
    assert dt.date.fromisoformat(asked["date"])


def test_the_form_offers_the_plants_names(site: Site) -> None:
    there = httpx.get(f"{site.api}/deployments/{site.deployment}").json()
    fields = there["parameter_openapi_schema"]["properties"]
    assert fields["shift"]["enum"] == ["early", "late", "night"]
    assert fields["lines"]["items"]["enum"] == ["A", "B", "C"]
    assert (fields["date"]["type"], fields["date"]["format"]) == ("string", "date")
    assert fields["config"]["enum"] == [site.plant.source]
    assert all(len(field["description"]) > 20 for field in fields.values())
    assert there["enforce_parameter_schema"] is True
    assert there["global_concurrency_limit"] is None  # it would tie a run to the server


BAD_FORMS: list[tuple[dict[str, Any], str]] = [
    ({"shift": ""}, "shift"),
    ({"shift": None}, "shift"),
    ({"shift": "erly"}, "shift"),
    ({"shift": "Early"}, "shift"),
    ({"shift": "early\n"}, "shift"),
    ({"shift": 5}, "shift"),
    ({"shift": ["early"]}, "shift"),
    ({"shift": "x" * 100_000}, "shift"),
    ({"shift": "'; DROP TABLE flow_run; --"}, "shift"),
    ({"shift": {"__prefect_kind": "jinja", "template": "{{ 7 * 7 }}"}}, "shift"),
    ({"lines": "A"}, "lines"),
    ({"lines": ["Z"]}, "lines"),
    ({"lines": ["A", "A"]}, "lines"),
    ({"lines": [None]}, "lines"),
    ({"lines": ["../../A"]}, "lines"),
    ({"lines": {"A": True}}, "lines"),
    ({"date": ""}, "date"),
    ({"date": "tomorrow"}, "date"),
    ({"date": 20261120}, "date"),
    ({"date": "2026-11-20T06:00:00"}, "date"),
    ({"date": "<script>alert(1)</script>"}, "date"),
    ({"config": "/etc/passwd"}, "config"),
    ({"day": "2026-11-20"}, "day"),
]


@pytest.mark.fault("K7")
@pytest.mark.parametrize(("form", "field"), BAD_FORMS, ids=lambda x: str(x)[:40])
def test_the_server_refuses_a_bad_form_and_names_the_field(
    site: Site, form: dict[str, Any], field: str
) -> None:
    answer = site.ask(form)
    assert answer.status_code == httpx.codes.CONFLICT
    assert f"'{field}" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"date": "2026-02-30", "shift": "early"}, " - date: Input should be a valid date"),
        ({"date": "2099-01-01", "shift": "early"}, "date: 2099-01-01 is in the future"),
        ({"date": "9999-12-31", "shift": "night"}, "date: 9999-12-31 is in the future"),
        ({"date": "0001-01-01", "shift": "early"}, "date: 0001-01-01 is before 1800-01-01"),
        ({"date": DAY}, f"shift: {DAY} has 3 shifts"),
        ({"lines": None}, " - lines: Input should be a valid"),
    ],
    ids=lambda x: str(x)[:40],
)
def test_what_no_schema_can_say_fails_at_once_and_names_the_field(
    site: Site, form: dict[str, Any], said: str
) -> None:
    before = site.attempts()
    state = executed(site.run(form))
    assert state.is_failed()
    assert said in str(state.message)
    assert site.attempts() == before


def test_a_shift_that_has_not_ended_is_refused_with_its_date(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    shift = site.plant.shift(FIRST_DAY, "early")
    monkeypatch.setattr(flows.inspect_shift, "_now", lambda: shift.end - dt.timedelta(seconds=1))
    before = site.attempts()
    state = executed(site.run({"date": DAY, "shift": "early"}))
    assert state.name == "Refused"
    assert str(state.message).startswith(f"date: {shift} has not ended; it ends on {DAY} at 14:00")
    assert site.attempts() == before


# Runs that the UI starts, in processes of their own


@pytest.fixture(scope="module")
def finished(site: Site) -> dict[str, UUID]:
    """Three runs at once: some lines of the night shift, and the early shift twice.

    Nothing of a later shift is an input of the early one.
    """
    wide = replace(site.plant, operation=replace(site.plant.operation, runs_at_once=3))
    deployment, *_ = deployments_of(wide)
    asked = {
        "some": site.run({"date": DAY, "shift": "night", "lines": ["A", "C"]}),
        "one": site.run({"date": DAY, "shift": "early"}),
        "two": site.run({"date": DAY, "shift": "early"}),
    }

    async def serve() -> None:
        runner = Runner(name="test", pause_on_shutdown=False)
        await runner.aadd_deployment(deployment)
        await runner.start(run_once=True)

    # The runs import the project by its name, from wherever they are started.
    with pytest.MonkeyPatch.context() as patch:
        root = str(Path(__file__).parents[2])
        paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
        patch.setenv("PYTHONPATH", os.pathsep.join(paths))
        asyncio.run(serve())
    for run in asked.values():
        assert until(lambda run=run: (state := read(run).state) and state.is_final()), run
    return asked


def test_a_run_from_the_form_completes_with_its_verdict_and_a_name_to_read(
    finished: dict[str, UUID],
) -> None:
    run = read(finished["some"])
    assert run.state is not None
    assert run.state.is_completed(), run.state.message
    assert run.name == f"Springfield {DAY} night, lines A, C"
    assert run.parameters["lines"] == ["A", "C"]


def test_a_run_carries_report_table_and_link(finished: dict[str, UUID], site: Site) -> None:
    artifacts = artifacts_of(finished["some"])
    key = "springfield-night"
    assert set(artifacts) == {f"shift-{key}", f"lines-{key}", f"report-{key}"}
    published = load_published(site.plant.storage, FIRST_DAY, "night")
    place = published.report.relative_to(site.plant.storage).as_posix()
    assert f"({REPORTS}{place})" in artifacts[f"report-{key}"].data
    assert f"({REPORTS}{place})" in artifacts[f"shift-{key}"].data
    rows = json.loads(artifacts[f"lines-{key}"].data)
    assert {row["line"] for row in rows} >= {"A", "C"}
    assert len({tuple(row) for row in rows}) == 1


def test_the_same_shift_twice_at_once_is_published_once_and_both_runs_are_good(
    finished: dict[str, UUID], site: Site
) -> None:
    states = [read(finished[name]).state for name in ("one", "two")]
    assert [state.name for state in states if state] == ["Completed", "Completed"]
    versions = list(Path(site.plant.storage).glob(f"date={DAY}/shift=early/v*"))
    assert len(versions) == 1
    published = load_published(site.plant.storage, FIRST_DAY, "early")
    assert [line.line.name for line in published.record.lines] == ["A", "B", "C"]


def test_a_plant_has_a_name_that_prefect_takes() -> None:
    plant = load_plant(EXAMPLE)
    assert deployment_name(plant) == "springfield"
    names = [deployment_name(replace(plant, name=name)) for name in ("工厂", "工廠")]
    assert all(name.startswith("plant-") for name in names)
    assert len(set(names)) == 2
