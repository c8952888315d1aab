"""The past of many series laid out in days, and what of it may tell a later value: profiles, levels, last year.

A day is one shortest season (24 hourly points), a week so many days as the next season is long, and years are 52 weeks.
All series end with a whole day; what is too old to fill one is left out.

    past = lay(values (B, T), day=24, week=7)
    inputs = past.inputs(Span(origins, first, last))      (B, F, K, last - first) for each origin and point ahead
    truth, known = past.truth(Span(...))                  (B, K, last - first)

Everything is told as a difference to the level of the origin's last week, so that a level that moves is followed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from loopwright.learn.forecasting.outlook import filled

YEAR = 364  # days: 52 whole weeks, so that weekdays fall on weekdays
SEASON, SPANS = 90, 4  # days of a season of the year, and how many of them a past must have for its level to be used
FAST, SLOW, SLOWEST = 0.3, 0.1, 0.03  # gains: the newest day's share in a profile
RESTLESS = (0.2, 0.05)  # gains of the size of surprises
NAMES = (
    "yesterday", "days", "days, slow", "days, slowest", "last week", "weeks", "weeks, slow", "surprise of the last day",
    "level of 3 days", "level of 4 weeks", "level of 3 months", "level of a year", "surprise, gone in hours",
    "surprise, gone in a day", "change of last year",
)


@dataclass(frozen=True)
class Span:
    """What is asked of a Past.

    origins  the last known day of each case: a slice of days
    first    points ahead, from 0: first <= h < last
    step     only every so manieth of them; divides the points of a day, and first is the beginning of a day then
    """

    origins: slice
    first: int
    last: int
    step: int = 1

    @property
    def ahead(self) -> np.ndarray:
        """(L,) points ahead, from 0."""
        return np.arange(self.first, self.last, self.step)


@dataclass(frozen=True)
class Past:
    """The past of B series in N days of P points.

    days   (B, N, P) holes filled
    known  (B, N, P) where a value was known, None where all were
    begin  (B,) the first day with a value
    week   days in a week, 1 for none
    """

    days: np.ndarray
    known: np.ndarray | None
    begin: np.ndarray
    week: int

    @property
    def count(self) -> int:
        """Days."""
        return self.days.shape[1]

    @cached_property
    def _visits(self) -> np.ndarray:
        """(N, B) days since a series began, from 1; 1 before."""
        return np.maximum(np.arange(self.count)[:, None] - self.begin + 1, 1)

    @cached_property
    def daily(self) -> np.ndarray:
        """(B, N) mean of each day."""
        return self.days.mean(axis=2)

    @cached_property
    def level(self) -> np.ndarray:
        """(B, N) mean of the last week, or of the last 7 days."""
        return self.trailing(self.week if self.week > 1 else 7)

    def trailing(self, length: int) -> np.ndarray:
        """(B, N) mean of the last `length` days, of those since the series began."""
        total = np.cumsum(self.daily, axis=1)
        total = np.concatenate([np.zeros((len(total), 1)), total], axis=1)  # (B, N + 1)
        at = np.arange(1, self.count + 1)
        low = np.minimum(np.maximum(at - length, self.begin[:, None]), at - 1)
        return (total[:, 1:] - np.take_along_axis(total, low, axis=1)) / (at - low)

    def smooth(self, values: Sequence[np.ndarray], gains: Sequence[float], lag: int = 1) -> list[np.ndarray]:
        """(B, N, ...) each: each day joined to the one `lag` before, s(n) = s(n - lag) + gain (x(n) - s(n - lag)).

        The gain is 1 / visits while that is more; a missing value teaches nothing.
        """
        visits = 1.0 / ((self._visits - 1) // lag + 1).T  # (B, N)
        share = np.concatenate([np.maximum(gain, visits) for gain in gains])
        share = share.reshape(*share.shape, *([1] * (values[0].ndim - 2)))
        if self.known is not None and values[0].ndim == 3:
            share = np.where(np.concatenate([self.known] * len(gains)), share, 0.0)
        share[:, :lag] = 1.0
        return np.split(joined(np.concatenate(values), share, lag), len(gains))

    @cached_property
    def _shape(self) -> np.ndarray:
        """(B, N, P) each day less the level of its last week."""
        return self.days - self.level[:, :, None]

    @cached_property
    def _profiles(self) -> tuple[tuple[np.ndarray, bool], ...]:
        """((B, N, P), whether the origin's level is to be taken off) of the profiles of a day."""
        fast, slow, slowest = self.smooth((self.days, self._shape, self._shape), (FAST, SLOW, SLOWEST))
        return (self.days, True), (fast, True), (slow, False), (slowest, False)

    @cached_property
    def _weekly(self) -> tuple[tuple[np.ndarray, bool], ...]:
        """The same of the profiles of a week, by weekday."""
        if self.week == 1:
            return ()
        fast, slow = self.smooth((self._shape, self._shape), (FAST, SLOW), self.week)
        return (self.days, True), (fast, False), (slow, False)

    @cached_property
    def _levels(self) -> tuple[np.ndarray, ...]:
        """(B, N) levels of longer and shorter times, less the level of the last week.

        A level of a long time is left out where the past holds too few of them: its weight would be a guess.
        """
        levels = [self.trailing(3), self.trailing(28)]
        if self.count >= SPANS * SEASON:
            levels += self.smooth((self.daily,), (1 / SEASON,))
        if self.count >= 2 * YEAR:
            levels.append(self.trailing(YEAR))
        return tuple(level - self.level for level in levels)

    @cached_property
    def _surprise(self) -> np.ndarray:
        """(B, N, P) what of each day the day before and the profile did not tell."""
        profile = self._weekly[1][0] if self._weekly else self._profiles[2][0]
        lag = self.week if self._weekly else 1
        before = np.maximum(np.arange(self.count) - 1, 0)
        return self.days - self.level[:, before, None] - profile[:, np.maximum(np.arange(self.count) - lag, 0)]

    @cached_property
    def _surprises_mean(self) -> tuple[np.ndarray, np.ndarray]:
        """(B, N) mean surprise of each day, and of its last eighth."""
        newest = self._surprise[:, :, -max(self.days.shape[2] // 8, 1):]
        return self._surprise.mean(axis=2), newest.mean(axis=2)

    @cached_property
    def surprises(self) -> np.ndarray:
        """(B, N) mean absolute surprise of each day, of the points that are known; of a day of none the last one's."""
        size = np.abs(self._surprise)
        if self.known is None:
            return size.mean(axis=2)
        count = self.known.sum(axis=2)
        daily = np.where(self.known, size, 0.0).sum(axis=2) / np.maximum(count, 1)
        return filled(np.where(count > 0, daily, np.nan))

    @cached_property
    def surprises_total(self) -> np.ndarray:
        """(B, N + 1) sum of the surprises of all days before."""
        return np.concatenate([np.zeros((len(self.days), 1)), np.cumsum(self.surprises, axis=1)], axis=1)

    @cached_property
    def restless(self) -> tuple[np.ndarray, ...]:
        """(B, N) each: the surprises of the last days, smoothed over about 5 and 20 of them."""
        return tuple(self.smooth([self.surprises] * len(RESTLESS), RESTLESS))

    def years(self, origins: slice) -> bool:
        """Whether the last origin has a year before it; the same for every origin that may be asked with it."""
        return self.week == 7 and self.count - 1 - YEAR >= 7

    def inputs(self, span: Span) -> np.ndarray:
        """(B, F, K, L), single precision: inputs in the order of NAMES, without those that a short past cannot have."""
        n = np.arange(self.count)[span.origins]
        names = self.names(span.origins)
        found = np.empty((len(self.days), len(names), len(n), len(span.ahead)), dtype=np.float32)
        level = self.level[:, n, None]
        row = 0
        for values, off in self._profiles:
            self._tile(found[:, row], values[:, n], span, level if off else None)
            row += 1
        for values, off in self._weekly:
            self._by_weekday(found[:, row], values, span, level if off else None)
            row += 1
        whole, newest = self._surprises_mean
        for fixed in (whole, *self._levels):
            found[:, row] = fixed[:, n, None]
            row += 1
        points, newest = self.days.shape[2], newest[:, n, None]
        for decay in (points / 8, points / 2):
            np.multiply(newest, np.exp(-(span.ahead + 1.0) / decay), out=found[:, row])
            row += 1
        if row < len(names):
            self._last_year(found[:, row], n, span)
        return found

    def names(self, origins: slice) -> tuple[str, ...]:
        """Names of the inputs that this past has."""
        without = set() if self.week > 1 else set(NAMES[4:7])
        without |= set() if self.years(origins) else {"change of last year"}
        without |= set() if self.count >= SPANS * SEASON else {"level of 3 months"}
        without |= set() if self.count >= 2 * YEAR else {"level of a year"}
        return tuple(name for name in NAMES if name not in without)

    def truth(self, span: Span) -> tuple[np.ndarray, np.ndarray | None]:
        """((B, K, L) what came less the level of the origin's last week, where it is known or None for everywhere).

        Days after the newest one are not known; no origin may have them.
        """
        n = np.arange(self.count)[span.origins]
        shape = (len(self.days), len(n), len(span.ahead))
        found, known = np.empty(shape, dtype=np.float32), None
        self._ahead(found, self.days, span)
        if self.known is not None:
            known = np.empty(shape, dtype=bool)
            self._ahead(known, self.known, span)
        found -= self.level[:, n, None]
        return found, known

    def _pieces(self, span: Span) -> list[tuple[int, slice, slice]]:
        """(day ahead from 1, points of the span, points of that day) of each day that the span touches."""
        points = self.days.shape[2]
        pieces = []
        for day in range(span.first // points, (span.last - 1) // points + 1):
            low, high = max(span.first, day * points), min(span.last, (day + 1) * points)
            inside = slice(low - day * points, high - day * points, span.step)
            to = slice((low - span.first) // span.step, -(-(high - span.first) // span.step))
            pieces.append((day + 1, to, inside))
        return pieces

    def _shifted(self, origins: slice, by: int) -> slice:
        return slice(origins.start + by, origins.stop + by, origins.step)

    def _tile(self, out: np.ndarray, values: np.ndarray, span: Span, level: np.ndarray | None) -> None:
        """The origin's own profile (B, K, P), the same for each day ahead."""
        for _, to, of in self._pieces(span):
            out[:, :, to] = values[:, :, of]
        if level is not None:
            out -= level

    def _by_weekday(self, out: np.ndarray, values: np.ndarray, span: Span, level: np.ndarray | None) -> None:
        """The newest profile of the weekday ahead that is known at the origin."""
        for day, to, of in self._pieces(span):
            back = day - self.week * -(-day // self.week)
            out[:, :, to] = values[:, self._shifted(span.origins, back), of]
        if level is not None:
            out -= level

    def _ahead(self, out: np.ndarray, values: np.ndarray, span: Span) -> None:
        for day, to, of in self._pieces(span):
            out[:, :, to] = values[:, self._shifted(span.origins, day), of]

    def _last_year(self, out: np.ndarray, n: np.ndarray, span: Span) -> None:
        """How far the weekly level went, a year before, from the origin to the day ahead; 0 without a year."""
        there = n - YEAR - 7 >= 0
        base = self.level[:, np.maximum(n - YEAR, 0)]
        for day, to, _ in self._pieces(span):
            then = np.clip(n + day - YEAR + 3, 0, n)
            out[:, :, to] = np.where(there, self.level[:, then] - base, 0.0)[:, :, None]


def joined(values: np.ndarray, gains: np.ndarray, lag: int = 1) -> np.ndarray:
    """s(n) = s(n - lag) + g(n) (x(n) - s(n - lag)) along axis 1, from s = 0 before the first.

    values  (B, N, ...); gains  (B, N, ...) that broadcast to them
    Runs of steps begin at 0 side by side; what each is handed by the run before fades with the product of its 1 - g.
    So 2 root(N / lag) steps are taken one after another instead of N.
    """
    steps = -(-values.shape[1] // lag)
    length = max(round(steps**0.5), 1)
    runs = -(-steps // length)
    fill = [(0, 0), (0, runs * length * lag - values.shape[1])] + [(0, 0)] * (values.ndim - 2)
    x = np.pad(values * gains, fill).reshape(len(values), runs, length, lag, *values.shape[2:])
    left = 1.0 - np.pad(gains, fill).reshape(len(values), runs, length, lag, *gains.shape[2:])
    for k in range(1, length):
        x[:, :, k] += left[:, :, k] * x[:, :, k - 1]
        left[:, :, k] *= left[:, :, k - 1]
    for r in range(1, runs):
        x[:, r] += left[:, r] * x[:, r - 1, -1:]
    return x.reshape(len(values), runs * length * lag, *values.shape[2:])[:, : values.shape[1]]


def lay(values: np.ndarray, day: int, week: int) -> Past:
    """The past of series (B, T), NaN where missing, T at least a day."""
    count = values.shape[1] // day
    days = values[:, values.shape[1] - count * day:].reshape(len(values), count, day)
    known = np.isfinite(days)
    if known.all():
        return Past(days, None, np.zeros(len(days), dtype=np.int64), week)
    begin = np.argmax(known.any(axis=2), axis=1)
    return Past(_without_holes(days, known), known, begin, week)


def _without_holes(days: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Each hole is the same time of the last day that has it, else of the first, else the series' mean, else 0."""
    at = np.arange(days.shape[1])[None, :, None]
    before = np.maximum.accumulate(np.where(known, at, -1), axis=1)
    after = np.minimum.accumulate(np.where(known, at, days.shape[1])[:, ::-1], axis=1)[:, ::-1]
    source = np.where(before >= 0, before, np.minimum(after, days.shape[1] - 1))
    whole = np.take_along_axis(days, source, axis=1)
    total = np.where(known, days, 0.0).sum(axis=(1, 2))
    mean = total / np.maximum(known.sum(axis=(1, 2)), 1)
    return np.where(np.isfinite(whole), whole, mean[:, None, None])
