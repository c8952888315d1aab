"""The search of a repair: annealing that never keeps less of the old plan than it must. Compiled.

It moves as `anneal.general` does, and besides counts for every move how many operations still stand on their old
machine in their old order (`Lines`; `change.kept` says what is meant). A move that would leave too few is not
made, and every operation that leaves its place costs something.
Source: R. Wu, R. Storer, P. Chang, One-machine rescheduling heuristics with efficiency and stability as criteria
(Computers & Operations Research 20, 1993) for the two criteria in one search; S. Kirkpatrick, C. Gelatt, M. Vecchi
(Science 220, 1983) for annealing.
"""

from __future__ import annotations

import math
from collections import namedtuple
from collections.abc import Sequence
from typing import Any

import numpy as np

from loopwright.make.anneal.decode import back, fast, keep, price, run
from loopwright.make.anneal.neighbours import FROM, TO, WAY, WHAT, highest, lowest, move, shift, undo
from loopwright.make.turns import grow

# home, rank: the old machine of an operation (-1: it is new) and its turn there, equal for those that began together
# line[at[m]] .. line[at[m] + size[m] - 1]: what is on machine m now, in turn; room: to count in; kept: for each machine
# sum (1,): of kept; now (2,): as it is after the move that is looked at
Lines = namedtuple("Lines", "home rank at line size room kept sum now")


@fast
def stands(k: Any, m: int) -> int:
    """How many operations stand on machine m in their old order: a longest sequence of ranks that never falls."""
    n = 0
    for i in range(k.at[m], k.at[m] + k.size[m]):
        n = grow(k, k.line[i], m, n)
    return n


@fast
def take(k: Any, o: int, m: int) -> None:
    """Takes o from the line of machine m."""
    i = k.at[m]
    while k.line[i] != o:
        i += 1
    k.size[m] -= 1
    for j in range(i, k.at[m] + k.size[m]):
        k.line[j] = k.line[j + 1]


@fast
def stand(k: Any, x: Any, o: int, m: int) -> None:
    """Puts o into the line of machine m, by its place in the order."""
    i = k.at[m] + k.size[m]
    k.size[m] += 1
    while i > k.at[m] and x.place[k.line[i - 1]] > x.place[o]:
        k.line[i] = k.line[i - 1]
        i -= 1
    k.line[i] = o


@fast
def turn(k: Any, x: Any, o: int, m: int) -> bool:
    """Moves o within the line of machine m to where its place in the order wants it; whether it was elsewhere."""
    begin, end = k.at[m], k.at[m] + k.size[m]
    i = begin
    while k.line[i] != o:
        i += 1
    j = i
    while j > begin and x.place[k.line[j - 1]] > x.place[o]:
        k.line[j] = k.line[j - 1]
        j -= 1
    while j < end - 1 and x.place[k.line[j + 1]] < x.place[o]:
        k.line[j] = k.line[j + 1]
        j += 1
    k.line[j] = o
    return i != j


@fast
def recount(k: Any, x: Any, o: int, before: int, after: int) -> int:
    """The operations kept in all, when o has gone from one machine to another, or to another turn on its own."""
    k.now[0], k.now[1] = k.kept[before], k.kept[after]
    if before != after:
        take(k, o, before)
        stand(k, x, o, after)
        k.now[0], k.now[1] = stands(k, before), stands(k, after)
        return k.sum[0] + k.now[0] + k.now[1] - k.kept[before] - k.kept[after]
    if turn(k, x, o, before):
        k.now[0] = stands(k, before)
        k.now[1] = k.now[0]
    return k.sum[0] + k.now[0] - k.kept[before]


@fast
def restore(k: Any, x: Any, o: int, before: int, after: int) -> None:
    """The lines as they were before a move that was taken back."""
    if before != after:
        take(k, o, after)
        stand(k, x, o, before)
    else:
        turn(k, x, o, before)


@fast
def settle(k: Any, before: int, after: int, count: int) -> None:
    """The counts after a move that was made."""
    k.kept[before] = k.now[0]
    k.kept[after] = k.now[1]
    k.sum[0] = count


