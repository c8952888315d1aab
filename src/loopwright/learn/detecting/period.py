"""The length of the cycle that a signal repeats, in samples, from its autocorrelation.

    cycle(values)        (T,) -> samples, 0 where nothing repeats
"""

from __future__ import annotations

import numpy as np

from loopwright.learn.metrics.anomaly import autocorrelation

CLEAR = 0.2  # autocorrelation that a peak must have to be called a cycle


def cycle(values: np.ndarray, longest: int) -> int:
    """The lag of the highest peak of the autocorrelation from 4 samples to `longest`; 0 where no peak is clear.

    values   (T,) NaN: missing, taken as the mean
    longest  samples; at most a third of T counts, so that a cycle was seen three times
    """
    known = np.where(np.isfinite(values), values, np.nan)
    if len(values) < 12 or not np.isfinite(known).any():
        return 0
    filled = np.where(np.isnan(known), np.nanmean(known), known)
    curve = autocorrelation(filled, min(longest, len(values) // 3) + 1)
    lags = np.arange(4, len(curve) - 1)
    if not len(lags):
        return 0
    peak = (curve[lags] > curve[lags - 1]) & (curve[lags] >= curve[lags + 1]) & (curve[lags] > CLEAR)
    return int(lags[peak][np.argmax(curve[lags[peak]])]) if peak.any() else 0
