"""How right probabilities of classes were: accuracy with its exact interval, balanced accuracy, macro F1, AUC.

    score(classes, truth, p)    every metric of one set of answers, by name
    confusion(classes, truth, said)

Checked against scikit-learn in tests/learn/test_class_metrics.py; nothing here needs it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from loopwright.core.errors import InputError
from loopwright.learn.intervals import clopper_pearson

CLIP = 0.01  # of probabilities in the logarithmic loss: a few hundred cases cannot tell 99 from 99.9 %


def confusion(classes: Sequence[str], truth: Sequence[str], said: Sequence[str]) -> np.ndarray:
    """(K, K) counts: row what was true, column what was said, both in the order of `classes`."""
    place = {name: i for i, name in enumerate(classes)}
    counts = np.zeros((len(classes), len(classes)), dtype=np.int64)
    for true, told in zip(truth, said, strict=True):
        counts[place[true], place[told]] += 1
    return counts


def most_likely(classes: Sequence[str], p: np.ndarray) -> list[str]:
    """(n,) the class with the highest probability; of equals the first."""
    return [classes[i] for i in np.argmax(p, axis=1)]


def balanced_accuracy(counts: np.ndarray) -> float:
    """Mean over the classes that there are of the share of each that was recognised. counts (K, K) of `confusion`."""
    there = counts.sum(axis=1)
    return float(np.mean(np.diag(counts)[there > 0] / there[there > 0]))


def macro_f1(counts: np.ndarray) -> float:
    """Mean over the classes of 2 * right / (true + said), of those that are true or said anywhere."""
    both = counts.sum(axis=0) + counts.sum(axis=1)
    return float(np.mean(2.0 * np.diag(counts)[both > 0] / both[both > 0]))


def auc(classes: Sequence[str], truth: Sequence[str], p: np.ndarray) -> float | None:
    """Mean over the classes of the area under the curve of each against the rest; None where only one class is true.

    The area is the probability that a case of the class is given a higher probability of it than one of the rest; ties
    count half. Classes that no case has do not count. With two classes this is the usual area.
    Source: J. A. Hanley and B. J. McNeil, Radiology 143 (1982) 29; mean over classes as F. Provost and P. Domingos,
    CeDER working paper IS-00-04 (2000), with equal weights.
    """
    true = np.asarray(truth)
    areas = [_area(true == name, p[:, k]) for k, name in enumerate(classes)]
    known = [area for area in areas if area is not None]
    return float(np.mean(known)) if known else None


def _area(mine: np.ndarray, p: np.ndarray) -> float | None:
    ones, zeros = int(mine.sum()), int((~mine).sum())
    if not ones or not zeros:
        return None
    _, place, many = np.unique(p, return_inverse=True, return_counts=True)
    rank = np.cumsum(many) - (many - 1) / 2.0  # mean rank of equal values, from 1 on
    return float((rank[place][mine].sum() - ones * (ones + 1) / 2.0) / (ones * zeros))


def log_loss(classes: Sequence[str], truth: Sequence[str], p: np.ndarray) -> float:
    """Mean of -log of the probability given to what was true, kept between CLIP and 1 - CLIP.

    A class that the model does not know was given nothing, so it counts -log(CLIP).
    """
    return float(np.mean(losses(classes, truth, p)))


def losses(classes: Sequence[str], truth: Sequence[str], p: np.ndarray) -> np.ndarray:
    """(n,) the logarithmic loss of each case."""
    place = {name: i for i, name in enumerate(classes)}
    given = np.array([p[i, place[name]] if name in place else 0.0 for i, name in enumerate(truth)])
    return -np.log(np.clip(given, CLIP, 1.0 - CLIP))


def score(classes: Sequence[str], truth: Sequence[str], p: np.ndarray) -> dict[str, float | None]:
    """Every metric of probabilities p (n, K) about the truth (n,).

    returns  cases, correct, accuracy with low and high of its exact 95 % interval, balanced_accuracy, macro_f1, auc,
             log_loss. The interval holds for cases that know nothing of each other; windows of one recording, or
             cycles of one hour, make it too narrow.
    Raises InputError for no case, or probabilities that are none.
    """
    if not len(truth):
        raise InputError("score", "no case with a known class", "at least one")
    if p.shape != (len(truth), len(classes)) or not np.isfinite(p).all():
        raise InputError("score", f"probabilities {p.shape}, finite: {bool(np.isfinite(p).all())}",
                         f"({len(truth)}, {len(classes)}) finite numbers")
    said = most_likely(classes, p)
    correct = sum(told == true for told, true in zip(said, truth, strict=True))
    low, high = clopper_pearson(correct, len(truth))
    counts = confusion(sorted({*classes, *truth}), truth, said)
    return {
        "cases": len(truth), "correct": correct, "accuracy": correct / len(truth), "low": low, "high": high,
        "balanced_accuracy": balanced_accuracy(counts), "macro_f1": macro_f1(counts),
        "auc": auc(classes, truth, p), "log_loss": log_loss(classes, truth, p),
    }
