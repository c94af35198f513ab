"""Decisions as they are stored, read from people's files, and put beside the held items."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qc import storage
from qc.errors import PointerMoved, ReadingsError, StorageError
from qc.records import Decided, Disposition, Dispositions, FilledRow, HoldDecision, HoldRecord
from qc.storage import holds, tables
from qc.storage.dispositions import StoredRecord, append_record, read_records
from qc.storage.filled import NEEDED, OPTIONAL, read_filled
from qc.storage.published import HELD, current_version
from tests.gathered import write_whole_line

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SCRAPPED = HoldDecision(
    "A", "W0001", 2.1, None, Decided.SCRAP, None, "M. Weber", date(2026, 11, 23), "cracked"
)


@pytest.fixture
def record(shift) -> HoldRecord:
    return HoldRecord("Springfield", shift, "v1", "me", NOW, "held.csv", "f" * 64, (SCRAPPED,))


@pytest.fixture
def run(plant, shift, judge):
    """Inspect line A as it was delivered, and publish it; `again` judges new readings."""

    def publish_line(again=None):
        line = plant.line("A")
        inputs = storage.fingerprint(plant, line, shift, storage.discover(plant, shift))
        readings = storage.read_line(plant, line, shift, inputs)
        attempt = storage.begin(plant, shift)
        write_whole_line(attempt, readings, judge(line, shift, readings))
        storage.assemble(attempt, (), "1", judge=again)
        return storage.publish(attempt, {})

    return publish_line


def held_of(plant, shift) -> dict[str, dict[str, object]]:
    version = current_version(plant.storage, shift.date, shift.name)
    return {row["item_id"]: row for row in version.read_table("held.parquet").to_pylist()}


def findings_of(plant, shift) -> dict[str, str]:
    (line,) = current_version(plant.storage, shift.date, shift.name).record().lines
    return {f.code: f.sentence for f in line.findings if f.code.startswith("decided.")}


# The records


def test_records_come_back_in_the_order_in_which_they_came(plant, shift, record):
    first = append_record(plant.storage, record, ())
    # The clock was set back by an hour meanwhile.
    earlier = replace(record, imported_at=NOW - timedelta(hours=1), decisions=())
    second = append_record(plant.storage, earlier, (first,))
    assert read_records(plant.storage, shift) == (first, second)
    assert first.record == record
    assert second.record.imported_at == NOW + timedelta(microseconds=1)
    place = "results/dispositions/date=2026-11-20/shift=early"
    assert first.path.parent == Path(plant.storage).parent / place
    assert first.path.name == f"20261124T120000000000Z-{first.sha256[:16]}.json"


def test_who_is_late_must_judge_again(plant, shift, record):
    append_record(plant.storage, record, ())
    with pytest.raises(PointerMoved, match="have been recorded since this import began"):
        append_record(plant.storage, replace(record, file_sha256="e" * 64), ())
    assert len(read_records(plant.storage, shift)) == 1


def test_a_changed_record_is_found(plant, shift, record):
    stored = append_record(plant.storage, record, ())
    stored.path.write_bytes(stored.path.read_bytes().replace(b"scrap", b"release"))
    with pytest.raises(StorageError, match="not the decisions that were recorded"):
        read_records(plant.storage, shift)


def test_a_record_of_an_older_release_is_read(plant, shift, record):
    """It knows nothing of amendments."""
    stored = append_record(plant.storage, record, ())
    content = json.loads(stored.path.read_bytes())
    for told in content["decisions"]:
        assert (told.pop("amendment"), told.pop("replaces")) == ("", None)
    stored.path.unlink()
    old = json.dumps(content).encode()
    name = f"20261124T120000000000Z-{hashlib.sha256(old).hexdigest()[:16]}.json"
    stored.path.with_name(name).write_bytes(old)
    assert [one.record for one in read_records(plant.storage, shift)] == [record]


def test_an_amendment_without_what_it_replaces_is_refused(plant, shift, record):
    """Each file may be as it was written: one that was taken away is missed by the next."""
    first = append_record(plant.storage, record, ())
    later = replace(record, decisions=(amending(first, decided=Decided.RELEASE),))
    second = append_record(plant.storage, later, (first,))
    assert read_records(plant.storage, shift) == (first, second)
    first.path.unlink()
    said = f"amends what {first.name}.json says of item 'W0001', which is not there"
    with pytest.raises(StorageError, match=said):
        read_records(plant.storage, shift)


def test_what_a_crash_leaves_is_no_record(plant, shift, record):
    stored = append_record(plant.storage, record, ())
    stored.path.with_name(f".{stored.path.name}.0a.tmp").write_bytes(b"half")
    assert read_records(plant.storage, shift) == (stored,)


def amending(stored: StoredRecord, **change: object) -> HoldDecision:
    """What is recorded in the place of `SCRAPPED`."""
    told = {"authorised_by": "K. Ott", "amendment": "wrong row", "replaces": stored.name}
    return replace(SCRAPPED, **{**told, **change})


# The files of people


def row(number: int, **cells: str) -> FilledRow:
    empty = dict.fromkeys((*NEEDED, *OPTIONAL), "")
    return FilledRow(row=number, **{**empty, **cells})


@pytest.mark.parametrize("text", ["=1+1", "'=1", "''+x", "-1", "'quoted'", "@a", "\tb", "", "x"])
def test_the_guard_of_the_csv_is_undone(text, tmp_path):
    cells = dict.fromkeys(tables.SETTLED_SCHEMA.names) | {"line": "A", "item_id": text}
    sink = io.BytesIO()
    held = pa.Table.from_pylist([cells], schema=tables.SETTLED_SCHEMA)
    tables.write_held_csv(held, "UTC", sink)
    (written,) = csv.DictReader(io.StringIO(sink.getvalue().decode(), newline=""))
    assert written["item_id"][:1] not in ("=", "-", "@", "\t")
    path = tmp_path / "held.csv"
    path.write_bytes(sink.getvalue())
    (back,) = read_filled(path).rows
    assert back == row(2, line="A", item_id=text)


def test_a_spreadsheet_with_semicolons_and_a_byte_order_mark(tmp_path):
    path = tmp_path / "held.csv"
    names = ";".join([*NEEDED, "reading"])
    text = f'{names}\r\nA;W1;2,15;scrap;;"Weber; M.";23.11.2026;"two\nlines";1,98\r\n;;;;;;;;\r\n'
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    (back,) = read_filled(path).rows
    assert back == row(
        2,
        line="A",
        item_id="W1",
        remeasured="2.15",
        decided="scrap",
        authorised_by="Weber; M.",
        decided_on="23.11.2026",
        remark="two\nlines",
        reading="1.98",
    )


def test_what_amends_is_read_where_the_list_has_it(tmp_path):
    cells = {**dict.fromkeys(NEEDED, ""), "line": "A", "item_id": "W1", "decided": "open"}
    cells |= {"amendment": " wrong row ", "record": "20261124T120000000000Z-0123456789abcdef"}
    with (tmp_path / "x.csv").open("w", newline="") as handle:
        writer = csv.DictWriter(handle, cells)
        writer.writeheader()
        writer.writerow(cells)
    (back,) = read_filled(tmp_path / "x.csv").rows
    assert (back.amendment, back.record) == ("wrong row", cells["record"])


def test_parquet_with_real_types(tmp_path):
    cells = {
        "line": ["A"],
        "item_id": [17],
        "remeasured": [2.15],
        "decided": ["scrap"],
        "decided_batch": pa.nulls(1),
        "authorised_by": ["M. Weber"],
        "decided_on": [date(2026, 11, 23)],
        "remark": ["'=1"],
    }
    pq.write_table(pa.table(cells), tmp_path / "x.parquet")
    (back,) = read_filled(tmp_path / "x.parquet").rows
    assert (back.item_id, back.remeasured, back.decided_on) == ("17", "2.15", "2026-11-23")
    assert (back.decided_batch, back.remark) == ("", "'=1")  # nothing is guarded in Parquet


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"line,item_id\nA,W1\n", "no column 'remeasured', 'decided'"),
        (",".join([*NEEDED, "remark"]).encode(), "more than one column is named 'remark'"),
        (f"{','.join(NEEDED)}\nA,W1,scrap\n".encode(), "row 2 has 3 cells, the header 8"),
        (f"{','.join(NEEDED)}\nA,W\xfc1\n".encode("latin-1"), "not UTF-8"),
        (f'{",".join(NEEDED)}\n"A'.encode(), "cannot be decoded"),
        (b"", "no column 'line'"),
    ],
)
def test_a_file_that_is_no_hold_list(content, said, tmp_path):
    path = tmp_path / "held.csv"
    path.write_bytes(content)
    with pytest.raises(ReadingsError, match=said):
        read_filled(path)


def test_no_such_file(tmp_path):
    with pytest.raises(ReadingsError, match="no such file"):
        read_filled(tmp_path / "held.csv")


# The held items


MEASURED = replace(SCRAPPED, item_id="W0002", reading=7.0, remeasured=2.9, decided=None, remark="")


def by_large(disposition: Disposition) -> Dispositions:
    """One new reading, most likely of the large batch."""
    code, no = np.array([int(disposition)], np.int16), np.array([False])
    one, zero = np.array([1], np.int16), np.array([0], np.int16)
    return Dispositions(one, np.array([0.97]), zero, code, no, no, one, zero)


def test_decisions_stand_beside_the_held_items(plant, shift, table, deliver, run, record):
    deliver(table(4, volume_l=pa.array([1.0, 2.1, 7.0, 3.0])))
    run()
    assert held_of(plant, shift)["W0001"]["decided"] is None
    stored = append_record(plant.storage, replace(record, decisions=(SCRAPPED, MEASURED)), ())
    asked = []

    def again(of, tally, readings):
        asked.append((of.line.name, tally.n, list(readings)))
        return by_large(Disposition.ASSIGNED)

    assert run(again).changed
    assert asked == [("A", 4, [2.9])]
    held = held_of(plant, shift)
    assert (
        held["W0001"]
        | {
            "decided": "scrap",
            "decided_on": date(2026, 11, 23),
            "authorised_by": "M. Weber",
            "remark": "cracked",
            "remeasured": None,
            "remeasured_disposition": None,
        }
        == held["W0001"]
    )
    assert (
        held["W0002"]
        | {
            "disposition": "atypical",  # what the inspection said stays
            "decided": None,
            "remeasured": 2.9,
            "remeasured_disposition": "assigned",
            "remeasured_batch": "large",
            "remeasured_posterior": 0.97,
            "remark": None,
        }
        == held["W0002"]
    )
    version = current_version(plant.storage, shift.date, shift.name)
    (line,) = version.record().lines
    assert (line.counts.held, line.open_holds) == (2, 1)
    assert (line.holds.by_word, line.holds.remeasured) == ({"scrap": 1}, 1)
    assert version.manifest.lines[0].dispositions == (stored.sha256,)
    assert findings_of(plant, shift) == {}
    evidence = storage.load_published(plant.storage, shift.date, shift.name).evidence["A"]
    assert [item.item_id for item in evidence.held] == ["W0002", "W0001"]  # open ones first
    assert [item.item_id for item in evidence.open] == ["W0002"]
    assert not run(again).changed  # the same input, and the same decisions


def test_still_in_doubt_is_said(plant, shift, table, deliver, run, record):
    deliver(table(4, volume_l=pa.array([1.0, 2.1, 7.0, 3.0])))
    append_record(plant.storage, replace(record, decisions=(MEASURED,)), ())
    run(lambda *_: by_large(Disposition.AMBIGUOUS))
    assert findings_of(plant, shift) == {
        "decided.in_doubt": "1 of the 1 item measured again is still in doubt by the new reading "
        "(1 ambiguous)."
    }


def test_what_cannot_be_judged_is_said(plant, shift, table, deliver, run, record):
    deliver(table(4, volume_l=pa.array([1.0, 2.1, 7.0, 3.0])))
    append_record(plant.storage, replace(record, decisions=(MEASURED,)), ())
    run()
    assert findings_of(plant, shift).keys() == {"decided.not_judged"}
    assert held_of(plant, shift)["W0002"]["remeasured_disposition"] is None


def test_decisions_that_no_longer_match_are_findings(plant, shift, table, deliver, run, record):
    decided = (
        SCRAPPED,
        replace(SCRAPPED, item_id="W0002", reading=7.0),
        replace(SCRAPPED, item_id="W0009", reading=2.0),
        replace(SCRAPPED, item_id="W0003", reading=2.2),
    )
    append_record(plant.storage, replace(record, decisions=decided), ())
    # W0001 is read anew, W0002 is clear by now, W0009 is gone, W0003 is as it was.
    deliver(table(4, volume_l=pa.array([1.0, 2.15, 3.0, 2.2])))
    run()
    told = findings_of(plant, shift)
    assert told == {
        "decided.not_held": "2 items that people decided on are not held in this version: "
        "'W0002' (scrap by 'M. Weber' on 2026-11-23; now assigned), "
        "'W0009' (scrap by 'M. Weber' on 2026-11-23; now no item of this line).",
        "decided.other_reading": "1 item was decided on by another reading than the published one: "
        "'W0001' (2.1 then, 2.15 L now).",
    }
    assert held_of(plant, shift)["W0001"]["decided"] == "scrap"  # it stands all the same
    # As it was delivered first: the findings go.
    deliver(table(10, volume_l=pa.array([1.0, 2.1, 7.0, 2.2, 1, 1, 1, 1, 1, 2.0])))
    run()
    assert findings_of(plant, shift) == {}


def test_an_older_release_without_these_columns_is_carried_on(
    plant, shift, table, deliver, run, record, monkeypatch
):
    """Its held table and its manifest know nothing of decisions."""
    deliver(table(4, volume_l=pa.array([1.0, 2.1, 7.0, 3.0])))
    monkeypatch.setattr(tables, "SETTLED_SCHEMA", tables.HELD_SCHEMA)
    for module in (tables, holds):
        monkeypatch.setattr(module, "settled", lambda held: held)
    monkeypatch.setattr(tables, "evidence", lambda *_: {})
    run()
    monkeypatch.undo()
    assert "decided" not in held_of(plant, shift)["W0001"]
    loaded = storage.load_published(plant.storage, shift.date, shift.name)
    assert [item.decided for item in loaded.evidence["A"].held] == [None, None]
    append_record(plant.storage, record, ())
    attempt = storage.begin(plant, shift)
    storage.assemble(attempt, (), "1")
    assert storage.publish(attempt, {}).changed
    assert held_of(plant, shift)["W0001"]["decided"] == "scrap"


def test_an_amended_decision_stands_beside_what_it_was(
    plant, shift, table, deliver, run, record, monkeypatch
):
    deliver(table(4, volume_l=pa.array([1.0, 2.1, 7.0, 3.0])))
    first = append_record(plant.storage, record, ())
    run()
    was = held_of(plant, shift)["W0001"]
    assert (was["record"], was["amended"], was["amendment"]) == (first.name, None, None)
    change = {"decided": Decided.RELEASE, "remark": "", "amendment": "=wrong row"}
    later = replace(record, imported_by="you", decisions=(amending(first, **change),))
    second = append_record(plant.storage, later, (first,))
    assert run().changed
    now = held_of(plant, shift)
    assert now["W0002"]["amended"] is None
    (told,) = [row for row in now.values() if row["amended"]]
    assert (told["decided"], told["record"], told["amendment"]) == ("release", second.name, None)
    assert [
        (one["record"], one["imported_by"], one["decided"], one["amendment"], one["replaces"])
        for one in told["amended"]
    ] == [
        (first.name, "me", "scrap", "", None),
        (second.name, "you", "release", "=wrong row", first.name),
    ]
    version = current_version(plant.storage, shift.date, shift.name)
    assert version.record().lines[0].holds.by_word == {"release": 1}
    assert findings_of(plant, shift) == {
        "decided.amended": "What was recorded of 1 item was amended: 'W0001' (first scrap by "
        "'M. Weber' on 2026-11-23; now release by 'K. Ott' on 2026-11-23 because '=wrong row')."
    }
    with (version.folder / "held.csv").open(newline="", encoding="utf-8") as handle:
        (cell,) = [row["amended"] for row in csv.DictReader(handle) if row["amended"]]
    assert cell == (
        "scrap by M. Weber on 2026-11-23; then release by K. Ott on 2026-11-23 because =wrong row"
    )
    (item,) = [one for one in holds.held_by_line(version)["A"] if one.amended]
    assert [one.decision for one in item.amended] == [SCRAPPED, later.decisions[0]]
    assert not run().changed


def test_a_version_of_an_older_release_with_decisions_is_read_and_carried_on(
    plant, shift, table, deliver, run, record, monkeypatch
):
    """Its held table has decisions, and no columns for what was amended."""
    deliver(table(4, volume_l=pa.array([1.0, 2.1, 7.0, 3.0])))
    first = append_record(plant.storage, record, ())
    older = pa.schema(
        [field for field in tables.SETTLED_SCHEMA if field.name not in tables.AMENDING_FIELDS]
    )
    for module in (tables, holds):
        monkeypatch.setattr(module, "SETTLED_SCHEMA", older)
    monkeypatch.setattr(holds, "_amending", lambda _: [])
    monkeypatch.setattr(tables, "evidence", lambda *_: {})
    run()
    monkeypatch.undo()
    assert "record" not in held_of(plant, shift)["W0001"]
    loaded = storage.load_published(plant.storage, shift.date, shift.name).evidence["A"]
    assert [(one.decided, one.record, one.amended) for one in loaded.held] == [
        (None, None, ()),
        ("scrap", None, ()),
    ]
    version = current_version(plant.storage, shift.date, shift.name)
    assert len(holds.held_by_line(version)["A"]) == 2
    # Another line's decision makes a version: this one's held items get their columns with it.
    elsewhere = replace(record, decisions=(replace(SCRAPPED, line="B"),))
    append_record(plant.storage, elsewhere, (first,))
    attempt = storage.begin(plant, shift)
    storage.assemble(attempt, (), "1")
    held = {row["item_id"]: row for row in pq.read_table(attempt.folder / HELD).to_pylist()}
    assert held["W0001"]["record"] == first.name


def test_what_was_amended_is_listed_though_many_items_are_open(
    plant, shift, table, deliver, run, record
):
    """Decided ones come last, and the page lists 100."""
    deliver(table(150, volume_l=pa.array([1.0, *[2.1] * 149])))
    last = [replace(SCRAPPED, item_id=f"W{at:04d}") for at in (148, 149)]
    first = append_record(plant.storage, replace(record, decisions=tuple(last)), ())
    told = tuple(
        amending(first, item_id=one.item_id, decided=word)
        for one, word in zip(last, (None, Decided.RELEASE), strict=True)
    )
    append_record(plant.storage, replace(record, decisions=told), (first,))
    run()
    evidence = storage.load_published(plant.storage, shift.date, shift.name).evidence["A"]
    assert len(evidence.held) == tables.SHOWN_HELD
    amended = [at for at, one in enumerate(evidence.held) if one.amended]
    assert [evidence.held[at].item_id for at in amended] == ["W0148", "W0149"]
    assert amended == [0, 99]
    assert evidence.held[-1].decided == "release"
    assert evidence.open[0].item_id != "W0148"  # the sheet keeps its order
