"""Orders and their units in one list: how far each has come."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from loopwright.app.views import fold
from loopwright.core.types import Event

KINDS = (
    "order.placed",
    "order.refused",
    "order.fitted",
    "order.promised",
    "plan.released",
    "step.started",
    "step.finished",
    "unit.measured",
    "unit.reworked",
    "unit.scrapped",
    "unit.finished",
    "unit.shipped",
    "unit.claimed",
)
STATES = ("ordered", "refused", "fitted", "planned", "making", "rework", "finished", "shipped", "claimed", "scrapped")
_OF_UNIT = {
    "step.started": "making",
    "step.finished": "making",
    "unit.reworked": "rework",
    "unit.scrapped": "scrapped",
    "unit.finished": "finished",
    "unit.shipped": "shipped",
    "unit.claimed": "claimed",
}


def order_rows(events: Sequence[Event]) -> list[dict[str, Any]]:
    """One row an order, newest first: {order, person, family, revision, mirrored, state, placed_ns, due_ns, units,
    attempts, ...}.

    units are [{serial, state}]; state is that of the unit that is furthest, or the order's own while there is none.
    """
    units = _units(events)
    planned = {
        slot["order"]
        for event in fold.of(events, "plan.released")[-1:]
        for slot in fold.rows(event.body["slots"], "order")
    }
    out = []
    orders = fold.by_about(fold.of(events, "order.placed", "order.refused", "order.fitted", "order.promised"))
    for id_, mine in orders.items():
        placed, fitted, refused = (fold.last(mine, f"order.{word}") for word in ("placed", "fitted", "refused"))
        promised = fold.last(mine, "order.promised")
        body: Mapping[str, Any] = placed.body if placed else (refused.body if refused else {})
        made = units.get(id_, [])
        out.append(
            {
                "order": id_,
                "person": body.get("person", ""),
                "family": body.get("family", ""),
                "revision": fitted.body["revision"] if fitted else "",
                "mirrored": bool(fitted and fitted.body["mirrored"]),
                "state": _state(made, fitted, refused, id_ in planned),
                "placed_ns": mine[0].t_ns,
                "due_ns": body.get("due_ns", 0),
                "promised_ns": promised.body["promised_ns"] if promised else None,
                "price_minor": body.get("price_minor"),
                "currency": body.get("currency", ""),
                "quantity": body.get("quantity", 1),
                "reason": refused.body["reason"] if refused else "",
                "units": made,
            }
        )
    return sorted(out, key=lambda row: (-row["placed_ns"], row["order"]))


def _units(events: Iterable[Event]) -> dict[str, list[dict[str, Any]]]:
    """order -> its units as they stand."""
    state: dict[str, dict[str, Any]] = {}
    owners: dict[str, str] = {}
    for event in fold.of(events, *_OF_UNIT, "unit.measured"):
        row = state.setdefault(
            event.about, {"serial": event.about, "state": "making", "attempts": 0, "verdict": "", "t_ns": event.t_ns}
        )
        if "order" in event.body:
            owners[event.about] = event.body["order"]
        if event.kind == "unit.measured":
            row["attempts"] = max(row["attempts"], int(event.body["attempt"]))
            row["verdict"] = verdict(event.body["verdict"])
        elif event.kind != "step.finished" or row["state"] not in ("finished", "shipped", "claimed", "scrapped"):
            row["state"] = _OF_UNIT[event.kind]
        row["t_ns"] = event.t_ns
    out: dict[str, list[dict[str, Any]]] = {}
    for serial, order in owners.items():
        out.setdefault(order, []).append(state[serial])
    return out


def verdict(given: Any) -> str:
    """The word of a verdict, written as a word or as {verdict: ...}."""
    return str(given.get("verdict", "")) if isinstance(given, Mapping) else str(given)


def _state(units: list[dict[str, Any]], fitted: Event | None, refused: Event | None, planned: bool) -> str:
    if refused is not None and not units:
        return "refused"
    alive = [unit["state"] for unit in units if unit["state"] != "scrapped"]
    if alive:
        return max(alive, key=STATES.index)
    if units:
        return "scrapped"
    if fitted is None:
        return "ordered"
    return "planned" if planned else "fitted"


def filtered(rows: Iterable[dict[str, Any]], state: str = "", text: str = "") -> list[dict[str, Any]]:
    """The rows in that state ('' = all) whose order, person, family, revision or serial holds the text."""
    wanted = text.strip().lower()

    def holds(row: dict[str, Any]) -> bool:
        words = [
            row["order"],
            row["person"],
            row["family"],
            row["revision"],
            *(unit["serial"] for unit in row["units"]),
        ]
        return any(wanted in str(word).lower() for word in words)

    return [row for row in rows if (not state or row["state"] == state) and (not wanted or holds(row))]


def state_counts(rows: Iterable[dict[str, Any]]) -> dict[str, int]:
    """state -> how many, in the order in which a unit passes them; states nobody is in are left out."""
    found = [row["state"] for row in rows]
    return {state: found.count(state) for state in STATES if state in found}
