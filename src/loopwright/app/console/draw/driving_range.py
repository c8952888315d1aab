"""Shots on a range, seen from above: the player stands below, the target line goes up."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from loopwright.app.console.draw.chart import stretched
from loopwright.app.console.markup import Safe, div, stat, stats, tag
from loopwright.app.views import shown, when

_WIDE, _TALL = 520, 560
_TOP, _FOOT = 22, 532  # between these lie the distances that are drawn
_MIDDLE = _WIDE / 2
_SESSIONS = 24  # that the trend shows


@dataclass(frozen=True)
class _Field:
    """Where a place of the range is drawn: as many pixels a metre across as along, so that a wide miss looks wide."""

    near: float
    scale: float

    def x(self, side: float) -> float:
        return _MIDDLE + side * self.scale

    def y(self, along: float) -> float:
        return _FOOT - (along - self.near) * self.scale


def drawn(data: Mapping[str, Any], zone: str) -> Safe:
    """The picture of `views.landing.on_range`."""
    tall, wide = data["far"] - data["near"], max(1e-9, data["wide"])
    field = _Field(data["near"], min((_FOOT - _TOP) / tall, (_MIDDLE - 8) / wide))
    ellipses = [_ellipse(one, field) for one in sorted(data["ellipses"], key=lambda one: -one["share"])]
    shots = [_shot(shot, field, data["unit"], zone, shot is data["shots"][-1]) for shot in data["shots"]]
    x, y = field.x(data["mean"]["side"]), field.y(data["mean"]["along"])
    cross = tag("path", d=f"M{x - 9:.1f} {y:.1f}H{x + 9:.1f}M{x:.1f} {y - 9:.1f}V{y + 9:.1f}", cls="mean")
    says = f"{data['count']} shots seen from above"
    return tag("svg", *_ground(data, field), *ellipses, *shots, cross, viewBox=f"0 0 {_WIDE} {_TALL}", cls="range",
               role="img", aria_label=says)


def _ground(data: Mapping[str, Any], field: _Field) -> list[Safe]:
    """Grass, mown stripes, arcs of distance, the target line, and where the tee is."""
    tee, unit = field.y(0.0), data["unit"]
    parts = [tag("rect", width=_WIDE, height=_TALL, cls="grass")]
    parts += [tag("path", d=_stripe(tee, i), cls="mown") for i in range(-6, 6, 2)]
    for arc in data["arcs"]:
        radius = arc * field.scale
        height = tee - math.sqrt(max(0.0, radius * radius - _MIDDLE * _MIDDLE))
        words = tag("text", f"{arc:g} {unit}", x=10, y=f"{height - 6:.1f}")
        parts += [tag("path", d=_arc(tee, radius), cls="arc"), words]
    parts.append(tag("line", x1=_MIDDLE, x2=_MIDDLE, y1=_TALL, y2=0, cls="aim"))
    if data["near"] == 0:
        return [*parts, tag("path", d=f"M{_MIDDLE - 8} {_TALL - 4}h16l-8 -13z", cls="flag")]
    return [*parts, tag("text", f"{data['near']:.0f} {unit} to the tee", x=_MIDDLE + 9, y=_TALL - 10)]


def _shot(shot: Mapping[str, Any], field: _Field, unit: str, zone: str, latest: bool) -> Safe:
    """One shot; the older, the paler."""
    far, aside = shown.plain(shot["along"], 1), _aside(shot["side"], unit)
    says = f"{far} {unit} far, {aside}, {when.moment(shot['t_ns'], zone)}"
    return tag(
        "circle", tag("title", says), cx=f"{field.x(shot['side']):.1f}", cy=f"{field.y(shot['along']):.1f}",
        r=6 if latest else 4.2, opacity=f"{0.45 + 0.55 * shot['age']:.2f}", cls="shot latest" if latest else "shot",
    )


def _ellipse(one: Mapping[str, Any], field: _Field) -> Safe:
    """The long axis lies at `angle` from the target line (up), to the right positive."""
    x, y, turn = field.x(one["side"]), field.y(one["along"]), math.degrees(one["angle"])
    return tag(
        "ellipse", tag("title", f"{one['share'] * 100:.0f} % of shots land in here"), cx=f"{x:.1f}", cy=f"{y:.1f}",
        rx=f"{one['short'] * field.scale:.1f}", ry=f"{one['long'] * field.scale:.1f}",
        transform=f"rotate({turn:.2f} {x:.1f} {y:.1f})", cls="half" if one["share"] < 0.7 else "most",
    )


def words(data: Mapping[str, Any]) -> Safe:
    """What the picture says, in numbers."""
    spread, unit = data["spread"]["side"], data["unit"]
    return stats(
        stat(shown.whole(data["count"]), "shots"),
        stat(shown.plain(data["mean"]["along"], 1), f"{unit} far on average"),
        stat(_aside(data["mean"]["side"], ""), f"{unit} from the line on average"),
        stat("–" if spread is None else f"± {shown.plain(spread, 1)}", f"{unit} spread to the side"),
    )


def trend(data: Mapping[str, Any], zone: str) -> Safe:
    """Each session's mean to the side with its interval, oldest on the left."""
    sessions = data["sessions"][-_SESSIONS:]
    known = [abs(v) for s in sessions for v in (s["side"], s["low"], s["high"]) if v is not None]
    reach = max([1.0, *known])
    step, unit = 100 / max(1, len(sessions)), data["unit"]
    marks = [m for i, s in enumerate(sessions) for m in _session(s, step * (i + 0.5), reach * 1.1, unit, zone)]
    far = f"{shown.plain(reach, 0)} {unit}"
    labels = [tag("span", word, cls="y", style=f"top:{top}%")
              for word, top in ((f"{far} right", 4), ("straight", 50), (f"{far} left", 96))]
    rule = stretched(tag("path", d="M0 50H1000", cls="rules"))
    ends = [tag("span", when.day(s["start_ns"], zone), cls=cls, style=f"left:{left}%")
            for s, cls, left in zip((sessions[0], sessions[-1]), ("first", "last"), (0, 100), strict=True)]
    return tag("figure", div("plot sessions", rule, *labels, *marks),
               div("axis", *ends[: len(sessions)]), cls="chart trend")


