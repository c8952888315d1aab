"""The store-and-forward buffer of an edge: the journal's transactions over a queue that memory does not grow with.

    buffer.put(batch) -> Receipt       durable when it returns; checked and counted as the plant does
    buffer.take() -> [Piece]           the oldest that was not taken yet, in order
    buffer.stored(pieces, gone)        the centre has them: only now they are deleted
    buffer.fold()                      small rows become one segment; call it now and then
    buffer.hops()                      source -> journal -> centre, by the equation of the house

Every sample that is accepted gets the next number of its source here, without gaps; a sample that must go (dropped, or
on a page that cannot be read) keeps its number, and the centre is told. How to: docs/how-to/edge.md.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from loopwright.core.clock import Clock, RealClock
from loopwright.core.errors import InputError, StoreError, UnknownName
from loopwright.core.types import POINTS, Batch, Hop, Kind, Receipt, Thing
from loopwright.store import accounts, intake, lock, queue, salvage
from loopwright.store import piece as pieces_of
from loopwright.store.books import Books
from loopwright.store.catalogue import Catalogue
from loopwright.store.counts import NS_PER_MINUTE
from loopwright.store.journal import Work
from loopwright.store.keys import Keys, joined
from loopwright.store.live import Live
from loopwright.store.piece import IPC, Piece, Run
from loopwright.store.queue import Queue

_log = logging.getLogger("loopwright.store")
_Result = TypeVar("_Result")
POLICIES = ("wait", "drop_oldest", "refuse_new")
DROPPED, NOT_TAKEN = "dropped at the edge: buffer full", "buffer full"
_BACKLOG = 8  # groups that wait to be folded, after which whoever puts folds one


class BufferFull(StoreError):
    """There is no room, and the policy is to wait: do not acknowledge, and put it again later."""


class Buffer:
    """The buffer in a folder. Any thread may call any method; one process at a time.

    limit_bytes  most bytes that may wait
    when_full    'wait' (put raises BufferFull), 'drop_oldest', 'refuse_new' (counted as refused 'buffer full')
    Raises PlantBusy when another process has it, StoreError when it cannot be opened.
    """

    def __init__(
        self, folder: Path, clock: Clock | None = None, limit_bytes: int = 1_000_000_000, when_full: str = "wait"
    ) -> None:
        if when_full not in POLICIES:
            raise UnknownName("policy of a full buffer", when_full, POLICIES)
        self.folder, self._path, self._clock = Path(folder), Path(folder) / "journal.sqlite", clock or RealClock()
        self.limit_bytes, self.when_full = limit_bytes, when_full
        self._lock = threading.RLock()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            said = f"the folder cannot be made ({error.strerror})"
            raise StoreError(f"edge {folder}", said, "a folder you may write", "mend its rights") from error
        if (self.folder / "points").is_dir():
            raise StoreError(f"edge {folder}", "it is the folder of a plant", "a folder of its own", "name another")
        self._held = lock.hold(self.folder, self._clock)
        try:
            self._mending(self._open)
            salvage.keep_reserve(self.folder)
        except BaseException:
            lock.release(self._held)
            raise

    def _open(self) -> None:
        """Opens the file, mended if need be, and learns what is in it."""
        self._journal = journal = salvage.opened(self._path)
        journal.commit(Work(also=[(statement, ()) for statement in queue.TABLES]))
        self.epoch = journal.meta("plant")[:8]
        self._catalogue, self._live = Catalogue(), Live()
        kinds, things = journal.declared()
        names = {kind.name for kind in kinds}  # a mended file may lack some; the site file declares them again
        self._catalogue.declare(kinds, [thing for thing in things if thing.kind in names])
        self._live.resize(len(self._catalogue.names))
        self._books = Books(journal)
        self._known = int(journal.meta("known_ns", "0"))
        rows = journal.rows("SELECT source, stream, next FROM queue_streams")
        self._streams: dict[str, tuple[int, int]] = {source: (stream, following) for source, stream, following in rows}
        self._names = {stream: source for source, (stream, _) in self._streams.items()}
        self._queue = Queue(journal, self.folder, self._lock)

    # what there is

    def declare(self, kinds: Iterable[Kind], things: Iterable[Thing]) -> None:
        """Says what may be stored; kept, replaces by name."""
        kinds, things = list(kinds), list(things)

        def declare() -> None:
            with self._lock:
                new_kinds, new_things, moved = self._catalogue.declare(kinds, things)
                if new_kinds or new_things:
                    self._journal.declare(new_kinds, new_things)
                self._live.resize(len(self._catalogue.names), moved)

        self._mending(declare)

    def things(self) -> dict[str, Thing]:
        """Declared things by id."""
        return dict(self._catalogue.things)

    def kinds(self) -> dict[str, Kind]:
        """Declared kinds by name."""
        return dict(self._catalogue.kinds)

    def cursor(self, source: str) -> int | None:
        """The highest number of a source such that everything up to it was accepted, or None."""
        return self._mending(lambda: self._cursor(source))

    def _cursor(self, source: str) -> int | None:
        with self._lock:
            return self._books.cursor(source)

    def newest(self, things: Sequence[str], signals: Sequence[str]) -> pa.Table:
        """Newest times (POINTS rows without values) of signals whose source numbers nothing, to resume them."""
        sql = "SELECT thing, signal, t_ns FROM queue_marks WHERE thing = ? AND signal = ?"
        with self._lock:
            rows = [row for thing in things for signal in signals for row in self._journal.rows(sql, (thing, signal))]
        found = [dict(zip(("thing", "signal", "t_ns"), row, strict=True)) for row in rows]
        return pa.Table.from_pylist(found, schema=POINTS)

    # in

    def put(self, batch: Batch) -> Receipt:
        """Accepts a batch, whole and durable when it returns, and says what became of its samples.

        Repeats are known by the numbers of their source, and within the batch by key; what a source that numbers
        nothing sends twice is found by the centre. Refused by the reasons of `Store.put`, and 'buffer full'.
        Raises InputError for a batch that makes no sense, BufferFull when it must wait, StoreError for the disk.
        """
        if batch.correction:
            said = f"it corrects by event {batch.correction!r}"
            raise InputError(f"batch of {batch.source!r}", said, "", "corrections are made at the centre")
        if len(self._queue.small.ready) > _BACKLOG:
            self.fold()
        try:
            return self._mending(lambda: self._put(batch))
        except StoreError as error:
            if not (salvage.is_full(error) and self._log_taken_over()):
                raise
            return self._put(batch)

    def _put(self, batch: Batch) -> Receipt:
        with self._lock:
            known_ns = max(self._clock.now_ns(), self._known + 1)
            seen = self._books.seen(batch.source)
            taken = intake.take_in(batch, known_ns, self._catalogue, self._live, seen, _nothing)
            pieces = self._pieces(batch.source, taken.table, known_ns)
            room = Work()
            if not self._has_room(pieces, room):
                receipt, pieces = taken.receipt, []
                refused = {**receipt.refused, NOT_TAKEN: receipt.stored}
                taken = replace(taken, table=None, receipt=replace(receipt, stored=0, late=0, refused=refused))
            work = self._books.enter(batch, taken, known_ns)
            work.known_ns = max([known_ns, *(piece.ids[0] for piece in pieces)])
            work.meta, work.also = {**work.meta, **room.meta}, [*room.also, *self._written(batch, taken.table, pieces)]
            self._journal.commit(work)
            self._books.keep(work)
            self._known = work.known_ns
            if room.meta:
                self._queue.dropped(room)
            for piece in pieces:
                run = piece.runs[0]
                self._queue.note(piece.ids[0], piece.samples, piece.size, piece.form)
                self._streams[batch.source], self._names[run.stream] = (run.stream, run.stop), batch.source
            if taken.keys is not None and pieces:
                np.maximum.at(self._live.t_ns, taken.keys.slot, taken.keys.t_ns)
            return taken.receipt

    def _pieces(self, source: str, table: pa.Table | None, known_ns: int) -> list[Piece]:
        """What is stored of a batch, numbered: usually one piece."""
        stream, following = self._streams.get(source, (len(self._streams) + 1, 0))
        pieces: list[Piece] = []
        for part in () if table is None else pieces_of.slices(table):
            run = Run(stream, following, pieces_of.samples_of(part))
            form = (IPC, "values" in part.column_names, run.samples)
            pieces.append(Piece((known_ns + len(pieces),), *form, (run,), pieces_of.packed(part)))
            following = run.stop
        return pieces

    def _has_room(self, pieces: Sequence[Piece], work: Work) -> bool:
        """Whether they may be stored; what must go for them is added to the work. Raises BufferFull to wait."""
        over = self._queue.bytes + sum(piece.size for piece in pieces) - self.limit_bytes
        if not pieces or over <= 0 or not self._queue.rows:
            return True
        if self.when_full == "wait":
            said = f"its {self.limit_bytes:,} bytes are full"
            raise BufferFull(f"edge {self.folder}", said, "", "mend the link to the centre, or enlarge buffer_mb")
        if self.when_full == "drop_oldest":
            self._queue.drop(over, DROPPED, work)
        return self.when_full == "drop_oldest"

    def _written(self, batch: Batch, table: pa.Table | None, pieces: list[Piece]) -> list[pieces_of.Statement]:
        """The statements that write the pieces."""
        if not pieces or table is None:
            return []
        last = pieces[-1].runs[-1]
        out = [statement for piece in pieces for statement in piece.insert()]
        out.append(("INSERT OR REPLACE INTO queue_streams VALUES (?, ?, ?)", (last.stream, batch.source, last.stop)))
        if batch.sequence is None:
            ends = table.group_by(["thing", "signal"]).aggregate([("t_ns", "max")]).to_pylist()
            sql = "INSERT INTO queue_marks VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET t_ns = max(t_ns, excluded.t_ns)"
            out += [(sql, (row["thing"], row["signal"], row["t_ns_max"])) for row in ends]
        return out

    def note_sent(self, hop: str, source: str, sent: int | None, word: str = "") -> None:
        """The sender's own final count when a stream ends: what did not arrive by now is lost, no longer waiting."""
        with self._lock:
            work = self._books.end((hop, source), sent, word, self.next_known_ns(0))
            self._journal.commit(work)
            self._books.keep(work)

    # out

    def take(self, most_bytes: int = 1_000_000, most_samples: int = 200_000) -> list[Piece]:
        """The oldest pieces that were not taken yet, in order; [] when all were. Small ones come joined."""
        return self._mending(lambda: self._queue.take(most_bytes, most_samples))

    def gone(self, most: int = 1000) -> list[tuple[int, Run, str]]:
        """(number, run, reason) of samples that will never come, which the centre does not know yet."""
        return self._mending(lambda: self._gone(most))

    def _gone(self, most: int) -> list[tuple[int, Run, str]]:
        with self._lock:
            return self._queue.gone(most)

    def named(self, run: Run) -> tuple[str, int]:
        """(source, samples of it numbered so far) of a run."""
        with self._lock:
            source = self._names[run.stream]
            return source, self._streams[source][1]

    def stored(self, pieces: Sequence[Piece], gone: Sequence[int] = (), again: int = 0) -> None:
        """The centre has stored these: they are deleted here. again: samples that were sent more than once for it."""

        def leave() -> None:
            with self._lock:
                self._queue.leave(pieces, gone, again)

        try:
            self._mending(leave)
        except StoreError as error:
            if not (salvage.is_full(error) and (self._log_taken_over() or salvage.give_reserve(self.folder))):
                raise
            self._mending(leave)  # to delete takes some room in the log

    def _log_taken_over(self) -> bool:
        """Whether SQLite's log could be taken over into the file, which gives its room back."""
        try:
            with self._lock:
                ((busy, _, _),) = self._journal.rows("PRAGMA wal_checkpoint(TRUNCATE)")
            return not busy
        except StoreError:
            return False

    def refuse(self, piece: Piece, why: str) -> None:
        """The centre will never take it: it is set aside in a file, and counted as refused with that reason."""
        for number in piece.ids:
            queue.keep_aside(self.folder, number, piece.data)
        with self._lock:
            self._queue.leave([piece], (), 0, why)

    def back(self) -> None:
        """Nothing is on its way any more: what was taken and is not stored will be taken again."""
        with self._lock:
            self._queue.back()

    # upkeep and accounts

    def fold(self) -> int:
        """Makes one segment of the next small rows that wait; how many samples (0: there was nothing to do)."""
        salvage.keep_reserve(self.folder)
        return self._mending(lambda: self._queue.fold())

    def forget_minutes(self, before_ns: int) -> None:
        """Deletes the counts by minute from before that time; the totals stay."""
        with self._lock:
            self._journal.seal(before_ns // NS_PER_MINUTE)

    def hops(self) -> dict[str, Hop]:
        """What became of every sample: each source hop, 'journal' (accepted -> sent), 'centre' (sent -> stored there).

        in = out + duplicate + refused + waiting + lost, in samples.
        """
        return self._mending(self._hops)

    def _hops(self) -> dict[str, Hop]:
        with self._lock:
            found = {name: accounts.hop_of(name, part) for name, part in sorted(self._books.whole().parts.items())}
            held = int(self._journal.rows("SELECT total(samples) FROM queue")[0][0])
            flow, flying = self._queue.flow, self._queue.in_flight
            accepted = sum(following for _, following in self._streams.values())
        sent, lost = flow["stored"] + flying, None if flow.get("unknown") else flow["lost"]
        refused, word = dict(flow["dropped"]), flow["word"]
        found["journal"] = Hop("journal", accepted, sent, refused=refused, waiting=held - flying, lost=lost, word=word)
        again = flow["again"]
        found["centre"] = Hop("centre", sent + again, flow["stored"], duplicate=again, waiting=flying)
        return found

    def state(self) -> dict[str, Any]:
        """What waits: samples, bytes, pieces, since when, how much room there is, what a sample takes at rest."""
        with self._lock:
            flow = self._queue.flow
            return {
                "samples": self._queue.samples, "bytes": self._queue.bytes, "pieces": self._queue.rows,
                "limit_bytes": self.limit_bytes, "when_full": self.when_full,
                "oldest_ns": self._journal.rows("SELECT min(id) FROM queue")[0][0],
                "bytes_a_sample": self._queue.bytes_a_sample(), "on_its_way": self._queue.in_flight,
                "accepted": sum(following for _, following in self._streams.values()), "stored": flow["stored"],
                "again": flow["again"], "dropped": sum(flow["dropped"].values()), "lost": flow["lost"],
                "word": flow["word"],
            }

    def next_known_ns(self, last: int) -> int:
        """The journal's time for something else that is recorded here: max(now, every one before + 1)."""
        with self._lock:
            self._known = max(self._clock.now_ns(), self._known + 1, last + 1)
            return self._known

    def close(self) -> None:
        """Closes the file and gives the lock back; what waits stays."""
        with self._lock:
            if not self._held.closed:
                self._journal.close()
                lock.release(self._held)

    def _mending(self, call: Callable[[], _Result]) -> _Result:
        """Calls; when a page of the file turns out to be damaged, mends it and calls once more."""
        try:
            return call()
        except StoreError as error:
            if not salvage.is_damage(error):
                raise
        with self._lock:
            _log.error("edge %s: the buffer's file is damaged; what can be read of it is kept", self.folder)
            self._journal.close()
            salvage.rebuild(self._path)
            if call == self._open:
                return call()
            self._open()
        return call()


def _nothing(wanted: Keys) -> Keys:
    """No stored rows: what was sent on is not here."""
    return joined([])
