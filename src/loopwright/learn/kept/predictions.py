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

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError, UnitError
from loopwright.core.types import POINTS_IN, Kind, Prediction, Signal, Thing
from loopwright.core.units import INSIDE
from loopwright.learn.kept.columns import LEVELS, PREFIX, level_name, read
from loopwright.learn.kept.outcomes import Asked, Outcome, Outcomes, points_of
from loopwright.learn.kept.scoring import AUTHOR, put, score
from loopwright.learn.league import BRIER
from loopwright.learn.splits import LeakError
from loopwright.store import Store

LATEST_N = 1_000_000_000  # what the store takes as n
Key = tuple[str, int, int]  # thing, due_ns, n


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
        put(store, rows.table(), f"league/{predictions[0].model}")
    return {"stored": len(fresh), "duplicate": len(predictions) - len(fresh)}


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

    def table(self) -> pa.Table:
        return pa.table(self._columns, schema=POINTS_IN)


def lead_number(made_ns: int, due_ns: int) -> int:
    """What tells predictions of the same time from each other: their lead in whole seconds, 0, 2, 4 .. ahead of it and
    1, 3, .. after it. Raises InputError for a lead of more than fifteen years."""
    lead_s = (due_ns - made_ns) // NS_PER_S
    n = 2 * lead_s if lead_s >= 0 else -2 * lead_s - 1
    if n > LATEST_N:
        raise InputError("prediction", f"it is made {abs(lead_s):,} s from its time", "at most fifteen years")
    return n


__all__ = ["AUTHOR", "LEVELS", "PREFIX", "Asked", "Outcome", "Outcomes", "kind_of", "level_name", "points_of", "read",
           "record", "score"]
