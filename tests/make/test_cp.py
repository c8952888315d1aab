"""CP-SAT on every shop: proven optima beside every plan there is, one rule at a time by hand, windows, turns, stopping."""

from __future__ import annotations

import sys
import threading
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from random import Random
from threading import Event

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loopwright.core.clock import monotonic_s
from loopwright.core.types import Slot
from loopwright.make.budget import Budget
from loopwright.make.check import check
from loopwright.make.cp import aims, people, windows
from loopwright.make.cp.model import Model, Relax, Window, base_of, build
from loopwright.make.cp.solve import Effort, Found, library, solve
from loopwright.make.cp.turns import relax_for, search
from loopwright.make.dispatching.dispatch import best
from loopwright.make.objective import parse, value
from loopwright.make.plan import plan
from loopwright.make.reading.files import listed
from loopwright.make.shop import Blocked, Job, Link, Machine, Operation, Operator, Setup, Shop
from tests.make.general_shops import as_plan, general_shops, paint_shop
from tests.make.shops import FT06, FT06_OPTIMUM, job_shop
from tests.make.tiny_shops import cheapest, tiny_shops

pytest.importorskip("ortools", reason="CP-SAT: extra `plan`")

OBJECTIVES = ("makespan", "tardiness", "setup", "makespan:1,tardiness:2,setup:0.5")
LAST_S = 14  # by then all plans of tiny shops end that are looked at
some = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
few = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def model_of(shop: Shop, objective: str, slots: list[Slot] | None = None, window: Window | None = None, relax: Relax | None = None) -> Model:
    return build(library(), base_of(shop), parse(objective), slots or [], window or Window(), relax or Relax())


def solved(shop: Shop, objective: str, slots: list[Slot] | None = None, relax: Relax | None = None) -> Found:
    return solve(model_of(shop, objective, slots, relax=relax), Effort(60.0, 100.0, 1))


@given(tiny_shops(), st.sampled_from(OBJECTIVES), st.booleans())
@some
def test_the_proven_optimum_of_a_tiny_shop_is_the_cheapest_of_all_its_plans(shop: Shop, objective: str, begins: bool) -> None:
    first = best(shop, parse(objective))
    found = solved(shop, objective, first if begins else None)
    assert found.status == "optimal"
    assert check(shop, as_plan(shop, found.slots, objective)) == []
    cost, least = value(parse(objective), shop, found.slots), cheapest(shop, objective, LAST_S)
    if least is not None:
        assert cost <= least + 1e-9
    if found.exact:
        assert found.bound == pytest.approx(cost)
        assert max(s.end_s for s in found.slots) > LAST_S or cost == pytest.approx(least)


@given(tiny_shops(), st.sampled_from(OBJECTIVES))
@few
def test_the_bound_of_a_model_that_leaves_out_setups_or_persons_is_never_above_the_optimum(shop: Shop, objective: str) -> None:
    least = cheapest(shop, objective, LAST_S)
    if least is None:
        return
    for relax in (Relax(setups=True), Relax(people=True), Relax(True, True)):
        found = solved(shop, objective, relax=relax)
        assert found.bound is None or found.bound <= least + 1e-9, relax


@given(general_shops(), st.sampled_from(OBJECTIVES))
@few
def test_a_plan_to_begin_from_is_never_made_worse_and_every_answer_passes_the_checker(shop: Shop, objective: str) -> None:
    aim = parse(objective)
    first = best(shop, aim)
    found = solve(model_of(shop, objective, first), Effort(2.0, 0.05, 1))
    if found.slots:
        assert check(shop, as_plan(shop, found.slots, objective)) == []
        assert value(aim, shop, found.slots) <= value(aim, shop, first) + 1e-9
    turns = search(shop, first, aim, 0.0, Budget(0.3, 1))
    assert check(shop, as_plan(shop, turns.slots, objective)) == []
    assert turns.bound <= value(aim, shop, turns.slots) + 1e-6
    assert value(aim, shop, turns.slots) <= value(aim, shop, first)


