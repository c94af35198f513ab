"""The statistician's wing: fit a one-dimensional Gaussian mixture to a tally. Numbers only.

Read `fit` first, then `search`, `polish`, `em`, `information`, `likelihood`, `interval`.
"""

from qc.mixture.fit import Fit, fit_mixture, fit_tally
from qc.mixture.model import Background, Mixture
from qc.mixture.priors import BatchPrior
from qc.mixture.tally import Tally

__all__ = ["Background", "BatchPrior", "Fit", "Mixture", "Tally", "fit_mixture", "fit_tally"]
