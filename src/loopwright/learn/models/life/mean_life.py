"""Predict the mean: every unit has as much life left as the training units had on average. The floor of every table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from loopwright.learn.lives import life_fit
from loopwright.learn.lives.life_rows import Rows
from loopwright.learn.lives.units import Unit

NAME = "mean_life"
MEANING = "The mean remaining life of training units cut as a running fleet is met; looks at no sensor."
BASELINE = True


def _learn(rows: Rows, frame: dict[str, Any], seed: int) -> dict[str, Any]:
    return {"mean": float(np.minimum(rows.left, frame["cap"])[rows.ended].mean())}


def _say(model: dict[str, Any], x: np.ndarray) -> np.ndarray:
    return np.full(len(x), model["mean"])


HOW = life_fit.How(_learn, _say)


def fit(units: Sequence[Unit], seed: int = 0) -> dict[str, Any]:
    """State from units of which two or more have a known end."""
    return life_fit.fit(HOW, units, seed)


def predict(state: dict[str, Any], units: Sequence[Unit]) -> tuple[np.ndarray, np.ndarray]:
    """((n,) estimated cycles left, (n, Q) quantiles at lives.LEVELS)."""
    return life_fit.predict(HOW, state, units)


def drivers(state: dict[str, Any], unit: Unit, signals: Sequence[str]) -> list[tuple[str, float]]:
    """[(signal or 'age', cycles)]: how much each took from the estimate since the unit was new."""
    return life_fit.drivers(HOW, state, unit, signals)
