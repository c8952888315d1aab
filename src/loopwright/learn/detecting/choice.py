"""Which detector finds best what was put into usual rows: a choice that looks at no label and at no row that is asked.

    areas = {"pca": on_planted(recordings, pca), ...}     (cases,) areas under precision and recall of each detector
    name = best(areas, default)                           the highest mean; the default unless another is clearly ahead
    ranks = mean_ranks(areas)                             {name: mean rank, 1 the best}, to be told beside it

The same recipe for every set: of each recording the training rows that the detectors did not learn from, one anomaly of
each kind (`planted`) in them, fixed seeds, the same cases for all. A mean of areas and not of ranks: on the normal run
and on the training rows of SKAB, with areas and with alarms at a threshold, it names the same detector four times of
four, ranks name three, because they count a hundredth as much as a half (docs/LOG.md).
Limits: where few rows are held back averages have no room; faults that last longer than them are not among the cases.
Source: M. Goswami et al., ICLR 2023 (detectors chosen by anomalies put in).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import ModuleType

import numpy as np

from loopwright.learn.detecting import watched
from loopwright.learn.detecting.planted import FEWEST, KINDS, planted
from loopwright.learn.detecting.recordings import Recording
from loopwright.learn.metrics import anomaly as metrics

MOST = 24  # recordings that count, evenly from all
LONGEST = 4000  # rows that a case has at most: the area takes a second a case beyond them
CASES = 56  # at least: few recordings get several anomalies of a kind
CLEARLY = 2.0  # standard errors of the difference in areas


def on_planted(recordings: Sequence[Recording], module: ModuleType) -> np.ndarray:
    """(cases,) VUS-PR of a detector; (0,) where no recording holds back rows to put anything into."""
    distinct = {(id(one.fit), id(one.calm)): one for one in recordings}  # runs that share a normal one count once
    enough = [recording for recording in distinct.values() if len(held_back(recording)[1]) >= FEWEST]
    chosen = enough[:: max(1, len(enough) // MOST)][:MOST]
    if not chosen:
        return np.zeros(0)
    draws = -(-CASES // (len(chosen) * len(KINDS)))
    return np.concatenate([_of(module, one, n, draws) for n, one in enumerate(chosen)])


def held_back(recording: Recording) -> tuple[np.ndarray, np.ndarray]:
    """(rows to learn from, rows to put anomalies into), both of training."""
    if len(recording.calm):
        return recording.fit, recording.calm
    rows = len(recording.fit)
    learned = max(min(rows, watched.LEAST), rows - int(rows * watched.HELD_BACK))
    return recording.fit[:learned], recording.fit[learned:]


def _of(module: ModuleType, recording: Recording, number: int, draws: int) -> np.ndarray:
    """(draws * kinds,) areas of one recording."""
    learned, base = held_back(recording)
    state, base = module.fit(learned, 0), base[:LONGEST]
    window = min(metrics.vus_window(np.nan_to_num(base[:, 0])), len(base) // 8)
    areas = []
    for case in range(draws * len(KINDS)):
        values, labels = planted(base, case + draws * len(KINDS) * number)
        scores, _ = module.score(state, values)
        areas.append(metrics.vus_pr(labels, watched.aligned(scores, int(state["lag"])), window) or 0.0)
    return np.array(areas)


def ranks(areas: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """{name: (cases,) rank}, 1 the best; equal areas share the mean of their ranks."""
    table = np.array(list(areas.values()))  # (models, cases)
    ahead = (table[None, :, :] > table[:, None, :]).sum(axis=1)
    even = (table[None, :, :] == table[:, None, :]).sum(axis=1)
    return dict(zip(areas, ahead + (even + 1) / 2.0, strict=True))


def mean_ranks(areas: Mapping[str, np.ndarray]) -> dict[str, float]:
    """{name: mean rank}, the best first."""
    told = {name: float(rank.mean()) for name, rank in ranks(areas).items()}
    return dict(sorted(told.items(), key=lambda one: one[1]))


def told(areas: Mapping[str, np.ndarray]) -> str:
    """The mean areas in words, the highest first, with the mean ranks."""
    rank = mean_ranks(areas)
    order = sorted(areas, key=lambda name: -float(areas[name].mean()))
    return ", ".join(f"{name} {float(areas[name].mean()):.3f} (rank {rank[name]:.2f})" for name in order)


def best(areas: Mapping[str, np.ndarray], default: str) -> str:
    """The highest mean area; `default` where it is among them and not behind by more than two standard errors."""
    first = max(areas, key=lambda name: float(areas[name].mean()))
    if default not in areas:
        return first
    ahead = areas[first] - areas[default]
    doubt = CLEARLY * ahead.std(ddof=1) / np.sqrt(len(ahead)) if len(ahead) > 1 else np.inf
    return first if ahead.mean() > doubt else default
