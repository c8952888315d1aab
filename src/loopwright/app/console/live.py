"""The pages on NiceGUI: each is built from its `draw`, and kept up to date by sending only what changed.

A page module has PATH, EVERY_S and draw(view) -> Drawn. Here they become NiceGUI pages; nothing else in the house
imports nicegui.
"""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path
from types import ModuleType
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from nicegui import Client, core, ui

from loopwright.app import reads
from loopwright.app.auth import NotIn, Who
from loopwright.app.console import data, decisions, frame, loop, machine, machines, orders, owner, plain, plan, unit
from loopwright.app.console.frame import Drawn, View
from loopwright.app.console.markup import Safe, join, tag
from loopwright.app.front import Front
from loopwright.core.errors import LoopwrightError, NotAllowed, UnknownName
from loopwright.govern import access

PAGES: tuple[ModuleType, ...] = (loop, orders, unit, plan, machines, machine, owner, decisions, data)
MARK = Path(__file__).parent / "assets" / "mark.svg"
_TOP = "top"  # the key of the bar, which changes too: how much waits
log = logging.getLogger(__name__)


def mount(app: FastAPI, front: Front) -> None:
    """Puts every page on the app. A second app in one process takes the pages over from the first."""
    core.app.user_middleware.clear()
    core.app.middleware_stack = None
    for module in PAGES:
        _register(module)
    ui.run_with(
        app,
        title=f"{front.site.name}, Loopwright",
        favicon=MARK,
        dark=None,
        tailwind=False,
        show_welcome_message=False,
        binding_refresh_interval=None,
        reconnect_timeout=10.0,
        message_history_length=50,
    )


def _register(module: ModuleType) -> None:
    async def build(request: Request) -> Response | None:
        return await _page(module, request)

    ui.page(module.PATH, response_timeout=30.0)(build)


async def _page(module: ModuleType, request: Request) -> Response | None:
    """Builds a page for whoever asks; somebody who is not signed in is sent to the door."""
    front: Front = request.state.front
    who: Who | None = request.state.who
    if who is None:
        return RedirectResponse(f"/signin?then={quote(request.url.path)}", 303)
    if module is loop and not access.can(who, "plant.see"):
        return RedirectResponse("/owner", 303)
    headers = {name.lower(): value for name, value in request.headers.items()}
    params = {**dict(request.query_params), **request.path_params}
    view = View(front, who, frame.system_of(headers), params, str(request.base_url).rstrip("/"))
    try:
        allow(module, view)
        drawn, top = await asyncio.to_thread(_draw, module, view)
    except LoopwrightError as error:
        status = (
            404
            if isinstance(error, UnknownName)
            else 401
            if isinstance(error, NotIn)
            else 403
            if isinstance(error, NotAllowed)
            else 500
        )
        return HTMLResponse(plain.problem(error, status), status)
    _build(module, view, drawn, top)
    return None


def allow(module: ModuleType, view: View) -> None:
    """Raises NotAllowed unless this person may see this page."""
    if module is owner:
        if view.who.role not in ("owner", "everyone"):
            raise NotAllowed("owner's page", f"{view.who.name} is {view.who.role}", "owners, for what is theirs")
    elif module is unit:
        access.may(view.who, "unit.see", view.params["serial"], reads.owner_of(view.front))
    else:
        access.may(view.who, "plant.see")


def _draw(module: ModuleType, view: View) -> tuple[Drawn, Safe]:
    drawn: Drawn = module.draw(view)
    here = module.PATH if "{" not in module.PATH else {"/units/{serial}": "/orders"}.get(module.PATH, "/machines")
    waiting = reads.waiting(view.front) if access.can(view.who, "plant.see") else {}
    return drawn, frame.top(view, here, waiting)


def _build(module: ModuleType, view: View, drawn: Drawn, top: Safe) -> None:
    client: Client = ui.context.client
    client.title = f"{drawn.title}, {view.front.site.name}"
    styles = join(tag("link", rel="stylesheet", href=f"/assets/{name}") for name in frame.STYLES)
    ui.add_head_html(styles + tag("script", src="/assets/loopwright.js"))
    ui.html(f'<div data-k="{_TOP}">{top}</div>{frame.body(drawn)}', sanitize=False).style("display: block")
    page = _Live(module, view, client, drawn, top)
    ui.timer(module.EVERY_S, page.tick, immediate=False)
    ui.on("lw-changed", page.tick)


class _Live:
    """One open page: what its browser was last sent, so that only the difference is."""

    def __init__(self, module: ModuleType, view: View, client: Client, drawn: Drawn, top: Safe) -> None:
        self._module, self._view, self._client = module, view, client
        self._keys = list(drawn.blocks)
        self._sent = {**_blocks(drawn, top), **drawn.fine}
        self._busy = False
        client.run_javascript(_patch([[key, what, value] for (key, what), value in drawn.fine.items()]))

    async def tick(self) -> None:
        """Draws the page again and sends what changed; a page whose pieces are others now is loaded anew."""
        if self._busy or not self._client.has_socket_connection:
            return
        self._busy = True
        try:
            drawn, top = await asyncio.to_thread(_draw, self._module, self._view)
        except LoopwrightError as error:
            log.warning("page %s: %s", self._module.PATH, error)
            return
        finally:
            self._busy = False
        if list(drawn.blocks) != self._keys:
            self._client.run_javascript("location.reload()")
            return
        now: dict[tuple[str, str], str] = {**_blocks(drawn, top), **drawn.fine}
        changed = [[key, what, value] for (key, what), value in now.items() if self._sent.get((key, what)) != value]
        self._sent = now
        if changed:
            self._client.run_javascript(_patch(changed))


def _blocks(drawn: Drawn, top: Safe) -> dict[tuple[str, str], str]:
    """Blocks that are sent whole; those that hold fine changes are kept up to date by these."""
    fine = {key for key, _ in drawn.fine}
    out = {
        (key, "html"): str(block)
        for key, block in drawn.blocks.items()
        if not any(f'data-k="{name}"' in block for name in fine)
    }
    return {**out, (_TOP, "html"): str(top)}


def _patch(changes: list[list[str]]) -> str:
    return f"lw.patch({json.dumps(changes)})" if changes else "0"
