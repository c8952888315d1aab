"""The shop from orders and what happened; repair; shifts in the site's time zone."""

from __future__ import annotations

import pytest

from loopwright.core.clock import NS_PER_S, from_iso
from loopwright.core.errors import InputError, UnknownName
from loopwright.core.types import Slot
from loopwright.make.check import check
from loopwright.make.open_work import Closed, OpenOrder, Step, as_body, from_body, shop_from
from loopwright.make.plan import plan
from loopwright.make.repair import repair
from loopwright.make.route import RouteOperation
from loopwright.make.shifts import closed_times, open_times
from loopwright.make.shop import Blocked, Job, Link, Machine, Operation, Setup, Shop
from tests.make.shops import chain, club_shop

ROUTE = (
    RouteOperation("mill", "mill", 600), RouteOperation("polish", "polish", 300, ("mill",)),
    RouteOperation("measure", "gauge", 120, ("polish",)),
)
MACHINES = (Machine("mill-1", "mill"), Machine("mill-2", "mill"), Machine("polish-1", "polish"), Machine("gauge-1", "gauge"))
T0 = from_iso("2026-03-02T06:00:00Z")


def at(seconds: float) -> int:
    return T0 + round(seconds * NS_PER_S)


def test_operations_that_ended_drop_out_and_running_ones_are_frozen_where_they_run() -> None:
    steps = [Step("o-1", "mill", "mill-2", at(-900), at(-300)), Step("o-1", "polish", "polish-1", at(-100.5))]
    shop = shop_from(T0, [OpenOrder("o-1", ROUTE), OpenOrder("o-2", ROUTE, at(30.2))], MACHINES, steps)
    first, second = shop.jobs
    assert [o.name for o in first.operations] == ["polish", "measure"]
    assert first.operations[0].frozen == Slot("o-1", "polish", "polish-1", -100, 200, frozen=True)
    assert first.operations[0].after == ()
    assert second.operations[0].on == (("mill-1", 600), ("mill-2", 600))
    assert second.release_s == 31  # rounded up: nothing begins before it can
    found = plan(shop)
    assert check(shop, found) == []
    assert {(s.order, s.operation): s.start_s for s in found.slots}["o-1", "measure"] == 200


def test_an_operation_that_should_have_ended_ends_now_at_the_earliest() -> None:
    shop = shop_from(T0, [OpenOrder("o-1", ROUTE)], MACHINES, [Step("o-1", "mill", "mill-1", at(-5000))])
    assert shop.operations[0].frozen == Slot("o-1", "mill", "mill-1", -5000, 0, frozen=True)


def test_an_order_with_nothing_left_is_no_job() -> None:
    steps = [Step("o-1", o.name, "mill-1", at(-10), at(-5)) for o in ROUTE]
    assert shop_from(T0, [OpenOrder("o-1", ROUTE)], MACHINES, steps).jobs == ()


def test_a_shop_that_reports_nothing_is_taken_to_be_where_its_plan_says() -> None:
    old = plan(shop_from(T0, [OpenOrder("o-1", ROUTE)], MACHINES))
    shop = shop_from(at(700), [OpenOrder("o-1", ROUTE)], MACHINES, plan=old)
    assert [o.name for o in shop.operations] == ["polish", "measure"]
    assert shop.operations[0].frozen == Slot("o-1", "polish", "polish-1", -100, 200, frozen=True)


def test_a_work_order_waits_for_what_runs_and_a_closed_shift_does_not() -> None:
    steps = [Step("o-1", "mill", "mill-1", at(-100))]
    closed = [Closed("mill-1", at(0), at(900), "work order w-1", waits=True), Closed("polish-1", at(-50), at(60), "night"),
              Closed("gauge-1", at(-50), at(-10), "past")]
    shop = shop_from(T0, [OpenOrder("o-1", ROUTE)], MACHINES, steps, closed)
    assert shop.blocked == (Blocked("mill-1", 500, 1400, "work order w-1"), Blocked("polish-1", 0, 60, "night"))


def test_a_role_without_a_machine_leaves_the_operation_without_choice() -> None:
    shop = shop_from(T0, [OpenOrder("o-1", ROUTE)], MACHINES[:2])
    assert shop.operations[1].on == ()


def test_two_operations_that_both_run_on_one_machine_are_refused() -> None:
    steps = [Step(o, "mill", "mill-1", at(-100)) for o in ("o-1", "o-2")]
    with pytest.raises(InputError, match="cannot both run there"):
        shop_from(T0, [OpenOrder("o-1", ROUTE), OpenOrder("o-2", ROUTE)], MACHINES, steps)


