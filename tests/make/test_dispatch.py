"""Dispatching rules on shops with everything: what they give can be worked, and bounds hold."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loopwright.core.errors import PlanError
from loopwright.make.check import check
from loopwright.make.dispatching.board import Board, follow, sequence
from loopwright.make.dispatching.bound import bound
from loopwright.make.dispatching.dispatch import best, dispatch, settle
from loopwright.make.dispatching.tables import tables_of
from loopwright.make.objective import parse, value
from loopwright.make.shop import Job, Machine, Operation, Operator, Setup, Shop
from tests.make.general_shops import as_plan, brute_force, general_shops, paint_shop
from tests.make.shops import shops

many = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
MIX = "makespan:1,tardiness:2,setup:0.5"


@given(general_shops(), st.booleans())
@many
def test_a_dispatched_plan_of_any_shop_passes_the_checker_and_settling_it_too(shop: Shop, most: bool) -> None:
    slots = dispatch(shop, None, most)
    assert check(shop, as_plan(shop, slots)) == []
    assert check(shop, as_plan(shop, settle(shop, slots))) == []


@given(general_shops(), st.data())
@many
def test_operations_that_stay_are_not_moved_by_settling(shop: Shop, data: st.DataObject) -> None:
    slots = [s for s in dispatch(shop) if not s.frozen]
    stay = data.draw(st.sets(st.sampled_from(slots), max_size=3)) if slots else set()
    settled = settle(shop, [*slots, *(o.frozen for o in shop.operations if o.frozen)], {(s.order, s.operation) for s in stay})
    assert stay <= set(settled)
    assert len(settled) == len(shop.operations)


@given(general_shops(), general_shops())
@many
def test_an_older_plan_is_kept_in_its_order_where_it_fits(shop: Shop, other: Shop) -> None:
    old = {(s.order, s.operation): s for s in dispatch(other)}
    assert check(shop, as_plan(shop, dispatch(shop, old))) == []


@given(general_shops(), st.sampled_from(("makespan", "tardiness", "setup", MIX)))
@many
def test_the_best_rule_is_no_better_than_the_bound(shop: Shop, objective: str) -> None:
    slots = best(shop, parse(objective))
    assert check(shop, as_plan(shop, slots, objective)) == []
    assert bound(shop, parse(objective)) <= value(parse(objective), shop, slots) + 1e-9


@given(shops())
@many
def test_the_best_rule_of_a_plain_shop_passes_the_checker(shop: Shop) -> None:
    assert check(shop, as_plan(shop, best(shop))) == []


@given(general_shops(jobs_at_most=2, operations_at_most=2, batches=False), st.sampled_from(("makespan", "tardiness", "setup", MIX)))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_bound_of_a_tiny_shop_is_never_above_what_trying_everything_gives(shop: Shop, objective: str) -> None:
    assert bound(shop, parse(objective)) <= brute_force(shop, objective) + 1e-9


@given(general_shops(batches=False))
@many
def test_a_plan_put_on_a_board_in_the_order_of_its_starts_ends_nothing_later(shop: Shop) -> None:
    tables = tables_of(shop)
    slots = dispatch(shop)
    order, ways = sequence(tables, slots)
    again = {(s.order, s.operation): s for s in follow(tables, order, ways).slots()}
    assert max((s.end_s for s in again.values()), default=0) <= max((s.end_s for s in slots), default=0) or shop.operators or shop.tools


def test_a_setup_may_begin_before_its_job_is_ready_but_never_over_a_closed_time() -> None:
    shop = Shop(0, (Machine("m", "m", "red"),), (Job("a", (Operation("a", "o", (("m", 10),), setup="blue"),), release_s=6),), setups=(Setup("m", "red", "blue", 5),))
    board = Board(tables_of(shop))
    place = board.fit(0, 0)
    assert (place.start_s, place.end_s, place.setup_s) == (6, 16, 5)


def test_operations_of_one_batch_go_into_the_oven_together() -> None:
    jobs = tuple(Job(f"j{n}", (Operation(f"j{n}", "bake", (("oven", 60),), batch="160 C"),)) for n in range(5))
    slots = best(Shop(0, (Machine("oven", "oven", batch=3),), jobs))
    assert sorted(s.start_s for s in slots) == [0, 0, 0, 60, 60]


def test_setups_are_saved_where_nothing_is_urgent() -> None:
    jobs = tuple(Job(f"j{n}", (Operation(f"j{n}", "o", (("m", 60),), setup=("red", "blue")[n % 2]),)) for n in range(6))
    shop = Shop(0, (Machine("m", "m", "red"),), jobs, setups=(Setup("m", "*", "red", 30), Setup("m", "*", "blue", 30)))
    slots = best(shop, parse("setup"))
    assert value(parse("setup"), shop, slots) == 30 == bound(shop, parse("setup"))


def test_a_person_does_one_thing_at_a_time_and_begins_nothing_that_does_not_fit_in_before_going() -> None:
    jobs = tuple(Job(j, (Operation(j, "o", ((m, 60),), skill="weld"),), due_s=due) for j, m, due in (("a", "m", 600), ("b", "n", 60)))
    shop = Shop(0, (Machine("m", "m"), Machine("n", "n")), jobs, operators=(Operator("ann", ("weld",), ((20, 30),)),))
    assert sorted((s.start_s, s.operator) for s in best(shop, parse("tardiness"))) == [(30, "ann"), (90, "ann")]


def test_the_job_that_is_due_first_goes_first_and_of_two_that_are_late_the_one_that_weighs_more_a_second() -> None:
    def started(dues: tuple[int, int], weights: tuple[float, float]) -> list[str]:
        jobs = tuple(Job(j, (Operation(j, "o", (("m", 60),), setup="x"),), 0, due, weight) for j, due, weight in zip("ab", dues, weights, strict=True))
        return [s.order for s in sorted(best(Shop(0, (Machine("m", "m"),), jobs), parse("tardiness")), key=lambda s: s.start_s)]

    assert started((600, 60), (1, 1)) == ["b", "a"]
    assert started((10, 20), (1, 5)) == ["b", "a"]


def test_an_operation_of_a_shop_with_setups_that_no_machine_can_do_is_named() -> None:
    shop = Shop(0, (Machine("m", "m"),), (Job("a", (Operation("a", "o", (), setup="red"),)),))
    with pytest.raises(PlanError, match=r"'o' of 'a': no machine can do it"):
        best(shop)


@pytest.mark.slow
def test_ten_thousand_orders_get_a_first_plan_that_passes_the_checker() -> None:
    shop = paint_shop(10_000, machines=60, colours=20, operations=8)
    assert check(shop, as_plan(shop, best(shop, parse("tardiness")), "tardiness")) == []
