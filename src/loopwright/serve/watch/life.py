"""The life of an alarm by ISA-18.2: what each event makes of it, what is due by itself, and what state it is in.

    state = fold(events)                          from everything that was recorded
    state = fold(new_events, state)               or on from a state that was kept
    state_of(state, "silent/mill-1")              'unacknowledged'

An alarm is a condition of a thing; its key is '<condition>/<thing>'. Each time its cause comes it is raised with an id
of its own, and the last one counts: an alarm that comes again before anybody has seen it is one alarm to look at.
Shelved, suppressed by design and out of service it goes on living, unseen: what comes and goes meanwhile needs nobody,
and what still holds when it is let out again is unacknowledged.
Source: ANSI/ISA-18.2-2016, 5.6 and figure 4 (alarm state transitions); IEC 62682:2022. Latching is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from loopwright.core.clock import NS_PER_S, iso
from loopwright.core.errors import InputError
from loopwright.core.types import Event

NAME = "watch"
PRIORITIES = ("low", "medium", "high")
WAITING = ("unacknowledged", "returned")  # states that need a person
QUIET = ("out of service", "suppressed", "shelved")  # states in which nobody is told; the first that holds counts
STATES = ("unacknowledged", "acknowledged", "returned", *reversed(QUIET), "normal")
ALL = "*"  # in the place of a condition: all alarms of a thing
_ENDS = {"alarm.unshelved": "shelved", "alarm.unsuppressed": "suppressed", "alarm.inservice": "out of service"}
_BEGINS = {"alarm.shelved": "shelved", "alarm.suppressed": "suppressed", "alarm.outofservice": "out of service"}
HUSHES = (*_BEGINS, *_ENDS)
KINDS = ("alarm.raised", "alarm.acknowledged", "alarm.cleared", "alarm.escalated", *HUSHES)


@dataclass(frozen=True)
class Alarm:
    """A condition of a thing at its last occurrence.

    id         of the occurrence
    by         who raised it, and clears it
    priority   as it was raised, or as it was escalated to; `usual` is what it was raised with
    raised_ns  when it was raised; waits_ns: since when it waits for a person
    steps      how often it was escalated
    """

    id: str
    by: str
    priority: str
    usual: str
    raised_ns: int
    waits_ns: int
    active: bool = True
    acknowledged: bool = False
    steps: int = 0


@dataclass(frozen=True)
class Quiet:
    """One reason why an alarm is not shown. until_ns: when it is over by itself (None: when somebody says so)."""

    why: str
    by: str
    since_ns: int
    until_ns: int | None = None


State = Mapping[str, Any]  # {"alarms": {key: Alarm}, "quiet": {key: {state of QUIET: Quiet}}}


@dataclass(frozen=True)
class Escalation:
    """An alarm that nobody has acknowledged for `after_s` goes one priority up and to the next of `roles`, and so on
    until the last of them has it."""

    after_s: float = 0.0  # 0: never
    roles: tuple[str, ...] = ("engineer", "approver")


def key_of(condition: str, thing: str) -> str:
    """'<condition>/<thing>': a condition has no '/' in it."""
    return f"{condition}/{thing}"


def when(event: Event) -> int:
    """When it could be known, ns: what was recorded later than it happened waits for nobody before that."""
    return event.known_ns or event.t_ns


def fold(events: Iterable[Event], state: State | None = None) -> dict[str, dict[str, Any]]:
    """The state after these events, in their order of recording; alarms that are normal are not in it.

    state  from before them (None: from the beginning); it stays as it was
    """
    book = Book({} if state is None else state)
    for event in events:
        book.apply(event)
    return book.state()


class Book:
    """A state that events move on: `apply` one after the other, `state()` to hand it out."""

    def __init__(self, state: State) -> None:
        _check(state)
        self.alarms: dict[str, Alarm] = dict(state.get("alarms", {}))
        self.quiet: dict[str, dict[str, Quiet]] = {key: dict(one) for key, one in state.get("quiet", {}).items()}
        self._keys = {alarm.id: key for key, alarm in self.alarms.items()}

    def state(self) -> dict[str, dict[str, Any]]:
        """Plain tables; what is normal is left out."""
        return {"alarms": dict(self.alarms), "quiet": {key: dict(one) for key, one in list(self.quiet.items())}}

    def apply(self, event: Event) -> None:
        """Moves the state by one event; other kinds, and occurrences that are over, are passed over."""
        if event.kind == "alarm.raised":
            self._raise(event)
        elif event.kind in HUSHES:
            self._hush(event)
        elif event.about in self._keys:
            self._move(self._keys[event.about], event)

    def hidden(self, key: str) -> str:
        """The state of QUIET that the alarm is in, '' when it is shown."""
        found = self.reasons(key)
        return next((name for name in QUIET if name in found), "")

    def reasons(self, key: str) -> dict[str, Quiet]:
        """State of QUIET -> why, for an alarm: of its own, or of all alarms of its thing."""
        return {**self.quiet.get(key_of(ALL, key.split("/", 1)[1]), {}), **self.quiet.get(key, {})}

    def _raise(self, event: Event) -> None:
        body, at_ns = event.body, when(event)
        key, priority = key_of(str(body["condition"]), str(body["thing"])), str(body["priority"])
        if key in self.alarms:
            del self._keys[self.alarms[key].id]
        self.alarms[key] = Alarm(event.about, event.actor, priority, priority, at_ns, at_ns)
        self._keys[event.about] = key

    def _move(self, key: str, event: Event) -> None:
        alarm, hidden = self.alarms[key], self.hidden(key)
        if event.kind == "alarm.cleared":
            alarm = replace(alarm, active=False)
        elif event.kind == "alarm.acknowledged" and not hidden:
            alarm = replace(alarm, acknowledged=True)
        elif event.kind == "alarm.escalated":
            alarm = replace(alarm, steps=alarm.steps + 1, priority=str(event.body["priority"]))
        self.alarms[key] = alarm
        if not alarm.active and (alarm.acknowledged or hidden):
            self._drop(key)

    def _hush(self, event: Event) -> None:
        key = key_of(str(event.body["condition"]), str(event.body["thing"]))
        touched = [one for one in self.alarms if one == key or key == key_of(ALL, one.split("/", 1)[1])]
        before = {one: self.hidden(one) for one in touched}
        if event.kind in _BEGINS:
            until = event.body.get("until_ns")
            reason = Quiet(str(event.body["why"]), event.actor, when(event), None if until is None else int(until))
            self.quiet.setdefault(key, {})[_BEGINS[event.kind]] = reason
        else:
            self.quiet.get(key, {}).pop(_ENDS[event.kind], None)
            self.quiet = {name: one for name, one in self.quiet.items() if one}
        for one in touched:
            self._turn(one, before[one], self.hidden(one), when(event))

    def _turn(self, key: str, before: str, now: str, at_ns: int) -> None:
        """What going out of sight, or coming back, does to an alarm."""
        alarm = self.alarms[key]
        if bool(before) == bool(now):
            return
        if not alarm.active:
            self._drop(key)
        elif before:
            self.alarms[key] = replace(
                alarm, acknowledged=False, waits_ns=at_ns, steps=0, priority=alarm.usual)

    def _drop(self, key: str) -> None:
        del self._keys[self.alarms.pop(key).id]


def _check(state: State) -> None:
    """Raises InputError for a state that `fold` and `decide` did not give."""
    allowed = "what `fold` or `decide` gave; or {}, and fold the recorded events again"
    if not isinstance(state, Mapping) or not set(state) <= {"alarms", "quiet"}:
        raise InputError("state of alarms", str(state)[:80], allowed)
    for key, alarm in state.get("alarms", {}).items():
        if not isinstance(alarm, Alarm) or "/" not in key:
            raise InputError(f"state of alarm {key!r}", f"{type(alarm).__name__}", allowed)
    for key, reasons in state.get("quiet", {}).items():
        known = isinstance(reasons, Mapping) and all(
            name in QUIET and isinstance(one, Quiet) for name, one in reasons.items())
        if not known or "/" not in key:
            raise InputError(f"state of alarm {key!r}", str(reasons)[:80], allowed)


def state_of(state: State, key: str) -> str:
    """The ISA-18.2 state of an alarm, one of STATES."""
    book = Book(state)
    return book.hidden(key) or shown_state(book.alarms.get(key))


def shown_state(alarm: Alarm | None) -> str:
    """The state of an alarm that is not hidden."""
    if alarm is None or (alarm.acknowledged and not alarm.active):
        return "normal"
    if not alarm.active:
        return "returned"
    return "acknowledged" if alarm.acknowledged else "unacknowledged"


def role_of(alarm: Alarm, escalation: Escalation) -> str:
    """Who is to look at it: the operator, or the role that it was escalated to."""
    return ("operator", *escalation.roles)[min(alarm.steps, len(escalation.roles))]


def due(book: Book, now_ns: int, escalation: Escalation) -> Iterator[Event]:
    """What time alone brings: the end of shelving, and escalations. The caller applies each as it comes."""
    for key, reasons in list(book.quiet.items()):
        shelved = reasons.get("shelved")
        if shelved and shelved.until_ns is not None and shelved.until_ns <= now_ns:
            yield _unshelved(key, shelved, now_ns)
    if escalation.after_s > 0:
        for key, alarm in list(book.alarms.items()):
            if not book.hidden(key) and shown_state(alarm) in WAITING:
                yield from _escalated(key, alarm, now_ns, escalation)


def _unshelved(key: str, shelved: Quiet, now_ns: int) -> Event:
    condition, thing = key.split("/", 1)
    body = {"condition": condition, "thing": thing, "why": f"shelved until {iso(shelved.until_ns or 0)}"}
    return Event("alarm.unshelved", f"{thing}/{condition}", now_ns, f"service:{NAME}", body,
                 key=f"{thing}/{condition}/unshelved/{shelved.since_ns}/{shelved.until_ns}")


def _escalated(key: str, alarm: Alarm, now_ns: int, escalation: Escalation) -> Iterator[Event]:
    waited_s, priority = (now_ns - alarm.waits_ns) / NS_PER_S, alarm.priority
    condition, thing = key.split("/", 1)
    for step in range(alarm.steps + 1, min(len(escalation.roles), int(waited_s // escalation.after_s)) + 1):
        priority = PRIORITIES[min(_rank(priority) + 1, len(PRIORITIES) - 1)]
        role = escalation.roles[step - 1]
        why = f"nobody has acknowledged it for {waited_s / 60:.0f} min"
        body = {"condition": condition, "thing": thing, "priority": priority, "role": role, "step": step, "why": why}
        yield Event("alarm.escalated", alarm.id, now_ns, f"service:{NAME}", body,
                    key=f"{alarm.id}/escalated/{alarm.waits_ns}/{step}")


def _rank(priority: str) -> int:
    return PRIORITIES.index(priority) if priority in PRIORITIES else 0


def by_design(book: Book, off: Mapping[str, str], now_ns: int) -> list[Event]:
    """Suppression that the plant's state asks for, where it begins or ends.

    off  thing -> why its alarms say nothing now: it is switched off, under maintenance
    """
    events = []
    said = {key.split("/", 1)[1]: one["suppressed"] for key, one in book.quiet.items()
            if key.startswith(f"{ALL}/") and "suppressed" in one}
    for thing, why in off.items():
        if thing not in said:
            events.append(quiet_event("alarm.suppressed", ALL, thing, now_ns, f"service:{NAME}", why=why))
    for thing, reason in said.items():
        if thing not in off and reason.by == f"service:{NAME}":
            why = f"{reason.why} is over"
            events.append(quiet_event("alarm.unsuppressed", ALL, thing, now_ns, f"service:{NAME}", why=why))
    return events


def quiet_event(kind: str, condition: str, thing: str, now_ns: int, actor: str, **body: Any) -> Event:
    """An event that hides an alarm ('*': all of its thing) or lets it out again. body: why, until_ns."""
    return Event(kind, f"{thing}/{condition}", now_ns, actor, {"condition": condition, "thing": thing, **body})

