"""Gradient-boosted trees on the window features (scikit-learn, extra 'learn'), kept as plain arrays."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np

from loopwright.core.errors import MissingExtra
from loopwright.learn.kept import trees
from loopwright.learn.lives import life_fit
from loopwright.learn.lives.features import Windows
from loopwright.learn.lives.life_rows import Rows

NAME = "boosting"
MEANING = "Gradient-boosted trees (scikit-learn) on window means, changes and age."
BASELINE = False
WINDOWS = Windows((10, 30, 80), (30, 80))


def require() -> None:
    """Raises MissingExtra where scikit-learn is not installed."""
    if importlib.util.find_spec("sklearn") is None:
        raise MissingExtra("learn/models/life/boosting", "scikit-learn", "learn")


def _learn(rows: Rows, frame: dict[str, Any], seed: int) -> dict[str, Any]:
    """150 trees of 15 leaves at most with 40 rows each or more, squared error; one thread."""
    require()
    from sklearn.ensemble import HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    model = HistGradientBoostingRegressor(
        max_iter=150, learning_rate=0.06, max_leaf_nodes=15, min_samples_leaf=40, l2_regularization=1.0,
        max_features=0.5, early_stopping=False, random_state=seed,
    )
    y = np.minimum(rows.left[rows.ended], frame["cap"])
    with threadpool_limits(1):
        model.fit(rows.x[rows.ended], y)
    return trees.export(model)


def _say(model: dict[str, Any], x: np.ndarray) -> np.ndarray:
    return trees.predict(model, x)


HOW = life_fit.How(_learn, _say, WINDOWS)
fit, predict, drivers = HOW.fit, HOW.predict, HOW.drivers
