"""Why a shop cannot be done: every named rule is needed and all together are enough, by looking at every plan."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings

from loopwright.core.errors import PlanError
from loopwright.make.cp.reason_rules import Rule, rules_of, says, time, todo, without
from loopwright.make.cp.reasons import reason
from loopwright.make.plan import plan
from loopwright.make.shop import Blocked, Job, Link, Machine, Operation, Operator, Setup, Shop
from tests.make.shops import chain
from tests.make.tiny_shops import cheapest, tiny_shops

many = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def possible(shop: Shop) -> bool:
    """Whether some plan ends within the horizon: all of them are looked at."""
    assert shop.horizon_s is not None
    return cheapest(shop, "makespan", shop.horizon_s) is not None


@given(tiny_shops(operations_at_most=2, horizon=True))
@many
def test_the_named_rules_cannot_hold_together_and_without_any_one_of_them_the_others_can(shop: Shop) -> None:
    found = reason(shop, seconds=60.0)
    assert (found is None) == possible(shop)
    if found is None:
        return
    others = [rule for rule in rules_of(shop) if rule not in found.rules]
    assert found.minimal
    assert not possible(without(shop, others))
    for rule in found.rules:
        assert possible(without(shop, [*others, rule])), rule
    for rule in found.enough:
        assert possible(without(shop, [rule])), rule


def one_of_each() -> Shop:
    """Three orders in a shop in which every rule can be the reason."""
    begun = Operation("a", "cut", (("saw", 10),), frozen=None)
    paint = Operation("a", "paint", (("booth", 20),), ("cut",), setup="red", skill="paint", tools=("gun",), materials=("lack",),
                      links=(Link("cut", 5),))
    return Shop(
        0, (Machine("saw", "saw"), Machine("booth", "booth", "blue")),
        (Job("a", (begun, paint), release_s=3), chain("b", [(("booth", 8),)])), (Blocked("saw", 2, 4, "shift"),), 60,
        (Operator("ada", ("paint",), ((30, 35),)),), (Setup("booth", "blue", "red", 6),), {"gun": 1}, {"lack": 7})


def test_every_rule_of_a_shop_is_said_in_words_with_its_numbers_and_what_to_do() -> None:
    shop = one_of_each()
    said = {rule.kind: says(shop, rule) for rule in rules_of(shop) if rule.name != "b"}
    assert "cut 10 s on saw" in said["job"]
    assert "released after 3 s" in said["release"]
    assert "'lack' arrives after 7 s" in said["material"]
    assert "a/paint cannot start before" in said["material"]
    assert "paint 5 s after cut" in said["lags"]
    assert "'ada' is away from 30 s to 35 s" in said["away"]
    assert "only ada can" in said["skill"]
    assert "1 of tool 'gun'" in said["tool"]
    assert "up to 6 s" in said["setup"]
    assert "from 2 s to 4 s" in said["hours"]
    assert "56 s in one piece" in said["hours"]
    assert "28 s of work" in says(shop, Rule("turns", "booth"))
    assert all(todo(rule) for rule in rules_of(shop))
    assert {rule.kind for rule in rules_of(shop)} == {
        "job", "release", "material", "lags", "away", "skill", "tool", "setup", "turns", "hours"}


def test_a_rule_that_is_taken_out_no_longer_holds() -> None:
    shop = one_of_each()
    assert [job.id for job in without(shop, [Rule("job", "a")]).jobs] == ["b"]
    assert without(shop, [Rule("release", "a")]).jobs[0].release_s == 0
    assert without(shop, [Rule("hours", "saw")]).blocked == ()
    assert without(shop, [Rule("material", "lack")]).materials == {"lack": 0}
    paint = without(shop, [Rule("skill", "paint"), Rule("tool", "gun"), Rule("lags", "a")]).jobs[0].operations[1]
    assert (paint.skill, paint.tools, paint.links[0].lag_s) == ("", (), 0)
    apart = without(shop, [Rule("turns", "booth")])
    assert {o.on[0][0] for o in apart.operations if o.name != "cut"} == {"booth~0", "booth~1"}
    assert {(s.machine, s.seconds) for s in apart.setups} == {(m, 6) for m in ("booth", "booth~0", "booth~1")}


def test_two_orders_too_many_for_a_machine_are_named_and_the_others_are_not() -> None:
    jobs = (chain("far", [(("mill", 3600),)]), chain("b", [(("saw", 5 * 3600),)]), chain("c", [(("saw", 4 * 3600),)]))
    shop = Shop(0, (Machine("saw", "saw"), Machine("mill", "mill")), jobs, horizon_s=8 * 3600)
    found = reason(shop)
    assert found is not None
    assert set(found.rules) == {Rule("job", "b"), Rule("job", "c"), Rule("turns", "saw")}  # by hand: 9 h of work in 8 h
    assert found.minimal
    assert "2 operations, 9 h of work" in found.says
    assert "within 8 h" in found.says
    assert set(found.enough) == set(found.rules)
    with pytest.raises(PlanError, match=r"order 'b' is to be done.*saw does one operation at a time.*another machine like 'saw'"):
        plan(shop)


def test_a_person_who_is_away_too_long_is_the_reason() -> None:
    job = Job("a", (Operation("a", "polish", (("bench", 100),), skill="polish"),))
    shop = Shop(0, (Machine("bench", "bench"),), (job,), (), 150, (Operator("ada", ("polish",), ((40, 120),)),))
    found = reason(shop)
    assert found is not None
    assert {rule.kind for rule in found.rules} == {"job", "away", "skill"}
    with pytest.raises(PlanError, match=r"'ada' is away from 40 s to 2 min"):
        plan(shop, objective="tardiness")


def test_five_hundred_orders_of_which_one_cannot_be_done_name_that_one() -> None:
    jobs = [chain(f"o{n}", [(("m", 10),), (("g", 5),)]) for n in range(500)]
    jobs[317] = replace(jobs[317], release_s=5090)
    shop = Shop(0, (Machine("m", "m"), Machine("g", "g")), tuple(jobs), horizon_s=5100)
    found = reason(shop, seconds=60.0)
    assert found is not None
    assert set(found.rules) == {Rule("job", "o317"), Rule("release", "o317")}
    assert "released after 1 h 24 min 50 s" in found.says


def test_a_shop_that_can_be_done_or_has_no_horizon_has_no_reason() -> None:
    shop = one_of_each()
    assert reason(shop) is None
    assert reason(replace(shop, horizon_s=None)) is None


def test_without_the_solver_what_a_bound_proves_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ortools", None)
    monkeypatch.setitem(sys.modules, "ortools.sat.python", None)
    jobs = (chain("b", [(("saw", 50),)]), chain("c", [(("saw", 40),)]))
    found = reason(Shop(0, (Machine("saw", "saw"),), jobs, horizon_s=80))
    assert found is not None
    assert {rule.name for rule in found.rules} == {"b", "c", "saw"}


@pytest.mark.parametrize(("seconds", "words"), [(0, "0 s"), (45, "45 s"), (21_600, "6 h"), (5_400, "1 h 30 min"), (187_200, "2 d 4 h")])
def test_durations_are_said_as_people_say_them(seconds: int, words: str) -> None:
    assert time(seconds) == words


def test_where_there_is_no_time_to_find_the_reason_what_is_proven_is_said_and_how_much_there_is() -> None:
    jobs = tuple(chain(f"o{n}", [(("saw", 50),)]) for n in range(20))
    found = reason(Shop(0, (Machine("saw", "saw"),), jobs, horizon_s=80), seconds=0.0, known=True)
    assert found is not None
    assert not found.minimal
    assert "proven that not everything can end within 1 min 20 s" in found.says
    assert "20 orders, 1 machines" in found.says
    assert "more seconds" in found.todo
