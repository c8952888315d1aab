"""Reads of kept data: DuckDB over the Parquet files of one snapshot and the journal's tail, in one statement."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Integral

import duckdb
import pyarrow as pa

from loopwright.core.errors import InputError, StoreError
from loopwright.core.types import BLOCKS, POINTS
from loopwright.store.snapshot import Snapshot
from loopwright.store.sql import quoted

Names = str | Iterable[str] | None
Times = tuple[int | None, int | None]
_KEY = ("thing", "signal", "t_ns", "n")


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

    def __post_init__(self) -> None:
        for name in ("start_ns", "end_ns", "known_by_ns"):
            moment(name, getattr(self, name))

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


def moment(name: str, given: object) -> None:
    """Raises InputError for a time that is no whole number of nanoseconds."""
    if given is not None and (not isinstance(given, Integral) or isinstance(given, bool)):
        raise InputError(name, f"{given!r:.60}", "whole nanoseconds since 1970 in UTC",
                         "loopwright.core.clock.from_iso reads a date")


class Reader:
    """DuckDB in memory, owning no file; a cursor for each call, so that any thread may read."""

    def __init__(self) -> None:
        self._root = duckdb.connect(":memory:")
        self._root.execute("SET enable_progress_bar = false")
        self._root.execute("SET parquet_metadata_cache = true")

    def get(self, what: View, wanted: Wanted) -> pa.Table:
        """Rows of POINTS or BLOCKS, sorted by thing, signal, t_ns, n."""
        sql = f"SELECT {', '.join(what.shown.names)} FROM ({union(what, 'tail', wanted)}) ORDER BY {', '.join(_KEY)}"
        return self.run(sql, {"tail": what.tail}).cast(what.shown)

    def numbered(self, what: View, wanted: Wanted) -> pa.Table:
        """Rows of the wanted things and signals, which stand as one number instead of two names, in no order.

        returns  series (thing's position in wanted.things * signals + signal's position), t_ns, n; of points number (a
                 gauge's value, a counter's or state's code) and good, of blocks dt_ns, values and good. good is false
                 for a reported gap and for quality bad.
        """
        things, signals = wanted.things or [], wanted.signals or []
        fields = "dt_ns, values, quality <> 2 AS good" if what.blocks else (
            "coalesce(value, code) AS number, quality <> 2 AND (value IS NOT NULL OR code IS NOT NULL) AS good")
        sql = (
            f"SELECT a.at * {len(signals)} + b.at AS series, t_ns, n, {fields} FROM "
            f"({union(what, 'tail', wanted)}) "
            "JOIN asked_things AS a USING (thing) JOIN asked_signals AS b USING (signal)"
        )
        return self.run(sql, {"tail": what.tail, "asked_things": _places("thing", things),
                              "asked_signals": _places("signal", signals)})

    def columns(self, what: View, wanted: Wanted, columns: str) -> pa.Table:
        """These columns (SQL) of the wanted rows that are in force, in no order."""
        return self.run(f"SELECT {columns} FROM ({union(what, 'tail', wanted)})", {"tail": what.tail})

    def run(self, sql: str, tables: dict[str, pa.Table]) -> pa.Table:
        """What the statement gives, with these tables by name."""
        cursor = self._root.cursor()
        try:
            for name, table in tables.items():
                cursor.register(name, table)
            return cursor.sql(sql).to_arrow_table()
        except duckdb.Error as error:
            raise unreadable(error) from error
        finally:
            cursor.close()

    def close(self) -> None:
        """Closes DuckDB."""
        self._root.close()


def listed(names: Names) -> list[str] | None:
    """One name, several, or None for all."""
    if names is None:
        return None
    return [names] if isinstance(names, str) else list(names)


def union(what: View, tail: str, wanted: Wanted, also: Iterable[str] = ()) -> str:
    """The wanted rows that stand, with further columns. Only a row that names a correction replaces another, so the few
    of those are looked for among the many: a window over all versions takes three times as long."""
    rows = rows_of(what, tail, wanted, [*what.shown.names, "batch", *(["n"] if what.blocks else []), *also])
    if not what.versions:
        return rows
    newest = rows_of(what, tail, wanted, [*_KEY, "batch"], "correction > ''")
    same = " AND ".join(f"a.{name} = c.{name}" for name in _KEY)
    return (
        f"SELECT a.* FROM ({rows}) AS a ANTI JOIN (SELECT {', '.join(_KEY)}, max(batch) AS newest FROM ({newest}) "
        f"GROUP BY ALL) AS c ON {same} AND a.batch < c.newest"
    )


def rows_of(what: View, tail: str, wanted: Wanted, names: list[str], more: str = "") -> str:
    """Every wanted row with these columns, all versions of it; `more` is another condition."""
    condition = wanted.condition()
    if more:
        condition = f"{condition} AND {more}" if condition else f" WHERE {more}"
    columns = ", ".join(names)
    parts = [f"SELECT {columns} FROM {tail}{condition}"]
    files = what.snapshot.between(wanted.start_ns, wanted.end_ns, wanted.things)
    if files:
        parts.append(f"SELECT {columns} FROM {what.snapshot.scan(files)}{condition}")
    return " UNION ALL ".join(parts)


def _places(column: str, names: list[str]) -> pa.Table:
    """Names with their positions."""
    return pa.table({column: pa.array(names, pa.string()), "at": pa.array(range(len(names)), pa.int64())})


def unreadable(error: Exception) -> StoreError:
    """What is told when DuckDB cannot read the files."""
    said = f"they cannot be read ({str(error).splitlines()[0][:250]})"
    return StoreError("points", said, "", "restore the plant folder from its last copy")
