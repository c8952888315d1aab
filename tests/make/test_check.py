"""The checker against plans that are wrong by hand: each breaks one rule."""

from __future__ import annotations

from dataclasses import replace

import pytest

from loopwright.core.errors import InputError
from loopwright.core.types import Plan, Slot
from loopwright.make.check import check
from loopwright.make.objective import parse, value
from loopwright.make.plan import plan
from loopwright.make.shop import Blocked, Job, Link, Machine, Operation, Operator, Setup, Shop

BEGUN = Slot("c", "mill", "mill-2", -5, 5, frozen=True)
SHOP = Shop(
    0,
    (Machine("mill-1", "mill"), Machine("mill-2", "mill"), Machine("gauge-1", "gauge")),
    (
        Job("a", (Operation("a", "mill", (("mill-1", 10), ("mill-2", 12))), Operation("a", "gauge", (("gauge-1", 3),), ("mill",)))),
        Job("b", (Operation("b", "mill", (("mill-1", 10), ("mill-2", 12))),), release_s=4),
        Job("c", (Operation("c", "mill", (("mill-2", 10),), (), BEGUN),)),
    ),
    (Blocked("mill-2", 2, 8, "cleaning"), Blocked("gauge-1", 30, 40, "calibration")),
    horizon_s=60,
)
GOOD = {
    "a/mill": Slot("a", "mill", "mill-1", 0, 10), "a/gauge": Slot("a", "gauge", "gauge-1", 10, 13),
    "b/mill": Slot("b", "mill", "mill-1", 10, 20), "c/mill": BEGUN,
}


def plan_of(slots: dict[str, Slot], value: float | None = None, bound: float = 13.0, status: str = "feasible") -> Plan:
    last = max(s.end_s for s in slots.values())
    return Plan(0, tuple(slots.values()), status, "makespan", last if value is None else value, bound, "by hand", 0.0)  # type: ignore[arg-type]


def rules(plan: Plan) -> set[str]:
    return {violation.rule for violation in check(SHOP, plan)}


def test_a_right_plan_breaks_nothing_although_what_had_begun_runs_into_a_blocked_time() -> None:
    assert check(SHOP, plan_of(GOOD)) == []


@pytest.mark.parametrize(
    ("name", "change", "rule"),
    [
        ("b/mill", {"start_s": 9, "end_s": 19}, "overlap"),
        ("a/gauge", {"start_s": 9, "end_s": 12}, "order"),
        ("a/mill", {"machine": "gauge-1", "start_s": 40, "end_s": 50}, "machine"),
        ("b/mill", {"machine": "mill-2", "start_s": 7, "end_s": 19}, "blocked"),
        ("a/gauge", {"start_s": 29, "end_s": 32}, "blocked"),
        ("c/mill", {"start_s": -4, "end_s": 6}, "frozen"),
        ("c/mill", {"machine": "mill-1", "start_s": 20, "end_s": 30}, "frozen"),
        ("a/gauge", {"end_s": 12}, "duration"),
        ("b/mill", {"machine": "mill-2", "start_s": 10, "end_s": 20}, "duration"),
        ("b/mill", {"start_s": 51, "end_s": 61}, "horizon"),
    ],
)
def test_a_plan_with_one_slot_moved_breaks_the_rule_it_breaks(name: str, change: dict[str, object], rule: str) -> None:
    wrong = {**GOOD, name: replace(GOOD[name], **change)}  # type: ignore[arg-type]
    assert rule in rules(plan_of(wrong))


def test_an_operation_before_its_release_is_seen() -> None:
    slots = {**GOOD, "a/mill": Slot("a", "mill", "mill-1", 13, 23), "a/gauge": Slot("a", "gauge", "gauge-1", 23, 26),
             "b/mill": Slot("b", "mill", "mill-1", 3, 13)}
    assert rules(plan_of(slots)) == {"release"}


def test_a_missing_a_doubled_and_an_unknown_operation_are_seen() -> None:
    missing = {key: slot for key, slot in GOOD.items() if key != "a/gauge"}
    assert rules(plan_of(missing)) == {"missing"}
    assert rules(plan_of({**GOOD, "again": Slot("a", "gauge", "gauge-1", 20, 23)})) == {"twice"}
    assert rules(plan_of({**GOOD, "more": Slot("z", "mill", "mill-1", 20, 30)})) == {"unknown"}


