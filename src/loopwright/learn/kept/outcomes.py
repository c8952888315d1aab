"""What came true: the outcomes that live predictions are scored against.

    outcomes = points_of(store)             the values of the store
    found = outcomes([Asked("mill-1", "s.velocity", due_ns)])        Asked -> Outcome, of those that are known

A task whose outcomes are no values (an inspection) brings a function of the same form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loopwright.core.clock import NS_PER_S
from loopwright.core.types import BAD
from loopwright.store import Store

NEAR_NS, WITHIN_NS = 60 * NS_PER_S, 3600 * NS_PER_S  # an outcome is looked for so far back, first and at most
MOST_NS = 6 * 3600 * NS_PER_S  # of one query
NEVER = -(2**63)


@dataclass(frozen=True)
class Asked:
    """What outcomes are asked for: the value of (about, signal) at due_ns."""

    about: str
    signal: str
    due_ns: int


@dataclass(frozen=True)
class Outcome:
    """What came true, and when that became known."""

    value: float
    known_ns: int


Outcomes = Callable[[Sequence[Asked]], Mapping[Asked, Outcome]]


def declared(store: Store) -> dict[str, set[str]]:
    """thing -> its signals."""
    signals = {name: {signal.name for signal in kind.signals} for name, kind in store.kinds().items()}
    return {name: signals[thing.kind] for name, thing in store.things().items()}


def points_of(store: Store) -> Outcomes:
    """Outcomes that are values of the store: the last good one at or before due_ns, not older than an hour, once one at
    or after due_ns has come (so that no later one can take its place)."""

    def outcomes(asked: Sequence[Asked]) -> dict[Asked, Outcome]:
        there = declared(store)
        mine = [one for one in asked if one.signal in there.get(one.about, ())]
        keys = list(dict.fromkeys((one.about, one.signal) for one in mine))
        place, newest = {key: i for i, key in enumerate(keys)}, newest_of(store, keys)
        passed = [one for one in mine if newest.get((one.about, one.signal), NEVER) >= one.due_ns]
        of = np.array([place[one.about, one.signal] for one in passed], dtype=np.int64)
        value, known = values_at(store, keys, of, np.array([one.due_ns for one in passed], dtype=np.int64))
        return {one: Outcome(v, k) for one, v, k in zip(passed, value.tolist(), known.tolist(), strict=True) if v == v}

    return outcomes


def newest_of(store: Store, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """(thing, signal) -> when its newest value was true, of those that were heard; one look at memory a signal."""
    found: dict[tuple[str, str], int] = {}
    by_signal: dict[str, list[str]] = {}
    for thing, signal in keys:
        by_signal.setdefault(signal, []).append(thing)
    for signal, things in by_signal.items():
        rows = store.newest(sorted(set(things)), [signal])
        for thing, t_ns in zip(rows.column("thing").to_pylist(), rows.column("t_ns").to_pylist(), strict=True):
            found[thing, signal] = t_ns
    return found


def values_at(
    store: Store, keys: Sequence[tuple[str, str]], of: np.ndarray, due_ns: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(values, when each became known), (n,) each: the last good value of key of[i] at or before due_ns[i], not older
    than an hour; NaN and 0 where there is none. Times near to each other are one query.

    keys  (thing, signal), declared ones
    """
    value, known = np.full(len(of), np.nan), np.zeros(len(of), dtype=np.int64)
    signals = np.array([signal for _, signal in keys], dtype=object)
    for signal in dict.fromkeys(signals[of].tolist()):
        mine = np.flatnonzero(signals[of] == signal)
        for back_ns in (NEAR_NS, WITHIN_NS):  # a minute holds most of them, an hour of a fleet is much
            left = mine[np.isnan(value[mine])]
            for at in _stretches(due_ns, left, back_ns):
                value[at], known[at] = _last(store, keys, of[at], due_ns[at], back_ns)
    return value, known


def _stretches(due_ns: np.ndarray, at: np.ndarray, back_ns: int) -> Iterator[np.ndarray]:
    """Places in the order of their times, parted where they lie farther apart than back_ns, at most MOST_NS long."""
    order = at[np.argsort(due_ns[at], kind="stable")]
    begin = 0
    times = due_ns[order]
    for i in range(1, len(order) + 1):
        if i == len(order) or times[i] - times[i - 1] > back_ns or times[i] - times[begin] > MOST_NS:
            yield order[begin:i]
            begin = i


def _last(
    store: Store, keys: Sequence[tuple[str, str]], of: np.ndarray, due_ns: np.ndarray, back_ns: int
) -> tuple[np.ndarray, np.ndarray]:
    """The last good value at or before each time, at most back_ns old; keys of one signal."""
    signal = keys[int(of[0])][1]
    things = sorted({keys[i][0] for i in np.unique(of).tolist()})
    table = store.get(things=things, signals=[signal], start_ns=int(due_ns.min()) - back_ns,
                      end_ns=int(due_ns.max()) + 1)
    number = pc.coalesce(table.column("value"), table.column("code").cast(pa.float64()))
    good = pc.and_(pc.less(table.column("quality"), BAD), pc.is_valid(number))
    table = table.select(["thing", "t_ns", "known_ns"]).append_column("number", number).filter(good)
    value, known = np.full(len(of), np.nan), np.zeros(len(of), dtype=np.int64)
    if not table.num_rows:
        return value, known
    row = pc.index_in(table.column("thing"), value_set=pa.array(things)).to_numpy().astype(np.int64)
    t_ns = table.column("t_ns").to_numpy()
    place = {thing: i for i, thing in enumerate(things)}
    asked = np.array([place.get(thing, -1) for thing, _ in keys], dtype=np.int64)[of]
    first, wide = int(t_ns.min()), int(max(t_ns.max(), due_ns.max())) - int(t_ns.min()) + 2
    if len(things) * wide >= 2**62:  # more things than one number can tell with their times
        half = len(things) // 2
        for part in (asked < half, asked >= half):
            value[part], known[part] = _last(store, keys, of[part], due_ns[part], back_ns)
        return value, known
    at = np.searchsorted(row * wide + (t_ns - first), asked * wide + np.maximum(due_ns - first, -1), side="right") - 1
    held = np.maximum(at, 0)
    good = (at >= 0) & (row[held] == asked) & (due_ns - t_ns[held] <= back_ns) & (due_ns >= t_ns[held])
    value[good] = table.column("number").to_numpy()[held[good]]
    known[good] = table.column("known_ns").to_numpy()[held[good]]
    return value, known
