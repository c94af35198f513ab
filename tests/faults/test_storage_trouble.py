"""Disks that are full, limited, read-only or gone: told by name, and what was published stays."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from flows import one_shift
from flows.one_shift import LineStep, serially
from qc.errors import StorageError, WriteError
from tests.faults.processes import FINE, ended, forked
from tests.faults.small_site import Site, build, quick_folder, remembered, with_old_version

NOBODY = 65_534
SMALL = 4  # MB
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount, or be another user")


@pytest.fixture(scope="module")
def first() -> Iterator[Site]:
    with quick_folder() as folder, remembered():
        site = build(folder / "first")
        with_old_version(site)
        site.copied(folder / "warm").run()
        yield site


@pytest.fixture
def site(first: Site, tmp_path: Path) -> Site:
    return first.copied(tmp_path / "site")


@pytest.fixture
def on_small_disk(first: Site, tmp_path: Path) -> Iterator[Site]:
    """A site whose results lie on a disk of their own of 4 MB."""
    site = first.copied(tmp_path / "site")
    aside = site.folder / "aside"
    site.results.rename(aside)
    site.results.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SMALL}m", "tmpfs", str(site.results)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.decode()}")
    try:
        shutil.copytree(aside, site.results, dirs_exist_ok=True)
        yield site
    finally:
        subprocess.run(["umount", str(site.results)], check=True)


def never(_step: LineStep, _lines: Sequence[str]) -> Sequence[str | Exception]:
    raise AssertionError("the work has begun")


@needs_root
@pytest.mark.fault("I1")
def test_i1_a_full_disk_is_told_with_its_room_and_the_old_version_stays(
    on_small_disk: Site, first: Site, tmp_path: Path
) -> None:
    site, before = on_small_disk, on_small_disk.seen()
    undisturbed = first.copied(tmp_path / "undisturbed")
    undisturbed.run()
    ballast, met = site.results / "ballast", []
    for room in range(0, 2_000_000, 40_000):
        ballast.unlink(missing_ok=True)
        free = shutil.disk_usage(site.results).free
        ballast.write_bytes(bytes(max(free - room, 0)))
        try:
            site.run()
        except WriteError as error:
            if site.seen() != before:
                break  # the version is out; what is told of is the record of runs, or the index
            met.append(error)
            assert not site.litter()
        else:
            break
    assert len(met) >= 4
    files = {Path(str(error.where.path)).name for error in met}
    assert ".probe" in files  # met before the work
    assert len(files) >= 3  # and in several places of it
    for error in met:
        assert f"cannot write {Path(str(error.where.path)).name}: No space left" in error.what
        assert error.what.endswith(" MB free")
        assert error.remedy.startswith("Free space on this disk")
        assert error.remedy.endswith("A version of 2026-11-20 early takes about 0.4 MB")
    ballast.unlink()
    site.run()
    assert site.seen() == undisturbed.seen()


@needs_root
@pytest.mark.fault("I1", "I3")
def test_i1_i3_a_full_disk_is_met_before_the_work(on_small_disk: Site) -> None:
    ballast = on_small_disk.results / "ballast"
    ballast.write_bytes(bytes(shutil.disk_usage(on_small_disk.results).free))
    with pytest.raises(WriteError, match=r"No space left on device, 0\.0 MB free"):
        one_shift.inspect(on_small_disk.plant, on_small_disk.shift, each_line=never)
    assert not on_small_disk.litter()


@pytest.mark.fault("I2")
@pytest.mark.parametrize("limit", [1_000, 12_000, 30_000])
def test_i2_a_limit_on_files_is_told_and_kills_nobody(site: Site, limit: int) -> None:
    before = site.seen()

    def work() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        with pytest.raises(WriteError, match=r"File too large.*Raise the limit on the size"):
            site.run()

    assert ended(forked(work)) == FINE
    assert site.seen() == before
    assert not site.litter()


@needs_root
@pytest.mark.fault("I3")
def test_i3_a_read_only_disk_is_met_before_the_work(on_small_disk: Site) -> None:
    before = on_small_disk.seen()
    remount = ["mount", "-o", "remount,ro", str(on_small_disk.results)]
    subprocess.run(remount, check=True, capture_output=True)
    with pytest.raises(WriteError, match=r"Read-only file system.*Mount the folder so that"):
        one_shift.inspect(on_small_disk.plant, on_small_disk.shift, each_line=never)
    assert on_small_disk.seen() == before


@needs_root
@pytest.mark.fault("I3")
def test_i3_missing_rights_are_met_before_the_work(site: Site) -> None:
    before = site.seen()
    for folder in (site.folder, *site.folder.parents[:3]):
        folder.chmod(0o755)
    for path in site.results.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    site.results.chmod(0o755)

    def work() -> None:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        with pytest.raises(WriteError, match=r"Permission denied.*Give the user of this process"):
            one_shift.inspect(site.plant, site.shift, each_line=never)

    assert ended(forked(work)) == FINE
    assert site.seen() == before


@pytest.mark.fault("I3")
def test_i3_results_that_go_away_in_the_middle_are_told(site: Site) -> None:
    before, aside = site.seen(), site.folder / "aside"

    def going_away(step: LineStep, lines: Sequence[str]) -> Sequence[str | Exception]:
        site.results.rename(aside)
        return serially(step, lines)

    with pytest.raises(StorageError) as met:
        one_shift.inspect(site.plant, site.shift, each_line=going_away)
    assert str(site.results) in str(met.value)
    assert met.value.remedy
    assert not (site.home / "current.json").exists()
    shutil.rmtree(site.results, ignore_errors=True)
    aside.rename(site.results)
    assert site.seen() == before


@pytest.mark.fault("I4")
def test_i4_a_sync_that_failed_is_no_success_when_tried_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, synced = site.seen(), []
    real = os.fsync

    def failing(handle: int) -> None:
        path = str(Path(f"/proc/self/fd/{handle}").readlink())
        synced.append(path)
        if ".manifest.json." in path:
            raise OSError(5, "Input/output error")
        real(handle)

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(WriteError, match=r"cannot write manifest\.json: Input/output error"):
        site.run()
    assert sum(".manifest.json." in path for path in synced) == 1  # never synced a second time
    assert site.seen() == before
    assert not site.litter()
