"""Figures as words: the table of what a reader sees, and what must never be seen."""

from __future__ import annotations

import math
import unicodedata
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qc.plant import Gauge, Shift
from qc.wording import plural
from reports import formatting as f


def plain(text: str) -> str:
    return text.replace(f.THIN, " ").replace(f.MINUS, "-")


@pytest.mark.parametrize(
    ("resolution", "reading", "text"),
    [
        (0.001, 1.0, "1.000 mm"),
        (0.01, 12345.68, "12 345.68 mm"),
        (0.5, 7.5, "7.5 mm"),
        (0.25, 7.25, "7.25 mm"),
        (10.0, 1250.0, "1 250 mm"),
        (2.5, -2.5, "-2.5 mm"),
        (0.1, -0.0, "0.0 mm"),
        (0.1 + 0.2, 0.9, "0.9 mm"),  # a resolution that float arithmetic has touched
        (0.01, 1.003, "1.00300 mm"),  # off the grid: say so
        (0.001, 1.0030000209808350, "1.003 mm"),  # went through float32
        (1e-6, 0.025004, "0.025004 mm"),
    ],
)
def test_a_reading_shows_the_digits_of_its_gauge(resolution, reading, text):
    assert plain(f.Scale.of(Gauge(resolution), "mm", 1.0).reading(reading)) == text


def test_origin_of_the_grid_counts_as_digits():
    scale = f.Scale.of(Gauge(0.1, origin=0.05), "mm", 1.0)
    assert plain(scale.reading(10.15)) == "10.15 mm"


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (1.000234, 0.00035, "1.00023 ± 0.00035 L"),
        (0.2514, 0.017, "0.251 ± 0.017 L"),
        (3.0, None, "3.000 L"),
        (3.0, 0.0, "3.000 L"),
        (3.0, float("nan"), "3.000 L"),
        (None, None, "–"),
        (1e8 + 0.5, 120.0, "100 000 000 ± 120 L"),
    ],
)
def test_an_estimate_shows_the_digits_that_its_error_leaves(value, error, text):
    assert plain(f.Scale("L", 2).estimate(value, error)) == text


def test_intervals_and_units():
    assert plain(f.Scale("L", 2).interval(0.9964, 1.0076)) == "0.9964 to 1.0076 L"
    assert plain(f.Scale("", 2).reading(1.5)) == "1.50"
    assert f.Scale("mm", 1).reading(2.0).endswith(f"{f.THIN}mm")


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (1.875, 2.175, "1.88 to 2.17 L"),
        (1.88, 2.18, "1.88 to 2.17 L"),  # half open: the high end belongs to the next zone
        (1.8801, 2.1749, "1.89 to 2.17 L"),
        (2.005, 2.015, "2.01 L"),
        (2.001, 2.009, ""),
        (float("-inf"), 0.5, "up to 0.49 L"),
        (4.245, float("inf"), "from 4.25 L up"),
        (float("-inf"), float("inf"), "every reading"),
    ],
)
def test_a_zone_is_named_by_the_readings_in_it(low, high, text):
    assert plain(f.Scale("L", 2, 0.01).readings_in(low, high)) == text


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (0.5, "50.0 %"),
        (0.0531, "5.31 %"),
        (0.0001, "0.01 %"),
        (0.00009, "< 0.01 %"),
        (0.0, "< 0.01 %"),
        (0.9996, "99.96 %"),
        (0.99991, "> 99.99 %"),
        (1.0, "> 99.99 %"),
        (float("nan"), "–"),
    ],
)
def test_probabilities(p, text):
    assert plain(f.probability(p)) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (0, 9, "0 %"),
        (9, 9, "100 %"),
        (0, 0, "–"),
        (1, 10**7, "< 0.01 %"),
        (10**7 - 1, 10**7, "> 99.99 %"),
    ],
)
def test_only_none_is_0_percent_and_only_all_is_100(part, whole, text):
    assert plain(f.share(part, whole)) == text


def number_in(text: str) -> float:
    return float(plain(text).strip("<> %"))


@given(st.floats(min_value=0, max_value=1))
def test_a_probability_is_never_rounded_to_none_or_all(p):
    assert 0.0 < number_in(f.probability(p)) < 100.0


