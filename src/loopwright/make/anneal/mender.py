"""A repair's search: `make.anneal.mend` run in threads, first for what was hit, then for all, within seconds.

    slots, free = mended(shop, was, [shifted], aim, Terms(need, weight), budget)

So many operations may leave their turn, and what they may be spent on is a market: leaving has a toll, which rises
while more want to leave than may, and falls while fewer do, so that nobody leaves for little and is in the way of who
would gain much. Source of the idea: Lagrangean relaxation of a constraint with multipliers by subgradient steps,
M. L. Fisher (Management Science 27, 1981).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import numpy as np

from loopwright.core.clock import monotonic_s
from loopwright.core.types import Slot
from loopwright.make.anneal.decode import fixed_of
from loopwright.make.anneal.general import Climber, mean_cost
from loopwright.make.anneal.mend import climb, fill, insert, lines_of, note
from loopwright.make.budget import Budget
from loopwright.make.change.kept import Terms
from loopwright.make.dispatching.board import follow, sequence
from loopwright.make.dispatching.tables import Tables, tables_of
from loopwright.make.objective import Objective
from loopwright.make.shop import Key, Shop

SLICE_S = 0.02  # how often the clock, and who wants to stop, are looked at
SLICE = 500  # moves between two looks where moves are counted
FIRST = 0.1  # part of the budget in which what was hit is placed
COOL = 0.9  # by then it is cold, and what moved for little is put back
TIDY = 0.94  # from then on it is looked at what a plan would cost that keeps less, if keeping was what stopped it
HOT, COLD = 1.0, 0.02  # of a mean operation, what a move may cost more at the beginning and the end
LOOSE = 0.1  # the same where it is looked at what keeping costs
PLENTY = 500  # moves an operation that make the hottest beginning worth its time
SPARE = 0.1  # of the operations, which could leave at the beginning and are kept from it by the toll
OPEN = 0.8  # part of the annealing by which none is kept from it any more
RISE, FALL, GONE = 1.3, 0.85, 0.7  # of the toll, from one look to the next; the last from OPEN on
LEAST = 0.2  # of the heat, the least toll that keeps anybody
MEET = (0.4, 0.7)  # parts of the annealing at which threads go on from the best of all

Clock = Callable[[], float]  # the part of the budget that is used up


@dataclass
class Best:
    """The best plan of all threads: order, ways, holds."""

    cost: float = float("inf")
    arrays: list[Any] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)


class Mender:
    """One thread's search."""

    def __init__(self, climber: Climber, home: Sequence[int], rank: Sequence[int], terms: Terms) -> None:
        self.c, self.terms = climber, terms
        self.lines = lines_of(climber.f, climber.order, climber.way, home, rank)
        self.need = min(terms.need, int(self.lines.sum[0]))
        self.toll = 0.0
        self.free: tuple[float, int] | None = None
        self.found = [each.copy() for each in climber.best]
        self._priced()
        climber.cost[1] = climber.cost[0]
        note(climber.order, climber.way, climber.hold, *climber.best)

    def _priced(self) -> None:
        """What was decoded anew costs, with its disorder."""
        self.c.cost[0] -= self.terms.weight * int(self.lines.sum[0])

    def climb(self, heat: float, moves: int, part: float = 1.0) -> None:
        """So many moves at one heat. part: of the annealing, what is over."""
        c = self.c
        climb(c.f, c.s, c.x, c.y, c.order, c.way, c.hold, c.w, c.old, c.new, c.every, c.r, c.did, c.total, c.cost,
              *c.best, self.lines, self.terms.weight, self.toll, self.need, heat, moves)
        c.moves += moves
        spare, left = SPARE * max(0.0, 1 - part / OPEN) * len(c.order), int(self.lines.sum[0]) - self.need
        if not self.need:
            self.toll = 0.0
        elif part >= OPEN:
            self.toll *= GONE
        elif left < max(1.0, spare):
            self.toll = max(self.toll, LEAST * heat) * RISE
        elif left > spare + 0.01 * len(c.order):
            self.toll *= FALL
        self._sort()

    def _sort(self) -> None:
        """The order by starts, which is mostly the same plan with more room to move; not where it is worse."""
        c = self.c
        before, cost = c.order.copy(), c.cost[0]
        c.order[:] = before[np.lexsort((np.arange(len(before)), c.x.start[before]))]
        if (c.order == before).all():
            return
        if not self._anew() or c.cost[0] > cost + 1e-9 or self.lines.sum[0] < self.need:
            c.order[:] = before
            self._anew()

    def _anew(self) -> bool:
        """All decoded and counted anew; whether it ends in time."""
        fine = self.c.decode()
        fill(self.lines, self.c.f, self.c.order, self.c.way)
        if fine:
            self._priced()
        return fine

    def insert(self, operation: int) -> None:
        """Puts one operation where it costs least."""
        c = self.c
        if insert(c.f, c.s, c.x, c.y, c.order, c.way, c.hold, c.w, c.old, c.new, c.every, c.total, c.cost, self.lines,
                  self.terms.weight, self.need, operation) and c.cost[0] < c.cost[1] - 1e-9:
            c.cost[1] = c.cost[0]
            note(c.order, c.way, c.hold, *c.best)

    def again(self) -> None:
        """Back to the best."""
        self.c.order[:], self.c.way[:], self.c.hold[:] = self.c.best
        self._anew()

    def meet(self, best: Best) -> None:
        """Goes on from the best of all threads, or makes its own that."""
        c = self.c
        with best.lock:
            if c.cost[1] < best.cost:
                best.cost, best.arrays = float(c.cost[1]), [each.copy() for each in c.best]
                return
            if c.cost[1] <= best.cost + 1e-9:
                return
            for mine, its in zip(c.best, best.arrays, strict=True):
                mine[:] = its
            c.cost[1] = best.cost
        self.again()

    def settle(self) -> float:
        """Notes the best plan as what was found; what it costs."""
        self.again()
        self.found = [each.copy() for each in self.c.best]
        return float(self.c.cost[1])

    def loosen(self) -> bool:
        """From now on nothing must be kept, if what must be kept was all that is kept; whether it was."""
        tight = 0 < self.need >= int(self.lines.sum[0]) - 1
        self.need = 0 if tight else self.need
        return tight

    def slots(self) -> list[Slot]:
        """What was found, placed once more by the plain twin of what was compiled."""
        order, way, hold = self.found
        ways = (way - self.c.f.way_at[:-1]).tolist()
        return follow(self.c.tables, order.tolist(), ways, hold.tolist()).slots()


