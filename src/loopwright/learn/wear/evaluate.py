"""How good each model is on runs it has not seen, beside the baselines, with how sure that is and what it costs.

    evaluate_runs(features, y) -> dict     plain data: every model, the nested champion, and a verdict in words

Two loops. The outer one leaves each run out once (beyond MOST runs, parts of them) and asks the models that never saw
it. The inner one repeats that within the training runs, to choose a model; so the printed number of the champion also
covers the choosing. With a dozen runs the intervals are wide, and the verdict says so instead of rounding up.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from loopwright.core import plug
from loopwright.core.clock import monotonic_s
from loopwright.core.errors import InputError, MissingExtra
from loopwright.learn.intervals import clopper_pearson, sign_test
from loopwright.learn.splits import Fold, check_split, leave_one_group_out
from loopwright.learn.wear.runs import Features

LEAST_RUNS, LEAST_OF_A_CLASS = 6, 3
MOST, PARTS = 24, 12  # runs that are left out one by one; of more, so many parts are left out in turn
CLIP = 0.01  # when models are compared: a dozen runs cannot tell 99 from 99.9 %


def evaluate_runs(
    features: Features, y: np.ndarray, seed: int = 0, models: Sequence[str] | None = None
) -> dict[str, Any]:
    """Leave-one-run-out evaluation of every model, JSON-ready.

    features, y  runs and their labels (n,) 0 unworn, 1 worn
    models       names of learn/models/wear (None: all there are); baselines are always among them
    returns      {runs, worn, split, abstains, models: {name: {...}}, champion, nested: {...}, baseline: {...},
                  better_than_baseline, verdict}; with `abstains` set, nothing else is said
    Copies of a run (equal numbers) are left out together. A model whose extra is missing is listed as skipped.
    """
    y = np.asarray(y, dtype=np.float64)
    if y.shape != (len(features.runs),) or not np.isin(y, (0.0, 1.0)).all():
        raise InputError("evaluation", f"{y.shape} labels for {len(features.runs)} runs", "one 0 or 1 for each run")
    result: dict[str, Any] = {"runs": len(y), "worn": int(y.sum()), "split": "leave one run out", "abstains": ""}
    result["abstains"] = why_not(y)
    if result["abstains"]:
        return result | {"verdict": result["abstains"], "better_than_baseline": False, "models": {}}
    groups = group_copies(features)
    if len(set(groups)) > MOST:
        result["split"] = f"leave one part of {PARTS} out, whole runs"
    modules, skipped = load(models)
    tables = {name: _evaluate(module, features, y, groups, seed) for name, module in modules.items()}
    nested = _nested(modules, features, y, groups, seed)
    champion = choose(modules, features, y, groups, seed)
    base = _best_baseline(modules, tables, y)
    better = bool(nested["low"] > base["accuracy"])
    nested["p_better"] = sign_test(*_wins(nested["probability"], base["probability"], features.runs, y))
    result |= {"models": tables | skipped, "champion": champion, "nested": nested, "baseline": base}
    return result | {"better_than_baseline": better, "verdict": _verdict(champion, nested, base, better)}


def why_not(y: np.ndarray) -> str:
    """Why these labels cannot be learned from, in words; '' when they can."""
    worn, unworn = int(np.sum(y)), int(len(y) - np.sum(y))
    if len(y) < LEAST_RUNS:
        return f"only {len(y)} labelled runs: at least {LEAST_RUNS} are needed to test a model on runs it has not seen"
    if min(worn, unworn) < LEAST_OF_A_CLASS:
        return f"{worn} worn and {unworn} unworn runs: at least {LEAST_OF_A_CLASS} of each are needed"
    return ""


def load(models: Sequence[str] | None = None) -> tuple[dict[str, ModuleType], dict[str, Any]]:
    """(modules by name, baselines first; {name: {'skipped': why}} of those whose extra is missing)."""
    names = sorted(plug.find("learn.models.wear"))
    found = {name: plug.load("learn.models.wear", name) for name in (names if models is None else models)}
    for name in names:
        module = plug.load("learn.models.wear", name)
        if getattr(module, "BASELINE", False):
            found.setdefault(name, module)
    ordered = dict(sorted(found.items(), key=lambda item: (not getattr(item[1], "BASELINE", False), item[0])))
    skipped: dict[str, Any] = {}
    for name, module in list(ordered.items()):
        try:
            getattr(module, "require", lambda: None)()
        except MissingExtra as error:
            skipped[name] = {"skipped": str(error)}
            del ordered[name]
    return ordered, skipped


def parts(groups: Sequence[str]) -> list[Fold]:
    """(rows to train on, rows to test on): each group by itself up to MOST of them, else PARTS of whole groups, dealt
    out in their order, so that the cost of an evaluation does not grow with the square of the runs."""
    names = list(dict.fromkeys(groups))
    if len(names) <= MOST:
        return leave_one_group_out(groups)
    part = {name: str(i % PARTS) for i, name in enumerate(names)}
    return leave_one_group_out([part[name] for name in groups])


def group_copies(features: Features) -> list[str]:
    """A group for each run: its own id, or that of the earlier run that it is a copy of."""
    first: dict[bytes, str] = {}
    return [first.setdefault(row.tobytes(), run) for run, row in zip(features.runs, features.values, strict=True)]


def out_of_fold(
    module: ModuleType, features: Features, y: np.ndarray, groups: Sequence[str], seed: int
) -> np.ndarray:
    """(n,) probability of worn for each run by the model that was fitted without its group."""
    p = np.empty(len(y))
    for train, test in parts(groups):
        check_split(groups, train, test, features.values)
        p[test] = module.predict(module.fit(features.take(train), y[train], seed), features.take(test))
    return p


def choose(
    modules: Mapping[str, ModuleType], features: Features, y: np.ndarray, groups: Sequence[str], seed: int
) -> str:
    """The model with the lowest logarithmic loss on left-out runs; of equals the earlier (baselines stand first)."""
    losses = {name: log_loss(y, out_of_fold(module, features, y, groups, seed)) for name, module in modules.items()}
    return min(losses, key=lambda name: losses[name])


def log_loss(y: np.ndarray, p: np.ndarray) -> float:
    """Mean of -log of the probability given to what was true, probabilities kept within CLIP of 0 and 1."""
    kept = np.clip(p, CLIP, 1.0 - CLIP)
    return float(-np.mean(y * np.log(kept) + (1.0 - y) * np.log(1.0 - kept)))


def auc(y: np.ndarray, p: np.ndarray) -> float:
    """Probability that a worn run is ranked above an unworn one; ties count half.

    Source: J. A. Hanley and B. J. McNeil, Radiology 143 (1982) 29. Pooled over left-out runs it reads low: a model that
    ignores its input gives 0, not 0.5, because leaving a run out makes its own class rarer.
    """
    ones, zeros = p[y > 0.5][:, None], p[y < 0.5][None, :]
    return float(((ones > zeros) + 0.5 * (ones == zeros)).mean())


def _evaluate(
    module: ModuleType, features: Features, y: np.ndarray, groups: Sequence[str], seed: int
) -> dict[str, Any]:
    """The row of one model: quality on left-out runs, then what it costs."""
    p = out_of_fold(module, features, y, groups, seed)
    started = monotonic_s()
    state = module.fit(features, y, seed)
    fitted = monotonic_s()
    module.predict(state, features)
    took = monotonic_s() - fitted
    row = score(features.runs, y, p)
    row |= {"meaning": module.MEANING, "baseline": bool(getattr(module, "BASELINE", False))}
    return row | {"fit_s": fitted - started, "predict_us_per_run": took / len(y) * 1e6}


def score(runs: Sequence[str], y: np.ndarray, p: np.ndarray) -> dict[str, Any]:
    """How right probabilities p (n,) were about labels y (n,): accuracy with its 95 % interval, AUC, losses."""
    right = (p >= 0.5) == (y > 0.5)
    low, high = clopper_pearson(int(right.sum()), len(y))
    return {
        "correct": int(right.sum()), "of": len(y), "accuracy": float(right.mean()), "low": low, "high": high,
        "balanced_accuracy": float((right[y > 0.5].mean() + right[y < 0.5].mean()) / 2.0), "auc": auc(y, p),
        "log_loss": log_loss(y, p), "brier": float(np.mean((p - y) ** 2)),
        "probability": {run: float(value) for run, value in zip(runs, p, strict=True)},
    }


def _nested(
    modules: Mapping[str, ModuleType], features: Features, y: np.ndarray, groups: Sequence[str], seed: int
) -> dict[str, Any]:
    """The score of 'choose a model, then use it': the choice is made again without each left-out run."""
    p = np.empty(len(y))
    chosen: dict[str, str] = {}
    for train, test in parts(groups):
        rest, labels = features.take(train), y[train]
        name = choose(modules, rest, labels, [groups[i] for i in train], seed)
        p[test] = modules[name].predict(modules[name].fit(rest, labels, seed), features.take(test))
        chosen |= {features.runs[i]: name for i in test.tolist()}
    return score(features.runs, y, p) | {"chosen": chosen}


def _best_baseline(modules: Mapping[str, ModuleType], tables: Mapping[str, Any], y: np.ndarray) -> dict[str, Any]:
    """The baseline that was right most often, credited with the majority's share if that is more."""
    rows = {name: dict(tables[name]) for name, module in modules.items() if getattr(module, "BASELINE", False)}
    name = max(rows, key=lambda n: rows[n]["correct"])
    share = max(float(np.mean(y)), 1.0 - float(np.mean(y)))
    return rows[name] | {"name": name, "accuracy": max(rows[name]["accuracy"], share), "majority_share": share}


