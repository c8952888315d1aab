"""Moves of the search for any shop: which operation goes earlier, to another machine, or to others of its setup.

Compiled. A move takes one operation to another place of the order, or to another machine. Mostly it is one that makes
the plan cost what it does: a late job is drawn, and from its end the way is gone back along what was waited for.
Source: the idea of critical operations from E. Nowicki, C. Smutnicki (Management Science 42, 1996), carried over to
total weighted tardiness by R. Braune, G. Zaepfel, M. Affenzeller (Computers & Operations Research 39, 2012).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from loopwright.make.anneal.decode import NEVER, ready
from loopwright.make.compiled import fast

# what a move did: place before, place after, operation, way before, hold before
FROM, TO, WHAT, WAY, HOLD = range(5)


@fast
def draw(r: Any, count: int) -> int:
    """A number from 0 to count - 1. Source: G. Marsaglia, Xorshift RNGs (Journal of Statistical Software 8, 2003)."""
    n = r[0]
    n ^= n << np.uint64(13)
    n ^= n >> np.uint64(7)
    n ^= n << np.uint64(17)
    r[0] = n
    return int(n >> np.uint64(33)) % count


@fast
def shift(order: Any, x: Any, a: int, b: int) -> None:
    """Takes what stands at place a to place b; those between move up."""
    o = order[a]
    step = 1 if b > a else -1
    while a != b:
        order[a] = order[a + step]
        x.place[order[a]] = a
        a += step
    order[b] = o
    x.place[o] = b


@fast
def lowest(f: Any, x: Any, o: int) -> int:
    """The first place that o can have behind what it waits for."""
    low = 0
    for k in range(f.pre_at[o], f.pre_at[o + 1]):
        low = max(low, x.place[f.pre[k]] + 1)
    return low


@fast
def highest(f: Any, x: Any, o: int, last: int) -> int:
    """The last place that o can have before what waits for it."""
    for k in range(f.suc_at[o], f.suc_at[o + 1]):
        if not f.fixed[f.suc[k]]:
            last = min(last, x.place[f.suc[k]] - 1)
    return last


@fast
def lateness_of(f: Any, x: Any, j: int) -> int:
    """Seconds by which a job is late; 0 or less: it is not."""
    last = -NEVER
    for k in range(f.sink_at[j], f.sink_at[j + 1]):
        last = max(last, x.end[f.sink[k]] - f.due[j])
    return last


@fast
def late_job(f: Any, x: Any, r: Any) -> int:
    """The last operation of the costliest of some late jobs drawn; -1: no late one was drawn."""
    chosen, most, late = -1, 0.0, 0
    for _ in range(24):
        if late == 3:
            break
        j = draw(r, len(f.due))
        late += lateness_of(f, x, j) > 0
        for k in range(f.sink_at[j], f.sink_at[j + 1]):
            o = f.sink[k]
            cost = f.weight[j] * (x.end[o] - f.due[j])
            if cost > most:
                chosen, most = o, cost
    return chosen


@fast
def last_one(order: Any, x: Any, marks: Any, every: int) -> int:
    """The operation that ends last of all."""
    for mark in range(len(marks.peak)):
        if marks.peak[mark] == marks.rest[0]:
            for at in range(mark * every, min(len(order), (mark + 1) * every)):
                if x.end[order[at]] == marks.rest[0]:
                    return order[at]
    return order[0]


@fast
def costly(f: Any, x: Any, order: Any, way: Any, w: Any, marks: Any, every: int, r: Any) -> int:
    """An operation that has to do with what the plan costs."""
    o = -1
    if w[1] > 0 and (w[0] == 0 or draw(r, 2) == 0):
        o = late_job(f, x, r)
    elif w[0] > 0:
        o = last_one(order, x, marks, every)
    if o < 0:
        return order[draw(r, len(order))]
    for _ in range(30):
        if f.fixed[o]:
            return order[draw(r, len(order))]
        waits = x.prev[o] >= 0 and x.start[o] > ready(f, x, o, f.way_s[way[o]])
        if waits and draw(r, 3) == 0:
            return o
        following = x.prev[o] if waits else -1
        if not waits or draw(r, 3) == 0:
            latest = -1
            for k in range(f.pre_at[o], f.pre_at[o + 1]):
                if x.end[f.pre[k]] > latest:
                    latest, following = x.end[f.pre[k]], f.pre[k]
        if following < 0 or f.fixed[following]:
            return o
        o = following
    return o


@fast
def earlier(f: Any, x: Any, o: int, r: Any) -> int:
    """The place of one of those before o on its machine."""
    i = o
    for _ in range(1 + draw(r, 1 + draw(r, 8))):
        if x.prev[i] < 0:
            break
        i = x.prev[i]
    return x.place[i]


@fast
def alike(f: Any, x: Any, order: Any, way: Any, o: int, r: Any) -> int:
    """The place beside one with the same setup on the same machine; -1: none was met."""
    for _ in range(30):
        i = order[draw(r, len(order))]
        if i != o and f.way_state[way[i]] == f.way_state[way[o]] and f.way_machine[way[i]] == f.way_machine[way[o]]:
            return x.place[i] + (x.place[i] < x.place[o])
    return -1


@fast
def wait_for_batch(f: Any, x: Any, order: Any, way: Any, hold: Any, o: int, r: Any) -> None:
    """o waits until another of its batch can go along; or no longer."""
    hold[o] = 0
    for _ in range(20):
        i = order[draw(r, len(order))]
        if i != o and f.batch[i] == f.batch[o]:
            hold[o] = ready(f, x, i, f.way_s[way[o]])
            return


@fast
def move(f: Any, x: Any, order: Any, way: Any, hold: Any, w: Any, marks: Any, every: int, r: Any, did: Any) -> bool:
    """Makes a move; `did` (5,) says which. False: nothing changed."""
    n = len(order)
    kind = draw(r, 16)
    o = costly(f, x, order, way, w, marks, every, r) if kind < 11 else order[draw(r, n)]
    place = x.place[o]
    to = place
    did[FROM], did[WHAT], did[WAY], did[HOLD] = place, o, way[o], hold[o]
    count = f.way_at[o + 1] - f.way_at[o]
    if f.batch[o] >= 0 and f.most[f.way_machine[way[o]]] > 1 and draw(r, 8) == 0:
        wait_for_batch(f, x, order, way, hold, o, r)
    if count > 1 and draw(r, 3) == 0:
        other = f.way_at[o] + draw(r, count - 1)
        way[o] = other if other < way[o] else other + 1
        to = place + draw(r, 41) - 20
    elif x.setup[o] > 0 and draw(r, 4) == 0:
        to = alike(f, x, order, way, o, r)
    elif kind < 9 or kind > 13:
        to = earlier(f, x, o, r)
    elif kind < 11:
        to = place + 1 + draw(r, 20)
    else:
        to = place + draw(r, 61) - 30
    to = place if to < 0 and kind < 9 else to
    to = max(lowest(f, x, o), min(highest(f, x, o, n - 1), to))
    shift(order, x, place, to)
    did[TO] = to
    return to != place or way[o] != did[WAY] or hold[o] != did[HOLD]


@fast
def undo(x: Any, order: Any, way: Any, hold: Any, did: Any) -> None:
    """Takes a move back."""
    o = did[WHAT]
    way[o], hold[o] = did[WAY], did[HOLD]
    shift(order, x, did[TO], did[FROM])
