"""What belongs to a person: units, consents, and everything that can be taken along."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from loopwright.app.views import fold
from loopwright.core.types import Event


def owned(events: Iterable[Event], person: str) -> list[dict[str, Any]]:
    """Units that the person claimed, newest first: {serial, claimed_ns}. A later claim by another ends the earlier
    one."""
    holder: dict[str, Event] = {}
    for event in fold.of(events, "unit.claimed"):
        holder[event.about] = event
    mine = [{"serial": serial, "claimed_ns": e.t_ns} for serial, e in holder.items() if e.body["owner"] == person]
    return sorted(mine, key=lambda row: -row["claimed_ns"])


def owner_of(events: Iterable[Event], serial: str) -> str:
    """The person who holds a unit, '' when nobody claimed it."""
    claims = [e for e in fold.of(events, "unit.claimed") if e.about == serial]
    return str(claims[-1].body["owner"]) if claims else ""


def consents(
    events: Iterable[Event], person: str, purposes: Mapping[str, str], standing: Mapping[str, int]
) -> list[dict[str, Any]]:
    """One row a purpose: {purpose, meaning, given, until_ns, since_ns, history: [{t_ns, given, by}]}.

    purposes  purpose -> what it means; standing: purpose -> until, of what the person agrees to now
              (govern.consent.valid)
    """
    mine = [e for e in fold.of(events, "consent.given", "consent.withdrawn") if e.about == person]
    out = []
    for purpose, meaning in purposes.items():
        of = [e for e in mine if e.body["purpose"] == purpose]
        given = purpose in standing
        out.append(
            {
                "purpose": purpose,
                "meaning": meaning,
                "given": given,
                "until_ns": standing.get(purpose, 0),
                "since_ns": of[-1].t_ns if of and given else None,
                "history": [{"t_ns": e.t_ns, "given": e.kind == "consent.given", "by": e.actor} for e in of],
            }
        )
    return out
