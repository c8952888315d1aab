"""Classes: whole runs, loads or blocks left out, or the published test part; the champion chosen on training data only.

    rows(path, models, seeds, out, progress) -> (list[Row], {set: Champion})

Two loops. The outer one leaves groups out whole (`ClassSet.folds`, else its groups one after the other, ten folds where
there are more than MOST_FOLDS), or trains on the published training part and asks the published test part. The inner
one leaves groups of the training part out to choose a model; so what is told of the champion covers the choosing.

Sets that share their cases (the four answers about a hydraulic cycle) share the features, which no label touches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from loopwright.core import plug
from loopwright.core.errors import InputError, MissingExtra
from loopwright.learn.classing import class_out
from loopwright.learn.classing.cases import ClassSet
from loopwright.learn.intervals import sign_test
from loopwright.learn.metrics import classes as metrics
from loopwright.learn.rows import Champion, Cost, Row, done, measured, over_seeds
from loopwright.learn.splits import check_split, leave_one_group_out

ROOM = "learn.models.classes"
LAYOUTS = ("basicmotions", "ucr", "gearbox", "hydraulic", "cnc_mill_wear")
MOST_FOLDS, FOLDS = 24, 10
INNER, INNER_OF_MANY, MANY = 4, 2, 300  # folds within a training part; fewer where it has many groups
THRESHOLD = "none: the class with the highest probability, ties to the first in the alphabet"
Fold = tuple[np.ndarray, np.ndarray]


@dataclass
class Family:
    """Sets with the same cases and folds, and what has been said of them so far.

    sets     one a target; classes: the classes of each
    folds    (rows to train on, rows that are asked)
    modules  models by name
    said     (model, fold, inner fold or -1, seed) -> for each set p (asked, K)
    seen     features of all cases that no training row touches: (model, how they were made) -> (n, F)
    """

    sets: list[ClassSet]
    classes: list[list[str]]
    folds: list[Fold]
    modules: Mapping[str, ModuleType]
    said: dict[tuple[str, int, int, int], list[np.ndarray]] = field(default_factory=dict)
    seen: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)


def rows(
    path: Path, models: Sequence[str], seeds: int, out: Path | None, progress: Callable[[str], None],
    mapping: Mapping[str, tuple[str, ...]] | None = None,
) -> tuple[list[Row], dict[str, Champion]]:
    """Every set of the path: a row a model, and the champion of each set.

    Raises InputError for a path of no layout, a set of one class alone, or fewer than two groups.
    """
    found: list[Row] = []
    champion: dict[str, Champion] = {}
    for sets in _families(read(path, mapping)):
        family, skipped = _prepared(sets, models)
        for name, why in skipped.items():
            progress(f"{sets[0].name}: {name} is left out: {why}")
        _answer(family, seeds, progress)
        costs = {name: _cost(family, name) for name in family.modules}
        for place in range(len(sets)):
            more, best = _told(family, place, seeds, costs)
            found += [done(progress, row) for row in more]
            champion[sets[place].name] = best
            if out is not None:
                _write(family, place, best.model, out)
    return found, champion


def read(path: Path, mapping: Mapping[str, tuple[str, ...]] | None = None) -> tuple[ClassSet, ...]:
    """The sets at the path, by the first layout that recognises it, or by the mapping of a CSV's columns."""
    if mapping is not None:
        from loopwright.learn.sets.csv import cases

        return cases(path, mapping)[0]
    for layout in LAYOUTS:
        module = plug.load("learn.sets", layout)
        if module.recognises(path):
            return tuple(module.read(path))
    raise InputError(str(path), "is of no layout with classes", ", ".join(LAYOUTS))


def _families(sets: Sequence[ClassSet]) -> list[list[ClassSet]]:
    """Sets with the same cases, folds and known labels together, in the order in which they first stand."""
    together: dict[Any, list[ClassSet]] = {}
    for one in sets:
        known = tuple(bool(label) for label in one.labels)
        apart = b"" if one.apart is None else one.apart.tobytes()
        together.setdefault((id(one.cases), one.groups, one.folds, apart, known), []).append(one)
    return list(together.values())


