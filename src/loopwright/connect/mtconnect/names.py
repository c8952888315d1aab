"""What both sides of our MTConnect agree on: settings, data items of a table of signals, units.

A thing is a Device with the uuid `urn:loopwright:<thing>`; every signal is a data item of that name. MTConnect 2.4 has
no quality of a value, so doubtful and bad values are data items of their own (`<id>.q1`, `<id>.q2`): whoever reads the
plain one gets good values only. Values are given in the units used inside, where MTConnect lacks them as units of our
own (`x:RADIAN`), because a conversion there and back would change the last digit.

Source: MTConnect Part 2 and 3, version 2.4 (types, units); the schemas MTConnectDevices_2.4 and MTConnectStreams_2.4.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from loopwright.connect.wire import LOOPBACK
from loopwright.core.errors import InputError, SiteError, UnitError
from loopwright.core.types import Kind, Signal, Thing
from loopwright.core.units import UNITS, inside_unit

WHERE = "connect.mtconnect"
SENDER = "loopwright"
Things = Mapping[str, tuple[Thing, Kind]]
Scale = tuple[float, float]  # inside = value * factor + offset

# inside unit -> type and unit of the data item that carries it; what is not here is an EVENT of type VARIABLE
TYPES: dict[str, tuple[str, str]] = {
    "m": ("LENGTH", "x:METER"), "rad": ("ANGLE", "x:RADIAN"), "m/s": ("VELOCITY", "x:METER_PER_SECOND"),
    "m/s2": ("ACCELERATION", "METER/SECOND^2"), "rad/s": ("ANGULAR_VELOCITY", "x:RADIAN_PER_SECOND"),
    "rad/s2": ("ANGULAR_ACCELERATION", "x:RADIAN_PER_SECOND2"), "kg": ("MASS", "KILOGRAM"),
    "s": ("PROCESS_TIMER", "SECOND"),
    "Hz": ("FREQUENCY", "HERTZ"), "degC": ("TEMPERATURE", "CELSIUS"), "Pa": ("PRESSURE", "PASCAL"),
    "N": ("LINEAR_FORCE", "NEWTON"), "N.m": ("TORQUE", "NEWTON_METER"), "J": ("ELECTRICAL_ENERGY", "JOULE"),
    "W": ("WATTAGE", "WATT"), "V": ("VOLTAGE_DC", "VOLT"), "A": ("AMPERAGE_DC", "AMPERE"),
    "m3": ("VOLUME_SPATIAL", "CUBIC_METER"),
}
OWN_UNITS = {"x:METER": "m", "x:RADIAN": "rad", "x:METER_PER_SECOND": "m/s", "x:RADIAN_PER_SECOND": "rad/s",
             "x:RADIAN_PER_SECOND2": "rad/s2"}

# unit of MTConnect (Part 2, UnitsEnum and NativeUnitsEnum) -> inside unit, factor, offset
_TURN, _INCH, _FOOT = 2 * math.pi, 0.0254, 0.3048
MTCONNECT_UNITS: dict[str, tuple[str, float, float]] = {
    "AMPERE": ("A", 1, 0), "BAR": ("Pa", 1e5, 0), "CELSIUS": ("degC", 1, 0), "COUNT": ("1", 1, 0),
    "COUNT/SECOND": ("1/s", 1, 0), "CUBIC_METER": ("m3", 1, 0), "CUBIC_MILLIMETER": ("m3", 1e-9, 0),
    "DEGREE": ("rad", math.pi / 180, 0), "DEGREE/MINUTE": ("rad/s", math.pi / 180 / 60, 0),
    "DEGREE/SECOND": ("rad/s", math.pi / 180, 0), "DEGREE/SECOND^2": ("rad/s2", math.pi / 180, 0),
    "FAHRENHEIT": ("degC", 5 / 9, -160 / 9), "FOOT": ("m", _FOOT, 0), "FOOT/MINUTE": ("m/s", _FOOT / 60, 0),
    "FOOT/SECOND": ("m/s", _FOOT, 0), "FOOT/SECOND^2": ("m/s2", _FOOT, 0), "GRAM": ("kg", 1e-3, 0),
    "GRAVITATIONAL_ACCELERATION": ("m/s2", 9.80665, 0), "HERTZ": ("Hz", 1, 0), "HOUR": ("s", 3600, 0),
    "INCH": ("m", _INCH, 0), "INCH/MINUTE": ("m/s", _INCH / 60, 0), "INCH/SECOND": ("m/s", _INCH, 0),
    "INCH/SECOND^2": ("m/s2", _INCH, 0), "JOULE": ("J", 1, 0), "KELVIN": ("degC", 1, -273.15),
    "KILOGRAM": ("kg", 1, 0), "KILOWATT": ("W", 1e3, 0), "KILOWATT_HOUR": ("J", 3.6e6, 0), "LITER": ("m3", 1e-3, 0),
    "METER/SECOND^2": ("m/s2", 1, 0), "MILLIGRAM": ("kg", 1e-6, 0), "MILLILITER": ("m3", 1e-6, 0),
    "MILLIMETER": ("m", 1e-3, 0), "MILLIMETER/MINUTE": ("m/s", 1e-3 / 60, 0), "MILLIMETER/SECOND": ("m/s", 1e-3, 0),
    "MILLIMETER/SECOND^2": ("m/s2", 1e-3, 0), "MINUTE": ("s", 60, 0), "NEWTON": ("N", 1, 0),
    "NEWTON_METER": ("N.m", 1, 0), "PASCAL": ("Pa", 1, 0), "PERCENT": ("1", 0.01, 0), "POUND": ("kg", 0.45359237, 0),
    "RADIAN": ("rad", 1, 0), "RADIAN/MINUTE": ("rad/s", 1 / 60, 0), "RADIAN/SECOND": ("rad/s", 1, 0),
    "RADIAN/SECOND^2": ("rad/s2", 1, 0), "REVOLUTION/MINUTE": ("rad/s", _TURN / 60, 0),
    "REVOLUTION/SECOND": ("rad/s", _TURN, 0), "REVOLUTION/SECOND^2": ("rad/s2", _TURN, 0), "SECOND": ("s", 1, 0),
    "VOLT": ("V", 1, 0), "WATT": ("W", 1, 0), "WATT_SECOND": ("J", 1, 0),
    **{name: (unit, 1, 0) for name, unit in OWN_UNITS.items()},
}


@dataclass(frozen=True)
class Settings:
    """How an MTConnect agent is read, or one of ours is opened.

    url        http://host:port of an agent, or with /device behind it to read that device alone; a folder of documents
               (probe.xml, sample_0001.xml ..) as file:///folder or http://host/folder/; '' is an agent on this machine
    port       of that agent
    items      for agents that are not ours: 'signal' or 'thing/signal' -> id of the data item
    units      'signal' -> unit in which it comes, where the agent's probe does not say or says it wrong
    count      most observations in one answer
    poll_s     seconds between two questions when there was nothing new
    timeout_s  longest wait for an answer
    buffer     observations that an agent of ours keeps
    epoch      name of the numbering that `expose` uses; '' takes a new one at every start
    """

    url: str = ""
    port: int = 5000
    items: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    count: int = 10_000
    poll_s: float = 0.2
    timeout_s: float = 10.0
    buffer: int = 1_000_000
    epoch: str = ""

    def __post_init__(self) -> None:
        parts = urlsplit(self.address)
        if parts.scheme not in ("http", "https", "file") or (parts.scheme != "file" and not parts.hostname):
            raise SiteError(f"{WHERE}.url", f"{self.url!r} is no address of an agent", "http://host:port or file:///folder")
        for signal, name in self.units.items():
            inside_unit(name, f"{WHERE}.units.{signal}")
        for name in ("count", "poll_s", "timeout_s", "buffer"):
            if getattr(self, name) <= 0:
                raise SiteError(f"{WHERE}.{name}", f"{getattr(self, name)}", "more than 0")

    @property
    def address(self) -> str:
        """Where the agent is."""
        return self.url or f"http://{LOOPBACK}:{self.port}"


@dataclass(frozen=True)
class DataItem:
    """One data item: what a signal is in MTConnect, for one quality of its values."""

    id: str
    thing: str
    signal: Signal
    quality: int
    category: str
    type: str
    units: str

    @property
    def element(self) -> str:
        """The name of its observations: VOLTAGE_DC -> VoltageDC."""
        return "".join(part if part == "DC" else part.capitalize() for part in self.type.split("_"))


def data_items(thing: str, kind: Kind) -> list[DataItem]:
    """The data items of a thing, good values first, then doubtful, then bad; each in the order of the table."""
    items = []
    for quality in (0, 1, 2):
        for signal in kind.signals:
            kind_of, units = TYPES.get(signal.unit, ("", "")) if signal.kind == "gauge" else ("", "")
            category = "SAMPLE" if kind_of else "EVENT"
            name = item_id(thing, signal.name) + (f".q{quality}" if quality else "")
            items.append(DataItem(name, thing, signal, quality, category, kind_of or "VARIABLE", units))
    if len({item.id for item in items}) < len(items):
        said = "two of its signals have names that are one in XML"
        raise InputError(f"kind {kind.name!r}", said, "letters, digits, '.', '-', '_'")
    return items


def item_id(thing: str, signal: str) -> str:
    """The id of a signal's data item: a name as XML allows it."""
    return "d." + re.sub(r"[^A-Za-z0-9._-]", "_", f"{thing}.{signal}")


