"""A randomised trial of a proposed rule on the next orders: who gets which rule, and what has been shown so far.

Orders come in pairs, one built by the old rule and one by the new, by a coin that a hash tosses; so a pair is a small
experiment of its own and pairs are independent. The claim is about the rule: is its mean outcome nearer to the target
than before? With side = the sign of the old error, written down in the proposal, and o, n the mean errors under the old
and the new rule:

    |o| - |n|  >=  min(side (o - n), side (o + n))

(the first says that the new rule moves the outcome the right way, the second that it does not overshoot). Each of the
two is the mean over independent pairs, so each has an anytime-valid lower bound at level alpha, and the smaller of the
two bounds is one for |o| - |n|: whichever is the smaller in truth is overstated with a chance of at most alpha
(intersection-union, Berger 1982).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from loopwright.core.types import Change
from loopwright.improve import experiment
from loopwright.improve.outcomes import Outcome
from loopwright.improve.student import t_quantile

OLD, NEW = "old", "new"


@dataclass(frozen=True)
class Assigned:
    """An order of the trial, the rule it is built by, and its pair."""

    order: str
    arm: str
    pair: int


@dataclass(frozen=True)
class Trial:
    """What a trial has shown so far. Outcomes in inside units; bounds hold however often one looks.

    pairs, planned    complete pairs, and the most there will be
    improvement       best guess of how much nearer to the target the new rule's mean is
    low               anytime-valid lower bound of it (chance of overstating it at any look: alpha)
    high              the same from above (2 alpha; it only ends hopeless trials)
    old_mean, new_mean, old_abs, new_abs   mean error and mean absolute error of units, by arm
    abs_low, abs_high 95 % interval of old_abs - new_abs (Welch; for the eye, not for the decision)
    sequence          after each pair: pair, improvement, low, high
    over              '' while it goes on, else 'shown', 'futile' or 'exhausted'
    """

    pairs: int
    planned: int
    improvement: float
    low: float
    high: float
    old_mean: float
    new_mean: float
    old_abs: float
    new_abs: float
    abs_low: float
    abs_high: float
    over: str
    sequence: tuple[Mapping[str, float], ...] = ()
    missing: Mapping[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain data, as an event holds it; infinite bounds are None."""
        return plain(asdict(self))


