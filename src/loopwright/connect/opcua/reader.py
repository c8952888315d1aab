"""Reading OPC UA: everything once. What was missed comes from history, what is new from the subscription.

Two kinds of servers are read by the same loop:

- one of ours (names.py) counts what it says. Its counters are watched; at each change the new samples are fetched from
  its history, all signals in one request, decoded as columns. Exact: nothing is fetched twice on one connection, late
  samples included, and the count says what is lost.
- any other: its nodes are watched, every change is a row. Messages that got lost are asked for again; where that fails
  or a queue of the server ran over, history fills the hole if the server has one. Nothing counts there (unless a node
  'Sent' is mapped): lost is unknown.

After a break, or a restart of this program, history is read from the newest sample that is known. Samples of that
very time come twice and have equal keys, so the store keeps one. Measured and decided in
docs/decisions/0004-opcua-resume.md.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field

import numpy as np

from loopwright.connect.batch import empty
from loopwright.connect.opcua.codec import EPOCH_TICKS, Run, to_ticks
from loopwright.connect.opcua.link import Link, News, lost
from loopwright.connect.opcua.names import (
    DOORS,
    FRAME_TIMES,
    KEPT,
    WHERE,
    Settings,
    Things,
    library,
    mapped,
    namespace,
    no_namespace,
    scales,
)
from loopwright.connect.opcua.rows import Scale, by_handle, is_sample, pick, to_table
from loopwright.connect.wire import Backoff
from loopwright.core.clock import Clock
from loopwright.core.errors import LinkError
from loopwright.core.types import Batch, Kind

log = logging.getLogger(__name__)

Newest = Callable[[str, str], int | None]
HISTORY_READ = 4  # bit of an access level


@dataclass
class Ear:
    """What is known of one thing on one server, across connections.

    ours       whether its server counts (names.py)
    nodes      signal -> node id; doors: Sent, Final .. -> node id
    last_ns    signal -> newest source time handed on (of a foreign server: the last one)
    sure_ns    signal -> up to here nothing is missing; begin_ns: where we began
    sent       the server's count; arrival: its stamp of the last sample counted; heard: of the last one handed on
    behind_ns  how far a sample may come behind a newer one of its signal
    given      samples handed on; told: the count handed on with them
    """

    thing: str
    kind: Kind
    ours: bool
    nodes: dict[str, str]
    doors: dict[str, str]
    last_ns: dict[str, int | None]
    sure_ns: dict[str, int | None] = field(default_factory=dict)
    begin_ns: dict[str, int | None] = field(default_factory=dict)
    sent: int | None = None
    arrival: int = 0
    heard: int | None = None
    behind_ns: int = 0
    epoch: str = ""
    final: bool = False
    given: int = 0
    told: int | None = None

    @property
    def source(self) -> str:
        return f"opcua/{self.thing}" + (f"#{self.epoch}" if self.epoch else "")

    def batch(self, found: Iterable[tuple[str, Run]], factors: dict[tuple[str, str], Scale], sent: int | None) -> Batch:
        """Everything found as one Batch, and the books brought up to it."""
        found = list(found)
        table, refused = to_table(self.thing, self.kind, found, factors)
        for name, run in found:
            times = run.t_ns[is_sample(run)]
            if len(times):
                newest = max(int(times.max()), self.last_ns[name] or 0)
                self.last_ns[name] = newest if self.ours else int(times[-1])  # a foreign clock may go back
                self.begin_ns.setdefault(name, int(times.min()))
                self.sure_ns.setdefault(name, int(times.min()))
        self.given += table.num_rows + sum(refused.values())
        self.told = sent
        return Batch("opcua", self.source, None, table, sent, refused)

    def door(self, name: str, run: Run) -> None:
        """The newest value of one of the server's counters."""
        if run.value is None:
            return
        value = run.value[-1]
        if name == "Sent":
            self.sent, self.arrival = int(value), to_ticks(int(run.t_ns[-1]))
        if name == "Final":
            self.final = bool(value)
        if name == "Behind":
            self.behind_ns = int(value)
        if name == "Epoch" and value != self.epoch:
            self.epoch, self.heard, self.given, self.told = str(value), None, 0, None


