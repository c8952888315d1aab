"""Every kind of task goes from a plant's data to a model in service, is scored, and is demoted when it loses."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loopwright.app import approvals, learning, model_reads, models, scored, speaking
from loopwright.app.flow import Flow
from loopwright.app.learning import anomaly, classes, life, training
from loopwright.app.plant import Plant, open_plant
from loopwright.app.site import load_site
from loopwright.core.clock import NS_PER_S, SimClock
from loopwright.core.errors import InputError, LoopwrightError, SiteError, UnknownName
from loopwright.core.types import Batch, Event
from loopwright.learn.kept import predictions, registry
from loopwright.packs.shop_floor.signals import MILL
from loopwright.serve import maintain
from loopwright.store import User
from loopwright.twins.mill import MillTwin, TwinRun
from tests.app.small_parts import points_of
from tests.app.small_plant import quick_hash

T0, MIN, HOUR = 1_767_571_200 * NS_PER_S, 60 * NS_PER_S, 3600 * NS_PER_S
SITE = """
[site]
name = "Mills"
packs = ["shop_floor"]
folder = "plant"
{approvers}
""" + "".join(f'[[machine]]\nid = "mill-{i}"\nkind = "mill"\nrole = "mill"\nlink = {{ protocol = "mqtt" }}\n' for i in (1, 2, 3))
EXAMPLE = 'approvers = ["anna (example)", "bo (example)"]'


def opened(folder: Path, more: str = "", approvers: str = EXAMPLE) -> Any:
    folder.mkdir(exist_ok=True)
    (folder / "site.toml").write_text(SITE.replace("{approvers}", approvers) + more)
    return open_plant(load_site(folder / "site.toml"), clock=SimClock(T0))


def at(plant: Plant, t_ns: int) -> int:
    assert isinstance(plant.clock, SimClock)
    plant.clock.set_ns(max(t_ns, plant.clock.now_ns()))
    return plant.clock.now_ns()


@pytest.fixture(scope="module")
def runs() -> list[TwinRun]:
    """Thirty runs of each of three mills whose tools wear, in the order of their ends."""
    found = [run for n in (1, 2, 3) for run in MillTwin(1, MILL, f"mill-{n}", T0, stroke_m=0.012).runs(30)]
    return sorted(found, key=lambda run: run.end_ns)


def heard(plant: Plant, run: TwinRun) -> None:
    plant.store.put(Batch("test", f"twin/{run.thing}", None, run.table))


def told(plant: Plant, task: str) -> dict[str, Any]:
    return asyncio.run(training.train(plant, learning.task_of(plant, task)))


def serving(plant: Plant, task: str) -> str:
    now = models.serving(plant.store, task)
    return now["model"] if now else ""


def tools_of(plant: Plant, runs: list[TwinRun], first: int, last: int) -> None:
    for run in runs[first:last]:
        heard(plant, run)
        at(plant, run.end_ns + MIN)
        plant.store.record([run.labelled()])


def test_without_a_table_it_forecasts_what_is_derived_and_learns_the_lives_of_tools(tmp_path: Path) -> None:
    with opened(tmp_path) as plant:
        assert {(task.kind, task.name) for task in learning.learned(plant)} == {("forecast", "forecast-s.energy"), ("life", "tool-life")}
        with pytest.raises(UnknownName):
            learning.task_of(plant, "none")
        for task in learning.learned(plant):
            assert learning.kind_of(task).known(plant, task, T0) == 0
            assert training.due(plant, task, T0) == ""


def test_an_inspection_that_was_corrected_counts_as_it_stands(runs: list[TwinRun]) -> None:
    labels = [run.labelled() for run in runs]
    ended = sum(one.ended is not None for one in life.tools(labels))
    again = Event("run.labelled", labels[0].about, labels[0].t_ns, "anna", {**labels[0].body, "label": "worn"})
    assert sum(one.ended is not None for one in life.tools([*labels, again])) == ended + 1


@pytest.mark.slow
def test_lives_of_tools_are_learned_serve_are_scored_when_the_tool_ends_and_expire_nowhere(tmp_path: Path, runs: list[TwinRun]) -> None:
    with opened(tmp_path) as plant:
        task = learning.task_of(plant, "tool-life")
        tools_of(plant, runs, 0, 40)
        assert training.due(plant, task, plant.clock.now_ns()).endswith("new outcomes")
        done = told(plant, "tool-life")
        assert done["came"] == "serves", done
        card = models.card_of(plant.store, done["model"])
        assert card.metrics["loss"] < card.baseline["loss"]
        assert "mean_life" in card.baseline["name"]
        assert training.due(plant, task, plant.clock.now_ns()) == "", "nothing is new"
        for first in range(40, len(runs), 3):
            tools_of(plant, runs, first, first + 3)
            life.look(plant, task, plant.clock.now_ns())
            life.look(plant, task, plant.clock.now_ns())
            scored.check(plant, "tool-life", plant.clock.now_ns())
        table = predictions.read(plant.store, task="tool-life")
        known = np.isfinite(table["outcome"])
        assert known.sum() >= 8
        assert len({*zip(table["about"], table["due_ns"], strict=True)}) == len(table["due_ns"]), "once a run"
        assert (~known).any(), "tools that still cut are waited for"
        assert table["loss"][known].mean() < table["baseline_loss"][known].mean()
        assert plant.store.recall(kind="model.checked")[-1].body["scored"] == known.sum()


def energy(plant: Plant, first: int, last: int, level: float = 40_000.0) -> None:
    """Minutes of energy of three mills with a cycle of 20 minutes."""
    t = np.arange(first, last)
    for i in (1, 2, 3):
        values = level + 20_000 * np.sin(2 * np.pi * t / 20 + i) + np.random.default_rng([i, first]).normal(0, 1500, len(t))
        plant.store.put(Batch("test", f"energy-{i}", None, points_of(f"mill-{i}", "s.energy", T0 + t * MIN, values)))
    at(plant, T0 + last * MIN)


@pytest.mark.slow
def test_a_forecast_is_the_baselines_until_a_better_model_serves_and_then_its_own(tmp_path: Path) -> None:
    more = '[[learn]]\ntask = "forecast"\nsignals = ["s.energy"]\nstep_s = 60\nahead_s = 1200\nhistory_days = 1\n'
    with opened(tmp_path, more) as plant:
        task = learning.task_of(plant, "forecast-s.energy")
        energy(plant, 0, 600)
        said = learning.kind_of(task).look(plant, task, plant.clock.now_ns())
        assert {one.model for one in said} == {"forecast-s.energy/seasonal_naive"}
        done = told(plant, task.name)
        assert done["came"] == "serves", done
        energy(plant, 600, 640)
        said = learning.kind_of(task).look(plant, task, plant.clock.now_ns())
        assert {one.model for one in said} == {done["model"]}
        for step in range(640, 1400, 20):
            energy(plant, step, step + 20)
            learning.kind_of(task).look(plant, task, plant.clock.now_ns())
        good = scored.check(plant, task.name, plant.clock.now_ns())
        assert not good["demoted"], good
        row = next(one for one in model_reads.rows(plant.store) if one["model"] == done["model"])
        assert row["live"]["loss"] < row["live"]["baseline_loss"]


CLASSES = '[[learn]]\ntask = "classes"\nsignals = ["s.output_power", "s.vibration"]\nstep_s = 1\nahead_s = 60\nlabel = "passed"\n'


@pytest.mark.slow
def test_classes_of_runs_are_told_before_inspection_and_scored_after_it(tmp_path: Path, runs: list[TwinRun]) -> None:
    with opened(tmp_path, CLASSES) as plant:
        task = learning.task_of(plant, "classes-passed")
        tools_of(plant, runs, 0, 24)
        data = classes.gather(plant, task, plant.clock.now_ns(), plant.clock.now_ns())
        assert set(data["labels"]) == {"yes", "no"}
        assert len(data["ids"]) == 24
        from loopwright.learn import tasks

        found = {name: tasks.tried("classes", data, name) for name in ("majority", "spectra")}
        made = tasks.chosen("classes", task.name, data, found)
        models.keep(plant, made.card, made.kept, plant.clock.now_ns())
        came = models.stand(plant, made.card, models.proof_of(made.kept), plant.clock.now_ns())
        for run in runs[24:40]:
            heard(plant, run)
        at(plant, runs[39].end_ns)
        plan = [{"run": run.id, "thing": run.thing, "start_ns": run.start_ns, "end_ns": run.end_ns} for run in runs[24:40]]
        count = classes.foresee(plant, task, plan, plant.clock.now_ns())
        assert count == (16 if came == "serves" else 0), came
        assert came == "serves"
        silent = {"run": "mill-1/run-99", "thing": "mill-1", "start_ns": T0 + 900 * HOUR, "end_ns": T0 + 901 * HOUR}
        assert classes.foresee(plant, task, [silent], plant.clock.now_ns()) == 0, "nothing was heard of it"
        plant.store.record([run.labelled() for run in runs[24:40]])
        assert scored.check(plant, task.name, plant.clock.now_ns())["scored"] == 16
        assert classes.foresee(plant, task, plan, plant.clock.now_ns()) == 0, "they are inspected"
        told_ = runs[30].labelled()
        plant.store.record([Event("run.labelled", told_.about, told_.t_ns, "anna", {**told_.body, "passed": not told_.body["passed"]})])
        assert scored.check(plant, task.name, plant.clock.now_ns())["changed"] == 1, "the inspection was corrected"


ANOMALY = '[[learn]]\ntask = "anomaly"\nsignals = ["s.output_power", "s.vibration"]\nstep_s = 600\nahead_s = 3600\nhistory_days = 30\ntrouble = ["workorder.opened"]\n'


@pytest.mark.slow
def test_trouble_that_signals_announce_is_predicted_scored_and_a_trouble_told_late_corrects_it(tmp_path: Path) -> None:
    with opened(tmp_path, ANOMALY) as plant:
        task = learning.task_of(plant, "anomaly-s.output_power")
        rng, steps = np.random.default_rng(0), 20 * 144
        t = T0 + np.arange(steps) * 10 * MIN
        for i in (1, 2, 3):
            power, vibration = rng.normal(100, 5, steps), rng.normal(2, 0.1, steps)
            for place in rng.choice(np.arange(40, steps - 1), 20, replace=False).tolist():
                power[place - 12:place] += 60
                body = {"machine": f"mill-{i}", "alarm": "", "duration_s": 600, "why": "it stood still"}
                plant.store.record([Event("workorder.opened", f"w-{i}-{place}", int(t[place]), "bo", body)])
            for name, values in (("s.output_power", power), ("s.vibration", vibration)):
                plant.store.put(Batch("test", f"{name}-{i}", None, points_of(f"mill-{i}", name, t, values)))
        now_ns = at(plant, int(t[-1]) + 10 * MIN)
        done = told(plant, task.name)
        assert done["came"] == "serves", done
        anomaly.look(plant, task, now_ns)
        anomaly.look(plant, task, now_ns + MIN)
        assert len(predictions.read(plant.store, task=task.name)["due_ns"]) == 3, "once a block"
        now_ns = at(plant, now_ns + 2 * HOUR)
        assert scored.check(plant, task.name, now_ns)["scored"] == 3
        late = Event("workorder.opened", "w-late", now_ns - 2 * HOUR + MIN, "bo", {"machine": "mill-1", "alarm": "", "duration_s": 60, "why": "told late"})
        plant.store.record([late])
        assert scored.check(plant, task.name, now_ns)["changed"] == 1


def test_trouble_may_be_an_alarm_that_people_say_was_true_and_their_last_word_counts(tmp_path: Path) -> None:
    more = ANOMALY.replace('["workorder.opened"]', '["alarm.judged/true", "alarm.raised/silent"]')
    with opened(tmp_path, more) as plant:
        task = learning.task_of(plant, "anomaly-s.output_power")
        for number, condition in enumerate(("hot", "hot", "silent"), 1):
            body = {"condition": condition, "thing": "mill-1", "says": "x", "evidence": [], "priority": "low"}
            plant.store.record([Event("alarm.raised", f"a-{number}", T0 + number * HOUR, "watch", body)])
        for number, word in ((1, "true"), (2, "true"), (2, "false")):
            body = {"condition": "hot", "thing": "mill-1", "verdict": word, "why": ""}
            plant.store.record([Event("alarm.judged", f"a-{number}", T0 + 9 * HOUR, "bo", body)])
        assert [(e.about, e.t_ns) for e in anomaly.troubles(plant, task)] == [("a-1", T0 + HOUR), ("a-3", T0 + 3 * HOUR)]


def test_a_mere_look_at_a_tool_is_no_trouble_unless_it_is_asked_for(tmp_path: Path) -> None:
    with opened(tmp_path, ANOMALY) as plant:
        task = learning.task_of(plant, "anomaly-s.output_power")
        for number, condition in enumerate((maintain.CONDITION, maintain.LOOK), 1):
            body = {"machine": "mill-1", "alarm": "a", "condition": condition, "duration_s": 60, "why": "x", "start_ns": T0}
            plant.store.record([Event("workorder.opened", f"w-{number}", T0 + number * HOUR, "maintain", body)])
        assert [e.about for e in anomaly.troubles(plant, task)] == ["w-1"]
        looks = replace(task, trouble=(f"workorder.opened/{maintain.LOOK}",))
        assert [e.about for e in anomaly.troubles(plant, looks)] == ["w-2"]


def test_a_life_may_end_by_any_event_of_a_machine(tmp_path: Path) -> None:
    more = '[[learn]]\ntask = "life"\nsignals = ["s.vibration"]\nstep_s = 3600\nahead_s = 3600\nends = "machine.down"\nhistory_days = 60\n'
    with opened(tmp_path, more) as plant:
        task = learning.task_of(plant, "life-s.vibration")
        rng, place = np.random.default_rng(0), 0
        for _ in range(4):
            for i in (1, 2, 3):
                hours = 26 + 2 * i
                t = T0 + (place + np.arange(hours)) * HOUR
                values = 1 + 3 * np.exp(-np.arange(hours)[::-1] / 8.0) + rng.normal(0, 0.05, hours)
                plant.store.put(Batch("test", f"vibration-{i}", None, points_of(f"mill-{i}", "s.vibration", t, values)))
                plant.store.record([Event("machine.down", f"mill-{i}", int(t[-1]) + HOUR // 2, "bo", {"until_ns": 0, "why": "bearing"})])
            place += 36
        at(plant, T0 + place * HOUR)
        assert learning.kind_of(task).known(plant, task, plant.clock.now_ns()) == 12
        units, lives, names = life.units(plant, task)
        assert (names, sum(unit.failed for unit in units)) == (["s.vibration"], 12)
        assert all(len(unit) == len(one.ends_ns) for unit, one in zip(units, lives, strict=True))
        assert told(plant, task.name)["came"] in ("serves", "rejected")


@pytest.mark.slow
def test_a_challenger_is_proposed_and_waits_for_two_people_and_speaks_beside_the_baseline_meanwhile(tmp_path: Path, runs: list[TwinRun]) -> None:
    with opened(tmp_path, approvers="") as plant:
        for name in ("anna", "bo", "carla"):
            plant.store.people.save_user(User(name, "approver", quick_hash("x"), ""))
        tools_of(plant, runs, 0, 40)
        done = told(plant, "tool-life")
        assert done["came"] == "waits"
        assert serving(plant, "tool-life") == ""
        (speaker,) = speaking.speakers(plant, "tool-life")
        assert not speaker.serves
        task = learning.task_of(plant, "tool-life")
        tools_of(plant, runs, 40, 43)
        life.look(plant, task, plant.clock.now_ns())
        assert len(predictions.read(plant.store, model=done["model"])["due_ns"])
        (change,) = plant.store.recall(kind="change.proposed")
        approvals.approve_in(plant, change.about, "anna")
        with pytest.raises(LoopwrightError, match="approved it already"):
            approvals.approve_in(plant, change.about, "anna")
        assert serving(plant, "tool-life") == ""
        approvals.approve_in(plant, change.about, "bo")
        assert serving(plant, "tool-life") == done["model"]


def test_too_little_to_learn_from_is_told_once_and_not_tried_again_until_more_is_known(tmp_path: Path, runs: list[TwinRun]) -> None:
    with opened(tmp_path) as plant:
        tools_of(plant, runs, 0, 9)
        done = told(plant, "tool-life")
        assert done["came"] == "nothing"
        assert "units have a known end" in done["why"] or "of" in done["why"]
        task = learning.task_of(plant, "tool-life")
        assert training.due(plant, task, plant.clock.now_ns()) == ""
        assert [e.body["task"] for e in plant.store.recall(kind="training.ended")] == ["tool-life"]


@pytest.mark.slow
def test_training_that_was_cut_off_goes_on_with_what_was_tried_and_the_same_data(tmp_path: Path, runs: list[TwinRun]) -> None:
    with opened(tmp_path) as plant:
        task = learning.task_of(plant, "tool-life")
        tools_of(plant, runs, 0, 40)
        words: list[str] = []

        async def cut_off() -> None:
            """Ends in the middle, as Ctrl-C does."""
            doing = asyncio.create_task(training.train(plant, task, words.append))
            while not (plant.store.path / "training" / "tool-life").exists():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            doing.cancel()
            await asyncio.gather(doing, return_exceptions=True)

        asyncio.run(cut_off())
        assert plant.store.recall(kind="model.trained") == []
        assert registry.names(plant.store.path) == []
        assert training.due(plant, task, plant.clock.now_ns()) == "it was interrupted"
    with open_plant(load_site(tmp_path / "site.toml"), clock=SimClock(T0 + 20 * HOUR)) as plant:
        tools_of(plant, runs, 40, 50)
        again: list[str] = []
        done = asyncio.run(training.train(plant, task, again.append))
        assert done["came"] == "serves"
        tried = [one.split(": ")[1].split(" is")[0] for one in again if "is tried" in one]
        assert "mean_life" not in tried, "it was tried before"
        card = models.card_of(plant.store, done["model"])
        assert card.known_by_ns < T0 + 20 * HOUR, "its data are those of then"
        assert not (plant.store.path / "training" / "tool-life").exists()


@pytest.mark.slow
def test_a_task_that_is_trained_is_not_trained_a_second_time_beside(tmp_path: Path, runs: list[TwinRun]) -> None:
    with opened(tmp_path) as plant:
        tools_of(plant, runs, 0, 40)
        task = learning.task_of(plant, "tool-life")

        async def both() -> list[dict[str, Any]]:
            return await asyncio.gather(training.train(plant, task), training.train(plant, task))

        assert sorted(one["came"] for one in asyncio.run(both())) == ["nothing", "serves"]
        assert len(plant.store.recall(kind="training.ended")) == 1


@pytest.mark.slow
def test_a_model_that_is_demoted_while_it_speaks_is_scored_and_out_of_force(tmp_path: Path, runs: list[TwinRun]) -> None:
    with opened(tmp_path) as plant:
        for name in ("anna", "bo"):
            plant.store.people.save_user(User(name, "approver", quick_hash("x"), ""))
        tools_of(plant, runs, 0, 40)
        done, task = told(plant, "tool-life"), learning.task_of(plant, "tool-life")
        (speaker,) = speaking.speakers(plant, "tool-life")
        models.demote(plant, done["model"], "anna", "it is looked at", plant.clock.now_ns())
        units, lives, _ = life.units(plant, task)
        going = [i for i, one in enumerate(lives) if one.goes_on]
        life._keep(plant, task, speaker, [units[i] for i in going], [lives[i] for i in going], plant.clock.now_ns())
        assert speaking.speakers(plant, "tool-life") == []
        tools_of(plant, runs, 40, 60)
        assert scored.check(plant, "tool-life", plant.clock.now_ns())["scored"] >= 1
        assert serving(plant, "tool-life") == ""
        assert told(plant, "tool-life")["came"] in ("serves", "rejected", "undone"), "another may come, that one does not by itself"


@pytest.mark.slow
def test_a_worker_that_dies_of_a_task_ends_its_training_with_words_until_more_is_known(tmp_path: Path, runs: list[TwinRun]) -> None:
    with opened(tmp_path) as plant:
        tools_of(plant, runs, 0, 40)
        task, killed = learning.task_of(plant, "tool-life"), []

        async def with_kills() -> dict[str, Any]:
            doing = asyncio.create_task(training.train(plant, task))
            while not doing.done():
                for pid in plant.workers.pids().values():
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)
                await asyncio.sleep(0.02)
            return doing.result()

        done = asyncio.run(with_kills())
        assert len(set(killed)) >= 2
        assert (done["came"], "died twice" in done["why"]) == ("nothing", True)
        assert training.due(plant, task, plant.clock.now_ns()) == ""
        assert registry.names(plant.store.path) == []


@pytest.mark.slow
def test_a_card_that_lies_about_its_file_is_refused_and_nothing_is_kept(tmp_path: Path, runs: list[TwinRun]) -> None:
    from dataclasses import replace

    with opened(tmp_path) as plant:
        tools_of(plant, runs, 0, 40)
        task = learning.task_of(plant, "tool-life")
        from loopwright.learn import tasks

        data = life.gather(plant, task, plant.clock.now_ns(), plant.clock.now_ns())
        made = tasks.chosen("life", task.name, data, {name: tasks.tried("life", data, name) for name in tasks.candidates("life", data)})
        with pytest.raises(InputError, match="of its card"):
            models.keep(plant, replace(made.card, weights_hash="0" * 64), made.kept, T0)
        better = {**made.kept, "losses": {**made.kept["losses"], "ours": np.zeros(len(made.kept["losses"]["ours"]))}}
        with pytest.raises(InputError, match="of its card"):
            models.keep(plant, made.card, better, T0)
        assert plant.store.recall(kind="model.trained") == []
        assert speaking.speakers(plant, task.name) == []


@pytest.mark.slow
def test_a_progress_file_that_is_broken_or_of_tomorrow_is_begun_anew(tmp_path: Path, runs: list[TwinRun]) -> None:
    with opened(tmp_path) as plant:
        tools_of(plant, runs, 0, 40)
        path = plant.store.path / "training" / "tool-life"
        path.parent.mkdir()
        ahead = {"now_ns": T0 + 10**18, "known_ns": 1, "address": "x", "tried": {}}
        for data in (b"", b"LWMODEL1 and no more", registry.encode({"tried": 1}), registry.encode(ahead)):
            path.write_bytes(data)
            assert training.due(plant, learning.task_of(plant, "tool-life"), plant.clock.now_ns()).endswith("new outcomes")
        assert told(plant, "tool-life")["came"] == "serves"


def test_it_is_trained_at_its_time_of_day_where_the_site_says_so(tmp_path: Path, runs: list[TwinRun]) -> None:
    more = '[learning]\nevery = 0\nat = "03:00"\n'
    with opened(tmp_path, more) as plant:
        tools_of(plant, runs, 0, 40)
        task, midnight = learning.task_of(plant, "tool-life"), (T0 // (24 * HOUR) + 2) * 24 * HOUR
        plant.record("training.ended", "tool-life", {"task": "tool-life", "model": "", "came": "", "why": "", "outcomes": 3, "took_s": 0.0}, t_ns=midnight - HOUR)
        assert training.due(plant, task, midnight + 2 * HOUR) == ""
        assert training.due(plant, task, midnight + 4 * HOUR).startswith("it is 03:00")


@pytest.mark.slow
def test_while_a_plant_runs_what_is_due_is_trained_with_its_progress_shown_and_a_failure_ends_nothing(tmp_path: Path, runs: list[TwinRun]) -> None:
    with opened(tmp_path) as plant:
        tools_of(plant, runs, 0, 40)
        flow = Flow()

        async def some_time() -> None:
            doing = asyncio.create_task(training.keep_learning(plant, flow))
            assert isinstance(plant.clock, SimClock)
            for _ in range(3000):
                await plant.clock.advance(1.0)
                await asyncio.sleep(0.01)
                if serving(plant, "tool-life"):
                    break
            doing.cancel()
            await asyncio.gather(doing, return_exceptions=True)

        asyncio.run(some_time())
        assert serving(plant, "tool-life").startswith("tool-life/")
        said = [one["words"] for one in flow.snapshot()["recent"]]
        assert any("mean_life is tried, 1 of 3 models" in one for one in said), said


@pytest.mark.slow
def test_a_model_whose_file_was_swapped_while_it_serves_says_nothing_and_is_demoted(tmp_path: Path, runs: list[TwinRun]) -> None:
    with opened(tmp_path) as plant:
        tools_of(plant, runs, 0, 40)
        done = told(plant, "tool-life")
        task = learning.task_of(plant, "tool-life")
        life.look(plant, task, plant.clock.now_ns())
        before = len(predictions.read(plant.store, task="tool-life")["due_ns"])
        card = models.card_of(plant.store, done["model"])
        (plant.store.path / "models" / card.weights_hash).write_bytes(registry.encode({"task": "tool-life", "kind": "life"}))
        tools_of(plant, runs, 40, 43)
        life.look(plant, task, plant.clock.now_ns())
        assert len(predictions.read(plant.store, task="tool-life")["due_ns"]) == before
        assert scored.check(plant, "tool-life", plant.clock.now_ns())["demoted"]
        assert serving(plant, "tool-life") == ""


@pytest.mark.parametrize(("more", "says"), [
    ('[[learn]]\ntask = "forcast"\n', "forecast"), ('[[learn]]\ntask = "forecast"\nsignals = []\n', "one signal"),
    ('[[learn]]\ntask = "forecast"\nsignals = ["s.enrgy"]\n', "s.energy"), ('[[learn]]\ntask = "life"\nthings = ["lathe*"]\n', "no machine"),
    ('[[learn]]\ntask = "anomaly"\n', "at least one signal"), ('[[learn]]\ntask = "life"\nname = "a/b"\n', "holds"),
    ('[[learn]]\ntask = "life"\nname = ".."\n', "no name"), ('[[learn]]\ntask = "life"\n[[learn]]\ntask = "life"\n', "twice"),
    ('[[learn]]\ntask = "life"\nends = "machine.dwon"\nsignals = ["s.vibration"]\n', "machine.down"),
    ('[[learn]]\ntask = "forecast"\nsignals = ["s.energy"]\nstep_s = 60\nahead_s = 30\n', "a step up to a day"),
    ("[learning]\nevery = -1\n", "0 to"), ('[learning]\nat = "25:00"\n', "time of day"), ("[learning]\nwatts = 0\n", "above 0"),
])
def test_a_table_that_cannot_be_is_refused_with_what_is_allowed(tmp_path: Path, more: str, says: str) -> None:
    (tmp_path / "site.toml").write_text(SITE.replace("{approvers}", "") + more)
    with pytest.raises((SiteError, UnknownName)) as error:
        load_site(tmp_path / "site.toml")
    assert says in json.dumps({"said": str(error.value)}), str(error.value)
