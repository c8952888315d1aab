"""How often a turn releases a change of a rule that is right, and of one that is wrong, over seeded turns of the golf
pack.

    python -m benchmarks.bench_release_rates [SEEDS]

The whole loop but its protocols and solids: example persons are fitted by the charts, the twin of the process builds
and the twin of the gauge measures, twin golfers hit, outcomes are weighed, a change is tried on the next orders, gated,
approved (automatic) and released, and the next orders are built on it. It is the code that a turn runs
(`improve.cycle`), not a copy of it.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

import loopwright.app
from loopwright.core.clock import NS_PER_S, monotonic_s
from loopwright.core.errors import InputError
from loopwright.core.pack import ImportOptions
from loopwright.core.types import Event, Order, Person
from loopwright.improve import cycle, release
from loopwright.improve.experiment import best_scale, lower_bounds
from loopwright.improve.outcomes import Built, Outcome, ShotSignals, measure
from loopwright.improve.question import Limits, Question
from loopwright.improve.student import NORMAL, binomial_interval
from loopwright.make.design import design
from loopwright.make.fit import RuleSet, apply_change, fit, load_rules
from loopwright.make.measure import judge
from loopwright.make.product import load_product
from loopwright.packs.golf import PACK
from loopwright.packs.golf.golfer import Golfers, Session
from loopwright.twins.gauge import Gauge, Process

APPROVERS = ("anna (example)", "bo (example)")
FIRST, ROUND, AFTER, SHOTS = 24, 16, 16, 20  # as a turn of the demo
DAY_NS = 86_400 * NS_PER_S


@lru_cache(maxsize=1)
def persons() -> tuple[Person, ...]:
    """The example persons of the bundled demo."""
    path = Path(loopwright.app.__file__).parent / "sites" / "demo_persons.csv"
    return PACK.importers["persons"](path, ImportOptions()).persons


@lru_cache(maxsize=1)
def base_rules() -> RuleSet:
    """The golf charts as they stand in the files."""
    if PACK.rules is None:
        raise InputError("pack golf", "brings no rules")
    return load_rules(PACK.rules)


def rules_with(changes: list[dict[str, Any]]) -> RuleSet:
    """The charts with released changes."""
    rules = base_rules()
    for change in changes:
        rules = apply_change(rules, change)
    return rules


def question() -> Question:
    """What the golf pack asks of the lie, with the limits of its rule."""
    asked: Question = next(q for q in PACK.questions if q.rule == "lie")
    rule, limits = base_rules().rule("lie"), asked.limits
    if rule.low is None or rule.high is None:
        raise InputError("rule 'lie'", "has no limits")
    return replace(
        asked, limits=Limits(rule.low, rule.high, limits.largest_step, limits.group_worse, limits.group_units)
    )


@dataclass
class GolfTurn:
    """One turn of the demo's golf plant without protocols, solids and plan. effect 0: the charts are right."""

    seed: int
    effect: float
    events: list[Event] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)

    def __post_init__(self) -> None:
        if PACK.product is None:
            raise InputError("pack golf", "brings no product")
        product = load_product(PACK.product)
        self._golfers = Golfers(self.seed, self.effect)
        self._product = product
        self._process = Process(self.seed, product.tolerances)
        self._gauge = Gauge(self.seed, {t.parameter: t.gauge_sigma for t in product.tolerances})
        self._queue = list(np.random.default_rng([self.seed, 5]).permutation(len(persons())))
        self._question = question()
        self._count = 0

    @property
    def state(self) -> cycle.State:
        return cycle.read(self.events, "lie")

    def make(self, count: int) -> list[Outcome]:
        """That many orders, from fit to outcome. An order that cannot be made is refused, as in a plant."""
        orders = [self._order() for _ in range(count)]
        self.events += cycle.assign(self.state, [o.id for o, _ in orders], self.seed, self._count * DAY_NS)
        state = self.state
        arm = {a.order: a.arm for a in state.assigned}
        rules = {name: rules_with(changes) for name, changes in cycle.arms(state).items()}
        built, sessions = [], []
        for order, person in orders:
            unit = self._build(order, person, rules[arm.get(order.id, "old")])
            if unit is not None:
                sessions.append(Session(person, unit.as_built, SHOTS, self._count * DAY_NS, thing=unit.unit))
                built.append(unit)
        signals = ShotSignals(PACK.outcome_signals["direction"], PACK.outcome_signals["distance"])
        made, _ = measure(self._golfers.sessions(sessions), built, signals)
        self.outcomes += made
        return made

    def _order(self) -> tuple[Order, Person]:
        person = persons()[self._queue[self._count % len(self._queue)]]
        self._count += 1
        return Order(f"order-{self._count:04d}", person.id, "iron"), person

    def _build(self, order: Order, person: Person, rules: RuleSet) -> Built | None:
        try:
            parameters = fit(rules, person.measures, {}, PACK.formulas)
        except InputError as error:
            body = {"person": person.id, "reason": str(error)}
            self.events.append(
                Event("order.refused", order.id, self._count * DAY_NS, "bench", body, key=f"refused/{order.id}")
            )
            return None
        one = design(order, person, parameters, rules.revision, person.handedness == "left")
        for attempt in range(1, 12):
            measured = self._gauge.measure(self._process.make(one, f"{order.id}-{attempt}"))
            if judge(self._product, one, measured).word == "good":
                break
        designed = {p.name: float(p.value) for p in parameters if not isinstance(p.value, str)}
        group = f"{person.group or 'unknown'}/{person.handedness}"
        return Built(
            f"unit-{order.id}", person.id, rules.revision, measured, designed, person.handedness, group, False, order.id
        )

    def think(self, final: bool = False) -> None:
        """As far as the improvement can go without new orders."""
        for _ in range(8):
            state, now_ns = self.state, self._count * DAY_NS
            revision = rules_with([dict(r) for r in state.released]).revision
            fresh = cycle.advance(state, self.outcomes, self._question, now_ns, revision, final=final)
            fresh = fresh or cycle.approve(state, APPROVERS, now_ns, lambda name: None)
            if not fresh and state.stage == "approved" and state.change is not None:
                revision = rules_with([*map(dict, state.released), dict(state.change.after)]).revision
                fresh = cycle.release(state, revision, "bench", now_ns)
            known = {e.key for e in self.events}
            fresh = [e for e in fresh if e.key not in known]
            if not fresh:
                return
            self.events += fresh

    def run(self) -> dict[str, Any]:
        """The whole turn: released changes, units of the trial, and how the next orders did beside those before."""
        self.make(FIRST)
        self.think()
        units = 0
        while self.state.stage == "trial":
            units += len(self.make(ROUND))
            self.think(final=True)
        in_force = release.in_force(self.events)
        before = [o for o in self.outcomes if o.revision == base_rules().revision]
        found = release.check(before, self.make(AFTER), self._question) if in_force else {}
        reasons = [e.body["reason"] for e in self.events if e.kind == "change.notproposed"]
        gated = [t["name"] for e in self.events if e.kind == "change.gated" for t in e.body["tests"] if not t["passed"]]
        return {"released": in_force, "trial_units": units, "check": found, "reasons": reasons, "failed": gated}


