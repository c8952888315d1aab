"""What an MTConnect agent of ours keeps: the newest observations, in columns, numbered."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from loopwright.connect.mtconnect.documents import Observations
from loopwright.connect.mtconnect.names import WHERE
from loopwright.core.errors import InputError
from loopwright.core.types import Kind

_TYPES: dict[str, Any] = {
    "sequence": np.int64, "item": np.int32, "t_ns": np.int64, "n": np.int32, "bits": np.int64, "gap": np.bool_,
}


class Buffer:
    """The newest observations in columns, at most `limit`, numbered from 1."""

    def __init__(self, limit: int, items: int) -> None:
        self.limit, self.last = limit, 0
        self._start = self._stop = 0
        self._room: dict[str, np.ndarray] = {name: np.empty(1024, dtype=kind) for name, kind in _TYPES.items()}
        self._latest = _nothing(items)

    @property
    def first(self) -> int:
        """The oldest number that is kept, or the next one when nothing is."""
        return int(self._room["sequence"][self._start]) if self._stop > self._start else self.last + 1

    def skip(self, count: int) -> None:
        """Numbers that are said and never shown."""
        self.last += count

    def add(self, rows: Observations) -> None:
        """Appends rows and numbers them."""
        count = len(rows.item)
        numbers = np.arange(self.last + 1, self.last + 1 + count)
        rows = Observations(numbers, rows.item, rows.t_ns, rows.n, rows.bits, rows.gap)
        self.last += count
        _note_latest(self._latest, rows)
        if count > self.limit:
            rows = rows.take(slice(-self.limit, None))
        self._make_room(len(rows.item))
        stop = self._stop + len(rows.item)
        for name, array in self._room.items():
            array[self._stop : stop] = getattr(rows, name)
        self._stop = stop
        self._start = max(self._start, stop - self.limit)

    def _make_room(self, count: int) -> None:
        """Space behind the last row: by moving what is kept to the front, into larger arrays where needed."""
        if self._stop + count <= len(self._room["item"]):
            return
        kept = self._stop - self._start
        size = max(1024, 2 * (kept + count))
        for name, array in self._room.items():
            new = np.empty(size, dtype=array.dtype)
            new[:kept] = array[self._start : self._stop]
            self._room[name] = new
        self._start, self._stop = 0, kept

    def _rows(self, start: int, stop: int) -> Observations:
        return Observations(*(self._room[name][start:stop] for name in _TYPES))

    def sample(self, first: int, count: int, wanted: np.ndarray) -> tuple[Observations, int]:
        """At most `count` rows from number `first` on, of the wanted items; and the number to ask for next."""
        numbers = self._room["sequence"][self._start : self._stop]
        start = self._start + int(np.searchsorted(numbers, first))
        if wanted.all():
            stop = min(self._stop, start + count)
            rows = self._rows(start, stop)
            return rows, (int(rows.sequence[-1]) if stop < self._stop else self.last) + 1
        hits = start + np.flatnonzero(wanted[self._room["item"][start : self._stop]])
        rows = self._rows(0, self._stop).take(hits[:count])
        return rows, int(rows.sequence[-1]) + 1 if len(hits) > count else self.last + 1

    def current(self, at: int | None, wanted: np.ndarray, started_ns: int) -> Observations:
        """The newest row of every wanted item (up to number `at`); one not heard yet is UNAVAILABLE since the start."""
        latest = self._latest
        if at is not None:
            numbers = self._room["sequence"][self._start : self._stop]
            latest = _nothing(len(latest.item))
            _note_latest(latest, self._rows(self._start, self._start + int(np.searchsorted(numbers, at, "right"))))
        heard = latest.sequence > 0
        every = np.arange(len(heard), dtype=np.int32)
        return Observations(
            np.where(heard, latest.sequence, 1), every, np.where(heard, latest.t_ns, started_ns), latest.n, latest.bits,
            ~heard | latest.gap).take(wanted)


def _nothing(items: int) -> Observations:
    """Nothing heard of any item: number 0."""
    return Observations(*(np.zeros(items, dtype=kind) for kind in _TYPES.values()))


def _note_latest(latest: Observations, rows: Observations) -> None:
    """Puts the last row of each item into its place."""
    items, place = np.unique(rows.item[::-1], return_index=True)
    for name in _TYPES:
        getattr(latest, name)[items] = getattr(rows, name)[::-1][place]


def observations(table: pa.Table, place: int, kind: Kind) -> Observations:
    """The rows of one thing; `place` is where its data items begin (its AVAILABILITY stands first)."""
    names = [signal.name for signal in kind.signals]
    words = table.column("signal").combine_chunks().dictionary_encode()
    for word in words.dictionary.to_pylist():
        kind.signal(word)
    index = np.array([names.index(word) for word in words.dictionary.to_pylist()], dtype=np.int64)
    signal = index[words.indices.to_numpy()] if len(index) else np.zeros(0, dtype=np.int64)
    whole = np.array([each.kind != "gauge" for each in kind.signals])[signal]
    quality = np.clip(table.column("quality").fill_null(0).to_numpy(), 0, 2).astype(np.int64)
    values, codes = table.column("value"), table.column("code")
    n = table.column("n").fill_null(0).to_numpy()
    if len(n) and n.max() > 99:
        raise InputError(WHERE, f"{n.max() + 1} samples of one signal at one time", "up to 100")
    return Observations(
        sequence=np.zeros(table.num_rows, dtype=np.int64),
        item=(place + 1 + quality * len(names) + signal).astype(np.int32),
        t_ns=table.column("t_ns").to_numpy(), n=n,
        bits=np.where(whole, codes.fill_null(0).to_numpy(), values.fill_null(0.0).to_numpy().view(np.int64)),
        gap=np.where(whole, codes.is_null().to_numpy(), values.is_null().to_numpy()))
