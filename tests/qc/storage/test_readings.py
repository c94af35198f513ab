"""A line's shift from several files: every row is an item or a reject, whatever the split."""

import itertools
import pickle
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qc.errors import ReadingsError
from qc.findings import Severity
from qc.inspection import Tallier
from qc.storage import NoReadingsError, discover, fingerprint, pieces, portions, read_line
from tests.gathered import everything


@pytest.fixture
def read(plant, shift):
    def of_line(name: str = "A"):
        line = plant.line(name)
        return read_line(
            plant, line, shift, fingerprint(plant, line, shift, discover(plant, shift))
        )

    return of_line


def codes(readings):
    return [finding.code for finding in readings.findings]


def test_clean_files_are_read_whole_and_in_order(read, table, deliver):
    deliver(table(4, first=4), "b.parquet")
    deliver(table(4), "a.parquet")
    got = read()
    assert everything(got).items["item_id"].to_pylist() == [f"W{n:04d}" for n in range(8)]
    assert everything(got).values.tolist() == [1.0, 3.0] * 4
    assert got.n_rows == 8
    assert [file.n_rows for file in got.files] == [4, 4]
    assert (got.rejects, got.findings) == ((), ())
    assert everything(got).measured_at.dtype == "datetime64[ns]"


@pytest.mark.fault("C4", "C5")
def test_copies_and_contradictions_over_files(read, table, deliver):
    deliver(table(4), "a.parquet")  # W0000..3: 1 3 1 3
    again = table(5)  # the same and W0004, but W0001 reads otherwise
    deliver(again.set_column(1, "volume_l", pa.array([1.0, 2.0, 1.0, 3.0, 1.0])), "b.parquet")
    got = read()
    assert everything(got).items["item_id"].to_pylist() == ["W0000", "W0002", "W0003", "W0004"]
    met = {(reject.reason, reject.path[-9:], reject.row, reject.item_id) for reject in got.rejects}
    assert met == {
        ("conflicting duplicate", "a.parquet", 1, "W0001"),
        ("conflicting duplicate", "b.parquet", 1, "W0001"),
        ("surplus copy", "b.parquet", 0, "W0000"),
        ("surplus copy", "b.parquet", 2, "W0002"),
        ("surplus copy", "b.parquet", 3, "W0003"),
    }
    assert got.n_rows == 9
    by_code = {finding.code: finding for finding in got.findings}
    assert by_code["readings.surplus_copy"].sentence.startswith("3 rows were left out")
    assert by_code["readings.conflicting_duplicate"].severity is Severity.CAUTION


@pytest.mark.fault("C4")
def test_copies_with_null_and_nan_are_identical(read, table, deliver):
    nothing = pa.array([None, float("nan"), None, float("nan")], pa.float64())
    ids = pa.array(["W1", "W2", "W1", "W2"])
    same = table(1)["measured_at"].combine_chunks().take(pa.array([0] * 4))
    deliver(table(4, item_id=ids, volume_l=nothing, measured_at=same))
    got = read()
    assert [(reject.reason, reject.row) for reject in got.rejects] == [
        ("surplus copy", 2),
        ("surplus copy", 3),
    ]
    assert everything(got).is_null.tolist() == [True, False]
    assert np.isnan(everything(got).values).all()


@pytest.mark.fault("C7")
def test_ids_that_only_look_alike_stay_apart(read, table, deliver):
    ids = ["W1", "w1", "W1 ", "\u200bW1", "\uff37\uff11", "Å", "A\u030a"]
    deliver(table(7, item_id=pa.array(ids)))
    assert everything(read()).items["item_id"].to_pylist() == ids


