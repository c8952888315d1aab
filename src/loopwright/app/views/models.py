"""The league as plain data: who serves, how every model does beside the baseline, curves and worst cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from loopwright.core.types import Event, Model

BINS, WORST, POINTS = 5, 12, 400  # of a calibration curve; worst cases shown; points of an error curve


def rows(
    cards: Mapping[str, Model], events: Sequence[Event], standings: Sequence[Mapping[str, Any]],
    serving: Mapping[str, str], altered: Mapping[str, str],
) -> list[dict[str, Any]]:
    """One row a model, tasks in order, who serves first, then the newest.

    events    of app.models.KINDS; standings: of learn.league
    serving   task -> model; altered: kept name -> what is wrong with its file
    returns   [{model, task, state, says, change, kept, file, loss_name, loss, baseline, baseline_loss, units, live,
              trained_ns, cost}]
    """
    live = {row["model"]: row for row in standings}
    stood = {name: _state(name, events) for name in cards}
    trained = {event.about: event.t_ns for event in events if event.kind == "model.trained"}
    found = []
    for card in cards.values():
        state, says, change = stood[card.id]
        if serving.get(card.task) == card.id:
            state, says = "serves", "in force"
        elif state == "released":
            state, says = "replaced", "another model took its place"
        found.append({
            "model": card.id, "task": card.task, "state": state, "says": says, "change": change,
            "kept": card.weights_hash, "file": altered.get(card.weights_hash, ""), "loss_name": card.loss,
            "loss": card.metrics.get("loss"), "baseline": card.baseline.get("name", ""),
            "baseline_loss": card.baseline.get("loss"), "units": sum_units(card), "live": _live(live.get(card.id)),
            "trained_ns": trained.get(card.id, 0), "cost": dict(card.cost),
        })
    order = {"serves": 0, "waits": 1}
    return sorted(found, key=lambda row: (row["task"], order.get(row["state"], 2), -row["trained_ns"], row["model"]))


def sum_units(card: Model) -> int | None:
    """How many units it was tested on that it had not seen; None where its card does not say."""
    counted = [row["units"] for row in card.groups.values()]
    of = card.metrics.get("of")
    return int(of) if of is not None else (sum(counted) or None)


def _state(model: str, events: Sequence[Event]) -> tuple[str, str, str]:
    """(state, in words, change) of a model by what was decided about it last."""
    mine = {event.about for event in events if event.kind == "change.proposed"
            and event.body["change"]["target"] == "model" and event.body["change"]["after"].get("model") == model}
    state, says, change = "trained", "never put up for promotion", ""
    for event in events:
        if event.kind == "model.demoted" and event.about == model:
            state, says = "demoted", str(event.body["why"])
        elif event.about in mine and event.kind.startswith("change."):
            change = event.about
            told = event.kind.removeprefix("change.")
            if told == "gated" and not event.body["passed"]:
                failed = [t["says"] for t in event.body["tests"] if not t["passed"]]
                state, says = "rejected", "; ".join(failed)
            elif told in ("proposed", "gated"):
                state, says = "waits", "passed its gate; two people must approve it"
            elif told == "declined":
                state, says = "declined", str(event.body["why"])
            elif told == "released":
                state, says = "released", "in force"
    return state, says, change


def _live(row: Mapping[str, Any] | None) -> dict[str, Any]:
    """What became of its live predictions."""
    if row is None:
        return {"made": 0, "scored": 0, "loss": None, "baseline_loss": None, "evidence": 0.0, "demote": False,
                "says": "it has made no live prediction yet", "coverage": None}
    verdict = row["verdict"]
    return {"made": row["made"], "scored": row["scored"], "loss": row["loss"], "baseline_loss": row["baseline_loss"],
            "evidence": verdict.evidence, "demote": verdict.demote, "says": verdict.says, "coverage": row["coverage"]}


def error_curve(table: Mapping[str, np.ndarray]) -> dict[str, list[Any]]:
    """The mean loss so far of a model's scored predictions and of the baseline's, in the order of due_ns: {due_ns,
    ours, theirs, about, low, high}; low, high: the 95 % interval of ours; thinned to a few hundred points."""
    order = np.lexsort((table["made_ns"], table["due_ns"]))
    at = order[np.isfinite(table["loss"][order]) & np.isfinite(table["baseline_loss"][order])]
    ours, low, high = running(table["loss"][at])
    theirs, _, _ = running(table["baseline_loss"][at])
    keep = np.unique(np.linspace(0, len(at) - 1, min(POINTS, len(at))).astype(int)) if len(at) else np.zeros(0, int)
    return {"due_ns": table["due_ns"][at][keep].tolist(), "ours": ours[keep].tolist(), "theirs": theirs[keep].tolist(),
            "about": table["about"][at][keep].tolist(), "low": low[keep].tolist(), "high": high[keep].tolist()}


def running(losses: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """((n,) mean so far, its 95 % interval low, high), by the normal law: mean +- 1.96 s / sqrt(n), not below 0.

    It takes losses as drawn apart; forecasts that overlap are wider in truth. Of one value the interval is that value.
    """
    count = np.arange(1, len(losses) + 1)
    mean = np.cumsum(losses) / count
    spread = np.maximum(np.cumsum(np.square(losses)) / count - mean**2, 0.0) * count / np.maximum(count - 1, 1)
    half = 1.96 * np.sqrt(spread / count)
    return mean, np.maximum(mean - half, 0.0), mean + half


def left_out_curve(losses: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The same of the units that were left out when it was trained, in their order: {unit, ours, theirs, low, high}."""
    ours, low, high = running(np.asarray(losses["ours"], dtype=np.float64))
    theirs, _, _ = running(np.asarray(losses["theirs"], dtype=np.float64))
    return {"unit": list(losses["units"]), "ours": ours.tolist(), "theirs": theirs.tolist(), "low": low.tolist(),
            "high": high.tolist()}


