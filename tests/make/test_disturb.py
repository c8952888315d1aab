"""What happens in a shop: rolled forward to now, with finished work gone, running work where it runs, and the change."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError, UnknownName
from loopwright.core.types import Plan, Slot
from loopwright.make.change.disturb import (
    Away,
    Breakdown,
    Disturbance,
    Finish,
    LateMaterial,
    Rework,
    Rush,
    Scrap,
    Slower,
    disturbed,
)
from loopwright.make.check import check
from loopwright.make.shop import Blocked, Job, Link, Machine, Operation, Operator, Setup, Shop
from tests.make.disturbances import finished, hits, planned
from tests.make.general_shops import as_plan, general_shops
from tests.make.shops import chain


def line(*, lag_s: int = 0) -> tuple[Shop, Plan]:
    """Two orders over saw, drill and polish; a: 0-100, 100-160, 160-200; b: 100-200, 200-260, 260-300."""
    def job(name: str) -> Job:
        return Job(name, (
            Operation(name, "saw", (("saw", 100),)),
            Operation(name, "drill", (("drill", 60), ("drill2", 60)), ("saw",), skill="bore", links=(Link("saw", lag_s),) if lag_s else ()),
            Operation(name, "polish", (("bench", 40),), ("drill",), materials=("paste",))), due_s=400)
    machines = tuple(Machine(m, m) for m in ("saw", "drill", "drill2", "bench"))
    shop = Shop(1_000, machines, (job("a"), job("b")), (Blocked("bench", 700, 800, "night"),), None,
                (Operator("eve", ("bore",), ((900, 950),)),), materials={"paste": 30})
    slots = []
    for name, at in (("a", 0), ("b", 100)):
        at2 = at + 100 + lag_s
        slots += [Slot(name, "saw", "saw", at, at + 100), Slot(name, "drill", "drill", at2, at2 + 60, operator="eve"),
                  Slot(name, "polish", "bench", at2 + 60, at2 + 100)]
    plan = as_plan(shop, slots)
    assert check(shop, plan) == []
    return shop, plan


def keys(shop: Shop) -> list[str]:
    return [f"{o.job}/{o.name}{'!' if o.frozen else ''}" for o in shop.operations]


def operation(shop: Shop, job: str, name: str) -> Operation:
    return next(o for o in shop.operations if o.key == (job, name))


def test_finished_work_is_gone_running_work_stands_and_all_times_count_from_now() -> None:
    shop, plan = line()
    now = disturbed(shop, plan, 120)
    assert keys(now) == ["a/drill!", "a/polish", "b/saw!", "b/drill", "b/polish"]
    assert now.origin_ns == 1_000 + 120 * NS_PER_S
    assert operation(now, "a", "drill").frozen == Slot("a", "drill", "drill", -20, 40, True, operator="eve")
    assert operation(now, "a", "drill").after == ()
    assert operation(now, "b", "saw").frozen == Slot("b", "saw", "saw", -20, 80, True)
    assert now.blocked == (Blocked("bench", 580, 680, "night"),)
    assert (now.jobs[0].due_s, now.materials["paste"], now.operators[0].away) == (280, 0, ((780, 830),))


def test_at_the_moment_of_an_end_the_next_has_not_begun() -> None:
    shop, plan = line()
    assert keys(disturbed(shop, plan, 100)) == ["a/drill", "a/polish", "b/saw", "b/drill", "b/polish"]


def test_an_order_that_is_finished_is_gone() -> None:
    shop, plan = line()
    assert [job.id for job in disturbed(shop, plan, 220).jobs] == ["b"]
    assert disturbed(shop, plan, 300).jobs == ()


def test_what_has_to_cool_is_watched_until_it_is_cool() -> None:
    shop, plan = line(lag_s=50)
    now = disturbed(shop, plan, 120)
    assert operation(now, "a", "saw").frozen == Slot("a", "saw", "saw", -120, -20, True)
    assert operation(now, "a", "drill").links == (Link("saw", 50),)
    assert "a/saw!" not in keys(disturbed(shop, plan, 151))


def test_a_breakdown_lets_what_runs_rest_and_closes_the_machine() -> None:
    shop, plan = line()
    now = disturbed(shop, plan, 120, Breakdown("drill", 130, 330))
    assert operation(now, "a", "drill").frozen == Slot("a", "drill", "drill", -20, 240, True, operator="eve")
    assert Blocked("drill", 10, 210, "breakdown") in now.blocked


def test_two_breakdowns_at_once_hold_up_what_runs_no_longer_than_both_together() -> None:
    shop, plan = line()
    now = disturbed(shop, plan, 120, Breakdown("drill", 130, 330), Breakdown("drill", 300, 430, "service"))
    frozen = operation(now, "a", "drill").frozen
    assert frozen is not None
    assert frozen.end_s == 40 + 300


def test_a_machine_that_is_down_for_good_does_nothing_and_what_ran_there_is_begun_again() -> None:
    shop, plan = line()
    now = disturbed(shop, plan, 120, Breakdown("drill", 120, None))
    assert operation(now, "a", "drill").frozen is None
    assert {o.on for o in now.operations if o.name == "drill"} == {(("drill2", 60),)}


def test_a_slower_machine_stretches_the_rest_of_what_runs_and_all_that_follows() -> None:
    shop, plan = line()
    now = disturbed(shop, plan, 120, Slower("drill", 1.5))
    assert operation(now, "a", "drill").frozen == Slot("a", "drill", "drill", -20, 60, True, operator="eve")
    assert operation(now, "b", "drill").on == (("drill", 90), ("drill2", 60))


def test_a_machine_that_becomes_slower_later_leaves_what_the_plan_begins_before() -> None:
    shop, plan = line()
    assert operation(disturbed(shop, plan, 10, Slower("drill", 2.0, 150)), "a", "drill").on == (("drill", 60), ("drill2", 60))


def test_scrap_makes_a_piece_again_from_its_first_operation_to_the_lost_one() -> None:
    shop, plan = line()
    now = disturbed(shop, plan, 150, Scrap("a", "drill"))
    assert keys(now)[:3] == ["a/saw~2", "a/drill~2", "a/polish"]
    assert operation(now, "a", "drill~2").after == ("saw~2",)
    assert operation(now, "a", "polish").after == ("drill~2",)
    again = disturbed(now, planned(now), 1000, Scrap("a", "drill~2"))
    assert [o.name for o in again.jobs[0].operations] == ["saw~3", "drill~3", "polish~2"]


def test_scrap_of_one_part_leaves_the_other_parts_of_an_assembly() -> None:
    operations = (Operation("o", "left", (("m", 10),)), Operation("o", "right", (("n", 10),)), Operation("o", "join", (("m", 10),), ("left", "right")))
    shop = Shop(0, (Machine("m", "m"), Machine("n", "n")), (Job("o", operations),))
    now = disturbed(shop, planned(shop), 10, Scrap("o", "left"))
    assert [(o.name, o.after) for o in now.operations] == [("left~2", ()), ("join", ("left~2",))]


def test_rework_is_done_before_what_follows() -> None:
    shop, plan = line()
    now = disturbed(shop, plan, 170, Rework("a", ("saw", "drill")))
    assert keys(now)[:3] == ["a/polish!", "a/saw#2", "a/drill#2"]
    assert operation(now, "a", "drill#2").after == ("saw#2",)
    earlier = disturbed(shop, plan, 105, Rework("a", ("saw",)))
    assert operation(earlier, "a", "polish").after == ("drill", "saw#2"), "the drill runs already, the bench has to wait"


def test_a_rework_of_what_was_reworked_has_a_name_of_its_own() -> None:
    shop, plan = line()
    now = disturbed(shop, plan, 170, Rework("a", ("drill",)))
    again = disturbed(now, planned(now), 500, Rework("a", ("drill#2",)))
    assert [o.name for job in again.jobs if job.id == "a" for o in job.operations] == ["drill#3"]


def test_late_material_a_rush_order_and_an_absence_are_in_the_shop_that_comes_out() -> None:
    shop, plan = line()
    rush = chain("r", [(("bench", 30),)], 200)
    now = disturbed(shop, plan, 120, LateMaterial("paste", 500), Rush(replace(rush, due_s=300)), Away("eve", 100, 400))
    assert now.materials["paste"] == 380
    assert (now.jobs[-1].id, now.jobs[-1].release_s, now.jobs[-1].due_s) == ("r", 80, 180)
    assert now.operators[0].away == ((780, 830), (0, 280))


def test_an_operation_that_ends_early_is_done_and_one_that_ends_late_holds_up_what_waits() -> None:
    shop, plan = line()
    assert keys(disturbed(shop, plan, 120, Finish("a", "drill", 115)))[0] == "a/polish"
    late = disturbed(shop, plan, 210, Finish("b", "saw", 290))
    assert keys(late) == ["b/saw!", "b/drill", "b/polish"], "the plan would have begun the drill at 200"
    assert operation(late, "b", "saw").frozen == Slot("b", "saw", "saw", -110, 80, True)


def test_machines_stand_in_the_setup_that_was_left_and_a_setup_that_has_begun_stays() -> None:
    jobs = tuple(Job(n, (Operation(n, "op", (("m", 10),), setup=colour),)) for n, colour in (("a", "red"), ("b", "blue")))
    shop = Shop(0, (Machine("m", "m", "red"),), jobs, setups=(Setup("m", "red", "blue", 30),))
    plan = as_plan(shop, [Slot("a", "op", "m", 0, 10), Slot("b", "op", "m", 40, 50, setup_s=30)])
    assert disturbed(shop, plan, 10).machines[0].state == "red"
    assert operation(disturbed(shop, plan, 20), "b", "op").frozen == Slot("b", "op", "m", 20, 30, True, 30)
    assert operation(disturbed(shop, plan, 20, Breakdown("m", 30, 60)), "b", "op").frozen is None
    assert disturbed(shop, plan, 50).machines[0].state == "blue"


@pytest.mark.parametrize(("happens", "names", "word"), [
    (Breakdown("dril", 0, 9), UnknownName, "drill2"), (Slower("dril", 2.0), UnknownName, "drill"),
    (Scrap("c", "saw"), UnknownName, "a"), (Scrap("a", "sow"), UnknownName, "saw"), (Rework("c", ("saw",)), UnknownName, "a"),
    (LateMaterial("past", 9), UnknownName, "paste"), (Away("eva", 0, 900), UnknownName, "eve"), (Finish("a", "sow", 9), UnknownName, "saw"),
    (Breakdown("drill", 300, 200), InputError, "300"), (Breakdown("drill", 0, 120), InputError, "120"), (Away("eve", 90, 80), InputError, "80"),
    (Slower("drill", 0), InputError, "factor 0"), (Slower("drill", float("nan")), InputError, "nan"), (Scrap("a", "polish"), InputError, "has not begun"),
    (Rework("a", ("drill",)), InputError, "has not ended"), (Rework("a", ()), InputError, "names no operation"), (Rush(chain("a", [])), InputError, "an order already"),
    (Finish("b", "drill", 500), InputError, "has not begun"), (Finish("b", "drill", 100), InputError, "although"), (Finish("a", "drill", 90), InputError, "began at 100"),
])
def test_what_cannot_have_happened_is_refused_with_the_choices(happens: Disturbance, names: type[Exception], word: str) -> None:
    shop, plan = line()
    with pytest.raises(names, match=word):
        disturbed(shop, plan, 120, happens)


def test_a_plan_of_another_shop_is_refused() -> None:
    shop, plan = line()
    with pytest.raises(InputError, match="no slot for 1 operations"):
        disturbed(shop, replace(plan, slots=plan.slots[1:]), 10)
    with pytest.raises(InputError, match="-5 s"):
        disturbed(shop, plan, -5)
    with pytest.raises(InputError, match="one origin"):
        disturbed(shop, replace(plan, origin_ns=5), 10)


@settings(max_examples=100, deadline=None)
@given(st.data(), general_shops())
def test_whatever_happens_finished_work_never_comes_back_and_running_work_never_moves(data: st.DataObject, shop: Shop) -> None:
    plan, now_s, happens = data.draw(hits(shop))
    now = disturbed(shop, plan, now_s, *happens)
    there = {o.key: o for o in now.operations}
    if not any(isinstance(h, Finish) for h in happens):
        for slot in finished(plan, now_s):
            o = there.get((slot.order, slot.operation))
            assert o is None or (o.frozen and o.frozen.end_s <= 0), "only what something waits a lag for is still there"
    hit = {h.machine for h in happens if isinstance(h, Breakdown | Slower)}
    for slot in plan.slots:
        o = there.get((slot.order, slot.operation))
        if o and o.frozen and slot.machine not in hit and not any(isinstance(h, Finish) for h in happens):
            assert o.frozen == replace(slot, start_s=slot.start_s - now_s, end_s=slot.end_s - now_s, frozen=True)
    assert check(now, planned(now)) == []


@settings(max_examples=60, deadline=None)
@given(st.data(), general_shops(begun=False))
def test_a_shop_where_nothing_happens_keeps_its_plan(data: st.DataObject, shop: Shop) -> None:
    plan = planned(shop)
    now_s = data.draw(st.integers(0, plan.makespan_s))
    start_s = {(s.order, s.operation): s.start_s for s in plan.slots}
    lost = [s for s in plan.slots if s.start_s - s.setup_s < now_s <= s.start_s  # its setup runs, what it waits for does not
            and any(start_s[s.order, name] >= now_s for o in shop.operations if o.key == (s.order, s.operation) for name in o.after)]
    assume(not lost)
    now = disturbed(shop, plan, now_s)
    left = {o.key for o in now.operations}
    slots = [replace(s, start_s=s.start_s - now_s, end_s=s.end_s - now_s, frozen=bool(next(o for o in now.operations if o.key == (s.order, s.operation)).frozen))
             for s in plan.slots if (s.order, s.operation) in left]
    assert check(now, as_plan(now, slots)) == []


def test_scrap_takes_with_it_what_was_built_on_anything_that_is_made_again() -> None:
    """A frame is cut, then painted and drilled; drilling spoils it: the new frame must be painted again, too."""
    operations = (Operation("o", "cut", (("m", 2),)), Operation("o", "paint", (("n", 2),), ("cut",)),
                  Operation("o", "drill", (("m", 2),), ("cut",)))
    shop = Shop(0, (Machine("m", "m"), Machine("n", "n")), (Job("o", operations),))
    slots = [Slot("o", "cut", "m", 0, 2), Slot("o", "paint", "n", 2, 4), Slot("o", "drill", "m", 2, 4)]
    plan = as_plan(shop, slots, "makespan")
    left = disturbed(shop, plan, 4, Scrap("o", "drill"))
    assert {o.name for o in left.operations} == {"cut~2", "paint~2", "drill~2"}
