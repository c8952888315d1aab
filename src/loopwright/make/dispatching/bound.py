"""How early the last operation can end at best: a proven bound, without a solver.

    lower_bound(shop) -> seconds that no plan can beat
    bound(shop, objective) -> the same in the unit of any objective

Three reasons, the largest counts: a job takes as long as its longest chain; a group of machines, or of persons with a
skill, needs time for its load; and a machine alone cannot do all in time even where it may interrupt. The second
follows J. Carlier, Scheduling jobs with release dates and tails on identical machines to minimize the makespan (EJOR
29, 1987), with heads and tails that also see that what feeds the group, and what it feeds, takes turns; the third is
J. R. Jackson's preemptive schedule, as in J. Carlier, The one-machine sequencing problem (EJOR 11, 1982).
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from loopwright.make.dispatching.edges import edges_of, rows_of
from loopwright.make.dispatching.tables import Tables, tables_of
from loopwright.make.objective import Objective
from loopwright.make.shop import Key, Machine, Operation, Shop, busy

Interval = tuple[int, int]
MOST_GROUPS = 1_000  # of several machines; in shops with more of them only single machines are looked at
MOST_ALONE = 100_000  # operations up to which machines are looked at as if they could interrupt


class Ground(NamedTuple):
    """A shop made ready for bounds: its tables, and the heads and tails of its operations (`dispatching.edges`)."""

    tables: Tables
    rows: Any
    edges: Any


def ground_of(shop: Shop, tables: Tables | None = None) -> Ground:
    """What bounds are made of; in proportion to the operations."""
    tables = tables_of(shop) if tables is None else tables
    rows = rows_of(tables)
    return Ground(tables, rows, edges_of(tables, rows))


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
    ground = ground_of(shop)
    return dict(zip(ground.tables.number, ground.edges.tail.tolist(), strict=True))


def heads(shop: Shop) -> dict[Key, int]:
    """operation -> the earliest it can start were its job alone in the shop, closed times counted."""
    ground = ground_of(shop)
    return dict(zip(ground.tables.number, ground.edges.head.tolist(), strict=True))


def bound(shop: Shop, objective: Objective, ground: Ground | None = None) -> float:
    """What no plan of the shop costs less than, in the objective's unit."""
    ground = ground or ground_of(shop)
    cost = 0.0
    if objective.makespan:
        cost += objective.makespan * lower_bound(shop, ground)
    if objective.tardiness:
        cost += objective.tardiness * least_tardiness(shop, ground)
    if objective.setup:
        cost += objective.setup * least_setup(shop)
    return cost


def least_tardiness(shop: Shop, ground: Ground | None = None) -> float:
    """Weighted seconds of lateness that cannot be avoided: each job as if it were alone in the shop."""
    ground = ground or ground_of(shop)
    if not ground.tables.job:
        return 0.0
    last = np.zeros(len(shop.jobs), np.int64)
    np.maximum.at(last, np.array(ground.tables.job, np.int64), _through(ground))
    due = np.array([np.inf if job.due_s is None else job.due_s for job in shop.jobs])
    weight = np.array([job.weight for job in shop.jobs])
    there = np.isfinite(due)
    return float((weight[there] * np.maximum(0.0, last[there] - due[there])).sum())


def _through(ground: Ground) -> Any:
    """(operations,) seconds before which the job of each cannot end because of it."""
    head, early, tail, after, _ = ground.edges
    return np.maximum(early + after, head + tail)


def least_setup(shop: Shop) -> int:
    """Seconds of setup that cannot be avoided: what has begun has its own, and every state that operations of one
    machine alone need, and it does not stand in, is entered once by the shortest way."""
    seconds = sum({(o.frozen.machine, o.frozen.start_s): o.frozen.setup_s
                   for o in shop.operations if o.frozen and o.frozen.setup_s}.values())
    for machine, ways in _entries(shop).items():
        seconds += sum(ways) - (0 if machine.state else max(ways, default=0))
    return seconds


def _entries(shop: Shop) -> dict[Machine, list[int]]:
    """machine -> for each setup that it has to be brought into at least once, the seconds of the shortest way."""
    if not shop.setups:
        return {}
    lines = {(s.machine, s.before, s.after): s.seconds for s in shop.setups}
    states: dict[str, set[str]] = {machine.id: {machine.state} for machine in shop.machines}
    left: dict[str, set[str]] = {machine.id: {machine.state} for machine in shop.machines}
    needed: dict[str, set[str]] = {machine.id: set() for machine in shop.machines}
    for o in shop.operations:
        for name in ([o.frozen.machine] if o.frozen else [m for m, _ in o.on]) if o.setup else ():
            states[name].add(o.setup)
            if o.frozen:
                left[name].add(o.setup)
            elif len(o.on) == 1:
                needed[name].add(o.setup)
    return {machine: [
        min((lines.get((machine.id, before, after), lines.get((machine.id, "*", after), 0))
             for before in states[machine.id] - {""} if before != after), default=0)
        for after in sorted(needed[machine.id] - left[machine.id])] for machine in shop.machines}


