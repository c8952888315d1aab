"""What a detector is examined on: rows to learn from, rows to set a threshold by, and rows that are asked.

    Recording("valve1/0", channels, fit, calm, asked, labels, step_s)
    RecordingSet("skab", recordings, notes)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Recording:
    """One run of one thing.

    name      within its set: 'valve1/0'
    channels  names of the C columns
    fit       (T, C) rows to learn from, NaN where missing; nobody says that they are all usual
    calm      (K, C) usual rows that no model learns from, for thresholds; (0, C): the rows of `fit` must do
    asked     (N, C) rows that are scored
    labels    (N,) 1: anomalous
    step_s    seconds between rows; 1.0 where nobody knows
    before    (T,) labels of `fit` where they count too (NAB labels what lies there), else None
    left      (N,) share of life that is left after each row, for runs to failure
    follows   whether `asked` comes right after `fit` and `calm` in the same run
    """

    name: str
    channels: tuple[str, ...]
    fit: np.ndarray
    calm: np.ndarray
    asked: np.ndarray
    labels: np.ndarray
    step_s: float
    before: np.ndarray | None = None
    follows: bool = True
    left: np.ndarray | None = None


@dataclass(frozen=True)
class RecordingSet:
    """Recordings that are scored together.

    name       of the set: 'skab'
    split      what is held out: 'time' (later rows of a run), 'run'
    protocol   'labels': rows are labelled; 'life': every run ends in failure and nothing else is known
    published  recording -> method -> published VUS-PR, where a table lies beside the data
    notes      sentences to be printed under the table
    """

    name: str
    recordings: tuple[Recording, ...]
    split: str = "time"
    protocol: str = "labels"
    published: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
