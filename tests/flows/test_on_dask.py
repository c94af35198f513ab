"""A cluster of processes of its own: a worker is killed, all of them are, one is unfit."""

from __future__ import annotations

import os
import signal
import socket
import threading
from dataclasses import replace
from pathlib import Path

import prefect  # noqa: F401 - before the server: settings read here must be restored after it
import pytest

from benchmarks.dask_cluster import dask_cluster
from config import load_plant
from flows import on_dask
from flows.inspecting import run_flow
from flows.one_shift import inspect
from flows.runners import workers_of
from flows.server import prefect_server
from qc.errors import RunnerError
from qc.plant import Plant, Shift
from qc.storage.published import read_pointer
from tests.flows.runner_site import contents, divide, hidden, in_small_pieces
from tests.flows.served import children_of, until

BUSY = 30  # hundredths of a second: a child that has begun, and not ended, its first piece

pytestmark = pytest.mark.server
pytest.importorskip("prefect_dask", reason="shiftmix[dask] is not installed")


@pytest.fixture
def divided(plant: Plant, early: Shift, monkeypatch: pytest.MonkeyPatch) -> Plant:
    divide(plant, early)
    in_small_pieces(monkeypatch, 60, 60)
    return plant


def configured(plant: Plant, address: str) -> Plant:
    """The plant with a cluster in its file, and results of its own."""
    file = Path(plant.source)
    text = file.read_text(encoding="utf-8")
    told = f'[operation]\nrunner = "dask"\ndask_address = "{address}"'
    other = file.with_name("on-dask.toml")
    other.write_text(
        text.replace("[operation]", told, 1).replace('"results"', '"on-dask"', 1), encoding="utf-8"
    )
    return load_plant(other)


def open_to_others(pid: int) -> list[str]:
    """Addresses off loopback to which a process listens or is connected."""
    targets = [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()]
    inodes = {one[len("socket:[") : -1] for one in targets if one.startswith("socket:")}
    found = []
    for row in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        _, ours, theirs, _, *rest = row.split()
        if rest[5] in inodes:
            ends = [socket.inet_ntoa(bytes.fromhex(end[:8])[::-1]) for end in (ours, theirs)]
            found += [end for end in ends if end not in ("127.0.0.1", "0.0.0.0")]
            found += ["listens to all"] if ends[0] == "0.0.0.0" else []
    return found


def killed_at_work(worker: int, told: list[bool], target: int) -> None:
    """Kill a process once a worker has begun to work: it has a child that uses the processor."""

    def busy() -> bool:
        return any(_ticks(child) > BUSY for child in children_of(worker))

    told.append(until(busy, 60))
    os.kill(target, signal.SIGKILL)


def _ticks(pid: int) -> int:
    """Hundredths of a second of the processor that a process has used."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0
    return int(told[11]) + int(told[12])


def test_a_worker_that_is_killed_at_work_changes_nothing(
    divided: Plant, early: Shift, tmp_path: Path
) -> None:
    inspect(divided, early)
    with (
        prefect_server(tmp_path / "prefect") as api,
        dask_cluster(tmp_path / "dask", settings={"PREFECT_API_URL": api}) as cluster,
    ):
        plant = configured(divided, cluster.address)
        first, second = (one.pid for one in cluster.workers)
        told: list[bool] = []
        killer = threading.Thread(target=killed_at_work, args=(first, told, first))
        killer.start()
        run_flow(Path(plant.source), early)
        killer.join()
        assert told == [True]
        assert cluster.workers[0].wait() == -signal.SIGKILL
        assert children_of(second), "the other worker has done its part"
        assert open_to_others(second) == []
    assert contents(plant, early) == contents(divided, early)
    assert hidden(plant) == []


@pytest.mark.parametrize("lost", ["workers", "scheduler"])
def test_a_run_without_its_cluster_ends_and_publishes_nothing(
    divided: Plant, early: Shift, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    monkeypatch.setattr(on_dask, "LOOK", 0.2)
    monkeypatch.setattr(on_dask, "PATIENCE", 1.0)
    with dask_cluster(tmp_path / "dask", 1) as cluster:
        plant = configured(divided, cluster.address)
        worker, told = cluster.workers[0].pid, []
        target = worker if lost == "workers" else cluster.scheduler.pid
        with workers_of(plant) as workers:
            killer = threading.Thread(target=killed_at_work, args=(worker, told, target))
            killer.start()
            with pytest.raises(RunnerError, match=r"no Dask worker is left|the Dask scheduler is"):
                inspect(plant, early, workers=workers)
            killer.join()
            if lost == "scheduler":  # the next shift of a backfill
                with pytest.raises(RunnerError, match="the Dask scheduler is gone"):
                    inspect(plant, early, workers=workers)
    home = Path(plant.storage) / f"date={early.date}/shift=early"
    assert read_pointer(home) is None


def test_a_worker_with_other_code_or_without_the_folders_is_refused(
    plant: Plant, early: Shift, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with dask_cluster(tmp_path / "dask", 1) as cluster:
        given = configured(plant, cluster.address)
        with monkeypatch.context() as patch:
            patch.setattr(on_dask, "software", lambda: "shiftmix 9.9")
            with pytest.raises(RunnerError, match=r"this process shiftmix 9\.9"):
                started(given)
        # Of the same path, and another folder in each process.
        own = replace(given, readings="/proc/self")
        with pytest.raises(RunnerError, match="does not see /proc/self"):
            started(own)


def started(plant: Plant) -> None:
    with workers_of(plant):
        pass
