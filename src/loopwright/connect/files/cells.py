"""Columns of a file as numbers and times: every cell is a value, a gap, or bad. Only oddities are looped over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError
from loopwright.core.types import Signal
from loopwright.core.units import to_inside

_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_GAPS = ("", "nan", "na", "n/a", "null", "none", "-")
_STEP_NS = 900 * NS_PER_S  # zones change their offset on a quarter of an hour
_TICK_NS = {"s": NS_PER_S, "ms": 1_000_000, "us": 1_000, "ns": 1}
_EPOCH_UNITS = ((10**17, 1), (10**14, 1_000), (10**11, 1_000_000))  # from this size on: ns, us, ms; below: s


def numbers(
    column: pa.Array, signal: Signal | None, unit: str = "", decimal: str = "."
) -> tuple[pa.Array, np.ndarray]:
    """(n,) values in the inside unit (null = gap), and (n,) True where a cell is neither value nor gap.

    signal  whose values they are: counters and states give int64, states may stand as their words; None: a gauge
    unit    of the file ('' = inside)
    """
    whole = signal is not None and signal.kind != "gauge"
    target = pa.int64() if whole else pa.float64()
    column, bad = _untexted(column, signal, decimal)
    try:
        values = column.cast(target)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        values, worse = _one_by_one_numbers(column, target)
        bad = bad | worse
    if unit:
        inside = to_inside(values.fill_null(0).to_numpy(zero_copy_only=False), unit)
        values = pa.array(inside, mask=mask_of(values.is_null()))
    return values, bad


def _untexted(column: pa.Array, signal: Signal | None, decimal: str) -> tuple[pa.Array, np.ndarray]:
    """The column with text only where it is a number, and where it was something else. A state's words become codes."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return column, np.zeros(len(column), dtype=bool)
    column = pc.utf8_trim_whitespace(column.cast(pa.string()))
    if signal is not None and signal.kind == "state":
        words = pa.array([word.lower() for word in signal.codes.values()])
        found = pc.index_in(pc.utf8_lower(column), words)
        column = pc.if_else(pc.is_valid(found), pc.take(pa.array([str(code) for code in signal.codes]), found), column)
    if decimal == ",":
        column = pc.replace_substring(column, ",", ".")
    column = pc.if_else(pc.is_in(pc.utf8_lower(column), pa.array(_GAPS)), None, column)
    good = pc.match_substring_regex(column, _NUMBER)
    return pc.if_else(good, column, None), ~mask_of(good.fill_null(True))


def _one_by_one_numbers(column: pa.Array, target: pa.DataType) -> tuple[pa.Array, np.ndarray]:
    """The cells that fit the type, and where one does not (a fraction for a counter, a number beyond 64 bit)."""
    values, bad = [], np.zeros(len(column), dtype=bool)
    for i, cell in enumerate(column.to_pylist()):
        try:
            number = None if cell is None else float(cell)
            if number is not None and pa.types.is_integer(target) and (int(number) != number or abs(number) >= 2**63):
                raise ValueError("not whole")
            values.append(number if number is None or not pa.types.is_integer(target) else int(number))
        except (TypeError, ValueError, OverflowError):
            values.append(None)
            bad[i] = True
    return pa.array(values, target), bad


def mask_of(booleans: pa.Array) -> np.ndarray:
    """(n,) True where true."""
    return np.asarray(booleans.to_numpy(zero_copy_only=False), dtype=bool)


def times(column: pa.Array, form: str, zone: str, before_ns: int, *, ordered: bool) -> tuple[np.ndarray, np.ndarray]:
    """(n,) int64 ns UTC, and (n,) True where a cell is no time.

    form       '' for ISO 8601 and numbers since 1970 (s, ms, us, ns by their size), else a strptime format
    zone       of times that do not name theirs
    before_ns  time of the row before the first one
    ordered    each row is a time of its own: a repeated hour of a clock change is told apart by the order
    """
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = _parsed(pc.utf8_trim_whitespace(column.cast(pa.string())), form)
    column = _timely(column)
    bad = mask_of(column.is_null())
    if not pa.types.is_timestamp(column.type):
        ns, beyond = _since_1970(column, bad)
        return ns, bad | beyond
    fine = column.cast(pa.timestamp("ns", column.type.tz))
    ns = fine.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    if column.type.tz is not None:
        return ns, bad
    return _to_utc(ns, bad, zone, before_ns, ordered), bad


