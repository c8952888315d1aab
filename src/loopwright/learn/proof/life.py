"""Remaining life: learned from training units, told of test units after their last row; chosen on training units only.

    rows(path, models, seeds, out, progress) -> (list[Row], {set: Champion})

Split by unit. The champion of a set has the smallest root of the mean of raw and capped square errors on training units
that were left out whole and cut as a running fleet is met (`life_fit.left_out`), over all seeds; the test part and its
truth take no part. Where the truth of the test units is kept back, the row tells the errors on left-out units alone.
Of a set whose units are left out in turn, each fold chooses a model on its own training units and uses it: what that
gets stands under the table. With `out` the champion's estimates stand in <set>.csv: no header, a number a line, in the
order of the test units, the mean over the seeds; those of units that still run in <set>_running.csv, with a header.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from loopwright.core import plug
from loopwright.core.errors import InputError, MissingExtra
from loopwright.learn.lives import life_files, life_fit
from loopwright.learn.lives.apart import check_apart, check_way_round
from loopwright.learn.lives.units import LifeSet, Unit
from loopwright.learn.metrics import life as metrics
from loopwright.learn.rows import Champion, Cost, Row, done, measured, once, over_seeds
from loopwright.learn.tables.own_map import Mapped

ROOM, LAYOUTS = "learn.models.life", ("cmapss", "femto")
CHOSEN_ON = "training units left out whole and cut as a running fleet is met, root mean of raw and capped square errors"
BASELINE = "mean_life"
BLIND = "the truth of the test units is not there: errors are those on training units left out, estimates go to --out"


@dataclass(frozen=True)
class Answer:
    """What one model said in one fold with one seed.

    estimate, quantiles   (n,), (n, Q)  of the units that were asked
    seen, left            (m,)  estimates and lives left of the cuts of training units that were left out
    low, middle, high     (m,)  ends of their 90 % interval, and the median between
    cap                   cycles above which 'capped' no longer tells lives apart
    cost                  what it took
    """

    estimate: np.ndarray
    quantiles: np.ndarray
    seen: np.ndarray
    left: np.ndarray
    low: np.ndarray
    middle: np.ndarray
    high: np.ndarray
    cap: float
    cost: Cost

    @property
    def inside(self) -> np.ndarray:
        """(m,) whether the 90 % interval of a cut held."""
        return (self.low <= self.left) & (self.left <= self.high)


@dataclass
class Told:
    """What one model said of a set: answers[seed][fold], and the scores of each seed."""

    answers: list[list[Answer]] = field(default_factory=list)
    scores: list[dict[str, float | None]] = field(default_factory=list)

    def worth(self, fold: int | None = None) -> float:
        """What a model is chosen by, in one fold or over all of them: the smaller the better."""
        chosen = [a for seed in self.answers for a in (seed if fold is None else [seed[fold]])]
        squares = [
            metrics.rmse(a.seen, a.left) ** 2 + metrics.capped(a.seen, a.left, a.cap) ** 2 for a in chosen]
        return math.sqrt(math.fsum(squares) / (2 * len(squares)))


def rows(
    path: Path, models: Sequence[str], seeds: int, out: Path | None, progress: Callable[[str], None],
    mapping: Mapped | None = None,
) -> tuple[list[Row], dict[str, Champion]]:
    """Every set of the path: a row a model, and the champion of each set.

    Raises InputError for a path of no layout or too few lives, LeakError for a unit that stands on both sides.
    """
    sets, notes = read(path, mapping)
    found: list[Row] = []
    best: dict[str, tuple[str, Told]] = {}
    progress(f"{len(sets)} sets, {len({BASELINE, *models})} models, {seeds} seeds, "
             f"{sum(len(one.parts) for one in sets) * len({BASELINE, *models}) * seeds} fits")
    for one in sets:
        modules = _modules(models, one.name, progress)
        told = _set(one, modules, seeds, notes, progress)
        extra = (*one.notes, *notes, *_chosen_in_turn(one, told))
        found += [_row(one, name, said, seeds, extra) for name, said in told.items()]
        name = min(told, key=lambda name: (told[name].worth(), name))
        best[one.name] = (name, told[name])
        if out is not None:
            _write(one, modules[name], told[name], out, progress)
    inside = [a.inside for _, said in best.values() for seed in said.answers for a in seed]
    pooled = float(np.mean(np.concatenate(inside)))
    progress(f"90 % intervals of the champions held for {pooled:.1%} of the cuts of left-out training units, all sets")
    return found, {place: _champion(name, said, pooled) for place, (name, said) in best.items()}


def read(path: Path, mapping: Mapped | None = None) -> tuple[tuple[LifeSet, ...], tuple[str, ...]]:
    """(the sets at the path, notes), by the first layout that recognises it or by the mapping of a CSV's columns."""
    if mapping is not None:
        from loopwright.learn.sets import csv

        return csv.lives(path, mapping)
    for layout in LAYOUTS:
        module = plug.load("learn.sets", layout)
        if module.recognises(path):
            return tuple(getattr(module, "lives", module.read)(path)), ()
    raise InputError(str(path), "is of no layout with lives", ", ".join(LAYOUTS))


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
    one: LifeSet, modules: Mapping[str, ModuleType], seeds: int, notes: tuple[str, ...],
    progress: Callable[[str], None],
) -> dict[str, Told]:
    """What each model said; a row is handed to the progress when its model is through."""
    check_apart(one)
    check_way_round(one)
    told: dict[str, Told] = {}
    for name, module in modules.items():
        said = told[name] = Told()
        for seed in range(seeds):
            answers = [_answer(one, fold, module, seed, progress) for fold in range(len(one.parts))]
            said.answers.append(answers)
            s = _scores(one, answers)
            said.scores.append(s)
            error = "" if s["rmse_raw"] is None else f", test {s['rmse_raw']:.2f} raw, {s['rmse_capped']:.2f} capped"
            progress(f"{one.name}: {name}, seed {seed}: left out {s['left_out_rmse_raw']:.2f} raw, "
                     f"{s['left_out_rmse_capped']:.2f} capped{error}; {sum(a.cost.fit_s for a in answers):.1f} s")
        done(progress, _row(one, name, said, seeds, (*one.notes, *notes)))
    return told


