"""The REST API: what is read, what people do, and who may."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest
from fastapi import FastAPI

from loopwright.app.api_points import ARROW
from loopwright.app.auth import COOKIE
from loopwright.app.front import Front
from loopwright.app.serve_http import build_app, serve
from loopwright.core.errors import LinkError, MissingExtra
from tests.app.small_plant import CODE, PASSWORD, small_plant

HERE = "http://127.0.0.1:8080"
UNIT = "L003-001-1"


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with small_plant(tmp_path_factory.mktemp("plant"), users=True) as made:
        yield made


@pytest.fixture(scope="module")
def app(front: Front) -> FastAPI:
    return build_app(front.store, front.site, front.flow, front.auth, clock=front.clock, console=False)


class Asks:
    """Asks the app in somebody's name."""

    def __init__(self, app: FastAPI, front: Front) -> None:
        self._app, self._front = app, front

    async def __call__(self, method: str, path: str, name: str = "", client: str = "127.0.0.1", **more: Any) -> httpx.Response:
        transport = httpx.ASGITransport(app=self._app, client=(client, 50_000), raise_app_exceptions=True)
        cookies = {COOKIE: self._front.auth.sign_in(name, PASSWORD)} if name else {}
        async with httpx.AsyncClient(transport=transport, base_url=more.pop("base", HERE), cookies=cookies) as http:
            return await http.request(method, path, **more)


@pytest.fixture
def ask(app: FastAPI, front: Front) -> Asks:
    return Asks(app, front)


def told(answer: httpx.Response) -> dict[str, str]:
    """An error as the API tells it."""
    said: dict[str, str] = answer.json()
    assert set(said) == {"error", "where", "given", "allowed", "todo"}
    return said


READS = (
    "/api/plant",
    "/api/loop",
    "/api/hops",
    "/api/things",
    "/api/kinds",
    "/api/newest",
    "/api/orders",
    f"/api/units/{UNIT}",
    "/api/designs",
    "/api/plan",
    "/api/machines",
    "/api/machines/mill-2",
    "/api/alarms",
    "/api/decisions",
    "/api/changes",
    "/api/events",
    "/api/points?thing=mill-1&signal=s.velocity",
)


@pytest.mark.parametrize("path", READS)
async def test_staff_read_everything_and_nobody_else_does(ask: Asks, path: str) -> None:
    assert (await ask("GET", path)).status_code == 401
    answer = await ask("GET", path, "mara")
    assert answer.status_code == 200
    assert answer.json()


@pytest.mark.parametrize(
    "path",
    [
        "/api/loop",
        "/api/hops",
        "/api/orders",
        "/api/units/L003-002-1",
        "/api/machines",
        "/api/alarms",
        "/api/changes",
        "/api/events",
        "/api/trace/L003-002-1",
        "/api/persons/p-02",
        "/api/points?thing=mill-1",
        "/api/points?thing=L003-002-1",
        "/api/export?person=p-02",
    ],
)
async def test_an_owner_sees_nothing_of_others(ask: Asks, path: str) -> None:
    answer = await ask("GET", path, "olga")
    assert answer.status_code == 403
    assert told(answer)["error"] == "NotAllowed"


async def test_an_owner_sees_what_is_theirs(ask: Asks) -> None:
    assert (await ask("GET", f"/api/units/{UNIT}", "olga")).json()["owner"] == "p-01"
    person = (await ask("GET", "/api/persons/me?units=imperial", "olga")).json()
    assert (person["id"], person["shots"]["range"]["unit"], [u["serial"] for u in person["units"]]) == ("p-01", "yd", [UNIT])
    assert [t["id"] for t in (await ask("GET", "/api/things", "olga")).json()] == [UNIT]
    assert list((await ask("GET", "/api/newest", "olga")).json()) == [UNIT]
    assert {d["about"] for d in (await ask("GET", "/api/decisions", "olga")).json()} == {"p-01"}
    assert (await ask("GET", f"/api/points?thing={UNIT}&signal=carry", "olga")).status_code == 200


