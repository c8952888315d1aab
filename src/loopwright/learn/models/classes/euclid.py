"""The nearest training case by plain distance, sample by sample: the oldest baseline of this field.

Channels as they come, or scaled by their spread in training: what gets more training cases right, each asked without
its own group. Cases are brought to one length, at most LONGEST points, by means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from loopwright.learn.classing import neighbours
from loopwright.learn.classing.cases import Cases, need_cases

NAME = "euclid"
MEANING = "The nearest training case, sample by sample (1-NN Euclid)."
BASELINE = True
DRAWS = False
LONGEST = 150


def fit(cases: Cases, labels: Sequence[str], groups: Sequence[str], seed: int = 0) -> dict[str, Any]:
    """State: the training cases, scaled or as they came, whichever gets more of them right without their own group."""
    need_cases(labels)
    length = neighbours.lengths(cases, LONGEST)
    classes = sorted(set(labels))
    truth = np.array([classes.index(one) for one in labels])
    own = neighbours.numbered(groups)
    right, states = [], []
    for scaling in neighbours.scalings(cases):
        mean, scale = scaling(cases)
        known = neighbours.stacked(cases, length, mean, scale).reshape(len(cases), -1)
        square = np.where(own[:, None] == own, np.inf, _squares(known, known))
        right.append(int((truth[square.argmin(axis=1)] == truth).sum()))
        states.append({"known": known, "mean": mean, "scale": scale})
    return states[int(np.argmax(right))] | {"classes": classes, "truth": truth, "length": length}


def predict(state: Mapping[str, Any], cases: Cases) -> np.ndarray:
    """(n, K) probabilities in the order of state["classes"]."""
    k_count = len(state["classes"])
    if not len(cases):
        return np.empty((0, k_count))
    asked = neighbours.stacked(cases, state["length"], state["mean"], state["scale"]).reshape(len(cases), -1)
    square = _squares(asked, state["known"])
    distances = np.stack([square[:, state["truth"] == k].min(axis=1) for k in range(k_count)], axis=1)
    return neighbours.shares(np.sqrt(distances))


def _squares(asked: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(a, k) squared distances of asked (a, f) to known (k, f): |x|^2 + |y|^2 - 2 x y; 0 for mere rounding."""
    sizes = (asked**2).sum(axis=1)[:, None] + (known**2).sum(axis=1)
    square = sizes - 2.0 * (asked @ known.T)
    return np.where(square > 1e-12 * sizes, square, 0.0)
