"""The journal: what is in it is safe. SQLite in WAL mode with synchronous=FULL, holding batches as Arrow IPC streams.

One transaction holds a batch, the numbers of its source that it fills and what became of its samples: after a crash all
of it is there, or none. Flushed batches are deleted and their pages used again. A batch's id is the time at which the
journal accepted it (ns UTC, strictly growing), so that it also orders corrections. A journal whose file is damaged is
set aside and rebuilt from its mirror.
"""

from __future__ import annotations

import json
import os
import sqlite3
import uuid
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from loopwright.core.errors import StoreError
from loopwright.core.types import Kind, Thing
from loopwright.store import counts
from loopwright.store.catalogue import kind_as_dict, kind_from_dict
from loopwright.store.mirror import Mirror, Statement

_VERSION = 2
_SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE kinds (name TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE things (id TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE batches (id INTEGER PRIMARY KEY, hop TEXT NOT NULL, source TEXT NOT NULL, blocks INTEGER NOT NULL,
                      correction TEXT NOT NULL, samples INTEGER NOT NULL, data BLOB NOT NULL);
CREATE TABLE seen (source TEXT, first INTEGER, last INTEGER NOT NULL, PRIMARY KEY (source, first)) WITHOUT ROWID;
CREATE TABLE sources (hop TEXT, source TEXT, body TEXT NOT NULL, PRIMARY KEY (hop, source)) WITHOUT ROWID;
CREATE TABLE minutes (minute INTEGER, hop TEXT, source TEXT, body TEXT NOT NULL,
                      PRIMARY KEY (minute, hop, source)) WITHOUT ROWID;
CREATE TABLE corrected (thing TEXT PRIMARY KEY) WITHOUT ROWID;
"""
# what later versions added, by version; each statement may run again (IF NOT EXISTS), so a step may grow until it ships
_STEPS: dict[int, list[str]] = {
    2: [
        *counts.STEPS,
        "CREATE TABLE IF NOT EXISTS changed (number INTEGER PRIMARY KEY, thing TEXT NOT NULL, signal TEXT NOT NULL, "
        "start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL, why TEXT NOT NULL, known_ns INTEGER NOT NULL, "
        "event TEXT NOT NULL)",
        "CREATE INDEX IF NOT EXISTS changed_known ON changed (known_ns)",
        "CREATE TABLE IF NOT EXISTS replaced (thing TEXT, signal TEXT, start_ns INTEGER, end_ns INTEGER NOT NULL, "
        "PRIMARY KEY (thing, signal, start_ns)) WITHOUT ROWID",
        "CREATE TABLE IF NOT EXISTS sparse (thing TEXT, signal TEXT, level INTEGER, "
        "PRIMARY KEY (thing, signal, level)) WITHOUT ROWID",
    ],
}
_DICTIONARY = pa.dictionary(pa.int32(), pa.string())
_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4")


@dataclass(frozen=True)
class Entry:
    """One accepted batch that is not flushed yet. table has the stored rows, with known_ns and assumed."""

    id: int
    hop: str
    source: str
    blocks: bool
    correction: str
    samples: int
    table: pa.Table


@dataclass
class Work:
    """What one transaction changes, beside an entry."""

    entry: Entry | None = None
    known_ns: int = 0
    seen: tuple[str, list[int], tuple[int, int]] | None = None  # source, starts that go, range that comes
    booked: list[counts.Booked] = field(default_factory=list)
    streams: dict[counts.Key, Any] = field(default_factory=dict)  # their states afterwards, for the memory
    corrected: list[str] = field(default_factory=list)
    changed: list[tuple[int, str, str, int, int, str, int, str]] = field(default_factory=list)  # number, then `Touched`
    unchanged: list[int] = field(default_factory=list)  # numbers of changes that others took in
    spans: dict[tuple[str, str], list[tuple[int, int]]] = field(default_factory=dict)  # where values were replaced
    meta: dict[str, str] = field(default_factory=dict)
    also: list[tuple[str, Sequence[Any]]] = field(default_factory=list)  # further statements with their values


class Journal:
    """The journal file of one plant. One lock around it is the caller's.

    mirrored  kept twice, and rebuilt from its mirror on open when it is damaged; a long buffer mends itself instead
    """

    def __init__(self, path: Path, read_only: bool = False, mirrored: bool = True) -> None:
        self.path = path
        self._said: list[Statement] = []  # what the open transaction changed
        self._mirror, self._mirrored = Mirror(path.parent / "mirror"), mirrored
        if not read_only and mirrored:
            self._mirror.mend(path)
        with self._told("opened"):
            if read_only:
                self._db = sqlite3.connect(reading_uri(path), uri=True, check_same_thread=False, isolation_level=None)
            else:
                self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._db.execute("PRAGMA busy_timeout=5000")
            if not read_only:
                self._prepare()
            found = self._db.execute("PRAGMA user_version").fetchone()[0]
        if found > _VERSION or (found < _VERSION and not read_only):
            raise StoreError(
                f"journal {path}",
                f"it is of version {found}",
                str(_VERSION),
                "open it with the Loopwright that wrote it",
            )
        if not read_only and mirrored:
            self._mirror.begin(self._db)

    def _prepare(self) -> None:
        self._db.execute("PRAGMA auto_vacuum=INCREMENTAL")
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("PRAGMA journal_size_limit=67108864")
        found = self._db.execute("PRAGMA user_version").fetchone()[0]
        if found > _VERSION:
            return
        with self._transaction():
            if found == 0:
                for statement in _SCHEMA.split(";"):
                    self._db.execute(statement)
                self._db.execute("INSERT INTO meta VALUES ('plant', ?), ('known_ns', '0')", [uuid.uuid4().hex])
            for version in sorted(_STEPS):
                for statement in _STEPS[version]:
                    self._db.execute(statement)
            if "crc" not in {row[1] for row in self._db.execute("PRAGMA table_info(batches)")}:
                self._db.execute("ALTER TABLE batches ADD COLUMN crc INTEGER")
            self._db.execute(f"PRAGMA user_version={_VERSION}")

    def meta(self, name: str, default: str = "") -> str:
        """A setting of the plant: 'plant' (its id), 'known_ns' (the last one given), ..."""
        with self._told("read"):
            row = self._db.execute("SELECT value FROM meta WHERE name = ?", [name]).fetchone()
        return row[0] if row else default

    def commit(self, work: Work) -> None:
        """Makes all of it durable, or none."""
        with self._told("written"), self._transaction():
            if work.entry:
                e = work.entry
                data = packed(e)
                row = [e.id, e.hop, e.source, e.blocks, e.correction, e.samples, data, zlib.crc32(data)]
                self._run("INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
            self._write(work)

    def _write(self, work: Work) -> None:
        run = self._run
        if work.seen:
            source, gone, (first, last) = work.seen
            for start in gone:
                if start != first:
                    run("DELETE FROM seen WHERE source = ? AND first = ?", [source, start])
            run("INSERT OR REPLACE INTO seen VALUES (?, ?, ?)", [source, first, last])
        counts.write(run, work.booked)
        for thing in work.corrected:
            run("INSERT OR IGNORE INTO corrected VALUES (?)", [thing])
        for number in work.unchanged:
            run("DELETE FROM changed WHERE number = ?", [number])
        for row in work.changed:
            run("INSERT OR REPLACE INTO changed VALUES (?, ?, ?, ?, ?, ?, ?, ?)", list(row))
        for (thing, signal), spans in work.spans.items():
            run("DELETE FROM replaced WHERE thing = ? AND signal = ?", [thing, signal])
            for start_ns, end_ns in spans:
                run("INSERT INTO replaced VALUES (?, ?, ?, ?)", [thing, signal, start_ns, end_ns])
        for name, value in (work.meta | ({"known_ns": str(work.known_ns)} if work.known_ns else {})).items():
            run("INSERT OR REPLACE INTO meta VALUES (?, ?)", [name, value])
        for statement, values in work.also:
            run(statement, list(values))

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of one SELECT."""
        with self._told("read"):
            return self._db.execute(statement, values).fetchall()

    def trim(self, ids: list[int]) -> None:
        """Deletes flushed batches; their pages are used again, and a long run of free ones is given back."""
        with self._told("trimmed"):
            with self._transaction():
                self._run_many("DELETE FROM batches WHERE id = ?", ((i,) for i in ids))
            if self._db.execute("PRAGMA freelist_count").fetchone()[0] > 16_384:  # 64 MB
                self._db.execute("PRAGMA incremental_vacuum(8192)").fetchall()
            if self._mirrored and self._mirror.due:
                self._mirror.begin(self._db)

    def replace(self, entries: list[Entry], work: Work) -> None:
        """Writes entries anew (rows of them were erased) together with the rest of the work; empty ones are deleted."""
        with self._told("written"), self._transaction():
            for e in entries:
                if e.table.num_rows:
                    data = packed(e)
                    self._run("UPDATE batches SET data = ?, samples = ?, crc = ? WHERE id = ?",
                              [data, e.samples, zlib.crc32(data), e.id])
                else:
                    self._run("DELETE FROM batches WHERE id = ?", [e.id])
            self._write(work)

    def purge(self) -> None:
        """Leaves nothing deleted in the file: all pages written anew and the write-ahead log emptied."""
        with self._told("written"):
            self._db.execute("VACUUM")
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            if self._mirrored:
                self._mirror.begin(self._db)
            for aside in self.path.parent.glob("journal.damaged-*.sqlite"):
                aside.unlink()

    def entries(self, after: int = 0) -> list[Entry]:
        """Every batch that is not flushed, in the order in which they were accepted; ids above `after`."""
        with self._told("read"):
            rows = self._db.execute(
                "SELECT id, hop, source, blocks, correction, samples, data FROM batches WHERE id > ? ORDER BY id",
                [after],
            ).fetchall()
        return [
            Entry(i, hop, source, bool(blocks), correction, samples, self._unpacked(i, data))
            for i, hop, source, blocks, correction, samples, data in rows
        ]

    @contextmanager
    def moment(self) -> Iterator[None]:
        """Reads within it see one moment, whatever another process writes meanwhile."""
        self.rows("BEGIN")
        try:
            yield
        finally:
            self.rows("COMMIT")

    def seal(self, before: int) -> None:
        """Forgets counts that were entered before that minute: they stand in the table of accounts."""
        with self._told("trimmed"), self._transaction():
            self._run("DELETE FROM counts WHERE entered < ?", [before])

    def changed(self, after_known_ns: int) -> list[tuple[str, str, int, int, str, int, str]]:
        """The feed of changes known after then: (thing, signal, start_ns, end_ns, why, known_ns, event)."""
        with self._told("read"):
            return self._db.execute(
                "SELECT thing, signal, start_ns, end_ns, why, known_ns, event FROM changed WHERE known_ns > ? "
                "ORDER BY known_ns, number", [after_known_ns],
            ).fetchall()

    def past(self) -> tuple[dict[tuple[str, str], list[tuple[int, int]]], int]:
        """(thing, signal) -> where values of it were replaced, and the last number of the feed of changes."""
        spans: dict[tuple[str, str], list[tuple[int, int]]] = {}
        with self._told("read"):
            for thing, signal, *span in self._db.execute("SELECT * FROM replaced ORDER BY thing, signal, start_ns"):
                spans.setdefault((thing, signal), []).append((span[0], span[1]))
            return spans, self._db.execute("SELECT coalesce(max(number), 0) FROM changed").fetchone()[0]

    def trim_changes(self, before_ns: int) -> None:
        """Deletes changes that were known before then, and says so."""
        with self._told("trimmed"), self._transaction():
            gone = self._db.execute("SELECT count(*) FROM changed WHERE known_ns < ?", [before_ns]).fetchone()[0]
            if gone:
                self._run("DELETE FROM changed WHERE known_ns < ?", [before_ns])
                self._run("INSERT OR REPLACE INTO meta VALUES ('changed_since', ?)", [str(before_ns)])

    def declared(self) -> tuple[list[Kind], list[Thing]]:
        """The kinds and things that were declared."""
        with self._told("read"):
            kinds = [kind_from_dict(json.loads(row[0])) for row in self._db.execute("SELECT body FROM kinds")]
            things = [Thing(**json.loads(row[0])) for row in self._db.execute("SELECT body FROM things")]
        return kinds, things

    def declare(self, kinds: list[Kind], things: list[Thing]) -> None:
        """Keeps declared kinds and things for the next open."""
        with self._told("written"), self._transaction():
            self._run_many(
                "INSERT OR REPLACE INTO kinds VALUES (?, ?)", ((k.name, json.dumps(kind_as_dict(k))) for k in kinds))
            self._run_many(
                "INSERT OR REPLACE INTO things VALUES (?, ?)",
                ((t.id, json.dumps({**vars(t), "labels": dict(t.labels)})) for t in things))

    def version(self) -> int:
        """A number that changes when another process wrote."""
        with self._told("read"):
            return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    def close(self) -> None:
        """Closes the file."""
        with self._told("closed"):
            self._mirror.end()
            self._db.close()

    def _run(self, sql: str, values: list[Any]) -> None:
        """One statement of the open transaction; everything that changes the journal goes through here."""
        self._db.execute(sql, values)
        self._said.append((sql, values))

    def _run_many(self, sql: str, rows: Iterable[tuple[Any, ...]]) -> None:
        kept = tuple(rows)
        self._db.executemany(sql, kept)
        self._said.append((sql, kept))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._said = []
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
            self._mirror.add(self._said)
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    @contextmanager
    def _told(self, verb: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(
                f"journal {self.path}",
                f"it cannot be {verb} ({error})",
                "a sound SQLite file on a disk with room, that you may write",
                "free the disk, or restore the plant folder from its last copy; what was acknowledged before is in it",
            ) from error

    def _unpacked(self, number: int, data: bytes) -> pa.Table:
        try:
            table = pa.ipc.open_stream(pa.py_buffer(data)).read_all()
            return pa.table({
                name: column.cast(pa.string()) if name in ("thing", "signal") else column
                for name, column in zip(table.column_names, table.columns, strict=True)
            })
        except (pa.ArrowException, OSError) as error:
            raise StoreError(
                f"journal {self.path}", f"batch {number} in it cannot be read ({error})", "",
                "restore the plant folder from its last copy",
            ) from error


def reading_uri(path: Path) -> str:
    """The URI that opens a SQLite file beside its writer, or one in a folder that nobody can write.

    Raises StoreError when such a folder holds a log that was never taken over: it must be opened for writing once.
    """
    uri = f"{path.absolute().as_uri()}?mode=ro"
    log, shared = (path.with_name(path.name + end) for end in ("-wal", "-shm"))
    if os.access(path.parent, os.W_OK) or shared.is_file():
        return uri
    if log.is_file() and log.stat().st_size:
        said = "the folder cannot be written, and the plant's writer was cut off: its log is still to be taken over"
        raise StoreError(f"plant {path.parent}", said, "", "make the folder writable and open the plant once")
    return f"{uri}&immutable=1"


def packed(entry: Entry) -> bytes:
    """The entry's rows as an Arrow IPC stream, things and signals dictionary-coded, lz4."""
    table = entry.table
    columns = [
        c.cast(_DICTIONARY) if f.name in ("thing", "signal") else c
        for f, c in zip(table.schema, table.columns, strict=True)
    ]
    table = pa.table(columns, names=table.column_names).combine_chunks()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=_OPTIONS) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()
