"""Annealing and CP-SAT by turns, for any shop and objective: who finds better plans, and who proves how good they are.

    found = search(shop, slots, parse("tardiness"), bound, Budget(seconds=9.0))       slots, bound, solver

CP-SAT has a short look at shops so small that it may solve them at once. Then the annealing searches, CP-SAT looks at
the whole shop from there, above all for a bound, and the annealing goes on. Where that gains nothing any more, the last
turn is CP-SAT's: small shops as a whole, larger ones in windows. Without Numba, or while that compiles, CP-SAT has the
time, most of it in windows; without OR-Tools the annealing has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from loopwright.core.clock import monotonic_s
from loopwright.core.types import Slot
from loopwright.make.budget import Budget
from loopwright.make.cp import windows
from loopwright.make.cp.model import Base, Relax, Stopped, base_of, build
from loopwright.make.cp.solve import BOUNDS, Effort, Found, library, name, solve
from loopwright.make.dispatching.dispatch import makespan, settle
from loopwright.make.objective import Objective, parse, value
from loopwright.make.shop import Shop

MAKESPAN = parse("makespan")
PARTS = ((0.05, "small"), (0.3, "anneal"), (0.2, "whole"), (0.25, "anneal"), (1.0, "last"))  # of the time, who searches
STALLED = 0.001  # of the cost: an annealing that found no more than that leaves the last turn to windows
WINDOWED = 1_000  # operations of shops that windows are of use for (measured up to 250)
WHOLE, TURN_S = 0.3, 5.0  # while the annealing is not there: CP-SAT on the whole shop, then windows in such turns
SMALL = 50  # operations
MOVES = 5_000  # of the annealing, for which one window counts where moves are counted
REST = 0.45  # of what is counted, for the last turn
ENDLESS_S = 3600.0
SEEDS = 7919  # apart are the seeds of the annealing's turns
# CP-SAT's own measure of work allowed for each second of wall time: shops that spend it get the same plan on every run
WORK_PER_S = 0.5
# Who proves, while plans come from the annealing. Lateness of 15 jobs: 20,001 of 45,995 in 2.5 s of processor time,
# where CP-SAT's usual searches proved 0 in 5 s. Setups, by `BOUNDS`: as much or more in a third of the processor time
LATENESS = ("lb_tree_search", "core")
# Larger models take longer than a turn to be read and simplified (measured: 18,000 arcs in 1 s of processor time)
OPERATIONS_PER_S, ARCS_PER_S, MOST = 1_500, 8_000, 20_000


class Turns(NamedTuple):
    """slots: no dearer than those it began with; bound: nothing costs less; solver: who took part; hopeless: CP-SAT has
    proven that not everything can end by the horizon."""

    slots: list[Slot]
    bound: float
    solver: str
    hopeless: bool = False


def search(shop: Shop, slots: Sequence[Slot], aim: Objective, bound: float, budget: Budget) -> Turns:
    """A plan of any shop, from a plan on. bound: what is proven already.

    Ends as soon as plan and bound meet, `budget.stop` is set, or the time is over. With `budget.iterations` the
    annealing makes so many moves in each thread, and CP-SAT the work that goes with the seconds.
    """
    from loopwright.make.search import warm as compiling

    begun_s, solvers, gain = monotonic_s(), list[str](), 0.0
    now = Turns(list(slots), bound, "dispatch")
    count = sum(o.frozen is None for o in shop.operations)
    base = base_of(shop) if count <= min(MOST, OPERATIONS_PER_S * budget.seconds) and library() is not None else None
    able = compiling.compiled()
    for part, who in PARTS if able else _alone(budget):
        if who == "windows" and not budget.iterations and compiling.installed() and compiling.ready():
            part, who = 1.0, "anneal"
        if who == "last":
            who = _last(count if base else 0, gain)
        own = _share(budget, part, who, monotonic_s() - begun_s)
        cost = value(aim, shop, now.slots)
        if now.hopeless or own is None or (cost <= now.bound + 1e-9 and not late(shop, now.slots)):
            break
        if who == "anneal":
            own = replace(own, seed=own.seed + SEEDS * len(solvers))
            now = now._replace(slots=_annealed(shop, now.slots, aim, own))
            gain = 1 - value(aim, shop, now.slots) / cost if cost else 0.0
            solvers += ["annealing"]
        elif base is not None and who == "windows" and (count <= WINDOWED or not able):
            now = now._replace(slots=windows.improve(base, now.slots, aim, own))
            solvers += [name()]
        elif base is not None and (count <= SMALL or who != "small"):
            proves = able and who == "whole" and not late(shop, now.slots)
            now = _whole(base, now, aim, own, _provers(aim, own) if proves else ())
            solvers += [name()]
    return now._replace(solver=", ".join(dict.fromkeys(solvers)) or "dispatch")


def _last(count: int, gain: float) -> str:
    """Who has the last turn: where the annealing still gains, it goes on; else CP-SAT proves small shops and tries
    windows of larger ones. count: operations that CP-SAT can look at; gain: part of the cost found by the last turn."""
    if gain > STALLED or not 0 < count <= WINDOWED:
        return "anneal"
    return "small" if count <= SMALL else "windows"


def _alone(budget: Budget) -> Iterator[tuple[float, str]]:
    """Turns without the annealing: short ones, so that it can have the rest as soon as it is compiled."""
    yield WHOLE, "whole"
    if not budget.iterations:
        for _ in range(int((1 - WHOLE) * budget.seconds / TURN_S)):
            yield TURN_S / budget.seconds, "windows"
    yield 1.0, "windows"


def _share(budget: Budget, part: float, who: str, gone_s: float) -> Budget | None:
    """What of a budget goes to one turn; None when it is spent. Counted budgets are not cut by the clock: the parts of
    the moves (a window counts as many), and for whole shops CP-SAT's own work that goes with the seconds."""
    if budget.stop is not None and budget.stop.is_set():
        return None
    if budget.iterations:
        moves = max(1, round(min(part, REST) * budget.iterations / (MOVES if who == "windows" else 1)))
        seconds = ENDLESS_S if who in ("anneal", "windows") else min(part, REST) * budget.seconds
        return replace(budget, iterations=moves, seconds=seconds)
    left_s = budget.seconds - gone_s
    return None if left_s < 0.05 else replace(budget, seconds=min(left_s, part * budget.seconds))


