"""``shiftmix backfill``: every ended shift of a range of dates, oldest first."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from config import load_plant
from flows.one_shift import inspect
from qc.errors import ConfigError, ReadingsError, ShiftmixError
from qc.plant import Plant, Shift, config_sha256
from qc.storage import discover, fingerprint, unchanged
from qc.storage.history import History
from qc.storage.paths import shift_folder
from qc.storage.published import current_version, read_pointer


@dataclass(frozen=True, slots=True)
class Filled:
    """What became of one shift of a backfill.

    Attributes
    ----------
    outcome : str
        ``published``, ``as before``, ``no data`` or ``error``.
    said : str
        The report's sentence, or why there is none.
    """

    date: str
    shift: str
    outcome: str
    said: str


def backfill_and_tell(
    config: Path, first: date, last: date, name: str, *, recompute: bool, as_json: bool
) -> int:
    """Inspect the ended shifts of a range of dates, and print each; returns the exit code.

    Oldest first, since fit windows and trends rest on the shifts before. One shift after the other:
    a kill loses the shift at work, and the next backfill goes on from there.
    """
    plant = load_plant(config)
    done = []
    for shift in ended_shifts(plant, first, last, name, datetime.now(UTC)):
        done.append(_fill(plant, shift, recompute))
        if not as_json:
            one = done[-1]
            print(f"{one.date} {one.shift}: {one.outcome}. {one.said}".rstrip(), flush=True)
    if as_json:
        print(json.dumps([asdict(one) for one in done], indent=2, ensure_ascii=False))
    else:
        counted = {one.outcome for one in done}
        parts = [f"{sum(o.outcome == word for o in done)} {word}" for word in sorted(counted)]
        print(f"{len(done)} shifts: {', '.join(parts) or 'none has ended'}")
    return int(any(one.outcome == "error" for one in done))


def ended_shifts(
    plant: Plant, first: date, last: date, name: str, now: datetime
) -> Iterator[Shift]:
    """The shifts that start from `first` to `last` and have ended, oldest first.

    Raises
    ------
    ConfigError
        If the dates are the wrong way round, or the plant has no shift of that name.
    """
    if last < first:
        raise ConfigError(f"--to {last} is before --from {first}", remedy="Swap them")
    if name:
        plant.shift(first, name)  # says so where there is none
    days = (first + timedelta(days=k) for k in range((last - first).days + 1))
    return (
        shift
        for day in days
        for shift in plant.shifts_of(day)
        if shift.end <= now and name in ("", shift.name)
    )


def is_as_published(plant: Plant, shift: Shift) -> bool:
    """Whether every line is published for the present input and configuration, by whatever code."""
    if read_pointer(shift_folder(plant.storage, shift.date, shift.name)) is None:
        return False
    version = current_version(plant.storage, shift.date, shift.name)
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


def _fill(plant: Plant, shift: Shift, recompute: bool) -> Filled:
    def filled(outcome: str, said: str) -> Filled:
        return Filled(shift.date.isoformat(), shift.name, outcome, said)

    try:
        if not recompute and is_as_published(plant, shift):
            return filled("as before", "")
        outcome = inspect(plant, shift, run={"trigger": "backfill"})
    except ReadingsError as error:
        return filled("no data", str(error))
    except ConfigError:
        raise
    except ShiftmixError as error:
        return filled("error", str(error))
    if outcome.failed:
        return filled("error", f"Lines in error: {', '.join(outcome.failed)}. {outcome.sentence}")
    return filled("published" if outcome.published.changed else "as before", outcome.sentence)
