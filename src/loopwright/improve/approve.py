"""Who agrees to a change: two people when it touches a person or a machine, never the one who proposed it, each once.

Approval is asked for twice: before a change is tried on anybody's order ('trial'), and before it is released
('release').
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from loopwright.core.errors import NotAllowed, UnknownName
from loopwright.core.types import Change, Event

PURPOSES = ("trial", "release")


def needed(change: Change) -> int:
    """How many people must approve: two when it touches a person or a machine, else one."""
    return 2 if change.touches in ("person", "machine") else 1


def approve(
    change: Change,
    purpose: str,
    actor: str,
    now_ns: int,
    *,
    may: Callable[[str], None],
    earlier: Sequence[str] = (),
    automatic: bool = False,
) -> Event:
    """The event of one approval.

    purpose    'trial' or 'release'
    may        raises NotAllowed unless that actor has a role that may approve changes
    earlier    who has approved this change for this purpose already
    automatic  an example site's named approvers, recorded as 'automatic (example)'
    Raises NotAllowed for the proposer, for the second approval of one person, and where `may` does.
    """
    where = f"approval of {change.id} for its {purpose}"
    if purpose not in PURPOSES:
        raise UnknownName("purpose of an approval", purpose, PURPOSES)
    if actor == change.proposer:
        raise NotAllowed(where, f"{actor!r} proposed it", "somebody else", "nobody approves their own proposal")
    if actor in earlier:
        raise NotAllowed(where, f"{actor!r} has approved it already", f"{needed(change)} different people")
    may(actor)
    body = {"automatic": automatic, "purpose": purpose, "word": "automatic (example)" if automatic else "by a person"}
    return Event("change.approved", change.id, now_ns, actor, body, key=f"approved/{change.id}/{purpose}/{actor}")


def decline(change: Change, actor: str, why: str, now_ns: int, *, may: Callable[[str], None]) -> Event:
    """The event of somebody declining a change, with the reason; one is enough to end it."""
    may(actor)
    if not why.strip():
        raise NotAllowed(f"decline of {change.id}", "no reason is given", "a sentence that says why")
    return Event("change.declined", change.id, now_ns, actor, {"why": why}, key=f"declined/{change.id}")


def automatic(
    change: Change,
    purpose: str,
    approvers: Sequence[str],
    now_ns: int,
    *,
    may: Callable[[str], None],
    earlier: Sequence[str] = (),
) -> list[Event]:
    """The approvals of an example site that names its approvers; [] where it names none: the change stays as it is."""
    events: list[Event] = []
    done = list(earlier)
    for name in approvers:
        if len(done) >= needed(change):
            break
        if name not in done:
            events.append(approve(change, purpose, name, now_ns, may=may, earlier=done, automatic=True))
            done.append(name)
    return events
