"""OR-Tools CP-SAT for plain shops and the makespan; all other shops are `make.cp`'s.

Each operation has a start; on its machine nothing overlaps. Machines that are alike for everything they can do form one
pool (a cumulative constraint: the solver need not try which of three equal mills it is); an operation with a choice
between machines that are not alike has one optional interval on each.
Source: Laborie et al., IBM ILOG CP Optimizer for scheduling (Constraints, 2018); OR-Tools 9 CP-SAT reference.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from threading import Event
from typing import Any

from loopwright.core.clock import monotonic_s
from loopwright.core.types import Slot
from loopwright.make.cp.solve import solved
from loopwright.make.dispatching.bound import heads, tails
from loopwright.make.dispatching.dispatch import makespan, settle
from loopwright.make.shop import Key, Operation, Shop, busy

# Moving every operation of an older plan weighs as much as this part of the makespan: a plan that ends a little earlier
# is not worth telling everybody a new time.
STABILITY = 0.1
# CP-SAT's own measure of work allowed for each second of wall time. A small shop spends it before its time is over, so
# that its plan is the same on every run; measured 0.4 (360 operations) to 1.7 (72) of it a second on 2 cores.
WORK_PER_S = 0.5


NET = 60.0  # times its seconds a counted search may take where a machine is busy; beyond that it ends by the clock


@dataclass(frozen=True)
class Goal:
    """What is searched: a shop, the bound known so far, an older plan's slots that should stay, and the budget.

    counted  the work that goes with the seconds ends the search, not the seconds: the same plan on every machine
    """

    shop: Shop
    bound: int = 0
    keep: Mapping[Key, Slot] = field(default_factory=dict)
    seconds: float = 1.0
    seed: int = 0
    workers: int = 2
    stop: Event | None = None
    counted: bool = False

    @property
    def weights(self) -> tuple[int, int]:
        """What a second of makespan and a moved operation cost."""
        if not self.keep:
            return 1, 0
        return len(self.keep), max(1, round(STABILITY * self.bound))

    def cost(self, slots: Sequence[Slot]) -> int:
        """What the search pays for a plan."""
        per_second, per_move = self.weights
        return per_second * makespan(slots) + per_move * moved(slots, self.keep)


def moved(slots: Sequence[Slot], keep: Mapping[Key, Slot] | None) -> int:
    """How many slots of an older plan have another machine or start (those no longer planned do not count)."""
    stay = {(s.order, s.operation): (s.machine, s.start_s) for s in slots}
    before = {key: (old.machine, old.start_s) for key, old in (keep or {}).items()}
    return sum(stay.get(key, place) != place for key, place in before.items())


def search(goal: Goal, first: list[Slot]) -> tuple[list[Slot], int, str]:
    """(slots, bound on the makespan, solver's name) from the first plan on: the better of it and what is found.

    Without OR-Tools the first plan and bound come back, named 'dispatch'. A bound beyond the shop's horizon says that
    not everything can end by it.
    """
    try:
        from ortools.sat.python import cp_model
    except ImportError:
        return first, goal.bound, "dispatch"
    started_s, name = monotonic_s(), f"cp-sat {version('ortools')}"
    for hinted in (True, False):
        model = _build(goal, makespan(first), cp_model.CpModel())
        _aim(goal, model, first, hinted)
        solver = cp_model.CpSolver()
        _set_budget(solver.parameters, goal, goal.seconds - (monotonic_s() - started_s))
        try:
            status = solved(solver, model.cp, goal.stop)
            break
        except IndexError:  # OR-Tools 9.15 loses its way in some hints (its issue 5288): once more without one
            continue
    else:
        return first, goal.bound, f"dispatch, {name} failed"
    if status == cp_model.INFEASIBLE and goal.shop.horizon_s is not None:
        return first, max(goal.bound, goal.shop.horizon_s + 1), name  # `make.cp.reasons` finds out why
    if status is None or status == cp_model.UNKNOWN:
        return first, goal.bound, f"dispatch, {name} found nothing"
    bound = max(goal.bound, _proven(goal, solver.best_objective_bound))
    found = _slots(goal, model, solver)
    return (found if goal.cost(found) <= goal.cost(first) else first), bound, name


def _set_budget(parameters: Any, goal: Goal, left_s: float) -> None:
    """Time, work, threads and seed of one search. Equal jobs are told apart by `_tell_apart`, so it need not look
    for symmetries (which is also where it fails on hints); threads take turns by work done, not by the clock."""
    parameters.max_time_in_seconds = max(0.02, NET * goal.seconds if goal.counted else 0.9 * left_s)
    parameters.max_deterministic_time = WORK_PER_S * goal.seconds
    parameters.num_workers, parameters.random_seed = goal.workers, goal.seed
    parameters.interleave_search, parameters.symmetry_level = True, 0
    parameters.catch_sigint_signal = False


def _proven(goal: Goal, cost_bound: float) -> int:
    """The bound on the makespan that a bound on per_second * makespan - per_move * stays proves, since stays >= 0."""
    return math.ceil((cost_bound - 1e-6) / goal.weights[0])


@dataclass
class _Model:
    """A CP-SAT model of a shop: what each operation may choose, by (job, operation)."""

    cp: Any
    makespan: Any
    start: dict[Key, Any] = field(default_factory=dict)
    end: dict[Key, Any] = field(default_factory=dict)
    picks: dict[Key, dict[str, Any]] = field(default_factory=dict)
    pool: dict[Key, tuple[str, ...]] = field(default_factory=dict)


def _build(goal: Goal, latest_s: int, cp: Any) -> _Model:
    """Starts, precedences and machines; nothing ends after latest_s or the shop's horizon."""
    shop = goal.shop
    latest_s = latest_s if shop.horizon_s is None else min(latest_s, shop.horizon_s)
    model = _Model(cp, cp.new_int_var(min(goal.bound, latest_s), latest_s, "makespan"))
    head, tail, pools = heads(shop), tails(shop), {} if goal.keep else _pools(shop)
    intervals: dict[tuple[str, ...], list[Any]] = {}
    for operation in shop.operations:
        key = operation.key
        if operation.frozen:
            model.end[key] = operation.frozen.end_s
            continue
        last_s = max(head[key], latest_s - tail[key])
        model.start[key] = cp.new_int_var(head[key], last_s, f"{key}")
        if key in pools or len(operation.on) == 1:
            group, seconds = pools.get(key, (operation.on[0][0],)), operation.on[0][1]
            interval = cp.new_fixed_size_interval_var(model.start[key], seconds, f"{key}")
            intervals.setdefault(group, []).append(interval)
            model.pool[key], model.end[key] = group, model.start[key] + seconds
        else:
            _choose(model, operation, intervals)
        cp.add(model.makespan >= model.end[key])
    for operation in shop.operations:
        for name in operation.after if not operation.frozen else ():
            cp.add(model.start[operation.key] >= model.end[operation.job, name])
    _one_at_a_time(goal, model, intervals, latest_s)
    return model


def _choose(model: _Model, operation: Operation, intervals: dict[tuple[str, ...], list[Any]]) -> None:
    """One optional interval on each machine the operation may go to, exactly one of them taken."""
    key, cp = operation.key, model.cp
    picks = {machine: cp.new_bool_var(f"{key} on {machine}") for machine, _ in operation.on}
    cp.add_exactly_one(picks.values())
    for machine, seconds in operation.on:
        start, pick = model.start[key], picks[machine]
        interval = cp.new_optional_fixed_size_interval_var(start, seconds, pick, f"{key} on {machine}")
        intervals.setdefault((machine,), []).append(interval)
    model.picks[key] = picks
    model.end[key] = model.start[key] + sum(seconds * picks[machine] for machine, seconds in operation.on)


def _one_at_a_time(goal: Goal, model: _Model, intervals: Mapping[tuple[str, ...], list[Any]], latest_s: int) -> None:
    """On each machine, or on as many as a pool has, nothing overlaps: neither operations nor closed times."""
    taken = busy(goal.shop)
    for group, wanted in intervals.items():
        closed = [
            model.cp.new_fixed_size_interval_var(start, end - start, f"{machine} closed")
            for machine in group for start, end in taken[machine] if start < latest_s and end > start]
        if len(group) == 1:
            model.cp.add_no_overlap([*wanted, *closed])
        else:
            model.cp.add_cumulative([*wanted, *closed], [1] * (len(wanted) + len(closed)), len(group))


def _pools(shop: Shop) -> dict[Key, tuple[str, ...]]:
    """operation -> the machines that are alike for it: each takes it equally long, they are closed at the same times
    (but for what runs at the origin), and no operation may use only some of them."""
    taken = busy(shop)
    choices = {o.key: o.on for o in shop.operations if not o.frozen}
    groups = {frozenset(machine for machine, _ in on) for on in choices.values()}
    pools = {
        group for group in groups
        if len(group) > 1 and len({tuple(p for p in taken[m] if p[0] > 0) for m in group}) == 1
        and all(group == other or group.isdisjoint(other) for other in groups)}
    uneven = {frozenset(m for m, _ in on) for on in choices.values() if len({seconds for _, seconds in on}) > 1}
    return {
        key: tuple(sorted(group)) for key, on in choices.items()
        if (group := frozenset(machine for machine, _ in on)) in pools - uneven}


def _tell_apart(goal: Goal, model: _Model, first: Sequence[Slot]) -> None:
    """Of jobs that are equal in everything, the first plan's order is kept: exchanging them changes nothing."""
    alike: dict[Any, list[Key]] = {}
    for job in goal.shop.jobs if not goal.keep else ():
        if not any(o.frozen for o in job.operations):
            same = (job.release_s, tuple((o.name, o.on, o.after) for o in job.operations))
            alike.setdefault(same, []).append(job.operations[0].key)
    at = {(s.order, s.operation): s.start_s for s in first}
    for keys in alike.values():
        ordered = sorted(keys, key=lambda key: at[key])
        for earlier, later in itertools.pairwise(ordered):
            model.cp.add(model.start[earlier] <= model.start[later])


def _aim(goal: Goal, model: _Model, first: Sequence[Slot], hinted: bool) -> None:
    """What is made small, and where the search begins."""
    cp, stays = model.cp, []
    for key, old in goal.keep.items():
        if key not in model.start or old.machine not in (*model.picks.get(key, ()), *model.pool.get(key, ())):
            continue
        stay = cp.new_bool_var(f"{key} stays")
        cp.add(model.start[key] == old.start_s).only_enforce_if(stay)
        if key in model.picks:
            cp.add_implication(stay, model.picks[key][old.machine])
        stays.append(stay)
    per_second, per_move = goal.weights
    cp.minimize(per_second * model.makespan - per_move * sum(stays))  # moved = len(keep) - stays, but for a constant
    _tell_apart(goal, model, first)
    for slot in first if hinted else ():
        key = (slot.order, slot.operation)
        if key not in model.start:
            continue
        cp.add_hint(model.start[key], slot.start_s)
        for machine, pick in model.picks.get(key, {}).items():
            cp.add_hint(pick, machine == slot.machine)
    if hinted:
        cp.add_hint(model.makespan, makespan(first))


def _slots(goal: Goal, model: _Model, solver: Any) -> list[Slot]:
    """The solver's answer as slots; each operation of a pool goes to a machine of it that is free; then all settle."""
    shop = goal.shop
    free_s = {m: max((end for start, end in pairs if start <= 0), default=0) for m, pairs in busy(shop).items()}
    slots = [o.frozen for o in shop.operations if o.frozen]
    waiting = [(solver.value(model.start[o.key]), o) for o in shop.operations if not o.frozen]
    for start_s, operation in sorted(waiting, key=lambda w: (w[0], w[1].key)):
        seconds = dict(operation.on)
        if operation.key in model.picks:
            machine = next(m for m, pick in model.picks[operation.key].items() if solver.boolean_value(pick))
        else:
            machine = min(model.pool[operation.key], key=lambda m: (free_s[m] > start_s, m))
        free_s[machine] = start_s + seconds[machine]
        slots.append(Slot(*operation.key, machine, start_s, start_s + seconds[machine]))
    at = {(s.order, s.operation): (s.machine, s.start_s) for s in slots}
    stay = {key for key, old in goal.keep.items() if at.get(key) == (old.machine, old.start_s)}
    return settle(shop, slots, stay)
