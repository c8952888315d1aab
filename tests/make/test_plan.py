"""Plans: the published optimum, what the checker says about random shops, bounds, fallback, refusals."""

from __future__ import annotations

import itertools
import sys

import pytest
from hypothesis import HealthCheck, given, settings

from loopwright.core.clock import monotonic_s
from loopwright.core.errors import PlanError, UnknownName
from loopwright.core.types import Slot
from loopwright.engine.local import Workers
from loopwright.make.check import check
from loopwright.make.dispatching.bound import first_fit, lower_bound
from loopwright.make.dispatching.dispatch import dispatch, makespan, settle
from loopwright.make.plan import plan, warm
from loopwright.make.shop import Blocked, Job, Machine, Operation, Operator, Setup, Shop
from tests.make.shops import FT06, FT06_OPTIMUM, chain, club_shop, job_shop, shops

quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def test_ft06_is_solved_to_its_published_optimum_with_proof() -> None:
    shop = job_shop(FT06)
    found = plan(shop, seconds=10.0)
    assert (found.value, found.bound, found.status) == (FT06_OPTIMUM, FT06_OPTIMUM, "optimal")
    assert "cp-sat" in found.solver
    assert found.gap == 0
    assert check(shop, found) == []


@given(shops())
@quick
def test_plans_of_random_shops_pass_the_checker_and_end_between_the_bound_and_the_dispatched_plan(shop: Shop) -> None:
    found = plan(shop, seconds=0.3)
    assert check(shop, found) == []
    assert lower_bound(shop) <= found.bound <= found.value <= makespan(dispatch(shop))


@given(shops())
@quick
def test_a_dispatched_plan_passes_the_checker_and_settling_it_never_delays_anything(shop: Shop) -> None:
    slots = dispatch(shop)
    settled = settle(shop, slots)
    ends = {(s.order, s.operation): s.end_s for s in slots}
    assert all(s.end_s <= ends[s.order, s.operation] for s in settled)


def brute_force(shop: Shop) -> int:
    """The shortest makespan of a tiny shop: every order of its operations, each placed as early as it can, every machine."""
    operations = shop.operations
    release, best = {job.id: job.release_s for job in shop.jobs}, 10**9
    for order in itertools.permutations(operations):
        for machines in itertools.product(*(operation.on for operation in order)):
            taken: dict[str, list[tuple[int, int]]] = {m.id: [] for m in shop.machines}
            for b in shop.blocked:
                taken[b.machine].append((b.start_s, b.end_s))
            ends: dict[tuple[str, str], int] = {}
            for operation, (machine, seconds) in zip(order, machines, strict=True):
                if any((operation.job, name) not in ends for name in operation.after):
                    break
                start = max([release[operation.job], *(ends[operation.job, name] for name in operation.after)])
                while any(a < start + seconds and start < b for a, b in taken[machine]):
                    start += 1
                taken[machine].append((start, start + seconds))
                ends[operation.key] = start + seconds
            if len(ends) == len(order):
                best = min(best, max(ends.values()))
    return best


@given(shops(jobs_at_most=2, operations_at_most=2, begun=False))
@quick
def test_the_bound_of_a_tiny_random_shop_is_never_above_what_trying_everything_gives(shop: Shop) -> None:
    best = brute_force(shop)
    assert lower_bound(shop) <= best
    found = plan(shop, seconds=5.0)
    assert (found.value, found.status) == (best, "optimal")


def test_the_plan_of_a_tiny_shop_is_what_trying_everything_gives() -> None:
    mills = (("m1", 5), ("m2", 7))
    jobs = (chain("a", [mills, (("g", 3),)]), chain("b", [mills, (("g", 4),)]), chain("c", [mills]))
    shop = Shop(0, (Machine("m1", "m"), Machine("m2", "m"), Machine("g", "g")), jobs, (Blocked("g", 6, 9, "check"),))
    found = plan(shop, seconds=5.0)
    assert found.status == "optimal"
    assert found.value == brute_force(shop)


def test_one_order_needs_no_search() -> None:
    found = plan(club_shop(1))
    assert (found.status, found.solver) == ("optimal", "dispatch")
    assert found.value == found.bound == sum(s.end_s - s.start_s for s in found.slots)  # one job: the sum of its parts