def _timely(column: pa.Array) -> pa.Array:
    """Times and numbers as they are, null where ns of 64 bits cannot say it; all null for what is neither."""
    if pa.types.is_date(column.type):
        column = column.cast(pa.timestamp("ms"))
    if pa.types.is_timestamp(column.type):
        most = (2**63 - 1) // _TICK_NS[column.type.unit] - 1
        raw = column.cast(pa.int64())
        within = pc.and_(pc.greater_equal(raw, -most), pc.less_equal(raw, most))
        return pc.if_else(within, column, None)
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        return column
    try:
        return column.cast(pa.float64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return pa.nulls(len(column), pa.float64())


def _parsed(column: pa.Array, form: str) -> pa.Array:
    """Text as timestamps (with or without a zone) or as numbers; null where it is none of these."""
    if form:
        stamps = _timely(pc.strptime(column, form, "us", error_is_null=True))
        return stamps.cast(pa.timestamp("ns", "UTC")) if "%z" in form else stamps
    column = pc.if_else(pc.is_in(pc.utf8_lower(column), pa.array(_GAPS)), None, column)
    numeric = pc.match_substring_regex(column, _NUMBER)
    if pc.any(numeric).as_py():  # ns since 1970 need all 64 bits
        column = pc.if_else(numeric, column, None)
        return _first_fit(column, pa.int64(), pa.float64()) or column.cast(pa.float64())
    return _first_fit(column, pa.timestamp("ns"), pa.timestamp("ns", "UTC")) or _one_by_one_times(column)


def _first_fit(column: pa.Array, *targets: pa.DataType) -> pa.Array | None:
    for target in targets:
        try:
            return column.cast(target)
        except pa.ArrowInvalid:
            continue
    return None


def _one_by_one_times(column: pa.Array) -> pa.Array:
    """Times of which some are none. All name their zone, or none does, as the first one that is a time."""
    found: list[datetime | None] = []
    for cell in column.to_pylist():
        try:
            found.append(datetime.fromisoformat(cell or ""))
        except ValueError:
            found.append(None)
    zoned = next((when.tzinfo is not None for when in found if when), False)
    kept = [when if when and (when.tzinfo is not None) == zoned else None for when in found]
    within = [when if when and 1678 <= when.year <= 2261 else None for when in kept]  # what ns of 64 bits can say
    return pa.array(within, pa.timestamp("ns", "UTC" if zoned else None))


def _since_1970(column: pa.Array, bad: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers as ns, and True beyond 64 bits; their unit is told by the size of the first (1e11 s is the year 5138)."""
    values = column.fill_null(0).to_numpy(zero_copy_only=False)
    good = values[~bad]
    size = abs(float(good[0])) if len(good) else 0.0
    factor = next((factor for least, factor in _EPOCH_UNITS if size >= least), NS_PER_S)
    beyond = ~(np.abs(values.astype(np.float64)) * factor < 2**63)  # nan too
    values = np.where(beyond, 0, values)
    if values.dtype.kind != "f":
        return values.astype(np.int64) * factor, beyond
    whole = np.floor(values)
    return whole.astype(np.int64) * factor + np.round((values - whole) * factor).astype(np.int64), beyond


def _to_utc(local_ns: np.ndarray, bad: np.ndarray, zone: str, before_ns: int, ordered: bool) -> np.ndarray:
    """(n,) ns UTC of local times. An hour that a clock change repeats is the first one, until time would run backwards.

    Raises InputError for a time that a clock change leaves out, and for an unknown zone.
    """
    buckets, place = np.unique(local_ns // _STEP_NS, return_inverse=True)
    early, late = (
        np.array([_offset_ns(int(b) * _STEP_NS, zone, fold) for b in buckets], dtype=np.int64)[place] for fold in (0, 1)
    )
    skipped = np.flatnonzero((late > early) & ~bad)
    if len(skipped):
        when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(local_ns[skipped[0]]) // 1000)
        raise InputError(f"time {when:%Y-%m-%d %H:%M}", f"does not exist in {zone}: a clock change leaves it out",
                         "times of that zone", "set `time_zone` to the zone of the file, perhaps UTC")
    first, second = local_ns - early, local_ns - late
    result = first.copy()
    for i in np.flatnonzero(early != late):
        previous = result[i - 1] if i else before_ns
        result[i] = second[i] if previous > first[i] or (ordered and previous == first[i]) else first[i]
    return result


def _offset_ns(local_ns: int, zone: str, fold: int) -> int:
    """Local time less UTC."""
    try:
        info = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError):
        raise InputError("time_zone", f"{zone!r} is no time zone", "'UTC', or a name such as 'Europe/Berlin'") from None
    when = datetime(1970, 1, 1) + timedelta(seconds=local_ns // NS_PER_S)
    offset = when.replace(tzinfo=info, fold=fold).utcoffset()
    return int((offset or timedelta()).total_seconds()) * NS_PER_S
