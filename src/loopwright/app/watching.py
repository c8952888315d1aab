"""The watch service on a plant: state folded from events in, events out."""

from __future__ import annotations

from dataclasses import asdict

from loopwright.app.plant import Plant
from loopwright.app.site import limit_of
from loopwright.core.types import Event
from loopwright.serve import watch as service

KINDS = ("alarm.raised", "alarm.acknowledged", "alarm.cleared")


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


def watch(plant: Plant, now_ns: int, ended: frozenset[str] = frozenset(), since_ns: int = 0) -> list[Event]:
    """Looks once at every machine; the alarms raised, which are recorded with their decisions."""
    settings = settings_of(plant, ended, since_ns)
    if not settings.silent_s and not settings.limits:
        return []
    state = service.fold(plant.store.recall(kind=KINDS))
    newest = plant.store.newest(things=[m.id for m in plant.site.machines])
    events, decisions, _ = service.decide(newest, None, state, now_ns, settings)
    made = [
        Event("decision.made", d.id, now_ns, f"service:{service.NAME}", {"decision": asdict(d)}, key=d.id)
        for d in decisions
        if not d.abstains
    ]
    plant.store.record([*events, *made])
    return [event for event in events if event.kind == "alarm.raised"]
