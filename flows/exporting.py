"""``shiftmix export``: the published items of a shift, or of a range of dates, as one file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from config import load_plant
from flows.paths import shown
from flows.which_shift import which_shift
from qc.errors import ConfigError, ShiftmixError, Where
from qc.plant import Plant
from qc.storage.export import export_items
from qc.storage.published import PublishedVersion, current_version, newest_first
from qc.wording import plural


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be exported: one shift by date and name, or a range of dates.

    Attributes
    ----------
    first, last : date or None
        Production dates; None where one shift is meant.
    """

    day: date | None
    shift: str
    first: date | None
    last: date | None
    lines: tuple[str, ...]


def export_and_tell(config: Path, wanted: Wanted, out: Path, *, as_json: bool) -> int:
    """Write the file, say what is in it, and return the exit code."""
    plant = load_plant(config)
    if out.resolve().is_relative_to(Path(plant.storage).resolve()):
        raise ConfigError(
            "the file would lie among the published results",
            Where(str(out)),
            "Name a file elsewhere: results are never changed",
        )
    for line in wanted.lines:
        plant.line(line)  # says so where there is none
    versions = versions_of(plant, wanted)
    n_items = export_items(versions, wanted.lines, out)
    print(_json(out, n_items, versions) if as_json else _told(out, n_items, versions))
    return 0


def versions_of(plant: Plant, wanted: Wanted) -> list[PublishedVersion]:
    """What is published now of the wanted shifts, oldest first.

    Raises
    ------
    ConfigError
        If both a shift and a range are named, or half a range, or it is the wrong way round.
    ShiftmixError
        If nothing is published for what is wanted.
    """
    first, last = wanted.first, wanted.last
    if first is None and last is None:
        which = which_shift(plant, wanted.day, wanted.shift, datetime.now(UTC))
        return [current_version(plant.storage, which.date, which.name)]
    if first is None or last is None or wanted.day is not None:
        raise ConfigError(
            "a range is named by --from and --to, both, and without --date",
            remedy="Name one shift by --date and --shift, or a range by --from and --to",
        )
    if last < first:
        raise ConfigError(f"--to {last} is before --from {first}", remedy="Swap them")
    found = [
        version
        for version in newest_first(plant.storage, last)
        if version.manifest.shift.date >= first
        and wanted.shift in ("", version.manifest.shift.name)
    ]
    if not found:
        raise ShiftmixError(
            f"no such shift is published from {first} to {last}",
            Where(plant.storage),
            "Check the dates and the name, or inspect the shifts first",
        )
    return found[::-1]


def _told(out: Path, n_items: int, versions: Sequence[PublishedVersion]) -> str:
    of = plural(len(versions), "shift")
    return f"{plural(n_items, 'item')} of {of}, as published now: {shown(out)}"


def _json(out: Path, n_items: int, versions: Sequence[PublishedVersion]) -> str:
    shifts = [
        {
            "date": version.manifest.shift.date.isoformat(),
            "shift": version.manifest.shift.name,
            "version": version.version,
            "manifest_sha256": version.manifest_sha256,
        }
        for version in versions
    ]
    return json.dumps(
        {"file": str(out), "items": n_items, "shifts": shifts}, indent=2, ensure_ascii=False
    )
