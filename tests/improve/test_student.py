"""Student's t without scipy, held against scipy where it is installed and against printed tables where it is not."""

import pytest

from loopwright.improve.student import binomial_interval, incomplete_beta, t_cdf, t_quantile


def test_quantiles_are_those_of_a_printed_t_table():
    # Fisher and Yates, table III (two-sided 5 % and 1 %)
    for df, p, value in [
        (1, 0.975, 12.706),
        (5, 0.975, 2.571),
        (10, 0.995, 3.169),
        (30, 0.975, 2.042),
        (120, 0.975, 1.980),
    ]:
        assert t_quantile(p, df) == pytest.approx(value, abs=6e-4)
        assert t_quantile(1 - p, df) == pytest.approx(-value, abs=6e-4)


def test_distribution_agrees_with_scipy():
    stats = pytest.importorskip("scipy.stats")
    special = pytest.importorskip("scipy.special")
    for df in (1, 2, 3.5, 17, 200, 5000):
        for x in (-30.0, -2.1, -0.3, 0.0, 0.7, 3.3, 12.0):
            assert t_cdf(x, df) == pytest.approx(float(stats.t.cdf(x, df)), rel=1e-9, abs=1e-14)
        for p in (0.001, 0.2, 0.5, 0.9, 0.9999):
            assert t_quantile(p, df) == pytest.approx(float(stats.t.ppf(p, df)), rel=1e-8, abs=1e-10)
    for a, b, x in [(0.5, 0.5, 0.3), (2, 5, 0.9), (100, 3, 0.97), (7, 200, 0.01)]:
        assert incomplete_beta(a, b, x) == pytest.approx(float(special.betainc(a, b, x)), rel=1e-10)


def test_binomial_interval_is_that_of_clopper_and_pearson():
    # hand calculation: no hit of n gives the upper limit 1 - (alpha/2)^(1/n)
    assert binomial_interval(0, 200) == pytest.approx((0.0, 1 - 0.025 ** (1 / 200)), abs=1e-12)
    stats = pytest.importorskip("scipy.stats")
    exact = stats.binomtest(170, 200).proportion_ci(method="exact")
    assert binomial_interval(170, 200) == pytest.approx((exact.low, exact.high), abs=1e-9)
