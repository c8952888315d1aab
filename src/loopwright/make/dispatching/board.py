"""A plan that grows from left to right: operations are put on it one by one, each as early as what stands there allows.

    board = Board(tables_of(shop))
    place = board.fit(operation, way)       where it could go now
    board.put(place)                        it goes there
    board.slots()

Machines, persons and tools take operations in the order in which these are put: nothing is put before what a machine
already has. Every plan in which nothing can start earlier comes out of some order, that of its starts.
Source: R. Kolisch, Serial and parallel resource-constrained project scheduling methods revisited (EJOR 90, 1996), the
serial scheme. `make.anneal.decode` is its compiled twin.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from loopwright.core.types import Slot
from loopwright.make.dispatching.bound import first_fit
from loopwright.make.dispatching.tables import Tables


class Place(NamedTuple):
    """Where an operation can go: way, times, how many anchors of its machine lie before, whether it joins a batch."""

    operation: int
    way: int
    start_s: int
    end_s: int
    setup_s: int
    passed: int
    state: int
    joins: bool


class _Load(NamedTuple):
    """The batch that a machine was given last."""

    batch: int
    start_s: int
    seconds: int
    setup_s: int
    state: int
    size: int


@dataclass
class Board:
    """free_s, state, passed: a machine; unit_free_s: a person or tool; places: an operation, None until it is put."""

    tables: Tables
    free_s: list[int] = field(init=False)
    state: list[int] = field(init=False)
    passed: list[int] = field(init=False)
    unit_free_s: list[int] = field(init=False)
    span: list[tuple[int, int] | None] = field(init=False)
    places: list[Place | None] = field(init=False)
    person: list[str] = field(init=False)
    _load: list[_Load | None] = field(init=False)

    def __post_init__(self) -> None:
        tables = self.tables
        machines, count = len(tables.state), len(tables.operations)
        self.free_s, self.passed, self.state = [0] * machines, [0] * machines, list(tables.state)
        self.unit_free_s = [0] * len(tables.away)
        self.span = [(slot.start_s, slot.end_s) if slot else None for slot in tables.fixed]
        self.places, self.person = [None] * count, [""] * count
        self._load = [None] * machines

    def ready_s(self, operation: int, seconds: int) -> int:
        """When an operation that takes so long can start, by release, materials and what it waits for."""
        ready_s = self.tables.ready[operation]
        for before, lag_s, lot_s in self.tables.before[operation]:
            start_s, end_s = self.span[before] or (0, 0)
            if lot_s < 0:
                ready_s = max(ready_s, end_s + lag_s)
            else:
                ready_s = max(ready_s, start_s + lot_s, end_s + lag_s - seconds)
        return ready_s

    def fit(self, operation: int, way: int, hold_s: int = 0) -> Place:
        """The earliest place there, not before hold_s."""
        tables = self.tables
        machine, seconds, needs = tables.ways[operation][way]
        ready_s = max(hold_s, self.ready_s(operation, seconds))
        load = self._load[machine]
        if load and self._joins(load, operation, way, ready_s):
            end_s = load.start_s + load.seconds
            return Place(operation, way, load.start_s, end_s, load.setup_s, self.passed[machine], needs, True)
        free_s, state, k = self.free_s[machine], self.state[machine], self.passed[machine]
        anchors = tables.anchors[machine]
        while True:
            setup_s = tables.change_s(state, needs)
            start_s = self._clear(operation, machine, max(ready_s, free_s + setup_s), seconds, setup_s)
            if k == len(anchors) or not self._blocks(machine, k, start_s + seconds, needs):
                break
            free_s, state, k = max(free_s, anchors[k].end_s), anchors[k].state or state, k + 1
        return Place(operation, way, start_s, start_s + seconds, setup_s, k, needs or state, False)

    def _blocks(self, machine: int, k: int, end_s: int, needs: int) -> bool:
        """Whether the anchor k must come before an operation that ends then and leaves the machine in that state."""
        anchors = self.tables.anchors[machine]
        if end_s > anchors[k].start_s:
            return True
        following = next((a for a in anchors[k:] if a.state), None) if needs else None
        return following is not None and self.tables.change_s(needs, following.state) > following.setup_s

    def _joins(self, load: _Load, operation: int, way: int, ready_s: int) -> bool:
        """Whether it can go along with the batch that its machine has last."""
        tables = self.tables
        machine, seconds, needs = tables.ways[operation][way]
        same = (load.batch, load.seconds, load.state) == (tables.batch[operation], seconds, needs)
        if not same or load.size >= tables.most[machine] or ready_s > load.start_s:
            return False
        return all(self._soonest(group, load.start_s, seconds)[0] == load.start_s for group in tables.needs[operation])

    def _clear(self, operation: int, machine: int, start_s: int, seconds: int, setup_s: int) -> int:
        """The first start from start_s on at which machine, persons and tools are all to be had."""
        blocked, needs = self.tables.blocked[machine], self.tables.needs[operation]
        while True:
            found = first_fit(blocked, start_s - setup_s, seconds + setup_s) + setup_s if blocked else start_s
            for group in needs:
                found = self._soonest(group, found, seconds)[0]
            if found == start_s or not needs:
                return found
            start_s = found

    def _soonest(self, group: int, start_s: int, seconds: int) -> tuple[int, int]:
        """(start, unit): when one of a group can begin; of those who can, the one who became free last."""
        best = (2**62, 0, -1)
        for unit in self.tables.groups[group]:
            free_s, away = self.unit_free_s[unit], self.tables.away[unit]
            begin_s = max(start_s, free_s)
            if away:
                begin_s = first_fit(away, begin_s, seconds)
            best = min(best, (begin_s, -free_s, unit))
        return best[0], best[2]

    def put(self, place: Place) -> None:
        """Puts an operation there."""
        tables, operation = self.tables, place.operation
        machine, seconds, needs = tables.ways[operation][place.way]
        for group in tables.needs[operation]:
            _, unit = self._soonest(group, place.start_s, seconds)
            self.unit_free_s[unit] = place.end_s
            if tables.unit_names[unit]:
                self.person[operation] = tables.unit_names[unit]
        self.places[operation], self.span[operation] = place, (place.start_s, place.end_s)
        load = self._load[machine]
        if place.joins and load:
            self._load[machine] = load._replace(size=load.size + 1)
            return
        self.free_s[machine], self.state[machine], self.passed[machine] = place.end_s, place.state, place.passed
        if tables.batch[operation] >= 0 and tables.most[machine] > 1:
            self._load[machine] = _Load(tables.batch[operation], place.start_s, seconds, place.setup_s, needs, 1)
        else:
            self._load[machine] = None

    def slots(self) -> list[Slot]:
        """What stands on the board, with what stays where it is."""
        machines = [m.id for m in self.tables.shop.machines]
        slots = [slot for slot in self.tables.fixed if slot]
        for k, place in enumerate(self.places):
            if place:
                way = self.tables.ways[k][place.way]
                slots.append(Slot(
                    *self.tables.operations[k].key, machines[way.machine], place.start_s, place.end_s, False,
                    place.setup_s, self.person[k]))
        return slots


def follow(tables: Tables, order: Sequence[int], ways: Sequence[int], holds: Sequence[int] | None = None) -> Board:
    """Puts operations on a board in that order, each after those it waits for, on the machine of its way."""
    board = Board(tables)
    for k in order:
        board.put(board.fit(k, ways[k], holds[k] if holds else 0))
    return board


def sequence(tables: Tables, slots: Sequence[Slot]) -> tuple[list[int], list[int]]:
    """(order, ways) of the slots of a plan: operations to be placed by their starts, each after those it waits for, and
    the way of every operation (0 for what stays where it is)."""
    machine = {m.id: k for k, m in enumerate(tables.shop.machines)}
    start, ways = [0] * len(tables.operations), [0] * len(tables.operations)
    for slot in slots:
        k = tables.number[slot.order, slot.operation]
        if tables.fixed[k] is None:
            start[k] = slot.start_s
            ways[k] = next(at for at, way in enumerate(tables.ways[k]) if way.machine == machine[slot.machine])
    missing = [sum(tables.fixed[w.operation] is None for w in waits) for waits in tables.before]
    heap = [(start[k], k) for k, slot in enumerate(tables.fixed) if slot is None and not missing[k]]
    heapq.heapify(heap)
    order = []
    while heap:
        _, k = heapq.heappop(heap)
        order.append(k)
        for other in tables.behind[k]:
            missing[other] -= 1
            if not missing[other] and tables.fixed[other] is None:
                heapq.heappush(heap, (start[other], other))
    return order, ways
