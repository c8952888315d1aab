"""Tool wear in the league: judged before inspection says what it found, and served by whoever is in force.

    foresee(plant, champion, features, runs, t_ns)       predictions of runs that nobody has inspected yet
    serve(trained, features, why)                        what `serve.maintain` needs while the baseline serves
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from loopwright.app import models, scored
from loopwright.app.plant import Plant
from loopwright.core import plug
from loopwright.core.errors import StoreError
from loopwright.core.types import Prediction
from loopwright.learn.kept import drift, predictions
from loopwright.learn.league import BRIER
from loopwright.learn.wear.runs import Features
from loopwright.learn.wear.train import TASK, Trained, judge, restore


def trained_since(plant: Plant, known_ns: int) -> Trained | None:
    """The model that was trained since then, from its file: a turn that goes on after a kill trains none anew."""
    events = [e for e in plant.store.recall(kind="model.trained") if e.known_ns >= known_ns
              and e.body["card"]["task"] == TASK]
    return load(plant, events[-1].about) if events else None


def load(plant: Plant, model: str) -> Trained | None:
    """A kept model; None where its file is gone or was altered, so that the baseline serves."""
    card = models.card_of(plant.store, model)
    try:
        return restore(models.load(plant.store, card), card)
    except StoreError:
        return None


def foresee(
    plant: Plant, champion: Trained, features: Features, runs: Sequence[Mapping[str, Any]], t_ns: int
) -> dict[str, int]:
    """Keeps what the champion and the baseline say of runs before anybody knows: {stored, duplicate}.

    t_ns  now; not before the last of the runs has ended
    """
    t_ns = max([t_ns, *(int(run["end_ns"]) for run in runs)])
    judged = judge(champion, features)
    base = plug.load("learn.models.wear", champion.baseline["name"]).predict(champion.baseline["state"], features)
    said = dict(zip(features.runs, (float(p) for p in base), strict=True))
    mine = [run for run in runs if run["run"] in judged]
    made = [
        Prediction(champion.card.id, run["thing"], scored.WORN, t_ns, int(run["end_ns"]),
                   judged[run["run"]]["probability"],
                   {0.05: judged[run["run"]]["low"], 0.95: judged[run["run"]]["high"]})
        for run in mine
    ]
    return predictions.record(plant.store, TASK, made, [said[run["run"]] for run in mine], BRIER,
                              scored.inspected(plant.store))


def moved(champion: Trained, features: Features) -> list[dict[str, Any]]:
    """Drift of the inputs in runs that the champion had not seen."""
    new = [i for i, run in enumerate(features.runs) if run not in champion.seen]
    values = features.take(new).values
    return drift.drift(champion.bins, {name: values[:, i] for i, name in enumerate(features.names)}) if new else []


def serve(trained: Trained, features: Features, why: str) -> dict[str, Any]:
    """What maintenance is told while the baseline serves: its probabilities, and why no model does."""
    evaluation = trained.evaluation
    base = evaluation["baseline"]
    module = plug.load("learn.models.wear", base["name"])
    fresh = module.predict(trained.baseline["state"], features)
    runs = {}
    for run, p in zip(features.runs, fresh, strict=True):
        known = float(base["probability"].get(run, p))
        runs[run] = {"probability": known, "low": known, "high": known, "seen": run in base["probability"]}
    verdict = f"{evaluation['verdict']}; {base['name']} serves, because {why}"
    card = replace(trained.card, id=f"{TASK}/{base['name']}", limits=f"{module.MEANING} It cannot see wear.")
    told = {**evaluation, "better_than_baseline": False, "verdict": verdict, "nested": base}
    return {"model": card, "evaluation": told, "runs": runs}
