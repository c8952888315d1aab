"""The plan: who does what when, and how good it is at least."""

from __future__ import annotations

from loopwright.app import reads
from loopwright.app.console.draw import gantt
from loopwright.app.console.frame import Drawn, View, head
from loopwright.app.console.markup import Safe, card, div, empty, stat, stats, tag
from loopwright.app.views import shown, when

PATH, EVERY_S = "/plan", 5.0


def draw(view: View) -> Drawn:
    """The Gantt chart and the plan in numbers."""
    data = reads.gantt(view.front)
    if not data:
        words = "A plan is released as soon as an order is fitted. It shares all machines among all open orders."
        return Drawn("Plan", {"head": head("Plan"), "chart": card(None, empty("Nothing is planned", words))})
    released = when.ago(data["released_ns"], data["now_ns"], view.zone)
    proof = "no plan can be shorter" if data["gap"] < 1e-9 else f"at most {data['gap'] * 100:.1f} % could be saved"
    numbers = stats(
        stat(shown.took(data["makespan_s"]), "from first to last"),
        stat(shown.took(data["bound_s"]), "proven lower bound"),
        stat(data["status"], proof),
        stat(shown.whole(data["orders"]), "orders"),
        stat(shown.took(data["took_s"]), f"to plan ({data['solver']})"),
    )
    words = f"{data['plan']}, released {released}: {_reason(data['reason'], view.zone)}."
    chart = card(None, gantt.drawn(data, view.zone), _legend())
    return Drawn("Plan", {"head": head("Plan", words), "numbers": card(None, numbers), "chart": chart})


def _reason(reason: str, zone: str) -> str:
    """Why it was planned; a time in nanoseconds at its end is told as a time."""
    words, _, last = reason.rpartition(" ")
    return f"{words} {when.moment(int(last), zone)}" if last.isdigit() and len(last) > 15 else reason


def _legend() -> Safe:
    work = "background:var(--copper-soft);outline:1px solid var(--copper)"
    own = "background:var(--accent);"
    swatches = (
        (own + "opacity:.38", "done"), (own + "outline:1.5px solid var(--ink)", "running"),
        (own + "opacity:.82", "planned"), (work, "work on the machine"),
    )
    marks = [tag("span", tag("i", style=style), word) for style, word in swatches]
    return div("legend", *marks, tag("span", "Each order has its colour."), style="margin-top:14px")
