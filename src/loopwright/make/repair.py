"""A new plan that keeps what it can of the old one, after something happened in the shop.

    again = repair(shop, old)               shop as it is now (change.disturb, make.open_work), old: the plan so far
    again.plan, again.kept_part, again.why, again.note

First the old plan is pushed to the right (`change.right_shift`), which is always there; then a search that may move
only so many operations makes it better, within the seconds: annealing (`make.anneal.mender`), for the makespan of plain
shops after a tabu search (`make.search.near`). What has begun stays where it is.
Why one dial, and what it says: docs/decisions/0023-repair.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from threading import Event

from loopwright.core.clock import monotonic_s
from loopwright.core.errors import InputError
from loopwright.core.types import Plan, Slot
from loopwright.make.budget import Budget
from loopwright.make.change.kept import Slots, Terms, beside, kept
from loopwright.make.change.repair_words import note, struck, why
from loopwright.make.change.right_shift import right_shift, unstarted
from loopwright.make.dispatching.board import follow, sequence
from loopwright.make.dispatching.bound import bound as least_cost
from loopwright.make.dispatching.dispatch import dispatch
from loopwright.make.dispatching.tables import tables_of
from loopwright.make.objective import Objective, parse, value
from loopwright.make.plan import plan
from loopwright.make.shop import Key, Shop

STABILITY = 0.8
MANY = 20_000  # operations; above them one right shift is all there is time for
BY_TABU = 0.6  # of the search of a plain shop for its makespan
LAST_S = 0.06  # that the search may take to hear that its time is over; then placing, counting and telling
PRICE = 0.01  # of what a right shift costs, for moving everything; beside stability 0.8


@dataclass(frozen=True)
class Repair:
    """The new plan, and what became of the old one's operations that had not begun. All keys are (order, operation).

    kept     on the same machine, and in a largest set, for each machine, of which no two stand in another order than
             before (a longest increasing subsequence; those that start together stand in either order)
    moved    the others: on another machine, or in another turn
    added    what is new in the shop
    beside   how many have the same machine and the same operation right before them as before, the stricter count
    shifted  how many start at another second than before
    right_shift   what the plan pushed to the right would cost
    why      what moved and why, in sentences
    note     what the dial made of it: how much is kept, and where it cannot be or what it costs
    """

    plan: Plan
    kept: tuple[Key, ...]
    moved: tuple[Key, ...]
    added: tuple[Key, ...]
    beside: int = 0
    shifted: int = 0
    right_shift: float = 0.0
    why: tuple[str, ...] = ()
    note: str = ""

    @property
    def kept_part(self) -> float:
        """Part of the operations not begun that keep machine and order; 1 when there were none."""
        return len(self.kept) / (len(self.kept) + len(self.moved)) if self.kept or self.moved else 1.0


def repair(
    shop: Shop, old: Plan, seconds: float = 1.0, stability: float = STABILITY, objective: str = "", seed: int = 0,
    workers: int = 2, stop: Event | None = None, iterations: int | None = None
) -> Repair:
    """The old plan fitted to the shop as it is now, within so many seconds of wall time.

    shop       as it is now; its origin is the moment of the repair
    stability  0 to 1: the part of the operations not begun that must keep machine and order. What cannot stand where it
               stood (machine down, gone or slower, person away, material late) may move whatever the part is. What
               moves for little gain stays, the more so the nearer it is to 1. 0: only quality counts. 1: only new
               operations are placed, and those that have lost their machine
    objective  as in `plan`; '': the old plan's
    iterations of the search in each thread, instead of its time: the same plan on every machine
    Raises PlanError for an operation without a machine, or when nothing ends within the horizon; InputError for a
    stability that is not from 0 to 1; UnknownName for an objective that is not there.
    """
    began_s = monotonic_s()
    if not 0 <= stability <= 1:
        raise InputError("repair: stability", f"{stability}", "0 (only quality) to 1 (only stability)")
    aim, was = parse(objective or old.objective), unstarted(shop, old)
    shifts = [right_shift(shop, old, hold) for hold in ((True, False) if len(was) <= MANY else (True,))]
    begins = sorted(shifts, key=lambda slots: value(aim, shop, slots))
    begin = begins[0]
    took_s, cost, solver = monotonic_s() - began_s, value(aim, shop, begin), "right shift"
    bound = least_cost(shop, aim)
    terms = _terms(shop, stability, was, begin, cost)
    begins = [begin, *(other for other in begins[1:] if len(kept(was, _by_key(other))) >= terms.need)]
    left_s = seconds - (monotonic_s() - began_s) - 4 * took_s - LAST_S
    found, free = begin, None
    if cost > bound and (left_s > 0.02 or iterations):
        budget = Budget(left_s, workers, seed, iterations, stop)
        found, free, solver = _searched(shop, was, begins, aim, terms, budget, bound)
    if value(aim, shop, found) > cost:
        found, solver = begin, "right shift"
    found = _held(shop, aim, was, found)
    left_s = seconds if iterations else began_s + seconds - monotonic_s()
    slots, solver = _within(shop, found, Budget(left_s, iterations=iterations), old.objective, solver)
    done = replace(old, origin_ns=shop.origin_ns, objective=objective or old.objective, solver=solver)
    told = _told(shop, was, slots, done)
    again = replace(told, right_shift=value(aim, shop, shifts[0]))
    cost = value(aim, shop, slots)
    again = replace(again, plan=replace(
        again.plan, value=cost, bound=min(bound, cost), status="optimal" if cost <= bound else "feasible",
        took_s=monotonic_s() - began_s))
    return replace(again, note=note(again, stability, free))


def _by_key(slots: Sequence[Slot]) -> Slots:
    return {(s.order, s.operation): s for s in slots}


def _terms(shop: Shop, stability: float, was: Slots, begin: Sequence[Slot], cost: float) -> Terms:
    """How much must be kept: the part that the dial says, no more than what a right shift keeps, and with what cannot
    stand where it stood free to go."""
    most = len(kept(was, _by_key(begin)))
    gone = frozenset(struck(shop, was))
    if stability == 1:
        return Terms(most, 0.0, gone)
    need = min(most, math.ceil(stability * len(was)), len(was) - len(gone))
    return Terms(need, PRICE * cost * stability / (1 - stability) / 4 / max(1, len(was)), gone)


def _searched(
    shop: Shop, was: Slots, begins: list[list[Slot]], aim: Objective, terms: Terms, budget: Budget,
    bound: float
) -> tuple[list[Slot], tuple[float, int] | None, str]:
    """(slots, what was seen beyond the terms, solver): of the compiled searches; where they cannot be had, old slots
    where they can stay and all else in the gaps, if that keeps enough."""
    from loopwright.make.search import warm

    there = warm.compiled()
    if not there and budget.iterations:  # what is found then depends on no clock, the first time neither
        warm.wait()
        there = warm.compiled()
    if not there:
        slots = dispatch(shop, was)
        enough = len(kept(was, _by_key(slots))) >= terms.need
        return (slots, None, "dispatch") if enough else (begins[0], None, "right shift")
    from loopwright.make.anneal.mender import mended
    from loopwright.make.search.near import nearest
    from loopwright.make.search.rows import MOST_S, able

    if not aim.only_makespan or not able(shop) or max(s.end_s for s in begins[0]) >= MOST_S:
        return *mended(shop, was, begins, aim, terms, budget), "repair"
    end_s = monotonic_s() + budget.seconds
    share = replace(budget, seconds=BY_TABU * budget.seconds)
    near = nearest(shop, begins[0], was, terms.need, share, int(bound / aim.makespan))
    left = replace(budget, seconds=max(0.0, end_s - monotonic_s()))
    return *mended(shop, was, [near], aim, terms, left), "tabu, repair"


def _held(shop: Shop, aim: Objective, was: Slots, slots: list[Slot]) -> list[Slot]:
    """The same plan with nothing before its old start, where that costs nothing."""
    tables = tables_of(shop)
    order, ways = sequence(tables, slots)
    at = {(s.order, s.operation): s for s in slots}
    holds = [0] * len(tables.operations)
    for k in order:
        key = tables.operations[k].key
        if key in was and was[key].machine == at[key].machine:
            holds[k] = was[key].start_s
    late = follow(tables, order, ways, holds).slots()
    return late if value(aim, shop, late) <= value(aim, shop, slots) else slots


def _within(shop: Shop, slots: list[Slot], left: Budget, objective: str, solver: str) -> tuple[list[Slot], str]:
    """The slots, when they end within the horizon; else those of a plan made anew."""
    if shop.horizon_s is None or max((s.end_s for s in slots), default=0) <= shop.horizon_s:
        return slots, solver
    made = plan(shop, max(0.1, left.seconds), objective, iterations=left.iterations)
    return list(made.slots), f"{made.solver} (made anew: the horizon is near)"


def _told(shop: Shop, was: Slots, slots: Sequence[Slot], plan_: Plan) -> Repair:
    """The new plan beside the old one."""
    now = {(s.order, s.operation): s for s in slots}
    free = {key: slot for key, slot in now.items() if not slot.frozen}
    stays = kept(was, now)
    ordered = tuple(sorted(slots, key=lambda s: (s.start_s, s.machine, s.order, s.operation)))
    added = tuple(sorted(set(free) - set(was)))
    moved = tuple(sorted(set(was) - stays))
    shifted = sum(now[key].start_s != slot.start_s for key, slot in was.items())
    return Repair(
        replace(plan_, slots=ordered), tuple(sorted(stays)), moved, added, len(beside(was, free)), shifted,
        why=why(shop, was, now, moved, added))

