"""Counters that were reset: a standing repair, so that values that come later go on where the counter had been.

From a reset on, `amount` (the last value before it) is added to what the counter says, until the repair's end or the
next one of the same counter. Each value is stored as it came and corrected at once, by the same event.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loopwright.core.clock import NS_PER_S, iso
from loopwright.core.errors import InputError
from loopwright.core.types import BAD, POINTS_IN, Batch
from loopwright.store import undoing, versions
from loopwright.store.journal import Work
from loopwright.store.repair import Repair
from loopwright.store.versions import Stretch

if TYPE_CHECKING:
    from loopwright.store.cellar import Store

SOURCE = "corrections/standing"
_BACK_NS = (60 * NS_PER_S, 3600 * NS_PER_S, 86_400 * NS_PER_S, 30 * 86_400 * NS_PER_S, None)
_HOUR_NS = 3600 * NS_PER_S


@dataclass(frozen=True)
class Rule:
    """amount is added to the counter in start_ns <= t < end_ns (None: from then on), allowed by an event."""

    event: str
    thing: str
    signal: str
    start_ns: int
    end_ns: int | None
    amount: int


def rules(store: Store) -> list[Rule]:
    """The standing repairs, in the order of their times."""
    return store._memory.standing


def loaded(text: str) -> list[Rule]:
    """As the journal keeps them."""
    return sorted((Rule(**row) for row in json.loads(text)), key=lambda rule: rule.start_ns)


def keep(store: Store, kept: list[Rule]) -> None:
    """From now on these stand."""
    text = json.dumps([asdict(rule) for rule in kept])
    with store._lock:
        store._journal.commit(Work(meta={"standing": text}))
        store._memory.standing = loaded(text)


def in_force(found: list[Rule], thing: str, signal: str) -> list[Rule]:
    """Of one counter, each ending at the latest where the next one begins."""
    mine = [rule for rule in found if (rule.thing, rule.signal) == (thing, signal)]
    found = []
    for at, rule in enumerate(mine):
        ends = [end for end in (rule.end_ns, *(after.start_ns for after in mine[at + 1:at + 2])) if end is not None]
        found.append(replace(rule, end_ns=min(ends, default=None)))
    return found


def prepared(store: Store, repair: Repair, batch: int) -> tuple[Repair, int]:
    """(the repair of a reset with what it adds to the values that stand, what it adds to those that come).

    Raises InputError when the counter does not fall at start_ns.
    """
    assert repair.start_ns is not None
    thing, signal = repair.thing, repair.signal.name
    before = _last_before(store, repair, batch)
    after = _first_from(store, repair, batch)
    if before is None or after is None or after["code"] >= before["code"]:
        said = f"it does not fall at {iso(repair.start_ns)}"
        if before is not None and after is not None:
            said += f": {before['code']} at {iso(before['t_ns'])}, then {after['code']} at {iso(after['t_ns'])}"
        raise InputError(repair.where, said, "the time of the first value after the reset")
    amount = int(before["code"])
    later = [r for r in rules(store) if (r.thing, r.signal) == (thing, signal) and r.start_ns >= repair.start_ns]
    if later:
        said = f"a later reset stands, at {iso(later[0].start_ns)}"
        raise InputError(repair.where, said, "resets in the order of their times", f"undo {later[0].event} first")
    mine = [rule for rule in in_force(rules(store), thing, signal) if rule.start_ns < repair.start_ns]
    old = mine[-1].amount if mine and (mine[-1].end_ns is None or mine[-1].end_ns > repair.start_ns) else 0
    return replace(repair, by=amount - old), amount


def follow(store: Store, table: pa.Table) -> None:
    """Corrects what a batch brought of counters that have a standing repair; called once it is stored."""
    for thing, signal in {(rule.thing, rule.signal) for rule in rules(store)}:
        mine = table.filter(pc.and_(pc.equal(table.column("thing"), thing), pc.equal(table.column("signal"), signal)))
        if mine.num_rows:
            _add(store, thing, signal, mine)


def catch_up(store: Store, thing: str, signal: str, since: int) -> None:
    """Corrects values of a counter that came since a batch and stand as they came: a crash or an undo left them so."""
    mine = in_force(rules(store), thing, signal)
    if not mine:
        return
    gone = sorted(undoing.silent(store))
    resets = sorted(rule.event for rule in rules(store))
    stretch = Stretch(thing, signal, mine[0].start_ns, None, 1 << 62)
    for piece in versions.chunks(store, stretch, False, f"batch > {since}"):  # the times of what came since, no others
        table = versions.read(store, piece, False)
        by = table.column("correction").to_numpy(zero_copy_only=False).astype(str)
        came, reset, heard = by == "", np.isin(by, resets), ~np.isin(by, gone)
        newest, others = versions.last_of_key(table, heard), versions.last_of_key(table, heard & ~reset)
        stood = np.isin(others, newest) | np.isin(_keys(table)[others], _keys(table)[newest[reset[newest]]])
        late = came[others] & stood & (table.column("batch").to_numpy()[others] > since)
        _add(store, thing, signal, table.take(pa.array(others[late])))


def _keys(table: pa.Table) -> Any:
    """(rows,) the number of each row's key."""
    t_ns, n = (table.column(name).to_numpy() for name in ("t_ns", "n"))
    return np.cumsum(np.append(False, (t_ns[1:] != t_ns[:-1]) | (n[1:] != n[:-1]))[:len(t_ns)])


