"""How much of a plan another one keeps.

    kept(was, now)      operations on the same machine in the same order
    beside(was, now)    the stricter count: the same machine, right behind the same operation

was, now: (order, operation) -> slot. `was` holds the operations that are counted: those that had not begun and still
have to be done; `now` holds those and what is new beside them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from loopwright.core.types import Slot
from loopwright.make.shop import Key

Slots = Mapping[Key, Slot]


@dataclass(frozen=True)
class Terms:
    """What a new plan owes an old one: so many operations kept, and what each that is not kept costs; and which
    operations were struck: they cannot stand where they stood."""

    need: int
    weight: float
    struck: frozenset[Key] = frozenset()


def kept(was: Slots, now: Slots) -> set[Key]:
    """The operations that stay on their machine and belong to a largest set, for each machine, of which no two stand
    in another order than before.

    Those that start together, before or now, stand in either order. The set is a longest subsequence of old starts
    that never falls, in the new order. Source: C. Schensted, Longest increasing and decreasing subsequences (Canadian
    Journal of Mathematics 13, 1961), by patience sorting.
    """
    lines: dict[str, list[Key]] = defaultdict(list)
    for key, slot in was.items():
        if now[key].machine == slot.machine:
            lines[slot.machine].append(key)
    found: set[Key] = set()
    for line in lines.values():
        line.sort(key=lambda key: (now[key].start_s, was[key].start_s, key))
        found |= set(_never_falling(line, [was[key].start_s for key in line]))
    return found


def _never_falling(keys: list[Key], values: list[int]) -> list[Key]:
    """The keys of a longest subsequence of values that never falls."""
    ends: list[int] = []  # the least value in which a subsequence of each length can end, and which one that is
    which: list[int] = []
    before: list[int] = []
    for k, value in enumerate(values):
        at = bisect_right(ends, value)
        before.append(which[at - 1] if at else -1)
        if at == len(ends):
            ends.append(value)
            which.append(k)
        else:
            ends[at], which[at] = value, k
    found = []
    k = which[-1] if which else -1
    while k >= 0:
        found.append(keys[k])
        k = before[k]
    return found


def beside(was: Slots, now: Slots) -> set[Key]:
    """The operations that stay on their machine, with the same operation right before them there (or none).

    Looked at is what had not begun in both plans: what is new counts as a neighbour now.
    """
    first, second = _before(was), _before(now)
    return {key for key, slot in was.items() if now[key].machine == slot.machine and first[key] == second[key]}


def _before(slots: Slots) -> dict[Key, Key | None]:
    """What stands right before each operation on its machine."""
    found: dict[Key, Key | None] = {}
    last: dict[str, Key] = {}
    for key, slot in sorted(slots.items(), key=lambda item: (item[1].start_s, item[0])):
        found[key] = last.get(slot.machine)
        last[slot.machine] = key
    return found