def test_an_empty_shop_has_an_empty_plan() -> None:
    found = plan(Shop(0, (Machine("m", "mill"),), ()))
    assert (found.slots, found.value, found.status) == ((), 0, "optimal")


@pytest.mark.slow
def test_equal_seeds_give_equal_plans_of_a_small_shop() -> None:
    shop = club_shop(4)
    plans = [plan(shop, seconds=6.0, seed=3) for _ in range(2)]
    assert plans[0].slots == plans[1].slots


def test_machines_that_are_alike_share_the_work() -> None:
    mills = (("m1", 10), ("m2", 10), ("m3", 10))
    shop = Shop(0, tuple(Machine(m, "mill") for m, _ in mills), tuple(chain(f"j{n}", [mills]) for n in range(7)))
    found = plan(shop, seconds=2.0)
    assert (found.value, found.status) == (30, "optimal")  # 7 equal operations on 3 machines: 3 rounds
    assert check(shop, found) == []


@pytest.mark.slow
def test_sixty_orders_are_planned_within_a_second_with_a_bound() -> None:
    shop = club_shop(60)
    warm()
    started_s = monotonic_s()
    found = plan(shop, seconds=1.0)
    assert monotonic_s() - started_s < 15.0  # a search without a budget would go on for minutes
    assert found.status in ("optimal", "feasible")
    assert found.gap < 0.1
    assert check(shop, found) == []


def test_without_the_solver_the_dispatched_plan_stands_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ortools", None)
    monkeypatch.setitem(sys.modules, "ortools.sat.python", None)
    monkeypatch.setattr("loopwright.make.search.warm.installed", lambda: False)
    shop = club_shop(6)
    found = plan(shop)
    assert (found.solver, found.status) == ("dispatch", "feasible")
    assert 0 < found.bound <= found.value
    assert check(shop, found) == []


def test_an_operation_without_a_machine_is_named() -> None:
    shop = Shop(0, (Machine("m", "mill"),), (chain("o-7", [(("m", 5),), ()]),))
    with pytest.raises(PlanError, match=r"'op1' of 'o-7': no machine can do it"):
        plan(shop)


def test_an_operation_longer_than_every_open_interval_is_named_with_the_longest() -> None:
    nights = tuple(Blocked("m", a, a + 10, "night") for a in (20, 50, 80))
    shop = Shop(0, (Machine("m", "mill"),), (chain("o-7", [(("m", 25),)]),), nights, horizon_s=90)
    with pytest.raises(PlanError, match=r"takes 25 s.*m is open for at most 20 s in one piece.*open a longer interval"):
        plan(shop)


def test_work_that_cannot_all_end_before_the_horizon_is_refused() -> None:
    jobs = tuple(chain(f"j{n}", [(("m", 10),), (("g", 1),)]) for n in range(3))
    shop = Shop(0, (Machine("m", "mill"), Machine("g", "gauge")), jobs, horizon_s=30)  # 3 x 10 on the mill, then 1 more
    with pytest.raises(PlanError, match="30 s"):
        plan(shop)


def test_nothing_overlaps_a_shift_that_is_closed_and_nothing_is_split_over_it() -> None:
    shop = Shop(0, (Machine("m", "mill"),), tuple(chain(f"j{n}", [(("m", 7),)]) for n in range(3)), (Blocked("m", 10, 20, "night"),))
    found = plan(shop)
    assert sorted((s.start_s, s.end_s) for s in found.slots) == [(0, 7), (20, 27), (27, 34)]  # by hand
    assert found.status == "optimal"


def test_what_has_begun_stays_and_the_rest_waits_for_it() -> None:
    begun = Operation("a", "op0", (("m", 10),), (), Slot("a", "op0", "m", -4, 6, True))
    next_one = Operation("a", "op1", (("g", 3),), ("op0",))
    shop = Shop(0, (Machine("m", "mill"), Machine("g", "gauge")), (Job("a", (begun, next_one)), chain("b", [(("m", 5),)])))
    at = {(s.order, s.operation): s.start_s for s in plan(shop).slots}
    assert at == {("a", "op0"): -4, ("a", "op1"): 6, ("b", "op0"): 6}


