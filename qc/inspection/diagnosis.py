"""Is the fit to be believed? Goodness of fit, shape, the check of K, separation, and the verdict.

With a million items every model is significantly wrong, so a fit is suspect only if a test rejects
it *and* the misfit is large enough to matter. The G-test's effect size is Cohen's w, freed of its
bias, w = sqrt(max(0, (X^2 - dof) / n)); normal readings of skewness g have w near |g| / sqrt(6).
A shape has the skewness and excess kurtosis themselves.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from qc.findings import Finding, Severity
from qc.inspection.identity import BatchFit, check_of_k, with_unknown
from qc.mixture import Fit, Tally
from qc.mixture.goodness import Goodness, Shape
from qc.mixture.one_more import OneMore
from qc.plant import Line
from qc.records import Verdict
from qc.wording import THIN

Floats = NDArray[np.float64]

GOODNESS_P = 1e-3
GOODNESS_EFFECT = 0.06
SHAPE_P = 4e-3  # of each of the three questions about the shape ...
SKEWNESS = 0.1  # ... and the batches must be skewed by this much,
KURTOSIS = 0.2  # or their excess kurtosis be so far from 0: less changes no decision
SHAPE_EFFECT = 0.015  # the same for any shape, as an effect size
SHAPE_ERRORS = 2.0  # a batch is named with its own shape where that is so many standard errors
STRONG = 1.2  # a larger estimate is told without its figure: it is that of one step
ONE_MORE_BIC = 2.0  # the BIC must prefer one batch more by this much ...
ONE_MORE_GAIN = 5e-5  # ... and it must gain so many nats an item: with a million all is significant
ONE_MORE_SHARE = 0.005  # a smaller one is a cluster of strays


def judge_fit(
    tally: Tally, line: Line, fitted: BatchFit, test: Goodness | None
) -> tuple[Verdict, BatchFit, list[Finding]]:
    """The verdict on a fit, the fit to decide by, and why.

    They are one fit, except where a size that nobody configured stands apart from the others: then
    it is fitted beside them, so that its items are held and the other batches are not stretched.
    """
    unknown = unknown_batch(check_of_k(tally, line, fitted), fitted.fit, line.unit)
    if unknown is not None:
        fuller = with_unknown(tally, line, fitted)
        if fuller is not None:
            return Verdict.SUSPECT, fuller, [unknown_size(fuller, line.unit)]
    names = fitted.names(line.batches)
    judged, findings = verdict(fitted.fit.converged, test, names, line.unit)
    if judged is Verdict.GOOD and unknown is not None:
        return Verdict.SUSPECT, fitted, [unknown]
    return judged, fitted, list(findings)


def unknown_size(fitted: BatchFit, unit: str) -> Finding:
    """The finding on a size that stands apart."""
    assert fitted.unknown is not None
    mixture = fitted.fit.mixture
    mean, share = mixture.means[fitted.unknown, 0], mixture.weights[fitted.unknown]
    sentence = (
        f"A size that is not configured seems to have been run: {100 * share:.2g}{THIN}% "
        f"of the items, near {mean:.4g} {unit}. They are held; expected errors are not stated."
    )
    remedy = (
        "Find out what these items are; only a size that the line may make belongs in plant.toml"
    )
    return Finding("batch.unknown_size", Severity.ACTION, sentence, remedy=remedy)


def verdict(
    converged: bool, test: Goodness | None, names: Sequence[str], unit: str
) -> tuple[Verdict, tuple[Finding, ...]]:
    """Whether the fit is to be believed, and why not.

    Parameters
    ----------
    converged : bool
    test : Goodness or None
        None where it could not be tested.
    names : sequence of str
        Of the batches that ran, in the order of the mixture's components.
    unit : str
    """
    if test is None:
        return (Verdict.GOOD if converged else Verdict.SUSPECT), ()
    findings = []
    shape = _shape_in_words(test, names, unit)
    if shape:
        sentence = f"{shape}: expected errors are not stated."
        remedy = "Look at the histogram: tool wear, sorted-out items, outliers, or an unknown size"
        findings.append(Finding("fit.shape", Severity.ACTION, sentence, remedy=remedy))
    elif test.p < GOODNESS_P and test.effect > GOODNESS_EFFECT:
        sentence = (
            f"The readings do not follow the fitted batches (effect size {test.effect:.2f}, worst "
            f"near {test.at:.4g} {unit}): expected errors are not stated."
        )
        remedy = "Look at the histogram: a skewed batch, an unknown size, or heaped readings"
        findings.append(Finding("fit.suspect", Severity.ACTION, sentence, remedy=remedy))
    good = converged and not findings
    return (Verdict.GOOD if good else Verdict.SUSPECT), tuple(findings)


def _shape_in_words(test: Goodness, names: Sequence[str], unit: str) -> str:
    """How the batches depart from the normal shape; empty where that cannot be shown."""
    skewed = test.skewness_p < SHAPE_P and abs(test.common.skewness) > SKEWNESS
    tailed = test.kurtosis_p < SHAPE_P and abs(test.common.kurtosis) > KURTOSIS
    some = test.shape_p < SHAPE_P and test.shape_effect > SHAPE_EFFECT
    if not (skewed or tailed or some):
        return ""
    own = [
        f"Batch {name} is {words}"
        for name, shape in zip(names, test.batches, strict=True)
        if (words := _departure(shape))
    ]
    if own:
        return "; ".join(own)
    if not (skewed or tailed):
        return f"The batches are not normal (worst near {test.at:.4g} {unit})"
    told = [_skewed(test.common)] if skewed else []
    told += [_tailed(test.common)] if tailed else []
    return f"The batches are {' and '.join(told)}"


def _departure(shape: Shape) -> str:
    told = []
    if abs(shape.skewness) > max(SKEWNESS, SHAPE_ERRORS * shape.skewness_se):
        told.append(_skewed(shape))
    if abs(shape.kurtosis) > max(KURTOSIS, SHAPE_ERRORS * shape.kurtosis_se):
        told.append(_tailed(shape))
    return " and ".join(told)


def _skewed(shape: Shape) -> str:
    way = "upwards" if shape.skewness > 0 else "downwards"
    if abs(shape.skewness) > STRONG:
        return f"strongly skewed {way}"
    return f"skewed {way} (skewness about {shape.skewness:.2g} ± {shape.skewness_se:.1g})"


def _tailed(shape: Shape) -> str:
    way = "heavy-tailed" if shape.kurtosis > 0 else "flatter than a normal distribution"
    if abs(shape.kurtosis) > STRONG:
        return f"far {way}" if shape.kurtosis < 0 else f"very {way}"
    return f"{way} (excess kurtosis about {shape.kurtosis:.2g} ± {shape.kurtosis_se:.1g})"


def unknown_batch(more: OneMore | None, fit: Fit, unit: str) -> Finding | None:
    """The finding that one batch more fits the readings better, where that is so."""
    if more is None or more.share < ONE_MORE_SHARE:
        return None
    strong = 2.0 * more.gain - 3.0 * np.log(fit.n) > ONE_MORE_BIC
    if not strong or more.gain < ONE_MORE_GAIN * fit.n:
        return None
    sentence = (
        f"One batch more would fit the readings better: {100 * more.share:.2g}{THIN}% of "
        "the items, "
        f"near {more.mean:.4g} {unit}. That is a size that is not configured, or a batch that is "
        "not normal: expected errors are not stated."
    )
    remedy = "Look at the histogram there: was another size run, or is a batch skewed?"
    return Finding("fit.one_more", Severity.ACTION, sentence, remedy=remedy)
