"""The coach: which one thing a person could change, judged from their own attempts alone. For any sport with attempts.

    events, decisions, state = decide(history, None, state, now_ns, Settings())

An attempt has a cost (how far from what was wanted, less is better) and features (how it was done). Within one
person's attempts, every feature is weighed by partial regression: cost on feature, with the given controls and a slow
trend taken out of both. The one feature with the greatest expected help is named, or none.

Honesty: it was seen, not tried out, and says so. Every feature looked at and every look taken is paid for (Bonferroni
over features; over looks the 5 % are spent as 1 / (i (i + 1)), P. Armitage's repeated looks), so that on pure noise the
coach stays silent for ever in 95 of 100 histories. It speaks after every few attempts rather than each: advice after
each one is followed better at once and remembered worse (Winstein and Schmidt, J. Exp. Psychol. LMC 16 (1990), 677-691;
Wulf and Shea 2004 review it), and it decides nothing without consent or with too few attempts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loopwright.core.errors import InputError
from loopwright.core.types import Decision, Event, Evidence

NAME = "coach"
MEANING = "Names the one thing in a person's own attempts whose change is expected to help most, with its uncertainty."
MODEL = "coach/partial-regression-1"
_NORMAL = NormalDist()
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Settings:
    """fewest: attempts before anything is said; every: attempts between two sayings; growth: a look is taken when the
    history has grown by this share since the last; alpha: chance of ever advising on noise; covered: share of attempts
    a
    feature must be known in."""

    fewest: int = 30
    every: int = 5
    growth: float = 0.15
    alpha: float = 0.05
    covered: float = 0.4

    def __post_init__(self) -> None:
        if not (self.fewest >= 20 and self.every >= 1 and 0 < self.alpha < 0.5 and 0 < self.covered <= 1):
            raise InputError("coach settings", f"{self}", "fewest >= 20, every >= 1, 0 < alpha < 0.5, 0 < covered <= 1")


@dataclass(frozen=True)
class Feature:
    """How an attempt was done: its signal, how people call it, the unit of its values, how they read a number of it."""

    signal: str
    label: str
    unit: str
    shown_unit: str = ""
    per_unit: float = 1.0  # how many shown units are one unit


@dataclass(frozen=True)
class History:
    """One person's attempts in the order of time, n of them.

    about     the person
    cost      (n,)    how far from what was wanted, 0 or more, in `unit`; `aim` says what less of it is, in words
    values    (n, k)  a column for each feature, NaN where it is not known
    controls  (n, c)  what must not be held against the person: which club, which place; may have no column
    t_ns      (n,)    when
    things    what was heard, for the evidence; cost_signal the signal(s) the cost was made from
    withheld  why nothing may be looked at ('' when it may): no consent
    """

    about: str
    cost: Array
    unit: str
    aim: str
    features: tuple[Feature, ...]
    values: Array
    controls: Array
    t_ns: NDArray[np.int64]
    things: tuple[str, ...] = ()
    cost_signal: str = ""
    shown_unit: str = ""
    per_unit: float = 1.0
    withheld: str = ""
    assumed: str = ""  # what in the history is assumed, in words


@dataclass(frozen=True)
class Effect:
    """What one feature goes with. help: cost saved by one usual step (standard deviation) the better way, in the unit
    of the cost; low, high at the level that pays for all features and looks; shrunk: help drawn towards nothing by its
    uncertainty; p: two-sided, by ranks; step: one usual step; better: +1 more is better, -1 less."""

    feature: Feature
    help: float
    low: float
    high: float
    shrunk: float
    p: float
    step: float
    better: int
    attempts: int


# {person: {"looks": how many were taken, "tested": attempts at the last look, "seen": attempts at the last saying}}
State = Mapping[str, Any]


def decide(
    history: History, prediction: None, state: State, now_ns: int, settings: Settings
) -> tuple[list[Event], list[Decision], dict[str, Any]]:
    """What the coach says to one person now: one Decision (advice, or why there is none), or nothing between sayings.

    prediction  none is needed
    state       of `fold`, or what the last call returned
    returns     (no events, decisions, the new state)
    """
    mine = dict(state.get(history.about, {"looks": 0, "tested": 0, "seen": 0}))
    n = len(history.cost)
    if history.withheld:
        return [], [_abstains(history, "withheld", history.withheld, now_ns, mine)], dict(state)
    if n < settings.fewest:
        why = f"{n} shots are known and {settings.fewest} are needed"
        due = n - mine["seen"] >= settings.every or mine["seen"] == 0
        mine["seen"] = n
        said = [_abstains(history, str(n), why, now_ns, mine)] if due else []
        return [], said, {**state, history.about: mine}
    if (n - mine["seen"] < settings.every and mine["looks"]) or n < mine["tested"] * (1 + settings.growth):
        return [], [], dict(state)
    mine = {"looks": mine["looks"] + 1, "tested": n, "seen": n}
    alpha = settings.alpha / (mine["looks"] * (mine["looks"] + 1))
    effects = weigh(history, alpha, settings)
    found = [e for e in effects if e.p <= alpha / len(effects) and e.low > 0]
    best = max(found, key=lambda e: e.shrunk, default=None)
    said_now = _advice(history, best, effects, now_ns, mine) if best else _silent(history, effects, now_ns, mine)
    return [], [said_now], {**state, history.about: mine}


def fold(events: Iterable[Event]) -> dict[str, Any]:
    """The state after the decisions that were recorded (events of kind decision.made)."""
    state: dict[str, Any] = {}
    for event in events:
        decision = event.body.get("decision", {})
        if event.kind == "decision.made" and decision.get("service") == NAME:
            state[decision["about"]] = {k: int(decision["body"][k]) for k in ("looks", "tested", "seen")}
    return state


def weigh(history: History, alpha: float, settings: Settings) -> list[Effect]:
    """The effect of every feature that varies and is known often enough, the most helpful (shrunk) first."""
    columns = [_usable(history.values[:, j], settings) for j in range(len(history.features))]
    used = [(f, x) for f, x in zip(history.features, columns, strict=True) if x is not None]
    raw = [_slope(x, history, alpha / max(1, len(used))) for _, x in used]
    kept = [(f, r) for (f, _), r in zip(used, raw, strict=True) if r is not None]
    if not kept:
        return []
    helps, errors = np.array([r["help"] for _, r in kept]), np.array([r["error"] for _, r in kept])
    spread = max(0.0, float(np.mean(helps**2) - np.mean(errors**2)))  # of true effects round nothing
    effects = [
        Effect(f, r["help"], r["low"], r["high"], r["help"] * spread / (spread + r["error"] ** 2 + 1e-300), r["p"],
               r["step"], r["better"], r["attempts"])
        for f, r in kept
    ]
    return sorted(effects, key=lambda e: -e.shrunk)


def _usable(x: Array, settings: Settings) -> Array | None:
    """The feature with its wildest tails drawn in (2.5 and 97.5 %), or None when it is too rare or does not vary."""
    known = x[np.isfinite(x)]
    if len(known) < max(settings.fewest * 0.8, settings.covered * len(x)):
        return None
    low, high = np.quantile(known, [0.025, 0.975])
    if not high - low > 1e-9 * (1.0 + abs(high)) or np.mean(known == np.median(known)) > 0.8:
        return None
    return np.asarray(np.clip(x, low, high))


def _slope(x: Array, history: History, level: float) -> dict[str, Any] | None:
    """Partial regression of cost on one feature: help of one usual step, its interval at `level`, p by ranks.

    Heteroscedasticity-consistent errors (HC3: MacKinnon and White 1985). p: Fisher's z of the correlation of the
    feature with the normal scores of the cost's ranks, controls taken out of both: holds for costs of any shape.
    """
    rows = np.isfinite(x)
    x, y, n = x[rows], history.cost[rows], int(rows.sum())
    trend = np.linspace(-1.0, 1.0, len(rows))[rows]
    base = np.column_stack([np.ones(n), trend, _varying(history.controls[rows])])
    left = n - base.shape[1] - 1
    if left < 15:
        return None
    q, _ = np.linalg.qr(base)
    rest = x - q @ (q.T @ x)
    size = float(rest @ rest)
    if size <= 1e-12 * float(x @ x + 1e-12):
        return None
    slope = float(rest @ y) / size
    errors = y - q @ (q.T @ y) - slope * rest
    leverage = np.minimum(0.99, np.sum(q * q, axis=1) + rest**2 / size)
    error = math.sqrt(float(np.sum((rest * errors / (1.0 - leverage)) ** 2))) / size
    scores = _normal_scores(y)
    scores = scores - q @ (q.T @ scores)
    r = float(rest @ scores) / math.sqrt(size * float(scores @ scores) + 1e-300)
    z = math.atanh(max(-0.999999, min(0.999999, r))) * math.sqrt(left - 2)
    step, better = math.sqrt(size / left), -1 if slope > 0 else 1
    half = t_quantile(1.0 - level / 2.0, left) * error * step
    gain = abs(slope) * step
    return {
        "help": gain, "error": error * step, "low": gain - half, "high": gain + half, "step": step, "better": better,
        "p": max(1e-15, 2.0 * _NORMAL.cdf(-abs(z))), "attempts": n,
    }


def _varying(controls: Array) -> Array:
    """The columns of the controls that vary (a club never used in these rows is no control)."""
    keep = np.ptp(controls, axis=0) > 0 if controls.shape[1] and len(controls) else np.zeros(controls.shape[1], bool)
    return controls[:, keep]


def _normal_scores(y: Array) -> Array:
    """Blom's normal scores of the ranks, ties averaged."""
    _, index, counts = np.unique(y, return_inverse=True, return_counts=True)
    rank = np.cumsum(counts) - (counts - 1) / 2.0
    score = np.array([_NORMAL.inv_cdf((r - 0.375) / (len(y) + 0.25)) for r in rank])
    return np.asarray(score[index.reshape(-1)])


