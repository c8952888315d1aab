"""Scoring many things in one call: the same numbers as one by one, whatever is missing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.core.errors import InputError, UnknownName
from loopwright.learn.detecting import fleet, level, subspace


def played(values: np.ndarray, told: fleet.Settings, t_ns: np.ndarray | None = None) -> np.ndarray:
    """(T, B, C) scores of rows given one after the other."""
    state, out = fleet.start(values.shape[1], values.shape[2], told), []
    for i, row in enumerate(values):
        scores, state = fleet.step(state, row, None, 0 if t_ns is None else int(t_ns[i]))
        out.append(scores)
    return np.array(out)


@pytest.mark.parametrize("model", fleet.MODELS)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), things=st.integers(1, 5), channels=st.integers(1, 6))
def test_a_thing_in_a_fleet_scores_digit_for_digit_as_alone(model: str, seed: int, things: int, channels: int) -> None:
    random = np.random.default_rng(seed)
    values = random.normal(size=(60, things, channels)) * 10.0 ** random.integers(-3, 4)
    values[random.random(values.shape) < 0.1] = np.nan
    told = fleet.Settings(model, warm=16)
    together = played(values, told)
    assert np.isfinite(together).all()
    for thing in range(things):
        np.testing.assert_array_equal(played(values[:, thing : thing + 1], told)[:, 0], together[:, thing])


@pytest.mark.parametrize("model", fleet.MODELS)
def test_a_far_value_stands_out_in_its_own_channel_and_thing(model: str) -> None:
    values = np.random.default_rng(1).normal(size=(100, 3, 4))
    values[80, 1, 2] += 12.0
    scores = played(values, fleet.Settings(model, warm=64))
    assert (scores[:64] == 0).all()
    assert np.unravel_index(scores[80].argmax(), (3, 4)) == (1, 2)
    assert fleet.overall(scores[80], fleet.Settings(model)).argmax() == 1


def test_robust_z_is_the_distance_from_the_median_in_scaled_median_deviations() -> None:
    first = np.array([1.0, 2.0, 3.0, 4.0, 100.0])  # median 3, median absolute deviation 1
    scores = played(np.append(first, 10.0).reshape(6, 1, 1), fleet.Settings(warm=5))
    np.testing.assert_allclose(scores[5, 0, 0], (10 - 3) / 1.482602218505602)


def test_the_followed_spread_and_level_of_normal_values_are_theirs() -> None:
    values = np.random.default_rng(2).normal(7.0, 3.0, size=(20_000, 4))
    state = level.start(4, gain=1 / 2048)
    for row in values:
        _, state = level.advance(state, row)
    np.testing.assert_allclose(state.level, 7.0, atol=0.3)
    np.testing.assert_allclose(state.spread, 3.0, rtol=0.06)


def test_one_wild_value_moves_level_and_spread_by_no_more_than_the_bound() -> None:
    state = level.start(1, warm=64)
    for x in np.random.default_rng(3).normal(size=300):
        _, state = level.advance(state, np.array([x]))
    _, after = level.advance(state, np.array([1e12]))
    share = 1 / (state.seen[0] + 1)
    assert after.level[0] - state.level[0] <= 3 * share * state.spread[0] * 1.000001
    assert after.spread[0] / state.spread[0] <= 1 + 4.1 * share


def test_a_season_that_is_known_is_no_longer_far() -> None:
    t_s = np.arange(0, 40 * 3600, 60)
    wave = 10.0 * np.sin(2 * np.pi * t_s / 3600) + np.random.default_rng(4).normal(0, 0.3, size=len(t_s))
    wave[-10] += 6.0  # within the wave's height, far from its season
    told = fleet.Settings(warm=32, gain=0.02, period_s=3600.0, slots=60)
    scores = played(wave.reshape(-1, 1, 1), told, t_s * 10**9)[:, 0, 0]
    assert scores[-120:].argmax() == 110
    assert played(wave.reshape(-1, 1, 1), fleet.Settings(warm=32))[-120:, 0, 0].max() < 3.0


def test_the_parts_add_up_to_t2_and_q_as_their_formulas_say() -> None:
    random = np.random.default_rng(5)
    values = random.normal(size=(200, 3)) @ random.normal(size=(3, 6)) + 0.1 * random.normal(size=(200, 6))
    usual = subspace.learn_usual(values[None], share=0.9)
    row = random.normal(size=(1, 6))
    z = (row[0] - values.mean(0)) / values.std(0)
    variance, axes = np.linalg.eigh(np.cov((values - values.mean(0)).T / values.std(0)[:, None]))  # divides by 199
    drawn_in = 6 / (6 + 200)
    variance, axes = (1 - drawn_in) * variance[::-1] + drawn_in, axes[:, ::-1].T
    k = int((np.cumsum(variance) / variance.sum() < 0.9).sum()) + 1
    t2 = ((axes[:k] @ z) ** 2 / variance[:k]).sum()
    q = ((z - axes[:k].T @ (axes[:k] @ z)) ** 2).sum()
    g, h = (variance[k:] ** 2).sum() / variance[k:].sum(), variance[k:].sum() ** 2 / (variance[k:] ** 2).sum()
    index = t2 / subspace.chi2_99(np.array(float(k))) + q / (g * subspace.chi2_99(np.array(h)))
    np.testing.assert_allclose(subspace.contributions(usual, row).sum(), index, rtol=1e-9)


def test_few_rows_of_many_channels_do_not_make_every_new_row_look_strange() -> None:
    random = np.random.default_rng(8)
    usual = subspace.learn_usual(random.normal(size=(1, 15, 14)))
    index = subspace.contributions(usual, random.normal(size=(500, 14))).sum(axis=1)
    assert np.median(index) < 3.0


@pytest.mark.parametrize(("freedom", "point"), [(1, 6.6349), (2, 9.2103), (5, 15.0863), (10, 23.2093), (50, 76.1539)])
def test_the_chi_square_point_is_that_of_the_tables(freedom: int, point: float) -> None:
    np.testing.assert_allclose(subspace.chi2_99(np.array(float(freedom))), point, rtol=0.012)


@pytest.mark.parametrize("model", fleet.MODELS)
def test_constant_missing_and_infinite_channels_score_numbers(model: str) -> None:
    values = np.random.default_rng(6).normal(size=(60, 2, 4))
    values[:, :, 0] = 5.0
    values[:, :, 1] = np.nan
    values[40:, 0, 2] = np.inf
    values[50, 1, 0] = 6.0
    values[55, 1, 1] = 3.0  # a channel that was never heard while it warmed up
    scores = played(values, fleet.Settings(model, warm=16))
    assert np.isfinite(scores).all()
    assert scores[50, 1].argmax() == 0
    assert (played(np.full((30, 1, 1), np.nan), fleet.Settings(model, warm=4)) == 0).all()


def test_what_cannot_be_scored_is_said() -> None:
    with pytest.raises(UnknownName, match="robust_z"):
        fleet.Settings("robust")
    with pytest.raises(InputError, match="warm at least 2"):
        fleet.Settings(warm=1)
    with pytest.raises(InputError, match="at least one of each"):
        fleet.start(0, 3)
    with pytest.raises(InputError, match="score it in parts"):
        fleet.start(10_000, 10_000)
    with pytest.raises(InputError, match=r"\(2, 3\)"):
        fleet.step(fleet.start(2, 3), np.zeros((3, 2)), None)
