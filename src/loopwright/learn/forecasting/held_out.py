"""Ridge regressions of many series at once, each judged on blocks of its own past that it was not fitted to.

    judged = fit(Cases(inputs (B, F, K, L), truth (B, K, L), known, overlap), priors (F, R))
    judged.weights (B, F)      to apply to new inputs
    judged.errors (B, K, L)    what is left of each case when its block and the blocks beside it are left out

The weights are w = prior + argmin |y - X (prior + d)|^2 + s |d|^2 for each prior and each strength s, and the priors
themselves; all of them are averaged with shares exp(-(e / least e - 1) / TEMPERATURE), e the mean absolute error held
out. Cases overlap in time: `overlap` neighbours say nearly the same, so K / overlap of them count as independent, which
sets the strengths, and the blocks beside the one that is judged are left out with it.
Source: A. E. Hoerl and R. W. Kennard, Technometrics 12 (1970) 55 (ridge); P. Burman, E. Chow and D. Nolan, Biometrika
81 (1994) 351 (blocks with a gap, for dependent data).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

BLOCKS, FEWEST = 10, 4
STRENGTHS = (0.3, 2.0, 12.0, 72.0)  # independent cases that a prior is worth, each of inputs as large as the truth
TEMPERATURE = 0.01


@dataclass(frozen=True)
class Cases:
    """Inputs (B, F, K, L), what came (B, K, L), where that is known (None: everywhere), how many neighbours overlap."""

    inputs: np.ndarray
    truth: np.ndarray
    known: np.ndarray | None = None
    overlap: float = 1.0

    @property
    def independent(self) -> float:
        """How many cases say something of their own."""
        return max(self.truth.shape[1] / max(self.overlap, 1.0), 1.0)


@dataclass(frozen=True)
class Judged:
    """weights (B, F); errors (B, K, L) held out, NaN where the truth is unknown."""

    weights: np.ndarray
    errors: np.ndarray


def fit(cases: Cases, priors: np.ndarray) -> Judged:
    """The weights of each series. priors (F, R) weights that are tried as they are and drawn towards."""
    inputs, truth = cases.inputs, cases.truth
    if cases.known is not None:
        inputs = inputs * cases.known[:, None]
        truth = np.where(cases.known, truth, 0.0)
    blocks = _blocks(truth.shape[1], round(cases.independent))
    worth = _count(cases) / cases.independent * np.mean(truth**2, axis=(1, 2), dtype=np.float64)
    candidates = _candidates(inputs, truth, blocks, priors, worth)
    missed = [_missed(inputs[:, :, b], truth[:, b], candidates[:, i]) for i, b in enumerate(blocks)]
    shares = _shares(missed)
    errors = np.concatenate([_mixed(one, shares) for one in missed], axis=1)
    if cases.known is not None:
        errors[~cases.known] = np.nan
    return Judged((candidates[:, -1] @ shares[:, :, None])[..., 0], errors)


def _blocks(count: int, independent: int) -> list[slice]:
    """K cases in runs, BLOCKS of them, fewer where fewer cases are independent."""
    number = min(max(FEWEST, min(BLOCKS, independent)), count)
    edges = np.linspace(0, count, number + 1).round().astype(int)
    return [slice(int(a), int(b)) for a, b in pairwise(edges)]


def _count(cases: Cases) -> np.ndarray:
    """(B,) cases with a known truth."""
    if cases.known is None:
        return np.full(len(cases.truth), float(cases.truth[0].size))
    return cases.known.sum(axis=(1, 2)).astype(np.float64)


def _missed(inputs: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(B, C, k, L): truth (B, k, L) less what weights (B, F, C) make of inputs (B, F, k, L)."""
    flat = inputs.reshape(*inputs.shape[:2], -1)
    told = weights.transpose(0, 2, 1).astype(flat.dtype) @ flat
    return truth[:, None] - told.reshape(len(inputs), -1, *truth.shape[1:])


def _mixed(missed: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """(B, k, L) errors of the candidates (B, C, k, L) by their shares (B, C): those of the weights so mixed."""
    flat = missed.reshape(*missed.shape[:2], -1)
    return (shares[:, None].astype(flat.dtype) @ flat).reshape(len(missed), *missed.shape[2:])


def _candidates(
    inputs: np.ndarray, truth: np.ndarray, blocks: list[slice], priors: np.ndarray, worth: np.ndarray
) -> np.ndarray:
    """(B, blocks + 1, F, C) weights without each block and those beside it, and at last with all.

    worth  (B,) sum of squares that an independent case of prior knowledge has
    """
    number, features = len(inputs), inputs.shape[1]
    square = np.empty((number, len(blocks), features, features))
    cross = np.empty((number, len(blocks), features, 1))
    for i, block in enumerate(blocks):
        x = inputs[:, :, block].reshape(number, features, -1)
        square[:, i] = x @ x.transpose(0, 2, 1)
        cross[:, i] = x @ truth[:, block].reshape(number, -1, 1)
    apart = np.abs(np.subtract.outer(np.arange(len(blocks)), np.arange(len(blocks))))
    kept = np.vstack([apart > (1 if len(blocks) > 3 else 0), np.ones((1, len(blocks)))]).astype(np.float64)
    square = (kept @ square.reshape(number, len(blocks), -1)).reshape(number, -1, features, features)
    left = (kept @ cross[..., 0])[..., None] - square @ priors  # (B, blocks + 1, F, R)
    unit = (worth + 1e-12)[:, None, None, None] * np.eye(features)
    strengths = np.array(STRENGTHS)[:, None, None, None, None]
    drawn = priors + np.linalg.solve(square + strengths * unit, np.broadcast_to(left, (len(strengths), *left.shape)))
    return np.concatenate([np.broadcast_to(priors, left.shape), *drawn], axis=-1)


def _shares(missed: list[np.ndarray]) -> np.ndarray:
    """(B, C) share of each candidate, from its mean absolute error held out in each block (B, C, k, L)."""
    size = np.sum([np.abs(one).sum(axis=(2, 3), dtype=np.float64) for one in missed], axis=0)
    least = size.min(axis=1, keepdims=True)
    shares = np.exp(-(size - least) / (TEMPERATURE * least + 1e-300))
    return shares / shares.sum(axis=1, keepdims=True)
