"""What may be stored: the declared kinds and things, laid out so that a batch is looked up without a loop over rows.

Every (thing, signal) has a slot, a small number; every (kind, signal) a definition. Arrays by slot or by definition
then answer for a batch in one step: `low[definition]`, `newest_t_ns[slot]`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loopwright.core.errors import UnknownName
from loopwright.core.types import Kind, Signal, Thing
from loopwright.store.levels import LEVELS, levels_of

GAUGE, COUNTER, STATE = 0, 1, 2
_COLUMN = {"gauge": GAUGE, "counter": COUNTER, "state": STATE}
UNKNOWN_THING, UNKNOWN_SIGNAL = -1, -2
Ints = np.ndarray[Any, np.dtype[np.int64]]
_FEW = 1000  # slots whose names are read one by one
_NONE: Ints = np.zeros(0, np.int64)


class Catalogue:
    """The tables of one plant.

    kinds, things        by name and by id
    names                slot -> (thing, signal); slots are only ever added, in declared order
    low, high            (D,) limits by definition, -inf and inf where there is none
    column               (D,) GAUGE, COUNTER or STATE
    fast                 (D,) kept as blocks
    width                (D,) numbers in one sample: 1, or 3 for shape (3,)
    levels               (D, LEVELS) whether rollups are kept at that level
    unrated              (D,) no rate was declared
    """

    def __init__(self) -> None:
        self.kinds: dict[str, Kind] = {}
        self.things: dict[str, Thing] = {}
        self.names: list[tuple[str, str]] = []
        self.dropped: Mapping[tuple[str, str], frozenset[int]] = {}  # levels without rows (store.sparse)
        self._index: dict[str, int] = {}  # thing id -> row of _base and _kind
        self._base: list[int] = []
        self._kind: list[int] = []
        self._placed = _NONE, _NONE  # the same two as arrays
        self._kind_index: dict[str, int] = {}
        none = pa.array([], pa.string())
        self._texts: tuple[list[tuple[str, str]], pa.Array, pa.Array] = (self.names, none, none)
        self._tables()

    def declare(self, kinds: Iterable[Kind], things: Iterable[Thing]) -> tuple[list[Kind], list[Thing], Ints | None]:
        """Adds or replaces kinds and things.

        returns  the kinds and the things that were new or changed, and where every old slot went when slots were
                 numbered anew (old slot -> new slot, -1: its signal is no longer declared), None when they stay
        Raises UnknownName when a thing is of a kind that is not declared.
        """
        new_kinds = [kind for kind in kinds if self.kinds.get(kind.name) != kind]
        anew = any(kind.name in self.kinds for kind in new_kinds)
        known = self.kinds | {kind.name: kind for kind in new_kinds}
        new_things = [thing for thing in things if self.things.get(thing.id) != thing]
        for thing in new_things:
            if thing.kind not in known:
                raise UnknownName(f"kind of thing {thing.id!r}", thing.kind, known)
            old = self.things.get(thing.id)
            anew = anew or (old is not None and old.kind != thing.kind)
        self.kinds = known
        self.things.update((thing.id, thing) for thing in new_things)
        if new_kinds:
            self._tables()
        if anew:
            return new_kinds, new_things, self._renumber()
        for thing in new_things:
            if thing.id not in self._index:
                self._place(thing)
        return new_kinds, new_things, None

    def look_up(self, table: pa.Table) -> tuple[Ints, Ints]:
        """(slot, definition), each (rows,), of every row by its thing and signal.

        A slot of UNKNOWN_THING or UNKNOWN_SIGNAL is not declared; its definition is then 0 and means nothing.
        """
        things, thing_at = encoded(table.column("thing"))
        signals, signal_at = encoded(table.column("signal"))
        index = np.fromiter((self._index.get(name, -1) for name in things), np.int64, len(things))
        column = np.fromiter((self._signal_index.get(name, -1) for name in signals), np.int64, len(signals))
        thing = np.where(thing_at >= 0, np.append(index, -1)[thing_at], -1)
        signal = np.where(signal_at >= 0, np.append(column, -1)[signal_at], -1)
        if not len(self._base) or not len(self._signal_index):
            return np.full(len(thing), UNKNOWN_THING, np.int64), np.zeros(len(thing), np.int64)
        bases, kinds = self._arrays()
        base, kind = bases[thing], kinds[thing]
        offset = np.where(signal >= 0, self._offset[kind, signal], -1)
        slot = np.where(offset >= 0, base + offset, UNKNOWN_SIGNAL)
        slot = np.where(thing >= 0, slot, UNKNOWN_THING)
        return slot, np.where(slot >= 0, self._first[kind] + offset, 0)

    def definitions(self) -> Ints:
        """(slots,) the definition of every slot."""
        if not self.names:
            return _NONE
        bases, kinds = self._arrays()
        widths = np.diff(np.append(bases, len(self.names)))
        return np.repeat(self._first[kinds] - bases, widths) + np.arange(len(self.names))

    def slots(self, things: Iterable[str] | None, signals: Iterable[str] | None) -> Ints:
        """The slots of these things (None: of all) and signals, in the order in which they were declared."""
        if things is None:
            slots = np.arange(len(self.names))
        else:
            rows = sorted(self._index[thing] for thing in set(things) if thing in self._index)
            widths = [len(kind.signals) for kind in self.kinds.values()]
            parts = [np.arange(self._base[row], self._base[row] + widths[self._kind[row]]) for row in rows]
            slots = np.concatenate(parts) if parts else np.zeros(0, np.int64)
        if signals is None:
            return slots
        wanted = pc.is_in(self.texts(slots)[1], pa.array(sorted(set(signals)), pa.string()))
        return slots[wanted.to_numpy(zero_copy_only=False)]

    def texts(self, slots: Ints) -> tuple[pa.Array, pa.Array]:
        """The things and the signals of these slots, two columns of texts; of many from columns that are kept."""
        if len(slots) < _FEW:
            pairs = [self.names[slot] for slot in slots.tolist()]
            return pa.array([p[0] for p in pairs], pa.string()), pa.array([p[1] for p in pairs], pa.string())
        if self._texts[0] is not self.names or len(self._texts[1]) != len(self.names):
            things, signals = zip(*self.names, strict=True)
            self._texts = self.names, pa.array(things, pa.string()), pa.array(signals, pa.string())
        taken = pa.array(slots)
        return self._texts[1].take(taken), self._texts[2].take(taken)

    def knows(self, found: pa.Table, things: Iterable[str] | None, signals: Iterable[str] | None) -> None:
        """Raises UnknownName for the first thing or signal asked for that is not declared, nor in the rows found."""
        for what, names, known in (("thing", things, self.things), ("signal", signals, self._signal_index)):
            strange = [name for name in names or () if name not in known]
            said = set(found.column(what).unique().to_pylist()) if strange else set()
            for name in strange:
                if name not in said:
                    raise UnknownName(what, name, known)

    def fast_of(self, signals: Iterable[str]) -> list[str]:
        """Those of the signals that are kept as blocks of single numbers."""
        flat = {s.name for kind in self.kinds.values() for s in kind.signals if s.fast and not s.shape}
        return [name for name in signals if name in flat]

    def knows_code(self, definition: Ints, code: Ints) -> Any:
        """(rows,) bool: whether the code stands in the table of codes of its state signal."""
        if not len(self._codes):
            return np.zeros(len(code), bool)
        wanted = definition * (1 << 32) + code
        at = np.minimum(np.searchsorted(self._codes, wanted), len(self._codes) - 1)
        return (self._codes[at] == wanted) & (code >= 0) & (code < (1 << 32))

    def signal(self, name: str) -> Signal:
        """A signal of that name of any kind (for its unit); UnknownName lists what there is."""
        for kind in self.kinds.values():
            for signal in kind.signals:
                if signal.name == name:
                    return signal
        raise UnknownName("signal", name, {s.name for kind in self.kinds.values() for s in kind.signals})

    def _tables(self) -> None:
        signals = sorted({s.name for kind in self.kinds.values() for s in kind.signals})
        self._signal_index = {name: i for i, name in enumerate(signals)}
        self._kind_index = {name: i for i, name in enumerate(self.kinds)}
        self._offset = np.full((max(1, len(self.kinds)), max(1, len(signals))), -1, np.int64)
        flat: list[Signal] = []
        first = []
        for row, kind in enumerate(self.kinds.values()):
            first.append(len(flat))
            for offset, s in enumerate(kind.signals):
                self._offset[row, self._signal_index[s.name]] = offset
            flat.extend(kind.signals)
        self._first = np.array(first or [0], np.int64)
        self.low = np.array([-np.inf if s.low is None else s.low for s in flat] or [0.0])
        self.high = np.array([np.inf if s.high is None else s.high for s in flat] or [0.0])
        self.column = np.array([_COLUMN[s.kind] for s in flat] or [0], np.int8)
        self.fast = np.array([s.fast for s in flat] or [False])
        self.unrated = np.array([s.rate_hz is None for s in flat] or [False])
        self.width = np.array([int(np.prod(s.shape)) if s.shape else 1 for s in flat] or [1], np.int64)
        none: list[list[bool]] = [[False] * len(LEVELS)]
        self.levels = np.array([[level in levels_of(s) for level in LEVELS] for s in flat] or none)
        codes = [i * (1 << 32) + code for i, s in enumerate(flat) if s.kind == "state" for code in s.codes]
        self._codes = np.array(sorted(codes), np.int64)

    def _arrays(self) -> tuple[Ints, Ints]:
        """First slot, and kind, of every thing (things,)."""
        if len(self._placed[0]) != len(self._base):
            self._placed = np.array(self._base, np.int64), np.array(self._kind, np.int64)
        return self._placed

    def _place(self, thing: Thing) -> None:
        kind = self.kinds[thing.kind]
        self._index[thing.id] = len(self._base)
        self._base.append(len(self.names))
        self._kind.append(self._kind_index[thing.kind])
        self.names.extend((thing.id, s.name) for s in kind.signals)

    def _renumber(self) -> Ints:
        old = self.names
        self.names, self._index, self._base, self._kind = [], {}, [], []
        self._placed = _NONE, _NONE
        for thing in self.things.values():
            self._place(thing)
        new = {name: slot for slot, name in enumerate(self.names)}
        return np.fromiter((new.get(name, -1) for name in old), np.int64, len(old))


def encoded(column: pa.ChunkedArray) -> tuple[list[Any], Ints]:
    """(distinct values, (rows,) index of each row's value, -1 where it is null) of a column."""
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0) if array.num_chunks else pa.array([], column.type)
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    indices = pc.fill_null(array.indices, -1).to_numpy(zero_copy_only=False)
    return array.dictionary.to_pylist(), indices.astype(np.int64)


def kind_as_dict(kind: Kind) -> dict[str, Any]:
    """A kind as plain data that JSON can hold."""
    return asdict(kind)


def kind_from_dict(data: dict[str, Any]) -> Kind:
    """The kind that `kind_as_dict` wrote."""
    signals = tuple(
        Signal(**{**s, "codes": {int(code): word for code, word in s["codes"].items()}, "shape": tuple(s["shape"])})
        for s in data["signals"]
    )
    return Kind(data["name"], data["meaning"], signals)
