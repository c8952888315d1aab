"""The alarm budget: how many alarms come, what one excursion is, and that only the past is looked at."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError
from loopwright.learn.detecting import budget

MINUTE_NS = 60 * NS_PER_S
MONTH = 30 * 24 * 60  # minutes


def poisson_interval(mean: float) -> tuple[int, int]:
    """The central 95 % of a Poisson count: its 2.5 % and 97.5 % points, summed from the definition."""
    total, k, points = 0.0, 0, []
    for share in (0.025, 0.975):
        while total < share:
            total += math.exp(k * math.log(mean) - mean - math.lgamma(k + 1))
            k += 1
        points.append(k - 1)
    return points[0], points[1]


def scores_of(kind: str, rows: int, things: int, seed: int) -> np.ndarray:
    """(rows, things) usual scores of detectors that differ in tail, scale and memory; nothing is anomalous."""
    random = np.random.default_rng(seed)
    noise = random.normal(size=(rows, things))
    if kind == "slow":  # what a score averaged over a window looks like
        for i in range(1, rows):
            noise[i] = 0.9 * noise[i - 1] + 0.436 * noise[i]
        noise = np.exp(noise)
    elif kind == "heavy":
        noise = random.standard_t(3, size=(rows, things))
    elif kind == "drifting":
        noise *= np.exp(np.linspace(0, 0.7, rows))[:, None]
    return np.abs(noise) * 10.0 ** random.uniform(-3, 3, size=things)


def replayed(past: np.ndarray, scores: np.ndarray, told: budget.Settings) -> list[budget.Alarm]:
    state, out = budget.calibrate(past, told), []
    for i, row in enumerate(scores):
        state, alarms = budget.step(state, i * MINUTE_NS, row, told)
        out += alarms
    return out


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["slow", "heavy", "drifting"])
def test_a_month_of_replayed_scores_brings_the_alarms_that_were_allowed(kind: str) -> None:
    told = budget.Settings(per_day=1.0, step_s=60.0, hold_s=600.0)
    scores = scores_of(kind, MONTH + 3 * 1440, 4, 0)
    low, high = poisson_interval(30.0)
    assert low <= len(replayed(scores[: 3 * 1440], scores[3 * 1440 :], told)) <= high


@pytest.mark.slow
def test_four_hundred_alarms_are_met_within_a_fifth() -> None:
    told = budget.Settings(per_day=15.0, step_s=60.0, hold_s=600.0)
    scores = scores_of("heavy", MONTH + 1440, 10, 1)
    assert abs(len(replayed(scores[:1440], scores[1440:], told)) - 450) < 0.2 * 450


def test_the_interval_of_thirty_is_that_of_the_tables() -> None:
    assert poisson_interval(30.0) == (20, 41)  # Poisson 2.5 % and 97.5 % points, e.g. R's qpois


def test_one_excursion_is_one_alarm_however_it_chatters() -> None:
    random = np.random.default_rng(2)
    past = np.abs(random.normal(size=(2000, 1)))
    scores = np.abs(random.normal(size=(400, 1)))
    scores[100:200] = np.where(np.arange(100)[:, None] % 3 == 0, 2.0, 50.0)  # below the threshold every third minute
    told = budget.Settings(per_day=0.01, step_s=60.0, hold_s=600.0)
    alarms = replayed(past, scores, told)
    assert [alarm.t_ns for alarm in alarms] == [101 * MINUTE_NS]


def test_an_excursion_ends_although_the_threshold_has_fallen_meanwhile() -> None:
    told = budget.Settings(per_day=100.0, step_s=60.0, hold_s=600.0)
    past = np.exp(np.random.default_rng(9).normal(size=500))
    scores = np.concatenate((np.full(1500, 200.0), np.full(100, float(np.quantile(past, 0.5)))))[:, None]
    state = budget.calibrate(past, told)
    for i, row in enumerate(scores):
        state, _ = budget.step(state, i * MINUTE_NS, row, told)
        assert state.active[0] or not 0 < i < 1000
    assert state.threshold < 2.0
    assert not state.active[0]


def test_two_excursions_with_calm_between_them_are_two_alarms() -> None:
    random = np.random.default_rng(3)
    past, scores = np.abs(random.normal(size=(2000, 2))), np.abs(random.normal(size=(300, 2)))
    scores[100:110, 1] = 1e3
    scores[200:210, 1] = 1e3
    alarms = replayed(past, scores, budget.Settings(per_day=0.01, step_s=60.0, hold_s=600.0))
    assert [(alarm.thing, alarm.t_ns // MINUTE_NS) for alarm in alarms] == [(1, 100), (1, 200)]
    assert all(alarm.surprise >= alarm.threshold for alarm in alarms)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), scale=st.floats(-9, 9))
def test_the_scale_of_a_detector_does_not_matter(seed: int, scale: float) -> None:
    random = np.random.default_rng(seed)
    past, scores = np.exp(random.normal(size=(300, 2))), np.exp(random.normal(size=(200, 2)))
    told = budget.Settings(per_day=20.0, step_s=60.0, hold_s=120.0)
    plain = [(a.thing, a.t_ns) for a in replayed(past, scores, told)]
    scaled = [(a.thing, a.t_ns) for a in replayed(past * 10**scale, scores * 10**scale, told)]
    assert scaled == plain


def test_what_is_still_to_come_changes_no_alarm_before_it() -> None:
    random = np.random.default_rng(4)
    past, scores = np.exp(random.normal(size=(500, 3))), np.exp(random.normal(size=(500, 3)))
    other = scores.copy()
    other[300:] *= 100
    told = budget.Settings(per_day=50.0, step_s=60.0, hold_s=60.0)
    before = [a for a in replayed(past, scores, told) if a.t_ns < 300 * MINUTE_NS]
    assert before == [a for a in replayed(past, other, told) if a.t_ns < 300 * MINUTE_NS]
    assert before


def test_alarms_that_people_confirmed_are_given_back() -> None:
    told = budget.Settings()
    state = budget.calibrate(np.exp(np.random.default_rng(5).normal(size=100)), told)
    kept, _ = budget.step(state, 0, np.array([1e9]), told)
    given_back, _ = budget.step(state, 0, np.array([1e9]), told, confirmed=1)
    assert kept.alarms == 1
    np.testing.assert_allclose(kept.threshold - given_back.threshold, budget.GAIN)


def test_times_that_stand_still_or_go_back_give_no_budget() -> None:
    told = budget.Settings(per_day=24.0, step_s=60.0)
    state = budget.calibrate(np.exp(np.random.default_rng(6).normal(size=100)), told)
    state, _ = budget.step(state, 10 * MINUTE_NS, np.array([1.0]), told)
    for t_ns in (10 * MINUTE_NS, 3 * MINUTE_NS, 10 * MINUTE_NS):
        state, _ = budget.step(state, t_ns, np.array([1.0]), told)
    np.testing.assert_allclose(state.allowed, 24.0 / 1440)
    assert state.t_ns == 10 * MINUTE_NS


def test_missing_infinite_and_constant_scores_raise_nothing_or_one_alarm() -> None:
    told = budget.Settings(per_day=1.0, step_s=60.0)
    state = budget.calibrate(np.zeros((50, 3)), told)
    state, none = budget.step(state, 0, np.array([np.nan, 0.0, 0.0]), told)
    state, one = budget.step(state, MINUTE_NS, np.array([np.nan, 0.0, np.inf]), told)
    assert none == []
    assert [alarm.thing for alarm in one] == [2]
    assert np.isfinite(state.q99).all()


def test_the_threshold_for_few_scores_lies_beyond_them_and_for_many_is_their_quantile() -> None:
    random = np.random.default_rng(7)
    many = np.exp(random.exponential(size=100_000))  # log scores exponential: share above t is 1 / t
    np.testing.assert_allclose(budget.tail_point(many, 0.01), 100.0, rtol=0.1)
    few = many[:200]
    assert 250.0 < budget.tail_point(few, 0.001) < 4000.0
    assert budget.tail_point(np.array([3.0]), 0.01) == pytest.approx(3.0)


def test_what_cannot_be_calibrated_is_said() -> None:
    with pytest.raises(InputError, match="at least 20"):
        budget.calibrate(np.ones(5), budget.Settings())
    with pytest.raises(InputError, match="per_day"):
        budget.Settings(per_day=0.0)
    with pytest.raises(InputError, match="calibrated with"):
        budget.step(budget.calibrate(np.ones(50), budget.Settings()), 0, np.ones(2), budget.Settings())
    with pytest.raises(InputError, match="rate"):
        budget.tail_point(np.ones(5), 0.0)
