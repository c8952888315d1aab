"""Data: where every sample went, hop by hop, adding up exactly."""

from __future__ import annotations

from typing import Any

from loopwright.app import reads
from loopwright.app.console.frame import Drawn, View, head
from loopwright.app.console.markup import Safe, card, empty, pill, stat, table, tag
from loopwright.app.views import shown
from loopwright.core.clock import NS_PER_S

PATH, EVERY_S = "/data", 2.0
SPANS = (("", "Since the beginning"), ("3600", "Last hour"), ("86400", "Last day"), ("604800", "Last week"))


def draw(view: View) -> Drawn:
    """Totals, then the table of hops over the chosen time and source."""
    span, source = view.params.get("span", ""), view.params.get("source", "") or None
    start_ns = view.front.now_ns() // (60 * NS_PER_S) * 60 * NS_PER_S - int(span) * NS_PER_S if span.isdigit() else None
    data = reads.loss_table(view.front, start_ns, None, source)
    total = data["total"]
    blocks = {
        "head": head(
            "Data",
            "in = out + duplicate + refused + waiting + lost. Counted in samples, by the sender's own numbers.",
            _spans(span, source or ""),
        )
    }
    if not any(row["in"] for row in data["rows"]):
        blocks["table"] = card(
            None,
            empty(
                "Nothing was heard in this time",
                "As soon as a machine speaks, each of its samples is accounted for here.",
            ),
        )
        return Drawn("Data", blocks)
    numbers = [
        stat(shown.whole(total["heard"]), "samples heard"),
        stat(shown.whole(total["kept"]), "kept as points"),
        stat(shown.whole(total["lost"]), "lost", tone="bad" if total["lost"] else "good"),
        stat("exactly" if total["adds_up"] else "no", "adds up", tone="good" if total["adds_up"] else "bad"),
    ]
    blocks["numbers"] = card(None, tag("div", *numbers, cls="stats"))
    heads: list[Any] = [
        "Hop",
        ("In", "n"),
        ("Out", "n"),
        ("Duplicate", "n"),
        ("Refused", "n"),
        ("Waiting", "n"),
        ("Lost", "n"),
        "Adds up",
    ]
    blocks["table"] = card(
        "Hop by hop",
        table(heads, [_row(row) for row in data["rows"]], "stack"),
        note=f"source {source}" if source else None,
    )
    notes = [
        row
        for row in data["rows"]
        if row["word"] or row["late"] or row["possible_duplicate"] or row["conflict"] or row["refused_by_reason"]
    ]
    if notes:
        blocks["notes"] = card("In words", tag("ul", *[_note(row) for row in notes], cls="evidence"))
    sources = reads.sources(view.front)
    if sources:
        blocks["sources"] = card(
            "By source",
            tag(
                "div",
                *[
                    tag(
                        "a",
                        name,
                        href=f"/data?source={name.replace('#', '%23')}&span={span}",
                        cls="here" if name == source else None,
                    )
                    for name in sources[:60]
                ],
                cls="chips wrap",
            ),
            note="one stream with a numbering of its own",
        )
    return Drawn("Data", blocks)


def _spans(span: str, source: str) -> Safe:
    more = f"&source={source.replace('#', '%23')}" if source else ""
    return tag(
        "div",
        *[
            tag("a", word, href=f"/data?span={value}{more}", cls="here" if value == span else None)
            for value, word in SPANS
        ],
        cls="chips",
    )


def _row(row: dict[str, Any]) -> list[Any]:
    holds = {True: pill("exactly", "good"), False: pill("no", "bad"), None: pill("not counted", "warn")}[row["adds_up"]]
    lost = tag("b", shown.whole(row["lost"]), cls="off" if row["lost"] else None)
    return [
        tag("span", row["title"], tag("small", row["meaning"], cls="note")),
        *(shown.whole(row[key]) for key in ("in", "out", "duplicate", "refused", "waiting")),
        lost,
        holds,
    ]


def _note(row: dict[str, Any]) -> Safe:
    parts = [f"{shown.whole(n)} refused: {why}" for why, n in row["refused_by_reason"].items()]
    parts += [
        f"{shown.whole(row[key])} {word}"
        for key, word in (
            ("late", "came late (part of out)"),
            ("possible_duplicate", "may be repeats"),
            ("conflict", "disagree with what was kept"),
        )
        if row[key]
    ]
    return tag("li", pill(row["title"]), tag("span", "; ".join([*parts, row["word"]] if row["word"] else parts)))
