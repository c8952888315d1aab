"""Where things stand: the newest state of every order, unit, alarm, change ..., kept as events are recorded.

    state(store, "order", limit=50)                      the fifty that moved last
    state(store, "unit", about="T001-B3-016-1")          one
    state(store, "alarm", status="raised")               all in that state
    tally(store, "order")                                {"unit.claimed": 72, "order.refused": 1}
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from loopwright.core.errors import UnknownName
from loopwright.core.kinds import KINDS
from loopwright.store import fold
from loopwright.store.schema import events, lock_writers, states, told

if TYPE_CHECKING:
    from loopwright.store.cellar import Store


@dataclass(frozen=True)
class State:
    """Where one thing stands after the last event that was recorded of it.

    noun, about  what it is: 'unit', its serial
    kind         of its last event: 'unit.claimed'; of an order also an event of one of its units
    since_ns     when that was true; known_ns: when we knew
    number       of that event in the chain: what moved later has a higher one
    parent       what it belongs to: the order of a unit, '' for none
    kinds        kind -> number of its last event of that kind
    body         the fields of its events, a later kind's over an earlier's; {} unless it was asked for
    """

    noun: str
    about: str
    kind: str
    since_ns: int
    known_ns: int
    number: int
    parent: str
    kinds: Mapping[str, int]
    body: Mapping[str, Any]

    @property
    def status(self) -> str:
        """The last event in one word: 'claimed'."""
        return self.kind.partition(".")[2]


def state(
    store: Store,
    noun: str,
    *,
    about: str | Collection[str] | None = None,
    status: str | Collection[str] | None = None,
    parent: str | Collection[str] | None = None,
    before: int | None = None,
    limit: int | None = 200,
    bodies: bool = False,
) -> list[State]:
    """Where things of a noun stand, those that moved last first.

    about    an id or several
    status   the last event, in full ('unit.claimed') or without the noun ('claimed'), or several
    parent   ids of what they belong to: orders, for units
    before   only what moved before this number: with limit, the next page (number of the last row)
    bodies   with the folded fields of their events
    Raises UnknownName for a noun that no kind of event has.
    """
    query = sa.select(states).where(states.c.noun == _noun(noun))
    for column, wanted in ((states.c.about, about), (states.c.parent, parent)):
        if wanted is not None:
            query = query.where(column.in_([wanted] if isinstance(wanted, str) else list(wanted)))
    if status is not None:
        words = [status] if isinstance(status, str) else list(status)
        query = query.where(states.c.kind.in_([word if "." in word else f"{noun}.{word}" for word in words]))
    if before is not None:
        query = query.where(states.c.number < before)
    query = query.order_by(states.c.number.desc(), states.c.about)
    with told("read"), store._engine.connect() as connection:
        found = connection.execute(query.limit(limit) if limit is not None else query).all()
        rows = [(row, json.loads(row.kinds)) for row in found]
        folded = _bodies(connection, [kinds for _, kinds in rows]) if bodies else [{} for _ in rows]
    return [
        State(row.noun, row.about, row.kind, row.since_ns, row.known_ns, row.number, row.parent, kinds, body)
        for (row, kinds), body in zip(rows, folded, strict=True)
    ]


def tally(store: Store, noun: str) -> dict[str, int]:
    """kind of the last event -> how many things of the noun stand there."""
    query = sa.select(states.c.kind, sa.func.count()).where(states.c.noun == _noun(noun)).group_by(states.c.kind)
    with told("read"), store._engine.connect() as connection:
        return {row[0]: row[1] for row in connection.execute(query)}


def rebuild(store: Store) -> int:
    """Makes states and links again from the events, in one transaction; from how many events."""
    store._writable("rebuild")
    with told("written"), store._engine.connect().execution_options(writes=True) as connection, connection.begin():
        lock_writers(connection)
        return fold.rebuild(connection)


def check(store: Store) -> list[str]:
    """Where states and links differ from what the events say, in words; [] when they agree. Reads every event."""
    with told("read"), store._engine.connect() as connection, connection.begin():
        return fold.check(connection)


def _noun(noun: str) -> str:
    known = {kind.noun for kind in KINDS.values()}
    if noun not in known:
        raise UnknownName("noun with a state", noun, known)
    return noun


def _bodies(connection: sa.Connection, kinds: Sequence[Mapping[str, int]]) -> list[dict[str, Any]]:
    """Of each thing the fields of the last event of each kind, laid over each other in the order of recording."""
    wanted = sorted({number for one in kinds for number in one.values()})
    found: dict[int, dict[str, Any]] = {}
    for at in range(0, len(wanted), 500):
        query = sa.select(events.c.number, events.c.body).where(events.c.number.in_(wanted[at:at + 500]))
        found.update({number: json.loads(body) for number, body in connection.execute(query)})
    out = []
    for one in kinds:
        body: dict[str, Any] = {}
        for number in sorted(one.values()):
            body.update(found[number])
        out.append(body)
    return out
