"""Derived signals: computed once their inputs have passed a window, and again, by the same code, when those change."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from loopwright.core.derived import Derived
from loopwright.core.types import POINTS_IN, Batch, Event
from loopwright.store import Store
from loopwright.store.changes import EVER, Touched, bookmark, bookmarked

AUTHOR = "service:derive"
_WINDOWS = 512  # of one thing, computed at a time
_Spans = list[tuple[str, int, int]]  # thing, first window's start_ns, end_ns


def live(store: Store, derived: Derived) -> int:
    """Computes the windows that all inputs of a thing have passed since the last time; how many values changed."""
    passed, spans = _passed(store, derived), []
    for thing, newest_ns in _heard(store, derived).items():
        begin_ns = passed[thing] if thing in passed else _floor(_extent(store, derived, thing)[0], derived)
        end_ns = _floor(newest_ns, derived)
        if end_ns > begin_ns:
            spans.append((thing, begin_ns, end_ns))
            passed[thing] = end_ns
    changed = compute(store, derived, spans)
    if spans:
        bookmark(store, _name(derived), json.dumps(passed))
    return changed


def again(store: Store, derived: Derived, touched: Iterable[Touched]) -> int:
    """Computes the windows again in which inputs have changed, as far as they were computed; how many changed."""
    passed, changed = _passed(store, derived), 0
    for one in touched:
        if one.signal and one.signal not in derived.inputs:
            continue
        spans = []
        for thing in ([one.thing] if one.thing else sorted(passed)):
            if thing in passed:
                open_ = one.start_ns <= -EVER
                begin_ns = _floor(_extent(store, derived, thing)[0] if open_ else one.start_ns, derived)
                end_ns = min(_floor(one.end_ns - 1, derived) + derived.window_ns, passed[thing])
                if end_ns > begin_ns:
                    spans.append((thing, begin_ns, end_ns))
        changed += compute(store, derived, spans, (one.event,) if one.event else ())
    return changed


def compute(store: Store, derived: Derived, spans: _Spans, because: Sequence[str] = ()) -> int:
    """Brings the derived values of these spans to what their inputs say now; how many were new or changed.

    A new value is put like any other. One that has changed is corrected by the service (points.recomputed, which names
    its causes), one whose inputs are gone becomes a gap; what stood before stays readable.
    """
    changed = 0
    for thing, begin_ns, end_ns in spans:
        for start_ns in range(begin_ns, end_ns, _WINDOWS * derived.window_ns):
            stop_ns = min(start_ns + _WINDOWS * derived.window_ns, end_ns)
            changed += _settled(store, derived, (thing, start_ns, stop_ns), because)
    return changed


def _settled(store: Store, derived: Derived, span: tuple[str, int, int], because: Sequence[str]) -> int:
    thing, start_ns, end_ns = span
    t_ns, values, there = _values(store, derived, span)
    table = store.get(things=[thing], signals=[derived.signal], start_ns=start_ns, end_ns=end_ns)
    stands = dict(zip(table.column("t_ns").to_pylist(), table.column("value").to_pylist(), strict=True))
    new, changed = [], []
    for at, value, good in zip(t_ns.tolist(), values.tolist(), there.tolist(), strict=True):
        if at not in stands:
            new += [(at, value)] if good else []
        elif stands[at] != (value if good else None):
            changed.append((at, value if good else None))
    if new:
        _put(store, derived, _table(thing, derived, new))
    if changed:
        body = {"reason": "computed again: what it is computed from came late or was corrected",
                "signal": derived.signal, "start_ns": changed[0][0], "end_ns": changed[-1][0] + derived.window_ns,
                "rows": len(changed)}
        event = store.record([Event("points.recomputed", thing, changed[0][0], AUTHOR, body, tuple(because))])[0]
        _put(store, derived, _table(thing, derived, changed), event.id)
    return len(new) + len(changed)


def _put(store: Store, derived: Derived, table: pa.Table, correction: str = "") -> None:
    """Stores values of the service, numbered on: it is the only one that speaks under this name."""
    source = f"derived/{derived.kind}/{derived.signal}"
    last = store.cursor(source)
    number = 0 if last is None else last + 1
    store.put(Batch("derived", source, number, table, sent=number + table.num_rows, correction=correction))


def _values(store: Store, derived: Derived, span: tuple[str, int, int]) -> tuple[Any, Any, Any]:
    """(t_ns, value, whether there is one), each (N,), of the windows of a span."""
    thing, start_ns, end_ns = span
    grid = store.windows([thing], derived.inputs, start_ns=start_ns, end_ns=end_ns, step_ns=derived.sample_ns)
    count = (end_ns - start_ns) // derived.window_ns
    shape = (1, count, -1, len(derived.inputs))  # (B, T, C) -> (B, N, K, C)
    values, there = derived.of(grid.values.reshape(shape), grid.mask.reshape(shape), derived.sample_s)
    return np.arange(start_ns, end_ns, derived.window_ns), values[0], there[0]


def _name(derived: Derived) -> str:
    return f"derived/{derived.kind}/{derived.signal}"


def _passed(store: Store, derived: Derived) -> dict[str, int]:
    """Thing -> end of its last window that was computed."""
    found: dict[str, int] = json.loads(bookmarked(store, _name(derived)) or "{}")
    return found


def _heard(store: Store, derived: Derived) -> dict[str, int]:
    """Thing -> time up to which all inputs have come, of things that said all of them."""
    things = [thing.id for thing in store.things().values() if thing.kind == derived.kind]
    newest: dict[str, list[int]] = {}
    for row in store.newest(things, derived.inputs).select(["thing", "t_ns"]).to_pylist():
        newest.setdefault(row["thing"], []).append(row["t_ns"])
    return {thing: min(times) for thing, times in newest.items() if len(times) == len(derived.inputs)}


def _extent(store: Store, derived: Derived, thing: str) -> tuple[int, int]:
    """Times of the first and of the last input of a thing; the first is after the last when there is none."""
    names = ", ".join("'" + name.replace("'", "''") + "'" for name in [thing, *derived.inputs])
    found = []
    for view in ("points", "blocks"):
        sql = f"SELECT min(t_ns) AS low, max(t_ns) AS high FROM {view} WHERE thing IN ({names}) AND signal IN ({names})"
        found += [row for row in store.query(sql).to_pylist() if row["low"] is not None]
    return min((row["low"] for row in found), default=EVER), max((row["high"] for row in found), default=-EVER)


def _floor(t_ns: int, derived: Derived) -> int:
    return t_ns // derived.window_ns * derived.window_ns


def _table(thing: str, derived: Derived, rows: Sequence[tuple[int, float | None]]) -> pa.Table:
    count = len(rows)
    columns: dict[str, Any] = {
        "thing": [thing] * count, "signal": [derived.signal] * count, "t_ns": [t for t, _ in rows], "n": [0] * count,
        "value": [value for _, value in rows], "code": [None] * count, "quality": [0] * count,
    }
    return pa.table(columns, schema=POINTS_IN)
