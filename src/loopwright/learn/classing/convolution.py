"""Convolution of series with the 84 kernels of two values, and what is pooled of each, compiled (extra 'learn').

A kernel has nine weights, six of -1 and three of 2, so that it sums to 0: a level alone gives nothing. Spread by a
dilation d, C[t] = sum_j w_j x[t + (j - 4) d], zeros beyond the ends. Since w = -1 + 3 at three places,

    C[t] = -sum_j x[t + (j - 4) d] + 3 (x[t + (a - 4) d] + x[t + (b - 4) d] + x[t + (c - 4) d])

and the first sum serves all 84 kernels. Pooled above a bias: share of samples (PPV), mean excess (MPV), mean place
(MIPV) and longest stretch (LSPV) of positive values.

Source: A. Dempster, D. F. Schmidt and G. I. Webb, MiniRocket, KDD 2021 (arXiv:2012.08791); C. W. Tan et al.,
MultiRocket, DMKD 36 (2022) 1623 (arXiv:2102.00457). Written from the formulas; tests hold it against a plain twin.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
from numba import njit

TAPS = 9
KERNELS = np.array(list(combinations(range(TAPS), 3)), dtype=np.int64)  # (84, 3) where the weight is 2
POOLS = ("ppv", "mpv", "mipv", "lspv")


@njit(cache=True, nogil=True)
def respond(x: Any, channels: Any, kernel: Any, dilation: int, out: Any) -> None:
    """Fills out (T,) with C summed over the channels. x (C, T) float32, channels (c,), kernel (3,) places of 2."""
    t_count = x.shape[1]
    out[:] = 0.0
    for channel in channels:
        row = x[channel]
        for j in range(9):
            weight = np.float32(2.0) if j == kernel[0] or j == kernel[1] or j == kernel[2] else np.float32(-1.0)
            shift = (j - 4) * dilation
            begin, end = max(0, -shift), min(t_count, t_count - shift)
            for t in range(begin, end):
                out[t] += weight * row[t + shift]


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz"})
def _taps(x: Any, dilation: int, minus: Any, three: Any) -> None:
    """minus (C, T): -sum of the nine taps; three (C, 9, T): 3 x at each tap."""
    c_count, t_count = x.shape
    for c in range(c_count):
        row, total = x[c], minus[c]
        total[:] = 0.0
        for j in range(9):
            tap = three[c, j]
            tap[:] = 0.0
            shift = (j - 4) * dilation
            begin, end = max(0, -shift), min(t_count, t_count - shift)
            for t in range(begin, end):
                value = row[t + shift]
                total[t] -= value
                tap[t] = np.float32(3.0) * value


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz"})
def _sum_up(minus: Any, three: Any, channels: Any, kernel: Any, out: Any) -> None:
    a, b, c = kernel[0], kernel[1], kernel[2]
    first = channels[0]
    level, one, two, last = minus[first], three[first, a], three[first, b], three[first, c]
    for t in range(len(out)):
        out[t] = level[t] + one[t] + two[t] + last[t]
    for k in range(1, len(channels)):
        other = channels[k]
        level, one, two, last = minus[other], three[other, a], three[other, b], three[other, c]
        for t in range(len(out)):
            out[t] += level[t] + one[t] + two[t] + last[t]


@njit(cache=True, nogil=True)
def pool(response: Any, bias: float, out: Any) -> None:
    """Fills out (4,) with PPV, MPV, MIPV and LSPV of response (T,) above the bias; shares of T where a place is meant.

    Where nothing is above it: 0, 0, -1 and 0.
    """
    t_count = len(response)
    count, stretch, longest = 0, 0, 0
    excess, place = 0.0, 0.0
    for t in range(t_count):
        over = response[t] - bias
        if over > 0.0:
            count += 1
            excess += over
            place += t
            stretch += 1
            longest = max(longest, stretch)
        else:
            stretch = 0
    out[0] = count / t_count
    out[1] = excess / count if count else 0.0
    out[2] = place / (count * t_count) if count else -1.0
    out[3] = longest / t_count


@njit(cache=True, nogil=True)
def describe(x: Any, plan: Any, channels: Any, kernels: Any, biases: Any, out: Any) -> None:
    """Fills out (F * 4,) with the pools of every planned response of one series.

    x         (C, T) float32
    plan      (F, 4) int64: dilation, kernel, first and end of its channels; rows of one dilation stand together
    channels  (sum,) channels of all rows one after another; kernels (84, 3); biases (F,)
    """
    c_count, t_count = x.shape
    minus = np.empty((c_count, t_count), np.float32)
    three = np.empty((c_count, 9, t_count), np.float32)
    response = np.empty(t_count, np.float32)
    dilation = 0
    for i in range(len(plan)):
        if plan[i, 0] != dilation:
            dilation = plan[i, 0]
            _taps(x, dilation, minus, three)
        if i == 0 or plan[i, 0] != plan[i - 1, 0] or plan[i, 1] != plan[i - 1, 1] or plan[i, 2] != plan[i - 1, 2]:
            _sum_up(minus, three, channels[plan[i, 2] : plan[i, 3]], kernels[plan[i, 1]], response)
        pool(response, biases[i], out[4 * i : 4 * i + 4])
