"""What the tests of this room share: one kind of machine, a stream of it, and a mosquitto of their own."""

from __future__ import annotations

import asyncio
import getpass
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from loopwright.connect.batch import Things, from_columns
from loopwright.connect.wire import free_port
from loopwright.core.clock import RealClock
from loopwright.core.types import Batch, Kind, Signal, Thing

MILL = Kind("mill", "A milling machine.", (
    Signal("spindle.speed", "rad/s", "gauge", 10, 0, 3000, "How fast the spindle turns."),
    Signal("power", "W", "gauge", 10, 0, 20_000, "Power drawn."),
    Signal("parts", "1", "counter", None, 0, None, "Parts made."),
    Signal("execution", "", "state", None, None, None, "What it is doing.", {0: "idle", 1: "active"}),
    Signal("door.open", "", "state", None, None, None, "Whether the door is open.", {0: "closed", 1: "open"}),
))
THINGS: Things = {"mill-1": (Thing("mill-1", "mill"), MILL)}
T0_NS = 1_760_000_000_000_000_000
MOSQUITTO = shutil.which("mosquitto") or ("/usr/sbin/mosquitto" if Path("/usr/sbin/mosquitto").is_file() else "")


def said(rows: int, seed: int = 1, start: int = 0) -> pa.Table:
    """rows * 4 samples of mill-1, a tenth of a second apart."""
    rng = np.random.default_rng(seed)
    numbers = start + np.arange(rows)
    columns = {
        "spindle.speed": np.round(300 + rng.normal(0, 5, rows), 2), "power": np.round(4000 + rng.normal(0, 50, rows)),
        "parts": numbers // 50, "execution": numbers // 7 % 2,
    }
    return from_columns("mill-1", T0_NS + numbers * 100_000_000, columns, MILL)


async def collect(module: Any, settings: Any, into: list[Batch], cursor: Any = lambda _: None, *, ack: bool = True) -> None:
    """Reads to the end, acknowledging at once."""
    async with aclosing(module.read(settings, THINGS, cursor, RealClock())) as stream:
        async for batch in stream:
            into.append(batch)
            if ack and batch.ack is not None:
                await batch.ack()


def together(batches: list[Batch]) -> pa.Table:
    return pa.concat_tables(batch.table for batch in batches).combine_chunks()


@asynccontextmanager
async def mosquitto(folder: Path, port: int = 0) -> AsyncIterator[int]:
    """Debian's mosquitto on the loopback, told not to drop what waits. It keeps its sessions in folder."""
    if not MOSQUITTO:
        pytest.skip("no mosquitto here (apt-get install mosquitto)")
    port = port or free_port()
    process = _start(folder, port)
    try:
        await listening(port)
        yield port
    finally:
        process.terminate()
        process.wait()


def _start(folder: Path, port: int) -> subprocess.Popen[bytes]:
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "mosquitto.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nmax_inflight_messages 200\n"
        f"persistence true\npersistence_location {folder}/\nlog_dest none\nuser {getpass.getuser()}\n"
    )
    return subprocess.Popen([MOSQUITTO, "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


async def listening(port: int) -> None:
    """Waits until somebody listens on that port of the loopback."""
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        await asyncio.sleep(0.02)
    raise AssertionError(f"nobody listens on {port}")


def running(program: str, *arguments: str) -> subprocess.Popen[str]:
    """A Python process of its own, whose words can be read."""
    return subprocess.Popen([sys.executable, "-c", program, *arguments], stdout=subprocess.PIPE, text=True)


async def line(process: subprocess.Popen[str], word: str, times: int = 1) -> str:
    """Waits until the process has said that word so often; '' when it has ended."""
    assert process.stdout is not None
    said_now = ""
    while times:
        said_now = await asyncio.wait_for(asyncio.to_thread(process.stdout.readline), 30)
        times = times - said_now.startswith(word) if said_now else 0
    return said_now
