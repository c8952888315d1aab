"""OPC UA with a peer that others wrote: node-opcua (npm), as server and as client. Same code, same counts.

`npm install --no-audit --no-fund --no-package-lock` in tests/peers brings it.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from loopwright.connect import opcua
from loopwright.connect.batch import Things, from_columns, slices
from loopwright.connect.wire import free_port
from loopwright.core.clock import RealClock
from loopwright.core.types import Batch, Command, Kind, Signal, Thing
from loopwright.store import open_store
from tests.connect.kit import together
from tests.peers import recordings

PEERS = Path(__file__).parents[1] / "peers"
NODE = shutil.which("node") or ""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not NODE, reason="no node here (install Node.js 20)"),
    pytest.mark.skipif(not (PEERS / "node_modules" / "node-opcua").is_dir(),
                       reason="no node-opcua here (npm install --no-audit --no-fund --no-package-lock in tests/peers)"),
]
CLOCK = RealClock()
COUNT, ROUNDS = 250, 40  # variables, changes of each
FIRST_NS = 1_735_689_600_000_000_000  # 2025-01-01T00:00:00Z, as in opcua_server.js
RIG = Kind("rig", "A rig with many gauges.", (
    *(Signal(f"v{i}", "m", "gauge", 10, None, None, "A length.") for i in range(COUNT)),
    Signal("state", "", "state", None, None, None, "What it does.", {0: "idle", 1: "active", 2: "stopped"}),
))
THINGS: Things = {"rig-1": (Thing("rig-1", "rig"), RIG)}


class Peer:
    """The server script as a process: what it says, and what it is told."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def says(self, word: str) -> str:
        assert self.process.stdout is not None
        while line := (await asyncio.wait_for(self.process.stdout.readline(), 20)).decode():
            if line.startswith(word):
                return line.strip()
        raise AssertionError(f"the peer ended before it said {word!r}")

    def tell(self, word: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{word}\n".encode())


@asynccontextmanager
async def peer(port: int, *more: str) -> AsyncIterator[Peer]:
    command = [NODE, str(PEERS / "opcua_server.js"), str(port), str(COUNT), str(ROUNDS), *more]
    pipe, null = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=null)
    try:
        found = Peer(process)
        await found.says("ready")
        yield found
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def mapped(port: int, **more: object) -> opcua.Settings:
    nodes = {name: f"ns=1;s={name}" for name in (*(s.name for s in RIG.signals), "Sent", "Final")}
    units = {f"v{i}": "mm" for i in range(COUNT)}
    return opcua.Settings(url=f"opc.tcp://127.0.0.1:{port}/", nodes=nodes, units=units, **more)  # type: ignore[arg-type]


async def test_every_change_of_a_node_opcua_server_is_read_once() -> None:
    port, batches = free_port(), []
    async with peer(port) as machine:

        async def listen() -> None:
            batches.extend([batch async for batch in opcua.read(mapped(port), THINGS, lambda _: None, CLOCK)])

        reading = asyncio.create_task(listen())
        await machine.says("watched")
        machine.tell("go")
        said = await machine.says("said")
        machine.tell("end")
        await asyncio.wait_for(reading, 30)
    table = together(batches)
    assert said == f"said {(COUNT + 1) * ROUNDS}"
    assert table.num_rows == (COUNT + 1) * ROUNDS == batches[-1].sent
    one = table.filter(pc.equal(table.column("signal"), "v3")).sort_by("t_ns")
    assert one.column("t_ns").to_pylist() == [FIRST_NS + i * 10_000_000 for i in range(ROUNDS)]
    assert one.column("value").to_numpy() == pytest.approx((np.arange(ROUNDS) + 0.003) / 1000)
    assert one.column("quality").to_pylist() == [int((i + 3) % 7 == 3) for i in range(ROUNDS)]
    states = table.filter(pc.equal(table.column("signal"), "state")).sort_by("t_ns")
    assert states.column("code").to_pylist() == [i % 3 for i in range(ROUNDS)]


async def test_what_was_said_while_nobody_listened_comes_from_the_history_of_the_node_opcua_server(tmp_path: Path) -> None:
    """Read, break off, let it speak, read again from what the store has: everything once, nothing lost."""
    port = free_port()
    async with peer(port, "history") as machine:
        with open_store(tmp_path / "plant") as store:
            store.declare([RIG], [thing for thing, _ in THINGS.values()])

            def newest(thing: str, signal: str) -> int | None:
                found = store.newest([thing], [signal])
                return found.column("t_ns")[0].as_py() if found.num_rows else None

            async def listen(stop_at: int | None) -> Batch:
                stored = 0
                async with aclosing(opcua.read(mapped(port), THINGS, store.cursor, CLOCK, newest=newest)) as stream:
                    async for batch in stream:
                        stored += store.put(batch).stored
                        if stored == stop_at:
                            break
                return batch

            first = asyncio.create_task(listen((COUNT + 1) * ROUNDS))
            await machine.says("watched")
            machine.tell("go")
            await asyncio.wait_for(first, 30)
            await machine.says("said")
            machine.tell("go")
            await machine.says("said")
            machine.tell("end")
            last = await asyncio.wait_for(listen(None), 30)
            store.note_sent(last.hop, last.source, last.sent)
            table = store.get(things=["rig-1"])
            hop = store.hops()["opcua"]
    gauges = table.filter(pc.not_equal(table.column("signal"), "state"))
    assert gauges.num_rows == COUNT * ROUNDS * 2
    assert hop.into == hop.out + hop.duplicate + sum(hop.refused.values()) + hop.waiting + (hop.lost or 0)
    assert hop.lost == ROUNDS - 1, "the server keeps no history of `state`: only its last word came, and that is counted"


