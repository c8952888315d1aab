"""Alarms: a thing that has gone silent, a value beyond its limit. States by ISA-18.2: raised, acknowledged, cleared.

    events, decisions, state = decide(newest, None, state, now_ns, Settings(silent_s={"mill-1": 60.0}))

An alarm is raised once and stands until its cause is gone, however often it is looked at; the cause coming back raises
a new one. A machine whose source has said that it is finished (`ended`) is not silent, it is done.
Source: ANSI/ISA-18.2-2016, Management of Alarm Systems for the Process Industries (states, deadband).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loopwright.core.clock import NS_PER_S, iso
from loopwright.core.errors import InputError, UnknownName
from loopwright.core.types import BAD, Decision, Event, Evidence

NAME = "watch"
MEANING = "Raises an alarm when a thing goes silent or a value is beyond its limit, and clears it when that is over."
SILENT = "silent"
PRIORITIES = ("low", "medium", "high")


@dataclass(frozen=True)
class Limit:
    """A bound on one signal.

    name       the alarm's condition: 'spindle too hot'
    low, high  inside units; a value beyond them raises, a value within them by `deadband` clears
    things     which things it holds for (none: all that have the signal)
    priority   'low', 'medium', 'high'
    """

    name: str
    signal: str
    low: float | None = None
    high: float | None = None
    deadband: float = 0.0
    unit: str = ""
    things: frozenset[str] = frozenset()
    priority: str = "medium"

    def __post_init__(self) -> None:
        if self.low is None and self.high is None:
            raise InputError(f"limit {self.name!r}", "has neither low nor high", "at least one of them")
        for name, number in (("low", self.low), ("high", self.high), ("deadband", self.deadband)):
            a_number = isinstance(number, (int, float)) and not isinstance(number, bool) and np.isfinite(number)
            if number is not None and not a_number:
                raise InputError(f"limit {self.name!r}", f"{name} is {number!r}", "a number")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise InputError(f"limit {self.name!r}", f"low {self.low} is above high {self.high}", "low at most high")
        if self.priority not in PRIORITIES:
            raise UnknownName(f"priority of limit {self.name!r}", self.priority, PRIORITIES)
        if self.name == SILENT or "/" in self.name or self.deadband < 0:
            allowed = "a name other than 'silent' and without '/', a deadband of 0 or more"
            raise InputError(f"limit {self.name!r}", f"deadband {self.deadband}", allowed)

    def excess(self, value: np.ndarray) -> np.ndarray:
        """(n,) how far each value is beyond, inside units; below zero: how far it is within."""
        over = np.full(len(value), -np.inf)
        if self.low is not None:
            over = np.maximum(over, self.low - value)
        if self.high is not None:
            over = np.maximum(over, value - self.high)
        return over


@dataclass(frozen=True)
class Settings:
    """What is watched.

    silent_s  thing -> seconds without a new sample that raise an alarm
    since_ns  when listening began: a thing that was never heard is silent since then
    ended     things whose source has said that it is at its end
    limits    bounds on values
    """

    silent_s: Mapping[str, float] = field(default_factory=dict)
    since_ns: int = 0
    ended: frozenset[str] = frozenset()
    limits: tuple[Limit, ...] = ()


State = Mapping[str, Mapping[str, Any]]  # '<condition>/<thing>' -> {id, raised_ns, active, acknowledged}


@dataclass(frozen=True)
class _Cause:
    """Why an alarm stands: since when, in words, with its number and the point that shows it."""

    condition: str
    thing: str
    onset_ns: int
    says: str
    value: float
    unit: str
    evidence: Evidence
    priority: str


def decide(
    newest: pa.Table, prediction: None, state: State, now_ns: int, settings: Settings
) -> tuple[list[Event], list[Decision], dict[str, dict[str, Any]]]:
    """Alarms to raise and to clear now.

    newest   rows of POINTS: the newest value of each signal, or everything that came since the last look. Silence is
             judged by when a sample arrived (known_ns) where that is given: a machine's own clock may be wrong
    returns  (alarm.raised and alarm.cleared events, one Decision for each alarm raised, the new state)
    """
    if not settings.silent_s and not settings.limits:
        why = "no limits are set"
        nothing = Decision(f"watch/{now_ns}", NAME, "plant", now_ns, "Nothing is watched.", abstains=why)
        return [], [nothing], {key: dict(alarm) for key, alarm in state.items()}
    found = _silences(newest, now_ns, settings) + _breaches(newest, settings)
    causes = {f"{cause.condition}/{cause.thing}": cause for cause in found}
    standing = {key: dict(alarm) for key, alarm in state.items()}
    events, decisions = [], []
    for key, cause in causes.items():
        if standing.get(key, {}).get("active"):
            continue
        alarm_id = f"{cause.thing}/{cause.condition}/{cause.onset_ns}"
        events.append(_raised(cause, alarm_id, now_ns))
        decisions.append(_decision(cause, alarm_id, now_ns))
        standing[key] = {"id": alarm_id, "raised_ns": now_ns, "active": True, "acknowledged": False}
    for key, alarm in standing.items():
        if alarm["active"] and key not in causes and _over(key, newest, settings):
            events.append(Event("alarm.cleared", alarm["id"], now_ns, f"service:{NAME}", key=f"{alarm['id']}/cleared"))
            alarm["active"] = False
    return events, decisions, {k: a for k, a in standing.items() if a["active"] or not a["acknowledged"]}


def fold(events: Iterable[Event]) -> dict[str, dict[str, Any]]:
    """The state from recorded alarm events, in their order; other events and other services' alarms are passed over."""
    state: dict[str, dict[str, Any]] = {}
    keys: dict[str, str] = {}
    for event in events:
        if event.kind == "alarm.raised" and event.actor == f"service:{NAME}":
            keys[event.about] = key = f"{event.body['condition']}/{event.body['thing']}"
            state[key] = {"id": event.about, "raised_ns": event.t_ns, "active": True, "acknowledged": False}
        mine = state.get(keys.get(event.about, ""))
        if mine is None or mine["id"] != event.about:
            continue
        if event.kind == "alarm.acknowledged":
            mine["acknowledged"] = True
        elif event.kind == "alarm.cleared":
            mine["active"] = False
    return {key: alarm for key, alarm in state.items() if alarm["active"] or not alarm["acknowledged"]}


