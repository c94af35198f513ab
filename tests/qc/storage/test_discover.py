"""Only regular files below the root are read; everything else that lies there is reported."""

import os
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qc.errors import ConfigError, ReadingsError
from qc.storage import UnknownLine, discover

FOLDER = "line=A/date=2026-11-20/shift=early"


def test_a_lines_files_are_listed_in_order(plant, shift, table, deliver):
    for name in ("b.parquet", "a.parquet"):
        deliver(table(3), name)
    deliver(table(3), shift=plant.shift(shift.date, "late"))
    found = discover(plant, shift)
    assert found.by_line == {"A": (f"{FOLDER}/a.parquet", f"{FOLDER}/b.parquet"), "B": ()}
    assert found.unknown_lines == ()
    assert found.problems == ()
    assert found.line_problems == {"A": (), "B": ()}


@pytest.mark.fault("E4")
def test_lines_that_are_not_configured_are_counted(plant, shift, table, deliver):
    deliver(table(3), line="L9")
    deliver(table(4), "b.parquet", line="L9")
    deliver(table(4), line="a")
    assert discover(plant, shift).unknown_lines == (
        UnknownLine("L9", 2, 7),
        UnknownLine("a", 1, 4),
    )


@pytest.mark.fault("F1", "F2", "F4")
@pytest.mark.parametrize(
    "value", ["..%2F..%2Fx", "%41", "A ", "", "<b>", "\udcff\udcfe", "x\n", "A" * 65]
)
def test_a_folder_that_is_no_name_is_a_problem_and_harms_no_other(
    value, plant, shift, table, deliver
):
    deliver(table(3))
    (Path(plant.readings) / f"line={value}").mkdir()
    found = discover(plant, shift)
    assert len(found.by_line["A"]) == 1
    (problem,) = found.problems
    assert ascii(value) in problem.detail
    problem.path.encode()  # can be printed and written


@pytest.mark.fault("A12")
def test_what_is_no_file_is_a_problem_of_its_line(plant, shift, table, deliver, tmp_path):
    real = deliver(table(3))
    folder = real.parent
    (folder / "folder.parquet").mkdir()
    (folder / "link.parquet").symlink_to(real)
    (folder / "dangling.parquet").symlink_to(tmp_path / "nowhere")
    (folder / "loop").symlink_to(folder)
    os.mkfifo(folder / "fifo.parquet")
    for name in ("data.csv", ".hidden.parquet", "_part.parquet", "_SUCCESS", ".x.parquet.tmp"):
        (folder / name).write_bytes(b"x")
    found = discover(plant, shift)
    assert found.by_line["A"] == (f"{FOLDER}/part-0.parquet",)
    assert {Path(met.path).name: met.detail.split(",")[0] for met in found.line_problems["A"]} == {
        "folder.parquet": "a folder",
        "link.parquet": "a symbolic link",
        "dangling.parquet": "a symbolic link",
        "loop": "a symbolic link",
        "fifo.parquet": "a special file",
        "data.csv": "its name does not end in .parquet",
        ".hidden.parquet": "its name begins like that of a temporary file",
        "_part.parquet": "its name begins like that of a temporary file",
    }


@pytest.mark.fault("A12")
@pytest.mark.parametrize("part", ["line=A", "line=A/date=2026-11-20", FOLDER])
def test_a_linked_folder_is_not_followed(part, plant, shift, table, deliver, tmp_path):
    deliver(table(3))
    linked = Path(plant.readings) / part
    linked.rename(tmp_path / "elsewhere")
    linked.symlink_to(tmp_path / "elsewhere")
    found = discover(plant, shift)
    assert found.by_line["A"] == ()
    (problem,) = found.line_problems["A"]
    assert (problem.path, problem.detail) == (part, "a symbolic link, not a folder")


def test_a_missing_root_is_an_error_with_a_remedy(plant, shift):
    with pytest.raises(ReadingsError, match=r"cannot be listed.*Correct"):
        discover(replace(plant, readings=f"{plant.readings}/nowhere"), shift)


@pytest.fixture
def shared(plant):
    columns = replace(plant.columns, line="where")
    return replace(plant, layout="files", pattern="{date}/{shift}.parquet", columns=columns)


def put(shared, content: pa.Table, path: str = "2026-11-20/early.parquet") -> Path:
    target = Path(shared.readings) / path
    target.parent.mkdir(exist_ok=True)
    pq.write_table(content, target)
    return target


def test_one_file_a_shift_is_shared_by_its_lines(shared, shift, table):
    put(shared, table(6, where=pa.array(["A", "C", "A", None, "C", "C"])))
    found = discover(shared, shift)
    assert found.by_line == {"A": ("2026-11-20/early.parquet",), "B": ()}
    assert found.unknown_lines == (UnknownLine("C", 1, 3),)
    (problem,) = found.problems
    assert problem.detail.startswith("1 rows name no line in column 'where'")


def test_a_shared_file_that_cannot_be_read_is_left_for_each_line_to_refuse(shared, shift, table):
    put(shared, table(3)).write_bytes(b"item_id,volume_l\n")
    assert discover(shared, shift).by_line == dict.fromkeys("AB", ("2026-11-20/early.parquet",))


def test_no_file_and_a_linked_file(shared, shift, table, tmp_path):
    assert discover(shared, shift).by_line == {"A": (), "B": ()}
    target = put(shared, table(3))
    target.rename(tmp_path / "elsewhere.parquet")
    target.symlink_to(tmp_path / "elsewhere.parquet")
    found = discover(shared, shift)
    assert found.by_line == {"A": (), "B": ()}
    assert found.line_problems["A"][0].detail == "a symbolic link, not a file"


@pytest.mark.fault("F1")
@pytest.mark.parametrize("pattern", ["../{date}.parquet", "/etc/{date}.parquet"])
def test_a_pattern_cannot_leave_the_root(pattern, shared, shift):
    found = discover(replace(shared, pattern=pattern), shift)
    assert found.line_problems["A"][0].detail == "it lies outside of the readings"


def test_a_pattern_without_a_date_is_the_one_file_of_the_only_line(shared, shift, table):
    only = replace(
        shared,
        pattern="all.parquet",
        columns=replace(shared.columns, line=None),
        lines=shared.lines[:1],
    )
    put(only, table(3), "all.parquet")
    assert discover(only, shift).by_line == {"B": ("all.parquet",)}
    with pytest.raises(ConfigError, match="no column tells which"):
        discover(replace(only, lines=shared.lines), shift)
