"""Group A: what is wrong with a file as a whole."""

from __future__ import annotations

import getpass
import gzip
import io
import json
import multiprocessing
import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from config import load_plant
from flows.one_shift import inspect
from qc.records import LineStatus
from qc.storage import discover, fingerprint, read_line
from qc.storage.published import current_version
from reports.formatting import Scale
from reports.trust import report_card
from tests.faults.hall import DAY, ROWS, Hall, Put, build, finding, refused, table, the_rules, write

NAMES = "A1-empty A2-half A2-byte A4-csv A4-random A5-head A6-footer A9-rows"


def spoilt(harm: Callable[[bytes], bytes], name: str = "b.parquet") -> Put:
    """A sound file, harmed after it was written."""

    def put(folder: Path) -> None:
        path = write(folder, table(ROWS, 50), name)
        path.write_bytes(harm(path.read_bytes()))

    return put


def _feather(_: bytes) -> bytes:
    sink = io.BytesIO()
    feather.write_feather(table(ROWS), sink)
    return sink.getvalue()


def flipped_bit(data: bytes) -> bytes:
    """One bit of the readings' first page turned round."""
    chunk = pq.read_metadata(io.BytesIO(data)).row_group(0).column(1)
    start = min(chunk.dictionary_page_offset or chunk.data_page_offset, chunk.data_page_offset)
    at = start + chunk.total_compressed_size - 1
    return data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :]


def fewer_rows(data: bytes) -> bytes:
    """The footer says 4 of 50 rows, and nothing else is changed."""
    at = data.index(b"\x16\x64\x19", len(data) - int.from_bytes(data[-8:-4], "little") - 8)
    return data[: at + 1] + b"\x08" + data[at + 2 :]


def manifest_of(folder: Path, *names: str, **changes: object) -> None:
    """A manifest of files as they are, with changes to the last entry."""
    entries = [
        {
            "file": name,
            "rows": pq.read_metadata(folder / name).num_rows,
            "sha256": sha256((folder / name).read_bytes()).hexdigest(),
        }
        for name in names
    ]
    entries[-1] |= changes
    (folder / "manifest.json").write_text(json.dumps({"files": entries}), encoding="utf-8")


def unlisted_bit(folder: Path) -> None:
    write(folder, table(ROWS, 50), write_page_checksum=False)
    manifest_of(folder, "a.parquet", "b.parquet")
    path = folder / "b.parquet"
    path.write_bytes(flipped_bit(path.read_bytes()))


def fewer_than_listed(folder: Path) -> None:
    write(folder, table(ROWS, 50))
    manifest_of(folder, "a.parquet", "b.parquet", rows=60)


def fifo(folder: Path) -> None:
    os.mkfifo(folder / "b.parquet")


