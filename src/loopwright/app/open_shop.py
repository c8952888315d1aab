"""A plant's open orders as a shop to be planned, read beside whatever process writes the plant; nothing is changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from loopwright.app.making import DAY_NS, HORIZON_DAYS, Making
from loopwright.app.opening import open_site, there
from loopwright.app.ordering import order_of
from loopwright.app.plant import Plant
from loopwright.app.site import site_of
from loopwright.core import plug
from loopwright.core.clock import NS_PER_S, RealClock
from loopwright.core.errors import PlanError
from loopwright.core.types import Event, Order
from loopwright.make import design as designs
from loopwright.make import route
from loopwright.make.files import Instance, overdue
from loopwright.make.open_work import OpenOrder, Step, shop_from

_ENDED = ("unit.finished", "order.refused")


def open_orders(path: Path) -> tuple[Instance, str]:
    """The shop of all orders that were fitted and are not finished, from the plant's last moment on; and its zone.

    Steps that are done drop out; rework and replacements are those of the last released plan.
    Raises StoreError where there is no plant, PlanError where no order is open.
    """
    site = site_of(path)
    there(site)
    packs = {name: plug.load("packs", name).PACK for name in site["site"]["packs"]}
    store = open_site(site, read_only=True)
    try:
        plant = Plant(site, store, RealClock(), packs, "plan")
        ended = {str(e.body.get("order", e.about)) for e in store.recall(kind=_ENDED)}
        fitted = {e.about: e for e in store.recall(kind="order.fitted") if e.about not in ended}
        if not fitted:
            raise PlanError(f"plant {site.folder}", "no order is open: all that were fitted are finished", "",
                            "place orders: loopwright turn SITE")
        orders = {e.about: order_of(e) for e in store.recall(kind="order.placed") if e.about in fitted}
        return _instance(plant, fitted, orders), site.time_zone
    finally:
        store.close()


def _instance(plant: Plant, fitted: Mapping[str, Event], orders: Mapping[str, Order]) -> Instance:
    plans = plant.store.recall(kind="plan.released")
    steps = [_step(e) for e in plant.store.recall(kind="step.finished") if e.body["order"] in fitted]
    origin_ns = max([*(int(e.body["origin_ns"]) for e in plans[-1:]), *(s.end_ns or 0 for s in steps),
                     *(e.t_ns for e in fitted.values())])
    again: dict[str, list[str]] = {}
    for event in plans:
        for slot in event.body["slots"]:
            if slot["order"] in fitted and ("#" in slot["operation"] or "~" in slot["operation"]):
                again.setdefault(slot["order"], []).append(slot["operation"])
    making = Making(plant, [], [], origin_ns, {}, "open")
    work = []
    for order, event in fitted.items():
        made = route.operations(plant.product, orders[order], designs.from_body(event.body))
        work.append(OpenOrder(order, (*made, *_again(made, sorted(set(again.get(order, ())))))))
    shop = shop_from(origin_ns, work, making.machines, steps, making.closed(origin_ns),
                     horizon_ns=origin_ns + HORIZON_DAYS * DAY_NS)
    due = {order: (one.due_ns - origin_ns) // NS_PER_S for order, one in orders.items() if one.due_ns}
    jobs = tuple(replace(job, due_s=due.get(job.id)) for job in shop.jobs)
    shop = replace(shop, jobs=jobs)
    return Instance(plant.site.name, shop, "open orders of a plant", overdue(shop))


def _step(event: Event) -> Step:
    body = event.body
    order, operation, machine = (str(body[name]) for name in ("order", "operation", "machine"))
    return Step(order, operation, machine, int(body["start_ns"]), int(body["end_ns"]))


def _again(made: Sequence[route.RouteOperation], names: Sequence[str]) -> list[route.RouteOperation]:
    """Operations of rework ('bend#2') and of replacements ('bend~2'), like those they repeat."""
    by_name, found = {operation.name: operation for operation in made}, []
    for name in names:
        base = name.partition("~")[0].partition("#")[0]
        if like := by_name.get(base):
            after = tuple(f"{one}{name[len(base):]}" for one in like.after)
            found.append(replace(like, name=name, after=tuple(one for one in after if one in names)))
    return found
