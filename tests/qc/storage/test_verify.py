"""Every file of what is published is held against what vouches for it."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from flows.cli import app
from qc.storage.verify import Wrong, verify_runs, verify_shifts
from tests.qc.storage.test_kept_results import KEPT

SHIFT = "date=2026-11-20/shift=night"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """The kept results, and a second version of pages alone, in a place to spoil."""
    shutil.copytree(KEPT, tmp_path / "kept")
    return tmp_path / "kept" / "results"


def shiftmix(*words: object) -> Result:
    return CliRunner().invoke(app, [*map(str, words)])


def faults_of(results: Path) -> list[tuple[Wrong, str]]:
    (one,) = verify_shifts(results)
    return [(fault.kind, fault.path) for fault in one.faults]


def files_of(results: Path) -> list[Path]:
    return sorted(path for path in results.rglob("*") if path.is_file())


def repointed(results: Path) -> None:
    """Let the pointer vouch for the manifest as it is now, as a forger would."""
    pointer = results / SHIFT / "current.json"
    told = json.loads(pointer.read_bytes())
    manifest = (results / SHIFT / told["version"] / "manifest.json").read_bytes()
    told["manifest_sha256"] = hashlib.sha256(manifest).hexdigest()
    pointer.write_text(json.dumps(told))


def test_what_is_published_is_verified_whole(results: Path) -> None:
    (one,) = verify_shifts(results)
    read = [path for path in files_of(results) if path.name != "current.json"]
    assert one.faults == ()
    assert one.notes == ()
    assert one.files == len(read)
    assert one.size == sum(path.stat().st_size for path in read)


@pytest.mark.parametrize("number", range(14))
def test_each_file_is_missed_and_each_changed_byte_is_found(results: Path, number: int) -> None:
    files = files_of(results)
    assert len(files) == 15
    path = files[1 + number]  # the first is the pointer
    name = path.relative_to(results).as_posix()
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    assert (Wrong.DAMAGED, name) in faults_of(results)
    path.write_bytes(content[:-1])
    assert (Wrong.DAMAGED, name) in faults_of(results)
    path.unlink()
    assert (Wrong.MISSING, name) in faults_of(results)
    path.write_bytes(content)
    assert faults_of(results) == []


def test_a_file_that_no_manifest_names_is_found(results: Path) -> None:
    (version,) = (results / SHIFT).glob("v*")
    (version / "items" / "line=A" / "part-00001.parquet").write_bytes(b"more items")
    (version / "report" / "link.html").symlink_to("/etc/hostname")
    assert faults_of(results) == [
        (Wrong.EXTRA, f"{SHIFT}/{version.name}/items/line=A/part-00001.parquet"),
        (Wrong.EXTRA, f"{SHIFT}/{version.name}/report/link.html"),
    ]


@pytest.mark.parametrize("content", [b"", b"{}", b'{"version": "../x", "manifest_sha256": ""}'])
def test_a_damaged_pointer_is_found(results: Path, content: bytes) -> None:
    (results / SHIFT / "current.json").write_bytes(content)
    assert faults_of(results) == [(Wrong.DAMAGED, f"{SHIFT}/current.json")]


def test_a_manifest_that_leads_out_is_found(results: Path) -> None:
    (version,) = (results / SHIFT).glob("v*")
    manifest = version / "manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b'"held.csv"', b'"../../../../x"'))
    repointed(results)
    found = faults_of(results)
    assert (Wrong.DAMAGED, f"{SHIFT}/{version.name}/manifest.json") in found
    assert (Wrong.EXTRA, f"{SHIFT}/{version.name}/held.csv") in found


@pytest.mark.fault("H8")
def test_versions_vouch_for_those_before_them(results: Path) -> None:
    """A change of the first version's manifest shows, although no pointer names it any more."""
    (first,) = (results / SHIFT).glob("v*")
    (first / "report/index.html").unlink()  # pages that are gone are made again, as a new version
    done = shiftmix("report", "-c", results.parent / "plant.toml")
    assert done.exit_code == 0, done.output
    (one,) = verify_shifts(results)
    assert [name[:6] for name in one.versions] == ["v0002-", "v0001-"]
    assert [(f.kind, f.path) for f in one.faults] == [
        (Wrong.MISSING, f"{SHIFT}/{first.name}/report/index.html")
    ]
    manifest = first / "manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b"Springfield", b"Shelbyville"))
    assert (Wrong.DAMAGED, f"{SHIFT}/{first.name}/manifest.json") in faults_of(results)
    held = results / SHIFT / first.name / "held.parquet"  # carried over into the second version
    held.unlink()
    assert faults_of(results).count((Wrong.MISSING, f"{SHIFT}/{first.name}/held.parquet")) == 1


def test_what_was_put_away_and_what_died_are_notes(results: Path) -> None:
    home = results / SHIFT
    (home / "v0009-0123abcd" / ".parts").mkdir(parents=True)
    (version,) = home.glob("v0001-*")
    shutil.copytree(version, home / "v0008-0123abcd")
    (one,) = verify_shifts(results)
    assert one.faults == ()
    assert one.notes == (
        "v0008-0123abcd: no version leads to it",
        "v0009-0123abcd: an attempt that died, or is at work",
    )


def test_the_command_names_each_file_and_the_exit_code_tells(results: Path) -> None:
    config = results.parent / "plant.toml"
    done = shiftmix("verify", "-c", config)
    assert (done.exit_code, done.stdout) == (
        0,
        "Springfield: 1 shift, 1 version, 14 files of 0.2 MB, 0 runs recorded: all as published.\n",
    )
    (held,) = results.rglob("held.csv")
    held.write_bytes(held.read_bytes() + b"\n")
    name = held.relative_to(results).as_posix()
    done = shiftmix("verify", "-c", config, "--date", "2026-11-20", "--shift", "night")
    assert done.exit_code == 1
    size = held.stat().st_size
    said = f"DAMAGED: {name}: {size} bytes, the manifest of v0001-769a8a3d says {size - 1}"
    assert said in done.stdout
    assert "1 NOT as published. Restore the version from a backup" in done.stdout
    told = json.loads(shiftmix("verify", "-c", config, "--json").stdout)
    assert told["as_published"] is False
    assert told["shifts"][0]["faults"][0]["path"] == name
    done = shiftmix("verify", "-c", config, "--date", "2026-11-21")
    assert done.exit_code == 1
    assert "no such shift is published" in done.output


def test_changed_removed_and_inserted_records_of_runs_are_found(results: Path) -> None:
    config = results.parent / "plant.toml"
    for _ in range(4):
        assert shiftmix("report", "-c", config).exit_code == 0
    first, second, third, _ = sorted((results / "audit").rglob("*.json"))
    assert verify_runs(results) == (4, ())
    whole = third.read_bytes()
    third.write_bytes(whole.replace(b'"as before"', b'"published"'))
    _, faults = verify_runs(results)
    assert [(f.path, f.said) for f in faults] == [
        (third.relative_to(results).as_posix(), "not the record that was written")
    ]
    third.write_bytes(whole)
    content = second.read_bytes().replace(b'"as before"', b'"published"')
    second.unlink()
    (n, faults) = verify_runs(results)
    assert n == 3
    assert [f.said for f in faults] == ["1 record missing before it"]
    digest = hashlib.sha256(content).hexdigest()  # a forged one, named as it must be
    (first.parent / f"{second.name[:8]}-{digest}.json").write_bytes(content)
    (n, faults) = verify_runs(results)
    assert [f.said for f in faults] == ["it does not follow the record before it"]
