"""The watch service on a plant: state folded from events in, events out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from loopwright.app.plant import Plant
from loopwright.app.site import Site, limit_of
from loopwright.core.types import Event
from loopwright.serve import watch as service
from loopwright.serve.watch import life

STATE = "machine.state"  # the signal whose words suppress by design


@dataclass(frozen=True)
class Rules:
    """The site's [watch] table. escalate: what becomes of an alarm that nobody acknowledges; stale_s: after how long a
    standing alarm is stale; operators: who watch at the same time; off: words of machine.state."""

    escalate: life.Escalation
    stale_s: float
    operators: int
    off: frozenset[str]
    down: bool


def rules_of(site: Site) -> Rules:
    """How alarms are followed in this plant."""
    table = site["watch"]
    escalate = life.Escalation(60.0 * float(table["escalate_min"]), tuple(table["escalate_to"]))
    off = frozenset(str(word).lower() for word in table["suppress_states"])
    return Rules(escalate, 3600.0 * float(table["stale_h"]), int(table["operators"]), off, bool(table["suppress_down"]))


def settings_of(plant: Plant, ended: frozenset[str] = frozenset(), since_ns: int = 0) -> service.Settings:
    """How long each listened machine may be silent, and the limits of its signals, from the site."""
    silent_s = {m.id: float(m.stale_after_s) for m in plant.site.machines if m.link}
    kinds = {kind.name: kind for kind in plant.site.all_kinds}
    limits = tuple(
        limit_of(row, m.id, kinds[m.kind].signal(str(row["signal"])).unit)
        for m in plant.site.machines
        for row in m.limits
    )
    return service.Settings(silent_s=silent_s, since_ns=since_ns, ended=ended, limits=limits)


class Watch:
    """The watch of one plant: what it has seen of the events so far, so that each is read once."""

    def __init__(self, plant: Plant) -> None:
        self.plant, self.rules = plant, rules_of(plant.site)
        self._settings = settings_of(plant)
        self._state: life.State = {}
        self._after = ""
        self._down: dict[str, str] = {}

    def look(
        self, now_ns: int, ended: frozenset[str] = frozenset(), since_ns: int = 0, seen: service.Seen | None = None,
        *, escalate: bool = True,
    ) -> list[Event]:
        """Looks once at every machine; the alarms raised in sight, which are recorded with their decisions.

        seen      what the detectors found since the last look
        escalate  False where the plant's time is not people's time: a turn of weeks takes seconds
        """
        plant = self.plant
        self._read()
        newest = plant.store.newest(things=[m.id for m in plant.site.machines])
        rule = self.rules.escalate if escalate else life.Escalation()
        settings = replace(self._settings, ended=ended, since_ns=since_ns, off=self._off(newest), escalate=rule)
        events, decisions, _ = service.decide(newest, seen, self._state, now_ns, settings)
        made = [
            Event("decision.made", d.id, now_ns, f"service:{service.NAME}", {"decision": asdict(d)}, key=d.id)
            for d in decisions
            if not d.abstains
        ]
        if events or made:
            plant.store.record([*events, *made])
        told = {d.body["alarm"] for d in decisions if not d.abstains}
        return [event for event in events if event.kind == "alarm.raised" and event.about in told]

    def _read(self) -> None:
        """Takes in what was recorded since the last look: by us, and by people."""
        kinds = (*life.KINDS, "machine.down", "machine.up")
        events = self.plant.store.recall(kind=kinds, after=self._after)
        if events:
            self._after = events[-1].id
            self._state = life.fold(events, self._state)
        for event in events:
            if event.kind == "machine.down" and not event.body.get("source"):
                self._down[event.about] = str(event.body["why"])
            elif event.kind == "machine.up":
                self._down.pop(event.about, None)

    def _off(self, newest: pa.Table) -> Mapping[str, str]:
        """Thing -> why its alarms are suppressed by design: it says that it is off, or people told that it is down."""
        off = {}
        if self.rules.down:
            off = {m: f"it was told to be down ({why})" if why else "it was told to be down"
                   for m, why in self._down.items()}
        return {**off, **self._says_off(newest)}

    def _says_off(self, newest: pa.Table) -> dict[str, str]:
        if not self.rules.off:
            return {}
        kinds = {kind.name: kind for kind in self.plant.site.all_kinds}
        codes = {m.id: signal.codes for m in self.plant.site.machines for signal in kinds[m.kind].signals
                 if signal.name == STATE}
        found = {}
        for row in newest.filter(pc.field("signal") == STATE).to_pylist():
            if row["thing"] in codes and row["code"] is not None:
                word = str(codes[row["thing"]].get(int(row["code"]), ""))
                if word.lower() in self.rules.off:
                    found[row["thing"]] = f"its state is {word!r}"
        return found


def watch(plant: Plant, now_ns: int, ended: frozenset[str] = frozenset(), since_ns: int = 0) -> list[Event]:
    """Looks once at every machine of a plant whose time is its own; the alarms raised, which are recorded."""
    settings = settings_of(plant)
    if not settings.silent_s and not settings.limits:
        return []
    return Watch(plant).look(now_ns, ended, since_ns, escalate=False)
