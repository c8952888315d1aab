"""A plan by a dispatching rule: fast, plain, and without a solver.

    slots = dispatch(shop)          what can start first starts first; ties go to the job with most work
    slots = settle(shop, slots)     each as early as machine and job allow
    slots = best(shop, objective)   the best of several rules, whatever the shop has: setups, persons, tools, batches
                                    (`make.dispatching.first` tries many more where these are compiled)

The plan is the solver's first answer, and the answer where no solver is installed. `dispatch(shop, keep=...)` leaves a
plan that was made before where it is, and moves what cannot stay. Shops that are not plain are worked by
`make.dispatching.foreman` and `make.dispatching.board`.
Source: Pinedo, Scheduling (2016), chapters 5 and 14 (non-delay schedules, most work remaining).
"""

from __future__ import annotations

import heapq
import math
from bisect import insort
from collections.abc import Collection, Mapping, Sequence
from threading import Event

from loopwright.core.errors import PlanError
from loopwright.core.types import Slot
from loopwright.make.dispatching.board import follow, sequence
from loopwright.make.dispatching.bound import Ground, Interval, first_fit, ground_of, tails
from loopwright.make.dispatching.foreman import Rule, run
from loopwright.make.dispatching.tables import tables_of
from loopwright.make.objective import Objective, value
from loopwright.make.shop import Key, Operation, Shop, busy

MAKESPAN = Objective(makespan=1.0)
FEW_RULES = 20_000  # operations; above them one rule is all there is time for
FEW_LATE = 2_000  # operations up to which `dispatch`, which looks at all that wait again and again, is quick


def makespan(slots: Sequence[Slot]) -> int:
    """When the last slot ends, seconds from the origin; 0 without slots."""
    return max((slot.end_s for slot in slots), default=0)


def dispatch(shop: Shop, keep: Mapping[Key, Slot] | None = None, most_work_first: bool = True) -> list[Slot]:
    """A slot for every operation, frozen ones as they are.

    most_work_first  of two that can start at the same time: the job with the longer chain goes first, or the one with
            the shorter. Which is better depends on the shop, both are quick; that a job has one rank on all machines
            matters more (what is assembled from two parts does not wait for the other part)
    keep    slots of an older plan, in seconds from this shop's origin: they are placed first, stay where they can and
            move where they end first otherwise; the rest fills the gaps
    Shops of more than FEW_LATE operations are worked by `dispatching.foreman`, in n log n steps. Raises PlanError when
    an operation has no machine.
    """
    if not shop.plain or (not keep and sum(len(job.operations) for job in shop.jobs) > FEW_LATE):
        return _kept(shop, keep) if keep else _worked(shop, Rule("work" if most_work_first or shop.plain else "late"))
    keep, taken, rank = keep or {}, busy(shop), _ranks(shop, most_work_first)
    slots = [o.frozen for o in shop.operations if o.frozen]
    ends = {(s.order, s.operation): s.end_s for s in slots}
    release = _released(shop)
    free = {o.key: o for o in shop.operations if not o.frozen}
    missing = {key: sum((o.job, name) not in ends for name in o.after) for key, o in free.items()}
    followers: dict[Key, list[Key]] = {key: [] for key in free}
    for operation in free.values():
        for name in operation.after:
            followers.setdefault((operation.job, name), []).append(operation.key)
    queue = [(key not in keep, 0, rank[key], key) for key in free if not missing[key]]
    heapq.heapify(queue)
    while queue:
        new, expected_s, urgent, key = heapq.heappop(queue)
        operation = free[key]
        ready_s = max([release[key], *(ends[operation.job, name] for name in operation.after)])
        start_s, seconds, machine = _earliest(operation, ready_s, taken, keep.get(key))
        if start_s > expected_s:  # not yet its turn, or something took its place: back with what it can have now
            heapq.heappush(queue, (new, start_s, urgent, key))
            continue
        insort(taken[machine], (start_s, start_s + seconds))
        slots.append(Slot(*key, machine, start_s, start_s + seconds))
        ends[key] = start_s + seconds
        for other in followers[key]:
            missing[other] -= 1
            if not missing[other]:
                heapq.heappush(queue, (other not in keep, ends[key], rank[other], other))
    return slots


def best(
    shop: Shop, objective: Objective = MAKESPAN, ground: Ground | None = None, stop: Event | None = None
) -> list[Slot]:
    """A slot for every operation of any shop: the best of the rules by the objective.

    Large shops get fewer rules, and one once `stop` is set. Raises PlanError when an operation has no machine.
    """
    free = sum(o.frozen is None for o in shop.operations)
    rules = [Rule("late", 2.0), Rule("work"), Rule("late", 0.5), Rule("late", 6.0)]
    if not any(job.due_s is not None for job in shop.jobs):
        rules = rules[1:2]
    elif objective.only_makespan:
        rules = rules[1::-1]
    _refuse_nowhere(shop)
    ground = ground or ground_of(shop)
    found: list[Slot] | None = None
    least = math.inf
    for rule in rules[:1] if free > FEW_RULES else rules[:2] if free > FEW_RULES // 4 else rules:
        slots = run(ground.tables, ground.edges.tail, rule, stop).slots()
        cost = value(objective, shop, slots)
        if cost < least:
            found, least = slots, cost
        if stop and stop.is_set():
            break
    for most_work_first in (True, False) if shop.plain and free <= FEW_LATE else ():
        slots = settle(shop, dispatch(shop, None, most_work_first))
        cost = value(objective, shop, slots)
        if cost < least:
            found, least = slots, cost
    return found or []


