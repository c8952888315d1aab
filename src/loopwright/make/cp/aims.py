"""What a CP-SAT model makes small: makespan, weighted tardiness and setups, as whole numbers.

CP-SAT counts in whole numbers. Weights that are decimal fractions are multiplied until they are whole; where that
would be too much, they are rounded down, so that a bound stays a bound.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from loopwright.core.types import Slot
from loopwright.make.dispatching.bound import least_setup
from loopwright.make.objective import Objective, value
from loopwright.make.objective import setup as setups_of
from loopwright.make.shop import Shop

if TYPE_CHECKING:
    from loopwright.make.cp.model import Model

LARGEST = 10**6  # by which weights are multiplied
SUM = 2.0**52  # what an objective may come to


@dataclass(frozen=True)
class Scaled:
    """factor: by what the cost is multiplied; constant: what is spent whatever is planned, in the objective's unit;
    parts: (weight, variable) of the objective."""

    factor: float
    constant: float
    parts: tuple[tuple[int, Any], ...]

    def bound(self, least: float) -> float:
        """What no plan costs less than, when the sum of the parts is never below `least`."""
        return math.ceil(least - 1e-6) / self.factor + self.constant


def latest_s(shop: Shop) -> int:
    """A second by which some best plan has ended: all that is closed and away is over, and then all work one by one;
    no later than the horizon."""
    ends = [o.frozen.end_s for o in shop.operations if o.frozen]
    ready = [shop.ready_s(job, o) for job in shop.jobs for o in job.operations]
    hours = [*(b.end_s for b in shop.blocked), *(end for person in shop.operators for _, end in person.away)]
    change_s = max((s.seconds for s in shop.setups), default=0)
    work = sum(
        max(s for _, s in o.on) + change_s + max((link.lag_s + (link.lot_s or 0) for link in o.links), default=0)
        for o in shop.operations if o.on and not o.frozen)
    found = max([0, *ends, *ready, *hours]) + work
    if shop.horizon_s is not None:
        found = min(found, shop.horizon_s)
    return max([found, *ends])


def sooner(latest: int, shop: Shop, aim: Objective, slots: Sequence[Slot]) -> int:
    """The same, and no later than the makespan alone may cost where a plan is to be beaten."""
    if not slots or not aim.makespan:
        return latest
    ends = [o.frozen.end_s for o in shop.operations if o.frozen]
    return max([min(latest, math.floor(value(aim, shop, slots) / aim.makespan + 1e-6)), *ends])


def due_by(shop: Shop, aim: Objective, slots: Sequence[Slot]) -> dict[str, int]:
    """job -> when it must have ended, since later its lateness alone would cost more than the plan so far."""
    if not slots or not aim.tardiness:
        return {}
    most = value(aim, shop, slots) / aim.tardiness
    return {
        job.id: job.due_s + math.floor(most / job.weight + 1e-6)
        for job in shop.jobs if job.due_s is not None and job.weight > 0 and most / job.weight < 2**40}


def add(model: Model, aim: Objective, slots: Sequence[Slot]) -> Scaled:
    """The objective, and that it is not to be more than the plan so far costs."""
    parts: list[tuple[float, Any]] = []
    constant = 0.0
    ends = {job.id: [model.tasks[o.key].end for o in job.operations] for job in model.shop.jobs}
    if aim.makespan:
        parts.append((aim.makespan, _makespan(model, [end for found in ends.values() for end in found])))
    if aim.tardiness:
        late = _tardiness(model, ends)
        parts += [(aim.tardiness * weight, late_s) for weight, late_s in late if not isinstance(late_s, int)]
        constant += aim.tardiness * sum(weight * late_s for weight, late_s in late if isinstance(late_s, int))
    if aim.setup:
        parts += [(aim.setup * seconds, variable) for seconds, variable in model.spent]
        begun = [t.slot for t in model.tasks.values() if t.fixed and t.slot]
        constant += aim.setup * (least_setup(model.shop) if model.relax.setups else setups_of(begun))
    factor, weights = whole([weight for weight, _ in parts], model.latest_s)
    scaled = Scaled(factor, constant, tuple(zip(weights, (part for _, part in parts), strict=True)))
    total = sum(weight * part for weight, part in scaled.parts)
    if slots and scaled.parts:
        model.cp.add(total <= math.floor((value(aim, model.shop, slots) - constant) * factor + 1e-3))
    model.cp.minimize(total)
    return scaled


def _makespan(model: Model, ends: Sequence[Any]) -> Any:
    """When the last of them ends."""
    given = max((end for end in ends if isinstance(end, int)), default=0)
    last = model.number(max(0, given), model.latest_s, max((s.end_s for s in model.seed.values()), default=0))
    for end in ends:
        if not isinstance(end, int):
            model.cp.add(last >= end)
    return last


def _tardiness(model: Model, ends: dict[str, list[Any]]) -> list[tuple[float, Any]]:
    """(weight, seconds late) of the jobs with a due date: numbers of those whose times are given."""
    found = []
    for job in model.shop.jobs:
        if job.due_s is None or not job.weight or not ends[job.id]:
            continue
        given = max((end for end in ends[job.id] if isinstance(end, int)), default=0)
        so_far = max((model.seed[o.key].end_s for o in job.operations if o.key in model.seed), default=0)
        low = max(0, given - job.due_s)
        if all(isinstance(end, int) for end in ends[job.id]):
            found.append((job.weight, low))
            continue
        late = model.number(low, max(low, model.latest_s - job.due_s), max(low, so_far - job.due_s))
        for end in ends[job.id]:
            if not isinstance(end, int):
                model.cp.add(late >= end - job.due_s)
        found.append((job.weight, late))
    return found


def whole(weights: Sequence[float], seconds: int) -> tuple[float, list[int]]:
    """(factor, weights times the factor as whole numbers, rounded down where they are not whole)."""
    exact = [Fraction(repr(float(weight))) for weight in weights]
    factor = math.lcm(*(weight.denominator for weight in exact)) if exact else 1
    most = sum(weights) * max(1, seconds)
    if factor <= LARGEST and factor * most < SUM:
        return factor, [int(weight * factor) for weight in exact]
    least = min((weight for weight in weights if weight > 0), default=1.0)
    scale = min(1_000 * LARGEST / min(1.0, least), SUM / max(most, 1e-9))
    return scale, [math.floor(weight * scale) for weight in weights]
