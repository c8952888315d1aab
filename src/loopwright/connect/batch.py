"""Tables of points from columns and rows, without a Python loop per point where there are columns.

    from_columns(thing, times_ns, {"spindle.speed": array}, kind)   a wide table -> POINTS_IN rows, time by time
    from_rows([(thing, signal, t_ns, value, quality)], things)      a few values of mixed things -> POINTS_IN rows
    frames(batches)                                                 what a device says, checked, Frame after Frame

A null (NaN, None, masked) is a gap that the source itself reported: it stays a row, with neither value nor code.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loopwright.core.errors import InputError
from loopwright.core.types import BLOCKS_IN, GOOD, POINTS_IN, Kind, Signal, Thing

LONGEST = 200  # characters of a name
Things = Mapping[str, tuple[Thing, Kind]]
Row = tuple[str, str, int | None, Any, int]  # thing, signal, t_ns (None: when it arrives), value or word, quality


@dataclass(frozen=True)
class Frame:
    """What a device says in one breath: POINTS_IN (or BLOCKS_IN) rows.

    deliver  'now', or 'drop': it is numbered and counted as sent, and gets lost on the way (what a bad link does)
    """

    table: pa.Table
    deliver: Literal["now", "drop"] = "now"


Said = AsyncIterator[pa.Table | Frame] | Iterable[pa.Table | Frame]


def from_columns(thing: str, times_ns: Any, columns: Mapping[str, Any], kind: Kind, quality: Any = GOOD) -> pa.Table:
    """POINTS_IN rows of one thing from wide columns, ordered by row of the wide table, then by column.

    times_ns  (n,)  int64 ns UTC; equal times are told apart by n = 0, 1, 2 .. in the order they stand
    columns   signal -> (n,) numbers in inside units (NaN, None, masked = gap); states as int codes
    quality   one number for all, or (n,)
    returns   n * len(columns) rows
    Raises UnknownName for a signal that the kind lacks, InputError for lengths that differ or counters with fractions.
    """
    times = np.asarray(times_ns, dtype=np.int64)
    signals = [kind.signal(name) for name in columns]
    shape = (len(times), len(signals))
    values, codes = np.zeros(shape), np.zeros(shape, dtype=np.int64)
    no_value, no_code = np.ones(shape, dtype=bool), np.ones(shape, dtype=bool)
    for j, (signal, column) in enumerate(zip(signals, columns.values(), strict=True)):
        where = f"{thing}/{signal.name}"
        numbers, gap = _numbers(column, where)
        if len(gap) != len(times):
            raise InputError(where, f"{len(gap)} values for {len(times)} times", "one value for each time")
        if signal.kind == "gauge":
            values[:, j], no_value[:, j] = numbers, gap
        else:
            codes[:, j], no_code[:, j] = _whole(numbers, gap, where, signal), gap
    width = len(signals)
    qualities = np.broadcast_to(np.asarray(quality, dtype=np.int8), times.shape)
    return pa.table(
        [
            _words([thing], np.zeros(times.size * width, dtype=np.int32)),
            _words([s.name for s in signals], np.tile(np.arange(width, dtype=np.int32), times.size)),
            pa.array(np.repeat(times, width)),
            pa.array(np.repeat(rank_of_equal(times), width)),
            pa.array(values.ravel(), mask=no_value.ravel()),
            pa.array(codes.ravel(), mask=no_code.ravel()),
            pa.array(np.repeat(qualities, width)),
        ],
        schema=POINTS_IN,
    )


def from_rows(rows: Sequence[Row], things: Things) -> tuple[pa.Table, dict[str, int]]:
    """POINTS_IN rows from a few loose values, and reason -> how many could not be used.

    For what arrives value by value; whoever has columns uses `from_columns`. A state may be given as its word, a
    counter as a whole float. What nobody declared passes as a gauge: the store refuses it by name.
    """
    refused: Counter[str] = Counter()
    kept: list[tuple[str, str, int | None, int, float | None, int | None, int]] = []
    for thing, signal, t_ns, value, quality in rows:
        declared = declared_of(things, thing, signal)
        try:
            number, code = _one(value, declared)
        except (InputError, OverflowError):
            refused["not a value of this signal"] += 1
            continue
        if t_ns is not None and not -(2**63) <= t_ns < 2**63:
            refused["time out of range"] += 1
            continue
        kept.append((thing, signal, t_ns, 0, number, code, quality))
    columns = list(zip(*kept, strict=True)) if kept else [()] * 7
    table = pa.table([pa.array(c, f.type) for c, f in zip(columns, POINTS_IN, strict=True)], schema=POINTS_IN)
    return table, dict(refused)


def _one(value: Any, signal: Signal | None) -> tuple[float | None, int | None]:
    """(value, code) of one loose value; InputError when the signal cannot be that."""
    if value is None or (isinstance(value, float) and value != value):
        return None, None
    if isinstance(value, str):
        if signal is None or signal.kind != "state":
            raise InputError("value", f"{value!r} is text", "a number")
        return None, signal.code_of(value)
    if not isinstance(value, (int, float)):
        raise InputError("value", f"{value!r} is a {type(value).__name__}", "a number")
    if signal is None or signal.kind == "gauge":
        return float(value), None
    if abs(value) >= 2**63 or int(value) != value:
        raise InputError("value", f"{value!r} has fractions or is too large", "a whole number of 64 bit")
    return None, int(value)


def text(name: str) -> str:
    """A name as it can be kept: Unicode, and not without end. One that had to be changed is nobody's name."""
    name = name if len(name) <= LONGEST else name[:LONGEST] + "..."
    return name if name.isascii() else name.encode("utf-8", "replace").decode()


