"""The plan as a Gantt chart: machines from top to bottom, time from left to right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from loopwright.app.views import fold
from loopwright.core.clock import NS_PER_S
from loopwright.core.types import Event

KINDS = ("plan.released", "workorder.opened", "workorder.done", "step.started", "step.finished")
COLOURS = 8  # orders take turns in this many colours


def gantt(events: Sequence[Event], now_ns: int) -> dict[str, Any]:
    """The plan in force: {plan, status, makespan_s, bound_s, gap, took_s, solver, start_ns, end_ns, now_ns, rows,
    blocked, plans}.

    rows     [{machine, slots: [{order, operation, start_ns, end_ns, colour, frozen, state}], load}], load = busy
             share of the makespan
    state    'done', 'running' or 'planned', by what the machines said
    gap      (makespan - bound) / makespan: how much shorter a better plan could be at most
    None of them when no plan was released: {} then.
    """
    plans = fold.of(events, "plan.released")
    if not plans:
        return {}
    plan = plans[-1]
    body = plan.body
    slots = _slots(plan, _steps(events, _first_origin(plans)))
    start_ns = min([s["start_ns"] for s in slots], default=int(body["origin_ns"]))
    end_ns = max([s["end_ns"] for s in slots], default=start_ns + 1)
    blocked = [b for b in _blocked(events) if start_ns < b["end_ns"] and b["start_ns"] < end_ns]
    machines = sorted({s["machine"] for s in slots} | {b["machine"] for b in blocked})
    makespan, bound = body["makespan_s"], body["bound_s"]
    return {
        "plan": plan.about, "released_ns": plan.t_ns, "reason": body["reason"], "status": body["status"],
        "objective": body["objective"], "makespan_s": makespan, "bound_s": bound,
        "gap": (makespan - bound) / makespan if makespan else 0.0, "took_s": body["took_s"], "solver": body["solver"],
        "start_ns": start_ns, "end_ns": end_ns, "now_ns": now_ns, "plans": len(plans),
        "rows": [_row(machine, slots, blocked, end_ns - start_ns) for machine in machines],
        "orders": len({s["order"] for s in slots}),
    }


def _slots(plan: Event, steps: Mapping[tuple[str, str], dict[str, Any]]) -> list[dict[str, Any]]:
    """The slots of the plan, with those that were done before it was repaired; each order in a colour of its own."""
    origin_ns = int(plan.body["origin_ns"])
    slots = [_slot(row, origin_ns) for row in fold.rows(plan.body["slots"], "order")]
    planned = {(s["order"], s["operation"]) for s in slots}
    for slot in slots:
        slot["state"] = steps.get((slot["order"], slot["operation"]), slot)["state"]
    slots += [step for key, step in steps.items() if key not in planned and step["end_ns"]]
    slots.sort(key=lambda slot: slot["start_ns"])
    colours = {order: i % COLOURS for i, order in enumerate(dict.fromkeys(s["order"] for s in slots))}
    return [{**slot, "colour": colours[slot["order"]]} for slot in slots]


def _row(
    machine: str, slots: Sequence[dict[str, Any]], blocked: Sequence[dict[str, Any]], span_ns: int
) -> dict[str, Any]:
    """One machine's lane."""
    mine = [slot for slot in slots if slot["machine"] == machine]
    load = sum(slot["end_ns"] - slot["start_ns"] for slot in mine) / max(1, span_ns)
    return {"machine": machine, "slots": mine, "blocked": [b for b in blocked if b["machine"] == machine], "load": load}


def _slot(row: Mapping[str, Any], origin_ns: int) -> dict[str, Any]:
    return {
        "order": row["order"], "operation": row["operation"], "machine": row["machine"],
        "frozen": bool(row.get("frozen")), "state": "planned", "start_ns": origin_ns + int(row["start_s"]) * NS_PER_S,
        "end_ns": origin_ns + int(row["end_s"]) * NS_PER_S,
    }


def _first_origin(plans: Sequence[Event]) -> int:
    """Where the plan in force began before it was repaired: the origin of the last plan that is no repair."""
    for plan in reversed(plans):
        if not str(plan.body["reason"]).startswith("repair"):
            return int(plan.body["origin_ns"])
    return int(plans[0].body["origin_ns"])


def _steps(events: Sequence[Event], since_ns: int) -> dict[tuple[str, str], dict[str, Any]]:
    """(order, operation) -> what the machine did, as a slot; end_ns is None while it runs."""
    out: dict[tuple[str, str], dict[str, Any]] = {}
    for event in fold.of(events, "step.started", "step.finished"):
        body, done = event.body, event.kind == "step.finished"
        start_ns = int(body["start_ns"]) if done else event.t_ns
        if start_ns >= since_ns:
            out[str(body["order"]), str(body["operation"])] = {
                "order": body["order"],
                "operation": body["operation"],
                "machine": body["machine"],
                "frozen": True,
                "start_ns": start_ns,
                "end_ns": int(body["end_ns"]) if done else None,
                "state": "done" if done else "running",
            }
    return out


def _blocked(events: Sequence[Event]) -> list[dict[str, Any]]:
    """Work orders as stretches of a machine's time."""
    done = {e.about: e.t_ns for e in fold.of(events, "workorder.done")}
    return [
        {
            "machine": e.body["machine"],
            "why": e.body["why"],
            "alarm": e.body["alarm"],
            "start_ns": int(e.body.get("start_ns", e.t_ns)),
            "end_ns": done.get(e.about, int(e.body.get("start_ns", e.t_ns) + e.body["duration_s"] * NS_PER_S)),
            "done": e.about in done,
        }
        for e in fold.of(events, "workorder.opened")
    ]
