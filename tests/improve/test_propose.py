"""A change is proposed when the numbers support trying it, and otherwise the reason is given with the numbers."""

import math
from dataclasses import replace

import numpy as np
import pytest

from loopwright.core.types import Change
from loopwright.improve.propose import NotSupported, propose
from loopwright.improve.question import TrialPlan
from tests.improve.shop import DEG, QUESTION, Shop


def cohort(hidden_deg=3.0, seed=4, count=24, assumed=False):
    shop = Shop(seed, hidden_deg)
    return shop, [shop.use(shop.order(), "r0", 0.0, assumed) for _ in range(count)]


def test_the_step_brings_the_mean_to_the_target_by_the_stated_mechanism():
    shop, units = cohort()
    change = propose(units, QUESTION)
    assert isinstance(change, Change)
    numbers = change.tests[0]
    mean = np.mean([o.outcome["direction_error"] - math.tan(34 * DEG) * o.deviation("lie") for o in units])
    assert numbers["mean"] == pytest.approx(mean, rel=0.05)  # weights of units differ a little
    assert change.after["offset"] == pytest.approx(-numbers["mean"] / math.tan(34 * DEG))
    assert abs(shop.true_mean(change.after["offset"])) < abs(shop.true_mean(0.0)) / 3
    assert change.undo["offset"] == -change.after["offset"]
    assert numbers["slope_standing"] == "assumption"
    assert "plane" in numbers["slope_source"]
    assert numbers["power"] > 0.8
    assert "to be earned in a trial" in change.why


def test_the_proposal_is_the_same_in_whatever_order_the_units_come():
    _, units = cohort()
    assert propose(units[::-1], QUESTION).id == propose(units, QUESTION).id


def test_a_slope_that_the_data_shows_is_taken_before_the_assumed_one():
    rng = np.random.default_rng(0)
    _, units = cohort(count=60)
    moved = []
    for o in units:
        extra = rng.normal(0, 2.5) * DEG
        mean = o.outcome["direction_error"] + 0.5 * extra
        moved.append(replace(o, as_built={"lie": o.as_built["lie"] + extra}, outcome={"direction_error": mean}))
    change = propose(moved, QUESTION)
    assert change.tests[0]["slope_standing"] == "as-if random"
    assert change.tests[0]["slope"] == pytest.approx(0.5, abs=0.2)


@pytest.mark.parametrize(
    ("outcomes", "question", "reason"),
    [
        (cohort(0.0)[1], QUESTION, "not clearly more than the 0.10 deg that matter"),
        (cohort(count=11)[1], QUESTION, "11 units have a measured direction_error and 20 are needed"),
        ([], QUESTION, "0 units have a measured"),
        (cohort(assumed=True)[1], QUESTION, "the pairing of users with measured persons is assumed in 24 of 24 units"),
        (cohort()[1], replace(QUESTION, mechanism=None), "no mechanism with a source is given"),
        (
            cohort()[1],
            replace(QUESTION, mechanism=replace(QUESTION.mechanism, slope=-9.0)),
            "contradicts the stated mechanism",
        ),
        (
            cohort()[1],
            replace(QUESTION, limits=replace(QUESTION.limits, low=61 * DEG, high=63 * DEG)),
            "out of the rule's limits",
        ),
        (cohort(1.1)[1], replace(QUESTION, trial=TrialPlan(most_pairs=8)), "a trial of 8 pairs would show"),
    ],
)
def test_what_is_not_supported_says_why_with_its_numbers(outcomes, question, reason):
    found = propose(outcomes, question)
    assert isinstance(found, NotSupported)
    assert reason in found.reason
    assert found.evidence["units"] == len(outcomes)
    if outcomes:
        assert found.evidence["mean"] is not None
        assert found.evidence["as_built_sd"] == pytest.approx(0.2 * DEG, rel=0.5)


def test_one_step_is_no_larger_than_the_largest():
    _, units = cohort(4.0)
    change = propose(units, replace(QUESTION, limits=replace(QUESTION.limits, largest_step=2.0 * DEG)))
    assert abs(change.after["offset"]) == pytest.approx(2.0 * DEG)
