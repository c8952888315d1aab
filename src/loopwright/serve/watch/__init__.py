"""Alarms: a thing has gone silent, a value is beyond its limit, a thing behaves unusually; and their life
by ISA-18.2, from the first look to the last.

    events, decisions, state = decide(newest, None, state, now_ns, Settings(silent_s={"mill-1": 60.0}))

An alarm is raised once and stands until its cause is gone, however often it is looked at; the cause coming back raises
a new one. A machine whose source has said that it is finished (`ended`) is not silent, it is done.
`life` is the state machine, `figures` what the alarms ask of people, `causes` and `anomaly` why they are raised.
Source: ANSI/ISA-18.2-2016, Management of Alarm Systems for the Process Industries (states, deadband).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from loopwright.core.types import Decision, Event
from loopwright.serve.watch import causes as why
from loopwright.serve.watch import life
from loopwright.serve.watch.anomaly import Anomaly, Channel, Seen, unusual
from loopwright.serve.watch.causes import SILENT, UNUSUAL, Cause, Episode, Limit, episodes, last_heard
from loopwright.serve.watch.life import NAME, PRIORITIES, Escalation, State, fold, state_of

MEANING = (
    "Raises an alarm when a thing goes silent, a value is beyond its limit or a thing behaves unusually, "
    "and follows it until it is over."
)


@dataclass(frozen=True)
class Settings:
    """What is watched, and what becomes of an alarm that nobody sees.

    silent_s  thing -> seconds without a new sample that raise an alarm
    since_ns  when listening began: no thing is silent since earlier than that
    ended     things whose source has said that it is at its end
    limits    bounds on values
    off       thing -> why its alarms are suppressed now by design: it is switched off, under maintenance
    escalate  what becomes of an alarm that nobody acknowledges
    """

    silent_s: Mapping[str, float] = field(default_factory=dict)
    since_ns: int = 0
    ended: frozenset[str] = frozenset()
    limits: tuple[Limit, ...] = ()
    off: Mapping[str, str] = field(default_factory=dict)
    escalate: Escalation = field(default_factory=Escalation)


def decide(
    newest: pa.Table, prediction: Seen | None, state: State, now_ns: int, settings: Settings
) -> tuple[list[Event], list[Decision], State]:
    """What becomes of every alarm now: raised, cleared, escalated, let out again.

    newest      rows of POINTS: the newest value of each signal, or everything that came since the last look. Silence is
                judged by when a sample arrived (known_ns) where that is given: a machine's own clock may be wrong
    prediction  what the detectors found since the last look (None: nobody looked; their alarms stand)
    returns     (events, one Decision for each alarm raised in sight, the new state)
    """
    book = life.Book(state)
    events: list[Event] = []
    for event in [*life.by_design(book, settings.off, now_ns), *life.due(book, now_ns, Escalation())]:
        book.apply(event)
        events.append(event)
    if not settings.silent_s and not settings.limits and prediction is None:
        nothing = Decision(f"watch/{now_ns}", NAME, "plant", now_ns, "Nothing is watched.",
                           abstains="no limits are set")
        return [*events, *_escalated(book, now_ns, settings)], [nothing], book.state()
    heard = last_heard(newest) if settings.silent_s else {}
    found = why.silences(heard, now_ns, settings.silent_s, settings.since_ns, settings.ended)
    found += why.breaches(newest, settings.limits) + unusual(prediction or Seen())
    causes = {life.key_of(cause.condition, cause.thing): cause for cause in found}
    decisions = _raise(causes, book, events, now_ns)
    for key, alarm in list(book.alarms.items()):
        mine = alarm.by == f"service:{NAME}" and alarm.active
        if mine and key not in causes and _over(key, alarm, heard, newest, prediction, settings):
            event = Event("alarm.cleared", alarm.id, now_ns, f"service:{NAME}", key=f"{alarm.id}/cleared")
            book.apply(event)
            events.append(event)
    return [*events, *_escalated(book, now_ns, settings)], decisions, book.state()


def _raise(causes: Mapping[str, Cause], book: life.Book, events: list[Event], now_ns: int) -> list[Decision]:
    """Raises what has a cause and does not stand; a decision for each that is in sight."""
    decisions = []
    for key, cause in causes.items():
        standing = book.alarms.get(key)
        if standing is not None and standing.active:
            continue
        event = why.raised(cause, now_ns)
        book.apply(event)
        events.append(event)
        if not book.hidden(key):
            decisions.append(why.decision(cause, now_ns))
    return decisions


def _escalated(book: life.Book, now_ns: int, settings: Settings) -> list[Event]:
    events = []
    for event in life.due(book, now_ns, settings.escalate):
        book.apply(event)
        events.append(event)
    return events


def _over(
    key: str, alarm: life.Alarm, heard: Mapping[str, tuple[int, str, int]], newest: pa.Table, prediction: Seen | None,
    settings: Settings,
) -> bool:
    """Whether an alarm that has no cause now may be cleared: heard again, judged and as usual, or the newest value is
    well inside its limit.

    Without a newer value, or with one inside the deadband, it stands.
    """
    condition, thing = key.split("/", 1)
    if condition == SILENT:  # a plant that listens again has not heard it yet
        asked = thing in settings.silent_s and thing not in settings.ended
        return not asked or heard.get(thing, (0, "", 0))[0] > alarm.raised_ns
    if condition == UNUSUAL:
        return prediction is not None and thing in prediction.looked
    limit = next((one for one in settings.limits if one.name == condition), None)
    if limit is None:
        return True  # nobody asks any more
    values = [value for name, _, value in why.values_of(newest, limit) if name == thing]
    return bool(values) and bool(limit.excess(values[0][-1:])[0] <= -limit.deadband)


__all__ = [
    "MEANING", "NAME", "PRIORITIES", "SILENT", "UNUSUAL", "Anomaly", "Channel", "Episode", "Escalation", "Limit",
    "Seen", "Settings", "State", "decide", "episodes", "fold", "last_heard", "state_of",
]
