"""A plant of the first layout, written without the code of today: journal of version 1, events of step 0001."""

from __future__ import annotations

import json
import sqlite3
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

from tests.store.plant import MILL, THINGS, S

_JOURNAL = """
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
PRAGMA user_version=1;
"""
_EVENTS = """
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num));
INSERT INTO alembic_version VALUES ('0001');
CREATE TABLE events (number BIGINT NOT NULL PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, about TEXT NOT NULL,
  t_ns BIGINT NOT NULL, known_ns BIGINT NOT NULL, actor TEXT NOT NULL, body TEXT NOT NULL, because TEXT NOT NULL, "key" TEXT,
  hash TEXT NOT NULL);
CREATE INDEX events_kind ON events (kind, number);
CREATE INDEX events_about ON events (about, number);
CREATE INDEX events_known ON events (known_ns);
CREATE UNIQUE INDEX events_key ON events (kind, "key");
CREATE TABLE reasons (because TEXT NOT NULL, number BIGINT NOT NULL, PRIMARY KEY (because, number));
CREATE TRIGGER events_no_UPDATE BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE TRIGGER events_no_DELETE BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE TABLE persons (id TEXT NOT NULL PRIMARY KEY, measures TEXT NOT NULL, handedness TEXT NOT NULL, consents TEXT NOT NULL,
  source TEXT NOT NULL, "group" TEXT NOT NULL);
CREATE INDEX persons_source ON persons (source);
CREATE TABLE users (name TEXT NOT NULL PRIMARY KEY, role TEXT NOT NULL, password_hash TEXT NOT NULL, person TEXT NOT NULL);
CREATE TABLE tokens (hash TEXT NOT NULL PRIMARY KEY, user TEXT NOT NULL, label TEXT NOT NULL);
"""
_POINTS = [
    ("thing", pa.string()), ("signal", pa.string()), ("t_ns", pa.int64()), ("n", pa.int32()), ("value", pa.float64()),
    ("code", pa.int64()), ("quality", pa.int8()), ("known_ns", pa.int64()), ("assumed", pa.bool_()),
]
_INNER = [("batch", pa.int64()), ("source", pa.string()), ("correction", pa.string())]
_BLOCKS = [
    ("thing", pa.string()), ("signal", pa.string()), ("t_ns", pa.int64()), ("dt_ns", pa.int64()),
    ("values", pa.list_(pa.float32())), ("quality", pa.int8()), ("known_ns", pa.int64()), ("assumed", pa.bool_()),
    ("n", pa.int32()), ("samples", pa.int32()),
]
KNOWN = 1_700_000_000 * S
FLUSHED, WAITING = 30, 5  # samples in the points, and in the journal


def make(folder: Path) -> None:
    """A plant with 30 flushed points, 5 in the journal, 3 events and a person."""
    folder.mkdir()
    (folder / "lock").touch()
    _journal(folder / "journal.sqlite")
    _events(folder / "events.sqlite")
    settings = {"delta.enableDeletionVectors": "false", "delta.dataSkippingStatsColumns": "thing,signal,t_ns,batch"}
    DeltaTable.create(str(folder / "blocks"), schema=pa.schema(_BLOCKS + _INNER), configuration=settings)
    points = DeltaTable.create(str(folder / "points"), schema=pa.schema(_POINTS + _INNER), configuration=settings)
    for at in range(0, FLUSHED, 10):
        number = KNOWN + at // 10
        rows = _rows(at, 10, number) | {"batch": [number] * 10, "source": ["mqtt/old"] * 10, "correction": [""] * 10}
        commit = CommitProperties(app_transactions=[Transaction("loopwright-flush", number)])
        write_deltalake(points, pa.table(rows, schema=pa.schema(_POINTS + _INNER)), mode="append", commit_properties=commit)


def _rows(first: int, count: int, known_ns: int) -> dict[str, Any]:
    return {
        "thing": ["mill-1"] * count, "signal": ["spindle.speed"] * count, "t_ns": [i * S for i in range(first, first + count)],
        "n": [0] * count, "value": [i + 0.25 for i in range(first, first + count)], "code": [None] * count,
        "quality": [0] * count, "known_ns": [known_ns] * count, "assumed": [False] * count,
    }


def _journal(path: Path) -> None:
    total = FLUSHED + WAITING
    signals = [{
        "name": s.name, "unit": s.unit, "kind": s.kind, "rate_hz": s.rate_hz, "low": s.low, "high": s.high,
        "meaning": s.meaning, "codes": dict(s.codes), "shape": list(s.shape),
    } for s in MILL.signals]
    counts = {"expected": total, "arrived": total, "stored": total}
    stream = {"expected": total, "arrived": total, "counted": True, "closed_ns": 0, "word": "", "counts": counts}
    rows = pa.table(_rows(FLUSHED, WAITING, KNOWN + 5), schema=pa.schema(_POINTS))
    rows = pa.table([
        c.cast(pa.dictionary(pa.int32(), pa.string())) if name in ("thing", "signal") else c
        for name, c in zip(rows.column_names, rows.columns, strict=True)
    ], names=rows.column_names).combine_chunks()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_table(rows)
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode=WAL")
    database.executescript(_JOURNAL)
    run = database.execute
    run("INSERT INTO meta VALUES ('plant', 'first'), ('known_ns', ?)", [str(KNOWN + 5)])
    run("INSERT INTO kinds VALUES (?, ?)", ["mill", json.dumps({"name": "mill", "meaning": MILL.meaning, "signals": signals})])
    for thing in THINGS:
        run("INSERT INTO things VALUES (?, ?)", [thing.id, json.dumps({**vars(thing), "labels": {}})])
    run("INSERT INTO batches VALUES (?, 'mqtt', 'mqtt/old', 0, '', ?, ?)", [KNOWN + 5, WAITING, sink.getvalue().to_pybytes()])
    run("INSERT INTO seen VALUES ('mqtt/old', 0, ?)", [total - 1])
    run("INSERT INTO sources VALUES ('mqtt', 'mqtt/old', ?)", [json.dumps(stream)])
    run("INSERT INTO minutes VALUES (?, 'mqtt', 'mqtt/old', ?)", [KNOWN // (60 * S), json.dumps(counts)])
    database.commit()
    database.close()


def _events(path: Path) -> None:
    """Hashes as docs/decisions/0002 says, computed here."""
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode=WAL")
    database.executescript(_EVENTS)
    head = "0" * 64
    for number in range(1, 4):
        body = json.dumps({"kind": "mill"}, separators=(",", ":"))
        row = [f"e-{number}", "thing.added", f"mill-{number}", 1, KNOWN + 10 + number, "erika", body, '["o-1"]', f"k-{number}"]
        head = sha256((head + json.dumps(row, separators=(",", ":"), ensure_ascii=False)).encode()).hexdigest()
        database.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", [number, *row, head])
        database.execute("INSERT INTO reasons VALUES ('o-1', ?)", [number])
    database.execute("INSERT INTO persons VALUES ('p-1', '{\"stature\": 1.8}', 'left', '{}', 'ansur2', 'female')")
    database.commit()
    database.close()
