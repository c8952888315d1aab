"""Remaining life: learned from training units, told of test units after their last row; chosen on training units only.

    rows(path, models, seeds, out, progress) -> (list[Row], {set: Champion})

Split by unit. The champion of a set has the smallest root of the mean of raw and capped square errors on training units
that were left out whole and cut as a running fleet is met (`life_fit.left_out`), over all seeds; the test part and its
truth take no part. Where the truth of the test units is kept back, the row tells the errors on left-out units alone.
With `out` the champion's estimates stand in <set>.csv: no header, a number a line, in the order of the test units, the
mean over the seeds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import numpy as np

from loopwright.core import plug
from loopwright.core.errors import InputError, MissingExtra, StoreError
from loopwright.learn.lives import life_fit
from loopwright.learn.lives.units import CAP, LifeSet, check
from loopwright.learn.metrics import life as metrics
from loopwright.learn.rows import Champion, Cost, Row, done, measured, over_seeds
from loopwright.learn.traps import LeakError

ROOM, LAYOUTS = "learn.models.life", ("cmapss",)
CHOSEN_ON = "training units left out whole and cut as a running fleet is met, root mean of raw and capped square errors"
BASELINE = "mean_life"
BLIND = "the truth of the test units is not there: errors are those on training units left out, estimates go to --out"
Columns = Mapping[str, tuple[str, ...]]


@dataclass
class Told:
    """What one model said about one set, seed by seed.

    scores    metrics of each seed; estimates: (n,) for the test units of each seed
    inside    whether the 90 % interval of each cut of a left-out unit held, all seeds together
    cap       cycles: 125 for lives of usual lengths
    """

    scores: list[dict[str, float | None]] = field(default_factory=list)
    estimates: list[np.ndarray] = field(default_factory=list)
    inside: list[np.ndarray] = field(default_factory=list)
    costs: list[Cost] = field(default_factory=list)
    cap: float = CAP


def rows(
    path: Path, models: Sequence[str], seeds: int, out: Path | None, progress: Callable[[str], None],
    mapping: Columns | None = None,
) -> tuple[list[Row], dict[str, Champion]]:
    """Every set of the path: a row a model, and the champion of each set.

    Raises InputError for a path of no layout or too few lives, LeakError for a unit that stands on both sides.
    """
    sets, notes = read(path, mapping)
    found: list[Row] = []
    best: dict[str, tuple[str, Told]] = {}
    for one in sets:
        told = _set(one, _modules(models, one.name, progress), seeds, progress)
        found += [done(progress, _row(one, name, said, seeds, notes)) for name, said in told.items()]
        name = min(told, key=lambda name: (_worth(told[name]), name))
        best[one.name] = (name, told[name])
        if out is not None:
            write(out / f"{one.name.rsplit('/', 1)[-1]}.csv", np.mean(told[name].estimates, axis=0))
    pooled = float(np.mean(np.concatenate([part for _, said in best.values() for part in said.inside])))
    progress(f"90 % intervals of the champions held for {pooled:.1%} of the cuts of left-out training units, all sets")
    return found, {place: _champion(name, said, pooled) for place, (name, said) in best.items()}


def read(path: Path, mapping: Columns | None = None) -> tuple[tuple[LifeSet, ...], tuple[str, ...]]:
    """(the sets at the path, notes), by the first layout that recognises it or by the mapping of a CSV's columns."""
    if mapping is not None:
        from loopwright.learn.sets import csv

        return csv.lives(path, mapping)
    for layout in LAYOUTS:
        module = plug.load("learn.sets", layout)
        if module.recognises(path):
            return tuple(module.read(path)), ()
    raise InputError(str(path), "is of no layout with lives", ", ".join(LAYOUTS))


def check_apart(one: LifeSet) -> None:
    """Raises LeakError where a test unit is a training unit too, by its name or by what its sensors said first."""
    check([*one.train, *one.test])
    rows_ = min(len(unit) for unit in (*one.train, *one.test))
    if rows_ < 3:
        return
    seen = {unit.values[:rows_].tobytes(): unit.id for unit in one.train}
    for unit in one.test:
        twin = seen.get(unit.values[:rows_].tobytes())
        if twin is not None and np.nanstd(unit.values[:rows_], axis=0).max() > 0:
            raise LeakError(f"set {one.name}", f"test unit {unit.id} says the same as training unit {twin}", "",
                            "leave whole units out")


def _modules(models: Sequence[str], place: str, progress: Callable[[str], None]) -> dict[str, ModuleType]:
    """The models by name, baselines first; one whose library is missing is left out, and told."""
    found: dict[str, ModuleType] = {}
    for name in dict.fromkeys([BASELINE, *models]):
        module = plug.load(ROOM, name)
        try:
            getattr(module, "require", lambda: None)()
        except MissingExtra as error:
            progress(f"{place}: {name} is left out: {error}")
            continue
        found[name] = module
    return found


