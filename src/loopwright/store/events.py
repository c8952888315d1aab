"""The ledger: events of one plant in one hash chain, appended under one writer's transaction and never changed.

    hash(i) = sha256(hash(i - 1) + canonical JSON of event i)       id, where none is given: 20 digits of such a hash

Canonical JSON: keys sorted, no spaces, UTF-8, no NaN. Bodies hold ids and salted hashes, never personal data.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
import pyarrow as pa
import sqlalchemy as sa

from loopwright.core.errors import InputError
from loopwright.core.kinds import check
from loopwright.core.types import Event
from loopwright.store import schema
from loopwright.store.schema import events, reasons, told

ROOT = "0" * 64  # what the first event follows
_FIELDS = ("id", "kind", "about", "t_ns", "known_ns", "actor", "body", "because", "key")


@dataclass(frozen=True)
class Chain:
    """What a check of the chain found. broken_at: number of the first event that does not fit, None when whole."""

    length: int
    head: str
    broken_at: int | None = None
    why: str = ""


class Ledger:
    """Events of one plant. One writer at a time; any thread may read.

    known   gives known_ns for an event: known(last) -> max(now, last + 1)
    """

    def __init__(self, engine: sa.Engine, known: Callable[[int], int]) -> None:
        self._engine, self._known = engine, known

    def record(self, offered: Sequence[Event]) -> list[Event]:
        """Appends events in one transaction; gives them back with id, known_ns and hash.

        An event whose (kind, key) is already there is not appended: it comes back as it was first recorded.
        Raises InputError for an unknown kind, a missing field, a body that JSON cannot hold, or an id that is taken.
        """
        if not offered:
            return []
        for event in offered:
            check(event)
        prepared = [(event, canonical(event.body, event)) for event in offered]
        with told("written"), self._engine.connect().execution_options(writes=True) as connection, connection.begin():
            schema.lock_writers(connection)
            number, head, known = self._last(connection)
            there = self._keyed(connection, [event for event in offered if event.key])
            result, rows = [], []
            for event, body in prepared:
                if event.key and (event.kind, event.key) in there:
                    result.append(there[event.kind, event.key])
                    continue
                number, known = number + 1, self._known(known)
                row = _row(event, body, known, head, number)
                head = row["hash"]
                rows.append(row)
                result.append(_event(row))
                if event.key:
                    there[event.kind, event.key] = result[-1]
            if rows:
                self._refuse_taken(connection, [e.id for e in offered if e.id], {row["id"] for row in rows})
                connection.execute(sa.insert(events), rows)
            links = [
                {"because": b, "number": row["number"]} for row in rows for b in sorted(set(json.loads(row["because"])))
            ]
            if links:
                connection.execute(sa.insert(reasons), links)
        return result

    def recall(
        self,
        *,
        kind: str | Sequence[str] | None = None,
        about: str | Sequence[str] | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
        known_by_ns: int | None = None,
        because: str | None = None,
        limit: int | None = None,
        newest_first: bool = False,
    ) -> list[Event]:
        """Events in the order in which they were recorded; see Store.recall."""
        query = sa.select(events)
        if kind is not None:
            query = query.where(sa.or_(*(_kind_is(k) for k in _several(kind)), sa.false()))
        if about is not None:
            query = query.where(events.c.about.in_(_several(about)))
        for condition, limit_ns in (
            (events.c.t_ns.__ge__, start_ns), (events.c.t_ns.__lt__, end_ns), (events.c.known_ns.__le__, known_by_ns),
        ):
            if limit_ns is not None:
                query = query.where(condition(limit_ns))
        if because is not None:
            query = query.where(events.c.number.in_(sa.select(reasons.c.number).where(reasons.c.because == because)))
        query = query.order_by(events.c.number.desc() if newest_first else events.c.number)
        if limit is not None:
            query = query.limit(limit)
        with told("read"), self._engine.connect() as connection:
            return [_event(row) for row in connection.execute(query).mappings()]

    def knows(self, event_id: str) -> bool:
        """Whether an event of that id is recorded."""
        with told("read"), self._engine.connect() as connection:
            return connection.execute(sa.select(events.c.number).where(events.c.id == event_id)).first() is not None

    def last_known_ns(self) -> int:
        """The known_ns of the newest event, 0 when there is none."""
        with told("read"), self._engine.connect() as connection:
            return self._last(connection)[2]

    def head(self) -> str:
        """The hash of the newest event: who keeps it elsewhere can prove that nothing before it was changed."""
        with told("read"), self._engine.connect() as connection:
            return self._last(connection)[1]

    def verify(self) -> Chain:
        """Reads the whole chain and computes every hash again."""
        number, head, known = 0, ROOT, 0
        with told("read"), self._engine.connect() as connection:
            for row in (
                connection.execution_options(yield_per=5000)
                .execute(sa.select(events).order_by(events.c.number))
                .mappings()
            ):
                why = ""
                if row["number"] != number + 1:
                    why = f"event {number + 1} is missing"
                elif _hash(head, row) != row["hash"]:
                    why = (
                        f"event {row['number']} ({row['kind']} about {row['about']}) was changed, or the one before it"
                    )
                elif row["known_ns"] <= known:
                    why = f"event {row['number']} is known before the one it follows"
                if why:
                    return Chain(number, head, number + 1, why)
                number, head, known = row["number"], row["hash"], row["known_ns"]
        return Chain(number, head)

    def table(self) -> pa.Table:
        """All events as a table, body and because as JSON text."""
        columns = [c.name for c in events.columns]
        with told("read"), self._engine.connect() as connection:
            rows = connection.execute(sa.select(events).order_by(events.c.number)).all()
        kinds = {"number": pa.int64(), "t_ns": pa.int64(), "known_ns": pa.int64()}
        return pa.table(
            {name: pa.array([row[i] for row in rows], kinds.get(name, pa.string())) for i, name in enumerate(columns)}
        )

    def _last(self, connection: sa.Connection) -> tuple[int, str, int]:
        query = sa.select(events.c.number, events.c.hash, events.c.known_ns).order_by(events.c.number.desc()).limit(1)
        row = connection.execute(query).first()
        return (row[0], row[1], row[2]) if row else (0, ROOT, 0)

    def _keyed(self, connection: sa.Connection, keyed: list[Event]) -> dict[tuple[str, str], Event]:
        found = {}
        for kind in sorted({event.kind for event in keyed}):
            wanted = sorted({event.key for event in keyed if event.kind == kind})
            for at in range(0, len(wanted), 500):
                query = sa.select(events).where(events.c.kind == kind, events.c.key.in_(wanted[at:at + 500]))
                found.update({(row["kind"], row["key"]): _event(row) for row in connection.execute(query).mappings()})
        return found

    def _refuse_taken(self, connection: sa.Connection, given: list[str], new: set[str]) -> None:
        wanted = [i for i in given if i in new]
        query = sa.select(events.c.id).where(events.c.id.in_(wanted))
        taken = list(connection.execute(query).scalars()) if wanted else []
        if taken or len(set(wanted)) < len(wanted):
            said = f"id {(taken or wanted)[0]!r} is taken"
            raise InputError("events", said, "an id of its own, or '' to be given one")


def canonical(body: Mapping[str, Any], event: Event) -> str:
    """The body as canonical JSON; InputError names what JSON cannot hold."""
    try:
        return json.dumps(
            body if isinstance(body, dict) else dict(body),
            sort_keys=True,
            separators=(",", ":"),
            ensure_ascii=False,
            allow_nan=False,
            default=_plain,
        )
    except (TypeError, ValueError) as error:
        raise InputError(
            f"event {event.kind} about {event.about!r}",
            f"its body cannot be written as JSON ({error})",
            "numbers that are not NaN, text, lists and tables of them",
        ) from error


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} {value!r}")


def _row(event: Event, body: str, known_ns: int, head: str, number: int) -> dict[str, Any]:
    row = {
        "number": number,
        "id": event.id,
        "kind": event.kind,
        "about": event.about,
        "t_ns": int(event.t_ns),
        "known_ns": known_ns,
        "actor": event.actor,
        "body": body,
        "because": json.dumps(list(event.because)),
        "key": event.key or None,
    }
    if not event.id:
        row["id"] = _hash(head, row)[:20]
    row["hash"] = _hash(head, row)
    return row


def _hash(head: str, row: Any) -> str:
    text = json.dumps([row[field] for field in _FIELDS], separators=(",", ":"), ensure_ascii=False)
    return sha256((head + text).encode()).hexdigest()


def _event(row: Any) -> Event:
    return Event(
        kind=row["kind"],
        about=row["about"],
        t_ns=row["t_ns"],
        actor=row["actor"],
        body=json.loads(row["body"]),
        because=tuple(json.loads(row["because"])),
        key=row["key"] or "",
        id=row["id"],
        known_ns=row["known_ns"],
        hash=row["hash"],
    )


def _kind_is(kind: str) -> sa.ColumnElement[bool]:
    """A kind by its name, or all whose name begins with 'unit.'."""
    if kind.endswith("."):
        return sa.and_(events.c.kind >= kind, events.c.kind < kind[:-1] + "/")  # '/' follows '.'
    return events.c.kind == kind


def _several(names: str | Iterable[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)
