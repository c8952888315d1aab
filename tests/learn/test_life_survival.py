"""The survival model against references, lives that are still running, and what drives an estimate."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

from loopwright.core.errors import InputError
from loopwright.learn.lives import life_rows
from loopwright.learn.lives.units import Unit, cut
from loopwright.learn.models.life import kernel, ridge, survival
from tests.learn.made_lives import SIGNALS, fleet


def test_weibull_agrees_with_scipy_where_nothing_is_censored() -> None:
    stats = pytest.importorskip("scipy.stats")
    t = np.random.default_rng(0).weibull(1.7, 400) * 60.0
    theta, shape = survival.weibull(np.ones((400, 1)), np.log(t), np.ones(400, bool), 0.0)
    c, _, size = stats.weibull_min.fit(t, floc=0.0)
    assert shape == pytest.approx(c, rel=1e-3)
    assert np.exp(theta[-1] / shape) == pytest.approx(size, rel=1e-3)


def test_an_exponential_life_that_is_censored_has_the_rate_of_the_textbook() -> None:
    # with shape 1 the rate is events / time at risk; the shape is free here, so it is only near 1
    rng = np.random.default_rng(1)
    t, stop = rng.exponential(50.0, 4000), rng.exponential(50.0, 4000)
    theta, shape = survival.weibull(np.ones((4000, 1)), np.log(np.minimum(t, stop)), t <= stop, 0.0)
    assert shape == pytest.approx(1.0, abs=0.05)
    assert np.exp(theta[-1] / shape) == pytest.approx(np.minimum(t, stop).sum() / (t <= stop).sum(), rel=0.03)


def test_the_fit_is_a_maximum_of_the_penalised_likelihood() -> None:
    rng = np.random.default_rng(2)
    x = np.hstack([rng.normal(size=(300, 3)), np.ones((300, 1))])
    log_t = x @ [0.5, -0.3, 0.0, 3.0] + 0.4 * np.log(rng.exponential(size=300))
    ended = rng.random(300) < 0.7
    theta, shape = survival.weibull(x, log_t, ended, 2.0)

    def value(p: np.ndarray) -> float:
        z = p[-1] * log_t - x @ p[:-1]
        return float((ended * (np.log(p[-1]) + z) - np.exp(z)).sum() - (p[:3] ** 2).sum())

    p = np.append(theta, shape)
    for step in 1e-3 * np.eye(5):
        assert value(p) >= max(value(p + step), value(p - step))
    # three in ten ends are told as 'not yet' at the very moment: as if lives were 0.4 log(1 / 0.7) longer
    np.testing.assert_allclose(theta / shape, [0.5, -0.3, 0.0, 3.0 + 0.4 * np.log(1 / 0.7)], atol=0.12)


def test_lives_that_still_run_keep_it_from_expecting_too_early_an_end() -> None:
    known = fleet(6, seed=1, life=60.0)
    running = [Unit(f"run-{u.id}", u.values[:70], u.settings[:70]) for u in fleet(25, seed=2, life=150.0)]
    young = [cut(unit, 40) for unit in fleet(10, seed=3, life=150.0, prefix="young")]
    without = survival.predict(survival.fit(known, 0), young)[0].mean()
    within = survival.predict(survival.fit([*known, *running], 0), young)[0].mean()
    assert within > without


@pytest.mark.parametrize("model", [kernel, survival, ridge])
def test_what_drives_an_estimate_adds_up_and_names_the_sensors_that_move(model: ModuleType) -> None:
    units = fleet(15, life=120.0)
    state = model.fit(units, 0)
    old = cut(units[3], len(units[3]) - 8)
    parts = dict(model.drivers(state, old, SIGNALS))
    assert set(parts) == {"heat", "flow", "speed", "hum", "age"}, "the sensor that never moves drives nothing"
    worn = model.HOW.say(state["model"], life_rows.newest(state["frame"], [old]))[0]
    fresh = model.HOW.say(state["model"], state["fresh"][None])[0]
    assert sum(parts.values()) == pytest.approx(worn - fresh, rel=0.1)
    assert parts["heat"] + parts["flow"] < 0
    assert abs(parts["hum"]) < 0.5 * max(abs(parts["heat"]), abs(parts["flow"]))
    with pytest.raises(InputError, match="5, one for each"):
        model.drivers(state, old, SIGNALS[:2])
