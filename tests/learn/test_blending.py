"""Shares of models in a blend, and when one model is clearly better than another."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.learn.classing import blending


def loss(share: np.ndarray, given_: np.ndarray) -> float:
    """What the shares maximise, with its sign turned, written out."""
    n, m = given_.shape
    p = np.maximum(given_, blending.FLOOR)
    return float(-np.log(p @ share).sum() - blending.PRIOR * n / m * np.log(share).sum())


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_no_shares_on_a_fine_grid_do_better(seed: int) -> None:
    given_ = np.random.default_rng(seed).uniform(0.0, 1.0, (15, 2))
    share = blending.weights(given_)
    assert share.sum() == pytest.approx(1.0)
    grid = [np.array([a, 1.0 - a]) for a in np.linspace(0.001, 0.999, 999)]
    assert loss(share, given_) <= min(loss(one, given_) for one in grid) + 1e-6


def test_shares_of_scipy_are_the_same() -> None:
    """The same function by sequential quadratic programming."""
    optimize = pytest.importorskip("scipy.optimize")
    given_ = np.random.default_rng(1).beta(2.0, 1.0, (40, 4))
    found = optimize.minimize(
        loss, np.full(4, 0.25), (given_,), bounds=[(1e-6, 1.0)] * 4, tol=1e-12,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1.0},
    )
    np.testing.assert_allclose(blending.weights(given_), found.x, atol=1e-4)


def test_models_that_say_the_same_share_alike_and_no_case_gives_equal_shares() -> None:
    np.testing.assert_allclose(blending.weights(np.full((9, 3), 0.7)), 1.0 / 3.0)
    np.testing.assert_allclose(blending.weights(np.empty((0, 3))), 1.0 / 3.0)


def test_a_model_that_is_always_wrong_keeps_a_small_share() -> None:
    share = blending.weights(np.column_stack([np.full(50, 0.9), np.zeros(50)]))
    assert 0.0 < share[1] < 0.06


def test_the_mean_keeps_its_rows_at_one() -> None:
    p = [np.array([[1.0, 0.0]]), np.array([[0.2, 0.8]])]
    np.testing.assert_allclose(blending.mixed(np.array([0.25, 0.75]), p), [[0.4, 0.6]])


def test_better_in_every_group_is_clear_and_better_in_one_group_alone_is_not() -> None:
    """Forty cases, better by 0.1 on average: all alike, or all of it in one group of four (hand-made: error 0.1)."""
    groups = [f"g{i // 10}" for i in range(40)]
    worse = np.ones(40)
    assert blending.clearly_better(worse - 0.1, worse, groups)
    one_group = worse - np.where(np.arange(40) < 10, 0.4, 0.0)
    assert not blending.clearly_better(one_group, worse, groups)
    assert not blending.clearly_better(worse, worse - 0.1, groups)
    assert not blending.clearly_better(worse - 0.1, worse, ["same"] * 40)
