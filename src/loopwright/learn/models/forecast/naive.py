"""The last known value, with the normal errors of a random walk: spread of one step times the root of the horizon.

Source: R. J. Hyndman and G. Athanasopoulos, Forecasting: Principles and Practice, 3rd ed., sections 5.2 and 5.5.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from loopwright.learn.forecasting.outlook import asked
from loopwright.learn.models.forecast.seasonal_naive import of_season

NAME = "naive"
MEANING = "The last known value."
BASELINE = True


def predict(
    values: np.ndarray, horizon: int, season: int | Sequence[int], levels: Sequence[float], seed: int = 0
) -> np.ndarray:
    """(B, H, Q) quantiles of the next H values of series (B, T); NaN is missing."""
    asked(values, horizon, season, levels)
    return of_season(asked(values, horizon, 1, levels))
