"""Texts that may occur more than once, against a count in plain Python."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qc.storage import repeats
from qc.storage.duplicates import look_alikes
from qc.storage.repeats import hashes_of, repeated, write_hashes

# Few letters, so that there are repeats; with empty texts and some longer than a word.
texts = st.lists(st.text("aA\0 ü\u200b", max_size=20), max_size=60)


def found(folder: Path, *columns: pa.ChunkedArray) -> list[list[int]]:
    paths = [folder / str(number) for number in range(len(columns))]
    for path, column in zip(paths, columns, strict=True):
        with write_hashes(path) as keep:
            assert keep is not None
            for chunk in column.chunks:
                keep(pa.chunked_array([chunk]))
    return [rows.tolist() for rows in repeated(paths)]


def twice(entries: Sequence[str]) -> set[int]:
    counted = Counter(entries)
    return {row for row, entry in enumerate(entries) if counted[entry] > 1}


@given(texts, st.integers(0, 60), st.sampled_from([pa.string(), pa.large_string()]))
def test_equal_texts_and_those_that_look_alike_are_found(
    entries: list[str], cut: int, kind: pa.DataType
) -> None:
    # Slices as well: their texts do not begin where their buffers do.
    whole = pa.array(["x", *entries, "x"], kind)
    files = [pa.chunked_array([whole[1 : 1 + cut]]), pa.chunked_array([whole[1 + cut : -1]])]
    files = [file if len(file) else pa.chunked_array([], kind) for file in files]
    with tempfile.TemporaryDirectory() as folder:
        first, second = found(Path(folder), *files)
    met = {*first, *(len(files[0]) + row for row in second)}
    n = len(entries)
    assert twice(entries) <= {row for row in met if row < n}
    different = list(dict.fromkeys(entries))
    alike = look_alikes(pa.chunked_array([different], pa.string()))
    wanted = {different[row] for row in alike.tolist()}
    assert {row for row, entry in enumerate(entries) if entry in wanted} <= met
    # Nothing else, but for a space and a NUL, which differ in the bit that is left out.
    if not any("\0" in entry for entry in entries):
        again = {entries[row] for row in twice(entries)}
        assert {entries[row] for row in met if row < n} <= wanted | again


@pytest.mark.parametrize("width", [1, 8, 11, 16])
def test_different_texts_of_many_blocks_are_all_different(
    width: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeats, "SORTED", 10_000)  # in several parts of their range
    n = min(3 * repeats.BLOCK + 3, 10**width)
    column = pa.chunked_array([[f"{number:0{width}d}" for number in range(n)]])
    assert len(np.unique(hashes_of(column))) == n
    assert found(tmp_path, column) == [[]]
    again = pa.chunked_array([column.chunks[0][n // 2 : n // 2 + 1]])
    assert found(tmp_path, column, again) == [[n // 2], [0]]


def test_letters_differ_in_case_alone_and_digits_never() -> None:
    same = hashes_of(pa.chunked_array([["w-0001a", "W-0001A"]]))
    assert same[0] == same[1]
    others = hashes_of(pa.chunked_array([[f"W-{number:04d}" for number in range(10_000)]]))
    assert len(np.unique(others)) == 10_000


def test_hashes_that_collide_are_found_and_left_to_be_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeats, "hashes_of", lambda column: np.zeros(len(column), np.uint64))
    assert found(tmp_path, pa.chunked_array([["a", "b", "a", "c"]])) == [[0, 1, 2, 3]]
