"""A machine that is not there, played by a twin or a recording in a process of its own that speaks its protocol.

    python -m loopwright.app.device SITE.toml MACHINE --link '{"port": 4840}' [--data FOLDER] [--seed 1]

Reads jobs from standard input, one JSON line each: {"first": 0, "count": 3, "origin_ns": ...} plays runs, {"end": true}
ends the stream; the end of standard input means that whoever started it is gone, and ends the process. Says on standard
output: {"ready": true}, {"played": "<run id>"}, {"sent": n}, or {"error": {...}}.
It is hardware to everybody else: nothing but its protocol connects it with the plant.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from loopwright.app.site import Machine, Site, explain, load_site
from loopwright.connect.wire import from_table
from loopwright.core import plug
from loopwright.core.clock import NS_PER_S, RealClock, monotonic_s
from loopwright.core.errors import LoopwrightError, SiteError
from loopwright.core.pack import Play, Player, PlayOptions

PACE = "pace"  # key of `plays`: seconds of the machine's time that are played in one second; 0: as fast as it goes
NOT_THE_PLAYERS = (PACE, "outside")  # keys of `plays` that are ours


def player_of(site: Site, machine: Machine) -> Player:
    """What plays this machine: the pack that brings a player of that source for its kind."""
    source = str(machine.plays["source"])
    for name in site["site"]["packs"]:
        pack = plug.load("packs", name).PACK
        if source in pack.players and machine.kind in {kind.name for kind in pack.kinds}:
            found: Player = pack.players[source]
            return found
    raise SiteError(f"machine {machine.id!r} plays", f"no pack has a {source!r} for kind {machine.kind!r}")


def options_for(site: Site, machine: Machine, data: Path | None, seed: int, job: dict[str, Any]) -> PlayOptions:
    """What a job asks of the machine's player; the same in the device's process and in the plant's."""
    source = machine.plays["source"]
    things = tuple(m.id for m in site.machines if m.plays.get("source") == source and m.kind == machine.kind)
    folder = None
    if source == "recording":
        if data is None:
            raise SiteError(
                f"machine {machine.id!r} plays",
                "a recording, but no folder of recordings was named",
                "",
                "add --data FOLDER",
            )
        folder = data / str(machine.plays.get("runs", site["input"]["runs"]))
    return PlayOptions(
        machine.id,
        things,
        folder,
        int(job.get("origin_ns", site.origin_ns)),
        float(site["assumed"]["spacing_s"]),
        int(job.get("first", 0)),
        job.get("count"),
        seed,
        {key: value for key, value in machine.plays.items() if key not in NOT_THE_PLAYERS},
        tuple(int(run) for run in job.get("changed", ())),
    )


def tell(**line: Any) -> None:
    """One line to whoever started this process."""
    print(json.dumps(line), flush=True)


async def said(
    site: Site, machine: Machine, data: Path | None, seed: int, jobs: asyncio.Queue[str]
) -> AsyncIterator[pa.Table]:
    """Every frame of every job, in order, until the end is asked for."""
    player = player_of(site, machine)
    while True:
        job = json.loads(await jobs.get())
        if job.get("end"):
            return
        for play in await asyncio.to_thread(player, options_for(site, machine, data, seed, job)):
            began_s = monotonic_s()
            for frame in play.frames():
                yield frame
                await asyncio.sleep(_ahead_s(frame, play, began_s, float(machine.plays.get(PACE, 0.0))))
            tell(played=play.id)


def _ahead_s(frame: pa.Table, play: Play, began_s: float, pace: float) -> float:
    """How long to wait after a frame, so that `pace` seconds of its time pass in one second (0: never)."""
    if pace <= 0 or not frame.num_rows:
        return 0.0
    spoken_s = (pc.max(frame.column("t_ns")).as_py() - play.start_ns) / NS_PER_S
    return max(0.0, spoken_s / pace - (monotonic_s() - began_s))


def _lines() -> asyncio.Queue[str]:
    """Lines of standard input, read by a thread of their own; at its end nobody is there to play for any more."""
    queue: asyncio.Queue[str] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def read() -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(queue.put_nowait, line)
        os._exit(0)  # whatever it does: a broker that is gone, or a reader that will not come, would keep it

    threading.Thread(target=read, name="jobs", daemon=True).start()
    return queue


async def play(site: Site, machine: Machine, link: dict[str, Any], data: Path | None, seed: int) -> int:
    """Serves the machine's protocol until its stream ends; how many samples it sent."""
    jobs = _lines()
    protocol = plug.load("connect", machine.protocol)
    settings = from_table(protocol.Settings, link, f"machine {machine.id!r} link")
    kind = next(kind for kind in site.all_kinds if kind.name == machine.kind)
    ready = asyncio.Event()
    announce = asyncio.create_task(_when_ready(ready))
    try:
        things = {machine.id: (machine.thing, kind)}
        return int(await protocol.expose(settings, things, said(site, machine, data, seed, jobs), RealClock(), ready))
    finally:
        announce.cancel()


async def _when_ready(ready: asyncio.Event) -> None:
    await ready.wait()
    tell(ready=True)


def main() -> int:
    """The device's own process; ends with its parent, whatever happens to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.getLogger("asyncua").setLevel(logging.ERROR)
    parser = argparse.ArgumentParser(description="Plays one machine of a site over its protocol.")
    parser.add_argument("site", type=Path)
    parser.add_argument("machine")
    parser.add_argument("--link", default="{}", help="settings of the protocol, JSON")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    try:
        site = load_site(given.site)
        machine = next(m for m in site.machines if m.id == given.machine)
        sent = asyncio.run(play(site, machine, json.loads(given.link), given.data, given.seed))
    except LoopwrightError as error:
        tell(error=explain(error))
        return error.exit_code
    tell(sent=sent)
    return 0


if __name__ == "__main__":
    sys.exit(main())
