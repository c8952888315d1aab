"""What if, as people write and read it: 'order-earlier A12=2d' becomes a change, a comparison becomes a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from loopwright.app.lasting import seconds_of
from loopwright.core.clock import NS_PER_S, iso
from loopwright.core.errors import InputError, UnknownName
from loopwright.make.whatif import KINDS, Change

NEEDS_TIME = ("order-earlier", "order-later", "material-earlier", "material-later")
MAY_HAVE_TIME = ("machine-away", "operator-away")
SHOWN = 12  # orders of a table


def parse(kind: str, text: str) -> Change:
    """A change from NAME, NAME=2d (a length of time), NAME=1.2 (speed) or NAME=NEW (one more, of that name).

    Raises UnknownName for a kind that is not there, InputError for what cannot be read.
    """
    if kind not in KINDS:
        raise UnknownName("what if: change", kind, KINDS)
    name, equals, value = (part.strip() for part in text.partition("="))
    where = f"what if: {kind} {text}"
    if not name or (equals and not value):
        raise InputError(where, f"{text!r}", _form(kind))
    if kind in NEEDS_TIME or (kind in MAY_HAVE_TIME and value):
        if not value:
            raise InputError(where, "says no length of time", _form(kind))
        return Change(kind, name, seconds_of(value, where))
    if kind == "speed":
        try:
            return Change(kind, name, factor=float(value))
        except ValueError:
            raise InputError(where, f"{value!r} is no number", _form(kind)) from None
    if value and not kind.endswith("-more"):
        raise InputError(where, f"={value}", _form(kind))
    if value and kind == "shift-more":
        raise InputError(where, f"={value}", _form(kind))
    return Change(kind, name, new=value)


def _form(kind: str) -> str:
    if kind in NEEDS_TIME:
        return f"{kind} NAME=2d"
    if kind in MAY_HAVE_TIME:
        return f"{kind} NAME, {kind} NAME=2d"
    if kind.startswith("shift-"):
        return f"{kind} sat"
    return {"speed": "speed NAME=1.2"}.get(kind, f"{kind} NAME" + (f", {kind} NAME=NEW" if "-more" in kind else ""))


def parse_all(texts: Sequence[str]) -> list[Change]:
    """Changes from lines such as 'machine-more mill-1'."""
    found = []
    for text in texts:
        kind, _, rest = text.strip().partition(" ")
        found.append(parse(kind, rest))
    return found


def told(document: Mapping[str, Any]) -> str:
    """The answer of `loopwright whatif`, whatever was asked."""
    if "tries" in document:
        return "\n".join(_line(row) for row in document["tries"]) or "nothing was tried yet"
    if "figures_of" in document:
        return _beside(document)
    if "table" not in document:
        return str(document["says"])
    head = [f"{document['name']}: {'; '.join(document['says_changes']) or 'nothing is changed'}"]
    if document.get("state"):
        head.append(f"{document['state']}, tried {iso(document['t_ns'])} by {document['author']}")
    return "\n".join([*head, *table(document["table"])])


def _line(row: Mapping[str, Any]) -> str:
    figures = {one["what"]: one for one in row["figures"]}
    span, late = figures["makespan"], figures["late orders"]
    words = f"makespan {span['before']:,} -> {span['after']:,} s, late {late['before']} -> {late['after']}"
    return f"{row['name']:<16}{row['state']:<10}{words}  {'; '.join(row['says_changes'])}"


def table(data: Mapping[str, Any]) -> list[str]:
    """A comparison in lines: figures, machines, and the orders whose end changes most."""
    lines = [_row("", "before", "after")]
    for row in data["figures"]:
        unit = " s" if row["unit"] == "s" else ""
        lines.append(_row(row["what"], _whole(row["before"]) + unit, _whole(row["after"]) + unit))
    for row in data["machines"]:
        lines.append(_row(f"load {row['machine']}", _share(row["before_share"]), _share(row["after_share"])))
    for row in _most(data["orders"]):
        before, after = (_whole(v) + (" s" if v is not None else "") for v in (row["before_s"], row["after_s"]))
        lines.append(_row(f"end of {row['order']}", before, after) + _late(row))
    rest = sum(row["before_s"] != row["after_s"] for row in data["orders"]) - SHOWN
    lines += [f"and {rest} more orders that end at another time"] if rest > 0 else []
    lines.append(f"{data['moved']} of {data['operations']} operations are done elsewhere or in another turn, "
                 f"{data['added']} are new, {data['gone']} are gone")
    return lines


def _row(what: str, before: str, after: str) -> str:
    return f"{what:<22}{before:>12}{after:>12}"


def _most(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    other = [row for row in rows if row["before_s"] != row["after_s"]]
    return sorted(other, key=lambda r: -abs((r["after_s"] or 0) - (r["before_s"] or 0)))[:SHOWN]


def _whole(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def _late(row: Mapping[str, Any]) -> str:
    was, now = row["late_before_s"], row["late_after_s"]
    if not was and not now:
        return ""
    return "  late" if was and now else "  no longer late" if was else "  now late"


def _beside(document: Mapping[str, Any]) -> str:
    """Several tries side by side."""
    names = document["names"]
    lines = ["".join([f"{'':<18}", *(f"{name:>18}" for name in names)])]
    for row in document["figures_of"]:
        unit = " s" if row["unit"] == "s" else ""
        values = [_time(v) if row["unit"] == "ns" else _whole(v) + unit for v in row["values"]]
        lines.append("".join([f"{row['what']:<18}", *(f"{value:>18}" for value in values)]))
    return "\n".join(lines)


def _time(t_ns: int) -> str:
    return iso(t_ns // NS_PER_S * NS_PER_S)[:16].replace("T", " ")
