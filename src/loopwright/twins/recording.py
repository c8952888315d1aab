"""A machine that says again what was once recorded: finite, in time order, at any speed.

    frames(table, chunk_s)                   what it says, breath by breath
    replay(table, clock, chunk_s, speed)     the same, paced by a clock; speed None is as fast as the listener accepts
    rows(thing, t_ns, columns, kind)         wide columns -> POINTS_IN rows (what the other twins use)
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from loopwright.core.clock import NS_PER_S, Clock
from loopwright.core.errors import InputError
from loopwright.core.types import GOOD, POINTS_IN, Kind


def rows(thing: str, t_ns: Any, columns: Mapping[str, Any], kind: Kind) -> pa.Table:
    """POINTS_IN rows of one thing from wide columns, time by time.

    t_ns     (n,)  int64 ns UTC, growing
    columns  signal -> (n,) inside units; states as codes
    returns  n * len(columns) rows
    Raises UnknownName for a signal that the kind lacks.
    """
    signals = [kind.signal(name) for name in columns]
    n, width = len(t_ns), len(signals)
    wide = np.stack([np.asarray(column, dtype=np.float64) for column in columns.values()], axis=1).ravel()
    gauge = np.tile([signal.kind == "gauge" for signal in signals], n)
    whole = np.where(gauge, 0.0, wide).astype(np.int64)
    return pa.table(
        [
            pa.array([thing], pa.string()).take(pa.array(np.zeros(n * width, dtype=np.int32))),
            pa.array([signal.name for signal in signals]).take(pa.array(np.tile(np.arange(width, dtype=np.int32), n))),
            pa.array(np.repeat(np.asarray(t_ns, dtype=np.int64), width)),
            pa.array(np.zeros(n * width, dtype=np.int32)),
            pa.array(wide, mask=~gauge),
            pa.array(whole, mask=gauge),
            pa.array(np.full(n * width, GOOD, dtype=np.int8)),
        ],
        schema=POINTS_IN,
    )


def frames(table: pa.Table, chunk_s: float = 1.0) -> Iterator[pa.Table]:
    """The rows of a recording in the order of their times, chunk_s of recorded time a frame; empty times are skipped.

    Nothing is added, left out or changed: the frames together are the table, sorted by time.
    """
    if chunk_s <= 0:
        raise InputError("recording", f"chunk_s is {chunk_s}", "seconds above 0")
    if table.num_rows == 0:
        return
    ordered = table.sort_by([("t_ns", "ascending")])
    t_ns = ordered.column("t_ns").to_numpy()
    chunk = (t_ns - t_ns[0]) // max(1, round(chunk_s * NS_PER_S))
    edges = [0, *(np.flatnonzero(np.diff(chunk)) + 1).tolist(), len(t_ns)]
    for start, end in itertools.pairwise(edges):
        yield ordered.slice(start, end - start)


async def replay(
    table: pa.Table | Iterable[pa.Table], clock: Clock, chunk_s: float = 1.0, speed: float | None = None
) -> AsyncIterator[pa.Table]:
    """The frames of a recording (or frames made elsewhere), paced by the clock.

    speed  recorded seconds a second: 1 is real time, 60 a minute a second; None waits for nothing but the listener
    """
    if speed is not None and speed <= 0:
        raise InputError("recording", f"speed is {speed}", "above 0, or None for as fast as it is accepted")
    first_ns: int | None = None
    started_ns = clock.now_ns()
    for frame in frames(table, chunk_s) if isinstance(table, pa.Table) else table:
        t_ns = frame.column("t_ns")[0].as_py()
        first_ns = t_ns if first_ns is None else first_ns
        if speed is not None:
            due_s = (t_ns - first_ns) / NS_PER_S / speed
            await clock.sleep(due_s - (clock.now_ns() - started_ns) / NS_PER_S)
        else:
            await clock.sleep(0)
        yield frame
