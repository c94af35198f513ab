"""The histogram in characters: heights are counts, the curve is the mixture, fitted to size."""

from __future__ import annotations

import re

import numpy as np
import pytest

from flows.terminal import ASCII, UNICODE, bins_of, draw
from qc.mixture import Mixture, Tally

MIXTURE = Mixture.of([0.5, 0.5], [1.0, 3.0], [0.3, 0.3])


def two_batches(n: int = 20_000, resolution: float | None = 0.01) -> Tally:
    readings, _ = MIXTURE.sample(n, np.random.default_rng(1))
    values = readings.ravel()
    if resolution:
        values = np.round(values / resolution) * resolution
    return Tally.of(values, resolution=resolution)


@pytest.mark.parametrize("resolution", [None, 0.01, 0.7])
@pytest.mark.parametrize(("width", "height"), [(80, 18), (40, 12), (200, 60)])
def test_the_picture_fits_its_frame(width: int, height: int, resolution: float | None) -> None:
    lines = draw(two_batches(resolution=resolution), MIXTURE, width=width, height=height)
    rows = lines.split("\n")
    assert len(rows) == height
    assert max(len(row) for row in rows) <= width
    assert max(len(row) for row in rows) > width // 2


def test_heights_are_counts() -> None:
    tally = Tally.of([1.0, 2.0, 3.0], [8, 4, 2], resolution=1.0)
    rows = draw(tally, None, width=39, height=11, ink=ASCII).split("\n")
    chart = [row.split("|")[1] for row in rows if "|" in row]
    assert len(chart) == 8
    heights = [sum(row[column : column + 1] == "#" for row in chart) for column in (5, 15, 25)]
    assert heights == [8, 4, 2]


def test_eighths_of_a_row_are_drawn() -> None:
    tally = Tally.of([1.0, 2.0], [16, 1], resolution=1.0)
    rows = draw(tally, None, width=29, height=7, ink=UNICODE).split("\n")
    lowest = [row for row in rows if "│" in row][-1]
    assert lowest.split("│")[1] == "█" * 10 + "▂" * 10  # 1/16 of four rows is two eighths


def test_few_items_are_still_a_bar() -> None:
    tally = Tally.of([1.0, 2.0], [100_000, 1], resolution=1.0)
    picture = draw(tally, None, width=29, height=7)
    assert "▁" in picture


def test_every_bin_holds_equally_many_steps_and_no_item_is_lost() -> None:
    tally = two_batches()
    bins = bins_of(tally, MIXTURE, 70)
    steps = np.diff(bins.edges) / 0.01
    assert np.allclose(steps, np.round(steps[0]))
    # Edges lie between two steps of the gauge, never on one.
    assert np.allclose((bins.edges / 0.01) % 1, 0.5)
    assert bins.counts.sum() + bins.outside == tally.n


def test_the_curve_expects_what_the_mixture_says() -> None:
    bins = bins_of(two_batches(), MIXTURE, 70)
    from scipy.stats import norm

    below = 0.5 * norm.cdf(bins.edges, 1, 0.3) + 0.5 * norm.cdf(bins.edges, 3, 0.3)
    assert np.allclose(bins.expected, 20_000 * np.diff(below))


def test_a_stray_does_not_squeeze_the_picture() -> None:
    tally = two_batches()
    strayed = tally + Tally.of([99.0], resolution=0.01)
    bins = bins_of(strayed, MIXTURE, 70)
    assert bins.edges[-1] < 6
    assert bins.outside == 1


def test_the_strip_says_who_is_where() -> None:
    strip = draw(two_batches(), MIXTURE, width=80, height=16, ink=ASCII).split("\n")[-1]
    assert re.fullmatch(r" *batch +1+\.+2+", strip)


def test_plain_ink_is_plain() -> None:
    assert draw(two_batches(), MIXTURE, width=80, height=16, ink=ASCII).isascii()


def test_colour_changes_nothing_but_the_colour() -> None:
    plain = draw(two_batches(), MIXTURE, width=80, height=16)
    coloured = draw(two_batches(), MIXTURE, width=80, height=16, colour=True)
    assert "\x1b[36m" in coloured
    without = re.sub(r"\x1b\[\d+m", "", coloured)
    assert [line.rstrip() for line in without.split("\n")] == plain.split("\n")


@pytest.mark.parametrize("values", [[5.0], [5.0, 5.0, 5.0], [1e9, 1e9 + 1e-3]])
def test_hardly_any_readings_are_drawn_too(values: list[float]) -> None:
    assert draw(Tally.of(values), None, width=80, height=16)
