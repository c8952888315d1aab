"""A whole turn in which tools that will wear out are changed before: the window is asked for, placed, worked round, done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from loopwright.app import model_reads, models
from loopwright.app.learning import life, task_of
from loopwright.app.plant import open_plant
from loopwright.app.site import load_site
from loopwright.app.turn import run_turn
from loopwright.core.clock import NS_PER_S, from_iso
from loopwright.core.types import Batch, Event
from loopwright.packs.shop_floor.signals import MILL
from loopwright.store import Store, open_store
from loopwright.twins.mill import MillTwin
from tests.app.shop import SITE, machines, small_shop

pytestmark = pytest.mark.slow
ORIGIN_NS = from_iso("2026-01-05T06:00:00+01:00")
COSTS = "[maintain]\nearly = 1.0\nlate = 200.0\nduration_s = 600\n"


def history(store: Store, until: int = 20) -> None:
    """Runs of the week before, inspected: each mill wore out some tools, and its last one still cuts."""
    for n in (1, 2, 3):
        runs = list(MillTwin(1, MILL, f"mill-{n}", ORIGIN_NS - 7 * 86_400 * NS_PER_S, stroke_m=0.012).runs(until + 4))
        last = max(i for i in range(until, until + 4) if not runs[i].worn)
        for run in runs[:last + 1]:
            store.put(Batch("test", f"week/{run.thing}", None, run.table))
            label = run.labelled()
            store.record([Event(label.kind, f"week/{label.about}", label.t_ns, label.actor, label.body)])


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("windows")
    twins = machines({f"mill-{n}": "mqtt" for n in (1, 2, 3)}, 'plays = { source = "twin" }')
    site = small_shop(folder, text=SITE + COSTS + twins)
    with open_plant(load_site(site)) as plant:
        history(plant.store)
    return folder, run_turn(site, data=folder / "data", orders=9, fresh=False)


@pytest.fixture
def store(told: tuple[Path, dict[str, Any]]) -> Any:
    with open_store(told[0] / "plant", read_only=True) as opened:
        yield opened


def orders(store: Store) -> list[Event]:
    return [e for e in store.recall(kind="workorder.opened") if "latest_ns" in e.body]


def test_the_league_trained_and_promoted_a_model_of_lives_and_it_asks_for_windows(told, store):
    now = models.serving(store, "tool-life")
    assert now is not None
    assert orders(store)
    for order in orders(store):
        assert ORIGIN_NS <= order.body["start_ns"] <= order.body["latest_ns"]
        alarm = store.recall(kind="alarm.raised", about=order.body["alarm"])[0]
        decision = next(e.body["decision"] for e in store.recall(kind="decision.made") if e.about == alarm.body["decision"])
        assert (decision["model"], decision["body"]["early"], decision["body"]["late"]) == (now["model"], 1.0, 200.0)
        assert decision["body"]["start_ns"] <= decision["body"]["best_ns"] <= decision["body"]["latest_ns"]
        assert decision["id"] in {one["id"] for one in told[1]["decisions"]}


def test_the_planner_places_the_work_in_its_window_and_operations_move_round_it(store):
    plans = store.recall(kind="plan.released")
    first, second = plans[0], plans[1]
    assert "are changed before they wear out" in second.body["reason"]
    assert set(second.because) == {order.id for order in orders(store)}
    for order in orders(store):
        machine, why = order.body["machine"], order.body["why"]
        (row,) = [c for c in second.body["shop"]["closed"] if machine in c["machines"] and c["why"] == why]
        begin_ns = second.body["origin_ns"] + row["start_s"] * NS_PER_S
        assert order.body["start_ns"] <= begin_ns <= order.body["latest_ns"]
        assert row["end_s"] - row["start_s"] == 600
        mine = [s for s in second.body["slots"] if s["machine"] == machine]
        assert all(s["end_s"] <= row["start_s"] or s["start_s"] >= row["end_s"] for s in mine), "nothing runs on it meanwhile"

    def at(plan: Event) -> dict[tuple[str, str], int]:
        return {(s["order"], s["operation"]): s["start_s"] for s in plan.body["slots"]}

    assert at(first).keys() == at(second).keys()
    assert at(first) != at(second), "work moved round it"


def test_the_tool_is_changed_as_planned_and_its_life_counts_as_not_ended(told, store):
    done = {e.about: e for e in store.recall(kind="workorder.done")}
    steps = store.recall(kind="step.finished")
    plan = store.recall(kind="plan.released")[1]
    with open_store(told[0] / "plant", read_only=True) as same:
        lives = life.tools(same.recall(kind="run.labelled"), {
            e.body["machine"]: [done[e.about].body.get("before_ns", done[e.about].t_ns)] for e in orders(same)})
    for order in orders(store):
        end_ns = done[order.about].t_ns
        assert order.body["start_ns"] + 600 * NS_PER_S <= end_ns <= order.body["latest_ns"] + 600 * NS_PER_S
        machine = order.body["machine"]
        busy = [(e.body["start_ns"], e.body["end_ns"]) for e in steps if e.body["machine"] == machine]
        assert all(b <= end_ns - 600 * NS_PER_S or a >= end_ns for a, b in busy), "and nothing was milled meanwhile"
        changed = [one for one in lives if one.thing == machine and one.changed]
        assert len(changed) == 1
        assert changed[0].ended is None
    assert plan.body["origin_ns"] == ORIGIN_NS


def test_models_list_and_report_tell_of_it(told, store):
    rows = {row["task"]: row for row in model_reads.rows(store)}
    assert rows["tool-life"]["state"] == "serves"
    report = told[1]
    assert {one["id"] for one in report["workorders"]} >= {order.about for order in orders(store)}
    assert report["units"]["made"] == 9


def test_the_task_is_there_without_being_asked_for(told):
    with open_plant(load_site(told[0] / "site.toml")) as plant:
        assert task_of(plant, "tool-life").kind == "life"
