"""The one door through which a plan becomes the plan of a plant: solved in the warm worker, checked, recorded.

    found = await solve(plant, shop, old, seconds)
    event = release(plant, shop, found, Why("repair: mill-1 is down", about="plan-00012", base=in_force, because=(...)))

An order that it holds for the first time is promised its date with it, and told anew when it moves it far
(`app.promised`).
The event says why it was planned, because of which events, how much of the plan before it was kept, and what moved.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from loopwright.app.plant import Plant
from loopwright.app.promised import promises
from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import PlanError
from loopwright.core.types import Event, Plan
from loopwright.make.check import check
from loopwright.make.open_work import as_body
from loopwright.make.repair import Repair
from loopwright.make.shop import Shop

_releasing = threading.Lock()
SEED, THREADS = 0, 2  # of every search
WORK = 15e6  # operations times moves of each thread in a second (measured: 28e6 to 33e6 with 116 to 157 operations)
LEAST_MOVES = 100


@dataclass(frozen=True)
class Found:
    """What the planner gave: a plan, and how it differs from the one before it where it mends one."""

    plan: Plan
    repair: Repair | None = None


@dataclass(frozen=True)
class Why:
    """What is recorded with a plan.

    reason   in words; because: ids of the events that made it so
    about    the plan's name
    base     the plan that it replaces; where `exact` is set nothing else may have been released meanwhile
    actor    whose plan it is, '' for the plant's own
    more     further fields of the event's body
    """

    reason: str
    about: str
    base: Event | None = None
    because: tuple[str, ...] = ()
    exact: bool = False
    actor: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)


def warm(plant: Plant) -> None:
    """Loads the planner in the plant's worker, so that nobody waits for it later."""
    plant.workers.warm("plan", "loopwright.make.plan:plan")


async def solve(plant: Plant, shop: Shop, old: Plan | None, seconds: float) -> Found:
    """A plan for the shop, or what is left of the old one mended for it; in the plant's warm worker.

    Its search counts moves instead of seconds, about as many as an idle machine makes in them: equal shops get equal
    plans, so that a turn of one seed is the same turn on a busy machine. 0 seconds: no search.
    """
    return await asyncio.to_thread(solve_now, plant, shop, old, seconds, None, moves_of(shop, seconds))


def moves_of(shop: Shop, seconds: float) -> int | None:
    """How many moves go with so many seconds: the fewer, the more operations a move has to look at."""
    return max(LEAST_MOVES, round(seconds * WORK / max(1, len(shop.operations)))) if seconds > 0 else None


def solve_now(
    plant: Plant, shop: Shop, old: Plan | None, seconds: float, stability: float | None = None,
    iterations: int | None = None,
) -> Found:
    """As `solve`, for callers that wait themselves, and by the clock. stability: as in `make.repair`, instead of the
    site's; iterations: of the search, instead of its seconds.

    Raises PlanError where there is no plan.
    """
    table = plant.site["plan"]
    objective, stability = str(table["objective"]), float(table["stability"] if stability is None else stability)
    if old is None:
        return Found(plant.workers.call("plan", "loopwright.make.plan:plan", shop, seconds, objective, SEED, THREADS,
                                        None, None, None, iterations).result())
    call = plant.workers.call("plan", "loopwright.make.repair:repair", shop, old, seconds, stability, objective, SEED,
                              THREADS, None, iterations)
    mended: Repair = call.result()
    return Found(mended.plan, mended)


def release(plant: Plant, shop: Shop, found: Found, why: Why, others: Sequence[Event] = ()) -> Event:
    """Checks the plan and records it as the one in force; `others` are recorded with it or not at all.

    Raises PlanError for a plan that breaks a rule of its shop, and, where `why.exact` is set, when another plan was
    released after `why.base`: two plans can never replace the same one.
    """
    if wrong := check(shop, found.plan):
        raise PlanError(why.about, f"the plan breaks the shop's rules: {wrong[0]}", "", "report this")
    body = as_body(found.plan, why.reason, shop) | moved(found.repair, why.base) | dict(why.more)
    key = f"after/{why.base.id if why.base else 'none'}" if why.exact else why.about
    event = Event("plan.released", why.about, shop.origin_ns, why.actor or plant.actor, body, why.because, key)
    with _releasing:  # one process writes a plant, so that this is the only door
        newest = plant.store.recall(kind="plan.released", limit=1, newest_first=True)
        if why.exact and [e.id for e in newest] != ([why.base.id] if why.base else []):
            raise stale(why, newest[0] if newest else None)
        told = promises(plant, why.about, shop, found.plan, why.reason)
        recorded = plant.store.record([event, *others, *told])[0]
    if recorded.about != why.about:
        raise stale(why, recorded)
    return recorded


def stale(why: Why, newest: Event | None) -> PlanError:
    """The plant's plan moved on."""
    base = why.base.about if why.base else "no plan"
    given = f"was made to replace {base}; meanwhile {newest.about if newest else 'nothing'} was released"
    return PlanError(why.about, given, "", "make it again from the plan in force")


def moved(repair: Repair | None, base: Event | None) -> dict[str, Any]:
    """How a repaired plan differs from the one before it, in plain data: the share of operations not begun that keep
    machine and order, each that does not, what is new, how many start at another second, and why, in sentences."""
    if repair is None or base is None:
        return {}
    origin_ns = int(base.body["origin_ns"])
    shift_s = round((repair.plan.origin_ns - origin_ns) / NS_PER_S)
    before = {(row["order"], row["operation"]): row for row in base.body["slots"]}
    after = {(s.order, s.operation): s for s in repair.plan.slots}
    moves = []
    for key in repair.moved:
        row, slot = before[key], after[key]
        moves.append({
            "order": key[0], "operation": key[1], "from": row["machine"], "to": slot.machine,
            "later_s": slot.start_s - (row["start_s"] - shift_s)})
    return {
        "repairs": base.about, "kept": len(repair.kept), "kept_part": round(repair.kept_part, 4), "moved": moves,
        "added": [list(key) for key in repair.added], "shifted": repair.shifted, "why": list(repair.why),
        "note": repair.note}
