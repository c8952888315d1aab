"""The chain as people read it."""

from loopwright.core.kinds import KINDS
from loopwright.core.types import Event
from loopwright.govern import ledger

EVENTS = [
    Event("change.proposed", "change-1", 1, "improve", {"change": {}}, id="a"),
    Event("unit.measured", "unit-1", 2, "gauge", {}, id="b"),
    Event(
        "change.approved",
        "change-1",
        3,
        "anna",
        {"automatic": True, "purpose": "trial", "word": "automatic (example)"},
        ("a",),
        id="c",
    ),
    Event("change.gated", "change-1", 4, "improve", {"tests": [], "passed": False}, ("c", "b"), id="d"),
    Event("change.declined", "change-1", 5, "bo", {"why": "not before the season"}, ("d",), id="e"),
]


def test_decisions_are_told_with_who_and_why():
    rows = ledger.read(EVENTS)
    assert [r["who"] for r in rows] == ["improve", "anna", "improve", "bo"]
    assert rows[1]["what"] == "approved it for its trial"
    assert rows[1]["word"] == "automatic (example)"
    assert rows[2]["what"] == "ran the tests before release: failed"
    assert rows[3]["what"] == "declined it: not before the season"
    assert rows[0]["when"] == "1970-01-01T00:00:00.000Z"
    assert [r["id"] for r in ledger.read(EVENTS, actor="bo")] == ["e"]
    assert ledger.read(EVENTS, about="unit-1") == []


def test_an_old_event_that_lacks_a_field_is_still_told():
    assert ledger.read([Event("change.undone", "c", 1, "x", {})])[0]["what"] == "took it back: ?"


def test_every_kind_that_is_told_exists_and_its_fields_do_too():
    for kind, sentence in ledger.DECISIONS.items():
        fields = set(KINDS[kind].body)
        named = {part.split("}")[0] for part in sentence.split("{")[1:]}
        assert named <= fields, kind


def test_what_a_decision_rests_on_is_found_however_far_back():
    assert [e.id for e in ledger.trace(EVENTS, "e")] == ["e", "d", "c", "b", "a"]
    assert ledger.trace(EVENTS, "none") == []
