"""Effects from data in which the parameter was chosen, not assigned: doubly robust and cross-fitted.

Usage confounds design: better players are given other clubs, so a plain difference mixes the player with the club. Both
estimators predict the outcome and the choice from the covariates, on people other than the one at hand (cross-fitting),
and use only what is left. They are right when what decided the choice is among the covariates; nothing in the data can
show that, so the result is always called observational. Source: Chernozhukov et al., "Double/debiased machine learning"
(2018); Robinson (1988); Robins et al. (1994).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from loopwright.core.errors import InputError
from loopwright.improve.regression import least_squares
from loopwright.improve.student import t_quantile


def partialling_out(
    y: np.ndarray,
    x: np.ndarray,
    covariates: np.ndarray,
    clusters: Sequence[Any] | None = None,
    folds: int = 5,
    seed: int = 0,
) -> tuple[float, float, float]:
    """Effect of a continuous parameter x on y, given covariates: (value, low, high) of a 95 % interval.

    y, x        (n,)    outcome and parameter
    covariates  (n, k)  what may have decided the choice of x and also moves y
    clusters    (n,)    persons: kept together in one fold, and in the standard error

    y - E[y | covariates] on x - E[x | covariates]; both expectations by least squares on quadratic features.
    """
    fold, z = _folds(y, clusters, folds, seed), _quadratic(covariates)
    left_y = y - _predict(z, y, fold)
    left_x = x - _predict(z, x, fold)
    fit = least_squares(left_x[:, None], left_y, clusters=clusters)
    low, high = fit.interval(0)
    return float(fit.beta[0]), low, high


def aipw(
    y: np.ndarray,
    treated: np.ndarray,
    covariates: np.ndarray,
    clusters: Sequence[Any] | None = None,
    folds: int = 5,
    seed: int = 0,
) -> tuple[float, float, float]:
    """Mean effect of having a revision (treated 0 or 1) on y: (value, low, high) of a 95 % interval.

    Augmented inverse propensity weighting: m1 - m0 + t (y - m1) / e - (1 - t) (y - m0) / (1 - e), averaged; right when
    either the outcome model m or the propensity model e is. InputError when some people could hardly have had the other
    revision.
    """
    fold, z = _folds(y, clusters, folds, seed), _quadratic(covariates)
    t = treated.astype(float)
    chance = np.empty(len(y))
    with_it, without = np.empty(len(y)), np.empty(len(y))
    for one in range(folds):
        here, rest = fold == one, fold != one
        chance[here] = _logistic(z[rest], t[rest], z[here])
        with_it[here] = _ridge(z[rest & (t > 0.5)], y[rest & (t > 0.5)], z[here])
        without[here] = _ridge(z[rest & (t < 0.5)], y[rest & (t < 0.5)], z[here])
    extreme = float(((chance < 0.02) | (chance > 0.98)).mean())
    if extreme > 0.05:
        raise InputError(
            "observational effect", f"{extreme:.0%} of people could hardly have had the other revision", "at most 5 %"
        )
    chance = np.clip(chance, 0.02, 0.98)
    scores = with_it - without + t * (y - with_it) / chance - (1 - t) * (y - without) / (1 - chance)
    fit = least_squares(np.ones((len(y), 1)), scores, clusters=clusters)
    half = t_quantile(0.975, fit.df) * fit.error(0)
    return float(fit.beta[0]), float(fit.beta[0]) - half, float(fit.beta[0]) + half


def _folds(y: np.ndarray, clusters: Sequence[Any] | None, folds: int, seed: int) -> np.ndarray:
    """A fold for each row; a person is in one fold only. (n,)"""
    labels = np.arange(len(y)) if clusters is None else np.unique(np.asarray(clusters), return_inverse=True)[1]
    groups = int(labels.max()) + 1
    if groups < 4 * folds:
        raise InputError("observational effect", f"{groups} persons", f"at least {4 * folds}")
    order = np.random.default_rng(seed).permutation(groups) % folds
    return order[labels]


def _quadratic(covariates: np.ndarray) -> np.ndarray:
    """Ones, standardised covariates, their squares and products. (n, k) -> (n, 1 + k + k (k + 1) / 2)"""
    spread = covariates.std(axis=0)
    z = (covariates - covariates.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    products = [z[:, i] * z[:, j] for i in range(z.shape[1]) for j in range(i, z.shape[1])]
    return np.column_stack([np.ones(len(z)), z, *products])


def _ridge(x: np.ndarray, y: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Least squares with a penalty just large enough to stay solvable."""
    penalty = 1e-6 * len(x) * np.eye(x.shape[1])
    return at @ np.linalg.solve(x.T @ x + penalty, x.T @ y)


def _predict(x: np.ndarray, y: np.ndarray, fold: np.ndarray) -> np.ndarray:
    predicted = np.empty(len(y))
    for one in range(int(fold.max()) + 1):
        predicted[fold == one] = _ridge(x[fold != one], y[fold != one], x[fold == one])
    return predicted


def _logistic(x: np.ndarray, t: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Probability of t = 1 by logistic regression (Newton's method with a small ridge)."""
    beta = np.zeros(x.shape[1])
    penalty = 1e-3 * np.eye(x.shape[1])
    for _ in range(25):
        p = 1.0 / (1.0 + np.exp(-np.clip(x @ beta, -30, 30)))
        hessian = (x * (p * (1 - p))[:, None]).T @ x + penalty
        step = np.linalg.solve(hessian, x.T @ (t - p) - penalty @ beta)
        beta = beta + step
        if float(np.abs(step).max()) < 1e-8:
            break
    return 1.0 / (1.0 + np.exp(-np.clip(at @ beta, -30, 30)))
