"""Corrections as people make them: the command line, the API by role, beside a running plant, and the console's page."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

pytest.importorskip("nicegui", reason="the console is not installed (pip install 'loopwright[console]')")

from loopwright.app.auth import LOCAL, Who
from loopwright.app.cli import main
from loopwright.app.console import corrections, frame, live, machine
from loopwright.app.console.frame import View
from loopwright.app.front import Front
from loopwright.app.remote import ADDRESS
from loopwright.app.serve_http import build_app
from loopwright.store import open_store
from tests.app.small_plant import PASSWORD, serving, small_plant
from tests.store.plant import S, declared, numbered, speeds

T0 = 1_700_000_000  # 2023-11-14T22:13:20Z


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with declared(open_store(tmp_path / "p")) as store:
        store.put(numbered(speeds([1, 2, 3, 4], T0 * S), 0))
    return tmp_path / "p"


def said(capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    """What a command says as JSON; errors too."""
    with pytest.raises(SystemExit):
        main([*(str(a) for a in arguments), "--json"])
    return json.loads(capsys.readouterr().out)


def values(folder: Path) -> list[float]:
    with open_store(folder, read_only=True) as store:
        return store.get(signals="spindle.speed").column("value").to_pylist()  # type: ignore[no-any-return]


@pytest.mark.slow
def test_a_stretch_is_mended_and_taken_back_with_one_command_each(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = ("--site", folder)
    stretch = ("mill-1", "spindle.speed", "--from", "2023-11-14T22:13:21Z", "--to", "2023-11-14T23:13:23+01:00")
    would = said(capsys, "correct", *stretch, *site, "--scale", 10, "--reason", "gear", "--dry-run")
    assert (would["state"], values(folder)) == ("dry run", [1.0, 2.0, 3.0, 4.0])
    done = said(capsys, "correct", *stretch, *site, "--scale", 10, "--reason", "gear", "--author", "erika")
    assert values(folder) == [1.0, 20.0, 30.0, 4.0]
    assert done["says"].startswith("2 values multiplied by 10: mill-1 spindle.speed, 2023-11-14T22:13:21.000Z to ")
    versions = said(capsys, "history", "mill-1", "spindle.speed", (T0 + 1) * S, *site)
    assert [(one["value"], one["author"]) for one in versions] == [(2.0, ""), (20.0, "erika")]
    said(capsys, "undo", done["event"], *site, "--reason", "no gear")
    assert values(folder) == [1.0, 2.0, 3.0, 4.0]
    listed = said(capsys, "corrections", *site)
    assert [(one["how"], bool(one["undone_by"])) for one in listed] == [("undo", False), ("scale", True)]


@pytest.mark.parametrize(("more", "given"), [
    (["--bad", "--gap"], "--bad and --gap"), ([], "nothing to do"), (["--bad", "--from", "yesterday"], "Invalid"),
    (["--bad", "--from", "9" * 30], "9" * 30), (["--set", "fast"], "'fast'"), (["--scale", "nan"], "nan"),
])
def test_a_correction_that_makes_no_sense_says_why(
    folder: Path, capsys: pytest.CaptureFixture[str], more: list[str], given: str
) -> None:
    found = said(capsys, "correct", "mill-1", "spindle.speed", "--site", folder, "--reason", "x", *more)
    assert given in found["given"]
    assert values(folder) == [1.0, 2.0, 3.0, 4.0]


def test_a_time_as_it_is_shown_finds_the_value_that_stands_within_its_millisecond(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with declared(open_store(tmp_path / "p")) as store:
        store.put(numbered(speeds([1, 2, 3], T0 * S + 166_857_639, step_ns=700_000), 0))
    shown = said(capsys, "correct", "mill-1", "spindle.speed", "--site", tmp_path / "p", "--bad", "--reason", "x", "--dry-run")
    assert len(shown["shown"]) == 3
    found = said(capsys, "history", "mill-1", "spindle.speed", "2023-11-14T22:13:20.166Z", "--site", tmp_path / "p")
    assert [(one["t_ns"] - T0 * S, one["value"]) for one in found] == [(166_857_639, 1.0)]
    both = said(capsys, "history", "mill-1", "spindle.speed", "2023-11-14T22:13:20.167Z", "--site", tmp_path / "p")
    assert [one["value"] for one in both] == [2.0]
    assert said(capsys, "history", "mill-1", "spindle.speed", "2023-11-14T22:13:20.165Z", "--site", tmp_path / "p") == []


def test_no_plant_is_made_by_a_correction_in_a_wrong_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = ("--site", tmp_path / "tyop", "--reason", "x")
    assert said(capsys, "correct", "mill-1", "spindle.speed", "--bad", *site)["given"] == "there is no plant in it"
    assert said(capsys, "undo", "f22c", *site)["given"] == "there is no plant in it"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_beside_a_process_that_writes_the_plant_the_command_goes_to_it(tmp_path: Path) -> None:
    with serving(tmp_path / "plant") as address:
        site = next(tmp_path.rglob("server.json"), None)
        folder = next(tmp_path.rglob("journal.sqlite")).parent
        if site is None:
            host, port = address.removeprefix("http://").split(":")
            (folder / ADDRESS).write_text(json.dumps({"host": host, "port": int(port)}))
        ran = subprocess.run(
            [sys.executable, "-m", "loopwright", "correct", "mill-1", "s.output_power", "--site", str(folder), "--bad",
             "--reason", "cable loose", "--json"], capture_output=True, text=True, env=os.environ, check=False)
        assert ran.returncode == 0, ran.stderr
        done = json.loads(ran.stdout)
        wrong = subprocess.run(
            [sys.executable, "-m", "loopwright", "correct", "mill-1", "s.output_power", "--site", str(folder), "--scale",
             "inf", "--reason", "x", "--json"], capture_output=True, text=True, check=False)
        assert (wrong.returncode, json.loads(wrong.stdout)["error"]) == (2, "InputError"), wrong.stderr
        assert httpx.get(f"{address}/api/corrections").json()[0]["event"] == done["event"]
        ran = subprocess.run(
            [sys.executable, "-m", "loopwright", "undo", done["event"], "--site", str(folder), "--reason", "it was not"],
            capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        assert httpx.get(f"{address}/api/corrections").json()[1]["undone_by"]


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with small_plant(tmp_path_factory.mktemp("plant"), users=True) as made:
        yield made


def asked(front: Front, name: str, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
    """The API's answer to somebody."""
    app = build_app(front.store, front.site, front.flow, front.auth, clock=front.clock, console=False)

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=app, client=("127.0.0.1", 50_000))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as http:
            if name:
                await http.post("/api/session", json={"name": name, "password": PASSWORD})
            return await http.request(method, path, json=body)

    return asyncio.run(ask())


