"""The shop of a plant as it stands at a moment, built from its events: for turns, for a running plant and for what if.

    told = open_work(plant)                       orders that are open, what is left of them, what has begun or ended
    shop = shop_at(plant, at_ns, told)            with shifts, work orders, machines down, people, material
    instance, zone = open_orders(path)            read beside whatever process writes the plant; nothing is changed

Everything is folded from events each time, so a process that was killed knows as much after its start as before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from loopwright.app import upsets
from loopwright.app.ordering import order_of
from loopwright.app.plant import Plant, read_plant
from loopwright.app.resources import resources
from loopwright.app.site import site_of
from loopwright.app.steps import steps, taken_to_run
from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import PlanError
from loopwright.core.types import Event, Order
from loopwright.make import again, route
from loopwright.make import design as designs
from loopwright.make.change.firm import firm
from loopwright.make.open_work import Closed, OpenOrder, Step, from_body, shop_from
from loopwright.make.product import Product
from loopwright.make.reading.files import Instance, overdue
from loopwright.make.shifts import closed_times, first_rest
from loopwright.make.shop import Machine, Shop
from loopwright.make.whatif import CLOSED_SHIFT
from loopwright.store.state import state

HORIZON_DAYS = 60
DAY_NS = 86_400 * NS_PER_S
# where an order stands while it is open: fitted, and neither refused nor finished
OPEN = ("order.fitted", "step.started", "step.finished", "unit.measured", "unit.reworked", "unit.scrapped")


@dataclass(frozen=True)
class Told:
    """What a plant's events say of its open orders.

    work    the orders with all their operations, rework and replacements included, in the order in which they came
    steps   what has begun, and ended unless end_ns is None
    starts  whether beginnings are told; in a plant that tells ends only they are taken to be as planned
    plan    the event of the plan in force, None before the first
    """

    work: tuple[OpenOrder, ...]
    steps: tuple[Step, ...]
    starts: bool = True
    plan: Event | None = None


def open_work(plant: Plant) -> Told:
    """The orders of a plant that are fitted and not finished, and what was done on them."""
    known = [s.about for s in state(plant.store, "order", status=OPEN, limit=None)]
    mine: dict[str, list[Event]] = {order: [] for order in known}
    if not known:
        return Told((), (), plan=in_force(plant))
    found = plant.store.recall(about=known, kind=("order.placed", "order.fitted", "order.due"))
    found += plant.store.recall(mentions=known, kind=("step.", "unit."))
    for event in found:
        order = event.about if event.kind.startswith("order.") else str(event.body["order"])
        if order in mine:
            mine[order].append(event)
    fitted = {order: events for order, events in mine.items() if {"order.placed", "order.fitted"} <= _kinds(events)}
    first = {order: min(e.known_ns for e in events if e.kind == "order.fitted") for order, events in fitted.items()}
    product = plant.product  # read once, not for every order
    work = tuple(_open_order(product, order, fitted[order]) for order in sorted(fitted, key=lambda o: (first[o], o)))
    machines = {machine.id: machine.batch for machine in plant.site.machines}
    done = steps([event for events in fitted.values() for event in events], work, machines)
    starts, ends = (bool(plant.store.recall(kind=kind, limit=1)) for kind in ("step.started", "step.finished"))
    return Told(work, done, starts or not ends, in_force(plant))


def in_force(plant: Plant) -> Event | None:
    """The plan that was released last."""
    last = plant.store.recall(kind="plan.released", limit=1, newest_first=True)
    return last[0] if last else None


def _kinds(events: Sequence[Event]) -> set[str]:
    return {event.kind for event in events}


def _open_order(product: Product, id_: str, events: Sequence[Event]) -> OpenOrder:
    """What is to be done for an order: its route, with all that has to be done again."""
    by_kind = {event.kind: event for event in events if event.kind.startswith("order.")}
    order: Order = order_of(by_kind["order.placed"])
    made = route.operations(product, order, designs.from_body(by_kind["order.fitted"].body))
    operations, done, number = tuple(made), set[str](), 1
    for event in events:
        if event.kind == "step.finished":
            done.add(str(event.body["operation"]))
        elif event.kind == "unit.scrapped":
            number += 1
            operations = again.replaced(made, number)
        elif event.kind == "unit.reworked":
            names = _names(event, operations)
            operations = again.reworked(operations, names, done, int(event.body["attempt"]))
    due = by_kind.get("order.due")
    due_ns = int(due.body["due_ns"]) if due else order.due_ns
    return OpenOrder(id_, operations, 0, due_ns, float(due.body["weight"]) if due else 1.0)


def _names(event: Event, operations: Sequence[route.RouteOperation]) -> list[str]:
    """The operations that a rework names; of an event that names none, the last that runs a program."""
    names = [str(name) for name in event.body.get("operations", ())]
    programmed = [o.name for o in operations if o.program and again.attempt_of(o.name) == 1]
    return names or (programmed or [operations[0].name])[-1:]


def shop_at(plant: Plant, at_ns: int, told: Told) -> Shop:
    """The shop at a moment: open work, what has begun, and all that the plant can and cannot have from then on."""
    upset = upsets.upsets(plant, at_ns)
    machines = [Machine(m.id, m.role, m.setup, m.batch) for m in plant.site.machines]
    shut = [*closed(plant, at_ns, told.plan), *upset.closed()]
    shop = shop_from(
        at_ns, told.work, machines, _running(plant, told, upset, at_ns), shut,
        horizon_ns=at_ns + HORIZON_DAYS * DAY_NS, resources=upset.met(resources(plant.site), told.work))
    shop = upset.slowed(shop)
    zone_s = round(float(plant.site["plan"]["frozen_min"]) * 60)
    return firm(shop, from_body(told.plan.body), zone_s) if told.plan and zone_s else shop


def closed(plant: Plant, start_ns: int, plan: Event | None = None) -> list[Closed]:
    """When machines are not to be had: closed shifts of the site, and work orders that are open.

    A work order that may wait until `latest_ns` stands where the plan in force has it; in a plan that does not know it,
    it takes the first time in which its machine rests.
    """
    table = plant.site["shifts"]
    shifts = {day: list(table["hours"]) for day in table["days"]}
    hours = closed_times(shifts, plant.site.time_zone, start_ns, start_ns + HORIZON_DAYS * DAY_NS)
    out = [Closed(m.id, a, b, CLOSED_SHIFT) for m in plant.site.machines for a, b in hours]
    known = {machine.id for machine in plant.site.machines}
    done = {event.about for event in plant.store.recall(kind="workorder.done")}
    for event in plant.store.recall(kind="workorder.opened"):
        if event.about not in done and event.body["machine"] in known:
            machine, why = str(event.body["machine"]), str(event.body["why"])
            long_ns = int(event.body["duration_s"]) * NS_PER_S
            at_ns = max(int(event.body.get("start_ns", event.t_ns)), start_ns)
            if "latest_ns" in event.body:
                at_ns = _within(event, at_ns, long_ns, [c for c in out if c.machine == machine], plan)
            out.append(Closed(machine, at_ns, at_ns + long_ns, why, waits=True))
    return out


def _within(event: Event, at_ns: int, long_ns: int, shut: Sequence[Closed], plan: Event | None) -> int:
    """When the work of that event begins, from at_ns to its latest_ns: as planned, else when its machine rests."""
    busy = [(c.start_ns, c.end_ns) for c in shut]
    if plan:
        machine, begin_ns = event.body["machine"], int(plan.body["origin_ns"])
        for row in plan.body.get("shop", {}).get("closed", ()):
            planned_ns = begin_ns + int(row["start_s"]) * NS_PER_S
            its = machine in row["machines"] and row["why"] == event.body["why"]
            if its and int(event.body["start_ns"]) <= planned_ns <= int(event.body["latest_ns"]) \
                    and planned_ns + long_ns > at_ns:
                return planned_ns
        busy += [(begin_ns + s.start_s * NS_PER_S, begin_ns + s.end_s * NS_PER_S)
                 for s in from_body(plan.body).slots if s.machine == machine]
    return first_rest(busy, at_ns, max(at_ns, int(event.body["latest_ns"])), long_ns)


def _running(plant: Plant, told: Told, upset: upsets.Upsets, at_ns: int) -> list[Step]:
    """The steps, with when those that run will end: later when their machine rested, is slower, or they are overdue."""
    late_ns = round(float(plant.site["plan"]["late_s"]) * NS_PER_S)
    seconds = {(order.id, o.name): o.seconds for order in told.work for o in order.operations}
    plan = from_body(told.plan.body) if told.plan else None
    slots = {(s.order, s.operation): s for s in plan.slots} if plan else {}
    known = list(told.steps)
    if plan and not told.starts:
        known += taken_to_run(known, told.work, plan, at_ns, upset.down())
    found = []
    for step in known:
        key = (step.order, step.operation)
        if step.end_ns is None and key in seconds:
            end_ns = upset.end_ns(step.machine, step.start_ns, seconds[key])
            if end_ns <= at_ns:  # overdue: nobody knows, so a part of what it has taken so far is taken to be left
                end_ns = at_ns + max(late_ns, (at_ns - step.start_ns) // 4, NS_PER_S)
            slot = slots.get(key)
            who = step.operator or (slot.operator if slot and slot.machine == step.machine else "")
            step = replace(step, until_ns=end_ns, operator=who)
        found.append(step)
    return found


def now_of(told: Told) -> int:
    """The last moment that the events of the open orders tell of: from when a plant that nobody runs is planned."""
    ends = [t for s in told.steps for t in (s.start_ns, s.end_ns or 0)]
    plan = [int(told.plan.body["origin_ns"])] if told.plan else []
    return max([0, *ends, *plan])


def open_orders(path: Path) -> tuple[Instance, str]:
    """The shop of all orders that were fitted and are not finished, from the plant's last moment on; and its zone.

    Steps that are done drop out; rework and replacements stand in it.
    Raises StoreError where there is no plant, PlanError where no order is open.
    """
    site = site_of(path)
    with read_plant(site, actor="plan") as plant:
        told = open_work(plant)
        if not told.work:
            raise PlanError(f"plant {site.folder}", "no order is open: all that were fitted are finished", "",
                            "place orders: loopwright turn SITE")
        fitted = plant.store.recall(kind="order.fitted", about=[order.id for order in told.work])
        shop = shop_at(plant, max([now_of(told), *(event.t_ns for event in fitted)]), told)
        return Instance(site.name, shop, "open orders of a plant", overdue(shop)), site.time_zone
