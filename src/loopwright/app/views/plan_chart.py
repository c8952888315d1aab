"""A released plan as columns that a browser draws: every operation with when, where, who, why and slack."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loopwright.app.views.plan_steps import Floor
from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import LoopwrightError
from loopwright.core.types import Event, Plan, Slot
from loopwright.make.change.compare import compared
from loopwright.make.change.released import shop_of
from loopwright.make.change.story import Story, story
from loopwright.make.draw.gantt import wait_words
from loopwright.make.open_work import from_body
from loopwright.make.promises.lateness import lasting, late_orders
from loopwright.make.shop import Key, Shop

STATES = ("planned", "running", "done")
MOST_BEFORE_NS = 86_400 * NS_PER_S  # of finished work before the plan's origin


def chart(
    event: Event, floor: Floor | None, since_ns: int, now_ns: int, before: Event | None = None
) -> dict[str, Any]:
    """A plan.released event, times in seconds from its origin.

    floor      what machines did so far; None: the plan as it was released, without what became of it
    since_ns   work that ended before this is not drawn
    before     the plan released before it: where operations stood then
    returns    {plan, origin_ns, released_ns, reason, ..., start_s, end_s, now_s, machines, orders, due, ends, reasons,
               closed, slots: columns {order, operation, machine, start, end, setup, person, state, frozen, slack, why,
               after, was}}; order and machine are places in `orders` and `machines`, after places of other slots
    """
    plan = from_body(event.body)
    told = _told(event.body, plan)
    rows = [_row(slot, told, floor, plan.origin_ns) for slot in plan.slots]
    rows += _done(plan, floor, max(since_ns, plan.origin_ns - MOST_BEFORE_NS)) if floor else []
    rows.sort(key=lambda r: (r["start"], r["end"], r["order"], r["operation"]))
    shop = told.shop if told else None
    closed = _closed(shop, floor, plan.origin_ns)
    start_s = min([0, *(r["start"] - r["setup"] for r in rows)])
    end_s = max([start_s + 1, *(r["end"] for r in rows)])
    machines = _machines(shop, rows, closed)
    due = {job.id: job.due_s for job in shop.jobs} if shop else {}
    ends: dict[str, int] = {}
    for row in rows:
        ends[row["order"]] = max(row["end"], ends.get(row["order"], row["end"]))
    return {
        **facts(event), "start_s": start_s, "end_s": end_s,
        "now_s": round((now_ns - plan.origin_ns) / NS_PER_S, 3), "in_force": floor is not None,
        "machines": machines, "orders": list(ends), "due": [due.get(order) for order in ends],
        "ends": list(ends.values()), "reasons": _reasons(shop, plan),
        "closed": [[machines.index(m), max(a, start_s), min(b, end_s), why, down]
                   for m, a, b, why, down in closed if m in machines and a < end_s and b > start_s],
        "slots": _columns(rows, machines, list(ends), _was(before, plan)),
    }


def facts(event: Event) -> dict[str, Any]:
    """A plan in numbers: {plan, released_ns, origin_ns, reason, status, objective, value, makespan_s, bound, gap,
    solver, took_s}; gap is a share of the value."""
    plan = from_body(event.body)
    return {
        "plan": event.about, "released_ns": event.t_ns, "origin_ns": plan.origin_ns, "reason": event.body["reason"],
        "status": plan.status, "objective": plan.objective, "value": plan.value,
        "makespan_s": event.body["makespan_s"], "bound": plan.bound, "gap": max(0.0, plan.gap), "solver": plan.solver,
        "took_s": plan.took_s,
    }


@dataclass(frozen=True)
class _Told:
    """What a plan says of its shop."""

    shop: Shop
    story: Story
    after: Mapping[Key, Sequence[str]]


def _told(body: Mapping[str, Any], plan: Plan) -> _Told | None:
    """The plan's shop and story; None for a plan that no shop can have (written by another program)."""
    try:
        shop = shop_of(body)
    except LoopwrightError:
        return None
    return _Told(shop, story(shop, plan), {o.key: o.after for o in shop.operations})


