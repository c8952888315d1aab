"""The whole thread of one unit on one page: from the order to the shots, each step with what it rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from loopwright.app.views import fold
from loopwright.app.views.orders import verdict
from loopwright.core.clock import NS_PER_S
from loopwright.core.types import Event

_WORDS = {
    "order.placed": "Ordered",
    "order.fitted": "Fitted to measure",
    "order.promised": "Promised",
    "solid.made": "Solid model made",
    "plan.released": "Planned",
    "step.started": "Started",
    "step.finished": "Finished",
    "unit.measured": "Measured",
    "unit.reworked": "Sent back for rework",
    "unit.scrapped": "Scrapped",
    "unit.finished": "Made, within tolerance",
    "unit.shipped": "Shipped",
    "unit.claimed": "Claimed by its owner",
}
_PUBLIC = ("unit.finished", "unit.shipped", "unit.claimed")


def thread(serial: str, events: Sequence[Event]) -> dict[str, Any]:
    """Everything about one unit, as plain data; an empty `history` when nothing is known of that serial.

    events   a superset of: those about the serial, its order, the plans that held it, decisions about it
    returns  {serial, state, order, design, solid, promise, slots, steps, measured, shipped_ns, claimed_ns, owner,
             decisions, history}
    """
    mine = fold.of((e for e in events if e.about == serial), *_WORDS)
    order_id = next((str(e.body["order"]) for e in mine if "order" in e.body), "")
    of_order = fold.of((e for e in events if e.about == order_id), "order.placed", "order.fitted", "order.promised",
                       "solid.made")
    fitted = fold.last(of_order, "order.fitted")
    design = _design(fitted)
    shipped, claimed = fold.last(mine, "unit.shipped"), fold.last(mine, "unit.claimed")
    return {
        "serial": serial,
        "state": _state(mine),
        "order": _order(order_id, fold.last(of_order, "order.placed")),
        "design": design,
        "solid": _solid(fold.last(of_order, "solid.made")),
        "promise": _promise(fold.last(of_order, "order.promised")),
        "slots": _slots(order_id, events),
        "steps": _steps(mine),
        "measured": [_measured(e, design) for e in mine if e.kind == "unit.measured"],
        "as_built": dict(_last_body(mine, "unit.finished").get("as_built", {})),
        "scrap_reason": _last_body(mine, "unit.scrapped").get("reason", ""),
        "shipped_ns": shipped.t_ns if shipped else None,
        "claimed_ns": claimed.t_ns if claimed else None,
        "owner": claimed.body["owner"] if claimed else "",
        "history": _history([*of_order, *mine]),
    }


def public(whole: Mapping[str, Any], agreed: bool) -> dict[str, Any]:
    """What anybody who holds the unit may see: no order, no person, no owner, no price, no wishes, no body measure.

    {serial, family, revision, made_ns, claimed, agreed}, and, while it has no owner or its owner agreed to a public
    page,
    {mirrored, shipped_ns, parameters, as_built, steps, solid, mass_kg}: dimensions made to measure say something of
    a person.
    """
    finished = [entry for entry in whole["history"] if entry["kind"] == "unit.finished"]
    design, claimed = whole["design"], whole["claimed_ns"] is not None
    genuine = {
        "serial": whole["serial"],
        "family": design["family"],
        "revision": design["revision"],
        "made_ns": finished[-1]["t_ns"] if finished else None,
        "claimed": claimed,
        "agreed": agreed or not claimed,
    }
    if claimed and not agreed:
        return genuine
    measures = whole["measured"][-1]["measures"] if whole["measured"] else []
    return {
        **genuine,
        "mirrored": design["mirrored"],
        "shipped_ns": whole["shipped_ns"],
        "mass_kg": whole["solid"]["mass_kg"],
        "parameters": [{k: row.get(k) for k in ("name", "value", "unit")} for row in design["parameters"]],
        "as_built": [{k: row.get(k) for k in ("name", "value", "unit", "ok")} for row in measures],
        "steps": [
            {k: step[k] for k in ("operation", "machine", "start_ns", "end_ns", "program_hash")}
            for step in whole["steps"]
        ],
        "solid": bool(whole["solid"]["files"]),
    }


def _last_body(events: Sequence[Event], kind: str) -> Mapping[str, Any]:
    found = fold.last(events, kind)
    return found.body if found else {}


def _state(events: Sequence[Event]) -> str:
    kinds = [e.kind for e in events]
    for kind, word in (
        ("unit.scrapped", "scrapped"),
        ("unit.claimed", "claimed"),
        ("unit.shipped", "shipped"),
        ("unit.finished", "finished"),
    ):
        if kind in kinds:
            return word
    return "making" if kinds else "unknown"


def _order(id_: str, placed: Event | None) -> dict[str, Any]:
    body = dict(placed.body) if placed else {}
    return {"id": id_, "placed_ns": placed.t_ns if placed else None, **body}


def _design(fitted: Event | None) -> dict[str, Any]:
    if fitted is None:
        return {"id": "", "family": "", "revision": "", "mirrored": False, "parameters": [], "rules": ""}
    body = fitted.body
    return {
        "id": body["design"],
        "family": body["family"],
        "revision": body["revision"],
        "mirrored": bool(body["mirrored"]),
        "parameters": fold.rows(body["parameters"]),
        "rules": body["rules"],
    }


def _solid(made: Event | None) -> dict[str, Any]:
    """files: kind ('glb', 'stl', 'step') -> {path, hash}, whether they were written as a table or as a list of
    names."""
    if made is None:
        return {"design": "", "files": {}, "mass_kg": None, "cg_m": None, "volume_m3": None}
    files = {}
    for row in fold.rows(made.body["files"]):
        path = str(row.get("path") or row.get("value") or row["name"])
        files[path.rsplit(".", 1)[-1].lower()] = {"path": path, "hash": row.get("hash") or row.get("sha256") or ""}
    return {
        "design": made.body["design"],
        "files": files,
        "mass_kg": made.body["mass_kg"],
        "cg_m": made.body["cg_m"],
        "volume_m3": made.body["volume_m3"],
    }


def _promise(event: Event | None) -> dict[str, Any]:
    """What the customer was told, and the plan that proves it; {} when nothing was."""
    if event is None:
        return {}
    names = ("promised_ns", "due_ns", "met", "waits", "plan", "plan_sha256")
    before = {"was_ns": event.body.get("was_ns", 0), "why": event.body.get("why", "")}
    return {"t_ns": event.t_ns, **{name: event.body[name] for name in names}, **before,
            "operations": len(event.body["slots"])}


def _slots(order_id: str, events: Sequence[Event]) -> list[dict[str, Any]]:
    """Each operation of the order as it was planned last, in time order; a repaired plan holds only what was left."""
    last: dict[str, dict[str, Any]] = {}
    for plan in fold.of(events, "plan.released"):
        origin_ns = int(plan.body["origin_ns"])
        for slot in fold.rows(plan.body["slots"], "order"):
            if slot["order"] == order_id:
                last[slot["operation"]] = {
                    "operation": slot["operation"],
                    "machine": slot["machine"],
                    "plan": plan.about,
                    "start_ns": origin_ns + slot["start_s"] * NS_PER_S,
                    "end_ns": origin_ns + slot["end_s"] * NS_PER_S,
                }
    return sorted(last.values(), key=lambda slot: slot["start_ns"])


def _steps(events: Sequence[Event]) -> list[dict[str, Any]]:
    done = [e.body for e in events if e.kind == "step.finished"]
    steps = [
        {
            **{k: b.get(k) for k in ("operation", "machine", "start_ns", "end_ns", "program_hash", "run")},
            "signals": list(b["signals"] or ()),
            "seconds": (b["end_ns"] - b["start_ns"]) / NS_PER_S,
            "running": False,
            "heard_start_ns": b.get("signals_start_ns", b["start_ns"]),
            "heard_end_ns": b.get("signals_end_ns", b["end_ns"]),
            "assumed": list(b.get("assumed") or ()),
        }
        for b in done
    ]
    ended = {(b["operation"], b["machine"]) for b in done}
    for e in events:
        if e.kind == "step.started" and (e.body["operation"], e.body["machine"]) not in ended:
            steps.append(
                {
                    "operation": e.body["operation"],
                    "machine": e.body["machine"],
                    "start_ns": e.t_ns,
                    "end_ns": None,
                    "program_hash": "",
                    "run": None,
                    "signals": [],
                    "seconds": None,
                    "running": True,
                    "heard_start_ns": e.t_ns,
                    "heard_end_ns": None,
                    "assumed": [],
                }
            )
    return steps


def _measured(event: Event, design: Mapping[str, Any]) -> dict[str, Any]:
    """One attempt at the gauge, each measure beside what was designed: {name, value, unit, designed, good, scrap,
    deviation, verdict, ok}."""
    wanted = {row["name"]: row.get("value") for row in design["parameters"]}
    measures = []
    for row in fold.rows(event.body["measures"]):
        value, designed = row.get("as_built", row.get("value")), row.get("designed", wanted.get(row["name"]))
        word = row.get("verdict", "good")
        measures.append(
            {
                "name": row["name"],
                "value": value,
                "unit": row.get("unit", ""),
                "designed": designed,
                "good": row.get("good"),
                "scrap": row.get("scrap"),
                "verdict": word,
                "ok": word == "good",
                "deviation": value - designed
                if isinstance(value, (int, float)) and isinstance(designed, (int, float))
                else None,
            }
        )
    given = event.body["verdict"]
    reasons = given.get("reasons", ()) if isinstance(given, Mapping) else event.body.get("reasons", ())
    return {
        "attempt": int(event.body["attempt"]),
        "t_ns": event.t_ns,
        "verdict": verdict(given),
        "reasons": list(reasons),
        "measures": measures,
    }


def _history(events: Sequence[Event]) -> list[dict[str, Any]]:
    out = []
    for event in sorted(events, key=lambda e: (e.t_ns, e.known_ns)):
        words = _WORDS[event.kind]
        if event.kind.startswith("step."):
            words = f"{event.body['operation'].capitalize()} {words.lower()} on {event.body['machine']}"
        elif event.kind == "unit.measured":
            words = f"Measured, attempt {event.body['attempt']}: {verdict(event.body['verdict'])}"
        out.append(
            {
                "t_ns": event.t_ns,
                "kind": event.kind,
                "words": words,
                "actor": event.actor,
                "id": event.id,
                "public": event.kind in _PUBLIC,
            }
        )
    return out
