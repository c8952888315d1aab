"""The search for shops with setups, persons, tools, lots, batches, calendars and due dates, by any objective.

    slots = improve(shop, slots, parse("tardiness"), Budget(seconds=9.0))

A plan is an order of its operations, with a machine for each; `anneal.decode` gives the times. Each thread takes one
operation to another place at a time and keeps what costs less, or a little more, the longer the less: simulated
annealing (S. Kirkpatrick, C. Gelatt, M. Vecchi, Science 220, 1983), in rounds that begin again from the best.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from loopwright.core.clock import monotonic_s
from loopwright.core.types import Slot
from loopwright.make.anneal.decode import NEVER, WIDTH, Marks, back, blank, fixed_of, keep, price, run, times_of
from loopwright.make.anneal.neighbours import FROM, TO, move, undo
from loopwright.make.budget import Budget
from loopwright.make.compiled import fast
from loopwright.make.dispatching.board import sequence
from loopwright.make.dispatching.crew import slots_of
from loopwright.make.dispatching.tables import Tables, tables_of
from loopwright.make.objective import Objective, behind, setup, tardiness, value
from loopwright.make.shop import Shop

SLICE_S = 0.05  # how often the clock, and who wants to stop, are looked at
SLICE = 2_000  # moves between two looks where moves are counted instead of seconds
HOT, COLD = 5.0, 0.02  # of a mean operation, what a move may cost more at the beginning and end of a round
PLENTY = 100  # moves an operation that make the hottest beginning worth its time
ROUNDS = 2  # beginnings from the best so far in a budget


@fast
def climb(
    f: Any, s: Any, x: Any, y: Any, order: Any, way: Any, hold: Any, w: Any, old: Any, new: Any, every: int, r: Any,
    did: Any, total: Any, cost: Any, best: Any, best_way: Any, best_hold: Any, heat: float, moves: int
) -> int:
    """So many moves at one heat. cost (2,): that of the plan now and of the best; how many were taken."""
    taken = 0
    for _ in range(moves):
        if not move(f, x, order, way, hold, w, old, every, r, did):
            continue
        begin, end = min(did[FROM], did[TO]), max(did[FROM], did[TO])
        r[0] ^= r[0] << np.uint64(13)
        r[0] ^= r[0] >> np.uint64(7)
        r[0] ^= r[0] << np.uint64(17)
        chance = (float(r[0] >> np.uint64(11)) + 1.0) / 2.0**53
        limit = cost[0] - heat * math.log(chance) if heat > 0 else cost[0]
        stop = run(f, s, x, y, order, way, hold, w, begin, end, limit, old, new, every, total)
        if stop < 0:
            back(x, y, order, begin, -1 - stop, every)
            undo(x, order, way, hold, did)
            continue
        taken += 1
        keep(x, y, order, begin, stop, old, new, every, total)
        cost[0] = price(w, total)
        if cost[0] < cost[1] - 1e-9:
            cost[1] = cost[0]
            for k in range(len(order)):
                best[k] = order[k]
            for k in range(len(way)):
                best_way[k], best_hold[k] = way[k], hold[k]
    return taken


class Climber:
    """One thread's search: its order, machines and times."""

    def __init__(self, tables: Tables, fixed: Any, objective: Objective, order: Any, way: Any, seed: int) -> None:
        self.tables, self.f = tables, fixed
        self.order, self.way, self.hold = order.copy(), way.copy(), np.zeros(len(way), np.int64)
        self.w = np.array([objective.makespan, objective.tardiness, objective.setup, math.inf, 0.0])
        self.x, self.y = times_of(tables), times_of(tables)
        length = WIDTH * len(tables.state) + len(tables.away) + len(tables.state)
        self.every = max(8, math.isqrt(len(order)))
        count = -(-len(order) // self.every)
        self.s = np.zeros(length, np.int64)
        self.old, self.new = (Marks(
            np.zeros((max(1, count), length), np.int64), np.zeros((count + 1, 3)), np.zeros(count, np.int64),
            np.zeros(count + 1, np.int64)) for _ in range(2))
        blank(self.f, self.old.state[0])
        begun = [slot for slot in tables.fixed if slot]
        self.old.cost[0] = max((slot.end_s for slot in begun), default=0), _begun_late(tables), setup(begun)
        self.best = [self.order.copy(), self.way.copy(), self.hold.copy()]
        self.r = np.array([np.random.default_rng(seed).integers(1, 2**62)], np.uint64)
        self.did, self.total, self.cost = np.zeros(5, np.int64), np.zeros(3), np.zeros(2)
        self.moves = 0
        self.decode()
        horizon_s = tables.shop.horizon_s
        if horizon_s is not None:
            self.w[3] = horizon_s
            self.w[4] = 0.0 if self.total[0] <= horizon_s else _over(tables, objective)
            self.cost[0] = price(self.w, self.total)
        self.cost[1] = self.cost[0]

    def decode(self) -> bool:
        """All times anew from order and machines; False, and nothing done, when they do not end in time."""
        n = len(self.order)
        self.x.place[self.order] = np.arange(n)
        self.old.cost[-1] = self.old.cost[0]
        stop = run(self.f, self.s, self.x, self.y, self.order, self.way, self.hold, self.w, 0, n, math.inf, self.old,
                   self.new, self.every, self.total)
        if stop < 0:
            return False
        keep(self.x, self.y, self.order, 0, stop, self.old, self.new, self.every, self.total)
        self.cost[0] = price(self.w, self.total)
        return True

    def climb(self, heat: float, moves: int) -> None:
        """So many moves at one heat."""
        climb(self.f, self.s, self.x, self.y, self.order, self.way, self.hold, self.w, self.old, self.new, self.every,
              self.r, self.did, self.total, self.cost, *self.best, heat, moves)
        self.moves += moves

    def sort(self) -> None:
        """The order by starts, which is mostly the same plan with more room to move; not where it costs more."""
        before, cost = self.order.copy(), self.cost[0]
        self.order[:] = before[np.lexsort((np.arange(len(before)), self.x.start[before]))]
        if not self.decode() or self.cost[0] > cost + 1e-9:
            self.order[:] = before
            self.decode()

    def again(self) -> None:
        """Back to the best."""
        self.order[:], self.way[:], self.hold[:] = self.best
        self.decode()


def _over(tables: Tables, objective: Objective) -> float:
    """What a second behind the horizon costs: more than can be won by it."""
    weights = sum(job.weight for job in tables.shop.jobs if job.due_s is not None)
    return 1.0 + 10.0 * (objective.makespan + objective.setup + objective.tardiness * weights)


def _begun_late(tables: Tables) -> float:
    """Weighted lateness of what stands where it is and nothing waits for."""
    shop = tables.shop
    return tardiness(shop, [
        slot for slot, behind in zip(tables.fixed, tables.behind, strict=True) if slot and not behind])


def improve(shop: Shop, slots: Sequence[Slot], objective: Objective, budget: Budget) -> list[Slot]:
    """A plan that costs no more than `slots`, by the objective, found within the budget.

    slots   a plan that keeps the shop's rules (`dispatch.best`); what ends within the horizon stays within, and what
            does not is first of all brought there
    To change a plan little around what happened is `anneal.mender`, on the same `Climber`; shops above some thousand
    operations are better searched by `dispatching.tuning` first. The budget's progress is told the cost, rounded;
    equal seeds give equal plans in a budget of iterations, which are moves of each thread.
    """
    end_s = monotonic_s() + budget.seconds
    tables = tables_of(shop)
    order, choice = sequence(tables, slots)
    if not order:
        return list(slots)
    fixed = fixed_of(tables)
    way = fixed.way_at[:-1] + np.array(choice, np.int64)
    climbers = [
        Climber(tables, fixed, objective, np.array(order, np.int64), way, budget.seed * 1000 + nth)
        for nth in range(max(1, budget.workers))]
    least = value(objective, shop, slots) + climbers[0].w[4] * behind(shop, slots)
    floor = [least]
    with ThreadPoolExecutor(len(climbers)) as threads:
        done = [threads.submit(_search, c, nth, budget, end_s, floor) for nth, c in enumerate(climbers)]
        for each in done:
            each.result()
    best = min(climbers, key=lambda c: c.cost[1])
    return _slots(best) if best.cost[1] < least - 1e-9 else list(slots)


def _search(climber: Climber, nth: int, budget: Budget, end_s: float, told: list[float]) -> None:
    """Rounds from hot to cold until the budget is spent."""
    begun_s, moves = monotonic_s(), int(np.clip(200_000 // len(climber.order), 5, 100))
    mean = mean_cost(climber)
    nth_round = 0
    while (done := _spent(climber, budget, begun_s, end_s)) < 1.0:
        if int(done * ROUNDS) > nth_round:
            nth_round = int(done * ROUNDS)
            climber.again()
        part = done * ROUNDS - nth_round
        ahead = budget.iterations or climber.moves / max(done, 1e-6)
        hot = max(COLD, HOT * min(1.0, ahead / (PLENTY * len(climber.order)))) * 0.3 ** (nth % 3)
        heat = mean * hot * (min(COLD, hot) / hot) ** part
        if budget.iterations:
            moves = min(SLICE, budget.iterations - climber.moves)
        before_s, best = monotonic_s(), climber.cost[1]
        climber.climb(heat, moves)
        climber.sort()
        if not budget.iterations:
            moves = int(np.clip(moves * SLICE_S / max(monotonic_s() - before_s, 1e-5), 5, 200_000))
        if climber.cost[1] < best and climber.cost[1] < told[0]:
            told[0] = climber.cost[1]
            if budget.progress:
                budget.progress(round(climber.cost[1]))


def _spent(climber: Climber, budget: Budget, begun_s: float, end_s: float) -> float:
    """The part of the budget that is used up; 1 when whoever asked wants to stop, or nothing can be better."""
    if (budget.stop is not None and budget.stop.is_set()) or climber.cost[1] <= 0 or monotonic_s() >= end_s:
        return 1.0
    if budget.iterations:
        return climber.moves / budget.iterations
    return (monotonic_s() - begun_s) / max(1e-9, end_s - begun_s)


def mean_cost(climber: Climber) -> float:
    """What it costs, about, when one operation more stands before the others of its machine."""
    f, w = climber.f, climber.w
    free = np.flatnonzero(~f.fixed)
    seconds = float(f.way_s[f.way_at[free]].mean())
    due = f.due < NEVER
    late = float(f.weight[due].mean()) if due.any() else 0.0
    changes = [s for s in (*climber.tables.exact.values(), *climber.tables.others.values()) if s]
    return float(w[0] * seconds + w[1] * late * seconds + w[2] * (sum(changes) / len(changes) if changes else 0.0))


def _slots(climber: Climber) -> list[Slot]:
    """The best plan as slots."""
    climber.again()
    return slots_of(climber.tables, climber.f, climber.way, climber.x)
