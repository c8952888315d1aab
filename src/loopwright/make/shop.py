"""The shop as the planner sees it, in one place: for plants, for files of the literature and for tests. Plain data.

All times are whole seconds from `origin_ns`, the moment from which is planned. An operation is never split: it needs
its machine, and whatever else it names, from its start to its end. `open_work.shop_from` builds a shop from a plant's
orders.

    what has to be done   Job, Operation, Link        who and what does it   Machine, Operator, tools
    when it can be        Blocked, release_s, materials, horizon_s          what changing over costs   Setup
"""

from __future__ import annotations

import graphlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from loopwright.core.errors import InputError, UnknownName
from loopwright.core.types import Slot

Key = tuple[str, str]  # order, operation
LONGEST_S = 10**10  # 317 years: no time of a shop is further from its origin
HEAVIEST = 1e9  # weight


@dataclass(frozen=True)
class Machine:
    """A machine, or a bench with a person.

    role   what it can do: 'mill', 'assemble'
    state  the setup it stands in at the origin; '' when that does not matter
    batch  so many operations that name the same `batch` may run on it at once, from one start to one end
    """

    id: str
    role: str
    state: str = ""
    batch: int = 1


@dataclass(frozen=True)
class Blocked:
    """A machine is not to be had from start_s to end_s: maintenance, a closed shift. No operation may overlap it, nor
    its setup."""

    machine: str
    start_s: int
    end_s: int
    why: str = ""


@dataclass(frozen=True)
class Operator:
    """A person who can do some things: one operation at a time, and none while away."""

    id: str
    skills: tuple[str, ...]
    away: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Setup:
    """Changing a machine from one setup to another takes so long, right before the operation that needs the other.

    Where nothing is said about a change it takes no time. before '*' stands for any other setup; the exact one counts.
    """

    machine: str
    before: str
    after: str
    seconds: int


@dataclass(frozen=True)
class Link:
    """How an operation waits for another of its job, when it is not simply its end.

    lag_s   so long after its end at least (cooling, transport)
    lot_s   transfer lots: it may start so long after the other's start, when the first lot is there, and ends lag_s
            after the other's end at the earliest; None: it waits for all of it
    """

    operation: str
    lag_s: int = 0
    lot_s: int | None = None


@dataclass(frozen=True)
class Operation:
    """One operation of a job, which is never split.

    on         (machine, seconds on it): one of them does it; empty when no machine can
    after      names of operations of the same job that must have ended; `links` says more about some of them
    frozen     where it runs, when it has begun; it stays there whatever the calendar says
    setup      the setup its machine must stand in; '' for any, and the machine stays as it is
    skill      an operator with this skill is busy with it from start to end (not during the setup); '': nobody is
    tools      tools it holds from start to end, one of each
    materials  it cannot start before they have arrived
    batch      operations of equal, non-empty batch and equal seconds may share a machine that takes several at once
    """

    job: str
    name: str
    on: tuple[tuple[str, int], ...]
    after: tuple[str, ...] = ()
    frozen: Slot | None = None
    setup: str = ""
    skill: str = ""
    tools: tuple[str, ...] = ()
    materials: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()
    batch: str = ""

    @property
    def key(self) -> Key:
        """(job, name): what its slot is found by."""
        return self.job, self.name

    def __post_init__(self) -> None:
        if self.frozen and not self.frozen.frozen:
            object.__setattr__(self, "frozen", replace(self.frozen, frozen=True))

    def link(self, name: str) -> Link:
        """How it waits for the operation of that name."""
        return next((link for link in self.links if link.operation == name), Link(name))


@dataclass(frozen=True)
class Job:
    """The operations that make one unit, or one lot, of an order.

    release_s  none begins before
    due_s      when its last operation should have ended; None: no due date
    weight     what a second of lateness costs, beside other jobs
    """

    id: str
    operations: tuple[Operation, ...]
    release_s: int = 0
    due_s: int | None = None
    weight: float = 1.0


