"""MTConnect against what others wrote: the schemas of the standard, device models, and a lathe's log served from disk.

Data: mtconnect/schema and mtconnect/cppagent (proto_mtconnect in the folder of real data); skipped where it is not.
"""

from __future__ import annotations

import asyncio
import functools
import http.server
import io
import threading
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import pyarrow.compute as pc
import pytest

from loopwright.connect import mtconnect
from loopwright.connect.batch import from_columns
from loopwright.connect.mtconnect import parse
from loopwright.connect.mtconnect.agent import Agent
from loopwright.core.clock import RealClock
from loopwright.core.types import Kind, Signal, Thing
from loopwright.core.units import INSIDE
from tests.connect.kit import T0_NS, together

etree = pytest.importorskip("lxml.etree", reason="lxml is not installed (pip install 'loopwright[mtconnect]')")
CLOCK = RealClock()
EVERYTHING = Kind("all", "One signal of every unit and kind.", (
    *(Signal(f"of.{quantity.replace(' ', '_')}", unit, "gauge", 10, -1e9, 1e9, f"A {quantity}.") for quantity, unit in INSIDE.items()),
    Signal("count", "1", "counter", None, 0, None, "How many <things> & more."),
    Signal("state", "", "state", None, None, None, "What it does.", {0: "idle", 1: "cut & dry"}),
))
THINGS = {name: (Thing(name, "all"), EVERYTHING) for name in ("mill-1", "2nd/mill")}


