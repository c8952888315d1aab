"""Does a plan keep the rules of its shop? Looked at from scratch: nothing here is shared with whatever made the plan.

    check(shop, plan) -> []         or one violation a broken rule
"""

from __future__ import annotations

from dataclasses import dataclass

from loopwright.core.types import Plan, Slot
from loopwright.make.shop import Operation, Shop


@dataclass(frozen=True)
class Violation:
    """rule: origin, missing, unknown, twice, machine, duration, frozen, release, order, overlap, blocked, horizon,
    value or bound. says: what is wrong, in words with its times."""

    rule: str
    says: str


def check(shop: Shop, plan: Plan) -> list[Violation]:
    """Every rule of the shop that the plan breaks; empty when it can be worked."""
    slots: dict[tuple[str, str], Slot] = {}
    found = []
    wanted = {(o.job, o.name): o for job in shop.jobs for o in job.operations}
    if plan.origin_ns != shop.origin_ns:
        found.append(Violation("origin", f"it counts from {plan.origin_ns} ns, the shop from {shop.origin_ns} ns"))
    for slot in plan.slots:
        key = (slot.order, slot.operation)
        if key not in wanted:
            found.append(Violation("unknown", f"{_name(slot)} is not an operation of the shop"))
        elif key in slots:
            found.append(Violation("twice", f"{_name(slot)} stands twice"))
        else:
            slots[key] = slot
    for key, operation in wanted.items():
        if key not in slots:
            found.append(Violation("missing", f"{operation.job}/{operation.name} has no slot"))
        else:
            found += _check_slot(operation, slots[key])
    for job in shop.jobs:
        for operation in job.operations:
            found += _check_waiting(operation, job.release_s, slots)
    return found + _check_machines(shop, list(slots.values())) + _check_claims(shop, plan)


def _name(slot: Slot) -> str:
    return f"{slot.order}/{slot.operation} on {slot.machine} {slot.start_s}-{slot.end_s} s"


def _check_slot(operation: Operation, slot: Slot) -> list[Violation]:
    """Machine, duration, and for what has begun: exactly where it runs."""
    if operation.frozen:
        same = (slot.machine, slot.start_s, slot.end_s) == (
            operation.frozen.machine, operation.frozen.start_s, operation.frozen.end_s)
        return [] if same else [Violation("frozen", f"{_name(slot)} has begun as {_name(operation.frozen)}")]
    seconds = dict(operation.on).get(slot.machine)
    if seconds is None:
        return [Violation("machine", f"{_name(slot)}: it can only go to {[machine for machine, _ in operation.on]}")]
    if slot.end_s - slot.start_s != seconds:
        return [Violation("duration", f"{_name(slot)}: it takes {seconds} s there")]
    return []


def _check_waiting(operation: Operation, release_s: int, slots: dict[tuple[str, str], Slot]) -> list[Violation]:
    """Not before its job is released, nor before what it waits for has ended."""
    slot = slots.get((operation.job, operation.name))
    if slot is None or operation.frozen:
        return []
    found = []
    if slot.start_s < max(0, release_s):
        found.append(Violation("release", f"{_name(slot)} starts before {max(0, release_s)} s"))
    for name in operation.after:
        before = slots.get((operation.job, name))
        if before and before.end_s > slot.start_s:
            found.append(Violation("order", f"{_name(slot)} starts before {_name(before)} has ended"))
    return found


def _check_machines(shop: Shop, slots: list[Slot]) -> list[Violation]:
    """One operation at a time on a machine, none while it is blocked (what had begun before may run on)."""
    found = []
    begun = {(o.job, o.name) for job in shop.jobs for o in job.operations if o.frozen}
    for machine in {slot.machine for slot in slots}:
        here = sorted((s for s in slots if s.machine == machine), key=lambda s: (s.start_s, s.end_s))
        latest = here[0]
        for slot in here[1:]:
            if slot.start_s < latest.end_s:
                found.append(Violation("overlap", f"{_name(slot)} overlaps {_name(latest)}"))
            latest = max(latest, slot, key=lambda s: s.end_s)
        for slot in here:
            for blocked in shop.blocked if (slot.order, slot.operation) not in begun else ():
                if blocked.machine == machine and slot.start_s < blocked.end_s and blocked.start_s < slot.end_s:
                    hours = f"{blocked.start_s}-{blocked.end_s} s ({blocked.why})"
                    found.append(Violation("blocked", f"{_name(slot)}: {machine} is blocked {hours}"))
    return found


def _check_claims(shop: Shop, plan: Plan) -> list[Violation]:
    """What the plan says of itself: makespan, bound and status; and that it ends within the horizon."""
    found = []
    last = max([slot.end_s for slot in plan.slots], default=0)
    if shop.horizon_s is not None and last > shop.horizon_s:
        found.append(Violation("horizon", f"it ends after {last} s, the calendar is known for {shop.horizon_s} s"))
    if plan.objective == "makespan" and plan.value != last:
        found.append(Violation("value", f"it says {plan.value:g} s, its last slot ends after {last} s"))
    if plan.bound > plan.value or (plan.status == "optimal" and plan.bound < plan.value):
        found.append(Violation("bound", f"bound {plan.bound:g} s beside {plan.value:g} s, called {plan.status}"))
    return found
