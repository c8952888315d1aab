"""What a statement's own conditions say about which files can matter, so that the others are not even opened.

It reads DuckDB's syntax tree, and only what it understands: whatever it leaves out is filtered by DuckDB itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Tree = dict[str, Any]
_FLIPPED = {
    "COMPARE_EQUAL": "COMPARE_EQUAL", "COMPARE_GREATERTHAN": "COMPARE_LESSTHAN",
    "COMPARE_GREATERTHANOREQUALTO": "COMPARE_LESSTHANOREQUALTO", "COMPARE_LESSTHAN": "COMPARE_GREATERTHAN",
    "COMPARE_LESSTHANOREQUALTO": "COMPARE_GREATERTHANOREQUALTO",
}
_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")


def tables_of(tree: Any) -> set[str]:
    """The names of all tables that a tree names, in lower case."""
    return {str(node.get("table_name", "")).lower() for node in nodes(tree) if node.get("type") == "BASE_TABLE"}


def narrowed(tree: Tree, table: str) -> dict[str, Any]:
    """Fields of `Wanted` that the rows of a table must meet: where it is named once, and the WHERE of its own SELECT,
    with nothing joined, says so in plain constants; {} otherwise."""
    named = [n for n in nodes(tree) if n.get("type") == "BASE_TABLE" and str(n.get("table_name", "")).lower() == table]
    if len(named) != 1:
        return {}
    for node in nodes(tree):
        if node.get("type") == "SELECT_NODE" and node.get("from_table") is named[0] and not named[0].get("sample"):
            names = {str(named[0].get("alias") or table).lower()}
            return _limits(list(_conjuncts(node.get("where_clause"))), names)
    return {}


def nodes(tree: Any) -> Iterator[Tree]:
    """Every object of a tree."""
    if isinstance(tree, dict):
        yield tree
        for value in tree.values():
            yield from nodes(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from nodes(value)


def _conjuncts(tree: Any) -> Iterator[Tree]:
    if isinstance(tree, dict):
        if tree.get("type") == "CONJUNCTION_AND":
            for child in tree.get("children", []):
                yield from _conjuncts(child)
        else:
            yield tree


def _limits(conditions: list[Tree], names: set[str]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for condition in conditions:
        kind, children = condition.get("type"), condition.get("children") or []
        if kind == "COMPARE_IN" and children:
            column, given = _column(children[0], names), [_constant(child) for child in children[1:]]
            if column in ("thing", "signal") and given and all(isinstance(value, str) for value in given):
                _among(out, f"{column}s", given)
        elif kind == "COMPARE_BETWEEN" and _column(condition.get("input"), names) == "t_ns":
            _bounded(out, "COMPARE_GREATERTHANOREQUALTO", _constant(condition.get("lower")))
            _bounded(out, "COMPARE_LESSTHANOREQUALTO", _constant(condition.get("upper")))
        elif kind in _FLIPPED:
            column, value = _column(condition.get("left"), names), _constant(condition.get("right"))
            if column is None:
                column, value = _column(condition.get("right"), names), _constant(condition.get("left"))
                kind = _FLIPPED[kind]
            if column in ("thing", "signal") and kind == "COMPARE_EQUAL" and isinstance(value, str):
                _among(out, f"{column}s", [value])
            elif column == "t_ns":
                _bounded(out, kind, value)
    return out


def _among(out: dict[str, Any], name: str, given: list[Any]) -> None:
    out[name] = [value for value in given if value in out[name]] if name in out else given


def _bounded(out: dict[str, Any], kind: str, value: Any) -> None:
    if not isinstance(value, int):
        return
    if kind in ("COMPARE_EQUAL", "COMPARE_GREATERTHANOREQUALTO", "COMPARE_GREATERTHAN"):
        out["start_ns"] = max(out.get("start_ns", value), value)
    if kind in ("COMPARE_EQUAL", "COMPARE_LESSTHANOREQUALTO", "COMPARE_LESSTHAN"):
        end = value if kind == "COMPARE_LESSTHAN" else value + 1
        out["end_ns"] = min(out.get("end_ns", end), end)


def _column(tree: Any, names: set[str]) -> str | None:
    """The name of a column of ours, None for anything else."""
    if not isinstance(tree, dict) or tree.get("type") != "COLUMN_REF":
        return None
    path = [str(part).lower() for part in tree.get("column_names", [])]
    return path[-1] if len(path) == 1 or (len(path) == 2 and path[0] in names) else None


def _constant(tree: Any) -> int | str | None:
    """A whole number or a text; None for anything else."""
    if not isinstance(tree, dict) or tree.get("type") != "VALUE_CONSTANT":
        return None
    literal = tree.get("literal") or {}
    kind, text = str(literal.get("kind", "")), str(literal.get("text", ""))
    if kind == "STRING":
        return text
    return int(text) if kind == "INTEGER" and text.isdigit() else _older(tree.get("value"))


def _older(value: Any) -> int | str | None:
    """A constant as DuckDB before version 2 writes it: {type: {id: ...}, is_null, value}."""
    if not isinstance(value, dict) or value.get("is_null"):
        return None
    found = value.get("value")
    whole = (value.get("type") or {}).get("id") in _WHOLE
    return found if isinstance(found, str) or (whole and isinstance(found, int)) else None
