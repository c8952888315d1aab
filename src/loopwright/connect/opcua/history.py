"""What an OPC UA server of ours remembers: every sample of every variable, in columns, newest limit kept.

    Series    one variable: sorted by source time, samples that come late find their place
    Memory    one thing: takes frames whole, hands out pages by variable
    Desk      answers HistoryRead for many things; stands in the place of asyncua's HistoryManager

asyncua's own history keeps a Python object per value and is fed through a subscription: 11,000 values/s written,
120,000 values/s read. This one takes a frame in one piece and answers with bytes made by NumPy (docs/decisions/0004).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from loopwright.connect.opcua.codec import EPOCH_TICKS, Column, encode
from loopwright.connect.opcua.names import library
from loopwright.core.errors import InputError, UnknownName
from loopwright.core.types import Kind

PAGE = 10_000  # most values of one variable in one answer
_POINT = struct.Struct("<qiq")  # continuation point: t_ns, n, arrival of the last sample handed out
_TYPES: dict[str, Any] = {
    "t_ns": np.int64, "n": np.int32, "value": np.float64, "gap": np.bool_, "quality": np.int8, "arrival": np.int64,
}


class Series:
    """The samples of one variable, ordered by (t_ns, n); equal keys stay in the order they came.

    whole  int64 values (counters, states) instead of float64
    limit  samples kept; the oldest quarter goes when it is full
    """

    def __init__(self, whole: bool, limit: int) -> None:
        self._limit, self._size = limit, 0
        types = {**_TYPES, "value": np.int64 if whole else np.float64}
        self._room: dict[str, np.ndarray] = {name: np.empty(256, dtype=kind) for name, kind in types.items()}

    def __len__(self) -> int:
        return self._size

    def all(self) -> Column:
        """Every sample there is, as views."""
        return Column(**{name: array[: self._size] for name, array in self._room.items()})

    def add(self, column: Column) -> None:
        """Puts samples where their times belong."""
        if not len(column.t_ns):
            return
        if not _ordered(column):
            column = column.take(np.lexsort((column.n, column.t_ns)))
        if self._size and column.t_ns[0] <= self._room["t_ns"][self._size - 1]:
            column = self._merge(column)
        if self._size + len(column.t_ns) > self._limit:
            column = self._forget(column)
        end = self._size + len(column.t_ns)
        for name, array in self._room.items():
            if end > len(array):
                array = np.resize(array, max(end, 2 * len(array)))
                self._room[name] = array
            array[self._size : end] = getattr(column, name)
        self._size = end

    def _merge(self, column: Column) -> Column:
        """Takes off what is not older than the newcomers and gives it back together with them, in order."""
        keep = int(np.searchsorted(self._room["t_ns"][: self._size], column.t_ns[0], "left"))
        both = _joined([self.all().take(slice(keep, None)), column])
        self._size = keep
        return both.take(np.lexsort((both.n, both.t_ns)))

    def _forget(self, column: Column) -> Column:
        """Makes room: the newest three quarters of the limit stay, newcomers included."""
        keep = max(0, self._limit * 3 // 4 - len(column.t_ns))
        kept = self.all().take(slice(max(0, self._size - keep), None))
        for name, array in self._room.items():
            array[: len(kept.t_ns)] = getattr(kept, name).copy()
        self._size = len(kept.t_ns)
        return column.take(slice(max(0, len(column.t_ns) - self._limit), None))

    def page(self, start_ns: int | None, end_ns: int | None, count: int, after: bytes = b"") -> tuple[Column, bytes]:
        """Samples of start_ns <= t < end_ns, at most `count`, and the point to continue from (b"" = no more).

        start_ns later than end_ns, or None: newest first (end_ns < t <= start_ns). after: the point of the page before.
        """
        times = self._room["t_ns"][: self._size]
        low, high = 0, self._size
        backwards = end_ns is not None and (start_ns is None or start_ns > end_ns)
        side: Literal["left", "right"] = "right" if backwards else "left"
        first, last = (end_ns, start_ns) if backwards else (start_ns, end_ns)
        if first is not None:
            low = int(np.searchsorted(times, first, side))
        if last is not None:
            high = int(np.searchsorted(times, last, side))
        if after:
            behind, before = self._place(after)
            low, high = (low, min(high, before)) if backwards else (max(low, behind), high)
        picked = slice(max(low, high - count), high) if backwards else slice(low, min(high, low + count))
        places = np.arange(self._size)[picked]
        column = self.all().take(places[::-1] if backwards else places)  # copies: what is kept moves
        more = high - low > count
        return column, _POINT.pack(column.t_ns[-1], column.n[-1], column.arrival[-1]) if more else b""

    def _place(self, point: bytes) -> tuple[int, int]:
        """Where the samples behind that point begin, and where those before it end."""
        t_ns, n, arrival = _POINT.unpack(point)
        times = self._room["t_ns"][: self._size]
        first, last = (int(np.searchsorted(times, t_ns, side)) for side in ("left", "right"))
        keys = list(zip(self._room["n"][first:last].tolist(), self._room["arrival"][first:last].tolist(), strict=True))
        return first + sum(key <= (n, arrival) for key in keys), first + sum(key < (n, arrival) for key in keys)


class Memory:
    """What one thing has said: its series by signal, filled in whole frames.

    Frames wait in a heap and are handed to their series when somebody asks: a live frame of one row costs little.
    """

    def __init__(self, kind: Kind, limit: int) -> None:
        self.names = [signal.name for signal in kind.signals]
        self._whole = np.array([signal.kind != "gauge" for signal in kind.signals], dtype=bool)
        self._series = [Series(bool(w), max(1000, limit // max(1, len(self.names)))) for w in self._whole]
        self._heap: list[tuple[np.ndarray, Column]] = []
        self._waiting = 0
        self._newest = np.full(len(self.names), np.iinfo(np.int64).min)
        self.behind_ns = 0  # the farthest a sample ever came behind a newer one of its signal

    def add(self, table: pa.Table, arrival: int) -> tuple[np.ndarray, Column]:
        """Takes the rows of one thing (POINTS_IN); gives back which signal each is, and the columns.

        Raises InputError for a signal that is not of its kind and for more than 100 samples of one time.
        """
        place, column = _columns(table, self.names, self._whole, arrival)
        self._heap.append((place, column))
        self._waiting += len(place)
        self._note_late(place, column.t_ns)
        if self._waiting > 200_000:
            self._settle()
        return place, column

    def _note_late(self, place: np.ndarray, t_ns: np.ndarray) -> None:
        """Keeps the newest time of each signal, and how far a sample came behind it."""
        signals, count = np.unique(place, return_counts=True)
        if (count == 1).all():  # a live frame: each signal once
            newest = np.maximum(self._newest[place], t_ns)
            self._newest[place] = newest
            self.behind_ns = max(self.behind_ns, int((newest - t_ns).max(initial=0)))
            return
        for j in signals.tolist():
            times = t_ns[place == j]
            newest = np.maximum.accumulate(np.concatenate([self._newest[j : j + 1], times]))[1:]
            self._newest[j] = newest[-1]
            self.behind_ns = max(self.behind_ns, int((newest - times).max()))

    def _settle(self) -> None:
        """Hands every frame of the heap to the series."""
        if not self._heap:
            return
        place = np.concatenate([p for p, _ in self._heap])
        both = _joined([column for _, column in self._heap])
        self._heap, self._waiting = [], 0
        order = np.argsort(place, kind="stable")
        edges = np.searchsorted(place[order], np.arange(len(self.names) + 1))
        for j, series in enumerate(self._series):
            column = both.take(order[edges[j] : edges[j + 1]])
            series.add(column if self._whole[j] else as_float(column))

    def series(self, name: str) -> Series:
        """The series of a signal, with everything said so far in it."""
        self._settle()
        return self._series[self.names.index(name)]

    def series_getter(self, name: str) -> Callable[[], Series]:
        """Gives that series when it is asked for."""
        return lambda: self.series(name)


def _columns(table: pa.Table, names: list[str], whole: np.ndarray, arrival: int) -> tuple[np.ndarray, Column]:
    """Which signal each row is, and the rows as a Column whose value is 64 bits: a whole number or a float64's."""
    words = table.column("signal").combine_chunks().dictionary_encode()
    found = [names.index(word) if word in names else -1 for word in words.dictionary.to_pylist()]
    if -1 in found:
        raise UnknownName("connect.opcua: signal", words.dictionary.to_pylist()[found.index(-1)], names)
    place = np.array(found, dtype=np.int64)[words.indices.to_numpy()] if found else np.zeros(0, dtype=np.int64)
    values, codes = table.column("value"), table.column("code")
    is_whole = whole[place]
    gap = np.where(is_whole, codes.is_null().to_numpy(), values.is_null().to_numpy())
    bits = np.where(is_whole, codes.fill_null(0).to_numpy(), values.fill_null(0.0).to_numpy().view(np.int64))
    n = table.column("n").fill_null(0).to_numpy()
    if len(n) and n.max() > 99:
        raise InputError("connect.opcua", f"{n.max() + 1} samples of one signal at one time", "up to 100")
    column = Column(
        table.column("t_ns").to_numpy(), n, bits, gap, table.column("quality").fill_null(0).to_numpy(),
        np.full(table.num_rows, arrival, dtype=np.int64),
    )
    return place, column


