"""What was one season ago, with normal errors that grow with each season ahead.

    y(T + h) = y(T + h - s k), k = ceil(h / s);   spread(h) = spread of y(t) - y(t - s), times root k

The shortest season is used; without one it is the last value. Missing values are the last known one.
Source: R. J. Hyndman and G. Athanasopoulos, Forecasting: Principles and Practice, 3rd ed., sections 5.2 and 5.5.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from loopwright.learn.forecasting.outlook import Ask, asked, filled, normal, spread_of

NAME = "seasonal_naive"
MEANING = "What was one season ago."
BASELINE = True


def predict(
    values: np.ndarray, horizon: int, season: int | Sequence[int], levels: Sequence[float], seed: int = 0
) -> np.ndarray:
    """(B, H, Q) quantiles of the next H values of series (B, T); NaN is missing."""
    return of_season(asked(values, horizon, season, levels))


def of_season(ask: Ask) -> np.ndarray:
    """The same for a request that was checked."""
    total = ask.values.shape[1]
    season = max((s for s in ask.seasons[:1] if s <= total), default=1)
    whole = filled(ask.values)
    ahead = np.arange(ask.horizon)
    point = whole[:, total - season + ahead % season]
    gaps = ask.values[:, season:] - ask.values[:, :-season]
    spread = spread_of(gaps, np.isfinite(gaps))
    return normal(point, spread[:, None] * np.sqrt(ahead // season + 1.0), ask.levels)
