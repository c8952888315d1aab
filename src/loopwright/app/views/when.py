"""Times as people read them: in the plant's time zone, and how long ago."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from loopwright.core.clock import NS_PER_S


def _local(t_ns: int, zone: str) -> datetime:
    return datetime.fromtimestamp(t_ns // NS_PER_S, UTC).astimezone(ZoneInfo(zone))


def moment(t_ns: int | None, zone: str = "UTC") -> str:
    """21 Nov 2026, 20:17 in the plant's zone; a dash for no time."""
    return _local(t_ns, zone).strftime("%-d %b %Y, %H:%M") if t_ns else "–"


def day(t_ns: int | None, zone: str = "UTC") -> str:
    """21 Nov 2026."""
    return _local(t_ns, zone).strftime("%-d %b %Y") if t_ns else "–"


def clock_time(t_ns: int | None, zone: str = "UTC", seconds: bool = True) -> str:
    """20:17:50."""
    return _local(t_ns, zone).strftime("%H:%M:%S" if seconds else "%H:%M") if t_ns else "–"


def ago(t_ns: int | None, now_ns: int, zone: str = "UTC") -> str:
    """'just now', '4 min ago', 'in 3 h': how far t_ns is from now_ns; beyond three weeks the day."""
    if not t_ns:
        return "never"
    gap_s = (now_ns - t_ns) / NS_PER_S
    size = abs(gap_s)
    if size > FAR_S:
        return f"on {day(t_ns, zone)}"
    if size < 5:
        return "just now"
    for unit_s, word in ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")):
        if size >= unit_s:
            text = f"{int(size // unit_s)} {word}"
            return f"{text} ago" if gap_s > 0 else f"in {text}"
    return "just now"


FAR_S = 21 * 86_400.0
_STEPS_S = (
    1,
    2,
    5,
    10,
    15,
    30,
    60,
    120,
    300,
    600,
    900,
    1800,
    3600,
    7200,
    10_800,
    21_600,
    43_200,
    86_400,
    172_800,
    604_800,
)


def ticks(start_ns: int, end_ns: int, count: int = 6, zone: str = "UTC") -> list[tuple[int, str]]:
    """About `count` round local times between start and end, with their labels."""
    span_s = max(1e-9, (end_ns - start_ns) / NS_PER_S)
    step_s = next((step for step in _STEPS_S if span_s / step <= count), None) or 86_400 * max(
        1, round(span_s / 86_400 / count)
    )
    shift = _local(start_ns, zone).utcoffset()
    shift_s = int(shift.total_seconds()) if shift else 0
    first_s = -(-(start_ns // NS_PER_S + shift_s) // step_s) * step_s - shift_s
    out = []
    t_s = first_s
    while t_s * NS_PER_S <= end_ns:
        local = _local(t_s * NS_PER_S, zone)
        if step_s >= 86_400 or (local.hour == local.minute == local.second == 0 and span_s > 43_200):
            label = local.strftime("%-d %b")
        else:
            label = local.strftime("%H:%M:%S" if step_s < 60 else "%H:%M")
        if t_s * NS_PER_S >= start_ns:
            out.append((t_s * NS_PER_S, label))
        t_s += step_s
    return out
