"""What stands once a correction is undone: of every value the newest version that no standing undo takes back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loopwright.core.types import Event
from loopwright.store import repair as repairs
from loopwright.store import versions
from loopwright.store.repair import Repair
from loopwright.store.versions import Stretch

if TYPE_CHECKING:
    from loopwright.store.cellar import Store

KINDS = ("points.corrected", "points.undone")


def silent(store: Store) -> set[str]:
    """Ids of corrections that are undone and of all undoings: their rows are no versions of their own."""
    return _silent(store.recall(kind=KINDS))


def chain(event: Event, events: Iterable[Event]) -> list[Event]:
    """An event, and what it undoes, and what that undoes."""
    known = {e.id: e for e in events}
    found = [event]
    while (next_id := found[-1].body.get("undoes")) in known:
        found.append(known[next_id])
    return found


def undone(events: Iterable[Event]) -> dict[str, str]:
    """id -> the event that undid it, of what is undone now: an undoing that is undone itself undoes nothing."""
    found: dict[str, str] = {}
    for event in reversed(list(events)):
        if event.kind == "points.undone" and event.id not in found:
            found[event.body["undoes"]] = event.id
    return found


def _silent(events: Iterable[Event]) -> set[str]:
    events = list(events)
    return set(undone(events)) | {event.id for event in events if event.kind == "points.undone"}


def restored(store: Store, event: Event, events: Iterable[Event]) -> Iterator[tuple[pa.Table, pa.Table, int]]:
    """(rows before, rows after, rows that a later correction holds) of what an undoing changes, piece by piece."""
    events = list(events)
    target, basis = chain(event, events)[-1].id, event.body["known_by_ns"]
    gone = _silent(events)
    for fast in (False, True):
        for thing, signal, start_ns, end_ns in versions.written(store, target, fast):
            repair = Repair("undo", None, None, None, thing, store.kinds()[store.things()[thing].kind].signal(signal))
            for piece in versions.chunks(store, Stretch(thing, signal, start_ns, end_ns, basis), fast):
                yield (_restored_blocks if fast else _restored_points)(store, piece, repair, target, gone)


def _restored_points(
    store: Store, piece: Stretch, repair: Repair, target: str, gone: set[str]
) -> tuple[pa.Table, pa.Table, int]:
    table = versions.read(store, piece, False)
    key, touched, heard = _marks(table, target, gone)
    force, mine, wanted = (_by_key(table, key, mask) for mask in (None, touched, heard))
    keys = np.flatnonzero(mine >= 0)
    before = table.take(pa.array(force[keys]))
    after = table.take(pa.array(np.where(wanted[keys] >= 0, wanted[keys], force[keys])))
    none = pa.array(wanted[keys] < 0)  # nothing stood there before: a gap, as nothing can be taken away
    for name in ("value", "code"):
        at = after.schema.get_field_index(name)
        column = after.column(name)
        after = after.set_column(at, name, pc.if_else(none, pa.scalar(None, column.type), column))
    changed = pa.array(repairs.differ(before, after))
    later = (wanted[keys] > mine[keys]) & ~touched[wanted[keys]]
    return before.filter(changed), repairs.as_points(after.filter(changed), repair), int(later.sum())


def _restored_blocks(
    store: Store, piece: Stretch, repair: Repair, target: str, gone: set[str]
) -> tuple[pa.Table, pa.Table, int]:
    assert piece.start_ns is not None
    table = versions.read(store, piece, True)
    key, touched, _ = _marks(table, target, gone)
    force, mine = (_by_key(table, key, mask) for mask in (None, touched))
    keys = np.flatnonzero(mine >= 0)
    around = versions.read(store, piece.between(piece.start_ns - store._memory.span_ns, piece.end_ns), True)
    _, _, heard = _marks(around, target, gone)
    after = repairs.slices(around.filter(pa.array(heard)), table.take(pa.array(force[keys])), repair)
    return table.slice(0, 0), after, int((force[keys] > mine[keys]).sum())


def _marks(table: pa.Table, target: str, gone: set[str]) -> tuple[Any, Any, Any]:
    """Of each row: the number of its key, whether the target wrote it, whether it is a version that is not undone."""
    t_ns, n = (table.column(name).to_numpy() for name in ("t_ns", "n"))
    key = np.cumsum(np.append(False, (t_ns[1:] != t_ns[:-1]) | (n[1:] != n[:-1]))[:len(t_ns)])
    by = table.column("correction").to_numpy(zero_copy_only=False).astype(str)
    return key, by == target, ~np.isin(by, sorted(gone))


def _by_key(table: pa.Table, key: Any, mask: Any) -> Any:
    """(keys,) the row of each key's newest version among those of the mask, -1 where there is none."""
    found = np.full(int(key[-1]) + 1 if len(key) else 0, -1, np.int64)
    rows = versions.last_of_key(table, mask)
    found[key[rows]] = rows
    return found
