"""Slow drifts, lasting shifts and stuck values: found against a level that may move as fast as in training, no faster."""

from __future__ import annotations

import numpy as np
import pytest

from loopwright.learn.detecting import smooth, wander
from loopwright.learn.models.anomaly import drift, robust_z


def still(rows: int, seed: int = 0, channels: int = 1) -> np.ndarray:
    """Noise about a level that stands."""
    return 20.0 + np.random.default_rng(seed).normal(size=(rows, channels))


def creeping(rows: int, seed: int = 0) -> np.ndarray:
    """Noise about a level that walks by a tenth of the noise a row."""
    random = np.random.default_rng(seed)
    return (np.cumsum(0.1 * random.normal(size=rows)) + random.normal(size=rows))[:, None]


def scores(learned: np.ndarray, asked: np.ndarray) -> np.ndarray:
    return drift.score(drift.fit(learned), asked)[0]


def test_a_drift_of_one_spread_in_a_thousand_rows_is_found_once_it_has_gone_two() -> None:
    asked = still(2500, seed=1)
    asked[:, 0] += np.arange(2500) / 1000
    told = scores(still(4000), asked)
    assert told[:500].max() < 5.0
    assert told[2000:].mean() > 5.0
    assert robust_z.score(robust_z.fit(still(4000)), asked)[0][2000:].mean() < 3.0  # it follows the drift


def test_a_signal_that_crept_while_it_was_learned_may_creep_on_and_one_that_stood_may_not() -> None:
    walks = [creeping(1200, seed) for seed in range(40)]
    crept = [scores(walk[:400], walk[400:]).max() for walk in walks]
    stood = [scores(still(400, seed), walk[400:] - walk[400] + 20.0).max() for seed, walk in enumerate(walks)]
    assert np.median(crept) < 5.0
    assert np.median(stood) > 10.0


def test_a_shift_that_lasts_is_not_learned() -> None:
    asked = still(3000, seed=2)
    asked[500:] += 3.0
    told = scores(still(4000), asked)
    assert told[:500].max() < 5.0
    assert told[600:].min() > 5.0


def test_the_level_of_a_signal_that_is_calm_is_followed() -> None:
    asked = np.full((40_000, 1), 20.5) + 1e-3 * np.arange(40_000)[:, None] % 2e-3
    state, _ = wander.learn(still(500))
    _, after = wander.follow(state, asked)
    assert after.mean[0] == pytest.approx((asked.mean() - state.level[0]) / state.spread[0], rel=0.02)


def test_a_value_that_sticks_is_found_where_it_never_did_and_not_where_it_often_does() -> None:
    moving, coarse = still(600, seed=3), np.round(still(600, seed=4) / 3.0) * 3.0
    stuck = moving[300:].copy()
    stuck[100:] = stuck[99]
    level = float(np.median(coarse))
    resting = coarse[300:].copy()
    resting[100:108] = level
    assert scores(moving[:300], stuck)[106:].min() > 5.0
    assert scores(coarse[:300], resting)[100:120].max() < 5.0


def test_what_a_stuck_value_says_is_that_of_the_hand() -> None:
    """Five rows, no repeat: a share of 1 in 6, so each repeat says ln 6 nats and four say sqrt(8 ln 6) spreads."""
    state, _ = wander.learn(np.array([[1.0], [2.0], [1.5], [2.5], [1.2]]))
    assert state.nats[0] == pytest.approx(np.log(6.0))
    parts, _ = wander.follow(state, np.full((5, 1), 1.7))
    away = np.array([wander.advance(state, np.array([1.7]))[0][0]])
    assert parts[0, 0] == away[0]
    assert parts[4, 0] == pytest.approx(np.sqrt(8.0 * np.log(6.0)))


def test_the_longest_run_of_training_is_forgiven_twice() -> None:
    """1 1 1 2 3: two repeats, so four more are nothing yet and the fifth says -ln of (2 + 1) in (4 + 2)."""
    state, _ = wander.learn(np.array([[1.0], [1.0], [1.0], [2.0], [3.0]]))
    assert state.usual_run[0] == 2.0
    assert state.nats[0] == pytest.approx(np.log(2.0))
    _, after = wander.follow(state, np.full((6, 1), 1.7))
    assert after.run[0] == 5.0


def test_a_missing_value_neither_breaks_nor_makes_a_run() -> None:
    state, _ = wander.learn(still(50))
    _, after = wander.follow(state, np.array([[5.0], [5.0], [np.nan], [5.0], [np.nan]]))
    assert after.run[0] == 2.0


def test_noise_and_wander_are_those_the_rows_were_made_with() -> None:
    """Averages over 8 rows of white noise have a variance of 1 / 15 of it; a walk of 0.1 a row has wander 0.01."""
    random = np.random.default_rng(5)
    white = random.normal(size=(2000, 200))
    walk = np.cumsum(0.1 * random.normal(size=white.shape), axis=0)
    noise, none = wander._variogram(smooth.follow(np.zeros(200), white, 8)[0], 8)
    _, step = wander._variogram(smooth.follow(walk[0], walk + white, 8)[0], 8)
    assert np.median(noise) == pytest.approx(1 / 15, rel=0.1)
    assert np.quantile(none, 0.9) * 2000 < 1 / 15 * 1.5  # over all rows a level that stands is thought to move by its noise
    assert np.median(step) == pytest.approx(0.01, rel=0.25)


def test_the_compiled_loop_gives_the_digits_of_the_plain_one() -> None:
    pytest.importorskip("numba")
    random = np.random.default_rng(6)
    rows = creeping(400, 7) + np.array([0.0, 5.0, 9.0])
    rows[random.random(rows.shape) < 0.05] = np.nan
    rows[200:260, 1] = 4.0
    rows[300, 2] = 1e9
    state, _ = wander.learn(rows[:150])
    fast, after = wander.follow(state, rows[150:])
    slow = np.empty_like(fast)
    for n, row in enumerate(rows[150:]):
        slow[n], state = wander.advance(state, row)
    np.testing.assert_array_equal(fast, slow)
    for name in ("average", "mean", "unsure", "last", "run"):
        np.testing.assert_array_equal(getattr(after, name), getattr(state, name))


def test_a_signal_that_was_never_seen_in_training_is_not_judged() -> None:
    learned, asked = still(200, channels=2), still(300, 8, channels=2)
    learned[:, 1] = np.nan
    asked[100:, 1] = 7.0
    parts, _ = wander.follow(wander.learn(learned)[0], asked)
    assert parts[:, 1].max() == 0.0
    assert parts[:, 0].max() < 5.0


def test_a_signal_that_never_moved_is_not_called_stuck() -> None:
    parts, _ = wander.follow(wander.learn(np.full((30, 1), 4.0))[0], np.full((5000, 1), 4.0))
    assert parts.max() == 0.0
