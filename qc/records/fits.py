"""What is told of a line's fit and of each of its batches."""

from __future__ import annotations

from dataclasses import dataclass

from qc.records.robust import Robust


@dataclass(frozen=True, slots=True)
class Capability:
    """Performance of a batch against its specification, with 95 % intervals.

    Attributes
    ----------
    pp, ppk : float
        Overall performance indices; no Pp (None) where only one limit is specified.
    out_share : float
        Share of the batch out of specification, by the model.
    """

    pp: float | None
    pp_low: float | None
    pp_high: float | None
    ppk: float
    ppk_low: float
    ppk_high: float
    out_share: float
    out_share_low: float
    out_share_high: float


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """One configured batch in one shift's fit, in the line's unit; None where it cannot be said.

    Attributes
    ----------
    ran : bool
        False: not run; then there is no mean, sd or interval, share is 0 and `share_high` its
        upper 95 % bound.
    share : float
        Weight of the batch among all batches and the background.
    *_low, *_high : float
        95 % interval.
    assigned, expected : int, float
        Items of this shift assigned to it; and expected from it (the sum of posteriors).
    capability : Capability or None
        None without specification limits, and where the fit is suspect or the sd not resolved.
    """

    name: str
    ran: bool
    share: float
    share_se: float | None
    share_low: float | None
    share_high: float | None
    mean: float | None
    mean_se: float | None
    mean_low: float | None
    mean_high: float | None
    sd: float | None
    sd_se: float | None
    sd_low: float | None
    sd_high: float | None
    assigned: int
    expected: float
    capability: Capability | None = None


@dataclass(frozen=True, slots=True)
class Confusion:
    """Expected items by batch, of the assigned: the model's view of right and wrong batches.

    Attributes
    ----------
    items : tuple of tuple of float
        One row for each configured batch that items were assigned to, in order; in it the items
        expected to be of each configured batch, and last those expected to be of none of them.
    """

    items: tuple[tuple[float, ...], ...]

    @property
    def misassigned(self) -> float | None:
        """Expected share of wrong ones; None where nothing is assigned."""
        total = sum(map(sum, self.items))
        wrong = sum(sum(row) - row[b] for b, row in enumerate(self.items))
        return wrong / total if total else None


@dataclass(frozen=True, slots=True)
class Forecast:
    """Share of this shift's items held at another threshold, and share wrong of the assigned."""

    threshold: float
    held: float
    misassigned: float | None


@dataclass(frozen=True, slots=True)
class Separation:
    """Share held of the two nearest batches, if they were so many pooled sds apart; share wrong."""

    separation: float
    held: float
    misassigned: float | None


@dataclass(frozen=True, slots=True)
class Cut:
    """A reading at which the decision turns from one batch to another, or to a hold.

    Attributes
    ----------
    reading : float
        In the line's unit; between two readings of the gauge.
    se : float or None
        Its standard error; None where it cannot be said.
    lower, upper : int or None
        Most likely batch just below and just above, as an index into the line's batches. One of
        them is None at an edge of the ambiguous zone: there no batch is certain enough.
    """

    reading: float
    se: float | None
    lower: int | None
    upper: int | None


@dataclass(frozen=True, slots=True)
class FitRecord:
    """How the fit came about, for whoever asks whether to believe it.

    Attributes
    ----------
    likelihood : str
        ``density`` or ``grouped``.
    gap_nats, gap_items : float, int
        The certificate: log-likelihood still to gain, and items whose batch would still change.
    starts, starts_at_best : int
        Starting points tried, and how many of them reached the best optimum.
    runner_up_nats : float or None
        How far the next best optimum is below; None where there is no other.
    background_share : float or None
        Weight of the uniform background; None where the gauge has no range.
    goodness_p, goodness_effect : float or None
        G-test of the fit on the tally, and its effect size.
    separation : float or None
        Smallest distance of two neighbouring batches, in pooled standard deviations.
    expected_misassigned : float or None
        Expected share of wrong batches among the assigned; None where it is withdrawn. Strays among
        them count: they are of no batch.
    confusion : Confusion or None
        The same for each pair of batches; None where it is withdrawn.
    forecasts : tuple of Forecast
        Holds at other thresholds.
    separations : tuple of Separation
        Holds of the two nearest batches where they lie, and if they were nearer or further apart.
    robust : Robust or None
        What a fit robust against heavy tails would change; None where the fit is not suspect.
    cuts : tuple of Cut
        Where the decision turns, ascending.
    """

    likelihood: str
    n_items: int
    n_distinct: int
    log_likelihood: float
    bic: float
    converged: bool
    gap_nats: float
    gap_items: int
    passes: int
    starts: int
    starts_at_best: int
    runner_up_nats: float | None
    background_share: float | None
    goodness_p: float | None
    goodness_effect: float | None
    separation: float | None
    expected_misassigned: float | None
    confusion: Confusion | None = None
    forecasts: tuple[Forecast, ...] = ()
    separations: tuple[Separation, ...] = ()
    robust: Robust | None = None
    cuts: tuple[Cut, ...] = ()
