"""What a plant knows by heart: declared things, the books, newest values and high-water marks, the journal's tail.

All of it can be read anew from the journal and the points; `live.arrow` only makes that quicker.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa

from loopwright.core.types import Batch, Kind, Thing
from loopwright.store import flush, intake, load, reroll, sparse, standing
from loopwright.store.books import Books
from loopwright.store.catalogue import Catalogue
from loopwright.store.changes import Past
from loopwright.store.flush import Tables
from loopwright.store.journal import Entry, Journal, Work
from loopwright.store.keys import Keys, joined, keys_of
from loopwright.store.live import Live
from loopwright.store.read import Reader, View, Wanted
from loopwright.store.rollups import RollupsTable
from loopwright.store.tail import Tail


class Memory:
    """The memory of an open plant. One lock around it is the caller's.

    span_ns  how long the longest block lasts
    stale    batches of the journal that the points hold already: a crash came before they were trimmed
    """

    def __init__(
        self, path: Path, journal: Journal, tables: Tables, reader: Reader, rollups: RollupsTable
    ) -> None:
        self._path, self._journal, self._tables, self._reader = path / "live.arrow", journal, tables, reader
        self.catalogue, self.live, self.tail = Catalogue(), Live(), Tail()
        self.catalogue.declare(*journal.declared())
        self.catalogue.dropped, self.density = sparse.loaded(journal), sparse.Density()
        self.live.resize(len(self.catalogue.names))
        self.books = Books(journal)
        self.past = Past(journal, self.books.corrected)
        self.standing = standing.loaded(journal.meta("standing", "[]"))
        self.span_ns = int(journal.meta("span_ns", "0"))
        self.stale = self._load()
        self.rollups = reroll.recovered(rollups, journal, tables, reader, self.catalogue, self.span_ns)

    def _load(self) -> list[int]:
        entries = self._journal.entries()  # before the tables: what is flushed meanwhile is left out below
        marks = self.live.restore(self._path, self.catalogue)
        for table, mark in zip(self._tables, marks, strict=True):
            table.refresh()
            rows = load.newest_rows(self._reader, table.snapshot, table.blocks, mark if table.snapshot.alone else 0)
            slot, _ = self.catalogue.look_up(rows)
            self.live.update(rows.filter(pa.array(slot >= 0)), slot[slot >= 0], flushed=True)
        left = flush.counted(entries, (self._tables[0].snapshot, self._tables[1].snapshot))
        for entry in left:
            slot, _ = self.catalogue.look_up(entry.table)
            self.tail.add(entry, keys_of(entry.table, slot, entry.id, entry.source))
            self.live.update(entry.table.filter(pa.array(slot >= 0)), slot[slot >= 0])
        return sorted({entry.id for entry in entries} - {entry.id for entry in left})

    def declare(self, kinds: Iterable[Kind], things: Iterable[Thing]) -> None:
        """Takes in what may be stored, here and in the journal."""
        old_kinds, old_things = dict(self.catalogue.kinds), dict(self.catalogue.things)
        new_kinds, new_things, moved = self.catalogue.declare(kinds, things)
        if new_kinds or new_things:
            self._journal.declare(new_kinds, new_things)
        self.live.resize(len(self.catalogue.names), moved)
        if moved is not None:
            self.tail.renumber(self.catalogue)
            self.rollups.renumber(self.catalogue.names)
            self.rollups.declared((old_kinds, old_things), new_kinds, new_things, self._journal)

    def lookup(self, blocks: bool) -> intake.Lookup:
        """A function that finds stored rows which share signal and time with given ones."""

        def stored(wanted: Keys) -> Keys:
            found = self.tail.find(wanted, blocks)
            flushed = wanted.take(wanted.t_ns <= self.live.flushed_t_ns[wanted.slot])
            if len(flushed.slot):
                snapshot = self._tables[blocks].snapshot
                found.append(load.stored_keys(self._reader, snapshot, flushed, self.catalogue, blocks))
            return joined(found)

        return stored

    def enter(self, batch: Batch, taken: intake.Taken, work: Work) -> None:
        """Puts what is stored of a batch into the work."""
        if taken.table is None:
            return
        stored = taken.receipt.stored
        work.entry = Entry(work.known_ns, batch.hop, batch.source, batch.blocks, batch.correction, stored, taken.table)
        if batch.blocks and (span_ns := intake.longest_ns(taken.table)) > self.span_ns:
            work.meta["span_ns"] = str(span_ns)
        if batch.correction:
            work.corrected = sorted(set(taken.table.column("thing").unique().to_pylist()) - self.books.corrected)
        self.past.enter(batch, taken, work, self.live, self.catalogue)

    def keep(self, work: Work, keys: Keys | None = None) -> None:
        """The work is durable: the memory follows."""
        self.books.keep(work)
        self.past.keep(work)
        self.span_ns = int(work.meta.get("span_ns") or self.span_ns)
        if work.entry and keys is not None:
            self.tail.add(work.entry, keys)
            self.live.update(work.entry.table, keys.slot)

    def view(self, blocks: bool, wanted: Wanted) -> View:
        """What stands now of the wanted: a snapshot of the points, and what the tail holds beyond it."""
        table = self._tables[blocks]
        snapshot = table.snapshot
        rows = self.tail.rows(blocks, snapshot.flushed)
        versions = self.past.replaced(wanted.things, wanted.signals, wanted.start_ns, wanted.end_ns)
        return View(snapshot, pa.concat_tables([table.schema.empty_table(), *rows]), blocks, versions)

    def save(self) -> None:
        """Writes newest values beside the points, for a quick open."""
        flushed = (self._tables[0].snapshot.flushed, self._tables[1].snapshot.flushed)
        self.live.save(self._path, self.catalogue.names, flushed)

    def forget(self, things: list[str]) -> None:
        """These things are about to be erased."""
        self._path.unlink(missing_ok=True)
        self.live.forget(self.catalogue.slots(things, None))
        self.rollups.drop(things)
