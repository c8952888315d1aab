"""Gradient-boosted trees on numbers that sum up each channel: levels, spread, steps, trend, memory (extra 'learn')."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from loopwright.core.errors import MissingExtra
from loopwright.learn.classing.cases import Cases
from loopwright.learn.classing.features_of_series import statistics
from loopwright.learn.classing.staged import verbs
from loopwright.learn.kept import trees

NAME = "boosting"
MEANING = "Gradient-boosted trees (scikit-learn) on levels, spread, steps, trend and memory of each channel."
BASELINE = False
ROUNDS = 60
MOST_FEATURES = 4_000


def require() -> None:
    """Raises MissingExtra where scikit-learn is not installed."""
    if importlib.util.find_spec("sklearn") is None:
        raise MissingExtra("learn/models/classes/boosting", "scikit-learn", "learn")


def see(cases: Cases, seed: int = 0) -> dict[str, Any]:
    """Nothing is learned before the trees."""
    return {}


def look(lens: Mapping[str, Any], cases: Cases) -> np.ndarray:
    """(n, F) of `features_of_series.statistics`."""
    return statistics(cases)


def learn(
    x: np.ndarray, answers: Sequence[Sequence[str]], groups: Sequence[str], seed: int = 0
) -> list[dict[str, Any]]:
    """The trees on features x (n, F), for each of the answers (n,) about the same cases."""
    return [_learn(x, labels, seed) for labels in answers]


def _learn(x: np.ndarray, labels: Sequence[str], seed: int) -> dict[str, Any]:
    """Trees of at most 15 leaves, each of a 20th of the cases (1 to 20), each split among a third of the features."""
    require()
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    classes = sorted(set(labels))
    if len(classes) == 1:
        return {"classes": classes}
    model = HistGradientBoostingClassifier(
        max_iter=ROUNDS, max_leaf_nodes=15, min_samples_leaf=int(np.clip(len(labels) // 20, 1, 20)), max_features=0.33,
        early_stopping=False, random_state=seed,
    )
    kept = _telling(x, labels)
    with threadpool_limits(1):
        model.fit(x[:, kept], [classes.index(one) for one in labels])
    return {"classes": classes, "trees": trees.export(model), "kept": kept}


def _telling(x: np.ndarray, labels: Sequence[str]) -> np.ndarray:
    """Places of all features, or of the MOST_FEATURES whose means differ most between the classes, to their spread."""
    if x.shape[1] <= MOST_FEATURES:
        return np.arange(x.shape[1])
    names = np.asarray(labels)
    means = np.stack([x[names == name].mean(axis=0) for name in dict.fromkeys(labels)])
    ratio = means.std(axis=0) / (x.std(axis=0) + 1e-12 * (1.0 + np.abs(x).max(axis=0)))
    return np.sort(np.argsort(-ratio, kind="stable")[:MOST_FEATURES])


def say(head: Mapping[str, Any], x: np.ndarray) -> np.ndarray:
    """(n, K) probabilities for features x (n, F)."""
    return trees.predict(head["trees"], x[:, head["kept"]]) if "trees" in head else np.ones((len(x), 1))


fit, predict = verbs(see, look, learn, say)
