"""The points: two Delta Lake tables, `points` and `blocks`, filled from the journal and read as Parquet files.

A flush commits its rows together with the id of the last journal batch they came from (a Delta application
transaction). delta-rs accepts a replayed transaction, so the id is compared first; this process is the only writer.
Deletion vectors stay off, because readers open the snapshot's Parquet files themselves.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from deltalake import ColumnProperties, CommitProperties, DeltaTable, Transaction, WriterProperties, write_deltalake
from deltalake.exceptions import DeltaError

from loopwright.core.errors import StoreError
from loopwright.core.types import BLOCKS, POINTS
from loopwright.store.check import numbers

# beside what readers see: the journal batch a row came with, its source, its correction event, its samples
_INNER = [("batch", pa.int64()), ("source", pa.string()), ("correction", pa.string())]
STORED_POINTS = pa.schema([*POINTS, *_INNER])
STORED_BLOCKS = pa.schema([*BLOCKS, ("n", pa.int32()), ("samples", pa.int32()), *_INNER])
_APP = "loopwright-flush"
_ROW_GROUP = 65_536  # small enough that one series of a sorted file is a few row groups
_SORTED_BYTES, _TARGET_BYTES = 8_000_000, 128_000_000
_FILES = 8  # so many files are worth joining
_NEVER = np.iinfo(np.int64).max
SortedRows = Callable[[list[str], int, pa.Schema], AbstractContextManager[pa.RecordBatchReader]]
_SETTINGS = {
    "delta.enableDeletionVectors": "false", "delta.dataSkippingStatsColumns": "thing,signal,t_ns,batch",
    "delta.checkpointInterval": "100", "delta.logRetentionDuration": "interval 1 hours",
}
_WRITER = WriterProperties(
    max_row_group_size=_ROW_GROUP, compression="ZSTD", compression_level=3,
    column_properties={"t_ns": ColumnProperties(dictionary_enabled=False, encoding="DELTA_BINARY_PACKED")},
)


@dataclass(frozen=True)
class Snapshot:
    """One version of a table.

    flushed  the last journal batch in it
    files    its Parquet files; rows, bytes, t_min, t_max, batch_min, batch_max (files,) are their statistics
    """

    version: int
    flushed: int
    files: tuple[str, ...]
    rows: Any
    bytes: Any
    t_min: Any
    t_max: Any
    batch_min: Any
    batch_max: Any

    def between(self, start_ns: int | None, end_ns: int | None) -> list[str]:
        """Files that may hold rows with start_ns <= t_ns < end_ns."""
        wanted = np.ones(len(self.files), bool)
        if start_ns is not None:
            wanted &= self.t_max >= start_ns
        if end_ns is not None:
            wanted &= self.t_min < end_ns
        return [self.files[i] for i in np.flatnonzero(wanted)]

    def since(self, batch: int) -> list[str]:
        """Files that may hold rows of journal batches above `batch`."""
        return [self.files[i] for i in np.flatnonzero(self.batch_max > batch)]


class PointsTable:
    """One Delta table. `snapshot` is what readers use; it changes only when a commit of this process is whole."""

    def __init__(self, folder: Path, blocks: bool, create: bool) -> None:
        self.folder, self.blocks = folder, blocks
        self.schema = STORED_BLOCKS if blocks else STORED_POINTS
        try:
            if DeltaTable.is_deltatable(str(folder)):
                self._table = DeltaTable(str(folder))
            elif create:
                self._table = DeltaTable.create(str(folder), schema=self.schema, configuration=_SETTINGS)
            else:
                raise StoreError(f"points {folder}", "the table is not there", "", "open the plant once for writing")
        except (DeltaError, OSError) as error:
            raise self._broken("opened", error) from error
        self.snapshot = self._snapshot()
        self.tidied = 0 if create else self.snapshot.version  # version at the last upkeep

    def refresh(self) -> Snapshot:
        """The newest version, as other processes left it."""
        try:
            self._table.update_incremental()
        except (DeltaError, OSError) as error:
            raise self._broken("read", error) from error
        self.snapshot = self._snapshot()
        return self.snapshot

    def append(self, table: pa.Table, flushed: int) -> None:
        """Adds rows of journal batches above the snapshot's `flushed`, up to this one."""
        commit = CommitProperties(app_transactions=[Transaction(_APP, flushed)])
        before = set(self.snapshot.files)
        try:
            write_deltalake(self._table, table, mode="append", writer_properties=_WRITER, commit_properties=commit)
            self._settle(before)
        except (DeltaError, OSError) as error:
            raise self._broken("written", error) from error

    def compact(self, sorted_rows: SortedRows) -> bool:
        """Joins small files, so that no row is written anew more than a few times; whether there was anything to do.

        The newest files become one sorted file as soon as they are many, together with older ones while these are not
        larger: as digits carry in a counter. Sorted files of some size are then laid one after another up to 128 MB.
        """
        first = self._run_to_sort()
        before = set(self.snapshot.files)
        try:
            if first is not None:
                newer = f"batch >= {first}"
                with sorted_rows(self.snapshot.since(first - 1), first, self.schema) as rows:
                    write_deltalake(self._table, rows, mode="overwrite", predicate=newer, writer_properties=_WRITER)
                self._settle(before)
                before = set(self.snapshot.files)
            size = self.snapshot.bytes
            join = ((size >= _SORTED_BYTES // 2) & (size < _TARGET_BYTES // 2)).sum() >= _FILES
            if join:
                self._table.optimize.compact(target_size=_TARGET_BYTES, writer_properties=_WRITER)
                self._settle(before)
            return first is not None or bool(join)
        except (DeltaError, OSError) as error:
            raise self._broken("compacted", error) from error

    def checkpoint(self, keep_hours: int) -> None:
        """Writes a checkpoint, so that opening stays quick, and removes files unused for that many hours."""
        try:
            self._table.create_checkpoint()
            self._table.cleanup_metadata()
            self._table.vacuum(retention_hours=keep_hours, dry_run=False, enforce_retention_duration=False)
            self._table.update_incremental()
        except (DeltaError, OSError) as error:
            raise self._broken("tidied", error) from error
        self.tidied = self.snapshot.version

    def erase(self, things: list[str]) -> None:
        """Rewrites the table without the rows of these things and removes every older file."""
        before = set(self.snapshot.files)
        names = ", ".join("'" + thing.replace("'", "''") + "'" for thing in things)
        try:
            self._table.delete(f"thing IN ({names})", writer_properties=_WRITER)
            self._settle(before)
            self.checkpoint(0)
        except (DeltaError, OSError) as error:
            raise self._broken("erased from", error) from error

    def _run_to_sort(self) -> int | None:
        """The lowest batch of the newest files that are worth joining into one sorted file, None: not now."""
        size, lowest = self.snapshot.bytes, self.snapshot.batch_min
        total = taken = 0
        first = None
        for i in np.argsort(-lowest, kind="stable"):
            if size[i] > max(total, _SORTED_BYTES // 8) or total + size[i] > 2 * _SORTED_BYTES:
                break
            total, taken, first = total + int(size[i]), taken + 1, int(lowest[i])
        return first if taken >= _FILES else None

    def _settle(self, before: set[str]) -> None:
        new = self._snapshot()
        log = self.folder / "_delta_log"
        durable([*(Path(f) for f in new.files if f not in before), log / f"{new.version:020}.json", self.folder, log])
        self.snapshot = new

    def _snapshot(self) -> Snapshot:
        if "deletionVectors" in (self._table.protocol().reader_features or []):
            raise StoreError(
                f"points {self.folder}", "the table has deletion vectors", "none: our readers open its files",
                "rewrite it without them",
            )
        actions = pa.table(self._table.get_add_actions(flatten=True))

        def statistic(name: str, missing: int) -> Any:
            if name not in actions.column_names:
                return np.full(len(actions), missing, np.int64)
            return numbers(actions.column(name).fill_null(missing), np.int64)[0]

        return Snapshot(
            version=self._table.version(), flushed=self._table.transaction_version(_APP) or 0,
            files=tuple(str(self.folder / path) for path in actions.column("path").to_pylist()),
            rows=statistic("num_records", 0), bytes=statistic("size_bytes", 0), t_min=statistic("min.t_ns", -_NEVER),
            t_max=statistic("max.t_ns", _NEVER), batch_min=statistic("min.batch", 0),
            batch_max=statistic("max.batch", _NEVER),
        )

    def _broken(self, verb: str, error: Exception) -> StoreError:
        return StoreError(
            f"points {self.folder}", f"the table cannot be {verb} ({str(error).splitlines()[0][:200]})", "",
            "free the disk or mend its rights; the journal still holds what was not flushed",
        )


def durable(paths: list[Path]) -> None:
    """Waits until these files and folders stand on the disk: delta-rs leaves that to the system."""
    for path in paths:
        if path.exists():
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
