"""``shiftmix backfill``: every ended shift of a range of dates, or the missed ones, oldest first.

How one shift is inspected is the caller's choice: `plainly` here, a flow run in `backfill.py`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from config import load_plant
from flows.catching_up import missed_shifts
from flows.one_shift import inspect
from flows.runners import workers_of
from qc.errors import ConfigError, ReadingsError, RunnerError, ShiftmixError
from qc.plant import Plant, Shift, config_sha256
from qc.storage import discover, fingerprint, unchanged
from qc.storage.attempt import note_tried
from qc.storage.discover import has_readings
from qc.storage.dispositions import read_records
from qc.storage.history import History
from qc.storage.holds import is_shown
from qc.storage.paths import shift_folder
from qc.storage.published import current_version, read_pointer
from qc.storage.workers import Workers
from qc.wording import plural

MOST_DAYS = 3653  # ten years: a longer range is a slip of the pen, not a plan

PUBLISHED, AS_BEFORE, NO_DATA, ERROR, TO_DO = (
    "published",
    "as before",
    "no data",
    "error",
    "to do",
)


@dataclass(frozen=True, slots=True)
class Filled:
    """What became of one shift of a backfill.

    Attributes
    ----------
    outcome : str
        ``published``, ``as before``, ``no data`` or ``error``; ``to do`` where it is only listed.
    said : str
        The report's sentence, or why there is none.
    """

    date: str
    shift: str
    outcome: str
    said: str

    def __str__(self) -> str:
        return f"{self.date} {self.shift}: {self.outcome}. {self.said}".rstrip()


@dataclass(frozen=True, slots=True)
class Range:
    """The shifts that a person asks for; `fields` are the names of these where they were given."""

    first: date
    last: date
    shift: str = ""
    fields: tuple[str, str, str] = ("first", "last", "shift")


def range_of(
    first: datetime | None, last: datetime | None, shift: str, *, missed: bool
) -> Range | None:
    """What the command line asks for; None for the missed shifts.

    Raises
    ------
    ConfigError
        If it asks for both, or for neither.
    """
    if missed and not (first or last or shift):
        return None
    if missed or first is None or last is None:
        raise ConfigError(
            "a range of dates or the missed shifts can be filled, one of the two",
            remedy="Give both --from and --to, or --missed alone",
        )
    return Range(first.date(), last.date(), shift, ("--from", "--to", "--shift"))


Inspected = Callable[[Plant, Shift], tuple[bool, str]]
"""Inspects a shift: whether it went well, and what it says."""


def backfill_and_tell(
    config: Path,
    asked: Range | None,
    *,
    recompute: bool = False,
    only_list: bool = False,
    as_json: bool = False,
) -> int:
    """Inspect shifts, and print what became of each; returns the exit code.

    Oldest first, since fit windows and trends rest on the shifts before. One shift after the other:
    a kill loses the shift at work, and the next backfill goes on from there.

    Parameters
    ----------
    asked : Range or None
        None: the shifts that were missed.
    only_list : bool
        Inspect nothing, and say what would be.
    """
    plant = load_plant(config)
    now = datetime.now(UTC)
    shifts = missed_shifts(plant, now) if asked is None else ended_shifts(plant, asked, now)
    done = []
    with ExitStack() as stack:
        inspected = None if only_list else with_workers(stack)
        for shift in shifts:
            if asked is None:
                one = fill_missed(plant, shift, inspected)
            else:
                one = fill(plant, shift, inspected, recompute=recompute)
            done.append(one)
            if not as_json:
                print(one, flush=True)
    none = "none was missed" if asked is None else "none has ended"
    print(
        json.dumps([asdict(one) for one in done], indent=2, ensure_ascii=False)
        if as_json
        else counted(done) or f"0 shifts: {none}"
    )
    return int(any(one.outcome == ERROR for one in done))


def judge_range(plant: Plant, asked: Range, now: datetime) -> None:
    """Refuse dates that are the wrong way round, in the future or too far apart.

    Raises
    ------
    ConfigError
        Naming the field.
    """
    first, last, _ = asked.fields
    today = now.astimezone(ZoneInfo(plant.time_zone)).date()
    if asked.last < asked.first:
        raise ConfigError(
            f"{first}: {asked.first} is after {last}, {asked.last}", remedy="Swap them"
        )
    for field, day in ((first, asked.first), (last, asked.last)):
        if day > today:
            raise ConfigError(
                f"{field}: {day} is in the future", remedy=f"Give a date up to {today}"
            )
    if (asked.last - asked.first).days > MOST_DAYS:
        raise ConfigError(
            f"{first}: from {asked.first} to {asked.last} are more than ten years",
            remedy=f"Check {first} and {last}, or fill the years one by one",
        )


def ended_shifts(plant: Plant, asked: Range, now: datetime) -> list[Shift]:
    """The shifts of a range of dates that have ended, oldest first.

    Raises
    ------
    ConfigError
        As `judge_range`, or if the plant has no shift of that name; the field is named.
    """
    judge_range(plant, asked, now)
    names = [times.name for times in plant.shifts]
    if asked.shift and asked.shift not in names:
        raise ConfigError(
            f"{asked.fields[2]}: no shift {asked.shift!r} in {plant.source}",
            remedy=f"Name one of its shifts: {', '.join(names)}",
        )
    days = (asked.first + timedelta(days=k) for k in range((asked.last - asked.first).days + 1))
    return [
        shift
        for day in days
        for shift in plant.shifts_of(day)
        if shift.end <= now and asked.shift in ("", shift.name)
    ]


def fill(
    plant: Plant,
    shift: Shift,
    inspected: Inspected | None,
    *,
    recompute: bool = False,
    try_without_data: bool = False,
) -> Filled:
    """Inspect a shift if it is not as published already; without `inspected` say what is to do.

    Parameters
    ----------
    try_without_data : bool
        Begin even where there are no readings, so that the run tells of it.

    Raises
    ------
    ConfigError
        If the plant's configuration is at fault: the next shift would fare no better.
    RunnerError
        If its workers are gone, for the same reason.
    """

    def filled(outcome: str, said: str = "") -> Filled:
        return Filled(shift.date.isoformat(), shift.name, outcome, said)

    try:
        if not recompute and is_as_published(plant, shift):
            return filled(AS_BEFORE)
        has_data = has_readings(plant, shift)
        if not (has_data or (try_without_data and inspected)):
            return filled(NO_DATA, "There are no readings.")
        if inspected is None:
            return filled(TO_DO)
        before = _pointer(plant, shift)
        went_well, said = inspected(plant, shift)
        if not went_well:
            return filled(ERROR, said)
        return filled(AS_BEFORE if _pointer(plant, shift) == before else PUBLISHED, said)
    except ReadingsError as error:  # the files went away in between
        return filled(NO_DATA, str(error))
    except (ConfigError, RunnerError):
        raise
    except ShiftmixError as error:
        return filled(ERROR, str(error))


def fill_missed(plant: Plant, shift: Shift, inspected: Inspected | None) -> Filled:
    """Inspect a shift that was missed, and note that it was tried: it is not missed again."""
    one = fill(plant, shift, inspected, try_without_data=True)
    if inspected is not None:
        note_tried(plant, shift)
    return one


def with_workers(stack: ExitStack) -> Inspected:
    """As `plainly`, with workers that are started for the first shift and kept for the others."""
    kept: list[Workers] = []

    def inspected(plant: Plant, shift: Shift) -> tuple[bool, str]:
        if not kept:
            kept.append(stack.enter_context(workers_of(plant)))
        return _inspected(plant, shift, kept[0])

    return inspected


def plainly(plant: Plant, shift: Shift) -> tuple[bool, str]:
    """Inspect a shift in this process, without Prefect."""
    with workers_of(plant) as workers:
        return _inspected(plant, shift, workers)


def _inspected(plant: Plant, shift: Shift, workers: Workers) -> tuple[bool, str]:
    outcome = inspect(plant, shift, run={"trigger": "backfill"}, workers=workers)
    if outcome.failed:
        return False, f"Lines in error: {', '.join(outcome.failed)}. {outcome.sentence}"
    return True, outcome.sentence


def is_as_published(plant: Plant, shift: Shift) -> bool:
    """Whether every line is published for the present input and configuration, by whatever code."""
    if _pointer(plant, shift) is None:
        return False
    version = current_version(plant.storage, shift.date, shift.name)
    if not is_shown(version, read_records(plant.storage, shift)):
        return False
    files, history = discover(plant, shift), History(plant, shift)
    return all(
        unchanged(
            version,
            line,
            fingerprint(plant, line, shift, files, history),
            config_sha256(plant, line, shift),
        )
        for line in plant.lines
    )


def counted(done: Sequence[Filled]) -> str:
    """How many shifts came out how; empty where there were none."""
    if not done:
        return ""
    words = sorted(Counter(one.outcome for one in done).items())
    return f"{plural(len(done), 'shift')}: {', '.join(f'{n} {word}' for word, n in words)}"


def in_error(done: Iterable[Filled]) -> list[str]:
    """The shifts that did not go well, by name."""
    return [f"{one.date} {one.shift}" for one in done if one.outcome == ERROR]


def _pointer(plant: Plant, shift: Shift) -> bytes | None:
    return read_pointer(shift_folder(plant.storage, shift.date, shift.name))