def reliability(table: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """Quantiles that were told live beside how often what came lay below them: [{said, found, n}]; [] without any."""
    known = np.isfinite(table["outcome"]) & np.isfinite(table["low"]) & (table["level"] > 0)
    if not known.any():
        return []
    outcome, level = table["outcome"][known], float(np.median(table["level"][known]))
    sides = ((0.5 - level / 2, "low"), (0.5, "median"), (0.5 + level / 2, "high"))
    return [{"said": said, "found": float((outcome <= table[name][known]).mean()), "n": int(known.sum())}
            for said, name in sides]


def latest(table: Mapping[str, np.ndarray], most: int = 8) -> list[dict[str, Any]]:
    """What was said last: [{about, signal, due_ns, made_ns, said, low, high, baseline, found}], the newest first, one
    of each thing and signal as far as there are so many."""
    order = np.lexsort((table["due_ns"], table["made_ns"]))[::-1].tolist()
    newest: dict[tuple[str, str], int] = {}
    for i in order:
        newest.setdefault((str(table["about"][i]), str(table["signal"][i])), i)
    return [{"about": str(table["about"][i]), "signal": str(table["signal"][i]), "due_ns": int(table["due_ns"][i]),
             "made_ns": int(table["made_ns"][i]), "said": float(table["median"][i]), "low": _number(table["low"][i]),
             "high": _number(table["high"][i]), "baseline": _number(table["baseline"][i]),
             "found": _number(table["outcome"][i])} for i in list(newest.values())[:most]]


def calibration(said: np.ndarray, found: np.ndarray, bins: int = BINS) -> list[dict[str, Any]]:
    """Probabilities beside how often they came true, in bins of as many: [{said, found, n}], from the least likely."""
    said, found = np.asarray(said, dtype=float), np.asarray(found, dtype=float)
    known = np.isfinite(said) & np.isfinite(found)
    order = np.argsort(said[known], kind="stable")
    parts = [part for part in np.array_split(order, min(bins, max(1, len(order)))) if len(part)]
    said, found = said[known], found[known]
    return [{"said": float(said[p].mean()), "found": float(found[p].mean()), "n": len(p)} for p in parts]


def worst(table: Mapping[str, np.ndarray], most: int = WORST) -> list[dict[str, Any]]:
    """Live predictions with the largest loss: [{about, signal, due_ns, made_ns, said, low, high, found, loss,
    baseline_loss, baseline, says}]."""
    scored = np.flatnonzero(np.isfinite(table["loss"]))
    order = scored[np.argsort(-table["loss"][scored], kind="stable")][:most].tolist()
    return [{
        "about": str(table["about"][i]), "signal": str(table["signal"][i]), "due_ns": int(table["due_ns"][i]),
        "made_ns": int(table["made_ns"][i]), "said": float(table["median"][i]), "low": _number(table["low"][i]),
        "high": _number(table["high"][i]), "found": float(table["outcome"][i]), "loss": float(table["loss"][i]),
        "baseline": _number(table["baseline"][i]), "baseline_loss": _number(table["baseline_loss"][i]),
        "says": f"{table['about'][i]}: said {table['median'][i]:.3g}, found {table['outcome'][i]:.3g}",
    } for i in order]


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def in_words(found: Sequence[Mapping[str, Any]]) -> str:
    """What `loopwright models list` prints."""
    if not found:
        return "no model was trained yet"
    lines = [f"{'model':<34}{'state':<10}{'loss':>9}{'baseline':>10}{'units':>7}{'scored':>8}{'live':>9}{'base':>9}"]
    for row in found:
        live = row["live"]
        units = "-" if row["units"] is None else row["units"]
        lines.append(f"{row['model']:<34}{row['state']:<10}{_shown(row['loss']):>9}{_shown(row['baseline_loss']):>10}"
                     f"{units:>7}{live['scored']:>8}{_shown(live['loss']):>9}{_shown(live['baseline_loss']):>9}")
        if row["file"]:
            lines.append(f"    its file: {row['file']}")
    lines.append("loss: on units it had not seen; live: of predictions whose outcome is known; smaller is better")
    return "\n".join(lines)


def card_in_words(told: Mapping[str, Any]) -> str:
    """What `loopwright models show` prints."""
    card, row = told["card"], told["row"]
    live, cost = row["live"], card["cost"]
    lines = [f"{card['id']}: {row['state']} ({row['says']})",
             f"task        {card['task']}, split: {card['split'] or 'not stated'}",
             f"kept        {card['weights_hash']}{': ' + row['file'] if row['file'] else ''}",
             f"unseen      mean {card['loss'] or 'loss'} {_shown(row['loss'])}, {row['baseline']} "
             f"{_shown(row['baseline_loss'])} ({'?' if row['units'] is None else row['units']} units)",
             f"live        {live['says']}"]
    if live["coverage"]:
        lines.append(f"intervals   {live['coverage']['says']}")
    lines += [f"group       {name}: {_shown(one['loss'])} against {_shown(one['baseline_loss'])} ({one['units']} units)"
              for name, one in card["groups"].items()]
    lines += [f"worst       {one['unit']}: {_shown(one['loss'])} ({one['says']})" for one in card["worst"][:5]]
    lines += [f"drift       {one['says']}" for one in told["drift"][:5]]
    if cost:
        lines.append(f"training    {cost.get('wall_s', 0):.2f} s, {cost.get('cpu_s', 0):.2f} processor s, "
                     f"{energy_in_words(cost)}")
    return "\n".join([*lines, f"limits      {card['limits']}", f"code        {card['code_version']}"])


def energy_in_words(cost: Mapping[str, Any]) -> str:
    """What training took of energy, and whether that was measured."""
    how = f"{cost['energy']}: " if cost.get("energy") else ""
    return f"{cost.get('energy_j', 0):.0f} J ({how}{cost.get('energy_method', '')})"


def _shown(value: Any) -> str:
    return "-" if value is None else f"{value:.4g}"
