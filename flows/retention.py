"""``shiftmix retention``: what is old enough to go. It lists, and a person removes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from config import load_plant
from qc.plant import Plant
from qc.storage.place import place_of
from qc.storage.retention import UNREADABLE, OldShift, OldVersion, old_shifts
from qc.wording import plural
from reports.formatting import count

UNITS = ("B", "kB", "MB", "GB", "TB")


def retention_and_tell(config: Path, days: int | None, *, as_json: bool) -> int:
    """Print what is past an age in days, by default the plant's; returns the exit code."""
    plant = load_plant(config)
    days = plant.operation.retention_days if days is None else days
    shifts = old_shifts(plant, datetime.now(UTC), timedelta(days=days))
    print(told_as_json(plant, days, shifts) if as_json else told(plant, days, shifts))
    return int(any(why.startswith(UNREADABLE) for shift in shifts for why in shift.kept))


def told(plant: Plant, days: int, shifts: Sequence[OldShift]) -> str:
    """Whole shifts first, then versions that readers do not see, with sizes and reasons."""
    if not shifts:
        return f"{plant.name}: no shift is older than {plural(days, 'day')}"
    going = [shift for shift in shifts if not shift.kept]
    freed = size(sum(shift.freed for shift in shifts))
    many = f"{plural(len(shifts), 'shift')} older than {plural(days, 'day')}"
    lines = [f"{plant.name}: {many}; {count(len(going))} of them may go whole, which frees {freed}"]
    for shift in shifts:
        name = f"  {shift.date} {shift.shift}"
        kept = f"kept: {'; '.join(shift.kept)}" if shift.kept else f"frees {size(shift.freed)}"
        lines.append(f"{name}  {size(shift.size)}  {kept}")
    lines += _versions_told(shifts)
    lines.append("Nothing has been removed: see docs/operations.md on how to do that.")
    return "\n".join(lines)


def told_as_json(plant: Plant, days: int, shifts: Sequence[OldShift]) -> str:
    """Say the same as one JSON object, with the very paths that may be removed."""
    content = {
        "plant": plant.name,
        "older_than_days": days,
        "shifts": [
            {
                **_named(shift),
                "size": shift.size,
                "freed": shift.freed,
                "kept": shift.kept,
                "remove": [] if shift.kept else [_place(shift.folder, whole=True)],
            }
            for shift in shifts
        ],
        "versions": [
            {
                **_named(shift),
                "version": version.version,
                "published": version.published,
                "size": version.size,
                "freed": version.freed,
                "kept": version.kept,
                "remove": [_place(path, whole=not version.kept) for path in version.remove],
            }
            for shift in shifts
            for version in shift.versions
        ],
    }
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)


def size(n: int) -> str:
    """Bytes as a person reads them, such as ``1.2 MB``."""
    power = min((len(str(n)) - 1) // 3, len(UNITS) - 1)
    return f"{n} {UNITS[0]}" if power == 0 else f"{n / 1000**power:.1f} {UNITS[power]}"


def _versions_told(shifts: Sequence[OldShift]) -> Iterator[str]:
    found = [(shift, version) for shift in shifts for version in shift.versions]
    if not found:
        return
    freed = size(sum(version.freed for _, version in found))
    yield f"Of these, versions that readers do not see, which may go by themselves: {freed}"
    for shift, version in found:
        name = f"  {shift.date} {shift.shift} {version.version}"
        yield f"{name}  {size(version.size)}  {_version_told(version)}"


def _version_told(version: OldVersion) -> str:
    what = "superseded" if version.published else "never published"
    kept = f"; the rest is kept: {'; '.join(version.kept)}" if version.kept else ""
    return f"{what}, frees {size(version.freed)}{kept}"


def _place(path: Path, *, whole: bool) -> str:
    """Where a person finds a file, or a whole folder."""
    place = place_of(path)
    # Of a store: "shift=early" alone would be the beginning of "shift=early-2", too.
    return place.shown(path) + ("/" if whole and place.is_mirror else "")


def _named(shift: OldShift) -> dict[str, str]:
    return {"date": shift.date.isoformat(), "shift": shift.shift}
