"""The sort by numbers gives what a sort by names gives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.core.types import BLOCKS, POINTS
from loopwright.store import sorting
from loopwright.store.catalogue import Catalogue
from loopwright.store.journal import Entry
from loopwright.store.keys import Keys, keys_of
from loopwright.store.points import STORED_BLOCKS, STORED_POINTS
from loopwright.store.samples import Series
from tests.store.plant import MILL, THINGS

TIMES = st.integers(-5, 5) | st.sampled_from([-(1 << 62), 1 << 62])
ROW = st.tuples(st.sampled_from(["mill-1", "mill-2"]), st.sampled_from(["spindle.speed", "parts", "mode"]), TIMES,
                st.integers(0, 2), st.none() | st.floats(0, 9), st.integers(0, 2))


def entry(number: int, rows: list[tuple], blocks: bool) -> Entry:  # type: ignore[type-arg]
    columns = list(zip(*rows, strict=True))
    table = {"thing": columns[0], "signal": columns[1], "t_ns": columns[2], "n": columns[3], "quality": columns[5],
             "known_ns": [number] * len(rows), "assumed": [False] * len(rows)}
    if blocks:
        table |= {"values": [[v or 0.0] * (1 + n) for v, n in zip(columns[4], columns[3], strict=True)],
                  "dt_ns": [1] * len(rows)}
        schema = pa.schema([*BLOCKS, ("n", pa.int32())])
    else:
        table |= {"value": columns[4], "code": [None] * len(rows)}
        schema = POINTS
    made = pa.table({name: pa.array(table[name], schema.field(name).type) for name in schema.names}, schema=schema)
    return Entry(number, "http", f"s{number % 2}", blocks, "", len(rows), made)


def stored_rows(entry: Entry) -> pa.Table:
    """An entry's rows with the columns of the Delta table."""
    columns = {name: entry.table.column(name) for name in entry.table.column_names}
    if entry.blocks:
        columns["samples"] = pa.array([len(values) for values in columns["values"].to_pylist()], pa.int32())
    for name, value in (("batch", entry.id), ("source", entry.source), ("correction", entry.correction)):
        columns[name] = pa.array([value] * entry.table.num_rows)
    schema = STORED_BLOCKS if entry.blocks else STORED_POINTS
    return pa.table([columns[name] for name in schema.names], schema=schema)


@pytest.mark.parametrize("blocks", [False, True])
@pytest.mark.parametrize("declared", [True, False])
@settings(deadline=None, max_examples=40)
@given(parts=st.lists(st.lists(ROW, min_size=1, max_size=12), min_size=1, max_size=4))
def test_rows_stand_in_the_order_of_names(blocks: bool, declared: bool, parts: list) -> None:  # type: ignore[type-arg]
    catalogue = Catalogue()
    catalogue.declare([MILL], THINGS)
    entries = [entry(i + 1, rows, blocks) for i, rows in enumerate(parts)]
    keys: list[Keys] = []
    for e in entries:
        slot, _ = catalogue.look_up(e.table)
        if not declared:  # somebody declared the kind without its counter meanwhile
            slot = np.where(pa.compute.equal(e.table.column("signal"), "parts").to_numpy(), -2, slot)
        keys.append(keys_of(e.table, slot, e.id, e.source))
    made = sorting.sort(entries, keys, Series.of(catalogue))
    schema = STORED_BLOCKS if blocks else STORED_POINTS
    order = [(name, "ascending") for name in ("thing", "signal", "t_ns", "n", "batch")]
    plain = pa.concat_tables([stored_rows(e) for e in entries])
    plain = plain.append_column("at", pa.array(range(plain.num_rows))).sort_by([*order, ("at", "ascending")])
    assert made.table.cast(schema).equals(plain.drop(["at"]))
    names = [(t, s) for t, s in zip(*(made.table.column(c).to_pylist() for c in ("thing", "signal")), strict=True)]
    assert all(slot < 0 or catalogue.names[slot] == name for slot, name in zip(made.slot.tolist(), names, strict=True))


def test_a_declaration_lays_the_series_out_anew() -> None:
    catalogue = Catalogue()
    catalogue.declare([MILL], THINGS)
    before = Series.of(catalogue)
    assert Series.of(catalogue) is before
    catalogue.declare([replace(MILL, signals=MILL.signals[::-1])], [])
    after = Series.of(catalogue)
    assert [after.names[i] for i in np.flatnonzero(after.counter)] == [("mill-1", "parts"), ("mill-2", "parts")]
    assert before.names[1] == after.names[3]
