"""MASE and CRPS of GIFT-Eval: worked by hand, by a plain twin, and beside gluonts itself where it is installed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.core.errors import InputError
from loopwright.learn.metrics.forecast import (
    LEVELS,
    Scored,
    coverage,
    geometric_mean,
    mase,
    relative,
    scores,
    seasonal_error,
    smape,
    weighted_quantile_loss,
)

# gluonts 0.17.0, evaluate_forecasts with axis None, on `made_up()` below: MASE[0.5], mean_weighted_sum_quantile_loss, ND[0.5]
GLUONTS = {"mase": 1.798886173358405, "crps": 0.10108020341294886, "nd": 0.12487026333004232, "smape": 0.14296394721957736}


def made_up() -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Two series with holes, 3 windows each of 12 points after 200 or more, season 24."""
    past, truth, quantiles = [], [], []
    for series in range(2):
        rng = np.random.default_rng(series)
        values = 10 * (series + 1) + 3 * np.sin(np.arange(300) * 2 * np.pi / 24) + rng.normal(0, 1, 300)
        values[50:60] = np.nan
        values[270] = np.nan
        for window in range(3):
            cut = 300 - 12 * (3 - window)
            past.append(values[:cut])
            truth.append(values[cut:cut + 12])
            median = 10 * (series + 1) + 0.1 * np.arange(12)
            quantiles.append(median[:, None] + (np.asarray(LEVELS) - 0.5) * 4)
    return past, np.stack(truth), np.stack(quantiles)


def test_the_metrics_are_those_of_gluonts() -> None:
    past, truth, quantiles = made_up()
    told = scores(Scored(past, truth, quantiles), season=24)
    for name, value in GLUONTS.items():
        assert told[name] == pytest.approx(value, rel=1e-9), name


def test_the_metrics_are_those_of_gluonts_run_here() -> None:
    pytest.importorskip("gluonts", reason="gluonts is not installed; its values stand in this file")
    from tests.learn.gluonts_scores import by_gluonts

    past, truth, quantiles = made_up()
    told = scores(Scored(past, truth, quantiles), season=24)
    for name, value in by_gluonts(past, truth, quantiles, 24).items():
        assert told[name] == pytest.approx(value, rel=1e-9), name


def test_mase_worked_by_hand() -> None:
    """Past 1 2 4 7 of season 1: steps 1 2 3, mean 2. Errors 1 and 3 over 2: 0.5 and 1.5, mean 1."""
    error = seasonal_error(np.array([1.0, 2.0, 4.0, 7.0]), 1)
    assert error == 2.0
    assert mase(np.array([[8.0, 4.0]]), np.array([[7.0, 7.0]]), [error]) == 1.0


def test_quantile_loss_worked_by_hand() -> None:
    """y 10 against 8 at level 0.9: 2 * 2 * 0.9 = 3.6; against 12: 2 * 2 * 0.1 = 0.4; over 10 + 10."""
    loss = weighted_quantile_loss(np.array([[10.0, 10.0]]), np.array([[[8.0], [12.0]]]), [0.9])
    assert loss == pytest.approx((3.6 + 0.4) / 20)


def test_a_season_longer_than_the_past_counts_as_one() -> None:
    assert seasonal_error(np.array([1.0, 3.0]), 24) == 2.0


def test_windows_whose_past_never_changed_are_left_out_of_mase() -> None:
    truth, median = np.array([[1.0], [5.0]]), np.array([[0.0], [3.0]])
    assert mase(truth, median, [0.0, 2.0]) == 1.0
    assert mase(truth, median, [0.0, float("nan")]) is None


def test_points_without_a_truth_count_for_nothing() -> None:
    truth = np.array([[1.0, np.nan]])
    assert coverage(truth, np.zeros((1, 2)), np.ones((1, 2))) == 1.0
    assert smape(truth, np.array([[1.0, 9.0]])) == 0.0
    assert coverage(np.full((1, 2), np.nan), np.zeros((1, 2)), np.ones((1, 2))) is None


def test_nothing_to_divide_by_is_none_and_never_nan() -> None:
    told = scores(Scored([np.zeros(30)], np.zeros((1, 4)), np.zeros((1, 4, 9))), season=24)
    assert told["mase"] is None
    assert told["crps"] is None
    assert told["nd"] is None
    assert told["coverage_80"] == 1.0
    assert relative(1.0, 0.0) is None
    assert relative(1.0, 4.0) == 0.25
    assert geometric_mean([]) is None
    assert geometric_mean([2.0, 8.0]) == pytest.approx(4.0)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_forecast_that_is_not_finite_is_refused(bad: float) -> None:
    with pytest.raises(InputError, match="finite"):
        Scored([np.zeros(3)], np.zeros((1, 2)), np.full((1, 2, 9), bad))


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="W pasts"):
        Scored([], np.zeros((1, 2)), np.zeros((1, 2, 9)))


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.integers(1, 4), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_the_quantile_loss_is_that_of_its_plain_twin(windows: int, horizon: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, quantiles = rng.normal(size=(windows, horizon)), rng.normal(size=(windows, horizon, 9))
    total = 0.0
    for k, level in enumerate(LEVELS):
        for w in range(windows):
            for h in range(horizon):
                gap = truth[w, h] - quantiles[w, h, k]
                total += 2 * max(level * gap, (level - 1) * gap)
    expected = total / 9 / np.abs(truth).sum()
    assert weighted_quantile_loss(truth, quantiles, LEVELS) == pytest.approx(expected, rel=1e-9)
