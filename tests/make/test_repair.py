"""Repairs: every rule kept, frozen work unmoved, what is kept counted right, the dial, and what is said about it."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from threading import Event

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.repair_shops import happening, made
from loopwright.core.errors import InputError, PlanError, UnknownName
from loopwright.core.types import Plan, Slot
from loopwright.make.anneal import mend
from loopwright.make.change.disturb import Breakdown, Disturbance, LateMaterial, Rush, Slower, disturbed
from loopwright.make.change.kept import Slots, beside, kept
from loopwright.make.change.repair_words import lasting, note, struck
from loopwright.make.change.right_shift import right_shift, unstarted
from loopwright.make.check import check
from loopwright.make.objective import parse, value
from loopwright.make.repair import Repair, repair
from loopwright.make.search import warm
from loopwright.make.shop import Job, Machine, Operation, Operator, Setup, Shop
from tests.make.disturbances import hits, planned
from tests.make.general_shops import as_plan, general_shops, paint_shop
from tests.make.shops import chain

pytest.importorskip("numba", reason="the search is compiled: extra `plan`")


@pytest.fixture(autouse=True, scope="module")
def _compiled() -> None:
    """A search that is not compiled yet would be left out."""
    if not warm.ready():
        warm.main()


OBJECTIVES = ("makespan", "tardiness", "makespan:1,tardiness:2,setup:0.5")


def by_key(slots: tuple[Slot, ...] | list[Slot]) -> dict[tuple[str, str], Slot]:
    return {(s.order, s.operation): s for s in slots}


def quick(shop: Shop, old: Plan, stability: float = 0.8, objective: str = "", iterations: int = 300, seed: int = 0) -> Repair:
    """A repair that is the same on every machine."""
    return repair(shop, old, 60.0, stability, objective, seed, workers=1, iterations=iterations)


def kept_by_trying(was: Slots, now: Slots) -> int:
    """How many operations are kept: on every machine the largest set of which no two have changed their order."""
    count = 0
    for machine in {s.machine for s in was.values()}:
        stay = [k for k in was if was[k].machine == machine == now[k].machine]
        count += next(
            size for size in range(len(stay), -1, -1) if any(
                all((was[a].start_s - was[b].start_s) * (now[a].start_s - now[b].start_s) >= 0 for a, b in itertools.combinations(chosen, 2))
                for chosen in itertools.combinations(stay, size)))
    return count


starts = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.sampled_from("mn"), st.sampled_from("mn")), max_size=8)


@given(starts)
def test_what_is_kept_is_a_largest_set_in_the_old_order(found: list[tuple[int, int, str, str]]) -> None:
    was = {("o", f"op{n}"): Slot("o", f"op{n}", m, a, a + 1) for n, (a, _, m, _) in enumerate(found)}
    now = {("o", f"op{n}"): Slot("o", f"op{n}", m, b, b + 1) for n, (_, b, _, m) in enumerate(found)}
    stays = kept(was, now)
    assert len(stays) == kept_by_trying(was, now)
    assert all((was[a].start_s - was[b].start_s) * (now[a].start_s - now[b].start_s) >= 0
               for a, b in itertools.combinations(stays, 2) if was[a].machine == was[b].machine)


def test_kept_by_hand_one_that_goes_to_the_end_leaves_the_others_kept() -> None:
    was = {("o", name): Slot("o", name, "m", at, at + 1) for at, name in enumerate("abcde")}
    now = {("o", name): Slot("o", name, "m", at, at + 1) for at, name in enumerate("bcdea")}
    assert kept(was, now) == {("o", name) for name in "bcde"}
    assert beside(was, now) == {("o", name) for name in "cde"}, "b is the first now, and a has another one before it"


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=40))
def test_the_compiled_count_of_what_stands_in_order_is_that_of_the_plain_one(line: list[tuple[int, bool]]) -> None:
    count = len(line)
    was = {("o", str(n)): Slot("o", str(n), "m" if home else "n", rank, rank + 1) for n, (rank, home) in enumerate(line)}
    now = {("o", str(n)): Slot("o", str(n), "m", n, n + 1) for n in range(count)}
    lines = mend.Lines(
        np.array([0 if home else 1 for _, home in line]), np.array([rank for rank, _ in line]), np.array([0]), np.arange(count),
        np.array([count]), np.zeros(count + 1, np.int64), np.zeros(1, np.int64), np.zeros(1, np.int64), np.zeros(2, np.int64))
    assert mend.stands(lines, 0) == len(kept(was, now))


@settings(max_examples=120, deadline=None)
@given(st.data(), general_shops(), st.sampled_from(OBJECTIVES), st.sampled_from((0.0, 0.5, 0.8, 1.0)))
def test_whatever_happens_the_repair_keeps_the_rules_the_frozen_work_and_what_it_must(
    data: st.DataObject, shop: Shop, objective: str, stability: float
) -> None:
    old, now_s, happens = data.draw(hits(shop, objective))
    now = disturbed(shop, old, now_s, *happens)
    again = quick(now, old, stability)
    assert check(now, again.plan) == []
    after, was = by_key(again.plan.slots), unstarted(now, old)
    assert all(after[o.key] == o.frozen for o in now.operations if o.frozen), "frozen work never moves"
    shifted = [by_key(right_shift(now, old, hold)) for hold in (True, False)]
    costs = [value(parse(objective), now, slots.values()) for slots in shifted]
    assert again.plan.value <= min(costs) + 1e-6, "never worse than pushing all to the right"
    most = len(kept(was, shifted[costs.index(min(costs))]))
    least = min(most, stability * len(was), len(was) - len(struck(now, was))) if stability < 1 else most
    assert len(again.kept) >= least
    assert len(again.kept) == kept_by_trying(was, after)
    assert set(again.kept) | set(again.moved) == set(was)
    assert not set(again.kept) & set(again.moved)
    assert set(again.added) == {o.key for o in now.operations if not o.frozen} - set(was)
    assert bool(again.moved) == any(re.search(r" goe?s? (from|into)", text) for text in again.why)


@settings(max_examples=60, deadline=None)
@given(st.data(), general_shops(), st.booleans())
def test_a_right_shift_keeps_rules_machines_and_order_and_starts_nothing_earlier(data: st.DataObject, shop: Shop, hold: bool) -> None:
    old, now_s, happens = data.draw(hits(shop))
    now = disturbed(shop, old, now_s, *happens)
    slots = right_shift(now, old, hold)
    assert check(now, as_plan(now, slots)) == []
    was, after = unstarted(now, old), by_key(slots)
    can = {o.key: {m for m, _ in o.on} for o in now.operations}
    assert all(after[key].machine == slot.machine for key, slot in was.items() if slot.machine in can[key])
    if hold:
        assert all(after[key].start_s >= slot.start_s for key, slot in was.items() if slot.machine in can[key])


@settings(max_examples=40, deadline=None)
@given(st.data(), general_shops(begun=False))
def test_where_nothing_happened_and_nothing_can_be_better_all_stays(data: st.DataObject, shop: Shop) -> None:
    old = planned(shop)
    now_s = data.draw(st.integers(0, old.makespan_s))
    again = quick(disturbed(shop, old, now_s), old, 1.0)
    assert again.kept_part == 1.0
    assert again.moved == ()
    assert again.added == ()


def two_presses() -> tuple[Shop, Plan]:
    """Four bends of 10 minutes each, two a press, and a drill before the last."""
    jobs = tuple(
        Job(f"A{n}", (*([Operation(f"A{n}", "drill", (("drill", 300),), materials=("steel",))] if n == 4 else []),
                      Operation(f"A{n}", "bend", (("press-1", 600), ("press-2", 600)), ("drill",) if n == 4 else ())))
        for n in (1, 2, 3, 4))
    shop = Shop(0, tuple(Machine(m, m) for m in ("press-1", "press-2", "drill")), jobs, materials={"steel": 0})
    slots = [Slot("A1", "bend", "press-1", 0, 600), Slot("A2", "bend", "press-2", 0, 600), Slot("A3", "bend", "press-1", 600, 1200),
             Slot("A4", "drill", "drill", 0, 300), Slot("A4", "bend", "press-2", 600, 1200)]
    return shop, as_plan(shop, slots)


def test_a_press_that_is_down_long_sends_its_bend_to_the_other_and_says_so() -> None:
    shop, old = two_presses()
    now = disturbed(shop, old, 550, Breakdown("press-1", 560, 8000))
    again = quick(now, old)
    assert by_key(again.plan.slots)["A3", "bend"].machine == "press-2"
    assert "bend of A3 goes from press-1 to press-2: press-1 is down (breakdown) for another 2 h 04 min" in again.why
    assert "50 %" in again.note


def test_a_machine_that_is_gone_for_good_makes_the_dial_impossible_and_it_says_so() -> None:
    shop, old = two_presses()
    again = quick(disturbed(shop, old, 0, Breakdown("press-1", 0, None)), old)
    assert "bend of A1 and bend of A3 go from press-1 to press-2: press-1 can do it no more" in again.why
    assert again.kept_part == 0.6
    assert "80 % are not kept: too many cannot stand where they stood" in again.note


def test_what_waits_for_late_material_lets_others_go_first() -> None:
    jobs = (Job("a", (Operation("a", "mill", (("m", 100),), materials=("steel",)),)), *(Job(n, (Operation(n, "mill", (("m", 100),)),)) for n in "bcdef"))
    shop = Shop(0, (Machine("m", "mill"),), jobs, materials={"steel": 0})
    old = as_plan(shop, [Slot(name, "mill", "m", 100 * n, 100 * n + 100) for n, name in enumerate("abcdef")])
    again = quick(disturbed(shop, old, 0, LateMaterial("steel", 400)), old)
    assert again.plan.value == 600
    assert again.moved == (("a", "mill"),)
    assert again.why[0] == "mill of a goes into another turn on m: steel arrives 7 min from now"


def test_a_rush_order_is_told_with_what_it_takes_and_when_it_is_done() -> None:
    shop, old = two_presses()
    rush = replace(chain("R", [(("press-1", 600),), (("drill", 60),)]), due_s=700, weight=9.0)
    again = quick(disturbed(shop, old, 0, Rush(rush)), old, objective="tardiness")
    assert again.plan.value == 0
    assert again.added == (("R", "op0"), ("R", "op1"))
    assert "new for R: op0, op1, done 11 min from now" in again.why


def test_a_slower_machine_is_the_reason_that_work_leaves_it() -> None:
    shop, old = two_presses()
    again = quick(disturbed(shop, old, 0, Slower("press-1", 4.0)), old, 0.5)
    assert any("press-1 takes 40 min for it instead of 10 min" in text for text in again.why)


def test_a_repair_in_moves_is_the_same_every_time_and_of_two_seeds_each_keeps_the_rules() -> None:
    shop = made("flexible", 40, 3)
    old = planned(shop, "tardiness")
    now = disturbed(shop, old, old.makespan_s // 4, *[h for h in [happening("rush", shop, old, old.makespan_s // 4, 1)] if h])
    first, second, other = quick(now, old), quick(now, old), quick(now, old, seed=5)
    assert first.plan.slots == second.plan.slots
    assert check(now, other.plan) == []


def test_whoever_stops_it_gets_the_best_so_far() -> None:
    shop = paint_shop(20)
    old = planned(shop, "tardiness")
    now = disturbed(shop, old, 5000, Breakdown("m0", 5000, 20_000))
    stop = Event()
    stop.set()
    again = repair(now, old, 60.0, stop=stop)
    assert check(now, again.plan) == []
    assert again.plan.took_s < 30
    assert again.plan.value <= again.right_shift


def test_a_repair_without_time_is_the_plan_pushed_to_the_right() -> None:
    shop = paint_shop(10)
    old = planned(shop, "tardiness")
    now = disturbed(shop, old, 5000, Breakdown("m0", 5000, 20_000))
    again = repair(now, old, 0.0)
    assert (again.plan.solver, again.plan.value) == ("right shift", min(
        value(parse("tardiness"), now, right_shift(now, old, hold)) for hold in (True, False)))
    assert again.kept_part == 1.0


def test_what_must_not_be_is_refused() -> None:
    shop, old = two_presses()
    for stability in (-0.1, 1.1, float("nan")):
        with pytest.raises(InputError, match="only quality"):
            repair(shop, old, stability=stability)
    with pytest.raises(UnknownName, match="makespan"):
        repair(shop, old, objective="makespam")
    gone = disturbed(shop, old, 0, Breakdown("drill", 0, None))
    with pytest.raises(PlanError, match="no machine can do it"):
        repair(gone, old)


def test_a_repair_within_a_horizon_stays_within_it_or_says_that_it_cannot() -> None:
    shop, old = two_presses()
    now = replace(disturbed(shop, old, 0, Breakdown("press-1", 0, 5000)), horizon_s=2400)
    assert quick(now, old).plan.makespan_s <= 2400
    with pytest.raises(PlanError, match="1100 s"):
        quick(replace(now, horizon_s=1100), old)


def test_a_shop_with_nothing_left_is_repaired_into_an_empty_plan() -> None:
    shop, old = two_presses()
    again = repair(disturbed(shop, old, 1200), old)
    assert again.plan.slots == ()
    assert again.kept_part == 1.0
    assert again.note == "nothing of the old plan was still to be done"


def test_times_are_said_as_people_say_them() -> None:
    assert [lasting(s) for s in (45, 720, 7500, 200_000)] == ["45 s", "12 min", "2 h 05 min", "2 d 7 h"]


def test_setups_people_and_batches_are_kept_track_of_in_a_repair() -> None:
    operations = [Operation(f"j{n}", "bake", (("oven", 100),), setup="hot" if n % 2 else "cold", skill="cook", batch="b") for n in range(6)]
    shop = Shop(0, (Machine("oven", "oven", "hot", 3),), tuple(Job(o.job, (o,), due_s=300) for o in operations), (), None,
                tuple(Operator(f"p{n}", ("cook",)) for n in range(3)), (Setup("oven", "hot", "cold", 50), Setup("oven", "cold", "hot", 50)))
    old = planned(shop, "tardiness")
    again = quick(disturbed(shop, old, 20, Breakdown("oven", 20, 60)), old)
    assert check(disturbed(shop, old, 20, Breakdown("oven", 20, 60)), again.plan) == []
    assert again.kept_part == 1.0


def cases(size: int) -> list[tuple[Shop, Plan, Shop]]:
    """Shops of the benchmark's generator, seeds that it does not use, with what happened."""
    found = []
    for seed, (kind, what) in enumerate((("job", "breakdown"), ("flexible", "slower"), ("people", "rush"), ("flexible", "breakdown")), 101):
        shop = made(kind, size, seed)
        old = planned(shop, "tardiness")
        now_s = old.makespan_s // 4
        happens: Disturbance | None = happening(what, shop, old, now_s, seed)
        assert happens
        found.append((shop, old, disturbed(shop, old, now_s, happens)))
    return found


