"""Drift is told where there is some, and not where chance alone gives as much."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopwright.core.errors import InputError
from loopwright.learn.kept import drift


def test_psi_of_a_worked_example() -> None:
    """By hand: shares .5 .3 .2 against .2 .3 .5 give (.2 - .5) ln(.2 / .5) + 0 + (.5 - .2) ln(.5 / .2) = 2 * .3 ln 2.5 = 0.5498."""
    assert drift.psi(np.array([500_000, 300_000, 200_000]), np.array([200_000, 300_000, 500_000])) == pytest.approx(0.6 * math.log(2.5), rel=1e-4)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=2, max_size=9))
def test_psi_is_never_below_zero_and_zero_for_the_same(rows: list[tuple[int, int]]) -> None:
    a, b = np.array(rows).T
    assert drift.psi(a, b) >= 0.0
    assert drift.psi(a, b) == pytest.approx(drift.psi(b, a))
    assert drift.psi(a, a) == 0.0


def test_quantiles_of_chi_square_are_those_of_the_tables() -> None:
    """Upper 1 % points of the usual table: 6.635, 9.210, 11.345, 16.812, 21.666 for 1, 2, 3, 6 and 9 degrees of freedom."""
    for df, table in ((1, 6.635), (2, 9.210), (3, 11.345), (6, 16.812), (9, 21.666)):
        assert drift.chi_square(0.99, df) == pytest.approx(table, rel=0.01)


def test_values_from_the_same_source_drift_no_more_than_chance_allows() -> None:
    rng = np.random.default_rng(0)
    told = 0
    for _ in range(300):
        bins = drift.fix(["a"], rng.normal(size=(200, 1)))
        told += drift.drift(bins, {"a": rng.normal(size=60)})[0]["word"] != "none"
    assert told <= 12  # 1 % of 300 expected


def test_a_shift_a_spread_and_values_that_stay_away_are_told_the_farthest_first() -> None:
    rng = np.random.default_rng(1)
    names = ("shifted", "wider", "gone", "same")
    bins = drift.fix(names, rng.normal(size=(500, 4)))
    now = {"shifted": rng.normal(1.0, 1, 400), "wider": rng.normal(0, 2.5, 400), "gone": np.where(rng.random(400) < 0.5, np.nan, rng.normal(size=400)), "same": rng.normal(size=400)}
    rows = drift.drift(bins, now)
    assert {row["input"]: row["word"] for row in rows} == {"shifted": "much", "wider": "much", "gone": "much", "same": "none"}
    assert [row["psi"] for row in rows] == sorted((row["psi"] for row in rows), reverse=True)


def test_an_input_that_never_changed_is_told_when_it_does() -> None:
    bins = drift.fix(["clamp"], np.full((100, 1), 3.0))
    assert drift.drift(bins, {"clamp": np.full(50, 3.0)})[0]["word"] == "none"
    assert drift.drift(bins, {"clamp": np.full(50, 3.1)})[0]["word"] == "much"


def test_of_few_values_nothing_is_said_and_of_unknown_ones_that_they_are_unknown() -> None:
    bins = drift.fix(["a", "b"], np.column_stack([np.arange(100.0), np.full(100, np.nan)]))
    assert drift.drift(bins, {"a": np.arange(5.0)})[0]["word"] == "too few"
    assert drift.drift(bins, {"a": np.zeros(0)})[0]["word"] == "too few"
    assert drift.drift(bins, {"b": np.full(40, np.nan)})[0]["word"] == "none"
    assert drift.drift(bins, {"b": np.ones(40)})[0]["word"] == "much"
    with pytest.raises(InputError, match="no input"):
        drift.drift(bins, {"c": np.ones(3)})
    with pytest.raises(InputError):
        drift.fix(["a"], np.zeros(3))


def test_infinite_values_count_as_unknown() -> None:
    bins = drift.fix(["a"], np.arange(100.0)[:, None])
    row = drift.drift(bins, {"a": np.full(40, np.inf)})[0]
    assert row["word"] == "much"
    assert math.isfinite(row["psi"])


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_the_evidence_against_a_coverage_is_fair_by_every_way_that_it_can_fall(level: float) -> None:
    """E[M_n] = sum_k C(n, k) p^k q^(n-k) k! (n-k)! / (n+1)! / (p^k q^(n-k)) = 1 exactly: a martingale, so Ville's bound holds."""
    for n in (1, 4, 9):
        total = 0.0
        for k in range(n + 1):
            mixed = math.factorial(k) * math.factorial(n - k) / math.factorial(n + 1)
            total += math.comb(n, k) * mixed
        assert total == pytest.approx(1.0)
    held = np.array([True, False, True, True])
    by_hand = max(1.0, *(math.factorial(k) * math.factorial(n - k) / math.factorial(n + 1) / (level**k * (1 - level) ** (n - k)) for n, k in ((1, 1), (2, 1), (3, 2), (4, 3))))
    assert drift.coverage(held, level)["evidence"] == pytest.approx(by_hand)


def test_intervals_that_hold_are_left_and_those_that_do_not_are_told() -> None:
    rng = np.random.default_rng(3)
    right = [drift.coverage(rng.random(800) < 0.9, 0.9)["wrong"] for _ in range(200)]
    assert sum(right) <= 8
    told = drift.coverage(rng.random(800) < 0.8, 0.9)
    assert told["wrong"]
    assert "that is not 90%" in told["says"]
    assert drift.coverage(rng.random(800) < 0.98, 0.9)["wrong"]
    assert drift.coverage([], 0.9)["says"] == "no outcome is known yet"
    assert drift.coverage(np.ones(6000, bool), 0.9)["wrong"]
    with pytest.raises(InputError):
        drift.coverage([True], 1.0)
