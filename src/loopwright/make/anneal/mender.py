"""A repair's search: `make.anneal.mend` run in threads, first for what was hit, then for all, within seconds.

    slots, free = mended(shop, was, shifted, aim, Terms(need, weight), budget)
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from loopwright.core.clock import monotonic_s
from loopwright.core.types import Slot
from loopwright.make.anneal.decode import NEVER, fixed_of
from loopwright.make.anneal.general import Climber
from loopwright.make.anneal.mend import climb, fill, insert, lines_of, note
from loopwright.make.budget import Budget
from loopwright.make.change.kept import Terms
from loopwright.make.dispatching.board import follow, sequence
from loopwright.make.dispatching.tables import Tables, tables_of
from loopwright.make.objective import Objective
from loopwright.make.shop import Key, Shop

SLICE_S = 0.02  # how often the clock, and who wants to stop, are looked at
SLICE = 500  # moves between two looks where moves are counted
FIRST = 0.3  # part of the budget in which what was hit is placed
COOL = 0.8  # by then it is cold, and what moved for little is put back
TIDY = 0.87  # from then on it is looked at what a plan would cost that keeps less, if keeping was what stopped it
DRAG = 1.0  # of the heat, what a move costs for each operation that it takes from its turn
HOT, COLD = 1.0, 0.02  # of a mean operation, what a move may cost more at the beginning and the end
PLENTY = 500  # moves an operation that make the hottest beginning worth its time

Clock = Callable[[], float]  # the part of the budget that is used up


class Mender:
    """One thread's search."""

    def __init__(self, climber: Climber, home: Sequence[int], rank: Sequence[int], terms: Terms) -> None:
        self.c, self.terms = climber, terms
        self.lines = lines_of(climber.f, climber.order, climber.way, home, rank)
        self.need = min(terms.need, int(self.lines.sum[0]))
        self.free: tuple[float, int] | None = None
        self.found = [each.copy() for each in climber.best]
        self._priced()
        climber.cost[1] = climber.cost[0]
        note(climber.order, climber.way, climber.hold, *climber.best)

    def _priced(self) -> None:
        """What was decoded anew costs, with its disorder."""
        self.c.cost[0] -= self.terms.weight * int(self.lines.sum[0])

    def climb(self, heat: float, moves: int) -> None:
        """So many moves at one heat."""
        c = self.c
        climb(c.f, c.s, c.x, c.y, c.order, c.way, c.hold, c.w, c.old, c.new, c.every, c.r, c.did, c.total, c.cost,
              *c.best, self.lines, self.terms.weight, DRAG * heat, self.need, heat, moves)
        c.moves += moves

    def insert(self, operation: int) -> None:
        """Puts one operation where it costs least."""
        c = self.c
        if insert(c.f, c.s, c.x, c.y, c.order, c.way, c.hold, c.w, c.old, c.new, c.every, c.total, c.cost, self.lines,
                  self.terms.weight, self.need, operation) and c.cost[0] < c.cost[1] - 1e-9:
            c.cost[1] = c.cost[0]
            note(c.order, c.way, c.hold, *c.best)

    def again(self) -> None:
        """Back to the best."""
        self.c.again()
        fill(self.lines, self.c.f, self.c.order, self.c.way)
        self._priced()

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
    shop: Shop, was: Mapping[Key, Slot], begin: Sequence[Slot], aim: Objective, terms: Terms, budget: Budget
) -> tuple[list[Slot], tuple[float, int] | None]:
    """The best plan found, with as many operations kept as `terms` say, or as `begin` keeps when those are fewer.

    was    slots of the old plan for operations that have not begun; begin: a plan that keeps the shop's rules
    Where keeping so many was what stopped the search, also (cost, operations kept) of a better plan that keeps fewer,
    if one was seen.
    """
    end_s = monotonic_s() + budget.seconds
    tables = tables_of(shop)
    order, choice = sequence(tables, begin)
    if len(order) < 2:
        return list(begin), None
    fixed = fixed_of(tables)
    way = fixed.way_at[:-1] + np.array(choice, np.int64)
    home, rank = _turns(tables, was)
    hit = _hit(tables, was, begin, terms.struck)
    menders = [
        Mender(Climber(tables, fixed, aim, np.array(order, np.int64), way, budget.seed * 1000 + nth), home, rank, terms)
        for nth in range(max(1, budget.workers))]
    with ThreadPoolExecutor(len(menders)) as threads:
        done = [threads.submit(_search, m, hit, budget, end_s) for m in menders]
        costs = [each.result() for each in done]
    best = menders[costs.index(min(costs))]
    return best.slots(), min((m.free for m in menders if m.free), default=None)


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


def _search(mender: Mender, hit: Sequence[int], budget: Budget, end_s: float) -> float:
    """Places what was hit, anneals, puts back what moved for little, and looks what keeping costs; what the plan costs
    that was found."""
    spent = _clock(mender, budget, monotonic_s(), end_s)
    _insert(mender, hit, spent, FIRST)
    heat = mean_cost(mender.c)
    _anneal(mender, budget, spent, (heat, HOT), COOL)
    mender.again()
    f, lines = mender.c.f, mender.lines
    _insert(mender, [int(k) for k in mender.c.order
                     if lines.home[k] >= 0 and f.way_machine[mender.c.way[k]] != lines.home[k]], spent, TIDY)
    _anneal(mender, budget, spent, (heat, COLD), TIDY)
    cost = mender.settle()
    tight = mender.loosen()
    _anneal(mender, budget, spent, (heat, COLD), 1.0)
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


def _anneal(mender: Mender, budget: Budget, spent: Clock, heat: tuple[float, float], until: float) -> None:
    """Moves from hot down to cold, while there is budget. heat: a mean operation's cost, and the hottest part of it;
    where there is no time for many moves an operation it begins less hot."""
    begin, moves, before = spent(), SLICE if budget.iterations else 20, mender.c.moves
    mean, hottest = heat
    while (done := spent()) < until:
        part = (done - begin) / max(until - begin, 1e-9)
        ahead = budget.iterations or (mender.c.moves - before) / max(done - begin, 1e-6)
        hot = max(COLD, hottest * min(1.0, ahead / (PLENTY * len(mender.c.order))))
        before_s = monotonic_s()
        mender.climb(mean * hot * (COLD / hot) ** part, moves)
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


def mean_cost(climber: Climber) -> float:
    """What it costs, about, when one operation more stands before the others of its machine."""
    f, w = climber.f, climber.w
    free = np.flatnonzero(~f.fixed)
    seconds = float(f.way_s[f.way_at[free]].mean())
    due = f.due < NEVER
    late = float(f.weight[due].mean()) if due.any() else 0.0
    changes = [s for s in (*climber.tables.exact.values(), *climber.tables.others.values()) if s]
    return float(w[0] * seconds + w[1] * late * seconds + w[2] * (sum(changes) / len(changes) if changes else 0.0))
