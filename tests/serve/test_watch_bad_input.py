"""The watch is handed what should not be: times that go back and repeat, no numbers, ten thousand channels, a state that is not one."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from loopwright.core import kinds
from loopwright.core.errors import InputError
from loopwright.core.types import POINTS, Event
from loopwright.serve.watch import Anomaly, Channel, Escalation, Limit, Seen, Settings, decide, fold, life, state_of
from loopwright.serve.watch.life import quiet_event

S = 10**9
T0 = 1_767_600_000 * S
HOT = Limit("hot", "s.temperature", high=80.0, deadband=5.0)
RULES = Settings(silent_s={"mill-1": 60.0}, since_ns=T0, limits=(HOT,), escalate=Escalation(600.0))


def points(rows: list[tuple[int, float]], thing: str = "mill-1") -> pa.Table:
    """POINTS of (seconds, value)."""
    return pa.Table.from_pylist(
        [{"thing": thing, "signal": "s.temperature", "t_ns": T0 + at * S, "n": 0, "value": value, "code": None, "quality": 0,
          "known_ns": T0 + max(at, 0) * S, "assumed": False} for at, value in rows], schema=POINTS)


VALUES = st.sampled_from([70.0, 79.0, 90.0, float("nan"), float("inf"), float("-inf"), 1e308, -1e308, 0.0])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.lists(st.tuples(st.integers(-100, 100), VALUES), max_size=6), st.integers(-1000, 1000)), max_size=8))
def test_times_that_go_back_and_what_is_no_number_never_come_out_as_no_number(looks: list[tuple[list[tuple[int, float]], int]]) -> None:
    state: life.State = {}
    recorded: list[Event] = []
    for rows, now_s in looks:
        events, decisions, state = decide(points(rows), None, state, T0 + now_s * S, RULES)
        recorded += events
        for event in events:
            kinds.check(event)
            json.dumps(event.body, allow_nan=False)
        assert all(one.value is None or np.isfinite(one.value) for one in decisions)
        assert fold(recorded) == state


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_value_that_is_no_number_neither_raises_nor_clears(value: float) -> None:
    assert decide(points([(0, value)]), None, {}, T0 + S, Settings(limits=(HOT,)))[0] == []
    _, _, state = decide(points([(0, 90.0)]), None, {}, T0 + S, Settings(limits=(HOT,)))
    assert decide(points([(5, value)]), None, state, T0 + 6 * S, Settings(limits=(HOT,)))[0] == []


def test_an_anomaly_of_ten_thousand_channels_names_a_few_of_them() -> None:
    channels = tuple(Channel(f"c{i}", 1e-4) for i in range(10_000))
    odd = Anomaly("mill-1", T0, T0 + S, 12.0, 8.0, channels, 1.0)
    (event,), (said,), _ = decide(POINTS.empty_table(), Seen((odd,), frozenset({"mill-1"})), {}, T0 + 2 * S, Settings())
    assert len(event.body["ranking"]) == len(event.body["evidence"]) == 5
    assert "and 9997 more" in said.says


def test_an_anomaly_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(InputError, match="ends before it begins"):
        Anomaly("mill-1", T0, T0 - 1, 12.0, 8.0, (), 1.0)


RAISED = fold([Event("alarm.raised", "mill-1/hot/0", T0, "service:watch",
                     {"condition": "hot", "thing": "mill-1", "says": "hot", "evidence": [], "priority": "low"})])


@pytest.mark.parametrize("state", [
    [], "state", {"standing": {}}, {"alarms": {"hot/mill-1": asdict(RAISED["alarms"]["hot/mill-1"])}}, {"alarms": {"hot/mill-1": None}},
    {"alarms": {"hot": RAISED["alarms"]["hot/mill-1"]}}, {"quiet": {"hot/mill-1": {"shelved": "until noon"}}}, {"quiet": {"hot/mill-1": ["shelved"]}},
    {"quiet": {"hot/mill-1": {"hidden": life.Quiet("why", "mara", 0)}}},
])
def test_a_state_of_an_older_version_or_a_damaged_one_is_refused_in_words(state: Any) -> None:
    with pytest.raises(InputError, match="fold the recorded events again"):
        decide(POINTS.empty_table(), None, state, T0, RULES)
    with pytest.raises(InputError, match="state of alarm"):
        fold([], state)


class Plain:
    """An alarm by the table of ANSI/ISA-18.2-2016, figure 4, in words: what is true of it, and no more."""

    def __init__(self) -> None:
        self.active = self.acknowledged = False
        self.hidden: set[str] = set()

    @property
    def word(self) -> str:
        for state in ("out of service", "suppressed", "shelved"):
            if state in self.hidden:
                return state
        if self.active:
            return "acknowledged" if self.acknowledged else "unacknowledged"
        return "normal" if self.acknowledged else "returned"


class LifeCycle(RuleBasedStateMachine):
    """One alarm lives; the fold of its events is in the state that the plain words give, and folding on equals folding all."""

    @initialize()
    def begin(self) -> None:
        self.plain, self.events, self.state, self.number, self.clock = Plain(), [], fold([]), 0, 0
        self.plain.acknowledged = True  # nothing waits

    def say(self, event: Event) -> None:
        self.events.append(event)
        self.state = fold([event], self.state)

    def now(self) -> int:
        self.clock += 1
        return T0 + self.clock * S

    @precondition(lambda self: not self.plain.active)
    @rule()
    def its_cause_comes(self) -> None:
        self.number += 1
        body = {"condition": "hot", "thing": "mill-1", "says": "hot", "evidence": [], "priority": "low"}
        self.say(Event("alarm.raised", f"mill-1/hot/{self.number}", self.now(), "service:watch", body))
        self.plain.active, self.plain.acknowledged = True, False

    @precondition(lambda self: self.plain.active)
    @rule()
    def its_cause_goes(self) -> None:
        self.say(Event("alarm.cleared", f"mill-1/hot/{self.number}", self.now(), "service:watch"))
        self.plain.active = False
        if self.plain.hidden:  # nobody was asked to look
            self.plain.acknowledged = True

    @precondition(lambda self: self.number)
    @rule()
    def somebody_acknowledges(self) -> None:
        self.say(Event("alarm.acknowledged", f"mill-1/hot/{self.number}", self.now(), "mara"))
        if not self.plain.hidden:
            self.plain.acknowledged = True

    @rule(state=st.sampled_from(["shelved", "suppressed", "out of service"]))
    def it_is_hidden(self, state: str) -> None:
        kind = {"shelved": "shelved", "suppressed": "suppressed", "out of service": "outofservice"}[state]
        self.say(quiet_event(f"alarm.{kind}", "hot", "mill-1", self.now(), "mara", why="known", until_ns=None))
        self.plain.hidden.add(state)
        if not self.plain.active:
            self.plain.acknowledged = True

    @rule(state=st.sampled_from(["shelved", "suppressed", "out of service"]))
    def it_is_let_out(self, state: str) -> None:
        kind = {"shelved": "unshelved", "suppressed": "unsuppressed", "out of service": "inservice"}[state]
        before = bool(self.plain.hidden)
        self.say(quiet_event(f"alarm.{kind}", "hot", "mill-1", self.now(), "mara", why="over"))
        self.plain.hidden.discard(state)
        if before and not self.plain.hidden and self.plain.active:
            self.plain.acknowledged = False  # what still holds is to be looked at anew

    @rule(verdict=st.sampled_from(["true", "false", "unknown"]))
    def somebody_says_what_it_was(self, verdict: str) -> None:
        body = {"condition": "hot", "thing": "mill-1", "verdict": verdict, "why": ""}
        self.say(Event("alarm.judged", f"mill-1/hot/{self.number}", self.now(), "mara", body))

    @invariant()
    def it_is_in_the_state_of_the_standard(self) -> None:
        if hasattr(self, "plain"):
            assert state_of(self.state, "hot/mill-1") == self.plain.word
            assert fold(self.events) == self.state


LifeCycle.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestAnAlarmLivesByTheTableOfTheStandard = LifeCycle.TestCase
