"""How much the alarms ask of people: rates, floods, the most frequent, chattering, fleeting and stale alarms.

    found = figures(occurrences(events), start_ns, end_ns)
    found["flood_share"], found["most_frequent"], found["limits"]

Only what was shown counts: an alarm that was shelved, suppressed or out of service asked nothing of anybody.
Source of the limits: ANSI/ISA-18.2-2016, clause 16 (recommended performance metrics), which took them from EEMUA
publication 191, 'Alarm systems: a guide to design, management and procurement'; both give them per operator and over
30 days at least.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError
from loopwright.core.types import Event
from loopwright.serve.watch.life import HUSHES, PRIORITIES, Book, key_of, when

TEN_MIN_NS, HOUR_NS, DAY_NS = 600 * NS_PER_S, 3600 * NS_PER_S, 86_400 * NS_PER_S
FLOOD_BEGINS, FLOOD_ENDS = 10, 5  # alarms in ten minutes an operator: more than, fewer than
CHATTER_TIMES, CHATTER_NS = 3, 60 * NS_PER_S  # so often in so long
FLEETING_NS = 10 * NS_PER_S  # gone by itself so soon: nobody could have done anything (our number)
STALE_S = 86_400.0
TOP = 10
ENOUGH = 100  # alarms; of fewer, ten are most of them whatever they are (our number)
# figure -> (acceptable, manageable at most, words); ISA-18.2 gives one number where both are the same
LIMITS: dict[str, tuple[float, float, str]] = {
    "per_day": (150, 300, "alarms a day and operator"),
    "per_hour": (6, 12, "alarms an hour and operator, on average"),
    "per_10_min": (1, 2, "alarms in ten minutes and operator, on average"),
    "most_in_10_min": (10, 10, "most alarms in any ten minutes, per operator"),
    "hours_above_30": (0.01, 0.01, "share of hours with more than 30 alarms"),
    "ten_min_above_10": (0.01, 0.01, "share of ten-minute periods with more than 10 alarms"),
    "flood_share": (0.01, 0.01, "share of the time in an alarm flood"),
    "top_share": (0.01, 0.05, "share of the ten most frequent alarms"),
    "chattering": (0, 0, "chattering alarms"),
    "fleeting": (0, 0, "fleeting alarms"),
    "stale": (4, 4, "stale alarms: fewer than 5 on any day"),
}
SHARES = {"low": 0.80, "medium": 0.15, "high": 0.05}  # of the priorities, about


@dataclass(frozen=True)
class Occurrence:
    """One time that an alarm was shown.

    shown_ns, cleared_ns  by the plant's time, which may have passed faster than people's (None: it stands)
    hushed                whether it went out of sight while it still held
    known_ns, seen_ns     by people's time: when anybody could know of it (None: then, too), and when somebody saw it
    """

    id: str
    key: str
    priority: str
    shown_ns: int
    cleared_ns: int | None = None
    seen_ns: int | None = None
    known_ns: int | None = None
    hushed: bool = False

    @property
    def waits_ns(self) -> int:
        """Since when it waits for a person."""
        return self.shown_ns if self.known_ns is None else self.known_ns


def occurrences(events: Iterable[Event]) -> list[Occurrence]:
    """Every time that an alarm was shown, in order: raised in sight, or let out while its cause still held."""
    book = Book({})
    found: list[Occurrence] = []
    last: dict[str, int] = {}  # id of an alarm -> its place in `found`
    for event in events:
        if event.kind == "alarm.raised":
            key = key_of(str(event.body["condition"]), str(event.body["thing"]))
            if key in book.alarms:
                _over(found, last, book.alarms[key].id, event.t_ns)
            book.apply(event)
            if not book.hidden(key):
                _begin(found, last, book, key, event)
        elif event.kind in HUSHES:
            before = _in_sight(book)
            book.apply(event)
            after = _in_sight(book)
            for key in before.keys() - after.keys():
                _over(found, last, before[key], event.t_ns, hushed=True)
            for key in sorted(after.keys() - before.keys()):
                _begin(found, last, book, key, event)
        else:
            if event.kind == "alarm.acknowledged" and event.about in last and found[last[event.about]].seen_ns is None:
                found[last[event.about]] = replace(found[last[event.about]], seen_ns=when(event))
            elif event.kind == "alarm.cleared":
                _over(found, last, event.about, event.t_ns)
            book.apply(event)
    return found


def _in_sight(book: Book) -> dict[str, str]:
    return {key: alarm.id for key, alarm in book.alarms.items() if not book.hidden(key)}


def _begin(found: list[Occurrence], last: dict[str, int], book: Book, key: str, event: Event) -> None:
    alarm = book.alarms[key]
    last[alarm.id] = len(found)
    found.append(Occurrence(alarm.id, key, alarm.usual, event.t_ns, known_ns=when(event)))


def _over(found: list[Occurrence], last: dict[str, int], id_: str, at_ns: int, *, hushed: bool = False) -> None:
    """It is gone, or out of sight."""
    if id_ in last and found[last[id_]].cleared_ns is None:
        found[last[id_]] = replace(found[last[id_]], cleared_ns=at_ns, hushed=hushed)


def figures(
    shown: Sequence[Occurrence], start_ns: int, end_ns: int, operators: int = 1, stale_s: float = STALE_S
) -> dict[str, Any]:
    """What the alarms asked of `operators` people who watch at the same time, in start_ns <= t < end_ns.

    stale_s  an alarm that stands for longer is stale
    returns  the figures of LIMITS, floods [{start_ns, end_ns, alarms, most}], most_frequent, chattering_alarms,
             fleeting_alarms [{alarm, times, share}], stale_alarms [{alarm, id, shown_ns, stands_s}], priorities
             (shares), seen_after_s (median and 90 % of the time until they were acknowledged), and verdicts: figure ->
             {value, acceptable, manageable, says, verdict: one of 'acceptable', 'manageable', 'too many',
             'too few to say'}
    """
    if end_ns <= start_ns or operators < 1:
        raise InputError("alarm figures", f"{(end_ns - start_ns) / NS_PER_S:g} s, {operators} operators",
                         "a time that ends after it begins, one operator or more")
    inside = [one for one in shown if start_ns <= one.shown_ns < end_ns]
    t_ns = np.sort(np.array([one.shown_ns for one in inside], np.int64))
    floods = _floods(t_ns, end_ns, operators)
    most = _counted(Counter(one.key for one in inside), len(inside))
    chatters, fleeting = _chatters(inside), _fleeting(inside)
    stale = _stale(shown, end_ns, stale_s)
    found: dict[str, Any] = {
        "alarms": len(inside), "operators": operators, "start_ns": start_ns, "end_ns": end_ns,
        **_rates(t_ns, start_ns, end_ns, operators),
        "flood_share": sum(one["end_ns"] - one["start_ns"] for one in floods) / (end_ns - start_ns),
        "top_share": sum(one["share"] for one in most[:TOP]),
        "chattering": len(chatters), "fleeting": len(fleeting), "stale": len(stale),
        "floods": floods, "most_frequent": most[:TOP], "chattering_alarms": _counted(chatters, len(inside)),
        "fleeting_alarms": _counted(fleeting, len(inside)), "stale_alarms": stale,
        "priorities": {p: sum(one.priority == p for one in inside) / max(len(inside), 1) for p in PRIORITIES},
        "seen_after_s": _seen_after(inside),
    }
    return {**found, "verdicts": {name: _verdict(name, found[name], len(inside)) for name in LIMITS}}


def _rates(t_ns: Any, start_ns: int, end_ns: int, operators: int) -> dict[str, float]:
    each = len(t_ns) / operators / (end_ns - start_ns)
    before = np.arange(1, len(t_ns) + 1) - np.searchsorted(t_ns, t_ns - TEN_MIN_NS, side="right")

    def share_above(period_ns: int, most: int) -> float:
        counts = np.bincount((t_ns - start_ns) // period_ns, minlength=1)
        return float((counts > most * operators).sum() / -((start_ns - end_ns) // period_ns))

    return {
        "per_day": each * DAY_NS, "per_hour": each * HOUR_NS, "per_10_min": each * TEN_MIN_NS,
        "most_in_10_min": float(before.max(initial=0)) / operators,
        "hours_above_30": share_above(HOUR_NS, 30), "ten_min_above_10": share_above(TEN_MIN_NS, 10),
    }


def _floods(t_ns: Any, end_ns: int, operators: int) -> list[dict[str, int]]:
    """A flood begins with the alarm that makes it more than ten in the ten minutes before, and ends when there are
    fewer than five in them; times (n,) sorted. What comes and what is ten minutes old at one instant count together."""
    came = Counter(int(t) for t in t_ns)
    moments = sorted({*came, *(t + TEN_MIN_NS for t in came if t + TEN_MIN_NS < end_ns)})
    floods: list[dict[str, int]] = []
    count, going_on = 0, False
    for at_ns in moments:
        count += came[at_ns] - came[at_ns - TEN_MIN_NS]
        if not going_on and count > FLOOD_BEGINS * operators:
            going_on = True
            floods.append({"start_ns": at_ns, "end_ns": end_ns, "alarms": count - came[at_ns], "most": count})
        elif going_on and count < FLOOD_ENDS * operators:
            going_on = False
            floods[-1]["end_ns"] = at_ns
        if going_on:
            floods[-1]["alarms"] += came[at_ns]
            floods[-1]["most"] = max(floods[-1]["most"], count)
    return floods


def _chatters(shown: Sequence[Occurrence]) -> Counter[str]:
    """Alarms that came three times or more in a minute: key -> how often they came in all."""
    times: dict[str, list[int]] = {}
    for one in shown:
        times.setdefault(one.key, []).append(one.shown_ns)
    found: Counter[str] = Counter()
    for key, at in times.items():
        t_ns = np.sort(np.array(at, np.int64))
        gaps = t_ns[CHATTER_TIMES - 1:] - t_ns[: len(t_ns) - CHATTER_TIMES + 1]
        if len(t_ns) >= CHATTER_TIMES and gaps.min() <= CHATTER_NS:
            found[key] = len(t_ns)
    return found


def _fleeting(shown: Sequence[Occurrence]) -> Counter[str]:
    """Alarms that were gone within seconds, before anybody saw them: key -> how often."""
    return Counter(
        one.key for one in shown
        if not one.hushed and one.cleared_ns is not None and one.cleared_ns - one.shown_ns < FLEETING_NS
        and (one.seen_ns is None or one.seen_ns - one.waits_ns >= one.cleared_ns - one.shown_ns))


def _stale(shown: Sequence[Occurrence], end_ns: int, stale_s: float) -> list[dict[str, Any]]:
    """Those that stand for longer than stale_s, the oldest first."""
    standing = [one for one in shown if one.cleared_ns is None or one.cleared_ns > end_ns]
    return [
        {"alarm": one.key, "id": one.id, "shown_ns": one.shown_ns, "stands_s": (end_ns - one.waits_ns) / NS_PER_S}
        for one in sorted(standing, key=lambda one: one.waits_ns) if (end_ns - one.waits_ns) / NS_PER_S > stale_s
    ]


def _seen_after(shown: Sequence[Occurrence]) -> dict[str, float | None]:
    waited = [(one.seen_ns - one.waits_ns) / NS_PER_S for one in shown if one.seen_ns is not None]
    if not waited:
        return {"median": None, "p90": None}
    return {"median": float(np.median(waited)), "p90": float(np.quantile(waited, 0.9))}


def _counted(counts: Counter[str], of: int) -> list[dict[str, Any]]:
    """Rows {alarm, times, share of all}, the most frequent first, of the same number in the order of their names."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [{"alarm": key, "times": times, "share": times / of} for key, times in ordered]


def _verdict(name: str, value: float, alarms: int) -> dict[str, Any]:
    acceptable, manageable, says = LIMITS[name]
    word = "acceptable" if value <= acceptable else "manageable" if value <= manageable else "too many"
    if name == "top_share" and alarms < ENOUGH:
        word = "too few to say"
    return {"value": value, "acceptable": acceptable, "manageable": manageable, "says": says, "verdict": word}
