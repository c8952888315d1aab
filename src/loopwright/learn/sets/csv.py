"""A table of the user's own, CSV, told by a mapping of its columns.

    columns = mapping(["unit=engine", "time=cycle", "target=load"])

roles  unit       what is held out whole: an engine, a run, a person (without it the whole file is one)
       time       the order within a unit: a number, or a date and time (without it the order of the rows)
       target     the columns that are forecast or watched, with commas between; all numbers that have no other role
                  when it is not given
       label      the class of a unit, or whether a point is an anomaly (0 or 1)
       condition  settings under which it ran, with commas between
       remaining  life left after the last row of a unit
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from loopwright.core.errors import InputError, UnknownName

TASKS = ("life", "forecast", "anomaly", "class")
NEEDS = "one .csv or .csv.gz with a header, and --map"
ROLES = ("unit", "time", "target", "label", "condition", "remaining")
SEVERAL = ("target", "condition")


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
    return found


def told(columns: Mapping[str, tuple[str, ...]]) -> str:
    """The mapping in words, for messages."""
    return ", ".join(f"{role}={','.join(names)}" for role, names in columns.items())
