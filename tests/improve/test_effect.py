"""Effects of as-built parameters: hand calculations, the jackknife they must equal, and coverage where the truth is known."""

import math

import numpy as np
import pytest

from loopwright.core.errors import InputError
from loopwright.improve import effect, observational
from loopwright.improve.outcomes import Outcome
from loopwright.improve.regression import least_squares, unit_weights


def test_standard_error_is_hc3_by_hand():
    # y = 1 2 3 4 on a constant: residuals 1.5 0.5 0.5 1.5, leverage 1/4: sum e^2 / (3/4)^2 / 16 = 5 / 0.5625 / 16
    fit = least_squares(np.ones((4, 1)), np.array([1.0, 2.0, 3.0, 4.0]))
    assert fit.covariance[0, 0] == pytest.approx(5 / 0.5625 / 16)
    # two groups of two: residuals 1 and 2, leverage 1/2; variance of the difference = 2 / 0.25 / 4 + 8 / 0.25 / 4
    x = np.array([[1, 0], [1, 0], [1, 1], [1, 1]], dtype=float)
    fit = least_squares(x, np.array([0.0, 2.0, 3.0, 7.0]))
    assert fit.beta == pytest.approx([1.0, 4.0])
    assert fit.error(1) ** 2 == pytest.approx(10.0)


def test_clustered_error_is_the_jackknife_that_leaves_out_each_person():
    # Bell and McCaffrey (2002): CR3 = sum over clusters of (beta without it - beta) (...)'
    rng = np.random.default_rng(3)
    people = np.repeat(np.arange(12), [1, 2, 3] * 4)
    x = np.column_stack([np.ones(len(people)), rng.normal(size=len(people))])
    y = rng.normal(size=len(people)) + rng.normal(size=12)[people]
    fit = least_squares(x, y, clusters=[f"p{p}" for p in people])
    left_out = [np.linalg.lstsq(x[people != p], y[people != p], rcond=None)[0] - fit.beta for p in range(12)]
    assert fit.covariance == pytest.approx(sum(np.outer(d, d) for d in left_out))
    assert fit.df == 11


def test_a_column_that_is_another_one_is_refused():
    with pytest.raises(InputError, match="cannot be told apart"):
        least_squares(np.ones((5, 2)), np.arange(5.0))


def test_a_unit_with_few_shots_counts_less_but_not_as_little_as_its_shots_say():
    means = np.array([0.0, 4.0, -4.0, 1.0])
    weights = unit_weights(means, np.array([0.1, 0.1, 0.1, 1.0]))
    assert weights.mean() == pytest.approx(1.0)
    assert 0.1 < weights[3] / weights[0] < 1.0
    assert unit_weights(means, np.full(4, np.nan)) == pytest.approx([1, 1, 1, 1])


def units(rng, count, slope=0.67, sd=0.2, shots=18, assumed=False):
    out = []
    for i in range(count):
        stature, deviation = rng.normal(), rng.normal(0, sd)
        n = shots + int(rng.integers(-6, 7))
        mean = slope * deviation + 0.4 * stature + rng.normal(0, 0.8) + rng.normal(0, 2.75 / math.sqrt(n))
        out.append(
            Outcome(
                f"u{i}",
                f"p{i}",
                "r0",
                {"lie": 60 + stature + deviation},
                {"lie": 60 + stature},
                {"direction_error": mean},
                n,
                assumed=assumed,
                spread={"direction_error": 2.75},
                covariates={"stature": stature},
            )
        )
    return out


def test_interval_from_manufacturing_variation_covers_the_truth():
    rng = np.random.default_rng(8)
    found = [effect.of_variation(units(rng, 60, sd=0.8), "lie", "direction_error", ["stature"]) for _ in range(400)]
    covered = np.mean([e.low < 0.67 < e.high for e in found])
    assert 0.92 <= covered <= 0.98
    assert np.mean([e.value for e in found]) == pytest.approx(0.67, abs=0.03)
    assert found[0].standing == "as-if random"
    assert "chance of manufacture" in found[0].why
    assert "given stature" in found[0].why


def test_nothing_is_claimed_without_units_variation_or_a_real_pairing():
    rng = np.random.default_rng(1)
    few = effect.of_variation(units(rng, 5), "lie", "direction_error")
    same = effect.of_variation(units(rng, 30, sd=0.0), "lie", "direction_error")
    assumed = effect.of_variation(units(rng, 30, assumed=True), "lie", "direction_error")
    for found, why in [(few, "12 are needed"), (same, "does not vary"), (assumed, "joined by assumption")]:
        assert found.standing == "not supported"
        assert why in found.why
        assert not found.clear
        assert math.isnan(found.value)


def confounded(rng, n, truth):
    """Better players are given more of x, and hit straighter for reasons of their own."""
    skill, stature = rng.normal(size=n), rng.normal(size=n)
    x = 0.8 * skill + 0.3 * stature**2 + rng.normal(size=n)
    y = truth * x - 1.2 * skill + 0.5 * skill**2 + 0.4 * stature + rng.normal(size=n)
    return y, x, np.column_stack([skill, stature])


def test_doubly_robust_intervals_cover_the_truth_where_a_plain_difference_fails():
    rng = np.random.default_rng(21)
    truth, partial, weighted, naive = 0.5, [], [], []
    for seed in range(400):
        y, x, z = confounded(rng, 300, truth)
        partial.append(observational.partialling_out(y, x, z, seed=seed))
        fit = least_squares(np.column_stack([np.ones(300), x]), y)
        naive.append(fit.interval(1))
        chance = 1 / (1 + np.exp(-(0.7 * z[:, 0] - 0.4 * z[:, 1])))
        treated = (rng.random(300) < chance).astype(float)
        outcome = truth * treated - 1.2 * z[:, 0] + 0.5 * z[:, 0] ** 2 + rng.normal(size=300)
        weighted.append(observational.aipw(outcome, treated, z, seed=seed))
    for found in (partial, weighted):
        covered = np.mean([low < truth < high for _, low, high in found])
        assert 0.92 <= covered <= 0.98
        assert np.mean([value for value, _, _ in found]) == pytest.approx(
            truth, abs=0.05
        )  # bias below 10 % of the effect
    assert np.mean([low < truth < high for low, high in naive]) < 0.05


def test_people_who_could_not_have_had_the_other_revision_are_no_evidence():
    rng = np.random.default_rng(2)
    z = rng.normal(size=(200, 1))
    treated = (z[:, 0] > 0).astype(float)
    with pytest.raises(InputError, match="could hardly have had the other revision"):
        observational.aipw(z[:, 0], treated, z)
    with pytest.raises(InputError, match="at least 20"):
        observational.partialling_out(z[:10, 0], z[:10, 0], z[:10])
