"""What belongs to a person: units, consents, and everything that can be taken along."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from loopwright.app.views import fold
from loopwright.core.types import Event


def owned(events: Iterable[Event], person: str) -> list[dict[str, Any]]:
    """Units that the person claimed, newest first: {serial, claimed_ns}. A later claim by another ends the earlier one."""
    holder: dict[str, Event] = {}
    for event in fold.of(events, "unit.claimed"):
        holder[event.about] = event
    mine = [{"serial": serial, "claimed_ns": e.t_ns} for serial, e in holder.items() if e.body["owner"] == person]
    return sorted(mine, key=lambda row: -row["claimed_ns"])


def owner_of(events: Iterable[Event], serial: str) -> str:
    """The person who holds a unit, '' when nobody claimed it."""
    claims = [e for e in fold.of(events, "unit.claimed") if e.about == serial]
    return str(claims[-1].body["owner"]) if claims else ""


def consents(events: Iterable[Event], person: str, purposes: Sequence[tuple[str, str]], now_ns: int) -> list[dict[str, Any]]:
    """One row a purpose: {purpose, meaning, given, until_ns, since_ns, history: [{t_ns, given}]}.

    A consent holds from its event until `until_ns` (0: until it is withdrawn) or until it is withdrawn.
    """
    mine = [e for e in fold.of(events, "consent.given", "consent.withdrawn") if e.about == person]
    out = []
    for purpose, meaning in purposes:
        of = [e for e in mine if e.body["purpose"] == purpose]
        last = of[-1] if of else None
        until = int(last.body["until_ns"]) if last is not None and last.kind == "consent.given" else 0
        given = last is not None and last.kind == "consent.given" and (until == 0 or now_ns < until)
        out.append({"purpose": purpose, "meaning": meaning, "given": given, "until_ns": until, "since_ns": last.t_ns if last and given else None,
                    "history": [{"t_ns": e.t_ns, "given": e.kind == "consent.given", "by": e.actor} for e in of]})
    return out
