"""Dispatching rules compiled: the fast twin of `make.dispatching.foreman`, which says what is meant.

    crew = Crew(tables)
    plan = crew.work(tails, Rule("work"))           one rule: its order, machines and times
    slots = crew.slots(plan)

10,000 orders of 8 operations are handed out in a fraction of a second, so that many rules can be tried.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from loopwright.core.types import Slot
from loopwright.make.anneal.decode import WIDTH, blank, fit, fixed_of, joins, put, ready, times_of
from loopwright.make.compiled import fast
from loopwright.make.dispatching.foreman import MOST, Rule, Urgency, urgency
from loopwright.make.dispatching.tables import Tables

STEPS = 20_000  # events between two looks at who wants to stop

# The urgency of `foreman.Urgency` as arrays; numbers: slack_s, lost_s
Ranks = namedtuple("Ranks", "first base each latest numbers")
# missing: an operation; at, size, load, awake: a machine; queue: (operations that may come, a machine's from at on);
# taken_way: an operation's way; times, who, count: what happens next, a heap of time and of operation or, behind them,
# machine; order, done: what was placed, and how many
Floor = namedtuple("Floor", "missing at size load awake queue way times who count order done picked")


@fast
def sooner(times: Any, who: Any, a: int, b: int) -> bool:
    """Whether event a comes before event b."""
    return bool(times[a] < times[b] or (times[a] == times[b] and who[a] < who[b]))


@fast
def swap(values: Any, a: int, b: int) -> None:
    """Changes two places."""
    kept = values[a]
    values[a] = values[b]
    values[b] = kept


@fast
def happen(w: Any, time: int, who: int) -> None:
    """Puts an event on the heap."""
    k = w.count[0]
    w.times[k], w.who[k] = time, who
    w.count[0] += 1
    while k > 0 and sooner(w.times, w.who, k, (k - 1) // 2):
        swap(w.times, k, (k - 1) // 2)
        swap(w.who, k, (k - 1) // 2)
        k = (k - 1) // 2


@fast
def next_event(w: Any) -> tuple[int, int]:
    """Takes the first event from the heap."""
    time, who = w.times[0], w.who[0]
    w.count[0] -= 1
    n = w.count[0]
    w.times[0], w.who[0] = w.times[n], w.who[n]
    k = 0
    while 2 * k + 1 < n:
        child = 2 * k + 1
        if child + 1 < n and sooner(w.times, w.who, child + 1, child):
            child += 1
        if not sooner(w.times, w.who, child, k):
            break
        swap(w.times, k, child)
        swap(w.who, k, child)
        k = child
    return time, who


@fast
def before(g: Any, a: int, b: int) -> bool:
    """Whether operation a stands before b where both wait."""
    return bool(g.first[a] < g.first[b] or (g.first[a] == g.first[b] and a < b))


@fast
def queue_up(w: Any, g: Any, m: int, o: int) -> None:
    """Puts o into the queue of its machine."""
    at, k = w.at[m], w.size[m]
    w.queue[at + k] = o
    w.size[m] += 1
    while k > 0 and before(g, w.queue[at + k], w.queue[at + (k - 1) // 2]):
        swap(w.queue, at + k, at + (k - 1) // 2)
        k = (k - 1) // 2


@fast
def first_of(w: Any, g: Any, m: int) -> int:
    """Takes the first from the queue of a machine."""
    at = w.at[m]
    o = w.queue[at]
    w.size[m] -= 1
    n = w.size[m]
    w.queue[at] = w.queue[at + n]
    k = 0
    while 2 * k + 1 < n:
        child = 2 * k + 1
        if child + 1 < n and before(g, w.queue[at + child + 1], w.queue[at + child]):
            child += 1
        if not before(g, w.queue[at + child], w.queue[at + k]):
            break
        swap(w.queue, at + k, at + child)
        k = child
    return int(o)


@fast
def announce(f: Any, x: Any, w: Any, o: int) -> None:
    """o has all that it waits for, or will have at a time that is known."""
    t = 2**60
    for way in range(f.way_at[o], f.way_at[o + 1]):
        t = min(t, ready(f, x, o, f.way_s[way]))
    happen(w, max(0, t), o)


@fast
def arrive(f: Any, s: Any, w: Any, g: Any, o: int, now: int, count: int) -> None:
    """o goes into the queue of the machine that would end it first."""
    chosen, least = f.way_at[o], 2**62
    for way in range(f.way_at[o], f.way_at[o + 1]):
        m = f.way_machine[way]
        end = max(now, s[m * WIDTH]) + w.load[m] + f.way_s[way]
        if end < least:
            chosen, least = way, end
    w.way[o] = chosen
    m = f.way_machine[chosen]
    w.load[m] += f.way_s[chosen]
    queue_up(w, g, m, o)
    if not w.awake[m]:
        w.awake[m] = True
        happen(w, max(now, s[m * WIDTH]), count + m)


@fast
def place(f: Any, s: Any, x: Any, w: Any, o: int, m: int) -> None:
    """o goes on the machine, and what waited for it only comes."""
    put(f, s, x, o, w.way[o], 0)
    w.order[w.done[0]] = o
    w.done[0] += 1
    w.load[m] -= x.end[o] - x.start[o]
    for k in range(f.suc_at[o], f.suc_at[o + 1]):
        i = f.suc[k]
        w.missing[i] -= 1
        if w.missing[i] == 0 and not f.fixed[i]:
            announce(f, x, w, i)


@fast
def index(g: Any, o: int, start: int, seconds: int, joined: bool, now: int) -> float:
    """How urgent it is that o goes there now."""
    lost = 0.0 if joined else (start - now) / g.numbers[1]
    slack = min(max(0.0, g.latest[o] - now) / g.numbers[0], 40.0)
    return float(g.base[o] - (np.log(seconds) if g.each[o] else 0.0) - slack - lost)


@fast
def take(f: Any, s: Any, x: Any, w: Any, g: Any, m: int, now: int, most: int, count: int) -> None:
    """The machine is free: it takes what is most urgent, and all that can go along with it."""
    if w.size[m] == 0:
        w.awake[m] = False
        return
    waiting = min(w.size[m], most)
    best, highest = 0, -np.inf
    for k in range(waiting):
        o = first_of(w, g, m)
        w.picked[k] = o
        if waiting > 1:
            way = w.way[o]
            t = max(0, ready(f, x, o, f.way_s[way]))
            joined = joins(f, s, o, way, t)
            start = s[m * WIDTH + 4] if joined else fit(f, s, o, way, t)[0]
            found = index(g, o, start, f.way_s[way], joined, now)
            if found > highest:
                best, highest = k, found
    chosen = w.picked[best]
    place(f, s, x, w, chosen, m)
    for k in range(waiting):
        o = w.picked[k]
        if k == best:
            continue
        if f.batch[o] >= 0 and f.batch[o] == f.batch[chosen] and joins(
                f, s, o, w.way[o], max(0, ready(f, x, o, f.way_s[w.way[o]]))):
            place(f, s, x, w, o, m)
        else:
            queue_up(w, g, m, o)
    happen(w, max(now, s[m * WIDTH]), count + m)


@fast
def begin(f: Any, x: Any, w: Any) -> None:
    """What can come from the beginning on."""
    for o in range(len(f.fixed)):
        if not f.fixed[o] and w.missing[o] == 0:
            announce(f, x, w, o)


@fast
def work(f: Any, s: Any, x: Any, w: Any, g: Any, most: int, steps: int) -> int:
    """So many events; how many are left."""
    count = len(f.fixed)
    while w.count[0] > 0 and steps > 0:
        steps -= 1
        now, who = next_event(w)
        if who < count:
            arrive(f, s, w, g, who, now, count)
        else:
            take(f, s, x, w, g, who - count, now, most, count)
    return int(w.count[0])


@dataclass
class Worked:
    """What a rule made: order (placed,) of operations, way (operations,), and their times."""

    order: Any
    way: Any
    times: Any


class Crew:
    """A shop ready to be handed out by any rule. fixed: its arrays (`decode.fixed_of`), made here when not given."""

    def __init__(self, tables: Tables, fixed: Any = None) -> None:
        self.tables, self.f = tables, fixed_of(tables) if fixed is None else fixed
        f, machines = self.f, len(tables.state)
        self._missing = np.add.reduceat(
            np.append(~f.fixed[f.pre], 0).astype(np.int64), f.pre_at[:-1]) if len(f.pre) else np.zeros(len(f.fixed))
        self._missing[np.diff(f.pre_at) == 0] = 0
        self._at = np.concatenate(([0], np.cumsum(np.bincount(f.way_machine, minlength=machines))))

    def _floor(self) -> Any:
        count, machines = len(self.f.fixed), len(self.tables.state)
        ints = partial(np.zeros, dtype=np.int64)
        return Floor(
            self._missing.astype(np.int64), self._at, ints(machines), ints(machines), np.zeros(machines, np.bool_),
            ints(int(self._at[-1])), self.f.way_at[:-1].copy(), ints(count + machines + 1), ints(count + machines + 1),
            ints(1), ints(count), ints(1), ints(MOST + 1))

    def work(self, tails: Any, rule: Rule, hurry: Callable[[], bool] = lambda: False) -> Worked:
        """Every operation handed out by the rule. tails: as `foreman.urgency`; hurry: as `hand_out`."""
        return self.hand_out(urgency(self.tables, tails, rule), hurry)

    def hand_out(self, told: Urgency, hurry: Callable[[], bool] = lambda: False) -> Worked:
        """Every operation handed out by its urgency. hurry: asked now and then; from then on the rest goes quickly."""
        ranks = Ranks(told.first, told.base, told.each, told.latest, np.array([told.slack_s, told.lost_s]))
        x, w = times_of(self.tables), self._floor()
        s = np.zeros(WIDTH * len(self.tables.state) + len(self.tables.away) + len(self.tables.state), np.int64)
        blank(self.f, s)
        begin(self.f, x, w)
        while work(self.f, s, x, w, ranks, 1 if hurry() else told.candidates, STEPS):
            pass
        return Worked(w.order[:int(w.done[0])], w.way, x)

    def slots(self, worked: Worked) -> list[Slot]:
        """The slots of what was handed out, and of what stays where it is."""
        return slots_of(self.tables, self.f, worked.way, worked.times)


def slots_of(tables: Tables, fixed: Any, way: Any, times: Any) -> list[Slot]:
    """Slots of all operations from their ways and times, with what stays where it is."""
    names, units = [m.id for m in tables.shop.machines], tables.unit_names
    person = [""] * len(tables.operations)
    if any(units):
        owners = np.repeat(np.arange(len(person)), np.diff(fixed.need_at)).tolist()
        for o, k in zip(owners, times.unit.tolist(), strict=True):
            person[o] = units[k] if k >= 0 and units[k] else person[o]
    rows = zip(
        tables.operations, tables.fixed, fixed.way_machine[way].tolist(), times.start.tolist(), times.end.tolist(),
        times.setup.tolist(), person, strict=True)
    return [stands if stands else Slot(o.job, o.name, names[m], start, end, False, setup, who)
            for o, stands, m, start, end, setup, who in rows]
