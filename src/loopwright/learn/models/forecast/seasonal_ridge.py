"""Profiles of the day and the week, levels and last year, weighed by a ridge regression on each series' own past.

Values are taken as u = ln((y - low) / spread + offset), with an offset that lets large values vary more than small
ones as far as the past shows it. For each part of the horizon the value ahead, less the level of the last week, is a
weighted sum of the inputs of `learn.forecasting.days`. The weights are found and judged on blocks of the past that they
were not fitted to (`learn.forecasting.held_out`), and what they missed there, brought to the size that errors are
expected to have now (`learn.forecasting.restless`), gives the quantiles: errors of the same time of day, of
neighbouring times and days, ranked. Nothing is trained on other series and nothing is drawn at random.
A past too short for that (fewer than LEAST earlier origins) is forecast by exponential smoothing.
Offset: V. M. Guerrero, J. Forecasting 12 (1993) 37 (a transformation that evens the spread of parts of a series).
Related: direct multi-step regression (S. Ben Taieb et al., Expert Systems 39 (2012) 7067); split conformal quantiles
(V. Vovk, A. Gammerman and G. Shafer, Algorithmic Learning in a Random World, 2005).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from loopwright.learn.forecasting import held_out
from loopwright.learn.forecasting.calibrate import ranked
from loopwright.learn.forecasting.days import Past, Span, lay
from loopwright.learn.forecasting.outlook import Ask, asked
from loopwright.learn.forecasting.restless import as_now, signs
from loopwright.learn.models.forecast import smoothing

NAME = "seasonal_ridge"
MEANING = "Profiles of day and week, levels and last year, weighed by a ridge on each series' own past."
BASELINE = False
OFFSETS = (0.3, 3.0)  # spreads above the lowest value, at least and at most: small gives ratios, large differences
PARTS = (0.25, 1.0, 2.0, 4.0, 7.0, 14.0)  # days ahead at which a new set of weights begins
LONGEST = 1200  # days of the past that are looked at
ORIGINS, CELLS = 400, 300_000  # earlier origins that are learned from at most; origins x points ahead
APART = 10  # days ahead for each day between two origins: nearer ones have nearly the same days after them
BIAS = 100.0  # independent cases at which half of a mean error held out is believed
WHOLE = 0.98  # size of errors of weights fitted to all of the past, of one held out of seven to eight tenths of it
ALIKE = 3  # cases in a row that tell of common days: more than so many say little more
HALVED = 4  # days ahead from which every second point of a day is learned from
POOL = 600  # errors that the quantiles of a point ahead are ranked from
FARTHEST = 5.0  # widths
LEAST = 6  # earlier origins
CHUNK = 100_000  # cells of origins x points ahead x series that are worked on at once
PRIORS = ({"days, slow": 0.2, "days, slowest": 0.2, "weeks": 0.3, "weeks, slow": 0.3, "level of 4 weeks": 0.1},)


def predict(
    values: np.ndarray, horizon: int, season: int | Sequence[int], levels: Sequence[float], seed: int = 0
) -> np.ndarray:
    """(B, H, Q) quantiles of the next H values of series (B, T); NaN is missing."""
    ask = asked(values, horizon, season, levels)
    total = ask.values.shape[1]
    known = np.isfinite(ask.values)
    length = np.where(known.any(axis=1), total - np.argmax(known, axis=1), 1)
    found = np.empty((len(known), ask.horizon, len(ask.levels)))
    keys = np.array([_calendar(ask.seasons, int(one)) for one in np.unique(length)] or np.empty((0, 3)), dtype=np.int64)
    of = keys[np.unique(length, return_inverse=True)[1].reshape(-1)]
    for key in np.unique(of, axis=0):
        mine = np.flatnonzero((of == key).all(axis=1))
        found[mine] = _alike(replace(ask, values=ask.values[mine]), *key.tolist())
    return found


def _calendar(seasons: Sequence[int], length: int) -> tuple[int, int, int]:
    """(points of a day, days of a week, days): the shortest season with enough days, and the next whole one."""
    day = next((s for s in seasons if s > 1 and length // s >= 8), 1)
    weeks = [s // day for s in seasons if day > 1 and s > day and s % day == 0 and length // s >= 4]
    return day, (weeks[0] if weeks else 1), min(length // day, LONGEST)


def _alike(ask: Ask, day: int, week: int, count: int) -> np.ndarray:
    """The forecasts of series that began on the same day."""
    origins = _origins(count, day, week, ask.horizon)
    if origins is None:
        return smoothing.predict(ask.values, ask.horizon, ask.seasons, ask.levels.tolist())
    size = max(1, CHUNK // ((origins.stop - origins.start) // origins.step * ask.horizon))
    parts = [replace(ask, values=ask.values[low:low + size]) for low in range(0, len(ask.values), size)]
    return np.concatenate([_chunk(part, day, week, count, origins) for part in parts])


def _origins(count: int, day: int, week: int, horizon: int) -> slice | None:
    """The earlier days that are learned from, each with `ahead` days after it; None for fewer than LEAST."""
    ahead = -(-horizon // day)
    newest = count - 1 - ahead
    oldest = min(3 * max(week, 7), max(count // 3, 2))
    there = newest - oldest + 1
    if there < LEAST:
        return None
    most = max(LEAST, min(ORIGINS, CELLS // horizon))
    step = 1 if there <= most or ahead < 3 else min(max(ahead // APART, 2), -(-there // most))
    number = min((there - 1) // step + 1, most)
    return slice(newest - (number - 1) * step, newest + 1, step)


def _chunk(ask: Ask, day: int, week: int, count: int, origins: slice) -> np.ndarray:
    """The forecasts of some series of `count` days."""
    recent = _without_spikes(ask.values[:, -count * day:])
    low, spread = _scale(recent)
    offset = _offset((recent - low) / spread, day)
    u = np.log(np.maximum((recent - low) / spread + offset, offset / 10))
    past = lay(u, day, week)
    point, errors = _forecast(past, origins, ask.horizon)
    told = point[:, :, None] + ranked(_neighbours(errors, day), ask.levels) + past.level[:, -1, None, None]
    least, most = np.nanmin(_or0(u), axis=1)[:, None, None], np.nanmax(_or0(u), axis=1)[:, None, None]
    told = np.clip(told, least - (most - least) / 2, most + (most - least) / 2)
    found = (np.exp(told) - offset[:, :, None]) * spread[:, :, None] + low[:, :, None]
    found = np.where((low == np.nanmax(_or0(recent), axis=1, keepdims=True))[:, :, None], low[:, :, None], found)
    never_below = np.nanmin(_or0(recent), axis=1) >= 0
    found = np.where(never_below[:, None, None], np.maximum(found, 0.0), found)
    blind = ~np.isfinite(errors).any(axis=1).all(axis=1)  # no error of some point ahead was ever seen
    if blind.any():
        found[blind] = smoothing.predict(ask.values[blind], ask.horizon, ask.seasons, ask.levels.tolist())
    return found


def _without_spikes(values: np.ndarray) -> np.ndarray:
    """(B, T) with what lies FARTHEST widths beyond the middle 98 of 100 values brought back to there.

    One faulty reading must not set the scale of everything; where the 98 are one value nothing is changed.
    """
    ordered = np.sort(values, axis=1)  # NaN last
    last = np.maximum(np.isfinite(values).sum(axis=1, keepdims=True) - 1, 0)
    low, high = (np.take_along_axis(ordered, (last * part).astype(np.int64), axis=1) for part in (0.01, 0.99))
    room = np.where(high > low, FARTHEST * (high - low), np.inf)
    return np.clip(values, low - room, high + room)


def _offset(values: np.ndarray, day: int) -> np.ndarray:
    """(B, 1) the offset with which the spread of a day is proportional to its mean: intercept over slope of a line.

    values  (B, T) from 0 on, in spreads. Without a growing spread it is the largest: differences, no ratios.
    """
    span = day if day > 3 else 12
    count = values.shape[1] // span
    if count < 8:
        return np.full((len(values), 1), OFFSETS[0])
    days = values[:, -count * span:].reshape(len(values), count, span)
    middle, wide = days.mean(axis=2), days.std(axis=2)
    known = np.isfinite(wide)
    number = np.maximum(known.sum(axis=1, keepdims=True), 1)
    x, y = np.where(known, middle, 0.0), np.where(known, wide, 0.0)
    mean_x, mean_y = x.sum(axis=1, keepdims=True) / number, y.sum(axis=1, keepdims=True) / number
    varied = (x * x).sum(axis=1, keepdims=True) / number - mean_x**2
    slope = ((x * y).sum(axis=1, keepdims=True) / number - mean_x * mean_y) / np.maximum(varied, 1e-12)
    ratio = np.where(slope > 1e-6, (mean_y - slope * mean_x) / np.maximum(slope, 1e-6), np.inf)
    return np.clip(ratio, *OFFSETS)


def _or0(values: np.ndarray) -> np.ndarray:
    """Series of which nothing is known are 0."""
    return np.where(np.isfinite(values).any(axis=1, keepdims=True), values, 0.0)


def _scale(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(lowest value, standard deviation) (B, 1); the spread of what never changes is its size, of 0 it is 1."""
    known = _or0(values)
    low = np.nanmin(known, axis=1, keepdims=True)
    width = np.nanmax(known, axis=1, keepdims=True) - low
    size = np.where(low != 0, np.abs(low), 1.0)
    spread = np.nanstd((known - low) / np.where(width > 0, width, 1.0), axis=1, keepdims=True) * width
    return low, np.where(spread > 0, spread, size)


