"""The journal's mirror: what a damaged journal is rebuilt from, so that a bad page costs nothing that was acknowledged.

    plant/mirror/base-7.sqlite   the journal as it was when log 7 began
    plant/mirror/log-7           every transaction since, one frame each: length, CRC-32, the statements

It is written after the journal's own commit and not synced: it guards against damage to the journal's file, not
against a power cut, which SQLite's own log survives. Losing the mirror loses nothing.
"""

from __future__ import annotations

import logging
import marshal
import os
import sqlite3
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_log = logging.getLogger("loopwright.store")
_HEAD = struct.Struct("<II")  # length of the body, its CRC-32
FULL_BYTES = 64_000_000  # a log of that size is worth a new base
Statement = tuple[str, Any]


class Mirror:
    """The mirror of one journal, kept by the process that writes it. One lock around it is the caller's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file: int | None = None
        self.bytes = 0

    def begin(self, db: sqlite3.Connection) -> None:
        """Starts anew from the journal as it stands; older bases and logs go. Called outside of a transaction."""
        self.end()
        try:
            self.folder.mkdir(exist_ok=True)
            number = max(self._numbers(), default=0) + 1
            part = self.folder / f"base-{number}.part"
            part.unlink(missing_ok=True)
            copy = sqlite3.connect(part)
            try:
                db.backup(copy)
            finally:
                copy.close()
            self._file = os.open(self.folder / f"log-{number}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC)
            part.replace(self.folder / f"base-{number}.sqlite")
            for path in self.folder.iterdir():
                if path.stem.split("-")[-1] != str(number):
                    path.unlink(missing_ok=True)
        except (OSError, sqlite3.Error) as error:
            self._give_up(error)

    def add(self, statements: list[Statement]) -> None:
        """One more transaction, which the journal has committed."""
        if self._file is None or not statements:
            return
        try:
            body = marshal.dumps(statements)
            wanted = _HEAD.size + len(body)
            if os.writev(self._file, [_HEAD.pack(len(body), zlib.crc32(body)), body]) != wanted:
                raise OSError("the disk is full")
            self.bytes += wanted
        except (OSError, ValueError) as error:  # the journal has it; a mirror with a hole is worse than none
            self._give_up(error)

    def end(self) -> None:
        """Closes the log."""
        if self._file is not None:
            os.close(self._file)
        self._file, self.bytes = None, 0

    @property
    def due(self) -> bool:
        """Whether a new base is worth its while: the log has grown long, or the mirror was given up."""
        return self._file is None or self.bytes > FULL_BYTES

    def known_ns(self) -> int:
        """The newest known_ns in it, 0 when it holds nothing that can be used."""
        number = max(self._numbers(), default=0)
        newest = 0
        for statements in frames(self.folder / f"log-{number}"):
            for _, values in statements:
                if isinstance(values, list) and values[:1] == ["known_ns"]:
                    newest = int(values[1])
        return newest

    def mend(self, path: Path) -> None:
        """Looks whether the journal is there and sound; else what the mirror holds is put there, a damaged one aside.

        Where there is no whole mirror nothing is touched, and opening says what is wrong.
        """
        there = path.is_file()
        why = damage(path, self.known_ns()) if there else "gone" if self._numbers() else ""
        part = path.with_suffix(".part")
        part.unlink(missing_ok=True)
        if not why or not self.rebuild(part):
            return
        count = len(list(path.parent.glob("journal.damaged-*.sqlite")))
        aside = path.with_name(f"journal.damaged-{count + 1}.sqlite")
        for end in ("-wal", "-shm"):
            path.with_name(path.name + end).unlink(missing_ok=True)
        if there:
            path.replace(aside)
        part.replace(path)
        _log.warning("journal %s was damaged (%s): rebuilt from its mirror%s", path, why,
                     f"; set aside as {aside.name}" if there else "")

    def rebuild(self, path: Path) -> bool:
        """Writes the journal anew at `path`; False when there is no whole mirror."""
        for number in sorted(self._numbers(), reverse=True):
            try:
                _replay(self.folder / f"base-{number}.sqlite", self.folder / f"log-{number}", path)
                return True
            except (OSError, sqlite3.Error) as error:
                _log.error("mirror %s, base %d: %s", self.folder, number, error)
        return False

    def _numbers(self) -> list[int]:
        return [int(path.stem.split("-")[1]) for path in self.folder.glob("base-*.sqlite")]

    def _give_up(self, error: Exception) -> None:
        _log.warning("mirror %s: %s; the journal goes on without it until the next upkeep", self.folder, error)
        self.end()
        for path in self.folder.glob("*") if self.folder.is_dir() else []:
            path.unlink(missing_ok=True)


def damage(path: Path, known_ns: int) -> str:
    """What is wrong with a journal, "" when it is sound: its pages, its batches, and that it reaches known_ns."""
    try:
        db = sqlite3.connect(path, isolation_level=None)
        try:
            if (found := db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
                return str(found).splitlines()[-1]
            if not db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'meta'").fetchone()[0]:
                return "it is empty" if known_ns else ""
            if "crc" in {row[1] for row in db.execute("PRAGMA table_info(batches)")}:
                for number, data, crc in db.execute("SELECT id, data, crc FROM batches WHERE crc IS NOT NULL"):
                    if zlib.crc32(data) != crc:
                        return f"batch {number} in it cannot be read"
            known = int(db.execute("SELECT value FROM meta WHERE name = 'known_ns'").fetchone()[0])
            return "its last transactions are gone" if known < known_ns else ""
        finally:
            db.close()
    except (sqlite3.Error, ValueError, TypeError) as error:
        return str(error)


def frames(log: Path) -> Iterator[list[Statement]]:
    """The transactions of a log, up to the first frame that is not whole."""
    if not log.is_file():
        return
    with log.open("rb") as file:
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            length, check = _HEAD.unpack(head)
            body = file.read(length)
            if len(body) != length or zlib.crc32(body) != check:
                return
            yield marshal.loads(body)


def _replay(base: Path, log: Path, path: Path) -> None:
    """The base with all transactions of the log, as a new file at `path`."""
    source, target = sqlite3.connect(f"{base.absolute().as_uri()}?mode=ro", uri=True), sqlite3.connect(path)
    try:
        if source.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise sqlite3.DatabaseError("the base is damaged")
        source.backup(target)
        target.isolation_level = None
        target.execute("BEGIN IMMEDIATE")
        for statements in frames(log):
            for sql, values in statements:
                if isinstance(values, tuple):  # many rows
                    target.executemany(sql, values)
                else:
                    target.execute(sql, values)
        target.execute("COMMIT")
    finally:
        source.close()
        target.close()
    with path.open("rb") as file:
        os.fsync(file.fileno())
