"""Are groups served alike? Rates and errors by group, each with an interval, and no verdict on a group too small to
judge.

Groups are used here and nowhere else: they are never an input of a rule or a model.
Sources: demographic parity and error gaps as in Hardt et al. (2016) and Feldman et al. (2015); the four-fifths rule of
the US Uniform Guidelines on Employee Selection Procedures, 29 CFR 1607.4(D).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from loopwright.core.errors import InputError

SMALLEST = 10  # people a group needs before it is judged
FOUR_FIFTHS = 0.8
ROUNDING = 1e-9  # 0.60 / 0.75 is four fifths


@dataclass(frozen=True)
class Group:
    """One group's number: how many, value, and its bootstrap interval; judged is False for a group too small."""

    name: str
    count: int
    value: float
    low: float
    high: float
    judged: bool


@dataclass(frozen=True)
class Gap:
    """How far apart the judged groups are.

    gap, low, high  largest minus smallest value, with its bootstrap interval (NaN with fewer than two judged groups)
    ratio           smallest over largest value: of rates, the four-fifths rule asks for 0.8
    passed          None when nothing can be judged
    """

    metric: str
    groups: tuple[Group, ...]
    gap: float
    low: float
    high: float
    ratio: float
    limit: float
    passed: bool | None
    says: str

    def as_dict(self) -> dict[str, Any]:
        """Plain data for a card or a page; NaN is None."""
        body = {**vars(self), "groups": [vars(g) for g in self.groups]}
        return {k: (None if isinstance(v, float) and not np.isfinite(v) else v) for k, v in body.items()}


def parity(
    chosen: Sequence[bool], groups: Sequence[str], limit: float = FOUR_FIFTHS, smallest: int = SMALLEST, seed: int = 0
) -> Gap:
    """Demographic parity: is the share that was chosen (served, advised, accepted) alike in all groups?

    Passed when the smallest share is at least `limit` of the largest (four-fifths rule).
    """
    values = np.asarray(chosen, dtype=float)
    found = _compare(values, groups, np.mean, smallest, seed)
    if found is None:
        return _too_few("share chosen", values, groups, limit, smallest, seed)
    table, gap, low, high, ratio = found
    says = f"share chosen: smallest over largest {ratio:.2f}; the four-fifths rule asks for {limit:.2f}"
    return Gap("share chosen", table, gap, low, high, ratio, limit, ratio >= limit - ROUNDING, says)


def error_gap(
    errors: Sequence[float], groups: Sequence[str], limit: float, smallest: int = SMALLEST, seed: int = 0
) -> Gap:
    """Is the mean absolute error alike in all groups? Passed when they differ by no more than `limit`."""
    values = np.abs(np.asarray(errors, dtype=float))
    found = _compare(values, groups, np.mean, smallest, seed)
    if found is None:
        return _too_few("mean absolute error", values, groups, limit, smallest, seed)
    table, gap, low, high, ratio = found
    says = f"mean absolute error: groups differ by {gap:.3g} ({low:.3g} to {high:.3g}); at most {limit:.3g}"
    return Gap("mean absolute error", table, gap, low, high, ratio, limit, gap <= limit + ROUNDING, says)


def by_group(
    values: np.ndarray, groups: Sequence[str], metric: Callable[..., Any], smallest: int, seed: int
) -> tuple[Group, ...]:
    """The metric of every group with a 95 % percentile bootstrap interval (2,000 draws), by name."""
    if len(values) != len(groups):
        raise InputError("group metric", f"{len(values)} values for {len(groups)} groups", "one group for each value")
    names = np.asarray(groups)
    rng = np.random.default_rng(seed)
    rows = []
    for name in sorted(set(groups)):
        mine = values[names == name]
        draws = metric(mine[rng.integers(0, len(mine), (2000, len(mine)))], axis=1)
        low, high = np.quantile(draws, [0.025, 0.975])
        rows.append(Group(name, len(mine), float(metric(mine)), float(low), float(high), len(mine) >= smallest))
    return tuple(rows)


def _compare(
    values: np.ndarray, groups: Sequence[str], metric: Callable[..., Any], smallest: int, seed: int
) -> tuple[tuple[Group, ...], float, float, float, float] | None:
    """Groups, gap with its interval, ratio; None with fewer than two groups large enough."""
    table = by_group(values, groups, metric, smallest, seed)
    judged = [g for g in table if g.judged]
    if len(judged) < 2:
        return None
    names, rng = np.asarray(groups), np.random.default_rng(seed + 1)
    draws = np.empty((len(judged), 2000))
    for row, group in enumerate(judged):
        mine = values[names == group.name]
        draws[row] = metric(mine[rng.integers(0, len(mine), (2000, len(mine)))], axis=1)
    spread = draws.max(axis=0) - draws.min(axis=0)
    low, high = np.quantile(spread, [0.025, 0.975])
    most, least = max(g.value for g in judged), min(g.value for g in judged)
    return table, most - least, float(low), float(high), least / most if most > 0 else 1.0


def _too_few(metric: str, values: np.ndarray, groups: Sequence[str], limit: float, smallest: int, seed: int) -> Gap:
    table = by_group(values, groups, np.mean, smallest, seed)
    sizes: Mapping[str, int] = {g.name: g.count for g in table}
    there = ", ".join(f"{name}: {count}" for name, count in sizes.items()) or "nobody"
    says = f"{metric}: not judged, fewer than two groups of {smallest} ({there})"
    nan = float("nan")
    return Gap(metric, table, nan, nan, nan, nan, limit, None, says)
