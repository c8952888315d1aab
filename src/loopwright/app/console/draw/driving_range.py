"""Shots on a range, seen from above: the player stands below, the target line goes up."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from loopwright.app.console.markup import Safe, tag
from loopwright.app.views import shown, when

_WIDE, _TALL, _FOOT = 520, 600, 560  # the field; _FOOT is where the player stands


def drawn(data: Mapping[str, Any], zone: str) -> Safe:
    """The picture of `views.landing.on_range`."""
    scale = (_FOOT - 36) / data["far"]  # as many pixels a unit along as across, so that a wide miss looks wide
    middle = _WIDE / 2

    def x(side: float) -> float:
        return middle + side * scale

    def y(along: float) -> float:
        return _FOOT - along * scale

    parts = [tag("rect", width=_WIDE, height=_TALL, cls="grass")]
    parts += [tag("path", d=_band(middle, i), cls="mown") for i in range(0, 12, 2)]
    for arc in data["arcs"]:
        parts += [tag("path", d=_arc(middle, arc * scale), cls="arc"), tag("text", f"{arc:g}", x=middle + 7, y=f"{y(arc) - 5:.1f}")]
    parts.append(tag("line", x1=middle, x2=middle, y1=_FOOT, y2=14, cls="aim"))
    parts.append(tag("text", data["unit"], x=middle + 7, y=_FOOT - 3))
    for one in sorted(data["ellipses"], key=lambda e: -e["share"]):
        parts.append(_ellipse(one, x, y, scale))
    latest = len(data["shots"]) - 1
    for i, shot in enumerate(data["shots"]):
        title = f"{shown.plain(shot['along'], 1)} {data['unit']} far, {_aside(shot['side'], data['unit'])}, {when.moment(shot['t_ns'], zone)}"
        parts.append(tag("circle", tag("title", title), cx=f"{x(shot['side']):.1f}", cy=f"{y(shot['along']):.1f}", r=5 if i == latest else 3.6,
                         opacity=f"{0.45 + 0.55 * shot['age']:.2f}", cls="shot latest" if i == latest else "shot"))
    mean = data["mean"]
    at_x, at_y = x(mean["side"]), y(mean["along"])
    parts.append(tag("path", d=f"M{at_x - 8:.1f} {at_y:.1f}H{at_x + 8:.1f}M{at_x:.1f} {at_y - 8:.1f}V{at_y + 8:.1f}", cls="mean"))
    parts.append(tag("path", d=f"M{middle - 9} {_FOOT + 14}h18l-9 -14z", cls="flag"))
    return tag("svg", *parts, viewBox=f"0 0 {_WIDE} {_TALL}", cls="range", role="img", aria_label=f"{data['count']} shots seen from above")


def words(data: Mapping[str, Any]) -> Safe:
    """What the picture says, in numbers."""
    spread, unit = data["spread"], data["unit"]
    return tag("div", tag("div", tag("b", shown.whole(data["count"])), tag("span", "shots"), cls="stat"),
               tag("div", tag("b", f"{shown.plain(data['mean']['along'], 1)}"), tag("span", f"{unit} far on average"), cls="stat"),
               tag("div", tag("b", _aside(data["mean"]["side"], "")), tag("span", f"{unit} from the line on average"), cls="stat"),
               tag("div", tag("b", "–" if spread["side"] is None else f"± {shown.plain(spread['side'], 1)}"), tag("span", f"{unit} to the side (one standard deviation)"), cls="stat"),
               cls="stats")


def trend(data: Mapping[str, Any], zone: str) -> Safe:
    """Each session's mean to the side with its interval, oldest on the left."""
    sessions = data["sessions"][-24:]
    reach = max([1.0, *(abs(v) for s in sessions for v in (s["side"], s["low"], s["high"]) if v is not None)]) * 1.1
    step = 1000 / max(1, len(sessions))
    marks = []
    for i, s in enumerate(sessions):
        at, top = step * (i + 0.5), 50 - s["side"] / reach * 50
        whisker = f"left:{at / 10:.2f}%;top:{50 - s['high'] / reach * 50:.1f}%;height:{(s['high'] - s['low']) / reach * 50:.1f}%" if s["high"] is not None else None
        title = f"{when.day(s['start_ns'], zone)}: {s['count']} shots, {_aside(s['side'], data['unit'])}"
        marks += [tag("span", cls="whisker", style=whisker) if whisker else None, tag("span", cls="dot", style=f"left:{at / 10:.2f}%;top:{top:.1f}%", title=title)]
    labels = [tag("span", f"{shown.plain(reach / 1.1, 0)} {data['unit']} right", cls="y", style="top:4%"), tag("span", "straight", cls="y", style="top:50%"),
              tag("span", f"{shown.plain(reach / 1.1, 0)} {data['unit']} left", cls="y", style="top:96%")]
    rule = tag("svg", tag("path", d="M0 50H1000", cls="rules"), viewBox="0 0 1000 100", preserveAspectRatio="none")
    ends = tag("div", tag("span", when.day(sessions[0]["start_ns"], zone), cls="first", style="left:0"),
               tag("span", when.day(sessions[-1]["start_ns"], zone), cls="last", style="left:100%") if len(sessions) > 1 else None, cls="axis") if sessions else None
    return tag("figure", tag("div", rule, *labels, *marks, cls="plot sessions"), ends, cls="chart trend")


def _aside(side: float, unit: str) -> str:
    if abs(side) < 0.05:
        return "straight"
    return f"{shown.plain(abs(side), 1)}{' ' + unit if unit else ''} {'right' if side > 0 else 'left'}"


def _ellipse(one: Mapping[str, Any], x: Any, y: Any, scale: float) -> Safe:
    """The long axis lies at `angle` from the target line (up); SVG turns clockwise with y down, so that right is right."""
    cx, cy = x(one["side"]), y(one["along"])
    return tag("ellipse", tag("title", f"{one['share'] * 100:.0f} % of shots land in here"), cx=f"{cx:.1f}", cy=f"{cy:.1f}", rx=f"{one['short'] * scale:.1f}",
               ry=f"{one['long'] * scale:.1f}", transform=f"rotate({math.degrees(one['angle']):.2f} {cx:.1f} {cy:.1f})", cls="half" if one["share"] < 0.7 else "most")


def _arc(middle: float, radius: float) -> str:
    """An arc of 30 degrees to either side of the target line."""
    dx, dy = radius * math.sin(0.55), radius * math.cos(0.55)
    return f"M{middle - dx:.1f} {_FOOT - dy:.1f}A{radius:.1f} {radius:.1f} 0 0 1 {middle + dx:.1f} {_FOOT - dy:.1f}"


def _band(middle: float, i: int) -> str:
    """One mown stripe of twelve, a wedge from the player to the far end."""
    left, right = (i - 6) / 6 * middle * 1.6, (i - 5) / 6 * middle * 1.6
    return f"M{middle + left * 0.15:.1f} {_TALL}L{middle + left:.1f} 0H{middle + right:.1f}L{middle + right * 0.15:.1f} {_TALL}Z"
