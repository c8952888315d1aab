"""The nearest training case when time may stretch within a band (1-NN DTW): the field's yardstick (extra 'learn').

The band, and whether channels are scaled by their spread, are chosen on training cases, each asked without its own
group; of equals channels as they come and the smallest band. Cases are brought to one length of at most LONGEST points
(fewer where cases x channels x points^2 would pass WORK) by means, and at most MOST training cases are kept, evenly
over the classes. Source: `learn.classing.warping`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from loopwright.core.errors import MissingExtra
from loopwright.learn.classing import neighbours
from loopwright.learn.classing.cases import Cases, need_cases

NAME = "dtw"
MEANING = "The nearest training case when time may stretch a little (1-NN DTW, band chosen on training cases)."
BASELINE = True
DRAWS = False
LONGEST, MOST, WORK = 150, 500, 1.2e7
BANDS = (0.0, 0.03, 0.06, 0.1, 0.2, 1.0)  # of the length
ASKED = 100  # training cases that are asked for the band, at most


def require() -> None:
    """Raises MissingExtra where Numba is not installed."""
    if importlib.util.find_spec("numba") is None:
        raise MissingExtra("learn/models/classes/dtw", "numba", "learn")


def fit(cases: Cases, labels: Sequence[str], groups: Sequence[str], seed: int = 0) -> dict[str, Any]:
    """State: training cases, and the scaling and band that get most of them right. Nothing is drawn."""
    require()
    need_cases(labels)
    kept = _spread(labels, MOST)
    affordable = max(32, int((WORK / len(kept) / len(cases.channels)) ** 0.5))
    length = neighbours.lengths(cases, min(LONGEST, affordable))
    classes = sorted(set(labels))
    truth, own = np.array([classes.index(labels[i]) for i in kept]), neighbours.numbered(groups)[kept]
    asked = _spread([labels[i] for i in kept], ASKED)
    right, states = [], []
    for scaling in neighbours.scalings(cases):
        mean, scale = scaling(cases)
        known = neighbours.stacked(cases.take(kept), length, mean, scale).transpose(0, 2, 1)  # (n, C, T) -> (n, T, C)
        base: dict[str, Any] = {"classes": classes, "truth": truth, "length": length, "mean": mean, "scale": scale,
                "known": np.ascontiguousarray(known)}
        for share in BANDS:
            state = base | {"band": int(np.ceil(share * length))}
            said = _distances(state, state["known"][asked], own, own[asked]).argmin(axis=1)
            right.append(int((said == truth[asked]).sum()))
            states.append(state)
    return states[int(np.argmax(right))]


def predict(state: Mapping[str, Any], cases: Cases) -> np.ndarray:
    """(n, K) probabilities in the order of state["classes"]."""
    if not len(cases):
        return np.empty((0, len(state["classes"])))
    asked = neighbours.stacked(cases, state["length"], state["mean"], state["scale"]).transpose(0, 2, 1)
    none = np.zeros(len(state["known"]), np.int64)
    distances = _distances(state, np.ascontiguousarray(asked), none, np.full(len(cases), -1))
    return neighbours.shares(np.sqrt(distances))


def _spread(labels: Sequence[str], most: int) -> np.ndarray:
    """At most `most` places, as evenly over the cases of each class as they go."""
    if len(labels) <= most:
        return np.arange(len(labels))
    order = np.argsort(np.asarray(labels), kind="stable")
    return np.sort(order[np.linspace(0, len(labels) - 1, most).astype(np.int64)])


def _distances(
    state: Mapping[str, Any], asked: np.ndarray, groups: np.ndarray, own: np.ndarray
) -> np.ndarray:
    """(n, K) squared distance of asked (n, T, C) to the nearest known case of each class; inf where there is none."""
    from loopwright.learn.classing import warping

    distances = np.empty((len(asked), len(state["classes"])))
    for i, one in enumerate(asked):
        warping.nearest_of_each(one, state["known"], state["truth"], groups, int(own[i]), state["band"], distances[i])
    return distances
