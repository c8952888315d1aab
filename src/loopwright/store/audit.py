"""The accounts of a plant, asked: over a range of known_ns, of one source, source by source.

    hops(store, start_ns, end_ns, source)  -> {hop: Hop}
    by_source(store, start_ns, end_ns)     -> a row a source
    seal(store)                            minutes that are over leave the journal for the table of accounts
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from loopwright.core.types import Hop
from loopwright.store import accounts, count, sums
from loopwright.store import by_source as sources
from loopwright.store.accounts import Reading
from loopwright.store.counts import NS_PER_MINUTE
from loopwright.store.sealed import as_table, grid
from loopwright.store.snapshot import Snapshot
from loopwright.store.sums import Asked, Books, Window

if TYPE_CHECKING:
    from loopwright.store.cellar import Store

MANY = 20_000  # rows of minutes that are over are worth a file
_UPKEEP_COMMITS = 100
_KEEP_HOURS = 2  # how long files stay that only older snapshots use, for readers that opened one
_TRIES = 50  # a reader beside a writer looks again when a flush came in between


@dataclass(frozen=True)
class _Found:
    asked: Asked
    books: Books
    streams: Mapping[str, pa.Table]  # where it is asked source by source
    sealed: Snapshot
    tables: tuple[Snapshot, Snapshot]  # points, blocks


def hops(
    store: Store, start_ns: int | None = None, end_ns: int | None = None, source: str | None = None
) -> dict[str, Hop]:
    """What became of every sample, by hop. What stands in the points is counted there (see `store.count`)."""
    found = _read(store, start_ns, end_ns, source, by_source=False)
    parts = sums.parts(found.asked, found.books, found.sealed, store._reader)
    reading = Reading(parts, found.asked.window, sum(found.books.waiting.values()))
    return accounts.hops(reading, count.standing(found.tables, store._reader, reading.batches, source))


def by_source(
    store: Store, start_ns: int | None = None, end_ns: int | None = None, source: str | None = None, deep: bool = False
) -> pa.Table:
    """A row a source (`store.by_source.BY_SOURCE`): the equation of its hop, and where what was let through is now.

    deep  in_points is counted row by row in the points, not taken from the books; `missing` says how many are not there
    """
    found = _read(store, start_ns, end_ns, source, by_source=True)
    table = sources.table(found.asked, found.streams, found.books, found.sealed, store._reader)
    if not deep:
        return table
    stands = count.by_source(found.tables, store._reader, Reading({}, found.asked.window, 0).batches)
    really = [stands.get(name, 0) for name in table.column("source").to_pylist()]
    missing = [said - n for said, n in zip(table.column("in_points").to_pylist(), really, strict=True)]
    at = table.schema.get_field_index("in_points")
    table = table.set_column(at, "in_points", pa.array(really, pa.int64()))
    return table.append_column("missing", pa.array(missing, pa.int64()))


def seal(store: Store, least: int = MANY, minutes: int = 60) -> int:
    """Moves the counts of minutes that are over to their table when they are many or old; how many rows.

    The caller holds the lock of flushing. After a crash in between, the rows that stand in the table are told by their
    minute, left out by readers, and deleted by the next call.
    """
    journal, table = store._journal, store._accounts
    with store._lock:
        now = int(journal.meta("known_ns", "0")) // NS_PER_MINUTE
        first = journal.rows("SELECT min(entered) FROM counts")[0][0]
        if first is None or first >= now:
            return 0
        if first < table.snapshot.flushed:
            journal.seal(table.snapshot.flushed)
        rows = journal.rows("SELECT count(*) FROM counts WHERE entered < ?", [now])[0][0]
        if rows < least and first > now - minutes:
            return 0
        moved = journal.rows(f"{sums.ROWS} WHERE entered < ? ORDER BY source, hop, minute, reason", [now])
    if moved:
        table.append(as_table(moved), now)
        with store._lock:
            journal.seal(now)
    table.merge()
    if table.snapshot.version - table.tidied >= _UPKEEP_COMMITS:
        table.checkpoint(_KEEP_HOURS)
    return len(moved)


def _window(store: Store, start_ns: int | None, end_ns: int | None) -> Window:
    """Whole minutes, or hours and days for accounts that stand so."""
    sealed = store._accounts.snapshot.flushed
    start, end = (None if t is None else grid(t // NS_PER_MINUTE, sealed) for t in (start_ns, end_ns))
    return start, end


def _read(store: Store, start_ns: int | None, end_ns: int | None, source: str | None, by_source: bool) -> _Found:
    """The books, and the snapshots that go with them.

    A reader beside a writer reads the journal first and the tables after it, until no flush came in between.
    """
    journal, tables = store._journal, (*store._tables, store._accounts)
    for _ in range(_TRIES):
        with store._lock:
            asked = Asked(_window(store, start_ns, end_ns), source)
            points, blocks, sealed = (table.snapshot for table in tables)
            with journal.moment():
                books = sums.take(asked, journal, sealed.flushed, (points.flushed, blocks.flushed))
                streams = sources.take(asked, journal) if by_source else {}
            if not store.read_only:
                break
            if [table.refresh().version for table in tables] == [points.version, blocks.version, sealed.version]:
                break
    return _Found(asked, books, streams, sealed, (points, blocks))
