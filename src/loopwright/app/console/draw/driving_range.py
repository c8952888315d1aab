"""Shots on a range, seen from above: the player stands below, the target line goes up."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from loopwright.app.console.markup import Safe, tag
from loopwright.app.views import shown, when

_WIDE, _TALL = 520, 560
_TOP, _FOOT = 22, 532  # between these lie the distances that are drawn


def drawn(data: Mapping[str, Any], zone: str) -> Safe:
    """The picture of `views.landing.on_range`: as many pixels a metre across as along, so that a wide miss looks
    wide."""
    scale = min((_FOOT - _TOP) / (data["far"] - data["near"]), (_WIDE / 2 - 8) / max(1e-9, data["wide"]))
    middle, near = _WIDE / 2, data["near"]

    def x(side: float) -> float:
        return middle + side * scale

    def y(along: float) -> float:
        return _FOOT - (along - near) * scale

    tee = y(0.0)
    parts = [tag("rect", width=_WIDE, height=_TALL, cls="grass")]
    parts += [tag("path", d=_stripe(middle, tee, i), cls="mown") for i in range(-6, 6, 2)]
    for arc in data["arcs"]:
        parts += [
            tag("path", d=_arc(middle, tee, arc * scale), cls="arc"),
            tag("text", f"{arc:g} {data['unit']}", x=10, y=f"{_arc_left(middle, tee, arc * scale) - 6:.1f}"),
        ]
    parts.append(tag("line", x1=middle, x2=middle, y1=_TALL, y2=0, cls="aim"))
    parts += [_ellipse(one, x, y, scale) for one in sorted(data["ellipses"], key=lambda e: -e["share"])]
    latest = len(data["shots"]) - 1
    for i, shot in enumerate(data["shots"]):
        title = f"{shown.plain(shot['along'], 1)} {data['unit']} far, {_aside(shot['side'], data['unit'])}, {when.moment(shot['t_ns'], zone)}"
        parts.append(
            tag(
                "circle",
                tag("title", title),
                cx=f"{x(shot['side']):.1f}",
                cy=f"{y(shot['along']):.1f}",
                r=6 if i == latest else 4.2,
                opacity=f"{0.45 + 0.55 * shot['age']:.2f}",
                cls="shot latest" if i == latest else "shot",
            )
        )
    at_x, at_y = x(data["mean"]["side"]), y(data["mean"]["along"])
    parts.append(
        tag("path", d=f"M{at_x - 9:.1f} {at_y:.1f}H{at_x + 9:.1f}M{at_x:.1f} {at_y - 9:.1f}V{at_y + 9:.1f}", cls="mean")
    )
    parts.append(
        tag("path", d=f"M{middle - 8} {_TALL - 4}h16l-8 -13z", cls="flag")
        if near == 0
        else tag("text", f"{near:.0f} {data['unit']} to the tee", x=middle + 9, y=_TALL - 10)
    )
    return tag(
        "svg",
        *parts,
        viewBox=f"0 0 {_WIDE} {_TALL}",
        cls="range",
        role="img",
        aria_label=f"{data['count']} shots seen from above",
    )


def words(data: Mapping[str, Any]) -> Safe:
    """What the picture says, in numbers."""
    spread, unit = data["spread"], data["unit"]
    return tag(
        "div",
        tag("div", tag("b", shown.whole(data["count"])), tag("span", "shots"), cls="stat"),
        tag(
            "div",
            tag("b", f"{shown.plain(data['mean']['along'], 1)}"),
            tag("span", f"{unit} far on average"),
            cls="stat",
        ),
        tag(
            "div",
            tag("b", _aside(data["mean"]["side"], "")),
            tag("span", f"{unit} from the line on average"),
            cls="stat",
        ),
        tag(
            "div",
            tag("b", "–" if spread["side"] is None else f"± {shown.plain(spread['side'], 1)}"),
            tag("span", f"{unit} spread to the side"),
            cls="stat",
        ),
        cls="stats",
    )


def trend(data: Mapping[str, Any], zone: str) -> Safe:
    """Each session's mean to the side with its interval, oldest on the left."""
    sessions = data["sessions"][-24:]
    reach = max([1.0, *(abs(v) for s in sessions for v in (s["side"], s["low"], s["high"]) if v is not None)]) * 1.1
    step = 1000 / max(1, len(sessions))
    marks = []
    for i, s in enumerate(sessions):
        at, top = step * (i + 0.5), 50 - s["side"] / reach * 50
        whisker = (
            f"left:{at / 10:.2f}%;top:{50 - s['high'] / reach * 50:.1f}%;height:{(s['high'] - s['low']) / reach * 50:.1f}%"
            if s["high"] is not None
            else None
        )
        title = f"{when.day(s['start_ns'], zone)}: {s['count']} shots, {_aside(s['side'], data['unit'])}"
        marks += [
            tag("span", cls="whisker", style=whisker) if whisker else None,
            tag("span", cls="dot", style=f"left:{at / 10:.2f}%;top:{top:.1f}%", title=title),
        ]
    labels = [
        tag("span", f"{shown.plain(reach / 1.1, 0)} {data['unit']} right", cls="y", style="top:4%"),
        tag("span", "straight", cls="y", style="top:50%"),
        tag("span", f"{shown.plain(reach / 1.1, 0)} {data['unit']} left", cls="y", style="top:96%"),
    ]
    rule = tag("svg", tag("path", d="M0 50H1000", cls="rules"), viewBox="0 0 1000 100", preserveAspectRatio="none")
    ends = (
        tag(
            "div",
            tag("span", when.day(sessions[0]["start_ns"], zone), cls="first", style="left:0"),
            tag("span", when.day(sessions[-1]["start_ns"], zone), cls="last", style="left:100%")
            if len(sessions) > 1
            else None,
            cls="axis",
        )
        if sessions
        else None
    )
    return tag("figure", tag("div", rule, *labels, *marks, cls="plot sessions"), ends, cls="chart trend")


