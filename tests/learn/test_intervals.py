"""Intervals of shares against published tables."""

from __future__ import annotations

import math

import pytest

from loopwright.core.errors import InputError
from loopwright.learn.intervals import clopper_pearson, sign_test, wilson


@pytest.mark.parametrize(
    ("k", "n", "exact", "score"),
    [
        (81, 263, (0.2527, 0.3676), (0.2553, 0.3662)),
        (15, 148, (0.0578, 0.1617), (0.0624, 0.1605)),
        (0, 20, (0.0000, 0.1684), (0.0000, 0.1611)),
        (1, 29, (0.0009, 0.1776), (0.0061, 0.1718)),
    ],
)
def test_intervals_are_those_of_newcombes_table(k: int, n: int, exact: tuple[float, float], score: tuple[float, float]) -> None:
    """R. G. Newcombe, Statistics in Medicine 17 (1998) 857, table I: methods 5 (Clopper-Pearson) and 3 (score)."""
    assert clopper_pearson(k, n) == pytest.approx(exact, abs=6e-5)
    assert wilson(k, n) == pytest.approx(score, abs=6e-5)


def test_all_right_has_an_upper_end_of_one_and_none_right_a_lower_end_of_nothing() -> None:
    """Ten of ten: the lower end is 0.025 ** (1 / 10)."""
    assert clopper_pearson(10, 10) == (pytest.approx(0.025**0.1), 1.0)
    assert clopper_pearson(0, 10) == (0.0, pytest.approx(1 - 0.025**0.1))


def test_nine_wins_of_ten_happen_by_chance_eleven_times_in_1024() -> None:
    """(C(10, 9) + C(10, 10)) / 2 ** 10."""
    assert sign_test(9, 1) == pytest.approx(11 / 1024)
    assert sign_test(0, 0) == 1.0


def test_a_share_of_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="0 of 0"):
        clopper_pearson(0, 0)
    with pytest.raises(InputError, match="3 of 2"):
        wilson(3, 2)


def test_intervals_of_thousands_are_told_at_once_and_agree_with_the_slow_sum() -> None:
    """The tail sums of the definition, with whole numbers only (fractions), for shares that the interval gives."""
    from fractions import Fraction

    low, high = clopper_pearson(55, 60)
    for p, reached in ((low, lambda i: i >= 55), (high, lambda i: i <= 55)):
        exact = sum(math.comb(60, i) * Fraction(p) ** i * (1 - Fraction(p)) ** (60 - i) for i in range(61) if reached(i))
        assert float(exact) == pytest.approx(0.025, rel=1e-6)
    low, high = clopper_pearson(9000, 10_000)
    assert low == pytest.approx(0.9 - 1.96 * 0.003, abs=2e-4)
    assert high == pytest.approx(0.9 + 1.96 * 0.003, abs=2e-4)
