"""OPC UA against itself and against a plain asyncua server: bytes, history, resume, repair, refusals, writes.

Outside peers: test_peer_node_opcua.py. What goes round over the loopback: tests/every/test_protocols.py.
"""

from __future__ import annotations

import asyncio
import dataclasses
import re
import struct
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from loopwright.connect import opcua
from loopwright.connect.batch import Frame, from_columns, slices
from loopwright.connect.opcua import codec
from loopwright.connect.opcua.codec import Column
from loopwright.connect.opcua.history import Series
from loopwright.connect.opcua.link import _slow
from loopwright.connect.wire import free_port
from loopwright.core.clock import RealClock
from loopwright.core.errors import LinkError, SiteError, UnitError, UnknownName
from loopwright.core.types import Batch, Command
from tests.connect import victim
from tests.connect.kit import MILL, T0_NS, THINGS, collect, said, together

pytest.importorskip("asyncua", reason="asyncua is not installed (pip install 'loopwright[opcua]')")
CLOCK = RealClock()
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "connect-opcua.md"


def column(times: list[int], values: list[float], **given: Any) -> Column:
    count = len(times)
    default = {"n": [0] * count, "gap": [False] * count, "quality": [0] * count, "arrival": [5] * count} | given
    return Column(
        np.array(times, dtype=np.int64), np.array(default["n"], dtype=np.int32), np.array(values),
        np.array(default["gap"], dtype=bool), np.array(default["quality"], dtype=np.int8),
        np.array(default["arrival"], dtype=np.int64))


def in_order(table: pa.Table) -> pa.Table:
    return table.sort_by([(name, "ascending") for name in ("thing", "signal", "t_ns", "n")]).combine_chunks()


@asynccontextmanager
async def served(settings: opcua.Settings, batches: Any, **more: Any) -> AsyncIterator[asyncio.Task[int]]:
    """A server of ours while the block runs."""
    ready = asyncio.Event()
    task = asyncio.create_task(opcua.expose(settings, THINGS, batches, CLOCK, ready, **more))
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


# bytes -----------------------------------------------------------------------------------------------------------------


def test_a_data_value_has_the_bytes_of_the_specification() -> None:
    """By hand after OPC 10000-6 5.2.2.17: mask 0x1F, Double 1.0, Uncertain, time, picoseconds, server time.

    2000-01-01 UTC is 125 911 584 000 000 000 ticks of 100 ns after 1601-01-01 (145 731 days).
    """
    t_ns = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp()) * 10**9 + 42
    data = codec.encode(column([t_ns], [1.0], quality=[1], n=[3], arrival=[7]), "gauge")
    ticks = 145_731 * 86_400 * 10**7
    assert data == bytes([0x1F, 11]) + struct.pack("<dIqHq", 1.0, 0x40000000, ticks, 42 * 100 + 3, 7)


def test_what_asyncua_encodes_is_decoded_to_the_same_numbers() -> None:
    from asyncua import ua
    from asyncua.ua.ua_binary import struct_to_binary

    when = datetime(2025, 5, 17, 12, 0, 0, 123456, tzinfo=UTC)
    sent = [
        ua.DataValue(ua.Variant(0.1, ua.VariantType.Double), SourceTimestamp=when),
        ua.DataValue(ua.Variant(-3, ua.VariantType.Int16), ua.StatusCode(0x80000000), when, when),
        ua.DataValue(ua.Variant("active", ua.VariantType.String), SourceTimestamp=when),
        ua.DataValue(ua.Variant([1.0, 2.0], ua.VariantType.Double), SourceTimestamp=when),
        ua.DataValue(ua.Variant(None, ua.VariantType.Null), ua.StatusCode(0x809B0000), when),
    ]
    data = b"".join(struct_to_binary(value) for value in sent)
    runs, end = codec.decode(data, 0, len(sent), _slow)
    assert end == len(data)
    assert [None if run.value is None else list(run.value) for run in runs] == [[0.1], [-3], ["active"], [[1.0, 2.0]], None]
    assert {int(run.t_ns[0]) for run in runs} == {int(when.timestamp()) * 10**9 + 123_456_000}
    assert [int(codec.quality_of(run.status)[0]) for run in runs] == [0, 2, 0, 0, 2]


