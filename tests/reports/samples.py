"""Hand-made shifts for the report's tests: simulated readings with a record as a fit would give it.

The parameters of the record are the simulator's own, the dispositions are worked out here from
them, one reading at a time, so that the pages can be checked against an independent answer.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import numpy as np
from scipy.stats import norm

from qc.findings import Finding, Severity
from qc.mixture import Tally
from qc.plant import Batch, Gauge, Line, Policy, Shift
from qc.records import (
    Average,
    BatchRecord,
    Chart,
    Charted,
    ControlLimits,
    Counts,
    Disposition,
    FitRecord,
    HeldItem,
    KnownBatches,
    LineEvidence,
    LineOutcome,
    LineRecord,
    LineStatus,
    Reject,
    ShiftPast,
    ShiftRecord,
    ShiftValues,
    Sign,
    Since,
    SourceFile,
    Trend,
    Verdict,
    WindowShift,
    Zone,
)
from tests.reports import expected

NIGHT = Shift(
    date(2026, 11, 22),
    "night",
    datetime(2026, 11, 22, 21, 0, tzinfo=UTC),
    datetime(2026, 11, 23, 5, 0, tzinfo=UTC),
)
BOTTLES = Line(
    "A",
    "volume",
    "L",
    "volume_l",
    (
        Batch("small", 1.0, 0.3, 0.316, 0.0, 2.0),
        Batch("large", 3.0, 0.3, 0.3, 2.0, 4.0),
    ),
    Gauge(0.01, 0.0, (-1.0, 6.0), (9.99,)),
    Policy(fit_window=3),
)
PINS = Line(
    "B",
    "diameter",
    "mm",
    "diameter_mm",
    (
        Batch("10.0", 10.0, 0.1, 0.08, 9.75, 10.25),
        Batch("10.6", 10.6, 0.1, 0.08, 10.35, 10.85),
        Batch("11.4", 11.4, 0.12, 0.12, 11.0, 11.8),
    ),
    Gauge(0.01, 0.0, (8.0, 14.0)),
)
RODS = Line(
    "C",
    "length",
    "mm",
    "length_mm",
    (Batch("short", 25.0, 0.12, 0.1, 24.7, 25.3), Batch("long", 25.9, 0.12, 0.12, 25.5, 26.3)),
    Gauge(0.01, 0.0, (20.0, 30.0), (0.0,)),
)
CAPS = Line("D", "torque", "N m", "torque_nm", (Batch("cap", 2.5, lsl=2.0, usl=3.0),), Gauge(0.05))
LIDS = Line("E", "mass", "g", "mass_g", (Batch("1"), Batch("2")), Gauge())


KNOWN = KnownBatches(  # of 1 300 assigned ones 3 are wrong
    items=1304,
    invalid=2,
    right=1297,
    wrong=3,
    held=4,
    not_run=0,
    anchored=0,
    observed=3 / 1300,
    observed_low=0.00047610,
    observed_high=0.0067301,
    predicted=0.0017,
    p=0.38,
    confusion=((797, 1, 3), (2, 500, 1)),
)


PAST = ShiftPast(  # B newly needs action, C is OK again, D was in error before
    NIGHT.date,
    "late",
    (
        LineOutcome("A", LineStatus.OK, 211, 24_411),
        LineOutcome("B", LineStatus.OK, 96, 30_807),
        LineOutcome("C", LineStatus.ACTION, 1_904, 18_122),
        LineOutcome("D", LineStatus.ERROR, 0, 0),
    ),
    (
        Since("B", "batch.displaced", NIGHT.date, "night", 1),
        Since("B", "fit.skewed", date(2026, 11, 21), "early", 6),
        Since("D", "line.error", date(2026, 10, 24), "early", 90, or_before=True),
        Since("E", "line.too_few_items", NIGHT.date, "night", 1),
    ),
)
PLAN = {
    "batch.displaced": "Stop spindle 2 and call the setter on duty (tel. 117).",
    "line": "Quarantine the line's pallets and call quality, tel. 230.",
}


def sha256(text: str) -> str:
    """A hash to show."""
    return hashlib.sha256(text.encode()).hexdigest()


def mixed(
    line: Line,
    seed: int,
    n: int,
    shares: tuple[float, ...],
    means: tuple[float, ...],
    sds: tuple[float, ...],
    *,
    strays: int = 0,
    findings: tuple[Finding, ...] = (),
    window: tuple[WindowShift, ...] = (),
    this_shift: tuple[float, ...] | None = None,
    verdict: Verdict = Verdict.GOOD,
    status: LineStatus = LineStatus.OK,
) -> tuple[LineRecord, LineEvidence]:
    """A line's shift drawn from a mixture; a share of 0 is a batch that was not run."""
    rng = np.random.default_rng(seed)
    gauge = line.gauge
    drawn = np.array(this_shift or shares)
    batch = rng.choice(len(shares), size=n, p=drawn / drawn.sum())
    x = rng.normal(np.array(means)[batch], np.array(sds)[batch])
    if strays:
        x[:strays] = rng.uniform(*(gauge.range or (0, 1)), size=strays)
    step = gauge.resolution or 1e-3
    x = np.rint(x / step) * step
    tally = Tally.of(x, resolution=gauge.resolution)
    background = strays / n if strays else None
    best, posterior, runner_up, kind = disposed(line, x, shares, means, sds, background)
    by_batch = tuple(int(((best == k) & (kind == 0)).sum()) for k in range(len(shares)))
    held = np.flatnonzero(kind > 0)
    names = [b.name for b in line.batches]
    items = tuple(
        HeldItem(
            item_id=f"{line.name}-{row + 100001}",
            reading=float(x[row]),
            disposition=Disposition(kind[row]).label,
            reason="batch in doubt" if kind[row] == 1 else "fits no batch",
            batch=names[best[row]],
            posterior=float(posterior[row]),
            runner_up=names[runner_up[row]] if runner_up[row] >= 0 else None,
            conforming=conforms(line.batches[best[row]], float(x[row])),
            measured_at=f"2026-11-22T2{1 + row % 3}:{row % 60:02d}:07+00:00",
            lot=f"L-{4400 + row % 7}",
        )
        for row in held[:100]
    )
    counts = Counts(
        rows=n + 33,
        assigned=sum(by_batch),
        ambiguous=int((kind == 1).sum()),
        atypical=int((kind == 2).sum()),
        unassessed=0,
        invalid=21,
        rejected=12,
        nonconforming=int(n * 0.0013),
        nonconforming_held=int(n * 0.0002),
        by_batch=by_batch,
        invalid_by_reason={"null": 17, "sentinel": 4},
        rejected_by_reason={"surplus copy": 9, "no id": 3},
        refused_files=0,
    )
    rows = tuple(
        batch_record(line, k, n, shares[k], means[k], sds[k], by_batch[k])
        for k in range(len(shares))
    )
    ran = [k for k in range(len(shares)) if shares[k]]
    gaps = [
        (means[b] - means[a]) / np.sqrt((sds[a] ** 2 + sds[b] ** 2) / 2) for a, b in pairwise(ran)
    ]
    stated = verdict is Verdict.GOOD
    along = zones_of(line, x, shares, means, sds, background)
    low, high = gauge.range or (0.0, 1.0)
    near = min(pairwise(ran), key=lambda two: gaps[ran.index(two[0])], default=None)
    confusion = expected.confusion(
        x, best, kind, shares, means, sds, (background or 0.0) / (high - low)
    )
    fit = FitRecord(
        likelihood="grouped" if gauge.resolution else "density",
        n_items=n + sum(w.n_items for w in window),
        n_distinct=len(tally),
        log_likelihood=-1.25 * n,
        bic=2.5 * n,
        converged=True,
        gap_nats=3.1e-10,
        gap_items=0,
        passes=41,
        starts=8,
        starts_at_best=6,
        runner_up_nats=412.7,
        background_share=background,
        goodness_p=0.21 if verdict is Verdict.GOOD else 2e-7,
        goodness_effect=0.011 if verdict is Verdict.GOOD else 0.21,
        separation=float(min(gaps)) if gaps else None,
        expected_misassigned=confusion.misassigned if stated else None,
        confusion=confusion if stated else None,
        forecasts=expected.forecasts(x, kind, shares, means, sds, stated),
        separations=()
        if near is None
        else expected.separations(
            [shares[k] for k in near], [sds[k] for k in near], float(min(gaps)), stated
        ),
        cuts=expected.cuts(along, shares, means, sds, line.policy.min_posterior),
    )
    path = f"line={line.name}/date=2026-11-22/shift=night/part-0.parquet"
    record = LineRecord(
        line=line,
        shift=NIGHT,
        status=status,
        verdict=verdict,
        findings=findings,
        counts=counts,
        batches=rows,
        fit=fit,
        window=window,
        zones=along,
        files=(SourceFile(path, sha256(path), n + 33, 412_904, True),),
        rejects=(
            Reject("surplus copy", path, 4121, f"{line.name}-104122", "equal to row 4120", ""),
            Reject("no id", path, 977, None, "item_id is null", "Ask the line's data logger"),
        ),
        config_sha256=sha256(repr(line)),
        input_sha256=sha256(path + "input"),
        course=expected.course(NIGHT, rng.random(n), batch, x, kind),
    )
    return record, LineEvidence(tally, items, items=(f"items/line={line.name}/part-00000.parquet",))


