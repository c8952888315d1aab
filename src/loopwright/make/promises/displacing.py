"""One job more in a plan where other orders may go elsewhere: it is put where only what cannot move stands, what stands
in its way is taken out and put into gaps again, and who would then end too late cannot move and is planned round.

    found = displaced(floor, job, allowed, free, deadline_s) -> Floor or None

allowed  order -> when it may end at the latest
Only the operations of an order from the first in the way on go elsewhere. Source of the idea: ejection chains (F.
Glover, Ejection chains, reference structures and alternating path methods, Discrete Applied Mathematics 65, 1996) and
ruin and recreate (G. Schrimpf et al., Record breaking optimization results using the ruin and recreate principle,
Journal of Computational Physics 159, 2000).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from loopwright.core.clock import monotonic_s
from loopwright.core.types import Slot
from loopwright.make.promises.insertion import insert, put_in
from loopwright.make.promises.lines import Floor, Line
from loopwright.make.shop import Job, Key, in_order

ROUNDS = 40  # of finding out who cannot move
LOOKED_AT = 100  # places a round


def displaced(
    floor: Floor, job: Job, allowed: Mapping[str, int], free: Collection[str], deadline_s: float
) -> Floor | None:
    """The floor with the job in it, as early as what cannot move allows; None where it was not found in time.

    free  orders that may go elsewhere
    """
    free, jobs = set(free), {one.id: one for one in floor.shop.jobs}
    for _ in range(ROUNDS):
        if monotonic_s() > deadline_s:
            return None
        found = insert(_bare(floor, free), job, deadline_s, LOOKED_AT)
        if found.floor is None:
            return None
        mine = [s for s in found.floor.slots() if s.order == job.id]
        moving = _in_the_way(floor, jobs, mine, free)
        done, stuck = _again(floor, job, moving, jobs, allowed)
        if done is not None:
            return done
        if not stuck & free:
            return None
        free -= stuck
    return None


def _bare(floor: Floor, free: Collection[str]) -> Floor:
    """The floor with what cannot move."""
    return floor.only(lambda slot: slot.frozen or slot.order not in free)


def _again(
    floor: Floor, job: Job, moving: Mapping[str, set[str]], jobs: Mapping[str, Job], allowed: Mapping[str, int]
) -> tuple[Floor | None, set[str]]:
    """(floor with the job and all that made room for it, or None; the orders that would end too late)."""
    keys = {(order, name) for order, names in moving.items() for name in names}
    bare, stuck = without(floor, keys)
    if bare is None:
        return None, stuck or set(moving)
    found = put_in(bare, job, {}).floor
    if found is None:
        return None, set(moving)
    spans: dict[str, dict[str, tuple[int, int]]] = {order: {} for order in moving}
    for slot in bare.slots():
        if slot.order in spans:
            spans[slot.order][slot.operation] = slot.start_s, slot.end_s
    for order in sorted(moving, key=lambda name: (allowed[name], name)):
        again = put_in(found, jobs[order], spans[order])
        if again.floor is None or again.end_s > allowed[order]:
            stuck.add(order)
        else:
            found = again.floor
    return (None, stuck) if stuck else (found, stuck)


def _in_the_way(floor: Floor, jobs: Mapping[str, Job], mine: Iterable[Slot], free: set[str]) -> dict[str, set[str]]:
    """order -> its operations that have to go elsewhere: those in the way, and all that follow them."""
    met: set[Key] = set()
    mine = list(mine)
    operations = {(o.job, o.name): o for order in {s.order for s in mine} for o in jobs[order].operations}
    for slot in mine:
        operation = operations[slot.order, slot.operation]
        begin_s, need = slot.start_s - slot.setup_s, operation.setup
        for group in floor.lines[slot.machine].groups:
            behind_s = max(group.setup_s, floor.change_s(slot.machine, need, group.need)) if need else group.setup_s
            if group.start_s - behind_s < slot.end_s and begin_s < group.end_s:
                met |= {(s.order, s.operation) for s in group.members if not s.frozen}
    for slot in mine:
        shared = [floor.holds[tool] for tool in set(operations[slot.order, slot.operation].tools)]
        for others in [*shared, *([floor.doing[slot.operator]] if slot.operator else [])]:
            met |= {(s.order, s.operation) for s in others if s.start_s < slot.end_s and slot.start_s < s.end_s}
    moving: dict[str, set[str]] = {}
    for order, name in met:
        if order in free:
            moving.setdefault(order, set()).add(name)
    return {order: _following(jobs[order], names) for order, names in moving.items()}


def _following(job: Job, names: set[str]) -> set[str]:
    """These operations and all that wait for them, but what has begun."""
    found = set(names)
    for operation in in_order(job):
        if found & set(operation.after):
            found.add(operation.name)
    return {o.name for o in job.operations if o.name in found and not o.frozen}


def without(floor: Floor, keys: Collection[Key]) -> tuple[Floor | None, set[str]]:
    """The floor without these operations; or None and whose they are, when what stands behind them could not be made
    ready in time."""
    left = floor.only(lambda s: (s.order, s.operation) not in keys)
    machines = [name for name, line in left.lines.items() if line is not floor.lines[name]]
    lines = dict(left.lines)
    for name in (one for one in machines if one in floor.changing):
        groups = list(lines[name].groups)
        for at, group in enumerate(groups):
            seconds = left.change_s(name, lines[name].states[at], group.need)
            free_s = max(0, groups[at - 1].end_s if at else 0)
            short = seconds > group.setup_s and not left.open(name, free_s, group.start_s, seconds)
            if (short and not group.begun) or (group.given_s is not None and group.given_s < seconds):
                gone = [g for g in floor.lines[name].groups if free_s <= g.start_s < group.start_s]
                return None, {s.order for g in gone for s in g.members if (s.order, s.operation) in keys}
            if not group.begun:
                groups[at] = group.with_setup(seconds)
        lines[name] = Line(lines[name].machine, groups)
    return replace(left, lines=lines), set()
