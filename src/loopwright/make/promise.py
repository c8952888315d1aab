"""When one order more can be done: the earliest date with the plan that proves it, and what earlier dates would cost.

    answer = promise(shop, plan, job)          shop and plan as they stand; job: what is asked for, due_s: by when
    answer.offers                              dates, each with its plan, its cost and whom it delays
    answer.offers[0]                           nobody moves; answer.flow says what it waits for

The first offer puts the job into the gaps of the plan: nothing else moves (a setup may become another). Then operations
of other orders may move, as long as no order ends after it is due (one without a due date, or late already: not later
than planned). Then orders may become late, by a little and by as much as it takes.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from loopwright.core.clock import monotonic_s
from loopwright.core.errors import InputError, PlanError
from loopwright.core.types import Plan, Slot
from loopwright.make.check import check
from loopwright.make.objective import parse, value
from loopwright.make.promises.displacing import displaced
from loopwright.make.promises.insertion import insert, ready_s
from loopwright.make.promises.lateness import Flow, flow_of, lasting
from loopwright.make.promises.lines import NEVER_S, Floor, floor_of
from loopwright.make.shop import Job, Operation, Shop, in_order

PARTS = (1 / 4, 1 / 16)  # of the longest delay that the earliest date costs: the dates between
FREE = (0.5, 0.0, 0.25)  # which part of those that can wait, the ones with the least time, stays where it is, by turns
PATIENCE = 20  # tries by chance in vain
LAST = 0.65  # of the time: after that nothing more is begun; what was found is told and checked


@dataclass(frozen=True)
class Delay:
    """An order that would end later: by so many seconds, and so many more of them after it is due (without a due date:
    after it is planned)."""

    order: str
    by_s: int
    late_s: int
    due_s: int | None


@dataclass(frozen=True)
class Offer:
    """A date, and what it takes.

    how     'gaps': nothing else moves;  'moves': others move, none becomes late;  'delays': some become late
    end_s   when the order's last operation ends, seconds from the origin
    extra   what the objective rises by, in its unit
    moved   operations of other orders that change their start, machine or person
    """

    how: str
    end_s: int
    plan: Plan
    extra: float
    moved: int
    delayed: tuple[Delay, ...] = ()

    def slots(self, order: str) -> tuple[Slot, ...]:
        """The slots of one order, by time."""
        return tuple(sorted((s for s in self.plan.slots if s.order == order), key=lambda s: (s.start_s, s.operation)))


@dataclass(frozen=True)
class Promise:
    """What can be promised for an order.

    offers   the first is the one that moves least; each that follows is earlier
    flow     what the first offer's date is made of: work and waits, from release to end
    least_s  no plan ends it earlier: its own work, materials, closed times, what has begun (None: not known)
    proven   no plan that moves nobody is earlier than the first offer
    met      whether the date asked for (job.due_s) can be kept with nobody late; None when none was asked for
    says     the answer in a sentence
    """

    order: str
    offers: tuple[Offer, ...]
    flow: Flow
    least_s: int | None
    proven: bool
    met: bool | None
    says: str
    took_s: float

    @property
    def end_s(self) -> int:
        """The date, seconds from the origin: when its last operation ends."""
        return self.offers[0].end_s

    @property
    def plan(self) -> Plan:
        """The plan that proves it."""
        return self.offers[0].plan


@dataclass(frozen=True)
class _Asked:
    """What is asked, since when (`monotonic_s`), and how long may be searched."""

    before: Shop
    shop: Shop
    plan: Plan
    job: Job
    objective: str
    started_s: float
    seconds: float

    def until(self, part: float) -> float:
        """The moment (`monotonic_s`) at which so much of the time is over."""
        return self.started_s + part * self.seconds


def promise(shop: Shop, plan: Plan, job: Job, seconds: float = 1.0, objective: str = "") -> Promise:
    """What can be promised for a job beside all that is planned.

    plan       of the shop as it is, keeping its rules
    job        not in the shop yet; its due_s is the date that is asked for
    seconds    after which no further offer is begun (the first is always finished)
    objective  in which costs are told; '': the plan's
    Raises InputError for a plan that is not one of this shop, a job that stands in it already or has begun; UnknownName
    for what the shop does not have; PlanError with the reason when the job cannot be done at all.
    """
    started_s = monotonic_s()
    whole = _with(shop, plan, job)
    asked = _Asked(shop, whole, plan, job, objective or plan.objective, started_s, seconds)
    parse(asked.objective)
    least_s = _alone(asked)
    floor = floor_of(whole, plan.slots)
    found = insert(floor, job, asked.until(0.2))
    offers = _menu(asked, floor, found.floor, least_s)
    for offer in offers:
        if broken := check(whole, offer.plan):
            raise PlanError("promise", f"the plan breaks the shop's rules: {broken[0].says}", "", "report this")
    if not offers:
        within = f"no room for it before the shop's horizon of {lasting(shop.horizon_s or 0)}"
        raise PlanError(f"order {job.id!r}", within, "", "plan further ahead, or open more hours")
    flow = flow_of(whole, offers[0].plan, job.id)
    met, says = _answer(job, offers, flow, least_s)
    return Promise(job.id, tuple(offers), flow, least_s, found.proven, met, says, monotonic_s() - started_s)


def _with(shop: Shop, plan: Plan, job: Job) -> Shop:
    """The shop with the job in it."""
    where = f"order {job.id!r}"
    if not job.operations:
        raise InputError(where, "has no operations", "at least one")
    if any(one.id == job.id for one in shop.jobs):
        raise InputError(where, "stands in the shop already", "an order that is new")
    for operation in job.operations:
        if operation.frozen:
            raise InputError(where, f"operation {operation.name!r} has begun", "an order that is new")
        if not operation.on:
            raise PlanError(f"operation {operation.name!r} of {job.id!r}", "no machine can do it", "",
                            "add a machine with its role")
    whole = replace(shop, jobs=(*shop.jobs, job))
    if broken := check(shop, plan):
        todo = "plan again first: loopwright plan"
        raise InputError("plan that stands", broken[0].says, "a plan of this shop that keeps its rules", todo)
    return whole


def _alone(asked: _Asked) -> int | None:
    """When it ends at best, whatever else is planned: without the other orders, but for what has begun, and without
    setups. PlanError with the reason when not even then."""
    several = {m.id for m in asked.before.machines if m.batch > 1}
    slots = [s for s in asked.plan.slots if s.frozen and s.machine not in several]
    job = replace(asked.job, operations=tuple(replace(o, setup="") for o in asked.job.operations))
    floor = floor_of(asked.shop, slots)
    found = insert(floor, job, asked.until(0.1))
    if found.floor is None:
        raise _refused(asked, floor)
    return found.end_s if found.proven else None


def _refused(asked: _Asked, floor: Floor) -> PlanError:
    """Why a job cannot be done even if there were no other."""
    spans: dict[str, tuple[int, int]] = {}
    shop, job = asked.shop, asked.job
    for o, ready in _in_turn(job, shop, spans):
        where = f"operation {o.name!r} of {job.id!r}"
        free = replace(o, setup="")
        places = [next(floor.places(free, machine, seconds, ready), None) for machine, seconds in o.on]
        if any(places):
            spans[o.name] = min(((p.start_s, p.end_s) for p in places if p), key=lambda span: span[1])
            continue
        ways = ", ".join(f"{seconds} s on {machine}" for machine, seconds in o.on)
        needs = f" with somebody who can do {o.skill!r}" if o.skill else ""
        last = max(o.materials, key=lambda name: shop.materials[name], default="")
        why = f" ({last} arrives then)" if last and shop.materials[last] == ready else ""
        given = (f"takes {ways}{needs} in one piece, can start after {ready} s{why}, and until the horizon of "
                 f"{shop.horizon_s} s there is no such time")
        return PlanError(where, given, "", "open a longer interval, or plan further ahead")
    return PlanError(f"order {job.id!r}", "no room before the horizon", "", "plan further ahead")


def _in_turn(job: Job, shop: Shop, spans: Mapping[str, tuple[int, int]]) -> Iterator[tuple[Operation, int]]:
    """Operations one after the other, with the moment each can start (spans are filled in between)."""
    for o in in_order(job):
        yield o, min(ready_s(shop.ready_s(job, o), o, seconds, spans) for _, seconds in o.on)


def _menu(asked: _Asked, floor: Floor, in_gaps: Floor | None, least_s: int | None) -> list[Offer]:
    """The offers: nobody moves, nobody becomes late, and what is earlier still by the lateness that it costs."""
    first = [_offer(asked, in_gaps)] if in_gaps else []
    best_s = first[0].end_s if first else NEVER_S
    limits, ends = _limits(asked.before, asked.plan), _ends(asked.plan.slots)
    rush = _Search(asked, floor, dict.fromkeys(limits, NEVER_S), ends)
    kept = _Search(asked, floor, limits, ends)
    if best_s == least_s:
        return first
    kept.go(FREE[:1], asked.until(LAST), best_s)
    rush.go((0.0,), asked.until(LAST), best_s)
    most_s = max([0, *(delay.late_s for delay in rush.best.delayed)]) if rush.best else 0
    kept.go(FREE[1:], asked.until(LAST), best_s)
    between = []
    for part in PARTS if most_s else ():
        allowed = {order: end_s + round(part * most_s) for order, end_s in limits.items()}
        search = _Search(asked, floor, allowed, ends)
        search.go((0.0,), asked.until(LAST), best_s)
        between.append(search.best)
    kept.wander(asked.until(LAST), least_s or 0)
    offers = [offer for offer in (kept.best, *reversed(between), rush.best) if offer]
    offers.sort(key=lambda offer: (sum(delay.late_s for delay in offer.delayed), offer.end_s))
    for offer in offers:
        if not first or offer.end_s < first[-1].end_s:
            first.append(offer)
    return first


class _Search:
    """Ways to put the job in where others move, within what they are allowed."""

    def __init__(self, asked: _Asked, floor: Floor, allowed: Mapping[str, int], ends: Mapping[str, int]) -> None:
        self.asked, self.floor, self.allowed = asked, floor, allowed
        able = [order for order, end_s in allowed.items() if end_s > ends[order]]
        self.able = sorted(able, key=lambda order: allowed[order] - ends[order])  # the one with the least time first
        self.best: Offer | None = None

    def go(self, stay: Sequence[float], until_s: float, best_s: int) -> None:
        """Tries with these parts of those who could move staying where they are."""
        for part in stay:
            self._try(self.able[int(part * len(self.able)):], until_s, best_s)

    def wander(self, until_s: float, least_s: int) -> None:
        """Tries with some of them, drawn by chance, while there is time and something to win."""
        chance, vain = random.Random(len(self.able)), 0
        while self.best and self.best.end_s > least_s and vain < PATIENCE and monotonic_s() < until_s:
            part, end_s = chance.uniform(0.4, 1.0), self.best.end_s
            self._try([order for order in self.able if chance.random() < part], until_s, end_s)
            vain = 0 if self.best.end_s < end_s else vain + 1

    def _try(self, free: Sequence[str], until_s: float, best_s: int) -> None:
        if free and (found := displaced(self.floor, self.asked.job, self.allowed, free, until_s)):
            offer = _offer(self.asked, found)
            if offer.end_s < min(best_s, self.best.end_s if self.best else NEVER_S):
                self.best = offer


def _limits(shop: Shop, plan: Plan) -> dict[str, int]:
    """order -> when it has to end: when it is due, or as planned."""
    ends = _ends(plan.slots)
    return {job.id: ends[job.id] if job.due_s is None else max(job.due_s, ends[job.id])
            for job in shop.jobs if job.id in ends}


def _ends(slots: Sequence[Slot]) -> dict[str, int]:
    ends: dict[str, int] = {}
    for slot in slots:
        ends[slot.order] = max(slot.end_s, ends.get(slot.order, slot.end_s))
    return ends


def _offer(asked: _Asked, floor: Floor) -> Offer:
    """A floor as an offer."""
    aim, was, slots = parse(asked.objective), asked.plan, floor.slots()
    cost = value(aim, asked.shop, slots)
    ordered = tuple(sorted(slots, key=lambda s: (s.start_s, s.machine, s.order, s.operation)))
    bound = 0.0 if asked.shop.setups or asked.objective != was.objective else min(was.bound, cost)
    plan = Plan(was.origin_ns, ordered, "feasible", asked.objective, cost, bound, "insertion", 0.0)
    at = {(s.order, s.operation): (s.machine, s.start_s, s.operator) for s in was.slots}
    moved = sum((s.machine, s.start_s, s.operator) != at.get((s.order, s.operation)) for s in slots
                if s.order != asked.job.id)
    old, new = _ends(was.slots), _ends(slots)
    delayed = [_delay(job, old[job.id], new[job.id]) for job in asked.before.jobs
               if job.id in old and new[job.id] > old[job.id]]
    delayed.sort(key=lambda delay: (-delay.late_s, -delay.by_s, delay.order))
    extra = cost - value(aim, asked.before, was.slots)
    how = "delays" if any(delay.late_s for delay in delayed) else "moves" if moved else "gaps"
    return Offer(how, new[asked.job.id], plan, extra, moved, tuple(delayed))


def _delay(job: Job, old_s: int, new_s: int) -> Delay:
    due_s = job.due_s
    late_s = new_s - old_s if due_s is None else max(0, new_s - due_s) - max(0, old_s - due_s)
    return Delay(job.id, new_s - old_s, late_s, due_s)


def _answer(job: Job, offers: Sequence[Offer], flow: Flow, least_s: int | None) -> tuple[bool | None, str]:
    """(whether the date asked for can be kept with nobody late, the answer in a sentence)."""
    first, most = offers[0], flow.most
    waits = f"; it waits longest ({lasting(most.seconds)}) because {most.says}" if most else ""
    if job.due_s is None:
        return None, f"in {lasting(first.end_s)}{waits}"
    if first.end_s <= job.due_s:
        spare = lasting(job.due_s - first.end_s)
        return True, f"yes: in {lasting(first.end_s)}, {spare} before the date asked for"
    able = next((offer for offer in offers if offer.end_s <= job.due_s), None)
    if able is not None and able.how != "delays":
        return True, f"yes, if {able.moved} operations of other orders move; none of them becomes late"
    late = lasting(first.end_s - job.due_s)
    if able is not None:
        who = ", ".join(f"{d.order} by {lasting(d.late_s)}" for d in able.delayed[:3] if d.late_s)
        return False, f"no: {late} later{waits}; the date asked for would make late: {who}"
    if least_s is not None and least_s > job.due_s:
        return False, f"no: by itself in the shop it ends {lasting(least_s - job.due_s)} after the date asked for"
    return False, f"no: {late} later{waits}; no offer is early enough"

