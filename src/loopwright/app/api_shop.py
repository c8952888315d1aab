"""The API of the shop, part of /api: what happens in it is told, and plans are tried, compared, adopted and dropped."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from loopwright.app import acts, telling, trying
from loopwright.app.api import FrontNow, WhoNow
from loopwright.govern import access

router = APIRouter(prefix="/api", tags=["make"])


class Tried(BaseModel):
    """What to try: changes as lines ('machine-more mill-1', 'order-earlier A12=2d'), under which name, and why."""

    model_config = ConfigDict(extra="forbid")
    changes: list[str] = Field([], max_length=100)
    name: str = Field("", max_length=100)
    seconds: float | None = Field(None, ge=0, le=trying.LONGEST_S)
    why: str = Field("", max_length=2000)


class Why(BaseModel):
    """Why a try is adopted or dropped."""

    why: str = Field("", max_length=2000)


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


@router.get("/whatif")
def list_tries(front: FrontNow, who: WhoNow) -> dict[str, Any]:
    """Everything that was tried, the newest first, with its figures."""
    access.may(who, "plant.see")
    return trying.listed(acts.plant_of(front, who.name))


@router.post("/whatif")
def try_plan(front: FrontNow, who: WhoNow, tried: Tried) -> dict[str, Any]:
    """Plans the plant's shop with something changed, keeps that plan and compares it with the plan as it is."""
    access.may(who, "plan.release")
    return trying.try_plan(acts.plant_of(front, who.name), who.name, tried.model_dump())


@router.get("/whatif-beside")
def compare_tries(front: FrontNow, who: WhoNow, name: Annotated[list[str], Query()]) -> dict[str, Any]:
    """Several tries side by side."""
    access.may(who, "plant.see")
    return trying.beside(acts.plant_of(front, who.name), name)


@router.get("/whatif/{name}")
def show_try(front: FrontNow, who: WhoNow, name: str) -> dict[str, Any]:
    """One try with its table."""
    access.may(who, "plant.see")
    return trying.shown(acts.plant_of(front, who.name), name)


@router.get("/whatif/{name}/drawing.svg", response_class=Response)
def draw_try(front: FrontNow, who: WhoNow, name: str) -> Response:
    """Both plans of a try, one above the other."""
    access.may(who, "plant.see")
    return Response(trying.svg(acts.plant_of(front, who.name), name), media_type="image/svg+xml")


@router.post("/whatif/{name}/adopt")
def adopt_try(front: FrontNow, who: WhoNow, name: str, given: Why) -> dict[str, Any]:
    """A tried plan becomes the plan of the plant; refused when the plant's plan moved on meanwhile."""
    access.may(who, "plan.release")
    return trying.adopt(acts.plant_of(front, who.name), who.name, name, given.why)


@router.post("/whatif/{name}/drop")
def drop_try(front: FrontNow, who: WhoNow, name: str, given: Why) -> dict[str, Any]:
    """A try is no longer wanted."""
    access.may(who, "plan.release")
    return trying.drop(acts.plant_of(front, who.name), who.name, name, given.why)
