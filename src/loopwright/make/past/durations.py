"""How long work takes, with its spread, fitted to a log: setup and per piece, by activity, by who does it.

    known = fit(works)                              rows that were known then: work_log.known_by
    known.seconds(work, 0.9)                        what nine in ten such pieces of work do not exceed
    rows = judge(works, first_ns, step_s)           on later weeks, each from what was known before it, beside medians

In the logarithm, with q pieces, of group g (activity and stage) and resource r:

    log seconds = level_g + power_g log(1 + ratio_g q) + offset_gr + noise        setup : per piece = 1 : ratio

power is 1 where a row is a whole lot; where rows end with the shift, ten times the pieces do not take ten times as long
and a smaller power fits. level, ratio and power by least absolute deviations (P. Bloomfield, W. Steiger, Least Absolute
Deviations, 1983), the last two over a grid; offsets of resources, levels and quantiles of the noise are drawn towards
what they are part of, the more the fewer rows there are, by the ratio of the variances within and between (B. Efron,
C. Morris, JASA 70, 1975). Rows without a length, as those with one time for start and end, are left out and counted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError
from loopwright.make.past.work_log import Work

Group = tuple[str, str]  # activity, stage
RATIOS = np.geomspace(0.003, 10.0, 18)  # of the time of one piece to that of the setup
POWERS = (1.0, 0.75, 0.5, 0.35, 0.2)
Growth = tuple[float, float]  # ratio, power
FEW = 15  # rows with a quantity, below which an activity's ratio is that of all
GAIN = 0.02  # of the deviation, what a ratio above 0 must save
P = np.array([0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99])
SHORTEST_S = 60.0  # what is entered as less is told apart from nothing only by its row
Quantity = Callable[[Work], float]
Name = TypeVar("Name", bound=Hashable)


def pieces(work: Work) -> float:
    """Good pieces of a row, 0 where it does not say."""
    return work.quantity or 0.0


@dataclass(frozen=True)
class Durations:
    """What was learnt. levels, growths, noise (quantiles at P): by group; offsets: by group and resource.

    rows, left_out  how many rows it rests on, and how many had no length
    quantity        what counts as the pieces of a row
    """

    levels: Mapping[Group, float]
    growths: Mapping[Group, Growth]
    noise: Mapping[Group, np.ndarray]
    offsets: Mapping[tuple[Group, str], float]
    level: float
    growth: Growth
    spread: np.ndarray
    rows: int
    left_out: int
    quantity: Quantity = pieces

    def seconds(self, work: Work, p: float = 0.5, resource: str = "") -> float:
        """The p-quantile of how long it takes; of an activity never seen, that of all work.

        resource  who would do it, instead of who did
        """
        if not 0 < p < 1:
            raise InputError("duration", f"quantile {p}", "between 0 and 1")
        group = (work.activity, work.stage)
        logs = self.levels.get(group, self.level)
        logs += _grown(self.growths.get(group, self.growth), self.quantity(work))
        logs += self.offsets.get((group, resource or work.resource), 0.0)
        return float(np.exp(logs + np.interp(p, P, self.noise.get(group, self.spread))))


def fit(
    works: Sequence[Work], seconds: Sequence[float] | None = None, quantity: Quantity = pieces
) -> Durations:
    """Durations from rows that were known.

    seconds  of each row, where not its own (`work_log.seconds_each`); quantity: pieces of a row
    Raises InputError when no row has a length.
    """
    long = [w.seconds for w in works] if seconds is None else seconds
    used = [(work, s) for work, s in zip(works, long, strict=True) if s > 0]
    if not used:
        raise InputError("durations", f"none of {len(works)} rows has a length", "one row of work at least")
    y = np.log(np.maximum([s for _, s in used], SHORTEST_S))
    q = np.array([quantity(work) for work, _ in used], float)
    of = [(work.activity, work.stage) for work, _ in used]
    groups = _places(of)
    growth = _growth(y, q)
    growths = {g: _growth(y[at], q[at]) if np.sum(q[at] > 0) >= FEW else growth for g, at in groups.items()}
    rest = y - [_grown(growths[group], pieces_) for group, pieces_ in zip(of, q, strict=True)]
    level = float(np.median(rest))
    levels = _shrunk(rest - level, groups)
    for group, at in groups.items():
        rest[at] -= level + levels[group]
    doers = _places([(group, work.resource) for group, (work, _) in zip(of, used, strict=True)])
    offsets = _shrunk(rest, doers)
    for doer, at in doers.items():
        rest[at] -= offsets[doer]
    spread = np.quantile(rest, P)
    noise = {g: _noise(rest[at], spread) for g, at in groups.items()}
    return Durations({g: level + v for g, v in levels.items()}, growths, noise, offsets, level, growth, spread,
                     len(used), len(works) - len(used), quantity)


def _places(names: Sequence[Name]) -> dict[Name, np.ndarray]:
    """name -> where it stands."""
    found: dict[Name, list[int]] = defaultdict(list)
    for k, name in enumerate(names):
        found[name].append(k)
    return {name: np.array(at) for name, at in found.items()}


def _grown(growth: Growth, q: float) -> float:
    """By how much the logarithm of the time grows with so many pieces."""
    return growth[1] * float(np.log1p(growth[0] * q))


def _growth(y: np.ndarray, q: np.ndarray) -> Growth:
    """The ratio and power with the least absolute deviations of log seconds; (0, 1) where none saves enough."""
    least = float(np.abs(y - np.median(y)).sum())
    best, found = (1 - GAIN) * least, (0.0, 1.0)
    for power in POWERS:
        rest = y[None, :] - power * np.log1p(RATIOS[:, None] * q[None, :])
        loss = np.abs(rest - np.median(rest, axis=1, keepdims=True)).sum(axis=1)
        k = int(np.argmin(loss))
        if loss[k] < best:
            best, found = float(loss[k]), (float(RATIOS[k]), power)
    return found


def _shrunk(rest: np.ndarray, groups: Mapping[Name, np.ndarray]) -> dict[Name, float]:
    """The median of each group, drawn towards 0 by n / (n + within / between)."""
    many = [at for at in groups.values() if len(at) >= 5]
    within = float(np.mean([np.var(rest[at], ddof=1) for at in many])) if many else 1.0
    within = max(within, 1e-12)
    medians = np.array([np.median(rest[at]) for at in many])
    noise = within * np.pi / 2 * float(np.mean([1 / len(at) for at in many])) if many else 0.0  # variance of a median
    between = float(max(np.mean(medians**2) - noise if many else 0.0, within / 50))
    return {g: float(np.median(rest[at])) * len(at) / (len(at) + within / between) for g, at in groups.items()}


def _noise(rest: np.ndarray, spread: np.ndarray, few: float = 20.0) -> np.ndarray:
    """Quantiles of a group's noise, drawn towards those of all as if these were twenty rows more."""
    return (len(rest) * np.quantile(rest, P) + few * spread) / (len(rest) + few)