FAULTS: dict[str, tuple[Put, tuple[str, ...]]] = {
    "A1-empty": (spoilt(lambda data: b""), ("the file is empty (0 bytes)",)),
    "A2-half": (spoilt(lambda data: data[: len(data) // 2]), ("truncated",)),
    "A2-byte": (spoilt(lambda data: data[:-1]), ("truncated",)),
    "A4-csv": (spoilt(lambda data: b"item_id,length_mm\nW1,1.0\n" * 9), ("CSV text",)),
    "A4-gzip": (spoilt(gzip.compress), ("a gzip file",)),
    "A4-feather": (spoilt(_feather), ("Feather",)),
    "A4-zeros": (spoilt(lambda data: bytes(4000)), ("zero bytes",)),
    "A4-random": (spoilt(lambda data: np.random.default_rng(1).bytes(4000)), ("neither Parquet",)),
    "A5-head": (spoilt(lambda data: b"XXXX" + data[4:]), ("first four bytes are damaged",)),
    "A6-length": (spoilt(lambda data: data[:-8] + b"\xff\xff\xff\x7fPAR1"), ("footer is damaged",)),
    "A6-length-0": (spoilt(lambda data: data[:-8] + bytes(4) + b"PAR1"), ("footer is damaged",)),
    "A6-footer": (
        spoilt(lambda d: d[:-60] + bytes(byte ^ 0xFF for byte in d[-60:-20]) + d[-20:]),
        ("footer is damaged",),
    ),
    "A7-bit": (spoilt(flipped_bit), ("column 'length_mm'",)),
    "A8-bit": (unlisted_bit, ("it is not the file that was listed", "manifest.json")),
    "A9-rows": (fewer_than_listed, ("it has 50 rows", "manifest 60")),
    "A10-footer": (spoilt(fewer_rows), ("the footer says 4 rows, the columns have 50",)),
    "A11-encrypted": (spoilt(lambda d: b"PARE" + d[4:-4] + b"PARE"), ("encrypted",)),
    "A12-folder": (lambda folder: (folder / "b.parquet").mkdir(), ("a folder, not a file",)),
    "A12-link": (
        lambda folder: (folder / "b.parquet").symlink_to(folder / "a.parquet"),
        ("a symbolic link",),
    ),
    "A12-dangling": (
        lambda folder: (folder / "b.parquet").symlink_to("/nowhere"),
        ("a symbolic link",),
    ),
    "A12-loop": (lambda folder: (folder / "b.parquet").symlink_to(folder), ("a symbolic link",)),
    "A12-fifo": (fifo, ("a special file",)),
}


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Hall:
    puts = {name: put for name, (put, _) in FAULTS.items()}
    return build(tmp_path_factory.mktemp("files"), puts)


@pytest.mark.fault("A1", "A9", "A12")
def test_whatever_is_wrong_with_files_the_rules_hold(hall: Hall) -> None:
    the_rules(hall)
    assert hall.outcome.failed == ()


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.fault(name.split("-")[0])) for name in FAULTS]
)
def test_a_file_that_cannot_be_used_is_told_in_full(hall: Hall, name: str) -> None:
    refused(hall, name, *FAULTS[name][1])


@pytest.mark.fault("A8", "A9")
def test_the_report_card_says_what_a_manifest_verifies(hall: Hall) -> None:
    def card(line: str) -> tuple[str, str, str]:
        (row,) = (
            check
            for check in report_card(hall.record(line), None, Scale("mm", 2))
            if check.name == "Completeness"
        )
        return row.mark.word, row.figure, row.meaning

    mark, figure, meaning = card("sound")
    assert (mark, figure) == ("not verified", "no producer manifest")
    assert meaning.endswith("completeness not verified")
    assert card("A8-bit")[0] == "fail"
    assert card("A8-bit")[2] == "1 listed file could not be used"
    assert card("A9-rows")[1] == "2 files, 66\u202frows listed".replace("\u202f", " ")


# One line's folder by itself


@pytest.fixture
def lone(tmp_path: Path) -> Hall:
    """A hall of one sound line, published once."""
    return build(tmp_path, {})


def again(hall: Hall):
    return inspect(hall.plant, hall.shift).record.lines[0]


@pytest.mark.fault("A1", "A2", "A3")
@pytest.mark.parametrize("part", [0, 3, 200, -1])
def test_a_young_file_without_an_end_is_still_written_and_taken_later_once(
    lone: Hall, part: int
) -> None:
    folder = lone.folder("sound")
    path = write(folder, table(ROWS))
    whole = path.read_bytes()
    path.write_bytes(whole[:part])
    told = finding(again(lone), "readings.file_refused")
    assert "b.parquet: still being written" in told.sentence
    assert "next run" in told.remedy
    # An hour later nobody is writing it any more, though nothing else has changed.
    os.utime(path, (path.stat().st_mtime - 3600,) * 2)
    told = finding(again(lone), "readings.file_refused")
    assert "still being written" not in told.sentence.replace("truncated, or still", "")
    path.write_bytes(whole)
    assert again(lone).counts.items == 2 * ROWS
    assert again(lone).counts.items == 2 * ROWS
    assert not inspect(lone.plant, lone.shift).published.changed


@pytest.mark.fault("A3")
def test_a_writer_at_work_is_told_from_a_writer_that_has_finished(lone: Hall) -> None:
    content = table(ROWS)
    with pq.ParquetWriter(lone.folder("sound") / "b.parquet", content.schema) as writer:
        writer.write_table(content)
        assert "still being written" in finding(again(lone), "readings.file_refused").sentence
    assert again(lone).counts.items == 2 * ROWS


