"""The reading side of MQTT: from messages to Batches, and questions about what is missing."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from loopwright.connect import payload, relay
from loopwright.connect.batch import Things, empty, from_rows, samples_in
from loopwright.connect.mqtt.link import Link, Message
from loopwright.connect.mqtt.settings import WHERE, Settings, peer, topic
from loopwright.connect.payload import Head
from loopwright.connect.sequence import Stream, Streams
from loopwright.core.clock import Clock, monotonic_s
from loopwright.core.errors import InputError
from loopwright.core.types import Batch, Receipt

_log = logging.getLogger(__name__)
LOOK_S = 0.1  # how often gaps and the end are looked at when nothing arrives
MOST = 50_000  # samples after which a Batch takes no further message


async def read(
    settings: Settings, things: Things, cursor: Callable[[str], int | None], clock: Clock,
    reported: Callable[[Mapping[str, Any]], None] | None = None,
) -> AsyncIterator[Batch]:
    """What the things say, batch by batch, each acknowledged to the broker after its `ack` is awaited.

    things  what is expected here: the stream ends when all of them have said their last; others are heard as well
    cursor  highest stored sequence of a source: where a stream goes on after a restart
    reported  takes the books that an edge sends now and then (None: they are not asked for)
    The last batch of a thing is empty and carries its final count as `sent`; what has not arrived `patience_s` later is
    lost. Messages that cannot be read become `refused` and are acknowledged. Raises LinkError when the first connection
    is impossible; afterwards it comes back by itself for ever.
    """
    topics = [f"{settings.prefix}/+/{way}" for way in ("points", "json", "relay", "report")]
    greet = [topic(settings, thing, "resend") for thing in things]
    link = Link(peer(settings, settings.client, persistent=True), topics, WHERE)
    await link.open()
    streams, waiting = Streams("mqtt", cursor, settings.patience_s), list[_Run]()
    edges: list[Message] = []
    try:
        for where in greet:
            await link.publish(where, b'{"hello": true}')
        while waiting or not streams.over(things, monotonic_s()):
            messages = [m for m in await link.take(LOOK_S) if not _is_report(m, reported)]
            edges += [m for m in messages if m.topic.endswith("/relay")]
            waiting += _runs(messages, streams, things, settings.prefix)
            link.settle()  # messages that hold nothing
            ready = [run for run in waiting if run.stream is None or not run.stream.held(monotonic_s())]
            waiting = [run for run in waiting if run not in ready]
            for run in sorted(ready, key=lambda run: run.head.sequence if run.head else -1):
                yield _batch(run, link)
            await _answer(link, settings, streams)
            edges = await _answer_edges(link, settings, edges)
    finally:
        await link.close()


async def _answer(link: Link, settings: Settings, streams: Streams) -> None:
    """Asks for what is missing, and thanks where everything is stored."""
    for stream, gaps in streams.to_ask(monotonic_s()):
        body = json.dumps({"epoch": stream.epoch, "missing": gaps}).encode()
        await link.publish(topic(settings, stream.thing, "resend"), body)
    for stream in streams.to_thank():
        body = json.dumps({"epoch": stream.epoch, "stored": stream.sent}).encode()
        await (await link.publish(topic(settings, stream.thing, "resend"), body))


async def _answer_edges(link: Link, settings: Settings, messages: list[Message]) -> list[Message]:
    """Tells edges what of theirs is stored; the messages that are not yet."""
    for message in messages:
        if message.owed <= 0:
            with suppress(InputError):
                head = relay.head_of(message.body)
                body = json.dumps({"session": head.session, "post": head.post}).encode()
                await link.publish(topic(settings, head.edge, "stored"), body)
    return [message for message in messages if message.owed > 0]


def _is_report(message: Message, reported: Callable[[Mapping[str, Any]], None] | None) -> bool:
    """Whether it was the books of an edge, which are handed on."""
    if not message.topic.endswith("/report"):
        return False
    message.owed = 0
    try:
        said = json.loads(message.body)
        if reported is not None:
            reported(said if isinstance(said, dict) else {})
    except (ValueError, RecursionError, InputError) as error:
        _log.warning("connect.mqtt: the report on %s cannot be used: %s", message.topic, error)
    return True


@dataclass(eq=False)
class _Run:
    """What becomes one Batch: messages of one source whose samples follow one another."""

    source: str
    head: Head | None
    stream: Stream | None
    tables: list[pa.Table]
    refused: Mapping[str, int]
    messages: list[Message]
    samples: int

    def joins(self, other: _Run) -> bool:
        """Whether `other` goes on exactly where this one ends. Refused samples are numbered last, so they end a run."""
        if self.refused or other.source != self.source or not self.tables[0].schema.equals(other.tables[0].schema):
            return False
        if self.head is None or other.head is None:
            return self.head is other.head
        return other.head.sequence == self.head.sequence + self.samples and self.samples < MOST

    def add(self, other: _Run) -> None:
        self.tables += other.tables
        self.messages += other.messages
        self.refused, self.samples = other.refused, self.samples + other.samples
        if self.head is not None and other.head is not None:
            self.head = replace(self.head, sent=other.head.sent, final=other.head.final)


def _runs(messages: Sequence[Message], streams: Streams, things: Things, prefix: str) -> list[_Run]:
    """The messages as few runs, in the order they came; each message belongs to the runs of its parts."""
    runs: list[_Run] = []
    latest: dict[str, _Run] = {}
    for message in messages:
        parts = _parts(message, streams, things, prefix)
        message.owed = len(parts)
        for part in parts:
            run = latest.get(part.source)
            if run is not None and run.joins(part):
                run.add(part)
            else:
                latest[part.source] = part
                runs.append(part)
    return runs


def _parts(message: Message, streams: Streams, things: Things, prefix: str) -> list[_Run]:
    """What one message holds; nothing for a note that only says how far a thing has counted."""
    thing, _, way = message.topic.removeprefix(prefix + "/").rpartition("/")
    try:
        ways = {"points": _ours, "relay": _relayed}
        parts = ways[way](message, thing) if way in ways else _foreign(message, thing, things)
    except InputError as error:
        return [_Run(f"mqtt/{thing}", None, None, [empty()], {error.given: 1}, [message], 1)]
    for part in parts:
        if part.head is not None and way != "relay":
            part.stream = streams.note(part.head, part.samples, monotonic_s(), kept=message.retained)
            part.source = part.stream.source
    return [p for p in parts if p.samples or (p.head is not None and p.head.final)]


def _ours(message: Message, thing: str) -> list[_Run]:
    table, head = payload.decode(message.body)
    if head.source != thing or any(name != thing for name in table.column("thing").unique().to_pylist()):
        raise InputError(message.topic, "a message about another thing than its topic")
    return [_Run("", head, None, [table], {}, [message], samples_in(table))]


def _relayed(message: Message, edge: str) -> list[_Run]:
    sent = relay.decode(message.body)
    if sent.head.edge != edge:
        raise InputError(message.topic, "a message of another edge than its topic")
    runs = []
    for batch in sent.batches("mqtt"):
        first = batch.sequence or 0
        head = Head(batch.source, sent.head.epoch, first, batch.sent or first + batch.samples)
        runs.append(_Run(batch.source, head, None, [batch.table], batch.refused, [message], batch.samples))
    return runs


def _foreign(message: Message, thing: str, things: Things) -> list[_Run]:
    parts = []
    for report in payload.from_json(message.body, thing, things):
        table, refused = from_rows(report.rows, things)
        refused = dict(Counter(report.refused) + Counter(refused))
        samples = table.num_rows + sum(refused.values())
        parts.append(_Run(f"mqtt/{thing}/json", report.head, None, [table], refused, [message], samples))
    return parts


def _batch(run: _Run, link: Link) -> Batch:
    if run.stream is not None:
        run.stream.owed += 1

    async def ack(receipt: Receipt | None = None) -> None:
        for message in run.messages:
            message.owed -= 1
        if run.stream is not None:
            run.stream.owed -= 1
        run.messages.clear()
        link.settle()

    table = run.tables[0] if len(run.tables) == 1 else pa.concat_tables(run.tables)
    sequence, sent = (run.head.sequence, run.head.sent) if run.head is not None else (None, None)
    return Batch("mqtt", run.source, sequence, table, sent, dict(run.refused), ack=ack)
