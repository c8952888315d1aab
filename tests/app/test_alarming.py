"""What people do with alarms, by command and over the API, and what they are told of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from typer.testing import CliRunner

from loopwright.app import alarming
from loopwright.app.acts import plant_of
from loopwright.app.cli import app as command
from loopwright.app.front import Front
from loopwright.app.plant import Plant
from loopwright.app.serve_http import build_app
from loopwright.app.site import load_site
from loopwright.app.watching import Watch
from loopwright.core import kinds
from loopwright.core.clock import SimClock
from loopwright.core.errors import InputError, SiteError, UnknownName
from loopwright.core.types import Event
from tests.app.small_plant import small_plant
from tests.app.test_api import Asks, told

S = 10**9
NOW = 1_790_000_000 * S
SILENT = {"condition": "silent", "thing": "mill-1", "says": "mill-1 has been silent for 61 s.", "priority": "medium", "evidence": []}


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    """A plant without alarms yet."""
    with small_plant(tmp_path, clock=SimClock(NOW), users=True, empty=True) as made:
        yield made


@pytest.fixture
def plant(front: Front) -> Plant:
    return plant_of(front, "mara")


def raised(plant: Plant, number: int = 1, **body: Any) -> str:
    id_ = f"{body.get('thing', 'mill-1')}/{body.get('condition', 'silent')}/{number}"
    plant.store.record([Event("alarm.raised", id_, plant.clock.now_ns(), "service:watch", SILENT | body)])
    return id_


def state(plant: Plant, alarm: str) -> str:
    return {row["id"]: row["state"] for row in alarming.listed(plant.store, every=True)["alarms"]}[alarm]


def later(plant: Plant, seconds: float) -> None:
    assert isinstance(plant.clock, SimClock)
    plant.clock.set_ns(plant.clock.now_ns() + round(seconds * S))


def test_an_alarm_is_shelved_with_a_reason_and_a_time_and_comes_back_by_itself(plant: Plant) -> None:
    alarm = raised(plant)
    done = alarming.act(plant, "mara", "shelve", alarm, {"until": "2h", "why": "it is being moved"})
    assert done["says"].startswith("Shelved until ")
    assert state(plant, alarm) == "shelved"
    (row,) = alarming.listed(plant.store)["hidden"]
    assert (row["by"], row["why"], row["until_ns"]) == ("mara", "it is being moved", NOW + 7200 * S)
    later(plant, 7199)
    Watch(plant).look(plant.clock.now_ns())
    assert state(plant, alarm) == "shelved"
    later(plant, 1)
    Watch(plant).look(plant.clock.now_ns())
    assert state(plant, alarm) == "unacknowledged"
    (event,) = plant.store.recall(kind="alarm.unshelved")
    assert event.actor == "service:watch"


def test_a_plant_that_nobody_watches_lets_an_alarm_out_when_somebody_next_does_something(plant: Plant) -> None:
    alarm = raised(plant)
    alarming.act(plant, "mara", "shelve", alarm, {"until": "1h", "why": "known"})
    later(plant, 3600)
    assert alarming.act(plant, "emil", "ack", alarm, {})["says"] == "Acknowledged: silent on mill-1."
    assert state(plant, alarm) == "acknowledged"


def test_every_transition_is_recorded_with_who_did_it(plant: Plant) -> None:
    alarm = raised(plant)
    for what, asked in (("ack", {}), ("shelve", {"until": "1h", "why": "a"}), ("unshelve", {}), ("suppress", {"why": "b"}), ("restore", {})):
        alarming.act(plant, f"{what} person", what, alarm, asked)
    events = plant.store.recall(kind="alarm.")[1:]
    assert [(e.kind, e.actor) for e in events] == [
        ("alarm.acknowledged", "ack person"), ("alarm.shelved", "shelve person"), ("alarm.unshelved", "unshelve person"),
        ("alarm.outofservice", "suppress person"), ("alarm.inservice", "restore person")]
    assert all(kinds.check(event) is None for event in events)


def test_an_alarm_is_named_by_its_id_by_thing_and_condition_or_with_all_of_its_thing(plant: Plant) -> None:
    alarm, other = raised(plant), raised(plant, thing="mill-2")
    for name in (alarm, "mill-1/silent", "mill-1"):
        alarming.act(plant, "mara", "shelve", name, {"until": "1h", "why": "known"})
        assert (state(plant, alarm), state(plant, other)) == ("shelved", "unacknowledged")
        alarming.act(plant, "mara", "unshelve", name, {})
        assert state(plant, alarm) == "unacknowledged"


@pytest.mark.parametrize(("what", "alarm", "asked", "said"), [
    ("shelve", "mill-1/silent", {"until": "2h"}, "no reason is given"),
    ("shelve", "mill-1/silent", {"until": "8d", "why": "w"}, "next 7 days"),
    ("shelve", "mill-1/silent", {"until": "2020-01-01T00:00:00Z", "why": "w"}, "next 7 days"),
    ("shelve", "mill-1/silent", {"why": "w"}, "nothing; allowed: a moment"),
    ("suppress", "mill-1/silent", {"why": "  "}, "no reason is given"),
    ("unshelve", "mill-1/silent", {}, "silent on mill-1 is not shelved"),
    ("restore", "mill-1", {}, "all alarms of mill-1 is not out of service"),
    ("shelve", "mill-7/silent", {"until": "2h", "why": "w"}, "did you mean 'mill-"),
    ("shelve", "mill-1/silnt", {"until": "2h", "why": "w"}, "did you mean 'silent'"),
    ("ack", "mill-2/silent", {}, "did you mean 'mill-1/silent"),
    ("forget", "mill-1/silent", {}, "what is done with an alarm"),
])
def test_what_cannot_be_is_one_sentence_and_records_nothing(plant: Plant, what: str, alarm: str, asked: dict[str, str], said: str) -> None:
    raised(plant)
    with pytest.raises((InputError, UnknownName), match=said):
        alarming.act(plant, "mara", what, alarm, asked)
    assert [e.kind for e in plant.store.recall(kind="alarm.")] == ["alarm.raised"]


def test_what_is_hidden_is_not_acknowledged(plant: Plant) -> None:
    alarm = raised(plant)
    alarming.act(plant, "mara", "suppress", alarm, {"why": "its sensor is broken"})
    with pytest.raises(InputError, match="its sensor is broken"):
        alarming.act(plant, "mara", "ack", alarm, {})


def test_a_machine_that_was_told_to_be_down_is_suppressed_until_it_is_up(plant: Plant) -> None:
    alarm = raised(plant)
    watch = Watch(plant)
    plant.record("machine.down", "mill-1", {"until_ns": 0, "why": "spindle bearing"})
    watch.look(plant.clock.now_ns())
    assert state(plant, alarm) == "suppressed"
    plant.record("machine.up", "mill-1", {"why": ""})
    watch.look(plant.clock.now_ns())
    assert state(plant, alarm) in ("unacknowledged", "normal")
    assert [e.body["why"] for e in plant.store.recall(kind="alarm.suppressed")] == ["it was told to be down (spindle bearing)"]


def test_a_machine_that_an_alarm_took_down_keeps_its_alarm_in_sight(plant: Plant) -> None:
    alarm = raised(plant)
    plant.record("machine.down", "mill-1", {"until_ns": 0, "why": "silent", "source": alarm})
    Watch(plant).look(plant.clock.now_ns())
    assert plant.store.recall(kind="alarm.suppressed") == []


def test_a_watch_that_begins_anew_goes_on_where_the_last_one_was(plant: Plant) -> None:
    later(plant, 3600)
    first = Watch(plant).look(plant.clock.now_ns(), since_ns=NOW)
    assert {event.body["condition"] for event in first} == {"silent"}
    assert Watch(plant).look(plant.clock.now_ns(), since_ns=NOW) == []
    later(plant, 1800)
    watch = Watch(plant)
    watch.look(plant.clock.now_ns(), since_ns=NOW)
    steps = [(e.body["priority"], e.body["role"]) for e in plant.store.recall(kind="alarm.escalated")]
    assert set(steps) == {("high", "engineer")}
    assert alarming.listed(plant.store, role="engineer")["alarms"][0]["role"] == "engineer"
    assert watch.look(plant.clock.now_ns(), since_ns=NOW) == []


def test_figures_are_of_the_last_days_and_their_operators(plant: Plant) -> None:
    for number in range(12):
        raised(plant, number, condition=f"limit {number}")
    found = alarming.figures_of(plant.store, plant.site, plant.clock.now_ns() + S, 1.0)
    assert (found["alarms"], found["most_in_10_min"], len(found["floods"])) == (12, 12.0, 1)
    assert alarming.figures_of(plant.store, plant.site, plant.clock.now_ns() + 3 * 86_400 * S, 1.0)["stale"] == 12
    with pytest.raises(InputError, match="more than 0"):
        alarming.figures_of(plant.store, plant.site, NOW, float("nan"))


# the commands

def run(*arguments: str) -> Any:
    done = CliRunner().invoke(command, ["alarms", *arguments, "--json"], catch_exceptions=False)
    return json.loads(done.stdout)


@pytest.mark.slow
def test_the_commands_do_it_on_a_plant_that_nobody_runs(plant: Plant) -> None:
    alarm, folder = raised(plant), str(plant.site.folder)
    plant.store.close()
    assert run("shelve", alarm, "--site", folder, "--until", "2h", "--why", "known")["alarm"] == "mill-1/silent"
    found = run("list", "--site", folder)
    assert found["hidden"][0]["state"] == "shelved"
    assert run("unshelve", "mill-1/silent", "--site", folder)["says"] == "Shown again: silent on mill-1."
    assert run("suppress", "mill-1", "--site", folder, "--why", "rebuilt")["says"] == "Out of service: all alarms of mill-1."
    assert run("restore", "mill-1", "--site", folder)["says"] == "Back in service: all alarms of mill-1."
    assert run("ack", alarm, "--site", folder, "--author", "mara")["says"] == "Acknowledged: silent on mill-1."
    assert run("judge", alarm, "--site", folder, "--verdict", "false", "--author", "mara")["says"] == "Noted: silent on mill-1 was false."
    assert run("judge", alarm, "--site", folder, "--verdict", "false")["says"] == "mara has said already that silent on mill-1 was false."
    assert run("judged", "--site", folder)["kinds"] == []
    with pytest.raises(UnknownName, match="there is no 'mil-1'"):
        run("judged", "--site", folder, "--thing", "mil-1")
    assert "mara says that it was false" in CliRunner().invoke(command, ["alarms", "list", "--site", folder]).stdout
    assert run("list", "--site", folder, "--state", "acknowledged")["alarms"][0]["acknowledged_by"] == "mara"
    assert run("figures", "--site", folder, "--days", "3660")["alarms"] >= 0
    words = CliRunner().invoke(command, ["alarms", "list", "--site", folder]).stdout
    assert words.startswith("acknowledged")
    assert "share of the time in an alarm flood" in CliRunner().invoke(command, ["alarms", "figures", "--site", folder]).stdout


# the API

@pytest.fixture
def app(front: Front) -> FastAPI:
    return build_app(front.store, front.site, front.flow, front.auth, clock=front.clock, console=False)


async def test_who_may_do_what_is_the_table_of_rights(app: FastAPI, front: Front, plant: Plant) -> None:
    """An operator shelves but takes nothing out of service; an engineer does both; an approver only acknowledges; an owner nothing."""
    ask, alarm = Asks(app, front), raised(plant)
    shelve, suppress = {"why": "known", "until": "1h"}, {"why": "known"}
    may = {}
    for name, role in (("mara", "operator"), ("emil", "engineer"), ("anna", "approver"), ("olga", "owner")):
        for what, body in (("shelve", shelve), ("unshelve", {}), ("suppress", suppress), ("restore", {}), ("ack", None)):
            answer = await ask("POST", f"/api/alarms/{alarm}/{what}", name, json=body)
            may[role, what] = answer.status_code != 403
    operator = {(role, what) for role in ("operator", "engineer") for what in ("shelve", "unshelve", "ack")}
    assert {key for key, yes in may.items() if yes} == operator | {("engineer", "suppress"), ("engineer", "restore"), ("approver", "ack")}


async def test_the_api_tells_what_is_hidden_and_what_is_asked_of_people(app: FastAPI, front: Front, plant: Plant) -> None:
    ask, alarm = Asks(app, front), raised(plant)
    answer = await ask("POST", f"/api/alarms/{alarm}/shelve", "mara", json={"why": "known", "until": "1h"})
    assert answer.status_code == 200, answer.text
    assert (await ask("GET", "/api/alarms-hidden", "mara")).json()[0]["by"] == "mara"
    assert (await ask("GET", "/api/alarms", "mara")).json()[0]["state"] == "shelved"
    assert (await ask("GET", "/api/alarm-figures?days=7", "mara")).json()["verdicts"]["per_day"]["verdict"] == "acceptable"
    assert (await ask("GET", "/api/alarm-figures?days=0", "mara")).status_code == 422
    assert (await ask("GET", "/api/alarms-hidden", "olga")).status_code == 403
    bad = await ask("POST", f"/api/alarms/{alarm}/shelve", "mara", json={"why": "", "until": "1h"})
    assert told(bad)["given"] == "no reason is given"


async def test_what_an_alarm_was_is_said_over_the_api_once_it_is_over_too(app: FastAPI, front: Front, plant: Plant) -> None:
    ask, alarm = Asks(app, front), raised(plant)
    plant.store.record([Event("alarm.acknowledged", alarm, NOW, "mara"), Event("alarm.cleared", alarm, NOW, "service:watch")])
    answer = await ask("POST", f"/api/alarms/{alarm}/judge", "anna", json={"verdict": "true", "why": "the belt was torn"})
    assert answer.status_code == 200, answer.text
    (event,) = plant.store.recall(kind="alarm.judged")
    assert (event.about, event.actor, event.body) == (alarm, "anna", {"condition": "silent", "thing": "mill-1", "verdict": "true", "why": "the belt was torn"})
    (row,) = (await ask("GET", "/api/alarms", "mara")).json()
    assert (row["state"], row["verdict"], row["judged_by"]) == ("normal", "true", "anna")
    assert "did you mean 'true'" in (await ask("POST", f"/api/alarms/{alarm}/judge", "mara", json={"verdict": "tru"})).text
    assert (await ask("POST", f"/api/alarms/{alarm}/judge", "olga", json={"verdict": "true"})).status_code == 403


# the site file

@pytest.mark.parametrize(("line", "said"), [
    ("false_alarms_per_day = -1", "0 to 10000"), ("false_alarms_per_day = { mil = 1 }", "did you mean 'mill'"), ("false_alarms_per_day = { mill = \"1\" }", "a number"),
    ("escalate_to = [\"boss\"]", "there is no 'boss'"), ("operators = 0", "1 to 1000"), ("stale_h = -1", "0 to 8760"), ("step_s = 0", "0.01 to 3600"),
    ("suppress_states = [3]", "words of the signal"), ("false_alarm_per_day = 1", "did you mean 'false_alarms_per_day'"), ("escalate_min = nan", "0 to 525600"),
])
def test_a_site_says_what_cannot_be_of_its_alarms(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "site.toml"
    path.write_text(f'[site]\nname = "s"\n[[machine]]\nid = "mill-1"\nkind = "mill"\nrole = "mill"\n[watch]\n{line}\n')
    with pytest.raises((SiteError, UnknownName), match=said):
        load_site(path)

