"""A server of our own: what a thing says, as any OPC UA client would read it.

Frames go into the memory (history.py) whole, at a cost per frame, not per value. A variable's present value is looked
up when somebody reads it; only variables that somebody subscribes to are told value by value.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from loopwright.connect.batch import Frame, Said, by_thing, frames
from loopwright.connect.opcua.codec import BY_KIND, EPOCH_TICKS, Column, status_of, to_ticks
from loopwright.connect.opcua.history import Desk, Memory, Series, as_float
from loopwright.connect.opcua.names import FRAME_TIMES, KEPT, WHERE, Settings, Things, library, namespace
from loopwright.connect.wire import link_error, require_free
from loopwright.core.clock import Clock
from loopwright.core.errors import UnknownName
from loopwright.core.types import Kind, Signal

HISTORY = 2_000_000  # samples of a thing that are kept for its readers
LEAVE_STEPS = 50  # of 20 ms: longest wait, at the end, for readers to close their connections
Obey = Callable[[str, str, float], None]  # (thing, signal, value as it was written)
_UNITS_URI = "http://www.opcfoundation.org/UA/units/un/cefact"


async def expose(
    settings: Settings, things: Things, batches: Said, clock: Clock, ready: asyncio.Event | None = None, *,
    obey: Obey | None = None,
) -> int:
    """Serves what things say until all is said and a reader has stored it; returns how many samples were said.

    batches  POINTS_IN tables or Frames; a frame to 'drop' is counted as said and never shown
    ready    set when clients can connect
    obey     called for every write by a client; without it nothing is writable
    Raises LinkError when the port is taken, InputError for tables with signals that their kind lacks, MissingExtra.
    """
    library()
    host, port = settings.peer
    require_free(host, port, WHERE)
    server = await _server(settings, clock)
    desk = Desk()
    server.iserver.history_manager = desk
    voices = {}
    for thing, (_, kind) in things.items():
        voices[thing] = await _voice(server, desk, thing, kind, settings, clock, obey)
    try:
        await server.start()
    except OSError as error:
        raise link_error(WHERE, host, port, error) from None
    try:
        if ready is not None:
            ready.set()
        async for frame in frames(batches, WHERE):
            await _say(voices, frame)
        for voice in voices.values():
            await voice.end()
        await _until_kept(server, list(voices.values()))
        return sum(voice.sent for voice in voices.values())
    finally:
        await server.stop()


async def _say(voices: dict[str, Voice], frame: Frame) -> None:
    """One frame, thing by thing; then the server's own tasks get their turn."""
    for thing, table in by_thing(frame.table):
        if thing not in voices:
            raise UnknownName(f"{WHERE}: thing", thing, voices)
        await voices[thing].say(table, heard=frame.deliver == "now")
    await asyncio.sleep(0)


async def _server(settings: Settings, clock: Clock) -> Any:
    server_class, ua = library().Server, library().ua
    server = server_class()
    server.disable_clock()  # its task would make every stop wait up to a second; the time is looked up instead
    await server.init()
    now = ua.NodeId(ua.ObjectIds.Server_ServerStatus_CurrentTime)
    server.iserver.aspace.set_attribute_value_callback(
        now, ua.AttributeIds.Value, lambda node, attribute: ua.DataValue(_when(to_ticks(clock.now_ns()))))
    server.set_endpoint(settings.address)
    server.set_server_name("Loopwright")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    server.set_identity_tokens([ua.AnonymousIdentityToken])
    return server


async def _until_kept(server: Any, voices: list[Voice]) -> None:
    """Waits until a reader has stored everything, then a little for it to leave. Real time: the readers are real."""
    for voice in voices:
        await voice.all_kept.wait()
    for _ in range(LEAVE_STEPS):
        if not server.bserver.clients:
            return
        await asyncio.sleep(0.02)