def _aside(side: float, unit: str) -> str:
    if abs(side) < 0.05:
        return "straight"
    return f"{shown.plain(abs(side), 1)}{' ' + unit if unit else ''} {'right' if side > 0 else 'left'}"


def _ellipse(one: Mapping[str, Any], x: Any, y: Any, scale: float) -> Safe:
    """The long axis lies at `angle` from the target line (up); SVG turns clockwise with y down, so that right is
    right."""
    cx, cy = x(one["side"]), y(one["along"])
    return tag(
        "ellipse",
        tag("title", f"{one['share'] * 100:.0f} % of shots land in here"),
        cx=f"{cx:.1f}",
        cy=f"{cy:.1f}",
        rx=f"{one['short'] * scale:.1f}",
        ry=f"{one['long'] * scale:.1f}",
        transform=f"rotate({math.degrees(one['angle']):.2f} {cx:.1f} {cy:.1f})",
        cls="half" if one["share"] < 0.7 else "most",
    )


def _arc(middle: float, tee: float, radius: float) -> str:
    """A circle round the tee, from the left edge of the field to the right."""
    y = _arc_left(middle, tee, radius)
    return (
        f"M0 {y:.1f}A{radius:.1f} {radius:.1f} 0 0 1 {_WIDE} {y:.1f}"
        if radius > middle
        else f"M{middle - radius:.1f} {tee:.1f}A{radius:.1f} {radius:.1f} 0 0 1 {middle + radius:.1f} {tee:.1f}"
    )


def _arc_left(middle: float, tee: float, radius: float) -> float:
    """How high a circle round the tee stands at the left edge of the field."""
    return tee - math.sqrt(max(0.0, radius * radius - middle * middle))


def _stripe(middle: float, tee: float, i: int) -> str:
    """One mown stripe of twelve: a wedge that begins at the tee."""

    def at(k: int, y: float) -> float:
        return middle + k / 6 * middle * 1.25 * (tee - y) / max(1.0, tee)

    return f"M{at(i, _TALL):.1f} {_TALL}L{at(i, 0):.1f} 0H{at(i + 1, 0):.1f}L{at(i + 1, _TALL):.1f} {_TALL}Z"
