"""A Delta Lake table that is filled from the journal, compacted beside its writers, and read as Parquet files.

delta-rs opens the table and writes checkpoints. Data files and commits are written here: a commit that names the files
it takes away and those it puts in their place, and that is refused when one of them went meanwhile, is what lets a
compaction run beside a flush, and several writers beside each other. A flush commits its rows together with the id of
the last journal batch they came from (an application transaction), which is compared first.
Deletion vectors stay off, because readers open the Parquet files themselves.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
from deltalake import DeltaTable, Schema
from deltalake.exceptions import DeltaError

from loopwright.core.clock import wall_ns
from loopwright.core.errors import StoreError
from loopwright.store import compact, datafile
from loopwright.store.check import numbers
from loopwright.store.place import LOG, Place
from loopwright.store.snapshot import HIGHEST, LOWEST, Added, Layout, Snapshot, bounds
from loopwright.store.sql import quoted

APP = "loopwright-flush"  # under which a flush says how far it came
_FLUSH_LEVEL, _KEEP_LEVEL = 3, 6  # of zstd: what is flushed will be written anew, what is compacted is kept
_TRIES = 100
_SHARED_HOURS = 2  # so long every plant may take to commit a file that it has written


class Table:
    """One Delta table. `snapshot` is what readers use; it changes only when a commit of this process is whole."""

    def __init__(self, place: Place, layout: Layout, create: bool, writer: str = "") -> None:
        self.place, self.layout, self._writer = place, layout, writer
        self.schema = layout.shown
        self._guard = threading.RLock()  # around the snapshot and this process' commits
        self._compacting, self._hurry = threading.Lock(), threading.Event()  # somebody waits for the first
        with self._told("opened"):
            try:
                self._table = self._open(create)
            except DeltaError as error:
                if not (torn := place.torn()):
                    raise
                raise StoreError(
                    f"points {torn[0]}", f"the file cannot be read ({len(torn)} of this log)", "",
                    "open the plant once for writing, which sets aside the newest; an older one comes from a backup",
                ) from error
            self.snapshot = self._read()
        self._own = {self.snapshot.flushed} if create and place.shared else set()  # how far this process flushed
        self.tidied = 0 if create else self.snapshot.version  # version at the last upkeep

    def refresh(self) -> Snapshot:
        """The newest version, as other processes left it."""
        with self._guard, self._told("read"):
            self._table.update_incremental()
            if self._table.version() != self.snapshot.version:
                found = self._read()
                if self._own and found.flushed not in self._own:
                    raise StoreError(
                        f"points {self.place.uri}", "another process flushes under the id of this plant",
                        "one open folder for each plant", "close the copy of its folder that is open elsewhere",
                    )
                self.snapshot = found
            return self.snapshot

    def append(self, table: pa.Table, flushed: int) -> None:
        """Adds rows of journal batches above the snapshot's `flushed`, up to this one, sorted by the layout's order."""
        with self._told("written"):
            self._commit(self._write([table], _FLUSH_LEVEL), [], "WRITE", flushed)

    def compact(self, stop: Callable[[], bool] = lambda: False) -> bool:
        """Joins small files into sorted ones while that is worth it; whether there was anything to do.

        It holds up neither `append` nor readers, and begins anew after a crash. stop: asked now and then.
        """
        done = False

        def enough() -> bool:
            return stop() or self._hurry.is_set()

        with self._compacting, self._told("compacted"):
            while not enough() and (files := self.choose()):
                done = self._rewrite(self.snapshot, files, stop=enough) or done
            return done

    def checkpoint(self, keep_hours: int) -> None:
        """Writes a checkpoint, so that opening stays quick, and removes files unused for that many hours."""
        with self._told("tidied"):
            table = DeltaTable(self.place.uri, storage_options=self.place.options)  # so that nobody waits for it
            table.create_checkpoint()
            self.place.settle()  # before the entries that it sums up are removed
            table.cleanup_metadata()
            table.vacuum(retention_hours=keep_hours, dry_run=False, enforce_retention_duration=False, full=True)
            self.tidied = self.refresh().version

    def erase(self, things: list[str]) -> None:
        """Rewrites the files that hold rows of these things, and removes every older file."""
        gone = ", ".join(map(quoted, things))
        self._hurry.set()
        with self._compacting, self._told("erased from"):
            self._hurry.clear()
            for _ in range(_TRIES):
                snapshot = self.refresh()
                files = snapshot.between(None, None, things)
                if not files or self._rewrite(snapshot, files, f"thing NOT IN ({gone})"):
                    break
            if self.place.shared:  # a file that no commit names yet may be another plant's
                self.place.remove(file[len(self.place.uri) + 1:] for file in files)
            self.checkpoint(_SHARED_HOURS if self.place.shared else 0)

    def _rewrite(
        self, snapshot: Snapshot, files: list[str], where: str = "true", stop: Callable[[], bool] = lambda: False
    ) -> bool:
        """Puts the wanted rows of these files into new, sorted ones; False when others took one of them away."""

        def rows() -> Iterator[pa.Table]:
            for part in self._ordered(snapshot, files, where):
                if stop():
                    return
                yield part

        come = self._write(rows(), _KEEP_LEVEL)
        gone = [file[len(self.place.uri) + 1:] for file in files]
        if not stop() and self._commit(come, gone, "OPTIMIZE" if where == "true" else "DELETE"):
            return True
        there = set(self.refresh().names)
        self.place.remove([added.name for added in come if added.name not in there])
        return False

    def choose(self) -> list[str]:
        """The files to join next, none when that is not worth it."""
        return compact.choose(self.snapshot)

    def _ordered(self, snapshot: Snapshot, files: list[str], where: str) -> Iterator[pa.Table]:
        """The wanted rows of these files as they are to be kept, in parts."""
        return compact.in_order(snapshot, files, where)

    def _write(self, chunks: Iterable[pa.Table], level: int) -> list[Added]:
        return datafile.write(self.place, self.layout, chunks, self._writer or None, level)

    def _commit(self, come: Sequence[Added], gone: Sequence[str], verb: str, flushed: int | None = None) -> bool:
        """Makes the next version; False when a file of `gone` is gone already."""
        now_ms = wall_ns() // 1_000_000
        data = "\n".join(map(_text, self._actions(come, gone, verb, flushed, now_ms))).encode()
        self.refresh()  # a version that is long past may be free again: its entry was cleaned away
        for _ in range(_TRIES):
            with self._guard:
                snapshot = self.snapshot
                if gone and not set(gone) <= set(snapshot.names):
                    return False
                version = snapshot.version + 1
                if self._own and flushed is not None:
                    self._own = {snapshot.flushed, flushed}  # a commit whose answer is lost may stand
                if self.place.create(f"{LOG}/{version:020}.json", data):
                    newest = snapshot.flushed if flushed is None else flushed
                    self.snapshot = snapshot.grown(version, newest, come, gone)
                    return True
                self.refresh()
        raise StoreError(f"points {self.place.uri}", f"{_TRIES} other commits came first", "", "try again")

    def _actions(
        self, come: Sequence[Added], gone: Sequence[str], verb: str, flushed: int | None, now_ms: int
    ) -> Iterator[dict[str, Any]]:
        change = verb != "OPTIMIZE"
        yield {"commitInfo": {"timestamp": now_ms, "operation": verb, "engineInfo": "loopwright"}}
        if flushed is not None:
            yield {"txn": {"appId": self._app(), "version": flushed, "lastUpdated": now_ms}}
        for name in gone:
            yield {"remove": {"path": name, "deletionTimestamp": now_ms, "dataChange": change, "partitionValues": {}}}
        for added in come:
            statistics = {"numRecords": added.rows, "minValues": added.low, "maxValues": added.high, "nullCount": {}}
            yield {"add": {
                "path": added.name, "partitionValues": {}, "size": added.bytes, "modificationTime": now_ms,
                "dataChange": change, "stats": _text(statistics),
            }}

    def _app(self) -> str:
        return f"{APP}-{self._writer}" if self._writer else APP

    def _open(self, create: bool) -> DeltaTable:
        options, uri = self.place.options, self.place.uri
        if create:
            self.place.mend()
        if not DeltaTable.is_deltatable(uri, options):
            if not create:
                raise StoreError(f"points {uri}", "the table is not there", "", "open the plant once for writing")
            if not self.place.shared and (left := sum(1 for _ in self.place.folder().glob("*.parquet"))):
                raise StoreError(f"points {uri}", f"its _delta_log is gone, and {left:,} data files are there", "",
                                 "put the folder _delta_log back from a backup of the plant")
            try:
                return DeltaTable.create(
                    uri, schema=self.layout.stored, configuration=self.layout.settings, storage_options=options,
                )
            except DeltaError:
                if not DeltaTable.is_deltatable(uri, options):  # else another writer was quicker
                    raise
        table = DeltaTable(uri, storage_options=options)
        have = {field.name for field in table.schema().fields}
        new = [field for field in Schema.from_arrow(self.layout.stored).fields if field.name not in have]
        if new and create:
            table.alter.add_columns(new)
        return table

    def _read(self) -> Snapshot:
        table = self._table
        if "deletionVectors" in (table.protocol().reader_features or []):
            raise StoreError(
                f"points {self.place.uri}", "the table has deletion vectors", "none: our readers open its files",
                "rewrite it without them",
            )
        actions = pa.table(table.get_add_actions(flatten=True))
        low, high = {}, {}
        for name in self.layout.statistics:
            texts = pa.types.is_string(self.layout.stored.field(name).type)
            low[name] = bounds(_values(actions, f"min.{name}"), texts, LOWEST)
            high[name] = bounds(_values(actions, f"max.{name}"), texts, HIGHEST)
        rows, size = (numbers(actions.column(name), np.int64)[0] for name in ("num_records", "size_bytes"))
        names = actions.column("path").to_pylist()
        broken = self.place.broken(dict(zip(names, size.tolist(), strict=True)))
        return Snapshot(
            version=table.version(), flushed=table.transaction_version(self._app()) or 0,
            files=tuple(f"{self.place.uri}/{name}" for name in names),
            broken={f"{self.place.uri}/{name}": what for name, what in broken.items()}, writer=self._writer,
            rows=rows, bytes=size, low=low, high=high, place=self.place, layout=self.layout,
        )

    @contextmanager
    def _told(self, verb: str) -> Iterator[None]:
        try:
            yield
        except (DeltaError, OSError, pa.ArrowException) as error:
            raise StoreError(
                f"points {self.place.uri}", f"the table cannot be {verb} ({str(error).splitlines()[0][:200]})", "",
                "free the disk or mend its rights; the journal still holds what was not flushed",
            ) from error


def _text(action: Any) -> str:
    return json.dumps(action, ensure_ascii=False)  # delta-rs reads some escaped characters as others


def _values(actions: pa.Table, name: str) -> list[Any]:
    return actions.column(name).to_pylist() if name in actions.column_names else [None] * len(actions)
