"""Promises: the earliest date in the gaps against trying everything, plans that keep every rule, refusals, sums."""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from loopwright.core.errors import InputError, PlanError, UnknownName
from loopwright.core.types import Plan, Slot
from loopwright.make.change.course import course_of, last_fit
from loopwright.make.change.slack import slack
from loopwright.make.check import check
from loopwright.make.objective import parse, value
from loopwright.make.plan import plan
from loopwright.make.promise import promise
from loopwright.make.promises.lateness import by_cause, flow_of, lasting, late_orders
from loopwright.make.promises.pegging import pegging
from loopwright.make.shop import Blocked, Job, Link, Machine, Operation, Operator, Setup, Shop
from tests.make.general_shops import as_plan, general_shops
from tests.make.shops import chain, shops

quick = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
LONG_S = 3600.0  # so that a slow machine does not cut a search short


@st.composite
def asked(draw: st.DrawFn, **shape: int) -> tuple[Shop, Plan, Job]:
    """A shop with everything in it, a plan of it, and an order that stands in neither."""
    shop = draw(general_shops(**shape))
    assume(not any(o.frozen for o in shop.jobs[-1].operations))
    less = replace(shop, jobs=shop.jobs[:-1])
    return less, plan(less, 0.0, "tardiness"), shop.jobs[-1]


def ends(slots: tuple[Slot, ...]) -> dict[str, int]:
    last: dict[str, int] = {}
    for slot in slots:
        last[slot.order] = max(slot.end_s, last.get(slot.order, slot.end_s))
    return last


def places(slots: tuple[Slot, ...]) -> dict[tuple[str, str], tuple[str, int, int, str]]:
    return {(s.order, s.operation): (s.machine, s.start_s, s.end_s, s.operator) for s in slots}


def with_setups(shop: Shop, slots: list[Slot]) -> list[Slot]:
    """The slots with the setup that each needs behind those before it on its machine: the rule of decision 18."""
    lines = {(s.machine, s.before, s.after): s.seconds for s in shop.setups}
    needs = {o.key: o.setup for o in shop.operations}
    here: dict[str, list[Slot]] = defaultdict(list)
    for slot in slots:
        here[slot.machine].append(slot)
    found = []
    for machine in shop.machines:
        state = machine.state
        turn = sorted(here[machine.id], key=lambda s: (s.start_s, s.end_s))
        for _, group in itertools.groupby(turn, key=lambda s: (s.start_s, s.end_s)):
            together = list(group)
            need = next((needs[s.order, s.operation] for s in together if needs[s.order, s.operation]), "")
            seconds = 0
            if need and state:
                seconds = lines.get((machine.id, state, need), lines.get((machine.id, "*", need), 0) if need != state else 0)
            found += [slot if slot.frozen else replace(slot, setup_s=seconds) for slot in together]
            state = need or state
    return found


def earlier_ones(shop: Shop, there: Plan, job: Job, end_s: int) -> list[Plan]:
    """Every plan with the job in the gaps that ends before end_s: each machine, person and second is tried."""
    whole, found = replace(shop, jobs=(*shop.jobs, job)), []
    choices = []
    for o in job.operations:
        who = [p.id for p in shop.operators if o.skill in p.skills] if o.skill else [""]
        choices.append([Slot(job.id, o.name, m, start, start + seconds, False, 0, person) for m, seconds in o.on for person in who
                        for start in range(shop.ready_s(job, o), end_s - seconds)])
    alone = {m.id for m in shop.machines if m.batch == 1}
    for mine in itertools.product(*choices):
        if any(a.machine == b.machine and a.machine in alone and a.start_s < b.end_s and b.start_s < a.end_s
               for a, b in itertools.chain(itertools.combinations(mine, 2), itertools.product(mine, there.slots))):
            continue
        made = as_plan(whole, with_setups(whole, [*there.slots, *mine]))
        if not check(whole, made):
            found.append(made)
    return found


@pytest.mark.slow
@given(asked(jobs_at_most=4, operations_at_most=2))
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_way_to_put_an_order_into_the_gaps_of_a_tiny_plan_ends_earlier_than_the_promise(case: tuple[Shop, Plan, Job]) -> None:
    shop, there, job = case
    answer = promise(shop, there, job, LONG_S)
    assume(answer.end_s <= 40)
    assert answer.proven
    assert earlier_ones(shop, there, job, answer.end_s) == []


