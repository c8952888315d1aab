"""A shop as JSON and back: every field of `make.shop`, under its own name.

    to_json(shop) -> text         from_json(text, where) -> Shop

What has its default is left out. `{"format": "loopwright shop 1", "origin_ns": 0, "machines": [{"id": "mill-1", "role":
"mill"}], "jobs": [{"id": "o-1", "operations": [{"job": "o-1", "name": "mill", "on": [["mill-1", 1260]]}]}]}`
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from collections.abc import Mapping
from functools import cache
from typing import Any

from loopwright.core.errors import InputError, UnknownName
from loopwright.make.shop import Job, Shop

FORMAT = "loopwright shop 1"
_LARGEST = 2**63 - 1


def to_json(shop: Shop) -> str:
    """The shop as JSON text, a job and a machine a line."""
    plain = _plain(shop)
    lines = [f'"format": {json.dumps(FORMAT)}']
    for name, value in plain.items():
        if isinstance(value, list):
            rows = ",\n  ".join(json.dumps(row, ensure_ascii=False) for row in value)
            lines.append(f"{json.dumps(name)}: [\n  {rows}\n]")
        else:
            lines.append(f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}")
    return "{" + ",\n".join(lines) + "}\n"


def from_json(text: str, where: str = "shop") -> Shop:
    """The shop that `to_json` wrote, or somebody's program.

    Raises InputError or UnknownName with line and column, or with the place ('jobs[3].operations[0].on'), the value and
    the rule; all that `Shop` checks at birth is checked.
    """
    given = load(text, where)
    if not isinstance(given, dict) or given.get("format") != FORMAT:
        word = given.get("format") if isinstance(given, dict) else type(given).__name__
        raise InputError(f"{where}: format", f"{word!r}"[:60], repr(FORMAT))
    shop = _object(Shop, {name: value for name, value in given.items() if name != "format"}, where, "")
    assert isinstance(shop, Shop)
    return shop


def job_from_json(text: str, where: str = "job") -> Job:
    """One order of a shop in JSON, as it stands among its `jobs`; errors as of `from_json`.

    Its operations need not say whose they are.
    """
    given = load(text, where)
    if isinstance(given, dict) and isinstance(given.get("operations"), list):
        given = {**given, "operations": [
            {"job": given.get("id"), **one} if isinstance(one, dict) else one for one in given["operations"]]}
    job = _object(Job, given, where, "")
    assert isinstance(job, Job)
    return job


def load(text: str, where: str) -> Any:
    """What a JSON text says; InputError with line and column where it is none."""
    try:
        return json.loads(text, parse_constant=_no_constant, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        found = text[error.pos:error.pos + 20] or "the end of the file"
        place = f"{where}: line {error.lineno}, column {error.colno}"
        raise InputError(place, repr(found), "JSON", error.msg) from error
    except RecursionError as error:
        raise InputError(where, "brackets in brackets in brackets", "a shop has 7 of them in each other") from error
    except ValueError as error:
        raise InputError(where, str(error)[:200], "JSON") from error


def _no_constant(word: str) -> None:
    raise ValueError(f"{word} is no number of JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{sorted({n for n in names if names.count(n) > 1})} stands twice in one object")
    return found


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {f.name: _plain(item) for f in dataclasses.fields(value)
                if (item := getattr(value, f.name)) != _default(f)}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return dict(value) if isinstance(value, Mapping) else value


def _default(field: Any) -> Any:
    """What the field is when nothing is said; itself when it has to be said."""
    if field.default is not dataclasses.MISSING:
        return field.default
    return field.default_factory() if field.default_factory is not dataclasses.MISSING else field


@cache
def _fields(kind: type) -> tuple[dict[str, Any], frozenset[str]]:
    """name -> type of a data class, and the names that have no default."""
    hints = typing.get_type_hints(kind)
    fields = dataclasses.fields(kind)
    return {f.name: hints[f.name] for f in fields}, frozenset(f.name for f in fields if _default(f) is f)


def _object(kind: type, given: Any, where: str, path: str) -> Any:
    hints, wanted = _fields(kind)
    if not isinstance(given, dict):
        raise InputError(_at(where, path), _short(given), f"an object with {', '.join(sorted(hints))}")
    for name in given:
        if name not in hints:
            raise UnknownName(f"{_at(where, path)}: field", name, hints)
    if missing := sorted(wanted - given.keys()):
        raise InputError(_at(where, path), f"{missing[0]!r} is missing", f"all of {', '.join(sorted(wanted))}")
    values = {n: _read(hints[n], value, where, f"{path}.{n}" if path else n) for n, value in given.items()}
    try:
        return kind(**values)
    except InputError as error:
        if kind is not Shop:
            raise
        raise type(error)(f"{where}: {error.where}", error.given, error.allowed, error.todo) from error


def _read(hint: Any, given: Any, where: str, path: str) -> Any:
    """What was given, as the type says; InputError where it is not of it."""
    if hint is str:
        return _text(given, where, path)
    if hint is bool:
        if not isinstance(given, bool):
            raise InputError(_at(where, path), _short(given), "true or false")
        return given
    if hint is int or hint is float:
        return _number(hint, given, where, path)
    if dataclasses.is_dataclass(hint):
        return _object(typing.cast(type, hint), given, where, path)
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType or origin is typing.Union:
        return None if given is None else _read(next(t for t in inside if t is not type(None)), given, where, path)
    if origin is tuple:
        return _row(inside, given, where, path)
    if not isinstance(given, dict):
        raise InputError(_at(where, path), _short(given), "an object of names and numbers")
    return {_text(name, where, path): _read(inside[1], value, where, f"{path}.{name}") for name, value in given.items()}


def _text(given: Any, where: str, path: str) -> str:
    if not isinstance(given, str):
        raise InputError(_at(where, path), _short(given), "text in quotes")
    try:
        given.encode()
    except UnicodeEncodeError as error:
        raise InputError(_at(where, path), _short(given), "text without half characters") from error
    return given


def _row(inside: tuple[Any, ...], given: Any, where: str, path: str) -> tuple[Any, ...]:
    if not isinstance(given, list):
        raise InputError(_at(where, path), _short(given), "a list in [ ]")
    if inside[-1] is Ellipsis:
        return tuple([_read(inside[0], item, where, f"{path}[{n}]") for n, item in enumerate(given)])
    if len(given) != len(inside):
        raise InputError(_at(where, path), f"{len(given)} values", f"{len(inside)}")
    return tuple([_read(t, item, where, f"{path}[{n}]") for n, (t, item) in enumerate(zip(inside, given, strict=True))])


def _number(hint: Any, given: Any, where: str, path: str) -> Any:
    whole = isinstance(given, int) and not isinstance(given, bool)
    if hint is int and not (whole and abs(given) <= _LARGEST):
        raise InputError(_at(where, path), _short(given), "a whole number")
    broken = isinstance(given, float) and math.isfinite(given)
    if hint is float and not broken and not (whole and abs(given) <= _LARGEST):
        raise InputError(_at(where, path), _short(given), "a number")
    return hint(given)


def _at(where: str, path: str) -> str:
    return f"{where}: {path}" if path else where


def _short(given: Any) -> str:
    text = repr(given)
    return text if len(text) <= 60 else text[:57] + "..."
