"""A real edge process and a real central plant on loopback, and a device that posts numbered samples to the edge.

    pair = Pair(tmp_path)
    with pair.centre(), pair.edge():
        device = Device(pair)
        device.say(1_000)                  returns once the edge has acknowledged them
        pair.until_stored(device.said)     and this once the centre has them

The value of every sample is its number, so what the centre keeps tells what was lost, doubled or mixed up.
"""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa

from loopwright.connect import payload
from loopwright.connect.wire import LOOPBACK, free_port
from loopwright.core.clock import NS_PER_S, monotonic_s
from loopwright.core.types import POINTS_IN
from loopwright.store import open_store
from tests.app.shop import COMMAND, alive, children

EDGE = "line-3"
KIND = """
[[kind]]
name = "probe"
meaning = "A device that counts."
signal = [{ name = "count", unit = "1", kind = "counter", meaning = "Its samples so far." }]

[[machine]]
id = "probe-1"
kind = "probe"
role = "probe"
"""
T0_NS = 1_760_000_000 * NS_PER_S
STEP_NS = 1_000_000


def rows(first: int, count: int) -> pa.Table:
    """Samples first .. of the probe."""
    numbers = range(first, first + count)
    return pa.table({
        "thing": ["probe-1"] * count, "signal": ["count"] * count, "t_ns": [T0_NS + i * STEP_NS for i in numbers], "n": [0] * count,
        "value": pa.nulls(count, pa.float64()), "code": numbers, "quality": [0] * count,
    }, schema=POINTS_IN)


def until(true: Callable[[], Any], wait_s: float = 60.0) -> Any:
    """What a question gives once it gives something; AssertionError when that takes too long."""
    end_s = monotonic_s() + wait_s
    while not (found := true()):
        assert monotonic_s() < end_s, "it did not come to be"
        time.sleep(0.05)
    return found


class Pair:
    """Two site files, and processes that run them."""

    def __init__(self, folder: Path, *, over_mqtt: bool = False, edge: str = "", centre: str = "", probe: str = KIND) -> None:
        self.ports = {"edge": free_port(), "centre": free_port(), "broker": free_port()}
        self.folder, self.plant, self.buffer = folder, folder / "centre", folder / "edge"
        broker = f"[broker]\nembedded = true\nport = {self.ports['broker']}\n" if over_mqtt else ""
        link = "\n".join(['[[machine]]', 'id = "probe-2"', 'kind = "probe"', 'role = "probe"', 'link = { protocol = "mqtt" }']) if over_mqtt else ""
        url = f"mqtt://{LOOPBACK}:{self.ports['broker']}/works" if over_mqtt else f"http://{LOOPBACK}:{self.ports['centre']}"
        self.centre_site, self.edge_site = folder / "centre.toml", folder / "edge.toml"
        self.centre_site.write_text(
            f'[site]\nname = "Works"\nfolder = "centre"\npacks = []\n{broker}[server]\nport = {self.ports["centre"]}\n{KIND}{link}\n{centre}', "utf-8")
        self.edge_site.write_text(
            f'[site]\nname = "Line"\nfolder = "edge"\npacks = []\n[edge]\nname = "{EDGE}"\ncentre = "{url}"\nreport_s = 0.5\n{edge}\n'
            f'[server]\nport = {self.ports["edge"]}\n{probe}', "utf-8")

    @contextmanager
    def centre(self) -> Iterator[subprocess.Popen[str]]:
        """The central plant, up; ended by Ctrl-C, which must not leave a traceback."""
        with self._up("run", self.centre_site, "console and API at") as process:
            yield process

    @contextmanager
    def edge(self) -> Iterator[subprocess.Popen[str]]:
        """The edge, up."""
        with self._up("edge", self.edge_site, "takes posts at") as process:
            yield process

    @contextmanager
    def _up(self, command: str, site: Path, ready: str) -> Iterator[subprocess.Popen[str]]:
        log = (self.folder / f"{command}.log").open("a+", encoding="utf-8")
        begun = log.seek(0, 2)
        process = subprocess.Popen([str(COMMAND), command, str(site)], stdout=subprocess.DEVNULL, stderr=log, text=True)

        def said() -> str:
            return (self.folder / f"{command}.log").read_text("utf-8")[begun:]

        try:
            until(lambda: ready in said() or process.poll() is not None)
            assert ready in said(), said()
            yield process
        finally:
            killed = process.poll() is not None
            family = [] if killed else children(process.pid)
            if not killed:
                process.send_signal(signal.SIGINT)
            process.wait(30)
            log.close()
        assert killed or process.returncode == 130, said()
        assert "Traceback" not in said(), said()
        assert not alive(family)

    def status(self) -> dict[str, Any]:
        """The edge's status, over its door."""
        answer = httpx.get(f"http://{LOOPBACK}:{self.ports['edge']}/api/edge", timeout=20)
        found: dict[str, Any] = answer.json()
        return found

    def asked(self, path: str) -> Any:
        """An answer of the centre's API."""
        return httpx.get(f"http://{LOOPBACK}:{self.ports['centre']}/api/{path}", timeout=20).json()

    def stored(self) -> list[int]:
        """The numbers that the centre keeps, sorted."""
        with open_store(self.plant, read_only=True) as store:
            return sorted(store.get().column("code").to_pylist())

    def until_sent(self, wait_s: float = 60.0) -> None:
        """Until nothing waits at the edge."""
        until(lambda: self.status()["buffer"]["samples"] == 0, wait_s)

    def command(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """`loopwright edge` on the edge's site file, to its end."""
        return subprocess.run([str(COMMAND), "edge", str(self.edge_site), *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)


class Device:
    """Posts numbered samples to the edge, and repeats what was not answered under the same numbers."""

    def __init__(self, pair: Pair, epoch: str = "boot-1") -> None:
        self._url, self._epoch = f"http://{LOOPBACK}:{pair.ports['edge']}/api/points", epoch
        self.said = 0  # acknowledged

    def say(self, count: int, size: int = 100) -> None:
        """Says so many more; each batch until it is acknowledged."""
        end = self.said + count
        while self.said < end:
            part = min(size, end - self.said)
            body = payload.encode(rows(self.said, part), payload.Head("probe-1", self._epoch, self.said, self.said + part))
            self._post(body)
            self.said += part

    def _post(self, body: bytes) -> None:
        end_s = monotonic_s() + 60
        while True:
            try:
                answer = httpx.post(self._url, content=body, headers={"Content-Type": payload.ARROW}, timeout=30)
                if answer.status_code == 200:
                    return
                assert answer.status_code == 503, answer.text
            except httpx.TransportError:
                pass
            assert monotonic_s() < end_s, "the edge does not answer"
            time.sleep(0.05)


def hops(rows_of: list[dict[str, Any]] | dict[str, Any]) -> None:
    """Asserts the equation of every hop."""
    for row in rows_of.values() if isinstance(rows_of, dict) else rows_of:
        assert row["in"] == row["out"] + row["duplicate"] + row["refused"] + row["waiting"] + (row["lost"] or 0), json.dumps(row)
