"""Slow drifts, lasting shifts and stuck values of each channel: its newest average against a level that may move only
as fast as it did in training (learn/detecting/wander.py)."""

from __future__ import annotations

from typing import Any

import numpy as np

from loopwright.learn.detecting import wander
from loopwright.learn.detecting.channels import alike, checked

NAME = "drift"
MEANING = "How far each channel's average left a level that moves as fast as in training; values that stick."
BASELINE = False


def fit(values: np.ndarray, seed: int = 0) -> dict[str, Any]:
    """Levels of (T, C) training rows, how noisy they are and how far they wander; NaN: missing."""
    usual, parts = wander.learn(checked(values, NAME))
    return {"usual": usual, "lag": 0, "fit_scores": parts.max(axis=1)}


def channels(state: dict[str, Any], values: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """((N, C) how far each channel is off, in spreads; the state after the last row)."""
    usual = state["usual"]
    parts, usual = wander.follow(usual, alike(checked(values, NAME), len(usual.level), NAME))
    return parts, state | {"usual": usual}


def score(state: dict[str, Any], values: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """((N,) the channel that is off most, the state after the last row)."""
    parts, state = channels(state, values)
    return parts.max(axis=1), state
