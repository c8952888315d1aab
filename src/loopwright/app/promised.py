"""The date that a customer is told: kept with the order the first time that a released plan holds it, with its proof.

    events = first_promises(plant, "plan-00012", shop, plan)        order.promised for each order that has none yet

The proof is the plan: its name, the SHA-256 of its slots, and the slots of the order. Later plans may move an order;
what was promised stays.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from loopwright.app.plant import Plant
from loopwright.core.clock import NS_PER_S
from loopwright.core.types import Event, Plan, Slot
from loopwright.make.open_work import slot_rows
from loopwright.make.promises.lateness import flows_of
from loopwright.make.shop import Shop


def plan_sha256(slots: Sequence[Slot]) -> str:
    """The hash of a plan: of its slots as a plan.released event holds them, as JSON without spaces."""
    return hashlib.sha256(json.dumps(slot_rows(slots), separators=(",", ":")).encode()).hexdigest()


def first_promises(plant: Plant, about: str, shop: Shop, plan: Plan) -> list[Event]:
    """An event for each order of the plan that was placed and has no promise yet. about: the plan's name."""
    mine: dict[str, list[Slot]] = defaultdict(list)
    for slot in plan.slots:
        mine[slot.order].append(slot)
    orders = sorted(mine)
    placed = {e.about: e for e in plant.store.recall(kind="order.placed", about=orders)} if orders else {}
    known = {e.about for e in plant.store.recall(kind="order.promised", about=orders)} if placed else set()
    new = [order for order in orders if order in placed and order not in known]
    if not new:
        return []
    digest, due = plan_sha256(plan.slots), {job.id: job.due_s for job in shop.jobs}
    flows = flows_of(shop, plan, new)
    events = []
    for order in new:
        end_s, due_s = max(slot.end_s for slot in mine[order]), due.get(order)
        most = flows[order].most
        body: dict[str, Any] = {
            "promised_ns": plan.origin_ns + end_s * NS_PER_S, "plan": about, "plan_sha256": digest,
            "slots": slot_rows(mine[order]), "due_ns": 0 if due_s is None else plan.origin_ns + due_s * NS_PER_S,
            "met": due_s is None or end_s <= due_s, "waits": most.says if most else ""}
        events.append(Event("order.promised", order, plan.origin_ns, plant.actor, body, key=f"order.promised/{order}"))
    return events
