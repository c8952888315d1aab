"""Weighted least squares with standard errors that hold when the spread differs between units, or units share a person.

One estimator for both: CR3, the cluster jackknife, which with one unit per cluster is exactly HC3.
Sources: MacKinnon and White (1985) for HC3; Bell and McCaffrey (2002) for CR3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from loopwright.core.errors import InputError
from loopwright.improve.student import t_quantile


@dataclass(frozen=True)
class Fit:
    """Coefficients (k,), their covariance (k, k), degrees of freedom, rows and clusters."""

    beta: np.ndarray
    covariance: np.ndarray
    df: int
    rows: int
    clusters: int

    def error(self, column: int) -> float:
        """Standard error of a coefficient."""
        return float(np.sqrt(self.covariance[column, column]))

    def interval(self, column: int, level: float = 0.95) -> tuple[float, float]:
        """Interval of a coefficient by Student's t."""
        half = t_quantile(0.5 + 0.5 * level, self.df) * self.error(column)
        return float(self.beta[column] - half), float(self.beta[column] + half)


def least_squares(
    x: np.ndarray, y: np.ndarray, weights: np.ndarray | None = None, clusters: Sequence[str] | None = None
) -> Fit:
    """Fit of y on the columns of x, with cluster-robust (CR3) covariance.

    x         (n, k)  regressors, a column of ones among them when wanted
    y         (n,)    outcome
    weights   (n,)    more weight for better known rows; None: all alike
    clusters  (n,)    rows of the same label may be dependent; None: every row by itself (HC3)
    errors    InputError when a column is a combination of the others, or rows or clusters are too few
    """
    n, k = x.shape
    root = np.sqrt(np.ones(n) if weights is None else np.asarray(weights, dtype=float))
    xw, yw = x * root[:, None], y * root
    labels = np.arange(n) if clusters is None else np.unique(np.asarray(clusters), return_inverse=True)[1]
    groups = int(labels.max()) + 1 if n else 0
    if n <= k or groups < 2 or np.linalg.matrix_rank(xw) < k:
        raise InputError("regression", f"{n} rows in {groups} clusters and {k} columns cannot be told apart")
    bread = np.linalg.inv(xw.T @ xw)
    beta = bread @ (xw.T @ yw)
    left = yw - xw @ beta
    meat = _meat(xw, left, labels, bread)
    df = n - k if groups == n else min(n - k, groups - 1)
    return Fit(beta, bread @ meat @ bread, df, n, groups)


def _meat(x: np.ndarray, left: np.ndarray, labels: np.ndarray, bread: np.ndarray) -> np.ndarray:
    """Sum over clusters of the outer product of x' (1 - H)^-1 residual. (k, k)"""
    groups = int(labels.max()) + 1
    if groups == len(labels):
        score = x * (left / (1.0 - np.einsum("ij,jk,ik->i", x, bread, x)))[:, None]
        return score.T @ score
    meat = np.zeros((x.shape[1], x.shape[1]))
    for label in range(groups):
        rows = labels == label
        leverage = np.eye(int(rows.sum())) - x[rows] @ bread @ x[rows].T
        score = x[rows].T @ np.linalg.pinv(leverage) @ left[rows]
        meat += np.outer(score, score)
    return meat


def unit_weights(means: np.ndarray, variances_of_means: np.ndarray) -> np.ndarray:
    """Weights 1 / (between + within): a unit with few shots counts less, but never as little as its shots alone would
    say.

    means               (n,) outcome per unit
    variances_of_means  (n,) spread^2 / shots, NaN where unknown
    returns             (n,) weights with mean 1
    The variance between units is the moment estimate of DerSimonian and Laird (1986).
    """
    known = np.where(np.isfinite(variances_of_means) & (variances_of_means > 0), variances_of_means, np.nan)
    if np.isnan(known).all():
        return np.ones(len(means))
    within = np.where(np.isnan(known), np.nanmedian(known), known)
    w = 1.0 / within
    centre = (w * means).sum() / w.sum()
    q = (w * (means - centre) ** 2).sum()
    between = max(0.0, (q - (len(means) - 1)) / (w.sum() - (w**2).sum() / w.sum())) if len(means) > 1 else 0.0
    weights = 1.0 / (between + within)
    return weights / weights.mean()
