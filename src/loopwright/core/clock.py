"""Time, owned by the house: nothing else asks the machine what time it is.

    clock.now_ns()          nanoseconds since 1970 UTC
    await clock.sleep(s)    waits s seconds of this clock

`RealClock` is the wall; `SimClock` stands still until it is told to move, so that a test of an hour takes no hour.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from datetime import UTC, datetime
from typing import Protocol

NS_PER_S = 1_000_000_000


class Clock(Protocol):
    def now_ns(self) -> int: ...
    async def sleep(self, seconds: float) -> None: ...


class RealClock:
    """The machine's own time."""

    def now_ns(self) -> int:
        return time.time_ns()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))


class SimClock:
    """A clock that moves only when `advance` is called; sleepers wake in the order of their times.

    start_ns  where it begins, ns since 1970 UTC
    """

    def __init__(self, start_ns: int = 1_700_000_000 * NS_PER_S) -> None:
        self._now_ns = start_ns
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def now_ns(self) -> int:
        return self._now_ns

    def set_ns(self, now_ns: int) -> None:
        """Jumps, forwards or backwards, and wakes nobody: what a badly kept machine does."""
        self._now_ns = now_ns

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        due_ns = self._now_ns + round(seconds * NS_PER_S)
        heapq.heappush(self._waiting, (due_ns, next(self._order), future))
        await future

    async def advance(self, seconds: float) -> None:
        """Moves forward and lets every sleeper due by then run, in order."""
        end_ns = self._now_ns + round(seconds * NS_PER_S)
        await asyncio.sleep(0)
        while self._waiting and self._waiting[0][0] <= end_ns:
            due_ns, _, future = heapq.heappop(self._waiting)
            self._now_ns = max(self._now_ns, due_ns)
            if not future.done():
                future.set_result(None)
            for _ in range(5):
                await asyncio.sleep(0)
        self._now_ns = end_ns


def monotonic_s() -> float:
    """Seconds that only grow, for measuring how long something took."""
    return time.perf_counter()


def cpu_s() -> float:
    """Seconds that processors have worked for this process, all its threads together; sleeping counts nothing."""
    return time.process_time()


def wall_ns() -> int:
    """The machine's own clock, whatever the plant's clock says: for what is compared with times of files."""
    return time.time_ns()


def age_s(modified_s: float) -> float:
    """How long ago a file was modified (its st_mtime), by the machine's own clock."""
    return time.time() - modified_s


def iso(t_ns: int) -> str:
    """2026-11-21T20:17:50.123Z, as people and other programs read it."""
    whole, rest = divmod(t_ns, NS_PER_S)
    return datetime.fromtimestamp(whole, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{rest // 1_000_000:03d}Z"


def from_iso(text: str) -> int:
    """Nanoseconds since 1970 UTC of an ISO 8601 time that names its zone (raises ValueError without one)."""
    when = datetime.fromisoformat(text)
    if when.tzinfo is None:
        raise ValueError(f"{text!r} names no time zone; add 'Z' or an offset such as '+01:00'")
    whole = int(when.replace(microsecond=0).timestamp())
    return whole * NS_PER_S + when.microsecond * 1000
