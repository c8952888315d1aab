"""MTConnect: our agent as the standard wants it, and the reader's accounts: every number once or counted.

Schemas and models of others: test_mtconnect_files.py. What goes round over the loopback: tests/every/test_protocols.py.
"""

from __future__ import annotations

import asyncio
import dataclasses
import re
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest

from loopwright.connect import mtconnect
from loopwright.connect.batch import Frame, from_columns, slices
from loopwright.connect.mtconnect import names, parse
from loopwright.connect.mtconnect.buffer import Buffer
from loopwright.connect.mtconnect.documents import Observations
from loopwright.connect.mtconnect.reader import Course
from loopwright.connect.wire import free_port
from loopwright.core.clock import RealClock
from loopwright.core.errors import LinkError, SiteError, UnitError, UnknownName
from loopwright.core.types import Batch, Kind, Signal, Thing
from loopwright.core.units import INSIDE
from tests.connect import victim
from tests.connect.kit import MILL, T0_NS, THINGS, collect, said, together
from tests.peers import recordings

pytest.importorskip("lxml", reason="lxml is not installed (pip install 'loopwright[mtconnect]')")
CLOCK = RealClock()
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "connect-mtconnect.md"

STREAMS = """<?xml version="1.0"?>
<MTConnectStreams xmlns="urn:mtconnect.org:MTConnectStreams:1.7">
<Header creationTime="2025-01-01T00:00:00Z" sender="shop" instanceId="{instance}" version="1.7.0.1" bufferSize="100"
 nextSequence="{following}" firstSequence="{first}" lastSequence="{last}"/>
<Streams><DeviceStream name="Mazak" uuid="m1"><ComponentStream component="Rotary" name="C" componentId="c1">
<Samples>{samples}</Samples><Events>{events}</Events><Condition>{conditions}</Condition>
</ComponentStream></DeviceStream></Streams></MTConnectStreams>"""
PROBE = """<?xml version="1.0"?><MTConnectDevices xmlns="urn:mtconnect.org:MTConnectDevices:1.7"><Header/>
<Devices><Device id="d1" uuid="m1" name="Mazak"><DataItems>
<DataItem id="avail" category="EVENT" type="AVAILABILITY"/>
<DataItem id="S1speed" category="SAMPLE" type="ROTARY_VELOCITY" units="REVOLUTION/MINUTE" name="Srpm"/>
<DataItem id="exec" category="EVENT" type="EXECUTION"/><DataItem id="pc" category="EVENT" type="PART_COUNT"/>
<DataItem id="door" category="CONDITION" type="SYSTEM"/><DataItem id="load" category="SAMPLE" type="LOAD" units="PERCENT"/>
</DataItems></Device></Devices></MTConnectDevices>"""
LATHE = Kind("lathe", "A lathe.", (
    Signal("spindle.speed", "rad/s", "gauge", 10, None, None, "How fast the spindle turns."),
    Signal("load", "1", "gauge", 10, None, None, "Load of the spindle."),
    Signal("parts", "1", "counter", None, 0, None, "Parts made."),
    Signal("execution", "", "state", None, None, None, "What it does.", {0: "READY", 1: "ACTIVE"}),
    Signal("system", "", "state", None, None, None, "How it is.", {0: "Normal", 1: "Warning", 2: "Fault"}),
))
LATHES = {"lathe-1": (Thing("lathe-1", "lathe"), LATHE)}
ITEMS = {"spindle.speed": "S1speed", "load": "load", "parts": "pc", "execution": "exec", "system": "door"}


def streams(rows: list[tuple[int, str, str, str]], *, first: int, last: int, following: int, instance: int = 7) -> str:
    """A document of rows (sequence, data item, tag, text); a text that begins with '<' is a condition."""
    parts: dict[str, list[str]] = {"samples": [], "events": [], "conditions": []}
    for number, item, tag, text in rows:
        group = {"S1speed": "samples", "load": "samples", "door": "conditions"}.get(item, "events")
        when = f"2025-01-01T00:00:{number % 60:02d}.5Z"
        parts[group].append(f'<{tag} dataItemId="{item}" timestamp="{when}" sequence="{number}">{text}</{tag}>')
    filled = {name: "\n".join(lines) for name, lines in parts.items()}
    return STREAMS.format(first=first, last=last, following=following, instance=instance, **filled)


