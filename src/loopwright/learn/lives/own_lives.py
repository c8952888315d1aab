"""Lives in a table of the user's own: a row a cycle, or rows by the clock and a date of failure for each unit.

    sets, notes = read(path, columns)      one set: seven of ten lives to learn from, three cut to be asked about

By rows: a unit lived until its last row, unless `remaining` says how many cycles it lived on, or `label` is 0: then it
still runs. By the clock (a mapping with `cycle` or `failed_at`): a cycle is `cycle`, else the usual step between rows,
or a five-hundredth of the usual life where that is longer; rows within a cycle are averaged, a cycle without rows is a
gap, and rows after the failure are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from loopwright.core.errors import InputError
from loopwright.learn.lives.units import LifeSet, Unit, cut, remaining
from loopwright.learn.splits import hold_out
from loopwright.learn.tables import own_map
from loopwright.learn.tables.own_map import TIMES, Mapped, Own
from loopwright.learn.tables.own_table import Table, check_answer, check_counter

YES, NO = ("1", "1.0", "true", "yes", "failed"), ("0", "0.0", "false", "no", "censored", "running")
USUAL = 500  # cycles of the usual life, where a cycle may be longer than the step between rows
MOST = 20_000_000  # numbers of one unit: its cycles times its columns
EDGE = 1e-6  # of a cycle: rows that are so close to its end in floating point are at its end
FEWEST, SHARE = 4, 0.3  # lives with a known end; how many of them are asked about


def read(path: Path, columns: Mapped) -> tuple[tuple[LifeSet, ...], tuple[str, ...]]:
    """(one set, notes). Raises InputError for fewer than four lives with a known end, beside what reading refuses.

    LeakError for a column that tells the life left, or counts the rows of the file.
    """
    own = own_map.of(columns)
    if "unit" not in own.columns:
        raise InputError(own.where, "unit not told", "unit for life", own.hint("unit"))
    table = own_map.read(path, own)
    check_counter(table, own.where)
    units, notes = _by_clock(table, own) if own.by_time else (_by_rows(table), ())
    ended = [unit for unit in units if unit.failed and len(unit) > 1]
    if len(ended) < FEWEST:
        raise InputError(str(path), f"{len(ended)} units have a known end and two rows or more", "at least 4: two to "
                         "learn from, two to test on")
    _, apart = hold_out([unit.id for unit in ended], SHARE)
    if len(apart) < 2:
        apart = np.arange(2)
    whole = tuple(ended[i] for i in apart.tolist())
    chosen = {unit.id for unit in whole}
    rng = np.random.default_rng(0)
    test = tuple(cut(unit, int(rng.integers(1, len(unit)))) for unit in units if unit.id in chosen)
    train = tuple(unit for unit in units if unit.id not in chosen)
    running = tuple(unit for unit in units if not unit.failed)
    return (LifeSet(table.name, train, test, table.channels, running=running, whole=whole),), (*table.notes, *notes)


def _settings(table: Table) -> np.ndarray:
    return table.numbers.get("condition", np.zeros((len(table.values), 0)))


def _by_rows(table: Table) -> list[Unit]:
    settings = _settings(table)
    units = [
        Unit(name, np.asarray(table.values[table.rows(u)], np.float64), settings[table.rows(u)], _left(table, u))
        for u, name in enumerate(table.units)
    ]
    if len({len(unit) for unit in units}) > 1:  # of lives of one length the age says what is left
        check_answer(table, np.concatenate([remaining(unit) for unit in units]), monotone=True)
    return units


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


def _by_clock(table: Table, own: Own) -> tuple[list[Unit], tuple[str, ...]]:
    """The units on a grid of cycles, and what was derived or left out."""
    if "time" not in own.columns:
        raise InputError(own.where, "no time is named", "the column of the time: lives by the clock need it")
    told = bool(own.ended) or "failed_at" in own.columns
    ends = own_map.ends(table, own) if told else [_end(table, u) for u in range(len(table.units))]
    cycle_s = own.cycle_s or _cycle_s(table, ends)
    first, last = table.first[:-1], table.first[1:]
    whole_s = [end - float(table.t_s[a]) for end, a in zip(ends, first, strict=True) if end is not None]
    if len(set(whole_s)) > 1:
        failed_s = np.repeat([np.nan if end is None else end for end in ends], last - first)
        check_answer(table, failed_s - table.t_s, monotone=True)
    notes = [f"a cycle is {span(cycle_s)}: lives, errors and estimates are in cycles"]
    settings, late, units = _settings(table), 0, []
    for u, name in enumerate(table.units):
        rows = table.rows(u)
        t_s, end_s = table.t_s[rows], ends[u]
        kept = len(t_s) if end_s is None else int(np.searchsorted(t_s, end_s, side="right"))
        late += len(t_s) - kept
        if not kept:
            raise InputError(f"unit {name!r}", "every row is later than its failure", "rows of before it",
                             "give each life a name of its own")
        left = None if end_s is None else (end_s - float(t_s[kept - 1])) / cycle_s
        both = np.hstack([np.asarray(table.values[rows], np.float64), settings[rows]])[:kept]
        grid = binned(t_s[:kept], both, cycle_s, name)
        width = table.values.shape[1]
        units.append(Unit(name, grid[:, :width], grid[:, width:], left))
    if late:
        notes.append(f"{late:,} rows are later than the failure of their unit and left out")
    return units, tuple(notes)


def _end(table: Table, unit: int) -> float | None:
    """The last row of a unit that had ended by its label, of every unit where there is no label."""
    return None if _left(table, unit) is None else float(table.t_s[table.rows(unit)][-1])


def _cycle_s(table: Table, ends: Sequence[float | None]) -> float:
    steps = np.concatenate([np.diff(table.t_s[table.rows(u)]) for u in range(len(table.units))])
    lives = [end - float(table.t_s[table.rows(u)][0]) for u, end in enumerate(ends) if end is not None]
    step = float(np.median(steps)) if len(steps) else 0.0
    usual = max(step, float(np.median(lives)) / USUAL if lives else 0.0)
    return usual if usual > 0 else 1.0


def binned(t_s: np.ndarray, values: np.ndarray, cycle_s: float, name: str) -> np.ndarray:
    """(K, C) means of the rows in each cycle, NaN where a cycle has none; the last cycle ends with the last row.

    t_s (n,) grows; values (n, C), NaN where missing. Raises InputError for more than MOST numbers.
    """
    back = np.floor((t_s[-1] - t_s) / cycle_s + EDGE).astype(np.int64)
    count = int(back[0]) + 1
    if count * values.shape[1] > MOST:
        given = f"{count:,} cycles of {span(cycle_s)} of {values.shape[1]:,} columns"
        raise InputError(f"unit {name!r}", given, f"at most {MOST:,} numbers", "a longer cycle")
    at = count - 1 - back
    known = np.isfinite(values)
    total, number = np.zeros((count, values.shape[1])), np.zeros((count, values.shape[1]))
    np.add.at(total, at, np.where(known, values, 0.0))
    np.add.at(number, at, known)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)


def span(seconds: float) -> str:
    """'6 h', '1.5 min'."""
    unit = next((name for name in reversed(TIMES) if seconds >= TIMES[name]), "s")
    return f"{seconds / TIMES[unit]:.4g} {unit}"
