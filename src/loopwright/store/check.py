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
    "time out of range",
    "n out of range",
    "block too long",
]
# 1800-01-01 to 2200-01-01: far from what int64 ns can say (1677 to 2262), so that no sum of times runs over
FIRST_NS, LAST_NS = -5_364_662_400_000_000_000, 7_258_118_400_000_000_000
MOST_N = 1_000_000_000
MOST_SENT = 1 << 46  # samples of one source: twenty years at 100,000 a second; sums over many sources fit 64 bits
LONGEST_NAME, LONGEST_SOURCE = 80, 1000  # characters: of a name in a message, of a source
_LEAST = np.iinfo(np.int64).min  # stands for a gap among the keys
LONGEST_NS = 31 * 86_400 * 1_000_000_000  # a read of some minutes looks for blocks that began so much before them
_DEFAULTS = {"n": 0, "quality": 0}


def shaped(batch: Batch) -> pa.Table:
    """The batch's table with exactly the columns of POINTS_IN or BLOCKS_IN; missing n and quality are 0.

    Raises InputError when a column is missing, unknown or of a type that cannot be that column's.
    """
    schema = BLOCKS_IN if batch.blocks else POINTS_IN
    where = f"batch of {batch.source[:LONGEST_NAME]!r}"
    table = batch.table
    if table.schema == schema:
        return table
    names = [name[:LONGEST_NAME] for name in table.column_names]
    extra = [name for name in names if name not in schema.names]
    if extra:
        raise InputError(where, f"columns {extra[:10]} are not known", ", ".join(schema.names))
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(where, f"columns {twice} stand twice", "each name once")
    columns = []
    for column in schema:
        if column.name in table.column_names:
            try:
                columns.append(_cast(table.column(column.name), column.type))
            except (pa.ArrowException, ValueError, OverflowError) as error:
                given = str(table.column(column.name).type)[:LONGEST_NAME]
                raise InputError(where, f"column {column.name!r} is {given}", str(column.type)) from error
        elif column.name in ("thing", "signal", "t_ns", "dt_ns", "values"):
            raise InputError(where, f"column {column.name!r} is missing", ", ".join(schema.names))
        else:
            columns.append(pa.array([_DEFAULTS.get(column.name)] * table.num_rows, column.type))
    return pa.table(columns, schema=schema)


def _cast(column: pa.ChunkedArray, wanted: pa.DataType) -> pa.ChunkedArray:
    """The column in its own type; a timestamp as ns, whatever it counts."""
    if pa.types.is_timestamp(column.type) and pa.types.is_integer(wanted):
        column = column.cast(pa.timestamp("ns", column.type.tz))
    return column.cast(wanted)


def numbered(batch: Batch, samples: int) -> None:
    """Raises InputError for a numbering, or a name of a source, that cannot be."""
    where = f"batch of {batch.source[:LONGEST_NAME]!r}"
    if not batch.source or len(batch.source) > LONGEST_SOURCE:
        raise InputError(where, f"its source has {len(batch.source):,} characters", f"1 to {LONGEST_SOURCE}")
    if not batch.hop or len(batch.hop) > LONGEST_NAME:
        raise InputError(where, f"its hop has {len(batch.hop):,} characters", f"1 to {LONGEST_NAME}: 'mqtt', 'files'")
    first, sent = batch.sequence or 0, batch.sent or 0
    if first < 0 or sent < 0 or max(first + samples, sent) > MOST_SENT:
        said = f"its numbers cannot be: sequence {batch.sequence!s:.40}, sent {batch.sent!s:.40}"
        raise InputError(where, said, f"0 to {MOST_SENT:,}")


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
    t_ns, has_time = numbers(table.column("t_ns"), np.int64)
    n = numbers(table.column("n"), np.int64)[0]
    return _first(slot, [
        wrong, has_value & ~np.isfinite(value), has_code & (column == STATE) & ~catalogue.knows_code(definition, code),
        outside | (has_code & (code == _LEAST)), bad_quality(table), has_time & beyond(t_ns), (n < 0) | (n > MOST_N),
    ])


def blocks(table: pa.Table, slot: Ints, definition: Ints, catalogue: Catalogue) -> Any:
    """(rows,) int8 as `points` gives it. One bad number refuses its whole block: a hole would shift the rest."""
    flat, _, lengths = lists(table.column("values"))
    row = np.repeat(np.arange(len(lengths)), lengths)
    bad = np.bincount(row[~np.isfinite(flat)], minlength=len(lengths)) > 0
    with np.errstate(invalid="ignore"):
        wide = (flat < catalogue.low[definition][row]) | (flat > catalogue.high[definition][row])
    outside = np.bincount(row[wide], minlength=len(lengths)) > 0
    step, has_step = numbers(table.column("dt_ns"), np.int64)
    t_ns, has_time = numbers(table.column("t_ns"), np.int64)
    steps = np.maximum(lengths - 1, 0)
    long = steps > LONGEST_NS // np.maximum(step, 1)
    end_ns = t_ns + np.where(long | beyond(t_ns), 0, steps * np.where(long, 0, step))
    wrong = ~catalogue.fast[definition] | (lengths % catalogue.width[definition] != 0) | (lengths == 0)
    wrong |= ~has_step | (step <= 0) | ~has_time
    none = np.zeros(len(lengths), bool)
    late = has_time & (beyond(t_ns) | beyond(end_ns))
    return _first(slot, [wrong, bad, none, outside, bad_quality(table), late, none, long])


def beyond(t_ns: Ints) -> Any:
    """(rows,) bool: a time that nothing here can have: before 1800, or from 2200 on."""
    return (t_ns < FIRST_NS) | (t_ns >= LAST_NS)


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
        [slot == UNKNOWN_THING, slot == UNKNOWN_SIGNAL, *conditions], list(range(1, 3 + len(conditions))), default=0,
    ).astype(np.int8)
