"""Scores predictions whose outcome is known: all that became known since the last look, in a few queries.

    score(store)                                 outcomes are values of the store
    score(store, outcomes, "tool-wear")          a task whose outcomes are no values brings a function

A prediction is asked about when a value at or after its time has come, and again when values of its time came late,
were corrected or erased; what waits costs its reading and no query. What was looked at stands in memory, so a restart
asks about everything of the last day once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import pyarrow as pa

from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError
from loopwright.core.types import POINTS_IN, Batch, Event
from loopwright.learn.kept.columns import read
from loopwright.learn.kept.outcomes import NEVER, WITHIN_NS, Asked, Outcomes, declared, newest_of, values_at
from loopwright.learn.league import loss_of
from loopwright.store import Store
from loopwright.store.changes import EVER, Touched, bookmark, bookmarked, changes, now

AUTHOR = "service:league"
GIVEN_UP_NS = 86_400 * NS_PER_S  # what waits longer expires: it is looked at again only when values of its time come
NEEDED = ("median", "baseline", "outcome")  # signals of a prediction that scoring reads
Table = Mapping[str, np.ndarray]


@dataclass
class _Looked:
    """(about, signal) -> its newest value when it was looked at last; leaks: keys of predictions that are never scored;
    expired: up to when what waited was counted as expired."""

    newest: dict[tuple[str, str], int] = field(default_factory=dict)
    leaks: set[tuple[str, int, int]] = field(default_factory=set)
    expired_ns: int = NEVER


_MEMORY: WeakKeyDictionary[Store, dict[str, _Looked]] = WeakKeyDictionary()


def score(store: Store, outcomes: Outcomes | None = None, task: str = "", signal: str = "") -> dict[str, int]:
    """Scores every prediction whose outcome is known: {scored, changed, waiting, leaks, expired}.

    outcomes      what came true, asked about everything again; None: the values of the store, where what was scored is
                  looked at again only when its values came late, were corrected or erased
    task, signal  only of this task, of this signal
    expired: they passed a day ago without an outcome and are counted once; one that comes late is still scored. A
    prediction that became known to the plant only after its outcome is counted as a leak and never scored. Again it
    does nothing twice; an outcome that has changed gives a later row, one that is gone a gap.
    """
    name, upto = f"league/{task}/{signal}", now(store)
    looked = _MEMORY.setdefault(store, {}).setdefault(name, _Looked())
    mark = {"known": 0, "from": -EVER} | json.loads(bookmarked(store, name) or "{}")
    touched = None if outcomes else changes(store, mark["known"])
    since = -EVER if touched is None else min([mark["from"], *(one.start_ns for one in touched)])
    table = read(store, task=task, start_ns=None if since <= -EVER else since, only=NEEDED)
    mine = (table["signal"] == signal) if signal else np.ones(len(table["due_ns"]), dtype=bool)
    if outcomes is not None:
        value, known, asked = _told(outcomes, table, mine)
        newest: dict[tuple[str, str], int] = {}
    else:
        value, known, asked, newest, mine = _found(store, table, mine, touched or (), looked)
    counts = _write(store, table, (value, known, asked), mine, looked)
    counts["expired"] = _expired(table, mine & np.isnan(table["outcome"]) & np.isnan(value), looked, upto)
    looked.newest |= newest
    if touched is not None and (mine.any() or touched):
        bookmark(store, name, json.dumps({"known": upto, "from": upto - GIVEN_UP_NS}))
    return counts


def _told(outcomes: Outcomes, table: Table, mine: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What a task's own function says of every prediction: (values, NaN where none; when each became known; asked)."""
    at = np.flatnonzero(mine)
    asked = [Asked(about, signal, due) for about, signal, due in zip(
        table["about"][at].tolist(), table["signal"][at].tolist(), table["due_ns"][at].tolist(), strict=True)]
    told = outcomes(list(dict.fromkeys(asked))) if asked else {}
    value, known = np.full(len(mine), np.nan), np.zeros(len(mine), dtype=np.int64)
    for i, one in zip(at.tolist(), asked, strict=True):
        if one in told:
            value[i], known[i] = told[one].value, told[one].known_ns
    return value, known, mine


def _found(
    store: Store, table: Table, mine: np.ndarray, touched: Sequence[Touched], looked: _Looked
) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[tuple[str, str], int], np.ndarray]:
    """The same from the values of the store; then the newest value of each (about, signal), and what is one there."""
    names, of = np.unique(table["thing"].astype(str), return_inverse=True)
    first = np.zeros(len(names), dtype=np.int64)
    first[of[::-1]] = np.arange(len(of))[::-1]
    keys = [(str(table["about"][i]), str(table["signal"][i])) for i in first.tolist()]
    there = declared(store)
    real = np.array([signal in there.get(about, ()) for about, signal in keys], dtype=bool)
    newest = newest_of(store, [key for key, one in zip(keys, real, strict=True) if one])
    now_ns = np.array([newest.get(key, NEVER) for key in keys], dtype=np.int64)
    before = np.array([looked.newest.get(key, NEVER) for key in keys], dtype=np.int64)
    due, open_ = table["due_ns"], np.isnan(table["outcome"])
    if len(names):
        mine = mine & real[of]
        moved = _moved(keys, of, due, touched)
        asked = mine & (due <= now_ns[of]) & ((open_ & (due > before[of])) | moved)
        gone = mine & ~open_ & moved & ~asked  # its values are gone, all of them
    else:
        asked = gone = np.zeros(len(due), dtype=bool)
    value, known = np.full(len(due), np.nan), np.zeros(len(due), dtype=np.int64)
    at = np.flatnonzero(asked)
    if len(at):
        value[at], known[at] = values_at(store, keys, of[at], due[at])
    return value, known, asked | gone, newest, mine


