"""How well scores find labelled anomalies: VUS-PR, area under precision and recall, alarms at a fixed threshold, delay.

    window = vus_window(values)                      samples, from the autocorrelation
    vus_pr(labels, scores, window)                   0..1: needs no threshold
    average_precision(labels, scores)                0..1
    told = at_threshold(labels, scores, threshold)   false-alarm rate, missed-alarm rate, delay
Never point-adjusted: a found point counts as one point.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np

from loopwright.core.errors import InputError

THRESHOLDS = 250  # of VUS-PR
LAGS = 400  # that the window of VUS-PR is looked for in
NO_PERIOD = 125  # samples: the window where the autocorrelation has no peak


def autocorrelation(values: np.ndarray, lags: int) -> np.ndarray:
    """(lags + 1,) of (T,) values about their mean, each lag divided by T; zeros for a constant."""
    away = values - values.mean()
    size = 1 << int(np.ceil(np.log2(2 * len(away) + 1)))
    spectrum = np.fft.rfft(away, size)
    sums = np.fft.irfft(spectrum * np.conj(spectrum), size)[: lags + 1]
    return sums / sums[0] if sums[0] > 0 else np.zeros(len(sums))


def vus_window(values: np.ndarray) -> int:
    """The window of VUS-PR for a signal, samples: the highest peak of its autocorrelation at lags 4 to 302, else 125.

    values  (T,) finite; the first 20,000 count
    Source: `find_length_rank(rank=1)` of the package TSB-AD 1.5; the tests hold the two side by side.
    """
    base = 3
    curve = autocorrelation(values[:20_000].astype(float), LAGS)[base:]
    peaks = np.flatnonzero((curve[1:-1] > curve[:-2]) & (curve[1:-1] > curve[2:])) + 1
    if not len(peaks):
        return NO_PERIOD
    peak = int(peaks[np.argmax(curve[peaks])])
    return peak + base if 3 <= peak <= 300 else NO_PERIOD


def runs_of(labels: np.ndarray) -> list[tuple[int, int]]:
    """(first, last) of each run of ones, both within it."""
    edges = np.diff(np.concatenate(([0], (labels > 0).astype(np.int8), [0])))
    return list(zip(np.flatnonzero(edges == 1).tolist(), (np.flatnonzero(edges == -1) - 1).tolist(), strict=True))


def vus_pr(labels: np.ndarray, scores: np.ndarray, window: int, thresholds: int = THRESHOLDS) -> float | None:
    """The volume under the surface of precision and recall over every margin from 0 to `window`.

    labels   (N,) 1: anomalous, 0: usual
    scores   (N,) higher is more anomalous; finite
    window   the widest margin round an anomaly whose points count in part, samples
    returns  0..1; None where no point is labelled, or all are

    For a margin w a point at distance d from an anomaly counts sqrt(1 - d / w), up to w / 2 on either side. Recall is
    weighted by the share of anomalies of which at least one point was found. The area under each margin's curve is
    taken at `thresholds` thresholds of even rank, and the areas are averaged.
    Source: J. Paparrizos et al., PVLDB 15 (2022) 2774; as in `RangeAUC_volume_opt` of the package TSB-AD 1.5.
    """
    labels, scores = _checked(labels, scores)
    found = runs_of(labels)
    if not found or labels.all():
        return None
    first_at, predicted = _first_threshold(scores, thresholds)
    hull = _widened(found, window, len(labels))
    inside = np.zeros(len(labels), dtype=bool)
    for begin, end in hull:
        inside[begin : end + 1] = True
    areas = [_area(labels, found, width, inside, first_at, predicted) for width in range(window + 1)]
    return float(np.mean(areas))


def _checked(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    labels, scores = np.asarray(labels).astype(np.int8), np.asarray(scores, dtype=float)
    if labels.shape != scores.shape or labels.ndim != 1 or not len(labels):
        given = f"labels {labels.shape}, scores {scores.shape}"
        raise InputError("anomaly metric", given, "one label and one score a point")
    if not np.isfinite(scores).all():
        given = f"{int((~np.isfinite(scores)).sum())} scores are not numbers"
        raise InputError("anomaly metric", given, "finite scores")
    return labels, scores


def _first_threshold(scores: np.ndarray, thresholds: int) -> tuple[np.ndarray, np.ndarray]:
    """((N,) index of the first threshold that each point reaches, (thresholds,) points that reach each)."""
    highest = -np.sort(-scores)
    levels = highest[np.linspace(0, len(scores) - 1, thresholds).astype(int)]
    first_at = np.searchsorted(-levels, -scores, side="left")
    return first_at, np.cumsum(np.bincount(first_at, minlength=thresholds))


def _widened(found: list[tuple[int, int]], window: int, length: int) -> list[tuple[int, int]]:
    """The anomalies with their margins, those that touch taken together."""
    half, out = window // 2, []
    begin = max(found[0][0] - half, 0)
    for (_, end), (following, _) in itertools.pairwise(found):
        if end + half < following - half:
            out.append((begin, end + half))
            begin = following - half
    return [*out, (begin, min(found[-1][1] + half, length - 1))]


def _margins(labels: np.ndarray, found: list[tuple[int, int]], window: int) -> np.ndarray:
    """(N,) what each point counts: 1 in an anomaly, less beside it."""
    out = labels.astype(float)
    half = window // 2
    for begin, end in found:
        after = np.arange(end + 1, min(end + half + 1, len(labels)))
        out[after] += np.sqrt(1 - (after - end) / window) if half else 0.0
        before = np.arange(max(begin - half, 0), begin)
        out[before] += np.sqrt(1 - (begin - before) / window) if half else 0.0
    return np.minimum(out, 1.0)


def _area(
    labels: np.ndarray,
    found: list[tuple[int, int]],
    window: int,
    inside: np.ndarray,
    first_at: np.ndarray,
    predicted: np.ndarray,
) -> float:
    """The area under precision and recall for one margin."""
    weight = np.where(inside, _margins(labels, found, window), 0.0)
    beside = np.where(labels > 0, 0.0, weight)
    hit = np.cumsum(np.bincount(first_at, weights=weight, minlength=len(predicted)))
    wide = labels.sum() + np.cumsum(np.bincount(first_at, weights=beside, minlength=len(predicted)))
    seen_at = [first_at[begin : end + 1].min() for begin, end in _widened(found, window, len(labels))]
    seen = np.cumsum(np.bincount(seen_at, minlength=len(predicted))) / len(seen_at)
    recall = np.minimum(hit / ((labels.sum() + wide) / 2), 1.0) * seen
    return float(np.dot(np.diff(recall, prepend=0.0), hit / predicted))


def average_precision(labels: np.ndarray, scores: np.ndarray) -> float | None:
    """The area under precision and recall as a step curve; None where no point is labelled.

    sum (R_n - R_n-1) P_n over the distinct scores from the highest down, as scikit-learn's average_precision_score.
    """
    labels, scores = _checked(labels, scores)
    if not labels.any():
        return None
    order = np.argsort(-scores, kind="stable")
    hits, ranked = np.cumsum(labels[order]), scores[order]
    last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)  # the end of each group of equal scores
    precision, recall = hits[last] / (last + 1.0), hits[last] / hits[-1]
    return float(np.dot(np.diff(recall, prepend=0.0), precision))


def at_threshold(labels: np.ndarray, scores: np.ndarray, threshold: float) -> dict[str, float | None]:
    """What alarms at `score > threshold` are worth.

    returns  false_alarm_rate   share of the usual points with an alarm
             missed_alarm_rate  share of the anomalous points without one
             f1                 of points
             found              share of anomalies with an alarm in them
             delay              samples from an anomaly's start to its first alarm, median of those that were found
    """
    labels, scores = _checked(labels, scores)
    return from_counts(counts(labels, scores > threshold))


def counts(labels: np.ndarray, alarms: np.ndarray) -> dict[str, list[float]]:
    """Plain counts that add up over files: {usual, false, anomalous, missed, runs, found, delays}."""
    runs = runs_of(labels)
    first = [np.flatnonzero(alarms[begin : end + 1]) for begin, end in runs]
    return {
        "usual": [float((labels == 0).sum())],
        "false": [float((alarms & (labels == 0)).sum())],
        "anomalous": [float((labels == 1).sum())],
        "missed": [float((~alarms & (labels == 1)).sum())],
        "runs": [float(len(runs))],
        "found": [float(sum(len(hits) > 0 for hits in first))],
        "delays": [float(hits[0]) for hits in first if len(hits)],
    }


def from_counts(*parts: Mapping[str, list[float]]) -> dict[str, float | None]:
    """The rates of `at_threshold` over several files taken together; None where there is nothing to divide by."""
    total = {name: float(sum(sum(part[name]) for part in parts)) for name in parts[0] if name != "delays"}
    delays = [delay for part in parts for delay in part["delays"]]
    hit = total["anomalous"] - total["missed"]
    wrong = total["false"] + total["missed"] + 2 * hit
    return {
        "false_alarm_rate": total["false"] / total["usual"] if total["usual"] else None,
        "missed_alarm_rate": total["missed"] / total["anomalous"] if total["anomalous"] else None,
        "f1": 2 * hit / wrong if wrong else None,
        "found": total["found"] / total["runs"] if total["runs"] else None,
        "delay": float(np.median(delays)) if delays else None,
    }
