"""What stands on the machines, persons and tools of a plan, and where one operation more fits between.

    floor = floor_of(shop, plan.slots)
    for place in floor.places(operation, machine, seconds, ready_s): ...        the earliest gap first
    floor = floor.put(operation, place)                                         a new floor; the old one stays

What stands keeps machine, start, end and person. Only a setup may change: where something else is put before an
operation, its machine is made ready from another state.
"""

from __future__ import annotations

import heapq
import itertools
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace

from loopwright.core.types import Slot
from loopwright.make.dispatching.bound import first_fit
from loopwright.make.shop import Machine, Operation, Shop, merged

Interval = tuple[int, int]
NEVER_S = 2**62


@dataclass(frozen=True, slots=True)
class Group:
    """What runs on a machine from one start to one end: an operation, or a batch.

    setup_s  of the longest setup among its members; given_s: the shortest of those that have begun (None: none has)
    need     the setup it runs in, '' for any;  batch: '' where nothing may join
    """

    start_s: int
    end_s: int
    setup_s: int
    need: str
    batch: str
    members: tuple[Slot, ...]
    given_s: int | None = None

    @property
    def begun(self) -> bool:
        """Whether all of it is frozen."""
        return self.given_s is not None and all(slot.frozen for slot in self.members)

    def with_setup(self, seconds: int) -> Group:
        """The same with another setup; what has begun keeps its own."""
        if self.setup_s == seconds and self.given_s is None:
            return self
        members = tuple(slot if slot.frozen else replace(slot, setup_s=seconds) for slot in self.members)
        most_s = max(slot.setup_s for slot in members)
        return Group(self.start_s, self.end_s, most_s, self.need, self.batch, members, self.given_s)


class Line:
    """One machine: its groups in turn, and the state it stands in before each, and after the last."""

    __slots__ = ("ends", "groups", "machine", "states")

    def __init__(self, machine: Machine, groups: list[Group]) -> None:
        self.machine, self.groups = machine, groups
        self.ends = [group.end_s for group in groups]
        self.states = list(itertools.accumulate(
            groups, lambda state, group: group.need or state, initial=machine.state))


@dataclass(frozen=True, slots=True)
class Place:
    """Where an operation fits: before the group `at` of its machine, or with it.

    after  (group, seconds): whose setup becomes another by that
    """

    machine: str
    at: int
    start_s: int
    end_s: int
    setup_s: int = 0
    person: str = ""
    joins: bool = False
    after: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Room:
    """Between two groups of a machine: an operation may start at from_s, and has to end by to_s."""

    at: int
    from_s: int
    to_s: int
    setup_s: int
    after: tuple[int, int] | None