def catch_up_all(store: Store) -> None:
    """After an open: what came in the last hour before the end, when a crash may have come between value and repair."""
    for thing, signal in {(rule.thing, rule.signal) for rule in rules(store)}:
        catch_up(store, thing, signal, store._known - _HOUR_NS)


def _add(store: Store, thing: str, signal: str, table: pa.Table) -> None:
    t_ns = table.column("t_ns").to_numpy()
    for rule in in_force(rules(store), thing, signal):
        inside = (t_ns >= rule.start_ns) & (True if rule.end_ns is None else t_ns < rule.end_ns)
        rows = table.filter(pc.and_(pa.array(inside), pc.is_valid(table.column("code"))))
        if not rows.num_rows:
            continue
        columns: dict[str, Any] = {name: rows.column(name) for name in ("t_ns", "n", "value", "quality")}
        columns["code"] = pc.add(rows.column("code"), rule.amount)
        columns |= {name: pa.repeat(text, rows.num_rows) for name, text in (("thing", thing), ("signal", signal))}
        batch = pa.table([columns[f.name].cast(f.type) for f in POINTS_IN], schema=POINTS_IN)
        store.put(Batch("corrections", SOURCE, None, batch, correction=rule.event))


def _last_before(store: Store, repair: Repair, batch: int) -> dict[str, Any] | None:
    """The newest good value before the repair's start."""
    start_ns = repair.start_ns
    assert start_ns is not None
    for back_ns in _BACK_NS:
        low = None if back_ns is None else start_ns - back_ns
        if rows := _good(store, Stretch(repair.thing, repair.signal.name, low, start_ns, batch), last=True):
            return rows
    return None


def _first_from(store: Store, repair: Repair, batch: int) -> dict[str, Any] | None:
    start_ns = repair.start_ns
    assert start_ns is not None
    for on_ns in _BACK_NS:
        high = None if on_ns is None else start_ns + on_ns
        if rows := _good(store, Stretch(repair.thing, repair.signal.name, start_ns, high, batch), last=False):
            return rows
    return None


def _good(store: Store, stretch: Stretch, last: bool) -> dict[str, Any] | None:
    pieces = list(versions.chunks(store, stretch, False))
    for piece in reversed(pieces) if last else pieces:
        table = versions.read(store, piece, False)
        rows = table.take(pa.array(versions.last_of_key(table))).filter(
            (pc.field("quality") < BAD) & pc.field("code").is_valid())
        if rows.num_rows:
            return dict(rows.slice(rows.num_rows - 1 if last else 0, 1).to_pylist()[0])
    return None
