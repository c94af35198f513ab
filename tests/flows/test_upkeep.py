"""Backfills, missed shifts and new pages on a real server; and everybody at one shift at once."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import prefect  # noqa: F401 - before the server: settings read here must be restored after it
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterParentFlowRunId,
)
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import PrefectHTTPStatusError

from config import EXAMPLE, load_plant
from flows import backfill as flow_module
from flows.backfill import backfill
from flows.catching_up import missed_shifts, start_catch_up
from flows.deployments import deployment_name
from flows.one_shift import inspect
from flows.render_reports import render_reports
from flows.server import prefect_server
from flows.upkeep import upkeep_deployments
from qc.plant import Plant, Shift
from qc.storage import list_published, read_published
from qc.storage.attempt import note_tried
from qc.storage.paths import shift_folder
from qc.storage.published import current_version
from qc.storage.simulated import FIRST_DAY, write_simulation
from qc.storage.supersedes import supersedes_told

pytestmark = pytest.mark.server

ROOT = Path(__file__).parents[2]
PATIENCE = 240.0  # seconds for processes that import, ask the server and inspect, side by side


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with prefect_server(tmp_path_factory.mktemp("prefect")) as api:
        yield api


def newest(flow: str) -> FlowRun:
    """The newest run of a flow, as the server knows it."""
    with get_client(sync_client=True) as client:
        flow_id = client.read_flow_by_name(flow).id
        runs = [run for run in client.read_flow_runs() if run.flow_id == flow_id]
    return max(runs, key=lambda run: run.created)


def below(run: FlowRun) -> dict[str, str]:
    """The runs below a run: their names and states."""
    with get_client(sync_client=True) as client:
        parent = FlowRunFilterParentFlowRunId(any_=[run.id])
        found = client.read_flow_runs(flow_run_filter=FlowRunFilter(parent_flow_run_id=parent))
    return {child.name: child.state.name for child in found if child.state}


def artifacts_of(run: FlowRun) -> dict[str | None, Any]:
    with get_client(sync_client=True) as client:
        only = FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))
        return {found.key: found for found in client.read_artifacts(flow_run_filter=only)}


def message(run: FlowRun) -> str:
    assert run.state is not None
    return str(run.state.message)


def versions(plant: Plant, shift: Shift) -> list[str]:
    """The versions of a shift that were ever published."""
    home = Path(plant.storage) / f"date={shift.date}/shift={shift.name}"
    return sorted(path.parent.name for path in home.glob("v*/manifest.json"))


@pytest.mark.usefixtures("server")
def test_a_backfill_shows_each_shift_as_a_run_and_leaves_alone_what_is_published(
    config: Path, plant: Plant
) -> None:
    shutil.rmtree(Path(plant.readings) / f"line=A/date={FIRST_DAY}/shift=night")
    for line in "BC":
        shutil.rmtree(Path(plant.readings) / f"line={line}/date={FIRST_DAY}/shift=night")
    backfill(str(config), FIRST_DAY, FIRST_DAY, return_state=True)
    run = newest("backfill")
    assert run.name == f"Springfield {FIRST_DAY} to {FIRST_DAY}"
    assert message(run) == "3 shifts: 1 no data, 2 published"
    assert below(run) == {
        f"Springfield {FIRST_DAY} {name}": "Completed" for name in ("early", "late")
    }
    artifacts = artifacts_of(run)
    assert [row["outcome"] for row in _rows(artifacts["backfill-springfield"])] == [
        "published",
        "published",
        "no data",
    ]
    assert artifacts[None].data == 100.0
    assert artifacts[None].description == "3 of 3 shifts"

    backfill(str(config), FIRST_DAY, FIRST_DAY, return_state=True)
    again = newest("backfill")
    assert again.id != run.id
    assert message(again) == "3 shifts: 2 as before, 1 no data"
    assert below(again) == {}


def _rows(artifact: Any) -> list[dict[str, str]]:
    data = artifact.data
    return json.loads(data) if isinstance(data, str) else data


@pytest.mark.usefixtures("server", "corrupt_b")
def test_the_state_of_a_backfill_names_the_shifts_in_error(config: Path) -> None:
    state = backfill(str(config), FIRST_DAY, FIRST_DAY, "early", return_state=True)
    assert state.is_failed()
    assert state.message == f"Shifts in error: {FIRST_DAY} early. 1 shift: 1 error"
    (row,) = _rows(artifacts_of(newest("backfill"))["backfill-springfield"])
    assert "Lines in error: B." in row["said"]


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(
    ("first", "last", "shift", "field"),
    [
        (FIRST_DAY, FIRST_DAY - timedelta(days=1), "", "first"),
        (date(1900, 1, 1), FIRST_DAY, "", "first"),
        (FIRST_DAY, date(2999, 1, 1), "", "last"),
        (FIRST_DAY, FIRST_DAY, "nigth", "shift"),
    ],
)
def test_a_bad_form_is_refused_before_any_work(
    config: Path, plant: Plant, first: date, last: date, shift: str, field: str
) -> None:
    state = backfill(str(config), first, last, shift, return_state=True)
    assert (state.name, state.is_failed()) == ("Refused", True)
    assert str(state.message).startswith(f"{field}: ")
    assert not Path(plant.storage).exists()


@pytest.mark.usefixtures("server")
def test_a_shift_is_inspected_even_where_the_server_takes_no_run(
    config: Path, plant: Plant, early: Shift, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(**_: object) -> None:
        raise httpx.ConnectError("All connection attempts failed")

    monkeypatch.setattr(flow_module, "inspect_shift", away)
    state = backfill(str(config), FIRST_DAY, FIRST_DAY, "early", return_state=True)
    assert state.message == "1 shift: 1 published"
    assert len(versions(plant, early)) == 1


@pytest.mark.usefixtures("server")
def test_pages_are_made_again_by_a_run(published: Path) -> None:
    plant = load_plant(published)
    damaged = current_version(plant.storage, FIRST_DAY, "late")
    (damaged.folder / "held.csv").write_text("")
    early = current_version(plant.storage, FIRST_DAY, "early")
    (early.folder / "report/line-A.html").write_text("")  # a damaged page is made again
    state = render_reports(str(published), FIRST_DAY, return_state=True)
    assert state.message == f"Shifts in error: {FIRST_DAY} late. 3 shifts: 1 with new pages"
    rows = _rows(artifacts_of(newest("render-reports"))["reports-springfield"])
    assert [row["pages"].split(" ")[0].strip(",:") for row in rows] == ["new", "error", "as"]
    none = render_reports(str(published), first=FIRST_DAY, shift="nigth", return_state=True)
    assert (none.name, none.message.split(":")[0]) == ("Refused", "first, last, shift")
    late = render_reports(str(published), last=date(2999, 1, 1), return_state=True)
    assert late.message.startswith("last: 2999-01-01 is in the future") or late.message.startswith(
        "first: 2999-01-01 is in the future"
    )


@pytest.mark.usefixtures("server")
def test_the_forms_refuse_what_the_plant_has_not(plant: Plant) -> None:
    days = {"first": str(FIRST_DAY), "last": str(FIRST_DAY)}
    ids = {d.flow_name: _applied(d) for d in upkeep_deployments(plant)}
    assert set(ids) == {"backfill", "catch-up", "render-reports"}
    with get_client(sync_client=True) as client:
        for bad, field in (
            ({**days, "shift": "nigth"}, "nigth"),
            ({"first": str(FIRST_DAY)}, "last"),
            ({**days, "first": "yesterday"}, "yesterday"),
            ({**days, "lines": ["A"]}, "lines"),
        ):
            with pytest.raises(PrefectHTTPStatusError) as refused:
                client.create_flow_run_from_deployment(ids["backfill"], parameters=bad)
            assert field in refused.value.response.text
        deployment = client.read_deployment(ids["backfill"])
    assert deployment.global_concurrency_limit is not None
    assert deployment.global_concurrency_limit.limit == 1
    assert deployment.concurrency_options is not None
    assert deployment.concurrency_options.collision_strategy == "ENQUEUE"
    assert deployment.name == deployment_name(plant)


def _applied(deployment: Any) -> UUID:
    found = deployment.apply()
    assert isinstance(found, UUID)
    return found


@pytest.fixture
def lately(tmp_path: Path) -> Plant:
    """A plant that recorded the day before yesterday, and inspected nothing."""
    shutil.copyfile(EXAMPLE, tmp_path / "plant.toml")
    plant = load_plant(tmp_path / "plant.toml")
    day = (datetime.now(UTC) - timedelta(days=2)).date()
    write_simulation(plant, first_day=day, items_per_shift=800, truth=tmp_path / "truth")
    return plant


def at_once(*started: tuple[list[str], dict[str, str]]) -> list[int]:
    """Run commands side by side, each with its environment; returns their exit codes."""
    processes = [
        subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
        for command, environment in started
    ]
    return [process.wait(PATIENCE) for process in processes]


def python(code: str, *words: object) -> list[str]:
    return [sys.executable, "-c", code, *map(str, words)]


def test_missed_and_late_runs_at_once_end_as_if_each_shift_had_run_in_order(
    server: str, lately: Plant, tmp_path: Path
) -> None:
    """Serve was down: one of Prefect's own late runs starts together with the run that catches up.

    It is of the second shift, and may be done before the first: then its shift is inspected again,
    since its trend rests on another input, and never twice for the same.
    """
    missed = missed_shifts(lately, datetime.now(UTC))
    assert [shift.name for shift in missed] == ["early", "late", "night"]
    served = {**os.environ, "PREFECT_API_URL": server}
    catching_up = "import sys; from flows.backfill import catch_up; catch_up(sys.argv[1])"
    # It begins once the other has listed what is missed, and is at work on the first shift.
    late = (
        "import sys, time; from datetime import date; from pathlib import Path;"
        "from flows.inspect_shift import inspect_shift\n"
        "while not Path(sys.argv[3]).exists(): time.sleep(0.01)\n"
        "inspect_shift(sys.argv[1], date.fromisoformat(sys.argv[2]), 'late')"
    )
    first = shift_folder(lately.storage, missed[0].date, missed[0].name)
    codes = at_once(
        (python(catching_up, lately.source), served),
        (python(late, lately.source, missed[1].date, first), served),
    )
    assert codes == [0, 0]
    assert message(newest("catch-up")).startswith("3 shifts: ")
    assert list(below(newest("catch-up")).values()) == ["Completed"] * 3
    assert len(versions(lately, missed[0])) == len(versions(lately, missed[2])) == 1
    again = current_version(lately.storage, missed[1].date, missed[1].name)
    if len(versions(lately, missed[1])) > 1:
        assert supersedes_told(again).endswith(": other results of earlier shifts.")
    alone = _alone(Path(lately.source), tmp_path / "alone")
    for shift in missed:
        inspect(alone, shift)
        assert_same(lately, alone, shift)
    assert not set(missed) & set(missed_shifts(lately, datetime.now(UTC)))


@pytest.mark.usefixtures("server")
def test_one_run_is_made_for_all_missed_shifts_and_none_for_none(lately: Plant) -> None:
    for deployment in upkeep_deployments(lately):
        _applied(deployment)
    assert start_catch_up(lately, f"inspect-shift/{deployment_name(lately)}") == 3
    run = newest("catch-up")
    assert run.state is not None
    assert run.state.is_scheduled()
    assert run.parameters == {"config": lately.source}
    for shift in missed_shifts(lately, datetime.now(UTC)):
        inspect(lately, shift)
    for shift in missed_shifts(lately, datetime.now(UTC)):  # those since, which have no readings
        note_tried(lately, shift)
    assert start_catch_up(lately) == 0
    assert newest("catch-up").id == run.id


def test_everybody_at_one_shift_at_once_does_no_harm(
    server: str, config: Path, plant: Plant, early: Shift, tmp_path: Path
) -> None:
    """Plain processes, flow runs and backfills of both kinds: one version, and none mixed."""
    when = ["--date", str(early.date), "--shift", early.name]
    day = str(early.date)
    inspection = [sys.executable, "-c", "from flows.cli import main; main()", "inspect"]
    filling = [*inspection[:-1], "backfill", "--from", day, "--to", day, "--shift", "early"]
    flow = (
        "import datetime, sys; from flows.backfill import backfill;"
        "backfill(sys.argv[1], datetime.date.fromisoformat(sys.argv[2]),"
        " datetime.date.fromisoformat(sys.argv[2]), 'early')"
    )
    plain = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    served = {**plain, "PREFECT_API_URL": server}
    option = ["-c", str(config)]
    codes = at_once(
        ([*inspection, *when, *option], plain),
        ([*inspection, *when, *option], served),
        ([*filling, *option], plain),
        (python(flow, config, day), served),
    )
    assert codes == [0, 0, 0, 0]
    assert len(versions(plant, early)) == 1
    alone = _alone(config, tmp_path / "alone")
    inspect(alone, early)
    assert_same(plant, alone, early)
    assert Counter(name for _, name, _, _ in list_published(plant.storage)) == {"early": 1}


def _alone(config: Path, folder: Path) -> Plant:
    """The same plant and readings, with no results."""
    folder.mkdir()
    shutil.copyfile(config, folder / "plant.toml")
    shutil.copytree(config.parent / "readings", folder / "readings")
    return load_plant(folder / "plant.toml")


def assert_same(one: Plant, other: Plant, shift: Shift) -> None:
    """The tables of a shift are the same, byte for byte, and so is every item."""
    theirs, ours = (current_version(p.storage, shift.date, shift.name) for p in (one, other))
    for name in ("held.parquet", "fits.parquet", "tallies.parquet", "rejects.parquet"):
        assert theirs.entry(name).sha256 == ours.entry(name).sha256, (shift, name)
    frames = (read_published(p.storage, shift.date, shift.name) for p in (one, other))
    assert next(frames).equals(next(frames))