@dataclass(frozen=True)
class Shop:
    """What is to be planned.

    horizon_s  how far the calendar is known; everything must end by then (None: no limit)
    tools      how many there are of each; materials: when each arrives, seconds from the origin
    Raises InputError or UnknownName at birth when names stand twice or are not there, operations wait for each other, a
    duration is not positive, a time is beyond LONGEST_S, or what is frozen cannot be so.
    """

    origin_ns: int
    machines: tuple[Machine, ...]
    jobs: tuple[Job, ...]
    blocked: tuple[Blocked, ...] = ()
    horizon_s: int | None = None
    operators: tuple[Operator, ...] = ()
    setups: tuple[Setup, ...] = ()
    tools: Mapping[str, int] = field(default_factory=dict)
    materials: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        machines = {machine.id for machine in self.machines}
        _once([machine.id for machine in self.machines], "machines of the shop")
        _once([job.id for job in self.jobs], "jobs of the shop")
        _once([operator.id for operator in self.operators], "operators of the shop")
        for machine in self.machines:
            if machine.batch < 1:
                raise InputError(f"machine {machine.id!r}", f"batch {machine.batch}", "operations at once, from 1 on")
        for blocked in self.blocked:
            if blocked.machine not in machines:
                raise UnknownName(f"blocked interval ({blocked.why}): machine", blocked.machine, machines)
            if blocked.start_s >= blocked.end_s:
                raise InputError(f"blocked interval of {blocked.machine!r}", f"{blocked.start_s} to {blocked.end_s} s",
                                 "an end after the start")
        _check_setups(self, machines)
        for operator in self.operators:
            for start_s, end_s in operator.away:
                if start_s >= end_s:
                    raise InputError(f"operator {operator.id!r}", f"away from {start_s} to {end_s} s",
                                     "an end after the start")
        _check_far(self)
        for job in self.jobs:
            _check_job(job, machines)
            _check_needs(self, job)
        _check_frozen(self, [o for job in self.jobs for o in job.operations if o.frozen])

    @property
    def operations(self) -> tuple[Operation, ...]:
        """Every operation, frozen ones too, in the order of the jobs."""
        return tuple(operation for job in self.jobs for operation in job.operations)

    @property
    def plain(self) -> bool:
        """Whether machines and what waits for what is all there is: no setups, operators, tools, lots, batches."""
        return not (
            self.setups or self.operators or any(
                o.setup or o.skill or o.tools or o.links or o.batch for job in self.jobs for o in job.operations))

    def ready_s(self, job: Job, operation: Operation) -> int:
        """Seconds before which an operation cannot start, whatever else happens: release and materials."""
        return max([0, job.release_s, *(self.materials[name] for name in operation.materials)])


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
            if not 0 < seconds <= LONGEST_S or seconds % 1:
                limit = f", at most {LONGEST_S:,}" if seconds > LONGEST_S else ""
                raise InputError(where, f"takes {seconds} s on {machine!r}", f"whole seconds above 0{limit}")
        if len(operation.on) > 1:
            _once([machine for machine, _ in operation.on], f"{where}: machines")
        if operation.links:
            _check_links(operation, where)
        for before in operation.after:
            if before not in names:
                raise UnknownName(f"{where}: after", before, names)
            if operation.frozen and not names[before].frozen:
                raise InputError(where, f"has begun although {before!r} has not", "what it waits for begun or finished")
    try:
        graphlib.TopologicalSorter({o.name: o.after for o in job.operations}).prepare()
    except graphlib.CycleError as error:
        raise InputError(f"job {job.id!r}", f"operations wait for each other: {error.args[1]}") from error


def _check_links(operation: Operation, where: str) -> None:
    _once([link.operation for link in operation.links], f"{where}: links")
    for link in operation.links:
        if link.operation not in operation.after:
            raise UnknownName(f"{where}: link", link.operation, operation.after)
        if not 0 <= link.lag_s <= LONGEST_S or not 0 <= (link.lot_s or 0) <= LONGEST_S:
            raise InputError(f"{where}: link to {link.operation!r}", f"lag {link.lag_s} s, lot {link.lot_s} s",
                             f"seconds from 0 to {LONGEST_S:,}")


