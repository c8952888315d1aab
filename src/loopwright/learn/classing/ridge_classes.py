"""Ridge regression on the classes, its strength chosen by leaving groups out, all in closed form.

    head, = fit(x, [labels], groups)    plain data: weights, strength, sharpness
    p = predict(head, x)                (n, K) probabilities in the order of head["classes"]

The scores of left-out groups come from one decomposition instead of a fit for each group and strength:

    H = 1 1^T / n + U diag(e / (e + s)) U^T        G = X X^T / f = U diag(e) U^T,  X scaled and centred
    y_g - left_out_g = (I - H_gg)^-1 (y_g - (H y)_g)

Source: ridge, A. E. Hoerl and R. W. Kennard, Technometrics 12 (1970) 55; left-out residuals of a linear smoother for
one row, R. D. Cook, Technometrics 19 (1977) 15, and in blocks the same by the matrix inversion lemma. Equal to fitting
anew to 1e-8 (tests/learn/test_ridge_classes.py). Scaling of the features is learned from all training rows once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from loopwright.core.errors import InputError

STRENGTHS = np.logspace(-6.0, 2.0, 17)  # relative to the mean square of a scaled feature
_CHUNK = 2_000  # features at once in float64
_GOLDEN = (np.sqrt(5.0) - 1.0) / 2.0
_SHARPEST, _BLUNTEST = 7.0, -4.0  # natural logarithms of the temperature's inverse that are tried


def fit(x: np.ndarray, answers: Sequence[Sequence[str]], groups: Sequence[str]) -> list[dict[str, Any]]:
    """A head for each of the answers (n,) about features x (n, f) of cases in groups (n,).

    returns  classes; mean, scale (f,); weights (f, K), bias (K,); strength, sharpness: both chosen where left-out
             groups have the lowest logarithmic loss (their scores through a softmax); left_out (n, K): what is said
             of each row without its group
    What no answer touches is done once. With fewer than two groups each row is its own. One class alone is always
    answered. Raises InputError for no row.
    """
    if not len(x):
        raise InputError("training", "no case with a known class", "at least one")
    mean, scale = _scaling(x)
    values, vectors = np.linalg.eigh(_gram(x, mean, scale))
    parts = np.maximum(values, 0.0), vectors
    heads = [_head(parts, labels, _blocks(groups)) for labels in answers]
    return [head | {"weights": _weights(x, mean, scale, head.pop("dual")), "mean": mean, "scale": scale}
            for head in heads]


def _head(
    parts: tuple[np.ndarray, np.ndarray], labels: Sequence[str], blocks: Sequence[np.ndarray]
) -> dict[str, Any]:
    """The head of one answer, with dual (n, K) weights of the rows in place of those of the features."""
    classes = sorted(set(labels))
    truth = np.array([classes.index(one) for one in labels])
    n = len(truth)
    if len(classes) == 1:
        alone = {"dual": np.zeros((n, 1)), "bias": np.ones(1), "strength": 1.0, "sharpness": 1.0}
        return {"classes": classes, "left_out": np.ones((n, 1))} | alone
    values, vectors = parts
    y = np.where(truth[:, None] == np.arange(len(classes)), 1.0, -1.0)  # (n, K)
    tried = [left_out(values, vectors, y, strength, blocks) for strength in STRENGTHS]
    fits = [sharpness(scores, truth) for scores in tried]
    best = int(np.argmin([loss for _, loss in fits]))
    strength, sharp = float(STRENGTHS[best]), fits[best][0]
    middle = y.mean(axis=0)
    dual = vectors @ ((vectors.T @ (y - middle)) / (values + strength)[:, None])  # (n, K)
    head = {"dual": dual, "bias": middle, "strength": strength, "sharpness": sharp}
    return {"classes": classes, "left_out": softmax(sharp * tried[best])} | head


def predict(head: Mapping[str, Any], x: np.ndarray) -> np.ndarray:
    """(n, K) probabilities for features x (n, f)."""
    if x.shape[1] != len(head["mean"]):
        raise InputError("ridge", f"{x.shape[1]} features", f"the {len(head['mean'])} it was fitted with")
    weights = head["weights"] / head["scale"][:, None]
    scores = np.asarray(x, dtype=np.float64) @ weights + (head["bias"] - head["mean"] @ weights)
    return softmax(head["sharpness"] * scores)


def left_out(
    values: np.ndarray, vectors: np.ndarray, y: np.ndarray, strength: float, blocks: Sequence[np.ndarray]
) -> np.ndarray:
    """(n, K) what a fit without its own block says of each row.

    values (n,), vectors (n, n)  of the centred Gram matrix; y (n, K); blocks: rows that are left out together
    """
    n = len(y)
    shrunk = values / (values + strength)
    said = y.mean(axis=0) + vectors @ (shrunk[:, None] * (vectors.T @ y))
    scores = np.empty_like(y)
    if all(len(rows) == 1 for rows in blocks):
        leverage = 1.0 / n + (vectors**2) @ shrunk
        return y - (y - said) / np.maximum(1.0 - leverage, 1e-9)[:, None]
    for rows in blocks:
        part = vectors[rows]
        inside = np.eye(len(rows)) * (1.0 + 1e-9) - 1.0 / n - (part * shrunk) @ part.T
        scores[rows] = y[rows] - np.linalg.solve(inside, y[rows] - said[rows])
    return scores


def sharpness(scores: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """(b, loss): the b with the lowest mean of -log softmax(b * scores)[truth], by golden section in log b.

    Source: temperature scaling, C. Guo et al., ICML 2017.
    """
    def loss(log_b: float) -> float:
        p = softmax(np.exp(log_b) * scores)[np.arange(len(truth)), truth]
        return float(-np.mean(np.log(np.maximum(p, 1e-12))))

    low, high = _BLUNTEST, _SHARPEST
    while high - low > 0.02:
        a, b = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        low, high = (low, b) if loss(a) <= loss(b) else (a, high)
    middle = (low + high) / 2.0
    return float(np.exp(middle)), loss(middle)


def softmax(scores: np.ndarray) -> np.ndarray:
    """(n, K) exp of each score over the sum of its row, without overflow."""
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def _blocks(groups: Sequence[str]) -> list[np.ndarray]:
    names = np.asarray(groups)
    found = list(dict.fromkeys(groups))
    if len(found) < 2:
        return [np.array([i]) for i in range(len(names))]
    return [np.flatnonzero(names == name) for name in found]


def _scaling(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """((f,) mean, (f,) spread); a feature that hardly ever changes gets an endless spread, so that it says nothing."""
    mean = x.mean(axis=0, dtype=np.float64)
    spread = x.std(axis=0, dtype=np.float64)
    return mean, np.where(spread > 1e-9 * (1.0 + np.abs(mean)), spread, np.inf)


def _gram(x: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """(n, n) products of the scaled rows over the number of features."""
    gram = np.zeros((len(x), len(x)))
    for at in range(0, x.shape[1], _CHUNK):
        some = slice(at, at + _CHUNK)
        part = (x[:, some].astype(np.float64) - mean[some]) / scale[some]
        gram += part @ part.T
    return gram / x.shape[1]


def _weights(x: np.ndarray, mean: np.ndarray, scale: np.ndarray, dual: np.ndarray) -> np.ndarray:
    """(f, K) of the scaled features."""
    weights = np.empty((x.shape[1], dual.shape[1]))
    for at in range(0, x.shape[1], _CHUNK):
        some = slice(at, at + _CHUNK)
        weights[some] = ((x[:, some].astype(np.float64) - mean[some]) / scale[some]).T @ dual / x.shape[1]
    return weights