@given(st.integers(1, 10**12), st.integers(1, 10**12))
def test_a_part_is_never_rounded_to_none_or_all(one, other):
    whole = one + other
    text = f.share(one, whole)
    assert 0.0 < number_in(text) < 100.0
    if "<" not in text and ">" not in text:
        assert number_in(text) == pytest.approx(100 * one / whole, abs=0.051)


@given(st.floats(1e-12, 1 - 1e-12), st.floats(1e-9, 0.4))
def test_an_estimated_share_is_never_rounded_to_none_or_all(p, se):
    assert 0.0 < number_in(f.share_estimate(p, se).partition("±")[0]) < 100.0


@given(st.floats(0, 1))
def test_ppm_is_never_rounded_to_nothing(p):
    assert not plain(f.ppm(p)).startswith("0")


@given(st.floats(-1e9, 1e9), st.integers(0, 6))
def test_fixed_can_be_read_back(x, decimals):
    text = plain(f.fixed(x, decimals)).replace(" ", "")
    assert float(text) == pytest.approx(x, abs=0.5000001 * 10.0**-decimals + math.ulp(x))
    assert text != "-0"


def test_other_numbers():
    assert plain(f.count(1234567)) == "1 234 567"
    assert plain(plural(1, "item")) == "1 item"
    assert plain(plural(2048, "batch", "batches")) == "2 048 batches"
    assert plain(f.ppm(4.2e-5)) == "42 ppm"
    assert plain(f.setting(0.95)) == "95 %"
    assert plain(f.setting(0.9995)) == "99.95 %"
    assert f.p_value(1e-9) == "p < 0.001"
    assert plain(f.significant(412.7)) == "413"
    assert plain(f.significant(6.466)) == "6.47"
    assert plain(f.significant(3.1e-10, 2)) == "3.1e-10"


SUMMER_ENDS = Shift(
    date(2026, 10, 24),
    "night",
    datetime(2026, 10, 24, 20, 0, tzinfo=UTC),
    datetime(2026, 10, 25, 5, 0, tzinfo=UTC),
)


def test_local_time_with_zone():
    day = Shift(
        date(2026, 11, 22),
        "early",
        datetime(2026, 11, 22, 5, 0, tzinfo=UTC),
        datetime(2026, 11, 22, 13, 0, tzinfo=UTC),
    )
    words = "Sun 2026-11-22, 06:00 to 14:00 CET (UTC+01:00), Europe/Berlin"
    assert f.shift_times(day, "Europe/Berlin") == words
    assert f.shift_times(day, "UTC") == "Sun 2026-11-22, 05:00 to 13:00 UTC+00:00, UTC"
    assert "UTC+05:30" in f.shift_times(day, "Asia/Kolkata")


def test_the_night_on_which_the_clock_goes_back_has_nine_hours():
    words = f.shift_times(SUMMER_ENDS, "Europe/Berlin")
    assert words.startswith("Sat 2026-10-24, 22:00 CEST (UTC+02:00) to 06:00 on Sun CET")
    assert "(9 hours)" in words


@pytest.mark.fault("J12")
def test_invisible_characters_become_visible():
    assert f.visible("W\u202e001") == "W[U+202E]001"
    assert f.visible("a\nb\x00\x7f") == "a␊b␀␡"
    assert f.visible("a\u200bb\ufeff\ud800") == "a[U+200B]b[U+FEFF][U+D800]"
    assert f.visible("Größe <b>’20–30 µm’</b> 直径") == "Größe <b>’20–30 µm’</b> 直径"


@given(st.text(st.characters(codec=None)))
def test_what_is_shown_can_be_seen_and_written(text):
    shown = f.visible(text)
    shown.encode()
    assert all(unicodedata.category(mark) not in ("Cc", "Cf", "Cs") for mark in shown)


def test_long_texts_are_cut_and_say_so():
    assert f.shorten("x" * 96) == "x" * 96
    cut = plain(f.shorten("x" * 10_000))
    assert len(cut) < 110
    assert cut.endswith("… (10 000 characters)")
