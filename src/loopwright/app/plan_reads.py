"""What the plan's pages and its part of the API show. Nothing here writes, nothing here draws."""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from loopwright.app.front import Front
from loopwright.app.views import plan_chart, plan_load, plan_past, plan_steps
from loopwright.core.clock import NS_PER_S, iso
from loopwright.core.errors import LoopwrightError, UnknownName
from loopwright.core.types import Event
from loopwright.make.change.released import shop_of
from loopwright.make.draw.gantt import DRAWINGS
from loopwright.make.open_work import from_body

_PLAN = "plan.released"
NOW = "now"  # the plan in force
FIRST = 60  # plans that are read at once; older ones are found by their id


def floor(front: Front) -> plan_steps.Floor:
    """What machines did so far."""
    return front.rolled("floor", plan_steps.KINDS, plan_steps.Floor, plan_steps.step)


@dataclass
class _Known:
    """The plans of the past as far as they were read, and the id of the last event."""

    past: plan_past.Past = field(default_factory=plan_past.Past)
    last: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)


def past(front: Front) -> list[dict[str, Any]]:
    """The plans, newest first: `views.plan_past.released`; at first the last 60, then each that comes is added."""
    known: _Known = front.once("plans", 0, _Known)
    with known.lock:
        if known.last:
            events = front.store.recall(kind=_PLAN, after=known.last)
        else:
            events = front.store.recall(kind=_PLAN, limit=FIRST, newest_first=True)[::-1]
        for event in events:
            plan_past.released(known.past, event)
            known.last = event.id
        return known.past.rows[::-1]


def chart(front: Front, plan: str = NOW) -> dict[str, Any]:
    """A plan by its id, or the one in force with what became of it so far: `views.plan_chart`; {} when there is none.

    Raises UnknownName for a plan that was never released.
    """
    rows = past(front)
    if plan == NOW and not rows:
        return {}
    latest = plan in (NOW, rows[0]["plan"] if rows else "")
    version = front.store.events.last_known_ns() if latest else 0

    def read() -> dict[str, Any]:
        event = _event(front, rows, plan)
        told = floor(front) if latest else None
        return plan_chart.chart(event, told, _since(rows), 0, _before(front, event))

    data = front.once(("plan chart", latest or plan), version, read)
    return {**data, "now_s": round((front.now_ns() - data["origin_ns"]) / NS_PER_S, 3)}


def _event(front: Front, rows: list[dict[str, Any]], plan: str) -> Event:
    name = rows[0]["plan"] if plan == NOW and rows else plan
    found = front.store.recall(kind=_PLAN, about=name, limit=1, newest_first=True)
    if not found:
        raise UnknownName("plan", plan, [NOW, *(row["plan"] for row in rows[:50])])
    return found[0]


def _before(front: Front, event: Event) -> Event | None:
    """The plan released before this one."""
    found = front.store.recall(kind=_PLAN, after=event.id, limit=1, newest_first=True)
    return found[0] if found else None


def _since(rows: list[dict[str, Any]]) -> int:
    """Where the plan in force began before it was repaired: the origin of the last plan that is no repair."""
    whole = next((row for row in rows if not str(row["reason"]).startswith("repair")), rows[-1])
    return int(whole["origin_ns"])


def load(front: Front, plan: str = NOW) -> dict[str, Any]:
    """How busy machines are by day: `views.plan_load.load`."""
    data = chart(front, plan)
    return plan_load.load(data, front.zone) if data else {"periods": [], "rows": []}


def lateness(front: Front, plan: str = NOW) -> list[dict[str, Any]]:
    """How late each order ends: `views.plan_load.lateness`."""
    data = chart(front, plan)
    return plan_load.lateness(data) if data else []


def moved(front: Front, plan: str, before: str = "") -> dict[str, Any]:
    """What moved from the plan before (or another) to this one, and why: `views.plan_past.moved`; {} for the first."""
    rows = past(front)
    if plan == NOW and not rows:
        return {}
    name = rows[0]["plan"] if plan == NOW else plan

    def read() -> dict[str, Any]:
        event = _event(front, rows, name)
        other = _event(front, rows, before) if before else _before(front, event)
        return plan_past.moved(other, event) if other else {}

    return front.once(("plan moved", name, before), 0, read)


_COLUMNS = ("order", "operation", "machine", "start", "end", "setup_s", "person", "state", "slack_s", "due", "late_s",
            "waits for")


def _no_formula(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def as_csv(front: Front, plan: str = NOW) -> str:
    """Every operation of a plan as CSV (RFC 4180), times in ISO 8601 UTC. Text that a spreadsheet would take for a
    formula is given a quote before it."""
    out = io.StringIO()
    write = csv.writer(out)
    write.writerow(_COLUMNS)
    data = chart(front, plan)
    for row in _rows(data) if data else ():
        write.writerow([_no_formula(cell) for cell in row])
    return out.getvalue()


def as_svg(front: Front, plan: str = NOW, view: str = "machines") -> str:
    """A plan as it was released, drawn by `draw.gantt` in the plant's zone. Raises UnknownName when there is none."""
    event = _event(front, past(front), plan)
    try:
        shop = shop_of(event.body)
    except LoopwrightError:  # what it tells of its shop cannot be: drawn by its slots alone
        shop = shop_of({**event.body, "shop": {}})
    return DRAWINGS[view](shop, from_body(event.body), front.zone)


def _rows(data: Mapping[str, Any]) -> list[list[Any]]:
    slots, origin_ns = data["slots"], data["origin_ns"]

    def at(second: int | None) -> str:
        return "" if second is None else iso(origin_ns + second * NS_PER_S)

    out = []
    for n, order in enumerate(slots["order"]):
        due, end = data["due"][order], data["ends"][order]
        out.append([
            data["orders"][order], slots["operation"][n], data["machines"][slots["machine"][n]], at(slots["start"][n]),
            at(slots["end"][n]), slots["setup"][n], slots["person"][n], plan_chart.STATES[slots["state"][n]],
            "" if slots["slack"][n] is None else slots["slack"][n], at(due), "" if due is None else max(0, end - due),
            "; ".join(words for _, words in slots["why"][n]),
        ])
    return out