def _row(slot: Slot, told: _Told | None, floor: Floor | None, origin_ns: int) -> dict[str, Any]:
    """An operation as planned; as it went where the machine said so."""
    key, start_s, end_s = (slot.order, slot.operation), slot.start_s, slot.end_s
    step = floor.steps.get(key) if floor else None
    if step:
        start_s = _seconds(step["start_ns"], origin_ns)
        end_s = start_s + slot.end_s - slot.start_s if step["end_ns"] is None else _seconds(step["end_ns"], origin_ns)
    state = 0 if step is None else 1 if step["end_ns"] is None else 2
    waits = told.story.waits(*key) if told and not slot.frozen else ()
    return {
        "order": slot.order, "operation": slot.operation, "machine": step["machine"] if step else slot.machine,
        "start": start_s, "end": max(start_s, end_s), "setup": slot.setup_s, "person": slot.operator, "state": state,
        "frozen": int(slot.frozen), "slack": told.story.slack_s(*key) if told and state < 2 else None,
        "why": [[w.kind, wait_words(w)] for w in waits], "after": told.after.get(key, ()) if told else (),
    }


def _reasons(shop: Shop | None, plan: Plan) -> dict[str, str]:
    """order -> the longest wait of a late order, in words."""
    flows = late_orders(shop, plan) if shop else []
    return {flow.order: f"{flow.most.says}, {lasting(flow.most.seconds)}" for flow in flows if flow.most}


def _seconds(t_ns: int, origin_ns: int) -> int:
    return round((t_ns - origin_ns) / NS_PER_S)


def _done(plan: Plan, floor: Floor, since_ns: int) -> list[dict[str, Any]]:
    """What was finished before the plan was made, as it went."""
    planned, out = {(s.order, s.operation) for s in plan.slots}, []
    for key, step in list(floor.steps.items()):
        if key in planned or step["end_ns"] is None or step["end_ns"] <= since_ns:
            continue
        start_s, end_s = (_seconds(step[name], plan.origin_ns) for name in ("start_ns", "end_ns"))
        out.append({"order": step["order"], "operation": step["operation"], "machine": step["machine"],
                    "start": start_s, "end": max(start_s, end_s), "setup": 0, "person": "", "state": 2, "frozen": 1,
                    "slack": None, "why": [], "after": ()})
    return out


def _closed(shop: Shop | None, floor: Floor | None, origin_ns: int) -> list[tuple[str, int, int, str, int]]:
    """(machine, start_s, end_s, why, 0 closed, 1 under work or down): what the plan knew, and what was told since."""
    known = [(b.machine, b.start_s, b.end_s, b.why, 0) for b in shop.blocked] if shop else []
    for stop in list(floor.stops.values()) if floor else []:
        start_s = _seconds(stop["start_ns"], origin_ns)
        end_s = _seconds(stop["end_ns"], origin_ns) if stop["end_ns"] else 2**53
        known = [one for one in known if (one[0], one[3]) != (stop["machine"], stop["why"])]  # told better here
        known += [(stop["machine"], start_s, end_s, stop["why"], 1)] if end_s > start_s else []
    return known


def _machines(shop: Shop | None, rows: Iterable[Mapping[str, Any]], closed: Iterable[tuple[Any, ...]]) -> list[str]:
    """In the order of the plant where the plan tells it, else by name; those that nothing is on are left out."""
    used = {row["machine"] for row in rows} | {one[0] for one in closed if one[4]}
    first = [m.id for m in shop.machines if m.id in used] if shop else []
    return list(dict.fromkeys([*first, *sorted(used)]))


def _columns(
    rows: Sequence[Mapping[str, Any]], machines: Sequence[str], orders: Sequence[str], was: Mapping[Key, Sequence[Any]]
) -> dict[str, list[Any]]:
    """The rows by column, names as places."""
    at_machine, at_order = {m: n for n, m in enumerate(machines)}, {o: n for n, o in enumerate(orders)}
    place = {(r["order"], r["operation"]): n for n, r in enumerate(rows)}
    same = ("operation", "start", "end", "setup", "person", "state", "frozen", "slack", "why")
    old = [was.get((r["order"], r["operation"])) for r in rows]
    return {
        **{name: [row[name] for row in rows] for name in same},
        "order": [at_order[r["order"]] for r in rows], "machine": [at_machine[r["machine"]] for r in rows],
        "after": [[place[key] for name in r["after"] if (key := (r["order"], name)) in place] for r in rows],
        "was": [[at_machine.get(one[0], one[0]), *one[1:]] if one else None for one in old],
    }


def _was(before: Event | None, plan: Plan) -> dict[Key, list[Any]]:
    """(order, operation) -> [machine, start_s, end_s, whether it kept machine and order] in the plan before."""
    if before is None:
        return {}
    old = from_body(before.body)
    shift_s = round((plan.origin_ns - old.origin_ns) / NS_PER_S)
    return {m.key: [m.before.machine, m.before.start_s - shift_s, m.before.end_s - shift_s, int(m.kept)]
            for m in compared(old, plan).both if m.shift_s or not m.kept}
