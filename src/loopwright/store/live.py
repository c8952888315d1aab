"""The newest value of every signal of the whole fleet, in arrays by slot. Rebuilt from the store on open."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from loopwright.core.types import POINTS
from loopwright.store.catalogue import Catalogue, Ints
from loopwright.store.check import lists, numbers
from loopwright.store.keys import NEVER

_FIELDS = {
    "t_ns": (np.int64, NEVER), "n": (np.int64, 0), "value": (np.float64, 0.0), "has_value": (bool, False),
    "code": (np.int64, 0), "has_code": (bool, False), "quality": (np.int8, 0), "known_ns": (np.int64, 0),
    "assumed": (bool, False), "shown_ns": (np.int64, NEVER), "flushed_t_ns": (np.int64, NEVER),
}


class Live:
    """t_ns (slots,) is the high-water mark of each signal, flushed_t_ns the one of what stands in the points.

    Of a block t_ns is its first sample's, which is its key; shown_ns is its last sample's, whose value is the newest.
    """

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
        rows = _columns(table)
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

    def save(self, path: Path, names: list[tuple[str, str]], flushed: tuple[int, int]) -> None:
        """Writes it all beside the points, as it is when they hold the journal up to `flushed` (points, blocks).

        On a disk that takes nothing the older file stays: the next open reads more of the points.
        """
        known = np.flatnonzero(self.t_ns[:len(names)] != NEVER)
        things, signals = zip(*(names[slot] for slot in known.tolist()), strict=True) if len(known) else ((), ())
        columns = {"thing": pa.array(things, pa.string()), "signal": pa.array(signals, pa.string())}
        table = pa.table(columns | {name: pa.array(column[known]) for name, column in self._columns.items()})
        table = table.replace_schema_metadata({"flushed": json.dumps(flushed)})
        part = path.with_suffix(".part")
        try:
            with pa.OSFile(str(part), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
                writer.write_table(table)
            part.replace(path)
        except OSError:
            with suppress(OSError):
                part.unlink()

    def restore(self, path: Path, catalogue: Catalogue) -> tuple[int, int]:
        """Reads what `save` wrote; (0, 0) when there is nothing that can be used: it is only a quicker way to open."""
        try:
            with pa.OSFile(str(path), "rb") as source:
                table = pa.ipc.open_file(source).read_all()
            flushed = json.loads((table.schema.metadata or {})[b"flushed"])
        except (OSError, pa.ArrowException, KeyError, ValueError):
            return 0, 0
        slot, _ = catalogue.look_up(table)
        for name in self._columns:
            self._columns[name][slot[slot >= 0]] = table.column(name).to_numpy()[slot >= 0]
        return flushed[0], flushed[1]

    def forget(self, slots: Ints) -> None:
        """Their values were erased."""
        for name, (_, fill) in _FIELDS.items():
            self._columns[name][slots] = fill

    def table(self, catalogue: Catalogue, slots: Ints) -> pa.Table:
        """POINTS rows of the newest value of these slots; signals without values are left out."""
        slots = slots[self.t_ns[slots] != NEVER]
        c = {name: column[slots] for name, column in self._columns.items()}
        return pa.table([
            *catalogue.texts(slots), c["shown_ns"], c["n"].astype(np.int32),
            pa.array(c["value"], mask=~c["has_value"]), pa.array(c["code"], mask=~c["has_code"]), c["quality"],
            c["known_ns"], c["assumed"],
        ], schema=POINTS)


def _columns(table: pa.Table) -> dict[str, Any]:
    """The newest-value columns of stored rows; of a block, those of its last number."""
    rows = {name: numbers(table.column(name), np.int64)[0] for name in ("t_ns", "n", "known_ns")}
    rows |= {"quality": numbers(table.column("quality"), np.int8)[0], "assumed": table.column("assumed").to_numpy()}
    if "values" in table.column_names:
        flat, starts, lengths = lists(table.column("values"))
        whole, none = np.ones(len(lengths), bool), np.zeros(len(lengths), np.int64)
        step = numbers(table.column("dt_ns"), np.int64)[0]
        rows |= {"value": flat[starts + lengths - 1], "has_value": whole, "code": none, "has_code": ~whole}
        return rows | {"shown_ns": rows["t_ns"] + (lengths - 1) * step}
    value, has_value = numbers(table.column("value"), np.float64)
    code, has_code = numbers(table.column("code"), np.int64)
    return rows | {"value": value, "has_value": has_value, "code": code, "has_code": has_code, "shown_ns": rows["t_ns"]}
