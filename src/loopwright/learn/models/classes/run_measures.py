"""One number of a machining run: how unsteadily its spindle turns (`learn.models.wear.unsteadiness`), as a class model.

Only for sets whose cases bring the measures of `learn.wear.runs`, and two classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from loopwright.core.errors import InputError
from loopwright.learn.classing.cases import Cases, need_cases
from loopwright.learn.models.wear import unsteadiness

NAME = "run_measures"
MEANING = "How unsteadily the spindle turns while cutting, beyond what its feed rate explains: one number of a run."
BASELINE = False
DRAWS = False


def why_not(cases: Cases, labels: Sequence[str]) -> str:
    """Why it cannot tell these classes (n,) of these cases apart; '' where it can."""
    if cases.measures is None:
        return "the cases bring no measures of a machining run"
    classes = len({label for label in labels if label})
    return "" if classes < 3 else f"there are {classes} classes, it tells two"


def fit(cases: Cases, labels: Sequence[str], groups: Sequence[str], seed: int = 0) -> dict[str, Any]:
    """State from cases and their classes (n,). Nothing is drawn. InputError without measures, or for three classes."""
    need_cases(labels)
    classes = sorted(set(labels))
    if cases.measures is None or why_not(cases, labels):
        raise InputError(NAME, why_not(cases, labels), "measures of runs, and two classes")
    if len(classes) == 1:
        return {"classes": classes}
    y = np.array([float(one == classes[1]) for one in labels])
    return {"classes": classes, "inner": unsteadiness.fit(cases.measures, y, seed)}


def predict(state: Mapping[str, Any], cases: Cases) -> np.ndarray:
    """(n, K) probabilities in the order of state["classes"]."""
    if not len(cases):
        return np.empty((0, len(state["classes"])))
    if "inner" not in state:
        return np.ones((len(cases), 1))
    if cases.measures is None:
        raise InputError(NAME, why_not(cases, ()), "measures of runs")
    p = unsteadiness.predict(state["inner"], cases.measures)
    return np.column_stack([1.0 - p, p])
