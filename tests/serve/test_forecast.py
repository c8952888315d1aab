"""The forecast service: the highest value and when, limits that will be passed, words where too little is known."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError
from loopwright.core.types import Event, Windows
from loopwright.serve.forecast import Settings, Told, decide, fold

MIN = 60 * NS_PER_S
START = 1_767_600_000 * NS_PER_S  # 2026-01-05 08:00:00 UTC
LEVELS = (0.1, 0.5, 0.9)


def heard(known: int = 60) -> Windows:
    """Two things, 60 minutes; of the second only the last `known` are known."""
    mask = np.ones((2, 60, 1), dtype=bool)
    mask[1, : 60 - known] = False
    return Windows(("mill-1", "mill-2"), np.full((2, 60, 1), 5.0), mask, START + MIN * np.arange(60), ("s.energy",), ("J",))


def told() -> Told:
    """Three steps: 5, 8, 6 with 2 below and 4 above, for both."""
    middle = np.array([5.0, 8.0, 6.0])
    rows = np.stack([middle - 2, middle, middle + 4], axis=1)
    return Told("seasonal_ridge", LEVELS, np.stack([rows, rows]), np.zeros((2, 3)))


NOW = START + 59 * MIN + 30 * NS_PER_S


def test_the_highest_value_and_its_time_are_told_with_the_interval() -> None:
    predictions, decisions, _ = decide(heard(), told(), {}, NOW, Settings())
    assert len(predictions) == 6
    assert [p.due_ns for p in predictions[:3]] == [START + 60 * MIN, START + 61 * MIN, START + 62 * MIN]
    assert predictions[1].quantiles == {0.1: 6.0, 0.9: 12.0}
    one = decisions[0]
    assert (one.value, one.low, one.high, one.unit, one.model) == (8.0, 6.0, 12.0, "J", "seasonal_ridge")
    assert "highest at 2026-01-05 09:01" in one.says
    assert "80 %" in one.says
    assert not one.action


def test_a_limit_that_will_be_passed_asks_somebody_to_look() -> None:
    """The median of the second step is 8: above 8 with probability 0.5, above 7 with more."""
    _, decisions, _ = decide(heard(), told(), {}, NOW, Settings(high={"mill-1": 7.0, "mill-2": 30.0}))
    assert decisions[0].action == "look at mill-1 before 2026-01-05 09:01"
    assert decisions[0].body["beyond"] == pytest.approx(1 - (0.1 + 0.4 * 0.5))
    assert decisions[1].action == ""
    assert decisions[1].body["beyond"] == pytest.approx(0.1)


def test_a_thing_of_which_too_little_is_known_gets_words() -> None:
    predictions, decisions, _ = decide(heard(known=10), told(), {}, NOW, Settings())
    assert {p.about for p in predictions} == {"mill-1"}
    assert "10 values" in decisions[1].abstains
    assert "48 are needed" in decisions[1].says


def test_the_same_step_is_told_once_and_the_state_comes_back_from_its_decisions() -> None:
    _, decisions, state = decide(heard(), told(), {}, NOW, Settings())
    again = decide(heard(), told(), state, NOW + NS_PER_S, Settings())
    assert again[:2] == ([], [])
    events = [Event("decision.made", d.id, NOW, "service:forecast", {"decision": dataclasses.asdict(d)}) for d in decisions]
    assert fold(events) == state


def test_what_is_already_past_is_not_predicted() -> None:
    predictions, _, _ = decide(heard(), told(), {}, START + 61 * MIN, Settings())
    assert {p.due_ns for p in predictions} == {START + 62 * MIN}


def test_a_forecast_that_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match=r"0\.5"):
        Told("m", (0.1, 0.9), np.zeros((1, 2, 2)), np.zeros((1, 2)))
    with pytest.raises(InputError, match="one a thing"):
        decide(heard(), Told("m", (0.5,), np.zeros((1, 2, 1)), np.zeros((1, 2))), {}, NOW, Settings())
    with pytest.raises(InputError, match="likely"):
        Settings(likely=1.5)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_a_forecast_that_is_no_number_is_refused(wrong: float) -> None:
    quantiles = told().quantiles.copy()
    quantiles[1, 2, 2] = wrong
    with pytest.raises(InputError, match="not finite"):
        Told("seasonal_ridge", LEVELS, quantiles, np.zeros((2, 3)))
