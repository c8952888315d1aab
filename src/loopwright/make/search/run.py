"""The search as a whole: walks from several beginnings, and from between the best sequences found.

    found = shortest(net, slots, Budget(seconds=9.0))      a Found: start (operations,), choice (operations,), makespan

Each thread keeps a handful of good sequences; a new walk begins between two of them, of which one may be another
thread's (path relinking: B. Peng, Z. Lu, T. Cheng, A tabu search/path relinking algorithm to solve the job shop
scheduling problem, Computers & Operations Research 53, 2015). With a number of iterations as budget threads do not look
at each other, so that equal seeds give equal plans.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from loopwright.core.clock import monotonic_s
from loopwright.core.types import Slot
from loopwright.make.budget import Budget
from loopwright.make.search import start
from loopwright.make.search.rows import MOST_S, Net, choice_of, sequence
from loopwright.make.search.tabu import Walk, seeded

POOL = 8  # good sequences that a thread keeps
STALE = 12_000  # iterations without a better one that end a walk
SLICE_S = 0.05  # how often the clock, and who wants to stop, are looked at
NOISE = 0.3
LONG = 10**8  # operations times jobs, above which building an active schedule takes seconds
MIX = 0.5  # of the walks between two, how many go towards another thread's sequence
WAY = (0.35, 0.65)  # how far they begin from the first, as a share of the way


@dataclass
class Found:
    """A sequence: start (operations,) in seconds, choice (operations,) of machine, and its makespan."""

    makespan: int
    start: Any
    choice: Any
    iterations: int = 0


class _Explorer:
    """One thread's search."""

    def __init__(self, net: Net, nth: int, budget: Budget, end_s: float, bound: int) -> None:
        self.net, self.budget, self.end_s, self.bound = net, budget, end_s, bound
        self.rng = np.random.default_rng([budget.seed, nth])
        self.walk = Walk(net)
        self.seed = int(self.rng.integers(2**31))
        self.pool: list[Found] = []
        self.best: Found | None = None
        self._slice = int(np.clip(2_000_000 // max(1, len(net.job)), 20, 500))

    def run(self, first: Found, others: list[Any]) -> Found:
        """Searches until the budget is spent, or the bound is met by this thread or another."""
        seeded(self.seed)
        self.best = first
        begin: Found | None = first if others[0] is self else None
        while not self._over(others):
            if begin is None:
                begin = self._active() if len(self.pool) < POOL else self._between(others)
            self._keep(self._climb(begin, others))
            begin = None
        return self.best

    def _over(self, others: list[Any]) -> bool:
        budget = self.budget
        spent = budget.iterations is not None and self.walk.now >= budget.iterations
        stopped = budget.stop is not None and budget.stop.is_set()
        met = any(other.best is not None and other.best.makespan <= self.bound for other in others)
        return spent or stopped or monotonic_s() >= self.end_s or (met and budget.iterations is None) or (
            self.best is not None and self.best.makespan <= self.bound)

    def _climb(self, begin: Found, others: list[Any]) -> Found:
        """A walk from there on until it brings nothing for a while."""
        net, walk = self.net, self.walk
        walk.forget()
        first = sequence(net, walk.x, begin.start, begin.choice)
        best, since = MOST_S * 2, walk.now
        kept = begin
        while walk.now - since < STALE and not self._over(others):
            before, begun_s = walk.now, monotonic_s()
            step = self._slice if self.budget.iterations is None else 2_000
            if self.budget.iterations is not None:
                step = min(step, max(1, self.budget.iterations - walk.now))
            found = walk.run(first, step, self.bound, best)
            if found < best:
                best, since = found, walk.now
                kept = Found(found, walk.r.astype(np.int64), choice_of(net, walk.machine), walk.now)
                self._better(kept)
            if walk.now - before < step:
                break  # it met the bound, or there is nothing left to move
            took_s = monotonic_s() - begun_s
            self._slice = int(np.clip(self._slice * SLICE_S / max(took_s, 1e-4), 20, STALE // 4))
        return kept

    def _better(self, found: Found) -> None:
        if self.best is None or found.makespan < self.best.makespan:
            self.best = found
            if self.budget.progress:
                self.budget.progress(found.makespan)

    def _keep(self, found: Found) -> None:
        """Into the pool, unless it is there already or worse than all in it."""
        near = 0.01 * found.makespan
        if any(p.makespan == found.makespan and np.abs(p.start - found.start).mean() < near for p in self.pool):
            return
        if len(self.pool) < POOL:
            self.pool.append(found)
            return
        worst = max(range(POOL), key=lambda k: self.pool[k].makespan)
        if found.makespan <= self.pool[worst].makespan:
            self.pool[worst] = found

    def _active(self) -> Found:
        """A new beginning by rule and chance; of a very large shop the best there is, once more."""
        if self.best is not None and len(self.net.job) * int(self.net.job[-1] + 1) > LONG:
            return self.best
        return active(self.net, int(self.rng.integers(2**31)))

    def _between(self, others: list[Any]) -> Found:
        """A beginning on the way from one of the pool to another, or to one of another thread's pool."""
        i, j = self.rng.choice(len(self.pool), 2, replace=False)
        a, b = self.pool[i], self.pool[j]
        mates = [found for other in others if other is not self for found in other.pool]
        if mates and self.budget.iterations is None and self.rng.random() < MIX:
            b = mates[self.rng.integers(len(mates))]
        jobs = int(self.net.job[-1]) + 1
        choice = np.where(self.rng.random(jobs)[self.net.job] < 0.5, a.choice, b.choice)
        return between(self.net, a, b, choice, self.rng.uniform(*WAY))


def between(net: Net, a: Found, b: Found, choice: Any, share: float) -> Found:
    """What lies a share of the way from a to b, with this choice (operations,) of machines; its makespan is not told.

    Its start is a key to sort by, not seconds.
    """
    count = len(choice)
    order, rank, key = np.argsort(a.start, kind="stable"), np.empty(count, np.int64), np.empty(count, np.int64)
    rank[np.argsort(b.start, kind="stable")] = np.arange(count)
    start.go_towards(order, rank, net.alt_machine[choice], share)
    key[order] = np.arange(count)
    return Found(0, key, choice)


def active(net: Net, seed: int, noise: float = NOISE) -> Found:
    """An active schedule by rule and chance."""
    count = len(net.rows.p)
    seeded(seed)
    left, ready, begin = (np.zeros(count, np.int64) for _ in range(3))
    missing, waiting = (np.zeros(count, np.int32) for _ in range(2))
    choice, free = np.zeros(count, np.int64), net.rows.free.astype(np.int64)
    order = _order(net)
    start.work_left(net.rows, net.succ, net.alt_at, net.alt_p, order, left)
    start.active(
        net.rows, net.pred, net.succ, net.alt_at, net.alt_machine, net.alt_p, left, noise, missing, waiting, ready,
        free, begin, choice)
    return Found(int((begin + net.alt_p[choice]).max(initial=0)), begin, choice)


def _order(net: Net) -> Any:
    """(operations,) each after what it waits for by job."""
    depth = np.zeros(len(net.rows.p), np.int64)
    for o in range(len(depth)):  # operations of a job mostly stand in order; where they do not, again
        _deepen(net, depth, o)
    return np.argsort(depth, kind="stable").astype(np.int32)


def _deepen(net: Net, depth: Any, o: int) -> None:
    waiting = [o]
    while waiting:
        i = waiting.pop()
        others = net.succ[net.rows.sa[i]:net.rows.sa[i] + net.rows.sn[i]]
        for k in [net.rows.js[i], *others] if net.rows.js[i] >= 0 else []:
            if depth[k] <= depth[i]:
                depth[k] = depth[i] + 1
                waiting.append(int(k))


def found_of(net: Net, slots: Sequence[Slot]) -> Found:
    """The sequence of a plan's slots; its makespan without what has begun."""
    number = {o.key: k for k, o in enumerate(net.operations)}
    machine = {m.id: k for k, m in enumerate(net.shop.machines)}
    begin, taken = np.zeros(len(number), np.int64), np.zeros(len(number), np.int32)
    last = 0
    for slot in slots:
        k = number.get((slot.order, slot.operation))
        if k is not None:
            begin[k], taken[k], last = slot.start_s, machine[slot.machine], max(last, slot.end_s)
    return Found(last, begin, choice_of(net, taken))


def shortest(net: Net, slots: Sequence[Slot], budget: Budget, bound: int = 0) -> Found:
    """The shortest sequence found within the budget, no longer than that of `slots`.

    Raises ValueError when the times do not fit (seconds below 2**29 in all).
    """
    end_s = monotonic_s() + budget.seconds
    first = found_of(net, slots)
    if first.makespan >= MOST_S:
        raise ValueError(f"{first.makespan} s")
    explorers = [_Explorer(net, nth, budget, end_s, bound) for nth in range(max(1, budget.workers))]
    with ThreadPoolExecutor(len(explorers)) as threads:
        done = [threads.submit(e.run, first, explorers) for e in explorers]
        found = [d.result() for d in done]
    best = min(found, key=lambda f: f.makespan)
    best.iterations = sum(e.walk.now for e in explorers)
    return best
