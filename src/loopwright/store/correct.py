"""Corrections: a later version of values, with author and reason, that can be undone. What stood before stays readable.

    done = correct(store, "press-1", "force", start_ns, end_ns, "scale", "erika", "read 1 % high", by=0.99)
    undo(store, done.event, "erika", "the other sensor it was")

Of every key (thing, signal, t_ns, n) there stands the newest version that is not undone: an undo, and an undo of an
undo, writes that one again. A relative repair (add, scale) that was built upon another stays as it is when the other is
undone; undo the later one first. Values that come later are never touched, but for a counter that was reset: its
standing repair goes on (`standing`).

The rows of a correction are worked out from what was known when its event was recorded, and numbered: after a crash in
the middle the same rows follow, none twice, when the plant is next corrected or `resume` is called.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loopwright.core.errors import InputError, UnknownName
from loopwright.core.types import Batch, Event, Signal
from loopwright.store import repair as repairs
from loopwright.store import standing, undoing, versions
from loopwright.store.journal import Work
from loopwright.store.repair import Repair
from loopwright.store.undoing import KINDS
from loopwright.store.versions import Stretch

if TYPE_CHECKING:
    from loopwright.store.cellar import Store

SOURCE = "corrections"  # hop and source of their rows, numbered through all of them
SHOWN = 10  # values that a correction shows before and after
_log = logging.getLogger("loopwright.store")
_LOCKS: WeakKeyDictionary[Store, threading.RLock] = WeakKeyDictionary()
_Pairs = Iterable[tuple[pa.Table, pa.Table, int]]  # rows in force, the rows that replace them, rows left alone


@dataclass(frozen=True)
class Shown:
    """One value before and after; None is a gap."""

    t_ns: int
    before: float | int | None
    after: float | int | None
    quality_before: int
    quality_after: int


@dataclass(frozen=True)
class Correction:
    """What a correction or an undo did, or would do (state 'dry run', no event).

    event            its id; undoes: the event it undoes; undone_by: the one that undid it
    how, by          the repair; reason, author: why and by whom
    rows, samples    that it replaced (a block is a row); kept: rows of an undo where a later correction stays in force
    known_ns         when it was known
    state            'dry run', 'whole' or 'partly done': a crash came, `resume` goes on
    shown            the first values, before and after
    """

    event: str
    thing: str
    signal: str
    start_ns: int | None
    end_ns: int | None
    how: str
    by: float | int | None
    author: str
    reason: str
    rows: int = 0
    samples: int = 0
    known_ns: int = 0
    state: str = "whole"
    undoes: str = ""
    undone_by: str = ""
    kept: int = 0
    shown: tuple[Shown, ...] = ()


@dataclass(frozen=True)
class Version:
    """A value as it once was known. event, author, reason: of the correction that made it ('' for what came)."""

    t_ns: int
    n: int
    value: float | int | None
    quality: int
    known_ns: int
    source: str
    event: str
    author: str
    reason: str
    in_force: bool


@dataclass
class _Tally:
    rows: int = 0
    samples: int = 0
    kept: int = 0
    first_ns: int | None = None
    shown: list[Shown] = field(default_factory=list)


def correct(
    store: Store, thing: str, signal: str, start_ns: int | None, end_ns: int | None, how: str, author: str, reason: str,
    *, by: float | str | None = None, dry_run: bool = False, because: Sequence[str] = (),
) -> Correction:
    """Replaces values of a signal in start_ns <= t_ns < end_ns (None: open), and says who did it and why.

    how      'set', 'add', 'scale' with a number `by`; 'bad', 'good', 'gap'; 'reset' of a counter: from start_ns on what
             it counted before is added, also to values that come later unless end_ns is given
    dry_run  says what would be, and changes nothing
    because  ids of events that are the cause
    Raises InputError when nothing would change or a value would be out of range, UnknownName for a wrong name.
    """
    definition = _definition(store, thing, signal)
    repair = repairs.checked(thing, definition, how, by, start_ns, end_ns)
    where = repair.where
    if not dry_run:
        _said(where, author, reason)
        store._writable("correct")
    if how == "reset" and start_ns is None:
        raise InputError(where, "a reset without its time", "the time of the first value after it")
    with _lock(store):
        if not dry_run:
            resume(store)
        basis, amount = store._known, None
        if how == "reset":
            repair, amount = standing.prepared(store, repair, basis)
        tally = _tallied(_repaired(store, repair, basis))
        if not tally.rows:
            raise InputError(where, "nothing would change", "a time and a signal with values that it changes")
        body = {
            "reason": reason, "signal": signal, "start_ns": start_ns, "end_ns": end_ns, "how": how, "by": repair.by,
            "amount": amount, "rows": tally.rows, "samples": tally.samples, "known_by_ns": basis,
            "sequence": _next_number(store),
        }
        at_ns = tally.first_ns if start_ns is None else start_ns
        event = Event("points.corrected", thing, at_ns or 0, author, body, tuple(because), id=_new_id())
        if dry_run:
            return _of(event, "dry run", shown=tuple(tally.shown))
        event = _begun(store, event)
        _finish(store, event)
        return _of(event, "whole", shown=tuple(tally.shown))


def undo(
    store: Store, event_id: str, author: str, reason: str, *, dry_run: bool = False, because: Sequence[str] = ()
) -> Correction:
    """Takes a correction back, or an undo: of every value it replaced, the newest version that is not undone stands.

    Raises UnknownName for an id that is no correction, InputError when it is undone already.
    """
    store._writable("undo")
    with _lock(store):
        if not dry_run:
            _said(f"undo of {event_id}", author, reason)
            resume(store)
        events = {event.id: event for event in store.recall(kind=KINDS)}
        if event_id not in events:
            raise UnknownName("correction", event_id, events)
        target = events[event_id]
        if event_id in (undone := undoing.undone(events.values())):
            said = f"it is undone already, by {undone[event_id]}"
            todo = f"undo {undone[event_id]} to bring it back"
            raise InputError(f"undo of {event_id}", said, "a correction in force", todo)
        basis = store._known
        body = {
            "reason": reason, "undoes": event_id, "known_by_ns": basis, "sequence": _next_number(store),
            **{name: target.body.get(name) for name in ("signal", "start_ns", "end_ns")},
        }
        event = Event("points.undone", target.about, target.t_ns, author, body, (event_id, *because), id=_new_id())
        tally = _tallied(undoing.restored(store, event, [*events.values(), event]))
        body |= {"rows": tally.rows, "samples": tally.samples, "kept": tally.kept}
        if dry_run:
            return _of(event, "dry run", shown=tuple(tally.shown))
        event = _begun(store, replace(event, body=body))
        _finish(store, event)
        return _of(event, "whole", shown=tuple(tally.shown))


def resume(store: Store) -> Correction | None:
    """Goes on with a correction that a crash left partly done; None when there is none."""
    store._writable("correct")
    with _lock(store):
        unfinished = _unfinished(store)
        if not unfinished:
            return None
        found = [event for event in store.recall(kind=KINDS) if event.id == unfinished]
        try:
            if found:
                _finish(store, found[0])
                return _of(found[0], "whole")
        except UnknownName as error:  # its signal is declared no more: what was done stands, the rest is not to be had
            _log.error("correction %s stays partly done: %s", unfinished, error)
        with store._lock:
            store._journal.commit(Work(meta={"correcting": ""}))
        return None


def corrections(store: Store, thing: str | None = None, limit: int | None = None) -> list[Correction]:
    """Corrections and undoings, newest first, with what became of them."""
    events = store.recall(kind=KINDS)
    undone, unfinished = undoing.undone(events), _unfinished(store)
    mine = [event for event in reversed(events) if thing in (None, event.about)]
    return [
        replace(_of(event, "partly done" if event.id == unfinished else "whole"), undone_by=undone.get(event.id, ""))
        for event in mine[:limit]
    ]


def history(store: Store, thing: str, signal: str, t_ns: int) -> list[Version]:
    """Every version of the values of a signal at one time, in the order in which they were known.

    Of a fast signal the number at that time in each version of the block around it (of a vector the list of them).
    """
    definition = _definition(store, thing, signal)
    back = store._memory.span_ns if definition.fast else 0
    stretch = Stretch(thing, signal, t_ns - back, t_ns + 1, 1 << 62)
    table = versions.read(store, stretch, definition.fast)
    newest = set(versions.last_of_key(table).tolist())
    events = {event.id: event for event in store.recall(kind=(*KINDS, "points.recomputed"), about=thing)}
    found = []
    for at, row in enumerate(table.to_pylist()):
        if definition.fast and not (number := _within_block(row, definition, t_ns)):
            continue
        value = number[0] if definition.fast else row["code"] if row["value"] is None else row["value"]
        event = events.get(row["correction"])
        found.append(Version(
            row["t_ns"], row["n"], value, row["quality"], row["known_ns"], row["source"], row["correction"],
            event.actor if event else "", str(event.body.get("reason", "")) if event else "", at in newest))
    return sorted(found, key=lambda version: (version.t_ns, version.n, version.known_ns))


def _within_block(row: dict[str, Any], signal: Signal, t_ns: int) -> list[Any]:
    """[the number at that time], [] when it is outside of the block."""
    width = int(np.prod(signal.shape)) if signal.shape else 1
    at = (t_ns - row["t_ns"]) // row["dt_ns"]
    inside = 0 <= at < len(row["values"]) // width and row["t_ns"] + at * row["dt_ns"] == t_ns
    numbers = row["values"][at * width:(at + 1) * width] if inside else []
    return [] if not inside else [numbers if signal.shape else numbers[0]]


def _definition(store: Store, thing: str, signal: str) -> Signal:
    things = store.things()
    if thing not in things:
        raise UnknownName("thing", thing, things)
    return store.kinds()[things[thing].kind].signal(signal)


def _said(where: str, author: str, reason: str) -> None:
    if not author.strip() or not reason.strip():
        raise InputError(where, "no author" if not author.strip() else "no reason", "who corrects, and a sentence why")


def _lock(store: Store) -> threading.RLock:
    with store._lock:
        return _LOCKS.setdefault(store, threading.RLock())


def _new_id() -> str:
    return uuid.uuid4().hex[:20]


def _next_number(store: Store) -> int:
    with store._lock:
        end = store._memory.books.seen(SOURCE).end
    return 0 if end is None else end + 1


def _unfinished(store: Store) -> str:
    with store._lock:
        return store._journal.meta("correcting")


def _begun(store: Store, event: Event) -> Event:
    """Records the event; from now on a crash leaves a correction that `resume` finishes."""
    with store._lock:
        store._journal.commit(Work(meta={"correcting": event.id}))
    return store.record([event])[0]


def _finish(store: Store, event: Event) -> None:
    """Puts the rows that are missing, in the order in which they are numbered, and lets a counter's repair stand."""
    body = event.body
    number, done, total = body["sequence"], _next_number(store), body["sequence"] + body["samples"]
    if "undoes" in body:
        pairs: _Pairs = undoing.restored(store, event, store.recall(kind=KINDS))
    else:
        definition = _definition(store, event.about, body["signal"])
        repair = Repair(body["how"], body["by"], body["start_ns"], body["end_ns"], event.about, definition)
        pairs = _repaired(store, repair, body["known_by_ns"])
    for _, after, _ in pairs:
        count = repairs.samples(after)
        if count and number + count > done:
            store.put(Batch(SOURCE, SOURCE, number, after, sent=total, correction=event.id))
        number += count
    _stand(store, event)
    with store._lock:
        store._journal.commit(Work(meta={"correcting": ""}))


