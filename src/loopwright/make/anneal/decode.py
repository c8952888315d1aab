"""From an order of operations to their times, compiled: the fast twin of `dispatching.board`, which says what is meant.

A search changes little at a time, so that a decoding begins at the last checkpoint before the change, ends as soon as
all is again as it was (`Marks`), and is given up when it costs more than what would be taken.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Sequence
from typing import Any

import numpy as np

from loopwright.make.compiled import fast
from loopwright.make.dispatching.tables import Tables

# Rows name_at[k] .. name_at[k + 1] are what belongs to k: way, pre, suc, need: operations; grp: groups of units; away:
# units; blk, anc: machines; exa: states (exact changes, sorted by the state after); sink: jobs (last operations)
# tail: seconds that must follow the end of an operation; chain (jobs,): whether its operations follow each other
Fixed = namedtuple("Fixed", (
    "way_at way_machine way_s way_state pre_at pre pre_lag pre_lot suc_at suc ready need_at need grp_at grp_unit "
    "away_at away_a away_b blk_at blk_a blk_b anc_at anc_a anc_b anc_setup anc_state anc_next exa_at exa_after exa_s "
    "others state most batch job due weight sink_at sink fixed tail chain"))
# start, end, setup, prev (the operation before on its machine, -1), place in the order: one number an operation;
# unit: one a need
Times = namedtuple("Times", "start end setup prev place unit")
# at every so many places of the order: state (marks, length), and of what is placed before cost (marks + 1, 3):
# makespan, weighted tardiness, setup; peak (marks,) the latest end up to the next, rest (marks + 1,) from there on
Marks = namedtuple("Marks", "state cost peak rest")
WIDTH = 9  # a machine's state: free, state, passed anchors; of its last batch: key, start, seconds, setup, state, size
NEVER = 2**60


def _rows(lists: Sequence[Sequence[Any]], fields: int = 1) -> list[Any]:
    """(lists + 1,) begins, and an array a field of all entries one after another."""
    at = np.cumsum([0, *(len(found) for found in lists)], dtype=np.int64)
    flat = [entry if fields > 1 else (entry,) for found in lists for entry in found]
    return [at, *(np.array([entry[k] for entry in flat], np.int64) for k in range(fields))]


def fixed_of(tables: Tables) -> Any:
    """The shop's tables as arrays."""
    shop, count = tables.shop, max([0, *tables.state, *(w.state for ways in tables.ways for w in ways),
                                    *(a.state for found in tables.anchors for a in found)])
    exact: list[list[tuple[int, int]]] = [[] for _ in range(count + 1)]
    for (before, after), seconds in sorted(tables.exact.items()):
        exact[before].append((after, seconds))
    anchors = [[(*a, _next_state(found, k)) for k, a in enumerate(found)] for found in tables.anchors]
    sinks: list[list[int]] = [[] for _ in shop.jobs]
    for o, behind in enumerate(tables.behind):
        if not behind:
            sinks[tables.job[o]].append(o)
    return Fixed(  # type: ignore[call-arg]  # its names are joined from several lines
        *_rows(tables.ways, 3), *_rows(tables.before, 3), *_rows(tables.behind), np.array(tables.ready, np.int64),
        *_rows(tables.needs), *_rows(tables.groups), *_rows(tables.away, 2), *_rows(tables.blocked, 2),
        *_rows(anchors, 5), *_rows(exact, 2), np.array([tables.others.get(k, 0) for k in range(count + 1)], np.int64),
        *(np.array(values, np.int64) for values in (tables.state, tables.most, tables.batch, tables.job)),
        np.array([NEVER if job.due_s is None else job.due_s for job in shop.jobs], np.int64),
        np.array([job.weight for job in shop.jobs], np.float64), *_rows(sinks),
        np.array([slot is not None for slot in tables.fixed], np.bool_), np.array(_tails(tables), np.int64),
        np.array(_chains(tables), np.bool_))


def _tails(tables: Tables) -> list[int]:
    """Seconds that must follow the end of each operation within its job, at the quickest."""
    tails, left = [0] * len(tables.operations), [len(behind) for behind in tables.behind]
    least = [min((w.seconds for w in ways), default=0) for ways in tables.ways]
    waiting = [k for k, count in enumerate(left) if not count]
    while waiting:
        k = waiting.pop()
        for i, lag_s, lot_s in tables.before[k]:
            tails[i] = max(tails[i], tails[k] + lag_s + (least[k] if lot_s < 0 else 0))
            left[i] -= 1
            if not left[i]:
                waiting.append(i)
    return tails


