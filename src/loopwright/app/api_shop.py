"""The API of the shop, part of /api: what happens in it is told, and plans are tried, compared, adopted and dropped."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from loopwright.app import acts, telling
from loopwright.app.api import FrontNow, WhoNow
from loopwright.govern import access

router = APIRouter(prefix="/api", tags=["make"])


class Told(BaseModel):
    """What happened: `what`, about which order, machine, person or material, and what belongs to it."""

    model_config = ConfigDict(extra="forbid")
    what: str = Field(max_length=40, description="started, finished, scrapped, rework, down, up, slower, away, back, "
                                                 "late, due, workorder or done")
    about: str = Field(max_length=500)
    operations: list[str] = Field([], max_length=200)
    machine: str = Field("", max_length=500)
    operator: str = Field("", max_length=500)
    at: str = Field("", max_length=100, description="when, ISO 8601 with a zone or ns; none: now")
    until: str = Field("", max_length=100, description="a moment, or a length of time from `at` on: 2h")
    why: str = Field("", max_length=2000)
    factor: float | None = None
    weight: float | None = None


@router.post("/shop-events")
def tell(front: FrontNow, who: WhoNow, told: Told) -> dict[str, Any]:
    """Tells what happened in the shop; in a running plant the plan follows by itself."""
    access.may(who, "plan.release")
    return telling.tell(acts.plant_of(front, who.name), who.name, told.model_dump())