def test_a_plan_that_claims_too_much_is_seen() -> None:
    assert rules(plan_of(GOOD, value=19)) == {"value"}
    assert rules(plan_of(GOOD, bound=21)) == {"bound"}
    assert rules(plan_of(GOOD, bound=13, status="optimal")) == {"bound"}
    assert rules(replace(plan_of(GOOD), origin_ns=5)) == {"origin"}


def test_a_violation_says_which_operations_and_when() -> None:
    wrong = {**GOOD, "b/mill": Slot("b", "mill", "mill-1", 9, 19)}
    assert [v.says for v in check(SHOP, plan_of(wrong))] == ["b/mill on mill-1 9-19 s overlaps a/mill on mill-1 0-10 s"]


# A shop with everything in it: a paint line with colours, an oven that takes three, a painter and an inspector, one
# fixture of a kind, material that arrives, cooling between oven and gauge, lots from gauge to pack.
FULL = Shop(
    0,
    (Machine("paint-1", "paint", "white"), Machine("oven-1", "oven", batch=2), Machine("gauge-1", "gauge"), Machine("pack-1", "pack"), Machine("saw-1", "saw", "steel")),
    (
        Job("a", (
            Operation("a", "paint", (("paint-1", 10),), (), None, "red", "paint", ("hook",), ("lacquer",)),
            Operation("a", "bake", (("oven-1", 20),), ("paint",), batch="160 C"),
            Operation("a", "gauge", (("gauge-1", 10),), ("bake",), skill="inspect", links=(Link("bake", lag_s=5),)),
            Operation("a", "pack", (("pack-1", 8),), ("gauge",), links=(Link("gauge", lag_s=2, lot_s=4),)),
        ), due_s=60, weight=2.0),
        Job("b", (
            Operation("b", "paint", (("paint-1", 10),), (), None, "black", "paint", ("hook",)),
            Operation("b", "bake", (("oven-1", 20),), ("paint",), batch="160 C"),
        ), due_s=50),
        Job("c", (
            Operation("c", "bake", (("oven-1", 20),), batch="90 C"),
            Operation("c", "gauge", (("gauge-1", 10),), ("bake",), skill="inspect", tools=("hook",)),
        )),
        Job("d", (Operation("d", "saw", (("saw-1", 5),), (), Slot("d", "saw", "saw-1", 20, 25, frozen=True, setup_s=3), "brass"),)),
        Job("e", (Operation("e", "saw", (("saw-1", 5),)),)),
        Job("f", (Operation("f", "saw", (("saw-1", 5),), setup="steel"),)),
    ),
    (Blocked("paint-1", 38, 40, "cleaning"),),
    operators=(Operator("ann", ("paint",), ((60, 70),)), Operator("bob", ("inspect",))),
    setups=(Setup("paint-1", "white", "red", 4), Setup("paint-1", "*", "black", 6), Setup("paint-1", "black", "red", 9),
            Setup("paint-1", "*", "red", 5), Setup("saw-1", "steel", "brass", 3), Setup("saw-1", "*", "steel", 2)),
    tools={"hook": 1}, materials={"lacquer": 7},
)
RIGHT = {
    "a/paint": Slot("a", "paint", "paint-1", 7, 17, setup_s=4, operator="ann"),  # the setup begins before the lacquer is there
    "b/paint": Slot("b", "paint", "paint-1", 23, 33, setup_s=6, operator="ann"),
    "a/bake": Slot("a", "bake", "oven-1", 33, 53),
    "b/bake": Slot("b", "bake", "oven-1", 33, 53),
    "c/bake": Slot("c", "bake", "oven-1", 0, 20),
    "a/gauge": Slot("a", "gauge", "gauge-1", 58, 68, operator="bob"),
    "c/gauge": Slot("c", "gauge", "gauge-1", 33, 43, operator="bob"),
    "a/pack": Slot("a", "pack", "pack-1", 62, 70),  # from the first lot (58 + 4) to the last one's end and 2 s
    "d/saw": Slot("d", "saw", "saw-1", 20, 25, frozen=True, setup_s=3),
    "e/saw": Slot("e", "saw", "saw-1", 5, 10),
    "f/saw": Slot("f", "saw", "saw-1", 12, 17),  # steel was there from the beginning, e needs nothing else
}
LATE, CHANGING = 2 * (70 - 60) + (53 - 50), 4 + 6 + 3  # weight 2 for a; what is frozen was made ready too