def test_a_shop_that_contradicts_itself_is_refused() -> None:
    machine = (Machine("m", "mill"),)
    with pytest.raises(InputError, match="stand twice"):
        Shop(0, machine * 2, ())
    with pytest.raises(UnknownName, match="did you mean 'm'"):
        Shop(0, (Machine("m", "mill"), Machine("saw", "saw")), (chain("a", [(("mm", 5),)]),))
    with pytest.raises(InputError, match="wait for each other"):
        Shop(0, machine, (Job("a", (Operation("a", "x", (("m", 1),), ("y",)), Operation("a", "y", (("m", 1),), ("x",)))),))
    with pytest.raises(InputError, match="whole seconds above 0"):
        Shop(0, machine, (chain("a", [(("m", 0),)]),))
    with pytest.raises(UnknownName, match="blocked interval"):
        Shop(0, machine, (), (Blocked("n", 0, 1),))


def test_a_plan_survives_the_ledger() -> None:
    found = plan(club_shop(2))
    assert from_body(as_body(found, "order o-1")) == found
    assert as_body(found, "order o-1")["reason"] == "order o-1"


def test_nothing_moves_when_nothing_changed() -> None:
    shop = club_shop(6)
    old = plan(shop, seconds=0.5)
    again = repair(shop, old, seconds=0.5)
    assert again.plan.slots == old.slots
    assert (again.kept_part, again.moved, again.added) == (1.0, (), ())


@pytest.mark.slow
def test_a_breakdown_moves_little_and_the_repaired_plan_is_a_plan() -> None:
    shop = club_shop(8)
    old = plan(shop, seconds=0.5)
    down = Blocked("polish-1", 2000, 3000, "work order w-1")
    broken = Shop(0, shop.machines, shop.jobs, (down,))
    assert {v.rule for v in check(broken, old)} == {"blocked"}
    repaired = repair(broken, old, seconds=1.0)
    assert check(broken, repaired.plan) == []
    assert repaired.kept_part >= 0.5
    assert repaired.plan.value <= 1.1 * old.value


def test_reworked_operations_and_a_new_order_go_in_between() -> None:
    shop = club_shop(4)
    old = plan(shop, seconds=0.5)
    rework = Job("o0-again", (Operation("o0-again", "op3#2", (("polish-1", 500),)), Operation("o0-again", "op5#2", (("measure-1", 200),), ("op3#2",))))
    more = Shop(0, shop.machines, (*shop.jobs, rework))
    repaired = repair(more, old, seconds=1.0)
    assert check(more, repaired.plan) == []
    assert repaired.added == (("o0-again", "op3#2"), ("o0-again", "op5#2"))
    assert repaired.kept_part >= 0.7


def test_a_plan_that_is_repaired_later_counts_from_the_later_moment() -> None:
    orders = [OpenOrder("o-1", ROUTE), OpenOrder("o-2", ROUTE)]
    old = plan(shop_from(T0, orders, MACHINES))
    later = shop_from(at(100), [*orders, OpenOrder("o-3", ROUTE)], MACHINES, plan=old)
    repaired = repair(later, old)
    assert check(later, repaired.plan) == []
    before = {(s.order, s.operation): s.start_s for s in old.slots if s.order != "o-3"}
    assert all(s.start_s == before[s.order, s.operation] - 100 for s in repaired.plan.slots if (s.order, s.operation) in repaired.kept)
    assert repaired.kept_part == 1.0


WEEK = {"mon": ["06:00-14:00", "14:00-22:00"], "fri": ["22:00-06:00"], "sat": ["22:00-06:00"]}


def spans(table: dict[str, list[str]], start: str, end: str, zone: str = "Europe/Berlin", **more: list[str]) -> list[float]:
    return [(b - a) / NS_PER_S / 3600 for a, b in open_times(table, zone, from_iso(start), from_iso(end), **more)]


def test_shifts_stand_in_the_time_zone_of_the_site() -> None:
    begin, end = open_times(WEEK, "Europe/Berlin", from_iso("2026-01-05T00:00:00Z"), from_iso("2026-01-06T00:00:00Z"))[0]
    assert (begin, end) == (from_iso("2026-01-05T05:00:00Z"), from_iso("2026-01-05T21:00:00Z"))  # CET = UTC+1; two shifts touch