def _session(one: Mapping[str, Any], at: float, reach: float, unit: str, zone: str) -> list[Safe]:
    """The marks of one session; at is its place in percent of the width, reach what the height stands for."""
    out = []
    if one["high"] is not None:
        top, tall = 50 - one["high"] / reach * 50, (one["high"] - one["low"]) / reach * 50
        out.append(tag("span", cls="whisker", style=f"left:{at:.2f}%;top:{top:.1f}%;height:{tall:.1f}%"))
    says = f"{when.day(one['start_ns'], zone)}: {one['count']} shots, {_aside(one['side'], unit)}"
    place = f"left:{at:.2f}%;top:{50 - one['side'] / reach * 50:.1f}%"
    return [*out, tag("span", cls="dot", style=place, title=says)]


def _aside(side: float, unit: str) -> str:
    if abs(side) < 0.05:
        return "straight"
    return f"{shown.plain(abs(side), 1)}{' ' + unit if unit else ''} {'right' if side > 0 else 'left'}"


def _arc(tee: float, radius: float) -> str:
    """A circle round the tee, as far as it lies in the field."""
    half = min(radius, _MIDDLE)
    y = tee - math.sqrt(max(0.0, radius * radius - half * half))
    return f"M{_MIDDLE - half:.1f} {y:.1f}A{radius:.1f} {radius:.1f} 0 0 1 {_MIDDLE + half:.1f} {y:.1f}"


def _stripe(tee: float, i: int) -> str:
    """One mown stripe of twelve: a wedge that begins at the tee."""

    def at(k: int, y: float) -> float:
        return _MIDDLE + k / 6 * _MIDDLE * 1.25 * (tee - y) / max(1.0, tee)

    return f"M{at(i, _TALL):.1f} {_TALL}L{at(i, 0):.1f} 0H{at(i + 1, 0):.1f}L{at(i + 1, _TALL):.1f} {_TALL}Z"
