"""The API of promises, part of /api: when an order could be done, why orders are late, what hangs on what."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from loopwright.app import acts, promise_command, promising
from loopwright.app.api import FrontNow, WhoNow
from loopwright.govern import access

router = APIRouter(prefix="/api", tags=["make"])


class Asked(BaseModel):
    """An order that could be placed: for whom, or like which one, and by when."""

    model_config = ConfigDict(extra="forbid")
    person: str = Field("", max_length=500, description="whose order it would be; none: nobody is fitted")
    like: str = Field("", max_length=500, description="an order that it is like")
    due: str = Field("", max_length=100, description="by when: a day, ISO 8601 with a zone, or ns; none: when it goes")
    order: str = Field("", max_length=500, description="what it would be called")
    seconds: float = Field(1.0, ge=0, le=promising.LONGEST_S)


@router.post("/promise")
def promise(front: FrontNow, who: WhoNow, asked: Asked) -> dict[str, Any]:
    """When an order could be done, with the plan that proves it, what it waits for, and what earlier dates would cost
    and whom they would delay. Nothing is placed. An owner is told dates only, for themselves."""
    staff = access.can(who, "plant.see")
    person = asked.person if staff else acts.person_for(front, who, asked.person)
    access.may(who, "order.place", person)
    given = {**asked.model_dump(), "person": person, **({} if staff else {"like": ""})}
    told = promising.promised(acts.plant_of(front, who.name), given, front.now_ns())
    return told if staff else promising.only_dates(told)


@router.get("/late")
def late(front: FrontNow, who: WhoNow, order: str = "") -> dict[str, Any]:
    """Why each late order of the plan in force is late, or why an order ends when it ends: a chain that adds up."""
    access.may(who, "plant.see")
    return promise_command.late_in(acts.plant_of(front, who.name), order, front.now_ns())


@router.get("/pegging")
def pegging(
    front: FrontNow, who: WhoNow, order: str = "", machine: str = "", person: str = "", tool: str = "",
    material: str = "",
) -> list[dict[str, Any]]:
    """What each operation of the plan in force needs and when, with its slack: of an order, a machine, a person, a
    tool or a material, or all."""
    access.may(who, "plant.see")
    of = {"order": order, "machine": machine, "person": person, "tool": tool, "material": material}
    wanted = {name: text for name, text in of.items() if text}
    return promise_command.pegging_in(acts.plant_of(front, who.name), wanted, front.now_ns())
