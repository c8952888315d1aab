"""What machines did so far and when they are not to be had, kept up event by event: drawn together with a plan."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from loopwright.core.clock import NS_PER_S
from loopwright.core.types import Event

KINDS = ("step.started", "step.finished", "workorder.opened", "workorder.done", "machine.down", "machine.up")
MOST = 100_000  # steps; with more, those that ended long ago are forgotten
KEPT_NS = 7 * 86_400 * NS_PER_S


@dataclass
class Floor:
    """steps: (order, operation) -> {order, operation, machine, start_ns, end_ns (None while it runs)}; stops: when
    machines were taken out of work, {machine, why, start_ns, end_ns (None: nobody knows), done}."""

    steps: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    stops: dict[str, dict[str, Any]] = field(default_factory=dict)


def step(floor: Floor, event: Event) -> None:
    """The floor after one more event, in the order they were recorded."""
    body = event.body
    if event.kind in ("step.started", "step.finished"):
        done = event.kind == "step.finished"
        key = (str(body["order"]), str(body["operation"]))
        start_ns = int(body["start_ns"]) if done else event.t_ns
        floor.steps[key] = {"order": key[0], "operation": key[1], "machine": str(body["machine"]),
                            "start_ns": start_ns, "end_ns": int(body["end_ns"]) if done else None}
        if len(floor.steps) > MOST and len(floor.steps) % 1_000 == 0:
            _forget(floor, event.t_ns)
    elif event.kind == "workorder.opened":
        start_ns = int(body.get("start_ns", event.t_ns))
        end_ns = start_ns + round(float(body["duration_s"]) * NS_PER_S)
        floor.stops[event.about] = _stop(str(body["machine"]), str(body["why"]), start_ns, end_ns, down=False)
    elif event.kind == "workorder.done" and event.about in floor.stops:
        floor.stops[event.about] |= {"end_ns": event.t_ns, "done": True}
    elif event.kind == "machine.down":
        until_ns = int(body.get("until_ns") or 0)
        why = str(body.get("why") or "down")
        floor.stops[f"{event.about} {event.t_ns}"] = _stop(event.about, why, event.t_ns, until_ns or None, down=True)
    elif event.kind == "machine.up":
        for stop in floor.stops.values():
            if stop["machine"] == event.about and stop["down"] and not stop["done"]:
                stop |= {"end_ns": event.t_ns, "done": True}


def _forget(floor: Floor, now_ns: int) -> None:
    """Work that ended long ago is on no plan any more."""
    long_ago_ns = now_ns - KEPT_NS
    floor.steps = {key: row for key, row in floor.steps.items() if row["end_ns"] is None or row["end_ns"] > long_ago_ns}


def _stop(machine: str, why: str, start_ns: int, end_ns: int | None, down: bool) -> dict[str, Any]:
    return {"machine": machine, "why": why, "start_ns": start_ns, "end_ns": end_ns, "done": False, "down": down}
