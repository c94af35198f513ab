"""What a line's result is a function of: files by hash, and the tallies of its window."""

import getpass
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from qc import storage
from qc.plant import Baseline, Batch, Gauge, Policy
from qc.storage.inputs import TREND_SHIFTS
from qc.storage.published import PublishedVersion
from tests.gathered import write_whole_line


@pytest.fixture
def inputs(plant, shift):
    def of(name="A", shift=shift, plant=plant, history=None):
        files = storage.discover(plant, shift)
        return storage.fingerprint(plant, plant.line(name), shift, files, history)

    return of


@pytest.fixture
def inspected(plant, table, deliver, judge, inputs):
    """Deliver and publish n items of lines for a shift."""

    def run(shift, n=3, names=("A",)):
        attempt = storage.begin(plant, shift)
        for name in names:
            deliver(table(n), line=name, shift=shift)
            line = plant.line(name)
            readings = storage.read_line(plant, line, shift, inputs(name, shift))
            write_whole_line(attempt, readings, judge(line, shift, readings))
        storage.assemble(attempt, (), "1")
        return storage.publish(attempt, {})

    return run


def test_the_hash_covers_content_and_names(inputs, table, deliver):
    first = deliver(table(3))
    one = inputs()
    assert [(path, size) for path, _, size in one.files] == [
        ("line=A/date=2026-11-20/shift=early/part-0.parquet", first.stat().st_size)
    ]
    os.utime(first, (0, 0))
    assert inputs().input_sha256 == one.input_sha256
    deliver(table(3), "copy.parquet")
    two = inputs().input_sha256
    deliver(table(4), "copy.parquet")
    three = inputs().input_sha256
    assert len({one.input_sha256, two, three}) == 3


def test_a_file_that_cannot_be_opened_is_a_problem_and_part_of_the_hash(
    inputs, table, deliver, monkeypatch
):
    deliver(table(3))
    bad = deliver(table(3, first=3), "bad.parquet")
    before = inputs()
    real = os.open

    def denied(path, *arguments, **keywords):
        if Path(path) == bad:
            raise PermissionError(13, "Permission denied")
        return real(path, *arguments, **keywords)

    monkeypatch.setattr(os, "open", denied)
    after = inputs()
    assert len(after.files) == 1
    (problem,) = after.problems
    assert problem.detail == f"permission denied for the user {getpass.getuser()}"
    assert after.input_sha256 != before.input_sha256


def test_the_window_is_the_newest_shifts_before_this_one_oldest_first(
    plant, shift, inputs, inspected, table, deliver
):
    day = timedelta(days=1)
    shifts = [
        plant.shift(shift.date - 3 * day, "late"),
        plant.shift(shift.date - day, "early"),
        plant.shift(shift.date - day, "night"),
        shift,
        plant.shift(shift.date, "late"),
    ]
    versions = [inspected(each, n=3 + k) for k, each in enumerate(shifts)]
    inspected(plant.shift(shift.date - day, "late"), names=("B",))  # this line was not read
    window = inputs().window  # fit_window = 3
    assert [
        (t.source.date, t.source.shift, t.source.version, t.source.n_items) for t in window
    ] == [
        (shifts[1].date, "early", versions[1].version, 4),
        (shifts[2].date, "night", versions[2].version, 5),
    ]
    assert [tally.tally.n for tally in window] == [4, 5]
    assert window[0].source.tally_sha256 == window[0].tally.sha256()
    deliver(table(3), line="B")
    assert inputs("B").window == ()  # fit_window = 1


def test_an_earlier_shift_that_changed_changes_the_hash(
    plant, shift, inputs, inspected, table, deliver
):
    deliver(table(3))
    before = inputs().input_sha256
    earlier = plant.shift(shift.date - timedelta(days=1), "late")
    inspected(earlier, n=3)
    with_window = inputs().input_sha256
    inspected(earlier, n=5)
    assert len({before, with_window, inputs().input_sha256}) == 3


def test_a_tally_on_another_grid_is_left_out_and_said(
    plant, shift, inputs, inspected, table, deliver
):
    inspected(plant.shift(shift.date - timedelta(days=1), "late"))
    deliver(table(3))
    finer = replace(plant, lines=tuple(replace(line, gauge=Gauge(0.0005)) for line in plant.lines))
    got = inputs(plant=finer)
    assert got.window == ()
    (finding,) = got.findings
    assert finding.code == "window.other_grid"
    assert "2026-11-19 late" in finding.sentence
    assert "0.001 from 0.0, the gauge 0.0005" in finding.sentence
    readings = storage.read_line(finer, finer.line("A"), shift, got)
    assert finding in readings.findings


