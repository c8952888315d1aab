"""Which values must stay because something that still stands rests on them.

The rule: begin with every alarm that is open, every decision that was not declined and asks for something, every
change that was neither declined nor undone, with its trial. Follow what they name as their reason (`because`) back to
the beginning. Every range of points that one of these events names stays: a piece of evidence, or a machine with a
start and an end. While a change stands, what units with a measured outcome said stays too, and what the machines said
while they were made. Of a correction both stay, what it replaced and what it put there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from loopwright.core.types import Event
from loopwright.store.schema import events as _events
from loopwright.store.schema import told
from loopwright.store.sql import quoted

if TYPE_CHECKING:
    from loopwright.store.cellar import Store

_MANY = 500


@dataclass(frozen=True)
class Range:
    """Values of a thing and signal ('': all of them) with start_ns <= t_ns <= end_ns (None: open)."""

    thing: str
    signal: str = ""
    start_ns: int | None = None
    end_ns: int | None = None

    def sql(self, span_ns: int) -> str:
        """As a condition. span_ns: how long a row may last that reaches into it."""
        parts = [f"thing = {quoted(self.thing)}"]
        if self.signal:
            parts.append(f"signal = {quoted(self.signal)}")
        if self.start_ns is not None:
            parts.append(f"t_ns >= {self.start_ns - span_ns}")
        if self.end_ns is not None:
            parts.append(f"t_ns <= {self.end_ns}")
        return f"({' AND '.join(parts)})"


def kept(store: Store) -> list[Range]:
    """Every range that must stay."""
    changes = _standing(store, "change.proposed", ("change.declined", "change.undone"))
    decisions = _standing(store, "decision.made", ("decision.declined",))
    roots = [
        *_standing(store, "alarm.raised", ("alarm.cleared",)), *changes,
        *(event for event in decisions if event.body["decision"].get("action")),
    ]
    found = set(_corrected(store))
    if changes:
        roots += store.recall(kind="trial.assigned")
        found |= _of_units(store, {event.about for event in store.recall(kind="outcome.measured")})
    for event in _back(store, roots):
        found.update(_named(event.body))
    return sorted(found, key=repr)


def _standing(store: Store, begins: str, ends: tuple[str, ...]) -> list[Event]:
    """Events of one kind after which none of the others came about the same."""
    over = {event.about: event.known_ns for event in store.recall(kind=ends)}
    return [event for event in store.recall(kind=begins) if event.known_ns > over.get(event.about, 0)]


def _back(store: Store, roots: Iterable[Event]) -> Iterator[Event]:
    """These events, and all that they name as their reason, and so on."""
    seen: set[str] = set()
    front = list(roots)
    while front:
        yield from front
        seen.update(event.id for event in front)
        wanted = sorted({name for event in front for name in event.because} - seen)
        front = [event for at in range(0, len(wanted), _MANY) for event in _by_id(store, wanted[at:at + _MANY])]


def _by_id(store: Store, ids: list[str]) -> list[Event]:
    with told("read"), store._engine.connect() as connection:
        rows = connection.execute(sa.select(_events).where(_events.c.id.in_(ids))).mappings().all()
    return [
        Event(row["kind"], row["about"], row["t_ns"], row["actor"], json.loads(row["body"]),
              tuple(json.loads(row["because"])), row["key"] or "", row["id"], row["known_ns"]) for row in rows
    ]


def _named(body: Any) -> Iterator[Range]:
    """The ranges of points that a body names, wherever they stand in it."""
    if isinstance(body, list | tuple):
        for part in body:
            yield from _named(part)
    elif isinstance(body, dict):
        thing = body.get("ref") if body.get("kind") == "points" else body.get("machine", body.get("thing"))
        start, end = body.get("start_ns"), body.get("end_ns")
        if isinstance(thing, str) and thing and isinstance(start, int) and isinstance(end, int):
            signal = body.get("signal", "")
            yield Range(thing, signal if isinstance(signal, str) else "", start, end)
        for part in body.values():
            yield from _named(part)


def _of_units(store: Store, units: set[str]) -> set[Range]:
    """All that these units said, and what machines said while they were made."""
    found = {Range(thing.id) for thing in store.things().values() if thing.unit in units}
    for event in store.recall(kind="step.finished"):
        if event.about in units:
            found.update(_named(dict(event.body)))
    return found


def _corrected(store: Store) -> Iterator[Range]:
    """From the first to the last value that each correction replaced."""
    for name in ("points", "blocks"):
        snapshot = store.tables[name].snapshot
        things = sorted(store._memory.books.corrected)
        files = snapshot.between(None, None, things) if things else []
        if files:
            sql = (
                f"SELECT thing, signal, min(t_ns) AS low, max(t_ns) AS high FROM {snapshot.scan(files)} "
                f"WHERE correction > '' AND thing IN ({', '.join(map(quoted, things))}) "
                "GROUP BY correction, thing, signal"
            )
            for row in store._reader.run(sql, {}).to_pylist():
                yield Range(row["thing"], row["signal"], row["low"], row["high"])