def _prepared(sets: list[ClassSet], models: Sequence[str]) -> tuple[Family, dict[str, str]]:
    """The family with its folds and models, and why some models are left out."""
    modules: dict[str, ModuleType] = {}
    skipped: dict[str, str] = {}
    for name in models:
        module = plug.load(ROOM, name)
        try:
            getattr(module, "require", lambda: None)()
        except MissingExtra as error:
            skipped[name] = str(error)
            continue
        why = getattr(module, "why_not", lambda cases: "")(sets[0].cases)
        if why:
            skipped[name] = why
        else:
            modules[name] = module
    classes = [sorted({label for label in one.labels if label}) for one in sets]
    for one, names in zip(sets, classes, strict=True):
        if len(names) < 2:
            raise InputError(f"set {one.name}", f"{len(names)} classes among its cases", "at least 2")
    return Family(sets, classes, outer_folds(sets[0]), modules), skipped


def outer_folds(one: ClassSet) -> list[Fold]:
    """Train and asked rows of each fold; only cases of known class. Checked for leaks; copies of a case go together."""
    known = np.array([bool(label) for label in one.labels])
    if one.apart is not None:
        folds = [(np.flatnonzero(known & ~one.apart), np.flatnonzero(known & one.apart))]
        if not all(len(rows) for rows in folds[0]):
            raise InputError(f"set {one.name}", "no case with a known class in the training or the test part", "some")
        return folds
    rows_ = np.flatnonzero(known)
    names = one.folds or one.groups
    groups = class_out.copies_together([names[i] for i in rows_], [one.cases.values[i] for i in rows_])
    if len(set(groups)) < 2 <= len(set(names)):
        raise InputError(f"set {one.name}", "its cases are copies of each other", "cases that differ")
    if len(set(groups)) <= MOST_FOLDS:
        folds = leave_one_group_out(groups)
    else:
        folds = grouped_folds(groups, [one.labels[i] for i in rows_], FOLDS)
    for train, asked in folds:
        check_split([one.groups[i] for i in rows_], train, asked)
    return [(rows_[train], rows_[asked]) for train, asked in folds]


def grouped_folds(groups: Sequence[str], labels: Sequence[str], count: int) -> list[Fold]:
    """At most `count` folds of whole groups, each with about its share of every class.

    Groups are dealt out one after the other, those of rarer classes first, each to the fold that has the fewest cases
    of its most frequent class, of equals the smallest. Nothing is drawn. With no more groups than folds each is a fold.
    """
    names = list(dict.fromkeys(groups))
    if len(names) <= count:
        return leave_one_group_out(groups)
    classes = sorted(set(labels))
    counts = np.zeros((len(names), len(classes)), np.int64)
    place = {name: i for i, name in enumerate(names)}
    for group, label in zip(groups, labels, strict=True):
        counts[place[group], classes.index(label)] += 1
    main = counts.argmax(axis=1)
    totals = counts.sum(axis=0)
    order = sorted(range(len(names)), key=lambda g: (int(totals[main[g]]), int(main[g]), -int(counts[g].sum()), g))
    held = np.zeros((count, len(classes)), np.int64)
    fold_of = np.empty(len(names), np.int64)
    for g in order:
        fold_of[g] = min(range(count), key=lambda k: (int(held[k, main[g]]), int(held[k].sum()), k))
        held[fold_of[g]] += counts[g]
    at = np.array([fold_of[place[group]] for group in groups])
    return [(np.flatnonzero(at != k), np.flatnonzero(at == k)) for k in range(count) if (at == k).any()]


def _inner(family: Family, fold: int) -> list[Fold]:
    """Folds within the training rows of a fold, as places among all cases; [] where its rows are of one group alone."""
    train = family.folds[fold][0]
    one = family.sets[0]
    groups = [one.groups[i] for i in train]
    if len(set(groups)) < 2:
        return []
    count = INNER if len(set(groups)) <= MANY else INNER_OF_MANY
    return [(train[a], train[b]) for a, b in grouped_folds(groups, [one.labels[i] for i in train], count)]


