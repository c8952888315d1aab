"""Promises of a plant and of a shop's file: the command, the API by role, the date kept with the order."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from loopwright.app import promising
from loopwright.app.auth import COOKIE, Auth
from loopwright.app.cli import main
from loopwright.app.flow import Flow
from loopwright.app.open_shop import in_force, open_work, shop_at
from loopwright.app.planning import Planning
from loopwright.app.plant import Plant
from loopwright.app.promised import plan_sha256
from loopwright.app.serve_http import build_app
from loopwright.core.clock import NS_PER_S, SimClock
from loopwright.core.errors import InputError, PlanError, UnknownName
from loopwright.core.types import Slot
from loopwright.make.check import check
from loopwright.make.open_work import from_body
from loopwright.make.reading.shop_json import to_json
from loopwright.store import User
from tests.app.small_plant import PASSWORD, add_users, quick_hash
from tests.app.stick_shop import MIN, MONDAY_NS, new_orders, stick_shop
from tests.make.test_promise import small

JOB = {"id": "c", "due_s": 265, "operations": [{"name": "saw", "on": [["saw", 30]]}, {"name": "mill", "on": [["mill", 60]], "after": ["saw"]}]}


def command(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main([str(one) for one in arguments])
    caught = capsys.readouterr()
    return int(left.value.code or 0), caught.out, caught.err


def minutes(row: dict[str, Any]) -> int:
    return int(row["end_s"]) // MIN


def test_a_promise_of_a_plant_stands_beside_its_plan_and_changes_nothing(tmp_path: Path) -> None:
    with stick_shop(tmp_path, orders=3) as plant:
        plan = Planning(plant).step(1e6)
        assert plan is not None
        length = plant.store.events.length()
        told = promising.promised(plant, {"order": "S9"})
        # by hand: turned until 34 on the second lathe, the bench is busy with three others until 77, then 20 and 2 min
        assert (minutes(told), told["plan"], told["as_released"], told["proven"]) == (99, plan.about, True, True)
        assert [(p["cause"], p["what"], p["seconds"] // MIN) for p in told["waits"]][-3:] == [
            ("machine", "bench-1", 43), ("work", "bench-1", 20), ("work", "gauge-1", 2)]
        assert [(o["how"], minutes(o)) for o in told["offers"]] == [("gaps", 99), ("moves", 39)]
        assert told["least_s"] == 39 * MIN
        shop = shop_at(plant, plant.clock.now_ns(), open_work(plant))
        assert {row["order"] for row in told["proof"]["slots"]} == {"S9"}
        assert check(shop, from_body(plan.body)) == []
        assert plant.store.events.length() == length


def test_a_date_asked_for_is_answered_with_yes_or_no(tmp_path: Path) -> None:
    with stick_shop(tmp_path, orders=3) as plant:
        Planning(plant).step(1e6)
        for due, met, says in (("10:00", True, "yes: in 1 h 39 min, 21 min before the date asked for"),
                               ("08:45", True, "yes, if "), ("08:30", False, "no: by itself in the shop it ends 9 min after")):
            told = promising.promised(plant, {"due": f"2026-11-23T{due}:00+01:00"})
            assert (told["met"], told["says"][:len(says)]) == (met, says)


def test_a_person_is_fitted_first_and_an_order_can_be_like_another(tmp_path: Path) -> None:
    with stick_shop(tmp_path, orders=2) as plant:
        Planning(plant).step(1e6)
        person = plant.store.people.find()[0].id
        assert promising.promised(plant, {"person": person})["end_s"] == promising.promised(plant, {"like": "S001"})["end_s"]
        with pytest.raises(UnknownName, match="there is no 'S1'"):
            promising.promised(plant, {"like": "S1"})
        with pytest.raises(UnknownName):
            promising.promised(plant, {"person": "nobody"})
        with pytest.raises(InputError, match="is open already"):
            promising.promised(plant, {"order": "S001"})
        with pytest.raises(InputError, match="promise: due"):
            promising.promised(plant, {"due": "soon"})
        with pytest.raises(InputError, match="seconds"):
            promising.promised(plant, {"seconds": 1e9})
        gaps = promising.promised(plant, {"seconds": 0})
        assert [offer["how"] for offer in gaps["offers"]] == ["gaps"]


def test_a_plant_without_open_orders_promises_the_length_of_the_work(tmp_path: Path) -> None:
    with stick_shop(tmp_path, orders=0) as plant:
        told = promising.promised(plant, {})
        assert (minutes(told), told["plan"]) == (39, "")
        with pytest.raises(PlanError, match="no order is open"):
            promising.live(plant)


def test_a_plan_that_what_happened_has_overtaken_is_shifted_first(tmp_path: Path) -> None:
    with stick_shop(tmp_path, orders=2, clock=(clock := SimClock(MONDAY_NS))) as plant:
        Planning(plant).step(1e6)
        new_orders(plant, "N", 1)
        clock.set_ns(MONDAY_NS + 5 * MIN * NS_PER_S)
        told = promising.promised(plant, {})
        assert not told["as_released"]
        assert told["end_s"] > 39 * MIN


def test_the_date_and_its_proof_are_kept_with_an_order_the_first_time_it_is_planned_and_stay(tmp_path: Path) -> None:
    with stick_shop(tmp_path, orders=2) as plant:
        plan = Planning(plant).step(1e6)
        assert plan is not None
        kept = {e.about: e for e in plant.store.recall(kind="order.promised")}
        assert sorted(kept) == ["S001", "S002"]
        for order, event in kept.items():
            rows = [row for row in plan.body["slots"] if row["order"] == order]
            assert event.body["slots"] == rows
            assert event.body["promised_ns"] == MONDAY_NS + max(row["end_s"] for row in rows) * NS_PER_S
            assert event.body["plan"] == plan.about
            assert event.body["plan_sha256"] == plan_sha256([Slot(**row) for row in plan.body["slots"]])
            assert event.body["met"]
        new_orders(plant, "N", 1)
        planning = Planning(plant)
        planning.look(1e6)
        again = planning.repair(1e6)
        assert again is not None
        assert in_force(plant) == again
        later = {e.about: e for e in plant.store.recall(kind="order.promised")}
        assert sorted(later) == ["N001", "S001", "S002"]
        assert later["S001"] == kept["S001"]
        assert later["N001"].body["plan"] == again.about


def test_a_promise_is_renewed_with_what_it_was_and_why_when_a_plan_moves_its_order_far_and_only_then(tmp_path: Path) -> None:
    clock = SimClock(MONDAY_NS)
    with stick_shop(tmp_path, orders=2, clock=clock) as plant:
        planning = Planning(plant)
        planning.step(1e6)
        first = {e.about: e for e in plant.store.recall(kind="order.promised")}
        clock.set_ns(MONDAY_NS + 20 * MIN * NS_PER_S)
        planning.look(1e6)
        assert planning.repair(1e6) is not None, "twenty minutes late: not told"
        assert len(plant.store.recall(kind="order.promised")) == len(first)
        clock.set_ns(MONDAY_NS + 180 * MIN * NS_PER_S)
        planning.look(1e6)
        plan = planning.repair(1e6)
        assert plan is not None
        told = [e for e in plant.store.recall(kind="order.promised") if e.id not in {old.id for old in first.values()}]
        assert sorted(e.about for e in told) == sorted(first)
        for event in told:
            end_s = max(row["end_s"] for row in plan.body["slots"] if row["order"] == event.about)
            assert event.body["promised_ns"] == plan.body["origin_ns"] + end_s * NS_PER_S
            assert event.body["was_ns"] == first[event.about].body["promised_ns"]
            assert event.body["why"] == plan.body["reason"] != ""
            assert event.body["plan"] == plan.about


async def asks(plant: Plant, method: str, path: str, name: str = "", **more: Any) -> httpx.Response:
    auth = Auth(plant.store, plant.site.folder, plant.clock)
    app = build_app(plant.store, plant.site, Flow(), auth, clock=plant.clock, console=False)
    cookies = {COOKIE: auth.sign_in(name, PASSWORD)} if name else {}
    transport = httpx.ASGITransport(app=app, client=("127.0.0.1", 50_000))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080", cookies=cookies) as http:
        return await http.request(method, path, **more)


@pytest.mark.slow
async def test_the_api_promises_by_role(tmp_path: Path) -> None:
    with stick_shop(tmp_path, orders=3) as plant:
        Planning(plant).step(1e6)
        add_users(plant.store)
        assert (await asks(plant, "POST", "/api/promise", json={})).status_code == 401
        assert (await asks(plant, "POST", "/api/promise", "anna", json={})).status_code == 403
        told = (await asks(plant, "POST", "/api/promise", "mara", json={"due": "2026-11-23T10:00:00+01:00"})).json()
        assert (minutes(told), told["met"]) == (99, True)
        assert (await asks(plant, "POST", "/api/promise", "mara", json={"like": "S77"})).status_code == 404
        assert (await asks(plant, "POST", "/api/promise", "mara", json={"seconds": -1})).status_code == 422
        assert (await asks(plant, "POST", "/api/promise", "mara", json={"machine": "x"})).status_code == 422
        late = (await asks(plant, "GET", "/api/late", "mara", params={"order": "S003"})).json()
        assert sum(p["seconds"] for p in late["orders"][0]["parts"]) == late["orders"][0]["flow_s"]
        rows = (await asks(plant, "GET", "/api/pegging", "mara", params={"machine": "bench-1"})).json()
        assert sorted(row["order"] for row in rows) == ["S001", "S002", "S003"]
        assert (await asks(plant, "GET", "/api/pegging", "mara", params={"machine": "bench-9"})).status_code == 404


async def test_an_owner_is_told_nothing_of_other_peoples_orders(tmp_path: Path) -> None:
    with stick_shop(tmp_path, orders=3) as plant:
        Planning(plant).step(1e6)
        mine, other = [p.id for p in plant.store.people.find()[:2]]
        plant.store.people.save_user(User("ida", "owner", quick_hash(PASSWORD), mine))
        told = (await asks(plant, "POST", "/api/promise", "ida", json={"like": "S002"})).json()
        assert (minutes(told), told["says"]) == (99, "in 1 h 39 min; earlier on request: 2026-11-23T07:39:00.000Z")
        assert (await asks(plant, "POST", "/api/promise", "ida", json={"person": other})).status_code == 403
        assert not any(order in json.dumps(told) for order in ("S001", "S002", "S003", "offers", "proof"))


def test_the_commands_read_a_plant(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with stick_shop(tmp_path, orders=3) as plant:
        Planning(plant).step(1e6)
        site = tmp_path / "sticks" / "site.toml"
        code, out, _ = command(capsys, "promise", site, "--like", "S001", "--json")
        assert (code, minutes(json.loads(out))) == (0, 99)
        code, out, _ = command(capsys, "promise", site, "--due", "2026-11-23T10:00:00+01:00")
        assert (code, out.splitlines()[0]) == (0, "new: yes: in 1 h 39 min, 21 min before the date asked for")
        assert "offer     2026-11-23T07:39:00  nobody becomes late" in out
        code, out, _ = command(capsys, "late", site)
        assert (code, out) == (0, "no order is late, of 3\n")
        code, out, _ = command(capsys, "late", site, "--why", "S003")
        assert "in time, 1 h 19 min from its release" in out
        code, out, _ = command(capsys, "pegging", site, "--order", "S002")
        assert (code, len(out.splitlines())) == (0, 4)
        code, _, said = command(capsys, "promise", site, "--job", tmp_path / "job.json")
        assert (code, "--person or --like" in said) == (2, True)


def test_the_commands_read_a_shop_in_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "shop.json").write_text(to_json(small()[0]))
    (tmp_path / "job.json").write_text(json.dumps(JOB))
    code, out, _ = command(capsys, "promise", tmp_path / "shop.json", "--job", tmp_path / "job.json", "--json")
    told = json.loads(out)
    assert (code, told["end_s"], told["end"], told["met"]) == (0, 320, None, True)
    code, out, _ = command(capsys, "promise", tmp_path / "shop.json", "--job", tmp_path / "job.json")
    assert "end       320 s" in out
    code, out, _ = command(capsys, "late", tmp_path / "shop.json", "--why", "a")
    assert "a: in time, 1 min 30 s from its release to 90 s" in out
    code, out, _ = command(capsys, "pegging", tmp_path / "shop.json", "--machine", "mill", "--json")
    assert [row["order"] for row in json.loads(out)] == ["a", "b"]


@pytest.mark.parametrize(("job", "says"), [
    ("{", "line 1, column 2"),
    ('{"id": "c", "operations": [{"name": "saw", "on": [["saw", 0]]}]}', "takes 0 s on 'saw'"),
    ('{"id": "c", "operations": [{"name": "saw", "on": [["lathe", 9]]}]}', "there is no 'lathe'"),
    ('{"id": "c", "operations": [{"nam": "saw"}]}', "did you mean 'name'"),
    ('{"id": "c", "operations": []}', "has no operations"),
    ('{"id": "a", "operations": [{"name": "saw", "on": [["saw", 3]]}]}', "stands in the shop already"),
])
def test_an_order_that_cannot_be_read_or_done_is_refused_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str], job: str, says: str) -> None:
    (tmp_path / "shop.json").write_text(to_json(small()[0]))
    (tmp_path / "job.json").write_text(job)
    code, _, said = command(capsys, "promise", tmp_path / "shop.json", "--job", tmp_path / "job.json")
    assert code == 2
    assert says in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(("options", "says"), [
    (["--like", "a"], "--like a; allowed: with a plant"), (["--due", "2026-12-24"], "--due 2026-12-24; allowed: with a plant"),
    (["--seconds", "-1"], "-1; allowed: 0"), (["--seconds", "nan"], "nan; allowed: 0"), (["--seconds", "1e9"], "to 60"),
])
def test_what_an_order_in_a_file_cannot_be_asked_with_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], says: str) -> None:
    (tmp_path / "shop.json").write_text(to_json(small()[0]))
    (tmp_path / "job.json").write_text(json.dumps(JOB))
    code, _, said = command(capsys, "promise", tmp_path / "shop.json", "--job", tmp_path / "job.json", *options)
    assert (code, says in said) == (2, True)


def test_an_order_without_a_due_date_is_not_called_in_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "two.jsp").write_text("2 1\n0 10\n0 20\n")
    code, out, _ = command(capsys, "late", tmp_path / "two.jsp", "--why", "j1")
    assert code == 0
    assert out.startswith("j1: no due date, ")


def test_the_page_does_what_it_says(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/how-to/promise-a-date.md: its commands say what stands there, and its code gives what it says."""
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "promise-a-date.md").read_text("utf-8")
    monkeypatch.chdir(tmp_path)
    for name, text in re.findall(r"<!-- file: (\S+) -->\n```json\n(.*?)```", page, re.DOTALL):
        Path(name).write_text(text)
    blocks = re.findall(r"```console\n\$ loopwright (.*?)```", page, re.DOTALL)
    for block in blocks:
        words, _, golden = block.partition("\n")
        code, out, _ = command(capsys, *words.split())
        assert (code, out[:len(golden)]) == (0, golden)
    assert len(blocks) == 3
    (python,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(compile(python, "promise-a-date.md", "exec"), {})
    assert capsys.readouterr().out.strip() == python.strip().rpartition("# ")[2]


@pytest.mark.parametrize("verb", ["late", "pegging", "whatif"])
def test_a_shop_file_that_is_not_there_is_no_plant_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: str) -> None:
    code, _, said = command(capsys, verb, tmp_path / "none.json")
    assert (code, "none.json: there is no such file" in said) == (2, True)
