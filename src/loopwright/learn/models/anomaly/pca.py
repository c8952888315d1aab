"""How unlike their usual common movement the channels of a row are: T2 and Q of principal components, with each
channel's part (learn/detecting/subspace.py), followed slowly by usual rows (learn/detecting/renewed.py)."""

from __future__ import annotations

from typing import Any

import numpy as np

from loopwright.learn.detecting import renewed, subspace
from loopwright.learn.detecting.channels import alike, checked

NAME = "pca"
MEANING = "T2 and Q of the channels together: a row that breaks their usual common movement, and which channel does."
BASELINE = False


def fit(values: np.ndarray, seed: int = 0) -> dict[str, Any]:
    """The usual directions of (T, C) training rows; NaN: missing."""
    values = checked(values, NAME)
    known = renewed.learn(values)
    return {"known": known, "lag": 0, "fit_scores": subspace.contributions(known.usual, values).sum(axis=1)}


def channels(state: dict[str, Any], values: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """((N, C) what each channel adds to the index, the state after the last row)."""
    known = state["known"]
    parts, known = renewed.follow(known, alike(checked(values, NAME), len(known.mean), NAME))
    return parts, state | {"known": known}


def score(state: dict[str, Any], values: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """((N,) T2 / its limit + Q / its limit, the state after the last row)."""
    parts, state = channels(state, values)
    return parts.sum(axis=1), state
