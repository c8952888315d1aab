"""Entries of the journal as one sorted table, by numbers instead of names: what a flush writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loopwright.store.catalogue import Ints, encoded
from loopwright.store.journal import Entry
from loopwright.store.keys import Keys
from loopwright.store.points import STORED_BLOCKS, STORED_POINTS
from loopwright.store.rolling import Runs, Samples
from loopwright.store.samples import Series, in_order, runs_of, samples_of

_TAKEN = ("t_ns", "n", "value", "code", "quality", "known_ns", "assumed", "dt_ns", "values")


@dataclass(frozen=True)
class Sorted:
    """Rows of entries in the order of the Delta tables.

    table  the columns of STORED_POINTS or STORED_BLOCKS; thing, signal, source and correction dictionary-coded
    slot   (rows,) of each row, below 0: its signal is no longer declared
    entry  (rows,) of which entry each row is
    """

    table: pa.Table
    slot: Ints
    entry: Ints

    def samples(self, series: Series, entries: Sequence[bool]) -> Samples | Runs:
        """The rows of the entries that are wanted, for folding. entries: whether each is."""
        which = (self.slot >= 0) & np.array(entries)[self.entry]
        table, slot = self.table, self.slot
        if not which.all():
            table, slot = table.filter(pa.array(which)), slot[which]
        make = runs_of if "values" in table.column_names else samples_of
        return make(table, slot, series.counter[slot])


def sort(entries: Sequence[Entry], keys: Sequence[Keys], series: Series) -> Sorted:
    """The rows of these entries (all points, or all blocks) by thing, signal, t_ns, n and batch."""
    slot, t_ns, n = (np.concatenate([getattr(k, name) for k in keys]) for name in ("slot", "t_ns", "n"))
    entry = np.repeat(np.arange(len(entries)), [len(k.slot) for k in keys])
    rank, names = _ranks(entries, slot, series)
    columns = [name for name in _TAKEN if name in entries[0].table.column_names]
    rows = pa.concat_tables([e.table.select(columns) for e in entries]).combine_chunks()
    order = in_order(rank, t_ns, n)
    if order is not None:
        rows, rank, slot, entry = rows.take(pa.array(order)), rank[order], slot[order], entry[order]
    blocks = entries[0].blocks
    parts = {name: rows.column(name) for name in columns}
    parts |= {name: _coded(rank, [pair[i] for pair in names]) for i, name in enumerate(("thing", "signal"))}
    parts |= {
        "batch": pa.array(np.array([e.id for e in entries])[entry]),
        "source": _coded(entry, [e.source for e in entries]),
        "correction": _coded(entry, [e.correction for e in entries]),
    }
    if blocks:
        parts["samples"] = pc.list_value_length(parts["values"])
    schema = STORED_BLOCKS if blocks else STORED_POINTS
    return Sorted(pa.table([parts[name] for name in schema.names], names=schema.names), slot, entry)


def _ranks(entries: Sequence[Entry], slot: Ints, series: Series) -> tuple[Ints, list[tuple[str, str]]]:
    """(rows,) the place of each row's series in order of name, and the names in that order."""
    if int(slot.min(initial=0)) >= 0:
        used = np.flatnonzero(np.bincount(slot, minlength=1))
        pairs = [series.names[at] for at in used.tolist()]
        row = slot
    else:  # somebody declared other signals meanwhile: by the names in the rows
        (things, thing), (signals, signal) = (
            encoded(pa.chunked_array([c for e in entries for c in e.table.column(name).chunks], pa.string()))
            for name in ("thing", "signal")
        )
        row = thing * len(signals) + signal
        used = np.unique(row)
        pairs = [(things[at // len(signals)], signals[at % len(signals)]) for at in used.tolist()]
    order = sorted(range(len(pairs)), key=pairs.__getitem__)
    rank = np.zeros(int(used[-1]) + 1 if len(used) else 1, np.int64)
    rank[used[order]] = np.arange(len(order))
    return rank[row], [pairs[at] for at in order]


def _coded(index: Ints, texts: list[str]) -> Any:
    """(rows,) a text a row, as a dictionary without repeats."""
    distinct = pa.array(texts, pa.string()).dictionary_encode()
    return pa.DictionaryArray.from_arrays(distinct.indices.take(pa.array(index)), distinct.dictionary)
