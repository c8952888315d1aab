"""Fits a model of remaining life with intervals that hold on units it has not seen.

    state = fit(how, units, seed)                   plain data: the model, and how wrong it was on units left out
    estimate, quantiles = predict(how, state, units)
    found = left_out(state)                         the same for the cuts of units left out: to choose models by
    parts = drivers(how, state, unit, signals)      how many cycles each signal took from the estimate

How wrong: whole units are left out in turn, cut as a running fleet is met, and their remaining life is estimated by the
model fitted without them. An interval is then read from the lives of those cuts whose estimates were close to this one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from loopwright.core.errors import InputError
from loopwright.learn.lives import life_rows
from loopwright.learn.lives.features import AGE, Windows, channels
from loopwright.learn.lives.units import LEVELS, Unit, failures, folds, remaining

PARTS, EACH, LEAST = 4, 12, 20  # folds of units; cuts a unit; shortest history of a cut, rows at pace 1
NEAR = 5.0  # cycles at pace 1: estimates that are so far apart share their lives with weight exp(-1/2)
STEPS = 32  # of the path from a new unit to the one that is asked about
SEEDS = 1_000_003  # folds and rows are drawn apart

Learn = Callable[[life_rows.Rows, dict[str, Any], int], dict[str, Any]]
Say = Callable[[dict[str, Any], np.ndarray], np.ndarray]


@dataclass(frozen=True)
class How:
    """One kind of model; `fit`, `predict` and `drivers` are the verbs of its file in learn/models/life.

    learn    (rows, frame, seed) -> plain state
    say      (state, x (n, F)) -> (n,) estimated cycles left
    windows  what it is shown of the past; None: the usual
    """

    learn: Learn
    say: Say
    windows: Windows | None = None

    def fit(self, units: Sequence[Unit], seed: int = 0) -> dict[str, Any]:
        """State from units of which two or more have a known end."""
        return fit(self, units, seed)

    def predict(self, state: dict[str, Any], units: Sequence[Unit]) -> tuple[np.ndarray, np.ndarray]:
        """((n,) estimated cycles left, (n, Q) quantiles at units.LEVELS)."""
        return predict(self, state, units)

    def drivers(self, state: dict[str, Any], unit: Unit, signals: Sequence[str]) -> list[tuple[str, float]]:
        """[(signal or 'age', cycles)]: how much each took from the estimate since the unit was new."""
        return drivers(self, state, unit, signals)


@dataclass(frozen=True)
class LeftOut:
    """Cuts of training units, estimated by models that had not seen the unit.

    estimate, left  (m,)  cycles
    unit, fold      (m,)  which unit, and in which fold it was left out
    quantiles       (m, Q)  read from the cuts of the other folds
    """

    estimate: np.ndarray
    left: np.ndarray
    unit: np.ndarray
    fold: np.ndarray
    quantiles: np.ndarray


def fit(how: How, units: Sequence[Unit], seed: int = 0) -> dict[str, Any]:
    """{frame, model, fresh, cuts}. Raises InputError for fewer than two units with a known end.

    fresh  (F,) mean features of the fifth of the rows with the longest life left
    """
    known = failures(units)
    frame = life_rows.fit(units, how.windows)
    rows = life_rows.gather(frame, units, seed)
    model = how.learn(rows, frame, seed)
    fresh = rows.x[rows.ended & (rows.left >= np.quantile(rows.left[rows.ended], 0.8))].mean(axis=0)
    which = folds(known, PARTS, seed + SEEDS)
    open_ended = [unit for unit in units if not unit.failed]
    parts = [_without(how, known, open_ended, which == part, seed) for part in range(int(which.max()) + 1)]
    estimate, left, unit = (np.concatenate([part[i] for part in parts]) for i in range(3))
    cuts = {"estimate": estimate, "left": left, "unit": unit, "fold": which[unit]}
    return {"frame": frame, "model": model, "fresh": fresh, "cuts": cuts}


def _without(
    how: How, known: Sequence[Unit], open_ended: Sequence[Unit], out: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(estimates, lives left, which unit) of the cuts of the units that are left out."""
    rest = [unit for unit, gone in zip(known, out, strict=True) if not gone]
    frame = life_rows.fit([*rest, *open_ended], how.windows)
    model = how.learn(life_rows.gather(frame, [*rest, *open_ended], seed), frame, seed)
    gone = np.flatnonzero(out)
    away = [known[i] for i in gone.tolist()]
    cuts = life_cuts(frame, away, seed)
    x = life_rows.at_cuts(frame, away, cuts)
    left = np.array([remaining(away[which])[rows - 1] for which, rows in cuts])
    return limited(frame, how.say(model, x)), left, gone[np.array([which for which, _ in cuts], dtype=np.int64)]


