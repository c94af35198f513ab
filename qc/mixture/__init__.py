"""The statistician's wing: fit a one-dimensional Gaussian mixture to a tally. Numbers only.

Read `fit` first, then `search`, `polish`, `em`, `information`, `likelihood`, `interval`.
"""

from qc.mixture.fit import fit_items, fit_mixture, fit_tally
from qc.mixture.grid import Grid, detect_grid, on_own_grid, tally_on_grid
from qc.mixture.items import Items
from qc.mixture.model import Background, Mixture
from qc.mixture.multivariate import fit_multivariate
from qc.mixture.multivariate_result import MultivariateFit
from qc.mixture.priors import BatchPrior, KnownItems
from qc.mixture.result import Fit
from qc.mixture.tally import Tally

__all__ = [
    "Background",
    "BatchPrior",
    "Fit",
    "Grid",
    "Items",
    "KnownItems",
    "Mixture",
    "MultivariateFit",
    "Tally",
    "detect_grid",
    "fit_items",
    "fit_mixture",
    "fit_multivariate",
    "fit_tally",
    "on_own_grid",
    "tally_on_grid",
]
