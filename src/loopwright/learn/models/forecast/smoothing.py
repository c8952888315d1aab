"""Exponential smoothing with a level, a damped trend and a season, additive; its gains chosen on the series' own past.

    level  <- level + damp trend + a e        e = y - (level + damp trend + season[slot])
    trend  <- damp trend + a b e
    season[slot] <- season[slot] + g (1 - a) e
    y(T + h) = level + (damp + ... + damp^h) trend + season[slot of T + h]

Each of GAINS runs over the last HISTORY points; the one with the least mean |e| over the second half is used. The
spread grows as of the state-space form. A missing value teaches nothing.
Source: E. S. Gardner and E. McKenzie, Management Science 31 (1985) 1237 (damped trend); R. J. Hyndman, A. B. Koehler,
J. K. Ord and R. D. Snyder, Forecasting with Exponential Smoothing (2008), ch. 2 and table 6.1 (variance).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from loopwright.learn.forecasting.outlook import Ask, asked, filled, normal

NAME = "smoothing"
MEANING = "Exponential smoothing: level, damped trend and season, gains chosen on the series' own past."
BASELINE = True
HISTORY = 3000  # points, and at least four seasons
LEVEL_GAINS, TREND_GAINS, SEASON_GAINS = (0.02, 0.1, 0.3, 0.8), (0.0, 0.1), (0.05, 0.3)
DAMP = 0.9


def predict(
    values: np.ndarray, horizon: int, season: int | Sequence[int], levels: Sequence[float], seed: int = 0
) -> np.ndarray:
    """(B, H, Q) quantiles of the next H values of series (B, T); NaN is missing."""
    ask = asked(values, horizon, season, levels)
    period = ask.seasons[0] if 2 * ask.seasons[0] <= ask.values.shape[1] else 1
    recent = ask.values[:, -max(HISTORY, 4 * period):]
    gains = np.array(list(product(LEVEL_GAINS, TREND_GAINS, SEASON_GAINS if period > 1 else (0.0,)))).T
    level, trend, seasonal, errors = _run(recent, period, gains)
    best = errors[0].argmin(axis=1)
    row = np.arange(len(best))
    return _ahead(ask, gains[:, best], (level[row, best], trend[row, best], seasonal[row, best]), errors[1][row, best])


def _start(values: np.ndarray, period: int) -> tuple[np.ndarray, np.ndarray]:
    """(level (B,), season (B, period)) from the first periods: slot means less their mean."""
    count = max(min(values.shape[1] // period, 4), 1)
    first = filled(values)[:, : count * period].reshape(len(values), count, period).mean(axis=1)
    level = first.mean(axis=1)
    return level, first - level[:, None]


def _run(
    values: np.ndarray, period: int, gains: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Level (B, G), trend (B, G), season (B, G, period) from the end on, and the errors of each gain: (mean |e| over
    the second half, root mean square) (B, G)."""
    a, b, g = gains
    first, slots = _start(values, period)
    level = np.repeat(first[:, None], len(a), axis=1)
    trend, seasonal = np.zeros_like(level), np.repeat(slots.T[:, :, None], len(a), axis=2)  # (period, B, G)
    size, square, count = np.zeros_like(level), np.zeros_like(level), np.zeros((len(values), 1))
    half = values.shape[1] // 2
    for t in range(values.shape[1]):
        slot = seasonal[t % period]
        value = values[:, t:t + 1]
        error = np.where(np.isfinite(value), value - level - DAMP * trend - slot, 0.0)
        level = level + DAMP * trend + a * error
        trend = DAMP * trend + a * b * error
        slot += g * (1.0 - a) * error
        if t >= half:
            size, square, count = size + np.abs(error), square + error**2, count + np.isfinite(value)
    seen = np.maximum(count, 1)
    turned = np.roll(seasonal, -(values.shape[1] % period), axis=0)
    return level, trend, turned.transpose(1, 2, 0), (size / seen, np.sqrt(square / seen))


def _ahead(
    ask: Ask, gains: np.ndarray, state: tuple[np.ndarray, np.ndarray, np.ndarray], spread: np.ndarray
) -> np.ndarray:
    """(B, H, Q) from the last state of the chosen gains (3, B)."""
    level, trend, seasonal = state
    a, b, g = (gain[:, None] for gain in gains)
    period = seasonal.shape[1]
    ahead = np.arange(1, ask.horizon + 1)
    damp = np.cumsum(DAMP**ahead)
    point = level[:, None] + damp * trend[:, None] + seasonal[:, (ahead - 1) % period]
    weights = a * (1.0 + b * damp) + g * (1.0 - a) * (ahead % period == 0)
    grown = 1.0 + np.cumsum(weights**2, axis=1) - weights**2
    return normal(point, spread[:, None] * np.sqrt(grown), ask.levels)
