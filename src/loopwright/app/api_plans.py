"""The API of plans, part of /api: plans of the past, one in full, what moved, machine load, lateness, CSV, SVG."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse, Response

from loopwright.app import plan_reads
from loopwright.app.api import FrontNow, WhoNow
from loopwright.govern import access

router = APIRouter(prefix="/api/plans", tags=["make"])


@router.get("")
def plans(front: FrontNow, who: WhoNow) -> list[dict[str, Any]]:
    """The plans that were released, newest first: why, how good, and what each kept of the one before."""
    access.may(who, "plant.see")
    return plan_reads.past(front)


@router.get("/{plan}/chart")
def chart(front: FrontNow, who: WhoNow, plan: str) -> dict[str, Any]:
    """A plan ('now': the one in force) in columns, times in seconds from its origin: when, where, who, why, slack."""
    access.may(who, "plant.see")
    return plan_reads.chart(front, plan)


@router.get("/{plan}/moved")
def moved(front: FrontNow, who: WhoNow, plan: str, before: str = "") -> dict[str, Any]:
    """What moved from the plan before it (or from `before`), where to and why; the share that was kept."""
    access.may(who, "plant.see")
    return plan_reads.moved(front, plan, before)


@router.get("/{plan}/load")
def load(front: FrontNow, who: WhoNow, plan: str) -> dict[str, Any]:
    """Work, setup, closed and open seconds of each machine by day."""
    access.may(who, "plant.see")
    return plan_reads.load(front, plan)


@router.get("/{plan}/lateness")
def lateness(front: FrontNow, who: WhoNow, plan: str) -> list[dict[str, Any]]:
    """How late each order with a due date ends, the latest first; negative: early."""
    access.may(who, "plant.see")
    return plan_reads.lateness(front, plan)


@router.get("/{plan}/operations.csv", response_class=PlainTextResponse)
def operations(front: FrontNow, who: WhoNow, plan: str) -> Response:
    """Every operation of a plan as CSV."""
    access.may(who, "plant.see")
    name = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "-" for c in plan)
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return PlainTextResponse(plan_reads.as_csv(front, plan), media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/{plan}/drawing.svg", response_class=Response)
def drawing(
    front: FrontNow, who: WhoNow, plan: str, view: Literal["machines", "orders", "load", "lateness"] = "machines"
) -> Response:
    """A plan as one SVG file that stands alone."""
    access.may(who, "plant.see")
    return Response(plan_reads.as_svg(front, plan, view), media_type="image/svg+xml")
