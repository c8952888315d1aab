"""OPC UA data values as columns: bytes of many DataValues to NumPy arrays and back, without a Python object per value.

    encode(column, kind, ...)        a Column of samples -> the bytes of its DataValues
    decode(data, offset, count, ..)  the bytes of `count` DataValues -> Runs of equal layout, and where they end

A DataValue is a mask byte and up to six fields (value, status, source time, source picoseconds, server time, server
picoseconds, in this order). Neighbours nearly always have the same mask and the same type of value, so a whole run of
them is one NumPy record array laid over the bytes.

Times: OPC UA counts ticks of 100 ns since 1601. What a time has below that travels in SourcePicoseconds (units of
10 ps): t_ns is exact. Samples of equal time are told apart by n, which stands below the nanosecond: n * 10 ps.

Source: OPC 10000-6 (1.05) 5.2.2.4 (DateTime), 5.2.2.16 (Variant), 5.2.2.17 (DataValue), table of status codes in A.2.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from loopwright.core.errors import LinkError
from loopwright.core.types import BAD, DOUBTFUL, GOOD

EPOCH_TICKS = 116_444_736_000_000_000  # 1970-01-01 in ticks of 100 ns since 1601-01-01
_FIRST_TICKS, _LAST_TICKS = EPOCH_TICKS - (1 << 63) // 100 + 10, EPOCH_TICKS + (1 << 63) // 100 - 10
VALUE, STATUS, SOURCE, SERVER, SOURCE_PICO, SERVER_PICO = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20

GOOD_CODE, DOUBTFUL_CODE, BAD_CODE = 0x0000_0000, 0x4000_0000, 0x8000_0000
GOOD_NO_DATA, BAD_NO_DATA = 0x00A5_0000, 0x809B_0000  # there is no doubtful one: a doubtful gap is plain Uncertain
NO_SAMPLE_YET = (0x8032_0000, 0x4092_0000)  # BadWaitingForInitialData, UncertainInitialValue: nothing was measured
OVERFLOW = 0x0480  # info type DataValue and the overflow bit: the server's queue dropped values

# type number of a Variant -> how its scalar stands in the bytes (12 is String, everything else is left to `slow`)
SCALARS = {1: "?", 2: "i1", 3: "u1", 4: "<i2", 5: "<u2", 6: "<i4", 7: "<u4", 8: "<i8", 9: "<u8", 10: "<f4", 11: "<f8"}
BY_KIND = {"gauge": 11, "counter": 8, "state": 6}  # Double, Int64, Int32

Slow = Callable[[bytes, int], tuple[Any, int]]  # (data, offset of a Variant) -> its value as Python, offset behind it


@dataclass(frozen=True)
class Column:
    """Samples of one variable, (n,) each: t_ns, n, value (float64 or int64), gap (True: no value), quality, arrival.

    arrival  when the server heard it, ticks of 100 ns since 1601; it only grows
    """

    t_ns: np.ndarray
    n: np.ndarray
    value: np.ndarray
    gap: np.ndarray
    quality: np.ndarray
    arrival: np.ndarray

    def take(self, where: Any) -> Column:
        """The samples at those places (a slice, mask or index)."""
        return Column(*(getattr(self, name)[where] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Run:
    """Neighbouring DataValues of equal layout, (n,) each.

    handle   of the monitored item, zeros outside notifications
    value    numbers in the type they came in, a list of words or other Python values, or None: no value (a gap)
    status   OPC UA status codes
    t_ns, n  source time; t_ns is the server's time where there is none, and 0 where that is missing too
    arrival  server time in ticks, 0 where there is none
    """

    handle: np.ndarray
    value: np.ndarray | list[Any] | None
    status: np.ndarray
    t_ns: np.ndarray
    n: np.ndarray
    arrival: np.ndarray


def to_ticks(t_ns: int) -> int:
    """Ticks of 100 ns since 1601, rounded down."""
    return t_ns // 100 + EPOCH_TICKS


def quality_of(status: np.ndarray) -> np.ndarray:
    """(n,) 0 good, 1 doubtful, 2 bad, from the two highest bits of the status codes."""
    severity = np.asarray(status, dtype=np.uint32) >> 30
    return np.where(severity == 0, GOOD, np.where(severity == 1, DOUBTFUL, BAD)).astype(np.int8)


def status_of(quality: np.ndarray, gap: np.ndarray) -> np.ndarray:
    """(n,) status codes; a gap is one of the no-data codes of the same severity."""
    place = np.clip(quality, GOOD, BAD).astype(np.intp)
    with_value = np.array([GOOD_CODE, DOUBTFUL_CODE, BAD_CODE], dtype=np.uint32)
    without = np.array([GOOD_NO_DATA, DOUBTFUL_CODE, BAD_NO_DATA], dtype=np.uint32)
    return np.where(gap, without[place], with_value[place])


@lru_cache(maxsize=512)
def layout(mask: int, scalar: int, handle: bool) -> np.dtype[Any]:
    """The record that DataValues of this mask and type of value are; `handle`: behind a monitored item's handle."""
    fields = [("handle", "<u4")] if handle else []
    fields.append(("mask", "u1"))
    if mask & VALUE:
        fields.append(("type", "u1"))
        if scalar:
            fields.append(("value", SCALARS[scalar]))
    optional = [(STATUS, "status", "<u4"), (SOURCE, "source", "<i8"), (SOURCE_PICO, "pico", "<u2"),
                (SERVER, "server", "<i8"), (SERVER_PICO, "server_pico", "<u2")]
    fields.extend((name, form) for bit, name, form in optional if mask & bit)
    return np.dtype(fields)


