"""Machines: what each does, what it says, and the alarms that need somebody."""

from __future__ import annotations

import json
from typing import Any

from loopwright.app import reads
from loopwright.app.console.draw import chart
from loopwright.app.console.frame import Drawn, View, head
from loopwright.app.console.markup import Safe, action, card, empty, join, pill, tag
from loopwright.app.views import machines as views
from loopwright.app.views import when
from loopwright.app.views.alarms import standing
from loopwright.govern import access

PATH, EVERY_S = "/machines", 2.0
PROTOCOLS = {"mqtt": "MQTT", "opcua": "OPC UA", "mtconnect": "MTConnect", "http": "HTTP", "": "not listened to"}
_TONE = {"run": "live dot", "wait": "warn dot", "stop": "bad dot", "quiet": ""}
_STATES = {
    "active": ("bad", "nobody has seen it"),
    "acknowledged": ("warn", "seen, still true"),
    "returned": ("", "gone before anybody saw it"),
    "normal": ("good", "over"),
}
TILE_LINES = 2


def draw(view: View) -> Drawn:
    """Alarms that stand, then a tile a machine."""
    cards, alarms = reads.machine_cards(view.front), reads.alarms(view.front)
    blocks = {"head": head("Machines", "Heard by the same tables of signals, whatever they speak.")}
    up = standing(alarms)
    if up:
        blocks["alarms"] = card("Alarms", alarm_list(up, view), note=f"{len(up)} need a look")
    if not cards:
        blocks["tiles"] = card(
            None,
            empty(
                "No machine yet",
                "Name one in the site file, with the protocol it speaks. It is heard as soon as the plant runs.",
            ),
        )
        return Drawn("Machines", blocks)
    heard = [c for c in cards if c["protocol"]]
    for one in heard:
        blocks[f"tile-{one['id']}"] = _tile(one, view)
    stations = [c for c in cards if not c["protocol"]]
    if stations:
        blocks["stations"] = card(
            "Stations",
            tag("div", *[pill(f"{c['id']}: {c['role']}") for c in stations], cls="buttons"),
            note="where people work by hand; nobody listens to them",
        )
    past = [a for a in alarms if a["state"] == "normal"]
    if past:
        blocks["past"] = card("Alarms that are over", alarm_list(past[:12], view))
    return Drawn("Machines", blocks, grid={f"tile-{c['id']}": "tile-set" for c in heard})


def alarm_list(alarms: list[dict[str, Any]], view: View) -> Safe:
    """Alarms with their evidence, and the button that says 'seen'."""
    rows = []
    for alarm in alarms:
        tone, word = _STATES[alarm["state"]]
        tell = access.can(view.who, "alarm.acknowledge") and alarm["state"] in ("active", "returned")
        button = (
            action("Acknowledge", f"/api/alarms/{alarm['id']}/ack", cls="small", done="Acknowledged.") if tell else None
        )
        seen = f", seen by {alarm['acknowledged_by']}" if alarm["acknowledged_by"] else ""
        rows.append(
            tag(
                "li",
                tag(
                    "div",
                    tag("p", alarm["says"]),
                    tag(
                        "p", f"{when.ago(alarm['since_ns'], view.front.now_ns(), view.zone)}, {word}{seen}", cls="note"
                    ),
                    evidence(alarm["evidence"], view),
                ),
                tag("div", pill(alarm["priority"], tone), button, cls="buttons"),
                cls="alarm",
            )
        )
    return tag("ul", *rows, cls="alarms")


def evidence(rows: list[dict[str, Any]], view: View) -> Safe | None:
    """What it rests on, folded away until somebody asks."""
    if not rows:
        return None
    items = [
        tag(
            "li", pill(row.get("kind", "")), tag("span", _ref(row, view)), tag("small", row.get("note", ""), cls="note")
        )
        for row in rows
    ]
    return tag(
        "details",
        tag("summary", f"{len(rows)} {'piece' if len(rows) == 1 else 'pieces'} of evidence"),
        tag("ul", *items, cls="evidence"),
    )


def _ref(row: dict[str, Any], view: View) -> Safe | str:
    times = (
        f", {when.moment(row['start_ns'], view.zone)} to {when.moment(row['end_ns'], view.zone)}"
        if row.get("start_ns")
        else ""
    )
    name = f"{row['ref']} {row.get('signal', '')}".strip() + times
    if row.get("kind") == "points" and any(m.id == row["ref"] for m in view.front.site.machines):
        return tag("a", name, href=f"/machines/{row['ref']}")
    return name


def _tile(one: dict[str, Any], view: View) -> Safe:
    data = reads.machine_lines(view.front, one, view.system, most=TILE_LINES, n=240)
    twin = pill(one["twin"], "") if one["twin"] else None
    title = tag("a", one["id"], href=f"/machines/{one['id']}")
    said = f"{PROTOCOLS.get(one['protocol'], one['protocol'])}, heard {when.ago(one['heard_ns'], view.front.now_ns(), view.zone)}"
    state = tag(
        "div",
        pill(one["state"], "bad dot" if one["stale"] else _TONE[one["tone"]]),
        pill("silent", "bad") if one["stale"] else None,
        twin,
        cls="buttons",
    )
    return card(title, state, charts(data, one, view), note=said)


def charts(data: dict[str, Any], one: dict[str, Any], view: View) -> Safe:
    """The state strip and the lines of a machine's last minutes."""
    if not data["end_ns"]:
        return tag("p", "Nothing was heard from it yet.", cls="empty")
    kind = view.front.kinds()[one["kind"]]
    state = views.state_signal(kind)
    tones = {word: views.tone(word) for word in state.codes.values()} if state else {}
    lines = [
        chart.line(line, data["start_ns"], data["end_ns"], view.zone, colour=i) for i, line in enumerate(data["lines"])
    ]
    return join(
        [
            tag(
                "div",
                chart.strip(data["states"], tones, data["start_ns"], data["end_ns"], view.zone),
                style="margin:14px 0 16px",
            ),
            tag("div", *lines, cls="charts"),
        ]
    )


def as_json(body: dict[str, Any]) -> str:
    """A body that goes with a button."""
    return json.dumps(body)
