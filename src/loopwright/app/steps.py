"""What has begun and what has ended in a plant's shop, from its events; and what that implies where events are missing.

What nobody told: an operation that begins has all behind it that it waits for, and has its machine to itself. A plant
that tells ends only is taken to begin as planned.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from loopwright.core.clock import NS_PER_S
from loopwright.core.types import Event, Plan, Slot
from loopwright.make.open_work import OpenOrder, Step
from loopwright.make.shop import Key


def step_of(event: Event) -> Step:
    """The step that a step.started or step.finished event tells of."""
    body = event.body
    order, operation, machine = (str(body[name]) for name in ("order", "operation", "machine"))
    setup = str(body.get("setup", ""))
    if event.kind == "step.started":
        return Step(order, operation, machine, event.t_ns, None, setup, operator=str(body.get("operator", "")))
    return Step(order, operation, machine, int(body["start_ns"]), int(body["end_ns"]), setup)


def steps(events: Sequence[Event], work: Sequence[OpenOrder], machines: Mapping[str, int]) -> tuple[Step, ...]:
    """What began and what ended of the open work; an end counts more than a beginning, a later word more than an
    earlier. What began on a machine that is not there any more has not begun; what ran on a scrapped piece does not.

    machines  how many operations each takes at once
    """
    found: dict[Key, Step] = {}
    left = {(order.id, o.name) for order in work for o in order.operations}
    for event in events:
        if event.kind in ("step.started", "step.finished"):
            step = step_of(event)
            known = found.get((step.order, step.operation))
            if (known is None or known.end_ns is None or step.end_ns is not None) and (
                    step.end_ns is not None or step.machine in machines):
                found[step.order, step.operation] = step
    counted = [step for key, step in found.items() if step.end_ns is not None or key in left]
    return tuple(_as_many_as_it_takes(_behind(counted, work), machines))


def _behind(known: list[Step], work: Sequence[OpenOrder]) -> list[Step]:
    """With what an operation waits for ended when it began, where nobody said so."""
    by_key = {(step.order, step.operation): step for step in known}
    by_order: dict[str, list[Step]] = {}
    for step in known:
        by_order.setdefault(step.order, []).append(step)
    for order in work:
        after = {o.name: o.after if o.lot_s is None else () for o in order.operations}
        begun = [s for s in by_order.get(order.id, ()) if s.operation in after]
        while begun:
            step = begun.pop()
            for name in after.get(step.operation, ()):
                other = by_key.get((order.id, name))
                if other is None or other.end_ns is None:
                    machine, start_ns = (other.machine, other.start_ns) if other else ("", step.start_ns)
                    end_ns = max(start_ns, step.start_ns)
                    by_key[order.id, name] = Step(order.id, name, machine, start_ns, end_ns)
                    begun.append(by_key[order.id, name])
    return list(by_key.values())


def _as_many_as_it_takes(known: Sequence[Step], machines: Mapping[str, int]) -> list[Step]:
    """What runs on a machine ends when one more begins there than it takes at once, where nobody said so."""
    later: dict[str, list[int]] = {}
    found = []
    for step in sorted(known, key=lambda s: s.start_ns, reverse=True):
        begun, most = later.setdefault(step.machine, []), machines.get(step.machine, 1)
        if step.end_ns is None and len(begun) >= most:
            step = replace(step, end_ns=max(step.start_ns, begun[-most]))
        begun.append(step.start_ns)
        found.append(step)
    return found[::-1]


def taken_to_run(
    known: Sequence[Step], work: Sequence[OpenOrder], plan: Plan, at_ns: int, down: Collection[str]
) -> list[Step]:
    """In a plant that tells ends only: on each machine that works, the operation (or batch) that is taken to have begun
    as planned, once the one before it has ended."""
    ended = {(s.order, s.operation) for s in known if s.end_ns is not None}
    begun = {(s.order, s.operation) for s in known}
    after: Mapping[Key, tuple[str, ...]] = {(order.id, o.name): o.after for order in work for o in order.operations}
    busy = {s.machine for s in known if s.end_ns is None} | set(down)
    taken: dict[str, list[Slot]] = {}
    for slot in sorted(plan.slots, key=lambda s: s.start_s):
        key = (slot.order, slot.operation)
        ready = all((slot.order, name) in ended for name in after.get(key, ()))
        free = key in after and key not in begun and slot.machine not in busy
        free = free and all(other.start_s == slot.start_s for other in taken.get(slot.machine, ()))
        if free and ready and plan.origin_ns + slot.start_s * NS_PER_S < at_ns:
            taken.setdefault(slot.machine, []).append(slot)
    last: dict[str, int] = {}
    for step in known:
        last[step.machine] = max(last.get(step.machine, 0), step.end_ns or 0)
    return [
        Step(s.order, s.operation, s.machine, max(plan.origin_ns + s.start_s * NS_PER_S, last.get(s.machine, 0)), None,
             operator=s.operator) for group in taken.values() for s in group]
