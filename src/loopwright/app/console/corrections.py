"""Corrections: values that were wrong, marked or mended with a reason, and taken back with one click."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from loopwright.app import correcting
from loopwright.app.console.frame import Drawn, View, head
from loopwright.app.console.markup import Safe, action, card, div, empty, field, link, note, pill, table, tag
from loopwright.app.views import when
from loopwright.core.clock import iso
from loopwright.core.errors import LoopwrightError
from loopwright.core.types import BAD
from loopwright.govern import access

PATH, EVERY_S = "/corrections", 3.0
SHOWN = 50
EVER = 1 << 62  # ns, in the year 2116
HOWS = (
    ("bad", "mark bad, the values stay visible"), ("set", "set to"), ("add", "add"), ("scale", "multiply by"),
    ("gap", "take out: there was no value"), ("good", "mark good again"), ("reset", "a counter was reset at From"),
)


def address(thing: str, signal: str = "", start_ns: int | None = None, end_ns: int | None = None) -> str:
    """This page with its form filled in: where a chart's Mark button leads."""
    asked = {"thing": thing, "signal": signal}
    for name, t_ns in (("start", start_ns), ("end", end_ns)):
        asked[name] = "" if t_ns is None else str(t_ns) if t_ns % 1_000_000 else iso(t_ns)
    return f"{PATH}?{urlencode({key: value for key, value in asked.items() if value})}"


def draw(view: View) -> Drawn:
    """The form, filled in from the address; what each value once was, when one moment is asked for; what was done."""
    thing, signal = view.params.get("thing", ""), view.params.get("signal", "")
    words = "Nothing is overwritten: what was known before stays, with who changed it and why."
    crumb = link(thing, f"/machines/{thing}") if thing in {m.id for m in view.front.site.machines} else None
    blocks = {"head": head("Corrections", words, crumb=crumb)}
    if access.can(view.who, "points.correct"):
        blocks["form"] = card(_title(thing, signal), _form(view, thing, signal))
    if thing and signal and view.params.get("at"):
        blocks["history"] = card("Every version", _history(view, thing, signal, view.params["at"]))
    rows = correcting.list_in(view.front.store, thing, SHOWN)
    if not rows:
        nothing = "A bad point, a wrong scale or a counter that was reset is mended above, and shows here."
        return Drawn("Corrections", {**blocks, "none": card(None, empty("Nothing was corrected yet", nothing))})
    for row in rows:
        blocks[f"c-{row['event']}"] = _row(row, view)
    return Drawn("Corrections", blocks)


def _title(thing: str, signal: str) -> str:
    return f"Correct {thing} {signal}".strip() if thing else "Correct values"


def _form(view: View, thing: str, signal: str) -> Safe:
    """Which values, what is done to them, and why."""
    known, kinds = view.front.store.things(), view.front.store.kinds()
    wanted = {known[name].kind for name in ([thing] if thing in known else known)}
    signals = sorted({one.name for kind in wanted for one in kinds[kind].signals})

    def text(name: str, words: str, value: str, **more: Any) -> Safe:
        return field(words, tag("input", type="text", name=name, value=value, autocomplete="off", **more))

    pick = tag("select", *[tag("option", words, value=how) for how, words in HOWS], name="how", aria_label="How")
    when_words = "2026-11-21T20:17:50Z, or ns"
    rows = (
        div("twins", text("thing", "Thing", thing, required=True, list_="things"),
            text("signal", "Signal", signal, required=True, list_="signals")),
        div("twins", text("start", "From", _time(view, "start"), placeholder=when_words,
                 required=True),
            text("end", "To, not included", _time(view, "end"), placeholder=when_words)),
        div("twins", field("What to do", pick), text("by", "Number or word", "", placeholder="of set, add, multiply")),
        text("reason", "Why", "", required=True, placeholder="In a sentence, for the ledger"),
    )
    lists = [_options("things", sorted(known)[:2000]), _options("signals", signals)]
    button = tag("button", "Correct", type="submit", cls="button main")
    hint = note("Without an end it reaches to the newest value. Both versions stay, and Undo takes it back.")
    send = div("buttons", button, style="margin-top:12px")
    return tag("form", *rows, *lists, hint, send, data_post="/api/corrections")


def _time(view: View, name: str) -> str:
    """A time of the address as people write it, where milliseconds tell it."""
    text = view.params.get(name, "")
    whole = text.isdigit() and int(text) % 1_000_000 == 0 and int(text) <= EVER
    return iso(int(text)) if whole else text


def _options(name: str, values: list[str]) -> Safe:
    return tag("datalist", *[tag("option", value=value) for value in values], id=name)


def _history(view: View, thing: str, signal: str, at: str) -> Safe:
    try:
        found = correcting.history_in(view.front.store, thing, signal, at)
    except LoopwrightError as error:
        return note(str(error))
    rows = [
        [tag("b", _value(one)) if one["in_force"] else _value(one), when.moment(one["known_ns"], view.zone),
         one["author"] or one["source"], one["reason"]]
        for one in found
    ]
    return table([("Value", "n"), "Known", "By", "Why"], rows, "No value stands there, and none ever did.")


def _value(one: dict[str, Any]) -> str:
    value = one["value"]
    text = "gap" if value is None else f"{value:.7g}" if isinstance(value, float) else str(value)
    return text + (" (bad)" if one["quality"] == BAD else "")


def _row(row: dict[str, Any], view: View) -> Safe:
    """One correction, and the button that takes it back."""
    state = ("taken back", "") if row["undone_by"] else ("partly done", "warn dot") if row["state"] != "whole" else (
        ("undo", "") if row["undoes"] else ("in force", "good"))
    made = f"{row['author']}, {when.moment(row['known_ns'], view.zone)}"
    lead = div("buttons", pill(*state), tag("span", made, cls="note"), style="margin-bottom:10px")
    button = None
    if not row["undone_by"] and access.can(view.who, "points.correct"):
        button = div("buttons", action("Undo", f"/api/corrections/{row['event']}/undo", done="Taken back.",
                                       ask="Why do you take it back?"), style="margin-top:12px")
    return card(None, lead, tag("p", row["says"], cls="says"), note(row["reason"]), button, id_=row["event"])
