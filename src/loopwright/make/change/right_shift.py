"""The plan as it was, pushed to the right: the simplest repair there is, and the one that is always there.

    slots = right_shift(shop, old)                  nothing starts before it was to start
    slots = right_shift(shop, old, hold=False)      the same order, but what can start earlier does

Machines and the order on each of them stay; what cannot stay on its machine goes to the one that ends it first, and
what is new takes its turn when it could first start.
Source: G. Vieira, J. Herrmann, E. Lin, Rescheduling manufacturing systems: a framework of strategies, policies, and
methods (Journal of Scheduling 6, 2003), for right-shift rescheduling; `make.dispatching.board` for how it is placed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import PlanError
from loopwright.core.types import Plan, Slot
from loopwright.make.dispatching.board import Board, sequence
from loopwright.make.dispatching.bound import fastest
from loopwright.make.dispatching.tables import Tables, tables_of
from loopwright.make.shop import Key, Shop, in_order


def unstarted(shop: Shop, old: Plan) -> dict[Key, Slot]:
    """Of the old plan the slots of the shop's operations that have not begun, in seconds from the shop's origin."""
    shift_s = round((shop.origin_ns - old.origin_ns) / NS_PER_S)
    free = {o.key for o in shop.operations if not o.frozen}
    return {
        (slot.order, slot.operation): replace(slot, start_s=slot.start_s - shift_s, end_s=slot.end_s - shift_s)
        for slot in old.slots if (slot.order, slot.operation) in free}


def right_shift(shop: Shop, old: Plan, hold: bool = True) -> list[Slot]:
    """A slot for every operation of the shop, frozen ones as they are.

    shop  as it is now (`disturb.disturbed`, `open_work.shop_from`)
    old   the plan so far, from whatever origin; its operations that are gone from the shop do not matter
    hold  nothing starts before its old start
    Raises PlanError when an operation has no machine.
    """
    was, tables = unstarted(shop, old), tables_of(shop)
    return shifted(tables, was, hold).slots()


def shifted(tables: Tables, was: Mapping[Key, Slot], hold: bool) -> Board:
    """The board of a right shift."""
    board = Board(tables)
    order, ways, open_ = turns(tables, was)
    for k in order:
        key = tables.operations[k].key
        start_s = was[key].start_s if hold and key in was else 0
        if open_[k]:
            places = [board.fit(k, way, start_s) for way in range(len(tables.ways[k]))]
            board.put(min(places, key=lambda place: (place.end_s, place.way)))
        else:
            board.put(board.fit(k, ways[k], start_s))
    return board


def turns(tables: Tables, was: Mapping[Key, Slot]) -> tuple[list[int], list[int], list[bool]]:
    """(order, ways, open): the old order with new operations in their turn; the way of each operation; and where any
    machine may be taken, because it had none or cannot stay on it."""
    machines = {m.id: k for k, m in enumerate(tables.shop.machines)}
    slots, ends = [], {}
    open_ = [False] * len(tables.operations)
    for job in tables.shop.jobs:
        for o in in_order(job):
            if o.frozen:
                ends[o.key] = o.frozen.end_s
                continue
            k = tables.number[o.key]
            if not o.on:
                raise PlanError(f"operation {o.name!r} of {o.job!r}", "no machine can do it", "",
                                "add a machine with its role")
            slot = was.get(o.key)
            if slot is None:
                ready_s = max([tables.ready[k], *(ends[o.job, name] for name in o.after)])
                slot = Slot(*o.key, o.on[0][0], ready_s, ready_s + fastest(o))
            if o.key not in was or all(way.machine != machines.get(slot.machine) for way in tables.ways[k]):
                open_[k] = True
                slot = replace(slot, machine=o.on[0][0])
            slots.append(slot)
            ends[o.key] = slot.end_s
    order, ways = sequence(tables, slots)
    return order, ways, open_