def test_a_night_shift_is_an_hour_shorter_when_summer_time_begins_and_longer_when_it_ends() -> None:
    # Directive 2000/84/EC: clocks change on the last Sundays of March and October at 01:00 UTC; 2026: 29 March, 25 October
    night = {"sat": ["22:00-06:00"]}
    assert spans(night, "2026-03-21T00:00:00Z", "2026-03-22T23:00:00Z") == [8.0]
    assert spans(night, "2026-03-28T00:00:00Z", "2026-03-29T23:00:00Z") == [7.0]
    assert spans(night, "2026-10-24T00:00:00Z", "2026-10-25T23:00:00Z") == [9.0]


def test_what_is_closed_is_what_is_not_open_cut_to_the_time_asked_for() -> None:
    start, end = from_iso("2026-01-05T06:00:00Z"), from_iso("2026-01-06T00:00:00Z")
    assert closed_times(WEEK, "Europe/Berlin", start, end) == [(from_iso("2026-01-05T21:00:00Z"), end)]
    assert closed_times({}, "UTC", start, end) == []
    assert closed_times({"mon": ["00:00-24:00"]}, "UTC", start, end) == []
    assert closed_times(WEEK, "Europe/Berlin", start, end, ["2026-01-05"]) == [(start, end)]


@pytest.mark.parametrize(
    ("table", "zone", "message"),
    [
        ({"mon": ["6-14"]}, "UTC", r"'6-14'.*06:00-14:00"), ({"mon": ["06:00-25:00"]}, "UTC", "00:00 to 24:00"),
        ({"monday": ["06:00-14:00"]}, "UTC", "did you mean 'mon'"), (WEEK, "Europe/Berlino", "'Europe/Berlino' is not known"),
    ],
)
def test_a_shift_table_that_cannot_be_read_is_named(table: dict[str, list[str]], zone: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_times(table, zone, 0, NS_PER_S)


def one(**more: object) -> Shop:
    """A shop of one operation; more: fields of the operation."""
    return Shop(0, (Machine("m", "mill"), Machine("n", "mill")), (Job("a", (Operation("a", "x", **{"on": (("m", 5),), **more}),)),),  # type: ignore[arg-type]
                tools={"jig": 2})


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"on": (("m", 5), ("m", 6))}, r"\['m'\] stand twice"), ({"on": (("m", 1.5),)}, "takes 1.5 s.*whole seconds"),
        ({"on": (("m", 2**62),)}, "at most 10,000,000,000"), ({"tools": ("jig", "jig")}, "one of each"),
        ({"frozen": Slot("a", "x", "saw", 0, 5)}, "frozen slot.*there is no 'saw'"),
        ({"frozen": Slot("b", "x", "m", 0, 5)}, "its own order and operation"),
        ({"frozen": Slot("a", "x", "m", 0, 2**62)}, "from the origin"),
    ],
)
def test_an_operation_that_contradicts_itself_is_refused(more: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        one(**more)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"jobs": (Job("a", (), release_s=2**62),)}, "release of job 'a'.*317 years"),
        ({"jobs": (Job("a", (), due_s=-(2**62)),)}, "due date of job 'a'"), ({"materials": {"oak": 2**62}}, "'oak'"),
        ({"jobs": (Job("a", (), weight=float("nan")),)}, "weight nan"), ({"jobs": (Job("a", (), weight=1e300),)}, "weight"),
        ({"horizon_s": 2**62}, "horizon"), ({"setups": (Setup("m", "a", "*", 5),)}, "only stands before"),
        ({"machines": (Machine("m", "mill", batch=0),)}, "batch 0"),
        ({"jobs": (Job("a", (Operation("a", "x", (("m", 1),)), Operation(
            "a", "y", (("m", 1),), ("x",), links=(Link("x", 5), Link("x", 9))))),)}, r"links: \['x'\] stand twice"),
    ],
)
def test_a_shop_whose_numbers_make_no_sense_is_refused(more: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Shop(**{"origin_ns": 0, "machines": (Machine("m", "mill"),), "jobs": (), **more})  # type: ignore[arg-type]


def test_what_has_begun_is_frozen_without_saying_so_again() -> None:
    shop = one(frozen=Slot("a", "x", "n", -3, 10))
    assert shop.operations[0].frozen == Slot("a", "x", "n", -3, 10, frozen=True)
    assert check(shop, plan(shop)) == []