@fast
def climb(
    f: Any, s: Any, x: Any, y: Any, order: Any, way: Any, hold: Any, w: Any, old: Any, new: Any, every: int, r: Any,
    did: Any, total: Any, cost: Any, best: Any, best_way: Any, best_hold: Any, k: Any, weight: float, drag: float,
    need: int, heat: float, moves: int
) -> int:
    """So many moves at one heat; how many were made.

    cost (2,)  that of the plan now and of the best, each less weight times the operations kept
    drag       what an operation that is not kept costs beside that while it is hot, so that chance moves few
    need       so many must be kept
    """
    made = 0
    for _ in range(moves):
        if not move(f, x, order, way, hold, w, old, every, r, did):
            continue
        o, begin, end = did[WHAT], min(did[FROM], did[TO]), max(did[FROM], did[TO])
        before, after = f.way_machine[did[WAY]], f.way_machine[way[o]]
        count = recount(k, x, o, before, after)
        if count < need:
            undo(x, order, way, hold, did)
            restore(k, x, o, before, after)
            continue
        r[0] ^= r[0] << np.uint64(13)
        r[0] ^= r[0] >> np.uint64(7)
        r[0] ^= r[0] << np.uint64(17)
        chance = (float(r[0] >> np.uint64(11)) + 1.0) / 2.0**53
        limit = cost[0] + weight * count + drag * (count - k.sum[0]) - (heat * math.log(chance) if heat > 0 else 0.0)
        stop = run(f, s, x, y, order, way, hold, w, begin, end, limit, old, new, every, total)
        if stop < 0:
            back(x, y, order, begin, -1 - stop, every)
            undo(x, order, way, hold, did)
            restore(k, x, o, before, after)
            continue
        made += 1
        keep(x, y, order, begin, stop, old, new, every, total)
        settle(k, before, after, count)
        cost[0] = price(w, total) - weight * count
        if cost[0] < cost[1] - 1e-9:
            cost[1] = cost[0]
            note(order, way, hold, best, best_way, best_hold)
    return made


@fast
def note(order: Any, way: Any, hold: Any, best: Any, best_way: Any, best_hold: Any) -> None:
    """The plan as it stands is the best."""
    for i in range(len(order)):
        best[i] = order[i]
    for i in range(len(way)):
        best_way[i], best_hold[i] = way[i], hold[i]


@fast
def insert(
    f: Any, s: Any, x: Any, y: Any, order: Any, way: Any, hold: Any, w: Any, old: Any, new: Any, every: int, total: Any,
    cost: Any, k: Any, weight: float, need: int, o: int
) -> bool:
    """Puts o where it costs least, of all turns on all machines that can do it; whether that is elsewhere than before.

    Each is tried: placed, decoded, and given up as soon as it costs more than the best so far.
    """
    place, way_before = x.place[o], way[o]
    before = f.way_machine[way_before]
    low, high = lowest(f, x, o), highest(f, x, o, len(order) - 1)
    least, to_best, way_best = cost[0] - 1e-9, -1, way_before
    for choice in range(f.way_at[o], f.way_at[o + 1]):
        m = f.way_machine[choice]
        begin, count = k.at[m], k.size[m]
        for nth in range(count + 1):
            i = k.line[begin + nth] if nth < count else -1
            if i == o:
                continue
            to = high if i < 0 else min(high, x.place[i] - (x.place[i] > place))
            if to < low or (to == place and m == before):
                continue
            shift(order, x, place, to)
            way[o] = choice
            kept = recount(k, x, o, before, m)
            if kept >= need:
                limit = least + weight * kept
                first, last = min(place, to), max(place, to)
                stop = run(f, s, x, y, order, way, hold, w, first, last, limit, old, new, every, total)
                if stop >= 0:
                    least, to_best, way_best = price(w, total) - weight * kept - 1e-9, to, choice
                back(x, y, order, first, stop if stop >= 0 else -1 - stop, every)
            shift(order, x, to, place)
            way[o] = way_before
            restore(k, x, o, before, m)
            if to == high:
                break
    if to_best < 0:
        return False
    shift(order, x, place, to_best)
    way[o] = way_best
    m = f.way_machine[way_best]
    kept = recount(k, x, o, before, m)
    first, last = min(place, to_best), max(place, to_best)
    stop = run(f, s, x, y, order, way, hold, w, first, last, math.inf, old, new, every, total)
    keep(x, y, order, first, stop, old, new, every, total)
    settle(k, before, m, kept)
    cost[0] = price(w, total) - weight * kept
    return True


def lines_of(f: Any, order: Any, way: Any, home: Sequence[int], rank: Sequence[int]) -> Any:
    """The lines of a plan: order (free operations,), way (operations,); home and rank as in `Lines`."""
    machines = len(f.state)
    most = np.bincount(f.way_machine, minlength=machines)
    at = np.concatenate(([0], np.cumsum(most)))[:-1].astype(np.int64)
    lines = Lines(
        np.array(home, np.int64), np.array(rank, np.int64), at, np.zeros(int(most.sum()) + 1, np.int64),
        np.zeros(machines, np.int64), np.zeros(len(home) + 1, np.int64), np.zeros(machines, np.int64),
        np.zeros(1, np.int64), np.zeros(2, np.int64))
    fill(lines, f, order, way)
    return lines


@fast
def fill(k: Any, f: Any, order: Any, way: Any) -> None:
    """The lines of another order."""
    for m in range(len(k.size)):
        k.size[m] = 0
    for i in range(len(order)):
        o = order[i]
        m = f.way_machine[way[o]]
        k.line[k.at[m] + k.size[m]] = o
        k.size[m] += 1
    k.sum[0] = 0
    for m in range(len(k.size)):
        k.kept[m] = stands(k, m)
        k.sum[0] += k.kept[m]
