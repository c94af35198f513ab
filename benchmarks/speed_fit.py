"""The fits of `speed.py`: ours from Parquet to intervals, and what others need for as much.

Each function takes a column or its file and gives what it says; the caller holds the watch.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from sklearn.mixture import GaussianMixture

from benchmarks.speed_data import COLUMN
from flows.fitting import fit_column
from qc.mixture import Fit, Tally, fit_multivariate, fit_tally

K = 3
CERTIFICATE = 1e-9  # nats still to gain: what our fits promise
EQUAL = 1e-9  # scikit-learn's tol, in nats an item, at which it is as good as equal
R = """\
suppressMessages(library(mclust))
x <- readBin(commandArgs(TRUE)[1], "double", 1e9)
set.seed(1)
spent <- system.time(fit <- Mclust(x, G = 3, modelNames = "V", verbose = FALSE))["elapsed"]
cat(spent, fit$loglik, as.character(packageVersion("mclust")))
"""


def read_column(path: Path) -> np.ndarray:
    """The reading column as pyarrow reads it."""
    return np.asarray(pq.read_table(path, columns=[COLUMN])[COLUMN].to_numpy())


def ours(path: Path, resolution: float | None) -> Fit:
    """From Parquet to the certified answer with its intervals."""
    fit = fit_column(path, COLUMN, K, resolution=resolution, background=False).fit
    assert fit.converged
    assert np.isfinite(fit.intervals.means).all()
    return fit


def ours_of_several(x: np.ndarray) -> float:
    """The certified answer for several characteristics, (n, d), in memory; its log-likelihood."""
    fit = fit_multivariate(x, K)
    assert fit.converged
    return fit.log_likelihood


def best_density(x: np.ndarray) -> float:
    """The highest log-likelihood of the density, which the others climb."""
    return fit_tally(Tally.of(x), K).log_likelihood


def scikit_learn(x: np.ndarray, **settings: float) -> float:
    """Fit by scikit-learn; its log-likelihood."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows = x.reshape(len(x), -1)
        model = GaussianMixture(K, random_state=0, **settings).fit(rows)
    return float(model.score(rows) * len(x))


def plain_em(x: np.ndarray, resolution: float) -> tuple[float, int]:
    """Tally and weighted EM in plain numpy; its log-likelihood and steps.

    One start at quantiles, the density, no intervals. It ends when Aitken's bound on what is still
    to be gained is within the certificate.
    """
    ticks = np.rint(x / resolution).astype(np.int64)
    low = ticks.min()
    counts = np.bincount(ticks - low)
    present = np.flatnonzero(counts)
    z, n = (present + low) * resolution, counts[present].astype(float)
    middle = z[len(z) // 2]
    z = z - middle
    share = np.cumsum(n) / n.sum()
    m = np.interp((np.arange(K) + 0.5) / K, share, z)
    s = np.full(K, np.sqrt(n @ z**2 / n.sum()) / K)
    w = np.full(K, 1 / K)
    told = [-np.inf, -np.inf]
    while True:
        u = (z - m[:, None]) / s[:, None]
        f = (w / s)[:, None] * np.exp(-0.5 * u**2)
        total = f.sum(axis=0)
        log_likelihood = float(n @ np.log(total))
        gain, before = log_likelihood - told[-1], told[-1] - told[-2] if len(told) > 3 else 0.0
        told.append(log_likelihood)
        rate = gain / before if 0 < gain < before else 1.0
        if gain <= 0 or (rate < 1 and gain * rate / (1 - rate) <= CERTIFICATE):
            break
        f *= n / total
        items = f.sum(axis=1)
        w, m = items / n.sum(), f @ z / items
        s = np.sqrt((f * (z - m[:, None]) ** 2).sum(axis=1) / items)
    return log_likelihood - 0.5 * n.sum() * np.log(2 * np.pi), len(told) - 2


def mclust(x: np.ndarray) -> tuple[float, float, str] | None:
    """Seconds, log-likelihood and version of R's mclust; None where there is none."""
    if shutil.which("Rscript") is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        data, script = Path(folder, "x.bin"), Path(folder, "fit.R")
        x.astype("<f8").tofile(data)
        script.write_text(R, encoding="utf-8")
        run = subprocess.run(
            ["Rscript", "--vanilla", script, data], capture_output=True, text=True, check=False
        )
    if run.returncode != 0:
        return None
    seconds, log_likelihood, version = run.stdout.split()
    return float(seconds), float(log_likelihood), version