@dataclass
class Reading:
    """What one `read` is about, across connections. over: every stream is at its end and handed on."""

    settings: Settings
    things: Things
    factors: dict[tuple[str, str], Scale]
    clock: Clock
    ears: list[Ear] = field(default_factory=list)
    over: bool = False


async def read(
    settings: Settings, things: Things, cursor: Callable[[str], int | None], clock: Clock, *,
    newest: Newest | None = None,
) -> AsyncIterator[Batch]:
    """What the things of a server say, batch by batch; ends when every one of them has said that it is at its end.

    cursor  not used: OPC UA numbers messages, not samples
    newest  (thing, signal) -> t_ns of the newest sample that is stored, to resume from; None: nothing is known
    Batches have no sequence (equal keys tell a repeat); `sent` is the server's own count where it has one.
    Raises LinkError when the first connection fails or the server lacks the nodes; later it reconnects by itself.
    """
    library()
    reading, backoff = Reading(settings, things, scales(settings, things), clock), Backoff(clock)
    while not reading.over:
        async with aclosing(_connected(reading, newest)) as batches:
            async for batch in batches:
                backoff.reset()
                yield batch
        if not reading.over:
            await backoff.wait()


async def _connected(reading: Reading, newest: Newest | None) -> AsyncGenerator[Batch, None]:
    """The batches of one connection. When it breaks, that is said in the log; LinkError when it is the first."""
    settings = reading.settings
    try:
        async with Link(settings) as link:
            reading.ears = reading.ears or await _find(link, settings, reading.things, newest)
            async for batch in _listen(link, reading):
                yield batch
            reading.over = True
    except lost() as error:
        if not reading.ears:
            raise _first(error, settings) from error
        log.warning("opcua: %s: %s; connecting again", settings.address, error)


def _first(error: BaseException, settings: Settings) -> LinkError:
    if isinstance(error, LinkError):
        return error
    said = f"{settings.address} does not answer as an OPC UA server: {error or type(error).__name__}"
    return LinkError(WHERE, said, "", "check that the address is that of an OPC UA server without encryption")


async def _find(link: Link, settings: Settings, things: Things, newest: Newest | None) -> list[Ear]:
    """One Ear a thing: by its namespace on a server of ours, by the map of nodes on any other."""
    known = await link.namespaces()
    ears = []
    for thing, (_, kind) in things.items():
        nodes = mapped(settings, thing, kind)
        ours = not nodes
        if ours and namespace(thing) not in known:
            raise no_namespace(thing, kind.signals[0].name, known)
        if ours:
            names = (*(signal.name for signal in kind.signals), *DOORS, *FRAME_TIMES, KEPT)
            nodes = {name: f"ns={known.index(namespace(thing))};s={name}" for name in names}
        doors = {name: nodes.pop(name) for name in (*DOORS, *FRAME_TIMES, KEPT) if name in nodes}
        last = {signal: newest(thing, signal) if newest else None for signal in nodes}
        ears.append(Ear(thing, kind, ours, nodes, doors, last))
    await _check(link, ears)
    return ears


async def _check(link: Link, ears: list[Ear]) -> None:
    """Raises LinkError naming the nodes that the server lacks."""
    names = [(f"{ear.thing}/{name}", text) for ear in ears for name, text in {**ear.nodes, **ear.doors}.items()]
    answers = await link.read([link.node(text) for _, text in names], "NodeClass")
    bad = [f"{name} ({text})" for (name, text), each in zip(names, answers, strict=True) if each.StatusCode.is_bad()]
    if bad:
        more = f" and {len(bad) - 5} more" if len(bad) > 5 else ""
        said = f"the server has no node for {', '.join(bad[:5])}{more}"
        raise LinkError(f"{WHERE}.nodes", said, "", "look its node ids up with an OPC UA browser")