@pytest.mark.slow
def test_the_dial_goes_from_quality_to_stability() -> None:
    costs, stays = [], []
    for stability in (0.0, 0.8, 1.0):
        again = [quick(now, old, stability, iterations=6_000) for _, old, now in cases(60)]
        costs.append(sum(a.plan.value / a.right_shift for a in again))
        stays.append(sum(a.kept_part for a in again))
    assert costs[0] < costs[2]
    assert costs[1] < costs[2]
    assert costs[0] <= costs[1] * 1.02
    assert stays[0] < stays[1] < stays[2] == 4.0


def test_what_only_starts_later_says_what_stood_in_its_way() -> None:
    paint = [Job(o, (Operation(o, "paint", (("booth", 600),), materials=("lacquer",)),)) for o in ("A10", "A11", "A12")]
    shop = Shop(0, (Machine("booth", "paint"),), tuple(paint), materials={"lacquer": 0})
    old = planned(shop)
    now = disturbed(shop, old, 600, LateMaterial("lacquer", 4200))
    again = repair(now, old, 0.0)
    assert again.why == ("2 that keep machine and turn start later, by up to 1 h 00 min: lacquer arrives 1 h 00 min from now",)


def test_what_follows_from_a_breakdown_is_put_down_to_it_step_by_step() -> None:
    """By hand: the saw is down, so that a's mill starts later, and behind it on the mill b's, which waits for nothing."""
    jobs = (Job("a", (Operation("a", "saw", (("saw", 100),)), Operation("a", "mill", (("mill", 100),), ("saw",)))),
            Job("b", (Operation("b", "mill", (("mill", 100),)),)))
    shop = Shop(0, (Machine("saw", "saw"), Machine("mill", "mill")), jobs)
    old = as_plan(shop, [Slot("a", "saw", "saw", 0, 100), Slot("a", "mill", "mill", 100, 200), Slot("b", "mill", "mill", 200, 300)])
    again = repair(disturbed(shop, old, 0, Breakdown("saw", 0, 3600)), old, 0.0)
    assert again.why == ("3 that keep machine and turn start later, by up to 1 h 00 min: saw is down (breakdown) for another 1 h 00 min",)


