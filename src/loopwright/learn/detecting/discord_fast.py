"""The loop of `learn.detecting.discord` in compiled code (extra `learn`)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit


@njit(cache=True)
def renewed(tape: Any, energies: Any, dots: Any, now: int, newest: int, window: int) -> None:
    """Products and energies of every lag from the samples themselves: rounding errors begin anew."""
    history = len(dots) - 1
    for j in range(history + 1):
        total, square = 0.0, 0.0
        for i in range(window):
            earlier = tape[now - history + j - i]  # before the first sample stand zeros, which add nothing
            total += tape[now - i] * earlier
            square += earlier * earlier
        dots[j] = total
        energies[newest - history + j] = square


@njit(cache=True, fastmath={"nnan", "nsz"})
def moved(dots: Any, near: Any, far: Any, energies: Any, x: float, old: float) -> float:
    """The products are moved on by one sample; the least of energy - 2 product."""
    best = np.inf
    for j in range(len(dots)):
        dots[j] += x * near[j] - old * far[j]
        best = min(best, energies[j] - 2.0 * dots[j])
    return best


@njit(cache=True)
def loop(tape: Any, energies: Any, dots: Any, out: Any, window: int, seen: int, renew: int) -> None:
    """out: the distance of the window that ends at each sample to its nearest earlier one; renew: samples."""
    history = len(dots) - 1
    for n in range(len(out)):
        now, newest = history + window + n, history + 1 + n
        x, old = tape[now], tape[now - window]
        energies[newest] = energies[newest - 1] + (x * x - old * old)
        if (seen + n) % renew == 0:
            renewed(tape, energies, dots, now, newest, window)
            x, old = 0.0, 0.0  # the products are of this sample already
        last = min(history, seen + n + 1 - window)
        begin, close = history - max(last, window - 1), history + 1 - window  # of lags last .. window
        low, high = now - history, newest - history
        moved(dots[:begin], tape[low:], tape[low - window :], energies[high:], x, old)
        best = moved(
            dots[begin:close], tape[low + begin :], tape[low + begin - window :], energies[high + begin :], x, old)
        moved(dots[close:], tape[low + close :], tape[low + close - window :], energies[high + close :], x, old)
        if last >= window:
            out[n] = np.sqrt(max(energies[newest] + best, 0.0) / window)
