"""The REST API under /api, with OpenAPI: what is read. Points stand in `api_points`, what people do in `api_acts`.

It calls what the console calls. An error is JSON {error, where, given, allowed, todo} with the status that fits.
Times are nanoseconds UTC, or ISO 8601 with a zone. Numbers are in inside units (m, kg, s, rad) unless `units` asks for
others.
"""

from __future__ import annotations

import mimetypes
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from loopwright.app import acts, reads
from loopwright.app.auth import NotIn, Who
from loopwright.app.front import Front
from loopwright.app.site import explain
from loopwright.app.views.trace import as_data
from loopwright.core.errors import (
    InputError,
    LinkError,
    LoopwrightError,
    MissingExtra,
    NotAllowed,
    PlanError,
    UnknownName,
)
from loopwright.core.moments import moment_ns
from loopwright.govern import access
from loopwright.store.trace import trace as walked

MOST_EVENTS = 5_000
_STATUS: tuple[tuple[type[LoopwrightError], int], ...] = (
    (NotIn, 401),
    (NotAllowed, 403),
    (UnknownName, 404),
    (InputError, 422),
    (LinkError, 503),
    (PlanError, 409),
    (MissingExtra, 501),
)
router = APIRouter(prefix="/api")


def front_of(request: Request) -> Front:
    """The plant that is served."""
    front: Front = request.state.front
    return front


def who_of(request: Request) -> Who:
    """Who is in; NotIn (401) when nobody is."""
    who: Who | None = request.state.who
    if who is None:
        raise NotIn(
            "API",
            "nobody is signed in",
            "a session or a token",
            "POST /api/session, or send 'Authorization: Bearer lw_...'",
        )
    return who


FrontNow = Annotated[Front, Depends(front_of)]
WhoNow = Annotated[Who, Depends(who_of)]
Units = Annotated[Literal["inside", "metric", "imperial"], Query(description="units of the numbers")]
When = Annotated[str | None, Field(description="nanoseconds UTC, or ISO 8601 with a zone")]


def install(app: FastAPI) -> None:
    """Puts the API and its way of telling errors on the app."""
    from loopwright.app import (
        api_acts,
        api_alarms,
        api_correct,
        api_models,
        api_plans,
        api_points,
        api_promise,
        api_shop,
    )

    app.include_router(router)
    for one in (api_points, api_acts, api_alarms, api_correct, api_models, api_plans, api_promise, api_shop):
        app.include_router(one.router)
    app.add_exception_handler(LoopwrightError, _told)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)


def status_of(error: LoopwrightError) -> int:
    """The HTTP status of an error of the house."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


async def _told(request: Request, error: Exception) -> Response:
    assert isinstance(error, LoopwrightError)
    return JSONResponse(explain(error), status_of(error))


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return JSONResponse(
        {
            "error": "InputError",
            "where": where,
            "given": repr(first.get("input"))[:200],
            "allowed": first["msg"],
            "todo": "see /api/docs",
        },
        422,
    )


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    words = {404: "there is nothing at this address", 405: f"{request.method} is not for this address"}.get(
        error.status_code, str(error.detail)
    )
    return JSONResponse(
        {"error": "HTTPException", "where": request.url.path, "given": words, "allowed": "", "todo": "see /api/docs"},
        error.status_code,
        error.headers,
    )


@router.get("/plant", tags=["plant"])
def plant(front: FrontNow, who: WhoNow) -> dict[str, Any]:
    """The plant, its packs and machines, and who asks."""
    return {
        "name": front.site.name,
        "time_zone": front.zone,
        "packs": list(front.site["site"]["packs"]),
        "users": bool(front.auth.users()),
        "machines": reads.machine_rows(front) if access.can(who, "plant.see") else [],
        "you": {"name": who.name, "role": who.role, "person": who.person, "how": who.how},
        "now_ns": front.now_ns(),
    }


@router.get("/loop", tags=["plant"])
def loop(front: FrontNow, who: WhoNow) -> dict[str, Any]:
    """The loop as one picture: twelve stages with counts, states and what flows now."""
    access.may(who, "plant.see")
    return reads.picture(front)


@router.get("/hops", tags=["plant"])
def hops(
    front: FrontNow, who: WhoNow, start: When = None, end: When = None, source: str | None = None
) -> dict[str, Any]:
    """Loss accounting by hop: in = out + duplicate + refused + waiting + lost, over a time and a source."""
    access.may(who, "plant.see")
    return {
        **reads.loss_table(front, moment_ns(start, "start"), moment_ns(end, "end"), source),
        "sources": reads.sources(front),
    }


@router.get("/orders", tags=["make"])
def orders(
    front: FrontNow, who: WhoNow, state: str = "", text: str = "",
    limit: Annotated[int, Query(ge=1, le=MOST_EVENTS)] = 400,
) -> dict[str, Any]:
    """Orders and their units, newest first: those that moved last, at most `limit`; count and states are of all."""
    access.may(who, "plant.see")
    return reads.order_rows(front, state, text, limit)


@router.get("/units/{serial}", tags=["make"])
def unit(front: FrontNow, who: WhoNow, serial: str) -> dict[str, Any]:
    """The passport of a unit: its whole thread from the order to the shots."""
    access.may(who, "unit.see", serial, reads.owner_of(front))
    return reads.unit_thread(front, serial)


@router.get("/units/{serial}/public", tags=["make"])
def public_unit(front: FrontNow, serial: str) -> dict[str, Any]:
    """What anybody who holds the unit may see: nothing about a person."""
    return reads.public_unit(front, serial)


@router.get("/units/{serial}/solid.{kind}", tags=["make"], response_class=FileResponse)
def solid(request: Request, front: FrontNow, serial: str, kind: str) -> FileResponse:
    """The solid model of a unit: glb, stl or step. Open to everybody where the unit's public page shows it."""
    who: Who | None = request.state.who
    if who is None or not access.can(who, "unit.see", serial, reads.owner_of(front)):
        if not reads.public_unit(front, serial).get("solid"):
            raise UnknownName("unit", serial)
        if kind not in ("glb", "stl"):
            raise NotIn("solid model", f".{kind} is not public", "glb, stl", "sign in")
    path = reads.solid_file(front, serial, kind)
    return FileResponse(
        path,
        media_type={"glb": "model/gltf-binary", "stl": "model/stl"}.get(kind)
        or mimetypes.guess_type(path.name)[0]
        or "application/octet-stream",
        filename=f"{serial}.{kind}",
        content_disposition_type="inline",
        headers={"Cache-Control": "private, max-age=3600"},
    )


