"""What is derived from events in the transaction that records them: where everything stands, and who names whom.

    states   (noun, about) -> its last event, and the last event of each kind that moved it
    links    id in a body -> the events that name it (fields declared in core.kinds: links and leads)

"Last" is by number: the order of recording, whatever t_ns says. An event of a unit also moves the unit's order
(core.kinds.PARENTS), so that an order stands where the newest of its units stands. Both tables can be made again from
the events alone; `check` does that and compares.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from loopwright.core.errors import StoreError
from loopwright.core.kinds import KINDS, PARENTS, references
from loopwright.core.types import Event
from loopwright.store.schema import events, insert, links, states

CHUNK = 5_000
Numbered = tuple[int, Event]


@dataclass
class Row:
    """Where one thing stands: its last event, its parent ('' for none), and the last event of each kind by number."""

    parent: str = ""
    kind: str = ""
    number: int = 0
    since_ns: int = 0
    known_ns: int = 0
    kinds: dict[str, int] = field(default_factory=dict)

    def move(self, number: int, event: Event) -> None:
        """An event that was recorded after all before."""
        self.kind, self.number, self.since_ns, self.known_ns = event.kind, number, event.t_ns, event.known_ns
        self.kinds[event.kind] = number


Rows = dict[tuple[str, str], Row]


def enter(connection: sa.Connection, recorded: Sequence[Numbered]) -> None:
    """Folds newly recorded events into both tables, in the transaction of the connection."""
    insert(connection, links, links_of(recorded))
    rows = _standing(connection, {(noun_of(event.kind), event.about) for _, event in recorded})
    parents = {(PARENTS[noun], row.parent) for (noun, _), row in rows.items() if noun in PARENTS and row.parent}
    parents |= {named for _, event in recorded if (named := parent_of(event))[1]}
    rows |= _standing(connection, parents - rows.keys())
    moved = fold(recorded, rows)
    insert(connection, states, [_values(key, rows[key]) for key in sorted(moved)], replace=True)


def fold(recorded: Iterable[Numbered], rows: Rows) -> set[tuple[str, str]]:
    """Moves rows by events in the order of their numbers; the keys of those that moved."""
    moved = set()
    for number, event in recorded:
        key = (noun_of(event.kind), event.about)
        row = rows.setdefault(key, Row())
        row.move(number, event)
        moved.add(key)
        if key[0] in PARENTS:
            row.parent = row.parent or parent_of(event)[1]
            if row.parent:
                above = (PARENTS[key[0]], row.parent)
                rows.setdefault(above, Row()).move(number, event)
                moved.add(above)
    return moved


def noun_of(kind: str) -> str:
    """Whose state an event of that kind moves."""
    return KINDS[kind].noun if kind in KINDS else kind.partition(".")[0]


def parent_of(event: Event) -> tuple[str, str]:
    """(noun, id) of the parent that the body names; ('', '') when it names none."""
    above = PARENTS.get(noun_of(event.kind), "")
    named = event.body.get(above) if above else None
    return (above, named) if isinstance(named, str) and named else ("", "")


def links_of(recorded: Iterable[Numbered]) -> list[tuple[str, str, int, int]]:
    """(ref, kind, t_ns, number) of every id that these events name."""
    found = set()
    for number, event in recorded:
        for leads in (False, True):
            for _, _, ref in references(event, leads=leads):
                found.add((ref, event.kind, event.t_ns, number))
    return sorted(found)


def rebuild(connection: sa.Connection) -> int:
    """Makes both tables again from the events; how many events there are. In the caller's transaction."""
    connection.execute(sa.delete(links))
    connection.execute(sa.delete(states))
    count = 0
    for chunk in chunks(connection):
        enter(connection, chunk)
        count += len(chunk)
    return count


def check(connection: sa.Connection) -> list[str]:
    """Where the tables differ from what the events say, in words; [] when they agree."""
    rows: Rows = {}
    said = 0  # links by a sum of their hashes: a difference is looked up only when there is one
    for chunk in chunks(connection):
        fold(chunk, rows)
        said += sum(hash(link) for link in links_of(chunk))
    kept: Rows = dict(_rows(connection.execute(sa.select(states))))
    wrong = [f"{noun} {about} does not stand as its events say" for noun, about in sorted(
        key for key in kept.keys() | rows.keys() if kept.get(key) != rows.get(key)
    )]
    if said != sum(hash(tuple(row)) for row in connection.execute(sa.select(links))):
        linked = {tuple(row) for row in connection.execute(sa.select(links))}
        expected = {link for chunk in chunks(connection) for link in links_of(chunk)}
        wrong += [
            f"event {number} ({kind}) and {ref} are not linked as its body says"
            for ref, kind, _, number in sorted(linked ^ expected)
        ]
    return wrong


def chunks(connection: sa.Connection, after: int = 0) -> Iterator[list[Numbered]]:
    """All events after a number in the order of recording, at most CHUNK at a time."""
    columns = (events.c.number, events.c.kind, events.c.about, events.c.t_ns, events.c.known_ns, events.c.actor,
               events.c.body)
    while True:
        query = sa.select(*columns).where(events.c.number > after).order_by(events.c.number).limit(CHUNK)
        found = [
            (number, Event(kind, about, t_ns, actor, _body(number, kind, body), known_ns=known_ns))
            for number, kind, about, t_ns, known_ns, actor, body in connection.execute(query)
        ]
        if not found:
            return
        yield found
        after = found[-1][0]


def _body(number: int, kind: str, body: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(body)
        return found
    except ValueError as error:
        said = f"the body of event {number} ({kind}) cannot be read ({error})"
        raise StoreError("events", said, "", "restore the database from the last copy") from error


def _standing(connection: sa.Connection, keys: Iterable[tuple[str, str]]) -> Rows:
    """The rows of these keys that there are."""
    wanted: dict[str, list[str]] = {}
    for noun, about in sorted(keys):
        wanted.setdefault(noun, []).append(about)
    found: Rows = {}
    for noun, abouts in wanted.items():
        for at in range(0, len(abouts), 500):
            query = sa.select(states).where(states.c.noun == noun, states.c.about.in_(abouts[at:at + 500]))
            found.update(_rows(connection.execute(query)))
    return found


def _rows(found: Iterable[Any]) -> Iterator[tuple[tuple[str, str], Row]]:
    for noun, about, parent, kind, number, since_ns, known_ns, kinds in found:
        yield (noun, about), Row(parent, kind, number, since_ns, known_ns, json.loads(kinds))


def _values(key: tuple[str, str], row: Row) -> tuple[str, str, str, str, int, int, int, str]:
    kinds = json.dumps(row.kinds, separators=(",", ":"), sort_keys=True)
    return (*key, row.parent, row.kind, row.number, row.since_ns, row.known_ns, kinds)
