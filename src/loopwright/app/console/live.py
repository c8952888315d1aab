"""The pages on NiceGUI: each is built from its `draw`, and kept up to date by sending only what changed.

A page module has PATH, EVERY_S and draw(view) -> Drawn. Nothing else in the house imports nicegui.
"""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path
from types import ModuleType
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from nicegui import Client, core, ui

from loopwright.app import api, reads
from loopwright.app.auth import Who
from loopwright.app.console import (
    alarms,
    chart,
    corrections,
    data,
    decisions,
    frame,
    loop,
    machine,
    machines,
    models,
    orders,
    owner,
    plain,
    plan,
    unit,
)
from loopwright.app.console.frame import Drawn, View
from loopwright.app.console.markup import Safe, card, div, note, tag
from loopwright.app.front import Front
from loopwright.core.errors import InputError, LoopwrightError, NotAllowed
from loopwright.govern import access
from loopwright.govern.roles import EVERYONE

PAGES: tuple[ModuleType, ...] = (
    loop, orders, unit, plan, machines, machine, alarms, owner, decisions, models, data, chart,
    corrections,
)
MARK = Path(__file__).parent / "assets" / "mark.svg"
# page -> the one of the bar it belongs to
_UNDER = {
    unit.PATH: orders.PATH, machine.PATH: machines.PATH, alarms.PATH: machines.PATH, corrections.PATH: data.PATH,
    chart.PATH: data.PATH,
}
log = logging.getLogger(__name__)


def mount(app: FastAPI, front: Front) -> None:
    """Puts every page on the app. A second app in one process takes the pages over from the first."""
    core.app.user_middleware.clear()
    core.app.middleware_stack = None
    core.app.on_page_exception(_broken)
    core.app.add_exception_handler(404, _nowhere)
    for module in PAGES:
        _register(module)
    ui.run_with(
        app, title=f"{front.site.name}, Loopwright", favicon=MARK, dark=None, tailwind=False,
        show_welcome_message=False, binding_refresh_interval=None, reconnect_timeout=10.0, message_history_length=50,
    )


async def _nowhere(request: Request, error: Exception) -> Response:
    """An address that no page has; what a script or a picture asked for is answered in a word."""
    if "text/html" not in request.headers.get("accept", ""):
        return PlainTextResponse("there is nothing at this address", 404)
    told = InputError(request.url.path, "there is nothing at this address")
    return HTMLResponse(plain.problem(told, 404), 404)


def _broken() -> None:
    """What a page says that could not be built because of a fault of ours; the fault itself is in the log."""
    ui.add_head_html(frame.styles())
    words = (tag("h1", "That did not work"), note("This page could not be built. The log of the plant says why."))
    ui.html(div("gate", tag("div", frame.brand(), card(None, *words))), sanitize=False).style("display: block")


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
        return RedirectResponse(owner.PATH, 303)
    params = {**dict(request.query_params), **request.path_params}
    view = View(front, who, frame.system_of(request.headers), params, str(request.base_url).rstrip("/"))
    try:
        drawn, top = await asyncio.to_thread(_draw, module, view)
    except LoopwrightError as error:
        status = api.status_of(error)
        return HTMLResponse(plain.problem(error, status), status)
    _build(module, view, drawn, top)
    return None


def allow(module: ModuleType, view: View) -> None:
    """Raises NotAllowed unless this person may see this page now (users come and go, and units change hands)."""
    users = view.front.auth.users()
    if (view.who.name not in users) if view.who.role != EVERYONE else bool(users):
        raise NotAllowed("console", f"{view.who.name} is no longer in", "", "sign in again")
    if module is owner:
        if view.who.role not in ("owner", EVERYONE):
            raise NotAllowed("owner's page", f"{view.who.name} is {view.who.role}", "owners, for what is theirs")
    elif module is unit:
        access.may(view.who, "unit.see", view.params["serial"], reads.owner_of(view.front))
    else:
        access.may(view.who, "plant.see")


def _draw(module: ModuleType, view: View) -> tuple[Drawn, Safe]:
    """The page and its bar as they stand now."""
    allow(module, view)
    drawn: Drawn = module.draw(view)
    waiting = reads.waiting(view.front) if access.can(view.who, "plant.see") else {}
    return drawn, frame.top(view, _UNDER.get(module.PATH, module.PATH), waiting)


def _build(module: ModuleType, view: View, drawn: Drawn, top: Safe) -> None:
    client: Client = ui.context.client
    client.title = f"{drawn.title}, {view.front.site.name}"
    ui.add_head_html(frame.styles() + tag("script", src="/assets/loopwright.js"))
    content = tag("div", top, data_k="top") + tag("main", frame.body(drawn), cls="page", data_k="main")
    ui.html(content, sanitize=False).style("display: block")
    page = _Live(module, view, client, drawn, top)
    ui.timer(module.EVERY_S, page.tick, immediate=False)
    ui.on("lw-changed", page.tick)


class _Live:
    """One open page: what its browser was last sent, so that only the difference is."""

    def __init__(self, module: ModuleType, view: View, client: Client, drawn: Drawn, top: Safe) -> None:
        self._module, self._view, self._client = module, view, client
        self._keys, self._sent, self._busy = list(drawn.blocks), _state(drawn, top), False

    async def tick(self) -> None:
        """Draws the page again and sends what changed: some blocks, or all of them when there are others now."""
        if self._busy or not self._client.has_socket_connection:
            return
        self._busy = True
        try:
            drawn, top = await asyncio.to_thread(_draw, self._module, self._view)
        except NotAllowed:
            self._client.run_javascript("location.reload()")
            return
        except LoopwrightError as error:
            log.warning("page %s: %s", self._module.PATH, error)
            return
        finally:
            self._busy = False
        now = _state(drawn, top)
        changed = [[key, what, value] for (key, what), value in now.items() if self._sent.get((key, what)) != value]
        if list(drawn.blocks) != self._keys:
            changed.insert(0, ["main", "html", str(frame.body(drawn))])
        self._keys, self._sent = list(drawn.blocks), now
        if changed:
            self._client.run_javascript(_patch(changed))


def _state(drawn: Drawn, top: Safe) -> dict[tuple[str, str], str]:
    """(key, what) -> value of all a page shows; a block that holds fine changes is kept up to date by these alone."""
    marks = [f'data-k="{key}"' for key, _ in drawn.fine]
    whole = {(key, "html"): str(block) for key, block in drawn.blocks.items() if not any(m in block for m in marks)}
    return {("top", "html"): str(top), **whole, **drawn.fine}


def _patch(changes: list[list[str]]) -> str:
    return f"lw.patch({json.dumps(changes)})"
