"""The owner: their shots, the trend, advice with its evidence, what they agreed to, and everything to take along."""

from __future__ import annotations

import json
from typing import Any

from loopwright.app import reads
from loopwright.app.console import pieces
from loopwright.app.console.alarms import evidence
from loopwright.app.console.draw import chart, driving_range
from loopwright.app.console.frame import Drawn, View, head, title
from loopwright.app.console.markup import Safe, card, chips, div, empty, field, link, note, pill, tag
from loopwright.app.views import shown, when
from loopwright.govern.roles import EVERYONE

PATH, EVERY_S = "/owner", 4.0
ADVICE, CHOICE = 4, 8  # pieces of advice, and persons to choose from, that are shown


def person_of(view: View) -> str:
    """Whose page it is: an owner's own; on a plant without users whoever was chosen, else the first with a unit."""
    if view.who.role != EVERYONE:
        return view.who.person
    known = reads.owners(view.front)
    wanted = view.params.get("person", "")
    return wanted if wanted in known else (known[0] if known else "")


def draw(view: View) -> Drawn:
    """Range and trend on the left; advice, units and consents on the right."""
    person = person_of(view)
    if not person:
        words = "Every unit ships with a one-time code. Whoever has it claims the unit here, and sees what it says."
        blocks = {"head": head("Owner"), "claim": card("Claim a unit", _claim(""))}
        return Drawn("Owner", {**blocks, "none": card(None, empty("Nobody owns a unit yet", words))})
    units, things = reads.owned(view.front, person), reads.owner_things(view.front, person)
    data = reads.owner_shots(view.front, things, view.system)
    about = [person, *things, *(unit["serial"] for unit in units)]
    said = [row for row in reads.decisions(view.front, about) if row["service"] == "coach"]
    left = {"range": _range(data, view), "trend": _trend(data, view)} if data["count"] else {"range": _no_shots(units)}
    right = {
        "advice": _advice(said, view),
        "units": _units(units, view, person, bool(data["count"])),
        "fit": _fit(reads.stands(view.front, person), view),
        "consents": _consents(view, person),
        "export": _export(view, person),
    }
    words = f"{_count(len(units), 'unit')}, {_count(data['count'], 'shot')}."
    if view.who.role == EVERYONE:
        words = f"As {person} sees it."
    grid = {**dict.fromkeys(left, "owner-left"), **dict.fromkeys(right, "owner-right")}
    return Drawn("Owner", {"head": head("Your clubs", words, _choice(view, person)), **left, **right}, grid=grid)


def _count(n: int, word: str) -> str:
    return f"{n} {word}{'' if n == 1 else 's'}"


def _choice(view: View, person: str) -> Safe | None:
    """Who plays whom, on a plant without users."""
    known = reads.owners(view.front)
    if view.who.role != EVERYONE or len(known) < 2:
        return None
    return chips((name, f"/owner?person={name}", name == person) for name in known[:CHOICE])


def _range(data: dict[str, Any], view: View) -> Safe:
    words = "Half of your shots land in the inner ellipse, nine in ten in the outer."
    if not data["range"]["ellipses"]:
        words = "Five shots make a pattern."
    picture = div("field-of-play", driving_range.drawn(data["range"], view.zone))
    told = (driving_range.words(data["range"]), picture, note(words), pieces.assumed(data["assumed"]))
    return card("On the range", *told)


def _no_shots(units: list[dict[str, Any]]) -> Safe:
    words = "Bring the file of your launch monitor, and the range fills."
    return card("On the range", empty("No shots yet", words), _upload(units))


def _trend(data: dict[str, Any], view: View) -> Safe:
    words = "each session's mean to the side, with its 95 % interval"
    return card("Trend", driving_range.trend(data["trend"], view.zone), note=words)


def _advice(rows: list[dict[str, Any]], view: View) -> Safe:
    nothing = tag("p", "The coach speaks after a few shots, when you agreed to coaching.", cls="empty")
    return card("Advice", *[advice(row, view) for row in rows[:ADVICE]] or [nothing])


def advice(row: dict[str, Any], view: View) -> Safe:
    """What a service said, with interval and evidence, or why it says nothing."""
    made = when.moment(row["made_ns"], view.zone)
    if row["abstains"]:
        return div("advice", tag("p", f"Nothing to say: {row['abstains']}.", cls="quote"), note(made))
    parts: list[Any] = [tag("p", row["says"], cls="says"), interval(row, view)]
    kind, _, why = str(row.get("body", {}).get("kind", "")).partition(": ")
    if kind:
        parts.append(note(pill(kind, "warn"), " ", why))
    model = f", {row['model']}" if row.get("model") else ""
    return div("advice", *parts, evidence(row["because"], view), note(f"{made}{model}"))