def rates(effect: float, seeds: int) -> dict[str, Any]:
    """Over so many seeds: releases with their exact 95 % interval, units and what the next orders did."""
    began_s = monotonic_s()
    turns = [GolfTurn(seed, effect).run() for seed in range(seeds)]
    done = [t for t in turns if t["released"]]
    tried = [t for t in turns if t["trial_units"]]
    low, high = binomial_interval(len(done), seeds)
    gain = [t["check"]["abs_better"] for t in done]
    return {
        "effect": effect,
        "seeds": seeds,
        "released": len(done),
        "rate": len(done) / seeds,
        "low": low,
        "high": high,
        "tried": len(tried),
        "trial_units": float(np.mean([t["trial_units"] for t in tried])) if tried else 0.0,
        "better": float(np.mean([bool(t["check"]["better"]) for t in done])) if done else None,
        "gain_deg": float(np.degrees(np.mean(gain))) if done else None,
        "gain_se_deg": float(np.degrees(np.std(gain, ddof=1) / np.sqrt(len(gain)))) if len(done) > 1 else None,
        "step_deg": float(np.degrees(np.mean([abs(t["released"][0]["offset"]) for t in done]))) if done else None,
        "failed": sorted({name for t in turns for name in t["failed"]}),
        "seconds": monotonic_s() - began_s,
    }


def peeking(trials: int = 4000, days: int = 30, daily: int = 20) -> dict[str, float]:
    """Daily looks at two arms without a difference: share of trials in which a z-test, and our bound, find one."""
    rng = np.random.default_rng(17)
    difference = rng.standard_normal((trials, days)) * np.sqrt(2 / daily)
    z = np.cumsum(difference, axis=1) / np.sqrt(np.arange(1, days + 1) * 2 / daily)
    scale = best_scale(days // 2, 0.025)
    ours = [any((lower_bounds(s * row, 0.025, scale) > 0).any() for s in (1.0, -1.0)) for row in difference]
    return {"z_test": float((np.abs(z) > NORMAL.inv_cdf(0.975)).any(axis=1).mean()), "ours": float(np.mean(ours))}


def rows(seeds: int = 200) -> list[dict[str, Any]]:
    """Rows for RESULTS.md: what, value, unit, limit, and what stands beside it."""
    looked = peeking()
    beside = f"z-test {looked['z_test']:.3f}"
    out = [_row("useless changes found by 30 daily looks", looked["ours"], "share", "<= 0.05", beside)]
    for effect, limit in ((0.0, "<= 0.05"), (1.0, ">= 0.80")):
        r = rates(effect, seeds)
        name = f"{seeds} turns, hidden effect {effect:g}"
        interval = f"95 % interval {r['low']:.3f} to {r['high']:.3f}"
        out.append(_row(f"{name}: released", r["rate"], "share", limit, interval))
        out.append(_row(f"{name}: time", r["seconds"], "s", "<= 90", ""))
        if r["released"]:
            gain = f"standard error {r['gain_se_deg']:.3f}; {r['better']:.0%} of turns show it by themselves"
            out.append(_row("mean absolute direction error, next orders - before", -r["gain_deg"], "deg", "< 0", gain))
            out.append(_row("units in a trial", r["trial_units"], "units", "<= 48", ""))
    return out


def _row(what: str, value: float, unit: str, limit: str, beside: str) -> dict[str, Any]:
    return {"what": what, "value": value, "unit": unit, "limit": limit, "beside": beside}


def main() -> None:
    """Prints the rows as a table."""
    for line in rows(int(sys.argv[1]) if len(sys.argv) > 1 else 200):
        print(f"{line['what']:<54} {line['value']:8.3f} {line['unit']:<6} {line['limit']:<8} {line['beside']}")


if __name__ == "__main__":
    main()
