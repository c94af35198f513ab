"""Who scans and writes makes no difference to what is published, and no file takes them along."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.speed_data import DAY, SHIFT, write_plant
from config import load_plant
from flows import runners
from flows.one_shift import inspect
from flows.runners import workers_of
from qc.errors import ConfigError, RunnerError, WriteError, cannot_write
from qc.plant import Plant, Shift, config_sha256
from qc.storage.items import Task
from qc.storage.parcels import packed, unpacked
from qc.storage.workers import IN_PLACE, Each, Workers
from tests.flows.conftest import file_of, free_port
from tests.flows.deadly import DEADLY, scan_or_die, write_or_die
from tests.flows.runner_site import (
    contents,
    divide,
    expected_ids,
    hidden,
    in_small_pieces,
    published_ids,
)

RUNNERS = ("threads", "processes", "dask")
SMALL = 1_000_000  # bytes that a portion may send out and back
ROWS = 2_200_000


def with_runner(plant: Plant, runner: str, number: int = 2, **more: Any) -> Plant:
    operation = replace(plant.operation, runner=runner, workers=number, **more)
    return replace(plant, operation=operation)


@pytest.fixture(scope="module")
def cluster(simulated: Path) -> Iterator[Workers]:
    """A local cluster for all tests: what it costs is its start."""
    with workers_of(with_runner(load_plant(simulated / "plant.toml"), "dask")) as workers:
        yield workers


def of_kind(plant: Plant, runner: str, cluster: Workers) -> AbstractContextManager[Workers]:
    given = {"in place": IN_PLACE, "dask": cluster}
    known = given.get(runner)
    return workers_of(with_runner(plant, runner)) if known is None else nullcontext(known)


@pytest.fixture
def divided(plant: Plant, early: Shift, monkeypatch: pytest.MonkeyPatch) -> Plant:
    divide(plant, early)
    in_small_pieces(monkeypatch, 100, 150)
    return plant


def test_all_runners_publish_the_same_bytes(divided: Plant, early: Shift, cluster: Workers) -> None:
    found = {}
    for runner in ("in place", *RUNNERS):
        plant = replace(divided, storage=f"{divided.storage}-{runner}")
        with of_kind(plant, runner, cluster) as workers:
            outcome = inspect(plant, early, workers=workers)
        assert outcome.failed == ()
        assert hidden(plant) == []
        found[runner] = contents(plant, early)
    for runner in RUNNERS:
        assert found[runner] == found["in place"], runner
    assert sum(name.endswith(".parquet") and "line=A" in name for name in found["dask"]) > 2
    assert sum(line.counts.held for line in outcome.record.lines) > 0
    for line in ("A", "B", "C"):
        ids = published_ids(outcome, line)
        assert len(ids) == len(set(ids))
        assert set(ids) == expected_ids(plant, line, early)


def test_the_runner_is_no_part_of_the_configuration_of_a_line(plant: Plant, early: Shift) -> None:
    line = plant.lines[0]
    other = with_runner(plant, "dask", 7, dask_address="tcp://host:8786")
    assert config_sha256(other, line, early) == config_sha256(plant, line, early)


def doing(workers: Workers, scan: Any = None, write: Any = None) -> Workers:
    """The same workers, who do other work than they are asked to."""

    def instead(each: Each, work: Any) -> Each:
        return each if work is None else lambda _, given: each(work, given)

    return Workers(instead(workers.scan, scan), instead(workers.write, write))


def rename_one(plant: Plant, early: Shift) -> Path:
    path = file_of(plant, "C", early)
    return path.rename(path.with_name(f"{DEADLY}.parquet"))


@pytest.mark.parametrize("runner", RUNNERS)
def test_a_file_that_kills_its_decoder_is_refused_by_name(
    divided: Plant, early: Shift, runner: str, cluster: Workers
) -> None:
    bad = rename_one(divided, early)
    bad.with_name("good.parquet").write_bytes(bad.read_bytes())
    with of_kind(divided, runner, cluster) as workers:
        outcome = inspect(divided, early, workers=doing(workers, scan=scan_or_die))
    assert outcome.failed == ()
    line = outcome.record.lines[2]
    assert line.counts.refused_files == 1
    (refused,) = (one for one in line.rejects if one.row is None)
    assert DEADLY in refused.path
    assert "died (SIGSEGV)" in refused.detail
    assert set(published_ids(outcome, "C")) == expected_ids(divided, "C", early)


@pytest.mark.parametrize("runner", ["processes", "dask"])
def test_a_portion_that_kills_its_writer_stops_its_line_alone(
    divided: Plant, early: Shift, runner: str, cluster: Workers
) -> None:
    rename_one(divided, early)
    with of_kind(divided, runner, cluster) as workers:
        outcome = inspect(divided, early, workers=doing(workers, write=write_or_die))
    assert outcome.failed == ("C",)
    assert "died (SIGKILL)" in outcome.record.lines[2].error
    assert hidden(divided) == []


class Measured:
    """Workers in place, to whom everything travels as it does on a cluster."""

    def __init__(self) -> None:
        self.sent: dict[str, list[int]] = {"scan": [], "write": []}

    def each(self, what: str) -> Any:
        def each(work: Any, given: Sequence[Any]) -> Any:
            for one in given:
                out = packed((work, one))
                again, there = unpacked(out)
                back = packed(again(there))
                self.sent[what].append(len(out) + len(back))
                yield unpacked(back)

        return each


def test_what_travels_for_a_portion_is_less_than_a_megabyte(tmp_path: Path) -> None:
    plant = load_plant(write_plant(tmp_path / "site", 1, ROWS))
    others = (replace(plant.lines[0], name=f"M{number:03d}") for number in range(499))
    plant = replace(plant, lines=(*plant.lines, *others))
    measured = Measured()
    workers = Workers(measured.each("scan"), measured.each("write"))
    outcome = inspect(plant, plant.shift(DAY, SHIFT), ("L000",), workers=workers)
    assert outcome.record.lines[0].counts.items == ROWS
    for what, sent in measured.sent.items():
        assert sent
        assert max(sent) < SMALL, what


def refuse_to_write(task: Task) -> None:
    try:
        Path(task.folder).joinpath("no", "such").write_text("")
    except OSError as error:
        raise cannot_write(task.folder, error) from error


@pytest.mark.parametrize("runner", RUNNERS)
def test_what_the_system_said_of_a_failed_write_is_known(
    divided: Plant, early: Shift, runner: str, cluster: Workers
) -> None:
    with of_kind(divided, runner, cluster) as workers:
        given = doing(workers, write=refuse_to_write)
        with pytest.raises(WriteError, match="cannot write") as met:
            inspect(divided, early, workers=given)
    assert isinstance(met.value.__cause__, FileNotFoundError)


def test_dask_is_imported_where_it_is_configured_alone() -> None:
    code = (
        "import sys, flows.cli, flows.inspect_shift, flows.backfill, flows.runners;"
        "print(*{'dask', 'distributed', 'prefect_dask'} & set(sys.modules))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == ""


def test_without_the_extra_the_error_says_what_to_install(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runners, "EXTRA", ("distributed", "no_such_module_of_dask"))
    with (
        pytest.raises(ConfigError, match=r"no_such_module_of_dask.*shiftmix\[dask\]"),
        workers_of(with_runner(plant, "dask")),
    ):
        pass


def test_a_scheduler_that_does_not_answer_ends_the_run(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows import on_dask

    monkeypatch.setattr(on_dask, "WAIT", 2.0)
    address = f"tcp://127.0.0.1:{free_port()}"
    with (
        pytest.raises(RunnerError, match=address),
        workers_of(with_runner(plant, "dask", dask_address=address)),
    ):
        pass


def test_a_decoder_starts_without_pandas() -> None:
    code = "import sys, qc.storage.decoder, qc.inspection.readings; print('pandas' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"
