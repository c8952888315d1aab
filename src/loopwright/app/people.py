"""Users, owners and consent from the command line; the API and the console write the same events."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from loopwright.app.opening import open_site, there
from loopwright.app.plant import Plant, open_plant
from loopwright.app.site import site_of
from loopwright.app.using import card, declare_units
from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError, NotAllowed, UnknownName
from loopwright.govern import consent, passwords
from loopwright.govern.roles import require_role
from loopwright.store.people import User

DAY_NS = 86_400 * NS_PER_S


def may_be_added(path: Path, name: str, role: str, person: str = "") -> None:
    """Raises UnknownName for a role or person that is not there, InputError for an owner who is no person: what can be
    told before anybody is asked for a password."""
    require_role(role)
    if role == "owner" and not person:
        raise InputError(f"user {name!r}", "an owner needs a person", "--person ID")
    site = site_of(path)
    if person:
        there(site)
        with open_site(site, read_only=True) as store:
            store.people.person(person)


def add_user(path: Path, name: str, role: str, password: str, person: str = "") -> None:
    """A user who may enter with a password. Raises UnknownName for a role or person that is not there."""
    require_role(role)
    if role == "owner" and not person:
        raise InputError(f"user {name!r}", "an owner needs a person", "--person ID")
    with open_plant(site_of(path), actor="owner of the plant") as plant:
        if person:
            plant.store.people.person(person)
        plant.store.people.save_user(User(name, role, passwords.hash_password(password), person))
        plant.record("user.added", name, {"role": role})


def list_users(path: Path) -> list[dict[str, Any]]:
    """Who may enter, and as what."""
    site = site_of(path)
    there(site)
    with open_site(site, read_only=True) as store:
        return [{"name": user.name, "role": user.role} for user in store.people.users().values()]


def claim(plant: Plant, serial: str, code: str, person: str) -> None:
    """Gives a unit to whoever has its one-time code. NotAllowed for a wrong, used or often tried code."""
    shipped = plant.store.recall(kind="unit.shipped", about=serial)
    if not shipped:
        raise UnknownName("shipped unit", serial, [e.about for e in plant.store.recall(kind="unit.shipped")])
    claimed = bool(plant.store.recall(kind="unit.claimed", about=serial))
    wrong = [e.t_ns for e in plant.store.recall(kind="claim.refused", about=serial)]
    kept = passwords.HashedCode(shipped[0].body["code_hash"], shipped[0].body["salt"])
    now_ns = plant.clock.now_ns()
    if not passwords.check_claim(code, kept, claimed=claimed, wrong_ns=wrong, now_ns=now_ns):
        plant.record("claim.refused", serial, actor=person)
        raise NotAllowed(
            f"claim of {serial}", "the code is not the one that came with it", "", "check the code and try again"
        )
    plant.record("unit.claimed", serial, {"owner": person}, actor=person, key=f"claimed/{serial}")
    card(plant, serial).unlink(missing_ok=True)
    declare_units(plant)


def claim_unit(path: Path, serial: str, code: str, person: str) -> None:
    """What `loopwright claim` runs."""
    site = site_of(path)
    there(site)
    with open_plant(site) as plant:
        plant.store.people.person(person)
        claim(plant, serial, code, person)


def set_consent(path: Path, person: str, purpose: str, withdraw: bool, days: float) -> None:
    """Records that a person agrees to a purpose for so many days, or no longer does."""
    consent.require_purpose(purpose)
    site = site_of(path)
    there(site)
    with open_plant(site) as plant:
        plant.store.people.person(person)
        if withdraw:
            plant.record("consent.withdrawn", person, {"purpose": purpose}, actor=person)
            return
        until_ns = plant.clock.now_ns() + round(days * DAY_NS)
        plant.record("consent.given", person, {"purpose": purpose, "until_ns": until_ns}, actor=person)