def one(job: str, seconds: int, **more: object) -> Job:
    """A job of one operation on m."""
    due = {name: more.pop(name) for name in ("release_s", "due_s", "weight") if name in more}
    return Job(job, (Operation(job, "o", (("m", seconds),), **more),), **due)  # type: ignore[arg-type]


M = Machine("m", "m")
CHANGES = (Setup("m", "red", "blue", 7), Setup("m", "*", "blue", 3), Setup("m", "blue", "red", 5), Setup("m", "blue", "blue", 1))
BY_HAND = {
    "closed times hold setups too: 3 s from grey, which must not begin before 4":
        (Shop(0, (replace(M, state="grey"),), (one("a", 2, setup="blue"),), (Blocked("m", 1, 4),), setups=CHANGES), "makespan", 9),
    "the line of two states counts before '*', even from a state to itself":
        (Shop(0, (replace(M, state="red"),), (one("a", 2, setup="blue"), one("b", 2, setup="blue")), setups=CHANGES), "makespan", 12),
    "from no state nothing is set up, and what names no setup leaves the state":
        (Shop(0, (M,), (one("a", 2, setup="red"), one("b", 2), one("c", 2, setup="red")), setups=CHANGES), "makespan", 6),
    "least setup: red, red, then blue once, although it makes the urgent blue one late":
        (Shop(0, (replace(M, state="red"),), (one("a", 2, setup="blue", due_s=2), one("b", 2, setup="red"), one("c", 2, setup="red")),
              setups=CHANGES), "setup", 7),
    "weighted lateness: the heavy one first, 3 * 0 + 1 * 4":
        (Shop(0, (M,), (one("a", 4, due_s=4, weight=1.0), one("b", 4, due_s=4, weight=3.0))), "tardiness", 4),
    "a mix adds up: 8 s and half of 4 s late":
        (Shop(0, (M,), (one("a", 4, due_s=4), one("b", 4, due_s=4))), "makespan:1,tardiness:0.5", 10),
    "one person for two machines, away from 3 to 6":
        (Shop(0, (M, Machine("n", "n")), (one("a", 3, skill="x"), Job("b", (Operation("b", "o", (("n", 3),), skill="x"),))), (), None,
              (Operator("p", ("x",), ((3, 6),)),)), "makespan", 9),
    "two persons of one team, three operations":
        (Shop(0, tuple(Machine(f"m{n}", "m") for n in range(3)),
              tuple(Job(f"j{n}", (Operation(f"j{n}", "o", ((f"m{n}", 4),), skill="x"),)) for n in range(3)), (), None,
              (Operator("p", ("x",)), Operator("q", ("x",)))), "makespan", 8),
    "one hook for two machines":
        (Shop(0, (M, Machine("n", "n")), (one("a", 3, tools=("hook",)), Job("b", (Operation("b", "o", (("n", 3),), tools=("hook",)),))),
              tools={"hook": 1}), "makespan", 6),
    "material that comes late": (Shop(0, (M,), (one("a", 3, materials=("steel",)), one("b", 3)), materials={"steel": 5}), "makespan", 8),
    "an oven waits for the third, which is released after 2":
        (Shop(0, (replace(M, batch=3),), (one("a", 9, batch="b"), one("b", 9, batch="b"), one("c", 9, batch="b", release_s=2))), "makespan", 11),
    "other batches and other states do not go together":
        (Shop(0, (replace(M, batch=3),), (one("a", 9, batch="b"), one("b", 9, batch="c"), one("c", 9, batch="b", setup="red"))), "makespan", 27),
    "transfer lots: it starts 2 after the other's start, and ends 1 after its end":
        (Shop(0, (M, Machine("n", "n")), (Job("a", (
            Operation("a", "o", (("m", 10),)),
            Operation("a", "p", (("n", 3),), ("o",), links=(Link("o", 1, 2),)))),)), "makespan", 11),
    "what is put before frozen work leaves the machine in its setup":
        (Shop(0, (replace(M, state="red"),), (
            Job("f", (Operation("f", "o", (("m", 2),), frozen=Slot("f", "o", "m", 10, 12, True), setup="red"),)),
            one("a", 2, setup="blue"), one("b", 2, setup="red")), setups=CHANGES), "makespan", 21),
    "a batch that has begun ahead takes another along":
        (Shop(0, (replace(M, batch=2),), (
            Job("f", (Operation("f", "o", (("m", 4),), frozen=Slot("f", "o", "m", 3, 7, True), batch="b"),)), one("a", 4, batch="b"))),
         "makespan", 7),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_a_shop_planned_by_hand_has_the_same_optimum(name: str) -> None:
    shop, objective, least = BY_HAND[name]
    found = solved(shop, objective)
    assert (found.status, found.bound) == ("optimal", least)
    assert check(shop, as_plan(shop, found.slots, objective)) == []
    assert value(parse(objective), shop, found.slots) == least
    assert plan(shop, 60.0, objective).value == least


def test_the_published_optimum_of_ft06_is_proven_as_an_any_shop() -> None:
    found = solved(job_shop(FT06), "makespan")
    assert (found.status, found.bound) == ("optimal", FT06_OPTIMUM)


@pytest.mark.parametrize(("name", "optimum"), [("la01", 666), ("la02", 655), ("la05", 593)])
def test_published_optima_of_lawrence_are_proven_where_his_shops_are_staged(name: str, optimum: int) -> None:
    """S. Lawrence, Resource constrained project scheduling (Carnegie Mellon, 1984); optima as in ScheduleOpt/benchmarks."""
    staged = Path(__file__).parents[3] / "shared" / "data" / "jobshop" / "instances.zip"
    if not staged.exists():
        pytest.skip("no ../shared/data/jobshop")
    shop = next(source for source in listed(staged) if source.name == name).read().shop
    found = solved(shop, "makespan")
    assert (found.status, found.bound) == ("optimal", optimum)
    assert check(shop, as_plan(shop, found.slots)) == []


def test_within_a_horizon_that_is_too_short_nothing_is_found_and_that_is_proven() -> None:
    shop = Shop(0, (M,), (one("a", 3, setup="red"), one("b", 3, setup="blue")), setups=CHANGES, horizon_s=9)
    assert solved(shop, "setup").status == "infeasible"  # by hand: 3, then 5 of setup from blue to red, then 3
    assert solved(replace(shop, horizon_s=11), "setup").status == "optimal"


def test_weights_become_whole_numbers_and_where_that_is_too_much_a_little_smaller() -> None:
    assert aims.whole([1.0, 0.5, 0.25], 1000) == (4, [4, 2, 1])
    assert aims.whole([3.0, 2.0], 1000) == (1, [3, 2])
    factor, numbers = aims.whole([1 / 3, 0.1], 1000)
    assert numbers[0] / factor <= 1 / 3
    assert numbers[0] / factor == pytest.approx(1 / 3, rel=1e-5)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 6)), max_size=12))
