"""A plan as what follows what: how late each operation may start, and what else moves when one starts later.

    course = course_of(shop, slots)
    late = course.latest(limits)            by node: the latest start with which every job keeps its limit
    course.push([node]) -> nodes that moved, each as little as it must

A node is what a machine does from one start to one end: an operation, or a batch. Machines, persons and tools keep the
order in which they do things, so that a later start moves only what it meets. Whole seconds from the shop's origin.
Source: forward and backward pass of the critical path method (J. Kelley, Critical-path planning and scheduling:
mathematical basis, Operations Research 9, 1961), here with calendars, setups and lots.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from loopwright.core.types import Slot
from loopwright.make.dispatching.bound import first_fit
from loopwright.make.promises.lines import NEVER_S, Floor, Interval, floor_of
from loopwright.make.shop import Key, Operation, Shop, in_order, merged

Wait = tuple[int, int, int]  # node that is waited for (or that waits), lag_s, lot_s (-1: all of it)


@dataclass
class Course:
    """The nodes of a plan, each a number.

    start, seconds, setup, ready   of each node, seconds
    rows   machine ('m', id), person ('p', id) and tool ('t', id, number) -> its nodes in turn
    uses   the rows a node stands in, its machine's first
    fixed  whether it has begun;  away: person -> when not there
    """

    floor: Floor
    away: Mapping[str, Sequence[Interval]] = field(default_factory=dict)
    slots: list[tuple[Slot, ...]] = field(default_factory=list)
    start: list[int] = field(default_factory=list)
    seconds: list[int] = field(default_factory=list)
    setup: list[int] = field(default_factory=list)
    ready: list[int] = field(default_factory=list)
    need: list[str] = field(default_factory=list)
    fixed: list[bool] = field(default_factory=list)
    waits: list[list[Wait]] = field(default_factory=list)
    behind: list[list[Wait]] = field(default_factory=list)
    uses: list[tuple[tuple[str, ...], ...]] = field(default_factory=list)
    ahead: list[list[int]] = field(default_factory=list)  # before it in its rows, -1 for nothing; its machine's first
    next: list[list[int]] = field(default_factory=list)
    rows: dict[tuple[str, ...], list[int]] = field(default_factory=dict)
    node: dict[Key, int] = field(default_factory=dict)

    def end(self, node: int) -> int:
        """When it ends."""
        return self.start[node] + self.seconds[node]

    def closed(self, node: int) -> list[tuple[Sequence[Interval], int]]:
        """When its machine is closed and its persons are away; and seconds before its start that count too."""
        found: list[tuple[Sequence[Interval], int]] = []
        for row in self.uses[node]:
            if row[0] == "m" and self.floor.blocked[row[1]]:
                found.append((self.floor.blocked[row[1]], self.setup[node]))
            elif row[0] == "p" and (away := self.away[row[1]]):
                found.append((away, 0))
        return found

    def earliest(self, node: int) -> int:
        """The earliest start behind what it waits for and what stands before it; not before it is planned now.

        What has begun starts when it starts; only what has not can come into its way.
        """
        if self.fixed[node]:
            setups = (self.setup[node], *[0] * len(self.ahead[node]))
            ends = [self.end(before) + extra_s for before, extra_s in zip(self.ahead[node], setups, strict=False)
                    if before >= 0 and not self.fixed[before]]
            return max([self.start[node], *ends])
        seconds, setup = self.seconds[node], self.setup[node]
        start_s = max(self.start[node], self.ready[node], setup)
        for before, lag_s, lot_s in self.waits[node]:
            end_s = self.start[before] + self.seconds[before] + lag_s
            start_s = max(start_s, end_s if lot_s < 0 else max(self.start[before] + lot_s, end_s - seconds))
        for before, extra_s in zip(self.ahead[node], (setup, *[0] * len(self.ahead[node])), strict=False):
            if before >= 0:
                start_s = max(start_s, self.start[before] + self.seconds[before] + extra_s)
        return self.fit(node, start_s)

    def fit(self, node: int, start_s: int) -> int:
        """The first start from start_s on that its calendars allow."""
        closed = self.closed(node)
        while True:
            found = start_s
            for intervals, before_s in closed:
                found = first_fit(intervals, found - before_s, self.seconds[node] + before_s) + before_s
            if found == start_s or len(closed) < 2:
                return found
            start_s = found

    def push(self, nodes: Iterable[int], latest: Sequence[int] | None = None) -> list[int] | None:
        """Moves nodes, and what follows them, to the earliest start that is now possible; those that moved.

        None when one would start after its latest, or has begun.
        """
        heap = [(self.start[node], node) for node in nodes]
        heapq.heapify(heap)
        moved: dict[int, None] = {}
        steps = 0
        while heap:
            steps += 1
            _, node = heapq.heappop(heap)
            start_s = self.earliest(node)
            if start_s == self.start[node]:
                continue
            most = latest[node] if latest is not None and node < len(latest) else NEVER_S
            if self.fixed[node] or start_s > most or steps > 100 * len(self.start):
                return None
            self.start[node] = start_s
            moved[node] = None
            for other in (*self.next[node], *(wait[0] for wait in self.behind[node])):
                if other >= 0:
                    heapq.heappush(heap, (self.start[other], other))
        return list(moved)

    def latest(self, limits: Mapping[str, int | None]) -> list[int]:
        """The latest start of each node, so that no job ends after its limit and each row keeps its order.

        limits  job -> when it has to end (None, or not there: nothing is asked). What has begun starts when it starts.
        """
        horizon_s = NEVER_S if self.floor.shop.horizon_s is None else self.floor.shop.horizon_s
        ends = [NEVER_S] * len(self.start)
        late = list(self.start)
        for node in sorted(range(len(self.start)), key=lambda n: (self.start[n], self.end(n), n), reverse=True):
            if self.fixed[node]:
                ends[node] = self.end(node)
                continue
            end_s = horizon_s
            for slot in self.slots[node]:
                limit = limits.get(slot.order)
                end_s = end_s if limit is None else min(end_s, limit)
            start_s = NEVER_S
            for other, lag_s, lot_s in self.behind[node]:
                if lot_s < 0:
                    end_s = min(end_s, late[other] - lag_s)
                else:
                    start_s, end_s = min(start_s, late[other] - lot_s), min(end_s, ends[other] - lag_s)
            for other in self.next[node]:
                if other >= 0:
                    end_s = min(end_s, late[other] - (self.setup[other] if other == self.next[node][0] else 0))
            late[node] = max(self.start[node], self._last_fit(node, min(end_s, start_s + self.seconds[node])))
            ends[node] = late[node] + self.seconds[node]
        return late

    def _last_fit(self, node: int, end_s: int) -> int:
        """The last start with which it ends by then, calendars counted."""
        closed = self.closed(node)
        while True:
            found = end_s
            for intervals, before_s in closed:
                found = last_fit(intervals, found, self.seconds[node] + before_s) + self.seconds[node] + before_s
            if found == end_s:
                return end_s - self.seconds[node]
            end_s = found

    def planned(self) -> list[Slot]:
        """The slots as they stand now."""
        return [replace(slot, start_s=self.start[n], end_s=self.end(n), setup_s=self.setup[n])
                if not slot.frozen and (slot.start_s, slot.setup_s) != (self.start[n], self.setup[n]) else slot
                for n, slots in enumerate(self.slots) for slot in slots]


def last_fit(taken: Sequence[Interval], end_s: int, seconds: int) -> int:
    """The latest start with which `seconds` end by end_s and overlap nothing of `taken` (sorted, disjoint)."""
    at, start_s = bisect_left(taken, (end_s, -NEVER_S)), end_s - seconds
    while at and taken[at - 1][1] > start_s:
        start_s = min(start_s, taken[at - 1][0] - seconds)
        at -= 1
    return start_s


def course_of(shop: Shop, slots: Iterable[Slot], floor: Floor | None = None) -> Course:
    """The course of a plan that keeps the rules of its shop; what has no slot is left out. floor: of the same, if it is
    there already."""
    floor = floor or floor_of(shop, slots)
    course = Course(floor, {person.id: merged(person.away) for person in shop.operators})
    operations = {o.key: (o, shop.ready_s(job, o)) for job in shop.jobs for o in job.operations}
    turn = {o.key: n for job in shop.jobs for n, o in enumerate(in_order(job))}
    groups = [(group, line.machine.id) for line in floor.lines.values() for group in line.groups]
    groups.sort(key=lambda pair: (pair[0].start_s, pair[0].end_s,
                                  max(turn[s.order, s.operation] for s in pair[0].members)))
    held: dict[tuple[str, ...], int] = {}
    for group, machine in groups:
        node = len(course.start)
        mine = [operations[s.order, s.operation] for s in group.members]
        for slot in group.members:
            course.node[slot.order, slot.operation] = node
        course.slots.append(group.members)
        course.start.append(group.start_s)
        course.seconds.append(group.end_s - group.start_s)
        course.setup.append(group.setup_s)
        course.ready.append(max(ready for _, ready in mine))
        course.need.append(group.need)
        course.fixed.append(any(s.frozen for s in group.members))
        people = [("p", s.operator) for s in group.members if s.operator in floor.people]
        units = [row for o, _ in mine for row in _held(shop, o, group.start_s, group.end_s, held)]
        course.uses.append(tuple(dict.fromkeys((("m", machine), *people, *units))))
        _stand(course, node)
    _link(course, [o for o, _ in operations.values() if o.key in course.node])
    return course


def _held(
    shop: Shop, operation: Operation, start_s: int, end_s: int, held: dict[tuple[str, ...], int]
) -> list[tuple[str, ...]]:
    """A unit of each tool of an operation: the first that is free, else the one that is free soonest."""
    rows: list[tuple[str, ...]] = []
    for tool in dict.fromkeys(operation.tools) if end_s > start_s else ():
        row, n = ("t", tool, "0"), 0
        while held.get(row, start_s) > start_s and n + 1 < shop.tools[tool]:
            n += 1
            row = ("t", tool, str(n))
        if held.get(row, start_s) > start_s:
            row = min((("t", tool, str(k)) for k in range(n + 1)), key=lambda unit: held[unit])
        held[row] = max(end_s, held.get(row, end_s))
        rows.append(row)
    return rows


def _stand(course: Course, node: int) -> None:
    """Puts a node at the end of its rows."""
    course.ahead.append([])
    course.next.append([-1] * len(course.uses[node]))
    for row in course.uses[node]:
        there = course.rows.setdefault(row, [])
        course.ahead[node].append(there[-1] if there else -1)
        if there:
            before = there[-1]
            course.next[before][course.uses[before].index(row)] = node
        there.append(node)


def _link(course: Course, operations: Sequence[Operation]) -> None:
    """What waits for what inside the jobs."""
    course.waits = [[] for _ in course.start]
    course.behind = [[] for _ in course.start]
    for o in operations:
        for name in o.after:
            link = o.link(name)
            before, node = course.node[o.job, name], course.node[o.key]
            lot_s = -1 if link.lot_s is None else link.lot_s
            course.waits[node].append((before, link.lag_s, lot_s))
            course.behind[before].append((node, link.lag_s, lot_s))
