"""What if, on shops small enough to be counted by hand."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import pytest

from loopwright.core.clock import NS_PER_S, from_iso
from loopwright.core.errors import InputError, PlanError, UnknownName
from loopwright.core.types import Slot
from loopwright.make.check import check
from loopwright.make.plan import plan
from loopwright.make.shop import Blocked, Job, Machine, Operation, Operator, Setup, Shop
from loopwright.make.whatif import CLOSED_SHIFT, KINDS, Calendar, Change, changed, compared, drawn

FRIDAY_NS = from_iso("2026-11-27T06:00:00+01:00")
DAY, HOUR = 86_400, 3600


def one(job: str, name: str, machine: str, seconds: int, *after: str, **more: object) -> Operation:
    return Operation(job, name, ((machine, seconds),), after, **more)  # type: ignore[arg-type]


# three orders of 10 s on one mill: 30 s, whatever the order; due after 10 s each: 0 + 10 + 20 s late
MILL = Shop(0, (Machine("mill", "mill"),), tuple(
    Job(job, (one(job, "cut", "mill", 10),), due_s=10) for job in "abc"))
PEOPLE = replace(
    MILL, operators=(Operator("p", ("cut",)),), machines=(Machine("mill", "mill"), Machine("lathe", "mill")),
    jobs=tuple(Job(j, (Operation(j, "cut", (("mill", 10), ("lathe", 10)), skill="cut"),)) for j in "ab"))


def table(shop: Shop, *changes: Change, calendar: Calendar | None = None) -> dict[str, float]:
    """What the figures are before and after, each side planned to its optimum."""
    other = changed(shop, changes, calendar or Calendar())
    plans = [plan(s, 0.5, "tardiness" if any(job.due_s is not None for job in s.jobs) else "makespan", workers=1) for s in (shop, other)]
    assert not check(shop, plans[0])
    assert not check(other, plans[1])
    data = compared(shop, plans[0], other, plans[1])
    return {f"{row['what']} {when}": row[when] for row in data["figures"] for when in ("before", "after")}


def test_a_machine_more_halves_the_queue() -> None:
    told = table(MILL, Change("machine-more", "mill"))
    assert (told["makespan before"], told["makespan after"]) == (30, 20)
    assert (told["tardiness before"], told["tardiness after"]) == (30, 10)
    assert (told["late orders before"], told["late orders after"]) == (2, 1)


def test_a_machine_more_has_the_shifts_and_setups_of_the_old_one_but_not_its_repairs() -> None:
    shop = replace(MILL, setups=(Setup("mill", "*", "x", 5),), blocked=(
        Blocked("mill", 100, 200, CLOSED_SHIFT), Blocked("mill", 0, 50, "new spindle")))
    more = changed(shop, [Change("machine-more", "mill", new="mill-b")])
    assert [b for b in more.blocked if b.machine == "mill-b"] == [Blocked("mill-b", 100, 200, CLOSED_SHIFT)]
    assert Setup("mill-b", "*", "x", 5) in more.setups
    assert next(o.on for o in more.operations) == (("mill", 10), ("mill-b", 10))
    twice = changed(MILL, [Change("machine-more", "mill"), Change("machine-more", "mill")])
    assert [m.id for m in twice.machines] == ["mill", "mill+1", "mill+2"]


def test_a_faster_machine_an_absence_and_an_order_less() -> None:
    assert table(MILL, Change("speed", "mill", factor=2.0))["makespan after"] == 15
    assert table(MILL, Change("speed", "mill", factor=3.0))["makespan after"] == 12, "whole seconds, rounded up"
    assert table(MILL, Change("machine-away", "mill", 25))["makespan after"] == 55
    assert table(MILL, Change("order-gone", "b"))["makespan after"] == 20
    assert table(MILL, Change("order-more", "b"))["makespan after"] == 40


def test_due_dates_move_what_is_late_and_by_how_much() -> None:
    assert table(MILL, Change("order-later", "c", 20))["tardiness after"] == 10
    assert table(MILL, Change("order-earlier", "a", 4))["tardiness after"] == 34
    assert table(MILL, Change("order-earlier", "a", 40))["tardiness after"] == 70, "a due date may lie in the past"


def test_people_and_material_are_changed_too() -> None:
    assert table(PEOPLE)["makespan after"] == 20, "two machines and one person"
    assert table(PEOPLE, Change("operator-more", "p"))["makespan after"] == 10
    assert table(PEOPLE, Change("operator-away", "p", 30))["makespan after"] == 50
    steel = replace(MILL, materials={"steel": 100}, jobs=(Job("a", (one("a", "cut", "mill", 10, materials=("steel",)),)),))
    assert table(steel, Change("material-earlier", "steel", 60))["makespan after"] == 50
    assert table(steel, Change("material-earlier", "steel", 600))["makespan after"] == 10
    assert table(steel, Change("material-later", "steel", 60))["makespan after"] == 170


def week_shop() -> Shop:
    """From Friday 06:00 in Berlin: open Friday and Monday 06:00-14:00, a job of 6 h and one of 7 h."""
    closed = (Blocked("mill", 8 * HOUR, 3 * DAY, CLOSED_SHIFT), Blocked("mill", 3 * DAY + 8 * HOUR, 4 * DAY, CLOSED_SHIFT))
    jobs = (Job("a", (one("a", "cut", "mill", 6 * HOUR),)), Job("b", (one("b", "cut", "mill", 7 * HOUR),)))
    return Shop(FRIDAY_NS, (Machine("mill", "mill"),), jobs, closed, 4 * DAY)


def test_shifts_on_a_day_more_and_a_day_less() -> None:
    calendar = Calendar("Europe/Berlin", ("06:00-14:00",))
    told = table(week_shop(), Change("shift-more", "sat"), calendar=calendar)
    assert told["makespan before"] == 3 * DAY + 6 * HOUR
    assert told["makespan after"] == DAY + 6 * HOUR
    with pytest.raises(PlanError):  # without Monday the second job ends never
        table(week_shop(), Change("shift-less", "mon"), calendar=calendar)
    both = table(week_shop(), Change("shift-more", "sat"), Change("shift-less", "fri"), calendar=calendar)
    assert both["makespan after"] == 3 * DAY + 6 * HOUR, "7 h on Saturday, 6 h on Monday"
    same = changed(week_shop(), [Change("shift-more", "fri")], calendar)
    assert same.blocked == week_shop().blocked, "it is open already"


def test_what_has_begun_stays_where_it_is() -> None:
    run = Operation("a", "cut", (("mill", 10),), frozen=Slot("a", "cut", "mill", -2, 8, True))
    shop = Shop(0, MILL.machines, (Job("a", (run,)), MILL.jobs[1]))
    for change in (Change("machine-away", "mill", 5), Change("speed", "mill", factor=2), Change("machine-more", "mill")):
        assert changed(shop, [change]).jobs[0] == shop.jobs[0]
    more = changed(shop, [Change("order-more", "a", new="z")])
    assert more.jobs[-1].operations == (Operation("z", "cut", (("mill", 10),)),)


def test_the_table_counts_load_ends_and_what_moved() -> None:
    other = changed(MILL, [Change("machine-more", "mill"), Change("order-gone", "c")])
    a = replace(plan(MILL, 0), slots=tuple(Slot(j, "cut", "mill", 10 * n, 10 * n + 10) for n, j in enumerate("abc")))
    b = replace(a, slots=(Slot("b", "cut", "mill", 0, 10), Slot("a", "cut", "mill+1", 0, 10)))
    told = compared(MILL, a, other, b)
    assert told["machines"] == [
        {"machine": "mill", "before_s": 30, "before_share": 1.0, "after_s": 10, "after_share": 1.0},
        {"machine": "mill+1", "before_s": None, "before_share": None, "after_s": 10, "after_share": 1.0}]
    assert told["orders"] == [
        {"order": "a", "due_s": 10, "before_s": 10, "after_s": 10, "late_before_s": 0, "late_after_s": 0},
        {"order": "b", "due_s": 10, "before_s": 20, "after_s": 10, "late_before_s": 10, "late_after_s": 0},
        {"order": "c", "due_s": 10, "before_s": 30, "after_s": None, "late_before_s": 20, "late_after_s": 0}]
    assert (told["operations"], told["kept"], told["moved"], told["added"], told["gone"]) == (2, 1, 1, 0, 1)
    with pytest.raises(InputError, match="one origin"):
        compared(MILL, a, other, replace(b, origin_ns=NS_PER_S))


def test_both_plans_stand_in_one_drawing_on_one_scale() -> None:
    other = changed(MILL, [Change("machine-more", "mill")])
    text = drawn(MILL, plan(MILL, 0), other, plan(other, 0), ("as it is", "with <two> mills"))
    assert ElementTree.fromstring(text).get("aria-label", "").startswith("as it is and with <two> mills: ")
    assert text.count(">with &lt;two&gt; mills</text>") == text.count(">as it is</text>") == len(other.machines)


@pytest.mark.parametrize(("kind", "name"), [
    ("machine-more", "mil"), ("machine-away", "mil"), ("speed", "mil"), ("shift-more", "saturday"), ("shift-less", "x"),
    ("order-earlier", "d"), ("order-later", "d"), ("order-gone", "d"), ("order-more", "d"), ("operator-more", "q"),
    ("operator-away", "q"), ("material-earlier", "tin"), ("material-later", "tin")])
def test_a_name_that_is_not_there_lists_those_that_are(kind: str, name: str) -> None:
    assert kind in KINDS
    with pytest.raises(UnknownName):
        changed(PEOPLE, [Change(kind, name, 5)])


def test_a_person_of_a_shop_that_has_none_is_named() -> None:
    with pytest.raises(UnknownName, match="none is defined"):
        changed(MILL, [Change("operator-more", "p")])


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(UnknownName, match="did you mean"):
        Change("machine-mor", "mill")
    with pytest.raises(InputError, match=r"0\.01 to 100"):
        Change("speed", "mill", factor=0)
    with pytest.raises(InputError, match=r"0\.01 to 100"):
        Change("speed", "mill", factor=float("nan"))
    with pytest.raises(InputError, match="another name"):
        changed(PEOPLE, [Change("machine-more", "mill", new="lathe")])
    with pytest.raises(InputError, match="no due date"):
        changed(PEOPLE, [Change("order-earlier", "a", 5)])
    with pytest.raises(PlanError, match="no machine can do it"):
        plan(changed(MILL, [Change("machine-away", "mill")]), 0)


def test_every_kind_says_what_it_does() -> None:
    said = [Change(kind, "x", 93_600, 1.5).says() for kind in KINDS]
    assert len(set(said)) >= len(KINDS) - 1
    assert "x is due 1 d 2 h earlier" in said
    assert "x is 1.5 times as fast" in said
