"""The plan in force machine by machine, as the API gives it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loopwright.app.views.plan_chart import STATES
from loopwright.core.clock import NS_PER_S
from loopwright.make.shop import merged


def gantt(data: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of `views.plan_chart.chart` as rows: {plan, status, makespan_s, bound_s, gap, took_s, solver,
    start_ns, end_ns, now_ns, rows, orders, ...}; {} when no plan was released.

    rows     [{machine, slots: [{order, operation, machine, start_ns, end_ns, setup_s, person, frozen, state, slack_s,
             waits, due_ns}], blocked: [{start_ns, end_ns, why}], load}], load = busy share of the whole time
    state    'done', 'running' or 'planned', by what the machines said
    gap      (value - bound) / value: how much better a plan could be at most
    """
    if not data:
        return {}
    origin_ns = data["origin_ns"]

    def ns(second: float) -> int:
        return origin_ns + round(second * NS_PER_S)

    rows: list[dict[str, Any]] = [{"machine": m, "slots": [], "blocked": []} for m in data["machines"]]
    for n, machine in enumerate(data["slots"]["machine"]):
        rows[machine]["slots"].append(_slot(data, n))
    for machine, start_s, end_s, why, _ in data["closed"]:
        rows[machine]["blocked"].append({"start_ns": ns(start_s), "end_ns": ns(end_s), "why": why})
    span_ns = max(1, (data["end_s"] - data["start_s"]) * NS_PER_S)
    for row in rows:
        work = merged([(s["start_ns"], s["end_ns"]) for s in row["slots"]])
        row["load"] = sum(b - a for a, b in work) / span_ns
    kept = ("plan", "released_ns", "reason", "status", "objective", "value", "makespan_s", "gap", "took_s", "solver")
    return {
        **{name: data[name] for name in kept}, "bound_s": data["bound"], "start_ns": ns(data["start_s"]),
        "end_ns": ns(data["end_s"]), "now_ns": ns(data["now_s"]), "rows": rows, "orders": len(data["orders"]),
    }


def _slot(data: Mapping[str, Any], n: int) -> dict[str, Any]:
    columns, origin_ns = data["slots"], data["origin_ns"]
    order, due = columns["order"][n], data["due"][columns["order"][n]]
    return {
        "order": data["orders"][order], "operation": columns["operation"][n],
        "machine": data["machines"][columns["machine"][n]], "start_ns": origin_ns + columns["start"][n] * NS_PER_S,
        "end_ns": origin_ns + columns["end"][n] * NS_PER_S, "setup_s": columns["setup"][n],
        "person": columns["person"][n], "frozen": bool(columns["frozen"][n]), "state": STATES[columns["state"][n]],
        "slack_s": columns["slack"][n], "waits": [words for _, words in columns["why"][n]],
        "due_ns": None if due is None else origin_ns + due * NS_PER_S,
    }
