"""Every model of learn/models/forecast, found by its file: finite quantiles in order, whatever it is given."""

from __future__ import annotations

import inspect
from types import ModuleType

import numpy as np
import pytest

from loopwright.core import plug
from loopwright.core.errors import InputError
from loopwright.learn.metrics.forecast import LEVELS, Scored, scores

ROOM = "learn.models.forecast"


@pytest.fixture(params=sorted(plug.find(ROOM)))
def model(request: pytest.FixtureRequest) -> ModuleType:
    return plug.load(ROOM, request.param)


def made_up(series: int = 3, length: int = 600, seed: int = 0) -> np.ndarray:
    """(B, T) with a day of 24, a week of 168, a walking level and noise, above 0."""
    rng = np.random.default_rng(seed)
    t = np.arange(length)
    walk = np.cumsum(rng.normal(0, 0.05, (series, length)), axis=1)
    shape = 3 * np.sin(2 * np.pi * t / 24) + np.where(t // 24 % 7 >= 5, -2.0, 0.0)
    return 30 + shape + walk + rng.normal(0, 0.5, (series, length))


def test_its_file_is_its_name_and_it_says_in_a_sentence_what_it_is(model: ModuleType) -> None:
    assert model.__name__.rsplit(".", 1)[1] == model.NAME
    assert model.MEANING.endswith(".")
    assert model.__doc__
    assert isinstance(model.BASELINE, bool)
    assert list(inspect.signature(model.predict).parameters) == ["values", "horizon", "season", "levels", "seed"]


@pytest.mark.parametrize("season", [1, 24, (24, 168)])
def test_it_gives_finite_quantiles_in_order(model: ModuleType, season: int | tuple[int, ...]) -> None:
    told = model.predict(made_up(), 50, season, LEVELS)
    assert told.shape == (3, 50, 9)
    assert np.isfinite(told).all()
    assert (np.diff(told, axis=2) >= 0).all()


@pytest.mark.parametrize("values", [
    np.full((2, 200), 7.0), np.zeros((1, 100)), np.full((2, 150), np.nan), np.array([[5.0]]), np.array([[np.nan]]),
    np.array([[1.0, 2.0]]), np.full((1, 99), np.inf), np.array([[1.0, np.inf, -np.inf, np.nan] * 60]),
    np.array([[0.0] * 399 + [1e9]]), np.array([[1e-300, 2e-300] * 150]), np.array([[1e99, -1e99] * 150]), np.zeros((0, 50)),
], ids=["constant", "zeros", "all missing", "one point", "one missing point", "two points", "infinite", "mixed", "a spike", "tiny", "huge", "no series"])
def test_strange_series_give_numbers_and_never_nan(model: ModuleType, values: np.ndarray) -> None:
    for season in (1, 24, (24, 168)):
        told = model.predict(values, 30, season, LEVELS)
        assert told.shape == (len(values), 30, 9)
        assert np.isfinite(told).all()


def test_a_constant_stays_what_it_is(model: ModuleType) -> None:
    told = model.predict(np.full((2, 500), 7.0), 48, (24, 168), LEVELS)
    np.testing.assert_allclose(told, 7.0, rtol=1e-12)


def test_numbers_may_be_tiny(model: ModuleType) -> None:
    values = made_up()
    told = model.predict(values * 1e-140, 30, (24, 168), LEVELS)
    np.testing.assert_allclose(told, model.predict(values, 30, (24, 168), LEVELS) * 1e-140, rtol=1e-6)


def test_a_series_is_forecast_alone_as_among_others(model: ModuleType) -> None:
    values = made_up(4)
    values[1, :100] = np.nan
    values[2, 300:340] = np.nan
    told = model.predict(values, 30, (24, 168), LEVELS)
    for n in range(4):
        np.testing.assert_allclose(model.predict(values[n:n + 1], 30, (24, 168), LEVELS)[0], told[n], rtol=1e-7)


def test_units_do_not_matter(model: ModuleType) -> None:
    values = made_up()
    told = model.predict(values, 30, (24, 168), LEVELS)
    np.testing.assert_allclose(model.predict(values * 1000.0, 30, (24, 168), LEVELS), told * 1000.0, rtol=1e-6)
    np.testing.assert_allclose(model.predict(values + 50.0, 30, (24, 168), LEVELS), told + 50.0, rtol=1e-6)


def test_the_same_asked_twice_is_the_same_and_the_input_is_left_as_it_is(model: ModuleType) -> None:
    values = made_up()
    values[0, 50:80] = np.nan
    before = values.copy()
    first, second = (model.predict(values, 30, (24, 168), LEVELS) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(values, before)


@pytest.mark.slow
def test_ten_thousand_signals_are_forecast(model: ModuleType) -> None:
    told = model.predict(made_up(10_000, 60), 6, 12, (0.1, 0.5, 0.9))
    assert told.shape == (10_000, 6, 3)
    assert np.isfinite(told).all()


@pytest.mark.parametrize(("values", "horizon", "season", "levels"), [
    (np.zeros(5), 3, 1, LEVELS), (np.zeros((2, 0)), 3, 1, LEVELS), (np.zeros((1, 9)), 0, 1, LEVELS),
    (np.zeros((1, 9)), 3, 0, LEVELS), (np.zeros((1, 9)), 3, 1, (0.9, 0.1)), (np.zeros((1, 9)), 3, 1, (0.0, 0.5)),
])
def test_what_cannot_be_asked_is_told(model: ModuleType, values: np.ndarray, horizon: int, season: int, levels: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="forecast"):
        model.predict(values, horizon, season, levels)


def test_it_beats_the_mean_where_there_is_a_season_unless_it_is_a_baseline(model: ModuleType) -> None:
    if model.BASELINE:
        pytest.skip("a baseline is what others are measured by")
    values = made_up(8, 1500, seed=5)
    past, truth = values[:, :-48], values[:, -48:]
    mean = plug.load(ROOM, "mean").predict(past, 48, (24, 168), LEVELS)
    naive = plug.load(ROOM, "seasonal_naive").predict(past, 48, (24, 168), LEVELS)
    told = {n: scores(Scored(list(past), truth, q), 24) for n, q in
            {"ours": model.predict(past, 48, (24, 168), LEVELS), "mean": mean, "naive": naive}.items()}
    assert told["ours"]["crps"] < 0.5 * told["mean"]["crps"]
    assert told["ours"]["crps"] < 0.8 * told["naive"]["crps"]
