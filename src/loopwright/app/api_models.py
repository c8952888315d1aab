"""The API of models, part of /api: the league, one model in full, promotion and demotion by people."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from loopwright.app import acts, model_reads, models
from loopwright.app.api import FrontNow, WhoNow
from loopwright.govern import access

router = APIRouter(prefix="/api/models", tags=["models"])


class Reason(BaseModel):
    """Why a model is taken out of force."""

    why: str = Field("", max_length=2000)


@router.get("")
def league(front: FrontNow, who: WhoNow) -> dict[str, Any]:
    """{tasks, models}: what serves each task, and every model beside the baseline, on unseen units and live."""
    access.may(who, "plant.see")
    rows = model_reads.rows(front.store)
    return {"tasks": model_reads.tasks(rows), "models": rows}


@router.get("/{model:path}/card")
def card(front: FrontNow, who: WhoNow, model: str) -> dict[str, Any]:
    """One model in full: card, gate, live scores, drift, curves, worst cases."""
    access.may(who, "plant.see")
    return model_reads.show(front.store, model)


@router.post("/{model:path}/promote")
def promote(front: FrontNow, who: WhoNow, model: str) -> dict[str, Any]:
    """Puts a kept model up for promotion: its gate runs, then two others must approve it."""
    access.may(who, "change.approve")
    plant = acts.plant_of(front, who.name)
    says = models.promote(plant, model, who.name, front.now_ns())
    return {"says": f"{says[:1].upper()}{says[1:]}.", "model": model}


@router.post("/{model:path}/demote")
def demote(front: FrontNow, who: WhoNow, model: str, reason: Reason) -> dict[str, Any]:
    """Takes the model that serves out of force; the baseline serves from then on."""
    access.may(who, "change.approve")
    plant = acts.plant_of(front, who.name)
    says = models.demote(plant, model, who.name, reason.why, front.now_ns())
    return {"says": f"{says[:1].upper()}{says[1:]}.", "model": model}
