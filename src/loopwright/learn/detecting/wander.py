"""How far the newest average of each signal is from a level that may only move as fast as it did in training.

    state = learn(rows)                       (T, C) usual rows
    parts, state = follow(state, rows)        (N, C) in spreads, 0 and up; the state after the last row

With z the value in spreads of training, y its exponential average over `memory` rows and m the level:

    y <- y + (z - y) / memory
    p <- p + wander                            the level may have moved since it was last seen
    e  = (y - m) / sqrt(noise + p)
    m <- m + gain (y - m), p <- (1 - gain)^2 p + 2 memory noise gain^2           where |e| < CALM

The variogram of y over training, V(lag) = noise + wander lag / 2 for lags beyond the memory, says how far a level goes
by itself: a temperature that crept while it was learned is let creep on, by sqrt(wander) a row and no faster; one that
stood is held to a fraction of a spread. A level is followed slowly (once in `SLOWEST` rows) and not at all while the
signal is off, so that a fault is not learned. A signal that stood still in training and is moved for good stays off
until it is fitted anew.

Stuck: a value that repeats the last one digit for digit beyond twice the longest such run of training adds -ln of the
share of repeats in training for each row; sqrt(2 nats) is the same surprise in spreads, and the larger of both counts.
Source: E. S. Page, Biometrika 41 (1954) 100, and S. W. Roberts, Technometrics 1 (1959) 239 (charts of sums and of
exponential averages); A. C. Harvey, Forecasting, Structural Time Series Models (1989), ch. 2 (local level);
N. Cressie and D. M. Hawkins, Math. Geology 12 (1980) 115 (robust variogram).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from loopwright.learn.detecting import smooth
from loopwright.learn.detecting.compiled import compiled
from loopwright.learn.detecting.level import bounded, settle

MEMORY = 8  # rows of the average; fewer where fewer than 64 were learned from
SLOWEST = 2048  # rows over which a level is followed
CALM = 4.0  # spreads beyond which a level is not followed
FARTHEST = 50.0  # spreads of one value: the average of a wild one is over soon
IN_TRAINING = 5.0  # the same while it is learned
LAGS, APART = 8, 2  # lags of the variogram, up to a quarter of the rows; memories that averages are apart at least
WIDE = 3.2897072539  # spreads of a normal value between its 5 % and 95 % points
TAIL = 0.05


@dataclass(frozen=True)
class Wander:
    """What is known of C signals.

    level, spread  (C,) of training, in the signals' units
    noise, wander  (C,) variance of an average about its level, and of the level's step from row to row, spreads^2
    memory, gain   rows of the average, share of it that the level takes
    average, mean  (C,) y and m, spreads
    unsure         (C,) p, the variance of the level's estimate
    last           (C,) the last value, NaN before the first
    run            (C,) how often it was repeated
    usual_run      (C,) the longest such run of training
    nats           (C,) what one repeat says: -ln of their share in training
    """

    level: np.ndarray
    spread: np.ndarray
    noise: np.ndarray
    wander: np.ndarray
    memory: int
    gain: float
    average: np.ndarray
    mean: np.ndarray
    unsure: np.ndarray
    last: np.ndarray
    run: np.ndarray
    usual_run: np.ndarray
    nats: np.ndarray


def learn(rows: np.ndarray) -> tuple[Wander, np.ndarray]:
    """(what (T, C) usual rows say, (T, C) how they score themselves). NaN: missing."""
    level, spread = _scale(rows)
    z = np.clip((rows - level) / spread, -IN_TRAINING, IN_TRAINING)
    memory = max(2, min(MEMORY, len(rows) // 8))
    count = np.maximum(np.isfinite(z).sum(axis=0), 1)
    mean = np.nansum(z, axis=0) / count
    averages, _ = smooth.follow(mean, z, memory)
    noise, wander = _variogram(averages, memory)
    usual_run, nats = _repeats(rows)
    seen = np.isfinite(rows).any(axis=0)  # of a signal that never was nothing can be said
    noise, nats = np.where(seen, noise, np.inf), np.where(seen, nats, 0.0)
    state = Wander(
        level=level,
        spread=spread,
        noise=noise,
        wander=wander,
        memory=memory,
        gain=1.0 / max(SLOWEST, 2 * len(rows)),
        average=averages[-1].copy(),
        mean=mean,
        unsure=wander * (len(rows) / 2.0),  # a mean of the rows is half of them old
        last=rows[-1].copy(),
        run=np.zeros(rows.shape[1]),
        usual_run=usual_run,
        nats=nats,
    )
    return state, np.abs(averages - mean) / np.sqrt(noise + state.unsure)


def _scale(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(level, spread): where values are few the median deviation says too little, so the range counts."""
    level, spread = settle(rows)
    known = bounded(rows)
    known = np.where(np.isnan(known).all(axis=0), 0.0, known)
    low, high = np.nanquantile(known, [TAIL, 1.0 - TAIL], axis=0)
    return level, np.maximum(spread, (high - low) / WIDE)


