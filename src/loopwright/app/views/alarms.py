"""Alarms folded from events into the states of ISA-18.2, as rows for pages, commands and the API."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from loopwright.app.views import fold
from loopwright.core.types import Event
from loopwright.serve.watch import life

KINDS = (*life.KINDS, "alarm.revised", "alarm.judged")
_ORDER = {state: place for place, state in enumerate(life.STATES)}


def alarms(events: Iterable[Event], state: life.State | None = None) -> list[dict[str, Any]]:
    """Every alarm as it stands: {id, condition, thing, says, priority, state, since_ns, cleared_ns, acknowledged_by,
    role, hidden, evidence, ranking, verdict, judged_by, came}.

    state  of every alarm, where `events` are not all of them (`life.fold`)

    A row's state is one of `life.STATES`; an alarm that came again before it was seen is one row that needs somebody,
    the last; the rows before it are over ('normal'). `hidden` says why one is shelved, suppressed or out of service:
    {why, by, until_ns}. `revised` is what later data or a correction says of it ('' where nothing does); an alarm that
    only they show stands as 'returned'. Sorted by state, those that stand
    by priority, then newest first.
    """
    known = sorted(fold.of(events, *KINDS), key=lambda e: (e.known_ns, e.t_ns))
    book = life.Book(life.fold(known) if state is None else state)
    came: Counter[tuple[str, str]] = Counter()
    out = []
    for id_, mine in fold.by_about(known).items():
        again = fold.last(mine, "alarm.revised")
        raised = fold.last(mine, "alarm.raised") or again
        if raised is None or (raised is again and again.body["verdict"] == "withdrawn"):
            continue
        row = _row(id_, raised, mine[mine.index(raised):], again, book)
        came[row["condition"], row["thing"]] += 1
        out.append(row)
    for row in out:
        row["came"] = came[row["condition"], row["thing"]]
    return sorted(out, key=_place)


def _place(row: Mapping[str, Any]) -> tuple[int, int, int]:
    ranked = row["state"] != "normal" and row["priority"] in life.PRIORITIES
    urgent = life.PRIORITIES.index(row["priority"]) if ranked else 0
    return _ORDER[row["state"]], -urgent, -row["since_ns"]


def _row(id_: str, raised: Event, after: list[Event], again: Event | None, book: life.Book) -> dict[str, Any]:
    body, only_revised = raised.body, raised is again
    key = life.key_of(str(body["condition"]), str(body["thing"]))
    seen, gone = fold.last(after, "alarm.acknowledged"), fold.last(after, "alarm.cleared")
    alarm, judged = book.alarms.get(key), fold.last(after, "alarm.judged")
    mine = alarm if alarm is not None and alarm.id == id_ else None
    state = life.shown_state(mine)
    if mine is not None:
        state = book.hidden(key) or state
        seen = seen if mine.acknowledged else None
    elif only_revised:
        state = "normal" if seen else "returned"
    return {
        "id": id_,
        "condition": body["condition"],
        "thing": body["thing"],
        "says": body["says"],
        "revised": again.body["says"] if again and not only_revised else "",
        "priority": mine.priority if mine else body["priority"],
        "role": _role(after) if mine else "",
        "state": state,
        "since_ns": body["start_ns"] if only_revised else raised.t_ns,
        "cleared_ns": body["end_ns"] if only_revised else gone.t_ns if gone else None,
        "acknowledged_by": seen.actor if seen else "",
        "acknowledged_ns": seen.t_ns if seen else None,
        "hidden": _hidden(book, key) if state in life.QUIET else {},
        "ranking": fold.rows(body.get("ranking"), "signal"),
        "evidence": fold.rows(body["evidence"], "ref"),
        "verdict": str(judged.body["verdict"]) if judged else "",
        "judged_by": judged.actor if judged else "",
        "event": raised.id,
    }


def _role(mine: list[Event]) -> str:
    """Whom it was escalated to; the operator has it first."""
    last = fold.last(mine, "alarm.escalated")
    return str(last.body["role"]) if last else "operator"


def _hidden(book: life.Book, key: str) -> dict[str, Any]:
    reason = book.reasons(key)[book.hidden(key)]
    return {"why": reason.why, "by": reason.by, "until_ns": reason.until_ns}


def standing(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those that are shown: everything but what is over and what is hidden."""
    return [row for row in rows if row["state"] not in ("normal", *life.QUIET)]


def waiting(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those that need a person now."""
    return [row for row in rows if row["state"] in life.WAITING]


def hidden(state: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What is shelved, suppressed by design and out of service, whether it holds now or not: {thing, condition ('*':
    all of it), state, why, by, since_ns, until_ns}."""
    rows = []
    for key, reasons in state.get("quiet", {}).items():
        condition, thing = key.split("/", 1)
        rows += [{"thing": thing, "condition": condition, "state": name, "why": one.why, "by": one.by,
                  "since_ns": one.since_ns, "until_ns": one.until_ns} for name, one in reasons.items()]
    return sorted(rows, key=lambda row: (row["state"], row["thing"], row["condition"]))
