"""``shiftmix verify``: what is published, read again and held against its manifests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path

from config import load_plant
from qc.errors import ShiftmixError, Where
from qc.plant import Plant
from qc.storage.published import RESTORE
from qc.storage.verify import Fault, VerifiedShift, verify_runs, verify_shifts
from qc.wording import grouped, plural
from reports.formatting import visible


def verify_and_tell(config: Path, day: date | None, shift: str, *, as_json: bool) -> int:
    """Verify published shifts, print what is wrong, and return the exit code."""
    plant = load_plant(config)
    shifts = tuple(verify_shifts(plant.storage, day, shift))
    if not any(one.versions or one.faults for one in shifts):
        raise ShiftmixError(
            "no such shift is published" if day or shift else "no shift is published",
            Where(plant.storage),
            "Check the date and name, or inspect the shift first",
        )
    runs, of_runs = verify_runs(plant.storage)
    print((_json if as_json else _told)(plant, shifts, runs, of_runs))
    return int(bool(of_runs) or any(one.faults for one in shifts))


def _told(
    plant: Plant, shifts: Sequence[VerifiedShift], runs: int, of_runs: Sequence[Fault]
) -> str:
    lines = []
    for one in shifts:
        lines += [_fault(fault) for fault in one.faults]
        lines += [f"note: {one.date} {one.shift}: {note}" for note in one.notes]
    lines += [_fault(fault) for fault in of_runs]
    megabytes = sum(one.size for one in shifts) / 1e6
    n_faults = len(of_runs) + sum(len(one.faults) for one in shifts)
    read = ", ".join(
        (
            plural(sum(bool(one.versions) for one in shifts), "shift"),
            plural(sum(len(one.versions) for one in shifts), "version"),
            f"{plural(sum(one.files for one in shifts), 'file')} of {megabytes:.1f} MB",
            f"{plural(runs, 'run')} recorded",
        )
    )
    if not n_faults:
        return "\n".join([*lines, f"{plant.name}: {read}: all as published."])
    verdict = f"{plant.name}: {read}: {grouped(n_faults)} NOT as published. {RESTORE}."
    return "\n".join([*lines, verdict])


def _fault(fault: Fault) -> str:
    return visible(f"{fault.kind.upper()}: {fault.path}: {fault.said}")


def _json(
    plant: Plant, shifts: Sequence[VerifiedShift], runs: int, of_runs: Sequence[Fault]
) -> str:
    content = {
        "plant": plant.name,
        "as_published": not of_runs and not any(one.faults for one in shifts),
        "shifts": [{**asdict(one), "date": one.date.isoformat()} for one in shifts],
        "runs": runs,
        "faults_of_runs": [asdict(fault) for fault in of_runs],
    }
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