@router.get("/designs", tags=["make"])
def designs(front: FrontNow, who: WhoNow, order: str | None = None) -> list[dict[str, Any]]:
    """Designs of orders with every parameter, its range, rule and source."""
    access.may(who, "plant.see")
    return [
        {"order": e.about, "t_ns": e.t_ns, **e.body}
        for e in front.store.recall(kind="order.fitted", about=order, limit=MOST_EVENTS, newest_first=True)[::-1]
    ]


@router.get("/plan", tags=["make"])
def plan(front: FrontNow, who: WhoNow) -> dict[str, Any]:
    """The plan in force, machine by machine; {} when there is none."""
    access.may(who, "plant.see")
    return reads.gantt(front)


@router.get("/machines", tags=["machines"])
def machines(front: FrontNow, who: WhoNow) -> list[dict[str, Any]]:
    """Every machine as it stands."""
    access.may(who, "plant.see")
    return reads.machine_cards(front)


@router.get("/machines/{machine}", tags=["machines"])
def machine(
    front: FrontNow,
    who: WhoNow,
    machine: str,
    span_s: Annotated[int, Query(ge=1, le=30 * 86_400)] = 600,
    units: Units = "metric",
) -> dict[str, Any]:
    """One machine, with the lines of its last seconds."""
    access.may(who, "plant.see")
    card = reads.machine_card(front, machine)
    return {**card, **reads.machine_lines(front, card, units, span_s=span_s, n=1000)}


@router.get("/decisions", tags=["decisions"])
def decisions(front: FrontNow, who: WhoNow) -> list[dict[str, Any]]:
    """What services decided, with evidence; an owner sees what is about them."""
    if access.can(who, "plant.see"):
        return reads.decisions(front)
    return reads.decisions(
        front,
        [who.person, *reads.owner_things(front, who.person), *(u["serial"] for u in reads.owned(front, who.person))],
    )


@router.get("/changes", tags=["decisions"])
def changes(front: FrontNow, who: WhoNow) -> list[dict[str, Any]]:
    """Changes with their tests and approvals, newest first."""
    access.may(who, "plant.see")
    return reads.changes(front)


@router.get("/persons/{person}", tags=["owner"])
def person(front: FrontNow, who: WhoNow, person: str, units: Units = "metric") -> dict[str, Any]:
    """A person's measures, consents, units and shots; `me` is whoever asks. An owner sees only their own."""
    id_ = acts.person_for(front, who) if person == "me" else person
    access.may(who, "person.see", id_)
    known = front.store.people.person(id_)
    return {
        "id": known.id,
        "handedness": known.handedness,
        "measures": dict(known.measures),
        "consents": reads.consents(front, id_),
        "units": reads.owned(front, id_),
        "shots": reads.owner_shots(front, reads.owner_things(front, id_), units),
    }


class EventsAsked(BaseModel):
    """Which events."""

    model_config = ConfigDict(extra="forbid")
    kind: list[str] | None = Field(None, description="a kind, several, or a prefix that ends with '.'")
    about: list[str] | None = None
    start: When = None
    end: When = None
    known_by: When = None
    because: str | None = Field(None, description="id of an event that they name as their reason")
    mentions: list[str] | None = Field(None, description="ids that they name: an order, a machine, a rule")
    after: str = Field("", description="id of the last event of the page before")
    limit: int = Field(200, ge=1, le=MOST_EVENTS)


@router.get("/events", tags=["ledger"])
def events(front: FrontNow, who: WhoNow, asked: Annotated[EventsAsked, Query()]) -> list[dict[str, Any]]:
    """Events of the ledger, newest first."""
    access.may(who, "ledger.see")
    found = front.store.recall(
        kind=asked.kind, about=asked.about, start_ns=moment_ns(asked.start, "start"),
        end_ns=moment_ns(asked.end, "end"), known_by_ns=moment_ns(asked.known_by, "known_by"),
        because=asked.because, mentions=asked.mentions,
        after=asked.after, limit=asked.limit, newest_first=True,
    )
    return [reads.event_row(event) for event in found]


@router.get("/trace/{id:path}", tags=["ledger"])
def trace(
    front: FrontNow,
    who: WhoNow,
    id: str,
    direction: Literal["back", "forward", "both"] = "back",
    depth: Annotated[int, Query(ge=1, le=50)] = 8,
    each: Annotated[int, Query(ge=1, le=1000, description="how many of a kind; the rest is counted")] = 20,
) -> dict[str, Any]:
    """What an event or anything else rests on (back), what rests on it (forward), or both: nodes and edges with why."""
    access.may(who, "ledger.see")
    return as_data(walked(front.store, id, direction, depth=depth, each=each))
