"""Versions are whole, immutable and in order; a crash or a race leaves the old one or the new."""

import hashlib
import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from qc import storage
from qc.errors import PointerMoved, StorageError
from qc.findings import Finding, Severity
from qc.records import Counts, LineStatus
from qc.storage import atomic
from qc.storage.attempt import open_base
from tests.gathered import write_whole_line

NOTE = (Finding("a.note", Severity.NOTE, "Something else is said."),)


class House:
    """One plant's storage with the steps of a run."""

    def __init__(self, plant, shift, judge):
        self.plant, self.shift, self.judge = plant, shift, judge
        self.home = Path(plant.storage) / f"date={shift.date}/shift={shift.name}"

    def prepare(self, name, **changes):
        line = self.plant.line(name)
        files = storage.discover(self.plant, self.shift)
        inputs = storage.fingerprint(self.plant, line, self.shift, files)
        readings = storage.read_line(self.plant, line, self.shift, inputs)
        changes["input_sha256"] = inputs.input_sha256
        return readings, self.judge(line, self.shift, readings, **changes)

    def write(self, attempt, *names, **changes):
        for name in names:
            write_whole_line(attempt, *self.prepare(name, **changes))

    def run(self, *names, findings=(), software="1", run="r1", **changes):
        attempt = storage.begin(self.plant, self.shift)
        self.write(attempt, *names, **changes)
        storage.assemble(attempt, findings, software)
        report = attempt.folder / "report"
        report.mkdir()
        (report / "index.html").write_text(f"<p>{len(findings)}")
        return storage.publish(attempt, {"run": run})

    def unchanged(self, name, config="c" * 64, software="1"):
        line = self.plant.line(name)
        files = storage.discover(self.plant, self.shift)
        inputs = storage.fingerprint(self.plant, line, self.shift, files)
        attempt = storage.begin(self.plant, self.shift)
        try:
            return storage.unchanged(open_base(attempt), line, inputs, config, software)
        finally:
            storage.discard(attempt)

    def frame(self):
        return storage.read_published(self.plant.storage, self.shift.date, self.shift.name)

    def load(self):
        return storage.load_published(self.plant.storage, self.shift.date, self.shift.name)

    def software(self):
        if not (self.home / "current.json").exists():
            return None
        pointer = json.loads((self.home / "current.json").read_bytes())
        return json.loads((self.home / pointer["version"] / "shift.json").read_bytes())["software"]

    def versions(self):
        return sorted(path.name for path in self.home.glob("v*"))


@pytest.fixture
def house(plant, shift, judge, table, deliver):
    deliver(table(6), line="A")
    deliver(table(4), line="B")
    return House(plant, shift, judge)


