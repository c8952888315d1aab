"""Trees of scikit-learn as plain arrays, and a small predictor that gives what scikit-learn gives.

    plain = export(estimator)                 a table of arrays, which `learn.kept.registry` can keep
    predict(plain, x)                         (n,) as estimator.predict, or (n, K) as estimator.predict_proba

Takes gradient boosting by histograms, random forests, extra trees and single trees, for numbers (not for categories
inside a feature, nor for several outputs). `predict` needs neither scikit-learn nor a pickle; the answers are equal to
the last bit or two, tested.

    a row goes left where x[feature] <= threshold, and where x is unknown if `missing_left` says so
    boosting: base + sum of the leaves, through the link;  forests: mean of the leaves
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from loopwright.core.errors import InputError

LINKS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "identity": lambda raw: raw[:, 0],
    "log": lambda raw: np.exp(raw[:, 0]),
    "logit": lambda raw: np.column_stack([1.0 - _sigmoid(raw[:, 0]), _sigmoid(raw[:, 0])]),
    "softmax": lambda raw: _softmax(raw),
    "share": lambda raw: raw,
}
_AT_ONCE, _WORTH = 2_000_000, 50_000  # rows x trees looked at together; from which numba is loaded for them
_NODES = ("feature", "threshold", "left", "right", "missing_left", "value")
_BOOSTED = ("HistGradientBoostingRegressor", "HistGradientBoostingClassifier")
_FOREST = ("RandomForestRegressor", "RandomForestClassifier", "ExtraTreesRegressor", "ExtraTreesClassifier")
_SINGLE = ("DecisionTreeRegressor", "DecisionTreeClassifier", "ExtraTreeRegressor", "ExtraTreeClassifier")


def export(estimator: Any) -> dict[str, Any]:
    """A fitted estimator of scikit-learn as plain data.

    returns  feature, threshold, left, right, missing_left (M,) of all nodes of all trees one after another (a leaf
             leads to itself); value (M, K); root, column (T,): where each tree begins and which output it adds to
             (-1: all); base (K,), scale, link, features (how many it needs), depth, single (inputs are float32)
    Raises InputError for an estimator that is not one of these, or that splits by category.
    """
    name = type(estimator).__name__
    if name in _BOOSTED and hasattr(estimator, "_predictors"):
        return _boosted(estimator)
    if (name in _FOREST and hasattr(estimator, "estimators_")) or (name in _SINGLE and hasattr(estimator, "tree_")):
        return _forest(estimator)
    raise InputError("export of trees", f"a {name} cannot be taken, or is not fitted",
                     ", ".join((*_BOOSTED, *_FOREST, *_SINGLE)))


def predict(plain: Mapping[str, Any], x: np.ndarray) -> np.ndarray:
    """What the estimator would say of rows x (n, f), NaN where unknown: (n,), or (n, K) probabilities of a classifier.

    Raises InputError for rows of another width.
    """
    x = np.asarray(x, dtype=np.float32 if plain["single"] else np.float64)
    if x.ndim != 2 or x.shape[1] != plain["features"]:
        raise InputError("trees", f"rows of shape {x.shape}", f"(n, {plain['features']})")
    step = max(1, _AT_ONCE // len(plain["root"]))
    parts = [_raw(plain, x[at:at + step]) for at in range(0, len(x), step)]
    raw = np.concatenate(parts) if parts else np.zeros((0, len(plain["base"])))
    return LINKS[plain["link"]](raw)


def leaves(plain: Mapping[str, Any], x: np.ndarray) -> np.ndarray:
    """(n, T) the node at which each row of x (n, f) ends in each tree."""
    node = np.broadcast_to(plain["root"], (len(x), len(plain["root"]))).copy()  # (n, T)
    rows = np.arange(len(x))[:, None]
    for _ in range(plain["depth"]):
        given = x[rows, plain["feature"][node]]
        left = np.where(np.isnan(given), plain["missing_left"][node], given <= plain["threshold"][node])
        node = np.where(left, plain["left"][node], plain["right"][node])
    return node


def _raw(plain: Mapping[str, Any], x: np.ndarray) -> np.ndarray:
    """(n, K) before the link. Trees are added one after another, as scikit-learn does, so that rounding is the same."""
    raw = np.tile(np.asarray(plain["base"], dtype=np.float64), (len(x), 1))
    if _compiled(len(x) * len(plain["root"])):
        from loopwright.learn.kept import trees_fast

        add_up: Callable[..., None] = trees_fast.add_up
        add_up(x, *(plain[name] for name in (*_NODES, "root", "column")), raw)
        return raw / plain["scale"]
    ends = leaves(plain, x)
    for tree, column in enumerate(plain["column"].tolist()):
        if column < 0:
            raw += plain["value"][ends[:, tree]]
        else:
            raw[:, column] += plain["value"][ends[:, tree], 0]
    return raw / plain["scale"]


def _compiled(steps: int) -> bool:
    """Whether compiled code is there, and worth its loading."""
    return "numba" in sys.modules or (steps >= _WORTH and importlib.util.find_spec("numba") is not None)


def _boosted(model: Any) -> dict[str, Any]:
    trees: list[tuple[np.ndarray, ...]] = []
    columns: list[int] = []
    for stage in model._predictors:
        for column, one in enumerate(stage):
            nodes = one.nodes
            if nodes["is_categorical"].any():
                raise InputError("export of trees", "it splits by category", "features that are numbers")
            leaf = nodes["is_leaf"].astype(bool)
            trees.append((nodes["feature_idx"], nodes["num_threshold"], nodes["left"], nodes["right"],
                          nodes["missing_go_to_left"], nodes["value"][:, None], leaf))
            columns.append(column)
    classes = getattr(model, "classes_", None)
    base = np.ravel(np.asarray(model._baseline_prediction, dtype=np.float64))
    link = "identity" if type(model._loss.link).__name__ == "IdentityLink" else "log"
    if classes is not None:
        link = "logit" if len(base) == 1 else "softmax"
    return _joined(trees, columns, base, 1.0, link, model.n_features_in_, single=False)


def _forest(model: Any) -> dict[str, Any]:
    if model.n_outputs_ != 1:
        raise InputError("export of trees", f"it has {model.n_outputs_} outputs", "one output")
    classes = getattr(model, "classes_", None)
    trees: list[tuple[np.ndarray, ...]] = []
    for one in getattr(model, "estimators_", [model]):
        tree = one.tree_
        missing = getattr(tree, "missing_go_to_left", None)
        leaf = tree.children_left < 0
        missing = np.zeros(tree.node_count, bool) if missing is None else np.asarray(missing, dtype=bool)
        trees.append((tree.feature, tree.threshold, tree.children_left, tree.children_right, missing,
                      np.asarray(tree.value, dtype=np.float64)[:, 0, :], leaf))
    width = 1 if classes is None else len(classes)
    link = "identity" if classes is None else "share"
    return _joined(trees, [-1] * len(trees), np.zeros(width), float(len(trees)), link, model.n_features_in_, True)


def _joined(
    trees: list[tuple[np.ndarray, ...]], columns: list[int], base: np.ndarray, scale: float, link: str, features: int,
    single: bool,
) -> dict[str, Any]:
    """All nodes of all trees one after another."""
    root = np.concatenate([[0], np.cumsum([len(tree[0]) for tree in trees])])[:-1].astype(np.int32)
    parts: list[list[np.ndarray]] = [[] for _ in range(6)]
    for begin, (feature, threshold, left, right, missing, value, leaf) in zip(root.tolist(), trees, strict=True):
        here = np.arange(len(feature))
        rows = (np.where(leaf, 0, feature), np.where(leaf, np.inf, threshold), np.where(leaf, here, left) + begin,
                np.where(leaf, here, right) + begin, np.where(leaf, False, missing), value)
        for part, row in zip(parts, rows, strict=True):
            part.append(row)
    kinds = (np.int32, np.float64, np.int32, np.int32, np.bool_, np.float64)
    nodes: dict[str, np.ndarray] = {
        name: np.concatenate(part).astype(kind) for name, part, kind in zip(_NODES, parts, kinds, strict=True)
    }
    depth = max(_depth(tree) for tree in trees)
    return {**nodes, "root": root, "column": np.array(columns, np.int32), "base": base, "scale": scale, "link": link,
            "features": int(features), "depth": depth, "single": single}


def _depth(tree: tuple[np.ndarray, ...]) -> int:
    """Steps from the root to the deepest leaf."""
    left, right, leaf = tree[2], tree[3], tree[6]
    level, deep = np.array([0]), 0
    while True:
        inner = level[~leaf[level]]
        if not len(inner):
            return deep
        level, deep = np.concatenate([left[inner], right[inner]]).astype(np.int64), deep + 1


def _sigmoid(raw: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return 1.0 / (1.0 + np.exp(-raw))


def _softmax(raw: np.ndarray) -> np.ndarray:
    shifted = np.exp(raw - raw.max(axis=1, keepdims=True)) if raw.size else raw
    return shifted / shifted.sum(axis=1, keepdims=True) if raw.size else raw


