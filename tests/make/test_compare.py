"""Two plans beside each other: what stays on its machine in its order."""

from __future__ import annotations

from loopwright.core.types import Plan, Slot
from loopwright.make.change.compare import compared

NS = 1_000_000_000


def planned(origin_s: int, *slots: Slot) -> Plan:
    last = max((s.end_s for s in slots), default=0)
    return Plan(origin_s * NS, slots, "feasible", "makespan", last, last, "by hand", 0.0)


def test_one_operation_that_is_put_first_moved_and_those_it_pushed_did_not() -> None:
    before = planned(0, Slot("a", "x", "m", 0, 10), Slot("b", "x", "m", 10, 20), Slot("c", "x", "m", 20, 30), Slot("d", "x", "n", 0, 5))
    after = planned(0, Slot("c", "x", "m", 0, 10), Slot("a", "x", "m", 10, 20), Slot("b", "x", "m", 20, 30), Slot("d", "x", "m", 30, 35))
    told = compared(before, after)
    assert [m.key for m in told.moved] == [("d", "x"), ("c", "x")]
    assert {m.key[0]: m.shift_s for m in told.both} == {"a": 10, "b": 10, "c": -20, "d": 30}
    assert told.kept_part == 0.5


def test_plans_that_count_from_different_moments_are_compared_by_the_clock() -> None:
    """The second plan begins an hour later; a is done, b has begun, c starts when it should, e is new."""
    before = planned(0, Slot("a", "x", "m", 0, 3000), Slot("b", "x", "m", 3000, 4000), Slot("c", "x", "m", 4000, 5000))
    after = planned(3600, Slot("b", "x", "m", -600, 400, True), Slot("c", "x", "m", 400, 1400), Slot("e", "x", "m", 1400, 1500))
    told = compared(before, after)
    assert [(m.key, m.shift_s, m.kept) for m in told.both] == [(("c", "x"), 0, True)]
    assert [s.order for s in told.added] == ["e"]
    assert [s.order for s in told.gone] == ["a"]
    assert compared(planned(0), planned(5)).kept_part == 1.0