def _stand(store: Store, event: Event) -> None:
    """What a correction of a reset, or the undoing of one, changes for the values that come."""
    events = store.recall(kind=KINDS)
    gone = undoing.undone(events)
    rules = [
        standing.Rule(e.id, e.about, e.body["signal"], e.body["start_ns"], e.body["end_ns"], e.body["amount"])
        for e in events if e.body.get("how") == "reset" and e.id not in gone
    ]
    rules.sort(key=lambda rule: rule.start_ns)
    if rules == standing.rules(store):
        return
    standing.keep(store, rules)
    since = min((e.body["known_by_ns"] for e in undoing.chain(event, events)), default=0)
    standing.catch_up(store, event.about, event.body["signal"], since)


def _repaired(store: Store, repair: Repair, basis: int) -> Iterator[tuple[pa.Table, pa.Table, int]]:
    """(rows before, rows after, 0) of what a repair changes of what came up to `basis`, piece by piece."""
    fast = repair.signal.fast
    start_ns = repair.start_ns
    if fast and start_ns is not None:
        start_ns -= store._memory.span_ns
    stretch = Stretch(repair.thing, repair.signal.name, start_ns, repair.end_ns, basis)
    for piece in versions.chunks(store, stretch, fast):
        table = versions.read(store, piece, fast)
        force = table.take(pa.array(versions.last_of_key(table)))
        if fast:
            yield force.slice(0, 0), repairs.blocks(force, repair), 0
            continue
        before, after = repairs.points(force, repair)
        yield before, repairs.as_points(after, repair), 0


