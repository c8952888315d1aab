"""T2 and Q of principal components, of exponential averages of the rows: small shifts of many channels add up over time
where one row shows nothing. Components of averages are followed as those of rows are (learn/detecting/renewed.py).

Source: C. A. Lowry, W. H. Woodall, C. W. Champ and S. E. Rigdon, Technometrics 34 (1992) 46 (the MEWMA chart).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from loopwright.learn.detecting import renewed, smooth, subspace
from loopwright.learn.detecting.channels import alike, checked

NAME = "averaged_pca"
MEANING = "T2 and Q of the channels' exponential averages: small shifts that last, seen by many channels together."
BASELINE = False
MEMORY = 8  # rows of the average, as of `drift`; fewer where fewer than 64 were learned from


def fit(values: np.ndarray, seed: int = 0) -> dict[str, Any]:
    """The usual directions of the averages of (T, C) training rows; NaN: missing, the average stays."""
    values = checked(values, NAME)
    memory = max(2, min(MEMORY, len(values) // 8))
    begin = values[:memory]
    seen = np.isfinite(begin)
    begin = np.where(seen, begin, 0.0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
    averages, last = smooth.follow(begin, values, memory)
    averages[:, ~np.isfinite(values).any(axis=0)] = np.nan  # a channel that was never seen
    known = renewed.learn(averages)
    scores = subspace.contributions(known.usual, averages).sum(axis=1)
    return {"known": known, "average": last, "memory": memory, "lag": 0, "fit_scores": scores}


def channels(state: dict[str, Any], values: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """((N, C) what each channel adds to the index, the state after the last row)."""
    values = alike(checked(values, NAME), len(state["average"]), NAME)
    averages, last = smooth.follow(state["average"], values, state["memory"])
    parts, known = renewed.follow(state["known"], averages)
    return parts, state | {"known": known, "average": last}


def score(state: dict[str, Any], values: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """((N,) T2 / its limit + Q / its limit, the state after the last row)."""
    parts, state = channels(state, values)
    return parts.sum(axis=1), state
