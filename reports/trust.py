"""The report card of a line, "can this page be trusted?": marks, figures and their meaning."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from qc.mixture import Tally
from qc.records import FitRecord, LineRecord, LineStatus, Verdict
from qc.wording import plural
from reports.formatting import Scale, count, p_value, ppm, setting, share, significant
from reports.words import Mark

PASS = Mark("pass", "✓", "ok")
CAUTION = Mark("caution", "◆", "caution")
FAIL = Mark("fail", "▲", "action")
UNKNOWN = Mark("not verified", "○", "unknown")

# Equal batches 5 sds apart leave 3 % of their items between 5 % and 95 %, at 4 sds 10 %.
EASY_SEPARATION, LEAST_SEPARATION = 5.0, 4.0
LEAST_TOLD = 1e-6  # share of strays among the assigned: fewer are not told
CLOSE_RIVAL = 3.0  # nats: another optimum as near as this fits nearly as well
REJECTING_P = 0.01
STEPS_IN_TOLERANCE = 10  # of the gauge: the rule of ten for a measurement system


@dataclass(frozen=True, slots=True)
class Check:
    """A row of the report card."""

    name: str
    mark: Mark
    figure: str
    meaning: str


def report_card(record: LineRecord, tally: Tally | None, scale: Scale) -> tuple[Check, ...]:
    """All checks of a line's shift, from its input to its fit."""
    checks = [*_input(record)]
    if record.status is not LineStatus.ERROR:
        checks += _measurement(record, tally, scale)
        checks.append(_sample(record))
    if record.fit is not None:
        checks += [_converged(record.fit), _starts(record.fit), _shape(record, record.fit)]
        checks += [*_sorting(record, record.fit), *_robust(record, record.fit)]
        checks.append(_window(record, record.fit))
    return tuple(checks)


def trust_in_short(record: LineRecord, checks: Sequence[Check]) -> str:
    """Whether the page can be trusted, as a sentence that its report card then bears out."""
    failed = [check.name for check in checks if check.mark is FAIL]
    if record.fit is None:
        return f"No: {_listed(failed) or 'there is no fit'}. No batch is told of any item."
    if record.verdict is Verdict.SUSPECT:
        about = f": {_listed(failed)}" if failed else ""
        return (
            f"In part: the fit is suspect{about}. What is held is rightly in doubt; of the items "
            "that are assigned nothing is promised."
        )
    if failed:
        return f"No: {_listed(failed)}."
    doubts = [check.name for check in checks if check.mark is CAUTION]
    return f"Yes, with caution about: {_listed(doubts)}." if doubts else "Yes."


def _listed(names: Sequence[str]) -> str:
    return ", ".join(name.lower() for name in names)


def _input(record: LineRecord) -> Iterator[Check]:
    counts = record.counts
    bare = [file for file in record.files if not file.checksummed]
    files = f"{plural(len(record.files), 'file')}, {plural(counts.rows, 'row')}"
    if counts.refused_files:
        refused = plural(counts.refused_files, "file")
        yield Check("Files", FAIL, files, f"{refused} could not be used; see Data and audit")
    elif not record.files:
        yield Check("Files", FAIL, files, "nothing was read")
    elif bare:
        yield Check(
            "Files", CAUTION, files, f"{plural(len(bare), 'file')} without Parquet's page checksums"
        )
    else:
        yield Check("Files", PASS, files, "every page checksum verified")
    yield _completeness(record)
    if not counts.rows:
        return
    lost, limit = counts.invalid + counts.rejected, record.line.policy.max_invalid_share
    mark = PASS if lost == 0 else FAIL if counts.invalid > limit * counts.items else CAUTION
    yield Check(
        "Unusable rows",
        mark,
        f"{count(lost)}, {share(lost, counts.rows)}",
        f"{count(counts.invalid)} without a usable reading (limit {setting(limit)}), "
        f"{count(counts.rejected)} rejected",
    )


def _completeness(record: LineRecord) -> Check:
    stated = record.manifest
    if stated is None:
        return Check(
            "Completeness",
            UNKNOWN,
            "no producer manifest",
            "nothing says how many items there should be: completeness not verified",
        )
    figure = f"{plural(stated.n_files, 'file')}, {plural(stated.n_rows, 'row')} listed"
    if stated.problem is not None:
        return Check("Completeness", FAIL, figure, stated.problem)
    return Check("Completeness", PASS, figure, "every file is as the producer's manifest says")


def _measurement(record: LineRecord, tally: Tally | None, scale: Scale) -> Iterator[Check]:
    resolution = record.line.gauge.resolution
    if resolution is None:
        yield Check("Gauge", UNKNOWN, "no resolution stated", "readings are taken as exact")
        return
    figure = f"step {scale.reading(resolution)}"
    tolerances = [b.usl - b.lsl for b in record.line.batches if b.lsl is not None and b.usl]
    sds = [b.sd for b in record.batches if b.ran and b.sd]
    coarse = bool(tolerances) and resolution * STEPS_IN_TOLERANCE > min(tolerances)
    said = []
    if tolerances:
        said.append(f"1/{_parts(min(tolerances) / resolution)} of the narrowest tolerance")
    if sds:
        said.append(f"1/{_parts(min(sds) / resolution)} of the smallest sd")
    off = tally.off_grid if tally is not None else 0.0
    if off:
        said.append(f"{plural(int(off), 'reading')} off its grid")
    meaning = ", ".join(said) or "no tolerance to compare it with"
    yield Check("Gauge", CAUTION if coarse or off else PASS, figure, meaning)


