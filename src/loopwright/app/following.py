"""What follows when the past changes: derived signals, alarms and effectiveness are worked out again for that time.

Nothing is overwritten: a derived value is corrected by the service, an alarm gets a later word (alarm.revised), a shift
is stated anew beside what was said before; each names the correction that caused it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from loopwright.app import deriving, serving
from loopwright.app.plant import Plant
from loopwright.app.watching import settings_of
from loopwright.core.clock import NS_PER_S, iso
from loopwright.core.derived import Derived
from loopwright.core.types import BAD, Event
from loopwright.serve import oee, watch
from loopwright.store.changes import DELAYED, EVER, Touched, bookmark, bookmarked, changes, now
from loopwright.store.correct import resume

NAME = "following"
_DAY_NS = 86_400 * NS_PER_S
_NOT_OLDER_NS = 2 * _DAY_NS  # data in order that is older than that is history brought in: it raises no alarms
WITHDRAWN, MISSED, STANDS = "withdrawn", "missed", "stands"


def follow(plant: Plant) -> list[Event]:
    """Brings everything derived to what is known now; the events of alarms and shifts that are told anew.

    Again after a crash it does what was not done, and nothing twice.
    """
    store = plant.store
    resume(store)
    since, known = int(bookmarked(store, NAME) or 0), now(store)
    touched = changes(store, since)
    told: list[Event] = []
    for derived in derived_of(plant):
        deriving.again(store, derived, touched)
        deriving.live(store, derived)
    if touched:
        told = [*_alarms(plant, touched), *_shifts(plant, touched, known)]
    if known > since and (touched or not since):
        bookmark(store, NAME, str(known))
    return told


def derived_of(plant: Plant) -> list[Derived]:
    """The derived signals of the site's packs."""
    return [one for pack in plant.packs.values() for one in pack.hooks.get("derived", ())]


def _alarms(plant: Plant, touched: Sequence[Touched]) -> list[Event]:
    """What is to be said of the alarms of the times that changed."""
    limits = settings_of(plant).limits
    found: list[Event] = []
    known = now(plant.store)
    for limit in limits:
        (thing,) = limit.things
        for one in touched:
            old = one.why == DELAYED and one.end_ns < known - _NOT_OLDER_NS
            if not old and one.thing in ("", thing) and one.signal in ("", limit.signal):
                found += plant.store.record(_revised(plant, limit, thing, one))
    return found


def _revised(plant: Plant, limit: watch.Limit, thing: str, one: Touched) -> list[Event]:
    """Alarms of one limit in a time that changed: those that would not have been raised, those that would have been."""
    low, high = _bounds(plant, thing, limit.signal, one)
    if high <= low:
        return []
    episodes = list(_episodes(plant, limit, thing, low, high))
    alarms = _standing(plant, limit, thing)
    events = []
    for id_, alarm in alarms.items():
        if low <= alarm["start_ns"] < high:
            inside = any(e.start_ns <= alarm["start_ns"] and (e.end_ns is None or alarm["start_ns"] < e.end_ns)
                         for e in episodes)
            verdict = STANDS if inside else WITHDRAWN
            if verdict != alarm["verdict"] and not (inside and alarm["verdict"] == MISSED):
                events.append(_told(id_, limit, thing, verdict, (alarm["start_ns"], None), alarm["times"], one))
    for episode in episodes:
        if episode.end_ns is None or episode.end_ns <= low or episode.start_ns >= high:
            continue  # what goes on is for the watch
        if not any(episode.start_ns <= a["start_ns"] < episode.end_ns for a in alarms.values()):
            id_ = f"{thing}/{limit.name}/{episode.start_ns}"
            events.append(_told(id_, limit, thing, MISSED, (episode.start_ns, episode.end_ns), 0, one, episode.first))
    return events


def _told(
    id_: str, limit: watch.Limit, thing: str, verdict: str, span: tuple[int, int | None], times: int, one: Touched,
    first: float | None = None,
) -> Event:
    why = "a correction" if one.event else "data that came late"
    bounds = " to ".join("any" if b is None else f"{b:g}" for b in (limit.low, limit.high))
    number = f"{limit.signal} was {first} {limit.unit} at {iso(span[0])}"
    says = {
        WITHDRAWN: f"{thing}: {limit.name} of {iso(span[0])} would not have been raised, by {why}.",
        STANDS: f"{thing}: {limit.name} of {iso(span[0])} stands again, by {why}.",
        MISSED: f"{thing}: {limit.name}. {number} (allowed: {bounds}), known by {why}.",
    }[verdict]
    evidence = [{"kind": "points", "ref": thing, "signal": limit.signal, "start_ns": span[0],
                 "end_ns": span[1] or span[0], "note": "the samples beyond it"}]
    body = {"condition": limit.name, "thing": thing, "says": says, "verdict": verdict, "start_ns": span[0],
            "end_ns": span[1], "priority": limit.priority, "evidence": evidence}
    because = (one.event,) if one.event else ()
    return Event("alarm.revised", id_, one.known_ns, f"service:{watch.NAME}", body, because, f"{id_}/revised/{times}")