def everything(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_a_version_is_named_by_the_pointer_and_listed_whole(house):
    version = house.run("A", "B")
    assert version.changed
    pointer = json.loads((house.home / "current.json").read_bytes())
    manifest = (version.folder / "manifest.json").read_bytes()
    assert pointer == {
        "version": version.version,
        "manifest_sha256": hashlib.sha256(manifest).hexdigest(),
    }
    assert version.version.startswith("v0001-")
    files = everything(version.folder)
    listed = {entry["path"]: entry for entry in json.loads(manifest)["files"]}
    assert listed.keys() == files.keys() - {"manifest.json"}
    assert {"shift.json", "held.csv", "report/index.html", "run.json"} <= listed.keys()
    for path, content in files.items():
        if path != "manifest.json":
            assert listed[path]["sha256"] == hashlib.sha256(content).hexdigest()
            assert listed[path]["size"] == len(content)
    assert not list(house.home.rglob("*.tmp"))
    assert not list(house.home.rglob(".parts"))


@pytest.mark.fault("F8")
def test_files_are_not_for_everybody(house):
    version = house.run("A", "B")
    modes = {
        stat.S_IMODE(path.stat().st_mode) for path in version.folder.rglob("*") if path.is_file()
    }
    assert modes == {0o640}


def test_the_same_run_again_makes_no_version(house):
    first = house.run("A", "B")
    before = everything(house.home)
    again = house.run("A", "B", run="r2")
    assert (again.version, again.folder, again.changed) == (first.version, first.folder, False)
    assert again.manifest_sha256 == first.manifest_sha256
    assert everything(house.home) == before


def test_two_plants_of_equal_input_publish_equal_bytes(house, tmp_path):
    first = house.run("A", "B")
    elsewhere = House(replace(house.plant, storage=str(tmp_path / "b")), house.shift, house.judge)
    second = elsewhere.run("B", "A")
    ours, theirs = everything(first.folder), everything(second.folder)
    for name in ("run.json", "manifest.json"):  # they name the version
        del ours[name], theirs[name]
    assert ours == theirs


@pytest.mark.parametrize(
    "change", [{"software": "2"}, {"findings": NOTE}, {"status": LineStatus.ACTION}]
)
def test_anything_new_is_a_new_version_and_the_old_one_stays(change, house):
    first = house.run("A", "B")
    before = everything(first.folder)
    second = house.run("A", "B", **change)
    assert second.changed
    assert second.version.startswith("v0002-")
    assert everything(first.folder) == before
    assert json.loads((second.folder / "manifest.json").read_bytes())["supersedes"] == first.version


def test_a_run_of_one_line_carries_the_others_by_reference(house, table, deliver):
    first = house.run("A", "B")
    deliver(table(3, first=50), "more.parquet", line="A")
    second = house.run("A", software="2")
    assert not (second.folder / "items/line=B").exists()
    paths = [
        entry["path"]
        for entry in json.loads((second.folder / "manifest.json").read_bytes())["files"]
    ]
    assert f"../{first.version}/items/line=B/part-00000.parquet" in paths
    third = house.run("A", findings=NOTE, software="2")
    paths = [
        entry["path"]
        for entry in json.loads((third.folder / "manifest.json").read_bytes())["files"]
    ]
    assert f"../{first.version}/items/line=B/part-00000.parquet" in paths

    frame = house.frame()
    assert frame["line"].value_counts().to_dict() == {"A": 9, "B": 4}
    loaded = house.load()
    assert [line.line.name for line in loaded.record.lines] == ["B", "A"]  # as in plant.toml
    assert loaded.evidence["B"].tally.n == 4
    assert loaded.version == third.version
    assert not house.unchanged("B", software="2")  # B is of software 1 still
    assert house.unchanged("B", software="1")
    assert house.unchanged("A", software="2")


def test_carried_lines_give_the_same_tables_as_written_ones(house, tmp_path):
    house.run("A", "B")
    second = house.run("A", findings=NOTE)
    elsewhere = House(replace(house.plant, storage=str(tmp_path / "b")), house.shift, house.judge)
    whole = elsewhere.run("A", "B", findings=NOTE)
    for name in (
        "shift.json",
        "held.parquet",
        "held.csv",
        "fits.parquet",
        "tallies.parquet",
        "rejects.parquet",
    ):
        assert (second.folder / name).read_bytes() == (whole.folder / name).read_bytes(), name


def test_lines_that_were_never_inspected_are_absent(house):
    house.run("A")
    assert [line.line.name for line in house.load().record.lines] == ["A"]
    assert set(house.frame()["line"]) == {"A"}


def test_unchanged_asks_for_input_config_code_and_files(house, table, deliver):
    assert not house.unchanged("A")  # nothing is published
    version = house.run("A", "B")
    assert house.unchanged("A")
    assert not house.unchanged("A", config="d" * 64)
    assert not house.unchanged("A", software="2")
    (version.folder / "items/line=B/part-00000.parquet").unlink()
    assert not house.unchanged("B")
    deliver(table(1, first=70), "late.parquet", line="A")
    assert not house.unchanged("A")


def test_a_failed_line_has_a_record_and_no_items(house, monkeypatch):
    house.run("A", "B")
    record = next(line for line in house.load().record.lines if line.line.name == "A")
    nothing = Counts(0, 0, 0, 0, 0, 0, 0, 0, (), {}, {}, 1)
    failed = replace(
        record, status=LineStatus.ERROR, counts=nothing, batches=(), fit=None, error="x"
    )
    attempt = storage.begin(house.plant, house.shift)
    house.write(attempt, "A")  # as if it failed after its items were written
    storage.write_failed_line(attempt, failed)
    _, evidence = storage.assemble(attempt, (), "1")
    assert evidence["A"].tally is None
    assert evidence["A"].held == ()
    storage.publish(attempt, {})
    assert set(house.frame()["line"]) == {"B"}
    assert not house.unchanged("A")
    assert house.unchanged("B")
    paths = [path for path in everything(attempt.folder) if "items" in path]
    assert paths == []


@pytest.mark.fault("G1", "G6")
def test_of_two_runs_at_once_one_wins_and_the_other_is_told(house):
    attempts = [storage.begin(house.plant, house.shift) for _ in range(2)]
    assert attempts[0].folder != attempts[1].folder
    for attempt in attempts:
        house.write(attempt, "A", "B")
        storage.assemble(attempt, (), "1")
    winner = storage.publish(attempts[1], {})
    with pytest.raises(PointerMoved, match="another run has published 2026-11-20 early"):
        storage.publish(attempts[0], {})
    assert house.load().version == winner.version
    storage.discard(attempts[0])
    storage.discard(attempts[1])  # published: stays
    assert house.load().version == winner.version
    assert house.versions() == [winner.version]


def test_discarding_a_published_attempt_keeps_what_later_versions_name(house):
    attempt = storage.begin(house.plant, house.shift)
    house.write(attempt, "A", "B")
    storage.assemble(attempt, (), "1")
    storage.publish(attempt, {})
    house.run("A", software="2")
    storage.discard(attempt)
    assert len(house.frame()) == 10


def test_many_runs_at_once_publish_exactly_one(house):
    def attempt_one(number):
        try:
            attempt = storage.begin(house.plant, house.shift)
            house.write(attempt, "A")
            storage.assemble(attempt, (), f"software {number}")
            return storage.publish(attempt, {})
        except PointerMoved:
            return None

    with ThreadPoolExecutor(6) as pool:
        published = [version for version in pool.map(attempt_one, range(6)) if version]
    assert published
    assert len({version.version for version in published}) == len(published)
    assert house.load().version in {version.version for version in published}


def test_a_dead_attempt_disturbs_nothing(house):
    storage.begin(house.plant, house.shift)
    first = house.run("A", "B")
    assert first.version.startswith("v0002-")
    dead = storage.begin(house.plant, house.shift)
    house.write(dead, "A")
    second = house.run("A", "B", software="2")
    assert second.version.startswith("v0004-")
    assert len(house.frame()) == 10


@pytest.mark.fault("H3")
@pytest.mark.parametrize("old", [False, True])
def test_a_failure_at_every_call_leaves_the_old_version_or_the_new(old, house, monkeypatch):
    if old:
        house.run("A", "B")
    prepared = house.prepare("A")
    calls = {"n": 0, "fail_at": 0}

    def failing(function):
        def call(*arguments, **keywords):
            calls["n"] += 1
            if calls["n"] == calls["fail_at"]:
                raise OSError(28, "No space left on device")
            return function(*arguments, **keywords)

        return call

    monkeypatch.setattr(os, "replace", failing(os.replace))
    monkeypatch.setattr(os, "fsync", failing(os.fsync))
    seen, met = [], []
    done = False
    while not done:
        calls |= {"n": 0, "fail_at": len(seen) + 1}
        try:
            attempt = storage.begin(house.plant, house.shift)
            write_whole_line(attempt, *prepared)
            storage.assemble(attempt, (), "2")
            storage.publish(attempt, {})
            done = True
        except StorageError as error:
            met.append(str(error))
        calls["fail_at"] = 0
        seen.append(house.software())
        if seen[-1] == "2":
            # Every file of the new version is there, whole: only the folder's sync can have failed.
            assert len(house.frame()) == (10 if old else 6)
            break
        assert not list(house.home.rglob("*.tmp"))
    assert len(seen) > 40
    assert all("No space left on device" in message for message in met)
    assert set(seen[:-1]) == {"1" if old else None}
    if old:
        assert len(house.frame()) == 10
    assert house.run("A", software="2").changed is True  # with its report, which was not written


def test_a_full_disk_is_named_with_its_remedy(tmp_path, monkeypatch):
    def full(_handle):
        raise OSError(28, "No space left on device")

    (tmp_path / "x").write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=r"cannot write x: No space left.*Free space"):
        atomic.write_bytes(tmp_path / "x", b"new")
    assert everything(tmp_path) == {"x": b"old"}


