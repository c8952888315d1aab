"""A shop that makes walking sticks, small enough to follow by hand: two lathes, a bench, a gauge, two people.

    with stick_shop(tmp_path, orders=3) as plant: ...          opened on a Monday at 08:00, with a clock of its own
    Each order: turn 17 min on a lathe, finish 20 min at the bench, measure 2 min at the gauge.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from loopwright.app.imports import keep, named, read_file
from loopwright.app.ordering import fit_orders, place
from loopwright.app.plant import Plant, open_plant
from loopwright.app.site import load_site
from loopwright.core.clock import NS_PER_S, Clock, SimClock, from_iso
from loopwright.core.types import Event
from loopwright.engine.local import Workers

STICKS = Path(__file__).parents[2] / "examples" / "walking_stick"
WORKERS = Workers()  # one planner for all tests, so that it is loaded once
MONDAY_NS = from_iso("2026-11-23T08:00:00+01:00")
MIN = 60
MACHINES = """
[[machine]]
id = "lathe-2"
kind = "lathe"
role = "turn"
"""


def stick_site(folder: Path, more: str = "", plan: str = "settle_s = 0.0\nseconds = 0.0\nrepair_s = 0.0", product: str = "") -> Path:
    """A copy of the example's site with a second lathe and early and late shifts on all days."""
    shutil.copytree(STICKS, folder / "sticks", ignore=shutil.ignore_patterns("plant"))
    site = folder / "sticks" / "site.toml"
    shifts = '[shifts]\ndays = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]\nhours = ["00:00-24:00"]\n'
    site.write_text(site.read_text() + MACHINES + f"[plan]\n{plan}\n" + (shifts if "[shifts]" not in more else "") + more)
    if product:
        path = folder / "sticks" / "product.toml"
        path.write_text(path.read_text().replace('role = "finish"', f'role = "finish"\n{product}'))
    return site


@contextmanager
def stick_shop(folder: Path, orders: int = 3, clock: Clock | None = None, **site: Any) -> Iterator[Plant]:
    """The plant, open, with so many orders S001, S002 ... fitted. Without a search, so that plans are dispatched."""
    path = folder / "sticks" / "site.toml"
    if not path.exists():
        stick_site(folder, **site)
    with open_plant(load_site(path), clock=clock or SimClock(MONDAY_NS), actor="plan") as plant:
        if not plant.store.recall(kind="order.placed", limit=1):
            parsed = read_file(plant, "persons", path.parent / "persons.csv")
            keep(plant, parsed, named(parsed, "", plant))
            new_orders(plant, "S", orders)
        plant._workers[:] = [WORKERS]
        try:
            yield plant
        finally:
            plant._workers.clear()


def new_orders(plant: Plant, prefix: str, count: int) -> list[str]:
    """Places and fits orders now; their ids."""
    ordered = {event.body["person"] for event in plant.store.recall(kind="order.placed")}
    people = [p for p in plant.store.people.find() if p.id not in ordered][:count]
    assert len(people) == count
    placed = place(plant, prefix, people, plant.clock.now_ns())
    made = fit_orders(plant, placed, lambda _: plant.rules, plant.clock.now_ns())
    assert len(made) == count
    return [order.id for order in placed]


def slots(plan: Event) -> dict[tuple[str, str], tuple[str, int, int]]:
    """(order, operation) -> machine, start and end in minutes after Monday 08:00."""
    shift_s = (int(plan.body["origin_ns"]) - MONDAY_NS) // NS_PER_S
    return {(s["order"], s["operation"]): (s["machine"], (s["start_s"] + shift_s) // MIN, (s["end_s"] + shift_s) // MIN)
            for s in plan.body["slots"]}
