"""A plan by a dispatching rule, and a proven bound: fast, plain, and without a solver.

    slots = dispatch(shop)          what can start first starts first; ties go to the job with most work left
    bound = lower_bound(shop)       seconds that no plan can beat

The plan is the solver's first answer, and the answer where no solver is installed. `dispatch(shop, keep=...)` leaves a
plan that was made before where it is, and moves what cannot stay.
Source: Pinedo, Scheduling (2016), chapters 5 and 14 (non-delay schedules, most work remaining).
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from collections.abc import Collection, Mapping, Sequence

from loopwright.core.errors import PlanError
from loopwright.core.types import Slot
from loopwright.make.shop import Key, Operation, Shop, busy, in_order

Interval = tuple[int, int]
FAR = 1 << 40  # seconds, later than any plan


def first_fit(taken: Sequence[Interval], start_s: int, seconds: int) -> int:
    """The earliest start, at or after start_s, at which `seconds` overlap nothing of `taken` (sorted, disjoint)."""
    at = bisect_left(taken, (start_s, start_s))
    if at and taken[at - 1][1] > start_s:
        start_s = taken[at - 1][1]
    while at < len(taken) and taken[at][0] < start_s + seconds:
        start_s = max(start_s, taken[at][1])
        at += 1
    return start_s


def makespan(slots: Sequence[Slot]) -> int:
    """When the last slot ends, seconds from the origin; 0 without slots."""
    return max((slot.end_s for slot in slots), default=0)


def tails(shop: Shop) -> dict[Key, int]:
    """operation -> seconds its job needs at least from its start to the end, each on its fastest machine."""
    found: dict[Key, int] = {}
    for job in shop.jobs:
        followers: dict[str, int] = {}
        for operation in reversed(in_order(job)):
            left = fastest(operation) + followers.get(operation.name, 0)
            found[operation.key] = left
            for before in operation.after:
                followers[before] = max(followers.get(before, 0), left)
    return found


def fastest(operation: Operation) -> int:
    """The seconds it takes on its fastest machine; what is left of a frozen one is counted by its slot, so 0."""
    return 0 if operation.frozen else min((seconds for _, seconds in operation.on), default=0)


def heads(shop: Shop) -> dict[Key, int]:
    """operation -> the earliest it can start were its job alone in the shop, closed times counted."""
    taken, found = busy(shop), {}
    for job in shop.jobs:
        ends: dict[str, int] = {}
        for operation in in_order(job):
            start_s = max([job.release_s, *(ends[name] for name in operation.after)])
            if operation.frozen:
                found[operation.key], ends[operation.name] = operation.frozen.start_s, operation.frozen.end_s
                continue
            starts = [(first_fit(taken[m], start_s, seconds), seconds) for m, seconds in operation.on]
            found[operation.key] = min((start for start, _ in starts), default=start_s)
            ends[operation.name] = min((start + seconds for start, seconds in starts), default=start_s)
    return found


def lower_bound(shop: Shop) -> int:
    """Seconds before which no plan ends: the longest job, or the load of a machine group where that is more.

    A group is a set of machines that are the only ones for some operations. Its load must fit into its open time, after
    the earliest of these operations can begin and before the shortest tail behind them.
    """
    head, tail, taken = heads(shop), tails(shop), busy(shop)
    free = [o for o in shop.operations if not o.frozen]
    best = max([0, *(o.frozen.end_s for o in shop.operations if o.frozen), *(head[o.key] + tail[o.key] for o in free)])
    for group in {frozenset(m for m, _ in o.on) for o in free if o.on}:
        inside = [o for o in free if o.on and {m for m, _ in o.on} <= group]
        load, behind = sum(fastest(o) for o in inside), min(tail[o.key] - fastest(o) for o in inside)
        done = _filled(load, min(head[o.key] for o in inside), [taken[m] for m in group])
        best = max(best, done + behind)
    return best


def _filled(load: int, start_s: int, machines: Sequence[Sequence[Interval]]) -> int:
    """The earliest time by which the machines together had `load` seconds of open time after start_s."""
    edges = sorted({start_s, *(t for taken in machines for pair in taken for t in pair if t > start_s)})
    for begin, end in zip(edges, [*edges[1:], FAR], strict=True):
        idle = sum(first_fit(taken, begin, 1) == begin for taken in machines)
        if idle and load <= idle * (end - begin):
            return begin - (-load // idle)
        load -= idle * (end - begin)
    return FAR


def dispatch(shop: Shop, keep: Mapping[Key, Slot] | None = None) -> list[Slot]:
    """A slot for every operation, frozen ones as they are.

    keep    slots of an older plan, in seconds from this shop's origin: they are placed first, stay where they can and
            move where they end first otherwise; the rest fills the gaps
    Raises PlanError when an operation has no machine.
    """
    keep, taken, left = keep or {}, busy(shop), tails(shop)
    slots = [o.frozen for o in shop.operations if o.frozen]
    ends = {(s.order, s.operation): s.end_s for s in slots}
    release = {job.id: job.release_s for job in shop.jobs}
    free = {o.key: o for o in shop.operations if not o.frozen}
    missing = {key: sum((o.job, name) not in ends for name in o.after) for key, o in free.items()}
    followers: dict[Key, list[Key]] = {key: [] for key in free}
    for operation in free.values():
        for name in operation.after:
            followers.setdefault((operation.job, name), []).append(operation.key)
    queue = [(key not in keep, 0, -left[key], key) for key in free if not missing[key]]
    heapq.heapify(queue)
    while queue:
        new, expected_s, urgent, key = heapq.heappop(queue)
        operation = free[key]
        ready_s = max([release[operation.job], *(ends[operation.job, name] for name in operation.after)])
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
                heapq.heappush(queue, (other not in keep, ends[key], -left[other], other))
    return slots


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
    operations = {o.key: o for o in shop.operations}
    release = {job.id: job.release_s for job in shop.jobs}
    blocked = busy(shop)
    ends = {(s.order, s.operation): s.end_s for s in slots}
    settled = [s for s in slots if s.frozen or (s.order, s.operation) in stay]
    moving = [s for s in slots if not s.frozen and (s.order, s.operation) not in stay]
    for slot in settled:
        if not slot.frozen:
            insort(blocked[slot.machine], (slot.start_s, slot.end_s))
    for slot in sorted(moving, key=lambda s: (s.start_s, s.end_s)):
        operation, seconds = operations[slot.order, slot.operation], slot.end_s - slot.start_s
        ready_s = max([release[slot.order], *(ends[slot.order, name] for name in operation.after)])
        start_s = first_fit(blocked[slot.machine], ready_s, seconds)
        insort(blocked[slot.machine], (start_s, start_s + seconds))
        ends[slot.order, slot.operation] = start_s + seconds
        settled.append(Slot(slot.order, slot.operation, slot.machine, start_s, start_s + seconds))
    return settled
