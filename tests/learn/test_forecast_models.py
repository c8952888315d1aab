"""Forecasters in detail: textbook values, plain twins of the fast paths, and errors held out that are held out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.learn.forecasting import days, held_out, restless
from loopwright.learn.forecasting.days import Span, lay
from loopwright.learn.forecasting.outlook import filled
from loopwright.learn.models.forecast import drift, naive, seasonal_naive, seasonal_ridge, smoothing

SINGLE = 2e-6  # inputs are kept in single precision
Z90 = 1.2815515655446004  # 0.9 quantile of the standard normal


def test_the_last_value_goes_on_with_the_spread_of_a_random_walk() -> None:
    """Steps 1, -1, 2: spread root(6 / 3); three steps ahead root 3 of it."""
    told = naive.predict(np.array([[1.0, 2.0, 1.0, 3.0]]), 3, 1, (0.5, 0.9))[0]
    np.testing.assert_allclose(told[:, 0], 3.0)
    np.testing.assert_allclose(told[:, 1] - 3.0, Z90 * np.sqrt(2.0) * np.sqrt([1, 2, 3]))


def test_the_last_season_comes_again_and_the_spread_grows_with_each_season() -> None:
    values = np.array([[1.0, 5.0, 2.0, 7.0]])
    told = seasonal_naive.predict(values, 5, 2, (0.5, 0.9))[0]
    np.testing.assert_array_equal(told[:, 0], [2.0, 7.0, 2.0, 7.0, 2.0])
    spread = np.sqrt((1 + 4) / 2)
    np.testing.assert_allclose(told[:, 1] - told[:, 0], Z90 * spread * np.sqrt([1, 1, 2, 2, 3]))


def test_the_drift_is_the_line_through_both_ends() -> None:
    """Hyndman and Athanasopoulos, section 5.2: equal to the line between the first and the last observation."""
    told = drift.predict(np.array([[2.0, 9.0, 1.0, 8.0]]), 3, 1, (0.5,))[0, :, 0]
    np.testing.assert_allclose(told, [10.0, 12.0, 14.0])


def test_smoothing_follows_a_trend_that_is_damped() -> None:
    told = smoothing.predict(np.arange(200.0)[None], 400, 1, (0.5,))[0, :, 0]
    steps = np.diff(told)
    assert 199.0 < told[0] <= 200.0
    assert (np.diff(steps) <= 1e-9).all()
    assert steps[-1] < 1e-9


def test_smoothing_finds_a_season_to_the_digit_where_there_is_nothing_else() -> None:
    season = np.array([1.0, -2.0, 4.0, 0.5, 3.0])
    told = smoothing.predict(np.tile(season, 40)[None], 12, 5, (0.1, 0.5, 0.9))[0]
    np.testing.assert_allclose(told[:, 1], np.tile(season, 3)[:12], atol=1e-9)
    np.testing.assert_allclose(told[:, 0], told[:, 2], atol=1e-9)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 3]), st.floats(0.02, 0.8), st.sampled_from([0.0, 0.1]))
def test_smoothing_runs_as_its_plain_twin(seed: int, period: int, a: float, b: float) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(1, 30))
    values[0, 7] = np.nan
    g = 0.3 if period > 1 else 0.0
    level, trend, seasonal, _ = smoothing._run(values, period, np.array([[a], [b], [g]]))
    first = filled(values)[0, : min(30 // period, 4) * period].reshape(-1, period).mean(axis=0)
    el, tr, se = first.mean(), 0.0, list(first - first.mean())
    for t in range(30):
        y, slot = values[0, t], t % period
        base = el + smoothing.DAMP * tr
        e = 0.0 if np.isnan(y) else y - base - se[slot]
        el, tr = base + a * e, smoothing.DAMP * tr + a * b * e
        se[slot] += g * (1 - a) * e
    assert level[0, 0] == pytest.approx(el)
    assert trend[0, 0] == pytest.approx(tr)
    np.testing.assert_allclose(seasonal[0, 0], [se[(30 + k) % period] for k in range(period)], rtol=1e-9, atol=1e-12)


def _past(holes: bool, count: int = 40, points: int = 6) -> tuple[np.ndarray, days.Past]:
    rng = np.random.default_rng(1)
    values = rng.normal(10, 2, (3, count * points + 2))
    if holes:
        values[0, :50] = np.nan
        values[1, 100:130] = np.nan
        values[2, 40:200:7] = np.nan
    return values, lay(values, points, 7)


@pytest.mark.parametrize("holes", [False, True])
def test_levels_and_profiles_of_days_are_those_of_their_plain_twins(holes: bool) -> None:
    _, past = _past(holes)
    for b in range(3):
        begin = int(past.begin[b])
        daily = past.days[b].mean(axis=1)
        for n in range(begin, past.count):
            assert past.trailing(7)[b, n] == pytest.approx(daily[max(begin, n - 6): n + 1].mean())
        held = past.smooth((past.days,), (0.3,), 7)[0][b]
        expected = past.days[b].copy()
        for n in range(7, past.count):
            gain = max(0.3, 1.0 / (max(n - begin, 0) // 7 + 1))
            for p in range(6):
                known = past.known is None or past.known[b, n, p]
                expected[n, p] = expected[n - 7, p] + (gain * (past.days[b, n, p] - expected[n - 7, p]) if known else 0.0)
        np.testing.assert_allclose(held, expected)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.integers(1, 60), st.integers(1, 7), st.integers(0, 2**32 - 1))
def test_runs_side_by_side_are_joined_as_one_day_after_another(count: int, lag: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values, gains = rng.normal(size=(2, count, 3)), rng.random((2, count, 1))
    expected = np.zeros((2, count, 3))
    for n in range(count):
        before = expected[:, n - lag] if n >= lag else 0.0
        expected[:, n] = before + gains[:, n] * (values[:, n] - before)
    np.testing.assert_allclose(days.joined(values, gains, lag), expected, atol=1e-12)


def test_every_second_point_ahead_is_every_second_of_all_points() -> None:
    _, past = _past(holes=True)
    whole, half = Span(slice(20, 26, 2), 6, 17), Span(slice(20, 26, 2), 6, 17, 2)
    np.testing.assert_array_equal(past.inputs(half), past.inputs(whole)[..., ::2])
    for some, all_ in zip(past.truth(half), past.truth(whole), strict=True):
        np.testing.assert_array_equal(some, all_[..., ::2])


def test_holes_are_the_same_time_of_the_day_before() -> None:
    values = np.arange(24.0)[None]
    values = values.copy()
    values[0, 9] = np.nan
    values[0, 0] = np.nan
    past = lay(values, 6, 1)
    assert past.days[0, 1, 3] == 3.0
    assert past.days[0, 0, 0] == 6.0
    assert past.known is not None
    assert not past.known[0, 1, 3]


def test_inputs_and_truth_stand_where_they_belong() -> None:
    """Origin day 20, 9 points ahead (day 22, point 2 of 6): last week's value is day 15, point 2."""
    _, past = _past(holes=False)
    span = Span(slice(20, 22, 1), 8, 10)
    inputs, names = past.inputs(span), past.names(span.origins)
    truth, known = past.truth(span)
    assert known is None
    level = past.level[:, 20]
    np.testing.assert_allclose(truth[:, 0, 0], past.days[:, 22, 2] - level, rtol=SINGLE)
    at = {name: inputs[:, n, 0, 0] for n, name in enumerate(names)}
    np.testing.assert_allclose(at["yesterday"], past.days[:, 20, 2] - level, rtol=SINGLE)
    np.testing.assert_allclose(at["last week"], past.days[:, 15, 2] - level, rtol=SINGLE)
    np.testing.assert_allclose(at["level of 3 days"], past.daily[:, 18:21].mean(axis=1) - level, rtol=SINGLE)
    assert "change of last year" not in names


