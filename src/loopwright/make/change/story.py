"""Why each operation of a plan stands where it stands, and by how much it may slip before it hurts.

    told = story(shop, plan)
    told.waits("o-1", "mill")       what ended, opened or arrived at the very moment at which it could begin
    told.slack_s("o-1", "mill")     seconds it may end later before an order is later than it should be

The slack is the total float of the critical path method, with the orders of the plan on machines and of people kept
and closed times left out. Source: J. E. Kelley and M. R. Walker, "Critical-Path Planning and Scheduling", 1959.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from loopwright.core.types import Plan, Slot
from loopwright.make.shop import Blocked, Job, Key, Operation, Shop

Why = Literal["operation", "machine", "closed", "operator", "tool", "material", "release"]
Interval = tuple[int, int]


@dataclass(frozen=True)
class Wait:
    """One thing an operation waited for.

    what   the operation, machine, person, tool or material; '' for the release of its order
    by     who had it: (order, operation), or None
    lag_s  how long after it (cooling, transport)
    why    of a closed time: 'closed shift', 'service'
    """

    kind: Why
    what: str
    by: Key | None = None
    lag_s: int = 0
    why: str = ""


@dataclass(frozen=True)
class Story:
    """What a plan's operations wait for and how far they may slip; keys are (order, operation)."""

    slots: Mapping[Key, Slot]
    _waits: Mapping[Key, tuple[Wait, ...]]
    _slack: Mapping[Key, int]

    def waits(self, order: str, operation: str) -> tuple[Wait, ...]:
        """All that ended or arrived exactly when it could begin; () when it has begun, or could begin earlier."""
        return self._waits.get((order, operation), ())

    def slack_s(self, order: str, operation: str) -> int:
        """Seconds by which it may end later: no order ends after its due date, or after its planned end where that is
        later; without a due date, after the plan's end."""
        return self._slack.get((order, operation), 0)


def story(shop: Shop, plan: Plan) -> Story:
    """The story of a plan that keeps the shop's rules; linear in operations but for sorting."""
    look = _look(shop, plan)
    slots = look.slots
    waits = {key: _waits(look, slot) for key, slot in slots.items() if not slot.frozen}
    return Story(slots, waits, _slacks(look, plan))


@dataclass(frozen=True)
class _Look:
    """What is looked up again and again."""

    shop: Shop
    slots: Mapping[Key, Slot]
    jobs: Mapping[str, Job]
    operations: Mapping[Key, Operation]
    after: Mapping[Key, Sequence[tuple[Key, Operation]]]  # what waits for it
    before: Mapping[Key, Slot]  # what ended last on the same machine before it begins
    busy: Mapping[Key, Slot]  # the same of the same person
    held: Mapping[Key, Sequence[tuple[str, Slot]]]  # who gave a tool back as it begins
    closed: Mapping[str, Sequence[Blocked]]
    away: Mapping[str, Sequence[Interval]]


def _look(shop: Shop, plan: Plan) -> _Look:
    slots = {(s.order, s.operation): s for s in plan.slots}
    operations = {o.key: o for job in shop.jobs for o in job.operations if o.key in slots}
    after: dict[Key, list[tuple[Key, Operation]]] = defaultdict(list)
    for key, operation in operations.items():
        for name in operation.after:
            after[key[0], name].append((key, operation))
    closed: dict[str, list[Blocked]] = defaultdict(list)
    for one in sorted(shop.blocked, key=lambda b: b.start_s):
        closed[one.machine].append(one)
    return _Look(
        shop, slots, {job.id: job for job in shop.jobs}, operations, after, last_before(plan.slots, "machine"),
        last_before([s for s in plan.slots if s.operator], "operator"), _held(slots, operations), closed,
        {o.id: sorted(o.away) for o in shop.operators})


def by(slots: Sequence[Slot], field: str) -> dict[str, list[Slot]]:
    """Slots by machine, order or operator, each list in time."""
    found: dict[str, list[Slot]] = {}
    for slot in sorted(slots, key=lambda s: (s.start_s, s.end_s, s.order, s.operation)):
        found.setdefault(getattr(slot, field), []).append(slot)
    return found


def last_before(slots: Sequence[Slot], field: str) -> dict[Key, Slot]:
    """What ended last on the same machine, or with the same person, before each slot begins."""
    found: dict[Key, Slot] = {}
    for mine in by(slots, field).values():
        for one, other in pairwise(mine):
            last = one if one.end_s <= other.start_s else found.get((one.order, one.operation))
            if last:
                found[other.order, other.operation] = last
    return found


def _held(slots: Mapping[Key, Slot], operations: Mapping[Key, Operation]) -> dict[Key, list[tuple[str, Slot]]]:
    ends: dict[tuple[str, int], Slot] = {}
    for key, operation in operations.items():
        for tool in operation.tools:
            ends[tool, slots[key].end_s] = slots[key]
    found: dict[Key, list[tuple[str, Slot]]] = {}
    for key, operation in operations.items():
        for tool in operation.tools:
            if other := ends.get((tool, slots[key].start_s)):
                found.setdefault(key, []).append((tool, other))
    return found


