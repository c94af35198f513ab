"""What a fit robust against heavy tails would decide otherwise."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Robust:
    """A mixture of t distributions beside a suspect fit of normal ones.

    Attributes
    ----------
    nu : float
        Degrees of freedom, the same for all batches: the fewer, the heavier their tails; infinite
        where no t fits better than the normal fit.
    gain_nats : float
        Log-likelihood gained over the normal fit.
    items_changed, assigned_changed : int
        Items of this shift whose most likely batch is another one, and those of them that are
        assigned.
    assigned_doubted : int
        Assigned items whose posterior would be too low to assign them.
    shares, means, scales : tuple of float or None
        Share, centre and scale of each configured batch, in the line's unit; None: not run.
    """

    nu: float
    gain_nats: float
    items_changed: int
    assigned_changed: int
    assigned_doubted: int
    shares: tuple[float | None, ...]
    means: tuple[float | None, ...]
    scales: tuple[float | None, ...]