@pytest.mark.parametrize("holes", [False, True])
def test_no_input_knows_what_came_after_its_origin(holes: bool) -> None:
    """Changing everything after an origin changes no input of it."""
    values, past = _past(holes, count=800, points=2)
    span = Span(slice(400, 401, 1), 0, 30)
    later = values.copy()
    later[:, 2 + 401 * 2:] = 999.0
    other = lay(later, 2, 7)
    assert past.names(span.origins)[-1] == "change of last year"
    np.testing.assert_array_equal(past.inputs(span), other.inputs(span))
    known = [restless.signs(one, span.origins, 0, 30) for one in (past, other)]
    np.testing.assert_allclose(np.exp(known[0]), np.exp(known[1]), rtol=0.02)  # but for the floor below all sizes


def test_errors_held_out_come_from_weights_that_never_saw_their_block_or_its_neighbours() -> None:
    rng = np.random.default_rng(2)
    inputs, truth = rng.normal(size=(1, 3, 40, 5)), rng.normal(size=(1, 40, 5))
    first = held_out.fit(held_out.Cases(inputs, truth), np.zeros((3, 1)))
    blocks = held_out._blocks(40, 40)
    changed = truth.copy()
    changed[:, blocks[4]] += 100.0
    candidates = [held_out._candidates(inputs, t, blocks, np.zeros((3, 1)), np.array([5.0])) for t in (truth, changed)]
    for i in range(len(blocks)):
        same = np.allclose(candidates[0][:, i], candidates[1][:, i])
        assert same == (abs(i - 4) <= 1)
    assert first.errors.shape == (1, 40, 5)


