"""The usual level, spread and season of many signals at once, followed robustly one row at a time.

    levels = start(signals=8, warm=64)                 nothing known yet
    levels = learned(rows)                             or known from (T, S) rows of training
    z, levels = advance(levels, row, slot)             (S,) how far each value is from what was expected, in spreads
    z, levels = follow(levels, rows, slots)            (N, S) the same digits for many rows, compiled where Numba is

The first `warm` values of a signal give its median and median absolute deviation; afterwards, with the residual
r = x - level - season[slot], z = r / spread and u = z held within 3 (Huber's function),

    level  <- level + g spread u               g = max(1 / values seen, gain)
    season <- season + h spread u              h = max(1 / (visits of the slot + 1), season gain)
    spread <- spread sqrt(1 + g (min(z^2, 9) / 0.9950073 - 1))

so that one wild value moves nothing by more than 3 g spreads. 0.9950073 = E min(z^2, 9) of a normal value.
Source: P. J. Huber, Robust Statistics (1981), ch. 6 (M-estimators of level and spread); S. Gelper, R. Fried and
C. Croux, J. Forecasting 29 (2010) 285, for robust smoothing with such a recursion.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from loopwright.learn.detecting.compiled import compiled

BOUND = 3.0  # spreads at which a residual stops counting for more
AT_BOUND = 0.9950073  # E min(z^2, 9) of a standard normal value
MAD = 1.482602218505602  # spread of a normal value over its median absolute deviation
LARGEST = 1e100  # a value beyond it counts as this much: squares stay finite
FARTHEST = 1e6  # z where a signal that never moved moves


@dataclass(frozen=True)
class Levels:
    """What is known of S signals.

    level, spread  (S,)
    seen           (S,) values seen, without the missing ones
    season         (K, S) what each slot of the period adds; K is 0 without a season
    visits         (K,) rows that fell on each slot
    first          (warm, S) the first values, until every signal has `warm` of them; then (0, S)
    warm           values before a signal is judged
    gain           share of the newest value once many were seen: 1 / 1024 forgets within about 1,000 rows
    season_gain    the same of a slot's visits
    """

    level: np.ndarray
    spread: np.ndarray
    seen: np.ndarray
    season: np.ndarray
    visits: np.ndarray
    first: np.ndarray
    warm: int
    gain: float
    season_gain: float


def start(signals: int, warm: int = 64, gain: float = 1 / 1024, slots: int = 0, season_gain: float = 0.1) -> Levels:
    """Nothing seen of `signals` signals."""
    return Levels(
        level=np.zeros(signals),
        spread=np.ones(signals),
        seen=np.zeros(signals, dtype=np.int64),
        season=np.zeros((slots, signals)),
        visits=np.zeros(slots, dtype=np.int64),
        first=np.zeros((warm, signals)),
        warm=warm,
        gain=gain,
        season_gain=season_gain,
    )


def learned(rows: np.ndarray, slots: np.ndarray | None = None, gain: float = 1 / 1024) -> Levels:
    """What (T, S) rows of training say. A signal without a value there is warmed up by what comes.

    slots  (T,) slot of the period that each row falls on; None: no season. A slot adds the median of what is left
           there once the level is taken out
    """
    count = 0 if slots is None else int(slots.max()) + 1
    levels = start(rows.shape[1], gain=gain, slots=count)
    level, _ = settle(rows)
    season = np.zeros((count, rows.shape[1]))
    visits = np.zeros(count, dtype=np.int64)
    left = rows - level
    if slots is not None:
        visits = np.bincount(slots, minlength=count)
        for slot in range(count):
            season[slot], _ = settle(left[slots == slot])
        left = left - season[slots]
    shift, spread = settle(left)
    seen = np.isfinite(rows).sum(axis=0)
    first = levels.first if (seen == 0).any() else levels.first[:0]
    known = np.where(seen > 0, np.maximum(seen, levels.warm), 0)  # few rows of training are all there is to go by
    return replace(
        levels,
        level=level + shift,
        spread=np.maximum(spread, smallest(level)),
        seen=known,
        season=season,
        visits=visits,
        first=first,
    )


def follow(levels: Levels, rows: np.ndarray, slots: np.ndarray | None = None) -> tuple[np.ndarray, Levels]:
    """((N, S) signed z, the state after the last row), row by row as `advance`, digit for digit.

    slots  (N,) slot of each row; None: the first
    """
    at = np.zeros(len(rows), dtype=np.int64) if slots is None else np.asarray(slots, dtype=np.int64)
    loop = compiled(_loop)
    out = np.empty(rows.shape)
    done = 0
    while done < len(rows) and (loop is None or len(levels.first)):  # warming up, or without Numba
        out[done], levels = advance(levels, rows[done], int(at[done]))
        done += 1
    if done == len(rows) or loop is None:
        return out, levels
    level, spread, seen = levels.level.copy(), levels.spread.copy(), levels.seen.copy()
    season, visits = levels.season.copy(), levels.visits.copy()
    loop(rows[done:], at[done:], level, spread, seen, season, visits, levels.gain, levels.season_gain, out[done:])
    return out, replace(levels, level=level, spread=spread, seen=seen, season=season, visits=visits)


def _loop(
    rows: Any, at: Any, level: Any, spread: Any, seen: Any, season: Any, visits: Any, gain: float,
    season_gain: float, out: Any,
) -> None:
    """The rows of signals that are warm, one after the other; levels, spreads and seasons are moved on in place."""
    for n in range(len(rows)):
        slot = at[n]
        share = 0.0
        if len(season):
            visits[slot] += 1
            share = max(1.0 / visits[slot], season_gain)
        for s in range(rows.shape[1]):
            x = rows[n, s]
            if not np.isfinite(x):
                out[n, s] = 0.0
                continue
            expected = season[slot, s] if len(season) else 0.0
            z = min(max((x - level[s] - expected) / spread[s], -FARTHEST), FARTHEST)
            out[n, s] = z
            held = min(max(z, -BOUND), BOUND)
            seen[s] += 1
            g = max(1.0 / seen[s], gain)
            if len(season):
                season[slot, s] += share * (spread[s] * held)
            level[s] += g * spread[s] * held
            spread[s] *= np.sqrt(1.0 + g * (held * held / AT_BOUND - 1.0))
            spread[s] = max(spread[s], max(1e-6 * abs(level[s]), 1e-12))


def settle(rows: np.ndarray, axis: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(median, spread) along an axis of what is finite; (0, smallest) where nothing is.

    The spread is 1.4826 times the median absolute deviation, the standard deviation where more than half of the values
    are equal, and a millionth of the level where all are.
    """
    known = bounded(rows)
    blank = np.isnan(known).all(axis=axis, keepdims=True)
    known = np.where(blank, 0.0, known)
    middle = np.nanmedian(known, axis=axis, keepdims=True)
    away = known - middle
    spread = MAD * np.nanmedian(np.abs(away), axis=axis)
    spread = np.where(spread > 0.0, spread, np.sqrt(np.nanmean(np.square(away), axis=axis)))
    level = np.squeeze(middle, axis=axis)
    return level, np.maximum(spread, smallest(level))