def _standing(plant: Plant, limit: watch.Limit, thing: str) -> dict[str, dict[str, Any]]:
    """Alarm id -> {start_ns, verdict: the last that was said of it, times: how often it was revised}, of one limit."""
    found: dict[str, dict[str, Any]] = {}
    for event in plant.store.recall(kind=("alarm.raised", "alarm.revised")):
        body = event.body
        if (body["condition"], body["thing"]) != (limit.name, thing):
            continue
        if event.kind == "alarm.raised":
            start_ns = body["evidence"][0]["start_ns"] if body["evidence"] else event.t_ns
            found[event.about] = {"start_ns": start_ns, "verdict": STANDS, "times": 0}
        else:
            old = found.get(event.about, {"times": 0})
            start_ns = old.get("start_ns", body["start_ns"])
            found[event.about] = {"start_ns": start_ns, "verdict": body["verdict"], "times": old["times"] + 1}
    return found


def _bounds(plant: Plant, thing: str, signal: str, one: Touched) -> tuple[int, int]:
    """The changed time, cut to where the signal has values or alarms may stand."""
    newest = plant.store.newest([thing], [signal]).column("t_ns").to_pylist()
    last_ns = max(newest, default=-EVER) + 1
    low = one.start_ns
    if low <= -EVER:
        starts = [a.t_ns for a in plant.store.recall(kind="alarm.raised", limit=1)]
        low = min(starts, default=last_ns) - _DAY_NS
    return low, min(one.end_ns, max(last_ns, low))


def _episodes(plant: Plant, limit: watch.Limit, thing: str, low: int, high: int) -> Iterator[watch.Episode]:
    """Episodes that touch low..high: read a day at a time, from a day before until the last one is over."""
    going_on: watch.Episode | None = None
    start_ns = low - _DAY_NS
    while start_ns < high or (going_on is not None and start_ns < high + _DAY_NS):
        end_ns = start_ns + _DAY_NS
        t_ns, value = _good(plant, thing, limit.signal, start_ns, end_ns)
        found = watch.episodes(t_ns, value, limit, going_on)
        going_on = found[-1] if found and found[-1].end_ns is None else None
        yield from (episode for episode in found if episode.end_ns is not None)
        start_ns = end_ns
    if going_on is not None:
        yield replace(going_on, end_ns=None)


def _good(plant: Plant, thing: str, signal: str, start_ns: int, end_ns: int) -> tuple[Any, Any]:
    """(t_ns, value), each (n,), of the good values of a signal."""
    table = plant.store.get(things=[thing], signals=[signal], start_ns=start_ns, end_ns=end_ns)
    usable = table.column("value").is_valid().to_numpy() & (table.column("quality").to_numpy() < BAD)
    value = table.column("value").fill_null(np.nan).to_numpy()
    return table.column("t_ns").to_numpy()[usable], value[usable]


def _shifts(plant: Plant, touched: Sequence[Touched], known: int) -> list[Event]:
    """States the shifts anew whose time changed and of which something had been said."""
    said: dict[str, dict[str, Any]] = {}
    if not any(machine.ideal_cycle_s for machine in plant.site.machines):
        return []
    for event in plant.store.recall(kind="decision.made"):
        body = event.body["decision"]["body"]
        if event.body["decision"]["service"] == oee.NAME and "window_ns" in body:
            said[body["key"]] = {**body, "machine": event.body["decision"]["about"]}
    wanted: dict[tuple[int, int], list[str]] = {}
    for shift in said.values():
        for one in touched:
            mine = one.thing in ("", shift["machine"]) and one.signal in ("", *_OEE_SIGNALS)
            start_ns, end_ns = shift["window_ns"]
            if mine and one.start_ns < end_ns and one.end_ns > start_ns:
                causes = wanted.setdefault((start_ns, end_ns), [])
                causes += [one.event] if one.event and one.event not in causes else []
    before = now(plant.store)
    for window, because in wanted.items():
        serving.effectiveness(plant, [window], plant.clock.now_ns(), because, f"/again/{known}")
    return [e for e in plant.store.recall(kind="decision.made") if e.known_ns > before] if wanted else []


_OEE_SIGNALS = ("machine.state", "part.count")