def test_asyncua_reads_what_we_encode() -> None:
    from asyncua import ua
    from asyncua.common.utils import Buffer
    from asyncua.ua.ua_binary import struct_from_binary

    data = codec.encode(column([T0_NS, T0_NS + 100], [1.5, 0.0], gap=[False, True], quality=[2, 0]), "gauge", server_time=False)
    buffer = Buffer(data)
    one, two = (struct_from_binary(ua.DataValue, buffer) for _ in range(2))
    assert one.Value.Value == 1.5
    assert one.StatusCode.value == ua.StatusCodes.Bad
    assert one.SourceTimestamp == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=T0_NS // 1000)
    assert two.StatusCode.value == ua.StatusCodes.GoodNoData


def test_the_run_decoder_agrees_with_one_value_after_the_other() -> None:
    rng = np.random.default_rng(4)
    count = 500
    mixed = column(
        (T0_NS + rng.integers(0, 10**9, count)).tolist(), rng.normal(size=count).tolist(),
        gap=(rng.random(count) < 0.4).tolist(), quality=rng.integers(0, 3, count).tolist(), n=rng.integers(0, 3, count).tolist())
    data = codec.encode(mixed, "gauge")
    runs, _ = codec.decode(data, 0, count, _slow)
    singles, offset = [], 0
    for _ in range(count):
        (run,), offset = codec.decode(data, offset, 1, _slow)
        singles.append(run)
    for name in ("t_ns", "n", "status", "arrival"):
        assert np.array_equal(np.concatenate([getattr(r, name) for r in runs]), np.concatenate([getattr(r, name) for r in singles]))
    values = [None if run.value is None else value for run in runs for value in (run.value if run.value is not None else run.t_ns)]
    assert values == [None if run.value is None else run.value[0] for run in singles]


def test_bytes_that_end_too_early_are_a_link_error() -> None:
    data = codec.encode(column([T0_NS, T0_NS + 1], [1.0, 2.0]), "gauge")
    with pytest.raises(LinkError, match="cut short"):
        codec.decode(data[:-3], 0, 2, _slow)


# history ---------------------------------------------------------------------------------------------------------------


def test_late_samples_find_their_place_in_the_history() -> None:
    series = Series(whole=False, limit=1000)
    series.add(column([10, 20, 30], [1, 2, 3]))
    series.add(column([25, 5], [2.5, 0.5]))
    series.add(column([30], [3.1], n=[1]))
    found, point = series.page(None, None, 100)
    assert found.t_ns.tolist() == [5, 10, 20, 25, 30, 30]
    assert found.value.tolist() == [0.5, 1, 2, 2.5, 3, 3.1]
    assert point == b""


def test_pages_of_history_give_every_sample_once_even_when_late_ones_come_between() -> None:
    series = Series(whole=True, limit=1000)
    series.add(column(list(range(0, 100, 10)), list(range(10))))
    first, point = series.page(0, None, 4)
    series.add(column([15, 55], [100, 101], arrival=[9, 9]))
    second, point = series.page(0, None, 100, point)
    assert first.t_ns.tolist() == [0, 10, 20, 30]
    assert second.t_ns.tolist() == [40, 50, 55, 60, 70, 80, 90]
    assert point == b""
    backwards, _ = series.page(60, 20, 3)  # OPC 10000-11 6.5.3: a start later than the end reads backwards
    assert backwards.t_ns.tolist() == [60, 55, 50]


def test_a_full_history_forgets_the_oldest() -> None:
    series = Series(whole=False, limit=100)
    for start in range(0, 1000, 30):
        series.add(column(list(range(start, start + 30)), [0.0] * 30))
    kept = series.all().t_ns
    assert 45 <= len(kept) <= 100
    assert kept.tolist() == list(range(int(kept[0]), 1020))


# reading our own -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_what_the_link_drops_is_counted_as_lost() -> None:
    settings = opcua.Settings(port=free_port())
    tables = list(slices(said(100), 80))
    batches: list[Batch] = []
    async with served(settings, [Frame(t, "drop" if i == 2 else "now") for i, t in enumerate(tables)]) as task:
        await collect(opcua, settings, batches)
        assert await task == 400
    assert together(batches).num_rows == 320
    assert batches[-1].sent == 400


@pytest.mark.slow
async def test_a_live_stream_with_late_and_jumping_times_comes_once() -> None:
    """Frames arrive while the reader listens: rows of an hour ago, a clock that jumps ahead and back."""
    settings, batches = opcua.Settings(port=free_port(), publish_s=0.05), []
    whole = said(300)
    times = whole.column("t_ns").to_numpy().copy()
    times[400:420] -= 3_600_000_000_000
    times[600:800] += 7_200_000_000_000
    whole = whole.set_column(2, "t_ns", pa.array(times))

    async def live() -> AsyncIterator[pa.Table]:
        for table in slices(whole, 40):
            yield table
            await asyncio.sleep(0.02)

    async with served(settings, live()):
        await asyncio.wait_for(collect(opcua, settings, batches), 20)
    assert in_order(together(batches)).equals(in_order(whole))
    assert len([batch for batch in batches if batch.samples]) > 3, "it came live, not in one piece"


