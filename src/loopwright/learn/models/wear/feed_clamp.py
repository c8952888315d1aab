"""What the set-up alone tells: logistic regression on feed rate and clamp pressure, no signal of the machine.

A model of signals that does not beat this has learned how the runs were planned, not how the tool is.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from loopwright.learn.wear.linear import filled, fit_logistic, log_feed, scale, sigmoid
from loopwright.learn.wear.runs import Features

NAME = "feed_clamp"
MEANING = "Logistic regression on the set-up alone: feed rate and clamp pressure."
BASELINE = True
STRENGTH = 1.0  # C


def _inputs(features: Features) -> np.ndarray:
    setup = features.columns(["feed_m_s", "clamp_pa"])
    return np.column_stack([log_feed(setup[:, 0]), setup[:, 1]])


def fit(features: Features, y: np.ndarray, seed: int) -> dict[str, Any]:
    """State from runs and their labels (n,) 0 unworn, 1 worn. Nothing is drawn; an unknown clamp is the median."""
    known, middle = filled(_inputs(features))
    mean, spread = scale(known)
    slope, intercept = fit_logistic((known - mean) / spread, y, STRENGTH)
    return {"middle": middle.tolist(), "mean": mean.tolist(), "spread": spread.tolist(), "slope": slope.tolist(),
            "intercept": intercept}


def predict(state: dict[str, Any], features: Features) -> np.ndarray:
    """(n,) probability of worn."""
    known, _ = filled(_inputs(features), np.asarray(state["middle"]))
    x = (known - np.asarray(state["mean"])) / np.asarray(state["spread"])
    return sigmoid(x @ np.asarray(state["slope"]) + state["intercept"])
