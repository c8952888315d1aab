"""Better plans of large shops by better rules: how a rule weighs things, and what it thinks of each job, is searched.

    slots = improve(shop, slots, objective, ground, budget)

A rule makes a plan of 80,000 operations in a fifth of a second, and how good that is depends much on the rule: how far
it looks ahead (k), what lost time counts, how long it thinks that a job has still to go, and by chance. Each step
changes some of that a little, and what makes a better plan is gone on from. How long a job has still to go is learnt
from the plans: beside its seconds of work, the time that it waited.
Source: R. Storer, S. Wu, R. Vaccari, New search spaces for sequencing problems with application to job shop scheduling
(Management Science 38, 1992); A. Vepsalainen, T. Morton, Improving local priority rules with global lead-time
estimates (Journal of Manufacturing and Operations Management 1, 1988).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any

import numpy as np

from loopwright.core.clock import monotonic_s
from loopwright.core.types import Slot
from loopwright.make.budget import Budget
from loopwright.make.dispatching.bound import Ground
from loopwright.make.dispatching.crew import Crew, Worked
from loopwright.make.dispatching.first import OVER, cost_of, rules
from loopwright.make.dispatching.foreman import Rule, urgency
from loopwright.make.objective import Objective, behind, value
from loopwright.make.shop import Shop

WIDE = 0.5  # how far k and the weight of lost time go in a step: the logarithm's standard deviation
SOME = 0.05  # of the jobs, whose weight is drawn anew in a step
BEGINNINGS = 5  # rules of which the best is gone on from
NOISE = 0.4  # how far: the logarithm's standard deviation


@dataclass(frozen=True)
class View:
    """What a plan was made by: the rule, (operations,) seconds a job has still to go from the start of each, and
    (jobs,) the logarithm of what more each job counts."""

    rule: Rule
    left: Any
    more: Any


@dataclass
class Tuning:
    """What the threads share: the best plan, what it costs, and what it was made by; least: a bound."""

    objective: Objective
    ground: Ground
    crew: Crew
    budget: Budget
    end_s: float
    tell: Callable[[float], None]
    worked: Worked
    view: View
    cost: float
    least: float = 0.0
    steps: int = 0
    lock: Lock = field(default_factory=Lock)

    def over(self) -> bool:
        """Whether the time is over, or somebody wants to stop."""
        stop, most = self.budget.stop, self.budget.iterations
        return monotonic_s() >= self.end_s or (stop is not None and stop.is_set()) or self.cost <= self.least or (
            most is not None and self.steps >= most)

    def work(self, nth: int) -> None:
        """One thread's steps."""
        rng = np.random.default_rng([self.budget.seed, nth])
        while not self.over():
            with self.lock:
                worked, view = self.worked, self.view
                self.steps += 1
            tried = self._changed(view, worked, rng)
            found = self.make(tried)
            cost = cost_of(self.objective, self.ground, found.way, found.times, self.crew.f)
            with self.lock:
                if cost < self.cost and not (self.budget.stop and self.budget.stop.is_set()):
                    self.worked, self.view, self.cost = found, tried, cost
                    self.tell(cost)

    def make(self, view: View) -> Worked:
        """The plan of a view."""
        told = urgency(self.ground.tables, view.left, view.rule)
        more = view.more[self.crew.f.job]
        first = told.first - np.where(told.each, told.slack_s, 1e9) * more
        hurry = self.over if self.budget.iterations is None else lambda: False
        return self.crew.hand_out(replace(told, base=told.base + more, first=first), hurry)

    def _changed(self, view: View, worked: Worked, rng: Any) -> View:
        """A view a little different."""
        rule, left, more = view.rule, view.left, view.more
        kind = int(rng.integers(3))
        if kind != 1:
            rule = replace(rule, k=float(np.clip(rule.k * math.exp(rng.normal(0, WIDE)), 0.05, 1e4)),
                           lost=float(np.clip(rule.lost * math.exp(rng.normal(0, WIDE)), 0.01, 1e3)))
        if kind == 1:
            f, share = self.crew.f, float(rng.choice((0.1, 0.3, 0.6)))
            ends = np.zeros(len(f.due), np.int64)
            np.maximum.at(ends, f.job, worked.times.end)
            left = ((1 - share) * left + share * (ends[f.job] - worked.times.start)).astype(np.int64)
        if kind == 2:
            mine = rng.random(len(more)) < SOME
            more = np.where(mine, more + rng.normal(0, NOISE, len(more)), more)
        return View(rule, left, more)


def improve(
    shop: Shop, slots: list[Slot], objective: Objective, ground: Ground, budget: Budget, bound: float = 0.0
) -> list[Slot]:
    """A plan that costs no more than `slots` by the objective, and ends no further behind the shop's horizon.

    Searches in the budget's threads until its seconds are over, or a plan costs no more than the bound. With
    `budget.iterations` one thread makes so many steps, so that equal seeds give equal plans. Progress is told the cost
    of each plan that is better.
    """
    end_s = monotonic_s() + budget.seconds
    least = value(objective, shop, slots) + OVER * behind(shop, slots)

    def tell(cost: float) -> None:
        if budget.progress and cost < least:
            budget.progress(round(cost))

    crew = Crew(ground.tables)
    due = any(job.due_s is not None for job in shop.jobs)
    shared: Tuning | None = None
    for rule in itertools.islice(rules(objective, due, budget.seed), BEGINNINGS):
        worked = crew.work(ground.edges.tail, rule)
        cost = cost_of(objective, ground, worked.way, worked.times, crew.f)
        if shared is None or cost < shared.cost:
            view = View(rule, ground.edges.tail, np.zeros(len(shop.jobs)))
            shared = Tuning(objective, ground, crew, budget, end_s, tell, worked, view, cost, bound)
        if shared.over():
            break
    assert shared is not None  # there are rules
    count = 1 if budget.iterations is not None else max(1, budget.workers)
    with ThreadPoolExecutor(count) as threads:
        for done in [threads.submit(shared.work, nth) for nth in range(count)]:
            done.result()
    return crew.slots(shared.worked) if shared.cost < least else slots
