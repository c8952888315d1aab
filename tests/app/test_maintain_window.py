"""A window of maintenance reaches the plan: the work is put where its machine rests, and never begins after its latest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from loopwright.app.open_shop import closed, in_force, open_work
from loopwright.app.planning import Planning, mend
from loopwright.app.plant import Plant
from loopwright.core.clock import NS_PER_S
from loopwright.core.types import Event
from loopwright.make.shifts import first_rest
from loopwright.serve.maintain import Ask, Life, window
from tests.app.stick_shop import MIN, MONDAY_NS, slots, stick_shop

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


@pytest.mark.parametrize(("busy", "expected"), [
    ([], 10), ([(0, 30)], 30), ([(12, 30)], 30), ([(15, 30)], 10), ([(10, 20), (24, 40)], 40), ([(10, 20), (25, 40)], 20),
    ([(0, 100)], 60), ([(40, 90), (0, 35)], 35), ([(0, 38), (20, 30)], 38),
])
def test_the_first_rest_of_five_between_ten_and_sixty(busy: list[tuple[int, int]], expected: int) -> None:
    assert first_rest(busy, 10, 60, 5) == expected


def asked(plant: Plant, life: Life, minutes: int, now_ns: int) -> Any:
    events, _ = window(life, Ask(early=1.0, late=150.0, duration_s=minutes * MIN), {}, now_ns)
    plant.store.record(events)
    return events[1]


def lathe(plan: Event) -> list[tuple[int, int]]:
    """What stands on lathe-1, seconds after Monday 08:00 from and until."""
    shift_s = (int(plan.body["origin_ns"]) - MONDAY_NS) // NS_PER_S
    return sorted((s["start_s"] + shift_s, s["end_s"] + shift_s) for s in plan.body["slots"] if s["machine"] == "lathe-1")


def work(plant: Plant) -> tuple[str, int, int]:
    """Where the work stands: machine, seconds after Monday 08:00 from and until."""
    (one,) = [item for item in closed(plant, MONDAY_NS, open_work(plant).plan) if item.waits]
    return one.machine, (one.start_ns - MONDAY_NS) // NS_PER_S, (one.end_ns - MONDAY_NS) // NS_PER_S


def test_work_that_may_wait_is_done_where_the_machine_rests_and_moves_no_operation(tmp_path: Path) -> None:
    with stick_shop(tmp_path, orders=4) as plant:
        mend(plant, [])
        first = in_force(plant)
        assert first
        before = slots(first)
        # 40 to 60 cycles of a minute are left: all is turned by then
        order = asked(plant, Life("lathe-1", LEVELS, (40.0, 44.0, 48.0, 52.0, 60.0), 60.0), 30, MONDAY_NS)
        second = Planning(plant).step(1e6)
        assert second
        assert "work order" in second.body["reason"]
        machine, begin, end = work(plant)
        assert machine == "lathe-1"
        assert order.body["start_ns"] <= MONDAY_NS + begin * NS_PER_S <= order.body["latest_ns"]
        assert all(b <= begin or a >= end for a, b in lathe(second)), "nothing runs on it while it is worked on"
        assert slots(second) == before, "it fits between or after what was planned"


def test_where_the_machine_never_rests_the_work_begins_at_its_latest_and_the_plan_gives_way(tmp_path: Path) -> None:
    with stick_shop(tmp_path, orders=4) as plant:
        mend(plant, [])
        first = in_force(plant)
        assert first
        assert lathe(first)[-1][1] > 30 * MIN, "it has no rest within the window"
        order = asked(plant, Life("lathe-1", LEVELS, (18.0, 19.0, 20.0, 22.0, 26.0), 60.0), 45, MONDAY_NS)
        second = Planning(plant).step(1e6)
        assert second
        _, begin, end = work(plant)
        assert begin == (order.body["latest_ns"] - MONDAY_NS) // NS_PER_S
        assert lathe(second)[0] == lathe(first)[0], "what has begun is not broken off"
        assert all(b <= begin or a >= end for a, b in lathe(second))
        assert Planning(plant).step(1e6) is None, "and it stays there"


def test_a_work_order_without_a_window_stands_where_it_was_opened(tmp_path: Path) -> None:
    with stick_shop(tmp_path, orders=1) as plant:
        mend(plant, [])
        plant.record("workorder.opened", "w-1", {"machine": "lathe-1", "alarm": "", "duration_s": 600, "why": "oil",
                                                 "start_ns": MONDAY_NS}, t_ns=MONDAY_NS)
        assert work(plant) == ("lathe-1", 0, 600)


def test_work_that_should_be_under_way_stays_where_it_was_planned(tmp_path: Path) -> None:
    with stick_shop(tmp_path, orders=4) as plant:
        mend(plant, [])
        order = asked(plant, Life("lathe-1", LEVELS, (18.0, 19.0, 20.0, 22.0, 26.0), 60.0), 45, MONDAY_NS)
        assert Planning(plant).step(1e6)
        _, begin, end = work(plant)
        later_ns = int(order.body["latest_ns"]) + 20 * MIN * NS_PER_S
        (one,) = [item for item in closed(plant, later_ns, open_work(plant).plan) if item.waits]
        assert ((one.start_ns - MONDAY_NS) // NS_PER_S, (one.end_ns - MONDAY_NS) // NS_PER_S) == (begin, end)
        tomorrow_ns = later_ns + 86_400 * NS_PER_S
        (one,) = [item for item in closed(plant, tomorrow_ns, open_work(plant).plan) if item.waits]
        assert one.start_ns == tomorrow_ns, "nobody said that it is done, so it stands before everything else"
