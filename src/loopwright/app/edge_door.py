"""The edge's own door: devices post to it as to a plant, and it says how it is.

    POST /api/points    as on a plant: answered once it is on the edge's disk
    GET  /api/edge      the status

From this machine alone; from others with the token that [edge] devices_token_env names. Pages of browsers have no
business here and are refused.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from loopwright.app import api, api_acts, serve_http
from loopwright.app.auth import LOCAL_NAMES, host_name
from loopwright.app.remote import ADDRESS
from loopwright.app.site import Site, explain
from loopwright.connect import http
from loopwright.connect.wire import secret
from loopwright.core.errors import InputError, LinkError, LoopwrightError, NotAllowed
from loopwright.core.types import Kind, Thing

if TYPE_CHECKING:
    from loopwright.app.edge import EdgeStore


async def serve(site: Site, store: EdgeStore, status: Callable[[], dict[str, Any]], say: Callable[[str], None]) -> None:
    """Serves the door, and stores what comes through it, until it is cancelled."""
    token = secret(str(site["edge"]["devices_token_env"]), "[edge] devices_token_env")
    host, port = str(site["server"]["host"]), int(site["server"]["port"])
    listening = asyncio.create_task(_listen(store))
    address = site.folder / ADDRESS

    def ready(bound: int) -> None:
        address.write_text(json.dumps({"host": host, "port": bound}), "utf-8")
        say(f"listens, and takes posts at http://{host}:{bound}, until Ctrl-C")

    try:
        await serve_http.serve(app(token, status), host, port, ready=ready)  # type: ignore[arg-type]
    finally:
        address.unlink(missing_ok=True)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


def app(token: str, status: Callable[[], dict[str, Any]]) -> Starlette:
    """The two pages.

    token  what others than this machine must show ('': nobody else may)
    """

    async def points(request: Request) -> Response:
        return await _told(_points(request, token))

    async def edge(request: Request) -> Response:
        async def found() -> dict[str, Any]:
            _let_in(request, token)
            return await asyncio.to_thread(status)

        return await _told(found())

    return Starlette(routes=[Route("/api/points", points, methods=["POST"]), Route("/api/edge", edge)])


async def _points(request: Request, token: str) -> dict[str, Any]:
    _let_in(request, token)
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > api_acts.LARGEST_POST:
            most = f"at most {api_acts.LARGEST_POST:,}"
            raise InputError("POST /api/points", f"more than {api_acts.LARGEST_POST:,} bytes", most)
    who = request.client.host if request.client else ""
    return await http.ingest(api_acts.ENTRANCE).put(bytes(body), request.headers.get("content-type", ""), who)


async def _told(answer: Any) -> Response:
    try:
        return JSONResponse(await answer)
    except LoopwrightError as error:
        return JSONResponse(explain(error), api.status_of(error))


def _let_in(request: Request, token: str) -> None:
    """Raises NotAllowed for whoever may not come in."""
    if "origin" in request.headers:
        raise NotAllowed("edge", "a page of a browser asks", "devices and programs")
    shown = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
    if token and hmac.compare_digest(shown.encode(), token.encode()):
        return
    here = request.client is not None and request.client.host in ("127.0.0.1", "::1")
    if token or not here or host_name(request.headers.get("host", "")) not in LOCAL_NAMES:
        todo = "send 'Authorization: Bearer ...' with the token of [edge] devices_token_env"
        raise NotAllowed("edge", "asked from elsewhere, or without the token", "this machine, or the token", todo)


class _Things(Mapping[str, tuple[Thing, Kind]]):
    """Things of the edge with their kinds."""

    def __init__(self, store: EdgeStore) -> None:
        self._store = store

    def __getitem__(self, name: str) -> tuple[Thing, Kind]:
        thing = self._store.things()[name]
        return thing, self._store.kinds()[thing.kind]

    def __iter__(self) -> Iterator[str]:
        return iter(self._store.things())

    def __len__(self) -> int:
        return len(self._store.things())


async def _listen(store: EdgeStore) -> None:
    """Stores what is posted; leaves it to the floor where a machine's link reads it already."""
    while True:
        try:
            async for batch in http.read(api_acts.ENTRANCE, _Things(store), store.cursor, store.clock):
                try:
                    receipt = await asyncio.to_thread(store.put, batch)
                except InputError:  # not acknowledged: whoever posted it hears of it
                    continue
                if batch.ack is not None:
                    await batch.ack(receipt)
        except LinkError:
            return
        await asyncio.sleep(0.2)
