"""Metrics of remaining life against hand calculation, and the bounds that every one keeps."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopwright.core.errors import InputError
from loopwright.learn.metrics import life


def test_the_s_score_is_that_of_the_phm08_challenge_by_hand() -> None:
    # 10 cycles late and 13 early both cost e - 1; 20 late costs e^2 - 1; a hit costs nothing
    true = np.array([50.0, 50.0, 50.0, 50.0])
    told = np.array([60.0, 37.0, 70.0, 50.0])
    assert life.s_score(told, true) == pytest.approx(2 * (math.e - 1) + math.e**2 - 1, rel=1e-12)


def test_late_costs_more_than_early() -> None:
    true = np.full(3, 100.0)
    assert life.s_score(true + 15, true) > life.s_score(true - 15, true)


def test_a_score_beyond_all_numbers_is_not_told_as_a_number() -> None:
    found = life.scores(np.array([1e5]), np.array([0.0]), np.array([0.0]), np.array([1e6]))
    assert found["s_score_raw"] is None
    assert found["s_score_capped"] == pytest.approx(math.expm1(12.5))


def test_raw_and_capped_errors_by_hand() -> None:
    # d raw: 0, -45, 5 -> mean square (2025 + 25) / 3; capped at 125: 125 v. 125, 125 v. 125, 35 v. 30
    told, true = np.array([125.0, 125.0, 35.0]), np.array([125.0, 170.0, 30.0])
    assert life.rmse(told, true) == pytest.approx(math.sqrt(2050 / 3))
    assert life.capped(told, true) == pytest.approx(math.sqrt(25 / 3))
    assert life.capped(np.array([160.0]), np.array([125.0])) == 0.0


@given(st.lists(st.tuples(st.floats(0, 300), st.floats(0, 300)), min_size=1, max_size=30))
def test_capping_never_makes_an_error_larger(pairs: list[tuple[float, float]]) -> None:
    told, true = np.array(pairs).T
    assert life.capped(told, true) <= life.rmse(told, true) + 1e-9


def test_coverage_brings_its_binomial_interval() -> None:
    # 90 of 100: Clopper and Pearson's 95 % interval is 0.8238 to 0.9510 (their table; also R's binom.test)
    inside = np.repeat([1.0, 5.0], [90, 10])
    share, low, high = life.covered(np.zeros(100), np.full(100, 2.0), inside)
    assert share == 0.9
    assert (low, high) == (pytest.approx(0.8238, abs=1e-4), pytest.approx(0.9510, abs=1e-4))


def test_coverage_of_very_many_units_has_an_interval_too() -> None:
    _, low, high = life.covered(np.zeros(5000), np.ones(5000), np.repeat([0.5, 2.0], [4500, 500]))
    assert 0.89 < low < 0.9 < high < 0.91


@pytest.mark.parametrize(("told", "true"), [
    ([], []), ([1.0], [1.0, 2.0]), ([float("nan")], [1.0]), ([1.0], [float("inf")]),
])
def test_what_cannot_be_scored_is_refused(told: list[float], true: list[float]) -> None:
    with pytest.raises(InputError, match="scores of lives"):
        life.rmse(np.array(told), np.array(true))
