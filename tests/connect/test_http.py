"""HTTP: posts are answered when they are stored, repeated ones double nothing, and the house says what is missing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pyarrow as pa
import pytest

from loopwright.connect import http, payload
from loopwright.connect.batch import Frame, slices
from loopwright.connect.payload import ARROW, JSON, Head
from loopwright.connect.wire import free_port
from loopwright.core.clock import RealClock
from loopwright.core.errors import InputError, LinkError
from loopwright.core.types import Batch, Receipt
from loopwright.store import open_store
from tests.connect.kit import MILL, T0_NS, THINGS, collect, line, listening, running, said, together
from tests.every.loopback import posts_to

CLOCK = RealClock()


def settings(**more: object) -> http.Settings:
    port = free_port()
    return http.Settings(url=f"http://127.0.0.1:{port}/api/points", name=f"test-{port}", **more)  # type: ignore[arg-type]


def port_of(some: http.Settings) -> int:
    return httpx.URL(some.url).port or 0


async def reads(some: http.Settings) -> tuple[asyncio.Task, list[Batch]]:
    batches: list[Batch] = []
    task = asyncio.ensure_future(collect(http, some, batches))
    await asyncio.sleep(0)
    return task, batches


async def test_a_post_is_answered_only_when_it_is_stored() -> None:
    some = settings(patience_s=0.3)
    stream = http.read(some, THINGS, lambda _: None, CLOCK)
    first = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    body = payload.encode(said(5), Head("mill-1", "e", 0, 20))
    answer = asyncio.ensure_future(http.ingest(some).put(body, ARROW))
    batch = await first
    await asyncio.sleep(0.1)
    assert not answer.done()
    assert batch.ack is not None
    await batch.ack(Receipt(stored=17, duplicate=1, refused={"unknown signal": 2}))
    assert await answer == {"samples": 20, "stored": 17, "duplicate": 1, "refused": {"unknown signal": 2}, "missing": []}
    with pytest.raises(LinkError, match="not stored in time"):
        await http.ingest(some).put(body, ARROW)
    await stream.aclose()
    with pytest.raises(LinkError, match="nobody reads what is posted"):
        http.ingest(some)


async def test_json_may_be_posted_by_anyone() -> None:
    some = settings()
    reading, batches = await reads(some)
    body = [
        {"thing": "mill-1", "t": "2026-01-31T12:00:00Z", "values": {"power": 5, "execution": "active"}},
        {"thing": "mill-2", "ts": 1769860800000, "values": {"power": 6, "parts": "many"}},
    ]
    answer = await http.ingest(some).put(json.dumps(body).encode(), f"{JSON}; charset=utf-8", "ann")
    assert answer["samples"] == 4
    assert answer["refused"] == {"not a value of this signal": 1}
    assert {(b.source, b.sequence, b.sent) for b in batches} == {("http/ann/json", None, None)}
    numbered = {"thing": "mill-1", "t": T0_NS, "values": {"power": 7}, "epoch": "a", "seq": 4, "sent": 5}
    answer = await http.ingest(some).put(json.dumps(numbered).encode(), JSON)
    assert answer["missing"] == [(0, 4)]
    assert (batches[-1].source, batches[-1].sequence, batches[-1].sent) == ("http/mill-1#a", 4, 5)
    reading.cancel()


@pytest.mark.parametrize(("body", "kind", "message"), [
    (b"x", ARROW, "no Arrow stream"), (b"x", JSON, "no JSON"), (b"x", "text/csv", "Content-Type: 'text/csv'; allowed"),
    (b'{"values": {}}', JSON, "names no 'thing'"),
])
async def test_a_body_that_cannot_be_read_is_refused(body: bytes, kind: str, message: str) -> None:
    some = settings()
    reading, _ = await reads(some)
    with pytest.raises(InputError, match=message):
        await http.ingest(some).put(body, kind)
    reading.cancel()


async def test_one_entrance_has_one_reader() -> None:
    some = settings()
    reading, _ = await reads(some)
    with pytest.raises(LinkError, match="it is read already"):
        await collect(http, some, [])
    reading.cancel()


async def test_what_got_lost_on_the_way_is_posted_again() -> None:
    some = settings(rows=100)
    frames = [Frame(piece, "drop" if i in (1, 2, 7) else "now") for i, piece in enumerate(slices(said(250), 100))]
    async with posts_to(some, port_of(some)):
        reading, batches = await reads(some)
        assert await http.expose(some, THINGS, frames, CLOCK) == 1000
        await asyncio.wait_for(reading, 10)
    assert sorted(together(batches).to_pylist(), key=str) == sorted(said(250).to_pylist(), key=str)


async def test_a_house_that_dies_before_the_answer_gets_the_same_numbers_again(tmp_path: Path) -> None:
    some = settings(rows=200, patience_s=0.4)
    with open_store(tmp_path) as store:
        store.declare([MILL], [thing for thing, _ in THINGS.values()])

        async def stores_and_forgets_one_ack(into: list[Batch]) -> None:
            async for batch in http.read(some, THINGS, store.cursor, CLOCK):
                into.append(batch)
                store.put(batch)
                if len(into) != 2:  # the second is stored, and its device never hears of it
                    assert batch.ack is not None
                    await batch.ack()

        batches: list[Batch] = []
        async with posts_to(some, port_of(some)):
            reading = asyncio.ensure_future(stores_and_forgets_one_ack(batches))
            assert await http.expose(some, THINGS, [said(250)], CLOCK) == 1000
            await asyncio.wait_for(reading, 10)
        hop = store.hops()["http"]
    assert (hop.into, hop.out, hop.duplicate, hop.lost, hop.waiting) == (1200, 1000, 200, 0, 0)


async def test_nobody_to_post_to_is_a_link_error_at_once() -> None:
    port = free_port()
    with pytest.raises(LinkError, match=rf"nobody listens at 127\.0\.0\.1:{port}.*loopwright run"):
        await http.expose(http.Settings(url=f"http://127.0.0.1:{port}/api/points"), THINGS, [said(1)], CLOCK)
    with pytest.raises(LinkError, match="http://"):
        await http.expose(http.Settings(url="127.0.0.1/api"), THINGS, [said(1)], CLOCK)


async def test_a_house_that_refuses_for_good_is_not_asked_for_ever() -> None:
    some = settings()
    async with posts_to(some, port_of(some)):
        wrong = http.Settings(url=some.url + "/wrong", name=some.name)
        with pytest.raises(LinkError, match="answers 404"):
            await http.expose(wrong, THINGS, [said(1)], CLOCK)
        nobody = http.Settings(url=some.url, name=some.name, patience_s=0.2)
        with pytest.raises(LinkError, match="answers 503"):
            await http.expose(nobody, THINGS, [said(1)], CLOCK)


async def test_two_things_post_under_their_own_numbers() -> None:
    some, batches = settings(), []
    things = THINGS | {"mill-2": THINGS["mill-1"]}
    other = said(20).set_column(0, "thing", pa.array(["mill-2"] * 80))

    async def read_both() -> None:
        async for batch in http.read(some, things, lambda _: None, CLOCK):
            batches.append(batch)
            assert batch.ack is not None
            await batch.ack()

    async with posts_to(some, port_of(some)):
        reading = asyncio.ensure_future(read_both())
        assert await http.expose(some, things, [pa.concat_tables([said(10), other])], CLOCK) == 120
        await asyncio.wait_for(reading, 10)
    assert sorted(b.sent for b in batches if b.samples == 0) == [40, 80]


HOUSE = """
import asyncio, sys
from pathlib import Path
from loopwright.connect import http
from loopwright.core.clock import RealClock
from loopwright.store import open_store
from tests.connect.kit import MILL, THINGS
from tests.every.loopback import posts_to

