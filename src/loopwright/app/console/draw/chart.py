"""Lines, strips and small bars. A chart's frame is HTML, so that words keep their size; only the line is stretched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from loopwright.app.console.markup import Safe, div, tag
from loopwright.app.views import series as series_views
from loopwright.app.views import shown, when

TICKS, COLOURS = 3, 6


def stretched(*parts: Any) -> Safe:
    """A drawing on a field of 1000 by 100 that fills whatever holds it."""
    return tag("svg", *parts, viewBox="0 0 1000 100", preserveAspectRatio="none", aria_hidden="true")


def line(data: Mapping[str, Any], start_ns: int, end_ns: int, zone: str, *, colour: int = 0) -> Safe:
    """One series of `views.series.series` between two times."""
    low, high, ticks = series_views.scale(data["low"], data["high"], TICKS)
    digits = _digits(ticks)
    name, last = data["meaning"].partition(" (")[0].rstrip("."), _last(data, digits)
    caption = tag("figcaption", tag("span", name, title=f"{data['signal']}: {data['meaning']}"), tag("b", last))
    if not data["t_ns"]:
        nothing = tag("p", "Nothing heard in this time.", cls="empty")
        return tag("figure", caption, div("plot", nothing), cls="chart")
    d, area = path(data, start_ns, end_ns, low, high)
    rules = "".join(f"M0 {_y(tick, low, high):.2f}H1000" for tick in ticks)
    layers = ((rules, "rules"), (area, "area"), (d, "line"))
    drawing = stretched(*[tag("path", d=drawn, cls=cls) for drawn, cls in layers])
    labels = [tag("span", shown.plain(t, digits), cls="y", style=f"top:{_y(t, low, high):.2f}%") for t in ticks]
    plot = div(
        f"plot c{colour % COLOURS}", drawing, *labels, data_t0=start_ns // 1_000_000, data_t1=end_ns // 1_000_000,
        data_lo=low, data_hi=high, data_digits=digits + 1, data_unit=data["unit"], data_zone=zone,
    )
    says = f"{name}: {data['meaning']} Now {last}."
    return tag("figure", caption, plot, axis(start_ns, end_ns, zone), cls="chart", role="img", aria_label=says)


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
    d = "".join("M" + "L".join(piece if len(piece) > 1 else piece * 2) for piece in pieces)
    area = "".join(f"M{piece[0].split()[0]} 100L{'L'.join(piece)}L{piece[-1].split()[0]} 100Z" for piece in pieces)
    return d, area


def axis(start_ns: int, end_ns: int, zone: str, count: int = 4) -> Safe:
    """The times below a chart."""
    span = max(1, end_ns - start_ns)
    out = []
    for t, word in when.ticks(start_ns, end_ns, count, zone):
        at = (t - start_ns) / span * 100
        out.append(tag("span", word, style=f"left:{at:.2f}%", cls="first" if at < 4 else "last" if at > 94 else None))
    return div("axis", *out)


def strip(states: Sequence[Mapping[str, Any]], tones: Mapping[str, str], start_ns: int, end_ns: int, zone: str) -> Safe:
    """States one after another as a coloured strip; tones: word -> 'run', 'wait', 'stop' or 'quiet'."""
    span, parts = max(1, end_ns - start_ns), []
    for state in states:
        left, right = max(start_ns, state["start_ns"]), min(end_ns, state["end_ns"])
        if right > left:
            place = f"left:{(left - start_ns) / span * 100:.2f}%;width:{(right - left) / span * 100:.2f}%"
            says = f"{state['word']}, {when.clock_time(left, zone)} to {when.clock_time(right, zone)}"
            parts.append(tag("i", cls=tones.get(state["word"], "wait"), style=place, title=says))
    return div("strip", *parts)


def tolerance(measure: Mapping[str, Any]) -> Safe:
    """Where a measured value lies: the tolerance as a band, the value as a dot, what would be scrap at the ends."""
    good, deviation = measure.get("good"), measure.get("deviation")
    if not good or deviation is None:
        return tag("div")
    reach = max(min(measure.get("scrap") or 2.5 * good, 3 * good), 1.4 * good)
    at, band = 50 + max(-1.0, min(1.0, deviation / reach)) * 48, good / reach * 48
    return div(
        "tolerance", div("bar"), div("ok", style=f"left:{50 - band:.1f}%;width:{2 * band:.1f}%"),
        tag("i", cls=None if measure["ok"] else "out", style=f"left:{at:.1f}%"),
        title=f"{deviation / good * 100:.0f} % of the tolerance",
    )


def interval(value: float, low: float, high: float, unit: str) -> Safe:
    """A number with its interval, and where zero is when it is near enough to matter."""
    width = high - low
    left, right = (0.0 if low - width < 0 < low else low), (0.0 if high < 0 < high + width else high)
    pad = (right - left or 1.0) * 0.06
    left, right = left - pad, right + pad

    def label(number: float) -> Safe:
        glue = "" if unit == "°" else " "
        return tag("span", f"{shown.plain(number)}{glue}{unit}", style=f"left:{at(number)}")

    def at(number: float) -> str:
        return f"{(number - left) / (right - left) * 100:.1f}%"

    zero = div("zero", style=f"left:{at(0.0)}", title="no effect") if left < 0 < right else None
    span = div("span", style=f"left:{at(low)};right:calc(100% - {at(high)})")
    bar = div("bar", span, zero, tag("i", style=f"left:{at(value)}"))
    return div("interval", tag("b", label(value)), bar, tag("p", label(low), label(high)))


def _last(data: Mapping[str, Any], digits: int) -> str:
    if data["last"] is None:
        return "–"
    return f"{shown.plain(data['last'], max(digits, 1 if abs(data['last']) < 100 else 0))} {data['unit']}".strip()


def _y(value: float, low: float, high: float) -> float:
    return 100 - (value - low) / (high - low) * 100


def _digits(ticks: Sequence[float]) -> int:
    """As many decimals as the ticks need to differ."""
    return next((digits for digits in range(5) if len({f"{t:.{digits}f}" for t in ticks}) == len(ticks)), 5)
