"""Lives of units that wear out: engines, bearings, tools. What was heard of each until it failed or until now.

    unit = Unit("engine-7", values, settings, left=112.0)
    stopped = cut(unit, 80)                      the same as if nothing were known after its row 80
    rows = remaining(unit)                       (T,) life left after each row; NaN where nobody knows

A split of lives is by unit: rows of one engine are near copies of each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from loopwright.core.errors import InputError

LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)  # quantiles that every model of life gives; the 90 % interval: ends
CAP = 125.0  # cycles: the label from which 'capped' scores of C-MAPSS no longer tell lives apart


@dataclass(frozen=True)
class Unit:
    """One unit, a row a cycle, oldest first.

    id        its name; two units of a set never share one
    values    (T, C)  what its sensors said; NaN: missing
    settings  (T, S)  the conditions it ran under; S = 0 where there are none
    left      ()      cycles it lived on after its last row: 0 when that was its end; None: nobody knows (still running)
    Raises InputError for tables without rows or channels, of other lengths, or a negative remaining life.
    """

    id: str
    values: np.ndarray
    settings: np.ndarray
    left: float | None = None

    def __post_init__(self) -> None:
        values, settings = np.asarray(self.values, dtype=np.float64), np.asarray(self.settings, dtype=np.float64)
        if values.ndim != 2 or not values.size:
            raise InputError(f"unit {self.id}", f"values of shape {values.shape}", "(cycles, channels), 1 each or more")
        if settings.ndim != 2 or len(settings) != len(values):
            raise InputError(f"unit {self.id}", f"settings of shape {settings.shape}", f"({len(values)}, settings)")
        if self.left is not None and not 0 <= self.left < 1e9:
            raise InputError(f"unit {self.id}", f"{self.left} cycles left", "0 or more; None when nobody knows")
        object.__setattr__(self, "values", np.where(np.isfinite(values), values, np.nan))
        object.__setattr__(self, "settings", np.where(np.isfinite(settings), settings, np.nan))

    def __len__(self) -> int:
        return len(self.values)

    @property
    def failed(self) -> bool:
        """Whether its end is known."""
        return self.left is not None


@dataclass(frozen=True)
class LifeSet:
    """A set with its published split, by unit.

    name      'cmapss/FD001'
    train     units to learn from; those whose `left` is None are censored
    test      units that stop early; `left` is None where the truth is kept back
    signals   (C,) names of the channels
    folds     ((train, test), ...) where units are left out in turn; then `train` and `test` are those of all folds
    split     what is left out whole
    challenge whether the score of the IEEE PHM 2012 challenge is told too
    notes     what is printed under the table: how long a cycle is, what was put right
    running   units whose end is still to come, of which the champion's estimate is wanted
    whole     the test units as they were until their known end: learned from for those that run
    """

    name: str
    train: tuple[Unit, ...]
    test: tuple[Unit, ...]
    signals: tuple[str, ...]
    folds: tuple[tuple[tuple[Unit, ...], tuple[Unit, ...]], ...] = ()
    split: str = "unit"
    challenge: bool = False
    notes: tuple[str, ...] = ()
    running: tuple[Unit, ...] = ()
    whole: tuple[Unit, ...] = ()

    @property
    def parts(self) -> tuple[tuple[tuple[Unit, ...], tuple[Unit, ...]], ...]:
        """(units to learn from, units that are asked) of each fold; one where nothing is left out in turn."""
        return self.folds or ((self.train, self.test),)


def check(units: Sequence[Unit], channels: int | None = None, settings: int | None = None) -> None:
    """Raises InputError for no unit at all, a name twice, or units of different widths than the first or than asked."""
    if not units:
        raise InputError("units", "there is none", "at least one")
    twice = [name for name, count in Counter(unit.id for unit in units).items() if count > 1]
    if twice:
        raise InputError("units", f"{', '.join(twice[:3])} stand twice", "each unit once, with all its rows")
    wide = units[0].values.shape[1] if channels is None else channels
    under = units[0].settings.shape[1] if settings is None else settings
    for unit in units:
        if (unit.values.shape[1], unit.settings.shape[1]) != (wide, under):
            given = f"{unit.values.shape[1]} channels and {unit.settings.shape[1]} settings"
            raise InputError(f"unit {unit.id}", given, f"{wide} and {under}, as the others")


def failures(units: Sequence[Unit], least: int = 2) -> list[Unit]:
    """The units whose end is known. Raises InputError where there are fewer than `least`."""
    check(units)
    known = [unit for unit in units if unit.failed]
    if len(known) < least:
        raise InputError("lives", f"{len(known)} of {len(units)} units have a known end", f"at least {least}", "wait")
    return known


def remaining(unit: Unit) -> np.ndarray:
    """(T,) cycles left after each row; NaN everywhere where the end is not known."""
    end = np.nan if unit.left is None else unit.left
    return end + np.arange(len(unit) - 1, -1, -1, dtype=np.float64)


def cut(unit: Unit, rows: int) -> Unit:
    """The unit as it was known after its first `rows` rows (at least 1)."""
    rows = min(max(1, rows), len(unit))
    left = None if unit.left is None else unit.left + len(unit) - rows
    return replace(unit, values=unit.values[:rows], settings=unit.settings[:rows], left=left)


def folds(units: Sequence[Unit], parts: int, seed: int = 0) -> np.ndarray:
    """(n,) which fold each unit is left out in, 0 to parts - 1: whole units, evenly, in an order drawn by the seed."""
    parts = max(2, min(parts, len(units)))
    return np.random.default_rng(seed).permutation(np.arange(len(units)) % parts)