def disposed(line, x, shares, means, sds, background):
    """Most likely batch, its posterior, runner-up, and 0 assigned, 1 ambiguous, 2 atypical."""
    ran = [k for k in range(len(shares)) if shares[k]]
    joint = np.array([shares[k] * norm.pdf(x, means[k], sds[k]) for k in ran])
    tails = np.array([2 * norm.sf(abs(x - means[k]) / sds[k]) for k in ran])
    low, high = line.gauge.range or (0.0, 1.0)
    total = joint.sum(axis=0) + (background or 0.0) / (high - low)
    order = np.argsort(-joint, axis=0, kind="stable")
    best = np.array(ran)[order[0]]
    runner_up = np.array(ran)[order[1]] if len(ran) > 1 else np.full(len(x), -1)
    with np.errstate(invalid="ignore"):
        posterior = np.nan_to_num(joint.max(axis=0) / total)
    kind = np.where(posterior < line.policy.min_posterior, 1, 0)
    stray = joint.max(axis=0) < total - joint.sum(axis=0)
    kind[(tails.max(axis=0) < line.policy.atypical_level) | stray] = 2
    return best, posterior, runner_up, kind


def zones_of(line, x, shares, means, sds, background) -> tuple[Zone, ...]:
    """The rule along the axis, one gauge step after another."""
    step = line.gauge.resolution or 1e-3
    low, high = line.gauge.range or (x.min() - 1, x.max() + 1)
    grid = np.arange(round(low / step), round(high / step) + 1) * step
    best, _, _, kind = disposed(line, grid, shares, means, sds, background)
    code = kind * 100 + np.where(kind == 2, 0, best)
    starts = np.flatnonzero(np.diff(code, prepend=-1))
    ends = np.append(starts[1:], len(grid))
    return tuple(
        Zone(
            -np.inf if a == 0 else float(grid[a] - step / 2),
            np.inf if b == len(grid) else float(grid[b - 1] + step / 2),
            Disposition(kind[a]),
            int(best[a]) if kind[a] == 0 else None,
        )
        for a, b in zip(starts, ends, strict=True)
    )