def folder_of(folder: Path, *documents: str) -> mtconnect.Settings:
    """A folder of documents, and settings to read it."""
    (folder / "probe.xml").write_text(PROBE)
    for i, document in enumerate(documents, 1):
        (folder / f"sample_{i:04d}.xml").write_text(document)
    return mtconnect.Settings(url=folder.as_uri(), items=ITEMS)


async def read_all(settings: mtconnect.Settings, things: Any = LATHES, cursor: Any = lambda _: None) -> list[Batch]:
    return [batch async for batch in mtconnect.read(settings, things, cursor, CLOCK)]


@asynccontextmanager
async def served(settings: mtconnect.Settings, batches: Any) -> AsyncIterator[asyncio.Task[int]]:
    """An agent of ours while the block runs."""
    ready = asyncio.Event()
    task = asyncio.create_task(mtconnect.expose(settings, THINGS, batches, CLOCK, ready))
    waits = asyncio.create_task(ready.wait())
    await asyncio.wait([task, waits], return_when=asyncio.FIRST_COMPLETED)
    waits.cancel()
    if task.done():
        task.result()
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def held(tables: list[Any], until: asyncio.Event) -> AsyncIterator[Any]:
    for table in tables:
        yield table
    await until.wait()


# units and names -------------------------------------------------------------------------------------------------------


def test_units_of_mtconnect_are_worth_what_the_standard_says() -> None:
    """MTConnect Part 2, native units; NIST SP 811: 1 rpm = 0.104719755 rad/s, 1 in = 25.4 mm, 1 g0 = 9.80665 m/s2."""
    worth = {"REVOLUTION/MINUTE": 0.10471975512, "MILLIMETER/MINUTE": 1.6666666667e-5, "INCH": 0.0254, "PERCENT": 0.01,
             "DEGREE": 0.0174532925, "KILOWATT_HOUR": 3.6e6, "GRAVITATIONAL_ACCELERATION": 9.80665, "FOOT/MINUTE": 0.00508}
    assert {name: names.MTCONNECT_UNITS[name][1] for name in worth} == pytest.approx(worth)
    assert {unit for unit, _, _ in names.MTCONNECT_UNITS.values()} <= set(INSIDE.values())
    assert set(names.TYPES) <= set(INSIDE.values())
    _, factor, offset = names.MTCONNECT_UNITS["FAHRENHEIT"]
    assert 212 * factor + offset == pytest.approx(100.0)


def test_times_are_read_to_the_nanosecond_in_any_zone() -> None:
    texts = pa.array(["2025-01-01T00:00:00Z", "2025-01-01T01:00:00.000000001+01:00", "2025-01-01T00:00:00.5"])
    t_ns, n, bad = parse.times(texts)
    assert t_ns.tolist() == [1735689600 * 10**9, 1735689600 * 10**9 + 1, 1735689600 * 10**9 + 500_000_000]
    assert n.tolist() == [0, 0, 0]
    t_ns, n, bad = parse.times(pa.array(["2025-01-01T00:00:00.12345678907Z", "yesterday", None]))
    assert (t_ns[0], n[0]) == (1735689600 * 10**9 + 123_456_789, 7)
    assert bad.tolist() == [False, True, True]


# the agent -------------------------------------------------------------------------------------------------------------


