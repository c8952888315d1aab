"""The turn with other people's servers where ours stood: mosquitto, node-opcua, MTConnect documents on a web server.

The machines' settings in the site file are all that differs. The same code reads them, and every number that a hop counts,
and every sample that is kept, is the same.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from loopwright.connect.wire import LOOPBACK, free_port
from loopwright.core.types import Kind, Thing
from loopwright.packs.shop_floor.runs import place, points, read_runs
from loopwright.packs.shop_floor.signals import MILL
from tests.app.shop import COUNTS, MILLS, SITE, keyed, machines, small_data, small_shop, turned
from tests.app.shop import points as kept
from tests.connect.kit import MOSQUITTO, mosquitto
from tests.peers import recordings

PEERS = Path(__file__).parents[1] / "peers"
NODE = shutil.which("node") or ""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not MOSQUITTO, reason="no mosquitto here (apt-get install mosquitto)"),
    pytest.mark.skipif(not NODE, reason="no node here (install Node.js 20)"),
    pytest.mark.skipif(not (PEERS / "node_modules" / "node-opcua").is_dir(),
                       reason="no node-opcua here (npm install --no-audit --no-fund --no-package-lock in tests/peers)"),
]
OUTSIDE = 'plays = { source = "recording", outside = true }'
ORIGIN_NS, SPACING_S = 1767589200 * 10**9, 1800.0  # of the site: 2026-01-05T06:00+01:00


def recorded(runs: Path) -> dict[str, pa.Table]:
    """Machine -> all that it says in the recorded runs, as the site deals them out."""
    tables: dict[str, list[pa.Table]] = {}
    for one in place(read_runs(runs), list(MILLS), ORIGIN_NS, SPACING_S):
        tables.setdefault(one.thing, []).append(points(one))
    return {name: pa.concat_tables(mine) for name, mine in tables.items()}


@contextmanager
def node_opcua(table: pa.Table, folder: Path) -> Iterator[str]:
    """node-opcua plays the table of one machine; the settings of its link."""
    port, path = free_port(), folder / "recording.jsonl"
    recordings.lines(table, MILL, path)
    said = Kind("mill", "As played.", tuple(MILL.signal(name) for name in table.column("signal").unique().to_pylist()))
    command = [NODE, str(PEERS / "opcua_player.js"), str(port), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            while not (line := process.stdout.readline()).startswith("ready"):
                assert line, "node-opcua did not start"
            nodes = ", ".join(f"{json.dumps(name)} = {json.dumps(node)}" for name, node in recordings.node_map(said).items())
            yield f'url = "opc.tcp://{LOOPBACK}:{port}/", queue = 5000, nodes = {{ {nodes} }}'
        finally:
            process.kill()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@contextmanager
def documents(table: pa.Table, machine: str, folder: Path) -> Iterator[str]:
    """MTConnect documents in a folder, behind Python's own web server; the settings of the link."""
    recordings.documents(table, Thing(machine, "mill"), MILL, folder, count=2000)
    server = ThreadingHTTPServer((LOOPBACK, 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f'url = "http://{LOOPBACK}:{server.server_port}/"'
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@asynccontextmanager
async def outside(folder: Path, data: Path) -> AsyncIterator[str]:
    """The site file with mosquitto, node-opcua and a web server in place of our own."""
    tables = recorded(data / "runs")
    async with mosquitto(folder / "mosquitto") as port:
        with ExitStack() as stack:
            opcua = stack.enter_context(node_opcua(tables["mill-2"], folder))
            mtconnect = stack.enter_context(documents(tables["mill-3"], "mill-3", folder / "documents"))
            broker = SITE.replace("embedded = true", f'embedded = false\nhost = "{LOOPBACK}"\nport = {port}')
            ours = machines({"mill-1": "mqtt"})
            theirs = machines({"mill-2": "opcua", "mill-3": "mtconnect"}, OUTSIDE, {"mill-2": opcua, "mill-3": mtconnect}, benches=False)
            yield broker + ours + theirs


def counted(hops: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """What each hop counted, less what depends on the order in which things happened to arrive."""
    return {name: {key: row[key] for key in COUNTS if key != "late"} for name, row in hops.items()}


def test_the_turn_with_outside_servers_counts_and_keeps_the_same(tmp_path):
    data = small_data(tmp_path / "data", persons=12, runs=6, rows=100)
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "data").symlink_to(data)
    own = turned(small_shop(tmp_path / "ours", data=False, text=SITE + machines()), "--orders", 2)

    async def theirs() -> dict[str, Any]:
        (tmp_path / "theirs").mkdir()
        (tmp_path / "theirs" / "data").symlink_to(data)
        async with outside(tmp_path / "theirs", data) as text:
            site = small_shop(tmp_path / "theirs", data=False, text=text)
            return await asyncio.to_thread(turned, site, "--orders", 2)

    other = asyncio.run(theirs())
    assert counted(other["hops"]) == counted(own["hops"])
    assert other["unbalanced"] == []
    assert all(row["lost"] == 0 for row in other["hops"].values())
    assert keyed(kept(tmp_path / "theirs" / "plant")) == keyed(kept(tmp_path / "ours" / "plant"))
    for key in ("orders", "oee"):
        assert other[key] == own[key], key
    assert other["units"]["serials"] == own["units"]["serials"]
    assert other["maintenance"]["accuracy"] == own["maintenance"]["accuracy"]
