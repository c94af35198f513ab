"""Parameters of each batch as display-ready texts, with those of the shift before beside them."""

from __future__ import annotations

from dataclasses import dataclass

from qc.records import BatchRecord, BatchValues, LineRecord
from reports.capability_view import limits_of
from reports.formatting import (
    MINUS,
    NOTHING,
    Scale,
    count,
    fixed,
    probability,
    share_estimate,
    share_interval,
    shorten,
)
from reports.marks import short_name, tone

TOLD_SIGMAS = 3.0  # standard errors: a smaller difference from the shift before is not put in words


@dataclass(frozen=True, slots=True)
class Before:
    """What the shift before gave: the figure, and the difference in words where it is large."""

    figure: str
    moved: str


@dataclass(frozen=True, slots=True)
class BatchRow:
    """Parameters of a batch; empty texts where it was not run, and None without a shift before."""

    tone: str
    name: str
    ran: bool
    share: str
    share_interval: str
    mean: str
    mean_interval: str
    sd: str
    sd_interval: str
    nominal: str
    limits: str
    assigned: str
    expected: str
    share_before: Before | None
    mean_before: Before | None
    sd_before: Before | None


def last_shift(record: LineRecord) -> str:
    """The shift whose parameters stand beside this one's; empty where there is none."""
    last = None if record.trend is None else record.trend.last
    return "" if last is None else f"{last.date} {short_name(last.shift)}"


def batch_row(record: LineRecord, k: int, scale: Scale) -> BatchRow:
    """The row of one configured batch."""
    row: BatchRecord = record.batches[k]
    spec = record.line.batches[k]
    if row.ran:
        share = share_estimate(row.share, row.share_se)
        interval = share_interval(row.share_low, row.share_high)
    else:
        bound = "" if row.share_high is None else f"at most {probability(row.share_high)}"
        share, interval = "not run", bound
    share_before, mean_before, sd_before = _before(record, k, scale)
    return BatchRow(
        tone=tone(k),
        name=shorten(row.name),
        ran=row.ran,
        share=share,
        share_interval=interval,
        mean=scale.estimate(row.mean, row.mean_se) if row.ran else "",
        mean_interval=scale.interval(row.mean_low, row.mean_high) if row.ran else "",
        sd=scale.estimate(row.sd, row.sd_se) if row.ran else "",
        sd_interval=scale.interval(row.sd_low, row.sd_high) if row.ran else "",
        nominal=NOTHING if spec.nominal is None else scale.reading(spec.nominal),
        limits=limits_of(spec, scale),
        assigned=count(row.assigned),
        expected=fixed(row.expected, 0 if row.expected >= 100 else 1),
        share_before=share_before,
        mean_before=mean_before,
        sd_before=sd_before,
    )


def _before(
    record: LineRecord, k: int, scale: Scale
) -> tuple[Before | None, Before | None, Before | None]:
    """Share, mean and sd of a batch in the shift before."""
    last = None if record.trend is None else record.trend.last
    if last is None:
        return None, None, None
    now = record.batches[k]
    then = next((batch for batch in last.batches if batch.name == now.name), None)
    if then is None:
        absent = Before("not run", "")
        return absent, None, None
    return (
        Before(
            share_estimate(then.share, then.share_se),
            _moved(now.share, now.share_se, then.share, then.share_se),
        ),
        *_of_readings(now, then, scale),
    )


def _of_readings(now: BatchRecord, then: BatchValues, scale: Scale) -> tuple[Before, Before]:
    """Mean and sd before."""
    return (
        Before(
            scale.estimate(then.mean, then.mean_se),
            _moved(now.mean, now.mean_se, then.mean, then.mean_se),
        ),
        Before(scale.estimate(then.sd, then.sd_se), _moved(now.sd, now.sd_se, then.sd, then.sd_se)),
    )


def _moved(now: float | None, now_se: float | None, then: float, then_se: float | None) -> str:
    """How many standard errors the figure has moved since, if that is many; else empty.

    The two shifts share no items, so the variances add.
    """
    if now is None or now_se is None or then_se is None:
        return ""
    error = (now_se**2 + then_se**2) ** 0.5
    sigmas = (now - then) / error if error else 0.0
    if abs(sigmas) <= TOLD_SIGMAS:
        return ""
    sign = "+" if sigmas > 0 else MINUS
    return f"since then {sign}{fixed(abs(sigmas), 1 if abs(sigmas) < 10 else 0)} standard errors"