@given(asked())
@quick
def test_every_offer_keeps_the_rules_and_says_whom_it_delays(case: tuple[Shop, Plan, Job]) -> None:
    shop, there, job = case
    answer = promise(shop, there, job, 0.3)
    whole, old = replace(shop, jobs=(*shop.jobs, job)), ends(there.slots)
    due = {one.id: one.due_s for one in shop.jobs}
    dates = [offer.end_s for offer in answer.offers]
    assert dates == sorted(set(dates), reverse=True)
    assert answer.least_s is None or answer.least_s <= dates[-1]
    first = places(answer.plan.slots)
    assert all(first[key] == place for key, place in places(there.slots).items())
    for offer in answer.offers:
        assert check(whole, offer.plan) == []
        new = ends(offer.plan.slots)
        assert new[job.id] == offer.end_s
        assert offer.extra == pytest.approx(value(parse("tardiness"), whole, offer.plan.slots) - there.value)
        told = {delay.order: (delay.by_s, delay.late_s) for delay in offer.delayed}
        for order, end_s in old.items():
            by_s, limit = new[order] - end_s, due[order]
            late_s = by_s if limit is None else max(0, new[order] - limit) - max(0, end_s - limit)
            assert told.get(order, (0, 0)) == ((by_s, late_s) if by_s > 0 else (0, 0))
            if offer.how != "delays":
                assert late_s <= 0
        if offer.how == "gaps":
            assert not offer.moved
            assert not offer.delayed


@given(asked())
@quick
def test_what_a_promise_waits_for_adds_up_to_its_time(case: tuple[Shop, Plan, Job]) -> None:
    shop, there, job = case
    flow = promise(shop, there, job, 0.0).flow
    assert (flow.from_s, flow.end_s) == (min([job.release_s, flow.parts[0].start_s]), promise(shop, there, job, 0.0).end_s)
    assert sum(part.seconds for part in flow.parts) == flow.end_s - flow.from_s


@given(general_shops(jobs_at_most=6, operations_at_most=4))
@quick
def test_the_parts_of_every_order_lie_one_after_the_other_and_add_up_to_its_flow_time(shop: Shop) -> None:
    made = plan(shop, 0.0, "tardiness")
    for job in shop.jobs:
        flow = flow_of(shop, made, job.id)
        assert [a.end_s for a in flow.parts[:-1]] == [b.start_s for b in flow.parts[1:]]
        assert flow.parts[0].start_s == flow.from_s <= job.release_s
        assert flow.parts[-1].end_s == flow.end_s == ends(made.slots)[job.id]
        assert all(part.says and part.seconds > 0 for part in flow.parts)
    late = late_orders(shop, made)
    assert sum(by_cause(late).values()) == sum(flow.end_s - flow.from_s for flow in late)
    assert sum(flow.late_s * job.weight for flow in late for job in shop.jobs if job.id == flow.order) == pytest.approx(made.value)


@given(shops())
@quick
def test_a_machine_is_named_as_a_cause_only_with_orders_that_stand_on_it_then(shop: Shop) -> None:
    made = plan(shop, 0.0)
    for job in shop.jobs:
        for part in flow_of(shop, made, job.id).parts:
            there = {s.order for s in made.slots if s.machine == part.what and s.start_s < part.end_s and part.start_s < s.end_s}
            assert part.cause != "machine" or set(part.orders) == there


@given(general_shops(jobs_at_most=4, operations_at_most=3), st.data())
@quick
def test_slack_is_just_as_much_as_an_operation_may_be_late(shop: Shop, data: st.DataObject) -> None:
    made = plan(shop, 0.0, "tardiness")
    spare, old = slack(shop, made), ends(made.slots)
    limits = {job.id: max(job.due_s, old[job.id]) for job in shop.jobs if job.due_s is not None}
    key = data.draw(st.sampled_from(sorted(spare)))
    by_s = spare[key]
    for more, fits in ((by_s, True), (None if by_s is None else by_s + 1, False)):
        course = course_of(shop, made.slots)
        node = course.node[key]
        course.ready[node] = course.start[node] + (1000 if more is None else more)
        pushed = course.push([node])
        frozen = course.fixed[node]
        if by_s is None or fits:
            assert pushed is not None
            assert check(shop, as_plan(shop, course.planned())) == []
            new = ends(tuple(course.planned()))
            assert all(new[order] <= limit for order, limit in limits.items())
        else:
            new = ends(tuple(course.planned()))
            assert frozen or pushed is None or any(new[order] > limit for order, limit in limits.items())


def test_the_last_fit_before_a_moment_overlaps_nothing() -> None:
    assert last_fit([(0, 10), (20, 30)], 40, 10) == 30
    assert last_fit([(0, 10), (20, 30)], 39, 10) == 10
    assert last_fit([(0, 10), (20, 30)], 29, 11) == -11


