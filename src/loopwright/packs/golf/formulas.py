"""The formulas that the fitting rules in charts/ and the bill in product.toml name. All in inside units (m, rad, kg,
m/s).

Their numbers (`c`) stand in the rule's TOML file with units and sources; why these rules, in
docs/why/fitting-sources.md.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np

from loopwright.core.types import Design
from loopwright.core.units import to_inside
from loopwright.packs.golf.flight import Array, fly
from loopwright.packs.golf.swingweight import Club, head_mass_kg

CHARTS = Path(__file__).parent / "charts"


def length_from_stature(
    stature: float, standard_length: float, standard_stature: float, change: float, per_stature: float
) -> float:
    """Club length: the standard length, changed by `change` for every `per_stature` of stature above the standard."""
    return standard_length + change * (stature - standard_stature) / per_stature


def lie_from_chart(wrist_height: float, length: float, **c: float) -> float:
    """Lie angle from wrist to floor (in shoes) and the length of the club.

    The colour chart gives `colour` more lie for every `colour_wrist` of wrist to floor. That is the chart for people
    who get the club length usual for their wrist to floor; a club longer than that lifts the grip, so it is made
    `flatter` for every `per_length` of extra length, which keeps the sole level.
    """
    wrist = wrist_height + c["sole"]
    of_length = {name: c[name] for name in ("standard_length", "standard_stature", "change", "per_stature")}
    usual_length = length_from_stature(wrist / c["wrist_share"] - c["sole"], **of_length)
    chart = c["colour"] * (wrist - c["standard_wrist"]) / c["colour_wrist"]
    return c["standard_lie"] + chart - c["flatter"] * (length - usual_length) / c["per_length"]


def loft_for_landing(club_speed: float | None, ball_speed: float | None, **c: float) -> float:
    """The least loft, from the standard one upwards in steps, with which the ball comes down at `descent` or steeper.

    Without a speed, the standard loft; when not even the weakest loft of the family brings it down so steeply, that
    one. Launch and spin for a loft come from `impact`, the flight from `flight.fly`.
    """
    if club_speed is None and ball_speed is None:
        return c["standard_loft"]
    speed = club_speed if club_speed is not None else float(ball_speed or 0.0) / c["smash"]
    lofts = np.arange(c["standard_loft"], c["weakest_loft"] + c["step"] / 2, c["step"])
    ball, launch, spin = impact(np.full(len(lofts), speed), lofts - c["lean"], np.full(len(lofts), c["attack"]))
    steep = fly(ball, launch, spin).descent_rad >= c["descent"]
    return float(lofts[int(np.argmax(steep))] if steep.any() else lofts[-1])


def impact(club_speed_m_s: Array, dynamic_loft_rad: Array, attack_rad: Array) -> tuple[Array, Array, Array]:
    """Ball speed (m/s), launch angle (rad) and spin (rad/s) of a centred iron shot, (n,) each.

    launch = attack + 0.735 (dynamic loft - attack);  spin = 370 rpm per m/s x club speed x sin(spin loft)
    ball speed = 1.54 club speed cos(spin loft);  spin loft = dynamic loft - attack
    The three numbers are read off TrackMan's published tour averages for the 6-iron (PGA: club 94 mph, dynamic loft
    20.2, attack -3.7, launch 14.0 degrees, ball 130 mph, 6204 rpm; LPGA: 80 mph, 23.6, -2.3, 16.7, 111 mph, 5904 rpm):
    within 3 % of both.
    """
    spin_loft = dynamic_loft_rad - attack_rad
    launch = attack_rad + 0.735 * spin_loft
    spin = 370.0 * club_speed_m_s * np.sin(spin_loft) * math.pi / 30.0
    return 1.54 * club_speed_m_s * np.cos(spin_loft), launch, spin


def flex_from_speed(club_speed: float | None, ball_speed: float | None, **c: float) -> str:
    """Shaft flex by the club speed with a 7-iron: L, A, R, S or X; R where no speed is known.

    c  the speeds from which A (senior), R (regular), S (stiff) and X (extra) begin, and smash for a ball's speed
    """
    if club_speed is None and ball_speed is None:
        return "R"
    speed = club_speed if club_speed is not None else float(ball_speed or 0.0) / c["smash"]
    return "LARSX"[sum(speed >= c[name] for name in ("senior", "regular", "stiff", "extra"))]


def swing_weight_for_length(
    length: float, standard_length: float, shorter: float, standard: float, light: float
) -> float:
    """Target swing weight: `standard` for the standard length and longer, `light` for a club `shorter` by that much
    and more,
    on the straight line between."""
    share = min(1.0, max(0.0, (standard_length - length) / shorter))
    return standard + share * (light - standard)


def head_mass_for(length: float, swing_weight: float, grip_diameter: float, **c: float) -> float:
    """Mass of the head that gives the club its target swing weight, with this length and the grip of this size."""
    grip = c["grip_mass"] + c["grip_extra"] * (grip_diameter - c["standard_grip"]) / c["per_diameter"]
    return head_mass_kg(Club(length, c["shaft_mass"] / c["shaft_length"], grip), swing_weight)


def shaft_blank_m(design: Design) -> float:
    """Length of shaft that a club takes: its length less what the head adds below the tip, and 5 mm to cut."""
    return design.number("length") - 0.035 + 0.005


@lru_cache(maxsize=16)
def chart_constants(rule: str) -> Mapping[str, float]:
    """The constants of a rule's file in inside units."""
    with (CHARTS / f"{rule}.toml").open("rb") as file:
        table = tomllib.load(file)["constants"]
    return {key: to_inside(float(row[0]), row[1]) for key, row in table.items()}


def base_length_m(measures: Mapping[str, float]) -> float:
    """Club length by the chart as it is published, whatever changes have been released since."""
    return length_from_stature(measures["stature"], **chart_constants("length"))


def base_lie_rad(measures: Mapping[str, float]) -> float:
    """Lie by the chart as it is published, whatever changes have been released since."""
    return lie_from_chart(measures["wrist_height"], base_length_m(measures), **chart_constants("lie"))


FORMULAS: dict[str, Callable[..., float]] = {
    "length_from_stature": length_from_stature, "lie_from_chart": lie_from_chart, "loft_for_landing": loft_for_landing,
    "flex_from_speed": flex_from_speed,  # type: ignore[dict-item]
    "swing_weight_for_length": swing_weight_for_length, "head_mass_for": head_mass_for, "shaft_blank_m": shaft_blank_m,
}
