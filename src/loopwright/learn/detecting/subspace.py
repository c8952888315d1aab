"""How far a row of channels is from the few directions in which they usually move together, for many things at once.

    usual = learn_usual(values)                  (B, T, C) rows of B things -> Subspace
    parts = contributions(usual, rows)           (B, C) or one thing's (N, C): never below zero, their sum is the index

With z the standardised row, p_k the K directions that hold `share` of the variance l_k, t_k = p_k . z:

    T2 = sum t_k^2 / l_k           Q = |z - sum t_k p_k|^2          index = T2 / T2_limit + Q / Q_limit

Variances are drawn towards those of channels that do not move together, by C / (C + T) of T rows: few rows show no
more. The limits are the 99 % points of the chi-square with K degrees of freedom and of g chi2(h) that has the mean and
the variance of Q, g = sum l^2 / sum l and h = (sum l)^2 / sum l^2 over the other directions. An index of 1 to 2 is the
edge of what is usual. The parts are the squares of M z with M M = the matrix of the index, so they add up to it.
Source: J. E. Jackson and G. S. Mudholkar, Technometrics 21 (1979) 341 (Q); H. H. Yue and S. J. Qin, Ind. Eng. Chem.
Res. 40 (2001) 4403 (combined index); S. J. Qin, J. Chemometrics 17 (2003) 480 (complete decomposition contributions);
E. B. Wilson and M. M. Hilferty, PNAS 17 (1931) 684 (chi-square points).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from loopwright.learn.detecting.level import FARTHEST, bounded

NORMAL_99 = 2.3263478740408408  # 99 % point of the standard normal
BLOCK = 2_000_000  # numbers of a temporary array


@dataclass(frozen=True)
class Subspace:
    """What is usual for B things of C channels.

    mean, scale  (B, C)
    axes         (B, K, C) directions of unit length, the strongest first
    pulls        (B, K) 1 / sqrt(l_k T2_limit) - rest; 0 for a direction that counts as rest
    rest         (B, 1) 1 / sqrt(Q_limit)
    """

    mean: np.ndarray
    scale: np.ndarray
    axes: np.ndarray
    pulls: np.ndarray
    rest: np.ndarray


def learn_usual(values: np.ndarray, share: float = 0.9) -> Subspace:
    """The usual directions of each thing.

    values  (B, T, C) NaN: missing, taken as the channel's mean; at least 2 rows
    share   of the variance that the directions hold; at least one direction is left to Q where there are two channels
    """
    known = bounded(values)
    seen = np.isfinite(known).sum(axis=1)  # (B, C)
    count = np.maximum(seen, 1)
    mean = np.nansum(known, axis=1) / count
    away = np.where(np.isnan(known), 0.0, known - mean[:, None, :])
    scale = np.sqrt(np.square(away).sum(axis=1) / count)
    scale = _scale(scale, mean, seen > 0)
    z = away / scale[:, None, :]
    _, strength, axes = np.linalg.svd(z, full_matrices=False)  # (B, T, C) -> (B, K), (B, K, C)
    variance = np.square(strength) / max(values.shape[1] - 1, 1)
    return _limited(mean, scale, axes, variance, values.shape[1], share)


def from_moments(
    mean: np.ndarray, covariance: np.ndarray, known: np.ndarray, rows: float, share: float = 0.9
) -> Subspace:
    """The usual directions of one thing from its moments.

    mean, covariance  (C,), (C, C) of its channels
    known             (C,) whether anything was seen of a channel
    rows              how many they rest on
    """
    scale = _scale(np.sqrt(np.maximum(np.diag(covariance), 0.0)), mean, known)
    variance, axes = np.linalg.eigh(covariance / scale[:, None] / scale)
    variance, axes = np.maximum(variance[None, ::-1], 0.0), np.ascontiguousarray(axes.T[None, ::-1])
    return _limited(mean[None], scale[None], axes, variance, rows, share)


def _scale(scale: np.ndarray, mean: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The scales with the least that a channel of this level is given; infinite where nothing was ever seen."""
    scale = np.maximum(scale, np.maximum(1e-6 * np.abs(mean), 1e-12))
    return np.where(known, scale, np.inf)  # of a channel that was never seen nothing can be said


