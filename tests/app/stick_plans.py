"""What happens in the shop of walking sticks, told and planned, for tests: after(plant, minutes), say, planned, repaired."""

from __future__ import annotations

from typing import Any

from loopwright.app.open_shop import in_force
from loopwright.app.planning import Planning
from loopwright.app.plant import Plant
from loopwright.app.telling import tell
from loopwright.core.clock import NS_PER_S, SimClock
from loopwright.core.types import Event
from tests.app.stick_shop import MIN, MONDAY_NS


def after(plant: Plant, minutes: float) -> None:
    """The clock moves to so many minutes after Monday 08:00."""
    assert isinstance(plant.clock, SimClock)
    plant.clock.set_ns(MONDAY_NS + round(minutes * MIN) * NS_PER_S)


def say(plant: Plant, what: str, about: str, *operations: str, **more: Any) -> dict[str, Any]:
    return tell(plant, "mara", {"what": what, "about": about, "operations": list(operations), **more})


def planned(plant: Plant) -> Event:
    """The plan in force, checked against the shop that it was made for."""
    event = in_force(plant)
    assert event
    return event


def repaired(plant: Plant) -> Event:
    """The repair that follows by itself."""
    event = Planning(plant).step(1e6)
    assert event, "nothing called for a repair"
    return event
