"""MTConnect: samples a second from `expose` to `read`, and on into the cellar; beside bare httpx and lxml.

    python -m benchmarks.bench_connect_mtconnect [SAMPLES]

The input is one machine with 46 signals at 10 Hz; the agent is a process of its own, so each end has a core. Peer in
the same run: httpx fetches the same documents and lxml walks over every observation, and nothing is made of them.
Limit: 50,000 durable samples/s, and p99 from the machine's own time to stored under 1 s at its own pace.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
from lxml import etree

from benchmarks.bench_connect_opcua import CLOCK, LIMIT_PER_S, LIMIT_S, MILL, SIGNALS, THINGS, said
from loopwright.connect import mtconnect
from loopwright.connect.batch import slices
from loopwright.connect.wire import free_port
from loopwright.core.clock import monotonic_s
from loopwright.store import Store, open_store


async def serve(frame: int, port: int, rows: int) -> None:
    """The agent's process: says everything in frames of so many rows."""
    ready = asyncio.Event()

    async def announce() -> None:
        await ready.wait()
        print("ready", flush=True)

    told = asyncio.create_task(announce())
    await mtconnect.expose(mtconnect.Settings(port=port), THINGS, slices(said(rows), frame * SIGNALS), CLOCK, ready)
    await told


@asynccontextmanager
async def agent_process(frame: int, rows: int) -> AsyncIterator[int]:
    """An agent in a process of its own; gives its port."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.bench_connect_mtconnect", "serve", str(frame), str(port), str(rows)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    await process.stdout.readline()
    try:
        yield port
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def ours(rows: int, frame: int, count: int, store: Store | None) -> float:
    """Samples a second through `read`."""
    async with agent_process(frame, rows) as port:
        begun_s, got = monotonic_s(), 0
        settings = mtconnect.Settings(port=port, count=count, poll_s=0.02)
        async for batch in mtconnect.read(settings, THINGS, lambda _: None, CLOCK):
            got += batch.samples
            if store is not None:
                await asyncio.to_thread(store.put, batch)
        assert got == rows * SIGNALS
        return got / (monotonic_s() - begun_s)


async def bare(rows: int) -> tuple[float, float]:
    """Samples a second of fetching and walking alone, and bytes a sample."""
    async with agent_process(1000, rows) as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        begun_s, first, got, size = monotonic_s(), 2, 0, 0
        while got < rows * SIGNALS:
            document = (await http.get(f"/sample?from={first}&count=10000")).content
            root = etree.fromstring(document, etree.XMLParser(huge_tree=True))
            got += sum(element.get("sequence") is not None for element in root.iter("{*}*"))
            first = int(root.find("{*}Header").get("nextSequence"))
            size += len(document)
        return got / (monotonic_s() - begun_s), size / got


async def delays_s(frames: int) -> list[float]:
    """Seconds from a frame's own time to stored, at 50 frames a second; both ends in this process."""
    settings, found = mtconnect.Settings(port=free_port(), poll_s=0.05), []

    async def speaks() -> AsyncIterator[pa.Table]:
        for _ in range(frames):
            yield said(1, CLOCK.now_ns())
            await asyncio.sleep(0.02)

    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder)) as store:
        store.declare([MILL], [thing for thing, _ in THINGS.values()])
        ready = asyncio.Event()
        serving = asyncio.create_task(mtconnect.expose(settings, THINGS, speaks(), CLOCK, ready))
        await ready.wait()
        async for batch in mtconnect.read(settings, THINGS, store.cursor, CLOCK):
            await asyncio.to_thread(store.put, batch)
            found.extend((CLOCK.now_ns() - np.unique(batch.table.column("t_ns").to_numpy())) / 1e9)
        await serving
    return found[10:]  # the first frames waited for the reader to connect


async def _measure(samples: int) -> list[dict[str, Any]]:
    rows = samples // SIGNALS
    bare_per_s, size = await bare(rows)
    found: list[dict[str, Any]] = []

    def note(way: str, count: int, per_s: float, met: bool | None = None) -> None:
        found.append({"way": way, "count": count, "samples_per_s": per_s, "of_bare": per_s / bare_per_s,
                      "bytes_a_sample": size, "met": met})

    note("bare httpx and lxml", 10_000, bare_per_s)
    for frame, count in ((1, 10_000), (1000, 1_000), (1000, 10_000), (1000, 50_000)):
        note(f"to read, frames of {frame} rows", count, await ours(rows, frame, count, None))
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder)) as store:
        store.declare([MILL], [thing for thing, _ in THINGS.values()])
        speed = await ours(rows, 1000, 10_000, store)
    note("to store, frames of 1000 rows", 10_000, speed, speed >= LIMIT_PER_S)
    p50_s, p99_s = np.percentile(await delays_s(250), [50, 99]).tolist()
    return [*found, {"wire to stored": "50 frames/s", "p50_s": p50_s, "p99_s": p99_s, "met": p99_s < LIMIT_S}]


def rows(samples: int = 276_000) -> list[dict[str, Any]]:
    """One row a way, and one for the delay."""
    return asyncio.run(_measure(samples))


def main() -> None:
    """Prints the rows, or serves for them."""
    if sys.argv[1:2] == ["serve"]:
        asyncio.run(serve(int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
        return
    from benchmarks.run import table

    print(table(rows(int(sys.argv[1]) if len(sys.argv) > 1 else 276_000)))


if __name__ == "__main__":
    main()
