"""How an as-built parameter moves the outcome, and what gives us the right to say so.

'as-if random'   manufacturing variation (as-built minus designed) has nothing to do with who will use the unit: nobody
                 chose it. Regressing the outcome on it estimates a cause, as in a randomised experiment.
'observational'  the parameter was chosen for the person, so users of different values differ: `partialling_out` and
                 `aipw` remove what the covariates explain; what nobody measured remains.
'not supported'  no claim: too few units, no variation, or person and shots joined by assumption only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from loopwright.improve.outcomes import Outcome
from loopwright.improve.regression import Fit, least_squares, unit_weights


@dataclass(frozen=True)
class Effect:
    """Change of the outcome per unit of the parameter, with its interval and the standing of the claim.

    value, low, high  NaN when not supported
    standing          as-if random, observational or not supported; why in words
    """

    parameter: str
    outcome: str
    value: float
    low: float
    high: float
    standing: Literal["as-if random", "observational", "not supported"]
    why: str
    units: int
    persons: int
    level: float = 0.95
    numbers: Mapping[str, float] = field(default_factory=dict)

    @property
    def clear(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.standing != "not supported" and (self.low > 0 or self.high < 0)


def not_supported(parameter: str, outcome: str, why: str, outcomes: Sequence[Outcome], **numbers: float) -> Effect:
    """An Effect that claims nothing, with the reason and what numbers there are."""
    persons = len({o.person for o in outcomes})
    nan = float("nan")
    return Effect(parameter, outcome, nan, nan, nan, "not supported", why, len(outcomes), persons, numbers=numbers)


def of_variation(
    outcomes: Sequence[Outcome],
    parameter: str,
    outcome: str,
    covariates: Sequence[str] = (),
    fewest: int = 12,
    level: float = 0.95,
) -> Effect:
    """Effect of manufacturing variation of a parameter on an outcome.

    Weighted least squares of the outcome on (as-built minus designed) and the covariates, clustered by person, weights
    from the number and spread of shots. Not supported with fewer than `fewest` units, an assumed pairing, or no
    variation.
    """
    usable = [o for o in outcomes if outcome in o.outcome and o.deviation(parameter) is not None]
    assumed = sum(o.assumed for o in usable)
    if assumed:
        why = (
            f"in {assumed} of {len(usable)} units person and shots are joined by assumption, "
            "so no effect is claimed across that pairing"
        )
        return not_supported(parameter, outcome, why, usable)
    if len(usable) < fewest:
        return not_supported(
            parameter, outcome, f"{len(usable)} units with {parameter} and {outcome} known; {fewest} are needed", usable
        )
    deviation = np.array([o.deviation(parameter) for o in usable], dtype=float)
    if float(deviation.std()) < 1e-12:
        return not_supported(parameter, outcome, f"{parameter} as built does not vary about its design", usable)
    fit, used = _fit(usable, deviation, outcome, covariates)
    low, high = fit.interval(1, level)
    why = (
        f"as-built {parameter} differs from its design by chance of manufacture "
        f"(standard deviation {deviation.std(ddof=1):.3g}), "
        f"which nobody chose for the person; {fit.rows} units of {fit.clusters} persons"
        + (f", given {', '.join(used)}" if used else "")
    )
    numbers = {"deviation_sd": float(deviation.std(ddof=1)), "standard_error": fit.error(1), "mean": float(fit.beta[0])}
    return Effect(
        parameter, outcome, float(fit.beta[1]), low, high, "as-if random", why, fit.rows, fit.clusters, level, numbers
    )


def _fit(
    usable: Sequence[Outcome], deviation: np.ndarray, outcome: str, covariates: Sequence[str]
) -> tuple[Fit, list[str]]:
    """Least squares with the covariates that every unit has and that vary, centred and scaled."""
    columns, used = [np.ones(len(usable)), deviation], []
    for name in covariates:
        values = np.array([o.covariates.get(name, np.nan) for o in usable], dtype=float)
        if np.isfinite(values).all() and float(values.std()) > 1e-12 and len(usable) > 4 * (len(columns) + 1):
            columns.append((values - values.mean()) / values.std())
            used.append(name)
    y = np.array([o.outcome[outcome] for o in usable])
    weights = unit_weights(y, mean_variances(usable, outcome))
    return least_squares(np.column_stack(columns), y, weights, [o.person for o in usable]), used


def mean_variances(outcomes: Sequence[Outcome], outcome: str) -> np.ndarray:
    """Variance of each unit's mean from its own shots: spread^2 / shots, NaN where the spread is not known. (n,)"""
    return np.array([o.spread.get(outcome, np.nan) ** 2 / o.shots for o in outcomes], dtype=float)
