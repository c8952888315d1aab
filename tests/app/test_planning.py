"""A plant's plan follows its shop: every event repairs it by itself, and what has begun stays where it is."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from loopwright.app import sources
from loopwright.app.making import Making
from loopwright.app.open_shop import open_work, shop_at
from loopwright.app.ordering import fit_orders, place
from loopwright.app.planning import Planning, catch_up, mend
from loopwright.app.plant import Plant, open_plant
from loopwright.app.releasing import Found, Why, release
from loopwright.app.site import load_site
from loopwright.app.telling import WHATS, tell
from loopwright.core.clock import NS_PER_S, SimClock
from loopwright.core.errors import InputError, PlanError, SiteError, UnknownName
from loopwright.core.types import POINTS_IN, Batch, Event
from loopwright.make.change.disturb import Breakdown, disturbed
from loopwright.make.check import check
from loopwright.make.open_work import from_body
from tests.app.stick_plans import after, planned, repaired, say
from tests.app.stick_shop import MIN, MONDAY_NS, new_orders, slots, stick_shop, stick_site


def test_a_fitted_order_is_planned_by_itself_and_the_plan_says_why(tmp_path: Path) -> None:
    with stick_shop(tmp_path, orders=2) as plant:
        first = repaired(plant)
        fitted = plant.store.recall(kind="order.fitted")
        assert first.body["reason"] == "new order S001; new order S002"
        assert list(first.because) == [event.id for event in fitted]
        assert {order for order, _ in slots(first)} == {"S001", "S002"}
        assert Planning(plant).step(1e6) is None
        new_orders(plant, "N", 1)
        second = repaired(plant)
        assert second.body["repairs"] == first.about
        assert (second.body["kept_part"], second.body["moved"]) == (1.0, [])
        assert {key[0] for key in map(tuple, second.body["added"])} == {"N001"}


def test_a_machine_that_is_down_moves_its_work_and_leaves_what_has_begun(tmp_path: Path) -> None:
    with stick_shop(tmp_path, orders=3) as plant:
        before = slots(repaired(plant))
        assert before["S001", "turn"] == ("lathe-1", 0, 17)
        say(plant, "started", "S001", "turn")
        say(plant, "started", "S002", "turn")
        assert Planning(plant).step(1e6) is None, "both began as planned"
        after(plant, 5)
        say(plant, "down", "lathe-1", until="30min", why="spindle bearing")
        event = repaired(plant)
        now = slots(event)
        assert event.body["reason"] == "repair: lathe-1 is down until 2026-11-23T07:35:00Z (spindle bearing)"
        assert event.because == (plant.store.recall(kind="machine.down")[0].id,)
        assert now["S001", "turn"] == ("lathe-1", 0, 17 + 30), "it rests while its machine is down"
        assert now["S002", "turn"] == ("lathe-2", 0, 17)
        assert now["S003", "turn"][1] >= {"lathe-1": 35, "lathe-2": 17}[now["S003", "turn"][0]]
        free = sum(not s["frozen"] for s in event.body["slots"])
        assert event.body["kept_part"] == event.body["kept"] / free
        assert len(event.body["moved"]) == free - event.body["kept"]
        assert event.body["shifted"] >= 1, "S001 is finished later"


def test_a_machine_that_works_again_gets_its_work_back(tmp_path: Path) -> None:
    with stick_shop(tmp_path, orders=3) as plant:
        repaired(plant)
        say(plant, "down", "lathe-2", until="3h")
        down = repaired(plant)
        assert all(row[1] >= 180 for row in slots(down).values() if row[0] == "lathe-2")
        after(plant, 1)
        say(plant, "up", "lathe-2")
        event = repaired(plant)
        assert event.body["reason"] == "repair: lathe-2 works again"
        assert min(row[1] for key, row in slots(event).items() if key[1] == "turn" and row[0] == "lathe-2") == 1


def test_ends_as_planned_call_for_nothing_and_others_for_a_repair(tmp_path: Path) -> None:
    with stick_shop(tmp_path, orders=1) as plant:
        repaired(plant)
        planning = Planning(plant)
        say(plant, "started", "S001", "turn")
        after(plant, 17.5)
        say(plant, "finished", "S001", "turn")
        assert planning.step(1e6) is None
        say(plant, "started", "S001", "finish")
        after(plant, 30)
        say(plant, "finished", "S001", "finish")
        event = planning.step(2e6)
        assert event is not None
        assert event.body["reason"] == "repair: finish of S001 ended on bench-1 at 2026-11-23T07:30:00Z"
        assert slots(event) == {("S001", "measure"): ("gauge-1", 30, 32)}


def test_scrap_makes_another_piece_and_rework_makes_what_follows_wait(tmp_path: Path) -> None:
    with stick_shop(tmp_path, orders=2) as plant:
        repaired(plant)
        for order in ("S001", "S002"):
            say(plant, "started", order, "turn")
        after(plant, 17)
        for order in ("S001", "S002"):
            say(plant, "finished", order, "turn")
        say(plant, "scrapped", "S001", why="split")
        say(plant, "rework", "S002", "turn", why="too thick")
        event = repaired(plant)
        now = slots(event)
        assert event.body["reason"] == "repair: S001-1 is scrapped: split; S002-1 goes back: too thick"
        assert {name for order, name in now if order == "S001"} == {"turn~2", "finish~2", "measure~2"}
        assert {name for order, name in now if order == "S002"} == {"turn#2", "finish", "measure"}
        assert now["S002", "finish"][1] >= now["S002", "turn#2"][2]
        after(plant, 34)
        say(plant, "started", "S001", "turn~2", machine="lathe-1", at="2026-11-23T08:18:00+01:00")
        say(plant, "finished", "S001", "turn~2")
        done = plant.store.recall(kind="step.finished")[-1]
        assert done.about == "S001-2"


PEOPLE = """
[[operator]]
id = "p-1"
skills = ["varnish"]
[[operator]]
id = "p-2"
skills = ["varnish", "carve"]
[[material]]
item = "rubber ferrule"
"""
NEEDS = 'skill = "varnish"\nmaterials = ["rubber ferrule"]'


def test_people_and_material_of_the_site_are_planned_and_their_absence_repairs(tmp_path: Path) -> None:
    with stick_shop(tmp_path, orders=1, more=PEOPLE, product=NEEDS) as plant:
        first = repaired(plant)
        who = {s["operation"]: s.get("operator", "") for s in first.body["slots"]}
        assert who == {"turn": "", "finish": who["finish"], "measure": ""}
        assert who["finish"] in ("p-1", "p-2")
        other = {"p-1": "p-2", "p-2": "p-1"}[who["finish"]]
        say(plant, "away", who["finish"], until="8h", why="ill")
        event = repaired(plant)
        assert next(s["operator"] for s in event.body["slots"] if s["operation"] == "finish") == other
        say(plant, "late", "rubber ferrule", until="2h")
        event = repaired(plant)
        assert slots(event)["S001", "finish"] == ("bench-1", 120, 140)
        assert event.body["shop"]["arrivals"] == {"rubber ferrule": 7200}
        say(plant, "away", other, until="3h", why="school")
        assert slots(repaired(plant))["S001", "finish"][1] == 180
        say(plant, "back", who["finish"])
        with pytest.raises(InputError, match="nobody said that they are away"):
            say(plant, "back", who["finish"])
        assert slots(repaired(plant))["S001", "finish"][1] == 120


SETUPS = """
[[setup]]
machine = "bench-1"
after = "right"
minutes = 10
"""


def test_setups_of_the_site_stand_before_the_operations_that_need_them(tmp_path: Path) -> None:
    with stick_shop(tmp_path, orders=2, more=SETUPS, product='setup = "{hand}"') as plant:
        site = plant.site.file
        assert site
        site.write_text(site.read_text().replace('id = "bench-1"', 'id = "bench-1"\nsetup = "raw"'))
    with stick_shop(tmp_path, clock=SimClock(MONDAY_NS)) as plant:
        event = repaired(plant)
        setup = {s["order"]: s.get("setup_s", 0) for s in event.body["slots"] if s["operation"] == "finish"}
        assert sorted(setup.values()) == [0, 600], "the bench is made ready once"
        first = min(setup, key=lambda order: -setup[order])
        after(plant, 17)
        say(plant, "finished", first, "turn")
        after(plant, 37)
        say(plant, "finished", first, "finish")
        event = repaired(plant)
        assert all(not s.get("setup_s") for s in event.body["slots"]), "it stands as the last operation left it"


def test_a_slower_machine_takes_longer_until_it_works_again(tmp_path: Path) -> None:
    with stick_shop(tmp_path, orders=1) as plant:
        repaired(plant)
        say(plant, "slower", "bench-1", factor=2.0, why="worn belt")
        now = slots(repaired(plant))["S001", "finish"]
        assert now[2] - now[1] == 40
        say(plant, "up", "bench-1")
        now = slots(repaired(plant))["S001", "finish"]
        assert now[2] - now[1] == 20


def test_an_operation_that_should_have_ended_repairs_the_plan_and_each_time_waits_longer(tmp_path: Path) -> None:
    with stick_shop(tmp_path, orders=1) as plant:
        repaired(plant)
        say(plant, "started", "S001", "turn")
        planning = Planning(plant)
        after(plant, 17.5)
        assert planning.step(1e6) is None
        after(plant, 18.5)
        event = planning.step(2e6)
        assert event is not None
        assert event.body["reason"] == "repair: turn of S001 should have ended on lathe-1"
        assert slots(event)["S001", "finish"][1] == 23, "a quarter of what it has taken so far is taken to be left"
        waits = []
        for minute in range(19, 200):
            after(plant, minute)
            if planning.step(minute * 1e6):
                waits.append(minute)
        assert 2 < len(waits) < 10
        gaps = [b - a for a, b in pairwise(waits)]
        assert gaps == sorted(gaps)


def test_a_site_says_what_repairs_its_plan(tmp_path: Path) -> None:
    plan = 'settle_s = 0.0\nseconds = 0.0\nrepair_s = 0.0\nrepairs = ["order", "down"]'
    with stick_shop(tmp_path, orders=1, plan=plan) as plant:
        repaired(plant)
        say(plant, "slower", "bench-1", factor=2.0)
        assert Planning(plant).step(1e6) is None
        say(plant, "down", "bench-1", until="1h")
        assert slots(repaired(plant))["S001", "finish"] == ("bench-1", 60, 100), "and then all that is known counts"


def test_what_begins_within_the_frozen_zone_stays(tmp_path: Path) -> None:
    plan = "settle_s = 0.0\nseconds = 0.0\nrepair_s = 0.0\nfrozen_min = 20\nobjective = 'tardiness'\nstability = 0.0"
    with stick_shop(tmp_path, orders=3, plan=plan) as plant:
        before = slots(repaired(plant))
        say(plant, "due", "S003", until="1min", weight=1000.0)
        event = repaired(plant)
        soon = {key for key, row in before.items() if row[1] < 20}
        assert len(soon) == 4
        assert {(s["order"], s["operation"]) for s in event.body["slots"] if s["frozen"]} == soon
        assert {key: slots(event)[key] for key in soon} == {key: before[key] for key in soon}


def test_many_events_make_one_repair_once_it_is_quiet(tmp_path: Path) -> None:
    with stick_shop(tmp_path, orders=3, plan="settle_s = 2.0\nseconds = 0.0\nrepair_s = 0.0") as plant:
        planning = Planning(plant)
        assert planning.step(100.0) is None
        assert planning.step(102.0) is not None
        for i in range(5):
            say(plant, "down", "lathe-1", until=f"{i + 1}h")
            assert planning.step(110.0 + i) is None
        event = planning.step(116.0)
        assert event is not None
        assert len(event.because) == 5
        assert event.body["reason"].endswith("; and 2 more")
        count = len(plant.store.recall(kind="plan.released"))
        for i in range(30):  # it never is quiet: after ten times as long it is repaired all the same
            say(plant, "due", "S001", weight=float(i + 2))
            planning.step(200.0 + i)
        assert len(plant.store.recall(kind="plan.released")) > count


def test_another_process_goes_on_where_the_first_one_ended(tmp_path: Path) -> None:
    clock = SimClock(MONDAY_NS)
    with stick_shop(tmp_path, orders=2, clock=clock) as plant:
        repaired(plant)
        say(plant, "down", "lathe-1", until="2h")  # and the process is gone before the repair
    with stick_shop(tmp_path, clock=clock) as plant:
        event = repaired(plant)
        assert event.body["reason"].startswith("repair: lathe-1 is down")
        assert Planning(plant).step(1e6) is None


def test_two_plans_never_replace_the_same_one(tmp_path: Path) -> None:
    with stick_shop(tmp_path, orders=1) as plant:
        base = repaired(plant)
        told = open_work(plant)
        shop = shop_at(plant, plant.clock.now_ns(), told)
        found = Found(from_body(base.body))
        release(plant, shop, found, Why("one", "plan-a", base, exact=True))
        with pytest.raises(PlanError, match="meanwhile plan-a was released"):
            release(plant, shop, found, Why("two", "plan-b", base, exact=True))
        # and when both looked before either wrote
        assert plant.store.record([Event("plan.released", "plan-c", 1, "x", dict(base.body), key=f"after/{base.id}")])[0].about == "plan-a"


def test_a_plan_that_breaks_a_rule_is_not_released(tmp_path: Path) -> None:
    with stick_shop(tmp_path, orders=1) as plant:
        base = repaired(plant)
        say(plant, "down", "bench-1", until="1h")
        shop = shop_at(plant, plant.clock.now_ns(), open_work(plant))
        assert check(shop, from_body(base.body))
        with pytest.raises(PlanError, match="breaks the shop's rules"):
            release(plant, shop, Found(from_body(base.body)), Why("no", "plan-x", base))
        assert planned(plant).id == base.id


def test_what_cannot_be_planned_is_told_and_tried_again_when_something_happens(tmp_path: Path) -> None:
    with stick_shop(tmp_path, orders=1, plan="settle_s = 0.0\nseconds = 0.0\nrepair_s = 0.0\ndown_s = 1e8") as plant:
        repaired(plant)
        say(plant, "down", "gauge-1")
        planning = Planning(plant)
        with pytest.raises(PlanError, match="gauge-1"):
            planning.step(100.0)
        assert planning.step(101.0) is None, "not again at once"
        say(plant, "up", "gauge-1")
        assert planning.step(102.0) is not None


ALARMS = 'settle_s = 0.0\nseconds = 0.0\nrepair_s = 0.0\ndown_alarms = ["silent"]\ndown_states = ["idle"]'


def test_an_alarm_that_the_site_names_takes_its_machine_out_and_its_end_brings_it_back(tmp_path: Path) -> None:
    with stick_shop(tmp_path, orders=2, plan=ALARMS) as plant:
        repaired(plant)
        body = {"condition": "silent", "thing": "lathe-1", "says": "lathe-1 is silent", "evidence": [], "priority": "high"}
        plant.record("alarm.raised", "lathe-1/silent/1", body)
        plant.record("alarm.raised", "lathe-2/hot/1", body | {"condition": "hot", "thing": "lathe-2"})
        planning = Planning(plant)
        assert planning.step(1.0) is None, "it is translated first"
        event = planning.step(2.0)
        assert event is not None
        assert event.body["reason"] == "repair: lathe-1 is down (silent)"
        assert all(row[1] >= 60 for row in slots(event).values() if row[0] == "lathe-1"), "as long as down_s says"
        plant.record("alarm.cleared", "lathe-1/silent/1")
        assert (planning.step(3.0), planning.step(4.0) is not None) == (None, True)
        assert [e.about for e in plant.store.recall(kind="machine.up")] == ["lathe-1"]


def test_a_shop_from_events_is_the_one_that_a_disturbance_makes(tmp_path: Path) -> None:
    """`make.change.disturb` says what a breakdown means; the events of a plant mean the same."""
    with stick_shop(tmp_path, orders=3) as plant:
        first = repaired(plant)
        shop = shop_at(plant, MONDAY_NS, open_work(plant))
        for order in ("S001", "S002"):
            say(plant, "started", order, "turn")
        after(plant, 6)
        say(plant, "down", "lathe-2", until="30min")
        ours = shop_at(plant, plant.clock.now_ns(), open_work(plant))
        theirs = disturbed(shop, from_body(first.body), 6 * MIN, Breakdown("lathe-2", 6 * MIN, 36 * MIN))
        assert [o.frozen for o in ours.operations] == [o.frozen for o in theirs.operations]
        assert ours.jobs == theirs.jobs
        assert {(b.machine, b.start_s, b.end_s) for b in ours.blocked} == {(b.machine, b.start_s, b.end_s) for b in theirs.blocked}


def test_where_nobody_said_so_it_follows_from_what_was_said(tmp_path: Path) -> None:
    with stick_shop(tmp_path, orders=2) as plant:
        repaired(plant)
        after(plant, 20)
        body = {"order": "S001", "operation": "finish", "machine": "bench-1"}
        plant.record("step.started", "S001-1", body)  # a machine says so; nobody said that it was turned
        now = slots(repaired(plant))
        assert ("S001", "turn") not in now
        assert now["S001", "finish"] == ("bench-1", 20, 40)
        after(plant, 45)
        plant.record("step.started", "S002-1", body | {"order": "S002"})
        now = slots(repaired(plant))
        assert now["S002", "finish"] == ("bench-1", 45, 65)
        assert {key for key in now if key[0] == "S001"} == {("S001", "measure")}


def test_in_a_plant_that_tells_ends_only_beginnings_are_taken_to_be_as_planned(tmp_path: Path) -> None:
    with stick_shop(tmp_path, orders=4) as plant:
        repaired(plant)
        after(plant, 17)
        say(plant, "finished", "S001", "turn")
        after(plant, 25)
        say(plant, "down", "gauge-1", until="2h")
        frozen = {(s["order"], s["operation"]) for s in repaired(plant).body["slots"] if s["frozen"]}
        assert ("S001", "finish") in frozen
        assert ("S002", "turn") in frozen, "it runs late, but nobody said that it does not run"


@pytest.fixture(scope="module")
def untold(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    """A planned shop in which nothing has happened."""
    with stick_shop(tmp_path_factory.mktemp("untold"), orders=1) as plant:
        mend(plant, [])
        yield plant


@pytest.mark.parametrize(("asked", "says"), [
    ({"what": "exploded", "about": "lathe-1"}, "exploded"),
    ({"what": "down", "about": "lathe-9"}, "did you mean 'lathe-"),
    ({"what": "down", "about": ""}, "nothing it is about"),
    ({"what": "down", "about": "lathe-1", "until": "soon"}, "--until"),
    ({"what": "down", "about": "lathe-1", "until": "2020-01-01"}, "after it begins"),
    ({"what": "started", "about": "S009", "operations": ["turn"]}, "open order"),
    ({"what": "started", "about": "S001", "operations": ["bake"]}, "bake"),
    ({"what": "started", "about": "S001"}, "one of turn, finish, measure"),
    ({"what": "started", "about": "S001", "operations": ["finish"]}, "waits for 'turn'"),
    ({"what": "started", "about": "S001", "operations": ["turn"], "at": "2030-01-01"}, "has been"),
    ({"what": "started", "about": "S001", "operations": ["turn"], "operator": "p-9"}, "operator"),
    ({"what": "started", "about": "S001", "operations": ["turn"], "machine": "lathe-1", "at": "2026-11-22"}, "after it was ordered, 2026-11-23"),
    ({"what": "finished", "about": "S001", "operations": ["turn"], "machine": "lathe-1", "at": "2026-11-22"}, "after it was ordered, 2026-11-23"),
    ({"what": "down", "about": "lathe-1", "at": "2016-11-23"}, "of the last 366 days"),
    ({"what": "up", "about": "lathe-1"}, "neither down nor slower"),
    ({"what": "finished", "about": "S001", "operations": ["finish"]}, "waits for 'turn'"),
    ({"what": "scrapped", "about": "S001"}, "nothing has begun"),
    ({"what": "rework", "about": "S001", "operations": ["turn"]}, "nothing has begun"),
    ({"what": "slower", "about": "lathe-1", "factor": float("nan")}, "0.01 to 100"),
    ({"what": "slower", "about": "lathe-1"}, "0.01 to 100"),
    ({"what": "away", "about": "p-1", "until": "2h"}, "operator"),
    ({"what": "late", "about": "ash blank", "until": "2h"}, "material"),
    ({"what": "due", "about": "S001"}, "changes nothing"),
    ({"what": "due", "about": "S001", "weight": -1}, "--weight"),
    ({"what": "done", "about": "workorder/1"}, "open work order"),
])
def test_what_cannot_have_happened_is_refused_in_words(untold: Plant, asked: dict[str, Any], says: str) -> None:
    count = untold.store.events.length()
    with pytest.raises((InputError, UnknownName)) as error:
        tell(untold, "mara", asked)
    assert says in str(error.value)
    assert untold.store.events.length() == count


def test_the_same_is_not_told_twice(tmp_path: Path) -> None:
    with stick_shop(tmp_path, orders=2) as plant:
        repaired(plant)
        say(plant, "started", "S001", "turn", machine="lathe-1")
        with pytest.raises(InputError, match="has begun on lathe-1 already"):
            say(plant, "started", "S001", "turn")
        with pytest.raises(InputError, match="lathe-1 runs turn of S001"):
            say(plant, "started", "S002", "turn", machine="lathe-1")
        after(plant, 10)
        say(plant, "finished", "S001", "turn")
        with pytest.raises(InputError, match="has ended on lathe-1 already"):
            say(plant, "finished", "S001", "turn")


def test_where_nobody_runs_the_plant_what_is_told_repairs_it_at_once(tmp_path: Path) -> None:
    with stick_shop(tmp_path, orders=2) as plant:
        first = catch_up(plant)
        assert first is not None
        say(plant, "down", "lathe-1", until="1h")
        event = catch_up(plant)
        assert event is not None
        assert event.body["repairs"] == first.about
        assert catch_up(plant) is None


@pytest.mark.parametrize(("text", "says"), [
    ('[plan]\nobjective = "speed"', "objective"),
    ('[plan]\nrepairs = ["downn"]', "did you mean 'down'"),
    ("[plan]\nstability = 2", "0 to 1"),
    ('[[operator]]\nid = "a"\nskills = []\naway = ["monday"]', "away"),
    ('[[operator]]\nid = "a"\nskills = []\n[[operator]]\nid = "a"\nskills = []', "stand twice"),
    ('[[setup]]\nmachine = "mill-1"\nafter = "x"\nminutes = 1', "mill-1"),
    ('[[setup]]\nmachine = "bench-1"\nafter = "x"\nminutes = -1', "minutes"),
    ('[[setup]]\nmachine = "bench-1"\nafter = "*"\nminutes = 1', "only stands before"),
    ('[[tool]]\nname = "jig"\ncount = 0', "1 or more"),
    ('[[material]]\nitem = "ash blank"\narrives = "soon"', "arrives"),
])
def test_what_a_site_cannot_say_is_told_with_its_table(tmp_path: Path, text: str, says: str) -> None:
    path = stick_site(tmp_path)
    site = path.read_text()
    path.write_text(site.replace("[plan]\n", f"{text}\n", 1) if text.startswith("[plan]") else site + text + "\n")
    with pytest.raises((SiteError, InputError)) as error:
        load_site(path)
    assert says in str(error.value)


async def test_a_turn_repairs_its_plan_when_a_machine_is_down_in_its_time(tmp_path: Path) -> None:
    with stick_shop(tmp_path, orders=0) as plant:
        people = plant.store.people.find()[:3]
        orders = place(plant, "T", people, MONDAY_NS)
        making = Making(plant, orders, fit_orders(plant, orders, lambda _: plant.rules, MONDAY_NS), MONDAY_NS, {}, "T001-A")
        after(plant, 10_000)  # what a turn plays lies in the past
        say(plant, "down", "bench-1", at="2026-11-23T08:30:00+01:00", until="1h")
        first = await making.plan("3 orders", seconds=0.0)
        assert any(s.machine == "bench-1" and s.start_s < 90 * MIN and s.end_s > 30 * MIN for s in first.slots), (
            "nobody knew of it yet")
        await making.build()
        plans = plant.store.recall(kind="plan.released")
        down = plant.store.recall(kind="machine.down")[0]
        assert plans[1].body["reason"].startswith("repair: bench-1 is down")
        assert plans[1].because == (down.id,)
        done = [e.body for e in plant.store.recall(kind="step.finished") if e.body["machine"] == "bench-1"]
        starts = sorted((body["start_ns"] - MONDAY_NS) // NS_PER_S // MIN for body in done)
        assert not [minute for minute in starts if 30 <= minute < 90]
        failed = [e for e in plans[2:] if "out of tolerance" in e.body["reason"]]
        assert all(plant.store.events.knows(id_) for e in failed for id_ in e.because)


def test_nothing_but_the_one_door_plans_for_a_plant() -> None:
    source = Path(__file__).parents[2] / "src" / "loopwright"
    planning = ("make.plan import", "make.repair import", "make.plan:plan", "make.repair:repair", "make import cpsat")
    users = {
        str(path.relative_to(source)) for path in source.rglob("*.py")
        if path.parts[len(source.parts)] in ("app", "packs") and any(word in path.read_text() for word in planning)}
    assert not [name for name in users if name.startswith("packs")]
    assert {"app/releasing.py"} <= users
    assert not users & {"app/making.py", "app/turn.py", "app/planning.py", "app/run.py", "app/open_shop.py", "app/trying.py"}


MILL_SITE = """
[site]
name = "Mill"
folder = "plant"
packs = ["golf", "shop_floor"]

