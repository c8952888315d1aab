"""From outcomes to release over events: every state, people who must agree, and how often a turn releases what it should."""

from dataclasses import replace

import numpy as np
import pytest

from loopwright.core.errors import InputError, NotAllowed, UnknownName
from loopwright.core.kinds import check
from loopwright.core.types import Change, Event
from loopwright.improve import approve, cycle, release
from loopwright.improve.student import binomial_interval
from tests.improve.shop import APPROVERS, DEG, QUESTION, Turn, may, offset_of, revision_of


def test_one_improvement_goes_from_outcomes_to_release_and_the_next_orders_do_better():
    turn = Turn(4, 3.0)
    result = turn.run()
    kinds = list(dict.fromkeys(result["kinds"]))
    assert kinds == ["change.proposed", "change.approved", "trial.assigned", "change.gated", "change.released"]
    assert result["check"]["better"] is True
    assert abs(turn.shop.true_mean(offset_of(result["released"]))) < abs(turn.shop.true_mean(0.0)) / 2
    assert turn.outcomes[-1].revision == revision_of(result["released"])
    for event in turn.events:
        check(event)  # as the store does
    approvals = [e for e in turn.events if e.kind == "change.approved"]
    assert [(e.actor, e.body["purpose"], e.body["word"]) for e in approvals] == [
        (name, purpose, "automatic (example)") for purpose in ("trial", "release") for name in APPROVERS
    ]


def test_the_same_seed_gives_the_same_events():
    first, second = Turn(9, 3.0), Turn(9, 3.0)
    first.run()
    second.run()
    assert first.events == second.events


def test_without_approvers_it_stops_at_proposed_and_no_order_is_touched():
    turn = Turn(4, 3.0)
    turn.make(24)
    turn.think(approvers=())
    assert turn.state.stage == "proposed"
    assert cycle.due(turn.state) == "trial"
    made = turn.make(6)
    assert {o.revision for o in made} == {revision_of([])}
    assert not turn.state.assigned


def test_nothing_to_propose_is_recorded_once_with_its_reason():
    turn = Turn(1, 0.0)
    turn.make(24)
    turn.think()
    turn.think()
    assert [e.kind for e in turn.events] == ["change.notproposed"]
    assert "not clearly more" in turn.events[0].body["reason"]
    assert turn.state.stage == "watching"


def proposed():
    turn = Turn(4, 3.0)
    turn.make(24)
    turn.think(approvers=())
    return turn


def test_two_different_people_must_agree_and_not_the_proposer():
    turn = proposed()
    change = turn.state.change
    one = approve.approve(change, "trial", APPROVERS[0], 3, may=may)
    assert one.body["word"] == "by a person"
    with pytest.raises(NotAllowed, match="2 different people"):
        approve.approve(change, "trial", APPROVERS[0], 3, may=may, earlier=[APPROVERS[0]])
    with pytest.raises(NotAllowed, match="nobody approves their own proposal"):
        approve.approve(change, "trial", "improve", 3, may=lambda actor: None)
    with pytest.raises(NotAllowed, match="is no approver"):
        approve.approve(change, "trial", "somebody", 3, may=may)
    with pytest.raises(UnknownName, match="did you mean 'trial'"):
        approve.approve(change, "trail", APPROVERS[0], 3, may=may)
    turn.events.append(one)
    assert turn.state.stage == "proposed"
    turn.events.append(one)  # twice by the same person is one approval
    assert turn.state.stage == "proposed"
    turn.events.append(approve.approve(change, "trial", APPROVERS[1], 3, may=may, earlier=[one.actor]))
    assert turn.state.stage == "trial"
    assert approve.needed(replace(change, touches="nothing")) == 1


def test_a_declined_change_ends_and_its_evidence_does_not_count_again():
    turn = proposed()
    with pytest.raises(NotAllowed, match="a sentence that says why"):
        approve.decline(turn.state.change, APPROVERS[0], " ", 3, may=may)
    turn.events.append(approve.decline(turn.state.change, APPROVERS[0], "not before the season", 3, may=may))
    assert (turn.state.stage, turn.state.change.state) == ("watching", "declined")
    turn.think()
    assert turn.events[-1].kind == "change.declined"
    turn.make(24)
    turn.think(approvers=())
    assert turn.state.stage == "proposed"


def test_a_release_needs_passed_tests_and_approvals_and_can_be_undone():
    turn = Turn(4, 3.0)
    turn.run()
    change = turn.state.change
    assert change.state == "released"
    assert len(change.tests) > 5
    assert release.in_force(turn.events) == [{**change.after, "change": change.id}]
    turn.events.append(release.undo(change, "anna", "shafts from another maker", 9))
    assert release.in_force(turn.events) == []
    assert turn.state.change.state == "undone"
    assert turn.state.released == ()
    with pytest.raises(InputError, match="it is undone"):
        release.undo(turn.state.change, "anna", "again", 9)
    with pytest.raises(NotAllowed, match="passed its tests and approved by 2"):
        release.release(replace(change, state="gated"), "r1", "anna", 9)
    with pytest.raises(NotAllowed):
        release.release(replace(change, state="approved", approvals=("anna", "anna")), "r1", "anna", 9)


