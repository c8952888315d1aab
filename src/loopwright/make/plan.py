"""Who does what when: a plan for all open orders, with a proven bound.

    plan(shop, seconds=1.0) -> Plan

A dispatching rule gives the first plan and a bound; where they meet, that is the answer. Else a tabu search and then
OR-Tools CP-SAT search on from there (extra `plan`; without it the dispatched plan stands, as its solver's name says);
for shops that are not plain, and other objectives, annealing and CP-SAT by turns (`make.cp.turns`).
Why there is one function: docs/decisions/0006-one-plan-function.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from threading import Event
from typing import Literal

import numpy as np

from loopwright.core.clock import monotonic_s
from loopwright.core.errors import PlanError
from loopwright.core.types import Plan, Slot
from loopwright.make.budget import Budget
from loopwright.make.cp import cpsat
from loopwright.make.cp.reason_rules import time
from loopwright.make.dispatching.bound import Ground, Interval, fastest, ground_of
from loopwright.make.dispatching.bound import bound as least_cost
from loopwright.make.dispatching.dispatch import dispatch, makespan
from loopwright.make.dispatching.first import first_plan
from loopwright.make.objective import Objective, parse
from loopwright.make.objective import value as cost
from loopwright.make.shop import Job, Key, Machine, Operation, Shop, busy

MAKESPAN = Objective(makespan=1.0)
REASON_S = 2.0  # of wall time beside the search's, and no more than that: why there is no plan
LARGE = 5_000  # operations; beyond them CP-SAT needs longer for its model than a search has
HUGE = 20_000  # operations; beyond them annealing finds less in its time than better rules
TUNED, TUNED_STEPS = 2_000, 50  # operations from which better rules are looked for; steps where iterations are counted
PARTS = ((0.15, True), (0.2, False), (1.0, True))  # of the time, by turns: tabu search or not (CP-SAT, for the bound)
TURN_S = 5.0  # of CP-SAT while the tabu search is compiled


def plan(
    shop: Shop,
    seconds: float = 1.0,
    objective: str = "makespan",
    seed: int = 0,
    workers: int = 2,
    keep: Mapping[Key, Slot] | None = None,
    stop: Event | None = None,
    progress: Callable[[int], None] | None = None,
    iterations: int | None = None,
) -> Plan:
    """The best plan found in `seconds` of wall time, everything included; 0: the dispatched plan, without a search.

    objective  'makespan', 'tardiness' (weighted), 'setup', or a mix 'makespan:1,tardiness:5' (make.objective)
    seed       equal shops, seeds and enough time give equal plans
    workers    threads of the search
    keep       slots of an older plan, in seconds from this shop's origin, that should stay: `make.repair` sets it
    stop       once it is set the best plan so far is returned
    progress   called with each better makespan, from the thread that found it
    iterations of the search in each thread, instead of the time: the same plan on every machine; where the tabu search
               can search the shop it alone does, and CP-SAT ends by the work that goes with the seconds
    Raises PlanError naming the operation that has no machine or fits into no open interval, or saying why not
    everything can end by the shop's horizon (make.cp.reasons); UnknownName for an objective that is not there.
    """
    started_s = monotonic_s()
    aim = parse(objective)
    ground = ground_of(shop)
    _refuse_impossible(shop, ground)
    bound: float = least_cost(shop, aim, ground)
    budget = Budget(seconds, workers, seed, iterations, stop, progress)
    slots = dispatch(shop, keep) if keep else first_plan(shop, aim, ground, budget, bound)
    if not iterations:
        budget = replace(budget, seconds=seconds - (monotonic_s() - started_s))
    general = aim != MAKESPAN or not shop.plain or shop.materials or any(m.batch > 1 for m in shop.machines)
    solver = "dispatch"
    if stop is not None and stop.is_set():
        pass
    elif general:
        slots, bound, solver = _general(ground, aim, keep, slots, bound, budget)
    elif seconds > 0 and (makespan(slots) > bound or cpsat.moved(slots, keep)):
        goal = cpsat.Goal(shop, int(bound), keep or {}, budget.seconds, seed, workers)
        slots, bound, solver = _search(goal, slots, budget)
    value = cost(aim, shop, slots)
    if shop.horizon_s is not None and _late(shop, slots):
        last_s = makespan(slots)
        found = f"no plan found in {seconds:g} s ends within {shop.horizon_s} s; the best ends after {last_s} s"
        hopeless = aim == MAKESPAN and bound > shop.horizon_s
        raise _impossible(shop, budget, hopeless) or PlanError(
            "plan", found, "", "plan further ahead, open more intervals, or allow more seconds")
    status: Literal["optimal", "feasible"] = "optimal" if value <= bound + 1e-9 * abs(value) else "feasible"
    ordered = tuple(sorted(slots, key=lambda s: (s.start_s, s.machine, s.order, s.operation)))
    return Plan(
        shop.origin_ns, ordered, status, objective, value, min(bound, value), solver, monotonic_s() - started_s)


def _general(
    ground: Ground, aim: Objective, keep: Mapping[Key, Slot] | None, slots: list[Slot], least: float, budget: Budget
) -> tuple[list[Slot], float, str]:
    """(slots, bound, solver) of a shop with setups, persons, tools, lots or batches, or by another objective."""
    from loopwright.make.cp.turns import search
    from loopwright.make.search import warm as compiling

    shop, end_s = ground.tables.shop, monotonic_s() + budget.seconds
    if budget.seconds <= 0 or keep or (cost(aim, shop, slots) <= least and not _late(shop, slots)):
        return slots, least, "dispatch"
    count, solver = len(ground.tables.operations), "dispatch"
    if count > TUNED and compiling.compiled():
        slots, solver = _by_rules(ground, aim, slots, least, budget), "rules"
        budget = budget if budget.iterations else replace(budget, seconds=end_s - monotonic_s())
        if cost(aim, shop, slots) <= least and not _late(shop, slots):
            return slots, least, solver
        if LARGE < count <= HUGE:
            from loopwright.make.anneal.general import improve

            return improve(shop, slots, aim, budget), least, f"{solver}, annealing"
    if count > LARGE:
        return slots, least, solver
    found = search(shop, slots, aim, least, budget)
    if found.hopeless:
        raise _impossible(shop, budget, known=True) or PlanError("plan", f"not all ends within {shop.horizon_s} s")
    return found.slots, found.bound, found.solver if solver == "dispatch" else f"{solver}, {found.solver}"


def _by_rules(ground: Ground, aim: Objective, slots: list[Slot], least: float, budget: Budget) -> list[Slot]:
    """What better rules make of a large shop; all of the time where it is very large."""
    from loopwright.make.dispatching.tuning import improve

    share = 0.5 if len(ground.tables.operations) <= HUGE else 1.0
    steps = min(budget.iterations, TUNED_STEPS) if budget.iterations else None
    own = replace(budget, seconds=share * budget.seconds, iterations=steps)
    return improve(ground.tables.shop, slots, aim, ground, own, least)


def _impossible(shop: Shop, budget: Budget, known: bool = False) -> PlanError | None:
    """Why it is proven that not everything can end by the horizon; None where it is not. known: that it is."""
    from loopwright.make.cp.reasons import reason

    found = reason(shop, min(REASON_S, max(0.3, budget.seconds)), budget.stop, known)
    return found.error() if found else None


def _late(shop: Shop, slots: Sequence[Slot]) -> bool:
    """Whether something ends after the horizon."""
    return shop.horizon_s is not None and makespan(slots) > shop.horizon_s


def _search(goal: cpsat.Goal, slots: list[Slot], budget: Budget) -> tuple[list[Slot], int, str]:
    """(slots, bound, solver): tabu search, where it can search the shop, and CP-SAT by turns until one has proof."""
    from loopwright.make.search import warm as compiling

    end_s, bound, solvers = monotonic_s() + goal.seconds, goal.bound, list[str]()
    able = not goal.keep and compiling.installed() and _able(goal.shop, slots)
    tabu = able and (compiling.compiled() or budget.iterations is not None)
    if tabu and budget.iterations is not None:
        compiling.wait()
    large = sum(len(job.operations) for job in goal.shop.jobs) > LARGE and not goal.keep
    if large and not tabu:
        slots, least, solver = _general(ground_of(goal.shop), MAKESPAN, None, slots, bound, budget)
        return slots, int(least), solver
    soon = able and not tabu
    for part, by_tabu in _turns(goal.seconds, tabu, large or budget.iterations is not None, soon):
        left_s = goal.seconds if budget.iterations else end_s - monotonic_s()
        if soon and compiling.ready():
            part, by_tabu = 1.0, True
        if (makespan(slots) <= bound and not goal.keep) or left_s < 0.05 or (budget.stop and budget.stop.is_set()):
            break
        if by_tabu:
            slots = _searched(goal.shop, slots, replace(budget, seconds=min(left_s, part * goal.seconds)), bound)
            solver = "tabu"
        else:
            own = replace(goal, bound=bound, seconds=min(left_s, part * goal.seconds), stop=budget.stop,
                          counted=bool(budget.iterations))
            slots, bound, solver = cpsat.search(own, slots)
        solvers += [solver] if solver not in solvers else []
    return slots, bound, ", ".join(s for s in solvers if s != "dispatch") or "dispatch"


def _turns(seconds: float, tabu: bool, alone: bool, soon: bool) -> Sequence[tuple[float, bool]]:
    """Shares of the time and whether the tabu search has them; while that is compiled beside us CP-SAT has short turns,
    so that the tabu search can have the rest."""
    if tabu:
        return ((1.0, True),) if alone else PARTS
    return ((TURN_S / seconds, False),) * (int(seconds / TURN_S) if soon else 0) + ((1.0, False),)


def _able(shop: Shop, slots: Sequence[Slot]) -> bool:
    """Whether the tabu search keeps the shop's rules, and its times fit in the numbers that it counts with."""
    from loopwright.make.search.rows import MOST_S, able

    return able(shop) and makespan(slots) < MOST_S and all(s < MOST_S for o in shop.operations for _, s in o.on)


