"""Scores drawn by chance: what a detector must beat before its number means something."""

from __future__ import annotations

from typing import Any

import numpy as np

from loopwright.learn.detecting.channels import checked

NAME = "chance"
MEANING = "A number drawn by chance for each row."
BASELINE = True


def fit(values: np.ndarray, seed: int = 0) -> dict[str, Any]:
    """Looks at nothing but the seed."""
    count = len(checked(values, NAME))
    return {"lag": 0, "seed": seed, "row": count, "fit_scores": _drawn(seed, 0, count)}


def channels(state: dict[str, Any], values: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """((N, C) the row's number in each channel, the state after the last row)."""
    scores, state = score(state, values)
    return np.repeat(scores[:, None], checked(values, NAME).shape[1], axis=1), state


def score(state: dict[str, Any], values: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """((N,) 0 to 1, the state after the last row)."""
    count = len(checked(values, NAME))
    return _drawn(state["seed"], state["row"], count), state | {"row": state["row"] + count}


def _drawn(seed: int, first: int, count: int) -> np.ndarray:
    """(count,) numbers of rows first, first + 1, ... of an endless list, whatever was drawn before."""
    bits = np.random.PCG64(seed)
    bits.advance(first)
    return np.random.Generator(bits).random(count)