def _chains(tables: Tables) -> list[bool]:
    """Whether no operation of a job waits for two, or is waited for by two, and only one for nobody."""
    first, single = [0] * len(tables.shop.jobs), [True] * len(tables.shop.jobs)
    for k, job in enumerate(tables.job):
        first[job] += not tables.before[k]
        single[job] &= len(tables.before[k]) < 2 and len(tables.behind[k]) < 2
    return [one and count == 1 for one, count in zip(single, first, strict=True)]


def _next_state(anchors: Sequence[Any], k: int) -> int:
    """How many anchors on from k the first stands that leaves a state; -1: none does."""
    return next((i for i in range(len(anchors) - k) if anchors[k + i].state), -1)


def times_of(tables: Tables) -> Any:
    """Times with nothing placed but what stays where it is."""
    count = len(tables.operations)
    times = Times(  # type: ignore[call-arg]
        *(np.zeros(count, np.int64) for _ in range(3)), np.full(count, -1, np.int64),
        np.full(count, -1, np.int64), np.full(sum(map(len, tables.needs)), -1, np.int64))
    for o, slot in enumerate(tables.fixed):
        if slot:
            times.start[o], times.end[o] = slot.start_s, slot.end_s
    return times


def blank(fixed: Any, state: Any) -> None:
    """The state of an empty board."""
    machines = len(fixed.state)
    state[:] = 0
    state[1:machines * WIDTH:WIDTH] = fixed.state
    state[3:machines * WIDTH:WIDTH] = -1
    state[len(state) - machines:] = -1


@fast
def write(values: Any, rows: Any, row: int) -> None:
    """Values into a row of an array."""
    for k in range(len(values)):
        rows[row, k] = values[k]


@fast
def read(values: Any, rows: Any, row: int) -> None:
    """Values from a row of an array."""
    for k in range(len(values)):
        values[k] = rows[row, k]


@fast
def clear(begins: Any, ends: Any, low: int, high: int, t: int, seconds: int) -> int:
    """The earliest start from t on at which `seconds` overlap none of the intervals low .. high."""
    last = high
    while low < high:
        middle = (low + high) // 2
        if ends[middle] <= t:
            low = middle + 1
        else:
            high = middle
    while low < last and begins[low] < t + seconds:
        t = max(t, ends[low])
        low += 1
    return t


@fast
def change(f: Any, before: int, after: int) -> int:
    """Seconds of setup from one state to another."""
    if before == 0 or after == 0:
        return 0
    low, high = f.exa_at[before], f.exa_at[before + 1]
    while low < high:
        middle = (low + high) // 2
        if f.exa_after[middle] < after:
            low = middle + 1
        else:
            high = middle
    if low < f.exa_at[before + 1] and f.exa_after[low] == after:
        return f.exa_s[low]
    return 0 if before == after else f.others[after]


@fast
def soonest(f: Any, s: Any, group: int, t: int, seconds: int) -> tuple[int, int]:
    """(start, unit): when one of a group can begin; of those who can, the one who became free last."""
    best, chosen, most = NEVER, -1, -1
    units = len(f.state) * WIDTH
    for k in range(f.grp_at[group], f.grp_at[group + 1]):
        unit = f.grp_unit[k]
        free = s[units + unit]
        begin = clear(f.away_a, f.away_b, f.away_at[unit], f.away_at[unit + 1], max(t, free), seconds)
        if begin < best or (begin == best and free > most):
            best, chosen, most = begin, unit, free
    return best, chosen


@fast
def earliest(f: Any, s: Any, o: int, m: int, t: int, seconds: int, setup: int) -> int:
    """The first start from t on at which machine, persons and tools are all to be had."""
    while True:
        found = clear(f.blk_a, f.blk_b, f.blk_at[m], f.blk_at[m + 1], t - setup, seconds + setup) + setup
        for k in range(f.need_at[o], f.need_at[o + 1]):
            found = soonest(f, s, f.need[k], found, seconds)[0]
        if found == t:
            return t
        t = found


@fast
def ready(f: Any, x: Any, o: int, seconds: int) -> int:
    """When o can start for release, materials and what it waits for."""
    t = f.ready[o]
    for k in range(f.pre_at[o], f.pre_at[o + 1]):
        i = f.pre[k]
        if f.pre_lot[k] < 0:
            t = max(t, x.end[i] + f.pre_lag[k])
        else:
            t = max(t, x.start[i] + f.pre_lot[k], x.end[i] + f.pre_lag[k] - seconds)
    return t


