"""What the proof of classes tells beside its rows: predictions as CSV, recordings, copies, sentences about a set.

    recordings(...)                windows judged together
    notes(one, folds)              what must be known about a set to read its numbers
    write(out, one, ...)           <set>.csv: case, group, fold, model, truth, said, p_<class> ...
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from loopwright.core.errors import StoreError
from loopwright.learn.classing.cases import ClassSet
from loopwright.learn.metrics.classes import most_likely

Line = tuple[int, str, str, np.ndarray]  # place of the case, fold, model, probabilities (K,)


def recordings(
    classes: Sequence[str], truth: Sequence[str], p: np.ndarray, whole: Sequence[str]
) -> dict[str, float | None]:
    """{recordings, recordings_correct}: each judged by the mean of the probabilities of its windows."""
    names = np.asarray(whole)
    found = list(dict.fromkeys(whole))
    said = most_likely(classes, np.stack([p[names == name].mean(axis=0) for name in found]))
    true = [truth[int(np.flatnonzero(names == name)[0])] for name in found]
    return {"recordings": len(found), "recordings_correct": sum(a == b for a, b in zip(said, true, strict=True))}


def notes(one: ClassSet, folds: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[str, ...]:
    """Sentences about the set that a reader of its numbers must know."""
    told = []
    counts = Counter(label for label in one.labels if label)
    rare = [f"{name} ({count})" for name, count in sorted(counts.items()) if count < 3]
    if rare:
        told.append(f"classes of one or two cases are hardly learned: {', '.join(rare)}")
    unseen = sorted(set().union(*(
        {one.labels[i] for i in asked} - {one.labels[i] for i in train} for train, asked in folds)))
    if unseen:
        where = f"stand in one {one.split} alone" if one.apart is None else "only the test part has"
        told.append(f"classes that {where} are never answered there: {', '.join(unseen)}")
    told += _misled(one, folds, len(counts))
    unknown = len(one.labels) - sum(counts.values())
    if unknown:
        told.append(f"{unknown} cases of unknown class are answered in --out and not scored")
    if one.apart is not None:
        train, asked = folds[0]
        known = {one.cases.values[i].tobytes() for i in train}
        twins = sum(one.cases.values[i].tobytes() in known for i in asked)
        if twins:
            told.append(f"{twins} cases of the published test part are equal to cases of the training part")
    return tuple(told)


def _misled(one: ClassSet, folds: Sequence[tuple[np.ndarray, np.ndarray]], classes: int) -> list[str]:
    """What must be said where the most frequent class is right less often than a guess would be."""
    hits = [one.labels[i] == _most(one, train) for train, asked in folds for i in asked if one.labels[i]]
    right, count = sum(hits), len(hits)
    if one.apart is not None or right * classes >= count:
        return []
    return [f"majority is right in {right} of {count}, fewer than a guess, and no bar to clear: leaving a {one.split} "
            "out makes its class the rarer one of those that are left"]


def _most(one: ClassSet, rows: np.ndarray) -> str:
    """The class that most of the rows have, of equal ones the first by name."""
    counts = Counter(one.labels[i] for i in rows if one.labels[i])
    return min(counts, key=lambda name: (-counts[name], name), default="")


def write(out: Path, one: ClassSet, classes: Sequence[str], lines: Sequence[Line]) -> None:
    """<set>.csv in the folder, '/' in the set's name as '_', cases in their order. StoreError where it cannot be."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["case", "group", "fold", "model", "truth", "said", *(f"p_{name}" for name in classes)])
    for i, fold, model, p in sorted(lines, key=lambda line: line[0]):
        said = classes[int(np.argmax(p))]
        table.writerow([one.cases.ids[i], one.groups[i], fold, model, one.labels[i], said, *(f"{v:.6f}" for v in p)])
    path = out / f"{one.name.replace('/', '_')}.csv"
    try:
        path.write_text(text.getvalue(), "utf-8")
    except OSError as error:
        raise StoreError(str(path), f"it cannot be written ({error.strerror})", "", "name another folder") from error
