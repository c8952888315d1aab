"""Has the world moved away from what a model was trained on? By its inputs (PSI), and by its intervals (coverage).

    bins = fix(names, values)                    when it is trained; plain data, kept with the model
    rows = drift(bins, values)                   later: PSI of each input, and whether chance alone gives as much
    told = coverage(inside, level=0.9)           do 90 % intervals hold 90 % of the outcomes? as often as one likes

PSI = sum((q - p) ln(q / p)) over the bins of training (p) and now (q); of n and m values without any drift it is about
chi-square with B - 1 degrees of freedom times (1/n + 1/m).
Sources: B. Yurdakul, "Statistical properties of population stability index" (2018); the usual marks 0.1 and 0.25 are
N. Siddiqi's, "Credit risk scorecards" (2006). The coverage test is the mixture of H. Robbins, Annals of
Mathematical Statistics 41 (1970) 1397, of binomials over a uniform share.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from loopwright.core.errors import InputError
from loopwright.learn.intervals import clopper_pearson

BINS, ALPHA = 10, 0.01
SOME, MUCH = 0.1, 0.25  # PSI from which one speaks of some drift, and of much
LEAST = 30  # values below which nothing is said of an input


def fix(names: Sequence[str], values: np.ndarray, bins: int = BINS) -> dict[str, Any]:
    """The bins of each input of training rows values (n, f): edges at even shares, and the counts in them.

    The last bin of each is that of unknown values. An input that never changes has one bin below it, its own, and one
    above.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != len(names):
        raise InputError("bins", f"values are {values.shape} for {len(names)} inputs", "(n, inputs)")
    edges, counts = {}, {}
    for name, column in zip(names, values.T, strict=True):
        known = column[np.isfinite(column)]
        cuts = np.quantile(known, np.arange(1, bins) / bins) if len(known) else np.zeros(0)
        cuts = np.unique(cuts)
        if len(cuts) == 1:
            cuts = np.array([cuts[0], np.nextafter(cuts[0], np.inf)])
        edges[name], counts[name] = cuts, _counts(column, cuts)
    return {"edges": edges, "counts": counts}


def drift(bins: Mapping[str, Any], values: Mapping[str, np.ndarray], alpha: float = ALPHA) -> list[dict[str, Any]]:
    """How far each input has moved, the farthest first: {input, psi, chance, n, word, says}.

    values  input -> (m,) values now; an input that nobody gives is left out
    chance  the PSI that no drift exceeds with probability alpha, for so few values
    word    'too few', 'none', 'some', 'much': some and much only beyond chance
    """
    rows = []
    for name, given in values.items():
        if name not in bins["edges"]:
            given_words = "it was no input when the model was trained"
            raise InputError(f"drift of {name!r}", given_words, ", ".join(bins["edges"]))
        now = _counts(np.asarray(given, dtype=np.float64), bins["edges"][name])
        rows.append(_row(name, np.asarray(bins["counts"][name]), now, alpha))
    return sorted(rows, key=lambda row: (-row["psi"], row["input"]))


def psi(before: np.ndarray, now: np.ndarray) -> float:
    """The population stability index of two rows of counts (B,); half a count is added to every bin of both, so that an
    empty one is no infinity."""
    p, q = (np.asarray(row, dtype=np.float64) + 0.5 for row in (before, now))
    p, q = p / p.sum(), q / q.sum()
    return float(((q - p) * np.log(q / p)).sum())


def chance(before: np.ndarray, now: np.ndarray, alpha: float = ALPHA) -> float:
    """The PSI that is exceeded with probability alpha when nothing has moved; bins empty in both do not count."""
    n, m = float(np.sum(before)), float(np.sum(now))
    used = int(((np.asarray(before) + np.asarray(now)) > 0).sum())
    if not n or not m or used < 2:
        return math.inf
    return (1.0 / n + 1.0 / m) * chi_square(1.0 - alpha, used - 1)


def chi_square(share: float, df: int) -> float:
    """Quantile of chi-square by Wilson and Hilferty (1931): within 1 % of the exact one from df 3 on, 5 % below."""
    from statistics import NormalDist

    z = NormalDist().inv_cdf(share)
    if df == 1:
        return NormalDist().inv_cdf(0.5 + share / 2.0) ** 2
    if df == 2:
        return -2.0 * math.log(1.0 - share)
    return df * (1.0 - 2.0 / (9.0 * df) + z * math.sqrt(2.0 / (9.0 * df))) ** 3


def coverage(inside: Sequence[bool] | np.ndarray, level: float, alpha: float = ALPHA) -> dict[str, Any]:
    """Whether intervals that should hold a share `level` of the outcomes do.

    inside   (n,) whether each outcome lay in its interval, in the order in which they became known
    returns  {n, share, low, high (95 % Clopper-Pearson), level, evidence, wrong, says}
    evidence is the largest value that the test martingale has had,
        M_n = k! (n - k)! / (n + 1)! / (level^k (1 - level)^(n - k)),   k of n inside,
    so that `wrong` (evidence >= 1/alpha) is false alarm with probability alpha at most, however often one looks.
    """
    if not 0.0 < level < 1.0:
        raise InputError("coverage", f"level {level}", "between 0 and 1")
    held = np.asarray(inside, dtype=bool)
    n, k = len(held), int(held.sum())
    if not n:
        return {"n": 0, "share": None, "low": None, "high": None, "level": level, "evidence": 1.0, "wrong": False,
                "says": "no outcome is known yet"}
    low, high = clopper_pearson(k, n)
    evidence = math.exp(min(700.0, _evidence(held, level)))
    wrong = evidence >= 1.0 / alpha
    says = f"{k} of {n} outcomes lay in their {level:.0%} interval ({k / n:.1%}, 95 % interval {low:.1%} to {high:.1%})"
    says += f"; that is not {level:.0%}" if wrong else ""
    return {"n": n, "share": k / n, "low": low, "high": high, "level": level, "evidence": evidence, "wrong": wrong,
            "says": says}


def _evidence(held: np.ndarray, level: float) -> float:
    """The largest logarithm that the martingale has reached."""
    log_p, log_q = math.log(level), math.log(1.0 - level)
    best, k = 0.0, 0
    for n, one in enumerate(held.tolist(), 1):
        k += one
        mixed = math.lgamma(k + 1) + math.lgamma(n - k + 1) - math.lgamma(n + 2)
        best = max(best, mixed - k * log_p - (n - k) * log_q)
    return best


def _counts(column: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """(B,) values in each bin, the unknown in the last."""
    known = column[np.isfinite(column)]
    counts = np.bincount(np.searchsorted(edges, known, side="right"), minlength=len(edges) + 1)
    return np.append(counts, len(column) - len(known)).astype(np.int64)


def _row(name: str, before: np.ndarray, now: np.ndarray, alpha: float) -> dict[str, Any]:
    value, limit, n = psi(before, now), chance(before, now, alpha), int(now.sum())
    word = "none"
    if n < LEAST or before.sum() < LEAST:
        word = "too few"
    elif value > limit and value >= SOME:
        word = "much" if value >= MUCH else "some"
    shown = f"{limit:.2f}" if math.isfinite(limit) else "nothing"
    says = f"{name}: PSI {value:.2f} over {n} values (chance alone gives up to {shown}): {word} drift"
    if word == "too few":
        says = f"{name}: {min(n, int(before.sum()))} values are too few to speak of drift"
    return {"input": name, "psi": value, "chance": limit if math.isfinite(limit) else None, "n": n, "word": word,
            "says": says}
