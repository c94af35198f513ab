"""``shiftmix explain``: why an item was held or assigned, from what is published and stored."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import date
from pathlib import Path

from config import load_plant
from flows.again import decided_again
from flows.software import software
from qc.errors import StorageError
from qc.inspection.explain import agrees, reckon
from qc.plant import Plant
from qc.records import Explanation, Reckoning
from qc.storage.lookup import FoundItem, find_item, item_sources
from qc.storage.past import stored_tally
from qc.storage.published import run_of, version_named
from reports.explanation import explained


def explain_and_tell(
    config: Path, item: str, day: date | None, shift: str, line: str, *, as_json: bool
) -> int:
    """Explain an item, print it, and return the exit code."""
    told = explain(load_plant(config), item, day, shift, line)
    print(explained_as_json(told) if as_json else explained(told))
    return 0


def explain(
    plant: Plant, item_id: str, day: date | None = None, shift: str = "", line: str = ""
) -> Explanation:
    """Find an item and fit its line's shift again (errors as `find_item`, `recorded_window`)."""
    found = find_item(plant, item_id, day, shift, line)
    reckoned, same = _reckoned(plant, found)
    return Explanation(
        plant=found.shift.plant,
        time_zone=found.shift.time_zone,
        shift=found.line.shift,
        version=found.version.version,
        made_by=found.entry.version,
        run=_run(plant, found),
        software=found.entry.software,
        software_now=software(),
        line=found.line,
        item=found.item,
        rejects=found.rejects,
        sources=item_sources(plant, found, item_id),
        reckoning=reckoned,
        agrees=same,
    )


def explained_as_json(told: Explanation) -> str:
    """Say the same as one JSON object."""
    record = told.line
    content = {
        "plant": told.plant,
        "date": told.shift.date.isoformat(),
        "shift": told.shift.name,
        "line": record.line.name,
        "characteristic": record.line.characteristic,
        "unit": record.line.unit,
        "version": told.version,
        "made_by": told.made_by,
        "run": told.run,
        "item": None if told.item is None else asdict(told.item),
        "rejects": [asdict(reject) for reject in told.rejects],
        "sources": [asdict(source) for source in told.sources],
        "reckoning": None if told.reckoning is None else asdict(told.reckoning),
        "agrees": told.agrees,
        "policy": asdict(record.line.policy),
        "verdict": record.verdict,
        "n_items": None if record.fit is None else record.fit.n_items,
        "window": [f"{one.date} {one.shift}" for one in record.window],
        "config_sha256": record.config_sha256,
        "input_sha256": record.input_sha256,
        "software": told.software,
        "software_now": told.software_now,
    }
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)


def _run(plant: Plant, found: FoundItem) -> dict[str, str]:
    """What run.json says of the version that first had the item's line."""
    shift, name = found.shift.shift, found.entry.version
    if name == found.version.version:
        return run_of(found.version)
    try:
        return run_of(version_named(plant.storage, shift.date, shift.name, name))
    except StorageError:  # the plant has put that version away
        return {}


def _reckoned(plant: Plant, found: FoundItem) -> tuple[Reckoning | None, bool | None]:
    """What a fit to the stored tallies says of the item, and whether that was published."""
    item, record = found.item, found.line
    if item is None or item.reading is None or item.disposition == "invalid":
        return None, None
    tally = stored_tally(found.version, record.line.name)
    decided = decided_again(plant, record, tally)
    if decided.rule is None:
        return None, item.disposition == "unassessed"
    reckoned = reckon(record.line, decided, tally, item.reading)
    return reckoned, agrees(item, reckoned)
