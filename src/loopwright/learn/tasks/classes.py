"""Which class a whole run is of: convolutions, intervals, spectra and trees, each asked of runs it had not seen.

data  ids (n,), values [n arrays (C, T_i)], channels (C,), rate_hz, labels (n,), things (n,) that made the runs,
      label: what the classes are called, known_by_ns

A unit is one run. Runs are left out in turn (each by itself up to 20, then in twenty parts), copies of a run together;
for the runs of each part the model is the one that was best on the other parts. What is lost is the Brier score, summed
over the classes and halved.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from loopwright.core import plug
from loopwright.core.errors import InputError
from loopwright.learn.classing.cases import Cases, spread
from loopwright.learn.classing.folds import copies_together
from loopwright.learn.kept import card as cards
from loopwright.learn.kept import drift
from loopwright.learn.league import BRIER

NAME = "classes"
MEANING = "Which class a run is of, beside the shares of the classes."
BASELINE = "majority"
NAMES = ("rocket", "intervals", "spectra", "boosting")
LEAST, PARTS = 6, 20  # runs; parts that are left out in turn, at most


def cases_of(data: Mapping[str, Any]) -> Cases:
    """The runs of the data."""
    return Cases(tuple(data["ids"]), tuple(np.asarray(one, dtype=np.float64) for one in data["values"]),
                 tuple(data["channels"]), data["rate_hz"])


def candidates(data: Mapping[str, Any]) -> list[str]:
    """The shares of the classes, then what looks at the runs. Raises InputError for too few runs, or one class only."""
    counts = Counter(data["labels"])
    if len(data["labels"]) < LEAST or len(counts) < 2 or min(counts.values()) < 2:
        given = ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "no run"
        raise InputError("training", given, f"{LEAST} runs, two of each of two classes", "wait")
    return [BASELINE, *NAMES]


def tried(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    """{p (n, K), fold (n,), classes}: probabilities of each run by a model that had not seen it."""
    cases, labels = cases_of(data), list(data["labels"])
    classes = sorted(set(labels))
    fold = _folds(copies_together(list(data["ids"]), cases.values))
    module = plug.load("learn.models.classes", name)
    p = np.zeros((len(cases), len(classes)))
    for part in range(int(fold.max()) + 1):
        out, rest = np.flatnonzero(fold == part), np.flatnonzero(fold != part)
        known = rest.tolist()
        state = module.fit(cases.take(rest), [labels[i] for i in known], [data["ids"][i] for i in known])
        p[out] = spread(module.predict(state, cases.take(out)), state["classes"], classes)
    return {"p": p, "fold": fold, "classes": classes}


def _folds(groups: list[str]) -> np.ndarray:
    """(n,) in which part each run is left out: groups whole, dealt out in their order."""
    order = {name: i for i, name in enumerate(dict.fromkeys(groups))}
    return np.array([order[name] % PARTS for name in groups], dtype=np.int64)


def chosen(
    data: Mapping[str, Any], found: Mapping[str, Mapping[str, Any]]
) -> tuple[str, dict[str, Any], cards.Losses, cards.Facts]:
    """(name, what is kept of it, its losses on runs left out, facts)."""
    base = found[BASELINE]
    classes, fold = list(base["classes"]), np.asarray(base["fold"])
    truth = np.array([[float(one == name) for name in classes] for one in data["labels"]])
    p = {name: np.asarray(one["p"]) for name, one in found.items()}
    lost = {name: ((one - truth) ** 2).sum(axis=1) / 2 for name, one in p.items()}
    names = [name for name in found if name != BASELINE]
    ours = np.zeros_like(p[BASELINE])
    for part in np.unique(fold):
        out = fold == part
        best = min(names, key=lambda one: (float(lost[one][~out].mean()), one))
        ours[out] = p[best][out]
    name = min(names, key=lambda one: (float(lost[one].mean()), one))
    shares = truth.mean(axis=0)
    theirs = lost[BASELINE]
    known = ((shares - truth) ** 2).sum(axis=1) / 2
    if known.mean() < theirs.mean():  # leaving a run out makes its own class rarer: the baseline is credited
        theirs = known
    says = tuple(f"said {classes[int(row.argmax())]} ({row.max():.0%}), found {word}"
                 for row, word in zip(ours, data["labels"], strict=True))
    losses = cards.Losses(BRIER, tuple(data["ids"]), ((ours - truth) ** 2).sum(axis=1) / 2, theirs,
                          {"thing": list(data["things"])}, says)
    state = _fitted(data, name) | {"shares": shares.tolist(), "said": ours, "truth": truth}
    return name, state, losses, _facts(data, ours, truth, shares)


def _fitted(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    cases = cases_of(data)
    state = plug.load("learn.models.classes", name).fit(cases, list(data["labels"]), list(data["ids"]))
    levels = np.array([np.nanmean(np.where(np.isfinite(one).any(axis=1)[:, None], one, 0.0), axis=1)
                       for one in cases.values])
    return {"fitted": state, "channels": list(data["channels"]), "rate_hz": data["rate_hz"], "label": data["label"],
            "classes": sorted(set(data["labels"])), "bins": drift.fix(list(data["channels"]), levels)}


def _facts(data: Mapping[str, Any], ours: np.ndarray, truth: np.ndarray, shares: np.ndarray) -> cards.Facts:
    right, counts = ours.argmax(axis=1) == truth.argmax(axis=1), Counter(data["labels"])
    channels = tuple(str(name) for name in data["channels"])
    values = np.concatenate([np.asarray(one).T for one in data["values"]])
    return cards.Facts(
        channels, tuple(dict.fromkeys(data["things"])), int(data["known_by_ns"]),
        "leave runs out in turn; the model is chosen on the runs of the other parts",
        {"correct": int(right.sum()), "of": len(right), "accuracy": float(right.mean())},
        {"name": BASELINE, "accuracy": float(shares.max())},
        cards.ranges_of(channels, values),
        {"runs": len(right), "classes": [f"{name} ({count})" for name, count in sorted(counts.items())]},
        ("It answers with one of these classes, also where none of them fits.",))


def say(kept: Mapping[str, Any], cases: Cases) -> np.ndarray:
    """(n, K) probabilities of state['classes'] by a model that was kept."""
    state = kept["state"]
    p = plug.load("learn.models.classes", kept["model"]).predict(state["fitted"], cases)
    return spread(np.asarray(p), state["fitted"]["classes"], state["classes"])
