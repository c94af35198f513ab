"""Quality control of mixed items: fit the mixture, assign each item, hold what is in doubt."""

from typing import TYPE_CHECKING

from qc.lazily import lazily

if TYPE_CHECKING:
    from qc.mixture import Fit, Mixture, Tally, fit_mixture
else:
    __getattr__ = lazily(
        "qc",
        {"Fit": "mixture", "Mixture": "mixture", "Tally": "mixture", "fit_mixture": "mixture"},
    )

__all__ = ["Fit", "Mixture", "Tally", "fit_mixture"]
