"""One number of physics: how much less steadily the spindle turns than it should at this feed rate.

The logarithms of the eight measures of unsteadiness (`learn.wear.runs.UNSTEADY`) are freed from the feed rate, scaled,
and averaged with equal weights; logistic regression on that one number says how likely the tool is worn. Two numbers
are fitted to the labels.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from loopwright.learn.wear.linear import feed_effect, filled, fit_logistic, log_feed, log_of, scale, sigmoid
from loopwright.learn.wear.runs import UNSTEADY, Features

NAME = "unsteadiness"
MEANING = "How unsteadily the spindle turns while cutting, beyond what its feed rate explains: one number."
STRENGTH = 10.0  # C


def _score(state: dict[str, Any], features: Features) -> np.ndarray:
    """(n,) mean of the scaled measures."""
    known, _ = filled(log_of(features.columns(UNSTEADY)), np.asarray(state["middle"]))
    feed, _ = filled(features.columns(["feed_m_s"]), np.asarray(state["feed_middle"]))
    free = known - np.outer(log_feed(feed[:, 0]), state["per_feed"])
    return ((free - np.asarray(state["mean"])) / np.asarray(state["spread"])).mean(axis=1)


def fit(features: Features, y: np.ndarray, seed: int) -> dict[str, Any]:
    """State from runs and their labels (n,) 0 unworn, 1 worn. Nothing is drawn."""
    known, middle = filled(log_of(features.columns(UNSTEADY)))
    feed, feed_middle = filled(features.columns(["feed_m_s"]))
    per_feed = feed_effect(known, feed[:, 0])
    mean, spread = scale(known - np.outer(log_feed(feed[:, 0]), per_feed))
    state: dict[str, Any] = {
        "middle": middle.tolist(), "feed_middle": feed_middle.tolist(), "per_feed": per_feed.tolist(),
        "mean": mean.tolist(), "spread": spread.tolist(),
    }
    slope, state["intercept"] = fit_logistic(_score(state, features)[:, None], y, STRENGTH)
    return state | {"slope": float(slope[0])}


def predict(state: dict[str, Any], features: Features) -> np.ndarray:
    """(n,) probability of worn."""
    return sigmoid(state["slope"] * _score(state, features) + state["intercept"])
