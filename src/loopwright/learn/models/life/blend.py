"""Kernel ridge and boosted trees, each for half: smooth where trees step, and trees where nothing looks alike."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from loopwright.learn.lives import life_fit
from loopwright.learn.lives.features import Windows, columns
from loopwright.learn.lives.life_rows import Rows
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
fit, predict, drivers = HOW.fit, HOW.predict, HOW.drivers
