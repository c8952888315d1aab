"""A recording says all of itself, once, in order, at the speed it is asked for."""

from __future__ import annotations

import asyncio

import numpy as np
import pyarrow as pa
import pytest

from loopwright.core.clock import RealClock, SimClock
from loopwright.core.errors import InputError, UnknownName
from loopwright.core.types import POINTS_IN
from loopwright.packs.shop_floor.signals import MILL
from loopwright.twins.recording import frames, replay, rows

MS = 10**6


def table_of(t_ms: list[int]) -> pa.Table:
    return rows("mill-1", np.array(t_ms) * MS, {"s.velocity": np.arange(len(t_ms), dtype=float)}, MILL)


def test_rows_hold_gauges_as_values_and_states_as_codes() -> None:
    table = rows("mill-1", [5, 6], {"s.velocity": [1.5, 2.5], "machine.state": [1, 0]}, MILL)
    assert table.schema == POINTS_IN
    assert table.column("value").to_pylist() == [1.5, None, 2.5, None]
    assert table.column("code").to_pylist() == [None, 1, None, 0]
    with pytest.raises(UnknownName, match=r"s\.velocity"):
        rows("mill-1", [5], {"s.velocty": [1.0]}, MILL)


def test_the_frames_together_are_the_recording_in_order_of_time() -> None:
    table = table_of([300, 0, 100, 200, 1500, 1600, 9000])
    pieces = list(frames(table, 1.0))
    assert [piece.num_rows for piece in pieces] == [4, 2, 1]
    assert pa.concat_tables(pieces) == table.sort_by("t_ns")


def test_an_empty_recording_says_nothing_and_a_chunk_of_no_length_is_refused() -> None:
    assert list(frames(table_of([]), 1.0)) == []
    with pytest.raises(InputError, match="chunk_s"):
        list(frames(table_of([0]), 0.0))


async def test_at_double_speed_ten_recorded_seconds_take_five() -> None:
    clock = SimClock(start_ns=0)
    heard: list[tuple[int, int]] = []

    async def listen() -> None:
        async for frame in replay(table_of([0, 4000, 10_000]), clock, 1.0, speed=2.0):
            heard.append((frame.column("t_ns")[0].as_py(), clock.now_ns()))

    task = asyncio.create_task(listen())
    for _ in range(5):
        await asyncio.sleep(0)
    for _ in range(20):
        await clock.advance(0.5)
    await task
    assert heard == [(0, 0), (4000 * MS, 2000 * MS), (10_000 * MS, 5000 * MS)]


async def test_without_a_speed_it_waits_for_nothing() -> None:
    seen = [frame.num_rows async for frame in replay(table_of([0, 3_600_000]), RealClock(), 1.0)]
    assert seen == [1, 1]
    with pytest.raises(InputError, match="speed"):
        async for _ in replay(table_of([0]), RealClock(), 1.0, speed=0.0):
            pass
