"""What came true: the outcomes that live predictions are scored against.

    outcomes = points_of(store)             the values of the store
    found = outcomes([Asked("mill-1", "s.velocity", due_ns)])        Asked -> Outcome, of those that are known

A task whose outcomes are no values (an inspection) brings a function of the same form.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loopwright.core.clock import NS_PER_S
from loopwright.core.types import BAD
from loopwright.store import Store

NEAR_NS, WITHIN_NS = 60 * NS_PER_S, 3600 * NS_PER_S  # an outcome is looked for so far back, first and at most


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
        there, found = declared(store), dict[Asked, Outcome]()
        groups: dict[tuple[str, int], list[Asked]] = {}
        for one in asked:
            if one.signal in there.get(one.about, ()):
                groups.setdefault((one.signal, one.due_ns // NEAR_NS), []).append(one)
        newest: dict[str, dict[str, int]] = {}
        for (signal, _), mine in groups.items():
            if signal not in newest:
                rows = store.newest(sorted({one.about for one in asked if one.signal == signal}), [signal])
                newest[signal] = dict(zip(rows.column("thing").to_pylist(), rows.column("t_ns").to_pylist(),
                                          strict=True))
            passed = [one for one in mine if newest[signal].get(one.about, -(2**63)) >= one.due_ns]
            for back_ns in (NEAR_NS, WITHIN_NS):  # a minute holds most of them, an hour of a fleet is much
                left = [one for one in passed if one not in found]
                if left:
                    found |= _looked_up(store, signal, left, back_ns)
        return found

    return outcomes


def _looked_up(store: Store, signal: str, asked: Sequence[Asked], back_ns: int) -> dict[Asked, Outcome]:
    """The last good value of each at or before its time, at most back_ns old."""
    due = [one.due_ns for one in asked]
    table = store.get(things=sorted({one.about for one in asked}), signals=[signal], start_ns=min(due) - back_ns,
                      end_ns=max(due) + 1)
    number = pc.coalesce(table.column("value"), table.column("code").cast(pa.float64()))
    table = table.select(["thing", "t_ns", "known_ns"]).append_column("number", number).filter(
        pc.and_(pc.less(table.column("quality"), BAD), pc.is_valid(number)))
    thing = table.column("thing").to_pylist()
    t_ns, known, value = (table.column(name).to_numpy() for name in ("t_ns", "known_ns", "number"))
    edges = [0, *(i for i in range(1, len(thing)) if thing[i] != thing[i - 1]), len(thing)]  # sorted by thing, time
    span = {thing[a]: (a, b) for a, b in pairwise(edges) if b > a}
    found = {}
    for one in asked:
        begin, end = span.get(one.about, (0, 0))
        at = begin + int(np.searchsorted(t_ns[begin:end], one.due_ns, side="right")) - 1
        if at >= begin and end > begin and one.due_ns - int(t_ns[at]) <= back_ns:
            found[one] = Outcome(float(value[at]), int(known[at]))
    return found
