"""A model of classes in four steps, so that several answers about the same cases share the first two.

    lens = see(cases, seed)                          what is learned or drawn before any class is known
    x = look(lens, cases)                            (n, F) features
    heads = learn(x, answers, groups, seed)          one plain state for each of the answers (n,)
    p = say(head, x)                                 (n, K) probabilities in the order of head["classes"]

    fit, predict = verbs(see, look, learn, say)      the two verbs of a model, made of its steps
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from loopwright.learn.classing.cases import Cases, need_cases

See = Callable[[Cases, int], dict[str, Any]]
Look = Callable[[Mapping[str, Any], Cases], np.ndarray]
Learn = Callable[[np.ndarray, Sequence[Sequence[str]], Sequence[str], int], list[dict[str, Any]]]
Say = Callable[[Mapping[str, Any], np.ndarray], np.ndarray]
Fit = Callable[..., dict[str, Any]]
Predict = Callable[[Mapping[str, Any], Cases], np.ndarray]


def verbs(see: See, look: Look, learn: Learn, say: Say) -> tuple[Fit, Predict]:
    """(fit, predict) of a model with these steps, as `learn.models.classes` asks for them."""

    def fit(cases: Cases, labels: Sequence[str], groups: Sequence[str], seed: int = 0) -> dict[str, Any]:
        """State from cases, their classes and groups (n,). Raises InputError where there is no case."""
        need_cases(labels)
        lens = see(cases, seed)
        return learn(look(lens, cases), [labels], groups, seed)[0] | {"lens": lens}

    def predict(state: Mapping[str, Any], cases: Cases) -> np.ndarray:
        """(n, K) probabilities in the order of state["classes"]."""
        if not len(cases):
            return np.empty((0, len(state["classes"])))
        return say(state, look(state["lens"], cases))

    return fit, predict
