"""Pages that need no sign-in and no server push: the door, the public page of a unit, and what a page says when it
cannot be shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loopwright.app.console import pieces
from loopwright.app.console.frame import brand, document, title
from loopwright.app.console.markup import Safe, card, join, pill, table, tag
from loopwright.app.views import shown, when
from loopwright.core.errors import LoopwrightError


def sign_in(plant: str, then: str = "/", wrong: str = "") -> str:
    """The door."""
    form = tag(
        "form",
        tag("h1", "Sign in"),
        tag("p", plant, cls="note", style="margin-bottom:18px"),
        tag("p", wrong, cls="wrong", role="alert") if wrong else None,
        tag(
            "label",
            tag("span", "Name"),
            tag(
                "input",
                type="text",
                name="name",
                required=True,
                autocomplete="username",
                autofocus=True,
                autocapitalize="none",
            ),
            cls="field",
        ),
        tag(
            "label",
            tag("span", "Password"),
            tag("input", type="password", name="password", required=True, autocomplete="current-password"),
            cls="field",
        ),
        tag("input", type="hidden", name="then", value=then),
        tag("button", "Sign in", type="submit", cls="button main"),
        method="post",
        action="/signin",
    )
    return document("Sign in", tag("div", tag("div", brand(), card(None, form)), cls="gate"))


def public(unit: Mapping[str, Any], plant: str, system: str, zone: str) -> str:
    """What anybody who holds the unit may see."""
    mirrored = unit.get("mirrored", False)
    name = f"Left-handed {unit['family']}" if mirrored else title(unit["family"])
    facts = [
        ("Made by", plant),
        ("Made", when.day(unit["made_ns"], zone)),
        ("Design rules", unit["revision"]),
        ("Head mass", shown.shown(unit["mass_kg"], "kg", system) if unit.get("mass_kg") else None),
        ("Registered by its owner", "yes" if unit["claimed"] else "not yet"),
    ]
    word = (
        tag("p", "Its owner keeps the rest to themselves.", cls="note", style="margin-top:14px")
        if not unit["agreed"]
        else None
    )
    owner = (
        tag(
            "p",
            "Yours? ",
            tag("a", "Claim it with your one-time code", href="/owner"),
            ".",
            cls="note",
            style="margin-top:14px",
        )
        if not unit["claimed"]
        else None
    )
    first = card(
        "This one is genuine",
        tag("dl", join(tag("dt", key) + tag("dd", value) for key, value in facts if value), cls="pairs"),
        word,
        owner,
    )
    parts: list[Any] = [brand(), tag("h1", f"{name}, made to measure"), tag("p", unit["serial"], cls="serial")]
    if unit["agreed"]:
        parts += [
            card(None, pieces.solid(unit["serial"], {"glb": {"hash": ""}}), cls="solid-card")
            if unit["solid"]
            else None,
            first,
            _built(unit, system),
            _steps(unit, zone),
        ]
    else:
        parts.append(first)
    return document(unit["serial"], tag("div", *parts, cls="passport"))


def _built(unit: Mapping[str, Any], system: str) -> Safe:
    measured = {row["name"]: row for row in unit["as_built"]}
    rows = []
    for row in unit["parameters"]:
        built = measured.get(row["name"], {}).get("value")
        as_built = tag("b", shown.shown(built, row["unit"], system, row["name"])) if built is not None else "–"
        rows.append([title(row["name"]), str(shown.shown(row["value"], row["unit"], system, row["name"])), as_built])
    return card(
        "Designed and built",
        table(["", ("Designed", "n"), ("As built", "n")], rows),
        note="measured before it was shipped",
    )


def _steps(unit: Mapping[str, Any], zone: str) -> Safe:
    rows = [[title(step["operation"]), step["machine"], when.moment(step["end_ns"], zone)] for step in unit["steps"]]
    return card("How it was made", table(["Step", "Machine", "Finished"], rows, "stack"))


def problem(error: LoopwrightError, status: int) -> str:
    """An error as a page: where, what was given, what is allowed, what to do."""
    head = {404: "There is no such thing here", 403: "Not for you", 401: "Sign in first"}.get(
        status, "That did not work"
    )
    return document(head, tag("div", tag("div", brand(), card(None, words(error, head))), cls="gate"))


def words(error: LoopwrightError, head: str) -> Safe:
    """The parts of an error, each where it is looked for."""
    allowed = tag("p", "Allowed: ", error.allowed, cls="note") if error.allowed else None
    todo = tag("p", error.todo, style="margin-top:10px") if error.todo else None
    return join(
        [
            tag("h1", head),
            tag("p", f"{error.where}: {error.given}", style="margin:10px 0"),
            allowed,
            todo,
            tag("p", pill("back"), " ", tag("a", "to the start", href="/"), style="margin-top:18px"),
        ]
    )


def api_docs(schema: Mapping[str, Any]) -> str:
    """What the API can do, from its OpenAPI description: one line an address."""
    tags: dict[str, list[list[Any]]] = {}
    for path, methods in schema["paths"].items():
        for method, row in methods.items():
            tags.setdefault((row.get("tags") or ["other"])[0], []).append(
                [
                    tag("span", method.upper(), cls="code"),
                    tag("span", path, cls="code"),
                    row.get("description") or row.get("summary", ""),
                ]
            )
    cards = [
        card(title(name), table(["Method", "Address", "What it gives"], rows, "stack")) for name, rows in tags.items()
    ]
    lead = tag(
        "p",
        "Described for programs in ",
        tag("a", "openapi.json", href="/api/openapi.json"),
        ". Send a session's cookie or Authorization: Bearer lw_...",
        cls="note",
        style="margin:8px 0 24px",
    )
    return document("API", tag("main", brand(), tag("h1", "API", style="margin-top:28px"), lead, *cards, cls="page"))
