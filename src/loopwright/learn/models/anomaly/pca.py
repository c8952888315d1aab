"""How unlike their usual common movement the channels of a row are: T2 and Q of principal components, with each
channel's part (learn/detecting/subspace.py). It stays as it was learned."""

from __future__ import annotations

from typing import Any

import numpy as np

from loopwright.learn.detecting import subspace
from loopwright.learn.detecting.channels import checked

NAME = "pca"
MEANING = "T2 and Q of the channels together: a row that breaks their usual common movement, and which channel does."
BASELINE = False


def fit(values: np.ndarray, seed: int = 0) -> dict[str, Any]:
    """The usual directions of (T, C) training rows; NaN: missing."""
    values = checked(values, NAME)
    usual = subspace.learn_usual(values[None])
    return {"usual": usual, "lag": 0, "fit_scores": subspace.contributions(usual, values).sum(axis=1)}


def channels(state: dict[str, Any], values: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """((N, C) what each channel adds to the index, the state)."""
    return subspace.contributions(state["usual"], checked(values, NAME)), state


def score(state: dict[str, Any], values: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """((N,) T2 / its limit + Q / its limit, the state)."""
    parts, state = channels(state, values)
    return parts.sum(axis=1), state
