"""What a released plan says of its shop, so that it can be read, drawn and explained long after: due dates, what waits
for what, closed times, materials, tools.

    body = as_body(plan, reason) | {"shop": facts(shop, plan)}
    shop_of(body)       a shop of just these operations, each on the machine it has

Times are seconds from the plan's origin. `after`, `materials` and `tools` stand slot by slot, in the order of `slots`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from loopwright.core.errors import InputError
from loopwright.core.types import Plan, Slot
from loopwright.make.shop import Blocked, Job, Key, Link, Machine, Operation, Operator, Shop


def facts(shop: Shop, plan: Plan) -> dict[str, Any]:
    """Plain data: {machines, orders, closed, after, materials, arrivals, tools, away}; what is empty is left out."""
    keys = [(s.order, s.operation) for s in plan.slots]
    operations = {o.key: o for job in shop.jobs for o in job.operations}
    planned = set(keys)
    first_s = min([0, *(s.start_s - s.setup_s for s in plan.slots)])
    last_s = max([plan.makespan_s, *(job.due_s for job in shop.jobs if job.due_s is not None)])
    materials = [list(operations[key].materials) if key in operations else [] for key in keys]
    named = {name for names in materials for name in names}
    told = {
        "machines": [machine.id for machine in shop.machines],
        "orders": {job.id: row for job in shop.jobs if (row := _order(job))},
        "closed": _closed(shop, first_s, last_s),
        "after": [_after(operations.get(key), planned) for key in keys],
        "materials": materials if named else [],
        "arrivals": {name: at_s for name, at_s in shop.materials.items() if name in named},
        "tools": [list(operations[key].tools) if key in operations else [] for key in keys] if shop.tools else [],
        "away": {o.id: [list(a) for a in o.away] for o in shop.operators if o.away},
    }
    return {name: value for name, value in told.items() if value}


def _order(job: Job) -> dict[str, Any]:
    row: dict[str, Any] = {} if job.due_s is None else {"due_s": job.due_s}
    if job.release_s:
        row["release_s"] = job.release_s
    if job.weight != 1.0:
        row["weight"] = job.weight
    return row


def _closed(shop: Shop, first_s: int, last_s: int) -> list[dict[str, Any]]:
    """Closed times until the plan and the last due date are over: what is told of slack hangs on both.

    Machines that are closed together share a row.
    """
    found: dict[tuple[int, int, str], list[str]] = defaultdict(list)
    for b in shop.blocked:
        if b.start_s < last_s and b.end_s > first_s:
            found[b.start_s, b.end_s, b.why].append(b.machine)
    return [{"machines": names, "start_s": a, "end_s": b, "why": why} for (a, b, why), names in sorted(found.items())]


def _after(operation: Operation | None, planned: set[Key]) -> list[Any]:
    """Names of operations it waits for; [name, lag_s, lot_s] where it is not simply their end."""
    out: list[Any] = []
    for name in operation.after if operation else ():
        link = operation.link(name) if operation else Link(name)
        if operation and (operation.job, name) in planned:
            out.append(name if link == Link(name) else [name, link.lag_s, link.lot_s])
    return out


def shop_of(body: Mapping[str, Any]) -> Shop:
    """The shop that a plan.released body tells of, as far as it does: every operation can go only where it is planned,
    and only with the person who is planned.

    Of a body without `shop` (plans from before it was told), an operation is taken to wait for what ended last before
    it in its order; due dates, closed times and materials are not known. Raises InputError or UnknownName for facts
    that do not fit the slots.
    """
    told: Mapping[str, Any] = body.get("shop", {})
    _known(told, len(body["slots"]))
    slots = [Slot(**row) for row in body["slots"]]
    after = told.get("after") or _guessed(slots)
    materials, tools = told.get("materials") or [[]] * len(slots), told.get("tools") or [[]] * len(slots)
    rows: dict[str, list[Operation]] = defaultdict(list)
    for slot, links, need, held in zip(slots, after, materials, tools, strict=True):
        rows[slot.order].append(_operation(slot, links, need, held))
    orders = told.get("orders", {})
    jobs = tuple(Job(order, tuple(mine), **orders.get(order, {})) for order, mine in rows.items())
    blocked = [Blocked(m, row["start_s"], row["end_s"], row["why"]) for row in told.get("closed", ())
               for m in row["machines"]]
    there = sorted({s.machine for s in slots} | {b.machine for b in blocked})
    names = dict.fromkeys([*told.get("machines", ()), *there])
    away = told.get("away", {})
    people = [Operator(name, (name,), tuple((a, b) for a, b in away.get(name, ())))
              for name in sorted({s.operator for s in slots if s.operator} | set(away))]
    return Shop(int(body["origin_ns"]), tuple(Machine(name, "", batch=2**31) for name in names), jobs, tuple(blocked),
                None, tuple(people), (), {name: 2**31 for held in tools for name in held}, told.get("arrivals", {}))


def _known(told: Any, count: int) -> None:
    """Facts of the form that `facts` gives."""
    names = {"machines": list, "orders": dict, "closed": list, "after": list, "materials": list, "arrivals": dict,
             "tools": list, "away": dict}
    for name, kind in names.items():
        value = told.get(name, kind()) if isinstance(told, Mapping) else None
        if not isinstance(value, kind):
            raise InputError(f"plan: shop.{name}", f"{value!r:.60}", f"a {kind.__name__}")
        if name in ("after", "materials", "tools") and value and len(value) != count:
            raise InputError(f"plan: shop.{name}", f"{len(value)} rows", f"{count}, one a slot")


def _operation(slot: Slot, links: Sequence[Any], materials: Sequence[str], tools: Sequence[str]) -> Operation:
    rows = [(row, 0, None) if isinstance(row, str) else tuple(row) for row in links]
    return Operation(
        slot.order, slot.operation, ((slot.machine, max(1, slot.end_s - slot.start_s)),),
        tuple(name for name, _, _ in rows), slot if slot.frozen else None, skill=slot.operator,
        materials=tuple(materials), tools=tuple(tools),
        links=tuple(Link(name, lag, lot) for name, lag, lot in rows if lag or lot is not None))


def _guessed(slots: Sequence[Slot]) -> list[list[str]]:
    """What ended last in the same order before each slot."""
    mine: dict[str, list[Slot]] = defaultdict(list)
    for slot in sorted(slots, key=lambda s: (s.start_s, s.end_s)):
        mine[slot.order].append(slot)
    found: dict[Key, list[str]] = {}
    for row in mine.values():
        for one, other in pairwise(row):
            if one.end_s <= other.start_s and (one.frozen or not other.frozen):
                found[other.order, other.operation] = [one.operation]
    return [found.get((s.order, s.operation), []) for s in slots]
