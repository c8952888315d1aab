"""A plan by dispatching rules for any shop: a machine that becomes free takes the most urgent of what waits for it.

    board = run(tables, tails, Rule("late", 2.0))

An operation that is ready goes to the machine that would end it first with all that waits there already. Of those that
wait, the machine takes what has the highest index: the job's urgency, less for every second in which the machine would
stand or be set up (setups, a person who is busy, a closed shift that the operation does not fit in before).

    late   weight / seconds * exp(-slack / (k * mean seconds)) * exp(-lost / mean setup)
    work   seconds to the job's end                            * exp(-lost / mean setup)
    short  1 / seconds                                         * exp(-lost / mean setup)
Source: A. Vepsalainen, T. Morton, Priority rules for job shops with weighted tardiness costs (Management Science 33,
1987) for ATC; Y. Lee, K. Bhaskaran, M. Pinedo, A heuristic to minimize the total weighted tardiness with sequence-
dependent setups (IIE Transactions 29, 1997) for its setup term; Pinedo, Scheduling (2016), chapter 14.
`make.dispatching.crew` is its compiled twin.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from threading import Event
from typing import Any, Literal

import numpy as np

from loopwright.make.dispatching.board import Board, Place
from loopwright.make.dispatching.tables import Tables

LOOKED_AT = 600_000  # places that are looked at in all, about: large shops look at fewer a decision
FEWEST, MOST = 4, 64  # candidates a decision


@dataclass(frozen=True)
class Rule:
    """What is urgent.

    k      how many mean durations of slack halve the urgency, about (for `late`)
    noise  the urgency of each operation is multiplied by up to e^noise, drawn by seed
    lost   how much a second counts in which the machine stands or is set up, beside others of these rules
    """

    kind: Literal["late", "work", "short"]
    k: float = 2.0
    noise: float = 0.0
    seed: int = 0
    lost: float = 1.0


@dataclass(frozen=True)
class Urgency:
    """A rule over a shop, (operations,) each: the index is base - log(seconds) where `each` - slack - lost time, in
    natural logarithms, with slack = (latest - now) / slack_s from 0 to 40, and lost time in units of lost_s.

    first  who comes first into the choice of those that wait, the smallest first
    """

    first: Any
    base: Any
    each: Any
    latest: Any
    slack_s: float
    lost_s: float
    candidates: int


def urgency(tables: Tables, tails: Any, rule: Rule) -> Urgency:
    """What a rule says of a shop. tails: (operations,) seconds from the start of each to its job's end, at least."""
    tails = np.asarray(tails, np.int64)
    count, jobs, job = len(tables.operations), tables.shop.jobs, np.array(tables.job, np.int64)
    least = np.array([min((w.seconds for w in ways), default=1) for ways in tables.ways], np.float64)
    free = np.array([slot is None for slot in tables.fixed], np.bool_)
    changes = [s for s in (*tables.exact.values(), *tables.others.values()) if s]
    mean_s = max(1.0, float(least[free].mean())) if free.any() else 1.0
    more = rule.noise * np.random.default_rng(rule.seed).random(count)
    due = np.array([np.inf if j.due_s is None else j.due_s for j in jobs], np.float64)
    each = np.isfinite(due[job]) if rule.kind == "late" else np.full(count, rule.kind == "short")
    base = more + (0.0 if rule.kind == "short" else np.log((tails + 1.0) / (tails.max(initial=1) + 1.0)))
    latest = np.full(count, -np.inf)
    first = -1e9 * (base - np.log(least) * (rule.kind == "short"))
    if rule.kind == "late":
        weight = np.log([max(j.weight, 1e-9) for j in jobs]) if jobs else np.empty(0)
        base = np.where(each, weight[job] + more, base - 50.0)
        latest = np.where(each, due[job] - tails, latest)
        first = np.where(each, latest - rule.k * mean_s * more, 1e15 + first)
    lost_s = max(1.0, sum(changes) / len(changes) if changes else mean_s / 2) / rule.lost
    candidates = min(MOST, max(FEWEST, LOOKED_AT // max(1, count)))
    return Urgency(first, base, each, latest, rule.k * mean_s, lost_s, candidates)


def run(tables: Tables, tails: Any, rule: Rule, stop: Event | None = None) -> Board:
    """Every operation on a board; once `stop` is set, the rest without much thought."""
    return _Floor(tables, urgency(tables, tails, rule), stop).work()


class _Floor:
    """The shop while its operations are handed out: a queue a machine, and what happens next."""

    def __init__(self, tables: Tables, urgency: Urgency, stop: Event | None = None) -> None:
        self.tables, self.stop, self.board = tables, stop, Board(tables)
        self.slack_s, self.lost_s, self.candidates = urgency.slack_s, urgency.lost_s, urgency.candidates
        self.first, self.base, self.each, self.latest = (
            values.tolist() for values in (urgency.first, urgency.base, urgency.each, urgency.latest))
        self.missing = [sum(tables.fixed[w.operation] is None for w in waits) for waits in tables.before]
        self.queue: list[list[tuple[float, int, int]]] = [[] for _ in tables.state]
        self.load_s = [0] * len(tables.state)
        self.awake = [False] * len(tables.state)
        self.events: list[tuple[int, int, int]] = []

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
            if self.stop is not None and self.stop.is_set():
                self.candidates = 1
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
        heapq.heappush(self.queue[machine], (self.first[operation], operation, at))
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
        lost = (0 if place.joins else place.start_s - now_s) / self.lost_s
        slack = min(max(0.0, self.latest[operation] - now_s) / self.slack_s, 40.0)
        seconds = math.log(place.end_s - place.start_s) if self.each[operation] else 0.0
        return float(self.base[operation] - seconds - slack - lost)
