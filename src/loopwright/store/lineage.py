"""The look-ups a trace is made of: events by id, about something, naming something, resting on something.

Each is one search of an index and reads at most as many rows as it was told; what is beyond is counted in the index.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import sqlalchemy as sa

from loopwright.core.kinds import KINDS, references
from loopwright.core.types import Event
from loopwright.store.schema import events, links, reasons, states

Window = tuple[int, int] | None  # first and last t_ns
COUNTED = 100_000  # the rest is counted so far
OWN = 200  # so many events about one thing are looked at, the newest
_NOUNS = {kind.noun for kind in KINDS.values()}
_TIMES = ("start_ns", "end_ns")
_EVENT = (
    events.c.id, events.c.kind, events.c.about, events.c.t_ns, events.c.known_ns, events.c.actor, events.c.body,
    events.c.because, events.c.number,
)


@dataclass
class Node:
    """An event (noun 'event'), or what events are about.

    kind   of the event; of a thing that has a state its last event
    about  what the event is about, '' otherwise
    t_ns   when the event was true; of a thing since when it stands so, 0 where nothing says
    says   the event's short fields
    """

    id: str
    noun: str
    kind: str = ""
    about: str = ""
    t_ns: int = 0
    actor: str = ""
    says: Mapping[str, Any] = field(default_factory=dict)


class Lineage:
    """Look-ups over one connection. each: how many events of one kind are taken. kept: every event that was read, by
    id."""

    def __init__(self, connection: sa.Connection, each: int) -> None:
        self._connection, self.each = connection, each
        self.kept: dict[str, Event] = {}
        self._numbers: dict[int, Event] = {}

    def events(self, ids: Sequence[str]) -> list[Event]:
        """The events of these ids, those that there are."""
        missing = [id_ for id_ in ids if id_ not in self.kept]
        for part in _parts(missing):
            self._read(events.c.id.in_(part))
        return [self.kept[id_] for id_ in ids if id_ in self.kept]

    def about(self, id_: str, window: Window = None) -> list[Event]:
        """Events about an id in the order of recording, of many the newest; in a window of t_ns."""
        query = sa.select(*_EVENT).where(events.c.about == id_)
        if window is not None:
            query = query.where(events.c.t_ns + 0 >= window[0], events.c.t_ns + 0 <= window[1])
        return [self._keep(row) for row in self._connection.execute(query.order_by(events.c.number.desc()).limit(OWN))][
            ::-1
        ]

    def naming(
        self, ref: str, kinds: Sequence[str], window: Window = None
    ) -> tuple[list[Event], dict[str, int]]:
        """Events of these kinds that name an id, of each kind the newest by t_ns; and how many more there are of it, at
        most COUNTED."""
        if not kinds:
            return [], {}
        given: dict[str, Any] = {"ref": ref, "some": self.each + 1}
        if window is not None:
            given |= {"first": window[0], "last": window[1]}
        rows = self._connection.execute(_newest(tuple(kinds), window is not None), given).all()
        taken: dict[str, list[int]] = {}
        for kind, number in rows:
            taken.setdefault(kind, []).append(number)
        more = {}
        for kind, numbers in taken.items():
            if len(numbers) > self.each:
                numbers[self.each:] = []
                more[kind] = self._count(ref, kind, window) - self.each
        return self._numbered([number for numbers in taken.values() for number in numbers]), more

    def because(self, ids: Sequence[str]) -> list[Event]:
        """Events that name one of these events as their reason, the newest."""
        found: list[int] = []
        for part in _parts(ids):
            query = sa.select(reasons.c.number).where(reasons.c.because.in_(part))
            found += self._connection.execute(query.order_by(reasons.c.number.desc()).limit(self.each)).scalars()
        return self._numbered(sorted(found, reverse=True)[: self.each])

    def noun(self, id_: str) -> str:
        """What an id is, by the kinds of the events about it or naming it; '' when there is none."""
        query = sa.select(events.c.kind).where(events.c.about == id_).order_by(events.c.number.desc()).limit(OWN)
        nouns = {KINDS[kind].about for kind in self._connection.execute(query).scalars() if kind in KINDS}
        if nouns:
            return min(nouns, key=lambda noun: (noun == "thing", noun))
        for event in self._numbered(
            self._connection.execute(sa.select(links.c.number).where(links.c.ref == id_).limit(1)).scalars()
        ):
            for leads in (False, True):
                for _, noun, ref in references(event, leads=leads):
                    if ref == id_:
                        return noun or "thing"
        return ""

    def newest(self) -> list[str]:
        """Some ids that a trace may begin with: units, or orders, that moved last."""
        for noun in ("unit", "order"):
            query = sa.select(states.c.about).where(states.c.noun == noun).order_by(states.c.number.desc()).limit(31)
            if found := list(self._connection.execute(query).scalars()):
                return found
        return []

    def stand(self, nodes: Sequence[Node]) -> None:
        """Says of each node where it stands: the kind of its last event, and since when."""
        by_noun: dict[str, dict[str, Node]] = {}
        for node in nodes:
            by_noun.setdefault(node.noun, {})[node.id] = node
        for noun in _NOUNS & by_noun.keys():
            for part in _parts(list(by_noun[noun])):
                query = sa.select(states).where(states.c.noun == noun, states.c.about.in_(part))
                for row in self._connection.execute(query):
                    node = by_noun[noun][row.about]
                    node.kind, node.t_ns = row.kind, row.since_ns

    def _count(self, ref: str, kind: str, window: Window) -> int:
        query = sa.select(links.c.number).where(links.c.ref == ref, links.c.kind == kind)
        if window is not None:
            query = query.where(links.c.t_ns >= window[0], links.c.t_ns <= window[1])
        some = query.limit(self.each + COUNTED).subquery()
        return int(self._connection.execute(sa.select(sa.func.count()).select_from(some)).scalar_one())

    def _numbered(self, numbers: Iterable[int]) -> list[Event]:
        wanted = list(numbers)
        for part in _parts([number for number in wanted if number not in self._numbers]):
            self._read(events.c.number.in_(part))
        return [self._numbers[number] for number in wanted if number in self._numbers]

    def _read(self, chosen: sa.ColumnElement[bool]) -> None:
        for row in self._connection.execute(sa.select(*_EVENT).where(chosen)):
            self._keep(row)

    def _keep(self, row: Any) -> Event:
        id_, kind, about, t_ns, known_ns, actor, body, because, number = row
        if id_ not in self.kept:
            event = Event(
                kind, about, t_ns, actor, json.loads(body), tuple(json.loads(because)), id=id_, known_ns=known_ns
            )
            self.kept[id_] = self._numbers[number] = event
        return self.kept[id_]


def around(event: Event, ref: str, margin_ns: int, heard: bool = False) -> Window:
    """When an event says that it used a thing, with a margin before and after; heard: when the thing spoke, where that
    is told apart."""
    rows: list[Mapping[str, Any]] = [event.body]
    decision = event.body.get("decision")
    for body in (event.body, decision if isinstance(decision, Mapping) else {}):
        for name in ("evidence", "because"):
            evidence = body.get(name)
            if isinstance(evidence, list):
                rows += [row for row in evidence if isinstance(row, Mapping) and row.get("ref") == ref]
    names = ("signals_start_ns", "signals_end_ns") if heard and "signals_start_ns" in event.body else _TIMES
    times = [time for row in rows for name in names if isinstance(time := row.get(name), int) and time] or [event.t_ns]
    return min(times) - margin_ns, max(times) + margin_ns


def widest(one: Window, other: Window) -> Window:
    """The window that holds both; None when either has no limits."""
    if one is None or other is None:
        return None
    return min(one[0], other[0]), max(one[1], other[1])


@cache
def _newest(kinds: tuple[str, ...], windowed: bool) -> sa.TextClause:
    """kind and number of the newest :some events of each kind that name :ref."""
    during = " AND t_ns >= :first AND t_ns <= :last" if windowed else ""
    parts = (
        f"SELECT * FROM (SELECT kind, number FROM links WHERE ref = :ref AND kind = '{kind}'{during} "
        f"ORDER BY t_ns DESC, number DESC LIMIT :some) AS part{i}"
        for i, kind in enumerate(kinds)
    )
    return sa.text(" UNION ALL ".join(parts))


def _parts(ids: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """At most 500 at a time."""
    for at in range(0, len(ids), 500):
        yield ids[at:at + 500]
