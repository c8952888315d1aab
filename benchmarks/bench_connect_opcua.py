"""OPC UA: samples a second from `expose` to `read`, and on into the cellar; beside asyncua's own two ways.

    python -m benchmarks.bench_connect_opcua [SAMPLES]

The input is one machine with 46 signals at 10 Hz, as fast as the server takes it; the server is a process of its own,
so each end has a core. Peers in the same run, on the same input, with asyncua alone: every value written and told to a
subscription, and HistoryRead of asyncua's in-memory history. In between: asyncua's server, told to our subscription.
Limit: 50,000 durable samples/s, and p99 from the machine's own time to stored under 1 s at its own pace.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from asyncua import Client, Server, ua

from loopwright.connect import opcua
from loopwright.connect.batch import Things, from_columns, slices
from loopwright.connect.wire import free_port
from loopwright.core.clock import RealClock, monotonic_s
from loopwright.core.types import Kind, Signal, Thing
from loopwright.store import Store, open_store

LIMIT_PER_S, LIMIT_S, SIGNALS = 50_000.0, 1.0, 46
MILL = Kind("mill", "A machine of the benchmark.", tuple(
    Signal(f"s{i}", "1", "gauge", 10.0, None, None, "A signal of the benchmark.") for i in range(SIGNALS)))
THINGS: Things = {"mill-1": (Thing("mill-1", "mill"), MILL)}
CLOCK = RealClock()
START_NS = 1_760_000_000_000_000_000


def said(rows: int, start_ns: int = START_NS) -> pa.Table:
    """rows * 46 samples of full precision."""
    values = np.random.default_rng(1).normal(size=(rows, SIGNALS))
    columns = {f"s{i}": values[:, i] for i in range(SIGNALS)}
    return from_columns("mill-1", start_ns + np.arange(rows) * 100_000_000, columns, MILL)


async def serve(way: str, port: int, rows: int) -> None:
    """The server's process: ours with frames of that many rows, or asyncua's own."""
    if way in ("plain", "history"):
        await _plain(port, rows, way == "history")
        return
    frames = slices(said(rows), int(way) * SIGNALS)
    ready = asyncio.Event()
    announce = asyncio.create_task(_announce(ready))
    await opcua.expose(opcua.Settings(port=port), THINGS, frames, CLOCK, ready)
    await announce


async def _announce(ready: asyncio.Event) -> None:
    await ready.wait()
    print("ready", flush=True)


async def _plain(port: int, rows: int, history: bool) -> None:
    """asyncua as its documentation shows it: write every value; starts when somebody writes `go`."""
    logging.getLogger("asyncua").setLevel(logging.CRITICAL)
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    index = await server.register_namespace("urn:plain")
    nodes = [await server.nodes.objects.add_variable(ua.NodeId(f"s{i}", index), f"s{i}", 0.0) for i in range(SIGNALS)]
    go, final = [await server.nodes.objects.add_variable(ua.NodeId(n, index), n, False) for n in ("go", "Final")]
    await go.set_writable()
    async with server:
        if history:
            for node in nodes:
                await server.historize_node_data_change(node, None, 0)
        print("ready", flush=True)
        while not await go.read_value():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        values = np.random.default_rng(1).normal(size=(rows, SIGNALS))
        for row in range(rows):
            when = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(milliseconds=100 * row)
            for node, value in zip(nodes, values[row].tolist(), strict=True):
                data = ua.DataValue(ua.Variant(value, ua.VariantType.Double), SourceTimestamp=when)
                await server.write_attribute_value(node.nodeid, data)
            await asyncio.sleep(0)
        await final.write_value(True)
        await asyncio.sleep(60)


@asynccontextmanager
async def server_process(way: str, rows: int) -> AsyncIterator[int]:
    """A server in a process of its own; gives its port."""
    port = free_port()
    command = [sys.executable, "-m", __spec__.name if __spec__ else __name__, "serve", way, str(port), str(rows)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    await process.stdout.readline()
    try:
        yield port
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def ours(rows: int, frame: int, store: Store | None) -> float:
    """Samples a second from our server in frames of so many rows."""
    async with server_process(str(frame), rows) as port:
        begun_s, got = monotonic_s(), 0
        async for batch in opcua.read(opcua.Settings(port=port), THINGS, lambda _: None, CLOCK):
            got += batch.samples
            if store is not None:
                await asyncio.to_thread(store.put, batch)
        assert got == rows * SIGNALS
        return got / (monotonic_s() - begun_s)


async def subscribed(rows: int) -> float:
    """Samples a second from asyncua's server to our subscription."""
    async with server_process("plain", rows) as port, Client(f"opc.tcp://127.0.0.1:{port}") as client:
        nodes = {name: f"ns=2;s={name}" for name in (*(s.name for s in MILL.signals), "Final")}
        settings = opcua.Settings(url=f"opc.tcp://127.0.0.1:{port}", nodes=nodes, queue=100_000)
        begun_s, got = 0.0, 0
        async for batch in opcua.read(settings, THINGS, lambda _: None, CLOCK):
            if not begun_s:
                await client.get_node("ns=2;s=go").write_value(True)
                begun_s = monotonic_s()
            got += batch.samples
            last_s = monotonic_s()
        return got / (last_s - begun_s)


