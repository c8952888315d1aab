"""Rollups computed from the samples that stand in the points: after a crash, after a correction, after a declaration.

A row that is computed from all stored samples of its bucket is whole, and puts aside every row before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from loopwright.store import rolling, samples
from loopwright.store.catalogue import Ints
from loopwright.store.check import numbers
from loopwright.store.levels import HOUR, LEVELS, SECOND
from loopwright.store.points import Snapshot
from loopwright.store.read import Reader, View
from loopwright.store.rolling import Rows
from loopwright.store.samples import Series

Snapshots = tuple[Snapshot, Snapshot]
_GAP, _SERIES = 24, 64  # hours that are read for nothing rather than asked for apart; series in one question


def touched(slot: Ints, t_ns: Ints, lasts_ns: Any = 0) -> Ints:
    """The hours (numbers of `samples.hours`) in which a value of these rows may be replaced.

    lasts_ns  how far a block, or the one that it replaces, may reach
    """
    first, last = samples.hours(slot, t_ns), samples.hours(slot, t_ns + lasts_ns)
    longest = int((last - first).max(initial=0))
    every = [np.minimum(first + i, last) for i in range(longest + 1)]
    return np.unique(np.concatenate(every)) if every else first


def whole_rows(
    reader: Reader, snapshots: Snapshots, series: Series, keys: Ints, batch: int, span_ns: int,
) -> Iterator[Rows]:
    """Rows of these hours from all that the snapshots hold: a part at a time.

    batch    the last one that the snapshots hold
    span_ns  how long the longest block lasts
    """
    slot, start = samples.of_hours(keys)
    kept = series.levels[slot].any(axis=1)
    keys, slot, start = keys[kept], slot[kept], start[kept]
    for hour_ns, end_ns, chosen in _questions(slot, start):
        parts = []
        for snapshot, blocks in zip(snapshots, (False, True), strict=True):
            begin_ns = hour_ns - (span_ns if blocks else 0)
            view = View(snapshot, snapshot.layout.shown.empty_table(), blocks, versions=True)
            found = samples.stored(reader, view, series, chosen, (begin_ns, end_ns))
            parts.append(samples.partials(series, *found, batch))
        rows = rolling.merged(rolling.joined(parts))
        inside = (slot >= chosen[0]) & (start >= hour_ns) & (start < end_ns) & np.isin(slot, chosen)
        rows = rolling.take(rows, np.isin(samples.hours(rows["slot"], rows["t_ns"]), keys[inside]))
        rows = rolling.joined([rows, _nothing(series, slot[inside], start[inside], batch)])
        yield rolling.merged(rows | {"whole": np.ones(len(rows["slot"]), bool)})


def _questions(slot: Ints, start: Ints) -> Iterator[tuple[int, int, Ints]]:
    """(start, end, slots) of reads that together cover these hours of these slots."""
    hours = np.unique(start)
    for run in np.split(hours, np.flatnonzero(np.diff(hours) > _GAP * HOUR) + 1):
        if len(run):
            begin, end = int(run[0]), int(run[-1]) + HOUR
            own = np.unique(slot[(start >= begin) & (start < end)])
            for i in range(0, len(own), _SERIES):
                yield begin, end, own[i:i + _SERIES]


def _nothing(series: Series, slot: Ints, start: Ints, batch: int) -> Rows:
    """Empty rows of all buckets of these hours of fast signals: a shorter block may have replaced a longer one."""
    fast = series.levels[slot, LEVELS.index(SECOND)]
    slot, start = slot[fast], start[fast]
    parts = []
    for step_ns in LEVELS:
        t_ns = (start[:, None] + np.arange(0, HOUR, step_ns)).ravel()
        rows = rolling.blank(len(t_ns), batch)
        parts.append(rows | {"slot": np.repeat(slot, HOUR // step_ns), "t_ns": t_ns,
                             "level": np.full(len(t_ns), step_ns)})
    return rolling.joined(parts)


def recovered(reader: Reader, snapshots: Snapshots, series: Series, catalogue: Any, after: int, span_ns: int) -> Rows:
    """The rows of what the points hold of batches above `after`: those that the rollups' files do not have."""
    parts, keys = [], []
    batch = max(snapshot.flushed for snapshot in snapshots)
    for snapshot, blocks in zip(snapshots, (False, True), strict=True):
        files = snapshot.since(after)
        if not files:
            continue
        columns = samples.BLOCK_COLUMNS if blocks else samples.POINT_COLUMNS
        found = reader.run(
            f"SELECT thing, signal, {columns}, correction <> '' AS corrects FROM {snapshot.scan(files)} "
            f"WHERE batch > {after}", {},
        )
        slot, _ = catalogue.look_up(found)
        found, slot = found.filter(slot >= 0), slot[slot >= 0]
        counter = series.counter[slot]
        made = samples.runs_of(found, slot, counter) if blocks else samples.samples_of(found, slot, counter)
        parts.append(samples.partials(series, None if blocks else made, made if blocks else None, batch))
        corrects = found.column("corrects").to_numpy()
        t_ns = numbers(found.column("t_ns"), np.int64)[0]
        keys.append(touched(slot[corrects], t_ns[corrects], span_ns if blocks else 0))
    gone = np.unique(np.concatenate(keys)) if keys else np.zeros(0, np.int64)
    rows = samples.without(rolling.merged(rolling.joined(parts)), gone)
    whole = list(whole_rows(reader, snapshots, series, gone, batch, span_ns)) if len(gone) else []
    return rolling.merged(rolling.joined([rows, *whole]))
