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
    try:
        from loopwright.learn.detecting.discord_fast import loop
    except ImportError as missing:
        raise MissingExtra("learn/discord", "numba", "learn") from missing
    tape = np.concatenate((state.past, np.asarray(values, dtype=float)))
    energies = np.concatenate((state.energy, np.zeros(len(values))))
    dots, out = state.dots.copy(), np.zeros(len(values))
    loop(tape, energies, dots, out, state.window, state.seen, RENEW)
    past, energy = tape[len(tape) - len(state.past) :].copy(), energies[len(values) :].copy()
    return out, replace(state, past=past, energy=energy, dots=dots, seen=state.seen + len(values))
