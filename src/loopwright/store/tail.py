"""The tail: batches that the journal holds and the points do not, in memory, with their keys."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loopwright.store.catalogue import Catalogue, Ints
from loopwright.store.journal import Entry
from loopwright.store.keys import Keys
from loopwright.store.points import STORED_BLOCKS, STORED_POINTS

_SEGMENTS = 8  # more of them are made one


@dataclass(frozen=True)
class Segment:
    """Rows of several entries one after another, all points or all blocks: slot, t_ns, batch (rows,)."""

    ids: tuple[int, ...]
    table: pa.Table
    slot: Ints
    t_ns: Ints
    batch: Ints


def _segment(entries: list[tuple[Entry, Keys]]) -> Segment:
    blocks = entries[0][0].blocks
    schema = STORED_BLOCKS if blocks else STORED_POINTS
    table = pa.concat_tables([entry.table for entry, _ in entries])
    columns = {name: table.column(name) for name in table.column_names}
    if blocks:
        columns["samples"] = pc.list_value_length(columns["values"])
    at = pa.array(np.repeat(np.arange(len(entries)), [entry.table.num_rows for entry, _ in entries]))
    columns |= {
        "batch": pa.array([e.id for e, _ in entries], pa.int64()).take(at),
        "source": pa.array([e.source for e, _ in entries], pa.string()).take(at),
        "correction": pa.array([e.correction for e, _ in entries], pa.string()).take(at),
    }
    table = pa.table([columns[name].cast(schema.field(name).type) for name in schema.names], schema=schema)
    slot, t_ns = (np.concatenate([getattr(keys, name) for _, keys in entries]) for name in ("slot", "t_ns"))
    return Segment(
        tuple(e.id for e, _ in entries), table.combine_chunks(), slot, t_ns, table.column("batch").to_numpy())


class Tail:
    """Entries in the order in which they were accepted."""

    def __init__(self) -> None:
        self._entries: dict[int, tuple[Entry, Keys, int, int]] = {}
        self._segments: dict[bool, list[Segment]] = {False: [], True: []}
        self.samples = 0

    def add(self, entry: Entry, keys: Keys) -> None:
        """Adds an entry whose rows have these keys."""
        self._entries[entry.id] = (entry, keys, int(keys.t_ns.min()), int(keys.t_ns.max()))
        self.samples += entry.samples

    def entries(self) -> list[Entry]:
        return [entry for entry, _, _, _ in self._entries.values()]

    def rows(self, blocks: bool, after: int) -> list[pa.Table]:
        """The rows of entries above `after`, with the columns of the Delta table."""
        self._pack(blocks)
        return [
            segment.table if segment.ids[0] > after else segment.table.filter(pa.array(segment.batch > after))
            for segment in self._segments[blocks] if segment.ids[-1] > after
        ]

    def of(self, slots: Ints, blocks: bool, after: int, limits: tuple[int, int]) -> pa.Table:
        """Rows of these slots with limits[0] <= t_ns < limits[1], of entries above `after`, as in the Delta table."""
        self._pack(blocks)
        parts = [STORED_BLOCKS.empty_table() if blocks else STORED_POINTS.empty_table()]
        for segment in self._segments[blocks]:
            rows = segment.slot == slots[0] if len(slots) == 1 else np.isin(segment.slot, slots)
            rows &= (segment.t_ns >= limits[0]) & (segment.t_ns < limits[1]) & (segment.batch > after)
            if rows.any():
                parts.append(segment.table.take(pa.array(np.flatnonzero(rows))))
        return pa.concat_tables(parts)

    def _pack(self, blocks: bool) -> None:
        """Lays what came since the last time into one more segment: to look into many small entries takes long."""
        segments = self._segments[blocks]
        packed = {number for segment in segments for number in segment.ids}
        new = {number for number, (entry, *_) in self._entries.items() if entry.blocks == blocks} - packed
        if len(segments) >= _SEGMENTS:
            new, segments = new | packed, []
        if new:
            segments = [*segments, _segment([row[:2] for number, row in self._entries.items() if number in new])]
        self._segments[blocks] = segments

    def _unpack(self, ids: Iterable[int]) -> None:
        gone = set(ids)
        for blocks, segments in self._segments.items():
            self._segments[blocks] = [segment for segment in segments if gone.isdisjoint(segment.ids)]

    def keys(self, number: int) -> Keys:
        """The keys of the rows of an entry."""
        return self._entries[number][1]

    def drop(self, ids: Iterable[int]) -> None:
        """Forgets entries that stand in the points now."""
        ids = list(ids)
        self._unpack(ids)
        for number in ids:
            self.samples -= self._entries.pop(number)[0].samples

    def replace(self, entry: Entry, rest: Any) -> None:
        """Puts an entry, of whose rows only `rest` (a mask) are left, in the place of the one it was."""
        keys = self._entries[entry.id][1].take(rest)
        self.drop([entry.id])
        if entry.samples:
            self.add(entry, keys)
            self._entries = dict(sorted(self._entries.items()))

    def renumber(self, catalogue: Catalogue) -> None:
        """Slots have changed."""
        old = [(entry, keys) for entry, keys, _, _ in self._entries.values()]
        self._unpack(self._entries)
        self._entries.clear()
        self.samples = 0
        for entry, keys in old:
            slot, _ = catalogue.look_up(entry.table)
            self.add(entry, Keys(slot, keys.t_ns, keys.n, keys.value, keys.batch, keys.source))

    def find(self, wanted: Keys, blocks: bool) -> list[Keys]:
        """Stored rows with the signals and times of `wanted`."""
        if not len(wanted.t_ns):
            return []
        low, high = int(wanted.t_ns.min()), int(wanted.t_ns.max())
        times = np.unique(wanted.t_ns)
        found = []
        for entry, keys, first, last in self._entries.values():
            if entry.blocks != blocks or last < low or first > high:
                continue
            at = np.minimum(np.searchsorted(times, keys.t_ns), len(times) - 1)
            rows = times[at] == keys.t_ns
            if rows.any():
                found.append(keys.take(rows))
        return found