def test_changes_in_force_stand_in_the_order_of_their_release():
    def event(kind, about, offset=0.0, rule="lie"):
        body = {
            "target": "rule",
            "rule": rule,
            "before": {},
            "after": {"rule": rule, "offset": offset},
            "revision": "r",
            "why": "w",
        }
        return Event(kind, about, 0, "a", body)

    events = [
        event("change.released", "a", 1.0),
        event("change.released", "b", 2.0, "length"),
        event("change.released", "c", 3.0),
    ]
    events.append(event("change.undone", "a"))
    assert [r["offset"] for r in release.in_force(events)] == [2.0, 3.0]
    assert cycle.read(events, "lie").released == tuple(release.in_force(events))


def test_an_order_of_the_trial_that_is_refused_is_made_up_for():
    turn = proposed()
    turn.events += [approve.approve(turn.state.change, "trial", name, 3, may=may) for name in APPROVERS]
    many = [f"order-{i}" for i in range(100, 200)]
    first = cycle.assign(turn.state, many, 4, 5)
    assert len(first) == 48
    assert not cycle.full(turn.state)
    turn.events += first
    assert cycle.full(turn.state)
    assert cycle.assign(turn.state, many, 4, 5) == []
    refused = [
        Event("order.refused", name, 6, "shop", {"person": "p", "reason": "out of range"})
        for name in ("order-107", "order-199")
    ]
    turn.events += refused  # one of the trial, one that is none of it
    assert [e.about for e in cycle.assign(turn.state, many, 4, 5)] == ["order-148", "order-149"]


def test_a_full_trial_whose_outcomes_do_not_all_come_can_be_ended():
    turn = proposed()
    turn.events += [approve.approve(turn.state.change, "trial", name, 3, may=may) for name in APPROVERS]
    turn.events += cycle.assign(turn.state, [f"order-{i}" for i in range(100, 148)], 4, 5)
    assert cycle.advance(turn.state, turn.outcomes, QUESTION, 6) == []
    (event,) = cycle.advance(turn.state, turn.outcomes, QUESTION, 6, final=True)
    assert event.body["trial"]["over"] == "exhausted"
    assert event.body["passed"] is False


def test_each_arm_is_fitted_with_what_is_in_force_and_the_new_one_with_the_change_as_well():
    turn = proposed()
    turn.events += [approve.approve(turn.state.change, "trial", name, 3, may=may) for name in APPROVERS]
    arms = cycle.arms(turn.state)
    assert arms["old"] == []
    assert arms["new"] == [turn.state.change.after]


def test_a_change_read_back_from_its_event_is_the_change():
    change = proposed().state.change
    assert isinstance(change, Change)
    assert cycle.change_from({**vars(change), "another": 1}) == change


def test_what_came_after_a_release_is_compared_with_what_was_before():
    turn = Turn(4, 3.0)
    before = turn.make(24)
    assert release.check(before, before[:2], QUESTION)["better"] is None
    assert release.check(before, before, QUESTION)["better"] is False
    better = release.check(
        before, [replace(o, outcome={"direction_error": 0.01 * DEG * i}) for i, o in enumerate(before)], QUESTION
    )
    assert better["better"] is True
    assert better["moved_low"] < better["moved"] < better["moved_high"]


def rates(hidden_deg, seeds, **shop):
    turns = [Turn(seed, hidden_deg, **shop) for seed in seeds]
    return [(turn, turn.run()) for turn in turns]


@pytest.mark.parametrize("seeds", [30, pytest.param(200, marks=pytest.mark.slow)])
def test_turns_release_what_is_true_and_not_what_is_not(seeds):
    """Rates over seeds with nothing hidden and with a rule 2.5 degrees off."""
    null = rates(0.0, range(seeds))
    false = sum(bool(result["released"]) for _, result in null)
    assert false / seeds <= 0.05
    real = [(turn, result) for turn, result in rates(2.5, range(seeds)) if result["released"]]
    assert len(real) / seeds >= 0.80
    assert binomial_interval(len(real), seeds)[1] > 0.80
    for turn, result in real:
        assert abs(turn.shop.true_mean(offset_of(result["released"]))) < abs(turn.shop.true_mean(0.0))
    assert np.mean([result["check"]["better"] for _, result in real]) > 0.9
    assert np.mean([result["later_abs"] < result["before_abs"] for _, result in real]) > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("slope", [2.0, 0.0, -1.0])
def test_a_wrong_belief_in_the_mechanism_is_not_released(slope):
    """The parameter does twice what everybody believes (the new rule misses to the other side), nothing, or the opposite."""
    turns = rates(3.0, range(200), slope=slope)
    wrong = 0
    for turn, result in turns:
        nearer = abs(turn.shop.true_mean(0.0)) - abs(turn.shop.true_mean(offset_of(result["released"])))
        wrong += bool(result["released"]) and nearer <= QUESTION.matters
    assert wrong / 200 <= 0.05
