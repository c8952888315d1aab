"""How each protocol is started over the loopback, for tests/every/test_protocols.py: one entry a protocol.

Add yours: an async context manager that takes an empty folder and gives an `Ends`, under its name in LOOPBACK.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from loopwright.connect.wire import free_port


@dataclass(frozen=True)
class Ends:
    """Settings of both ends of one link.

    read, expose  the settings of each end
    first         which end must be there before the other: 'read', 'expose' (it sets `ready`), or 'whole': the writing is
                  over before the reading begins
    nobody        settings for `read` with which nobody answers; None where reading needs no peer
    """

    read: Any
    expose: Any
    first: Literal["read", "expose", "whole"]
    nobody: Any = None


LOOPBACK: dict[str, Callable[[Path], AbstractAsyncContextManager[Ends]]] = {}


@asynccontextmanager
async def mqtt(folder: Path) -> AsyncIterator[Ends]:
    from loopwright.connect import mqtt
    from loopwright.connect.broker import embedded

    async with embedded(folder / "broker") as port:
        settings = mqtt.Settings(port=port, patience_s=3.0)
        yield Ends(settings, settings, "read", nobody=mqtt.Settings(port=free_port()))


@asynccontextmanager
async def http(folder: Path) -> AsyncIterator[Ends]:
    from loopwright.connect import http

    port = free_port()
    settings = http.Settings(url=f"http://127.0.0.1:{port}/api/points", name=f"test-{port}", patience_s=3.0)
    async with posts_to(settings, port):
        yield Ends(settings, settings, "read")


@asynccontextmanager
async def posts_to(settings: Any, port: int) -> AsyncIterator[None]:
    """A small API as the app's: POST /api/points into the entrance of those settings."""
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    from loopwright.connect import http
    from loopwright.core.errors import InputError, LinkError

    async def points(request: Request) -> JSONResponse:
        try:
            entrance = http.ingest(settings)
            said = await entrance.put(await request.body(), request.headers.get("content-type", ""), "tester")
        except InputError as error:
            return JSONResponse({"error": str(error)}, 400)
        except LinkError as error:
            return JSONResponse({"error": str(error)}, 503)
        return JSONResponse(said)

    api = Starlette(routes=[Route("/api/points", points, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(api, host="127.0.0.1", port=port, log_level="warning", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    for _ in range(1000):
        if server.started:
            break
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        await serving


@asynccontextmanager
async def files(folder: Path) -> AsyncIterator[Ends]:
    from loopwright.connect import files

    settings = files.Settings(path=str(folder / "recording.csv.gz"))
    yield Ends(settings, settings, "whole")


@asynccontextmanager
async def opcua(folder: Path) -> AsyncIterator[Ends]:
    from loopwright.connect import opcua

    settings = opcua.Settings(port=free_port())
    yield Ends(settings, settings, "expose", nobody=opcua.Settings(port=free_port()))


@asynccontextmanager
async def mtconnect(folder: Path) -> AsyncIterator[Ends]:
    from loopwright.connect import mtconnect

    settings = mtconnect.Settings(port=free_port())
    yield Ends(settings, settings, "expose", nobody=mtconnect.Settings(port=free_port()))


LOOPBACK |= {"opcua": opcua, "mtconnect": mtconnect, "mqtt": mqtt, "http": http, "files": files}
