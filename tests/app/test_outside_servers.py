"""One turn with outside servers in the place of ours: mosquitto, node-opcua, MTConnect documents from disk. The same code hears them and
counts the same.

node-opcua knows no missing row: at every moment it says every signal, a gap where ours says nothing. So its hop is compared with what it
played, and the values that are kept with those that were kept from ours.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from loopwright.connect.wire import free_port
from loopwright.core.types import POINTS_IN, Kind, Thing
from loopwright.packs.shop_floor.signals import MILL
from tests.app.shop import COUNTS, MILLS, SITE, keyed, machines, points, small_shop, turned
from tests.connect.kit import MOSQUITTO, mosquitto
from tests.peers import recordings

PEERS = Path(recordings.__file__).parent
NODE = shutil.which("node")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not MOSQUITTO, reason="no mosquitto here (apt-get install mosquitto)"),
    pytest.mark.skipif(not NODE or not (PEERS / "node_modules").is_dir(), reason="no node-opcua here (npm install in tests/peers)"),
]


def said_by(table: pa.Table, thing: str) -> pa.Table:
    """What one machine said, as it goes over the wire."""
    return table.filter(pc.equal(table["thing"], thing)).select(POINTS_IN.names).sort_by([("t_ns", "ascending")]).combine_chunks()


def values(table: pa.Table) -> pa.Table:
    """What is kept, without the gaps."""
    return keyed(table.filter(pc.or_(pc.is_valid(table["value"]), pc.is_valid(table["code"]))))


@pytest.fixture
def player() -> Iterator[Callable[[Path], int]]:
    """Starts node-opcua playing a file; it is ended with the test."""
    running: list[subprocess.Popen[str]] = []

    def start(path: Path) -> int:
        port = free_port()
        command = [str(NODE), str(PEERS / "opcua_player.js"), str(port), str(path)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        running.append(process)
        assert process.stdout is not None
        assert any(line.strip() == "ready" for line in process.stdout), "node-opcua did not start"
        return port

    yield start
    for process in running:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


async def test_a_turn_with_outside_servers_keeps_and_counts_what_one_with_ours_does(tmp_path: Path, player: Callable[[Path], int]) -> None:
    site = small_shop(tmp_path / "own")
    own = turned(site)
    kept = points(site.parent / "plant")
    milled, turned_by_xml = said_by(kept, "mill-2"), said_by(kept, "mill-3")
    names = set(milled["signal"].unique().to_pylist())
    kind = Kind("mill", "As played.", tuple(s for s in MILL.signals if s.name in names))
    changes = recordings.lines(milled, kind, tmp_path / "mill-2.jsonl")
    recordings.documents(turned_by_xml, Thing("mill-3", "mill"), MILL, tmp_path / "documents")
    nodes = ", ".join(f"{json.dumps(k)} = {json.dumps(v)}" for k, v in recordings.node_map(kind).items())
    port = player(tmp_path / "mill-2.jsonl")
    more = {"mill-2": f'url = "opc.tcp://127.0.0.1:{port}/", queue = 5000, nodes = {{ {nodes} }}',
            "mill-3": f'url = "{(tmp_path / "documents").as_uri()}"'}
    text = machines(MILLS, more=more)
    for name in ("mill-2", "mill-3"):  # nothing of ours plays these
        head, sep, tail = text.partition(f'id = "{name}"')
        text = head + sep + tail.replace('plays = { source = "recording" }\n', "", 1)
    (tmp_path / "mosquitto").mkdir()
    async with mosquitto(tmp_path / "mosquitto") as mqtt_port:
        where = SITE.replace("embedded = true", f'embedded = false\nhost = "127.0.0.1"\nport = {mqtt_port}')
        outside = small_shop(tmp_path / "outside", text=where + text)
        for run in sorted((outside.parent / "data" / "runs").glob("experiment_*")):
            if (int(run.name[11:13]) - 1) % len(MILLS):  # those of the other mills: mill-1 is dealt every third
                run.unlink()
        report = await asyncio.to_thread(turned, outside)
    for hop in ("mqtt", "mtconnect"):
        assert {c: report["hops"][hop][c] for c in COUNTS} == {c: own["hops"][hop][c] for c in COUNTS}, hop
    opcua = report["hops"]["opcua"]
    assert (opcua["out"], opcua["lost"], opcua["refused"], opcua["waiting"]) == (changes, 0, 0, 0)
    assert opcua["in"] == changes + opcua["duplicate"]  # what was asked for again from its history, where it went fast
    assert report["unbalanced"] == []
    assert values(points(outside.parent / "plant")).equals(values(kept))
    assert report["units"]["made"] == own["units"]["made"]
