"""Sentences of a turn: the first result, and everything that was taken for granted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from loopwright.app.plant import Plant
from loopwright.app.views.when import moment
from loopwright.core.types import Design, Event
from loopwright.core.units import from_inside

PEOPLE_UNITS = {"rad": "deg", "m": "in", "kg": "g"}


def first_words(design: Design) -> str:
    """The first result that a person sees: what the first order becomes."""
    parts = []
    for p in design.parameters:
        name = p.name.replace("_", " ")
        if isinstance(p.value, str) or p.unit == "swingweight":
            parts.append(f"{name} {p.value if isinstance(p.value, str) else round(p.value, 1)}")
        else:
            unit = PEOPLE_UNITS.get(p.unit, p.unit)
            parts.append(f"{name} {from_inside(float(p.value), unit):.2f} {unit}")
    hand = ", left-handed" if design.mirrored else ""
    return f"{design.id}{hand}: " + ", ".join(parts)


def _said(name: str, value: Any, zone: str) -> str:
    """'origin is 5 Jan 2026, 06:00' of origin_ns and its nanoseconds, 'right is positive' of right_is_positive."""
    if name.endswith("_ns"):
        return f"{name.removesuffix('_ns')} is {moment(int(value), zone)} ({zone})"
    if isinstance(value, bool):
        return f"{'' if value else 'not so: '}{name.replace('_', ' ')}"
    return f"{name} = {value}"


def assumptions(plant: Plant, pairs: Sequence[Event], imports: Sequence[Mapping[str, Any]]) -> list[str]:
    """Everything that this turn took for granted, in sentences."""
    lines = []
    if pairs:
        seed = pairs[0].body["seed"]
        lines.append(
            f"{len(pairs)} pairings between data sets that do not belong together (seed {seed}): "
            + ", ".join(f"{e.about} plays {e.body['right']}" for e in pairs)
        )
    sources = {m.plays.get("source") for m in plant.site.machines}
    if "recording" in sources:
        lines.append(
            f"recorded runs have no date: the first of each machine begins at {plant.site['assumed']['origin']}, "
            f"the next {plant.site['assumed']['spacing_s']:g} s later; which machine made which run is dealt out"
        )
    for row in imports:
        if row.get("assumed"):
            said = (_said(name, value, plant.site.time_zone) for name, value in row["assumed"].items())
            lines.append(f"{row['path']}: {', '.join(said)}")
    if "twin" in sources:
        lines.append("machines, process, gauge and golfers are twins: simulated, with faults, and they say so")
    elif plant.site.machines:
        lines.append("process and gauge are twins: what was built is drawn around what was designed")
    if plant.site["site"]["approvers"]:
        lines.append(
            "buyers claim their units and agree to coaching and improvement; approvals are automatic (example)"
        )
    return lines