def test_an_exception_while_writing_leaves_nothing(tmp_path):
    def half(path):
        with atomic.replacing(path) as handle:
            handle.write(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half(tmp_path / "x")
    assert everything(tmp_path) == {}


def test_what_was_changed_after_publishing_is_noticed(house):
    version = house.run("A", "B")
    items = version.folder / "items/line=A/part-00000.parquet"
    whole = items.read_bytes()
    items.write_bytes(whole[:-1])
    with pytest.raises(StorageError, match="bytes, the manifest says"):
        house.frame()
    items.write_bytes(whole[:400] + bytes([whole[400] ^ 1]) + whole[401:])
    record = version.folder / "shift.json"
    record.write_bytes(record.read_bytes().replace(b"Springfield", b"Shelbyville"))
    with pytest.raises(StorageError, match="not the content that was published"):
        house.load()
    manifest = version.folder / "manifest.json"
    manifest.write_bytes(manifest.read_bytes() + b" ")
    with pytest.raises(StorageError, match="not the manifest that was published"):
        house.frame()


def test_a_manifest_cannot_lead_out_of_the_shift(house):
    version = house.run("A", "B")
    manifest = version.folder / "manifest.json"
    text = manifest.read_bytes().replace(
        b'"items/line=A/part-00000.parquet"', b'"../../../../secret.parquet"'
    )
    manifest.write_bytes(text)
    pointer = {"version": version.version, "manifest_sha256": hashlib.sha256(text).hexdigest()}
    (house.home / "current.json").write_text(json.dumps(pointer))
    with pytest.raises(StorageError, match="leads out of its folder"):
        house.frame()


@pytest.mark.fault("F6")
@pytest.mark.parametrize("name", ["../early", "", ".", "a/b", "x\0", "a" * 65])
def test_a_shift_name_from_outside_cannot_be_a_path(name, house):
    with pytest.raises(StorageError, match="cannot be the name of a folder"):
        storage.read_published(house.plant.storage, house.shift.date, name)


def test_a_url_is_no_path_to_results(house):
    with pytest.raises(StorageError, match="not the folder of its local mirror"):
        storage.begin(replace(house.plant, storage="s3://bucket/results"), house.shift)


def test_published_shifts_are_listed_and_the_index_is_replaced(house, table, deliver):
    root = Path(house.plant.storage)
    assert storage.list_published(root) == ()
    version = house.run("A", "B")
    storage.begin(house.plant, house.plant.shift(house.shift.date, "night"))  # never published
    assert storage.list_published(root) == (
        (house.shift.date, "early", version.version, version.folder),
    )
    assert storage.write_index(root, "<p>é").read_text() == "<p>é"
    assert storage.write_index(root, "new").read_text() == "new"