class _Count:
    """asyncua calls this for every change."""

    def __init__(self) -> None:
        self.changes = 0

    def datachange_notification(self, node: Any, value: Any, data: Any) -> None:
        self.changes += 1


async def asyncua_alone(rows: int) -> tuple[float, float]:
    """Samples a second by asyncua's subscription (its history on), and by its HistoryRead afterwards."""
    async with server_process("history", rows) as port, Client(f"opc.tcp://127.0.0.1:{port}") as client:
        nodes, count = [client.get_node(f"ns=2;s=s{i}") for i in range(SIGNALS)], _Count()
        subscription = await client.create_subscription(50, count)
        await subscription.subscribe_data_change(nodes, queuesize=0)
        await client.get_node("ns=2;s=go").write_value(True)
        begun_s = monotonic_s()
        while count.changes < rows * SIGNALS:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        told_per_s = count.changes / (monotonic_s() - begun_s)
        begun_s, got = monotonic_s(), 0
        for node in nodes:
            got += len(await node.read_raw_history(None, None, 0))
        return told_per_s, got / (monotonic_s() - begun_s)


async def delays_s(frames: int) -> list[float]:
    """Seconds from a frame's own time to stored, at 50 frames a second; both ends in this process."""
    settings, found = opcua.Settings(port=free_port(), publish_s=0.05), []

    async def speaks() -> AsyncIterator[pa.Table]:
        for _ in range(frames):
            yield said(1, CLOCK.now_ns())
            await asyncio.sleep(0.02)

    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder)) as store:
        store.declare([MILL], [thing for thing, _ in THINGS.values()])
        ready = asyncio.Event()
        serving = asyncio.create_task(opcua.expose(settings, THINGS, speaks(), CLOCK, ready))
        await ready.wait()
        async for batch in opcua.read(settings, THINGS, store.cursor, CLOCK):
            await asyncio.to_thread(store.put, batch)
            times = np.unique(batch.table.column("t_ns").to_numpy())
            found.extend((CLOCK.now_ns() - times) / 1e9)
        await serving
    return found[10:]  # the first frames waited for the reader to connect


async def _measure(samples: int) -> list[dict[str, Any]]:
    rows = samples // SIGNALS
    told, history = await asyncua_alone(rows // 6)
    found: list[dict[str, Any]] = []

    def note(way: str, per_s: float, met: bool | None = None) -> None:
        found.append({"way": way, "samples_per_s": per_s, "of_asyncua": per_s / told, "met": met})

    note("asyncua: subscription", told)
    note("asyncua: HistoryRead", history)
    note("its server, our subscription", await subscribed(rows // 6))
    for frame in (1, 100, 1000):
        note(f"ours to read, frames of {frame} rows", await ours(rows, frame, None))
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder)) as store:
        store.declare([MILL], [thing for thing, _ in THINGS.values()])
        speed = await ours(rows, 100, store)
    note("ours to store, frames of 100 rows", speed, speed >= LIMIT_PER_S)
    p50_s, p99_s = np.percentile(await delays_s(250), [50, 99]).tolist()
    return [*found, {"wire to stored": "50 frames/s", "p50_s": p50_s, "p99_s": p99_s, "met": p99_s < LIMIT_S}]


def rows(samples: int = 276_000) -> list[dict[str, Any]]:
    """One row a way, and one for the delay."""
    return asyncio.run(_measure(samples))


def main() -> None:
    """Prints the rows, or serves for them."""
    if sys.argv[1:2] == ["serve"]:
        asyncio.run(serve(sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
        return
    from benchmarks.run import table

    print(table(rows(int(sys.argv[1]) if len(sys.argv) > 1 else 276_000)))


if __name__ == "__main__":
    main()
