"""The share of worn runs it was shown, whatever the run: what every other model must beat."""

from __future__ import annotations

from typing import Any

import numpy as np

from loopwright.learn.wear.runs import Features

NAME = "majority"
MEANING = "The class that most training runs had; looks at nothing."
BASELINE = True


def fit(features: Features, y: np.ndarray, seed: int) -> dict[str, Any]:
    """State from runs and their labels (n,) 0 unworn, 1 worn. Nothing is drawn."""
    return {"share": float(np.mean(y))}


def predict(state: dict[str, Any], features: Features) -> np.ndarray:
    """(n,) probability of worn: the same for every run."""
    return np.full(len(features.runs), state["share"])
