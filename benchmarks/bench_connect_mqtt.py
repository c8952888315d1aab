"""MQTT: samples a second from `expose` over a broker to `read`, and on into the cellar; beside bare paho.

    python -m benchmarks.bench_connect_mqtt [SAMPLES]

The input is one machine with 12 signals at 10 Hz, handed to `expose` as fast as it takes them; `rows` is the most
samples in one message. Peer in the same run: two bare paho clients, QoS 1, with the very same messages, neither made
nor opened.
Limit: 50,000 durable samples/s, and p99 from wire to stored under 1 s at the machine's own pace.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import paho.mqtt.client as paho
import pyarrow as pa
from paho.mqtt.enums import CallbackAPIVersion

from loopwright.connect import mqtt, payload
from loopwright.connect.batch import Things, from_columns, slices
from loopwright.connect.broker import embedded
from loopwright.connect.payload import Head
from loopwright.connect.wire import free_port
from loopwright.core.clock import RealClock, monotonic_s
from loopwright.core.types import Kind, Signal, Thing
from loopwright.store import Store, open_store

LIMIT_PER_S, LIMIT_S = 50_000.0, 1.0
GAUGES = [Signal(f"s{i}", "1", "gauge", 10.0, None, None, "A signal of the benchmark.") for i in range(10)]
MILL = Kind("mill", "A machine of the benchmark.", (
    *GAUGES, Signal("parts", "1", "counter", None, 0, None, "Parts made."),
    Signal("execution", "", "state", None, None, None, "What it does.", {0: "idle", 1: "active"}),
))
THINGS: Things = {"mill-1": (Thing("mill-1", "mill"), MILL)}
CLOCK = RealClock()


def said(rows: int, start_ns: int = 1_760_000_000_000_000_000) -> pa.Table:
    """rows * 12 samples, values with two decimals."""
    rng, i = np.random.default_rng(1), np.arange(rows)
    waves = {s.name: 100 + 20 * np.sin(i / 50 + j) + rng.normal(0, 0.5, rows) for j, s in enumerate(GAUGES)}
    columns = {name: np.round(wave, 2) for name, wave in waves.items()} | {"parts": i // 600, "execution": i // 90 % 2}
    return from_columns("mill-1", start_ns + i * 100_000_000, columns, MILL)


@asynccontextmanager
async def mosquitto(folder: Path) -> AsyncIterator[int]:
    """Debian's mosquitto, told not to drop."""
    port, config = free_port(), folder / "mosquitto.conf"
    text = f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nmax_inflight_messages 200\n"
    await asyncio.to_thread(_written, config, text)
    process = await asyncio.create_subprocess_exec(_mosquitto(), "-c", str(config), stderr=subprocess.DEVNULL)
    await asyncio.sleep(0.5)
    try:
        yield port
    finally:
        process.terminate()
        await process.wait()


def _written(path: Path, text: str) -> None:
    path.parent.parent.chmod(0o755)  # mosquitto gives up its rights before it reads
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _mosquitto() -> str:
    return shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin") or ""


async def through(port: int, table: pa.Table, rows: int, store: Store | None) -> float:
    """Samples a second from the first frame to the last acknowledgement."""
    name = f"bench-{rows}-{store is not None}"
    settings = mqtt.Settings(port=port, rows=rows, patience_s=5.0, client=name, prefix=name)
    ready = asyncio.Event()

    async def reads() -> None:
        async with aclosing(mqtt.read(settings, THINGS, lambda _: None, CLOCK)) as stream:
            async for batch in stream:
                if store is not None:
                    await asyncio.to_thread(store.put, batch)
                assert batch.ack is not None
                await batch.ack()

    async def speaks() -> AsyncIterator[pa.Table]:
        for piece in slices(table, 1200):
            yield piece

    reading = asyncio.ensure_future(reads())
    await asyncio.sleep(0.3)
    began_s = monotonic_s()
    await mqtt.expose(settings, THINGS, speaks(), CLOCK, ready)
    await reading
    return table.num_rows / (monotonic_s() - began_s)


def bare(port: int, bodies: list[bytes], samples: int) -> float:
    """The same messages through two bare paho clients, samples a second."""
    done, count = threading.Event(), [0]

    def on_message(*_: Any) -> None:
        count[0] += 1
        if count[0] == len(bodies):
            done.set()

    hears, speaks = (paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv311) for _ in range(2))
    hears.on_message = on_message
    for client in (hears, speaks):
        client.max_inflight_messages_set(100)
        client.connect("127.0.0.1", port)
        client.loop_start()
    hears.subscribe("bare", 1)
    done.wait(0.3)
    began_s = monotonic_s()
    for body in bodies:
        speaks.publish("bare", body, 1)
    done.wait(60)
    took_s = monotonic_s() - began_s
    for client in (hears, speaks):
        client.disconnect()
        client.loop_stop()
    return samples / took_s


