"""From a person's measures to the parameters of a design, each with the rule that gave it and why.

    rules = load_rules(folder)
    fit(rules, {"wrist_height": 0.79, "stature": 1.68}, {"club_speed": 34.0}, formulas)      -> (Parameter, ...)

A value outside the limits of its rule is refused with the reason in words; nothing is clipped.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any

from loopwright.core.errors import InputError, UnknownName
from loopwright.core.types import Parameter
from loopwright.make.fields import shown, signed, theirs, within
from loopwright.make.rules import Input, Rule, RuleSet, Table, apply_change, load_rules, undo

__all__ = ["RuleSet", "apply_change", "fit", "load_rules", "undo"]

Formulas = Mapping[str, Callable[..., float]]


def fit(
    rules: RuleSet,
    measures: Mapping[str, float],
    context: Mapping[str, float] | None = None,
    formulas: Formulas | None = None,
) -> tuple[Parameter, ...]:
    """The parameters of one design, in the order of the rules.

    measures  body measures in inside units
    context   what else is known, in inside units: club speed, ball speed
    formulas  the functions that rules name: f(**inputs, **constants) in inside units -> value in the inside unit;
              an optional input that is not known is passed as None
    Raises InputError naming the measure, its value in the unit people use, the limits and the rule; UnknownName for a
    formula that is not there.
    """
    known: dict[str, Any] = {**measures, **(context or {})}
    parameters = []
    for rule in rules.rules:
        parameter = _parameter(rule, rules.revision, known, formulas or {})
        known[rule.parameter] = parameter.value
        parameters.append(parameter)
    return tuple(parameters)


def _parameter(rule: Rule, revision: str, known: Mapping[str, Any], formulas: Formulas) -> Parameter:
    inputs = {item.name: _taken(item, rule, known) for item in rule.inputs}
    if rule.table:
        value, because = _from_table(rule, rule.table, inputs[rule.table.input])
    else:
        value, because = _from_formula(rule, inputs, formulas)
    if isinstance(value, str):
        return Parameter(rule.parameter, value, "", None, None, f"{rule.id}@{revision}", rule.source, because)
    value += rule.offset
    if rule.offset:
        because += f", {signed(rule.offset, rule.people)} by released changes -> {shown(value, rule.people)}"
    _refuse_outside(rule, value, because)
    low, high = value - rule.plus_minus, value + rule.plus_minus
    return Parameter(rule.parameter, value, rule.unit, low, high, f"{rule.id}@{revision}", rule.source, because)


def _taken(item: Input, rule: Rule, known: Mapping[str, Any]) -> Any:
    """The input as it is known, within its limits; None when it is optional and not known."""
    value, where = known.get(item.name), f"rule {rule.id!r}, measure {item.name!r}"
    limits = f"{shown(item.low, item.unit)} to {shown(item.high, item.unit)}" if item.unit else "a text"
    if value is None:
        if not item.required:
            return None
        raise InputError(where, "is missing", limits, f"{rule.parameter} follows from it")
    if not item.unit:
        return value
    if isinstance(value, (str, bool)) or not math.isfinite(value):
        raise InputError(where, f"{value!r} is not a number", limits)
    if not within(value, item.low, item.high):
        raise InputError(where, f"{shown(value, item.unit)} is out of range", limits, "measure again")
    return float(value)


def _from_table(rule: Rule, table: Table, x: float) -> tuple[float | str, str]:
    unit = rule.inputs[0].unit
    given = f"{table.input} {shown(x, unit)}"
    value, words = (_on_the_line if table.interpolate else _in_the_row)(table, x, unit)
    if words == "":
        limits = theirs(table.rows[-1][0], unit)
        limits = f"{theirs(table.rows[0][0], unit)} to {limits}" if table.interpolate else f"below {limits}"
        raise InputError(f"rule {rule.id!r}, measure {table.input!r}", f"{shown(x, unit)} is outside its table", limits)
    if isinstance(value, str):
        return value, f"{given} {words} -> {value}"
    if not table.base:
        return value, f"{given} {words} -> {theirs(value, rule.people)}"
    total = value + table.base
    added = f"{signed(value, rule.people)} on {theirs(table.base, rule.people)}"
    return total, f"{given} {words} -> {added} = {shown(total, rule.people)}"


def _in_the_row(table: Table, x: float, unit: str) -> tuple[float | str, str]:
    """The first row whose bound x is below ('' beyond the last); the same number after a conversion is not below."""
    before = ""
    for bound, value in table.rows:
        if x < bound and not math.isclose(x, bound, rel_tol=1e-9):
            return value, f"is below {theirs(bound, unit)}" if math.isfinite(bound) else f"is {before} or more"
        before = theirs(bound, unit)
    return math.nan, ""


def _on_the_line(table: Table, x: float, unit: str) -> tuple[float | str, str]:
    """The straight line between the two points x lies between ('' outside of them all)."""
    for (x0, y0), (x1, y1) in itertools.pairwise(table.rows):
        if within(x, x0, x1):
            y = float(y0) + (float(y1) - float(y0)) * (x - x0) / (x1 - x0)
            return y, f"is between {theirs(x0, unit)} and {theirs(x1, unit)}"
    return math.nan, ""


def _from_formula(rule: Rule, inputs: Mapping[str, Any], formulas: Formulas) -> tuple[float | str, str]:
    if rule.formula not in formulas:
        raise UnknownName(f"rule {rule.id!r}: formula", rule.formula, formulas)
    constants = {name: constant.value for name, constant in (rule.constants or {}).items()}
    given = ", ".join(_words(item, inputs[item.name]) for item in rule.inputs)
    where = f"rule {rule.id!r}, formula {rule.formula!r}"
    try:
        value: Any = formulas[rule.formula](**inputs, **constants)
    except (ArithmeticError, ValueError) as error:
        raise InputError(where, f"fails with {given}: {error}") from error
    if not rule.people:
        return str(value), f"{given} -> {value}"
    if isinstance(value, (str, bool)) or not math.isfinite(value):
        raise InputError(where, f"gives {value!r} with {given}", "a finite number")
    return float(value), f"{given} -> {shown(float(value), rule.people)}"


def _refuse_outside(rule: Rule, value: float, because: str) -> None:
    if rule.low is None or rule.high is None or within(value, rule.low, rule.high):
        return
    limits = f"{shown(rule.low, rule.people)} to {shown(rule.high, rule.people)}"
    where = f"rule {rule.id!r}, parameter {rule.parameter!r}"
    raise InputError(where, f"would be {shown(value, rule.people)} ({because})", limits, "this order cannot be made")


def _words(item: Input, value: Any) -> str:
    if value is None:
        return f"{item.name} not known"
    return f"{item.name} {shown(value, item.unit)}" if item.unit else f"{item.name} {value}"
