"""Intervals of a share: how sure k right out of n is. No library needed."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np

from loopwright.core.errors import InputError


def _at_most(k: int, n: int, p: float) -> float:
    """Probability of k or fewer successes in n trials."""
    if p <= 0.0 or p >= 1.0:
        return float(p <= 0.0 or k == n)
    return float(min(1.0, np.exp(_log_ways(n)[: k + 1] + _log_chance(k, n, p)).sum()))


@lru_cache(maxsize=64)
def _log_ways(n: int) -> np.ndarray:
    """(n + 1,) logarithm of how many ways there are to choose 0, 1, .. n of n."""
    grown = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    return np.asarray(grown[n] - grown - grown[::-1])


def _log_chance(k: int, n: int, p: float) -> np.ndarray:
    i = np.arange(k + 1)
    return np.asarray(i * math.log(p) + (n - i) * math.log1p(-p))


def _check(k: int, n: int) -> None:
    if not (0 <= k <= n and n > 0):
        raise InputError("share", f"{k} of {n}", "0 <= k <= n, n at least 1")


def clopper_pearson(k: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """The exact interval of a share: k successes of n, at least `level` sure. Wider than it must be, never narrower.

    low solves P(X >= k) = a / 2, high solves P(X <= k) = a / 2, by bisection to 1e-12.
    Source: C. J. Clopper and E. S. Pearson, Biometrika 26 (1934) 404.
    """
    _check(k, n)
    tail = (1.0 - level) / 2.0
    low = 0.0 if k == 0 else _solve(lambda p: 1.0 - _at_most(k - 1, n, p) - tail)
    high = 1.0 if k == n else _solve(lambda p: tail - _at_most(k, n, p))
    return low, high


def _solve(f: Callable[[float], float]) -> float:
    """Where a growing function of a share crosses zero."""
    a, b = 0.0, 1.0
    while b - a > 1e-12:
        mid = (a + b) / 2.0
        a, b = (mid, b) if f(mid) < 0 else (a, mid)
    return (a + b) / 2.0


def wilson(k: int, n: int, z: float = 1.959963984540054) -> tuple[float, float]:
    """Wilson's score interval of a share: close to `level` on average, and short.

    Source: E. B. Wilson, J. American Statistical Association 22 (1927) 209.
    """
    _check(k, n)
    p, z2 = k / n, z * z
    middle = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = z * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(0.0, middle - half), min(1.0, middle + half)


def sign_test(wins: int, losses: int) -> float:
    """How often chance alone gives at least `wins` of wins + losses: exact one-sided McNemar test of two classifiers.

    wins    cases that ours got right and the other wrong; losses: the other way round; 1.0 when they never differ
    Source: Q. McNemar, Psychometrika 12 (1947) 153, in its exact form.
    """
    n = wins + losses
    return 1.0 if n == 0 else math.fsum(math.comb(n, i) for i in range(wins, n + 1)) / 2.0**n
