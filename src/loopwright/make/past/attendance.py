"""When people and machines are there, and who can do what, learnt from what they were seen to do.

    there = presence(works, bridge_s=4 * 3600)          resource -> [(start_ns, end_ns)], gaps up to bridge_s closed
    week = learn(works, zone, until_ns)                 the usual week of each resource
    open_times(week, resource, start_ns, end_ns)        when it is expected to be there
    capacity(works, bridge_s=4 * 3600)                  resource -> how many things it had in hand, from when to when
    skills(works)                                       resource -> activity -> how often it was seen at it

A log shows when somebody worked, not when somebody was there: who stood idle for longer than the bridge is taken to
have been away.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError
from loopwright.make.past.work_log import Work, by_resource
from loopwright.make.shop import merged

HOUR_NS = 3_600 * NS_PER_S
WEEK_H = 168
BETTER = 0.05  # of the hours, by which a longer rota must tell more
Times = list[tuple[int, int]]
Capacity = list[tuple[int, int, int]]  # start_ns, end_ns, how many things at once


@dataclass(frozen=True)
class Week:
    """The hours in which each resource is expected, counted from a Monday 00:00 of the zone's clock, over a rota of one
    or more weeks (`rota` says how many) that begins again and again from Monday 5 January 1970.

    again  weeks of the rota -> of the hours of a week, the part that was worked so many weeks before as well
    """

    zone: str
    rota: int
    hours: Mapping[str, frozenset[int]]
    again: Mapping[int, float]


def presence(works: Sequence[Work], bridge_s: float) -> dict[str, Times]:
    """resource -> when it was there: its rows, with gaps of up to bridge_s between them closed."""
    bridge_ns = round(bridge_s * NS_PER_S)
    found = {}
    for name, rows in by_resource(works).items():
        joined: Times = []
        for start, end in merged([(w.start_ns, w.end_ns) for w in rows]):
            if joined and start - joined[-1][1] <= bridge_ns:
                joined[-1] = joined[-1][0], end
            else:
                joined.append((start, end))
        found[name] = [(a, b) for a, b in joined if a < b]
    return found


def learn(
    works: Sequence[Work], zone: str, until_ns: int, bridge_s: float = 4 * 3600.0, rota: int | None = None
) -> Week:
    """The usual weeks of each resource, from the rows completed by until_ns.

    A resource is expected in as many hours of the rota as it was there in the mean rota since it was first seen, and in
    those in which it was seen most often, of equals the last: no threshold to choose. rota: weeks, instead of the
    number up to four after which the same hours are worked most often, or the least that is nearly as good.
    """
    local = _zone(zone)
    known = [w for w in works if w.end_ns <= until_ns]
    there = {name: _hours(times, local) for name, times in presence(known, bridge_s).items() if times}
    again = {weeks: _again(there, weeks) for weeks in (1, 2, 3, 4)}
    weeks = rota or next(c for c in again if again[c] >= max(again.values()) - BETTER)
    last = _hour(until_ns, local)
    hours: dict[str, frozenset[int]] = {}
    for name, seen in there.items():
        if not seen:
            continue
        per_hour = Counter(hour % (weeks * WEEK_H) for hour in seen)
        newest = {hour % (weeks * WEEK_H): hour for hour in sorted(seen)}
        rounds = max(1.0, (last - min(seen)) / (weeks * WEEK_H))
        best = sorted(per_hour, key=lambda h: (-per_hour[h], -newest[h], h))
        hours[name] = frozenset(best[: max(1, round(len(seen) / rounds))])
    return Week(zone, weeks, hours, again)


def _again(there: Mapping[str, set[int]], weeks: int) -> float:
    """Of all hours that were worked and lie so far behind the first, the part that was worked so many weeks before."""
    pairs = [(hour - weeks * WEEK_H in seen) for seen in there.values() for hour in seen
             if hour - weeks * WEEK_H >= min(seen)]
    return sum(pairs) / len(pairs) if pairs else 0.0


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        raise InputError("time zone of the shop", f"{name!r} is not known", "an IANA name: 'Europe/Berlin'") from error


def _hour(t_ns: int, zone: ZoneInfo) -> int:
    """Hours on the zone's clock since Monday 5 January 1970."""
    wall = datetime.fromtimestamp(t_ns // NS_PER_S, UTC).astimezone(zone).replace(tzinfo=None)
    return (wall - datetime(1970, 1, 5)) // timedelta(hours=1)


def _hours(times: Times, zone: ZoneInfo) -> set[int]:
    """The hours of which more than half was there."""
    part: dict[int, int] = defaultdict(int)
    for start, end in times:
        at = start
        while at < end:
            stop = min(end, (at // HOUR_NS + 1) * HOUR_NS)
            part[_hour(at, zone)] += stop - at
            at = stop
    return {key for key, ns in part.items() if 2 * ns > HOUR_NS}


def open_times(week: Week, resource: str, start_ns: int, end_ns: int) -> Times:
    """When a resource is expected between start_ns and end_ns; never, for one that was not seen."""
    hours, zone = week.hours.get(resource, frozenset()), _zone(week.zone)
    found: Times = []
    at = start_ns // HOUR_NS * HOUR_NS
    while at < end_ns and hours:
        if _hour(at, zone) % (week.rota * WEEK_H) in hours:
            if found and found[-1][1] == at:
                found[-1] = found[-1][0], at + HOUR_NS
            else:
                found.append((at, at + HOUR_NS))
        at += HOUR_NS
    return [(max(a, start_ns), min(b, end_ns)) for a, b in found if min(b, end_ns) > max(a, start_ns)]


def closed_times(times: Times, start_ns: int, end_ns: int) -> Times:
    """What `times` leaves between start_ns and end_ns."""
    edges = [start_ns]
    for a, b in times:
        edges += [max(a, start_ns), min(b, end_ns)]
    edges.append(end_ns)
    return [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if a < b]


def skills(works: Sequence[Work]) -> dict[str, Counter[str]]:
    """resource -> activity -> rows in which it was seen at it."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for work in works:
        found[work.resource][work.activity] += 1
    return dict(found)


@dataclass(frozen=True)
class Expected:
    """How well a learnt week told of later weeks, in hours of all resources.

    there_h     in which they were seen; expected_h: in which they were expected; both_h: in both
    """

    there_h: int
    expected_h: int
    both_h: int

    @property
    def hit(self) -> float:
        """Of the hours in which they were there, the part that was expected."""
        return self.both_h / self.there_h if self.there_h else 0.0

    @property
    def right(self) -> float:
        """Of the hours in which they were expected, the part in which they were there."""
        return self.both_h / self.expected_h if self.expected_h else 0.0


def judge(works: Sequence[Work], week: Week, start_ns: int, end_ns: int, bridge_s: float = 4 * 3600.0) -> Expected:
    """A week learnt before start_ns beside what was seen from then to end_ns, over all resources seen in either."""
    zone = _zone(week.zone)
    there = presence([w for w in works if w.end_ns > start_ns and w.start_ns < end_ns], bridge_s)
    seen_h = expected_h = both_h = 0
    for name in set(there) | set(week.hours):
        inside = [(max(a, start_ns), min(b, end_ns)) for a, b in there.get(name, []) if a < end_ns and b > start_ns]
        seen = _hours(inside, zone)
        planned = _hours(open_times(week, name, start_ns, end_ns), zone)
        seen_h, expected_h, both_h = seen_h + len(seen), expected_h + len(planned), both_h + len(seen & planned)
    return Expected(seen_h, expected_h, both_h)


def capacity(works: Sequence[Work], bridge_s: float) -> dict[str, Capacity]:
    """resource -> how many rows it had open, from when to when; one in gaps of up to bridge_s."""
    found = {}
    for name, times in presence(works, bridge_s).items():
        steps: Counter[int] = Counter()
        for work in works:
            if work.resource == name and work.end_ns > work.start_ns:
                steps[work.start_ns] += 1
                steps[work.end_ns] -= 1
        edges = sorted(steps)
        mine: Capacity = []
        depth = 0
        for a, b in zip(edges, [*edges[1:], None], strict=True):
            depth += steps[a]
            if b is not None and (depth or any(s <= a and b <= e for s, e in times)):
                if mine and mine[-1][1:] == (a, max(1, depth)):
                    mine[-1] = mine[-1][0], b, max(1, depth)
                else:
                    mine.append((a, b, max(1, depth)))
        found[name] = mine
    return found


def with_hours(mine: Capacity, hours: Times) -> Capacity:
    """The same, and one thing at once in those hours where it had nothing."""
    if not hours or not mine:
        return mine or [(a, b, 1) for a, b in hours]
    first_ns = min(hours[0][0], *(a for a, _, _ in mine))
    last_ns = max(hours[-1][1], *(b for _, b, _ in mine))
    away = closed_times([(a, b) for a, b, _ in mine], first_ns, last_ns)
    more = [(max(a, x), min(b, y), 1) for a, b in away for x, y in hours if max(a, x) < min(b, y)]
    return sorted([*mine, *more])


def at_once(capacities: Mapping[str, Capacity]) -> dict[str, int]:
    """resource -> how many things it does at once in the mean of the time it is there, rounded, at least 1."""
    found = {}
    for name, mine in capacities.items():
        there = sum(b - a for a, b, _ in mine)
        found[name] = max(1, round(sum((b - a) * n for a, b, n in mine) / there)) if there else 1
    return found
