"""MQTT against the broker that comes along: numbering, what gets lost on the way, foreign clients, the broker gone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from loopwright.connect import mqtt, payload
from loopwright.connect.batch import Frame, slices
from loopwright.connect.broker import embedded
from loopwright.connect.mqtt.link import Link, Peer
from loopwright.connect.payload import Head
from loopwright.connect.wire import free_port
from loopwright.core.clock import NS_PER_S, RealClock
from loopwright.core.errors import InputError, LinkError, SiteError
from loopwright.core.types import BLOCKS_IN, Batch, Command
from loopwright.store import open_store
from tests.connect.kit import MILL, T0_NS, THINGS, collect, said, together

CLOCK = RealClock()


@asynccontextmanager
async def speaker(port: int) -> AsyncIterator[Link]:
    """Any other client."""
    link = Link(Peer("127.0.0.1", port, "other", persistent=False), [], "test")
    await link.open()
    try:
        yield link
    finally:
        await link.close()


async def until(into: list[Batch], batches: int) -> None:
    async with asyncio.timeout(10):
        while len(into) < batches:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_what_got_lost_on_the_way_is_sent_again(tmp_path: Path) -> None:
    table, batches = said(500), []
    frames = [Frame(piece, "drop" if i in (2, 3, 9) else "now") for i, piece in enumerate(slices(table, 100))]
    async with embedded(tmp_path) as port:
        settings = mqtt.Settings(port=port, rows=100, patience_s=5.0)
        reading = asyncio.ensure_future(collect(mqtt, settings, batches))
        await asyncio.sleep(0.1)
        sent = await mqtt.expose(settings, THINGS, frames, CLOCK)
        await asyncio.wait_for(reading, 10)
    assert sent == 2000
    assert sorted(together(batches).to_pylist(), key=str) == sorted(table.to_pylist(), key=str)
    assert sum(batch.samples for batch in batches) == 2000, "and nothing twice"


async def test_what_nobody_has_any_more_is_lost_and_counted(tmp_path: Path) -> None:
    table, batches = said(500), []
    frames = [Frame(piece, "drop" if i == 2 else "now") for i, piece in enumerate(slices(table, 100))]
    async with embedded(tmp_path) as port:
        settings = mqtt.Settings(port=port, rows=100, buffer=0, patience_s=0.7)
        with open_store(tmp_path / "plant") as store:
            store.declare([MILL], [thing for thing, _ in THINGS.values()])
            reading = asyncio.ensure_future(collect(mqtt, settings, batches, store.cursor))
            await asyncio.sleep(0.1)
            await mqtt.expose(settings, THINGS, frames, CLOCK)
            await asyncio.wait_for(reading, 10)
            for batch in batches:
                store.put(batch)
            store.note_sent("mqtt", batches[-1].source, batches[-1].sent)
            hop = store.hops()["mqtt"]
    assert (hop.into, hop.out, hop.lost, hop.waiting) == (2000, 1900, 100, 0)


async def test_a_reader_that_comes_late_asks_for_the_beginning(tmp_path: Path) -> None:
    batches, table, end = [], said(300), asyncio.Event()

    async def speaks() -> AsyncIterator[pa.Table]:
        yield table
        await end.wait()

    async with embedded(tmp_path) as port:
        settings = mqtt.Settings(port=port, patience_s=5.0)
        exposing = asyncio.ensure_future(mqtt.expose(settings, THINGS, speaks(), CLOCK))
        await asyncio.sleep(0.3)
        reading = asyncio.ensure_future(collect(mqtt, settings, batches))
        await until(batches, 1)
        end.set()
        assert await asyncio.wait_for(exposing, 10) == 1200
        await asyncio.wait_for(reading, 10)
    assert together(batches).num_rows == 1200


async def test_a_recording_played_again_under_its_name_is_known_sample_by_sample(tmp_path: Path) -> None:
    async with embedded(tmp_path) as port:
        settings = mqtt.Settings(port=port, epoch="run-7", patience_s=3.0)
        with open_store(tmp_path / "plant") as store:
            store.declare([MILL], [thing for thing, _ in THINGS.values()])
            for _ in range(2):
                batches: list[Batch] = []
                reading = asyncio.ensure_future(collect(mqtt, settings, batches, store.cursor))
                await asyncio.sleep(0.2)
                await mqtt.expose(settings, THINGS, [said(200)], CLOCK)
                await asyncio.wait_for(reading, 10)
                for batch in batches:
                    store.put(batch)
            hop = store.hops()["mqtt"]
    assert (hop.into, hop.out, hop.duplicate, hop.waiting, hop.lost) == (1600, 800, 800, 0, 0)


async def test_other_clients_may_speak_json(tmp_path: Path) -> None:
    batches: list[Batch] = []
    async with embedded(tmp_path) as port:
        reading = asyncio.ensure_future(collect(mqtt, mqtt.Settings(port=port), batches))
        await asyncio.sleep(0.2)
        async with speaker(port) as link:
            for body in (
                {"t": "2026-01-31T12:00:00Z", "values": {"power": 4000, "execution": "active"}},
                {"ts": 1769860801000, "values": {"power": {"value": 4.1, "unit": "kW"}, "parts": 1.5}},
                {"t": T0_NS, "values": {"power": 5}, "epoch": "a", "seq": 0, "sent": 3},
                {"t": T0_NS + 1, "values": {"power": 6}, "epoch": "a", "seq": 2, "sent": 3},
            ):
                await (await link.publish("loopwright/mill-1/json", json.dumps(body).encode()))
                await asyncio.sleep(0.05)
            await until(batches, 4)
        reading.cancel()
    loose = [batch for batch in batches if batch.source == "mqtt/mill-1/json"]
    assert {(b.sequence, b.sent) for b in loose} == {(None, None)}
    rows = together(loose).select(["signal", "t_ns", "value", "code"]).to_pylist()
    assert [tuple(row.values()) for row in rows] == [
        ("power", 1_769_860_800_000_000_000, 4000.0, None), ("execution", 1_769_860_800_000_000_000, None, 1),
        ("power", 1_769_860_801_000_000_000, 4100.0, None),
    ]
    assert [dict(b.refused) for b in loose] == [{}, {"not a value of this signal": 1}]
    numbered = [(b.source, b.sequence, b.sent) for b in batches if b.sequence is not None]
    assert numbered == [("mqtt/mill-1#a", 0, 3), ("mqtt/mill-1#a", 2, 3)]


async def test_what_cannot_be_read_is_refused_acknowledged_and_ends_nothing(tmp_path: Path) -> None:
    batches: list[Batch] = []
    other = payload.encode(said(1).set_column(0, "thing", pa.array(["mill-2"] * 4)), Head("mill-1", "e", 0, 4))
    async with embedded(tmp_path) as port:
        settings = mqtt.Settings(port=port, patience_s=2.0)
        reading = asyncio.ensure_future(collect(mqtt, settings, batches))
        await asyncio.sleep(0.2)
        async with speaker(port) as link:
            for topic, body in (("points", b"\x00garbage"), ("json", b"{"), ("points", other), ("json", b"[]")):
                await (await link.publish(f"loopwright/mill-1/{topic}", body))
                await asyncio.sleep(0.05)
        await mqtt.expose(settings, THINGS, [said(10)], CLOCK)
        await asyncio.wait_for(reading, 10)
        again = []
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(collect(mqtt, settings, again, {batches[-1].source: 39}.get), 1.0)
    assert [next(iter(b.refused)) for b in batches if b.refused] == [
        "no Arrow stream with our metadata (ArrowInvalid)", "no JSON (JSONDecodeError)",
        "a message about another thing than its topic",
    ]
    assert together(batches).num_rows == 40
    assert sum(batch.samples for batch in again) == 0, "they were acknowledged"


async def test_a_broker_that_goes_and_comes_back_loses_nothing(tmp_path: Path) -> None:
    batches, went_on, port = [], asyncio.Event(), free_port()
    pieces = list(slices(said(2000), 400))

    async def speaks() -> AsyncIterator[pa.Table]:
        for piece in pieces[:10]:
            yield piece
        await went_on.wait()
        for piece in pieces[10:]:
            yield piece

    settings = mqtt.Settings(port=port, rows=400, patience_s=20.0)
    async with embedded(tmp_path, port):
        reading = asyncio.ensure_future(collect(mqtt, settings, batches))
        await asyncio.sleep(0.2)
        exposing = asyncio.ensure_future(mqtt.expose(settings, THINGS, speaks(), CLOCK))
        await until(batches, 1)
    went_on.set()
    await asyncio.sleep(0.3)  # said while nobody hears it
    async with embedded(tmp_path, port):
        assert await asyncio.wait_for(exposing, 20) == 8000
        await asyncio.wait_for(reading, 20)
    rows = {tuple(row.values()) for row in together(batches).to_pylist()}
    assert rows == {tuple(row.values()) for row in said(2000).to_pylist()}


async def test_no_broker_says_which_and_what_to_do() -> None:
    port = free_port()
    with pytest.raises(LinkError, match=rf"nobody listens at 127\.0\.0\.1:{port}.*broker\.embedded = true"):
        await collect(mqtt, mqtt.Settings(port=port), [])
    with pytest.raises(LinkError, match="broker"):
        await mqtt.expose(mqtt.Settings(port=port), THINGS, [said(1)], CLOCK)
    with pytest.raises(LinkError, match="is not known on this network"):
        await collect(mqtt, mqtt.Settings(host="no-such-host.invalid"), [])


async def test_a_peer_that_speaks_something_else_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt.link, "OPEN_S", 0.2)

    async def mute(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.4)
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(LinkError, match="check that it is an MQTT broker"):
        await collect(mqtt, mqtt.Settings(port=port), [])
    server.close()
    await asyncio.sleep(0.4)


async def test_secrets_and_certificates_that_are_not_there_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_WORD", raising=False)
    with pytest.raises(SiteError, match=r"connect\.mqtt\.password_env.*export NO_SUCH_WORD"):
        await collect(mqtt, mqtt.Settings(username="a", password_env="NO_SUCH_WORD"), [])
    with pytest.raises(SiteError, match=r"connect\.mqtt\.ca_file"):
        await collect(mqtt, mqtt.Settings(tls=True, ca_file="no-such-file.pem"), [])


async def test_a_thing_that_cannot_be_a_topic_is_refused() -> None:
    things = {"a/b": (THINGS["mill-1"][0], MILL)}
    with pytest.raises(InputError, match="cannot stand in a topic"):
        await mqtt.expose(mqtt.Settings(), things, [], CLOCK)


async def test_a_command_is_published_with_its_expiry(tmp_path: Path) -> None:
    async with embedded(tmp_path) as port:
        machine = Link(Peer("127.0.0.1", port, "machine", persistent=False), ["loopwright/mill-1/set"], "test")
        await machine.open()
        command = Command("d-1", "mill-1", "spindle.speed", 250.0, "rad/s", CLOCK.now_ns() + 60 * NS_PER_S, "ann")
        sent = await mqtt.write(mqtt.Settings(port=port), command, CLOCK)
        message, = await machine.take(5.0)
        await machine.close()
    said_to = json.loads(message.body)
    assert said_to.pop("expires").endswith("Z")
    assert said_to == {"signal": "spindle.speed", "value": 250.0, "unit": "rad/s", "decision": "d-1"}
    assert sent.value == 250.0


async def test_fast_signals_travel_as_blocks(tmp_path: Path) -> None:
    rng, batches = np.random.default_rng(2), []
    rows = [
        {"thing": "mill-1", "signal": "vibration", "t_ns": T0_NS + i * 10**9, "dt_ns": 10**6, "quality": 0,
         "values": rng.normal(0, 1, 1000).astype(np.float32)} for i in range(12)
    ]
    blocks = pa.Table.from_pylist(rows, schema=BLOCKS_IN)
    async with embedded(tmp_path) as port:
        settings = mqtt.Settings(port=port, patience_s=3.0)
        reading = asyncio.ensure_future(collect(mqtt, settings, batches))
        await asyncio.sleep(0.1)
        assert await mqtt.expose(settings, THINGS, [blocks, said(10)], CLOCK) == 12_040
        await asyncio.wait_for(reading, 10)
    assert pa.concat_tables(b.table for b in batches if b.blocks).combine_chunks().equals(blocks.combine_chunks())
    assert sum(b.samples for b in batches) == batches[-1].sent == 12_040
