"""Loss accounting for people: in = out + duplicate + refused + waiting + lost, checked in every row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loopwright.core.types import Hop

_TITLES = {
    "mqtt": "MQTT",
    "opcua": "OPC UA",
    "mtconnect": "MTConnect",
    "http": "HTTP",
    "files": "Files",
    "sparkplug": "Sparkplug B",
    "modbus": "Modbus",
    "journal": "Journal",
    "points": "Points",
}
_MEANINGS = {
    "journal": "accepted, numbered and made durable before it is acknowledged",
    "points": "moved from the journal into the tables that everything reads",
    "files": "rows of imported files",
}
_LAST = ("journal", "points")


def loss_rows(hops: Mapping[str, Hop]) -> list[dict[str, Any]]:
    """One row a hop in the order the samples pass it: {name, title, meaning, in, out, late, duplicate,
    possible_duplicate, conflict, refused, waiting, lost, word, adds_up, share}.

    adds_up  whether the equation holds exactly (None where the sender does not count, so that nothing can be said)
    """
    names = [name for name in hops if name not in _LAST] + [name for name in _LAST if name in hops]
    return [_row(name, hops[name]) for name in names]


def _row(name: str, hop: Hop) -> dict[str, Any]:
    row = hop.as_dict()
    accounted = row["out"] + row["duplicate"] + row["refused"] + row["waiting"]
    row["adds_up"] = None if hop.lost is None else accounted + hop.lost == hop.into
    row["word"] = hop.word
    return {
        "name": name,
        "title": _TITLES.get(name, name),
        "meaning": _MEANINGS.get(name, "heard over this protocol"),
        **row,
    }


def total(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """One sentence's worth: {heard, kept, lost, unknown, adds_up}: lost is the sum where senders count, unknown how
    many do not."""
    sources = [row for row in rows if row["name"] not in _LAST]
    return {
        "heard": sum(row["in"] for row in sources),
        "kept": next((row["out"] for row in rows if row["name"] == "points"), 0),
        "lost": sum(row["lost"] or 0 for row in rows),
        "unknown": sum(row["lost"] is None for row in rows),
        "adds_up": all(row["adds_up"] is not False for row in rows),
    }
