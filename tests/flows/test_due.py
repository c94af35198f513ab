"""Which shift a schedule meant, by the moments at which Prefect's own generator fires it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from prefect.server.schemas.schedules import CronSchedule

from config import EXAMPLE, load_plant
from flows.due import cron_of, due, scheduled_shift
from qc.errors import ConfigError
from qc.plant import Operation, Plant, ShiftTimes

SPRING, AUTUMN = date(2026, 3, 29), date(2026, 10, 25)
NIGHTS = [SPRING, AUTUMN]
# Shifts over, into and just outside the hour that is skipped or comes twice, and the settling of
# each: nights, a shift that ends inside it, one that settles into it, one that settles over it.
CALENDAR = [
    ("22:00", "06:00", 15),
    ("18:00", "02:30", 15),
    ("18:00", "02:00", 30),
    ("18:00", "01:50", 15),
    ("18:00", "02:50", 15),
    ("17:00", "01:00", 240),
    ("17:00", "23:30", 360),
    ("02:30", "10:00", 15),
    ("00:00", "00:00", 0),
    ("06:00", "06:00", 1440),
]


def plant_with(start: str, end: str, settle: int, zone: str = "Europe/Berlin") -> Plant:
    times = ShiftTimes("s", time.fromisoformat(start), time.fromisoformat(end))
    operation = Operation(settle_minutes=settle)
    return replace(load_plant(EXAMPLE), time_zone=zone, shifts=(times,), operation=operation)


def fired(plant: Plant, around: date) -> list[datetime]:
    """When Prefect starts the runs of ten days, in UTC, seen from some days before."""
    schedule = CronSchedule(cron=cron_of(plant, plant.shifts[0]), timezone=plant.time_zone)
    noon = datetime.combine(around, time(12), UTC)
    dates = schedule.get_dates(n=10, start=noon - timedelta(days=5))
    return [datetime.fromtimestamp(moment.timestamp(), UTC) for moment in asyncio.run(dates)]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Antarctica/Troll", "UTC"])
@pytest.mark.parametrize("night", [*NIGHTS, date(2026, 3, 8), date(2026, 11, 1)])
@pytest.mark.parametrize(("start", "end", "settle"), CALENDAR)
def test_each_day_its_own_shift_whatever_the_clock_does(
    start: str, end: str, settle: int, night: date, zone: str
) -> None:
    plant = plant_with(start, end, settle, zone)
    moments = fired(plant, night)
    meant = [scheduled_shift(plant, "s", moment) for moment in moments]
    first = meant[0].date
    assert [shift.date for shift in meant] == [first + timedelta(days=k) for k in range(10)]
    early = [due(plant, shift) - moment for shift, moment in zip(meant, moments, strict=True)]
    assert max(map(abs, early)) <= timedelta(hours=2)
    # On all but the nights of the change the cron fires at the very moment.
    assert early.count(timedelta(0)) >= 8


def test_prefect_fires_an_hour_early_in_the_gap_and_the_shift_is_the_right_one() -> None:
    plant = plant_with("18:00", "02:15", 15)
    moments = fired(plant, SPRING)
    early = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)  # 01:30, before the clock is put forward
    assert early in moments
    shift = scheduled_shift(plant, "s", early)
    assert shift == plant.shift(date(2026, 3, 28), "s")
    # 02:15 does not exist: the shift ends at 03:15 of summer time, an hour after the cron's hour.
    assert shift.end == datetime(2026, 3, 29, 1, 15, tzinfo=UTC)
    assert due(plant, shift) - early == timedelta(hours=1)


def test_prefect_fires_an_hour_late_where_an_hour_comes_twice() -> None:
    plant = plant_with("18:00", "02:50", 15)
    late = datetime(2026, 10, 25, 2, 5, tzinfo=UTC)  # 03:05, after the second 02:50
    assert late in fired(plant, AUTUMN)
    shift = scheduled_shift(plant, "s", late)
    assert shift == plant.shift(date(2026, 10, 24), "s")
    assert late - due(plant, shift) == timedelta(hours=1)


@pytest.mark.parametrize("night", NIGHTS)
def test_the_night_shift_of_the_change_is_an_hour_off_in_length_and_due_at_its_end(
    night: date,
) -> None:
    plant = load_plant(EXAMPLE)
    shift = plant.shift(night - timedelta(days=1), "night")
    hours = 7 if night == SPRING else 9
    assert shift.end - shift.start == timedelta(hours=hours)
    at = datetime.combine(night, time(6, 15), ZoneInfo("Europe/Berlin")).astimezone(UTC)
    assert due(plant, shift) == at
    assert scheduled_shift(plant, "night", at) == shift


def test_a_schedule_that_was_moved_by_hand_finds_the_shift_before_it() -> None:
    plant = load_plant(EXAMPLE)  # due at 14:15, 22:15 and 06:15
    early = plant.shift(date(2026, 11, 20), "early")
    for hours in (-1.9, 0, 3, 12, 21.9):
        moment = due(plant, early) + timedelta(hours=hours)
        assert scheduled_shift(plant, "early", moment) == early, hours
    before = scheduled_shift(plant, "early", due(plant, early) - timedelta(hours=2.1))
    assert before == plant.shift(date(2026, 11, 19), "early")


def test_a_schedule_without_a_shift_takes_the_last_that_is_due() -> None:
    plant = load_plant(EXAMPLE)
    early, night = (
        plant.shift(date(2026, 11, 20), "early"),
        plant.shift(date(2026, 11, 19), "night"),
    )
    assert scheduled_shift(plant, "", due(plant, early)) == early
    assert scheduled_shift(plant, "", due(plant, early) - timedelta(minutes=1)) == night


def test_a_schedule_of_a_shift_that_is_gone_says_so() -> None:
    with pytest.raises(ConfigError, match="no shift 'erly'"):
        scheduled_shift(load_plant(EXAMPLE), "erly", datetime(2026, 11, 20, tzinfo=UTC))


@pytest.mark.parametrize(
    ("end", "settle", "cron"),
    [
        ("14:00", 15, "15 14 * * *"),
        ("23:50", 15, "5 0 * * *"),
        ("06:00", 0, "0 6 * * *"),
        ("06:07", 1440, "7 6 * * *"),
    ],
)
def test_the_cron_is_the_wall_clock_at_which_a_shift_is_due(
    end: str, settle: int, cron: str
) -> None:
    plant = plant_with("20:00", end, settle)
    assert cron_of(plant, plant.shifts[0]) == cron
