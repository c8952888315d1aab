"""Parquet files of a Delta table: written row group by row group, with the statistics that the log wants."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from loopwright.store.check import numbers
from loopwright.store.place import Place
from loopwright.store.snapshot import OWN, Added, Layout, shortened

ROW_GROUP = 65_536  # small enough that one series of a sorted file is a few row groups
TARGET_BYTES = 128_000_000
# type -> how it is encoded when a larger share than this of its values differ; a dictionary pays below
_INSTEAD = {
    pa.float64(): ("BYTE_STREAM_SPLIT", 0.5), pa.float32(): ("BYTE_STREAM_SPLIT", 0.5),
    pa.int64(): ("DELTA_BINARY_PACKED", 0.3),
}


def write(place: Place, layout: Layout, chunks: Iterable[pa.Table], writer: str | None, level: int) -> list[Added]:
    """Writes chunks, sorted as a whole, to files of up to 128 MB; each is durable when this returns.

    chunks  with the columns that are shown, and `writer` where rows of several plants stand in them
    writer  whose rows they are otherwise
    level   of zstd: higher is smaller and slower
    """
    done: list[Added] = []
    file: DataFile | None = None
    try:
        for chunk in chunks:
            if chunk.num_rows:
                stored = _stored(chunk, layout, writer)
                file = file or DataFile(place, layout, level, stored)
                file.add(stored)
                if file.bytes >= TARGET_BYTES:
                    done.append(file.close())
                    file = None
        if file:
            done.append(file.close())
            file = None
    except BaseException:
        if file:
            file.drop()
        place.remove([added.name for added in done])
        raise
    return done


def _stored(chunk: pa.Table, layout: Layout, writer: str | None) -> pa.Table:
    if "writer" in layout.stored.names and "writer" not in chunk.column_names:
        chunk = chunk.append_column("writer", pa.repeat(pa.scalar(writer, pa.string()), chunk.num_rows))
    return layout.encode(chunk).select(layout.stored.names).cast(layout.stored)


class DataFile:
    """A Parquet file in the making; by its first rows it is decided how its columns are encoded."""

    def __init__(self, place: Place, layout: Layout, level: int, first: pa.Table) -> None:
        self._place, self._layout = place, layout
        self.name = f"{OWN}{uuid.uuid4().hex}.parquet"
        self._low: dict[str, Any] = {}
        self._high: dict[str, Any] = {}
        self._rows = 0
        self._path = place.draft(self.name)
        self._sink = self._path.open("wb")
        packed = dict(_varied(first)) | dict(layout.packed)
        plain = [name for name in map(_leaf, layout.stored) if name not in packed]
        self._writer = pq.ParquetWriter(
            self._sink, layout.stored, compression="zstd", compression_level=level, use_dictionary=plain,
            column_encoding=packed or None, write_statistics=True,
        )

    @property
    def bytes(self) -> int:
        """What is written so far."""
        return self._sink.tell()

    def add(self, table: pa.Table) -> None:
        """Adds rows with the stored columns."""
        for group in _groups(table):
            self._writer.write_table(group, ROW_GROUP)
        self._rows += table.num_rows
        for name in self._layout.statistics:
            _widen(self._low, self._high, name, table.column(name))

    def close(self) -> Added:
        """Ends the file and puts it where readers find it."""
        self._writer.close()
        size = self._sink.tell()
        self._sink.close()
        self._place.publish(self.name)
        return Added(self.name, self._rows, size, self._low, self._high)

    def drop(self) -> None:
        """Gives the file up."""
        self._sink.close()
        self._path.unlink(missing_ok=True)


def _groups(table: pa.Table) -> Iterator[pa.Table]:
    """The rows in row groups: of blocks, so many rows as hold about as many samples."""
    if "samples" not in table.column_names:
        yield table
        return
    group = np.cumsum(numbers(table.column("samples"), np.int64)[0]) // (4 * ROW_GROUP)
    cuts = [0, *(np.flatnonzero(np.diff(group)) + 1).tolist(), table.num_rows]
    for begin, end in pairwise(cuts):
        yield table.slice(begin, end - begin)


def _varied(table: pa.Table) -> Iterator[tuple[str, str]]:
    """Columns of numbers that seldom repeat, so that a dictionary would be larger than they are, and their encoding."""
    for field in table.schema:
        inner = field.type.value_type if pa.types.is_list(field.type) else field.type
        if inner in _INSTEAD:
            column = table.column(field.name).drop_null().slice(0, ROW_GROUP)
            values = (pc.list_flatten(column) if inner is not field.type else column).slice(0, ROW_GROUP)
            encoding, share = _INSTEAD[inner]
            if pc.count_distinct(values).as_py() > share * len(values) > 0:
                yield _leaf(field), encoding


def _leaf(field: pa.Field) -> str:
    return f"{field.name}.list.element" if pa.types.is_list(field.type) else field.name


def _widen(low: dict[str, Any], high: dict[str, Any], name: str, column: pa.ChunkedArray) -> None:
    if name == "writer":
        column = column.fill_null("")  # so that it can be seen in the log that rows of nobody stand beside others
    found = pc.min_max(column).as_py()
    least, most = found["min"], found["max"]
    if least is None:
        return
    if isinstance(least, str):
        least, most = shortened(least, False), shortened(most, True)
    low[name] = min(low.get(name, least), least)
    high[name] = max(high.get(name, most), most)