def bounded(values: np.ndarray) -> np.ndarray:
    """The values held within LARGEST; NaN for what is missing or infinite."""
    return np.where(np.isfinite(values), np.clip(values, -LARGEST, LARGEST), np.nan)


def smallest(level: np.ndarray) -> np.ndarray:
    """The least spread that a signal of this level is given."""
    return np.maximum(1e-6 * np.abs(level), 1e-12)


def advance(levels: Levels, row: np.ndarray, slot: int = 0) -> tuple[np.ndarray, Levels]:
    """((S,) signed z of each value, the state after it).

    row      (S,) NaN or infinite: missing, its z is 0 and nothing of that signal changes
    slot     which slot of the period the row falls on
    returns  z is 0 too while a signal has fewer than `warm` values; at most FARTHEST
    """
    there = np.isfinite(row)
    if levels.first.shape[0]:
        cold = there & (levels.seen < levels.warm)
        if cold.any():
            levels = _warmed(levels, row, cold)
            there = there & ~cold
        elif (levels.seen >= levels.warm).all():
            levels = replace(levels, first=levels.first[:0])
    return _followed(levels, row, there, slot)


def _warmed(levels: Levels, row: np.ndarray, cold: np.ndarray) -> Levels:
    """With one more value of each cold signal; a signal that has `warm` now gets its level and spread."""
    where = np.flatnonzero(cold)
    first, seen = levels.first.copy(), levels.seen.copy()
    first[seen[where], where] = row[where]
    seen[where] += 1
    done = where[seen[where] == levels.warm]
    level, spread = levels.level, levels.spread
    if len(done):
        level, spread = level.copy(), spread.copy()
        level[done], spread[done] = settle(first[:, done])
    return replace(levels, first=first, seen=seen, level=level, spread=spread)


def _followed(levels: Levels, row: np.ndarray, there: np.ndarray, slot: int) -> tuple[np.ndarray, Levels]:
    """The recursion of the module for the signals that have a value; the others stay."""
    level, spread = levels.level, levels.spread
    season = levels.season[slot] if len(levels.season) else 0.0
    x = np.where(there, row, level + season)
    z = np.clip((x - level - season) / spread, -FARTHEST, FARTHEST)
    held = np.clip(z, -BOUND, BOUND)
    seen = levels.seen + there
    g = np.where(there, np.maximum(1.0 / np.maximum(seen, 1), levels.gain), 0.0)
    moved = level + g * spread * held
    wider = spread * np.sqrt(1.0 + g * (held * held / AT_BOUND - 1.0))
    after = replace(levels, level=moved, spread=np.maximum(wider, smallest(moved)), seen=seen)
    if len(levels.season):
        after = _in_season(after, spread * held, there, slot)
    return np.where(there, z, 0.0), after


def _in_season(levels: Levels, pull: np.ndarray, there: np.ndarray, slot: int) -> Levels:
    """The slot moved towards what was seen there, by the share its visits allow."""
    season, visits = levels.season.copy(), levels.visits.copy()
    visits[slot] += 1
    share = max(1.0 / visits[slot], levels.season_gain)
    season[slot] += np.where(there, share * pull, 0.0)
    return replace(levels, season=season, visits=visits)
