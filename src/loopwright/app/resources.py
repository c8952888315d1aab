"""People, setups, tools and material of a plant, as its site file says: tables operator, setup, tool and material.

A site that names no operators (setups, tools) is planned without them, whatever its product's route asks for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from loopwright.app.site_tables import REPAIRS
from loopwright.core.clock import from_iso
from loopwright.core.errors import LoopwrightError, SiteError, UnknownName
from loopwright.make.objective import parse
from loopwright.make.open_work import Person, Resources
from loopwright.make.shop import Setup

if TYPE_CHECKING:
    from loopwright.app.site import Site


def resources(site: Site) -> Resources:
    """What the site says of its people, setups, tools and material."""
    rows = site.shop
    people = tuple(
        Person(str(row["id"]), tuple(row["skills"]), tuple(_span(text, str(row["id"])) for text in row["away"]))
        for row in rows.get("operator", ()))
    setups = tuple(
        Setup(row["machine"], row["before"], row["after"], round(row["minutes"] * 60)) for row in rows.get("setup", ()))
    tools = {str(row["name"]): int(row["count"]) for row in rows.get("tool", ())}
    arrives = {str(row["item"]): _moment(row["arrives"], str(row["item"])) for row in rows.get("material", ())}
    return Resources(people, setups, tools, arrives)


def check(site: Site, where: str) -> None:
    """Raises SiteError or UnknownName for tables that cannot be: of [plan], people, setups, tools and material."""
    _check_plan(site["plan"], f"{where} [plan]")
    rows = site.shop
    for name, key in (("operator", "id"), ("tool", "name"), ("material", "item")):
        ids = [str(row[key]) for row in rows.get(name, ())]
        if len(set(ids)) < len(ids):
            twice = sorted({one for one in ids if ids.count(one) > 1})
            raise SiteError(f"{where} [[{name}]]", f"{', '.join(twice)} stand twice", "each once")
    machines = {machine.id for machine in site.machines}
    for row in rows.get("setup", ()):
        if row["machine"] not in machines:
            raise UnknownName(f"{where} [[setup]] machine", row["machine"], machines)
        if row["after"] in ("", "*"):
            given = f"after {row['after']!r}"
            raise SiteError(f"{where} [[setup]] {row['machine']!r}", given, "a name; '*' only stands before")
        if not 0 <= row["minutes"] <= 60 * 24 * 365:
            raise SiteError(f"{where} [[setup]] {row['machine']!r}", f"minutes {row['minutes']}", "from 0 on")
    for row in rows.get("tool", ()):
        if row["count"] < 1:
            raise SiteError(f"{where} [[tool]] {row['name']!r}", f"count {row['count']}", "1 or more")
    try:
        resources(site)
    except LoopwrightError as error:
        raise SiteError(f"{where} {error.where}", error.given, error.allowed, error.todo) from None


def _check_plan(table: Mapping[str, Any], where: str) -> None:
    try:
        parse(str(table["objective"]))
    except LoopwrightError as error:
        raise SiteError(f"{where} objective", f"{table['objective']!r}: {error.given}", error.allowed) from None
    for key, low, high in (("seconds", 0, 3600), ("repair_s", 0, 3600), ("idle_s", 0, 3600), ("stability", 0, 1),
                           ("frozen_min", 0, 1e6), ("settle_s", 0, 3600), ("late_s", 0, 1e9), ("down_s", 1, 1e9)):
        if not low <= table[key] <= high:
            raise SiteError(f"{where} {key}", f"{table[key]}", f"{low:g} to {high:g}")
    for name in table["repairs"]:
        if name not in REPAIRS:
            raise UnknownName(f"{where} repairs", str(name), REPAIRS)


def _span(text: Any, who: str) -> tuple[int, int]:
    """(from, to) in ns UTC of an ISO 8601 interval 'start/end'."""
    start, slash, end = str(text).partition("/")
    where = f"[[operator]] {who!r} away"
    allowed = "'2026-01-05T06:00:00+01:00/2026-01-05T14:00:00+01:00'"
    try:
        span = from_iso(start.strip()), from_iso(end.strip())
    except ValueError as error:
        raise SiteError(where, f"{text!r}: {error}" if slash else f"{text!r}", allowed) from None
    if span[0] >= span[1]:
        raise SiteError(where, f"{text!r} ends before it begins", allowed)
    return span


def _moment(text: str, item: str) -> int:
    if not text.strip():
        return 0
    try:
        return from_iso(text.strip())
    except ValueError as error:
        raise SiteError(f"[[material]] {item!r} arrives", f"{text!r}: {error}", "2026-01-05T06:00:00+01:00") from None
