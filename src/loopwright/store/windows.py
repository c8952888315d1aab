"""The only builder of windows from kept data: a regular grid with a mask, where nothing is ever filled in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from loopwright.core.errors import InputError
from loopwright.core.types import BAD, POINTS, Signal, Windows
from loopwright.store.catalogue import encoded
from loopwright.store.check import lists, numbers


def grid(start_ns: int, end_ns: int, step_ns: int) -> np.ndarray[Any, Any]:
    """(T,) the start of every step in start_ns <= t < end_ns."""
    if step_ns <= 0 or end_ns <= start_ns:
        given = f"from {start_ns} to {end_ns} in steps of {step_ns} ns"
        raise InputError("windows", given, "an end after the start, a step above 0")
    return np.arange(start_ns, end_ns, step_ns, dtype=np.int64)


def build(
    points: pa.Table,
    blocks: pa.Table | None,
    things: Sequence[str],
    signals: Sequence[Signal],
    steps: tuple[Any, int, int],
) -> Windows:
    """The windows of `things` (B) and `signals` (C) over T steps.

    points, blocks  rows sorted by thing, signal, t_ns, n
    steps           t_ns (T,) as `grid` gives it, step_ns, end_ns
    returns         values (B, T, C) float64: the last value in t_ns[i] <= t < t_ns[i] + step_ns, and before end_ns;
                    mask (B, T, C): whether there is one. Gaps and values of quality bad count as none. Where there is
                    none the value is 0 and means nothing.
    """
    t_ns, step_ns, end_ns = steps
    shape = (len(things), len(t_ns), len(signals))
    values, mask = np.zeros(shape), np.zeros(shape, bool)
    names = (list(things), [s.name for s in signals])
    for table, flat in ((points, _of_points), (blocks, _of_blocks)):
        if table is None or not table.num_rows:
            continue
        time, value, row, good = flat(table)
        thing, signal = (_position(table.column(c), n)[row] for c, n in zip(("thing", "signal"), names, strict=True))
        good &= (thing >= 0) & (signal >= 0) & (time >= t_ns[0]) & (time < end_ns)
        step = (time[good] - t_ns[0]) // step_ns
        at = (thing[good] * shape[1] + step) * shape[2] + signal[good]
        ends = np.append(at[1:] != at[:-1], True)[:len(at)]  # rows are in order of time within each series
        values.ravel()[at[ends]] = value[good][ends]
        mask.ravel()[at[ends]] = True
    return Windows(tuple(things), values, mask, t_ns, tuple(names[1]), tuple(s.unit for s in signals))


def flat(blocks: pa.Table, start_ns: int | None, end_ns: int | None) -> pa.Table:
    """Blocks as POINTS rows, one a number, with start_ns <= t_ns < end_ns."""
    time, value, row, _ = _of_blocks(blocks)
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


def _of_points(table: pa.Table) -> tuple[Any, Any, Any, Any]:
    value, has_value = numbers(table.column("value"), np.float64)
    code, has_code = numbers(table.column("code"), np.float64)
    good = (has_value | has_code) & (table.column("quality").to_numpy() != BAD)
    return numbers(table.column("t_ns"), np.int64)[0], np.where(has_value, value, code), np.arange(table.num_rows), good


def _of_blocks(table: pa.Table) -> tuple[Any, Any, Any, Any]:
    flat, starts, lengths = lists(table.column("values"))
    row = np.repeat(np.arange(table.num_rows), lengths)
    nth = np.arange(len(flat)) - starts[row]
    time = numbers(table.column("t_ns"), np.int64)[0][row] + nth * numbers(table.column("dt_ns"), np.int64)[0][row]
    return time, flat, row, (table.column("quality").to_numpy() != BAD)[row]


def _position(column: pa.ChunkedArray, names: list[str]) -> Any:
    """(rows,) where each row's name stands in `names`, -1 where it does not."""
    distinct, index = encoded(column)
    place = {name: i for i, name in enumerate(names)}
    return np.array([*(place.get(name, -1) for name in distinct), -1], np.int64)[index]
