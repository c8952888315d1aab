"""What if, on a plant: its shop is copied, changed and planned; the plan is kept to be looked at, adopted or dropped.

    told = try_plan(plant, "mara", {"changes": ["machine-more mill-1"], "name": "try1"})
    adopt(plant, "mara", "try1", "cheaper than a second shift")

A try is an event; nothing of the plant changes before it is adopted. Then it goes through the same door as every plan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from loopwright.app import planning
from loopwright.app.open_shop import in_force, open_work, shop_at
from loopwright.app.plant import Plant
from loopwright.app.releasing import Found, Why, release, solve_now
from loopwright.app.resources import resources
from loopwright.app.upsets import upsets
from loopwright.app.whatif_words import parse_all
from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError, PlanError, UnknownName
from loopwright.core.types import Event, Plan
from loopwright.make.change.released import shop_of
from loopwright.make.check import check
from loopwright.make.objective import parse, value
from loopwright.make.open_work import as_body, from_body
from loopwright.make.shop import Shop
from loopwright.make.whatif import Calendar, Change, changed, compared, drawn

OPEN, ADOPTED, DROPPED = "open", "adopted", "dropped"
LONGEST_S = 600.0
# changes that a plan can bring with it; of the others, what has to be done first
FIRST = {
    "machine-more": "add the machine to the site file", "speed": "change the machine and its times",
    "shift-more": "change [shifts] in the site file", "shift-less": "change [shifts] in the site file",
    "order-gone": "take the order out", "order-more": "place the order",
    "operator-more": "add the operator to the site file",
}


def calendar_of(plant: Plant) -> Calendar:
    """When the site's shifts are."""
    return Calendar(plant.site.time_zone, tuple(plant.site["shifts"]["hours"]))


