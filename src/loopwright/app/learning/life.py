"""Remaining life in the league: tools of machines run by run, or any machine from one end to the next, step by step."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from loopwright.app import speaking
from loopwright.app.learning import Task
from loopwright.app.plant import Plant
from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError
from loopwright.core.types import Decision, Event, Prediction
from loopwright.learn.kept import predictions
from loopwright.learn.kept.predictions import Asked, Outcome, Outcomes
from loopwright.learn.league import ABSOLUTE
from loopwright.learn.lives.units import LEVELS, Unit
from loopwright.learn.tasks import life as lives
from loopwright.store import Store

SIGNAL = "life.left"
_ROWS: WeakKeyDictionary[Store, dict[str, dict[str, float]]] = WeakKeyDictionary()  # numbers of runs, measured once
KEPT = tuple(level for level in LEVELS if any(abs(level - one) < 1e-9 for one in predictions.LEVELS))


@dataclass(frozen=True)
class Life:
    """One life of a thing.

    ends_ns  when each of its rows ended; rows: what they are called, where they have names
    ended    the event that ended it; None while it goes on, and where it was `changed` before it was worn
    """

    thing: str
    ends_ns: tuple[int, ...]
    ended: Event | None
    rows: tuple[str, ...] = ()
    changed: bool = False

    @property
    def goes_on(self) -> bool:
        """Whether it is in use."""
        return self.ended is None and not self.changed


def tools(labels: Sequence[Event], changes: Mapping[str, Sequence[int]] | None = None) -> list[Life]:
    """Tools from their first run to the one that found them worn, or to a change before that, machine by machine.

    changes  thing -> times from which on its runs are those of a new tool (`changes_of`)
    A tool that is run on after it was found worn tells nothing more.
    """
    newest = {_run(event): event for event in labels}  # an inspection that was corrected counts as it stands
    ordered: dict[str, list[tuple[str, Event]]] = {}
    for name, event in sorted(newest.items(), key=lambda one: (int(one[1].body["end_ns"]), one[0])):
        ordered.setdefault(str(event.body["thing"]), []).append((name, event))
    found: list[Life] = []
    for thing, events in ordered.items():
        times, now = sorted((changes or {}).get(thing, ())), Life(thing, (), None)
        for name, event in events:
            fresh = bool(times) and int(event.body["start_ns"]) >= times[0]
            times = [t for t in times if t > int(event.body["start_ns"])]
            worn = event.body["label"] == "worn"
            if now.ended is not None and worn and not fresh:
                continue  # the same tool, run on
            if now.rows and (now.ended is not None or fresh):
                found.append(replace(now, changed=now.ended is None))
                now = Life(thing, (), None)
            now = Life(thing, (*now.ends_ns, int(event.body["end_ns"])), event if worn else None, (*now.rows, name))
        over = bool(times) and now.ended is None and bool(now.rows) and times[0] > now.ends_ns[-1]
        found.append(replace(now, changed=over))
    return found


def changes_of(plant: Plant) -> dict[str, list[int]]:
    """thing -> when its tool was changed as planned: work orders with a window that are done, by the time they were, or
    by the beginning of the first run with the new tool where that is told (`before_ns`)."""
    asked = {e.about: str(e.body["machine"]) for e in plant.store.recall(kind="workorder.opened")
             if "latest_ns" in e.body}
    found: dict[str, list[int]] = {}
    for event in plant.store.recall(kind="workorder.done"):
        if event.about in asked:
            found.setdefault(asked[event.about], []).append(int(event.body.get("before_ns", event.t_ns)))
    return found


def _run(event: Event) -> str:
    """A run by its name and its beginning: a machine that is played counts its runs from one again."""
    return f"{event.about} {event.body['start_ns']}"


def stretches(plant: Plant, task: Task, known_by_ns: int | None = None) -> list[Life]:
    """The same of things whose ends an event tells: rows are steps, from the end before (or the first value) on."""
    step_ns = round(task.step_s * NS_PER_S)
    ends = [e for e in plant.store.recall(kind=task.ends) if known_by_ns is None or e.known_ns <= known_by_ns]
    found = []
    for thing in task.things:
        mine = sorted((e for e in ends if speaking.thing_of(e) == thing), key=lambda e: e.t_ns)
        newest = plant.store.newest([thing], list(task.signals)).column("t_ns").to_pylist()
        if not newest:
            continue
        begin = _first_ns(plant, task, thing, max(newest)) // step_ns * step_ns
        for event in [*mine, None]:
            end = max(newest) if event is None else event.t_ns
            rows = tuple(range(begin + step_ns, end // step_ns * step_ns + step_ns, step_ns))
            if rows:
                found.append(Life(thing, rows, event))
            begin = end // step_ns * step_ns + step_ns
    return found


def _first_ns(plant: Plant, task: Task, thing: str, newest_ns: int) -> int:
    start_ns = newest_ns - round(task.history_s * NS_PER_S)
    rows = plant.store.get(things=[thing], signals=list(task.signals), start_ns=start_ns, end_ns=newest_ns + 1)
    return int(min(rows.column("t_ns").to_pylist(), default=newest_ns))


def units(plant: Plant, task: Task, known_by_ns: int | None = None) -> tuple[list[Unit], list[Life], list[str]]:
    """(units, the life each is, names of their values)."""
    if task.ends:
        return _steps(plant, task, known_by_ns)
    labels = [e for e in plant.store.recall(kind="run.labelled")
              if e.body["thing"] in task.things and (known_by_ns is None or e.known_ns <= known_by_ns)]
    bind = next(p.hooks["maintain"] for p in plant.packs.values() if "maintain" in p.hooks)
    memory = _ROWS.setdefault(plant.store, {})
    new = {_run(e): e for e in labels if _run(e) not in memory}
    asked = [{"run": name, **{key: e.body[key] for key in ("thing", "start_ns", "end_ns")}} for name, e in new.items()]
    measured = bind.measured(asked, _fetch(plant))
    memory |= {name: measured.get(name, {}) for name in new}
    rows = {name: memory[name] for name in map(_run, labels)}
    names = list(bind.columns(rows))
    lived = [one for one in tools(labels, changes_of(plant)) if one.rows] if names else []
    count: Counter[str] = Counter()
    found = []
    for one in lived:
        count[one.thing] += 1
        values = np.array([[float(rows[row].get(name, math.nan)) for name in names] for row in one.rows])
        left = None if one.ended is None else 0.0
        found.append(Unit(f"{one.thing}/tool-{count[one.thing]}", values, np.zeros((len(values), 0)), left))
    return found, lived, names


def _fetch(plant: Plant) -> Any:
    def fetch(thing: str, signals: Sequence[str], start_ns: int, end_ns: int) -> Any:
        return plant.store.get(things=[thing], signals=list(signals), start_ns=start_ns, end_ns=end_ns + 1)

    return fetch


def _steps(plant: Plant, task: Task, known_by_ns: int | None) -> tuple[list[Unit], list[Life], list[str]]:
    step_ns = round(task.step_s * NS_PER_S)
    found, kept = [], []
    for number, life in enumerate(stretches(plant, task, known_by_ns)):
        one = plant.store.windows([life.thing], list(task.signals), start_ns=life.ends_ns[0] - step_ns,
                                  end_ns=life.ends_ns[-1], step_ns=step_ns, known_by_ns=known_by_ns)
        values = np.where(one.mask[0], one.values[0], np.nan)
        left = 0.0 if life.ended else None
        found.append(Unit(f"{life.thing}/life-{number}", values, np.zeros((len(values), 0)), left))
        kept.append(life)
    return found, kept, list(task.signals)


def gather(plant: Plant, task: Task, now_ns: int, known_by_ns: int) -> dict[str, Any]:
    """The data of `learn.tasks.life`."""
    found, _, names = units(plant, task, known_by_ns)
    if not found:
        raise InputError(f"task {task.name}", "no life has begun", "", "wait")
    return {"units": lives.plain(found), "signals": names, "word": "steps" if task.ends else "runs",
            "known_by_ns": known_by_ns}


def known(plant: Plant, task: Task, now_ns: int) -> int:
    """Lives whose end is known."""
    return sum(life.ended is not None for life in _all(plant, task))


def _all(plant: Plant, task: Task) -> list[Life]:
    if task.ends:
        return stretches(plant, task)
    lived = tools(plant.store.recall(kind="run.labelled"), changes_of(plant))
    return [one for one in lived if one.thing in task.things]


def outcomes(plant: Plant, task: Task) -> Outcomes | None:
    """How many rows a life had left after the one that was asked about, once it has ended."""
    found: dict[Asked, Outcome] = {}
    for life in _all(plant, task):
        if life.ended is not None:
            last = len(life.ends_ns) - 1
            found |= {Asked(life.thing, SIGNAL, end_ns): Outcome(float(last - i), life.ended.known_ns)
                      for i, end_ns in enumerate(life.ends_ns)}
    return lambda asked: {one: found[one] for one in asked if one in found}


def look(plant: Plant, task: Task, now_ns: int) -> list[Decision]:
    """Keeps what the champion (and one that waits) says of every life that goes on, once a row."""
    speakers = speaking.speakers(plant, task.name)
    if not speakers:
        return []
    found, life, _ = units(plant, task)
    here = [i for i, one in enumerate(life) if one.goes_on and one.ends_ns[-1] <= now_ns]
    for speaker in speakers:
        said = speaking.spoken(plant, speaker.card.id, min((life[i].ends_ns[-1] for i in here), default=now_ns))
        new = [i for i in here if (life[i].thing, SIGNAL, life[i].ends_ns[-1]) not in said]
        if new:
            _keep(plant, task, speaker, [found[i] for i in new], [life[i] for i in new], now_ns)
    return []


def _keep(
    plant: Plant, task: Task, speaker: speaking.Speaker, found: list[Unit], life: list[Life], now_ns: int
) -> None:
    kept: Mapping[str, Any] = speaker.kept
    _, quantiles = lives.say(kept, found)
    base = lives.baseline(kept, found)
    made = []
    for one, row in zip(life, np.maximum.accumulate(quantiles, axis=1), strict=True):
        spread = {level: float(row[LEVELS.index(level)]) for level in KEPT if not math.isclose(level, 0.5)}
        made.append(Prediction(speaker.card.id, one.thing, SIGNAL, now_ns, one.ends_ns[-1],
                               float(row[LEVELS.index(0.5)]), spread, "1"))
    predictions.record(plant.store, task.name, made, base.tolist(), ABSOLUTE, outcomes(plant, task))


def recent(plant: Plant, task: Task, kept: Mapping[str, Any], now_ns: int) -> dict[str, np.ndarray]:
    """Values of the inputs in lives that go on, for their drift."""
    found, life, names = units(plant, task)
    going = [one.values for one, row in zip(found, life, strict=True) if row.goes_on]
    values = np.concatenate(going) if going else np.zeros((0, len(names)))
    known_names = set(kept["state"]["signals"])
    return {name: values[:, i] for i, name in enumerate(names) if name in known_names}