def encode(column: Column, kind: str, server_time: bool = True) -> bytes:
    """The DataValues of a column, one after the other.

    kind         gauge, counter or state: Double, Int64, Int32
    server_time  whether each carries its arrival as the server's time
    """
    if not len(column.t_ns):
        return b""
    edges = np.flatnonzero(np.diff(column.gap)) + 1
    starts, ends = np.r_[0, edges], np.r_[edges, len(column.gap)]
    return b"".join(_encode_run(column.take(slice(a, b)), kind, server_time) for a, b in zip(starts, ends, strict=True))


def _encode_run(column: Column, kind: str, server_time: bool) -> bytes:
    gap = bool(column.gap[0])
    status = status_of(column.quality, column.gap)
    pico = (column.t_ns % 100) * 100 + column.n
    mask = SOURCE | (0 if gap else VALUE) | (STATUS if status.any() else 0) | (SOURCE_PICO if pico.any() else 0)
    mask |= SERVER if server_time else 0
    scalar = 0 if gap else BY_KIND[kind]
    records = np.zeros(len(column.t_ns), dtype=layout(mask, scalar, False))
    records["mask"] = mask
    records["source"] = column.t_ns // 100 + EPOCH_TICKS
    if not gap:
        records["type"], records["value"] = scalar, column.value
    rest = ((STATUS, "status", status), (SOURCE_PICO, "pico", pico), (SERVER, "server", column.arrival))
    for bit, name, given in rest:
        if mask & bit:
            records[name] = given
    return records.tobytes()


def decode(data: bytes, offset: int, count: int, slow: Slow, handle: bool = False) -> tuple[list[Run], int]:
    """Runs of `count` DataValues that begin at `offset`, and the offset behind them.

    slow    decodes a Variant that is no plain number or text
    handle  each stands behind a UInt32, the handle of its monitored item
    Raises LinkError where the bytes end too early.
    """
    runs: list[Run] = []
    ahead = 4 if handle else 0
    try:
        while count:
            mask = data[offset + ahead]
            kind = data[offset + ahead + 1] if mask & VALUE else 0
            if kind and kind not in SCALARS:
                run, offset = _one(data, offset, handle, slow)
                taken = 1
            else:
                run, taken = _run(data, offset, count, layout(mask, kind, handle), mask, kind)
                offset += taken * layout(mask, kind, handle).itemsize
            runs.append(run)
            count -= taken
    except Exception as error:  # what decodes a structure is a library's, and the bytes are anybody's
        said = f"the server's answer is cut short or garbled ({type(error).__name__}: {str(error)[:100]})"
        raise LinkError("connect.opcua", said) from None
    return runs, offset


def _run(data: bytes, offset: int, count: int, form: np.dtype[Any], mask: int, kind: int) -> tuple[Run, int]:
    """The longest run of this layout, and how long it is. It looks on in doubling steps: mixed layouts stay linear."""
    step, taken = 32, 0
    while taken < count:
        look = min(step, count - taken, (len(data) - offset) // form.itemsize - taken)
        if look <= 0:
            break
        ahead = np.frombuffer(data, form, look, offset + taken * form.itemsize)
        same = ahead["mask"] == mask
        if mask & VALUE:
            same &= ahead["type"] == kind
        if not same.all():
            taken += int(np.argmin(same))
            break
        taken, step = taken + look, step * 2
    if not taken:
        raise ValueError("a value is cut short")
    return _as_run(np.frombuffer(data, form, taken, offset), mask), taken


def _as_run(records: np.ndarray, mask: int, value: list[Any] | None = None) -> Run:
    names = records.dtype.names or ()
    nothing = np.zeros(len(records), dtype=np.int64)
    arrival = records["server"] if mask & SERVER else nothing
    pico = records["pico"].astype(np.int64) if mask & SOURCE_PICO else nothing
    ticks = records["source"] if mask & SOURCE else arrival
    return Run(
        handle=records["handle"] if "handle" in names else nothing,
        value=records["value"] if "value" in names else value,
        status=records["status"] if mask & STATUS else nothing.astype(np.uint32),
        t_ns=_t_ns(ticks, pico),
        n=(pico % 100).astype(np.int32),
        arrival=arrival,
    )


def _t_ns(ticks: np.ndarray, pico: np.ndarray) -> np.ndarray:
    """(n,) ns since 1970; 0 where there is no time, the least and the largest where 64 bits cannot say it."""
    within = (ticks > _FIRST_TICKS) & (ticks < _LAST_TICKS)
    t_ns = (np.where(within, ticks, EPOCH_TICKS) - EPOCH_TICKS) * 100 + pico // 100
    beyond = np.where(ticks > EPOCH_TICKS, np.iinfo(np.int64).max, np.iinfo(np.int64).min)
    return np.where(ticks <= 0, 0, np.where(within, t_ns, beyond))


def _one(data: bytes, offset: int, handle: bool, slow: Slow) -> tuple[Run, int]:
    """One DataValue whose value is text or anything else than a number."""
    ahead = 4 if handle else 0
    mask, kind = data[offset + ahead], data[offset + ahead + 1]
    behind = offset + ahead + 2
    if kind == 12:
        (length,) = struct.unpack_from("<i", data, behind)
        behind += 4 + max(0, length)
        value: Any = data[behind - length : behind].decode("utf-8", "replace") if length >= 0 else None
    else:
        value, behind = slow(data, offset + ahead + 1)
    rest = layout(mask & ~VALUE, 0, handle)
    head = data[offset : offset + ahead] + bytes([mask & ~VALUE])
    size = rest.itemsize - len(head)
    if behind + size > len(data):
        raise ValueError("a value is cut short")
    record = np.frombuffer(head + data[behind : behind + size], rest, 1)
    return _as_run(record, mask & ~VALUE, [value] if value is not None else None), behind + size