def _variogram(averages: np.ndarray, memory: int) -> tuple[np.ndarray, np.ndarray]:
    """((C,) noise, (C,) wander): the robust variogram of averages as noise (1 - keep^lag) + wander lag / 2.

    keep = 1 - 1 / memory: so much alike are averages of independent values. Lags up to a quarter of the rows (G. E. P.
    Box and G. M. Jenkins, Time Series Analysis (1970)), weighed by how often they fit in; neither part below zero.
    """
    rows = len(averages)
    floor = np.full(averages.shape[1], 0.5 / memory)  # what an average of independent values has
    first = max(1, min(APART * memory, rows // 8))
    lags = np.unique(np.linspace(first, max(rows // 4, first + 1), LAGS).astype(int))
    lags = lags[lags < rows]
    if not len(lags):
        return floor, np.zeros(averages.shape[1])
    apart = [np.sqrt(np.abs(averages[lag:] - averages[:-lag])).mean(axis=0) for lag in lags]
    half = np.array([root**4 / (0.457 + 0.494 / (rows - lag)) / 2.0 for root, lag in zip(apart, lags, strict=True)])
    weight, alone = (rows - lags) / lags, 1.0 - (1.0 - 1.0 / memory) ** lags
    aa, al, ll = (float(weight @ product) for product in (alone**2, alone * lags, lags.astype(float) ** 2))
    by_alone, by_lag = (weight * alone) @ half, (weight * lags) @ half  # (L,) @ (L, C) -> (C,)
    apart_enough = aa * ll - al * al
    slope = (aa * by_lag - al * by_alone) / apart_enough if apart_enough > 1e-9 * aa * ll else np.zeros(len(floor))
    slope = np.clip(slope, 0.0, by_lag / ll)
    return np.maximum((by_alone - slope * al) / aa, floor), 2.0 * slope


def _repeats(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """((C,) the longest run of repeats, (C,) -ln of their share, one more of each taken as seen; 0: not judged)."""
    longest, nats = np.zeros(rows.shape[1]), np.zeros(rows.shape[1])
    for c, column in enumerate(rows.T):
        known = column[np.isfinite(column)]
        same = np.concatenate(([False], known[1:] == known[:-1], [False]))
        edges = np.flatnonzero(~same)
        longest[c] = np.diff(edges).max(initial=1) - 1
        if longest[c] + 1 < len(known):  # one that never moved is not stuck
            nats[c] = np.log((len(known) - 1 + 2.0) / (same.sum() + 1.0))
    return longest, nats


def follow(state: Wander, rows: np.ndarray) -> tuple[np.ndarray, Wander]:
    """((N, C) surprise of each signal in spreads, the state after the last row), the same in chunks of any size.

    rows     (N, C) NaN: missing, changes nothing but how unsure the level is
    returns  max(|e|, sqrt(2 nats)), never NaN
    """
    loop = compiled(_loop)
    out = np.empty(rows.shape)
    if loop is None:
        for n, row in enumerate(rows):
            out[n], state = advance(state, row)
        return out, state
    names = ("average", "mean", "unsure", "last", "run")
    parts = {name: getattr(state, name).copy() for name in names}
    loop(rows, state.level, state.spread, state.noise, state.wander, float(state.memory), state.gain,
         *parts.values(), state.usual_run, state.nats, out)
    return out, replace(state, **parts)


def advance(state: Wander, row: np.ndarray) -> tuple[np.ndarray, Wander]:
    """((C,) surprise, the state after it): the plain twin of the compiled loop, digit for digit."""
    there = np.isfinite(row)
    x = np.where(there, row, state.level)
    z = np.clip((x - state.level) / state.spread, -FARTHEST, FARTHEST)
    average = np.where(there, state.average + (z - state.average) / state.memory, state.average)
    unsure = state.unsure + state.wander
    away = average - state.mean
    e = away / np.sqrt(state.noise + unsure)
    calm = there & (np.abs(e) < CALM)
    kept = 1.0 - state.gain
    added = 2.0 * state.memory * state.noise * (state.gain * state.gain)
    run = np.where(there, np.where(row == state.last, state.run + 1.0, 0.0), state.run)
    stuck = np.sqrt(2.0 * state.nats * np.maximum(run - 2.0 * state.usual_run, 0.0))
    after = replace(
        state,
        average=average,
        mean=np.where(calm, state.mean + state.gain * away, state.mean),
        unsure=np.where(calm, kept * kept * unsure + added, unsure),
        last=np.where(there, row, state.last),
        run=run,
    )
    return np.maximum(np.abs(e), stuck), after


def _loop(
    rows: Any, level: Any, spread: Any, noise: Any, wander: Any, memory: float, gain: float, average: Any,
    mean: Any, unsure: Any, last: Any, run: Any, usual_run: Any, nats: Any, out: Any,
) -> None:
    """Row after row; what is known of each channel is moved on in place."""
    kept = 1.0 - gain
    for n in range(len(rows)):
        for c in range(rows.shape[1]):
            x = rows[n, c]
            there = np.isfinite(x)
            if there:
                z = min(max((x - level[c]) / spread[c], -FARTHEST), FARTHEST)
                average[c] = average[c] + (z - average[c]) / memory
                run[c] = run[c] + 1.0 if x == last[c] else 0.0
                last[c] = x
            unsure[c] = unsure[c] + wander[c]
            away = average[c] - mean[c]
            e = abs(away / np.sqrt(noise[c] + unsure[c]))
            stuck = np.sqrt(2.0 * nats[c] * max(run[c] - 2.0 * usual_run[c], 0.0))
            out[n, c] = max(e, stuck)
            if there and e < CALM:
                mean[c] = mean[c] + gain * away
                unsure[c] = kept * kept * unsure[c] + 2.0 * memory * noise[c] * (gain * gain)