async def test_everything_about_an_owner_can_be_taken_along(ask: Asks) -> None:
    answer = await ask("GET", "/api/export", "olga")
    data = answer.json()
    assert "attachment" in answer.headers["content-disposition"]
    assert (data["person"]["id"], data["units"]) == ("p-01", [UNIT])
    assert len(data["points"][UNIT]) == 129 * 5  # sessions of 14, 17, 20, 23, 26, 29 shots with five signals each
    assert CODE not in json.dumps(data)


async def test_the_public_page_needs_nobody_and_names_nobody(ask: Asks) -> None:
    claimed, free = [await ask("GET", f"/api/units/{serial}/public") for serial in (UNIT, "L003-005-1")]
    assert claimed.status_code == free.status_code == 200
    assert "p-01" not in claimed.text + (await ask("GET", f"/u/{UNIT}")).text
    assert "parameters" not in claimed.json()
    assert "parameters" in free.json()
    assert (await ask("GET", f"/api/units/{UNIT}/solid.glb")).status_code == 404
    assert (await ask("GET", "/api/units/L003-005-1/solid.glb")).content[:4] == b"glTF"
    unknown = await ask("GET", "/u/L003-999-1")
    assert unknown.status_code == 404
    assert "L003-001" not in unknown.text


async def test_a_solid_is_never_read_from_outside_the_plant(ask: Asks, front: Front, tmp_path: Path) -> None:
    from loopwright.core.types import Event

    (tmp_path / "secret.glb").write_text("secret")
    body = {"design": "d", "mass_kg": 1.0, "cg_m": [], "volume_m3": 1.0}
    for path in (str(tmp_path / "secret.glb"), "../../secret.glb", "journal.sqlite"):
        front.store.record([Event("solid.made", "L003-007", front.now_ns(), "x", {**body, "files": {"glb": {"path": path, "hash": ""}}})])
        assert (await ask("GET", "/api/units/L003-007-1/solid.glb", "mara")).status_code == 404


async def test_points_come_as_arrow_bit_for_bit(ask: Asks, front: Front) -> None:
    answer = await ask("GET", "/api/points?thing=mill-1&signal=s.velocity", "mara", headers={"accept": ARROW})
    assert answer.headers["content-type"] == ARROW
    assert pa.ipc.open_stream(answer.content).read_all().equals(front.store.get(things=["mill-1"], signals=["s.velocity"]))


async def test_a_series_keeps_its_extremes_in_few_points(ask: Asks) -> None:
    few = (await ask("GET", "/api/points?thing=mill-1&signal=s.output_power&n=50", "mara")).json()["series"][0]
    all_ = (await ask("GET", "/api/points?thing=mill-1&signal=s.output_power", "mara")).json()["series"][0]
    assert len(few["values"]) <= 50
    assert (few["low"], few["high"], few["count"]) == (all_["low"], all_["high"], all_["count"])
    assert len(all_["values"]) <= 2000


@pytest.mark.parametrize(
    ("path", "status", "word"),
    [
        ("/api/machines/mill-9", 404, "did you mean 'mill-"),
        ("/api/points?thing=mil-1", 404, "did you mean"),
        ("/api/points?thing=mill-1&signal=s.velocty", 404, "s.velocity"),
        ("/api/points?thing=mill-1&start=yesterday", 422, "2026-11-21T08:00:00Z"),
        ("/api/points?thing=mill-1&start=2026-01-01T00:00:00", 422, "time zone"),
        ("/api/points?thing=mill-1&n=2", 422, "greater than or equal"),
        ("/api/points", 422, "required"),
        ("/api/nothing", 404, "nothing at this address"),
        ("/api/units/nope", 404, "there is no 'nope'"),
    ],
)
async def test_a_wrong_question_is_answered_with_what_would_be_right(ask: Asks, path: str, status: int, word: str) -> None:
    answer = await ask("GET", path, "mara")
    assert answer.status_code == status
    assert word in " ".join(told(answer).values())


# what people do


