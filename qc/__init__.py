"""Quality control of mixed items: fit the mixture, assign each item, hold what is in doubt."""

from qc.mixture import Fit, Mixture, Tally, fit_mixture

__all__ = ["Fit", "Mixture", "Tally", "fit_mixture"]
