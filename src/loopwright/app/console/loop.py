"""The loop: one picture of everything, with what flows now."""

from __future__ import annotations

from loopwright.app import reads
from loopwright.app.console.draw import loop as drawing
from loopwright.app.console.frame import Drawn, View, head
from loopwright.app.console.markup import Safe, card, join, stat, tag
from loopwright.app.views import shown

PATH, EVERY_S = "/", 1.0


def draw(view: View) -> Drawn:
    """The picture, the sentence of the moment, the twelve stages in words, and the numbers that matter."""
    data = reads.picture(view.front)
    total = reads.loss_table(view.front)["total"]
    turn = f"Turn {data['turn']}" if data["turn"] else "The loop"
    picture = join([drawing.drawn(data), tag("p", data["headline"], data_k="headline", cls="now")])
    blocks = {
        "head": head(turn, "Made to measure, heard, kept, learned from, made again."),
        "picture": card(None, picture, cls="plainly"),
        "numbers": card(None, tag("div", *_numbers(view, total), cls="stats")),
        "ribbon": tag("div", drawing.ribbon(data), style="margin-bottom:18px"),
        "feed": card("Just now", drawing.feed(data, view.zone)),
    }
    fixed = {key: block for key, block in blocks.items() if key not in ("picture", "ribbon")}
    return Drawn("Loop", {**blocks, **fixed}, drawing.changes(data))


def _numbers(view: View, total: dict[str, int]) -> list[Safe]:
    orders = reads.order_rows(view.front)["states"]
    made = sum(orders.get(state, 0) for state in ("finished", "shipped", "claimed"))
    lost = "samples lost, where counted" if total["unknown"] else "samples lost"
    return [
        stat(shown.whole(made), "units made"),
        stat(shown.whole(orders.get("claimed", 0)), "in their owners' hands"),
        stat(shown.short(total["heard"]), "samples heard"),
        stat(shown.whole(total["lost"]), lost, tone="bad" if total["lost"] else "good"),
        stat(shown.whole(sum(reads.waiting(view.front).values())), "wait for a person", tone="warn"),
        stat(shown.whole(sum(c["state"] == "released" for c in reads.changes(view.front))), "improvements in force"),
    ]
