"""Exports of household electricity meters in Australia, kWh: NEM12, and a retailer's table of one row an interval.

NEM12: a record 200 starts a channel of a meter (NMI, suffix, unit, minutes of an interval), 300 is a day with a value
for each interval, 400 gives the quality of some intervals of the day above. Records 100 and 900 may be missing, and a
spreadsheet may have added commas. Intervals of quality N (null) are missing; estimated and substituted ones are kept.
A retailer's table has the columns NMI, StartDate, ProfileReadValue; a day with its intervals in one row is read where
a column of dates stands before 24, 48, 96 or 288 columns of numbers.
Source: AEMO, Meter Data File Format Specification NEM12 and NEM13, clauses 4.3 to 4.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from loopwright.core.errors import InputError
from loopwright.learn.forecasting.series import DAY_S, SeriesSet, gathered
from loopwright.learn.tables import table_text

NAME = "nem12"
TASKS = ("forecast",)
NEEDS = "NEM12 files (records 200 and 300), or a CSV with the columns NMI, StartDate, ProfileReadValue."
RETAILER = ("NMI", "StartDate", "ProfileReadValue")
A_DAY = (24, 48, 96, 288)  # intervals
TO_KWH = {"WH": 1e-3, "KWH": 1.0, "MWH": 1e3}
Readings = dict[str, tuple[np.ndarray, np.ndarray]]


def _kind(file: Path) -> str:
    """'nem12', 'retailer', 'wide' or ''."""
    head = table_text.header(file)
    if head[:1] in (["100"], ["200"]) and len(head) > 3:
        return "nem12"
    if set(RETAILER) <= set(head):
        return "retailer"
    return "wide" if len(head) > 24 and "NMI" in head and _wide_columns(head) else ""


def recognises(path: Path) -> bool:
    """Whether a meter's export stands here."""
    return any(_kind(file) for file in table_text.tables(path))


def read(path: Path) -> list[SeriesSet]:
    """One set of all meters at the path, one series a channel; its name is the folder's or the file's.

    Meters of another interval than most, and channels without two readings, are left out.
    Raises InputError for records that cannot be read.
    """
    readers = {"nem12": _nem12, "retailer": _retailer, "wide": _wide}
    readings: Readings = {}
    for file in table_text.tables(path):
        if kind := _kind(file):
            for name, found in readers[kind](file).items():
                readings[f"{table_text.stem(file)}/{name}"] = found
    readings = {name: found for name, found in readings.items() if np.isfinite(found[1]).sum() >= 2}
    if not readings:
        raise InputError(str(path), "no meter in it has two readings")
    return [gathered(path.name if path.is_dir() else table_text.stem(path), readings, "kWh")]


def _nem12(file: Path) -> Readings:
    """'<NMI>.<suffix>' -> (t_s, kWh)."""
    days: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    channel, step_s, factor = "", 0.0, 1.0
    with table_text.opened(file) as text:
        for n, line in enumerate(text, 1):
            cells = [cell.strip() for cell in line.rstrip("\r\n").split(",")]
            if cells[0] == "200":
                channel, step_s, factor = _channel(cells, f"{file}, line {n}")
            elif cells[0] == "300":
                days.setdefault(channel, []).append(_day(cells, step_s, factor, f"{file}, line {n}"))
            elif cells[0] == "400" and days.get(channel):
                _quality(cells, days[channel][-1][1])
    return {name: (np.concatenate([t for t, _ in one]), np.concatenate([v for _, v in one]))
            for name, one in days.items()}


def _channel(cells: Sequence[str], where: str) -> tuple[str, float, float]:
    """(name, seconds of an interval, factor to kWh) of a record 200."""
    try:
        name, unit, minutes = f"{cells[1]}.{cells[4] or cells[3]}", cells[7].upper(), float(cells[8])
    except (IndexError, ValueError):
        raise InputError(where, "record 200 is cut off", "200,NMI,..,suffix,..,unit,minutes") from None
    if minutes not in (5.0, 15.0, 30.0, 60.0):
        raise InputError(where, f"intervals of {minutes:g} minutes", "5, 15, 30 or 60")
    return name, minutes * 60.0, TO_KWH.get(unit, 1.0)


def _day(cells: Sequence[str], step_s: float, factor: float, where: str) -> tuple[np.ndarray, np.ndarray]:
    """(t_s, kWh) of a record 300; the quality V says that records 400 follow, N that the day is null."""
    if step_s == 0.0:
        raise InputError(where, "a record 300 stands before any 200")
    count = round(DAY_S / step_s)
    values = table_text.numbers(cells[2:2 + count]) * factor
    if len(values) < count:
        raise InputError(where, f"{len(values)} values", f"{count} for intervals of {step_s / 60:g} minutes")
    if len(cells) > 2 + count and cells[2 + count].startswith("N"):
        values = np.full(count, np.nan)
    return table_text.times_s([cells[1]], where)[0] + np.arange(count) * step_s, values


def _quality(cells: Sequence[str], day: np.ndarray) -> None:
    """Takes out the intervals that a record 400 calls null."""
    try:
        first, last, quality = int(cells[1]), int(cells[2]), cells[3]
    except (IndexError, ValueError):
        return
    if quality.startswith("N"):
        day[max(first - 1, 0):last] = np.nan


def _retailer(file: Path) -> Readings:
    """'<NMI>' or '<NMI>.<register>' -> (t_s, kWh) of a table with one row an interval."""
    head, rows = table_text.rows(file)
    at = {name: head.index(name) for name in (*RETAILER, "RegisterCode") if name in head}
    names = np.asarray([".".join(row[at[c]] for c in ("NMI", "RegisterCode") if c in at) for row in rows])
    t_s = table_text.times_s([row[at["StartDate"]] for row in rows], str(file))
    values = table_text.numbers([row[at["ProfileReadValue"]] for row in rows])
    return {name: (t_s[names == name], values[names == name]) for name in dict.fromkeys(names.tolist())}


def _wide_columns(head: Sequence[str]) -> tuple[int, int, int] | None:
    """(column of the date, first column of values, how many), of a table with a day in one row."""
    dates = [n for n, name in enumerate(head) if "date" in name.lower()]
    firsts = [n for n, name in enumerate(head) if any(ch.isdigit() for ch in name)]
    for n in firsts:
        count = next((k for k in range(len(head) - n) if not any(ch.isdigit() for ch in head[n + k])), len(head) - n)
        if dates and count in A_DAY and dates[0] < n:
            return dates[0], n, count
    return None


def _wide(file: Path) -> Readings:
    """'<NMI>' -> (t_s, kWh) of a table with one row a day."""
    head, rows = table_text.rows(file)
    found = _wide_columns(head)
    if found is None:
        return {}
    date, first, count = found
    names = np.asarray([row[head.index("NMI")] for row in rows])
    start_s = table_text.times_s([row[date] for row in rows], str(file))
    t_s = start_s[:, None] + np.arange(count) * (DAY_S / count)
    values = np.stack([table_text.numbers(row[first:first + count]) for row in rows])
    return {name: (t_s[names == name].ravel(), values[names == name].ravel()) for name in dict.fromkeys(names.tolist())}