async def _voice(
    server: Any, desk: Desk, thing: str, kind: Kind, settings: Settings, clock: Clock, obey: Obey | None
) -> Voice:
    """The Object of a thing with its Variables, and the Voice that fills them."""
    ua = library().ua
    index = await server.register_namespace(namespace(thing))
    body = await server.nodes.objects.add_object(ua.NodeId(thing, index), ua.QualifiedName(thing, index))
    voice = Voice(server.iserver.aspace, index, kind, clock)
    aspace = server.iserver.aspace
    for signal in kind.signals:
        node = await _variable(body, index, signal)
        desk.nodes[node.nodeid] = (voice.memory.series_getter(signal.name), signal.kind)
        if obey is not None:
            await node.set_writable()
            aspace.set_attribute_value_setter(node.nodeid, ua.AttributeIds.Value, _setter(obey, thing, signal.name))
        aspace.set_attribute_value_callback(node.nodeid, ua.AttributeIds.Value, voice.present)
        voice.watch(aspace[node.nodeid].attributes[ua.AttributeIds.Value])
    for name, first, kind_of in (
        ("Sent", 0, ua.VariantType.Int64), ("Final", False, ua.VariantType.Boolean),
        ("Epoch", settings.epoch or f"{clock.now_ns():x}", ua.VariantType.String), ("Behind", 0, ua.VariantType.Int64),
        ("Oldest", 0, ua.VariantType.Int64), ("Newest", 0, ua.VariantType.Int64), (KEPT, -1, ua.VariantType.Int64),
    ):
        node = await body.add_variable(ua.NodeId(name, index), ua.QualifiedName(name, index), first, kind_of)
        if name in voice.times:
            await _historized(node)
            desk.nodes[node.nodeid] = (partial(voice.times.__getitem__, name), "counter")
        if name == KEPT:
            await node.set_writable()
            aspace.set_attribute_value_setter(node.nodeid, ua.AttributeIds.Value, voice.was_kept)
    return voice


async def _variable(body: Any, index: int, signal: Signal) -> Any:
    """One Variable with what the table of signals says of it: type, unit, range, words of a state, meaning."""
    ua = library().ua
    scalar = ua.VariantType(BY_KIND[signal.kind])
    name = ua.QualifiedName(signal.name, index)
    data_type = ua.NodeId(BY_KIND[signal.kind], 0)
    first = ua.Variant(0.0 if signal.kind == "gauge" else 0, scalar)
    node = await body.add_variable(ua.NodeId(signal.name, index), name, first, scalar, data_type)
    await _historized(node)
    meaning = ua.DataValue(ua.Variant(ua.LocalizedText(signal.meaning)))
    await node.write_attribute(ua.AttributeIds.Description, meaning)
    if signal.kind == "state":
        words = [ua.EnumValueType(code, ua.LocalizedText(word)) for code, word in signal.codes.items()]
        await node.add_property(ua.NodeId(f"{signal.name}.EnumValues", index), "0:EnumValues", words)
        return node
    unit = ua.EUInformation(_UNITS_URI, -1, ua.LocalizedText(signal.unit), ua.LocalizedText(signal.unit))
    await node.add_property(ua.NodeId(f"{signal.name}.EngineeringUnits", index), "0:EngineeringUnits", unit)
    if signal.low is not None and signal.high is not None:
        span = ua.Range(float(signal.low), float(signal.high))
        await node.add_property(ua.NodeId(f"{signal.name}.EURange", index), "0:EURange", span)
    return node


async def _historized(node: Any) -> None:
    """Tells clients that the variable has a history."""
    ua = library().ua
    readable = ua.Variant(ua.AccessLevel.CurrentRead.mask | ua.AccessLevel.HistoryRead.mask, ua.VariantType.Byte)
    for attribute in (ua.AttributeIds.AccessLevel, ua.AttributeIds.UserAccessLevel):
        await node.write_attribute(attribute, ua.DataValue(readable))
    await node.write_attribute(ua.AttributeIds.Historizing, ua.DataValue(True))


def _setter(obey: Obey, thing: str, signal: str) -> Callable[[Any, Any, Any], None]:
    def took(node: Any, attribute: Any, value: Any) -> None:
        if value.Value is not None and value.Value.Value is not None:
            obey(thing, signal, float(value.Value.Value))

    return took


