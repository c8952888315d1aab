"""The small linear algebra agrees with scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest

from loopwright.core.errors import InputError
from loopwright.learn.wear.linear import feed_effect, filled, fit_logistic, log_feed, scale, sigmoid


@pytest.mark.parametrize("strength", [0.01, 0.1, 1.0, 10.0])
def test_logistic_regression_is_that_of_scikit_learn(strength: float) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    rng = np.random.default_rng(0)
    x = rng.standard_normal((30, 5))
    y = (x[:, 0] + rng.standard_normal(30) > 0.8).astype(float)
    model = linear_model.LogisticRegression(C=strength, class_weight="balanced", tol=1e-12, max_iter=10_000).fit(x, y)
    slope, intercept = fit_logistic(x, y, strength)
    assert slope == pytest.approx(model.coef_[0], abs=1e-6)
    assert intercept == pytest.approx(model.intercept_[0], abs=1e-6)


def test_classes_that_a_line_divides_still_give_finite_weights() -> None:
    x = np.array([[-1.0], [-2.0], [1.0], [2.0]])
    slope, intercept = fit_logistic(x, np.array([0, 0, 1, 1]), 10.0)
    assert 0 < slope[0] < 100
    assert intercept == pytest.approx(0.0, abs=1e-9)


def test_one_class_alone_cannot_be_learned_from() -> None:
    with pytest.raises(InputError, match="only one class"):
        fit_logistic(np.zeros((3, 1)), np.ones(3), 1.0)


def test_the_effect_of_the_feed_is_found_and_is_nothing_when_all_feeds_are_equal() -> None:
    feed = np.array([0.003, 0.006, 0.012, 0.024])
    values = np.column_stack([2.0 + 3.0 * log_feed(feed), np.ones(4)])
    assert feed_effect(values, feed) == pytest.approx([3.0, 0.0])
    assert feed_effect(values, np.full(4, 0.006)).tolist() == [0.0, 0.0]


def test_unknown_numbers_become_the_median_of_the_training_rows() -> None:
    known, middle = filled(np.array([[1.0, np.nan], [3.0, np.nan], [np.nan, np.nan]]))
    assert middle.tolist() == [2.0, 0.0]
    assert known[2].tolist() == [2.0, 0.0]
    assert filled(np.array([[np.nan, 5.0]]), middle)[0].tolist() == [[2.0, 5.0]]


def test_a_feature_that_never_changes_is_not_divided_by_nothing() -> None:
    mean, spread = scale(np.array([[1.0, 7.0], [3.0, 7.0]]))
    assert mean.tolist() == [2.0, 7.0]
    assert spread.tolist() == [1.0, 1.0]


def test_the_sigmoid_does_not_overflow() -> None:
    assert sigmoid(np.array([-1e4, 0.0, 1e4])).tolist() == [0.0, 0.5, 1.0]
