"""One shop, one solver, one process: what `bench_plan` starts for every row. Prints one JSON object.

    python -m benchmarks.plan_solvers '{"solver": "ours", "folder": "jobshop", "name": "ta01js", "seconds": 10, ...}'

ours        loopwright.make.plan
cpsat       OR-Tools CP-SAT alone: intervals, precedences, nothing overlaps; no hint, no pools, no bounds of ours
pyjobshop   PyJobShop (its own CP-SAT model; Lan and Berkhout, PyJobShop: solving scheduling problems with constraint
            programming in Python, 2025)
rules       dispatching rules, the best of them
Every plan is looked at by make.check before its makespan is told.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from loopwright.core.clock import monotonic_s
from loopwright.core.types import Plan, Slot
from loopwright.make.check import check
from loopwright.make.reading.files import listed
from loopwright.make.reading.texts import parse
from loopwright.make.shop import Shop

DATA = Path(__file__).parents[2] / "shared" / "data"
GENERATED = "generated"
Found = tuple[list[Slot], float, str]  # slots, bound, what the solver calls itself


def generated(name: str) -> Shop:
    """A seeded shop 'random-JOBSxMACHINES-SEED', or 'flexible-..' with up to three machines an operation; 1 to 99 s.

    Source of the random job shop: E. Taillard, Benchmarks for basic scheduling problems (EJOR 64, 1993).
    """
    kind, size, seed = name.split("-")
    jobs, machines = map(int, size.split("x"))
    chance = Random(int(seed))
    lines = [f"{jobs} {machines}"]
    for _ in range(jobs):
        route = chance.sample(range(machines), machines)
        if kind == "random":
            lines.append(" ".join(f"{m} {chance.randint(1, 99)}" for m in route))
            continue
        words = [str(machines)]
        for _m in route:
            able = chance.sample(range(1, machines + 1), chance.randint(1, 3))
            words += [str(len(able)), *(f"{m} {chance.randint(1, 99)}" for m in able)]
        lines.append(" ".join(words))
    return parse("\n".join(lines), name, "job-shop" if kind == "random" else "flexible").shop


def shop_of(folder: str, name: str) -> Shop:
    """The shop of a name, out of a folder of the shared data or generated."""
    if folder == GENERATED:
        return generated(name)
    return next(s for s in listed(DATA / folder / "instances.zip") if s.name == name).read().shop


def ours(shop: Shop, seconds: float, workers: int, seed: int) -> Found:
    """plan()."""
    from loopwright.make.plan import plan

    found = plan(shop, seconds, workers=workers, seed=seed)
    return list(found.slots), found.bound, found.solver


def rules(shop: Shop, seconds: float, workers: int, seed: int) -> Found:
    """The best of the dispatching rules."""
    from loopwright.make.dispatching.dispatch import best

    return best(shop), 0.0, "dispatching rules"


def cpsat(shop: Shop, seconds: float, workers: int, seed: int) -> Found:
    """CP-SAT alone, as its manual's job shop has it; building the model counts into its seconds."""
    from ortools.sat.python import cp_model

    end_s, model = monotonic_s() + seconds, cp_model.CpModel()
    latest = sum(max(s for _, s in o.on) for o in shop.operations)
    last = model.new_int_var(0, latest, "makespan")
    machine: dict[str, list[Any]] = {m.id: [] for m in shop.machines}
    start, end = {}, {}
    picks: dict[Any, dict[str, Any]] = {}
    for o in shop.operations:
        start[o.key], end[o.key] = model.new_int_var(0, latest, ""), model.new_int_var(0, latest, "")
        picks[o.key] = {}
        for name, s in o.on:
            pick = model.new_bool_var("") if len(o.on) > 1 else model.new_constant(1)
            span = model.new_optional_interval_var(start[o.key], s, end[o.key], pick, "")
            machine[name].append(span)
            picks[o.key][name] = pick
        model.add_exactly_one(picks[o.key].values())
        model.add(last >= end[o.key])
    for o in shop.operations:
        for name in o.after:
            model.add(start[o.key] >= end[o.job, name])
    for spans in machine.values():
        model.add_no_overlap(spans)
    model.minimize(last)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers, solver.parameters.random_seed = workers, seed
    solver.parameters.max_time_in_seconds = max(0.1, end_s - monotonic_s())
    status = solver.solve(model)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return [], math.ceil(solver.best_objective_bound), "cp-sat"
    slots = [
        Slot(*o.key, next(m for m, pick in picks[o.key].items() if solver.value(pick)), solver.value(start[o.key]),
             solver.value(end[o.key])) for o in shop.operations]
    return slots, math.ceil(solver.best_objective_bound - 1e-6), "cp-sat"


def pyjobshop(shop: Shop, seconds: float, workers: int, seed: int) -> Found:
    """PyJobShop's model of the shop, solved by its OR-Tools back end."""
    from pyjobshop import Model

    end_s, model = monotonic_s() + seconds, Model()
    machine = {m.id: model.add_machine(name=m.id) for m in shop.machines}
    number, tasks = {m.id: n for n, m in enumerate(shop.machines)}, {}
    for job in shop.jobs:
        own = model.add_job(name=job.id)
        for o in job.operations:
            tasks[o.key] = model.add_task(job=own)
            for name, s in o.on:
                model.add_mode(tasks[o.key], machine[name], s)
    for o in shop.operations:
        for name in o.after:
            model.add_end_before_start(tasks[o.job, name], tasks[o.key])
    result = model.solve("ortools", max(0.1, end_s - monotonic_s()), False, workers, random_seed=seed)
    if not result.best.tasks:
        return [], max(0.0, result.lower_bound), "pyjobshop"
    names = {n: m for m, n in number.items()}
    slots = [
        Slot(*o.key, names[task.resources[0]], task.start, task.end)
        for o, task in zip(shop.operations, result.best.tasks, strict=True)]
    return slots, math.ceil(max(0.0, result.lower_bound) - 1e-6), "pyjobshop"


SOLVERS: dict[str, Callable[[Shop, float, int, int], Found]] = {
    "ours": ours, "cpsat": cpsat, "pyjobshop": pyjobshop, "rules": rules}


def solved(asked: dict[str, Any]) -> dict[str, Any]:
    """The row of one solve: makespan, bound, wall and processor seconds of the solver's own call; a plan that breaks
    a rule has `error`."""
    shop = shop_of(asked["folder"], asked["name"])
    begun_s, cpu_s = monotonic_s(), time.process_time()
    slots, bound, solver = SOLVERS[asked["solver"]](shop, asked["seconds"], asked["workers"], asked["seed"])
    row: dict[str, Any] = {
        "makespan": max((s.end_s for s in slots), default=None), "bound": bound, "by": solver,
        "seconds": round(monotonic_s() - begun_s, 3), "cpu_seconds": round(time.process_time() - cpu_s, 3)}
    if slots:
        plan = Plan(shop.origin_ns, tuple(slots), "feasible", "makespan", row["makespan"],
                    min(bound, row["makespan"]), solver, 0.0)
        if broken := check(shop, plan):
            row |= {"makespan": None, "error": broken[0].says}
    return row


def main() -> None:
    """Pins itself to as many cores as it may use, reads, solves, prints."""
    asked = json.loads(sys.argv[1])
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if cores:
        os.sched_setaffinity(0, cores[: asked["workers"]])
    print(json.dumps(solved(asked)))


if __name__ == "__main__":
    main()
