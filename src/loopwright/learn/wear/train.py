"""Fits the champion and says what it may be used for.

    trained = train(features, y, known_by_ns=...)      Trained: the card, the fitted state, the evaluation
    judge(trained, features)                           {run: {probability, low, high, seen}}
    name = registry.save(plant, trained.kept())        and later: restore(registry.load(plant, name), card)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from loopwright.core import plug
from loopwright.core.errors import InputError, StoreError
from loopwright.core.types import Model
from loopwright.learn.kept import card as cards
from loopwright.learn.kept import drift, registry
from loopwright.learn.league import BRIER
from loopwright.learn.splits import check_known
from loopwright.learn.wear.evaluate import evaluate_runs, group_copies, load, parts
from loopwright.learn.wear.runs import Features

TASK = "tool-wear"
BEYOND = (
    "It cannot tell how far a tool is worn.",
    "A mark that the tool or its holder leaves by itself would look the same.",
)
_CARD = ("correct", "of", "accuracy", "low", "high")
_COSTS = ("fit_s", "predict_us_per_run")  # differ from run to run: no part of what a model is


@dataclass(frozen=True)
class Trained:
    """A fitted model with its card.

    card        what it is, what it saw, how good it is, what it may not be used for
    name        its file in learn/models/wear
    state       what `fit` gave; jackknife: the same, fitted without each group of runs once
    seen        run -> probability by a model that had not seen that run
    evaluation  what `evaluate_runs` gave
    baseline    {name, state} of the simplest baseline that it is compared with, fitted on the same runs
    losses      {name, units, ours, theirs}: what both lost on runs that they had not seen
    bins        of each feature in training, for `learn.kept.drift`
    """

    card: Model
    name: str
    state: Any
    jackknife: tuple[Any, ...]
    seen: dict[str, float]
    evaluation: dict[str, Any]
    baseline: Mapping[str, Any]
    losses: Mapping[str, Any]
    bins: Mapping[str, Any]

    def kept(self) -> dict[str, Any]:
        """What is kept of it: everything but the card, the same whenever the same runs are learned from."""
        return _kept(self.name, self.state, self.jackknife, self.seen, self.evaluation, self.baseline, self.losses,
                     self.bins)


def train(
    features: Features,
    y: np.ndarray,
    known_by_ns: int,
    known_ns: Sequence[int] = (),
    seed: int = 0,
    models: Sequence[str] | None = None,
) -> Trained:
    """Evaluates the models, chooses one, fits it on all runs.

    features, y   runs and their labels (n,) 0 unworn, 1 worn
    known_by_ns   the cut: nothing known later may be among them; known_ns (n,): when each label became known
    Raises InputError when there are too few runs to say anything (with the words of `why_not`), LeakError for a label
    that was known only after the cut.
    """
    check_known(known_ns, known_by_ns)
    with cards.spent() as cost:
        evaluation = evaluate_runs(features, y, seed, models)
        if evaluation["abstains"]:
            raise InputError("training", evaluation["abstains"])
        name = evaluation["champion"]
        module = load([name])[0][name]
        y = np.asarray(y, dtype=np.float64)
        state = module.fit(features, y, seed)
        folds = parts(group_copies(features))
        jackknife = tuple(module.fit(features.take(kept), y[kept], seed) for kept, _ in folds)
        base = evaluation["baseline"]["name"]
        baseline = {"name": base, "state": plug.load("learn.models.wear", base).fit(features, y, seed)}
    seen = evaluation["models"][name]["probability"]
    losses = _losses(features, y, evaluation)
    bins = drift.fix(features.names, features.values)
    kept = registry.address(_kept(name, state, jackknife, seen, evaluation, baseline, losses.plain(), bins))
    made = cards.card(TASK, name, kept, losses, _facts(features, y, known_by_ns, evaluation), cost)
    return Trained(made, name, state, jackknife, seen, evaluation, baseline, losses.plain(), bins)


def restore(kept: Mapping[str, Any], card: Model) -> Trained:
    """The model that was kept, with its card. Raises StoreError for a state of another task."""
    if kept.get("task") != TASK:
        raise StoreError(f"model {card.id}", f"it was kept for {kept.get('task')!r}", TASK)
    names = ("model", "state", "jackknife", "seen", "evaluation", "baseline", "losses", "bins")
    return Trained(card, *(kept[name] for name in names))


def _kept(
    name: str, state: Any, jackknife: tuple[Any, ...], seen: Mapping[str, float], evaluation: Mapping[str, Any],
    baseline: Mapping[str, Any], losses: Mapping[str, Any], bins: Mapping[str, Any],
) -> dict[str, Any]:
    return {"task": TASK, "model": name, "state": state, "jackknife": jackknife, "seen": dict(seen),
            "evaluation": _timeless(evaluation), "baseline": baseline, "losses": losses, "bins": bins}


def _timeless(evaluation: Any) -> Any:
    """An evaluation without what it took."""
    if isinstance(evaluation, Mapping):
        return {key: _timeless(value) for key, value in evaluation.items() if key not in _COSTS}
    return evaluation


def _losses(features: Features, y: np.ndarray, evaluation: Mapping[str, Any]) -> cards.Losses:
    """Brier scores of 'choose a model, then use it' and of the baseline, each run asked of who had not seen it.

    The baseline is credited with the share of worn runs where that is better: leaving a run out makes its own class
    rarer, which makes a model that ignores its input look worse than it is.
    """
    ours = np.array([evaluation["nested"]["probability"][run] for run in features.runs])
    theirs = np.array([evaluation["baseline"]["probability"][run] for run in features.runs])
    share = np.full(len(y), float(np.mean(y)))
    if ((share - y) ** 2).mean() < ((theirs - y) ** 2).mean():
        theirs = share
    says = tuple(f"said {p:.0%} worn, found {'worn' if label > 0.5 else 'unworn'}"
                 for p, label in zip(ours, y, strict=True))
    machines = [_machine(run) for run in features.runs]
    return cards.Losses(BRIER, features.runs, (ours - y) ** 2, (theirs - y) ** 2, {"machine": machines}, says)


def _facts(features: Features, y: np.ndarray, known_by_ns: int, evaluation: Mapping[str, Any]) -> cards.Facts:
    things = tuple(dict.fromkeys(map(_machine, features.runs)))
    return cards.Facts(
        features.names, things, known_by_ns, evaluation["split"],
        {k: evaluation["nested"][k] for k in (*_CARD, "balanced_accuracy", "auc")},
        {k: evaluation["baseline"][k] for k in ("name", *_CARD)},
        cards.ranges_of(features.names, features.values),
        {"runs": len(y), "with a worn tool": int(y.sum())}, BEYOND,
    )


def _machine(run: str) -> str:
    return run.rsplit("/", 1)[0]


def judge(trained: Trained, features: Features) -> dict[str, dict[str, Any]]:
    """{run: {probability, low, high, seen}}: how likely each run's tool is worn, with a 90 % interval.

    A run that the model was trained on gets the probability of the model without it (seen: True).
    The interval is the jackknife's in log odds: se**2 = (m - 1) / m * sum((z_i - mean z)**2) over the m fits that leave
    one group out. It covers which runs happened to be in training, not whether the model is the right one.
    Source: B. Efron and C. Stein, Annals of Statistics 9 (1981) 586.
    """
    if not features.runs:
        return {}
    module = plug.load("learn.models.wear", trained.name)
    p = np.array([trained.seen.get(run, np.nan) for run in features.runs])
    fresh = np.asarray(module.predict(trained.state, features), dtype=np.float64)
    p = np.where(np.isnan(p), fresh, p)
    others = np.stack([_odds(module.predict(state, features)) for state in trained.jackknife])  # (m, n)
    m = len(others)
    spread = 1.645 * np.sqrt((m - 1) / m * ((others - others.mean(axis=0)) ** 2).sum(axis=0))
    low, high = _share(_odds(p) - spread), _share(_odds(p) + spread)
    return {
        run: {"probability": float(p[i]), "low": float(low[i]), "high": float(high[i]), "seen": run in trained.seen}
        for i, run in enumerate(features.runs)
    }


def _odds(p: np.ndarray) -> np.ndarray:
    kept = np.clip(np.asarray(p, dtype=np.float64), 1e-6, 1.0 - 1e-6)
    return np.log(kept / (1.0 - kept))


def _share(odds: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-odds))
