"""Boosted trees on every feature, as a peer: what a model without physics makes of a dozen runs (extra 'learn')."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np

from loopwright.core.errors import MissingExtra
from loopwright.learn.kept import trees
from loopwright.learn.wear.linear import require_both
from loopwright.learn.wear.runs import LEVELS, UNSTEADY, Features

NAME = "boosting"
MEANING = "Gradient-boosted trees (scikit-learn) on feed rate, steadiness, torque and power."
INPUTS = ("feed_m_s", *UNSTEADY, *LEVELS)


def require() -> None:
    """Raises MissingExtra where scikit-learn is not installed."""
    if importlib.util.find_spec("sklearn") is None:
        raise MissingExtra("learn/models/wear/boosting", "scikit-learn", "learn")


def fit(features: Features, y: np.ndarray, seed: int) -> dict[str, Any]:
    """State from runs and their labels (n,) 0 unworn, 1 worn: the trees as plain arrays.

    Trees of three leaves with at least three runs each: more would fit every single run. One thread: a dozen rows need
    no more, and more threads wait for each other.
    """
    require()
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    require_both(y)
    model = HistGradientBoostingClassifier(
        max_iter=40, max_leaf_nodes=3, min_samples_leaf=3, class_weight="balanced", early_stopping=False,
        random_state=seed,
    )
    with threadpool_limits(1):
        model.fit(features.columns(INPUTS), np.asarray(y, dtype=int))
    return trees.export(model)


def predict(state: dict[str, Any], features: Features) -> np.ndarray:
    """(n,) probability of worn."""
    return trees.predict(state, features.columns(INPUTS))[:, 1]
