"""Classes: whole runs, loads or blocks left out, or the published test part; the champion chosen on training data only.

    rows(path, models, seeds, out, progress) -> (list[Row], {set: Champion})

Two loops. The outer one leaves groups out whole (`ClassSet.folds`, else its groups one after the other, ten folds where
there are more than MOST_FOLDS), or trains on the published training part and asks the published test part. The inner
one leaves groups of the training part out to choose a model; so what is told of the champion covers the choosing.

Sets that share their cases (the four answers about a hydraulic cycle) share the features, which no label touches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from loopwright.core import plug
from loopwright.core.errors import InputError
from loopwright.learn.classing import class_out
from loopwright.learn.classing.cases import ClassSet, spread
from loopwright.learn.intervals import sign_test
from loopwright.learn.metrics import classes as metrics
from loopwright.learn.proof.classes_said import (
    Family,
    answer,
    candidates,
    choose,
    families,
    inner_of,
    prepared,
    say,
    taken,
)
from loopwright.learn.rows import PEER, Champion, Cost, Row, done, measured, once, over_seeds
from loopwright.learn.tables.own_map import Mapped

LAYOUTS = ("ucr", "gearbox", "hydraulic", "cnc_mill_wear")
THRESHOLD = "none: the class with the highest probability, ties to the first in the alphabet"


def rows(
    path: Path, models: Sequence[str], seeds: int, out: Path | None, progress: Callable[[str], None],
    mapping: Mapped | None = None, peers: Mapping[str, Any] | None = None,
) -> tuple[list[Row], dict[str, Champion]]:
    """Every set of the path: a row a model, and the champion of each set.

    peers  models of other packages by 'peer:<name>', with the verbs of ours: asked in the same folds, never chosen
    Raises InputError for a path of no layout, a set of one class alone, or fewer than two groups.
    """
    found: list[Row] = []
    champion: dict[str, Champion] = {}
    for sets in families(read(path, mapping)):
        family, skipped = prepared(sets, models, peers or {})
        for name, why in skipped.items():
            progress(f"{sets[0].name}: {name} is left out: {why}")
        answer(family, seeds, progress)
        costs = {
            name: Cost(**once(progress, ("class", family.name, name, "cost"), partial(_cost, family, name)))
            for name in family.modules
        }
        for place in range(len(sets)):
            more, best = _told(family, place, seeds, costs)
            found += [done(progress, row) for row in more]
            champion[sets[place].name] = best
            if out is not None:
                _write(family, place, best.model, out)
    return found, champion


def read(path: Path, mapping: Mapped | None = None) -> tuple[ClassSet, ...]:
    """The sets at the path, by the first layout that recognises it, or by the mapping of a CSV's columns."""
    if mapping is not None:
        from loopwright.learn.sets.csv import cases

        return cases(path, mapping)[0]
    for layout in LAYOUTS:
        module = plug.load("learn.sets", layout)
        if module.recognises(path):
            return tuple(module.read(path))
    raise InputError(str(path), "is of no layout with classes", ", ".join(LAYOUTS))


def _inner_score(family: Family, place: int, name: str) -> dict[str, float | None]:
    """Every metric over the inner folds of the first fold; {} where its training part has one group alone."""
    parts = [(asked, say(family, name, 0, k, 0)[place]) for k, (_, asked) in enumerate(inner_of(family, 0))]
    if not parts:
        return {}
    truth = [family.sets[place].labels[i] for asked, _ in parts for i in asked]
    return metrics.score(family.classes[place], truth, np.concatenate([p for _, p in parts]))


def _outer(family: Family, place: int, name: str, seed: int) -> np.ndarray:
    """(asked in all folds, K) probabilities, fold after fold."""
    draws = getattr(family.modules[name], "DRAWS", True)
    return np.concatenate([say(family, name, f, -1, seed if draws else 0)[place] for f in range(len(family.folds))])


def _score(family: Family, place: int, p: np.ndarray) -> dict[str, float | None]:
    """Every metric of one set of answers, and recordings judged by the mean of their windows where there are some."""
    one, classes = family.sets[place], family.classes[place]
    asked = np.concatenate([rows_ for _, rows_ in family.folds])
    truth = [one.labels[i] for i in asked]
    found = metrics.score(classes, truth, p)
    if one.whole:
        found |= class_out.recordings(classes, truth, p, [one.whole[i] for i in asked])
    return found