def try_plan(plant: Plant, author: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Plans the plant's shop as it would be, and keeps that: what `shown` gives.

    asked  changes: lines such as 'machine-more mill-1'; name ('': numbered); seconds of search for each side; why
    Raises PlanError where no order is open or no plan exists, InputError for a name that is taken.
    """
    changes, seconds = parse_all(asked.get("changes") or ()), _seconds(plant, asked.get("seconds"))
    known = tries(plant)
    name = str(asked.get("name") or "").strip() or _number(known)
    if name in known or "/" in name or len(name) > 100:
        raise InputError("what if: name", name, "a name that is not taken, without '/'")
    newest = plant.store.recall(limit=1, newest_first=True)
    told, now_ns = open_work(plant), plant.clock.now_ns()
    shop = shop_at(plant, now_ns, told)
    if not shop.jobs:
        raise PlanError(f"plant {plant.site.folder}", "no order is open", "", "place orders first")
    old = from_body(told.plan.body) if told.plan and planning.knows(told.plan, told) else None
    other_shop = changed(shop, changes, calendar_of(plant))
    before = solve_now(plant, shop, old, seconds).plan
    after = _best(plant, other_shop, before, seconds)
    body = {
        "plan": as_body(after, f"what if {name}", other_shop), "before": as_body(before, "as it is", shop),
        "base": told.plan.id if told.plan else "", "seen": newest[0].id if newest else "",
        "changes": [asdict(change) for change in changes], "table": compared(shop, before, other_shop, after),
        "origin_ns": now_ns, "why": str(asked.get("why") or "")}
    plant.store.record([Event("plan.tried", name, now_ns, author, body, key=f"tried/{name}")])
    return shown(plant, name)


def _seconds(plant: Plant, given: Any) -> float:
    seconds = float(plant.site["plan"]["seconds"] if given is None else given)
    if not 0 <= seconds <= LONGEST_S:
        raise InputError("what if: seconds", f"{seconds:g}", f"0 to {LONGEST_S:g}")
    return seconds


def _number(known: Mapping[str, Any]) -> str:
    number = 1
    while f"try-{number}" in known:
        number += 1
    return f"try-{number}"


def _best(plant: Plant, shop: Shop, before: Plan, seconds: float) -> Plan:
    """The better of a plan made anew and the plan before, mended for the changed shop: so a change that only makes
    room cannot look worse for want of luck."""
    aim = parse(str(plant.site["plan"]["objective"]))
    plans = [solve_now(plant, shop, None, seconds).plan, solve_now(plant, shop, before, seconds).plan]
    best = min(plans, key=lambda plan: value(aim, shop, plan.slots))
    if wrong := check(shop, best):
        raise PlanError("what if", f"the plan breaks the shop's rules: {wrong[0]}", "", "report this")
    return best


def tries(plant: Plant) -> dict[str, dict[str, Any]]:
    """name -> {event, state, last} of everything that was tried, in its order."""
    found: dict[str, dict[str, Any]] = {}
    for event in plant.store.recall(kind=("plan.tried", "plan.adopted", "plan.dropped")):
        if event.kind == "plan.tried":
            found[event.about] = {"event": event, "state": OPEN, "last": event}
        elif event.about in found:
            found[event.about] |= {"state": ADOPTED if event.kind == "plan.adopted" else DROPPED, "last": event}
    return found


def _found(plant: Plant, name: str) -> dict[str, Any]:
    known = tries(plant)
    if name not in known:
        raise UnknownName("what was tried", name, known)
    return known[name]


def listed(plant: Plant) -> dict[str, Any]:
    """Everything that was tried: {tries: [...]}, the newest first, without the plans themselves."""
    return {"tries": [_row(plant, name, one) for name, one in reversed(tries(plant).items())]}


def _row(plant: Plant, name: str, one: Mapping[str, Any]) -> dict[str, Any]:
    event: Event = one["event"]
    return {
        "name": name, "state": one["state"], "author": event.actor, "t_ns": event.t_ns, "why": event.body["why"],
        "changes": event.body["changes"], "says_changes": [change.says() for change in changes_of(event)],
        "figures": event.body["table"]["figures"],
        "first": first(event), "moved_on": moved_on(plant, event) if one["state"] == OPEN else ""}


def shown(plant: Plant, name: str) -> dict[str, Any]:
    """One try with its table; `first`: what has to be done before it can be adopted; `moved_on`: why it is too late."""
    one = _found(plant, name)
    return {**_row(plant, name, one), "table": one["event"].body["table"]}


def changes_of(event: Event) -> list[Change]:
    """The changes that were tried."""
    return [Change(**row) for row in event.body["changes"]]


def first(event: Event) -> list[str]:
    """What has to be done before a try can be adopted; [] when it can."""
    found = [f"{change.says()}: {FIRST[change.kind]}" for change in changes_of(event) if change.kind in FIRST]
    away = [c for c in changes_of(event) if c.kind in ("machine-away", "operator-away") and not c.seconds]
    return found + [f"{change.says()}: say for how long" for change in away]


def moved_on(plant: Plant, event: Event) -> str:
    """Why a try is too late: another plan was released, or something happened; '' when it is not."""
    plan = in_force(plant)
    if (plan.id if plan else "") != event.body["base"]:
        return f"{plan.about if plan else 'another plan'} was released meanwhile"
    new = plant.store.recall(kind=tuple(planning.WORDS), after=str(event.body["seen"]))
    calling = planning.calling_for(plant, plan, new)
    return f"since then: {planning.in_short([planning.says(one) for one in calling])}" if calling else ""


def svg(plant: Plant, name: str) -> str:
    """Both plans of a try as one drawing."""
    body = _found(plant, name)["event"].body
    before, after = body["before"], body["plan"]
    return drawn(shop_of(before), from_body(before), shop_of(after), from_body(after), ("as it is", name),
                 plant.site.time_zone)


def beside(plant: Plant, names: Sequence[str]) -> dict[str, Any]:
    """Several tries side by side, and the plan as it was when the first of them was made: {names, figures_of: [{what,
    unit, values}]}."""
    if len(names) < 2:
        raise InputError("what if compare", f"{len(names)} names", "two or more")
    events = [_found(plant, name)["event"] for name in names]
    tables = [{row["what"]: row for row in event.body["table"]["figures"]} for event in events]
    rows = [
        {"what": what, "unit": row["unit"], "values": [row["before"], *(table[what]["after"] for table in tables)]}
        for what, row in tables[0].items()]
    ends = [(events[0].body["origin_ns"], rows[0]["values"][0])]
    ends += [(event.body["origin_ns"], table["makespan"]["after"]) for event, table in zip(events, tables, strict=True)]
    last = {"what": "ends", "unit": "ns", "values": [origin_ns + span_s * NS_PER_S for origin_ns, span_s in ends]}
    return {"names": ["as it was", *names], "figures_of": [last, *rows]}


def adopt(plant: Plant, author: str, name: str, why: str = "") -> dict[str, Any]:
    """A tried plan becomes the plan of the plant, brought to now, with what it rests on: new due dates, absences.

    Raises InputError when it was adopted or dropped already, or something has to be done first; PlanError when the
    plant's plan moved on meanwhile.
    """
    one = _found(plant, name)
    event: Event = one["event"]
    if one["state"] != OPEN:
        raise InputError(f"what if {name}", f"was {one['state']} by {one['last'].actor}", "one that is open")
    if todo := first(event):
        raise InputError(f"what if {name}", todo[0], "a try that the plant can carry out", "do that, and try again")
    newest = plant.store.recall(limit=1, newest_first=True)
    base = in_force(plant)
    if words := moved_on(plant, event):
        raise PlanError(f"what if {name}", words, "", "try it again from the plan in force")
    told, now_ns = open_work(plant), plant.clock.now_ns()
    shop = changed(shop_at(plant, now_ns, told), _from_now(event, now_ns), calendar_of(plant))
    found: Found = solve_now(plant, shop, from_body(event.body["plan"]), float(plant.site["plan"]["repair_s"]), 1.0)
    says = "; ".join(change.says() for change in changes_of(event))
    reason = f"{'repair: ' if base else ''}what if {name}{f': {says}' if says else ''}{f' ({why})' if why else ''}"
    about = planning.next_name(plant)
    more = {"seen": newest[0].id if newest else "", "tried": name}
    others = [*_rests(plant, event, told.work, author, why), Event(
        "plan.adopted", name, now_ns, author, {"why": why, "released": about}, (event.id,), f"ended/{name}")]
    released = release(plant, shop, found, Why(reason, about, base, (event.id,), True, author, more), others)
    return {"says": f"{name} is the plan now: {released.about}.", "plan": released.about, "name": name}


def _from_now(event: Event, now_ns: int) -> list[Change]:
    """The changes as they count from now on: an absence is over when it would have been."""
    passed_s = (now_ns - int(event.body["origin_ns"])) // NS_PER_S
    found = []
    for change in changes_of(event):
        if change.kind in ("machine-away", "operator-away"):
            if change.seconds <= passed_s:
                continue
            change = replace(change, seconds=change.seconds - passed_s)
        found.append(change)
    return found


def _rests(plant: Plant, event: Event, work: Sequence[Any], author: str, why: str) -> list[Event]:
    """What the changes are in the plant's own words: the plan would be repaired back without them."""
    origin_ns, reason = int(event.body["origin_ns"]), why or f"what if {event.about}"
    orders = {order.id: order for order in work}
    arrives = dict(upsets(plant, plant.clock.now_ns()).met(resources(plant.site), work).arrives_ns)
    found = []
    for change in changes_of(event):
        move_ns = change.seconds * NS_PER_S
        until_ns = origin_ns + move_ns
        if change.kind in ("order-earlier", "order-later"):
            order = orders[change.name]
            due_ns = order.due_ns + (move_ns if change.kind == "order-later" else -move_ns)
            orders[change.name] = replace(order, due_ns=due_ns)
            kind, body = "order.due", {"due_ns": due_ns, "weight": order.weight, "why": reason}
        elif change.kind in ("material-earlier", "material-later"):
            arrives[change.name] += move_ns if change.kind == "material-later" else -move_ns
            kind, body = "material.late", {"arrives_ns": arrives[change.name], "why": reason}
        elif change.kind == "operator-away":
            kind, body = "operator.away", {"start_ns": origin_ns, "until_ns": until_ns, "why": reason}
        else:
            kind, body = "machine.down", {"until_ns": until_ns, "why": reason}
        found.append(Event(kind, change.name, origin_ns, author, body, (event.id,)))
    return found


def drop(plant: Plant, author: str, name: str, why: str = "") -> dict[str, Any]:
    """A try is no longer wanted."""
    one = _found(plant, name)
    if one["state"] != OPEN:
        raise InputError(f"what if {name}", f"was {one['state']} by {one['last'].actor}", "one that is open")
    event = Event("plan.dropped", name, plant.clock.now_ns(), author, {"why": why}, (one["event"].id,), f"ended/{name}")
    plant.store.record([event])
    return {"says": f"{name} is dropped.", "name": name}
