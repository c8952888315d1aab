"""Dynamic time warping between series of several channels, within a band, compiled (extra 'learn').

    D[i, j] = |x_i - y_j|^2 + min(D[i - 1, j], D[i, j - 1], D[i - 1, j - 1])     |i - j| <= band

over the channels together (dependent warping); the distance is the square root of the last cell. Source: H. Sakoe and
S. Chiba, IEEE Trans. ASSP 26 (1978) 43; several channels, M. Shokoohi-Yekta et al., DMKD 31 (2017) 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def warped(x: Any, y: Any, band: int, most: float) -> float:
    """Squared distance between x and y, both (T, C) of one length; inf as soon as it must exceed `most`."""
    t_count, c_count = x.shape
    before, now = np.full(t_count + 1, np.inf), np.full(t_count + 1, np.inf)
    before[0] = 0.0
    for i in range(t_count):
        begin, end = max(0, i - band), min(t_count, i + band + 1)
        now[begin] = np.inf
        least = np.inf
        for j in range(begin, end):
            cost = 0.0
            for c in range(c_count):
                gap = x[i, c] - y[j, c]
                cost += gap * gap
            cost += min(before[j], min(before[j + 1], now[j]))
            now[j + 1] = cost
            least = min(least, cost)
        if end < t_count:
            now[end + 1] = np.inf
        if least > most:
            return np.inf
        before, now = now, before
    return float(before[t_count])


@njit(cache=True, nogil=True)
def nearest_of_each(x: Any, known: Any, truth: Any, groups: Any, own: int, band: int, out: Any) -> None:
    """Fills out (K,) with the squared distance of x (T, C) to the nearest known case (n, T, C) of each class.

    truth (n,) class numbers, groups (n,) numbers; cases of group `own` do not count (-1: all count).
    """
    out[:] = np.inf
    for i in range(len(known)):
        if groups[i] == own:
            continue
        k = truth[i]
        found = warped(x, known[i], band, out[k])
        out[k] = min(out[k], found)