def conforms(batch: Batch, x: float) -> bool | None:
    """Within both limits; None where there are none."""
    if batch.lsl is None or batch.usl is None:
        return None
    return batch.lsl <= x <= batch.usl


def batch_record(line, k, n, share, mean, sd, assigned) -> BatchRecord:
    """A batch with the errors that a clear mixture has."""
    name = line.batches[k].name
    if not share:
        nothing = [None] * 8
        return BatchRecord(name, False, 0.0, None, 0.0, 3.0 / n, *nothing, 0, 0.0)
    share_se, mean_se = (share * (1 - share) / n) ** 0.5, sd / (n * share) ** 0.5
    sd_se = mean_se / 2**0.5
    bounds = [
        bound
        for value, se in ((mean, mean_se), (sd, sd_se))
        for bound in (value, se, value - 1.96 * se, value + 1.96 * se)
    ]
    low, high = share - 1.96 * share_se, min(share + 1.96 * share_se, 1.0)
    return BatchRecord(name, True, share, share_se, low, high, *bounds, assigned, n * share)


def bottles() -> tuple[LineRecord, LineEvidence]:
    """1 L and 3 L in one shift; the fit rests on three."""
    window = tuple(
        WindowShift(date(2026, 11, 22), shift, f"v0001-{shift}", n, sha256(shift))
        for shift, n in (("early", 24_021), ("late", 23_877))
    )
    record, evidence = mixed(
        BOTTLES,
        1,
        24_500,
        (0.4951, 0.504),
        (1.002, 2.9985),
        (0.3165, 0.3002),
        strays=22,
        window=window,
        this_shift=(0.62, 0.38),
    )
    return replace(record, known=KNOWN), evidence


