"""The plan drawn as a Gantt chart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loopwright.app.console.markup import Safe, tag
from loopwright.app.views import shown, when

_WIDE, _LEFT, _ROW, _TOP = 1160, 132, 46, 34


def drawn(data: Mapping[str, Any], zone: str) -> Safe:
    """The plan of `views.plan.gantt`, machines from top to bottom."""
    start, end = data["start_ns"], data["end_ns"]
    span = max(1, end - start)

    def x(t_ns: int) -> float:
        return _LEFT + (t_ns - start) / span * (_WIDE - _LEFT - 12)

    tall = _TOP + _ROW * len(data["rows"]) + 8
    parts: list[Safe] = [_stripes()]
    for t, word in when.ticks(start, end, 9, zone):
        parts += [
            tag("line", x1=f"{x(t):.1f}", x2=f"{x(t):.1f}", y1=_TOP - 6, y2=tall - 6, cls="hour"),
            tag("text", word, x=f"{x(t):.1f}", y=18, text_anchor="middle"),
        ]
    for i, row in enumerate(data["rows"]):
        parts += _lane(row, _TOP + i * _ROW, x, zone)
    if start <= data["now_ns"] <= end:
        at = f"{x(data['now_ns']):.1f}"
        parts += [
            tag("line", x1=at, x2=at, y1=_TOP - 8, y2=tall - 6, cls="now"),
            tag("text", "now", x=at, y=_TOP - 12, text_anchor="middle", cls="nowtext"),
        ]
    return tag(
        "div",
        tag("svg", *parts, viewBox=f"0 0 {_WIDE} {tall}", cls="gantt", role="img", aria_label=f"Plan {data['plan']}"),
        cls="scroll",
    )


def _lane(row: Mapping[str, Any], y: float, x: Any, zone: str) -> list[Safe]:
    out = [
        tag("rect", x=_LEFT, y=y, width=_WIDE - _LEFT - 12, height=_ROW - 8, rx=8, cls="lane"),
        tag("text", row["machine"], x=0, y=y + 17, cls="machine"),
        tag("text", f"{row['load'] * 100:.0f} % busy", x=0, y=y + 32),
    ]
    for block in row["blocked"]:
        left, right = max(x(block["start_ns"]), _LEFT), min(x(block["end_ns"]), _WIDE - 12)
        out.append(
            tag(
                "rect",
                tag("title", block["why"]),
                x=f"{left:.1f}",
                y=y,
                width=f"{max(2.0, right - left):.1f}",
                height=_ROW - 8,
                rx=6,
                cls="blocked",
            )
        )
    for slot in row["slots"]:
        out.append(_slot(slot, y, x, zone))
    return out


def _slot(slot: Mapping[str, Any], y: float, x: Any, zone: str) -> Safe:
    left, wide = x(slot["start_ns"]), max(2.0, x(slot["end_ns"]) - x(slot["start_ns"]))
    seconds = (slot["end_ns"] - slot["start_ns"]) / 1e9
    title = f"{slot['order']}: {slot['operation']}, {when.clock_time(slot['start_ns'], zone, False)} to {when.clock_time(slot['end_ns'], zone, False)} ({shown.took(seconds)}), {slot['state']}"
    name = slot["order"].rsplit("-", 1)[-1] if wide < 70 else slot["order"]
    words = tag("text", name, x=f"{left + 7:.1f}", y=y + 23) if wide > 7 * len(name) + 10 else None
    box = tag("rect", x=f"{left:.1f}", y=y + 4, width=f"{wide:.1f}", height=_ROW - 16, rx=5, cls=f"k{slot['colour']}")
    return tag(
        "a",
        tag("g", box, words, tag("title", title), cls=f"slot {slot['state']}"),
        href=f"/orders?text={slot['order']}",
    )


def _stripes() -> Safe:
    return tag(
        "defs",
        tag(
            "pattern",
            tag("rect", width=8, height=8, fill="var(--copper-soft)"),
            tag("path", d="M0 0V8", stroke="var(--copper-line)", stroke_width=5),
            id="stripes",
            width=8,
            height=8,
            patternUnits="userSpaceOnUse",
            patternTransform="rotate(45)",
        ),
    )
