"""Curves and worst cases of models; every mark tells its numbers under the pointer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from loopwright.app.console.draw.chart import stretched
from loopwright.app.console.markup import Safe, div, tag
from loopwright.app.views import series as series_views
from loopwright.app.views import shown

MARKS = 60  # that a curve has at most: each can be pointed at
BAND = 9  # values before the interval of a curve is drawn
OURS, BASE = "", " base"


def curves(
    ours: Sequence[float], theirs: Sequence[float], names: Sequence[str], title: str, ends: tuple[str, str],
    band: tuple[Sequence[float], Sequence[float]] = ((), ()),
) -> Safe:
    """The mean loss so far of a model and of the baseline, one step a unit. names: of the units; ends: of the axis;
    band: the interval of the model's, drawn from its tenth value on."""
    low, high, ticks = series_views.scale(0.0, max([*ours, *theirs, *band[1][BAND:], 1e-9]), 3)
    n = len(ours)
    lines, marks = [_band(band, low, high)] if n > BAND + 1 and band[0] else [], []
    for values, cls, word in ((theirs, BASE, "baseline"), (ours, OURS, "model")):
        at = [(_x(i, n), _y(value, low, high)) for i, value in enumerate(values)]
        path = "M" + "L".join(f"{x * 10:.1f} {y:.2f}" for x, y in (at if n > 1 else at * 2)) if at else ""
        lines.append(tag("path", d=path, cls=f"line{cls}"))
        for i in _some(n):
            says = f"{word} {values[i]:.3g}{_between(band, i, word)} after {i + 1}, up to {names[i]}"
            marks.append(_mark(*at[i], says, f"spot{cls}"))
    rules = tag("path", d="".join(f"M0 {_y(t, low, high):.2f}H1000" for t in ticks), cls="rules")
    labels = [tag("span", shown.plain(t, 3), cls="y", style=f"top:{_y(t, low, high):.2f}%") for t in ticks]
    legend = tag("span", tag("i", cls="key"), "model", tag("i", cls="key base"), "baseline", cls="keys")
    axis = div("axis", tag("span", ends[0], cls="first", style="left:0"), tag("span", ends[1], cls="last",
                                                                             style="left:100%"))
    last = f"{title}: model {ours[-1]:.3g}, baseline {theirs[-1]:.3g}" if n else title
    return tag("figure", tag("figcaption", tag("span", title), legend),
               div("plot tall spots", stretched(rules, *lines), *labels, *marks), axis, cls="chart", role="img",
               aria_label=last)


def _band(band: tuple[Sequence[float], Sequence[float]], low: float, high: float) -> Safe:
    """The interval of a curve as an area, without its first values, where it says nothing."""
    n = len(band[0])
    upper = [(i, band[1][i]) for i in range(BAND, n)]
    lower = [(i, band[0][i]) for i in range(n - 1, BAND - 1, -1)]
    path = "M" + "L".join(f"{_x(i, n) * 10:.1f} {_y(value, low, high):.2f}" for i, value in [*upper, *lower]) + "Z"
    return tag("path", d=path, cls="area")


def _between(band: tuple[Sequence[float], Sequence[float]], i: int, word: str) -> str:
    """The interval at a mark of the model, in words."""
    return f" ({band[0][i]:.3g} to {band[1][i]:.3g})" if word == "model" and band[0] and i >= BAND else ""


def calibration(bins: Sequence[Mapping[str, Any]], of: str, quantiles: bool = False) -> Safe:
    """What was said beside what came true: on the line, 30 % came true three times in ten; or how often what came lay
    below each of the quantiles."""
    word = "lay below it" if quantiles else "came true"
    marks = [
        _mark(one["said"] * 100, 100 - one["found"] * 100,
              f"said {one['said']:.0%}, {word} {one['found']:.0%} of {one['n']}", "spot solid")
        for one in bins
    ]
    rules = tag("path", d="M0 0H1000M0 50H1000M0 100H1000", cls="rules")
    even = tag("path", d="M0 100L1000 0", cls="line base")
    labels = [tag("span", word, cls="y", style=f"top:{top}%") for word, top in (("100 %", 0), ("50 %", 50), ("0", 100))]
    axis = div("axis", *[tag("span", word, cls=cls, style=f"left:{at}%")
                         for word, at, cls in (("said 0", 0, "first"), ("50 %", 50, None), ("100 %", 100, "last"))])
    head = "Outcomes below each quantile" if quantiles else "Came true, by what was said"
    caption = tag("figcaption", tag("span", head), tag("span", of))
    return tag("figure", caption, div("plot tall spots", stretched(rules, even), *labels, *marks), axis,
               cls="chart", role="img", aria_label=f"Calibration of {of}")


def losses(rows: Sequence[Mapping[str, Any]]) -> Safe:
    """The largest losses side by side, the worst first; each tells its case. rows: {loss, baseline_loss, says}."""
    top = max([row["loss"] for row in rows] + [row["baseline_loss"] or 0.0 for row in rows] + [1e-9])
    bars = []
    for row in rows:
        base = row["baseline_loss"]
        mark = None if base is None else tag("i", cls="base", style=f"bottom:{base / top * 100:.1f}%")
        bars.append(tag("span", tag("b", style=f"height:{max(1.0, row['loss'] / top * 100):.1f}%"), mark, cls="spot",
                        data_words=f"{row['says']}; loss {row['loss']:.3g}"))
    return tag("figure", div("worst-bars", *bars), cls="chart", role="img",
               aria_label=f"The {len(rows)} largest losses, from {rows[0]['loss']:.3g}" if rows else "No losses")


def _mark(x: float, y: float, says: str, cls: str) -> Safe:
    """A spot at percent of the plot; its words stand on the side where there is room."""
    side = " left" if x > 55 else ""
    return tag("span", cls=f"{cls}{side}", style=f"left:{x:.2f}%;top:{y:.2f}%", data_words=says, tabindex="0")


def _some(n: int) -> list[int]:
    """At most MARKS of n, the first and the last among them."""
    if n <= MARKS:
        return list(range(n))
    return sorted({round(i * (n - 1) / (MARKS - 1)) for i in range(MARKS)})


def _x(i: int, n: int) -> float:
    return 50.0 if n < 2 else i / (n - 1) * 100


def _y(value: float, low: float, high: float) -> float:
    return 100 - (value - low) / (high - low) * 100
