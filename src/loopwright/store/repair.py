"""What a correction does to values: rows as they stand in, rows as they shall stand out. No I/O.

    set      the value is ...             add     it is so much more          gap   there is none
    bad      it stands, of quality bad    scale   it is so many times that    reset a counter goes on where it had been
    good     it is of quality good again

A reported gap stays one, but for `set`. A counter that is scaled is rounded to whole numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from loopwright.core.clock import iso
from loopwright.core.errors import InputError, UnknownName
from loopwright.core.types import BAD, BLOCKS_IN, GOOD, POINTS_IN, Signal
from loopwright.store.check import lists, numbers

HOWS = ("set", "bad", "good", "add", "scale", "gap", "reset")
_NUMBERED = ("set", "add", "scale")
_WHOLE = 1 << 62


@dataclass(frozen=True)
class Repair:
    """how, and by which number (of set, add and scale; of a reset what is added).

    start_ns, end_ns  the stretch: of a block only the samples in it are repaired (None: open)
    """

    how: str
    by: float | int | None
    start_ns: int | None
    end_ns: int | None
    thing: str
    signal: Signal

    @property
    def where(self) -> str:
        return f"correction of {self.thing}/{self.signal.name}"


def checked(
    thing: str, signal: Signal, how: str, by: float | str | None, start_ns: int | None, end_ns: int | None
) -> Repair:
    """A repair that makes sense of that signal; UnknownName or InputError say why another does not.

    by  a number, for a state also its word
    """
    where = f"correction of {thing}/{signal.name}"
    if how not in HOWS:
        raise UnknownName(where, how, HOWS)
    if start_ns is not None and end_ns is not None and start_ns >= end_ns:
        raise InputError(where, f"from {start_ns} to {end_ns}", "an end after the start", "the end is not in it")
    if (by is None) == (how in _NUMBERED):
        said = f"{how} {'without' if by is None else 'with'} a number"
        raise InputError(where, said, f"a number for {', '.join(_NUMBERED)}, for nothing else")
    if how == "reset" and signal.kind != "counter":
        raise InputError(where, f"it is a {signal.kind}", "a counter", "only a counter is reset")
    if how == "gap" and signal.fast:
        raise InputError(where, "a block has no gaps", "bad", "mark the stretch bad: it then counts as none")
    if signal.kind == "state" and how in ("add", "scale"):
        raise InputError(where, f"{how} of a state", "set, bad, good, gap")
    number = _number(signal, by, how, where) if by is not None else None
    if signal.kind == "counter" and how == "add" and number is not None and number != int(number):
        raise InputError(where, f"add {by} to a counter", "a whole number")
    return Repair(how, number, start_ns, end_ns, thing, signal)


def _number(signal: Signal, by: float | str, how: str, where: str) -> float | int:
    if signal.kind == "state" and isinstance(by, str) and not by.lstrip("-").isdigit():
        return signal.code_of(by)
    if isinstance(by, str) and signal.kind != "gauge" and by.lstrip("-").isdigit() and len(by) < 20:
        return int(by)
    try:
        number = float(by)
    except (ValueError, TypeError):
        raise InputError(where, f"{by!r}", "a number") from None
    if not np.isfinite(number):
        raise InputError(where, f"{by}", "a finite number")
    if signal.kind == "gauge":
        return number
    if abs(number) > _WHOLE or (how == "set" and not number.is_integer()):
        raise InputError(where, f"{how} {by}", f"a whole number below 2^62: it is a {signal.kind}")
    return int(number) if number.is_integer() else number


def points(rows: pa.Table, repair: Repair) -> tuple[pa.Table, pa.Table]:
    """Of POINTS rows in force those that a repair changes, and as it leaves them.

    Raises InputError when a value would be out of the signal's range.
    """
    after = _quality(rows, repair)
    if after is None:
        column = "value" if repair.signal.kind == "gauge" else "code"
        values = _values(rows.column(column), repair)
        _within(values, rows.column("t_ns"), repair)
        after = rows.set_column(rows.schema.get_field_index(column), column, values)
    changed = pa.array(differ(rows, after))
    return rows.filter(changed), after.filter(changed)


def as_points(rows: pa.Table, repair: Repair) -> pa.Table:
    """These rows as POINTS_IN of the repair's thing and signal."""
    count = rows.num_rows
    columns = {name: rows.column(name) for name in POINTS_IN.names if name in rows.column_names}
    columns |= {"thing": pa.repeat(repair.thing, count), "signal": pa.repeat(repair.signal.name, count)}
    return pa.table([columns[f.name].cast(f.type) for f in POINTS_IN], schema=POINTS_IN)


def differ(one: pa.Table, other: pa.Table) -> Any:
    """(rows,) bool: value, code or quality are not the same."""
    found = np.zeros(one.num_rows, bool)
    for name in ("value", "code", "quality"):
        dtype = np.float64 if name == "value" else np.int64
        (a, has_a), (b, has_b) = (numbers(table.column(name), dtype) for table in (one, other))
        found |= (has_a != has_b) | (has_a & has_b & (a != b))
    return found


def blocks(rows: pa.Table, repair: Repair) -> pa.Table:
    """BLOCKS_IN of blocks in force, those that a repair changes: a block is cut where the stretch begins and ends.

    A cut leaves every sample with its time; the pieces before and after the stretch hold what they held.
    """
    width = int(np.prod(repair.signal.shape)) if repair.signal.shape else 1
    found = []
    for row in rows.to_pylist():
        found += _pieces(row, repair, width)
    table = pa.Table.from_pylist(found, schema=BLOCKS_IN)
    if repair.how in _NUMBERED and table.num_rows:
        _within(pa.chunked_array([table.column("values").combine_chunks().flatten()]).cast(pa.float64()), None, repair)
    return table


