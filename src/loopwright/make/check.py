"""Does a plan keep the rules of its shop? Looked at from scratch: nothing here is shared with whatever made the plan.

    check(shop, plan) -> []         or one violation a broken rule

Where the words of `make.shop` leave something open, what is done here is what is meant: docs/decisions/0018-shop.md.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from loopwright.core.errors import InputError
from loopwright.core.types import Plan, Slot
from loopwright.make.objective import parse
from loopwright.make.shop import Job, Machine, Operation, Shop

Slots = Mapping[tuple[str, str], Slot]
Pair = tuple[Operation, Slot]


@dataclass(frozen=True)
class Violation:
    """rule: origin, missing, unknown, twice, machine, duration, frozen, release, material, order, overlap, batch,
    blocked, setup, operator, tool, horizon, value or bound. says: what is wrong, in words with its times."""

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
            found += _check_waiting(shop, job, operation, slots)
    pairs = [(wanted[key], slot) for key, slot in slots.items()]
    found += _check_machines(shop, pairs) + _check_operators(shop, pairs) + _check_tools(shop, pairs)
    return found + _check_claims(shop, plan)


def _name(slot: Slot) -> str:
    return f"{slot.order}/{slot.operation} on {slot.machine} {slot.start_s}-{slot.end_s} s"


def _check_slot(operation: Operation, slot: Slot) -> list[Violation]:
    """Machine, duration, and for what has begun: exactly where it runs."""
    if operation.frozen:
        given, begun = (
            (s.machine, s.start_s, s.end_s, s.setup_s, s.operator) for s in (slot, operation.frozen))
        return [] if given == begun else [Violation("frozen", f"{_name(slot)} has begun as {_name(operation.frozen)}")]
    seconds = dict(operation.on).get(slot.machine)
    if seconds is None:
        return [Violation("machine", f"{_name(slot)}: it can only go to {[machine for machine, _ in operation.on]}")]
    if slot.end_s - slot.start_s != seconds:
        return [Violation("duration", f"{_name(slot)}: it takes {seconds} s there")]
    return []


def _check_waiting(shop: Shop, job: Job, operation: Operation, slots: Slots) -> list[Violation]:
    """Not before its job is released, its materials are there, and what it waits for has come far enough."""
    slot = slots.get((operation.job, operation.name))
    if slot is None or operation.frozen:
        return []
    found = []
    if slot.start_s < max(0, job.release_s):
        found.append(Violation("release", f"{_name(slot)} starts before {max(0, job.release_s)} s"))
    for material in operation.materials:
        if slot.start_s < shop.materials[material]:
            arrives = f"{material} is there after {shop.materials[material]} s"
            found.append(Violation("material", f"{_name(slot)} starts before {arrives}"))
    links = {link.operation: link for link in operation.links}
    for name in operation.after:
        before, link = slots.get((operation.job, name)), links.get(name)
        if before is None:
            continue
        lag_s = link.lag_s if link else 0
        if link is None or link.lot_s is None:
            if slot.start_s < before.end_s + lag_s:
                end = f"{_name(before)} has ended" + (f" and {lag_s} s have passed" if lag_s else "")
                found.append(Violation("order", f"{_name(slot)} starts before {end}"))
        elif slot.start_s < before.start_s + link.lot_s:
            found.append(Violation("order", f"{_name(slot)} starts before the first lot of {_name(before)}"))
        elif slot.end_s < before.end_s + lag_s:
            found.append(Violation("order", f"{_name(slot)} ends before the last lot of {_name(before)}, {lag_s} s on"))
    return found


def _check_machines(shop: Shop, pairs: Sequence[Pair]) -> list[Violation]:
    """One operation, or one batch, at a time on a machine, with the setups it needs; none while it is blocked."""
    found = []
    machines = {machine.id: machine for machine in shop.machines}
    blocked: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
    for b in shop.blocked:
        blocked[b.machine].append((b.start_s, b.end_s, b.why))
    changes: dict[str, dict[tuple[str, str], int]] = defaultdict(dict)
    for setup in shop.setups:
        changes[setup.machine][setup.before, setup.after] = setup.seconds
    here: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        here[pair[1].machine].append(pair)
    for machine, on in here.items():
        on.sort(key=lambda pair: (pair[1].start_s, pair[1].end_s))
        if machine in machines:  # else it was named as no machine of the operation
            found += _check_turns(machines[machine], on)
            found += _check_setups(machines[machine], on, changes[machine])
            found += _check_blocked(on, sorted(blocked[machine]))
    return found


def _groups(on: Sequence[Pair]) -> Iterator[list[Pair]]:
    """Operations of a machine in turn, those with equal start and end together."""
    for _, group in itertools.groupby(on, key=lambda pair: (pair[1].start_s, pair[1].end_s)):
        yield list(group)


def _check_turns(machine: Machine, on: Sequence[Pair]) -> list[Violation]:
    """Nothing overlaps, setups included, but operations of one batch, and what has begun on a machine of batches."""
    found = []
    latest: Slot | None = None
    for group in _groups(on):
        first = max((slot for _, slot in group), key=lambda slot: slot.setup_s)
        begins_s = first.start_s - first.setup_s
        if len(group) > 1:
            found += _check_together(machine, group)
        given = latest and first.frozen and latest.frozen and (machine.batch > 1 or first.start_s >= latest.end_s)
        if latest and begins_s < latest.end_s and not given:
            word = f"{_name(first)}" + (f" with {first.setup_s} s of setup" if first.setup_s else "")
            found.append(Violation("overlap", f"{word} overlaps {_name(latest)}"))
        latest = max([first, *([latest] if latest else [])], key=lambda slot: slot.end_s)
    return found


def _check_together(machine: Machine, group: Sequence[Pair]) -> list[Violation]:
    """Operations from one start to one end are a batch, where machine and operations allow it."""
    (operation, slot), (_, other) = group[0], group[1]
    if all(o.frozen for o, _ in group) or slot.start_s == slot.end_s:
        return []
    both = f"{_name(other)} overlaps {_name(slot)}"
    if machine.batch < 2 or not operation.batch:
        return [Violation("overlap", both)]
    found = []
    if len({o.batch for o, _ in group}) > 1:
        found.append(Violation("batch", f"{both}: they are of batches {sorted({o.batch for o, _ in group})}"))
    if len({o.setup for o, _ in group}) > 1:
        found.append(Violation("batch", f"{both}: they need setups {sorted({o.setup for o, _ in group})}"))
    if len(group) > machine.batch:
        found.append(Violation("batch", f"{both}: {len(group)} at once, {machine.id} takes {machine.batch}"))
    return found


def _check_setups(machine: Machine, on: Sequence[Pair], changes: Mapping[tuple[str, str], int]) -> list[Violation]:
    """Each operation is preceded by just the setup that the state left by those before it asks for."""
    found = []
    state, by_plan = machine.state, False  # by_plan: whether an operation that had not begun left the state
    for group in _groups(on):
        needs = next((o.setup for o, _ in group if o.setup), "")
        seconds = 0
        if needs and state:
            others = changes.get(("*", needs), 0) if needs != state else 0
            seconds = changes.get((state, needs), others)
        change = f"from {state or 'any state'!r} to {needs or 'as it is'!r} takes {seconds} s"
        for operation, slot in group:
            if operation.frozen:
                if by_plan and slot.setup_s < seconds:  # what was put before it must leave it the setup it has
                    found.append(Violation("setup", f"{_name(slot)} has {slot.setup_s} s of setup: {change}"))
            elif slot.setup_s != seconds:
                found.append(Violation("setup", f"{_name(slot)} has {slot.setup_s} s of setup: {change}"))
            elif slot.start_s - slot.setup_s < 0:
                early = f"its {slot.setup_s} s of setup begin before the origin"
                found.append(Violation("setup", f"{_name(slot)}: {early}"))
        if needs:
            state, by_plan = needs, not all(o.frozen for o, _ in group)
    return found


def _check_blocked(on: Sequence[Pair], blocked: Sequence[tuple[int, int, str]]) -> list[Violation]:
    """Neither operation nor setup while the machine is blocked (what had begun before may run on)."""
    found = []
    for operation, slot in on:
        for start_s, end_s, why in blocked if not operation.frozen else ():
            if start_s >= slot.end_s:
                break
            if slot.start_s - slot.setup_s < end_s:
                setup = f" with {slot.setup_s} s of setup" if slot.start_s >= end_s else ""
                hours = f"{start_s}-{end_s} s ({why})"
                found.append(Violation("blocked", f"{_name(slot)}{setup}: {slot.machine} is blocked {hours}"))
    return found


def _check_operators(shop: Shop, pairs: Sequence[Pair]) -> list[Violation]:
    """Who is named has the skill, is there, and does one operation at a time."""
    found = []
    operators = {operator.id: operator for operator in shop.operators}
    work: dict[str, list[Pair]] = defaultdict(list)
    for operation, slot in pairs:
        if slot.operator:
            work[slot.operator].append((operation, slot))
        if operation.frozen:
            continue
        operator = operators.get(slot.operator)
        if not operation.skill:
            if slot.operator:
                found.append(Violation("operator", f"{_name(slot)} names {slot.operator!r}, it needs nobody"))
        elif operator is None:
            can = [o.id for o in shop.operators if operation.skill in o.skills]
            found.append(Violation("operator", f"{_name(slot)} names {slot.operator!r}, it needs one of {can}"))
        elif operation.skill not in operator.skills:
            found.append(Violation("operator", f"{_name(slot)}: {operator.id!r} has no skill {operation.skill!r}"))
        for start_s, end_s in operator.away if operator and operation.skill else ():
            if slot.start_s < end_s and start_s < slot.end_s:
                found.append(Violation("operator", f"{_name(slot)}: {slot.operator!r} is away {start_s}-{end_s} s"))
    for name, doing in work.items():
        doing.sort(key=lambda pair: (pair[1].start_s, pair[1].end_s))
        latest = doing[0]
        for pair in doing[1:]:
            if pair[1].start_s < latest[1].end_s and not (pair[0].frozen and latest[0].frozen):
                found.append(Violation("operator", f"{name!r} is at {_name(latest[1])} and at {_name(pair[1])}"))
            latest = max(latest, pair, key=lambda p: p[1].end_s)
    return found


def _check_tools(shop: Shop, pairs: Sequence[Pair]) -> list[Violation]:
    """Never more of a tool in use than there are (but for what had begun with them)."""
    found = []
    uses: dict[str, list[tuple[int, int, Pair]]] = defaultdict(list)
    for operation, slot in pairs:
        for tool in set(operation.tools) if slot.end_s > slot.start_s else ():
            uses[tool] += [(slot.start_s, 1, (operation, slot)), (slot.end_s, -1, (operation, slot))]
    for tool, edges in uses.items():
        edges.sort(key=lambda edge: edge[:2])
        holding: list[Pair] = []
        for at_s, change, pair in edges:
            if change < 0:
                holding.remove(pair)
                continue
            holding.append(pair)
            if len(holding) > shop.tools.get(tool, 0) and any(not o.frozen for o, _ in holding):
                many = f"{len(holding)} of {tool!r} in use after {at_s} s, there are {shop.tools[tool]}"
                found.append(Violation("tool", f"{_name(pair[1])}: {many}"))
    return found


def _check_claims(shop: Shop, plan: Plan) -> list[Violation]:
    """What the plan says of itself: value, bound and status; and that it ends within the horizon."""
    found = []
    last = max([slot.end_s for slot in plan.slots], default=0)
    if shop.horizon_s is not None and last > shop.horizon_s:
        found.append(Violation("horizon", f"it ends after {last} s, the calendar is known for {shop.horizon_s} s"))
    try:
        cost = _cost(shop, plan)
    except InputError as error:
        return [*found, Violation("value", str(error))]
    near = 1e-6 * max(1.0, abs(cost))
    if not abs(plan.value - cost) <= near:
        ends = "its last slot ends after" if plan.objective == "makespan" else "its slots cost"
        found.append(Violation("value", f"it says {plan.value:g} s, {ends} {cost:g} s"))
    if not plan.bound <= plan.value + near or (plan.status == "optimal" and plan.bound < plan.value - near):
        found.append(Violation("bound", f"bound {plan.bound:g} s beside {plan.value:g} s, called {plan.status}"))
    return found


def _cost(shop: Shop, plan: Plan) -> float:
    """The plan's objective, added up again."""
    weights = parse(plan.objective)
    ends: dict[str, int] = {}
    ready: dict[tuple[str, int], int] = {}
    for slot in plan.slots:
        ends[slot.order] = max(slot.end_s, ends.get(slot.order, slot.end_s))
        ready[slot.machine, slot.start_s] = max(slot.setup_s, ready.get((slot.machine, slot.start_s), 0))
    late = 0.0
    for job in shop.jobs:
        if job.due_s is not None and job.id in ends and ends[job.id] > job.due_s:
            late += job.weight * (ends[job.id] - job.due_s)
    last = max(ends.values(), default=0)
    return weights.makespan * last + weights.tardiness * late + weights.setup * sum(ready.values())
