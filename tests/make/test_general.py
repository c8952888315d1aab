"""The search for any shop: the compiled decoding beside its plain twin, brute force on tiny shops, budgets."""

from __future__ import annotations

from dataclasses import replace
from threading import Event

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loopwright.core.types import Slot
from loopwright.make.budget import Budget
from loopwright.make.check import check
from loopwright.make.dispatching.board import follow, sequence
from loopwright.make.dispatching.dispatch import best
from loopwright.make.dispatching.tables import tables_of
from loopwright.make.objective import parse, value
from loopwright.make.repair import repair
from loopwright.make.shop import Blocked, Job, Machine, Operation, Setup, Shop
from tests.make.general_shops import as_plan, brute_force, general_shops, paint_shop

pytest.importorskip("numba", reason="the search is compiled: extra `plan`")

from loopwright.make.anneal.decode import fixed_of
from loopwright.make.anneal.general import Climber, improve

MIX = "makespan:1,tardiness:2,setup:0.5"
OBJECTIVES = ("makespan", "tardiness", "setup", MIX)
many = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
few = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def climber(shop: Shop, objective: str, seed: int = 0) -> Climber:
    tables = tables_of(shop)
    fixed = fixed_of(tables)
    order, choice = sequence(tables, best(shop, parse(objective)))
    return Climber(tables, fixed, parse(objective), np.array(order, np.int64), fixed.way_at[:-1] + np.array(choice, np.int64), seed)


@given(general_shops(jobs_at_most=6, operations_at_most=4), st.sampled_from(OBJECTIVES), st.integers(0, 9))
@many
def test_what_is_decoded_after_many_moves_is_what_the_plain_board_gives(shop: Shop, objective: str, seed: int) -> None:
    c = climber(shop, objective, seed)
    if len(c.order) < 2:
        return
    c.climb(20.0, 60)
    ways = (c.way - c.f.way_at[:-1]).tolist()
    slots = {(s.order, s.operation): s for s in follow(c.tables, c.order.tolist(), ways, c.hold.tolist()).slots()}
    for o in c.order:
        slot = slots[c.tables.operations[o].key]
        assert (c.y.start[o], c.y.end[o], c.y.setup[o]) == (slot.start_s, slot.end_s, slot.setup_s)
    assert np.isclose(c.cost[0], value(parse(objective), shop, slots.values()))
    assert check(shop, as_plan(shop, list(slots.values()), objective)) == []


@given(general_shops(), st.sampled_from(OBJECTIVES))
@few
def test_an_improved_plan_passes_the_checker_and_costs_no_more(shop: Shop, objective: str) -> None:
    goal = parse(objective)
    first = best(shop, goal)
    slots = improve(shop, first, goal, Budget(30.0, 1, iterations=300))
    assert check(shop, as_plan(shop, slots, objective)) == []
    assert value(goal, shop, slots) <= value(goal, shop, first)


@given(general_shops(jobs_at_most=3, operations_at_most=2, batches=False, begun=False), st.sampled_from(("makespan", "tardiness", "makespan:1,tardiness:2")))
@few
def test_a_tiny_shop_is_planned_as_trying_everything_would(shop: Shop, objective: str) -> None:
    if len(shop.operations) > 4:
        return
    goal = parse(objective)
    slots = improve(shop, best(shop, goal), goal, Budget(30.0, 1, iterations=4_000))
    assert value(goal, shop, slots) == pytest.approx(brute_force(shop, objective))


def test_a_single_operation_goes_to_the_machine_where_it_ends_first_with_its_setup() -> None:
    one = Job("j0", (Operation("j0", "op0", (("m1", 2), ("m0", 1)), setup="red"),))
    shop = Shop(0, (Machine("m0", "m0", "blue"), Machine("m1", "m1")), (one,), setups=(Setup("m0", "blue", "red", 2),))
    goal = parse("makespan")
    on_m0 = [Slot("j0", "op0", "m0", 2, 3, setup_s=2)]
    assert check(shop, as_plan(shop, on_m0)) == []
    assert improve(shop, on_m0, goal, Budget(30.0, 1, iterations=100)) == [Slot("j0", "op0", "m1", 0, 2)]
    assert repair(shop, as_plan(shop, on_m0), stability=0, workers=1, iterations=100).plan.value == 2


def test_equal_seeds_give_equal_plans_whatever_the_clock_says() -> None:
    shop, goal = paint_shop(20), parse("tardiness")
    first = best(shop, goal)
    plans = [improve(shop, first, goal, Budget(60.0, 2, seed=4, iterations=6_000)) for _ in range(2)]
    assert plans[0] == plans[1]
    assert value(goal, shop, plans[0]) < value(goal, shop, first)


def test_whoever_wants_to_stop_gets_the_best_so_far_and_hears_of_every_better_one() -> None:
    shop, goal = paint_shop(20), parse("tardiness")
    first, stop, heard = best(shop, goal), Event(), list[int]()

    def hear(cost: int) -> None:
        heard.append(cost)
        stop.set()

    slots = improve(shop, first, goal, Budget(3600.0, 1, stop=stop, progress=hear))
    assert heard == [round(value(goal, shop, slots))]


def test_a_plan_that_ends_within_the_horizon_stays_within_it_whatever_the_objective() -> None:
    shop = paint_shop(15, shifts=False)
    first = best(shop, parse("makespan"))
    last = max(s.end_s for s in first)
    limited = replace(shop, horizon_s=last)
    slots = improve(limited, first, parse("setup"), Budget(30.0, 2, iterations=6_000))
    assert check(limited, as_plan(limited, slots, "setup")) == []
    assert value(parse("setup"), limited, slots) < value(parse("setup"), limited, first)


def test_an_oven_waits_for_those_that_come_a_little_later() -> None:
    jobs = tuple(Job(f"j{n}", (Operation(f"j{n}", "bake", (("oven", 100),), batch="160 C"),), release_s=5 * n) for n in range(4))
    shop = Shop(0, (Machine("oven", "oven", batch=4),), jobs)
    slots = improve(shop, best(shop), parse("makespan"), Budget(30.0, 1, iterations=2_000))
    assert [s.start_s for s in slots] == [15] * 4  # rather than 0 and 100


def test_a_shop_in_which_everything_has_begun_or_is_one_operation_stays_as_it_is() -> None:
    shop = Shop(0, (Machine("m", "m"),), (Job("a", (Operation("a", "o", (("m", 5),), setup="x"),)),), (Blocked("m", 0, 3),))
    slots = best(shop)
    assert improve(shop, slots, parse("tardiness"), Budget(1.0)) == slots
    assert improve(Shop(0, (Machine("m", "m"),), ()), [], parse("makespan"), Budget(1.0)) == []