def _told(
    family: Family, place: int, seeds: int, costs: Mapping[str, Cost]
) -> tuple[list[Row], Champion]:
    """The rows of one set, baselines first, and its champion."""
    one = family.sets[place]
    names = list(family.modules)
    published = one.apart is not None
    ours = candidates(family)
    chosen = [choose(family, place, fold, ours) for fold in range(len(family.folds))]
    by_fold = [say(family, name, fold, -1, 0)[place] for fold, name in enumerate(chosen)]
    nested = _score(family, place, np.concatenate(by_fold))
    best = chosen[0] if published else _best(family, place, ours)
    bases = [name for name in names if getattr(family.modules[name], "BASELINE", False)]
    base = bases[0] if published else _best(family, place, bases)
    notes = (*one.notes, *class_out.notes(one, family.folds), *_verdict(family, place, nested, by_fold, base))
    found = []
    for name in names:
        count = 1 if name.startswith(PEER) and not getattr(family.modules[name], "DRAWS", True) else seeds
        results = [_score(family, place, _outer(family, place, name, seed)) for seed in range(count)]
        mean, off = over_seeds(results)
        extra = notes if name == best else ()
        found.append(
            Row(one.name, "class", "", name, base, one.split, count, mean, costs[name], off, THRESHOLD, extra))
    if not published:
        where = f"left-out {one.split}s of the training part, again without each that is scored"
        return found, Champion(best, where, nested)
    return found, Champion(best, "left-out groups within the training part", _inner_score(family, place, best))


def _best(family: Family, place: int, names: Sequence[str]) -> str:
    """The model that is taken by its losses over all left-out groups with the first seed."""
    one, classes = family.sets[place], family.classes[place]
    asked = [i for _, rows_ in family.folds for i in rows_]
    truth, groups = [one.labels[i] for i in asked], [one.groups[i] for i in asked]
    losses = {name: metrics.losses(classes, truth, _outer(family, place, name, 0)) for name in names}
    return taken(losses, groups, family.modules)


def _verdict(
    family: Family, place: int, nested: Mapping[str, Any], by_fold: list[np.ndarray], base: str
) -> tuple[str, ...]:
    """What choosing and then using gets, and how sure it is that this is more than the best baseline."""
    one, classes = family.sets[place], family.classes[place]
    truth = [one.labels[i] for _, rows_ in family.folds for i in rows_]
    ours = metrics.most_likely(classes, np.concatenate(by_fold))
    theirs = metrics.most_likely(classes, _outer(family, place, base, 0))
    wins = sum(a == t != b for a, b, t in zip(ours, theirs, truth, strict=True))
    losses = sum(b == t != a for a, b, t in zip(ours, theirs, truth, strict=True))
    head = (
        f"chosen on training data, then used: {nested['correct']} of {nested['cases']} right "
        f"({nested['accuracy']:.1%}, 95 % interval {nested['low']:.1%} to {nested['high']:.1%})"
    )
    chance = sign_test(wins, losses)
    said = f"against {base}: right alone in {wins}, wrong alone in {losses} (sign test, p {chance:.2g})"
    share = max(truth.count(name) for name in classes) / len(truth)
    return head, said, f"the most frequent class is {share:.1%} of what is asked"


def _cost(family: Family, name: str) -> dict[str, Any]:
    """`Cost` of one fit on all training rows and an answer about the asked (or the same) rows, for the first set."""
    one, module = family.sets[0], family.modules[name]
    train = family.folds[0][0] if one.apart is not None else np.concatenate([asked for _, asked in family.folds])
    asked = family.folds[0][1]
    cases, others = one.cases.take(train), one.cases.take(asked)
    labels, groups = [one.labels[i] for i in train], [one.groups[i] for i in train]
    with measured() as fitted:
        state = module.fit(cases, labels, groups, 0)
    with measured() as told:
        module.predict(state, others)
    peak = max(fitted.peak_mb, told.peak_mb)
    return asdict(Cost(fitted.cpu_s, told.cpu_s / others.points * 1e6, peak, fitted.wall_s))


def _write(family: Family, place: int, best: str, out: Path) -> None:
    """Answers as CSV: to each asked case by the model chosen without it; to cases of unknown class by the champion."""
    one, names = family.sets[place], candidates(family)
    lines = []
    for fold, (_, asked) in enumerate(family.folds):
        name = choose(family, place, fold, names)
        p = say(family, name, fold, -1, 0)[place]
        lines += [(int(i), f"{fold}", name, row) for i, row in zip(asked, p, strict=True)]
    unknown = np.flatnonzero([not label for label in one.labels])
    if len(unknown):
        apart = np.zeros(len(one.labels), bool) if one.apart is None else one.apart
        known = np.flatnonzero([bool(label) for label in one.labels] & ~apart)
        module = family.modules[best]
        state = module.fit(one.cases.take(known), [one.labels[i] for i in known], [one.groups[i] for i in known], 0)
        p = spread(module.predict(state, one.cases.take(unknown)), state["classes"], family.classes[place])
        lines += [(int(i), "", best, row) for i, row in zip(unknown, p, strict=True)]
    class_out.write(out, one, family.classes[place], lines)
