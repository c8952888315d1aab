"""Shares and probabilities: effectiveness by shift, wear by run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from loopwright.app.console.draw.chart import stretched
from loopwright.app.console.markup import Safe, div, join, note, tag

_PARTS = (("availability", "available"), ("effectiveness", "fast enough"), ("quality", "good"), ("oee", "in all"))


def shifts(rows: Sequence[Mapping[str, Any]]) -> Safe:
    """One group of bars a shift: availability, effectiveness, quality, and their product."""
    return join(div("bars", note(row["says"]), *[_bar(row[key], word) for key, word in _PARTS]) for row in rows)


def _bar(share: float | None, word: str) -> Safe:
    """A share of one as a bar; a dash where it is not known."""
    text = "–" if share is None else f"{share * 100:.1f} %"
    width = 0.0 if share is None else max(0.0, min(1.0, share)) * 100
    return tag("div", tag("span", word), div("bar", tag("i", style=f"width:{width:.1f}%")), tag("b", text))


def runs(rows: Sequence[Mapping[str, Any]]) -> Safe:
    """Each run's probability with its interval, oldest on the left; what inspection found is a ring at 0 or 1."""
    step = 100 / max(1, len(rows))
    marks = [mark for i, row in enumerate(rows) for mark in _run(row, step * (i + 0.5))]
    places = (("worn", 0), ("even", 50), ("unworn", 100))
    labels = [tag("span", word, cls="y", style=f"top:{top}%") for word, top in places]
    rule = stretched(tag("path", d="M0 0H1000M0 50H1000M0 100H1000", cls="rules"))
    ends = None
    if len(rows) > 1:
        ends = div("axis", tag("span", rows[0]["run"], cls="first", style="left:0"),
                   tag("span", rows[-1]["run"], cls="last", style="left:100%"))
    return tag("figure", div("plot sessions", rule, *labels, *marks), ends, cls="chart runs")


def _run(row: Mapping[str, Any], at: float) -> list[Safe]:
    """The marks of one run; at is its place in percent of the width."""
    out = []
    if row["low"] is not None and row["high"] is not None:
        top, tall = 100 - row["high"] * 100, (row["high"] - row["low"]) * 100
        out.append(tag("span", cls="whisker", style=f"left:{at:.2f}%;top:{top:.1f}%;height:{tall:.1f}%"))
    if row["found"]:
        place = f"left:{at:.2f}%;top:{0 if row['found'] == 'worn' else 100}%"
        out.append(tag("span", cls="found", style=place, title=f"found {row['found']}"))
    says = f"{row['run']}: {row['value'] * 100:.0f} % worn, judged {row['judged']}"
    dot = "dot worn" if row["judged"] == "worn" else "dot"
    return [*out, tag("span", cls=dot, style=f"left:{at:.2f}%;top:{100 - row['value'] * 100:.1f}%", title=says)]
