"""Which rows are new by key (thing, signal, t_ns, n). Equal value: duplicate. Other value: conflict, both are kept."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa

from loopwright.store.catalogue import Ints
from loopwright.store.check import lists, numbers

GAP = np.iinfo(np.int64).min  # the identity of a gap; no gauge has it (-0.0 is made 0.0) and no counter reaches it
NEVER = np.iinfo(np.int64).min  # the high-water mark of a signal without values


@dataclass(frozen=True)
class Keys:
    """Rows by key and identity of their value, each (rows,) int64. batch orders versions; source: whose they are."""

    slot: Ints
    t_ns: Ints
    n: Ints
    value: Ints
    batch: Ints
    source: Any  # (rows,) of object: names of sources

    def take(self, rows: Any) -> Keys:
        return Keys(
            self.slot[rows], self.t_ns[rows], self.n[rows], self.value[rows], self.batch[rows], self.source[rows]
        )


@dataclass(frozen=True)
class Settled:
    """What the keys say, each (rows,): kept is to be stored (with this n), the others are duplicates.

    conflict  kept beside another value of the same key
    again     duplicate of a row that the same source brought before
    """

    kept: Any
    n: Ints
    conflict: Any
    again: Any


def keys_of(table: pa.Table, slot: Ints, batch: int, source: str) -> Keys:
    """The keys of stored rows or of a batch about to be."""
    n = numbers(table.column("n"), np.int64)[0] if "n" in table.column_names else np.zeros(len(slot), np.int64)
    names = np.broadcast_to(np.array(source, object), len(slot))  # one string, no copies
    batches = np.broadcast_to(np.int64(batch), len(slot))
    return Keys(slot, numbers(table.column("t_ns"), np.int64)[0], n, identity(table), batches, names)


def joined(parts: list[Keys]) -> Keys:
    """All of them, one after another."""
    if not parts:
        none = np.zeros(0, np.int64)
        return Keys(none, none, none, none, none, np.zeros(0, object))
    return Keys(*(np.concatenate(columns) for columns in zip(*(vars(p).values() for p in parts), strict=True)))


def identity(table: pa.Table) -> Ints:
    """(rows,) int64 that is equal exactly when the values are (for blocks: their 64-bit hash)."""
    if "values" in table.column_names:
        flat, starts, lengths = lists(table.column("values"))
        raw = flat.astype(np.float32).tobytes()
        step = numbers(table.column("dt_ns"), np.int64)[0]
        rows = zip(starts.tolist(), lengths.tolist(), step.tolist(), strict=True)
        return np.array([_hash(raw[4 * start:4 * (start + size)], dt) for start, size, dt in rows], np.int64)
    value, has_value = numbers(table.column("value"), np.float64)
    code, has_code = numbers(table.column("code"), np.int64)
    return np.where(has_value, (value + 0.0).view(np.int64), np.where(has_code, code, GAP))


def _hash(values: bytes, dt_ns: int) -> int:
    digest = blake2b(values + dt_ns.to_bytes(8, "little"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def in_order(keys: Keys, newest_t_ns: Ints) -> bool:
    """Whether every row is above its signal's high-water mark and above the rows before it: nothing late, all new."""
    if (keys.t_ns <= newest_t_ns[keys.slot]).any():
        return False
    order = np.argsort(_short(keys.slot), kind="stable")
    slot, t_ns = keys.slot[order], keys.t_ns[order]
    return not ((slot[1:] == slot[:-1]) & (t_ns[1:] <= t_ns[:-1])).any()


def _short(slot: Ints) -> Any:
    """The same numbers in 16 bits where they fit: NumPy then sorts them by radix, ten times quicker."""
    return slot.astype(np.uint16) if len(slot) and slot.max() < 65_536 else slot


def surely_new(keys: Keys, newest_t_ns: Ints) -> bool:
    """Whether no row can be known already: all above their signal's high-water mark, no key twice in the batch."""
    if (keys.t_ns <= newest_t_ns[keys.slot]).any():
        return False
    order = np.lexsort((keys.t_ns, keys.slot))
    slot, t_ns = keys.slot[order], keys.t_ns[order]
    return not ((slot[1:] == slot[:-1]) & (t_ns[1:] == t_ns[:-1])).any()


def all_new(keys: Keys) -> Settled:
    """Every row kept as it is."""
    none = np.zeros(len(keys.slot), bool)
    return Settled(np.ones(len(keys.slot), bool), keys.n, none, none)


