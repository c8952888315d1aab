"""The plans of the past: one row a plan with what it kept of the plan before it, and two plans beside each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from loopwright.app.views.plan_chart import facts
from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import LoopwrightError
from loopwright.core.types import Event, Plan
from loopwright.make.change.compare import Compared, Move, compared
from loopwright.make.change.released import shop_of
from loopwright.make.change.story import Story, story
from loopwright.make.draw.gantt import wait_words
from loopwright.make.open_work import from_body

MOST = 1_000  # rows kept


@dataclass
class Past:
    """rows, oldest first; the plan released last, to compare the next one with."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    last: Plan | None = None


def released(past: Past, event: Event) -> None:
    """The past after one more plan: {facts..., orders, operations, before, kept, moved, added, gone}.

    kept is the share of operations in both plans, not begun, that stay on their machine in their order; None for the
    first plan, and where the two have nothing in common.
    """
    plan = from_body(event.body)
    row = {**facts(event), "orders": len({s.order for s in plan.slots}), "operations": len(plan.slots), "before": None,
           "kept": None, "moved": 0, "added": len(plan.slots), "gone": 0}
    if past.last is not None:
        told = compared(past.last, plan)
        row |= {"before": past.rows[-1]["plan"], "kept": told.kept_part if told.both else None,
                "moved": len(told.moved), "added": len(told.added), "gone": len(told.gone)}
    past.rows.append(row)
    del past.rows[:-MOST]
    past.last = plan


def moved(before: Event, after: Event, most: int = 200) -> dict[str, Any]:
    """What moved between two plans, and why: {before, after, kept, both, moved, shifted, added, gone, says, rows}.

    says  what the repair said of itself, in sentences; [] where the second plan is no repair of the first

    rows  [{order, operation, from_machine, to_machine, from_ns, to_ns, shift_s, kept, why}], those on another machine
          first, at most `most`; why: what it waits for now
    """
    old, new = from_body(before.body), from_body(after.body)
    told = compared(old, new)
    why = _story(after.body, new)
    rows = [one for one in told.both if not one.kept or one.shift_s]
    return {
        "before": before.about, "after": after.about, "kept": told.kept_part if told.both else None,
        "both": len(told.both), "moved": len(told.moved), "shifted": sum(m.kept and m.shift_s != 0 for m in told.both),
        "says": [str(one) for one in after.body.get("why", ())] if after.body.get("repairs") == before.about else [],
        "added": _names(told, "added"), "gone": _names(told, "gone"), "reason": after.body["reason"],
        "rows": [_row(one, old, new, why) for one in rows[:most]], "more": max(0, len(rows) - most),
    }


def _names(told: Compared, which: str) -> dict[str, Any]:
    """How many operations, and of which orders."""
    slots = getattr(told, which)
    return {"operations": len(slots), "orders": list(dict.fromkeys(s.order for s in slots))}


def _story(body: Mapping[str, Any], plan: Plan) -> Story | None:
    try:
        return story(shop_of(body), plan)
    except LoopwrightError:
        return None


def _row(move: Move, old: Plan, new: Plan, told: Story | None) -> dict[str, Any]:
    waits = told.waits(*move.key) if told else ()
    return {
        "order": move.after.order, "operation": move.after.operation, "from_machine": move.before.machine,
        "to_machine": move.after.machine, "from_ns": old.origin_ns + move.before.start_s * NS_PER_S,
        "to_ns": new.origin_ns + move.after.start_s * NS_PER_S, "shift_s": move.shift_s, "kept": move.kept,
        "why": "; ".join(wait_words(wait) for wait in waits),
    }
