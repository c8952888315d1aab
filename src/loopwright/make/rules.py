"""Fitting rules as data: one TOML file a rule, read, checked and converted to inside units once, on loading.

    load_rules(folder)                          RuleSet of revision 'r0-<hash8>'
    load_rules(folder, released=[{"rule": "lie", "offset": 0.017}])     'r1-<hash8>'
    apply_change(rules, change), undo(rules)    the next and the previous RuleSet

The format stands in docs/how-to/make-a-product.md, why rules are data in docs/decisions/0005-rules-are-data.md.
"""

from __future__ import annotations

import graphlib
import hashlib
import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from loopwright.core.errors import InputError, UnknownName
from loopwright.core.units import inside_unit
from loopwright.make.fields import Fields, inside, number, read_toml, width_to_inside


@dataclass(frozen=True)
class Input:
    """An input of a rule: the unit people use for it ('' for a text), limits in inside units, must it be known."""

    name: str
    unit: str
    low: float
    high: float
    required: bool = True


@dataclass(frozen=True)
class Table:
    """A table over one input.

    rows         (bound, value) in inside units, bounds growing; value may be a text
    interpolate  False: the value of the first row whose bound the input is below (the last bound may be inf)
                 True: the straight line between (x, value) points
    base         added to a numeric value, inside unit
    """

    input: str
    rows: tuple[tuple[float, float | str], ...]
    interpolate: bool
    base: float


@dataclass(frozen=True)
class Constant:
    """A number of a formula in the inside unit, the unit of its source and where it comes from."""

    value: float
    unit: str
    source: str


@dataclass(frozen=True)
class Rule:
    """How one parameter of a design follows from its inputs. Numbers in inside units; `people` is the source's unit.

    low, high   outside them an order is refused, never clipped (None for a text)
    plus_minus  half width of the range given beside the value
    offset      sum of the released changes
    """

    id: str
    parameter: str
    meaning: str
    source: str
    people: str
    low: float | None
    high: float | None
    plus_minus: float
    inputs: tuple[Input, ...]
    table: Table | None = None
    formula: str = ""
    constants: Mapping[str, Constant] | None = None
    offset: float = 0.0

    @property
    def unit(self) -> str:
        """The inside unit of the value; '' for a text."""
        return inside_unit(self.people) if self.people else ""


@dataclass(frozen=True)
class RuleSet:
    """The rules in an order in which each comes after those it needs, with the released changes that stand in them.

    base      hash8 of the files' content; revision is 'r<number of released changes>-<hash8 of files and changes>'
    released  (rule, offset in inside unit), in the order of their release
    """

    rules: tuple[Rule, ...]
    base: str
    released: tuple[tuple[str, float], ...] = ()

    @property
    def revision(self) -> str:
        """'r<number of released changes>-<hash8>': equal rules have equal revisions, wherever they are loaded."""
        text = json.dumps([self.base, self.released])
        return f"r{len(self.released)}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"

    def rule(self, name: str) -> Rule:
        """The rule of that id; UnknownName lists what there is."""
        for rule in self.rules:
            if rule.id == name:
                return rule
        raise UnknownName("rule", name, [r.id for r in self.rules])


