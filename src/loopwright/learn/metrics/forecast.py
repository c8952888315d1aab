"""Errors of forecasts by GIFT-Eval's definitions: MASE and mean weighted quantile loss, with coverage, ND and sMAPE.

    told = scores(Scored(past, truth, quantiles, LEVELS), season=24)     {'mase': .., 'crps': .., ...}

Windows of several series are scored together: MASE is the mean over all points of all windows, CRPS is a ratio of sums.
Points without a truth (NaN) count for nothing; so do windows whose own past never changed over a season (MASE only).
Source: T. Aksu et al., GIFT-Eval (arXiv 2410.10393), which takes them from gluonts (A. Alexandrov et al., JMLR 21
(2020) 116), module gluonts.ev; MASE: R. J. Hyndman and A. B. Koehler, Int. J. Forecasting 22 (2006) 679.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from loopwright.core.errors import InputError

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


@dataclass(frozen=True)
class Scored:
    """Forecasts and what came.

    past       W arrays (T_w,): what was known when each window was forecast
    truth      (W, H) what came, NaN where nothing did
    quantiles  (W, H, Q) the forecasts
    levels     Q levels, rising; 0.5 among them
    """

    past: Sequence[np.ndarray]
    truth: np.ndarray
    quantiles: np.ndarray
    levels: Sequence[float] = LEVELS

    def __post_init__(self) -> None:
        expected = (*self.truth.shape, len(self.levels))
        if self.truth.ndim != 2 or self.quantiles.shape != expected or len(self.past) != len(self.truth):
            given = f"truth {self.truth.shape}, quantiles {self.quantiles.shape}, {len(self.past)} pasts"
            raise InputError("scores of forecasts", given, "truth (W, H), quantiles (W, H, Q), W pasts")
        if not np.isfinite(self.quantiles).all():
            raise InputError("scores of forecasts", "a forecast is not finite", "numbers only")
        if 0.5 not in self.levels:
            raise InputError("scores of forecasts", f"levels {tuple(self.levels)}", "0.5 among them")

    @property
    def median(self) -> np.ndarray:
        """(W, H)"""
        return self.quantiles[:, :, list(self.levels).index(0.5)]


def scores(scored: Scored, season: int) -> dict[str, float | None]:
    """mase, crps, nd, smape, coverage_80 (where levels has 0.1 and 0.9) and points, how many truths there were.

    None for a metric that has nothing to divide by.
    """
    told: dict[str, float | None] = {
        "mase": mase(scored.truth, scored.median, [seasonal_error(one, season) for one in scored.past]),
        "crps": weighted_quantile_loss(scored.truth, scored.quantiles, scored.levels),
        "nd": deviation(scored.truth, scored.median),
        "smape": smape(scored.truth, scored.median),
    }
    if {0.1, 0.9} <= set(scored.levels):
        low, high = (scored.quantiles[:, :, list(scored.levels).index(level)] for level in (0.1, 0.9))
        told["coverage_80"] = coverage(scored.truth, low, high)
    return told | {"points": float(np.isfinite(scored.truth).sum())}


def seasonal_error(past: np.ndarray, season: int) -> float:
    """Mean |y_t - y_(t - season)| of a series (T,), pairs with a missing value left out; NaN where there is no pair.

    A season longer than the series counts as 1, as in gluonts.
    """
    season = season if season <= len(past) else 1
    gaps = np.abs(past[season:] - past[:-season])
    known = gaps[np.isfinite(gaps)]
    return float(known.mean()) if known.size else float("nan")


def mase(truth: np.ndarray, median: np.ndarray, errors: Sequence[float]) -> float | None:
    """Mean |truth - median| / seasonal error of the window's own past, over all points.

    truth, median  (W, H); errors (W,): windows whose error is 0 or NaN are left out
    None where nothing is left.
    """
    scale = np.asarray(errors, dtype=np.float64)[:, None]
    good = np.isfinite(truth) & (scale > 0)
    ratio = np.abs(truth - median)[good] / np.broadcast_to(scale, truth.shape)[good]
    return float(ratio.mean()) if ratio.size else None


def weighted_quantile_loss(truth: np.ndarray, quantiles: np.ndarray, levels: Sequence[float]) -> float | None:
    """Mean over the levels q of sum 2 |(y - x_q) (1[y <= x_q] - q)| / sum |y|: GIFT-Eval's CRPS.

    truth (W, H), quantiles (W, H, Q)
    None where the truth is 0 throughout.
    """
    known = np.isfinite(truth)
    y, x, q = truth[known][:, None], quantiles[known], np.asarray(levels)  # (n, 1), (n, Q), (Q,)
    size = np.abs(y).sum()
    return float((2.0 * np.abs((y - x) * ((y <= x) - q))).sum(axis=0).mean() / size) if size > 0 else None


def deviation(truth: np.ndarray, median: np.ndarray) -> float | None:
    """ND: sum |truth - median| / sum |truth|; None where the truth is 0 throughout."""
    known = np.isfinite(truth)
    size = np.abs(truth[known]).sum()
    return float(np.abs(truth - median)[known].sum() / size) if size > 0 else None


def smape(truth: np.ndarray, median: np.ndarray) -> float | None:
    """Mean of 2 |truth - median| / (|truth| + |median|), 0 to 2; points where both are 0 count as 0.

    None without a truth.
    """
    known = np.isfinite(truth)
    gap, size = np.abs(truth - median)[known], (np.abs(truth) + np.abs(median))[known]
    return float((2.0 * gap / np.where(size > 0, size, 1.0)).mean()) if gap.size else None


def coverage(truth: np.ndarray, low: np.ndarray, high: np.ndarray) -> float | None:
    """Share of truths from low to high, both counted; None without a truth."""
    known = np.isfinite(truth)
    return float(((truth >= low) & (truth <= high))[known].mean()) if known.any() else None


def relative(ours: float | None, theirs: float | None) -> float | None:
    """ours / theirs; None where either is unknown or theirs is 0."""
    return ours / theirs if ours is not None and theirs else None


def geometric_mean(ratios: Sequence[float]) -> float | None:
    """exp of the mean logarithm of positive numbers; None for none."""
    good = [ratio for ratio in ratios if ratio > 0]
    return float(np.exp(np.mean(np.log(good)))) if good else None
