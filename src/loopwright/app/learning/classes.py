"""Classes of runs in the league: what inspection says of a run, told before it from what its machine said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from loopwright.app import speaking
from loopwright.app.learning import Task, learned
from loopwright.app.plant import Plant
from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError
from loopwright.core.types import Decision, Event, Prediction
from loopwright.learn.classing.cases import Cases, from_windows
from loopwright.learn.kept import predictions
from loopwright.learn.kept.predictions import Asked, Outcome, Outcomes
from loopwright.learn.league import BRIER
from loopwright.learn.tasks import classes

NAME = "classes"
MOST_STEPS = 2000  # of one run; a longer one is read in longer steps


def signal(task: Task, word: str) -> str:
    """What a prediction of that class is about."""
    return f"run.{task.label}={word}"


def labelled(plant: Plant, task: Task, known_by_ns: int | None = None) -> dict[str, Event]:
    """run -> its newest inspection that says what is learned, of the task's machines."""
    events = [e for e in plant.store.recall(kind="run.labelled") if e.body["thing"] in task.things]
    return {e.about: e for e in events if word_of(task, e) and (known_by_ns is None or e.known_ns <= known_by_ns)}


def word_of(task: Task, event: Event) -> str:
    """The class that an inspection tells, '' for none: True and False are 'yes' and 'no'."""
    value = event.body.get(task.label)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def cases(plant: Plant, task: Task, runs: Sequence[Mapping[str, Any]], known_by_ns: int | None = None) -> Cases:
    """What the machines said in these runs, on one grid for all."""
    longest = max(int(run["end_ns"]) - int(run["start_ns"]) for run in runs) + 1
    step_ns = max(round(task.step_s * NS_PER_S), -(-longest // MOST_STEPS))
    return from_windows(plant.store.windows, runs, task.signals, step_ns, known_by_ns)


def gather(plant: Plant, task: Task, now_ns: int, known_by_ns: int) -> dict[str, Any]:
    """The data of `learn.tasks.classes`: every inspected run that was heard."""
    events = labelled(plant, task, known_by_ns)
    runs = [{"run": name, **{key: e.body[key] for key in ("thing", "start_ns", "end_ns")}}
            for name, e in events.items()]
    if not runs:
        raise InputError(f"task {task.name}", f"no run was inspected for {task.label!r}", "", "wait")
    found = cases(plant, task, runs, known_by_ns)
    kept = [i for i, one in enumerate(found.values) if np.isfinite(one).any()]
    return {"ids": [found.ids[i] for i in kept], "values": [found.values[i] for i in kept],
            "channels": list(found.channels), "rate_hz": found.rate_hz, "label": task.label,
            "labels": [word_of(task, events[found.ids[i]]) for i in kept],
            "things": [str(events[found.ids[i]].body["thing"]) for i in kept], "known_by_ns": known_by_ns}


def known(plant: Plant, task: Task, now_ns: int) -> int:
    """Runs that were inspected."""
    return len(labelled(plant, task))


def outcomes(plant: Plant, task: Task) -> Outcomes | None:
    """1 for the class that inspection found, 0 for another; it became known with the first inspection."""
    first: dict[tuple[str, int], int] = {}
    found: dict[tuple[str, int], str] = {}
    for event in plant.store.recall(kind="run.labelled"):
        if word := word_of(task, event):
            key = str(event.body["thing"]), int(event.body["end_ns"])
            first.setdefault(key, event.known_ns)
            found[key] = word
    begins = signal(task, "")

    def told(asked: Sequence[Asked]) -> dict[Asked, Outcome]:
        known = [(one, (one.about, one.due_ns)) for one in asked if (one.about, one.due_ns) in found]
        return {one: Outcome(float(found[key] == one.signal.removeprefix(begins)), first[key]) for one, key in known}

    return told


def foresee(plant: Plant, task: Task, runs: Sequence[Mapping[str, Any]], now_ns: int) -> int:
    """Keeps what is said of runs that have ended and that nobody has inspected yet; of how many."""
    there = labelled(plant, task)
    mine = [run for run in runs if run["thing"] in task.things and run["run"] not in there]
    count = 0
    for speaker in speaking.speakers(plant, task.name) if mine else ():
        state = speaker.kept["state"]
        found = from_windows(plant.store.windows, mine, state["channels"], round(NS_PER_S / state["rate_hz"]))
        told = [i for i, one in enumerate(found.values) if np.isfinite(one).any()]
        if not told:
            continue  # nothing was heard of them
        p, heard = classes.say(speaker.kept, found.take(told)), [mine[i] for i in told]
        at_ns = max([now_ns, *(int(run["end_ns"]) for run in heard)])
        made, base = [], []
        for k, word in enumerate(state["classes"]):
            if len(state["classes"]) == 2 and k == 0:
                continue  # of two, one says both
            made += [Prediction(speaker.card.id, str(run["thing"]), signal(task, word), at_ns, int(run["end_ns"]),
                                float(np.clip(row[k], 0.0, 1.0))) for run, row in zip(heard, p, strict=True)]
            base += [float(state["shares"][k])] * len(heard)
        count += predictions.record(plant.store, task.name, made, base, BRIER, outcomes(plant, task))["stored"]
    return count


def told(plant: Plant, runs: Sequence[Mapping[str, Any]], now_ns: int) -> int:
    """`foresee` by every task of classes that the site learns."""
    return sum(foresee(plant, task, runs, now_ns) for task in learned(plant) if task.kind == NAME)


def look(plant: Plant, task: Task, now_ns: int) -> list[Decision]:
    """Nothing by itself: runs are told of when they end (`foresee`)."""
    return []


def recent(plant: Plant, task: Task, kept: Mapping[str, Any], now_ns: int) -> dict[str, np.ndarray]:
    """Mean level of each channel in the runs that were inspected since it was trained, for their drift."""
    names = set(kept["losses"]["units"])
    runs = [{"run": name, **{key: e.body[key] for key in ("thing", "start_ns", "end_ns")}}
            for name, e in labelled(plant, task).items() if name not in names]
    if not runs:
        return {}
    found = cases(plant, task, runs[-100:])
    levels = np.array([[np.nanmean(row) if np.isfinite(row).any() else np.nan for row in one] for one in found.values])
    return {name: levels[:, i] for i, name in enumerate(found.channels)}