def test_a_refused_file_is_refused_alone_and_surfaces(read, table, deliver):
    deliver(table(3), "a.parquet")
    deliver(table(3, first=3), "b.parquet").write_bytes(b"")
    (deliver(table(3, first=6), "c.parquet").parent / "d.csv").write_text("x")
    got = read()
    assert len(everything(got).values) == 6
    refused = [reject for reject in got.rejects if reject.row is None]
    assert [reject.path[-9:] for reject in refused] == ["rly/d.csv", "b.parquet"]
    (finding,) = got.findings
    assert finding.severity is Severity.ACTION
    assert finding.sentence.startswith("2 of 4 files of line A could not be used: ")
    assert "0 bytes" in finding.sentence
    assert got.n_rows == 6


@pytest.mark.fault("B2")
def test_a_bad_file_that_sorts_first_decides_nothing(read, table, deliver):
    deliver(table(3).rename_columns({"volume_l": "Volume_L"}), "a.parquet")
    deliver(table(3), "b.parquet")
    assert everything(read()).values.tolist() == [1.0, 3.0, 1.0]


@pytest.mark.fault("A15")
def test_nothing_usable_is_an_error_that_names_the_first_refusals(read, table, deliver):
    with pytest.raises(
        ReadingsError, match=r"no measurements of line A for 2026-11-20 early"
    ) as met:
        read()
    assert met.value.where.path == "line=A/date=2026-11-20/shift=early/*.parquet"
    deliver(table(3), "a.parquet").write_bytes(b"")
    deliver(table(3, volume_l=None), "b.parquet")
    with pytest.raises(ReadingsError, match=r"none of the 2 files.*0 bytes.*no column") as met:
        read()
    same = pickle.loads(pickle.dumps(met.value))
    assert type(same) is NoReadingsError
    assert same.rejects == met.value.rejects
    assert [reject.path[-9:] for reject in same.rejects] == ["a.parquet", "b.parquet"]


def test_columns_that_differ_between_files(read, table, deliver):
    deliver(table(2, note=pa.array([1, 2])), "a.parquet")
    deliver(table(2, first=2, other=pa.array([0.5, 0.5])), "b.parquet")
    deliver(table(2, first=4, note=pa.array(["x", "y"])), "c.parquet")
    got = read()
    assert everything(got).items.column_names == [
        "item_id",
        "volume_l",
        "measured_at",
        "lot",
        "note",
        "other",
    ]
    assert everything(got).items["note"].to_pylist() == [1, 2, None, None]
    (refused,) = got.rejects
    assert "'note' is of type string" in refused.detail


@pytest.mark.fault("C11")
def test_items_outside_of_the_shift_are_kept_and_counted(read, table, deliver, shift):
    moments = [shift.start, shift.end, shift.start.replace(year=3000), None]
    times = pa.array(moments, pa.timestamp("us", tz="UTC"))
    deliver(table(4, measured_at=times))
    got = read()
    assert len(everything(got).values) == 4
    (finding,) = got.findings
    assert finding.code == "readings.outside_shift"
    assert finding.sentence.startswith(
        "2 items were measured outside of the shift, from 2026-11-20 06:00 to 2026-11-20 14:00"
    )
    assert "'W0001', 'W0002'" in finding.sentence


@pytest.mark.fault("C12")
@pytest.mark.parametrize("seed", range(12))
def test_every_row_is_an_item_or_a_reject_and_the_split_does_not_matter(seed, read, table, deliver):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 60))
    names = [None, "", "x" * 200, *(f"W{k}" for k in range(25))]
    ids = pa.array([names[k] for k in rng.integers(0, len(names), n)], pa.string())
    values = pa.array(rng.integers(1, 3, n).astype(float))
    when = table(1)["measured_at"].combine_chunks().take(pa.array(np.zeros(n, int)))
    whole = table(n, item_id=ids, volume_l=values, measured_at=when)

    cuts = [0, *sorted(rng.integers(0, n + 1, 3)), n]
    for number, (start, end) in enumerate(itertools.pairwise(cuts)):
        deliver(whole.slice(start, end - start), f"part-{number}.parquet")
    got = read()

    # An independent count of what must come out, row by row.
    rows = list(zip(ids.to_pylist(), values.to_pylist(), strict=True))
    readings_of = {name: {value for other, value in rows if other == name} for name, _ in rows}
    kept, expected = set(), Counter()
    for name, _ in rows:
        if not name:
            expected["no id"] += 1
        elif len(name) > 128:
            expected["id too long"] += 1
        elif len(readings_of[name]) > 1:
            expected["conflicting duplicate"] += 1
        elif name in kept:
            expected["surplus copy"] += 1
        else:
            kept.add(name)
    assert Counter(reject.reason for reject in got.rejects) == expected
    assert set(everything(got).items["item_id"].to_pylist()) == kept
    assert got.n_rows == n == len(everything(got).values) + len(got.rejects)
    assert got.n_rows == sum(file.n_rows for file in got.files)


