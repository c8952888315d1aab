"""The date that a customer is told: kept with the order the first time that a released plan holds it, with its proof,
and told anew when a later plan moves the order far.

    events = promises(plant, "plan-00012", shop, plan, "repair: mill-1 is down")

The proof is the plan: its name, the SHA-256 of its slots, and the slots of the order. What was promised before stays
in its own event; the new one says what it was (`was_ns`) and why it changed (`why`).
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from loopwright.app.plant import Plant
from loopwright.core.clock import NS_PER_S
from loopwright.core.types import Event, Plan, Slot
from loopwright.make.open_work import slot_rows
from loopwright.make.promises.lateness import flows_of
from loopwright.make.shop import Shop

LATER_S, SOONER_S = 3600, 86_400  # later, or earlier, than was told, from which on it is told anew


def plan_sha256(slots: Sequence[Slot]) -> str:
    """The hash of a plan: of its slots as a plan.released event holds them, as JSON without spaces."""
    return hashlib.sha256(json.dumps(slot_rows(slots), separators=(",", ":")).encode()).hexdigest()


def promises(plant: Plant, about: str, shop: Shop, plan: Plan, why: str = "") -> list[Event]:
    """An event for each order of the plan that was placed and has no promise yet, or one that does not hold any more.

    about  the plan's name;  why: in words, why it was made
    A promise is renewed when the order ends an hour later or a day earlier than was told, or has come to end after its
    due date: whoever is told of every minute reads nothing.
    """
    mine: dict[str, list[Slot]] = defaultdict(list)
    for slot in plan.slots:
        mine[slot.order].append(slot)
    orders = sorted(mine)
    placed = {e.about: e for e in plant.store.recall(kind="order.placed", about=orders)} if orders else {}
    told = {e.about: e.body for e in plant.store.recall(kind="order.promised", about=orders)} if placed else {}
    due = {job.id: job.due_s for job in shop.jobs}
    ends = {order: max(slot.end_s for slot in slots) for order, slots in mine.items()}
    new = [order for order in orders if order in placed and (
        order not in told or _moved(told[order], plan.origin_ns + ends[order] * NS_PER_S, ends[order], due.get(order)))]
    if not new:
        return []
    digest = plan_sha256(plan.slots)
    flows = flows_of(shop, plan, new)
    events = []
    for order in new:
        end_s, due_s, most = ends[order], due.get(order), flows[order].most
        body: dict[str, Any] = {
            "promised_ns": plan.origin_ns + end_s * NS_PER_S, "plan": about, "plan_sha256": digest,
            "slots": slot_rows(mine[order]), "due_ns": 0 if due_s is None else plan.origin_ns + due_s * NS_PER_S,
            "met": due_s is None or end_s <= due_s, "waits": most.says if most else ""}
        key = f"order.promised/{order}"
        if order in told:
            body |= {"was_ns": told[order]["promised_ns"], "why": why}
            key += f"/{about}"
        events.append(Event("order.promised", order, plan.origin_ns, plant.actor, body, key=key))
    return events


def _moved(told: Mapping[str, Any], end_ns: int, end_s: int, due_s: int | None) -> bool:
    """Whether what was told does not hold any more."""
    later_s = (end_ns - int(told["promised_ns"])) / NS_PER_S
    missed = bool(told["met"]) and due_s is not None and end_s > due_s
    return later_s >= LATER_S or later_s <= -SOONER_S or (missed and later_s > 0)
