"""Where a walk begins: active schedules by a rule with chance in it, and on the way between two sequences. Compiled.

Source: B. Giffler, G. L. Thompson, Algorithms for solving production-scheduling problems (Operations Research 8, 1960);
of the operations in conflict the one with most work left, each rank times 1 to 1 + noise. The way between two: swaps of
neighbours drawn by chance, B. Peng, Z. Lu, T. Cheng, A tabu search/path relinking algorithm to solve the job shop
scheduling problem (Computers & Operations Research 53, 2015), here on a linear order, where no swap makes a cycle.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from loopwright.make.search.graph import fast


@fast
def work_left(x: Any, succ: Any, alt_at: Any, alt_p: Any, order: Any, left: Any) -> None:
    """Seconds from the start of each operation to the end of its job, each on its fastest machine."""
    for k in range(len(order) - 1, -1, -1):
        o = order[k]
        most = 0
        for nth in range(-1, x.sn[o]):
            i = x.js[o] if nth == -1 else succ[x.sa[o] + nth]
            if i >= 0:
                most = max(most, left[i])
        least = alt_p[alt_at[o]]
        for c in range(alt_at[o], alt_at[o + 1]):
            least = min(least, alt_p[c])
        left[o] = most + least


@fast
def soonest(alt_at: Any, alt_machine: Any, alt_p: Any, ready: Any, free: Any, o: int) -> int:
    """The choice with which o ends first."""
    chosen, least = alt_at[o], 2**60
    for c in range(alt_at[o], alt_at[o + 1]):
        end = max(ready[o], free[alt_machine[c]]) + alt_p[c]
        if end < least:
            chosen, least = c, end
    return chosen


@fast
def active(
    x: Any, pred: Any, succ: Any, alt_at: Any, alt_machine: Any, alt_p: Any, left: Any, noise: float, missing: Any,
    waiting: Any, ready: Any, free: Any, start: Any, choice: Any
) -> None:
    """An active schedule: start and choice (operations,). The other arrays are room to work in."""
    count = 0
    for o in range(len(x.p)):
        ready[o] = x.base[o]
        missing[o] = (x.jp[o] >= 0) + x.pn[o]
        if missing[o] == 0:
            waiting[count] = o
            count += 1
    while count > 0:
        least, machine = 2**60, 0
        for k in range(count):
            o = waiting[k]
            c = soonest(alt_at, alt_machine, alt_p, ready, free, o)
            choice[o] = c
            end = max(ready[o], free[alt_machine[c]]) + alt_p[c]
            if end < least:
                least, machine = end, alt_machine[c]
        best, at = -1.0, 0
        for k in range(count):
            o = waiting[k]
            if alt_machine[choice[o]] == machine and max(ready[o], free[machine]) < least:
                rank = left[o] * (1.0 + noise * np.random.random())
                if rank > best:
                    best, at = rank, k
        o = waiting[at]
        start[o] = max(ready[o], free[machine])
        end = start[o] + alt_p[choice[o]]
        free[machine] = end
        count -= 1
        waiting[at] = waiting[count]
        for nth in range(-1, x.sn[o]):
            i = x.js[o] if nth == -1 else succ[x.sa[o] + nth]
            if i >= 0:
                ready[i] = max(ready[i], end)
                missing[i] -= 1
                if missing[i] == 0:
                    waiting[count] = i
                    count += 1


PAIRS = 100_000  # drawn where there are more than so many to count


@fast
def turned(order: Any, rank: Any, machine: Any) -> int:
    """How many pairs of one machine stand the other way round in `rank`; of many pairs a part is drawn."""
    n, count = len(order), 0
    if n * n <= 2 * PAIRS:
        for i in range(n):
            for j in range(i):
                count += machine[order[i]] == machine[order[j]] and rank[order[j]] > rank[order[i]]
        return count
    for _ in range(PAIRS):
        i, j = np.random.randint(n), np.random.randint(n)
        a, b = order[max(i, j)], order[min(i, j)]
        count += machine[a] == machine[b] and rank[b] > rank[a]
    return int(count / PAIRS * n * n / 2)


@fast
def go_towards(order: Any, rank: Any, machine: Any, share: float) -> None:
    """Goes a share of the way from a linear order towards another: swaps neighbours that stand the other way round.

    order    (operations,) each after what it waits for; changed
    rank     (operations,) its place in the other order, in which each also is after what it waits for
    machine  (operations,) only swaps of two of one machine are counted
    Every order on the way is linear too: operations of a job stand in both alike, so they are never swapped.
    """
    n = len(order)
    left, idle = int(share * turned(order, rank, machine)), 0
    while left > 0 and idle < 20 * n:
        k = np.random.randint(n - 1)
        a, b = order[k], order[k + 1]
        idle += 1
        if rank[a] > rank[b]:
            order[k], order[k + 1] = b, a
            if machine[a] == machine[b]:
                left -= 1
                idle = 0