async def test_an_alarm_is_acknowledged_once_in_the_name_of_whoever_saw_it(ask: Asks, front: Front) -> None:
    assert (await ask("POST", "/api/alarms/alarm-0012/ack", "olga")).status_code == 403
    assert (await ask("POST", "/api/alarms/alarm-0012/ack", "mara")).status_code == 200
    again = await ask("POST", "/api/alarms/alarm-0012/ack", "emil")
    assert "mara has acknowledged" in again.json()["says"]
    assert [e.actor for e in front.store.recall(kind="alarm.acknowledged", about="alarm-0012")] == ["mara"]
    assert told(await ask("POST", "/api/alarms/alarm-9/ack", "mara"))["error"] == "UnknownName"


async def test_only_approvers_answer_decisions_and_each_once(ask: Asks, front: Front) -> None:
    assert (await ask("POST", "/api/decisions/d-0031/approve", "mara")).status_code == 403
    assert told(await ask("POST", "/api/decisions/d-0031/decline", "anna", json={}))["given"] == "no reason is given"
    assert (await ask("POST", "/api/decisions/d-0031/approve", "anna")).status_code == 200
    assert (await ask("POST", "/api/decisions/d-0031/decline", "bo", json={"why": "no"})).status_code == 422
    assert [(e.kind, e.actor) for e in front.store.recall(about="d-0031")][1:] == [("decision.approved", "anna")]


async def test_nobody_approves_twice_and_the_second_person_releases(ask: Asks, front: Front) -> None:
    assert (await ask("POST", "/api/changes/change-0004/approve", "mara")).status_code == 403
    assert "already" in told(await ask("POST", "/api/changes/change-0004/approve", "anna"))["given"]
    released = await ask("POST", "/api/changes/change-0004/approve", "bo")
    assert released.json()["says"].startswith("Released as r")
    assert [c["state"] for c in (await ask("GET", "/api/changes", "mara")).json() if c["id"] == "change-0004"] == ["released"]


async def test_a_unit_is_claimed_with_its_code_and_only_once(ask: Asks, front: Front) -> None:
    wrong = await ask("POST", "/api/claim", "otto", json={"serial": "L003-005-1", "code": "AAAAA-BBBBB"})
    unknown = await ask("POST", "/api/claim", "otto", json={"serial": "L003-999-1", "code": "AAAAA-BBBBB"})
    assert wrong.status_code == unknown.status_code == 403
    assert told(wrong)["given"] == told(unknown)["given"]
    assert (await ask("POST", "/api/claim", "mara", json={"serial": "L003-005-1", "code": CODE})).status_code == 403
    assert (await ask("POST", "/api/claim", "otto", json={"serial": "L003-005-1", "code": CODE.lower()})).json()["says"] == "L003-005-1 is yours."
    assert "claimed already" in told(await ask("POST", "/api/claim", "olga", json={"serial": "L003-005-1", "code": CODE}))["given"]
    assert front.store.things()["L003-005-1"].owner == "p-02"


async def test_an_owner_gives_and_takes_consent_for_themselves_only(ask: Asks, front: Front) -> None:
    async def given() -> dict[str, bool]:
        return {row["purpose"]: row["given"] for row in (await ask("GET", "/api/persons/me", "olga")).json()["consents"]}

    assert (await given())["training"] is False
    await ask("POST", "/api/consent", "olga", json={"purpose": "training", "given": True})
    assert (await given())["training"] is True
    await ask("POST", "/api/consent", "olga", json={"purpose": "training", "given": False})
    assert (await given())["training"] is False
    assert (await ask("POST", "/api/consent", "olga", json={"purpose": "training", "given": True, "person": "p-02"})).status_code == 403
    assert "coaching" in told(await ask("POST", "/api/consent", "olga", json={"purpose": "fun", "given": True}))["allowed"]
    assert {e.actor for e in front.store.recall(kind="consent.", about="p-01") if e.body["purpose"] == "training"} == {"olga"}


