"""Student's t and the normal distribution, without a heavy library: what intervals at small numbers need.

Checked against scipy in tests/improve/test_student.py.
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

_TINY = 1e-300
NORMAL = NormalDist()


def incomplete_beta(a: float, b: float, x: float) -> float:
    """Regularised incomplete beta function I_x(a, b), for a, b > 0 and 0 <= x <= 1.

    Continued fraction DLMF 8.17.22, evaluated by Lentz's method; for x above the mean the symmetry DLMF 8.17.4 is used,
    so that it converges fast. Source: NIST Digital Library of Mathematical Functions, section 8.17.
    """
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    if x > (a + 1.0) / (a + b + 2.0):
        return 1.0 - incomplete_beta(b, a, 1.0 - x)
    log_front = a * math.log(x) + b * math.log1p(-x) - (math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b))
    return math.exp(log_front) / (a * _fraction(a, b, x))


def _fraction(a: float, b: float, x: float) -> float:
    """1 + d1/(1 + d2/(1 + ...)) of DLMF 8.17.22."""
    value, c, d = 1.0, 1.0, 0.0
    for step in range(1, 400):
        m = step // 2
        if step % 2:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1.0 / (1.0 + term * d or _TINY)
        c = 1.0 + term / c or _TINY
        value *= c * d
        if abs(c * d - 1.0) < 1e-15:
            break
    return value


def t_cdf(x: float, df: float) -> float:
    """P(T <= x) of Student's t with df degrees of freedom; DLMF 8.17 with x' = df / (df + x^2)."""
    if math.isinf(x):
        return 1.0 if x > 0 else 0.0
    tail = 0.5 * incomplete_beta(0.5 * df, 0.5, df / (df + x * x))
    return 1.0 - tail if x > 0 else tail


@lru_cache(maxsize=4096)
def t_quantile(p: float, df: float) -> float:
    """x with P(T <= x) = p, 0 < p < 1, by bisection on `t_cdf` (to 1e-12 of x)."""
    if p == 0.5:
        return 0.0
    if p < 0.5:
        return -t_quantile(1.0 - p, df)
    high = 1.0
    while t_cdf(high, df) < p:
        high *= 2.0
    low = 0.0
    while high - low > 1e-12 * max(1.0, high):
        middle = 0.5 * (low + high)
        if t_cdf(middle, df) < p:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def binomial_interval(hits: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Exact (Clopper-Pearson 1934) interval of a proportion: hits of n at the given level."""
    half = 0.5 * (1.0 - level)
    low = 0.0 if hits == 0 else _beta_quantile(half, hits, n - hits + 1)
    high = 1.0 if hits == n else _beta_quantile(1.0 - half, hits + 1, n - hits)
    return low, high


def _beta_quantile(p: float, a: float, b: float) -> float:
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        if incomplete_beta(a, b, middle) < p:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)
