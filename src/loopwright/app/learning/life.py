"""Remaining life in the league: tools of machines run by run, or any machine from one end to the next, step by step."""

from __future__ import annotations

import math
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
    """One life of a thing: when each of its rows ended; ended: the event that ended it, None while it goes on."""

    thing: str
    ends_ns: tuple[int, ...]
    ended: Event | None


def tools(labels: Sequence[Event]) -> list[Life]:
    """Tools from their first run to the one that found them worn, as `packs.shop_floor.wear.lives` cuts them."""
    found: list[Life] = []
    ordered: dict[str, list[Event]] = {}
    newest = {_run(event): event for event in labels}  # an inspection that was corrected counts as it stands
    for event in sorted(newest.values(), key=lambda e: (int(e.body["end_ns"]), e.about)):
        ordered.setdefault(str(event.body["thing"]), []).append(event)
    for thing, events in ordered.items():
        rows: list[int] = []
        ended: Event | None = None
        for event in events:
            worn = event.body["label"] == "worn"
            if ended is not None and worn:
                continue  # the same tool, run on
            if ended is not None:
                found.append(Life(thing, tuple(rows), ended))
                rows, ended = [], None
            rows.append(int(event.body["end_ns"]))
            ended = event if worn else None
        found.append(Life(thing, tuple(rows), ended))
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
    labels = [replace(e, about=name) for name, e in {_run(e): e for e in labels}.items()]
    bind = next(p.hooks["maintain"] for p in plant.packs.values() if "maintain" in p.hooks)
    memory = _ROWS.setdefault(plant.store, {})
    new = [run for run in bind.finished(labels) if run["run"] not in memory]
    measured = bind.measured(new, _fetch(plant))
    memory |= {run["run"]: measured.get(run["run"], {}) for run in new}
    rows = {event.about: memory[event.about] for event in labels if memory[event.about]}
    of, names = bind.lives(rows, labels), bind.columns(rows)
    order = {(one.thing, i): one for thing in {e.body["thing"] for e in labels}
             for i, one in enumerate(life for life in tools(labels) if life.thing == thing)}
    pairs = [(unit, order[thing, i]) for thing, mine in of.items() for i, unit in enumerate(mine)]
    return [unit for unit, _ in pairs], [life for _, life in pairs], list(names)


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
    return [one for one in tools(plant.store.recall(kind="run.labelled")) if one.thing in task.things]


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
    here = [i for i, one in enumerate(life) if one.ended is None and one.ends_ns[-1] <= now_ns]
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
    going = [one.values for one, row in zip(found, life, strict=True) if row.ended is None]
    values = np.concatenate(going) if going else np.zeros((0, len(names)))
    known_names = set(kept["state"]["signals"])
    return {name: values[:, i] for i, name in enumerate(names) if name in known_names}