async def test_a_node_opcua_client_reads_our_history_to_the_nanosecond_and_every_change() -> None:
    settings = opcua.Settings(port=free_port())
    times = FIRST_NS + np.arange(200) * 10_000_000 + 123_456_7
    values = np.where(np.arange(200) == 7, np.nan, np.arange(200) / 3)
    table = from_columns("rig-1", times, {"v0": values}, RIG, quality=np.arange(200) % 3)
    watching, ready = asyncio.Event(), asyncio.Event()

    async def speaks() -> AsyncIterator[pa.Table]:
        await watching.wait()
        for piece in slices(table, 10):
            yield piece
            await asyncio.sleep(0.01)

    serving = asyncio.create_task(opcua.expose(settings, THINGS, speaks(), CLOCK, ready))
    await asyncio.wait_for(ready.wait(), 20)
    client = await asyncio.create_subprocess_exec(
        NODE, str(PEERS / "opcua_client.js"), settings.address, "urn:loopwright:rig-1", "v0",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    assert client.stdout is not None
    assert client.stderr is not None
    while (line := (await asyncio.wait_for(client.stderr.readline(), 20)).decode()) and not line.startswith("watching"):
        pass
    watching.set()
    out, _ = await asyncio.wait_for(client.communicate(), 30)
    serving.cancel()
    await asyncio.wait([serving])
    got = json.loads(next(line for line in out.decode().splitlines() if line.startswith("{")))
    assert [ms * 1_000_000 + pico // 1000 for ms, pico, _, _ in got["values"]] == times.tolist()
    assert [value for _, _, value, _ in got["values"]] == [None if value != value else value for value in values.tolist()]
    assert [status >> 30 for _, _, _, status in got["values"]] == [i % 3 for i in range(200)]
    assert got["unit"] == "m"
    assert got["present"] == 199 / 3
    assert got["changes"] == 200 + 1, "each change, and the first message that says there is no value yet"


async def test_a_node_of_a_node_opcua_server_is_written() -> None:
    port = free_port()
    settings = opcua.Settings(url=f"opc.tcp://127.0.0.1:{port}/", nodes={"v0": "ns=1;s=speed"}, units={"v0": "mm"})
    async with peer(port):
        sent = await opcua.write(settings, Command("d-1", "rig-1", "v0", 0.25, "m", 2**62, "anna"), CLOCK)
        again = await opcua.write(settings, Command("d-2", "rig-1", "v0", 0.5, "m", 2**62, "anna"), CLOCK)
    assert (sent.before, sent.value) == (0.0015, 0.25)
    assert again.before == 0.25


async def test_a_recording_played_by_node_opcua_is_read_with_the_counts_of_our_own_server(tmp_path: Path) -> None:
    rows = 1500
    rng, times = np.random.default_rng(3), FIRST_NS + np.arange(rows) * 100_000_000
    columns = {f"v{i}": np.where(rng.random(rows) < 0.01, np.nan, rng.normal(size=rows)) for i in range(45)}
    table = from_columns("rig-1", times, columns | {"state": rng.integers(0, 3, rows)}, RIG)
    kind = Kind("rig", "As played.", tuple(RIG.signal(name) for name in (*columns, "state")))
    things: Things = {"rig-1": (Thing("rig-1", "rig"), kind)}
    port, path = free_port(), tmp_path / "recording.jsonl"
    changes = recordings.lines(table, kind, path)
    process = await asyncio.create_subprocess_exec(
        NODE, str(PEERS / "opcua_player.js"), str(port), str(path), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL)
    machine = Peer(process)
    try:
        await machine.says("ready")
        settings = opcua.Settings(url=f"opc.tcp://127.0.0.1:{port}/", nodes=recordings.node_map(kind), queue=5000)
        batches = [batch async for batch in opcua.read(settings, things, lambda _: None, CLOCK)]
    finally:
        process.kill()
        await process.wait()
    assert changes == table.num_rows == batches[-1].sent
    got = {(row["signal"], row["t_ns"]): (row["value"], row["code"]) for row in together(batches).to_pylist()}
    assert got == {(row["signal"], row["t_ns"]): (row["value"], row["code"]) for row in table.to_pylist()}
