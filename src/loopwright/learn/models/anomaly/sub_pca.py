"""How unlike its usual shapes the newest stretch of a channel is: principal components of windows, updated online."""

from __future__ import annotations

from typing import Any

import numpy as np

from loopwright.learn.detecting import stretch
from loopwright.learn.detecting.channels import checked, prepare, standardised, strength, stretch_window

NAME = "sub_pca"
MEANING = "What the usual shapes of a signal (principal components of its windows, kept up to date) leave unexplained."
BASELINE = False


def fit(values: np.ndarray, seed: int = 0) -> dict[str, Any]:
    """The usual shapes of (T, C) training rows; at least 8 of them."""
    values = checked(values, NAME)
    ready = prepare(values)
    z, after = standardised(ready, values)
    window = stretch_window(z)
    shapes = tuple(stretch.learn(column, window) for column in z.T)
    early = {"ready": ready, "shapes": tuple(stretch.rewound(shape) for shape in shapes)}
    parts, _ = channels(early, values)
    return {
        "ready": after,
        "shapes": shapes,
        "window": window,
        "lag": (window - 1) // 2,
        "fit_scores": strength(parts),
    }


def channels(state: dict[str, Any], values: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """((N, C) index of each channel's stretch, 1 to 2 at the edge of what is usual; the state after the last row)."""
    z, ready = standardised(state["ready"], checked(values, NAME))
    told = [stretch.follow(known, column) for known, column in zip(state["shapes"], z.T, strict=True)]
    parts = np.column_stack([index for index, _ in told])
    return parts, state | {"ready": ready, "shapes": tuple(after for _, after in told)}


def score(state: dict[str, Any], values: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """((N,) root mean square over the channels, the state after the last row)."""
    parts, state = channels(state, values)
    return strength(parts), state
