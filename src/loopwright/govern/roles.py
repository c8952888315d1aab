"""Who may do what: one table. Every check in the house reads it, and the reference docs print it.

operator   runs machines and orders
engineer   changes how things are made, and proposes
approver   agrees to what touches a person or a machine
owner      has a product: sees and decides about their own things only
everyone   the only person of a plant without users, on the machine it runs on: may do all but approve changes
"""

from __future__ import annotations

from dataclasses import dataclass

from loopwright.core.errors import UnknownName

ROLES = ("operator", "engineer", "approver", "owner")
EVERYONE = "everyone"  # a plant without users, from loopback
STAFF = ("operator", "engineer", "approver")
ALL, OWN = "all", "own"


@dataclass(frozen=True)
class Right:
    """One action: what it is, who may do it to everything, and who only to what is theirs."""

    action: str
    meaning: str
    to_all: frozenset[str]
    to_own: frozenset[str] = frozenset()

    def reach(self, role: str) -> str:
        """'all', 'own' or '': how far this right reaches for a role."""
        if role in self.to_all:
            return ALL
        return OWN if role in self.to_own else ""


def _right(action: str, meaning: str, *to_all: str, own: bool = False, everyone: bool = True) -> Right:
    known = frozenset(to_all) | (frozenset({EVERYONE}) if everyone else frozenset())
    return Right(action, meaning, known, frozenset({"owner"}) if own else frozenset())


_TABLE = [
    _right("plant.see", "see the loop, machines, plans, alarms and loss accounting", *STAFF),
    _right("unit.see", "see the whole thread of a unit, its shots and advice", *STAFF, own=True),
    _right("person.see", "see a person's measures and consents", "operator", "engineer", own=True),
    _right("person.add", "import persons", "operator", "engineer"),
    _right("order.place", "place an order", "operator", "engineer", own=True),
    _right("file.import", "import shots, swings and other files", "operator", "engineer", own=True),
    _right("plan.release", "release a plan, open and close work orders", "operator", "engineer"),
    _right("alarm.acknowledge", "acknowledge an alarm", *STAFF),
    _right("alarm.shelve", "shelve an alarm for a time, with a reason, and let it out again", "operator", "engineer"),
    _right("alarm.suppress", "take an alarm out of service, with a reason, and put it back", "engineer"),
    _right("points.correct", "correct stored values, with a reason", "engineer"),
    _right("points.expire", "remove values that are older than the site keeps them", "engineer"),
    _right("people.export", "take the measures of every person out of the plant", "engineer"),
    _right("model.train", "train a model", "engineer"),
    _right("change.propose", "propose a change", "engineer"),
    _right("change.approve", "approve or decline a change or a decision", "approver", everyone=False),
    _right("change.undo", "take a released change back", "engineer", "approver"),
    _right("command.send", "send an approved command to a machine", "operator", "engineer", everyone=False),
    _right("unit.claim", "claim a unit with its one-time code", own=True, everyone=True),
    _right("consent.give", "give or withdraw consent", own=True, everyone=True),
    _right("data.export", "export everything about a person", own=True, everyone=True),
    _right("data.erase", "erase a person", "engineer", own=True),
    _right("ledger.see", "read who decided what and why, and verify the chain", *STAFF),
    _right("user.edit", "add and remove users", "engineer"),
]
RIGHTS: dict[str, Right] = {right.action: right for right in _TABLE}


def right(action: str) -> Right:
    """The row of that action; UnknownName lists the actions there are."""
    if action not in RIGHTS:
        raise UnknownName("action", action, RIGHTS)
    return RIGHTS[action]


def require_role(role: str) -> str:
    """The role itself when it is one; UnknownName otherwise."""
    if role not in ROLES:
        raise UnknownName("role", role, ROLES)
    return role
