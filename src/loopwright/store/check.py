"""Whether a value may be stored: every row of a batch against its declared signal, in whole columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loopwright.core.errors import InputError
from loopwright.core.types import BLOCKS_IN, POINTS_IN, Batch
from loopwright.store.catalogue import GAUGE, STATE, UNKNOWN_SIGNAL, UNKNOWN_THING, Catalogue, Ints

# in the order in which they are looked for; the number is the reason's code, 0 is good
REASONS = [
    "",
    "unknown thing",
    "unknown signal",
    "wrong type",
    "not a number",
    "unknown code",
    "out of range",
    "unknown quality",
]
_DEFAULTS = {"n": 0, "quality": 0}


def shaped(batch: Batch) -> pa.Table:
    """The batch's table with exactly the columns of POINTS_IN or BLOCKS_IN; missing n and quality are 0.

    Raises InputError when a column is missing, unknown or of a type that cannot be that column's.
    """
    schema = BLOCKS_IN if batch.blocks else POINTS_IN
    where = f"batch of {batch.source!r}"
    table = batch.table
    if table.schema == schema:
        return table
    extra = [name for name in table.column_names if name not in schema.names]
    if extra:
        raise InputError(where, f"columns {extra} are not known", ", ".join(schema.names))
    columns = []
    for column in schema:
        if column.name in table.column_names:
            try:
                columns.append(table.column(column.name).cast(column.type))
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                raise InputError(
                    where, f"column {column.name!r} is {table.column(column.name).type}", str(column.type)
                ) from error
        elif column.name in ("thing", "signal", "t_ns", "dt_ns", "values"):
            raise InputError(where, f"column {column.name!r} is missing", ", ".join(schema.names))
        else:
            columns.append(pa.array([_DEFAULTS.get(column.name)] * table.num_rows, column.type))
    return pa.table(columns, schema=schema)


def points(table: pa.Table, slot: Ints, definition: Ints, catalogue: Catalogue) -> Any:
    """(rows,) int8: 0 where the row may be stored, else the index of the reason in REASONS.

    Gauges need `value`, counters and states `code`; a null of both is a gap that the source reported and may be stored.
    """
    value, has_value = numbers(table.column("value"), np.float64)
    code, has_code = numbers(table.column("code"), np.int64)
    column, gauge = catalogue.column[definition], catalogue.column[definition] == GAUGE
    wrong = catalogue.fast[definition] | np.where(gauge, has_code, has_value)
    number = np.where(gauge, value, code.astype(np.float64))
    given = np.where(gauge, has_value, has_code)
    with np.errstate(invalid="ignore"):
        outside = given & ((number < catalogue.low[definition]) | (number > catalogue.high[definition]))
    return _first(slot, [
        wrong, has_value & ~np.isfinite(value), has_code & (column == STATE) & ~catalogue.knows_code(definition, code),
        outside, bad_quality(table),
    ])


def blocks(table: pa.Table, slot: Ints, definition: Ints, catalogue: Catalogue) -> Any:
    """(rows,) int8 as `points` gives it. One bad number refuses its whole block: a hole would shift the rest."""
    flat, _, lengths = lists(table.column("values"))
    row = np.repeat(np.arange(len(lengths)), lengths)
    bad = np.bincount(row[~np.isfinite(flat)], minlength=len(lengths)) > 0
    with np.errstate(invalid="ignore"):
        beyond = (flat < catalogue.low[definition][row]) | (flat > catalogue.high[definition][row])
    outside = np.bincount(row[beyond], minlength=len(lengths)) > 0
    step, has_step = numbers(table.column("dt_ns"), np.int64)
    has_time = pc.is_valid(table.column("t_ns")).to_numpy()
    wrong = ~catalogue.fast[definition] | (lengths % catalogue.width[definition] != 0) | (lengths == 0)
    wrong |= ~has_step | (step <= 0) | ~has_time
    return _first(slot, [wrong, bad, np.zeros(len(lengths), bool), outside, bad_quality(table)])


def bad_quality(table: pa.Table) -> Any:
    """(rows,) bool: quality is not one of 0, 1, 2."""
    quality, given = numbers(table.column("quality"), np.int64)
    return ~given | (quality < 0) | (quality > 2)


def numbers(column: pa.ChunkedArray, dtype: Any) -> tuple[Any, Any]:
    """(values with 0 where null, whether there is one), each (rows,)."""
    if not column.null_count:
        return column.to_numpy().astype(dtype, copy=False), np.ones(len(column), bool)
    return pc.fill_null(column, 0).to_numpy().astype(dtype, copy=False), pc.is_valid(column).to_numpy()


def lists(column: pa.ChunkedArray) -> tuple[Any, Ints, Ints]:
    """(all numbers one after another float64, start of each row's, length of each row's) of a list column."""
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0) if array.num_chunks else pa.array([], column.type)
    lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    flat = array.flatten().to_numpy(zero_copy_only=False).astype(np.float64)
    return flat, np.concatenate(([0], np.cumsum(lengths)[:-1])).astype(np.int64) if len(lengths) else lengths, lengths


def _first(slot: Ints, conditions: list[Any]) -> Any:
    return np.select(
        [slot == UNKNOWN_THING, slot == UNKNOWN_SIGNAL, *conditions], list(range(1, len(REASONS))), default=0,
    ).astype(np.int8)