@pytest.mark.slow
def test_a_warm_worker_gives_the_plan_that_the_function_gives_here() -> None:
    shop = club_shop(3)
    with Workers() as workers:
        workers.warm("plan", "loopwright.make.plan:plan").result(timeout=30)
        there = workers.call("plan", "loopwright.make.plan:plan", shop, 5.0).result(timeout=30)
        with pytest.raises(PlanError, match="no machine can do it"):
            workers.call("plan", "loopwright.make.plan:plan", Shop(0, (), (chain("a", [()]),))).result(timeout=30)
    assert there.slots == plan(shop, 5.0).slots
    assert there.status == "optimal"


def test_an_objective_that_is_not_there_is_refused() -> None:
    with pytest.raises(UnknownName, match="makespan"):
        plan(club_shop(1), objective="profit")


@pytest.mark.parametrize(("start_s", "seconds", "expected"), [(0, 2, 0), (0, 4, 20), (4, 1, 7), (7, 3, 7), (7, 4, 20), (30, 1, 30)])
def test_the_first_fit_is_the_earliest_gap_that_is_long_enough(start_s: int, seconds: int, expected: int) -> None:
    assert first_fit([(3, 7), (10, 20)], start_s, seconds) == expected


def test_equal_jobs_are_planned_although_the_solver_fails_on_their_hint() -> None:
    # OR-Tools 9.15 raises IndexError on the hint of this shop unless equal jobs are told apart (its issue 5288)
    releases = {"j0": 3, "j1": 3, "j2": 7, "j3": 6, "j4": 6}
    jobs = [
        Job(job, tuple(Operation(job, f"op{n}", (("m", 1),)) for n in range(2 if job > "j2" else 1)), release_s)
        for job, release_s in releases.items()]
    found = plan(Shop(0, (Machine("m", "mill"),), tuple(jobs)), seconds=5.0)
    assert (found.value, found.status) == (11, "optimal")  # 3, 4, then five of one second from 6 on


def test_the_bound_sees_that_three_mills_fed_by_one_saw_cannot_all_begin_at_once() -> None:
    mills = (("m1", 30), ("m2", 30), ("m3", 30))
    jobs = tuple(chain(f"j{n}", [(("saw", 10),), mills]) for n in range(3))
    shop = Shop(0, (Machine("saw", "saw"), *(Machine(m, "mill") for m, _ in mills)), jobs)
    assert lower_bound(shop) == 60  # by hand: the mills begin after 10, 20 and 30 s, and the last ends after 60
    assert plan(shop).solver == "dispatch"


def test_setups_persons_and_due_dates_are_planned_by_the_objective_that_is_asked_for() -> None:
    """Two colours by turns cost 50 s each change; sorted by colour one change is left, and the urgent job comes first."""
    colours = ["red", "blue", "red", "blue", "red", "blue"]
    jobs = tuple(
        Job(f"j{n}", (Operation(f"j{n}", "paint", (("booth", 10),), setup=colour, skill="paint"),), due_s=20 if n == 1 else 400)
        for n, colour in enumerate(colours))
    setups = (Setup("booth", "red", "blue", 50), Setup("booth", "blue", "red", 50))
    shop = Shop(0, (Machine("booth", "paint"),), jobs, operators=(Operator("ada", ("paint",), ((0, 5),)),), setups=setups)
    for objective, value in (("setup", 50), ("tardiness", 0), ("makespan:1,setup:1", 165)):
        found = plan(shop, seconds=2.0, objective=objective)
        assert check(shop, found) == []
        assert found.value == value, (objective, found.slots)
        assert found.bound <= found.value
    assert {slot.operator for slot in found.slots} == {"ada"}


def test_times_that_do_not_fit_in_the_tabu_searchs_numbers_are_planned_without_it() -> None:
    far = job_shop([[(machine, 10**8 * seconds) for machine, seconds in row] for row in FT06])
    found = plan(far, seconds=3.0)
    assert check(far, found) == []
    assert found.value >= FT06_OPTIMUM * 10**8
    assert "tabu" not in found.solver


def test_an_objective_that_is_not_there_is_named() -> None:
    with pytest.raises(UnknownName, match="tardyness"):
        plan(club_shop(1), objective="tardyness")
