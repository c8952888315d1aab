import asyncio

import pytest

from loopwright.core.clock import NS_PER_S, RealClock, SimClock, from_iso, iso


async def test_sleepers_wake_in_the_order_of_their_times():
    clock, woke = SimClock(0), []

    async def sleeper(seconds):
        await clock.sleep(seconds)
        woke.append((seconds, clock.now_ns()))

    tasks = [asyncio.create_task(sleeper(s)) for s in (3, 1, 2)]
    await clock.advance(2.5)
    assert woke == [(1, NS_PER_S), (2, 2 * NS_PER_S)]
    await clock.advance(1)
    assert [s for s, _ in woke] == [1, 2, 3]
    await asyncio.gather(*tasks)


def test_a_simulated_clock_stands_still_and_can_jump_back():
    clock = SimClock(10)
    assert clock.now_ns() == clock.now_ns() == 10
    clock.set_ns(5)
    assert clock.now_ns() == 5


async def test_the_real_clock_moves():
    clock = RealClock()
    before = clock.now_ns()
    await clock.sleep(0.001)
    assert clock.now_ns() > before


def test_iso_times_go_there_and_back_and_need_a_zone():
    assert iso(from_iso("2026-01-05T06:00:00.250+01:00")) == "2026-01-05T05:00:00.250Z"
    assert from_iso("1970-01-01T00:00:01Z") == NS_PER_S
    with pytest.raises(ValueError, match="names no time zone"):
        from_iso("2026-01-05T06:00:00")