def test_weights_are_those_of_a_ridge_solved_the_plain_way() -> None:
    rng = np.random.default_rng(3)
    inputs, truth = rng.normal(size=(2, 3, 20, 4)), rng.normal(size=(2, 20, 4))
    prior = np.array([[0.5], [0.0], [-0.2]])
    blocks = held_out._blocks(20, 20)
    found = held_out._candidates(inputs, truth, blocks, prior, np.array([7.0, 7.0]))
    kept = np.ones(20, dtype=bool)
    for block in blocks[1:4]:
        kept[block] = False
    x = inputs[1][:, kept].reshape(3, -1).T
    y = truth[1, kept].ravel()
    strength = held_out.STRENGTHS[1] * 7.0
    expected = prior[:, 0] + np.linalg.solve(x.T @ x + strength * np.eye(3), x.T @ (y - x @ prior[:, 0]))
    np.testing.assert_allclose(found[1, 2, :, 2], expected)


def test_errors_held_out_are_those_of_the_mixed_weights() -> None:
    """What each block is missed by: truth less inputs times the candidates without it, by the shares of all."""
    rng = np.random.default_rng(11)
    inputs, truth = rng.normal(size=(1, 2, 30, 3)), rng.normal(size=(1, 30, 3))
    found = held_out.fit(held_out.Cases(inputs, truth), np.zeros((2, 1)))
    blocks = held_out._blocks(30, 30)
    told = held_out._candidates(inputs, truth, blocks, np.zeros((2, 1)), np.array([3.0 * np.mean(truth**2)]))[0]
    size = np.zeros(told.shape[2])
    for i, block in enumerate(blocks):
        for c in range(told.shape[2]):
            size[c] += np.abs(truth[0, block] - np.tensordot(told[i, :, c], inputs[0, :, block], 1)).sum()
    shares = np.exp(-(size / size.min() - 1) / held_out.TEMPERATURE)
    mixed = told @ (shares / shares.sum())  # (blocks + 1, F)
    np.testing.assert_allclose(found.weights[0], mixed[-1])
    for i, block in enumerate(blocks):
        np.testing.assert_allclose(found.errors[0, block], truth[0, block] - np.tensordot(mixed[i], inputs[0, :, block], 1))


def test_a_relation_that_holds_exactly_is_found() -> None:
    rng = np.random.default_rng(4)
    inputs = rng.normal(size=(1, 2, 200, 6))
    truth = 2.0 * inputs[:, 0] - 1.0 * inputs[:, 1]
    judged = held_out.fit(held_out.Cases(inputs, truth), np.zeros((2, 1)))
    np.testing.assert_allclose(judged.weights[0], [2.0, -1.0], atol=0.03)


def test_cases_without_a_truth_teach_nothing_and_have_no_error() -> None:
    rng = np.random.default_rng(5)
    inputs, truth = rng.normal(size=(1, 2, 60, 4)), rng.normal(size=(1, 60, 4))
    known = rng.random((1, 60, 4)) > 0.3
    spoiled = np.where(known, truth, 1e6)
    first, second = (held_out.fit(held_out.Cases(inputs, t, known), np.zeros((2, 1))) for t in (truth, spoiled))
    np.testing.assert_allclose(first.weights, second.weights)
    assert np.isnan(first.errors[~known]).all()
    assert np.isfinite(first.errors[known]).all()


def test_what_was_never_negative_is_not_forecast_negative() -> None:
    rng = np.random.default_rng(6)
    values = np.maximum(rng.normal(0, 1, (2, 900)), 0.0)
    assert (seasonal_ridge.predict(values, 48, (24, 168), (0.01, 0.1, 0.5)) >= 0).all()


def test_eighty_percent_intervals_cover_about_eighty_percent_of_made_up_series() -> None:
    """2,000 windows of AR(1) noise on a season: the share inside, of 96,000 points that hang together, within 3 points."""
    rng = np.random.default_rng(7)
    noise = rng.normal(0, 1, (2000, 1248))
    for t in range(1, 1248):
        noise[:, t] += 0.7 * noise[:, t - 1]
    values = 20 + 3 * np.sin(2 * np.pi * np.arange(1248) / 24) + noise
    told = seasonal_ridge.predict(values[:300, :1200], 48, (24, 168), (0.1, 0.9))
    inside = ((values[:300, 1200:] >= told[:, :, 0]) & (values[:300, 1200:] <= told[:, :, 1])).mean()
    assert 0.77 <= inside <= 0.83


@pytest.mark.parametrize("fault", [1e6, -1e6])
def test_one_faulty_reading_does_not_spoil_the_forecast(fault: float) -> None:
    rng = np.random.default_rng(8)
    values = 20 + 3 * np.sin(2 * np.pi * np.arange(2400) / 24) + rng.normal(0, 0.5, (1, 2400))
    spoiled = values.copy()
    spoiled[0, 2000] = fault
    clean, other = (seasonal_ridge.predict(v, 48, (24, 168), (0.1, 0.5, 0.9)) for v in (values, spoiled))
    assert np.abs(clean - other).max() < 1.0


