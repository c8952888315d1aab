"""The points: two Delta Lake tables, `points` (a row a value) and `blocks` (a row a run of samples).

What readers see and what stands in the files differ, so that little stands in them (docs/decisions/0012). A reader from
outside writes `coalesce(value, digits / divisor)` and `coalesce(known_ns, batch)`; of blocks, each of
`coalesce("values", digits / divisor)` as a float32.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loopwright.core.types import BLOCKS, POINTS
from loopwright.store import pack
from loopwright.store.check import numbers
from loopwright.store.delta import Table
from loopwright.store.place import LocalPlace, Place
from loopwright.store.snapshot import Layout, Snapshot

__all__ = ["STORED_BLOCKS", "STORED_POINTS", "PointsTable", "Snapshot"]

# beside what readers see: the journal batch a row came with, its source, its correction event, its samples
_INNER = [("batch", pa.int64()), ("source", pa.string()), ("correction", pa.string())]
STORED_POINTS = pa.schema([*POINTS, *_INNER])
STORED_BLOCKS = pa.schema([*BLOCKS, ("n", pa.int32()), ("samples", pa.int32()), *_INNER])
_WRITER = [("divisor", pa.float64()), ("writer", pa.string())]
_SUMMED = [("vmin", pa.float32()), ("vmax", pa.float32()), ("vsum", pa.float64()), ("vlast", pa.float32())]
_STATISTICS = ("thing", "signal", "t_ns", "batch", "writer")
_DELTA = "DELTA_BINARY_PACKED"


def packed_points(table: pa.Table) -> pa.Table:
    """Rows of STORED_POINTS, sorted by thing and signal, as they stand in the files."""
    value, given = numbers(table.column("value"), np.float64)
    digits, divisor = pack.decimals(np.where(given, value, np.nan), _series(table))
    whole = divisor > 0
    columns = _with(table, {
        "value": pa.array(value, mask=whole | ~given), "digits": pa.array(digits, mask=~whole),
        "divisor": pa.array(divisor, mask=~whole),
    })
    return _known(columns)


def packed_blocks(table: pa.Table) -> pa.Table:
    """Rows of STORED_BLOCKS as they stand in the files, with what a chart needs of their samples."""
    values = pa.concat_arrays(table.column("values").chunks) if table.num_rows else pa.array([], pa.list_(pa.float32()))
    sizes = np.diff(values.offsets.to_numpy()).astype(np.int64)
    flat, some = values.flatten().to_numpy(), sizes > 0
    starts = (np.cumsum(sizes) - sizes)[some]
    digits, divisor = np.zeros(0, np.int32), np.zeros(len(sizes))
    digits, divisor[some] = pack.counts(flat, starts)
    whole = divisor > 0
    return _known(_with(table, {
        "values": _lists(flat, sizes, ~whole), "digits": _lists(digits, sizes, whole),
        "divisor": pa.array(divisor, mask=~whole), **_summed(flat, starts, some),
    }))


def _lists(flat: Any, sizes: Any, kept: Any) -> pa.ListArray:
    """The lists that are kept; null for the others."""
    ends = np.cumsum(np.where(kept, sizes, 0))
    offsets = pa.array(np.append(0, ends).astype(np.int32))
    return pa.ListArray.from_arrays(offsets, pa.array(flat[np.repeat(kept, sizes)]), mask=pa.array(~kept))


def _summed(flat: Any, starts: Any, some: Any) -> dict[str, pa.Array]:
    """vmin, vmax, vsum, vlast of each block; null where it has no samples."""
    def column(found: Any) -> pa.Array:
        rows = np.zeros(len(some), found.dtype)
        rows[some] = found
        return pa.array(rows, mask=~some)

    if not len(starts):
        return {name: pa.nulls(len(some), kind) for name, kind in _SUMMED}
    return {
        "vmin": column(np.minimum.reduceat(flat, starts)), "vmax": column(np.maximum.reduceat(flat, starts)),
        "vsum": column(np.add.reduceat(flat.astype(np.float64), starts)),
        "vlast": column(flat[np.append(starts[1:], len(flat)) - 1]),
    }


def _series(table: pa.Table) -> Any:
    """(series,) the rows with which a series begins: those whose thing or signal is not that of the row before."""
    begins = np.ones(table.num_rows, bool)
    begins[1:] = False
    for name in ("thing", "signal"):
        column = table.column(name).combine_chunks()
        begins[1:] |= pc.not_equal(column[1:], column[:-1]).to_numpy(zero_copy_only=False)
    return np.flatnonzero(begins)


def _with(table: pa.Table, columns: dict[str, Any]) -> pa.Table:
    kept = {name: table.column(name) for name in table.column_names}
    return pa.table(kept | columns)


def _known(table: pa.Table) -> pa.Table:
    """known_ns stands only where it is not the batch's own."""
    known, batch = table.column("known_ns"), table.column("batch")
    stated = pc.if_else(pc.equal(known, batch), pa.scalar(None, pa.int64()), known)
    return table.set_column(table.schema.get_field_index("known_ns"), "known_ns", stated)


_KNOWN = {"known_ns": "coalesce(known_ns, batch)"}
_LAYOUTS = (
    Layout(
        STORED_POINTS, pa.schema([*STORED_POINTS, ("digits", pa.int64()), *_WRITER]), encode=packed_points,
        statistics=_STATISTICS,
        decoded={"value": "coalesce(value, digits / divisor)", **_KNOWN},
        packed={"t_ns": _DELTA, "digits": _DELTA, "code": _DELTA},
    ),
    Layout(
        STORED_BLOCKS, pa.schema([*STORED_BLOCKS, ("digits", pa.list_(pa.int32())), *_WRITER, *_SUMMED]),
        encode=packed_blocks, statistics=_STATISTICS, packed={"t_ns": _DELTA, "digits.list.element": _DELTA},
        decoded={"values": 'coalesce("values", list_transform(digits, lambda x: (x / divisor)::FLOAT))', **_KNOWN},
    ),
)


class PointsTable(Table):
    """One of the two; `folder` is where it stands, or where it is read from.

    writer  the plant that writes, where several may: its id stands in its rows
    """

    def __init__(self, place: Path | Place, blocks: bool, create: bool, writer: str = "") -> None:
        place = LocalPlace(place) if isinstance(place, Path) else place
        super().__init__(place, _LAYOUTS[blocks], create, writer)
        self.folder, self.blocks = place.folder(), blocks
