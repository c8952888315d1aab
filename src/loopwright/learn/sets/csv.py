"""A table of the user's own, CSV, told by a mapping of its columns, in the shape that each task reads.

    columns = mapping(["unit=engine", "time=cycle", "target=load"])
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
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from loopwright.core.errors import InputError, UnknownName
from loopwright.learn.classing.cases import Cases, ClassSet
from loopwright.learn.forecasting.series import Series, SeriesSet, gathered
from loopwright.learn.lives.units import LifeSet, Unit, cut, remaining
from loopwright.learn.splits import hold_out
from loopwright.learn.tables.own_table import Table, check_answer, read
from loopwright.learn.traps import LeakError

Columns = Mapping[str, tuple[str, ...]]
TASKS = ("life", "forecast", "anomaly", "class")
NEEDS = "one .csv or .csv.gz with a header, and --map"
ROLES = ("unit", "time", "target", "label", "condition", "remaining", "group")
SEVERAL = ("target", "condition")
ANSWERS = ("label", "remaining")
YES, NO = ("1", "1.0", "true", "yes", "failed"), ("0", "0.0", "false", "no", "censored", "running")


def recognises(path: Path) -> bool:
    """Never by itself: a table of one's own needs a mapping."""
    return False


def mapping(pairs: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """['unit=engine', 'target=load,flow'] -> {'unit': ('engine',), 'target': ('load', 'flow')}.

    Raises InputError for what is no such pair or stands twice, UnknownName for a role that is none.
    """
    found: dict[str, tuple[str, ...]] = {}
    for pair in pairs:
        role, equals, names = pair.partition("=")
        role = role.strip()
        columns = tuple(name.strip() for name in names.split(",")) if role in SEVERAL else (names.strip(),)
        if not equals or not all(columns):
            raise InputError("--map", repr(pair), "our word = the file's column: unit=engine")
        if role not in ROLES:
            raise UnknownName("role of a column", role, ROLES)
        if role in found:
            raise InputError("--map", f"{role} is given twice", "each role once; several columns with commas")
        found[role] = columns
    _once(found)
    return found


def _once(columns: Columns) -> None:
    """Raises LeakError where the answer would be learned from, InputError where a column has two roles."""
    roles: dict[str, str] = {}
    for role, names in columns.items():
        for name in names:
            other = roles.setdefault(name, role)
            if other == role:
                continue
            if {role, other} & set(ANSWERS) and {role, other} & set(SEVERAL):
                given = f"{name} is {other} and {role}: it is the answer"
                raise LeakError("--map", given, "", "leave it out of the rest")
            raise InputError("--map", f"{name} is {other} and {role}", "one role for a column")


def series(path: Path, columns: Columns) -> tuple[list[SeriesSet], tuple[str, ...]]:
    """(one set with every target of every unit, notes). Without a time column the rows are a step of 1 s apart.

    Raises InputError as `own_table.read` does, and for a unit of fewer than two times.
    """
    table = read(path, columns)
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


def cases(path: Path, columns: Columns) -> tuple[tuple[ClassSet, ...], tuple[str, ...]]:
    """(one set with a case for each unit, notes). Needs unit and label.

    Raises InputError for a unit with two labels or two groups, beside what `own_table.read` refuses.
    """
    _need(columns, "class", ("unit", "label"))
    table = read(path, columns)
    labels = tuple(_one(table, u, "label") for u in range(len(table.units)))
    _check_codes(table, labels)
    groups = tuple(_one(table, u, "group") for u in range(len(table.units))) if "group" in columns else table.units
    values = tuple(np.asarray(table.values[table.rows(u)], np.float64).T for u in range(len(table.units)))
    rate_hz = None
    if table.timed and len(table.t_s) > 1:
        steps = np.diff(table.t_s)
        step_s = float(np.median(steps[steps > 0])) if (steps > 0).any() else 0.0
        rate_hz = 1.0 / step_s if step_s > 0 else None
    found = Cases(table.units, values, table.channels, rate_hz)
    split = "group" if "group" in columns else "unit"
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


def lives(path: Path, columns: Columns) -> tuple[tuple[LifeSet, ...], tuple[str, ...]]:
    """(one set, notes): seven of ten units to learn from, three cut at a place drawn by chance to be tested on.

    A unit lived until its last row, unless `remaining` says how long it lived on, or `label` is 0: then it still runs.
    A row is one cycle. Raises InputError for fewer than four units with a known end, beside what `own_table.read`
    refuses.
    """
    _need(columns, "life", ("unit",))
    table = read(path, columns)
    settings = table.numbers.get("condition", np.zeros((len(table.values), 0)))
    units = [
        Unit(name, np.asarray(table.values[table.rows(u)], np.float64), settings[table.rows(u)], _left(table, u))
        for u, name in enumerate(table.units)
    ]
    if len({len(unit) for unit in units}) > 1:  # of lives of one length the age says what is left
        check_answer(table, np.concatenate([remaining(unit) for unit in units]))
    ended = [unit for unit in units if unit.failed and len(unit) > 1]
    if len(ended) < 4:
        raise InputError(str(path), f"{len(ended)} units have a known end and two rows or more", "at least 4: two to "
                         "learn from, two to test on")
    _, apart = hold_out([unit.id for unit in ended], 0.3)
    if len(apart) < 2:
        apart = np.arange(2)
    chosen = {ended[i].id for i in apart.tolist()}
    rng = np.random.default_rng(0)
    test = tuple(cut(unit, int(rng.integers(1, len(unit)))) for unit in units if unit.id in chosen)
    train = tuple(unit for unit in units if unit.id not in chosen)
    return (LifeSet(table.name, train, test, table.channels),), table.notes


def _left(table: Table, unit: int) -> float | None:
    """Cycles that a unit lived on after its last row; None where nobody knows."""
    last = table.rows(unit).stop - 1
    if "remaining" in table.numbers:
        value = float(table.numbers["remaining"][last, 0])
        return value if np.isfinite(value) else None
    if "label" not in table.words:
        return 0.0
    word = str(table.words["label"][last]).lower()
    if word not in YES + NO:
        raise InputError(f"unit {table.units[unit]!r}", f"label {word!r}", "1 where its life had ended, 0 where not")
    return 0.0 if word in YES else None


def _need(columns: Columns, task: str, roles: Sequence[str]) -> None:
    missing = [role for role in roles if role not in columns]
    if missing:
        raise InputError("--map", f"{' and '.join(missing)} not told", f"{', '.join(roles)} for {task}",
                         f"--map {missing[0]}=COLUMN")


def told(columns: Columns) -> str:
    """The mapping in words, for messages."""
    return ", ".join(f"{role}={','.join(names)}" for role, names in columns.items())
