"""What the console, the API and the command say of models: read from the store, handed to `views.models`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from loopwright.app import models
from loopwright.app.views import models as views
from loopwright.core.errors import InputError, StoreError
from loopwright.learn import league
from loopwright.learn.kept import predictions, registry
from loopwright.store import Store

LEFT_OUT = "units left out in training"
LEAST = 20  # live predictions from which their own calibration is shown

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
    """One model in full: {card, row, drift, latest, error, left_out, calibration, worst, tests}.

    latest  what it said last; error: mean loss so far of live predictions, with its interval; left_out: of the units
            left out in training ({} where none are kept)
    calibration  probabilities, or quantiles, beside how often they came true: live, else of units left out
    """
    card = models.card_of(store, model)
    row = next(one for one in rows(store) if one["model"] == card.id)
    table = predictions.read(store, model=card.id)
    checked = [e for e in store.recall(kind="model.checked", about=card.id) if e.body["drift"]]
    gated = store.recall(kind="change.gated", about=row["change"]) if row["change"] else []
    kept, losses = _kept(store, card.id)
    return {
        "card": asdict(card), "row": row, "drift": list(checked[-1].body["drift"]) if checked else [],
        "latest": views.latest(table), "error": views.error_curve(table),
        "left_out": views.left_out_curve(losses) if losses else {},
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
    """{of, kind: 'probability' or 'quantile', bins}; {} where nothing is known of it."""
    if loss != league.BRIER:
        live = views.reliability(table)
        if live and live[0]["n"] >= LEAST:
            return {"of": "live predictions", "kind": "quantile", "bins": live}
        state = kept.get("state", {}) if kept else {}
        rows = state.get("reliability", []) if isinstance(state, Mapping) else []
        return {"of": LEFT_OUT, "kind": "quantile", "bins": list(rows)} if rows else {}
    if np.isfinite(table["outcome"]).sum() >= views.BINS:
        bins = views.calibration(table["median"], table["outcome"])
        return {"of": "live predictions", "kind": "probability", "bins": bins}
    said, found = _left_out(kept)
    if not len(said):
        return {}
    return {"of": LEFT_OUT, "kind": "probability", "bins": views.calibration(said, found)}


def _left_out(kept: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """(probabilities that were said of units left out, what was found), (n,) each; empty where none are kept."""
    state = kept.get("state", {}) if kept else {}
    if isinstance(state, Mapping) and "said" in state:
        return np.asarray(state["said"], dtype=float).ravel(), np.asarray(state["truth"], dtype=float).ravel()
    nested = kept.get("evaluation", {}).get("nested", {}).get("probability", {}) if kept else {}
    if not nested:
        return np.zeros(0), np.zeros(0)
    said = np.array([nested.get(unit, np.nan) for unit in kept["losses"]["units"]])
    off = np.sqrt(np.asarray(kept["losses"]["ours"]))  # Brier: (p - y)^2, so y is p - off or p + off
    return said, np.where(np.abs(said - off) < 1e-9, 0.0, 1.0)
