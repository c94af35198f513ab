"""Which component is which batch, where no nominal says so: last shift's place, else the mean."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from qc.inspection.identity import fit_batches
from qc.mixture import Tally
from qc.plant import Batch, Line
from qc.records import LastBatches
from tests.qc.inspection.lines import line

LAST = LastBatches(
    date(2026, 11, 19), "night", (("narrow", 10.0, 0.2), ("wide", 10.01, 1.0), ("far", 14.0, 0.3))
)


def nameless(*names: str) -> Line:
    return replace(line(10.0), batches=tuple(Batch(name) for name in names))


def three_batches(centre_of_narrow: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    parts = ((centre_of_narrow, 0.2), (10.0, 1.0), (14.0, 0.3))
    return np.round(np.concatenate([rng.normal(m, s, 3000) for m, s in parts]), 2)


@pytest.mark.parametrize("centre", [9.9, 10.1])
def test_batches_keep_the_names_of_the_last_shift(centre: float) -> None:
    """A narrow and a wide batch of nearly one mean: by the means their names would change."""
    x = three_batches(centre, 1)
    fitted = fit_batches(Tally.of(x, resolution=0.01), nameless("narrow", "wide", "far"), LAST)
    sds = [fitted.fit.mixture.sds[k] for k in fitted.component if k is not None]
    assert np.allclose(sds, [0.2, 1.0, 0.3], rtol=0.1)


def test_without_a_last_shift_batches_go_by_their_means() -> None:
    x = three_batches(9.0, 2)
    fitted = fit_batches(Tally.of(x, resolution=0.01), nameless("a", "b", "c"))
    means = [fitted.fit.mixture.means[k, 0] for k in fitted.component if k is not None]
    assert means == sorted(means)


@pytest.mark.fault("D9")
@pytest.mark.parametrize("seed", range(6))
def test_the_order_of_the_rows_does_not_change_the_names(seed: int) -> None:
    x = three_batches(9.5, 3)
    shuffled = np.random.default_rng(seed).permutation(x)
    fits = [
        fit_batches(Tally.of(rows, resolution=0.01), nameless("narrow", "wide", "far"), LAST)
        for rows in (x, shuffled)
    ]
    assert fits[0].component == fits[1].component
    assert np.array_equal(fits[0].fit.mixture.means, fits[1].fit.mixture.means)
