"""How large errors will be: fitted to how large surprises were lately, and a year ago at the same time of the year.

    then, now = signs(past, origins, 0, 24), signs(past, newest, 0, 24)     (B, F, K), (B, F, 1)
    evened = as_now(errors, then, now, overlap)                            errors (B, K, L) at the size they have now

Errors of quiet and of restless times are not exchangeable; divided by the size that was to be expected of their origin
they nearly are. Of each origin the logarithm of its mean absolute error is told by a ridge regression on F signs:
logarithms of the mean absolute surprise of a day (what the day before and the profile did not tell), smoothed over
about 5 and 20 days, and of the weeks around the same days a year before. What is expected of now over what was expected
of the origin, within LIMIT, is the factor of each error.
Source: normalised conformal prediction (H. Papadopoulos et al., ECML 2002); exponential smoothing of the size of errors
(J.P. Morgan/Reuters, RiskMetrics technical document, 1996, section 5.2), here in logarithms, fitted to each horizon.
"""

from __future__ import annotations

import numpy as np

from loopwright.learn.forecasting.days import YEAR, Past

AROUND = 14  # days on both sides of the days ahead, a year before
STRENGTH = 10.0  # independent cases that "the size never changes" is worth
LIMIT = 4.0  # times
LEAST = 1e-3  # of the usual size: errors that vanish have no logarithm


def signs(past: Past, origins: slice, first: int, last: int) -> np.ndarray:
    """(B, F, K) logarithms of sizes known at each origin, for points first <= h < last ahead; NaN without a year."""
    size = past.surprises  # (B, N)
    floor = LEAST * size.mean(axis=1, keepdims=True) + 1e-12
    found = [one[:, origins] for one in past.restless]
    if past.years(origins):
        points = past.days.shape[2]
        n = np.arange(past.count)[origins]
        low, high = n + first // points + 1 - YEAR - AROUND, np.minimum(n - (-last // points) - YEAR + AROUND, n)
        total, there = past.surprises_total, np.maximum(low, 0)
        mean = (total[:, np.maximum(high, 0) + 1] - total[:, there]) / np.maximum(high + 1 - there, 1)
        found.append(np.where(low >= 7, mean, np.nan))
    return np.log(np.stack(found, axis=1) + floor[:, None])


def as_now(errors: np.ndarray, then: np.ndarray, now: np.ndarray, overlap: float) -> np.ndarray:
    """Errors (B, K, L), NaN where unknown, times what is expected now (B, F, 1) over what was of each case (B, F, K).

    overlap  how many neighbouring cases say nearly the same
    """
    known = np.isfinite(errors)
    count = known.sum(axis=2)
    size = np.where(known, np.abs(errors), 0.0).sum(axis=2) / np.maximum(count, 1)  # (B, K)
    weight = (count > 0) / max(overlap, 1.0)
    number = np.maximum(weight.sum(axis=1, keepdims=True), 1e-12)
    usual = (size * weight).sum(axis=1, keepdims=True) / number
    told = np.log(size + LEAST * usual + 1e-12)
    told = (told - (told * weight).sum(axis=1, keepdims=True) / number) * weight
    there = np.isfinite(then)
    middle = np.where(there, then, 0.0).sum(axis=2, keepdims=True) / np.maximum(there.sum(axis=2, keepdims=True), 1)
    x = np.where(there, then - middle, 0.0)  # (B, F, K): a sign that is unknown says nothing
    newest = np.where(np.isfinite(now), now - middle, 0.0)
    square = (x * weight[:, None]) @ x.transpose(0, 2, 1)
    unit = (STRENGTH * np.mean(x**2, axis=(1, 2)) + 1e-9)[:, None, None] * np.eye(x.shape[1])
    slopes = np.linalg.solve(square + unit, x @ told[:, :, None])  # (B, F, 1)
    change = np.clip((slopes * (newest - x)).sum(axis=1), -np.log(LIMIT), np.log(LIMIT))  # (B, K)
    return errors * np.exp(change)[:, :, None]
