"""The passport: one unit's thread among the events of many, and what of it is public."""

from __future__ import annotations

import pytest

from loopwright.core.errors import InputError
from loopwright.core.types import Event
from loopwright.make.passport import passport, public_passport


def event(n: int, kind: str, about: str, because: tuple[str, ...] = (), **body: object) -> Event:
    return Event(kind, about, n, "anna", body, because, id=f"e{n}", known_ns=n, hash=f"h{n}")


SLOTS = [{"order": o, "operation": "mill", "machine": "mill-1", "start_s": 0, "end_s": 9, "frozen": False} for o in ("o-1", "o-2")]
PARAMETER = {"name": "lie", "value": 1.08, "unit": "rad", "low": 1.07, "high": 1.09, "rule": "lie@r0", "source": "chart"}
STEP = {"order": "o-1", "operation": "mill", "machine": "mill-1", "start_ns": 3, "end_ns": 4, "program_hash": "abc",
        "signals": ["mill-1/spindle.power"], "run": "run-7", "lots": ["lot-9"]}
LIFE = [
    event(1, "order.placed", "o-1", person="p-1", family="iron", wishes={"note": "ruby"}, quantity=1, due_ns=9, price_minor=19900, currency="EUR"),
    event(2, "order.fitted", "o-1", design="iron/o-1@r0", family="iron", revision="r0", parameters=[PARAMETER], mirrored=True, rules=["lie@r0"]),
    event(3, "plan.released", "plan-1", origin_ns=0, slots=SLOTS, status="optimal", objective="makespan", makespan_s=9, bound_s=9,
          solver="dispatch", took_s=0.1, reason="order o-1"),
    event(4, "step.finished", "s-1", **STEP),
    event(5, "unit.measured", "s-1", order="o-1", measures=[], verdict="rework", attempt=1),
    event(6, "unit.reworked", "s-1", order="o-1", reason="lie", attempt=2),
    event(7, "unit.finished", "s-1", order="o-1", design="iron/o-1@r0", as_built={"lie": 1.081}, made_ns=7),
    event(8, "unit.shipped", "s-1", order="o-1", code_hash="secret", salt="salt"),
    event(9, "unit.claimed", "s-1", owner="p-1"),
    event(10, "outcome.measured", "s-1", outcome={"direction": 0.02}, as_built={"lie": 1.081}),
    event(11, "change.proposed", "c-1", ("e10",), change={"rule": "lie"}),
    event(12, "change.released", "c-1", target="rule", rule="lie", before={}, after={}, revision="r1"),
]
OTHERS = [
    event(20, "order.placed", "o-2", person="p-2", family="iron", wishes={}, quantity=1, due_ns=9, price_minor=1, currency="EUR"),
    event(21, "unit.finished", "s-2", order="o-2", design="iron/o-2@r0", as_built={}, made_ns=21),
    event(22, "change.proposed", "c-2", ("e21",), change={}),
]


def test_a_passport_tells_the_life_of_one_unit_in_order() -> None:
    whole = passport([*reversed(LIFE), *OTHERS], "s-1")
    assert (whole["serial"], whole["state"]) == ("s-1", "claimed")
    assert (whole["order"]["id"], whole["order"]["person"], whole["order"]["placed_ns"]) == ("o-1", "p-1", 1)
    assert whole["design"]["parameters"][0]["rule"] == "lie@r0"
    assert whole["plans"][0]["slots"] == [SLOTS[0]]
    assert whole["steps"][0]["program_hash"] == "abc"
    assert (whole["steps"][0]["run"], whole["lots"]) == ("run-7", ["lot-9"])
    assert [m["verdict"] for m in whole["measurements"]] == ["rework"]
    assert whole["as_built"] == {"lie": 1.081}
    assert whole["claim"] == {"claimed_ns": 9, "owner": "p-1"}
    assert whole["outcomes"][0]["outcome"] == {"direction": 0.02}
    assert [f["kind"] for f in whole["followed"]] == ["change.proposed", "change.released"]
    assert [h["id"] for h in whole["history"]] == [f"e{n}" for n in range(1, 13)]
    assert "secret" not in str(whole)


def test_the_serial_may_be_left_out_when_there_is_only_one() -> None:
    assert passport(LIFE) == passport(LIFE, "s-1")
    with pytest.raises(InputError, match="events of 2 units"):
        passport([*LIFE, *OTHERS])
    with pytest.raises(InputError, match="no event is about this unit"):
        passport(LIFE, "s-9")


def test_the_public_passport_names_no_person_order_price_or_actor() -> None:
    agreed = public_passport(LIFE, "s-1", agreed=True)
    assert agreed["parameters"] == [{"name": "lie", "value": 1.08, "unit": "rad"}]
    assert agreed["steps"] == [{"operation": "mill", "machine": "mill-1", "start_ns": 3, "end_ns": 4, "program_hash": "abc"}]
    text = str(agreed)
    assert not any(word in text for word in ("p-1", "o-1", "anna", "19900", "ruby", "chart", "secret", "owner"))


def test_a_unit_with_an_owner_shows_no_dimension_unless_the_owner_agreed() -> None:
    assert set(public_passport(LIFE, "s-1")) == {"serial", "state", "family", "revision", "made_ns"}
    unclaimed = [e for e in LIFE if e.kind != "unit.claimed"]
    assert public_passport(unclaimed, "s-1")["as_built"] == {"lie": 1.081}
