"""The linear algebra that the small models share: scaling, taking out the feed rate, logistic regression."""

from __future__ import annotations

import numpy as np

from loopwright.core.errors import InputError


def filled(values: np.ndarray, middle: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """((n, f) with each NaN replaced, (f,) what by: the median of the training rows, 0 where none is known)."""
    if middle is None:
        columns = [column[np.isfinite(column)] for column in values.T]
        middle = np.array([float(np.median(column)) if len(column) else 0.0 for column in columns])
    return np.where(np.isfinite(values), values, middle), middle


def feed_effect(values: np.ndarray, feed_m_s: np.ndarray) -> np.ndarray:
    """(f,) how much each feature grows when the feed rate grows e-fold, by least squares over the training rows.

    A faster feed makes every spindle less steady, worn or not; without this a model learns the feed, not the wear. The
    labels are not used. Zeros when all rows have the same feed.
    """
    x = log_feed(feed_m_s)
    centred = x - x.mean()
    square = float(centred @ centred)
    return np.zeros(values.shape[1]) if square < 1e-12 else (centred @ (values - values.mean(axis=0))) / square


def log_feed(feed_m_s: np.ndarray) -> np.ndarray:
    """Natural logarithm of the feed rate in mm/s; below 0.01 mm/s it counts as that."""
    return np.log(np.maximum(np.asarray(feed_m_s, dtype=np.float64) * 1e3, 0.01))


def log_of(values: np.ndarray) -> np.ndarray:
    """Natural logarithm of measures that cannot be negative: what makes a machine twice as unsteady adds the same
    everywhere. A zero (a signal that never moves) counts as 1e-6; an unknown stays unknown."""
    return np.log(np.maximum(values, 1e-6))


def scale(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """((f,) mean, (f,) spread) of the training rows; a feature that never changes gets the spread 1."""
    spread = values.std(axis=0)
    return values.mean(axis=0), np.where(spread > 1e-12 * (1.0 + np.abs(values.mean(axis=0))), spread, 1.0)


def require_both(y: np.ndarray) -> None:
    """Raises InputError unless both classes are among the labels (n,) 0 or 1."""
    if len(np.unique(y)) < 2:
        raise InputError("training", "only one class is there", "runs of both: worn and unworn")


def fit_logistic(x: np.ndarray, y: np.ndarray, strength: float) -> tuple[np.ndarray, float]:
    """Coefficients (f,) and intercept of a logistic regression with ridge, both classes weighing the same.

    x (n, f) scaled features, y (n,) 0 or 1, strength: C, the inverse of the ridge (small: strong)

    Minimises sum_i w_i * log(1 + exp(-s_i * (x_i b + a))) + |b|**2 / (2 C), s_i = +-1, w_i = n / (2 n_class), by
    Newton's method; the intercept is not shrunk. The equal weights keep leave-one-out honest: otherwise the class that
    is left out becomes rarer in training, and chance alone pushes every answer to the wrong side.
    Source: A. E. Hoerl and R. W. Kennard, Technometrics 12 (1970) 55 (ridge); S. le Cessie and J. C. van Houwelingen,
    Applied Statistics 41 (1992) 191 (ridge logistic). Agrees with scikit-learn to 1e-6 (tests/learn/test_linear.py).
    Raises InputError when only one class is there.
    """
    y = np.asarray(y, dtype=np.float64)
    ones = float(y.sum())
    require_both(y)
    weight = np.where(y > 0.5, len(y) / (2 * ones), len(y) / (2 * (len(y) - ones)))
    wide = np.column_stack([x, np.ones(len(y))])
    ridge = np.diag([1.0 / strength] * x.shape[1] + [0.0])
    b = np.zeros(wide.shape[1])
    for _ in range(100):
        p = sigmoid(wide @ b)
        slope = wide.T @ (weight * (p - y)) + ridge @ b
        curve = (wide * (weight * p * (1.0 - p))[:, None]).T @ wide + ridge + 1e-12 * np.eye(len(b))
        step = np.linalg.solve(curve, slope)
        b -= step * min(1.0, 5.0 / (np.abs(step).max() + 1e-300))
        if np.abs(step).max() < 1e-10:
            break
    return b[:-1], float(b[-1])


def sigmoid(z: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-z)), without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * np.asarray(z, dtype=np.float64)))
