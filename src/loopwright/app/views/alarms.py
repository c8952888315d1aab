"""Alarms folded from events into the states of ISA-18.2: active or gone, seen or not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from loopwright.app.views import fold
from loopwright.core.types import Event

KINDS = ("alarm.raised", "alarm.acknowledged", "alarm.cleared", "alarm.revised")
_STATES = {(True, False): "active", (True, True): "acknowledged", (False, False): "returned", (False, True): "normal"}
_ORDER = {"active": 0, "acknowledged": 1, "returned": 2, "normal": 3}


def alarms(events: Iterable[Event]) -> list[dict[str, Any]]:
    """Every alarm as it stands: {id, condition, thing, says, priority, state, since_ns, cleared_ns, acknowledged_by,
    evidence}.

    state is 'active' (nobody has seen it), 'acknowledged' (seen, still true), 'returned' (gone before anybody saw
    it) or
    'normal' (gone and seen). `revised` is what later data or a correction says of it ('' where nothing does); an alarm
    that only they show stands as 'returned'. Sorted by state, then newest first. Source: ANSI/ISA-18.2-2016, 'alarm
    state transition diagram'.
    """
    out = []
    for id_, mine in fold.by_about(fold.of(events, *KINDS)).items():
        again = fold.last(mine, "alarm.revised")
        raised = fold.last(mine, "alarm.raised") or again
        if raised is None or (raised is again and again.body["verdict"] == "withdrawn"):
            continue
        after = mine[mine.index(raised) :]
        seen, gone = fold.last(after, "alarm.acknowledged"), fold.last(after, "alarm.cleared")
        gone = raised if raised is again else gone
        body = raised.body
        out.append(
            {
                "id": id_,
                "condition": body["condition"],
                "thing": body["thing"],
                "says": body["says"],
                "revised": again.body["says"] if again and again is not raised else "",
                "priority": body["priority"],
                "state": _STATES[gone is None, seen is not None],
                "since_ns": raised.t_ns if raised is not again else body["start_ns"],
                "cleared_ns": None if gone is None else gone.t_ns if gone is not again else body["end_ns"],
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
