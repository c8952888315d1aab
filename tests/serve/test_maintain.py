"""Maintenance speaks about whole runs, names its evidence and its baseline, and sends nobody without reason."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from loopwright.core import kinds
from loopwright.core.types import Decision, Event, Model
from loopwright.serve.maintain import Settings, decide, fold

S = 10**9
CARD = Model("tool-wear/unsteadiness@12345678", "tool wear", (), 0, {}, {}, "1234", "0", "one mill only")


def said(probabilities: dict[str, float], better: bool = True) -> dict[str, Any]:
    verdict = "ours: 12 of 13 runs right" if better else "ours is not better than majority: 8 of 13 runs right"
    nested = {"accuracy": 12 / 13, "low": 0.64, "high": 0.998, "correct": 12, "of": 13}
    runs = {run: {"probability": p, "low": max(0.0, p - 0.1), "high": min(1.0, p + 0.1), "seen": False} for run, p in probabilities.items()}
    return {"model": CARD, "runs": runs, "evaluation": {
        "better_than_baseline": better, "verdict": verdict, "nested": nested, "baseline": {"name": "majority", "accuracy": 7 / 13}}}


def run(number: int, thing: str = "mill-1") -> dict[str, Any]:
    return {"run": f"{thing}/run-{number}", "thing": thing, "start_ns": number * 100 * S, "end_ns": (number * 100 + 50) * S}


def test_a_worn_tool_gives_a_decision_an_alarm_and_a_work_order() -> None:
    events, (decision,), state = decide([run(1)], said({"mill-1/run-1": 0.9}), {}, 999 * S, Settings(duration_s=1200))
    assert [e.kind for e in events] == ["alarm.raised", "workorder.opened"]
    for event in events:
        kinds.check(event)
    alarm, order = events
    assert {k: v for k, v in order.body.items() if k != "why"} == {
        "machine": "mill-1", "alarm": alarm.about, "condition": "tool worn", "duration_s": 1200, "start_ns": run(1)["end_ns"],
    }
    assert (decision.value, decision.low, decision.high, decision.unit) == (0.9, 0.8, 1.0, "1")
    assert decision.action == "change the tool of mill-1"
    assert decision.model == CARD.id
    assert {e.kind for e in decision.because} == {"points", "model"}
    assert decision.because[0].start_ns == run(1)["start_ns"]
    assert "12 of 13 runs right" in decision.says
    assert (decision.body["baseline"], decision.body["better_than_baseline"]) == ("majority", True)
    assert state["open"]["mill-1"]["workorder"] == order.about


def guessed(probabilities: dict[str, float], low: float = 0.07, high: float = 0.98) -> dict[str, Any]:
    prediction = said(probabilities)
    for judged in prediction["runs"].values():
        judged |= {"low": low, "high": high}
    return prediction


def test_a_judgement_whose_interval_says_nothing_asks_for_a_look_and_changes_no_tool() -> None:
    events, (decision,), state = decide([run(1)], guessed({"mill-1/run-1": 0.68}), {}, 999 * S, Settings(look_s=240))
    for event in events:
        kinds.check(event)
    alarm, order = events
    assert (alarm.kind, alarm.body["condition"], alarm.body["priority"]) == ("alarm.raised", "look at the tool", "low")
    assert (order.kind, order.body["duration_s"]) == ("workorder.opened", 240)
    assert order.body["why"].startswith("look at the tool: mill-1/run-1: the tool may be worn, which is a guess")
    assert decision.action == "look at the tool of mill-1"
    assert decision.body["guess"]
    assert "7% to 98%" in decision.says
    assert "looks worn" not in decision.says
    assert state["open"] == {}
    assert fold(recorded(events, [decision])) == state


@pytest.mark.parametrize(("low", "high", "guess"), [(0.49, 0.9, True), (0.5, 0.9, False), (0.51, 0.9, False)])
def test_what_holds_the_threshold_is_a_guess(low: float, high: float, guess: bool) -> None:
    _, (decision,), _ = decide([run(1)], guessed({"mill-1/run-1": 0.68}, low, high), {}, 0, Settings())
    assert decision.body["guess"] == guess
    assert decision.action == ("look at the tool of mill-1" if guess else "change the tool of mill-1")


def test_an_unworn_tool_whose_interval_says_nothing_is_a_guess_too_and_sends_nobody() -> None:
    events, (decision,), _ = decide([run(1)], guessed({"mill-1/run-1": 0.3}), {}, 0, Settings())
    assert (events, decision.action) == ([], "")
    assert "may be unworn, which is a guess" in decision.says


def test_a_guess_of_a_model_that_is_not_better_sends_nobody() -> None:
    prediction = said({"mill-1/run-1": 0.68}, better=False)
    prediction["runs"]["mill-1/run-1"] |= {"low": 0.07, "high": 0.98}
    events, (decision,), _ = decide([run(1)], prediction, {}, 0, Settings())
    assert (events, decision.action) == ([], "")


def test_while_a_look_is_open_a_second_guess_opens_nothing_and_a_tool_known_to_be_worn_is_changed() -> None:
    guess, sure = guessed({"mill-1/run-1": 0.68, "mill-1/run-2": 0.6}), said({"mill-1/run-3": 0.9})
    first, said_1, state = decide([run(1)], guess, {}, 10, Settings())
    nothing, said_2, state = decide([run(2)], guess, state, 20, Settings())
    assert nothing == []
    events, said_3, state = decide([run(3)], sure, state, 30, Settings())
    assert [(e.kind, e.body.get("condition")) for e in events] == [
        ("alarm.raised", "tool worn"), ("workorder.opened", "tool worn")]
    assert fold(recorded([*first, *events], [*said_1, *said_2, *said_3])) == state
    again, _, _ = decide([run(4)], guessed({"mill-1/run-4": 0.6}), state, 40, Settings())
    assert again == [], "the tool is going to be changed: nobody has to look at it"


def test_a_look_that_was_done_ends_with_the_next_run_whatever_that_one_says() -> None:
    first, said_1, _ = decide([run(1)], guessed({"mill-1/run-1": 0.68}), {}, 10, Settings())
    done = Event("workorder.done", first[1].about, 20, "operator", {"machine": "mill-1"})
    log = [*recorded(first, said_1), done]
    for prediction, kinds_ in (
        (said({"mill-1/run-2": 0.1}), ["alarm.cleared"]),
        (said({"mill-1/run-2": 0.9}), ["alarm.cleared", "alarm.raised", "workorder.opened"]),
        (guessed({"mill-1/run-2": 0.6}), ["alarm.cleared", "alarm.raised", "workorder.opened"]),
    ):
        events, decisions, state = decide([run(2)], prediction, fold(log), 30, Settings())
        assert [e.kind for e in events] == kinds_
        assert fold([*log, *recorded(events, decisions)]) == state


def test_an_unworn_tool_gives_a_decision_and_nothing_else() -> None:
    events, (decision,), _ = decide([run(1)], said({"mill-1/run-1": 0.2}), {}, 0, Settings())
    assert events == []
    assert "unworn" in decision.says
    assert decision.action == ""


def test_a_model_that_is_not_better_than_the_baseline_sends_nobody_and_says_so() -> None:
    events, (decision,), _ = decide([run(1)], said({"mill-1/run-1": 0.95}, better=False), {}, 0, Settings())
    assert events == []
    assert "not better than majority" in decision.says
    assert "nobody is sent" in decision.says


@pytest.mark.parametrize(
    ("prediction", "why"), [(None, "no model has been trained"), ({"abstains": "only 3 labelled runs"}, "only 3 labelled runs")]
)
def test_without_a_model_it_abstains(prediction: dict[str, Any] | None, why: str) -> None:
    events, (decision,), state = decide([run(1)], prediction, {}, 0, Settings())
    assert events == []
    assert decision.abstains == why
    assert state["decided"] == []  # it is judged once there is a model


def test_a_run_that_could_not_be_measured_is_abstained_about_once() -> None:
    _, (decision,), state = decide([run(1)], said({}), {}, 0, Settings())
    assert "too little cutting" in decision.abstains
    _, (nothing,), _ = decide([run(1)], said({}), state, 1, Settings())
    assert nothing.abstains == "no run has ended since"


def test_runs_are_judged_once_in_the_order_of_their_ends() -> None:
    prediction = said({f"mill-1/run-{i}": 0.1 for i in (1, 2, 3)})
    _, decisions, state = decide([run(3), run(1)], prediction, {}, 0, Settings())
    assert [d.about for d in decisions] == ["mill-1/run-1", "mill-1/run-3"]
    _, decisions, _ = decide([run(1), run(2), run(3)], prediction, state, 0, Settings())
    assert [d.about for d in decisions] == ["mill-1/run-2"]


def test_one_open_work_order_a_machine_is_enough() -> None:
    prediction = said({"mill-1/run-1": 0.9, "mill-1/run-2": 0.9, "mill-2/run-1": 0.9})
    events, decisions, _ = decide([run(1), run(2), run(1, "mill-2")], prediction, {}, 0, Settings())
    assert [e.body["machine"] for e in events if e.kind == "workorder.opened"] == ["mill-1", "mill-2"]
    assert len(decisions) == 3


def recorded(events: list[Event], decisions: list[Decision]) -> list[Event]:
    made = [Event("decision.made", d.id, d.made_ns, "service:maintain", {"decision": asdict(d)}) for d in decisions]
    return [*events, *made]


def test_when_the_tool_was_changed_and_the_next_run_looks_unworn_the_alarm_is_cleared() -> None:
    prediction = said({"mill-1/run-1": 0.9, "mill-1/run-2": 0.1, "mill-1/run-3": 0.8})
    log: list[Event] = []
    events, decisions, state = decide([run(1)], prediction, {}, 10, Settings())
    log += recorded(events, decisions)
    assert fold(log) == state
    log.append(Event("workorder.done", events[1].about, 20, "operator", {"machine": "mill-1"}))
    cleared, decisions, state = decide([run(2)], prediction, fold(log), 30, Settings())
    assert [(e.kind, e.about) for e in cleared] == [("alarm.cleared", events[0].about)]
    log += recorded(cleared, decisions)
    assert fold(log) == state
    events, _, _ = decide([run(3)], prediction, fold(log), 40, Settings())
    assert [e.kind for e in events] == ["alarm.raised", "workorder.opened"]


def test_worn_again_right_after_the_change_closes_the_old_alarm_and_raises_a_new_one() -> None:
    prediction = said({"mill-1/run-1": 0.9, "mill-1/run-2": 0.9})
    events, decisions, _ = decide([run(1)], prediction, {}, 10, Settings())
    log = [*recorded(events, decisions), Event("workorder.done", events[1].about, 20, "operator", {"machine": "mill-1"})]
    events, _, _ = decide([run(2)], prediction, fold(log), 30, Settings())
    assert [e.kind for e in events] == ["alarm.cleared", "alarm.raised", "workorder.opened"]


def test_recording_the_same_judgement_twice_is_the_same_event() -> None:
    prediction = said({"mill-1/run-1": 0.9})
    one, two = (decide([run(1)], prediction, {}, now_ns, Settings()) for now_ns in (1, 2))
    assert [e.key for e in one[0]] == [e.key for e in two[0]]
    assert one[1][0].id == two[1][0].id
