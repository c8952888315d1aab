"""As built against as designed: good, rework or scrap, with reasons in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from loopwright.core.errors import InputError
from loopwright.core.types import Design
from loopwright.make.fields import shown, signed, theirs
from loopwright.make.product import Product, Tolerance

MOST_REWORKS = 2


@dataclass(frozen=True)
class Verdict:
    """What becomes of a unit.

    reasons   one sentence for each parameter that is not good; empty when the unit is good
    measures  one row a toleranced parameter: name, unit, designed, as_built, deviation (inside unit), verdict, words
    """

    word: Literal["good", "rework", "scrap"]
    reasons: tuple[str, ...]
    measures: tuple[Mapping[str, Any], ...]

    @property
    def out(self) -> tuple[str, ...]:
        """The parameters that are out of tolerance: what a rework has to bring right."""
        return tuple(row["name"] for row in self.measures if row["verdict"] != "good")

    @property
    def as_built(self) -> dict[str, float]:
        """parameter -> measured value, inside unit."""
        return {row["name"]: row["as_built"] for row in self.measures}


def judge(product: Product, design: Design, measured: Mapping[str, float], attempt: int = 1) -> Verdict:
    """good when every toleranced parameter is within `good`; scrap when one is beyond `scrap`; rework between.

    measured  parameter -> as-built value in the inside unit; every toleranced parameter must be there
    attempt   which measurement of this unit this is, from 1; a unit that still needs rework after two is scrap
    """
    if attempt < 1:
        raise InputError(f"measurement of {design.id}", f"attempt {attempt}", "1 for the first measurement, then 2, 3")
    rows = [_row(tolerance, design, measured) for tolerance in product.tolerances]
    worst = {row["verdict"] for row in rows}
    reasons = [row["words"] for row in rows if row["verdict"] != "good"]
    if "scrap" in worst:
        return Verdict("scrap", tuple(reasons), tuple(rows))
    if "rework" in worst and attempt > MOST_REWORKS:
        return Verdict("scrap", (*reasons, f"still out of tolerance after {MOST_REWORKS} reworks"), tuple(rows))
    return Verdict("rework" if "rework" in worst else "good", tuple(reasons), tuple(rows))


def _row(tolerance: Tolerance, design: Design, measured: Mapping[str, float]) -> dict[str, Any]:
    name, designed = tolerance.parameter, design.number(tolerance.parameter)
    where = f"measurement of {design.id}, {name!r}"
    value = measured.get(name)
    if value is None:
        raise InputError(where, "was not measured", "every toleranced parameter")
    if not math.isfinite(value):
        raise InputError(where, f"{value!r} is not a number", "", "measure again")
    deviation = value - designed
    word = "rework" if _at_most(deviation, tolerance.scrap) else "scrap"
    word = "good" if _at_most(deviation, tolerance.good) else word
    unit = next(p.unit for p in design.parameters if p.name == name)
    return {
        "name": name, "unit": unit, "designed": designed, "as_built": float(value), "deviation": deviation,
        "good": tolerance.good, "scrap": tolerance.scrap, "verdict": word,
        "words": _words(tolerance, designed, value, word),
    }


def _at_most(deviation: float, width: float) -> bool:
    """|deviation| <= width, with room for the rounding of a conversion."""
    return abs(deviation) <= width or math.isclose(abs(deviation), width, rel_tol=1e-6)


def _words(tolerance: Tolerance, designed: float, value: float, word: str) -> str:
    people = tolerance.people
    far = signed(abs(value - designed), people).lstrip("+")
    side = "above" if value > designed else "below"
    limit = signed(tolerance.scrap if word == "scrap" else tolerance.good, people).lstrip("+")
    tail = {"good": "", "rework": f"; good within {limit}", "scrap": f"; scrap beyond {limit}"}[word]
    return f"{tolerance.parameter} {shown(value, people)} is {far} {side} the designed {theirs(designed, people)}{tail}"
