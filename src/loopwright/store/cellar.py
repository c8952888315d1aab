"""The cellar of one plant behind its verbs: put and get points, record and recall events, and account for every sample.

    plant/
      lock            who writes
      journal.sqlite  accepted batches not yet flushed, numbers seen, counts, declared kinds and things
      points/ blocks/ Delta Lake tables
      events.sqlite   events (hash chain) and people (erasable)
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa

from loopwright.core.clock import Clock, RealClock
from loopwright.core.errors import InputError, NotAllowed, StoreError
from loopwright.core.types import Batch, Event, Hop, Kind, Receipt, Thing, Windows
from loopwright.store import flush, intake, load, lock, windows
from loopwright.store.books import Books
from loopwright.store.catalogue import Catalogue
from loopwright.store.events import Ledger
from loopwright.store.journal import Entry, Journal
from loopwright.store.keys import Keys, joined, keys_of
from loopwright.store.live import Live
from loopwright.store.people import People
from loopwright.store.points import PointsTable
from loopwright.store.ranges import Ranges
from loopwright.store.read import Names, Reader, View, listed, view
from loopwright.store.schema import connect
from loopwright.store.tail import Tail


def open_store(path: Path, clock: Clock | None = None, *, read_only: bool = False, events_url: str = "") -> Store:
    """Opens the plant in folder `path`, making an empty one where there is none.

    clock       whose now_ns is the journal's time
    read_only   beside a writer: everything that changes raises NotAllowed
    events_url  another database for events and people ('postgresql+psycopg://...'); '' is events.sqlite in the folder
    Raises PlantBusy when another process writes it, StoreError when it cannot be used.
    """
    path, clock = Path(path), clock or RealClock()
    where = f"plant {path}"
    if path.exists() and not path.is_dir():
        raise StoreError(where, "it is a file", "a folder", "name the plant's folder, or a new one")
    if read_only and not (path / "journal.sqlite").is_file():
        raise StoreError(where, "there is no plant in it", "", "open it once for writing, or name another folder")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(where, f"the folder cannot be made ({error.strerror})", "a folder you may write", "mend its rights or name another") from error
    held = None if read_only else lock.hold(path, clock)
    try:
        return Store(path, clock, held, events_url)
    except BaseException:
        if held:
            lock.release(held)
        raise


class Store:
    """One plant's data. Any thread may call any method; close it when done."""

    def __init__(self, path: Path, clock: Clock, held: IO[str] | None, events_url: str = "") -> None:
        self.path, self._clock, self._held = path, clock, held
        self.read_only = held is None
        self._lock, self._flushing = threading.RLock(), threading.Lock()
        self._journal = Journal(path / "journal.sqlite", self.read_only)
        self._tables = (PointsTable(path / "points", False, not self.read_only), PointsTable(path / "blocks", True, not self.read_only))
        engine = connect(events_url or f"sqlite:///{path.absolute() / 'events.sqlite'}", self.read_only)
        self.events, self.people, self._engine = Ledger(engine, self._next_known), People(engine), engine
        self._reader = Reader()
        self._catalogue, self._live, self._tail = Catalogue(), Live(), Tail()
        self._books = Books(self._journal)
        self._corrected = self._journal.corrected()
        self._known = max(int(self._journal.meta("known_ns", "0")), self.events.last_known_ns())
        self._catalogue.declare(*self._journal.declared())
        self._live.resize(len(self._catalogue.names))
        self._load()

    # what there is

    def declare(self, kinds: Iterable[Kind], things: Iterable[Thing]) -> None:
        """Says what may be stored: the signals of kinds, and which things there are. Kept for later opens; replaces by name.

        Raises UnknownName when a thing is of a kind that nobody declared.
        """
        self._writable("declare")
        with self._lock:
            new_kinds, new_things, moved = self._catalogue.declare(kinds, things)
            if new_kinds or new_things:
                self._journal.declare(new_kinds, new_things)
            self._live.resize(len(self._catalogue.names), moved)
            if moved is not None:
                self._tail.renumber(self._catalogue)

    def things(self) -> dict[str, Thing]:
        """Declared things by id."""
        return dict(self._catalogue.things)

    def kinds(self) -> dict[str, Kind]:
        """Declared kinds by name."""
        return dict(self._catalogue.kinds)

    # points

    def put(self, batch: Batch) -> Receipt:
        """Stores a batch, whole and durable when it returns, and says what became of its samples.

        A repeat is known by the numbers of its source, and by key (thing, signal, t_ns, n). Refused by reason: unknown thing,
        unknown signal, wrong type, not a number, unknown code, out of range, unknown quality, and the batch's own.
        Raises InputError when the batch as a whole makes no sense (columns, known_ns from a wire, an unknown correction).
        """
        self._writable("put")
        if batch.correction and not self.events.knows(batch.correction):
            raise InputError(f"batch of {batch.source!r}", f"it corrects by event {batch.correction!r}, which is not recorded", "", "record a points.corrected event first")
        with self._lock:
            known_ns = max(self._clock.now_ns(), self._known + 1)
            seen = self._books.seen.get(batch.source, Ranges())
            taken = intake.take_in(batch, known_ns, self._catalogue, self._live, seen, self._lookup(batch.blocks))
            work = self._books.enter(batch, taken, known_ns, self._journal)
            if taken.table is not None and taken.keys is not None:
                work.entry = Entry(known_ns, batch.hop, batch.source, batch.blocks, batch.correction, taken.receipt.stored, taken.table)
                if batch.correction:
                    work.corrected = sorted(set(taken.table.column("thing").unique().to_pylist()) - self._corrected)
            self._journal.commit(work)
            self._known = known_ns
            self._books.keep(work)
            self._corrected.update(work.corrected)
            if work.entry and taken.keys is not None:
                self._tail.add(work.entry, taken.keys)
                self._live.update(work.entry.table, taken.keys.slot)
            return taken.receipt

    def get(
        self, *, things: Names = None, signals: Names = None, start_ns: int | None = None, end_ns: int | None = None,
        known_by_ns: int | None = None, blocks: bool = False,
    ) -> pa.Table:
        """Points, or blocks, sorted by thing, signal, t_ns, n.

        start_ns, end_ns  start <= t_ns < end (of a block: its first sample)
        known_by_ns       only what was known by then; a value corrected later stands as it did then
        """
        versions = self._replaced(things)
        return self._reader.get(self._view(blocks), things, signals, (start_ns, end_ns), known_by_ns, versions)

    def newest(self, things: Names = None, signals: Names = None) -> pa.Table:
        """The newest value of every thing and signal (POINTS rows), from memory; of a block, its last number."""
        if self.read_only:
            self._reload()
        with self._lock:
            wanted_things, wanted_signals = listed(things), listed(signals)
            some = None if wanted_things is None else set(wanted_things)
            of = None if wanted_signals is None else set(wanted_signals)
            slots = [
                slot for slot, (thing, signal) in enumerate(self._catalogue.names)
                if (some is None or thing in some) and (of is None or signal in of)
            ]
            return self._live.table(self._catalogue.names, np.array(slots, np.int64))

    def windows(
        self, things: Sequence[str], signals: Sequence[str], *, start_ns: int, end_ns: int, step_ns: int, known_by_ns: int | None = None,
    ) -> Windows:
        """A regular grid of things, steps and signals: the last value in each step, mask where there is one (never bridged).

        t_ns is the start of each step. Values of quality bad count as none. UnknownName for a signal nobody declared.
        """
        t_ns = windows.grid(start_ns, end_ns, step_ns)
        channels = [self._catalogue.signal(name) for name in signals]
        fast = [s.name for s in channels if s.fast]
        slow = [s.name for s in channels if not s.fast]
        end = int(t_ns[-1]) + step_ns
        points = self.get(things=things, signals=slow, start_ns=start_ns, end_ns=min(end, end_ns), known_by_ns=known_by_ns)
        blocks = self.get(things=things, signals=fast, end_ns=end_ns, known_by_ns=known_by_ns, blocks=True) if fast else None
        return windows.build(points, blocks, things, channels, t_ns, step_ns)

    # events

    def record(self, events: Sequence[Event]) -> list[Event]:
        """Appends events in one transaction, checked and chained; they come back with id, known_ns and hash.

        An event whose kind and key are already there comes back as it was first recorded, and is not appended.
        """
        self._writable("record")
        with self._lock:
            return self.events.record(events)

    def recall(
        self, *, kind: str | Sequence[str] | None = None, about: str | Sequence[str] | None = None, start_ns: int | None = None,
        end_ns: int | None = None, known_by_ns: int | None = None, because: str | None = None, limit: int | None = None,
        newest_first: bool = False,
    ) -> list[Event]:
        """Events in the order in which they were recorded.

        kind      a kind, several, or a prefix that ends with '.': 'unit.'
        about     an id or several
        start_ns  start <= t_ns < end
        because   an id that the event names as its reason
        """
        return self.events.recall(
            kind=kind, about=about, start_ns=start_ns, end_ns=end_ns, known_by_ns=known_by_ns, because=because, limit=limit,
            newest_first=newest_first,
        )

    # upkeep and accounts

    def flush(self) -> int:
        """Moves what the journal holds to the points; how many samples. Doing it again after a crash moves nothing twice."""
        self._writable("flush")
        with self._flushing:
            return flush.flush(self._tables, self._journal, self._tail, self._live, self._lock)

    def hops(self, start_ns: int | None = None, end_ns: int | None = None, source: str | None = None) -> dict[str, Hop]:
        """What became of every sample, by hop: in = out + duplicate + refused + waiting + lost.

        start_ns, end_ns  by known_ns, in whole minutes (the minute of end_ns is not in it); source: only of this one
        """
        with self._lock:
            if self.read_only:
                self._reload()
            snapshots = (self._tables[0].snapshot, self._tables[1].snapshot)
            entries = flush.counted(self._tail.entries(), snapshots)
            standing = flush.standing(snapshots, self._reader, (start_ns, end_ns), source)
            return self._books.hops(self._journal, entries, (start_ns, end_ns), source, standing)

    def note_sent(self, hop: str, source: str, sent: int | None, word: str = "") -> None:
        """The sender's own final count when a stream ends: what did not arrive by now is lost, not waiting."""
        self._writable("note_sent")
        with self._lock:
            known_ns = max(self._clock.now_ns(), self._known + 1)
            work = self._books.close_stream((hop, source), sent, word, known_ns, self._journal)
            self._journal.commit(work)
            self._known = known_ns
            self._books.keep(work)

    def cursor(self, source: str) -> int | None:
        """The highest number of a source such that everything up to it is stored, where it resumes; None: nothing yet."""
        with self._lock:
            return self._books.cursor(source)

    def query(self, sql: str) -> pa.Table:
        """One SELECT over the views points, blocks and events (DuckDB); it reads nothing else and changes nothing."""
        return self._reader.query(sql, {"points": self._view(False), "blocks": self._view(True)}, self.events.table() if "events" in sql.lower() else None)

    def erase_points(self, things: Iterable[str]) -> int:
        """Deletes everything these things ever said, from journal, points and older versions of them; how many samples.

        Counted in the hops as refused 'erased', so that the equation holds.
        """
        self._writable("erase")
        with self._flushing, self._lock:
            return flush.erase(sorted(set(things)), self._tables, self._journal, self._tail, self._books, self._reader, self._catalogue, self._live)

    def close(self) -> None:
        """Closes the files and gives the lock back. What was put stays in the journal; the next open goes on with it."""
        with self._flushing, self._lock:
            self._journal.close()
            self._engine.dispose()
            self._reader.close()
            if self._held:
                lock.release(self._held)
                self._held = None

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _writable(self, verb: str) -> None:
        if self.read_only:
            raise NotAllowed(f"plant {self.path}", f"{verb} on a plant that was opened for reading", "", "open it without read_only")

    def _next_known(self, last: int) -> int:
        self._known = max(self._clock.now_ns(), self._known + 1, last + 1)
        return self._known

    def _replaced(self, things: Names) -> bool:
        wanted = listed(things)
        return bool(self._corrected) and (wanted is None or not self._corrected.isdisjoint(wanted))

    def _view(self, blocks: bool) -> View:
        """What stands now: the tail first, then the snapshot, so that a flush between the two hides nothing."""
        if self.read_only:
            with self._lock:
                entries = self._journal.entries()
                self._corrected = self._journal.corrected()
                return view(self._tables[blocks].refresh(), entries, blocks)
        with self._lock:
            entries = self._tail.entries()
        return view(self._tables[blocks].snapshot, entries, blocks)

    def _lookup(self, blocks: bool) -> intake.Lookup:
        def stored(wanted: Keys) -> Keys:
            found = self._tail.find(wanted, blocks)
            flushed = wanted.take(wanted.t_ns <= self._live.flushed_t_ns[wanted.slot])
            if len(flushed.slot):
                found.append(load.stored_keys(self._reader, self._tables[blocks].snapshot, flushed, self._catalogue, blocks))
            return joined(found)

        return stored

    def _load(self) -> None:
        """Memory as it was: newest values, high-water marks, the tail."""
        for table in self._tables:
            rows = load.newest_rows(self._reader, table.snapshot, table.blocks)
            slot, _ = self._catalogue.look_up(rows)
            self._live.update(rows.filter(pa.array(slot >= 0)), slot[slot >= 0], flushed=True)
        entries = self._journal.entries()
        left = flush.counted(entries, (self._tables[0].snapshot, self._tables[1].snapshot))
        for entry in left:
            slot, _ = self._catalogue.look_up(entry.table)
            self._tail.add(entry, keys_of(entry.table, slot, entry.id, entry.source))
            self._live.update(entry.table.filter(pa.array(slot >= 0)), slot[slot >= 0])
        if not self.read_only and len(left) < len(entries):
            kept = {entry.id for entry in left}
            self._journal.trim([entry.id for entry in entries if entry.id not in kept])

    def _reload(self) -> None:
        """A reader beside a writer looks again."""
        with self._lock:
            self._books = Books(self._journal)
            self._catalogue, self._live, self._tail = Catalogue(), Live(), Tail()
            self._catalogue.declare(*self._journal.declared())
            self._live.resize(len(self._catalogue.names))
            entries = self._journal.entries()
            for table in self._tables:
                table.refresh()
            self._load()
