"""What the items of known batch say of the decisions."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KnownBatches:
    """The known items of a line's shift, their true batch against the decision.

    Attributes
    ----------
    items : int
        Known items with a valid reading: right + wrong + held + not_run.
    invalid : int
        Known items without one; counted nowhere else.
    right, wrong, held : int
        Assigned to their true batch, assigned to another, held.
    not_run : int
        Anchored items of a batch that was not run: the rule knows no such batch, and they are
        not compared.
    anchored : int
        Items whose readings informed the means and sds of the fit (0 without ``anchor_known``).
    observed, observed_low, observed_high : float or None
        Share of wrong among the assigned, and its 95 % interval (Clopper and Pearson 1934); None
        where none is assigned.
    predicted : float or None
        The same share by the fit: mean of 1 - posterior over these very items.
    p : float or None
        How probable so many wrong or more are if the prediction is true, at most.
    confusion : tuple of tuple of int
        Items by true batch (rows, in the line's order) and by the batch that they were assigned
        to (columns, in the same order, and as last column: held).
    """

    items: int
    invalid: int
    right: int
    wrong: int
    held: int
    not_run: int
    anchored: int
    observed: float | None
    observed_low: float | None
    observed_high: float | None
    predicted: float | None
    p: float | None
    confusion: tuple[tuple[int, ...], ...]
