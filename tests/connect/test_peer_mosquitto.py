"""Another broker in place of ours: Debian's mosquitto. Same code, same counts; and readers that are killed in mid-stream.

mosquitto drops what waits beyond 1000 messages unless `max_queued_messages 0` is set, as it is here.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from loopwright.connect import mqtt
from loopwright.connect.batch import slices
from loopwright.connect.broker import embedded
from loopwright.connect.wire import free_port
from loopwright.core.clock import RealClock
from loopwright.core.errors import LinkError
from loopwright.core.types import Batch
from loopwright.store import open_store
from tests.connect.kit import MOSQUITTO, T0_NS, THINGS, collect, line, mosquitto, running, said, together

pytestmark = pytest.mark.skipif(not MOSQUITTO, reason="no mosquitto here (apt-get install mosquitto)")
CLOCK = RealClock()
BROKERS: dict[str, Any] = {"mosquitto": mosquitto, "embedded": embedded}

READER = """
import asyncio, sys
from pathlib import Path
from loopwright.connect import mqtt
from loopwright.core.clock import RealClock
from loopwright.store import open_store
from tests.connect.kit import MILL, THINGS

async def main(plant, port):
    with open_store(Path(plant)) as store:
        store.declare([MILL], [thing for thing, _ in THINGS.values()])
        async for batch in mqtt.read(mqtt.Settings(port=int(port), patience_s=20.0), THINGS, store.cursor, RealClock()):
            receipt = await asyncio.to_thread(store.put, batch)
            print("stored", receipt.stored, flush=True)
            await batch.ack()
            print("acknowledged", receipt.stored, flush=True)
        store.note_sent(batch.hop, batch.source, batch.sent)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_what_comes_back_through_mosquitto_is_what_went_out(tmp_path: Path) -> None:
    batches: list[Batch] = []
    async with mosquitto(tmp_path) as port:
        settings = mqtt.Settings(port=port, patience_s=5.0)
        reading = asyncio.ensure_future(collect(mqtt, settings, batches))
        await asyncio.sleep(0.2)
        assert await mqtt.expose(settings, THINGS, list(slices(said(3000), 40)), CLOCK) == 12_000
        await asyncio.wait_for(reading, 20)
    assert together(batches).equals(said(3000).combine_chunks())
    assert batches[-1].sent == 12_000


async def test_what_arrives_while_the_reader_is_away_waits_in_mosquitto(tmp_path: Path) -> None:
    batches: list[Batch] = []
    async with mosquitto(tmp_path / "one") as port:
        settings = mqtt.Settings(port=port, rows=20, buffer=0, patience_s=0.4)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(collect(mqtt, settings, []), 0.3)
        assert await mqtt.expose(settings, THINGS, [said(5000)], CLOCK) == 20_000  # 1,000 messages
        await asyncio.wait_for(collect(mqtt, settings, batches), 20)
    assert sum(batch.samples for batch in batches) == 20_000


async def test_mosquittos_own_client_is_heard(tmp_path: Path) -> None:
    publisher = shutil.which("mosquitto_pub")
    if publisher is None:
        pytest.skip("no mosquitto_pub here (apt-get install mosquitto-clients)")
    batches: list[Batch] = []
    async with mosquitto(tmp_path) as port:
        reading = asyncio.ensure_future(collect(mqtt, mqtt.Settings(port=port), batches))
        await asyncio.sleep(0.2)
        body = '{"t": "2026-01-31T12:00:00Z", "values": {"power": 4000, "execution": "active"}}'
        topic = ("-t", "loopwright/mill-1/json", "-q", "1", "-m", body)
        process = await asyncio.create_subprocess_exec(publisher, "-h", "127.0.0.1", "-p", str(port), *topic)
        await process.wait()
        async with asyncio.timeout(5):
            while not batches:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        reading.cancel()
    assert together(batches).column("value").to_pylist() == [4000.0, None]


async def test_a_broker_that_refuses_us_says_so(tmp_path: Path) -> None:
    port = free_port()
    config = f"listener {port} 127.0.0.1\nallow_anonymous false\nlog_dest none\n"
    process = with_config(tmp_path, config)
    try:
        await asyncio.sleep(0.3)
        with pytest.raises(LinkError, match=r"Not authorized.*check `username`, `password_env`"):
            await collect(mqtt, mqtt.Settings(port=port), [])
    finally:
        process.terminate()
        process.wait()


def with_config(folder: Path, config: str) -> subprocess.Popen[bytes]:
    (folder / "mosquitto.conf").write_text(config)
    command = [MOSQUITTO, "-c", str(folder / "mosquitto.conf")]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.mark.slow
@pytest.mark.parametrize("name", BROKERS)
async def test_a_reader_killed_in_mid_stream_loses_nothing_and_repeats_nothing(name: str, tmp_path: Path) -> None:
    table, plant, hurry = said(10_000), tmp_path / "plant", asyncio.Event()
    start: AbstractAsyncContextManager[int] = BROKERS[name](tmp_path / "broker")

    async def speaks() -> AsyncIterator[pa.Table]:
        for piece in slices(table, 100):
            yield piece
            if not hurry.is_set():
                await asyncio.sleep(0.03)

    async with start as port:
        settings = mqtt.Settings(port=port, patience_s=20.0)
        exposing = asyncio.ensure_future(mqtt.expose(settings, THINGS, speaks(), CLOCK))
        for word in ("stored", "acknowledged", "stored"):  # before and after it told the broker
            with running(READER, str(plant), str(port)) as reader:
                await line(reader, word, 2)
                assert not exposing.done()
                reader.send_signal(signal.SIGKILL)
        hurry.set()
        with running(READER, str(plant), str(port)) as reader:
            assert await asyncio.wait_for(exposing, 60) == 40_000
            while await line(reader, ""):
                pass
    with open_store(plant, read_only=True) as store:
        hop = store.hops()["mqtt"]
        kept = store.get(start_ns=T0_NS).drop_columns(["known_ns", "assumed"])
    assert (hop.out, hop.lost, hop.waiting, sum(hop.refused.values())) == (40_000, 0, 0, 0)
    by = [(word, "ascending") for word in ("thing", "signal", "t_ns", "n")]
    assert kept.combine_chunks().equals(table.sort_by(by).combine_chunks())
