"""Lists read through where things stand say what a fold over all events says, and find what is old by its name."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from loopwright.app import reads, standing
from loopwright.app.cli import app
from loopwright.app.front import Front
from loopwright.app.views import alarms, orders
from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import UnknownName
from loopwright.core.types import Event
from tests.app.small_plant import small_plant

NAMED = ("order.placed", "unit.finished", "unit.claimed", "alarm.raised")


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with small_plant(tmp_path_factory.mktemp("plant")) as opened:
        yield opened


def folded(front: Front) -> list[dict[str, object]]:
    """The slow twin: all events of the list, read and folded."""
    return orders.order_rows(front.store.recall(kind=list(orders.KINDS)))


def test_the_page_of_orders_is_the_fold_over_all_events(front: Front) -> None:
    slow = folded(front)
    assert len(slow) > 10
    page = reads.order_rows(front)
    assert page["rows"] == slow
    assert page["count"] == len(slow)
    assert page["states"] == orders.state_counts(slow)
    for state in page["states"]:
        assert reads.order_rows(front, state)["rows"] == [row for row in slow if row["state"] == state], state
    assert reads.order_rows(front, "scrapped", "nobody")["rows"] == []


def test_a_page_holds_the_orders_that_moved_last(front: Front) -> None:
    page = reads.order_rows(front, limit=3)
    assert len(page["rows"]) == 3
    assert page["count"] == len(folded(front))


def test_an_order_a_serial_and_a_person_are_found_however_old(front: Front) -> None:
    old = next(row for row in reversed(folded(front)) if row["units"])
    for text in (old["order"], old["units"][0]["serial"], old["person"]):  # type: ignore[index]
        assert old in reads.order_rows(front, text=str(text), limit=50)["rows"]
    assert old in standing.order_page(front, text=str(old["order"]), limit=1)["rows"]


def test_alarms_and_counts_are_those_of_all_events(front: Front) -> None:
    assert reads.alarms(front) == alarms.alarms(front.store.recall(kind="alarm."))
    events = front.store.recall()
    assert front.counted(*NAMED) == {kind: n for kind in NAMED if (n := sum(event.kind == kind for event in events))}
    assert front.events("unit.") == [event for event in events if event.kind.startswith("unit.")]


def test_what_is_kept_moves_on_with_each_new_event(front: Front) -> None:
    before, given = front.counted(*NAMED), front.events("unit.claimed")
    serial = "made-elsewhere"
    front.store.record([Event("unit.claimed", serial, front.now_ns(), "p-new", {"owner": "p-new"})])
    assert front.counted(*NAMED)["unit.claimed"] == before.get("unit.claimed", 0) + 1
    assert [event.about for event in front.events("unit.claimed")] == [*(event.about for event in given), serial]
    assert reads.owner_of(front)(serial) == "p-new"
    assert reads.order_rows(front)["rows"] == folded(front)


def test_siblings_are_of_the_same_machine_at_that_time_or_the_same_rules(front: Front) -> None:
    serial = next(event.about for event in front.store.recall(kind="unit.finished"))
    steps = front.store.recall(kind="step.")
    hour = 3600 * NS_PER_S
    rows = {row["id"]: row["units"] for row in standing.siblings(front, serial)}
    for machine in {e.body["machine"] for e in steps if e.about == serial}:
        mine = [t for e in steps if (e.about, e.body["machine"]) == (serial, machine) for t in (e.body.get("start_ns", e.t_ns), e.body.get("end_ns", e.t_ns))]
        others = {e.about for e in steps if e.body["machine"] == machine and min(mine) - hour <= e.t_ns <= max(mine) + hour} - {serial}
        assert set(rows.get(machine, ())) == others


def test_the_command_draws_a_tree_and_gives_json(front: Front) -> None:
    serial = next(event.about for event in front.store.recall(kind="unit.measured"))
    folder = str(front.store.path)
    told = CliRunner().invoke(app, ["trace", serial, "--site", folder])
    assert told.exit_code == 0, told.output
    lines = told.output.splitlines()
    assert lines[0].startswith(f"unit {serial}")
    order = front.store.recall(kind="unit.measured", about=serial)[0].body["order"]
    assert any(line.startswith("    ") and f"order {order}" in line for line in lines)
    assert len(lines) == len(set(lines)), "each thing once"
    given = json.loads(CliRunner().invoke(app, ["trace", serial, "--site", folder, "--forward", "--json"]).output)
    assert (given["id"], given["direction"]) == (serial, "forward")
    ids = {node["id"] for node in given["nodes"]}
    assert {end for edge in given["edges"] for end in (edge["from"], edge["to"])} <= ids


def test_nothing_of_that_name_is_one_sentence(front: Front) -> None:
    with pytest.raises(UnknownName, match="u-404"):
        CliRunner().invoke(app, ["trace", "u-404", "--site", str(front.store.path)], catch_exceptions=False)


def test_an_alarm_that_stands_is_listed_however_many_came_and_went_since(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "ALARMS", 3)
    raised = {"condition": "limit", "thing": "mill-1", "says": "high", "evidence": [], "priority": "low"}
    front.store.record([Event("alarm.raised", "old", front.now_ns(), "watch", raised | {"condition": "another limit"}), Event("alarm.acknowledged", "old", front.now_ns(), "mara")])
    for i in range(10):
        front.store.record([Event(kind, f"gone-{i}", front.now_ns(), "watch", raised) for kind in ("alarm.raised", "alarm.acknowledged", "alarm.cleared")])
    rows = {row["id"]: row["state"] for row in reads.alarms(front)}
    every = {row["id"]: row["state"] for row in alarms.alarms(front.store.recall(kind="alarm."))}
    assert {id_: state for id_, state in rows.items() if state != "normal"} == {id_: state for id_, state in every.items() if state != "normal"}
    assert rows["old"] == "acknowledged"
    assert sum(state == "normal" for state in rows.values()) == 3