STRETCH = {"thing": "mill-1", "signal": "s.output_power", "how": "bad", "reason": "cable loose"}


def names(front: Front, role: str) -> str:
    return next(name for name, user in front.store.people.users().items() if user.role == role)


@pytest.mark.slow
def test_only_an_engineer_corrects_over_the_api_and_in_their_own_name(front: Front) -> None:
    engineer = names(front, "engineer")
    for other in ("", names(front, "operator"), names(front, "owner")):
        assert asked(front, other, "POST", "/api/corrections", STRETCH).status_code in (401, 403)
    done = asked(front, engineer, "POST", "/api/corrections", STRETCH).json()
    assert done["author"] == engineer
    assert asked(front, names(front, "operator"), "GET", "/api/corrections").json()[0]["event"] == done["event"]
    assert asked(front, names(front, "operator"), "POST", f"/api/corrections/{done['event']}/undo", {"reason": "x"}).status_code == 403
    answer = asked(front, engineer, "POST", f"/api/corrections/{done['event']}/undo", {"why": "it was not"})
    assert answer.json()["reason"] == "it was not"


@pytest.mark.parametrize(("body", "status"), [
    ({**STRETCH, "thing": "mill-99"}, 404), ({**STRETCH, "reason": ""}, 422), ({**STRETCH, "how": "wipe"}, 422),
    ({**STRETCH, "start": "noon"}, 422), ({**STRETCH, "how": "set"}, 422), ({**STRETCH, "force": True}, 422),
])
def test_the_api_refuses_what_makes_no_sense_with_a_status_that_fits(
    front: Front, body: dict[str, Any], status: int
) -> None:
    assert asked(front, names(front, "engineer"), "POST", "/api/corrections", body).status_code == status


def test_the_page_shows_the_form_to_who_may_and_every_version_of_a_value(front: Front) -> None:
    engineer = Who(names(front, "engineer"), "engineer")
    done = asked(front, engineer.name, "POST", "/api/corrections", {**STRETCH, "reason": "<b>loose</b>"}).json()
    params = {"thing": "mill-1", "signal": "s.output_power", "at": str(done["shown"][0]["t_ns"])}
    page = str(frame.body(corrections.draw(View(front, engineer, "metric", params))))
    for words in ("Correct mill-1 s.output_power", "marked bad", "&lt;b&gt;loose", "(bad)", "/undo", "in force"):
        assert words in page
    filled = {"start": "1700000000000000000", "end": "1700000000000000001"}
    page = str(frame.body(corrections.draw(View(front, engineer, "metric", params | filled))))
    assert 'value="2023-11-14T22:13:20.000Z"' in page
    assert 'value="1700000000000000001"' in page
    operator = Who(names(front, "operator"), "operator")
    page = str(frame.body(corrections.draw(View(front, operator, "metric", params))))
    assert "data-post" not in page
    owner = Who(names(front, "owner"), "owner", "p-01")
    with pytest.raises(Exception, match="may not"):
        live.allow(corrections, View(front, owner))
    assert "/corrections?thing=mill-1" in str(frame.body(machine.draw(View(front, engineer, "metric", {"machine": "mill-1"}))))


def test_a_plant_without_corrections_says_what_will_come(tmp_path: Path) -> None:
    with small_plant(tmp_path, empty=True) as bare:
        page = str(frame.body(corrections.draw(View(bare, LOCAL, "metric", {}))))
        assert "Nothing was corrected yet" in page
        assert corrections.address("mill-1", "x", 1, 2_000_000) == (
            "/corrections?thing=mill-1&signal=x&start=1&end=1970-01-01T00%3A00%3A00.002Z")
