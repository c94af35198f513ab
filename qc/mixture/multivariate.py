"""Fit a mixture to several characteristics at once: full covariances, plain maximum likelihood.

1. distinct rows with their counts; constant and collinear columns are named, and end it;
2. standard units: z = R^-1 (x - location) has mean 0 and covariance I;
3. search, climbs, the highest optimum that is not spurious (multivariate_search.py, _em.py);
4. uncertainty: inverse of the observed information there.

The certificate is the Newton decrement by the exact observed information (beyond a thousand
parameters: Aitken's extrapolation of the log-likelihood, and no standard errors).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qc.errors import FitError
from qc.findings import Finding, Severity
from qc.mixture.multivariate_em import Rows, Summit, moved, posteriors
from qc.mixture.multivariate_result import MultivariateAnswer, MultivariateFit, Units
from qc.mixture.multivariate_search import Search, search
from qc.mixture.spurious import Fault

Floats = NDArray[np.float64]

COLLINEAR = 1e-10  # eigenvalue of the correlations: a column that is the others to 1e-5 of its sd
INVOLVED = 1e-3  # loading of a column in a collinear combination
ROUNDING = 8.0 * float(np.finfo(float).eps)  # of the level: a column that varies less is constant


def fit_multivariate(
    readings: ArrayLike, n_batches: int, *, counts: ArrayLike | None = None, seed: int = 0
) -> MultivariateFit:
    """Fit a Gaussian mixture with full covariances to readings of several characteristics.

    Parameters
    ----------
    readings : array-like of shape (n, d), each column in its own unit, finite
    n_batches : int
        K, the number of Gaussian components; ordered by the mean of the first column.
    counts : array-like of shape (n,), optional
        Weight of each row.
    seed : int
        Of the starting points; the answer should not depend on it.

    Raises
    ------
    FitError
        If the call makes no sense: K < 1, no readings, readings that are not finite.
    """
    x, weights = _distinct(*_judged(readings, n_batches, counts))
    d = x.shape[1]
    unfit = _constant(x) or _too_few(x, weights, n_batches)
    if unfit is not None:
        return _no_answer(x, weights, n_batches, unfit)
    units, unfit = _standard(x, weights)
    if unfit is not None:
        return _no_answer(x, weights, n_batches, unfit)
    rows = units.rows(x, weights)
    per_column = units.root / np.linalg.norm(units.root, axis=1, keepdims=True)
    found = search(rows, n_batches, per_column, seed)
    best = found.summits[0]
    if best.faults:
        return _no_answer(x, weights, n_batches, _fault_findings(rows, x, best))
    means = best.theta.means @ units.root.T
    order = np.lexsort(means.T[::-1])
    q = 1 + d + d * (d + 1) // 2
    at = (order[:, None] * q + np.arange(q)).ravel()
    covariance = None if best.curvature is None else best.curvature.covariance()
    answer = MultivariateAnswer(
        best.theta.ordered(order), None if covariance is None else covariance[np.ix_(at, at)], units
    )
    others = [s.log_likelihood for s in found.summits[1:] if not s.faults]
    log_unit = float(np.log(np.diag(units.root)).sum())
    return MultivariateFit(
        n=float(weights.sum()),
        n_distinct=len(x),
        n_batches=n_batches,
        n_parameters=_parameters(n_batches, d),
        n_characteristics=d,
        log_likelihood=best.log_likelihood - float(weights.sum()) * log_unit,
        gap=best.gap,
        gap_items=_changing_items(rows, best),
        converged=best.converged,
        passes=found.passes,
        starts=found.starts,
        starts_at_best=found.reached[0],
        runner_up=best.log_likelihood - max(others) if others else None,
        findings=_findings(found),
        answer=answer,
    )


def _judged(readings: ArrayLike, n_batches: int, counts: ArrayLike | None) -> tuple[Floats, Floats]:
    x = np.asarray(readings, dtype=np.float64)
    if n_batches < 1:
        raise FitError(f"n_batches is {n_batches}, must be >= 1")
    if x.ndim != 2 or x.shape[1] == 0:
        raise FitError(f"readings of shape {x.shape}, must be (n, d)")
    if not np.isfinite(x).all():
        bad = int((~np.isfinite(x)).any(axis=1).sum())
        raise FitError(
            f"{bad} of {len(x)} rows hold readings that are not finite",
            remedy="Leave rows with NaN and infinite readings out, and count them",
        )
    weights = np.ones(len(x)) if counts is None else np.asarray(counts, dtype=np.float64)
    if weights.shape != (len(x),) or not np.isfinite(weights).all() or (weights < 0).any():
        raise FitError(
            f"counts must be finite, >= 0 and one for each of the {len(x)} rows",
            remedy="Pass one count for each row",
        )
    if not (weights > 0).any():
        raise FitError("no readings to fit", remedy="Pass at least a few readings")
    return x[weights > 0], weights[weights > 0]


def _distinct(x: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Distinct rows in ascending order, and their counts: the same for any order of the items."""
    order = np.lexsort(x.T[::-1])
    x, weights = x[order], weights[order]
    new = np.append(True, (x[1:] != x[:-1]).any(axis=1))
    return x[new], np.add.reduceat(weights, np.flatnonzero(new))


