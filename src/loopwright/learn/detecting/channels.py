"""Rows of channels made ready for detectors that look at stretches: no gaps, in spreads, averaged over a window.

    ready = prepare(values)                      what training says of each channel's level and spread
    z, ready = standardised(ready, values)       (N, C) finite
    means, tail = averaged(tail, scores, width)  (N, C) mean of the newest `width` rows, in chunks of any size
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from loopwright.core.errors import InputError
from loopwright.learn.detecting.level import bounded, settle
from loopwright.learn.detecting.period import cycle

FARTHEST = 1e4  # spreads: more says no more, and squares stay exact
LONGEST = 320  # samples of a cycle that is looked for
MANY = 64  # channels in which one is looked for
MOST = 512  # channels of a detector that remembers thousands of samples of each


@dataclass(frozen=True)
class Ready:
    """level, spread (C,) of training; last (C,) the newest known value of each channel, in spreads."""

    level: np.ndarray
    spread: np.ndarray
    last: np.ndarray


def checked(values: np.ndarray, where: str) -> np.ndarray:
    """(T, C) floats, NaN where missing; one column for (T,). InputError for nothing or more than two dimensions."""
    values = np.asarray(values, dtype=float)
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or not values.size:
        raise InputError(where, f"values of shape {values.shape}", "rows of channels, at least one of each")
    return bounded(values)


def alike(values: np.ndarray, channels: int, where: str) -> np.ndarray:
    """The same (N, C) rows; InputError where they have other channels than the rows that were learned from."""
    if values.shape[1] != channels:
        raise InputError(where, f"{values.shape[1]} channels", f"{channels}, as it was fitted with")
    return values


def few(values: np.ndarray, where: str) -> np.ndarray:
    """The same (T, C) rows; InputError for more channels than a detector with a long memory takes."""
    if values.shape[1] > MOST:
        given = f"{values.shape[1]:,} channels"
        raise InputError(where, given, f"at most {MOST}", "take robust_z, sub_pca or pca, or the channels in parts")
    return values


def prepare(values: np.ndarray) -> Ready:
    """The level and spread of (T, C) training rows. A channel that is not there has level 0."""
    level, spread = settle(values)
    return Ready(level, spread, np.zeros(values.shape[1]))


def standardised(ready: Ready, values: np.ndarray) -> tuple[np.ndarray, Ready]:
    """((N, C) in spreads about the level, the state after). A missing value is taken as the one before."""
    values = alike(values, len(ready.level), "detector")
    z = np.clip((values - ready.level) / ready.spread, -FARTHEST, FARTHEST)
    z = np.vstack((ready.last, np.where(np.isfinite(values), z, np.nan)))
    known = np.where(np.isnan(z), 0, np.arange(len(z))[:, None])
    held = np.take_along_axis(z, np.maximum.accumulate(known, axis=0), axis=0)
    return held[1:], replace(ready, last=held[-1].copy())


def averaged(tail: np.ndarray, scores: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """((N, C) mean of the newest `width` rows or of as many as there are, the rows to hand in next time).

    tail  (n, C) what the last call gave; (0, C) at first
    Each mean is a sum of its own, so that the size of a chunk changes no digit.
    """
    rows = np.vstack((tail, scores))
    out = np.zeros(scores.shape)
    before, count = len(tail), len(scores)
    for back in range(min(width, before + count)):  # the newest row first: `width` additions a row, all rows at once
        begin = max(0, back - before)
        out[begin:] += rows[before + begin - back : before + count - back]
    there = np.minimum(len(tail) + 1 + np.arange(len(scores)), width)
    return out / there[:, None], rows[max(0, len(rows) - width + 1) :] if width > 1 else rows[:0]


def strength(parts: np.ndarray) -> np.ndarray:
    """(N,) root mean square over the channels of (N, C): one channel alone is itself."""
    return np.sqrt(np.square(parts).mean(axis=1))


def stretch_window(z: np.ndarray, shortest: int = 128) -> int:
    """The stretch that detectors look at, samples: the longest clear cycle of any channel, at least `shortest`.

    z  (T, C) training rows without gaps; the stretch is at most a quarter of them
    """
    cycles = [cycle(column, LONGEST) for column in z.T[:MANY]]
    window = min(max(shortest, *cycles), len(z) // 4)
    if window < 2:
        raise InputError("training rows", f"{len(z)} of them", "at least 8 rows for detectors that look at stretches")
    return window
