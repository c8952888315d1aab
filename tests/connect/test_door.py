"""The one door to the world: what passes is exactly what was approved, in limits, in time, not too often, and safe now."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from loopwright.connect.door import Door, Peer, Rules
from loopwright.core.clock import NS_PER_S, SimClock
from loopwright.core.errors import InputError, LinkError, LoopwrightError, NotAllowed, UnitError, UnknownName
from loopwright.core.types import Command, Sent
from tests.connect.kit import MILL

CLOCK_START_NS = 1_760_000_000 * NS_PER_S
COMMAND = Command("d-1", "mill-1", "spindle.speed", 250.0, "rad/s", CLOCK_START_NS + 30 * NS_PER_S, "ann")
SAFE = Rules(low=100, high=400, per_minute=2, interlock={"door.open": (0, 0)})


class Machine:
    """A machine that remembers what it was told. reads: what its signals say (None: nothing)."""

    def __init__(self, clock: SimClock, **reads: float | None) -> None:
        self.clock, self.told, self.asked = clock, [], []
        self.reads: dict[str, float | None] = {"spindle.speed": 300.0, "door.open": 0.0} | reads

    @property
    def peer(self) -> Peer:
        return Peer(self.read_now, self.send)

    async def read_now(self, thing: str, signal: str) -> float | None:
        self.asked.append(signal)
        return self.reads[signal]

    async def send(self, command: Command) -> Sent:
        self.told.append(command.value)
        return Sent(command, command.value, self.clock.now_ns(), None)


async def test_what_is_approved_and_safe_is_sent_as_it_is() -> None:
    clock = SimClock(CLOCK_START_NS)
    machine = Machine(clock)
    sent = await Door(clock).act(COMMAND, True, MILL, SAFE, machine.peer)
    assert (sent.value, sent.before, sent.t_ns) == (250.0, 300.0, CLOCK_START_NS)
    assert machine.told == [250.0]
    assert machine.asked[-1] == "door.open", "the interlock is the last thing that is read"


@pytest.mark.parametrize(("command", "approved", "error", "message"), [
    (COMMAND, False, NotAllowed, "decision 'd-1' is not approved"),
    (replace(COMMAND, value=401.0), True, InputError, "401 rad/s; allowed: 100 to 400"),
    (replace(COMMAND, value=99.9), True, InputError, "allowed: 100 to 400"),
    (replace(COMMAND, value=float("nan")), True, InputError, "nan rad/s"),
    (replace(COMMAND, unit="rpm"), True, UnitError, "unit 'rpm'; allowed: 'rad/s'"),
    (replace(COMMAND, expires_ns=CLOCK_START_NS), True, NotAllowed, "it expired at 2025-10-09T08:53:20.000Z"),
    (replace(COMMAND, signal="spindle.sped"), True, UnknownName, "did you mean 'spindle.speed'"),
    (replace(COMMAND, signal="parts", unit="1"), True, InputError, "a counter cannot be set"),
    (replace(COMMAND, signal="execution", unit="", value=5), True, InputError, "5 is no code of it; allowed: 0 idle, 1 active"),
])
async def test_what_may_not_pass_is_refused_and_nothing_is_sent(
    command: Command, approved: bool, error: type[LoopwrightError], message: str,
) -> None:
    machine = Machine(clock := SimClock(CLOCK_START_NS))
    with pytest.raises(error, match=message):
        await Door(clock).act(command, approved, MILL, SAFE, machine.peer)
    assert machine.told == []


@pytest.mark.parametrize(("reads", "message"), [
    ({"door.open": 1.0}, "it reads 1; allowed: 0 to 0"), ({"door.open": None}, "it does not say"),
    ({"door.open": float("nan")}, "it reads nan"),
])
async def test_the_interlock_is_read_now_and_silence_is_no_yes(reads: dict[str, float | None], message: str) -> None:
    machine = Machine(clock := SimClock(CLOCK_START_NS), **reads)
    with pytest.raises(NotAllowed, match=message):
        await Door(clock).act(COMMAND, True, MILL, SAFE, machine.peer)
    assert machine.told == []


async def test_the_signals_own_limits_hold_where_the_site_sets_wider_ones() -> None:
    machine = Machine(clock := SimClock(CLOCK_START_NS))
    with pytest.raises(InputError, match="allowed: 0 to 3000"):
        await Door(clock).act(replace(COMMAND, value=3001.0), True, MILL, Rules(low=-10, high=1e9), machine.peer)


async def test_the_rate_counts_what_was_sent_before_a_restart_too() -> None:
    clock = SimClock(CLOCK_START_NS)
    machine = Machine(clock)
    door = Door(clock, [("mill-1", "spindle.speed", CLOCK_START_NS - 50 * NS_PER_S)])
    await door.act(COMMAND, True, MILL, SAFE, machine.peer)
    with pytest.raises(NotAllowed, match="2 commands in the last minute; allowed: 2 a minute"):
        await door.act(COMMAND, True, MILL, SAFE, machine.peer)
    await clock.advance(11)
    await door.act(COMMAND, True, MILL, SAFE, machine.peer)
    assert machine.told == [250.0, 250.0]


async def test_two_at_once_cannot_slip_through_one_place() -> None:
    machine = Machine(clock := SimClock(CLOCK_START_NS))
    door, once = Door(clock), replace(SAFE, per_minute=1)
    results = await asyncio.gather(
        *(door.act(COMMAND, True, MILL, once, machine.peer) for _ in range(3)), return_exceptions=True
    )
    assert sum(isinstance(result, Sent) for result in results) == 1
    assert machine.told == [250.0]


async def test_a_command_that_expires_while_the_machine_is_read_is_not_sent() -> None:
    clock = SimClock(CLOCK_START_NS)
    machine = Machine(clock)

    async def slow(thing: str, signal: str) -> float | None:
        clock.set_ns(clock.now_ns() + 40 * NS_PER_S)
        return await machine.read_now(thing, signal)

    with pytest.raises(NotAllowed, match="it expired"):
        await Door(clock).act(COMMAND, True, MILL, SAFE, Peer(slow, machine.send))
    assert machine.told == []


async def test_a_machine_that_does_not_answer_is_a_link_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loopwright.connect.door.READ_S", 0.05)
    machine = Machine(clock := SimClock(CLOCK_START_NS))

    async def never(thing: str, signal: str) -> float | None:
        await asyncio.Event().wait()
        return None

    with pytest.raises(LinkError, match="no reading within"):
        await Door(clock).act(COMMAND, True, MILL, SAFE, Peer(never, machine.send))
    assert machine.told == []