def plain(value: Any) -> Any:
    """Plain data without infinities or NaN (None instead): what an event's body may hold."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def coin(change: str, pair: int, seed: int) -> str:
    """Which rule the first order of a pair gets; the second gets the other. Fixed by the change and the seed."""
    return NEW if hashlib.sha256(f"{seed}/{change}/{pair}".encode()).digest()[0] & 1 else OLD


def assign(
    change: Change, orders: Sequence[str], already: Sequence[Assigned], seed: int, wanted: int
) -> list[Assigned]:
    """The arms of the next orders of a trial, in the order in which they came.

    already  what was assigned before; an order that is there keeps its arm and is not given again
    wanted   most orders of the trial in all; further ones get no arm (they are built by the old rule)
    """
    known = {a.order for a in already}
    fresh = [order for order in dict.fromkeys(orders) if order not in known][: max(0, wanted - len(already))]
    assigned = []
    for position, order in enumerate(fresh, start=len(already)):
        first = coin(change.id, position // 2, seed)
        arm = first if position % 2 == 0 else (OLD if first == NEW else NEW)
        assigned.append(Assigned(order, arm, position // 2))
    return assigned


def evaluate(
    change: Change, outcomes: Sequence[Outcome], assigned: Sequence[Assigned], outcome: str, target: float = 0.0
) -> Trial:
    """What the outcomes of the assigned orders show, analysed by the arm they were assigned to.

    change   its first test is the proposal: side, alpha, matters, fewest_pairs, most_pairs were written down there
             before the trial
    returns  the Trial; pairs count in the order in which they became complete
    """
    plan = change.tests[0]
    errors = {o.order: o for o in outcomes if outcome in o.outcome}
    rows = _pairs(errors, assigned)
    old = np.array([errors[a].outcome[outcome] for a, _ in rows]) - target
    new = np.array([errors[b].outcome[outcome] for _, b in rows]) - target
    side, alpha, planned = float(plan["side"]), float(plan["alpha"]), int(plan["most_pairs"])
    moved, kept = side * (old - new), side * (old + new)
    scale = experiment.trial_scale(planned, alpha)
    low = np.minimum(experiment.lower_bounds(moved, alpha, scale), experiment.lower_bounds(kept, alpha, scale))
    high = np.minimum(experiment.upper_bounds(moved, alpha, scale), experiment.upper_bounds(kept, alpha, scale))
    count = np.arange(1, len(rows) + 1)
    guess = np.minimum(np.cumsum(moved) / count, np.cumsum(kept) / count)
    missing = {arm: sum(a.arm == arm and a.order not in errors for a in assigned) for arm in (OLD, NEW)}
    sequence = tuple(
        {"pair": int(n), "improvement": float(g), "low": float(a), "high": float(b)}
        for n, g, a, b in zip(count, guess, low, high, strict=True)
    )
    over = _over(sequence, float(plan["matters"]), int(plan["fewest_pairs"]), planned)
    return Trial(len(rows), planned, *_last(sequence), *_arms(old, new), over, sequence, missing)


def _pairs(errors: Mapping[str, Outcome], assigned: Sequence[Assigned]) -> list[tuple[str, str]]:
    """(old order, new order) of the complete pairs, in the order in which their second outcome became known."""
    arms: dict[int, dict[str, str]] = {}
    for a in assigned:
        if a.order in errors:
            arms.setdefault(a.pair, {})[a.arm] = a.order
    complete = [
        (max(errors[arm[OLD]].t_ns, errors[arm[NEW]].t_ns), pair) for pair, arm in arms.items() if len(arm) == 2
    ]
    return [(arms[pair][OLD], arms[pair][NEW]) for _, pair in sorted(complete)]


def _last(sequence: Sequence[Mapping[str, float]]) -> tuple[float, float, float]:
    if not sequence:
        return float("nan"), float("-inf"), float("inf")
    return sequence[-1]["improvement"], sequence[-1]["low"], sequence[-1]["high"]


def _over(sequence: Sequence[Mapping[str, float]], matters: float, fewest: int, planned: int) -> str:
    """Why the trial is over, at the first pair at which it was; '' while it goes on."""
    for row in sequence:
        if row["pair"] < fewest:
            continue
        if row["low"] > matters:
            return "shown"
        if row["high"] < matters:
            return "futile"
    return "exhausted" if len(sequence) >= planned else ""


def _arms(old: np.ndarray, new: np.ndarray) -> tuple[float, float, float, float, float, float]:
    """Means and mean absolute values of both arms, and the Welch interval of the difference of the latter."""
    if len(old) < 2:
        nan = float("nan")
        first = (float(old[0]), float(new[0]), float(abs(old[0])), float(abs(new[0]))) if len(old) else (nan,) * 4
        return *first, float("-inf"), float("inf")
    low, high = welch(np.abs(old), np.abs(new))
    return float(old.mean()), float(new.mean()), float(np.abs(old).mean()), float(np.abs(new).mean()), low, high


def welch(a: np.ndarray, b: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Interval of mean(a) - mean(b) for unequal spreads (Welch 1947, Satterthwaite degrees of freedom)."""
    va, vb = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
    error = float(np.sqrt(va + vb))
    difference = float(a.mean() - b.mean())
    if error == 0.0:
        return difference, difference
    df = (va + vb) ** 2 / (va**2 / (len(a) - 1) + vb**2 / (len(b) - 1))
    half = t_quantile(0.5 + 0.5 * level, round(float(df), 3)) * error
    return difference - half, difference + half
