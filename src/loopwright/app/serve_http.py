"""The console and the API on one address.

app = build_app(store, site, flow)
await serve(app, "127.0.0.1", 8080)         until it is cancelled
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import importlib.util
import logging
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import uvicorn
from fastapi import FastAPI, Form, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.datastructures import Headers
from starlette.middleware.gzip import GZipMiddleware
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from loopwright.app import api, api_acts, reads
from loopwright.app.accept import accept
from loopwright.app.auth import Auth, same_origin
from loopwright.app.console import frame, plain
from loopwright.app.front import Front
from loopwright.app.site import explain
from loopwright.connect import http
from loopwright.core.clock import Clock, RealClock, monotonic_s
from loopwright.core.errors import (
    LinkError,
    LoopwrightError,
    MissingExtra,
    NotAllowed,
    StoreError,
    UnknownName,
)
from loopwright.core.types import Kind, Thing

if TYPE_CHECKING:
    from loopwright.app.flow import Flow
    from loopwright.app.site import Site
    from loopwright.store import Store

_log = logging.getLogger(__name__)
ASSETS = Path(__file__).parent / "console" / "assets"
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (
        b"content-security-policy",
        b"default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        b"img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' blob: data:; frame-ancestors 'none'; "
        b"base-uri 'self'; form-action 'self'",
    ),
)
_SHUTDOWN_S = 2


def build_app(
    store: Store,
    site: Site,
    flow: Flow,
    auth: Auth | None = None,
    *,
    clock: Clock | None = None,
    console: bool | None = None,
) -> FastAPI:
    """The app that serves a plant: the API, the public pages, and the console.

    auth     who may come in (made from the store when not given)
    clock    the plant's clock (the machine's when not given)
    console  True needs the extra `console` (MissingExtra without it), False leaves it out, None takes it when it is
             there
    """
    clock = clock or RealClock()
    front = Front(store, site, flow, auth or Auth(store, site.folder, clock), clock)
    app = FastAPI(
        title=f"Loopwright: {site.name}",
        version=_version(),
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        lifespan=_lifespan(front),
    )
    app.state.front = front
    app.add_middleware(GZipMiddleware, minimum_size=1200)
    app.add_middleware(Door, front=front)
    app.mount("/assets/three", StaticFiles(directory=_three(), check_dir=False))
    app.mount("/assets", StaticFiles(directory=ASSETS))
    api.install(app)
    _open_pages(app)
    there = importlib.util.find_spec("nicegui") is not None
    if console and not there:
        raise MissingExtra("app/serve_http", "nicegui", "console")
    if there and console is not False:
        from loopwright.app.console import live

        live.mount(app, front)
    else:
        _without_console(app)
    return app


def _version() -> str:
    from importlib.metadata import version

    return version("loopwright")


def _three() -> Path:
    """The folder with three.js that NiceGUI brings; a folder that is not there when it is not installed."""
    spec = importlib.util.find_spec("nicegui")
    places = list(spec.submodule_search_locations or ()) if spec else []
    return Path(places[0]) / "elements" / "scene" / "dist" if places else ASSETS / "three"


def _lifespan(front: Front) -> Callable[[FastAPI], contextlib.AbstractAsyncContextManager[None]]:
    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        listening = asyncio.create_task(_listen(front), name="api entrance")
        try:
            yield
        finally:
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listening

    return lifespan


class _Things(Mapping[str, tuple[Thing, Kind]]):
    """Things of the store with their kinds, as they are now."""

    def __init__(self, store: Store) -> None:
        self._store, self._looked_s = store, float("-inf")
        self._found: dict[str, Thing] = {}
        self._kinds: dict[str, Kind] = {}

    def __getitem__(self, name: str) -> tuple[Thing, Kind]:
        thing = self._things(name)[name]
        return thing, self._kinds[thing.kind]

    def __iter__(self) -> Iterator[str]:
        return iter(self._things())

    def __len__(self) -> int:
        return len(self._things())

    def _things(self, name: str = "") -> dict[str, Thing]:
        """As they were half a second ago, or less for a name that is not there: every value that is posted asks."""
        if monotonic_s() - self._looked_s > (0.02 if name and name not in self._found else 0.5):
            self._kinds, self._found, self._looked_s = self._store.kinds(), self._store.things(), monotonic_s()
        return self._found


async def _listen(front: Front) -> None:
    """Stores what is posted to /api/points; each post is answered after it is durable. Leaves it to the loop where
    that reads it already."""
    if front.store.read_only:
        return
    while True:
        try:
            async for batch in http.read(api_acts.ENTRANCE, _Things(front.store), front.store.cursor, front.clock):
                try:
                    receipt = await asyncio.to_thread(accept, front.store, batch)
                except StoreError as error:  # not acknowledged: whoever posted it is told to come again
                    _log.error("%s", error)
                    continue
                if batch.ack is not None:
                    await batch.ack(receipt)
        except LinkError:
            return
        await asyncio.sleep(0.2)


class Door:
    """Asks of every request and socket who sends it, and refuses what may not come in; sets state.front and
    state.who."""

    def __init__(self, app: ASGIApp, front: Front) -> None:
        self._app, self._front = app, front

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {name.lower(): value for name, value in Headers(scope=scope).items()}
        client = scope["client"][0] if scope.get("client") else ""
        try:
            same_origin("SOCKET" if scope["type"] == "websocket" else scope["method"], headers)
            who = await asyncio.to_thread(self._front.auth.who, client, headers)
            if who is None and scope["path"].startswith("/_nicegui_ws/"):
                raise NotAllowed("socket", "nobody is signed in")
        except LoopwrightError as error:
            await _refuse(error, scope, receive, send)
            return
        scope.setdefault("state", {}).update(front=self._front, who=who)
        await self._app(scope, receive, _careful(send) if scope["type"] == "http" else send)


def _careful(send: Send) -> Send:
    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *_HEADERS]}
        await send(message)

    return with_headers


async def _refuse(error: LoopwrightError, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 4403})
        return
    status = api.status_of(error)
    answer: Response = (
        JSONResponse(explain(error), status)
        if scope["path"].startswith("/api/")
        else HTMLResponse(plain.problem(error, status), status)
    )
    await answer(scope, receive, _careful(send))


def _open_pages(app: FastAPI) -> None:
    """Pages that need nobody signed in: the door, the public page of a unit, and the list of what the API can do."""

    @app.get("/signin", include_in_schema=False)
    def door(request: Request, then: str = "/") -> Response:
        if request.state.who is not None:
            return RedirectResponse(_inside(then), 303)
        return HTMLResponse(plain.sign_in(request.state.front.site.name, _inside(then)))

    @app.post("/signin", include_in_schema=False)
    def enter(
        request: Request,
        name: Annotated[str, Form()],
        password: Annotated[str, Form()],
        then: Annotated[str, Form()] = "/",
    ) -> Response:
        front: Front = request.state.front
        try:
            cookie = front.auth.sign_in(name, password, request.client.host if request.client else "")
        except NotAllowed as error:
            words = f"{error.given[:1].upper()}{error.given[1:]}; {error.todo}."
            return HTMLResponse(plain.sign_in(front.site.name, _inside(then), words), 403)
        return api_acts.with_session(RedirectResponse(_inside(then), 303), cookie, request)

    @app.get("/u/{serial}", include_in_schema=False)
    def public(request: Request, serial: str) -> Response:
        front: Front = request.state.front
        try:
            unit = reads.public_unit(front, serial)
        except UnknownName as error:
            return HTMLResponse(plain.problem(error, 404), 404)
        return HTMLResponse(plain.public(unit, front.site.name, frame.system_of(request.headers), front.zone))

    @app.get("/api/docs", include_in_schema=False)
    def docs(request: Request) -> Response:
        return HTMLResponse(plain.api_docs(app.openapi()))


def _inside(then: str) -> str:
    """Where to go after signing in: an address of this plant, never of another site."""
    return then if then.startswith("/") and not then.startswith(("//", "/\\")) and then.isprintable() else "/"


def _without_console(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    def nothing() -> Response:
        error = MissingExtra("console", "nicegui", "console")
        return HTMLResponse(plain.problem(error, 501), 501)


async def serve(
    app: FastAPI, host: str = "127.0.0.1", port: int = 8080, *, ready: Callable[[int], None] | None = None
) -> None:
    """Serves until it is cancelled, then lets go of the port within two seconds.

    port   0 lets the machine choose; ready is called with the port once it is bound
    Raises LinkError when the port is taken or the address is not of this machine: names it, and what to do.
    """
    taken = _bind(host, port)
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_SHUTDOWN_S,
        lifespan="on",
    )
    logging.getLogger("uvicorn.error").addFilter(_not_a_stop)
    server = _Server(config)
    running = asyncio.create_task(server.serve(sockets=[taken]), name="http")
    try:
        if ready is not None:
            ready(int(taken.getsockname()[1]))
        await asyncio.shield(running)
    except asyncio.CancelledError:
        server.should_exit = True
        with contextlib.suppress(asyncio.CancelledError):
            await running
        raise
    finally:
        taken.close()


def _not_a_stop(record: logging.LogRecord) -> bool:
    """Whether a line of the server's log is more than the echo of an impatient Ctrl-C."""
    return not any(word in record.getMessage() for word in ("CancelledError", "KeyboardInterrupt"))


class _Server(uvicorn.Server):
    """uvicorn that leaves Ctrl-C to whoever runs the loop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _bind(host: str, port: int) -> socket.socket:
    """A socket that listens there; LinkError in words when that cannot be."""
    where = f"console at {host}:{port}"
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        taken = socket.socket(family, kind, proto)
    except OSError as error:
        raise LinkError(
            where,
            f"{host!r} is no address of this machine ({error.strerror or error})",
            "127.0.0.1, or an address it has",
            "correct [server] host",
        ) from error
    try:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(address)
        taken.listen(256)
        taken.setblocking(False)
    except OSError as error:
        taken.close()
        if error.errno == errno.EADDRINUSE:
            raise LinkError(
                where,
                f"port {port} is taken",
                "",
                f"end the program that uses port {port}, or take another: --port, or [server] port in the site file",
            ) from error
        if error.errno == errno.EACCES:
            raise LinkError(
                where, f"port {port} is for the administrator only", "1024 to 65535", "take another port"
            ) from error
        raise LinkError(
            where, f"cannot be listened to ({error.strerror})", "", "correct [server] host and port"
        ) from error
    return taken


__all__ = ["Door", "build_app", "serve"]