async def test_the_agent_answers_as_part_1_of_the_standard_says() -> None:
    settings, over = mtconnect.Settings(port=free_port(), buffer=50, epoch="test"), asyncio.Event()
    table = said(30)  # 120 samples, the last 49 and an availability... of 50 are kept
    async with served(settings, held([table], over)), httpx.AsyncClient(base_url=settings.address) as http:

        async def get(path: str) -> tuple[int, Any]:
            answer = await http.get(path)
            assert answer.headers["content-type"].startswith("text/xml")
            return answer.status_code, parse.streams(answer.content, path)

        probe = await http.get("/probe")
        items = parse.probe(probe.content, "probe")
        assert {items["d.mill-1.spindle.speed"].type, items["d.mill-1.power"].type} == {"ANGULAR_VELOCITY", "WATTAGE"}
        assert (await http.get("/d.mill-1/probe")).content[-200:] == probe.content[-200:]
        await asyncio.sleep(0.05)
        status, found = await get("/sample?count=10")
        assert (status, found.header.first, found.header.last, found.header.following) == (200, 72, 121, 82)
        assert found.sequence.tolist() == list(range(72, 82))
        status, found = await get("/sample?from=120&count=10")
        assert (found.sequence.tolist(), found.header.following) == ([120, 121], 122)
        status, found = await get("/sample?from=122")
        assert (len(found.sequence), found.header.following) == (0, 122)
        status, found = await get("/current")
        assert len(found.item) == 1 + 3 * 5, "every data item has a value, UNAVAILABLE where nothing was heard"
        assert found.value.to_pylist().count("UNAVAILABLE") == 16 - 5
        status, found = await get("/current?at=90")
        assert found.sequence.max() == 90
        for path, expected in (("/sample?from=71", "OUT_OF_RANGE"), ("/sample?from=123", "OUT_OF_RANGE"),
                               ("/sample?count=0", "OUT_OF_RANGE"), ("/current?at=3", "OUT_OF_RANGE"),
                               ("/nobody/current", "NO_DEVICE"), ("/d.mill-1/asset", "INVALID_URI"),
                               ("/sample?from=first", "INVALID_REQUEST"), ("/sample?interval=10", "UNSUPPORTED")):
            status, refusal = await get(path)
            assert (status >= 400, refusal.code) == (True, expected), path
        assert (await http.post("/probe")).status_code == 405


def test_the_buffer_keeps_the_newest_and_numbers_without_a_gap() -> None:
    buffer, everything = Buffer(100, 3), np.ones(3, dtype=bool)
    rng = np.random.default_rng(1)
    for count in rng.integers(1, 40, 60).tolist():
        item = rng.integers(0, 3, count).astype(np.int32)
        zeros = np.zeros(count, dtype=np.int64)
        buffer.add(Observations(zeros, item, zeros + buffer.last, zeros, zeros, zeros > 0))
        rows, following = buffer.sample(buffer.first, 1000, everything)
        assert rows.sequence.tolist() == list(range(buffer.first, buffer.last + 1))
        assert buffer.last - buffer.first + 1 <= 100
        assert following == buffer.last + 1
    rows, following = buffer.sample(buffer.first, 5, np.array([True, False, False]))
    assert set(rows.item.tolist()) == {0}
    assert following == rows.sequence[-1] + 1


# the reader's accounts -------------------------------------------------------------------------------------------------


async def test_samples_that_the_link_drops_are_missing_numbers() -> None:
    settings, tables = mtconnect.Settings(port=free_port()), list(slices(said(100), 80))
    batches: list[Batch] = []
    async with served(settings, [Frame(t, "drop" if i in (2, 4) else "now") for i, t in enumerate(tables)]) as task:
        await collect(mtconnect, settings, batches)
        assert await task == 400
    assert together(batches).num_rows == 240
    spans = [(b.sequence, b.sequence + b.samples) for b in batches if b.samples and b.sequence is not None]
    assert spans == [(0, 160), (240, 320)]
    assert batches[-1].sent == 400


async def test_a_buffer_that_ran_over_is_counted_exactly() -> None:
    """500 samples through a buffer of 100: the reader comes late, and again after the buffer has run over."""
    settings, whole = mtconnect.Settings(port=free_port(), buffer=100, poll_s=0.02), said(125)
    first, later, over = asyncio.Event(), asyncio.Event(), asyncio.Event()
    batches: list[Batch] = []

    async def speaks() -> AsyncIterator[pa.Table]:
        yield whole.slice(0, 150)
        await first.wait()
        yield whole.slice(150, 350)
        later.set()
        await over.wait()

    reading = mtconnect.read(settings, THINGS, lambda _: None, CLOCK)
    async with served(settings, speaks()), aclosing(reading) as stream:
        batch = await anext(stream)
        assert (batch.sequence, batch.samples, batch.sent) == (50, 100, 150), "50 were gone before we came: sent tells"
        first.set()
        await later.wait()
        over.set()
        async for batch in stream:
            batches.append(batch)
    (rest,) = [batch for batch in batches if batch.samples]
    assert rest.sequence in (400, 401), "what the buffer still had, with or without the last AVAILABILITY in it"
    assert rest.sequence + rest.samples == 500 == batches[-1].sent


