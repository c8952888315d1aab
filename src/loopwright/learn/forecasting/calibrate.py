"""Quantiles that keep what they promise: ranked from errors of the past, and moved online by what comes.

    ranked(errors (..., n), levels)            (..., Q) conformal quantiles of exchangeable errors
    state = start(levels, signals)             nothing learned yet
    told = adjusted(state, quantiles)          quantiles (B, H, Q) with the offsets learned so far
    state = learned(state, quantiles, truth)   one step: what had been told for now, and what came

Online, each level's offset is moved by its own error (quantile tracking, the proportional part of conformal PID):

    score s = (y - x_q) / width;    o <- o + GAIN (1[s > o] - (1 - q));    told x_q + o width

Whatever comes, with scores within b the share of y below the told quantile differs from q by at most
(b + GAIN) / (GAIN n) after n steps.
Source: V. Vovk, A. Gammerman and G. Shafer, Algorithmic Learning in a Random World (2005), ch. 2 (split conformal);
I. Gibbs and E. Candes, NeurIPS 2021 (adaptive conformal inference); A. N. Angelopoulos, E. J. Candes and
R. J. Tibshirani, NeurIPS 2023 (conformal PID control, proposition 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from loopwright.core.errors import InputError

GAIN = 0.05  # widths of the forecast that an offset can move by at each step


def ranked(errors: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """(..., Q) quantiles of errors (..., n), NaN ones left out: the value of rank q (n + 1), between two by a line.

    A rank below 1 or above n gives the smallest or the largest error; without an error it is 0.
    """
    count = np.isfinite(errors).sum(axis=-1)[..., None]  # (..., 1)
    ordered = np.sort(errors, axis=-1)  # NaN last
    place = np.clip(np.asarray(levels) * (count + 1) - 1, 0, np.maximum(count - 1, 0))
    low = place.astype(np.int64)
    high = np.minimum(low + 1, np.maximum(count - 1, 0))
    a, b = np.take_along_axis(ordered, low, axis=-1), np.take_along_axis(ordered, high, axis=-1)
    return np.where(count > 0, a + (place - low) * (b - a), 0.0)


@dataclass(frozen=True)
class Offsets:
    """What was learned: offsets (B, Q) in widths of each signal's forecast, and of how many steps (B,)."""

    levels: tuple[float, ...]
    offsets: np.ndarray
    steps: np.ndarray
    gain: float = GAIN


def start(levels: Sequence[float], signals: int, gain: float = GAIN) -> Offsets:
    """Nothing learned of `signals` signals. Raises InputError for levels that do not rise between 0 and 1."""
    asked = np.asarray(levels, dtype=np.float64)
    if asked.size < 2 or np.any(np.diff(asked) <= 0) or asked[0] <= 0 or asked[-1] >= 1:
        raise InputError("calibration", f"levels {list(levels)}", "two or more, rising, above 0 and below 1")
    if not gain > 0:
        raise InputError("calibration", f"gain {gain}", "above 0")
    count = np.zeros(signals, dtype=np.int64)
    return Offsets(tuple(asked.tolist()), np.zeros((signals, asked.size)), count, gain)


def _width(quantiles: np.ndarray) -> np.ndarray:
    """(..., 1) distance of the outermost quantiles; 1 where they are one value."""
    width = quantiles[..., -1:] - quantiles[..., :1]
    return np.where(width > 0, width, 1.0)


def adjusted(state: Offsets, quantiles: np.ndarray) -> np.ndarray:
    """Quantiles (B, H, Q) moved by the offsets, in order."""
    moved = quantiles + state.offsets[:, None] * _width(quantiles)
    return np.sort(moved, axis=-1)


def learned(state: Offsets, quantiles: np.ndarray, truth: np.ndarray) -> Offsets:
    """The state after what came: quantiles (B, Q) before their adjustment, truth (B,), NaN where nothing came."""
    came = np.isfinite(truth)
    with np.errstate(over="ignore"):  # far beyond all widths is above or below all the same
        score = (np.where(came, truth, 0.0)[:, None] - quantiles) / _width(quantiles)
    above = (score > state.offsets).astype(np.float64)
    move = state.gain * (above - (1.0 - np.asarray(state.levels)))
    return replace(state, offsets=state.offsets + np.where(came[:, None], move, 0.0), steps=state.steps + came)
