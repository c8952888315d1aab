"""How many operations a move would leave on their old machine in their old order. Compiled.

A search from an old plan on may be told to keep so many (`change.kept` says what is meant). Each move that it looks at
is counted on the machines concerned, along their sequences as they would be.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Sequence
from typing import Any

import numpy as np

from loopwright.make.search.graph import fast
from loopwright.make.turns import grow

# home, rank (operations,): the old machine (-1: none) and the turn there, equal for those that began together
# need, sum (1,): so many must be kept (0: nobody counts), and are; kept (machines,): on each; room: to count in
Stay = namedtuple("Stay", "home rank need sum kept room")


@fast
def count(x: Any, k: Any, begin: int, m: int, without: int, added: int, behind: int) -> int:
    """How many are kept on machine m, its sequence from `begin` on, without one and with one added behind another (-1:
    as the first; nobody is added: -1)."""
    n = 0
    if added >= 0 and behind < 0:
        n = grow(k, added, m, n)
    i = begin
    while i >= 0:
        if i != without:
            n = grow(k, i, m, n)
        if added >= 0 and i == behind:
            n = grow(k, added, m, n)
        i = x.after[i]
    return n


@fast
def begin_of(x: Any, o: int) -> int:
    """The first on the machine of o."""
    while x.before[o] >= 0:
        o = x.before[o]
    return o


@fast
def stays_turned(x: Any, k: Any, u: int, v: int, kind: int) -> bool:
    """Whether enough is kept with u right behind v (kind 0), or v right before u (kind 1)."""
    m, first = x.machine[u], begin_of(x, u)
    if kind == 0:
        now = count(x, k, first, m, u, u, v)
    else:
        now = count(x, k, first, m, v, v, x.before[u])
    return k.sum[0] - k.kept[m] + now >= k.need[0]


@fast
def stays_changed(x: Any, first: Any, k: Any, o: int, m: int, b: int) -> bool:
    """Whether enough is kept with o on another machine m, behind b."""
    old = x.machine[o]
    now = count(x, k, first[old], old, o, -1, -1) + count(x, k, first[m], m, -1, o, b)
    return k.sum[0] - k.kept[old] - k.kept[m] + now >= k.need[0]


@fast
def recount(x: Any, first: Any, k: Any, m: int) -> None:
    """Counts one machine anew."""
    k.sum[0] -= k.kept[m]
    k.kept[m] = count(x, k, first[m], m, -1, -1, -1)
    k.sum[0] += k.kept[m]


def stay_of(home: Sequence[int], rank: Sequence[int], machines: int, need: int) -> Stay:
    """What must be kept; nothing is counted yet."""
    return Stay(np.array(home, np.int32), np.array(rank, np.int64), np.array([need], np.int64), np.zeros(1, np.int64),
                np.zeros(machines, np.int64), np.zeros(len(home) + 1, np.int64))
