"""How unlike its usual shapes the newest stretch of a signal is: principal components of windows, updated online.

    state = learn(z, window=128)                     (T,) of training -> Stretch
    index, state = follow(state, z)                  (N,) 1 to 2 at the edge of what is usual

A window of w samples that slides over one signal has a covariance that depends on the distance of two samples alone, so
that w numbers, the autocovariance, hold it and one more sample costs w additions:

    c_l <- c_l + g (x_t x_{t-l} - c_l)         g = max(1 / samples seen, 1 / MEMORY)

Its strongest directions (at most MOST, together `SHARE` of the variance) are computed anew when the samples seen have
doubled, then every RENEW samples. The index is that of learn/detecting/subspace.py: T2 over the directions and Q, what
they leave over, each by its 99 % point.
Source: R. Vautard and M. Ghil, Physica D 35 (1989) 395 (components of the lag covariance); Q. Liu and J. Paparrizos,
NeurIPS 2024 (TSB-AD), for how strong principal components of windows are among detectors.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from loopwright.core.errors import InputError, MissingExtra
from loopwright.learn.detecting.compiled import compiled
from loopwright.learn.detecting.subspace import chi2_99

MOST = 24  # directions
SHARE = 0.9  # of the variance
MEMORY = 8192  # samples
RENEW = 8192  # samples between two computations of the directions, once that many were seen
FARTHEST = 5.0  # spreads at which a sample stops counting for more in the covariance


@dataclass(frozen=True)
class Stretch:
    """What is known of one signal.

    past       (w,) the newest samples, the newest last
    products   (w,) autocovariance by lag
    mean       level of the samples
    axes       (w, K) directions, the oldest sample first
    weights    (K,) 1 / (variance * T2 limit) - rest
    rest       1 / Q limit
    seen       samples so far
    due        samples at which the directions are computed anew
    """

    past: np.ndarray
    products: np.ndarray
    mean: float
    axes: np.ndarray
    weights: np.ndarray
    rest: float
    seen: int
    due: int


def learn(values: np.ndarray, window: int) -> Stretch:
    """The usual shapes of (T,) finite samples in spreads. Raises InputError for fewer than two windows of them."""
    if window < 2 or len(values) < 2 * window:
        raise InputError("sub_pca", f"{len(values)} samples, window {window}", "at least two windows of samples")
    held = np.clip(values, -FARTHEST, FARTHEST)
    mean = float(held.mean())
    away = held - mean
    products = np.array([away[lag:] @ away[: len(away) - lag] / len(away) for lag in range(window)])
    state = Stretch(values[-window:].copy(), products, mean, np.zeros((window, 1)), np.zeros(1), 1.0, len(values), 0)
    return _renewed(state)


def _renewed(state: Stretch) -> Stretch:
    """With the directions of the autocovariance as it is now."""
    window = len(state.past)
    lags = np.abs(np.subtract.outer(np.arange(window), np.arange(window)))
    variance, axes = np.linalg.eigh(state.products[lags])
    variance, axes = np.maximum(variance[::-1], 1e-9), axes[:, ::-1]  # rounding and noise of the estimate below zero
    kept = int(np.searchsorted(np.cumsum(variance) / variance.sum(), SHARE)) + 1
    kept = max(1, min(kept, MOST, window - 1))
    left = variance[kept:]
    q_limit = np.square(left).sum() / left.sum() * chi2_99(np.array(left.sum() ** 2 / np.square(left).sum()))
    rest = float(1.0 / max(q_limit, 1e-6))
    weights = 1.0 / (np.maximum(variance[:kept], 1e-6) * chi2_99(np.array(float(kept)))) - rest
    due = state.seen * 2 if state.seen < RENEW else state.seen + RENEW
    return replace(state, axes=np.ascontiguousarray(axes[:, :kept]), weights=weights, rest=rest, due=due)


def rewound(state: Stretch) -> Stretch:
    """The same shapes with nothing before them, to see how the rows they were learned from score."""
    return replace(state, past=np.full(len(state.past), state.mean))


def follow(state: Stretch, values: np.ndarray) -> tuple[np.ndarray, Stretch]:
    """((N,) index of the window that ends at each sample, the state after the last). Chunks of any size score alike."""
    out = np.zeros(len(values))
    done = 0
    while done < len(values):
        part = slice(done, min(len(values), done + state.due - state.seen))
        state = _scored(state, values[part], out[part])
        done = part.stop
        if state.seen == state.due:
            state = _renewed(state)
    return out, state


def _scored(state: Stretch, values: np.ndarray, out: np.ndarray) -> Stretch:
    """Writes the scores of samples before the next computation of the directions."""
    tape = np.concatenate((state.past, values))
    products = state.products.copy()
    loop = compiled(_loop)
    if loop is None:
        raise MissingExtra("learn/stretch", "numba", "learn")
    mean = loop(tape, products, state.mean, state.axes, state.weights, state.rest, state.seen, out)
    past = tape[len(tape) - len(state.past) :].copy()
    return replace(state, past=past, products=products, mean=float(mean), seen=state.seen + len(values))


def _loop(tape: Any, products: Any, mean: float, axes: Any, weights: Any, rest: float, seen: int, out: Any) -> float:
    """Sample after sample; products are moved on in place. Returns the mean after the last."""
    window, kept = axes.shape
    along, held = np.empty(kept), np.empty(window)
    for n in range(len(out)):
        now = window + n
        along[:] = 0.0
        square = 0.0
        for i in range(window):
            x = tape[now - window + 1 + i] - mean
            held[window - 1 - i] = min(max(tape[now - window + 1 + i], -FARTHEST), FARTHEST) - mean
            square += x * x
            for k in range(kept):
                along[k] += x * axes[i, k]
        index = rest * square
        for k in range(kept):
            index += weights[k] * along[k] * along[k]
        out[n] = max(index, 0.0)
        share = max(1.0 / (seen + n + 1), 1.0 / MEMORY)
        for lag in range(window):
            products[lag] += share * (held[0] * held[lag] - products[lag])
        mean += share * held[0]
    return mean
