"""Invariance and degeneracy: the same suite on scikit-learn's GaussianMixture and on shiftmix.

    python -m benchmarks.scoreboard [--write]

scikit-learn is used as people use it: its defaults, with a random_state. shiftmix gets the gauge's
resolution where a case has a gauge, which scikit-learn has no way of being told.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import sklearn
from scipy import optimize, stats

from benchmarks.page import table, write_page
from benchmarks.peers import NO_WEIGHTS, Outcome, scikit_learn, shiftmix
from qc import Mixture

MAPPED = 1e-5  # sds: parameters nearer than this are the same answer
ENOUGH = 1e-6  # nats below the optimum
FAR = 4.0  # standard errors from the truth
HEAD = """\
# Scoreboard

Invariance and degeneracy, the same cases for scikit-learn {version} (`GaussianMixture`, its
defaults and random_state=0) and for shiftmix (`fit_mixture`, with the gauge's resolution where a
case has a gauge: scikit-learn cannot be told). K is the number of batches asked for. "The same
answer" is to 1e-5 sd.

Passed: scikit-learn {theirs}, shiftmix {ours}."""
TAIL = """\
Made by

```sh
python -m benchmarks.scoreboard --write
```"""


Fitter = Callable[..., Outcome]  # scikit_learn and shiftmix of peers.py
Verdict = tuple[bool | None, str]  # passed (None: does not apply), and what it did


def apart(one: Outcome, other: Outcome, scale: float = 1.0, level: float = 0.0) -> float:
    """How far other is from scale * one + level: the worst parameter, in sds (weights: as such)."""
    if not (one.sound and other.sound):
        return float("inf")
    a, b = one.mixture, other.mixture
    assert a is not None
    assert b is not None
    means = np.abs((b.means[:, 0] - level) / scale - a.means[:, 0]) / a.sds
    with np.errstate(over="ignore"):  # an sd that is wrong by more than float64 holds
        sds = np.abs(b.sds / scale / a.sds - 1.0)
    return float(max(means.max(), sds.max(), np.abs(b.weights - a.weights).max()))


def _same(one: Outcome, other: Outcome, scale: float = 1.0, level: float = 0.0) -> Verdict:
    if not other.sound:
        return False, str(other)
    distance = apart(one, other, scale, level)
    moved = int((one.labels != other.labels).sum()) if len(one.labels) == len(other.labels) else 0
    passed = distance <= MAPPED and moved == 0
    return passed, f"{distance:.1g} sd apart, {moved} labels changed"


def _bounded(outcome: Outcome, readings: np.ndarray) -> bool:
    """No NaN, no mean outside the readings."""
    if not outcome.sound:
        return False
    assert outcome.mixture is not None
    means = outcome.mixture.means
    return bool((means >= readings.min()).all() and (means <= readings.max()).all())


def _refused(outcome: Outcome) -> Verdict:
    """Right where there is no answer: a finding that says so, and nothing else."""
    return outcome.mixture is None and outcome.said.startswith("fit."), str(outcome)


def _rests_on_three(outcome: Outcome, readings: np.ndarray) -> bool:
    """Whether every batch rests on three distinct readings, and none on a floor."""
    if not _bounded(outcome, readings):
        return False
    assert outcome.mixture is not None
    m = outcome.mixture
    support = (m.posterior(np.unique(readings)) > 0.01).sum(axis=0)
    return bool((support[m.weights > 0] >= 3).all())


def _no_spike(outcome: Outcome, readings: np.ndarray) -> Verdict:
    """Batches of three distinct readings each, or no answer and a finding."""
    answered = outcome.mixture is not None
    right = _rests_on_three(outcome, readings) if answered else _refused(outcome)[0]
    return right, str(outcome)


def _near(outcome: Outcome, truth: Mixture, n: int) -> Verdict:
    """Every parameter near the truth, by the standard errors of well separated batches."""
    if not outcome.sound:
        return False, str(outcome)
    m = outcome.mixture
    assert m is not None
    items = truth.weights * n
    errors = np.concatenate(
        [
            (m.means[:, 0] - truth.means[:, 0]) / truth.sds * np.sqrt(items),
            (m.sds / truth.sds - 1) * np.sqrt(2 * items),
            (m.weights - truth.weights) / np.sqrt(truth.weights * (1 - truth.weights) / n),
        ]
    )
    return bool(np.abs(errors).max() < FAR), str(outcome)


THREE = Mixture.of([0.5, 0.3, 0.2], [0.0, 3.0, 7.0], [1.0, 0.7, 1.2])


def three(n: int = 1000) -> np.ndarray:
    """Three batches that overlap a little, read to 0.001."""
    return np.round(THREE.sample(n, np.random.default_rng(1))[0], 3)


def row_order(fit: Fitter) -> Verdict:
    x = three()
    order = np.random.default_rng(2).permutation(len(x))
    one, other = fit(x, 3), fit(x[order], 3)
    return _same(Outcome(one.mixture, one.labels[order], one.said), other)


def unit(scale: float) -> Callable[[Fitter], Verdict]:
    return lambda fit: _same(fit(three(), 3), fit(scale * three(), 3), scale=scale)


def huge(fit: Fitter) -> Verdict:
    return _same_or_refused(fit(three(), 3), fit(1e300 * three(), 3), 1e300)


def subnormal(fit: Fitter) -> Verdict:
    # Readings as whole multiples of the unit: the least numbers of float64 hold them exactly.
    x = np.round(three() * 1024)
    small = float(np.ldexp(1.0, -1040))
    return _same_or_refused(fit(x, 3), fit(x * small, 3), small)


def _same_or_refused(one: Outcome, other: Outcome, scale: float) -> Verdict:
    if other.mixture is None:
        return any(word in other.said for word in ("scale", "unit")), str(other)
    return _same(one, other, scale)


def level(fit: Fitter) -> Verdict:
    # A power of two and readings in 1/1024: the sum is exact, so nothing of the data is lost.
    x = np.round(three() * 1024) / 1024
    high = 2.0**27  # 1.3e8
    return _same(fit(x, 3), fit(x + high, 3), level=high)


def weights(fit: Fitter) -> Verdict:
    x = three()
    counts = np.random.default_rng(3).integers(0, 4, len(x))
    weighted = fit(x, 3, counts=counts)
    if weighted.said == NO_WEIGHTS:
        return None, NO_WEIGHTS
    repeated = fit(np.repeat(x, counts), 3)
    return _same(repeated, Outcome(weighted.mixture, said=weighted.said))


def all_equal(fit: Fitter) -> Verdict:
    return _refused(fit(np.full(100, 3.0), 2))


def few_distinct(fit: Fitter) -> Verdict:
    return _refused(fit(np.repeat([1.0, 2.0], 50), 3))


def n_equals_k(fit: Fitter) -> Verdict:
    return _refused(fit(np.array([1.0, 2.0, 4.0]), 3))


def heaped_gauge(fit: Fitter) -> Verdict:
    x = np.round(np.random.default_rng(4).normal(10, 0.006, 2000), 2)
    outcome = fit(x, 2, resolution=0.01)
    if outcome.mixture is None:
        return _refused(outcome)
    narrow = bool((outcome.mixture.sds < 0.005).any())
    warned = "batch.not_resolved" if narrow else "fit.not_converged"
    return _bounded(outcome, x) and warned in outcome.said, str(outcome)


def heap(fit: Fitter) -> Verdict:
    x = np.r_[np.random.default_rng(1).normal(size=40), np.full(30, 0.5)]
    return _no_spike(fit(x, 2), x)


def stray(fit: Fitter) -> Verdict:
    x = np.r_[np.random.default_rng(1).normal(size=400), 50.0]
    return _no_spike(fit(x, 2), x)


def small_share(fit: Fitter) -> Verdict:
    truth = Mixture.of([0.9999, 0.0001], [0.0, 10.0], [1.0, 0.5])
    x = np.r_[
        np.random.default_rng(5).normal(0, 1, 99_990), np.random.default_rng(6).normal(10, 0.5, 10)
    ]
    return _near(fit(x, 2), truth, len(x))


def tight(fit: Fitter) -> Verdict:
    truth = Mixture.of([0.5, 0.5], [0.0, 1.0], [0.0005, 0.0005])
    rng = np.random.default_rng(7)
    x = np.r_[rng.normal(0, 0.0005, 500), rng.normal(1, 0.0005, 500)]
    return _near(fit(x, 2), truth, len(x))


def three_of_82(fit: Fitter) -> Verdict:
    """Eighty-two readings like the galaxies' velocities (Roeder 1990), in 1000 km/s."""
    rng = np.random.default_rng(8)
    x = np.r_[
        rng.normal(9.7, 0.42, 7), rng.normal(20.0, 1.0, 42), rng.normal(23.5, 1.0, 30),
        [32.1, 32.8, 34.3],
    ]  # fmt: skip
    outcome = fit(x, 4)
    if not outcome.sound:
        return False, str(outcome)
    assert outcome.mixture is not None
    m = outcome.mixture
    last, items = m.means[-1, 0], len(x) * m.weights[-1]
    return bool(abs(last - x[-3:].mean()) < 0.1 and abs(items - 3) < 0.1), str(outcome)


