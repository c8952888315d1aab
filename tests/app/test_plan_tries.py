"""What was tried and what was promised, on the console: who may adopt, what it would change, where the proof stands."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("nicegui", reason="the console is not installed (pip install 'loopwright[console]')")

from loopwright.app import trying
from loopwright.app.auth import LOCAL, Auth, Who
from loopwright.app.console import frame, orders, plan, unit
from loopwright.app.console.frame import View
from loopwright.app.flow import Flow
from loopwright.app.front import Front
from loopwright.app.planning import Planning
from loopwright.core.clock import NS_PER_S
from loopwright.core.types import Event
from tests.app.small_plant import small_plant
from tests.app.stick_shop import stick_shop

HOUR = 3600 * NS_PER_S


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with stick_shop(tmp_path_factory.mktemp("sticks"), orders=3) as plant:
        Planning(plant).step(1e6)
        trying.try_plan(plant, "mara", {"changes": ["machine-more bench-1"], "name": "two benches", "why": "<b>the neck</b>"})
        trying.try_plan(plant, "mara", {"changes": ["machine-away bench-1=2h"], "name": "bench"})
        yield Front(plant.store, plant.site, Flow(plant.clock), Auth(plant.store, plant.site.folder, plant.clock), plant.clock, plant._workers)


def drawn(front: Front, who: Who = LOCAL, module: object = plan, **params: str) -> str:
    return str(frame.body(module.draw(View(front, who, "metric", params, "http://127.0.0.1:8080"))))  # type: ignore[attr-defined]


def test_a_try_says_what_it_would_change_and_what_has_to_be_done_first(front: Front) -> None:
    """By hand, as in test_whatif: 79 minutes with one bench, 59 with two."""
    page = drawn(front)
    assert "1 h 19 min → 59 min" in page
    assert "▼ better" in page
    assert "▲ worse" in page
    assert "cannot be adopted: one machine more like bench-1: add the machine to the site file" in page
    assert 'data-post="/api/whatif/two%20benches/drop"' in page
    assert "two%20benches/adopt" not in page
    assert 'data-post="/api/whatif/bench/adopt"' in page
    assert "&lt;b&gt;the neck" in page


def test_who_may_not_release_a_plan_sees_tries_and_no_buttons(front: Front) -> None:
    page = drawn(front, Who("anna", "approver"))
    assert "two benches" in page
    assert "/api/whatif" in page  # the drawing
    assert "/drop" not in page
    assert "Try it" not in page
    assert "Try it" in drawn(front, Who("mara", "operator"))


def test_a_dropped_try_stays_in_the_list_without_buttons(front: Front) -> None:
    from loopwright.app import acts

    trying.try_plan(acts.plant_of(front, "mara"), "mara", {"name": "nothing"})
    assert "/api/whatif/nothing/drop" in drawn(front)
    trying.drop(acts.plant_of(front, "mara"), "mara", "nothing", "no need")
    page = drawn(front)
    assert "/api/whatif/nothing/drop" not in page
    assert "dropped" in page


def test_a_promise_stands_on_the_order_and_on_its_unit_with_its_proof(tmp_path: Path) -> None:
    with small_plant(tmp_path) as front:
        order, now_ns = "L003-001", front.now_ns()
        slot = {"order": order, "operation": "measure", "machine": "gauge-1", "start_s": 0, "end_s": 60, "frozen": False}
        digest = hashlib.sha256(b"slots").hexdigest()
        body = {"promised_ns": now_ns + 30 * HOUR, "due_ns": now_ns + 20 * HOUR, "met": False, "plan": "plan-00007", "plan_sha256": digest,
                "slots": [slot], "waits": "3 h for gauge-1"}
        front.store.record([Event("order.promised", order, now_ns, "plan", body)])
        page = drawn(front, LOCAL, unit, serial=f"{order}-1")
        assert "after the due date" in page
        assert "Longest on the way: 3 h for gauge-1." in page
        assert digest[:16] in page
        assert 'href="/plan?plan=plan-00007"' in page
        assert "promised " in drawn(front, LOCAL, orders)
        assert "promised " not in drawn(front, LOCAL, orders, text="L003-002")
