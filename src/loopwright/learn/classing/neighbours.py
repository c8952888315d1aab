"""What the nearest-neighbour models share: cases of one length, and probabilities from distances."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from loopwright.learn.classing.cases import Cases, clean, resampled


def lengths(cases: Cases, most: int) -> int:
    """The length to which all are brought: the median's, at most `most`."""
    return int(min(most, np.median([one.shape[1] for one in cases.values])))


def stacked(cases: Cases, length: int, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """(n, C, length): without gaps, each channel less its mean over its spread in training, resampled."""
    return np.stack([(resampled(clean(one), length) - mean[:, None]) / scale[:, None] for one in cases.values])


def scaling(cases: Cases) -> tuple[np.ndarray, np.ndarray]:
    """((C,) mean, (C,) spread) of each channel over all samples of training; a channel that never moves gets 1."""
    rows = [clean(one) for one in cases.values]
    count = sum(one.shape[1] for one in rows)
    mean = np.sum([one.sum(axis=1) for one in rows], axis=0) / count
    spread = np.sqrt(np.sum([((one - mean[:, None]) ** 2).sum(axis=1) for one in rows], axis=0) / count)
    return mean, np.where(spread > 1e-9 * (1.0 + np.abs(mean)), spread, 1.0)


def as_it_comes(cases: Cases) -> tuple[np.ndarray, np.ndarray]:
    """((C,) zeros, (C,) ones): a scaling that leaves the channels as they are."""
    return np.zeros(len(cases.channels)), np.ones(len(cases.channels))


def scalings(cases: Cases) -> list[Callable[[Cases], tuple[np.ndarray, np.ndarray]]]:
    """The scalings that are worth trying: of one channel all give the same neighbours."""
    return [as_it_comes] if len(cases.channels) == 1 else [as_it_comes, scaling]


def numbered(groups: Sequence[str]) -> np.ndarray:
    """(n,) a number for each group; with fewer than two groups a number for each case."""
    names = {name: i for i, name in enumerate(dict.fromkeys(groups))}
    return np.arange(len(groups)) if len(names) < 2 else np.array([names[name] for name in groups])


def shares(distances: np.ndarray) -> np.ndarray:
    """(n, K) probabilities from the distance to the nearest case of each class: the nearer, the more.

    Each gets 1 / d**4 over the sum of these: the class of the nearest case is always the most likely one, and an equal
    case is a certainty. The power is a choice; accuracy does not depend on it.
    """
    nearest = distances.min(axis=1, keepdims=True)
    ratio = np.where(distances > 0.0, nearest / np.where(distances > 0.0, distances, 1.0), 1.0)
    weight = np.where(np.isfinite(distances), ratio, 0.0) ** 4
    return np.asarray(weight / weight.sum(axis=1, keepdims=True))