@pytest.mark.slow
async def test_a_reader_resumes_after_the_newest_stored_time_of_each_signal() -> None:
    settings, whole, over = opcua.Settings(port=free_port()), said(200), asyncio.Event()

    async def speaks() -> AsyncIterator[pa.Table]:
        yield whole
        await over.wait()

    async with served(settings, speaks()):
        first: list[Batch] = []
        async with aclosing(opcua.read(settings, THINGS, lambda _: None, CLOCK)) as stream:
            first.append(await anext(stream))
        stored = first[0].table
        newest = {name: int(stored.filter(pa.compute.equal(stored.column("signal"), name)).column("t_ns").to_numpy()[:500].max())
                  for name in ("spindle.speed", "power", "parts", "execution")}
        newest |= {"parts": T0_NS + 50 * 100_000_000}
        over.set()
        again: list[Batch] = []
        async with aclosing(opcua.read(settings, THINGS, lambda _: None, CLOCK, newest=lambda _, s: newest.get(s))) as stream:
            async for batch in stream:
                again.append(batch)
    counts = {row["signal"]: row["n_count"] for row in together(again).group_by("signal").aggregate([("n", "count")]).to_pylist()}
    assert counts == {"spindle.speed": 1, "power": 1, "parts": 150, "execution": 1}, "the newest itself, and what is after it"
    assert again[-1].sent == 800


@pytest.mark.slow
async def test_a_sample_that_came_late_while_nobody_listened_is_not_missed() -> None:
    """The newest stored time is later than the late sample's: the server says how far back to look (Behind)."""
    settings, go, over = opcua.Settings(port=free_port()), asyncio.Event(), asyncio.Event()
    late = from_columns("mill-1", [T0_NS + 50], {"power": [77.0]}, MILL)

    async def speaks() -> AsyncIterator[pa.Table]:
        yield said(100)
        await go.wait()
        yield late
        await over.wait()

    async with served(settings, speaks()):
        async with aclosing(opcua.read(settings, THINGS, lambda _: None, CLOCK)) as stream:
            first = (await anext(stream)).table
        newest = int(first.column("t_ns").to_numpy().max())
        go.set()
        over.set()
        again: list[Batch] = []
        async with aclosing(opcua.read(settings, THINGS, lambda _: None, CLOCK, newest=lambda *_: newest)) as stream:
            async for batch in stream:
                again.append(batch)
    assert late.to_pylist()[0] in together(again).to_pylist()


@pytest.mark.slow
async def test_a_reader_finds_its_server_again_and_misses_nothing() -> None:
    settings, batches = opcua.Settings(port=free_port(), timeout_s=2.0, epoch="one"), []
    whole, seen, over = said(200), asyncio.Event(), asyncio.Event()
    half = whole.num_rows // 2

    async def until(tables: list[pa.Table], event: asyncio.Event) -> AsyncIterator[pa.Table]:
        for table in tables:
            yield table
        await event.wait()

    async def listen() -> None:
        async for batch in opcua.read(settings, THINGS, lambda _: None, CLOCK):
            batches.append(batch)
            if sum(b.table.num_rows for b in batches) >= half:
                seen.set()

    async with served(settings, until([whole.slice(0, half)], asyncio.Event())):
        reading = asyncio.create_task(listen())
        await asyncio.wait_for(seen.wait(), 10)
    over.set()
    async with served(settings, until([whole.slice(0, half), whole.slice(half)], over)):
        await asyncio.wait_for(reading, 20)
    rows = {tuple(row.values()) for row in together(batches).to_pylist()}
    assert rows == {tuple(row.values()) for row in whole.to_pylist()}


