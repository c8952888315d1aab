"""Spectrum and envelope of a vibration in bands, and a ridge on them: what condition monitoring looks at.

The ridge's strength is chosen by leaving groups out, so one that holds at other loads is preferred. Sources:
`learn.classing.features_of_series`, `learn.classing.ridge_classes`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from loopwright.learn.classing import features_of_series, ridge_classes
from loopwright.learn.classing.cases import Cases
from loopwright.learn.classing.staged import verbs

NAME = "spectra"
MEANING = "Spectrum and envelope in bands, moments and links of channels, and a ridge."
BASELINE = False
DRAWS = False
WINDOW = 256


def see(cases: Cases, seed: int = 0) -> dict[str, Any]:
    """The window of the spectra: WINDOW samples, or the largest power of two within the median length."""
    length = int(np.median([one.shape[1] for one in cases.values]))
    return {"window": int(min(WINDOW, 2 ** int(np.log2(max(length, 8)))))}


def look(lens: Mapping[str, Any], cases: Cases) -> np.ndarray:
    """(n, F) of `features_of_series.spectra`."""
    return features_of_series.spectra(cases, lens["window"])


def learn(
    x: np.ndarray, answers: Sequence[Sequence[str]], groups: Sequence[str], seed: int = 0
) -> list[dict[str, Any]]:
    """The ridge on features x (n, F), for each of the answers (n,) about the same cases."""
    return ridge_classes.fit(x, answers, groups)


def say(head: Mapping[str, Any], x: np.ndarray) -> np.ndarray:
    """(n, K) probabilities for features x (n, F)."""
    return ridge_classes.predict(head, x)


fit, predict = verbs(see, look, learn, say)
