"""Would one batch more fit the readings better? The check of K.

A component is tried beside the fitted mixture wherever the readings exceed it most
(insertions.py), and the best of these mixtures of K + 1 are climbed. On the coarse copy of the
tally, since only the gain is asked for, and from the fit itself, so that it costs a tenth of a
search.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from qc.mixture.fit import limits_beside
from qc.mixture.insertions import insertions
from qc.mixture.likelihood import log_likelihood
from qc.mixture.polish import polish
from qc.mixture.priors import BatchPrior
from qc.mixture.result import Fit
from qc.mixture.runs import coarsen, short_runs
from qc.mixture.starts import bounded
from qc.mixture.tally import Tally

CLIMBED = 4
PASSES = 100


@dataclass(frozen=True, slots=True)
class OneMore:
    """A batch more: nats gained, and its share, mean and sd in the readings' unit."""

    gain: float
    share: float
    mean: float
    sd: float


def one_batch_more(
    tally: Tally,
    fit: Fit,
    priors: Sequence[BatchPrior | None],
    spread: Literal["free", "common", "proportional"] = "free",
) -> OneMore | None:
    """The best batch to add to a fit; None where none that is admissible gains.

    Parameters
    ----------
    tally : Tally
    fit : Fit
        Of this tally; FitError where it has no answer.
    priors : sequence of BatchPrior or None
        Those of the fit, in its order.
    spread : {"free", "common", "proportional"}
    """
    answer = fit.answered()
    rest, k = answer.theta, answer.theta.k
    cells = replace(answer.cells(tally.values), n=tally.counts)
    coarse = coarsen(cells)
    small = coarse.cells(cells)
    limits = limits_beside(answer, cells, [*priors, None], spread)
    asked = insertions(cells, coarse, rest)
    if not asked:
        return None
    mean, sd, share = (np.array(column)[:, None] for column in zip(*asked, strict=True))
    weights = np.hstack([rest.weights[:k] * (1.0 - share), share])
    means = np.hstack([np.tile(rest.means, (len(asked), 1)), mean])
    sds = np.hstack([np.tile(rest.sds, (len(asked), 1)), sd])
    nowhere = np.zeros(k + 1, dtype=bool)  # the fit knows better than the nominals
    runs = short_runs(cells, coarse, bounded(cells, limits, nowhere, weights, means, sds), limits)
    best = np.argsort(-runs.objective, kind="stable")[:CLIMBED]
    summits = [polish(small, runs.theta(int(run)), limits, PASSES) for run in best]
    admissible = [summit for summit in summits if not summit.faults]
    if not admissible:
        return None
    top = max(admissible, key=lambda summit: summit.log_likelihood)
    theta = top.theta
    return OneMore(
        gain=top.log_likelihood - log_likelihood(small, rest),
        share=float(theta.weights[k]),
        mean=answer.location + answer.scale * float(theta.means[k]),
        sd=answer.scale * float(theta.sds[k]),
    )