def _check_far(shop: Shop) -> None:
    """No time is so far away that sums of it would not fit."""
    def near(where: str, *times_s: int | None) -> None:
        for time_s in times_s:
            if time_s is not None and not -LONGEST_S <= time_s <= LONGEST_S:
                raise InputError(where, f"{time_s} s", f"at most {LONGEST_S:,} s from the origin, which is 317 years")

    near("horizon of the shop", shop.horizon_s)
    for blocked in shop.blocked:
        near(f"blocked interval of {blocked.machine!r}", blocked.start_s, blocked.end_s)
    for setup in shop.setups:
        near(f"setup of {setup.machine!r} from {setup.before!r} to {setup.after!r}", setup.seconds)
    for operator in shop.operators:
        near(f"operator {operator.id!r}: away", *(time_s for pair in operator.away for time_s in pair))
    for name, arrival_s in shop.materials.items():
        near(f"arrival of material {name!r}", arrival_s)
    for job in shop.jobs:
        near(f"release of job {job.id!r}", job.release_s)
        near(f"due date of job {job.id!r}", job.due_s)


def _check_setups(shop: Shop, machines: set[str]) -> None:
    seen = set()
    for setup in shop.setups:
        where = f"setup of {setup.machine!r} from {setup.before!r} to {setup.after!r}"
        if setup.machine not in machines:
            raise UnknownName(f"{where}: machine", setup.machine, machines)
        if setup.after in ("", "*"):
            raise InputError(where, f"after {setup.after!r}", "a setup by its name; '*' only stands before")
        if setup.seconds < 0:
            raise InputError(where, f"takes {setup.seconds} s", "whole seconds from 0 on")
        if (setup.machine, setup.before, setup.after) in seen:
            raise InputError(where, "stands twice", "one line a change")
        seen.add((setup.machine, setup.before, setup.after))


def _check_needs(shop: Shop, job: Job) -> None:
    """Skills, tools and materials must be there; a due date and a weight must make sense."""
    skills = {skill for operator in shop.operators for skill in operator.skills}
    if not 0 <= job.weight <= HEAVIEST:
        raise InputError(f"job {job.id!r}", f"weight {job.weight}", f"a number from 0 to {HEAVIEST:,.0f}")
    for operation in job.operations:
        where = f"operation {operation.name!r} of job {job.id!r}"
        if operation.skill and operation.skill not in skills:
            raise UnknownName(f"{where}: skill", operation.skill, skills)
        if len(operation.tools) > 1:
            _once(operation.tools, f"{where}: tools (it holds one of each)")
        for tool in operation.tools:
            if shop.tools.get(tool, 0) < 1:
                raise UnknownName(f"{where}: tool", tool, [name for name, count in shop.tools.items() if count > 0])
        for material in operation.materials:
            if material not in shop.materials:
                raise UnknownName(f"{where}: material", material, shop.materials)


def _check_frozen(shop: Shop, frozen: Sequence[Operation]) -> None:
    """What has begun stands on a machine that there is, under its own name, and nothing else at the same time."""
    last: dict[str, Slot] = {}
    setups: dict[tuple[str, int, int], str] = {}
    machines = {machine.id for machine in shop.machines}
    together = {machine.id for machine in shop.machines if machine.batch > 1}
    slots = []
    for operation in frozen:
        slot, where = operation.frozen, f"frozen slot of operation {operation.name!r} of job {operation.job!r}"
        assert slot
        if slot.machine not in machines:
            raise UnknownName(f"{where}: machine", slot.machine, machines)
        if (slot.order, slot.operation) != operation.key:
            raise InputError(where, f"it is of {slot.operation!r} of {slot.order!r}", "its own order and operation")
        if max(abs(slot.start_s), abs(slot.end_s), abs(slot.setup_s)) > LONGEST_S:
            raise InputError(where, f"{slot.start_s} to {slot.end_s} s", f"at most {LONGEST_S:,} s from the origin")
        batch = (slot.machine, slot.start_s, slot.end_s)
        shared = slot.machine in together and operation.setup
        if shared and setups.setdefault(batch, operation.setup) != operation.setup:
            given = f"runs from {slot.start_s} to {slot.end_s} s beside one in setup {setups[batch]!r}"
            raise InputError(where, f"needs setup {operation.setup!r} and {given}", "one setup for all of a batch")
        slots.append(slot)
    for slot in sorted(slots, key=lambda s: (s.machine, s.start_s)):
        other = None if slot.machine in together else last.get(slot.machine)
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
