"""The console's pages as they are drawn, without a browser: what stands on them, for whom, and that nothing is taken for markup."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import httpx
import pytest

pytest.importorskip("nicegui", reason="the console is not installed (pip install 'loopwright[console]')")

from loopwright.app.auth import LOCAL, Who
from loopwright.app.console import (
    alarms,
    data,
    decisions,
    frame,
    live,
    loop,
    machine,
    machines,
    markup,
    orders,
    owner,
    plan,
    unit,
)
from loopwright.app.console.draw import chart, driving_range, icons, qr
from loopwright.app.console.frame import View
from loopwright.app.front import Front
from loopwright.app.views import landing
from loopwright.core.errors import NotAllowed, UnknownName
from loopwright.core.types import Event
from tests.app.small_plant import PASSWORD, serving, small_plant

UNIT = "L003-001-1"


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with small_plant(tmp_path_factory.mktemp("plant")) as made:
        yield made


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with small_plant(tmp_path_factory.mktemp("bare"), empty=True) as made:
        yield made


def drawn(module: ModuleType, front: Front, who: Who = LOCAL, system: str = "metric", **params: str) -> str:
    """A page as HTML."""
    page = module.draw(View(front, who, system, params, "http://127.0.0.1:8080"))
    return str(frame.body(page))


@pytest.mark.parametrize(("module", "params", "words"), [
    (loop, {}, ["mill-2 cuts the head of L003-010", "12 orders", "wait for a person", "Turn 3"]),
    (orders, {}, ["L003-001-1", "Iron, left-handed", "Refused", "hand_length: outside", "measured 2 times"]),
    (orders, {"state": "refused"}, ["L003-012"]),
    (orders, {"text": "zzz"}, ["No order is like that."]),
    (unit, {"serial": UNIT}, ["249.00 EUR", "Club length", "Length from stature", "a chart made up for this plant", "mill-1", "Spindle speed as measured", "Within tolerance", "By p-01", "129", f"/u/{UNIT}", "<svg", "solid.glb"]),
    (unit, {"serial": "L003-003-1"}, ["Measured again, attempt 2", "rework"]),
    (unit, {"serial": "L003-006-1"}, ["Scrapped", "scrap beyond 2.0 deg"]),
    (plan, {}, ["plan-00007", "11 open orders", "no plan can be shorter", "assembly-1", "cp-sat", "operations.csv", "Plans so far"]),
    (machines, {}, ["mill-1", "OPC UA", "silent", "Acknowledge", "2 pieces of evidence", "gauge-1: measure", "Alarms that are over"]),
    (alarms, {}, ["wait for somebody", "tool worn", "Acknowledge", "Shelve", "8 hours", "share of the time in an alarm flood", "ISA-18.2", "Alarms that are over"]),
    (machine, {"machine": "mill-1"}, ["A milling machine", "s.output_power", "more in its table that it never said", "ISO 22400-2", "71.0 %"]),
    (owner, {}, ["Closing the face", "observational", "What you agree to", "Export everything", "Your fit", "One-time code"]),
    (decisions, {}, ["waits for a person", "wear-logistic@3", "Two people must agree", "somebody else must agree to the release", "in force as r4-9c1e07d2", "Looked for, and not supported: grip size", "withdrawn consent"]),
    (data, {}, ["adds up", "MTConnect", "not counted", "1 refused: out of range", "mqtt/mill-1#boot-3"]),
    (data, {}, ["Why samples were refused", "out of range", "Source by source", "37 samples were overwritten"]),
    (data, {"from": "2001-01-01T00:00", "to": "2001-01-02T00:00"}, ["Nothing was heard in this time"]),
    (data, {"from": "2001-01-01T00:00", "to": "never"}, ["Source by source", 'value="2001-01-01T00:00"']),
    (data, {"span": "3600", "source": "opcua/mill-2#boot-3"}, ["source opcua/mill-2#boot-3", "17\u202f373"]),
])
def test_a_page_says_what_it_is_for(front: Front, module: ModuleType, params: dict[str, str], words: list[str]) -> None:
    page = drawn(module, front, **params)
    missing = [word for word in words if word not in page]
    assert not missing
    assert "None" not in re.sub(r"<[^>]*>", " ", page)


@pytest.mark.parametrize(("module", "words"), [
    (loop, "The loop rests"), (orders, "No order yet"), (plan, "Nothing is planned"), (machines, "Nothing was heard from it yet"), (alarms, "No alarm stands"), (owner, "Nobody owns a unit yet"),
    (decisions, "No change was looked for yet"), (data, "Nothing was heard in this time"),
])
def test_an_empty_plant_says_what_will_come(bare: Front, module: ModuleType, words: str) -> None:
    assert words in drawn(module, bare)


def test_inches_and_yards_are_shown_to_whoever_likes_them(front: Front) -> None:
    metric, imperial = (drawn(unit, front, system=system, serial=UNIT) for system in ("metric", "imperial"))
    assert " cm" in metric
    assert " in<" in imperial
    assert " yd" in imperial
    assert frame.system_of({"cookie": "a=b; loopwright_units=imperial"}) == "imperial"
    assert frame.system_of({"cookie": "loopwright_units=cubits"}) == "metric"


def test_words_from_outside_are_never_markup(front: Front) -> None:
    evil = '"><script>alert(1)</script>${1}`'
    front.store.record([Event("alarm.raised", "evil", front.now_ns(), "x", {"condition": "c", "thing": "mill-1", "says": evil, "priority": evil, "evidence": [{"kind": "event", "ref": evil, "note": evil}]}),
                        Event("order.refused", "evil-order", front.now_ns(), "x", {"person": evil, "reason": evil})])
    for page in (drawn(machines, front), drawn(alarms, front), drawn(orders, front), drawn(orders, front, text=evil), drawn(data, front, source=evil, span=evil), drawn(machine, front, machine="mill-1", span=evil)):
        assert "<script" not in page
    front.store.record([Event("alarm.acknowledged", "evil", front.now_ns(), "x"), Event("alarm.cleared", "evil", front.now_ns(), "x")])


def test_an_anomaly_shows_which_signals_have_most_to_do_with_it(front: Front) -> None:
    body = {"condition": "unusual", "thing": "mill-1", "says": "Unusual.", "priority": "medium", "evidence": [], "ranking": [{"signal": "s.output_power", "share": 0.86}]}
    front.store.record([Event("alarm.raised", "odd", front.now_ns(), "service:watch", body)])
    page = drawn(alarms, front)
    assert 's.output_power' in page
    assert 'width:86%' in page
    front.store.record([Event("alarm.acknowledged", "odd", front.now_ns(), "x"), Event("alarm.cleared", "odd", front.now_ns(), "x")])


@pytest.mark.parametrize(("given", "html"), [
    (("p", "a < b & c"), "<p>a &lt; b &amp; c</p>"), (("p", None, False, ["x", markup.tag("b", "y")]), "<p>x<b>y</b></p>"), (("br",), "<br>"), (("path",), "<path/>"), (("td",), "<td></td>"),
])
def test_markup_escapes_everything_but_itself(given: tuple[object, ...], html: str) -> None:
    assert markup.tag(*given) == html  # type: ignore[arg-type]


def test_attributes_are_escaped_and_empty_ones_left_out() -> None:
    assert markup.tag("a", href='"x"', cls="b", data_x=1, title=None, hidden=True, open=False) == '<a href="&quot;x&quot;" class="b" data-x="1" hidden></a>'


# who sees what


def test_an_owner_has_a_page_of_their_own_and_nothing_else(tmp_path: Path) -> None:
    with small_plant(tmp_path, users=True) as front:
        olga, mara, anna = Who("olga", "owner", "p-01"), Who("mara", "operator"), Who("anna", "approver")
        live.allow(owner, View(front, olga))
        live.allow(unit, View(front, olga, params={"serial": UNIT}))
        for module, params in ((loop, {}), (machines, {}), (unit, {"serial": "L003-002-1"})):
            with pytest.raises(NotAllowed):
                live.allow(module, View(front, olga, params=params))
        with pytest.raises(NotAllowed):
            live.allow(owner, View(front, mara))
        assert "/machines" not in frame.top(View(front, olga), "/owner", {})
        assert "/owner" not in frame.top(View(front, mara), "/", {})
        assert "data-post=\"/api/changes/change-0005/approve\"" in drawn(decisions, front, anna)
        assert "You agreed. Somebody else must too." in drawn(decisions, front, anna)
        assert "/approve" not in drawn(decisions, front, mara)
        with pytest.raises(NotAllowed, match="no longer in"):
            live.allow(loop, View(front, LOCAL))  # the plant has users now
        front.store.people.remove_user("mara")
        front.auth.forget()
        with pytest.raises(NotAllowed, match="no longer in"):
            live.allow(loop, View(front, mara))


def test_an_unknown_unit_or_machine_is_named(front: Front) -> None:
    with pytest.raises(UnknownName, match="did you mean 'L003-001-1'"):
        drawn(unit, front, serial="L003-001-2")
    with pytest.raises(UnknownName, match="mill-3"):
        drawn(machine, front, machine="mill-9")


# what is sent


def test_only_what_changed_is_sent(front: Front) -> None:
    view = View(front, LOCAL)
    before, after = (live._state(loop.draw(view), frame.top(view, "/", {})) for _ in range(2))
    moved = {key for key in after if before[key] != after[key]}
    tiles = live._state(machines.draw(view), frame.top(view, "/machines", {}))
    assert ("lines-mill-1", "html") in tiles
    assert ("tile-mill-1", "html") not in tiles
    assert moved <= {(f"took-{s}", "text") for s in ("make", "measure", "connect", "keep")}
    assert ("picture", "html") not in after  # its counts are sent one by one


@pytest.mark.parametrize("module", [loop, machines])
def test_what_is_sent_later_is_already_in_the_page(front: Front, module: ModuleType) -> None:
    page = module.draw(View(front, LOCAL))
    html = str(frame.body(page))
    for (key, what), value in page.fine.items():
        if what == "class":
            assert f'class="{value}"' in " ".join(re.findall(rf'<[^<]*data-k="{key}"[^<]*>', html))
        else:
            assert f'data-k="{key}"' in html
            assert f"{value if what == 'html' else markup.text(value)}</" in html


def test_a_chart_stays_small_whatever_is_behind_it(front: Front) -> None:
    page = drawn(machine, front, machine="mill-1", span="28800")
    assert max(path.count("L") for path in re.findall(r' d="([^"]*)" class="line"', page)) <= 2000
    assert len(page) < 400_000


def test_a_line_is_drawn_where_its_numbers_are() -> None:
    one = {"t_ns": [0, 50, 100], "values": [0.0, 10.0, 5.0], "breaks": [2]}
    d, _ = chart.path(one, 0, 100, 0.0, 10.0)
    assert d == "M0.0 100.00L500.0 0.00M1000.0 50.00L1000.0 50.00"


def test_a_shot_to_the_right_is_drawn_on_the_right() -> None:
    shots = [{"t_ns": i, "thing": "c", "along_m": 100.0 + i, "side_m": 12.0} for i in range(6)]
    picture = driving_range.drawn(landing.on_range(shots), "UTC")
    assert all(float(x) > 260 for x in re.findall(r'cx="([\d.]+)"', picture))
    assert "12.0 right" in driving_range.words(landing.on_range(shots))


def test_a_qr_code_is_that_of_the_address(front: Front) -> None:
    # ISO/IEC 18004: an address of 35 bytes at level M needs version 3, 29 modules a side, and a quiet zone of two here
    assert 'viewBox="0 0 132 132"' in qr.drawn("http://127.0.0.1:8080/u/L003-001-12")


def test_every_stage_and_page_has_an_icon() -> None:
    assert {page[2] for page in frame.PAGES} <= set(icons.PATHS)


# served


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("served"), "--users") as address:
        yield address


@pytest.mark.slow
def test_every_page_is_served_to_those_who_are_in_and_to_nobody_else(served: str) -> None:
    paths = ("/", "/orders", f"/units/{UNIT}", "/plan", "/machines", "/machines/mill-2", "/alarms", "/decisions", "/data")
    with httpx.Client(base_url=served) as stranger, httpx.Client(base_url=served) as mara:
        for path in paths:
            assert stranger.get(path).headers["location"] == f"/signin?then={path}"
        assert mara.post("/signin", data={"name": "mara", "password": PASSWORD}).status_code == 303
        for path in paths:
            page = mara.get(path)
            assert page.status_code == 200
            assert "Linden Works" in page.text
        assert mara.get("/units/nope").status_code == 404
        assert mara.get("/owner").status_code == 403
        assert stranger.get("/assets/loopwright.css").status_code == 200
        assert stranger.get("/assets/three/index.js").status_code == 200


@pytest.mark.slow
def test_a_socket_of_a_stranger_or_of_another_site_is_refused(served: str) -> None:
    from websockets.exceptions import InvalidStatus
    from websockets.sync.client import connect

    address = served.replace("http", "ws") + "/_nicegui_ws/socket.io/?EIO=4&transport=websocket"
    for origin in ("http://evil.example", None):
        with pytest.raises(InvalidStatus, match="403"), connect(address, origin=origin):
            pass


@pytest.mark.slow
async def test_two_apps_in_one_process_do_not_fight(tmp_path: Path) -> None:
    from loopwright.app.serve_http import build_app, serve

    for name in ("first", "second"):
        with small_plant(tmp_path / name, empty=True) as front:
            port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            task = asyncio.create_task(serve(build_app(front.store, front.site, front.flow, console=True), port=0, ready=port.set_result))
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{await port}") as http:
                assert "The loop rests" in (await http.get("/")).text
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