def _limited(
    mean: np.ndarray, scale: np.ndarray, axes: np.ndarray, variance: np.ndarray, rows: float, share: float
) -> Subspace:
    """With variances (B, K) drawn in, the directions chosen and the limits set."""
    channels = axes.shape[2]
    drawn_in = channels / (channels + rows)  # few rows show less variance in some directions than there is
    variance = (1.0 - drawn_in) * variance + drawn_in
    kept = _kept(variance, share, channels)
    t2_limit = chi2_99(kept.sum(axis=1))
    left = np.where(kept, 0.0, variance)
    unseen = channels - variance.shape[1]  # directions in which so few rows did not differ
    total = left.sum(axis=1) + unseen * drawn_in
    squares = np.square(left).sum(axis=1) + unseen * drawn_in**2
    with np.errstate(divide="ignore", invalid="ignore"):
        q_limit = np.where(squares > 0, squares / total * chi2_99(np.square(total) / squares), np.inf)
        pulls = 1.0 / np.sqrt(np.maximum(variance, 1e-12) * t2_limit[:, None])
    rest = 1.0 / np.sqrt(np.maximum(q_limit, 1e-6))[:, None]
    rest = np.where(rest > 0.0, rest, 1.0 / np.sqrt(t2_limit)[:, None])  # nothing was left over: any rest is news
    return Subspace(mean, scale, axes, np.where(kept, pulls - rest, 0.0), rest)


def _kept(variance: np.ndarray, share: float, channels: int) -> np.ndarray:
    """(B, K) which directions count for T2: the strongest that hold `share`, at least one, at most all but one."""
    total = np.maximum(variance.sum(axis=1, keepdims=True), 1e-300)
    before = np.cumsum(variance, axis=1) / total - variance / total
    kept = before < share
    kept[:, channels - 1 if channels > 1 else channels :] = False
    kept[:, 0] = True
    return kept


def chi2_99(freedom: np.ndarray) -> np.ndarray:
    """The 99 % point of the chi-square, by Wilson and Hilferty; within 1 % from one degree of freedom up."""
    h = np.maximum(freedom, 1e-3)
    edge = 1.0 - 2.0 / (9.0 * h) + NORMAL_99 * np.sqrt(2.0 / (9.0 * h))
    return h * np.maximum(edge, 1e-3) ** 3


def contributions(usual: Subspace, rows: np.ndarray) -> np.ndarray:
    """(N, C) what each channel adds to the index; the sum along a row is the index of that row.

    rows  (B, C), one row of each of the B things; or (N, C) rows of the one thing that `usual` is of. NaN or infinite:
          missing, taken as the mean, adds only what the others say of it
    """
    out = np.empty(rows.shape)
    step = max(1, BLOCK // max(1, usual.axes.shape[1] * rows.shape[1]))
    for begin in range(0, len(rows), step):
        part = slice(begin, begin + step)
        which = slice(0, 1) if len(usual.mean) == 1 else part
        out[part] = _parts(usual, which, rows[part])
    return out


def _parts(usual: Subspace, which: slice, rows: np.ndarray) -> np.ndarray:
    """(n, C) squares of M z. Each sum runs over one row alone, so that the rows beside it change no digit."""
    z = (rows - usual.mean[which]) / usual.scale[which]
    z = np.clip(np.where(np.isfinite(rows), z, 0.0), -FARTHEST, FARTHEST)
    axes = usual.axes[which]
    along = (axes * z[:, None, :]).sum(axis=2)  # (n, K, C) -> (n, K)
    back = (axes * (usual.pulls[which] * along)[:, :, None]).sum(axis=1)  # (n, K, C) -> (n, C)
    return np.square(usual.rest[which] * z + back)
