"""Files that come after their shift was inspected: a new version, which says what it supersedes."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
from typer.testing import CliRunner

from flows.cli import app
from flows.index import rebuild_index
from flows.one_shift import inspect
from qc.plant import Plant, Shift
from qc.storage.published import current_version
from qc.storage.supersedes import supersedes_told
from tests.flows.conftest import ITEMS, file_of


def taken(plant: Plant, line: str, shift: Shift) -> Path:
    """A line's file, put aside."""
    file = file_of(plant, line, shift)
    aside = Path(plant.storage).parent / f"late-{line}"
    shutil.move(file, aside)
    return aside


def delivered(plant: Plant, line: str, shift: Shift, aside: Path, name: str = "late") -> None:
    folder = Path(plant.readings) / f"line={line}/date={shift.date}/shift={shift.name}"
    shutil.move(aside, folder / f"{name}.parquet")


def run_of(plant: Plant, shift: Shift) -> dict[str, str]:
    version = current_version(plant.storage, shift.date, shift.name)
    return json.loads(version.read_bytes("run.json"))  # type: ignore[no-any-return]


def told(config: Path, shift: Shift, *options: str) -> str:
    words = ["inspect", "-c", str(config), "--date", str(shift.date), "--shift", shift.name]
    return CliRunner().invoke(app, [*words, *options]).stdout


def test_a_late_file_makes_a_version_that_says_what_it_supersedes(
    config: Path, plant: Plant, early: Shift
) -> None:
    late = taken(plant, "B", early)
    first = inspect(plant, early)
    assert first.supersedes == ""
    assert "supersedes" not in run_of(plant, early)
    delivered(plant, "B", early, late)
    second = inspect(plant, early)
    changed = f"1 file more, {ITEMS} items more, 1 line no longer in error"
    assert second.supersedes == f"Supersedes {first.published.version}: {changed}."
    run = run_of(plant, early)
    assert (run["supersedes"], run["changed"]) == (first.published.version, changed)
    assert second.supersedes in told(config, early)
    assert json.loads(told(config, early, "--json"))["supersedes"] == second.supersedes
    index = (Path(plant.storage) / "index.html").read_text(encoding="utf-8")
    assert f"{first.published.version} (superseded: {changed})" in index


def test_the_pages_are_those_of_an_inspection_that_had_all_files_at_once(
    plant: Plant, early: Shift
) -> None:
    """Why the sentence stands in run.json and on the index: pages are a function of the input."""
    late = taken(plant, "B", early)
    inspect(plant, early)
    delivered(plant, "B", early, late, "part-00000")
    inspect(plant, early)
    version = current_version(plant.storage, early.date, early.name)
    later = version.read_bytes("report/index.html")
    shutil.rmtree(version.folder.parent)
    inspect(plant, early)
    at_once = current_version(plant.storage, early.date, early.name)
    assert at_once.read_bytes("report/index.html") == later


def test_less_and_other_content_are_told_too(plant: Plant, early: Shift) -> None:
    inspect(plant, early)
    taken(plant, "B", early)
    assert inspect(plant, early).supersedes.endswith(
        f": 1 file fewer, {ITEMS} items fewer, 1 line in error now."
    )
    file = file_of(plant, "A", early)
    pq.write_table(pq.read_table(file).slice(100), file)
    changed = inspect(plant, early).supersedes.split(": ")[1]
    assert changed == "1 file with other content, 100 items fewer."


def test_a_version_of_an_older_release_is_named_without_what_changed(
    plant: Plant, early: Shift
) -> None:
    late = taken(plant, "B", early)
    first = inspect(plant, early)
    delivered(plant, "B", early, late)
    inspect(plant, early)
    version = current_version(plant.storage, early.date, early.name)
    path = version.folder / "run.json"
    run = {key: said for key, said in json.loads(path.read_bytes()).items() if key != "changed"}
    content = json.dumps(run).encode()
    path.write_bytes(content)
    entries = [
        _resealed(entry, content) if entry["path"] == "run.json" else entry
        for entry in json.loads((version.folder / "manifest.json").read_bytes())["files"]
    ]
    manifest = json.loads((version.folder / "manifest.json").read_bytes()) | {"files": entries}
    _publish(version.folder, json.dumps(manifest).encode())
    now = current_version(plant.storage, early.date, early.name)
    assert supersedes_told(now) == f"Supersedes {first.published.version}."
    page = rebuild_index(plant).read_text(encoding="utf-8")
    assert f">{first.published.version}</a>" in page


def _resealed(entry: dict[str, object], content: bytes) -> dict[str, object]:
    return {**entry, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _publish(folder: Path, manifest: bytes) -> None:
    (folder / "manifest.json").write_bytes(manifest)
    pointer = {"version": folder.name, "manifest_sha256": hashlib.sha256(manifest).hexdigest()}
    (folder.parent / "current.json").write_text(json.dumps(pointer))
