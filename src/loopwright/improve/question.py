"""What is asked of the outcomes, written down before anybody looks: rule, outcome, what counts, how it is tried."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from loopwright.core.errors import InputError
from loopwright.core.units import from_inside
from loopwright.improve.outcomes import Outcome


@dataclass(frozen=True)
class Mechanism:
    """What physics says about how the parameter moves the outcome, for when the data alone is too weak to say it.

    slope   change of the outcome per unit of the parameter, inside units
    why     one sentence
    source  where it comes from
    """

    slope: float
    why: str
    source: str


@dataclass(frozen=True)
class Limits:
    """What no change may cross. Inside units of the parameter, but for group_worse (of the outcome).

    low, high     of the rule's value: outside them orders would be refused
    largest_step  one change moves the rule by no more than this
    group_worse   no group's mean absolute outcome may get worse by more than this
    group_units   units a group needs in each arm before it is judged
    """

    low: float
    high: float
    largest_step: float
    group_worse: float
    group_units: int = 5


@dataclass(frozen=True)
class TrialPlan:
    """How a change must earn its release.

    alpha         chance of releasing a change that does not help, whenever and however often one looks
    first_units   units with an outcome before anything is proposed
    fewest_pairs  pairs (one old, one new) below which nothing is released
    most_pairs    pairs after which the trial ends without proof
    """

    alpha: float = 0.05
    first_units: int = 20
    fewest_pairs: int = 8
    most_pairs: int = 24

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 0.5 or not 2 <= self.fewest_pairs <= self.most_pairs or self.first_units < 8:
            raise InputError(
                "trial plan", f"{self}", "0 < alpha < 0.5, 2 <= fewest_pairs <= most_pairs, first_units of 8 or more"
            )


@dataclass(frozen=True)
class Question:
    """One rule and the outcome it should bring to its target.

    rule            id of the rule; parameter the design parameter it gives
    outcome, target the mean of this outcome (signed) should be the target; inside unit
    matters         smallest improvement that is worth a change, in the outcome's inside unit
    outcome_unit, parameter_unit   what people read ('deg')
    """

    rule: str
    parameter: str
    outcome: str
    matters: float
    limits: Limits
    target: float = 0.0
    outcome_unit: str = "deg"
    parameter_unit: str = "deg"
    mechanism: Mechanism | None = None
    trial: TrialPlan = TrialPlan()
    touches: str = "person"

    def say(self, value: float) -> str:
        """An outcome as people read it: '1.34 deg'."""
        return f"{_scaled(value, self.outcome_unit):.2f} {self.outcome_unit}"

    def say_parameter(self, value: float) -> str:
        """A step of the parameter as people read it: '-2.10 deg'."""
        return f"{_scaled(value, self.parameter_unit):+.2f} {self.parameter_unit}"


def _scaled(value: float, unit: str) -> float:
    return from_inside(value, unit) - from_inside(0.0, unit)


def fingerprint(outcomes: Sequence[Outcome]) -> str:
    """Hash of what an analysis was made from, the same in whatever order the rows come (16 hex digits)."""
    rows = sorted(
        (
            o.unit,
            o.person,
            o.revision,
            sorted(o.as_built.items()),
            sorted(o.designed.items()),
            sorted(o.outcome.items()),
            o.shots,
        )
        for o in outcomes
    )
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16]
