"""A signal that is to be forecast, on a regular grid of times, and how raw readings are put on one.

    Series("HUFL", values, start_s, step_s=3600.0, unit="")     values (T,), NaN where there is none
    on_grid(t_s, values)                                        (start_s, step_s, values (T,)) of readings in any order
    seasons(step_s)                                             points of a day and of a week, where they are whole
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from loopwright.core.errors import InputError

DAY_S, WEEK_S = 86_400.0, 604_800.0
LONGEST, SHORTEST = 20_000_000, 200_000  # points that one grid may have at most, and that any may have
SPARSEST = 100  # points of a grid for each reading


@dataclass(frozen=True)
class Series:
    """One signal.

    name     of the channel, zone or meter
    values   (T,) float64, oldest first, NaN where no reading is
    start_s  time of values[0], seconds since 1970 in the time the source tells
    step_s   seconds between values
    unit     of the values, '' where the source names none
    """

    name: str
    values: np.ndarray
    start_s: float
    step_s: float
    unit: str = ""


@dataclass(frozen=True)
class SeriesSet:
    """Series that are scored together: 'ETTh1' has seven.

    name    of the set
    series  all with the same step
    """

    name: str
    series: Sequence[Series]

    def __post_init__(self) -> None:
        steps = {one.step_s for one in self.series}
        if len(steps) != 1:
            raise InputError(f"set {self.name}", f"its series have steps of {sorted(steps)} s", "one step for all")

    @property
    def step_s(self) -> float:
        """Seconds between values."""
        return self.series[0].step_s


def seasons(step_s: float) -> tuple[int, ...]:
    """Points of a day and of a week; of steps of a day or longer, of a week and of a year.

    (1,) where the step does not divide them.
    """
    periods = (DAY_S, WEEK_S) if step_s < DAY_S else (WEEK_S, 365 * DAY_S)
    found = tuple(round(p / step_s) for p in periods if abs(p / step_s - round(p / step_s)) < 1e-9 and p / step_s >= 2)
    return found or (1,)


def on_grid(t_s: np.ndarray, values: np.ndarray, where: str = "series") -> tuple[float, float, np.ndarray]:
    """(start_s, step_s, values (T,)) of readings in any order on the grid of their commonest step.

    t_s     (n,) seconds; values (n,)
    Readings of the same time (clocks going back) become their mean, times without one are NaN, and a reading between
    two times of the grid counts for the nearer. Raises InputError for fewer than two times, and for a grid that would
    be far longer than the readings.
    """
    good = np.isfinite(t_s)
    t_s, values = np.asarray(t_s, np.float64)[good], np.asarray(values, np.float64)[good]
    times = np.unique(t_s)
    if times.size < 2:
        raise InputError(where, f"it has {times.size} different times", "at least 2")
    gaps, counts = np.unique(np.diff(times), return_counts=True)
    step_s = float(gaps[np.argmax(counts)])
    with np.errstate(over="ignore"):
        places = (t_s - times[0]) / step_s
    most = max(SHORTEST, min(SPARSEST * times.size, LONGEST), 2 * times.size)
    if not places.max() < most:
        given = f"its {times.size} times need a grid of {places.max() + 1:.6g} points of {step_s:g} s"
        raise InputError(where, given, f"up to {most}; cut it where it was silent for long")
    slot = np.rint(places).astype(np.int64)
    length = int(slot.max()) + 1
    known = np.isfinite(values)
    count = np.bincount(slot[known], minlength=length)
    total = np.bincount(slot[known], values[known], minlength=length)
    return float(times[0]), step_s, np.where(count > 0, total / np.maximum(count, 1), np.nan)


def gathered(name: str, readings: Mapping[str, tuple[np.ndarray, np.ndarray]], unit: str) -> SeriesSet:
    """A set of series from the (t_s, values) of each; those whose step is not the commonest are left out."""
    grids = {key: on_grid(t_s, values, f"{name}/{key}") for key, (t_s, values) in readings.items()}
    steps = [grid[1] for grid in grids.values()]
    step_s = max(set(steps), key=steps.count)
    kept = [Series(key, v, start, step, unit) for key, (start, step, v) in grids.items() if step == step_s]
    return SeriesSet(name, kept)
