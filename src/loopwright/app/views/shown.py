"""Numbers as people like them: metric or imperial, chosen per browser. Conversion is done by `core.units` alone.

shown(0.946, "m", "imperial", "club_length")    Shown(37.24, '37.24', 'in')
shown(140.2, "m", "imperial", "carry")          Shown(153.3, '153.3', 'yd')
"""

from __future__ import annotations

import math
from typing import NamedTuple

from loopwright.core import units

SYSTEMS = ("metric", "imperial")
_HOME = {"metric": units.METRIC, "imperial": units.IMPERIAL}

# Where a signal or parameter departs from its quantity's usual unit, by a word in its name: (quantity, word) ->
# metric, imperial.
_BY_NAME: list[tuple[str, tuple[str, ...], str, str]] = [
    ("length", ("carry", "total", "distance", "side", "offline", "deviation", "roll"), "m", "yd"),
    ("length", ("apex",), "m", "ft"),
    ("length", ("position", "wear", "grip", "offset", "diameter", "thickness", "cg", "x1", "y1", "z1"), "mm", "in"),
    ("speed", ("feed", "axis", "x1", "y1", "z1", "velocity"), "mm/min", "mm/min"),
    ("angular speed", ("gyro", "rate"), "deg/s", "deg/s"),
    ("mass", ("body", "weight_kg"), "kg", "lb"),
]
_DEFAULT = {"metric": {"length": "cm"}, "imperial": {"temperature": "degF"}}
_DIGITS = {
    "mm": 2,
    "cm": 1,
    "m": 1,
    "in": 2,
    "ft": 1,
    "yd": 1,
    "deg": 1,
    "m/s": 1,
    "mph": 1,
    "mm/min": 0,
    "g": 1,
    "rpm": 0,
    "degC": 1,
    "degF": 1,
    "cm3": 1,
    "W": 0,
    "kW": 2,
    "A": 2,
    "V": 1,
    "s": 1,
    "Hz": 1,
    "deg/s": 0,
    "kg": 2,
    "kg/m3": 3,
    "lb": 1,
}
_WORDS = {
    "deg": "°",
    "degC": "°C",
    "degF": "°F",
    "m3": "m³",
    "cm3": "cm³",
    "kg/m3": "kg/m³",
    "m/s2": "m/s²",
    "kg.m2": "kg·m²",
    "1": "",
    "N.m": "N·m",
    "rad/s2": "rad/s²",
}


class Shown(NamedTuple):
    """A number in the unit it is shown in, and both as text."""

    number: float
    text: str
    unit: str

    def __str__(self) -> str:
        glue = "" if self.unit in ("°", "%") else " "
        return f"{self.text}{glue}{self.unit}" if self.unit else self.text


def unit_for(unit: str, system: str, name: str = "") -> str:
    """The unit of `core.units` in which a value of inside unit `unit`, called `name`, is shown in that system.

    An unknown unit is given back as it is, so that a word is never lost on its way to a page; so is every unit for a
    system
    that is none of SYSTEMS ('inside').
    """
    if unit not in units.UNITS or system not in SYSTEMS:
        return unit
    quantity = units.UNITS[unit].quantity
    low = name.lower().replace(".", "_").split("_")
    for of, words, metric, imperial in _BY_NAME:
        if of == quantity and any(word in low for word in words):
            return metric if system == "metric" else imperial
    home = _DEFAULT.get(system, {}).get(quantity) or _HOME.get(system, units.METRIC).get(quantity)
    return home or units.INSIDE[quantity]


def shown(
    value: float | str | None, unit: str, system: str = "metric", name: str = "", digits: int | None = None
) -> Shown:
    """value in inside unit `unit` as it is shown: a dash for nothing, D2 for a swing weight, a word as it is."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return Shown(math.nan, "–", "")
    if isinstance(value, str):
        return Shown(math.nan, value, "")
    if unit == "swingweight":
        return Shown(float(value), swing_weight(float(value)), "")
    wanted = unit_for(unit, system, name)
    number = units.convert(float(value), unit, wanted) if unit in units.UNITS else float(value)
    return Shown(number, plain(number, _DIGITS.get(wanted) if digits is None else digits), _WORDS.get(wanted, wanted))


def word(unit: str) -> str:
    """How a unit's name is written for people: '°' for 'deg'."""
    return _WORDS.get(unit, unit)


def swing_weight(number: float) -> str:
    """The scale of the golf trade: ten points a letter, D0 is 0, C9 is -1. 1.6 is 'D1.6'."""
    tenths = round(number * 10) + 300
    letter, rest = divmod(tenths, 100)
    if not 0 <= letter < 7:
        return plain(number, 1)
    return f"{chr(ord('A') + letter)}{rest / 10:g}"


def plain(number: float, digits: int | None = None) -> str:
    """A number with a thin space between thousands; digits None: three significant figures."""
    if not math.isfinite(number):
        return "–"
    if digits is None:
        size = 0 if number == 0 else math.floor(math.log10(abs(number)))
        digits = max(0, min(6, 2 - size))
    text = f"{number:,.{digits}f}".replace(",", "\u202f")
    if not text.strip("-0."):
        text = text.lstrip("-")  # no minus before a zero
    return text.replace("-", "−")


def whole(number: int | None) -> str:
    """A count: 1 234 567 with thin spaces, a dash for nothing known."""
    return "–" if number is None else f"{number:,}".replace(",", "\u202f")


def short(number: int | None) -> str:
    """A count where room is scarce: 950, 12.3k, 4.56M."""
    if number is None:
        return "–"
    for size, letter in ((1_000_000_000, "G"), (1_000_000, "M"), (10_000, "k")):
        if abs(number) >= size:
            part = number / (1_000 if letter == "k" else size)
            return f"{part:.3g}{letter}" if part < 1000 else f"{part:.0f}{letter}"
    return whole(number)


def took(seconds: float | None) -> str:
    """How long something took: 30 ms, 4.2 s, 3 min 20 s, 2 h 05 min, 3 d 4 h."""
    if seconds is None:
        return "–"
    if seconds < 0.1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.2g} s" if seconds < 1 else f"{seconds:.1f} s"
    whole_s = round(seconds)
    if whole_s < 90:
        return f"{whole_s} s"
    minutes, rest = divmod(whole_s, 60)
    if minutes < 60:
        return f"{minutes} min" + (f" {rest} s" if rest and minutes < 10 else "")
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02d} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def money(minor: int | None, currency: str) -> str:
    """A price: 249.00 EUR from 24900 minor units."""
    return "–" if minor is None else f"{minor / 100:,.2f} {currency}".replace(",", "\u202f")
