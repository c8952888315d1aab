"""Many random trees on quantiles of stretches of the series, its differences and its spectrum (extra 'learn').

Source: QUANT, A. Dempster, D. F. Schmidt and G. I. Webb, DMKD 38 (2024) 2377; the trees are extremely randomised trees,
P. Geurts, D. Ernst and L. Wehenkel, Machine Learning 63 (2006) 3.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from loopwright.core.errors import MissingExtra
from loopwright.learn.classing.cases import Cases
from loopwright.learn.classing.features_of_series import plan_of_stretches, quantiles
from loopwright.learn.classing.staged import verbs
from loopwright.learn.kept import trees

NAME = "intervals"
MEANING = "Extremely randomised trees (scikit-learn) on quantiles of stretches of each channel."
BASELINE = False
TREES = 150
MOST_FEATURES = 5_000


def require() -> None:
    """Raises MissingExtra where scikit-learn is not installed."""
    if importlib.util.find_spec("sklearn") is None:
        raise MissingExtra("learn/models/classes/intervals", "scikit-learn", "learn")


def see(cases: Cases, seed: int = 0) -> dict[str, Any]:
    """How finely the series are cut: from the length and the number of channels alone."""
    return plan_of_stretches(cases, MOST_FEATURES)


def look(lens: Mapping[str, Any], cases: Cases) -> np.ndarray:
    """(n, F) float32 of `features_of_series.quantiles`."""
    return quantiles(cases, dict(lens))


def learn(
    x: np.ndarray, answers: Sequence[Sequence[str]], groups: Sequence[str], seed: int = 0
) -> list[dict[str, Any]]:
    """The trees on features x (n, F), for each of the answers (n,) about the same cases."""
    return [_learn(x, labels, seed) for labels in answers]


def _learn(x: np.ndarray, labels: Sequence[str], seed: int) -> dict[str, Any]:
    """Trees that look at a tenth of the features for each cut, classes weighing as often as they come."""
    require()
    from sklearn.ensemble import ExtraTreesClassifier

    classes = sorted(set(labels))
    if len(classes) == 1:
        return {"classes": classes}
    model = ExtraTreesClassifier(TREES, max_features=0.1, criterion="entropy", random_state=seed, n_jobs=1)
    model.fit(x, [classes.index(one) for one in labels])
    return {"classes": classes, "trees": trees.export(model)}


def say(head: Mapping[str, Any], x: np.ndarray) -> np.ndarray:
    """(n, K) probabilities for features x (n, F)."""
    return trees.predict(head["trees"], x) if "trees" in head else np.ones((len(x), 1))


fit, predict = verbs(see, look, learn, say)
