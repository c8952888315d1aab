"""Metrics of remaining life: errors with raw and with capped labels, the S-score, coverage of intervals.

d = predicted - true, cycles. Late (d > 0) is worse than early: a part that was promised longer than it lives fails.
"""

from __future__ import annotations

import math

import numpy as np

from loopwright.core.errors import InputError
from loopwright.learn.intervals import clopper_pearson
from loopwright.learn.lives.units import CAP

EARLY, LATE = 13.0, 10.0  # cycles: the scales of the S-score


def rmse(predicted: np.ndarray, true: np.ndarray) -> float:
    """Root of the mean square of predicted (n,) - true (n,), cycles."""
    d = _difference(predicted, true)
    return float(np.sqrt(np.mean(d * d)))


def capped(predicted: np.ndarray, true: np.ndarray, cap: float | np.ndarray = CAP) -> float:
    """RMSE where every label above `cap` counts as `cap`, and so does every prediction above it.

    A life of more than 125 cycles is told by no sensor of C-MAPSS yet, so most publications score this; many do not
    say so. It hides the hardest units: it is only shown beside the raw error.
    """
    return rmse(np.minimum(predicted, cap), np.minimum(true, cap))


def s_score(predicted: np.ndarray, true: np.ndarray) -> float:
    """Sum over the units of exp(-d / 13) - 1 where d < 0 (early), exp(d / 10) - 1 elsewhere (late).

    A sum: it grows with the number of units, and one very late prediction can be all of it. inf where it overflows.
    Source: A. Saxena, K. Goebel, D. Simon and N. Eklund, PHM 2008, equation of the scoring function.
    """
    d = _difference(predicted, true)
    with np.errstate(over="ignore"):
        return float(np.sum(np.expm1(np.where(d < 0, -d / EARLY, d / LATE))))


def challenge(predicted: np.ndarray, true: np.ndarray) -> float | None:
    """Score of the IEEE PHM 2012 challenge, 0 to 1, larger is better: the mean of A over the units.

    Er = 100 (true - predicted) / true, percent; A = 2^(Er / 5) where Er <= 0 (late), 2^(-Er / 20) elsewhere (early).
    None where a truth is 0: the error is a share of it.
    Source: P. Nectoux et al., PRONOSTIA: an experimental platform for bearings accelerated degradation tests, IEEE PHM
    2012, section on the scoring: exp(-ln 0.5 (Er / 5)) and exp(+ln 0.5 (Er / 20)).
    """
    d = _difference(predicted, true)
    if (np.asarray(true) <= 0).any():
        return None
    er = -100.0 * d / np.asarray(true, dtype=np.float64)
    return float(np.mean(np.exp2(np.where(er <= 0, np.maximum(er, -5000.0) / 5.0, -er / 20.0))))


def covered(low: np.ndarray, high: np.ndarray, true: np.ndarray) -> tuple[float, float, float]:
    """(share of the truths inside [low, high], and the ends of its 95 % binomial interval).

    The interval is that of Clopper and Pearson. It holds for units; several cuts of one unit are not independent.
    """
    inside = (np.asarray(low) <= np.asarray(true)) & (np.asarray(true) <= np.asarray(high))
    if not inside.size:
        raise InputError("coverage", "no unit", "at least one")
    first, last = clopper_pearson(int(inside.sum()), inside.size)
    return float(inside.mean()), first, last


def scores(
    predicted: np.ndarray, true: np.ndarray, low: np.ndarray, high: np.ndarray, cap: float | np.ndarray = CAP
) -> dict[str, float | None]:
    """All of them: rmse and S-score raw and capped, bias, coverage and mean width of the 90 % interval.

    A score that overflows is None.
    """
    share, first, last = covered(low, high, true)
    s_raw, s_capped = s_score(predicted, true), s_score(np.minimum(predicted, cap), np.minimum(true, cap))
    return {
        "rmse_raw": rmse(predicted, true), "rmse_capped": capped(predicted, true, cap),
        "s_score_raw": s_raw if math.isfinite(s_raw) else None,
        "s_score_capped": s_capped if math.isfinite(s_capped) else None,
        "bias": float(np.mean(_difference(predicted, true))),
        "coverage_90": share, "coverage_90_low": first, "coverage_90_high": last,
        "width_90": float(np.mean(np.asarray(high) - np.asarray(low))),
    }


def _difference(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    predicted, true = np.asarray(predicted, dtype=np.float64), np.asarray(true, dtype=np.float64)
    if predicted.shape != true.shape or predicted.ndim != 1 or not len(true):
        raise InputError("scores of lives", f"{predicted.shape} predicted, {true.shape} true", "(n,) and (n,), n >= 1")
    if not (np.isfinite(predicted).all() and np.isfinite(true).all()):
        raise InputError("scores of lives", "a prediction or a truth is not a number", "finite numbers")
    return predicted - true
