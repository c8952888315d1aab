"""An agent of our own: what things say, as any MTConnect client would read it.

    /probe /current?at= /sample?from=&count=     (/<device>/probe .. for one device), MTConnectError when it is wrong

A sample is one observation, numbered in the order it was said. Each device's AVAILABILITY is an observation too:
AVAILABLE at the start, UNAVAILABLE at the end of the stream.
Source: MTConnect Part 1, version 2.4 (REST protocol, buffer, sequence numbers, error codes).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote, urlsplit

import h11
import numpy as np
import pyarrow as pa

from loopwright.connect.batch import Said, by_thing, frames
from loopwright.connect.mtconnect import documents
from loopwright.connect.mtconnect.buffer import Buffer, observations
from loopwright.connect.mtconnect.documents import Desk, Observations, Writer, device_id
from loopwright.connect.mtconnect.names import WHERE, Settings, Things, data_items, instance_of
from loopwright.connect.wire import link_error, require_free
from loopwright.core.clock import Clock
from loopwright.core.errors import UnknownName
from loopwright.core.types import Kind

DEFAULT_COUNT = 100  # of the standard
PARAMETERS: dict[str, set[str]] = {"probe": set(), "current": {"at"}, "sample": {"from", "count"}}
Answer = tuple[int, str]


async def expose(
    settings: Settings, things: Things, batches: Said, clock: Clock, ready: asyncio.Event | None = None
) -> int:
    """Serves what things say until all is said and a reader has stored it; returns how many samples were said.

    batches  POINTS_IN tables or Frames; a frame to 'drop' is numbered and never shown
    ready    set when clients can connect
    A reader has stored everything when it asks for what comes after the last observation.
    Raises LinkError when the port is taken, UnknownName for a thing or signal that was not declared.
    """
    address = urlsplit(settings.address)
    host, port = address.hostname or "", address.port or 80
    require_free(host, port, WHERE)
    agent = Agent(settings, things, clock)
    try:
        server = await asyncio.start_server(agent.serve, host, port)
    except OSError as error:
        raise link_error(WHERE, host, port, error) from None
    try:
        if ready is not None:
            ready.set()
        async for frame in frames(batches, WHERE):
            agent.say(frame.table, heard=frame.deliver == "now")
            await asyncio.sleep(0)  # clients get their turn
        agent.end()
        await agent.all_kept.wait()
        return agent.sent
    finally:
        server.close()
        await agent.close()
        await server.wait_closed()


class Agent:
    """The agent's state and its answers."""

    def __init__(self, settings: Settings, things: Things, clock: Clock) -> None:
        self.sent, self.all_kept = 0, asyncio.Event()
        self._clock, self._started_ns, self._final = clock, clock.now_ns(), False
        self._instance = instance_of(settings.epoch) if settings.epoch else max(1, self._started_ns // 10**9)
        self._things = [(thing, data_items(thing.id, kind)) for thing, kind in things.values()]
        self._writer = Writer(self._things)
        self._devices = np.repeat(np.arange(len(self._things)), [len(items) + 1 for _, items in self._things])
        self._buffer = Buffer(settings.buffer, len(self._devices))
        self._lines: set[asyncio.StreamWriter] = set()
        self._places: dict[str, tuple[int, Kind]] = {}
        place = 0
        for name, (_, kind) in things.items():
            self._places[name] = (place, kind)
            place += 1 + 3 * len(kind.signals)
        self._available(True)

    def _available(self, yes: bool) -> None:
        """Every device's AVAILABILITY."""
        for place, _ in self._places.values():
            columns = (np.array([each]) for each in (0, place, self._clock.now_ns(), 0, int(yes), False))
            self._buffer.add(Observations(*columns))

    def end(self) -> None:
        """Nothing more will come."""
        self._final = True
        self._available(False)

    def say(self, table: pa.Table, heard: bool) -> None:
        """Rows of any things (POINTS_IN). Not heard: numbered only."""
        for thing, rows in by_thing(table):
            if thing not in self._places:
                raise UnknownName(f"{WHERE}: thing", thing, self._places)
            self.sent += rows.num_rows
            if heard:
                self._buffer.add(observations(rows, *self._places[thing]))
            else:
                self._buffer.skip(rows.num_rows)

    def answer(self, target: str) -> Answer:
        """Status and document for the path and query of a GET."""
        parts = urlsplit(target)
        query = dict(parse_qsl(parts.query))
        path = [unquote(part) for part in parts.path.split("/") if part]
        wanted = np.ones(len(self._devices), dtype=bool)
        names = [device_id(thing) for thing, _ in self._things]
        if len(path) == 2 or (len(path) == 1 and path[0] not in PARAMETERS):
            if path[0] not in names:
                return self._error(404, "NO_DEVICE", f"there is no device {path[0]!r}, only {', '.join(names)}")
            wanted = self._devices == names.index(path[0])
            path = path[1:] or ["probe"]
        verb = path[0] if path else "probe"
        odd = sorted(set(query) - PARAMETERS.get(verb, set()))
        if len(path) > 1 or verb not in PARAMETERS:
            return self._error(404, "INVALID_URI", f"{parts.path!r} is neither probe, current nor sample")
        if odd:
            return self._error(400, "UNSUPPORTED", f"this agent has no parameter {', '.join(odd)} for {verb}")
        try:
            numbers = {name: int(text) for name, text in query.items()}
        except ValueError:
            return self._error(400, "INVALID_REQUEST", f"{query} must be whole numbers")
        if verb == "probe":
            things = [thing for place, thing in enumerate(self._things) if wanted[self._devices == place].any()]
            return 200, documents.devices(self._desk(), things)
        return self._current(numbers.get("at"), wanted) if verb == "current" else self._sample(numbers, wanted)

    def _current(self, at: int | None, wanted: np.ndarray) -> Answer:
        buffer = self._buffer
        if at is not None and not buffer.first <= at <= buffer.last:
            return self._error(404, "OUT_OF_RANGE", f"at={at} is outside of {buffer.first} .. {buffer.last}")
        rows = buffer.current(at, wanted, self._started_ns)
        return 200, self._writer.streams(self._desk(), rows, buffer.first, max(1, buffer.last), buffer.last + 1)

    def _sample(self, numbers: Mapping[str, int], wanted: np.ndarray) -> Answer:
        buffer = self._buffer
        first, count = numbers.get("from", buffer.first), numbers.get("count", min(DEFAULT_COUNT, buffer.limit))
        if not min(buffer.first, buffer.last + 1) <= first <= buffer.last + 1:
            return self._error(404, "OUT_OF_RANGE", f"from={first} is outside of {buffer.first} .. {buffer.last}")
        if not 1 <= count <= buffer.limit:
            return self._error(404, "OUT_OF_RANGE", f"count={count} is outside of 1 .. {buffer.limit}")
        if self._final and first > buffer.last:
            self.all_kept.set()
        rows, following = buffer.sample(first, count, wanted)
        return 200, self._writer.streams(self._desk(), rows, buffer.first, max(1, buffer.last), following)

    def _desk(self) -> Desk:
        return Desk(self._instance, self._buffer.limit, self._started_ns, self._clock.now_ns())

    def _error(self, status: int, code: str, text: str) -> Answer:
        return status, documents.error(self._desk(), code, text)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: answers its requests, one after the other, until it is closed."""
        self._lines.add(writer)
        http = h11.Connection(h11.SERVER)
        try:
            while await self._exchange(http, reader, writer):
                http.start_next_cycle()
        except (OSError, h11.RemoteProtocolError):
            pass  # the client is gone, or speaks no HTTP
        finally:
            self._lines.discard(writer)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _exchange(
        self, http: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Reads one request and answers it; whether the connection stays open."""
        request = await _request(http, reader)
        if request is None:
            return False
        if request.method != b"GET":
            status, text = self._error(405, "UNSUPPORTED", f"{request.method.decode()} is not answered, only GET")
        else:
            status, text = self.answer(request.target.decode("ascii", "replace"))
        body = text.encode()
        head = [("Content-Type", "text/xml; charset=utf-8"), ("Content-Length", str(len(body)))]
        for part in (h11.Response(status_code=status, headers=head), h11.Data(data=body), h11.EndOfMessage()):
            writer.write(http.send(part) or b"")
        await writer.drain()
        return http.our_state is h11.DONE and http.their_state is h11.DONE

    async def close(self) -> None:
        """Closes every connection, after a moment in which the last answers get out."""
        await asyncio.sleep(0.05)
        for writer in list(self._lines):
            writer.close()


async def _request(http: h11.Connection, reader: asyncio.StreamReader) -> h11.Request | None:
    """The next whole request; None when the client has closed."""
    request = None
    while not isinstance(event := http.next_event(), h11.EndOfMessage):
        if event is h11.NEED_DATA:
            http.receive_data(await reader.read(65536))
        if isinstance(event, h11.Request):
            request = event
        if isinstance(event, h11.ConnectionClosed):
            return None
    return request
