"""A plant that runs on: it listens to the site's machines, keeps what they say, watches them, and shows the console.

Ctrl-C ends it; what was acknowledged is kept, and the next run goes on where each source stood.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from pathlib import Path

from loopwright.app import detecting, following, forecasting, keep, maintaining, planning, scored, watching
from loopwright.app.floor import Floor, floor
from loopwright.app.flow import Flow
from loopwright.app.learning import training
from loopwright.app.plant import Plant, open_plant
from loopwright.app.remote import ADDRESS
from loopwright.app.site import load_site
from loopwright.core.clock import NS_PER_S, monotonic_s
from loopwright.core.errors import LoopwrightError, SiteError
from loopwright.core.types import Event

FLUSH_S = 1.0
FOLLOW_S = 5.0
WATCH_S = 2.0  # how often it looks at least; when something arrives, at once
REST_S, REST_TIMES = 0.1, 4.0  # how long it rests between two looks: so long, or so many times as long as it looked


def run_site(path: Path, data: Path | None) -> None:
    """What `loopwright run` does, until Ctrl-C. PlantBusy when another process writes this plant already."""
    site = load_site(path)
    if site["edge"]["name"]:
        raise SiteError(f"{path} [edge]", "is an edge's, which keeps no plant", "", f"loopwright edge {path}")
    with open_plant(site, actor="run") as plant:
        address = site.folder / ADDRESS
        try:
            asyncio.run(_run(plant, data, address))
        finally:
            address.unlink(missing_ok=True)


async def _run(plant: Plant, data: Path | None, address: Path) -> None:
    """Everything that goes on side by side; the first that fails ends the others."""
    from loopwright.app.serve_http import build_app, serve

    flow = Flow()
    host, port = str(plant.site["server"]["host"]), int(plant.site["server"]["port"])

    def ready(bound: int) -> None:
        address.write_text(json.dumps({"host": host, "port": bound}), "utf-8")
        print(f"{plant.site.name}: console and API at http://{host}:{bound}, until Ctrl-C", file=sys.stderr, flush=True)

    flow.stage("connect", f"{sum(bool(m.link) for m in plant.site.machines)} machines are listened to")
    async with floor(plant, data, flow, plant.site.seed, resume=True) as shop:
        tasks = [
            asyncio.create_task(
                serve(build_app(plant.store, plant.site, flow), host, port, ready=ready), name="console"
            ),
            asyncio.create_task(listen(shop), name="machines"),
            asyncio.create_task(_flush(plant, flow), name="flush"),
            asyncio.create_task(_watch(plant, shop, flow), name="watch"),
            asyncio.create_task(keep.daily(plant), name="keep"),
            asyncio.create_task(_follow(plant, flow), name="follow"),
            asyncio.create_task(forecasting.keep_forecast(plant, flow), name="forecast"),
            asyncio.create_task(planning.keep_planned(plant, flow), name="plan"),
            asyncio.create_task(scored.keep_scored(plant), name="models"),
            asyncio.create_task(maintaining.keep_maintained(plant, shop, flow), name="maintain"),
            asyncio.create_task(training.keep_learning(plant, flow), name="learn"),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            shop.inspect()
            await asyncio.to_thread(plant.store.flush)


async def listen(shop: Floor) -> None:
    """Waits for the readers; machines that are played get work for as long as the plant runs."""
    await shop.ready()
    players = [asyncio.create_task(_keep_playing(shop, name)) for name in shop.devices]
    waiting = {*shop.readers, *players}
    try:
        while waiting:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        await asyncio.Event().wait()  # every stream has ended; the console stays up
    finally:
        for player in players:
            player.cancel()
        await asyncio.gather(*players, return_exceptions=True)


async def _keep_playing(shop: Floor, machine: str) -> None:
    """A recording is played once; a twin plays one run after the other, each beginning now."""
    plays = shop.devices[machine].machine.plays
    if plays["source"] == "recording":
        await shop.play(machine, first=0)
        shop.end(machine)
        return
    number = 0
    while True:
        played = await shop.play(machine, first=number, count=1, origin_ns=shop.plant.clock.now_ns())
        number += 1
        lasted_s = sum(p.end_ns - p.start_ns for p in played) / NS_PER_S
        await shop.plant.clock.sleep(min(60.0, lasted_s + 2.0))


async def _flush(plant: Plant, flow: Flow) -> None:
    """Moves the journal into the points once a second, when there is something."""
    while True:
        await plant.clock.sleep(FLUSH_S)
        moved = await asyncio.to_thread(plant.store.flush)
        if moved:
            flow.count("keep", 0)


async def _follow(plant: Plant, flow: Flow) -> None:
    """Works out again what rests on the past when it changes: late data, corrections."""
    while True:
        await plant.clock.sleep(FOLLOW_S)
        try:
            for event in await asyncio.to_thread(following.follow, plant):
                flow.stage("serve", str(event.body.get("says") or event.body["decision"]["says"]))
        except LoopwrightError as error:
            print(f"follow: {error}", file=sys.stderr, flush=True)


async def _watch(plant: Plant, shop: Floor, flow: Flow) -> None:
    """Looks whether a machine went silent or out of its limits: when something arrives, and every few seconds."""
    await shop.ready()
    since_ns, service = plant.clock.now_ns(), watching.Watch(plant)
    detectors = await asyncio.to_thread(detecting.Detectors, plant)
    for words in detecting.left_out(plant.site):
        print(f"watch: {words}", file=sys.stderr, flush=True)
    try:
        while True:
            begun_s = monotonic_s()
            try:
                raised = await asyncio.to_thread(_look, service, detectors, shop, since_ns)
                if raised:
                    flow.stage("serve", raised[-1].body["says"])
                    flow.count("serve", len(raised))
            except LoopwrightError as error:
                print(f"watch: {error}", file=sys.stderr, flush=True)
            shop.arrived.clear()
            await plant.clock.sleep(max(REST_S, REST_TIMES * (monotonic_s() - begun_s)))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WATCH_S):
                    await shop.arrived.wait()
    finally:
        detectors.close()


def _look(
    service: watching.Watch, detectors: detecting.Detectors, shop: Floor, since_ns: int
) -> list[Event]:
    """One look: at what the detectors found since the last one, and at all machines as they are now."""
    now_ns, ended = service.plant.clock.now_ns(), shop.ended()
    raised = [event for seen in detectors.live(now_ns) for event in service.look(now_ns, ended, since_ns, seen)]
    return raised + service.look(now_ns, ended, since_ns)
