"""A piece: samples that wait in a buffer, and travel, together.

    Piece      numbered runs of some streams, and their rows as bytes: an Arrow stream as it was accepted (quick to
               write), or a segment (small)
    joined     many small pieces as one segment
    unpacked, cut   the rows of each run again; bytes from outside cannot crash us
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loopwright.core.errors import InputError
from loopwright.core.types import BLOCKS, POINTS
from loopwright.store import segment

IPC, PARQUET = "ipc", "parquet"  # forms of a piece
FULL, HALF = 50_000, 25_000  # samples of a full segment, and from when on it is left alone
OVERHEAD = 100  # bytes of a row beside its data
_IPC = pa.ipc.IpcWriteOptions(compression="lz4")
_DICTIONARY = pa.dictionary(pa.int32(), pa.string())


Statement = tuple[str, Sequence[Any]]


@dataclass(frozen=True)
class Run:
    """Samples first .. first + samples - 1 of a stream."""

    stream: int
    first: int
    samples: int

    @property
    def stop(self) -> int:
        """The number behind its last."""
        return self.first + self.samples


@dataclass(frozen=True)
class Piece:
    """Samples that travel together: the rows of `runs`, one after another. ids: the rows of the queue it holds."""

    ids: tuple[int, ...]
    form: str
    blocks: bool
    samples: int
    runs: tuple[Run, ...]
    data: bytes

    @property
    def size(self) -> int:
        """Bytes it takes in the buffer."""
        return len(self.data) + OVERHEAD + 40 * len(self.runs)

    def insert(self) -> list[Statement]:
        """The statements that write it, under its first id."""
        number = self.ids[0]
        runs = json.dumps([[run.stream, run.first, run.samples] for run in self.runs], separators=(",", ":"))
        row = (number, self.samples, self.size, self.form, self.blocks, zlib.crc32(self.data), runs, self.data)
        return [("INSERT INTO queue VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row), *named(number, self.runs)]


def named(number: int, runs: Iterable[Run]) -> list[Statement]:
    """The statements that say, apart from the row itself, whose samples a row of the queue holds."""
    sql = "INSERT OR REPLACE INTO queue_runs VALUES (?, ?, ?, ?, ?)"
    return [(sql, (number, place, run.stream, run.first, run.samples)) for place, run in enumerate(runs)]


def delete(ids: Iterable[int]) -> list[Statement]:
    """The statements that delete rows of the queue."""
    return [(f"DELETE FROM {table} WHERE id = ?", [i]) for i in ids for table in ("queue", "queue_runs")]


def packed(table: pa.Table) -> bytes:
    """Rows as they are accepted: an Arrow stream, lz4, things and signals dictionary-coded; quick to write."""
    coded = [
        c.cast(_DICTIONARY) if f.name in ("thing", "signal") else c
        for f, c in zip(table.schema, table.columns, strict=True)
    ]
    whole = pa.table(coded, names=table.column_names).combine_chunks()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, whole.schema, options=_IPC) as writer:
        writer.write_table(whole)
    return bytes(sink.getvalue())


def unpacked(form: str, data: bytes) -> pa.Table:
    """The rows of a piece with the columns of POINTS or BLOCKS; InputError for bytes that are none."""
    if form == PARQUET:
        return segment.unpack(data)
    try:
        table = pa.ipc.open_stream(pa.py_buffer(data)).read_all()
        table.validate(full=True)
        schema = BLOCKS if "values" in table.column_names else POINTS
        return table.select(schema.names).cast(schema)
    except (pa.ArrowException, OSError, ValueError, KeyError, MemoryError) as error:
        raise InputError("piece", f"it cannot be read ({type(error).__name__})") from None


def samples_of(table: pa.Table) -> int:
    """Numbers in it; of a block every value."""
    if "values" not in table.column_names:
        return int(table.num_rows)
    return sum(len(chunk.flatten()) for chunk in table.column("values").chunks)


def cut(table: pa.Table, runs: Iterable[Run]) -> Iterator[pa.Table]:
    """The rows of each run. Raises InputError when the rows are not those of the runs."""
    left = table
    for run in runs:
        rows = run.samples if "values" not in table.column_names else _rows_with(left, run.samples)
        part = left.slice(0, rows)
        if samples_of(part) != run.samples:
            raise InputError("piece", f"it does not hold the {run.samples} samples it names")
        yield part
        left = left.slice(rows)
    if left.num_rows:
        raise InputError("piece", f"it holds {left.num_rows} rows that it does not name")


def slices(table: pa.Table, most: int = FULL) -> Iterator[pa.Table]:
    """The table in pieces of about that many samples; a block stays whole."""
    if "values" not in table.column_names:
        yield from (table.slice(start, most) for start in range(0, table.num_rows, most))
        return
    while table.num_rows:
        rows = max(1, _rows_with(table, most))
        yield table.slice(0, rows)
        table = table.slice(rows)


def _rows_with(table: pa.Table, samples: int) -> int:
    """How many rows from the first on hold at most that many samples."""
    ends = np.cumsum(pc.list_value_length(table.column("values")).to_numpy())
    return int(np.searchsorted(ends, samples, side="right"))


def joined(pieces: list[Piece]) -> list[Piece]:
    """The pieces as at most two (points, blocks), each a segment sorted by stream; the order within a stream stays."""
    out = []
    for blocks in (False, True):
        mine = [piece for piece in pieces if piece.blocks == blocks]
        if not mine:
            continue
        parts: dict[int, list[tuple[Run, pa.Table]]] = {}
        for piece in mine:
            for run, rows in zip(piece.runs, cut(unpacked(piece.form, piece.data), piece.runs), strict=True):
                parts.setdefault(run.stream, []).append((run, rows))
        together = [pair for stream in sorted(parts) for pair in parts[stream]]
        runs: list[Run] = []
        for run, _ in together:
            if runs and runs[-1].stream == run.stream and runs[-1].stop == run.first:
                runs[-1] = Run(run.stream, runs[-1].first, runs[-1].samples + run.samples)
            else:
                runs.append(run)
        data = segment.pack(pa.concat_tables([rows for _, rows in together]))
        ids = tuple(i for piece in mine for i in piece.ids)
        out.append(Piece(ids, PARQUET, blocks, sum(piece.samples for piece in mine), tuple(runs), data))
    return out