def _searched(shop: Shop, slots: list[Slot], budget: Budget, bound: int) -> list[Slot]:
    """What the tabu search makes of a plan."""
    from loopwright.make.search import rows, run

    net = rows.net_of(shop)
    if budget.iterations:
        budget = replace(budget, seconds=3600.0)
    found = run.shortest(net, slots, budget, bound)
    return rows.slots_of(net, found.start, found.choice) if found.makespan < makespan(slots) else slots


def warm() -> None:
    """Plans a small shop, so that the solver is loaded before somebody waits for it (`engine.local.Workers.warm`)."""
    orders = {"a": "xyz", "b": "yxz"}
    jobs = [
        Job(job, tuple(Operation(job, m, ((m, 2 + n),), tuple(route[n - 1 : n])) for n, m in enumerate(route)))
        for job, route in orders.items()]
    cpsat.search(cpsat.Goal(shop := Shop(0, tuple(Machine(m, m) for m in "xyz"), tuple(jobs))), dispatch(shop))


def _refuse_impossible(shop: Shop, ground: Ground) -> None:
    """PlanError for an operation without a machine, or that no open interval before the horizon can hold."""
    tables, edges = ground.tables, ground.edges
    for operation, ways in zip(tables.operations, tables.ways, strict=True):
        if not ways and not operation.frozen:
            where = f"operation {operation.name!r} of {operation.job!r}"
            raise PlanError(where, "no machine can do it", "", "add a machine with its role")
    if shop.horizon_s is None:
        return
    free = np.array([slot is None for slot in tables.fixed], np.bool_)
    late = np.flatnonzero(free & (edges.early > shop.horizon_s))
    if not len(late):
        return
    k = int(late[np.argmin(edges.head[late])])  # of those that follow each other the first
    operation, taken = tables.operations[k], busy(shop)
    start_s = max([0, tables.ready[k], *(int(edges.early[wait.operation]) for wait in tables.before[k])])
    gaps = {m: _longest_gap(taken[m], start_s, shop.horizon_s) for m, _ in operation.on}
    words = ", ".join(f"{m} is open for at most {time(gap)} in one piece" for m, gap in gaps.items())
    given = (
        f"takes {time(fastest(operation))}, can start after {time(start_s)}, "
        f"and until {time(shop.horizon_s)} {words}")
    where = f"operation {operation.name!r} of {operation.job!r}"
    raise PlanError(where, given, "", "open a longer interval, or plan further ahead")


def _longest_gap(taken: Sequence[Interval], start_s: int, horizon_s: int) -> int:
    """The longest time without a break between start_s and horizon_s."""
    edges = [start_s, *(min(max(t, start_s), horizon_s) for pair in taken for t in pair), max(start_s, horizon_s)]
    return max(b - a for a, b in zip(edges[::2], edges[1::2], strict=True))
