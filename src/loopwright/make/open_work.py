"""From what a plant knows to a shop to be planned: open orders, their routes, and what has happened so far.

    shop = shop_from(now_ns, orders, machines, steps, closed)

Finished operations drop out, running ones stand frozen where they run. `as_body` and `from_body` put a plan into an
event and take it out again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loopwright.core.clock import NS_PER_S
from loopwright.core.types import Plan, Slot
from loopwright.make.released import facts
from loopwright.make.route import RouteOperation
from loopwright.make.shop import Blocked, Job, Key, Machine, Operation, Shop


@dataclass(frozen=True)
class OpenOrder:
    """A unit still to be made: the id its slots carry (the order's, or one a unit) and its operations."""

    id: str
    operations: tuple[RouteOperation, ...]
    release_ns: int = 0


@dataclass(frozen=True)
class Step:
    """What happened: an operation began, and ended unless end_ns is None."""

    order: str
    operation: str
    machine: str
    start_ns: int
    end_ns: int | None = None


@dataclass(frozen=True)
class Closed:
    """A machine cannot be had in this time. `waits`: it begins when what runs has ended and then takes all its time, as
    work orders do; otherwise it keeps its hours, as closed shifts do."""

    machine: str
    start_ns: int
    end_ns: int
    why: str = ""
    waits: bool = False


def shop_from(
    origin_ns: int, orders: Sequence[OpenOrder], machines: Sequence[Machine], steps: Sequence[Step] = (),
    closed: Sequence[Closed] = (), plan: Plan | None = None, horizon_ns: int | None = None,
) -> Shop:
    """The shop at origin_ns.

    steps       what is known to have begun or ended. Ended operations drop out; running ones are frozen where they
                run, until their planned seconds are over (or now, when that is past)
    closed      blocked times; parts before origin_ns are cut off
    plan        only for a shop that reports no steps: what the plan so far says has happened is taken to have happened
    horizon_ns  how far the calendar is known
    """
    happened = {(step.order, step.operation): step for step in steps}
    if plan:
        happened = {**_as_planned(plan, origin_ns), **happened}
    roles: dict[str, list[str]] = {}
    for machine in machines:
        roles.setdefault(machine.role, []).append(machine.id)
    jobs = [_job(order, roles, happened, origin_ns) for order in orders]
    jobs = [job for job in jobs if job.operations]
    running = {o.frozen.machine: o.frozen.end_s for job in jobs for o in job.operations if o.frozen}
    blocked = [b for item in closed if (b := _blocked(item, running, origin_ns))]
    horizon_s = None if horizon_ns is None else _seconds(horizon_ns, origin_ns)
    return Shop(origin_ns, tuple(machines), tuple(jobs), tuple(blocked), horizon_s)


def _seconds(t_ns: int, origin_ns: int) -> int:
    """Whole seconds from the origin, rounded up, so that nothing is planned to begin before it can."""
    return -((origin_ns - t_ns) // NS_PER_S)


def _as_planned(plan: Plan, origin_ns: int) -> dict[Key, Step]:
    taken = {}
    for slot in plan.slots:
        start_ns, end_ns = (plan.origin_ns + s * NS_PER_S for s in (slot.start_s, slot.end_s))
        if start_ns <= origin_ns:
            ended = end_ns if end_ns <= origin_ns else None
            taken[slot.order, slot.operation] = Step(slot.order, slot.operation, slot.machine, start_ns, ended)
    return taken


def _job(order: OpenOrder, roles: Mapping[str, Sequence[str]], happened: Mapping[Key, Step], origin_ns: int) -> Job:
    done = {o.name for o in order.operations if (s := happened.get((order.id, o.name))) and s.end_ns is not None}
    operations = []
    for o in order.operations:
        if o.name in done:
            continue
        on = tuple((machine, o.seconds) for machine in roles.get(o.role, ()))
        step, frozen = happened.get((order.id, o.name)), None
        if step:
            start_s = _seconds(step.start_ns, origin_ns)
            frozen = Slot(order.id, o.name, step.machine, start_s, max(start_s + o.seconds, 0), frozen=True)
        operations.append(Operation(order.id, o.name, on, tuple(a for a in o.after if a not in done), frozen))
    return Job(order.id, tuple(operations), max(0, _seconds(order.release_ns, origin_ns)))


def _blocked(item: Closed, running: Mapping[str, int], origin_ns: int) -> Blocked | None:
    start_s, end_s = _seconds(item.start_ns, origin_ns), _seconds(item.end_ns, origin_ns)
    free_s = running.get(item.machine, 0)
    if item.waits and start_s < free_s:
        start_s, end_s = free_s, end_s + free_s - start_s
    start_s = max(start_s, 0)
    return Blocked(item.machine, start_s, end_s, item.why) if start_s < end_s else None


def as_body(plan: Plan, reason: str, shop: Shop | None = None) -> dict[str, Any]:
    """The body of a plan.released event: plain data. reason: why it was planned ('order o-1', 'work order w-2').

    shop  the one that was planned: its due dates, closed times and what waits for what are told with it
          (`make.released`), so that pages can say why each operation stands where it stands
    """
    slots = [
        {"order": s.order, "operation": s.operation, "machine": s.machine, "start_s": s.start_s, "end_s": s.end_s,
         "frozen": s.frozen, **({"setup_s": s.setup_s} if s.setup_s else {}),
         **({"operator": s.operator} if s.operator else {})} for s in plan.slots]
    return {
        "origin_ns": plan.origin_ns, "slots": slots, "status": plan.status, "objective": plan.objective,
        "makespan_s": plan.makespan_s, "value": plan.value, "bound_s": plan.bound, "solver": plan.solver,
        "took_s": plan.took_s, "reason": reason, **({"shop": facts(shop, plan)} if shop else {}),
    }


def from_body(body: Mapping[str, Any]) -> Plan:
    """The plan that `as_body` wrote."""
    slots = tuple(Slot(**slot) for slot in body["slots"])
    return Plan(
        body["origin_ns"], slots, body["status"], body["objective"], float(body.get("value", body["makespan_s"])),
        float(body["bound_s"]), body["solver"], body["took_s"])
