"""A plan by dispatching rules for any shop: a machine that becomes free takes the most urgent of what waits for it.

    board = run(tables, tails, Rule("late", 2.0))

An operation that is ready goes to the machine that would end it first with all that waits there already. Of those that
wait, the machine takes what has the highest index: the job's urgency, less for every second in which the machine would
stand or be set up (setups, a person who is busy, a closed shift that the operation does not fit in before).

    late   weight / seconds * exp(-slack / (k * mean seconds)) * exp(-lost / mean setup)
    work   seconds to the job's end                            * exp(-lost / mean setup)
Source: A. Vepsalainen, T. Morton, Priority rules for job shops with weighted tardiness costs (Management Science 33,
1987) for ATC; Y. Lee, K. Bhaskaran, M. Pinedo, A heuristic to minimize the total weighted tardiness with sequence-
dependent setups (IIE Transactions 29, 1997) for its setup term; Pinedo, Scheduling (2016), chapter 14.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from loopwright.make.board import Board, Place
from loopwright.make.tables import Tables

LOOKED_AT = 600_000  # places that are looked at in all, about: large shops look at fewer a decision
FEWEST, MOST = 4, 64  # candidates a decision


@dataclass(frozen=True)
class Rule:
    """What is urgent. k: how many mean durations of slack halve the urgency, about (for `late`)."""

    kind: Literal["late", "work"]
    k: float = 2.0


def run(tables: Tables, tails: Sequence[int], rule: Rule) -> Board:
    """Every operation on a board. tails: seconds from the start of each to the end of its job, at least."""
    return _Floor(tables, tails, rule).work()


class _Floor:
    """The shop while its operations are handed out: a queue a machine, and what happens next."""

    def __init__(self, tables: Tables, tails: Sequence[int], rule: Rule) -> None:
        self.tables, self.tails, self.rule, self.board = tables, tails, rule, Board(tables)
        count = len(tables.operations)
        self.missing = [sum(tables.fixed[w.operation] is None for w in waits) for waits in tables.before]
        self.queue: list[list[tuple[float, int, int]]] = [[] for _ in tables.state]
        self.load_s = [0] * len(tables.state)
        self.awake = [False] * len(tables.state)
        self.events: list[tuple[int, int, int]] = []
        seconds = [ways[0].seconds for ways, slot in zip(tables.ways, tables.fixed, strict=True) if ways and not slot]
        changes = [s for s in (*tables.exact.values(), *tables.others.values()) if s]
        self.mean_s = max(1.0, sum(seconds) / max(1, len(seconds)))
        self.lost_s = max(1.0, sum(changes) / len(changes) if changes else self.mean_s / 2)
        self.candidates = min(MOST, max(FEWEST, LOOKED_AT // max(1, count)))
        jobs = tables.shop.jobs
        self.weight = [job.weight for job in jobs]
        self.due = [math.inf if job.due_s is None else float(job.due_s) for job in jobs]
        self.longest = float(max(tails, default=1) or 1)

    def work(self) -> Board:
        """Hands everything out."""
        tables = self.tables
        for o, slot in enumerate(tables.fixed):
            if slot is None and not self.missing[o]:
                self._announce(o)
        while self.events:
            now_s, kind, which = heapq.heappop(self.events)
            if kind == 0:
                self._arrive(which, now_s)
            else:
                self._take(which, now_s)
        return self.board

    def _announce(self, operation: int) -> None:
        """It has all that it waits for, or will have at a time that is known."""
        ready_s = min(self.board.ready_s(operation, way.seconds) for way in self.tables.ways[operation])
        heapq.heappush(self.events, (max(0, ready_s), 0, operation))

    def _arrive(self, operation: int, now_s: int) -> None:
        """Into the queue of the machine that would end it first."""
        ways = self.tables.ways[operation]
        at = 0
        if len(ways) > 1:
            free_s = self.board.free_s
            at = min(range(len(ways)), key=lambda k: (
                max(now_s, free_s[ways[k].machine]) + self.load_s[ways[k].machine] + ways[k].seconds, k))
        machine, seconds, _ = ways[at]
        self.load_s[machine] += seconds
        due, tail = self.due[self.tables.job[operation]], self.tails[operation]
        first = due - tail if self.rule.kind == "late" and due < math.inf else 1e15 - tail
        heapq.heappush(self.queue[machine], (first, operation, at))
        if not self.awake[machine]:
            self.awake[machine] = True
            heapq.heappush(self.events, (max(now_s, self.board.free_s[machine]), 1, machine))

    def _take(self, machine: int, now_s: int) -> None:
        """The machine is free: it takes what is most urgent, and all that can go along with it."""
        queue = self.queue[machine]
        if not queue:
            self.awake[machine] = False
            return
        waiting = [heapq.heappop(queue) for _ in range(min(len(queue), self.candidates))]
        places = [self.board.fit(operation, at) for _, operation, at in waiting]
        best = max(range(len(waiting)), key=lambda k: (self._index(places[k], now_s), -k)) if len(waiting) > 1 else 0
        self._put(places[best], machine)
        for k, entry in enumerate(waiting):
            if k != best:
                again = self.board.fit(*entry[1:]) if self._same_batch(entry[1], waiting[best][1]) else None
                if again and again.joins:
                    self._put(again, machine)
                else:
                    heapq.heappush(queue, entry)
        heapq.heappush(self.events, (max(now_s, self.board.free_s[machine]), 1, machine))

    def _same_batch(self, operation: int, other: int) -> bool:
        batch = self.tables.batch
        return batch[operation] >= 0 and batch[operation] == batch[other]

    def _put(self, place: Place, machine: int) -> None:
        self.board.put(place)
        self.load_s[machine] -= place.end_s - place.start_s
        for other in self.tables.behind[place.operation]:
            self.missing[other] -= 1
            if not self.missing[other] and self.tables.fixed[other] is None:
                self._announce(other)

    def _index(self, place: Place, now_s: int) -> float:
        """How urgent it is that the operation goes there now (natural logarithm of the index)."""
        operation = place.operation
        tail, job = self.tails[operation], self.tables.job[operation]
        lost = (0 if place.joins else place.start_s - now_s) / self.lost_s
        if self.rule.kind == "work" or self.due[job] == math.inf:
            return math.log((tail + 1) / (self.longest + 1)) - lost - (50 if self.rule.kind == "late" else 0)
        slack = max(0.0, self.due[job] - tail - now_s) / (self.rule.k * self.mean_s)
        seconds = place.end_s - place.start_s
        return math.log(max(self.weight[job], 1e-9) / seconds) - min(slack, 40.0) - lost
