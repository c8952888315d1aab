"""All that was said in each step of a grid, told by one number: the arithmetic behind `align.resample`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from loopwright.core.types import Signal
from loopwright.store import chart
from loopwright.store.levels import level_for

if TYPE_CHECKING:
    from loopwright.store.align import Rows
    from loopwright.store.cellar import Store

HOWS = ("mean", "min", "max", "sum", "count", "first", "last", "time_mean", "delta")
_MANY = 100_000  # samples of a series: from so many on rollups are quicker than reading them
Steps = tuple[int, int, int]  # start_ns, end_ns, step_ns
Told = tuple[Any, Any]  # values and mask, each (series * steps,)


def fold(rows: Rows, cells: tuple[int, int], steps: Steps, how: str, max_gap_ns: int | None) -> Told:
    """Values of each step, by `how`; cells is (series, steps)."""
    start_ns, end_ns, step_ns = steps
    size = cells[0] * cells[1]
    inside = rows.good & (rows.t_ns >= start_ns) & (rows.t_ns < end_ns)
    if how == "delta":
        return _grown(rows, cells, steps, max_gap_ns)
    at = rows.series[inside] * cells[1] + (rows.t_ns[inside] - start_ns) // step_ns
    value = rows.value[inside]
    count = np.bincount(at, minlength=size)
    if how == "count":
        return count.astype(np.float64), np.ones(size, bool)
    mask = count > 0
    if how in ("sum", "mean"):
        total = np.bincount(at, value, minlength=size)
        return (total if how == "sum" else total / np.maximum(count, 1)), mask
    result = np.zeros(size)
    if how in ("first", "last"):
        ordered = slice(None, None, -1) if how == "first" else slice(None)
        result[at[ordered]] = value[ordered]  # rows are in order of time: the last one written stands
        return result, mask
    ufunc, nothing = (np.minimum, np.inf) if how == "min" else (np.maximum, -np.inf)
    best = np.full(size, nothing)
    ufunc.at(best, at, value)
    return np.where(mask, best, 0.0), mask


def rolled(
    store: Store, things: Sequence[str], signals: Sequence[Signal], steps: Steps, how: str
) -> Told | None:
    """The same as `fold`, from rollups; None where these do not have it, or where samples are few enough.

    Least, most and count are the same to the bit; sums and means to the rounding of their order.
    """
    start_ns, end_ns, step_ns = steps
    least = min((signal.rate_hz or 1.0 for signal in signals), default=1.0)
    if how not in ("mean", "min", "max", "sum", "count") or (end_ns - start_ns) / 1e9 * least < _MANY:
        return None
    if start_ns % step_ns or end_ns % step_ns or any(thing not in store.things() for thing in things):
        return None
    width = (end_ns - start_ns) // step_ns
    kinds = {store.things()[thing].kind for thing in things}
    if not all(any(s.name == signal.name for s in store.kinds()[kind].signals) for kind in kinds for signal in signals):
        return None
    parts = []
    for thing in things:
        for signal in signals:
            one = chart.one_of(store, thing, signal.name)
            level = level_for(step_ns, one.levels)
            if not level:
                return None
            parts.append(_of_rows(chart.level_rows(store, one, level, (start_ns, end_ns)), steps, width, how))
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))  # type: ignore[return-value]


def _of_rows(rows: Any, steps: Steps, width: int, how: str) -> Told:
    """One series of rollup rows, put together to steps."""
    at = (rows["t_ns"] - steps[0]) // steps[2]
    count = np.bincount(at, rows["count"], minlength=width)
    if how == "count":
        return count, np.ones(width, bool)
    mask = count > 0
    if how in ("sum", "mean"):
        total = np.bincount(at, np.where(rows["count"] > 0, rows["vsum"], 0.0), minlength=width)
        return (total if how == "sum" else total / np.maximum(count, 1)), mask
    ufunc, nothing = (np.minimum, np.inf) if how == "min" else (np.maximum, -np.inf)
    best = np.full(width, nothing)
    said = rows["count"] > 0
    ufunc.at(best, at[said], rows[f"v{how}"][said])
    return np.where(mask, best, 0.0), mask


def _grown(rows: Rows, cells: tuple[int, int], steps: Steps, max_gap_ns: int | None) -> Told:
    """How much each counter grew in each step: from one good value to the next one, in the step of the next."""
    start_ns, end_ns, step_ns = steps
    gaps = np.concatenate(([0], np.cumsum(~rows.good)))[:-1]  # gaps before each row
    good = np.flatnonzero(rows.good)
    first, second = good[:-1], good[1:]
    t0, t1 = rows.t_ns[first], rows.t_ns[second]
    pair = (rows.series[first] == rows.series[second]) & (t1 >= start_ns) & (t1 < end_ns)
    if max_gap_ns is not None:
        pair &= t1 - t0 <= max_gap_ns
    unbroken = (gaps[first] == gaps[second]) | ((t0 - start_ns) // step_ns == (t1 - start_ns) // step_ns)
    first, second = first[pair & unbroken], second[pair & unbroken]
    before, after = rows.value[first], rows.value[second]
    at = rows.series[second] * cells[1] + (rows.t_ns[second] - start_ns) // step_ns
    size = cells[0] * cells[1]
    grown = np.bincount(at, np.where(after >= before, after - before, after), minlength=size)
    return grown, np.bincount(at, minlength=size) > 0


def spread(rows: Rows, cells: tuple[int, int], steps: Steps, how: str, max_gap_ns: int | None) -> Told:
    """The mean of each step over the time for which something held; cells is (series, steps)."""
    start_ns, end_ns, step_ns = steps
    size = cells[0] * cells[1]
    if not len(rows.series):
        return np.zeros(size), np.zeros(size, bool)
    same = np.append(rows.series[1:] == rows.series[:-1], False)
    until = np.where(same, np.append(rows.t_ns[1:], 0), rows.t_ns + (max_gap_ns or 0))
    if max_gap_ns is not None:
        until = np.minimum(until, rows.t_ns + max_gap_ns)
    begin, until = np.maximum(rows.t_ns, start_ns), np.minimum(until, end_ns)
    held = rows.good & (until > begin)
    begin, until, value, series = begin[held], until[held], rows.value[held], rows.series[held]
    low, high = (begin - start_ns) // step_ns, (until - 1 - start_ns) // step_ns
    pieces = high - low + 1  # a span that crosses into other steps counts in each of them
    row = np.repeat(np.arange(len(low)), pieces)
    step = low[row] + np.arange(len(row)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    left = np.maximum(begin[row], start_ns + step * step_ns)
    right = np.minimum(until[row], start_ns + (step + 1) * step_ns)
    weight = (right - left).astype(np.float64)
    at = series[row] * cells[1] + step
    known = np.bincount(at, weight, minlength=size)
    total = np.bincount(at, weight * value[row], minlength=size)
    return total / np.maximum(known, 1.0), known > 0
