"""Lines, strips and small bars. A chart's frame is HTML, so that words keep their size at any width; only the line
is stretched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from loopwright.app.console.markup import Safe, tag
from loopwright.app.views import series as series_views
from loopwright.app.views import shown, when


def line(
    data: Mapping[str, Any],
    start_ns: int,
    end_ns: int,
    zone: str,
    *,
    colour: int = 0,
    title: str = "",
    tall: bool = False,
) -> Safe:
    """One series of `views.series.series` between two times."""
    low, high, ticks = series_views.scale(data["low"], data["high"], 5 if tall else 3)
    digits = _digits(ticks)
    last = (
        "–"
        if data["last"] is None
        else f"{shown.plain(data['last'], max(digits, 1 if abs(data['last']) < 100 else 0))} {data['unit']}".strip()
    )
    name = title or data["meaning"].partition(" (")[0].rstrip(".")
    caption = tag("figcaption", tag("span", name, title=f"{data['signal']}: {data['meaning']}"), tag("b", last))
    if not data["t_ns"]:
        return tag(
            "figure", caption, tag("div", tag("p", "Nothing heard in this time.", cls="empty"), cls="plot"), cls="chart"
        )
    d, area = path(data, start_ns, end_ns, low, high)
    rules = "".join(f"M0 {_y(t, low, high):.2f}H1000" for t in ticks)
    drawing = tag(
        "svg",
        tag("path", d=rules, cls="rules"),
        tag("path", d=area, cls="area"),
        tag("path", d=d, cls="line"),
        viewBox="0 0 1000 100",
        preserveAspectRatio="none",
        aria_hidden="true",
    )
    labels = [tag("span", shown.plain(t, digits), cls="y", style=f"top:{_y(t, low, high):.2f}%") for t in ticks]
    plot = tag(
        "div",
        drawing,
        *labels,
        cls=f"plot c{colour % 6}{' tall' if tall else ''}",
        data_t0=start_ns // 1_000_000,
        data_t1=end_ns // 1_000_000,
        data_lo=low,
        data_hi=high,
        data_digits=digits + 1,
        data_unit=data["unit"],
        data_zone=zone,
    )
    return tag(
        "figure",
        caption,
        plot,
        axis(start_ns, end_ns, zone),
        cls="chart",
        role="img",
        aria_label=f"{name}: {data['meaning']} Now {last}.",
    )


def path(data: Mapping[str, Any], start_ns: int, end_ns: int, low: float, high: float) -> tuple[str, str]:
    """The line and the area under it as SVG paths on a field of 1000 by 100; the line breaks where the data does."""
    span, breaks = max(1, end_ns - start_ns), set(data["breaks"])
    pieces: list[list[str]] = [[]]
    for i, (t, value) in enumerate(zip(data["t_ns"], data["values"], strict=True)):
        if i in breaks or value is None:
            pieces.append([])
        if value is not None:
            pieces[-1].append(f"{(t - start_ns) / span * 1000:.1f} {_y(value, low, high):.2f}")
    pieces = [piece for piece in pieces if piece]
    d = "".join("M" + "L".join(piece if len(piece) > 1 else [piece[0], piece[0]]) for piece in pieces)
    area = "".join(f"M{piece[0].split()[0]} 100L{'L'.join(piece)}L{piece[-1].split()[0]} 100Z" for piece in pieces)
    return d, area


def axis(start_ns: int, end_ns: int, zone: str, count: int = 4) -> Safe:
    """The times below a chart."""
    ticks = when.ticks(start_ns, end_ns, count, zone)
    span = max(1, end_ns - start_ns)
    out = []
    for t, word in ticks:
        at = (t - start_ns) / span * 100
        out.append(tag("span", word, style=f"left:{at:.2f}%", cls="first" if at < 4 else "last" if at > 94 else None))
    return tag("div", *out, cls="axis")


def strip(states: Sequence[Mapping[str, Any]], tones: Mapping[str, str], start_ns: int, end_ns: int, zone: str) -> Safe:
    """States one after another as a coloured strip; tones: word -> 'run', 'wait', 'stop' or 'quiet'."""
    span = max(1, end_ns - start_ns)
    parts = []
    for state in states:
        left, right = max(start_ns, state["start_ns"]), min(end_ns, state["end_ns"])
        if right > left:
            parts.append(
                tag(
                    "i",
                    cls=tones.get(state["word"], "wait"),
                    style=f"left:{(left - start_ns) / span * 100:.2f}%;width:{(right - left) / span * 100:.2f}%",
                    title=f"{state['word']}, {when.clock_time(left, zone)} to {when.clock_time(right, zone)}",
                )
            )
    return tag("div", *parts, cls="strip")


def tolerance(measure: Mapping[str, Any]) -> Safe:
    """Where a measured value lies: the tolerance as a band, twice as wide as what would be scrap at the ends, the
    value as a dot."""
    good, deviation = measure.get("good"), measure.get("deviation")
    if not good or deviation is None:
        return tag("div")
    reach = min(measure.get("scrap") or 2.5 * good, 3 * good)
    reach = max(reach, 1.4 * good)
    at = 50 + max(-1.0, min(1.0, deviation / reach)) * 48
    band = good / reach * 48
    return tag(
        "div",
        tag("div", cls="bar"),
        tag("div", cls="ok", style=f"left:{50 - band:.1f}%;width:{2 * band:.1f}%"),
        tag("i", cls=None if measure["ok"] else "out", style=f"left:{at:.1f}%"),
        cls="tolerance",
        title=f"{deviation / good * 100:.0f} % of the tolerance",
    )


def interval(value: float, low: float, high: float, unit: str) -> Safe:
    """A number with its interval, and where zero is when it is near enough to matter."""
    left, right = (
        min(low, 0.0 if low - (high - low) < 0 < low else low),
        max(high, 0.0 if high < 0 < high + (high - low) else high),
    )
    pad = (right - left or 1.0) * 0.06
    left, right = left - pad, right + pad

    def at(x: float) -> str:
        return f"{(x - left) / (right - left) * 100:.1f}%"

    zero = tag("div", cls="zero", style=f"left:{at(0.0)}", title="no effect") if left < 0 < right else None
    bar = tag(
        "div",
        tag("div", cls="span", style=f"left:{at(low)};right:calc(100% - {at(high)})"),
        zero,
        tag("i", style=f"left:{at(value)}"),
        cls="bar",
    )
    ends = tag("p", *[tag("span", f"{shown.plain(end)} {unit}", style=f"left:{at(end)}") for end in (low, high)])
    return tag(
        "div",
        tag("b", tag("span", f"{shown.plain(value)} {unit}", style=f"left:{at(value)}")),
        bar,
        ends,
        cls="interval",
    )


def _y(value: float, low: float, high: float) -> float:
    return 100 - (value - low) / (high - low) * 100


def _digits(ticks: Sequence[float]) -> int:
    """As many decimals as the ticks need to differ."""
    for digits in range(5):
        if len({f"{t:.{digits}f}" for t in ticks}) == len(ticks):
            return digits
    return 5