def interval(row: dict[str, Any], view: View) -> Safe | None:
    """The number behind a decision with its interval, in the units people like; a share of one as a percentage."""
    ends = [float(row[key]) for key in ("value", "low", "high") if row.get(key) is not None]
    if len(ends) < 3 or ends[1] == ends[2]:
        return None
    if row["unit"] == "1" and min(ends) >= 0 and max(ends) <= 1:
        return chart.interval(100 * ends[0], 100 * ends[1], 100 * ends[2], "%")
    name = "carry" if row["unit"] == "m" else ""
    value, low, high = (shown.shown(end, row["unit"], view.system, name) for end in ends)
    return chart.interval(value.number, low.number, high.number, value.unit)


def _units(units: list[dict[str, Any]], view: View, person: str, upload: bool) -> Safe:
    rows = [
        div("row", link(unit["serial"], f"/units/{unit['serial']}"),
            tag("span", f"since {when.day(unit['claimed_ns'], view.zone)}", cls="note"))
        for unit in units
    ]
    who = person if view.who.role == EVERYONE else ""
    claim = tag("details", tag("summary", "Claim another unit"), tag("div", _claim(who)))
    bring = tag("details", tag("summary", "Bring shots from a launch monitor"), tag("div", _upload(units)))
    return card("Your units", *rows or [tag("p", "None yet.", cls="empty")], claim, bring if upload else None)


def _fit(rows: list[dict[str, Any]], view: View) -> Safe:
    """Where the owner's body stands on the fitting charts, beside the standard."""
    out = []
    for row in rows:
        ends = (row["value"], row["standard"])
        value, standard = (shown.shown(end, row["unit"], view.system, row["name"]) for end in ends)
        words = f"{value}, the standard is {standard}" + (f": {row['words']}" if row["words"] else "")
        bar = pieces.rangebar(row["value"], row["low"], row["high"])
        out.append(tag("div", tag("h3", title(row["name"])), note(words), bar, style="margin-bottom:14px"))
    unknown = tag("p", "Your measures are not known here.", cls="empty")
    return card("Your fit", *out or [unknown], note="by the published charts")


def _claim(person: str) -> Safe:
    return tag(
        "form", field("Serial", tag("input", name="serial", required=True, autocomplete="off")),
        field("One-time code", tag("input", name="code", required=True, autocomplete="off")),
        tag("input", type="hidden", name="person", value=person) if person else None,
        tag("button", "Claim", type="submit", cls="button main"), data_post="/api/claim", data_done="It is yours.",
    )


def _upload(units: list[dict[str, Any]]) -> Safe:
    options = [tag("option", unit["serial"], value=unit["serial"]) for unit in units]
    file = tag("input", type="file", name="file", required=True, accept=".csv,.gz")
    return tag(
        "form", field("Club", tag("select", *options, name="serial")) if options else None,
        field("File (CSV of a Garmin R10)", file), tag("button", "Bring it in", type="submit", cls="button main"),
        data_post="/api/shots", data_upload=True,
    )


def _consents(view: View, person: str) -> Safe:
    rows = [_consent(row, view, person) for row in reads.consents(view.front, person)]
    return card("What you agree to", *rows, note="each for itself, withdrawn at any time")


def _consent(row: dict[str, Any], view: View, person: str) -> Safe:
    until = f"Until {when.day(row['until_ns'], view.zone)}." if row["given"] else "Not given."
    meaning = f"{row['meaning'][:1].upper()}{row['meaning'][1:]}."
    body = {"purpose": row["purpose"], "given": not row["given"]}
    if view.who.role == EVERYONE:
        body["person"] = person
    switch = tag(
        "button", type="button", role="switch", aria_checked=str(row["given"]).lower(), aria_label=row["purpose"],
        cls="on" if row["given"] else None, data_post="/api/consent", data_body=json.dumps(body),
    )
    return div("toggle", tag("div", tag("h3", row["purpose"].capitalize()), note(f"{meaning} {until}")), switch)


def _export(view: View, person: str) -> Safe:
    query = f"?person={person}" if view.who.role == EVERYONE else ""
    words = note("Your measures, units, shots, advice and consents as one file.", style="margin-bottom:12px")
    button = tag("a", "Export everything", href=f"/api/export{query}", cls="button", download=True)
    return card("Take it along", words, button)