def _waits(look: _Look, slot: Slot) -> tuple[Wait, ...]:
    key, start_s = (slot.order, slot.operation), slot.start_s
    operation, ready_s = look.operations.get(key), slot.start_s - slot.setup_s
    if operation is None:
        return ()
    found = []
    for name in operation.after:
        other, link = look.slots.get((slot.order, name)), operation.link(name)
        if other and start_s == (other.end_s + link.lag_s if link.lot_s is None else other.start_s + link.lot_s):
            found.append(Wait("operation", name, (other.order, name), link.lag_s))
    on = look.before.get(key)
    if on and on.end_s == ready_s:
        found.append(Wait("machine", slot.machine, (on.order, on.operation)))
    found += [Wait("closed", slot.machine, why=b.why) for b in look.closed.get(slot.machine, ()) if b.end_s == ready_s]
    busy = look.busy.get(key)
    if busy and busy.end_s == start_s:
        found.append(Wait("operator", slot.operator, (busy.order, busy.operation)))
    found += [Wait("operator", slot.operator, why="away") for _, end_s in look.away.get(slot.operator, ())
              if end_s == start_s]
    found += [Wait("tool", tool, (one.order, one.operation)) for tool, one in look.held.get(key, ())]
    found += [Wait("material", name) for name in operation.materials if look.shop.materials.get(name) == start_s]
    if look.jobs[slot.order].release_s == start_s > 0:
        found.append(Wait("release", ""))
    return tuple(found)


def _slacks(look: _Look, plan: Plan) -> dict[Key, int]:
    """Latest ends, found from the last operation to the first; a batch is one operation."""
    ends: dict[str, int] = {}
    for slot in plan.slots:
        ends[slot.order] = max(slot.end_s, ends.get(slot.order, slot.end_s))
    batches: dict[tuple[str, int, int], list[Slot]] = defaultdict(list)
    for slot in plan.slots:
        batches[slot.machine, slot.start_s, slot.end_s].append(slot)
    following, persons, uses = _next(batches), _next_of_person(plan.slots), _uses(look)
    latest: dict[Key, int] = {}
    for place in sorted(batches, key=lambda p: (-p[1], -p[2], p[0])):
        group = batches[place]
        limit = min(_limit(look, slot, ends, plan.makespan_s, latest, persons, uses) for slot in group)
        for other in batches.get(following[place], ()) if place in following else ():
            limit = min(limit, _latest(latest, other) - (other.end_s - other.start_s) - other.setup_s)
        limit = _open(look, group, limit)
        for slot in group:
            latest[slot.order, slot.operation] = max(limit, slot.end_s)
    return {key: latest[key] - slot.end_s for key, slot in look.slots.items()}


def _latest(latest: Mapping[Key, int], slot: Slot) -> int:
    return latest.get((slot.order, slot.operation), slot.end_s)


def _next(batches: Mapping[tuple[str, int, int], Sequence[Slot]]) -> dict[tuple[str, int, int], tuple[str, int, int]]:
    places = sorted(batches)
    return {one: other for one, other in pairwise(places) if one[0] == other[0]}


def _next_of_person(slots: Sequence[Slot]) -> dict[Key, Slot]:
    mine = by([s for s in slots if s.operator], "operator").values()
    return {(one.order, one.operation): other for row in mine for one, other in pairwise(row)}


def _uses(look: _Look) -> dict[str, list[int]]:
    """tool -> when it is taken, in time."""
    found: dict[str, list[int]] = defaultdict(list)
    for key, operation in look.operations.items():
        for tool in operation.tools:
            found[tool].append(look.slots[key].start_s)
    return {tool: sorted(starts) for tool, starts in found.items()}


def _limit(
    look: _Look, slot: Slot, ends: Mapping[str, int], last_s: int, latest: Mapping[Key, int],
    persons: Mapping[Key, Slot], uses: Mapping[str, Sequence[int]],
) -> int:
    """The latest end of a slot for its order's sake, for what waits for it, for its person and its tools."""
    key, seconds = (slot.order, slot.operation), slot.end_s - slot.start_s
    job = look.jobs.get(slot.order)
    limit = last_s if job is None or job.due_s is None else max(job.due_s, ends[slot.order])
    for other, operation in look.after.get(key, ()):
        last, its = _latest(latest, look.slots[other]), look.slots[other].end_s - look.slots[other].start_s
        link = operation.link(slot.operation)
        if link.lot_s is None:
            limit = min(limit, last - its - link.lag_s)
        else:
            limit = min(limit, last - its - link.lot_s + seconds, last - link.lag_s)
    if other_slot := persons.get(key):
        its = other_slot.end_s - other_slot.start_s
        limit = min(limit, _latest(latest, other_slot) - its)
    for tool in look.operations[key].tools if key in look.operations else ():
        starts = uses[tool]
        at = bisect_left(starts, slot.end_s)
        limit = min(limit, starts[at]) if at < len(starts) else limit
    return limit


def _open(look: _Look, group: Sequence[Slot], limit_s: int) -> int:
    """The latest end up to the limit at which the machine is open and its people are there."""
    slot = group[0]
    if slot.frozen:
        return limit_s
    seconds = slot.end_s - slot.start_s
    shut = [(b.start_s, b.end_s + max(s.setup_s for s in group)) for b in look.closed.get(slot.machine, ())]
    shut += [one for s in group for one in look.away.get(s.operator, ())]
    for start_s, end_s in sorted((p for p in shut if p[1] > slot.end_s - seconds), key=lambda p: -p[1]):
        if start_s < limit_s and limit_s - seconds < end_s:
            limit_s = start_s
    return limit_s
