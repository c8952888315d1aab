"""One number of physics: how much less steadily the spindle turns than it should at this feed rate.

The logarithms of the eight measures of unsteadiness (`learn.wear.runs.UNSTEADY`) are freed from the feed rate, scaled,
and averaged with equal weights; logistic regression on that one number says how likely the tool is worn. Two numbers
are fitted to the labels.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from loopwright.learn.wear import freed
from loopwright.learn.wear.linear import fit_logistic, log_of, sigmoid
from loopwright.learn.wear.runs import UNSTEADY, Features

NAME = "unsteadiness"
MEANING = "How unsteadily the spindle turns while cutting, beyond what its feed rate explains: one number."
STRENGTH = 10.0  # C


def _measures(features: Features) -> tuple[np.ndarray, np.ndarray]:
    """((n, f) measures, (n, 1) feed rate)."""
    return log_of(features.columns(UNSTEADY)), features.columns(["feed_m_s"])


def fit(features: Features, y: np.ndarray, seed: int) -> dict[str, Any]:
    """State from runs and their labels (n,) 0 unworn, 1 worn. Nothing is drawn."""
    measures = _measures(features)
    state = freed.learn(*measures)
    slope, intercept = fit_logistic(freed.look(state, *measures).mean(axis=1)[:, None], y, STRENGTH)
    return state | {"intercept": intercept, "slope": float(slope[0])}


def predict(state: dict[str, Any], features: Features) -> np.ndarray:
    """(n,) probability of worn."""
    return sigmoid(state["slope"] * freed.look(state, *_measures(features)).mean(axis=1) + state["intercept"])