[plan]
down_states = ["down", "off"]

[[machine]]
id = "mill-1"
kind = "mill"
role = "mill"
"""


def test_a_machine_that_says_that_it_is_down_is_down_until_it_says_otherwise(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text(MILL_SITE)
    with open_plant(load_site(tmp_path / "site.toml"), clock=SimClock(MONDAY_NS)) as plant:
        def states(n: int, code: int) -> list[tuple[str, str]]:
            row = {"thing": "mill-1", "signal": "machine.state", "t_ns": MONDAY_NS + n * NS_PER_S, "code": code}
            table = pa.table({field.name: [row.get(field.name, 0 if field.name == "quality" else None)] for field in POINTS_IN}, POINTS_IN)
            plant.store.put(Batch("mqtt", "mqtt/mill-1", n, table, sent=n + 1))
            plant.clock.set_ns(MONDAY_NS + n * NS_PER_S)  # type: ignore[attr-defined]
            sources.heard(plant)
            sources.heard(plant)
            return [(e.kind, str(e.body["why"])) for e in plant.store.recall(kind=("machine.down", "machine.up"))]

        assert states(1, 1) == []
        assert states(2, 3) == [("machine.down", "down")]
        assert states(3, 4) == [("machine.down", "down")], "it is down already"
        assert states(4, 1) == [("machine.down", "down"), ("machine.up", "active")]
        tell(plant, "mara", {"what": "down", "about": "mill-1"})
        assert states(5, 1)[-1] == ("machine.down", ""), "what a person told stands until a person tells otherwise"


EVERYTHING = PEOPLE + SETUPS + """
[[tool]]
name = "jig"
[[machine]]
id = "bench-2"
kind = "lathe"
role = "finish"
"""


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_is_told_the_plan_keeps_the_rules_and_what_runs_stays_where_it_runs(tmp_path: Path, seed: int) -> None:
    chance, minutes, refused = random.Random(seed), 0, 0
    needs = 'skill = "varnish"\nmaterials = ["rubber ferrule"]\ntools = ["jig"]\nsetup = "{hand}"'
    with stick_shop(tmp_path, orders=4, more=EVERYTHING, product=needs) as plant:
        planning, plans = Planning(plant), 0
        things = {word: [m.id for m in plant.site.machines] for word in ("down", "up", "slower", "workorder")}
        things |= {"away": ["p-1", "p-2"], "back": ["p-1", "p-2"], "late": ["rubber ferrule"], "done": ["none"]}
        for number in range(80):
            minutes += chance.choice([0, 1, 5, 20, 100])
            after(plant, minutes)
            what = chance.choice(["started", "finished", *WHATS])
            known = [o.name for order in open_work(plant).work for o in order.operations]
            more = {"until": chance.choice(["30min", "2h"]), "factor": chance.choice([0.5, 3.0]), "why": "chance"}
            try:
                say(plant, what, chance.choice(things.get(what, ["S001", "S002", "S003", "S004"])), chance.choice(known), **more)
            except InputError:
                refused += 1
            event = planning.step(number * 1e6)
            if event is None:
                continue
            plans += 1
            slot_of = {(s["order"], s["operation"]): s for s in event.body["slots"]}
            for step in open_work(plant).steps:
                if step.end_ns is None:
                    slot = slot_of[step.order, step.operation]
                    assert (slot["machine"], slot["frozen"]) == (step.machine, True)
                    assert 0 <= event.body["origin_ns"] + slot["start_s"] * NS_PER_S - step.start_ns < NS_PER_S
        assert plans > 10
        assert refused < 80
