"""One detector on one recording: its scores, the threshold that training gives, and what both are worth.

    said = scored(module, set, seed)              fitted on `fit`, thresholds from `calm`, scores of `asked`
    metrics = labelled(recordings, [told, ...])   VUS-PR, area under precision and recall, alarms, delays
    metrics = lives(recordings, [told, ...])      lead time and false alarms per 1,000 healthy rows
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from loopwright.learn.detecting.budget import tail_point
from loopwright.learn.detecting.recordings import Recording, RecordingSet
from loopwright.learn.metrics import anomaly as metrics

RATE = 0.01  # false alarms a row at which thresholds are fixed
RATE_OF_LIVES = 0.001  # the same for runs to failure
HELD_BACK = 0.4  # share of the rows to learn from that the threshold is set by where there are no calm ones
LEAST = 8  # rows that are learned from, however few there are
IN_A_ROW = 3  # rows of a run to failure that must pass before an alarm counts


@dataclass(frozen=True)
class Told:
    """What a detector said of a recording.

    before      (T,) scores of the rows it learned from
    asked       (N,) scores of the rows it was asked
    lag         rows that a score trails what it is about; known from the detector alone
    threshold   score at which an alarm is raised, from rows that it did not learn from
    """

    before: np.ndarray
    asked: np.ndarray
    lag: int
    threshold: float


def scored(module: ModuleType, watched: RecordingSet, seed: int) -> list[Told]:
    """Each recording: the detector fitted, its threshold set, the rows asked. Nothing of `asked` is looked at before.

    Of runs to failure each gives few rows to set a threshold by: they are taken together.
    """
    calm = [_calm(module, recording, seed) for recording in watched.recordings]
    if watched.protocol == "life":
        calm = [np.concatenate([lowest(scores, IN_A_ROW) for scores in calm])] * len(calm)
    fixed = getattr(module, "THRESHOLD", None)
    rate = rate_of(watched)
    return [
        _told(module, recording, seed, tail_point(scores, rate) if fixed is None else float(fixed))
        for recording, scores in zip(watched.recordings, calm, strict=True)
    ]


def _told(module: ModuleType, recording: Recording, seed: int, threshold: float) -> Told:
    state = module.fit(recording.fit, seed)
    before, lag = state.pop("fit_scores"), int(state["lag"])
    if recording.follows and len(recording.calm):
        _, state = module.score(state, recording.calm)
    asked, _ = module.score(state, recording.asked)
    return Told(before, asked, lag, threshold)


def _calm(module: ModuleType, recording: Recording, seed: int) -> np.ndarray:
    """Scores of usual rows by a detector that did not learn from them."""
    if len(recording.calm):
        return np.asarray(module.score(module.fit(recording.fit, seed), recording.calm)[0])
    rows = len(recording.fit)
    learned = max(min(rows, LEAST), rows - int(rows * HELD_BACK))
    state = module.fit(recording.fit[:learned], seed)
    if learned == rows:  # too few to hold any back
        return np.asarray(state["fit_scores"])
    return np.asarray(module.score(state, recording.fit[learned:])[0])


def aligned(scores: np.ndarray, lag: int) -> np.ndarray:
    """Each score moved to the row it is about; the last one stands for the rows that no score came for."""
    lag = min(lag, len(scores) - 1)
    return np.concatenate((scores[lag:], np.full(lag, scores[-1]))) if lag > 0 else scores


def vus_pr_of(recording: Recording, told: Told) -> tuple[float | None, float | None]:
    """(VUS-PR, area under precision and recall) over every row that has a label."""
    if recording.before is None:
        rows, labels, scores = recording.asked, recording.labels, aligned(told.asked, told.lag)
    else:
        rows = np.vstack((recording.fit, recording.asked))
        labels = np.concatenate((recording.before, recording.labels))
        scores = aligned(np.concatenate((told.before, told.asked)), told.lag)
    first = rows[:, 0]
    known = np.where(np.isfinite(first), first, np.nanmean(first) if np.isfinite(first).any() else 0.0)
    return metrics.vus_pr(labels, scores, metrics.vus_window(known)), metrics.average_precision(labels, scores)


def labelled(recordings: Sequence[Recording], said: Sequence[Told]) -> dict[str, float | None]:
    """VUS-PR and area under precision and recall, means over recordings with an anomaly; alarms over all rows asked."""
    areas = [vus_pr_of(recording, told) for recording, told in zip(recordings, said, strict=True)]
    counts = [
        metrics.counts(recording.labels, told.asked > told.threshold)
        for recording, told in zip(recordings, said, strict=True)
    ]
    for recording, count in zip(recordings, counts, strict=True):
        count["delays"] = [delay * recording.step_s for delay in count["delays"]]
    rates = metrics.from_counts(*counts)
    rates["delay_s"] = rates.pop("delay")
    return {"vus_pr": mean([a for a, _ in areas]), "auc_pr": mean([b for _, b in areas])} | rates


def by_fault(recordings: Sequence[Recording], said: Sequence[Told]) -> dict[str, float | None]:
    """'detection_<recording>': share of the anomalous rows with an alarm."""
    out: dict[str, float | None] = {}
    for recording, told in zip(recordings, said, strict=True):
        hit = told.asked[recording.labels == 1] > told.threshold
        out[f"detection_{recording.name}"] = float(hit.mean()) if len(hit) else None
    return out


def lives(recordings: Sequence[Recording], said: Sequence[Told]) -> dict[str, float | None]:
    """Runs to failure: alarms in the first half of a life are false, the first one after it gives the lead.

    returns  false_alarms_per_1000   alarms (excursions) in the first half, of 1,000 of its rows
             healthy_in_alarm        share of the rows of the first half that are in alarm
             lead_share              share of the life left at the first row in alarm of the second half, mean; 0: none
             lead_of_30_percent      share of the runs with a lead of 30 % or more
             found                   share of the runs in alarm before their end
             lasting_share           share of the life left when the alarm began that more than half of all rows from
                                     then on are in, mean; 0: none. It may begin in the first half: a fault that comes
                                     early is a false alarm above and a long lead here
    """
    healthy, rows, false, leads, lasting = 0, 0, 0, [], []
    for recording, told in zip(recordings, said, strict=True):
        alarms = lowest(told.asked, IN_A_ROW) > told.threshold
        calm = recording.labels == 0
        healthy, rows = healthy + int(calm.sum()), rows + int((alarms & calm).sum())
        false += len(metrics.runs_of(alarms & calm))
        hits = np.flatnonzero(alarms & ~calm)
        left = recording.left if recording.left is not None else np.zeros(len(alarms))
        leads.append(float(left[hits[0]]) if len(hits) else 0.0)
        lasting.append(_lasting(alarms, left))
    return {
        "false_alarms_per_1000": 1000.0 * false / healthy if healthy else None,
        "healthy_in_alarm": rows / healthy if healthy else None,
        "lead_share": mean(leads),
        "lead_of_30_percent": mean([float(lead >= 0.3) for lead in leads]),
        "found": mean([float(lead > 0.0) for lead in leads]),
        "lasting_share": mean(lasting),
    }


def _lasting(alarms: np.ndarray, left: np.ndarray) -> float:
    """What is left at the first alarm that more than half of the rows from then on are in; 0 for none."""
    from_then_on = np.cumsum(alarms[::-1])[::-1] / np.arange(len(alarms), 0, -1)
    begins = np.flatnonzero(alarms & (from_then_on > 0.5))
    return float(left[begins[0]]) if len(begins) else 0.0


def lowest(scores: np.ndarray, count: int) -> np.ndarray:
    """(N,) the lowest of the newest `count` scores, of as many as there are: it passes where all of them do."""
    out = scores.copy()
    for back in range(1, count):
        out[back:] = np.minimum(out[back:], scores[:-back])
    return out


def mean(values: Sequence[float | None]) -> float | None:
    """The mean of what is known; None for nothing."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def rate_of(watched: RecordingSet) -> float:
    """False alarms a row at which the set's thresholds are fixed."""
    return RATE_OF_LIVES if watched.protocol == "life" else RATE
