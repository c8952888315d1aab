"""The tail: batches that the journal holds and the points do not, in memory, with their keys."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loopwright.store.catalogue import Catalogue, Ints
from loopwright.store.journal import Entry
from loopwright.store.keys import Keys
from loopwright.store.points import STORED_BLOCKS, STORED_POINTS


def stored_rows(entry: Entry) -> pa.Table:
    """A journal entry's rows with the columns of the Delta table."""
    rows = entry.table.num_rows
    columns = {name: entry.table.column(name) for name in entry.table.column_names}
    if entry.blocks:
        columns["samples"] = pc.list_value_length(columns["values"])
    columns |= {
        "batch": pa.repeat(pa.scalar(entry.id, pa.int64()), rows), "source": pa.repeat(entry.source, rows),
        "correction": pa.repeat(entry.correction, rows),
    }
    schema = STORED_BLOCKS if entry.blocks else STORED_POINTS
    return pa.table([columns[name].cast(schema.field(name).type) for name in schema.names], schema=schema)


class Tail:
    """Entries in the order in which they were accepted."""

    def __init__(self) -> None:
        self._entries: dict[int, tuple[Entry, Keys, int, int]] = {}
        self._rows: dict[int, pa.Table] = {}
        self.samples = 0

    def add(self, entry: Entry, keys: Keys) -> None:
        """Adds an entry whose rows have these keys."""
        self._entries[entry.id] = (entry, keys, int(keys.t_ns.min()), int(keys.t_ns.max()))
        self.samples += entry.samples

    def entries(self) -> list[Entry]:
        return [entry for entry, _, _, _ in self._entries.values()]

    def rows(self, blocks: bool, after: int) -> list[pa.Table]:
        """The rows of entries above `after`, with the columns of the Delta table."""
        found = []
        for number, (entry, _, _, _) in self._entries.items():
            if entry.blocks == blocks and number > after:
                if number not in self._rows:
                    self._rows[number] = stored_rows(entry)
                found.append(self._rows[number])
        return found

    def of(self, slots: Ints, blocks: bool, after: int, limits: tuple[int, int]) -> pa.Table:
        """Rows of these slots with limits[0] <= t_ns < limits[1], of entries above `after`, as in the Delta table."""
        schema = STORED_BLOCKS if blocks else STORED_POINTS
        parts, entries, sizes = [], [], []
        for number, (entry, keys, first, last) in self._entries.items():
            if entry.blocks != blocks or number <= after or last < limits[0] or first >= limits[1]:
                continue
            rows = keys.slot == slots[0] if len(slots) == 1 else np.isin(keys.slot, slots)
            rows &= (keys.t_ns >= limits[0]) & (keys.t_ns < limits[1])
            if rows.any():
                parts.append(entry.table.filter(pa.array(rows)))
                entries.append(entry)
                sizes.append(int(rows.sum()))
        if not parts:
            return schema.empty_table()
        table = pa.concat_tables(parts)
        columns = {name: table.column(name) for name in table.column_names}
        if blocks:
            columns["samples"] = pc.list_value_length(columns["values"])
        at = pa.array(np.repeat(np.arange(len(entries)), sizes))
        columns |= {
            "batch": pa.array([e.id for e in entries], pa.int64()).take(at),
            "source": pa.array([e.source for e in entries], pa.string()).take(at),
            "correction": pa.array([e.correction for e in entries], pa.string()).take(at),
        }
        return pa.table([columns[name].cast(schema.field(name).type) for name in schema.names], schema=schema)

    def keys(self, number: int) -> Keys:
        """The keys of the rows of an entry."""
        return self._entries[number][1]

    def drop(self, ids: Iterable[int]) -> None:
        """Forgets entries that stand in the points now."""
        for number in ids:
            self.samples -= self._entries.pop(number)[0].samples
            self._rows.pop(number, None)

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
