"""What a signal does next: models that forecast are compared on stretches of time that none of them was chosen on.

data  values (B, T) float64, NaN where nothing is known; things (B,); signal, unit, step_s, ahead (steps), start_ns of
      the first step, known_by_ns

A unit is one thing and one stretch of `ahead` steps, the stretches one after another from the end; a model sees what
came before it. The earlier half of the stretches chooses the model, the later half proves it against the baseline.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from loopwright.core import plug
from loopwright.core.clock import NS_PER_S, iso
from loopwright.core.errors import InputError
from loopwright.learn.forecasting.series import seasons
from loopwright.learn.kept import card as cards
from loopwright.learn.kept import drift
from loopwright.learn.league import ABSOLUTE

NAME = "forecast"
MEANING = "What a signal does in the next hours, beside what it did one season ago."
BASELINE = "seasonal_naive"
LEVELS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
LEAST, FIRST, MOST_UNITS = 48, 3, 240  # values before the first stretch; stretches of history at least; units at most
SERVED = (0.1, 0.5, 0.9)


def candidates(data: Mapping[str, Any]) -> list[str]:
    """The baseline, then every other model that forecasts."""
    return [BASELINE, *(name for name in plug.find("learn.models.forecast") if name != BASELINE)]


def origins(data: Mapping[str, Any]) -> np.ndarray:
    """(m,) places at which a stretch begins, the oldest first; as many as history, and MOST_UNITS, allow."""
    things, steps = np.asarray(data["values"]).shape
    ahead = int(data["ahead"])
    first = max(LEAST, min(FIRST * ahead, steps // 3))
    most = max(6, MOST_UNITS // max(1, things))
    count = min(most, max(0, (steps - first) // ahead))
    return np.asarray(steps - ahead * np.arange(count, 0, -1), dtype=np.int64)


def tried(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    """{units, origin, thing: (n,) of each unit, loss (n,), below (n, Q): share of the stretch below each quantile,
    known (n,): values of it that are known}."""
    values = np.asarray(data["values"], dtype=np.float64)
    predict = plug.load("learn.models.forecast", name).predict
    ahead, season = int(data["ahead"]), seasons(float(data["step_s"]))
    rows: dict[str, list[Any]] = {key: [] for key in ("units", "origin", "thing", "loss", "below", "known")}
    for nth, origin in enumerate(origins(data).tolist()):
        truth = values[:, origin:origin + ahead]
        told = np.isfinite(values[:, :origin]).sum(axis=1) >= LEAST
        asked = np.flatnonzero(told & np.isfinite(truth).any(axis=1))
        if not len(asked):
            continue
        said = predict(values[asked, :origin], ahead, season, LEVELS)  # (b, ahead, Q)
        there = np.isfinite(truth[asked])
        off = np.where(there, np.abs(said[:, :, LEVELS.index(0.5)] - truth[asked]), 0.0)
        below = (there[:, :, None] & (truth[asked][:, :, None] <= said)).sum(axis=1)
        start_ns = int(data["start_ns"]) + round(origin * float(data["step_s"]) * NS_PER_S)
        for b, thing in enumerate(asked.tolist()):
            known = int(there[b].sum())
            rows["units"].append(f"{data['things'][thing]} from {iso(start_ns)}")
            rows["origin"].append(nth)
            rows["thing"].append(thing)
            rows["loss"].append(float(off[b].sum() / known))
            rows["below"].append((below[b] / known).tolist())
            rows["known"].append(known)
    return rows


def chosen(
    data: Mapping[str, Any], found: Mapping[str, Mapping[str, Any]]
) -> tuple[str, dict[str, Any], cards.Losses, cards.Facts]:
    """(name, what is kept of it, its losses on the later half, facts)."""
    base = found[BASELINE]
    origin = np.asarray(base["origin"], dtype=np.int64)
    if not len(origin) or origin.max() < 1:
        raise InputError("training", f"{len(origin)} stretches of {data['signal']} are known", "two or more", "wait")
    middle = (int(origin.min()) + int(origin.max()) + 1) / 2.0
    early, late = origin < middle, origin >= middle
    names = [name for name in found if name != BASELINE]
    loss = {name: np.asarray(found[name]["loss"]) for name in found}
    name = min(names, key=lambda one: (float(loss[one][early].mean()), one))
    units = tuple(np.asarray(base["units"], dtype=object)[late].tolist())
    things = [str(data["things"][i]) for i in np.asarray(base["thing"])[late].tolist()]
    says = tuple(f"mean error {a:.3g} {data['unit']}, the baseline {b:.3g}"
                 for a, b in zip(loss[name][late], loss[BASELINE][late], strict=True))
    losses = cards.Losses(ABSOLUTE, units, loss[name][late], loss[BASELINE][late], {"thing": things}, says)
    values = np.asarray(data["values"], dtype=np.float64)
    state = {"levels": list(LEVELS), "served": list(SERVED), "step_s": float(data["step_s"]),
             "ahead": int(data["ahead"]), "signal": data["signal"], "things": list(data["things"]),
             "reliability": _reliability(found[name], late),
             "bins": drift.fix([str(data["signal"])], values.reshape(-1, 1))}
    return name, state, losses, _facts(data, found, name, early, late)


def _reliability(one: Mapping[str, Any], late: np.ndarray) -> list[dict[str, Any]]:
    """Levels beside how often what came lay below them: [{said, found, n}]."""
    weight = np.asarray(one["known"], dtype=np.float64)[late]
    share = (np.asarray(one["below"])[late] * weight[:, None]).sum(axis=0) / weight.sum()
    return [{"said": level, "found": float(found), "n": int(weight.sum())}
            for level, found in zip(LEVELS, share.tolist(), strict=True)]


def _facts(
    data: Mapping[str, Any], found: Mapping[str, Mapping[str, Any]], name: str, early: np.ndarray, late: np.ndarray
) -> cards.Facts:
    def of(model: str) -> dict[str, Any]:
        curve = {row["said"]: row["found"] for row in _reliability(found[model], late)}
        return {"mean_absolute_error": float(np.asarray(found[model]["loss"])[late].mean()),
                "coverage_80": curve[0.9] - curve[0.1], "coverage_90": curve[0.95] - curve[0.05]}

    values = np.asarray(data["values"], dtype=np.float64)
    hours = int(data["ahead"]) * float(data["step_s"]) / 3600.0
    return cards.Facts(
        (str(data["signal"]),), tuple(data["things"]), int(data["known_by_ns"]),
        f"by time: the model was chosen on {int(early.sum())} stretches of {hours:.3g} h, and is proved on the "
        f"{int(late.sum())} after them",
        {**of(name), "unit": data["unit"], "tried": sorted(found)}, {"name": BASELINE, **of(BASELINE)},
        cards.ranges_of([str(data["signal"])], values.reshape(-1, 1)),
        {"values": int(np.isfinite(values).sum()), "stretches": len(early)},
        (f"It speaks of the next {hours:.3g} h only.",
         "It knows the past of the signal and the time of day, nothing of orders or plans."))
