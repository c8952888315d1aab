"""Live predictions as columns of the points store, each scored when its outcome is known.

    record(store, "tool-wear", predictions, baseline, BRIER, outcomes)    before anybody knows the outcome
    score(store, outcomes)                                                as often as one likes
    read(store)                                                           a row a prediction, as arrays

What a model says of one signal of one thing is a thing of its own, of kind 'prediction-<quantity>'; a prediction is the
values with its due time: median, q050 .. q950, baseline, lead, and once its outcome is known outcome, loss and
loss.baseline. Nothing is overwritten: an outcome that comes late or is corrected gives a later row by event
points.recomputed, and what stood before stays readable (known_by). A prediction of what is known already is a leak.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError, UnitError
from loopwright.core.types import POINTS_IN, Batch, Event, Kind, Prediction, Signal, Thing
from loopwright.core.units import INSIDE
from loopwright.learn.kept.outcomes import WITHIN_NS, Asked, Outcome, Outcomes, declared, points_of
from loopwright.learn.league import BRIER, loss_of
from loopwright.learn.splits import LeakError
from loopwright.store import Store
from loopwright.store.changes import EVER, Touched, bookmark, bookmarked, changes, now

AUTHOR = "service:league"
LEVELS = (0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975)
PREFIX = "prediction-"
LATEST_N = 1_000_000_000  # what the store takes as n
GIVEN_UP_NS = 86_400 * NS_PER_S  # what waits longer is looked at again only when values of its time come late


Key = tuple[str, int, int]  # thing, due_ns, n


def level_name(level: float) -> str:
    """The signal of a quantile: 'q050' for 0.05. InputError lists the levels there are."""
    for known in LEVELS:
        if abs(level - known) < 1e-9:
            return f"q{round(known * 1000):03d}"
    raise InputError("prediction", f"quantile {level}", ", ".join(map(str, LEVELS)))


def kind_of(unit: str) -> Kind:
    """The kind of thing that predictions in this inside unit are."""
    quantity = next((name for name, inside in INSIDE.items() if inside == unit), None)
    if quantity is None:
        raise UnitError("prediction", f"unit {unit!r} is not used inside", ", ".join(INSIDE.values()))

    def gauge(name: str, meaning: str, of: str = unit) -> Signal:
        return Signal(name, of, "gauge", None, None, None, meaning)

    levels = [gauge(level_name(level), f"The value below which it is with probability {level:g}.") for level in LEVELS]
    signals = (
        gauge("median", "What a model said would be true at this time."), *levels,
        gauge("baseline", "What the simplest baseline said at the same moment."),
        gauge("lead", "How long before this time it was said; below zero: after it, before it was known.", "s"),
        gauge("outcome", "What was true."), gauge("loss", "What the model lost on it."),
        gauge("loss.baseline", "What the simplest baseline lost on it."),
    )
    return Kind(PREFIX + quantity.replace(" ", "-"), f"What models say of a signal in {unit}.", signals)


def record(
    store: Store, task: str, predictions: Sequence[Prediction], baseline: Sequence[float], loss: str,
    outcomes: Outcomes | None = None, of: Mapping[str, str] | None = None,
) -> dict[str, int]:
    """Keeps predictions of one model, before their outcomes are known: {stored, duplicate}. Again it stores none twice.

    baseline  (n,) what the simplest baseline says of the same
    loss      how they are scored: league.ABSOLUTE or league.BRIER
    outcomes  looks whether an outcome is known already; None: the newest values of the store tell
    of        about -> thing of the store that it belongs to, where it is none itself (a run -> its machine)
    Raises LeakError when one is, InputError for numbers that are none, quantiles that cross, or two predictions of the
    same made within one second; nothing is stored then.
    """
    if len(baseline) != len(predictions):
        raise InputError("predictions", f"{len(predictions)} with {len(baseline)} of the baseline", "one for each")
    if not predictions:
        return {"stored": 0, "duplicate": 0}
    fresh = _fresh(task, predictions, _standing(store, predictions))
    asked = [Asked(predictions[i].about, predictions[i].signal, predictions[i].due_ns) for i in fresh]
    known = (outcomes or points_of(store))(asked)
    if known:
        one = next(iter(known))
        said = f"{len(known)} outcomes were known when they were made: {one.signal} of {one.about} at {one.due_ns}"
        raise LeakError(f"predictions of {task}", said, "", "predict what is not known yet")
    rows = _Rows()
    things: dict[str, Thing] = {}
    kinds: dict[str, Kind] = {}
    for i in fresh:
        prediction = predictions[i]
        if prediction.unit not in kinds:
            kinds[prediction.unit] = kind_of(prediction.unit)
        kind = kinds[prediction.unit]
        if _name(prediction) not in things:
            owner = (of or {}).get(prediction.about, prediction.about)
            things[_name(prediction)] = _thing(store, task, prediction, kind.name, loss, owner)
        if loss == BRIER and not (0.0 <= prediction.median <= 1.0 and 0.0 <= baseline[i] <= 1.0):
            given = f"{prediction.median:g}, the baseline {baseline[i]:g}"
            raise InputError(f"prediction of {prediction.signal} of {prediction.about}", given, "probabilities, 0 to 1")
        rows.add_prediction(prediction, float(baseline[i]))
    if fresh:
        _declare(store, kinds.values(), things)
        _put(store, rows.table(), f"league/{predictions[0].model}")
    return {"stored": len(fresh), "duplicate": len(predictions) - len(fresh)}


def score(store: Store, outcomes: Outcomes | None = None, task: str = "", signal: str = "") -> dict[str, int]:
    """Scores every prediction whose outcome is known: {scored, changed, waiting, leaks}.

    outcomes      what came true, asked about everything again; None: the values of the store, where what was scored is
                  looked at again only when its values came late, were corrected or erased
    task, signal  only of this task, of this signal
    A prediction that became known to the plant only after its outcome is counted as a leak and never scored. Again it
    does nothing twice; an outcome that has changed gives a later row, one that is gone a gap.
    """
    name, upto = f"league/{task}/{signal}", now(store)
    mark = {"known": 0, "from": -EVER} | json.loads(bookmarked(store, name) or "{}")
    touched = None if outcomes else changes(store, mark["known"])
    since = -EVER if touched is None else min([mark["from"], *(one.start_ns for one in touched)])
    table = read(store, task=task, start_ns=None if since <= -EVER else since)
    counts = {"scored": 0, "changed": 0, "waiting": 0, "leaks": 0}
    chosen = _to_look_at(store, table, signal, touched)
    asked = [Asked(str(table["about"][i]), str(table["signal"][i]), int(table["due_ns"][i])) for i in chosen]
    known = (outcomes or points_of(store))(list(dict.fromkeys(asked))) if asked else {}
    new, changed = _Rows(), _Rows()
    for i, one in zip(chosen, asked, strict=True):
        found, stood = known.get(one), float(table["outcome"][i])
        if found is not None and found.known_ns <= int(table["known_ns"][i]):
            counts["leaks"] += 1
        elif found is None and np.isnan(stood):
            counts["waiting"] += 1
        elif found is None or found.value != stood:
            (new if np.isnan(stood) and not table["told"][i] else changed).add_score(table, i, found)
            counts["scored" if np.isnan(stood) else "changed"] += 1
    if len(new):
        _put(store, new.table(), "league/scores")
    for thing, rows in changed.by_thing():
        _put(store, rows, "league/scores", _recomputed(store, thing, rows))
    if touched is not None and (asked or touched):
        open_ns = [one.due_ns for i, one in zip(chosen, asked, strict=True)
                   if one not in known and one.due_ns > upto - GIVEN_UP_NS]
        bookmark(store, name, json.dumps({"known": upto, "from": min([*open_ns, upto - GIVEN_UP_NS])}))
    return counts


def _to_look_at(
    store: Store, table: Mapping[str, np.ndarray], signal: str, changed: Sequence[Touched] | None
) -> list[int]:
    """Rows whose outcome is to be asked for. changed: values that changed since the last look, None: all again."""
    mine = np.flatnonzero((table["signal"] == signal) | (signal == "")).tolist()
    if changed is None:
        return mine
    there = declared(store)
    mine = [i for i in mine if table["signal"][i] in there.get(table["about"][i], ())]
    touched: dict[tuple[str, str], list[Touched]] = {}
    for one in changed:
        touched.setdefault((one.thing, one.signal), []).append(one)
    return [i for i in mine if np.isnan(table["outcome"][i]) or _moved(touched, table, i)]


def _moved(touched: Mapping[tuple[str, str], list[Touched]], table: Mapping[str, np.ndarray], i: int) -> bool:
    """Whether a value that may be the outcome of a prediction has changed."""
    about, signal, due = table["about"][i], table["signal"][i], int(table["due_ns"][i])
    return any(one.start_ns <= due < one.end_ns + WITHIN_NS for key in ((about, signal), (about, ""), ("", ""))
               for one in touched.get(key, ()))


def read(
    store: Store, *, task: str = "", model: str = "", known_by_ns: int | None = None, start_ns: int | None = None
) -> dict[str, np.ndarray]:
    """Predictions as columns (n,), in the order of due_ns: model, task, about, signal, unit, loss_name, level, made_ns,
    due_ns, known_ns (of the prediction), median, low, high, baseline, outcome, loss, baseline_loss (NaN: not known
    yet), scored_ns, thing, n, told (whether an outcome was ever written).

    task, model  only of these; known_by_ns: as it stood then; start_ns: due from then on
    """
    kinds = store.kinds()
    wanted = {name: thing for name, thing in store.things().items() if thing.kind.startswith(PREFIX)
              and task in ("", thing.labels.get("task")) and model in ("", thing.labels.get("model"))}
    if not wanted:
        return _pivot(POINTS_IN.empty_table().append_column("known_ns", pa.array([], pa.int64())), wanted, kinds)
    return _pivot(store.get(things=sorted(wanted), known_by_ns=known_by_ns, start_ns=start_ns), wanted, kinds)


def _pivot(rows: pa.Table, things: Mapping[str, Thing], kinds: Mapping[str, Kind]) -> dict[str, np.ndarray]:
    thing = np.asarray(rows.column("thing").to_pylist(), dtype=object)
    t_ns, n = rows.column("t_ns").to_numpy(), rows.column("n").to_numpy()
    value, known = rows.column("value").to_numpy(zero_copy_only=False), rows.column("known_ns").to_numpy()
    signal = np.asarray(rows.column("signal").to_pylist(), dtype=object)
    names, of = np.unique(thing.astype(str), return_inverse=True)
    key, first, where = np.unique(np.column_stack([t_ns, of, n]), axis=0, return_index=True, return_inverse=True)
    where = where.reshape(-1)
    count = len(key)

    def column(name: str, of_known: bool = False) -> np.ndarray:
        found = np.full(count, 0 if of_known else np.nan, dtype=np.int64 if of_known else np.float64)
        mine = signal == name
        found[where[mine]] = (known if of_known else value)[mine]
        return found

    quantiles = {level: column(level_name(level)) for level in LEVELS}
    low, high, level = _interval(quantiles, count)
    label = {name: dict(things[name].labels) for name in names.tolist()}
    text = {word: np.array([label[name].get(word, "") for name in thing[first]], dtype=object) for word in _LABELS}
    unit = {name: kinds[things[name].kind].signal("median").unit for name in names.tolist()}
    lead_ns = np.round(np.nan_to_num(column("lead")) * NS_PER_S).astype(np.int64)
    scored_ns = column("outcome", True)
    return {
        **text, "unit": np.array([unit[name] for name in thing[first]], dtype=object), "level": level,
        "made_ns": key[:, 0] - lead_ns, "due_ns": key[:, 0], "known_ns": column("median", True),
        "median": column("median"), "low": low, "high": high, "baseline": column("baseline"),
        "outcome": column("outcome"), "loss": column("loss"), "baseline_loss": column("loss.baseline"),
        "scored_ns": scored_ns, "thing": thing[first], "n": key[:, 2], "told": scored_ns > 0,
    }


def _interval(quantiles: Mapping[float, np.ndarray], count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The widest central interval that each prediction states: low, high, level (0: none)."""
    low, high, level = np.full(count, np.nan), np.full(count, np.nan), np.zeros(count)
    for below in sorted((one for one in LEVELS if one < 0.5), reverse=True):
        above = next(one for one in LEVELS if abs(one + below - 1.0) < 1e-9)
        both = np.isfinite(quantiles[below]) & np.isfinite(quantiles[above])
        low[both], high[both], level[both] = quantiles[below][both], quantiles[above][both], above - below
    return low, high, level


