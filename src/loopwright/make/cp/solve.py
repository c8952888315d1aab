"""CP-SAT on a model: time, work, threads, and somebody who may end it. One of the two files that import OR-Tools.

    found = solve(model, Effort(seconds=1.0))       status, bound, slots
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from importlib.metadata import version
from threading import Event, Thread
from typing import Any, Literal

from loopwright.core.types import Slot
from loopwright.make.cp.answer import slots_of
from loopwright.make.cp.model import Model

BOUNDS = ("bounds",)
LOOK_S = 0.05  # how often is looked whether somebody wants to stop
PATIENCE_S = 0.25  # after which a solver that does not stop is left behind
MANY = 4_000  # variables above which trying each of them beforehand takes longer than it is worth


@dataclass(frozen=True)
class Effort:
    """How long to search, and how.

    work     CP-SAT's own measure of work, which ends a search the same on every machine
    workers  threads, which take turns by work done
    first    whether any plan will do
    by       names of CP-SAT's own searches, () for its usual ones; ('bounds',): one thread that only proves, by a tree
             of bounds over linear relaxations
    """

    seconds: float
    work: float
    workers: int = 2
    seed: int = 0
    stop: Event | None = None
    first: bool = False
    by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Found:
    """What came of a search.

    status  'optimal' and 'infeasible' are proven, 'feasible' and 'unknown' are not
    bound   in the unit of the objective; None when nothing was proven
    slots   of the best plan found, [] for none
    exact   whether the model has every plan that can be best (else 'infeasible' says nothing of the shop)
    """

    status: Literal["optimal", "feasible", "infeasible", "unknown"]
    bound: float | None
    slots: list[Slot]
    exact: bool = True


def library() -> Any:
    """The CP-SAT module; None where OR-Tools is not installed."""
    try:
        from ortools.sat.python import cp_model
    except ImportError:
        return None
    return cp_model


def name() -> str:
    """What a plan's solver is called."""
    return f"cp-sat {version('ortools')}"


def solve(model: Model, effort: Effort) -> Found:
    """What CP-SAT makes of a model. Raises IndexError where OR-Tools loses its way in a hint (its issue 5288)."""
    lib, solver = model.lib, model.lib.CpSolver()
    parameters = solver.parameters
    parameters.max_time_in_seconds = max(0.02, effort.seconds)
    parameters.max_deterministic_time = effort.work
    parameters.num_workers, parameters.random_seed = effort.workers, effort.seed
    parameters.interleave_search, parameters.symmetry_level = effort.workers > 1, 0
    parameters.catch_sigint_signal = False
    parameters.stop_after_first_solution = effort.first
    if effort.by == BOUNDS:
        parameters.num_workers, parameters.interleave_search = 1, False
        parameters.optimize_with_lb_tree_search, parameters.linearization_level = True, 2
    else:
        parameters.subsolvers.extend(effort.by)
    if not model.window.whole or len(model.cp.proto.variables) > MANY:
        parameters.cp_model_probing_level = 0
    if not model.window.whole:
        parameters.linearization_level = 0
    status = solved(solver, model.cp, effort.stop)
    words: dict[Any, Literal["optimal", "feasible", "infeasible", "unknown"]] = {
        lib.OPTIMAL: "optimal", lib.FEASIBLE: "feasible", lib.INFEASIBLE: "infeasible"}
    if status is None:
        return Found("unknown", None, [])
    word = words.get(status, "unknown")
    slots = slots_of(model, solver.value) if word in ("optimal", "feasible") else []
    bound = None
    if model.aim and model.exact and model.window.whole and status in (lib.OPTIMAL, lib.FEASIBLE, lib.UNKNOWN):
        bound = model.aim.bound(solver.best_objective_bound)
    return Found(word, bound, slots, model.exact and model.window.whole)


def solved(solver: Any, model: Any, stop: Event | None) -> Any:
    """The status that the solver ends with. Once `stop` is set it is told to end; while it simplifies a model it does
    not listen, so that after a moment it is left behind, and the status is None. It ends when it listens again; a
    process that ends before waits for it, since ending in the midst of it aborts."""
    if stop is None:
        return solver.solve(model)
    thread = ThreadPoolExecutor(1, "cp-sat")
    answer = thread.submit(solver.solve, model)
    thread.shutdown(wait=False)

    def end() -> None:
        while not wait([answer], LOOK_S).done:
            solver.stop_search()  # again and again: one that comes before the search begins is lost

    try:
        while not wait([answer], LOOK_S).done:
            if stop.is_set():
                Thread(target=end, name="cp-sat stop").start()
                return answer.result() if wait([answer], PATIENCE_S).done else None
    except KeyboardInterrupt:
        Thread(target=end, name="cp-sat stop").start()
        raise
    return answer.result()
