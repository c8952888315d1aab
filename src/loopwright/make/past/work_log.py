"""Work as a shop wrote it down: who worked at which order, on what, from when to when, and what came of it.

    known_by(works, t_ns)       what was known then: a row of a log counts as known when its work was completed
    by_order(works)             order -> its rows by start
    seconds_each(works)         how long each took when one who does several things at once shares the time among them
    from_event(event)           a row out of the plant's ledger (kind 'work.logged')

Plain data. `packs.shop_floor.event_log` reads it from files, `past.durations` fits it, `past.replay` plans it again.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError
from loopwright.core.types import Event

SETUP, RUN = "setup", "run"
EVENT = "work.logged"


@dataclass(frozen=True)
class Work:
    """One row: a resource worked at an operation of an order without a break that the log tells of.

    activity  what was done: 'Round Grinding'; stage: 'setup' or 'run', '' where the log does not say
    machine, operator  who or what did it, '' where the log does not say; one of them stands
    start_ns, end_ns   UTC; equal where the log gives one time for both
    quantity, scrap, review  pieces good, rejected, and held for the review board; None where the log does not say
    rework    whether the log calls it rework
    line      of the file, 0 where it comes from none
    Raises InputError when it ends before it starts, a count is negative, or nobody did it.
    """

    order: str
    activity: str
    start_ns: int
    end_ns: int
    machine: str = ""
    operator: str = ""
    stage: str = ""
    quantity: float | None = None
    scrap: float | None = None
    review: float | None = None
    rework: bool = False
    line: int = 0

    def __post_init__(self) -> None:
        where = f"work at order {self.order!r}"
        if not self.order or not self.activity:
            raise InputError(where, f"order {self.order!r}, activity {self.activity!r}", "both named")
        if not self.machine and not self.operator:
            raise InputError(where, "neither a machine nor an operator", "one of them at least")
        if self.end_ns < self.start_ns:
            raise InputError(where, f"ends {(self.start_ns - self.end_ns) / NS_PER_S:,.0f} s before it starts",
                             "an end at or after the start")
        for name, value in (("quantity", self.quantity), ("scrap", self.scrap), ("review", self.review)):
            if value is not None and not 0 <= value < math.inf:
                raise InputError(where, f"{name} {value}", "a number of pieces from 0 on")

    @property
    def resource(self) -> str:
        """What it took up: the machine, or the operator where the log names no machine."""
        return self.machine or self.operator

    @property
    def seconds(self) -> float:
        """From start to end."""
        return (self.end_ns - self.start_ns) / NS_PER_S

    @property
    def id(self) -> str:
        """The same for the same row, in whatever file it stands."""
        return f"{self.order}/{self.activity}/{self.resource}/{self.start_ns}/{self.end_ns}/{self.stage}" + (
            f"/{self.quantity:g}" if self.quantity is not None else "")


def known_by(works: Iterable[Work], t_ns: int) -> list[Work]:
    """The rows that were known at t_ns: those completed by then. Assumed: no log says when a row was written."""
    return [work for work in works if work.end_ns <= t_ns]


def by_order(works: Iterable[Work]) -> dict[str, list[Work]]:
    """order -> its rows by start, then end; the orders by their first start."""
    found: dict[str, list[Work]] = defaultdict(list)
    for work in sorted(works, key=lambda w: (w.start_ns, w.end_ns, w.order, w.activity, w.resource, w.line)):
        found[work.order].append(work)
    return dict(found)


def by_resource(works: Iterable[Work]) -> dict[str, list[Work]]:
    """resource -> its rows by start, then end."""
    found: dict[str, list[Work]] = defaultdict(list)
    for work in sorted(works, key=lambda w: (w.resource, w.start_ns, w.end_ns, w.order, w.activity, w.line)):
        found[work.resource].append(work)
    return dict(found)


def seconds_each(works: Sequence[Work]) -> list[float]:
    """Seconds of each row when a resource that has m rows open at once gives each of them an m-th of its time.

    Added up over the rows of a resource this is the time in which it had any: nothing is counted twice. What a machine
    does by itself while its operator is elsewhere comes out shorter than it was.
    """
    shared = [0.0] * len(works)
    places: dict[str, list[int]] = defaultdict(list)
    for k, work in enumerate(works):
        places[work.resource].append(k)
    for mine in places.values():
        edges = sorted({t for k in mine for t in (works[k].start_ns, works[k].end_ns)})
        begin = sorted(mine, key=lambda k: works[k].start_ns)
        active: set[int] = set()
        at = 0
        for left, right in itertools.pairwise(edges):
            active = {k for k in active if works[k].end_ns > left}
            while at < len(begin) and works[begin[at]].start_ns <= left:
                if works[begin[at]].end_ns > left:
                    active.add(begin[at])
                at += 1
            for k in active:
                shared[k] += (right - left) / NS_PER_S / len(active)
    return shared


@dataclass(frozen=True)
class Overlap:
    """How much of a resource's recorded time lies over other recorded time of its own.

    recorded_s  all its rows added up; busy_s: time in which it had any; most: rows open at once
    """

    resource: str
    rows: int
    recorded_s: float
    busy_s: float
    most: int

    @property
    def part(self) -> float:
        """Of the recorded time, how much is counted more than once."""
        return 1.0 - self.busy_s / self.recorded_s if self.recorded_s else 0.0


def overlaps(works: Sequence[Work]) -> list[Overlap]:
    """What each resource's rows say about doing several things at once; the one with most first."""
    shared = seconds_each(works)
    busy: dict[str, float] = defaultdict(float)
    for work, seconds in zip(works, shared, strict=True):
        busy[work.resource] += seconds
    found = []
    for name, rows in by_resource(works).items():
        edges = sorted([(w.start_ns, 1) for w in rows if w.seconds] + [(w.end_ns, -1) for w in rows if w.seconds],
                       key=lambda edge: edge)
        depth = most = 0
        for _, step in edges:
            depth += step
            most = max(most, depth)
        found.append(Overlap(name, len(rows), sum(w.seconds for w in rows), busy[name], most))
    return sorted(found, key=lambda o: (o.busy_s - o.recorded_s, o.resource))


def as_body(work: Work, assumed: Mapping[str, object]) -> dict[str, object]:
    """The body of a 'work.logged' event. assumed: what the log did not say, as the importer took it."""
    return {
        "order": work.order, "activity": work.activity, "machine": work.machine, "operator": work.operator,
        "stage": work.stage, "start_ns": work.start_ns, "end_ns": work.end_ns, "quantity": work.quantity,
        "scrap": work.scrap, "review": work.review, "rework": work.rework, "known_ns": work.end_ns,
        "assumed": dict(assumed)}


def from_event(event: Event) -> Work:
    """The row that a 'work.logged' event tells of."""
    body = event.body
    return Work(*(body[name] for name in (
        "order", "activity", "start_ns", "end_ns", "machine", "operator", "stage", "quantity", "scrap", "review",
        "rework")))
