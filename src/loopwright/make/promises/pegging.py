"""What hangs on what in a plan: from every order to its machines, persons, tools and materials, and back.

    rows = pegging(shop, plan)                    one row an operation and thing it needs
    pegging(shop, plan, order="o-1")              only of an order;  machine="m2", person=, tool=, material=: of a thing
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from loopwright.core.errors import InputError, UnknownName
from loopwright.core.types import Plan, Slot
from loopwright.make.change.slack import order_ends, slack
from loopwright.make.shop import Operation, Shop

KINDS = ("machine", "person", "tool", "material")


def pegging(shop: Shop, plan: Plan, **of: str) -> list[dict[str, Any]]:
    """Rows {order, operation, kind, name, quantity, unit, start_s, end_s, due_s, late_s, slack_s, frozen}, by time.

    kind      machine or person (quantity: seconds of it, a machine's setup included), tool (how many), material (1 lot,
              start_s: when it arrives)
    slack_s   of the operation, as `change.slack` says;  late_s: of the order
    of        at most one of order=, machine=, person=, tool=, material=
    Raises UnknownName for a name that is not there.
    """
    chosen = _chosen(shop, of)
    slots = {(s.order, s.operation): s for s in plan.slots}
    ends, spare = order_ends(plan), slack(shop, plan)
    rows = []
    for job in shop.jobs:
        late_s = 0 if job.due_s is None else max(0, ends.get(job.id, job.due_s) - job.due_s)
        for operation in job.operations:
            slot = slots[operation.key]
            base = {"order": job.id, "operation": operation.name}
            more = {"due_s": job.due_s, "late_s": late_s, "slack_s": spare[operation.key], "frozen": slot.frozen}
            rows += [{**base, **need, **more} for need in _needs(shop, operation, slot)]
    if chosen:
        kind, name = chosen
        wanted = {"order": name} if kind == "order" else {"kind": kind, "name": name}
        rows = [row for row in rows if wanted.items() <= row.items()]
    return sorted(rows, key=lambda row: (row["start_s"], row["order"], row["operation"], KINDS.index(row["kind"])))


def _chosen(shop: Shop, of: dict[str, str]) -> tuple[str, str] | None:
    known = {
        "order": [job.id for job in shop.jobs], "machine": [m.id for m in shop.machines],
        "person": [o.id for o in shop.operators], "tool": list(shop.tools), "material": list(shop.materials)}
    if len(of) > 1:
        raise InputError("pegging", f"of {sorted(of)} at once", f"one of {sorted(known)}")
    for kind, name in of.items():
        if kind not in known:
            raise UnknownName("pegging of", kind, known)
        if name not in known[kind]:
            raise UnknownName(kind, name, known[kind])
        return kind, name
    return None


def _needs(shop: Shop, operation: Operation, slot: Slot) -> Iterator[dict[str, Any]]:
    """What an operation needs, and when."""
    begin_s, span = slot.start_s - slot.setup_s, {"start_s": slot.start_s, "end_s": slot.end_s}
    yield {"kind": "machine", "name": slot.machine, "quantity": slot.end_s - begin_s, "unit": "s", "start_s": begin_s,
           "end_s": slot.end_s}
    if slot.operator:
        yield {"kind": "person", "name": slot.operator, "quantity": slot.end_s - slot.start_s, "unit": "s", **span}
    for tool in dict.fromkeys(operation.tools):
        yield {"kind": "tool", "name": tool, "quantity": 1, "unit": "", **span}
    for material in dict.fromkeys(operation.materials):
        yield {"kind": "material", "name": material, "quantity": 1, "unit": "lot", "start_s": shop.materials[material],
               "end_s": slot.start_s}
