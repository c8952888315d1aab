"""The loop: one picture of everything, with what flows now."""

from __future__ import annotations

from typing import Any

from loopwright.app import reads
from loopwright.app.console.draw import loop as drawing
from loopwright.app.console.frame import Drawn, View, head
from loopwright.app.console.markup import Safe, card, join, stat, stats, tag
from loopwright.app.views import shown

PATH, EVERY_S = "/", 1.0


def draw(view: View) -> Drawn:
    """The picture, the sentence of the moment, the numbers that matter, and the twelve stages in words."""
    data = reads.picture(view.front)
    name = f"Turn {data['turn']}" if data["turn"] else "The loop"
    now = tag("p", data["headline"], data_k="headline", cls="now")
    return Drawn("Loop", {
        "head": head(name, "Made to measure, heard, kept, learned from, made again."),
        "picture": card(None, join([drawing.drawn(data), now]), cls="plainly"),
        "numbers": card(None, _numbers(view, reads.loss_table(view.front)["total"])),
        "ribbon": tag("div", drawing.ribbon(data), style="margin-bottom:18px"),
        "feed": card("Just now", drawing.feed(data, view.zone)),
    }, drawing.changes(data))


def _numbers(view: View, total: dict[str, Any]) -> Safe:
    states = reads.order_rows(view.front)["states"]
    made = sum(states.get(state, 0) for state in ("finished", "shipped", "claimed"))
    waiting = sum(reads.waiting(view.front).values())
    released = sum(change["state"] == "released" for change in reads.changes(view.front))
    lost = "samples lost, where counted" if total["unknown"] else "samples lost"
    return stats(
        stat(shown.whole(made), "units made"),
        stat(shown.whole(states.get("claimed", 0)), "in their owners' hands"),
        stat(shown.short(total["heard"]), "samples heard"),
        stat(shown.whole(total["lost"]), lost, "bad" if total["lost"] else "good"),
        stat(shown.whole(waiting), "wait for a person", "warn" if waiting else ""),
        stat(shown.whole(released), "improvements in force"),
    )
