"""The average of a posterior over uncertain log odds, against numerical integration."""

import numpy as np
import pytest
from scipy import integrate
from scipy.special import expit
from scipy.stats import norm

from qc.mixture.evidence import softened


@pytest.mark.parametrize("log_odds", [-1.0, 0.0, 1.0, 3.0, 10.0, 20.0])
@pytest.mark.parametrize("se", [0.0, 0.5, 1.0, 3.0])
def test_the_doubt_left_is_the_mean_over_normal_log_odds(log_odds: float, se: float) -> None:
    exact, _ = integrate.quad(
        lambda z: expit(-(log_odds + se * z)) * norm.pdf(z), -14, 14, limit=400, epsabs=1e-14
    )
    top = np.array([np.exp(log_odds)])
    doubt = 1.0 - softened(top, np.array([1.0]), np.array([se**2]))[0]
    assert doubt == pytest.approx(exact, rel=1e-3, abs=1e-12)
