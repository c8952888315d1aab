"""Why each operation of a plan stands where it stands, and by how much it may slip before it hurts.

    told = story(shop, plan)
    told.waits("o-1", "mill")       what ended, opened or arrived at the very moment at which it could begin
    told.slack_s("o-1", "mill")     seconds it may end later before an order is later than it should be

The slack is that of `change.slack`, with orders without a due date to end with the plan.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from loopwright.core.types import Plan, Slot
from loopwright.make.change.slack import slack
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
    spare = slack(shop, plan, plan.makespan_s)
    return Story(slots, waits, {key: spare.get(key) or 0 for key in slots})


@dataclass(frozen=True)
class _Look:
    """What is looked up again and again."""

    shop: Shop
    slots: Mapping[Key, Slot]
    jobs: Mapping[str, Job]
    operations: Mapping[Key, Operation]
    before: Mapping[Key, Slot]  # what ended last on the same machine before it begins
    busy: Mapping[Key, Slot]  # the same of the same person
    held: Mapping[Key, Sequence[tuple[str, Slot]]]  # who gave a tool back as it begins
    closed: Mapping[str, Sequence[Blocked]]
    away: Mapping[str, Sequence[Interval]]


def _look(shop: Shop, plan: Plan) -> _Look:
    slots = {(s.order, s.operation): s for s in plan.slots}
    operations = {o.key: o for job in shop.jobs for o in job.operations if o.key in slots}
    closed: dict[str, list[Blocked]] = defaultdict(list)
    for one in sorted(shop.blocked, key=lambda b: b.start_s):
        closed[one.machine].append(one)
    return _Look(
        shop, slots, {job.id: job for job in shop.jobs}, operations, last_before(plan.slots, "machine"),
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