def _answer(family: Family, seeds: int, progress: Callable[[str], None]) -> None:
    """Asks every model in every fold with every seed, and with the first seed in every inner fold."""
    for name, module in family.modules.items():
        draws = getattr(module, "DRAWS", True)
        for fold in range(len(family.folds)):
            for seed in range(seeds if draws else 1):
                _say(family, name, fold, -1, seed)
            for inner in range(len(_inner(family, fold)) if name in _candidates(family) else 0):
                _say(family, name, fold, inner, 0)
        progress(f"{family.sets[0].name}: {name} asked in {len(family.folds)} folds")


def _say(family: Family, name: str, fold: int, inner: int, seed: int) -> list[np.ndarray]:
    """p (asked, K) for each set by the model that was fitted without the asked rows; kept, so asked once."""
    key = (name, fold, inner, seed)
    if key not in family.said:
        train, asked = family.folds[fold] if inner < 0 else _inner(family, fold)[inner]
        module = family.modules.get(name) or plug.load(ROOM, name)
        if hasattr(module, "MEMBERS"):
            parts = [_say(family, m, fold, inner, _seed(x, seed)) for m, x in module.MEMBERS.items()]
            family.said[key] = [module.mix(part) for part in zip(*parts, strict=True)]
        elif hasattr(module, "see"):
            family.said[key] = _by_features(family, module, train, asked, seed)
        else:
            family.said[key] = _by_cases(family, module, train, asked, seed)
    return family.said[key]


def _seed(module: ModuleType, seed: int) -> int:
    return seed if getattr(module, "DRAWS", True) else 0


def _by_cases(family: Family, module: ModuleType, train: np.ndarray, asked: np.ndarray, seed: int) -> list[np.ndarray]:
    found = []
    cases, others = family.sets[0].cases.take(train), family.sets[0].cases.take(asked)
    for one, classes in zip(family.sets, family.classes, strict=True):
        state = module.fit(cases, [one.labels[i] for i in train], [one.groups[i] for i in train], seed)
        found.append(class_out.spread(module.predict(state, others), state["classes"], classes))
    return found


def _by_features(
    family: Family, module: ModuleType, train: np.ndarray, asked: np.ndarray, seed: int
) -> list[np.ndarray]:
    """As `_by_cases`, with the features made once for all sets."""
    cases = family.sets[0].cases
    lens = module.see(cases.take(train), seed)
    if any(isinstance(value, (np.ndarray, dict)) for value in lens.values()):
        x, y = module.look(lens, cases.take(train)), module.look(lens, cases.take(asked))
    else:
        key = (module.NAME, repr(sorted(lens.items())))
        if key not in family.seen:
            family.seen[key] = module.look(lens, cases)
        x, y = family.seen[key][train], family.seen[key][asked]
    answers = [[one.labels[i] for i in train] for one in family.sets]
    heads = module.learn(x, answers, [family.sets[0].groups[i] for i in train], seed)
    return [
        class_out.spread(module.say(head, y), head["classes"], classes)
        for head, classes in zip(heads, family.classes, strict=True)
    ]


def _candidates(family: Family) -> list[str]:
    """Models that can be chosen: all but those that only stand beside (a yardstick of the field)."""
    return [name for name, module in family.modules.items() if not getattr(module, "BESIDE", False)]


def _losses(family: Family, place: int, name: str, fold: int) -> np.ndarray:
    """(asked in the inner folds,) logarithmic losses; the loss of the outer fold is never among them."""
    one, parts = family.sets[place], []
    for inner, (_, asked) in enumerate(_inner(family, fold)):
        p = _say(family, name, fold, inner, 0)[place]
        parts.append(metrics.losses(family.classes[place], [one.labels[i] for i in asked], p))
    return np.concatenate(parts) if parts else np.zeros(1)


