"""A shop as the arrays the search works on, and a sequence of it back as slots.

An operation is a row number. `Rows` holds one array a property, each (operations,) int32; times in seconds, -1: nobody.
"""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass
from typing import Any

import numpy as np

from loopwright.core.types import Slot
from loopwright.make.shop import Operation, Shop, busy

# p: seconds on the machine it is on; r: head (start); q: tail (from start to the end of all, p included)
# before, after: on its machine; place: in a topological order; tail: what must follow
# base, release: not before, wherever it is done, and on the machine that it is on
# ends: (some,) the operations that may end last: those without a successor, or with a tail of their own
# free: (machines,) when each has done what it is at, and is not down any more
# jp, js: its first predecessor and successor by job; others are pn from pa on in `pred` and sn from sa on in `succ`
Rows = namedtuple("Rows", "p r q before after machine jp js base release tail place pn pa sn sa ends free")
MOST_S = 2**29  # times must stay below, so that sums of two fit in 32 bits


@dataclass(frozen=True)
class Net:
    """What does not change in a search.

    pred, succ             (links,) int32: predecessors and successors beyond the first of each operation
    alt_at                 (operations + 1,) int32: its choices are alt_at[o] .. alt_at[o + 1] - 1
    alt_machine, alt_p     (choices,) int32
    job                    (operations,) int32; machines: how many; operations: those that have not begun
    """

    rows: Any
    pred: Any
    succ: Any
    alt_at: Any
    alt_machine: Any
    alt_p: Any
    job: Any
    machines: int
    shop: Shop
    operations: tuple[Operation, ...]


def able(shop: Shop) -> bool:
    """Whether the search keeps all of the shop's rules: machines, choices, what waits for what, releases, materials,
    and what machines are at, or down for, from the origin on."""
    return shop.plain and all(m.batch == 1 for m in shop.machines) and _free_s(shop) is not None


def _free_s(shop: Shop) -> list[int] | None:
    """When each machine has done what it is at, or is up again; None where something stands later on a machine, with
    room before it that an operation could have."""
    taken, least = busy(shop), dict[str, int]()
    for o in shop.operations:
        for name, seconds in o.on if not o.frozen else ():
            least[name] = min(seconds, least.get(name, seconds))
    free = []
    for machine in shop.machines:
        end_s, stands = 0, taken[machine.id]
        for begin_s, until_s in stands if machine.id in least else ():
            if begin_s - end_s >= least[machine.id] and until_s > 0:
                return None
            end_s = max(end_s, until_s)
        free.append(end_s)
    return free


def net_of(shop: Shop) -> Net:
    """The arrays of a shop for which `able` holds; what has begun is no operation of them."""
    operations = tuple(o for o in shop.operations if not o.frozen)
    ends = {o.key: o.frozen.end_s for o in shop.operations if o.frozen}
    number = {o.key: i for i, o in enumerate(operations)}
    machine = {m.id: i for i, m in enumerate(shop.machines)}
    count = len(number)
    before: list[list[int]] = [
        [number[o.job, name] for name in o.after if (o.job, name) in number] for o in operations]
    behind: list[list[int]] = [[] for _ in range(count)]
    for i, names in enumerate(before):
        for k in names:
            behind[k].append(i)
    rows = Rows(*(np.full(count, -1, np.int32) for _ in Rows._fields))
    rows = rows._replace(free=np.array(_free_s(shop) or [0] * len(machine), np.int32))
    jobs = {job.id: job for job in shop.jobs}
    rows.base[:] = [
        max([shop.ready_s(jobs[o.job], o), *(ends[o.job, name] for name in o.after if (o.job, name) in ends)])
        for o in operations]
    rows.release[:], rows.tail[:] = rows.base, 0
    pred, rows = _links(before, rows, ("jp", "pa", "pn"))
    succ, rows = _links(behind, rows, ("js", "sa", "sn"))
    rows = rows._replace(ends=np.flatnonzero((rows.js < 0) | (rows.tail > 0)).astype(np.int32))
    alt_at = np.cumsum([0, *(len(o.on) for o in operations)], dtype=np.int32)
    pairs = [(machine[m], seconds) for o in operations for m, seconds in o.on]
    alt_machine, alt_p = (np.array([pair[k] for pair in pairs], np.int32) for k in (0, 1))
    job = np.array([i for i, j in enumerate(shop.jobs) for o in j.operations if not o.frozen], np.int32)
    return Net(rows, pred, succ, alt_at, alt_machine, alt_p, job, len(machine), shop, operations)


def _links(links: list[list[int]], rows: Any, names: tuple[str, str, str]) -> tuple[Any, Any]:
    """The first of each list in one array, the others one after another."""
    first, start, more = (getattr(rows, name) for name in names)
    others: list[int] = []
    for i, found in enumerate(links):
        first[i] = found[0] if found else -1
        start[i], more[i] = len(others), max(0, len(found) - 1)
        others += found[1:]
    return np.array(others, np.int32), rows


def sequence(net: Net, rows: Any, key: Any, choice: Any) -> Any:
    """Puts operations on the machines of their choice (operations,) in the order of their keys.

    returns  (machines,) int32: the first on each
    A key that grows along every job gives no cycle, whatever the keys are otherwise.
    """
    rows.machine[:], rows.p[:] = net.alt_machine[choice], net.alt_p[choice]
    rows.release[:] = np.maximum(rows.base, rows.free[rows.machine])
    order = np.lexsort((np.arange(len(key)), key, rows.machine))
    same = rows.machine[order][1:] == rows.machine[order][:-1]
    rows.before[order] = np.concatenate(([-1], np.where(same, order[:-1], -1)))
    rows.after[order] = np.concatenate((np.where(same, order[1:], -1), [-1]))
    first = np.full(net.machines, -1, np.int32)
    begins = order[np.concatenate(([True], ~same))] if len(order) else order
    first[rows.machine[begins]] = begins
    return first


def choice_of(net: Net, machine: Any) -> Any:
    """(operations,) which of its choices each operation took, by its machine."""
    owner = np.repeat(np.arange(len(machine)), np.diff(net.alt_at))
    taken = np.flatnonzero(net.alt_machine == machine[owner])
    result = np.empty(len(machine), np.int64)
    result[owner[taken]] = taken
    return result


def slots_of(net: Net, start: Any, choice: Any) -> list[Slot]:
    """Slots of operations that start there, and of what has begun."""
    names = [m.id for m in net.shop.machines]
    return [*(o.frozen for o in net.shop.operations if o.frozen), *(
        Slot(*o.key, names[m], s, s + p) for o, s, m, p in zip(
            net.operations, start.tolist(), net.alt_machine[choice].tolist(), net.alt_p[choice].tolist(),
            strict=True))]
