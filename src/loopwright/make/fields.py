"""The fields of a TOML data file (rules, products), taken one by one, so that every mistake is named with its file."""

from __future__ import annotations

import difflib
import math
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from loopwright.core.errors import InputError, UnknownName
from loopwright.core.units import from_inside, inside_unit, to_inside, unit


class Fields:
    """One table of a data file. Take each field it may have, then call `end`, which refuses what nobody took.

    table  what the file says
    where  file and table, as it stands in every message: 'lie.toml [rule]'
    """

    def __init__(self, table: Any, where: str) -> None:
        if not isinstance(table, Mapping):
            raise InputError(where, f"{table!r} is not a table", "name = value lines under a [heading]")
        self.where = where
        self._table = table
        self._asked: list[str] = []

    def __contains__(self, key: str) -> bool:
        return key in self._table

    def take(self, key: str, default: Any = None) -> Any:
        """The value as it stands; `default` when it is absent (None: it must be there)."""
        self._asked.append(key)
        if key in self._table:
            return self._table[key]
        if default is None:
            near = difflib.get_close_matches(key, [k for k in self._table if k not in self._asked], n=1)
            todo = f"is {near[0]!r} misspelt?" if near else f"add {key} = ..."
            raise InputError(self.where, f"has no {key!r}", "", todo)
        return default

    def text(self, key: str, default: str | None = None) -> str:
        """A string, not empty unless the default is."""
        value = self.take(key, default)
        if not isinstance(value, str) or (not value.strip() and default is None):
            raise InputError(self.where, f"{key} = {value!r}", "a text in quotes that is not empty")
        return value

    def word(self, key: str, allowed: Sequence[str]) -> str:
        """One of the words allowed."""
        value = self.text(key)
        if value not in allowed:
            raise UnknownName(f"{self.where}: {key}", value, allowed)
        return value

    def number(self, key: str, default: float | None = None) -> float:
        """A finite number."""
        value = self.take(key, default)
        return number(value, f"{self.where}: {key}")

    def flag(self, key: str, default: bool | None = None) -> bool:
        """true or false."""
        value = self.take(key, default)
        if not isinstance(value, bool):
            raise InputError(self.where, f"{key} = {value!r}", "true or false")
        return value

    def names(self, key: str) -> tuple[str, ...] | None:
        """A list of texts; None when it is absent."""
        value = self.take(key, ())
        if key not in self._table:
            return None
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            raise InputError(self.where, f"{key} = {value!r}", "a list of texts")
        return tuple(value)

    def rows(self, key: str) -> list[tuple[str, Any]]:
        """The tables of a [[key]] list, each with a 'where' of its own ('lie.toml [[inputs]] 2'); may be absent."""
        value = self.take(key, ())
        if not isinstance(value, (list, tuple)):
            raise InputError(self.where, f"{key} = {value!r}", f"a list of tables, each under [[{key}]]")
        return [(f"{self.where} [[{key}]] {n}", row) for n, row in enumerate(value, 1)]

    def unit(self, key: str) -> str:
        """The name of a unit of the table; UnitError names the nearest."""
        name = self.text(key)
        unit(name, f"{self.where}: {key}")
        return name

    def end(self) -> None:
        """Refuses the fields that nobody took, naming the nearest that there is."""
        for key in self._table:
            if key not in self._asked:
                raise UnknownName(f"{self.where}: field", key, set(self._asked))


def number(value: Any, where: str) -> float:
    """value as a finite float; InputError with `where` when it is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise InputError(where, f"{value!r} is not a number", "a finite number")
    return float(value)


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file; InputError when it is missing, a folder, not UTF-8 or not TOML."""
    if not path.is_file():
        raise InputError(str(path), "is not a file", "a TOML file")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(str(path), f"is not TOML: {error}", "see https://toml.io") from error


def width_to_inside(width: float, name: str) -> float:
    """A difference in `name` -> in the inside unit (no offset: 1 degF wide is 5/9 degC wide)."""
    return width * unit(name).factor


def shown(value: float, people: str) -> str:
    """An inside value in words: '0.79 m (31.1 in)'; one unit only for angles and where both are the same."""
    inside_name = inside_unit(people)
    if people == inside_name or inside_name == "rad":
        return theirs(value, people)
    return f"{plain(value)} {inside_name} ({theirs(value, people)})"


def theirs(value: float, people: str) -> str:
    """An inside value in the unit of its source: '31.1 in'."""
    return f"{plain(from_inside(value, people))} {people}"


def signed(width: float, people: str) -> str:
    """An inside difference in the unit of its source, with its sign: '-0.5 in'."""
    text = plain(width / unit(people).factor)
    return f"{text if text.startswith('-') else '+' + text} {people}"


def within(value: float, low: float, high: float) -> bool:
    """low <= value <= high, with room for the rounding of a conversion (1e-9 of the limit)."""
    return low <= value <= high or math.isclose(value, low, rel_tol=1e-9) or math.isclose(value, high, rel_tol=1e-9)


def plain(value: float) -> str:
    """A number as people write it: four figures, no exponent, no minus zero."""
    if value == 0 or not math.isfinite(value):
        return f"{abs(value):g}"
    digits = max(0, 3 - math.floor(math.log10(abs(value))))
    text = f"{value:.{digits}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def inside(value: float, people: str, where: str) -> float:
    """A number read in the unit of its source -> the inside unit."""
    return to_inside(value, people, where)
