"""The cellar of one plant behind its verbs: put and get points, record and recall events, account for every sample.

    plant/
      lock            who writes
      journal.sqlite  accepted batches not yet flushed, numbers seen, counts, declared kinds and things
      points/ blocks/ Delta Lake tables
      live.arrow      newest values when they were last written, for a quick open; may be deleted
      events.sqlite   events (hash chain) and people (erasable)
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, TypeVar

import pyarrow as pa

from loopwright.core.clock import Clock, RealClock
from loopwright.core.errors import InputError, NotAllowed, StoreError
from loopwright.core.types import Batch, Event, Hop, Kind, Receipt, Thing, Windows
from loopwright.store import audit, changes, flush, intake, lock, reroll, shared, standing, upkeep, windows
from loopwright.store import erase as erasing
from loopwright.store import query as asking
from loopwright.store import retain as retaining
from loopwright.store.events import Ledger
from loopwright.store.folder import usable
from loopwright.store.journal import Journal, Work, reading_uri
from loopwright.store.keys import Keys
from loopwright.store.memory import Memory
from loopwright.store.people import People
from loopwright.store.points import PointsTable
from loopwright.store.read import Names, Reader, View, Wanted, listed
from loopwright.store.rollups import RollupsTable
from loopwright.store.schema import connect
from loopwright.store.sealed import NAME, AccountsTable

_log = logging.getLogger("loopwright.store")
_Result = TypeVar("_Result")
Listener = Callable[[Batch, pa.Table, Keys], None]


def open_store(
    path: Path, clock: Clock | None = None, *, read_only: bool = False, events_url: str = "", points_url: str = "",
    storage_options: Mapping[str, str] | None = None,
) -> Store:
    """Opens the plant in folder `path`, making an empty one where there is none.

    clock       whose now_ns is the journal's time
    read_only   beside a writer: everything that changes raises NotAllowed
    events_url  another database for events and people ('postgresql+psycopg://...'); '' is events.sqlite in the folder
    points_url  an object store for the points ('s3://bucket/prefix'), which several plants may write; '' is the folder
    storage_options  of it: aws_endpoint_url, aws_region, aws_allow_http; keys and secrets only in the environment
    Raises PlantBusy when another process writes it, StoreError when it cannot be used.
    """
    usable(path, read_only)
    path, clock = Path(path).absolute(), clock or RealClock()
    where = f"plant {path}"
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        said = f"the folder cannot be made ({error.strerror})"
        raise StoreError(where, said, "a folder you may write", "mend its rights or name another") from error
    held = None if read_only else lock.hold(path, clock)
    try:
        return Store(path, clock, held, events_url, points_url, storage_options)
    except BaseException:
        if held:
            lock.release(held)
        raise


class Store:
    """One plant's data. Any thread may call any method; close it when done."""

    def __init__(
        self, path: Path, clock: Clock, held: IO[str] | None, events_url: str = "", points_url: str = "",
        storage_options: Mapping[str, str] | None = None,
    ) -> None:
        self.path, self.read_only, self._clock, self._held = path, held is None, clock, held
        self._lock, self._flushing = threading.RLock(), threading.Lock()  # taken in the order: flushing, lock
        self._flusher: threading.Thread | None = None
        self._keeper: threading.Thread | None = None
        self._closed = self._gone = False
        self._journal = Journal(path / "journal.sqlite", self.read_only)
        create = not self.read_only
        self._tables = shared.tables(path, self._journal, points_url, storage_options, create)
        self._accounts = AccountsTable(path / NAME, create)
        self._rollups = RollupsTable(path / "rollups", create)
        shared.require_events(path, self._journal, events_url)
        here = path / "events.sqlite"
        file = f"{reading_uri(here)}&uri=true" if self.read_only else here
        self._engine = connect(events_url or f"sqlite:///{file}", self.read_only)
        if events_url and create:
            shared.note_events(self._journal, self._engine.url.render_as_string(hide_password=True))
        self.events, self.people = Ledger(self._engine, self._next_known), People(self._engine)
        self._reader = Reader()
        self.listeners: list[Listener] = []  # each is called with what was stored of a batch, under the lock
        self.leavers: list[Callable[[Sequence[str] | None], None]] = []  # with things whose rows go, None: any
        if not self.read_only:
            erasing.finish((*self._tables, self._rollups), self._journal)
            retaining.finish(self.tables, self._journal)
        self._version: tuple[int, ...] = ()
        self._known = 0
        self._load()

    @property
    def tables(self) -> dict[str, PointsTable | AccountsTable | RollupsTable]:
        """Every Delta table of the plant by the name of its folder."""
        return {table.folder.name: table for table in (*self._tables, self._accounts, self._rollups)}

    # what there is

    def declare(self, kinds: Iterable[Kind], things: Iterable[Thing]) -> None:
        """Says what may be stored: the signals of kinds, and which things there are. Kept; replaces by name.

        Raises UnknownName when a thing is of a kind that nobody declared.
        """
        self._writable("declare")
        with self._lock:
            self._memory.declare(kinds, things)

    def things(self) -> dict[str, Thing]:
        """Declared things by id."""
        self._look_again()
        return dict(self._memory.catalogue.things)

    def kinds(self) -> dict[str, Kind]:
        """Declared kinds by name."""
        self._look_again()
        return dict(self._memory.catalogue.kinds)

    # points

    def put(self, batch: Batch) -> Receipt:
        """Stores a batch, whole and durable when it returns, and says what became of its samples.

        A repeat is known by the numbers of its source, and by key (thing, signal, t_ns, n). Refused by reason: unknown
        thing, unknown signal, wrong type, not a number, unknown code, out of range, unknown quality, the batch's own.
        Raises InputError when the batch as a whole makes no sense (columns, known_ns from a wire, unknown correction).
        """
        self._writable("put")
        if batch.correction and not self.events.knows(batch.correction):
            said = f"it corrects by event {batch.correction!r}, which is not recorded"
            raise InputError(f"batch of {batch.source!r}", said, "", "record a points.corrected event first")
        if self._memory.tail.samples > flush.FULL_SAMPLES:
            self.flush()
        with self._lock:
            memory = self._memory
            known_ns = max(self._clock.now_ns(), self._known + 1)
            seen = memory.books.seen(batch.source)
            taken = intake.take_in(batch, known_ns, memory.catalogue, memory.live, seen, memory.lookup(batch.blocks))
            work = memory.books.enter(batch, taken, known_ns)
            memory.enter(batch, taken, work)
            self._commit(work)
            memory.keep(work, taken.keys)
            if taken.table is not None and taken.keys is not None:
                for listener in self.listeners:
                    listener(batch, taken.table, taken.keys)
            if memory.tail.samples >= flush.EAGER_SAMPLES and not (self._flusher and self._flusher.is_alive()):
                # no daemon: the interpreter must wait for it, or a file may be half written when libraries go away
                self._flusher = threading.Thread(target=self._flush_by_itself, name=f"flush {self.path}")
                self._flusher.start()
        if memory.standing and taken.table is not None and not batch.correction and not batch.blocks:
            standing.follow(self, taken.table)
        return taken.receipt

    def get(
        self, *, things: Names = None, signals: Names = None, start_ns: int | None = None, end_ns: int | None = None,
        known_by_ns: int | None = None, blocks: bool = False,
    ) -> pa.Table:
        """Points, or blocks, sorted by thing, signal, t_ns, n.

        start_ns, end_ns  start <= t_ns < end (of a block: its first sample)
        signals           a fast signal that is named comes out of its blocks, a point a number
        known_by_ns       only what was known by then; a value corrected later stands as it did then
        Raises UnknownName for a name that nobody declared, InputError for a time that is no whole nanoseconds.
        """
        wanted = Wanted(listed(things), listed(signals), start_ns, end_ns, known_by_ns)
        found = self._again(lambda: self._reader.get(self._view(blocks, wanted), wanted))
        if not self._tables[0].place.shared:  # a bucket holds other plants' things, too
            self._memory.catalogue.knows(found, wanted.things, wanted.signals)
        fast = [] if blocks or wanted.signals is None else self._memory.catalogue.fast_of(wanted.signals)
        if not fast:
            return found
        inside = self._blocks(things, fast, start_ns, end_ns, known_by_ns)
        return windows.together(found, windows.flat(inside, start_ns, end_ns))

    def newest(self, things: Names = None, signals: Names = None) -> pa.Table:
        """The newest value of every thing and signal (POINTS rows), from memory; of a block, its last number."""
        self._look_again()
        with self._lock:
            catalogue = self._memory.catalogue
            return self._memory.live.table(catalogue, catalogue.slots(listed(things), listed(signals)))

    def windows(
        self, things: Sequence[str], signals: Sequence[str], *, start_ns: int, end_ns: int, step_ns: int,
        known_by_ns: int | None = None,
    ) -> Windows:
        """A regular grid of things, steps and signals: the last value in each step, mask where there is one.

        Nothing is bridged. t_ns is the start of each step; values of quality bad count as none. Raises UnknownName for
        a signal that nobody declared.
        """
        self._look_again()
        return windows.read(self, things, signals, (start_ns, end_ns, step_ns), known_by_ns)

    # events

    def record(self, events: Sequence[Event]) -> list[Event]:
        """Appends events in one transaction, checked and chained; they come back with id, known_ns and hash.

        An event whose kind and key are already there comes back as it was first recorded, and is not appended.
        """
        self._writable("record")
        with self._lock:
            return self.events.record(events)

    def recall(
        self, *, kind: str | Sequence[str] | None = None, about: str | Sequence[str] | None = None,
        start_ns: int | None = None, end_ns: int | None = None, known_by_ns: int | None = None,
        because: str | None = None, mentions: str | Sequence[str] | None = None, after: str = "",
        limit: int | None = None, newest_first: bool = False,
    ) -> list[Event]:
        """Events in the order in which they were recorded.

        kind      a kind, several, or a prefix that ends with '.': 'unit.'
        about     an id or several
        start_ns  start <= t_ns < end
        because   an id that the event names as its reason
        mentions  ids that the event names in its body: an order, a machine, a rule (fields declared in core.kinds)
        after     id of an event: only those beyond it in the order asked for; with limit, the next page
        """
        return self.events.recall(
            kind=kind, about=about, start_ns=start_ns, end_ns=end_ns, known_by_ns=known_by_ns, because=because,
            mentions=mentions, after=after, limit=limit, newest_first=newest_first,
        )

    # upkeep and accounts

    def flush(self) -> int:
        """Moves what the journal holds to the points; how many samples. Again after a crash it moves none twice."""
        self._writable("flush")
        with self._flushing:
            moved = flush.flush(self._tables, self._journal, self._memory, self._reader, self._lock)
            upkeep.begin(self)
            audit.seal(self)
            reroll.keep(self)
            return moved

    def hops(self, start_ns: int | None = None, end_ns: int | None = None, source: str | None = None) -> dict[str, Hop]:
        """What became of every sample, by hop: in = out + duplicate + refused + waiting + lost.

        start_ns, end_ns  by known_ns, in whole minutes (the minute of end_ns is not in it)
        source            only of this one
        """
        return audit.hops(self, start_ns, end_ns, source)

    def note_sent(self, hop: str, source: str, sent: int | None, word: str = "") -> None:
        """The sender's own final count when a stream ends: what did not arrive by now is lost, no longer waiting."""
        self._writable("note_sent")
        with self._lock:
            known_ns = max(self._clock.now_ns(), self._known + 1)
            work = self._memory.books.end((hop, source), sent, word, known_ns)
            self._commit(work)
            self._memory.keep(work)

    def sources(self) -> list[tuple[str, str]]:
        """(hop, source) of every source that was ever heard, sorted."""
        self._look_again()
        with self._lock:
            return self._memory.books.sources()

    def cursor(self, source: str) -> int | None:
        """The highest number of a source such that everything up to it is stored (it resumes there), or None."""
        self._look_again()
        with self._lock:
            return self._memory.books.cursor(source)

    def query(self, sql: str) -> pa.Table:
        """One SELECT over the views of `store.query` (points, blocks, events, minutes, ...), whole and in memory; it
        reads nothing else and changes nothing. `query.ask` gives the same as a stream."""

        def read() -> pa.Table:
            with asking.ask(self, sql) as answer:
                return answer.table()

        return self._again(read)

    def erase_points(self, things: Names) -> int:
        """Deletes everything these things ever said, older versions included; how many samples.

        Counted in the hops as refused 'erased', so that the equation holds.
        """
        self._writable("erase")
        with self._flushing, self._lock:
            gone = sorted(set(listed(things) or []))
            memory = self._memory
            memory.forget(gone)
            changes.erased(self, gone)
            for leaver in self.leavers:
                leaver(gone)
            return erasing.erase(
                gone, self._tables, self._journal, memory.tail, memory.books, self._reader, self._rollups)

    def close(self) -> None:
        """Closes the files and gives the lock back. What was put stays in the journal; the next open goes on."""
        if self._closed:
            return
        self._closed = True
        if self._flusher:
            self._flusher.join()
        upkeep.finish(self)
        with self._flushing, self._lock:
            self._gone = True
            if self._held:
                self._memory.save()
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
        self._open()
        if self.read_only:
            said = f"{verb} on a plant that was opened for reading"
            raise NotAllowed(f"plant {self.path}", said, "", "open it without read_only")

    def _open(self) -> None:
        if self._gone:
            raise StoreError(f"plant {self.path}", "it was closed", "", "open it again: open_store(path)")

    def _next_known(self, last: int) -> int:
        self._known = max(self._clock.now_ns(), self._known + 1, last + 1)
        return self._known

    def _commit(self, work: Work) -> None:
        self._journal.commit(work)
        self._known = work.known_ns

    def _view(self, blocks: bool, wanted: Wanted) -> View:
        self._look_again()
        if self._tables[blocks].place.shared:
            self._tables[blocks].refresh()  # other plants write it, too
        with self._lock:
            return self._memory.view(blocks, wanted)

    def _blocks(
        self, things: Names, signals: list[str], start_ns: int | None, end_ns: int | None, known_by_ns: int | None
    ) -> pa.Table:
        """Blocks that reach into start_ns <= t < end_ns."""
        begin_ns = None if start_ns is None else start_ns - self._memory.span_ns
        wanted = Wanted(listed(things), signals, begin_ns, end_ns, known_by_ns)
        return self._again(lambda: self._reader.get(self._view(True, wanted), wanted))

    def _again(self, read: Callable[[], _Result]) -> _Result:
        """Reads, and once more when files went away meanwhile (they were erased)."""
        self._open()
        try:
            return read()
        except StoreError:
            return read()

    def _flush_by_itself(self) -> None:
        try:
            self.flush()
        except StoreError as error:  # the journal still holds it all; who calls flush next hears of it
            _log.error("%s", error)

    def _load(self) -> None:
        self._memory = Memory(self.path, self._journal, self._tables, self._reader, self._rollups)
        self._known = max(self._known, int(self._journal.meta("known_ns", "0")), self.events.last_known_ns())
        if not self.read_only and self._memory.stale:
            self._journal.trim(self._memory.stale)
        if not self.read_only:
            standing.catch_up_all(self)

    def _look_again(self) -> None:
        """A reader beside a writer takes in what changed."""
        self._open()
        if self.read_only:
            with self._lock:
                version = (self._journal.version(), *(table.refresh().version for table in self._tables))
                if version != self._version:
                    self._version = version
                    self._load()