def load_rules(folder: Path, released: Sequence[Mapping[str, Any]] = ()) -> RuleSet:
    """The rules of a folder (*.toml), with the released changes applied in their order.

    released  {'rule': id, 'offset': number in the rule's inside unit}, other fields are ignored
    Raises InputError, UnknownName or UnitError that names the file and the field.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(str(folder), "is not a folder", "a folder of *.toml files, one fitting rule each")
    tables = {path.name: read_toml(path) for path in sorted(folder.glob("*.toml"))}
    if not tables:
        raise InputError(str(folder), "holds no rule", "*.toml files, one fitting rule each")
    rules = [_rule(table, name) for name, table in tables.items()]
    content = json.dumps(tables, sort_keys=True)
    rule_set = RuleSet(_ordered(rules, str(folder)), hashlib.sha256(content.encode()).hexdigest()[:8])
    for change in released:
        rule_set = apply_change(rule_set, change)
    return rule_set


def apply_change(rules: RuleSet, change: Mapping[str, Any]) -> RuleSet:
    """The rules with one released change more: {'rule': id, 'offset': added to the value, inside unit}."""
    if "rule" not in change or "offset" not in change:
        raise InputError("change of a rule", f"{dict(change)}", "{'rule': id, 'offset': number in its inside unit}")
    rule = rules.rule(str(change["rule"]))
    offset = number(change["offset"], f"change of rule {rule.id!r}: offset")
    if not rule.people:
        raise InputError(f"change of rule {rule.id!r}", f"offset {offset:g} on a text", "a rule that gives a number")
    return _with(rules, (*rules.released, (rule.id, offset)))


def undo(rules: RuleSet) -> RuleSet:
    """The rules without the newest released change: exactly the RuleSet that was there before, revision included."""
    if not rules.released:
        raise InputError("undo of a rule change", f"revision {rules.revision} has no released change")
    return _with(rules, rules.released[:-1])


def _with(rules: RuleSet, released: tuple[tuple[str, float], ...]) -> RuleSet:
    sums = {rule.id: math.fsum(offset for name, offset in released if name == rule.id) for rule in rules.rules}
    return replace(rules, rules=tuple(replace(r, offset=sums[r.id]) for r in rules.rules), released=released)


def _rule(tables: Mapping[str, Any], file: str) -> Rule:
    top = Fields(tables, file)
    f = Fields(top.take("rule"), f"{file} [rule]")
    rule_id = f.text("id")
    if f"{rule_id}.toml" != file:
        raise InputError(f.where, f"id = {rule_id!r}", f"{file.removesuffix('.toml')!r}, the name of the file")
    kind = f.word("kind", ["table", "formula"])
    people = f.text("value_unit", "") and f.unit("value_unit")
    low, high, plus_minus = _range(f, people)
    inputs = tuple(_input(row, where) for where, row in top.rows("inputs"))
    names = [i.name for i in inputs]
    if len(set(names)) < len(names) or not inputs:
        raise InputError(f"{file} [[inputs]]", f"names {names}", "each input once, and at least one")
    rule = Rule(
        rule_id, f.text("parameter"), f.text("meaning"), f.text("source"), people, low, high, plus_minus, inputs,
        table=_table(f, people, inputs) if kind == "table" else None,
        formula=f.text("formula") if kind == "formula" else "",
        constants=_constants(top, file) if kind == "formula" else {},
    )
    f.end()
    top.end()
    return rule


def _range(f: Fields, people: str) -> tuple[float | None, float | None, float]:
    if not people:
        return None, None, 0.0
    low, high = (inside(f.number(key), people, f.where) for key in ("low", "high"))
    plus_minus = width_to_inside(f.number("plus_minus"), people)
    if low >= high or plus_minus < 0:
        raise InputError(f.where, "low is not below high, or plus_minus is negative", "low < high, plus_minus >= 0")
    return low, high, plus_minus


def _input(row: Any, where: str) -> Input:
    f = Fields(row, where)
    name, people = f.text("name"), f.text("unit", "") and f.unit("unit")
    required = f.flag("required", True)
    low, high = -math.inf, math.inf
    if people:
        low, high = (inside(f.number(key), people, where) for key in ("low", "high"))
    if low >= high:
        raise InputError(where, f"low of {name!r} is not below its high")
    f.end()
    return Input(name, people, low, high, required)


def _table(f: Fields, people: str, inputs: tuple[Input, ...]) -> Table:
    name, input_unit = f.text("input"), f.unit("input_unit")
    if [i.name for i in inputs] != [name] or not inputs[0].required:
        raise InputError(f.where, f"input = {name!r} has no limits", "one [[inputs]] with its name, unit, low and high")
    if inside_unit(inputs[0].unit or "1") != inside_unit(input_unit):
        raise InputError(f.where, f"input_unit {input_unit!r} beside unit {inputs[0].unit!r}", "units of one quantity")
    interpolate, base = f.flag("interpolate", False), f.number("base", 0.0)
    given = f.take("rows")
    if not isinstance(given, list) or len(given) < 1 + interpolate:
        raise InputError(f"{f.where} rows", f"{given!r}", f"at least {1 + interpolate} of [number, value]")
    rows = tuple(_row(row, people, input_unit, f"{f.where} rows {n}") for n, row in enumerate(given, 1))
    if any(later[0] <= row[0] for row, later in itertools.pairwise(rows)):
        raise InputError(f"{f.where} rows", "the first number does not grow from row to row")
    if interpolate and (not people or math.isinf(rows[-1][0])):
        raise InputError(f.where, "a straight line needs numbers", "interpolate = false for texts and a bound of inf")
    return Table(name, rows, interpolate, width_to_inside(base, people) if people else 0.0)


def _row(row: Any, people: str, input_unit: str, where: str) -> tuple[float, float | str]:
    if not isinstance(row, list) or len(row) != 2:
        raise InputError(where, f"{row!r}", "[input is below this, value]")
    bound = math.inf if row[0] == math.inf else inside(number(row[0], where), input_unit, where)
    if people:
        return bound, inside(number(row[1], where), people, where)
    if not isinstance(row[1], str) or not row[1]:
        raise InputError(where, f"value {row[1]!r}", "a text, because value_unit is ''")
    return bound, row[1]


def _constants(top: Fields, file: str) -> dict[str, Constant]:
    table = top.take("constants", {})
    if not isinstance(table, Mapping):
        raise InputError(f"{file} [constants]", f"{table!r} is not a table", 'name = [value, "unit", "source"]')
    found = {}
    for name, row in table.items():
        where = f"{file} [constants] {name}"
        if not isinstance(row, list) or len(row) != 3 or not all(isinstance(v, str) and v for v in row[1:]):
            raise InputError(where, f"{row!r}", '[value, "unit", "source"]')
        found[name] = Constant(inside(number(row[0], where), row[1], where), row[1], row[2])
    return found


def _ordered(rules: Sequence[Rule], where: str) -> tuple[Rule, ...]:
    """Each rule after the rules that give its inputs; InputError names a circle or a parameter given twice."""
    giver: dict[str, Rule] = {}
    for rule in rules:
        if rule.parameter in giver:
            both = f"{giver[rule.parameter].id!r} and {rule.id!r}"
            raise InputError(where, f"rules {both} both give {rule.parameter!r}", "one rule a parameter")
        giver[rule.parameter] = rule
    sorter = graphlib.TopologicalSorter({r.parameter: [i.name for i in r.inputs if i.name in giver] for r in rules})
    try:
        return tuple(giver[name] for name in sorter.static_order())
    except graphlib.CycleError as error:
        circle = " -> ".join(reversed(error.args[1]))
        raise InputError(where, f"the rules need each other in a circle: {circle}", "rules without a circle") from error
