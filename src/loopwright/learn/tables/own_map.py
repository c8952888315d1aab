"""What the columns of a user's own CSV are: from words on the command line, or from a TOML file.

    own = told(["unit=engine", "target=load,flow"])      pairs: our word = the file's column
    own = told(["pumps.toml"], task="life")              a file, with more than pairs can say
    table = read(path, own)                              `own_table.read`, its times in seconds

The file, every key optional but what the task needs:

    task = "life"                          refused where another task is asked
    unit = "pump"                          a column: what is held out whole
    time = "hour"                          a column: the order within a unit
    time_unit = "h"                        of a time that is a number: ms, s (default), min, h, d
    target = ["vibration", "temperature"]  columns to learn from, to watch or to forecast
    condition = ["speed"]                  settings under which it ran
    label = "fault"                        a column: class, anomaly, or whether a life had ended
    remaining = "left"                     a column: cycles left after the row
    group = "hall"                         a column: what stays together in every split
    failed_at = "failed"                   a column: when the unit failed, empty while it still runs; or a table:
    [failed_at]
    pump-1 = 2026-03-01T10:00:00           a date, a number in time_unit, or "running"
    cycle = "6 h"                          what one cycle of a life lasts; rows within one are averaged
    [units]
    vibration = "mm/s"                     what a column is measured in, one of core.units; is printed under the table
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np

from loopwright.core import units
from loopwright.core.errors import InputError, UnknownName
from loopwright.learn.tables import own_table
from loopwright.learn.traps import LeakError

ROLES = ("unit", "time", "target", "label", "condition", "remaining", "group", "failed_at")
SEVERAL = ("target", "condition")
ANSWERS = ("label", "remaining", "failed_at")
TIMES = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}
KEYS = ("task", *ROLES, "time_unit", "cycle", "units")
RUNNING = ("running", "")
_SPAN = re.compile(r"\s*([0-9.]+(?:[eE][+-]?[0-9]+)?)\s*([a-z]+)\s*")


@dataclass(frozen=True)
class Own:
    """What the columns of a CSV are.

    columns   role -> the file's columns
    where     what messages begin with: '--map', or the file
    time_s    seconds of one step of a time that is a number
    cycle_s   what one cycle of a life lasts; None: the usual step between rows
    ended     unit -> when it failed, seconds as the time column's; None: it still runs
    measures  column -> unit of measure
    """

    columns: Mapping[str, tuple[str, ...]]
    where: str = "--map"
    time_s: float = 1.0
    cycle_s: float | None = None
    ended: Mapping[str, float | None] = field(default_factory=dict)
    measures: Mapping[str, str] = field(default_factory=dict)

    def hint(self, role: str) -> str:
        """How that role is told: on the command line, or in the file."""
        return f"--map {role}=COLUMN" if self.where == "--map" else f'{role} = "COLUMN"'

    @property
    def by_time(self) -> bool:
        """Whether lives are told by the clock and not by counting rows."""
        return bool(self.ended) or self.cycle_s is not None or "failed_at" in self.columns


Mapped = Own | Mapping[str, tuple[str, ...]]


def of(columns: Mapped) -> Own:
    """The same, of roles alone too."""
    return columns if isinstance(columns, Own) else Own(columns)


def told(words: Sequence[str], task: str = "") -> Own:
    """Of pairs, or of one TOML file. Raises InputError that names line and key, UnknownName for a word of none."""
    files = [word for word in words if "=" not in word and Path(word).suffix.lower() == ".toml"]
    if not files:
        return Own(mapping(words))
    if len(words) > 1:
        raise InputError("--map", f"{len(words)} words beside {files[0]}",
                         "one TOML file, or pairs such as unit=engine")
    return from_toml(Path(files[0]), task)


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
            raise InputError("--map", repr(pair), "our word = the file's column: unit=engine; or a file: pumps.toml")
        if role not in ROLES:
            raise UnknownName("role of a column", role, ROLES)
        if role in found:
            raise InputError("--map", f"{role} is given twice", "each role once; several columns with commas")
        found[role] = columns
    _once(found, "--map")
    return found


def _once(columns: Mapping[str, tuple[str, ...]], where: str) -> None:
    """Raises LeakError where the answer would be learned from, InputError where a column has two roles."""
    roles: dict[str, str] = {}
    for role, names in columns.items():
        for name in names:
            other = roles.setdefault(name, role)
            if other == role:
                continue
            if {role, other} & set(ANSWERS) and {role, other} & set(SEVERAL):
                given = f"{name} is {other} and {role}: it is the answer"
                raise LeakError(where, given, "", "leave it out of the rest")
            raise InputError(where, f"{name} is {other} and {role}", "one role for a column")


def from_toml(file: Path, task: str = "") -> Own:
    """The mapping of a TOML file; `task` is what was asked. Raises as `told` does."""
    try:
        text = file.read_text("utf-8-sig")
        given = tomllib.loads(text)
    except OSError as error:
        raise InputError(str(file), f"it cannot be read ({error.strerror})", "a TOML file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(str(file), f"it is not TOML: {error}", 'lines such as unit = "pump"') from error

    def at(key: str) -> str:
        return _place(file, text, key)

    for key in given:
        if key not in KEYS:
            raise UnknownName(f"{at(key)}: key", key, KEYS)
    if task and given.get("task", task) != task:
        raise InputError(at("task"), f"it is for {given['task']!r}", f"{task!r}, as was asked", "name another file")
    columns = {role: _columns(given[role], role, at(role)) for role in ROLES
               if role in given and not isinstance(given[role], dict)}
    _once(columns, str(file))
    for role in ROLES:
        if isinstance(given.get(role), dict) and role != "failed_at":
            raise InputError(at(role), "it is a table", "the name of a column")
    time_s = _time_s(given.get("time_unit", "s"), at("time_unit"))
    ends = given["failed_at"] if isinstance(given.get("failed_at"), dict) else {}
    if (ends or "failed_at" in columns or "cycle" in given) and "time" not in columns:
        raise InputError(str(file), "no time is named", 'time = "COLUMN": lives by the clock need it')
    return Own(
        columns, str(file), time_s, _span_s(given["cycle"], at("cycle")) if "cycle" in given else None,
        {unit: moment_s(when, time_s, at(unit)) for unit, when in ends.items()},
        _measures(given.get("units", {}), at),
    )


def _place(file: Path, text: str, key: str) -> str:
    """'pumps.toml, line 3, key unit'."""
    wanted = re.compile(rf"""\s*\[?\s*["']?{re.escape(key)}["']?\s*[=\].]""")
    line = next((n for n, line in enumerate(text.splitlines(), 1) if wanted.match(line)), None)
    return f"{file}, line {line}, key {key}" if line else f"{file}, key {key}"


def _columns(given: Any, role: str, where: str) -> tuple[str, ...]:
    several = role in SEVERAL
    names = given if isinstance(given, list) and several else [given]
    if not names or not all(isinstance(name, str) and name.strip() for name in names):
        allowed = 'names of columns: ["vibration", "temperature"]' if several else 'the name of a column: "pump"'
        raise InputError(where, repr(given)[:60], allowed)
    return tuple(dict.fromkeys(name.strip() for name in names))


def _time_s(given: Any, where: str) -> float:
    if not isinstance(given, str) or given not in TIMES:
        raise InputError(where, repr(given)[:60], ", ".join(TIMES))
    return TIMES[given]


def _span_s(given: Any, where: str) -> float:
    """Seconds of '6 h'."""
    found = _SPAN.fullmatch(given) if isinstance(given, str) else None
    if found is None or found[2] not in TIMES or not _positive(found[1]):
        raise InputError(where, repr(given)[:60], f'a number and one of {", ".join(TIMES)}: "6 h"')
    return float(found[1]) * TIMES[found[2]]


def _positive(text: str) -> bool:
    try:
        return 0 < float(text) < 1e12
    except ValueError:
        return False


def _measures(given: Any, at: Any) -> dict[str, str]:
    if not isinstance(given, dict):
        raise InputError(at("units"), repr(given)[:60], 'a table: [units], then vibration = "mm/s"')
    for column, name in given.items():
        units.unit(name if isinstance(name, str) else repr(name), at(column))
    return dict(given)


def moment_s(given: Any, time_s: float, where: str) -> float | None:
    """Seconds of a date, of a text with one, or of a number in the time column's unit; None for 'running' and ''."""
    if isinstance(given, str) and given.strip().lower() in RUNNING:
        return None
    if isinstance(given, datetime):
        return (given if given.tzinfo else given.replace(tzinfo=UTC)).timestamp()
    if isinstance(given, date):
        return datetime(given.year, given.month, given.day, tzinfo=UTC).timestamp()
    if isinstance(given, (int, float)) and not isinstance(given, bool) and abs(given) < own_table.LARGEST:
        return float(given) * time_s
    if isinstance(given, str):
        try:
            return float(given) * time_s
        except ValueError:
            found = own_table.date_s(given)
            if np.isfinite(found):
                return found
    raise InputError(where, repr(given)[:60], 'a date (2026-03-01T10:00:00), a number in time_unit, or "running"')


def read(path: Path, own: Own) -> own_table.Table:
    """The file's table, times in seconds, with a note of what columns are measured in. As `own_table.read`."""
    table = own_table.read(path, own.columns)
    missing = [name for name in own.measures if name not in own_table.columns_of(path)]
    if missing:
        raise InputError(f"{own.where}, [units]", f"{path.name} has no column {missing[0]!r}", "columns of the file")
    said = [f"{name} in {measure}" for name, measure in own.measures.items() if name in table.channels]
    notes = (*table.notes, *((", ".join(said),) if said else ()), *_copies(table))
    scaled = table.t_s * own.time_s if table.timed and not table.dated else table.t_s
    return replace(table, t_s=scaled, notes=notes)


def _copies(table: own_table.Table) -> tuple[str, ...]:
    """A note where units say the same, row for row, and move: they count twice, and nobody can split them apart."""
    seen: dict[bytes, str] = {}
    twins = []
    for u, name in enumerate(table.units):
        values = np.ascontiguousarray(table.values[table.rows(u)])
        high, low = np.nanmax(values, axis=0, initial=-np.inf), np.nanmin(values, axis=0, initial=np.inf)
        if len(values) < 3 or not (high > low).any():
            continue
        twin = seen.setdefault(hashlib.blake2b(values.tobytes(), digest_size=16).digest(), name)
        if twin != name:
            twins.append(f"{name} as {twin}")
    return (f"units say the same, row for row, and count twice: {', '.join(twins[:5])}",) if twins else ()


def ends(table: own_table.Table, own: Own) -> list[float | None]:
    """(U,) when each unit failed, seconds as its times are; None while it runs.

    Raises InputError for a unit with two ends, a unit that the file's table does not name, or one that is not in it.
    """
    if "failed_at" not in own.columns:
        strange = [name for name in own.ended if name not in table.units]
        if strange:
            raise UnknownName(f"{own.where}, [failed_at]: unit", strange[0], table.units)
        untold = [name for name in table.units if name not in own.ended]
        if untold:
            raise InputError(f"{own.where}, [failed_at]", f"unit {untold[0]!r} is not there",
                             'a date for each unit of the file, "running" for one that still runs')
        return [own.ended[name] for name in table.units]
    found = []
    for u, name in enumerate(table.units):
        words = sorted({str(word) for word in table.words["failed_at"][table.rows(u)]} - {""})
        if len(words) > 1:
            given = f"{own.columns['failed_at'][0]} is {' and '.join(words[:3])}"
            raise InputError(f"unit {name!r}", given, "one failure a unit", "give each life a name of its own")
        found.append(moment_s(words[0] if words else "", own.time_s, f"unit {name!r}"))
    return found