def small() -> tuple[Shop, Plan]:
    """One saw and one mill, closed from 100 to 200; a and b are planned: saw a 0-30 b 30-60, mill a 30-90, b 200-260."""
    machines = (Machine("saw", "saw"), Machine("mill", "mill"))
    jobs = tuple(replace(chain(name, [(("saw", 30),), (("mill", 60),)]), due_s=due) for name, due in (("a", 95), ("b", 400)))
    shop = Shop(0, machines, jobs, (Blocked("mill", 100, 200, "night"),), materials={"steel": 250})
    at = (("a", "op0", "saw", 0, 30), ("b", "op0", "saw", 30, 60), ("a", "op1", "mill", 30, 90), ("b", "op1", "mill", 200, 260))
    there = as_plan(shop, [Slot(*row) for row in at], "tardiness")
    assert check(shop, there) == []
    return shop, there


def test_a_promise_says_in_words_what_it_waits_for_and_what_earlier_would_cost() -> None:
    shop, there = small()
    answer = promise(shop, there, replace(chain("c", [(("saw", 30),), (("mill", 60),)]), due_s=265), LONG_S)
    told = [(p.cause, p.start_s, p.end_s, p.says) for p in answer.flow.parts]
    assert told == [
        ("machine", 0, 60, "saw does a, b"),
        ("work", 60, 90, "op0 on saw"),
        ("gap", 90, 100, "mill is free, for less than the 1 min it takes"),
        ("closed", 100, 200, "mill is closed (night)"),
        ("machine", 200, 260, "mill does b/op1"),
        ("work", 260, 320, "op1 on mill"),
    ]
    gaps, moves, delays = answer.offers
    assert (gaps.how, gaps.end_s, gaps.extra, gaps.delayed) == ("gaps", 320, 55.0, ())
    assert (moves.how, moves.end_s, moves.extra, moves.moved) == ("moves", 260, 0.0, 2)
    assert [(d.order, d.by_s, d.late_s, d.due_s) for d in moves.delayed] == [("b", 60, 0, 400)]
    assert (delays.how, delays.end_s) == ("delays", 90)
    assert delays.extra >= 165  # at best a waits for the morning and is done first: from 90 to 260, due at 95
    assert (answer.met, answer.least_s, answer.proven) == (True, 90, True)
    assert "of other orders move; none of them becomes late" in answer.says


def test_a_date_before_its_own_length_is_refused_with_that_reason() -> None:
    shop, there = small()
    answer = promise(shop, there, replace(chain("c", [(("saw", 30),), (("mill", 60),)]), due_s=80), LONG_S)
    assert (answer.met, answer.says) == (False, "no: by itself in the shop it ends 10 s after the date asked for")


def test_material_that_comes_late_is_what_it_waits_for() -> None:
    shop, there = small()
    job = Job("c", (Operation("c", "op0", (("saw", 30),), materials=("steel",)),))
    answer = promise(shop, there, job, LONG_S)
    assert [(p.cause, p.what, p.seconds) for p in answer.flow.parts] == [("material", "steel", 250), ("work", "saw", 30)]
    assert answer.says == "in 4 min 40 s; it waits longest (4 min 10 s) because steel has not arrived"
    assert (answer.end_s, answer.least_s, len(answer.offers)) == (280, 280, 1)


def test_a_person_and_a_tool_are_named_with_what_they_do_instead() -> None:
    machines = tuple(Machine(f"m{n}", "m") for n in range(3))
    shop = Shop(0, machines, (Job("a", (Operation("a", "op", (("m0", 50),), skill="weld"),)), Job("b", (Operation("b", "op", (("m1", 90),), tools=("jig",)),))),
                operators=(Operator("ann", ("weld",)), Operator("bob", ("weld",), ((0, 500),))), tools={"jig": 1})
    there = plan(shop, 0.0)
    waits = promise(shop, there, Job("c", (Operation("c", "op", (("m2", 10),), skill="weld"),)), LONG_S).flow.parts[0]
    assert (waits.cause, waits.seconds, waits.says) == ("person", 50, "nobody is free for 'weld': ann does a/op, bob is away")
    waits = promise(shop, there, Job("c", (Operation("c", "op", (("m2", 10),), tools=("jig",)),)), LONG_S).flow.parts[0]
    assert (waits.cause, waits.seconds, waits.says) == ("tool", 90, "jig is in use for b/op")


def test_an_order_between_two_others_moves_the_setup_and_nothing_else() -> None:
    ops = {name: Operation(name, "op", (("m", 10),), setup=colour) for name, colour in (("a", "red"), ("b", "blue"), ("c", "blue"))}
    shop = Shop(0, (Machine("m", "m", "red"),), (Job("a", (ops["a"],)), Job("b", (ops["b"],), 40)), setups=(Setup("m", "red", "blue", 5),))
    there = as_plan(shop, [Slot("a", "op", "m", 0, 10), Slot("b", "op", "m", 40, 50, setup_s=5)])
    answer = promise(shop, there, Job("c", (ops["c"],)), LONG_S)
    assert {(s.order, s.start_s, s.setup_s) for s in answer.plan.slots} == {("a", 0, 0), ("c", 15, 5), ("b", 40, 0)}