def _answer(
    one: LifeSet, fold: int, module: ModuleType, seed: int, progress: Callable[[str], None]
) -> Answer:
    """The answer of a fold and seed, taken up where it is kept."""
    def make() -> dict[str, Any]:
        return asdict(_asked(one.parts[fold], module, seed))

    plain = once(progress, ("life", one.name, module.NAME, fold, seed), make)
    return Answer(**{**plain, "cost": Cost(**plain["cost"])})


def _asked(part: tuple[tuple[Unit, ...], tuple[Unit, ...]], module: ModuleType, seed: int) -> Answer:
    """Fits and asks once, with what it took."""
    train, test = part
    with measured() as fitted:
        state = module.fit(train, seed)
    with measured() as asked:
        estimate, quantiles = module.predict(state, test)
    cuts = life_fit.left_out(state)
    middle = cuts.quantiles.shape[1] // 2
    points = sum(unit.values.size for unit in test)
    cost = Cost(fitted.cpu_s, asked.cpu_s / points * 1e6, fitted.peak_mb, fitted.wall_s)
    return Answer(estimate, quantiles, cuts.estimate, cuts.left, cuts.quantiles[:, 0], cuts.quantiles[:, middle],
                  cuts.quantiles[:, -1], float(state["frame"]["cap"]), cost)


SHOWN = ("rmse_raw", "rmse_capped", "left_out_rmse_capped", "coverage_90", "s_score_raw", "s_score_capped",
         "left_out_rmse_raw", "left_out_coverage_90", "rmse_raw_of_median", "left_out_rmse_raw_of_median",
         "width_90", "coverage_90_low", "coverage_90_high", "bias")


def _scores(one: LifeSet, answers: Sequence[Answer]) -> dict[str, float | None]:
    """Metrics of one seed over all folds."""
    left = np.concatenate([a.left for a in answers])
    seen = np.concatenate([a.seen for a in answers])
    caps = np.concatenate([np.full(len(a.left), a.cap) for a in answers])
    score: dict[str, float | None] = dict.fromkeys(SHOWN)
    score |= _tested(one, [a.estimate for a in answers], answers)
    return score | {
        "left_out_rmse_raw": metrics.rmse(seen, left),
        "left_out_rmse_capped": metrics.capped(seen, left, caps),
        "left_out_rmse_raw_of_median": metrics.rmse(np.concatenate([a.middle for a in answers]), left),
        "left_out_coverage_90": float(np.concatenate([a.inside for a in answers]).mean()),
    }


