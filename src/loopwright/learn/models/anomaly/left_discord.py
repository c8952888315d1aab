"""How unlike everything before it the newest stretch of each channel is: the left matrix profile, bounded history."""

from __future__ import annotations

from typing import Any

import numpy as np

from loopwright.learn.detecting import discord
from loopwright.learn.detecting.channels import checked, few, prepare, standardised, strength, stretch_window

NAME = "left_discord"
MEANING = "Distance of the newest stretch from its nearest like in the past (left matrix profile)."
BASELINE = False
HISTORY = 4096  # samples that are remembered


def fit(values: np.ndarray, seed: int = 0) -> dict[str, Any]:
    """Level, spread and stretch of (T, C) training rows, which then are the first history."""
    values = few(checked(values, NAME), NAME)
    ready = prepare(values)
    z, _ = standardised(ready, values)
    window = stretch_window(z)
    discords = tuple(discord.start(window, max(HISTORY, 2 * window)) for _ in range(z.shape[1]))
    state: dict[str, Any] = {"ready": ready, "discords": discords, "window": window, "lag": (window - 1) // 2}
    parts, state = channels(state, values)
    return state | {"fit_scores": strength(parts)}


def channels(state: dict[str, Any], values: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """((N, C) root mean square distance of each channel's stretch, in spreads; the state after the last row)."""
    z, ready = standardised(state["ready"], checked(values, NAME))
    told = [discord.follow(known, column) for known, column in zip(state["discords"], z.T, strict=True)]
    parts = np.column_stack([distances for distances, _ in told])
    return parts, state | {"ready": ready, "discords": tuple(after for _, after in told)}


def score(state: dict[str, Any], values: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """((N,) root mean square over the channels, the state after the last row)."""
    parts, state = channels(state, values)
    return strength(parts), state
