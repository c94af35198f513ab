"""Texts that occur more than once, against a count in plain Python."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qc.storage import repeats
from qc.storage.repeats import hashes_of, repeated

# Few letters, so that there are repeats; with null, empty and texts longer than a word.
texts = st.lists(st.none() | st.text("ab\0ü", max_size=20), max_size=60)


def expected(entries: list[str | None]) -> list[int]:
    counted = Counter(entries)
    return [row for row, entry in enumerate(entries) if counted[entry] > 1]


@given(texts, st.integers(0, 60), st.sampled_from([pa.string(), pa.large_string()]))
def test_rows_and_groups_are_those_of_a_count(entries, cut: int, kind: pa.DataType) -> None:
    # A slice as well: its texts do not begin where its buffers do.
    whole = pa.array(["x", *entries, "x"], kind)
    column = pa.chunked_array([whole[1 : 1 + cut], whole[1 + cut : -1]], kind)
    column = column.slice(0, len(entries))
    rows, groups = repeated(column)
    assert rows.tolist() == expected(entries)
    met = [entries[row] for row in rows]
    assert len(set(zip(met, groups.tolist(), strict=True))) == len(set(met)) == len(set(groups))


@pytest.mark.parametrize("width", [1, 8, 11, 16])
def test_different_texts_of_many_blocks_are_all_different(width: int) -> None:
    n = min(3 * repeats.BLOCK + 3, 10**width)
    column = pa.chunked_array([[f"{number:0{width}d}" for number in range(n)]])
    assert len(np.unique(hashes_of(column))) == n
    assert len(repeated(column)[0]) == 0
    again = pa.chunked_array([*column.chunks, column.chunks[0][n // 2 : n // 2 + 1]])
    assert repeated(again)[0].tolist() == [n // 2, n]


def test_texts_whose_hashes_collide_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "hashes_of", lambda column: np.zeros(len(column), np.uint64))
    rows, groups = repeated(pa.chunked_array([["a", "b", "a", "c"]]))
    assert rows.tolist() == [0, 2]
    assert groups[0] == groups[1]
