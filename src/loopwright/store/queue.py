"""The rows of a store-and-forward buffer on disk: what waits to be sent, in order, and what of it had to go.

    queue          one row a piece
    queue_runs     whose samples a piece holds, and their numbers: once more, so that what a bad page took can be named
    queue_streams  the next number of every source
    queue_gone     numbers that were dropped or lost here; the centre is told, so that nobody waits for them
    queue_marks    newest time of each signal of sources that number nothing, to resume them

Memory holds totals and what is on its way, never the backlog.
"""

from __future__ import annotations

import json
import logging
import threading
import zlib
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from loopwright.store import piece as pieces_of
from loopwright.store.journal import Journal, Work
from loopwright.store.piece import HALF, IPC, PARQUET, Piece, Run, Statement, delete

_log = logging.getLogger("loopwright.store")
UNREADABLE = "lost at the edge: unreadable"
MANY = 2_000  # rows that are folded even when they hold little
_FREE_PAGES = 16_384  # 64 MB of them are kept for what comes
ASIDE = "aside"  # folder of pieces that could not be used
_SCAN = 1_000  # rows looked at in one go
TABLES = (
    "CREATE TABLE IF NOT EXISTS queue (id INTEGER PRIMARY KEY, samples INTEGER NOT NULL, size INTEGER NOT NULL, "
    "form TEXT NOT NULL, blocks INTEGER NOT NULL, crc INTEGER NOT NULL, runs TEXT NOT NULL, data BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS queue_runs (id INTEGER, place INTEGER, stream INTEGER NOT NULL, "
    "first INTEGER NOT NULL, samples INTEGER NOT NULL, PRIMARY KEY (id, place)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS queue_streams (stream INTEGER PRIMARY KEY, source TEXT NOT NULL UNIQUE, "
    "next INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS queue_gone (id INTEGER PRIMARY KEY, stream INTEGER NOT NULL, first INTEGER NOT NULL, "
    "samples INTEGER NOT NULL, reason TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS queue_marks (thing TEXT, signal TEXT, t_ns INTEGER NOT NULL, "
    "PRIMARY KEY (thing, signal)) WITHOUT ROWID",
)


def keep_aside(folder: Path, number: int, data: bytes) -> None:
    """Writes a piece that cannot be used to a file of its own, where the disk has room for it."""
    with suppress(OSError):
        (folder / ASIDE).mkdir(exist_ok=True)
        (folder / ASIDE / f"{number}.piece").write_bytes(data)


class Groups:
    """Small rows that follow one another, gathered until they are worth one segment: (first id, last id)."""

    def __init__(self) -> None:
        self.ready: deque[tuple[int, int]] = deque()
        self._first, self._last, self._samples, self._rows = 0, 0, 0, 0

    def add(self, number: int, samples: int) -> None:
        """One more small row, behind the others."""
        self._first, self._last = self._first or number, number
        self._samples, self._rows = self._samples + samples, self._rows + 1
        if self._samples >= pieces_of.FULL or self._rows >= MANY:
            self.close()

    def close(self) -> None:
        """What comes next does not belong to it."""
        if self._rows:
            self.ready.append((self._first, self._last))
        self._first, self._last, self._samples, self._rows = 0, 0, 0, 0