def instance_of(epoch: str) -> int:
    """The agent's instanceId for a named numbering: 1 .. 2^62, always the same for the same name."""
    return 1 + int.from_bytes(hashlib.blake2b(epoch.encode(), digest_size=8).digest(), "big") % 2**62


def scale_of(units: str, given: str, signal: Signal, where: str) -> Scale | None:
    """Factor and offset to the inside unit; None when the value is in it already.

    units  what the agent's probe says ('' = nothing)
    given  what the settings say instead ('' = nothing)
    Raises UnitError when either measures something else than the signal.
    """
    if signal.kind == "state" or not (units or given):
        return None
    if given:
        inside, factor, offset = inside_unit(given, where), UNITS[given].factor, UNITS[given].offset
    elif units in MTCONNECT_UNITS:
        inside, factor, offset = MTCONNECT_UNITS[units]
    else:
        known = ", ".join(sorted(MTCONNECT_UNITS))
        raise UnitError(where, f"the agent gives it in {units!r}", known, "name its unit in `units`")
    if inside != signal.unit:
        said = f"{given or units!r} is no unit of what {signal.unit!r} measures"
        raise UnitError(where, said, f"a unit of the same quantity as {signal.unit!r}")
    return None if (factor, offset) == (1, 0) else (factor, offset)