def test_what_waits_for_a_new_order_says_so() -> None:
    shop = Shop(0, (Machine("mill", "mill"),), (Job("a", (Operation("a", "mill", (("mill", 100),)),)),))
    old = as_plan(shop, [Slot("a", "mill", "mill", 0, 100)])
    rush = Job("r", (Operation("r", "mill", (("mill", 300),)),), due_s=300, weight=9.0)
    again = quick(disturbed(shop, old, 0, Rush(rush)), old, objective="tardiness")
    assert again.why[-1] == "1 that keeps machine and turn starts later, by up to 5 min: mill of r is new on mill"


@settings(max_examples=80, deadline=None)
@given(st.data(), general_shops(), st.sampled_from((0.0, 0.8)))
def test_why_is_told_of_whatever_happens(data: st.DataObject, shop: Shop, stability: float) -> None:
    old, now_s, happens = data.draw(hits(shop))
    again = quick(disturbed(shop, old, now_s, *happens), old, stability, iterations=100)
    assert all(text and ": " not in text.split(":", 1)[0] for text in again.why)
    assert bool(again.why) == bool(again.moved or again.added or again.shifted)


def _done(kept_: int, moved: int, cost: float = 100.0, bound: float = 50.0) -> Repair:
    keys = [("A", f"op-{n}") for n in range(kept_ + moved)]
    shown = Plan(0, (), "feasible", "tardiness", cost, bound, "right shift", 0.1)
    return Repair(shown, tuple(keys[:kept_]), tuple(keys[kept_:]), ())


def test_where_the_dial_held_the_repair_back_it_says_so() -> None:
    assert note(_done(80, 20), 0.8, None).endswith(
        "all that 80 % leave free has moved, so a lower stability may find a better plan")
    assert note(_done(80, 20), 0.8, (90.0, 60)).endswith("10.0 % better (tardiness 90 instead of 100)")


@pytest.mark.parametrize(("done", "stability"), [
    (_done(90, 10), 0.8), (_done(80, 20, cost=50.0), 0.8), (_done(0, 10), 0.0), (_done(10, 0), 1.0)])
def test_where_more_could_have_moved_or_nothing_better_can_be_the_dial_is_not_blamed(done: Repair, stability: float) -> None:
    assert "a lower stability" not in note(done, stability, None)
