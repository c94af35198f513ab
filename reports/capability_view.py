"""Performance of the batches against their specifications, as display-ready rows."""

from __future__ import annotations

from dataclasses import dataclass

from qc.plant import Batch
from qc.records import BatchRecord, LineRecord, Verdict
from reports.formatting import Scale, fixed, ppm, probability, shorten
from reports.marks import tone

FEW = 1e-3  # shares below this are told in ppm


@dataclass(frozen=True, slots=True)
class CapabilityRow:
    """Performance of a batch against its specification; `why_not` where it is not assessed."""

    tone: str
    name: str
    limits: str
    pp: str
    ppk: str
    out_share: str
    why_not: str


def capability_of(record: LineRecord, scale: Scale) -> tuple[CapabilityRow, ...]:
    """A row for each batch that was fitted; none where no batch has a specification."""
    specs = record.line.batches
    if all(spec.lsl is None and spec.usl is None for spec in specs):
        return ()
    return tuple(
        _row(record, k, spec, batch, scale)
        for k, (spec, batch) in enumerate(zip(specs, record.batches, strict=False))
    )


def limits_of(spec: Batch, scale: Scale) -> str:
    """``LSL 0.85, USL 1.15``."""
    limits = [
        f"{word} {scale.bare(limit)}"
        for word, limit in (("LSL", spec.lsl), ("USL", spec.usl))
        if limit is not None
    ]
    return ", ".join(limits) or "no specification"


def _row(
    record: LineRecord, k: int, spec: Batch, batch: BatchRecord, scale: Scale
) -> CapabilityRow:
    found = batch.capability
    pp, ppk, out, why_not = "", "", "", ""
    if found is None:
        why_not = _why_not(record, spec, batch)
    else:
        pp = "one limit only"
        if found.pp is not None and found.pp_low is not None and found.pp_high is not None:
            pp = _index(found.pp, found.pp_low, found.pp_high)
        ppk = _index(found.ppk, found.ppk_low, found.ppk_high)
        low, high = _share(found.out_share_low), _share(found.out_share_high)
        out = f"{_share(found.out_share)} ({low} to {high})"
    return CapabilityRow(
        tone(k), shorten(batch.name), limits_of(spec, scale), pp, ppk, out, why_not
    )


def _why_not(record: LineRecord, spec: Batch, batch: BatchRecord) -> str:
    if not batch.ran:
        return "not run"
    if spec.lsl is None and spec.usl is None:
        return "no specification: not assessed"
    if record.verdict is Verdict.SUSPECT:
        return "the fit is suspect: not assessed"
    return "the sd cannot be told: not assessed"


def _index(value: float, low: float, high: float) -> str:
    return f"{fixed(value, 2)} ({fixed(low, 2)} to {fixed(high, 2)})"


def _share(value: float) -> str:
    return ppm(value) if value < FEW else probability(value)
