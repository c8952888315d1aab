"""Data: where every sample went, hop by hop, adding up exactly."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from loopwright.app import reads
from loopwright.app.console.frame import Drawn, View, head
from loopwright.app.console.markup import Safe, card, chips, empty, link, pill, small, stat, stats, table, tag
from loopwright.app.views import shown
from loopwright.core.clock import NS_PER_S

PATH, EVERY_S = "/data", 2.0
SPANS = (("", "Since the beginning"), ("3600", "Last hour"), ("86400", "Last day"), ("604800", "Last week"))
_COUNTS = ("in", "out", "duplicate", "refused", "waiting")
_HEADS = ["Hop", *[(name.capitalize(), "n") for name in (*_COUNTS, "lost")], "Adds up"]
_HOLDS = {True: ("exactly", "good"), False: ("no", "bad"), None: ("not counted", "warn")}
_PARTS = {
    "late": "came late (part of out)", "possible_duplicate": "may be repeats",
    "conflict": "disagree with what was kept",
}
SOURCES = 60


def draw(view: View) -> Drawn:
    """Totals, then the table of hops over the chosen time and source."""
    span, source = view.params.get("span", ""), view.params.get("source", "")
    data = reads.loss_table(view.front, _since(view, span), None, source or None)
    words = "in = out + duplicate + refused + waiting + lost. Counted in samples, by the sender's own numbers."
    spans = chips((word, _address(value, source), value == span) for value, word in SPANS)
    blocks = {"head": head("Data", words, spans, link("Charts", "/chart"), link("Corrections", "/corrections"))}
    if not any(row["in"] for row in data["rows"]):
        nothing = "As soon as a machine speaks, each of its samples is accounted for here."
        return Drawn("Data", {**blocks, "table": card(None, empty("Nothing was heard in this time", nothing))})
    blocks["numbers"] = card(None, _totals(data["total"]))
    rows = [_row(row) for row in data["rows"]]
    blocks["table"] = card("Hop by hop", table(_HEADS, rows), note=f"source {source}" if source else None)
    notes = [one for row in data["rows"] if (one := _note(row))]
    if notes:
        blocks["notes"] = card("In words", tag("ul", *notes, cls="evidence"))
    names = reads.sources(view.front)[:SOURCES]
    links = [(name, _address(span, name), name == source) for name in names]
    blocks["sources"] = card("By source", chips(links, "wrap"), note="one stream with a numbering of its own")
    return Drawn("Data", blocks)


def _since(view: View, span: str) -> int | None:
    """Start of the chosen time: a whole minute, because the accounts are kept by minute."""
    minute_ns = 60 * NS_PER_S
    return view.front.now_ns() // minute_ns * minute_ns - int(span) * NS_PER_S if span.isdigit() else None


def _address(span: str, source: str) -> str:
    asked = {key: value for key, value in (("span", span), ("source", source)) if value}
    return "/data" + (f"?{urlencode(asked)}" if asked else "")


def _totals(total: dict[str, Any]) -> Safe:
    return stats(
        stat(shown.whole(total["heard"]), "samples heard"),
        stat(shown.whole(total["kept"]), "kept as points"),
        stat(shown.whole(total["lost"]), "lost", "bad" if total["lost"] else "good"),
        stat("exactly" if total["adds_up"] else "no", "adds up", "good" if total["adds_up"] else "bad"),
    )


def _row(row: dict[str, Any]) -> list[Any]:
    lost = tag("b", shown.whole(row["lost"]), cls="off" if row["lost"] else None)
    name = tag("span", row["title"], small(row["meaning"]))
    return [name, *(shown.whole(row[key]) for key in _COUNTS), lost, pill(*_HOLDS[row["adds_up"]])]


def _note(row: dict[str, Any]) -> Safe | None:
    """What the numbers of a hop do not say by themselves; nothing when there is nothing."""
    parts = [f"{shown.whole(n)} refused: {why}" for why, n in row["refused_by_reason"].items()]
    parts += [f"{shown.whole(row[key])} {words}" for key, words in _PARTS.items() if row[key]]
    parts += [row["word"]] if row["word"] else []
    return tag("li", pill(row["title"]), tag("span", "; ".join(parts))) if parts else None
