"""Forecasters of other packages, asked as ours are, to stand beside them in a table; never a champion.

    forecast("peer:flaircast", pasts, horizon, step_s, seed)      (K S, H, Q) quantiles at LEVELS

flaircast (T. Honda, arXiv 2605.07222; Apache-2.0) draws SAMPLES paths, of which the quantiles are taken.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from loopwright.core.errors import InputError, MissingExtra, UnknownName
from loopwright.learn.metrics.forecast import LEVELS

PEERS = ("peer:flaircast",)
DRAW = ("peer:flaircast",)  # those whose answers depend on a seed
SAMPLES = 200  # paths, its own default
STEPS = {10: "10S", 1: "S", 60: "T", 300: "5T", 600: "10T", 900: "15T", 1800: "30T", 3600: "H", 86400: "D", 604800: "W"}


def forecast(name: str, pasts: Sequence[np.ndarray], horizon: int, step_s: float, seed: int) -> np.ndarray:
    """Quantiles of each series of each batch (S, T). Raises MissingExtra where the package is not installed."""
    if name not in PEERS:
        raise UnknownName("peer", name, PEERS)
    try:
        from flaircast import forecast as flair
    except ImportError:
        raise MissingExtra("evaluate forecast", "flaircast", "bench") from None
    frequency = STEPS.get(round(step_s))
    if frequency is None:
        raise InputError(name, f"a step of {step_s:g} s", f"one of {', '.join(f'{s} s' for s in STEPS)}")
    told = []
    for values in (row for past in pasts for row in past):
        known = np.isfinite(values)
        begun = values[int(np.argmax(known)):] if known.any() else np.zeros(1)
        paths = flair(begun, horizon, frequency, n_samples=SAMPLES, seed=seed)
        told.append(np.quantile(paths, LEVELS, axis=0).T)
    return np.stack(told)
