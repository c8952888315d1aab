"""The checker against plans that are wrong by hand: each breaks one rule."""

from __future__ import annotations

from dataclasses import replace

import pytest

from loopwright.core.types import Plan, Slot
from loopwright.make.check import check
from loopwright.make.shop import Blocked, Job, Machine, Operation, Shop

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
