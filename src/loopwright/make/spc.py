"""Quality of the process: is it stable, and is it good enough? Charts for single units, since each is made to measure.

What is charted is the deviation of as-built from as-designed, so units of different designs stand on one chart.

    chart = individuals(deviations)          centre, limits, and the points that break a Western Electric rule
    able = capability(deviations, -0.5, 0.5)         Cp and Cpk with their intervals

Sources: NIST/SEMATECH e-Handbook of Statistical Methods, 6.3.2.2 (individuals and moving range), 6.3.2 (Western
Electric rules; Statistical Quality Control Handbook, Western Electric 1956), 6.1.6 (capability); D. C. Montgomery,
Introduction to Statistical Quality Control, chapter 8 (intervals).
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from loopwright.core.errors import InputError

# Shewhart constants for moving ranges of two (Montgomery, appendix VI): d2 gives sigma from a mean range, D4 its limit.
D2, D4 = 1.128, 3.267
LEAST_POINTS = 8  # below it the limits are a guess


@dataclass(frozen=True)
class Signal:
    """A point that breaks a rule. at: its index; rule: 1 to 4; says: the rule in words."""

    at: int
    rule: int
    says: str


@dataclass(frozen=True)
class Chart:
    """An individuals and moving range chart. All in the unit of the values; ranges[i] is between values i and i + 1."""

    values: tuple[float, ...]
    ranges: tuple[float, ...]
    centre: float
    sigma: float
    low: float
    high: float
    range_centre: float
    range_high: float
    signals: tuple[Signal, ...]
    wide_ranges: tuple[int, ...]  # indices of `ranges` above range_high

    @property
    def stable(self) -> bool:
        """No point breaks a rule."""
        return not self.signals and not self.wide_ranges


@dataclass(frozen=True)
class Capability:
    """Cp (spread alone) and Cpk (spread and centre), each with the interval that covers it with `confidence`."""

    count: int
    mean: float
    sigma: float
    cp: float
    cp_low: float
    cp_high: float
    cpk: float
    cpk_low: float
    cpk_high: float
    confidence: float


def individuals(values: Sequence[float], baseline: int | None = None) -> Chart:
    """The chart of single values in the order of making.

    baseline  the limits come from the first so many values (None: from all)
    centre = mean;  limits = mean +- 3 * mean moving range / 1.128;  range limit = 3.267 * mean moving range
    Raises InputError for fewer than 8 values, or one that is not a number.
    """
    checked = _checked(values)
    count = len(checked) if baseline is None else baseline
    if not LEAST_POINTS <= count <= len(checked):
        raise InputError("control chart", f"{count} values for its limits", f"{LEAST_POINTS} to {len(checked)}")
    ranges = tuple(abs(b - a) for a, b in itertools.pairwise(checked))
    centre, range_centre = statistics.fmean(checked[:count]), statistics.fmean(ranges[: count - 1])
    sigma = range_centre / D2
    wide = tuple(i for i, r in enumerate(ranges) if r > D4 * range_centre)
    return Chart(
        tuple(checked), ranges, centre, sigma, centre - 3 * sigma, centre + 3 * sigma, range_centre, D4 * range_centre,
        tuple(western_electric([v - centre for v in checked], sigma)), wide)


# rule -> (of how many last points, how many, lie beyond how many sigmas on one side, words)
_RULES = {
    1: (1, 1, 3.0, "beyond 3 sigma"),
    2: (3, 2, 2.0, "2 of the last 3 beyond 2 sigma on one side"),
    3: (5, 4, 1.0, "4 of the last 5 beyond 1 sigma on one side"),
    4: (8, 8, 0.0, "8 in a row on one side of the centre"),
}


def western_electric(deviations: Sequence[float], sigma: float) -> list[Signal]:
    """The points at which one of the four rules is broken, in order. deviations: from the centre, in the unit of sigma.

    The point itself must lie beyond the rule's distance: what came before it does not make it a signal. With a sigma of
    0 every point off the centre breaks rule 1.
    """
    found = []
    for at, value in enumerate(deviations):
        side = math.copysign(1.0, value)
        for rule, (window, needed, distance, says) in _RULES.items():
            last = [side * v for v in deviations[max(0, at - window + 1) : at + 1]]
            if last[-1] > distance * sigma and sum(v > distance * sigma for v in last) >= needed:
                found.append(Signal(at, rule, says))
    return found


def capability(values: Sequence[float], low: float, high: float, confidence: float = 0.95) -> Capability:
    """Cp and Cpk of a process against its tolerance limits.

    Cp = (high - low) / 6 s;  Cpk = min(high - mean, mean - low) / 3 s, with s the standard deviation of the sample
    Cp's interval: Cp * sqrt(chi2(alpha/2 and 1 - alpha/2; n - 1) / (n - 1))
    Cpk's interval: Cpk -+ z * sqrt(1 / 9n + Cpk^2 / (2n - 2))
    Holds for a stable process and normal values. Raises InputError for fewer than 8 values, equal values, or limits
    that are not in order.
    """
    checked = _checked(values)
    count = len(checked)
    if count < LEAST_POINTS:
        raise InputError("capability", f"{count} values", f"at least {LEAST_POINTS}")
    mean, sigma = statistics.fmean(checked), statistics.stdev(checked)
    if not low < high or sigma == 0 or not 0 < confidence < 1:
        given = f"limits {low} to {high}, sigma {sigma}, confidence {confidence}"
        raise InputError("capability", given, "low < high, sigma > 0, confidence between 0 and 1")
    return capability_of(count, mean, sigma, low, high, confidence)


def capability_of(
    count: int, mean: float, sigma: float, low: float, high: float, confidence: float = 0.95
) -> Capability:
    """As `capability`, from count, mean and standard deviation of a sample."""
    cp, cpk = (high - low) / (6 * sigma), min(high - mean, mean - low) / (3 * sigma)
    alpha, free = 1 - confidence, count - 1
    cp_low, cp_high = (cp * math.sqrt(chi_square(p, free) / free) for p in (alpha / 2, 1 - alpha / 2))
    half = statistics.NormalDist().inv_cdf(1 - alpha / 2) * math.sqrt(1 / (9 * count) + cpk**2 / (2 * free))
    return Capability(count, mean, sigma, cp, cp_low, cp_high, cpk, cpk - half, cpk + half, confidence)


def chi_square(p: float, free: int) -> float:
    """The p-quantile of the chi-square distribution with `free` degrees of freedom, by halving."""
    low, high = 0.0, free + 40.0 * math.sqrt(2.0 * free) + 40.0
    return _halved(lambda x: _lower_gamma(free / 2, x / 2) < p, low, high)


def _halved(below: Callable[[float], bool], low: float, high: float) -> float:
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle) else (low, middle)
    return (low + high) / 2


def _lower_gamma(a: float, x: float) -> float:
    """The regularised lower incomplete gamma function P(a, x) by its series (Abramowitz and Stegun 6.5.29)."""
    if x <= 0:
        return 0.0
    term = total = 1.0 / a
    n = a
    while term > total * 1e-15:
        n += 1
        term *= x / n
        total += term
    return min(1.0, total * math.exp(a * math.log(x) - x - math.lgamma(a)))


def _checked(values: Sequence[float]) -> list[float]:
    for at, value in enumerate(values):
        if not math.isfinite(value):
            raise InputError("control chart", f"value {at} is {value!r}", "finite numbers")
    return [float(value) for value in values]