async def test_an_owner_brings_the_file_of_their_launch_monitor(ask: Asks, front: Front) -> None:
    text = (
        "\ufeffDate,Player,Club Type,Club Speed,Ball Speed,Launch Angle,Launch Direction,Carry Distance,Carry Deviation Distance,Air Density\n,,,[km/h],[km/h],[deg],[deg],[m],[m],[kg/m3]\n"
        "11/20/26 10:00:01 AM,Olga,7 Iron,130,175,18.5,1.2,131.5,4.2,1.2\n11/20/26 10:01:00 AM,Olga,7 Iron,131,176,18.1,-0.4,133.0,-2.5,1.2\n"
    )
    answer = await ask("POST", "/api/shots", "olga", files={"file": ("session.csv", text.encode())}, data={"serial": UNIT})
    assert answer.status_code == 200, answer.text
    assert answer.json()["stored"] == 2
    again = await ask("POST", "/api/shots", "olga", files={"file": ("session.csv", text.encode())}, data={"serial": UNIT})
    assert (again.json()["stored"], again.json()["duplicate"]) == (0, 2)
    assert (await ask("POST", "/api/shots", "olga", files={"file": ("session.csv", text.encode())}, data={"serial": "L003-002-1"})).status_code == 403
    assert (await ask("POST", "/api/shots", "olga", files={"file": ("session.csv", b"")}, data={"serial": UNIT})).json()["where"].startswith("session.csv")


async def test_points_are_answered_once_they_are_stored(ask: Asks, app: FastAPI, front: Front) -> None:
    row = {"thing": "mill-1", "t": front.now_ns(), "values": {"s.velocity": 100.0, "s.output_current": 9e9}}
    async with app.router.lifespan_context(app):
        await asyncio.sleep(0.05)
        answer = await ask("POST", "/api/points", "emil", json=row)
        assert answer.status_code == 200, answer.text
        assert front.store.get(things=["mill-1"], signals=["s.velocity"], start_ns=row["t"]).column("value").to_pylist() == [100.0]
        assert (await ask("POST", "/api/points", "olga", json=row)).status_code == 403
        assert (await ask("POST", "/api/points", "emil", content=b"{", headers={"content-type": "application/json"})).status_code == 422
    assert (await ask("POST", "/api/points", "emil", json=row)).status_code == 503


# the door


async def test_the_door_signs_in_and_out(ask: Asks) -> None:
    assert "Sign in" in (await ask("GET", "/signin")).text
    wrong = await ask("POST", "/signin", data={"name": "mara", "password": "wrong horse battery"})
    assert wrong.status_code == 403
    assert "do not belong together" in wrong.text
    right = await ask("POST", "/signin", data={"name": "mara", "password": PASSWORD, "then": "/orders"})
    assert (right.status_code, right.headers["location"]) == (303, "/orders")
    crumbs = right.headers["set-cookie"].lower()
    assert all(word in crumbs for word in ("httponly", "samesite=lax", "path=/"))
    assert (await ask("POST", "/api/session", json={"name": "mara", "password": PASSWORD})).status_code == 200
    assert 'loopwright_session=""' in (await ask("POST", "/api/session/end", "mara")).headers["set-cookie"]


@pytest.mark.parametrize("then", ["//evil.example", "https://evil.example", "/\\evil.example", "evil"])
async def test_the_door_leads_nowhere_else(ask: Asks, then: str) -> None:
    answer = await ask("POST", "/signin", data={"name": "mara", "password": PASSWORD, "then": then})
    assert answer.headers["location"] == "/"


async def test_a_page_of_another_site_changes_nothing(ask: Asks, front: Front) -> None:
    before = front.store.events.head()
    answer = await ask("POST", "/api/alarms/alarm-0013/ack", "mara", headers={"origin": "http://evil.example"})
    assert answer.status_code == 403
    assert front.store.events.head() == before


async def test_a_token_is_shown_once_and_works(ask: Asks) -> None:
    token = (await ask("POST", "/api/tokens", "emil", json={"label": "edge"})).json()["secret"]
    answer = await ask("GET", "/api/plant", client="10.0.0.9", base="http://plant.example", headers={"authorization": f"Bearer {token}"})
    assert answer.json()["you"] == {"name": "emil", "role": "engineer", "person": "", "how": "token"}


async def test_every_answer_forbids_frames_and_foreign_scripts(ask: Asks) -> None:
    headers = (await ask("GET", "/signin")).headers
    assert headers["x-frame-options"] == "DENY"
    assert "default-src 'self'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