def _inner_score(family: Family, place: int, name: str) -> dict[str, float | None]:
    """Every metric over the inner folds of the first fold; {} where its training part has one group alone."""
    parts = [(asked, _say(family, name, 0, k, 0)[place]) for k, (_, asked) in enumerate(_inner(family, 0))]
    if not parts:
        return {}
    truth = [family.sets[place].labels[i] for asked, _ in parts for i in asked]
    return metrics.score(family.classes[place], truth, np.concatenate([p for _, p in parts]))


def _choose(family: Family, place: int, fold: int, names: Sequence[str]) -> str:
    """The model with the lowest loss in the inner folds of a fold; of equals the earlier (baselines stand first)."""
    return min(names, key=lambda name: float(_losses(family, place, name, fold).mean()))


def _outer(family: Family, place: int, name: str, seed: int) -> np.ndarray:
    """(asked in all folds, K) probabilities, fold after fold."""
    draws = getattr(family.modules[name], "DRAWS", True)
    return np.concatenate([_say(family, name, f, -1, seed if draws else 0)[place] for f in range(len(family.folds))])


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
    ours = _candidates(family)
    chosen = [_choose(family, place, fold, ours) for fold in range(len(family.folds))]
    by_fold = [_say(family, name, fold, -1, 0)[place] for fold, name in enumerate(chosen)]
    nested = _score(family, place, np.concatenate(by_fold))
    best = chosen[0] if published else _best(family, place, ours)
    bases = [name for name in names if getattr(family.modules[name], "BASELINE", False)]
    base = bases[0] if published else _best(family, place, bases)
    notes = (*one.notes, *class_out.notes(one, family.folds), *_verdict(family, place, nested, by_fold, base))
    found = []
    for name in names:
        results = [_score(family, place, _outer(family, place, name, seed)) for seed in range(seeds)]
        mean, spread = over_seeds(results)
        extra = notes if name == best else ()
        found.append(
            Row(one.name, "class", "", name, base, one.split, seeds, mean, costs[name], spread, THRESHOLD, extra))
    if not published:
        where = f"left-out {one.split}s of the training part, again without each that is scored"
        return found, Champion(best, where, nested)
    return found, Champion(best, "left-out groups within the training part", _inner_score(family, place, best))


def _best(family: Family, place: int, names: Sequence[str]) -> str:
    """The model with the lowest loss over all left-out groups with the first seed."""
    one, classes = family.sets[place], family.classes[place]
    truth = [one.labels[i] for _, rows_ in family.folds for i in rows_]
    return min(names, key=lambda name: metrics.log_loss(classes, truth, _outer(family, place, name, 0)))


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


def _cost(family: Family, name: str) -> Cost:
    """What one fit on all training rows takes, and an answer about the asked (or the same) rows, for the first set."""
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
    return Cost(fitted.cpu_s, told.cpu_s / others.points * 1e6, peak, fitted.wall_s)


def _write(family: Family, place: int, best: str, out: Path) -> None:
    """Answers as CSV: to each asked case by the model chosen without it; to cases of unknown class by the champion."""
    one, names = family.sets[place], _candidates(family)
    lines = []
    for fold, (_, asked) in enumerate(family.folds):
        name = _choose(family, place, fold, names)
        p = _say(family, name, fold, -1, 0)[place]
        lines += [(int(i), f"{fold}", name, row) for i, row in zip(asked, p, strict=True)]
    unknown = np.flatnonzero([not label for label in one.labels])
    if len(unknown):
        apart = np.zeros(len(one.labels), bool) if one.apart is None else one.apart
        known = np.flatnonzero([bool(label) for label in one.labels] & ~apart)
        module = family.modules[best]
        state = module.fit(one.cases.take(known), [one.labels[i] for i in known], [one.groups[i] for i in known], 0)
        p = class_out.spread(module.predict(state, one.cases.take(unknown)), state["classes"], family.classes[place])
        lines += [(int(i), "", best, row) for i, row in zip(unknown, p, strict=True)]
    class_out.write(out, one, family.classes[place], lines)
