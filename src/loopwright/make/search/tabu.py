"""A tabu search for the makespan of job shops and flexible job shops, from one sequence on. Compiled.

Source: F. Glover, Tabu search (ORSA Journal on Computing 1, 1989); moves and estimates in `moves`; tenures as C. Zhang,
P. Li, Z. Guan, Y. Rao, A tabu search algorithm with a new neighborhood structure (Computers & Operations Research 34,
2007).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from loopwright.make.search.graph import (
    chance,
    critical,
    fast,
    heads,
    longest,
    put_in,
    shift_later,
    shift_sooner,
    sort_all,
    tails,
    take_out,
)
from loopwright.make.search.moves import forbid, look_block, look_machines
from loopwright.make.search.rows import Net
from loopwright.make.search.stay import Stay, recount, stay_of

TENURE = 0.6  # of the published tenure, which forbids less: only what brings a whole sequence back
AWAY = 2.0  # of the published tenure, for a machine that was left: shops with many choices go round in circles else
PAIRS = 2**24  # most pairs of operations that the memory tells apart (64 MB)


@fast
def seeded(seed: int) -> None:
    """Starts the thread's own chance."""
    np.random.seed(seed)


@fast
def keep(x: Any, best_machine: Any, best_r: Any) -> None:
    """Notes the sequence as the best."""
    for o in range(len(x.p)):
        best_machine[o] = x.machine[o]
        best_r[o] = x.r[o]


@fast
def choose(
    x: Any, pred: Any, succ: Any, alt_at: Any, alt_machine: Any, alt_p: Any, first: Any, path: Any, end: int,
    tabu: Any, moved: Any, now: int, best: int, pick: Any, spare: Any, block: Any, stay: Any
) -> None:
    """The best move along a critical path into `pick`; one that is forbidden where there is no other."""
    pick[0], pick[1], pick[4] = 2**40, -1, 0
    spare[0], spare[1], spare[4] = 0, -1, 0
    i = 0
    while i < end:
        j = i
        while j + 1 < end and x.after[path[j]] == path[j + 1]:
            j += 1
        if j > i:
            look_block(x, pred, succ, path, i, j, end, tabu, now, best, pick, spare, block, stay)
        i = j + 1
    if len(alt_machine) > len(x.p):
        for k in range(end):
            o = path[k]
            if alt_at[o + 1] - alt_at[o] > 1:
                look_machines(
                    x, pred, succ, alt_at, alt_machine, alt_p, first, o, moved, now, best, pick, spare, stay)
    if pick[1] < 0:
        for k in range(6):
            pick[k] = spare[k]


@fast
def apply(
    x: Any, pred: Any, succ: Any, alt_at: Any, alt_machine: Any, alt_p: Any, first: Any, pick: Any, until: int,
    tabu: Any, moved: Any, order: Any, mark: Any, buffer: Any, stay: Any
) -> bool:
    """Makes the move in `pick` and mends order, heads and tails; False when it made a cycle, which cannot be."""
    kind, u, v = pick[1], pick[2], pick[3]
    begin, end, sound = x.place[u], x.place[u], True
    if kind == 2:
        for k in range(alt_at[u], alt_at[u + 1]):
            if alt_machine[k] == x.machine[u]:
                moved[k] = until
        old = x.machine[u]
        take_out(x, first, u)
        x.p[u] = alt_p[pick[5]]
        put_in(x, first, u, alt_machine[pick[5]], v)
        x.release[u] = max(x.base[u], x.free[x.machine[u]])
        if stay.need[0] > 0:
            recount(x, first, stay, old)
        n = x.after[u]
        if v >= 0 and x.place[v] > begin:
            end = x.place[v]
            sound = shift_later(x, pred, order, u, v, mark, buffer)
        elif n >= 0 and x.place[n] < begin:
            begin = x.place[n]
            sound = shift_sooner(x, succ, order, n, u, mark, buffer)
    else:
        end = x.place[v]
        forbid(x, u, v, kind, tabu, until)
        if kind == 0:
            take_out(x, first, u)
            put_in(x, first, u, x.machine[u], v)
            sound = shift_later(x, pred, order, u, v, mark, buffer)
        else:
            b = x.before[u]
            take_out(x, first, v)
            put_in(x, first, v, x.machine[v], b)
            sound = shift_sooner(x, succ, order, u, v, mark, buffer)
    if stay.need[0] > 0:
        recount(x, first, stay, x.machine[u])
    heads(x, pred, order, begin)
    tails(x, succ, order, end)
    return sound


