"""A backfill killed at any moment, and started again: as if nobody had killed it."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import prefect  # noqa: F401 - before the server: settings read here must be restored after it
import pytest

from config import EXAMPLE, load_plant
from flows.backfilling import Range, backfill_and_tell
from flows.server import prefect_server
from qc.plant import Plant
from qc.storage import list_published
from qc.storage.published import current_version
from qc.storage.simulated import FIRST_DAY, write_simulation

ROOT = Path(__file__).parents[2]
PATIENCE = 600.0  # seconds until a shift is published, on a busy machine
POLL = 0.05
FLOW = (
    "import sys; from datetime import date; from flows.backfill import backfill;"
    "backfill(sys.argv[1], date.fromisoformat(sys.argv[2]), date.fromisoformat(sys.argv[3]))"
)
# Not the same in each run: they name versions, whose names are drawn.
OF_THE_RUN = ("run.json", "shift.json")

Contents = dict[tuple[date, str], dict[str, str]]


def simulated(folder: Path, n_days: int, items: int) -> Plant:
    folder.mkdir()
    shutil.copyfile(EXAMPLE, folder / "plant.toml")
    plant = load_plant(folder / "plant.toml")
    write_simulation(
        plant,
        first_day=FIRST_DAY - timedelta(days=n_days - 1),
        n_days=n_days,
        items_per_shift=items,
        truth=folder / "truth",
    )
    return plant


def contents(plant: Plant) -> Contents:
    """The hashes of all that is published and a function of the input, every byte of it read."""
    found: Contents = {}
    for day, name, _, _ in list_published(plant.storage):
        version = current_version(plant.storage, day, name)
        for entry in version.manifest.files:
            version.read_bytes(entry.path)
        found[day, name] = {
            entry.name: entry.sha256
            for entry in version.manifest.files
            if entry.name not in OF_THE_RUN
        }
    return found


def killed_at_random(
    command: Sequence[str], environment: dict[str, str], plant: Plant, chance: random.Random
) -> None:
    """Kill a backfill at a random moment after it has published at least one more shift."""
    before = len(list_published(plant.storage))
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + PATIENCE
    while len(list_published(plant.storage)) == before:
        assert process.poll() is None, "it ended before it was killed"
        assert time.monotonic() < deadline
        time.sleep(POLL)
    time.sleep(chance.uniform(0.0, 0.3))  # a shift takes longer
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it ended before it was killed"


def disturbed_equals_undisturbed(
    tmp_path: Path, command: Sequence[str], environment: dict[str, str], n_days: int, items: int
) -> None:
    plant = simulated(tmp_path / "killed", n_days, items)
    days = FIRST_DAY - timedelta(days=n_days - 1), FIRST_DAY
    undisturbed = tmp_path / "undisturbed"
    shutil.copytree(tmp_path / "killed", undisturbed)
    assert backfill_and_tell(undisturbed / "plant.toml", Range(*days)) == 0
    whole = [*command, plant.source, *map(str, days)]
    chance = random.Random(20261120)
    for kill in range(2):
        killed_at_random(whole, environment, plant, chance)
        assert kill < len(list_published(plant.storage)) < 3 * n_days
    subprocess.run(whole, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
    assert len(list_published(plant.storage)) == 3 * n_days
    assert contents(plant) == contents(load_plant(undisturbed / "plant.toml"))


def test_six_shifts_killed_twice(tmp_path: Path) -> None:
    command = (
        "import sys; from pathlib import Path; from datetime import date;"
        "from flows.backfilling import Range, backfill_and_tell;"
        "days = map(date.fromisoformat, sys.argv[2:]);"
        "sys.exit(backfill_and_tell(Path(sys.argv[1]), Range(*days)))"
    )
    plain = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    disturbed_equals_undisturbed(tmp_path, [sys.executable, "-c", command], plain, 2, 8000)


@pytest.mark.slow
@pytest.mark.server
def test_thirty_shifts_killed_twice_on_a_server(tmp_path: Path) -> None:
    with prefect_server(tmp_path / "prefect") as api:
        served = {**os.environ, "PREFECT_API_URL": api}
        disturbed_equals_undisturbed(tmp_path, [sys.executable, "-c", FLOW], served, 10, 8000)
