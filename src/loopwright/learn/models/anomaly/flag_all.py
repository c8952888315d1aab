"""Calls everything anomalous: what a detector must beat before its number means something."""

from __future__ import annotations

from typing import Any

import numpy as np

from loopwright.learn.detecting.channels import checked

NAME = "flag_all"
MEANING = "Every row is as anomalous as any other, and more than any row of training."
BASELINE = True
THRESHOLD = 0.0  # that every row passes, wherever a threshold is asked for


def fit(values: np.ndarray, seed: int = 0) -> dict[str, Any]:
    """Looks at nothing."""
    return {"lag": 0, "fit_scores": np.zeros(len(checked(values, NAME)))}


def channels(state: dict[str, Any], values: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """((N, C) ones, the state)."""
    return np.ones(checked(values, NAME).shape), state


def score(state: dict[str, Any], values: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """((N,) ones, the state)."""
    return np.ones(len(checked(values, NAME))), state
