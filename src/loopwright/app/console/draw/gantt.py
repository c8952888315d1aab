"""The plan drawn as a Gantt chart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from loopwright.app.console.markup import Safe, div, tag
from loopwright.app.views import shown, when

_WIDE, _LEFT, _ROW, _TOP = 1160, 132, 46, 34
_FULL = _WIDE - _LEFT - 12


@dataclass(frozen=True)
class _Time:
    """Where a time is drawn."""

    start_ns: int
    end_ns: int

    def x(self, t_ns: int) -> float:
        share = (t_ns - self.start_ns) / max(1, self.end_ns - self.start_ns)
        return _LEFT + max(0.0, min(1.0, share)) * _FULL


def drawn(data: Mapping[str, Any], zone: str) -> Safe:
    """The plan of `views.plan.gantt`, machines from top to bottom."""
    time, tall = _Time(data["start_ns"], data["end_ns"]), _TOP + _ROW * len(data["rows"]) + 8
    parts: list[Safe] = [_stripes()]
    for t, word in when.ticks(time.start_ns, time.end_ns, 9, zone):
        x = f"{time.x(t):.1f}"
        parts += [tag("line", x1=x, x2=x, y1=_TOP - 6, y2=tall - 6, cls="hour"),
                  tag("text", word, x=x, y=18, text_anchor="middle")]
    for i, row in enumerate(data["rows"]):
        parts += _lane(row, _TOP + i * _ROW, time, zone)
    if time.start_ns <= data["now_ns"] <= time.end_ns:
        x = f"{time.x(data['now_ns']):.1f}"
        parts += [tag("line", x1=x, x2=x, y1=_TOP - 8, y2=tall - 6, cls="now"),
                  tag("text", "now", x=x, y=_TOP - 12, text_anchor="middle", cls="nowtext")]
    svg = tag("svg", *parts, viewBox=f"0 0 {_WIDE} {tall}", cls="gantt", role="img", aria_label=f"Plan {data['plan']}")
    return div("scroll", svg)


def _lane(row: Mapping[str, Any], y: float, time: _Time, zone: str) -> list[Safe]:
    out = [
        tag("rect", x=_LEFT, y=y, width=_FULL, height=_ROW - 8, rx=8, cls="lane"),
        tag("text", row["machine"], x=0, y=y + 17, cls="machine"),
        tag("text", f"{row['load'] * 100:.0f} % busy", x=0, y=y + 32),
    ]
    for block in row["blocked"]:
        left, right = time.x(block["start_ns"]), time.x(block["end_ns"])
        out.append(tag("rect", tag("title", block["why"]), x=f"{left:.1f}", y=y, width=f"{max(2.0, right - left):.1f}",
                       height=_ROW - 8, rx=6, cls="blocked"))
    return out + [_slot(slot, y, time, zone) for slot in row["slots"]]


def _slot(slot: Mapping[str, Any], y: float, time: _Time, zone: str) -> Safe:
    left, wide = time.x(slot["start_ns"]), max(2.0, time.x(slot["end_ns"]) - time.x(slot["start_ns"]))
    start, end = (when.clock_time(slot[key], zone, False) for key in ("start_ns", "end_ns"))
    takes = shown.took((slot["end_ns"] - slot["start_ns"]) / 1e9)
    says = f"{slot['order']}: {slot['operation']}, {start} to {end} ({takes}), {slot['state']}"
    name = slot["order"].rsplit("-", 1)[-1] if wide < 70 else slot["order"]
    words = tag("text", name, x=f"{left + 7:.1f}", y=y + 23) if wide > 7 * len(name) + 10 else None
    box = tag("rect", x=f"{left:.1f}", y=y + 4, width=f"{wide:.1f}", height=_ROW - 16, rx=5, cls=f"k{slot['colour']}")
    drawn_slot = tag("g", box, words, tag("title", says), cls=f"slot {slot['state']}")
    return tag("a", drawn_slot, href=f"/orders?text={slot['order']}")


def _stripes() -> Safe:
    """The pattern of time that a machine is not to be had."""
    ground = tag("rect", width=8, height=8, fill="var(--copper-soft)")
    stripe = tag("path", d="M0 0V8", stroke="var(--copper-line)", stroke_width=5)
    return tag("defs", tag("pattern", ground, stripe, id="stripes", width=8, height=8, patternUnits="userSpaceOnUse",
                           patternTransform="rotate(45)"))
