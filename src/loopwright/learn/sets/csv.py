"""A table of the user's own, CSV, told by a mapping of its columns, in the shape that each task reads.

    columns = mapping(["unit=engine", "time=cycle", "target=load"])      or own_map.told(["pumps.toml"])
    series(path, columns)     for forecasts: each target of each unit
    lives(path, columns)      for life: a unit is one life
    cases(path, columns)      for classes: a unit is one case

roles  unit       what is held out whole: an engine, a run, a meter (without it the whole file is one)
       time       the order within a unit: a number, or a date and time (without it the order of the rows)
       target     the columns that are forecast, watched or learned from, with commas between (without it every column
                  of numbers that has no other role)
       label      the class of a unit; whether a point is an anomaly (0 or 1); whether a life had ended (0 or 1)
       condition  settings under which it ran, with commas between
       remaining  life left after the row
       group      what stays together in every split: the person of a run (without it the unit)
       failed_at  when the unit failed, empty while it still runs
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from loopwright.core.errors import InputError
from loopwright.learn.classing.cases import Cases, ClassSet
from loopwright.learn.forecasting.series import Series, SeriesSet, gathered
from loopwright.learn.lives.own_lives import read as lives
from loopwright.learn.tables import own_map
from loopwright.learn.tables.own_map import Mapped, Own, mapping
from loopwright.learn.tables.own_table import Table, check_counter
from loopwright.learn.traps import LeakError

__all__ = ["cases", "lives", "mapping", "recognises", "series"]
TASKS = ("life", "forecast", "anomaly", "class")
NEEDS = "one .csv or .csv.gz with a header, and --map (or a TOML file: see the page on evaluating)"


def recognises(path: Path) -> bool:
    """Never by itself: a table of one's own needs a mapping."""
    return False


def series(path: Path, columns: Mapped) -> tuple[list[SeriesSet], tuple[str, ...]]:
    """(one set with every target of every unit, notes). Without a time column the rows are a step of 1 s apart.

    Raises InputError as `own_table.read` does, and for a unit of fewer than two times.
    """
    table = own_map.read(path, own_map.of(columns))
    if not table.timed:
        found = [Series(_named(table, u, name), np.asarray(table.values[table.rows(u), c], np.float64), 0.0, 1.0)
                 for u in range(len(table.units)) for c, name in enumerate(table.channels)]
        return [SeriesSet(table.name, found)], table.notes
    readings = {
        _named(table, u, name): (table.t_s[table.rows(u)], np.asarray(table.values[table.rows(u), c], np.float64))
        for u in range(len(table.units)) for c, name in enumerate(table.channels)
    }
    kept = gathered(table.name, readings, "")
    left = len(readings) - len(kept.series)
    more = (f"{left} series have another step than {kept.step_s:g} s and are left out",) if left else ()
    return [kept], table.notes + more


def _named(table: Table, unit: int, channel: str) -> str:
    return f"{table.units[unit]}/{channel}" if table.units[unit] else channel


def cases(path: Path, columns: Mapped) -> tuple[tuple[ClassSet, ...], tuple[str, ...]]:
    """(one set with a case for each unit, notes). Needs unit and label.

    Raises InputError for a unit with two labels or two groups, beside what `own_table.read` refuses.
    """
    own = own_map.of(columns)
    _need(own, "class", ("unit", "label"))
    table = own_map.read(path, own)
    check_counter(table, own.where)
    labels = tuple(_one(table, u, "label") for u in range(len(table.units)))
    _check_codes(table, labels)
    groups = tuple(_one(table, u, "group") for u in range(len(table.units))) if "group" in own.columns else table.units
    values = tuple(np.asarray(table.values[table.rows(u)], np.float64).T for u in range(len(table.units)))
    rate_hz = None
    if table.timed and len(table.t_s) > 1:
        steps = np.diff(table.t_s)
        step_s = float(np.median(steps[steps > 0])) if (steps > 0).any() else 0.0
        rate_hz = 1.0 / step_s if step_s > 0 else None
    found = Cases(table.units, values, table.channels, rate_hz)
    split = "group" if "group" in own.columns else "unit"
    return (ClassSet(table.name, found, labels, groups, split, notes=table.notes),), table.notes


def _one(table: Table, unit: int, role: str) -> str:
    """The only word of that role that a unit has, '' where it has none."""
    words = sorted({str(word) for word in table.words[role][table.rows(unit)]} - {""})
    if len(words) > 1:
        given = f"{role} is {' and '.join(words[:3])}"
        raise InputError(f"unit {table.units[unit]!r}", given, f"one {role} for all rows of a unit",
                         "map unit to the column that tells runs apart")
    return words[0] if words else ""


def _check_codes(table: Table, labels: Sequence[str]) -> None:
    """Raises LeakError for a column that holds one number for each class, in every row of two units or more of each."""
    counts = [labels.count(label) for label in set(labels) if label]
    if len(counts) < 2 or min(counts) < 2:
        return
    known = [u for u, label in enumerate(labels) if label]
    for c, name in enumerate(table.channels):
        ends = [(float(np.min(x)), float(np.max(x))) for x in (table.values[table.rows(u), c] for u in known)]
        codes = {(labels[u], low) for u, (low, _) in zip(known, ends, strict=True)}
        if all(low == high for low, high in ends) and len({code for _, code in codes}) == len(codes) == len(counts):
            raise LeakError(f"column {name!r}", "it holds one number for each class: it is the answer", "",
                            "name the columns to learn from: --map target=A,B")


def _need(own: Own, task: str, roles: Sequence[str]) -> None:
    missing = [role for role in roles if role not in own.columns]
    if missing:
        raise InputError(own.where, f"{' and '.join(missing)} not told", f"{', '.join(roles)} for {task}",
                         own.hint(missing[0]))
