"""The life of an alarm by ISA-18.2, beside a slow twin that reads the whole history anew for every question."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.core import kinds
from loopwright.core.types import POINTS, Event
from loopwright.serve.watch import Anomaly, Channel, Escalation, Limit, Seen, Settings, decide, fold, life, state_of
from loopwright.serve.watch.life import quiet_event

S = 10**9
T0 = 1_767_600_000 * S
HOT = "hot/mill-1"


def raised(at: float = 0, condition: str = "hot", thing: str = "mill-1", number: int = 0, priority: str = "low") -> Event:
    body = {"condition": condition, "thing": thing, "says": "too hot", "evidence": [], "priority": priority}
    return Event("alarm.raised", f"{thing}/{condition}/{number}", T0 + round(at * S), "service:watch", body)


def later(kind: str, at: float = 0, number: int = 0, about: str = "mill-1/hot", **body: Any) -> Event:
    return Event(f"alarm.{kind}", f"{about}/{number}", T0 + round(at * S), "mara", body)


def hush(kind: str, at: float = 0, condition: str = "hot", thing: str = "mill-1", **body: Any) -> Event:
    event = quiet_event(f"alarm.{kind}", condition, thing, T0 + round(at * S), "mara", why="known", **body)
    kinds.check(event)
    return event


SHELVED = hush("shelved", 1, until_ns=T0 + 3600 * S)


@pytest.mark.parametrize(("events", "state"), [
    ([], "normal"),
    ([raised()], "unacknowledged"),
    ([raised(), later("acknowledged")], "acknowledged"),
    ([raised(), later("acknowledged"), later("cleared")], "normal"),
    ([raised(), later("cleared")], "returned"),
    ([raised(), later("cleared"), later("acknowledged")], "normal"),
    ([raised(), later("cleared"), raised(number=1)], "unacknowledged"),
    ([raised(), raised(number=1), later("acknowledged")], "unacknowledged"),
    ([raised(), SHELVED], "shelved"),
    ([raised(), SHELVED, later("cleared"), hush("unshelved")], "normal"),
    ([raised(), later("acknowledged"), SHELVED, hush("unshelved")], "unacknowledged"),
    ([SHELVED, raised(), hush("unshelved")], "unacknowledged"),
    ([SHELVED, raised(), later("acknowledged"), hush("unshelved")], "unacknowledged"),
    ([raised(), hush("suppressed"), SHELVED], "suppressed"),
    ([raised(), hush("suppressed", condition="*"), SHELVED, hush("unsuppressed", condition="*")], "shelved"),
    ([raised(), hush("outofservice"), hush("suppressed"), SHELVED], "out of service"),
    ([raised(), hush("outofservice", condition="*"), hush("inservice", condition="*")], "unacknowledged"),
    ([raised(), hush("shelved", condition="*", thing="mill-2", until_ns=1)], "unacknowledged"),
])
def test_an_alarm_goes_through_the_states_of_isa_18_2(events: list[Event], state: str) -> None:
    """By hand, from figure 4 of ANSI/ISA-18.2-2016."""
    assert state_of(fold(events), HOT) == state


def test_a_history_in_two_parts_gives_the_state_of_the_whole() -> None:
    events = [raised(), SHELVED, raised(condition="cold"), later("cleared"), hush("unshelved")]
    for cut in range(len(events) + 1):
        assert fold(events[cut:], fold(events[:cut])) == fold(events)


def test_folding_on_leaves_the_state_it_began_with_as_it_was() -> None:
    before = fold([raised(), SHELVED])
    fold([hush("unshelved"), later("cleared")], before)
    assert before == fold([raised(), SHELVED])


def test_shelving_ends_by_itself_and_what_still_holds_is_unacknowledged_again() -> None:
    state: life.State = fold([raised(), later("acknowledged"), SHELVED])
    for at, kinds_ in ((3599, []), (3600, ["alarm.unshelved"])):
        events, _, state = decide(POINTS.empty_table(), None, state, T0 + at * S, Settings())
        assert [event.kind for event in events] == kinds_
    assert state_of(state, HOT) == "unacknowledged"
    assert all(kinds.check(event) is None for event in events)


def test_what_is_raised_while_it_is_hidden_is_recorded_and_told_to_nobody() -> None:
    limits = Settings(limits=(Limit("hot", "s.temperature", high=80.0),))
    events, decisions, state = decide(reading(90.0), None, fold([SHELVED]), T0 + 60 * S, limits)
    assert [event.kind for event in events] == ["alarm.raised"]
    assert decisions == []
    assert state_of(state, HOT) == "shelved"


def reading(value: float, thing: str = "mill-1") -> pa.Table:
    row = {"thing": thing, "signal": "s.temperature", "t_ns": T0, "n": 0, "value": value, "code": None, "quality": 0, "known_ns": T0, "assumed": False}
    return pa.Table.from_pylist([row], schema=POINTS)


# escalation

RULE = Settings(escalate=Escalation(600.0, ("engineer", "approver")))


def test_an_alarm_that_nobody_acknowledges_goes_one_priority_up_and_to_the_next_role() -> None:
    state: life.State = fold([raised()])
    found = []
    for minute in range(60):
        events, _, state = decide(POINTS.empty_table(), None, state, T0 + minute * 60 * S, RULE)
        found += [(minute, event.body["priority"], event.body["role"]) for event in events]
    assert found == [(10, "medium", "engineer"), (20, "high", "approver")]
    assert life.role_of(state["alarms"][HOT], RULE.escalate) == "approver"


def test_one_that_was_seen_or_is_hidden_is_not_escalated_and_one_that_comes_back_begins_anew() -> None:
    for events in ([raised(), later("acknowledged")], [raised(), SHELVED], [raised(), later("cleared"), later("acknowledged")]):
        assert decide(POINTS.empty_table(), None, fold(events), T0 + 1200 * S, RULE)[0] == []
    let_out = fold([raised(), SHELVED, hush("unshelved", 900)])
    assert decide(POINTS.empty_table(), None, let_out, T0 + 1499 * S, RULE)[0] == []
    assert len(decide(POINTS.empty_table(), None, let_out, T0 + 1500 * S, RULE)[0]) == 1


def test_an_alarm_that_came_and_went_unseen_is_escalated_too() -> None:
    (event,) = decide(POINTS.empty_table(), None, fold([raised(), later("cleared")]), T0 + 600 * S, RULE)[0]
    assert (event.kind, event.body["step"]) == ("alarm.escalated", 1)


def test_after_a_long_pause_every_step_that_is_due_is_told_in_its_order() -> None:
    events, _, state = decide(POINTS.empty_table(), None, fold([raised()]), T0 + 86_400 * S, RULE)
    assert [event.body["role"] for event in events] == ["engineer", "approver"]
    assert fold(events, fold([raised()])) == state


def test_what_was_recorded_long_after_it_happened_waits_since_it_was_recorded() -> None:
    event = raised()
    late = Event(event.kind, event.about, event.t_ns, event.actor, event.body, known_ns=T0 + 86_400 * S)
    assert decide(POINTS.empty_table(), None, fold([late]), T0 + 86_460 * S, RULE)[0] == []


# by design

def test_a_machine_that_is_off_has_no_alarms_until_it_is_on_again() -> None:
    off = Settings(silent_s={"mill-1": 60.0}, since_ns=T0, off={"mill-1": "its state is 'off'"})
    events, decisions, state = decide(POINTS.empty_table(), None, {}, T0 + 100 * S, off)
    assert [(e.kind, e.body["condition"]) for e in events] == [("alarm.suppressed", "*"), ("alarm.raised", "silent")]
    assert decisions == []
    assert state_of(state, "silent/mill-1") == "suppressed"
    again, _, state = decide(POINTS.empty_table(), None, state, T0 + 110 * S, off)
    assert again == []
    on = Settings(silent_s={"mill-1": 60.0}, since_ns=T0)
    (event,), _, state = decide(POINTS.empty_table(), None, state, T0 + 120 * S, on)
    assert (event.kind, event.body["why"]) == ("alarm.unsuppressed", "its state is 'off' is over")
    assert state_of(state, "silent/mill-1") == "unacknowledged"


# anomalies

ODD = Anomaly("mill-1", T0, T0 + 5 * S, 12.0, 8.0, (Channel("s.output_power", 0.7, 900.0, "W"), Channel("s.velocity", 0.2), Channel("x.position", 0.1)), 1.0)


def test_an_anomaly_is_raised_with_its_signals_in_order_the_points_that_show_it_and_how_often_it_may_be_wrong() -> None:
    (event,), (said,), state = decide(POINTS.empty_table(), Seen((ODD,), frozenset({"mill-1"})), {}, T0 + 6 * S, Settings())
    kinds.check(event)
    assert [row["signal"] for row in event.body["ranking"]] == ["s.output_power", "s.velocity", "x.position"]
    assert event.body["evidence"][0] == {"kind": "points", "ref": "mill-1", "signal": "s.output_power", "start_ns": T0, "end_ns": T0 + 5 * S, "note": "70% of the score"}
    assert "s.output_power (70%), s.velocity (20%) and 1 more" in said.says
    assert "1 false alarm a day of the plant" in said.says
    assert said.action == "look at s.output_power of mill-1 first"
    assert state_of(state, "unusual/mill-1") == "unacknowledged"


def test_an_anomaly_is_cleared_only_by_a_look_at_its_thing_that_finds_nothing() -> None:
    _, _, state = decide(POINTS.empty_table(), Seen((ODD,), frozenset({"mill-1"})), {}, T0 + 6 * S, Settings())
    for seen in (None, Seen((), frozenset({"mill-2"}))):
        assert decide(POINTS.empty_table(), seen, state, T0 + 60 * S, Settings(silent_s={"mill-9": 1e9}, since_ns=T0))[0] == []
    (event,), _, _ = decide(POINTS.empty_table(), Seen((), frozenset({"mill-1"})), state, T0 + 61 * S, Settings())
    assert event.kind == "alarm.cleared"


def test_alarms_of_another_service_are_not_cleared_by_the_watch_but_escalated_by_it() -> None:
    event = raised(condition="tool worn")
    worn = Event(event.kind, event.about, event.t_ns, "service:maintain", event.body)
    events, _, _ = decide(POINTS.empty_table(), None, fold([worn]), T0 + 600 * S, Settings({"mill-9": 1e9}, T0, escalate=RULE.escalate))
    assert [e.kind for e in events] == ["alarm.escalated"]


# a slow twin

NAMES = ("hot", "cold")
THINGS = ("mill-1", "mill-2")
STEP = st.one_of(
    st.tuples(st.just("raised"), st.sampled_from(NAMES), st.sampled_from(THINGS)),
    st.tuples(st.sampled_from(["acknowledged", "cleared", "escalated"]), st.integers(0, 9), st.just("")),
    st.tuples(st.sampled_from([kind.partition(".")[2] for kind in life.HUSHES]), st.sampled_from((*NAMES, "*")), st.sampled_from(THINGS)),
)


def history(steps: list[tuple[Any, Any, str]]) -> list[Event]:
    """Events of such steps, one a second; what is done to an occurrence is done to one of those that were raised."""
    events: list[Event] = []
    ids: list[str] = []
    for at, (kind, which, thing) in enumerate(steps):
        if kind == "raised":
            events.append(raised(at, which, thing, at))
            ids.append(events[-1].about)
        elif kind in ("acknowledged", "cleared", "escalated"):
            about = ids[which % len(ids)] if ids else "nobody/knows/0"
            events.append(Event(f"alarm.{kind}", about, T0 + at * S, "mara", {"priority": "high"}))
        else:
            events.append(hush(kind, at, which, thing, until_ns=None))
    return events


def slow_hidden(events: list[Event], key: str) -> str:
    """Of each kind of hiding, was its last word 'begin'? For the alarm itself, or for all of its thing."""
    condition, thing = key.split("/", 1)
    for name, begin, end in (("out of service", "outofservice", "inservice"), ("suppressed", "suppressed", "unsuppressed"), ("shelved", "shelved", "unshelved")):
        for which in (condition, "*"):
            said = [e.kind for e in events if e.kind in (f"alarm.{begin}", f"alarm.{end}") and (e.body["condition"], e.body["thing"]) == (which, thing)]
            if said and said[-1] == f"alarm.{begin}":
                return name
    return ""


def slow_state(events: list[Event], key: str) -> str:
    """What the standard says of the last occurrence, read from the whole history for each moment of it."""
    if hidden := slow_hidden(events, key):
        return hidden
    mine = [i for i, e in enumerate(events) if e.kind == "alarm.raised" and f"{e.body['condition']}/{e.body['thing']}" == key]
    if not mine:
        return "normal"
    id_, active, acknowledged = events[mine[-1]].about, True, False
    for i in range(mine[-1] + 1, len(events)):
        before, now = slow_hidden(events[:i], key), slow_hidden(events[: i + 1], key)
        active &= not (events[i].kind == "alarm.cleared" and events[i].about == id_)
        if now and not active:
            return "normal"
        if before and not now:
            acknowledged = False
        if events[i].kind == "alarm.acknowledged" and events[i].about == id_ and not now:
            acknowledged = True
        if acknowledged and not active:
            return "normal"
    return {(True, True): "acknowledged", (True, False): "unacknowledged", (False, False): "returned"}[active, acknowledged]


@settings(max_examples=100, deadline=None)
@given(st.lists(STEP, max_size=25))
def test_the_state_machine_is_what_the_slow_twin_reads_from_the_whole_history(steps: list[tuple[Any, Any, str]]) -> None:
    events = history(steps)
    state = fold(events)
    for name in NAMES:
        for thing in THINGS:
            assert state_of(state, f"{name}/{thing}") == slow_state(events, f"{name}/{thing}")


LOOK = st.fixed_dictionaries({
    "value": st.sampled_from([70.0, 79.0, 95.0]), "odd": st.sampled_from([None, (), (ODD,)]), "off": st.booleans(), "minutes": st.integers(0, 15),
    "person": st.one_of(st.none(), st.tuples(st.sampled_from(["shelved", "unshelved", "outofservice", "inservice", "acknowledged"]), st.sampled_from(["hot", "unusual", "*"]))),
})


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.lists(LOOK, max_size=8))
def test_whatever_is_looked_at_and_done_the_state_handed_out_is_the_one_folded_from_what_was_recorded(looks: list[dict[str, Any]]) -> None:
    recorded: list[Event] = []
    state: life.State = {}
    now_ns = T0
    for look in looks:
        now_ns += look["minutes"] * 60 * S
        if look["person"]:
            kind, condition = look["person"]
            key = life.key_of(condition, "mill-1")
            if kind != "acknowledged":
                recorded.append(quiet_event(f"alarm.{kind}", condition, "mill-1", now_ns, "mara", why="known", until_ns=now_ns + 600 * S))
            elif key in state.get("alarms", {}):
                recorded.append(Event("alarm.acknowledged", state["alarms"][key].id, now_ns, "mara"))
            state = fold(recorded)
        seen = None if look["odd"] is None else Seen(look["odd"], frozenset({"mill-1"}))
        off = {"mill-1": "it is off"} if look["off"] else {}
        rules = Settings(limits=(Limit("hot", "s.temperature", high=80.0, deadband=5.0),), off=off, escalate=Escalation(900.0))
        events, _, state = decide(reading(look["value"]), seen, state, now_ns, rules)
        recorded += events
        assert fold(recorded) == state
        assert decide(reading(look["value"]), seen, state, now_ns, rules)[0] == []  # a second look changes nothing
        assert all(kinds.check(event) is None for event in events)
