"""The bootstrap agrees with the information where that is good, and answers where it is not."""

import numpy as np
from scipy.stats import norm

from qc import Mixture, fit_mixture
from qc.mixture.bootstrap import bootstrap_covariance
from qc.mixture.likelihood import Cells, Theta
from qc.mixture.priors import constraints


def test_it_agrees_with_the_information_of_a_clear_mixture() -> None:
    truth = Mixture.of([0.6, 0.4], [0.0, 5.0], [1.0, 0.8])
    x = np.round(truth.sample(4000, np.random.default_rng(0))[0], 1)
    fit = fit_mixture(x, 2, resolution=0.1)
    assert fit.answer is not None
    assert not fit.answer.bootstrapped
    z, n = np.unique((x - fit.answer.location) / fit.answer.scale, return_counts=True)
    cells = Cells(z, n.astype(float), fit.answer.width, None)
    limits = constraints([None, None], 0.0, 1.0, (z[0], z[-1]), 1e-6)
    theta: Theta = fit.answer.theta
    resampled = np.sqrt(np.diag(bootstrap_covariance(cells, theta, limits, 1)))
    exact = np.sqrt(np.diag(fit.answer.covariance))
    free = exact > 0
    # 100 replicates tell a standard error to 7 %
    assert np.allclose(resampled[free] / exact[free], 1.0, atol=0.3)


def test_a_mixture_of_two_equal_batches_is_said_to_be_flat_and_still_has_errors() -> None:
    # One batch seen as two: along the line of equal means the likelihood hardly changes.
    x = norm.ppf((np.arange(3000) + 0.5) / 3000)
    fit = fit_mixture(np.round(x, 1), 2, resolution=0.1)
    assert "fit.near_singular" in {finding.code for finding in fit.findings}
    # one batch of sd 1 says of its mean 1 / sqrt(3000) = 0.018; of each of two far less is known
    assert (fit.standard_errors.means > 0.03).all()
