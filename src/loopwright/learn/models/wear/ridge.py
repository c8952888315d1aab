"""Logistic regression with a strong ridge on every measure of the spindle, freed from the feed rate.

Eleven features and a dozen runs: the ridge keeps each weight small, so that measures which say the same share it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from loopwright.learn.wear import freed
from loopwright.learn.wear.linear import fit_logistic, log_of, sigmoid
from loopwright.learn.wear.runs import LEVELS, UNSTEADY, Features

NAME = "ridge"
MEANING = "Logistic regression with a strong ridge on the spindle's steadiness, torque and power, feed rate taken out."
STRENGTH = 0.1  # C


def _measures(features: Features) -> tuple[np.ndarray, np.ndarray]:
    """((n, f) measures, (n, 1) feed rate)."""
    values = np.column_stack([log_of(features.columns(UNSTEADY)), features.columns(LEVELS)])
    return values, features.columns(["feed_m_s"])


def fit(features: Features, y: np.ndarray, seed: int) -> dict[str, Any]:
    """State from runs and their labels (n,) 0 unworn, 1 worn. Nothing is drawn."""
    measures = _measures(features)
    state = freed.learn(*measures)
    slope, intercept = fit_logistic(freed.look(state, *measures), y, STRENGTH)
    return state | {"intercept": intercept, "slope": slope.tolist()}


def predict(state: dict[str, Any], features: Features) -> np.ndarray:
    """(n,) probability of worn."""
    x = freed.look(state, *_measures(features))
    return sigmoid(x @ np.asarray(state["slope"]) + state["intercept"])
