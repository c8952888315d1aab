"""How much each model of a blend counts, and which model is taken: both from what was said of groups left out.

    weights(given)                   (M,) shares of the models in a mean of their probabilities
    clearly_better(a, b, groups)     whether the losses of a are lower than those of b by more than chance would do

The weights w maximise, on the simplex, sum_i log sum_m w_m p_im + PRIOR n / M sum_m log w_m: the logarithmic loss of
the mean, held towards equal shares as if PRIOR n further cases had been given alike by all. Found by expectation and
maximisation, r_im = w_m p_im / sum_k w_k p_ik, w_m ~ sum_i r_im + PRIOR n / M, which never gets worse.
Sources: linear pool, M. Stone, Ann. Math. Stat. 32 (1961) 1339; its weights from left-out cases (stacking), D. H.
Wolpert, Neural Networks 5 (1992) 241; EM of mixture weights, A. P. Dempster et al., JRSS B 39 (1977) 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

PRIOR = 0.05
FLOOR = 1e-3  # of a probability: so that one miss does not rule a model out
MARGIN = 0.01  # of a mean loss; less is told by how sure models of a few hundred cases sound, not by how right they are
_STEPS, _STILL = 500, 1e-7


def weights(given: np.ndarray) -> np.ndarray:
    """(M,) shares of the models. given (n, M): the probability that each gave to what was true; equal shares for n = 0.
    """
    n, m = given.shape
    share = np.full(m, 1.0 / m)
    if not n:
        return share
    p = np.maximum(given, FLOOR)
    for _ in range(_STEPS):
        parts = p * share
        new = (parts / parts.sum(axis=1, keepdims=True)).sum(axis=0) + PRIOR * n / m
        new /= new.sum()
        moved, share = float(np.abs(new - share).max()), new
        if moved < _STILL:
            break
    return share


def mixed(share: np.ndarray, said: Sequence[np.ndarray]) -> np.ndarray:
    """(n, K) mean of the models' probabilities (n, K), each with its share."""
    p = np.einsum("m,mnk->nk", share, np.stack(said))
    return np.asarray(p / p.sum(axis=1, keepdims=True))


def clearly_better(a: np.ndarray, b: np.ndarray, groups: Sequence[str]) -> bool:
    """Whether the mean of a is lower than that of b by more than one standard error, and by more than MARGIN.

    a, b (n,) losses about the same cases; groups (n,): the error of the mean difference is that between groups, for
    cases of one group err together. Never with fewer than two groups.
    """
    names, number = np.unique(np.asarray(groups), return_inverse=True)
    if len(names) < 2:
        return False
    gain = b - a
    mean = float(gain.mean())
    off = np.bincount(number, weights=gain - mean)
    error = float(np.sqrt((off**2).sum() * len(names) / (len(names) - 1))) / len(gain)
    return mean > max(error, MARGIN)
