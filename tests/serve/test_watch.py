"""Alarms for silence and limits, in the states of ISA-18.2."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from loopwright.core import kinds
from loopwright.core.errors import InputError
from loopwright.core.types import POINTS, Event
from loopwright.serve import watch
from loopwright.serve.watch import Limit, Settings, decide, fold

S = 10**9
T0 = 1_767_600_000 * S
HOT = Limit("spindle too hot", "s.temperature", high=80.0, deadband=5.0, unit="degC")


def heard(*rows: tuple[str, str, float, float]) -> pa.Table:
    """POINTS rows from (thing, signal, seconds after T0, value); known as soon as they are true."""
    t_ns = [T0 + round(at * S) for _, _, at, _ in rows]
    return pa.table(
        {"thing": [r[0] for r in rows], "signal": [r[1] for r in rows], "t_ns": t_ns, "n": [0] * len(rows),
         "value": [r[3] for r in rows], "code": pa.nulls(len(rows), pa.int64()), "quality": [0] * len(rows), "known_ns": t_ns,
         "assumed": [False] * len(rows)}, schema=POINTS)


def at(seconds: float) -> int:
    return T0 + round(seconds * S)


QUIET = Settings(silent_s={"mill-1": 60.0}, since_ns=T0)


def test_a_machine_that_goes_silent_raises_an_alarm_with_its_last_point_as_evidence() -> None:
    events, decisions, state = decide(heard(("mill-1", "s.velocity", 0, 1.0)), None, {}, at(61), QUIET)
    (event,) = events
    kinds.check(event)
    assert event.kind == "alarm.raised"
    assert event.body["condition"] == "silent"
    assert event.body["evidence"][0]["ref"] == "mill-1"
    assert (event.body["evidence"][0]["signal"], event.body["evidence"][0]["start_ns"]) == ("s.velocity", T0)
    (decision,) = decisions
    assert (decision.value, decision.unit) == (61.0, "s")
    assert "silent for 61 s" in decision.says
    assert watch.state_of(state, "silent/mill-1") == "unacknowledged"


def test_just_within_its_limit_it_is_not_silent() -> None:
    assert decide(heard(("mill-1", "s.velocity", 0, 1.0)), None, {}, at(60), QUIET)[0] == []


def test_an_alarm_is_raised_once_and_cleared_when_it_is_heard_again() -> None:
    first = heard(("mill-1", "s.velocity", 0, 1.0))
    raised, _, state = decide(first, None, {}, at(61), QUIET)
    again, decisions, state = decide(first, None, state, at(90), QUIET)
    assert (again, decisions) == ([], [])
    cleared, _, state = decide(heard(("mill-1", "s.velocity", 100, 1.0)), None, state, at(101), QUIET)
    assert [(e.kind, e.about) for e in cleared] == [("alarm.cleared", raised[0].about)]
    assert watch.state_of(state, "silent/mill-1") == "returned"
    raised_again, _, _ = decide(heard(("mill-1", "s.velocity", 100, 1.0)), None, state, at(200), QUIET)
    assert raised_again[0].about != raised[0].about


def test_a_machine_that_was_never_heard_is_silent_since_listening_began() -> None:
    events, decisions, _ = decide(heard(), None, {}, at(61), QUIET)
    assert len(events) == 1
    assert "never heard" in decisions[0].says


def test_a_plant_that_did_not_listen_has_missed_nobody() -> None:
    """It was heard at 0 s, the plant was off until 500 s: silent is who says nothing for a minute from then on."""
    table, again = heard(("mill-1", "s.velocity", 0, 1.0)), replace(QUIET, since_ns=at(500))
    assert decide(table, None, {}, at(560), again)[0] == []
    (event,) = decide(table, None, {}, at(561), again)[0]
    assert "silent for 61 s (last heard 2026-01-05T08:00:00.000Z" in event.body["says"]


def test_an_alarm_of_silence_stands_over_a_restart_until_the_thing_is_heard() -> None:
    table, again = heard(("mill-1", "s.velocity", 0, 1.0)), replace(QUIET, since_ns=at(500))
    _, _, state = decide(table, None, {}, at(61), QUIET)
    for seconds in (501, 561, 9999):
        events, _, state = decide(table, None, state, at(seconds), again)
        assert events == []
    assert [e.kind for e in decide(heard(("mill-1", "s.velocity", 10_000, 1.0)), None, state, at(10_001), again)[0]] == ["alarm.cleared"]
    assert [e.kind for e in decide(table, None, state, at(10_001), replace(again, ended=frozenset({"mill-1"})))[0]] == ["alarm.cleared"]


def test_a_source_that_said_it_is_finished_is_not_silent() -> None:
    settings = replace(QUIET, ended=frozenset({"mill-1"}))
    assert decide(heard(("mill-1", "s.velocity", 0, 1.0)), None, {}, at(9999), settings)[0] == []


def test_silence_is_judged_by_arrival_because_a_machines_clock_may_be_wrong() -> None:
    table = heard(("mill-1", "s.velocity", 7200, 1.0))  # its clock runs two hours ahead
    arrived = table.set_column(table.column_names.index("known_ns"), "known_ns", pa.array([at(0)]))
    assert len(decide(arrived, None, {}, at(61), QUIET)[0]) == 1


def test_a_value_beyond_its_limit_raises_and_only_well_inside_it_clears() -> None:
    settings = Settings(limits=(HOT,))
    events, decisions, state = decide(heard(("mill-1", "s.temperature", 0, 85.0)), None, {}, at(1), settings)
    assert [e.kind for e in events] == ["alarm.raised"]
    assert "85 degC (allowed: any to 80)" in decisions[0].says
    for value, kind in ((78.0, None), (75.0, "alarm.cleared")):
        events, _, state = decide(heard(("mill-1", "s.temperature", 5, value)), None, state, at(6), settings)
        assert [e.kind for e in events] == ([kind] if kind else [])


def test_no_news_is_no_reason_to_clear_a_limit_alarm() -> None:
    settings = Settings(limits=(HOT,))
    _, _, state = decide(heard(("mill-1", "s.temperature", 0, 85.0)), None, {}, at(1), settings)
    events, _, state = decide(heard(("mill-1", "s.velocity", 5, 1.0)), None, state, at(6), settings)
    assert events == []
    assert watch.state_of(state, "spindle too hot/mill-1") == "unacknowledged"


def test_the_worst_value_and_the_first_time_beyond_are_the_evidence() -> None:
    rows = [("mill-1", "s.temperature", i, v) for i, v in enumerate((70.0, 82.0, 95.0, 84.0))]
    _, (decision,), _ = decide(heard(*rows), None, {}, at(5), Settings(limits=(HOT,)))
    assert decision.value == 95.0
    assert decision.because[0].start_ns == at(1)


def test_a_lower_limit_finds_the_lowest() -> None:
    cold = Limit("too slow", "s.velocity", low=10.0, things=frozenset({"mill-2"}))
    table = heard(("mill-1", "s.velocity", 0, 1.0), ("mill-2", "s.velocity", 0, 3.0), ("mill-2", "s.velocity", 1, 7.0))
    events, decisions, _ = decide(table, None, {}, at(2), Settings(limits=(cold,)))
    assert [e.body["thing"] for e in events] == ["mill-2"]
    assert decisions[0].value == 3.0


def test_the_state_folded_from_events_is_the_state_that_was_handed_out() -> None:
    settings = Settings(silent_s={"mill-1": 60.0, "mill-2": 60.0}, since_ns=T0, limits=(HOT,))
    recorded: list[Event] = []
    state: watch.State = {}
    looks = [(61, heard()), (70, heard(("mill-1", "s.temperature", 69, 90.0))), (80, heard(("mill-1", "s.temperature", 79, 50.0)))]
    for seconds, table in looks:
        events, _, state = decide(table, None, state, at(seconds), settings)
        recorded += events
        assert fold(recorded) == state
    seen = Event("alarm.acknowledged", recorded[0].about, at(81), "anna")
    assert watch.state_of(fold([*recorded[:2], seen]), "silent/mill-1") == "acknowledged"
    gone = Event("alarm.cleared", recorded[0].about, at(82), "service:watch")
    assert watch.state_of(fold([*recorded[:2], seen, gone]), "silent/mill-1") == "normal"


def test_the_same_alarm_recorded_twice_has_the_same_key() -> None:
    one = decide(heard(("mill-1", "s.velocity", 0, 1.0)), None, {}, at(61), QUIET)[0][0]
    two = decide(heard(("mill-1", "s.velocity", 0, 1.0)), None, {}, at(75), QUIET)[0][0]
    assert one.key == two.key


def test_without_anything_to_watch_it_says_so() -> None:
    _, (decision,), _ = decide(heard(), None, {}, at(1), Settings())
    assert decision.abstains == "no limits are set"


def test_limits_that_cannot_be_are_refused() -> None:
    with pytest.raises(InputError, match="neither low nor high"):
        Limit("nothing", "s.velocity")
    with pytest.raises(InputError, match=r"other than 'silent'"):
        Limit("silent", "s.velocity", high=1.0)


@pytest.mark.parametrize(("given", "said"), [
    ({"low": 3.0, "high": 1.0}, r"low 3\.0 is above high 1\.0"), ({"high": "90"}, "high is '90'; allowed: a number"),
    ({"high": float("nan")}, "high is nan"), ({"high": 1.0, "priority": "hihg"}, "there is no 'hihg'.*did you mean 'high'"),
])
def test_a_limit_is_of_numbers_in_their_order(given: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Limit("hot", "s.velocity", **given)
