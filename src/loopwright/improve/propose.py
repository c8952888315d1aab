"""From outcomes to a Change worth trying, or to the reason why none is supported.

The proposal is only a reason to try: it may lean on an assumed mechanism, and it is chosen because its numbers looked
promising. A release is earned by a randomised trial on later orders (`trial.py`) and by nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from loopwright.core.types import Change
from loopwright.improve import effect, experiment
from loopwright.improve.outcomes import Outcome
from loopwright.improve.question import Question, fingerprint
from loopwright.improve.regression import least_squares, unit_weights
from loopwright.improve.student import t_quantile

REFUSED_SHARE = (
    0.1  # of designs that a step may take out of the rule's limits: fit refuses their orders, it never clips
)


@dataclass(frozen=True)
class NotSupported:
    """No change is proposed. reason completes 'not supported, because ...'; evidence are the numbers it rests on."""

    reason: str
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Slope:
    """How the parameter moves the outcome: value, 'as-if random' or an 'assumption', why, from where."""

    value: float
    standing: str
    why: str
    source: str


def propose(outcomes: Sequence[Outcome], question: Question, proposer: str = "improve") -> Change | NotSupported:
    """A Change that would bring the mean outcome to its target, or why none is supported.

    outcomes  units of one revision, each with as-built parameters
    The offset is -(mean - target) / slope, mean at the designed value (manufacturing deviation taken out), clustered by
    person. Proposed only when the 95 % one-sided bound of |mean - target| is above what matters, and a trial could show
    it.
    """
    usable = [o for o in outcomes if question.outcome in o.outcome and question.parameter in o.as_built]
    variation = effect.of_variation(usable, question.parameter, question.outcome, fewest=question.trial.first_units)
    evidence = _first_numbers(usable, question, variation)
    if any(o.assumed for o in usable):
        return NotSupported(_assumed_words(usable, question), evidence)
    if len(usable) < question.trial.first_units:
        return NotSupported(
            f"{len(usable)} units have a measured {question.outcome} and {question.trial.first_units} are needed",
            evidence,
        )
    slope = _slope(variation, question)
    if isinstance(slope, str):
        return NotSupported(slope, evidence)
    evidence |= {
        "slope": slope.value,
        "slope_standing": slope.standing,
        "slope_why": slope.why,
        "slope_source": slope.source,
    }
    return _weigh(usable, question, slope, evidence, proposer)


def _weigh(
    usable: Sequence[Outcome], question: Question, slope: _Slope, evidence: dict[str, Any], proposer: str
) -> Change | NotSupported:
    mean, error, df = _mean_at_design(usable, question, slope.value)
    half = t_quantile(0.95, df) * error
    evidence |= {"mean": mean, "mean_low": mean - half, "mean_high": mean + half, "level": 0.90}
    if abs(mean) - half <= question.matters:
        return NotSupported(
            f"the mean {question.outcome} of {len(usable)} units is {question.say(mean)} "
            f"(90 % interval {question.say(mean - half)} to {question.say(mean + half)}), "
            f"not clearly more than the {question.say(question.matters)} that matter",
            evidence,
        )
    step = float(np.clip(-mean / slope.value, -question.limits.largest_step, question.limits.largest_step))
    if (beyond := outside(usable, question, step)) > may_refuse(len(usable)):
        return NotSupported(
            f"{question.say_parameter(step)} on rule {question.rule!r} would take {beyond} of "
            f"{len(usable)} designs out of the rule's limits",
            evidence | {"offset": step},
        )
    return _change(usable, question, slope, step, evidence, proposer)


def _change(
    usable: Sequence[Outcome], question: Question, slope: _Slope, step: float, evidence: dict[str, Any], proposer: str
) -> Change | NotSupported:
    plan, mean = question.trial, float(evidence["mean"])
    spread = float(np.std([o.outcome[question.outcome] for o in usable], ddof=1))
    power = experiment.power(
        mean, step * slope.value, spread, plan.most_pairs, alpha=plan.alpha, matters=question.matters
    )
    enough = experiment.pairs_needed(
        mean, spread, alpha=plan.alpha, matters=question.matters, wanted=0.8, most=plan.most_pairs
    )
    evidence |= {
        "offset": step,
        "side": 1.0 if mean > 0 else -1.0,
        "unit_spread": spread,
        "power": power,
        "pairs_for_80_percent": enough,
        "inputs": fingerprint(usable),
        "newest_ns": max(o.t_ns for o in usable),
        **asdict(plan),
        "matters": question.matters,
    }
    if power < 0.3:
        return NotSupported(
            f"a trial of {plan.most_pairs} pairs would show an improvement of "
            f"{question.say(abs(mean))} in only {power:.0%} of cases",
            evidence,
        )
    why = (
        f"Mean {question.outcome} of {len(usable)} units by {evidence['persons']} persons is {question.say(mean)} "
        f"(90 % interval {question.say(evidence['mean_low'])} to {question.say(evidence['mean_high'])}). "
        f"{slope.why}: {question.say_parameter(step)} on rule {question.rule!r} should bring it to "
        f"{question.say(question.target + mean + step * slope.value)}. "
        "Expected from data nobody randomised; to be earned in a trial."
    )
    return Change(
        f"change-{question.rule}-{evidence['inputs'][:8]}",
        "rule",
        question.rule,
        {"rule": question.rule, "offset": 0.0},
        {"rule": question.rule, "offset": step},
        why,
        proposer,
        tests=({"name": "proposal", **evidence},),
        undo={"rule": question.rule, "offset": -step},
        touches=question.touches,  # type: ignore[arg-type]
    )


def _first_numbers(usable: Sequence[Outcome], question: Question, variation: effect.Effect) -> dict[str, Any]:
    """What the data says before any claim: counts, the plain mean, the as-built variation and its effect."""
    values = np.array([o.outcome[question.outcome] for o in usable])
    deviations = np.array([d for o in usable if (d := o.deviation(question.parameter)) is not None])
    numbers: dict[str, Any] = {
        "units": len(usable),
        "persons": len({o.person for o in usable}),
        "assumed": sum(o.assumed for o in usable),
        "shots": sum(o.shots for o in usable),
        "as_built_sd": float(deviations.std(ddof=1)) if len(deviations) > 1 else None,
        "mean": float(values.mean()) - question.target if len(values) else None,
        "mean_se": float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None,
        "variation_standing": variation.standing,
        "variation_why": variation.why,
    }
    if variation.standing != "not supported":
        numbers |= {
            "variation_slope": variation.value,
            "variation_low": variation.low,
            "variation_high": variation.high,
        }
    return numbers


def _assumed_words(usable: Sequence[Outcome], question: Question) -> str:
    assumed = sum(o.assumed for o in usable)
    return (
        f"the pairing of users with measured persons is assumed in {assumed} of {len(usable)} "
        f"units: who made these shots is not who the {question.parameter} was fitted to, so no effect of "
        f"{question.parameter} on {question.outcome} is claimed across that pairing"
    )


def _slope(variation: effect.Effect, question: Question) -> _Slope | str:
    """The slope to steer by, or in words why there is none: data first, then the mechanism if no data denies it."""
    data = variation.standing == "as-if random"
    if data and variation.clear and variation.high - variation.low < abs(variation.value):
        why = (
            f"As-built {question.parameter} moves {question.outcome} by {variation.value:.2f} per unit "
            f"({variation.low:.2f} to {variation.high:.2f})"
        )
        return _Slope(variation.value, "as-if random", why, variation.why)
    if question.mechanism is None or question.mechanism.slope == 0.0:
        return (
            f"as-built {question.parameter} varies too little to say how it moves {question.outcome}, "
            "and no mechanism with a source is given"
        )
    slope = question.mechanism.slope
    if data:
        half = variation.high - variation.low  # twice the half width: far beyond chance
        if abs(slope - variation.value) > half:
            return (
                f"the data contradicts the stated mechanism: slope {variation.value:.2f} "
                f"({variation.low:.2f} to {variation.high:.2f}) from as-built variation, "
                f"{slope:.2f} from {question.mechanism.source}"
            )
    return _Slope(slope, "assumption", f"Assumed: {question.mechanism.why}", question.mechanism.source)


def _mean_at_design(usable: Sequence[Outcome], question: Question, slope: float) -> tuple[float, float, int]:
    """Mean of outcome - target with manufacturing deviation taken out, its clustered error, degrees of freedom."""
    y = (
        np.array([o.outcome[question.outcome] - slope * (o.deviation(question.parameter) or 0.0) for o in usable])
        - question.target
    )
    weights = unit_weights(y, effect.mean_variances(usable, question.outcome))
    fit = least_squares(np.ones((len(y), 1)), y, weights, [o.person for o in usable])
    return float(fit.beta[0]), fit.error(0), fit.df


def may_refuse(designs: int) -> int:
    """How many of so many designs a step may take out of the limits: one in ten, rounded up."""
    return math.ceil(REFUSED_SHARE * designs)


def outside(outcomes: Sequence[Outcome], question: Question, step: float) -> int:
    """How many of these designs the step would take out of the rule's limits."""
    values = [o.designed[question.parameter] + step for o in outcomes if question.parameter in o.designed]
    return sum(not question.limits.low <= value <= question.limits.high for value in values)
