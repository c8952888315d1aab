"""How early each operation can start and end, and how much must follow it: what bounds and rules are made of.

    edges = edges_of(tables)        head, early, tail, after: (operations,) int64 seconds

head   the earliest start were its job alone in the shop, closed times counted; early: the earliest end
tail   seconds its job needs at least after its start, each on its fastest machine; after: after its end
All jobs go on together, the operations that have nothing before them first, then those right behind, and so on: a few
array operations for each step of the longest job, whatever the number of jobs.
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np

from loopwright.make.dispatching.tables import Interval, Tables
from loopwright.make.shop import merged

Edges = namedtuple("Edges", "head early tail after fastest")
# rows of ways (one a machine an operation can go to) and of links (one an operation it waits for); steps: operations by
# how many stand before them in their job at most
Rows = namedtuple("Rows", "at machine seconds owner link_at before behind lag lot steps")
NEVER = 2**60


def rows_of(tables: Tables) -> Any:
    """A shop's ways and links as arrays."""
    counts = np.fromiter(map(len, tables.ways), np.int64, len(tables.ways))
    flat = [(way.machine, way.seconds) for ways in tables.ways for way in ways]
    machine, seconds = np.array(flat, np.int64).reshape(-1, 2).T
    links = np.fromiter(map(len, tables.before), np.int64, len(tables.before))
    found = np.array([wait for waits in tables.before for wait in waits], np.int64).reshape(-1, 3)
    behind = np.repeat(np.arange(len(links)), links)
    link_at = np.concatenate(([0], np.cumsum(links)))
    return Rows(
        np.concatenate(([0], np.cumsum(counts))), machine, seconds, np.repeat(np.arange(len(counts)), counts), link_at,
        found[:, 0], behind, found[:, 1], found[:, 2], _steps(found[:, 0], behind, link_at))


def _steps(before: Any, behind: Any, link_at: Any) -> list[Any]:
    """Operations by steps: each in the first step behind all that it waits for. Looked at once a link."""
    count = len(link_at) - 1
    missing = np.diff(link_at)
    order = np.argsort(before, kind="stable")
    after = behind[order]
    at = np.concatenate(([0], np.cumsum(np.bincount(before, minlength=count))))
    steps = []
    now = np.flatnonzero(missing == 0)
    while len(now):
        steps.append(now)
        reached = after[ranges(at[now], at[now + 1])]
        np.subtract.at(missing, reached, 1)
        now = np.unique(reached[missing[reached] == 0])
    return steps


def ranges(begin: Any, end: Any) -> Any:
    """begin[0] .. end[0] - 1, begin[1] .. end[1] - 1, ... one after another."""
    length = end - begin
    shift = np.repeat(begin - np.concatenate(([0], np.cumsum(length)[:-1])), length)
    return np.arange(int(length.sum())) + shift


def edges_of(tables: Tables, rows: Any = None) -> Any:
    """head, early, tail, after and the fastest seconds (0 for what stays where it is) of every operation."""
    rows = rows_of(tables) if rows is None else rows
    stays = np.array([slot is not None for slot in tables.fixed], np.bool_)
    fastest = np.full(len(stays), NEVER, np.int64)
    np.minimum.at(fastest, rows.owner, rows.seconds)
    fastest[stays | (fastest == NEVER)] = 0
    head, early = _heads(tables, rows, stays)
    return Edges(head, early, *_tails(rows, fastest), fastest)


def _tails(rows: Any, fastest: Any) -> tuple[Any, Any]:
    """From the last step to the first: what must follow the start, and the end."""
    tail, after = np.zeros_like(fastest), np.zeros_like(fastest)
    for now in reversed(rows.steps):
        tail[now] = np.maximum(tail[now], fastest[now] + after[now])
        k = ranges(rows.link_at[now], rows.link_at[now + 1])
        before, o = rows.before[k], rows.behind[k]
        whole = rows.lot[k] < 0
        np.maximum.at(after, before, rows.lag[k] + np.where(whole, tail[o], after[o]))
        np.maximum.at(tail, before[~whole], rows.lot[k][~whole] + tail[o][~whole])
    return tail, after


