"""What the plan's page and its API stand on: columns with reasons and slack, load by day, lateness, plans of the past."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.app import plan_reads, reads
from loopwright.app.front import Front
from loopwright.app.views import plan_chart, plan_load, plan_past, plan_steps
from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import UnknownName
from loopwright.core.types import Event
from tests.app.plan_plant import HOUR, REPAIRED_S, released
from tests.app.small_plant import small_plant

DAY = 86_400


def plan_event(name: str, t: int, slots: list[dict[str, Any]], reason: str = "orders", **more: Any) -> Event:
    last = max(row["end_s"] for row in slots)
    body = {"origin_ns": t * NS_PER_S, "slots": slots, "status": "feasible", "objective": "makespan", "makespan_s": last,
            "bound_s": last * 0.9, "solver": "s", "took_s": 0.1, "reason": reason, **more}
    return Event("plan.released", name, t * NS_PER_S, "plan", body)


def slot(order: str, operation: str, machine: str, start_s: int, end_s: int, **more: Any) -> dict[str, Any]:
    return {"order": order, "operation": operation, "machine": machine, "start_s": start_s, "end_s": end_s, **more}


def floor_of(*events: Event) -> plan_steps.Floor:
    floor = plan_steps.Floor()
    for event in events:
        plan_steps.step(floor, event)
    return floor


def step(kind: str, order: str, operation: str, machine: str, start_s: int, end_s: int = 0) -> Event:
    body = {"order": order, "operation": operation, "machine": machine, "start_ns": start_s * NS_PER_S, "end_ns": end_s * NS_PER_S}
    return Event(kind, f"{order}-1", (end_s or start_s) * NS_PER_S, machine, body)


def test_what_was_done_stays_on_the_chart_when_the_plan_is_repaired_and_runs_as_it_really_ran() -> None:
    floor = floor_of(step("step.finished", "o", "mill", "m", 0, 50), step("step.started", "o", "polish", "q", 65))
    repaired = plan_event("p2", 60, [slot("o", "polish", "q", 10, 60), slot("o", "pack", "q", 60, 70)], "repair: o-1")
    told = plan_chart.chart(repaired, floor, 0, 80 * NS_PER_S)
    rows = list(zip(told["slots"]["operation"], told["slots"]["start"], told["slots"]["end"], told["slots"]["state"], strict=True))
    assert rows == [("mill", -60, -10, 2), ("polish", 5, 55, 1), ("pack", 60, 70, 0)]
    assert (told["now_s"], told["gap"], told["start_s"]) == (20.0, pytest.approx(0.1), -60)
    long_ago = floor_of(step("step.finished", "x", "mill", "m", -3 * DAY, -2 * DAY))
    assert len(plan_chart.chart(repaired, long_ago, -10 * DAY * NS_PER_S, 0)["slots"]["order"]) == 2


def test_stops_are_drawn_as_they_are_known_now() -> None:
    opened = Event("workorder.opened", "w", 0, "e", {"machine": "m", "why": "new tool", "alarm": "a", "duration_s": 20})
    down = Event("machine.down", "q", 5 * NS_PER_S, "e", {"until_ns": 0, "why": "belt"})
    plan = plan_event("p", 0, [slot("o", "a", "m", 30, 50), slot("o", "b", "q", 50, 90)],
                      shop={"closed": [{"machines": ["m"], "start_s": 0, "end_s": 30, "why": "new tool"}]})
    done = Event("workorder.done", "w", 12 * NS_PER_S, "e", {})
    up = Event("machine.up", "q", 40 * NS_PER_S, "e", {})
    early = plan_chart.chart(plan, floor_of(opened, down), 0, 0)
    late = plan_chart.chart(plan, floor_of(opened, down, done, up), 0, 0)
    assert sorted(early["closed"]) == [[0, 0, 20, "new tool", 1], [1, 5, 90, "belt", 1]]
    assert sorted(late["closed"]) == [[0, 0, 12, "new tool", 1], [1, 5, 40, "belt", 1]]


def test_a_plan_that_no_shop_can_have_is_drawn_without_reasons() -> None:
    twice = plan_event("p", 0, [slot("o", "a", "m", 0, 10), slot("o", "a", "m", 20, 30)])
    told = plan_chart.chart(twice, None, 0, 0)
    assert told["slots"]["why"] == [[], []]
    assert told["slots"]["slack"] == [None, None]


@pytest.mark.parametrize("told", [
    {"after": [[], []]}, {"orders": 7}, {"after": [["nope"]]}, {"closed": [{"machines": ["m"], "start_s": 5, "end_s": 5, "why": ""}]}, {"tools": {}}])
def test_facts_that_cannot_be_are_left_out(told: dict[str, Any]) -> None:
    data = plan_chart.chart(plan_event("p", 0, [slot("o", "a", "m", 0, 10)], shop=told), None, 0, 0)
    assert (data["slots"]["why"], data["slots"]["slack"], data["closed"]) == ([[]], [None], [])


def test_the_load_of_a_day_leaves_closed_hours_out_and_counts_setup_apart() -> None:
    """By hand, from 22:00 to 04:00 in UTC: two hours of the first day, one of them worked; of the second four hours, two
    of them closed, half an hour of setup before an hour of work."""
    data = {"origin_ns": 22 * HOUR * NS_PER_S, "start_s": 0, "end_s": 6 * HOUR, "machines": ["m"],
            "closed": [[0, 2 * HOUR, 4 * HOUR, "night", 0]],
            "slots": {"machine": [0, 0], "start": [0, 4 * HOUR + 1800], "end": [HOUR, 5 * HOUR + 1800], "setup": [0, 1800]}}
    told = plan_load.load(data, "UTC")
    assert [(p["day"], p["start_s"], p["end_s"]) for p in told["periods"]] == [("1970-01-01", 0, 2 * HOUR), ("1970-01-02", 2 * HOUR, 6 * HOUR)]
    first, second = told["rows"][0]["cells"]
    assert (first["work_s"], first["closed_s"], first["share"]) == (HOUR, 0, 0.5)
    assert (second["work_s"], second["setup_s"], second["open_s"], second["share"]) == (HOUR, 1800, 2 * HOUR, 0.75)
    assert told["rows"][0]["total"]["share"] == pytest.approx(2.5 / 4)


@settings(deadline=None)
@given(st.integers(0, 200 * DAY), st.integers(1, 120 * DAY), st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe"]),
       st.lists(st.tuples(st.integers(0, 100 * DAY), st.integers(1, 3 * DAY)), max_size=6))
def test_days_add_up_to_the_whole_also_when_summer_time_begins(origin_s: int, span_s: int, zone: str, work: list[tuple[int, int]]) -> None:
    inside = [(a, min(a + n, span_s)) for a, n in work if a < span_s]
    slots = {"machine": [0] * len(inside), "start": [a for a, _ in inside], "end": [b for _, b in inside], "setup": [0] * len(inside)}
    told = plan_load.load({"origin_ns": origin_s * NS_PER_S, "start_s": 0, "end_s": span_s, "machines": ["m"], "closed": [], "slots": slots}, zone)
    assert sum(p["end_s"] - p["start_s"] for p in told["periods"]) == span_s
    assert len(told["periods"]) <= plan_load.MOST_PERIODS + 1
    seconds = {s for a, b in inside for s in (a, b)}
    whole = sum(b - a for a, b in zip(sorted(seconds), sorted(seconds)[1:], strict=False) if any(x <= a and b <= y for x, y in inside))
    assert sum(c["work_s"] for c in told["rows"][0]["cells"]) == whole


def test_the_latest_order_stands_first() -> None:
    rows = plan_load.lateness({"orders": ["a", "b", "c"], "due": [10, None, 5], "ends": [8, 9, 9]})
    assert [(r["order"], r["late_s"]) for r in rows] == [("c", 4), ("a", -2)]


# a plant


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with small_plant(tmp_path_factory.mktemp("plant"), empty=True) as made:
        released(made.store, made.clock.now_ns() - (REPAIRED_S + HOUR) * NS_PER_S, 40)
        yield made


def test_each_plan_says_what_it_kept_of_the_one_before(front: Front) -> None:
    second, first = plan_reads.past(front)
    assert (second["plan"], second["before"], first["before"], first["kept"]) == ("plan-2", "plan-1", None, None)
    told = plan_reads.moved(front, "now")
    assert told["kept"] == second["kept"] == pytest.approx(1 - told["moved"] / told["both"])
    assert told["added"]["orders"] == ["R0001"]
    assert plan_reads.moved(front, "plan-1") == {}
    assert {row["why"] for row in told["rows"]} - {""}


def test_rows_of_the_plan_hold_every_operation_once_and_what_became_of_it(front: Front) -> None:
    told, data = reads.gantt(front), plan_reads.chart(front)
    here = [(s["order"], s["operation"]) for row in told["rows"] for s in row["slots"]]
    assert len(here) == len(set(here)) == len(data["slots"]["order"])
    assert {s["state"] for row in told["rows"] for s in row["slots"]} == {"done", "running", "planned"}
    assert any(b["why"] == "spindle bearing" for row in told["rows"] if row["machine"] == "mill-2" for b in row["blocked"])


def test_a_late_order_says_what_it_waited_for_longest(front: Front) -> None:
    late = [row for row in plan_reads.lateness(front) if row["late_s"] > 0]
    assert late
    assert all(row["why"] for row in late)
    assert not any(row["why"] for row in plan_reads.lateness(front) if row["late_s"] <= 0)


def test_a_plan_of_the_past_is_shown_as_it_was_released(front: Front) -> None:
    data = plan_reads.chart(front, "plan-1")
    assert data["in_force"] is False
    assert set(data["slots"]["state"]) == {0}
    with pytest.raises(UnknownName, match="did you mean 'plan-"):
        plan_reads.chart(front, "plan-11")


def test_a_table_for_spreadsheets_holds_every_operation_and_no_formula(front: Front) -> None:
    rows = list(csv.DictReader(io.StringIO(plan_reads.as_csv(front))))
    assert len(rows) == len(plan_reads.chart(front)["slots"]["order"])
    assert all(row["start"] <= row["end"] for row in rows)
    assert {"done", "planned"} <= {row["state"] for row in rows}
    assert "'" not in {cell for row in rows for cell in row.values()}, "an empty cell is empty"


def test_orders_that_look_like_formulas_stay_text(tmp_path: Path) -> None:
    with small_plant(tmp_path, empty=True) as front:
        evil = '=HYPERLINK("http://x")'
        front.store.record([plan_event("p", 0, [slot(evil, "a", "m", 0, 10)])])
        assert next(csv.DictReader(io.StringIO(plan_reads.as_csv(front))))["order"] == "'" + evil
        assert plan_reads.moved(front, "now") == {}


def test_an_empty_plant_has_nothing_to_draw(tmp_path: Path) -> None:
    with small_plant(tmp_path, empty=True) as front:
        assert plan_reads.chart(front) == {} == reads.gantt(front)
        assert plan_reads.past(front) == [] == plan_reads.lateness(front)
        assert plan_reads.moved(front, "now") == {}
        with pytest.raises(UnknownName):
            plan_reads.as_svg(front)


def test_plans_that_come_are_added_to_those_that_are_known(tmp_path: Path) -> None:
    with small_plant(tmp_path, empty=True) as front:
        for n in range(3):
            front.store.record([plan_event(f"p{n}", n, [slot("o", "a", "m", 10 * n, 10 * n + 10)])])
            assert [row["plan"] for row in plan_reads.past(front)] == [f"p{k}" for k in range(n, -1, -1)]
            assert plan_reads.chart(front)["plan"] == f"p{n}"


def test_long_finished_work_is_forgotten_when_there_is_very_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_steps, "MOST", 999)
    floor = floor_of(*(step("step.finished", f"o{n}", "a", "m", n * DAY, n * DAY + 1) for n in range(1_000)))
    assert 1 <= len(floor.steps) <= 10


def test_the_past_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_past, "MOST", 2)
    past = plan_past.Past()
    for n in range(4):
        plan_past.released(past, plan_event(f"p{n}", n, [slot("o", "a", "m", 0, 10)]))
    assert [row["plan"] for row in past.rows] == ["p2", "p3"]