def _tested(
    one: LifeSet, estimates: Sequence[np.ndarray], answers: Sequence[Answer]
) -> dict[str, float | None]:
    """Metrics of the estimates of each fold, on units whose end is known; {} where none is."""
    asked = [unit for _, test in one.parts for unit in test]
    truth = np.array([np.nan if unit.left is None else unit.left for unit in asked])
    known = np.isfinite(truth)
    if not known.any():
        return {}
    estimate, true = np.concatenate(estimates)[known], truth[known]
    quantiles = np.concatenate([a.quantiles for a in answers])[known]
    cap = np.concatenate([np.full(len(a.estimate), a.cap) for a in answers])[known]
    score = metrics.scores(estimate, true, quantiles[:, 0], quantiles[:, -1], cap)
    score["rmse_raw_of_median"] = metrics.rmse(quantiles[:, quantiles.shape[1] // 2], true)
    if one.challenge:
        score["phm2012"] = metrics.challenge(estimate, true)
    return score


def _chosen_in_turn(one: LifeSet, told: Mapping[str, Told]) -> tuple[str, ...]:
    """What choosing a model in each fold and then using it gets; () where there is one fold."""
    if not one.folds:
        return ()
    names = [min(told, key=lambda name: (told[name].worth(fold), name)) for fold in range(len(one.folds))]
    answers = [told[name].answers[0][fold] for fold, name in enumerate(names)]
    score = _tested(one, [a.estimate for a in answers], answers)
    numbers = ", ".join(f"{name} {score[name]:.4g}" for name in ("phm2012", "rmse_raw", "rmse_capped")
                        if score.get(name) is not None)
    return (f"chosen in each fold on its other units, then used: {numbers} ({', '.join(names)})",)


def _row(one: LifeSet, name: str, said: Told, seeds: int, notes: tuple[str, ...]) -> Row:
    mean, spread = over_seeds(said.scores)
    costs = [a.cost for seed in said.answers for a in seed]
    blind = all(unit.left is None for unit in one.test)
    cost = Cost(
        float(np.mean([c.fit_s for c in costs])), float(np.mean([c.us_per_point for c in costs])),
        max(c.peak_mb for c in costs), float(np.mean([c.fit_wall_s or 0.0 for c in costs])),
    )
    caps = sorted({a.cap for a in said.answers[0]})
    cap = f"{caps[0]:.4g}" if len(caps) == 1 else f"{caps[0]:.4g} to {caps[-1]:.4g} (by fold)"
    about = (BLIND,) if blind else (
        f"capped: truths and estimates above {cap} cycles count as that; the median has no cap",
        f"{name}: 95 % binomial interval of its test coverage: {mean['coverage_90_low']:.1%} to "
        f"{mean['coverage_90_high']:.1%}",
    )
    shown = (*(("phm2012",) if one.challenge else ()), *SHOWN)
    return Row(one.name, "life", "", name, BASELINE, one.split, seeds, {key: mean.get(key) for key in shown}, cost,
               {key: spread.get(key) for key in shown} if spread else {}, notes=(*notes, *about))


def _champion(name: str, said: Told, pooled: float) -> Champion:
    mean, _ = over_seeds(said.scores)
    shown = {key.removeprefix("left_out_"): mean[key] for key in SHOWN if key.startswith("left_out_")}
    return Champion(name, CHOSEN_ON, {**shown, "coverage_90_all_sets": pooled})


def _write(one: LifeSet, module: ModuleType, said: Told, out: Path, progress: Callable[[str], None]) -> None:
    """The champion's estimates, a number a line; those of units that still run with their names and intervals."""
    name = one.name.rsplit("/", 1)[-1]
    life_files.estimates(out / f"{name}.csv", np.mean([np.concatenate([a.estimate for a in seed])
                                                       for seed in said.answers], axis=0))
    if one.running:
        state = module.fit([*one.train, *one.whole], 0)
        estimate, quantiles = module.predict(state, one.running)
        progress(f"{one.name}: {len(one.running)} units still run: {module.NAME} says when in {name}_running.csv")
        life_files.running(out / f"{name}_running.csv", one.running, estimate, quantiles)
