"""Large-neighbourhood steps: most of a plan keeps its order, a window of it is planned anew by CP-SAT.

    slots = improve(base, slots, aim, budget)

A window is a stretch of time, some machines, some jobs that cost much, or anything. What ended before it stays as it
is; what comes after keeps machine, person and turn, and moves in time. Windows grow while they are solved to the end,
shrink while they are not, and the kinds that found something are drawn more often.
Source: P. Shaw, Using constraint programming and local search methods to solve vehicle routing problems (CP 1998);
D. Godard, P. Laborie, W. Nuijten, Randomized large neighborhood search for cumulative scheduling (ICAPS 2005);
S. Ropke, D. Pisinger, An adaptive large neighborhood search heuristic (Transportation Science 40, 2006) for the draw.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock

from loopwright.core.clock import monotonic_s
from loopwright.core.types import Slot
from loopwright.make.budget import Budget
from loopwright.make.cp.model import Base, Stopped, Window, build
from loopwright.make.cp.solve import Effort, library, solve
from loopwright.make.objective import Objective, value
from loopwright.make.shop import Key

KINDS = ("time", "machines", "jobs", "random")
FEWEST, FIRST, MOST = 6, 16, 120  # operations in a window
SLICE_S = 0.5  # of wall time for one window
WORK = 0.15  # of CP-SAT's own measure


@dataclass
class Search:
    """What the threads share: the best plan, and how well each kind of window did."""

    base: Base
    aim: Objective
    slots: list[Slot]
    cost: float
    size: dict[str, float] = field(default_factory=lambda: dict.fromkeys(KINDS, float(FIRST)))
    credit: dict[str, float] = field(default_factory=lambda: dict.fromkeys(KINDS, 1.0))
    steps: int = 0
    lock: Lock = field(default_factory=Lock)


def improve(base: Base, slots: Sequence[Slot], aim: Objective, budget: Budget) -> list[Slot]:
    """A plan that costs no more than `slots`, found in windows of it; each thread works on its own windows.

    With `budget.iterations` each thread looks at so many windows of equal work, one thread only so that equal seeds
    give equal plans.
    """
    search = Search(base, aim, list(slots), value(aim, base.shop, slots))
    if sum(o.frozen is None for o in base.shop.operations) < 2 or library() is None:
        return list(slots)
    end_s = monotonic_s() + budget.seconds
    threads = 1 if budget.iterations else max(1, budget.workers)
    with ThreadPoolExecutor(threads) as pool:
        for each in [pool.submit(_work, search, nth, budget, end_s) for nth in range(threads)]:
            each.result()
    return search.slots


def _work(search: Search, nth: int, budget: Budget, end_s: float) -> None:
    """Windows one after another until the budget is spent."""
    rng = random.Random(budget.seed * 1000 + nth)
    done = 0
    while not (budget.stop and budget.stop.is_set()):
        left_s = end_s - monotonic_s()
        if (left_s < 0.05 and not budget.iterations) or (budget.iterations and done >= budget.iterations):
            break
        if search.cost <= 0:
            break
        try:
            _step(search, rng, budget, 60.0 if budget.iterations else min(SLICE_S, left_s))
        except Stopped:
            break
        done += 1


def _step(search: Search, rng: random.Random, budget: Budget, seconds: float) -> None:
    """One window."""
    with search.lock:
        slots, cost = search.slots, search.cost
        kind = rng.choices(KINDS, [search.credit[k] for k in KINDS])[0]
        size = max(FEWEST, min(MOST, int(search.size[kind] * rng.uniform(0.6, 1.2))))
    window = draw(search.base, slots, search.aim, kind, size, rng)
    model = build(library(), search.base, search.aim, slots, window, stop=budget.stop)
    effort = Effort(seconds, WORK, 1, rng.randrange(2**30), budget.stop)
    try:
        found = solve(model, effort)
    except IndexError:  # OR-Tools 9.15 loses its way in some hints (its issue 5288)
        return
    new = value(search.aim, search.base.shop, found.slots) if found.slots else cost
    with search.lock:
        search.steps += 1
        search.size[kind] = max(FEWEST, min(MOST, search.size[kind] * (1.1 if found.status == "optimal" else 0.85)))
        gain = 1.0 if new < cost else 0.0
        search.credit[kind] = max(0.1, 0.9 * search.credit[kind] + 0.5 * gain)
        if found.slots and (new < search.cost or (new == search.cost and search.slots is slots)):
            better = new < search.cost
            search.slots, search.cost = found.slots, new
            if better and budget.progress:
                budget.progress(round(new))


def draw(
    base: Base, slots: Sequence[Slot], aim: Objective, kind: str, size: int, rng: random.Random
) -> Window:
    """A window of about `size` operations around a plan."""
    movable = [s for s in slots if not s.frozen]
    chosen = {
        "time": _in_time, "machines": _on_machines, "jobs": _of_jobs, "random": _anything
    }[kind](base, movable, size, rng)
    free = {(s.order, s.operation) for s in chosen}
    since_s = _since(base, slots, free)
    held = frozenset(
        (s.order, s.operation) for s in movable
        if s.end_s <= since_s and (s.order, s.operation) not in free)
    ordered = frozenset((s.order, s.operation) for s in movable) - held - free
    return Window(held, ordered)


def _since(base: Base, slots: Sequence[Slot], free: set[Key]) -> int:
    """The earliest that anything of the window could begin."""
    ends = {(s.order, s.operation): s for s in slots}
    operations = {o.key: o for o in base.shop.operations}
    earliest = 2**60
    for key in free:
        before = [ends[key[0], name] for name in operations[key].after if (key[0], name) not in free]
        waits = [s.start_s if operations[key].link(s.operation).lot_s is not None else s.end_s for s in before]
        earliest = min(earliest, max([base.head[key], *waits]))
    return earliest


def _in_time(base: Base, slots: Sequence[Slot], size: int, rng: random.Random) -> list[Slot]:
    """What runs about a moment."""
    at_s = rng.choice(slots).start_s
    return sorted(slots, key=lambda s: max(s.start_s - at_s, at_s - s.end_s))[:size]


def _on_machines(base: Base, slots: Sequence[Slot], size: int, rng: random.Random) -> list[Slot]:
    """What one or two machines do about a moment."""
    first = rng.choice(slots)
    machines = {first.machine, rng.choice(slots).machine}
    here = [s for s in slots if s.machine in machines]
    return sorted(here, key=lambda s: max(s.start_s - first.start_s, first.start_s - s.end_s))[:size]


def _of_jobs(base: Base, slots: Sequence[Slot], size: int, rng: random.Random) -> list[Slot]:
    """Jobs that cost much, and what stands before their operations."""
    due = {job.id: (job.due_s, job.weight) for job in base.shop.jobs}
    ends: dict[str, int] = {}
    for s in slots:
        ends[s.order] = max(ends.get(s.order, 0), s.end_s)
    last_s = max(ends.values())
    late = {
        job: 1.0 + weight * max(0, ends[job] - due_s) if due_s is not None else 1.0 + (ends[job] == last_s)
        for job, (due_s, weight) in due.items() if job in ends}
    jobs = list(late)
    first = rng.choices(jobs, [late[job] for job in jobs])[0]
    mine = [s for s in slots if s.order == first]
    found = {(s.order, s.operation): s for s in mine}
    for s in mine:
        here = [o for o in slots if o.machine == s.machine and o.start_s < s.start_s]
        before = sorted(here, key=lambda o: -o.start_s)
        for other in before[: max(1, (size - len(mine)) // max(1, len(mine)))]:
            found[other.order, other.operation] = other
    return list(found.values())[: max(size, len(mine))]


def _anything(base: Base, slots: Sequence[Slot], size: int, rng: random.Random) -> list[Slot]:
    return rng.sample(list(slots), min(size, len(slots)))
