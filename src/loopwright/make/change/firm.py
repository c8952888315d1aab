"""The frozen zone: what a plan begins so soon that it is prepared for stays where it is, as far as it still can.

    shop = firm(shop, plan, 1800)          what the plan begins in the next half hour stands frozen in the shop
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from loopwright.core.clock import NS_PER_S
from loopwright.core.types import Plan, Slot
from loopwright.make.shop import Job, Key, Operation, Shop


def firm(shop: Shop, plan: Plan, zone_s: int) -> Shop:
    """The shop with the operations frozen that the plan begins before zone_s and that can still begin then and there.

    shop, plan  the plan may have another origin. On each machine only a beginning of what is planned there is frozen,
                so nothing that can move stands before something that cannot
    What happened meanwhile comes first: an operation whose machine is blocked or busy then, whose forerunner, person,
    tool or material is not there, moves.
    """
    shift_s = round((shop.origin_ns - plan.origin_ns) / NS_PER_S)
    jobs = {job.id: job for job in shop.jobs}
    left = {o.key: o for o in shop.operations}
    stands = {key: o.frozen for key, o in left.items() if o.frozen}
    state = {machine.id: machine.state for machine in shop.machines}
    for slot in sorted(stands.values(), key=lambda s: s.start_s):
        state[slot.machine] = left[slot.order, slot.operation].setup or state.get(slot.machine, "")
    loose: set[str] = set()  # machines on which something is planned that is not frozen
    for old in sorted(plan.slots, key=lambda s: (s.start_s, s.end_s)):
        key = (old.order, old.operation)
        if key not in left or key in stands:
            continue
        slot = replace(old, start_s=old.start_s - shift_s, end_s=old.end_s - shift_s, frozen=True)
        before = state.get(slot.machine, "")
        if slot.machine in loose or slot.start_s >= zone_s or not _can(
                shop, jobs[slot.order], left[key], slot, stands, before):
            loose.add(slot.machine)
            continue
        stands[key] = slot
        state[slot.machine] = left[key].setup or before
    return replace(shop, jobs=tuple(
        replace(job, operations=tuple(replace(o, frozen=stands.get(o.key)) for o in job.operations))
        for job in shop.jobs))


def _can(
    shop: Shop, job: Job, operation: Operation, slot: Slot, stands: Mapping[Key, Slot], state: str
) -> bool:
    """Whether it can begin there and then beside what stands already."""
    begin_s = slot.start_s - slot.setup_s
    fits = dict(operation.on).get(slot.machine) == slot.end_s - slot.start_s and begin_s >= 0
    if not fits or slot.start_s < shop.ready_s(job, operation):
        return False
    if slot.setup_s != _setup_s(shop, slot, state, operation):
        return False
    for name in operation.after:
        other, link = stands.get((job.id, name)), operation.link(name)
        if other is None:
            return False
        ready_s = other.end_s + link.lag_s if link.lot_s is None else other.start_s + link.lot_s
        if ready_s > slot.start_s or (link.lot_s is not None and other.end_s + link.lag_s > slot.end_s):
            return False
    if any(b.machine == slot.machine and b.start_s < slot.end_s and begin_s < b.end_s for b in shop.blocked):
        return False
    near = [(key, s) for key, s in stands.items() if s.start_s - s.setup_s < slot.end_s and begin_s < s.end_s]
    return all(s.machine != slot.machine for _, s in near) and _manned(shop, operation, slot, dict(near))


def _setup_s(shop: Shop, slot: Slot, state: str, operation: Operation) -> int:
    """The seconds of setup that it needs; as docs/decisions/0018-shop.md says."""
    if not operation.setup or not state:
        return 0
    known = {(s.before, s.after): s.seconds for s in shop.setups if s.machine == slot.machine}
    other = known.get(("*", operation.setup), 0) if state != operation.setup else 0
    return known.get((state, operation.setup), other)


def _manned(shop: Shop, operation: Operation, slot: Slot, near: Mapping[Key, Slot]) -> bool:
    """Whether its person and its tools are there."""
    if operation.skill:
        person = next((one for one in shop.operators if one.id == slot.operator), None)
        away = person is None or operation.skill not in person.skills or any(
            a < slot.end_s and slot.start_s < b for a, b in person.away)
        if away or any(other.operator == slot.operator for other in near.values()):
            return False
    held = {o.key: o.tools for o in shop.operations if o.key in near}
    return all(sum(tool in tools for tools in held.values()) < shop.tools.get(tool, 0) for tool in operation.tools)