def float32(fit: Fitter) -> Verdict:
    x = np.round(three() + 10, 2)
    one, other = fit(x, 3, resolution=0.01), fit(x.astype(np.float32), 3, resolution=0.01)
    return _same(one, other)


def equal_means(fit: Fitter) -> Verdict:
    truth = Mixture.of([0.6, 0.4], [0.0, 0.0], [1.0, 8.0])
    x = truth.sample(5000, np.random.default_rng(9))[0]
    return _short(fit(x, 2), x, truth)


def overlapping(fit: Fitter) -> Verdict:
    truth = Mixture.of([0.7, 0.3], [0.0, 2.2], [1.0, 1.0])
    x = truth.sample(50_000, np.random.default_rng(10))[0]
    return _short(fit(x, 2), x, truth)


def _short(outcome: Outcome, x: np.ndarray, truth: Mixture) -> Verdict:
    """Nats short of the optimum that scipy finds from the truth."""
    if not outcome.sound:
        return False, str(outcome)
    assert outcome.mixture is not None
    missing = optimum(x, truth) - float(outcome.mixture.log_density(x).sum())
    return missing <= ENOUGH, f"{max(missing, 0):.2g} nats short; {outcome}"


def optimum(x: np.ndarray, start: Mixture) -> float:
    """Log-likelihood of two batches at the summit nearest to start, by scipy."""

    def loss(p: np.ndarray) -> float:
        first = stats.norm.logpdf(x, p[1], np.exp(p[3])) - np.logaddexp(0, -p[0])
        second = stats.norm.logpdf(x, p[2], np.exp(p[4])) - np.logaddexp(0, p[0])
        return -float(np.logaddexp(first, second).sum())

    w = start.weights
    p = np.r_[np.log(w[0] / w[1]), start.means[:, 0], np.log(start.sds)]
    for method in ("BFGS", "Nelder-Mead"):
        options = {"xatol": 1e-9, "fatol": 1e-9} if method == "Nelder-Mead" else {"gtol": 1e-6}
        p = optimize.minimize(loss, p, method=method, options=options).x
    return -loss(p)