@dataclass(frozen=True)
class Episode:
    """A time in which a limit was exceeded: from the first value beyond it to the first that is well within again
    (end_ns None: it is not over). first: that first value."""

    start_ns: int
    end_ns: int | None
    first: float


def episodes(t_ns: np.ndarray, value: np.ndarray, limit: Limit, going_on: Episode | None = None) -> list[Episode]:
    """The episodes of one limit in values (n,) in the order of their times, as `decide` would see one after another.

    going_on  the episode that had begun before the first of them
    """
    excess = limit.excess(value)
    found: list[Episode] = []
    for at in np.flatnonzero((excess > 0) | (excess <= -limit.deadband)).tolist():
        if excess[at] > 0:
            going_on = going_on or Episode(int(t_ns[at]), None, float(value[at]))
        elif going_on is not None:
            found.append(replace(going_on, end_ns=int(t_ns[at])))
            going_on = None
    return found if going_on is None else [*found, going_on]


def alarm_state(alarm: Mapping[str, Any]) -> str:
    """The ISA-18.2 state of an alarm: 'raised', 'acknowledged', 'returned' (gone before anybody saw it) or 'normal'."""
    if alarm["active"]:
        return "acknowledged" if alarm["acknowledged"] else "raised"
    return "normal" if alarm["acknowledged"] else "returned"


def last_heard(newest: pa.Table) -> dict[str, tuple[int, str, int]]:
    """Thing -> (when it was last heard, the signal, that sample's own time), in ns."""
    if newest.num_rows == 0:
        return {}
    heard = newest.column("known_ns" if "known_ns" in newest.column_names else "t_ns")
    table = newest.select(["thing", "signal", "t_ns"]).append_column("heard", heard)
    ordered = table.sort_by([("heard", "ascending"), ("t_ns", "ascending")])
    last = ordered.group_by("thing", use_threads=False).aggregate([(c, "last") for c in ("heard", "signal", "t_ns")])
    return {row["thing"]: (row["heard_last"], row["signal_last"], row["t_ns_last"]) for row in last.to_pylist()}


