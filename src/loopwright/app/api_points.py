"""The REST API under /api: things, their signals, and what they said."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pyarrow as pa
from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from loopwright.app import reads
from loopwright.app.api import FrontNow, When, WhoNow, when_ns
from loopwright.app.auth import Who
from loopwright.app.front import Front
from loopwright.app.views import series
from loopwright.core.errors import InputError, UnknownName
from loopwright.core.types import Kind
from loopwright.govern import access

ARROW = "application/vnd.apache.arrow.stream"
MOST_ROWS = 1_000_000  # of one Arrow answer
router = APIRouter(prefix="/api", tags=["points"])


@router.get("/things")
def things(front: FrontNow, who: WhoNow) -> list[dict[str, Any]]:
    """What is heard, each with the name of its kind; an owner sees their own."""
    known = front.store.things()
    return [
        {"id": t.id, "kind": t.kind, "parent": t.parent, "unit": t.unit, "labels": dict(t.labels)}
        for t in (known[name] for name in mine(front, who, None))
    ]


@router.get("/kinds")
def kinds(front: FrontNow, who: WhoNow) -> list[dict[str, Any]]:
    """Kinds of things with their tables of signals."""
    return [{"name": k.name, "meaning": k.meaning, "signals": _signals(k)} for k in front.kinds().values()]


def _signals(kind: Kind) -> list[dict[str, Any]]:
    fields = ("name", "unit", "kind", "rate_hz", "low", "high", "meaning")
    return [
        {**{field: getattr(s, field) for field in fields}, "codes": {str(code): word for code, word in s.codes.items()}}
        for s in kind.signals
    ]


def mine(front: Front, who: Who, wanted: list[str] | None) -> list[str]:
    """The things that were asked for, all that one may see when none was; NotAllowed for another's."""
    known, owner_of = front.store.things(), reads.owner_of(front)
    if not wanted:
        return access.visible(who, "unit.see", list(known), owner_of)
    for name in wanted:
        if name not in known:
            raise UnknownName("thing", name, access.visible(who, "unit.see", list(known), owner_of))
        access.may(who, "unit.see", name, owner_of)
    return wanted


class PointsAsked(BaseModel):
    """Which points."""

    model_config = ConfigDict(extra="forbid")
    thing: list[str]
    signal: list[str] | None = None
    start: When = None
    end: When = None
    known_by: When = None
    n: int = Field(series.CHART_POINTS, ge=4, le=series.CHART_POINTS, description="at most n points a signal")
    units: Literal["inside", "metric", "imperial"] = "inside"


@router.get("/points")
def points(request: Request, front: FrontNow, who: WhoNow, asked: Annotated[PointsAsked, Query()]) -> Response:
    """Points of things: downsampled series as JSON, or the rows as they are kept as an Arrow stream.

    The stream comes for `Accept: application/vnd.apache.arrow.stream`.
    """
    names = mine(front, who, asked.thing)
    of = {name: front.kinds()[front.store.things()[name].kind] for name in names}
    known = {signal.name for kind in of.values() for signal in kind.signals}
    for name in asked.signal or ():
        if name not in known:
            raise UnknownName("signal", name, known)
    table = front.store.get(
        things=names, signals=asked.signal, start_ns=when_ns(asked.start, "start"), end_ns=when_ns(asked.end, "end"),
        known_by_ns=when_ns(asked.known_by, "known_by"),
    )
    if ARROW in request.headers.get("accept", ""):
        if table.num_rows > MOST_ROWS:
            most = f"at most {MOST_ROWS:,} at once"
            raise InputError("points", f"{table.num_rows:,} rows", most, "ask for a shorter time")
        return Response(arrow(table), media_type=ARROW)
    rows = [row for name, kind in of.items() for row in _series(table, name, kind, asked)]
    return JSONResponse({"series": rows, "units": asked.units})


def _series(table: pa.Table, thing: str, kind: Kind, asked: PointsAsked) -> list[dict[str, Any]]:
    """A line for each slow signal of a thing that said something."""
    said = table.filter(pa.compute.equal(table.column("thing"), thing))
    heard = set(said.column("signal").unique().to_pylist())
    slow = [signal.name for signal in kind.signals if signal.name in heard and not signal.fast]
    return [series.series(said, thing, kind, name, system=asked.units, n=asked.n) for name in slow]


def arrow(table: pa.Table) -> bytes:
    """A table as an Arrow IPC stream, lz4."""
    out = pa.BufferOutputStream()
    with pa.ipc.new_stream(out, table.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_table(table)
    return bytes(out.getvalue())


@router.get("/newest")
def newest(front: FrontNow, who: WhoNow, thing: Annotated[list[str] | None, Query()] = None) -> dict[str, Any]:
    """The newest value of every signal: thing -> signal -> {value, t_ns, quality, known_ns}."""
    names = mine(front, who, thing)
    return series.newest(front.store.newest(names), dict.fromkeys(names))
