"""Swing weight on the lorythmic scale, and the head mass that gives a wanted one.

The scale is the moment of the club about a fulcrum 14 in from the butt; 1.75 in.oz (49.6 g.in) is a point, ten points
a letter, D0 is 213.5 in.oz. Inside the house swing weight is a number with D0 = 0. Source: R. W. Adams, US patent
1,953,916 (1934); R. Maltby, Golf Club Design, Fitting, Alteration and Repair; the 50 g.in a point and the measuring
recipe (balance point less 14 in, times weight) also in D. Tutelman, tutelman.com/golf/design/swingwt3.php and 4.

    moment = head (L - 14 in) + shaft (b - 14 in) + grip (g - 14 in)
L club length, b balance point of the cut shaft and g of the grip, all from the butt. The head's mass is taken to act
at the end of the length, which the small ferrule and epoxy make good.
"""

from __future__ import annotations

from dataclasses import dataclass

from loopwright.core.errors import InputError
from loopwright.core.units import to_inside

FULCRUM_M = to_inside(14.0, "in")
D0_KG_M = to_inside(213.5, "oz") * to_inside(1.0, "in")
POINT_KG_M = to_inside(1.75, "oz") * to_inside(1.0, "in")


@dataclass(frozen=True)
class Club:
    """What the balance of a club depends on: length (m) and masses (kg).

    shaft_kg_m     mass of the shaft per metre of its length
    shaft_balance  balance point of the cut shaft from the butt, as a share of its length
    tip_m          how much of the club's length the head takes below the tip of the shaft
    grip_balance_m balance point of the grip from the butt
    """

    length_m: float
    shaft_kg_m: float
    grip_kg: float
    shaft_balance: float = 0.485
    tip_m: float = 0.035
    grip_balance_m: float = 0.095

    def __post_init__(self) -> None:
        if self.length_m <= FULCRUM_M or min(self.shaft_kg_m, self.grip_kg) <= 0:
            given = f"length {self.length_m:g} m, shaft {self.shaft_kg_m:g} kg/m, grip {self.grip_kg:g} kg"
            raise InputError("balance of a club", given, "a club longer than 14 in (0.356 m) with masses above 0")

    def without_head_kg_m(self) -> float:
        """Moment of shaft and grip about the fulcrum."""
        shaft_m = self.length_m - self.tip_m
        shaft = self.shaft_kg_m * shaft_m * (self.shaft_balance * shaft_m - FULCRUM_M)
        return shaft + self.grip_kg * (self.grip_balance_m - FULCRUM_M)


def swing_weight(club: Club, head_kg: float) -> float:
    """Swing weight of a club with a head of that mass: D2 is 2.0, C9 is -1.0."""
    moment = club.without_head_kg_m() + head_kg * (club.length_m - FULCRUM_M)
    return (moment - D0_KG_M) / POINT_KG_M


def head_mass_kg(club: Club, wanted: float) -> float:
    """Mass of the head that gives the wanted swing weight; the inverse of swing_weight."""
    moment = D0_KG_M + wanted * POINT_KG_M - club.without_head_kg_m()
    return moment / (club.length_m - FULCRUM_M)


def name(points: float) -> str:
    """The scale's own way to write it: 2.0 -> 'D2.0', -1.0 -> 'C9.0'."""
    letters = "ABCDEFG"
    tenth = round((points + 30.0) * 10)
    letter, rest = divmod(tenth, 100)
    if not 0 <= letter < len(letters):
        raise InputError("swing weight", f"{points:g} points from D0", "A0 (-30) to G9.9 (39.9)")
    return f"{letters[letter]}{rest / 10:.1f}"
