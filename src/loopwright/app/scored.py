"""What models said live is scored when its outcome is known, and a champion that loses to the baseline is demoted.

    check(plant, "tool-wear", t_ns)        one task: {scored, changed, waiting, leaks, expired, model, says, demoted}
    await keep_scored(plant)               all of them, once a minute, while a plant runs

Outcomes are values of the store, or what a task's own events tell (`app.learning`). Everything is a fold over events.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from loopwright.app import models
from loopwright.app.learning import Task, kind_of, learned
from loopwright.app.plant import Plant
from loopwright.core.errors import InputError, LoopwrightError, StoreError
from loopwright.core.types import Model
from loopwright.improve import promotion
from loopwright.learn import league
from loopwright.learn.kept import drift, predictions, registry
from loopwright.learn.kept.outcomes import declared
from loopwright.learn.kept.predictions import Asked, Outcome, Outcomes
from loopwright.store import Store

SCORE_S = 60.0
WORN = "tool.worn"  # what predictions of tool wear are about; inspection tells it by the run


def inspected(store: Store) -> Outcomes:
    """What inspection found of tools, run by run."""
    found: dict[Asked, Outcome] = {}
    for event in store.recall(kind="run.labelled"):
        one = Asked(str(event.body["thing"]), WORN, int(event.body["end_ns"]))
        first = found[one].known_ns if one in found else event.known_ns
        found[one] = Outcome(float(event.body["label"] == "worn"), first)
    return lambda asked: {one: found[one] for one in asked if one in found}


def check(
    plant: Plant, task: str, t_ns: int, moved: Sequence[Mapping[str, Any]] | None = None
) -> dict[str, Any]:
    """Scores every prediction of a task whose outcome is known now, and demotes its champion when it loses, or when its
    file is gone or was altered.

    moved  drift of its inputs, as `learn.kept.drift.drift` gives it; None: the task tells it
    returns  {scored, changed, waiting, leaks, expired, task, model, says, evidence, demoted}
    """
    counts = _score(plant, task)
    now = models.serving(plant.store, task)
    told: dict[str, Any] = {**counts, "task": task, "model": now["model"] if now else "", "demoted": False,
                            "says": "the baseline serves"}
    if now is None:
        return told
    card = models.card_of(plant.store, now["model"])
    altered = registry.wrong(plant.store.path, card.weights_hash)
    body = _checked(plant, card, t_ns, moved, bool(counts["scored"] or counts["changed"]), altered)
    told |= {"says": body["says"], "evidence": body["evidence"]}
    if altered or body["demote"]:
        why = f"It cannot serve: {altered}." if altered else f"It loses to the baseline: {body['says']}."
        told |= {"demoted": True, "says": why.rstrip(".")}
        plant.store.record(promotion.demoted(card.id, task, now["change"], why, predictions.AUTHOR, t_ns, body))
    return told


def _score(plant: Plant, task: str) -> dict[str, int]:
    """Against values of the store, and against what the task's events tell of signals that are none."""
    counts = predictions.score(plant.store, None, task)
    there = declared(plant.store)
    labels = [t.labels for t in plant.store.things().values()
              if t.kind.startswith(predictions.PREFIX) and t.labels.get("task") == task]
    signals = {one["signal"] for one in labels if one["signal"] not in there.get(one["about"], ())}
    own = next((one for one in learned(plant) if one.name == task), None) if signals - {WORN} else None
    outcomes = kind_of(own).outcomes(plant, own) if own is not None else None
    for signal in sorted(signals):
        tells = inspected(plant.store) if signal == WORN else outcomes
        if tells is not None:
            for name, found in predictions.score(plant.store, tells, task, signal).items():
                counts[name] += found
    return counts


def _checked(
    plant: Plant, card: Model, t_ns: int, moved: Sequence[Mapping[str, Any]] | None, news: bool, altered: str
) -> dict[str, Any]:
    """The verdict on a champion, recorded where something was scored since the last one; that one where nothing was."""
    last = plant.store.recall(kind="model.checked", about=card.id)
    if last and not news:
        return dict(last[-1].body["test"])
    table = _of_one(predictions.read(plant.store, model=card.id))
    verdict = asdict(league.losing_of(table, _scale(plant.store, card)))
    scored = int(np.isfinite(table["loss"]).sum())
    if scored and (news or not last or last[-1].body["scored"] != scored):
        rows = _drift(plant, card, t_ns) if moved is None and not altered else list(moved or ())
        body = {"scored": scored, "test": verdict, "drift": [dict(row) for row in rows]}
        plant.record("model.checked", card.id, body, t_ns=t_ns, actor=predictions.AUTHOR)
    return verdict


def _drift(plant: Plant, card: Model, t_ns: int) -> list[dict[str, Any]]:
    """How far the inputs of a model have moved, where its task can tell."""
    task: Task | None = next((one for one in learned(plant) if one.name == card.task), None)
    kept = models.load(plant.store, card)
    bins = kept.get("state", {}).get("bins") if task is not None and isinstance(kept.get("state"), Mapping) else None
    if task is None or bins is None:
        return []
    return drift.drift(bins, kind_of(task).recent(plant, task, kept, t_ns))


def check_all(plant: Plant, t_ns: int) -> list[dict[str, Any]]:
    """`check` of every task that has predictions or a model in force."""
    things = [t for t in plant.store.things().values() if t.kind.startswith(predictions.PREFIX)]
    tasks = {t.labels.get("task", "") for t in things} | {card.task for card in models.cards(plant.store).values()}
    return [check(plant, task, t_ns) for task in sorted(tasks - {""})]


async def keep_scored(plant: Plant) -> None:
    """While a plant runs: scores what became known, once a minute, and demotes champions that lose."""
    while True:
        await plant.clock.sleep(SCORE_S)
        try:
            for told in await asyncio.to_thread(check_all, plant, plant.clock.now_ns()):
                if told["demoted"]:
                    print(f"models: {told['model']} is demoted: {told['says']}", file=sys.stderr, flush=True)
        except LoopwrightError as error:
            print(f"models: {error}", file=sys.stderr, flush=True)


def _of_one(table: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Rows in the order of due_ns, then made_ns."""
    order = np.lexsort((table["made_ns"], table["due_ns"]))
    return {name: column[order] for name, column in table.items()}


def _scale(store: Store, card: Model) -> float:
    """The largest loss that training knew; 1 for a Brier score, 0 where nothing is kept of it."""
    if card.loss == league.BRIER:
        return 1.0
    try:
        proof = models.proof_of(models.load(store, card))
    except (StoreError, InputError):
        return 0.0
    return float(max(proof.ours.max(initial=0.0), proof.theirs.max(initial=0.0)))
