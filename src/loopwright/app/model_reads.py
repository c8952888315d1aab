"""What the console, the API and the command say of models: read from the store, handed to `views.models`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from loopwright.app import models
from loopwright.app.views import models as views
from loopwright.core.errors import InputError, StoreError
from loopwright.learn import league
from loopwright.learn.kept import predictions, registry
from loopwright.store import Store


def rows(store: Store) -> list[dict[str, Any]]:
    """One row a model: `views.models.rows`."""
    cards = models.cards(store)
    events = store.recall(kind=list(models.KINDS))
    tasks = {card.task for card in cards.values()}
    serving = {task: now["model"] for task in tasks if (now := league.serving(events, task))}
    altered = {card.weights_hash: registry.wrong(store.path, card.weights_hash)
               for card in cards.values() if card.cost}  # cards from before models were kept have no cost
    return views.rows(cards, events, league.standings(predictions.read(store)), serving, altered)


def tasks(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What serves each task: {task, model, baseline}; model '' where the baseline does."""
    out: dict[str, dict[str, Any]] = {}
    for row in found:
        out.setdefault(row["task"], {"task": row["task"], "model": "", "baseline": row["baseline"]})
        if row["state"] == "serves":
            out[row["task"]]["model"] = row["model"]
    return list(out.values())


def show(store: Store, model: str) -> dict[str, Any]:
    """One model in full: {card, row, drift, error, left_out, calibration, worst, tests}.

    error  mean loss so far of live predictions; left_out: of the units left out in training ({} where none are kept)
    calibration  of probabilities only: of live predictions where there are any, else of units left out
    """
    card = models.card_of(store, model)
    row = next(one for one in rows(store) if one["model"] == card.id)
    table = predictions.read(store, model=card.id)
    checked = [e for e in store.recall(kind="model.checked", about=card.id) if e.body["drift"]]
    gated = store.recall(kind="change.gated", about=row["change"]) if row["change"] else []
    kept, losses = _kept(store, card.id)
    return {
        "card": asdict(card), "row": row, "drift": list(checked[-1].body["drift"]) if checked else [],
        "error": views.error_curve(table), "left_out": views.left_out_curve(losses) if losses else {},
        "calibration": _calibration(card.loss, table, kept), "worst": views.worst(table),
        "tests": list(gated[-1].body["tests"]) if gated else [],
    }


def _kept(store: Store, model: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is kept of a model, and its losses; {} where its file is gone or altered, or keeps none."""
    try:
        kept = models.load(store, models.card_of(store, model))
        proof = models.proof_of(kept)
    except (StoreError, InputError):
        return {}, {}
    return kept, {"units": proof.units, "ours": proof.ours, "theirs": proof.theirs}


def _calibration(loss: str, table: dict[str, np.ndarray], kept: dict[str, Any]) -> dict[str, Any]:
    """{of: 'live' or 'left out', bins}; {} for what is no probability."""
    if loss != league.BRIER:
        return {}
    if np.isfinite(table["outcome"]).sum() >= views.BINS:
        return {"of": "live predictions", "bins": views.calibration(table["median"], table["outcome"])}
    nested = kept.get("evaluation", {}).get("nested", {}).get("probability", {}) if kept else {}
    if not nested:
        return {}
    units = list(kept["losses"]["units"])
    said = np.array([nested.get(unit, np.nan) for unit in units])
    off = np.sqrt(np.asarray(kept["losses"]["ours"]))  # Brier: (p - y)^2, so y is p - off or p + off
    found = np.where(np.abs(said - off) < 1e-9, 0.0, 1.0)
    return {"of": "units left out in training", "bins": views.calibration(said, found)}
