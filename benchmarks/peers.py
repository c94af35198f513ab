"""One way to call scikit-learn's GaussianMixture and shiftmix, for the scoreboard.

Each takes readings, K, the gauge's step or None, and weights or None.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field

import numpy as np
from sklearn.mixture import GaussianMixture

from qc import Mixture, fit_mixture
from qc.errors import FitError

NO_WEIGHTS = "it takes no weights"


@dataclass(frozen=True)
class Outcome:
    """A fit: its mixture, or None where there is no answer, and what was said beside it."""

    mixture: Mixture | None
    labels: np.ndarray = field(default_factory=lambda: np.zeros(0))
    said: str = ""

    @property
    def sound(self) -> bool:
        """An answer without a NaN or an infinity."""
        m = self.mixture
        return m is not None and all(
            bool(np.isfinite(part).all()) for part in (m.weights, m.means, m.covariances)
        )

    def __str__(self) -> str:
        m = self.mixture
        if m is None:
            return f"no answer: {self.said}"
        parts = ", ".join(
            f"{100 * w:.4g} % at {mean:.6g} (sd {sd:.4g})"
            for w, mean, sd in zip(m.weights, m.means[:, 0], m.sds, strict=True)
        )
        return f"{parts}{'; ' + self.said if self.said else ''}"


def scikit_learn(
    readings: np.ndarray,
    k: int,
    resolution: float | None = None,  # noqa: ARG001
    counts: np.ndarray | None = None,
) -> Outcome:
    if counts is not None:
        return Outcome(None, said=NO_WEIGHTS)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model = GaussianMixture(k, random_state=0).fit(readings[:, None])
            labels = model.predict(readings[:, None])
        except (ValueError, FloatingPointError) as error:
            return Outcome(None, said=str(error).strip().splitlines()[0])
    order = np.argsort(model.means_[:, 0], kind="stable")
    # Not Mixture.of, which would refuse the NaN that is to be judged.
    mixture = Mixture(
        model.weights_[order].astype(float),
        model.means_[order].astype(float),
        model.covariances_[order].astype(float),
    )
    kinds = sorted({warning.category.__name__ for warning in caught})
    return Outcome(mixture, np.argsort(order)[labels], ", ".join(kinds))


def shiftmix(
    readings: np.ndarray,
    k: int,
    resolution: float | None = None,
    counts: np.ndarray | None = None,
) -> Outcome:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            fit = fit_mixture(readings, k, resolution=resolution, counts=counts)
            codes = [finding.code for finding in fit.findings]
            if fit.failed:
                return Outcome(None, said=", ".join(codes))
            labels = fit.mixture.posterior(readings, resolution).argmax(axis=1)
        except FitError as error:
            return Outcome(None, said=str(error).splitlines()[0])
        except Exception as error:  # any other error is what the row is there to show
            return Outcome(None, said=f"{type(error).__name__}: {error}")
    kinds = sorted({warning.category.__name__ for warning in caught})
    return Outcome(fit.mixture, labels, ", ".join(codes + kinds))