def test_how_many_are_used_at_once_is_what_counting_second_by_second_gives(pairs: list[tuple[int, int]]) -> None:
    spans = [(begin, begin + seconds) for begin, seconds in pairs]
    found = {t: held for begin, end, held in people.steps(spans) for t in range(begin, end)}
    counted = {t: count for t in range(30) if (count := sum(a <= t < b for a, b in spans))}
    assert found == counted


@pytest.mark.parametrize("kind", windows.KINDS)
@pytest.mark.parametrize("objective", ["tardiness", "setup", "makespan"])
def test_a_window_of_a_plan_is_planned_anew_and_the_plan_stays_whole(kind: str, objective: str) -> None:
    shop, aim, rng = paint_shop(12), parse(objective), Random(3)
    slots, base = best(shop, aim), base_of(shop)
    for _ in range(3):
        window = windows.draw(base, slots, aim, kind, 8, rng)
        found = solve(model_of(shop, objective, slots, window), Effort(20.0, 0.1, 1))
        assert found.status in ("optimal", "feasible")
        assert found.bound is None  # a window proves nothing of the shop
        assert check(shop, as_plan(shop, found.slots, objective)) == []
        assert value(aim, shop, found.slots) <= value(aim, shop, slots)
        at = {(s.order, s.operation): s for s in slots}
        new = {(s.order, s.operation): s for s in found.slots}
        assert all(new[key] == at[key] for key in window.held)
        for machine in {at[key].machine for key in window.ordered}:
            turn = sorted((at[key].start_s, key) for key in window.ordered if at[key].machine == machine)
            assert all(new[a].end_s <= new[b].start_s for (_, a), (_, b) in pairwise(turn))
        slots = found.slots


