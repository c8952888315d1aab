"""The mean of what random convolutions, interval trees, boosted statistics and spectra say (extra 'learn')."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from loopwright.learn.classing.cases import Cases, need_cases
from loopwright.learn.models.classes import boosting, intervals, rocket, spectra

NAME = "ensemble"
MEANING = "Mean of the probabilities of rocket, intervals, boosting and spectra."
BASELINE = False
MEMBERS = {"rocket": rocket, "intervals": intervals, "boosting": boosting, "spectra": spectra}


def require() -> None:
    """Raises MissingExtra where a member's library is not installed."""
    for member in MEMBERS.values():
        getattr(member, "require", lambda: None)()


def fit(cases: Cases, labels: Sequence[str], groups: Sequence[str], seed: int = 0) -> dict[str, Any]:
    """State from cases, their classes and groups (n,): that of each member."""
    need_cases(labels)
    states = {name: member.fit(cases, labels, groups, seed) for name, member in MEMBERS.items()}
    return {"classes": sorted(set(labels)), "members": states}


def predict(state: Mapping[str, Any], cases: Cases) -> np.ndarray:
    """(n, K) probabilities in the order of state["classes"]."""
    if not len(cases):
        return np.empty((0, len(state["classes"])))
    return mix([member.predict(state["members"][name], cases) for name, member in MEMBERS.items()])


def mix(said: Sequence[np.ndarray]) -> np.ndarray:
    """(n, K) mean of the members' probabilities, each (n, K)."""
    return np.asarray(np.mean(said, axis=0))