@fast
def joins(f: Any, s: Any, o: int, way: int, t: int) -> bool:
    """Whether o can go along with the batch that its machine has last."""
    at = f.way_machine[way] * WIDTH
    if f.batch[o] < 0 or s[at + 3] != f.batch[o] or s[at + 5] != f.way_s[way] or s[at + 7] != f.way_state[way]:
        return False
    if s[at + 8] >= f.most[f.way_machine[way]] or t > s[at + 4]:
        return False
    for k in range(f.need_at[o], f.need_at[o + 1]):
        if soonest(f, s, f.need[k], s[at + 4], f.way_s[way])[0] != s[at + 4]:
            return False
    return True


@fast
def blocks(f: Any, k: int, end: int, state: int) -> bool:
    """Whether anchor k must come before what ends then and leaves the machine in that state."""
    if end > f.anc_a[k]:
        return True
    if state == 0 or f.anc_next[k] < 0:
        return False
    i = k + f.anc_next[k]
    return change(f, state, f.anc_state[i]) > f.anc_setup[i]


@fast
def hold_units(f: Any, s: Any, x: Any, o: int, start: int, seconds: int) -> None:
    """The persons and tools of o are taken until its end."""
    for k in range(f.need_at[o], f.need_at[o + 1]):
        unit = soonest(f, s, f.need[k], start, seconds)[1]
        s[len(f.state) * WIDTH + unit] = start + seconds
        x.unit[k] = unit


@fast
def fit(f: Any, s: Any, o: int, way: int, t: int) -> tuple[int, int, int, int]:
    """Where o could go behind all that its machine has, from t on: start, seconds of setup, anchors that lie before,
    and the state that the machine is in then."""
    m, seconds, needs = f.way_machine[way], f.way_s[way], f.way_state[way]
    at = m * WIDTH
    free, state, k = s[at], s[at + 1], s[at + 2]
    while True:
        setup = change(f, state, needs)
        start = earliest(f, s, o, m, max(t, free + setup), seconds, setup)
        i = f.anc_at[m] + k
        if i == f.anc_at[m + 1] or not blocks(f, i, start + seconds, needs):
            return start, setup, k, state
        free, k = max(free, f.anc_b[i]), k + 1
        state = f.anc_state[i] if f.anc_state[i] else state


@fast
def put(f: Any, s: Any, x: Any, o: int, way: int, hold: int) -> int:
    """Places o as early as it can on the machine of its way, behind all that this has; seconds of setup it adds."""
    m, seconds, needs = f.way_machine[way], f.way_s[way], f.way_state[way]
    at, last = m * WIDTH, len(s) - len(f.state) + m
    t = max(hold, ready(f, x, o, seconds))
    x.prev[o] = s[last]
    s[last] = o
    if joins(f, s, o, way, t):
        hold_units(f, s, x, o, s[at + 4], seconds)
        s[at + 8] += 1
        x.start[o], x.end[o], x.setup[o] = s[at + 4], s[at + 4] + seconds, s[at + 6]
        return 0
    start, setup, k, state = fit(f, s, o, way, t)
    hold_units(f, s, x, o, start, seconds)
    s[at], s[at + 1], s[at + 2] = start + seconds, (needs if needs else state), k
    s[at + 3] = f.batch[o] if f.most[m] > 1 else -1
    s[at + 4], s[at + 5], s[at + 6], s[at + 7], s[at + 8] = start, seconds, setup, needs, 1
    x.start[o], x.end[o], x.setup[o] = start, start + seconds, setup
    return setup


@fast
def lateness(f: Any, x: Any, o: int) -> float:
    """By how much o, placed now, makes what its job must at least cost for its weighted tardiness larger.

    Of a job whose operations follow each other all of what must follow is counted at once, so that a plan which will be
    too late is given up long before the job's end; in the end the sum is the tardiness.
    """
    j = f.job[o]
    if f.chain[j]:
        late = x.end[o] + f.tail[o] - f.due[j]
        if late <= 0:
            return 0.0
        if f.pre_at[o] < f.pre_at[o + 1]:
            i = f.pre[f.pre_at[o]]
            if not f.fixed[i]:
                late -= max(0, x.end[i] + f.tail[i] - f.due[j])
        return f.weight[j] * late
    if f.suc_at[o] < f.suc_at[o + 1] or x.end[o] <= f.due[j]:
        return 0.0
    before = f.due[j]
    for k in range(f.sink_at[j], f.sink_at[j + 1]):
        i = f.sink[k]
        if i != o and x.place[i] < x.place[o]:
            before = max(before, x.end[i])
    return f.weight[j] * max(0, x.end[o] - before)


