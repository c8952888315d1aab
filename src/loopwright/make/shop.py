"""The shop as the planner sees it: machines, jobs of operations, and when a machine is not to be had. Plain data.

All times are whole seconds from `origin_ns`, the moment from which is planned. `shop_from` builds it from open orders,
their routes and what has happened so far: finished operations drop out, running ones stand frozen.
"""

from __future__ import annotations

import graphlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError, UnknownName
from loopwright.core.types import Plan, Slot
from loopwright.make.route import RouteOperation

Key = tuple[str, str]  # order, operation


@dataclass(frozen=True)
class Machine:
    """A machine, or a bench with a person, and the one role it has: 'mill', 'assemble'."""

    id: str
    role: str


@dataclass(frozen=True)
class Blocked:
    """A machine is not to be had from start_s to end_s: maintenance, a closed shift. No operation may overlap it."""

    machine: str
    start_s: int
    end_s: int
    why: str = ""


@dataclass(frozen=True)
class Operation:
    """One operation of a job, which is never split.

    on      (machine, seconds on it, setup included): one of them does it; empty when no machine can
    after   names of operations of the same job that must have ended
    frozen  where it runs, when it has begun; it stays there whatever the calendar says
    """

    job: str
    name: str
    on: tuple[tuple[str, int], ...]
    after: tuple[str, ...] = ()
    frozen: Slot | None = None

    @property
    def key(self) -> Key:
        """(job, name): what its slot is found by."""
        return self.job, self.name


@dataclass(frozen=True)
class Job:
    """The operations that make one unit of an order; none begins before release_s."""

    id: str
    operations: tuple[Operation, ...]
    release_s: int = 0


@dataclass(frozen=True)
class Shop:
    """What is to be planned. horizon_s: how far the calendar is known; everything must end by then (None: no limit).

    Raises InputError or UnknownName at birth when names stand twice or are not there, operations wait for each other, a
    duration is not positive, or what is frozen cannot be so.
    """

    origin_ns: int
    machines: tuple[Machine, ...]
    jobs: tuple[Job, ...]
    blocked: tuple[Blocked, ...] = ()
    horizon_s: int | None = None

    def __post_init__(self) -> None:
        machines = {machine.id for machine in self.machines}
        _once([machine.id for machine in self.machines], "machines of the shop")
        _once([job.id for job in self.jobs], "jobs of the shop")
        for blocked in self.blocked:
            if blocked.machine not in machines:
                raise UnknownName(f"blocked interval ({blocked.why}): machine", blocked.machine, machines)
            if blocked.start_s >= blocked.end_s:
                raise InputError(f"blocked interval of {blocked.machine!r}", f"{blocked.start_s} to {blocked.end_s} s")
        for job in self.jobs:
            _check_job(job, machines)
        _check_frozen([o.frozen for job in self.jobs for o in job.operations if o.frozen])

    @property
    def operations(self) -> tuple[Operation, ...]:
        """Every operation, frozen ones too, in the order of the jobs."""
        return tuple(operation for job in self.jobs for operation in job.operations)


def _once(names: Sequence[str], what: str) -> None:
    if len(set(names)) < len(names):
        raise InputError(what, f"{sorted({n for n in names if names.count(n) > 1})} stand twice", "each name once")


def _check_job(job: Job, machines: set[str]) -> None:
    names = {operation.name: operation for operation in job.operations}
    _once([operation.name for operation in job.operations], f"operations of job {job.id!r}")
    for operation in job.operations:
        where = f"operation {operation.name!r} of job {job.id!r}"
        if operation.job != job.id:
            raise InputError(where, f"says it belongs to job {operation.job!r}")
        for machine, seconds in operation.on:
            if machine not in machines:
                raise UnknownName(f"{where}: machine", machine, machines)
            if seconds <= 0:
                raise InputError(where, f"takes {seconds} s on {machine!r}", "whole seconds above 0")
        for before in operation.after:
            if before not in names:
                raise UnknownName(f"{where}: after", before, names)
            if operation.frozen and not names[before].frozen:
                raise InputError(where, f"has begun although {before!r} has not", "what it waits for begun or finished")
    try:
        graphlib.TopologicalSorter({o.name: o.after for o in job.operations}).prepare()
    except graphlib.CycleError as error:
        raise InputError(f"job {job.id!r}", f"operations wait for each other: {error.args[1]}") from error


def _check_frozen(slots: Sequence[Slot]) -> None:
    last: dict[str, Slot] = {}
    for slot in sorted(slots, key=lambda s: (s.machine, s.start_s)):
        other = last.get(slot.machine)
        if slot.start_s > slot.end_s or (other and slot.start_s < other.end_s):
            both = f"{slot.order}/{slot.operation}" + (f" and {other.order}/{other.operation}" if other else "")
            raise InputError(f"machine {slot.machine!r}", f"{both} cannot both run there", "one running operation")
        last[slot.machine] = slot


def in_order(job: Job) -> list[Operation]:
    """The operations of a job, each after those it waits for."""
    names = {operation.name: operation for operation in job.operations}
    sorter = graphlib.TopologicalSorter({o.name: o.after for o in job.operations})
    return [names[name] for name in sorter.static_order()]


def merged(intervals: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Intervals sorted, with those that touch or overlap made one."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(intervals):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def busy(shop: Shop) -> dict[str, list[tuple[int, int]]]:
    """machine -> when it cannot take an operation: blocked or running a frozen one, merged and sorted."""
    taken: dict[str, list[tuple[int, int]]] = {machine.id: [] for machine in shop.machines}
    for blocked in shop.blocked:
        taken[blocked.machine].append((blocked.start_s, blocked.end_s))
    for operation in shop.operations:
        if operation.frozen:
            taken[operation.frozen.machine].append((operation.frozen.start_s, operation.frozen.end_s))
    return {machine: merged(intervals) for machine, intervals in taken.items()}


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


def as_body(plan: Plan, reason: str) -> dict[str, Any]:
    """The body of a plan.released event: plain data. reason: why it was planned ('order o-1', 'work order w-2')."""
    slots = [
        {"order": s.order, "operation": s.operation, "machine": s.machine, "start_s": s.start_s, "end_s": s.end_s,
         "frozen": s.frozen} for s in plan.slots]
    return {
        "origin_ns": plan.origin_ns, "slots": slots, "status": plan.status, "objective": plan.objective,
        "makespan_s": plan.makespan_s, "bound_s": plan.bound, "solver": plan.solver, "took_s": plan.took_s,
        "reason": reason,
    }


def from_body(body: Mapping[str, Any]) -> Plan:
    """The plan that `as_body` wrote."""
    slots = tuple(Slot(**slot) for slot in body["slots"])
    return Plan(
        body["origin_ns"], slots, body["status"], body["objective"], float(body["makespan_s"]), float(body["bound_s"]),
        body["solver"], body["took_s"])
