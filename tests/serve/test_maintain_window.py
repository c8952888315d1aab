"""The window of maintenance: the cheapest time by two costs, checked by brute force, and asked once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopwright.core import kinds
from loopwright.core.errors import InputError
from loopwright.core.types import Event
from loopwright.serve.maintain import Ask, Life, decide, fold, window
from loopwright.serve.maintain import Settings as WearSettings
from loopwright.serve.maintain.lifetime import best, expected_costs, samples

S = 10**9
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
LIFE = Life("mill-1", LEVELS, (40.0, 55.0, 60.0, 70.0, 90.0), cycle_s=60.0, model="life/kernel@1", estimate=61.0)


def test_the_expected_cost_is_the_mean_over_the_lives_by_hand() -> None:
    lives = np.array([10.0, 20.0, 40.0])
    # after 15 cycles: one has failed (100), the others lose 5 and 25 cycles at 2 each: (100 + 60) / 3
    assert expected_costs(lives, np.array([15.0]), 2.0, 100.0)[0] == pytest.approx(160 / 3)
    # now: nothing fails, all of life is lost: 2 (10 + 20 + 40) / 3
    assert expected_costs(lives, np.array([0.0]), 2.0, 100.0)[0] == pytest.approx(140 / 3)
    assert best(lives, 2.0, 100.0)[1] == 10.0  # (20 + 60) / 3, less than at 0, 20 (100 + 40) and 40 (200)


@given(st.lists(st.floats(0, 300), min_size=1, max_size=25), st.floats(0, 10), st.floats(0.1, 1000))
def test_the_best_time_costs_no_more_than_any_other(lives: list[float], early: float, late: float) -> None:
    grown = np.sort(np.array(lives))

    def cost(t: float) -> float:
        return float(np.mean([late if life < t else early * (life - t) for life in grown]))

    first, middle, last, least = best(grown, early, late)
    assert first <= middle <= last
    assert least == pytest.approx(cost(middle), abs=1e-6)
    assert least <= min(cost(t) for t in np.linspace(0, 310, 400)) + 1e-6
    assert cost(first) <= least * 1.1 + 1e-6
    assert cost(last) <= least * 1.1 + 1e-6


def test_the_dearer_a_failure_the_sooner_the_work() -> None:
    lives = samples(LEVELS, LIFE.quantiles)
    times = [best(lives, 1.0, late)[1] for late in (1.0, 100.0, 1000.0, 100_000.0)]
    assert times == sorted(times, reverse=True)
    assert times[0] > 80
    assert times[-1] < 40


def test_samples_have_the_quantiles_that_were_given() -> None:
    lives = samples(LEVELS, LIFE.quantiles)
    np.testing.assert_allclose(np.quantile(lives, LEVELS), LIFE.quantiles, atol=0.2)
    assert lives[0] >= 0
    assert (np.diff(lives) >= 0).all()


def test_a_work_order_holds_its_window_and_the_decision_its_reason() -> None:
    events, (decision,) = window(LIFE, Ask(early=1.0, late=500.0, duration_s=1800), {}, 1000 * S)
    assert [event.kind for event in events] == ["alarm.raised", "workorder.opened"]
    for event in events:
        kinds.check(event)
    order = events[1].body
    assert order["duration_s"] == 1800
    assert 1000 * S <= order["start_ns"] <= decision.body["best_ns"] <= order["latest_ns"]
    assert order["latest_ns"] < 1000 * S + 60 * 60 * S, "before half of such units have failed"
    assert (decision.value, decision.low, decision.high) == (61.0, 40.0, 90.0)
    assert "cost" in decision.says
    assert decision.because[0].ref == "life/kernel@1"


def test_it_is_asked_once_until_the_work_is_done_and_the_alarm_is_cleared_then() -> None:
    ask = Ask(1.0, 500.0)
    events, _ = window(LIFE, ask, {}, 0)
    state = fold(events)
    assert window(LIFE, ask, state, 60 * S)[0] == []
    done = Event("workorder.done", events[1].about, 90 * S, "shop", {"machine": "mill-1"})
    again, _ = window(LIFE, ask, fold([*events, done]), 100 * S)
    assert [event.kind for event in again] == ["alarm.cleared", "alarm.raised", "workorder.opened"]
    _, _, kept = decide((), None, state, 0, WearSettings())
    assert kept["life"] == state["life"], "what is asked about a tool forgets nothing about a life"


def test_a_window_that_opens_late_is_told_and_not_yet_asked() -> None:
    far = Life("mill-1", LEVELS, (4000.0, 5000.0, 6000.0, 7000.0, 9000.0), cycle_s=3600.0)
    events, (decision,) = window(far, Ask(1.0, 10.0), {}, 0)
    assert events == []
    assert decision.action == ""
    assert decision.body["start_ns"] > 14 * 86_400 * S


def test_without_a_prediction_it_abstains_with_the_reason() -> None:
    events, (decision,) = window(Life("mill-1", (), (), abstains="two lives are known, three are needed"), Ask(1.0, 1.0), {}, 0)
    assert events == []
    assert "three are needed" in decision.abstains


@pytest.mark.parametrize("costs", [(-1.0, 5.0), (0.0, 0.0), (float("nan"), 1.0), (1.0, float("inf"))])
def test_costs_that_are_none_are_refused(costs: tuple[float, float]) -> None:
    with pytest.raises(InputError, match="early"):
        Ask(*costs)


@pytest.mark.parametrize("quantiles", [(1.0, 2.0), (5.0, 4.0, 3.0, 2.0, 1.0), (float("nan"),) * 5, (-1.0, 0.0, 1.0, 2.0, 3.0)])
def test_quantiles_that_are_none_are_refused(quantiles: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="quantiles"):
        samples(LEVELS, quantiles)


def test_a_life_that_is_over_asks_for_work_now() -> None:
    over = Life("mill-1", LEVELS, (0.0,) * 5)
    events, (decision,) = window(over, Ask(1.0, 10.0), {}, 7 * S)
    assert decision.body["start_ns"] == 7 * S
    assert len(events) == 2
