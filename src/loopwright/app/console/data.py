"""Data: where every sample went, hop by hop and source by source, over any range of time, adding up exactly."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from loopwright.app import reads
from loopwright.app.console.frame import Drawn, View, head
from loopwright.app.console.markup import (
    Safe,
    card,
    chips,
    div,
    empty,
    field,
    link,
    pill,
    small,
    stat,
    stats,
    table,
    tag,
)
from loopwright.app.views import shown
from loopwright.core.clock import NS_PER_S

PATH, EVERY_S = "/data", 2.0
SPANS = (("", "Since the beginning"), ("3600", "Last hour"), ("86400", "Last day"), ("604800", "Last week"))
_COUNTS = ("in", "out", "duplicate", "refused", "waiting")
_HEADS = ["Hop", *[(name.capitalize(), "n") for name in (*_COUNTS, "lost")], "Adds up"]
_SOURCE_HEADS = ["Source", *[(name.capitalize(), "n") for name in (*_COUNTS, "lost")]]
_HOLDS = {True: ("exactly", "good"), False: ("no", "bad"), None: ("not counted", "warn")}
_PARTS = {
    "late": "came late (part of out)", "possible_duplicate": "may be repeats",
    "conflict": "disagree with what was kept",
}
SOURCES = 40


def draw(view: View) -> Drawn:
    """Totals, hops, why samples were refused, and the sources, over the chosen time and source."""
    span, source = view.params.get("span", ""), view.params.get("source", "")
    start, end = _range(view)
    data = reads.loss_table(view.front, start, end, source or None)
    words = "in = out + duplicate + refused + waiting + lost. Counted in samples, by the sender's own numbers."
    picked = bool(view.params.get("from") or view.params.get("to"))
    spans = chips((word, _address({"span": value, "source": source}), value == span and not picked)
                  for value, word in SPANS)
    blocks = {"head": head("Data", words, spans, link("Charts", "/chart"), link("Corrections", "/corrections")),
              "range": card(None, _picker(view, source), cls="chart-pick")}
    if not any(row["in"] for row in data["rows"]):
        nothing = "As soon as a machine speaks, each of its samples is accounted for here."
        return Drawn("Data", {**blocks, "table": card(None, empty("Nothing was heard in this time", nothing))})
    blocks["numbers"] = card(None, _totals(data["total"]))
    rows = [_row(row) for row in data["rows"]]
    blocks["table"] = card("Hop by hop", table(_HEADS, rows), note=f"source {source}" if source else None)
    if reasons := _reasons(data["rows"]):
        blocks["refused"] = card("Why samples were refused", table(["Reason", "Hop", ("Samples", "n")], reasons))
    notes = [one for row in data["rows"] if (one := _note(row))]
    if notes:
        blocks["notes"] = card("In words", tag("ul", *notes, cls="evidence"))
    blocks["sources"] = _sources(view, start, end, source)
    return Drawn("Data", blocks)


def _range(view: View) -> tuple[int | None, int | None]:
    """The chosen time, in whole minutes, because the accounts are kept by minute: from and to, else a span back."""
    minute_ns = 60 * NS_PER_S
    start, end = (_moment(view.params.get(name, ""), view.zone) for name in ("from", "to"))
    if start is None and end is None and (span := view.params.get("span", "")).isdigit() and len(span) < 10:
        start = view.front.now_ns() // minute_ns * minute_ns - int(span) * NS_PER_S
    return start, end


def _moment(text: str, zone: str) -> int | None:
    """A date and time of the plant's zone, as a browser's field gives it; None for anything else."""
    try:
        when = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))
        return int((when - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) * NS_PER_S if text else None
    except (ValueError, OverflowError):
        return None


def _picker(view: View, source: str) -> Safe:
    """From and to, and the source that is looked at."""
    def when(name: str, words: str) -> Safe:
        value = view.params.get(name, "")
        shows = value if _moment(value, view.zone) is not None else ""
        return field(words, tag("input", type="datetime-local", name=name, value=shows))

    names = tag("datalist", *[tag("option", value=name) for name in reads.sources(view.front)[:1000]], id="sources")
    which = tag("input", type="text", name="source", value=source, list="sources", placeholder="all of them",
                autocomplete="off")
    button = div("buttons", tag("button", "Show", type="submit", cls="button"))
    fields = div("chart-fields", when("from", f"From ({view.zone})"), when("to", "To, not included"),
                 field("Source", which))
    return tag("form", fields, names, button, method="get", action="/data")


def _address(asked: dict[str, str]) -> str:
    asked = {key: value for key, value in asked.items() if value}
    return "/data" + (f"?{urlencode(asked)}" if asked else "")


def _sources(view: View, start: int | None, end: int | None, source: str) -> Safe:
    """The sources, those that lost most first."""
    found = reads.source_rows(view.front, start, end, source or None, SOURCES)
    chosen = {name: view.params.get(name, "") for name in ("span", "from", "to")}
    rows = [
        [tag("span", link(row["source"], _address({**chosen, "source": row["source"]})), small(row["word"])),
         *(shown.whole(row[key]) for key in _COUNTS),
         tag("b", shown.whole(row["lost"]), cls="off" if row["lost"] else None)]
        for row in found["rows"]
    ]
    more = found["count"] - len(rows)
    words = "one stream with a numbering of its own"
    if more > 0:
        words = f"and {shown.whole(more)} more, which lost no more than these"
    back = chips([("all sources", _address(chosen), False)]) if source else None
    return card("Source by source", back, table(_SOURCE_HEADS, rows), note=words)


def _reasons(rows: list[dict[str, Any]]) -> list[list[Any]]:
    """Reason, hop and samples, the most first."""
    found = [(n, why, row["title"]) for row in rows for why, n in row["refused_by_reason"].items()]
    return [[why, title, shown.whole(n)] for n, why, title in sorted(found, key=lambda one: (-one[0], one[1]))]


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