class Queue:
    """The rows of one buffer. One lock around it is the caller's, and is let go while rows are joined.

    samples, bytes, rows  what waits
    in_flight  samples that were taken and are not stored yet
    flow       counts for ever: stored by the centre, sent again, dropped by reason, lost (and a word)
    """

    def __init__(self, journal: Journal, folder: Path, lock: threading.RLock) -> None:
        self._journal, self._folder, self._lock = journal, folder, lock
        flow = {"stored": 0, "again": 0, "dropped": {}, "lost": 0, "word": ""}
        self.flow: dict[str, Any] = flow | json.loads(journal.meta("flow", "{}"))
        self.samples = self.bytes = self.rows = self.in_flight = 0
        self._dense = [0, 0]  # samples and bytes of segments
        self._taken = self._taken_gone = 0
        self.small, self._middle = Groups(), Groups()
        for row in journal.rows("SELECT id, samples, size, form FROM queue ORDER BY id"):
            self.note(*row)
        self._count_lost()

    def note(self, number: int, samples: int, size: int, form: str) -> None:
        """One more row at the end, which is durable."""
        self.samples, self.bytes, self.rows = self.samples + samples, self.bytes + size, self.rows + 1
        if form == IPC:
            self._middle.close()
            self.small.add(number, samples)
            return
        self._dense = [self._dense[0] + samples, self._dense[1] + size]
        self.small.close()
        if samples < HALF:
            self._middle.add(number, samples)
        else:
            self._middle.close()

    # out

    def take(self, most_bytes: int, most_samples: int) -> list[Piece]:
        """The oldest pieces that were not taken yet, in order; small ones come joined."""
        with self._lock:
            sql = "SELECT id, samples, size FROM queue WHERE id > ? ORDER BY id LIMIT ?"
            wanted: list[int] = []
            for number, samples, size in self._journal.rows(sql, (self._taken, _SCAN)):
                most_bytes, most_samples = most_bytes - size, most_samples - samples
                if wanted and (most_bytes < 0 or most_samples < 0):
                    break
                wanted.append(number)
            pieces = self._sound(wanted)
            if wanted:
                self._taken = wanted[-1]
                self.in_flight += sum(piece.samples for piece in pieces)
        out: list[Piece] = []
        group: list[Piece] = []
        for piece in [*pieces, None]:
            if piece is not None and piece.form == IPC:
                group.append(piece)
                continue
            out += pieces_of.joined(group) if len(group) > 1 else group
            out, group = out + ([piece] if piece is not None else []), []
        return out

    def _sound(self, numbers: Sequence[int]) -> list[Piece]:
        """These rows; those that cannot be used are set aside, and counted as lost."""
        found = []
        for number in numbers:
            sql = "SELECT form, blocks, samples, crc, runs, data FROM queue WHERE id = ?"
            for form, blocks, samples, crc, words, data in self._journal.rows(sql, (number,)):
                runs = tuple(Run(*run) for run in json.loads(words))
                if zlib.crc32(data) == crc and sum(run.samples for run in runs) == samples:
                    found.append(Piece((number,), form, bool(blocks), samples, runs, data))
                    continue
                keep_aside(self._folder, number, data)
                self._lose([number], samples)
        return found

    def _runs(self, number: int) -> list[Run]:
        sql = "SELECT stream, first, samples FROM queue_runs WHERE id = ? ORDER BY place"
        return [Run(*row) for row in self._journal.rows(sql, (number,))]

    def gone(self, most: int) -> list[tuple[int, Run, str]]:
        """(number, run, reason) of samples that will never come, which were not taken yet."""
        sql = "SELECT id, stream, first, samples, reason FROM queue_gone WHERE id > ? ORDER BY id LIMIT ?"
        rows = self._journal.rows(sql, (self._taken_gone, most))
        self._taken_gone = max((row[0] for row in rows), default=self._taken_gone)
        return [(number, Run(stream, first, samples), why) for number, stream, first, samples, why in rows]

    def back(self) -> None:
        """Nothing is on its way any more: what was taken and has not left is taken again."""
        self._taken = self._taken_gone = self.in_flight = 0

    def leave(self, pieces: Sequence[Piece], gone: Sequence[int], again: int = 0, why: str = "") -> None:
        """Rows leave: the centre has stored them, or (why) they must go for another reason, which it will be told."""
        ids = [number for piece in pieces for number in piece.ids]
        sql = "SELECT samples, size, form FROM queue WHERE id = ?"
        left = [row for number in ids for row in self._journal.rows(sql, (number,))]
        samples = sum(row[0] for row in left)
        flow = {**self.flow, "again": self.flow["again"] + again}
        if why:
            flow["dropped"] = {**flow["dropped"], why: flow["dropped"].get(why, 0) + samples}
        else:
            flow["stored"] += samples
        work = Work(meta={"flow": json.dumps(flow)})
        work.also += [statement for number in ids if why for statement in self._bury(number, why)]
        work.also += delete(ids)
        work.also += [("DELETE FROM queue_gone WHERE id = ?", (number,)) for number in gone]
        self._journal.commit(work)
        self.flow, self.in_flight = flow, max(0, self.in_flight - samples)
        self.samples, self.rows = self.samples - samples, self.rows - len(left)
        self.bytes -= sum(row[1] for row in left)
        for row in left:
            if row[2] == PARQUET:
                self._dense = [self._dense[0] - row[0], self._dense[1] - row[1]]
        if self._journal.rows("PRAGMA freelist_count")[0][0] > _FREE_PAGES:
            self._journal.rows(f"PRAGMA incremental_vacuum({_FREE_PAGES // 2})")

    # what must go

    def drop(self, over: int, why: str, work: Work) -> None:
        """Adds to the work that the oldest rows go which are not on their way, `over` bytes of them and more."""
        sql = "SELECT id, samples, size FROM queue WHERE id > ? ORDER BY id LIMIT ?"
        last, dropped, ids = self._taken, 0, list[int]()
        while over > 0 and (rows := self._journal.rows(sql, (last, _SCAN))):
            for number, samples, size in rows:
                if over > 0:
                    ids.append(number)
                    over, dropped, last = over - size, dropped + samples, number
        for number in ids:
            work.also += [*self._bury(number, why), *delete([number])]
        counts = {**self.flow["dropped"], why: self.flow["dropped"].get(why, 0) + dropped}
        work.meta["flow"] = json.dumps({**self.flow, "dropped": counts})

    def dropped(self, work: Work) -> None:
        """The work of `drop` is durable."""
        self.flow = json.loads(work.meta["flow"])
        self._count_again()

    def _bury(self, number: int, why: str) -> list[Statement]:
        """The statements that book the runs of a row as gone; runs that touch are one."""
        out: list[Statement] = []
        for run in self._runs(number):
            out.append((
                "UPDATE queue_gone SET samples = samples + ? WHERE id > ? AND stream = ? AND first + samples = ? "
                "AND reason = ?", (run.samples, self._taken_gone, run.stream, run.first, why),
            ))
            out.append((
                "INSERT INTO queue_gone (stream, first, samples, reason) SELECT ?, ?, ?, ? WHERE changes() = 0",
                (run.stream, run.first, run.samples, why),
            ))
        return out

    def _lose(self, numbers: Sequence[int], samples: int) -> None:
        """Books rows as lost, and deletes them."""
        lost = self.flow["lost"] + samples
        flow = {**self.flow, "lost": lost, "word": f"{lost} on pages that could not be read"}
        work = Work(meta={"flow": json.dumps(flow)})
        for number in numbers:
            work.also += [*self._bury(number, UNREADABLE), *delete([number])]
        self._journal.commit(work)
        self.flow = flow
        _log.error("edge %s: %d samples on a page that cannot be read", self._folder, samples)
        self._count_again()

    def _count_lost(self) -> None:
        """Counts what a damaged file no longer holds."""
        if (word := self._journal.meta("unknown")) and not self.flow.get("unknown"):
            self.flow = {**self.flow, "unknown": True, "word": word}
        missing = self._journal.rows(
            "SELECT id, total(samples) FROM queue_runs WHERE id NOT IN (SELECT id FROM queue) GROUP BY id")
        if missing:
            self._lose([row[0] for row in missing], int(sum(row[1] for row in missing)))

    def _count_again(self) -> None:
        """What waits, from the file."""
        ((rows, samples, size),) = self._journal.rows("SELECT count(*), total(samples), total(size) FROM queue")
        (dense,) = self._journal.rows("SELECT total(samples), total(size) FROM queue WHERE form = ?", (PARQUET,))
        self.rows, self.samples, self.bytes, self._dense = int(rows), int(samples), int(size), [*map(int, dense)]

    # upkeep

    def fold(self) -> int:
        """Makes segments of the next small rows that wait; how many samples (0: there was nothing to do)."""
        for groups in (self.small, self._middle):
            with self._lock:
                if not groups.ready:
                    continue
                first, last = groups.ready.popleft()
                sql = "SELECT id FROM queue WHERE id BETWEEN ? AND ? ORDER BY id"
                ids = [row[0] for row in self._journal.rows(sql, (first, last))]
                pieces = self._sound(ids) if ids and self._taken < ids[0] else []
            if not pieces:
                return 0  # it is on its way already
            made = pieces_of.joined(pieces)
            with self._lock:
                held = self._journal.rows("SELECT count(*) FROM queue WHERE id BETWEEN ? AND ?", (first, last))[0][0]
                if held != len(pieces) or self._taken >= ids[0]:
                    return 0  # it went meanwhile
                self._exchange(pieces, made, groups)
            return sum(piece.samples for piece in made)
        return 0

    def _exchange(self, pieces: list[Piece], made: list[Piece], groups: Groups) -> None:
        """Segments in the place of the rows they were made of."""
        ids = [number for piece in pieces for number in piece.ids]
        made = [replace(piece, ids=(ids[i],)) for i, piece in enumerate(made)]
        size, samples = sum(piece.size for piece in made), sum(piece.samples for piece in made)
        work = Work(also=[*delete(ids), *(statement for piece in made for statement in piece.insert())])
        if samples >= HALF:
            work.meta["bytes_a_sample"] = str(size / samples)
        self._journal.commit(work)
        old = sum(piece.size for piece in pieces)
        self.bytes, self.rows = self.bytes + size - old, self.rows + len(made) - len(pieces)
        again = groups is self._middle  # they were segments already
        self._dense = [self._dense[0] + (0 if again else samples), self._dense[1] + size - (old if again else 0)]
        if not again and samples < HALF:
            for piece in made:
                self._middle.add(piece.ids[0], piece.samples)
        elif not again:
            self._middle.close()

    def bytes_a_sample(self) -> float:
        """What a sample takes at rest: in the segments that wait, else in the last one that was made, else now."""
        if self._dense[0] >= HALF:
            return self._dense[1] / self._dense[0]
        usual = float(self._journal.meta("bytes_a_sample", "0"))
        return usual or (self.bytes / self.samples if self.samples else 0.0)
