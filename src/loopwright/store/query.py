"""A reader's own SELECT over what is kept, as a stream of record batches. It reads nothing else and changes nothing.

    with ask(store, "SELECT * FROM points WHERE thing = 'mill-1'") as answer:
        for batch in answer:                    # pa.RecordBatch; never all of them in memory
            ...

| view | what it is |
|---|---|
| points | slow signals, a row a value, corrections followed; source brought it, correction names the event |
| blocks | fast signals, a row a block |
| events | the ledger; body is JSON text |
| minutes, hours | what `buckets.rollup` gives: count, bad, gaps, min, max, mean, last, last_t_ns, quality |
| newest | the newest value of every signal |
| things, signals | what was declared |
"""

from __future__ import annotations

import difflib
import json
import re
import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from loopwright.core.errors import InputError, StoreError
from loopwright.store import archive, buckets
from loopwright.store.narrow import Tree, narrowed, nodes, tables_of
from loopwright.store.read import Wanted, union, unreadable
from loopwright.store.sql import listing

if TYPE_CHECKING:
    from loopwright.store.cellar import Store

VIEWS = ("points", "blocks", "events", "minutes", "hours", "newest", "things", "signals")
_ALLOWED = f"one SELECT over {', '.join(VIEWS)}"
_BATCH_ROWS = 65_536
_MORE = ("source", "correction")  # columns beside those of `get`: who brought a value, which event let it replace
_ROLLED = {"minutes": "minute", "hours": "hour"}


class Answer:
    """What a statement gives: its schema at once, its rows as they come. Any thread may call `stop`; close it.

    Raises InputError, where something in the rows themselves cannot be computed.
    """

    def __init__(self, cursor: duckdb.DuckDBPyConnection, views: Mapping[str, list[str]], sql: str) -> None:
        self._cursor, self._views, self._lock, self._ended = cursor, views, threading.Lock(), False
        self._reader: pa.RecordBatchReader | None = None  # it computes before it gives anything: not before it is asked
        try:
            self._relation = cursor.sql(sql)
            self.schema: pa.Schema = self._relation.limit(0).to_arrow_table().schema
        except duckdb.Error as error:
            raise _told(error, views) from error

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        while (batch := self.next()) is not None:
            yield batch

    def next(self) -> pa.RecordBatch | None:
        """The next rows, None when there are no more."""
        try:
            with self._lock:
                if self._ended:
                    return None
                if self._reader is None:
                    self._reader = self._relation.to_arrow_reader(_BATCH_ROWS)
                return self._reader.read_next_batch()
        except StopIteration:
            return None
        except (duckdb.Error, pa.ArrowException) as error:
            raise _told(error, self._views) from error

    def table(self) -> pa.Table:
        """All rows that are left, in memory."""
        return pa.Table.from_batches(list(self), self.schema)

    def stop(self) -> None:
        """Ends the statement, also while another thread waits for its rows; returns when it has ended."""
        self._ended = True
        while not self._lock.acquire(timeout=0.05):
            self._cursor.interrupt()  # again, should it come just before the statement begins
        self._lock.release()

    def close(self) -> None:
        """Lets go of it."""
        self.stop()
        self._cursor.close()

    def __enter__(self) -> Answer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def ask(store: Store, sql: str) -> Answer:
    """Begins to answer one SELECT.

    Raises InputError when it is not one, or names what there is not; the message tells the columns there are.
    """
    cursor = duckdb.connect(":memory:")
    try:
        tree = parsed(cursor, sql)
        wanted = tables_of(tree) & set(VIEWS)
        folders = []
        for name in sorted(wanted & {"points", "blocks"}):
            view = store._view(name == "blocks", asked := Wanted(**narrowed(tree, name)))
            cursor.register(f"{name}_tail", view.tail)
            shown = ", ".join([*view.shown.names, *(["n"] if name == "blocks" else []), *_MORE])
            rows = union(view, f"{name}_tail", asked, _MORE)
            cursor.execute(f"CREATE TEMP VIEW {name} AS SELECT {shown} FROM ({rows})")
            folders.append(f"{view.snapshot.place.folder()}/")
        for name in sorted(wanted & set(_ROLLED)):
            rolled, beside = buckets.relation(store, _ROLLED[name], Wanted(**narrowed(tree, name)), f"{name}_tail")
            for table, rows_beside in beside.items():
                cursor.register(table, rows_beside)
            cursor.execute(f"CREATE TEMP VIEW {name} AS {rolled}")
            folders.append(f"{store.tables['rollups'].folder}/")
        for name in sorted(wanted - {"points", "blocks", *_ROLLED}):
            cursor.register(name, _TABLES[name](store))
        for setting in (f"allowed_directories = {listing(folders)}", "enable_external_access = false",
                        "enable_progress_bar = false", "lock_configuration = true"):
            cursor.execute(f"SET {setting}")
        known = {name: [str(row[0]) for row in cursor.execute(f"DESCRIBE {name}").fetchall()] for name in wanted}
        return Answer(cursor, known, sql)
    except RecursionError:
        cursor.close()
        raise InputError("query", f"{sql[:80]!r} is nested too deeply", _ALLOWED) from None
    except BaseException:
        cursor.close()
        raise


