"""Measured items whose class is known, as shifts for benchmarks/decisions.py.

Flowers, wines and cells of the data sets that come with scikit-learn, each by one of its
measurements; the class is the true batch. Of each class every other item, from the first on, plays
the past, which gives the nominal and the usual sd; the remaining items are the shift.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import datasets

from qc.plant import Batch, Gauge, Line

Floats = NDArray[np.float64]
Codes = NDArray[np.int16]

DRIFT = 1.0  # usual sds that a batch's mean may lie from its nominal: five standard errors or more


@dataclass(frozen=True)
class RealItems:
    """One shift of real items.

    Attributes
    ----------
    load : function
        Of scikit-learn: its data set.
    column : str
        The measurement, by its name in the data set.
    step : float
        Of the grid that the values are written on: the gauge's resolution.
    classes : tuple of str
        Names of the classes that were run; all of the data set where there is none.
    """

    name: str
    load: Callable[[], Any]
    column: str
    step: float
    classes: tuple[str, ...] = ()

    @cached_property
    def by_class(self) -> list[tuple[str, Floats]]:
        """Names and measurements of the classes, in order of their means in the past."""
        data = self.load()
        values = np.asarray(data.data)[:, list(data.feature_names).index(self.column)]
        names = [str(name) for name in data.target_names]
        found = [
            (name, values[data.target == number])
            for number, name in enumerate(names)
            if name in (self.classes or names)
        ]
        return sorted(found, key=lambda entry: float(entry[1][::2].mean()))

    @property
    def line(self) -> Line:
        """The line, with the nominals and usual sds of the past."""
        batches = tuple(
            Batch(
                name, float(past.mean()), DRIFT * float(past.std(ddof=1)), float(past.std(ddof=1))
            )
            for name, past in ((name, values[::2]) for name, values in self.by_class)
        )
        gauge = Gauge(resolution=self.step)
        return Line("A", self.column, "", "reading", tuple(batches), gauge)

    @property
    def n(self) -> int:
        return len(self.shift()[0])

    def shift(self) -> tuple[Floats, Codes]:
        """Readings of the shift and their true batches, each of shape (n,)."""
        own = [values[1::2] for _, values in self.by_class]
        truth = np.repeat(np.arange(len(own), dtype=np.int16), [len(values) for values in own])
        return np.concatenate(own), truth


def _iris(part: str, classes: tuple[str, ...] = ()) -> RealItems:
    name = f"iris, {part}" + (f": {' and '.join(classes)}" if classes else "")
    return RealItems(name, datasets.load_iris, f"{part} (cm)", 0.1, classes)


def _wine(column: str, step: float) -> RealItems:
    return RealItems(f"wine, {column}", datasets.load_wine, column, step)


def _cells(column: str, step: float) -> RealItems:
    return RealItems(f"breast cancer, {column}", datasets.load_breast_cancer, column, step)


REAL = (
    _iris("petal length"),
    _iris("petal width"),
    _iris("petal length", ("setosa", "versicolor")),
    _iris("petal length", ("versicolor", "virginica")),
    _iris("petal width", ("versicolor", "virginica")),
    _wine("proline", 1.0),
    _wine("flavanoids", 0.01),
    _wine("alcohol", 0.01),
    _cells("mean radius", 0.001),
    _cells("worst perimeter", 0.01),
)
