"""Predict the mean: the average of everything known, at every horizon, with normal errors of the series' own spread.

What is no better than this has not understood when.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from loopwright.learn.forecasting.outlook import asked, mean_of, normal, spread_of

NAME = "mean"
MEANING = "The average of everything known, at every horizon."
BASELINE = True


def predict(
    values: np.ndarray, horizon: int, season: int | Sequence[int], levels: Sequence[float], seed: int = 0
) -> np.ndarray:
    """(B, H, Q) quantiles of the next H values of series (B, T); NaN is missing, a series of nothing is 0."""
    ask = asked(values, horizon, season, levels)
    known = np.isfinite(ask.values)
    middle = mean_of(ask.values, known)
    spread = spread_of(ask.values - middle[:, None], known)
    shape = (len(middle), ask.horizon)
    return normal(np.broadcast_to(middle[:, None], shape), np.broadcast_to(spread[:, None], shape), ask.levels)
