"""How far the newest stretch of a signal is from its nearest like in the past, for every new sample, in bounded memory.

    state = start(window=128, history=4096)
    distances, state = follow(state, z)              (N,) distance of each sample's window to its nearest earlier one

The left matrix profile with plain distances: d(t)^2 = min over lags l from `window` to `history` of
|x[t-w+1..t] - x[t-l-w+1..t-l]|^2 / w. The dot product of each lag follows its own recursion,
D_l(t) = D_l(t-1) + x_t x_{t-l} - x_{t-w} x_{t-w-l}, so that a sample costs `history` multiplications whatever the
window is; every RENEW samples the products are computed anew, so that rounding does not gather. Levels are not taken
out of the windows: a level that was never there is news.
Source: C.-C. M. Yeh et al., ICDM 2016 (matrix profile); Y. Zhu et al., ICDM 2016 (its recursion); Y. Lu et al., KDD
2022 (discords against the past alone). Slow twin in the tests: the definition above, written down.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from loopwright.core.errors import InputError, MissingExtra

RENEW = 1024  # samples after which the dot products are computed anew


@dataclass(frozen=True)
class Discord:
    """What is known of one signal.

    window, history  samples
    past    (history + window,) the newest samples, the newest last
    energy  (history + 1,) sum of squares of the window that ends at each of the newest samples, the newest last
    dots    (history + 1,) dot product of the newest window with each of those windows, itself last
    seen    samples so far
    """

    window: int
    history: int
    past: np.ndarray
    energy: np.ndarray
    dots: np.ndarray
    seen: int


def start(window: int, history: int) -> Discord:
    """Nothing seen. Raises InputError for a window below 2 samples or a history shorter than two windows."""
    if window < 2 or history < 2 * window:
        given = f"window {window}, history {history}"
        raise InputError("discord", given, "a window of 2 samples or more, a history of two windows or more")
    past, energy = np.zeros(history + window), np.zeros(history + 1)
    return Discord(window, history, past, energy, np.zeros(history + 1), 0)


def follow(state: Discord, values: np.ndarray) -> tuple[np.ndarray, Discord]:
    """((N,) root mean square distance to the nearest earlier window, the state after the last sample).

    values   (N,) finite, in spreads about their usual level (beyond 10,000 rounding begins to show)
    returns  0 until two windows are there that do not overlap
    """
    tape = np.concatenate((state.past, np.asarray(values, dtype=float)))
    energies = np.concatenate((state.energy, np.zeros(len(values))))
    dots, out = state.dots.copy(), np.zeros(len(values))
    _kernel()(tape, energies, dots, out, state.window, state.seen)
    past, energy = tape[len(tape) - len(state.past) :].copy(), energies[len(values) :].copy()
    return out, replace(state, past=past, energy=energy, dots=dots, seen=state.seen + len(values))


@lru_cache(maxsize=1)
def _kernel() -> Any:
    """The compiled loop over samples. Raises MissingExtra where Numba is not installed."""
    try:
        import numba
    except ImportError as missing:
        raise MissingExtra("learn/discord", "numba", "learn") from missing

    @numba.njit(cache=True)
    def renewed(tape: Any, energies: Any, dots: Any, now: int, newest: int, window: int) -> None:
        history = len(dots) - 1
        for j in range(history + 1):
            total, square = 0.0, 0.0
            for i in range(window):
                earlier = tape[now - history + j - i]  # before the first sample stand zeros, which add nothing
                total += tape[now - i] * earlier
                square += earlier * earlier
            dots[j] = total
            energies[newest - history + j] = square

    @numba.njit(cache=True, fastmath={"nnan", "nsz"})
    def moved(dots: Any, near: Any, far: Any, energies: Any, x: float, old: float) -> float:
        best = np.inf
        for j in range(len(dots)):
            dots[j] += x * near[j] - old * far[j]
            best = min(best, energies[j] - 2.0 * dots[j])
        return best

    @numba.njit(cache=True)
    def loop(tape: Any, energies: Any, dots: Any, out: Any, window: int, seen: int) -> None:
        history = len(dots) - 1
        for n in range(len(out)):
            now, newest = history + window + n, history + 1 + n
            x, old = tape[now], tape[now - window]
            energies[newest] = energies[newest - 1] + (x * x - old * old)
            if (seen + n) % RENEW == 0:
                renewed(tape, energies, dots, now, newest, window)
                x, old = 0.0, 0.0  # the products are of this sample already
            last = min(history, seen + n + 1 - window)
            begin, close = history - max(last, window - 1), history + 1 - window  # of lags last .. window
            low, high = now - history, newest - history
            moved(dots[:begin], tape[low:], tape[low - window :], energies[high:], x, old)
            best = moved(dots[begin:close], tape[low + begin :], tape[low + begin - window :],
                         energies[high + begin :], x, old)
            moved(dots[close:], tape[low + close :], tape[low + close - window :], energies[high + close :], x, old)
            if last >= window:
                out[n] = np.sqrt(max(energies[newest] + best, 0.0) / window)

    return loop
