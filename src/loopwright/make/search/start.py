"""A first sequence: active schedules by a rule with chance in it. Compiled.

Source: B. Giffler, G. L. Thompson, Algorithms for solving production-scheduling problems (Operations Research 8, 1960);
of the operations in conflict the one with most work left, each rank times 1 to 1 + noise.
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
        ready[o] = x.release[o]
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
