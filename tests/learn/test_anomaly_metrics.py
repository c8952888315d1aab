"""Measures of anomaly scores: those of the package TSB-AD and of scikit-learn, digit for digit, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.core.errors import InputError
from loopwright.learn.metrics import anomaly as metrics

# (seed, points, window) -> VUS-PR of `generate_curve(labels, scores, window)` of TSB-AD 1.5 for `drawn`
GOLDEN = {
    (0, 300, 0): 0.2510483965997462,
    (1, 300, 1): 0.5082971577998133,
    (2, 500, 7): 0.3767960233451593,
    (3, 400, 20): 0.40895749615266264,
    (4, 350, 60): 0.6858400865823583,
    (5, 300, 33): 0.5854085878631861,
}


def drawn(seed: int, points: int) -> tuple[np.ndarray, np.ndarray]:
    """Five anomalies of 1 to 29 points, some of them touching, and scores that rise there; ties for odd seeds."""
    random = np.random.default_rng(seed)
    labels = np.zeros(points, dtype=int)
    for begin in random.integers(0, points - 20, 5):
        labels[begin : begin + random.integers(1, 30)] = 1
    scores = random.normal(size=points) + labels
    return labels, np.round(scores, 1) if seed % 2 else scores


@pytest.mark.parametrize(("seed", "points", "window", "golden"), [(*key, value) for key, value in GOLDEN.items()])
def test_vus_pr_is_that_of_tsb_ad(seed: int, points: int, window: int, golden: float) -> None:
    labels, scores = drawn(seed, points)
    np.testing.assert_allclose(metrics.vus_pr(labels, scores, window), golden, rtol=1e-12)


@pytest.mark.slow
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), points=st.integers(60, 300), window=st.integers(0, 25))
def test_vus_pr_is_that_of_the_package_beside_it(seed: int, points: int, window: int) -> None:
    theirs = pytest.importorskip("TSB_AD.evaluation.basic_metrics", reason="pip install TSB-AD")
    labels, scores = drawn(seed, points)
    if labels.all():
        return
    golden = theirs.generate_curve(labels, scores, window)[-1]
    np.testing.assert_allclose(metrics.vus_pr(labels, scores, window), golden, rtol=1e-9)


def test_perfect_scores_come_near_one_and_turned_round_near_the_share_of_anomalies() -> None:
    labels = np.zeros(1000, dtype=int)
    labels[400:500] = 1
    perfect = metrics.vus_pr(labels, labels + 1e-6 * np.arange(1000), 0)
    wrong = metrics.vus_pr(labels, -labels.astype(float), 0)
    assert perfect is not None
    assert wrong is not None
    assert perfect > 0.98
    assert wrong < 0.12


def test_where_nothing_or_everything_is_labelled_there_is_no_vus_pr() -> None:
    assert metrics.vus_pr(np.zeros(50), np.arange(50.0), 5) is None
    assert metrics.vus_pr(np.ones(50), np.arange(50.0), 5) is None
    assert metrics.average_precision(np.zeros(50), np.arange(50.0)) is None


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), points=st.integers(40, 400))
def test_average_precision_is_that_of_scikit_learn(seed: int, points: int) -> None:
    theirs = pytest.importorskip("sklearn.metrics")
    labels, scores = drawn(seed, points)
    golden = theirs.average_precision_score(labels, scores)
    np.testing.assert_allclose(metrics.average_precision(labels, scores), golden, rtol=1e-12)


def test_the_window_is_the_period_of_a_wave_and_125_where_there_is_none() -> None:
    wave = np.sin(2 * np.pi * np.arange(2000) / 50)
    assert metrics.vus_window(wave) == 50
    assert metrics.vus_window(np.ones(500)) == 125
    assert metrics.vus_window(np.arange(10.0)) == 125


def test_rates_and_delay_by_hand() -> None:
    labels = np.array([0, 0, 1, 1, 1, 0, 0, 1, 1, 0])
    scores = np.array([0, 9, 0, 9, 9, 0, 0, 0, 0, 0.0])
    told = metrics.at_threshold(labels, scores, 5.0)
    assert told == {
        "false_alarm_rate": 1 / 5,
        "missed_alarm_rate": 3 / 5,
        "f1": 4 / (4 + 1 + 3),
        "found": 1 / 2,
        "delay": 1.0,
    }


def test_rates_of_several_files_are_of_their_points_together() -> None:
    one = metrics.counts(np.array([0, 1]), np.array([True, True]))
    other = metrics.counts(np.array([0, 0, 0, 1]), np.array([False, False, False, False]))
    told = metrics.from_counts(one, other)
    assert told["false_alarm_rate"] == 0.25
    assert told["missed_alarm_rate"] == 0.5


@pytest.mark.parametrize("scores", [np.array([1.0, np.nan]), np.array([1.0, np.inf]), np.array([1.0])])
def test_scores_that_are_no_numbers_or_too_few_are_refused(scores: np.ndarray) -> None:
    with pytest.raises(InputError, match="anomaly metric"):
        metrics.vus_pr(np.array([0, 1]), scores, 3)
