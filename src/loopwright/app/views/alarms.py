"""Alarms folded from events into the states of ISA-18.2: active or gone, seen or not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from loopwright.app.views import fold
from loopwright.core.types import Event

KINDS = ("alarm.raised", "alarm.acknowledged", "alarm.cleared")
_STATES = {(True, False): "active", (True, True): "acknowledged", (False, False): "returned", (False, True): "normal"}
_ORDER = {"active": 0, "acknowledged": 1, "returned": 2, "normal": 3}


def alarms(events: Iterable[Event]) -> list[dict[str, Any]]:
    """Every alarm as it stands: {id, condition, thing, says, priority, state, since_ns, cleared_ns, acknowledged_by,
    evidence}.

    state is 'active' (nobody has seen it), 'acknowledged' (seen, still true), 'returned' (gone before anybody saw
    it) or
    'normal' (gone and seen). Sorted by state, then newest first. Source: ANSI/ISA-18.2-2016, 'alarm state transition
    diagram'.
    """
    out = []
    for id_, mine in fold.by_about(fold.of(events, *KINDS)).items():
        raised = fold.last(mine, "alarm.raised")
        if raised is None:
            continue
        after = mine[mine.index(raised) :]
        seen, gone = fold.last(after, "alarm.acknowledged"), fold.last(after, "alarm.cleared")
        body = raised.body
        out.append(
            {
                "id": id_,
                "condition": body["condition"],
                "thing": body["thing"],
                "says": body["says"],
                "priority": body["priority"],
                "state": _STATES[gone is None, seen is not None],
                "since_ns": raised.t_ns,
                "cleared_ns": gone.t_ns if gone else None,
                "acknowledged_by": seen.actor if seen else "",
                "acknowledged_ns": seen.t_ns if seen else None,
                "evidence": fold.rows(body["evidence"], "ref"),
                "event": raised.id,
            }
        )
    return sorted(out, key=lambda a: (_ORDER[a["state"]], -a["since_ns"]))


def standing(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that still need a person: everything but 'normal'."""
    return [row for row in rows if row["state"] != "normal"]
