"""What services say at the end of a turn, and the words of the report that come from packs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from loopwright.app.flow import Flow
from loopwright.app.floor import Floor
from loopwright.app.imports import renamed
from loopwright.app.making import Making
from loopwright.app.plant import Plant
from loopwright.core.clock import NS_PER_S
from loopwright.core.types import Design, Event
from loopwright.core.units import from_inside

PEOPLE_UNITS = {"rad": "deg", "m": "in", "kg": "g"}
DAY_NS = 86_400 * NS_PER_S


def first_words(design: Design) -> str:
    """The first result that a person sees: what the first order becomes."""
    parts = []
    for p in design.parameters:
        if isinstance(p.value, str):
            parts.append(f"{p.name.replace('_', ' ')} {p.value}")
        else:
            unit = PEOPLE_UNITS.get(p.unit, p.unit)
            parts.append(f"{p.name.replace('_', ' ')} {from_inside(float(p.value), unit):.2f} {unit}")
    hand = ", left-handed" if design.mirrored else ""
    return f"{design.id}{hand}: " + ", ".join(parts)


async def hit_shots(plant: Plant, shop: Floor, making: Making, shots: int, turn: int, flow: Flow) -> None:
    """Twins of the people who use the product try what was made; the units report over the broker, like any thing."""
    users = plant.product_pack.hooks.get("users")
    if users is None:
        return
    twins = users(plant.site.seed)
    tables = []
    for unit in making.units:
        if unit.state != "made":
            continue
        person = plant.store.people.person(unit.order.person)
        start_ns = max(step.end_ns or 0 for step in making.steps) + DAY_NS // 2
        table = await asyncio.to_thread(twins.shots, person, unit.as_built, shots, start_ns)
        tables.append(renamed(table, {person.id: unit.serial}))
    flow.count("use", shots * len(tables))
    await shop.hear(tables, f"clubs-{turn}-{making.prefix}")


def serve(plant: Plant, start_ns: int, end_ns: int) -> dict[str, Any]:
    """Every service on what was heard in a turn; its decisions are recorded."""
    return {"decisions": [], "alarms": [], "workorders": [], "oee": [], "maintenance": {}}


def assumptions(plant: Plant, pairs: Sequence[Event], imports: Sequence[Mapping[str, Any]]) -> list[str]:
    """Everything that this turn took for granted, in sentences."""
    lines = []
    if pairs:
        seed = pairs[0].body["seed"]
        lines.append(f"{len(pairs)} pairings between data sets that do not belong together (seed {seed}): "
                     + ", ".join(f"{e.about} plays {e.body['right']}" for e in pairs))
    if any(m.plays.get("source") == "recording" for m in plant.site.machines):
        lines.append(f"recorded runs have no date: the first of each machine begins at {plant.site['assumed']['origin']}, "
                     f"the next {plant.site['assumed']['spacing_s']:g} s later; which machine made which run is dealt out")
    for row in imports:
        if row.get("assumed"):
            lines.append(f"{row['path']}: " + ", ".join(f"{k} = {v}" for k, v in row["assumed"].items()))
    if any(m.plays.get("source") == "twin" for m in plant.site.machines):
        lines.append("machines, gauge and golfers are twins: simulated, with faults")
    elif plant.site.machines:
        lines.append("process and gauge are twins: what was built is drawn around what was designed")
    return lines


def plain(value: Any) -> Any:
    """A dataclass as plain data."""
    return asdict(value)
