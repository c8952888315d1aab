"""Charts beside the plan: how busy each machine is by day, and how late each order ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any
from urllib.parse import quote

from loopwright.app.console.draw.chart import stretched
from loopwright.app.console.markup import Safe, div, link, note, small, tag
from loopwright.app.views import shown

LATEST = 8  # orders named
NARROW = 10  # days; with more, cells are narrow and their number stands below
WIDEST = 48  # of a bar, in thousandths of the chart


def load(data: Mapping[str, Any]) -> Safe:
    """A table of machines by days; a cell is a bar of what is open: work from the ground, setup striped on it."""
    periods = data["periods"]
    heads = [tag("th", _day(p), scope="col") for p in periods]
    head = tag("tr", tag("th", "Machine", scope="col"), *heads, tag("th", "In all", scope="col"))
    cls = "loads narrow" if len(periods) > NARROW else "loads"
    body = tag("tbody", *[_row(row, periods) for row in data["rows"]])
    return div("scroll", tag("table", tag("thead", head), body, cls=cls))


def _row(row: Mapping[str, Any], periods: Sequence[Mapping[str, Any]]) -> Safe:
    cells = [_cell(cell, period) for cell, period in zip(row["cells"], periods, strict=True)]
    total = tag("td", _percent(row["total"]), title=_says(row["total"]), cls="n")
    return tag("tr", tag("th", row["machine"], scope="row", title=row["machine"]), *cells, total)


def _cell(cell: Mapping[str, Any], period: Mapping[str, Any]) -> Safe:
    if not cell["open_s"]:
        return tag("td", tag("span", "closed", cls="shut"), title=f"{_day(period)}: closed all day")
    work, setup = (100 * cell[name] / cell["open_s"] for name in ("work_s", "setup_s"))
    bar = div("loadbar", tag("i", style=f"--share:{work:.1f}%"), tag("i", style=f"--share:{setup:.1f}%", cls="setup"),
              aria_hidden="true")
    return tag("td", div("loadcell", bar, tag("span", _percent(cell))), title=f"{_day(period)}: {_says(cell)}")


def _percent(cell: Mapping[str, Any]) -> str:
    return "–" if cell["share"] is None else f"{cell['share'] * 100:.0f} %"


def _says(cell: Mapping[str, Any]) -> str:
    parts = [f"work {shown.took(cell['work_s'])}"]
    parts += [f"setup {shown.took(cell['setup_s'])}"] if cell["setup_s"] else []
    idle = cell["open_s"] - cell["work_s"] - cell["setup_s"]
    parts += [f"idle {shown.took(idle)}"] if idle > 0 else []
    parts += [f"closed {shown.took(cell['closed_s'])}"] if cell["closed_s"] else []
    return ", ".join(parts)


def _day(period: Mapping[str, Any]) -> str:
    first = date.fromisoformat(period["day"])
    last = first + timedelta(days=period["days"] - 1)
    if first == last:
        return f"{first:%a} {first.day} {first:%b}"
    return f"{first.day} {first:%b}–{last.day} {last:%b}"


def lateness(rows: Sequence[Mapping[str, Any]]) -> Safe:
    """A bar an order, the latest on the left: above the line what it is late, below what it is early; some named."""
    late = [row for row in rows if row["late_s"] > 0]
    high = max([row["late_s"] for row in rows] + [0]) / 0.94
    low = min([row["late_s"] for row in rows] + [0]) / 0.94
    span = max(1.0, high - low)
    zero, each = 100 * high / span, min(WIDEST, 1000 / max(1, len(rows)))
    bars = [_bar(row, n * each, each, zero, span) for n, row in enumerate(rows)]
    ground = tag("path", d=f"M0 {zero:.2f}H1000", cls="ground")
    labels = [tag("span", _scale(value), cls="y", style=f"top:{100 * (high - value) / span:.2f}%")
              for value in _marks(low * 0.94, high * 0.94)]
    plot = div("plot tall lateness-plot", stretched(_pattern(), *bars, ground), *labels)
    says = f"{len(late)} of {len(rows)} orders with a due date end late."
    named = [tag("li", link(row["order"], f"/orders?text={quote(row['order'])}"),
                 tag("span", f"{shown.took(row['late_s'])} late"), small(_longest(row))) for row in late[:LATEST]]
    more = note(f"and {len(late) - LATEST} more") if len(late) > LATEST else None
    list_ = tag("ul", *named, cls="late-list") if named else None
    return tag("div", tag("figure", plot, cls="chart", role="img", aria_label=says), list_, more, cls="lateness")


def _longest(row: Mapping[str, Any]) -> str:
    return f"longest wait: {row['why']}" if row["why"] else ""


def _bar(row: Mapping[str, Any], x: float, wide: float, zero: float, span: float) -> Safe:
    tall = max(0.8, 100 * abs(row["late_s"]) / span)
    late = row["late_s"] > 0
    gap = wide * 0.16 if wide > 4 else 0
    word = f"{shown.took(abs(row['late_s']))} {'late' if late else 'early'}" if row["late_s"] else "on time"
    return tag("rect", tag("title", f"{row['order']}: {word}"), x=f"{x + gap / 2:.2f}",
               y=f"{zero - tall if late else zero:.2f}", width=f"{wide - gap:.2f}", height=f"{tall:.2f}",
               cls="late" if late else "early")


def _pattern() -> Safe:
    """Stripes across the bars of late orders, so that they differ by more than colour and place."""
    line = tag("path", d="M0 3H6", stroke="var(--card)", stroke_width=1.4)
    ground = tag("rect", width=6, height=6, fill="var(--bad)")
    return tag("defs", tag("pattern", ground, line, id="late-stripes", width=6, height=6,
                           patternUnits="userSpaceOnUse"))


def _marks(low: float, high: float) -> list[float]:
    """The ends of the scale and its ground, those that are far enough apart to be read."""
    span = max(1.0, high - low)
    return [value for value in (high, 0.0, low) if value == 0 or abs(value) > span * 0.14]


def _scale(seconds: float) -> str:
    if not seconds:
        return "due"
    return f"{shown.took(abs(seconds))} {'late' if seconds > 0 else 'early'}"
