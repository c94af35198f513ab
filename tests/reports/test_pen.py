"""Paths in few characters: what is drawn is what was asked for, to a tenth of a unit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.pen import Pen, through
from tests.reports.parsing import corners

PLACES = st.lists(
    st.tuples(st.floats(-900, 900), st.floats(-900, 900)), min_size=1, max_size=40, unique=True
)


@given(PLACES)
def test_a_path_goes_through_every_place_and_errors_do_not_add_up(places):
    (stroke,) = corners(through(places).path)
    assert len(stroke) == len(places)
    assert np.abs(np.array(stroke) - np.array(places)).max() <= 0.05 + 1e-9


@given(st.lists(PLACES, min_size=1, max_size=5), st.booleans())
def test_strokes_are_apart(strokes, closed):
    pen = Pen()
    for stroke in strokes:
        pen.move(*stroke[0])
        for place in stroke[1:]:
            pen.line(*place)
        if closed:
            pen.close()
    drawn = corners(pen.path)
    assert len(drawn) == len(strokes)
    for seen, wanted in zip(drawn, strokes, strict=True):
        assert np.abs(np.array(seen) - np.array(wanted)).max() <= 0.05 + 1e-9


@pytest.mark.parametrize(
    ("pen", "path"),
    [
        (Pen().move(76, 384.5).line(87, 383.9).line(88.5, 383), "M76 384.5l11-.6 1.5-.9"),
        (Pen().move(0, 0).line(0.5, 0.25).line(1, 0.5), "M0 0l.5.2.5.3"),
        (Pen().move(-1, 2).across(3).across(4).up_or_down(1.5), "M-1 2h4 1v-.5"),
        (Pen().move(1, 1).across(2).move(2, 3).across(3.5), "M1 1h1m0 2h1.5"),
        (Pen().move(1, 1).across(2).close().move(5, 5).stay(), "M1 1h1zM5 5h0"),
        (Pen().move(1, 1).stay().stay(), "M1 1h0 0"),
    ],
)
def test_no_character_is_wasted(pen, path):
    assert pen.path == path
