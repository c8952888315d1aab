"""What if, on a plant: tried, shown, compared, adopted through the one door, dropped, refused when it is too late."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest

from loopwright.app import plan_file, planning, trying
from loopwright.app.auth import COOKIE, Auth
from loopwright.app.cli import main
from loopwright.app.flow import Flow
from loopwright.app.open_shop import in_force, open_work, shop_at
from loopwright.app.planning import Planning
from loopwright.app.plant import Plant
from loopwright.app.serve_http import build_app
from loopwright.app.telling import tell
from loopwright.app.whatif_words import parse, parse_all, told
from loopwright.core.clock import NS_PER_S, SimClock
from loopwright.core.errors import InputError, PlanError, UnknownName
from loopwright.core.types import Plan
from loopwright.make.check import check
from loopwright.make.open_work import from_body
from loopwright.make.plan import plan
from loopwright.make.reading.shop_json import to_json
from loopwright.make.shop import Shop
from loopwright.make.whatif import Change
from tests.app.small_plant import PASSWORD, add_users
from tests.app.stick_shop import MONDAY_NS, WORKERS, new_orders, slots, stick_shop
from tests.make.test_whatif import MILL

HERE = "http://127.0.0.1:8080"


def tried(plant: Plant, *changes: str, **more: Any) -> dict[str, Any]:
    return trying.try_plan(plant, "mara", {"changes": list(changes), **more})


def figures(shown: dict[str, Any]) -> dict[str, tuple[float, float]]:
    return {row["what"]: (row["before"], row["after"]) for row in shown["table"]["figures"]}


def test_a_machine_more_is_tried_shown_and_changes_nothing(tmp_path: Path) -> None:
    with stick_shop(tmp_path, orders=3) as plant:
        base = Planning(plant).step(1e6)
        shown = tried(plant, "machine-more bench-1", name="two benches", why="the bench is the neck")
        # by hand: turned at 17, 17, 34 min, then 20 min each at one bench: 77, measured 79; at two: 57, measured 59
        assert figures(shown)["makespan"] == (79 * 60, 59 * 60)
        assert shown["says_changes"] == ["one machine more like bench-1"]
        assert shown["first"] == ["one machine more like bench-1: add the machine to the site file"]
        assert (shown["state"], shown["moved_on"]) == ("open", "")
        assert in_force(plant) == base
        assert Planning(plant).step(1e6) is None, "a try calls for no repair"
        assert "makespan" in told(shown)
        drawing = ElementTree.fromstring(trying.svg(plant, "two benches"))
        assert drawing.tag.endswith("svg")
        with pytest.raises(InputError, match="add the machine to the site file"):
            trying.adopt(plant, "mara", "two benches")


def test_a_try_that_changes_nothing_is_no_worse_than_what_is(tmp_path: Path) -> None:
    with stick_shop(tmp_path, orders=3) as plant:
        Planning(plant).step(1e6)
        before, after = figures(tried(plant))["makespan"]
        assert after <= before


def test_an_adopted_plan_is_released_with_author_and_reason_and_stays(tmp_path: Path) -> None:
    with stick_shop(tmp_path, orders=3) as plant:
        base = Planning(plant).step(1e6)
        assert base
        shown = tried(plant, "order-earlier S003=13d", "machine-away lathe-1=1h", name="S003 first")
        done = trying.adopt(plant, "mara", "S003 first", "he travels on Friday")
        event = in_force(plant)
        assert event
        assert (event.about, event.actor) == (done["plan"], "mara")
        assert event.body["reason"].endswith("what if S003 first: S003 is due 13 d earlier; lathe-1 is away for 1 h (he travels on Friday)")
        assert event.because == (plant.store.recall(kind="plan.tried")[0].id,)
        assert not check(shop_at(plant, MONDAY_NS, open_work(plant)), from_body(event.body)), "the plant knows what it rests on"
        order = next(o for o in open_work(plant).work if o.id == "S003")
        assert order.due_ns == MONDAY_NS + 1 * 86_400 * NS_PER_S
        assert all(row[1] >= 60 for row in slots(event).values() if row[0] == "lathe-1")
        assert Planning(plant).step(1e6) is None, "what came with the plan calls for no repair of it"
        assert trying.shown(plant, "S003 first")["state"] == "adopted"
        assert figures(shown)["makespan"][1] == event.body["makespan_s"]
        with pytest.raises(InputError, match="was adopted by mara"):
            trying.adopt(plant, "emil", "S003 first")
        with pytest.raises(InputError, match="was adopted by mara"):
            trying.drop(plant, "emil", "S003 first")


def test_a_try_is_refused_when_the_plants_plan_moved_on(tmp_path: Path) -> None:
    with stick_shop(tmp_path, orders=2) as plant:
        Planning(plant).step(1e6)
        tried(plant, "order-earlier S001=1d", name="a")
        tell(plant, "mara", {"what": "down", "about": "lathe-2", "until": "2h"})
        with pytest.raises(PlanError, match="since then: lathe-2 is down"):
            trying.adopt(plant, "mara", "a")
        Planning(plant).step(1e6)
        with pytest.raises(PlanError, match="plan-00002 was released meanwhile"):
            trying.adopt(plant, "mara", "a")
        assert trying.listed(plant)["tries"][0]["moved_on"] == "plan-00002 was released meanwhile"
        tried(plant, name="b")
        tried(plant, name="c")
        trying.adopt(plant, "mara", "b")
        with pytest.raises(PlanError, match="plan-00003 was released meanwhile"):
            trying.adopt(plant, "mara", "c")


def test_what_begins_between_try_and_adoption_stays_where_it_is(tmp_path: Path) -> None:
    with stick_shop(tmp_path, orders=3) as plant:
        base = Planning(plant).step(1e6)
        assert base
        tried(plant, "order-earlier S003=13d", name="a")
        first = min(base.body["slots"], key=lambda s: (s["start_s"], s["machine"]))
        tell(plant, "mara", {"what": "started", "about": first["order"], "operations": ["turn"]})
        assert isinstance(plant.clock, SimClock)
        plant.clock.set_ns(MONDAY_NS + 30 * NS_PER_S)
        trying.adopt(plant, "mara", "a")
        event = in_force(plant)
        assert event
        assert slots(event)[first["order"], "turn"] == (first["machine"], 0, 17)
        assert next(s for s in event.body["slots"] if s["order"] == first["order"])["frozen"]


def test_tries_are_dropped_listed_and_compared(tmp_path: Path) -> None:
    with stick_shop(tmp_path, orders=3) as plant:
        Planning(plant).step(1e6)
        tried(plant, "machine-more bench-1", name="bench")
        tried(plant, "speed bench-1=2")
        trying.drop(plant, "mara", "bench", "too dear")
        rows = trying.listed(plant)["tries"]
        assert [(row["name"], row["state"]) for row in rows] == [("try-1", "open"), ("bench", "dropped")]
        beside = trying.beside(plant, ["bench", "try-1"])
        assert beside["names"] == ["as it was", "bench", "try-1"]
        spans = next(row["values"] for row in beside["figures_of"] if row["what"] == "makespan")
        assert spans[0] > spans[1]
        assert "as it was" in told(beside)
        assert "dropped" in told(trying.listed(plant))
        for name in ("bench", ""):
            with pytest.raises((InputError, UnknownName)):
                trying.adopt(plant, "mara", name)
        with pytest.raises(InputError, match="not taken"):
            tried(plant, name="bench")
        with pytest.raises(InputError, match="two or more"):
            trying.beside(plant, ["bench"])


def test_without_open_orders_nothing_is_tried(tmp_path: Path) -> None:
    with stick_shop(tmp_path, orders=0) as plant, pytest.raises(PlanError, match="no order is open"):
        tried(plant)


def test_a_new_order_after_a_try_calls_for_a_repair_of_its_own(tmp_path: Path) -> None:
    with stick_shop(tmp_path, orders=1) as plant:
        Planning(plant).step(1e6)
        tried(plant, name="a")
        new_orders(plant, "N", 1)
        with pytest.raises(PlanError, match="since then: new order N001"):
            trying.adopt(plant, "mara", "a")
        event = Planning(plant).step(1e6)
        assert event
        assert event.body["reason"] == "repair: new order N001"


@pytest.mark.parametrize(("text", "change"), [
    ("machine-more mill-1", Change("machine-more", "mill-1")),
    ("machine-more mill-1=mill-9", Change("machine-more", "mill-1", new="mill-9")),
    ("machine-away mill-1", Change("machine-away", "mill-1")),
    ("machine-away mill-1 = 2d", Change("machine-away", "mill-1", 172_800)),
    ("speed mill-1=1.25", Change("speed", "mill-1", factor=1.25)),
    ("shift-less sat", Change("shift-less", "sat")),
    ("order-earlier A 12=1.5h", Change("order-earlier", "A 12", 5400)),
])
def test_changes_are_read_as_people_write_them(text: str, change: Change) -> None:
    assert parse_all([text]) == [change]


@pytest.mark.parametrize("text", [
    "", "machine-more", "machine-more =x", "machine-more m=", "order-earlier A12", "order-earlier A12=soon",
    "order-earlier A12=-2d", "speed m", "speed m=fast", "speed m=0", "speed m=nan", "shift-less sat=1", "order-gone a=b",
    "shift-more sat=2", "machine-mor m", "order-earlier A12=99999d"])
def test_a_change_that_cannot_be_read_says_how_it_is_written(text: str) -> None:
    with pytest.raises(InputError):
        parse_all([text])
    with pytest.raises(InputError):
        parse(*text.split(" ", 1)) if " " in text else parse(text, "")


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, Any]:
    with pytest.raises(SystemExit) as left:
        main([str(one) for one in arguments])
    caught = capsys.readouterr()
    code = int(left.value.code or 0)
    return code, json.loads(caught.out) if "--json" in arguments and caught.out else caught.out + caught.err


@pytest.mark.slow  # each command is a process that loads the planner
def test_the_commands_tell_try_list_compare_adopt_and_draw(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with stick_shop(tmp_path, orders=2) as plant:
        site = plant.site.file
        assert planning.catch_up(plant)
    code, said = run(capsys, "tell", site, "down", "lathe-2", "--until", "3h", "--why", "belt", "--author", "mara", "--json")
    assert (code, said["plan"]) == (0, "plan-00002"), "nobody runs the plant: the plan is repaired at once"
    drawing = tmp_path / "both.svg"
    code, said = run(capsys, "whatif", site, "--machine-more", "lathe-1", "--name", "try1", "--gantt", drawing, "--json")
    assert (code, said["name"]) == (0, "try1")
    assert ElementTree.parse(drawing).getroot().tag.endswith("svg")
    assert run(capsys, "whatif", site, "--order-earlier", "S001=2d", "--name", "try2")[0] == 0
    code, text = run(capsys, "whatif", site)
    assert [line.split()[0] for line in text.splitlines()] == ["try2", "try1"]
    assert "end of" in run(capsys, "whatif", site, "show", "try1")[1]
    assert "as it was" in run(capsys, "whatif", site, "compare", "try1", "try2")[1]
    code, said = run(capsys, "whatif", site, "adopt", "try2", "--why", "because", "--json")
    assert (code, said["plan"]) == (0, "plan-00003")
    assert run(capsys, "whatif", site, "drop", "try1")[0] == 0
    for wrong in (("adopt", "try9"), ("adopt",), ("show", "try1", "--machine-more", "x"), ("list", "--gantt", "x.svg")):
        code, text = run(capsys, "whatif", site, *wrong)
        assert code == 2
        assert "Traceback" not in text


def test_a_shop_in_a_file_is_compared_and_nothing_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mill.json"
    path.write_text(to_json(MILL))
    code, said = run(capsys, "whatif", path, "--machine-more", "mill", "--seconds", "0", "--gantt", tmp_path / "x.svg", "--json")
    assert code == 0
    assert figures(said)["makespan"] == (30, 20)
    assert run(capsys, "whatif", path, "adopt", "x")[0] == 2
    assert sorted(one.name for one in tmp_path.iterdir()) == ["mill.json", "x.svg"]


def test_after_ctrl_c_the_other_plan_is_searched_for_as_long(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[float] = []

    def planned(shop: Shop, asked: plan_file.Asked, watched: plan_file.Watched) -> Plan:
        given.append(asked.seconds)
        watched.stop.set()
        return replace(plan(shop, 0), took_s=3.5)

    monkeypatch.setattr(plan_file, "planned", planned)
    (tmp_path / "mill.json").write_text(to_json(MILL))
    assert run(capsys, "whatif", tmp_path / "mill.json", "--machine-more", "mill", "--seconds", "60")[0] == 0
    assert given == [60, 3.5]


def test_a_file_that_counts_from_no_date_has_no_saturday(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "queue.jsp").write_text("1 1\n0 10\n")
    with pytest.raises(SystemExit) as left:
        main(["whatif", str(tmp_path / "queue.jsp"), "--shift-less", "sat"])
    assert left.value.code == 2
    assert "counts from no date" in capsys.readouterr().err


async def test_the_api_tells_tries_and_adopts_by_role(tmp_path: Path) -> None:
    with stick_shop(tmp_path, orders=2) as plant:
        add_users(plant.store)
        planning.catch_up(plant)
        auth = Auth(plant.store, plant.site.folder, plant.clock)
        app = build_app(plant.store, plant.site, Flow(plant.clock), auth, clock=plant.clock, console=False)
        app.state.front.workers[:] = [WORKERS]

        async def ask(who: str, method: str, path: str, **body: Any) -> httpx.Response:
            transport = httpx.ASGITransport(app=app, client=("127.0.0.1", 50_000))
            cookies = {COOKIE: auth.sign_in(who, PASSWORD)}
            async with httpx.AsyncClient(transport=transport, base_url=HERE, cookies=cookies) as http:
                return await http.request(method, f"/api/{path}", json=body or None)

        for who, status in (("olga", 403), ("anna", 403), ("mara", 200)):
            assert (await ask(who, "POST", "shop-events", what="down", about="lathe-1", until="1h")).status_code == status
        assert plant.store.recall(kind="machine.down")[0].actor == "mara"
        assert (await ask("mara", "POST", "shop-events", what="down", about="lathe-9")).status_code == 404
        planning.catch_up(plant)
        assert (await ask("olga", "POST", "whatif", changes=[])).status_code == 403
        done = await ask("emil", "POST", "whatif", changes=["order-later S001=1d"], name="a b", seconds=0)
        assert done.status_code == 200, done.text
        assert (await ask("anna", "GET", "whatif/a b")).json()["state"] == "open"
        assert (await ask("anna", "GET", "whatif")).json()["tries"][0]["author"] == "emil"
        assert (await ask("anna", "GET", "whatif/a b/drawing.svg")).headers["content-type"].startswith("image/svg")
        assert (await ask("anna", "POST", "whatif/a b/adopt", why="x")).status_code == 403
        assert (await ask("mara", "POST", "whatif/a b/adopt", why="good")).json()["plan"] == "plan-00003"
        assert (await ask("mara", "POST", "whatif/a b/drop", why="no")).status_code == 422
        assert (await ask("mara", "POST", "whatif", changes=["nonsense x"])).status_code == 404