def _forecast(past: Past, origins: slice, horizon: int) -> tuple[np.ndarray, np.ndarray]:
    """((B, H) forecast less the level of the last week, (B, K, H) errors held out as large as now, NaN where unknown).

    Where more than ALIKE cases overlap every second or third is learned from; its errors stand for those beside it.
    """
    day = past.days.shape[2]
    edges = [0, *(edge for edge in (round(part * day) for part in PARTS) if 0 < edge < horizon), horizon]
    newest = slice(past.count - 1, past.count, 1)
    names = past.names(origins)
    priors = np.array([[prior.get(name, 0.0) for prior in PRIORS] for name in names])
    points, errors = [], []
    for first, last in pairwise(edges):
        every = min(max(int(last / day / origins.step / ALIKE), 1), 3)
        step = 2 if first >= HALVED * day and day % 2 == 0 else 1
        some = _thinned(origins, every)
        truth, known = past.truth(Span(some, first, last, step))
        overlap = last / day / some.step
        judged = held_out.fit(held_out.Cases(past.inputs(Span(some, first, last, step)), truth, known, overlap), priors)
        ahead = past.inputs(Span(newest, first, last))[:, :, 0]  # (B, F, L)
        points.append((judged.weights[:, None] @ ahead)[:, 0])
        missed = WHOLE * _less_bias(judged.errors, truth.shape[1] / max(overlap, 1.0))
        evened = as_now(missed, signs(past, some, first, last), signs(past, newest, first, last), overlap)
        evened = np.repeat(evened, every, axis=1)[:, -len(range(past.count)[origins]):]
        errors.append(np.repeat(evened, step, axis=2)[:, :, : last - first])
    return np.concatenate(points, axis=1), np.concatenate(errors, axis=2)


