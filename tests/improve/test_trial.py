"""Randomised trials: who gets what, what is claimed, and that it is right at every look."""

from dataclasses import replace

import numpy as np
import pytest

from loopwright.core.types import Change
from loopwright.improve import experiment
from loopwright.improve.gate import gate
from loopwright.improve.outcomes import Outcome
from loopwright.improve.trial import assign, coin, evaluate, welch
from tests.improve.shop import DEG, QUESTION

PLAN = {"name": "proposal", "side": 1.0, "alpha": 0.05, "matters": 0.1 * DEG, "fewest_pairs": 8, "most_pairs": 24}
CHANGE = Change("change-lie-1", "rule", "lie", {}, {"rule": "lie", "offset": -3 * DEG}, "", "improve", (PLAN,))


def outcomes_of(assigned, old_deg, new_deg, rng, spread=1.1, groups=("male/right",)):
    out = []
    for i, a in enumerate(assigned):
        mean = (old_deg if a.arm == "old" else new_deg) + rng.normal(0, spread)
        lie = 62 * DEG + (CHANGE.after["offset"] if a.arm == "new" else 0.0)
        out.append(
            Outcome(
                f"u{i}",
                f"p{i}",
                "r0" if a.arm == "old" else "r1",
                {"lie": lie},
                {"lie": lie},
                {"direction_error": mean * DEG},
                18,
                groups[i % len(groups)],
                False,
                i,
                a.order,
            )
        )
    return out


def orders(count):
    return [f"order-{i}" for i in range(count)]


def test_each_pair_of_orders_holds_one_old_and_one_new_and_the_coin_is_fair():
    assigned = assign(CHANGE, orders(48), [], 7, 48)
    for pair in range(24):
        assert sorted(a.arm for a in assigned if a.pair == pair) == ["new", "old"]
    heads = sum(coin("some-change", pair, 7) == "new" for pair in range(4000))
    assert abs(heads - 2000) < 4 * 32  # four standard deviations
    assert [coin("some-change", p, 8) for p in range(40)] != [coin("some-change", p, 7) for p in range(40)]


def test_an_order_keeps_its_rule_and_orders_beyond_the_trial_get_none():
    first = assign(CHANGE, orders(5), [], 7, 48)
    more = assign(CHANGE, orders(9), first, 7, 8)
    assert [a.order for a in more] == ["order-5", "order-6", "order-7"]
    assert [*first, *more] == assign(CHANGE, orders(8), [], 7, 48)


def test_the_claim_is_the_smaller_of_moving_the_right_way_and_not_overshooting():
    rng = np.random.default_rng(1)
    assigned = assign(CHANGE, orders(40), [], 7, 48)
    found = evaluate(CHANGE, outcomes_of(assigned, 2.0, -0.5, rng), assigned, "direction_error")
    old = np.array([0.0] * 20)
    assert found.pairs == len(old)
    assert found.improvement == pytest.approx(min(found.old_mean - found.new_mean, found.old_mean + found.new_mean))
    assert found.low < abs(found.old_mean) - abs(found.new_mean)
    assert found.low == found.sequence[-1]["low"]


def test_bounds_are_those_of_the_two_contrasts():
    # slow twin: the pairs built by hand and both bounds computed one by one
    rng = np.random.default_rng(6)
    assigned = assign(CHANGE, orders(30), [], 3, 48)
    units = outcomes_of(assigned, 1.5, 0.2, rng)
    value = {(a.pair, a.arm): u.outcome["direction_error"] for a, u in zip(assigned, units, strict=True)}
    moved = [value[p, "old"] - value[p, "new"] for p in range(15)]
    kept = [value[p, "old"] + value[p, "new"] for p in range(15)]
    scale = experiment.trial_scale(24, 0.05)
    found = evaluate(CHANGE, units, assigned, "direction_error")
    for n in range(1, 16):
        lows = []
        for x in (moved[:n], kept[:n]):
            at = [
                np.mean(x[:k]) - experiment.multiplier(k, 0.05, scale) * np.std(x[:k], ddof=1) / np.sqrt(k)
                for k in range(6, n + 1)
            ]
            lows.append(max(at, default=-np.inf))
        assert found.sequence[n - 1]["low"] == pytest.approx(min(lows)) or n < 6


@pytest.mark.parametrize(("old_deg", "new_deg"), [(0.0, -2.0), (2.0, -2.0), (2.0, 2.0), (0.0, 0.0)])
def test_a_rule_that_is_no_nearer_is_shown_to_be_nearer_at_most_five_times_in_a_hundred(old_deg, new_deg):
    """Also when it overshoots exactly as far as the old one missed, and when it does nothing; without a margin (matters 0)."""
    rng = np.random.default_rng(12)
    change = replace(CHANGE, tests=({**PLAN, "matters": 0.0},))
    assigned = assign(change, orders(48), [], 7, 48)
    shown = sum(
        evaluate(change, outcomes_of(assigned, old_deg, new_deg, rng), assigned, "direction_error").over == "shown"
        for _ in range(500)
    )
    assert shown <= 25 + 2 * 5  # 5 % of 500 and two standard deviations of that count


