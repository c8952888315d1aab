"""What an owner can ask for: everything about them as plain data, and to be forgotten.

Both are plans and data; the app reads and deletes through the store. Events stay: their bodies hold ids and salted
hashes only, so that the chain remains whole when what they point to is gone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from loopwright.core.clock import iso
from loopwright.core.types import Event, Person, Thing
from loopwright.govern import consent


@dataclass(frozen=True)
class Deletion:
    """One thing an erasure must do: where, what ids, and why it is there."""

    where: str
    ids: tuple[str, ...]
    why: str


def belongings(person: str, events: Iterable[Event], things: Iterable[Thing] = ()) -> dict[str, list[str]]:
    """Ids of what belongs to a person: orders they placed, units made for these or claimed by them, things they own."""
    orders, units = [], []
    for event in events:
        if event.kind == "order.placed" and event.body.get("person") == person:
            orders.append(event.about)
        elif event.kind == "unit.claimed" and event.body.get("owner") == person:
            units.append(event.about)
    return {
        "orders": list(dict.fromkeys(orders)),
        "units": list(dict.fromkeys(units)),
        "things": [t.id for t in things if t.owner == person],
    }


def about(person: str, events: Sequence[Event], things: Iterable[Thing] = ()) -> list[Event]:
    """Every event about a person or about what belongs to them, in the order of the chain.

    Of a unit that changed hands only what happened since this person claimed it.
    """
    mine = belongings(person, events, things)
    since = {e.about: e.t_ns for e in events if e.kind == "unit.claimed" and e.body.get("owner") == person}
    until = {
        e.about: e.t_ns
        for e in events
        if e.kind == "unit.claimed" and e.body.get("owner") != person and e.about in since and e.t_ns > since[e.about]
    }
    made = {e.about for e in events if e.kind == "unit.finished" and e.body.get("order") in mine["orders"]}
    wanted = {person, *mine["orders"], *made}
    kept = []
    for event in events:
        held = event.about in since and since[event.about] <= event.t_ns < until.get(event.about, event.t_ns + 1)
        if event.about in wanted or held or person in (event.body.get("person"), event.body.get("owner")):
            kept.append(event)
    return kept


def export(
    person: Person,
    events: Sequence[Event],
    things: Sequence[Thing] = (),
    points: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    now_ns: int = 0,
) -> dict[str, Any]:
    """Everything about an owner as plain data, with words that explain it: what they get, and may take elsewhere.

    points  thing -> rows (signal, t, value, unit): the app reads them; codes, hashes and other people's ids are left
            out
    """
    return {
        "made": iso(now_ns),
        "explains": "Everything this plant holds about you: measures in metres, kilograms and radians, times in UTC.",
        "person": asdict(person),
        "consents": [
            {"purpose": purpose, "means": consent.PURPOSES.get(purpose, ""), "until": iso(until)}
            for purpose, until in sorted(consent.valid(events, person.id, now_ns).items())
        ],
        **belongings(person.id, events, things),
        "events": [
            {"when": iso(e.t_ns), "kind": e.kind, "about": e.about, "by": e.actor, "body": _without_secrets(e.body)}
            for e in about(person.id, events, things)
        ],
        "points": {thing: [dict(row) for row in rows] for thing, rows in (points or {}).items()},
    }


def _without_secrets(body: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in body.items() if k not in ("code_hash", "salt", "measures_hash")}


def erasure(person: str, events: Sequence[Event], things: Sequence[Thing] = ()) -> list[Deletion]:
    """What must be deleted so that a person is forgotten, in the order in which it is done.

    The app carries it out through the store (journal, history and exports included) and records `person.erased` last.
    """
    mine = belongings(person, events, things)
    heard = tuple(dict.fromkeys([*mine["things"], *mine["units"], person]))
    files = tuple(
        dict.fromkeys(
            str(e.body.get("hash", e.about))
            for e in events
            if e.kind == "file.imported" and person in e.body.get("persons", ())
        )
    )
    plan = [
        Deletion("points", heard, "what their things said: journal, points, rollups and newest values"),
        Deletion("exports", (person,), "files made for them"),
        Deletion("people", (person,), "measures, handedness, consents, login and tokens"),
    ]
    if files:
        plan.insert(1, Deletion("files", files, "copies of imported files that hold them"))
    return plan


def leftovers(person: Person, events: Iterable[Event]) -> list[str]:
    """Ids of events whose body tells one of this person's measures: there must be none when they are erased.

    As a number (zero and whole numbers say nothing about anybody), or in words: its name with a number after it.
    """
    secret = {round(v, 9) for v in person.measures.values() if v != int(v)}
    names = "|".join(re.escape(name) for name in person.measures)
    told = re.compile(rf"\b({names})\b[^\w]{{1,4}}\d") if names else None
    found = []
    for event in events:
        numbers, texts = _inside(event.body)
        if secret & numbers or (told and any(told.search(text) for text in texts)):
            found.append(event.id or event.kind)
    return found


def _inside(value: Any) -> tuple[set[float], set[str]]:
    """Every number (nine digits) and every text of a body."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        parts = [_inside(inner) for inner in value]
        return set().union(*(p[0] for p in parts)), set().union(*(p[1] for p in parts))
    if isinstance(value, str):
        return set(), {value}
    return ({round(value, 9)}, set()) if isinstance(value, float) else (set(), set())