async def main(plant, port):
    settings = http.Settings(name="killed", patience_s=5.0)
    with open_store(Path(plant)) as store:
        store.declare([MILL], [thing for thing, _ in THINGS.values()])
        async with posts_to(settings, int(port)):
            async for batch in http.read(settings, THINGS, store.cursor, RealClock()):
                receipt = await asyncio.to_thread(store.put, batch)
                print("stored", receipt.stored, flush=True)
                await batch.ack()
                print("acknowledged", receipt.stored, flush=True)
            store.note_sent(batch.hop, batch.source, batch.sent)
            await asyncio.sleep(0.2)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.slow
async def test_a_house_killed_in_mid_stream_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    some, hurry = settings(rows=400, patience_s=20.0), asyncio.Event()

    async def speaks() -> AsyncIterator[pa.Table]:
        for piece in slices(said(10_000), 100):
            yield piece
            if not hurry.is_set():
                await asyncio.sleep(0.02)

    house = running(HOUSE, str(tmp_path), str(port_of(some)))
    await listening(port_of(some))
    exposing = asyncio.ensure_future(http.expose(some, THINGS, speaks(), CLOCK))
    for word in ("stored", "acknowledged", "stored"):
        with house:
            await line(house, word, 2)
            house.kill()
        house = running(HOUSE, str(tmp_path), str(port_of(some)))
    hurry.set()
    with house:
        assert await asyncio.wait_for(exposing, 60) == 40_000
        while await line(house, ""):
            pass
    with open_store(tmp_path, read_only=True) as store:
        hop = store.hops()["http"]
        assert (hop.out, hop.lost, hop.waiting, sum(hop.refused.values())) == (40_000, 0, 0, 0)
        assert store.get().num_rows == 40_000