def life_cuts(frame: dict[str, Any], units: Sequence[Unit], seed: int, each: int = EACH) -> list[tuple[int, int]]:
    """[(which unit, rows kept)]: EACH cuts a unit, as often as `life_rows.often` says, after LEAST rows at least."""
    rng = np.random.default_rng(seed + SEEDS)
    least = max(1, round(LEAST * frame["pace"]))
    found: list[tuple[int, int]] = []
    for which, unit in enumerate(units):
        chance = np.maximum(life_rows.often(frame, remaining(unit)), 1e-12)  # a life far beyond the reach is met too
        chance = chance * (np.arange(1, len(unit) + 1) >= min(least, len(unit)))
        count = min(each, int((chance > 0).sum()))
        picked = np.sort(rng.choice(len(unit), size=count, replace=False, p=chance / chance.sum()))
        found += [(which, int(row) + 1) for row in picked]
    return found


def limited(frame: dict[str, Any], estimate: np.ndarray) -> np.ndarray:
    """(n,) between 0 and the cap."""
    return np.clip(np.nan_to_num(estimate, nan=frame["cap"]), 0.0, frame["cap"])


def predict(how: How, state: dict[str, Any], units: Sequence[Unit]) -> tuple[np.ndarray, np.ndarray]:
    """((n,) estimated cycles left, (n, Q) their quantiles at LEVELS), after the last row of each unit.

    The estimate is the mean of the life left, where more than the cap counts as the cap: it makes the square error
    small. The quantiles are of the life left itself.
    """
    frame, cuts = state["frame"], state["cuts"]
    estimate = limited(frame, how.say(state["model"], life_rows.newest(frame, units)))
    return estimate, quantiles(estimate, cuts["estimate"], cuts["left"], NEAR * frame["pace"])


def left_out(state: dict[str, Any]) -> LeftOut:
    """The cuts of units left out, each with quantiles from the other folds only."""
    cuts = state["cuts"]
    near = NEAR * state["frame"]["pace"]
    found = np.zeros((len(cuts["left"]), len(LEVELS)))
    for part in np.unique(cuts["fold"]):
        out = cuts["fold"] == part
        rest = ~out if not out.all() else out
        found[out] = quantiles(cuts["estimate"][out], cuts["estimate"][rest], cuts["left"][rest], near)
    return LeftOut(cuts["estimate"], cuts["left"], cuts["unit"], cuts["fold"], found)


def quantiles(estimate: np.ndarray, seen: np.ndarray, left: np.ndarray, near: float) -> np.ndarray:
    """(n, Q) quantiles at LEVELS of the life left where the estimate is estimate (n,), never below 0.

    Estimate plus quantiles of how far the lives left (m,) of the cuts lay from their estimates `seen` (m,). A cut
    weighs exp(-(distance of the estimates / near)^2 / 2), and the case itself weighs 1 at the outer end: with few cuts
    close by an interval is wider, with none it is as wide as the worst that was ever seen.
    Source: localised split conformal intervals: L. Guan, Biometrika 110 (2023) 33; V. Vovk, A. Gammerman and G. Shafer,
    Algorithmic Learning in a Random World (2005), for the weight of the case itself.
    """
    off = left - seen
    order = np.argsort(off, kind="stable")
    off, seen = off[order], seen[order]
    weight = np.exp(-0.5 * ((estimate[:, None] - seen[None]) / near) ** 2)  # (n, m)
    below = np.cumsum(weight, axis=1)
    total = below[:, -1:] + 1.0
    found = np.empty((len(estimate), len(LEVELS)))
    for q, level in enumerate(LEVELS):
        own = 1.0 if level < 0.5 else 0.5 if level == 0.5 else 0.0
        at = (below + own < level * total - 1e-12).sum(axis=1)
        found[:, q] = estimate + off[np.clip(at, 0, len(off) - 1)]
    return np.maximum.accumulate(np.maximum(found, 0.0), axis=1)


def drivers(how: How, state: dict[str, Any], unit: Unit, signals: Sequence[str]) -> list[tuple[str, float]]:
    """[(signal or 'age', cycles)]: how much each took from the estimate since the unit was new, largest first.

    The estimate is followed along the straight path from rows with the longest lives left to this unit, in STEPS steps;
    in each the features of one signal after the other go ahead, and the change is booked to it. The parts add up to the
    difference of the estimates (before the cap) but for what signals do together within a step. Source: R. Aumann and
    L. Shapley, Values of Non-Atomic Games (1974); M. Sundararajan, A. Taly and Q. Yan, ICML 2017.
    """
    frame = state["frame"]
    if len(signals) != frame["width"]:
        raise InputError("drivers", f"{len(signals)} names", f"{frame['width']}, one for each channel")
    kept = frame["norm"]["kept"].tolist()
    about = channels(len(kept), life_rows.windows_of(frame))
    groups = np.array([AGE, *range(len(kept))])
    begin = state["fresh"]
    step = (life_rows.newest(frame, [unit])[0] - begin) / STEPS
    base = begin + np.arange(STEPS)[:, None] * step  # (S, F)
    ahead = base[:, None, :] + np.where(about == groups[:, None], step, 0.0)  # (S, G, F)
    told = how.say(state["model"], ahead.reshape(-1, ahead.shape[2])).reshape(STEPS, len(groups))
    parts = (told - how.say(state["model"], base)[:, None]).sum(axis=0)
    names = ["age", *(signals[channel] for channel in kept)]
    return sorted(zip(names, parts.tolist(), strict=True), key=lambda one: -abs(one[1]))
