"""What a page hands to its script: the record's figures, and nothing where nothing can be tried."""

from __future__ import annotations

import json
from dataclasses import replace

from qc.records import Verdict
from reports.line_view import scale_of
from reports.what_if import what_if_of
from tests.reports import samples

PINS = samples.pins()[0]


def test_the_figures_are_the_records() -> None:
    figures = json.loads(what_if_of(PINS, scale_of(PINS, None)))
    assert [batch["name"] for batch in figures["batches"]] == ["10.0", "10.6", "11.4"]
    for given, batch in zip(figures["batches"], PINS.batches, strict=True):
        assert (given["weight"], given["mean"], given["sd"]) == (batch.share, batch.mean, batch.sd)
    assert (figures["threshold"], figures["unit"], figures["decimals"]) == (0.95, "mm", 3)


def test_a_fit_that_is_not_good_promises_nothing_here_either() -> None:
    for verdict, good in ((Verdict.GOOD, True), (Verdict.SUSPECT, False)):
        record = replace(PINS, verdict=verdict)
        assert json.loads(what_if_of(record, scale_of(PINS, None)))["good"] is good


def test_one_batch_or_none_has_nothing_to_try() -> None:
    for make in (samples.rods, samples.caps, samples.lids):
        record = make()[0]
        assert what_if_of(record, scale_of(record, None)) == ""


def test_a_name_that_hides_something_is_shown() -> None:
    batches = tuple(replace(batch, name="a\u202eb") for batch in PINS.batches)
    figures = json.loads(what_if_of(replace(PINS, batches=batches), scale_of(PINS, None)))
    assert figures["batches"][0]["name"] == "a[U+202E]b"
