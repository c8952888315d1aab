"""The passport of a unit: its whole thread in one document, from the order to what was changed because of it.

    passport(events)            for those who may see everything: ids of persons, never their names or measures
    public_passport(events)     for whoever holds the unit: no person, no order, no price, no actor
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from loopwright.core.errors import InputError
from loopwright.core.types import Event

_FOLLOWS = ("change.", "decision.", "alarm.", "workorder.")  # kinds that may say "because of this unit"


def passport(events: Sequence[Event], serial: str = "") -> dict[str, Any]:
    """Everything recorded about one unit, in the order of its life, as plain data (times in ns UTC, inside units).

    events  what the ledger holds about the unit, its order, the plans that held it and what followed; more does no harm
    serial  which unit; needed when the events are of more than one
    returns serial, state, order, design, solid, plans, steps, measurements, reworks, lots, as_built, shipping, claim,
            outcomes, followed, history
    Raises InputError when no event is about the unit, or serial is needed to choose one.
    """
    serial = serial or _only_serial(events)
    mine = _sorted(e for e in events if e.about == serial and e.kind.split(".")[0] in ("unit", "step", "outcome"))
    if not mine:
        raise InputError(f"passport of {serial!r}", "no event is about this unit", "a serial of the plant")
    order = next((str(e.body["order"]) for e in mine if "order" in e.body), "")
    about_order = _sorted(e for e in events if e.about == order and e.kind.split(".")[0] in ("order", "solid"))
    plans = _plans(order, events)
    thread = [*about_order, *(e for e, _ in plans), *mine]
    followed = _followed(thread, events)
    return {
        "serial": serial, "state": _state(mine),
        "order": {"id": order, **_body(about_order, "order.placed"), "placed_ns": _when(about_order, "order.placed")},
        "design": _body(about_order, "order.fitted"), "solid": _body(about_order, "solid.made"),
        "plans": [{"plan": e.about, "reason": e.body["reason"], "released_ns": e.t_ns, "slots": s} for e, s in plans],
        "steps": [{**e.body, "said_by": e.actor} for e in mine if e.kind == "step.finished"],
        "measurements": [{**e.body, "t_ns": e.t_ns} for e in mine if e.kind == "unit.measured"],
        "reworks": [{**e.body, "t_ns": e.t_ns} for e in mine if e.kind in ("unit.reworked", "unit.scrapped")],
        "lots": sorted({str(lot) for e in mine for lot in e.body.get("lots", ())}),
        "as_built": dict(_body(mine, "unit.finished").get("as_built", {})),
        "finished_ns": _when(mine, "unit.finished"),
        "shipping": {"shipped_ns": _when(mine, "unit.shipped")},
        "claim": {"claimed_ns": _when(mine, "unit.claimed"), "owner": _body(mine, "unit.claimed").get("owner", "")},
        "outcomes": [{**e.body, "t_ns": e.t_ns} for e in mine if e.kind == "outcome.measured"],
        "followed": [{"kind": e.kind, "about": e.about, "t_ns": e.t_ns, "body": dict(e.body)} for e in followed],
        "history": [
            {"t_ns": e.t_ns, "kind": e.kind, "about": e.about, "actor": e.actor, "id": e.id, "hash": e.hash}
            for e in _sorted([*thread, *followed])],
    }


def public_passport(events: Sequence[Event], serial: str = "", agreed: bool = False) -> dict[str, Any]:
    """What anybody who holds the unit may see, so that it can be told from a copy and cared for.

    agreed  the owner agreed to a public page. Dimensions made to measure say something of a person: of a unit that has
            an owner they are shown only then
    returns serial, state, family, revision, made_ns, and, where dimensions may be shown: mirrored, parameters (name,
            value, unit), as_built, steps (operation, machine, times, program hash), lots. No person, order, owner,
            price, wish, rule, actor or plan
    """
    whole = passport(events, serial)
    shown = {
        "serial": whole["serial"], "state": whole["state"], "family": whole["design"].get("family", ""),
        "revision": whole["design"].get("revision", ""), "made_ns": whole["finished_ns"],
    }
    if whole["claim"]["claimed_ns"] is not None and not agreed:
        return shown
    parameters = [{k: row[k] for k in ("name", "value", "unit")} for row in whole["design"].get("parameters", ())]
    step = ("operation", "machine", "start_ns", "end_ns", "program_hash")
    return {
        **shown, "mirrored": whole["design"].get("mirrored", False), "parameters": parameters, "lots": whole["lots"],
        "as_built": whole["as_built"], "steps": [{k: s.get(k) for k in step} for s in whole["steps"]],
    }


def _only_serial(events: Sequence[Event]) -> str:
    serials = sorted({e.about for e in events if e.kind.startswith(("unit.", "step."))})
    if len(serials) != 1:
        raise InputError("passport", f"events of {len(serials)} units {serials[:10]}", "those of one, or its serial")
    return serials[0]


def _sorted(events: Any) -> list[Event]:
    return sorted(events, key=lambda e: (e.t_ns, e.known_ns, e.id))


def _body(events: Sequence[Event], kind: str) -> dict[str, Any]:
    """The body of the newest event of a kind; {} when there is none."""
    found = [e for e in events if e.kind == kind]
    return dict(found[-1].body) if found else {}


def _when(events: Sequence[Event], kind: str) -> int | None:
    found = [e for e in events if e.kind == kind]
    return found[-1].t_ns if found else None


def _state(mine: Sequence[Event]) -> str:
    kinds = {e.kind for e in mine}
    return next((word for word in ("scrapped", "claimed", "shipped", "finished") if f"unit.{word}" in kinds), "making")


def _plans(order: str, events: Sequence[Event]) -> list[tuple[Event, list[dict[str, Any]]]]:
    """Every released plan that held the order, with the order's slots."""
    released = [e for e in _sorted(events) if e.kind == "plan.released"]
    with_slots = [(e, [dict(s) for s in e.body["slots"] if s["order"] == order]) for e in released]
    return [(e, slots) for e, slots in with_slots if slots]


def _followed(thread: Sequence[Event], events: Sequence[Event]) -> list[Event]:
    """What was decided or changed because of the thread, and what came of that, by the events' `because`."""
    ids = {e.id for e in thread if e.id}
    rest = [e for e in _sorted(events) if e.kind.startswith(_FOLLOWS)]
    found: list[Event] = []
    while True:
        more = [e for e in rest if e not in found and ids.intersection(e.because)]
        if not more:
            return _sorted(found)
        found += more
        ids |= {e.id for e in more if e.id}
        abouts = {e.about for e in found}
        later = [e for e in rest if e.about in abouts and e not in found]  # what became of the same change or decision
        found += later
        ids |= {e.id for e in later if e.id}