@dataclass(frozen=True)
class Floor:
    """A shop with what stands in it.

    people   person -> when busy or away;  doing: person -> slots;  away: person -> when not there
    holds    tool -> slots that use one of it;  full: tool -> when all are in use
    blocked  machine -> when closed;  changes: (machine, before, after) -> seconds;  changing: machines of those
    skilled  skill -> persons
    """

    shop: Shop
    lines: Mapping[str, Line]
    people: Mapping[str, list[Interval]]
    doing: Mapping[str, tuple[Slot, ...]]
    away: Mapping[str, tuple[Interval, ...]]
    holds: Mapping[str, tuple[Slot, ...]]
    full: Mapping[str, list[Interval]]
    blocked: Mapping[str, list[Interval]]
    changes: Mapping[tuple[str, str, str], int]
    changing: Set[str]
    skilled: Mapping[str, tuple[str, ...]]

    def change_s(self, machine: str, before: str, after: str) -> int:
        """Seconds of setup of a machine from one state to another."""
        if not before or not after or not self.changes:
            return 0
        others = self.changes.get((machine, "*", after), 0) if before != after else 0
        return self.changes.get((machine, before, after), others)

    def slots(self) -> list[Slot]:
        """All that stands."""
        return [slot for line in self.lines.values() for group in line.groups for slot in group.members]

    def places(self, operation: Operation, machine: str, seconds: int, ready_s: int) -> Iterator[Place]:
        """Where an operation fits from ready_s on, by gaps: the earliest start for each person in each free stretch.

        Of those that start at one time, a person with fewer skills comes first.
        """
        line, groups = self.lines[machine], self.lines[machine].groups
        for at in range(bisect_right(line.ends, ready_s), len(groups) + 1):
            room = self._room(line, operation, at, ready_s)
            if room and room.from_s + seconds <= room.to_s:
                yield from self._inside(operation, machine, seconds, room)
            if at < len(groups) and line.machine.batch > 1:
                yield from self._together(operation, line, seconds, at, ready_s)

    def _room(self, line: Line, operation: Operation, at: int, ready_s: int) -> Room | None:
        """The room before the group `at`; None where what follows could not be made ready in time."""
        groups, name, need = line.groups, line.machine.id, operation.setup
        setup_s = self.change_s(name, line.states[at], need)
        from_s = max(ready_s, max(0, groups[at - 1].end_s if at else 0) + setup_s)
        if at == len(groups):
            return Room(at, from_s, NEVER_S if self.shop.horizon_s is None else self.shop.horizon_s, setup_s, None)
        to_s, after = groups[at].start_s - groups[at].setup_s, None
        following = next((k for k in range(at, len(groups)) if groups[k].need), None) if need else None
        if following is not None:
            group, seconds = groups[following], self.change_s(name, need, groups[following].need)
            if group.given_s is not None and group.given_s < seconds:
                return None
            if not group.begun:
                free_s = groups[following - 1].end_s if following > at else 0
                if not self.open(name, max(0, free_s), group.start_s, seconds):
                    return None
                after = (following, seconds)
                if following == at:
                    to_s = group.start_s - (seconds if group.given_s is None else group.with_setup(seconds).setup_s)
        return Room(at, from_s, to_s, setup_s, after) if from_s < to_s else None

    def open(self, machine: str, from_s: int, to_s: int, seconds: int) -> bool:
        """Whether so many seconds right before to_s lie after from_s, and the machine is not closed in them."""
        begin_s = to_s - seconds
        return begin_s >= from_s and (not seconds or first_fit(self.blocked[machine], begin_s, seconds) == begin_s)

    def _inside(self, operation: Operation, machine: str, seconds: int, room: Room) -> Iterator[Place]:
        people = self.skilled[operation.skill] if operation.skill else ("",)
        taken = [(self.blocked[machine], room.setup_s), *((self.full[tool], 0) for tool in operation.tools)]
        starts = [_starts([*taken, (self.people[who], 0)] if who else taken, room, seconds, who) for who in people]
        for start_s, person in heapq.merge(*starts, key=lambda pair: pair[0]) if len(starts) > 1 else starts[0]:
            yield Place(machine, room.at, start_s, start_s + seconds, room.setup_s, person, False, room.after)

    def _together(
        self, operation: Operation, line: Line, seconds: int, at: int, ready_s: int
    ) -> Iterator[Place]:
        """With the batch `at`, where it may be."""
        group = line.groups[at]
        same = (group.batch, group.need, group.end_s - group.start_s) == (operation.batch, operation.setup, seconds)
        if not same or not operation.batch or len(group.members) >= line.machine.batch or group.start_s < ready_s:
            return
        setup_s = self.change_s(line.machine.id, line.states[at], group.need)
        if group.start_s - setup_s < max(0, line.groups[at - 1].end_s if at else 0) or not self._may_join(line, at):
            return
        for person in self.skilled[operation.skill] if operation.skill else ("",):
            taken = [(self.full[tool], 0) for tool in operation.tools]
            if person:
                taken.append((self.people[person], 0))
            if group.begun:
                taken.append((self.blocked[line.machine.id], setup_s))
            if clear(taken, group.start_s, seconds) == group.start_s:
                yield Place(line.machine.id, at, group.start_s, group.end_s, setup_s, person, True)

    def _may_join(self, line: Line, at: int) -> bool:
        """Whether what has begun behind a group has the setup for it, when more than what has begun is in the group."""
        following = next((group for group in line.groups[at + 1:] if group.need), None)
        if following is None or following.given_s is None or not line.groups[at].need:
            return True
        return following.given_s >= self.change_s(line.machine.id, line.groups[at].need, following.need)

    def put(self, operation: Operation, place: Place) -> Floor:
        """The floor with the operation there as well."""
        slot = Slot(operation.job, operation.name, place.machine, place.start_s, place.end_s, False, place.setup_s,
                    place.person)
        groups = list(self.lines[place.machine].groups)
        if place.after:
            groups[place.after[0]] = groups[place.after[0]].with_setup(place.after[1])
        if place.joins:
            old = groups[place.at]
            groups[place.at] = replace(old, members=(*old.members, slot), setup_s=max(old.setup_s, slot.setup_s))
        else:
            groups.insert(place.at, _group((slot,), operation))
        lines = {**self.lines, place.machine: Line(self.lines[place.machine].machine, groups)}
        people, doing, holds, full = self.people, self.doing, self.holds, self.full
        if place.person:
            people = {**people, place.person: merged([*people[place.person], (place.start_s, place.end_s)])}
            doing = {**doing, place.person: (*doing[place.person], slot)}
        if operation.tools:
            holds = {**holds, **{tool: (*holds[tool], slot) for tool in set(operation.tools)}}
            full = {**full, **{tool: _full(holds[tool], self.shop.tools[tool]) for tool in set(operation.tools)}}
        return replace(self, lines=lines, people=people, doing=doing, holds=holds, full=full)

    def only(self, stays: Callable[[Slot], bool]) -> Floor:
        """The floor with only those slots. Setups are as they were, even where now another would do."""
        lines = {name: _only(line, stays) for name, line in self.lines.items()}
        doing = {name: tuple(filter(stays, slots)) for name, slots in self.doing.items()}
        holds = {name: tuple(filter(stays, slots)) for name, slots in self.holds.items()}
        people = {
            name: self.people[name] if len(left) == len(self.doing[name]) else _taken(left, self.away[name])
            for name, left in doing.items()}
        full = {
            name: self.full[name] if len(left) == len(self.holds[name]) else _full(left, self.shop.tools[name])
            for name, left in holds.items()}
        return replace(self, lines=lines, people=people, doing=doing, holds=holds, full=full)


