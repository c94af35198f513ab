"""The plant's reaction plan: on the pages of the next version, and in no result."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import reports
from flows.one_shift import inspect
from qc.plant import Plant, Shift, config_sha256
from tests.reports.parsing import parse

WORDS = "Call the data office, tel. 117."


def test_a_changed_plan_shows_in_the_next_version_and_computes_nothing(
    plant: Plant, early: Shift
) -> None:
    first = inspect(plant, early)
    planned = replace(plant, reaction={"readings": WORDS})
    line = plant.lines[0]
    assert config_sha256(planned, line, early) == config_sha256(plant, line, early)
    second = inspect(planned, early)
    assert second.published.changed
    assert second.record.lines == first.record.lines
    items = Path(second.published.folder) / "items"
    assert not items.exists()  # every line is carried over from the first version
    assert not inspect(planned, early).published.changed
    for page in ("index.html", "line-A.html"):
        folder = second.published.folder / "report"
        assert f"Reaction plan:\n \n{WORDS}" in parse(folder / page).text
        assert WORDS not in parse(first.published.folder / "report" / page).text
    assert WORDS in reports.markdown(second.record)
    assert WORDS not in reports.markdown(first.record)