@dataclass(frozen=True)
class Case:
    name: str
    expected: str
    run: Callable[[Fitter], Verdict]


SAME = "the same answer, the same labels"
NO_SPIKE = (
    "no batch on fewer than three distinct readings, no floor as an sd; or no answer, and why"
)
CASES = (
    Case("rows in another order", SAME, row_order),
    Case("unit x 1e-9", SAME, unit(1e-9)),
    Case("unit x 1e9", SAME, unit(1e9)),
    Case("unit x 1e300", f"{SAME}; or refused for its scale", huge),
    Case("unit x 2^-1040 (subnormal)", f"{SAME}; or refused for its scale", subnormal),
    Case("level 1e8 sd (readings exact)", SAME, level),
    Case("whole weights", "as with repeated items", weights),
    Case("readings as float32, read to 0.01", SAME, float32),
    Case("all 100 readings equal, K = 2", "no answer, and why", all_equal),
    Case("two distinct readings, K = 3", "no answer, and why", few_distinct),
    Case("n = K = 3", "no answer, and why", n_equals_k),
    Case("heaped gauge: N(10, 0.006) read to 0.01, K = 2",
         "no answer, or one that says that its batches or sds cannot be told", heaped_gauge),
    Case("30 of 70 readings identical, K = 2", NO_SPIKE, heap),
    Case("one stray at 50 sd among 401, K = 2", NO_SPIKE, stray),
    Case("shares 99.99 % and 0.01 %, n = 100,000, 10 sd apart", "both within 4 SE", small_share),
    Case("two batches of sd 1/1000 of the data's", "both within 4 SE", tight),
    Case("a group of 3 of 82 as wide as its neighbours, K = 4", "a batch of 3 items", three_of_82),
    Case("equal means, sds 1 and 8, n = 5,000", "the optimum, to 1e-6 nats", equal_means),
    Case("2.2 sd apart, n = 50,000", "the optimum, to 1e-6 nats", overlapping),
)  # fmt: skip


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--write", action="store_true")
    options = arguments.parse_args()
    words = {True: "pass", False: "**fail**", None: "n/a"}
    lines, passed, applied = [], [0, 0], [0, 0]
    for case in CASES:
        cells = []
        for at, fitter in enumerate((scikit_learn, shiftmix)):
            right, did = case.run(fitter)
            passed[at] += right is True
            applied[at] += right is not None
            cells.append(f"{words[right]}: {did.replace('|', '/')}")
        lines.append([case.name, case.expected, *cells])
        print("\n    ".join(lines[-1]), flush=True)
    theirs, ours = (f"{p} of {n}" for p, n in zip(passed, applied, strict=True))
    print(f"passed: scikit-learn {theirs}, shiftmix {ours}")
    if options.write:
        head = HEAD.format(version=sklearn.__version__, theirs=theirs, ours=ours)
        columns = ["case", "expected", "scikit-learn", "shiftmix"]
        write_page("scoreboard", head, table(columns, lines), TAIL)


if __name__ == "__main__":
    main()
