"""Logistic regression with a strong ridge on every measure of the spindle, freed from the feed rate.

Eleven features and a dozen runs: the ridge keeps each weight small, so that measures which say the same share it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from loopwright.learn.wear.linear import feed_effect, filled, fit_logistic, log_feed, log_of, scale, sigmoid
from loopwright.learn.wear.runs import LEVELS, UNSTEADY, Features

NAME = "ridge"
MEANING = "Logistic regression with a strong ridge on the spindle's steadiness, torque and power, feed rate taken out."
STRENGTH = 0.1  # C


def _measures(features: Features) -> np.ndarray:
    return np.column_stack([log_of(features.columns(UNSTEADY)), features.columns(LEVELS)])


def _inputs(state: dict[str, Any], features: Features) -> np.ndarray:
    """(n, f) scaled features without the feed's effect."""
    known, _ = filled(_measures(features), np.asarray(state["middle"]))
    feed, _ = filled(features.columns(["feed_m_s"]), np.asarray(state["feed_middle"]))
    free = known - np.outer(log_feed(feed[:, 0]), state["per_feed"])
    return (free - np.asarray(state["mean"])) / np.asarray(state["spread"])


def fit(features: Features, y: np.ndarray, seed: int) -> dict[str, Any]:
    """State from runs and their labels (n,) 0 unworn, 1 worn. Nothing is drawn."""
    known, middle = filled(_measures(features))
    feed, feed_middle = filled(features.columns(["feed_m_s"]))
    per_feed = feed_effect(known, feed[:, 0])
    mean, spread = scale(known - np.outer(log_feed(feed[:, 0]), per_feed))
    state: dict[str, Any] = {
        "middle": middle.tolist(), "feed_middle": feed_middle.tolist(), "per_feed": per_feed.tolist(),
        "mean": mean.tolist(), "spread": spread.tolist(),
    }
    slope, state["intercept"] = fit_logistic(_inputs(state, features), y, STRENGTH)
    return state | {"slope": slope.tolist()}


def predict(state: dict[str, Any], features: Features) -> np.ndarray:
    """(n,) probability of worn."""
    return sigmoid(_inputs(state, features) @ np.asarray(state["slope"]) + state["intercept"])