def _refuse_nowhere(shop: Shop) -> None:
    for operation in shop.operations:
        if not operation.on and not operation.frozen:
            raise PlanError(f"operation {operation.name!r} of {operation.job!r}", "no machine can do it")


def _worked(shop: Shop, rule: Rule) -> list[Slot]:
    """The plan of one rule."""
    _refuse_nowhere(shop)
    ground = ground_of(shop)
    return run(ground.tables, ground.edges.tail, rule).slots()


def _kept(shop: Shop, keep: Mapping[Key, Slot]) -> list[Slot]:
    """The order and machines of an older plan, what is new behind it by its rule."""
    new = _worked(shop, Rule("late"))
    at = {(s.order, s.operation): s for s in new}
    machines = {o.key: {m for m, _ in o.on} for o in shop.operations}
    old = [s for key, s in keep.items() if key in at and not at[key].frozen and s.machine in machines[key]]
    known = {(s.order, s.operation) for s in old}
    return _settled(shop, [*old, *(s for s in new if (s.order, s.operation) not in known)])


def _settled(shop: Shop, slots: Sequence[Slot], stay: Collection[Key] = ()) -> list[Slot]:
    """The operations of a plan, in the order of their starts, each as early as it can."""
    fixed = [s for s in slots if not s.frozen and (s.order, s.operation) in stay]
    tables = tables_of(shop, fixed)
    order, ways = sequence(tables, slots)
    return follow(tables, order, ways).slots()


def _released(shop: Shop) -> dict[Key, int]:
    """operation -> seconds before which it cannot start for release and materials."""
    return {o.key: shop.ready_s(job, o) for job in shop.jobs for o in job.operations}


def _ranks(shop: Shop, most_work_first: bool) -> dict[Key, tuple[int, int]]:
    """operation -> what decides a tie: its job's longest chain, then its own; the smaller goes first."""
    left, sign = tails(shop), -1 if most_work_first else 1
    longest = {job.id: sign * max((left[o.key] for o in job.operations), default=0) for job in shop.jobs}
    return {key: (longest[key[0]], -tail) for key, tail in left.items()}


def _earliest(
    operation: Operation, ready_s: int, taken: Mapping[str, Sequence[Interval]], old: Slot | None
) -> tuple[int, int, str]:
    """(start, seconds, machine): as in the old slot where that is free, else where it ends first."""
    if not operation.on:
        raise PlanError(f"operation {operation.name!r} of {operation.job!r}", "no machine can do it")
    for machine, seconds in operation.on:
        here = old is not None and machine == old.machine and ready_s <= old.start_s
        if old and here and first_fit(taken[machine], old.start_s, seconds) == old.start_s:
            return old.start_s, seconds, machine
    found = [(first_fit(taken[m], ready_s, seconds), seconds, m) for m, seconds in operation.on]
    return min(found, key=lambda f: (f[0] + f[1], old is not None and f[2] != old.machine, f[2]))


def settle(shop: Shop, slots: Sequence[Slot], stay: Collection[Key] = ()) -> list[Slot]:
    """The same plan with each operation as early as its machine and job allow, those of `stay` and frozen ones fixed.

    Nothing ends later than before, no operation changes its machine.
    """
    if not shop.plain:
        return _settled(shop, slots, stay)
    operations = {o.key: o for o in shop.operations}
    release = _released(shop)
    blocked = busy(shop)
    ends = {(s.order, s.operation): s.end_s for s in slots}
    settled = [s for s in slots if s.frozen or (s.order, s.operation) in stay]
    moving = [s for s in slots if not s.frozen and (s.order, s.operation) not in stay]
    for slot in settled:
        if not slot.frozen:
            insort(blocked[slot.machine], (slot.start_s, slot.end_s))
    for slot in sorted(moving, key=lambda s: (s.start_s, s.end_s)):
        operation, seconds = operations[slot.order, slot.operation], slot.end_s - slot.start_s
        ready_s = max([release[operation.key], *(ends[slot.order, name] for name in operation.after)])
        start_s = first_fit(blocked[slot.machine], ready_s, seconds)
        insort(blocked[slot.machine], (start_s, start_s + seconds))
        ends[slot.order, slot.operation] = start_s + seconds
        settled.append(Slot(slot.order, slot.operation, slot.machine, start_s, start_s + seconds))
    return settled