def _pieces(row: dict[str, Any], repair: Repair, width: int) -> list[dict[str, Any]]:
    values, t_ns, dt_ns = np.array(row["values"], np.float32), row["t_ns"], row["dt_ns"]
    count = len(values) // width

    def nth(limit_ns: int | None, otherwise: int) -> int:  # the first sample at or after a time
        return otherwise if limit_ns is None else min(max(-((t_ns - limit_ns) // dt_ns), 0), count)

    first, last = nth(repair.start_ns, 0), nth(repair.end_ns, count)
    inside = values[first * width:last * width]
    quality = {"bad": BAD, "good": GOOD}.get(repair.how, row["quality"])
    new = inside if repair.how in ("bad", "good") else _numbers(inside.astype(np.float64), repair).astype(np.float32)
    if first >= last or (quality == row["quality"] and np.array_equal(new, inside)):
        return []
    base = {"thing": repair.thing, "signal": repair.signal.name, "dt_ns": dt_ns}
    parts = [(0, first, values[:first * width], row["quality"]), (first, last, new, quality),
             (last, count, values[last * width:], row["quality"])]
    if quality == row["quality"]:  # only numbers change: one block as before
        parts = [(0, count, np.concatenate([part[2] for part in parts]), quality)]
    return [
        base | {"t_ns": t_ns + begin * dt_ns, "values": numbers_, "quality": grade}
        for begin, end, numbers_, grade in parts if end > begin
    ]


def slices(wanted: pa.Table, force: pa.Table, repair: Repair) -> pa.Table:
    """For each block in force the samples of its time as the newest of the wanted blocks around it holds them."""
    width = int(np.prod(repair.signal.shape)) if repair.signal.shape else 1

    def end_ns(block: dict[str, Any]) -> int:
        return int(block["t_ns"] + len(block["values"]) // width * block["dt_ns"])

    found, covers = [], wanted.to_pylist()
    for row in force.to_pylist():
        around = [c for c in covers if c["t_ns"] <= row["t_ns"] and end_ns(row) <= end_ns(c)]
        if not around:
            continue
        best = max(around, key=lambda c: c["batch"])
        at = (row["t_ns"] - best["t_ns"]) // best["dt_ns"] * width
        values = best["values"][at:at + len(row["values"])]
        if values != row["values"] or best["quality"] != row["quality"]:
            found.append({"thing": repair.thing, "signal": repair.signal.name, "t_ns": row["t_ns"],
                          "dt_ns": row["dt_ns"], "values": values, "quality": best["quality"]})
    return pa.Table.from_pylist(found, schema=BLOCKS_IN)


def samples(table: pa.Table) -> int:
    """Numbers in rows of POINTS_IN or BLOCKS_IN."""
    return int(lists(table.column("values"))[2].sum()) if "values" in table.column_names else table.num_rows


def _quality(rows: pa.Table, repair: Repair) -> pa.Table | None:
    if repair.how not in ("bad", "good"):
        return None
    quality = pa.repeat(pa.scalar(BAD if repair.how == "bad" else GOOD, pa.int8()), rows.num_rows)
    return rows.set_column(rows.schema.get_field_index("quality"), "quality", quality)


def _values(column: pa.ChunkedArray, repair: Repair) -> pa.ChunkedArray:
    if repair.how == "gap":
        return pa.chunked_array([pa.nulls(len(column), column.type)])
    if repair.how == "set":
        return pa.chunked_array([pa.repeat(pa.scalar(repair.by, column.type), len(column))])
    given, there = numbers(column, np.float64 if column.type == pa.float64() else np.int64)
    return pa.chunked_array([pa.array(_numbers(given, repair), column.type, mask=~there)])


def _numbers(given: Any, repair: Repair) -> Any:
    """The numbers as they shall be; whole ones stay whole, and one that no longer fits is out of range."""
    by = repair.by or 0
    if repair.how == "set":
        return np.full(len(given), by, given.dtype)
    whole = given.dtype == np.int64
    with np.errstate(over="ignore"):
        rough = given.astype(np.float64) * by if repair.how == "scale" else given.astype(np.float64) + by
    if not whole:
        return rough
    if len(rough) and np.abs(rough).max() > _WHOLE:
        raise InputError(repair.where, f"{repair.how} {by} gives {np.abs(rough).max():g}", "whole numbers below 2^62")
    return np.rint(rough).astype(np.int64) if repair.how == "scale" else given + int(by)


def _within(values: pa.ChunkedArray, t_ns: pa.ChunkedArray | None, repair: Repair) -> None:
    """Raises InputError when a value could not be stored."""
    signal = repair.signal
    given, there = numbers(values, np.float64)
    low, high = (-np.inf if signal.low is None else signal.low), (np.inf if signal.high is None else signal.high)
    if signal.kind == "state":
        if repair.how == "set" and repair.by not in signal.codes:
            raise UnknownName(f"{repair.where}: code", str(repair.by), [str(code) for code in signal.codes])
        return
    bad = np.flatnonzero(there & ~(np.isfinite(given) & (given >= low) & (given <= high)))
    if len(bad):
        at = f" at {iso(t_ns[int(bad[0])].as_py())}" if t_ns is not None else ""
        said = f"{len(bad)} of {len(given)} values would be out of range, the first{at} {given[bad[0]]:g}"
        raise InputError(repair.where, said, f"{low:g} to {high:g} {signal.unit}", "check the number and the times")
