"""The publishing side of MQTT: what a device, a twin or a recording does."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from typing import Any

from loopwright.connect.batch import Frame, Said, Things, frames
from loopwright.connect.mqtt.link import Link, Message
from loopwright.connect.mqtt.settings import WHERE, Settings, peer, topic
from loopwright.connect.outbox import Numbered, Outbox
from loopwright.core.clock import Clock, monotonic_s

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
    tasks = [asyncio.ensure_future(device.hear())]
    try:
        for message in device.outbox.first():
            await device.publish(message)
        if ready is not None:
            ready.set()
        async for frame in frames(batches, WHERE):
            await device.say(frame)
        await device.finish()
    finally:
        tasks += [device.later] if device.later is not None else []
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await device.link.close()
    return sum(device.outbox.numbered.values())


class _Device:
    """Publishes frames of its things and answers readers that missed some."""

    def __init__(self, settings: Settings, things: Things, clock: Clock) -> None:
        self._settings = settings
        self.outbox = Outbox(things, settings.epoch or f"{clock.now_ns():x}", settings.rows, settings.buffer)
        client = f"{settings.client}-says-{os.getpid():x}-{id(self):x}"
        topics = [topic(settings, thing, "resend") for thing in things]
        self.link = Link(peer(settings, client, persistent=False), topics, WHERE)
        self.later: asyncio.Task[None] | None = None
        self._flushing = asyncio.Lock()
        self._stored: dict[str, int] = {}
        self._asked_s = monotonic_s()
        self._answered = asyncio.Event()

    async def say(self, frame: Frame) -> None:
        """Takes one frame; it leaves at once when a message is full, else a moment later."""
        self.outbox.put(frame)
        if self.outbox.full:
            await self.flush()
        elif self.later is None or self.later.done():
            self.later = asyncio.ensure_future(self._flush_later())

    async def _flush_later(self) -> None:
        await asyncio.sleep(LINGER_S)
        await self.flush()

    async def flush(self) -> None:
        """Publishes what waits."""
        async with self._flushing:
            while self.outbox.waits:
                for message in self.outbox.messages():
                    await self.publish(message)

    async def publish(self, message: Numbered) -> None:
        """Hands it to the broker, which keeps the empty ones (retained): they tell whoever comes later."""
        if not message.dropped:
            where = topic(self._settings, message.thing, "points")
            await self.link.publish(where, message.body, retain=message.first == message.stop)

    async def finish(self) -> None:
        """Says that this was all, and stays while somebody still misses something."""
        if self.later is not None:
            await self.later
        await self.flush()
        for message in self.outbox.last():
            await self.publish(message)
        await self.link.drained()
        self._asked_s = monotonic_s()
        while self._stored != self.outbox.numbered:
            left_s = self._asked_s + self._settings.patience_s - monotonic_s()
            if left_s <= 0:
                break
            self._answered.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._answered.wait()

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
        except (ValueError, RecursionError):
            return
        if not isinstance(said, dict):
            return
        if said.get("hello") is True and thing in self.outbox.numbered:
            await self.publish(self.outbox.note(thing))
        if said.get("epoch") != self.outbox.epoch:
            return
        if isinstance(said.get("stored"), int):
            self._stored[thing] = said["stored"]
        for first, stop in _runs(said.get("missing")):
            self._asked_s = monotonic_s()
            for kept in self.outbox.again(thing, first, stop):
                await self.publish(kept._replace(dropped=False))


def _runs(given: Any) -> list[tuple[int, int]]:
    """The runs of a request; none where it makes no sense."""
    if not isinstance(given, list):
        return []
    pairs = [pair for pair in given if isinstance(pair, list) and len(pair) == 2]
    return [(first, stop) for first, stop in pairs if isinstance(first, int) and isinstance(stop, int)]
