"""The REST API of corrections: made, listed and taken back; every version of a value."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from loopwright.app import correcting
from loopwright.app.api import FrontNow, WhoNow
from loopwright.govern import access

router = APIRouter(prefix="/api", tags=["points"])


class Asked(BaseModel):
    """What to correct: a signal of a thing in start <= t < end, how, by which number, and why."""

    model_config = ConfigDict(extra="forbid")
    thing: str = Field(max_length=500)
    signal: str = Field(max_length=500)
    start: str | None = Field(None, description="nanoseconds UTC, or ISO 8601 with a zone; none: open")
    end: str | None = Field(None, description="the moment after the last; none: open")
    how: Literal["set", "bad", "good", "add", "scale", "gap", "reset"]
    by: float | str | None = Field(None, description="the number of set, add and scale; of a state also its word")
    reason: str = Field("", max_length=2000)
    dry_run: bool = False


class Why(BaseModel):
    """Why a correction is taken back."""

    reason: str = Field("", max_length=2000)
    why: str = Field("", max_length=2000, description="the same, as the console sends it")


@router.post("/corrections")
def correct(front: FrontNow, who: WhoNow, asked: Asked) -> dict[str, Any]:
    """Corrects values with a reason, in the name of whoever asks; with dry_run says what would change."""
    access.may(who, "points.correct")
    return correcting.correct_in(front.store, who.name, asked.model_dump())


@router.post("/corrections/{event}/undo")
def undo(front: FrontNow, who: WhoNow, event: str, given: Why) -> dict[str, Any]:
    """Takes a correction back, or an undoing: what stood before stands again."""
    access.may(who, "points.correct")
    return correcting.undo_in(front.store, who.name, event, given.reason or given.why)


@router.get("/corrections")
def corrections(
    front: FrontNow, who: WhoNow, thing: str = "", limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> list[dict[str, Any]]:
    """Corrections, newest first, with what became of them."""
    access.may(who, "plant.see")
    return correcting.list_in(front.store, thing, limit)


@router.get("/history")
def history(front: FrontNow, who: WhoNow, thing: str, signal: str, at: str) -> list[dict[str, Any]]:
    """Every version of a value at one moment: what was known when, by whom and why."""
    access.may(who, "plant.see")
    return correcting.history_in(front.store, thing, signal, at)
