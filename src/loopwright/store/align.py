"""Series brought onto common times: as-of joins, values at any time, resampling. A gap is never bridged.

A value holds from its own time until the next row of its signal says something else. A gap that the source reported,
and a value of quality bad, say that nothing is known from there on: nothing is carried or drawn across them. Times are
int64 ns UTC; numbers stay in the unit of their signal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loopwright.core.errors import InputError, UnknownName
from loopwright.core.types import Signal, Windows
from loopwright.store.catalogue import encoded
from loopwright.store.cellar import Store
from loopwright.store.check import numbers
from loopwright.store.resample import HOWS, fold, rolled, spread
from loopwright.store.windows import blocks_flat, channel, grid, points_flat, read_rows

Direction = Literal["backward", "nearest"]
_FAR = 2**61  # ns: further from 1970 than any time that is kept
_FIRST_LOOK = 60 * 10**9  # ns: how far back the row that still holds is looked for first
_FURTHER = 8


@dataclass(frozen=True)
class Rows:
    """Rows of many series in order of series and time (for `before` one of each time).

    good is false for a gap and for quality bad. Each (rows,): series int64, t_ns int64, value float64, good bool.
    """

    series: Any
    t_ns: Any
    value: Any
    good: Any

    def before(self, series: Any, t_ns: Any) -> Any:
        """(n,) the row of each series that was the last at that time, t_ns of the row included; -1: none was."""
        times = np.unique(self.t_ns)
        wide = len(times) + 1
        own = self.series * wide + np.searchsorted(times, self.t_ns) + 1
        at = np.searchsorted(own, series * wide + np.searchsorted(times, t_ns, "right"), "right") - 1
        if not len(own):
            return at
        return np.where((at >= 0) & (self.series[at] == series), at, -1)

    def after(self, at: Any, series: Any, t_ns: Any) -> Any:
        """(n,) the row that follows `at` in its series, or its first one; -1: there is none."""
        if not len(self.series):
            return at
        first = np.searchsorted(self.series, series)
        following = np.where(at >= 0, at + 1, first)
        there = following < len(self.series)
        following = np.where(there, following, 0)
        return np.where(there & (self.series[following] == series), following, -1)


def asof_join(
    left: pa.Table, right: pa.Table, *, on: str = "t_ns", by: str = "thing", value: str = "value",
    tolerance_ns: int | None = None, direction: Direction = "backward",
) -> pa.Table:
    """The left rows, in their order, each with the right value that held at its time.

    left, right   tables with the columns `by` (a name, or a number) and `on` (int64 ns), in any order
    value         the column of right that is joined; a null there ends what stood before it
    tolerance_ns  how old the value may be (None: as old as it is); with 'nearest' how far away
    direction     'backward': the last one at or before the row; 'nearest': also the next one when that is nearer
    returns       left with `value` and `value`_t_ns, when it was true; both null where nothing held. Columns of left
                  with those names go.

    Within a gap (from a null to the next value) nothing holds, in neither direction. Of right rows with the same time
    the last counts. As `pandas.merge_asof(left, right, on, by, tolerance, direction)` where there are no nulls.
    """
    _directed(direction, tolerance_ns)
    for name, table, columns in (("left", left, (by, on)), ("right", right, (by, on, value))):
        for column in columns:
            if column not in table.column_names:
                raise UnknownName(f"column of the {name} table", column, table.column_names)
            if column != value and table.column(column).null_count:
                raise InputError(f"as-of join, {name}", f"column {column!r} holds nulls", "a value in every row")
    joint = pa.chunked_array([*left.column(by).chunks, *right.column(by).cast(left.schema.field(by).type).chunks],
                             left.schema.field(by).type)
    key = encoded(joint)[1]
    good = pc.is_valid(right.column(value)).to_numpy()
    rows = _ordered(key[left.num_rows:], _times(right, on), np.arange(right.num_rows), good)
    at = _matched(rows, key[:left.num_rows], _times(left, on), tolerance_ns, direction)
    taken = pa.array(np.where(at >= 0, rows.value[at] if len(rows.value) else 0, 0).astype(np.int64), mask=at < 0)
    stamp = f"{value}_t_ns"
    out = left.drop_columns([name for name in (value, stamp) if name in left.column_names])
    out = out.append_column(right.schema.field(value), right.column(value).combine_chunks().take(taken))
    return out.append_column(stamp, right.column(on).combine_chunks().take(taken))


def asof(
    store: Store, left: pa.Table, signals: Sequence[str], *, tolerance_ns: int | None = None,
    direction: Direction = "backward", known_by_ns: int | None = None,
) -> pa.Table:
    """The left rows, in their order, each with what these signals of its thing said at its time.

    left      a table with the columns thing and t_ns: rows of `store.get`, of inspections, of events
    signals   of the thing that each row names
    returns   left with two columns a signal: its name (float64, a state its code) and <name>.t_ns, both null where
              nothing held; the unit stands in the column's metadata. Rules as `asof_join`.
    """
    _directed(direction, tolerance_ns)
    signals = [signals] if isinstance(signals, str) else list(signals)
    for column in ("thing", "t_ns"):
        if column not in left.column_names:
            raise UnknownName("column of the left table", column, left.column_names)
    if not pa.types.is_string(_plain(left.schema.field("thing").type)):
        raise InputError("as-of join, left", f"things are {left.schema.field('thing').type}", "names")
    channels = [channel(store, name) for name in signals]
    things, place = encoded(left.column("thing"))
    t_ns = _times(left, "t_ns")
    out = left.drop_columns([c for name in signals for c in (name, f"{name}.t_ns") if c in left.column_names])
    ends = (int(t_ns.min()), int(t_ns.max()) + 1) if len(t_ns) else (0, 1)
    ahead = tolerance_ns if direction == "nearest" else 0
    rows = _read(store, things, signals, ends, tolerance_ns, ahead, known_by_ns)
    for c, signal in enumerate(channels):
        at = _matched(rows, place * len(signals) + c, t_ns, tolerance_ns, direction)
        at = np.where(place >= 0, at, -1)
        for name, column in ((signal.name, rows.value), (f"{signal.name}.t_ns", rows.t_ns)):
            taken = column[at] if len(column) else np.zeros(len(at), column.dtype)
            field = pa.field(name, pa.from_numpy_dtype(taken.dtype), metadata={"unit": signal.unit})
            out = out.append_column(field, pa.array(taken, mask=at < 0))
    return out


def at(
    store: Store, things: Sequence[str], signals: Sequence[str], t_ns: Any, *, max_gap_ns: int,
    how: Literal["linear", "previous"] = "linear", known_by_ns: int | None = None,
) -> Windows:
    """What signals said at these times, between their rows.

    t_ns        (T,) int64, in any order
    max_gap_ns  'linear': rows further apart are not joined by a line; 'previous': a row older than that says nothing
    how         'linear' between the row before and the row after (gauges only), 'previous' the row before
    returns     values (B, T, C) and mask: no value within a gap, across more than max_gap_ns, or beyond the first and
                ('linear') the last row
    """
    if how not in ("linear", "previous"):
        raise UnknownName("way to interpolate", how, ["linear", "previous"])
    if max_gap_ns < 0:
        raise InputError("interpolation", f"max_gap_ns of {max_gap_ns}", "0 ns or more")
    channels = [channel(store, name) for name in signals]
    for signal in channels:
        if how == "linear" and signal.kind != "gauge":
            given = f"a {signal.kind} has no values between its values"
            raise InputError(f"signal {signal.name!r}", given, "gauges", "use how='previous'")
    t_ns = np.asarray(t_ns, np.int64)
    ends = (int(t_ns.min()), int(t_ns.max()) + 1) if len(t_ns) else (0, 1)
    rows = _read(store, things, signals, ends, max_gap_ns, max_gap_ns if how == "linear" else 0, known_by_ns)
    series = np.repeat(np.arange(len(things) * len(signals)), len(t_ns))
    times = np.tile(t_ns, len(things) * len(signals))
    value, good = _between(rows, series, times, max_gap_ns, how)
    shape = (len(things), len(signals), len(t_ns))
    values, mask = (part.reshape(shape).transpose(0, 2, 1).copy() for part in (value, good))
    return Windows(tuple(things), values, mask, t_ns, tuple(signals), tuple(s.unit for s in channels))


def resample(
    store: Store, things: Sequence[str], signals: Sequence[str], start_ns: int, end_ns: int, step_ns: int, *,
    how: str = "mean", max_gap_ns: int | None = None, known_by_ns: int | None = None,
) -> Windows:
    """A regular grid of things, steps and signals, each step told by all that was said in it.

    how         'mean', 'min', 'max', 'sum', 'count', 'first', 'last' of the good values of a step
                'time_mean' each value weighs as long as it held, also one from before the step: for irregular signals.
                A value holds until the next row, at most max_gap_ns; the last one of all for max_gap_ns (None: 0)
                'delta' how much a counter grew: from one value to the next, counted in the step of the next; a value
                below the one before is a reset, and counts from 0. Growth across a gap is counted only within one step,
                across more than max_gap_ns not at all
    returns     values (B, T, C) float64, mask (where there is something to tell; 'count' always), t_ns (T,) step starts
    Long ranges are told from rollups where these have the answer: mean, min, max, sum and count of whole minutes.
    Raises InputError for a way that makes no sense for a signal: a mean of states, a delta of gauges.
    """
    if how not in HOWS:
        raise UnknownName("way to resample", how, HOWS)
    t_ns, channels = grid(start_ns, end_ns, step_ns), [channel(store, name) for name in signals]
    for signal in channels:
        _makes_sense(signal, how)
    back = max_gap_ns if how in ("time_mean", "delta") else 0
    ahead = max_gap_ns if how == "time_mean" else 0
    steps, cells = (start_ns, end_ns, step_ns), (len(things) * len(signals), len(t_ns))
    told = rolled(store, things, channels, steps, how) if known_by_ns is None else None
    if told is None:
        once = how in ("time_mean", "delta")
        rows = _read(store, things, signals, (start_ns, end_ns), back, ahead, known_by_ns, once=once)
        told = (spread if how == "time_mean" else fold)(rows, cells, steps, how, max_gap_ns)
    shape = (len(things), len(signals), len(t_ns))
    values, mask = (part.reshape(shape).transpose(0, 2, 1).copy() for part in told)
    return Windows(tuple(things), values, mask, t_ns, tuple(signals), tuple(s.unit for s in channels))


def _makes_sense(signal: Signal, how: str) -> None:
    allowed = {
        "gauge": [name for name in HOWS if name != "delta"], "state": ["count", "first", "last"],
        "counter": ["min", "max", "count", "first", "last", "delta"],
    }[signal.kind]
    if how not in allowed:
        raise InputError(f"signal {signal.name!r}", f"{how!r} of a {signal.kind}", ", ".join(allowed))


def _directed(direction: str, tolerance_ns: int | None) -> None:
    if direction not in ("backward", "nearest"):
        raise UnknownName("direction", direction, ["backward", "nearest"])
    if tolerance_ns is not None and tolerance_ns < 0:
        raise InputError("as-of join", f"tolerance_ns of {tolerance_ns}", "0 ns or more")


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _times(table: pa.Table, column: str) -> Any:
    """(rows,) int64 ns of a column of whole numbers or of timestamps; 0 where there is none."""
    kind = table.schema.field(column).type
    if pa.types.is_timestamp(kind):
        return numbers(table.column(column).cast(pa.timestamp("ns", kind.tz)).cast(pa.int64()), np.int64)[0]
    if not pa.types.is_integer(kind):
        raise InputError("as-of join", f"column {column!r} is {kind}", "whole ns, or timestamps")
    return numbers(table.column(column), np.int64)[0]


def _matched(rows: Rows, series: Any, t_ns: Any, tolerance_ns: int | None, direction: str) -> Any:
    """(n,) the row that holds at each time, -1: none."""
    at = rows.before(series, t_ns)
    if not len(rows.series):
        return at
    far = np.iinfo(np.int64).max
    limit = far if tolerance_ns is None else tolerance_ns
    age = np.where(at >= 0, t_ns - rows.t_ns[at], far)
    held = (at >= 0) & rows.good[at] & (age <= limit)
    found = np.where(held, at, -1)
    if direction == "backward":
        return found
    following = rows.after(at, series, t_ns)
    until = np.where(following >= 0, rows.t_ns[following] - t_ns, far)
    open_ = (at < 0) | rows.good[at]  # within a gap nothing holds
    nearer = (following >= 0) & rows.good[following] & (until <= limit) & open_ & ((until < age) | ~held)
    return np.where(nearer, following, found)


def _between(rows: Rows, series: Any, t_ns: Any, max_gap_ns: int, how: str) -> tuple[Any, Any]:
    """(value, there is one) of each series at each time."""
    at = rows.before(series, t_ns)
    if not len(rows.series):
        return np.zeros(len(t_ns)), np.zeros(len(t_ns), bool)
    age = t_ns - rows.t_ns[at]
    held = (at >= 0) & rows.good[at]
    if how == "previous":
        held &= age <= max_gap_ns
        return np.where(held, rows.value[at], 0.0), held
    following = rows.after(at, series, t_ns)
    width = rows.t_ns[following] - rows.t_ns[at]
    joined = held & (following >= 0) & rows.good[following] & (width <= max_gap_ns)
    share = np.where(joined & (width > 0), age / np.maximum(width, 1), 0.0)
    line = rows.value[at] * (1 - share) + rows.value[following] * share
    exact = held & (age == 0)
    return np.where(exact, rows.value[at], np.where(joined, line, 0.0)), exact | joined


# reading


def _read(
    store: Store, things: Sequence[str], signals: Sequence[str], ends: tuple[int, int], back_ns: int | None,
    ahead_ns: int | None, known_by_ns: int | None, *, once: bool = True,
) -> Rows:
    """Rows of every thing and signal within start <= t < end, with what held before it and comes after it.

    back_ns, ahead_ns  how far to look before and after; None: as far as the next row is
    once               of values with the same time only the last
    """
    start_ns, end_ns = ends
    first = max(-_FAR, start_ns - (_FIRST_LOOK if back_ns is None else back_ns))
    last = min(_FAR, end_ns + (_FIRST_LOOK if ahead_ns is None else ahead_ns))
    parts = [_within(store, things, signals, (first, last), known_by_ns)]
    if back_ns is None:
        parts += _further(store, (things, signals), parts[0], (start_ns, first), -1, known_by_ns)
    if ahead_ns is None:
        parts += _further(store, (things, signals), parts[0], (end_ns - 1, last), 1, known_by_ns)
    series, t_ns, value, good = (
        np.concatenate([vars(p)[name] for p in parts]) for name in ("series", "t_ns", "value", "good"))
    return _ordered(series, t_ns, value, good, once=once)


def _further(
    store: Store, names: tuple[Sequence[str], Sequence[str]], have: Rows, times: tuple[int, int], way: int,
    known_by_ns: int | None,
) -> list[Rows]:
    """Rows of the series that have none beyond times[0]: further and further from times[1] on, until each has one."""
    things, signals = names
    line, edge = times
    there = have.t_ns <= line if way < 0 else have.t_ns > line
    missing = np.setdiff1d(np.arange(len(things) * len(signals)), have.series[there])
    found, look = [], _FIRST_LOOK
    while len(missing) and -_FAR < edge < _FAR:
        look *= _FURTHER
        onward = max(-_FAR, min(_FAR, edge + way * look))
        which = np.unique(missing // len(signals))
        part = _within(store, [things[i] for i in which], signals, (min(edge, onward), max(edge, onward)), known_by_ns)
        thing, signal = np.divmod(part.series, len(signals))
        part = Rows(which[thing] * len(signals) + signal, part.t_ns, part.value, part.good)
        found.append(part)
        missing = np.setdiff1d(missing, part.series)
        edge = onward
    return found


def _within(
    store: Store, things: Sequence[str], signals: Sequence[str], ends: tuple[int, int], known_by_ns: int | None
) -> Rows:
    parts = []
    for blocks in (False, True):
        rows = read_rows(store, things, signals, ends, blocks, known_by_ns)
        series, time, value, good = blocks_flat(rows) if blocks else points_flat(rows)
        inside = (time >= ends[0]) & (time < ends[1])
        parts.append([series[inside], time[inside], value[inside], good[inside]])
    return Rows(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _ordered(series: Any, t_ns: Any, value: Any, good: Any, *, once: bool = True) -> Rows:
    """Rows in order of series and time; once: of those with the same series and time only the last."""
    order = np.lexsort((np.arange(len(series)), t_ns, series))
    series, t_ns = series[order], t_ns[order]
    if not once:
        return Rows(series, t_ns, value[order], good[order])
    last = np.append((series[1:] != series[:-1]) | (t_ns[1:] != t_ns[:-1]), True)[:len(series)]
    return Rows(series[last], t_ns[last], value[order][last], good[order][last])


