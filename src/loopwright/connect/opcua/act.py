"""Writing one node, for connect/door.py: the only caller, which checks limits, rate, expiry and interlocks."""

from __future__ import annotations

from loopwright.connect.opcua.link import Link, lost
from loopwright.connect.opcua.names import WHERE, Settings, library, namespace, no_namespace
from loopwright.core.clock import Clock
from loopwright.core.errors import LinkError
from loopwright.core.types import Command, Sent
from loopwright.core.units import convert


async def write(settings: Settings, command: Command, clock: Clock) -> Sent:
    """Writes the command's value to the node of its signal, in the unit the server wants, and says what was sent.

    command.value  in command.unit
    returns        value as it went over the wire turned back into command.unit, and what stood there before
    Raises LinkError when the server is not there, has no such node, or refuses; UnitError for a wrong unit.
    """
    library()
    key = f"{command.thing}/{command.signal}"
    wire_unit = settings.units.get(key, settings.units.get(command.signal, command.unit))
    value = convert(command.value, command.unit, wire_unit, key) if wire_unit != command.unit else command.value
    async with Link(settings) as link:
        text = settings.nodes.get(key, settings.nodes.get(command.signal))
        if text is None:
            known = await link.namespaces()
            if namespace(command.thing) not in known:
                raise no_namespace(command.thing, command.signal, known)
            text = f"ns={known.index(namespace(command.thing))};s={command.signal}"
        node = link.node(text)
        (present,) = await link.read([node])
        if present.StatusCode.name == "BadNodeIdUnknown":
            raise LinkError(WHERE, f"the server has no node {text!r} for {key}")
        (data_type,) = await link.read([node], "DataType")
        scalar, number = _as(data_type.Value.Value, value)
        t_ns = clock.now_ns()
        try:
            await link.write(node, number, scalar)
        except lost() as error:
            raise LinkError(WHERE, f"{settings.address} refused {number} for {key}: {error}") from error
    before = present.Value.Value if present.Value is not None else None
    back = convert(float(number), wire_unit, command.unit, key) if wire_unit != command.unit else float(number)
    was = None if before is None else float(before)
    if was is not None and wire_unit != command.unit:
        was = convert(was, wire_unit, command.unit, key)
    return Sent(command, back, t_ns, was)


def _as(data_type: object, value: float) -> tuple[object, float | int | bool]:
    """The Variant type of a node's data type, and the value as that type; LinkError when it is no number."""
    ua = library().ua
    number = getattr(data_type, "Identifier", None)
    if number in (10, 11):
        return ua.VariantType(number), value
    if number == 1:
        return ua.VariantType.Boolean, bool(value)
    if isinstance(number, int) and 2 <= number <= 9:  # SByte .. UInt64
        if value != int(value):
            raise LinkError(WHERE, f"{value} has fractions", f"a whole number ({ua.VariantType(number).name})")
        return ua.VariantType(number), int(value)
    raise LinkError(WHERE, f"the node's data type {data_type} is no number")
