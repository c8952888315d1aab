"""Folds of whole groups, and copies of cases that go together: who is left out with whom when classes are learned.

    grouped_folds(groups, labels, count)   whole groups, each fold with about its share of every class; nothing drawn
    inner_folds(groups, labels)            the folds within a training part, on which is chosen and blended
    copies_together(groups, values)        cases that are equal get one group
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from loopwright.learn.splits import Fold, leave_one_group_out

FEW, INNER, INNER_OF_MANY, MANY = 12, 4, 2, 300  # groups: up to FEW each alone, INNER folds, fewer from MANY on


def grouped_folds(groups: Sequence[str], labels: Sequence[str], count: int) -> list[Fold]:
    """At most `count` folds of whole groups, each with about its share of every class.

    Groups are dealt out one after the other, those of rarer classes first, each to the fold that has the fewest cases
    of its most frequent class, of equals the smallest. Nothing is drawn. With no more groups than folds each is a fold.
    """
    names = list(dict.fromkeys(groups))
    if len(names) <= count:
        return leave_one_group_out(groups)
    classes = {name: k for k, name in enumerate(sorted(set(labels)))}
    counts = np.zeros((len(names), len(classes)), np.int64)
    place = {name: i for i, name in enumerate(names)}
    for group, label in zip(groups, labels, strict=True):
        counts[place[group], classes[label]] += 1
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


def inner_folds(groups: Sequence[str], labels: Sequence[str]) -> list[Fold]:
    """Folds within a training part: of up to FEW groups each is left out alone; [] where there is one group alone.

    A dozen runs in four folds leave out three at once, and a choice that rests on so little goes wrong more often.
    """
    many = len(set(groups))
    if many < 2:
        return []
    return grouped_folds(groups, labels, many if many <= FEW else INNER if many <= MANY else INNER_OF_MANY)


def copies_together(groups: Sequence[str], values: Sequence[np.ndarray]) -> list[str]:
    """(n,) the group of each case; groups that hold an equal case become one: a copy is no test."""
    parent = {name: name for name in groups}

    def root(name: str) -> str:
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    first: dict[tuple[tuple[int, ...], bytes], str] = {}
    for group, one in zip(groups, values, strict=True):
        here = first.setdefault((one.shape, np.ascontiguousarray(one).tobytes()), group)
        parent[root(group)] = root(here)
    return [root(name) for name in groups]
