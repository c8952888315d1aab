"""How surprising the things of a kind are: the same together as alone, judged only where something is known, and with as
many false alarms as were allowed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError
from loopwright.learn.detecting import surprise
from loopwright.learn.detecting.surprise import Look, Settings, State, start, step

QUICK = Settings(per_day=1.0, step_s=60.0, warm=16, past=44)  # an hour of learning is 60 steps
RARE = Settings(per_day=1e-6, step_s=60.0, warm=16, past=44)  # so that no alarm changes what is followed
KNOWN = QUICK.warm + 60


def looks(values: np.ndarray, rules: Settings = QUICK, regime: np.ndarray | None = None, regimes: int = 1) -> tuple[list[Look], State]:
    """What each step of values (T, B, C) finds; NaN is missing."""
    state = start(values.shape[1], values.shape[2], rules, regimes)
    found = []
    for t, row in enumerate(values):
        look, state = step(state, row, np.isfinite(row), None if regime is None else regime[t], t * NS_PER_S, rules)
        found.append(look)
    return found, state


def noise(steps: int, things: int = 2, signals: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((steps, things, signals))


def test_a_thing_is_as_surprising_among_others_as_alone() -> None:
    values = noise(200, things=4)
    values[np.random.default_rng(1).random(values.shape) < 0.1] = np.nan
    values[150, 2, 1] = 40.0
    together, _ = looks(values, RARE)
    for thing in range(4):
        alone, _ = looks(values[:, thing:thing + 1], RARE)
        own = 130  # before, a thing is judged by the range of its kind
        assert [look.nats[thing] for look in together[own:]] == [look.nats[0] for look in alone[own:]]


def test_a_thing_in_a_regime_is_as_surprising_as_one_that_was_never_in_another() -> None:
    values, regime = noise(300, things=1, seed=2), np.repeat([[1], [0]], 150, axis=0)
    values[regime[:, 0] == 1] += 100.0
    mixed, _ = looks(values, RARE, regime, 2)
    alone, _ = looks(values[regime[:, 0] == 1], RARE)
    assert [look.nats[0] for look in mixed[:150]] == [look.nats[0] for look in alone]


def test_what_is_usual_in_one_regime_is_an_alarm_in_another() -> None:
    values, regime = noise(400, things=1, seed=4), np.tile([[0], [1]], (200, 1))
    values[1::2] += 30.0
    values[399] = values[398] + 30.0
    regime[399] = 0
    found, _ = looks(values, regime=regime, regimes=2)
    assert [look.begins == [] for look in found] == [True] * 399 + [False]


def test_the_signal_that_is_off_comes_first_with_its_share() -> None:
    values = noise(KNOWN + 100, seed=5)
    values[-1, 1, 2] = 60.0
    found, _ = looks(values)
    (alarm,) = found[-1].begins
    assert (alarm.thing, alarm.t_ns) == (1, (KNOWN + 99) * NS_PER_S)
    ranking = surprise.shares(found[-1].parts[1])
    assert ranking[0][0] == 2
    assert ranking[0][1] > 0.9
    assert sum(share for _, share in ranking) == pytest.approx(1.0)


def test_nothing_is_judged_before_enough_of_it_is_known() -> None:
    """Sixty-four values of its kind, or five minutes of them where that is more."""
    values = noise(KNOWN + 1, things=1, seed=6)
    values[63] = 1e6
    found, _ = looks(values)
    assert [bool(look.judged[0]) for look in found] == [False] * 64 + [True] * (KNOWN - 63)
    assert found[63].begins == []
    slow, _ = looks(values, Settings(step_s=1.0, warm=16, past=44))
    assert not any(look.judged.any() for look in slow)


def test_a_jump_is_seen_early_by_the_range_of_the_kind_and_a_slow_drift_is_not_a_jump() -> None:
    """By hand: 4 machines x 20 rows, range 0 to 1; a value of 4 lies three ranges outside, so ln(80) * 4 nats."""
    quick = Settings(step_s=10.0, per_day=1.0)
    rows = np.tile(np.linspace(0.0, 1.0, 4)[:, None], (20, 1, 1)) + np.zeros((20, 4, 1))
    rows[1::2] = rows[1::2, ::-1]  # each machine moves
    _, state = looks(np.concatenate((rows, np.full((1, 4, 1), 0.5))), quick)
    look, _ = step(state, np.array([[0.4], [0.4], [4.0], [0.4]]), np.ones((4, 1), dtype=bool), None, 10**12, quick)
    np.testing.assert_allclose(look.nats[2], np.log(84) * 4.0)
    assert [alarm.thing for alarm in look.begins] == [2]
    assert look.nats[0] == 0.0
    drift = np.arange(400.0)[:, None, None] + 0.1 * noise(400, 1, 1, 7)
    assert not any(look.begins for look in looks(drift, quick)[0])


def test_it_says_what_is_known_of_each_signal_and_how_much_more_it_needs() -> None:
    values = noise(KNOWN + 40, things=1, signals=3, seed=12)
    values[:-30, 0, 1] = np.nan
    values[:, 0, 2] = np.nan
    _, state = looks(values)
    found = surprise.standing(state, 0, QUICK)
    assert [one.word for one in found] == ["judged", "learning", "said nothing"]
    assert [one.rows for one in found] == [0, 64 - 30, 64]
    assert found[1].own == QUICK.past - (30 - QUICK.warm)
    _, state = looks(values[:70])
    assert surprise.standing(state, 0, QUICK)[0].word == "judged by the range of its kind"


def test_a_regime_is_judged_once_it_was_visited_twenty_times() -> None:
    """By hand: ten rows a visit of the first regime, and one of the other between them."""
    regime = np.tile([[0]] * 10 + [[1]], (40, 1))
    found, _ = looks(noise(len(regime), things=1, seed=20), Settings(step_s=0.001, warm=16, past=44), regime, 2)
    judged = [t for t, look in enumerate(found) if look.judged[0]]
    assert judged[0] == 19 * 11 + 1  # the second row of the twentieth visit: the first ends the learning
    assert {int(regime[t, 0]) for t in judged} == {0}


def test_a_signal_that_never_moves_is_never_judged_and_hides_no_other() -> None:
    values = noise(KNOWN + 50, things=1, signals=2, seed=7)
    values[:, 0, 0] = 5.0
    values[-1, 0] = 6.0, 50.0
    found, _ = looks(values)
    assert found[-1].begins
    assert surprise.shares(found[-1].parts[0])[0][0] == 1
    assert surprise.known(looks(values[:-1])[1], QUICK)[0] == 0.5


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_passed_over(wrong: float) -> None:
    values = noise(KNOWN + 30, things=1, seed=8)
    values[KNOWN + 10:, 0, 0] = wrong
    state = start(1, 3, QUICK)
    for t, row in enumerate(values):
        look, state = step(state, row, np.ones_like(row, dtype=bool), None, t * NS_PER_S, QUICK)
        assert np.isfinite(look.nats).all()
        assert np.isfinite(look.parts).all()
    assert look.judged[0]


def test_a_step_in_which_nothing_was_said_changes_nothing_and_uses_no_budget() -> None:
    _, state = looks(noise(KNOWN + 10, seed=9))
    look, after = step(state, np.full((2, 3), np.nan), np.zeros((2, 3), dtype=bool), None, 10**18, QUICK)
    assert after is state
    assert not look.judged.any()


def test_a_regime_that_is_not_among_them_is_not_judged() -> None:
    values = noise(KNOWN * 2, things=1, seed=10)
    regime = np.full((len(values), 1), -1)
    found, _ = looks(values, regime=regime, regimes=2)
    assert not any(look.judged.any() for look in found)


@pytest.mark.slow
def test_what_comes_again_and_again_is_soon_no_news() -> None:
    values = noise(6000, things=1, signals=1, seed=11)
    values[::200] = 1e4
    found, state = looks(values, Settings(step_s=60.0, warm=16, past=44, hold_s=600.0))
    assert 1 <= state.budget.alarms <= 8  # of 29 that were as far off
    assert sum(bool(look.begins) for look in found[4000::200]) <= 1  # of ten; a day allows one of something


def test_a_wrong_shape_and_a_missing_regime_are_refused() -> None:
    state = start(2, 3, QUICK)
    with pytest.raises(InputError, match=r"\(2, 3\) and 1 regimes"):
        step(state, np.zeros((3, 2)), np.ones((3, 2), dtype=bool), None, 0, QUICK)
    with pytest.raises(InputError, match="no regime"):
        step(start(2, 3, QUICK, 2), np.zeros((2, 3)), np.ones((2, 3), dtype=bool), None, 0, QUICK)
    with pytest.raises(InputError, match="at least one"):
        start(2, 3, QUICK, 0)


JUNK = st.sampled_from([0.0, 1.0, -1.0, 1e300, -1e300, 1e-300, np.nan, np.inf, 5.0, 5.5])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(JUNK, JUNK, st.integers(-1, 2), st.integers(-5, 5)), min_size=1, max_size=60))
def test_whatever_comes_in_whatever_order_of_time_nothing_is_ever_no_number(rows: list[tuple[float, float, int, int]]) -> None:
    quick = Settings(step_s=3600.0, warm=2, past=2)
    state = start(1, 2, quick, 2)
    for first, second, code, t in rows:
        look, state = step(state, np.array([[first, second]]), np.ones((1, 2), dtype=bool), np.array([code]), t * NS_PER_S, quick)
        assert np.isfinite(look.nats).all()
        assert np.isfinite(look.parts).all()
        assert np.isfinite(state.q99).all()
        assert np.isfinite(look.threshold)


def spikes(rng: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Student's t of 4 degrees of freedom: tails far heavier than those of noise."""
    return rng.standard_t(4, shape)


@pytest.mark.slow
@pytest.mark.parametrize("draw", [lambda rng, shape: rng.standard_normal(shape), spikes], ids=["normal", "heavy tails"])
def test_the_budget_of_false_alarms_holds_once_days_were_learned_from(draw: Any) -> None:
    """20 things of 2 signals every two minutes: 6 alarms a day allowed are 120 in 20 days; a Poisson count lies within 99 to 143
    in 95 of 100 such times (tables of the Poisson distribution)."""
    rules = Settings(per_day=6.0, step_s=120.0, hold_s=300.0)
    rng, state, begun = np.random.default_rng(12), start(20, 2, rules), []
    for t in range(25 * 720):
        look, state = step(state, draw(rng, (20, 2)), np.ones((20, 2), dtype=bool), None, t * 120 * NS_PER_S, rules)
        begun += [t] * len(look.begins)
    assert 99 <= sum(t >= 5 * 720 for t in begun) <= 143
