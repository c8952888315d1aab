"""The table of accounts: the counts of minutes that are over, in a Delta table of their own.

One row says what one source added in one minute (reason '': the words) or what was refused of it (else: `refused`).
Rows of days long gone are added up to hours and then to days, so that the table is bounded by the sources and not by
how often they spoke: `grid` says where an account stands. A limit of a range is moved down to that grid, so that ranges
that lie side by side still add up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from loopwright.core.errors import StoreError
from loopwright.store.counts import SUMS
from loopwright.store.delta import Table
from loopwright.store.place import LocalPlace
from loopwright.store.snapshot import Layout, Snapshot
from loopwright.store.sql import quoted

NAME = "accounts"  # its folder
HOUR, DAY = 60, 1440  # minutes
MINUTES_DAYS, HOURS_DAYS = 2, 60  # how long accounts stand by the minute, and by the hour
STORED = pa.schema([
    ("minute", pa.int64()), ("step", pa.int64()), ("hop", pa.string()), ("source", pa.string()),
    ("reason", pa.string()), *((word, pa.int64()) for word in SUMS),
])
_LAYOUT = Layout(
    STORED, STORED, ("source", "hop", "minute"), ("minute", "step", "source"), packed={"minute": "DELTA_BINARY_PACKED"},
)
_SMALL_BYTES, _FILES = 64_000_000, 16  # so many small files are worth joining
_ROWS = 2_000_000  # in memory at a time
_LEVEL = 6


class AccountsTable(Table):
    """The table of a plant. `snapshot.flushed`: rows of the journal entered before that minute stand in it."""

    def __init__(self, folder: Path, create: bool) -> None:
        super().__init__(LocalPlace(folder), _LAYOUT, create)
        self.folder = folder

    def merge(self) -> bool:
        """Joins small files, and adds up rows that are due by the hour or the day; whether there was anything to do."""
        done = False
        with self._compacting, self._told("compacted"):
            while files := _due(self.snapshot):
                come = self._write(_summed(self.snapshot, files), _LEVEL)
                names = [file[len(self.place.uri) + 1:] for file in files]
                if not self._commit(come, names, "OPTIMIZE"):
                    self.place.remove([added.name for added in come])
                    break
                done = True
        return done


def horizons(sealed: int) -> tuple[int, int]:
    """Accounts of minutes before these stand by the day, and by the hour. sealed: up to which minute all is over."""
    today = sealed // DAY * DAY
    return today - HOURS_DAYS * DAY, today - MINUTES_DAYS * DAY


def grid(minute: int, sealed: int) -> int:
    """Where the account of a minute stands."""
    days, hours = horizons(sealed)
    step = DAY if minute < days else HOUR if minute < hours else 1
    return minute // step * step


def scan(snapshot: Snapshot, low: int, source: str | None) -> str:
    """SQL of the rows of minutes from `low` on, of one source or all; '' for none."""
    wanted = snapshot.high["minute"] >= low
    if source is not None:
        for i in np.flatnonzero(wanted):
            first, last = snapshot.low["source"][i], snapshot.high["source"][i]
            wanted[i] = (first is None or first <= source) and (last is None or source <= last)
    files = [snapshot.files[i] for i in np.flatnonzero(wanted)]
    return f"SELECT * FROM {snapshot.scan(files)}" if files else ""


def _due(snapshot: Snapshot) -> list[str]:
    """Files to write anew next: small ones when they are many, and those that lie whole before a horizon."""
    days, hours = horizons(snapshot.flushed)
    last, step = snapshot.high["minute"], snapshot.low["step"]
    coarser = ((last < days) & (step < DAY)) | ((last < hours) & (step < HOUR))
    small = snapshot.bytes < _SMALL_BYTES
    if small.sum() >= _FILES:
        coarser |= small
    return [snapshot.files[i] for i in np.flatnonzero(coarser)]


def _summed(snapshot: Snapshot, files: list[str]) -> Iterator[pa.Table]:
    """The rows of these files on the grid, in order, a bounded part of them at a time."""
    days, hours = horizons(snapshot.flushed)
    step = f"greatest(step, CASE WHEN minute < {days} THEN {DAY} WHEN minute < {hours} THEN {HOUR} ELSE 1 END)"
    sums = ", ".join(f"sum({word})::BIGINT AS {word}" for word in SUMS)
    connection = duckdb.connect(":memory:", config={"threads": 1, "memory_limit": "1GB"})
    try:
        connection.execute("SET enable_progress_bar = false")
        rows = snapshot.scan(files)
        for condition in _parts(connection, rows):
            yield connection.sql(
                f"SELECT minute // {step} * {step} AS minute, {step} AS step, hop, source, reason, {sums} FROM {rows} "
                f"WHERE {condition} GROUP BY ALL ORDER BY source, hop, minute, reason"
            ).to_arrow_table().cast(STORED)
    except duckdb.Error as error:
        raise StoreError("accounts", f"they cannot be read ({str(error).splitlines()[0][:250]})") from error
    finally:
        connection.close()


def _parts(connection: duckdb.DuckDBPyConnection, rows: str) -> Iterator[str]:
    """Conditions that cut the rows into parts by their source."""
    found = connection.sql(f"SELECT source, count(*) FROM {rows} GROUP BY source ORDER BY source").fetchall()
    first, total = 0, 0
    for i, (_, n) in enumerate(found):
        if first < i and total + n > _ROWS:
            yield f"source BETWEEN {quoted(found[first][0])} AND {quoted(found[i - 1][0])}"
            first, total = i, 0
        total += n
    if found:
        yield f"source BETWEEN {quoted(found[first][0])} AND {quoted(found[-1][0])}"


def as_table(rows: Sequence[Sequence[Any]]) -> pa.Table:
    """Rows of the journal's `counts` (minute, 1, hop, source, reason, words) with the columns of the table."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(STORED)
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, STORED, strict=True)], schema=STORED)
