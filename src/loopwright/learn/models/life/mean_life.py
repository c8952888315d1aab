"""Predict the mean: every unit has as much life left as the training units had on average. The floor of every table."""

from __future__ import annotations

from typing import Any

import numpy as np

from loopwright.learn.lives import life_fit
from loopwright.learn.lives.life_rows import Rows

NAME = "mean_life"
MEANING = "The mean remaining life of training units cut as a running fleet is met; looks at no sensor."
BASELINE = True


def _learn(rows: Rows, frame: dict[str, Any], seed: int) -> dict[str, Any]:
    return {"mean": float(np.minimum(rows.left, frame["cap"])[rows.ended].mean())}


def _say(model: dict[str, Any], x: np.ndarray) -> np.ndarray:
    return np.full(len(x), model["mean"])


HOW = life_fit.How(_learn, _say)
fit, predict, drivers = HOW.fit, HOW.predict, HOW.drivers
