"""The owner: their shots, the trend, advice with its evidence, what they agreed to, and everything to take along."""

from __future__ import annotations

from typing import Any

from loopwright.app import reads
from loopwright.app.console.draw import chart, driving_range
from loopwright.app.console.frame import Drawn, View, head
from loopwright.app.console.machines import as_json, evidence
from loopwright.app.console.markup import Safe, action, card, empty, pill, tag
from loopwright.app.views import shown, when
from loopwright.govern.roles import EVERYONE

PATH, EVERY_S = "/owner", 4.0


def person_of(view: View) -> str:
    """Whose page it is: an owner's own; on a plant without users whoever was chosen, else the first who holds a
    unit."""
    if view.who.role != EVERYONE:
        return view.who.person
    known = reads.owners(view.front)
    wanted = view.params.get("person", "")
    return wanted if wanted in known else (known[0] if known else "")


def draw(view: View) -> Drawn:
    """Range and trend on the left; advice, units and consents on the right."""
    person = person_of(view)
    choice = _choice(view, person)
    if not person:
        words = empty(
            "Nobody owns a unit yet",
            "Every unit ships with a one-time code. Whoever has it claims the unit here, and sees what it says.",
        )
        return Drawn(
            "Owner",
            {"head": head("Owner", None, choice), "claim": card("Claim a unit", _claim("")), "none": card(None, words)},
        )
    units = reads.owned(view.front, person)
    things = reads.owner_things(view.front, person)
    data = reads.owner_shots(view.front, things, view.system)
    advice = [
        d
        for d in reads.decisions(view.front, [person, *things, *(u["serial"] for u in units)])
        if d["service"] == "coach"
    ]
    left = (
        {"range": _range(data, view), "trend": _trend(data, view)}
        if data["count"]
        else {
            "range": card(
                "On the range",
                empty("No shots yet", "Bring the file of your launch monitor, and the range fills."),
                _upload(units, person),
            )
        }
    )
    blocks = {
        "head": head(
            "Your clubs",
            f"{len(units)} {'unit' if len(units) == 1 else 'units'}, {data['count']} shots."
            if view.who.role == "owner"
            else f"As {person} sees it.",
            choice,
        ),
        **left,
        "advice": _advice(advice, view),
        "units": _units(units, view, person, bool(data["count"])),
        "consents": _consents(reads.consents(view.front, person), view, person),
        "export": _export(person, view),
    }
    return Drawn(
        "Owner",
        blocks,
        grid={key: "owner-left" if key in ("range", "trend") else "owner-right" for key in blocks if key != "head"},
    )


def _choice(view: View, person: str) -> Safe | None:
    """Who plays whom, on a plant without users."""
    known = reads.owners(view.front)
    if view.who.role != EVERYONE or len(known) < 2:
        return None
    return tag(
        "div",
        *[tag("a", name, href=f"/owner?person={name}", cls="here" if name == person else None) for name in known[:8]],
        cls="chips",
    )


def _range(data: dict[str, Any], view: View) -> Safe:
    words = (
        "Half of your shots land in the inner ellipse, nine in ten in the outer."
        if data["range"]["ellipses"]
        else "Five shots make a pattern."
    )
    return card(
        "On the range",
        driving_range.words(data["range"]),
        tag("div", driving_range.drawn(data["range"], view.zone), cls="field-of-play"),
        tag("p", words, cls="note"),
    )


def _trend(data: dict[str, Any], view: View) -> Safe:
    return card(
        "Trend",
        driving_range.trend(data["trend"], view.zone),
        note="each session's mean to the side, with its 95 % interval",
    )


def _advice(rows: list[dict[str, Any]], view: View) -> Safe:
    if not rows:
        return card("Advice", tag("p", "The coach speaks after a few shots, when you agreed to coaching.", cls="empty"))
    return card("Advice", *[advice(row, view) for row in rows[:4]])


def advice(row: dict[str, Any], view: View) -> Safe:
    """What a service said, with interval and evidence, or why it says nothing."""
    if row["abstains"]:
        return tag(
            "div",
            tag("p", f"Nothing to say: {row['abstains']}.", cls="quote"),
            tag("p", when.moment(row["made_ns"], view.zone), cls="note"),
            cls="advice",
        )
    parts: list[Any] = [tag("p", row["says"], cls="says")]
    parts.append(interval(row, view))
    kind = row.get("body", {}).get("kind", "")
    parts += [
        tag(
            "p",
            pill("observational", "warn") if str(kind).startswith("observational") else None,
            " ",
            str(kind).partition(": ")[2],
            cls="note",
        )
        if kind
        else None,
        evidence(row["because"], view),
        tag(
            "p",
            f"{when.moment(row['made_ns'], view.zone)}{', ' + row['model'] if row.get('model') else ''}",
            cls="note",
        ),
    ]
    return tag("div", *parts, cls="advice")


