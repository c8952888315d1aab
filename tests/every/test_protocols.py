"""The examiner of every protocol: over the loopback, what comes back is what went out, and every sample is counted."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from loopwright.connect.batch import Things, from_columns, slices
from loopwright.connect.wire import from_table
from loopwright.core import plug
from loopwright.core.clock import RealClock
from loopwright.core.errors import LinkError, UnknownName
from loopwright.core.types import POINTS_IN, Batch, Kind, Signal, Thing
from tests.every.loopback import LOOPBACK, Ends

PROTOCOLS = sorted(plug.find("connect"))
SAW = Kind("saw", "A machine with one signal of each kind.", (
    Signal("spindle.speed", "rad/s", "gauge", 10, 0, 2000, "How fast the spindle turns."),
    Signal("vibration", "m/s2", "gauge", None, None, None, "Acceleration of the head."),
    Signal("parts", "1", "counter", None, 0, None, "Parts made since it was switched on."),
    Signal("execution", "", "state", None, None, None, "What it is doing.", {0: "idle", 1: "active", 2: "stopped"}),
))
THINGS: Things = {name: (Thing(name, "saw"), SAW) for name in ("saw-1", "saw.b_2")}
T0_NS = 1_760_000_000_000_000_000


def said_by(thing: str, rows: int, seed: int) -> pa.Table:
    """What a thing says: full precision, gaps, doubtful and bad values, two values of the same time, one that is late."""
    rng = np.random.default_rng(seed)
    speed = rng.normal(300, 40, rows)
    vibration = rng.normal(0, 1e-7, rows)
    speed[5], vibration[7:9] = np.nan, np.nan
    speed[0], vibration[0] = 0.1 + 0.2, 5e-324  # both need all 64 bits
    parts = np.ma.masked_array(np.arange(rows) + 2**53, mask=np.arange(rows) == 3)
    quality = np.where(np.arange(rows) % 11 == 4, 1, 0)
    quality[6] = 2
    times = T0_NS + np.arange(rows) * 100_000_001
    times[10] = times[9]  # told apart by n
    times[20], times[21] = times[21], times[20]  # late
    columns = {"spindle.speed": speed, "vibration": vibration, "parts": parts, "execution": rng.integers(0, 3, rows)}
    return from_columns(thing, times, columns, SAW, quality)


TABLES = [said_by(thing, 400, seed) for seed, thing in enumerate(THINGS)]
SAID = pa.concat_tables(TABLES)


async def speaks(until: asyncio.Event) -> AsyncIterator[pa.Table]:
    """Both things in turn, a few rows at a time, and then silence until the event."""
    for one, two in zip(*(slices(table, 97) for table in TABLES), strict=True):
        yield one
        yield two
        await asyncio.sleep(0)
    await until.wait()


def in_order(table: pa.Table) -> pa.Table:
    return table.sort_by([(name, "ascending") for name in ("thing", "signal", "t_ns", "n")]).combine_chunks()


def together(batches: list[Batch]) -> pa.Table:
    return pa.concat_tables([batch.table for batch in batches] or [POINTS_IN.empty_table()])


async def collect(module: Any, ends: Ends, into: list[Batch], cursor: Callable[[str], int | None]) -> None:
    async with aclosing(module.read(ends.read, THINGS, cursor, RealClock())) as stream:
        async for batch in stream:
            into.append(batch)
            if batch.ack is not None:
                await batch.ack()


async def start(module: Any, ends: Ends, batches: Any, reading: Callable[[], Any]) -> tuple[asyncio.Task, asyncio.Task]:
    """Both ends as tasks, in the order that the protocol needs: (reading, exposing)."""
    ready = asyncio.Event()
    if ends.first == "read":
        read = asyncio.ensure_future(reading())
        await asyncio.sleep(0.2)
        return read, asyncio.ensure_future(module.expose(ends.expose, THINGS, batches, RealClock(), ready))
    expose = asyncio.ensure_future(module.expose(ends.expose, THINGS, batches, RealClock(), ready))
    if ends.first == "whole":
        await expose
    else:
        waits = asyncio.ensure_future(ready.wait())
        await asyncio.wait([waits, expose], timeout=20, return_when=asyncio.FIRST_COMPLETED)
        waits.cancel()
        if expose.done():
            expose.result()
    return asyncio.ensure_future(reading()), expose


def numbers_of(batches: list[Batch]) -> dict[str, list[int]]:
    """source -> the numbers of its samples, sorted, of batches that have any."""
    found: dict[str, list[int]] = {}
    for batch in batches:
        if batch.sequence is not None:
            found.setdefault(batch.source, []).extend(range(batch.sequence, batch.sequence + batch.samples))
    return {source: sorted(numbers) for source, numbers in found.items()}


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_protocol_has_a_loopback_and_the_verbs(name: str) -> None:
    module = plug.load("connect", name)
    assert name in LOOPBACK, f"say in tests/every/loopback.py how {name} is started"
    assert inspect.isasyncgenfunction(module.read)
    assert inspect.iscoroutinefunction(module.expose)
    assert dataclasses.is_dataclass(module.Settings)
    assert module.Settings.__dataclass_params__.frozen
    assert len(dataclasses.fields(module.Settings)) <= 12
    assert module.Settings.__doc__
    for field in dataclasses.fields(module.Settings):
        assert field.name in module.Settings.__doc__, f"setting {field.name} of {name} is not explained"


@pytest.mark.parametrize("name", PROTOCOLS)
def test_an_unknown_setting_is_refused_by_name(name: str) -> None:
    with pytest.raises(UnknownName, match="there is no 'prot'"):
        from_table(plug.load("connect", name).Settings, {"prot": 1}, f"connect.{name}")


@pytest.mark.parametrize("name", PROTOCOLS)
async def test_what_comes_back_is_what_went_out(name: str, tmp_path: Path) -> None:
    module, batches, over = plug.load("connect", name), [], asyncio.Event()
    over.set()
    async with LOOPBACK[name](tmp_path) as ends:
        reading, exposing = await start(module, ends, speaks(over), lambda: collect(module, ends, batches, lambda _: None))
        sent = await asyncio.wait_for(exposing, 30)
        await asyncio.wait_for(reading, 30)
    assert in_order(together(batches)).equals(in_order(SAID))
    assert sent == SAID.num_rows
    last = {batch.source: batch.sent for batch in batches}
    assert sum(last.values()) == sent, "the sender's own counts add up to what it sent"
    assert {batch.hop for batch in batches} == {name}
    assert all(source.startswith(f"{name}/") for source in last)
    assert not any(batch.refused for batch in batches)
    for source, numbers in numbers_of(batches).items():
        assert numbers == list(range(last[source])), "every number once"


@pytest.mark.parametrize("name", PROTOCOLS)
async def test_what_was_not_acknowledged_comes_again(name: str, tmp_path: Path) -> None:
    module, batches, over = plug.load("connect", name), [], asyncio.Event()

    async def look_and_leave() -> None:
        async with aclosing(module.read(ends.read, THINGS, lambda _: None, RealClock())) as stream:
            async for batch in stream:
                if batch.samples:
                    return  # seen, never acknowledged

    async with LOOPBACK[name](tmp_path) as ends:
        if ends.first == "whole":
            over.set()
        leaving, exposing = await start(module, ends, speaks(over), look_and_leave)
        await asyncio.wait_for(leaving, 20)
        reading = asyncio.ensure_future(collect(module, ends, batches, lambda _: None))
        for _ in range(100):
            await asyncio.sleep(0.1)
            if together(batches).num_rows >= SAID.num_rows:
                break
        over.set()
        await asyncio.wait_for(exposing, 30)
        await asyncio.wait_for(reading, 30)
    rows = {tuple(row.values()) for row in together(batches).to_pylist()}
    assert {tuple(row.values()) for row in SAID.to_pylist()} <= rows


@pytest.mark.parametrize("name", PROTOCOLS)
async def test_a_peer_that_is_not_there_is_a_link_error_that_names_it(name: str, tmp_path: Path) -> None:
    module = plug.load("connect", name)
    async with LOOPBACK[name](tmp_path) as ends:
        if ends.nobody is None:
            pytest.skip(f"{name} is read without a peer")
        with pytest.raises(LinkError, match=r"127\.0\.0\.1"):
            async with asyncio.timeout(20), aclosing(module.read(ends.nobody, THINGS, lambda _: None, RealClock())) as stream:
                await anext(stream)