def as_float(column: Column) -> Column:
    """The column with its 64 bits read as float64."""
    return Column(column.t_ns, column.n, column.value.view(np.float64), column.gap, column.quality, column.arrival)


def _ordered(column: Column) -> bool:
    step, rank = np.diff(column.t_ns), np.diff(column.n)
    return bool(np.all((step > 0) | ((step == 0) & (rank >= 0))))


def _joined(columns: list[Column]) -> Column:
    if len(columns) == 1:
        return columns[0]
    return Column(*(np.concatenate([getattr(c, name) for c in columns]) for name in Column.__dataclass_fields__))


class Desk:
    """Answers HistoryRead from memories; has the methods of asyncua's HistoryManager that its server calls."""

    def __init__(self) -> None:
        self.nodes: dict[Any, tuple[Callable[[], Series], str]] = {}  # node id -> its series, its kind

    async def init(self) -> None:
        """Nothing to prepare."""

    async def stop(self) -> None:
        """Nothing to close."""

    async def read_history(self, params: Any) -> list[Any]:
        """The answers to ReadRaw, one a node. Source: OPC 10000-11 (1.05) 6.5.3."""
        if params.ReleaseContinuationPoints:
            ua = library().ua
            return [ua.HistoryReadResult() for _ in params.NodesToRead]
        return [self._answer(params, node) for node in params.NodesToRead]

    def update_history(self, params: Any) -> list[Any]:
        """Nobody may rewrite what a device has said."""
        ua = library().ua
        refusal = ua.StatusCode(ua.StatusCodes.BadNotWritable)
        return [ua.HistoryUpdateResult(StatusCode=refusal) for _ in params.HistoryUpdateDetails]

    def _answer(self, params: Any, node: Any) -> Any:
        ua = library().ua
        details, result = params.HistoryReadDetails, ua.HistoryReadResult()
        raw = isinstance(details, ua.ReadRawModifiedDetails) and not details.IsReadModified
        if not raw or node.NodeId not in self.nodes:
            result.StatusCode = ua.StatusCode(ua.StatusCodes.BadHistoryOperationUnsupported)
            return result
        point = node.ContinuationPoint or b""
        if point and len(point) != _POINT.size:
            result.StatusCode = ua.StatusCode(ua.StatusCodes.BadContinuationPointInvalid)
            return result
        series, kind = self.nodes[node.NodeId]
        count = min(details.NumValuesPerNode or PAGE, PAGE)
        start_ns, end_ns = _ns(details.StartTime), _ns(details.EndTime)
        column, result.ContinuationPoint = series().page(start_ns, end_ns, count, point)
        both = params.TimestampsToReturn in (ua.TimestampsToReturn.Both, ua.TimestampsToReturn.Server)
        body = struct.pack("<i", len(column.t_ns)) + encode(column, kind, both)
        result.HistoryData = ua.ExtensionObject(
            TypeId=ua.FourByteNodeId(ua.ObjectIds.HistoryData_Encoding_DefaultBinary), Body=body)
        if not len(column.t_ns):
            result.StatusCode = ua.StatusCode(ua.StatusCodes.GoodNoData)
        return result


def _ns(when: Any) -> int | None:
    """Nanoseconds since 1970 of asyncua's datetime; None for the earliest one, which means 'not given'."""
    ua = library().ua
    if when is None:
        return None
    ticks = ua.datetime_to_win_epoch(when)
    return (ticks - EPOCH_TICKS) * 100 if ticks else None
