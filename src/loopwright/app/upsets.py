"""What keeps a plant's shop from working as planned, folded from events: machines down or slower, people away,
material that is late.

    upset = upsets(plant, at_ns)
    upset.end_ns("mill-1", start_ns, 600)      when an operation that began there will end

What these words mean is what `make.change.disturb` says of shops that have no events; tests hold the two together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from loopwright.app.plant import Plant
from loopwright.core.clock import NS_PER_S
from loopwright.core.types import Event
from loopwright.make.open_work import Closed, OpenOrder, Resources
from loopwright.make.shop import Operation, Shop

KINDS = ("machine.down", "machine.up", "machine.slower", "operator.away", "operator.back", "material.late")


@dataclass(frozen=True)
class Down:
    """A machine was or is down from start_ns to end_ns; open: nobody has said that it works again."""

    machine: str
    start_ns: int
    end_ns: int
    why: str
    open: bool
    event: Event


@dataclass(frozen=True)
class Upsets:
    """at_ns: the moment. slow: machine -> (factor, since ns); away: person -> spans; arrives_ns: material -> when."""

    at_ns: int
    downs: tuple[Down, ...]
    slow: Mapping[str, tuple[float, int]]
    away: Mapping[str, tuple[tuple[int, int], ...]]
    arrives_ns: Mapping[str, int]

    def down(self) -> dict[str, Down]:
        """Machines that are down at the moment."""
        return {d.machine: d for d in self.downs if d.open and d.start_ns <= self.at_ns}

    def closed(self) -> list[Closed]:
        """When machines are down from the moment on."""
        return [Closed(d.machine, max(d.start_ns, self.at_ns), d.end_ns, d.why or "down") for d in self.downs
                if d.end_ns > self.at_ns]

    def end_ns(self, machine: str, start_ns: int, seconds: int) -> int:
        """When an operation of so many seconds that began there ends: it rests while its machine is down."""
        end_ns = start_ns + seconds * NS_PER_S
        if machine in self.slow:
            factor, since_ns = self.slow[machine]
            begun_ns = max(since_ns, start_ns)
            if begun_ns < end_ns:
                end_ns = begun_ns + math.ceil((end_ns - begun_ns) / NS_PER_S * factor) * NS_PER_S
        for down in sorted(self.downs, key=lambda d: d.start_ns):
            if down.machine == machine and down.start_ns < end_ns and down.end_ns > start_ns:
                end_ns += down.end_ns - max(down.start_ns, start_ns)
        return end_ns

    def met(self, known: Resources, work: Sequence[OpenOrder]) -> Resources:
        """People and material as the site says, with what happened to them."""
        people = tuple(
            replace(one, away_ns=(*one.away_ns, *self.away[one.id])) if one.id in self.away else one
            for one in known.people)
        return replace(known, people=people, arrives_ns={**known.arrives_ns, **self.arrives_ns})

    def slowed(self, shop: Shop) -> Shop:
        """The shop with the seconds of operations that have not begun on slower machines."""
        if not self.slow:
            return shop
        return replace(shop, jobs=tuple(
            replace(job, operations=tuple(self._slower(o) for o in job.operations)) for job in shop.jobs))

    def _slower(self, operation: Operation) -> Operation:
        if operation.frozen:
            return operation
        on = tuple((m, max(1, math.ceil(s * self.slow[m][0])) if m in self.slow else s) for m, s in operation.on)
        return replace(operation, on=on)


def upsets(plant: Plant, at_ns: int) -> Upsets:
    """What is known of a plant at a moment of its own time; what begins later is known too where it was announced."""
    lasting_ns = round(float(plant.site["plan"]["down_s"]) * NS_PER_S)
    downs: dict[str, list[Down]] = {}
    slow: dict[str, tuple[float, int]] = {}
    away: dict[str, list[tuple[int, int]]] = {}
    arrives: dict[str, int] = {}
    for event in plant.store.recall(kind=KINDS):
        if event.t_ns > at_ns and event.known_ns > event.t_ns:
            continue  # it was not announced, so nobody knew of it at that moment
        body, about = event.body, event.about
        if event.kind == "machine.down":
            _say_down(downs.setdefault(about, []), _down(event, at_ns, lasting_ns))
        elif event.kind == "machine.up":
            downs[about] = [_ended(down, event.t_ns) for down in downs.get(about, ())]
            slow.pop(about, None)
        elif event.kind == "machine.slower":
            slow[about] = float(body["factor"]), event.t_ns
        elif event.kind == "operator.away":
            away.setdefault(about, []).append((int(body["start_ns"]), int(body["until_ns"])))
        elif event.kind == "operator.back":
            away[about] = [(a, min(b, event.t_ns)) for a, b in away.get(about, ()) if a < event.t_ns]
        else:
            arrives[about] = int(body["arrives_ns"])
    machines = {machine.id for machine in plant.site.machines}
    return Upsets(
        at_ns, tuple(d for name, rows in downs.items() if name in machines for d in rows if d.start_ns < d.end_ns),
        {name: rate for name, rate in slow.items() if name in machines and rate[0] != 1.0},
        {name: tuple(spans) for name, spans in away.items() if spans}, arrives)


def _say_down(rows: list[Down], down: Down) -> None:
    """A later word on a machine that is down says until when."""
    if rows and rows[-1].open and down.start_ns <= rows[-1].end_ns:
        rows[-1] = replace(down, start_ns=min(rows[-1].start_ns, down.start_ns))
    else:
        rows.append(down)


def _down(event: Event, at_ns: int, lasting_ns: int) -> Down:
    """Until when it is taken to last: as was said; else so long; and when that has passed, a quarter of it again."""
    until_ns = int(event.body["until_ns"]) or event.t_ns + lasting_ns
    if until_ns <= at_ns and not event.body["until_ns"]:
        until_ns = at_ns + max((at_ns - event.t_ns) // 4, 60 * NS_PER_S)
    return Down(event.about, event.t_ns, until_ns, str(event.body["why"]), True, event)


def _ended(down: Down, t_ns: int) -> Down:
    return replace(down, end_ns=min(down.end_ns, max(t_ns, down.start_ns)), open=False)