def full_rules(slots: dict[str, Slot], **claims: object) -> set[str]:
    plan = Plan(0, tuple(slots.values()), "feasible", "tardiness", LATE, 0, "by hand", 0.0)
    return {violation.rule for violation in check(FULL, replace(plan, **claims))} - ({"value"} if not claims else set())  # type: ignore[arg-type]


def test_a_right_plan_of_a_shop_with_everything_breaks_nothing() -> None:
    assert full_rules(RIGHT, value=LATE) == set()
    assert full_rules(RIGHT, objective="setup", value=CHANGING) == set()
    assert full_rules(RIGHT, objective="makespan", value=70) == set()
    assert full_rules(RIGHT, objective="makespan:1,tardiness:5,setup:0.5", value=70 + 5 * LATE + 0.5 * CHANGING) == set()


@pytest.mark.parametrize(
    ("name", "change", "rule"),
    [
        ("a/paint", {"setup_s": 5}, "setup"),  # the exact change counts, not '*'
        ("a/paint", {"setup_s": 0}, "setup"),
        ("b/paint", {"start_s": 24, "end_s": 34, "setup_s": 0}, "setup"),
        ("b/paint", {"start_s": 22, "end_s": 32}, "overlap"),  # the setup overlaps a
        ("b/paint", {"start_s": 45, "end_s": 55}, "blocked"),  # the setup runs into the cleaning
        ("b/paint", {"start_s": 30, "end_s": 40}, "blocked"),
        ("a/paint", {"start_s": 6, "end_s": 16}, "material"),
        ("a/paint", {"start_s": 3, "end_s": 13}, "setup"),  # its setup would begin before the origin
        ("a/paint", {"operator": "bob"}, "operator"),
        ("a/paint", {"operator": ""}, "operator"),
        ("a/paint", {"operator": "eve"}, "operator"),
        ("b/paint", {"start_s": 55, "end_s": 65}, "operator"),  # ann is away
        ("a/bake", {"operator": "ann"}, "operator"),  # needs nobody
        ("c/gauge", {"start_s": 60, "end_s": 70}, "operator"),  # bob is at a's
        ("c/gauge", {"start_s": 25, "end_s": 35}, "tool"),  # the hook is at b's painting
        ("c/bake", {"start_s": 33, "end_s": 53}, "batch"),  # too hot for it
        ("b/bake", {"start_s": 40, "end_s": 60}, "overlap"),
        ("a/gauge", {"start_s": 57, "end_s": 67}, "order"),  # not cooled
        ("a/pack", {"start_s": 61, "end_s": 69}, "order"),  # before the first lot
        ("e/saw", {"start_s": 17, "end_s": 22}, "overlap"),
        ("d/saw", {"setup_s": 2}, "frozen"),
        ("f/saw", {"start_s": 27, "end_s": 32, "setup_s": 0}, "setup"),  # after brass
    ],
)
def test_each_rule_of_a_shop_with_everything_is_seen(name: str, change: dict[str, object], rule: str) -> None:
    assert rule in full_rules({**RIGHT, name: replace(RIGHT[name], **change)})  # type: ignore[arg-type]


def test_operations_that_end_before_the_last_lot_has_come_are_seen() -> None:
    first, last = Operation("a", "x", (("m", 10),)), Operation("a", "y", (("n", 2),), ("x",), links=(Link("x", 1, 3),))
    shop = Shop(0, (Machine("m", "m"), Machine("n", "n")), (Job("a", (first, last)),))
    wrong = Plan(0, (Slot("a", "x", "m", 0, 10), Slot("a", "y", "n", 8, 10)), "feasible", "makespan", 10, 0, "by hand", 0.0)
    assert [v.says for v in check(shop, wrong)] == ["a/y on n 8-10 s ends before the last lot of a/x on m 0-10 s, 1 s on"]
    assert check(shop, replace(wrong, slots=(wrong.slots[0], Slot("a", "y", "n", 9, 11)), value=11)) == []


