"""A model is promoted over the baseline on unseen units only, by two people who did not propose it, and can be taken out."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.core.errors import InputError, NotAllowed
from loopwright.core.kinds import check
from loopwright.core.types import Event, Model
from loopwright.improve import approve, cycle
from loopwright.improve.promotion import Proof, better_by_chance, demoted, gate, opened, propose

CARD = Model("tool-wear/ridge@abcdef12", "tool-wear", ("torque",), 5, {"loss": 0.1}, {"name": "majority", "loss": 0.25}, "abcdef12" + "0" * 56, "0.1", "few runs",
             loss="Brier score", groups={"machine mill-1": {"units": 8, "loss": 0.1, "baseline_loss": 0.25}, "machine mill-2": {"units": 2, "loss": 0.9, "baseline_loss": 0.25}})


def proof(ours: float, theirs: float, n: int = 12) -> Proof:
    wobble = np.linspace(-0.01, 0.01, n)
    return Proof(tuple(f"run-{i}" for i in range(n)), np.full(n, ours) + wobble, np.full(n, theirs))


def test_a_model_that_is_better_on_every_unit_passes_and_every_test_says_its_numbers() -> None:
    passed, tests = gate(CARD, proof(0.1, 0.25))
    assert passed
    assert [test["name"] for test in tests] == ["better than the baseline on units it had not seen", "enough units", "group machine mill-1", "group machine mill-2"]
    assert tests[0]["value"] == pytest.approx(2.0**-12)
    assert "0.1 against 0.25 of majority on 12 units" in tests[0]["says"]
    assert "too few to judge" in tests[3]["says"]
    assert [test.get("judged", True) for test in tests] == [True, True, True, False]


@pytest.mark.parametrize(("found", "name"), [
    (proof(0.25, 0.25), "better than the baseline"), (proof(0.4, 0.25), "better than the baseline"),
    (proof(0.1, 0.25, 4), "enough units"), (Proof((), np.zeros(0), np.zeros(0)), "better than the baseline"),
])
def test_a_model_that_is_no_better_or_has_too_few_units_is_refused_with_words(found: Proof, name: str) -> None:
    passed, tests = gate(CARD, found)
    assert not passed
    assert any(name in test["name"] and not test["passed"] and test["says"] for test in tests)


def test_a_group_that_is_served_worse_than_by_the_baseline_refuses_it() -> None:
    unfair = replace(CARD, groups={"person left-handed": {"units": 9, "loss": 0.3, "baseline_loss": 0.25}})
    passed, tests = gate(unfair, proof(0.1, 0.25))
    assert not passed
    assert not tests[-1]["passed"]


def test_a_challenger_must_beat_the_model_that_serves() -> None:
    assert gate(CARD, proof(0.1, 0.25), rival=proof(0.1, 0.12))[0]
    passed, tests = gate(CARD, proof(0.1, 0.25), rival=proof(0.1, 0.1))
    assert (passed, tests[2]["name"], tests[2]["passed"]) == (False, "better than the model that serves", False)
    assert gate(CARD, proof(0.1, 0.25), rival=Proof((), np.zeros(0), np.zeros(0)))[0]


def test_a_leak_or_an_altered_file_refuses_it() -> None:
    passed, tests = gate(CARD, proof(0.1, 0.25), broken={"kept as it was trained": "its file was altered", "nothing known too early": ""})
    assert not passed
    assert [test["passed"] for test in tests[2:4]] == [False, True]


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 1024), st.integers(0, 1024)), min_size=1, max_size=8))
def test_the_exact_test_is_the_share_of_all_signs(pairs: list[tuple[int, int]]) -> None:
    ours, theirs = np.array(pairs).T / 1024  # whole numbers of a power of two: their sums are exact
    gains = [b - a for a, b in pairs]
    reached = [sum(s * g for s, g in zip(way, gains, strict=True)) >= sum(gains) for way in product((-1, 1), repeat=len(gains))]
    assert better_by_chance(ours, theirs) == pytest.approx(np.mean(reached), abs=1e-9)


def test_with_many_units_the_test_is_drawn_and_near_the_normal_one() -> None:
    """Mean gain 0.2 of 50 units with spread 1: z = 0.2 * sqrt(50) = 1.41 about zero, one-sided p about 0.08 (normal table)."""
    rng = np.random.default_rng(0)
    gain = rng.normal(size=50)
    gain += 0.2 - gain.mean()
    assert better_by_chance(np.zeros(50), gain) == pytest.approx(0.08, abs=0.02)
    assert better_by_chance(np.zeros(50), gain) == better_by_chance(np.zeros(50), gain)


def test_losses_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError):
        Proof(("a",), np.array([1.0, 2.0]), np.array([1.0]))
    with pytest.raises(InputError):
        Proof(("a",), np.array([np.nan]), np.array([1.0]))


def approved(events: list[Event], names: tuple[str, ...]) -> list[Event]:
    for name in names:
        state = cycle.read(events, "tool-wear", "model")
        assert state.change is not None
        events.append(approve.approve(state.change, "release", name, 3, may=lambda _: None, earlier=state.approved.get("release", ())))
    return events


def test_two_people_who_did_not_propose_it_bring_it_into_force() -> None:
    change = propose(CARD, "", "it is better", "league")
    passed, tests = gate(CARD, proof(0.1, 0.25))
    events = opened(change, passed, tests, 2, 12)
    for event in events:
        check(event)
    state = cycle.read(events, "tool-wear", "model")
    assert (state.stage, cycle.due(state)) == ("gated", "release")
    assert cycle.release(cycle.read(approved(events[:], ("anna",)), "tool-wear", "model"), "r", "anna", 4) == []
    events = approved(events, ("anna", "bo"))
    (released,) = cycle.release(cycle.read(events, "tool-wear", "model"), CARD.id, "bo", 4)
    check(released)
    assert (released.body["target"], released.body["after"]["model"], released.body["before"]) == ("model", CARD.id, {"model": "baseline majority"})
    assert cycle.read(events, "tool-wear").change is None, "rules do not see changes of models"
    for name, words in (("league", "proposed it"), ("anna", "approved it already")):
        with pytest.raises(NotAllowed, match=words):
            approved(opened(change, True, tests, 2, 12) + [e for e in events if e.kind == "change.approved" and e.actor == "anna"], (name,))


def test_what_its_gate_refused_waits_for_nobody() -> None:
    passed, tests = gate(CARD, proof(0.3, 0.25))
    state = cycle.read(opened(propose(CARD, "", "x", "league"), passed, tests, 2, 12), "tool-wear", "model")
    assert (state.stage, cycle.due(state), state.change.state if state.change else "") == ("watching", "", "rejected")


def test_a_demotion_says_why_and_undoes_its_change() -> None:
    events = demoted(CARD.id, "tool-wear", "change-1", "it loses", "league", 9, {"evidence": np.float64(120.0)})
    for event in events:
        check(event)
    assert [(e.kind, e.about) for e in events] == [("model.demoted", CARD.id), ("change.undone", "change-1")]
    assert events[0].body["test"] == {"evidence": 120.0}