def _silences(newest: pa.Table, now_ns: int, settings: Settings) -> list[_Cause]:
    """A cause for each thing that has been silent for longer than it may."""
    heard, causes = last_heard(newest), []
    for thing, allowed_s in settings.silent_s.items():
        at, signal, t_ns = heard.get(thing, (settings.since_ns, "", 0))
        silent_s = (now_ns - at) / NS_PER_S
        if thing in settings.ended or silent_s <= allowed_s:
            continue
        last = f"last heard {iso(at)}" if signal else "never heard"
        says = f"{thing} has been silent for {silent_s:.0f} s ({last}; {allowed_s:g} s are allowed)."
        evidence = Evidence("points", thing, signal, t_ns, t_ns, "the last sample" if signal else "there is no sample")
        causes.append(_Cause(SILENT, thing, at, says, silent_s, "s", evidence, "high"))
    return causes


def _breaches(newest: pa.Table, settings: Settings) -> list[_Cause]:
    """A cause for each thing and limit where a value of `newest` is beyond and the last one has not come back."""
    causes = []
    for limit in settings.limits:
        for thing, t_ns, value in _of(newest, limit):
            excess = limit.excess(value)
            if excess.max() <= 0 or excess[-1] <= -limit.deadband:
                continue
            first, worst = int(np.argmax(excess > 0)), float(value[np.argmax(excess)])
            bounds = " to ".join("any" if b is None else f"{b:g}" for b in (limit.low, limit.high))
            number = f"{worst:g} {limit.unit}".rstrip()
            says = f"{thing}: {limit.name}. {limit.signal} is {number} (allowed: {bounds})."
            start_ns, end_ns = int(t_ns[first]), int(t_ns[-1])
            evidence = Evidence("points", thing, limit.signal, start_ns, end_ns, "the samples beyond it")
            causes.append(_Cause(limit.name, thing, start_ns, says, worst, limit.unit, evidence, limit.priority))
    return causes


def _of(newest: pa.Table, limit: Limit) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """(thing, t_ns (n,), values (n,)) of each thing that has values of the limit's signal, in the order of time."""
    usable = (pc.field("signal") == limit.signal) & pc.field("value").is_valid()
    if "quality" in newest.column_names:
        usable &= pc.field("quality") < BAD
    mine = newest.filter(usable)
    found = []
    for thing in mine.column("thing").unique().to_pylist():
        if limit.things and thing not in limit.things:
            continue
        rows = mine.filter(pc.field("thing") == thing).sort_by([("t_ns", "ascending")])
        found.append((thing, rows.column("t_ns").to_numpy(), rows.column("value").to_numpy()))
    return found


def _over(key: str, newest: pa.Table, settings: Settings) -> bool:
    """Whether an alarm that has no cause now may be cleared: heard again, or the newest value is well inside its limit.

    Without a newer value, or with one inside the deadband, it stands.
    """
    condition, thing = key.split("/", 1)
    if condition == SILENT:
        return True
    limit = next((one for one in settings.limits if one.name == condition), None)
    if limit is None:
        return True  # nobody asks any more
    values = [value for name, _, value in _of(newest, limit) if name == thing]
    return bool(values) and bool(limit.excess(values[0][-1:])[0] <= -limit.deadband)


def _raised(cause: _Cause, alarm_id: str, now_ns: int) -> Event:
    body = {
        "condition": cause.condition, "thing": cause.thing, "says": cause.says, "priority": cause.priority,
        "evidence": [asdict(cause.evidence)],
    }
    return Event("alarm.raised", alarm_id, now_ns, f"service:{NAME}", body, key=f"{alarm_id}/raised")


def _decision(cause: _Cause, alarm_id: str, now_ns: int) -> Decision:
    action = f"look at {cause.thing} and its link" if cause.condition == SILENT else f"look at {cause.thing}"
    return Decision(
        f"watch/{alarm_id}", NAME, cause.thing, now_ns, cause.says, cause.value, cause.unit, because=(cause.evidence,),
        action=action, body={"alarm": alarm_id, "condition": cause.condition},
    )
