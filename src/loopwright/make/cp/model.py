"""A shop as a CP-SAT model: when each operation starts, where, and what waits for what.

    model = build(lib, shop, aim, slots, window)      lib: ortools.sat.python.cp_model
    model.cp, model.tasks                             what is solved, and what it says of each operation

Machines with their setups and batches stand in `machines`, persons and tools in `people`, the objective in `aims`.
Every variable gets its value in the plan so far as a hint. What the words of a shop mean: docs/decisions/0018-shop.md.
Source: P. Laborie, J. Rogerie, P. Shaw, P. Vilim, IBM ILOG CP optimizer for scheduling (Constraints 23, 2018), for
intervals that may be absent; OR-Tools CP-SAT reference.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event
from typing import Any

from loopwright.core.types import Slot
from loopwright.make.cp import aims, machines, people
from loopwright.make.dispatching.bound import heads, tails
from loopwright.make.objective import Objective
from loopwright.make.shop import Job, Key, Operation, Shop, busy, merged

HORIZONS = 3  # closed times are looked at so many makespans of the plan so far ahead, where no horizon is given


class Stopped(Exception):
    """Whoever asked wants the best so far; raised while a model is built."""


@dataclass(frozen=True)
class Window:
    """What may change. held: operations that stay exactly as they are; ordered: those that keep machine, person and
    turn, and may move in time; all others are free."""

    held: frozenset[Key] = frozenset()
    ordered: frozenset[Key] = frozenset()

    @property
    def whole(self) -> bool:
        """Whether everything may change."""
        return not self.held and not self.ordered


@dataclass(frozen=True)
class Base:
    """What models of one shop have in common. latest_s: a second by which some best plan has ended."""

    shop: Shop
    head: Mapping[Key, int]
    tail: Mapping[Key, int]
    latest_s: int
    blocked: Mapping[str, list[tuple[int, int]]]
    changes: Mapping[str, machines.Change]


def base_of(shop: Shop) -> Base:
    """What is worked out once for all models of a shop."""
    blocked: dict[str, list[tuple[int, int]]] = {machine.id: [] for machine in shop.machines}
    for b in shop.blocked:
        blocked[b.machine].append((b.start_s, b.end_s))
    return Base(
        shop, heads(shop), tails(shop), aims.latest_s(shop),
        {machine: merged(intervals) for machine, intervals in blocked.items()}, machines.changes(shop))


@dataclass(frozen=True)
class Relax:
    """What a model leaves out, so that it stays small: its bound then holds all the same."""

    setups: bool = False
    people: bool = False


@dataclass
class Task:
    """One operation in the model. start, end, seconds: numbers or variables; on: machine -> whether it runs there; how:
    'free', 'ordered', 'held' or 'frozen'; slot: where it stands so far; soonest_s: it cannot start before."""

    operation: Operation
    how: str
    start: Any
    end: Any
    seconds: Any
    on: dict[str, Any]
    slot: Slot | None
    soonest_s: int

    @property
    def fixed(self) -> bool:
        """Whether its times are given."""
        return self.how in ("frozen", "held")


@dataclass
class Model:
    """A model while it is built, and what its answer is read from.

    latest_s   nothing has to end later in some best plan
    known_s    closed times are in the model up to here
    exact      whether every plan of the shop that can be best is one of the model (else its bound says nothing)
    spent      (factor, variable) of all setups
    """

    lib: Any
    cp: Any
    base: Base
    window: Window
    seed: Mapping[Key, Slot]
    latest_s: int
    known_s: int
    relax: Relax = Relax()
    stop: Event | None = None
    exact: bool = True
    tasks: dict[Key, Task] = field(default_factory=dict)
    pool: dict[Key, tuple[str, ...]] = field(default_factory=dict)
    teams: dict[Key, list[tuple[people.Team, Any]]] = field(default_factory=dict)
    spent: list[tuple[int, Any]] = field(default_factory=list)
    aim: aims.Scaled | None = None

    @property
    def shop(self) -> Shop:
        return self.base.shop

    def number(self, low: int, high: int, hint: int | None = None) -> Any:
        """A whole number from low to high."""
        variable = self.cp.new_int_var(low, max(low, high), "")
        if hint is not None and self.seed:
            self.cp.add_hint(variable, hint)
        return variable

    def choice(self, hint: bool | None = None) -> Any:
        """Yes or no."""
        variable = self.cp.new_bool_var("")
        if hint is not None and self.seed:
            self.cp.add_hint(variable, hint)
        return variable

    def look(self) -> None:
        """Raises Stopped when whoever asked wants no more of it."""
        if self.stop is not None and self.stop.is_set():
            raise Stopped


def build(
    lib: Any, base: Base, aim: Objective, slots: Sequence[Slot], window: Window = Window(),
    relax: Relax = Relax(), stop: Event | None = None,
) -> Model:
    """The model of a shop.

    base    `base_of(shop)`
    slots   a plan to begin from, which nothing dearer than is looked for; [] for none
    window  what may change of it
    relax   what is left out
    Raises Stopped.
    """
    seed = {(s.order, s.operation): s for s in slots}
    shop = base.shop
    latest_s = known_s = aims.sooner(base.latest_s, shop, aim, slots)
    if shop.horizon_s is None and slots:
        known_s = min(latest_s, HORIZONS * max(1, *(s.end_s for s in slots)))
    model = Model(lib, lib.CpModel(), base, window, seed, latest_s, known_s, relax, stop)
    _tasks(model, aims.due_by(shop, aim, slots))
    for job in shop.jobs:
        _waits(model, job)
    machines.add(model)
    if not relax.people:
        people.add(model)
    if window.whole:
        _tell_apart(model)
    model.aim = aims.add(model, aim, slots)
    return model


def _tasks(model: Model, due_by: Mapping[str, int]) -> None:
    """A task for every operation. due_by: job -> when it must have ended."""
    shop, head, tail = model.shop, model.base.head, model.base.tail
    if model.window.whole:
        model.pool = pools(shop, model.relax.setups)
    for job in shop.jobs:
        model.look()
        for operation in job.operations:
            key = operation.key
            slot = operation.frozen or model.seed.get(key)
            if operation.frozen:
                task = _given(operation, operation.frozen, "frozen")
            elif key in model.window.held:
                task = _given(operation, model.seed[key], "held")
            else:
                by_s = min(model.latest_s, due_by.get(job.id, model.latest_s))
                how = "ordered" if key in model.window.ordered else "free"
                task = _open(model, operation, how, (head[key], max(head[key], by_s - tail[key])), slot)
            model.tasks[key] = task


def _given(operation: Operation, slot: Slot, how: str) -> Task:
    seconds = slot.end_s - slot.start_s
    return Task(operation, how, slot.start_s, slot.end_s, seconds, {slot.machine: True}, slot, slot.start_s)


def _open(model: Model, operation: Operation, how: str, span: tuple[int, int], slot: Slot | None) -> Task:
    """An operation whose start, between the two seconds of span, is looked for."""
    cp, on = model.cp, operation.on
    if how == "ordered" and slot:
        on = tuple((machine, seconds) for machine, seconds in on if machine == slot.machine)
    start = model.number(*span, slot.start_s if slot else None)
    lengths = sorted({seconds for _, seconds in on})
    if operation.key in model.pool or len(on) == 1:
        at = {} if operation.key in model.pool else {on[0][0]: True}
        return Task(operation, how, start, start + lengths[0], lengths[0], at, slot, span[0])
    at = {machine: model.choice(machine == slot.machine if slot else None) for machine, _ in on}
    cp.add_exactly_one(at.values())
    if len(lengths) == 1:
        return Task(operation, how, start, start + lengths[0], lengths[0], at, slot, span[0])
    took_s = slot.end_s - slot.start_s if slot else None
    seconds = model.number(lengths[0], lengths[-1], took_s)
    end = model.number(span[0] + lengths[0], span[1] + lengths[-1], slot.end_s if slot else None)
    cp.add(seconds == sum(s * at[machine] for machine, s in on))
    cp.add(end == start + seconds)
    return Task(operation, how, start, end, seconds, at, slot, span[0])


def _waits(model: Model, job: Job) -> None:
    """What an operation waits for; its release and materials are in the range of its start."""
    for operation in job.operations:
        task = model.tasks[operation.key]
        for name in operation.after if not task.fixed else ():
            before, link = model.tasks[job.id, name], operation.link(name)
            if link.lot_s is None:
                model.cp.add(task.start >= before.end + link.lag_s)
            else:
                model.cp.add(task.start >= before.start + link.lot_s)
                model.cp.add(task.end >= before.end + link.lag_s)


def _tell_apart(model: Model) -> None:
    """Of jobs that are equal in everything, the order of the plan so far is kept: exchanging them changes nothing.

    It also keeps OR-Tools 9.15 from losing its way in hints of symmetric models (its issues 5091 and 5288).
    """
    alike: dict[Any, list[Key]] = {}
    for job in model.shop.jobs:
        if job.operations and not any(o.frozen for o in job.operations):
            same = (job.release_s, job.due_s, job.weight, tuple(
                (o.name, o.on, o.after, o.setup, o.skill, o.tools, o.materials, o.links, o.batch)
                for o in job.operations))
            alike.setdefault(same, []).append(job.operations[0].key)
    for keys in alike.values():
        ordered = sorted(keys, key=lambda key: (model.seed[key].start_s if model.seed else 0, key))
        for earlier, later in itertools.pairwise(ordered):
            model.cp.add(model.tasks[earlier].start <= model.tasks[later].start)


def pools(shop: Shop, no_setups: bool = False) -> dict[Key, tuple[str, ...]]:
    """operation -> the machines that are alike for it: each takes it equally long, alone and without setups; they are
    closed at the same times (but for what runs at the origin), and no operation may use only some of them."""
    taken = busy(shop)
    never = {m.id for m in shop.machines if m.batch > 1}
    never |= set() if no_setups else {s.machine for s in shop.setups if s.seconds}
    choices = {o.key: o.on for o in shop.operations if not o.frozen}
    groups = {frozenset(machine for machine, _ in on) for on in choices.values()}
    even = {
        group for group in groups
        if len(group) > 1 and group.isdisjoint(never)
        and len({tuple(p for p in taken[m] if p[0] > 0) for m in group}) == 1
        and all(group == other or group.isdisjoint(other) for other in groups)}
    uneven = {frozenset(m for m, _ in on) for on in choices.values() if len({seconds for _, seconds in on}) > 1}
    return {
        key: tuple(sorted(group)) for key, on in choices.items()
        if (group := frozenset(machine for machine, _ in on)) in even - uneven}