_LABELS = ("model", "task", "about", "signal", "loss_name")


def _thing(store: Store, task: str, one: Prediction, kind: str, loss: str, owner: str) -> Thing:
    """The thing under which predictions of one model about one signal of one thing stand, whose that thing is."""
    labels = {"model": one.model, "task": task, "about": one.about, "signal": one.signal, "loss_name": loss}
    parent = store.things().get(owner)
    return Thing(_name(one), kind, parent=parent.id if parent else "",
                 unit=parent.unit if parent else "", owner=parent.owner if parent else "", labels=labels)


def _name(one: Prediction) -> str:
    return f"prediction/{one.model}/{one.about}/{one.signal}"


def _standing(store: Store, predictions: Sequence[Prediction]) -> dict[Key, float]:
    """What was said already about the times of these predictions: key -> median."""
    there = store.things()
    things = sorted({name for name in map(_name, predictions) if name in there})
    if not things:
        return {}
    due = [one.due_ns for one in predictions]
    rows = store.get(things=things, signals=["median"], start_ns=min(due), end_ns=max(due) + 1)
    keys = zip(*(rows.column(name).to_pylist() for name in ("thing", "t_ns", "n")), strict=True)
    return dict(zip(keys, rows.column("value").to_pylist(), strict=True))


def _fresh(task: str, predictions: Sequence[Prediction], stand: Mapping[Key, float]) -> list[int]:
    """Which of them nobody has made yet. Raises InputError where another answer stands."""
    seen: dict[Key, float] = dict(stand)
    fresh: list[int] = []
    for i, one in enumerate(predictions):
        key = (_name(one), one.due_ns, lead_number(one.made_ns, one.due_ns))
        if key not in seen:
            fresh.append(i)
        elif seen[key] != one.median:
            given = f"{one.model} said {seen[key]:g} of {one.signal} of {one.about} before, and {one.median:g} now"
            raise InputError(f"predictions of {task}", given, "one answer within a second", "make it a second later")
        seen[key] = one.median
    return fresh


