"""Body measures of persons from a file: the public ANSUR II tables (mm), or a simple table of one's own.

ANSUR II    columns subjectid or SubjectId, stature, wristheight, handlength, ...; all lengths mm, weightkg is kg x 10
one's own   id, stature_mm, wrist_height_mm, hand_length_mm, handedness; every measure names its unit: _mm, _cm, _m, _in

A row that cannot be true is refused with the reason and never mended; a file of which no row can be used is an error.
Source of the ranges: the extremes of ANSUR II (6,068 adults) widened by about a fifth, so that small, tall and young
golfers pass.
"""

from __future__ import annotations

import difflib
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from loopwright.core.errors import InputError
from loopwright.core.pack import Imported, ImportOptions
from loopwright.core.types import Person
from loopwright.core.units import from_inside, to_inside
from loopwright.packs.golf.sheets import Sheet, count_note, read_sheet, to_number


@dataclass(frozen=True)
class Body:
    """A body measure: its column in ANSUR II, limits in the inside unit (m, kg), whether a club needs it."""

    name: str
    ansur: str
    low: float
    high: float
    needed: bool = False


MEASURES = (
    Body("stature", "stature", 1.20, 2.30, True),
    Body("wrist_height", "wristheight", 0.50, 1.25, True),
    Body("hand_length", "handlength", 0.115, 0.265, True),
    Body("palm_length", "palmlength", 0.065, 0.16),
    Body("hand_breadth", "handbreadth", 0.05, 0.125),
    Body("span", "span", 1.10, 2.50),
    Body("forearm_hand_length", "forearmhandlength", 0.29, 0.66),
    Body("shoulder_elbow_length", "shoulderelbowlength", 0.22, 0.49),
    Body("weight", "weightkg", 30.0, 200.0),
)
_WRIST_SHARE = (0.38, 0.60)  # wrist height over stature: ANSUR II spans 0.430 to 0.531
_LENGTHS = ("mm", "cm", "m", "in")
_UNITS = (*_LENGTHS, "kg", "lb")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_RIGHT, _LEFT = {"right", "right hand", "r", "rh"}, {"left", "left hand", "l", "lh"}


@dataclass(frozen=True)
class _Column:
    """Where a measure stands: its index, the unit it is in, and a factor before that unit (ANSUR weight is kg x 10)."""

    body: Body
    index: int
    unit: str
    scale: float = 1.0


@dataclass(frozen=True)
class _Plan:
    """Which column is what; -1 where there is none."""

    id: int
    columns: tuple[_Column, ...]
    hand: int
    group: int
    ansur: bool
    unused: tuple[str, ...] = ()


def read_persons(path: Path, options: ImportOptions) -> Imported:
    """The persons of one file. Raises InputError for a file, column or unit that cannot be used; nothing is half read.

    Person.id is 'ansur-<subjectid>', or the id as it stands in one's own file; measures are in m and kg.
    An exact repeat of a row is a duplicate; the same id with other measures is refused and the first one kept.
    """
    sheet = read_sheet(Path(path))
    plan = _plan(sheet)
    persons: dict[str, Person] = {}
    seen: dict[str, tuple[str, ...]] = {}
    refused: Counter[str] = Counter()
    lines: list[str] = []
    told: Counter[str] = Counter()
    duplicate = 0
    for line, cells in sheet.rows:
        person, reason, detail = _person(cells, plan, sheet)
        if person is not None and person.id in persons:
            if seen[person.id] == cells:
                duplicate += 1
                continue
            person, reason = None, "id twice"
            detail = f"id {cells[plan.id]} stands twice with other values; the first is kept"
        if person is None:
            refused[reason] += 1
            lines.append(f"line {line}: {detail}")
            continue
        persons[person.id], seen[person.id] = person, cells
        told[detail] += bool(detail)
    if not persons:
        given = f"no row can be used: {count_note(lines, 3)}"
        raise InputError(str(path), given, _allowed(plan), "correct the file and import it again")
    notes = [f"{text} ({count})" for text, count in told.items() if text]
    if lines:
        notes.append(f"refused: {count_note(lines)}")
    if plan.unused:
        notes.append(f"columns not used: {', '.join(plan.unused)}")
    assumed = {"handedness": "right"} if any("taken as right" in text for text in told) else {}
    return Imported(
        "persons", str(path), sheet.hash, len(sheet.rows), tuple(persons.values()), refused=dict(refused),
        duplicate=duplicate, notes=tuple(notes), assumed=assumed)


def _plan(sheet: Sheet) -> _Plan:
    lower = [name.lower() for name in sheet.header]
    twice = sorted({name for name in lower if name and lower.count(name) > 1})
    if twice:
        raise InputError(str(sheet.path), f"columns {twice} stand twice in the header", "each column once")
    return _ansur_plan(sheet, lower) if "subjectid" in lower else _own_plan(sheet, lower)


def _ansur_plan(sheet: Sheet, lower: Sequence[str]) -> _Plan:
    _need(sheet, lower, [b.ansur for b in MEASURES if b.needed] + ["writingpreference"])
    columns = tuple(
        _Column(b, lower.index(b.ansur), "kg" if b.name == "weight" else "mm", 0.1 if b.name == "weight" else 1.0)
        for b in MEASURES if b.ansur in lower)
    group = lower.index("gender") if "gender" in lower else -1
    return _Plan(lower.index("subjectid"), columns, lower.index("writingpreference"), group, True)


