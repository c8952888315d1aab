"""What people do: each function checks that they may, records an event in their name, and says in a sentence what
came of it."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loopwright.app import approvals, people, reads
from loopwright.app.auth import Who
from loopwright.app.front import Front
from loopwright.app.plant import Plant
from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError, NotAllowed, UnknownName
from loopwright.core.types import Event
from loopwright.govern import access, consent, rights
from loopwright.govern.roles import EVERYONE

LARGEST_FILE = 64 * 1024 * 1024
_claiming = threading.Lock()


def record(
    front: Front,
    who: Who,
    kind: str,
    about: str,
    body: Mapping[str, Any] | None = None,
    because: tuple[str, ...] = (),
    key: str = "",
) -> Event:
    """One event in the name of whoever is in."""
    return front.store.record([Event(kind, about, front.now_ns(), who.name, body or {}, because, key)])[0]


def answer_decision(front: Front, who: Who, decision: str, yes: bool, why: str = "") -> dict[str, Any]:
    """Approves or declines what a decision asks for. InputError when it waits for nobody, or a decline has no
    reason."""
    access.may(who, "change.approve")
    known = {row["id"]: row for row in reads.decisions(front)}
    if decision not in known:
        raise UnknownName("decision", decision, known)
    row = known[decision]
    if row["state"] != "open":
        raise InputError(
            f"decision {decision}",
            f"it is {row['state']}" + (f" by {row['by']}" if row["by"] else ""),
            "a decision that waits for approval",
        )
    if not yes and not why.strip():
        raise InputError(f"decline of {decision}", "no reason is given", "a sentence that says why")
    kind = "decision.approved" if yes else "decision.declined"
    record(front, who, kind, decision, {} if yes else {"why": why.strip()}, (row["event"],), key=f"answered/{decision}")
    return {"says": "Approved." if yes else "Declined.", "decision": decision}


def answer_change(front: Front, who: Who, change: str, yes: bool, why: str = "") -> dict[str, Any]:
    """Approves or declines a change for what it is asked for now, its trial or its release. Nobody approves their
    own, nobody twice."""
    known = {row["id"]: row for row in reads.changes(front)}
    if change not in known:
        raise UnknownName("change", change, known)
    row = known[change]
    if row["state"] not in ("proposed", "gated"):
        raise InputError(f"change {change}", f"it is {row['state']}", "a change that waits for approval")
    access.may(who, "change.approve", proposer=row["proposer"])
    plant = plant_of(front, who.name)
    if not yes:
        approvals.decline_in(plant, change, who.name, why)
        return {"says": "Declined. It ends here.", "change": change}
    says = approvals.approve_in(plant, change, who.name)
    return {"says": f"{says[:1].upper()}{says[1:]}.", "change": change}


def claim(front: Front, who: Who, serial: str, code: str, person: str = "") -> dict[str, Any]:
    """An owner takes a unit by its serial and the one-time code that came with it.

    Wrong codes are counted by unit, in the ledger; an unknown serial sounds like a wrong code, so that none can be
    looked for.
    """
    mine = person_for(front, who, person)
    access.may(who, "unit.claim", mine)
    serial = serial.strip()
    try:
        with _claiming:  # so that wrong codes are counted one after the other
            people.claim(plant_of(front, who.name), serial, code, mine)
    except UnknownName:
        raise NotAllowed(
            f"claim of {serial}", "the code is not the one that came with it", "", "check the code and try again"
        ) from None
    return {"says": f"{serial} is yours.", "serial": serial}


def agree(front: Front, who: Who, purpose: str, given: bool, person: str = "", days: float = 365.0) -> dict[str, Any]:
    """An owner gives or withdraws consent to one purpose. UnknownName lists the purposes there are."""
    mine = person_for(front, who, person)
    access.may(who, "consent.give", mine)
    consent.require_purpose(purpose)
    if given and not 0 < days <= 3650:
        raise InputError("days", f"{days:g}", "more than 0, at most 3650")
    body: dict[str, Any] = {"purpose": purpose}
    if given:
        body["until_ns"] = front.now_ns() + round(days * 86_400 * NS_PER_S)
    record(front, who, "consent.given" if given else "consent.withdrawn", mine, body)
    return {
        "says": f"You agree to {purpose}." if given else f"You no longer agree to {purpose}.",
        "purpose": purpose,
        "given": given,
    }


def person_for(front: Front, who: Who, person: str = "") -> str:
    """The person somebody acts for: an owner for themselves; the only person of a plant without users for whom they
    name."""
    if who.role == EVERYONE:
        known = person or (reads.owners(front) or [""])[0]
        if known:
            front.store.people.person(known)
            return known
        raise InputError("person", "is not given", "the id of a known person")
    if not who.person:
        raise NotAllowed(
            f"{who.name} ({who.role})",
            "is nobody's owner",
            "users added with --person",
            "loopwright users add NAME owner --person ID --site SITE",
        )
    if person and person != who.person:
        raise NotAllowed(f"{who.name} ({who.role})", f"may not act for {person}", "themselves")
    return who.person


def export(front: Front, who: Who, person: str = "") -> dict[str, Any]:
    """Everything the plant holds about an owner, as plain data."""
    mine = person_for(front, who, person)
    access.may(who, "data.export", mine)
    things = list(front.store.things().values())
    names = reads.owner_things(front, mine)
    table = front.store.get(things=names) if names else None
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in table.to_pylist() if table is not None else []:
        value = row["value"] if row["value"] is not None else row["code"]
        rows.setdefault(row["thing"], []).append(
            {"signal": row["signal"], "t_ns": row["t_ns"], "value": value, "quality": row["quality"]}
        )
    return rights.export(front.store.people.person(mine), front.store.recall(), things, rows, front.now_ns())


def bring_file(
    front: Front, who: Who, what: str, name: str, content: bytes, serial: str = "", partly: bool = False
) -> dict[str, Any]:
    """Imports one uploaded file (shots, swings, persons): parsed whole first, then kept, then counted.

    serial  the unit it speaks of; an owner's must be their own
    partly  keep what can be used of a file of which some rows cannot
    """
    from loopwright.app import imports

    access.may(who, "person.add" if what == "persons" else "file.import", serial or who.person, reads.owner_of(front))
    if len(content) > LARGEST_FILE:
        raise InputError(
            name, f"{len(content):,} bytes", f"at most {LARGEST_FILE:,}", "use loopwright import on the plant's machine"
        )
    plant = plant_of(front, who.name)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / (Path(name).name or "upload.csv")
        path.write_bytes(content)
        try:
            parsed = imports.importer(plant, what)(path, imports.options_of(plant))
            imports.require_sound(plant, parsed, partly)
        except InputError as error:  # named as its owner knows it, not as we keep it
            where = error.where.replace(f"{folder}/", "")
            raise InputError(where, error.given, error.allowed, error.todo) from None
        row = imports.keep(plant, parsed, imports.named(parsed, serial, plant))
    return {**row, "says": row["says"] + "."}


def plant_of(front: Front, actor: str) -> Plant:
    """The open plant as the rooms of the loop know it, acting in somebody's name."""
    return Plant(front.site, front.store, front.clock, front.packs, actor, front.workers)
