"""In a running plant what happens repairs the plan by itself: told over the API, from the command line beside it, by a
machine that says that it is down; and after kill -9 between an event and its repair."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from loopwright.connect.wire import LOOPBACK, free_port
from loopwright.core.clock import RealClock, monotonic_s
from loopwright.store import open_store
from tests.app.shop import loopwright, running, started
from tests.app.stick_shop import stick_shop, stick_site

pytestmark = pytest.mark.slow
# without a search, which may leave a compiler behind that goes on for whoever comes next
PLAN = "settle_s = {settle}\nseconds = 0.0\nrepair_s = 0.0\n"


class Runs:
    """A plant of walking sticks with orders that are open now, and its API."""

    def __init__(self, folder: Path, settle_s: float = 0.2, orders: int = 3) -> None:
        self.port = free_port()
        self.site = stick_site(folder, more=f"[server]\nport = {self.port}\n", plan=PLAN.format(settle=settle_s))
        with stick_shop(folder, orders=orders, clock=RealClock()):
            pass
        self.folder = self.site.parent / "plant"

    def ask(self, method: str, path: str, **body: Any) -> Any:
        answer = httpx.request(method, f"http://{LOOPBACK}:{self.port}/api/{path}", json=body or None, timeout=20)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def plans(self) -> list[dict[str, Any]]:
        """The plans that were released, oldest first."""
        rows: list[dict[str, Any]] = self.ask("GET", "events?kind=plan.released")
        return rows[::-1]

    def after(self, count: int) -> dict[str, Any]:
        """The plan after so many others, once it is there."""
        end_s = monotonic_s() + 30
        while len(rows := self.plans()) <= count:
            assert monotonic_s() < end_s, "the plan was not repaired"
            time.sleep(0.1)
        return rows[count]


def test_what_is_told_to_a_running_plant_repairs_its_plan_and_a_try_is_adopted(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    with running(runs.site):
        first = runs.after(0)
        assert first["body"]["reason"].startswith("new order S001")
        slot = min(first["body"]["slots"], key=lambda s: (s["start_s"], s["machine"]))
        runs.ask("POST", "shop-events", what="started", about=slot["order"], operations=[slot["operation"]])
        runs.ask("POST", "shop-events", what="down", about=slot["machine"], until="2h", why="spindle bearing")
        repaired = runs.after(1)["body"]
        assert f"{slot['machine']} is down until" in repaired["reason"]
        assert repaired["kept_part"] >= 0
        begun = next(s for s in repaired["slots"] if (s["order"], s["operation"]) == (slot["order"], slot["operation"]))
        assert (begun["machine"], begun["frozen"]) == (slot["machine"], True)
        beside = loopwright("tell", runs.site, "up", slot["machine"], "--json")
        assert beside.returncode == 0, beside.stderr
        assert "plan" not in json.loads(beside.stdout), "the process that runs the plant repairs it"
        assert "works again" in runs.after(2)["body"]["reason"]
        tried = loopwright("whatif", runs.site, "--order-earlier", "S003=13d", "--name", "try1", "--seconds", "0", "--json")
        assert tried.returncode == 0, tried.stderr
        done = runs.ask("POST", "whatif/try1/adopt", why="he travels")
        assert runs.after(3)["about"] == done["plan"]
        time.sleep(1)
        assert len(runs.plans()) == 4, "an adopted plan stays"


def test_kill_nine_between_an_event_and_its_repair_repairs_after_the_start(tmp_path: Path) -> None:
    runs = Runs(tmp_path, settle_s=2.0)
    process = started("run", runs.site, stdout=subprocess.DEVNULL)
    assert process.stderr is not None
    with process, process.stderr:
        try:
            while "console and API at" not in process.stderr.readline():
                assert process.poll() is None
            runs.after(0)
            runs.ask("POST", "shop-events", what="down", about="lathe-1", until="2h")
        finally:
            process.kill()
    with open_store(runs.folder, read_only=True) as store:
        assert len(store.recall(kind="plan.released")) == 1, "it died before the repair"
        down = store.recall(kind="machine.down")[0]
    with running(runs.site):
        repaired = runs.after(1)
        assert repaired["because"] == [down.id]
    with open_store(runs.folder, read_only=True) as store:
        assert store.events.verify().broken_at is None


