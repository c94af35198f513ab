"""The index of all shifts: gaps of the calendar, earlier versions, and how much is read for it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from flows import index
from flows.one_shift import inspect
from qc.plant import Plant, Shift, ShiftTimes
from qc.storage import published
from qc.storage.summary import SUMMARY, summary_of
from tests.reports.parsing import Page, parse

DAY = date(2026, 11, 20)


def copies(plant: Plant, shift: Shift, days: int) -> None:
    """The published shift once more for each of so many days before it."""
    home = Path(plant.storage) / f"date={shift.date}" / f"shift={shift.name}"
    for back in range(1, days + 1):
        day = shift.date - timedelta(days=back)
        shutil.copytree(home, Path(plant.storage) / f"date={day}" / f"shift={shift.name}")


def links(page: Page) -> list[str]:
    return [str(attrs["href"]) for tag, attrs in page.tags if tag == "a"]


def test_the_calendar_names_what_nobody_published(plant: Plant) -> None:
    monday = DAY + timedelta(days=3)
    gaps = index.missing_shifts(plant, [(monday, "late"), (DAY, "night"), (DAY, "early")])
    assert [(gap.date, gap.shift) for gap in gaps] == [
        (monday, "early"),
        *((DAY + timedelta(days=k), name) for k in (2, 1) for name in ("night", "late", "early")),
        (DAY, "late"),
    ]
    assert index.missing_shifts(plant, [(DAY, "early")]) == []
    assert index.missing_shifts(plant, []) == []


def test_a_shift_that_is_still_going_on_is_no_gap(plant: Plant) -> None:
    day = ShiftTimes("day", plant.shifts[0].start, plant.shifts[0].start)  # 24 hours from 06:00
    with_day = replace(plant, shifts=(*plant.shifts, day))
    names = [gap.shift for gap in index.missing_shifts(with_day, [(DAY, "late"), (DAY, "early")])]
    assert names == []
    later = [(DAY + timedelta(days=2), "early"), (DAY, "early")]
    assert "day" in {gap.shift for gap in index.missing_shifts(with_day, later)}


def test_an_earlier_version_and_a_gap_are_shown(plant: Plant, early: Shift) -> None:
    first = inspect(plant, early, ["C"]).published
    second = inspect(plant, early, ["A"]).published
    night = inspect(plant, plant.shift(early.date, "night"), ["C"])
    page = parse(Path(plant.storage) / "index.html")
    place = f"./date={early.date}/shift=early"
    assert f"{place}/{first.version}/report/index.html" in links(page)
    assert f"{place}/{second.version}/report/index.html" in links(page)
    assert all((Path(plant.storage) / href).exists() for href in links(page) if href != "#main")
    assert "1 earlier version" in page.text
    assert "2 published, newest first; 1 shift between them without data." in page.text
    assert page.text.count("no data") == 1 + 1  # the late shift, and the legend
    assert night.sentence in page.text


def test_a_damaged_shift_stands_there_by_name_and_the_run_goes_on(
    plant: Plant, early: Shift
) -> None:
    damaged = inspect(plant, plant.shift(early.date, "late"), ["C"]).published
    (damaged.folder / "manifest.json").write_bytes(b"")
    assert inspect(plant, early, ["C"]).published.changed
    text = parse(Path(plant.storage) / "index.html").text
    assert "unreadable" in text
    assert f"{damaged.version}/manifest.json" in text


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The versions whose records are read from now on."""
    folders: list[Path] = []
    part = published.PublishedVersion.part_of_record

    def counted(self, kind):  # type: ignore[no-untyped-def]
        folders.append(self.folder)
        return part(self, kind)

    monkeypatch.setattr(published.PublishedVersion, "part_of_record", counted)
    return folders


def test_only_the_newest_shifts_are_read(
    plant: Plant, early: Shift, monkeypatch: pytest.MonkeyPatch, read: list[Path]
) -> None:
    version = inspect(plant, early, ["C"]).published
    (version.folder.parent / SUMMARY).unlink()
    copies(plant, early, 120)
    read.clear()
    page = parse(index.rebuild_index(plant))
    assert len(read) == index.DETAILED
    hrefs = links(page)
    assert len([href for href in hrefs if version.version in href]) == 121
    assert "September 2026: 30 shifts, 60 without data" in page.text
    monkeypatch.setattr(index, "MOST_OUTCOMES", 5)
    shown = sorted(Path(plant.storage).glob(f"*/*/{SUMMARY}"))
    assert len(shown) == index.DETAILED
    for summary in shown:
        summary.unlink()
    read.clear()
    assert len(links(parse(index.rebuild_index(plant)))) == len(hrefs)
    assert len(read) == 5  # of one line each


def test_a_record_is_read_once_a_version(plant: Plant, early: Shift, read: list[Path]) -> None:
    first = inspect(plant, early, ["C"]).published
    assert read == [first.folder]
    page = index.rebuild_index(plant).read_bytes()
    assert index.rebuild_index(plant).read_bytes() == page
    assert read == [first.folder]
    second = inspect(plant, early, ["A"]).published
    assert read == [first.folder, second.folder]
    summary = summary_of(plant.storage, early.date, early.name)
    assert [line.line for line in summary.lines] == ["A", "C"]
    assert [one.version for one in summary.superseded] == [first.version]


@pytest.mark.parametrize("content", [b"", b"{}", b'{"lines": []}', None])
def test_a_summary_that_is_damaged_or_of_another_version_is_made_again(
    plant: Plant, early: Shift, read: list[Path], content: bytes | None
) -> None:
    home = inspect(plant, early, ["C"]).published.folder.parent
    older = (home / SUMMARY).read_bytes()
    version = inspect(plant, early, ["A"]).published
    page, kept = index.rebuild_index(plant).read_bytes(), (home / SUMMARY).read_bytes()
    read.clear()
    (home / SUMMARY).write_bytes(older if content is None else content)
    assert index.rebuild_index(plant).read_bytes() == page
    assert read == [version.folder]
    assert (home / SUMMARY).read_bytes() == kept != older


def test_a_summary_does_not_stand_for_a_record_that_is_gone(plant: Plant, early: Shift) -> None:
    version = inspect(plant, early, ["C"]).published
    (version.folder / "shift.json").write_bytes(b"{}")
    text = parse(index.rebuild_index(plant)).text
    assert "unreadable" in text
    assert f"{version.version}/shift.json" in text