@pytest.mark.fault("A13")
def test_a_file_that_may_not_be_read_names_the_user(lone: Hall) -> None:
    path = write(lone.folder("sound"), table(ROWS))
    path.chmod(0)
    if os.geteuid() != 0:
        said = finding(again(lone), "readings.file_refused").sentence
        assert f"permission denied for the user {getpass.getuser()}" in said
        return
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_as_nobody, args=(lone, sender))
    child.start()
    said = receiver.recv() if receiver.poll(60) else ""
    child.join(60)
    assert "b.parquet: permission denied for the user nobody" in said


def _as_nobody(hall: Hall, sender: multiprocessing.connection.Connection) -> None:
    """What a user without rights is told; the folders above are opened to it first."""
    place = hall.folder("sound")
    for folder in [place, *place.parents]:
        if os.stat(folder).st_uid == 0 and str(folder) != "/":  # noqa: PTH116
            folder.chmod(folder.stat().st_mode | 0o055)
    os.setgid(65534)
    os.setuid(65534)
    line = hall.plant.lines[0]
    files = discover(hall.plant, hall.shift)
    try:
        got = read_line(
            hall.plant, line, hall.shift, fingerprint(hall.plant, line, hall.shift, files)
        )
        sender.send(got.findings[0].sentence)
    except Exception as error:
        sender.send(repr(error))


@pytest.mark.fault("A15")
def test_no_rows_are_not_no_file(lone: Hall) -> None:
    folder = lone.folder("sound")
    write(folder, table().slice(0, 0), "a.parquet")
    empty = again(lone)
    assert (empty.status, empty.counts.rows) == (LineStatus.NOT_ASSESSED, 0)
    assert finding(empty, "items.too_few").sentence.startswith("0 valid readings")
    (folder / "a.parquet").unlink()
    (folder / "x.txt").write_text("x")
    missing = again(lone)
    assert missing.status is LineStatus.ERROR
    assert "can be used" in str(missing.error)


@pytest.mark.fault("A16")
def test_a_file_sent_again(lone: Hall) -> None:
    folder = lone.folder("sound")
    first = lone.outcome.published
    data = (folder / "a.parquet").read_bytes()
    (folder / "a.parquet").write_bytes(data)
    assert not inspect(lone.plant, lone.shift).published.changed
    (folder / "a-copy.parquet").write_bytes(data)
    copied = again(lone)
    assert copied.counts.items == ROWS
    assert copied.counts.rejected_by_reason == {"surplus copy": ROWS}
    copied_version = current_version(lone.plant.storage, DAY, "early").version
    (folder / "a-copy.parquet").unlink()
    write(folder, table(length_mm=pa.array([10.5] * ROWS)), "a.parquet")
    corrected = inspect(lone.plant, lone.shift)
    assert corrected.published.changed
    assert first.folder.is_dir()  # the old version stays
    manifest = json.loads((corrected.published.folder / "manifest.json").read_text("utf-8"))
    assert manifest["supersedes"] == copied_version
    index = (Path(lone.plant.storage) / "index.html").read_text("utf-8")
    assert first.version in index


# The producer's manifest

LISTED = ("a.parquet", "b.parquet")


@pytest.fixture
def delivered(lone: Hall) -> Hall:
    write(lone.folder("sound"), table(ROWS))
    return lone


@pytest.mark.fault("A9")
def test_what_was_cut_short_with_care_is_found_by_a_manifest_alone(delivered: Hall) -> None:
    folder = delivered.folder("sound")
    manifest_of(folder, *LISTED)
    write(folder, table(ROWS, ROWS - 2))  # a sound file, of fewer rows
    record = again(delivered)
    assert record.counts.items == ROWS
    assert "not the file that was listed" in finding(record, "readings.file_refused").sentence
    (folder / "manifest.json").unlink()
    record = again(delivered)
    assert record.counts.items == 2 * ROWS - 2
    assert not record.rejects
    (row,) = (
        one for one in report_card(record, None, Scale("mm", 2)) if one.name == "Completeness"
    )
    assert (row.mark.word, row.figure) == ("not verified", "no producer manifest")


@pytest.mark.fault("A9")
def test_what_a_manifest_lists_and_is_there_is_complete(delivered: Hall) -> None:
    manifest_of(delivered.folder("sound"), *LISTED)
    record = again(delivered)
    assert record.counts.items == 2 * ROWS
    assert record.manifest is not None
    assert (record.manifest.n_files, record.manifest.n_rows) == (2, 2 * ROWS)
    assert record.manifest.problem is None