# reading others --------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def plain_server(port: int, history: bool) -> AsyncIterator[tuple[Any, Any, dict[str, Any]]]:
    """A server as asyncua makes them: no counters, values in rpm, states as words."""
    from asyncua import Server, ua

    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    index = await server.register_namespace("urn:somebody")
    body = await server.nodes.objects.add_object(index, "Machine")
    nodes = {
        "spindle.speed": await body.add_variable(ua.NodeId("Speed", index), "Speed", 0.0),
        "execution": await body.add_variable(ua.NodeId("State", index), "State", "idle"),
        "parts": await body.add_variable(ua.NodeId("Parts", index), "Parts", 0, ua.VariantType.UInt32),
        "Final": await body.add_variable(ua.NodeId("Final", index), "Final", False),
    }
    async with server:
        if history:
            for node in nodes.values():
                await server.historize_node_data_change(node, None, 0)
        yield server, ua, nodes


def mapped(port: int, **more: Any) -> opcua.Settings:
    nodes = {"spindle.speed": "ns=2;s=Speed", "execution": "ns=2;s=State", "parts": "ns=2;s=Parts", "Final": "ns=2;s=Final"}
    return opcua.Settings(url=f"opc.tcp://127.0.0.1:{port}", nodes=nodes, units={"spindle.speed": "rpm"}, publish_s=0.05, **more)


async def change(server: Any, ua: Any, node: Any, value: Any, t_ns: int, scalar: Any) -> None:
    when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=t_ns // 1000)
    await server.write_attribute_value(node.nodeid, ua.DataValue(ua.Variant(value, scalar), SourceTimestamp=when))


@pytest.mark.slow
async def test_changes_of_a_foreign_server_become_rows_in_inside_units() -> None:
    port, batches = free_port(), []
    async with plain_server(port, history=False) as (server, ua, nodes):
        reading = asyncio.create_task(collect(opcua, mapped(port), batches))
        await asyncio.sleep(0.5)
        for i, word in enumerate(("active", "IDLE", "broken")):
            t_ns = T0_NS + i * 10**9
            await change(server, ua, nodes["spindle.speed"], 3000.0 + i, t_ns, ua.VariantType.Double)
            await change(server, ua, nodes["execution"], word, t_ns, ua.VariantType.String)
            await change(server, ua, nodes["parts"], i, t_ns, ua.VariantType.UInt32)
            await asyncio.sleep(0.1)
        await change(server, ua, nodes["Final"], True, T0_NS, ua.VariantType.Boolean)
        await asyncio.wait_for(reading, 10)
    rows = [row for row in together(batches).to_pylist() if row["t_ns"] < 2 * T0_NS - 1 and row["t_ns"] >= T0_NS]
    rows = [row for row in rows if row["t_ns"] <= T0_NS + 2 * 10**9]
    speeds = [row["value"] for row in rows if row["signal"] == "spindle.speed"]
    assert speeds == pytest.approx([314.159265, 314.263985, 314.368705])  # 3000 rpm = 100 pi rad/s
    assert [row["code"] for row in rows if row["signal"] == "execution"] == [1, 0]
    assert [row["code"] for row in rows if row["signal"] == "parts"] == [0, 1, 2]
    assert sum(sum(batch.refused.values()) for batch in batches) == 1, "'broken' is no word of the state"
    assert {batch.sent for batch in batches} == {None}, "nobody counts there"


@pytest.mark.slow
async def test_messages_that_got_lost_are_filled_from_history() -> None:
    """The server loses a message with two changes and cannot send it again: its number is missing."""
    port, batches = free_port(), []
    async with plain_server(port, history=True) as (server, ua, nodes):
        reading = asyncio.create_task(collect(opcua, mapped(port), batches))
        await asyncio.sleep(0.5)
        (subscription,) = [s for s in server.iserver.subscription_service.subscriptions.values() if s.pub_request_callback]
        for i in range(6):
            await change(server, ua, nodes["spindle.speed"], float(i), T0_NS + i * 10**9, ua.VariantType.Double)
            if i in (2, 3):  # what a full queue does: gone, but numbered
                subscription._triggered_datachanges.clear()
                subscription._notification_seq += 1
            await asyncio.sleep(0.1)
        await change(server, ua, nodes["Final"], True, T0_NS, ua.VariantType.Boolean)
        await asyncio.wait_for(reading, 10)
    times = {row["t_ns"] for row in together(batches).to_pylist() if row["signal"] == "spindle.speed"}
    assert {T0_NS + i * 10**9 for i in range(6)} <= times