def mended(
    shop: Shop, was: Mapping[Key, Slot], begins: Sequence[Sequence[Slot]], aim: Objective, terms: Terms, budget: Budget
) -> tuple[list[Slot], tuple[float, int] | None]:
    """The best plan found, with as many operations kept as `terms` say, or as the one it began with when those are
    fewer.

    was    slots of the old plan for operations that have not begun
    begins plans that keep the shop's rules, the best first; each thread begins with one of them
    Where keeping so many was what stopped the search, also (cost, operations kept) of a better plan that keeps fewer,
    if one was seen.
    """
    end_s = monotonic_s() + budget.seconds
    tables = tables_of(shop)
    sequences = [sequence(tables, begin) for begin in begins[: max(1, budget.workers)]]
    if not sequences[0][0]:
        return list(begins[0]), None
    fixed = fixed_of(tables)
    home, rank = _turns(tables, was)
    hit = _hit(tables, was, begins[0], terms.struck)
    menders = []
    for nth in range(max(1, budget.workers)):
        order, choice = sequences[nth % len(sequences)]
        way = fixed.way_at[:-1] + np.array(choice, np.int64)
        climber = Climber(tables, fixed, aim, np.array(order, np.int64), way, budget.seed * 1000 + nth)
        menders.append(Mender(climber, home, rank, terms))
    best = Best()
    with ThreadPoolExecutor(len(menders)) as threads:
        done = [threads.submit(_search, m, hit, budget, end_s, best) for m in menders]
        costs = [each.result() for each in done]
    chosen = menders[costs.index(min(costs))]
    return chosen.slots(), min((m.free for m in menders if m.free), default=None)