def trend_of(line: Line, n: int, *, gaps: tuple[int, ...] = ()) -> Trend:
    """Charts over n shifts, plain 3 sigma limits: a step in the first, a drift in the second."""
    rng = np.random.default_rng(n)
    shifts = tuple(
        (NIGHT.date - timedelta(days=(n - 1 - k) // 3), ("night", "late", "early")[(n - 1 - k) % 3])
        for k in range(n)
    )
    figures: tuple[Charted, ...] = ("mean", "sd", "share")
    series = [(b, figure) for b in range(len(line.batches)) for figure in figures]
    charts = []
    for b, figure in [*series, (None, "ambiguous share")]:
        level = {"mean": 10.0 + 0.5 * (b or 0), "sd": 0.08, "share": 0.3}.get(figure, 0.004)
        x = level * (1 + 0.002 * rng.standard_normal(n))
        sign: Sign | None = None
        if (b, figure) == (0, "mean"):
            x[-1], sign = level * 1.03, "step"
        if (b, figure) == (0, "sd"):
            x[-5:] += 0.003 * level
            sign = "drift"
        centre, sigma = float(x[:-1].mean()), float(x[:-1].std())
        low, high = centre - 3 * sigma, centre + 3 * sigma
        ewma = Average(centre + sigma / 4, centre - sigma, centre + sigma)
        limits = ControlLimits(n - 1, centre, low, high, centre, 3.69, 0.4, ewma)
        if figure == "ambiguous share":
            limits = replace(limits, low=0.0, ewma=None, moving_range=None)
        values = tuple(None if b == 2 and k in gaps else float(v) for k, v in enumerate(x))
        since = None if sign is None else n - 1 if sign == "step" else n - 5
        charts.append(Chart(b, figure, values, limits, sign, since))
    return Trend(shifts, tuple(charts), 8)


def before(record: LineRecord) -> ShiftValues:
    """A shift before with the record's parameters, but for the first batch's mean and sd."""
    values = record.values()
    assert values is not None
    first = values.batches[0]
    assert first.mean_se is not None
    moved = replace(first, mean=first.mean + 10 * first.mean_se, sd=first.sd + first.mean_se)
    return replace(values, shift="late", batches=(moved, *values.batches[1:]))


def pins() -> tuple[LineRecord, LineEvidence]:
    """Three sizes, one of them off its nominal."""
    findings = (
        Finding(
            "batch.displaced",
            Severity.ACTION,
            "Batch 10.6 sits at 10.681 mm, 0.081 mm above its nominal and at 81 % of the drift "
            "that is allowed.",
            1,
            "Check the tool offset of the second spindle, then confirm the nominal.",
        ),
        Finding("fit.skewed", Severity.CAUTION, "Batch 11.4 has a longer tail to the right.", 2),
        Finding("input.duplicates", Severity.NOTE, "9 surplus copies of rows were left out."),
    )
    record, evidence = mixed(
        PINS,
        2,
        31_200,
        (0.349, 0.45, 0.2),
        (10.004, 10.681, 11.391),
        (0.081, 0.083, 0.124),
        strays=31,
        findings=findings,
        verdict=Verdict.SUSPECT,
        status=LineStatus.ACTION,
    )
    trend = trend_of(PINS, 26, gaps=(4, 5, 11))
    return replace(record, trend=replace(trend, last=before(record))), evidence


def rods() -> tuple[LineRecord, LineEvidence]:
    """Two sizes configured, one run; the line's first shift."""
    note = Finding("batch.not_run", Severity.NOTE, "Batch long was not run in this shift.", 1)
    record, evidence = mixed(
        RODS, 3, 18_034, (1.0, 0.0), (25.003, 25.9), (0.101, 0.12), findings=(note,)
    )
    first = Trend(((NIGHT.date, NIGHT.name),), (Chart(0, "mean", (25.003,)),), 8)
    return replace(record, trend=first), evidence


def caps() -> tuple[LineRecord, LineEvidence]:
    """A line whose only file is damaged."""
    path = "line=D/date=2026-11-22/shift=night/part-0.parquet"
    remedy = "Have the line's data logger send the file again"
    none = Counts(0, 0, 0, 0, 0, 0, 0, 0, (0,), {}, {}, 1)
    error = f"none of 1 file can be used: truncated or still being written (file {path}). {remedy}"
    record = LineRecord(
        CAPS,
        NIGHT,
        LineStatus.ERROR,
        None,
        (Finding("line.error", Severity.ACTION, error, None, remedy),),
        none,
        (),
        None,
        (),
        (),
        (),
        (Reject("file refused", path, None, None, "truncated or still being written", remedy),),
        sha256("D"),
        sha256(""),
        error,
    )
    return record, LineEvidence(None, ())


def lids() -> tuple[LineRecord, LineEvidence]:
    """Too few items, and a gauge of which nothing is stated."""
    x = np.random.default_rng(5).normal(12.4, 0.31, 23)
    few = Finding(
        "line.too_few_items",
        Severity.CAUTION,
        "23 valid items; at least 50 are needed to tell batches apart.",
        None,
        "Hold them, or lengthen the fit window.",
    )
    counts = Counts(23, 0, 0, 0, 23, 0, 0, 0, (0, 0), {}, {}, 0)
    held = tuple(
        HeldItem(
            f"E-{k}", float(v), "unassessed", "too few items", None, None, None, None, None, None
        )
        for k, v in enumerate(x)
    )
    path = "line=E/date=2026-11-22/shift=night/part-0.parquet"
    record = LineRecord(
        LIDS,
        NIGHT,
        LineStatus.NOT_ASSESSED,
        None,
        (few,),
        counts,
        (),
        None,
        (),
        (),
        (SourceFile(path, sha256(path), 23, 1204, False),),
        (),
        sha256("E"),
        sha256("E in"),
    )
    return record, LineEvidence(Tally.of(x), held)


def shift() -> tuple[ShiftRecord, dict[str, LineEvidence]]:
    """A shift with every kind of line."""
    lines = [bottles(), pins(), rods(), caps(), lids()]
    unknown = Finding(
        "shift.unknown_line",
        Severity.ACTION,
        "The readings hold a line F with 1 file and 412 rows that is not configured.",
        None,
        "Add a [[line]] named F to plant.toml, or stop sending it.",
    )
    record = ShiftRecord(
        "Springfield",
        "Europe/Berlin",
        NIGHT,
        tuple(record for record, _ in lines),
        (unknown,),
        "shiftmix 0.1.0+3f9c2ab41d07",
        PAST,
        PLAN,
    )
    return record, {record.line.name: evidence for record, evidence in lines}


def with_texts(payload: str) -> tuple[ShiftRecord, dict[str, LineEvidence]]:
    """A shift in which every text that comes from data or configuration is `payload`."""
    record, evidence = shift()
    finding = Finding(payload, Severity.ACTION, payload, None, payload)
    lines = []
    for line in record.lines:
        batches = tuple(replace(batch, name=payload) for batch in line.line.batches)
        lines.append(
            replace(
                line,
                line=replace(line.line, characteristic=payload, unit=payload, batches=batches),
                findings=(finding,),
                batches=tuple(replace(batch, name=payload) for batch in line.batches),
                counts=replace(
                    line.counts,
                    invalid_by_reason={payload: line.counts.invalid},
                    rejected_by_reason={payload: line.counts.rejected},
                ),
                files=tuple(replace(file, path=payload) for file in line.files),
                rejects=tuple(Reject(payload, payload, 3, payload, payload, payload) for _ in "x"),
                trend=line.trend
                and replace(
                    line.trend,
                    shifts=tuple((day, payload) for day, _ in line.trend.shifts),
                    last=line.trend.last
                    and replace(
                        line.trend.last,
                        shift=payload,
                        batches=tuple(replace(b, name=payload) for b in line.trend.last.batches),
                    ),
                ),
                error=payload if line.error else None,
            )
        )
    texts = {"item_id": payload, "batch": payload, "runner_up": payload, "lot": payload}
    texts |= {"decided_batch": payload, "authorised_by": payload, "remark": payload}
    texts |= {"decided": "regrade", "remeasured_disposition": "ambiguous"}
    texts |= {"remeasured_batch": payload, "measured_at": payload}
    hostile = {}
    for name, one in evidence.items():
        items = tuple(replace(item, **texts, remeasured=2.0) for item in one.held[:3])
        hostile[name] = replace(one, held=items, open=items)
    changed = replace(
        record,
        plant=payload,
        shift=replace(record.shift, name=payload),
        lines=tuple(lines),
        findings=(finding,),
        software=payload,
        past=replace(PAST, shift=payload, since=since_of(payload)),
        reaction={payload: payload},
    )
    return changed, hostile


def since_of(payload: str) -> tuple[Since, ...]:
    """The runs of a finding and in a shift that are both named `payload`."""
    return tuple(Since(line, payload, NIGHT.date, payload, 2) for line in "ABCDE")
