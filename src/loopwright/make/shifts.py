"""When the shop works: a shift table in the site's own time zone, turned into times that are open or closed.

    shifts = {"mon": ["06:00-14:00", "14:00-22:00"], "tue": ["22:00-06:00"], ...}       a day without entry is closed
    closed_times(shifts, "Europe/Berlin", start_ns, end_ns)     [(start_ns, end_ns), ...]

Wall-clock times are turned into UTC day by day, so a night shift lasts 7 hours when summer time begins and 9 when it
ends. A time that does not exist that night (02:30 in spring) is read with the offset before the change; one that exists
twice is its first (PEP 495, fold = 0).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError, UnknownName
from loopwright.make.shop import merged

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SHIFT = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)")
_DAY_MINUTES = 24 * 60


def open_times(
    shifts: Mapping[str, Sequence[str]], zone: str, start_ns: int, end_ns: int, holidays: Collection[str] = ()
) -> list[tuple[int, int]]:
    """When the shop works between start_ns and end_ns, sorted, shifts that touch made one.

    shifts    day ('mon' .. 'sun') -> shifts 'HH:MM-HH:MM'; one that ends at or before its start ends on the next day
    zone      IANA name: 'Europe/Berlin'
    holidays  dates '2026-12-25' on which no shift begins
    Raises UnknownName for a day or zone that is not there, InputError for a shift or date that cannot be read.
    """
    table = {day: [_minutes(text, day) for text in texts] for day, texts in shifts.items()}
    for name in table:
        if name not in DAYS:
            raise UnknownName("shift table: day", name, DAYS)
    site, off = _zone(zone), {_date(text) for text in holidays}
    day = datetime.fromtimestamp(start_ns / NS_PER_S, site).date() - timedelta(days=1)
    last = datetime.fromtimestamp(end_ns / NS_PER_S, site).date()
    found = []
    while day <= last:
        for begin, end in table.get(DAYS[day.weekday()], []) if day not in off else []:
            found.append((_utc_ns(day, begin, site), _utc_ns(day, end, site)))
        day += timedelta(days=1)
    cut = [(max(a, start_ns), min(b, end_ns)) for a, b in found]
    return merged([(a, b) for a, b in cut if a < b])


def closed_times(
    shifts: Mapping[str, Sequence[str]], zone: str, start_ns: int, end_ns: int, holidays: Collection[str] = ()
) -> list[tuple[int, int]]:
    """When the shop does not work between start_ns and end_ns: what `open_times` leaves; [] without any shifts."""
    if not shifts:
        return []
    edges = [start_ns]
    for begin, end in open_times(shifts, zone, start_ns, end_ns, holidays):
        edges += [begin, end]
    edges.append(end_ns)
    return [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if a < b]


def _minutes(text: str, day: str) -> tuple[int, int]:
    match = _SHIFT.fullmatch(text.strip()) if isinstance(text, str) else None
    if not match:
        raise InputError(f"shift table: {day}", f"{text!r}", "'HH:MM-HH:MM', as in '06:00-14:00'")
    h0, m0, h1, m1 = map(int, match.groups())
    if max(h0, h1) > 24 or max(m0, m1) > 59 or h0 * 60 + m0 >= _DAY_MINUTES or h1 * 60 + m1 > _DAY_MINUTES:
        raise InputError(f"shift table: {day}", f"{text!r}", "times from 00:00 to 24:00")
    begin, end = h0 * 60 + m0, h1 * 60 + m1
    return begin, end if end > begin else end + _DAY_MINUTES


def _utc_ns(day: date, minutes: int, zone: ZoneInfo) -> int:
    """Minutes on the wall clock after midnight of a day -> ns UTC."""
    days, rest = divmod(minutes, _DAY_MINUTES)
    wall = datetime(day.year, day.month, day.day, rest // 60, rest % 60, tzinfo=zone) + timedelta(days=days)
    return int(wall.timestamp()) * NS_PER_S


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InputError("time zone of the site", f"{name!r} is not known", "an IANA name: 'Europe/Berlin'") from error


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except (TypeError, ValueError) as error:
        raise InputError("holidays of the site", f"{text!r}", "a date such as '2026-12-25'") from error


def first_rest(busy: Sequence[tuple[int, int]], start_ns: int, latest_ns: int, long_ns: int) -> int:
    """The first time from start_ns to latest_ns at which so long a rest begins between the busy times [(from, until)].

    Where there is none it is latest_ns: then something else has to give way.
    """
    at_ns = start_ns
    for begin_ns, end_ns in sorted(busy):
        if at_ns + long_ns <= begin_ns:
            break
        at_ns = max(at_ns, end_ns)
    return min(at_ns, latest_ns)
