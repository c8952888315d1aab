"""The shares of the classes in training, whatever the case: what every other model must beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from loopwright.learn.classing.cases import Cases, need_cases

NAME = "majority"
MEANING = "The class that most training cases had; looks at nothing."
BASELINE = True
DRAWS = False


def fit(cases: Cases, labels: Sequence[str], groups: Sequence[str], seed: int = 0) -> dict[str, Any]:
    """State from the classes (n,) of the training cases. Nothing is drawn."""
    need_cases(labels)
    classes = sorted(set(labels))
    return {"classes": classes, "shares": [sum(one == name for one in labels) / len(labels) for name in classes]}


def predict(state: Mapping[str, Any], cases: Cases) -> np.ndarray:
    """(n, K) probabilities: the same for every case."""
    return np.tile(np.array(state["shares"]), (len(cases), 1))