def test_a_batch_is_no_larger_than_the_machine_takes_and_shares_one_setup() -> None:
    shop = Shop(
        0, (Machine("oven", "oven", "cold", batch=2),),
        tuple(Job(j, (Operation(j, "bake", (("oven", 9),), setup=s, batch="b"),)) for j, s in (("a", "160"), ("b", "160"), ("c", "90"))),
        setups=(Setup("oven", "*", "160", 5), Setup("oven", "*", "90", 3)))
    two = [Slot(j, "bake", "oven", 5, 14, setup_s=5) for j in ("a", "b")]
    good = Plan(0, (*two, Slot("c", "bake", "oven", 17, 26, setup_s=3)), "feasible", "setup", 8, 0, "by hand", 0.0)
    assert check(shop, good) == []
    three = replace(good, slots=(*two, Slot("c", "bake", "oven", 5, 14, setup_s=5)), value=5)
    assert [v.rule for v in check(shop, three)] == ["batch", "batch"]  # 90 with 160, and three at once


def test_what_is_put_before_a_frozen_operation_leaves_it_the_setup_it_has() -> None:
    shop = Shop(
        0, (Machine("m", "m", "x"),),
        (Job("a", (Operation("a", "o", (("m", 5),), (), Slot("a", "o", "m", 50, 55, frozen=True), "x"),)),
         Job("b", (Operation("b", "o", (("m", 5),), setup="y"),))), setups=(Setup("m", "y", "x", 4),))
    before = Plan(0, (shop.operations[0].frozen, Slot("b", "o", "m", 0, 5)), "feasible", "makespan", 55, 0, "by hand", 0.0)  # type: ignore[arg-type]
    assert [v.rule for v in check(shop, before)] == ["setup"]
    assert check(shop, replace(before, slots=(before.slots[0], Slot("b", "o", "m", 55, 60)), value=60)) == []


def oven(*frozen: tuple[int, int, str], takes: int = 2) -> Shop:
    """What has begun in an oven, each with start, end and setup; one operation of ten seconds waits."""
    begun = [Job(f"j{n}", (Operation(f"j{n}", "bake", (("oven", 10),), (), Slot(f"j{n}", "bake", "oven", a, b, True), setup, batch="b"),))
             for n, (a, b, setup) in enumerate(frozen)]
    waits = Job("new", (Operation("new", "bake", (("oven", 10),), setup="red", batch="b"),))
    return Shop(0, (Machine("oven", "oven", "", takes),), (*begun, waits))


def test_what_was_put_into_an_oven_at_different_times_stands_and_nothing_else_is_put_beside_it() -> None:
    shop = oven((-20, 6, "red"), (-5, 8, "red"))
    begun = [o.frozen for o in shop.operations if o.frozen]

    def broken(start_s: int) -> set[str]:
        slots = (*begun, Slot("new", "bake", "oven", start_s, start_s + 10))
        return {v.rule for v in check(shop, Plan(0, slots, "feasible", "makespan", start_s + 10, 0, "by hand", 0.0))}

    assert broken(8) == set()
    assert broken(7) == {"overlap"}
    assert plan(shop, seconds=0.05).value == 18


def test_what_overlaps_is_refused_where_one_is_made_at_a_time_and_what_shares_a_batch_has_one_setup() -> None:
    with pytest.raises(InputError, match="cannot both run there"):
        oven((-20, 6, "red"), (-5, 8, "red"), takes=1)
    with pytest.raises(InputError, match="needs setup 'blue' and runs from -5 to 8 s beside one in setup 'red'"):
        oven((-5, 8, "red"), (-5, 8, "blue"))


def test_an_objective_that_is_not_one_is_seen() -> None:
    assert full_rules(RIGHT, objective="beauty", value=0) == {"value"}
    assert full_rules(RIGHT, value=LATE + 1) == {"value"}


@pytest.mark.parametrize(
    ("text", "message"),
    [("makspan", "did you mean 'makespan'"), ("setup:x", "a number from 0 to"), ("setup:-1", "a number from 0 to"),
     ("setup:0", "at least one weight"), ("setup,setup:2", "stands twice"), ("", "objective"), ("setup:nan", "a number")],
)
def test_an_objective_that_cannot_be_read_is_named(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse(text)


def test_an_objective_adds_up_what_the_checker_adds_up() -> None:
    slots = RIGHT.values()
    assert value(parse("tardiness"), FULL, slots) == LATE
    assert value(parse("setup:2, makespan"), FULL, slots) == 2 * CHANGING + 70
