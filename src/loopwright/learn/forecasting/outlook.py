"""Parts that forecasting models share: holes filled, quantiles of a normal error, and what is asked checked.

    ask = asked(values, horizon, season, levels)     checked: Ask(values (B, T), horizon, seasons, levels)
    filled(values)                                   (B, T) without NaN: the last known value, or before it the first
    normal(point, spread, levels)                    (B, H, Q)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from loopwright.core.errors import InputError

LARGEST = 1e100  # values beyond are taken as missing: their squares would not be numbers


@dataclass(frozen=True)
class Ask:
    """What a model is asked.

    values   (B, T) float64, NaN where a value is missing; never infinite
    horizon  H points ahead
    seasons  points of each season, shortest first; (1,) for none
    levels   (Q,) quantile levels
    """

    values: np.ndarray
    horizon: int
    seasons: tuple[int, ...]
    levels: np.ndarray


def asked(values: np.ndarray, horizon: int, season: int | Sequence[int], levels: Sequence[float]) -> Ask:
    """The request, checked; infinities become missing.

    Raises InputError for values that are not (B, T) with a point at least, a horizon or season below 1, or levels
    that are not between 0 and 1 and rising.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 2 or numbers.shape[1] < 1:
        raise InputError("forecast", f"values of shape {numbers.shape}", "(series, times) with at least one time")
    if horizon < 1:
        raise InputError("forecast", f"horizon {horizon}", "1 or more points")
    seasons = tuple(sorted({int(s) for s in np.atleast_1d(season)}))
    if not seasons or seasons[0] < 1:
        raise InputError("forecast", f"season {season}", "1 (none) or more points")
    quantiles = np.asarray(levels, dtype=np.float64)
    rising = quantiles.ndim == 1 and quantiles.size and np.all(np.diff(quantiles) > 0)
    if not rising or quantiles[0] <= 0 or quantiles[-1] >= 1:
        raise InputError("forecast", f"levels {list(levels)}", "above 0, below 1, rising")
    known = np.abs(numbers) <= LARGEST  # False for NaN
    return Ask(np.where(known, numbers, np.nan), int(horizon), seasons, quantiles)


def filled(values: np.ndarray) -> np.ndarray:
    """(B, T) with each missing value replaced by the last one before it, else the first after it, else 0."""
    known = np.isfinite(values)
    at = np.where(known, np.arange(values.shape[1]), -1)
    before = np.maximum.accumulate(at, axis=1)
    first = np.where(known.any(axis=1), np.argmax(known, axis=1), 0)
    whole = np.take_along_axis(values, np.where(before >= 0, before, first[:, None]), axis=1)
    return np.where(np.isfinite(whole), whole, 0.0)


def mean_of(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(B,) mean over the last axis where known; 0 for none."""
    return np.where(known, values, 0.0).sum(axis=-1) / np.maximum(known.sum(axis=-1), 1)


def spread_of(errors: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(B,) root of the mean square of (B, n) errors where known; 0 for none."""
    return np.sqrt(mean_of(np.where(known, errors, 0.0) ** 2, known))


def normal(point: np.ndarray, spread: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """(B, H, Q) quantiles of normal errors around points (B, H) with spreads (B, H)."""
    z = np.array([NormalDist().inv_cdf(float(level)) for level in levels])
    return point[:, :, None] + spread[:, :, None] * z
