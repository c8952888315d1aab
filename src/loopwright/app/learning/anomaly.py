"""Trouble in the league: block after block of what machines say, and whether trouble began in the next one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from loopwright.app import speaking
from loopwright.app.learning import Task
from loopwright.app.plant import Plant
from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError
from loopwright.core.types import Decision, Event, Prediction, Windows
from loopwright.learn.kept import predictions
from loopwright.learn.kept.predictions import Asked, Outcome, Outcomes
from loopwright.learn.league import BRIER
from loopwright.learn.tasks import anomaly
from loopwright.serve.maintain import LOOK

SIGNAL, JUDGED = "trouble", "alarm.judged"


def troubles(plant: Plant, task: Task, known_by_ns: int | None = None) -> list[Event]:
    """Events that are trouble of the task's things: 'workorder.opened', mere looks at a tool left out;
    'alarm.raised/<condition>' or 'workorder.opened/<condition>' for one condition; 'alarm.judged/true' for alarms
    that people say were true, at the time they were raised (the last word counts)."""
    found: list[Event] = []
    for word in task.trouble:
        kind, _, which = word.partition("/")
        events = [e for e in plant.store.recall(kind=kind) if speaking.thing_of(e) in task.things
                  and (known_by_ns is None or e.known_ns <= known_by_ns)]
        if kind == JUDGED:
            raised = {e.about: e.t_ns for e in plant.store.recall(kind="alarm.raised")}
            last = {e.about: e for e in events if e.about in raised}
            events = [replace(e, t_ns=raised[e.about]) for e in last.values()]
        key = "verdict" if kind == JUDGED else "condition"
        said = [(e, e.body.get(key)) for e in events]
        found += [e for e, what in said if what == which or (not which and what != LOOK)]
    return found


def block_ns(task: Task) -> int:
    """ns of one block."""
    return task.ahead * round(task.step_s * NS_PER_S)


def windows(plant: Plant, task: Task, now_ns: int, known_by_ns: int | None = None) -> Windows:
    """Whole blocks up to now."""
    end_ns = now_ns // block_ns(task) * block_ns(task)
    start_ns = end_ns - round(task.history_s * NS_PER_S) // block_ns(task) * block_ns(task)
    return plant.store.windows(sorted(task.things), list(task.signals), start_ns=start_ns, end_ns=end_ns,
                               step_ns=round(task.step_s * NS_PER_S), known_by_ns=known_by_ns)


def gather(plant: Plant, task: Task, now_ns: int, known_by_ns: int) -> dict[str, Any]:
    """The data of `learn.tasks.anomaly`, from the first block in which anything was heard."""
    one = windows(plant, task, now_ns, known_by_ns)
    there = one.mask.any(axis=(0, 2))
    if not there.any():
        raise InputError(f"task {task.name}", "nothing was heard", "", "wait")
    first = int(np.flatnonzero(there)[0]) // task.ahead * task.ahead
    began = np.zeros(one.mask.shape[:2], dtype=bool)
    step_ns = round(task.step_s * NS_PER_S)
    for event in troubles(plant, task, known_by_ns):
        at = (event.t_ns - int(one.t_ns[0])) // step_ns
        if 0 <= at < began.shape[1]:
            began[one.ids.index(str(speaking.thing_of(event))), at] = True
    return {"values": np.where(one.mask, one.values, np.nan)[:, first:], "things": list(one.ids),
            "signals": list(task.signals), "trouble": began[:, first:], "step_s": task.step_s, "block": task.ahead,
            "per_day": task.per_day, "start_ns": int(one.t_ns[first]), "known_by_ns": known_by_ns}


def known(plant: Plant, task: Task, now_ns: int) -> int:
    """Troubles that are known."""
    return len(troubles(plant, task))


def outcomes(plant: Plant, task: Task) -> Outcomes | None:
    """1 where trouble began in the block that ends at due_ns, 0 where none did once that has passed; a trouble that is
    told late changes it."""
    began: dict[tuple[str, int], int] = {}
    block = block_ns(task)
    for event in troubles(plant, task):
        key = str(speaking.thing_of(event)), (event.t_ns // block + 1) * block
        began[key] = min(began.get(key, event.known_ns), event.known_ns)
    now_ns = plant.clock.now_ns()

    def told(asked: Any) -> dict[Asked, Outcome]:
        found = {}
        for one in asked:
            if (one.about, one.due_ns) in began:
                found[one] = Outcome(1.0, began[one.about, one.due_ns])
            elif one.due_ns <= now_ns:
                found[one] = Outcome(0.0, one.due_ns)
        return found

    return told


def recent(plant: Plant, task: Task, kept: Mapping[str, Any], now_ns: int) -> dict[str, np.ndarray]:
    """Values of the inputs in the last day, for their drift."""
    start_ns, end_ns = now_ns - 86_400 * NS_PER_S, now_ns
    one = plant.store.windows(sorted(task.things), list(kept["state"]["signals"]), start_ns=start_ns, end_ns=end_ns,
                              step_ns=round(task.step_s * NS_PER_S))
    flat = np.where(one.mask, one.values, np.nan).reshape(-1, len(one.channels))
    return {name: flat[np.isfinite(flat[:, i]), i] for i, name in enumerate(one.channels)}


def look(plant: Plant, task: Task, now_ns: int) -> list[Decision]:
    """Keeps, once a block, what is said of the next one."""
    block = block_ns(task)
    end_ns = now_ns // block * block
    due_ns = end_ns + block
    for speaker in speaking.speakers(plant, task.name):
        said = speaking.spoken(plant, speaker.card.id, due_ns)
        state = speaker.kept["state"]
        new = [thing for thing in state["things"] if (thing, SIGNAL, due_ns) not in said and thing in task.things]
        if not new:
            continue
        one = plant.store.windows(new, list(state["signals"]), start_ns=end_ns - block, end_ns=end_ns,
                                  step_ns=round(task.step_s * NS_PER_S))
        made, base = [], []
        for thing, rows in zip(one.ids, np.where(one.mask, one.values, np.nan), strict=True):
            if np.isfinite(rows).any():
                p, usual = anomaly.say(speaker.kept, thing, rows)
                made.append(Prediction(speaker.card.id, thing, SIGNAL, now_ns, due_ns, p))
                base.append(usual)
        predictions.record(plant.store, task.name, made, base, BRIER, outcomes(plant, task))
    return []
