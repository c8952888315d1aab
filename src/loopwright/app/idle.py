"""A better plan looked for while nothing happens in the shop; adopted only where it is worth it.

    event = improved(plant, seconds)        the plan.released event of a better plan, or None

It is a repair without a disturbance: what has begun and the frozen zone stay, and so does the part of the rest that the
site's `stability` says. A plan that is no better than the one in force is dropped, and nothing is recorded.
"""

from __future__ import annotations

from dataclasses import dataclass

from loopwright.app.open_shop import open_work, shop_at
from loopwright.app.plant import Plant
from loopwright.app.releasing import Why, release, solve_now
from loopwright.core.types import Event
from loopwright.make.open_work import from_body

WORTH = 0.001  # part of the objective that a new plan must be better by: people read it anew for that
TRIES = 3  # searches without success, each twice as long, before a plan is left alone
REST = 3.0  # times as long as a search lasted, before the next


def improved(plant: Plant, seconds: float, name: str) -> Event | None:
    """One search of so many seconds; a plan that is better is released under the name. Raises PlanError when another
    plan was released meanwhile."""
    newest = plant.store.recall(limit=1, newest_first=True)
    told = open_work(plant)
    base = told.plan
    shop = shop_at(plant, plant.clock.now_ns(), told)
    if base is None or not shop.jobs:
        return None
    found = solve_now(plant, shop, from_body(base.body), seconds)
    was = found.repair.right_shift if found.repair else 0.0
    if not was or found.plan.value >= was * (1 - WORTH):
        return None
    gain = 1 - found.plan.value / was
    reason = f"repair: while nothing happened, a plan was found that is {gain:.1%} better by {found.plan.objective}"
    more = {"seen": newest[0].id if newest else "", "idle": True}
    return release(plant, shop, found, Why(reason, name, base, (), True, more=more))


@dataclass
class Idle:
    """When to look for a better plan: once the shop has been quiet, a quarter of the time, and not for ever.

    plan  id of the plan that was tried to better; tries: searches without success so far; next_s: when the next begins
    """

    plan: str = ""
    tries: int = 0
    next_s: float = 0.0

    def seconds(self, plan: str, now_s: float, seconds: float) -> float:
        """How long to search now for a better plan than this one, 0: not now. seconds: of the first search."""
        if plan != self.plan:
            self.plan, self.tries, self.next_s = plan, 0, now_s + REST * seconds
        if not plan or not seconds or self.tries >= TRIES or now_s < self.next_s:
            return 0.0
        return float(seconds * 2**self.tries)

    def failed(self, ended_s: float, seconds: float) -> None:
        """A search of so many seconds found nothing better."""
        self.tries, self.next_s = self.tries + 1, ended_s + REST * seconds
