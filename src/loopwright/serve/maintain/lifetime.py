"""When to maintain: the time at which too early and too late together cost least, asked of the planner as a window.

    life = Life("mill-1", levels, quantiles, cycle_s=90.0, model="life/kernel@12ab34cd")
    events, decisions = window(life, Ask(early=2.0, late=900.0, duration_s=3600), state, now_ns)

Doing the work after t cycles costs early * (T - t) for the life that is thrown away when the unit would have lived
to T > t, and late once when it fails before. The expectation over the predicted T is smallest at the best time; the
window holds the times around it that cost at most SLACK more, so that the planner may put the work where the machine
rests. Source: age replacement, R. E. Barlow and F. Proschan, Mathematical Theory of Reliability (1965), chapter 4, for
one unit and a linear price of unused life.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError
from loopwright.core.types import Decision, Event, Evidence

CONDITION = "end of life ahead"
SLACK = 0.1  # of the smallest expected cost
SAMPLES = 999  # of the predicted life


@dataclass(frozen=True)
class Life:
    """What is predicted of one unit.

    thing      the machine, or the part of it that wears out
    levels     (Q,) levels of the quantiles, growing, inside 0 to 1; quantiles: (Q,) cycles left, growing
    cycle_s    s, how long a cycle takes while the machine is used as it is now
    model      id of the model; '' where there is none
    estimate   cycles left on average; None: the middle of the quantiles
    drivers    [(signal, cycles)]: how much each took from the estimate, largest first
    abstains   why nothing is predicted; '' where something is
    """

    thing: str
    levels: Sequence[float]
    quantiles: Sequence[float]
    cycle_s: float = 1.0
    model: str = ""
    estimate: float | None = None
    drivers: Sequence[tuple[str, float]] = ()
    abstains: str = ""


@dataclass(frozen=True)
class Ask:
    """What the user says about maintenance.

    early       the cost of a cycle of life that is thrown away
    late        the cost of a failure while the machine is used, in the same money
    duration_s  s, how long the work keeps the machine
    ahead_s     s, a window that opens later than this is told, and no work order is opened yet
    Raises InputError for costs that are negative, not finite or both zero, or a duration that is none.
    """

    early: float
    late: float
    duration_s: int = 3600
    ahead_s: float = 14 * 86_400.0
    priority: str = "medium"

    def __post_init__(self) -> None:
        costs = (self.early, self.late)
        if not all(np.isfinite(cost) and 0 <= cost <= 1e12 for cost in costs) or not any(costs):
            raise InputError("costs of maintenance", f"early {self.early}, late {self.late}",
                             "0 to 1e12 each, one above 0", "late is often 10 to 1000 times a day of early")
        if not 0 < self.duration_s <= 366 * 86_400:
            raise InputError("work order", f"duration of {self.duration_s} s", "1 s to 366 days")


def samples(levels: Sequence[float], quantiles: Sequence[float]) -> np.ndarray:
    """(SAMPLES,) equally likely lives, growing, from quantiles: straight between them, above the last as steeply as
    next to it, below the first evenly down to 0: nobody knows more of the earliest failures than how rare they are.

    Raises InputError for levels or quantiles that do not grow, or are not finite.
    """
    at, value = np.asarray(levels, dtype=np.float64), np.asarray(quantiles, dtype=np.float64)
    good = at.ndim == 1 and at.shape == value.shape and len(at) >= 2 and bool(np.isfinite(value).all())
    if not good or at[0] <= 0 or at[-1] >= 1 or (np.diff(at) <= 0).any() or (np.diff(value) < 0).any() or value[0] < 0:
        raise InputError("prediction of life", f"quantiles {value.tolist()} at levels {at.tolist()}",
                         "two or more, both growing, levels inside 0 to 1, no life below 0")
    last = value[-1] + (1 - at[-1]) * (value[-1] - value[-2]) / (at[-1] - at[-2])
    ends = np.concatenate([[0.0], at, [1.0]]), np.concatenate([[0.0], value, [last]])
    return np.interp((np.arange(SAMPLES) + 0.5) / SAMPLES, *ends)


def expected_costs(lives: np.ndarray, after: np.ndarray, early: float, late: float) -> np.ndarray:
    """(k,) cost of doing the work after (k,) cycles, mean over equally likely lives (n,) that grow."""
    sums = np.concatenate([[0.0], np.cumsum(lives)])
    failed = np.searchsorted(lives, after, side="left")  # of so many lives the end came before
    n = len(lives)
    unused = (sums[n] - sums[failed]) - (n - failed) * after
    return np.asarray((early * unused + late * failed) / n)


def best(lives: np.ndarray, early: float, late: float) -> tuple[float, float, float, float]:
    """(first, best, last) cycles after which the work may begin, and the expected cost of the best.

    Between two lives the cost falls with time, so the best is now or just as one of the lives ends.
    """
    after = np.unique(np.concatenate([[0.0], lives]))
    costs = expected_costs(lives, after, early, late)
    middle = int(np.argmin(costs))
    good = costs <= costs[middle] * (1 + SLACK) + 1e-12
    begin = end = middle
    while begin > 0 and good[begin - 1]:
        begin -= 1
    while end + 1 < len(after) and good[end + 1]:
        end += 1
    return float(after[begin]), float(after[middle]), float(after[end]), float(costs[middle])


def window(
    life: Life, ask: Ask, state: Mapping[str, Any], now_ns: int
) -> tuple[list[Event], list[Decision]]:
    """The window of one unit: (alarm and work order that the plan makes room for, the decision).

    state  of `fold`: while the unit has an open work order of this kind nothing more is asked; its alarm is cleared
           when the work is done
    The work order holds start_ns and latest_ns: it is begun between them, where its machine rests by the plan.
    """
    name = f"maintain/{life.thing}/life/{now_ns}"
    if life.abstains:
        return [], [Decision(name, "maintain", life.thing, now_ns, f"Nothing is said about the life of {life.thing}: "
                             f"{life.abstains}.", abstains=life.abstains)]
    lives = samples(life.levels, life.quantiles)
    cycle_s = life.cycle_s
    if not (np.isfinite(cycle_s) and cycle_s > 0):
        raise InputError(f"life of {life.thing}", f"a cycle of {cycle_s} s", "more than 0 s")
    first, middle, last, cost = best(lives, ask.early, ask.late)
    start_ns, best_ns, latest_ns = (now_ns + round(cycles * cycle_s) * NS_PER_S for cycles in (first, middle, last))
    fails = float((lives < middle).mean())
    estimate = float(np.median(lives)) if life.estimate is None else life.estimate
    low, high = float(life.quantiles[0]), float(life.quantiles[-1])
    says = (
        f"{life.thing} has about {estimate:.0f} cycles left ({life.levels[-1] - life.levels[0]:.0%} interval {low:.0f} "
        f"to {high:.0f}). Work after {middle:.0f} cycles costs least ({cost:.3g} expected, {fails:.1%} that it fails "
        f"before); {first:.0f} to {last:.0f} cost at most {SLACK:.0%} more."
    )
    if life.drivers:
        named = ", ".join(f"{signal} ({cycles:+.0f})" for signal, cycles in life.drivers[:3])
        says += f" It rests most on {named}."
    soon = start_ns - now_ns <= ask.ahead_s * NS_PER_S
    one = state.get("life", {}).get(life.thing)
    asks = soon and (one is None or bool(one["done"]))
    body = {"first": first, "best": middle, "last": last, "expected_cost": cost, "fails_before": fails,
            "early": ask.early, "late": ask.late, "start_ns": start_ns, "best_ns": best_ns, "latest_ns": latest_ns}
    because = (Evidence("model", life.model),) if life.model else ()
    decision = Decision(
        name, "maintain", life.thing, now_ns, says, estimate, "1", low, high, because, life.model,
        f"maintain {life.thing}" if asks else "", body=body,
    )
    over = [Event("alarm.cleared", one["alarm"], now_ns, "service:maintain", key=f"{one['alarm']}/cleared")
            for one in (one,) if one is not None and one["done"]]
    return over + (_asked(life, ask, decision, now_ns) if asks else []), [decision]


def _asked(life: Life, ask: Ask, decision: Decision, now_ns: int) -> list[Event]:
    """The alarm, and the work order with its window."""
    thing, actor = life.thing, "service:maintain"
    alarm_id, order_id = f"{thing}/{CONDITION}/{now_ns}", f"workorder/{thing}/{now_ns}"
    alarm = {"condition": CONDITION, "thing": thing, "says": decision.says, "priority": ask.priority,
             "evidence": [asdict(one) for one in decision.because], "decision": decision.id}
    order = {"machine": thing, "alarm": alarm_id, "duration_s": ask.duration_s, "why": f"{CONDITION}: {decision.says}",
             "start_ns": decision.body["start_ns"], "latest_ns": decision.body["latest_ns"]}
    return [
        Event("alarm.raised", alarm_id, now_ns, actor, alarm, key=f"{alarm_id}/raised"),
        Event("workorder.opened", order_id, now_ns, actor, order, key=f"{order_id}/opened"),
    ]
