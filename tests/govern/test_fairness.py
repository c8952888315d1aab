"""Group metrics against values calculated by hand."""

import numpy as np
import pytest

from loopwright.core.errors import InputError
from loopwright.govern import fairness


def test_parity_is_the_ratio_of_shares_and_four_fifths_decides():
    # 12 of 20 women and 15 of 20 men: 0.60 / 0.75 = 0.80, just enough; 11 of 20: 0.55 / 0.75 = 0.733, not
    groups = ["female"] * 20 + ["male"] * 20
    enough = fairness.parity([True] * 12 + [False] * 8 + [True] * 15 + [False] * 5, groups)
    assert enough.ratio == pytest.approx(0.8)
    assert enough.gap == pytest.approx(0.15)
    assert enough.passed is True
    less = fairness.parity([True] * 11 + [False] * 9 + [True] * 15 + [False] * 5, groups)
    assert less.ratio == pytest.approx(0.55 / 0.75)
    assert less.passed is False
    assert {g.name: g.value for g in less.groups} == pytest.approx({"female": 0.55, "male": 0.75})


def test_error_gap_is_the_difference_of_mean_absolute_errors():
    errors = [1.0, -1.0] * 10 + [2.0, -3.0] * 10
    gap = fairness.error_gap(errors, ["a"] * 20 + ["b"] * 20, limit=1.0)
    assert gap.gap == pytest.approx(1.5)
    assert gap.passed is False
    assert fairness.error_gap(errors, ["a"] * 20 + ["b"] * 20, limit=2.0).passed is True
    assert "at most 1" in gap.says


def test_a_group_too_small_is_shown_but_not_judged():
    values = [True] * 30 + [False] * 3
    found = fairness.parity(values, ["a"] * 15 + ["b"] * 15 + ["c"] * 3)
    assert found.passed is True
    assert [(g.name, g.judged) for g in found.groups] == [("a", True), ("b", True), ("c", False)]
    alone = fairness.parity([True] * 20, ["a"] * 12 + ["b"] * 8)
    assert alone.passed is None
    assert "b: 8" in alone.says
    assert alone.as_dict()["gap"] is None
    assert fairness.parity([], []).passed is None


def test_bootstrap_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(4)
    inside = 0
    for i in range(200):
        group = fairness.by_group(rng.normal(1.0, 1.0, 40), ["a"] * 40, np.mean, 10, i)[0]
        inside += group.low < 1.0 < group.high
    assert 0.89 <= inside / 200 <= 0.99


def test_values_and_groups_must_be_as_many():
    with pytest.raises(InputError, match="one group for each value"):
        fairness.parity([True], ["a", "b"])