def _own_plan(sheet: Sheet, lower: Sequence[str]) -> _Plan:
    known = {body.name: body for body in MEASURES}
    columns, used = [], {"id", "handedness", "sex", "group"}
    for index, name in enumerate(lower):
        stem, _, unit = name.rpartition("_")
        if name in known:
            wanted = ", ".join(f"{name}_{u}" for u in (("kg", "lb") if name == "weight" else _LENGTHS))
            where = f"{sheet.path} header"
            raise InputError(where, f"column {name!r} names no unit", wanted, "add the unit to the name")
        if stem in known and unit in _UNITS:
            columns.append(_Column(known[stem], index, unit))
            used.add(name)
    have = {c.body.name for c in columns}
    missing = [f"{b.name}_mm" for b in MEASURES if b.needed and b.name not in have]
    _need(sheet, lower, [name for name in ["id", *missing] if name not in lower])
    unused = tuple(name for name in sheet.header if name.lower() not in used)
    group = next((lower.index(name) for name in ("group", "sex") if name in lower), -1)
    hand = lower.index("handedness") if "handedness" in lower else -1
    return _Plan(lower.index("id"), tuple(columns), hand, group, False, unused)


def _need(sheet: Sheet, lower: Sequence[str], names: Sequence[str]) -> None:
    """InputError with the columns that are missing and, for each, the nearest that is there."""
    missing = [name for name in names if name not in lower]
    if not missing:
        return
    near = {name: difflib.get_close_matches(name, lower, n=1) for name in missing}
    hints = [f"{name} (is it {found[0]!r}?)" if found else name for name, found in near.items()]
    raise InputError(
        f"{sheet.path} header", f"columns are missing: {', '.join(hints)}",
        "ANSUR II (subjectid, stature, wristheight, handlength, WritingPreference) or one's own "
        "(id, stature_mm, wrist_height_mm, hand_length_mm, handedness)")


def _person(cells: tuple[str, ...], plan: _Plan, sheet: Sheet) -> tuple[Person | None, str, str]:
    """The person of a row, or None with the reason (for the count) and the detail (for the note)."""
    if len(cells) != len(sheet.header):
        return None, "row cut off or too long", f"{len(cells)} cells under {len(sheet.header)} columns"
    if not _ID.fullmatch(cells[plan.id]):
        return None, "id not usable", f"id {cells[plan.id]!r}: letters, digits, '.', '_' and '-' are allowed"
    measures: dict[str, float] = {}
    for column in plan.columns:
        value, reason, detail = _measure(cells[column.index], column, sheet.separator != ",")
        if reason:
            return None, reason, detail
        if value is not None:
            measures[column.body.name] = value
    share = measures["wrist_height"] / measures["stature"]
    if not _WRIST_SHARE[0] <= share <= _WRIST_SHARE[1]:
        words = f"wrist height is {share:.2f} of stature, {_WRIST_SHARE[0]} to {_WRIST_SHARE[1]} is human"
        return None, "wrist_height does not fit stature", words
    hand, note = _handedness(cells[plan.hand] if plan.hand >= 0 else "")
    if not hand:
        return None, "handedness not known", note
    person_id = f"ansur-{cells[plan.id]}" if plan.ansur else cells[plan.id]
    group = cells[plan.group].lower() if plan.group >= 0 else ""
    source = "ANSUR II" if plan.ansur else f"file {sheet.path.name}"
    return Person(person_id, measures, "left" if hand == "left" else "right", source=source, group=group), "", note


def _measure(cell: str, column: _Column, decimal_comma: bool) -> tuple[float | None, str, str]:
    """The value in the inside unit, or a reason and a detail. An optional measure that is empty is (None, '', '')."""
    body = column.body
    if not cell and not body.needed:
        return None, "", ""
    number = to_number(cell, decimal_comma)
    if number is None or not math.isfinite(number):
        word = "not a number" if cell else "missing"
        return None, f"{body.name} {word}", f"{body.name} {cell!r} is not a number"
    if number <= 0:
        return None, f"{body.name} not above 0", f"{body.name} {cell} {column.unit} is not above 0"
    value = to_inside(number * column.scale, column.unit)
    if body.low <= value <= body.high:
        return value, "", ""
    looks = _looks_like(number, column)
    if looks:
        return None, f"{body.name} looks like {looks}", f"{body.name} {cell} looks like {looks}, not {column.unit}"
    low, high = (from_inside(limit, column.unit) / column.scale for limit in (body.low, body.high))
    detail = f"{body.name} {cell} {column.unit} is outside {low:.4g} to {high:.4g}"
    return None, f"{body.name} out of human range", detail


def _looks_like(number: float, column: _Column) -> str:
    """The unit in which the number would be human, in words; '' when in none."""
    words = {"in": "inches", "m": "metres", "cm": "centimetres", "mm": "millimetres", "kg": "kilograms", "lb": "pounds"}
    others = _LENGTHS if column.unit in _LENGTHS else ("kg", "lb")
    fits = [u for u in others if u != column.unit and column.body.low <= to_inside(number, u) <= column.body.high]
    return words[fits[0]] if fits else ""


def _handedness(cell: str) -> tuple[str, str]:
    word = cell.lower()
    if word in _RIGHT:
        return "right", ""
    if word in _LEFT:
        return "left", ""
    if not word:
        return "right", "handedness not given: taken as right"
    if word.startswith("either"):
        return "right", "writes with either hand: taken as right-handed"
    return "", f"handedness {cell!r}: right or left is allowed"


def _allowed(plan: _Plan) -> str:
    units: Mapping[str, str] = {c.body.name: c.unit for c in plan.columns if c.body.needed}
    parts = []
    for body in MEASURES:
        if body.needed:
            low, high = (from_inside(limit, units[body.name]) for limit in (body.low, body.high))
            parts.append(f"{body.name} {low:.4g} to {high:.4g} {units[body.name]}")
    return ", ".join(parts)
