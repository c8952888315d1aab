"""The bundled demo: one turn of the loop on twins, a display of what happens, the console beside it, and the report.

First the plant is opened and the console answers; then the turn begins, so that a person can watch it go round.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from loopwright.app.flow import Flow
from loopwright.app.plant import Plant, open_plant
from loopwright.app.report import in_words
from loopwright.app.show import Show
from loopwright.app.site import load_site
from loopwright.app.solids import Solids

SITES = Path(__file__).parent / "sites"


def run_demo(*, once: bool, port: int, folder: Path | None, seed: int, as_json: bool) -> None:
    """Runs the demo's turn; without `once` the console stays up until Ctrl-C. Its plant is thrown away unless named."""
    where = folder or Path(tempfile.mkdtemp(prefix="loopwright-demo-"))
    try:
        site = load_site(_site_in(where, seed, port))
        flow = Flow()
        with open_plant(site, actor="demo") as plant, Show(flow, sys.stderr) as show:
            report = asyncio.run(_turn_and_console(plant, flow, show, once, seed))
        if as_json:
            print(json.dumps(report, indent=2, default=str))
        elif once:
            print(in_words(report))
    finally:
        if folder is None:
            shutil.rmtree(where, ignore_errors=True)


def _site_in(folder: Path, seed: int, port: int) -> Path:
    """The demo's site file and example persons, in the folder where its plant is kept."""
    folder.mkdir(parents=True, exist_ok=True)
    text = (SITES / "demo.toml").read_text("utf-8").replace("\nseed = 1\n", f"\nseed = {seed}\n")
    (folder / "site.toml").write_text(f"{text}\n[server]\nport = {port}\n", "utf-8")
    shutil.copy(SITES / "demo_persons.csv", folder / "demo_persons.csv")
    return folder / "site.toml"


async def _turn_and_console(plant: Plant, flow: Flow, show: Show, once: bool, seed: int) -> dict[str, Any]:
    from loopwright.app.turn import one_turn

    assert plant.site.file is not None
    server = asyncio.create_task(_console(plant, flow, show.say)) if not once and find_spec("nicegui") else None
    turn = asyncio.create_task(one_turn(plant, plant.site.file.parent, None, flow))
    watched: set[asyncio.Task[Any]] = {turn} | ({server} if server else set())
    try:
        await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
        if server and server.done():
            server.result()
        report = await turn
        show.close()
        if server:
            print(in_words(report), flush=True)
            address = f"http://{plant.site['server']['host']}:{plant.site['server']['port']}"
            print(f"\nThe console is at {address} until Ctrl-C.", file=sys.stderr, flush=True)
            watched.add(asyncio.create_task(Solids(plant, flow).make_missing()))
            await server
        return report
    finally:  # each is ended and waited for, so that nothing is torn down under it
        for task in watched:
            task.cancel()
        await asyncio.gather(*watched, return_exceptions=True)


async def _console(plant: Plant, flow: Flow, say: Callable[[str], None]) -> None:
    from loopwright.app.serve_http import build_app, serve

    app = build_app(plant.store, plant.site, flow)
    say(f"console at http://{plant.site['server']['host']}:{plant.site['server']['port']}")
    await serve(app, str(plant.site["server"]["host"]), int(plant.site["server"]["port"]))
