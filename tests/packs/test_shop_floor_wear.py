"""From twins of mills to a work order, and what the shop floor shows of it."""

from __future__ import annotations

from dataclasses import asdict

import pyarrow as pa
import pytest

from loopwright.core.types import Event
from loopwright.packs.shop_floor import PACK, views
from loopwright.packs.shop_floor.signals import MILL
from loopwright.packs.shop_floor.wear import SETTINGS, finished, measured, prediction
from loopwright.serve import maintain
from loopwright.twins.mill import MillTwin, TwinRun

ORIGIN_NS = 1_767_600_000 * 10**9
LATER_NS = 2 * 10**18
QUICK = ["unsteadiness"]


@pytest.fixture(scope="module")
def runs() -> list[TwinRun]:
    return [run for n in (1, 2, 3) for run in MillTwin(1, MILL, f"mill-{n}", ORIGIN_NS, stroke_m=0.03).runs(6)]


@pytest.fixture(scope="module")
def rows(runs: list[TwinRun]) -> dict[str, dict[str, float]]:
    tables = {(run.thing, run.start_ns): run.table for run in runs}

    def fetch(thing: str, signals: object, start_ns: int, end_ns: int) -> pa.Table:
        return tables[thing, start_ns]

    return measured(finished([run.labelled() for run in runs]), fetch)


def test_twins_with_wearing_tools_are_told_apart_and_lead_to_a_work_order(runs: list[TwinRun], rows: dict[str, dict[str, float]]) -> None:
    labels = [run.labelled() for run in runs]
    said = prediction(rows, labels, LATER_NS, models=QUICK)
    events, decisions, _ = maintain.decide(finished(labels), said, {}, LATER_NS, maintain.Settings())
    assert said["evaluation"]["better_than_baseline"]
    truth = {run.id: run.worn for run in runs}
    right = [(d.body["judged"] == "worn") == truth[d.about] for d in decisions]
    assert len(right) == 18
    assert sum(right) >= 15
    assert {e.kind for e in events} == {"alarm.raised", "workorder.opened"}


def test_a_run_without_a_label_is_judged_by_a_model_that_has_not_seen_it(runs: list[TwinRun], rows: dict[str, dict[str, float]]) -> None:
    labels = [run.labelled() for run in runs]
    said = prediction(rows, labels[:-1], LATER_NS, models=QUICK)
    assert not said["runs"][runs[-1].id]["seen"]
    assert said["runs"][runs[0].id]["seen"]


def test_labels_that_were_known_later_are_not_used(runs: list[TwinRun], rows: dict[str, dict[str, float]]) -> None:
    labels = [run.labelled() for run in runs]
    early = sorted(event.t_ns for event in labels)[3]
    assert "only 4 labelled runs" in prediction(rows, labels, early, models=QUICK)["abstains"]


def test_runs_found_in_points_stand_beside_those_that_were_labelled() -> None:
    label = Event("run.labelled", "mill-1/run-1", 20, "x", {"thing": "mill-1", "start_ns": 10, "end_ns": 20, "label": "worn"})
    other = {"run": "mill-1/run-2", "thing": "mill-1", "start_ns": 30, "end_ns": 40}
    same = {"run": "mill-1/run-1", "thing": "mill-1", "start_ns": 0, "end_ns": 50}
    found = finished([label], [other, same])
    assert [(row["run"], row["start_ns"]) for row in found] == [("mill-1/run-1", 10), ("mill-1/run-2", 30)]


def test_a_run_that_lacks_a_signal_is_left_out(runs: list[TwinRun]) -> None:
    table = runs[0].table.filter(pa.compute.field("signal") != "s.acceleration")
    assert measured(finished([runs[0].labelled()]), lambda *_: table) == {}
    assert set(SETTINGS.signals) <= {s.name for s in MILL.signals}


def test_a_strip_shows_what_the_machine_did_and_ends_where_knowledge_ends(runs: list[TwinRun]) -> None:
    strip = PACK.views["state_strip"](runs[0].table, "mill-1")
    assert [segment["word"] for segment in strip["segments"]] == ["active", "idle"]
    assert strip["segments"][0]["end_ns"] == strip["segments"][1]["start_ns"]
    assert strip["segments"][-1]["end_ns"] == runs[0].end_ns
    assert PACK.views["state_strip"](runs[0].table, "nobody")["segments"] == []


def test_views_of_wear_and_models_are_plain_rows(runs: list[TwinRun], rows: dict[str, dict[str, float]]) -> None:
    labels = [run.labelled() for run in runs]
    said = prediction(rows, labels, LATER_NS, models=QUICK)
    _, decisions, _ = maintain.decide(finished(labels), said, {}, LATER_NS, maintain.Settings())
    shown = views.wear_by_run([asdict(d) for d in decisions], {e.about: e.body["label"] for e in labels})
    assert len(shown["rows"]) == 18
    assert set(shown["rows"][0]) == {"run", "value", "low", "high", "judged", "found"}
    table = views.models_table(said["evaluation"])
    assert [row[0] for row in table["rows"]] == ["feed_clamp", "majority", "unsteadiness"]
    assert table["says"] == said["evaluation"]["verdict"]


def test_the_last_word_about_a_shift_counts() -> None:
    def decision(value: float, made_ns: int) -> dict[str, object]:
        body = {"key": "mill-1/0", "shift": "early", "start_ns": 0, "availability": value, "effectiveness": 1.0, "quality": 1.0,
                "oee": value, "elements_s": {}}
        return {"service": "oee", "about": "mill-1", "made_ns": made_ns, "says": "", "body": body}

    shown = views.effectiveness([decision(0.7, 2), decision(0.5, 1)])
    assert [row["oee"] for row in shown["rows"]] == [0.7]