def _tallied(pairs: _Pairs) -> _Tally:
    tally = _Tally()
    for before, after, kept in pairs:
        tally.rows += after.num_rows
        tally.samples += repairs.samples(after)
        tally.kept += kept
        if after.num_rows and tally.first_ns is None:
            tally.first_ns = pc.min(after.column("t_ns")).as_py()
        for old, new in zip(before.to_pylist()[:SHOWN], after.slice(0, SHOWN).to_pylist(), strict=False):
            if len(tally.shown) < SHOWN:
                tally.shown.append(Shown(old["t_ns"], _one(old), _one(new), old["quality"], new["quality"]))
    return tally


def _one(row: dict[str, Any]) -> float | int | None:
    return row["code"] if row["value"] is None else row["value"]


def _of(event: Event, state: str, shown: tuple[Shown, ...] = ()) -> Correction:
    body = event.body
    return Correction(
        "" if state == "dry run" else event.id, event.about, body.get("signal") or "", body.get("start_ns"),
        body.get("end_ns"), "undo" if "undoes" in body else str(body.get("how", "set")), body.get("by"), event.actor,
        str(body.get("reason", "")), body.get("rows", 0), body.get("samples", 0), event.known_ns, state,
        undoes=str(body.get("undoes", "")), kept=body.get("kept", 0), shown=shown,
    )