@pytest.mark.fault("A9", "A15")
def test_a_file_that_is_listed_and_not_there_makes_the_line_incomplete(delivered: Hall) -> None:
    folder = delivered.folder("sound")
    manifest_of(folder, *LISTED)
    content = (folder / "b.parquet").read_bytes()
    (folder / "b.parquet").unlink()
    outcome = inspect(delivered.plant, delivered.shift)
    (record,) = outcome.record.lines
    assert outcome.failed == ("sound",)
    assert "incomplete: the producer's manifest lists 2 files with 12 rows" in str(record.error)
    assert "1 of them is not there: b.parquet (6 rows)" in str(record.error)
    assert f"line=sound/date={DAY}/shift=early/manifest.json" in str(record.error)
    assert record.findings[0].remedy.startswith("Deliver what is missing")
    assert record.manifest is not None
    (folder / "b.parquet").write_bytes(content)
    assert again(delivered).counts.items == 2 * ROWS
    # Nothing but the manifest is there: incomplete too, and not "no readings".
    for name in LISTED:
        (folder / name).unlink()
    assert "2 of them are not there" in str(again(delivered).error)


@pytest.mark.fault("A9")
def test_a_file_that_is_not_listed_is_used_and_told(delivered: Hall) -> None:
    manifest_of(delivered.folder("sound"), "a.parquet")
    record = again(delivered)
    assert record.counts.items == 2 * ROWS
    told = finding(record, "readings.not_in_manifest")
    assert told.sentence.startswith("1 file of line sound is not in the producer's manifest")
    assert told.sentence.endswith("b.parquet.")
    assert record.manifest is not None
    assert record.manifest.problem == "1 file not listed"


@pytest.mark.fault("A9")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no JSON"),
        ("[]", 'no list "files"'),
        ('{"files": [{"file": "a.parquet", "rows": 6}]}', "entry 0"),
        ('{"files": [{"file": "../a.parquet", "rows": 6, "sha256": "%s"}]}', "'../a.parquet'"),
        ('{"files": [{"file": "a.parquet", "rows": true, "sha256": "%s"}]}', "rows = True"),
        ('{"files": [{"file": "a.parquet", "rows": -1, "sha256": "%s"}]}', "rows = -1"),
        ('{"files": [{"file": "a.parquet", "rows": 6, "sha256": "x"}]}', "'x' is no SHA-256"),
        ("[" * 100_000, "cannot be"),
        ('{"files": "\udcff"}', "cannot be"),
    ],
)
def test_a_manifest_that_cannot_be_read_is_no_witness(
    delivered: Hall, text: str, said: str
) -> None:
    path = delivered.folder("sound") / "manifest.json"
    path.write_bytes(text.replace("%s", "0" * 64).encode("utf-8", "surrogateescape"))
    record = again(delivered)
    assert record.status is LineStatus.ERROR
    assert "the producer's manifest cannot be read" in str(record.error)
    assert said in str(record.error)


@pytest.mark.fault("A8", "A9")
def test_one_file_for_all_lines_has_its_manifest_beside_it(tmp_path: Path) -> None:
    hall = build(tmp_path, {})
    text = Path(hall.plant.source).read_text("utf-8")
    text = text.replace('layout = "hive"', 'layout = "files"\npattern = "{date}.parquet"')
    text = text.replace("[plant.columns]\n", '[plant.columns]\nline = "line"\n')
    Path(hall.plant.source).write_text(text, "utf-8")
    plant = load_plant(hall.plant.source)
    path = write(
        Path(plant.readings), table(line=pa.array(["sound"] * 4 + ["x"] * 2)), f"{DAY}.parquet"
    )
    entry = {"file": path.name, "rows": 6, "sha256": sha256(path.read_bytes()).hexdigest()}
    beside = Path(f"{path}.manifest.json")
    beside.write_text(json.dumps({"files": [entry]}))
    (record,) = inspect(plant, hall.shift).record.lines
    assert record.counts.rows == 4
    assert record.manifest is not None
    assert record.manifest.problem is None
    beside.write_text(json.dumps({"files": [entry | {"rows": 7}]}))
    (record,) = inspect(plant, hall.shift).record.lines
    assert "by its producer's manifest 7" in str(record.error)
