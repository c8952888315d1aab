"""A straight line through the window features, shrunk: what every other model must beat to be worth its cost."""

from __future__ import annotations

from typing import Any

import numpy as np

from loopwright.learn.lives import life_fit
from loopwright.learn.lives.life_rows import Rows
from loopwright.learn.wear.linear import scale

NAME = "ridge"
MEANING = "Ridge regression of the remaining life, capped, on window means, changes and age."
BASELINE = True
STRENGTH = 1e-3  # of the number of rows: how much a coefficient of 1 cycle costs


def _learn(rows: Rows, frame: dict[str, Any], seed: int) -> dict[str, Any]:
    """Least squares with ridge on scaled features; A. E. Hoerl and R. W. Kennard, Technometrics 12 (1970) 55."""
    mean, spread = scale(rows.x[rows.ended])
    a = (rows.x[rows.ended] - mean) / spread
    y = np.minimum(rows.left[rows.ended], frame["cap"])
    slope = np.linalg.solve(a.T @ a + STRENGTH * len(a) * np.eye(a.shape[1]), a.T @ (y - y.mean()))
    return {"mean": mean, "spread": spread, "slope": slope, "middle": float(y.mean())}


def _say(model: dict[str, Any], x: np.ndarray) -> np.ndarray:
    return model["middle"] + ((x - model["mean"]) / model["spread"]) @ model["slope"]


HOW = life_fit.How(_learn, _say)
fit, predict, drivers = HOW.fit, HOW.predict, HOW.drivers
