"""Orders and their units in one list."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from loopwright.app import reads
from loopwright.app.console.frame import Drawn, View, head, title
from loopwright.app.console.markup import Safe, card, chips, div, empty, link, pill, small, table, tag
from loopwright.app.views import shown, when

PATH, EVERY_S = "/orders", 2.0
SHOWN = 400
TONES = {
    "refused": "bad", "scrapped": "bad", "rework": "warn", "making": "live dot", "finished": "good", "shipped": "good",
    "claimed": "good",
}
_HEADS = ["Order", ("For", "extra"), "Product", "State", "Units", ("Ordered", "extra"), "Due", ("Price", "n extra")]


def draw(view: View) -> Drawn:
    """Filters, and one row an order."""
    state, text = view.params.get("state", ""), view.params.get("text", "")
    data = reads.order_rows(view.front, state, text)
    if not data["count"]:
        words = "Orders are placed with each turn of the loop. The first appears here within a second."
        return Drawn("Orders", {"head": head("Orders and units"), "list": card(None, empty("No order yet", words))})
    made = sum(data["states"].get(name, 0) for name in ("finished", "shipped", "claimed"))
    counts = [("", data["count"]), *data["states"].items()]
    links = [(f"{title(name or 'all')} {n}", _address(name, text), name == state) for name, n in counts]
    rows = [_row(row, view) for row in data["rows"][:SHOWN]]
    return Drawn("Orders", {
        "head": head("Orders and units", f"{data['count']} orders, {made} made.", _search(state, text)),
        "chips": tag("div", chips(links), style="margin-bottom:16px"),
        "list": card(None, table(_HEADS, rows, "No order is like that.")),
    })


def _address(state: str, text: str) -> str:
    asked = {key: value for key, value in (("state", state), ("text", text)) if value}
    return "/orders" + (f"?{urlencode(asked)}" if asked else "")


def _search(state: str, text: str) -> Safe:
    kept = tag("input", type="hidden", name="state", value=state) if state else None
    words = "Order, serial or person"
    field = tag("input", type="search", name="text", value=text, placeholder=words, aria_label=words)
    return tag("form", kept, field, action="/orders", cls="filters")


def _row(row: dict[str, Any], view: View) -> list[Any]:
    units = [
        tag("div", link(unit["serial"], f"/units/{unit['serial']}"),
            small(f"measured {unit['attempts']} times" if unit["attempts"] > 1 else ""))
        for unit in row["units"]
    ]
    hand = ", left-handed" if row["mirrored"] else ""
    return [
        row["order"],
        row["person"],
        tag("span", f"{title(row['family'])}{hand}", small(row["revision"])),
        tag("span", pill(title(row["state"]), TONES.get(row["state"], "")), small(row["reason"])),
        div("", *units) if units else "–",
        when.ago(row["placed_ns"], view.front.now_ns(), view.zone),
        tag("span", when.day(row["due_ns"], view.zone), small(_promised(row, view.zone))),
        shown.money(row["price_minor"], row["currency"]),
    ]


def _promised(row: dict[str, Any], zone: str) -> str:
    """What the customer was told, and whether that is after the due date."""
    told = row["promised_ns"]
    if not told:
        return ""
    late = ", late" if row["due_ns"] and told > row["due_ns"] else ""
    return f"promised {when.day(told, zone)}{late}"
