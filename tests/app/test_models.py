"""The league on a plant: kept, gated, approved, serving, scored before it knows, demoted, and told in words."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from typer.testing import CliRunner

from loopwright.app import approvals, doctor, improving, model_reads, models, models_wear, scored
from loopwright.app.auth import COOKIE
from loopwright.app.cli import app as command
from loopwright.app.flow import Flow
from loopwright.app.plant import Plant, open_plant
from loopwright.app.serve_http import build_app
from loopwright.app.site import load_site
from loopwright.app.views import models as views
from loopwright.core.clock import NS_PER_S, SimClock
from loopwright.core.errors import InputError, NotAllowed, StoreError, UnknownName
from loopwright.core.types import Event, Prediction
from loopwright.learn.kept import predictions, registry
from loopwright.learn.league import BRIER
from loopwright.learn.splits import LeakError
from loopwright.learn.wear.runs import Features
from loopwright.learn.wear.train import TASK, Trained, train
from loopwright.store import User
from loopwright.store.backup import backup
from loopwright.store.export import export
from loopwright.store.restore import restore
from tests.app.small_plant import quick_hash
from tests.learn.run_rows import made_up

T0, MIN = 1_700_000_000 * NS_PER_S, 60 * NS_PER_S
SITE = """
[site]
name = "Mills"
packs = ["shop_floor"]
folder = "plant"
{approvers}
""" + "".join(f'[[machine]]\nid = "mill-{i}"\nkind = "mill"\nrole = "mill"\nlink = {{ protocol = "mqtt" }}\n' for i in (1, 2, 3)) + "[broker]\nembedded = true\n"
QUICK = ["unsteadiness"]


def opened(folder: Path, approvers: str = "") -> Any:
    folder.mkdir(exist_ok=True)
    (folder / "site.toml").write_text(SITE.replace("{approvers}", approvers))
    return open_plant(load_site(folder / "site.toml"), clock=SimClock(T0))


@pytest.fixture
def real(tmp_path: Path) -> Iterator[Plant]:
    """A plant whose people approve."""
    with opened(tmp_path) as plant:
        for name in ("anna", "bo", "carla"):
            plant.store.people.save_user(User(name, "approver", quick_hash("x"), ""))
        yield plant


@pytest.fixture
def example(tmp_path: Path) -> Iterator[Plant]:
    """An example plant, whose named approvers approve by themselves."""
    with opened(tmp_path, 'approvers = ["anna (example)", "bo (example)"]') as plant:
        yield plant


def trained(effect: float = 0.8, n: int = 16, seed: int = 0) -> Trained:
    return train(*made_up(n, effect, seed), known_by_ns=T0, models=QUICK)


def stood(plant: Plant, one: Trained) -> str:
    models.keep(plant, one.card, one.kept(), T0)
    return models.stand(plant, one.card, models.proof_of(one.kept()), T0)


def now(plant: Plant) -> str:
    found = models.serving(plant.store, TASK)
    return found["model"] if found else "baseline"


def test_on_an_example_site_a_model_that_is_better_is_approved_by_itself_and_serves(example: Plant) -> None:
    one = trained()
    assert stood(example, one) == "serves"
    assert now(example) == one.card.id
    assert [e.body["word"] for e in example.store.recall(kind="change.approved")] == ["automatic (example)"] * 2
    count = example.store.events.length()
    assert stood(example, one) == "serves"
    assert example.store.events.length() == count, "again it changes nothing"


def test_on_a_real_site_it_waits_for_two_people_while_the_baseline_serves(real: Plant) -> None:
    one = trained()
    assert stood(real, one) == "waits"
    assert now(real) == "baseline"
    change = f"change-tool-wear-{one.card.weights_hash[:8]}"
    assert approvals.approve_in(real, change, "anna") == "approved by anna; 1 more needed"
    with pytest.raises(NotAllowed, match="approved it already"):
        approvals.approve_in(real, change, "anna")
    assert approvals.approve_in(real, change, "bo") == f"released as {one.card.id}"
    assert now(real) == one.card.id


def test_a_model_that_is_no_better_than_the_baseline_is_refused_with_words(example: Plant) -> None:
    one = trained(effect=0.0)
    assert stood(example, one) == "rejected"
    assert now(example) == "baseline"
    row = model_reads.rows(example.store)[0]
    assert (row["state"], "chance alone gives as much" in row["says"]) == ("rejected", True)


@pytest.mark.slow
def test_a_challenger_takes_the_place_of_the_champion_only_when_it_is_better(example: Plant) -> None:
    worse, better = trained(effect=0.5), trained(effect=1.2)
    assert stood(example, worse) == "serves"
    assert stood(example, better) == "serves"
    assert now(example) == better.card.id
    assert stood(example, trained(effect=0.5, seed=0, n=14)) == "rejected"
    assert now(example) == better.card.id
    assert {row["model"]: row["state"] for row in model_reads.rows(example.store)}[worse.card.id] == "replaced"


def test_changes_of_models_are_listed_with_the_others_and_told_apart_in_the_report(real: Plant, tmp_path: Path) -> None:
    one = trained()
    stood(real, one)
    assert improving.in_report(real, 0) == []
    (row,) = improving.in_report(real, 0, "model")
    assert row["says"].startswith(f"model tool-wear: proposed; {one.card.id}")
    later_ns = real.store.events.last_known_ns() + 1
    assert improving.in_report(real, later_ns, "model") == []
    for name in ("anna", "bo"):
        approvals.approve_in(real, row["id"], name)
    (later,) = improving.in_report(real, later_ns, "model")
    assert later["says"] == f"model tool-wear: proposed before; released as {one.card.id}"
    real.close()
    assert [change["id"] for change in approvals.list_changes(tmp_path / "site.toml")] == [row["id"]]


def test_a_newer_proposal_ends_the_one_that_waits(real: Plant) -> None:
    first, second = trained(), trained(seed=3)
    stood(real, first)
    assert stood(real, second) == "waits"
    states = {row["model"]: row["state"] for row in model_reads.rows(real.store)}
    assert states == {first.card.id: "declined", second.card.id: "waits"}
    with pytest.raises(UnknownName):
        approvals.approve_in(real, f"change-tool-wear-{first.card.weights_hash[:8]}", "anna")


def test_a_model_whose_file_was_altered_is_not_promoted_and_the_baseline_serves(example: Plant) -> None:
    one = trained()
    models.keep(example, one.card, one.kept(), T0)
    (example.store.path / "models" / one.card.weights_hash).write_bytes(b"something else")
    assert models.stand(example, one.card, models.proof_of(one.kept()), T0) == "rejected"
    assert "altered" in model_reads.rows(example.store)[0]["file"]
    assert models_wear.load(example, one.card.id) is None
    with pytest.raises(InputError, match="of its card"):
        models.keep(example, one.card, {"other": 1}, T0)


def said(plant: Plant, model: str, n: int, p: float, base: float, first: int = 0) -> list[int]:
    """Predictions of n runs, a minute each; their ends."""
    ends = [T0 + (first + i) * MIN for i in range(n)]
    rows = [Prediction(model, "mill-1", scored.WORN, end + NS_PER_S, end, p, {0.05: p, 0.95: p}) for end in ends]
    predictions.record(plant.store, TASK, rows, [base] * n, BRIER, scored.inspected(plant.store))
    return ends


def inspected(plant: Plant, ends: list[int], label: str = "worn") -> None:
    plant.store.record([Event("run.labelled", f"mill-1/run-{end}", end, "inspector", {"thing": "mill-1", "start_ns": end - MIN, "end_ns": end, "label": label}) for end in ends])


def test_a_champion_that_loses_to_the_baseline_is_demoted_and_the_baseline_serves(example: Plant) -> None:
    one = trained()
    stood(example, one)
    inspected(example, said(example, one.card.id, 60, 0.9, 0.5))
    told = scored.check(example, TASK, T0)
    assert (told["scored"], told["demoted"]) == (60, False)
    inspected(example, said(example, one.card.id, 60, 0.9, 0.5, first=60), "unworn")
    told = scored.check(example, TASK, T0)
    assert told["demoted"]
    assert now(example) == "baseline"
    (event,) = example.store.recall(kind="model.demoted")
    assert event.actor == "service:league"
    assert event.body["test"]["evidence"] >= 100
    assert scored.check(example, TASK, T0)["model"] == ""
    assert stood(example, one) == "undone", "it does not come back by itself"
    assert model_reads.rows(example.store)[0]["state"] == "demoted"


def test_a_champion_whose_file_was_altered_is_demoted_and_the_baseline_serves(example: Plant) -> None:
    one = trained()
    stood(example, one)
    (example.store.path / "models" / one.card.weights_hash).write_bytes(b"something else")
    assert scored.check(example, TASK, T0)["demoted"]
    assert now(example) == "baseline"
    assert "altered" in example.store.recall(kind="model.demoted")[0].body["why"]


def test_a_card_from_before_models_were_kept_is_listed_without_alarm(example: Plant) -> None:
    old = {"id": "tool-wear/ridge@0", "task": "tool wear of a machining run", "signals": ["a"], "known_by_ns": 1, "metrics": {"of": 12, "accuracy": 0.9}, "baseline": {"name": "majority"}, "weights_hash": "0" * 64, "code_version": "0", "limits": "few", "split": ""}
    example.record("model.trained", old["id"], {"card": old})
    row = model_reads.rows(example.store)[0]
    assert (row["state"], row["file"], row["units"], row["loss"]) == ("trained", "", 12, None)
    assert model_reads.show(example.store, old["id"])["left_out"] == {}
    with pytest.raises(StoreError, match="gone"):
        models.load(example.store, models.card_of(example.store, old["id"]))


def test_checks_are_recorded_once_for_what_was_scored(example: Plant) -> None:
    one = trained()
    stood(example, one)
    scored.check(example, TASK, T0)
    inspected(example, said(example, one.card.id, 5, 0.9, 0.5))
    for _ in range(3):
        scored.check_all(example, T0)
    assert [e.body["scored"] for e in example.store.recall(kind="model.checked")] == [5]


def test_a_run_whose_finding_is_known_cannot_be_foreseen(example: Plant) -> None:
    one = trained()
    stood(example, one)
    inspected(example, [T0])
    with pytest.raises(LeakError):
        said(example, one.card.id, 1, 0.9, 0.5)


def test_runs_are_foreseen_by_the_champion_and_the_baseline(example: Plant) -> None:
    one = trained()
    stood(example, one)
    new, truth = made_up(12, 0.8, seed=9)
    features = Features(tuple(f"new-{run}" for run in new.runs), new.names, new.values)
    runs = [{"run": run, "thing": "mill-1", "start_ns": T0 + i * MIN, "end_ns": T0 + (i + 1) * MIN} for i, run in enumerate(features.runs)]
    assert models_wear.foresee(example, one, features, runs, T0)["stored"] == 12
    inspected(example, [run["end_ns"] for run, worn in zip(runs, truth, strict=True) if worn > 0.5])
    inspected(example, [run["end_ns"] for run, worn in zip(runs, truth, strict=True) if worn < 0.5], "unworn")
    assert scored.check(example, TASK, T0 + 20 * MIN, models_wear.moved(one, features))["scored"] == 12
    table = predictions.read(example.store)
    assert (table["made_ns"] >= table["due_ns"]).all()
    assert table["loss"].mean() < table["baseline_loss"].mean()
    assert example.store.recall(kind="model.checked")[-1].body["drift"][0]["word"] == "too few"


def test_while_the_baseline_serves_nobody_is_sent_to_the_machine() -> None:
    one = trained()
    features, _ = made_up(16, 0.8)
    told = models_wear.serve(one, features, "it waits")
    assert not told["evaluation"]["better_than_baseline"]
    assert told["evaluation"]["verdict"].endswith("serves, because it waits")
    assert set(told["runs"]) == set(features.runs)
    assert {row["low"] <= row["probability"] <= row["high"] for row in told["runs"].values()} == {True}


def test_people_promote_and_demote_with_a_reason(real: Plant) -> None:
    one = trained()
    models.keep(real, one.card, one.kept(), T0)
    with pytest.raises(UnknownName):
        models.promote(real, one.card.id, "nobody", T0)
    assert "waits for two people" in models.promote(real, one.card.id, "carla", T0)
    with pytest.raises(NotAllowed, match="waits"):
        models.promote(real, one.card.id, "carla", T0)
    change = f"change-tool-wear-{one.card.weights_hash[:8]}"
    with pytest.raises(NotAllowed, match="own proposal"):
        approvals.approve_in(real, change, "carla")
    for name in ("anna", "bo"):
        approvals.approve_in(real, change, name)
    with pytest.raises(NotAllowed, match="no reason"):
        models.demote(real, one.card.id, "anna", " ", T0)
    assert "serves tool-wear from now on" in models.demote(real, one.card.id, "anna", "new wax", T0)
    with pytest.raises(NotAllowed, match="the baseline serves"):
        models.demote(real, one.card.id, "anna", "again", T0)
    assert "waits for two people" in models.promote(real, one.card.id, "carla", T0), "people may put it up again"


def test_models_are_found_by_how_their_id_or_kept_name_begins(example: Plant) -> None:
    one, other = trained(), trained(seed=2)
    for each in (one, other):
        models.keep(example, each.card, each.kept(), T0)
    assert models.card_of(example.store, one.card.weights_hash[:10]).id == one.card.id
    for unclear in ("tool-wear/", "", "none"):
        with pytest.raises(UnknownName):
            models.card_of(example.store, unclear)


def test_a_backup_and_an_export_hold_the_models_whole(example: Plant, tmp_path: Path) -> None:
    one = trained()
    stood(example, one)
    backup(example.store, tmp_path / "backups")
    restore(tmp_path / "backups", tmp_path / "again")
    assert registry.wrong(tmp_path / "again", one.card.weights_hash) == ""
    index = export(example.store, tmp_path / "out")
    assert index["rows"]["models"] == 1
    assert registry.wrong(tmp_path / "out", one.card.weights_hash) == ""


@pytest.mark.slow
def test_the_command_lists_shows_and_scores(example: Plant, tmp_path: Path) -> None:
    one = trained()
    stood(example, one)
    inspected(example, said(example, one.card.id, 6, 0.9, 0.5))
    example.close()
    site, run = str(tmp_path / "site.toml"), CliRunner()

    def printed(*words: str) -> Any:
        done = run.invoke(command, ["models", *words, "--site", site])
        assert done.exit_code == 0, done.exception or done.output
        return json.loads(done.stdout) if "--json" in words else done.stdout

    assert printed("score", "--json")[0]["scored"] == 6
    row = printed("list", "--json")[0]
    assert (row["model"], row["state"], row["live"]["scored"]) == (one.card.id, "serves", 6)
    assert "serves" in printed("list")
    words = printed("show", one.card.id)
    assert "Learned from 16 runs" in words
    assert "RAPL" in words or "processor seconds x 12 W" in words
    told = printed("show", one.card.weights_hash[:8], "--json")
    assert [len(told["error"][key]) for key in ("ours", "theirs", "due_ns")] == [6, 6, 6]
    assert told["worst"][0]["says"] == "mill-1: said 0.9, found 1"


def test_a_folder_without_a_plant_gets_none(tmp_path: Path) -> None:
    for words in (["score"], ["demote", "x", "--by", "a", "--why", "b"]):
        done = CliRunner().invoke(command, ["models", *words, "--site", str(tmp_path / "none")])
        assert "there is no plant in it" in str(done.exception)
    assert not (tmp_path / "none").exists()


async def test_the_api_tells_the_league_and_people_change_it_over_it(real: Plant) -> None:
    one = trained()
    stood(real, one)
    app = build_app(real.store, real.site, Flow(), clock=real.clock, console=False)
    auth = app.state.front.auth
    transport = httpx.ASGITransport(app=app, client=("127.0.0.1", 5))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as http:
        assert (await http.get("/api/models")).status_code == 401
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080", cookies={COOKIE: auth.sign_in("anna", "x")}) as http:
        told = (await http.get("/api/models")).json()
        assert told["tasks"] == [{"task": TASK, "model": "", "baseline": one.card.baseline["name"]}]
        assert told["models"][0]["state"] == "waits"
        assert (await http.get(f"/api/models/{one.card.id}/card")).json()["card"]["id"] == one.card.id
        assert (await http.get("/api/models/none/card")).status_code == 404
        assert (await http.post(f"/api/models/{one.card.id}/demote", json={"why": "x"})).status_code == 403
        assert (await http.post(f"/api/changes/{told['models'][0]['change']}/approve")).status_code == 200
        approvals.approve_in(real, told["models"][0]["change"], "bo")
        assert (await http.post(f"/api/models/{one.card.id}/demote", json={"why": "new wax"})).json()["says"].endswith("serves tool-wear from now on.")
    assert now(real) == "baseline"


def test_calibration_counts_what_came_true() -> None:
    bins = views.calibration(np.array([0.1, 0.1, 0.9, 0.9, np.nan]), np.array([0, 1, 1, 1, 1]), bins=2)
    assert bins == [{"said": 0.1, "found": 0.5, "n": 2}, {"said": 0.9, "found": 1.0, "n": 2}]
    assert views.calibration(np.zeros(0), np.zeros(0)) == []


def test_the_curve_is_the_mean_so_far_in_the_order_of_time() -> None:
    table = {"due_ns": np.array([3, 1, 2, 4]), "made_ns": np.zeros(4), "loss": np.array([0.3, 0.1, 0.2, np.nan]), "baseline_loss": np.array([1.0, 1, 1, 1]), "about": np.array(["c", "a", "b", "d"], object)}
    curve = views.error_curve(table)
    assert curve["due_ns"] == [1, 2, 3]
    np.testing.assert_allclose(curve["ours"], [0.1, 0.15, 0.2])
    assert curve["about"] == ["a", "b", "c"]


def test_the_doctor_names_a_model_whose_file_was_altered_or_is_gone(example: Plant, tmp_path: Path) -> None:
    one = trained()
    stood(example, one)
    example.close()
    assert doctor.healthy(doctor.examine(tmp_path / "site.toml"))
    file = tmp_path / "plant" / "models" / one.card.weights_hash
    file.write_bytes(file.read_bytes() + b"x")
    found = doctor.examine(tmp_path / "site.toml")
    assert not doctor.healthy(found)
    assert "altered" in found["verdict"]
    file.unlink()
    assert "gone" in doctor.examine(tmp_path / "site.toml")["verdict"]


async def test_a_running_plant_scores_once_a_minute(example: Plant) -> None:
    one = trained()
    stood(example, one)
    task = asyncio.create_task(scored.keep_scored(example))
    inspected(example, said(example, one.card.id, 3, 0.9, 0.5))
    clock = example.clock
    assert isinstance(clock, SimClock)
    await clock.advance(scored.SCORE_S)
    for _ in range(200):
        if example.store.recall(kind="model.checked"):
            break
        await asyncio.sleep(0.02)
    task.cancel()
    assert [e.body["scored"] for e in example.store.recall(kind="model.checked")] == [3]
