"""``shiftmix dispositions``: what people decided on held items, from their list to a version."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from config import load_plant
from flows.paths import shown
from flows.publishing import TRIES, user
from flows.settling import settle_shift
from flows.which_shift import which_shift
from qc.errors import PointerMoved, StorageError
from qc.inspection.holds import HoldList, Judged, judge_rows
from qc.plant import Plant, Shift
from qc.records import Complaint, HeldItem, HoldRecord, LineRecord, ShiftRecord
from qc.storage.dispositions import StoredRecord, append_record, read_records, recorded
from qc.storage.filled import FilledSheet, read_filled
from qc.storage.holds import FINDINGS, held_by_line, is_shown
from qc.storage.published import REPORT, PublishedVersion, current_version
from qc.wording import plural
from reports.hold_words import complaints_told, held_table, settled_told

TRIGGER = "dispositions import"


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a filled-in list.

    Attributes
    ----------
    complaints : tuple of Complaint
        Why nothing of it was recorded; empty where all went well.
    stored : StoredRecord or None
        What was recorded now.
    before : StoredRecord or None
        The record of an earlier import of the very same file.
    outdated : int
        Rows of it of which later imports say something else.
    known, blank : int
        Rows that were recorded already, and rows that nobody filled in.
    record : ShiftRecord or None
        The shift as it is published now; None where the list was refused.
    report : Path or None
        Its page.
    changed : bool
        Whether that is a new version.
    """

    complaints: tuple[Complaint, ...]
    stored: StoredRecord | None = None
    before: StoredRecord | None = None
    outdated: int = 0
    known: int = 0
    blank: int = 0
    record: ShiftRecord | None = None
    report: Path | None = None
    changed: bool = False


def import_and_tell(
    config: Path, file: Path, day: date | None, shift: str, *, as_json: bool
) -> int:
    """Import a filled-in list, say what became of it, and return the exit code."""
    plant = load_plant(config)
    which = which_shift(plant, day, shift, datetime.now(UTC))
    done = import_decisions(plant, which, file, datetime.now(UTC))
    if as_json:
        print(_as_json(which, done))
    elif done.complaints:
        print(complaints_told(file.name, str(which), done.complaints), file=sys.stderr)
    else:
        print(_told(plant, which, done))
    return int(bool(done.complaints))


def import_decisions(plant: Plant, shift: Shift, file: Path, now: datetime) -> Imported:
    """Judge a filled-in list, record it whole, and publish the shift's next version.

    Raises
    ------
    ReadingsError
        If the file cannot be read, or is no such list.
    StorageError
        If nothing is published for the shift, or results cannot be read or written.
    """
    sheet = read_filled(file)
    for tries_left in reversed(range(TRIES)):
        version = current_version(plant.storage, shift.date, shift.name)
        stored = read_records(plant.storage, shift)
        same = [one for one in stored if one.record.file_sha256 == sheet.sha256]
        if same:  # recorded before: at most its version is missing, if that run was killed
            done = Imported((), before=same[0], outdated=_outdated(same[0], stored))
            return _published(plant, shift, done)
        judged = judge_rows(sheet.rows, _against(plant, version, stored, now))
        complaints = judged.complaints or _nothing_filled(judged)
        if complaints:
            return Imported(complaints)
        done = Imported((), known=judged.known, blank=judged.blank)
        if not judged.new:
            return _published(plant, shift, done)
        record = _record(version, sheet, file, judged, now)
        try:
            added = append_record(plant.storage, record, stored)
        except PointerMoved:
            if not tries_left:
                raise
            continue  # judge the list again, against what somebody else has recorded
        done = Imported((), stored=added, known=judged.known, blank=judged.blank)
        return _published(plant, shift, done)
    raise AssertionError("the last try returns or raises")


def list_and_tell(
    config: Path, day: date | None, shift: str, *, only_open: bool, as_json: bool
) -> int:
    """Print the held items of a published shift with what was decided; returns the exit code."""
    plant = load_plant(config)
    which = which_shift(plant, day, shift, datetime.now(UTC))
    version = current_version(plant.storage, which.date, which.name)
    record = version.record()
    units = {line.line.name: line.line.unit for line in record.lines}
    held = {
        line: tuple(item for item in items if item.decided is None or not only_open)
        for line, items in held_by_line(version).items()
    }
    unseen = not is_shown(version, read_records(plant.storage, which))
    if as_json:
        content = {**_named(which), "version": version.version, "all_published": not unseen}
        print(_json({**content, "items": _items(held, units)}))
        return 0
    print(f"{record.plant} {which}: {settled_told(record.lines)}")
    table = held_table(held, units)
    if table:
        print(table)
    if unseen:
        print("Decisions are recorded that no version shows yet: inspect the shift.")
    return 0


