"""The conditions that units run under, and each channel normalised within its condition. Fitted on training units only.

    norm = fit(values, settings)            plain data
    z = apply(norm, values, settings)       (T, C') channels that tell something, mean 0 and spread 1 in each condition

An engine at 42,000 ft reads other temperatures than at sea level, worn or not. Without this a model learns the flight.
"""

from __future__ import annotations

from typing import Any

import numpy as np

GAP = 0.1  # of a setting's range: a wider hole between neighbouring values parts two conditions
SHARE = 0.005  # of all rows: a rarer condition counts as the nearest other one


def centres(settings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """((K, S) the middle of each condition, (S,) the range of each setting), from settings (N, S).

    Each setting is parted where its sorted values leave a hole of more than GAP of its range; a condition is a
    combination of parts that SHARE of the rows have. Settings that vary without holes are one condition.
    """
    known = settings[np.isfinite(settings).all(axis=1)]
    if not known.size:
        return np.zeros((1, settings.shape[1])), np.ones(settings.shape[1])
    low, high = known.min(axis=0), known.max(axis=0)
    scale = np.where(high > low, high - low, 1.0)
    parts = np.zeros(known.shape, dtype=np.int64)
    for s in range(known.shape[1]):
        order = np.sort(known[:, s])
        edges = order[1:][np.diff(order) > GAP * scale[s]]
        parts[:, s] = np.searchsorted(edges, known[:, s], side="right")
    _, inverse, counts = np.unique(parts, axis=0, return_inverse=True, return_counts=True)
    kept = np.flatnonzero(counts >= max(2.0, SHARE * len(known)))
    kept = kept if len(kept) else np.array([int(np.argmax(counts))])
    return np.array([known[inverse.ravel() == k].mean(axis=0) for k in kept]), scale


def nearest(norm: dict[str, Any], settings: np.ndarray) -> np.ndarray:
    """(N,) index of the condition nearest to each row of settings (N, S); an unknown setting counts as no distance."""
    if len(norm["centres"]) == 1 or not settings.shape[1]:
        return np.zeros(len(settings), dtype=np.int64)
    far = (settings[:, None, :] - norm["centres"][None]) / norm["scale"]  # (N, K, S)
    return np.argmin(np.where(np.isfinite(far), far, 0.0) ** 2 @ np.ones(settings.shape[1]), axis=1)


def fit(values: np.ndarray, settings: np.ndarray) -> dict[str, Any]:
    """{centres (K, S), scale (S,), mean, spread (K, C), kept (C',)} of training rows values (N, C), settings (N, S).

    kept  channels that change in at least half of the conditions; a channel that never moves says nothing
    """
    middle, scale = centres(settings)
    norm: dict[str, Any] = {"centres": middle, "scale": scale}
    which = nearest(norm, settings)
    mean, spread = np.zeros((len(middle), values.shape[1])), np.zeros((len(middle), values.shape[1]))
    for k in range(len(middle)):
        rows = values[which == k]
        known = np.isfinite(rows)
        n = np.maximum(known.sum(axis=0), 1)
        mean[k] = np.where(known, rows, 0.0).sum(axis=0) / n
        off = np.where(known, rows - mean[k], 0.0)
        spread[k] = np.sqrt((off**2).sum(axis=0) / n)
    moves = spread > 1e-7 * (1e-12 + np.abs(mean))
    kept = np.flatnonzero(moves.mean(axis=0) >= 0.5)
    return norm | {"mean": mean, "spread": np.where(moves, spread, np.inf), "kept": kept}


def apply(norm: dict[str, Any], values: np.ndarray, settings: np.ndarray) -> np.ndarray:
    """(T, C') the kept channels, normalised; what is missing is as last heard, at the beginning 0 (the mean).

    Limited to 12 spreads: a sensor that breaks must not throw a life about.
    """
    which = nearest(norm, settings)
    kept = norm["kept"]
    z = (values[:, kept] - norm["mean"][which][:, kept]) / norm["spread"][which][:, kept]
    return np.clip(forward_filled(z), -12.0, 12.0)


def forward_filled(z: np.ndarray) -> np.ndarray:
    """(T, C) with NaN replaced by the last known value of the channel, by 0 before the first."""
    known = np.isfinite(z)
    if known.all():
        return z
    last = np.maximum.accumulate(np.where(known, np.arange(len(z))[:, None], -1), axis=0)
    filled = np.take_along_axis(np.where(known, z, 0.0), np.maximum(last, 0), axis=0)
    return np.where(last >= 0, filled, 0.0)