def _only(line: Line, stays: Callable[[Slot], bool]) -> Line:
    groups = []
    for group in line.groups:
        members = tuple(filter(stays, group.members))
        if len(members) == len(group.members):
            groups.append(group)
        elif members:
            given = [slot.setup_s for slot in members if slot.frozen]
            groups.append(replace(group, members=members, given_s=min(given, default=None)))
    return line if len(groups) == len(line.groups) and groups == line.groups else Line(line.machine, groups)


def _taken(slots: Iterable[Slot], away: Sequence[Interval]) -> list[Interval]:
    return merged([*away, *((slot.start_s, slot.end_s) for slot in slots)])


def _starts(
    taken: Sequence[tuple[Sequence[Interval], int]], room: Room, seconds: int, person: str
) -> Iterator[tuple[int, str]]:
    """The earliest start in each free stretch of a room."""
    start_s = clear(taken, room.from_s, seconds)
    while start_s + seconds <= room.to_s:
        yield start_s, person
        start_s = clear(taken, _behind(taken, start_s + seconds), seconds)


def clear(taken: Sequence[tuple[Sequence[Interval], int]], start_s: int, seconds: int) -> int:
    """The first start from start_s on that overlaps nothing. taken: intervals, and seconds before it that count too."""
    while True:
        found = start_s
        for intervals, before_s in taken:
            if intervals:
                found = first_fit(intervals, found - before_s, seconds + before_s) + before_s
        if found == start_s or len(taken) < 2:
            return found
        start_s = found


def _behind(taken: Sequence[tuple[Sequence[Interval], int]], end_s: int) -> int:
    """The end of the first thing in the way from end_s on."""
    nearest = (NEVER_S, NEVER_S)
    for intervals, before_s in taken:
        at = bisect_left(intervals, (end_s, end_s))
        if at < len(intervals):
            nearest = min(nearest, (intervals[at][0], intervals[at][1] + before_s))
    return nearest[1]


def floor_of(shop: Shop, slots: Iterable[Slot]) -> Floor:
    """The shop with these slots standing in it; they have to keep its rules."""
    operations = {(o.job, o.name): o for job in shop.jobs for o in job.operations}
    here: dict[str, dict[Interval, list[Slot]]] = {machine.id: {} for machine in shop.machines}
    doing: dict[str, list[Slot]] = {operator.id: [] for operator in shop.operators}
    holds: dict[str, list[Slot]] = {tool: [] for tool in shop.tools}
    for slot in slots:
        here[slot.machine].setdefault((slot.start_s, slot.end_s), []).append(slot)
        if slot.operator in doing:
            doing[slot.operator].append(slot)
        for tool in set(operations[slot.order, slot.operation].tools):
            holds[tool].append(slot)
    lines = {}
    for machine in shop.machines:
        spans = sorted(here[machine.id].items(), key=lambda item: item[0])
        groups = [_group(tuple(mine), *(operations[s.order, s.operation] for s in mine)) for _, mine in spans]
        lines[machine.id] = Line(machine, groups)
    blocked: dict[str, list[Interval]] = {machine.id: [] for machine in shop.machines}
    for b in shop.blocked:
        blocked[b.machine].append((b.start_s, b.end_s))
    skilled: dict[str, list[str]] = defaultdict(list)
    for operator in sorted(shop.operators, key=lambda person: len(person.skills)):
        for skill in dict.fromkeys(operator.skills):
            skilled[skill].append(operator.id)
    away = {operator.id: operator.away for operator in shop.operators}
    return Floor(
        shop, lines, {name: _taken(mine, away[name]) for name, mine in doing.items()},
        {name: tuple(mine) for name, mine in doing.items()}, away, {tool: tuple(mine) for tool, mine in holds.items()},
        {tool: _full(mine, shop.tools[tool]) for tool, mine in holds.items()},
        {name: merged(spans) for name, spans in blocked.items()},
        {(s.machine, s.before, s.after): s.seconds for s in shop.setups}, {s.machine for s in shop.setups},
        {skill: tuple(names) for skill, names in skilled.items()})


def _group(members: tuple[Slot, ...], *operations: Operation) -> Group:
    first, alike = members[0], len({(o.batch, o.setup) for o in operations}) == 1
    given = [slot.setup_s for slot in members if slot.frozen]
    return Group(
        first.start_s, first.end_s, max(slot.setup_s for slot in members),
        next((o.setup for o in operations if o.setup), ""), operations[0].batch if alike else "", members,
        min(given) if given else None)


def _full(slots: Sequence[Slot], count: int) -> list[Interval]:
    """When as many are in use as there are."""
    edges = sorted(edge for s in slots if s.start_s < s.end_s for edge in ((s.start_s, 1), (s.end_s, -1)))
    full: list[Interval] = []
    used = 0
    for at_s, change in edges:
        if used >= count > used + change:
            full[-1] = (full[-1][0], at_s)
        elif used < count <= used + change:
            full.append((at_s, at_s))
        used += change
    return [span for span in merged(full) if span[0] < span[1]]
