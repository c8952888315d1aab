"""May this user do that to this thing? One function, asked before every read and write that leaves the house.

Owners see only what is theirs; nobody approves their own proposal; a plant without users answers on the machine it runs
on only.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Protocol

from loopwright.core.errors import NotAllowed
from loopwright.govern.roles import ALL, EVERYONE, OWN, RIGHTS, ROLES, right


class Actor(Protocol):
    """Somebody who is in: a name, a role, and the person whose things an owner may see ('' for nobody)."""

    @property
    def name(self) -> str: ...
    @property
    def role(self) -> str: ...
    @property
    def person(self) -> str: ...


def may(
    user: Actor, action: str, about: str = "", owner_of: Callable[[str], str] | None = None, proposer: str = ""
) -> None:
    """Raises NotAllowed unless this user may do this.

    action    an action of `roles.RIGHTS`
    about     id of what it is done to: a unit, thing, order or person
    owner_of  id -> id of the person it belongs to ('' = nobody's); a person is their own
    proposer  who proposed what is being approved
    """
    row = right(action)
    reach = row.reach(user.role)
    if not reach:
        who = ", ".join(role for role in (*ROLES, EVERYONE) if row.reach(role))
        raise NotAllowed(f"{user.name} ({user.role})", f"may not {row.meaning}", who)
    if action == "change.approve" and proposer and proposer == user.name:
        raise NotAllowed(
            f"{user.name} ({user.role})", "proposed it", "somebody else", "nobody approves their own proposal"
        )
    if reach == OWN and not owns(user, about, owner_of):
        raise NotAllowed(
            f"{user.name} ({user.role})", f"may not {row.meaning}: {about or 'it'} is not theirs", "their own things"
        )


def owns(user: Actor, about: str, owner_of: Callable[[str], str] | None = None) -> bool:
    """Whether a thing, unit, order or person belongs to this user. Without a person of theirs, nothing does."""
    if not user.person or not about:
        return False
    return about == user.person or (owner_of is not None and owner_of(about) == user.person)


def can(
    user: Actor, action: str, about: str = "", owner_of: Callable[[str], str] | None = None, proposer: str = ""
) -> bool:
    """`may` as a question: for pages that leave out a button."""
    try:
        may(user, action, about, owner_of, proposer)
    except NotAllowed:
        return False
    return True


def visible(user: Actor, action: str, ids: list[str], owner_of: Callable[[str], str]) -> list[str]:
    """Those of the ids that this user may see: all, their own, or none."""
    reach = right(action).reach(user.role)
    if reach == ALL:
        return list(ids)
    return [one for one in ids if owns(user, one, owner_of)] if reach == OWN else []


def answer_at(client: str, users: int) -> None:
    """Raises NotAllowed when a plant without users is asked from another machine.

    client  address the question came from; users: how many the plant has
    """
    if users:
        return
    try:
        address = ipaddress.ip_address(client.split("%")[0])
        here = (getattr(address, "ipv4_mapped", None) or address).is_loopback
    except ValueError:
        here = False
    if not here:
        raise NotAllowed(
            "console and API",
            f"asked from {client or 'an unknown address'}",
            "loopback while the plant has no users",
            "add a user (loopwright users add NAME ROLE --site SITE), or use the machine it runs on",
        )


def table() -> list[dict[str, str]]:
    """The table of rights as rows for people: action, meaning, and 'all', 'own' or '-' for each role."""
    return [
        {"action": row.action, "meaning": row.meaning, **{role: row.reach(role) or "-" for role in (*ROLES, EVERYONE)}}
        for row in RIGHTS.values()
    ]