@given(general_shops(jobs_at_most=4), st.sampled_from(OBJECTIVES), st.integers(0, 9))
@few
def test_windows_of_random_shops_with_everything_keep_the_rules(shop: Shop, objective: str, seed: int) -> None:
    aim = parse(objective)
    first = best(shop, aim)
    slots = windows.improve(base_of(shop), first, aim, Budget(30.0, 1, seed, iterations=4))
    assert check(shop, as_plan(shop, slots, objective)) == []
    assert value(aim, shop, slots) <= value(aim, shop, first)


def test_equal_seeds_give_equal_plans_in_a_budget_of_windows() -> None:
    shop, aim = paint_shop(10), parse("tardiness")
    first, base = best(shop, aim), base_of(shop)
    plans = [windows.improve(base, first, aim, Budget(60.0, 1, seed=5, iterations=6)) for _ in range(2)]
    assert plans[0] == plans[1]
    assert value(aim, shop, plans[0]) < value(aim, shop, first)


def test_models_that_are_too_large_for_the_time_leave_out_setups_or_are_not_built() -> None:
    base = base_of(paint_shop(60))
    assert relax_for(base, 60.0) == Relax()
    assert relax_for(base, 0.2) == Relax(setups=True)
    assert relax_for(base, 0.01) is None


def test_without_the_solver_the_annealing_plans_alone_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ortools", None)
    monkeypatch.setitem(sys.modules, "ortools.sat.python", None)
    shop = paint_shop(8)
    found = plan(shop, 0.6, "tardiness")
    assert found.solver in ("annealing", "dispatch")  # dispatch while it compiles
    assert check(shop, found) == []


def test_without_numba_cp_sat_plans_alone_and_solves_small_shops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loopwright.make.search.warm.installed", lambda: False)
    shop = paint_shop(5, operations=2)
    found = plan(shop, 120.0, "tardiness")  # it ends as soon as that is proven
    assert found.solver.startswith("cp-sat")
    assert (found.status, found.value) == ("optimal", found.bound)
    assert check(shop, found) == []


@pytest.mark.slow
def test_whoever_wants_to_stop_gets_the_best_so_far_soon() -> None:
    shop, stop = paint_shop(40, operations=4, machines=6), Event()
    timer = threading.Timer(1.5, stop.set)
    timer.start()
    begun_s = monotonic_s()
    found = plan(shop, 600.0, "tardiness", stop=stop)
    assert monotonic_s() - begun_s < 60.0  # not the ten minutes that were allowed
    assert check(shop, found) == []
    timer.join()
    assert search(shop, list(found.slots), parse("tardiness"), 0.0, Budget(600.0, stop=stop)).slots == list(found.slots)


def test_equal_seeds_give_equal_plans_and_bounds_of_any_shop_in_a_budget_of_iterations() -> None:
    shop = paint_shop(12)
    plans = [plan(shop, 2.0, "tardiness", seed=2, iterations=4_000) for _ in range(2)]
    assert (plans[0].slots, plans[0].bound) == (plans[1].slots, plans[1].bound)
    assert check(shop, plans[0]) == []