@pytest.mark.parametrize("name", ["tallies.parquet", "manifest.json"])
def test_the_window_ends_where_a_version_is_damaged(
    name, plant, shift, inputs, inspected, table, deliver
):
    damaged = inspected(plant.shift(shift.date - timedelta(days=2), "late"))
    inspected(plant.shift(shift.date - timedelta(days=1), "late"))
    (damaged.folder / name).write_bytes(b"PAR1")
    deliver(table(3))
    got = inputs()
    assert [tally.source.date for tally in got.window] == [shift.date - timedelta(days=1)]
    codes = [finding.code for finding in got.findings]
    of_trend = ["trend.unreadable"] if name == "manifest.json" else []
    assert codes == ["window.unreadable", *of_trend]
    for finding in got.findings:
        assert name in finding.sentence
        assert finding.remedy


def test_batches_without_a_nominal_are_looked_up_in_the_last_shift_that_has_them(
    plant, shift, inputs, inspected, table, deliver
):
    nameless = replace(
        plant,
        lines=tuple(
            replace(line, batches=tuple(Batch(batch.name) for batch in line.batches))
            for line in plant.lines
        ),
    )
    deliver(table(3))
    assert inputs(plant=nameless).last is None
    before = inputs(plant=nameless).input_sha256
    earlier = inspected(plant.shift(shift.date - timedelta(days=2), "late"))
    inspected(plant.shift(shift.date - timedelta(days=1), "late"), names=("B",))
    got = inputs(plant=nameless)
    two_days_ago = shift.date - timedelta(days=2)
    (held,) = storage.load_published(plant.storage, two_days_ago, "late").record.lines
    assert got.last.date == two_days_ago
    assert got.last.batches == tuple(
        (batch.name, batch.mean, batch.sd) for batch in held.batches if batch.mean is not None
    )
    assert got.input_sha256 != before
    assert inputs().last is None  # nominals need no memory
    (earlier.folder / "shift.json").write_bytes(b"{}")
    damaged = inputs(plant=nameless)
    assert damaged.last is None
    assert "identity.unreadable" in {finding.code for finding in damaged.findings}


DAY = timedelta(days=1)


def test_the_past_is_what_earlier_shifts_gave_oldest_first_and_nothing_later(
    plant, shift, inputs, inspected, table, deliver
):
    deliver(table(3), line="B")
    nothing = inputs("B")
    assert nothing.past == ()
    shifts = [
        plant.shift(shift.date - 2 * DAY, "late"),
        plant.shift(shift.date - DAY, "night"),
        shift,
        plant.shift(shift.date, "late"),
        plant.shift(shift.date + DAY, "early"),
    ]
    for k, each in enumerate(shifts):
        inspected(each, n=3 + k, names=("B",))
    inspected(plant.shift(shift.date - DAY, "late"), names=("A",))  # B was not read
    deliver(table(3), line="B")
    past = inputs("B").past
    assert [(values.date, values.shift, values.n_items) for values in past] == [
        (shifts[0].date, "late", 3),
        (shifts[1].date, "night", 4),
    ]
    published = storage.load_published(plant.storage, shifts[0].date, "late").record
    (line,) = published.lines
    assert past[0] == line.values()
    assert [batch.mean for batch in past[0].batches] == [batch.mean for batch in line.batches]


def test_the_past_counts_by_its_content(plant, shift, inputs, inspected, table, deliver):
    deliver(table(3), line="B")
    alone = inputs("B").input_sha256
    earlier = plant.shift(shift.date - DAY, "late")
    inspected(earlier, n=4, names=("B",))
    before = inputs("B").input_sha256
    assert before != alone
    inspected(earlier, n=4, names=("B", "A"))  # another version, the same of line B
    assert inputs("B").input_sha256 == before
    inspected(plant.shift(shift.date, "late"), n=4, names=("B",))
    assert inputs("B").input_sha256 == before  # a later shift is none of its inputs
    inspected(earlier, n=5, names=("B",))
    assert inputs("B").input_sha256 not in (alone, before)


def test_the_past_is_bounded(plant, shift, inputs, inspected, table, deliver):
    days = TREND_SHIFTS + 2
    for back in range(1, days + 1):
        inspected(plant.shift(shift.date - back * DAY, "late"), names=("B",))
    deliver(table(3), line="B")
    past = inputs("B").past
    assert len(past) == TREND_SHIFTS
    assert past[0].date == shift.date - TREND_SHIFTS * DAY
    assert past[-1].date == shift.date - DAY


