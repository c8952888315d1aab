"""A buffer whose file is damaged: what can be read is kept in a new file, and the old one is set aside."""

from __future__ import annotations

import json
import logging
import os
import shutil
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from loopwright.core.errors import StoreError
from loopwright.store import queue
from loopwright.store.journal import Journal, Work
from loopwright.store.piece import Run, named

_log = logging.getLogger("loopwright.store")
_REBUILT = ".rebuilt"
RESERVE, _RESERVED = "reserve", 1_000_000  # a file of that many bytes
_NOT_COPIED = ("queue", "sqlite_sequence")  # the queue goes row by row
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def opened(path: Path) -> Journal:
    """The buffer's journal, mended where it is damaged."""
    _exchange(path)
    try:
        return Journal(path, mirrored=False)
    except StoreError as error:
        if not is_damage(error):
            raise
        _log.error("edge %s: %s", path.parent, error.given)
    rebuild(path)
    return Journal(path, mirrored=False)


def is_damage(error: StoreError) -> bool:
    """Whether it says that the file itself is damaged (a full disk is not)."""
    cause = error.__cause__
    return isinstance(cause, sqlite3.DatabaseError) and (getattr(cause, "sqlite_errorcode", 0) & 0xFF) in _DAMAGE


def is_full(error: StoreError) -> bool:
    """Whether it says that the disk takes no more."""
    cause = error.__cause__
    code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
    return isinstance(cause, sqlite3.Error) and code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)


def keep_reserve(folder: Path) -> None:
    """Some room that is given up when the disk is full, so that what was sent can still be deleted."""
    path = folder / RESERVE
    if path.exists() or shutil.disk_usage(folder).free < 4 * _RESERVED:
        return
    try:
        with path.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, _RESERVED)
    except OSError:
        path.unlink(missing_ok=True)


def give_reserve(folder: Path) -> bool:
    """Gives it up; False when there is none."""
    try:
        (folder / RESERVE).unlink()
    except OSError:
        return False
    return True


def rebuild(path: Path) -> None:
    """Puts a new file with everything that can be read in the place of a damaged one, which is set aside.

    Where the numbers of the sources cannot be read, they begin anew under another name, so that none is used twice.
    """
    part = path.with_suffix(".part")
    for end in ("", "-wal", "-shm"):
        part.with_name(part.name + end).unlink(missing_ok=True)
    new = Journal(part, mirrored=False)
    new.commit(Work(also=[(statement, ()) for statement in queue.TABLES]))
    new.close()
    _copy(path, part)
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(path.with_suffix(_REBUILT))
    _sync(path.parent)
    _exchange(path)


def _exchange(path: Path) -> None:
    """The rebuilt file in the place of the damaged one; done again where it was cut off."""
    rebuilt = path.with_suffix(_REBUILT)
    if not rebuilt.exists():
        return
    if path.exists():
        count = len(list(path.parent.glob("journal.damaged-*.sqlite")))
        path.replace(path.with_name(f"journal.damaged-{count + 1}.sqlite"))
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    rebuilt.replace(path)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    os.fsync(number)
    os.close(number)


def _copy(path: Path, part: Path) -> None:
    """Copies row by row what can be read."""
    old, new = sqlite3.connect(path, isolation_level=None), sqlite3.connect(part, isolation_level=None)
    try:
        new.execute("BEGIN IMMEDIATE")
        tables = [row[0] for row in new.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        whole = {table: _table(old, new, table) for table in tables if table not in _NOT_COPIED}
        ids = {row[0] for row in new.execute("SELECT id FROM queue_runs")}
        ids |= {row[0] for row in _rows(old, "SELECT id FROM queue", "id")[0]}
        for number in sorted(ids):
            with suppress(sqlite3.DatabaseError):
                for row in old.execute("SELECT * FROM queue WHERE id = ?", (number,)):
                    new.execute("INSERT OR REPLACE INTO queue VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        for number, runs in new.execute("SELECT id, runs FROM queue").fetchall():
            for statement, values in named(number, [Run(*run) for run in json.loads(runs)]):
                new.execute(statement, values)
        if not (whole["meta"] and whole["queue_streams"]):
            _number_anew(new, bool(ids))
        new.execute("COMMIT")
        new.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        old.close()
        new.close()


def _number_anew(new: sqlite3.Connection, some: bool) -> None:
    """Another name for the numbering; streams whose name is gone get one."""
    new.execute("INSERT OR REPLACE INTO meta VALUES ('plant', ?)", (uuid.uuid4().hex,))
    new.execute(
        "INSERT OR IGNORE INTO queue_streams SELECT stream, 'unknown/' || stream, max(first + samples) FROM queue_runs "
        "GROUP BY stream")
    if not some:
        word = "the buffer's file could not be read: what waited in it is lost, how much is not known"
        new.execute("INSERT OR REPLACE INTO meta VALUES ('unknown', ?)", (word,))


def _table(old: sqlite3.Connection, new: sqlite3.Connection, table: str) -> bool:
    """Copies a table; False when not all of it could be read."""
    try:
        names = [row[1] for row in old.execute(f"PRAGMA table_info({table})")]
    except sqlite3.DatabaseError:
        return False
    if not names:
        return False
    keys = [row[1] for row in new.execute(f"PRAGMA table_info({table})") if row[5]] or ["rowid"]
    rows, whole = _rows(old, f"SELECT {', '.join(names)} FROM {table}", ", ".join(keys))
    marks = ", ".join("?" * len(names))
    new.executemany(f"INSERT OR REPLACE INTO {table} ({', '.join(names)}) VALUES ({marks})", rows)
    return whole


def _rows(db: sqlite3.Connection, select: str, key: str) -> tuple[list[Any], bool]:
    """What can be read from the front, and from the back where the front ends early; whether that is all."""
    found: list[Any] = []
    for way in ("ASC", "DESC"):
        order = ", ".join(f"{name} {way}" for name in key.split(", "))
        try:
            for row in _each(db.execute(f"{select} ORDER BY {order}")):
                found.append(row)
            return found, way == "ASC"
        except sqlite3.DatabaseError:
            continue
    return found, False


def _each(cursor: sqlite3.Cursor) -> Iterator[Any]:
    while (row := cursor.fetchone()) is not None:
        yield row
