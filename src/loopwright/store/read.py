"""Reads of kept data: DuckDB over the Parquet files of one snapshot and the journal's tail, in one statement."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from loopwright.core.errors import InputError, StoreError
from loopwright.core.types import BLOCKS, POINTS
from loopwright.store.journal import Entry
from loopwright.store.points import STORED_BLOCKS, STORED_POINTS, Snapshot

Names = str | Iterable[str] | None


@dataclass(frozen=True)
class View:
    """What stands at one moment: a snapshot of a table, and the journal batches that are not in it."""

    snapshot: Snapshot
    tail: pa.Table
    blocks: bool

    @property
    def schema(self) -> pa.Schema:
        return STORED_BLOCKS if self.blocks else STORED_POINTS


def view(snapshot: Snapshot, entries: Sequence[Entry], blocks: bool) -> View:
    """The view of a snapshot and of those entries that it does not hold yet."""
    rest = [stored_rows(e) for e in entries if e.blocks == blocks and e.id > snapshot.flushed]
    schema = STORED_BLOCKS if blocks else STORED_POINTS
    return View(snapshot, pa.concat_tables(rest) if rest else schema.empty_table(), blocks)


def stored_rows(entry: Entry) -> pa.Table:
    """A journal entry's rows with the columns of the Delta table."""
    rows = entry.table.num_rows
    columns = {name: entry.table.column(name) for name in entry.table.column_names}
    if entry.blocks:
        columns["samples"] = pa.compute.list_value_length(columns["values"]).cast(pa.int32())
    columns |= {
        "batch": pa.repeat(pa.scalar(entry.id, pa.int64()), rows), "source": pa.repeat(entry.source, rows),
        "correction": pa.repeat(entry.correction, rows),
    }
    schema = STORED_BLOCKS if entry.blocks else STORED_POINTS
    return pa.table([columns[name].cast(schema.field(name).type) for name in schema.names], schema=schema)


class Reader:
    """DuckDB in memory, owning no file; a cursor for each call, so that any thread may read."""

    def __init__(self) -> None:
        self._root = duckdb.connect(":memory:")
        self._root.execute("SET enable_progress_bar = false")

    def get(
        self, what: View, things: Names, signals: Names, times: tuple[int | None, int | None], known_by_ns: int | None, versions: bool,
    ) -> pa.Table:
        """Rows of POINTS or BLOCKS, sorted by thing, signal, t_ns (and n); start <= t_ns < end.

        versions  whether values may have been replaced, so that of each key only the newest version counts
        """
        conditions = [*_names("thing", things), *_names("signal", signals)]
        start_ns, end_ns = times
        if start_ns is not None:
            conditions.append(f"t_ns >= {int(start_ns)}")
        if end_ns is not None:
            conditions.append(f"t_ns < {int(end_ns)}")
        if known_by_ns is not None:
            conditions.append(f"known_ns <= {int(known_by_ns)}")
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        newest = "QUALIFY row_number() OVER (PARTITION BY thing, signal, t_ns, n ORDER BY batch DESC) = 1" if versions else ""
        schema = BLOCKS if what.blocks else POINTS
        sql = f"SELECT {', '.join(schema.names)} FROM ({self._union(what, where, times)}) {newest} ORDER BY thing, signal, t_ns, n"
        return self.run(sql, {"tail": what.tail}).cast(schema)

    def run(self, sql: str, tables: dict[str, pa.Table]) -> pa.Table:
        """What the statement gives, with these tables by name."""
        cursor = self._root.cursor()
        try:
            for name, table in tables.items():
                cursor.register(name, table)
            return cursor.sql(sql).to_arrow_table()
        except duckdb.IOException as error:
            raise StoreError("points", f"a file cannot be read ({str(error).splitlines()[0][:200]})", "", "restore it from the last copy") from error
        except duckdb.InvalidInputException as error:
            raise StoreError("points", f"a file is damaged ({str(error).splitlines()[0][:200]})", "", "restore it from the last copy") from error
        finally:
            cursor.close()

    def query(self, sql: str, views: dict[str, View], events: pa.Table | None) -> pa.Table:
        """A reader's own statement over the views points, blocks and events; it can read nothing else and change nothing."""
        connection = duckdb.connect(":memory:")
        try:
            statements = connection.extract_statements(sql)
            if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                raise InputError("query", f"{sql[:80]!r} is not one SELECT", "one SELECT over points, blocks, events")
            for name, what in views.items():
                connection.register(f"{name}_tail", what.tail)
                schema = BLOCKS if what.blocks else POINTS
                connection.execute(
                    f"CREATE VIEW {name} AS SELECT {', '.join(schema.names)} FROM ("
                    f"{self._union(what, '', (None, None)).replace('FROM tail', f'FROM {name}_tail')}) "
                    "QUALIFY row_number() OVER (PARTITION BY thing, signal, t_ns, n ORDER BY batch DESC) = 1")
            if events is not None:
                connection.register("events", events)
            folders = sorted({file.rsplit("/", 1)[0] for what in views.values() for file in what.snapshot.files})
            connection.execute(f"SET allowed_directories = [{', '.join(_quoted(f) for f in folders)}]")
            connection.execute("SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")
            return connection.sql(sql).to_arrow_table()
        except duckdb.Error as error:
            raise InputError("query", str(error).splitlines()[0][:300], "one SELECT over points, blocks, events") from error
        finally:
            connection.close()

    def close(self) -> None:
        self._root.close()

    def _union(self, what: View, where: str, times: tuple[int | None, int | None]) -> str:
        columns = ", ".join(name for name in what.schema.names if name not in ("source", "correction"))
        parts = [f"SELECT {columns} FROM tail{where}"]
        files = what.snapshot.between(*times)
        if files:
            listed = ", ".join(_quoted(file) for file in files)
            parts.append(f"SELECT {columns} FROM read_parquet([{listed}]){where}")
        return " UNION ALL ".join(parts)


def listed(names: Names) -> list[str] | None:
    """One name, several, or None for all."""
    if names is None:
        return None
    return [names] if isinstance(names, str) else list(names)


def _names(column: str, names: Names) -> list[str]:
    wanted = listed(names)
    if wanted is None:
        return []
    return [f"{column} IN ({', '.join(_quoted(name) for name in wanted)})" if wanted else "false"]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
