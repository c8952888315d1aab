"""Quantiles that keep what they promise: exchangeable errors, and whatever comes, online."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.core.errors import InputError
from loopwright.learn.forecasting.calibrate import GAIN, adjusted, learned, ranked, start

LEVELS = (0.1, 0.5, 0.9)


def test_the_rank_of_a_level_is_counted_as_split_conformal_does() -> None:
    """9 errors, level 0.9: rank 0.9 * 10 = 9, the largest; level 0.5: rank 5, the middle."""
    np.testing.assert_allclose(ranked(np.arange(9.0), np.array([0.1, 0.5, 0.9])), [0.0, 4.0, 8.0])


def test_missing_errors_do_not_count_and_none_at_all_is_no_correction() -> None:
    errors = np.array([[3.0, np.nan, 1.0, 2.0], [np.nan] * 4])
    np.testing.assert_allclose(ranked(errors, np.array([0.5])), [[2.0], [0.0]])


def test_a_new_error_lies_below_the_ranked_quantile_as_often_as_promised() -> None:
    """Vovk et al.: with 19 exchangeable errors the next lies below the quantile of rank 18 with probability 0.9 exactly."""
    rng = np.random.default_rng(0)
    errors = rng.standard_cauchy((40_000, 20))
    limit = ranked(errors[:, :19], np.array([0.9]))[:, 0]
    share = (errors[:, 19] <= limit).mean()
    assert abs(share - 0.9) < 4 * np.sqrt(0.09 / 40_000)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(st.floats(-1, 1), min_size=200, max_size=400), st.floats(0.01, 0.3))
def test_whatever_comes_the_share_below_a_level_keeps_to_the_bound(scores: list[float], gain: float) -> None:
    """Angelopoulos et al. 2023, proposition 1: |share - q| <= (b + gain) / (gain n) for scores within b."""
    state = start(LEVELS, 1, gain)
    quantiles = np.array([[-0.5, 0.0, 0.5]])  # width 1
    below = np.zeros(3)
    for y in scores:
        told = quantiles + state.offsets
        below += y <= told[0]
        state = learned(state, quantiles, np.array([y]))
    bound = (1.5 + gain) / (gain * len(scores))  # a score is y - x_q, within 1.5
    assert (np.abs(below / len(scores) - np.array(LEVELS)) <= bound + 1e-9).all()
    assert state.steps[0] == len(scores)


def test_intervals_that_were_too_narrow_cover_again_after_the_spread_has_doubled() -> None:
    rng = np.random.default_rng(1)
    state = start((0.1, 0.9), 200)
    quantiles = np.tile([-1.2815515655446004, 1.2815515655446004], (200, 1))
    inside, raw = [], []
    for step in range(800):
        y = rng.normal(0, 2.0 if step >= 100 else 1.0, 200)
        told = adjusted(state, quantiles[:, None])[:, 0]
        inside.append(((y >= told[:, 0]) & (y <= told[:, 1])).mean())
        raw.append(((y >= quantiles[:, 0]) & (y <= quantiles[:, 1])).mean())
        state = learned(state, quantiles, y)
    assert np.mean(raw[400:]) < 0.52
    assert abs(np.mean(inside[400:]) - 0.8) < 0.01
    assert abs(np.mean(inside[:100]) - 0.8) < 0.01


def test_nothing_is_learned_from_what_did_not_come() -> None:
    state = start(LEVELS, 2)
    after = learned(state, np.zeros((2, 3)), np.array([np.nan, 5.0]))
    np.testing.assert_array_equal(after.offsets[0], 0.0)
    np.testing.assert_allclose(after.offsets[1], GAIN * np.array(LEVELS))
    np.testing.assert_array_equal(after.steps, [0, 1])
    np.testing.assert_array_equal(state.offsets, 0.0)


def test_adjusted_quantiles_stay_in_order() -> None:
    state = start(LEVELS, 1, 5.0)
    for y in (9.0, -9.0, 9.0):
        state = learned(state, np.array([[-1.0, 0.0, 1.0]]), np.array([y]))
    assert (np.diff(adjusted(state, np.array([[[-1.0, 0.0, 1.0]]])), axis=2) >= 0).all()


@pytest.mark.parametrize("levels", [(0.5,), (0.9, 0.1), (0.0, 0.5), (0.5, 1.0)])
def test_levels_that_make_no_interval_are_refused(levels: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="levels"):
        start(levels, 1)


def test_what_comes_may_be_any_number_of_widths_away() -> None:
    quantiles = np.array([[1e-320, 2e-320, 3e-320]])
    state = learned(start((0.1, 0.5, 0.9), 1), quantiles, np.array([1e300]))
    np.testing.assert_allclose(state.offsets, GAIN * np.array([[0.1, 0.5, 0.9]]))