def pinball(y: np.ndarray, guess: np.ndarray, p: float) -> np.ndarray:
    """The loss whose least mean is at the p-quantile. R. Koenker, G. Bassett, Econometrica 46, 1978."""
    return np.maximum(p * (y - guess), (p - 1) * (y - guess))


@dataclass(frozen=True)
class Judged:
    """Held-out rows of one way to tell durations. (n,) each, seconds; by row of `works` in `row`.

    guess  (n, 3) at 0.1, 0.5 and 0.9
    """

    name: str
    row: np.ndarray
    y: np.ndarray
    guess: np.ndarray

    @property
    def loss_s(self) -> float:
        """Mean pinball loss over 0.1, 0.5 and 0.9."""
        return float(np.mean(self.losses()))

    def losses(self) -> np.ndarray:
        """(n,) of each row."""
        return np.mean([pinball(self.y, self.guess[:, k], p) for k, p in enumerate((0.1, 0.5, 0.9))], axis=0)

    @property
    def inside(self) -> float:
        """Part of the rows between the 0.1- and 0.9-quantiles: 0.8 where the spread is right."""
        return float(np.mean((self.y >= self.guess[:, 0]) & (self.y <= self.guess[:, 2])))


def judge(
    works: Sequence[Work], first_ns: int, step_s: float = 7 * 86_400.0, seconds: Sequence[float] | None = None
) -> list[Judged]:
    """Four ways to tell durations, week by week from first_ns on, each from what was completed before that week.

    'fitted' (all of `fit`), 'without quantity', 'median of activity' and 'one median': the quantiles of the known rows.
    """
    long = np.array([w.seconds for w in works] if seconds is None else list(seconds), float)
    rows: list[int] = []
    guesses: dict[str, list[list[float]]] = defaultdict(list)
    step_ns, at_ns = round(step_s * NS_PER_S), first_ns
    last_ns = max((w.start_ns for w in works), default=0)
    while at_ns <= last_ns:
        test = [k for k, w in enumerate(works) if at_ns <= w.start_ns < at_ns + step_ns and long[k] > 0]
        if test:
            for name, guess in _ways(works, long, at_ns).items():
                guesses[name] += [[guess(works[k], p) for p in (0.1, 0.5, 0.9)] for k in test]
            rows += test
        at_ns += step_ns
    if not rows:
        raise InputError("durations", "no row with a length begins after the first split", "an earlier split")
    return [Judged(name, np.array(rows), long[rows], np.array(found)) for name, found in guesses.items()]


def _ways(works: Sequence[Work], long: np.ndarray, at_ns: int) -> dict[str, Callable[[Work, float], float]]:
    """name -> (row, p) -> seconds, from what was known at at_ns."""
    ids = [k for k, w in enumerate(works) if w.end_ns <= at_ns]
    known = [works[k] for k in ids]
    full = fit(known, long[ids].tolist())
    plain = fit(known, long[ids].tolist(), lambda work: 0.0)
    usable = [k for k in ids if long[k] > 0]
    by_activity = {name: np.quantile(long[np.array(usable)[at]], P)
                   for name, at in _places([works[k].activity for k in usable]).items()}
    everything = np.quantile(long[usable], P)
    return {
        "fitted": full.seconds, "without quantity": plain.seconds,
        "median of activity": lambda w, p: float(np.interp(p, P, by_activity.get(w.activity, everything))),
        "one median": lambda w, p: float(np.interp(p, P, everything)),
    }

