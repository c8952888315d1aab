"""The only builder of windows from kept data: a regular grid with a mask, where nothing is ever filled in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from loopwright.core.errors import InputError
from loopwright.core.types import POINTS, Signal, Windows
from loopwright.store.check import lists, numbers
from loopwright.store.read import Wanted

if TYPE_CHECKING:
    from loopwright.store.cellar import Store

NEVER = np.iinfo(np.int64).min
_MOST_CELLS = 2**31  # 17 GB of values: more is a mistake in the step


@dataclass(frozen=True)
class Cells:
    """Steps of many signals, three arrays of one shape that is the maker's choice.

    values  the last good value of each step; 0 where there is none
    mask    whether there is one
    t_ns    when it was true, NEVER where there is none
    """

    values: Any
    mask: Any
    t_ns: Any

    @classmethod
    def empty(cls, shape: tuple[int, ...], dtype: Any = np.float64) -> Cells:
        """Cells with nothing in them."""
        return cls(np.zeros(shape, dtype), np.zeros(shape, bool), np.full(shape, NEVER, np.int64))

    def scatter(self, at: Any, t_ns: Any, value: Any) -> Any:
        """Puts good values into their cells where they are the last of them.

        at, t_ns, value  (rows,) the cell's place in memory, when it was true, what; of rows with the same cell and
                         time the last one counts
        returns          (rows,) bool: the cell held a value of just this time before
        """
        times, held = self.t_ns.reshape(-1), self.values.reshape(-1)
        before = times[at]
        np.maximum.at(times, at, t_ns)
        newer = (t_ns == times[at]) & (t_ns > before)
        held[at[newer]] = value[newer]
        self.mask.reshape(-1)[at[newer]] = True
        return before == t_ns


def grid(start_ns: int, end_ns: int, step_ns: int) -> np.ndarray[Any, Any]:
    """(T,) the start of every step in start_ns <= t < end_ns."""
    if step_ns <= 0 or end_ns <= start_ns:
        given = f"from {start_ns} to {end_ns} in steps of {step_ns} ns"
        raise InputError("windows", given, "an end after the start, a step above 0")
    if start_ns < NEVER or end_ns > np.iinfo(np.int64).max:
        raise InputError("windows", f"from {start_ns} to {end_ns} ns", "times between 1677 and 2262")
    if -(-(end_ns - start_ns) // step_ns) > _MOST_CELLS:
        given = f"{-(-(end_ns - start_ns) // step_ns):,} steps"
        raise InputError("windows", given, f"at most {_MOST_CELLS:,}", "ask for a shorter time or a longer step")
    return np.arange(start_ns, end_ns, step_ns, dtype=np.int64)


def read(
    store: Store, things: Sequence[str], signals: Sequence[str], steps: tuple[int, int, int],
    known_by_ns: int | None = None,
) -> Windows:
    """The windows of `things` (B) and `signals` (C) over the T steps of (start_ns, end_ns, step_ns).

    values (B, T, C) float64: the last good value in t_ns[i] <= t < t_ns[i] + step_ns, and before end_ns; mask
    (B, T, C): whether there is one. Gaps and values of quality bad count as none. Where there is none the value is 0
    and means nothing. Of values with the same time the one with the highest n counts; of blocks that overlap the later
    block's.
    """
    t_ns = grid(*steps)
    things, signals = ([names] if isinstance(names, str) else list(names) for names in (things, signals))
    channels = [channel(store, name) for name in signals]
    cells = read_cells(store, things, signals, steps, known_by_ns)
    return Windows(tuple(things), cells.values, cells.mask, t_ns, tuple(signals), tuple(s.unit for s in channels))


def channel(store: Store, name: str) -> Signal:
    """The signal of that name; UnknownName where nobody declared it, InputError where a sample has several numbers."""
    found = store._memory.catalogue.signal(name)
    if found.shape:
        given = f"a sample of it has {int(np.prod(found.shape))} numbers"
        raise InputError(f"signal {name!r}", given, "signals of one number", "read its blocks: get(blocks=True)")
    return found


def read_cells(
    store: Store, things: Sequence[str], signals: Sequence[str], steps: tuple[int, int, int],
    known_by_ns: int | None = None,
) -> Cells:
    """As `read` gives it, (B, T, C), with the time of each value."""
    start_ns, end_ns, step_ns = steps
    count = -(-(end_ns - start_ns) // step_ns)
    if count * len(things) * len(signals) > _MOST_CELLS:
        given = f"{len(things):,} things, {count:,} steps and {len(signals):,} signals"
        raise InputError("windows", given, f"at most {_MOST_CELLS:,} cells", "ask for a shorter time or fewer things")
    cells = Cells.empty((len(things), count, len(signals)))
    for blocks in (False, True):
        rows = read_rows(store, things, signals, (start_ns, end_ns), blocks, known_by_ns)
        series, time, value, good = blocks_flat(rows) if blocks else points_flat(rows)
        if start_ns > NEVER // 2:
            good &= (time >= start_ns) & (time < end_ns)
        if not good.all():
            series, time, value = series[good], time[good], value[good]
        thing, signal = np.divmod(series, max(1, len(signals)))
        cells.scatter((thing * count + (time - start_ns) // step_ns) * len(signals) + signal, time, value)
    return cells


def read_rows(
    store: Store, things: Sequence[str], signals: Sequence[str], times: tuple[int | None, int | None], blocks: bool,
    known_by_ns: int | None = None,
) -> pa.Table:
    """Rows of `Reader.numbered` in which series and times are told by numbers; of blocks all that reach into times."""
    start_ns, end_ns = times
    declared = [s for kind in store._memory.catalogue.kinds.values() for s in kind.signals if not s.shape]
    if not any(s.fast == blocks and s.name in signals for s in declared) or not len(things):
        names = ("series", "t_ns", "n", *(("dt_ns", "values") if blocks else ("number",)), "good")
        return pa.table({name: pa.array([], _TYPES[name]) for name in names})
    if blocks and start_ns is not None:
        start_ns -= store._memory.span_ns
    wanted = Wanted(list(things), list(signals), start_ns, end_ns, known_by_ns)
    return store._again(lambda: store._reader.numbered(store._view(blocks, wanted), wanted))


_TYPES = {
    "series": pa.int64(), "t_ns": pa.int64(), "n": pa.int32(), "dt_ns": pa.int64(), "values": pa.list_(pa.float32()),
    "number": pa.float64(), "good": pa.bool_(),
}


def points_flat(rows: pa.Table) -> tuple[Any, Any, Any, Any]:
    """(series, t_ns, value, good), each (rows,), of points; rows of higher n come later."""
    if rows.num_rows and numbers(rows.column("n"), np.int64)[0].any():
        rows = rows.sort_by("n")
    series, time = (numbers(rows.column(name), np.int64)[0] for name in ("series", "t_ns"))
    return series, time, numbers(rows.column("number"), np.float64)[0], rows.column("good").to_numpy().copy()


def blocks_flat(rows: pa.Table) -> tuple[Any, Any, Any, Any]:
    """(series, t_ns, value, good), each (samples,), of blocks; those of later blocks come later."""
    rows = rows.sort_by([("t_ns", "ascending"), ("n", "ascending")])
    time, value, row = _samples(rows)
    return numbers(rows.column("series"), np.int64)[0][row], time, value, rows.column("good").to_numpy()[row]


def flat(blocks: pa.Table, start_ns: int | None, end_ns: int | None) -> pa.Table:
    """Blocks as POINTS rows, one a number, with start_ns <= t_ns < end_ns."""
    time, value, row = _samples(blocks)
    rest = blocks.select(["thing", "signal", "quality", "known_ns", "assumed"]).take(row)
    columns = {name: rest.column(name) for name in rest.column_names}
    columns |= {"t_ns": time, "n": np.zeros(len(row), np.int32), "value": value, "code": pa.nulls(len(row), pa.int64())}
    inside = np.ones(len(row), bool)
    inside &= True if start_ns is None else time >= start_ns
    inside &= True if end_ns is None else time < end_ns
    return pa.table([columns[name] for name in POINTS.names], schema=POINTS).filter(pa.array(inside))


def together(*tables: pa.Table) -> pa.Table:
    """POINTS rows of all, in the order of POINTS."""
    return pa.concat_tables(tables).sort_by([(name, "ascending") for name in ("thing", "signal", "t_ns", "n")])


def _samples(blocks: pa.Table) -> tuple[Any, Any, Any]:
    """(t_ns, value, row), each (samples,), of rows of blocks."""
    flat, starts, lengths = lists(blocks.column("values"))
    row = np.repeat(np.arange(blocks.num_rows), lengths)
    nth = np.arange(len(flat)) - starts[row]
    time = numbers(blocks.column("t_ns"), np.int64)[0][row] + nth * numbers(blocks.column("dt_ns"), np.int64)[0][row]
    return time, flat, row