def _declare(store: Store, kinds: Any, things: Mapping[str, Thing]) -> None:
    there = store.things()
    new = [thing for name, thing in things.items() if name not in there]
    if new:
        missing = [kind for kind in kinds if kind.name not in store.kinds()]
        store.declare(missing, new)


def _put(store: Store, table: pa.Table, source: str, correction: str = "") -> dict[str, int]:
    """Stores values of the league, numbered on: it is the only one that speaks under this name."""
    last = store.cursor(source)
    number = 0 if last is None else last + 1
    batch = Batch("league", source, number, table, sent=number + table.num_rows, correction=correction)
    receipt = store.put(batch)
    if receipt.refused:
        raise InputError(source, f"{dict(receipt.refused)}", "finite numbers at times of 1800 to 2199")
    return {"stored": receipt.stored, "duplicate": receipt.duplicate, "conflict": receipt.conflict}


def _recomputed(store: Store, thing: str, rows: pa.Table) -> str:
    times = rows.column("t_ns").to_pylist()
    body = {"reason": "scored again: the outcome came late or was corrected", "signal": "outcome",
            "start_ns": min(times), "end_ns": max(times) + 1, "rows": rows.num_rows}
    return store.record([Event("points.recomputed", thing, min(times), AUTHOR, body)])[0].id


