"""The one door to the world: the only place from which the house acts on a machine.

    door = Door(clock, sent)                                      sent: what was sent before, from the events
    await door.act(command, approved, kind, rules, peer) -> Sent  or NotAllowed / InputError, and nothing was sent

A command passes when its decision is approved, its value is within the limits (it is refused, never clipped), it is not
expired, there were not too many before it, and the interlock, read just before the write, says yes.
"""

from __future__ import annotations

import asyncio
import math
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from loopwright.core.clock import NS_PER_S, Clock, iso
from loopwright.core.errors import InputError, LinkError, NotAllowed, UnitError
from loopwright.core.types import Command, Kind, Sent, Signal

READ_S = 5.0  # longest wait for the interlock


@dataclass(frozen=True)
class Rules:
    """What a site allows the house to do to one signal of one thing.

    low, high    narrower than the signal's own limits (None: those alone), in its unit
    per_minute   most commands to this signal in any 60 s
    interlock    signal of the same thing -> (lowest, highest) it must read just before the write: {"door.open": (0, 0)}
    """

    low: float | None = None
    high: float | None = None
    per_minute: int = 6
    interlock: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Peer:
    """The machine: how to read one signal of a thing now (None: it does not say), and how to write to it."""

    read_now: Callable[[str, str], Awaitable[float | None]]
    send: Callable[[Command], Awaitable[Sent]]


class Door:
    """Lets commands through, one at a time to each thing.

    clock  whose now counts for expiry and rate
    sent   (thing, signal, t_ns) of earlier commands, so that a restart does not forget the rate
    """

    def __init__(self, clock: Clock, sent: Iterable[tuple[str, str, int]] = ()) -> None:
        self._clock = clock
        self._sent: dict[tuple[str, str], deque[int]] = defaultdict(deque)
        self._locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        for thing, signal, t_ns in sorted(sent, key=lambda s: s[2]):
            self._sent[thing, signal].append(t_ns)

    async def act(self, command: Command, approved: bool, kind: Kind, rules: Rules, peer: Peer) -> Sent:
        """Sends the command and says what was really sent, with what the signal read before.

        approved  whether its decision is approved (by whom is the app's to know)
        kind      of the thing: the table that holds the signal
        Raises NotAllowed (not approved, expired, too many, interlock), InputError or UnitError (the value cannot be),
        LinkError (the machine does not answer). Whatever was raised before `peer.send`: nothing was sent.
        """
        where = f"command {command.thing}/{command.signal}"
        if not approved:
            raise NotAllowed(where, f"decision {command.decision!r} is not approved", "", "have it approved first")
        check_value(command, kind.signal(command.signal), rules, where)
        async with self._locks[command.thing]:
            self._check_time(command, where)
            self._check_rate(command, rules, where)
            before = await self._read(peer, command.thing, command.signal, where)
            await self._check_interlock(command, kind, rules, peer)
            self._check_time(command, where)  # reading took its time
            self._sent[command.thing, command.signal].append(self._clock.now_ns())
            sent = await peer.send(command)
        return replace(sent, before=before)

    def _check_time(self, command: Command, where: str) -> None:
        if self._clock.now_ns() >= command.expires_ns:
            raise NotAllowed(where, f"it expired at {iso(command.expires_ns)}", "", "decide again on what is true now")

    def _check_rate(self, command: Command, rules: Rules, where: str) -> None:
        recent = self._sent[command.thing, command.signal]
        now_ns = self._clock.now_ns()
        while recent and recent[0] <= now_ns - 60 * NS_PER_S:
            recent.popleft()
        if len(recent) >= rules.per_minute:
            raise NotAllowed(where, f"{len(recent)} commands in the last minute", f"{rules.per_minute} a minute")

    async def _check_interlock(self, command: Command, kind: Kind, rules: Rules, peer: Peer) -> None:
        for name, (low, high) in rules.interlock.items():
            kind.signal(name)
            where = f"interlock {command.thing}/{name}"
            reads = await self._read(peer, command.thing, name, where)
            if reads is None or not low <= reads <= high:
                given = "it does not say" if reads is None else f"it reads {reads:g}"
                raise NotAllowed(where, given, f"{low:g} to {high:g}", "nothing was sent")

    async def _read(self, peer: Peer, thing: str, signal: str, where: str) -> float | None:
        try:
            return await asyncio.wait_for(peer.read_now(thing, signal), READ_S)
        except TimeoutError:
            raise LinkError(where, f"no reading within {READ_S:g} s", "", "nothing was sent; check the link") from None


def check_value(command: Command, signal: Signal, rules: Rules, where: str) -> None:
    """Raises InputError unless the signal may be set to that value in its own unit; nothing is clipped or converted."""
    if command.unit != signal.unit:
        raise UnitError(where, f"unit {command.unit!r}", f"{signal.unit!r}")
    if signal.kind == "counter":
        raise InputError(where, "a counter cannot be set", "gauges and states")
    if signal.kind == "state" and command.value not in signal.codes:
        codes = ", ".join(f"{code} {word}" for code, word in signal.codes.items())
        raise InputError(where, f"{command.value:g} is no code of it", codes)
    limits = ((signal.low, signal.high), (rules.low, rules.high))
    low = max((low for low, _ in limits if low is not None), default=-math.inf)
    high = min((high for _, high in limits if high is not None), default=math.inf)
    if not (math.isfinite(command.value) and low <= command.value <= high):
        raise InputError(where, f"{command.value:g} {command.unit}".strip(), f"{low:g} to {high:g}", "nothing was sent")
