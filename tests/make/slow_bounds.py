"""Bounds one job and one group after another, in plain Python: the slow twin of `make.dispatching.bound` and `make.dispatching.edges`."""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Mapping, Sequence

from loopwright.make.objective import Objective
from loopwright.make.shop import Key, Operation, Shop, busy, in_order, merged

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
    return {key: start_s for key, (start_s, _) in _tails(shop).items()}


def _tails(shop: Shop) -> dict[Key, Interval]:
    """operation -> seconds its job needs at least after its start, and after its end."""
    found: dict[Key, Interval] = {}
    for job in shop.jobs:
        from_start: dict[str, int] = {}
        from_end: dict[str, int] = {}
        for operation in reversed(in_order(job)):
            after_end = from_end.get(operation.name, 0)
            after_start = max(from_start.get(operation.name, 0), fastest(operation) + after_end)
            found[operation.key] = after_start, after_end
            for before in operation.after:
                link = operation.link(before)
                if link.lot_s is None:
                    from_end[before] = max(from_end.get(before, 0), link.lag_s + after_start)
                else:
                    from_start[before] = max(from_start.get(before, 0), link.lot_s + after_start)
                    from_end[before] = max(from_end.get(before, 0), link.lag_s + after_end)
    return found


def heads(shop: Shop) -> dict[Key, int]:
    """operation -> the earliest it can start were its job alone in the shop, closed times counted."""
    return {key: start_s for key, (start_s, _) in _heads(shop).items()}


def _heads(shop: Shop) -> dict[Key, Interval]:
    """operation -> the earliest it can start and the earliest it can end."""
    taken, found = _closed(shop), {}
    for job in shop.jobs:
        ends: dict[str, Interval] = {}
        for operation in in_order(job):
            if operation.frozen:
                ends[operation.name] = operation.frozen.start_s, operation.frozen.end_s
            else:
                ends[operation.name] = _alone(operation, shop.ready_s(job, operation), ends, taken)
            found[operation.key] = ends[operation.name]
    return found


def _alone(
    operation: Operation, ready_s: int, ends: Mapping[str, Interval], taken: Mapping[str, Sequence[Interval]]
) -> Interval:
    """The earliest start, and the earliest end, of an operation behind those it waits for."""
    end_s = 0
    for name in operation.after:
        link = operation.link(name)
        if link.lot_s is None:
            ready_s = max(ready_s, ends[name][1] + link.lag_s)
        else:
            ready_s, end_s = max(ready_s, ends[name][0] + link.lot_s), max(end_s, ends[name][1] + link.lag_s)
    starts = [(first_fit(taken[m], max(ready_s, end_s - seconds), seconds), seconds) for m, seconds in operation.on]
    first_s = min((start for start, _ in starts), default=ready_s)
    return first_s, min((start + seconds for start, seconds in starts), default=max(ready_s, end_s))


def _closed(shop: Shop) -> dict[str, list[Interval]]:
    """When a machine cannot take an operation. What has begun may be joined where several operations run at once."""
    taken = busy(shop)
    for machine in shop.machines:
        if machine.batch > 1:
            taken[machine.id] = merged([(b.start_s, b.end_s) for b in shop.blocked if b.machine == machine.id])
    return taken


def bound(shop: Shop, objective: Objective) -> float:
    """What no plan of the shop costs less than, in the objective's unit.

    Setups, persons and tools only make things later, so that bounds without them hold.
    """
    cost = 0.0
    if objective.makespan:
        cost += objective.makespan * lower_bound(shop)
    if objective.tardiness:
        cost += objective.tardiness * least_tardiness(shop)
    if objective.setup:
        cost += objective.setup * least_setup(shop)
    return cost


def least_tardiness(shop: Shop) -> float:
    """Weighted seconds of lateness that cannot be avoided: each job as if it were alone in the shop."""
    head, tail = _heads(shop), _tails(shop)
    late = 0.0
    for job in shop.jobs:
        if job.due_s is not None:
            ends = (max(head[o.key][1] + tail[o.key][1], head[o.key][0] + tail[o.key][0]) for o in job.operations)
            late += job.weight * max(0, max(ends, default=0) - job.due_s)
    return late


def least_setup(shop: Shop) -> int:
    """Seconds of setup that cannot be avoided: what has begun has its own, and every state that operations of one
    machine alone need, and it does not stand in, is entered once by the shortest way."""
    seconds = sum({(o.frozen.machine, o.frozen.start_s): o.frozen.setup_s
                   for o in shop.operations if o.frozen and o.frozen.setup_s}.values())
    lines = {(s.machine, s.before, s.after): s.seconds for s in shop.setups}
    for machine in shop.machines if shop.setups else ():
        here = [o for o in shop.operations if o.setup and machine.id in (
            [o.frozen.machine] if o.frozen else [m for m, _ in o.on])]
        left = {o.setup for o in here if o.frozen} | {machine.state}
        needed = {o.setup for o in here if not o.frozen and len(o.on) == 1} - left
        states = ({o.setup for o in here} | {machine.state}) - {""}
        ways = {
            after: min((lines.get((machine.id, before, after), lines.get((machine.id, "*", after), 0))
                        for before in states if before != after), default=0) for after in needed}
        seconds += sum(ways.values()) - (0 if machine.state else max(ways.values(), default=0))
    return seconds


def lower_bound(shop: Shop) -> int:
    """Seconds before which no plan ends; exact for one job, and often for many equal ones.

    For each group of machines that alone can do some operations: at any time no more of them run than machines are
    open, than can have begun by then, and than can still be followed by all that must come after them. The bound is the
    least makespan for which this leaves room for the group's load.
    """
    head, tail, taken = heads(shop), _tails(shop), busy(shop)
    free = {o.key: o for o in shop.operations if not o.frozen}
    ends = (max(e + tail[k][1], s + tail[k][0]) for k, (s, e) in _heads(shop).items())
    best = max([0, *(o.frozen.end_s for o in shop.operations if o.frozen), *ends])
    after = {key: behind for key, (_, behind) in tail.items()}
    several = {m.id for m in shop.machines if m.batch > 1} if any(o.batch for o in free.values()) else set()
    feeders = {key: _feeders(o, free, several) for key, o in free.items()}
    fed: dict[Key, list[Operation]] = {key: [] for key in free}
    for key, before in feeders.items():
        for operation in before:
            fed[operation.key].append(free[key])
    for group in {frozenset(m for m, _ in o.on) for o in free.values() if o.on}:
        inside = [o for o in free.values() if o.on and {m for m, _ in o.on} <= group]
        if not group.isdisjoint(several):
            continue
        ready = _in_turn([head[o.key] for o in inside], [feeders[o.key] for o in inside], head, len(group))
        behind = _in_turn([after[o.key] for o in inside], [fed[o.key] for o in inside], after, len(group))
        load = sum(fastest(o) for o in inside)
        best = _room_for(load, best, ready, behind, [taken[m] for m in group])
    return best


def _feeders(operation: Operation, free: Mapping[Key, Operation], several: set[str]) -> list[Operation]:
    """What it waits for to its end, and that runs alone on its machine."""
    found = [free[operation.job, name] for name in operation.after
             if (operation.job, name) in free and operation.link(name).lot_s is None]
    return [o for o in found if several.isdisjoint(m for m, _ in o.on)]


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
