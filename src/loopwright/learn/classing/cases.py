"""What is sorted into classes: whole runs, cycles or windows, each of several channels, with the sets they come in.

    Cases       the series: ids, values of each (C, T_i), channels, rate
    ClassSet    cases with their labels, what is left out together, and what was published as the test part
    from_windows(read, runs, signals, step_ns)    cases of a plant's own runs, from its store

A model sees Cases and labels. It never sees ids, places in a file or lengths that name the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError
from loopwright.core.types import Windows
from loopwright.learn.splits import check_names
from loopwright.learn.wear.runs import Features

MOST_CHANNELS = 10_000
LARGEST = 1e30  # a larger number is no measurement; its square would leave float32


@dataclass(frozen=True)
class Cases:
    """Series to be sorted.

    ids       (n,) what each is called
    values    n arrays (C, T_i) float64 of one rate, NaN where nothing is known; infinities, and what is beyond
              LARGEST, count as unknown
    channels  (C,) names
    rate_hz   samples a second; None where the source does not say
    measures  features of each run beside its series (`learn.wear.runs`), where the set has them
    Raises InputError for cases of unlike channels, without a sample, or of more than MOST_CHANNELS channels.
    """

    ids: tuple[str, ...]
    values: tuple[np.ndarray, ...]
    channels: tuple[str, ...]
    rate_hz: float | None = None
    measures: Features | None = None

    def __post_init__(self) -> None:
        if len(self.ids) != len(self.values):
            raise InputError("cases", f"{len(self.ids)} ids for {len(self.values)} series", "one each")
        if not 1 <= len(self.channels) <= MOST_CHANNELS:
            raise InputError("cases", f"{len(self.channels)} channels", f"1 to {MOST_CHANNELS:,}")
        for name, one in zip(self.ids, self.values, strict=True):
            if one.ndim != 2 or one.shape[0] != len(self.channels) or one.shape[1] < 1:
                allowed = f"({len(self.channels)}, T) with at least one sample"
                raise InputError(f"case {name}", f"its values are {one.shape}", allowed)
        if self.measures is not None and len(self.measures.runs) != len(self.ids):
            raise InputError("cases", f"measures of {len(self.measures.runs)} runs", f"of all {len(self.ids)}")

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def points(self) -> int:
        """Samples of all channels together."""
        return sum(one.size for one in self.values)

    def take(self, rows: Any) -> Cases:
        """Only these cases, in this order."""
        picked = np.asarray(rows, dtype=np.int64)
        return Cases(
            tuple(self.ids[i] for i in picked), tuple(self.values[i] for i in picked), self.channels, self.rate_hz,
            None if self.measures is None else self.measures.take(picked),
        )


@dataclass(frozen=True)
class ClassSet:
    """Cases of which the class is known, and how they are divided.

    name     'gearbox', 'hydraulic/pump'
    cases    n of them
    labels   (n,) their classes in words; '' where nobody says: such a case is answered and not scored
    groups   (n,) what stays together in every split: the run, load, block, person
    split    what a group is: 'run', 'load', 'block', 'case'
    apart    (n,) bool: published as the test part, never trained on; None where nothing is
    folds    (n,) cases that are left out together, whole groups; () for one group after the other
    whole    (n,) the recording a case is a window of, to judge recordings by the mean of their windows; () for none
    notes    sentences that are printed under the table
    """

    name: str
    cases: Cases
    labels: tuple[str, ...]
    groups: tuple[str, ...]
    split: str
    apart: np.ndarray | None = None
    folds: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default_factory=tuple)

    def __post_init__(self) -> None:
        for what, rows in (("labels", self.labels), ("groups", self.groups)):
            if len(rows) != len(self.cases):
                raise InputError(f"set {self.name}", f"{len(rows)} {what} for {len(self.cases)} cases", "one each")


def need_cases(labels: Sequence[str]) -> None:
    """Raises InputError where there is nothing to learn from."""
    if not len(labels):
        raise InputError("training", "no case with a known class", "at least one")


def spread(p: np.ndarray, known: Sequence[str], classes: Sequence[str]) -> np.ndarray:
    """(n, len(classes)) of p (n, len(known)): 0 for a class that was not in training."""
    found = np.zeros((len(p), len(classes)))
    found[:, [list(classes).index(name) for name in known]] = p
    return found


def clean(one: np.ndarray) -> np.ndarray:
    """(C, T) without gaps: a straight line over each, the nearest value at the ends, 0 in a channel without any.

    For models whose arithmetic knows no gaps. Where nothing is missing the array itself comes back.
    """
    known = np.abs(one) < LARGEST  # false where it is NaN
    if known.all():
        return one
    filled = np.zeros(one.shape)
    at = np.arange(one.shape[1])
    for c in range(one.shape[0]):
        if known[c].any():
            filled[c] = np.interp(at, at[known[c]], one[c, known[c]])
    return filled


def resampled(one: np.ndarray, length: int) -> np.ndarray:
    """(C, length): the means of `length` equal stretches of (C, T), or straight lines between samples where T < length.

    Stretches that cut a sample take their share of it, so no sample is lost.
    """
    t = one.shape[1]
    if t == length:
        return one
    if t < length:
        at = np.linspace(0.0, t - 1.0, length)
        return np.stack([np.interp(at, np.arange(t), row) for row in one])
    sums = np.concatenate([np.zeros((one.shape[0], 1)), np.cumsum(one, axis=1)], axis=1)
    edges = np.linspace(0.0, t, length + 1)
    whole = np.minimum(edges.astype(np.int64), t - 1)
    at_edge = sums[:, whole] + (edges - whole) * one[:, whole]
    return np.diff(at_edge, axis=1) * (length / t)


def windowed(values: np.ndarray, length: int) -> list[np.ndarray]:
    """The whole windows of `length` samples, side by side, of one recording (C, T); the rest at the end is left out."""
    return [values[:, i : i + length] for i in range(0, values.shape[1] - length + 1, length)]


def from_windows(
    read: Callable[..., Windows], runs: Sequence[Mapping[str, Any]], signals: Sequence[str], step_ns: int,
    known_by_ns: int | None = None,
) -> Cases:
    """Cases of a plant's own runs: one for each run, read from its store on a regular grid.

    read         `store.windows`
    runs         [{run, thing, start_ns, end_ns}]: as `packs.shop_floor.wear.finished` and `learn.wear.runs.find_runs`
    tell signals      (C,) which signals; names that would give the answer away are refused (`splits.check_names`)
    step_ns      of the grid; the last value in each step counts, a step without one is unknown
    known_by_ns  only what was known by then
    Raises InputError for no runs, or a run that ends before it begins; LeakError for a name that tells the answer.
    """
    if not runs:
        raise InputError("cases", "there is no run", "at least one")
    check_names(signals)
    values = []
    for run in runs:
        start_ns, end_ns = int(run["start_ns"]), int(run["end_ns"])
        if end_ns < start_ns:
            given = f"ends {start_ns - end_ns} ns before it begins"
            raise InputError(f"run {run['run']}", given, "an end after the start")
        times = {"start_ns": start_ns, "end_ns": end_ns + 1, "step_ns": step_ns, "known_by_ns": known_by_ns}
        one = read([run["thing"]], list(signals), **times)
        values.append(np.where(one.mask[0], one.values[0], np.nan).T.astype(np.float64))  # (T, C) -> (C, T)
    return Cases(tuple(str(run["run"]) for run in runs), tuple(values), tuple(signals), NS_PER_S / step_ns)