def t_quantile(p: float, df: float) -> float:
    """Quantile of Student's t by the Cornish-Fisher expansion (Abramowitz and Stegun 26.7.5); 1 % off at most
    from df 15."""
    z = _NORMAL.inv_cdf(p)
    g1, g2 = (z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96
    g3 = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    g4 = (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160
    return z + g1 / df + g2 / df**2 + g3 / df**3 + g4 / df**4


def _advice(
    history: History, best: Effect, effects: Sequence[Effect], now_ns: int, mine: Mapping[str, int]
) -> Decision:
    f, unit = best.feature, history.shown_unit or history.unit
    sign = "+" if best.better > 0 else "-"
    step = f"{sign}{best.step * f.per_unit:.2g} {f.shown_unit or f.unit}".removesuffix(" 1")
    value, low, high = (v * history.per_unit for v in (max(best.low, best.shrunk), best.low, best.high))
    says = (
        f"Work on one thing: {f.label}. In your own {best.attempts} shots, {step} of it (your usual spread) went with "
        f"{value:.2g} {unit} {history.aim} ({low:.2g} to {high:.2g}, allowing for {len(effects)} things looked at). "
        f"This was seen, not tried out: something else may have changed with it."
    )
    way = "more" if best.better > 0 else "less"
    body = {
        **mine, "kind": "observational: seen in your own shots, not tried out", "feature": f.signal, "label": f.label,
        "change": way, "step": best.step, "step_unit": f.unit, "looked_at": len(effects), "attempts": best.attempts,
        "p": best.p, "next": [e.feature.signal for e in effects if e is not best][:3], "assumed": history.assumed,
    }
    return Decision(
        f"{NAME}/{history.about}/{len(history.cost)}", NAME, history.about, now_ns, says, max(best.low, best.shrunk),
        history.unit, best.low, best.high, _evidence(history, f.signal), MODEL, action=f"practise: {way} {f.label}",
        body=body)


def _silent(history: History, effects: Sequence[Effect], now_ns: int, mine: Mapping[str, int]) -> Decision:
    why = "nothing that is known of these shots varies enough" if not effects else (
        f"none of the {len(effects)} things looked at in {len(history.cost)} shots stands out clearly from chance")
    body = {"looked_at": len(effects), "nearest": [e.feature.signal for e in effects[:3]]}
    return _abstains(history, str(len(history.cost)), why, now_ns, {**mine, **body})


def _abstains(history: History, part: str, why: str, now_ns: int, body: Mapping[str, Any]) -> Decision:
    because = () if history.withheld else _evidence(history, "")
    return Decision(
        f"{NAME}/{history.about}/{part}", NAME, history.about, now_ns, "", because=because, model=MODEL, abstains=why,
        body={**body, "assumed": history.assumed})


def _evidence(history: History, signal: str) -> tuple[Evidence, ...]:
    """The points it rests on: cost and feature of every thing that was heard, with the time they span."""
    if not len(history.t_ns):
        return ()
    start, end = int(history.t_ns.min()), int(history.t_ns.max())
    names = [history.cost_signal, signal] if signal else [history.cost_signal]
    note = f"{len(history.cost)} shots" + (f"; assumed: {history.assumed}" if history.assumed else "")
    pairs = [(thing, name) for thing in history.things for name in names if name]
    return tuple(Evidence("points", thing, name, start, end, note) for thing, name in pairs)


__all__ = ["MEANING", "NAME", "Effect", "Feature", "History", "Settings", "decide", "fold", "t_quantile", "weigh"]
