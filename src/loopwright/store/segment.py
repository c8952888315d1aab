"""Many accepted samples as one small blob that can be sent as it is: Parquet with zstd, about 1.4 bytes a point.

    pack(table) -> bytes        points or blocks with known_ns and assumed, in the order in which they were numbered
    unpack(data) -> pa.Table    the same rows in the same order, bit for bit; InputError for bytes that are none

Things, signals and the two times stand in the order of the rows: whole instants repeat in them. Everything else is
sorted by thing and signal, because a signal is like itself a moment ago; the order is found again from things and
signals. A signal whose values are whole multiples of 10^-k is kept as whole numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from loopwright.core.errors import InputError
from loopwright.core.types import BLOCKS, POINTS

_MOST_DECIMALS = 6
_LEVEL = 3
_SHARED = 4  # times of which each is shared by that many rows are kept as a table of times
_ROWS = 1_000_000  # more than that in one segment is no segment of ours


def pack(table: pa.Table) -> bytes:
    """The rows as a blob.

    table  columns of POINTS or BLOCKS of `core.types`
    """
    if "values" in table.column_names:
        return _written(table, ["thing", "signal", "known_ns"], {"values.list.element": "BYTE_STREAM_SPLIT"})
    order = _order(table)
    value = table.column("value").combine_chunks()
    by_signal = {name: table.column(name).take(order) for name in ("n", "code", "quality", "assumed")}
    ordered = {"thing": table.column("thing"), "signal": table.column("signal"), "known_ns": table.column("known_ns")}
    shared = len(table.column("t_ns").unique()) * _SHARED < table.num_rows
    time = table.column("t_ns") if shared else table.column("t_ns").take(order)
    whole, scale, rest = _decimals(value.take(order), _signals(table)[order.to_numpy()])
    columns = ordered | {"time" if shared else "t_ns": time, "whole": whole, "scale": scale, "value": rest} | by_signal
    tables = ["thing", "signal", "known_ns", "scale", "n", "quality", *(["time"] if shared else [])]
    encodings = {"whole": "DELTA_BINARY_PACKED", "code": "DELTA_BINARY_PACKED", "value": "BYTE_STREAM_SPLIT"}
    return _written(pa.table(columns), tables, encodings if shared else {**encodings, "t_ns": "DELTA_BINARY_PACKED"})


def unpack(data: bytes) -> pa.Table:
    """The rows of a blob of `pack`, with the columns of POINTS or BLOCKS.

    Raises InputError for bytes that are no such blob: they may come from outside, or from a failing disk.
    """
    try:
        file = pq.ParquetFile(pa.py_buffer(data), memory_map=False)
        if (rows := claimed(file.metadata)) > _ROWS:
            raise InputError("segment", f"it says that it holds {rows:,} rows", f"{_ROWS:,}")
        kept = file.read(use_threads=False)
        kept.validate(full=True)
        if "values" in kept.column_names:
            return kept.select(BLOCKS.names).cast(BLOCKS)
        order = _order(kept)
        back = np.empty(kept.num_rows, np.int64)
        back[order.to_numpy()] = np.arange(kept.num_rows)
        columns = {name: kept.column(name) for name in ("thing", "signal", "known_ns")}
        columns |= {name: kept.column(name).take(back) for name in ("n", "code", "quality", "assumed")}
        shared = "time" in kept.column_names
        columns["t_ns"] = kept.column("time") if shared else kept.column("t_ns").take(back)
        columns["value"] = _values(kept).take(back)
        return pa.table([columns[field.name].cast(field.type) for field in POINTS], schema=POINTS)
    except (pa.ArrowException, OSError, ValueError, KeyError, IndexError, MemoryError) as error:
        raise InputError("segment", f"it cannot be read ({type(error).__name__})") from None


def claimed(metadata: Any) -> int:
    """How many rows a Parquet file says it has, by its footer or by its parts.

    A reader makes room for as many before it looks whether they are there.
    """
    parts = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
    return int(max([metadata.num_rows, *map(abs, parts), abs(sum(parts))]))


def _signals(table: pa.Table) -> Any:
    """(rows,) a number for each thing and signal, by their first appearance."""
    codes = []
    for name in ("thing", "signal"):
        coded = table.column(name).combine_chunks().dictionary_encode()
        indices = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        codes.append((indices.astype(np.int64), len(coded.dictionary)))
    (thing, things), (signal, signals) = codes
    number = thing * max(1, signals) + signal
    return number.astype(np.int16) if things * signals < 2**15 else number  # radix sort


def _order(table: pa.Table) -> pa.Array:
    return pa.array(np.argsort(_signals(table), kind="stable"))


def _decimals(value: pa.Array, signal: Any) -> tuple[pa.Array, pa.Array, pa.Array]:
    """Values sorted by signal as whole * 10^-scale where all values of a signal are, bit for bit; else as they are.

    returns  whole (rows,) int64, null where value has it; scale (rows,) int8, -1 there; value (rows,) float64
    """
    given = value.is_valid().to_numpy(zero_copy_only=False)
    number = value.fill_null(0.0).to_numpy(zero_copy_only=False)
    bits = number.view(np.int64)
    starts = np.flatnonzero(np.append(True, signal[1:] != signal[:-1])) if len(signal) else np.zeros(0, np.int64)
    lengths = np.diff(np.append(starts, len(signal)))
    whole, scale = np.zeros(len(number), np.int64), np.full(len(starts), -1, np.int8)
    for decimals in range(_MOST_DECIMALS + 1):
        if not (open_ := np.repeat(scale < 0, lengths)).any():
            break
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = np.round(number * 10.0**decimals)
            fits = np.abs(scaled) < 2.0**53
            as_int = np.where(fits, scaled, 0.0).astype(np.int64)
        exact = fits & ((as_int / 10.0**decimals).view(np.int64) == bits)
        good = np.logical_and.reduceat(exact, starts) & (scale < 0)
        whole = np.where(open_ & np.repeat(good, lengths), as_int, whole)
        scale[good] = decimals
    rows = np.repeat(scale, lengths)
    return (
        pa.array(whole, mask=~given | (rows < 0)), pa.array(rows), pa.array(number, mask=~given | (rows >= 0)),
    )


def _values(kept: pa.Table) -> pa.Array:
    """Values in the order of the signals."""
    whole, rest = kept.column("whole").combine_chunks(), kept.column("value").combine_chunks()
    scale = kept.column("scale").fill_null(-1).to_numpy()
    number = whole.fill_null(0).to_numpy(zero_copy_only=False) / 10.0 ** np.clip(scale, 0, _MOST_DECIMALS)
    plain = rest.fill_null(0.0).to_numpy(zero_copy_only=False)
    there = np.where(scale >= 0, whole.is_valid().to_numpy(False), rest.is_valid().to_numpy(False))
    return pa.array(np.where(scale >= 0, number, plain), mask=~there)


def _written(table: pa.Table, as_table: list[str], encodings: dict[str, str]) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(
        table.combine_chunks(), sink, compression="zstd", compression_level=_LEVEL, use_dictionary=as_table,
        column_encoding=encodings, write_statistics=False, store_schema=False, row_group_size=_ROWS,
    )
    return bytes(sink.getvalue())
