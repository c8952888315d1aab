"""How early the last operation can end at best: a proven bound, without a solver.

    lower_bound(shop) -> seconds that no plan can beat

Two reasons, the larger counts: a job takes as long as its longest chain, and a group of machines needs time for its
load. The second follows J. Carlier, Scheduling jobs with release dates and tails on identical machines to minimize the
makespan (EJOR 29, 1987), with heads and tails that also see that what feeds the group, and what it feeds, takes turns.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Mapping, Sequence

from loopwright.make.shop import Key, Operation, Shop, busy, in_order

Interval = tuple[int, int]


def first_fit(taken: Sequence[Interval], start_s: int, seconds: int) -> int:
    """The earliest start, at or after start_s, at which `seconds` overlap nothing of `taken` (sorted, disjoint)."""
    at = bisect_left(taken, (start_s, start_s))
    if at and taken[at - 1][1] > start_s:
        start_s = taken[at - 1][1]
    while at < len(taken) and taken[at][0] < start_s + seconds:
        start_s = max(start_s, taken[at][1])
        at += 1
    return start_s


def fastest(operation: Operation) -> int:
    """The seconds it takes on its fastest machine; 0 for a frozen one, whose slot says when it ends."""
    return 0 if operation.frozen else min((seconds for _, seconds in operation.on), default=0)


def tails(shop: Shop) -> dict[Key, int]:
    """operation -> seconds its job needs at least from its start to the end, each on its fastest machine."""
    found: dict[Key, int] = {}
    for job in shop.jobs:
        followers: dict[str, int] = {}
        for operation in reversed(in_order(job)):
            left = fastest(operation) + followers.get(operation.name, 0)
            found[operation.key] = left
            for before in operation.after:
                followers[before] = max(followers.get(before, 0), left)
    return found


def heads(shop: Shop) -> dict[Key, int]:
    """operation -> the earliest it can start were its job alone in the shop, closed times counted."""
    taken, found = busy(shop), {}
    for job in shop.jobs:
        ends: dict[str, int] = {}
        for operation in in_order(job):
            start_s = max([job.release_s, *(ends[name] for name in operation.after)])
            if operation.frozen:
                found[operation.key], ends[operation.name] = operation.frozen.start_s, operation.frozen.end_s
                continue
            starts = [(first_fit(taken[m], start_s, seconds), seconds) for m, seconds in operation.on]
            found[operation.key] = min((start for start, _ in starts), default=start_s)
            ends[operation.name] = min((start + seconds for start, seconds in starts), default=start_s)
    return found


def lower_bound(shop: Shop) -> int:
    """Seconds before which no plan ends; exact for one job, and often for many equal ones.

    For each group of machines that alone can do some operations: at any time no more of them run than machines are
    open, than can have begun by then, and than can still be followed by all that must come after them. The bound is the
    least makespan for which this leaves room for the group's load.
    """
    head, tail, taken = heads(shop), tails(shop), busy(shop)
    free = {o.key: o for o in shop.operations if not o.frozen}
    best = max([0, *(o.frozen.end_s for o in shop.operations if o.frozen), *(head[k] + tail[k] for k in free)])
    feeders = {key: [free[key[0], name] for name in o.after if (key[0], name) in free] for key, o in free.items()}
    fed: dict[Key, list[Operation]] = {key: [] for key in free}
    for key, before in feeders.items():
        for operation in before:
            fed[operation.key].append(free[key])
    for group in {frozenset(m for m, _ in o.on) for o in free.values() if o.on}:
        inside = [o for o in free.values() if o.on and {m for m, _ in o.on} <= group]
        ready = _in_turn([head[o.key] for o in inside], [feeders[o.key] for o in inside], head, len(group))
        after = {key: tail[key] - fastest(o) for key, o in free.items()}
        behind = _in_turn([after[o.key] for o in inside], [fed[o.key] for o in inside], after, len(group))
        load = sum(fastest(o) for o in inside)
        best = _room_for(load, best, ready, behind, [taken[m] for m in group])
    return best


def _in_turn(alone: list[int], neighbours: list[list[Operation]], edge: Mapping[Key, int], most: int) -> list[int]:
    """Seconds before which not one, two, ... `most` operations of a group are ready, growing.

    alone       for each operation, what its own job says
    neighbours  for each, the operations right before it: where each has one of its own, these take turns
    edge        the same measure for the neighbours
    """
    times = sorted(alone)[:most]
    chosen = [operations[0] for operations in neighbours if operations]
    if len(chosen) < len(alone) or len({o.key for o in chosen}) < len(chosen):
        return times
    machines = len({machine for o in chosen for machine, _ in o.on})
    begin, seconds = min(edge[o.key] for o in chosen), sorted(fastest(o) for o in chosen)
    return [max(t, begin - (-sum(seconds[: k + 1]) // machines)) for k, t in enumerate(times)]


def _room_for(
    load: int, least: int, ready: Sequence[int], behind: Sequence[int], machines: Sequence[Sequence[Interval]]
) -> int:
    """The least makespan, at or above `least`, that leaves room for the load; by halving."""
    low, high = least, max(least, 1)
    while _room(high, ready, behind, machines) < load:
        low, high = high + 1, 2 * high
    while low < high:
        middle = (low + high) // 2
        if _room(middle, ready, behind, machines) < load:
            low = middle + 1
        else:
            high = middle
    return low


def _room(end_s: int, ready: Sequence[int], behind: Sequence[int], machines: Sequence[Sequence[Interval]]) -> int:
    """Machine seconds that a group can work on its operations when all ends at end_s."""
    stops = [t for taken in machines for pair in taken for t in pair]
    edges = sorted({t for t in (*ready, *(end_s - b for b in behind), *stops, end_s) if ready[0] <= t <= end_s})
    room = 0
    for begin, end in itertools.pairwise(edges):
        idle = sum(first_fit(taken, begin, 1) == begin for taken in machines)
        begun, unfinished = sum(t <= begin for t in ready), sum(end <= end_s - b for b in behind)
        room += min(idle, begun, unfinished) * (end - begin)
    return room
