"""What every model says of every left-out case of sets that share their cases: asked once, kept, and chosen among.

    families(sets)                        sets with the same cases and folds together
    family, skipped = prepared(sets, ...) its folds and models, and why some models are left out
    say(family, model, fold, inner, seed) p (asked, K) for each set, by the model that was fitted without the asked rows
    choose(family, place, fold, names)    the model to be used, by what was said in the inner folds of a fold

Features that no training row touches are made once for all folds and seeds; what is fitted, drawn or scaled is so
within the training rows of each fold. A blend is mixed from what its members said there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from loopwright.core import plug
from loopwright.core.errors import InputError, MissingExtra
from loopwright.learn.classing import blending
from loopwright.learn.classing.cases import ClassSet, spread
from loopwright.learn.classing.folds import copies_together, grouped_folds, inner_folds
from loopwright.learn.metrics import classes as metrics
from loopwright.learn.rows import PEER, once, step
from loopwright.learn.splits import Fold, check_split, leave_one_group_out

ROOM = "learn.models.classes"
MOST_FOLDS, FOLDS = 24, 10


@dataclass
class Family:
    """Sets with the same cases and folds, and what has been said of them so far.

    sets     one a target; classes: the classes of each
    folds    (rows to train on, rows that are asked)
    modules  models by name, those of other packages by 'peer:<name>'
    inner    fold -> its inner folds, as places among all cases
    said     (model, fold, inner fold or -1, seed) -> for each set p (asked, K)
    seen     features of all cases that no training row touches: (model, how they were made) -> (n, F)
    progress what is under way is told to, and where answers are kept for the next start
    """

    sets: list[ClassSet]
    classes: list[list[str]]
    folds: list[Fold]
    modules: Mapping[str, Any]
    inner: dict[int, list[Fold]] = field(default_factory=dict)
    said: dict[tuple[str, int, int, int], list[np.ndarray]] = field(default_factory=dict)
    seen: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)
    progress: Callable[[str], None] = lambda _: None

    @property
    def name(self) -> str:
        """Of all its sets."""
        return " ".join(one.name for one in self.sets)


def families(sets: Sequence[ClassSet]) -> list[list[ClassSet]]:
    """Sets with the same cases, folds and known labels together, in the order in which they first stand."""
    together: dict[Any, list[ClassSet]] = {}
    for one in sets:
        known = tuple(bool(label) for label in one.labels)
        apart = b"" if one.apart is None else one.apart.tobytes()
        together.setdefault((id(one.cases), one.groups, one.folds, apart, known), []).append(one)
    return list(together.values())


def prepared(
    sets: list[ClassSet], models: Sequence[str], peers: Mapping[str, Any]
) -> tuple[Family, dict[str, str]]:
    """The family with its folds and models, and why some models are left out."""
    modules: dict[str, Any] = {}
    skipped: dict[str, str] = {}
    for name, module in [*((name, plug.load(ROOM, name)) for name in models), *peers.items()]:
        try:
            getattr(module, "require", lambda: None)()
        except MissingExtra as error:
            skipped[name] = str(error)
            continue
        why = getattr(module, "why_not", lambda cases, labels: "")(sets[0].cases, sets[0].labels)
        if why:
            skipped[name] = why
        else:
            modules[name] = module
    classes = [sorted({label for label in one.labels if label}) for one in sets]
    for one, names in zip(sets, classes, strict=True):
        if len(names) < 2:
            raise InputError(f"set {one.name}", f"{len(names)} classes among its cases", "at least 2")
        if one.apart is not None and len({one.labels[i] for i in np.flatnonzero(~one.apart)} - {""}) < 2:
            raise InputError(f"set {one.name}", "its training part has one class alone", "at least 2 classes")
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
    groups = copies_together([names[i] for i in rows_], [one.cases.values[i] for i in rows_])
    if len(set(groups)) < 2 <= len(set(names)):
        raise InputError(f"set {one.name}", "its cases are copies of each other", "cases that differ")
    if len(set(groups)) <= MOST_FOLDS:
        folds = leave_one_group_out(groups)
    else:
        folds = grouped_folds(groups, [one.labels[i] for i in rows_], FOLDS)
    for train, asked in folds:
        check_split([one.groups[i] for i in rows_], train, asked)
    return [(rows_[train], rows_[asked]) for train, asked in folds]


def inner_of(family: Family, fold: int) -> list[Fold]:
    """Folds within the training rows of a fold, as places among all cases; [] where its rows are of one group alone."""
    if fold not in family.inner:
        train, one = family.folds[fold][0], family.sets[0]
        folds = inner_folds([one.groups[i] for i in train], [one.labels[i] for i in train])
        family.inner[fold] = [(train[a], train[b]) for a, b in folds]
    return family.inner[fold]


def answer(family: Family, seeds: int, progress: Callable[[str], None]) -> None:
    """Asks every model in every fold with every seed, and ours in every inner fold with the first."""
    family.progress = progress
    for name, module in family.modules.items():
        draws = getattr(module, "DRAWS", True)
        for fold in range(len(family.folds)):
            step(progress, f"{family.sets[0].name}: {name}, fold {fold + 1} of {len(family.folds)}")
            for seed in range(seeds if draws else 1):
                say(family, name, fold, -1, seed)
            for inner in range(0 if name.startswith(PEER) else len(inner_of(family, fold))):
                say(family, name, fold, inner, 0)
        progress(f"{family.sets[0].name}: {name} asked in {len(family.folds)} folds")


def say(family: Family, name: str, fold: int, inner: int, seed: int) -> list[np.ndarray]:
    """p (asked, K) for each set by the model that was fitted without the asked rows; kept, so asked once."""
    key = (name, fold, inner, seed)
    if key not in family.said:
        family.said[key] = once(family.progress, ("class", family.name, *key), partial(_asked, family, *key))
    return family.said[key]


def _asked(family: Family, name: str, fold: int, inner: int, seed: int) -> list[np.ndarray]:
    """As `say`, asked now."""
    train, asked = family.folds[fold] if inner < 0 else inner_of(family, fold)[inner]
    module = family.modules.get(name) or plug.load(ROOM, name)
    if hasattr(module, "MEMBERS"):
        return _by_members(family, module, fold, inner, seed)
    if hasattr(module, "see"):
        return _by_features(family, module, train, asked, seed)
    return _by_cases(family, module, train, asked, seed)


def _by_members(family: Family, module: Any, fold: int, inner: int, seed: int) -> list[np.ndarray]:
    """The blend of its members, their shares from the inner folds of this fold; of an inner fold, from the others."""
    others = [k for k in range(len(inner_of(family, fold))) if k != inner]
    found = []
    for place, one in enumerate(family.sets):
        names = module.members(one.cases, one.labels)
        given = [_given(family, place, names, fold, k) for k in others]
        share = blending.weights(np.concatenate(given) if given else np.empty((0, len(names))))
        seeds = {name: seed if getattr(module.MEMBERS[name], "DRAWS", True) else 0 for name in names}
        said = [say(family, name, fold, inner, seeds[name])[place] for name in names]
        found.append(blending.mixed(share, said))
    return found


def _given(family: Family, place: int, names: Sequence[str], fold: int, inner: int) -> np.ndarray:
    """(asked, M) what each member gave to what was true in an inner fold."""
    one, classes = family.sets[place], family.classes[place]
    asked = inner_of(family, fold)[inner][1]
    truth = [classes.index(one.labels[i]) for i in asked]
    said = [say(family, name, fold, inner, 0)[place] for name in names]
    return np.stack([p[np.arange(len(asked)), truth] for p in said], axis=1)


def _by_cases(family: Family, module: Any, train: np.ndarray, asked: np.ndarray, seed: int) -> list[np.ndarray]:
    found = []
    cases, others = family.sets[0].cases.take(train), family.sets[0].cases.take(asked)
    for one, classes in zip(family.sets, family.classes, strict=True):
        state = module.fit(cases, [one.labels[i] for i in train], [one.groups[i] for i in train], seed)
        found.append(spread(module.predict(state, others), state["classes"], classes))
    return found


def _by_features(
    family: Family, module: Any, train: np.ndarray, asked: np.ndarray, seed: int
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
        spread(module.say(head, y), head["classes"], classes)
        for head, classes in zip(heads, family.classes, strict=True)
    ]


def candidates(family: Family) -> list[str]:
    """Models that can be chosen: ours, baselines first."""
    return [name for name in family.modules if not name.startswith(PEER)]


def choose(family: Family, place: int, fold: int, names: Sequence[str]) -> str:
    """The model to be used, by the losses in the inner folds of a fold."""
    one = family.sets[place]
    groups = [one.groups[i] for _, asked in inner_of(family, fold) for i in asked]
    return taken({name: _losses(family, place, name, fold) for name in names}, groups, family.modules)


def taken(losses: Mapping[str, np.ndarray], groups: Sequence[str], modules: Mapping[str, Any]) -> str:
    """The blend, unless another model is clearly better than it; without a blend the lowest mean loss.

    losses  model -> (n,) logarithmic losses of the same left-out cases; groups (n,) what errs together
    A single model that looks a little better in a few folds mostly had luck there. Of equals the earlier.
    """
    best = min(losses, key=lambda name: float(losses[name].mean()))
    for name in losses:
        if hasattr(modules[name], "MEMBERS") and not blending.clearly_better(losses[best], losses[name], groups):
            return name
    return best


def _losses(family: Family, place: int, name: str, fold: int) -> np.ndarray:
    """(asked in the inner folds,) logarithmic losses; the loss of the outer fold is never among them."""
    one, parts = family.sets[place], []
    for inner, (_, asked) in enumerate(inner_of(family, fold)):
        p = say(family, name, fold, inner, 0)[place]
        parts.append(metrics.losses(family.classes[place], [one.labels[i] for i in asked], p))
    return np.concatenate(parts) if parts else np.zeros(1)
