"""Upgrade rehearsal: a copy of the plant is opened with this version, and everything is counted before and after.

The original is only read. Data files are linked, not copied, where the filesystem allows it: nothing writes into them.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from deltalake import DeltaTable

from loopwright.core.errors import InputError, StoreError
from loopwright.store import cellar
from loopwright.store.backup import Progress, chosen, lay_out, quiet
from loopwright.store.pin import JOURNAL, LIVE, LOG, Moved, State, copy_database, pinned
from loopwright.store.points import PointsTable
from loopwright.store.restore import Checked, said, unbalanced
from loopwright.store.shared import bring_home
from loopwright.store.snapshot import OWN
from loopwright.store.sql import quoted

_FILES, _ROWS = 8, 500  # of a table: how many files are looked into, and how many rows of each
_KEY = ("thing", "signal", "t_ns", "n", "batch")


def rehearse(
    plant: Path, *, backup: Path | None = None, keep: bool = False, events_url: str = "", progress: Progress = quiet
) -> dict[str, Any]:
    """Opens a copy of a plant, or of its last backup, with this version: what that changes, and how long it takes.

    keep     leaves the copy, beside the plant, under its name with '.rehearsal'
    events_url  where events and people stand, when not in the folder
    returns  seconds, before, after, changed (words), broken (words; empty when the upgrade is safe), folder
    Raises StoreError when the copy cannot be made or opened.
    """
    plant = Path(plant).absolute()
    if not (plant / JOURNAL).is_file():
        raise InputError(f"plant {plant}", "there is no plant in it", "the folder of a plant")
    copy = plant.with_name(f"{plant.name}.rehearsal" if keep else f".{plant.name}.rehearsal")
    if keep and copy.exists():
        raise InputError(f"folder {copy}", "it is there already", "nothing of that name", "remove it")
    shutil.rmtree(copy, ignore_errors=True)
    try:
        if backup:
            backup = Path(backup).absolute()
            manifest = chosen(backup, None)
            lay_out(backup, manifest, copy, True, Checked(backup, manifest, progress).place)
        else:
            _copied(plant, copy, events_url, progress)
        return _compared(copy) | {"folder": str(copy) if keep else ""}
    except (OSError, Moved) as error:
        raise StoreError(f"folder {copy}", f"the copy cannot be made ({error})", "", "try again") from error
    finally:
        if not keep:
            shutil.rmtree(copy, ignore_errors=True)


def _copied(plant: Path, copy: Path, events_url: str, progress: Progress) -> None:
    """The plant at one instant."""
    with pinned(plant, None, events_url) as state:
        parts = [part for pin in state.tables.values() for part in pin.parts] + state.others
        total, done = sum(part.bytes for part in parts), 0
        for part in parts:
            path = copy / part.path
            path.parent.mkdir(parents=True, exist_ok=True)
            if part.place:
                with part.opened() as source, path.open("wb") as target:
                    shutil.copyfileobj(source, target)
            else:
                _link(part.source, path) if part.fixed and LOG not in path.parts else shutil.copyfile(part.source, path)
            done += part.bytes
            progress(part.path, done, total)
        copy.mkdir(exist_ok=True)
        _databases(state, copy)


def _databases(state: State, copy: Path) -> None:
    for name, connection in state.databases.items():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        copy_database(connection, copy / name)
        if name == JOURNAL:
            bring_home(copy / name)
    if state.events:
        state.events.to_sqlite(copy / "events.sqlite")
    if state.live is not None:
        (copy / LIVE).write_bytes(state.live)


def _link(source: Path, path: Path) -> None:
    try:
        os.link(source, path)
    except OSError:
        shutil.copyfile(source, path)


def _compared(copy: Path) -> dict[str, Any]:
    """What the copy says before and after it is opened with this version."""
    before = _raw(copy)
    samples = {name: list(_samples(copy / name)) for name in ("points", "blocks")}
    began = time.perf_counter()
    cellar.open_store(copy).close()
    seconds = time.perf_counter() - began
    after = _raw(copy)
    found = said(copy)
    broken = [f"hop {name} does not add up" for name in unbalanced(found["hops"])]
    if found["events"]["broken_at"] is not None:
        broken.append(f"the chain of events: {found['events']['why']}")
    for what in ("events", "head", "waiting"):
        if before[what] != after[what]:
            broken.append(f"{what}: {before[what]} before, {after[what]} after")
    for name, rows in before["rows"].items():
        if after["rows"].get(name) != rows:
            broken.append(f"table {name}: {rows} rows before, {after['rows'].get(name)} after")
    looked = 0
    with cellar.open_store(copy) as store:
        for name, tables in samples.items():
            for table in tables:
                looked += table.num_rows
                if wrong := _missing(store, name, table):
                    broken.append(f"table {name}: {wrong} of {table.num_rows} sampled rows are not what they were")
    changed = [
        f"{what} {before[what]} becomes {after[what]}" for what in ("journal", "step") if before[what] != after[what]
    ] + [
        f"table {name} gains {', '.join(sorted(new))}" if name in before["columns"] else f"table {name} is new"
        for name, columns in after["columns"].items() if (new := set(columns) - set(before["columns"].get(name, [])))
    ]
    return {
        "seconds": round(seconds, 3), "before": before, "after": after, "changed": changed, "broken": broken,
        "sampled": looked, "samples": found["samples"],
    }


def _raw(plant: Path) -> dict[str, Any]:
    """Versions and counts, read without any code that knows the layout."""
    with closing(sqlite3.connect(plant / JOURNAL)) as journal:
        version = journal.execute("PRAGMA user_version").fetchone()[0]
        waiting = journal.execute("SELECT coalesce(sum(samples), 0) FROM batches").fetchone()[0]
    events, head, step = 0, "", ""
    if (plant / "events.sqlite").exists():
        with closing(sqlite3.connect(plant / "events.sqlite")) as database:
            events = database.execute("SELECT count(*) FROM events").fetchone()[0]
            row = database.execute("SELECT hash FROM events ORDER BY number DESC LIMIT 1").fetchone()
            head = row[0] if row else ""
            step = database.execute("SELECT version_num FROM alembic_version").fetchone()[0]
    rows, columns = {}, {}
    for log in sorted(plant.glob(f"*/{LOG}")):
        table = DeltaTable(str(log.parent))
        rows[log.parent.name] = sum(pa.table(table.get_add_actions()).column("num_records").to_pylist())
        columns[log.parent.name] = sorted(field.name for field in table.schema().fields)
    return {
        "journal": version, "step": step, "events": events, "head": head, "waiting": waiting, "rows": rows,
        "columns": columns,
    }


def _samples(folder: Path) -> list[pa.Table]:
    """Some rows of some files of a table, drawn evenly: as they stand in files of an older layout, else as decoded."""
    if not (folder / LOG).is_dir():
        return []
    snapshot = PointsTable(folder, folder.name == "blocks", False).snapshot
    files = sorted(snapshot.files)
    found = []
    for file in files[:: max(1, len(files) // _FILES)][:_FILES]:
        own = Path(file).name.startswith(OWN)
        rows = snapshot.scan([file]) if own else f"read_parquet({quoted(file)})"
        sql = f"SELECT * FROM {rows} USING SAMPLE reservoir({_ROWS} ROWS) REPEATABLE (7)"
        with duckdb.connect(":memory:") as connection:
            found.append(connection.sql(sql).to_arrow_table())
    return found


def _missing(store: cellar.Store, name: str, sample: pa.Table) -> int:
    """How many of these rows the store does not give back as they are."""
    snapshot = store.tables[name].snapshot
    own = [column for column in sample.column_names if column in snapshot.layout.shown.names]
    keys = [column for column in _KEY if column in own]
    t_ns = sample.column("t_ns").to_pylist()
    files = snapshot.between(min(t_ns), max(t_ns) + 1, sample.column("thing").to_pylist())
    same = " AND ".join(f"p.{column} IS NOT DISTINCT FROM a.{column}" for column in own if column not in keys)
    sql = (
        f"SELECT count(*)::BIGINT AS n FROM asked AS a SEMI JOIN (SELECT * FROM {snapshot.scan(files)}) AS p "
        f"ON {' AND '.join(f'p.{column} = a.{column}' for column in keys)} AND {same}"
    )
    asked: Mapping[str, pa.Table] = {"asked": sample}
    return sample.num_rows - int(store._reader.run(sql, dict(asked)).column("n")[0].as_py())
