"""What was recorded of an item, as a cell: the same record back, and as words."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pyarrow as pa

from qc.records import Decided, HoldDecision, Recorded
from qc.storage.item_history import HISTORY, entries, history_of, in_words

NOW = datetime(2026, 11, 24, 12, 0, 0, 17, tzinfo=UTC)
FIRST = HoldDecision(
    "A", "W1", 2.1, None, Decided.REGRADE, "small", "M. Weber", date(2026, 11, 23), "cracked"
)
SECOND = replace(
    FIRST,
    remeasured=2.45,
    decided=None,
    decided_batch=None,
    authorised_by="K. Ott",
    amendment="wrong row",
    replaces="first",
)
HISTORIES = [Recorded("first", "me", NOW, FIRST), Recorded("second", "you", NOW, SECOND)]


def test_a_history_comes_back_from_its_cell():
    column = pa.array([entries(HISTORIES), None], HISTORY)
    cell, empty = column.to_pylist()
    assert history_of("A", "W1", cell) == tuple(HISTORIES)
    assert history_of("A", "W1", empty) == ()


def test_a_history_in_words():
    told = in_words(pa.chunked_array([pa.array([None, entries(HISTORIES)], HISTORY)]))
    none, words = told.to_pylist()
    assert none is None
    assert words == (
        "regrade to small by M. Weber on 2026-11-23; then open, measured again 2.45, by K. Ott on "
        "2026-11-23 because wrong row"
    )
