"""How long units that wear out will last: models of remaining life, on units whose end is known.

data  units [{id, values (T, C), settings (T, S), left}], signals (C,), word ('runs'), known_by_ns

A unit is one life. Whole units are left out in turn (`learn.lives.life_fit`); for the units of each fold the model is
the one that was best on the other folds, so that nobody chooses on what proves it. What is lost is the distance of the
middle estimate, in cycles, mean over cuts of a life as a running fleet is met.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from loopwright.core import plug
from loopwright.core.errors import InputError
from loopwright.learn.kept import card as cards
from loopwright.learn.kept import drift
from loopwright.learn.league import ABSOLUTE
from loopwright.learn.lives import life_fit
from loopwright.learn.lives.units import LEVELS, Unit, failures

NAME = "life"
MEANING = "How many cycles a unit that wears out has left, beside the mean of all."
BASELINE, NAMES = "mean_life", ("survival", "kernel")  # those that need no library and fit in a second
LEAST = 4  # lives whose end is known
MIDDLE = LEVELS.index(0.5)


def plain(units: list[Unit]) -> list[dict[str, Any]]:
    """Units as plain data."""
    return [{"id": one.id, "values": one.values, "settings": one.settings, "left": one.left} for one in units]


def units_of(data: Mapping[str, Any]) -> list[Unit]:
    """The units of the data."""
    return [Unit(one["id"], one["values"], one["settings"], one["left"]) for one in data["units"]]


def candidates(data: Mapping[str, Any]) -> list[str]:
    """The mean, and the models that need no library. Raises InputError for fewer than LEAST known ends."""
    failures(units_of(data), LEAST)
    return [BASELINE, *NAMES]


def tried(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    """{state, estimate (m,), quantiles (m, Q), left (m,), unit (m,), fold (m,)} of the cuts of units left out."""
    state = plug.load("learn.models.life", name).fit(units_of(data))
    cuts = life_fit.left_out(state)
    return {"state": state, "quantiles": cuts.quantiles, "left": cuts.left, "unit": cuts.unit, "fold": cuts.fold}


def chosen(
    data: Mapping[str, Any], found: Mapping[str, Mapping[str, Any]]
) -> tuple[str, dict[str, Any], cards.Losses, cards.Facts]:
    """(name, what is kept of it, its losses on units left out, facts)."""
    names = [name for name in found if name != BASELINE]
    base = found[BASELINE]
    left, unit, fold = (np.asarray(base[key]) for key in ("left", "unit", "fold"))
    off = {name: np.abs(np.asarray(found[name]["quantiles"])[:, MIDDLE] - left) for name in found}
    nested, inside = np.zeros(len(left)), np.zeros(len(left), dtype=bool)
    below = np.zeros((len(left), len(LEVELS)), dtype=bool)
    for part in np.unique(fold):
        out = fold == part
        rest = ~out if not out.all() else out
        best = min(names, key=lambda one: (float(off[one][rest].mean()), one))
        said = np.asarray(found[best]["quantiles"])[out]
        nested[out] = off[best][out]
        inside[out] = (left[out] >= said[:, 0]) & (left[out] <= said[:, -1])
        below[out] = left[out, None] <= said
    name = min(names, key=lambda one: (float(off[one].mean()), one))
    known = failures(units_of(data), LEAST)
    which = np.unique(unit)
    ours, theirs = (np.array([row[unit == i].mean() for i in which]) for row in (nested, off[BASELINE]))
    says = tuple(f"lasted {len(known[i])} {data['word']}, mean error {a:.2g}"
                 for i, a in zip(which, ours, strict=True))
    losses = cards.Losses(ABSOLUTE, tuple(known[i].id for i in which), ours, theirs,
                          {"thing": [known[i].id.rpartition("/")[0] for i in which]}, says)
    values = np.concatenate([one.values for one in units_of(data)])
    state = {"fitted": found[name]["state"], "baseline": base["state"], "signals": list(data["signals"]),
             "reliability": [{"said": level, "found": float(share), "n": len(left)}
                             for level, share in zip(LEVELS, below.mean(axis=0).tolist(), strict=True)],
             "bins": drift.fix(list(data["signals"]), values)}
    return name, state, losses, _facts(data, losses, inside, values)


def _facts(data: Mapping[str, Any], losses: cards.Losses, inside: np.ndarray, values: np.ndarray) -> cards.Facts:
    units = units_of(data)
    lasted = [len(one) for one in units if one.failed]
    if not lasted:
        raise InputError("training", "no unit has ended", "", "wait")
    signals = tuple(str(name) for name in data["signals"])
    return cards.Facts(
        signals, tuple(dict.fromkeys(one.id.rpartition("/")[0] for one in units)), int(data["known_by_ns"]),
        "leave whole lives out; the model is chosen on the lives of the other folds",
        {"mean_absolute_error": float(losses.ours.mean()), "coverage_90": float(inside.mean()),
         "of": len(losses.units)},
        {"name": BASELINE, "mean_absolute_error": float(losses.theirs.mean())},
        cards.ranges_of(signals, values),
        {"lives": len(lasted), "still running": len(units) - len(lasted)},
        (f"It has seen lives of {min(lasted)} to {max(lasted)} {data['word']}.",
         "It cannot see a life that ends without a sign."))


def say(kept: Mapping[str, Any], units: list[Unit]) -> tuple[np.ndarray, np.ndarray]:
    """((n,) estimates, (n, Q) quantiles at LEVELS) of units by a model that was kept."""
    module = plug.load("learn.models.life", kept["model"])
    estimate, quantiles = module.predict(kept["state"]["fitted"], units)
    return np.asarray(estimate), np.asarray(quantiles)


def baseline(kept: Mapping[str, Any], units: list[Unit]) -> np.ndarray:
    """(n,) what the mean says, its middle."""
    return np.asarray(plug.load("learn.models.life", BASELINE).predict(kept["state"]["baseline"], units)[1])[:, MIDDLE]