@pytest.fixture(scope="module")
def samples(shared_data: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(shared_data / "proto_mtconnect" / "cppagent_samples.zip")


def schema(folder: Path, name: str) -> Any:
    """A schema of MTConnect 2.4 as lxml can use it.

    `notNamespace` is of XSD 1.1, which lxml lacks: in the variants for XSD 1.0 `namespace='##other'` stands in its place.
    The schema of XLink is not in the folder: what is used of it is text here.
    """

    class Links(etree.Resolver):
        def resolve(self, url: str, public_id: str, context: Any) -> Any:
            text = ('<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="http://www.w3.org/1999/xlink">'
                    '<xs:attribute name="type" type="xs:string"/><xs:simpleType name="hrefType">'
                    '<xs:restriction base="xs:string"/></xs:simpleType></xs:schema>')
            return self.resolve_string(text, context) if url.endswith("xlink.xsd") else None

    with zipfile.ZipFile(folder / "proto_mtconnect" / "schemas.zip") as found:
        text = found.read(f"MTConnect{name}_2.4.xsd").replace(b"notNamespace='##targetNamespace'", b"namespace='##other'")
    parser = etree.XMLParser()
    parser.resolvers.add(Links())
    return etree.XMLSchema(etree.parse(io.BytesIO(text), parser))


def agent() -> Agent:
    """An agent that has said a value, a doubtful one and a gap of everything."""
    found = Agent(mtconnect.Settings(epoch="x"), THINGS, CLOCK)
    for thing in THINGS:
        columns: dict[str, Any] = {s.name: [1.5, np.nan, -np.inf] for s in EVERYTHING.signals if s.kind == "gauge"}
        columns |= {"count": [1, 2, 2**60], "state": [0, 1, 1]}
        found.say(from_columns(thing, [T0_NS, T0_NS + 1, T0_NS + 1], columns, EVERYTHING, [0, 1, 2]), heard=True)
    found.end()
    return found


@pytest.mark.parametrize("target", ["/sample?count=1000", "/current", "/current?at=40", "/sample?from=10&count=3"])
def test_our_streams_are_valid_by_the_schema_of_the_standard(shared_data: Path, target: str) -> None:
    status, document = agent().answer(target)
    assert status == 200
    schema(shared_data, "Streams").assertValid(etree.fromstring(document.encode()))


def test_our_devices_are_valid_by_the_schema_of_the_standard(shared_data: Path) -> None:
    _, document = agent().answer("/probe")
    schema(shared_data, "Devices").assertValid(etree.fromstring(document.encode()))


@pytest.mark.parametrize("target", ["/sample?from=100000", "/nobody/probe", "/asset", "/sample?from=x"])
def test_our_errors_are_valid_by_the_schema_of_the_standard(shared_data: Path, target: str) -> None:
    status, document = agent().answer(target)
    assert status >= 400
    schema(shared_data, "Error").assertValid(etree.fromstring(document.encode()))


def test_every_device_model_of_others_loads_with_every_data_item(samples: zipfile.ZipFile) -> None:
    loaded = 0
    for name in samples.namelist():
        if not name.endswith(".xml"):
            continue
        document = samples.read(name)
        if b"<MTConnectDevices" not in document:
            continue
        items = parse.probe(document, name)
        written = {e.get("id") for e in etree.fromstring(document).iter("{*}DataItem") if e.get("id")}
        assert set(items) == written, name
        loaded += 1
    assert loaded == 22


# a lathe's log, as an agent would have written it, from disk ---------------------------------------------------------------

LATHE = Kind("lathe", "An Okuma MULTUS.", (
    Signal("z.position", "m", "gauge", None, None, None, "Position of Z in machine coordinates."),
    Signal("x.load", "1", "gauge", None, None, None, "Load of X."),
    Signal("spindle.speed", "rad/s", "gauge", None, None, None, "How fast the spindle turns."),
    Signal("parts", "1", "counter", None, None, None, "Parts made."),
    Signal("execution", "", "state", None, None, None, "What it does.",
           {0: "READY", 1: "ACTIVE", 2: "STOPPED", 3: "INTERRUPTED", 4: "FEED_HOLD", 5: "OPTIONAL_STOP", 6: "PROGRAM_STOPPED", 7: "PROGRAM_COMPLETED"}),
))
KEYS = {"Z1actm": "z.position", "X1load": "x.load", "S1speed": "spindle.speed", "ppartcount": "parts", "pexecution": "execution"}


def replayed(samples: zipfile.ZipFile, folder: Path) -> tuple[mtconnect.Settings, list[tuple[str, str, str]]]:
    """The log (SHDR: time|key|value|key|value ..) as documents of 3,000 observations; settings, and the rows that are ours."""
    devices = samples.read(next(name for name in samples.namelist() if name.endswith("demo/agent/Devices.xml")))
    (folder / "probe.xml").write_bytes(devices)
    items = {item.name or item.id: item for item in parse.probe(devices, "probe").values() if item.device == "OKUMA.123456"}
    log = samples.read(next(name for name in samples.namelist() if name.endswith("okuma.txt"))).decode()
    rows = []
    for line in log.splitlines():
        time, *pairs = line.split("|")
        for key, value in zip(pairs[::2], pairs[1::2], strict=False):
            if key in items and items[key].category in ("SAMPLE", "EVENT"):
                rows.append((time, key, value))
    for part, start in enumerate(range(0, len(rows), 3000), 1):
        piece = rows[start : start + 3000]
        body = "".join(
            f'<Observed dataItemId="{items[key].id}" timestamp="{time}" sequence="{start + i}">{escape(value)}</Observed>\n'
            for i, (time, key, value) in enumerate(piece, 1))
        (folder / f"sample_{part:04d}.xml").write_text(
            '<?xml version="1.0"?><MTConnectStreams xmlns="urn:mtconnect.org:MTConnectStreams:2.0"><Header instanceId="1" '
            f'sender="okuma" firstSequence="1" lastSequence="{len(rows)}" nextSequence="{start + len(piece) + 1}"/><Streams>'
            '<DeviceStream name="OKUMA" uuid="OKUMA.123456"><ComponentStream component="Device" componentId="o"><Events>'
            f"{body}</Events></ComponentStream></DeviceStream></Streams></MTConnectStreams>")
    settings = mtconnect.Settings(items={name: items[key].id for key, name in KEYS.items()})
    return settings, [row for row in rows if row[1] in KEYS]


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """The folder behind Python's own web server."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("way", ["http", "file"])
async def test_a_lathes_log_served_from_disk_is_read_to_the_last_observation(
    samples: zipfile.ZipFile, tmp_path: Path, web: str, way: str
) -> None:
    settings, expected = await asyncio.to_thread(replayed, samples, tmp_path)
    settings = mtconnect.Settings(url=web if way == "http" else tmp_path.as_uri(), items=settings.items)
    things = {"okuma": (Thing("okuma", "lathe"), LATHE)}
    batches = [batch async for batch in mtconnect.read(settings, things, lambda _: None, CLOCK)]
    table = together(batches)
    counts = Counter(KEYS[key] for _, key, _ in expected)
    assert {row["signal"]: row["t_ns_count"] for row in table.group_by("signal").aggregate([("t_ns", "count")]).to_pylist()} == counts
    numbers = [n for b in batches if b.sequence is not None for n in range(b.sequence, b.sequence + b.samples)]
    assert numbers == list(range(numbers[0], numbers[-1] + 1)), "no number without an account"
    assert {reason for batch in batches for reason in batch.refused} == {"not mapped"}
    z = table.filter(pc.equal(table.column("signal"), "z.position"))
    wanted = [float(value) / 1000 for _, key, value in expected if key == "Z1actm"]
    assert z.column("value").to_pylist() == pytest.approx(wanted)
    assert z.column("t_ns")[0].as_py() == 1659966694716714600  # 2022-08-08T13:51:34.7167146Z
    words = LATHE.signal("execution").codes
    states = table.filter(pc.equal(table.column("signal"), "execution")).column("code").to_pylist()
    assert [words[code] for code in states] == [value for _, key, value in expected if key == "pexecution"]