def declared_of(things: Things, thing: str, signal: str) -> Signal | None:
    """The signal of a thing, None where nobody declared it."""
    if thing not in things:
        return None
    return next((s for s in things[thing][1].signals if s.name == signal), None)


def _numbers(column: Any, where: str) -> tuple[np.ndarray, np.ndarray]:
    """(n,) numbers with 0 in the gaps, and (n,) True where there is a gap."""
    if isinstance(column, (pa.Array, pa.ChunkedArray)):
        gap = np.asarray(column.is_null(nan_is_null=pa.types.is_floating(column.type)))
        numbers = column.fill_null(0).to_numpy() if column.null_count else column.to_numpy()
        return np.where(gap, 0, numbers), gap
    mask = np.ma.getmaskarray(column) if isinstance(column, np.ma.MaskedArray) else None
    try:
        numbers = np.ma.getdata(column) if mask is not None else np.asarray(column)
        numbers = numbers if numbers.dtype.kind in "iufb" else numbers.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(where, f"holds what is not a number ({error})", "numbers, NaN or None for a gap") from None
    gap = np.isnan(numbers) if numbers.dtype.kind == "f" else np.zeros(numbers.shape, dtype=bool)
    gap = gap if mask is None else gap | mask
    return np.where(gap, 0, numbers), gap


def _whole(numbers: np.ndarray, gap: np.ndarray, where: str, signal: Signal) -> np.ndarray:
    if numbers.dtype.kind == "f" and not (np.isfinite(numbers).all() and (np.abs(numbers) < 2**63).all()):
        raise InputError(where, "holds numbers beyond 64 bit", f"whole numbers (it is a {signal.kind})")
    codes = numbers.astype(np.int64)
    if not np.array_equal(codes[~gap], numbers[~gap]):
        raise InputError(where, "holds fractions", f"whole numbers (it is a {signal.kind})")
    return codes


def _words(words: Sequence[str], index: np.ndarray) -> pa.Array:
    """(n,) strings from (n,) places in a short list of words."""
    return pa.DictionaryArray.from_arrays(pa.array(index), pa.array(words, pa.string())).cast(pa.string())


def rank_of_equal(times_ns: np.ndarray) -> np.ndarray:
    """(n,) int32: 0 for the first row of a time, 1 for the second with the same time, and so on, in the order given."""
    if len(times_ns) < 2 or (np.diff(times_ns) > 0).all():
        return np.zeros(len(times_ns), dtype=np.int32)
    order = np.argsort(times_ns, kind="stable")
    ordered = times_ns[order]
    first = np.r_[True, ordered[1:] != ordered[:-1]]
    start = np.maximum.accumulate(np.where(first, np.arange(len(ordered)), 0))
    rank = np.empty(len(times_ns), dtype=np.int32)
    rank[order] = np.arange(len(ordered)) - start
    return rank


def empty() -> pa.Table:
    """No rows of POINTS_IN: carries a source's final count."""
    return POINTS_IN.empty_table()


def samples_in(table: pa.Table) -> int:
    """Numbers in it: rows of points; of blocks, every value."""
    if "values" not in table.column_names:
        return int(table.num_rows)
    return sum(len(chunk.flatten()) for chunk in table.column("values").chunks)


def checked(table: pa.Table, where: str) -> pa.Table:
    """The table with exactly the columns of POINTS_IN or BLOCKS_IN; InputError names what is missing."""
    schema = BLOCKS_IN if "values" in table.column_names else POINTS_IN
    if table.schema.equals(schema):
        return table
    missing = [name for name in schema.names if name not in table.column_names]
    if missing:
        raise InputError(where, f"a table without {', '.join(missing)}", ", ".join(schema.names))
    try:
        return table.select(schema.names).cast(schema)
    except (pa.ArrowException, LookupError, ValueError, OverflowError):
        said = "a table with columns of another type, or one of them twice"
        raise InputError(where, said, ", ".join(f"{f.name} {f.type}" for f in schema)) from None


def by_thing(table: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """The table's rows thing by thing, each in the order they stood."""
    things = table.column("thing").unique().to_pylist()
    if len(things) == 1:
        yield things[0], table
        return
    column = table.column("thing")
    for thing in things:
        yield thing, table.filter(pc.equal(column, thing))


def slices(table: pa.Table, rows: int) -> Iterator[pa.Table]:
    """The table in pieces of at most that many rows, without a copy."""
    for start in range(0, table.num_rows, rows):
        yield table.slice(start, rows)


async def frames(batches: Said, where: str) -> AsyncIterator[Frame]:
    """Every batch as a Frame with a checked table; a plain list will do as well."""
    if isinstance(batches, Iterable):
        for batch in batches:
            yield _frame(batch, where)
        return
    async for batch in batches:
        yield _frame(batch, where)


def _frame(batch: pa.Table | Frame, where: str) -> Frame:
    frame = batch if isinstance(batch, Frame) else Frame(batch)
    return Frame(checked(frame.table, where), frame.deliver)