def test_a_series_whose_spread_grows_with_its_level_is_taken_in_ratios() -> None:
    rng = np.random.default_rng(9)
    level = np.linspace(1, 10, 50)[None, :, None]
    grows = (level * (1 + 0.2 * rng.normal(size=(1, 50, 24)))).reshape(1, -1)
    steady = (level + 0.2 * rng.normal(size=(1, 50, 24))).reshape(1, -1)
    offsets = [seasonal_ridge._offset((v - v.min()) / v.std(), 24)[0, 0] for v in (grows, steady)]
    assert offsets[0] == seasonal_ridge.OFFSETS[0]
    assert offsets[1] > 1.0


@pytest.mark.parametrize("turns", [6, 7])
def test_intervals_hold_in_quiet_and_in_restless_times(turns: int) -> None:
    """Noise of 1 and 4 in turns of 40 days, 26 days into one of each; errors of all times as they are: 99.7 and 62 %."""
    rng = np.random.default_rng(12)
    wide = np.repeat(1.0 + 3.0 * ((np.arange(turns * 40 + 26) // 40) % 2), 24)
    values = 50 + 5 * np.sin(2 * np.pi * np.arange(len(wide)) / 24) + wide * rng.normal(size=(60, len(wide)))
    told = seasonal_ridge.predict(values[:, :-24], 24, (24,), (0.1, 0.9))
    inside = ((values[:, -24:] >= told[..., 0]) & (values[:, -24:] <= told[..., 1])).mean()
    assert 0.72 <= inside <= 0.88


def test_an_error_counts_as_much_larger_as_is_expected_now() -> None:
    """Errors that are exactly proportional to their sign: each is brought to the size that belongs to the sign of now."""
    rng = np.random.default_rng(13)
    sign = rng.normal(0, 0.5, (1, 1, 4000))
    errors = np.exp(sign[0, 0])[None, :, None] * rng.choice([-1.0, 1.0], (1, 4000, 6))
    evened = restless.as_now(errors, sign, np.full((1, 1, 1), 0.7), 1.0)
    near = np.abs(sign[0, 0] - 0.7) < np.log(restless.LIMIT)
    np.testing.assert_allclose(np.abs(evened[0, near]), np.exp(0.7), rtol=0.02)
    assert np.abs(evened / errors).max() <= restless.LIMIT + 1e-9


def test_errors_of_which_no_sign_is_known_stay_as_they_are() -> None:
    errors = np.random.default_rng(14).normal(size=(2, 30, 4))
    errors[0, :5] = np.nan
    unknown = np.full((2, 2, 30), np.nan)
    np.testing.assert_array_equal(restless.as_now(errors, unknown, unknown[:, :, :1], 3.0), errors)


def test_quantiles_are_ranked_from_errors_near_the_point_and_each_is_taken_once() -> None:
    """Errors that name their case and point: (k, h) as 1000 k + h."""
    errors = (1000.0 * np.arange(200)[:, None] + np.arange(96))[None]
    pool = seasonal_ridge._neighbours(errors, 24)[0]
    assert pool.shape[0] == 96
    assert pool.shape[1] <= seasonal_ridge.POOL * 1.5
    for h in (30, 50):
        assert len(np.unique(pool[h])) == pool.shape[1]
        gap = pool[h] % 1000 - h
        assert set(np.unique(gap)) == {d * 24.0 + s for d in (-1, 0, 1) for s in range(-2, 3)}


def test_what_never_changed_is_forecast_to_the_digit() -> None:
    told = seasonal_ridge.predict(np.full((1, 500), 7.3), 48, (24, 168), (0.1, 0.5, 0.9))
    assert (told == 7.3).all()


def test_a_small_change_of_a_large_number_is_followed() -> None:
    """A change of 1 at 1e12: 13 digits, of which twelve say nothing."""
    rng = np.random.default_rng(16)
    values = 3 * np.sin(2 * np.pi * np.arange(1200) / 24) + rng.normal(0, 1, (1, 1200))
    told, far = (seasonal_ridge.predict(v, 48, (24, 168), (0.1, 0.5, 0.9)) for v in (values, values + 1e12))
    np.testing.assert_allclose(far - 1e12, told, atol=0.01)


def test_numbers_whose_squares_vanish_are_forecast_as_others() -> None:
    rng = np.random.default_rng(15)
    values = 20 + 3 * np.sin(2 * np.pi * np.arange(1200) / 24) + rng.normal(0, 1, (1, 1200))
    told, tiny = (seasonal_ridge.predict(v, 48, (24, 168), (0.1, 0.5, 0.9)) for v in (values, values * 1e-300))
    np.testing.assert_allclose(tiny * 1e300, told, rtol=1e-5)
