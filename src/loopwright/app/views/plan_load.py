"""How busy each machine is day by day, and how late each order: from the columns of `views.plan_chart`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from loopwright.core.clock import NS_PER_S
from loopwright.make.shop import merged

MOST_PERIODS = 28
Interval = tuple[int, int]


def load(data: Mapping[str, Any], zone: str) -> dict[str, Any]:
    """{periods: [{start_s, end_s, day, days}], rows: [{machine, cells, total}]}; cells are {work_s, setup_s, closed_s,
    open_s, share}, one a period.

    A period is a day of the plant's zone, or as many days as it takes that there are 28 periods at most; the first and
    last are cut where the plan begins and ends. open_s is the time that is not closed, share is (work + setup) / open;
    None where nothing is open.
    """
    periods = _periods(data, zone)
    work: list[list[Interval]] = [[] for _ in data["machines"]]
    setup: list[list[Interval]] = [[] for _ in data["machines"]]
    closed: list[list[Interval]] = [[] for _ in data["machines"]]
    slots = data["slots"]
    for n, start, end, ready in zip(slots["machine"], slots["start"], slots["end"], slots["setup"], strict=True):
        work[n].append((start, end))
        if ready:
            setup[n].append((start - ready, start))
    for n, start, end, _, _ in data["closed"]:
        closed[n].append((start, end))
    rows = []
    for n, machine in enumerate(data["machines"]):
        parts = [_within(merged(one[n]), periods) for one in (work, setup, closed)]
        cells = [_cell(w, s, c, p["end_s"] - p["start_s"]) for w, s, c, p in zip(*parts, periods, strict=True)]
        work_s, setup_s, closed_s = (sum(part) for part in parts)
        total = _cell(work_s, setup_s, closed_s, sum(p["end_s"] - p["start_s"] for p in periods))
        rows.append({"machine": machine, "cells": cells, "total": total})
    return {"periods": periods, "rows": rows}


def _cell(work_s: int, setup_s: int, closed_s: int, span_s: int) -> dict[str, Any]:
    """Work that runs on into closed time counts as open time."""
    open_s = max(span_s - closed_s, min(span_s, work_s + setup_s))
    share = (work_s + setup_s) / open_s if open_s else None
    return {"work_s": work_s, "setup_s": setup_s, "closed_s": span_s - open_s, "open_s": open_s, "share": share}


def _periods(data: Mapping[str, Any], zone: str) -> list[dict[str, Any]]:
    origin_s, local = data["origin_ns"] // NS_PER_S, ZoneInfo(zone)
    at = [datetime.fromtimestamp(origin_s + data[name], UTC).astimezone(local) for name in ("start_s", "end_s")]
    days = (at[1].date() - at[0].date()).days + 1
    each, out, day = -(-days // MOST_PERIODS), [], at[0].date()
    while day <= at[1].date():
        after = day + timedelta(days=each)
        first, last = (int(datetime(d.year, d.month, d.day, tzinfo=local).timestamp()) - origin_s for d in (day, after))
        start_s, end_s = max(first, data["start_s"]), min(last, data["end_s"])
        if start_s < end_s:
            out.append({"start_s": start_s, "end_s": end_s, "day": day.isoformat(), "days": each})
        day = after
    return out


def _within(intervals: Iterable[Interval], periods: Sequence[Mapping[str, Any]]) -> list[int]:
    """Seconds of sorted intervals in each period."""
    out, at = [0] * len(periods), 0
    for start, end in intervals:
        while at < len(periods) and periods[at]["end_s"] <= start:
            at += 1
        n = at
        while n < len(periods) and periods[n]["start_s"] < end:
            out[n] += max(0, min(end, periods[n]["end_s"]) - max(start, periods[n]["start_s"]))
            n += 1
    return out


def lateness(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """[{order, due_s, end_s, late_s, why}] of orders with a due date, the latest first; late_s is negative for early;
    why: the longest wait of a late one."""
    why = data.get("reasons", {})
    rows = [{"order": order, "due_s": due, "end_s": end, "late_s": end - due, "why": why.get(order, "")}
            for order, due, end in zip(data["orders"], data["due"], data["ends"], strict=True) if due is not None]
    return sorted(rows, key=lambda row: (-row["late_s"], row["order"]))