def _parts(ratio: float) -> str:
    return count(ratio) if ratio >= 10 else significant(ratio, 2)


def _sample(record: LineRecord) -> Check:
    n = record.counts.items - record.counts.invalid
    least = record.line.policy.min_items
    figure = plural(n, "valid item")
    return Check("Sample", PASS if n >= least else FAIL, figure, f"at least {count(least)} needed")


def _converged(fit: FitRecord) -> Check:
    settled = fit.converged and fit.gap_items == 0
    moved = plural(fit.gap_items, "item")
    meaning = (
        "another pass would move no item to another batch"
        if fit.gap_items == 0
        else f"{moved} would still change batch"
    )
    figure = f"{significant(fit.gap_nats, 2)} nats to gain"
    return Check("Fit has converged", PASS if settled else FAIL, figure, meaning)


def _starts(fit: FitRecord) -> Check:
    figure = f"{count(fit.starts_at_best)} of {count(fit.starts)} agree"
    if fit.runner_up_nats is None:
        return Check("Starting points", PASS, figure, "no other solution was found")
    rival = f"the next best solution is {significant(fit.runner_up_nats)} nats below"
    close = fit.runner_up_nats < CLOSE_RIVAL
    return Check("Starting points", CAUTION if close else PASS, figure, rival)


def _shape(record: LineRecord, fit: FitRecord) -> Check:
    name = "Fit follows the data"
    if fit.goodness_p is None:
        return Check(name, UNKNOWN, "not tested", "too few readings to a cell for a test")
    figure = p_value(fit.goodness_p)
    effect = fit.goodness_effect
    meaning = "" if effect is None else f"size of the misfit {significant(effect, 2)}"
    if fit.goodness_p >= REJECTING_P:
        return Check(name, PASS, figure, f"{meaning}; no misfit can be shown".lstrip("; "))
    if record.verdict is Verdict.GOOD:
        small = "real with so many items, and too small to matter"
        return Check(name, PASS, figure, f"{meaning}: {small}".lstrip(": "))
    return Check(name, FAIL, figure, f"{meaning}; the shape differs".lstrip("; "))


def _sorting(record: LineRecord, fit: FitRecord) -> Iterator[Check]:
    if fit.separation is not None:
        d = fit.separation
        mark = PASS if d >= EASY_SEPARATION else CAUTION if d >= LEAST_SEPARATION else FAIL
        meaning = {
            "ok": "neighbouring batches can be told apart",
            "caution": "neighbouring batches overlap: expect several per cent on hold",
            "action": "this measurement cannot sort these batches: a holding is no cure",
        }[mark.tone]
        yield Check("Separation", mark, f"{significant(d)} sd", meaning)
    if fit.expected_misassigned is not None:
        yield _wrong_batches(fit, fit.expected_misassigned)
    else:
        reason = (
            "withdrawn: the fit is suspect" if record.verdict is Verdict.SUSPECT else "not known"
        )
        yield Check("Wrong batches", UNKNOWN, "no promise", reason)


def _robust(record: LineRecord, fit: FitRecord) -> Iterator[Check]:
    robust = fit.robust
    if robust is None:
        return
    items = record.counts.items - record.counts.invalid
    figure = f"{share(robust.items_changed, items)} in another batch"
    if math.isinf(robust.nu):
        meaning = (
            "a fit robust against outliers and heavy tails (t) is no better than this one: nothing "
            "says that they make it suspect, and it would put no item into another batch"
        )
        yield Check("Robust fit", UNKNOWN, figure, meaning)
        return
    changed = f"{_or_none(robust.items_changed)} of {plural(items, 'item')}"
    among = f" ({_or_none(robust.assigned_changed)} of the assigned)"
    meaning = (
        f"a fit robust against outliers and heavy tails (t, {robust.nu:g} degrees of freedom) "
        f"would put {changed}{among if robust.items_changed else ''} into another batch, and hold "
        f"{_or_none(robust.assigned_doubted)} of the assigned as ambiguous"
    )
    calm = robust.assigned_changed == 0 and robust.assigned_doubted == 0
    yield Check("Robust fit", PASS if calm else CAUTION, figure, meaning)


def _or_none(n: int) -> str:
    return count(n) if n else "none"


def _wrong_batches(fit: FitRecord, expected: float) -> Check:
    """Items in another batch, and strays taken for one, told apart."""
    meaning = "of the assigned items, by the model; verify against items of known batch"
    strays = 0.0
    if fit.confusion is not None:
        total = sum(map(sum, fit.confusion.items))
        strays = sum(row[-1] for row in fit.confusion.items) / total if total else 0.0
    if strays >= LEAST_TOLD:
        meaning = (
            f"of the assigned items are in another batch, by the model, and {ppm(strays)} are "
            "strays, if strays lie among the batches as they do beside them"
        )
    return Check("Wrong batches", PASS, f"{ppm(max(0.0, expected - strays))} expected", meaning)


def _window(record: LineRecord, fit: FitRecord) -> Check:
    wanted, found = record.line.policy.fit_window, len(record.window) + 1
    items = plural(fit.n_items, "item")
    if wanted == 1:
        return Check("Fit rests on", PASS, items, "this shift alone")
    shifts = ", ".join(f"{w.date} {w.shift}" for w in record.window)
    meaning = f"this shift and {shifts}" if shifts else "this shift alone"
    if found < wanted:
        meaning += f"; {count(wanted)} shifts are configured, no more were published"
    return Check("Fit rests on", PASS if found == wanted else CAUTION, items, meaning)