def lower_bound(shop: Shop, ground: Ground | None = None) -> int:
    """Seconds before which no plan ends; exact for one job, and often for many equal ones.

    For each group of machines that alone can do some operations: at any time no more of them run than machines are
    open, than can have begun by then, and than can still be followed by all that must come after them. The bound is the
    least makespan for which this leaves room for the group's load, with the setups that a single machine cannot avoid.
    The same holds for the persons who alone have a skill, and for tools.
    """
    ground = ground or ground_of(shop)
    free = np.array([slot is None for slot in ground.tables.fixed], np.bool_)
    best = max([0, *(slot.end_s for slot in ground.tables.fixed if slot)])
    if not free.any():
        return best
    best = max(best, int(_through(ground).max()))
    look = _Look(shop, ground, free)
    for group, inside in look.groups():
        best = look.load(best, group, inside)
    for inside in look.alone() if int(free.sum()) <= MOST_ALONE else ():
        best = max(best, _preemptive(*look.line(inside)))
    for group, inside in look.skills():
        best = look.busy_units(best, group, inside)
    return best


class _Look:
    """The groups of a shop, and what each proves."""

    def __init__(self, shop: Shop, ground: Ground, free: Any) -> None:
        self.ground, self.free = ground, free
        tables, rows = ground.tables, ground.rows
        self.taken = list(busy(shop).values())
        together = [m > 1 for m in tables.most] if any(b >= 0 for b in tables.batch) else [False] * len(tables.most)
        self.several = np.array(together, np.bool_)
        self.shared = np.zeros(len(free), np.bool_)  # may run along with others
        np.logical_or.at(self.shared, rows.owner, self.several[rows.machine])
        whole = (rows.lot < 0) & free[rows.before] & free[rows.behind]
        own = whole & ~self.shared[rows.before]
        self.feeder = self._first(rows.behind[own], rows.before, own)
        self.fed = self._first(rows.before[own], rows.behind, own)
        self.entries = {k: ways for k, ways in enumerate(_entries(shop).values()) if ways}

    def _first(self, at: Any, other: Any, rows: Any) -> Any:
        """(operations,) the first of its neighbours; -1: it has none."""
        found = np.full(len(self.free), -1, np.int64)
        found[at[::-1]] = other[rows][::-1]
        return found

    def groups(self) -> list[tuple[list[int], Any]]:
        """(machines, operations that only they can do), no machine of which takes several at once."""
        rows, counts = self.ground.rows, np.diff(self.ground.rows.at)
        single = np.flatnonzero(self.free & (counts == 1))
        machine = rows.machine[rows.at[single]]
        order = np.argsort(machine, kind="stable")
        split = np.split(single[order], np.flatnonzero(np.diff(machine[order])) + 1)
        self.single = {int(rows.machine[rows.at[inside[0]]]): inside for inside in split if len(inside)}
        found = [([m], inside) for m, inside in self.single.items() if not self.several[m]]
        several: dict[frozenset[int], list[int]] = {}
        for o in np.flatnonzero(self.free & (counts > 1)).tolist():
            several.setdefault(frozenset(rows.machine[rows.at[o]:rows.at[o + 1]].tolist()), []).append(o)
        for group in several if len(several) <= MOST_GROUPS else ():
            if not self.several[list(group)].any():
                inside = [self.single[m] for m in group if m in self.single]
                inside += [np.array(here) for other, here in several.items() if other <= group]
                found.append((sorted(group), np.sort(np.concatenate(inside))))
        return found

    def alone(self) -> list[Any]:
        """The operations of each single machine."""
        return [inside for m, inside in self.single.items() if not self.several[m] and len(inside) > 1]

    def load(self, best: int, group: list[int], inside: Any) -> int:
        """The bound by the load of a group of machines."""
        edges = self.ground.edges
        ready = self._in_turn(edges.head, inside, self.feeder, len(group))
        behind = self._in_turn(edges.after, inside, self.fed, len(group))
        load = int(edges.fastest[inside].sum())
        ways = self.entries.get(group[0], []) if len(group) == 1 else []
        if ways:  # the first of them may be done before anything is ready
            known = ready[0] == 0 and self.ground.tables.state[group[0]]
            load += sum(ways) - (0 if known else max(ways))
        return _room_for(load, best, ready, behind, [self.taken[m] for m in group])

    def _in_turn(self, edge: Any, inside: Any, neighbour: Any, most: int) -> list[int]:
        """Seconds before which not one, two, ... `most` operations of a group are ready, growing.

        edge       what its own job says of each operation
        neighbour  the operation right before each: where each has one of its own, these take turns
        """
        alone = edge[inside]
        times = np.sort(np.partition(alone, most - 1)[:most] if most < len(alone) else alone).tolist()
        chosen = neighbour[inside]
        if (chosen < 0).any() or len(np.unique(chosen)) < len(chosen):
            return times
        rows = self.ground.rows
        machines = len(np.unique(np.concatenate([rows.machine[rows.at[o]:rows.at[o + 1]] for o in chosen.tolist()])))
        begin, seconds = int(edge[chosen].min()), np.sort(self.ground.edges.fastest[chosen])[:len(times)]
        turns = begin - (-np.cumsum(seconds) // machines)
        return [max(t, turn) for t, turn in zip(times, turns.tolist(), strict=True)]

    def line(self, inside: Any) -> tuple[list[int], list[int], list[int]]:
        """(heads, seconds, what must follow) of the operations of one machine."""
        edges = self.ground.edges
        return edges.head[inside].tolist(), edges.fastest[inside].tolist(), edges.after[inside].tolist()

    def skills(self) -> list[tuple[list[int], Any]]:
        """(persons or tools, operations that need one of them): a group of units, with those of smaller groups in it.
        """
        tables = self.ground.tables
        needing: dict[int, list[int]] = {}
        for o in np.flatnonzero(self.free).tolist() if tables.groups else ():
            for group in tables.needs[o]:
                needing.setdefault(group, []).append(o)
        units = {group: frozenset(tables.groups[group]) for group in needing}
        found = []
        for mine in set(units.values()) if len(units) <= MOST_GROUPS else ():
            inside = {o for other, here in needing.items() if units[other] <= mine for o in here}
            found.append((sorted(mine), np.array(sorted(inside))))
        return found

    def busy_units(self, best: int, group: list[int], inside: Any) -> int:
        """The bound by the load of persons with a skill, or of the tools of a kind."""
        edges, tables = self.ground.edges, self.ground.tables
        ready, behind = (np.sort(edge[inside])[:len(group)].tolist() for edge in (edges.head, edges.after))
        return _room_for(int(edges.fastest[inside].sum()), best, ready, behind, [tables.away[u] for u in group])


def _preemptive(head: list[int], seconds: list[int], behind: list[int]) -> int:
    """When all ends at the earliest on one machine that may interrupt what it does: of what is ready it always does
    what most must follow."""
    order = sorted(range(len(head)), key=head.__getitem__)
    waiting: list[tuple[int, int]] = []
    now, best, k = 0, 0, 0
    while k < len(order) or waiting:
        if not waiting:
            now = max(now, head[order[k]])
        while k < len(order) and head[order[k]] <= now:
            heapq.heappush(waiting, (-behind[order[k]], seconds[order[k]]))
            k += 1
        follows, left = heapq.heappop(waiting)
        until = head[order[k]] if k < len(order) else now + left
        if now + left > until:
            heapq.heappush(waiting, (follows, now + left - until))
            now = until
        else:
            now += left
            best = max(best, now - follows)
    return best


def _room_for(
    load: int, least: int, ready: Sequence[int], behind: Sequence[int], machines: Sequence[Sequence[Interval]]
) -> int:
    """The least makespan, at or above `least`, that leaves room for the load; by halving."""
    if len(machines) == 1 and not machines[0]:
        return max(least, ready[0] + load + behind[0])
    open_s, closed = _closings(machines)
    low, high = least, max(least, 1)
    room = partial(_room, np.array(ready), np.array(behind), open_s, len(machines) - closed)
    while room(high) < load:
        low, high = high + 1, 2 * high
    while low < high:
        middle = (low + high) // 2
        if room(middle) < load:
            low = middle + 1
        else:
            high = middle
    return low


def _closings(machines: Sequence[Sequence[Interval]]) -> tuple[Any, Any]:
    """(times, how many machines are closed from each on), beginning long ago."""
    pairs = np.array([pair for taken in machines for pair in taken], np.int64).reshape(-1, 2)
    times = np.concatenate((pairs[:, 0], pairs[:, 1]))
    change = np.repeat([1, -1], len(pairs))
    order = np.argsort(times, kind="stable")
    return np.concatenate(([-(2**60)], times[order])), np.concatenate(([0], np.cumsum(change[order])))


def _room(ready: Any, behind: Any, times: Any, idle: Any, end_s: int) -> int:
    """Machine seconds that a group can work on its operations when all ends at end_s; ready and behind grow."""
    edges = np.unique(np.concatenate((ready, end_s - behind, times, [end_s])))
    edges = edges[(edges >= ready[0]) & (edges <= end_s)]
    begin, end = edges[:-1], edges[1:]
    free = idle[np.searchsorted(times, begin, side="right") - 1]
    begun = np.searchsorted(ready, begin, side="right")
    unfinished = np.searchsorted(behind, end_s - end, side="right")
    return int((np.minimum(np.minimum(free, begun), unfinished) * (end - begin)).sum())