def _against(
    plant: Plant, version: PublishedVersion, stored: tuple[StoredRecord, ...], now: datetime
) -> HoldList:
    lines: Mapping[str, LineRecord] = {line.line.name: line for line in version.record().lines}
    held = {
        (line, item.item_id): item.reading
        for line, items in held_by_line(version).items()
        for item in items
    }
    return HoldList(
        {name: line.line for name, line in lines.items()},
        held,
        recorded(stored),
        now.astimezone(ZoneInfo(plant.time_zone)).date(),
    )


def _nothing_filled(judged: Judged) -> tuple[Complaint, ...]:
    if judged.new or judged.known:
        return ()
    return (Complaint(1, f"nothing is filled in, in {plural(judged.blank, 'row')}"),)


def _record(
    version: PublishedVersion, sheet: FilledSheet, file: Path, judged: Judged, now: datetime
) -> HoldRecord:
    return HoldRecord(
        plant=version.manifest.plant,
        shift=version.manifest.shift,
        version=version.version,
        imported_by=user(),
        imported_at=now,
        file=file.name,
        file_sha256=sheet.sha256,
        decisions=judged.new,
    )


def _outdated(one: StoredRecord, stored: tuple[StoredRecord, ...]) -> int:
    """How many of its decisions are not the last on their items."""
    last = recorded(stored)
    return sum(last[told.key][-1].record != one.name for told in one.record.decisions)


def _published(plant: Plant, shift: Shift, done: Imported) -> Imported:
    settled = settle_shift(plant, shift, {"trigger": TRIGGER})
    version = current_version(plant.storage, shift.date, shift.name)
    return replace(
        done,
        record=version.record(),
        report=version.folder / REPORT,
        changed=settled.changed,
    )


def _told(plant: Plant, shift: Shift, done: Imported) -> str:
    if done.record is None or done.report is None:
        raise StorageError(f"nothing is published for {shift}")
    lines = [f"{plant.name} {shift}: {settled_told(done.record.lines)}"]
    if done.before is not None:
        told = done.before.record
        lines.append(
            f"This very file was imported before, by {told.imported_by} at "
            f"{told.imported_at:%Y-%m-%d %H:%M} UTC: nothing was recorded now."
        )
        if done.outdated:
            said = "says" if done.outdated == 1 else "say"
            lines.append(
                f"{plural(done.outdated, 'row')} of it {said} no longer what holds: see "
                "`shiftmix dispositions list`."
            )
    elif done.stored is None:
        lines.append(f"All {plural(done.known, 'decision')} of the file were recorded before.")
    else:
        n = len(done.stored.record.decisions)
        lines.append(f"{plural(n, 'row')} recorded: {shown(done.stored.path)}")
    if done.stored is not None and done.known:
        was = "was" if done.known == 1 else "were"
        lines.append(f"{plural(done.known, 'row')} {was} recorded before.")
    if not done.changed:
        lines.append("The published version shows them already.")
    for line in done.record.lines:
        about = (finding for finding in line.findings if finding.code.startswith(FINDINGS))
        lines += [f"  {line.line.name}  {told.severity}: {told.sentence}" for told in about]
    lines.append(f"report: {shown(done.report)}")
    return "\n".join(lines)


def _as_json(shift: Shift, done: Imported) -> str:
    record = () if done.record is None else done.record.lines
    return _json(
        {
            **_named(shift),
            "refused": [asdict(complaint) for complaint in done.complaints],
            "recorded": 0 if done.stored is None else len(done.stored.record.decisions),
            "recorded_before": done.known,
            "same_file_before": done.before is not None,
            "outdated": done.outdated,
            "not_filled_in": done.blank,
            "record": None if done.stored is None else str(done.stored.path),
            "new_version": done.changed,
            "open": {line.line.name: line.open_holds for line in record},
            "report": None if done.report is None else str(done.report),
        }
    )


def _items(
    held: Mapping[str, tuple[HeldItem, ...]], units: Mapping[str, str]
) -> list[dict[str, object]]:
    return [
        {"line": line, "unit": units[line], **asdict(item)}
        for line, items in held.items()
        for item in items
    ]


def _named(shift: Shift) -> dict[str, object]:
    return {"date": shift.date.isoformat(), "shift": shift.name}


def _json(content: dict[str, object]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False, default=str)
