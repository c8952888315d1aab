"""The REST API under /api: what people and programs do. Every write is checked by govern and recorded in its actor's
name."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Query, Request, UploadFile
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from loopwright.app import acts, keep
from loopwright.app.api import FrontNow, WhoNow
from loopwright.app.auth import COOKIE, SESSION_S
from loopwright.connect import http
from loopwright.core.errors import InputError
from loopwright.govern import access
from loopwright.store import edges

ENTRANCE = http.Settings()
LARGEST_POST = 64 * 1024 * 1024
router = APIRouter(prefix="/api")


class Answer(BaseModel):
    """Why something is declined."""

    why: str = Field("", max_length=2000)


class Claim(BaseModel):
    """A unit's serial and the one-time code that came with it."""

    serial: str = Field(min_length=1, max_length=200)
    code: str = Field(min_length=1, max_length=200)
    person: str = ""


class Consent(BaseModel):
    """A purpose, whether it is agreed to, and for how many days."""

    purpose: str
    given: bool
    person: str = ""
    days: float = 365.0


class SignIn(BaseModel):
    """Name and password of a user."""

    name: str = Field(min_length=1, max_length=200)
    password: str = Field(min_length=1, max_length=1000)


class Label(BaseModel):
    """What a token is for."""

    label: str = Field("", max_length=200)


@router.post("/decisions/{decision:path}/approve", tags=["decisions"])
def approve_decision(front: FrontNow, who: WhoNow, decision: str) -> dict[str, Any]:
    """Approves what a decision asks for."""
    return acts.answer_decision(front, who, decision, True)


@router.post("/decisions/{decision:path}/decline", tags=["decisions"])
def decline_decision(front: FrontNow, who: WhoNow, decision: str, answer: Answer) -> dict[str, Any]:
    """Declines it, with the reason."""
    return acts.answer_decision(front, who, decision, False, answer.why)


@router.post("/changes/{change:path}/approve", tags=["decisions"])
def approve_change(front: FrontNow, who: WhoNow, change: str) -> dict[str, Any]:
    """Approves a change for its trial or its release; two people must, and nobody their own."""
    return acts.answer_change(front, who, change, True)


@router.post("/changes/{change:path}/decline", tags=["decisions"])
def decline_change(front: FrontNow, who: WhoNow, change: str, answer: Answer) -> dict[str, Any]:
    """Declines a change, with the reason."""
    return acts.answer_change(front, who, change, False, answer.why)


@router.post("/claim", tags=["owner"])
def claim(front: FrontNow, who: WhoNow, given: Claim) -> dict[str, Any]:
    """Takes a unit by its serial and one-time code."""
    return acts.claim(front, who, given.serial, given.code, given.person)


@router.post("/consent", tags=["owner"])
def agree(front: FrontNow, who: WhoNow, given: Consent) -> dict[str, Any]:
    """Gives or withdraws consent to one purpose."""
    return acts.agree(front, who, given.purpose, given.given, given.person, given.days)


@router.get("/export", tags=["owner"])
def export(front: FrontNow, who: WhoNow, person: str = "") -> Response:
    """Everything the plant holds about an owner, as one file."""
    return JSONResponse(
        acts.export(front, who, person),
        headers={"Content-Disposition": 'attachment; filename="loopwright-export.json"', "Cache-Control": "no-store"},
    )


@router.post("/shots", tags=["owner"])
def shots(
    front: FrontNow, who: WhoNow, file: Annotated[UploadFile, File()], serial: Annotated[str, Form()] = ""
) -> dict[str, Any]:
    """Brings the file of a launch monitor; serial names the club it was hit with."""
    return acts.bring_file(
        front, who, "shots", file.filename or "shots.csv", file.file.read(acts.LARGEST_FILE + 1), serial
    )


@router.post("/import/{what}", tags=["plant"])
def bring(
    front: FrontNow,
    who: WhoNow,
    what: str,
    file: Annotated[UploadFile, File()],
    serial: Annotated[str, Form()] = "",
    partly: Annotated[bool, Form()] = False,
) -> dict[str, Any]:
    """Brings a file of persons, shots, swings or whatever a pack imports; partly keeps the rows that can be used."""
    content = file.file.read(acts.LARGEST_FILE + 1)
    return acts.bring_file(front, who, what, file.filename or "upload", content, serial, partly)


@router.post("/retain", tags=["plant"])
def retain(front: FrontNow, who: WhoNow, dry_run: bool = True) -> dict[str, Any]:
    """Removes values that are older than the site's [[keep]] lines say; with dry_run only says what would go."""
    access.may(who, "points.expire")
    return keep.retain_in(front.store, front.site, front.now_ns(), dry_run=dry_run, actor=who.name)


@router.post("/points", tags=["points"])
async def ingest(
    request: Request, front: FrontNow, who: WhoNow, entrance: Annotated[str, Query()] = ENTRANCE.name
) -> dict[str, Any]:
    """Takes points: an Arrow stream or JSON {"thing", "t", "values"}. Answers once they are stored, 503 before."""
    access.may(who, "file.import")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_POST:
            raise InputError(
                "POST /api/points",
                f"more than {LARGEST_POST:,} bytes",
                f"at most {LARGEST_POST:,}",
                "send smaller batches",
            )
    door = http.ingest(http.Settings(name=entrance))
    return await door.put(
        bytes(body),
        request.headers.get("content-type", ""),
        f"{who.name}@{request.client.host if request.client else ''}",
    )


@router.post("/edges", tags=["plant"])
def note_edge(front: FrontNow, who: WhoNow, report: dict[str, Any]) -> dict[str, Any]:
    """Keeps the books that an edge tells of itself, and the head of its chain of events."""
    access.may(who, "file.import")
    edges.note(front.store, report)
    return {"says": "Noted."}


@router.get("/edges", tags=["plant"])
def list_edges(front: FrontNow, who: WhoNow) -> list[dict[str, Any]]:
    """What every edge last told of itself: its hops, what waits there, hours of buffer left."""
    access.may(who, "plant.see")
    return edges.edges(front.store)


@router.post("/session", tags=["session"])
def sign_in(request: Request, front: FrontNow, given: SignIn) -> Response:
    """Signs in; the session is a cookie."""
    cookie = front.auth.sign_in(given.name, given.password, request.client.host if request.client else "")
    return with_session(JSONResponse({"says": f"Signed in as {given.name}."}), cookie, request)


@router.post("/session/end", tags=["session"])
def sign_out(request: Request) -> Response:
    """Signs out."""
    answer = JSONResponse({"says": "Signed out."})
    answer.delete_cookie(COOKIE, path="/")
    return answer


@router.post("/tokens", tags=["session"])
def token(front: FrontNow, who: WhoNow, given: Label) -> dict[str, Any]:
    """A token for programs that act as whoever asks; it is shown once."""
    return {"says": "A new token.", "secret": front.auth.new_token(who, given.label)}


def with_session(answer: Response, cookie: str, request: Request) -> Response:
    """The answer with the session's cookie: never readable by scripts, never sent by other sites."""
    answer.set_cookie(
        COOKIE, cookie, max_age=SESSION_S, path="/", httponly=True, samesite="lax", secure=request.url.scheme == "https"
    )
    return answer
