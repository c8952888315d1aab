"""Folding samples into rows of a level, and rows into fewer rows: whole columns, no loop over rows.

A row says what a bucket of one series holds. Rows of the same bucket can be put together in any order, so that late
data is one more row; only a counter's `rise` needs rows whose times do not interleave, and is NaN otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from loopwright.core.types import BAD
from loopwright.store.catalogue import Ints

Rows = dict[str, Any]  # name -> (rows,)
_INT, _REAL = np.int64, np.float64
LATEST, EARLIEST = np.iinfo(_INT).max, np.iinfo(_INT).min
COLUMNS: dict[str, Any] = {
    "level": _INT, "slot": _INT, "t_ns": _INT, "count": _INT, "bad": _INT, "gaps": _INT,
    "vmin": _REAL, "vmax": _REAL, "vsum": _REAL, "last": _REAL, "last_t_ns": _INT, "last_n": _INT,
    "first": _REAL, "first_t_ns": _INT, "rise": _REAL, "quality": _INT, "batch": _INT, "whole": np.bool_,
}


@dataclass(frozen=True)
class Samples:
    """Samples sorted by slot, t_ns, n, each (samples,).

    has      whether there is a value (a gap has none)
    counter  whether the signal is a counter; None: none of them is
    """

    slot: Ints
    t_ns: Ints
    n: Ints
    value: Any
    has: Any
    quality: Any
    counter: Any = None

    def take(self, rows: Any) -> Samples:
        """Some of the samples."""
        counter = None if self.counter is None else self.counter[rows]
        return Samples(self.slot[rows], self.t_ns[rows], self.n[rows], self.value[rows], self.has[rows],
                       self.quality[rows], counter)


@dataclass(frozen=True)
class Runs:
    """Blocks: evenly spaced samples, one run a row.

    slot, t_ns, dt_ns, n, quality  (runs,)
    flat                           (samples,) all numbers
    starts, lengths                (runs,) where a run's numbers stand in flat
    counter                        (runs,) whether the signal is a counter
    """

    slot: Ints
    t_ns: Ints
    dt_ns: Ints
    n: Ints
    quality: Any
    flat: Any
    starts: Ints
    lengths: Ints
    counter: Any

    def take(self, rows: Any) -> Runs:
        """Some of the runs; the numbers stay where they are."""
        return Runs(self.slot[rows], self.t_ns[rows], self.dt_ns[rows], self.n[rows], self.quality[rows], self.flat,
                    self.starts[rows], self.lengths[rows], self.counter[rows])


def empty() -> Rows:
    """No rows."""
    return blank(0)


def blank(size: int, batch: int = 0) -> Rows:
    """Rows that say that there is nothing."""
    rows: Rows = {name: np.zeros(size, dtype) for name, dtype in COLUMNS.items()}
    rows["batch"][:] = batch
    for name in ("last", "first", "rise"):
        rows[name][:] = np.nan
    rows["vmin"][:], rows["vmax"][:] = np.inf, -np.inf
    rows["last_t_ns"][:], rows["first_t_ns"][:] = EARLIEST, LATEST
    return rows


def joined(parts: list[Rows]) -> Rows:
    """Rows one after another."""
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in COLUMNS} if parts else empty()


def take(rows: Rows, which: Any) -> Rows:
    """Some of the rows."""
    return {name: column[which] for name, column in rows.items()}


def fold(samples: Samples, step_ns: Any, batch: int = 0) -> Rows:
    """One row for each series and bucket in which there is a sample, sorted by them.

    step_ns  of the buckets: one for all, or (samples,) each its own, constant within a series
    batch    the last journal batch of them
    """
    if not len(samples.slot):
        return empty()
    bucket = samples.t_ns // step_ns * step_ns
    edge = np.ones(len(bucket), bool)
    edge[1:] = (samples.slot[1:] != samples.slot[:-1]) | (bucket[1:] != bucket[:-1])
    at = np.flatnonzero(edge)
    size = np.diff(np.append(at, len(bucket)))
    good = samples.has & (samples.quality != BAD)
    rows = blank(len(at), batch)
    rows |= {"slot": samples.slot[at], "t_ns": bucket[at],
             "level": np.broadcast_to(np.asarray(step_ns, _INT), bucket.shape)[at].copy(),
             "quality": np.maximum.reduceat(samples.quality, at).astype(_INT)}
    if good.all():
        low = high = total = samples.value
        rows["count"], first, last = size, at, at + size - 1
    else:
        low, high = np.where(good, samples.value, np.inf), np.where(good, samples.value, -np.inf)
        total = np.where(good, samples.value, 0.0)
        rows["count"] = np.add.reduceat(good, at, dtype=_INT)
        rows["gaps"] = np.add.reduceat(~samples.has, at, dtype=_INT)
        rows["bad"] = size - rows["count"] - rows["gaps"]
        index = np.arange(len(bucket))
        last = np.maximum.reduceat(np.where(good, index, -1), at)
        first = np.minimum.reduceat(np.where(good, index, len(bucket)), at)
    rows["vmin"], rows["vmax"] = np.minimum.reduceat(low, at), np.maximum.reduceat(high, at)
    rows["vsum"] = np.add.reduceat(total, at)
    some = rows["count"] > 0
    rows["last"][some], rows["last_t_ns"][some] = samples.value[last[some]], samples.t_ns[last[some]]
    rows["last_n"][some] = samples.n[last[some]]
    if samples.counter is not None and samples.counter.any():
        _rise(rows, samples, np.repeat(np.arange(len(at)), size), good, first)
    return rows


def fold_runs(runs: Runs, step_ns: int, batch: int = 0) -> Rows:
    """As `fold`, of blocks: one row for each series and bucket, put together where several blocks reach into it."""
    if not len(runs.slot):
        return empty()
    first, end = runs.t_ns // step_ns, (runs.t_ns + (runs.lengths - 1) * runs.dt_ns) // step_ns
    spread = end - first + 1 > runs.lengths  # more buckets than samples: a piece a sample
    pieces = np.where(spread, runs.lengths, end - first + 1)
    run = np.repeat(np.arange(len(pieces)), pieces)
    nth = np.arange(len(run)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    t_ns, dt_ns, spread = runs.t_ns[run], runs.dt_ns[run], spread[run]
    bucket = np.where(spread, (t_ns + nth * dt_ns) // step_ns, first[run] + nth) * step_ns
    skip = np.maximum(-((t_ns - bucket) // dt_ns), 0)  # first sample of the run in the bucket, rounded up
    after = np.minimum(-((t_ns - bucket - step_ns) // dt_ns), runs.lengths[run])
    skip, after = np.where(spread, nth, skip), np.where(spread, nth + 1, after)
    some = after > skip  # a step between two samples may be longer than a bucket
    return merged(_pieces(runs, run[some], bucket[some], (skip[some], after[some]), step_ns, batch))


def merged(rows: Rows) -> Rows:
    """One row a series, level and bucket, sorted by them; what a whole row makes superfluous is left out.

    A row that is whole holds everything up to its batch; rows of its bucket with a batch not above it do not count.
    """
    if len(rows["slot"]) > 1:
        order = np.lexsort((rows["first_t_ns"], rows["t_ns"], rows["level"], rows["slot"]))
        if (order[1:] < order[:-1]).any():
            rows = take(rows, order)
    edge = _edges(rows)
    if edge.all():
        return rows
    if rows["whole"].any():
        at, group = np.flatnonzero(edge), np.cumsum(edge) - 1
        newest = np.maximum.reduceat(np.where(rows["whole"], rows["batch"], EARLIEST), at)[group]
        rows = take(rows, (rows["batch"] > newest) | (rows["whole"] & (rows["batch"] == newest)))
        edge = _edges(rows)
    return _together(rows, edge)


def coarser(rows: Rows, step_ns: int) -> Rows:
    """Rows, one a bucket, put together into buckets of a longer step."""
    size = len(rows["slot"])
    longer = {"t_ns": rows["t_ns"] // step_ns * step_ns, "level": np.full(size, step_ns), "whole": np.zeros(size, bool)}
    return merged(rows | longer)


def jump(before: Any, after: Any) -> Any:
    """What a counter rose by from one value to the next: after a drop it counts from zero."""
    return np.where(after >= before, after - before, after)


def _edges(rows: Rows) -> Any:
    edge = np.ones(len(rows["slot"]), bool)
    edge[1:] = False
    for name in ("slot", "level", "t_ns"):
        edge[1:] |= rows[name][1:] != rows[name][:-1]
    return edge


def _together(rows: Rows, edge: Any) -> Rows:
    """Rows in order, those of one bucket put together; edge (rows,) says where a bucket begins."""
    at, group = np.flatnonzero(edge), np.cumsum(edge) - 1
    out = take(rows, at)
    for name in ("count", "bad", "gaps", "vsum"):
        out[name] = np.add.reduceat(rows[name], at)
    for name in ("vmax", "quality", "batch", "whole"):
        out[name] = np.maximum.reduceat(rows[name], at)
    out["vmin"] = np.minimum.reduceat(rows["vmin"], at)
    newest = rows["count"] > 0
    for name, least in (("last_t_ns", EARLIEST), ("last_n", EARLIEST), ("last", -np.inf)):
        given = np.where(newest, rows[name], least)
        out[name] = np.maximum.reduceat(given, at)
        newest &= given == out[name][group]
    some = out["count"] > 0
    out["last"], out["last_n"] = np.where(some, out["last"], np.nan), np.where(some, out["last_n"], 0)
    pair = np.flatnonzero(~edge)
    pair = pair[rows["first_t_ns"][pair] != LATEST]  # rows without values come last in their bucket
    if len(pair):
        step = jump(rows["last"][pair - 1], rows["first"][pair]) + rows["rise"][pair]
        apart = rows["last_t_ns"][pair - 1] < rows["first_t_ns"][pair]
        out["rise"] = out["rise"] + np.bincount(group[pair], np.where(apart, step, np.nan), len(at))
    return out


def _rise(rows: Rows, samples: Samples, group: Ints, good: Any, first: Ints) -> None:
    """Sets first, first_t_ns and rise of the rows of counters."""
    own = (rows["count"] > 0) & samples.counter[np.minimum(first, len(good) - 1)]
    rows["first"][own], rows["first_t_ns"][own] = samples.value[first[own]], samples.t_ns[first[own]]
    which = np.flatnonzero(good & samples.counter)
    value, bucket = samples.value[which], group[which]
    same = bucket[1:] == bucket[:-1]
    rise = np.bincount(bucket[1:][same], jump(value[:-1], value[1:])[same], len(own))
    rows["rise"][own] = rise[own]


def _pieces(runs: Runs, run: Ints, bucket: Ints, bounds: tuple[Ints, Ints], step_ns: int, batch: int) -> Rows:
    """A row for every piece (run, bucket) of a block: its numbers from bounds[0] up to bounds[1]."""
    skip, after = bounds
    rows = blank(len(run), batch)
    start, size = runs.starts[run] + skip, after - skip
    good = runs.quality[run] != BAD
    at = np.stack((start, start + size), axis=1).ravel()  # pieces, and what lies between them
    flat = np.append(runs.flat, runs.flat.dtype.type(0))
    low, high = np.minimum.reduceat(flat, at)[::2], np.maximum.reduceat(flat, at)[::2]
    total = np.add.reduceat(flat, at, dtype=_REAL)[::2]
    rows |= {
        "slot": runs.slot[run], "t_ns": bucket, "level": np.full(len(run), step_ns), "count": np.where(good, size, 0),
        "bad": np.where(good, 0, size), "quality": runs.quality[run].astype(_INT), "vmin": np.where(good, low, np.inf),
        "vmax": np.where(good, high, -np.inf), "vsum": np.where(good, total, 0.0),
    }
    rows["last"][good], rows["last_n"][good] = flat[start + size - 1][good], runs.n[run][good]
    rows["last_t_ns"][good] = (runs.t_ns[run] + (after - 1) * runs.dt_ns[run])[good]
    counter = good & runs.counter[run]
    if counter.any():
        rows["first"][counter] = flat[start[counter]]
        rows["first_t_ns"][counter] = (runs.t_ns[run] + skip * runs.dt_ns[run])[counter]
        steps = np.append(0.0, jump(flat[:-1].astype(_REAL), flat[1:].astype(_REAL)))
        steps[start] = 0.0  # what led to a piece's first number belongs to the piece before it
        rows["rise"][counter] = np.add.reduceat(steps, at)[::2][counter]
    return rows