def _thinned(origins: slice, every: int) -> slice:
    """Every so manieth origin, the newest among them."""
    step = every * origins.step
    return slice(origins.start + (origins.stop - 1 - origins.start) % step, origins.stop, step)


def _less_bias(errors: np.ndarray, independent: float) -> np.ndarray:
    """Errors (B, K, L) with the mean of each point ahead drawn to 0: what few independent cases show is mostly chance.

    The skew stays: a median below the mean is kept below it.
    """
    known = np.isfinite(errors)
    mean = np.where(known, errors, 0.0).sum(axis=1, keepdims=True) / np.maximum(known.sum(axis=1, keepdims=True), 1)
    return errors - mean * (BIAS / (independent + BIAS))


def _neighbours(errors: np.ndarray, day: int) -> np.ndarray:
    """(B, H, n) errors (B, K, H) of each point ahead and those near it: 2 points aside, and of the days beside it.

    Of more than POOL every second or third .. origin is taken, another one at each distance.
    """
    horizon = errors.shape[2]
    around = range(-2, 3) if day >= 8 else range(1)
    days = (-1, 0, 1) if horizon > 2 * day and day > 1 else (0,)
    shifts = [d * day + s for d in days for s in around]
    every = max(len(shifts) * errors.shape[1] // POOL, 1)
    at = np.arange(horizon)
    found = []
    for i, shift in enumerate(shifts):
        near = at + shift
        found.append(errors[:, i % every::every, np.where((near < 0) | (near >= horizon), at, near)])
    return np.ascontiguousarray(np.concatenate(found, axis=1).transpose(0, 2, 1))
