"""Stored rows as arrays by slot, and the rollup rows of every level that they give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import pyarrow as pa

from loopwright.core.types import Kind
from loopwright.store import rolling
from loopwright.store.catalogue import COUNTER, Catalogue, Ints, encoded
from loopwright.store.check import lists, numbers
from loopwright.store.levels import HOUR, LEVELS
from loopwright.store.read import Reader, View, Wanted
from loopwright.store.rolling import Rows, Runs, Samples
from loopwright.store.rollups import Names

POINT_COLUMNS = "t_ns, n, value, code, quality"
BLOCK_COLUMNS = "t_ns, n, dt_ns, values, quality"
_HOURS = 1 << 23  # more hours than int64 nanoseconds can name


@dataclass(frozen=True)
class Series:
    """What is declared, by slot.

    names    (thing, signal)
    levels   (slots, LEVELS) whether rollups are kept at that level
    counter  (slots,) whether it is a counter
    """

    names: Names
    levels: Any
    counter: Any

    @classmethod
    def of(cls, catalogue: Catalogue) -> Series:
        """As the catalogue says now."""
        kinds, names = catalogue.kinds, catalogue.names  # both are other objects, or longer, after a declaration
        held = _HELD.get(catalogue)
        if held and held[0] is kinds and held[1].names is names and len(held[1].counter) == len(names):
            return held[1]
        definition = catalogue.definitions()
        found = cls(names, catalogue.levels[definition], catalogue.column[definition] == COUNTER)
        _HELD[catalogue] = kinds, found
        return found


_HELD: WeakKeyDictionary[Catalogue, tuple[Mapping[str, Kind], Series]] = WeakKeyDictionary()


def samples_of(rows: pa.Table, slot: Ints, counter: Any) -> Samples:
    """Rows with the columns of points, put in order. slot, counter (rows,): whose each is, and whether that counts."""
    t_ns, n = (numbers(rows.column(name), np.int64)[0] for name in ("t_ns", "n"))
    value, has_value = numbers(rows.column("value"), np.float64)
    code, has_code = numbers(rows.column("code"), np.float64)
    if not has_value.all():
        value = np.where(has_value, value, code)
    found = Samples(slot, t_ns, n, value, has_value | has_code, rows.column("quality").to_numpy(), counter)
    order = in_order(slot, t_ns, n)
    return found if order is None else found.take(order)


def in_order(slot: Ints, t_ns: Ints, n: Ints) -> Ints | None:
    """How to sort rows by slot, t_ns, n, None: they are. Of equal ones the earlier row stays the earlier."""
    if len(slot) < 2:
        return None
    n_too = bool(n.any())
    if not n_too:
        same = slot[1:] == slot[:-1]
        if ((slot[1:] > slot[:-1]) | (same & (t_ns[1:] >= t_ns[:-1]))).all():
            return None
        span = int(t_ns.max()) - int(t_ns.min()) + 1
        if (int(slot.max()) + 1) * span < 2**63 and int(slot.min()) >= 0:
            return np.argsort(slot * span + (t_ns - t_ns.min()), kind="stable")
    return np.lexsort((n, t_ns, slot))


def runs_of(rows: pa.Table, slot: Ints, counter: Any) -> Runs:
    """Rows with the columns of blocks."""
    t_ns, n, dt_ns = (numbers(rows.column(name), np.int64)[0] for name in ("t_ns", "n", "dt_ns"))
    flat, starts, lengths = lists(rows.column("values"))
    return Runs(slot, t_ns, dt_ns, n, rows.column("quality").to_numpy(), flat, starts, lengths, counter)


def partials(series: Series, found: Samples | Runs, batch: int) -> Rows:
    """The rows of every level that is kept for these samples."""
    finest = np.where(series.levels.any(axis=1), series.levels.argmax(axis=1), -1)
    level = finest[found.slot]
    if (level < 0).any():
        found, level = found.take(level >= 0), level[level >= 0]
    if not len(level):
        return rolling.empty()
    if isinstance(found, Runs):
        rows = rolling.joined([
            rolling.fold_runs(found.take(level == at), LEVELS[at], batch) for at in np.unique(level).tolist()
        ])
    else:
        same = bool((level == level[0]).all())
        rows = rolling.fold(found, LEVELS[level[0]] if same else np.array(LEVELS)[level], batch)
    for at, step_ns in enumerate(LEVELS[1:], 1):
        own = series.levels[rows["slot"], at] & (rows["level"] == LEVELS[at - 1])
        if own.any():
            rows = rolling.joined([rows, rolling.coarser(rolling.take(rows, own), step_ns)])
    return rows


def hours(slot: Ints, t_ns: Ints) -> Ints:
    """(rows,) one number for the slot and the hour of each row."""
    return slot * _HOURS + t_ns // HOUR + _HOURS // 2


def of_hours(keys: Ints) -> tuple[Ints, Ints]:
    """Slot, and start of the hour, of each of those numbers."""
    return keys // _HOURS, (keys % _HOURS - _HOURS // 2) * HOUR


def without(rows: Rows, keys: Ints) -> Rows:
    """Rows that stand in none of these hours."""
    return rolling.take(rows, ~np.isin(hours(rows["slot"], rows["t_ns"]), keys)) if len(keys) else rows


def stored(
    reader: Reader, view: View, series: Series, slots: Ints, wanted: tuple[int | None, int | None],
) -> Samples | Runs:
    """The values in force of these slots, start <= t_ns < end (of a block: of its first sample), from one view."""
    names = [series.names[slot] for slot in slots.tolist()]
    things, signals = sorted({thing for thing, _ in names}), sorted({signal for _, signal in names})
    place = np.full((len(things) + 1, len(signals) + 1), -1)
    for (thing, signal), slot in zip(names, slots.tolist(), strict=True):
        place[things.index(thing), signals.index(signal)] = slot
    columns = BLOCK_COLUMNS if view.blocks else POINT_COLUMNS
    rows = reader.columns(view, Wanted(things, signals, *wanted), f"thing, signal, {columns}")
    slot = place[_places(rows.column("thing"), things), _places(rows.column("signal"), signals)]
    if (slot < 0).any():
        rows, slot = rows.filter(pa.array(slot >= 0)), slot[slot >= 0]
    counter = series.counter[slot]
    return runs_of(rows, slot, counter) if view.blocks else samples_of(rows, slot, counter)


def _places(column: pa.ChunkedArray, names: list[str]) -> Ints:
    distinct, index = encoded(column)
    place = {name: i for i, name in enumerate(names)}
    return np.array([*(place.get(name, len(names)) for name in distinct), len(names)], np.int64)[index]
