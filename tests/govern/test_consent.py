"""Consent as a fold: newest word counts, an end is an end, and nothing happens without it."""

import pytest

from loopwright.core.errors import NoConsent, UnknownName
from loopwright.core.types import Event
from loopwright.govern import consent

DAY = 86_400 * 1_000_000_000


def given(person, purpose, t, until):
    return Event("consent.given", person, t * DAY, person, {"purpose": purpose, "until_ns": until * DAY})


def withdrawn(person, purpose, t):
    return Event("consent.withdrawn", person, t * DAY, person, {"purpose": purpose})


EVENTS = [
    given("p1", "coaching", 1, 100),
    given("p1", "improvement", 1, 100),
    withdrawn("p1", "coaching", 10),
    given("p2", "coaching", 2, 5),
    given("p1", "coaching", 20, 30),
    given("p3", "coaching", 3, 100),
    Event("person.erased", "p3", 40 * DAY, "p3", {}),
]


@pytest.mark.parametrize(
    ("day", "person", "purposes"),
    [
        (0, "p1", set()),
        (1, "p1", {"coaching", "improvement"}),
        (10, "p1", {"improvement"}),
        (20, "p1", {"coaching", "improvement"}),
        (30, "p1", {"improvement"}),
        (100, "p1", set()),
        (4, "p2", {"coaching"}),
        (5, "p2", set()),
        (39, "p3", {"coaching"}),
        (40, "p3", set()),
        (9, "nobody", set()),
    ],
)
def test_what_a_person_agrees_to_at_a_time(day, person, purposes):
    assert set(consent.valid(EVENTS, person, day * DAY)) == purposes
    assert set(consent.valid(EVENTS[::-1], person, day * DAY)) == purposes  # in whatever order they were recorded


def test_who_agrees_to_a_purpose():
    assert consent.who(EVENTS, "coaching", 4 * DAY) == ["p1", "p2", "p3"]
    assert consent.who(EVENTS, "training", 4 * DAY) == []


def test_a_withdrawal_at_the_same_moment_wins():
    events = [withdrawn("p", "coaching", 3), given("p", "coaching", 3, 9)]
    assert consent.valid(events, "p", 4 * DAY) == {}


def test_without_consent_it_is_refused_with_the_reason():
    consent.need(EVENTS, "p1", "coaching", 2 * DAY)
    for person, purpose, day, word in [
        ("p1", "coaching", 12, "withdrawn on 1970-01-11"),
        ("p2", "coaching", 9, "ended on 1970-01-06"),
        ("p2", "training", 9, "never"),
        ("p1", "coaching", 0, "never"),
    ]:
        with pytest.raises(NoConsent, match=word):
            consent.need(EVENTS, person, purpose, day * DAY)
    with pytest.raises(UnknownName, match="did you mean 'coaching'"):
        consent.need(EVENTS, "p1", "coachin", 0)
    assert consent.require_purpose("training") == "training"