async def test_a_reader_resumes_behind_the_last_number_that_is_stored() -> None:
    settings, whole, over = mtconnect.Settings(port=free_port(), epoch="run 1", count=70), said(100), asyncio.Event()
    over.set()
    source = f"mtconnect/mill-1#{names.instance_of('run 1')}"
    async with served(settings, held([whole], over)):
        batches = await read_all(settings, THINGS, {source: 249}.get)
    assert [batch.source for batch in batches] == [source] * len(batches)
    assert batches[0].sequence == 250
    assert together(batches).equals(whole.slice(250).combine_chunks())


async def test_observations_that_nobody_mapped_keep_the_numbers_whole(tmp_path: Path) -> None:
    """avail and pc are not mapped: those between samples are refused by name, those at the edges are nobody's."""
    first = streams([(1, "avail", "Availability", "AVAILABLE"), (2, "S1speed", "RotaryVelocity", "600"),
                     (3, "pc", "PartCount", "1"), (4, "pc", "PartCount", "2"), (5, "S1speed", "RotaryVelocity", "UNAVAILABLE"),
                     (6, "pc", "PartCount", "3")], first=1, last=9, following=7)
    second = streams([(7, "pc", "PartCount", "4"), (8, "S1speed", "RotaryVelocity", "1200"),
                      (9, "pc", "PartCount", "5")], first=1, last=9, following=10)
    settings = folder_of(tmp_path, first, second)
    only = mtconnect.Settings(url=settings.url, items={"spindle.speed": "S1speed"})
    batches = await read_all(only)
    assert [(b.sequence, b.samples, dict(b.refused)) for b in batches] == [(2, 4, {"not mapped": 2}), (6, 3, {"not mapped": 2})]
    assert together(batches).column("value").to_pylist() == pytest.approx([62.83185307, None, 125.66370614])
    assert {b.sent for b in batches} == {None}, "a foreign agent counts other things too"
    assert [b.sequence for b in await read_all(only, cursor=lambda _: 5)] == [6]


def test_a_hole_in_the_numbers_cuts_a_batch() -> None:
    course = Course("mtconnect/x#1", 1)
    numbers = np.array([3, 4, 5, 9, 10, 11, 20])
    mapped = np.array([False, True, True, False, True, False, True])
    found = [(piece.start, piece.stop, first, last) for piece, first, last in course.pieces(numbers, mapped, part=False)]
    assert found == [(0, 3, 4, 5), (3, 5, 9, 10), (6, 7, 20, 20)]
    course = Course("mtconnect/x#1", 1)
    found = [(first, last) for _, first, last in course.pieces(numbers, mapped, part=True)]
    assert found == [(4, 20)], "of one device: the other numbers are of other devices"


async def test_values_of_every_sort_become_rows(tmp_path: Path) -> None:
    rows = [(1, "S1speed", "RotaryVelocity", "60"), (2, "load", "Load", " 50 "), (3, "pc", "PartCount", "7"),
            (4, "exec", "Execution", "active"), (5, "door", "Fault", "coolant is low"), (6, "exec", "Execution", "FEED_HOLD"),
            (7, "load", "Load", "UNAVAILABLE"), (8, "S1speed", "RotaryVelocity", "1 2 3"), (9, "pc", "PartCount", "7.5")]
    batches = await read_all(folder_of(tmp_path, streams(rows, first=1, last=9, following=10)))
    table = together(batches)
    got = [(row["signal"], row["value"], row["code"]) for row in table.to_pylist()]
    assert got == [("spindle.speed", pytest.approx(2 * np.pi), None), ("load", 0.5, None), ("parts", None, 7),
                   ("execution", None, 1), ("system", None, 2), ("load", None, None)]
    assert [dict(batch.refused) for batch in batches] == [{"not a value of this signal": 3}]
    assert table.column("t_ns")[0].as_py() == 1735689601500000000


async def test_a_new_instance_is_a_new_source(tmp_path: Path) -> None:
    one = streams([(1, "load", "Load", "1")], first=1, last=1, following=2, instance=7)
    two = streams([(1, "load", "Load", "2"), (2, "load", "Load", "3")], first=1, last=2, following=3, instance=8)
    batches = await read_all(folder_of(tmp_path, one, two))
    assert [(b.source, b.sequence, b.samples) for b in batches] == [("mtconnect/lathe-1#7", 1, 1), ("mtconnect/lathe-1#8", 1, 2)]


