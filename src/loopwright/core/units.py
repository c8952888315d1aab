"""The one table of units, and the conversions at the edges.

Inside the house only the units of `INSIDE` are used; `to_inside` is called once, in connect or in a pack, and
`shown` turns an inside value into the unit a person is used to.

Source of the factors: NIST SP 811 (2008), appendix B.8; exact unless a comment says otherwise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from loopwright.core.errors import UnitError


@dataclass(frozen=True)
class Unit:
    """name, the quantity it measures, and value_inside = value * factor + offset."""

    name: str
    quantity: str
    factor: float = 1.0
    offset: float = 0.0


_INCH_M = 0.0254
_YARD_M = 0.9144
_MILE_M = 1609.344
_POUND_KG = 0.45359237

# quantity -> the unit used inside
INSIDE: dict[str, str] = {
    "length": "m", "mass": "kg", "time": "s", "angle": "rad", "speed": "m/s", "acceleration": "m/s2",
    "angular speed": "rad/s", "angular acceleration": "rad/s2", "frequency": "Hz", "temperature": "degC",
    "pressure": "Pa", "density": "kg/m3",
    "volume": "m3", "force": "N", "moment": "N.m", "energy": "J", "power": "W", "voltage": "V", "current": "A",
    "ratio": "1", "inertia": "kg.m2", "data": "byte", "rate": "1/s", "points": "swingweight",
}

_TABLE = [
    Unit("m", "length"), Unit("mm", "length", 1e-3), Unit("cm", "length", 1e-2), Unit("km", "length", 1e3),
    Unit("in", "length", _INCH_M), Unit("ft", "length", 0.3048), Unit("yd", "length", _YARD_M),
    Unit("mile", "length", _MILE_M),
    Unit("kg", "mass"), Unit("g", "mass", 1e-3), Unit("lb", "mass", _POUND_KG), Unit("oz", "mass", _POUND_KG / 16),
    Unit("s", "time"), Unit("ms", "time", 1e-3), Unit("min", "time", 60.0), Unit("h", "time", 3600.0),
    Unit("rad", "angle"), Unit("deg", "angle", math.pi / 180), Unit("rev", "angle", 2 * math.pi),
    Unit("m/s", "speed"), Unit("mm/s", "speed", 1e-3), Unit("mm/min", "speed", 1e-3 / 60),
    Unit("km/h", "speed", 1 / 3.6), Unit("mph", "speed", _MILE_M / 3600),
    Unit("m/s2", "acceleration"), Unit("mm/s2", "acceleration", 1e-3), Unit("g0", "acceleration", 9.80665),
    Unit("rad/s", "angular speed"), Unit("deg/s", "angular speed", math.pi / 180),
    Unit("rpm", "angular speed", math.pi / 30), Unit("rev/s", "angular speed", 2 * math.pi),
    Unit("rad/s2", "angular acceleration"), Unit("rev/s2", "angular acceleration", 2 * math.pi),
    Unit("Hz", "frequency"), Unit("kHz", "frequency", 1e3),
    Unit("degC", "temperature"), Unit("K", "temperature", 1.0, -273.15), Unit("degF", "temperature", 5 / 9, -160 / 9),
    Unit("Pa", "pressure"), Unit("kPa", "pressure", 1e3), Unit("bar", "pressure", 1e5), Unit("hPa", "pressure", 1e2),
    Unit("kg/m3", "density"), Unit("g/L", "density"), Unit("g/cm3", "density", 1e3),
    Unit("m3", "volume"), Unit("mm3", "volume", 1e-9), Unit("cm3", "volume", 1e-6),
    Unit("N", "force"), Unit("N.m", "moment"), Unit("J", "energy"), Unit("kWh", "energy", 3.6e6),
    Unit("W", "power"), Unit("kW", "power", 1e3), Unit("MW", "power", 1e6), Unit("V", "voltage"), Unit("A", "current"),
    Unit("mA", "current", 1e-3), Unit("1", "ratio"), Unit("%", "ratio", 0.01), Unit("kg.m2", "inertia"),
    Unit("byte", "data"), Unit("1/s", "rate"), Unit("swingweight", "points"),
]
UNITS: dict[str, Unit] = {unit.name: unit for unit in _TABLE}

# how an inside unit is shown to people: quantity (or the one signal that departs from it) -> unit
METRIC = {"length": "m", "angle": "deg", "speed": "m/s", "mass": "g", "angular speed": "rpm", "volume": "cm3"}
IMPERIAL = {"length": "in", "angle": "deg", "speed": "mph", "mass": "g", "angular speed": "rpm", "volume": "cm3"}


def unit(name: str, where: str = "units") -> Unit:
    """The unit of that name; UnitError names the nearest."""
    if name not in UNITS:
        near = [u for u in UNITS if u.lower() == name.lower()]
        hint = f"did you mean {near[0]!r}?" if near else ""
        raise UnitError(where, f"unit {name!r} is not known", ", ".join(UNITS), hint)
    return UNITS[name]


def inside_unit(name: str, where: str = "units") -> str:
    """The unit used inside for the quantity that `name` measures."""
    return INSIDE[unit(name, where).quantity]


def require_inside(name: str, where: str) -> None:
    """Raises UnitError unless `name` is one of the units used inside."""
    inside = inside_unit(name, where)
    if name != inside:
        todo = f"declare {inside!r} and convert in connect"
        raise UnitError(where, f"unit {name!r} is not used inside", f"{inside!r}", todo)


def to_inside(value: float, name: str, where: str = "units") -> float:
    """value in `name` -> value in the inside unit of the same quantity. Works on numbers and arrays."""
    u = unit(name, where)
    return value * u.factor + u.offset


def from_inside(value: float, name: str, where: str = "units") -> float:
    """value in the inside unit -> value in `name`. Works on numbers and arrays."""
    u = unit(name, where)
    return (value - u.offset) / u.factor


def convert(value: float, given: str, wanted: str, where: str = "units") -> float:
    """value in `given` -> value in `wanted`; UnitError when they measure different things."""
    a, b = unit(given, where), unit(wanted, where)
    if a.quantity != b.quantity:
        allowed = ", ".join(u.name for u in _TABLE if u.quantity == b.quantity)
        raise UnitError(where, f"{given!r} measures {a.quantity}, not {b.quantity}", allowed)
    return from_inside(to_inside(value, given), wanted)
