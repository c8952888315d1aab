"""Who may do what: the table, owners and their own things, nobody approves their own proposal, loopback without users."""

from dataclasses import dataclass

import pytest

from loopwright.core.errors import NotAllowed, UnknownName
from loopwright.govern import access, roles


@dataclass(frozen=True)
class Somebody:
    name: str
    role: str
    person: str = ""


ENGINEER, APPROVER = Somebody("eva", "engineer"), Somebody("al", "approver")
OWNER, LOCAL = Somebody("olga", "owner", "person-7"), Somebody("local", "everyone")
OWNERS = {"unit-1": "person-7", "unit-2": "person-8"}


def owner_of(thing: str) -> str:
    return OWNERS.get(thing, "")


def test_an_owner_sees_only_their_own_things():
    access.may(OWNER, "unit.see", "unit-1", owner_of)
    access.may(OWNER, "person.see", "person-7", owner_of)
    for about in ("unit-2", "unit-9", "person-8", ""):
        with pytest.raises(NotAllowed, match="not theirs"):
            access.may(OWNER, "unit.see", about, owner_of)
    with pytest.raises(NotAllowed, match="operator, engineer, approver"):
        access.may(OWNER, "plant.see")
    assert access.visible(OWNER, "unit.see", list(OWNERS), owner_of) == ["unit-1"]
    assert access.visible(ENGINEER, "unit.see", list(OWNERS), owner_of) == ["unit-1", "unit-2"]
    assert access.visible(OWNER, "plant.see", list(OWNERS), owner_of) == []


def test_an_owner_without_a_person_owns_nothing_even_what_is_nobodys():
    nobody = Somebody("new", "owner", "")
    with pytest.raises(NotAllowed):
        access.may(nobody, "unit.see", "unit-9", owner_of)


def test_nobody_approves_their_own_proposal():
    access.may(APPROVER, "change.approve", "change-1", proposer="eva")
    with pytest.raises(NotAllowed, match="nobody approves their own proposal"):
        access.may(APPROVER, "change.approve", "change-1", proposer="al")
    for user in (ENGINEER, OWNER, LOCAL, Somebody("ed", "operator")):
        assert not access.can(user, "change.approve", "change-1", proposer="somebody")


def test_without_users_the_plant_answers_on_this_machine_only():
    for here in ("127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", "::1%lo"):
        access.answer_at(here, 0)
    for away in ("192.168.1.4", "2001:db8::1", "", "example.org", "::ffff:10.0.0.1"):
        with pytest.raises(NotAllowed, match="loopback while the plant has no users"):
            access.answer_at(away, 0)
        access.answer_at(away, 1)


def test_the_only_person_of_a_plant_without_users_may_do_all_but_approve_and_command():
    kept = {row["action"] for row in access.table() if row["everyone"] == "-"}
    assert kept == {"change.approve", "command.send"}
    assert len(access.table()) == len(roles.RIGHTS)


def test_unknown_actions_and_roles_are_named_with_the_nearest():
    with pytest.raises(UnknownName, match=r"did you mean 'unit\.see'"):
        access.may(ENGINEER, "unit.sea")
    with pytest.raises(UnknownName, match="did you mean 'operator'"):
        roles.require_role("operater")
    assert roles.require_role("owner") == "owner"
    assert not access.can(Somebody("x", "intruder"), "plant.see")
