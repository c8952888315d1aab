"""Machines: what each does, what it says, and the alarms that need somebody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loopwright.app import reads
from loopwright.app.console.alarms import PATH as ALARMS
from loopwright.app.console.alarms import alarm_list
from loopwright.app.console.draw import chart
from loopwright.app.console.frame import Drawn, View, head
from loopwright.app.console.markup import Safe, card, div, empty, join, link, pill, tag, text
from loopwright.app.views import machines as views
from loopwright.app.views import when
from loopwright.app.views.alarms import standing

PATH, EVERY_S = "/machines", 2.0
PROTOCOLS = {"mqtt": "MQTT", "opcua": "OPC UA", "mtconnect": "MTConnect", "http": "HTTP", "": "not listened to"}
TILE_LINES, TILE_POINTS = 2, 160
_TONE = {"run": "live dot", "wait": "warn dot", "stop": "bad dot", "quiet": ""}


def draw(view: View) -> Drawn:
    """Alarms that stand, then a tile a machine."""
    cards, alarms = reads.machine_cards(view.front), reads.alarms(view.front)
    blocks = {"head": head("Machines", "Heard by the same tables of signals, whatever they speak.")}
    if up := standing(alarms):
        more = link(f"{len(up)} stand; all alarms, and what they ask", ALARMS)
        blocks["alarms"] = card("Alarms", alarm_list(up, view), note=more)
    if not cards:
        words = "Name one in the site file, with the protocol it speaks. It is heard as soon as the plant runs."
        return Drawn("Machines", {**blocks, "tiles": card(None, empty("No machine yet", words))})
    heard = [one for one in cards if one["protocol"]]
    fine = {key: value for one in heard for key, value in _fine(one, view).items()}
    tiles = {f"tile-{one['id']}": _tile(one, fine) for one in heard}
    blocks |= tiles
    if stations := [pill(f"{one['id']}: {one['role']}") for one in cards if not one["protocol"]]:
        words = "where people work by hand; nobody listens to them"
        blocks["stations"] = card("Stations", div("buttons", *stations), note=words)
    if past := [alarm for alarm in alarms if alarm["state"] == "normal"]:
        blocks["past"] = card("Alarms that are over", alarm_list(past[:12], view), note=link("all alarms", ALARMS))
    return Drawn("Machines", blocks, fine, dict.fromkeys(tiles, "tile-set"))


def state_pills(one: dict[str, Any]) -> Safe:
    """What a machine does, whether it is silent, and who plays it."""
    silent = pill("silent", "bad") if one["stale"] and one["state"] != "silent" else None
    twin = pill(f"played by a {one['twin']}") if one["twin"] else None
    return div("buttons", pill(one["state"], "bad dot" if one["stale"] else _TONE[one["tone"]]), silent, twin)


def speaks(one: dict[str, Any], view: View) -> str:
    """The protocol, and when it was heard last."""
    heard = f"heard {when.ago(one['heard_ns'], view.front.now_ns(), view.zone)}" if one["heard_ns"] else "never heard"
    return f"{PROTOCOLS.get(one['protocol'], one['protocol'])}, {heard}"


def _fine(one: dict[str, Any], view: View) -> dict[tuple[str, str], Safe]:
    """What changes on a tile, each by itself: when it was heard, its state, its lines."""
    data = reads.machine_lines(view.front, one, view.system, most=TILE_LINES, n=TILE_POINTS)
    parts = {"heard": text(speaks(one, view)), "state": state_pills(one), "lines": charts(data, one, view)}
    return {(f"{part}-{one['id']}", "html"): value for part, value in parts.items()}


def _tile(one: dict[str, Any], fine: Mapping[tuple[str, str], Safe]) -> Safe:
    """A machine's tile with the pieces of `_fine` in their places."""
    keys = [f"{part}-{one['id']}" for part in ("heard", "state", "lines")]
    heard, state, lines = (tag("div", fine[key, "html"], data_k=key) for key in keys)
    return card(link(one["id"], f"/machines/{one['id']}"), state, lines, note=heard)


def charts(data: dict[str, Any], one: dict[str, Any], view: View) -> Safe:
    """The state strip and the lines of a machine's last minutes."""
    if not data["end_ns"]:
        return tag("p", "Nothing was heard from it yet.", cls="empty")
    state = views.state_signal(view.front.kinds()[one["kind"]])
    tones = {word: views.tone(word) for word in state.codes.values()} if state else {}
    start, end = data["start_ns"], data["end_ns"]
    lines = [chart.line(line, start, end, view.zone, colour=i) for i, line in enumerate(data["lines"])]
    strip = tag("div", chart.strip(data["states"], tones, start, end, view.zone), style="margin:14px 0 16px")
    return join([strip, div("charts", *lines)])