def _heads(tables: Tables, rows: Any, stays: Any) -> tuple[Any, Any]:
    """From the first step to the last: the earliest start and the earliest end."""
    taken = Taken(closed_of(tables))
    head = np.array(tables.ready, np.int64)
    early = np.zeros_like(head)
    stands = np.zeros((len(head), 2), np.int64)
    stands[stays] = np.array([(slot.start_s, slot.end_s) for slot in tables.fixed if slot], np.int64).reshape(-1, 2)
    for now in rows.steps:
        k = ranges(rows.link_at[now], rows.link_at[now + 1])
        before, o, whole = rows.before[k], rows.behind[k], rows.lot[k] < 0
        ended = early[before] + rows.lag[k]
        np.maximum.at(head, o, np.where(whole, ended, head[before] + rows.lot[k]))
        np.maximum.at(early, o[~whole], ended[~whole])  # it ends behind what is handed over in lots
        begin, end = np.full(len(now), NEVER, np.int64), np.full(len(now), NEVER, np.int64)
        way = ranges(rows.at[now], rows.at[now + 1])
        place = np.repeat(np.arange(len(now)), rows.at[now + 1] - rows.at[now])
        owner, seconds = rows.owner[way], rows.seconds[way]
        start = taken.first(rows.machine[way], np.maximum(head[owner], early[owner] - seconds), seconds)
        np.minimum.at(begin, place, start)
        np.minimum.at(end, place, start + seconds)
        nowhere = begin == NEVER
        early[now] = np.where(nowhere, np.maximum(head[now], early[now]), end)
        head[now] = np.where(nowhere, head[now], begin)
        mine = now[stays[now]]
        head[mine], early[mine] = stands[mine, 0], stands[mine, 1]
    return head, early


def closed_of(tables: Tables) -> list[list[Interval]]:
    """machine -> when it cannot take an operation. What has begun may be joined where several operations run at once.
    """
    number = {m.id: k for k, m in enumerate(tables.shop.machines)}
    found = [list(intervals) for intervals in tables.blocked]
    for slot in tables.fixed:
        if slot and tables.most[number[slot.machine]] == 1:
            found[number[slot.machine]].append((slot.start_s, slot.end_s))
    return [merged(intervals) for intervals in found]


class Taken:
    """Closed times of all machines, asked for many operations at once."""

    def __init__(self, closed: list[list[Interval]]) -> None:
        """closed: a machine's intervals, sorted and disjoint."""
        pairs = np.array([pair for intervals in closed for pair in intervals], np.int64).reshape(-1, 2)
        machine = np.repeat(np.arange(len(closed)), [len(intervals) for intervals in closed])
        self._begin, self._end = pairs[:, 0], pairs[:, 1]
        self._wide = int(pairs.max(initial=0)) + 1  # each machine has a stretch of its own on one line of time
        self._line = machine * self._wide + np.maximum(self._end, 0)
        self._until = np.cumsum([len(intervals) for intervals in closed])

    def first(self, machine: Any, start_s: Any, seconds: Any) -> Any:
        """The earliest starts, at or after start_s, at which `seconds` overlap nothing: (n,) each; `bound.first_fit`.
        """
        t = start_s.copy()
        left = np.arange(len(t)) if len(self._line) else np.empty(0, np.int64)
        while len(left):
            m = machine[left]
            at = np.searchsorted(self._line, m * self._wide + np.minimum(t[left], self._wide - 1), side="right")
            hit = at < self._until[m]
            hit[hit] = self._begin[at[hit]] < (t[left] + seconds[left])[hit]
            t[left[hit]] = np.maximum(t[left[hit]], self._end[at[hit]])
            left = left[hit]
        return t