async def delays_s(port: int, frames: int) -> list[float]:
    """Seconds from a frame at its own time to stored, at 50 frames a second."""
    settings, found = mqtt.Settings(port=port, patience_s=5.0, client="bench-delay", prefix="delay"), []

    async def speaks() -> AsyncIterator[pa.Table]:
        for _ in range(frames):
            yield said(1, CLOCK.now_ns())
            await asyncio.sleep(0.02)

    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder)) as store:
        store.declare([MILL], [thing for thing, _ in THINGS.values()])

        async def reads() -> None:
            async for batch in mqtt.read(settings, THINGS, store.cursor, CLOCK):
                await asyncio.to_thread(store.put, batch)
                now_ns = CLOCK.now_ns()
                found.extend((now_ns - batch.table.column("t_ns").to_numpy()[::12]) / 1e9)
                assert batch.ack is not None
                await batch.ack()

        reading = asyncio.ensure_future(reads())
        await asyncio.sleep(0.3)
        await mqtt.expose(settings, THINGS, speaks(), CLOCK)
        await reading
    return found


def rows(samples: int = 300_000) -> list[dict[str, Any]]:
    """One row a broker and message size, and one a broker for the delay."""
    return asyncio.run(_rows(samples))


async def _rows(samples: int) -> list[dict[str, Any]]:
    """One row a broker and message size, and one a broker for the delay."""
    table, found = said(samples // 12), []
    for name, start in {"embedded": embedded, "mosquitto": mosquitto}.items():
        if name == "mosquitto" and not _mosquitto():
            continue
        with tempfile.TemporaryDirectory() as folder:
            broker: AbstractAsyncContextManager[int] = start(Path(folder) / "broker")
            async with broker as port:
                for size in (120, 480, 1_000, 4_000, 20_000):
                    measured = await _one(port, table, size, Path(folder) / f"plant-{size}")
                    found.append({"broker": name, "rows": size, **measured})
                late = np.percentile(await delays_s(port, 300), [50, 99])
                found.append({"broker": name, "p50_s": late[0], "p99_s": late[1], "met": late[1] < LIMIT_S})
    return found


async def _one(port: int, table: pa.Table, size: int, plant: Path) -> dict[str, Any]:
    heads = (Head("mill-1", "e", first, first + size) for first in range(0, table.num_rows, size))
    bodies = [payload.encode(piece, head) for piece, head in zip(slices(table, size), heads, strict=True)]
    began_s = monotonic_s()
    for body in bodies:
        payload.decode(body)
    decode_per_s = table.num_rows / (monotonic_s() - began_s)
    bare_per_s = await asyncio.to_thread(bare, port, bodies, table.num_rows)
    read_per_s = await through(port, table, size, None)
    with open_store(plant) as store:
        store.declare([MILL], [thing for thing, _ in THINGS.values()])
        store_per_s = await through(port, table, size, store)
    return {
        "bytes_a_sample": sum(map(len, bodies)) / table.num_rows, "read_per_s": read_per_s, "store_per_s": store_per_s,
        "bare_per_s": bare_per_s, "decode_per_s": decode_per_s, "met": store_per_s >= LIMIT_PER_S,
    }


def main() -> None:
    """Prints the rows as a table."""
    samples = int(sys.argv[1]) if len(sys.argv) > 1 else 300_000
    found = rows(samples)
    print(f"{samples:,} samples")
    print("broker       rows   B/sample   to read/s   to store/s   bare paho/s   of it %     decode/s   limit met")
    for r in found:
        if "rows" in r:
            share = 100 * r["read_per_s"] / r["bare_per_s"]
            print(f"{r['broker']:10s} {r['rows']:6d} {r['bytes_a_sample']:10.1f} {r['read_per_s']:11,.0f} "
                  f"{r['store_per_s']:12,.0f} {r['bare_per_s']:13,.0f} {share:9.0f} {r['decode_per_s']:12,.0f}   "
                  f"{'yes' if r['met'] else 'NO'}")
    print("\nwire to stored at 50 frames/s     p50 ms   p99 ms   limit met")
    for r in found:
        if "p99_s" in r:
            print(f"{r['broker']:30s} {1e3 * r['p50_s']:9.1f} {1e3 * r['p99_s']:8.1f}   {'yes' if r['met'] else 'NO'}")


if __name__ == "__main__":
    main()
