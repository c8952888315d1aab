"""What owners have agreed to, purpose by purpose, as a fold over events; nothing is done with their data without it."""

from __future__ import annotations

from collections.abc import Iterable

from loopwright.core.clock import iso
from loopwright.core.errors import NoConsent, UnknownName
from loopwright.core.types import Event

PURPOSES = {
    "coaching": "compare my shots with my own earlier ones and advise me",
    "improvement": "use my shots to improve the product for later orders",
    "training": "use my shots to train models",
    "public page": "show my unit on a page that anybody with its link can open",
}
KINDS = ("consent.given", "consent.withdrawn", "person.erased")


def require_purpose(purpose: str) -> str:
    """The purpose itself when it is one; UnknownName lists what may be agreed to."""
    if purpose not in PURPOSES:
        raise UnknownName("purpose", purpose, PURPOSES)
    return purpose


def valid(events: Iterable[Event], person: str, at_ns: int) -> dict[str, int]:
    """purpose -> until (ns) of what a person agrees to at a time.

    The newest of their events up to then counts; at the same time the withdrawal does. An end that has passed, or an
    erased person, agrees to nothing.
    """
    return _fold((e for e in events if e.about == person), at_ns).get(person, {})


def who(events: Iterable[Event], purpose: str, at_ns: int) -> list[str]:
    """The persons who agree to a purpose at a time, sorted."""
    require_purpose(purpose)
    return sorted(person for person, consents in _fold(events, at_ns).items() if purpose in consents)


def need(events: Iterable[Event], person: str, purpose: str, at_ns: int) -> None:
    """Raises NoConsent unless a person agrees to a purpose at that time; says since when not, or that never."""
    require_purpose(purpose)
    mine = [e for e in events if e.about == person]
    if purpose in valid(mine, person, at_ns):
        return
    told = [e for e in mine if e.t_ns <= at_ns and e.body.get("purpose") == purpose]
    last = max(told, key=_order, default=None)
    if last is None:
        word = "was never asked for or never given"
    elif last.kind == "consent.withdrawn":
        word = f"was withdrawn on {iso(last.t_ns)[:10]}"
    else:
        word = f"ended on {iso(int(last.body['until_ns']))[:10]}"
    raise NoConsent(f"consent of {person}", f"{purpose!r} {word}", "", f"ask the owner: may we {PURPOSES[purpose]}?")


def _order(event: Event) -> tuple[int, bool]:
    return event.t_ns, event.kind != "consent.given"


def _fold(events: Iterable[Event], at_ns: int) -> dict[str, dict[str, int]]:
    """person -> purpose -> until, at a time."""
    standing: dict[str, dict[str, int]] = {}
    known = [e for e in events if e.kind in KINDS and e.t_ns <= at_ns]
    for event in sorted(known, key=_order):
        mine = standing.setdefault(event.about, {})
        if event.kind == "consent.given":
            mine[str(event.body["purpose"])] = int(event.body["until_ns"])
        elif event.kind == "consent.withdrawn":
            mine.pop(str(event.body["purpose"]), None)
        else:
            mine.clear()
    return {p: {name: until for name, until in mine.items() if until > at_ns} for p, mine in standing.items()}
