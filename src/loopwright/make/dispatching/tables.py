"""A shop as numbered lists, for whatever places its operations one after another: `dispatching.board`, `anneal.decode`.

Operations, machines, jobs and persons are row numbers in the order of the shop; times in seconds.
"""

from __future__ import annotations

import gc
from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from loopwright.core.types import Slot
from loopwright.make.shop import Key, Operation, Shop, merged

Interval = tuple[int, int]


class Anchor(NamedTuple):
    """What stands on a machine whatever else is planned: from its setup to its end; the setup it has and leaves."""

    start_s: int
    end_s: int
    setup_s: int
    state: int


class Way(NamedTuple):
    """One machine that can do an operation, and the state it must stand in there (0: any)."""

    machine: int
    seconds: int
    state: int


class Wait(NamedTuple):
    """An operation that is waited for; lot_s -1: all of it."""

    operation: int
    lag_s: int
    lot_s: int


@dataclass(frozen=True)
class Tables:
    """What does not change while a shop is planned.

    fixed      slots of operations that stay where they are: frozen ones and those asked to stay; None: to be placed
    ways, before, behind, ready, needs, batch, job      a list, or number, an operation; needs: groups of units
    groups     units of which one is needed: persons with a skill, tools of a kind; `unit_names` names the persons
    away       a list of intervals a unit; blocked, anchors, state: a machine
    exact      (state before, state after) -> seconds; others: state after -> seconds from any other state
    """

    shop: Shop
    operations: tuple[Operation, ...]
    number: dict[Key, int]
    fixed: list[Slot | None]
    ways: list[list[Way]]
    before: list[list[Wait]]
    behind: list[list[int]]
    ready: list[int]
    needs: list[list[int]]
    batch: list[int]
    job: list[int]
    groups: list[list[int]]
    unit_names: list[str]
    away: list[list[Interval]]
    blocked: list[list[Interval]]
    anchors: list[list[Anchor]]
    state: list[int]
    most: list[int]
    exact: dict[tuple[int, int], int]
    others: dict[int, int]

    def change_s(self, before: int, after: int) -> int:
        """Seconds of setup from one state of a machine to another of it."""
        if not before or not after:
            return 0
        seconds = self.exact.get((before, after))
        if seconds is None:
            seconds = 0 if before == after else self.others.get(after, 0)
        return seconds


@contextmanager
def uncollected() -> Iterator[None]:
    """Without looking for garbage meanwhile: shops have no cycles, and to look for them takes as long as making one."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def tables_of(shop: Shop, stay: Collection[Slot] = ()) -> Tables:
    """The lists of a shop. stay: slots that are treated as if they had begun."""
    with uncollected():
        return _tables_of(shop, stay)


def _tables_of(shop: Shop, stay: Collection[Slot]) -> Tables:
    operations = shop.operations
    number = {o.key: k for k, o in enumerate(operations)}
    fixed: list[Slot | None] = [o.frozen for o in operations]
    for slot in stay:
        fixed[number[slot.order, slot.operation]] = slot
    machine = {m.id: k for k, m in enumerate(shop.machines)}
    states: dict[tuple[int, str], int] = {}

    def state(at: int, name: str) -> int:
        return states.setdefault((at, name), len(states) + 1) if name else 0

    ways = [[Way(machine[m], s, state(machine[m], o.setup)) for m, s in o.on] for o in operations]
    first = [state(k, m.state) for k, m in enumerate(shop.machines)]
    anchors: list[list[Anchor]] = [[] for _ in machine]
    for o, stands in zip(operations, fixed, strict=True):
        if stands:
            at = machine[stands.machine]
            anchors[at].append(
                Anchor(stands.start_s - stands.setup_s, stands.end_s, stands.setup_s, state(at, o.setup)))
    blocked: list[list[Interval]] = [[] for _ in machine]
    for b in shop.blocked:
        blocked[machine[b.machine]].append((b.start_s, b.end_s))
    before = [[Wait(number[o.job, name], link.lag_s, -1 if link.lot_s is None else link.lot_s)
               for name in o.after for link in (o.link(name),)] for o in operations]
    behind: list[list[int]] = [[] for _ in operations]
    for k, waits in enumerate(before):
        for wait in waits:
            behind[wait.operation].append(k)
    batches: dict[str, int] = {}
    units = _units(shop, operations, fixed)
    changes = _changes(shop, machine, states)
    return Tables(
        shop, operations, number, fixed, ways, before, behind,
        [shop.ready_s(job, o) for job in shop.jobs for o in job.operations],
        units.needs, [batches.setdefault(o.batch, len(batches)) if o.batch else -1 for o in operations],
        [k for k, job in enumerate(shop.jobs) for _ in job.operations], units.groups, units.names, units.away,
        [merged(intervals) for intervals in blocked], [_sorted(found) for found in anchors], first,
        [m.batch for m in shop.machines], *changes)


def _sorted(anchors: list[Anchor]) -> list[Anchor]:
    return sorted(anchors, key=lambda a: (a.start_s + a.setup_s, a.end_s))


def _changes(
    shop: Shop, machine: dict[str, int], states: dict[tuple[int, str], int]
) -> tuple[dict[tuple[int, int], int], dict[int, int]]:
    exact: dict[tuple[int, int], int] = {}
    others: dict[int, int] = {}
    for setup in shop.setups:
        at = machine[setup.machine]
        before, after = states.get((at, setup.before)), states.get((at, setup.after))
        if after and setup.before == "*":
            others[after] = setup.seconds
        elif after and before:
            exact[before, after] = setup.seconds
    return exact, others


class _Units(NamedTuple):
    needs: list[list[int]]
    groups: list[list[int]]
    names: list[str]
    away: list[list[Interval]]


def _units(shop: Shop, operations: tuple[Operation, ...], fixed: list[Slot | None]) -> _Units:
    """Persons and single tools as units of groups, and when they are not to be had.

    Those with few skills stand first in their groups: who can do more is left free for it.
    """
    people = sorted(shop.operators, key=lambda o: len(o.skills))
    names = [o.id for o in people]
    away: list[list[Interval]] = [list(o.away) for o in people]
    group_of: dict[tuple[str, str], int] = {}
    groups: list[list[int]] = []
    for skill in dict.fromkeys(o.skill for o in operations if o.skill):
        group_of["skill", skill] = len(groups)
        groups.append([k for k, o in enumerate(people) if skill in o.skills])
    for tool in dict.fromkeys(tool for o in operations for tool in o.tools):
        count = min(shop.tools[tool], len(operations))
        group_of["tool", tool] = len(groups)
        groups.append(list(range(len(names), len(names) + count)))
        names += [""] * count
        away += [[] for _ in range(count)]
    needs = [[*([group_of["skill", o.skill]] if o.skill else []),
              *(group_of["tool", tool] for tool in dict.fromkeys(o.tools))] for o in operations]
    by_name = {name: k for k, name in enumerate(names) if name}
    held: dict[int, int] = defaultdict(int)
    for o, slot in sorted(
            ((o, s) for o, s in zip(operations, fixed, strict=True) if s), key=lambda pair: pair[1].start_s):
        if slot.operator in by_name:
            away[by_name[slot.operator]].append((slot.start_s, slot.end_s))
        for tool in dict.fromkeys(o.tools):
            units = groups[group_of["tool", tool]]
            unit = next((u for u in units if held[u] <= slot.start_s), min(units, key=lambda u: held[u]))
            held[unit] = max(held[unit], slot.end_s)
            away[unit].append((slot.start_s, slot.end_s))
    return _Units(needs, groups, names, [merged(intervals) for intervals in away])