def _wins(
    ours: Mapping[str, float], theirs: Mapping[str, float], runs: Sequence[str], y: np.ndarray
) -> tuple[int, int]:
    """(runs that only we got right, runs that only they got right)."""
    a = np.array([(ours[run] >= 0.5) == (label > 0.5) for run, label in zip(runs, y, strict=True)])
    b = np.array([(theirs[run] >= 0.5) == (label > 0.5) for run, label in zip(runs, y, strict=True)])
    return int((a & ~b).sum()), int((b & ~a).sum())


def _verdict(champion: str, nested: Mapping[str, Any], base: Mapping[str, Any], better: bool) -> str:
    said = (
        f"{nested['correct']} of {nested['of']} runs right that were not seen ({nested['accuracy']:.0%}, 95 % interval "
        f"{nested['low']:.0%} to {nested['high']:.0%})"
    )
    versus = f"the best baseline ({base['name']}) reaches {base['accuracy']:.0%}"
    head = champion if better else f"{champion} is not better than {base['name']}, as far as this many runs can show"
    if champion == base["name"]:
        head = f"no model is better than {champion}, which looks at no signal"
    return f"{head}: {said}; {versus}"


def rounded(result: Mapping[str, Any], digits: int = 3) -> dict[str, Any]:
    """The same plain data with every number rounded, for people and reports."""

    def shorten(value: Any) -> Any:
        if isinstance(value, float):
            return round(value, digits) if math.isfinite(value) else None
        if isinstance(value, Mapping):
            return {key: shorten(inner) for key, inner in value.items()}
        return value

    return {key: shorten(value) for key, value in result.items()}
