"""The API of alarms, part of /api: which there are by the states of ISA-18.2, what is hidden, what they ask of people,
and what people do with them.

An alarm is named by its id, by '<thing>/<condition>', or, to hide all of its alarms, by the thing.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from loopwright.app import acts, alarming, reads, standing
from loopwright.app.api import FrontNow, WhoNow
from loopwright.app.views import alarms as views
from loopwright.govern import access
from loopwright.learn.detecting.budget import VERDICTS

router = APIRouter(prefix="/api", tags=["machines"])


class Asked(BaseModel):
    """Why, and for shelving until when: a moment, or a length of time."""

    model_config = ConfigDict(extra="forbid")
    why: str = Field("", max_length=2000)
    until: str = Field("", max_length=100, description="ISO 8601 with a zone, ns, or a length of time: 2h")


class Judged(BaseModel):
    """What an alarm was, and how somebody knows."""

    model_config = ConfigDict(extra="forbid")
    verdict: str = Field(description=f"one of {', '.join(VERDICTS)}")
    why: str = Field("", max_length=2000)


@router.get("/alarms")
def alarms(front: FrontNow, who: WhoNow) -> list[dict[str, Any]]:
    """All alarms by the states of ISA-18.2, those that need a person first."""
    access.may(who, "plant.see")
    return reads.alarms(front)


@router.get("/alarms-hidden")
def hidden(front: FrontNow, who: WhoNow) -> list[dict[str, Any]]:
    """What is shelved, suppressed by design and out of service, whether it holds now or not."""
    access.may(who, "plant.see")
    return views.hidden(standing.alarm_state(front))


@router.get("/alarm-figures")
def figures(front: FrontNow, who: WhoNow, days: Annotated[float, Query(gt=0, le=3660)] = 30.0) -> dict[str, Any]:
    """What the alarms of the last days asked of people, beside the published limits."""
    access.may(who, "plant.see")
    return alarming.figures_of(front.store, front.site, front.now_ns(), days)


@router.post("/alarms/{alarm:path}/ack")
def acknowledge(front: FrontNow, who: WhoNow, alarm: str) -> dict[str, Any]:
    """Says that somebody has seen an alarm."""
    return _act(front, who, "ack", alarm, Asked(why="", until=""))


@router.post("/alarms/{alarm:path}/judge")
def judge(front: FrontNow, who: WhoNow, alarm: str, asked: Judged) -> dict[str, Any]:
    """Says what an alarm was: true, false or unknown. Only a true one is given back to the budget of false alarms."""
    return _act(front, who, "judge", alarm, asked)


@router.post("/alarms/{alarm:path}/shelve")
def shelve(front: FrontNow, who: WhoNow, alarm: str, asked: Asked) -> dict[str, Any]:
    """Hides an alarm until a time; then it comes back by itself."""
    return _act(front, who, "shelve", alarm, asked)


@router.post("/alarms/{alarm:path}/unshelve")
def unshelve(front: FrontNow, who: WhoNow, alarm: str, asked: Asked) -> dict[str, Any]:
    """Shows a shelved alarm again."""
    return _act(front, who, "unshelve", alarm, asked)


@router.post("/alarms/{alarm:path}/suppress")
def suppress(front: FrontNow, who: WhoNow, alarm: str, asked: Asked) -> dict[str, Any]:
    """Takes an alarm out of service, until it is put back."""
    return _act(front, who, "suppress", alarm, asked)


@router.post("/alarms/{alarm:path}/restore")
def restore(front: FrontNow, who: WhoNow, alarm: str, asked: Asked) -> dict[str, Any]:
    """Puts an alarm back in service."""
    return _act(front, who, "restore", alarm, asked)


def _act(front: FrontNow, who: WhoNow, what: str, alarm: str, asked: Asked | Judged) -> dict[str, Any]:
    access.may(who, alarming.WHATS[what][0])
    return alarming.act(acts.plant_of(front, who.name), who.name, what, alarm, asked.model_dump())