def parsed(connection: duckdb.DuckDBPyConnection, sql: str) -> Tree:
    """The statement as a tree; InputError when it is not one SELECT."""
    try:
        statements = connection.extract_statements(sql)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise InputError("query", f"{sql[:80]!r} is not one SELECT", _ALLOWED)
        found = connection.execute("SELECT json_serialize_sql(?)", [sql]).fetchall()
    except duckdb.Error as error:
        raise _told(error, {}) from error
    tree: Tree = json.loads(found[0][0])
    if tree.get("error") or any(node.get("type") == "SHOW_REF" for node in nodes(tree)):
        raise InputError("query", f"{sql[:80]!r} is not one SELECT", _ALLOWED)
    return tree


def _told(error: Exception, views: Mapping[str, list[str]]) -> InputError | StoreError:
    if isinstance(error, duckdb.IOException):
        return unreadable(error)
    said = " ".join(str(error).split())[:400]
    columns = "; ".join(f"{name}: {', '.join(known)}" for name, known in sorted(views.items()))
    if isinstance(error, duckdb.CatalogException) and (missing := re.search(r"Table with name (\S+) does not", said)):
        near = difflib.get_close_matches(missing[1].lower(), VIEWS, 1)
        said = f"there is no view {missing[1]!r}" + (f"; did you mean {near[0]!r}?" if near else "")
    if columns and isinstance(error, (duckdb.BinderException, duckdb.CatalogException)):
        return InputError("query", said, _ALLOWED, f"the columns are {columns}")
    return InputError("query", said, _ALLOWED)


def _things(store: Store) -> pa.Table:
    rows = [
        {"thing": t.id, "kind": t.kind, "parent": t.parent, "unit": t.unit, "lat_deg": t.lat_deg, "lon_deg": t.lon_deg,
         "labels": json.dumps(dict(t.labels))} for t in store.things().values()
    ]
    text = ["thing", "kind", "parent", "unit"]
    fields = [*((name, pa.string()) for name in text), ("lat_deg", pa.float64()), ("lon_deg", pa.float64()),
              ("labels", pa.string())]
    return pa.Table.from_pylist(rows, schema=pa.schema(fields))


def _signals(store: Store) -> pa.Table:
    rows = [
        {"kind": kind.name, "signal": s.name, "unit": s.unit, "type": s.kind, "rate_hz": s.rate_hz, "low": s.low,
         "high": s.high, "fast": s.fast, "meaning": s.meaning, "codes": json.dumps(dict(s.codes))}
        for kind in store.kinds().values() for s in kind.signals
    ]
    fields = [*((name, pa.string()) for name in ("kind", "signal", "unit", "type")),
              *((name, pa.float64()) for name in ("rate_hz", "low", "high")), ("fast", pa.bool_()),
              ("meaning", pa.string()), ("codes", pa.string())]
    return pa.Table.from_pylist(rows, schema=pa.schema(fields))


_TABLES: dict[str, Any] = {
    "events": archive.dataset, "newest": lambda store: store.newest(), "things": _things,
    "signals": _signals,
}