# refusals --------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_a_server_without_the_thing_or_the_node_says_what_is_missing() -> None:
    port = free_port()
    async with plain_server(port, history=False):
        with pytest.raises(LinkError, match=r"urn:loopwright:mill-1.*urn:somebody.*map its nodes"):
            await anext(opcua.read(opcua.Settings(port=port), THINGS, lambda _: None, CLOCK))
        wrong = opcua.Settings(port=port, nodes={"power": "ns=2;s=Powr"})
        with pytest.raises(LinkError, match=r"no node for mill-1/power \(ns=2;s=Powr\)"):
            await anext(opcua.read(wrong, THINGS, lambda _: None, CLOCK))
        with pytest.raises(LinkError, match="is no node id"):
            await anext(opcua.read(opcua.Settings(port=port, nodes={"power": "Power"}), THINGS, lambda _: None, CLOCK))
        with pytest.raises(UnknownName, match=r"spindle\.sped.*spindle\.speed"):
            await anext(opcua.read(opcua.Settings(port=port, nodes={"spindle.sped": "i=1"}), THINGS, lambda _: None, CLOCK))


async def test_settings_that_cannot_be_are_refused_at_birth() -> None:
    with pytest.raises(SiteError, match="is no OPC UA address"):
        opcua.Settings(url="http://127.0.0.1")
    with pytest.raises(UnitError, match="is not known"):
        opcua.Settings(units={"power": "horses"})
    with pytest.raises(UnitError, match="gives 'm'"):
        await anext(opcua.read(opcua.Settings(units={"power": "mm"}), THINGS, lambda _: None, CLOCK))


async def test_a_port_that_is_taken_is_named() -> None:
    port = free_port()
    taken = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", port)
    async with taken:
        with pytest.raises(LinkError, match=f"port {port}.*is taken"):
            await opcua.expose(opcua.Settings(port=port), THINGS, [], CLOCK)


async def test_a_peer_that_speaks_something_else_is_a_link_error() -> None:
    port = free_port()

    async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answers, "127.0.0.1", port):
        with pytest.raises(LinkError, match=f"127.0.0.1:{port}"):
            await anext(opcua.read(opcua.Settings(port=port, timeout_s=0.5), THINGS, lambda _: None, CLOCK))


@pytest.mark.slow
async def test_a_signal_that_the_kind_lacks_is_not_served() -> None:
    table = from_columns("mill-1", [T0_NS], {"power": [1.0]}, MILL)
    with pytest.raises(UnknownName, match="'pawer'"):
        await opcua.expose(opcua.Settings(port=free_port()), THINGS, [table.set_column(1, "signal", pa.array(["pawer"]))], CLOCK)


# writing ---------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_a_written_value_reaches_the_device_and_says_what_stood_there() -> None:
    settings, obeyed = opcua.Settings(port=free_port()), []
    command = Command("d-1", "mill-1", "spindle.speed", 250.0, "rad/s", 2**62, "anna")
    async with served(settings, [said(1)], obey=lambda *given: obeyed.append(given)):
        sent = await opcua.write(settings, command, CLOCK)
    assert obeyed == [("mill-1", "spindle.speed", 250.0)]
    assert sent.value == 250.0
    assert sent.before == pytest.approx(said(1).column("value")[0].as_py())


@pytest.mark.slow
async def test_a_write_goes_out_in_the_unit_of_the_server() -> None:
    port = free_port()
    async with plain_server(port, history=False) as (_, _, nodes):
        await nodes["spindle.speed"].set_writable()
        command = Command("d-1", "mill-1", "spindle.speed", 100 * np.pi, "rad/s", 2**62, "anna")
        sent = await opcua.write(mapped(port), command, CLOCK)
        assert await nodes["spindle.speed"].read_value() == pytest.approx(3000.0)
    assert sent.value == pytest.approx(100 * np.pi)


@pytest.mark.slow
async def test_a_node_that_may_not_be_written_is_a_link_error() -> None:
    settings = opcua.Settings(port=free_port())
    async with served(settings, [said(1)]):
        with pytest.raises(LinkError, match="refused 250"):
            await opcua.write(settings, Command("d-1", "mill-1", "power", 250.0, "W", 2**62, "anna"), CLOCK)


# killed ----------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_a_reader_that_is_killed_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    with await victim.survive("opcua", tmp_path) as store:
        victim.check(store)


# the page --------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_the_page_has_every_setting_and_its_code_runs() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for setting in dataclasses.fields(opcua.Settings):
        assert f"`{setting.name}`" in text
    names: dict[str, Any] = {"__name__": "page"}
    exec(compile("\n".join(re.findall(r"```python\n(.*?)```", text, re.S)), PAGE.name, "exec"), names)
    sent, batches = await names["main"]()
    assert sent == batches[-1].sent == sum(batch.samples for batch in batches) == 4
