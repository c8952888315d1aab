"""From the journal to the points, erasing, and counting what stands there."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from loopwright.store.accounts import NS_PER_MINUTE, Counts
from loopwright.store.books import Books
from loopwright.store.catalogue import Catalogue
from loopwright.store.journal import Entry, Journal, Work
from loopwright.store.live import Live
from loopwright.store.points import PointsTable, Snapshot
from loopwright.store.read import Reader, stored_rows
from loopwright.store.tail import Tail

Tables = tuple[PointsTable, PointsTable]  # points, blocks
_CHUNK = 1_000_000  # samples in one commit
_UPKEEP_COMMITS = 100
_KEEP_HOURS = 24


def flush(tables: Tables, journal: Journal, tail: Tail, live: Live, guard: threading.RLock) -> int:
    """Moves every entry of the tail; the guard is held only while memory changes. Returns the samples moved."""
    moved = 0
    while True:
        with guard:
            entries = _chunk(tail.entries())
        if not entries:
            return moved
        last = entries[-1].id
        for table in tables:
            own = [e for e in entries if e.blocks == table.blocks and e.id > table.snapshot.flushed]
            if own:
                table.append(_sorted(own), last)
        with guard:
            for entry in entries:
                keys = tail.keys(entry.id)
                live.mark_flushed(keys.slot[keys.slot >= 0], keys.t_ns[keys.slot >= 0])
            journal.trim([e.id for e in entries])
            tail.drop([e.id for e in entries])
        moved += sum(e.samples for e in entries)
        for table in tables:
            upkeep(table)


def upkeep(table: PointsTable) -> None:
    """Every hundredth commit: joins small files, writes a checkpoint, removes files nobody reads."""
    if table.snapshot.version - table.tidied < _UPKEEP_COMMITS:
        return
    table.compact()
    table.checkpoint(_KEEP_HOURS)


def counted(entries: Sequence[Entry], snapshots: tuple[Snapshot, Snapshot]) -> list[Entry]:
    """The entries that those snapshots do not hold."""
    return [e for e in entries if e.id > snapshots[e.blocks].flushed]


def standing(
    snapshots: tuple[Snapshot, Snapshot], reader: Reader, window: tuple[int | None, int | None], source: str | None,
) -> int:
    """Samples that stand in the points, counted there: of all, or accepted in these minutes, or of one source."""
    conditions = [] if source is None else ["source = '" + source.replace("'", "''") + "'"]
    for t_ns, sign in zip(window, (">=", "<"), strict=True):
        if t_ns is not None:
            conditions.append(f"batch {sign} {t_ns // NS_PER_MINUTE * NS_PER_MINUTE}")
    total = 0
    for snapshot, weight in zip(snapshots, ("count(*)", "sum(samples)"), strict=True):
        if weight == "count(*)" and not conditions:
            total += int(snapshot.rows.sum())
        elif snapshot.files:
            where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
            files = ", ".join("'" + f.replace("'", "''") + "'" for f in snapshot.files)
            found = reader.run(f"SELECT coalesce({weight}, 0)::BIGINT AS n FROM read_parquet([{files}]){where}", {})
            total += found.column("n")[0].as_py()
    return total


def erase(things: list[str], tables: Tables, journal: Journal, tail: Tail, books: Books, reader: Reader, catalogue: Catalogue, live: Live) -> int:
    """Removes all rows of these things; the caller holds every lock. Returns the samples erased."""
    counts: dict[tuple[int, str, str], Counts] = {}
    wanted = pa.array(things, pa.string())
    changed = []
    for entry in counted(tail.entries(), (tables[0].snapshot, tables[1].snapshot)):
        mask = pc.is_in(entry.table.column("thing"), wanted)
        if pc.any(mask).as_py():
            rest = entry.table.filter(pc.invert(mask))
            samples = _samples(rest)
            _count(counts, entry.id, entry.hop, entry.source, "erased_early", entry.samples - samples)
            changed.append(Entry(entry.id, entry.hop, entry.source, entry.blocks, entry.correction, samples, rest))
    work = Work()
    books.erase(work, counts, journal)
    journal.replace(changed, work)
    books.keep(work)
    return sum(sum(words.values()) for words in counts.values())


def _count(counts: dict[tuple[int, str, str], Counts], number: int, hop: str, source: str, word: str, samples: int) -> None:
    words = counts.setdefault((number // NS_PER_MINUTE, hop, source), {})
    words[word] = words.get(word, 0) + samples


def _samples(table: pa.Table) -> int:
    if "values" in table.column_names:
        return int(pc.sum(pc.list_value_length(table.column("values"))).as_py() or 0)
    return table.num_rows


def _chunk(entries: list[Entry]) -> list[Entry]:
    taken, samples = [], 0
    for entry in entries:
        if taken and samples + entry.samples > _CHUNK:
            break
        taken.append(entry)
        samples += entry.samples
    return taken


def _sorted(entries: list[Entry]) -> pa.Table:
    table = pa.concat_tables([stored_rows(e) for e in entries])
    return table.sort_by([(name, "ascending") for name in ("thing", "signal", "t_ns", "n", "batch")])
