"""Pages that need nobody signed in and no server push: the door, a unit's public page, errors, what the API can do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loopwright.app.console import pieces
from loopwright.app.console.frame import brand, document, title
from loopwright.app.console.markup import Safe, card, div, field, link, note, table, tag
from loopwright.app.views import shown, when
from loopwright.core.errors import LoopwrightError

_HEADS = {404: "There is no such thing here", 403: "Not for you", 401: "Sign in first", 501: "Something is missing"}


def sign_in(plant: str, then: str = "/", wrong: str = "") -> str:
    """The door."""
    name = tag("input", type="text", name="name", required=True, autocomplete="username", autofocus=True,
               autocapitalize="none")
    password = tag("input", type="password", name="password", required=True, autocomplete="current-password")
    form = tag(
        "form", tag("h1", "Sign in"), note(plant, style="margin-bottom:18px"),
        tag("p", wrong, cls="wrong", role="alert") if wrong else None, field("Name", name), field("Password", password),
        tag("input", type="hidden", name="then", value=then),
        tag("button", "Sign in", type="submit", cls="button main"),
        method="post", action="/signin",
    )
    return document("Sign in", div("gate", tag("div", brand(), card(None, form))))


def public(unit: Mapping[str, Any], plant: str, system: str, zone: str) -> str:
    """What anybody who holds the unit may see."""
    name = f"Left-handed {unit['family']}" if unit.get("mirrored") else title(unit["family"])
    facts = {
        "Made by": plant, "Made": when.day(unit["made_ns"], zone), "Design rules": unit["revision"],
        "Head mass": shown.shown(unit["mass_kg"], "kg", system) if unit.get("mass_kg") else None,
        "Registered by its owner": "yes" if unit["claimed"] else "not yet",
    }
    words: Any = None
    if not unit["agreed"]:
        words = "Its owner keeps the rest to themselves."
    elif not unit["claimed"]:
        words = ["Yours? ", link("Claim it with your one-time code", "/owner"), "."]
    genuine = card("This one is genuine", pieces.pairs(facts), note(words, style="margin-top:14px") if words else None)
    parts = [brand(), tag("h1", f"{name}, made to measure"), tag("p", unit["serial"], cls="serial")]
    if unit.get("solid"):
        parts.append(card(None, pieces.solid(unit["serial"], {"glb": {"hash": ""}}), cls="solid-card"))
    parts.append(genuine)
    if unit["agreed"]:
        parts += [_built(unit, system), _steps(unit, zone)]
    return document(unit["serial"], div("passport", *parts))


def _built(unit: Mapping[str, Any], system: str) -> Safe:
    measured = {row["name"]: row["value"] for row in unit["as_built"]}
    rows = [
        [title(row["name"]), *(str(shown.shown(value, row["unit"], system, row["name"]))
                               for value in (row["value"], measured.get(row["name"])))]
        for row in unit["parameters"]
    ]
    heads = ["", ("Designed", "n"), ("As built", "n")]
    return card("Designed and built", table(heads, rows, cls=""), note="measured before it was shipped")


def _steps(unit: Mapping[str, Any], zone: str) -> Safe:
    rows = [[title(step["operation"]), step["machine"], when.moment(step["end_ns"], zone)] for step in unit["steps"]]
    return card("How it was made", table(["Step", "Machine", "Finished"], rows))


def problem(error: LoopwrightError, status: int) -> str:
    """An error as a page: where, what was given, what is allowed, what to do."""
    name = _HEADS.get(status, "That did not work")
    allowed = note("Allowed: ", error.allowed) if error.allowed else None
    todo = tag("p", error.todo, style="margin-top:10px") if error.todo else None
    way = tag("p", link("To the start", "/"), style="margin-top:18px")
    told = (tag("h1", name), tag("p", f"{error.where}: {error.given}", style="margin:10px 0"), allowed, todo, way)
    return document(name, div("gate", tag("div", brand(), card(None, *told))))


def api_docs(schema: Mapping[str, Any]) -> str:
    """What the API can do, from its OpenAPI description: one line an address."""
    tags: dict[str, list[list[Any]]] = {}
    for path, methods in schema["paths"].items():
        for method, row in methods.items():
            words = row.get("description") or row.get("summary", "")
            tags.setdefault((row.get("tags") or ["other"])[0], []).append([
                tag("span", path, cls="code"), tag("span", method.upper(), cls="code"), words])
    cards = [card(title(name), table(["Address", "Method", "What it gives"], rows)) for name, rows in tags.items()]
    lead = note("Described for programs in ", link("openapi.json", "/api/openapi.json"),
                ". Send a session's cookie, or Authorization: Bearer lw_...", style="margin:8px 0 24px")
    return document("API", tag("main", brand(), tag("h1", "API", style="margin-top:28px"), lead, *cards, cls="page"))