def test_shifts_whose_fits_share_items_count_once(
    plant, shift, inputs, inspected, judge, table, deliver
):
    """With a window of three shifts, every third one is independent of the others."""
    shifts = [plant.shift(shift.date - back * DAY, "early") for back in range(8, 0, -1)]
    for each in shifts:
        attempt = storage.begin(plant, each)
        deliver(table(3), shift=each)
        got = inputs("A", each)
        readings = storage.read_line(plant, plant.line("A"), each, got)
        window = tuple(tally.source for tally in got.window)
        write_whole_line(attempt, readings, judge(plant.line("A"), each, readings, window=window))
        storage.assemble(attempt, (), "1")
        storage.publish(attempt, {})
    deliver(table(3))
    back = [(shift.date - values.date).days for values in inputs("A").past]
    assert back == [6, 3]


def test_values_in_another_unit_are_left_out(plant, shift, inputs, inspected, table, deliver):
    inspected(plant.shift(shift.date - DAY, "late"), names=("B",))
    deliver(table(3), line="B")
    in_ml = replace(plant, lines=tuple(replace(line, unit="mL") for line in plant.lines))
    assert len(inputs("B").past) == 1
    assert inputs("B", plant=in_ml).past == ()


def test_all_lines_of_a_run_read_an_earlier_record_once(
    plant, shift, inputs, inspected, table, deliver, monkeypatch
):
    """Trend, window and memory of batches together, for every line."""
    nameless = replace(
        plant,
        lines=tuple(
            replace(line, batches=(Batch("small"), Batch("large")), policy=Policy(fit_window=3))
            for line in plant.lines
        ),
    )
    for back in (1, 2, 3):
        inspected(plant.shift(shift.date - back * DAY, "late"), names=("A", "B"))
    for name in ("A", "B"):
        deliver(table(3), line=name)
    alone = [inputs(name, plant=nameless).input_sha256 for name in ("A", "B")]
    reads = []
    read = PublishedVersion.read_bytes

    def counted(version, name):
        reads.append((version.folder, name))
        return read(version, name)

    monkeypatch.setattr(PublishedVersion, "read_bytes", counted)
    history = storage.History(plant, shift)
    together = [inputs(name, plant=nameless, history=history) for name in ("A", "B")]
    assert [got.input_sha256 for got in together] == alone
    assert all(got.last and len(got.past) == 1 and len(got.window) == 2 for got in together)
    assert {name for _, name in reads} == {"shift.json"}
    assert len(reads) == len(set(reads)) == 3


def test_every_line_hears_of_a_damaged_version(plant, shift, inputs, inspected, table, deliver):
    damaged = inspected(plant.shift(shift.date - 2 * DAY, "late"), names=("A", "B"))
    inspected(plant.shift(shift.date - DAY, "late"), names=("A", "B"))
    (damaged.folder / "manifest.json").write_bytes(b"{}")
    history = storage.History(plant, shift)
    for name, n_past in (("A", 0), ("B", 1)):  # the window of A covers the sound one
        deliver(table(3), line=name)
        got = inputs(name, history=history)
        assert len(got.past) == n_past
        assert "trend.unreadable" in {finding.code for finding in got.findings}


def test_a_baseline_gives_its_shifts_to_later_ones_alone(
    plant, shift, inputs, inspected, table, deliver
):
    """However long ago; oldest first, in the hash, and never to a shift of its own."""
    days = [shift.date - timedelta(days=back) for back in (9, 8, 7)]
    period = Baseline(days[0], days[1], "usual")
    plant = replace(plant, lines=tuple(replace(one, baseline=period) for one in plant.lines))
    for day in days:
        for name in ("early", "late"):
            inspected(plant.shift(day, name))
    deliver(table(3))
    found = inputs("B", plant=plant)
    assert found.baseline == ()  # that line is not in them
    found = inputs("A", plant=plant)
    assert [(one.date, one.shift) for one in found.baseline] == [
        (day, name) for day in days[:2] for name in ("early", "late")
    ]
    without = replace(plant, lines=tuple(replace(one, baseline=None) for one in plant.lines))
    assert inputs("A", plant=without).baseline is None
    assert inputs("A", plant=without).input_sha256 != found.input_sha256
    own = plant.shift(days[1], "late")
    assert inputs("A", shift=own, plant=plant).baseline is None


def test_a_damaged_shift_of_a_baseline_is_told_and_none_of_them_used(
    plant, shift, inputs, inspected, table, deliver
):
    days = [shift.date - timedelta(days=back) for back in (2, 1)]
    period = Baseline(days[0], days[0], "usual")
    plant = replace(plant, lines=tuple(replace(one, baseline=period) for one in plant.lines))
    published = inspected(plant.shift(days[0], "early"))
    (published.folder / "manifest.json").write_text("{}")
    deliver(table(3))
    found = inputs("A", plant=plant)
    assert found.baseline == ()
    told = [one for one in found.findings if "baseline usual" in one.sentence]
    assert [one.code for one in told] == ["trend.unreadable"]
    assert str(published.folder / "manifest.json") in told[0].sentence
