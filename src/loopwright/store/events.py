"""The ledger: events of one plant in one hash chain, appended under one writer's transaction and never changed.

    hash(i) = sha256(hash(i - 1) + canonical JSON of event i)       id, where none is given: 20 digits of such a hash

Canonical JSON: keys sorted, no spaces, UTF-8, no NaN. Bodies hold ids and salted hashes, never personal data.
"""

from __future__ import annotations

import dataclasses
import heapq
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
import sqlalchemy as sa

from loopwright.core.errors import InputError, UnknownName
from loopwright.core.kinds import KINDS, LONGEST_ID, check
from loopwright.core.types import Event
from loopwright.store import fold, schema
from loopwright.store.schema import events, links, reasons, told

ROOT = "0" * 64  # what the first event follows
CHUNK = 5_000  # events read at a time
SCHEMA = pa.schema([
    (column.name, pa.int64() if isinstance(column.type, sa.BigInteger) else pa.string()) for column in events.columns
])
Values = tuple[int, str, str, str, int, int, str, str, str, str | None, str]  # of the columns of `events`


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

        The same transaction folds them into where everything stands, and into who names whom (store.fold).
        An event whose (kind, key) is already there is not appended: it comes back as it was first recorded.
        Raises InputError for an unknown kind, a missing field, a body that JSON cannot hold, or an id that is taken.
        """
        if not offered:
            return []
        for event in offered:
            check(event)
            _check_text(event)
        prepared = [(event, canonical(event.body, event)) for event in offered]
        with told("written"), self._engine.connect().execution_options(writes=True) as connection, connection.begin():
            schema.lock_writers(connection)
            number, head, known = self._last(connection)
            there = self._keyed(connection, [event for event in offered if event.key])
            result: list[Event] = []
            rows: list[Values] = []
            new: list[fold.Numbered] = []
            for event, body in prepared:
                if event.key and (event.kind, event.key) in there:
                    result.append(there[event.kind, event.key])
                    continue
                number, known = number + 1, self._known(known)
                row = _row(event, body, known, head, number)
                head = row[-1]
                rows.append(row)
                result.append(_event(row))
                new.append((number, result[-1]))
                if event.key:
                    there[event.kind, event.key] = result[-1]
            if rows:
                self._refuse_taken(connection, [e.id for e in offered if e.id], {row[1] for row in rows})
                schema.insert(connection, events, rows)
                schema.insert(connection, reasons, [(b, n) for n, one in new for b in sorted(set(one.because))])
                fold.enter(connection, new)
                schema.count_again(connection, rows[0][0], number)
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
        mentions: str | Sequence[str] | None = None,
        after: str = "",
        limit: int | None = None,
        newest_first: bool = False,
    ) -> list[Event]:
        """Events in the order in which they were recorded; see Store.recall.

        mentions  ids that stand in a field of the body that is declared as a reference (core.kinds)
        after     id of an event: only those beyond it, in the order asked for (the next page)
        """
        if limit is not None and limit < 0:
            raise InputError("recall", f"limit is {limit}", "0 and more, or None for all")
        with told("read"), self._engine.connect() as connection:
            bound = self._bound(connection, known_by_ns, after, newest_first)
            few = about is not None or because is not None or mentions is not None
            chosen = [*bound, *_times(start_ns, end_ns, few)]
            if because is not None:
                chosen.append(events.c.number.in_(sa.select(reasons.c.number).where(reasons.c.because == because)))
            if mentions is not None:
                chosen.append(events.c.number.in_(_naming(mentions, kind)))
            parts = [[*one, *other] for one in _parts(kind, few, limit) for other in _about(about)]
            found = [self._some(connection, [*chosen, *part], limit, newest_first) for part in parts]
            merged = heapq.merge(*found, key=lambda row: row[0], reverse=newest_first) if len(found) > 1 else found[0]
            return [_event(row) for row in islice(merged, limit)]

    def _some(
        self, connection: sa.Connection, chosen: list[sa.ColumnElement[bool]], limit: int | None, newest_first: bool
    ) -> Sequence[sa.Row[Any]]:
        query = sa.select(events).where(*chosen).order_by(events.c.number.desc() if newest_first else events.c.number)
        return connection.execute(query.limit(limit) if limit is not None else query).all()

    def _bound(
        self, connection: sa.Connection, known_by_ns: int | None, after: str, newest_first: bool
    ) -> list[sa.ColumnElement[bool]]:
        """Limits of the number: numbers and known_ns grow together."""
        chosen: list[sa.ColumnElement[bool]] = []
        if known_by_ns is not None:
            query = sa.select(events.c.number).where(events.c.known_ns <= known_by_ns)
            last = connection.execute(query.order_by(events.c.known_ns.desc()).limit(1)).scalar()
            chosen.append(events.c.number <= (last or 0))
        if after:
            number = connection.execute(sa.select(events.c.number).where(events.c.id == after)).scalar()
            if number is None:
                raise UnknownName("event", after)
            chosen.append(events.c.number < number if newest_first else events.c.number > number)
        return chosen

    def count(self, kinds: Sequence[str], after: int, up_to: int) -> dict[str, int]:
        """kind -> how many events of it have a number after < number <= up_to; kinds without any are left out."""
        query = sa.select(events.c.kind, sa.func.count()).where(
            events.c.kind.in_(kinds), events.c.number > after, events.c.number <= up_to
        )
        with told("read"), self._engine.connect() as connection:
            return {row[0]: row[1] for row in connection.execute(query.group_by(events.c.kind))}

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

    def length(self) -> int:
        """How many events there are: the number of the newest."""
        with told("read"), self._engine.connect() as connection:
            return self._last(connection)[0]

    def verify(self) -> Chain:
        """Reads the whole chain and computes every hash again."""
        number, head, known = 0, ROOT, 0
        for part in self.rows():
            for row in part:
                why = ""
                if row[0] != number + 1:
                    why = f"event {number + 1} is missing"
                elif _hash(head, row) != row[-1]:
                    why = f"event {row[0]} ({row[2]} about {row[3]}) was changed, or the one before it"
                elif row[5] <= known:
                    why = f"event {row[0]} is known before the one it follows"
                if why:
                    return Chain(number, head, number + 1, why)
                number, head, known = row[0], row[-1], row[5]
        return Chain(number, head)

    def rows(self, after: int = 0, up_to: int | None = None) -> Iterator[list[Values]]:
        """The columns of `schema.events` of all events after a number, in order, at most CHUNK at a time."""
        while True:
            query = sa.select(events).where(events.c.number > after).order_by(events.c.number).limit(CHUNK)
            if up_to is not None:
                query = query.where(events.c.number <= up_to)
            with told("read"), self._engine.connect() as connection:
                found = [tuple(row) for row in connection.execute(query)]
            if not found:
                return
            yield found
            after = found[-1][0]

    def batches(self, after: int = 0, up_to: int | None = None) -> Iterator[pa.RecordBatch]:
        """The same as Arrow, body and because as JSON text."""
        for part in self.rows(after, up_to):
            columns = zip(*part, strict=True)
            yield pa.record_batch(
                [pa.array(values, one.type) for values, one in zip(columns, SCHEMA, strict=True)], schema=SCHEMA
            )

    def table(self) -> pa.Table:
        """All events as a table, body and because as JSON text."""
        return pa.Table.from_batches(self.batches(), SCHEMA)

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
                found.update({(row.kind, row.key): _event(row) for row in connection.execute(query)})
        return found

    def _refuse_taken(self, connection: sa.Connection, given: list[str], new: set[str]) -> None:
        wanted = [i for i in given if i in new]
        taken: list[str] = []
        for at in range(0, len(wanted), 500):
            query = sa.select(events.c.id).where(events.c.id.in_(wanted[at:at + 500]))
            taken += connection.execute(query).scalars()
        if taken or len(set(wanted)) < len(wanted):
            said = f"id {(taken or wanted)[0]!r} is taken"
            raise InputError("events", said, "an id of its own, or '' to be given one")


def canonical(body: Mapping[str, Any], event: Event) -> str:
    """The body as canonical JSON; InputError names what JSON cannot hold."""
    try:
        text = _BODY.encode(body if isinstance(body, dict) else dict(body))
        text.encode()
        return text
    except (TypeError, ValueError, RecursionError) as error:
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


_BODY = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_plain
)
_quoted: Callable[[str], str] = json.encoder.encode_basestring  # a text as JSON writes it, not only in ASCII


def _check_text(event: Event) -> None:
    """What every database can hold: text without NUL, a time of 64 bits."""
    where = f"event {event.kind} about {event.about!r}"
    if isinstance(event.because, str):
        raise InputError(where, f"because is the text {event.because!r}", "a tuple of ids")
    for text in (event.about, event.actor, event.key, event.id, *event.because):
        if not isinstance(text, str) or "\0" in text or len(text) > LONGEST_ID or _broken(text):
            allowed = f"text of at most {LONGEST_ID} characters, without NUL and half characters"
            raise InputError(where[:200], f"{str(text)[:50]!r} cannot be kept as text", allowed)
    if not isinstance(event.t_ns, (int, np.integer)) or not -(2**63) <= event.t_ns < 2**63:
        raise InputError(where, f"t_ns {event.t_ns!r} is no time", "nanoseconds since 1970 that fit 64 bits")


def _broken(text: str) -> bool:
    if text.isascii():
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _row(event: Event, body: str, known_ns: int, head: str, number: int) -> Values:
    because = json.dumps(list(event.because)) if event.because else "[]"
    rest = (event.kind, event.about, int(event.t_ns), known_ns, event.actor, body, because, event.key or None)
    tail = _tail(rest)
    id_ = event.id or _digest(head, "", tail)[:20]
    return (number, id_, *rest, _digest(head, id_, tail))


def _digest(head: str, id_: str, tail: str) -> str:
    """sha256 of the hash before and of the JSON list of an id and the fields after it."""
    return sha256(f"{head}[{_quoted(id_)},{tail}]".encode()).hexdigest()


def _hash(head: str, row: Values) -> str:
    return _digest(head, row[1], _tail(row[2:-1]))


def _tail(rest: tuple[Any, ...]) -> str:
    """The fields after the id as JSON, without the brackets of their list."""
    return ",".join(_quoted(one) if isinstance(one, str) else "null" if one is None else str(one) for one in rest)


def _event(row: Any) -> Event:
    _, id_, kind, about, t_ns, known_ns, actor, body, because, key, digest = row
    reasons_ = () if because == "[]" else tuple(json.loads(because))
    return Event(kind, about, t_ns, actor, json.loads(body), reasons_, key or "", id_, known_ns, digest)


def _parts(kind: str | Sequence[str] | None, few: bool, limit: int | None) -> list[list[sa.ColumnElement[bool]]]:
    """The conditions on kind, one query each: with a limit every kind is read along its own index and merged.

    few  another condition finds few events: the index of kinds is left alone
    """
    if kind is None:
        return [[]]
    column = events.c.kind + "" if few else events.c.kind
    kinds = _several(kind)
    if limit is None or few:
        return [[sa.or_(*(_kind_is(column, one) for one in kinds), sa.false())]]
    names = [name for one in kinds for name in ([n for n in KINDS if n.startswith(one)] if one[-1:] == "." else [one])]
    return [[column == name] for name in dict.fromkeys(names)] or [[sa.false()]]


def _about(about: str | Sequence[str] | None) -> list[list[sa.ColumnElement[bool]]]:
    """The conditions on what events are about, one query for every few thousand ids."""
    if about is None:
        return [[]]
    ids = list(dict.fromkeys(_several(about)))
    return [[events.c.about.in_(ids[at:at + CHUNK])] for at in range(0, max(1, len(ids)), CHUNK)]


def _kind_is(column: sa.ColumnElement[str], kind: str) -> sa.ColumnElement[bool]:
    """A kind by its name, or all whose name begins with 'unit.'."""
    if kind.endswith("."):
        return sa.and_(column >= kind, column < kind[:-1] + "/")  # '/' follows '.'
    return column == kind


def _times(start_ns: int | None, end_ns: int | None, few: bool) -> list[sa.ColumnElement[bool]]:
    column = events.c.t_ns + 0 if few else events.c.t_ns
    limits = (column >= start_ns if start_ns is not None else None, column < end_ns if end_ns is not None else None)
    return [limit for limit in limits if limit is not None]


def _naming(mentions: str | Sequence[str], kind: str | Sequence[str] | None) -> sa.Select[tuple[int]]:
    """Numbers of the events that name one of these ids."""
    query = sa.select(links.c.number).where(links.c.ref.in_(_several(mentions)))
    if kind is None:
        return query
    return query.where(sa.or_(*(_kind_is(links.c.kind, one) for one in _several(kind)), sa.false()))


def _several(names: str | Iterable[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)
