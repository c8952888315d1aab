"""Anytime-valid bounds: golden values of published packages, validity under the worst looking, and the peril they avoid."""

import itertools
import math

import numpy as np
import pytest

from loopwright.core.errors import InputError
from loopwright.improve import experiment
from loopwright.improve.student import NORMAL, binomial_interval


def test_evidence_is_that_printed_by_the_package_of_lindon():
    # README of R package avlm (Lindon et al., arXiv 2210.08589): n = 100, 8 coefficients, df of the test 91, phi = 1;
    # t, standard error and sequential p-value as printed, residual standard error 1.065
    for t, error, p_value in [(5.776, 0.1586, 5.632e-06), (10.769, 0.2157, 1.842e-15), (2.273, 0.2112, 4.471e-01)]:
        strength = (1.065 / error) ** 2
        assert math.exp(-experiment.log_evidence_two_sided(t, 91, strength)) == pytest.approx(p_value, rel=2e-3)


def test_limit_for_many_units_is_that_of_the_package_of_howard():
    # unit tests of package confseq (Howard et al. 2021), "all target values are from a reference implementation in R"
    rho = 12.60056  # best two-sided rho for v = 100 and alpha = 0.05
    scale = 1 / math.sqrt(rho)
    a = -2 * math.log(0.05)
    assert 100 / (a + math.log1p(a)) == pytest.approx(rho, abs=1e-5)
    assert 10 * experiment.normal_multiplier(100, 0.05, scale, two_sided=True) == pytest.approx(30.35209, abs=1e-4)
    one_sided = experiment.best_scale(100, 0.05)
    assert 10 * experiment.normal_multiplier(100, 0.05, one_sided) == pytest.approx(27.66071, abs=1e-4)
    big = 1e9  # degrees of freedom without end: t becomes normal
    assert experiment.log_evidence_two_sided(1.0, big, 100 / rho) == pytest.approx(-0.6510052, abs=1e-5)
    assert experiment.log_evidence(1.0, big, 100 * one_sided**2) == pytest.approx(-0.06502391, abs=1e-5)


def test_exact_bound_tends_to_the_limit_and_is_wider_before():
    scale = experiment.best_scale(20, 0.05)
    ratios = [
        experiment.multiplier(n, 0.05, scale) / experiment.normal_multiplier(n, 0.05, scale) for n in (10, 40, 4000)
    ]
    assert ratios[0] > ratios[1] > ratios[2] > 1.0
    assert ratios[2] == pytest.approx(1.0, abs=2e-3)


def test_evidence_for_a_positive_effect_is_the_mixture_it_says_it_is():
    # slow twin: the same mixture integrated numerically over the noncentral t densities
    stats = pytest.importorskip("scipy.stats")
    integrate = pytest.importorskip("scipy.integrate")
    n, scale, t = 9, 0.7, 2.4

    def weighed(d):
        ratio = stats.nct.pdf(t, n - 1, d * math.sqrt(n)) / stats.t.pdf(t, n - 1)
        return ratio * 2 * stats.norm.pdf(d, scale=scale)

    mixture, _ = integrate.quad(weighed, 0, 8)
    assert experiment.log_evidence(t, n - 1, n * scale**2) == pytest.approx(math.log(mixture), abs=1e-6)


def test_evidence_grows_with_t():
    steps = np.linspace(-8, 12, 400)
    values = [experiment.log_evidence(float(t), 7.0, 5.0) for t in steps]
    assert all(b > a for a, b in itertools.pairwise(values))


@pytest.mark.parametrize("draw", ["normal", "skewed", "heavy"])
def test_bounds_hold_at_every_look_at_once(draw):
    rng = np.random.default_rng(5)
    values = {
        "normal": lambda size: rng.standard_normal(size),
        "skewed": lambda size: rng.exponential(size=size) - 1.0,
        "heavy": lambda size: rng.standard_t(4, size=size),
    }[draw]((2000, 60))
    scale = experiment.trial_scale(24, 0.05)
    missed = sum(bool((experiment.lower_bounds(row, 0.05, scale) > 0).any()) for row in values)
    assert missed / len(values) <= 0.05


def test_peeking_daily_at_a_z_test_releases_what_does_nothing_and_this_does_not():
    """30 daily looks at two arms without a difference: the z-test 'finds' one in about 29 % of trials (package `ville` prints 29.4 %)."""
    rng = np.random.default_rng(11)
    trials, days, daily = 2000, 30, 20
    daily_mean = rng.standard_normal((trials, days)) * math.sqrt(
        2 / daily
    )  # difference of the two arms' means of one day
    n = np.arange(1, days + 1)
    z = np.cumsum(daily_mean, axis=1) / np.sqrt(n * 2 / daily)
    by_z = int((np.abs(z) > NORMAL.inv_cdf(0.975)).any(axis=1).sum())
    low, high = binomial_interval(by_z, trials)
    assert low < 0.294 < high or abs(by_z / trials - 0.294) < 0.02
    scale = experiment.best_scale(15, 0.025)
    ours = sum(
        bool(
            (experiment.lower_bounds(row, 0.025, scale) > 0).any()
            or (experiment.lower_bounds(-row, 0.025, scale) > 0).any()
        )
        for row in daily_mean
    )
    assert ours / trials <= 0.05


def test_power_grows_with_pairs_and_is_what_a_trial_then_does():
    few, many = (experiment.power(2.0, -2.0, 1.11, n, alpha=0.05) for n in (8, 18))
    assert few < many
    assert many == pytest.approx(0.96, abs=0.03)  # own simulation apart from this code: 0.958 of 4,000
    assert experiment.power(0.0, -0.5, 1.11, 18, alpha=0.05) <= 0.05
    assert experiment.pairs_needed(2.0, 1.11, alpha=0.05, matters=0.0, wanted=0.8, most=40) in range(10, 19)
    assert experiment.pairs_needed(0.1, 1.11, alpha=0.05, matters=0.0, wanted=0.8, most=12) is None


def test_senseless_settings_are_refused_with_what_is_allowed():
    with pytest.raises(InputError, match=r"0 < alpha < 0\.5"):
        experiment.multiplier(5, 0.7, 1.0)
