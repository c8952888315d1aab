"""Who does what when: a plan for all open orders, with a proven bound.

    plan(shop, seconds=1.0) -> Plan

A dispatching rule gives the first plan and a bound; where they meet, that is the answer. Else a tabu search and then
OR-Tools CP-SAT search on from there (extra `plan`; without it the dispatched plan stands, as its solver's name says).
Why there is one function: docs/decisions/0006-one-plan-function.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from threading import Event
from typing import Literal

from loopwright.core.clock import monotonic_s
from loopwright.core.errors import PlanError
from loopwright.core.types import Plan, Slot
from loopwright.make import cpsat
from loopwright.make.bound import Interval, fastest, first_fit, heads, lower_bound
from loopwright.make.bound import bound as least_cost
from loopwright.make.budget import Budget
from loopwright.make.dispatch import best, dispatch, makespan, settle
from loopwright.make.objective import Objective, parse
from loopwright.make.objective import value as cost
from loopwright.make.shop import Job, Key, Machine, Operation, Shop, busy

MAKESPAN = Objective(makespan=1.0)
PARTS = ((0.15, True), (0.2, False), (1.0, True))  # of the time, by turns: tabu search or not (CP-SAT, for the bound)


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
    iterations of the tabu search in each thread, instead of its share of the time: the same plan on every machine
    Raises PlanError naming the operation that has no machine or fits into no open interval, or saying that not
    everything ends before the shop's horizon; UnknownName for an objective that is not there.
    """
    started_s = monotonic_s()
    aim = parse(objective)
    _refuse_impossible(shop)
    bound: float
    if aim != MAKESPAN or not shop.plain or shop.materials or any(m.batch > 1 for m in shop.machines):
        budget = Budget(seconds - (monotonic_s() - started_s), workers, seed, iterations, stop, progress)
        slots, bound, solver = _general(shop, aim, keep, budget)
    else:
        slots = dispatch(shop, keep) if keep else _dispatched(shop)
        bound, solver = lower_bound(shop), "dispatch"
        if seconds > 0 and (makespan(slots) > bound or cpsat.moved(slots, keep)):
            goal = cpsat.Goal(shop, int(bound), keep or {}, seconds - (monotonic_s() - started_s), seed, workers)
            slots, bound, solver = _search(goal, slots, Budget(seconds, workers, seed, iterations, stop, progress))
    value = cost(aim, shop, slots)
    if shop.horizon_s is not None and makespan(slots) > shop.horizon_s:
        last_s = makespan(slots)
        found = f"no plan found in {seconds:g} s ends within {shop.horizon_s} s; the best ends after {last_s} s"
        raise PlanError("plan", found, "", "plan further ahead, open more intervals, or allow more seconds")
    status: Literal["optimal", "feasible"] = "optimal" if value <= bound else "feasible"
    ordered = tuple(sorted(slots, key=lambda s: (s.start_s, s.machine, s.order, s.operation)))
    return Plan(
        shop.origin_ns, ordered, status, objective, value, min(bound, value), solver, monotonic_s() - started_s)


def _dispatched(shop: Shop) -> list[Slot]:
    """The better of the two dispatched plans."""
    return min((settle(shop, dispatch(shop, None, most)) for most in (True, False)), key=makespan)


def _general(
    shop: Shop, aim: Objective, keep: Mapping[Key, Slot] | None, budget: Budget
) -> tuple[list[Slot], float, str]:
    """(slots, bound, solver) of a shop with setups, persons, tools, lots or batches, or by another objective."""
    slots, least, solver = (dispatch(shop, keep) if keep else best(shop, aim)), least_cost(shop, aim), "dispatch"
    from loopwright.make.search import warm as compiling

    if budget.seconds > 0 and not keep and cost(aim, shop, slots) > least and compiling.compiled():
        from loopwright.make.general import improve

        slots, solver = improve(shop, slots, aim, budget), "annealing"
    return slots, least, solver


def _search(goal: cpsat.Goal, slots: list[Slot], budget: Budget) -> tuple[list[Slot], int, str]:
    """(slots, bound, solver): tabu search, where it can search the shop, and CP-SAT by turns until one has proof."""
    from loopwright.make.search import warm as compiling

    end_s, bound, solvers = monotonic_s() + goal.seconds, goal.bound, list[str]()
    tabu = not goal.keep and compiling.compiled() and _able(goal.shop)
    for part, by_tabu in PARTS if tabu else ((1.0, False),):
        left_s = end_s - monotonic_s()
        if (makespan(slots) <= bound and not goal.keep) or left_s < 0.05 or (budget.stop and budget.stop.is_set()):
            break
        if by_tabu:
            slots = _searched(goal.shop, slots, replace(budget, seconds=min(left_s, part * goal.seconds)), bound)
            solver = "tabu"
        else:
            own = replace(goal, bound=bound, seconds=min(left_s, part * goal.seconds), stop=budget.stop)
            slots, bound, solver = cpsat.search(own, slots)
        solvers += [solver] if solver not in solvers else []
        if budget.iterations and by_tabu:
            budget = replace(budget, iterations=None)  # the rest of the time is CP-SAT's, which counts its own work
    return slots, bound, ", ".join(s for s in solvers if s != "dispatch") or "dispatch"


def _able(shop: Shop) -> bool:
    from loopwright.make.search.rows import able

    return able(shop)


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


def _refuse_impossible(shop: Shop) -> None:
    """PlanError for an operation without a machine, or that no open interval before the horizon can hold."""
    taken, earliest = busy(shop), heads(shop)
    for operation in shop.operations:
        where = f"operation {operation.name!r} of {operation.job!r}"
        if operation.frozen:
            continue
        if not operation.on:
            raise PlanError(where, "no machine can do it", "", "add a machine with its role")
        if shop.horizon_s is None:
            continue
        if all(first_fit(taken[m], earliest[operation.key], s) + s > shop.horizon_s for m, s in operation.on):
            start_s = _ready(shop, operation, earliest)
            gaps = {m: _longest_gap(taken[m], start_s, shop.horizon_s) for m, _ in operation.on}
            words = ", ".join(f"{m} is open for at most {gap} s in one piece" for m, gap in gaps.items())
            given = f"takes {fastest(operation)} s, can start after {start_s} s, and until {shop.horizon_s} s {words}"
            raise PlanError(where, given, "", "open a longer interval, or plan further ahead")


def _ready(shop: Shop, operation: Operation, earliest: Mapping[Key, int]) -> int:
    """Seconds before which it cannot start: its job's release, and the earliest end of what it waits for."""
    job = next(job for job in shop.jobs if job.id == operation.job)
    before = [o for o in job.operations if o.name in operation.after]
    ends = [o.frozen.end_s if o.frozen else earliest[o.key] + fastest(o) for o in before]
    return max([0, job.release_s, *ends])


def _longest_gap(taken: Sequence[Interval], start_s: int, horizon_s: int) -> int:
    """The longest time without a break between start_s and horizon_s."""
    edges = [start_s, *(min(max(t, start_s), horizon_s) for pair in taken for t in pair), max(start_s, horizon_s)]
    return max(b - a for a, b in zip(edges[::2], edges[1::2], strict=True))