def _moved(
    keys: Sequence[tuple[str, str]], of: np.ndarray, due: np.ndarray, touched: Sequence[Touched]
) -> np.ndarray:
    """(n,) whether a value that may be the outcome of a prediction has changed."""
    moved = np.zeros(len(due), dtype=bool)
    for one in touched:
        mine = np.array([one.thing in ("", about) and one.signal in ("", signal) for about, signal in keys], dtype=bool)
        if mine.any():
            moved |= mine[of] & (due >= one.start_ns) & (due < one.end_ns + WITHIN_NS)
    return moved


def _write(
    store: Store, table: Table, found: tuple[np.ndarray, np.ndarray, np.ndarray], mine: np.ndarray, looked: _Looked
) -> dict[str, int]:
    """Stores the scores that are new or have changed; counts of them."""
    value, known, asked = found
    stood, there = table["outcome"], np.isfinite(value)
    leak = asked & there & (known <= table["known_ns"])
    waits = mine & ~there & np.isnan(stood)
    differs = asked & ~leak & (there | np.isfinite(stood)) & ~((value == stood) & there)
    new = differs & np.isnan(stood) & ~table["told"]
    again = differs & ~new
    for i in np.flatnonzero(leak).tolist():
        looked.leaks.add((str(table["thing"][i]), int(table["due_ns"][i]), int(table["n"][i])))
    if new.any():
        put(store, _scores(table, value, np.flatnonzero(new)), "league/scores")
    at = np.flatnonzero(again)
    for thing in dict.fromkeys(table["thing"][at].tolist()):
        rows = _scores(table, value, at[table["thing"][at] == thing])
        put(store, rows, "league/scores", _recomputed(store, thing, rows))
    return {"scored": int((differs & np.isnan(stood)).sum()), "changed": int((differs & np.isfinite(stood)).sum()),
            "waiting": int(waits.sum()) - _known_leaks(table, waits, looked), "leaks": int(leak.sum())}


def _known_leaks(table: Table, waits: np.ndarray, looked: _Looked) -> int:
    """How many of those that wait are leaks which were counted before."""
    if not looked.leaks:
        return 0
    at = np.flatnonzero(waits)
    keys = zip(table["thing"][at].tolist(), table["due_ns"][at].tolist(), table["n"][at].tolist(), strict=True)
    return sum(key in looked.leaks for key in keys)


def _expired(table: Table, waits: np.ndarray, looked: _Looked, upto: int) -> int:
    """How many that wait expired since it was asked last."""
    due = table["due_ns"]
    count = int((waits & (due <= upto - GIVEN_UP_NS) & (due > looked.expired_ns)).sum())
    looked.expired_ns = max(looked.expired_ns, upto - GIVEN_UP_NS)
    return count


def _scores(table: Table, value: np.ndarray, at: np.ndarray) -> pa.Table:
    """Outcome and losses of predictions `at`, POINTS_IN; gaps where there is no outcome any more."""
    outcome = value[at]
    losses = np.full((2, len(at)), np.nan)
    for name in set(table["loss_name"][at].tolist()):
        mine = table["loss_name"][at] == name
        for row, said in zip(losses, ("median", "baseline"), strict=True):
            row[mine] = loss_of(str(name), table[said][at][mine], outcome[mine])
    values = np.concatenate([outcome, *losses])
    n = len(at)
    thing = pa.DictionaryArray.from_arrays(*_codes(table["thing"][at])).cast(pa.string())
    columns = {
        "thing": pa.concat_arrays([thing] * 3), "signal": pa.array(np.repeat(["outcome", "loss", "loss.baseline"], n)),
        "t_ns": np.tile(table["due_ns"][at], 3), "n": np.tile(table["n"][at], 3).astype(np.int32),
        "value": pa.array(values, mask=np.isnan(values)), "code": pa.nulls(3 * n, pa.int64()),
        "quality": np.zeros(3 * n, dtype=np.int8),
    }
    return pa.table(columns, schema=POINTS_IN)


def _codes(names: np.ndarray) -> tuple[pa.Array, pa.Array]:
    words, of = np.unique(names.astype(str), return_inverse=True)
    return pa.array(of.astype(np.int32)), pa.array(words.tolist(), pa.string())


def put(store: Store, table: pa.Table, source: str, correction: str = "") -> dict[str, int]:
    """Stores values of the league, numbered on: it is the only one that speaks under this name."""
    last = store.cursor(source)
    number = 0 if last is None else last + 1
    batch = Batch("league", source, number, table, sent=number + table.num_rows, correction=correction)
    receipt = store.put(batch)
    if receipt.refused:
        raise InputError(source, f"{dict(receipt.refused)}", "finite numbers at times of 1800 to 2199")
    return {"stored": receipt.stored, "duplicate": receipt.duplicate, "conflict": receipt.conflict}


def _recomputed(store: Store, thing: str, rows: pa.Table) -> str:
    times = rows.column("t_ns").to_numpy()
    body: dict[str, Any] = {
        "reason": "scored again: the outcome came late or was corrected", "signal": "outcome",
        "start_ns": int(times.min()), "end_ns": int(times.max()) + 1, "rows": rows.num_rows}
    return store.record([Event("points.recomputed", thing, int(times.min()), AUTHOR, body)])[0].id