def _set(
    one: LifeSet, modules: Mapping[str, ModuleType], seeds: int, progress: Callable[[str], None]
) -> dict[str, Told]:
    check_apart(one)
    told: dict[str, Told] = {}
    for name, module in modules.items():
        said = told[name] = Told()
        for seed in range(seeds):
            _seed(one, module, seed, said)
            s = said.scores[-1]
            error = "" if s["rmse_raw"] is None else f", test {s['rmse_raw']:.2f} raw, {s['rmse_capped']:.2f} capped"
            progress(f"{one.name}: {name}, seed {seed}: left out {s['left_out_rmse_raw']:.2f} raw, "
                     f"{s['left_out_rmse_capped']:.2f} capped{error}; {said.costs[-1].fit_s:.1f} s")
    return told


def _seed(one: LifeSet, module: ModuleType, seed: int, said: Told) -> None:
    """Fits and asks once, with what it took."""
    with measured() as fitted:
        state = module.fit(one.train, seed)
    with measured() as asked:
        estimate, quantiles = module.predict(state, one.test)
    points = sum(unit.values.size for unit in one.test)
    cap = float(state["frame"]["cap"])
    said.cap = cap
    cuts = life_fit.left_out(state)
    inside = (cuts.quantiles[:, 0] <= cuts.left) & (cuts.left <= cuts.quantiles[:, -1])
    truth = np.array([np.nan if unit.left is None else unit.left for unit in one.test])
    known = np.isfinite(truth)
    names = ("rmse_raw", "rmse_capped", "s_score_raw", "s_score_capped", "bias", "coverage_90", "coverage_90_low",
             "coverage_90_high", "width_90")
    score: dict[str, float | None] = dict.fromkeys(names)
    if known.any():
        score = metrics.scores(estimate[known], truth[known], quantiles[known, 0], quantiles[known, -1], cap)
    score |= {
        "left_out_rmse_raw": metrics.rmse(cuts.estimate, cuts.left),
        "left_out_rmse_capped": metrics.capped(cuts.estimate, cuts.left, cap),
        "left_out_coverage_90": float(inside.mean()),
    }
    said.scores.append(score)
    said.estimates.append(estimate)
    said.inside.append(inside)
    said.costs.append(Cost(fitted.cpu_s, asked.cpu_s / points * 1e6, fitted.peak_mb, fitted.wall_s))


def _worth(said: Told) -> float:
    """What a model is chosen by: the smaller the better."""
    squares = [float(s["left_out_rmse_raw"] or 0.0) ** 2 + float(s["left_out_rmse_capped"] or 0.0) ** 2
               for s in said.scores]
    return math.sqrt(math.fsum(squares) / (2 * len(squares)))


SHOWN = ("rmse_raw", "rmse_capped", "s_score_raw", "s_score_capped", "coverage_90", "left_out_rmse_raw",
         "left_out_rmse_capped", "left_out_coverage_90", "width_90", "coverage_90_low", "coverage_90_high", "bias")


def _row(one: LifeSet, name: str, said: Told, seeds: int, notes: tuple[str, ...]) -> Row:
    mean, spread = over_seeds(said.scores)
    blind = all(unit.left is None for unit in one.test)
    cost = Cost(
        float(np.mean([c.fit_s for c in said.costs])), float(np.mean([c.us_per_point for c in said.costs])),
        max(c.peak_mb for c in said.costs), float(np.mean([c.fit_wall_s or 0.0 for c in said.costs])),
    )
    about = (BLIND,) if blind else (
        f"capped: truths and estimates above {said.cap:g} cycles count as {said.cap:g}",
        f"{name}: 95 % binomial interval of its test coverage: {mean['coverage_90_low']:.1%} to "
        f"{mean['coverage_90_high']:.1%}",
    )
    return Row(one.name, "life", "", name, BASELINE, "unit", seeds, {key: mean[key] for key in SHOWN}, cost,
               {key: spread[key] for key in SHOWN} if spread else {}, notes=(*notes, *about))


def _champion(name: str, said: Told, pooled: float) -> Champion:
    mean, _ = over_seeds(said.scores)
    shown = {key.removeprefix("left_out_"): mean[key] for key in SHOWN if key.startswith("left_out_")}
    return Champion(name, CHOSEN_ON, {**shown, "coverage_90_all_sets": pooled})


def write(path: Path, estimate: np.ndarray) -> None:
    """One estimate a line, cycles, in the order of the test units."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{value:.4f}\n" for value in estimate), "utf-8")
    except OSError as error:
        raise StoreError(str(path), f"it cannot be written ({error.strerror})", "", "name another folder") from error