class Voice:
    """Says what one thing says: into its memory, to whoever subscribes, and into the counters."""

    def __init__(self, aspace: Any, index: int, kind: Kind, clock: Clock) -> None:
        self.memory = Memory(kind, HISTORY)
        self.times = {name: Series(True, HISTORY) for name in FRAME_TIMES}
        self.sent = 0
        self.all_kept = asyncio.Event()  # a reader says that it has stored everything
        self._aspace, self._index, self._kind, self._clock = aspace, index, kind, clock
        self._arrival = self._behind_ns = 0
        self._values: list[Any] = []  # the Value attribute of each signal's node

    def watch(self, attribute: Any) -> None:
        """The Value attribute of the next signal's node: who subscribes to it is told."""
        self._values.append(attribute)

    async def say(self, table: pa.Table, heard: bool) -> None:
        """Rows of this thing (POINTS_IN). Not heard: only counted, as when the link drops them."""
        if not table.num_rows:
            return
        self.sent += table.num_rows
        # the server's time in whole microseconds (asyncua's resolution for Sent), and always growing
        self._arrival = max(self._arrival + 10, to_ticks(self._clock.now_ns()) // 10 * 10)
        if heard:
            place, column = self.memory.add(table, self._arrival)
            oldest, newest = int(column.t_ns.min()), int(column.t_ns.max())
            for name, t_ns in (("Oldest", oldest), ("Newest", newest)):
                self.times[name].add(_single((self._arrival - EPOCH_TICKS) * 100, t_ns, self._arrival))
            await self._tell(place, column)
            if self.memory.behind_ns > self._behind_ns:
                self._behind_ns = self.memory.behind_ns
                await self._write("Behind", self._behind_ns)
        await self._write("Sent", self.sent)

    def was_kept(self, node: Any, attribute: Any, value: Any) -> None:
        """A reader says how many samples it has stored."""
        if int(value.Value.Value) >= self.sent:
            self.all_kept.set()

    async def end(self) -> None:
        """Nothing more will come."""
        await self._write("Final", True)

    async def _tell(self, place: np.ndarray, column: Column) -> None:
        """Every value to those who subscribe to its variable; nothing where nobody does."""
        for j, signal in enumerate(self._kind.signals):
            callbacks = self._values[j].datachange_callbacks
            if not callbacks:
                continue
            mine = column.take(place == j)
            for value in _values(mine if signal.kind != "gauge" else as_float(mine), signal.kind):
                for handle, callback in list(callbacks.items()):
                    await callback(handle, value)

    async def _write(self, name: str, value: Any) -> None:
        ua = library().ua
        scalar = ua.VariantType.Boolean if name == "Final" else ua.VariantType.Int64
        when = _when(self._arrival)
        data = ua.DataValue(ua.Variant(value, scalar), SourceTimestamp=when, ServerTimestamp=when)
        await self._aspace.write_attribute_value(ua.NodeId(name, self._index), ua.AttributeIds.Value, data)

    def present(self, node: Any, attribute: Any) -> Any:
        """The newest value of a variable, for whoever reads it."""
        ua = library().ua
        signal = self._kind.signal(node.Identifier)
        column, _ = self.memory.series(signal.name).page(None, -(2**62), 1)
        if not len(column.t_ns):
            nothing_yet = ua.StatusCode(ua.StatusCodes.BadWaitingForInitialData)
            return ua.DataValue(ua.Variant(None, ua.VariantType.Null), nothing_yet)
        return next(iter(_values(column, signal.kind)))


def _single(t_ns: int, value: int, arrival: int) -> Column:
    return Column(*(np.array([each]) for each in (t_ns, 0, value, False, 0, arrival)))


def _values(column: Column, kind: str) -> Any:
    """asyncua's DataValues, one a sample; its times have whole microseconds (history keeps all of them)."""
    ua = library().ua
    status = status_of(column.quality, column.gap).tolist()
    scalar = ua.VariantType(BY_KIND[kind])
    for t_ns, arrival, value, gap, code in zip(
        column.t_ns.tolist(), column.arrival.tolist(), column.value.tolist(), column.gap.tolist(), status, strict=True
    ):
        variant = ua.Variant(None, ua.VariantType.Null) if gap else ua.Variant(value, scalar)
        yield ua.DataValue(variant, ua.StatusCode(code), _when(to_ticks(t_ns)), _when(arrival))


def _when(ticks: int) -> datetime:
    return datetime(1601, 1, 1, tzinfo=UTC) + timedelta(microseconds=ticks // 10)