def _turns(tables: Tables, was: Mapping[Key, Slot]) -> tuple[list[int], list[int]]:
    """(home, rank): for each operation its old machine, and its old start, by which it has its turn there."""
    machine = {m.id: k for k, m in enumerate(tables.shop.machines)}
    home, rank = [-1] * len(tables.operations), [0] * len(tables.operations)
    for key, slot in was.items():
        k = tables.number[key]
        home[k], rank[k] = machine.get(slot.machine, -1), slot.start_s
    return home, rank


def _hit(tables: Tables, was: Mapping[Key, Slot], begin: Sequence[Slot], struck: Collection[Key]) -> list[int]:
    """What the change has to do with, the most urgent first: what is new, or cannot stand where it stood, then what
    comes later and has another machine to go to."""
    new, later = [], []
    for slot in begin:
        key = slot.order, slot.operation
        k = tables.number[key]
        if tables.fixed[k]:
            continue
        if key not in was or key in struck:
            new.append((slot.start_s, k))
        elif slot.start_s > was[key].start_s and len(tables.ways[k]) > 1:
            later.append((slot.start_s, k))
    return [k for _, k in (*sorted(new), *sorted(later))]


def _search(mender: Mender, hit: Sequence[int], budget: Budget, end_s: float, best: Best) -> float:
    """Places what was hit, anneals, puts back what moved for little, and looks what keeping costs; what the plan costs
    that was found."""
    spent = _clock(mender, budget, monotonic_s(), end_s)
    _insert(mender, hit, spent, FIRST)
    heat = mean_cost(mender.c)
    _anneal(mender, budget, spent, (heat, HOT), COOL, best)
    mender.again()
    f, lines = mender.c.f, mender.lines
    _insert(mender, [int(k) for k in mender.c.order
                     if lines.home[k] >= 0 and f.way_machine[mender.c.way[k]] != lines.home[k]], spent, TIDY)
    _anneal(mender, budget, spent, (heat, COLD), TIDY)
    cost = mender.settle()
    tight = mender.loosen()
    _anneal(mender, budget, spent, (heat, LOOSE if tight else COLD), 1.0)
    if tight and mender.c.cost[1] < cost - 1e-9:
        mender.again()
        count = int(lines.sum[0])
        mender.free = float(mender.c.cost[0] + mender.terms.weight * count), count
    elif not tight:
        cost = mender.settle()
    return cost


def _insert(mender: Mender, operations: Sequence[int], spent: Clock, until: float) -> None:
    """Puts operations where they cost least, one after another, while there is budget."""
    for k in operations:
        if spent() >= until:
            return
        mender.insert(k)
        mender.c.moves += 20


def _anneal(
    mender: Mender, budget: Budget, spent: Clock, heat: tuple[float, float], until: float, best: Best | None = None
) -> None:
    """Moves from hot down to cold, while there is budget. heat: a mean operation's cost, and the hottest part of it;
    where there is no time for many moves an operation it begins less hot. best: where threads meet on the way; those
    that count moves do not, so that equal seeds give equal plans."""
    begin, moves, before = spent(), SLICE if budget.iterations else 20, mender.c.moves
    mean, hottest = heat
    meet = list(MEET) if best and not budget.iterations else []
    while (done := spent()) < until:
        part = (done - begin) / max(until - begin, 1e-9)
        if best and meet and part >= meet[0]:
            mender.meet(best)
            del meet[0]
        ahead = budget.iterations or (mender.c.moves - before) / max(done - begin, 1e-6)
        hot = max(COLD, hottest * min(1.0, ahead / (PLENTY * len(mender.c.order))))
        before_s = monotonic_s()
        mender.climb(mean * hot * (COLD / hot) ** part, moves, part if hottest > COLD else 1.0)
        if not budget.iterations:
            moves = int(np.clip(moves * SLICE_S / max(monotonic_s() - before_s, 1e-5), 5, 50_000))


def _clock(mender: Mender, budget: Budget, begun_s: float, end_s: float) -> Clock:
    """Says which part of the budget is used up; 1 when whoever asked wants to stop."""
    def spent() -> float:
        if budget.stop is not None and budget.stop.is_set():
            return 1.0
        if budget.iterations:
            return min(1.0, float(mender.c.moves / budget.iterations))
        return (monotonic_s() - begun_s) / max(1e-9, end_s - begun_s)
    return spent
