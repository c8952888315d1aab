"""Tool wear of a shop's mills: binds the mill's signals to the models of `learn` and to what `serve.maintain` asks for.

    runs = finished(labels, extra)            every run that has ended, from events
    rows = measured(runs, fetch)              features of each, read with `fetch`
    said = prediction(rows, labels, now_ns)   what maintain.decide needs: {model, evaluation, runs}, or {abstains}

`prediction` takes a second or two and no lock; it can be called in a worker by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from loopwright.core.types import Event
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


def columns(rows: Mapping[str, Mapping[str, float]]) -> list[str]:
    """The names of the numbers of runs, sorted."""
    return sorted({name for row in rows.values() for name in row})
