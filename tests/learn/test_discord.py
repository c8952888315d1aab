"""The compiled parts of detectors beside their slow plain twins, and how causes are ranked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.core.errors import InputError
from loopwright.learn.detecting import causes, channels, discord, level, period, planted, stretch

pytest.importorskip("numba")


def slow_distances(values: np.ndarray, window: int, history: int) -> np.ndarray:
    """The left matrix profile as it is defined: every window against every earlier one that does not overlap it."""
    out = np.zeros(len(values))
    for t in range(len(values)):
        lags = [lag for lag in range(window, history + 1) if t - lag - window + 1 >= 0]
        if lags:
            newest = values[t - window + 1 : t + 1]
            squares = [((newest - values[t - lag - window + 1 : t - lag + 1]) ** 2).mean() for lag in lags]
            out[t] = np.sqrt(min(squares))
    return out


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), window=st.integers(2, 20), more=st.integers(0, 100), rows=st.integers(0, 200))
def test_distances_are_those_of_the_definition(seed: int, window: int, more: int, rows: int) -> None:
    values = np.random.default_rng(seed).normal(size=rows)
    told, _ = discord.follow(discord.start(window, 2 * window + more), values)
    np.testing.assert_allclose(told, slow_distances(values, window, 2 * window + more), atol=1e-6)


def test_rounding_does_not_gather_over_many_samples() -> None:
    values = 100.0 + np.random.default_rng(1).normal(size=5 * discord.RENEW)
    told, _ = discord.follow(discord.start(8, 64), values)
    np.testing.assert_allclose(told[-200:], slow_distances(values[-400:], 8, 64)[-200:], atol=1e-6)


def test_a_repeated_stretch_is_no_news_and_a_new_one_is() -> None:
    values = np.tile(np.sin(np.arange(40)), 20)
    values[500:520] = 3.0
    told, _ = discord.follow(discord.start(20, 400), values)
    assert told[200:500].max() < 1e-6
    assert told.argmax() in range(510, 540)


@pytest.mark.parametrize(("window", "history"), [(1, 10), (10, 19)])
def test_stretches_that_cannot_be_compared_are_refused(window: int, history: int) -> None:
    with pytest.raises(InputError, match="two windows"):
        discord.start(window, history)


def test_the_index_of_a_stretch_is_that_of_its_formula() -> None:
    random = np.random.default_rng(2)
    values = np.convolve(random.normal(size=600), np.ones(5) / 5, "valid")
    state = stretch.learn(values[:400], 16)
    told, _ = stretch.follow(state, values[400:401])
    window = np.append(state.past[1:], values[400]) - state.mean
    along = state.axes.T @ window
    rest = window - state.axes @ along
    strength = state.weights + state.rest  # 1 / (variance * T2 limit)
    np.testing.assert_allclose(told[0], (strength * along**2).sum() + state.rest * rest @ rest, rtol=1e-9)


def test_the_directions_of_a_stretch_are_those_of_its_windows() -> None:
    t = np.arange(4000)
    values = np.sin(2 * np.pi * t / 32) + 0.05 * np.random.default_rng(3).normal(size=4000)
    state = stretch.learn(values, 32)
    windows = np.lib.stride_tricks.sliding_window_view(values - values.mean(), 32)
    _, axes = np.linalg.eigh(windows.T @ windows)
    overlap = np.linalg.svd(state.axes[:, :2].T @ axes[:, -2:], compute_uv=False)
    np.testing.assert_allclose(overlap, 1.0, atol=1e-3)


def test_shapes_are_kept_up_to_date() -> None:
    t = np.arange(20_000)
    old, new = np.sin(2 * np.pi * t[:4000] / 40), np.sin(2 * np.pi * t / 14)
    state = stretch.learn(old, 40)
    first, state = stretch.follow(state, new[:3000])
    last, _ = stretch.follow(state, new[3000:])
    assert np.median(last[-500:]) < 0.2 * np.median(first[100:1000])


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), signals=st.integers(1, 4), slots=st.integers(0, 5))
def test_the_compiled_level_is_the_plain_one_digit_for_digit(seed: int, signals: int, slots: int) -> None:
    random = np.random.default_rng(seed)
    rows = random.normal(size=(120, signals)) * 10.0 ** random.integers(-4, 5)
    rows[random.random(rows.shape) < 0.1] = np.nan
    at = np.arange(120) % max(slots, 1)
    state = level.learned(rows[:50], at[:50] if slots else None)
    fast, after = level.follow(state, rows[50:], at[50:])
    for i, row in enumerate(rows[50:]):
        slow, state = level.advance(state, row, int(at[50 + i]))
        np.testing.assert_array_equal(slow, fast[i])
    np.testing.assert_array_equal(state.level, after.level)
    np.testing.assert_array_equal(state.season, after.season)


def test_averages_are_of_the_newest_rows_and_of_as_many_as_there_are() -> None:
    scores = np.arange(6.0)[:, None]
    told, tail = channels.averaged(np.zeros((0, 1)), scores, 4)
    np.testing.assert_allclose(told[:, 0], [0, 0.5, 1, 1.5, 2.5, 3.5])
    np.testing.assert_allclose(tail[:, 0], [3, 4, 5])


def test_a_missing_value_is_taken_as_the_one_before() -> None:
    ready = channels.Ready(np.array([1.0]), np.array([2.0]), np.array([0.0]))
    z, ready = channels.standardised(ready, np.array([[np.nan], [5.0], [np.nan], [np.inf]]))
    np.testing.assert_allclose(z[:, 0], [0, 2, 2, 2])
    assert ready.last[0] == 2.0


@pytest.mark.parametrize("length", [7, 24, 50])
def test_the_cycle_of_a_wave_is_its_length_and_of_noise_none(length: int) -> None:
    random = np.random.default_rng(4)
    wave = np.sin(2 * np.pi * np.arange(600) / length) + 0.2 * random.normal(size=600)
    assert period.cycle(wave, 300) % length in (0, 1, length - 1)
    assert period.cycle(random.normal(size=600), 300) == 0
    assert period.cycle(np.full(600, np.nan), 300) == 0


@pytest.mark.parametrize("seed", range(len(planted.KINDS)))
def test_an_anomaly_is_put_in_where_it_is_labelled_and_nowhere_else(seed: int) -> None:
    rows = np.random.default_rng(5).normal(size=(200, 6))
    values, labels = planted.planted(rows, seed)
    fewest, most = (2, 6) if planted.KINDS[seed] == "spike" else (20, 60)  # single spikes: a tenth of the rows
    assert fewest <= labels.sum() <= most
    np.testing.assert_array_equal(values[labels == 0], rows[labels == 0])
    assert (values[labels == 1] != rows[labels == 1]).any()


def test_the_channel_that_moved_first_and_most_is_named_first() -> None:
    parts = np.full((40, 3), 0.1) + 0.01 * np.random.default_rng(6).random((40, 3))
    parts[20:, 2] += 5.0  # the cause
    parts[28:, 0] += 6.0  # follows it
    told = causes.rank(parts, ["flow", "pressure", "valve"])
    assert [cause.channel for cause in told] == ["valve", "flow", "pressure"]
    assert told[0].onset == 20
    assert told[2].onset is None
    assert sum(cause.share for cause in told) == pytest.approx(1.0)


def test_parts_in_which_nothing_rose_give_equal_shares() -> None:
    told = causes.rank(np.ones((10, 4)), list("abcd"))
    assert [cause.channel for cause in told] == list("abcd")
    assert {cause.share for cause in told} == {0.25}
    with pytest.raises(InputError, match="at least 4 rows"):
        causes.rank(np.ones((3, 4)), list("abcd"))
