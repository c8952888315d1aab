"""Fits the champion and says what it may be used for.

    trained = train(features, y, known_by_ns=...)      Trained: the card, the fitted state, the evaluation
    judge(trained, features)                           {run: {probability, low, high, seen}}
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import loopwright
from loopwright.core import plug
from loopwright.core.errors import InputError
from loopwright.core.types import Model
from loopwright.learn.evaluate import evaluate_runs, group_copies, load
from loopwright.learn.runs import Features
from loopwright.learn.splits import check_known, leave_one_group_out

TASK = "tool wear of a machining run"
LIMITS = (
    "Learned from {runs} runs of {machines} machine(s), {worn} with a worn tool. It has not been shown that it holds "
    "for other machines, materials or tools, and it cannot tell how far a tool is worn. A mark that the tool or its "
    "holder leaves by itself would look the same."
)
_CARD = ("correct", "of", "accuracy", "low", "high")


@dataclass(frozen=True)
class Trained:
    """A fitted model with its card.

    card        what it is, what it saw, how good it is, what it may not be used for
    name        its file in learn/models/wear
    state       what `fit` gave; jackknife: the same, fitted without each group of runs once
    seen        run -> probability by a model that had not seen that run
    evaluation  what `evaluate_runs` gave
    """

    card: Model
    name: str
    state: Any
    jackknife: tuple[Any, ...]
    seen: dict[str, float]
    evaluation: dict[str, Any]


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
    evaluation = evaluate_runs(features, y, seed, models)
    if evaluation["abstains"]:
        raise InputError("training", evaluation["abstains"])
    name = evaluation["champion"]
    module = load([name])[0][name]
    y = np.asarray(y, dtype=np.float64)
    state = module.fit(features, y, seed)
    folds = leave_one_group_out(group_copies(features))
    jackknife = tuple(module.fit(features.take(kept), y[kept], seed) for kept, _ in folds)
    weights_hash = weigh(state)
    machines = len({run.rsplit("/", 1)[0] for run in features.runs})
    card = Model(
        id=f"tool-wear/{name}@{weights_hash[:8]}", task=TASK, signals=features.names, known_by_ns=known_by_ns,
        metrics={k: evaluation["nested"][k] for k in (*_CARD, "balanced_accuracy", "auc")},
        baseline={k: evaluation["baseline"][k] for k in ("name", *_CARD)},
        weights_hash=weights_hash, code_version=getattr(loopwright, "__version__", "0"),
        limits=LIMITS.format(runs=len(y), machines=machines, worn=int(y.sum())), split=evaluation["split"],
    )
    return Trained(card, name, state, jackknife, evaluation["models"][name]["probability"], evaluation)


def weigh(state: dict[str, Any]) -> str:
    """SHA-256 of the part of a state that is plain data, the same on every machine."""
    plain = {key: value for key, value in state.items() if isinstance(value, (int, float, str, list, bool))}
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


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
