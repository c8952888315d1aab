"""The line through the first and the last known value, with the errors of a random walk with drift.

    y(T + h) = y(T) + h b,   b = (y(T) - y(1)) / (T - 1);   spread(h) = s root(h (1 + h / (T - 1)))

with s the spread of one-step errors around the drift.
Source: R. J. Hyndman and G. Athanasopoulos, Forecasting: Principles and Practice, 3rd ed., sections 5.2 and 5.5.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from loopwright.learn.forecasting.outlook import asked, filled, normal, spread_of

NAME = "drift"
MEANING = "The line through the first and the last value, carried on."
BASELINE = True


def predict(
    values: np.ndarray, horizon: int, season: int | Sequence[int], levels: Sequence[float], seed: int = 0
) -> np.ndarray:
    """(B, H, Q) quantiles of the next H values of series (B, T); NaN is missing."""
    ask = asked(values, horizon, season, levels)
    known = np.isfinite(ask.values)
    total = ask.values.shape[1]
    whole = filled(ask.values)
    first = np.where(known.any(axis=1), np.argmax(known, axis=1), 0)
    steps = np.maximum(total - 1 - first, 1)[:, None]
    slope = (whole[:, -1:] - whole[:, :1]) / steps
    ahead = np.arange(1, ask.horizon + 1)
    errors = np.diff(ask.values, axis=1) - slope
    spread = spread_of(errors, np.isfinite(errors))[:, None]
    return normal(whole[:, -1:] + slope * ahead, spread * np.sqrt(ahead * (1.0 + ahead / steps)), ask.levels)