def test_lines_are_read_by_several_threads_at_once(read, table, deliver):
    deliver(table(500), line="A")
    deliver(table(300), line="B")
    with ThreadPoolExecutor(4) as pool:
        sizes = [len(everything(got).values) for got in pool.map(read, "ABAB")]
    assert sizes == [500, 300, 500, 300]


def test_ids_that_the_producer_vouches_for_are_not_compared(plant, shift, table, deliver):
    deliver(table(4), "a.parquet")
    deliver(table(4), "b.parquet")
    line = plant.line("A")
    line = replace(line, policy=replace(line.policy, unique_ids=False))
    inputs = fingerprint(plant, line, shift, discover(plant, shift))
    got = read_line(plant, line, shift, inputs)
    assert (got.n_items, got.rejects, got.findings) == (8, (), ())


def test_what_was_scanned_in_pieces_is_what_was_scanned_whole(
    plant, shift, table, deliver, monkeypatch
):
    """Row groups, pieces and portions of any size: the same items, rejects and findings."""
    n = 40
    ids = [f"W{number:04d}" for number in range(n)]
    ids[8], ids[30], ids[12] = "W0003", "W0022", None  # a contradiction, a copy, no id
    values = [1.0 + 2.0 * (number % 2) for number in range(n)]
    same = table(n)["measured_at"].combine_chunks().take(pa.array([0] * n))
    content = table(n, item_id=pa.array(ids), volume_l=pa.array(values), measured_at=same)
    path = deliver(content)
    pq.write_table(content, path, row_group_size=7, write_page_checksum=True)
    line, tallier = plant.line("A"), Tallier.on_gauge(plant.line("A"))
    inputs = fingerprint(plant, line, shift, discover(plant, shift))
    whole = read_line(plant, line, shift, inputs, tallier)
    assert [len(whole.blocks.portions), whole.n_items] == [1, n - 4]
    monkeypatch.setattr(pieces, "WORTH_A_LOOK", 0)
    for rows in (1, 10, 20):
        monkeypatch.setattr(pieces, "PIECE_ROWS", rows)
        monkeypatch.setattr(portions, "PORTION_ITEMS", rows)
        parts = read_line(plant, line, shift, inputs, tallier)
        assert len(parts.blocks.portions) > 1
        assert everything(parts).items.equals(everything(whole).items)
        assert (parts.rejects, parts.findings, parts.files) == (
            whole.rejects,
            whole.findings,
            whole.files,
        )
        assert parts.tallied.items.tally.sha256() == whole.tallied.items.tally.sha256()
        assert parts.tallied.span == whole.tallied.span


def test_a_file_that_changes_between_its_scan_and_its_second_reading_is_told(
    plant, shift, table, deliver
):
    path = deliver(table(4))
    line = plant.line("A")
    got = read_line(plant, line, shift, fingerprint(plant, line, shift, discover(plant, shift)))
    assert got.n_items == 4
    path.write_bytes(path.read_bytes())
    with pytest.raises(ReadingsError, match=r"read again after it was scanned: .*changed"):
        list(got.blocks)
