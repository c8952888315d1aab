"""The alarm budget: how many alarms come, what one excursion is, and that only the past is looked at."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError, UnknownName
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
    t = np.arange(rows)[:, None]
    if "heavy" in kind:
        noise = random.standard_t(2.5, size=(rows, things))
    if "slow" in kind:  # autoregressive: 0.99 is a memory of a hundred steps
        rho = 0.999 if kind == "slower" else 0.99
        for i in range(1, rows):
            noise[i] = rho * noise[i - 1] + math.sqrt(1.0 - rho * rho) * noise[i]
    if "averaged" in kind:  # what a detector of windows gives: a mean of 64 surprises, and a mean of such means
        noise = np.square(noise)
        for _ in range(2 if "twice" in kind else 1):
            total = np.cumsum(np.vstack((np.repeat(noise[:1], 64, axis=0), noise)), axis=0)
            noise = (total[64:] - total[:-64]) / 64.0
        noise = np.log(noise)
    if "seasonal" in kind:
        noise = noise + 1.5 * np.sin(2 * np.pi * t / 144)
    if "drifting" in kind:
        noise = noise + np.linspace(0, 0.7, rows)[:, None]
    if kind not in ("heavy", "normal"):
        noise = np.exp(noise)
    return np.abs(noise) * 10.0 ** random.uniform(-3, 3, size=things)


def replayed(past: np.ndarray, scores: np.ndarray, told: budget.Settings) -> list[budget.Alarm]:
    state, out = budget.calibrate(past, told), []
    for i, row in enumerate(scores):
        state, alarms = budget.step(state, i * MINUTE_NS, row, told)
        out += alarms
    return out


SLOW = ("slow", "slower", "averaged", "twice averaged", "heavy", "slow and heavy", "drifting", "drifting and slow", "seasonal", "seasonal and slow")


def tens(kind: str, things: int, seed: int, days: int = 33) -> np.ndarray:
    """(144 days, things) usual scores, one in ten minutes."""
    return scores_of(kind, 144 * days, things, seed)


def month_of(kind: str, per_day: float, things: int, seed: int) -> int:
    """Alarms of thirty days, after three days of past."""
    told = budget.Settings(per_day=per_day, step_s=600.0)
    scores = tens(kind, things, seed)
    state, count = budget.calibrate(scores[:432], told), 0
    for i, row in enumerate(scores[432:]):
        state, alarms = budget.step(state, i * 10 * MINUTE_NS, row, told)
        count += len(alarms)
    return count


@pytest.mark.slow
@pytest.mark.parametrize("kind", SLOW)
def test_a_month_of_scores_that_change_slowly_brings_the_alarms_that_were_allowed(kind: str) -> None:
    """One thing, five a day: a score that wanders over days has fewer excursions than that, and meets the budget all the same."""
    low, high = poisson_interval(150.0)
    assert low <= month_of(kind, 5.0, 1, 11) <= high


@pytest.mark.parametrize("kind", ["slow", "twice averaged"])
def test_one_a_day_of_one_slow_score_is_met_too(kind: str) -> None:
    low, high = poisson_interval(30.0)
    assert low <= month_of(kind, 1.0, 1, 11) <= high


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["slow", "twice averaged", "heavy", "seasonal and slow"])
def test_four_hundred_alarms_are_met_within_a_fifth_however_slow_the_scores(kind: str) -> None:
    assert abs(month_of(kind, 15.0, 10, 12) - 450) < 0.2 * 450


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["slower", "drifting and slow", "slow and heavy", "seasonal"])
def test_twenty_things_share_one_budget(kind: str) -> None:
    low, high = poisson_interval(30.0)
    assert low <= month_of(kind, 1.0, 20, 13) <= high


def test_a_threshold_that_begins_far_too_high_reaches_the_budget_within_days() -> None:
    told, scores = budget.Settings(per_day=2.0, step_s=600.0), tens("slow", 1, 14)
    state = replace(budget.calibrate(scores[:432], told), level=30.0)
    begun = []
    for i, row in enumerate(scores[432:]):
        state, alarms = budget.step(state, i * 10 * MINUTE_NS, row, told)
        begun += [i // 144] * len(alarms)
    assert min(begun) <= 8  # thirty nats at two a day would take fifteen days
    low, high = poisson_interval(40.0)
    assert low <= sum(day >= 10 for day in begun) <= high


@pytest.mark.slow
def test_a_long_silence_does_not_save_up_more_than_a_handful_of_alarms() -> None:
    """Scores that stand still for a month, then live again: what comes in the month after stays near what that month allows."""
    told, scores = budget.Settings(per_day=1.0, step_s=600.0), tens("heavy", 1, 15, 33)
    state, count = budget.calibrate(scores[:432], told), 0
    for i in range(30 * 144):
        state, alarms = budget.step(state, i * 10 * MINUTE_NS, np.array([float(np.median(scores[:432]))]), told)
        count += len(alarms)
    assert count <= 41
    before = state.alarms
    for i, row in enumerate(scores[432:], 30 * 144):
        state, _ = budget.step(state, i * 10 * MINUTE_NS, row, told)
    assert state.alarms - before <= 30 + 11


def test_the_count_is_what_the_level_says() -> None:
    """The identity of the docs: alarms - allowed = (u_end - u_start) / GAIN, where nothing hurried and no bound was met."""
    told, scores = budget.Settings(per_day=5.0, step_s=600.0), tens("heavy", 3, 16, 10)
    state = began = budget.calibrate(scores[:432], told)
    rows = 0
    for i, row in enumerate(scores[432:]):
        after, _ = budget.step(state, i * 10 * MINUTE_NS, row, told)
        if after.silent > budget.PATIENCE:
            break
        state, rows = after, i
    assert rows > 144
    np.testing.assert_allclose(state.alarms - state.allowed, (state.level - began.level) / budget.GAIN)


def test_a_verdict_of_true_gives_the_alarm_back_and_taking_it_back_charges_it_again() -> None:
    state = replace(budget.calibrate(np.exp(np.random.default_rng(5).normal(size=(100, 2))), budget.Settings()), level=7.0)
    yes = budget.told(state, 0, "", "true")
    assert (yes.level, yes.confirmed) == (6.0, 1)
    assert budget.told(yes, 0, "true", "true").level == 6.0
    no = budget.told(yes, 0, "true", "false")
    assert (no.level, no.confirmed, no.wrong.tolist(), no.right.tolist()) == (7.0, 0, [1, 0], [0, 0])
    assert budget.told(no, 0, "false", "unknown").wrong.tolist() == [0, 0]
    np.testing.assert_allclose(budget.shy(no), [math.log(2.0), 0.0])  # by hand: ln((1 + 1) / (0 + 1))
    with pytest.raises(UnknownName, match="'tru'"):
        budget.told(state, 0, "", "tru")
    with pytest.raises(InputError, match="thing 2"):
        budget.told(state, 2, "", "true")


def test_a_thing_whose_alarms_people_call_false_gets_fewer_of_them_and_the_others_the_rest() -> None:
    told_, scores = budget.Settings(per_day=6.0, step_s=600.0), tens("heavy", 2, 21)
    state, found = budget.calibrate(scores[:432], told_), [0, 0]
    for i, row in enumerate(scores[432:]):
        state, alarms = budget.step(state, i * 10 * MINUTE_NS, row, told_)
        for alarm in alarms:
            found[alarm.thing] += 1
            if alarm.thing == 0:
                state = budget.told(state, 0, "", "false")
    low, high = poisson_interval(180.0)
    assert low <= sum(found) <= high
    assert found[0] < found[1] / 3  # three nats and more: alarms e^-3 times as often


def test_alarms_that_were_true_leave_the_whole_budget_to_false_ones() -> None:
    """Thirty days with a fault every other day that people confirm: the false ones are still those of thirty days."""
    told_, scores = budget.Settings(per_day=2.0, step_s=600.0), tens("heavy", 2, 22)
    state, false, true = budget.calibrate(scores[:432], told_), 0, 0
    for i, row in enumerate(scores[432:]):
        faulty = i % 288 == 200
        state, alarms = budget.step(state, i * 10 * MINUTE_NS, np.where([faulty, False], 1e9, row), told_)
        for alarm in alarms:
            real = faulty and alarm.thing == 0
            true, false = true + real, false + (not real)
            state = budget.told(state, alarm.thing, "", "true") if real else state
    assert true >= 13  # of fifteen
    low, high = poisson_interval(60.0)
    assert low <= false <= high


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
    told = budget.Settings(per_day=2.0, step_s=60.0, hold_s=600.0)
    past = np.exp(np.random.default_rng(9).normal(size=2000))
    scores = np.concatenate((np.full(1000, 200.0), np.full(100, float(np.quantile(past, 0.5)))))[:, None]
    state, began = budget.calibrate(past, told), 0.0
    for i, row in enumerate(scores):
        state, _ = budget.step(state, i * MINUTE_NS, row, told)
        assert state.active[0] or i >= 1000
        began = max(began, state.threshold)
    assert state.threshold < began - 1.0
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
    np.testing.assert_allclose(kept.level - given_back.level, budget.GAIN)


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
    assert np.isfinite(state.points).all()


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
