"""A small Springfield: three lines, three shifts, 800 items a line, in a folder of its own."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import pytest

from config import EXAMPLE, load_plant
from flows.one_shift import inspect
from qc.plant import Plant, Shift
from qc.storage.simulated import FIRST_DAY, write_simulation

ITEMS = 800


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("springfield")
    shutil.copyfile(EXAMPLE, folder / "plant.toml")
    plant = load_plant(folder / "plant.toml")
    write_simulation(plant, items_per_shift=ITEMS, truth=folder / "truth")
    return folder


@pytest.fixture
def config(simulated: Path, tmp_path: Path) -> Path:
    """The configuration of a copy that a test may spoil."""
    folder = tmp_path / "springfield"
    shutil.copytree(simulated, folder)
    return folder / "plant.toml"


@pytest.fixture
def plant(config: Path) -> Plant:
    return load_plant(config)


@pytest.fixture
def early(plant: Plant) -> Shift:
    return plant.shift(FIRST_DAY, "early")


def file_of(plant: Plant, line: str, shift: Shift) -> Path:
    """The one file of a line's shift."""
    place = Path(plant.readings) / f"line={line}/date={shift.date}/shift={shift.name}"
    (file,) = place.glob("*.parquet")
    return file


@pytest.fixture
def corrupt_b(plant: Plant, early: Shift) -> Path:
    """Line B's file of the early shift, cut in half."""
    file = file_of(plant, "B", early)
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    return file


@pytest.fixture(scope="session")
def published_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a Springfield that records known batches, its three shifts published."""
    folder = tmp_path_factory.mktemp("published")
    text = EXAMPLE.read_text(encoding="utf-8")
    text = text.replace('# known_batch = "known_batch"', 'known_batch = "known_batch"')
    (folder / "plant.toml").write_text(text, encoding="utf-8")
    plant = load_plant(folder / "plant.toml")
    assert plant.columns.known_batch == "known_batch"
    # Enough items that some of them are in doubt, and some of these in a wrong batch.
    shifts = write_simulation(plant, seed=3, items_per_shift=4000, truth=folder / "truth")
    for shift in shifts:
        inspect(plant, shift)
    return folder


@pytest.fixture
def published(published_once: Path, tmp_path: Path) -> Path:
    """The configuration of a copy that a test may spoil."""
    folder = tmp_path / "published"
    shutil.copytree(published_once, folder)
    return folder / "plant.toml"
