"""From the journal to the points, erasing, and counting what stands there."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pyarrow as pa

from loopwright.store.accounts import NS_PER_MINUTE, Reading
from loopwright.store.journal import Entry, Journal
from loopwright.store.live import Live
from loopwright.store.points import PointsTable, Snapshot
from loopwright.store.read import Reader, quoted
from loopwright.store.tail import Tail, stored_rows

Tables = tuple[PointsTable, PointsTable]  # points, blocks
Snapshots = tuple[Snapshot, Snapshot]
EAGER_SAMPLES = 100_000  # with so many in the journal a flush begins by itself
FULL_SAMPLES = 2_000_000  # with so many a put waits for it: the journal is in memory too
_CHUNK = 1_000_000  # samples in one commit
_UPKEEP_COMMITS = 100
_KEEP_HOURS = 2  # how long files stay that only older snapshots use, for readers that opened one


def flush(tables: Tables, journal: Journal, tail: Tail, live: Live, guard: threading.RLock) -> int:
    """Moves every entry of the tail; the guard is held only while memory changes. Returns the samples moved."""
    moved = 0
    for table in tables:
        table.refresh()  # after a write that failed nobody knows how far it came
    while True:
        with guard:
            entries = _chunk(tail.entries())
        if not entries:
            return moved
        for table in tables:
            own = [e for e in entries if e.blocks == table.blocks and e.id > table.snapshot.flushed]
            if own:
                table.append(_sorted(own), own[-1].id)
        with guard:
            ids = [entry.id for entry in entries]
            for number in ids:
                keys = tail.keys(number)
                live.mark_flushed(keys.slot[keys.slot >= 0], keys.t_ns[keys.slot >= 0])
            journal.trim(ids)
            tail.drop(ids)
        moved += sum(e.samples for e in entries)


def due(tables: Tables) -> list[PointsTable]:
    """The tables that had a hundred commits since their last upkeep."""
    return [table for table in tables if table.snapshot.version - table.tidied >= _UPKEEP_COMMITS]


def upkeep(table: PointsTable, reader: Reader) -> None:
    """Joins small files, writes a checkpoint, removes files nobody reads any more."""
    table.compact()
    table.checkpoint(_KEEP_HOURS)


def counted(entries: Sequence[Entry], snapshots: Snapshots) -> list[Entry]:
    """The entries that those snapshots do not hold."""
    return [e for e in entries if e.id > snapshots[e.blocks].flushed]


def standing(snapshots: Snapshots, reader: Reader, reading: Reading, source: str | None) -> int:
    """Samples that stand in the points, counted there: all, or accepted in the reading's minutes, or of one source."""
    conditions = [] if source is None else [f"source = {quoted(source)}"]
    for minute, sign in zip(reading.window, (">=", "<"), strict=True):
        if minute is not None:
            conditions.append(f"batch {sign} {minute * NS_PER_MINUTE}")
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    total = 0
    for snapshot, weight in zip(snapshots, ("count(*)", "sum(samples)"), strict=True):
        if snapshot is snapshots[0] and not conditions:
            total += int(snapshot.rows.sum())
        elif snapshot.files:
            sql = f"SELECT coalesce({weight}, 0)::BIGINT AS n FROM {snapshot.scan()}{where}"
            total += reader.run(sql, {}).column("n")[0].as_py()
    return total


def _chunk(entries: list[Entry]) -> list[Entry]:
    taken: list[Entry] = []
    samples = 0
    for entry in entries:
        if taken and samples + entry.samples > _CHUNK:
            break
        taken.append(entry)
        samples += entry.samples
    return taken


def _sorted(entries: list[Entry]) -> pa.Table:
    table = pa.concat_tables([stored_rows(e) for e in entries])
    return table.sort_by([(name, "ascending") for name in ("thing", "signal", "t_ns", "n", "batch")])