@fast
def search(
    x: Any, pred: Any, succ: Any, alt_at: Any, alt_machine: Any, alt_p: Any, first: Any, tabu: Any, moved: Any,
    order: Any, mark: Any, buffer: Any, path: Any, block: Any, pick: Any, spare: Any, best_machine: Any, best_r: Any,
    now: int, stop: int, low: int, high: int, away: int, bound: int, best: int, stay: Any
) -> tuple[int, int]:
    """Moves from iteration `now` until `stop`, or until the makespan is `bound`: (best makespan, iterations done).

    best         a makespan known already: only a smaller one is noted, in best_machine and best_r
    low, high    how many iterations what a move changed stays as it is, drawn between them
    away         how many at least an operation does not go back to a machine that it left
    stay         what must be kept of an older plan (`stay.Stay`)
    Returns (-1, ..) when there is a cycle: the sequence it began with had one.
    """
    if not sort_all(x, pred, succ, order, buffer):
        return -1, now
    if stay.need[0] > 0:
        for m in range(len(first)):
            recount(x, first, stay, m)
    heads(x, pred, order, 0)
    tails(x, succ, order, len(order) - 1)
    last = longest(x)
    if last < best:
        best = last
        keep(x, best_machine, best_r)
    while now < stop and best > bound:
        now += 1
        end = critical(x, pred, last, path)
        choose(
            x, pred, succ, alt_at, alt_machine, alt_p, first, path, end, tabu, moved, now, best, pick, spare, block,
            stay)
        if pick[1] < 0:
            if not chance(1000):  # this path has no move: perhaps another one has
                continue
            break
        until = now + low + np.random.randint(high - low + 1)
        if pick[1] == 2:
            until = now + away + np.random.randint(away // 2 + 1)
        if not apply(
            x, pred, succ, alt_at, alt_machine, alt_p, first, pick, until, tabu, moved, order, mark, buffer,
            stay):
            return -1, now
        last = longest(x)
        if last < best:
            best = last
            keep(x, best_machine, best_r)
    return best, now


@dataclass
class Walk:
    """A walk through the sequences of a net: its memory, and where it is. One thread a walk.

    stay  what must be kept of an older plan
    now   iterations so far
    """

    net: Net
    stay: Stay | None = None

    def __post_init__(self) -> None:
        count = len(self.net.rows.p)
        self.x = type(self.net.rows)(*(column.copy() for column in self.net.rows))
        self.now = 0
        self.stay = self.stay or stay_of([-1] * count, [0] * count, self.net.machines, 0)
        self._tabu = np.zeros(1 << min(24, max(1, (count * count - 1).bit_length())), np.int32)
        self._moved = np.zeros(len(self.net.alt_machine), np.int32)
        self._ints = [np.empty(count, np.int32) for _ in range(3)]  # order, buffer, path
        self._mark = np.zeros(count, np.bool_)
        self._block = np.empty((5, count), np.int64)
        self._pick, self._spare = np.empty(6, np.int64), np.empty(6, np.int64)
        self.machine, self.r = np.empty(count, np.int32), np.empty(count, np.int32)
        jobs = int(self.net.job[-1]) + 1 if count else 1
        published = 10 + jobs / max(1, self.net.machines)
        tenure, self._away = TENURE * published, int(AWAY * published)
        self._low = int(tenure)
        self._high = int(tenure * (1.4 if jobs <= 2 * self.net.machines else 1.5))

    def run(self, first: Any, iterations: int, bound: int, best: int) -> int:
        """Goes on from the sequence in `x` and `first`; the best makespan, whose sequence then is in machine and r."""
        order, buffer, path = self._ints
        net = self.net
        found, now = search(
            self.x, net.pred, net.succ, net.alt_at, net.alt_machine, net.alt_p, first, self._tabu, self._moved, order,
            self._mark, buffer, path, self._block, self._pick, self._spare, self.machine, self.r, self.now,
            self.now + iterations, self._low, self._high, self._away, bound, best, self.stay)
        if found < 0:
            raise ValueError("the sequence has a cycle")
        self.now = now
        return found

    def forget(self) -> None:
        """What was forbidden is so no longer."""
        self.now += max(self._high, 2 * self._away) + 1
