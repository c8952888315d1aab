"""What an owner gets, and what an erasure must touch."""

import json

from loopwright.core.types import Event, Person, Thing
from loopwright.govern import rights

ANNE = Person("person-1", {"stature": 1.6543, "age": 30.0}, "left")
EVENTS = [
    Event("person.added", "person-1", 1, "import", {"source": "f", "measures_hash": "xx", "handedness": "left"}),
    Event("order.placed", "order-1", 2, "shop", {"person": "person-1"}, id="o1"),
    Event("order.placed", "order-2", 2, "shop", {"person": "person-2"}),
    Event("unit.finished", "unit-1", 3, "shop", {"order": "order-1"}),
    Event("unit.shipped", "unit-1", 4, "shop", {"order": "order-1", "code_hash": "secret", "salt": "salt"}),
    Event("unit.claimed", "unit-1", 5, "person-1", {"owner": "person-1"}),
    Event("consent.given", "person-1", 6, "person-1", {"purpose": "coaching", "until_ns": 100}),
    Event("decision.made", "unit-9", 6, "coach", {"decision": {}}),
    Event("unit.finished", "unit-3", 6, "shop", {"order": "order-2"}),
    Event("unit.claimed", "unit-3", 7, "person-2", {"owner": "person-2"}),
    Event("unit.claimed", "unit-3", 8, "person-1", {"owner": "person-1"}),
    Event("outcome.measured", "unit-3", 9, "improve", {"shots": 9}, id="hers"),
    Event("unit.claimed", "unit-3", 10, "person-4", {"owner": "person-4"}),
    Event("outcome.measured", "unit-3", 11, "improve", {"shots": 12}, id="not hers"),
]
THINGS = [Thing("unit-1", "club", owner="person-1"), Thing("unit-2", "club", owner="person-2")]


def test_an_owner_gets_everything_about_them_and_nothing_about_others():
    got = rights.export(ANNE, EVENTS, THINGS, {"unit-1": [{"signal": "carry", "value": 140.0}]}, now_ns=50)
    assert json.loads(json.dumps(got)) == got
    assert got["person"]["measures"]["stature"] == 1.6543
    assert (got["orders"], got["units"], got["things"]) == (["order-1"], ["unit-1", "unit-3"], ["unit-1"])
    assert [c["purpose"] for c in got["consents"]] == ["coaching"]
    text = json.dumps(got["events"])
    assert "person-2" not in text
    assert "order-2" not in text
    assert "secret" not in text
    assert got["points"] == {"unit-1": [{"signal": "carry", "value": 140.0}]}


def test_of_a_unit_that_changed_hands_only_the_time_it_was_theirs():
    mine = rights.about("person-1", EVENTS, THINGS)
    assert "hers" in [e.id for e in mine]
    assert "not hers" not in [e.id for e in mine]
    assert not [e for e in mine if e.body.get("owner") in ("person-2", "person-4")]


def test_an_erasure_names_all_that_must_go_and_people_last():
    plan = rights.erasure("person-1", EVENTS, THINGS)
    assert [d.where for d in plan] == ["points", "exports", "people"]
    assert plan[0].ids == ("unit-1", "unit-3", "person-1")
    assert plan[-1].ids == ("person-1",)


def test_a_measure_that_stands_in_an_event_is_found():
    assert rights.leftovers(ANNE, EVENTS) == []
    number = Event("order.fitted", "order-1", 3, "fit", {"parameters": [{"inputs": {"x": 1.6543}}]}, id="number")
    words = Event(
        "order.fitted", "order-1", 3, "fit", {"parameters": [{"because": "stature 1.65 m -> 0.94 m"}]}, id="words"
    )
    harmless = Event(
        "order.fitted",
        "order-1",
        3,
        "fit",
        {"parameters": [{"because": "follows from stature", "value": 30.0}]},
        id="harmless",
    )
    assert rights.leftovers(ANNE, [number, words, harmless]) == ["number", "words"]