def settle(keys: Keys, stored: Keys) -> Settled:
    """Compares the rows of a batch with each other and with stored rows of the same signals and times."""
    count = len(keys.slot)
    both = Keys(
        *(np.concatenate((old, new)) for old, new in zip(vars(stored).values(), vars(keys).values(), strict=True))
    )
    arrival = np.arange(len(both.slot)) - len(stored.slot)  # stored rows are negative: before the batch
    order = np.lexsort((arrival, both.value, both.n, both.t_ns, both.slot))
    same_time = _same(both.slot[order], both.t_ns[order])
    same_key = same_time & _same(both.n[order])
    same = same_key & _same(both.value[order])
    kept, conflict, again = np.ones(count, bool), np.zeros(count, bool), np.zeros(count, bool)
    first = np.maximum.accumulate(np.where(same, 0, np.arange(len(order))))  # where a run of equal rows begins
    row, origin = arrival[order], order[first]
    twin = same & (row >= 0)
    kept[row[twin]] = False
    again[row[twin]] = (origin[twin] < len(stored.slot)) & (both.source[origin[twin]] == both.source[order[twin]])
    if (same_key & ~same).any():
        group = np.cumsum(~same_time) - 1
        touched = np.isin(group, group[same_key & ~same])
        n = _resolve(both, order[touched], group[touched], len(stored.slot), (kept, conflict, again))
        return Settled(kept, n, conflict, again)
    return Settled(kept, keys.n, conflict, again)


def settle_correction(keys: Keys, stored: Keys) -> Settled:
    """As `settle`, for a batch that may replace: its last row of a key is kept unless its value is in force."""
    count = len(keys.slot)
    kept, none = np.ones(count, bool), np.zeros(count, bool)
    force: dict[tuple[int, int, int], tuple[int, int]] = {}
    for slot, t_ns, n, value, batch in zip(
        *(vars(stored)[f].tolist() for f in ("slot", "t_ns", "n", "value", "batch")), strict=True
    ):
        if batch >= force.get((slot, t_ns, n), (0, 0))[0]:
            force[slot, t_ns, n] = (batch, value)
    last: dict[tuple[int, int, int], int] = {}
    for row, (slot, t_ns, n, value) in enumerate(
        zip(keys.slot.tolist(), keys.t_ns.tolist(), keys.n.tolist(), keys.value.tolist(), strict=True)
    ):
        if (slot, t_ns, n) in last:
            kept[last[slot, t_ns, n]] = False
        last[slot, t_ns, n] = row
        kept[row] = force.get((slot, t_ns, n), (0, None))[1] != value
    return Settled(kept, keys.n, none, none)


def last_of_key(keys: Keys) -> Settled:
    """As `settle_correction`, for a batch that its numbers tell from a repeat: the last row of each key is kept, also
    where only its quality is another."""
    order = np.lexsort((np.arange(len(keys.slot)), keys.n, keys.t_ns, keys.slot))
    again = _same(keys.slot[order], keys.t_ns[order], keys.n[order])
    kept, none = np.ones(len(keys.slot), bool), np.zeros(len(keys.slot), bool)
    kept[order[:-1][again[1:]]] = False
    return Settled(kept, keys.n, none, none)


def late(keys: Keys, newest_t_ns: Ints) -> Any:
    """(rows,) bool: t_ns is below its signal's highest when it arrived, rows of the same batch before it included."""
    order = np.argsort(keys.slot, kind="stable")
    slot, t_ns = keys.slot[order], keys.t_ns[order]
    rank = np.unique(np.concatenate((t_ns, newest_t_ns[slot])), return_inverse=True)[1]
    own, before = rank[:len(slot)].astype(np.int64), rank[len(slot):].astype(np.int64)
    shift = np.cumsum(~_same(slot)) * (len(rank) + 1)  # so that a running maximum starts anew with each signal
    highest = np.maximum.accumulate(np.maximum(own, before) + shift)
    result = np.zeros(len(slot), bool)
    result[order] = own + shift < highest
    return result


def _same(*columns: Any) -> Any:
    """(rows,) bool: equal to the row before in every column."""
    equal = np.ones(len(columns[0]), bool)
    equal[:1] = False
    for column in columns:
        equal[1:] &= column[1:] == column[:-1]
    return equal


def _resolve(both: Keys, rows: Ints, group: Ints, stored: int, marks: tuple[Any, Any, Any]) -> Ints:
    """Gives conflicting rows an n of their own, in the order in which they came. Conflicts are rare: a plain loop.

    returns n (rows of the batch,); marks (kept, conflict, again) are changed in place
    """
    kept, conflict, again = marks
    n = both.n[stored:].copy()
    arrival = np.lexsort((rows, group))
    taken: dict[int, dict[int, int]] = {}  # group -> n -> value
    whose: dict[tuple[int, int], str] = {}
    for row, g in zip(rows[arrival].tolist(), group[arrival].tolist(), strict=True):
        here = taken.setdefault(g, {})
        own, value, at = int(both.n[row]), int(both.value[row]), row - stored
        if row < stored:
            here[own] = value
            whose[g, value] = both.source[row]
            continue
        if not kept[at]:
            continue
        if own in here and value in here.values():
            kept[at] = False
            again[at] = whose.get((g, value)) == both.source[row]
            continue
        if own in here:
            own = max(here) + 1
            n[at], conflict[at] = own, True
        here[own] = value
    return n
