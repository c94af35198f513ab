"""A small plant of one line whose runs are quick: the fit is made once and remembered.

What is left of a run is what the faults are about: reading, writing, publishing. Sites are copied
from one that was published undisturbed, so that a test can compare byte by byte.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.parquet as pq
import pytest

from config import EXAMPLE, load_plant
from flows import one_shift
from qc.plant import Line, Plant, Shift
from qc.records import LineReadings
from qc.storage.simulated import FIRST_DAY, write_simulation

ITEMS = 200
LINE = "C"
RUN = "run.json"


@dataclass(frozen=True)
class Site:
    """A plant in a folder, and its one shift."""

    folder: Path

    @property
    def plant(self) -> Plant:
        return replace(_plant(), readings=str(self.folder / "readings"), storage=str(self.results))

    @property
    def shift(self) -> Shift:
        return self.plant.shift(FIRST_DAY, "early")

    @property
    def results(self) -> Path:
        return self.folder / "results"

    @property
    def home(self) -> Path:
        return self.results / f"date={FIRST_DAY}/shift=early"

    def run(self) -> one_shift.ShiftOutcome:
        return one_shift.inspect(self.plant, self.shift, run={"trigger": "a test"})

    def copied(self, folder: Path) -> Site:
        shutil.copytree(self.folder, folder)
        return Site(folder)

    def seen(self) -> dict[str, str] | None:
        """What a reader sees, by the pointer: each file's SHA-256; None if nothing is published.

        Every file is hashed here, not by the code under test; AssertionError if one is not whole.
        """
        try:
            pointer = json.loads((self.home / "current.json").read_bytes())
        except FileNotFoundError:
            return None
        version = self.home / pointer["version"]
        manifest = (version / "manifest.json").read_bytes()
        assert hashlib.sha256(manifest).hexdigest() == pointer["manifest_sha256"]
        files = {}
        for entry in json.loads(manifest)["files"]:
            content = (version / entry["path"]).read_bytes()
            assert hashlib.sha256(content).hexdigest() == entry["sha256"], entry["path"]
            assert len(content) == entry["size"]
            files[entry["path"]] = entry["sha256"]
        assert {"shift.json", "report/index.html", RUN} <= {path.split("/v")[-1] for path in files}
        return {path: sha256 for path, sha256 in files.items() if path != RUN}

    def manifest(self) -> dict[str, Any]:
        pointer = json.loads((self.home / "current.json").read_bytes())
        told = json.loads((self.home / pointer["version"] / "manifest.json").read_bytes())
        assert isinstance(told, dict)
        return told

    def versions(self) -> list[str]:
        """All folders beside the pointer, but for what begins with a dot."""
        return sorted(path.name for path in self.home.glob("v*"))

    def litter(self) -> list[Path]:
        """Whatever no reader and no later run goes by: unfinished files, folders of attempts."""
        unfinished = list(self.results.rglob(".*.tmp"))
        bare = [self.home / name for name in self.versions()]
        return unfinished + [path for path in bare if not (path / "manifest.json").exists()]


@cache  # half of a run's time otherwise, and no test here is about it
def _plant() -> Plant:
    with TemporaryDirectory() as folder:
        return load_plant(_configuration(Path(folder)))


def _configuration(folder: Path) -> Path:
    """The example plant's one line."""
    text = EXAMPLE.read_text(encoding="utf-8")
    head, rods = text.index("# Line A fills"), text.index("# Line C cuts")
    (folder / "plant.toml").write_text(text[:head] + text[rods:], encoding="utf-8")
    return folder / "plant.toml"


def build(folder: Path) -> Site:
    """A site with the readings of one line and shift, and nothing published."""
    folder.mkdir(parents=True)
    plant = load_plant(_configuration(folder))
    assert [line.name for line in plant.lines] == [LINE]
    write_simulation(plant, items_per_shift=ITEMS, truth=folder / "truth")
    shutil.rmtree(folder / "truth")
    for place in (folder / "readings").rglob("shift=*"):
        if place.name != "shift=early":
            shutil.rmtree(place)
    return Site(folder)


@contextmanager
def remembered() -> Iterator[None]:
    """Fit each input once: judging is a function of its arguments and touches no file."""
    fitted: dict[tuple[object, ...], Any] = {}
    real = one_shift.judge_line

    def once(line: Line, shift: Shift, readings: LineReadings, *rest: Any) -> Any:
        key = (repr(line), shift, readings.files, len(readings.rejects))
        if key not in fitted:
            fitted[key] = real(line, shift, readings, *rest)
        return fitted[key]

    one_shift.judge_line = once
    try:
        yield
    finally:
        one_shift.judge_line = real


@contextmanager
def quick_folder() -> Iterator[Path]:
    """A folder in memory where there is one: what is tested here is order, not durability."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder)


def with_old_version(site: Site) -> None:
    """Publish the first half of the readings, then deliver all of them."""
    (delivered,) = (site.folder / "readings").rglob("*.parquet")
    whole = delivered.read_bytes()
    table = pq.read_table(delivered)
    pq.write_table(table.slice(0, table.num_rows // 2), delivered, write_page_checksum=True)
    site.run()
    delivered.write_bytes(whole)


def told(figures: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Print figures of a test, whatever pytest captures."""
    with capsys.disabled():
        sys.stdout.write(f"\n  {figures}\n")