async def test_an_agent_that_restarts_is_found_again() -> None:
    port, over, batches = free_port(), asyncio.Event(), []
    settings = mtconnect.Settings(port=port, poll_s=0.02, timeout_s=2.0)
    whole, seen = said(50), asyncio.Event()

    async def listen() -> None:
        async for batch in mtconnect.read(settings, THINGS, lambda _: None, CLOCK):
            batches.append(batch)
            seen.set()

    async with served(mtconnect.Settings(port=port, epoch="a"), held([whole.slice(0, 100)], asyncio.Event())):
        reading = asyncio.create_task(listen())
        await asyncio.wait_for(seen.wait(), 10)
    over.set()
    async with served(mtconnect.Settings(port=port, epoch="b"), held([whole.slice(100)], over)):
        await asyncio.wait_for(reading, 20)
    assert together(batches).equals(whole.combine_chunks())
    assert len({batch.source for batch in batches}) == 2


# refusals --------------------------------------------------------------------------------------------------------------


async def test_what_is_no_agent_is_a_link_error_that_says_what_came(tmp_path: Path) -> None:
    async def page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nConnection: close\r\n\r\nhello, world")
        writer.close()
        await writer.wait_closed()

    port = free_port()
    async with await asyncio.start_server(page, "127.0.0.1", port):
        with pytest.raises(LinkError, match=r"is no XML.*hello, world"):
            await read_all(mtconnect.Settings(port=port))
    with pytest.raises(LinkError, match=r"has no probe\.xml"):
        await read_all(mtconnect.Settings(url=tmp_path.as_uri()))
    settings = folder_of(tmp_path, "<MTConnectStreams/>")
    with pytest.raises(LinkError, match=r"no device 'urn:loopwright:lathe-1'.*m1.*map its data items"):
        await read_all(mtconnect.Settings(url=settings.url))


async def test_names_and_units_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    url = folder_of(tmp_path).url
    with pytest.raises(UnknownName, match=r"'S1sped'.*did you mean 'S1speed'"):
        await read_all(mtconnect.Settings(url=url, items={"spindle.speed": "S1sped"}))
    with pytest.raises(UnitError, match="'REVOLUTION/MINUTE' is no unit of what '1' measures"):
        await read_all(mtconnect.Settings(url=url, items={"load": "S1speed"}))
    with pytest.raises(SiteError, match="is no address"):
        mtconnect.Settings(url="ftp://shop")
    with pytest.raises(UnknownName, match="'speed'"):
        await read_all(mtconnect.Settings(url=url, items={"speed": "S1speed"}))


async def test_a_port_that_is_taken_is_named() -> None:
    port = free_port()
    async with await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", port):
        with pytest.raises(LinkError, match=f"port {port}.*is taken"):
            await mtconnect.expose(mtconnect.Settings(port=port), THINGS, [], CLOCK)


async def test_a_thing_that_was_not_declared_is_not_served() -> None:
    table = from_columns("mill-9", [T0_NS], {"power": [1.0]}, MILL)
    with pytest.raises(UnknownName, match="'mill-9'"):
        await mtconnect.expose(mtconnect.Settings(port=free_port()), THINGS, [table], CLOCK)


async def test_documents_on_disk_are_read_as_from_their_agent(tmp_path: Path) -> None:
    whole = said(300)
    recordings.documents(whole, *THINGS["mill-1"], tmp_path, count=500)
    batches = await read_all(mtconnect.Settings(url=tmp_path.as_uri()), THINGS)
    assert together(batches).equals(whole.combine_chunks())
    assert [(b.sequence, b.samples, b.sent) for b in batches] == [(0, 499, 1200), (499, 500, 1200), (999, 201, 1200)]


# killed ----------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_a_reader_that_is_killed_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    with await victim.survive("mtconnect", tmp_path) as store:
        victim.check(store)


# the page --------------------------------------------------------------------------------------------------------------


async def test_the_page_has_every_setting_and_its_code_runs() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for setting in dataclasses.fields(mtconnect.Settings):
        assert f"`{setting.name}`" in text
    names: dict[str, Any] = {"__name__": "page"}
    exec(compile("\n".join(re.findall(r"```python\n(.*?)```", text, re.S)), PAGE.name, "exec"), names)
    sent, batches = await names["main"]()
    assert sent == batches[-1].sent == sum(batch.samples for batch in batches) == 4
