"""The REST API under /api: things, their signals, and what they said."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pyarrow as pa
from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from loopwright.app import charting, reads
from loopwright.app.api import FrontNow, When, WhoNow
from loopwright.app.auth import Who
from loopwright.app.front import Front
from loopwright.app.views import series
from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError, UnknownName
from loopwright.core.moments import moment_ns
from loopwright.core.types import Kind
from loopwright.govern import access
from loopwright.store import Store
from loopwright.store.sql import quoted

ARROW = "application/vnd.apache.arrow.stream"
MOST_ROWS = 1_000_000  # of one answer
DAY_NS = 86_400 * NS_PER_S
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
    times, more = _bounded(front.store, asked, names)
    table = front.store.get(
        things=names, signals=asked.signal, start_ns=times[0], end_ns=times[1],
        known_by_ns=moment_ns(asked.known_by, "known_by"),
    )
    link = {name: str(request.url.include_query_params(**limits)) for name, limits in more.items()}
    headers = {"Link": ", ".join(f'<{url}>; rel="{name}"' for name, url in link.items())} if link else {}
    if ARROW in request.headers.get("accept", ""):
        return Response(arrow(table), media_type=ARROW, headers=headers)
    rows = [row for name, kind in of.items() for row in _series(table, name, kind, asked)]
    told = {"start_ns": times[0], "end_ns": times[1], "prev": link.get("prev"), "next": link.get("next")}
    return JSONResponse({"series": rows, "units": asked.units, **told}, headers=headers)


def _bounded(
    store: Store, asked: PointsAsked, names: list[str]
) -> tuple[tuple[int | None, int | None], dict[str, dict[str, str]]]:
    """(start_ns, end_ns) of this answer, and start and end of what comes before or after it: no answer is endless.

    Without a start it is the last day that was said something in; and never more than MOST_ROWS rows.
    """
    start_ns, end_ns = moment_ns(asked.start, "start"), moment_ns(asked.end, "end")
    more: dict[str, dict[str, str]] = {}
    if start_ns is None:
        newest = store.newest(names, asked.signal).column("t_ns").to_pylist()
        last_ns = max(newest, default=0) + 1
        end_ns = last_ns if end_ns is None else end_ns
        start_ns = min(end_ns, last_ns) - DAY_NS
        more["prev"] = {"start": str(start_ns - DAY_NS), "end": str(start_ns)}
    cut_ns = _row_beyond(store, asked, names, (start_ns, end_ns))
    if cut_ns is not None:
        if cut_ns <= start_ns:
            given = f"more than {MOST_ROWS:,} values at one moment"
            raise InputError("points", given, f"at most {MOST_ROWS:,}", "name fewer things or signals")
        more["next"] = {"start": str(cut_ns), "end": "" if end_ns is None else str(end_ns)}
        end_ns = cut_ns
    return (start_ns, end_ns), more


def _row_beyond(
    store: Store, asked: PointsAsked, names: list[str], times: tuple[int | None, int | None]
) -> int | None:
    """When the first row was true that one answer has no room for; None when there is room for all."""
    wanted = [f"thing IN ({', '.join(map(quoted, names))})"]
    if asked.signal:
        wanted.append(f"signal IN ({', '.join(map(quoted, asked.signal))})")
    wanted += [f"t_ns {sign} {t_ns}" for sign, t_ns in zip((">=", "<"), times, strict=True) if t_ns is not None]
    if known_by := moment_ns(asked.known_by, "known_by"):
        wanted.append(f"known_ns <= {known_by}")
    where = " AND ".join(wanted)
    if store.query(f"SELECT count(*) AS n FROM points WHERE {where}").column("n")[0].as_py() <= MOST_ROWS:
        return None
    sql = f"SELECT t_ns FROM points WHERE {where} ORDER BY t_ns LIMIT 1 OFFSET {MOST_ROWS}"
    return int(store.query(sql).column("t_ns")[0].as_py())


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


class ChartAsked(BaseModel):
    """Which signal, which time, how fine."""

    model_config = ConfigDict(extra="forbid")
    thing: str
    signal: str
    start: When = None
    end: When = None
    pixels: int = Field(1000, ge=1, le=charting.PIXELS, description="at most so many buckets")
    known_by: When = None
    units: Literal["inside", "metric", "imperial"] = "inside"


@router.get("/chart")
def chart(front: FrontNow, who: WhoNow, asked: Annotated[ChartAsked, Query()]) -> dict[str, Any]:
    """One signal over any time in at most `pixels` buckets, exact extremes included; without start and end all of it.

    Buckets are whole steps of round length; t_ns is where each begins. count are good and doubtful values, bad those
    marked bad, gaps those that the source reported as missing; min, max, mean and last are of the counted ones.
    """
    mine(front, who, [asked.thing])
    return charting.line(front.store, charting.Asked(
        asked.thing, asked.signal, moment_ns(asked.start, "start"), moment_ns(asked.end, "end"), asked.pixels,
        moment_ns(asked.known_by, "known_by"), asked.units,
    ))


@router.get("/newest")
def newest(front: FrontNow, who: WhoNow, thing: Annotated[list[str] | None, Query()] = None) -> dict[str, Any]:
    """The newest value of every signal: thing -> signal -> {value, t_ns, quality, known_ns}."""
    names = mine(front, who, thing)
    return series.newest(front.store.newest(names), dict.fromkeys(names))