@fast
def price(w: Any, cost: Any) -> float:
    """The objective of (makespan, weighted tardiness, setup), with what a second behind the horizon costs."""
    return w[0] * cost[0] + w[1] * cost[1] + w[2] * cost[2] + w[4] * max(0.0, cost[0] - w[3])


@fast
def same(s: Any, states: Any, mark: int, machines: int) -> bool:
    """Whether a state and that of a mark are equal but for who was last on each machine."""
    for k in range(len(s) - machines):  # noqa: SIM110  (compiled: no generators)
        if s[k] != states[mark, k]:
            return False
    return True


@fast
def reach(f: Any, x: Any, o: int, far: int) -> int:
    """The last place of the order that other times of o can change by themselves."""
    for k in range(f.suc_at[o], f.suc_at[o + 1]):
        far = max(far, x.place[f.suc[k]])
    j = f.job[o]
    if f.suc_at[o] == f.suc_at[o + 1]:
        for k in range(f.sink_at[j], f.sink_at[j + 1]):
            far = max(far, x.place[f.sink[k]])
    return far


@fast
def run(
    f: Any, s: Any, x: Any, y: Any, order: Any, way: Any, hold: Any, w: Any, begin: int, end: int, limit: float,
    old: Any, new: Any, every: int, total: Any
) -> int:
    """Decodes an order that differs from that of `y` and `old` in places begin .. end.

    w (5,): what makespan, tardiness and setup cost, the second by which everything must have ended, and what each
    second behind that costs (0: nothing may end there)
    total (3,) becomes its makespan, weighted tardiness and setup; returns the place where it is as before again (the
    length: nowhere), or -1 - place where it was given up because it costs more than limit.
    """
    first = begin // every
    read(s, old.state, first)
    read(total, old.cost, first)
    far = end
    for at in range(first * every, len(order)):
        if at % every == 0 and at > first * every:
            mark = at // every
            if at > far and same(s, old.state, mark, len(f.state)):
                last = len(old.cost) - 1
                total[0] = max(total[0], old.rest[mark])
                total[1] += old.cost[last, 1] - old.cost[mark, 1]
                total[2] += old.cost[last, 2] - old.cost[mark, 2]
                return at if price(w, total) <= limit else -1 - at
            write(s, new.state, mark)
            write(total, new.cost, mark)
        o = order[at]
        total[2] += put(f, s, x, o, way[o], hold[o])
        total[0] = max(total[0], x.end[o] + f.tail[o])
        total[1] += lateness(f, x, o)
        if price(w, total) > limit or (w[4] == 0 and x.end[o] > w[3]):
            return -2 - at
        if x.end[o] != y.end[o] or x.start[o] != y.start[o]:
            far = reach(f, x, o, far)
    return len(order)


@fast
def keep(x: Any, y: Any, order: Any, begin: int, stop: int, old: Any, new: Any, every: int, total: Any) -> None:
    """What was decoded in `x` and `new` up to `stop` becomes what stands in `y` and `old`."""
    first, last = begin // every, len(old.cost) - 1
    for at in range(first * every, stop):
        copy(x, y, order[at])
    shift1, shift2 = total[1] - old.cost[last, 1], total[2] - old.cost[last, 2]
    for mark in range(first + 1, last):
        if mark * every < stop:
            for k in range(old.state.shape[1]):
                old.state[mark, k] = new.state[mark, k]
            for k in range(3):
                old.cost[mark, k] = new.cost[mark, k]
        else:
            old.cost[mark, 1] += shift1
            old.cost[mark, 2] += shift2
    write(total, old.cost, last)
    for mark in range(first, last):
        if mark * every < stop:
            old.peak[mark] = 0
            for at in range(mark * every, min(len(order), (mark + 1) * every)):
                old.peak[mark] = max(old.peak[mark], y.end[order[at]])
        if mark + 1 < last:
            old.cost[mark + 1, 0] = max(old.cost[mark, 0], old.peak[mark])
    for mark in range(last - 1, -1, -1):
        old.rest[mark] = max(old.peak[mark], old.rest[mark + 1])


@fast
def copy(x: Any, y: Any, o: int) -> None:
    """The times of one operation."""
    y.start[o], y.end[o], y.setup[o], y.prev[o] = x.start[o], x.end[o], x.setup[o], x.prev[o]


@fast
def back(x: Any, y: Any, order: Any, begin: int, stop: int, every: int) -> None:
    """The times in `x` as they stand in `y`."""
    for at in range(begin // every * every, stop):
        copy(y, x, order[at])
