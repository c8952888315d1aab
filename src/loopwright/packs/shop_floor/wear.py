"""Tool wear of a shop's mills: binds the mill's signals to the models of `learn` and to what `serve.maintain` asks for.

    runs = finished(labels, extra)            every run that has ended, from events
    rows = measured(runs, fetch)              features of each, read with `fetch`
    said = prediction(rows, labels, now_ns)   what maintain.decide needs: {model, evaluation, runs}, or {abstains}
    units = lives(rows, labels)               tools from their first run to the one that found them worn

`prediction` takes a second or two and no lock; it can be called in a worker by its name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from loopwright.core.types import Event
from loopwright.learn.lives.units import Unit
from loopwright.learn.wear.evaluate import why_not
from loopwright.learn.wear.runs import Features, RunSettings, assemble, from_points, measure
from loopwright.learn.wear.train import judge, train
from loopwright.packs.shop_floor.signals import CUTTING

SETTINGS = RunSettings(CUTTING)

# (thing, signals, start_ns, end_ns) -> POINTS rows with start_ns <= t_ns < end_ns, as `store.get` gives them
Fetch = Callable[[str, Sequence[str], int, int], pa.Table]


def finished(labels: Iterable[Event], others: Iterable[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """[{run, thing, start_ns, end_ns}] of the runs that 'run.labelled' events tell of, and of others without a label.

    others  rows of the same form (from `learn.wear.runs.find_runs`); one with the id of a labelled run is left out
    """
    found = {e.about: {"run": e.about, **{k: e.body[k] for k in ("thing", "start_ns", "end_ns")}} for e in labels}
    for row in others:
        found.setdefault(row["run"], dict(row))
    return sorted(found.values(), key=lambda row: (row["end_ns"], row["run"]))


def measured(runs: Iterable[Mapping[str, Any]], fetch: Fetch) -> dict[str, dict[str, float]]:
    """Run -> its numbers (`learn.wear.runs.measure`). A run with too little cutting, or without a signal that is
    needed, is left out: maintenance then abstains about it."""
    rows = {}
    for run in runs:
        table = fetch(run["thing"], SETTINGS.signals, run["start_ns"], run["end_ns"] + 1)
        columns = from_points(table)
        row = measure(columns, SETTINGS) if set(SETTINGS.signals) <= set(columns) else None
        if row is not None:
            rows[run["run"]] = row
    return rows


def prediction(
    rows: Mapping[str, Mapping[str, float]],
    labels: Sequence[Event],
    known_by_ns: int,
    seed: int = 0,
    models: Sequence[str] | None = None,
) -> dict[str, Any]:
    """How likely each run's tool is worn, by a model trained on the labelled ones: what `serve.maintain.decide` needs.

    rows     from `measured`; labels: 'run.labelled' events, of which those known after known_by_ns are not used
    returns  {"model": card, "evaluation": of learn.wear.evaluate, "runs": {run: {probability, low, high, seen}}}, or
             {"abstains": why} when there are too few labelled runs of either class
    """
    known = {e.about: e for e in labels if (e.known_ns or e.t_ns) <= known_by_ns and e.about in rows}
    y = np.array([float(e.body["label"] == "worn") for e in known.values()])
    why = why_not(y)
    if why:
        return {"abstains": why}
    clamp_pa = {e.about: e.body.get("clamp_pa") for e in labels}
    features: Features = assemble(rows, clamp_pa)
    order = {run: i for i, run in enumerate(features.runs)}
    trained = train(features.take([order[run] for run in known]), y, known_by_ns, seed=seed, models=models)
    return {"model": trained.card, "evaluation": trained.evaluation, "runs": judge(trained, features)}


def lives(rows: Mapping[str, Mapping[str, float]], labels: Iterable[Event]) -> dict[str, list[Unit]]:
    """machine -> its tools in order, a row a run: the last one still cuts unless its last run found it worn.

    rows  from `measured`; a run without numbers counts as one that was not heard
    A tool ends with the first run that found it worn; the runs of that tool after it tell nothing more.
    """
    found: dict[str, list[Unit]] = {}
    ordered: dict[str, list[Event]] = {}
    for event in sorted(labels, key=lambda e: (int(e.body["end_ns"]), e.about)):
        ordered.setdefault(str(event.body["thing"]), []).append(event)
    names = columns(rows)
    for thing, events in ordered.items():
        tools: list[tuple[list[list[float]], bool]] = []
        worn = True  # so that the first run begins a tool
        for event in events:
            ends = event.body["label"] == "worn"
            if (worn and not ends) or not tools:
                tools.append(([], False))
            if not (worn and ends) or not tools[-1][0]:
                row = rows.get(event.about, {})
                tools[-1][0].append([float(row.get(name, math.nan)) for name in names])
                tools[-1] = (tools[-1][0], ends)
            worn = ends
        found[thing] = [
            Unit(f"{thing}/tool-{n}", np.array(values), np.zeros((len(values), 0)), 0.0 if ended else None)
            for n, (values, ended) in enumerate(tools, start=1) if names
        ]
    return found


def columns(rows: Mapping[str, Mapping[str, float]]) -> list[str]:
    """The names of the numbers of a run, in the order in which the values of `lives` stand."""
    return sorted({name for row in rows.values() for name in row})
