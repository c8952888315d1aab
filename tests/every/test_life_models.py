"""Every model of learn/models/life, found by its file: the contract that evaluation, registry and services rely on."""

from __future__ import annotations

import inspect
from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from loopwright.core import plug
from loopwright.core.errors import InputError
from loopwright.learn.kept import registry
from loopwright.learn.lives import life_fit
from loopwright.learn.lives.units import LEVELS, Unit, cut
from tests.every.found import installed, names
from tests.learn.made_lives import fleet, life_set

SMALL = fleet(9, life=60.0)


@lru_cache(maxsize=1)
def fitted(model: ModuleType) -> Any:
    return model.fit(SMALL, 0)


@pytest.fixture(params=names("learn.models.life", heavy=("blend", "boosting")))
def model(request: pytest.FixtureRequest) -> ModuleType:
    return installed("learn.models.life", request.param)


def test_its_file_is_its_name_and_it_says_in_a_sentence_what_it_is(model: ModuleType) -> None:
    assert model.__name__.rsplit(".", 1)[1] == model.NAME
    assert model.MEANING.endswith(".")
    assert isinstance(model.BASELINE, bool)
    assert list(inspect.signature(model.fit).parameters) == ["units", "seed"]
    assert list(inspect.signature(model.predict).parameters) == ["state", "units"]


def test_it_gives_an_estimate_and_ordered_quantiles_for_each_unit_and_keeps_its_inputs(model: ModuleType) -> None:
    before = [unit.values.copy() for unit in SMALL]
    state = fitted(model)
    estimate, quantiles = model.predict(state, [cut(unit, 25) for unit in SMALL])
    assert estimate.shape == (9,)
    assert quantiles.shape == (9, len(LEVELS))
    assert np.isfinite(quantiles).all()
    assert (estimate >= 0).all()
    assert (np.diff(quantiles, axis=1) >= 0).all()
    assert (quantiles >= 0).all()
    for unit, values in zip(SMALL, before, strict=True):
        np.testing.assert_array_equal(unit.values, values)


def test_the_same_seed_gives_the_same_state_and_it_comes_back_from_the_registry(model: ModuleType) -> None:
    first, second = model.fit(SMALL, 3), model.fit(SMALL, 3)
    assert registry.address(first) == registry.address(second)
    again = registry.decode(registry.encode(first))
    stopped = [cut(unit, 30) for unit in SMALL]
    np.testing.assert_array_equal(model.predict(again, stopped)[1], model.predict(first, stopped)[1])


def test_what_comes_after_a_cut_and_other_units_beside_it_change_nothing(model: ModuleType) -> None:
    state = fitted(model)
    together = model.predict(state, [cut(unit, 20) for unit in SMALL])[0]
    alone = np.array([model.predict(state, [cut(unit, 20)])[0][0] for unit in SMALL])
    np.testing.assert_allclose(alone, together, rtol=1e-9, atol=1e-9)


def test_missing_infinite_constant_and_short_signals_give_a_number(model: ModuleType) -> None:
    state = fitted(model)
    one = SMALL[0]
    gone, wild = one.values.copy(), one.values.copy()
    gone[:] = np.nan
    wild[::3] = np.inf
    wild[1::3] = 1e300
    odd = [
        Unit("gone", gone, np.full_like(one.settings, np.nan)), Unit("wild", wild, one.settings),
        Unit("still", np.ones_like(one.values), one.settings), Unit("short", one.values[:1], one.settings[:1]),
        Unit("old", np.tile(one.values, (40, 1)), np.tile(one.settings, (40, 1))),
    ]
    estimate, quantiles = model.predict(state, odd)
    assert np.isfinite(estimate).all()
    assert np.isfinite(quantiles).all()


def test_it_learns_from_signals_that_say_nothing_and_from_units_of_one_row(model: ModuleType) -> None:
    rng = np.random.default_rng(0)
    lengths = [1, 1, 2, 9, 5, 7]
    silent = [Unit(f"u{i}", np.full((n, 2), 7.0), np.zeros((n, 0)), 0.0) for i, n in enumerate(lengths)]
    assert np.isfinite(model.predict(model.fit(silent, 0), silent)[1]).all()
    lost = [Unit(f"u{i}", np.full((30, 2), np.nan), np.zeros((30, 0)), float(rng.integers(9))) for i in range(4)]
    assert np.isfinite(model.predict(model.fit(lost, 0), lost)[1]).all()


def test_fewer_than_two_known_ends_and_units_of_another_width_are_refused_in_words(model: ModuleType) -> None:
    with pytest.raises(InputError, match="known end"):
        model.fit([Unit(u.id, u.values, u.settings) for u in SMALL[:4]] + SMALL[5:6], 0)
    with pytest.raises(InputError, match="none"):
        model.fit([], 0)
    state = fitted(model)
    with pytest.raises(InputError, match="channels"):
        model.predict(state, [Unit("thin", np.ones((5, 1)), np.zeros((5, 2)))])


def test_two_known_lives_are_enough_and_running_units_may_stand_beside_them(model: ModuleType) -> None:
    running = [Unit(f"run-{unit.id}", unit.values[:40], unit.settings[:40]) for unit in SMALL[3:]]
    state = model.fit([*SMALL[:2], *running], 0)
    assert np.isfinite(model.predict(state, running)[1]).all()


def test_it_beats_the_mean_where_wear_shows_under_changing_conditions_unless_it_is_the_mean(model: ModuleType) -> None:
    given = life_set(18, 12, conditions=3)
    truth = np.array([unit.left for unit in given.test])
    state = model.fit(given.train, 0)
    error = float(np.sqrt(np.mean((model.predict(state, given.test)[0] - truth) ** 2)))
    if model.NAME == "mean_life":
        assert error > 0.5 * truth.std()
        return
    mean = plug.load("learn.models.life", "mean_life")
    floor = float(np.sqrt(np.mean((mean.predict(mean.fit(given.train, 0), given.test)[0] - truth) ** 2)))
    assert error < 0.6 * floor
    assert life_fit.left_out(state).quantiles.shape[1] == len(LEVELS)


def test_one_life_that_outlasts_all_others_by_far_does_not_break_it(model: ModuleType) -> None:
    odd = [*SMALL[:4], Unit("rest", SMALL[5].values[:30], SMALL[5].settings[:30], 1e7)]
    estimate, quantiles = model.predict(model.fit(odd, 0), odd)
    assert np.isfinite(estimate).all()
    assert np.isfinite(quantiles).all()


def test_it_says_what_drives_an_estimate_signal_by_signal(model: ModuleType) -> None:
    from tests.learn.made_lives import SIGNALS

    parts = model.drivers(fitted(model), cut(SMALL[1], len(SMALL[1]) - 4), SIGNALS)
    assert {name for name, _ in parts} == {"heat", "flow", "speed", "hum", "age"}
    sizes = [abs(cycles) for _, cycles in parts]
    assert sizes == sorted(sizes, reverse=True)
    assert (sum(sizes) > 0) == (model.NAME != "mean_life")