def late(shop: Shop, slots: Sequence[Slot]) -> bool:
    """Whether something ends after the horizon."""
    return shop.horizon_s is not None and makespan(slots) > shop.horizon_s


def _annealed(shop: Shop, slots: list[Slot], aim: Objective, budget: Budget) -> list[Slot]:
    """What the annealing makes of a plan; what ends too late is first made short."""
    from loopwright.make.anneal.general import improve

    if late(shop, slots):
        shorter = improve(shop, slots, MAKESPAN, replace(budget, seconds=budget.seconds / 2))
        slots = shorter if makespan(shorter) < makespan(slots) else slots
        budget = replace(budget, seconds=budget.seconds / 2)
    return improve(shop, slots, aim, budget)


def _provers(aim: Objective, budget: Budget) -> tuple[str, ...]:
    """CP-SAT's searches that prove most for an objective."""
    if aim.setup:
        return BOUNDS
    return LATENESS if aim.tardiness and not aim.makespan and budget.workers > 1 else ()


def _whole(base: Base, now: Turns, aim: Objective, budget: Budget, by: tuple[str, ...]) -> Turns:
    """CP-SAT on the whole shop, or, where that is too large, on the shop without what makes it so: then its order of
    operations is worked as the shop says, and its bound holds all the same."""
    relax = relax_for(base, budget.seconds)
    if relax is None:
        return now
    seed = [] if late(base.shop, now.slots) else now.slots
    found = attempt(base, aim, seed, relax, budget, by=by)
    if found is None:
        return now
    bound = now.bound if found.bound is None else max(now.bound, found.bound)
    if found.status == "infeasible" and found.exact and base.shop.horizon_s is not None:
        return now._replace(bound=bound, hopeless=True)
    slots = better(base.shop, aim, now.slots, found.slots, relax)
    if budget.progress and slots is not now.slots and (cost := value(aim, base.shop, slots)) < value(
            aim, base.shop, now.slots):
        budget.progress(round(cost))
    return now._replace(slots=slots, bound=bound)


def attempt(
    base: Base, aim: Objective, seed: Sequence[Slot], relax: Relax, budget: Budget, first: bool = False,
    by: tuple[str, ...] = (),
) -> Found | None:
    """What CP-SAT finds within the budget; None when it is stopped before it begins, or fails.

    first  any plan does
    by     see `solve.Effort`
    """
    started_s = monotonic_s()
    for hints in (seed, []):
        try:
            model = build(library(), base, aim, hints, relax=relax, stop=budget.stop)
        except Stopped:
            return None
        left_s = ENDLESS_S if budget.iterations else budget.seconds - (monotonic_s() - started_s)
        effort = Effort(
            left_s, WORK_PER_S * budget.seconds, budget.workers, budget.seed, budget.stop, first, by)
        try:
            return solve(model, effort)
        except IndexError:  # OR-Tools 9.15 loses its way in some hints (its issue 5288): once more without one
            continue
    return None


def better(
    shop: Shop, aim: Objective, slots: list[Slot], found: list[Slot], relax: Relax
) -> list[Slot]:
    """The best of a plan, of what CP-SAT found, and of the latter with everything as early as it can be."""
    if not found:
        return slots
    choices = [slots, settle(shop, found), *([found] if relax == Relax() else [])]
    return min(choices, key=lambda plan: (late(shop, plan), value(aim, shop, plan), -choices.index(plan)))


def relax_for(base: Base, seconds: float) -> Relax | None:
    """What must be left out of a model that is to be solved in so many seconds; None: it is too large at all."""
    shop = base.shop
    free = [o for o in shop.operations if not o.frozen]
    ovens = {m.id for m in shop.machines if m.batch > 1}
    set_up, batched = Counter[str](), Counter[str]()
    for o in free:
        set_up.update(m for m, _ in o.on if o.setup and m in base.changes)
        batched.update(m for m, _ in o.on if o.batch and m in ovens)
    pairs = sum(n * n // 2 for n in batched.values())
    if len(free) > OPERATIONS_PER_S * seconds or pairs > ARCS_PER_S * seconds:
        return None
    return Relax(setups=pairs + sum(n * n for n in set_up.values()) > ARCS_PER_S * seconds)