async def test_everything_the_api_can_do_is_described(ask: Asks) -> None:
    schema = (await ask("GET", "/api/openapi.json")).json()
    assert len(schema["paths"]) >= 30
    for path, methods in schema["paths"].items():
        for method, row in methods.items():
            assert row.get("description"), f"{method} {path} has no description"
    assert "/api/units/{serial}" in (await ask("GET", "/api/docs")).text


async def test_without_users_the_api_answers_on_this_machine_only(tmp_path: Path) -> None:
    with small_plant(tmp_path, empty=True) as front:
        asks = Asks(build_app(front.store, front.site, front.flow, clock=front.clock, console=False), front)
        assert (await asks("GET", "/api/plant")).json()["you"]["role"] == "everyone"
        away = await asks("GET", "/api/plant", client="10.0.0.9")
        assert away.status_code == 403
        assert "users add" in told(away)["todo"]
        turned = await asks("GET", "/api/plant", base="http://evil.example:8080")
        assert "evil.example" in told(turned)["given"]
        assert "users add" in (await asks("GET", "/u/x", client="10.0.0.9")).text


async def test_the_api_works_without_the_console(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr("loopwright.app.serve_http.importlib.util.find_spec", lambda name, *rest: None if name == "nicegui" else find(name, *rest))
    with small_plant(tmp_path, empty=True) as front:
        asks = Asks(build_app(front.store, front.site, front.flow), front)
        assert (await asks("GET", "/api/loop")).status_code == 200
        page = await asks("GET", "/")
        assert page.status_code == 501
        assert "loopwright[console]" in page.text
        with pytest.raises(MissingExtra, match="console"):
            build_app(front.store, front.site, front.flow, console=True)


# serving


async def test_a_taken_port_is_named_with_what_to_do(app: FastAPI) -> None:
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    first = asyncio.create_task(serve(app, "127.0.0.1", 0, ready=port.set_result))
    taken = await port
    with pytest.raises(LinkError, match=f"port {taken} is taken") as refused:
        await serve(app, "127.0.0.1", taken)
    assert "--port" in refused.value.todo
    async with httpx.AsyncClient() as http:
        assert (await http.get(f"http://127.0.0.1:{taken}/signin")).status_code == 200
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    with pytest.raises(LinkError, match="no address of this machine"):
        await serve(app, "no.such.host.invalid", 0)


async def test_an_address_of_another_machine_is_refused_in_words(app: FastAPI) -> None:
    with pytest.raises(LinkError, match="correct"):
        await serve(app, "192.0.2.1", 0)


async def test_a_trace_leads_from_a_unit_to_its_order_and_forward_to_its_siblings(ask: Asks, front: Front) -> None:
    answer = await ask("GET", f"/api/trace/{UNIT}", "mara")
    assert answer.status_code == 200
    back = answer.json()
    order = front.store.recall(kind="unit.finished", about=UNIT)[0].body["order"]
    assert (back["id"], back["direction"], back["cut"]) == (UNIT, "back", False)
    assert order in {node["id"] for node in back["nodes"]}
    forward = (await ask("GET", f"/api/trace/{UNIT}?direction=forward", "mara")).json()
    assert any(node["noun"] == "unit" and node["id"] != UNIT for node in forward["nodes"])
    assert (await ask("GET", "/api/trace/u-404", "mara")).status_code == 404
    assert (await ask("GET", f"/api/trace/{UNIT}?direction=up", "mara")).status_code == 422


async def test_events_come_in_pages_and_by_what_they_name(ask: Asks, front: Front) -> None:
    pages, after = [], ""
    while page := (await ask("GET", "/api/events", "mara", params={"kind": "step.", "limit": 7, "after": after})).json():
        pages += [row["id"] for row in page]
        after = pages[-1]
    assert pages == [event.id for event in front.store.recall(kind="step.", newest_first=True)]
    named = (await ask("GET", "/api/events", "mara", params={"mentions": "mill-1", "kind": "step.", "limit": 5000})).json()
    assert {row["body"]["machine"] for row in named} == {"mill-1"}
    assert (await ask("GET", "/api/events", "mara", params={"after": "no such event"})).status_code == 404
