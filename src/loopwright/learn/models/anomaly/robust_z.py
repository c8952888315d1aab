"""How far each value is from its usual level and season, in robust spreads: every channel by itself.

The plain detector that works from the first minute on any signal: level and spread follow robustly
(learn/detecting/level.py), and where the training rows show a clear cycle, each part of it has a level of its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from loopwright.learn.detecting import level
from loopwright.learn.detecting.channels import alike, checked
from loopwright.learn.detecting.period import cycle

NAME = "robust_z"
MEANING = "How far a value is from its robust level and season, in spreads."
BASELINE = False
SLOTS = 96  # parts of a cycle with a level of their own
MANY = 64  # channels in which a cycle is looked for


def fit(values: np.ndarray, seed: int = 0) -> dict[str, Any]:
    """What is usual in (T, C) training rows; NaN: missing. `fit_scores`: (T,) how those rows themselves score."""
    values = checked(values, NAME)
    cycles = [found for found in (cycle(column, len(values)) for column in values.T[:MANY]) if found]
    period = int(np.median(cycles)) if cycles else 0
    state: dict[str, Any] = {"period": period, "row": 0, "lag": 0, "channels": values.shape[1]}
    state["levels"] = level.learned(values, _slots(state, len(values)) if period else None)
    parts, after = channels(state, values)
    return state | {"row": after["row"], "fit_scores": parts.max(axis=1)}


def channels(state: dict[str, Any], values: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """((N, C) distance of each value in spreads, the state after the last row)."""
    values = alike(checked(values, NAME), state["channels"], NAME)
    slots = _slots(state, len(values)) if state["period"] else None
    z, levels = level.follow(state["levels"], values, slots)
    return np.abs(z), state | {"levels": levels, "row": state["row"] + len(values)}


def score(state: dict[str, Any], values: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """((N,) the farthest channel of each row, the state after the last)."""
    parts, state = channels(state, values)
    return parts.max(axis=1), state


def _slots(state: dict[str, Any], count: int) -> np.ndarray:
    """(count,) which part of the cycle the next rows fall on."""
    period = state["period"]
    return (state["row"] + np.arange(count)) % period * min(SLOTS, period) // period
