"""When a plant could do one order more: what `loopwright promise` and POST /api/promise answer. Nothing is changed.

    told = promised(plant, {"person": "p-7", "due": "2026-12-24"}, at_ns)

The order goes beside the plan in force. Where that does not hold any more (something is late, a machine is down) it is
shifted as the shop is now, as a repair would begin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from loopwright.app.open_shop import Told, now_of, open_work, shop_at
from loopwright.app.ordering import context_of
from loopwright.app.plant import Plant
from loopwright.app.promised import plan_sha256
from loopwright.core.clock import NS_PER_S, iso
from loopwright.core.errors import InputError, PlanError, UnknownName
from loopwright.core.moments import moment_ns
from loopwright.core.types import Design, Order, Parameter, Plan, Slot
from loopwright.make import route
from loopwright.make.change.right_shift import right_shift
from loopwright.make.check import check
from loopwright.make.fit import fit
from loopwright.make.objective import parse, value
from loopwright.make.open_work import OpenOrder, from_body, slot_rows
from loopwright.make.plan import plan as planned
from loopwright.make.promise import Offer, Promise, promise
from loopwright.make.promises.lateness import Flow, by_cause, lasting, late_orders
from loopwright.make.promises.pegging import pegging
from loopwright.make.shop import Shop

LONGEST_S = 60.0
NEW = "new"


def promised(plant: Plant, asked: Mapping[str, Any], at_ns: int | None = None) -> dict[str, Any]:
    """The answer as plain data, times in ISO 8601 and ns.

    asked   person: whose order it would be ('': nobody is fitted); like: an order that it is like; due: by when;
            order: what it is called; seconds of search
    at_ns   the moment; None: the last that the plant's events tell of, or now
    Raises InputError for a person that the rules do not cover, UnknownName, PlanError when it cannot be done.
    """
    given, name = asked.get("seconds"), str(asked.get("order") or NEW)
    seconds = 1.0 if given in (None, "") else float(given)
    if not 0 <= seconds <= LONGEST_S:
        raise InputError("promise: seconds", f"{seconds:g}", f"0 (only the gaps) to {LONGEST_S:g}")
    due_ns = moment_ns(asked.get("due"), "promise: due") or 0
    told = open_work(plant)
    at_ns = _moment(plant, told) if at_ns is None else at_ns
    new = OpenOrder(name, _operations(plant, asked), 0, due_ns)
    if any(order.id == name for order in told.work):
        raise InputError("promise: order", f"{name!r} is open already", "the name of a new order")
    whole = shop_at(plant, at_ns, replace(told, work=(*told.work, new)))
    job = next(job for job in whole.jobs if job.id == name)
    shop = replace(whole, jobs=tuple(one for one in whole.jobs if one.id != name))
    there, as_released = standing(plant, shop, told)
    answer = promise(shop, there, job, seconds)
    return {**document(answer, shop, there.objective), "plan": told.plan.about if told.plan else "",
            "as_released": as_released}


def live(plant: Plant, at_ns: int | None = None) -> tuple[Shop, Plan]:
    """The open orders of a plant and the plan in force, as they stand. PlanError where no order is open."""
    told = open_work(plant)
    if not told.work:
        raise PlanError(f"plant {plant.site.folder}", "no order is open: all that were fitted are finished", "",
                        "place orders: loopwright turn SITE")
    shop = shop_at(plant, _moment(plant, told) if at_ns is None else at_ns, told)
    return shop, standing(plant, shop, told)[0]


def _moment(plant: Plant, told: Told) -> int:
    """The last moment that the events of open orders tell of; now, when none is open."""
    if not told.work:
        return plant.clock.now_ns()
    fitted = plant.store.recall(kind="order.fitted", about=[order.id for order in told.work])
    return max([now_of(told), *(event.t_ns for event in fitted)])


def _operations(plant: Plant, asked: Mapping[str, Any]) -> tuple[route.RouteOperation, ...]:
    """The route of the order that is asked for; a person is fitted first, so that nothing is promised that cannot be
    made."""
    product, person, like = plant.product, str(asked.get("person") or ""), str(asked.get("like") or "")
    if like:
        placed = plant.store.recall(kind="order.placed", about=like)
        if not placed:
            raise UnknownName("order", like, [e.about for e in plant.store.recall(kind="order.placed", limit=1000)])
        person = person or str(placed[-1].body["person"])
    made: tuple[Parameter, ...] = ()
    if person:
        measures = plant.store.people.person(person).measures
        try:
            made = fit(plant.rules, measures, context_of(plant, person), plant.product_pack.formulas)
        except InputError as error:  # without the measure itself: that is the person's own
            raise InputError(error.where, "outside what the rule covers", error.allowed, error.todo) from None
    design = Design(f"{product.family}/{NEW}@{plant.rules.revision}", product.family, plant.rules.revision, made)
    return route.operations(product, Order(NEW, person, product.family), design)


def standing(plant: Plant, shop: Shop, told: Told) -> tuple[Plan, bool]:
    """(the plan in force as the shop stands, whether it holds as it was released)."""
    objective = str(plant.site["plan"]["objective"])
    if not shop.jobs or told.plan is None:
        return planned(shop, 1.0 if shop.jobs else 0.0, objective), not shop.jobs
    old = from_body(told.plan.body)
    shift_s = round((shop.origin_ns - old.origin_ns) / NS_PER_S)
    open_ones = {o.key: o for o in shop.operations}
    moved = [replace(s, start_s=s.start_s - shift_s, end_s=s.end_s - shift_s) for s in old.slots
             if (s.order, s.operation) in open_ones]
    kept = [open_ones[s.order, s.operation].frozen or s for s in moved]
    as_it_was = _plan(shop, kept, objective)
    if not check(shop, as_it_was):
        return as_it_was, True
    return _plan(shop, right_shift(shop, old), objective), False


def _plan(shop: Shop, slots: Sequence[Slot], objective: str) -> Plan:
    cost = value(parse(objective), shop, slots)
    return Plan(shop.origin_ns, tuple(slots), "feasible", objective, cost, 0.0, "as released", 0.0)


def document(answer: Promise, shop: Shop, objective: str) -> dict[str, Any]:
    """A promise as plain data."""
    origin_ns = shop.origin_ns
    slots = answer.offers[0].slots(answer.order)
    return {
        "order": answer.order, "says": answer.says, "met": answer.met, **_when(origin_ns, answer.end_s, "end"),
        **_when(origin_ns, answer.flow.due_s, "due"),
        "proven": answer.proven, **_when(origin_ns, answer.least_s, "least"),
        "waits": parts(answer.flow, origin_ns), "objective": objective,
        "offers": [_offer(offer, origin_ns) for offer in answer.offers],
        "proof": {"plan_sha256": plan_sha256(answer.plan.slots), "origin_ns": origin_ns, "slots": slot_rows(slots)},
        "took_s": round(answer.took_s, 4)}


def _when(origin_ns: int, at_s: int | None, name: str) -> dict[str, Any]:
    """A moment in seconds from the origin and, in a plant, as ISO 8601 (the shop of a file has no days)."""
    return {f"{name}_s": at_s, name: None if at_s is None else _iso(origin_ns, at_s)}


def _iso(origin_ns: int, at_s: int) -> str | None:
    return iso(origin_ns + at_s * NS_PER_S) if origin_ns else None


def _offer(offer: Offer, origin_ns: int) -> dict[str, Any]:
    delayed = [{"order": d.order, "by_s": d.by_s, "late_s": d.late_s, **_when(origin_ns, d.due_s, "due")}
               for d in offer.delayed]
    return {"how": offer.how, **_when(origin_ns, offer.end_s, "end"), "extra": offer.extra, "moved": offer.moved,
            "delayed": delayed}


def parts(flow: Flow, origin_ns: int) -> list[dict[str, Any]]:
    """The chain of an order as plain data."""
    return [{"cause": p.cause, "seconds": p.seconds, "operation": p.operation, "what": p.what,
             "orders": list(p.orders), "says": p.says, **_when(origin_ns, p.start_s, "start"),
             **_when(origin_ns, p.end_s, "end")} for p in flow.parts]


def lateness(shop: Shop, there: Plan, flows: Sequence[Flow] | None = None) -> dict[str, Any]:
    """Every late order with its chain, and seconds by cause; or those that are given."""
    late = late_orders(shop, there) if flows is None else list(flows)
    rows = [{"order": f.order, "late_s": f.late_s, "flow_s": f.end_s - f.from_s,
             **_when(shop.origin_ns, f.end_s, "end"), **_when(shop.origin_ns, f.due_s, "due"),
             "parts": parts(f, shop.origin_ns)} for f in late]
    return {"orders": rows, "by_cause": by_cause(late), "of": len(shop.jobs)}


def pegged(shop: Shop, there: Plan, of: Mapping[str, str]) -> list[dict[str, Any]]:
    """The rows of `make.promises.pegging` with times as ISO 8601."""
    return [{**row, **_when(shop.origin_ns, row["start_s"], "start"), **_when(shop.origin_ns, row["end_s"], "end")}
            for row in pegging(shop, there, **of)]


def only_dates(told: Mapping[str, Any]) -> dict[str, Any]:
    """What an owner is told: dates and causes, nothing of other people's orders."""
    kept = {name: told[name] for name in ("order", "met", "end_s", "end", "due", "proven", "took_s")}
    waits = [{name: part[name] for name in ("cause", "seconds", "operation", "start", "end")} for part in told["waits"]]
    earlier = [offer["end"] for offer in told["offers"][1:] if offer["how"] == "moves"]
    says = f"in {lasting(told['end_s'])}" + (f"; earlier on request: {earlier[-1]}" if earlier else "")
    return {**kept, "says": says, "waits": waits}

