"""Reads of kept data: DuckDB over the Parquet files of one snapshot and the journal's tail, in one statement."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from loopwright.core.errors import InputError, StoreError
from loopwright.core.types import BLOCKS, POINTS
from loopwright.store.points import Snapshot

Names = str | Iterable[str] | None
Times = tuple[int | None, int | None]
# of each key the version that came last counts; without corrections there is one version of everything
_NEWEST = "QUALIFY row_number() OVER (PARTITION BY thing, signal, t_ns, n ORDER BY batch DESC) = 1"
_ALLOWED = "one SELECT over points, blocks, events"


@dataclass(frozen=True)
class View:
    """What stands at one moment: a snapshot of a table, and the journal batches that are not in it.

    versions  whether values may have been replaced, so that of each key only the newest version counts
    """

    snapshot: Snapshot
    tail: pa.Table
    blocks: bool
    versions: bool = False

    @property
    def shown(self) -> pa.Schema:
        """The columns that readers see."""
        return BLOCKS if self.blocks else POINTS


@dataclass(frozen=True)
class Wanted:
    """Which rows: of these things and signals (None: all), start_ns <= t_ns < end_ns, known by then."""

    things: list[str] | None = None
    signals: list[str] | None = None
    start_ns: int | None = None
    end_ns: int | None = None
    known_by_ns: int | None = None

    def condition(self) -> str:
        """As a WHERE clause, '' for everything."""
        parts = []
        for column, names in (("thing", self.things), ("signal", self.signals)):
            if names is not None:
                parts.append(f"{column} IN ({', '.join(quoted(name) for name in names)})" if names else "false")
        for column, sign, limit in (
            ("t_ns", ">=", self.start_ns), ("t_ns", "<", self.end_ns), ("known_ns", "<=", self.known_by_ns),
        ):
            if limit is not None:
                parts.append(f"{column} {sign} {int(limit)}")
        return f" WHERE {' AND '.join(parts)}" if parts else ""


class Reader:
    """DuckDB in memory, owning no file; a cursor for each call, so that any thread may read."""

    def __init__(self) -> None:
        self._root = duckdb.connect(":memory:")
        self._root.execute("SET enable_progress_bar = false")
        self._root.execute("SET parquet_metadata_cache = true")

    def get(self, what: View, wanted: Wanted) -> pa.Table:
        """Rows of POINTS or BLOCKS, sorted by thing, signal, t_ns, n."""
        union = _union(what, "tail", wanted)
        newest = _NEWEST if what.versions else ""
        sql = f"SELECT {', '.join(what.shown.names)} FROM ({union}) {newest} ORDER BY thing, signal, t_ns, n"
        return self.run(sql, {"tail": what.tail}).cast(what.shown)

    def run(self, sql: str, tables: dict[str, pa.Table]) -> pa.Table:
        """What the statement gives, with these tables by name."""
        cursor = self._root.cursor()
        try:
            for name, table in tables.items():
                cursor.register(name, table)
            return cursor.sql(sql).to_arrow_table()
        except duckdb.Error as error:
            raise _unreadable(error) from error
        finally:
            cursor.close()

    @contextmanager
    def sorted_rows(self, files: list[str], first: int, schema: pa.Schema) -> Iterator[pa.RecordBatchReader]:
        """Rows of these files, of batches from `first` on, in the order in which they are kept."""
        cursor = self._root.cursor()
        try:
            columns = ", ".join(f'"{name}"' for name in schema.names)
            found = cursor.sql(
                f"SELECT {columns} FROM read_parquet({listing(files)}) WHERE batch >= {first} "
                "ORDER BY thing, signal, t_ns, n, batch"
            )
            yield found.to_arrow_reader(65_536).cast(schema)
        except duckdb.Error as error:
            raise _unreadable(error) from error
        finally:
            cursor.close()

    def query(self, sql: str, views: dict[str, View], events: pa.Table | None) -> pa.Table:
        """A reader's own statement over points, blocks and events; it can read nothing else and change nothing."""
        connection = duckdb.connect(":memory:")
        try:
            statements = connection.extract_statements(sql)
            if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                raise InputError("query", f"{sql[:80]!r} is not one SELECT", _ALLOWED)
            for name, what in views.items():
                connection.register(f"{name}_tail", what.tail)
                union = _union(what, f"{name}_tail", Wanted())
                shown = ", ".join(what.shown.names)
                connection.execute(
                    f"CREATE VIEW {name} AS SELECT {shown} FROM ({union}) {_NEWEST if what.versions else ''}"
                )
            if events is not None:
                connection.register("events", events)
            folders = sorted({file.rsplit("/", 1)[0] + "/" for what in views.values() for file in what.snapshot.files})
            connection.execute(f"SET allowed_directories = {listing(folders)}")
            connection.execute("SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")
            return connection.sql(sql).to_arrow_table()
        except duckdb.Error as error:
            raise InputError("query", " ".join(str(error).split())[:400], _ALLOWED) from error
        finally:
            connection.close()

    def close(self) -> None:
        """Closes DuckDB."""
        self._root.close()


def listed(names: Names) -> list[str] | None:
    """One name, several, or None for all."""
    if names is None:
        return None
    return [names] if isinstance(names, str) else list(names)


def quoted(text: str) -> str:
    """A text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def listing(texts: Iterable[str]) -> str:
    """Texts as a DuckDB list."""
    return f"[{', '.join(quoted(text) for text in texts)}]"


def _union(what: View, tail: str, wanted: Wanted) -> str:
    condition = wanted.condition()
    columns = ", ".join([*what.shown.names, "batch", *(["n"] if what.blocks else [])])
    parts = [f"SELECT {columns} FROM {tail}{condition}"]
    files = what.snapshot.between(wanted.start_ns, wanted.end_ns)
    if files:
        parts.append(f"SELECT {columns} FROM read_parquet({listing(files)}){condition}")
    return " UNION ALL ".join(parts)


def _unreadable(error: Exception) -> StoreError:
    said = f"they cannot be read ({str(error).splitlines()[0][:250]})"
    return StoreError("points", said, "", "restore the plant folder from its last copy")
