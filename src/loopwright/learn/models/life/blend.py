"""Kernel ridge and boosted trees, each for half: smooth where trees step, and trees where nothing looks alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from loopwright.learn.lives import life_fit
from loopwright.learn.lives.features import Windows, columns
from loopwright.learn.lives.life_rows import Rows
from loopwright.learn.lives.units import Unit
from loopwright.learn.models.life import boosting, kernel

NAME = "blend"
MEANING = "The mean of the kernel model and of boosted trees on the same windows."
BASELINE = False
require = boosting.require


def _learn(rows: Rows, frame: dict[str, Any], seed: int) -> dict[str, Any]:
    picked = columns(len(frame["norm"]["kept"]), Windows(), boosting.WINDOWS)
    forest = boosting.HOW.learn(replace(rows, x=rows.x[:, picked]), frame, seed)
    return {"kernel": kernel.HOW.learn(rows, frame, seed), "boosting": forest, "picked": picked}


def _say(model: dict[str, Any], x: np.ndarray) -> np.ndarray:
    smooth, stepped = kernel.HOW.say(model["kernel"], x), boosting.HOW.say(model["boosting"], x[:, model["picked"]])
    return 0.5 * (smooth + stepped)


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