def test_a_trial_ends_when_it_is_shown_when_it_is_hopeless_and_when_its_pairs_are_used_up():
    rng = np.random.default_rng(3)
    assigned = assign(CHANGE, orders(48), [], 7, 48)
    assert evaluate(CHANGE, outcomes_of(assigned, 3.0, 0.0, rng), assigned, "direction_error").over == "shown"
    assert evaluate(CHANGE, outcomes_of(assigned, 0.0, -3.0, rng), assigned, "direction_error").over == "futile"
    assert evaluate(CHANGE, outcomes_of(assigned, 1.0, 0.6, rng), assigned, "direction_error").over == "exhausted"
    assert evaluate(CHANGE, [], assigned, "direction_error").over == ""


def test_a_pair_counts_when_both_its_units_have_been_used_and_the_rest_is_reported_missing():
    rng = np.random.default_rng(3)
    assigned = assign(CHANGE, orders(20), [], 7, 48)
    units = [u for u in outcomes_of(assigned, 2.0, 0.0, rng) if u.order != "order-4"]
    found = evaluate(CHANGE, units, assigned, "direction_error")
    assert found.pairs == 9
    assert sum(found.missing.values()) == 1


def passed(units, assigned, **more):
    trial = evaluate(CHANGE, units, assigned, "direction_error")
    ok, tests = gate(CHANGE, trial, units, assigned, replace(QUESTION, **more))
    return ok, {t["name"]: t for t in tests}


def test_the_gate_opens_for_a_shown_benefit_and_says_what_it_looked_at():
    rng = np.random.default_rng(3)
    assigned = assign(CHANGE, orders(36), [], 7, 48)
    ok, tests = passed(
        outcomes_of(assigned, 2.0, 0.0, rng, groups=("female/right", "male/right", "male/left")), assigned
    )
    assert ok
    assert {"group female", "group male", "group left", "group right", "same again", "within the limits"} <= set(tests)
    assert "95% however often one looks" in tests["benefit in a randomised trial"]["says"]


def test_the_gate_stays_shut_for_each_thing_it_tests():
    rng = np.random.default_rng(3)
    assigned = assign(CHANGE, orders(36), [], 7, 48)
    good = outcomes_of(assigned, 2.5, 0.0, rng)
    arm = {a.order: a.arm for a in assigned}

    def fails(name, units, seats=assigned, **more):
        ok, tests = passed(units, seats, **more)
        assert not ok
        assert not tests[name]["passed"]

    fails("benefit in a randomised trial", outcomes_of(assigned, 0.3, 0.0, rng))
    fails("enough units", good[:10], assigned[:10])
    fails("built as assigned", [replace(u, revision="r0") for u in good])
    fails("built as assigned", [replace(u, revision="r2") if i == 3 else u for i, u in enumerate(good)])
    fails("no assumed pairing", [replace(good[0], assumed=True), *good[1:]])
    fails("within the limits", good, limits=replace(QUESTION.limits, largest_step=2 * DEG))
    fails("within the limits", good, limits=replace(QUESTION.limits, low=60 * DEG))
    fails("nobody lost on one side", [u for i, u in enumerate(good) if arm[u.order] == "old" or i % 2])
    harmed = [
        replace(u, group="left", outcome={"direction_error": (1 if arm[u.order] == "old" else -4) * DEG})
        if i // 2 % 3 == 0
        else u
        for i, u in enumerate(good)
    ]
    fails("group left", harmed)


def test_a_group_too_small_to_judge_is_named_and_not_judged():
    rng = np.random.default_rng(3)
    assigned = assign(CHANGE, orders(36), [], 7, 48)
    units = outcomes_of(assigned, 2.5, 0.0, rng)
    ok, tests = passed([replace(units[0], group="left"), *units[1:]], assigned)
    assert ok
    assert tests["group left"]["value"] is None
    assert "too few to judge" in tests["group left"]["says"]
    assert not tests["group left"]["judged"]


def test_welch_interval_is_that_of_scipy():
    stats = pytest.importorskip("scipy.stats")
    a, b = np.array([1.0, 2.0, 4.0, 7.0]), np.array([0.0, 1.0, 1.5])
    exact = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert welch(a, b) == pytest.approx((exact.low, exact.high), abs=1e-3)
    assert welch(np.ones(3), np.zeros(3)) == (1.0, 1.0)
