"""One version of a Delta table as readers use it: its files, their statistics, and SQL that reads them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from loopwright.core.errors import StoreError
from loopwright.store.place import Place
from loopwright.store.sql import listing, quoted

OWN = "v2-"  # how the names of our data files begin; others may lack columns that came later
LOWEST, HIGHEST = -np.iinfo(np.int64).max, np.iinfo(np.int64).max
_TEXT = 64  # characters of a text that stand in statistics
_DUCK = {
    "string": "VARCHAR", "int64": "BIGINT", "int32": "INTEGER", "int8": "TINYINT", "bool": "BOOLEAN",
    "double": "DOUBLE", "float": "FLOAT",
}


@dataclass(frozen=True)
class Layout:
    """What a table holds, and how.

    shown       the columns that `append` takes and `Snapshot.scan` gives
    stored      the columns that stand in the files; `writer`, if it is one, names the plant that brought a row
    order       by which columns rows are sorted, before the batch they came with
    statistics  columns of which the log knows lowest and highest value of each file; t_ns and batch are among them
    encode      a table of `shown` as one of `stored`
    decoded     SQL of the columns that stand otherwise in the files than they are shown
    packed      column -> Parquet encoding, where it is not a dictionary
    """

    shown: pa.Schema
    stored: pa.Schema
    order: tuple[str, ...] = ("thing", "signal", "t_ns", "n")
    statistics: tuple[str, ...] = ("thing", "signal", "t_ns", "batch")
    encode: Callable[[pa.Table], pa.Table] = lambda table: table
    decoded: Mapping[str, str] = field(default_factory=dict)
    packed: Mapping[str, str] = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, str]:
        """Of the Delta table, when it is made."""
        return {
            "delta.enableDeletionVectors": "false", "delta.dataSkippingStatsColumns": ",".join(self.statistics),
            "delta.checkpointInterval": "100", "delta.logRetentionDuration": "interval 1 hours",
        }

    def column(self, name: str) -> str:
        """SQL of a shown column, over the stored ones."""
        return f'{self.decoded[name]} AS "{name}"' if name in self.decoded else f'"{name}"'


@dataclass(frozen=True)
class Added:
    """A data file that was written: name relative to the table, rows, bytes, statistics of its columns."""

    name: str
    rows: int
    bytes: int
    low: Mapping[str, Any]
    high: Mapping[str, Any]


@dataclass(frozen=True)
class Snapshot:
    """One version of a table.

    flushed    the last journal batch in it that this plant brought
    files      its Parquet files; rows, bytes (files,) int64
    writer     this plant, where several write the table
    broken     file -> what is wrong with it: it cannot be read
    low, high  column of the statistics -> (files,): int64, or texts (None where the log does not say)
    """

    version: int
    flushed: int
    files: tuple[str, ...]
    rows: Any
    bytes: Any
    low: Mapping[str, Any]
    high: Mapping[str, Any]
    place: Place
    layout: Layout
    writer: str = ""
    broken: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The files relative to the table."""
        return [file[len(self.place.uri) + 1:] for file in self.files]

    def between(self, start_ns: int | None, end_ns: int | None, things: Iterable[str] | None = None) -> list[str]:
        """Files that may hold rows with start_ns <= t_ns < end_ns, of these things."""
        wanted = np.ones(len(self.files), bool)
        if start_ns is not None:
            wanted &= self.high["t_ns"] >= start_ns
        if end_ns is not None:
            wanted &= self.low["t_ns"] < end_ns
        if things is not None:
            names = sorted(set(things))
            low, high = self.low["thing"], self.high["thing"]
            for i in np.flatnonzero(wanted):
                at = 0 if low[i] is None else bisect_left(names, low[i])
                wanted[i] = at < len(names) and (high[i] is None or names[at] <= high[i])
        return [self.files[i] for i in np.flatnonzero(wanted)]

    def since(self, batch: int) -> list[str]:
        """Files that may hold rows of journal batches above `batch`."""
        return [self.files[i] for i in np.flatnonzero(self.high["batch"] > batch)]

    def scan(self, files: Iterable[str] | None = None, also: Iterable[str] = ()) -> str:
        """A relation for DuckDB: the rows of these files (None: all) with the columns that are shown.

        also  further columns of the files
        Raises StoreError when one of them is gone or cut short.
        """
        wanted = list(self.files if files is None else files)
        for file in wanted:
            if file in self.broken:
                raise StoreError(
                    f"points {file}", self.broken[file], "",
                    "put this file back from a backup of the plant; what stands in other files can be read",
                )
        names = [file[len(self.place.uri) + 1:] for file in wanted]
        columns = ", ".join([*map(self.layout.column, self.layout.shown.names), *also])
        own = [name for name in names if name.startswith(OWN)]
        older = [name for name in names if not name.startswith(OWN)]
        parts = [f"SELECT {columns} FROM read_parquet({listing(self.place.local(own))})"] if own else []
        if older or not own:
            empty = ", ".join(f'NULL::{_duck(column.type)} AS "{column.name}"' for column in self.layout.stored)
            files_sql = listing(self.place.local(older))
            rows = f"UNION ALL BY NAME SELECT * FROM read_parquet({files_sql}, union_by_name=true)" if older else ""
            parts.append(f"SELECT {columns} FROM (SELECT {empty} WHERE false {rows})")
        return f"({' UNION ALL '.join(parts)})"

    def sound(self, files: Iterable[str]) -> list[str]:
        """Those of the files that can be read."""
        return [file for file in files if file not in self.broken]

    def own(self, files: Iterable[str]) -> str:
        """As `scan`, only the rows that this plant wrote."""
        if self.alone:
            return self.scan(files)
        mine = f"= {quoted(self.writer)}" if self.writer else "IS NULL"
        return f"(SELECT * FROM {self.scan(files, ['writer'])} WHERE writer {mine})"

    @property
    def alone(self) -> bool:
        """Whether every row is this plant's own, as far as the log says."""
        names = {*self.low.get("writer", ()), *self.high.get("writer", ())}
        return names <= ({self.writer} if self.writer else {None, ""})

    def grown(self, version: int, flushed: int, come: Sequence[Added], gone: Iterable[str]) -> Snapshot:
        """A next version: without the files named `gone`, with those that come."""
        away = set(gone)
        left = np.array([name not in away for name in self.names], bool)
        files = [self.files[i] for i in np.flatnonzero(left)] + [f"{self.place.uri}/{a.name}" for a in come]
        texts = {c: column.dtype.kind == "O" for c, column in self.low.items()}
        low, high = (
            {c: np.append(old[c][left], bounds([getattr(a, side).get(c) for a in come], is_text, limit))
             for c, is_text in texts.items()}
            for side, old, limit in (("low", self.low, LOWEST), ("high", self.high, HIGHEST))
        )
        return replace(
            self, version=version, flushed=flushed, files=tuple(files), low=low, high=high,
            rows=np.append(self.rows[left], np.array([a.rows for a in come], np.int64)),
            bytes=np.append(self.bytes[left], np.array([a.bytes for a in come], np.int64)),
        )


def bounds(values: Sequence[Any], texts: bool, missing: int) -> Any:
    """(files,) a statistic of each file, texts or int64; `missing` where the log does not tell a number."""
    return np.array(values, object) if texts else np.array([missing if v is None else v for v in values], np.int64)


def shortened(text: str, up: bool) -> str:
    """A text for the statistics: a lower bound, or an upper one."""
    return text if len(text) <= _TEXT else text[:_TEXT] + ("\U0010ffff" if up else "")


def _duck(kind: pa.DataType) -> str:
    return f"{_DUCK[str(kind.value_type)]}[]" if pa.types.is_list(kind) else _DUCK[str(kind)]
