"""The frozen zone: what begins soon stays, as far as it can."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.make.change.firm import firm
from loopwright.make.check import check
from loopwright.make.plan import plan
from loopwright.make.repair import repair
from loopwright.make.shop import Blocked, Job, Machine, Operation, Operator, Setup, Shop
from tests.make.general_shops import general_shops

TWO = Shop(0, (Machine("saw", "saw"), Machine("mill", "mill")), tuple(
    Job(job, (Operation(job, "saw", (("saw", 10),)), Operation(job, "mill", (("mill", 20),), ("saw",)))) for job in "abc"))


def frozen(shop: Shop) -> set[tuple[str, str]]:
    return {o.key for o in shop.operations if o.frozen}


def test_what_begins_within_the_zone_is_frozen_where_it_is_planned() -> None:
    found = plan(TWO, 0)
    first = {(s.order, s.operation) for s in found.slots if s.start_s < 15}
    shop = firm(TWO, found, 15)
    assert frozen(shop) == first
    assert len(first) == 3, "two are sawn, and the first of them is milled"
    assert not check(shop, plan(shop, 0))
    assert firm(TWO, found, 0) == TWO


def test_a_rush_order_goes_behind_the_zone() -> None:
    found = plan(TWO, 0)
    rush = Job("z", (Operation("z", "saw", (("saw", 10),)),), due_s=10, weight=1000.0)
    shop = firm(replace(TWO, jobs=(*TWO.jobs, rush)), found, 15)
    again = repair(shop, found, 0.0, stability=0.0, objective="tardiness")
    assert next(s.start_s for s in again.plan.slots if s.order == "z") >= 20
    assert not check(shop, again.plan)


def test_what_happened_comes_before_the_zone() -> None:
    found = plan(TWO, 0)
    blocked = firm(replace(TWO, blocked=(Blocked("saw", 12, 30, "down"),)), found, 15)
    assert len(frozen(blocked)) == 2, "the second is not sawn, and what waits for it on the saw moves too"
    other = replace(TWO, jobs=tuple(
        replace(job, operations=tuple(replace(o, on=tuple((m, s + 1) for m, s in o.on)) for o in job.operations)) for job in TWO.jobs))
    assert frozen(firm(other, found, 15)) == set(), "nothing takes as long as was planned"


def test_people_setups_and_material_must_be_there_for_it() -> None:
    job = Job("a", (Operation("a", "cut", (("saw", 10),), skill="cut", setup="red", materials=("oak",), tools=("jig",)),))
    shop = Shop(0, (Machine("saw", "saw", "blue"),), (job,), operators=(Operator("p", ("cut",)),), materials={"oak": 0},
                setups=(Setup("saw", "*", "red", 5),), tools={"jig": 1})
    found = plan(shop, 0)
    assert frozen(firm(shop, found, 60)) == {("a", "cut")}
    gone = [replace(shop, operators=(Operator("p", ("cut",), ((0, 8),)),)), replace(shop, materials={"oak": 6}),
            replace(shop, machines=(Machine("saw", "saw", "red"),)), replace(shop, operators=(Operator("q", ("cut",)),))]
    assert all(not frozen(firm(one, found, 60)) for one in gone)


@settings(max_examples=60, deadline=None)
@given(general_shops(batches=False), st.integers(1, 60))
def test_a_plan_with_a_frozen_zone_keeps_the_rules_and_the_zone(shop: Shop, zone_s: int) -> None:
    found = plan(shop, 0)
    held = firm(shop, found, zone_s)
    assert not check(held, found), "the plan itself keeps its own zone"
    again = plan(held, 0)
    assert not check(held, again)
    at = {(s.order, s.operation): (s.machine, s.start_s) for s in again.slots}
    assert all(at[o.key] == (o.frozen.machine, o.frozen.start_s) for o in held.operations if o.frozen)


def test_the_zone_counts_from_the_shop_whatever_the_plans_origin() -> None:
    found = plan(TWO, 0)
    later = replace(TWO, origin_ns=5_000_000_000)
    early = replace(found, slots=tuple(replace(s, start_s=s.start_s + 5, end_s=s.end_s + 5) for s in found.slots))
    assert frozen(firm(later, early, 15)) == frozen(firm(TWO, found, 15))


