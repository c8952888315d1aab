"""What a plan is good for, as one number: the smaller the better.

    objective = parse("makespan:1,tardiness:5,setup:0.1")       or "makespan", "tardiness", "setup"
    value(objective, shop, slots) -> seconds, or weighted seconds

makespan: when the last operation ends. tardiness: over all jobs with a due date, weight times the seconds by which the
last operation ends after it. setup: seconds of setup on all machines; operations that run together share one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from loopwright.core.errors import InputError, UnknownName
from loopwright.core.types import Slot
from loopwright.make.shop import HEAVIEST, Shop

NAMES = ("makespan", "tardiness", "setup")


@dataclass(frozen=True)
class Objective:
    """What a second of each costs."""

    makespan: float = 0.0
    tardiness: float = 0.0
    setup: float = 0.0

    @property
    def only_makespan(self) -> bool:
        """Whether nothing but the makespan counts."""
        return self.makespan > 0 and not self.tardiness and not self.setup


def parse(text: str) -> Objective:
    """An objective from its name, or from a mix 'makespan:1,tardiness:5'.

    Raises UnknownName for a name that is not there, InputError for a weight that is no number from 0 on, a name that
    stands twice, or weights that are all 0.
    """
    weights: dict[str, float] = {}
    for part in text.split(","):
        name, colon, number = (word.strip() for word in part.partition(":"))
        if name not in NAMES:
            raise UnknownName("objective of a plan", name, NAMES)
        if name in weights:
            raise InputError("objective of a plan", f"{name!r} stands twice in {text!r}", "each name once")
        weights[name] = _weight(name, number) if colon else 1.0
    if not any(weights.values()):
        raise InputError("objective of a plan", f"{text!r}: nothing counts", "at least one weight above 0")
    return Objective(**weights)


def _weight(name: str, number: str) -> float:
    try:
        weight = float(number)
    except ValueError:
        weight = math.nan
    if not 0 <= weight <= HEAVIEST:
        raise InputError(f"objective of a plan: {name}", f"weight {number!r}",
                         f"a number from 0 to {HEAVIEST:,.0f}: 'tardiness:5'")
    return weight


def value(objective: Objective, shop: Shop, slots: Iterable[Slot]) -> float:
    """What a plan costs; a whole number of seconds where the weights are whole numbers."""
    slots = list(slots)
    cost = 0.0
    if objective.makespan:
        cost += objective.makespan * max((s.end_s for s in slots), default=0)
    if objective.tardiness:
        cost += objective.tardiness * tardiness(shop, slots)
    if objective.setup:
        cost += objective.setup * setup(slots)
    return cost


def tardiness(shop: Shop, slots: Iterable[Slot]) -> float:
    """Seconds of lateness of all jobs with a due date, each times its job's weight."""
    ends: dict[str, int] = {}
    for slot in slots:
        ends[slot.order] = max(ends.get(slot.order, slot.end_s), slot.end_s)
    return float(sum(
        job.weight * max(0, ends[job.id] - job.due_s) for job in shop.jobs if job.due_s is not None and job.id in ends))


def setup(slots: Iterable[Slot]) -> int:
    """Seconds of setup of a plan; what runs together on a machine is made ready for once."""
    longest: dict[tuple[str, int], int] = {}
    for slot in slots:
        if slot.setup_s:
            here = slot.machine, slot.start_s
            longest[here] = max(slot.setup_s, longest.get(here, 0))
    return sum(longest.values())


def behind(shop: Shop, slots: Iterable[Slot]) -> int:
    """Seconds by which a plan ends after the shop's horizon."""
    return 0 if shop.horizon_s is None else max(0, max((s.end_s for s in slots), default=0) - shop.horizon_s)
