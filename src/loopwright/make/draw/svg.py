"""Pieces of a drawing: elements of SVG as text, colours, and an axis of time with round steps.

Colours: M. Okabe and K. Ito, "Color Universal Design", 2008, whose seven hues people with any common colour blindness
tell apart; after seven come the same hues darker, then lighter.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError

OKABE_ITO = ("#56b4e9", "#e69f00", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7")
LATE, EARLY, INK, MUTED, LANE, LINE = "#d55e00", "#0072b2", "#1c2330", "#5b6472", "#f3f4f6", "#d6dae0"
_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
_DAY_S = 86_400
CHAR = 6.3  # pixels of a letter, at most for most
MOST_LANES = 2_000
OTHERS = (("url(#setup)", "setup"), ("url(#blocked)", "blocked"), (LANE, "idle"))
_NO_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
STYLE = (
    f"text{{font:12px system-ui,'Segoe UI',Roboto,sans-serif;fill:{INK}}}"
    f".m{{fill:{MUTED};font-size:11px}}.t{{font-size:15px;font-weight:600}}.l{{fill:#dfe3e8;fill-opacity:.42}}"
    f".h{{stroke:{LINE};stroke-width:1}}.d{{stroke:{MUTED};stroke-width:1}}.s rect{{stroke:#fff;stroke-width:.6}}"
    f".s:hover rect{{stroke:{INK};stroke-width:1.6}}.f rect{{stroke:{INK};stroke-width:1.4}}"
    ".s text{font-size:11px;pointer-events:none}.w text{fill:#fff}"
)


def escaped(text: str) -> str:
    """Text that may stand in an element or in quotes; characters that XML does not have become U+FFFD."""
    text = _NO_XML.sub("\ufffd", text)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def number(value: float) -> str:
    """A coordinate: as short as it can be at a tenth of a pixel."""
    return f"{value:.1f}".removesuffix(".0")


def rect(x: float, y: float, wide: float, tall: float, more: str = "") -> str:
    """A box; more: attributes as text."""
    return f'<rect x="{number(x)}" y="{number(y)}" width="{number(wide)}" height="{number(tall)}"{more}/>'


def words(x: float, y: float, text: str, more: str = "") -> str:
    """A line of text."""
    return f'<text x="{number(x)}" y="{number(y)}"{more}>{escaped(text)}</text>'


def titled(inside: str, title: str, cls: str) -> str:
    """A group that says something when the pointer rests on it."""
    return f'<g class="{cls}"><title>{escaped(title)}</title>{inside}</g>'


def sheet(wide: float, tall: float, title: str, parts: list[str], style: str = "") -> str:
    """A whole drawing: a file of its own, or an element of a page."""
    size = f'width="{number(wide)}" height="{number(tall)}" viewBox="0 0 {number(wide)} {number(tall)}"'
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{escaped(title)}">'
            f"<style>{STYLE}{style}</style>"
            f"<defs>{_hatch('blocked', '#a9b1bc', '#eceef1', 1.2, 8)}{_hatch('setup', '#fff', INK, 2.4, 6)}</defs>")
    return "\n".join([head, rect(0, 0, wide, tall, ' fill="#fff"'), *parts, "</svg>\n"])


def _hatch(name: str, line: str, ground: str, thick: float, step: int) -> str:
    return (f'<pattern id="{name}" width="{step}" height="{step}" patternUnits="userSpaceOnUse" '
            f'patternTransform="rotate(45)"><rect width="{step}" height="{step}" fill="{ground}"/>'
            f'<path d="M0 0V{step}" stroke="{line}" stroke-width="{thick}"/></pattern>')


def colour(n: int) -> str:
    """The n-th colour: 21 that differ, then again from the first."""
    base, tone = OKABE_ITO[n % 7], n // 7 % 3
    if not tone:
        return base
    parts = [int(base[i:i + 2], 16) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(p * 0.6) if tone == 1 else round(p + (255 - p) * 0.55):02x}" for p in parts)


def dark(shade: str) -> bool:
    """Whether white letters are read better on it (relative luminance, WCAG 2)."""
    parts = [int(shade[i:i + 2], 16) / 255 for i in (1, 3, 5)]
    line = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * line[0] + 0.7152 * line[1] + 0.0722 * line[2] < 0.2


def h_min(seconds: float, fine: bool = False) -> str:
    """'1:05' for an hour and five minutes; with seconds when it is not whole minutes, or when asked for."""
    whole = round(abs(seconds))
    sign = "-" if seconds < 0 and whole else ""
    rest = f":{whole % 60:02d}" if fine or whole % 60 else ""
    return f"{sign}{whole // 3600:,}:{whole // 60 % 60:02d}{rest}"


@dataclass(frozen=True)
class Time:
    """Where a second of the plan is drawn, and how it is told.

    zone  IANA name: times of day; '': hours and minutes from the origin
    """

    origin_ns: int
    first_s: int
    last_s: int
    left: float
    wide: float
    zone: str = ""

    def __post_init__(self) -> None:
        if self.zone:
            try:
                ZoneInfo(self.zone)
            except (ZoneInfoNotFoundError, ValueError, OSError) as error:
                raise InputError("time zone of a drawing", repr(self.zone), "an IANA name: 'Europe/Berlin'") from error

    def x(self, at_s: float) -> float:
        return self.left + (at_s - self.first_s) / max(1, self.last_s - self.first_s) * self.wide

    def says(self, at_s: int) -> str:
        """A moment: '0:45', or 'Mon 23 Nov 06:45' in the plan's zone."""
        if not self.zone:
            return h_min(at_s)
        day = self._local(at_s)
        return f"{day:%a} {day.day} {day:%b} {day:%H:%M}" + (f":{day:%S}" if day.second else "")

    def _local(self, at_s: int) -> datetime:
        seconds = self.origin_ns // NS_PER_S + at_s
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).astimezone(ZoneInfo(self.zone))

    def step_s(self) -> int:
        """The round step of the axis: lines stand at least 84 pixels apart."""
        least = (self.last_s - self.first_s) / max(1.0, self.wide / 84)
        found = next((step for step in _STEPS_S if step >= least), None)
        return found or next(_DAY_S * n * 10**k for k in range(12) for n in (2, 5, 10) if _DAY_S * n * 10**k >= least)

    def ticks(self) -> Iterator[tuple[int, str, bool]]:
        """(second, word, whether a day begins there)."""
        step = self.step_s()
        if not self.zone:
            for at_s in range(math.ceil(self.first_s / step) * step, self.last_s + 1, step):
                yield at_s, h_min(at_s, fine=step < 60), False
            return
        day = None
        for at_s in self._round(step):
            local = self._local(at_s)
            word = f"{local:%H:%M:%S}" if step < 60 else f"{local:%H:%M}"
            fresh = local.date() != day
            day = local.date()
            date = f"{local:%a} {local.day} {local:%b}" if fresh else ""
            yield at_s, f"{date} {word}".strip() if step < _DAY_S else date, fresh

    def _round(self, step: int) -> Iterator[int]:
        """Seconds at which the wall clock is round, also on days that have 23 or 25 hours."""
        zone, last, days = ZoneInfo(self.zone), self._local(self.last_s).date(), max(1, step // _DAY_S)
        day = self._local(self.first_s).date()
        day += timedelta(days=-day.toordinal() % days)
        wall = self._local(self.first_s)
        from_s = max(0, wall.hour - 2) * 3600 // step * step if days == 1 else 0  # of the first day
        while day <= last:
            for wall_s in range(from_s, _DAY_S, step):
                local = datetime.combine(day, time(), zone) + timedelta(seconds=wall_s)
                at_s = int(local.timestamp()) - self.origin_ns // NS_PER_S
                if at_s > self.last_s:
                    return
                if self.first_s <= at_s and self._local(at_s).hour == local.hour:
                    yield at_s
            day, from_s = day + timedelta(days=days), 0

    def axis(self, top: float, bottom: float, again: Sequence[float] = ()) -> list[str]:
        """Lines of the axis from top to bottom, words above, and again at those heights."""
        out = []
        for at_s, word, fresh in self.ticks():
            x = number(self.x(at_s))
            out.append(f'<path class="{"d" if fresh else "h"}" d="M{x} {number(top - 5)}V{number(bottom)}"/>')
            anchor = "end" if self.x(at_s) > self.left + self.wide - 30 else "middle"
            for y in (top - 9, *again):
                out.append(words(self.x(at_s), y, word, f' class="m" text-anchor="{anchor}"'))
        return out



def left_of(names: Sequence[str]) -> float:
    """How wide the column of names is."""
    return min(210.0, max(110.0, 24 + CHAR * max((len(name) for name in names), default=0)))


def cut(name: str, left: float) -> str:
    """A name that fits into its column."""
    most = int((left - 20) / CHAR)
    return name if len(name) <= most else name[:most - 1] + "…"


def legend(rows: Sequence[tuple[str, str]], x: float, y: float) -> list[str]:
    """Swatches with words, from left to right. A swatch is a fill, '' for three colours, or '<' and an element of SVG
    on a field of 14 by 12."""
    out = []
    for fill, word in rows:
        if fill.startswith("<"):
            out.append(f'<g transform="translate({number(x)} {number(y)})">{fill}</g>')
        elif fill:
            out.append(rect(x, y, 14, 12, f' fill="{fill}" stroke="{LINE}"'))
        else:
            out += [rect(x + 5 * n, y, 5, 12, f' fill="{colour(n)}"') for n in range(3)]
        out.append(words(x + 20, y + 10.5, word, ' class="m"'))
        x += 34 + CHAR * len(word)
    return out
