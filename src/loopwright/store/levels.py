"""Steps of time: the levels at which rollups are kept, and the round buckets in which a chart is drawn.

Every bucket is a whole number of steps from 1970-01-01T00:00Z, so that a bucket of a chart is a whole number of rows of
a level whenever its step is a multiple of the level's.
"""

from __future__ import annotations

from bisect import bisect_left

from loopwright.core.errors import InputError
from loopwright.core.types import Signal

NS_PER_S = 1_000_000_000
SECOND, MINUTE, HOUR, DAY = NS_PER_S, 60 * NS_PER_S, 3600 * NS_PER_S, 86_400 * NS_PER_S
LEVELS = (SECOND, MINUTE, HOUR)
NAMES = {"second": SECOND, "minute": MINUTE, "hour": HOUR}
_SLOWEST_HZ = {MINUTE: 1 / 20, HOUR: 1 / 1200}  # below three samples a bucket a row is no smaller than its samples
_BELOW_A_SECOND = [digit * 10**power for power in range(9) for digit in (1, 2, 5)]
_STEPS = [
    *_BELOW_A_SECOND,
    *(n * SECOND for n in (1, 2, 5, 10, 15, 30)),
    *(n * MINUTE for n in (1, 2, 5, 10, 15, 30)),
    *(n * HOUR for n in (1, 2, 3, 6, 12)),
    *(n * DAY for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000)),
]


def levels_of(signal: Signal) -> tuple[int, ...]:
    """The levels (ns) at which a signal's rollups are kept, finest first: by its declared rate.

    second  fast signals only
    minute  3 samples a minute and more, or no declared rate
    hour    3 samples an hour and more, or no declared rate
    A vector (shape) has none: its numbers are several series in one.
    """
    if signal.shape:
        return ()
    slow = tuple(level for level, lowest in _SLOWEST_HZ.items() if signal.rate_hz is None or signal.rate_hz >= lowest)
    return (SECOND, *slow) if signal.fast else slow


def step_for(start_ns: int, end_ns: int, pixels: int) -> int:
    """The smallest round step (ns) that cuts start_ns .. end_ns into at most `pixels` buckets, snapped outward.

    Raises InputError when the range is empty or the pixels are not some.
    """
    if end_ns <= start_ns or pixels < 1:
        given = f"from {start_ns} to {end_ns} ns in {pixels} pixels"
        raise InputError("chart", given, "an end after the start, one pixel or more")
    at = bisect_left(_STEPS, -(-(end_ns - start_ns) // pixels))
    while at < len(_STEPS) - 1 and _buckets(start_ns, end_ns, _STEPS[at]) > pixels > 1:
        at += 1
    return _STEPS[min(at, len(_STEPS) - 1)]


def snapped(start_ns: int, end_ns: int, step_ns: int) -> tuple[int, int]:
    """The range, made longer to whole buckets."""
    return start_ns // step_ns * step_ns, -(-end_ns // step_ns) * step_ns


def level_for(step_ns: int, levels: tuple[int, ...]) -> int:
    """The coarsest of the levels from which buckets of that step can be put together, 0: only samples will do."""
    return max((level for level in levels if step_ns % level == 0), default=0)


def _buckets(start_ns: int, end_ns: int, step_ns: int) -> int:
    begin, end = snapped(start_ns, end_ns, step_ns)
    return (end - begin) // step_ns