async def _listen(link: Link, reading: Reading) -> AsyncIterator[Batch]:
    """Everything one connection gives. The subscription opens first, then history is read: nothing falls between."""
    settings, ears, factors = reading.settings, reading.ears, reading.factors
    watched = await _watch(link, settings, ears)
    foreign = [ear for ear in ears if not ear.ours]
    first_ns = reading.clock.now_ns() - round(settings.backlog_s * 1e9) if settings.backlog_s else None
    for ear in foreign:
        since = {name: first_ns if t_ns is None else t_ns for name, t_ns in ear.last_ns.items()}
        async for batch in _refill(link, ear, factors, since):
            yield batch
    async for news in link.news():
        values = _sort(news.runs, watched)
        for ear in ears:
            async for batch in _heard(link, ear, values.get(ear.thing, []), factors, news.gap):
                yield batch
        if all(_complete(ear, news) for ear in ears):
            break
    for ear in ears:
        async for batch in _last(link, ear, factors):
            yield batch
    for ear in ears:
        if ear.ours and ear.sent is not None:  # whoever asked for the batch after the last one has stored that
            with contextlib.suppress(*lost()):
                await link.write(link.node(ear.doors[KEPT]), ear.sent, library().ua.VariantType.Int64)


async def _watch(link: Link, settings: Settings, ears: list[Ear]) -> list[tuple[Ear, str]]:
    """Subscribes to counters and, on foreign servers, to values; gives what each handle stands for."""
    watched: list[tuple[Ear, str]] = []
    wanted = []
    for ear in ears:
        doors = {name: text for name, text in ear.doors.items() if name in DOORS}
        for name, text in {**({} if ear.ours else ear.nodes), **doors}.items():
            watched.append((ear, name))
            wanted.append((link.node(text), 1 if name in DOORS else settings.queue))
    status = await link.subscribe(wanted)
    bad = [f"{ear.thing}/{name}" for (ear, name), code in zip(watched, status, strict=True) if code >> 31]
    if bad:
        raise LinkError(WHERE, f"the server refuses to watch {', '.join(bad[:5])}")
    return watched


def _sort(runs: list[Run], watched: list[tuple[Ear, str]]) -> dict[str, list[tuple[str, Run]]]:
    """Thing -> (signal, changes); what the counters say goes into the ears."""
    found: dict[str, list[tuple[str, Run]]] = {}
    for run in runs:
        for handle, mine in by_handle(run):
            ear, name = watched[handle]
            if name in DOORS:
                ear.door(name, mine)
            else:
                found.setdefault(ear.thing, []).append((name, mine))
    return found


def _complete(ear: Ear, news: News) -> bool:
    """Whether the stream is final and handed on: to its count, or to where the server has nothing more to tell."""
    return ear.final and (ear.ours or news.empty or (ear.sent is not None and ear.given >= ear.sent))


async def _heard(
    link: Link, ear: Ear, values: list[tuple[str, Run]], factors: dict[tuple[str, str], Scale], gap: bool
) -> AsyncIterator[Batch]:
    """The batches of one message. gap: messages or values before it were lost."""
    if ear.ours:
        async for batch in _fetch(link, ear, factors):
            yield batch
        return
    if values:
        yield ear.batch(values, factors, ear.sent)
    if gap:
        log.warning("opcua: %s: changes were lost, asking history", ear.source)
        async for batch in _refill(link, ear, factors, ear.sure_ns):
            yield batch
    ear.sure_ns.update(ear.last_ns)


