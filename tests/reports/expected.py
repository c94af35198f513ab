"""What the model of a sample expects of its decisions, worked out item by item from its truth."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm

from qc.records import BatchCourse, Confusion, Course, Cut, Forecast, Separation

THRESHOLDS = (0.8, 0.9, 0.95, 0.99, 0.999)
APART = (2.0, 3.0, 4.0, 5.0, 6.0, 8.0)


def posteriors(x, shares, means, sds, level=0.0):
    """Chance of each batch, (m, B), and of none."""
    joint = np.array(
        [w * norm.pdf(x, m, s) if w else 0 * x for w, m, s in zip(shares, means, sds, strict=True)]
    )
    total = joint.sum(axis=0) + level
    return (joint / total).T, level / total


def confusion(x, best, kind, shares, means, sds, level) -> Confusion:
    chance, none = posteriors(x, shares, means, sds, level)
    rows = []
    for b in range(len(shares)):
        own = (kind == 0) & (best == b)
        rows.append((*map(float, chance[own].sum(axis=0)), float(none[own].sum())))
    return Confusion(tuple(rows))


def forecasts(x, kind, shares, means, sds, stated) -> tuple[Forecast, ...]:
    chance, _ = posteriors(x, shares, means, sds)
    top, found = chance.max(axis=1), []
    for threshold in THRESHOLDS:
        released = (kind != 2) & (top >= threshold)
        wrong = float((1 - top[released]).mean()) if released.any() and stated else None
        found.append(Forecast(threshold, 1 - float(released.mean()), wrong))
    return tuple(found)


def separations(shares, sds, own, stated) -> tuple[Separation, ...]:
    """Of two batches of those shares and sds, by a fine sum."""
    pooled = float(np.sqrt((sds[0] ** 2 + sds[1] ** 2) / 2))
    found = []
    for apart in sorted({*APART, own}):
        x = np.linspace(-10 * sds[0], apart * pooled + 10 * sds[1], 40_001)
        mass = np.array(
            [shares[0] * norm.pdf(x, 0, sds[0]), shares[1] * norm.pdf(x, apart * pooled, sds[1])]
        )
        released = mass.max(axis=0) >= 0.95 * mass.sum(axis=0)
        n = mass[:, released].sum()
        wrong = float(mass.min(axis=0)[released].sum() / n) if stated else None
        found.append(Separation(apart, float(1 - n / mass.sum()), wrong))
    return tuple(found)


def cuts(zones, shares, means, sds, threshold) -> tuple[Cut, ...]:
    """Roots of the log odds of neighbours that meet without a gap, with an error of sd / 100."""
    ran = [b for b, share in enumerate(shares) if share]
    found = []
    for a, b in pairwise(ran):
        between = [z for z in zones if means[a] < (z.low + z.high) / 2 < means[b]]
        if any(z.disposition == 2 for z in between):
            continue

        def odds(x, a=a, b=b):
            joint = [np.log(shares[k]) + norm.logpdf(x, means[k], sds[k]) for k in (a, b)]
            return joint[0] - joint[1]

        level = float(np.log(threshold / (1 - threshold)))
        for at, sides in ((level, (a, None)), (0.0, (a, b)), (-level, (None, b))):
            root = brentq(lambda x, at=at: odds(x) - at, means[a], means[b])
            found.append(Cut(float(root), sds[a] / 100, *sides))
    return tuple(found)


def quantile(values, level) -> float:
    """A reading of the gauge, not one between two of them."""
    return float(np.quantile(values, level, method="inverted_cdf"))


def course(shift, at, batch, x, kind, blocks=24) -> Course:
    """Blocks of a shift by the true batches; `at` is each item's share of the shift's time."""
    block = (at * blocks).astype(int)
    length = shift.end - shift.start
    batches = []
    for b in np.unique(batch):
        own = batch == b
        values = [x[own & (block == t)] for t in range(blocks)]
        told = [len(v) >= 10 for v in values]
        mean, low, high = (
            tuple(float(f(v)) if ok else None for v, ok in zip(values, told, strict=True))
            for f in (np.mean, lambda v: quantile(v, 0.05), lambda v: quantile(v, 0.95))
        )
        start, end = (shift.start + length * float(q) for q in np.quantile(at[own], (0.05, 0.95)))
        counts = tuple(float(len(v)) for v in values)
        batches.append(BatchCourse(int(b), counts, mean, low, high, start, end, 0.04, 1.3))
    held = kind > 0
    return Course(
        tuple(int(n) for n in np.bincount(block, minlength=blocks)),
        tuple(int(n) for n in np.bincount(block[held], minlength=blocks)),
        0,
        0,
        tuple(batches),
    )
