"""HTTP: devices that post batches to the house's own API, and ourselves as such a device.

    POST <url>   body: an Arrow stream of `payload` (as over MQTT), or JSON {"thing", "t", "values"} and lists of it
    answer       200 {"samples": n, "stored": n, "duplicate": n, "refused": {reason: n}, "missing": [[first, stop], ..]}
                 once it is stored, else 503

`read` empties the queue that the API fills: `ingest(settings).put(body, content_type, source)` comes back when the
batch is stored. `expose` posts, and repeats under the same numbers until it is answered. No web framework here: `app`
mounts it. How to: docs/how-to/connect-http.md.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import pyarrow as pa

from loopwright.connect import payload, relay
from loopwright.connect.batch import Frame, Said, Things, frames, from_rows, samples_in
from loopwright.connect.outbox import Numbered, Outbox
from loopwright.connect.payload import Head
from loopwright.connect.sequence import Stream, Streams
from loopwright.connect.wire import Backoff, link_error, secret
from loopwright.core.clock import Clock, monotonic_s
from loopwright.core.errors import InputError, LinkError
from loopwright.core.types import Batch, Receipt

WHERE = "connect.http"
LOOK_S = 0.1
WAITING = 64  # posts that wait for the store; a further one is told to come again
POST_S = 30.0  # longest wait for one answer
RELAYED = 2.5  # the post of an edge waits so many times as long: it is large, and others stand before it


@dataclass(frozen=True)
class Settings:
    """One entrance for posts, or one place to post to.

    url         where `expose` posts to: 'http://127.0.0.1:8080/api/points'
    name        which entrance `read` empties; one plant, one name
    token_env   environment variable with the API token that `expose` shows
    epoch       name of the numbering that `expose` uses; '' takes a new one at every start
    rows        most samples in one post
    buffer      samples that `expose` keeps to send again
    patience_s  how long missing samples, and the store, are waited for
    """

    url: str = ""
    name: str = "api"
    token_env: str = ""
    epoch: str = ""
    rows: int = 20_000
    buffer: int = 500_000
    patience_s: float = 10.0


# read: the house's side --------------------------------------------------------------------------------------------


@dataclass
class _Post:
    """One post, and whether all of its batches are stored."""

    batches: list[Batch] = field(default_factory=list)
    streams: list[Stream] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=lambda: Counter(stored=0, duplicate=0))
    samples: int = 0
    owed: int = 0
    stored: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, batch: Batch) -> None:
        """One more batch; its ack counts it off."""

        async def ack(receipt: Receipt | None = None) -> None:
            if receipt is not None:  # what the store refused, and of the unreadable ones what it had not heard before
                self.refused.subtract(batch.refused)
                self.refused.update(receipt.refused)
                self.kept["stored"] += receipt.stored
                self.kept["duplicate"] += receipt.duplicate
            self.owed -= 1
            if not self.owed:
                self.stored.set()

        self.owed += 1
        self.batches.append(replace(batch, ack=ack))


def _kind(content_type: str) -> str:
    return content_type.split(";")[0].strip().lower()


@dataclass
class _Turn:
    """Whose turn it is among the posts of one session of an edge. broken: one failed, so those behind it fail too."""

    session: str
    following: int = 0
    broken: bool = False
    moved: asyncio.Condition = field(default_factory=asyncio.Condition)


class Ingest:
    """The entrance: what is put in comes out of `read`, and `put` returns once all of it is acknowledged."""

    def __init__(self, settings: Settings, things: Things, cursor: Callable[[str], int | None]) -> None:
        self._settings, self._things = settings, things
        self._posts: asyncio.Queue[_Post] = asyncio.Queue(WAITING)
        self._turns: dict[tuple[str, str], _Turn] = {}
        self.streams = Streams("http", cursor, settings.patience_s)

    async def put(self, body: bytes, content_type: str, source: str = "") -> dict[str, Any]:
        """Takes one post and comes back when it is stored: {"samples", "stored", "duplicate", "refused",
        "missing"}; samples = stored + duplicate + what is refused by reason, a refused sample being no error.

        source  who posts, where the body does not number its values
        Raises InputError for a body that cannot be read (the API answers 400), LinkError when too many posts wait or
        the store does not come to it within `patience_s` (503: the device posts it again under the same numbers).
        """
        where = f"{WHERE}.{self._settings.name}"
        patience_s = self._settings.patience_s
        if _kind(content_type) == relay.RELAY:
            patience_s *= RELAYED
            post = await self._relayed(body, where, patience_s)
        else:
            self._check_room(where)
            post = self._post(body, content_type, source)
            if post.batches:
                self._posts.put_nowait(post)
        if post.batches:
            try:
                async with asyncio.timeout(patience_s):
                    await post.stored.wait()
            except TimeoutError:
                raise LinkError(where, "not stored in time", "", "post it again") from None
        gaps = [gap for stream in post.streams for gap in stream.gaps()]
        refused = {reason: n for reason, n in post.refused.items() if n > 0}
        return {"samples": post.samples, **post.kept, "refused": refused, "missing": gaps}

    def _check_room(self, where: str) -> None:
        if self._posts.full():
            raise LinkError(where, f"{WAITING} posts are waiting", "", "post it again later")

    async def _relayed(self, body: bytes, where: str, patience_s: float) -> _Post:
        """The post of an edge, after those that it sent before: its posts may overtake one another on the way."""
        sent = await asyncio.to_thread(relay.decode, body)
        key = (sent.head.edge, sent.head.epoch)
        if key not in self._turns or self._turns[key].session != sent.head.session:
            self._turns[key] = _Turn(sent.head.session)
        turn = self._turns[key]
        try:
            async with asyncio.timeout(patience_s), turn.moved:
                await turn.moved.wait_for(lambda: turn.broken or turn.following >= sent.head.post)
            if turn.broken:
                raise LinkError(where, "a post before it was not taken", "", "post them all again")
            self._check_room(where)
        except (TimeoutError, LinkError) as error:
            turn.broken = True
            async with turn.moved:
                turn.moved.notify_all()
            if isinstance(error, LinkError):
                raise
            raise LinkError(where, "a post before it did not come", "", "post them all again") from None
        post = _Post()
        for batch in sent.batches("http"):
            post.samples += batch.samples
            post.refused.update(batch.refused)
            post.add(batch)
        if post.batches:
            self._posts.put_nowait(post)
        turn.following = max(turn.following, sent.head.post + 1)
        async with turn.moved:
            turn.moved.notify_all()
        return post

    def _post(self, body: bytes, content_type: str, source: str) -> _Post:
        post = _Post()
        kind = _kind(content_type)
        if kind == payload.ARROW:
            table, head = payload.decode(body)
            self._add(post, table, head, {}, source)
        elif kind == payload.JSON:
            for report in payload.from_json(body, things=self._things):
                table, refused = from_rows(report.rows, self._things)
                self._add(post, table, report.head, dict(Counter(report.refused) + Counter(refused)), source)
        else:
            raise InputError("Content-Type", f"{content_type!r}", f"{payload.ARROW}, {payload.JSON}, {relay.RELAY}")
        return post

    def _add(self, post: _Post, table: pa.Table, head: Head | None, refused: Mapping[str, int], source: str) -> None:
        samples = samples_in(table) + sum(refused.values())
        post.samples += samples
        post.refused.update(refused)
        if head is None:
            post.add(Batch("http", f"http/{source or 'anyone'}/json", None, table, refused=refused))
            return
        stream = self.streams.note(head, samples, monotonic_s())
        post.streams.append(stream)
        if samples or head.final:
            post.add(Batch("http", stream.source, head.sequence, table, head.sent, refused))

    async def next(self, wait_s: float) -> list[Batch]:
        """Batches of the next post; none when nothing comes within wait_s."""
        try:
            async with asyncio.timeout(wait_s):
                return (await self._posts.get()).batches
        except TimeoutError:
            return []

    def over(self) -> bool:
        """Whether every thing has said its last, and nothing waits."""
        return self._posts.empty() and self.streams.over(self._things, monotonic_s())


_entrances: dict[str, Ingest] = {}  # those that are read now, by name: the API and the loop find the same one


def ingest(settings: Settings) -> Ingest:
    """The entrance of that name, for whoever receives the posts; LinkError while nobody reads it (503)."""
    if settings.name not in _entrances:
        raise LinkError(f"{WHERE}.{settings.name}", "nobody reads what is posted", "", "post it again later")
    return _entrances[settings.name]


async def read(
    settings: Settings, things: Things, cursor: Callable[[str], int | None], clock: Clock
) -> AsyncIterator[Batch]:
    """What is posted, batch by batch; each post is answered once its batches are acknowledged.

    Ends when every thing has said its last, with an empty batch a thing that carries its final count as `sent`.
    Raises LinkError when the entrance of that name is read already.
    """
    if settings.name in _entrances:
        raise LinkError(f"{WHERE}.{settings.name}", "it is read already", "", "give the second one another `name`")
    entrance = _entrances[settings.name] = Ingest(settings, things, cursor)
    try:
        while not entrance.over():
            for batch in await entrance.next(LOOK_S):
                yield batch
            entrance.streams.to_ask(monotonic_s())  # the answers say what is missing; here only the patience runs
    finally:
        del _entrances[settings.name]


# expose: the device's side -----------------------------------------------------------------------------------------


async def expose(
    settings: Settings, things: Things, batches: Said, clock: Clock, ready: asyncio.Event | None = None
) -> int:
    """Posts what devices say and returns how many samples that were.

    What comes while a post is under way goes with the next one, at most `rows` in each. A post without an answer is
    repeated under the same numbers, so nothing doubles; what the house says is missing is sent again.
    Raises LinkError when the first post is impossible or the house refuses one for good.
    """
    token = secret(settings.token_env, f"{WHERE}.token_env")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with httpx.AsyncClient(timeout=POST_S, headers=headers) as client:
        device = _Device(settings, things, clock, client)
        try:
            for message in device.outbox.first():
                await device.post(message, settings.patience_s)
            if ready is not None:
                ready.set()
            async for frame in frames(batches, WHERE):
                await device.say(frame)
            await device.finish()
        finally:
            if device.later is not None:
                device.later.cancel()
                await asyncio.wait([device.later])
        return sum(device.outbox.numbered.values())


class _Device:
    """Posts frames of its things, one post at a time."""

    def __init__(self, settings: Settings, things: Things, clock: Clock, client: httpx.AsyncClient) -> None:
        self._url, self._clock, self._client = settings.url, clock, client
        self.outbox = Outbox(things, settings.epoch or f"{clock.now_ns():x}", settings.rows, settings.buffer)
        self.later: asyncio.Task[None] | None = None
        self._posting = asyncio.Lock()

    async def say(self, frame: Frame) -> None:
        """Takes one frame; it leaves when the post before it is answered."""
        self.outbox.put(frame)
        if self.outbox.full:
            await self.flush()
        elif self.later is None or self.later.done():
            if self.later is not None:
                self.later.result()  # a post that failed for good ends it all
            self.later = asyncio.ensure_future(self.flush())

    async def flush(self) -> None:
        """Posts what waits."""
        async with self._posting:
            while self.outbox.waits:
                for message in self.outbox.messages():
                    await self.post(message)

    async def finish(self) -> None:
        """Posts the rest, and that it was the last."""
        if self.later is not None:
            await self.later
        await self.flush()
        for message in self.outbox.last():
            await self.post(message)

    async def post(self, message: Numbered, patience_s: float | None = None) -> None:
        """Posts one message, and again what the answer says is missing.

        patience_s  give up after that long (the first post), None: never
        """
        if message.dropped:
            return
        for first, stop in await self._answer(message.body, patience_s):
            for kept in self.outbox.again(message.thing, first, stop):
                await self._answer(kept.body, None)

    async def _answer(self, body: bytes, patience_s: float | None) -> list[tuple[int, int]]:
        """Posts until it is answered; what the house says is missing."""
        backoff, began_s = Backoff(self._clock), monotonic_s()
        while True:
            try:
                answer = await self._client.post(self._url, content=body, headers={"Content-Type": payload.ARROW})
            except httpx.HTTPError as error:
                if patience_s is not None:
                    raise _no_answer(self._url, error) from None
            else:
                if answer.is_success:
                    return [(int(first), int(stop)) for first, stop in answer.json().get("missing", [])]
                for_good = answer.status_code < 500 and answer.status_code != httpx.codes.TOO_MANY_REQUESTS
                if for_good or (patience_s is not None and monotonic_s() - began_s > patience_s):
                    raise LinkError(WHERE, f"{self._url} answers {answer.status_code}: {answer.text[:200]}")
            await backoff.wait()


def _no_answer(url: str, error: httpx.HTTPError) -> LinkError:
    """The first post did not get through, in words."""
    if isinstance(error, httpx.UnsupportedProtocol):
        return LinkError(f"{WHERE}.url", f"{url!r}", "an address that begins with http:// or https://")
    address = httpx.URL(url)
    cause: BaseException = error
    while (deeper := cause.__cause__ or cause.__context__) is not None:
        cause = deeper
    if isinstance(error, httpx.TimeoutException):
        cause = TimeoutError()
    advice = "start the house there (loopwright run SITE.toml), or correct `url`"
    return link_error(WHERE, address.host, address.port or 80, cause, advice)
