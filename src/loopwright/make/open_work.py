"""From what a plant knows to a shop to be planned: open orders, their routes, and what has happened so far.

    shop = shop_from(now_ns, orders, machines, steps, closed)

Finished operations drop out, running ones stand frozen where they run. `as_body` and `from_body` put a plan into an
event and take it out again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from loopwright.core.clock import NS_PER_S
from loopwright.core.types import Plan, Slot
from loopwright.make.change.released import facts
from loopwright.make.route import RouteOperation
from loopwright.make.shop import Blocked, Job, Key, Link, Machine, Operation, Operator, Setup, Shop


@dataclass(frozen=True)
class OpenOrder:
    """A unit still to be made: the id its slots carry (the order's, or one a unit) and its operations.

    due_ns  when it should be finished; 0: no due date. weight: what a second of lateness costs, beside other orders
    """

    id: str
    operations: tuple[RouteOperation, ...]
    release_ns: int = 0
    due_ns: int = 0
    weight: float = 1.0


@dataclass(frozen=True)
class Step:
    """What happened: an operation began, and ended unless end_ns is None.

    setup     what its machine stood in for it
    until_ns  when it will end, where more is known than its seconds; operator: who is at it
    """

    order: str
    operation: str
    machine: str
    start_ns: int
    end_ns: int | None = None
    setup: str = ""
    until_ns: int = 0
    operator: str = ""


@dataclass(frozen=True)
class Person:
    """Somebody who can do some things, and when they are not there (ns UTC)."""

    id: str
    skills: tuple[str, ...]
    away_ns: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Resources:
    """Who and what a plant has beside its machines. Without people (setups, tools) nobody's skill (no setup, no tool)
    is planned.

    arrives_ns  material -> when it is there; what is not named is there
    """

    people: tuple[Person, ...] = ()
    setups: tuple[Setup, ...] = ()
    tools: Mapping[str, int] = field(default_factory=dict)
    arrives_ns: Mapping[str, int] = field(default_factory=dict)


NOTHING = Resources()


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
    resources: Resources = NOTHING,
) -> Shop:
    """The shop at origin_ns.

    steps       what is known to have begun or ended. Ended operations drop out; running ones are frozen where they
                run, until their planned seconds are over (or as the step says; or now, when that is past)
    closed      blocked times; parts before origin_ns are cut off
    plan        only for a shop that reports no steps: what the plan so far says has happened is taken to have happened
    horizon_ns  how far the calendar is known
    resources   people, setups, tools and material
    """
    happened = {(step.order, step.operation): step for step in steps}
    if plan:
        happened = {**_as_planned(plan, origin_ns), **happened}
    roles: dict[str, list[str]] = {}
    for machine in machines:
        roles.setdefault(machine.role, []).append(machine.id)
    late = {name: _seconds(t_ns, origin_ns) for name, t_ns in resources.arrives_ns.items() if t_ns > origin_ns}
    rests = _rests(orders, happened, origin_ns)
    late |= {name: at_s for found in rests.values() for name, at_s in found.items()}
    jobs = _together([_job(order, roles, happened, origin_ns) for order in orders], machines)
    pairs = zip(jobs, orders, strict=True)
    jobs = [replace(job, operations=_needs(job, one, resources, late, rests)) for job, one in pairs if job.operations]
    running = {o.frozen.machine: o.frozen.end_s for job in jobs for o in job.operations if o.frozen}
    blocked = [b for item in closed if (b := _blocked(item, running, origin_ns))]
    horizon_s = None if horizon_ns is None else _seconds(horizon_ns, origin_ns)
    operators = tuple(Operator(one.id, one.skills, _away(one, origin_ns)) for one in resources.people)
    return Shop(origin_ns, _as_they_stand(machines, steps), tuple(jobs), tuple(blocked), horizon_s, operators,
                resources.setups, dict(resources.tools), late)


def _needs(
    job: Job, order: OpenOrder, resources: Resources, late: Mapping[str, int], rests: Mapping[Key, Mapping[str, int]]
) -> tuple[Operation, ...]:
    """A job's operations with the setup, skill, tools, late material and rest after others that they need."""
    by_name = {o.name: o for o in order.operations}
    return tuple(
        replace(one, setup=by_name[one.name].setup if resources.setups else "",
                skill=by_name[one.name].skill if resources.people else "",
                tools=by_name[one.name].tools if resources.tools else (),
                materials=() if one.frozen else (
                    *(m for m in by_name[one.name].materials if m in late), *rests.get(one.key, ())))
        for one in job.operations)


def _rests(
    orders: Sequence[OpenOrder], happened: Mapping[Key, Step], origin_ns: int
) -> dict[Key, dict[str, int]]:
    """What still cools, dries or travels: (order, operation) -> name of the rest -> second in which it is over.

    A shop's links speak of operations that are still to be done; the rest after one that has ended is met as material
    that arrives.
    """
    found: dict[Key, dict[str, int]] = {}
    for order in orders:
        for one in order.operations:
            for name in one.after if one.lag_s else ():
                step = happened.get((order.id, name))
                if step is None or step.end_ns is None:
                    continue
                sooner_s = 0 if one.lot_s is None else one.seconds  # with lots its end waits, not its start
                over_s = _seconds(step.end_ns, origin_ns) + one.lag_s - sooner_s
                if over_s > 0:
                    found.setdefault((order.id, one.name), {})[f"rest after {name} of {order.id}"] = over_s
    return found


def _together(jobs: Sequence[Job], machines: Sequence[Machine]) -> list[Job]:
    """The jobs, with what runs on one machine that takes several at once made one batch: from its first start to its
    last end, in the batch of its first operation; whatever else runs there cannot be told apart from it."""
    several = {machine.id for machine in machines if machine.batch > 1}
    running: dict[str, list[Operation]] = {}
    for job in jobs:
        for one in job.operations:
            if one.frozen and one.frozen.machine in several:
                running.setdefault(one.frozen.machine, []).append(one)
    batches = {
        name: (min(_frozen(o).start_s for o in group), max(_frozen(o).end_s for o in group),
               next((o.batch for o in group if o.batch), name)) for name, group in running.items()}

    def met(one: Operation) -> Operation:
        if not one.frozen or one.frozen.machine not in batches:
            return one
        start_s, end_s, batch = batches[one.frozen.machine]
        return replace(one, batch=batch, frozen=replace(one.frozen, start_s=start_s, end_s=end_s))

    return [replace(job, operations=tuple(map(met, job.operations))) for job in jobs]


def _frozen(one: Operation) -> Slot:
    assert one.frozen
    return one.frozen


def _away(person: Person, origin_ns: int) -> tuple[tuple[int, int], ...]:
    spans = ((max(0, _seconds(a, origin_ns)), _seconds(b, origin_ns)) for a, b in person.away_ns)
    return tuple((a, b) for a, b in spans if a < b)


def _as_they_stand(machines: Sequence[Machine], steps: Sequence[Step]) -> tuple[Machine, ...]:
    """The machines in the setup that the last operation which ended on each of them left."""
    last: dict[str, tuple[int, str]] = {}
    for step in steps:
        if step.setup and step.end_ns is not None:
            last[step.machine] = max(last.get(step.machine, (step.end_ns, step.setup)), (step.end_ns, step.setup))
    return tuple(replace(m, state=last[m.id][1]) if m.id in last else m for m in machines)


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
            end_s = _seconds(step.until_ns, origin_ns) if step.until_ns else start_s + o.seconds
            frozen = Slot(order.id, o.name, step.machine, start_s, max(end_s, 0), True, operator=step.operator)
        left = tuple(a for a in o.after if a not in done)
        links = tuple(Link(a, o.lag_s, o.lot_s) for a in left) if o.lag_s or o.lot_s is not None else ()
        operations.append(Operation(order.id, o.name, on, left, frozen, links=links, batch=o.batch))
    due_s = _seconds(order.due_ns, origin_ns) if order.due_ns else None
    return Job(order.id, tuple(operations), max(0, _seconds(order.release_ns, origin_ns)), due_s, order.weight)


def _blocked(item: Closed, running: Mapping[str, int], origin_ns: int) -> Blocked | None:
    start_s, end_s = _seconds(item.start_ns, origin_ns), _seconds(item.end_ns, origin_ns)
    free_s = running.get(item.machine, 0)
    if item.waits and start_s < free_s:
        start_s, end_s = free_s, end_s + free_s - start_s
    start_s = max(start_s, 0)
    return Blocked(item.machine, start_s, end_s, item.why) if start_s < end_s else None


def slot_rows(slots: Sequence[Slot]) -> list[dict[str, Any]]:
    """Slots as plain data, in their order."""
    return [
        {"order": s.order, "operation": s.operation, "machine": s.machine, "start_s": s.start_s, "end_s": s.end_s,
         "frozen": s.frozen, **({"setup_s": s.setup_s} if s.setup_s else {}),
         **({"operator": s.operator} if s.operator else {})} for s in slots]


def as_body(plan: Plan, reason: str, shop: Shop | None = None) -> dict[str, Any]:
    """The body of a plan.released event: plain data. reason: why it was planned ('order o-1', 'work order w-2').

    shop  the one that was planned: its due dates, closed times and what waits for what are told with it
          (`make.change.released`), so that pages can say why each operation stands where it stands
    """
    return {
        "origin_ns": plan.origin_ns, "slots": slot_rows(plan.slots), "status": plan.status, "objective": plan.objective,
        "makespan_s": plan.makespan_s, "value": plan.value, "bound_s": plan.bound, "solver": plan.solver,
        "took_s": plan.took_s, "reason": reason, **({"shop": facts(shop, plan)} if shop else {}),
    }


def from_body(body: Mapping[str, Any]) -> Plan:
    """The plan that `as_body` wrote."""
    slots = tuple(Slot(**slot) for slot in body["slots"])
    return Plan(
        body["origin_ns"], slots, body["status"], body["objective"], float(body.get("value", body["makespan_s"])),
        float(body["bound_s"]), body["solver"], body["took_s"])