def interval(row: dict[str, Any], view: View) -> Safe | None:
    """The number behind a decision with its interval, in the units people like; a share of one as a percentage."""
    ends = [row.get(key) for key in ("value", "low", "high")]
    if any(end is None for end in ends) or ends[1] == ends[2]:
        return None
    if row["unit"] == "1" and 0 <= min(ends) and max(ends) <= 1:
        return chart.interval(*(100 * end for end in ends), "%")
    name = "carry" if row["unit"] == "m" else ""
    value, low, high = (shown.shown(end, row["unit"], view.system, name) for end in ends)
    return chart.interval(value.number, low.number, high.number, value.unit)


def _units(units: list[dict[str, Any]], view: View, person: str, upload: bool) -> Safe:
    rows = [
        tag(
            "div",
            tag("a", unit["serial"], href=f"/units/{unit['serial']}"),
            tag("span", f"since {when.day(unit['claimed_ns'], view.zone)}", cls="note"),
            cls="row",
        )
        for unit in units
    ]
    return card(
        "Your units",
        *rows or [tag("p", "None yet.", cls="empty")],
        tag(
            "details",
            tag("summary", "Claim another unit"),
            tag("div", _claim(person if view.who.role == EVERYONE else "")),
        ),
        tag("details", tag("summary", "Bring shots from a launch monitor"), tag("div", _upload(units, person)))
        if upload
        else None,
    )


def _claim(person: str) -> Safe:
    return tag(
        "form",
        tag(
            "label", tag("span", "Serial"), tag("input", name="serial", required=True, autocomplete="off"), cls="field"
        ),
        tag(
            "label",
            tag("span", "One-time code"),
            tag("input", name="code", required=True, autocomplete="off"),
            cls="field",
        ),
        tag("input", type="hidden", name="person", value=person) if person else None,
        tag("button", "Claim", type="submit", cls="button main"),
        data_post="/api/claim",
        data_done="It is yours.",
    )


def _upload(units: list[dict[str, Any]], person: str) -> Safe:
    options = [tag("option", unit["serial"], value=unit["serial"]) for unit in units]
    return tag(
        "form",
        tag("label", tag("span", "Club"), tag("select", *options, name="serial"), cls="field") if options else None,
        tag(
            "label",
            tag("span", "File (CSV of a Garmin R10)"),
            tag("input", type="file", name="file", required=True, accept=".csv,.gz"),
            cls="field",
        ),
        tag("button", "Bring it in", type="submit", cls="button main"),
        data_post="/api/shots",
        data_upload=True,
    )


def _consents(rows: list[dict[str, Any]], view: View, person: str) -> Safe:
    out = []
    for row in rows:
        until = (
            f"until {when.day(row['until_ns'], view.zone)}"
            if row["given"] and row["until_ns"]
            else "until you withdraw it"
            if row["given"]
            else "not given"
        )
        body = as_json(
            {
                "purpose": row["purpose"],
                "given": not row["given"],
                **({"person": person} if view.who.role == EVERYONE else {}),
            }
        )
        switch = tag(
            "button",
            type="button",
            role="switch",
            aria_checked=str(row["given"]).lower(),
            aria_label=row["purpose"],
            cls="on" if row["given"] else None,
            data_post="/api/consent",
            data_body=body,
            data_done="Withdrawn." if row["given"] else "Thank you.",
        )
        out.append(
            tag(
                "div",
                tag(
                    "div",
                    tag("h3", row["purpose"].capitalize()),
                    tag(
                        "p",
                        f"{row['meaning'][:1].upper()}{row['meaning'][1:]}. {until[:1].upper()}{until[1:]}.",
                        cls="note",
                    ),
                ),
                switch,
                cls="toggle",
            )
        )
    return card("What you agree to", *out, note="each for itself, withdrawn at any time")


def _export(person: str, view: View) -> Safe:
    query = f"?person={person}" if view.who.role == EVERYONE else ""
    return card(
        "Take it along",
        tag(
            "p", "Your measures, units, shots, advice and consents as one file.", cls="note", style="margin-bottom:12px"
        ),
        tag("a", "Export everything", href=f"/api/export{query}", cls="button", download=True),
    )


__all__ = ["action", "advice", "draw", "interval", "person_of"]