class _Rows:
    """Rows of POINTS_IN, gathered."""

    def __init__(self) -> None:
        self._columns: dict[str, list[Any]] = {name: [] for name in POINTS_IN.names}

    def __len__(self) -> int:
        return len(self._columns["thing"])

    def add(self, thing: str, signal: str, t_ns: int, n: int, value: float | None) -> None:
        """One value; None is a gap."""
        for name, one in zip(POINTS_IN.names, (thing, signal, t_ns, n, value, None, 0), strict=True):
            self._columns[name].append(one)

    def add_prediction(self, one: Prediction, base: float) -> None:
        """All values of a prediction."""
        thing = _name(one)
        where = f"prediction of {one.signal} of {one.about}"
        levels = sorted(one.quantiles.items())
        numbers = [one.median, base, *(value for _, value in levels)]
        if not all(np.isfinite(numbers)):
            raise InputError(where, f"{numbers}", "finite numbers")
        values = [value for _, value in levels]
        if values != sorted(values):
            raise InputError(where, f"its quantiles cross: {values}", "quantiles that grow with their level")
        n = lead_number(one.made_ns, one.due_ns)
        self.add(thing, "median", one.due_ns, n, float(one.median))
        for level, value in levels:
            self.add(thing, level_name(level), one.due_ns, n, float(value))
        self.add(thing, "baseline", one.due_ns, n, base)
        self.add(thing, "lead", one.due_ns, n, (one.due_ns - one.made_ns) / NS_PER_S)

    def add_score(self, table: Mapping[str, np.ndarray], i: int, found: Outcome | None) -> None:
        """Outcome and losses of the i-th prediction of a table; gaps when there is no outcome any more."""
        thing, due, n = str(table["thing"][i]), int(table["due_ns"][i]), int(table["n"][i])
        values: list[float | None] = [None, None, None]
        if found is not None:
            said = np.array([table["median"][i], table["baseline"][i]])
            values = [found.value, *loss_of(str(table["loss_name"][i]), said, found.value).tolist()]
        for signal, value in zip(("outcome", "loss", "loss.baseline"), values, strict=True):
            self.add(thing, signal, due, n, value)

    def table(self) -> pa.Table:
        return pa.table(self._columns, schema=POINTS_IN)

    def by_thing(self) -> Iterator[tuple[str, pa.Table]]:
        """(thing, its rows) one after another."""
        table = self.table()
        for thing in dict.fromkeys(self._columns["thing"]):
            yield thing, table.filter(pa.array([one == thing for one in self._columns["thing"]]))


def lead_number(made_ns: int, due_ns: int) -> int:
    """What tells predictions of the same time from each other: their lead in whole seconds, 0, 2, 4 .. ahead of it and
    1, 3, .. after it. Raises InputError for a lead of more than fifteen years."""
    lead_s = (due_ns - made_ns) // NS_PER_S
    n = 2 * lead_s if lead_s >= 0 else -2 * lead_s - 1
    if n > LATEST_N:
        raise InputError("prediction", f"it is made {abs(lead_s):,} s from its time", "at most fifteen years")
    return n


__all__ = ["Asked", "Outcome", "Outcomes", "kind_of", "level_name", "points_of", "read", "record", "score"]
