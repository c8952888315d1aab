"""Why operations stand where they stand, how far they may slip, and what a released plan keeps of its shop."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

from hypothesis import given, settings

from loopwright.core.types import Plan, Slot
from loopwright.make.change.released import shop_of
from loopwright.make.change.story import Wait, story
from loopwright.make.open_work import as_body, from_body
from loopwright.make.plan import plan
from loopwright.make.shop import Blocked, Job, Key, Link, Machine, Operation, Operator, Shop
from tests.make.general_shops import general_shops
from tests.make.shops import shops


def planned(shop: Shop, *slots: Slot) -> Plan:
    last = max(s.end_s for s in slots)
    return Plan(shop.origin_ns, slots, "feasible", "makespan", last, last, "by hand", 0.0)


def pair() -> tuple[Shop, Plan]:
    """Two orders of a mill (300 s) and a bench (100 s); the bench is closed 500 to 800."""
    jobs = tuple(Job(n, (Operation(n, "cut", (("mill", 300),)), Operation(n, "pack", (("bench", 100),), ("cut",))), due_s=due)
                 for n, due in (("a", 1000), ("b", None)))
    shop = Shop(0, (Machine("mill", "m"), Machine("bench", "b")), jobs, (Blocked("bench", 500, 800, "break"),))
    return shop, planned(shop, Slot("a", "cut", "mill", 0, 300), Slot("a", "pack", "bench", 300, 400),
                         Slot("b", "cut", "mill", 300, 600), Slot("b", "pack", "bench", 800, 900))


def test_slack_by_hand() -> None:
    """b has no due date: it may end with the plan, at 900. So b cut may end at 800, a cut at 500; but then a pack, which
    must be over before the break at 500 or wait for b pack, which begins at 800: a cut may end at 400, a pack at 500."""
    told = story(*pair())
    assert {key: told.slack_s(*key) for key in told.slots} == {
        ("a", "cut"): 100, ("a", "pack"): 100, ("b", "cut"): 200, ("b", "pack"): 0}


def test_waits_by_hand() -> None:
    told = story(*pair())
    assert told.waits("a", "cut") == ()
    assert told.waits("a", "pack") == (Wait("operation", "cut", ("a", "cut")),)
    assert told.waits("b", "cut") == (Wait("machine", "mill", ("a", "cut")),)
    assert told.waits("b", "pack") == (Wait("closed", "bench", why="break"),)
    assert told.waits("no", "such") == ()


def later(shop: Shop, found: Plan, key: Key, by_s: int) -> dict[str, int]:
    """Ends of orders when one operation ends later and the others wait: same machines, persons, order of work. The slow
    twin of `slack_s`: everything is pushed until nothing is broken."""
    at = {(s.order, s.operation): s for s in found.slots}
    start = {k: s.start_s for k, s in at.items()}
    start[key] += by_s
    operations = {o.key: o for o in shop.operations}
    turns = [(m, "machine") for m in {s.machine for s in found.slots}] + [(p, "operator") for p in {s.operator for s in found.slots} if p]
    edges = []
    for name, field in turns:
        mine = sorted((s for s in found.slots if getattr(s, field) == name), key=lambda s: (s.start_s, s.end_s))
        edges += [(one, other, field) for one, other in pairwise(mine)]
    for _ in range(2 * len(at) * (2 + len(shop.blocked))):
        before = dict(start)
        for one, other, field in edges:
            a, b = (one.order, one.operation), (other.order, other.operation)
            if (one.start_s, one.end_s) == (other.start_s, other.end_s) and field == "machine":
                start[a] = start[b] = max(start[a], start[b])
            elif one.end_s <= other.start_s:
                start[b] = max(start[b], start[a] + one.end_s - one.start_s + (other.setup_s if field == "machine" else 0))
        for k, o in operations.items():
            for name in o.after:
                link, other = o.link(name), (k[0], name)
                its = at[other].end_s - at[other].start_s
                mine_s = at[k].end_s - at[k].start_s
                ready = start[other] + its + link.lag_s if link.lot_s is None else max(start[other] + link.lot_s, start[other] + its + link.lag_s - mine_s)
                start[k] = max(start[k], ready)
            closed = [(b.start_s, b.end_s + at[k].setup_s) for b in shop.blocked if b.machine == at[k].machine]
            closed += [a for p in shop.operators if p.id == at[k].operator for a in p.away]
            for a, b in sorted(closed) if not o.frozen else ():
                if start[k] < b and a < start[k] + at[k].end_s - at[k].start_s:
                    start[k] = b
        if start == before:
            break
    ends: dict[str, int] = {}
    for k, s in at.items():
        ends[k[0]] = max(ends.get(k[0], 0), start[k] + s.end_s - s.start_s)
    return ends


@settings(max_examples=60, deadline=None)
@given(shops(begun=False))
def test_an_operation_may_slip_by_its_slack_and_not_by_a_second_more(shop: Shop) -> None:
    shop = replace(shop, jobs=tuple(replace(j, due_s=(None, 5, 40)[n % 3]) for n, j in enumerate(shop.jobs)))
    found = plan(shop, 0)
    told = story(shop, found)
    ends = later(shop, found, next(iter(told.slots)), 0)
    limit = {j.id: found.makespan_s if j.due_s is None else max(j.due_s, ends[j.id]) for j in shop.jobs if j.id in ends}
    for key in told.slots:
        slack = told.slack_s(*key)
        assert slack >= 0
        assert all(end <= limit[order] for order, end in later(shop, found, key, slack).items())
        worse = later(shop, found, key, slack + 1)
        assert any(end > limit[order] for order, end in worse.items())


@settings(max_examples=60, deadline=None)
@given(general_shops())
def test_slack_is_safe_with_setups_people_tools_lots_and_batches(shop: Shop) -> None:
    found = plan(shop, 0)
    told = story(shop, found)
    ends: dict[str, int] = {}
    for slot in found.slots:
        ends[slot.order] = max(slot.end_s, ends.get(slot.order, 0))
    limit = {j.id: found.makespan_s if j.due_s is None else max(j.due_s, ends[j.id]) for j in shop.jobs if j.id in ends}
    for key, slot in told.slots.items():
        if not slot.frozen:
            assert all(end <= limit[order] for order, end in later(shop, found, key, told.slack_s(*key)).items())


def test_a_released_plan_tells_what_its_shop_was() -> None:
    shop, found = pair()
    shop = replace(shop, materials={"wood": 0}, jobs=(replace(shop.jobs[0], release_s=0), *shop.jobs[1:]))
    body = json.loads(json.dumps(as_body(found, "two orders", shop)))
    assert from_body(body) == found
    assert story(shop_of(body), found) == story(shop, found)
    assert body["shop"] == {
        "machines": ["mill", "bench"], "orders": {"a": {"due_s": 1000}},
        "closed": [{"machines": ["bench"], "start_s": 500, "end_s": 800, "why": "break"}], "after": [[], ["cut"], [], ["cut"]]}


@settings(max_examples=25, deadline=None)
@given(general_shops())
def test_what_is_told_of_a_plan_is_the_same_after_its_release(shop: Shop) -> None:
    found = plan(shop, 0)
    body = json.loads(json.dumps(as_body(found, "r", shop)))
    again, told = story(shop_of(body), found), story(shop, found)
    assert from_body(body) == found
    for key in told.slots:
        assert again.waits(*key) == told.waits(*key)
        assert again.slack_s(*key) == told.slack_s(*key)


def test_a_plan_of_before_is_read_by_what_ended_last_in_each_order() -> None:
    _, found = pair()
    body = as_body(found, "r")
    assert "shop" not in body
    assert story(shop_of(body), found).waits("a", "pack") == (Wait("operation", "cut", ("a", "cut")),)


def test_a_lag_and_a_first_lot_are_waited_for() -> None:
    job = Job("a", (Operation("a", "x", (("m", 100),)), Operation("a", "y", (("n", 100),), ("x",), links=(Link("x", 7, 20),)),
                    Operation("a", "z", (("n", 10),), ("y",), links=(Link("y", 30),), skill="s")))
    shop = Shop(0, (Machine("m", "r"), Machine("n", "r")), (job,), operators=(Operator("Ann", ("s",), ((120, 300),)),))
    told = story(shop, planned(shop, Slot("a", "x", "m", 0, 100), Slot("a", "y", "n", 20, 120), Slot("a", "z", "n", 300, 310, operator="Ann")))
    assert told.waits("a", "y") == (Wait("operation", "x", ("a", "x"), 7),)
    assert told.waits("a", "z") == (Wait("operator", "Ann", why="away"),)
    # z begins at 300 at the earliest whatever happens; so y may end at 270 and begin at 170, x begin at 150 and end at 250
    assert told.slack_s("a", "x") == 150
