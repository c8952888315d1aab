"""Large shops: compiled rules and array bounds beside their plain twins, first plans that can be stopped, horizons."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.large_shops import FULL_S, bottleneck_shop, cut_shop, orders_shop
from loopwright.core.errors import InputError, PlanError
from loopwright.make.budget import Budget
from loopwright.make.check import check
from loopwright.make.dispatching import dispatch, foreman
from loopwright.make.dispatching.bound import bound, first_fit, ground_of, lower_bound
from loopwright.make.dispatching.edges import Taken, edges_of
from loopwright.make.dispatching.first import first_plan
from loopwright.make.dispatching.tables import tables_of
from loopwright.make.objective import behind, parse, value
from loopwright.make.plan import plan
from loopwright.make.reading import files
from loopwright.make.shop import Job, Machine, Operation, Operator, Setup, Shop
from tests.make import slow_bounds
from tests.make.general_shops import as_plan, brute_force, general_shops, paint_shop
from tests.make.shops import FT06, FT06_OPTIMUM, job_shop, shops

many = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
few = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
KINDS = ("late", "work", "short")


@given(st.one_of(general_shops(), shops()))
@many
def test_heads_and_tails_of_all_jobs_at_once_are_those_of_one_job_after_another(shop: Shop) -> None:
    edges, keys = edges_of(tables_of(shop)), [o.key for o in shop.operations]
    head, tail = slow_bounds._heads(shop), slow_bounds._tails(shop)
    assert list(zip(edges.head.tolist(), edges.early.tolist(), strict=True)) == [head[key] for key in keys]
    assert list(zip(edges.tail.tolist(), edges.after.tolist(), strict=True)) == [tail[key] for key in keys]


@given(st.lists(st.lists(st.tuples(st.integers(-20, 60), st.integers(1, 20)), max_size=5), min_size=1, max_size=3), st.data())
@many
def test_first_fits_on_many_machines_are_those_of_each(given_: list[list[tuple[int, int]]], data: st.DataObject) -> None:
    closed = [slow_bounds.merged([(a, a + n) for a, n in intervals]) for intervals in given_]
    asked = data.draw(st.lists(st.tuples(st.integers(0, len(closed) - 1), st.integers(0, 90), st.integers(1, 30)), min_size=1, max_size=20))
    machine, start, seconds = (np.array(values) for values in zip(*asked, strict=True))
    assert Taken(closed).first(machine, start, seconds).tolist() == [first_fit(closed[m], s, n) for m, s, n in asked]


@given(st.one_of(general_shops(), shops()))
@many
def test_bounds_by_arrays_are_never_weaker_than_the_plain_ones(shop: Shop) -> None:
    assert lower_bound(shop) >= slow_bounds.lower_bound(shop)
    for objective in ("tardiness", "setup"):
        assert bound(shop, parse(objective)) == pytest.approx(slow_bounds.bound(shop, parse(objective)))


@given(general_shops(jobs_at_most=3, operations_at_most=2, batches=False))
@few
def test_no_plan_of_a_tiny_shop_is_better_than_its_bound(shop: Shop) -> None:
    for objective in ("makespan", "makespan:1,tardiness:2,setup:0.5"):
        assert bound(shop, parse(objective)) <= brute_force(shop, objective) + 1e-9


def test_a_bound_sees_setups_and_the_only_person_with_a_skill() -> None:
    # Three colours on one machine, 10 s each and 5 s between them: 30 + 2 * 5. One painter for two machines: 4 * 10.
    colours = tuple(Job(c, (Operation(c, "paint", (("m", 10),), setup=c),)) for c in "abc")
    lines = tuple(Setup("m", a, b, 5) for a in "abc" for b in "abc" if a != b)
    assert lower_bound(Shop(0, (Machine("m", "m"),), colours, setups=lines)) == 40
    work = tuple(Job(f"j{n}", (Operation(f"j{n}", "do", (("x", 10), ("y", 10)), skill="paint"),)) for n in range(4))
    both = (Machine("x", "x"), Machine("y", "y"))
    assert lower_bound(Shop(0, both, work, operators=(Operator("ann", ("paint",)),))) == 40


def test_the_bound_of_ft06_holds_and_that_of_a_cut_shop_is_its_makespan() -> None:
    assert 47 <= lower_bound(job_shop(FT06)) <= FT06_OPTIMUM
    assert lower_bound(cut_shop(10, 200, 12)) == FULL_S


@pytest.mark.parametrize("kind", KINDS)
def test_rules_in_python_give_plans_that_pass_the_checker(kind: str) -> None:
    shop = paint_shop(8, 3)
    ground = ground_of(shop)
    slots = foreman.run(ground.tables, ground.edges.tail, foreman.Rule(kind, noise=0.3, seed=7)).slots()  # type: ignore[arg-type]
    assert check(shop, as_plan(shop, slots)) == []


def test_a_large_plain_shop_is_dispatched_in_steps_that_do_not_look_at_all_that_wait() -> None:
    shop = bottleneck_shop(600, 20)
    assert sum(len(job.operations) for job in shop.jobs) > dispatch.FEW_LATE
    slots = dispatch.dispatch(shop)
    assert check(shop, as_plan(shop, slots)) == []
    assert dispatch.makespan(slots) == lower_bound(shop)  # one machine has most of the work: it never stands


def test_who_stops_before_the_first_plan_gets_it_all_the_same_and_is_told_of_it() -> None:
    shop, stop, told = orders_shop(200), Event(), list[int]()
    stop.set()
    found = plan(shop, 60.0, "tardiness", stop=stop, progress=told.append)
    assert check(shop, found) == []
    assert told[-1] == round(found.value)
    assert found.took_s < 30


def test_shops_that_nobody_can_work_are_refused_at_once_with_numbers() -> None:
    shop = orders_shop(300)
    short = replace(shop, horizon_s=1_000)
    with pytest.raises(PlanError, match=r"can start after .+, and until 16 min 40 s"):
        plan(short, 1.0)
    job = replace(shop.jobs[-1], operations=(*shop.jobs[-1].operations, Operation(shop.jobs[-1].id, "x", ())))
    with pytest.raises(PlanError, match="no machine can do it"):
        plan(replace(shop, jobs=(*shop.jobs[:-1], job)), 1.0)


@pytest.mark.slow
def test_a_fault_in_a_million_operations_is_named_with_its_line_and_number(tmp_path: Path) -> None:
    lines = ["125000 50"] + ["0 5 1 5 2 5 3 5 4 5 5 5 6 5 7 5"] * 125_000
    for at, bad, says in ((125_000, "0 5 1 -5 2 5 3 5 4 5 5 5 6 5 7 5", "line 125001"), (90_000, "0 5 1 5 x 5", "line 90001")):
        path = tmp_path / "shop.jsp"
        path.write_text("\n".join([*lines[:at], bad, *lines[at + 1:]]))
        with pytest.raises(InputError, match=says):
            files.read(path)
    path.write_text("\n".join(lines)[:-300])
    with pytest.raises(InputError, match=r"125,?000"):
        files.read(path)


# From here on with Numba.


@pytest.fixture
def compiled() -> None:
    """Only where the rules can be compiled."""
    pytest.importorskip("numba", reason="the rules are compiled: extra `plan`")


@pytest.mark.usefixtures("compiled")
@given(general_shops(jobs_at_most=6), st.sampled_from(KINDS), st.sampled_from((0.0, 0.4)))
@settings(many, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
def test_compiled_rules_hand_out_as_those_in_python_do(shop: Shop, kind: str, noise: float) -> None:
    from loopwright.make.dispatching.crew import Crew

    ground, rule = ground_of(shop), foreman.Rule(kind, 2.0, noise, 3, 2.0)  # type: ignore[arg-type]
    crew = Crew(ground.tables)
    plain = foreman.run(ground.tables, ground.edges.tail, rule).slots()
    assert sorted(crew.slots(crew.work(ground.edges.tail, rule)), key=str) == sorted(plain, key=str)


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("objective", ["tardiness", "makespan", "makespan:1,tardiness:2,setup:0.5"])
def test_better_rules_never_cost_more_and_give_the_same_plan_for_a_seed(objective: str) -> None:
    from loopwright.make.dispatching.tuning import improve

    shop, goal = orders_shop(150, machines=12), parse(objective)
    ground, first = ground_of(shop), dispatch.best(orders_shop(150, machines=12), goal)
    budget = Budget(600.0, seed=4, iterations=25)
    found = improve(shop, first, goal, ground, budget)
    assert value(goal, shop, found) <= value(goal, shop, first)
    assert check(shop, as_plan(shop, found, objective)) == []
    assert found == improve(shop, first, goal, ground, budget)


@pytest.mark.usefixtures("compiled")
def test_what_a_plan_costs_by_its_arrays_is_what_its_slots_cost() -> None:
    from loopwright.make.dispatching.crew import Crew
    from loopwright.make.dispatching.first import cost_of

    for seed in range(3):
        shop = paint_shop(12, seed)
        ground, goal = ground_of(shop), parse("makespan:1,tardiness:2,setup:0.5")
        crew = Crew(ground.tables)
        worked = crew.work(ground.edges.tail, foreman.Rule("late"))
        assert cost_of(goal, ground, worked.way, worked.times, crew.f) == pytest.approx(value(goal, shop, crew.slots(worked)))


@pytest.mark.usefixtures("compiled")
def test_a_search_that_begins_behind_the_horizon_aims_for_it() -> None:
    from loopwright.make.anneal.general import improve

    shop, goal = paint_shop(8, 5, shifts=False), parse("tardiness")
    first = dispatch.best(shop, goal)
    shortest = improve(shop, first, parse("makespan"), Budget(60.0, workers=1, iterations=20_000))
    short = replace(shop, horizon_s=dispatch.makespan(shortest) + 60)
    worst = max((dispatch.best(shop, goal), dispatch.dispatch(shop), foreman_plan(shop)), key=dispatch.makespan)
    assert behind(short, worst) > 0
    found = improve(short, worst, goal, Budget(60.0, workers=1, iterations=40_000))
    assert behind(short, found) == 0
    assert check(short, as_plan(short, found, "tardiness")) == []


def foreman_plan(shop: Shop) -> list[object]:
    """What the rule that never looks at setups makes of a shop."""
    ground = ground_of(shop)
    return foreman.run(ground.tables, ground.edges.tail, foreman.Rule("short", lost=0.001)).slots()  # type: ignore[return-value]


@pytest.mark.usefixtures("compiled")
def test_compiled_code_is_kept_only_while_all_that_it_calls_stays_the_same() -> None:
    from loopwright.make import compiled as kept
    from loopwright.make.anneal import decode, general, neighbours
    from loopwright.make.dispatching import crew

    here = Path(kept.__file__).parent
    names = {path.name for path in kept.sources(here / "anneal" / "general.py")}
    assert {"general.py", "decode.py", "neighbours.py"} <= names
    for module in (crew, decode, general, neighbours):
        path = Path(str(module.__file__))
        functions = [f for f in vars(module).values() if hasattr(f, "py_func") and f.__module__ == module.__name__]
        assert functions
        assert {f._cache._cache_file._source_stamp for f in functions} == {kept.digest(path)}


@pytest.mark.usefixtures("compiled")
def test_first_plans_of_a_large_shop_are_the_best_of_the_rules() -> None:
    from loopwright.make.dispatching.crew import Crew
    from loopwright.make.search import warm

    if not warm.compiled():
        pytest.skip("the search is being compiled in another process")
    shop, goal = orders_shop(150, machines=12), parse("tardiness")
    ground = ground_of(shop)
    slots = first_plan(shop, goal, ground, Budget(600.0, iterations=1))
    crew = Crew(ground.tables)
    one = crew.slots(crew.work(ground.edges.tail, foreman.Rule("late", 6.0, lost=4.0)))
    assert value(goal, shop, slots) <= value(goal, shop, one)
    assert check(shop, as_plan(shop, slots, "tardiness")) == []
