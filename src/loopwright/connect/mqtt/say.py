"""The publishing side of MQTT: what a device, a twin or a recording does."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections import deque
from typing import Any

import pyarrow as pa

from loopwright.connect import payload
from loopwright.connect.batch import Frame, Said, Things, by_thing, empty, frames, samples_in, slices
from loopwright.connect.mqtt.link import Link, Message
from loopwright.connect.mqtt.settings import WHERE, Settings, peer
from loopwright.connect.payload import Head
from loopwright.core.clock import Clock, monotonic_s
from loopwright.core.errors import UnknownName

LINGER_S = 0.02  # small frames wait that long for company in one message
LOOK_S = 1.0


async def expose(
    settings: Settings, things: Things, batches: Said, clock: Clock, ready: asyncio.Event | None = None
) -> int:
    """Publishes what devices say and returns how many samples that were.

    things   who speaks here
    batches  tables of any of them; small ones wait LINGER_S for company, large ones are cut at `rows`
    ready    set once the broker has accepted us
    After the last batch every thing says that it was the last; then requests for what is missing are answered until
    the reader thanks, or nobody has asked for `patience_s`. While the broker is away messages and `batches` wait.
    Raises LinkError when the first connection is impossible, UnknownName for a thing that was not announced.
    """
    device = _Device(settings, things, clock)
    await device.link.open()
    hears = asyncio.ensure_future(device.hear())
    try:
        for thing in things:
            await device.publish(thing, empty())
        if ready is not None:
            ready.set()
        async for frame in frames(batches, WHERE):
            await device.say(frame)
        await device.finish()
    finally:
        hears.cancel()
        await asyncio.wait([hears])
        await device.link.close()
    return sum(device.numbered.values())


class _Device:
    """Publishes frames of its things, and keeps what it published for whoever missed it."""

    def __init__(self, settings: Settings, things: Things, clock: Clock) -> None:
        self._settings = settings
        self._epoch = settings.epoch or f"{clock.now_ns():x}"
        client = f"{settings.client}-says-{os.getpid():x}-{id(self):x}"
        topics = [f"{settings.prefix}/{thing}/resend" for thing in things]
        self.link = Link(peer(settings, client, persistent=False), topics, WHERE)
        self.numbered: dict[str, int] = dict.fromkeys(things, 0)
        self._kept = deque[tuple[str, int, int, bytes]]()  # thing, first, stop, message
        self._kept_samples = 0
        self._waiting: dict[tuple[str, bool, bool], list[pa.Table]] = {}  # by thing, dropped or not, blocks or not
        self._waiting_rows = 0
        self._flushing = asyncio.Lock()
        self._later: asyncio.Task[None] | None = None
        self._stored: dict[str, int] = {}
        self._asked_s = monotonic_s()
        self._answered = asyncio.Event()

    async def say(self, frame: Frame) -> None:
        """Takes one frame; it leaves at once when `rows` have come together, else a moment later."""
        for thing, table in by_thing(frame.table):
            if thing not in self.numbered:
                raise UnknownName("thing to expose", thing, self.numbered)
            key = (thing, frame.deliver == "drop", "values" in table.column_names)
            self._waiting.setdefault(key, []).append(table)
            self._waiting_rows += table.num_rows
        if self._waiting_rows >= self._settings.rows:
            await self.flush()
        elif self._later is None or self._later.done():
            self._later = asyncio.ensure_future(self._flush_later())

    async def _flush_later(self) -> None:
        await asyncio.sleep(LINGER_S)
        await self.flush()

    async def flush(self) -> None:
        """Publishes what waits, in messages of at most `rows`."""
        async with self._flushing:
            waiting, self._waiting, self._waiting_rows = self._waiting, {}, 0
            for (thing, dropped, _), tables in waiting.items():
                for table in slices(pa.concat_tables(tables), self._settings.rows):
                    await self.publish(thing, table, dropped=dropped)

    async def publish(self, thing: str, table: pa.Table, *, dropped: bool = False, final: bool = False) -> None:
        """Numbers one message, keeps it, and hands it to the broker. Empty ones tell whoever comes later (retained)."""
        first, samples = self.numbered[thing], samples_in(table)
        self.numbered[thing] = first + samples
        body = payload.encode(table, Head(thing, self._epoch, first, first + samples, final))
        if samples:
            self._keep(thing, first, first + samples, body)
        if not dropped:
            await self.link.publish(f"{self._settings.prefix}/{thing}/points", body, retain=not samples)

    def _keep(self, thing: str, first: int, stop: int, body: bytes) -> None:
        self._kept.append((thing, first, stop, body))
        self._kept_samples += stop - first
        while self._kept_samples > self._settings.buffer:
            _, oldest, end, _ = self._kept.popleft()
            self._kept_samples -= end - oldest

    async def finish(self) -> None:
        """Says that this was all, and stays while somebody still misses something."""
        if self._later is not None:
            await self._later
        await self.flush()
        for thing in self.numbered:
            await self.publish(thing, empty(), final=True)
        await self.link.drained()
        self._asked_s = monotonic_s()
        while self._stored != self.numbered:
            left_s = self._asked_s + self._settings.patience_s - monotonic_s()
            if left_s <= 0:
                break
            self._answered.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._answered.wait(), left_s)

    async def hear(self) -> None:
        """Answers readers that miss something, for as long as the device speaks."""
        while True:
            for message in await self.link.take(LOOK_S):
                await self._answer(message)
                message.owed = 0
            self.link.settle()
            self._answered.set()

    async def _answer(self, message: Message) -> None:
        thing = message.topic.removeprefix(f"{self._settings.prefix}/").removesuffix("/resend")
        try:
            said = json.loads(message.body)
        except ValueError:
            return
        if not isinstance(said, dict) or said.get("epoch") != self._epoch:
            return
        if isinstance(said.get("stored"), int):
            self._stored[thing] = said["stored"]
        for first, stop in _runs(said.get("missing")):
            self._asked_s = monotonic_s()
            for name, start, end, body in list(self._kept):
                if name == thing and start < stop and end > first:
                    await self.link.publish(f"{self._settings.prefix}/{thing}/points", body)


def _runs(given: Any) -> list[tuple[int, int]]:
    """The runs of a request; none where it makes no sense."""
    if not isinstance(given, list):
        return []
    pairs = [pair for pair in given if isinstance(pair, list) and len(pair) == 2]
    return [(first, stop) for first, stop in pairs if isinstance(first, int) and isinstance(stop, int)]
