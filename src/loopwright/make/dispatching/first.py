"""The first plan of any shop: the best of as many dispatching rules as there is time for.

    slots = first_plan(shop, parse("tardiness"), ground_of(shop), Budget(10.0))

Small shops are worked by rules in Python, before the compiled ones could be loaded. Larger ones by `dispatching.crew`:
about a microsecond an operation and rule, where the search is installed and compiled; else by the same rules in Python.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from loopwright.core.clock import monotonic_s
from loopwright.core.types import Slot
from loopwright.make.budget import Budget
from loopwright.make.dispatching import dispatch
from loopwright.make.dispatching.bound import Ground
from loopwright.make.dispatching.foreman import Rule
from loopwright.make.objective import Objective, setup, value
from loopwright.make.shop import Shop

SMALL = 1_000  # operations up to which rules in Python are quicker than loading the compiled ones
SHARE = 0.1  # of the seconds, for rules beyond the first
RULES = 8  # tried where iterations are counted instead of seconds
OVER = 1e6  # what a second behind the horizon counts


def first_plan(shop: Shop, objective: Objective, ground: Ground, budget: Budget, least: float = 0.0) -> list[Slot]:
    """A slot for every operation.

    least   a bound: a plan that costs no more is good enough
    Once the budget's stop is set, the rule that is at work ends without much thought, and no other is begun; progress
    is told the cost of each better plan. The first rule is worked to its end whatever the budget's seconds are.
    """
    from loopwright.make.search import warm

    if len(ground.tables.operations) <= SMALL:
        slots = _few(shop, objective)
    elif warm.compiled():
        return _many(objective, ground, budget, least)
    else:
        slots = dispatch.best(shop, objective, ground, budget.stop)
    if budget.progress:
        budget.progress(round(value(objective, shop, slots)))
    return slots


def _few(shop: Shop, objective: Objective) -> list[Slot]:
    """The better of two rules for shops without anything special, else the best of several."""
    simple = objective.only_makespan and shop.plain and not shop.materials and all(m.batch == 1 for m in shop.machines)
    if not simple:
        return dispatch.best(shop, objective)
    return min((dispatch.settle(shop, dispatch.dispatch(shop, None, most)) for most in (True, False)),
               key=dispatch.makespan)


def rules(objective: Objective, due: bool, seed: int) -> Iterator[Rule]:
    """Rules in the order in which they are worth trying, without end: at last with chance in them."""
    late = [Rule("late", k, lost=lost) for k, lost in (
        (6.0, 4.0), (2.0, 1.0), (20.0, 4.0), (0.5, 1.0), (20.0, 1.0), (2.0, 4.0), (6.0, 1.0), (20.0, 0.25))]
    work = [Rule("work", lost=lost) for lost in ((1.0,) if objective.only_makespan else (1.0, 4.0, 0.25))]
    plain = late if due else []
    first = [*work, *plain] if objective.only_makespan or not due else [*plain, *work]
    yield from first
    yield Rule("short")
    for n in itertools.count(seed * 1_000_003):
        kind, k, much = first[n % len(first)].kind, first[n % len(first)].k, first[n % len(first)].lost
        yield Rule(kind, k, (0.05, 0.2, 0.5)[n // len(first) % 3], n, much)


def _many(objective: Objective, ground: Ground, budget: Budget, least: float) -> list[Slot]:
    """The best of many compiled rules."""
    from loopwright.make.dispatching.crew import Crew

    begun_s, crew = monotonic_s(), Crew(ground.tables)
    stopped: Callable[[], bool] = budget.stop.is_set if budget.stop else lambda: False
    best, cost = None, math.inf
    due = any(job.due_s is not None for job in ground.tables.shop.jobs)
    for tried, rule in enumerate(rules(objective, due, budget.seed), 1):
        worked = crew.work(ground.edges.tail, rule, stopped)
        found = cost_of(objective, ground, worked.way, worked.times, crew.f)
        if found < cost:
            best, cost = worked, found
            if budget.progress:
                budget.progress(round(found))
        spent_s = monotonic_s() - begun_s
        enough = tried >= RULES if budget.iterations else spent_s * (1 + 1 / tried) > SHARE * budget.seconds
        if enough or stopped() or cost <= least:
            break
    assert best is not None  # rules() has no end, and a cost is below infinity
    return crew.slots(best)


def cost_of(objective: Objective, ground: Ground, way: Any, times: Any, fixed: Any) -> float:
    """What a plan costs by the objective, and OVER for each second behind the shop's horizon, from its arrays."""
    tables = ground.tables
    last = int(times.end.max(initial=0))
    cost = objective.makespan * last
    if objective.tardiness:
        ends = np.full(len(fixed.due), -(2**60), np.int64)
        np.maximum.at(ends, fixed.job, times.end)
        cost += objective.tardiness * float((fixed.weight * np.maximum(0, ends - fixed.due)).sum())
    if objective.setup:
        free = ~fixed.fixed & (times.setup > 0)
        places = np.stack((fixed.way_machine[way[free]], times.start[free], times.setup[free]), 1)
        cost += objective.setup * float(np.unique(places, axis=0)[:, 2].sum())
        cost += objective.setup * setup(slot for slot in tables.fixed if slot)
    over = 0 if tables.shop.horizon_s is None else max(0, last - tables.shop.horizon_s)
    return cost + OVER * over
