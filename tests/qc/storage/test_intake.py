"""Readings in an object store against a server on loopback: keys, layouts, what the spool keeps."""

from __future__ import annotations

import io
import itertools
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qc.errors import ConfigError, StoreError
from qc.plant import Columns, Plant, Shift
from qc.spool import mirror_of
from qc.storage import discover, fingerprint, opened, read_line, spooled
from qc.storage.discover import has_readings
from qc.storage.intake import AT_ONCE
from qc.storage.remote import Bucket, ObjectState
from qc.storage.simulated import write_simulation
from tests.faults.object_store import BAD, Store, store_server
from tests.gathered import everything

NUMBER = itertools.count(1)


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with store_server() as server:
        yield server


@dataclass(frozen=True)
class Hall:
    """A plant whose readings are in a bucket of their own."""

    plant: Plant
    shift: Shift
    store: Store
    bucket: str

    @property
    def home(self) -> str:
        return f"date={self.shift.date}/shift={self.shift.name}"

    def put(self, key: str, content: bytes) -> str:
        self.store.client.put_object(Bucket=self.bucket, Key=f"in/{key}", Body=content)
        return key

    def delete(self, key: str) -> None:
        self.store.client.delete_object(Bucket=self.bucket, Key=f"in/{key}")

    def fetched(self) -> list[str]:
        head = f"{self.bucket}/in/"
        keys = (key for method, key in self.store.asked if method == "GET")
        return sorted(
            key.removeprefix(head) for key in keys if key.startswith(head) and key != head
        )


@pytest.fixture
def hall(plant: Plant, shift: Shift, store: Store, tmp_path: Path) -> Hall:
    bucket = f"readings-{next(NUMBER)}"
    store.client.create_bucket(Bucket=bucket)
    store.mend()
    spool = mirror_of(f"s3://{bucket}/in", tmp_path)
    return Hall(replace(plant, readings=str(spool)), shift, store, bucket)


@pytest.fixture
def file(table: Callable[..., pa.Table]) -> Callable[..., bytes]:
    def make(n: int = 6, **columns: pa.Array) -> bytes:
        sink = io.BytesIO()
        pq.write_table(table(n, **columns), sink, write_page_checksum=True)
        return sink.getvalue()

    return make


def test_lines_are_listed_once_and_each_by_its_shift(
    hall: Hall, file: Callable[..., bytes]
) -> None:
    a = hall.put(f"line=A/{hall.home}/x.parquet", file())
    b = hall.put(f"line=B/{hall.home}/x.parquet", file(4))
    stranger = hall.put(f"line=Z/{hall.home}/x.parquet", file(5))
    hall.put(f"line=A/date={hall.shift.date}/shift=late/x.parquet", file())
    hall.put("line=A/date=2020-01-01/shift=early/x.parquet", file())
    hall.put("elsewhere/x.parquet", file())
    files = discover(hall.plant, hall.shift)
    assert files.by_line == {"A": (a,), "B": (b,)}
    (unknown,) = files.unknown_lines
    assert (unknown.name, unknown.n_files, unknown.n_rows) == ("Z", 1, 5)
    assert (files.problems, files.line_problems) == ((), {"A": (), "B": ()})
    assert hall.fetched() == [a, b, stranger]
    assert sorted(hall.store.listed) == ["in/", *(f"in/line={line}/{hall.home}/" for line in "ABZ")]


def test_what_is_fetched_is_read_as_from_a_folder(
    hall: Hall, file: Callable[..., bytes], tmp_path: Path
) -> None:
    content = file()
    line, key = hall.plant.line("A"), f"line=A/{hall.home}/x.parquet"
    folder = tmp_path / "readings" / key
    folder.parent.mkdir(parents=True)
    folder.write_bytes(content)
    hall.put(key, content)
    local = replace(hall.plant, readings=str(tmp_path / "readings"))
    inputs = [
        fingerprint(plant, line, hall.shift, discover(plant, hall.shift))
        for plant in (local, hall.plant)
    ]
    assert inputs[0].files == inputs[1].files == ((key, sha256(content).hexdigest(), len(content)),)
    assert inputs[0].input_sha256 == inputs[1].input_sha256
    readings = [
        read_line(plant, line, hall.shift, one)
        for plant, one in zip((local, hall.plant), inputs, strict=True)
    ]
    ours, theirs = (everything(each) for each in readings)
    assert ours.values.tolist() == theirs.values.tolist()
    assert readings[0].files == readings[1].files


