"""The mean of what unlike models say, each with the share it earned on groups left out in training (extra 'learn').

Members that cannot look at the cases (no measures of runs, more than two classes) stay out. The shares are those of
`learn.classing.blending.weights` over inner folds of whole groups.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from loopwright.learn.classing import blending
from loopwright.learn.classing.cases import Cases, need_cases, spread
from loopwright.learn.classing.folds import inner_folds
from loopwright.learn.models.classes import boosting, dtw, intervals, rocket, run_measures, spectra

NAME = "ensemble"
MEANING = "Mean of rocket, intervals, boosting, spectra, dtw and run_measures, weighed on groups left out in training."
BASELINE = False
MEMBERS: dict[str, ModuleType] = {
    one.NAME: one for one in (rocket, intervals, boosting, spectra, dtw, run_measures)
}


def require() -> None:
    """Raises MissingExtra where a member's library is not installed."""
    for member in MEMBERS.values():
        getattr(member, "require", lambda: None)()


def members(cases: Cases, labels: Sequence[str]) -> list[str]:
    """Names of the members that can look at these cases and tell these classes apart."""
    return [n for n, one in MEMBERS.items() if not getattr(one, "why_not", lambda cases, labels: "")(cases, labels)]


def fit(cases: Cases, labels: Sequence[str], groups: Sequence[str], seed: int = 0) -> dict[str, Any]:
    """State from cases, their classes and groups (n,): that of each member, and the shares (drawn with seed 0)."""
    need_cases(labels)
    names, classes = members(cases, labels), sorted(set(labels))
    given = []
    for train, asked in inner_folds(groups, labels) if len(classes) > 1 else []:
        truth = [classes.index(labels[i]) for i in asked]
        part = cases.take(train), [labels[i] for i in train], [groups[i] for i in train]
        said = [_said(MEMBERS[name], part, cases.take(asked), classes) for name in names]
        given.append(np.stack([p[np.arange(len(asked)), truth] for p in said], axis=1))
    share = blending.weights(np.concatenate(given) if given else np.empty((0, len(names))))
    states = {name: MEMBERS[name].fit(cases, labels, groups, seed) for name in names}
    return {"classes": classes, "members": states, "share": share}


def _said(
    member: ModuleType, part: tuple[Cases, list[str], list[str]], asked: Cases, classes: Sequence[str]
) -> np.ndarray:
    state = member.fit(*part, 0)
    return spread(member.predict(state, asked), state["classes"], classes)


def predict(state: Mapping[str, Any], cases: Cases) -> np.ndarray:
    """(n, K) probabilities in the order of state["classes"]."""
    if not len(cases):
        return np.empty((0, len(state["classes"])))
    return blending.mixed(state["share"], [MEMBERS[n].predict(one, cases) for n, one in state["members"].items()])
