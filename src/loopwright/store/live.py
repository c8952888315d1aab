"""The newest value of every signal of the whole fleet, in arrays by slot. Rebuilt from the store on open."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from loopwright.core.types import POINTS
from loopwright.store.catalogue import Ints
from loopwright.store.check import lists, numbers
from loopwright.store.keys import NEVER

_FIELDS = {
    "t_ns": (np.int64, NEVER), "n": (np.int64, 0), "value": (np.float64, 0.0), "has_value": (bool, False), "code": (np.int64, 0),
    "has_code": (bool, False), "quality": (np.int8, 0), "known_ns": (np.int64, 0), "assumed": (bool, False),
    "flushed_t_ns": (np.int64, NEVER),
}


class Live:
    """t_ns (slots,) is the high-water mark of each signal, flushed_t_ns the one of what stands in the points."""

    def __init__(self) -> None:
        self._columns: dict[str, Any] = {name: np.full(0, fill, dtype) for name, (dtype, fill) in _FIELDS.items()}

    @property
    def t_ns(self) -> Ints:
        return self._columns["t_ns"]

    @property
    def flushed_t_ns(self) -> Ints:
        return self._columns["flushed_t_ns"]

    def resize(self, slots: int, moved: Ints | None = None) -> None:
        """Makes room for that many slots; moved (old slots,) says where each went (-1: nowhere)."""
        for name, (dtype, fill) in _FIELDS.items():
            old = self._columns[name]
            if moved is None and len(old) >= slots:
                continue
            new = np.full(slots if moved is not None else max(slots, 2 * len(old)), fill, dtype)
            if moved is None:
                new[:len(old)] = old
            else:
                new[moved[moved >= 0]] = old[:len(moved)][moved >= 0]
            self._columns[name] = new

    def update(self, table: pa.Table, slot: Ints, flushed: bool = False) -> None:
        """Takes in stored rows (POINTS or BLOCKS columns): the one with the highest t_ns, n of each signal counts."""
        if not len(slot):
            return
        rows = _last_of_blocks(table) if "values" in table.column_names else _columns(table)
        order = np.lexsort((np.arange(len(slot)), rows["n"], rows["t_ns"], slot))
        ends = order[np.append(slot[order][1:] != slot[order][:-1], True)]
        at = slot[ends]
        newer = (rows["t_ns"][ends] > self.t_ns[at]) | (
            (rows["t_ns"][ends] == self.t_ns[at]) & (rows["n"][ends] >= self._columns["n"][at]))
        for name, column in rows.items():
            self._columns[name][at[newer]] = column[ends[newer]]
        if flushed:
            self.mark_flushed(slot, rows["t_ns"])

    def mark_flushed(self, slot: Ints, t_ns: Ints) -> None:
        """Rows of these signals and times stand in the points now."""
        np.maximum.at(self.flushed_t_ns, slot, t_ns)

    def forget(self, slots: Ints) -> None:
        """Their values were erased."""
        for name, (_, fill) in _FIELDS.items():
            self._columns[name][slots] = fill

    def table(self, names: list[tuple[str, str]], slots: Ints) -> pa.Table:
        """POINTS rows of the newest value of these slots; signals without values are left out."""
        slots = slots[self.t_ns[slots] != NEVER]
        c = {name: column[slots] for name, column in self._columns.items()}
        return pa.table([
            pa.array([names[s][0] for s in slots.tolist()], pa.string()), pa.array([names[s][1] for s in slots.tolist()], pa.string()),
            c["t_ns"], c["n"].astype(np.int32), pa.array(c["value"], mask=~c["has_value"]), pa.array(c["code"], mask=~c["has_code"]),
            c["quality"], c["known_ns"], c["assumed"],
        ], schema=POINTS)


def _columns(table: pa.Table) -> dict[str, Any]:
    value, has_value = numbers(table.column("value"), np.float64)
    code, has_code = numbers(table.column("code"), np.int64)
    return {
        "t_ns": numbers(table.column("t_ns"), np.int64)[0], "n": numbers(table.column("n"), np.int64)[0], "value": value,
        "has_value": has_value, "code": code, "has_code": has_code, "quality": numbers(table.column("quality"), np.int8)[0],
        "known_ns": numbers(table.column("known_ns"), np.int64)[0], "assumed": table.column("assumed").to_numpy(),
    }


def _last_of_blocks(table: pa.Table) -> dict[str, Any]:
    """The last number of each block. Its time is that of the block's first sample, which is its key."""
    flat, starts, lengths = lists(table.column("values"))
    count = len(lengths)
    return {
        "t_ns": numbers(table.column("t_ns"), np.int64)[0], "n": numbers(table.column("n"), np.int64)[0],
        "value": flat[starts + lengths - 1], "has_value": np.ones(count, bool), "code": np.zeros(count, np.int64),
        "has_code": np.zeros(count, bool), "quality": numbers(table.column("quality"), np.int8)[0],
        "known_ns": numbers(table.column("known_ns"), np.int64)[0], "assumed": table.column("assumed").to_numpy(),
    }