def test_a_file_is_not_read_again_only_to_be_hashed(
    hall: Hall, file: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    content = file()
    hall.put(f"line=A/{hall.home}/x.parquet", content)
    files = discover(hall.plant, hall.shift)
    monkeypatch.setattr(spooled, "hash_file", None)  # calling it would fail
    inputs = fingerprint(hall.plant, hall.plant.line("A"), hall.shift, files)
    assert inputs.files[0][1] == sha256(content).hexdigest()


def test_a_note_in_a_local_folder_vouches_for_nothing(
    hall: Hall, file: Callable[..., bytes], tmp_path: Path
) -> None:
    key = hall.put(f"line=A/{hall.home}/x.parquet", file())
    discover(hall.plant, hall.shift)
    folder = tmp_path / "moved"
    Path(hall.plant.readings).rename(folder)
    note = folder / f"line=A/{hall.home}/.x.parquet.fetched"
    note.write_text(note.read_text().replace(json.loads(note.read_text())["sha256"], "0" * 64))
    assert spooled.hash_of(folder / key)[0] == sha256((folder / key).read_bytes()).hexdigest()


def test_a_producers_manifest_counts_as_in_a_folder(hall: Hall, file: Callable[..., bytes]) -> None:
    content = file()
    key = hall.put(f"line=A/{hall.home}/x.parquet", content)
    listed = {"file": "x.parquet", "rows": 6, "sha256": sha256(content).hexdigest()}
    missing = {"file": "y.parquet", "rows": 9, "sha256": "0" * 64}
    manifest = f"line=A/{hall.home}/manifest.json"
    line = hall.plant.line("A")
    for entries, problem in (([listed], None), ([listed, missing], "y.parquet (9 rows)")):
        hall.put(manifest, json.dumps({"files": entries}).encode())
        files = discover(hall.plant, hall.shift)
        assert files.manifests == {"A": manifest}
        delivery = fingerprint(hall.plant, line, hall.shift, files).delivery
        assert delivery is not None
        assert delivery.rows_of(key) == 6
        assert (delivery.problem is None) == (problem is None)
        assert problem is None or (delivery.problem and problem in delivery.problem.detail)


def test_an_object_without_an_end_is_waited_for_by_the_time_it_has_at_the_store(
    hall: Hall, file: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    hall.put(f"line=A/{hall.home}/x.parquet", file()[:-4])
    line, files = hall.plant.line("A"), discover(hall.plant, hall.shift)
    (met,) = fingerprint(hall.plant, line, hall.shift, files).problems
    assert "still being written" in met.detail
    later = time.time() + 60 * hall.plant.operation.settle_minutes + 5
    monkeypatch.setattr(time, "time", lambda: later)
    assert fingerprint(hall.plant, line, hall.shift, files).problems == ()  # its reader refuses it


ODD = {
    "odd/../x.parquet": "a folder, not a file",
    "../x.parquet": "an empty part, '.', '..'",
    "./x.parquet": "an empty part, '.', '..'",
    "/x.parquet": "an empty part, '.', '..'",
    "..": "an empty part, '.', '..'",
    "a\x01.parquet": "an empty part, '.', '..' or a character",
    "a\u2028b.parquet": "characters that cannot be shown",
    "sub/x.parquet": "a folder, not a file",
    "x.csv": "does not end in .parquet",
    ".x.parquet": "like that of a temporary file",
    f"{'x' * 300}.parquet": "more than 200 bytes",
}


@pytest.mark.fault("F1")
@pytest.mark.parametrize("name", ODD, ids=ascii)
def test_f1_odd_keys_are_told_and_lead_nowhere(
    hall: Hall, file: Callable[..., bytes], tmp_path: Path, name: str
) -> None:
    good = hall.put(f"line=A/{hall.home}/good.parquet", file())
    other = hall.put(f"line=B/{hall.home}/x.parquet", file())
    hall.put(f"line=A/{hall.home}/{name}", file())
    files = discover(hall.plant, hall.shift)
    (met,) = files.line_problems["A"]
    assert ODD[name] in met.detail
    assert met.path.isprintable()
    assert met.remedy
    # Where the library lists nothing, nothing of the line is used; the other line is.
    assert files.by_line["A"] == (() if "part" in ODD[name] else (good,))
    assert files.by_line["B"] == (other,)
    spool = Path(hall.plant.readings)
    inside = {path for path in spool.rglob("*") if path.is_file() and path.name[0] != "."}
    wanted = {spool / path for paths in files.by_line.values() for path in paths}
    assert inside - set((spool / ".shifts").iterdir()) == wanted
    assert {path.name for path in tmp_path.iterdir()} == {".shiftmix-spool", "readings"}


@pytest.mark.parametrize("name", ["%2e%2e.parquet", "%2F.parquet", "a\\b.parquet", "ä +#?.parquet"])
def test_a_name_is_taken_as_it_is(hall: Hall, file: Callable[..., bytes], name: str) -> None:
    content = file()
    key = hall.put(f"line=A/{hall.home}/{name}", content)
    assert discover(hall.plant, hall.shift).by_line["A"] == (key,)
    assert Path(hall.plant.readings, f"line=A/{hall.home}", name).read_bytes() == content


@pytest.mark.fault("F4")
def test_f4_a_key_that_keeps_lines_from_being_listed_costs_the_unknown_ones_only(
    hall: Hall, file: Callable[..., bytes]
) -> None:
    key = hall.put(f"line=A/{hall.home}/x.parquet", file())
    hall.put(f"line=Z/{hall.home}/x.parquet", file())
    hall.put("../x.parquet", file())
    files = discover(hall.plant, hall.shift)
    assert files.by_line == {"A": (key,), "B": ()}
    (met,) = files.problems
    assert "other lines than those of plant.toml are not looked for" in met.detail
    assert "Rename or remove that object" in met.remedy


@pytest.mark.parametrize("line", ["a b", "%FF%FE", "..a/..", "x" * 65])
def test_a_folder_of_no_line_is_told(hall: Hall, file: Callable[..., bytes], line: str) -> None:
    hall.put(f"line={line}/{hall.home}/x.parquet", file())
    files = discover(hall.plant, hall.shift)
    if line == "..a/..":
        assert [one.name for one in files.unknown_lines] == []  # nothing of the shift is there
        return
    (met,) = files.problems
    assert "is no name of a line" in met.detail
    assert hall.fetched() == []


def test_a_mark_of_a_folder_is_no_file(hall: Hall, file: Callable[..., bytes]) -> None:
    key = hall.put(f"line=A/{hall.home}/x.parquet", file())
    hall.put(f"line=A/{hall.home}/", b"")
    hall.put(f"line=A/{hall.home}/_SUCCESS", b"")
    files = discover(hall.plant, hall.shift)
    assert (files.by_line["A"], files.line_problems["A"]) == ((key,), ())
    hall.put(f"line=A/{hall.home}/", b"not empty")
    (met,) = discover(hall.plant, hall.shift).line_problems["A"]
    assert "its key is that of a folder" in met.detail


def test_an_object_beyond_the_limit_is_refused_unfetched(
    hall: Hall, file: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    hall.put(f"line=A/{hall.home}/x.parquet", file())
    monkeypatch.setattr("qc.storage.intake.MAX_FILE_BYTES", 100)
    (met,) = discover(hall.plant, hall.shift).line_problems["A"]
    assert ("MiB, more than" in met.detail, hall.fetched()) == (True, [])


@pytest.fixture
def by_file(hall: Hall) -> Hall:
    columns = Columns(line="line", measured_at="measured_at", lot="lot")
    pattern = "days/{date}/{shift}.parquet"
    plant = replace(hall.plant, layout="files", pattern=pattern, columns=columns)
    return replace(hall, plant=plant)


def test_one_file_for_all_lines_is_asked_for_by_name(
    by_file: Hall, file: Callable[..., bytes]
) -> None:
    hall, content = by_file, file(line=pa.array(["A", "A", "B", "B", "B", "Z"]))
    key = hall.put(f"days/{hall.shift.date}/early.parquet", content)
    hall.put(f"days/{hall.shift.date}/late.parquet", content)
    stated = [{"file": "early.parquet", "rows": 6, "sha256": sha256(content).hexdigest()}]
    manifest = hall.put(f"{key}.manifest.json", json.dumps({"files": stated}).encode())
    files = discover(hall.plant, hall.shift)
    assert files.by_line == {"A": (key,), "B": (key,)}
    assert files.manifests == {"A": manifest, "B": manifest}
    assert [(one.name, one.n_rows) for one in files.unknown_lines] == [("Z", 1)]
    assert hall.fetched() == sorted([key, manifest])
    assert hall.store.listed == []
    hall.store.mend()
    discover(hall.plant, hall.shift)
    assert [method for method, _ in hall.store.asked] == ["HEAD", "HEAD"]
    hall.delete(key)
    hall.delete(manifest)
    assert not discover(hall.plant, hall.shift).has_any
    assert not has_readings(hall.plant, hall.shift)
    hall.put(f"{key}/x", content)
    assert "a folder, not a file" in discover(hall.plant, hall.shift).line_problems["A"][0].detail


def test_a_pattern_that_leads_out_is_refused(by_file: Hall) -> None:
    plant = replace(by_file.plant, pattern="../{date}/{shift}.parquet")
    (met,) = discover(plant, by_file.shift).line_problems["A"]
    assert ("lies outside" in met.detail, by_file.store.asked) == (True, [])


def test_a_store_that_refuses_is_not_asked_for_every_line(
    hall: Hall, file: Callable[..., bytes]
) -> None:
    for number in range(60):
        hall.put(f"line=L{number}/{hall.home}/x.parquet", b"x")
    hall.store.before = lambda _method, _key: BAD if hall.store.listed[1:] else None
    with pytest.raises(StoreError, match="cannot be listed: 400"):
        discover(hall.plant, hall.shift)
    assert len(hall.store.asked) < 1 + 3 * AT_ONCE


def test_an_error_ends_a_fetch_that_is_under_way(
    hall: Hall, file: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One object is refused while another comes in pieces, of which there is no end."""
    endless = hall.put(f"line=A/{hall.home}/x.parquet", file())
    refused = hall.put(f"line=A/{hall.home}/y.parquet", file())
    real = Bucket.opened

    def opened(bucket: Bucket, key: str) -> tuple[ObjectState, Iterator[bytes]]:
        state, chunks = real(bucket, key)
        return state, itertools.cycle([b"x"]) if key == endless else chunks

    monkeypatch.setattr(Bucket, "opened", opened)
    hall.store.before = lambda _method, key: BAD if key.endswith(refused) else None
    with pytest.raises(StoreError, match=f"400 Refused.*{refused}"):
        discover(hall.plant, hall.shift)
    left = [path.name for path in Path(hall.plant.readings, "line=A").rglob("*")]
    assert [name for name in left if "parquet" in name] == []


def test_an_empty_prefix_has_nothing(hall: Hall) -> None:
    assert not discover(hall.plant, hall.shift).has_any
    assert not has_readings(hall.plant, hall.shift)


def test_what_vanished_is_no_more_in_the_spool(hall: Hall, file: Callable[..., bytes]) -> None:
    keys = [hall.put(f"line=A/{hall.home}/{name}.parquet", file()) for name in "xy"]
    assert discover(hall.plant, hall.shift).by_line["A"] == tuple(keys)
    hall.delete(keys[0])
    assert discover(hall.plant, hall.shift).by_line["A"] == (keys[1],)
    left = Path(hall.plant.readings, f"line=A/{hall.home}").iterdir()
    assert sorted(path.name for path in left) == [".y.parquet.fetched", "y.parquet"]
    hall.delete(keys[1])
    assert not discover(hall.plant, hall.shift).has_any


def test_what_nobody_asks_for_is_removed_and_fetched_again(
    hall: Hall, file: Callable[..., bytes]
) -> None:
    days = (hall.shift, hall.plant.shift(hall.shift.date, "late"))
    for one in days:
        hall.put(f"line=A/date={one.date}/shift={one.name}/x.parquet", file())
        assert discover(hall.plant, one).by_line["A"]
    root, now = Path(hall.plant.readings), datetime.now(UTC)
    assert spooled.clear(root, now) == 0
    _last_asked(root / f"line=A/{hall.home}/x.parquet", now - timedelta(days=15))
    _last_asked(root / f"line=A/date={days[1].date}/shift=late/x.parquet", now - timedelta(days=13))
    assert spooled.clear(root, now) == 1
    assert [path.parent.name for path in root.rglob("x.parquet")] == ["shift=late"]
    spooled.clear(root, now + timedelta(hours=2))
    assert not (root / f"line=A/{hall.home}").exists()
    assert discover(hall.plant, hall.shift).by_line["A"]


def test_the_spool_holds_so_many_bytes_and_what_is_in_use(
    hall: Hall, file: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    names, content = "abcd", file()
    for name in names:
        hall.put(f"line=A/{hall.home}/{name}.parquet", content)
    discover(hall.plant, hall.shift)
    root, now = Path(hall.plant.readings), datetime.now(UTC)
    for hours, name in enumerate(names, start=2):
        _last_asked(root / f"line=A/{hall.home}/{name}.parquet", now - timedelta(hours=hours))
    monkeypatch.setattr(spooled, "MOST_BYTES", 2 * len(content))
    assert spooled.clear(root, now) == 2
    assert sorted(path.name for path in root.rglob("*.parquet")) == ["a.parquet", "b.parquet"]
    monkeypatch.setattr(spooled, "MOST_BYTES", 0)
    _last_asked(root / f"line=A/{hall.home}/b.parquet", now - timedelta(minutes=50))
    assert spooled.clear(root, now) == 1
    assert sorted(path.name for path in root.rglob("*.parquet")) == ["b.parquet"]


def test_simulated_readings_go_to_a_folder(hall: Hall, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="are in an object store"):
        write_simulation(hall.plant, truth=tmp_path / "truth")
    assert not Path(hall.plant.readings).exists()


def test_the_limit_is_the_readers_own() -> None:
    assert spooled.MOST_BYTES > opened.MAX_FILE_BYTES


def _last_asked(path: Path, moment: datetime) -> None:
    os.utime(path.with_name(f".{path.name}.fetched"), (moment.timestamp(),) * 2)
