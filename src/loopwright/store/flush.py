"""From the journal to the points, erasing, and counting what stands there."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from loopwright.store import reroll, rolling, sorting
from loopwright.store.delta import Table
from loopwright.store.journal import Entry, Journal
from loopwright.store.keys import Keys
from loopwright.store.points import PointsTable, Snapshot
from loopwright.store.read import Reader
from loopwright.store.rolling import Rows
from loopwright.store.samples import Series, partials, without

if TYPE_CHECKING:
    from loopwright.store.memory import Memory

Tables = tuple[PointsTable, PointsTable]  # points, blocks
Snapshots = tuple[Snapshot, Snapshot]
EAGER_SAMPLES = 100_000  # with so many in the journal a flush begins by itself
FULL_SAMPLES = 2_000_000  # with so many a put waits for it: the journal is in memory too
_CHUNK = 1_000_000  # samples in one commit
UPKEEP_COMMITS = 100
KEEP_HOURS = 2  # how long files stay that only older snapshots use, for readers that opened one


def flush(tables: Tables, journal: Journal, memory: Memory, reader: Reader, guard: threading.RLock) -> int:
    """Moves every entry of the tail to the points, and folds it into the rollups. Returns the samples moved.

    The guard is held only while memory changes. Who calls holds the flushing.
    """
    moved = 0
    for table in tables:
        table.refresh()  # after a write that failed nobody knows how far it came
    while True:
        with guard:
            entries = _chunk(memory.tail.entries())
            keys = [memory.tail.keys(entry.id) for entry in entries]
            series = Series.of(memory.catalogue)
        if not entries:
            return moved
        rows = _move(tables, entries, keys, memory, reader, series)
        with guard:
            for k in keys:
                memory.live.mark_flushed(k.slot[k.slot >= 0], k.t_ns[k.slot >= 0])
            samples = sum(e.samples for e in entries)
            memory.rollups.add(rows, series.names, samples, entries[-1].id)
            memory.rollups.renumber(memory.catalogue.names)
            ids = [entry.id for entry in entries]
            journal.trim(ids)
            memory.tail.drop(ids)
        moved += samples


def _move(
    tables: Tables, entries: list[Entry], keys: list[Keys], memory: Memory, reader: Reader, series: Series
) -> Rows:
    """Appends entries to the points; returns the rollup rows that they give."""
    upto = entries[-1].id
    parts, hours = [], []
    for table, through in zip(tables, memory.rollups.through, strict=True):
        own = [(e, k) for e, k in zip(entries, keys, strict=True) if e.blocks == table.blocks]
        if not own:
            continue
        found = sorting.sort([e for e, _ in own], [k for _, k in own], series)
        new = [e.id > table.snapshot.flushed for e, _ in own]
        if any(new):
            rows = found.table if all(new) else found.table.filter(pa.array(np.array(new)[found.entry]))
            table.append(rows, own[-1][0].id)
        fresh = [e.id > through for e, _ in own]
        if any(fresh):
            made = found.samples(series, fresh)
            parts.append(partials(series, made, upto))
        for e, k in own:
            if e.correction and e.id > through:
                slot, t_ns = k.slot[k.slot >= 0], k.t_ns[k.slot >= 0]
                hours.append(reroll.touched(slot, t_ns, memory.span_ns if e.blocks else 0))
    rows = rolling.joined(parts)
    if not hours:
        return rows
    gone = np.unique(np.concatenate(hours))
    views = reroll.kept((tables[0].snapshot, tables[1].snapshot))
    whole = reroll.whole_rows(reader, views, series, gone, upto, memory.span_ns)
    return rolling.joined([without(rows, gone), *whole])


def due(tables: Sequence[Table]) -> list[Table]:
    """The tables that had a hundred commits since their last upkeep."""
    return [table for table in tables if table.snapshot.version - table.tidied >= UPKEEP_COMMITS]


def upkeep(table: Table, reader: Reader) -> None:
    """Joins small files, writes a checkpoint, removes files nobody reads any more."""
    table.compact()
    table.checkpoint(KEEP_HOURS)


def counted(entries: Sequence[Entry], snapshots: Snapshots) -> list[Entry]:
    """The entries that those snapshots do not hold."""
    return [e for e in entries if e.id > snapshots[e.blocks].flushed]


def _chunk(entries: list[Entry]) -> list[Entry]:
    taken: list[Entry] = []
    samples = 0
    for entry in entries:
        if taken and samples + entry.samples > _CHUNK:
            break
        taken.append(entry)
        samples += entry.samples
    return taken