def _standard(x: Floats, weights: Floats) -> tuple[Units, tuple[Finding, ...] | None]:
    """Standard units by the mean and covariance of all items, or why there are none."""
    n = weights.sum()
    location = x[len(x) // 2]
    location = location + weights @ (x - location) / n
    centred = x - location
    sds = np.sqrt(weights @ centred**2 / n)
    scaled = centred / sds
    correlations = (scaled.T * weights) @ scaled / n
    values, vectors = np.linalg.eigh(correlations)
    flat = values < COLLINEAR
    if not flat.any():
        return Units(location, sds[:, None] * np.linalg.cholesky(correlations)), None
    involved = np.flatnonzero(np.abs(vectors[:, flat]).max(axis=1) > INVOLVED)
    condition = values[-1] / max(values[0], float(np.finfo(float).eps))
    finding = Finding(
        "fit.collinear_columns",
        Severity.ACTION,
        f"Columns {_listed(involved)} say the same: one follows from the other"
        f"{'s' if len(involved) > 2 else ''} (condition of the correlations {condition:.1e}).",
        remedy="Leave one of these columns out",
    )
    return Units(location, np.diag(sds)), (finding,)


def _constant(x: Floats) -> tuple[Finding, ...] | None:
    spans, level = np.ptp(x, axis=0), np.abs(x).max(axis=0)
    columns = np.flatnonzero(spans <= ROUNDING * level)
    findings = [
        Finding(
            "fit.constant_column",
            Severity.ACTION,
            f"Column {column} reads {x[0, column]:g} for every item (it varies by "
            f"{spans[column]:g}): it tells no batches apart.",
            remedy="Leave this column out, or check its gauge",
        )
        for column in columns.tolist()
    ]
    return tuple(findings) or None


def _too_few(x: Floats, weights: Floats, n_batches: int) -> tuple[Finding, ...] | None:
    needed = n_batches * (x.shape[1] + 2)
    if len(x) >= needed:
        return None
    finding = Finding(
        "fit.too_few_distinct",
        Severity.ACTION,
        f"The {weights.sum():g} items show only {len(x)} distinct rows of readings; {n_batches} "
        f"batches of {x.shape[1]} characteristics need {needed}.",
        remedy="Check the gauges, or ask for fewer batches",
    )
    return (finding,)


def _no_answer(
    x: Floats, weights: Floats, n_batches: int, findings: tuple[Finding, ...]
) -> MultivariateFit:
    return MultivariateFit(
        n=float(weights.sum()),
        n_distinct=len(x),
        n_batches=n_batches,
        n_parameters=_parameters(n_batches, x.shape[1]),
        n_characteristics=x.shape[1],
        log_likelihood=-np.inf,
        gap=np.inf,
        gap_items=0.0,
        converged=False,
        passes=0,
        starts=0,
        starts_at_best=0,
        runner_up=None,
        findings=findings,
        answer=None,
    )


def _parameters(k: int, d: int) -> int:
    return k * (1 + d + d * (d + 1) // 2) - 1


def _findings(found: Search) -> tuple[Finding, ...]:
    findings = []
    best = found.summits[0]
    if not best.converged:
        findings.append(
            Finding(
                "fit.not_converged",
                Severity.ACTION,
                "The fit did not settle: the readings do not tell its batches apart "
                f"(still to gain: {best.gap:.2g} nats).",
                remedy="Check the number of batches",
            )
        )
    if any(s.faults and s.log_likelihood > best.log_likelihood for s in found.summits):
        findings.append(
            Finding(
                "fit.spurious_passed_over",
                Severity.NOTE,
                "A higher optimum of the likelihood was passed over: one of its batches would be a "
                "spike or a sliver of a few items.",
            )
        )
    return tuple(findings)


def _fault_findings(rows: Rows, x: Floats, summit: Summit) -> tuple[Finding, ...]:
    """Why the only optimum found is no answer, in plain words."""
    _, tau, _ = posteriors(rows, summit.theta)
    d, findings = x.shape[1], []
    for j, fault in summit.faults.items():
        own = rows.n * tau[j]
        at = "(" + ", ".join(f"{value:g}" for value in x[int(np.argmax(own))]) + ")"
        sentence = {
            Fault.COLLAPSED: f"A batch would shrink to no width in some direction, near {at}",
            Fault.SPIKE: f"A batch would rest on fewer than {d + 2} distinct rows, near {at}",
            Fault.SLIVER: f"A batch would be {own.sum():.0f} items in a sliver near {at}, no more "
            "than chance puts there",
        }[fault]
        remedy = "Ask for fewer batches"
        code = f"fit.{fault.value}"
        findings.append(Finding(code, Severity.ACTION, f"{sentence}: that is no batch.", j, remedy))
    return tuple(findings)


def _changing_items(rows: Rows, summit: Summit) -> float:
    """Items whose most likely component another Newton step would change."""
    if summit.curvature is None:
        return np.nan
    step, gap = summit.curvature.newton_step()
    theta = summit.theta
    after = moved(theta, step.reshape(len(theta.weights), -1)) if np.isfinite(gap) else None
    if after is None:
        return float(rows.n.sum())
    changing = 0.0
    for block in rows.blocks():
        now, then = (posteriors(block, t)[1].argmax(axis=0) for t in (theta, after))
        changing += float(block.n[now != then].sum())
    return changing


def _listed(columns: NDArray[np.int64]) -> str:
    return " and ".join(str(column) for column in columns)