async def _fetch(link: Link, ear: Ear, factors: dict[tuple[str, str], Scale]) -> AsyncIterator[Batch]:
    """From a server of ours: what it has counted and not yet handed out on this connection."""
    upto, sent = ear.arrival, ear.sent
    if not ear.epoch or sent is None or (ear.heard is not None and upto <= ear.heard):
        return
    for group, start_ns, end_ns in await _spans(link, ear, upto):
        async for page in link.history([link.node(ear.nodes[name]) for name in group], start_ns, end_ns):
            runs = [(group[place], run) for place, each in page for run in each]
            found = [(name, pick(run, _fresh(run, ear, upto, start_ns))) for name, run in runs]
            if any(len(run.t_ns) for _, run in found):
                yield ear.batch(found, factors, sent)
    ear.heard = upto
    if ear.told != sent:
        yield ear.batch([], factors, sent)


async def _spans(link: Link, ear: Ear, upto: int) -> list[tuple[list[str], int | None, int | None]]:
    """(signals, first time, first time no longer) to ask history for: nothing counted up to `upto` is missed."""
    names = list(ear.nodes)
    if ear.heard is None:
        starts: dict[int | None, list[str]] = {}
        for name in names:
            t_ns = ear.last_ns[name]
            starts.setdefault(None if t_ns is None else t_ns - ear.behind_ns, []).append(name)
        return [(group, start, None) for start, group in starts.items()]
    found: dict[int, list[np.ndarray]] = {0: [], 1: []}
    first, last = (ear.heard + 1 - EPOCH_TICKS) * 100, (upto + 1 - EPOCH_TICKS) * 100
    async for page in link.history([link.node(ear.doors[name]) for name in FRAME_TIMES], first, last):
        for place, runs in page:
            new = [pick(run, (run.arrival > ear.heard) & (run.arrival <= upto)) for run in runs]
            found[place].extend(np.asarray(run.value) for run in new if len(run.t_ns))
    if not (found[0] and found[1]):
        return []
    return [(names, int(min(each.min() for each in found[0])), int(max(each.max() for each in found[1])) + 1)]


def _fresh(run: Run, ear: Ear, upto: int, start_ns: int | None) -> np.ndarray:
    """Which samples of a page are wanted: arrived after the last ones handed on, not after `upto`, not too old."""
    fresh = run.arrival <= upto
    if ear.heard is not None:
        fresh &= run.arrival > ear.heard
    return fresh if start_ns is None else fresh & (run.t_ns >= start_ns)


async def _refill(
    link: Link, ear: Ear, factors: dict[tuple[str, str], Scale], since: dict[str, int | None]
) -> AsyncIterator[Batch]:
    """What a foreign server remembers of its signals since these times (None: nothing of it is asked)."""
    names = list(ear.nodes)
    levels = await link.read([link.node(ear.nodes[name]) for name in names], "UserAccessLevel")
    starts: dict[int, list[str]] = {}
    for name, level in zip(names, levels, strict=True):
        start_ns = since.get(name)
        if start_ns is not None and level.StatusCode.is_good() and int(level.Value.Value) & HISTORY_READ:
            starts.setdefault(start_ns, []).append(name)
    for start_ns, group in starts.items():
        async for page in link.history([link.node(ear.nodes[name]) for name in group], start_ns):
            found = [(group[place], pick(run, run.t_ns >= start_ns)) for place, runs in page for run in runs]
            if any(len(run.t_ns) for _, run in found):
                yield ear.batch(found, factors, ear.sent)


async def _last(link: Link, ear: Ear, factors: dict[tuple[str, str], Scale]) -> AsyncIterator[Batch]:
    """Before the end: what is still missing is looked for in history; then the final count goes out."""
    if not ear.ours and ear.sent is not None and ear.given < ear.sent:
        async for batch in _refill(link, ear, factors, ear.begin_ns):
            yield batch
    if ear.sent is not None and ear.told != ear.sent:
        ear.told = ear.sent
        yield Batch("opcua", ear.source, None, empty(), ear.sent)
