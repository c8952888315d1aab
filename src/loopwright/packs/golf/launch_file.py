"""Reads the export of a launch monitor (Garmin Golf) into rows of numbers in inside units, whatever its language and
units.

Columns are found by their names (launch_words.toml), units by the row under the header ('[km/h]', '[Yards]'), which is
not a shot. An unknown language with the standard 31 or 42 columns and a units row that fits is read by position, and
says so. Without a units row the units are found from the flight of the balls, and marked as assumed.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from loopwright.core.errors import InputError, UnitError
from loopwright.core.units import INSIDE, inside_unit, to_inside
from loopwright.packs.golf.flight import fly, typical_spin_rad_s
from loopwright.packs.golf.sheets import Sheet, read_sheet, to_number

# our word -> quantity of the unit table ('' for a plain number)
NUMBERS = {
    "club_speed": "speed", "attack_angle": "angle", "club_path": "angle", "face_angle": "angle",
    "face_to_path": "angle", "ball_speed": "speed", "smash": "", "launch_angle": "angle", "launch_direction": "angle",
    "back_spin": "angular speed", "side_spin": "angular speed", "spin": "angular speed", "spin_axis": "angle",
    "apex": "length", "carry": "length",
    "carry_deviation_angle": "angle", "carry_deviation": "length", "total": "length", "air_density": "density",
    "air_temperature": "temperature", "air_pressure": "pressure", "humidity": "ratio",
}
_NEEDED = ("date", "ball_speed", "launch_angle", "launch_direction", "carry")
_USUAL = {
    "angle": "deg", "angular speed": "rpm", "density": "g/L", "temperature": "degC", "pressure": "kPa", "ratio": "%",
}
_PAIRS = (("km/h", "m"), ("mph", "yd"), ("m/s", "m"))
_WHAT = "a shot export of the Garmin Golf app (CSV with Date, Club Type, Ball Speed, Carry Distance, ...)"


@dataclass(frozen=True)
class Row:
    """One shot of the file: line number, all cells, the texts and the numbers (inside units) that stood in it."""

    line: int
    cells: tuple[str, ...]
    texts: Mapping[str, str]
    numbers: Mapping[str, float]


@dataclass(frozen=True)
class LaunchFile:
    """The shots of a file, which columns it has, and what had to be said or assumed on the way."""

    sheet: Sheet
    rows: tuple[Row, ...]
    columns: Mapping[str, int]
    notes: tuple[str, ...] = ()
    assumed: Mapping[str, Any] = field(default_factory=dict)
    cut_off: tuple[int, ...] = ()  # lines with another number of cells than the header


def read_launch_file(path: Path) -> LaunchFile:
    """The shots of a file. Raises InputError, UnitError or UnknownName for a file, column or unit that cannot
    be used."""
    sheet = read_sheet(path)
    _not_averages(sheet)
    body = list(sheet.rows)
    units_row = body.pop(0) if _is_units(body[0][1]) else None
    columns, notes = _columns(sheet, units_row[1] if units_row else None)
    if not body:
        raise InputError(str(path), "holds a header and no shot", "at least one shot", "export the session again")
    whole = [(line, cells) for line, cells in body if len(cells) == len(sheet.header)]
    cut_off = tuple(line for line, cells in body if len(cells) != len(sheet.header))
    comma = sheet.separator != ","
    raw = [{name: to_number(cells[i], comma) for name, i in columns.items() if name in NUMBERS} for _, cells in whole]
    assumed: dict[str, Any] = {}
    if units_row:
        units = _units_of_row(sheet, columns, units_row)
    else:
        units = _units_of_flight(sheet, raw)
        assumed["units"] = f"{units['ball_speed']} and {units['carry']}"
        notes.append(f"the file has no units row: {assumed['units']} fits the flight of its balls and is assumed")
    rows = []
    for (line, cells), numbers in zip(whole, raw, strict=True):
        texts = {name: cells[i] for name, i in columns.items() if name not in NUMBERS}
        inside = {
            name: to_inside(value, units[name]) if units[name] else value
            for name, value in numbers.items() if value is not None and np.isfinite(value)}
        rows.append(Row(line, cells, texts, inside))
    return LaunchFile(sheet, tuple(rows), columns, tuple(notes), assumed, cut_off)


@lru_cache(maxsize=1)
def words() -> dict[str, Any]:
    """The table of words of launch_words.toml."""
    with (Path(__file__).parent / "launch_words.toml").open("rb") as file:
        return tomllib.load(file)


def plain(text: str) -> str:
    """A name without case, spaces and signs, so that 'Schl.gsch.' and 'schl gsch' are one."""
    kept = (c for c in unicodedata.normalize("NFC", text).casefold() if unicodedata.category(c)[0] in "LMN")
    return "".join(kept)


def spin_kind(text: str) -> str:
    """'measured', 'estimated', or '' for a word that is not known."""
    for kind, names in words()["spin_kind"].items():
        if plain(text) in {plain(name) for name in names}:
            return str(kind)
    return ""


def club_type(text: str) -> str:
    """The word of the table of clubs: '9 Iron' and 'Eisen 9' -> 'iron 9', 'W1' -> 'driver'; 'not known' otherwise."""
    short = re.fullmatch(r"([WIH])(\d)", text.strip().upper())
    if short:
        text = {"W": "wood", "I": "iron", "H": "hybrid"}[short[1]] + f" {short[2]}"
    name = text.casefold()
    found = [(len(w), kind) for kind, names in words()["clubs"].items() for w in names if re.search(_word(w), name)]
    if not found:
        return "not known"
    kind, number = max(found)[1], re.search(r"\d+", name)
    if kind not in ("wood", "hybrid", "iron"):
        return str(kind)
    if number is None or not 1 <= int(number[0]) <= 9:
        return "not known"
    return "driver" if kind == "wood" and number[0] == "1" else f"{kind} {number[0]}"


def _word(word: str) -> str:
    """Latin words must stand alone; Thai is written without spaces."""
    return rf"(?<![a-z]){re.escape(word)}(?![a-z])" if word.isascii() else re.escape(word)


def _not_averages(sheet: Sheet) -> None:
    names = {plain(name) for name in sheet.header}
    if {"tour", "club"} <= names or {"clubspeedmph", "carryyd"} <= names:
        raise InputError(
            str(sheet.path), "is a table of averages by club, not of shots", _WHAT,
            "such a table checks the ball flight model; import the shots of a session instead")


def _is_units(cells: Sequence[str]) -> bool:
    filled = [cell for cell in cells if cell]
    return len(filled) >= 3 and sum(c.startswith("[") and c.endswith("]") for c in filled) >= 0.6 * len(filled)


def _columns(sheet: Sheet, units_row: Sequence[str] | None) -> tuple[dict[str, int], list[str]]:
    """our word -> index in the row, by name, else by position where the units row proves the layout."""
    names = {plain(name): ours for ours, theirs in words()["columns"].items() for name in theirs}
    found: dict[str, int] = {}
    for index, name in enumerate(sheet.header):
        ours = names.get(plain(name))
        if ours:
            found.setdefault(ours, index)
    missing = [name for name in _NEEDED if name not in found]
    if not missing:
        return found, []
    layout = _layout(len(sheet.header))
    if units_row and layout and len(missing) > 2 and _fits(layout, units_row):
        return layout, [f"the language of the header is not known ({sheet.header[0]!r}): columns are taken by position"]
    english = ", ".join(words()["columns"][name][0] for name in missing)
    has = ", ".join(sheet.header[:8])
    raise InputError(f"{sheet.path} header", f"columns are missing: {english}; it has {has} ...", _WHAT)


def _layout(count: int) -> dict[str, int]:
    """The standard places of 31 columns, or of 42 with brand, two targets and swing times; {} for another count."""
    order = list(words()["columns"])
    if count == 31:
        order.remove("brand")
    elif count == 42:
        at = order.index("note")
        order[at:at] = ["", ""]
    else:
        return {}
    return {name: i for i, name in enumerate(order) if name}


def _fits(layout: Mapping[str, int], units_row: Sequence[str]) -> bool:
    signs = [(units_row[i].strip("[]"), NUMBERS[name]) for name, i in layout.items() if NUMBERS.get(name)]
    return all(_unit(sign) and INSIDE[quantity] == inside_unit(_unit(sign)) for sign, quantity in signs)


def _unit(sign: str) -> str:
    for ours, theirs in words()["units"].items():
        if sign in theirs or sign.casefold() in {name.casefold() for name in theirs}:
            return str(ours)
    return ""


def _units_of_row(sheet: Sheet, columns: Mapping[str, int], row: tuple[int, tuple[str, ...]]) -> dict[str, str]:
    """our word -> unit, from the units row; UnitError for a unit that is not known or of another quantity."""
    line, cells = row
    if len(cells) != len(sheet.header):
        given = f"{len(cells)} units under {len(sheet.header)} columns"
        raise InputError(f"{sheet.path} line {line}", given, "one a column")
    units = {}
    for name, quantity in NUMBERS.items():
        if name not in columns or not quantity:
            units[name] = ""
            continue
        sign = cells[columns[name]].strip("[]").strip()
        ours = _unit(sign)
        if not ours or inside_unit(ours) != INSIDE[quantity]:
            known = [w for u, names in words()["units"].items() if inside_unit(u) == INSIDE[quantity] for w in names]
            title = sheet.header[columns[name]]
            where = f"{sheet.path} line {line}, column {title!r}"
            raise UnitError(where, f"unit [{sign}] is not known there", ", ".join(known))
        units[name] = ours
    return units


def _units_of_flight(sheet: Sheet, raw: Sequence[Mapping[str, float | None]]) -> dict[str, str]:
    """Units under which the balls fly as balls do: the pair of speed and length whose modelled carry fits the
    file's best."""
    wanted = ("ball_speed", "launch_angle", "carry")
    full = np.array([[float(r[n] or 0.0) for n in wanted] for r in raw if all((r.get(n) or 0.0) > 0 for n in wanted)])
    where, todo = f"{sheet.path} line 2", "export it with a units row"
    if len(full) < 3:
        given = "no units row, and fewer than 3 whole shots to find the units from"
        raise InputError(where, given, "[km/h], [deg], [m], ...", todo)
    off = []
    for speed_unit, length_unit in _PAIRS:
        speed = np.array([to_inside(v, speed_unit) for v in full[:, 0]])
        launch = np.radians(full[:, 1])
        flown = fly(np.clip(speed, 1, 110), launch, typical_spin_rad_s(speed, launch)).carry_m
        off.append(abs(np.log(np.median(np.array([to_inside(c, length_unit) for c in full[:, 2]]) / flown))))
    best = int(np.argmin(off))
    if off[best] > 0.2 or sorted(off)[1] < 0.3:
        given = "no units row, and no pair of units under which these balls fly as balls do"
        raise InputError(where, given, "; ".join(f"{s} and {d}" for s, d in _PAIRS), todo)
    units = {name: _USUAL.get(quantity, "") for name, quantity in NUMBERS.items()}
    pair = dict(zip(("speed", "length"), _PAIRS[best], strict=True))
    return {name: pair.get(NUMBERS[name], unit) for name, unit in units.items()}