def test_lots_and_lags_are_parts_of_the_chain() -> None:
    machines = (Machine("m", "m"), Machine("n", "n"))
    job = Job("a", (Operation("a", "cast", (("m", 20),)), Operation("a", "cool", (("n", 10),), ("cast",), links=(Link("cast", 30),)),
                    Operation("a", "pack", (("m", 15),), ("cool",), links=(Link("cool", 0, 4),))))
    shop = Shop(0, machines, (job,))
    flow = flow_of(shop, plan(shop, 0.0), "a")
    assert [(p.cause, p.operation, p.seconds) for p in flow.parts] == [("work", "cast", 20), ("lag", "cool", 30), ("work", "cool", 4), ("work", "pack", 15)]


@pytest.mark.parametrize(("change", "error", "says"), [
    ({"id": "a"}, InputError, "stands in the shop already"),
    ({"operations": ()}, InputError, "has no operations"),
    ({"operations": (Operation("c", "op", ()),)}, PlanError, "no machine can do it"),
    ({"operations": (Operation("c", "op", (("lathe", 3),)),)}, UnknownName, "there is no 'lathe'"),
    ({"operations": (Operation("c", "op", (("saw", 3),), materials=("gold",)),)}, UnknownName, "there is no 'gold'"),
    ({"operations": (Operation("c", "op", (("saw", 3),), frozen=Slot("c", "op", "saw", 0, 3, True)),)}, InputError, "has begun"),
])
def test_an_order_that_cannot_be_asked_for_is_refused_in_words(change: dict[str, object], error: type[Exception], says: str) -> None:
    shop, there = small()
    with pytest.raises(error, match=says):
        promise(shop, there, replace(chain("c", [(("saw", 30),)]), **change))


def test_an_order_too_long_for_every_open_interval_is_refused_with_where_and_how_long() -> None:
    shop, there = small()
    shop = replace(shop, horizon_s=300)
    with pytest.raises(PlanError, match=r"operation 'op0' of 'c': takes 110 s on mill in one piece.*horizon of 300 s"):
        promise(shop, there, chain("c", [(("mill", 110),)]))


def test_a_full_shop_says_that_there_is_no_room_before_its_horizon() -> None:
    shop = Shop(0, (Machine("m", "m"),), (chain("a", [(("m", 90),)]),), horizon_s=100)
    with pytest.raises(PlanError, match="order 'c': no room for it before the shop's horizon of 1 min 40 s"):
        promise(shop, plan(shop, 0.0), chain("c", [(("m", 50),)]))


def test_a_plan_of_another_shop_is_refused() -> None:
    shop, there = small()
    with pytest.raises(InputError, match="plan that stands: b/op1 has no slot"):
        promise(shop, replace(there, slots=there.slots[:-1]), chain("c", [(("saw", 1),)]))


def test_pegging_names_everything_an_order_needs_and_every_order_that_needs_a_thing() -> None:
    job = Job("a", (Operation("a", "op", (("m", 10),), setup="red", skill="x", tools=("jig",), materials=("steel",)),), due_s=60)
    shop = Shop(0, (Machine("m", "m", "blue"),), (job, chain("b", [(("m", 20),)], 90)), setups=(Setup("m", "blue", "red", 4),),
                operators=(Operator("ann", ("x",)),), tools={"jig": 2}, materials={"steel": 7})
    made = plan(shop, 0.0, "tardiness")
    rows = pegging(shop, made, order="a")
    assert [(r["kind"], r["name"], r["quantity"], r["unit"], r["start_s"], r["end_s"]) for r in rows] == [
        ("machine", "m", 14, "s", 3, 17), ("person", "ann", 10, "s", 7, 17), ("tool", "jig", 1, "", 7, 17), ("material", "steel", 1, "lot", 7, 7)]
    assert {(r["slack_s"], r["late_s"], r["due_s"]) for r in rows} == {(43, 0, 60)}
    assert [r["order"] for r in pegging(shop, made, machine="m")] == ["a", "b"]
    assert [r["operation"] for r in pegging(shop, made, material="steel")] == ["op"]
    assert pegging(shop, made, order="b")[0]["slack_s"] is None
    with pytest.raises(UnknownName, match="there is no 'lathe'"):
        pegging(shop, made, machine="lathe")
    with pytest.raises(InputError, match="at once"):
        pegging(shop, made, machine="m", order="a")


def test_times_are_told_in_two_words() -> None:
    assert [lasting(s) for s in (0, 59, 60, 61, 3600, 12_000, 86_400, 187_200)] == [
        "0 s", "59 s", "1 min", "1 min 1 s", "1 h", "3 h 20 min", "1 d", "2 d 4 h"]
