"""Units reach their owners and report what they do: shipping, claiming, consent, shots and swings, assumed pairings.

    ship(plant, serials, t_ns)             unit.shipped with a one-time code (its hash) for each
    claim_by_buyers(plant, serials, t_ns)  an example: every buyer claims and agrees
    pair(plant, left, rights, seed)        which unit a data set's golfer is taken to play, drawn once and kept
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from loopwright.app.floor import Floor
from loopwright.app.flow import Flow
from loopwright.app.making import Making
from loopwright.app.plant import Plant
from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError
from loopwright.core.types import Event, Thing
from loopwright.govern import passwords

PURPOSES = ("coaching", "improvement")
DAY_NS = 86_400 * NS_PER_S
YEAR_NS = 365 * DAY_NS
KEEN = 4  # owners of a demo who come back to the range


def ship(plant: Plant, serials: Sequence[str], t_ns: int) -> dict[str, str]:
    """Sends units out, each with the card that holds its one-time code; serial -> code. The ledger has only its hash.

    The card stands in the plant's folder `cards`, readable for its user alone, until the unit is claimed.
    """
    finished = {e.about: e.body["order"] for e in plant.store.recall(kind="unit.finished")}
    gone = {e.about for e in plant.store.recall(kind="unit.shipped")}
    codes, events = {}, []
    for serial in serials:
        if serial in gone:
            continue
        code = _on_card(plant, serial)
        hashed = passwords.hash_claim_code(code)
        codes[serial] = code
        events.append(Event("unit.shipped", serial, t_ns, "shop",
                            {"order": finished[serial], "code_hash": hashed.hash, "salt": hashed.salt},
                            key=f"shipped/{serial}"))
    plant.store.record(events)
    return codes


def card(plant: Plant, serial: str) -> Path:
    """The card that is packed with a unit: its serial and its one-time code, a line each."""
    return plant.site.folder / "cards" / f"{serial}.txt"


def _on_card(plant: Plant, serial: str) -> str:
    """The code on the unit's card; written before the unit ships, so that no code is lost when this process dies."""
    path = card(plant, serial)
    if path.exists():
        return path.read_text("utf-8").split()[-1]
    code = passwords.new_claim_code()
    path.parent.mkdir(mode=0o700, exist_ok=True)
    draft = path.with_suffix(".new")
    draft.touch(mode=0o600)
    draft.write_text(f"{serial}\n{code}\n", "utf-8")
    draft.replace(path)
    return code


def claim_by_buyers(plant: Plant, serials: Sequence[str], t_ns: int) -> None:
    """What an example assumes: every buyer claims the unit and agrees to coaching and improvement for a year."""
    placed = {e.about: e.body["person"] for e in plant.store.recall(kind="order.placed")}
    shipped = {e.about: e for e in plant.store.recall(kind="unit.shipped")}
    claimed = {e.about for e in plant.store.recall(kind="unit.claimed")}
    events = []
    for serial in serials:
        if serial in claimed or serial not in shipped:
            continue
        person = placed[shipped[serial].body["order"]]
        events.append(Event("unit.claimed", serial, t_ns, person, {"owner": person, "example": True},
                            key=f"claimed/{serial}"))
        events += [
            Event("consent.given", person, t_ns, person,
                  {"purpose": purpose, "until_ns": t_ns + YEAR_NS, "example": True}, key=f"consent/{person}/{purpose}")
            for purpose in PURPOSES
        ]
    plant.store.record(events)
    for serial in serials:
        card(plant, serial).unlink(missing_ok=True)
    declare_units(plant)


def declare_units(plant: Plant) -> None:
    """Every claimed unit is a thing that may be heard, owned by whoever claimed it."""
    kind = plant.product_pack.hooks.get("unit_kind")
    if not kind:
        return
    claims = plant.store.recall(kind="unit.claimed")
    plant.add(Thing(e.about, kind, unit=e.about, owner=e.body["owner"]) for e in claims)


def pair(plant: Plant, lefts: Sequence[str], rights: Sequence[str], what: str) -> dict[str, str]:
    """A partner for each of `lefts` among `rights`, drawn from the site's pairing seed; what was drawn before stays.

    Where there are more lefts than rights, some have no partner and are not returned. InputError without a right.
    Recorded as 'pairing.assumed': the two data sets do not belong together.
    """
    known = {e.about: str(e.body["right"]) for e in plant.store.recall(kind="pairing.assumed")}
    free = sorted(set(rights) - set(known.values()))
    random.Random(int(plant.site["assumed"]["pairing_seed"])).shuffle(free)
    paired, events = {}, []
    for left in lefts:
        if left in known:
            paired[left] = known[left]
        elif free:
            paired[left] = free.pop()
            body = {"left": left, "right": paired[left], "seed": plant.site["assumed"]["pairing_seed"], "assumed": True,
                    "what": what}
            now_ns = plant.clock.now_ns()
            events.append(Event("pairing.assumed", left, now_ns, plant.actor, body, key=f"pairing/{left}"))
    if lefts and not paired and not rights:
        raise InputError(f"pairing of {what}", f"{len(lefts)} to be paired with nobody", "at least one partner")
    plant.store.record(events)
    return paired


def consented(plant: Plant, purpose: str, at_ns: int) -> set[str]:
    """Persons who agree to a purpose at a time."""
    from loopwright.govern import consent

    return set(consent.who(plant.store.recall(kind="consent."), purpose, at_ns))


async def hit_shots(plant: Plant, shop: Floor, making: Making, shots: int, turn: int, flow: Flow) -> None:
    """Twins of the people who use the product try what was made; the units report over the broker, like any thing.

    The keenest of the first cohort come back, so that the coach has a history of their own to compare with.
    """
    users = plant.product_pack.hooks.get("users")
    if users is None:
        return
    twins = users(plant.site.seed)
    start_ns = max((step.end_ns or 0 for step in making.steps), default=making.origin_ns) + DAY_NS // 2
    made = [unit for unit in making.units if unit.state == "made"]
    persons = {p.id: p for p in plant.store.people.find(ids=[unit.order.person for unit in made])}
    visits = [(persons[unit.order.person], unit.as_built, unit.serial) for unit in made]
    tables = [await asyncio.to_thread(twins.play, visits, shots, start_ns)]
    if making.prefix.endswith("-A"):
        keen = visits[:KEEN]
        tables += [await asyncio.to_thread(twins.play, keen, shots, start_ns + day * DAY_NS, day) for day in (1, 2, 3)]
    table = pa.concat_tables(tables)
    flow.count("use", table.select(["thing", "t_ns"]).group_by(["thing", "t_ns"]).aggregate([]).num_rows)
    await shop.hear(table, f"clubs-{turn}-{making.prefix}")


def is_assumed(plant: Plant) -> Mapping[str, Any]:
    """right -> left of every assumed pairing: a unit or person whose shots are somebody else's."""
    return {str(e.body["right"]): e.about for e in plant.store.recall(kind="pairing.assumed")}
