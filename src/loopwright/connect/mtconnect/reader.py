"""Reading MTConnect: every observation once, by its number, and the numbers that never came counted.

A batch is numbered as the agent numbers: from its first sample to its last. Observations of data items that nobody
mapped have numbers too; the ones between two samples are counted as refused, 'not mapped', so that the numbers of a
source are never without an account and a number that is missing was really lost: by the agent's buffer running over
(its firstSequence is ahead of us) or on the way. Those before the first sample and behind the last are nobody's.
An agent of our own numbers nothing but samples between the AVAILABILITYs of its devices, so its samples count from 0.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loopwright.connect.batch import empty
from loopwright.connect.mtconnect.documents import UNAVAILABLE
from loopwright.connect.mtconnect.names import WHERE, Settings, Things, item_id, scale_of
from loopwright.connect.mtconnect.parse import Header, Item, Refusal, Streams, library, probe
from loopwright.connect.mtconnect.rows import Target, to_table
from loopwright.connect.mtconnect.sources import LOST, Agent, Folder, open_source
from loopwright.connect.wire import Backoff, link_error
from loopwright.core.clock import Clock
from loopwright.core.errors import LinkError, UnknownName
from loopwright.core.types import Batch, Kind, Signal

log = logging.getLogger(__name__)
NOT_MAPPED = "not mapped"


@dataclass(frozen=True)
class Plan:
    """Which data item is which signal.

    targets    what they are inside; place: id of a data item -> its target
    ends       ids of the AVAILABILITY of our own devices: when all are UNAVAILABLE, the stream is at its end
    complete   the agent is one of ours and every device of it is read: its samples can be counted
    zero       the agent's number of the sample that we call 0
    name       of the source: its things
    """

    targets: list[Target]
    place: dict[str, int]
    ends: frozenset[str]
    complete: bool
    zero: int
    name: str


@dataclass
class Course:
    """How far one numbering (one instance of the agent) has been read.

    at       number to ask for next; None: the oldest there is
    seen     last number that was seen; carry: first number that no batch accounts for yet
    started  whether a sample was ever handed on (before that, nobody's numbers are skipped)
    ended    availabilities that said UNAVAILABLE; told: the count that was handed on last
    """

    source: str
    instance: int
    at: int | None = None
    seen: int = 0
    carry: int = 0
    started: bool = False
    ended: frozenset[str] = frozenset()
    told: int | None = None

    def pieces(self, sequence: np.ndarray, mapped: np.ndarray, part: bool) -> Iterator[tuple[slice, int, int]]:
        """Cuts the observations of a document into batches: (rows, first number, last number).

        mapped  (n,) which of them are samples; part: the document is of one device, other numbers belong to others
        """
        edges = np.flatnonzero(np.diff(sequence) != 1) + 1 if not part else np.zeros(0, dtype=int)
        starts = np.r_[0, edges].astype(int)
        for start, stop in zip(starts, np.r_[edges, len(sequence)].astype(int), strict=True):
            first, last = int(sequence[start]), int(sequence[stop - 1])
            if not part and first != self.seen + 1:
                self.carry = first  # numbers before it were lost
            self.seen = last
            hits = np.flatnonzero(mapped[start:stop])
            if not len(hits):
                continue
            end = start + int(hits[-1])
            if not self.started:
                self.carry = int(sequence[start + int(hits[0])])
            yield slice(start, end + 1), self.carry, int(sequence[end])
            self.started, self.carry = True, int(sequence[end]) + 1

    def jump(self, first: int) -> None:
        """The agent has forgotten what came before that number."""
        self.at, self.carry, self.seen = first, first, first - 1

    def sent(self, header: Header, plan: Plan) -> int | None:
        """Samples that an agent of ours has numbered; None for any other. Its devices' AVAILABILITY are no samples."""
        if not plan.complete:
            return None
        devices = len(plan.ends)
        known = header.following - 1 - devices - len(self.ended)
        return max(0, known, header.last - 2 * devices)


@dataclass
class State:
    """What stays when a connection breaks: plan, course, who knows where to resume. over: nothing more will come."""

    cursor: Callable[[str], int | None]
    plan: Plan | None = None
    course: Course | None = None
    over: bool = False


async def read(
    settings: Settings, things: Things, cursor: Callable[[str], int | None], clock: Clock
) -> AsyncIterator[Batch]:
    """What things say to an agent, batch by batch; ends when an agent of ours says so, or a folder has no more.

    cursor  source -> highest number stored without a gap, to resume behind it
    Batches have the agent's own numbers; source 'mtconnect/<thing>#<instanceId>'.
    Raises LinkError when the first contact fails, UnknownName for a data item that the agent lacks, UnitError.
    """
    library()
    backoff, state = Backoff(clock), State(cursor)
    while not state.over:
        async with aclosing(_connected(settings, things, state, clock)) as batches:
            async for batch in batches:
                backoff.reset()
                yield batch
        if not state.over:
            await backoff.wait()


async def _connected(settings: Settings, things: Things, state: State, clock: Clock) -> AsyncGenerator[Batch, None]:
    """The batches of one connection. When it breaks, that is said in the log; LinkError when it is the first."""
    try:
        async with await open_source(settings) as source:
            if state.plan is None:
                items = probe(await source.probe(), f"{settings.address}/probe")
                state.plan = make_plan(items, settings, things)
            async for batch in _follow(source, settings, state.plan, state, clock):
                yield batch
            state.over = True
    except LOST as error:
        if state.plan is None:
            raise _first(error, settings) from error
        log.warning("mtconnect: %s: %s; asking again", settings.address, error)


def _first(error: BaseException, settings: Settings) -> LinkError:
    """Why the first contact failed, in words."""
    if isinstance(error, LinkError):
        return error
    parts = urlsplit(settings.address)
    cause = error
    while cause.__cause__ is not None or cause.__context__ is not None:  # httpx wraps the socket's own error
        cause = cause.__cause__ or cause.__context__ or cause
    return link_error(WHERE, parts.hostname or "", parts.port or 80, cause if isinstance(cause, OSError) else error)


def make_plan(items: dict[str, Item], settings: Settings, things: Things) -> Plan:
    """Which of an agent's data items is which signal: by the map of the settings, or as our own agent names them."""
    devices = {item.device for item in items.values()}
    targets: dict[str, Target] = {}
    ours = set()
    for thing, (_, kind) in things.items():
        names = _mapped(settings, thing, kind)
        if not names and _device(thing) not in devices:
            raise LinkError(WHERE, f"the agent has no device {_device(thing)!r}", ", ".join(sorted(devices)),
                            'if it is not an agent of ours, map its data items: items = { "signal" = "id" }')
        if not names:
            ours.add(_device(thing))
            names = {signal.name: item_id(thing, signal.name) for signal in kind.signals}
        for name, plain in names.items():
            targets |= _targets(items, settings, thing, kind.signal(name), plain)
    ends = {item.id for item in items.values() if item.device in ours and item.type == "AVAILABILITY"}
    place = {item: place for place, item in enumerate(targets)}
    complete = bool(ours) and devices == ours
    zero = len(ends) + 1 if complete else 0
    return Plan(list(targets.values()), place, frozenset(ends), complete, zero, "+".join(things))


def _targets(items: dict[str, Item], settings: Settings, thing: str, signal: Signal, plain: str) -> dict[str, Target]:
    """The data items that carry a signal: the plain one, and on an agent of ours those of doubtful and bad values."""
    if plain not in items:
        raise UnknownName(f"{WHERE}.items.{signal.name}: data item", plain, items)
    found = {}
    for quality, item in enumerate((plain, f"{plain}.q1", f"{plain}.q2")):
        if item in items:
            given, where = settings.units.get(signal.name, ""), f"{WHERE}.items.{thing}/{signal.name}"
            found[item] = Target(thing, signal, quality, scale_of(items[item].units, given, signal, where))
    return found


def _mapped(settings: Settings, thing: str, kind: Kind) -> dict[str, str]:
    """signal -> id of the data item, of a thing on a foreign agent; {} on one of ours. UnknownName for no signal."""
    found = {}
    for key, item in settings.items.items():
        owner, _, signal = key.rpartition("/")
        if owner in ("", thing):
            found[kind.signal(signal).name] = item
    return found


def _device(thing: str) -> str:
    return f"urn:loopwright:{thing}"


async def _follow(
    source: Agent | Folder, settings: Settings, plan: Plan, state: State, clock: Clock
) -> AsyncIterator[Batch]:
    """Batches of one connection."""
    while (found := await _ask(source, plan, state)) is not None:
        course = state.course
        assert course is not None
        if isinstance(found, Refusal):
            if not _regained(state, plan, (await _oldest(source, found)).header):
                await clock.sleep(settings.poll_s)
            continue
        for batch in _batches(found, course, plan, source.part):
            yield batch
        course.at = max(found.header.following, course.seen + 1)
        at_end = course.at > found.header.last
        if at_end and plan.ends and plan.ends <= course.ended:
            if (sent := course.sent(found.header, plan)) is not None and sent != course.told:
                yield Batch("mtconnect", course.source, None, empty(), sent)
            with contextlib.suppress(*LOST):  # whoever asked for the batch after the last one has stored that
                await source.sample(course.at, 1)
            return
        if at_end and isinstance(source, Agent):
            await clock.sleep(settings.poll_s)


def _regained(state: State, plan: Plan, header: Header) -> bool:
    """Puts the course where the agent has something, after it refused our number; False: there is nothing yet.

    It has another instance, or has forgotten our number. Nothing yet: it plays a recording again, and is not as far.
    """
    course = state.course
    if course is None or header.instance != course.instance:
        state.course = _course(plan, header.instance, state.cursor)
    elif header.first > (course.at or 0):
        log.warning("mtconnect: %s: observations up to %d are gone", course.source, header.first - 1)
        course.jump(header.first)
    else:
        return False
    return True


async def _ask(source: Agent | Folder, plan: Plan, state: State) -> Streams | Refusal | None:
    """The next document; the course is that of its instance. None: there will be no more."""
    if state.course is None and isinstance(source, Agent):
        header = (await _oldest(source)).header
        source.limit(header.buffer)
        state.course = _course(plan, header.instance, state.cursor)
    found = await source.sample(state.course.at if state.course else None)
    if isinstance(found, Refusal) and (state.course is None or found.code != "OUT_OF_RANGE"):
        raise LinkError(WHERE, f"the agent refuses: {found.code} {found.text}")
    if isinstance(found, Streams) and (state.course is None or found.header.instance != state.course.instance):
        state.course = _course(plan, found.header.instance, state.cursor)
        if isinstance(source, Agent):
            return await _ask(source, plan, state)
    return found


async def _oldest(source: Agent | Folder, refusal: Refusal | None = None) -> Streams:
    """The agent's header now, with its oldest observation. `refusal`: what it answered just before."""
    found = await source.sample(None, 1)
    if not isinstance(found, Streams):
        said = found or refusal
        raise LinkError(WHERE, f"the agent gives no sample: {said.code} {said.text}" if said else "there is no sample")
    return found


def _course(plan: Plan, instance: int, cursor: Callable[[str], int | None]) -> Course:
    """The course of an instance, resumed where the store says."""
    course = Course(f"mtconnect/{plan.name}#{instance}", instance)
    stored = cursor(course.source)
    if stored is not None:
        course.jump(stored + 1 + plan.zero)
        course.started = True
    return course


def _batches(found: Streams, course: Course, plan: Plan, part: bool) -> Iterator[Batch]:
    """The document's observations as batches. What was handed on before is left out."""
    new = found.sequence >= (course.at or 0)
    sequence = found.sequence[new]
    if not len(sequence):
        return
    rows = pa.array(np.flatnonzero(new))
    item, time, value = (column.take(rows) for column in (found.item, found.time, found.value))
    several = item.dictionary_encode()
    names = several.dictionary.to_pylist()
    which = np.array([plan.place.get(name, -1) for name in names], dtype=np.int64)[several.indices.to_numpy()]
    for name in plan.ends & set(names):
        said = value.filter(pc.equal(item, name))[-1].as_py()
        course.ended = course.ended | {name} if said == UNAVAILABLE else course.ended - {name}
    sent = course.sent(found.header, plan)
    for place, first, last in course.pieces(sequence, which >= 0, part):
        mapped = place.start + np.flatnonzero(which[place] >= 0)
        at = pa.array(mapped)
        table, refused = to_table(plan.targets, which[mapped], time.take(at), value.take(at))
        nobodys = last - first + 1 - len(mapped)
        refused |= {NOT_MAPPED: nobodys} if nobodys else {}
        course.told = sent
        yield Batch("mtconnect", course.source, first - plan.zero, table, sent, refused)
