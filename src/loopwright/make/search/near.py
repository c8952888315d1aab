"""The shortest sequence that keeps so much of an old plan: walks of the tabu search that make no other moves.

    slots = nearest(shop, slots, was, need, Budget(seconds=0.5), bound)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from loopwright.core.clock import monotonic_s
from loopwright.core.types import Slot
from loopwright.make.budget import Budget
from loopwright.make.search.rows import choice_of, net_of, sequence, slots_of
from loopwright.make.search.run import STALE, Found, found_of
from loopwright.make.search.stay import stay_of
from loopwright.make.search.tabu import Walk, seeded
from loopwright.make.shop import Key, Shop

SLICE_S = 0.02  # how often the clock, and who wants to stop, are looked at
SLICE = 1_000  # iterations between two looks where iterations are counted


def nearest(
    shop: Shop, slots: Sequence[Slot], was: Mapping[Key, Slot], need: int, budget: Budget, bound: int = 0
) -> list[Slot]:
    """A plan no longer than `slots` that keeps at least `need` operations of the old plan in machine and order.

    shop   one for which `rows.able` holds; was: the old slots of what has not begun
    slots  a plan that keeps at least so many; with `budget.iterations` equal seeds give equal plans
    """
    net, end_s = net_of(shop), monotonic_s() + budget.seconds
    if len(net.operations) < 2:
        return list(slots)
    first = found_of(net, slots)
    machine = {m.id: k for k, m in enumerate(shop.machines)}
    old = [was.get(o.key) for o in net.operations]
    home = [machine.get(slot.machine, -1) if slot else -1 for slot in old]
    rank = [slot.start_s if slot else 0 for slot in old]
    walks = [Walk(net, stay_of(home, rank, net.machines, need)) for _ in range(max(1, budget.workers))]
    best = [first]  # shared, where time is counted: the best of all threads
    with ThreadPoolExecutor(len(walks)) as threads:
        done = [threads.submit(_walk, walk, first, best, replace(budget, seed=budget.seed * 1000 + nth), end_s, bound)
                for nth, walk in enumerate(walks)]
        found = min((each.result() for each in done), key=lambda f: f.makespan)
    return slots_of(net, found.start, found.choice) if found.makespan < first.makespan else list(slots)


def _walk(walk: Walk, first: Found, best: list[Found], budget: Budget, end_s: float, bound: int) -> Found:
    """Walks from the best on, again and again, until the budget is spent."""
    net = walk.net
    seeded(budget.seed % 2**31)
    mine, made, step = first, 0, 100

    def over() -> bool:
        spent = made >= budget.iterations if budget.iterations else monotonic_s() >= end_s
        return spent or mine.makespan <= bound or (budget.stop is not None and budget.stop.is_set())

    while not over():
        begin = mine if budget.iterations else min(mine, best[0], key=lambda f: f.makespan)
        walk.forget()
        begins, since = sequence(net, walk.x, begin.start, begin.choice), made
        while made - since < STALE and not over():
            step = min(SLICE, budget.iterations - made) if budget.iterations else step
            before, begun_s = walk.now, monotonic_s()
            length = walk.run(begins, max(1, step), bound, mine.makespan)
            if length < mine.makespan:
                mine, since = Found(length, walk.r.astype("int64"), choice_of(net, walk.machine)), made
                if mine.makespan < best[0].makespan:
                    best[0] = mine
            made += max(1, walk.now - before)
            if walk.now - before < step:
                break  # it met the bound, or there is nothing left to move
            step = max(20, min(STALE // 4, int(step * SLICE_S / max(monotonic_s() - begun_s, 1e-4))))
    return mine
