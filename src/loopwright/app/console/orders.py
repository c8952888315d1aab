"""Orders and their units in one list."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from loopwright.app import reads
from loopwright.app.console.frame import Drawn, View, head, title
from loopwright.app.console.markup import Safe, card, empty, pill, table, tag
from loopwright.app.views import shown, when

PATH, EVERY_S = "/orders", 2.0
TONES = {
    "refused": "bad",
    "scrapped": "bad",
    "rework": "warn",
    "making": "live dot",
    "finished": "good",
    "shipped": "good",
    "claimed": "good",
}


def draw(view: View) -> Drawn:
    """Filters, and one row an order."""
    state, text = view.params.get("state", ""), view.params.get("text", "")
    data = reads.order_rows(view.front, state, text)
    blocks = {"head": head("Orders and units", _words(data), _search(state, text))}
    if not data["count"]:
        blocks["list"] = card(
            None,
            empty(
                "No order yet",
                "Orders are placed with each turn of the loop. The first one appears here within a second of being placed.",
            ),
        )
    else:
        blocks["chips"] = tag("div", _chips(data, state, text), style="margin-bottom:16px")
        heads: list[Any] = [
            "Order",
            ("For", "extra"),
            "Product",
            "State",
            "Units",
            ("Ordered", "extra"),
            "Due",
            ("Price", "n extra"),
        ]
        blocks["list"] = card(
            None, table(heads, [_row(row, view) for row in data["rows"][:400]], "stack", "No order is like that.")
        )
    return Drawn("Orders", blocks)


def _words(data: dict[str, Any]) -> str:
    done = sum(data["states"].get(state, 0) for state in ("finished", "shipped", "claimed"))
    return (
        f"{data['count']} orders, {done} made." if data["count"] else "Every order, from the wish to the owner's hands."
    )


def _search(state: str, text: str) -> Safe:
    return tag(
        "form",
        tag("input", type="hidden", name="state", value=state) if state else None,
        tag(
            "input", type="search", name="text", value=text, placeholder="Order, serial or person", aria_label="Search"
        ),
        action="/orders",
        cls="filters",
    )


def _chips(data: dict[str, Any], state: str, text: str) -> Safe:
    more = {"text": text} if text else {}
    links = [
        tag(
            "a",
            f"All {data['count']}",
            href="/orders" + (f"?{urlencode(more)}" if more else ""),
            cls=None if state else "here",
        )
    ]
    links += [
        tag(
            "a",
            f"{title(name)} {n}",
            href=f"/orders?{urlencode({'state': name, **more})}",
            cls="here" if state == name else None,
        )
        for name, n in data["states"].items()
    ]
    return tag("div", *links, cls="chips")


def _row(row: dict[str, Any], view: View) -> list[Any]:
    product = tag(
        "span",
        title(row["family"]),
        ", left-handed" if row["mirrored"] else "",
        tag("small", row["revision"], cls="note") if row["revision"] else None,
    )
    units = [
        tag(
            "div",
            tag("a", unit["serial"], href=f"/units/{unit['serial']}"),
            tag("small", f"measured {unit['attempts']} times", cls="note") if unit["attempts"] > 1 else None,
        )
        for unit in row["units"]
    ]
    reason = tag("small", row["reason"], cls="note") if row["reason"] else None
    return [
        row["order"],
        row["person"],
        product,
        tag("span", pill(title(row["state"]), TONES.get(row["state"], "")), reason),
        tag("div", *units) if units else "–",
        when.ago(row["placed_ns"], view.front.now_ns(), view.zone),
        when.day(row["due_ns"], view.zone),
        shown.money(row["price_minor"], row["currency"]),
    ]
