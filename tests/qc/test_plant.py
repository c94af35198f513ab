"""The calendar of shifts: over midnight, over daylight saving, and which one ended last."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from qc.errors import ConfigError
from qc.plant import Batch, Columns, Line, Plant, ShiftTimes, config_sha256


def plant(*shifts: tuple[str, time, time], time_zone: str = "Europe/Berlin") -> Plant:
    return Plant(
        name="P",
        time_zone=time_zone,
        storage="/results",
        readings="/readings",
        layout="hive",
        pattern=None,
        columns=Columns(),
        shifts=tuple(ShiftTimes(*shift) for shift in shifts),
        lines=(Line("A", "volume", "L", "v", (Batch("small"),)),),
    )


THREE = plant(
    ("early", time(6), time(14)), ("late", time(14), time(22)), ("night", time(22), time(6))
)


@pytest.mark.fault("B11")
@pytest.mark.parametrize(
    ("day", "name", "hours"),
    [
        (date(2026, 3, 27), "night", 8),
        (date(2026, 3, 28), "night", 7),  # the clock jumps from 2 to 3 on the 29th
        (date(2026, 3, 29), "early", 8),
        (date(2026, 10, 24), "night", 9),  # the hour from 2 to 3 comes twice on the 25th
        (date(2026, 10, 25), "late", 8),
        (date(2026, 12, 31), "night", 8),
    ],
)
def test_length_of_a_shift(day, name, hours):
    shift = THREE.shift(day, name)
    assert shift.end - shift.start == timedelta(hours=hours)
    assert (shift.date, shift.name) == (day, name)


def test_a_night_belongs_to_the_day_it_starts_on():
    night = THREE.shift(date(2026, 11, 20), "night")
    assert night.start == datetime(2026, 11, 20, 21, tzinfo=UTC)
    assert night.end == datetime(2026, 11, 21, 5, tzinfo=UTC)


@pytest.mark.fault("B11")
@pytest.mark.parametrize("day", [date(2026, 3, 27), date(2026, 10, 23), date(2026, 12, 30)])
def test_shifts_meet_without_gap_or_overlap(day):
    shifts = [s for back in range(4) for s in THREE.shifts_of(day + timedelta(days=back))]
    assert all(one.end == following.start for one, following in pairwise(shifts))


def test_boundaries_within_the_changed_hour():
    at_half_past_two = plant(("a", time(22), time(2, 30)), ("b", time(2, 30), time(6)))
    spring = at_half_past_two.shift(date(2026, 3, 28), "a")
    assert spring.end == at_half_past_two.shift(date(2026, 3, 29), "b").start
    autumn = at_half_past_two.shift(date(2026, 10, 24), "a")
    assert autumn.end == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # the first half past two
    following = at_half_past_two.shift(date(2026, 10, 25), "b")
    assert following.start == autumn.end
    assert following.end - following.start == timedelta(hours=4, minutes=30)


def test_start_equal_to_end_lasts_to_the_next_day():
    whole = plant(("day", time(6), time(6)))
    lengths = {
        day: whole.shift(date(2026, 3, day), "day").end
        - whole.shift(date(2026, 3, day), "day").start
        for day in (27, 28)
    }
    assert lengths == {27: timedelta(hours=24), 28: timedelta(hours=23)}


def test_shifts_of_a_day_are_in_order_of_start_not_of_configuration():
    turned = plant(("late", time(14), time(22)), ("early", time(6), time(14)))
    assert [shift.name for shift in turned.shifts_of(date(2026, 11, 20))] == ["early", "late"]


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-11-20 14:00", "2026-11-20 early"),  # the end is exclusive: it has ended
        ("2026-11-20 13:59", "2026-11-19 night"),
        ("2026-11-20 03:00", "2026-11-19 late"),
        ("2026-11-20 06:00", "2026-11-19 night"),
        ("2026-11-20 23:00", "2026-11-20 late"),
        ("2026-03-29 05:59", "2026-03-28 late"),
        ("2026-03-29 06:00", "2026-03-28 night"),
        ("2026-10-25 06:00", "2026-10-24 night"),
    ],
)
def test_last_ended_shift(now, expected):
    moment = datetime.fromisoformat(now).replace(tzinfo=ZoneInfo("Europe/Berlin"))
    assert str(THREE.last_ended_shift(moment)) == expected
    assert str(THREE.last_ended_shift(moment.astimezone(ZoneInfo("Asia/Tokyo")))) == expected


def test_last_ended_shift_of_a_plant_far_from_here():
    far = plant(("day", time(0), time(0)), time_zone="Pacific/Kiritimati")  # UTC + 14
    assert str(far.last_ended_shift(datetime(2026, 11, 20, 10, tzinfo=UTC))) == "2026-11-20 day"
    assert str(far.last_ended_shift(datetime(2026, 11, 20, 9, 59, tzinfo=UTC))) == "2026-11-19 day"


def test_names_that_are_not_there():
    with pytest.raises(ConfigError, match=r"no shift 'noon'.*early, late, night"):
        THREE.shift(date(2026, 11, 20), "noon")
    with pytest.raises(ConfigError, match=r"no line 'Z'.*A"):
        THREE.line("Z")


def test_the_hash_of_a_line_covers_its_shift_and_itself_only():
    shift = THREE.shift(date(2026, 11, 20), "early")
    other_source = plant(("early", time(6), time(14)))
    assert config_sha256(THREE, THREE.lines[0], shift) == config_sha256(
        other_source, other_source.lines[0], shift
    )
    later = THREE.shift(date(2026, 11, 20), "late")
    assert config_sha256(THREE, THREE.lines[0], shift) != config_sha256(
        THREE, THREE.lines[0], later
    )
