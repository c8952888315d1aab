"""What happens in a shop that the plan did not know: breakdowns, scrap, late material, rush orders and their like.

    shop = disturbed(shop, plan, now_s, Breakdown("press-1", now_s, now_s + 3600), Rush(job))

Everything that goes in counts seconds from the origin of the shop and its plan; the shop that comes out counts from
now, its new origin. Until now all went as planned, but for what a `Finish` says. `make.repair` then mends the plan.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from loopwright.core.errors import InputError, UnknownName
from loopwright.core.types import Plan
from loopwright.make.change.progress import Floor, shop_now
from loopwright.make.shop import Blocked, Job, Link, Operation, Shop, merged


@dataclass(frozen=True)
class Breakdown:
    """A machine is down from from_s (or now, when that is later) to to_s; None: for good.

    What runs there rests meanwhile and goes on afterwards; where the machine is down for good it is begun again.
    """

    machine: str
    from_s: int
    to_s: int | None
    why: str = "breakdown"


@dataclass(frozen=True)
class Slower:
    """From from_s on a machine takes `factor` times as long: for the rest of what runs, and for all that it has not
    begun, but for what the plan begins there before from_s."""

    machine: str
    factor: float
    from_s: int = 0


@dataclass(frozen=True)
class Scrap:
    """What an order's operation made, or is making, is lost: it, all that it waited for and all that was built on it
    is made again. 'drill' is then called 'drill~2', because it is another piece."""

    order: str
    operation: str


@dataclass(frozen=True)
class Rework:
    """Finished operations of an order are done once more, in their order; what follows waits. 'polish' is then called
    'polish#2'."""

    order: str
    operations: tuple[str, ...]


@dataclass(frozen=True)
class LateMaterial:
    """A material arrives at arrival_s instead."""

    material: str
    arrival_s: int


@dataclass(frozen=True)
class Rush:
    """A new job. Its times count from the origin of the shop that it comes into."""

    job: Job


@dataclass(frozen=True)
class Away:
    """An operator is not there from from_s to to_s; what they are at now is ended first."""

    operator: str
    from_s: int
    to_s: int


@dataclass(frozen=True)
class Finish:
    """An operation ended, or will end, at end_s instead of when the plan says: early or late."""

    order: str
    operation: str
    end_s: int


Disturbance = Breakdown | Slower | Scrap | Rework | LateMaterial | Rush | Away | Finish


def disturbed(shop: Shop, plan: Plan, now_s: int, *disturbances: Disturbance) -> Shop:
    """The shop as it stands at now_s, with what happened, one thing after another (what finished first).

    Finished operations are gone (one stays, frozen, while something still waits a lag after its end), running ones
    stand frozen where they run. So do those whose setup has begun, unless what happened makes that impossible or what
    they wait for has not begun.
    A frozen zone stays where it still can; machines stand in the setup that the last operation left.
    returns  a shop whose origin is now
    Raises UnknownName for a machine, order, operation, operator or material that is not there; InputError for times
    that cannot be, scrap of what has not begun, rework of what has not ended, a rush order whose name is taken, and a
    plan of another shop.
    """
    if now_s < 0:
        raise InputError("now_s", f"{now_s} s", "0, the origin of the plan, or later")
    floor = Floor.of(shop, plan, now_s)
    for given in disturbances:
        if isinstance(given, Finish):
            _finish(floor, given)
    floor.look()
    for given in disturbances:
        if not isinstance(given, Finish):
            _APPLY[type(given)](floor, given)
    return shop_now(floor)


def _finish(floor: Floor, given: Finish) -> None:
    operation = floor.operation("finish", given.order, given.operation)
    slot = floor.slots[operation.key]
    where = f"finish of {given.operation!r} of order {given.order!r}"
    if slot.start_s < floor.now_s:
        if given.end_s <= slot.start_s:
            raise InputError(where, f"ends at {given.end_s} s, it began at {slot.start_s} s", "a later end")
        floor.slots[operation.key] = replace(slot, end_s=given.end_s)
        return
    if given.end_s > floor.now_s:
        raise InputError(where, f"has not begun at {floor.now_s} s by the plan", "an operation that has begun or ended")
    waits = [n for n in operation.after if floor.slots[given.order, n].end_s > floor.now_s]
    if waits:
        raise InputError(where, f"ended at {given.end_s} s although {waits} had not", "what it waits for first")
    begin_s = given.end_s - (slot.end_s - slot.start_s)
    floor.slots[operation.key] = replace(slot, start_s=min(begin_s, given.end_s - 1), end_s=given.end_s)
    floor.begun.add(operation.key)
    floor.done.add(operation.key)


def _breakdown(floor: Floor, given: Breakdown) -> None:
    machine, from_s = floor.machine("breakdown", given.machine), max(given.from_s, floor.now_s)
    if given.to_s is None:
        for key in floor.running(machine):
            floor.begun.discard(key)
            floor.begun.difference_update((key[0], name) for name in _behind(floor.operations[key[0]], [key[1]]))
        for operations in floor.operations.values():
            for name, o in operations.items():
                operations[name] = replace(o, on=tuple((m, s) for m, s in o.on if m != machine))
        return
    if given.to_s <= from_s:
        raise InputError(f"breakdown of {machine!r}", f"from {from_s} to {given.to_s} s", "an end after begin and now")
    known = floor.down.setdefault(machine, [])
    rests_s = _length([*known, (from_s, given.to_s)]) - _length(known)
    known.append((from_s, given.to_s))
    for key in floor.running(machine):
        slot = floor.slots[key]
        if slot.end_s > from_s:
            floor.slots[key] = replace(slot, end_s=slot.end_s + rests_s)
    floor.blocked.append(Blocked(machine, from_s, given.to_s, given.why))


def _length(intervals: Sequence[tuple[int, int]]) -> int:
    """Seconds that intervals cover, those that overlap once."""
    return sum(end - begin for begin, end in merged(intervals))


def _slower(floor: Floor, given: Slower) -> None:
    machine, from_s = floor.machine("slower", given.machine), max(given.from_s, floor.now_s)
    if not 0 < given.factor < math.inf:
        raise InputError(f"slower: {machine!r}", f"factor {given.factor}", "above 0: 1.5 takes half as long again")
    for key in floor.running(machine):
        slot = floor.slots[key]
        if slot.end_s > from_s:
            floor.slots[key] = replace(slot, end_s=from_s + math.ceil((slot.end_s - from_s) * given.factor))
    for order, operations in floor.operations.items():
        for name, o in operations.items():
            slots = floor.slots.get((order, name))
            if o.key not in floor.begun and not (slots and slots.machine == machine and slots.start_s < given.from_s):
                operations[name] = replace(o, on=tuple(
                    (m, max(1, math.ceil(s * given.factor)) if m == machine else s) for m, s in o.on))


def _again(name: str, mark: str, names: Iterable[str]) -> str:
    """The name of an operation that is done once more: 'polish', 'polish#2', 'polish#3'."""
    base, _, number = name.rpartition(mark)
    stem, count = (base, int(number)) if base and number.isdigit() else (name, 1)
    taken = set(names)
    while f"{stem}{mark}{count + 1}" in taken:
        count += 1
    return f"{stem}{mark}{count + 1}"


def _behind(operations: dict[str, Operation], names: Iterable[str]) -> set[str]:
    """Everything that waits for these, in one step or several."""
    found, left = set[str](), list(names)
    while left:
        name = left.pop()
        more = [o.name for o in operations.values() if name in o.after and o.name not in found]
        found.update(more)
        left += more
    return found


def _ahead(operations: dict[str, Operation], name: str) -> set[str]:
    """Everything that it waits for, in one step or several."""
    found, left = set[str](), [name]
    while left:
        more = [n for n in operations[left.pop()].after if n not in found]
        found.update(more)
        left += more
    return found


def _renamed(o: Operation, names: dict[str, str], mine: bool) -> Operation:
    """The operation waiting for others by their new names; mine: under its own new name, not begun."""
    after = tuple(names.get(a, a) for a in o.after)
    links = tuple(replace(link, operation=names.get(link.operation, link.operation)) for link in o.links)
    name, frozen = (names[o.name], None) if mine else (o.name, o.frozen)
    return replace(o, name=name, after=after, links=links, frozen=frozen)


def _scrap(floor: Floor, given: Scrap) -> None:
    floor.operation("scrap", given.order, given.operation)
    operations = floor.order("scrap", given.order)
    if (given.order, given.operation) not in floor.begun:
        made = sorted(name for name in operations if (given.order, name) in floor.begun)
        raise InputError(f"scrap: {given.operation!r} of order {given.order!r}", f"has not begun at {floor.now_s} s",
                         f"what has begun: {made or 'nothing'}")
    lost, grown = set[str](), {given.operation}
    while grown != lost:
        lost = set(grown)
        grown |= {n for n in _behind(operations, lost) if (given.order, n) in floor.begun}
        for name in lost:
            grown |= _ahead(operations, name)
    names = {name: _again(name, "~", operations) for name in operations if name in lost}
    floor.operations[given.order] = {
        (o := _renamed(old, names, old.name in lost)).name: o for old in operations.values()}
    for name in lost:
        floor.begun.discard((given.order, name))
        floor.done.discard((given.order, name))


def _rework(floor: Floor, given: Rework) -> None:
    if not given.operations:
        raise InputError(f"rework of order {given.order!r}", "names no operation", "one or more that are finished")
    for name in given.operations:
        floor.operation("rework", given.order, name)
        if (given.order, name) not in floor.done:
            raise InputError(f"rework: {name!r} of order {given.order!r}", f"has not ended at {floor.now_s} s",
                             "operations that are finished")
    operations = floor.order("rework", given.order)
    names = {name: _again(name, "#", operations) for name in operations if name in given.operations}
    waiting: dict[str, list[str]] = {name: [] for name in operations}
    for name, new in names.items():
        behind = {n for n in _behind(operations, [name]) if (given.order, n) not in floor.begun}
        for n in behind:
            if not behind.intersection(operations[n].after):
                waiting[n].append(new)
    again = []
    for name, new in names.items():
        o = operations[name]
        ahead = _ahead(operations, name)
        after = tuple(names[n] for n in names if n in ahead)
        links = tuple(Link(names[k.operation], k.lag_s, k.lot_s) for k in o.links if names.get(k.operation) in after)
        again.append(replace(o, name=new, after=after, links=links, frozen=None))
    for name, more in waiting.items():
        operations[name] = replace(operations[name], after=(*operations[name].after, *more))
    operations.update({o.name: o for o in again})


def _late(floor: Floor, given: LateMaterial) -> None:
    if given.material not in floor.materials:
        raise UnknownName("late material", given.material, floor.materials)
    floor.materials[given.material] = given.arrival_s


def _rush(floor: Floor, given: Rush) -> None:
    if given.job.id in floor.jobs:
        raise InputError("rush order", f"{given.job.id!r} is an order already", "a name of its own")
    floor.jobs[given.job.id] = given.job
    floor.operations[given.job.id] = {o.name: o for o in given.job.operations}


def _away(floor: Floor, given: Away) -> None:
    if given.operator not in floor.operators:
        raise UnknownName("away: operator", given.operator, floor.operators)
    from_s = max(given.from_s, floor.now_s)
    if given.to_s <= from_s:
        raise InputError(f"away: {given.operator!r}", f"from {from_s} to {given.to_s} s", "an end after begin and now")
    operator = floor.operators[given.operator]
    floor.operators[given.operator] = replace(operator, away=(*operator.away, (from_s, given.to_s)))


_APPLY: dict[type[Any], Callable[[Floor, Any], None]] = {
    Breakdown: _breakdown, Slower: _slower, Scrap: _scrap, Rework: _rework, LateMaterial: _late, Rush: _rush,
    Away: _away}
