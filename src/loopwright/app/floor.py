"""The shop floor of a plant while it runs: the broker, what plays absent machines, and a reader for each link.

    async with floor(plant, data, flow, seed) as shop:
        await shop.play("mill-1", first=0, count=4, origin_ns=...)     a job for a played machine
        await shop.finish()                                            no more jobs: every stream ends and is counted

A batch is acknowledged to its source after the store has it, never before.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from loopwright.app.accept import accept
from loopwright.app.device import options_for, player_of
from loopwright.app.flow import Flow
from loopwright.app.plant import Plant
from loopwright.app.site import Machine
from loopwright.connect.batch import by_thing
from loopwright.connect.wire import LOOPBACK, free_port, from_table
from loopwright.core import plug
from loopwright.core.clock import NS_PER_S, monotonic_s
from loopwright.core.errors import LinkError
from loopwright.core.pack import Play
from loopwright.core.types import Batch, Event, Kind, Thing
from loopwright.store import Store, edges

START_S = 30.0
Played = Play  # a run that was played: what a step of a unit refers to


@dataclass
class Device:
    """A process that plays one machine."""

    machine: Machine
    process: asyncio.subprocess.Process
    seed: int
    sent: int | None = None

    async def heard(self) -> dict[str, Any]:
        """The next line it says; LinkError when it died or reports an error."""
        assert self.process.stdout is not None
        line = await self.process.stdout.readline()
        if not line:
            code = await self.process.wait()
            raise LinkError(f"machine {self.machine.id!r}", f"what plays it ended with status {code}")
        said: dict[str, Any] = json.loads(line)
        if "error" in said:
            e = said["error"]
            raise LinkError(e["where"], e["given"], e["allowed"], e["todo"])
        return said

    def tell(self, **job: Any) -> None:
        """Gives it a job."""
        assert self.process.stdin is not None
        self.process.stdin.write((json.dumps(job) + "\n").encode())


class Floor:
    """Devices and readers of a plant. `played` names the runs of each machine, in order."""

    def __init__(self, plant: Plant, data: Path | None, flow: Flow, seed: int, resume: bool) -> None:
        self.plant, self.data, self.flow, self.seed, self.resume = plant, data, flow, seed, resume
        self.devices: dict[str, Device] = {}
        self.readers: list[asyncio.Task[None]] = []
        self.played: dict[str, list[Play]] = {}
        self.recorded: dict[str, Sequence[Play]] = {}
        self.findings: list[Event] = []  # what becomes known about runs once they were heard
        self.over: frozenset[str] = frozenset()
        self.samples = 0
        self.mqtt: dict[str, Any] = {}
        self.arrived = asyncio.Event()
        self.starting: asyncio.Task[None] | None = None

    async def ready(self) -> None:
        """Waits until everything is started; raises what kept it from starting."""
        assert self.starting is not None
        await asyncio.shield(self.starting)

    async def start(self, stack: AsyncExitStack) -> None:
        """Starts broker, devices and readers; LinkError when a peer is not there."""
        links = await self._links(stack)
        stack.push_async_callback(self._stop)
        for machine in self.plant.site.machines:
            if machine.played_here:
                self.devices[machine.id] = await self._device(machine, links[machine.id])
        await asyncio.gather(*(self._ready(device) for device in self.devices.values()))
        for group in _by_reader(self.plant.site.machines, links):
            task = asyncio.create_task(
                self._listen(group, links[group[0].id]), name=" ".join(["listen", *(m.id for m in group)])
            )
            self.readers.append(task)

    async def _links(self, stack: AsyncExitStack) -> dict[str, dict[str, Any]]:
        """Settings of every link, with the broker's port and a free port for each server that we play."""
        site, broker = self.plant.site, self.plant.site["broker"]
        mqtt: dict[str, Any] = {"host": broker["host"], "port": broker["port"] or 1883}
        if broker["user"]:
            mqtt |= {"username": broker["user"], "password_env": broker["password_env"]}
        if broker["embedded"] and any(m.protocol == "mqtt" for m in site.machines):
            from loopwright.connect.broker import embedded

            folder = site.folder / "broker"
            mqtt = {"host": LOOPBACK, "port": await stack.enter_async_context(embedded(folder, int(broker["port"])))}
        self.mqtt = mqtt if broker["embedded"] or any(m.protocol == "mqtt" for m in site.machines) else {}
        links = {}
        for machine in site.machines:
            link = {key: value for key, value in machine.link.items() if key != "protocol"}
            if machine.protocol == "mqtt":
                link = {**mqtt, "client": _slug(site.name), "prefix": _slug(site.name), **link}
            elif machine.played_here:
                link = {"port": free_port(), **link}
            links[machine.id] = link
        return links

    async def _device(self, machine: Machine, link: Mapping[str, Any]) -> Device:
        site = self.plant.site
        epoch = f"{machine.plays['source']}-{self.seed}"
        if self.resume and machine.plays["source"] != "recording":  # it counts from 0 again, and says something new
            epoch += f"-{self.plant.clock.now_ns() // NS_PER_S}"
        settings = {**link, "epoch": epoch}
        command = [
            sys.executable,
            "-m",
            "loopwright.app.device",
            str(site.file),
            machine.id,
            "--link",
            json.dumps(settings),
            "--seed",
            str(self.seed),
        ]
        if self.data is not None:
            command += ["--data", str(self.data)]
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        return Device(machine, process, self.seed)

    async def _ready(self, device: Device) -> None:
        try:
            await asyncio.wait_for(device.heard(), START_S)
        except TimeoutError:
            raise LinkError(
                f"machine {device.machine.id!r}", f"what plays it was not ready after {START_S:g} s"
            ) from None

    async def _listen(self, group: Sequence[Machine], link: Mapping[str, Any]) -> None:
        """Reads the machines behind one link into the store until their streams end."""
        protocol = plug.load("connect", group[0].protocol)
        settings = from_table(protocol.Settings, link, f"machine {group[0].id!r} link")
        known, kinds = self.plant.store.things(), self.plant.store.kinds()
        things = {m.id: (known[m.id], kinds[m.kind]) for m in group}
        await self._read(protocol, settings, things)

    async def _read(self, protocol: Any, settings: Any, things: Mapping[str, tuple[Thing, Kind]]) -> None:
        plant = self.plant
        sources: dict[tuple[str, str], int | None] = {}
        more = {**self._newest(protocol), **self._reported(protocol)}
        reader = protocol.read(settings, things, self._cursor(), plant.clock, **more)
        async with aclosing(reader):  # a reader left open would be closed while its links are being closed
            async for batch in reader:
                await self._keep(batch)
                if batch.sent is not None or (batch.hop, batch.source) not in sources:
                    sources[batch.hop, batch.source] = batch.sent
            for (hop, source), sent in sources.items():
                plant.store.note_sent(hop, source, sent)

    def _cursor(self) -> Callable[[str], int | None]:
        """Where a source goes on: where it stood, or (in a turn) nowhere: input is heard again, repeats counted."""
        return self.plant.store.cursor if self.resume else lambda source: None

    def _newest(self, protocol: Any) -> dict[str, Any]:
        """For a protocol that resumes by the last stored time of each signal."""
        if not self.resume or "newest" not in protocol.read.__code__.co_varnames:
            return {}
        return {"newest": self._last_time}

    def _reported(self, protocol: Any) -> dict[str, Any]:
        """For a protocol by which edges tell their books."""
        if not isinstance(self.plant.store, Store) or "reported" not in protocol.read.__code__.co_varnames:
            return {}
        return {"reported": lambda report: edges.note(self.plant.store, report)}

    def _last_time(self, thing: str, signal: str) -> int | None:
        table = self.plant.store.newest([thing], [signal])
        return table.column("t_ns")[0].as_py() if table.num_rows else None

    async def _keep(self, batch: Batch) -> None:
        receipt = await asyncio.to_thread(accept, self.plant.store, batch)
        if batch.ack is not None:
            await batch.ack(receipt)
        self.samples += batch.samples
        self.arrived.set()
        self.flow.count("connect", batch.samples)
        self.flow.count("keep", receipt.stored)

    async def prepare(self) -> None:
        """Reads the recordings that are to be played: what is wrong with them is known before anything is made."""
        for machine in self.plant.site.machines:
            if machine.link and machine.plays.get("source") == "recording":
                options = options_for(self.plant.site, machine, self.data, self.seed, {})
                self.recorded[machine.id] = await asyncio.to_thread(player_of(self.plant.site, machine), options)

    async def begin(self, machine: str, **job: Any) -> list[Play]:
        """Has a played machine play runs, and says which at once; `finish` waits until they were heard.

        One that is played outside is told nothing: what it plays is known, and that it does is waited for.
        """
        await self.ready()
        one = next(m for m in self.plant.site.machines if m.id == machine)
        options = options_for(self.plant.site, one, self.data, self.seed, job)
        whole = (options.first, options.count, options.origin_ns) == (0, None, self.plant.site.origin_ns)
        if whole and machine in self.recorded:
            plays = list(self.recorded[machine])
        else:
            plays = list(await asyncio.to_thread(player_of(self.plant.site, one), options))
        if machine in self.devices:
            self.devices[machine].tell(**job)
        self.played.setdefault(machine, []).extend(plays)
        self.findings += [event for play in plays for event in play.events]
        return plays

    def inspect(self) -> None:
        """Records what was found about the runs played so far, once they were heard and judged."""
        self.plant.store.record(self.findings)
        self.findings = []

    async def play(self, machine: str, **job: Any) -> list[Play]:
        """Has a played machine play runs; returns once they were handed to its protocol."""
        plays = await self.begin(machine, **job)
        waiting = {play.id for play in plays}
        while waiting:
            said = await self._said_or_failed(self.devices[machine])
            waiting.discard(said.get("played", ""))
        return plays

    async def _said_or_failed(self, device: Device) -> dict[str, Any]:
        """The device's next line, unless a reader failed meanwhile: then nobody takes what it says."""
        said = asyncio.create_task(device.heard())
        readers = [task for task in self.readers if not task.done()]
        try:
            await asyncio.wait([said, *readers], return_when=asyncio.FIRST_COMPLETED)
            self._raise_failed()
            return await said
        finally:
            said.cancel()

    async def caught_up(self, patience_s: float = 120.0) -> None:
        """Waits until the last sample of every played run is in the store; LinkError when nothing comes for so long."""
        for machine, plays in self.played.items():
            last_ns, heard, heard_s = max((play.end_ns for play in plays), default=0), -1, monotonic_s()
            while (self._newest_ns(machine) or 0) < last_ns:
                self._raise_failed()
                if self.samples != heard:
                    heard, heard_s = self.samples, monotonic_s()
                if monotonic_s() - heard_s >= patience_s:
                    raise LinkError(f"machine {machine!r}", f"its last samples did not arrive within {patience_s:g} s")
                await self.plant.clock.sleep(0.05)

    def _newest_ns(self, machine: str) -> int | None:
        times = self.plant.store.newest([machine]).column("t_ns")
        return None if len(times) == 0 else int(pc.max(times).as_py())

    async def hear(self, table: pa.Table, epoch: str) -> None:
        """Units in use report through the plant's broker: published and read like any other thing, then counted."""
        things = dict(by_thing(table)) if table.num_rows else {}
        if not things:
            return
        await self.ready()
        known, kinds = self.plant.store.things(), self.plant.store.kinds()
        heard = {name: (known[name], kinds[known[name].kind]) for name in things}
        if not self.mqtt:
            for name, mine in things.items():
                batch = Batch("files", f"files/{epoch}/{name}", 0, mine, sent=mine.num_rows)
                await self._keep(batch)
                self.plant.store.note_sent("files", batch.source, batch.sent)
            return
        protocol = plug.load("connect", "mqtt")
        link = {
            **self.mqtt,
            "prefix": f"{_slug(self.plant.site.name)}-units",
            "epoch": epoch,
            "client": f"units-{epoch}",
        }
        settings = from_table(protocol.Settings, link, "units in use")
        reading = asyncio.create_task(self._read(protocol, settings, heard))
        said = asyncio.create_task(protocol.expose(settings, heard, list(things.values()), self.plant.clock))
        await asyncio.gather(reading, said)

    async def finish(self) -> None:
        """No more jobs: waits until every stream has ended and everything it sent is counted."""
        await self.ready()
        self.inspect()
        for device in self.devices.values():
            device.tell(end=True)
        await asyncio.gather(*self.readers)
        for device in self.devices.values():
            while device.sent is None:
                device.sent = (await device.heard()).get("sent")

    def ended(self) -> frozenset[str]:
        """Machines whose stream has ended: they are done, not silent."""
        done = (task for task in self.readers if task.done())
        return frozenset(name for task in done for name in task.get_name().split()[1:]) | self.over

    def end(self, machine: str) -> None:
        """A played machine has said all it will say: its stream ends, and is counted."""
        self.devices[machine].tell(end=True)
        self.over |= {machine}

    def _raise_failed(self) -> None:
        for task in self.readers:
            if task.done() and not task.cancelled() and (error := task.exception()):
                raise error

    async def _stop(self) -> None:
        waiting = set(self.readers)
        while waiting:  # again, should a library swallow the first cancellation
            for task in waiting:
                task.cancel()
            ended, waiting = await asyncio.wait(waiting, timeout=1.0)
            for task in ended:
                _ = None if task.cancelled() else task.exception()  # told already, where it mattered
        for device in self.devices.values():
            if device.process.returncode is None:
                with suppress(ProcessLookupError):  # not Process.kill(): it reaps one that just ended
                    os.kill(device.process.pid, signal.SIGTERM)
                await device.process.wait()


def _by_reader(machines: Sequence[Machine], links: Mapping[str, Mapping[str, Any]]) -> list[list[Machine]]:
    """The machines that are heard, by the reader they share: one for all things of a broker, one for every server."""
    groups: dict[str, list[Machine]] = {}
    for machine in machines:
        if machine.link:
            shared = json.dumps(links[machine.id], sort_keys=True) if machine.protocol == "mqtt" else machine.id
            groups.setdefault(f"{machine.protocol} {shared}", []).append(machine)
    return list(groups.values())


def _slug(name: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in name.lower()).strip("-") or "plant"


@asynccontextmanager
async def floor(
    plant: Plant, data: Path | None, flow: Flow, seed: int, *, resume: bool = False
) -> AsyncIterator[Floor]:
    """The running floor; everything it started is ended when it is left, however that happens.

    resume  go on where each source stood (a plant that runs on), instead of hearing the whole input again (a turn)
    """
    async with AsyncExitStack() as stack:
        shop = Floor(plant, data, flow, seed, resume)
        shop.starting = asyncio.create_task(shop.start(stack), name="floor")
        try:
            yield shop
        finally:
            shop.starting.cancel()
            await asyncio.wait([shop.starting])
