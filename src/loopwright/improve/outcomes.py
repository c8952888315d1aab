"""Outcomes: what a product did in use, a row per unit, beside how that unit was really built.

The unit is the row because people and products vary between units; the spread of single shots is kept beside it.
Outcomes are paired with as-built measurements, never with what was designed. For left-handers directions are mirrored,
so that a positive direction means the same (to the right of a right-hander's target line) for everybody.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loopwright.core.errors import InputError
from loopwright.core.types import BAD


@dataclass(frozen=True)
class Outcome:
    """One unit in use.

    as_built    measured parameters, inside units; designed: what was asked for
    outcome     direction_error, direction_error_abs (rad), distance_error, distance_error_abs (m): mean and mean
                absolute per unit
    spread      direction_error, distance_error: standard deviation of single shots
    shots       how many stand behind it
    group       for group metrics only: parts separated by '/', 'female/left'
    assumed     whether person and shots were joined by assumption
    t_ns        time of the last shot
    covariates  what else may explain the outcome (stature, speed), inside units
    """

    unit: str
    person: str
    revision: str
    as_built: Mapping[str, float]
    designed: Mapping[str, float]
    outcome: Mapping[str, float]
    shots: int
    group: str = ""
    assumed: bool = False
    t_ns: int = 0
    order: str = ""
    spread: Mapping[str, float] = field(default_factory=dict)
    covariates: Mapping[str, float] = field(default_factory=dict)

    def deviation(self, parameter: str) -> float | None:
        """As-built minus designed, or None where either is not known."""
        if parameter not in self.as_built or parameter not in self.designed:
            return None
        return float(self.as_built[parameter]) - float(self.designed[parameter])


@dataclass(frozen=True)
class Built:
    """What must be known of a unit before its shots say anything: who uses it, how it was built, by which revision."""

    unit: str
    person: str
    revision: str
    as_built: Mapping[str, float]
    designed: Mapping[str, float]
    handedness: str = "right"
    group: str = ""
    assumed: bool = False
    order: str = ""
    covariates: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ShotSignals:
    """Which signals hold the direction (rad, right of the target line positive) and the distance (m) of a shot."""

    direction: str
    distance: str


def measure(
    points: pa.Table,
    built: Sequence[Built],
    signals: ShotSignals,
    target_m: Mapping[str, float] | None = None,
    fewest: int = 5,
) -> tuple[list[Outcome], dict[str, int]]:
    """One Outcome per unit with enough shots, and how many units have none by reason.

    points    rows with thing (= unit), signal, t_ns, value, quality; other signals are left aside, bad values too
    target_m  person -> the distance that person plays this product for; without one, the person's own median over all
              units here
    fewest    shots with a direction that a unit needs
    returns   outcomes in the order of `built`; {'no shots': 3, 'fewer than 5 shots': 1}
    """
    shots = _by_thing(points, (signals.direction, signals.distance))
    medians = _medians(built, shots, signals.distance) | dict(target_m or {})
    outcomes, left_out = [], {"no shots": 0, f"fewer than {fewest} shots": 0}
    for unit in built:
        directions, times = shots.get((unit.unit, signals.direction), (np.empty(0), np.empty(0)))
        if len(directions) < fewest:
            left_out["no shots" if len(directions) == 0 else f"fewer than {fewest} shots"] += 1
            continue
        distances, _ = shots.get((unit.unit, signals.distance), (np.empty(0), np.empty(0)))
        values, spread = _describe(directions * (-1.0 if unit.handedness == "left" else 1.0), "direction_error")
        if len(distances) >= fewest and unit.person in medians:
            more, more_spread = _describe(distances - medians[unit.person], "distance_error")
            values |= more
            spread |= more_spread
        outcomes.append(
            Outcome(
                unit.unit,
                unit.person,
                unit.revision,
                dict(unit.as_built),
                dict(unit.designed),
                values,
                len(directions),
                unit.group,
                unit.assumed,
                int(times.max()),
                unit.order,
                spread,
                dict(unit.covariates),
            )
        )
    return outcomes, {reason: n for reason, n in left_out.items() if n}


def _describe(errors: np.ndarray, name: str) -> tuple[dict[str, float], dict[str, float]]:
    values = {name: float(errors.mean()), f"{name}_abs": float(np.abs(errors).mean())}
    return values, {name: float(errors.std(ddof=1)) if len(errors) > 1 else math.nan}


def _by_thing(points: pa.Table, names: Iterable[str]) -> dict[tuple[str, str], tuple[np.ndarray, np.ndarray]]:
    """(thing, signal) -> values and times of the values that are there and not bad."""
    kept = points.filter(pc.is_in(points["signal"], value_set=pa.array(list(names))))
    good = pc.and_(pc.is_valid(kept["value"]), pc.less(kept["quality"], BAD))
    kept = kept.filter(pc.fill_null(good, False))
    values = kept["value"].to_numpy(zero_copy_only=False)
    times = kept["t_ns"].to_numpy(zero_copy_only=False)
    keys = list(zip(kept["thing"].to_pylist(), kept["signal"].to_pylist(), strict=True))
    rows: dict[tuple[str, str], list[int]] = {}
    for row, key in enumerate(keys):
        rows.setdefault(key, []).append(row)
    return {key: (values[at], times[at]) for key, at in rows.items()}


def _medians(
    built: Sequence[Built], shots: Mapping[tuple[str, str], tuple[np.ndarray, np.ndarray]], signal: str
) -> dict[str, float]:
    by_person: dict[str, list[np.ndarray]] = {}
    for unit in built:
        if (unit.unit, signal) in shots:
            by_person.setdefault(unit.person, []).append(shots[unit.unit, signal][0])
    return {person: float(np.median(np.concatenate(parts))) for person, parts in by_person.items()}


def as_body(outcome: Outcome) -> dict[str, Any]:
    """The body of an `outcome.measured` event (about the unit): plain data that `from_body` reads back."""
    body = asdict(outcome)
    body.pop("unit")
    return body


def from_body(unit: str, body: Mapping[str, Any]) -> Outcome:
    """The Outcome that `as_body` wrote; InputError names a field that is missing."""
    names = [name for name in Outcome.__dataclass_fields__ if name != "unit"]
    missing = [name for name in ("person", "as_built", "outcome", "shots") if name not in body]
    if missing:
        raise InputError(f"outcome of unit {unit!r}", f"its body lacks {', '.join(missing)}")
    return Outcome(
        unit=unit, **{"revision": "", "designed": {}, **{name: body[name] for name in names if name in body}}
    )
