"""The chain of events, read by people: who decided what, when, why, and resting on what.

Whether the chain is whole is said by the store that holds it (`store.events.verify()`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from loopwright.core.clock import iso
from loopwright.core.types import Event

# kinds that are somebody's decision, and how each is told; {name} is a field of the body
DECISIONS: dict[str, str] = {
    "order.placed": "ordered {family}",
    "order.refused": "refused the order: {reason}",
    "plan.released": "released a plan for all open orders ({status})",
    "plan.tried": "asked what if: {why}",
    "plan.adopted": "made the tried plan the plan, as {released}: {why}",
    "plan.dropped": "dropped the tried plan: {why}",
    "order.due": "changed when it is due or what it weighs: {why}",
    "unit.scrapped": "scrapped it: {reason}",
    "unit.claimed": "claimed it",
    "consent.given": "agreed to {purpose}",
    "consent.withdrawn": "withdrew consent to {purpose}",
    "person.erased": "erased the person's data",
    "pairing.assumed": "joined {left} and {right} by assumption",
    "alarm.acknowledged": "acknowledged the alarm",
    "alarm.judged": "said of {condition} on {thing} that it was {verdict}",
    "alarm.shelved": "shelved {condition} on {thing}: {why}",
    "alarm.unshelved": "let {condition} on {thing} out again: {why}",
    "alarm.outofservice": "took {condition} on {thing} out of service: {why}",
    "alarm.inservice": "put {condition} on {thing} back in service: {why}",
    "workorder.opened": "opened work on {machine}: {why}",
    "command.sent": "sent {value} {unit} to {signal}",
    "decision.approved": "approved what it asks for",
    "decision.declined": "declined it: {why}",
    "change.proposed": "proposed a change",
    "change.notproposed": "proposed no change: {reason}",
    "change.approved": "approved it",
    "change.declined": "declined it: {why}",
    "change.gated": "ran the tests before release",
    "change.released": "released it as {revision}",
    "change.undone": "took it back: {why}",
    "model.demoted": "demoted it, so that the baseline serves {task}: {why}",
    "user.added": "added the user as {role}",
    "user.removed": "removed the user",
    "points.corrected": "corrected stored values: {reason}",
}


def read(events: Iterable[Event], about: str = "", actor: str = "") -> list[dict[str, Any]]:
    """Decisions as rows for people, in the order of the chain: when, who, what, about, word ('automatic (example)'),
    because.

    about, actor  only rows about that id, by that actor ('' = all)
    """
    rows = []
    for event in events:
        if event.kind not in DECISIONS or (about and event.about != about) or (actor and event.actor != actor):
            continue
        rows.append(
            {
                "id": event.id,
                "when": iso(event.t_ns),
                "known": iso(event.known_ns) if event.known_ns else "",
                "who": event.actor,
                "what": _tell(event),
                "about": event.about,
                "word": str(event.body.get("word", "")),
                "because": list(event.because),
                "kind": event.kind,
            }
        )
    return rows


def _tell(event: Event) -> str:
    told = DECISIONS[event.kind].format_map(_Body(event.body))
    purpose = event.body.get("purpose") if event.kind == "change.approved" else None
    if event.kind == "change.gated":
        told += ": passed" if event.body.get("passed") else ": failed"
    return f"{told} for its {purpose}" if purpose else told


class _Body(dict[str, Any]):
    """A body whose missing fields read as '?': an old event is still told."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        super().__init__(body)

    def __missing__(self, name: str) -> str:
        return "?"


def trace(events: Sequence[Event], event_id: str) -> list[Event]:
    """The event of that id and all it rests on, however far back, each once, newest first."""
    by_id = {event.id: event for event in events}
    found: dict[str, Event] = {}
    open_ids = [event_id]
    while open_ids:
        one = by_id.get(open_ids.pop())
        if one is not None and one.id not in found:
            found[one.id] = one
            open_ids.extend(one.because)
    return sorted(found.values(), key=lambda e: (e.known_ns, e.t_ns), reverse=True)
